# syncd: session replication
syncd_CORE := syncd/flow.c syncd/dirty.c syncd/replica.c syncd/replica_text.c syncd/record.c syncd/frame.c syncd/shadow.c \
	syncd/marks.c syncd/ctmsg.c

PROGRAMS += syncd
syncd_SRCS := syncd/main.c syncd/ipc.c syncd/report.c syncd/engine.c syncd/source.c syncd/sink.c syncd/restore.c syncd/ctnl.c \
	syncd/link.c syncd/endpoint.c syncd/conn.c syncd/identity.c syncd/listing.c syncd/filter.c syncd/cause.c $(syncd_CORE)
syncd_LDLIBS := -lmbedtls -lmbedx509 -lmbedcrypto

MAN_PAGES += syncd/syncd.8

UNIT_TESTS += test_flow test_dirty test_replica test_record test_shadow test_ctmsg test_filter test_cause
test_flow_SRCS := syncd/flow.c
test_dirty_SRCS := syncd/dirty.c syncd/flow.c
test_replica_SRCS := syncd/replica.c syncd/replica_text.c
test_record_SRCS := syncd/record.c syncd/frame.c syncd/flow.c
test_shadow_SRCS := syncd/shadow.c syncd/marks.c syncd/flow.c
test_ctmsg_SRCS := syncd/ctmsg.c syncd/flow.c syncd/record.c
test_filter_SRCS := syncd/filter.c syncd/flow.c
test_cause_SRCS := syncd/cause.c
