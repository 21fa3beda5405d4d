# common: what all processes share; an archive, so a program takes only what it uses.
common_SRCS := $(wildcard common/*.c)
common_PKGS := libuv libprotobuf-c jansson libconfuse libcap libseccomp
common_LDLIBS := -lmbedcrypto

UNIT_TESTS += test_arena test_cursor test_timer test_log test_ipc_wire test_ipc test_ipc_hostile test_sandbox test_print test_daemon
test_ipc_SRCS := tests/unit/ipc_bed.c
test_ipc_hostile_SRCS := tests/unit/ipc_bed.c

UNIT_TESTS += test_config test_config_roundtrip test_node_key test_config_rules

MAN_PAGES += common/gatepair.conf.5
