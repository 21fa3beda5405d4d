# syncd: session replication
syncd_CORE := syncd/flow.c syncd/dirty.c syncd/replica.c syncd/record.c syncd/frame.c syncd/shadow.c \
	syncd/marks.c syncd/ctmsg.c

PROGRAMS += syncd
syncd_SRCS := syncd/main.c syncd/ipc.c syncd/engine.c syncd/source.c syncd/sink.c syncd/ctnl.c \
	syncd/link.c syncd/conn.c syncd/identity.c syncd/listing.c $(syncd_CORE)
syncd_LDLIBS := -lmbedtls -lmbedx509 -lmbedcrypto

MAN_PAGES += syncd/syncd.8
