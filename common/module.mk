# common: what all processes share; an archive, so a program takes only what it uses.
common_SRCS := $(wildcard common/*.c)
common_PKGS := libuv libprotobuf-c jansson libconfuse libcap libseccomp
common_LDLIBS := -lmbedcrypto

UNIT_TESTS += test_arena test_cursor test_timer test_log test_ipc_wire
