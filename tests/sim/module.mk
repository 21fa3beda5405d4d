# The deterministic simulation of two nodes; see tests/sim/pair.c.
SIM_TESTS += pair
pair_SRCS = tests/sim/world.c tests/sim/network.c tests/sim/process.c tests/sim/node.c \
	tests/sim/shell_vrrpd.c tests/sim/shell_netcfgd.c tests/sim/shell_syncd.c \
	tests/sim/shell_supervisor.c tests/sim/workload.c tests/sim/faults.c tests/sim/scenario.c \
	tests/sim/invariants.c $(vrrpd_CORE) vrrpd/beat.c netcfgd/lease.c syncd/flow.c \
	syncd/dirty.c syncd/replica.c syncd/replica_text.c syncd/shadow.c common/supervisor/policy.c
pair_LDLIBS = -lmbedcrypto
