# vrrpd: the role election. vrrpd_CORE is the pure part, which the simulation links as well.
vrrpd_CORE := vrrpd/election.c vrrpd/elect_util.c vrrpd/elect_peer.c \
	vrrpd/elect_standby.c vrrpd/elect_active.c

PROGRAMS += vrrpd
vrrpd_SRCS := $(vrrpd_CORE) vrrpd/packet.c vrrpd/beat.c vrrpd/announce.c vrrpd/report.c \
	vrrpd/keeper.c vrrpd/socket.c vrrpd/setup.c vrrpd/node.c vrrpd/ipc.c vrrpd/status.c vrrpd/main.c

UNIT_TESTS += test_election test_election_lease test_packet test_beat
test_election_SRCS := $(vrrpd_CORE)
test_election_lease_SRCS := $(vrrpd_CORE)
test_packet_SRCS := vrrpd/packet.c
test_beat_SRCS := vrrpd/beat.c vrrpd/announce.c

MAN_PAGES += vrrpd/vrrpd.8
