# netcfgd: the kernel's network configuration and the address lease. netcfgd_LEASE is the pure core
# that the simulation links as well.
netcfgd_LEASE := netcfgd/lease.c
netcfgd_PURE := netcfgd/lease.c netcfgd/kernel.c netcfgd/desired.c netcfgd/reconcile.c
netcfgd_FIREWALL := netcfgd/rule.c netcfgd/firewall.c

PROGRAMS += netcfgd
netcfgd_SRCS := $(netcfgd_PURE) $(netcfgd_FIREWALL) netcfgd/nl.c netcfgd/observe.c netcfgd/nft.c \
	netcfgd/sysctl.c netcfgd/apply.c netcfgd/engine.c netcfgd/ipc.c netcfgd/main.c
netcfgd_PKGS := libmnl libnftnl

UNIT_TESTS += test_lease test_reconcile
test_lease_SRCS := $(netcfgd_LEASE)
test_reconcile_SRCS := $(netcfgd_PURE)
