# netcfgd: the kernel's network configuration and the address lease. netcfgd_LEASE is the pure core
# that the simulation links as well.
netcfgd_LEASE := netcfgd/lease.c
netcfgd_DESIRED := netcfgd/kernel.c netcfgd/desired.c netcfgd/desired_ip.c netcfgd/desired_switch.c
netcfgd_PURE := netcfgd/lease.c $(netcfgd_DESIRED) netcfgd/reconcile.c netcfgd/reconcile_link.c \
	netcfgd/reconcile_ip.c netcfgd/describe.c netcfgd/damp.c
netcfgd_FIREWALL := netcfgd/rule.c netcfgd/batch.c netcfgd/nfattr.c netcfgd/content.c \
	netcfgd/userrules.c netcfgd/policy_input.c netcfgd/firewall.c
netcfgd_ENGINE := $(netcfgd_PURE) $(netcfgd_FIREWALL) netcfgd/nl.c netcfgd/observe.c netcfgd/nft.c \
	netcfgd/sysctl.c netcfgd/rtnl_write.c netcfgd/apply.c netcfgd/settle.c \
	netcfgd/engine_wan.c netcfgd/engine.c

netcfgd_CABLING := netcfgd/probe.c netcfgd/cabling.c netcfgd/cabling_text.c
netcfgd_DHCP := netcfgd/dhcp_client.c netcfgd/dhcp_server.c netcfgd/dhcp_file.c netcfgd/hook.c netcfgd/resolv.c
netcfgd_SERVICES := netcfgd/services.c netcfgd/service_main.c netcfgd/service_file.c netcfgd/child.c \
	$(netcfgd_DHCP) netcfgd/service_wan.c netcfgd/service_dhcp.c \
	$(netcfgd_CABLING) netcfgd/cabling_ports.c netcfgd/acd.c netcfgd/ethernet.c netcfgd/wire.c \
	netcfgd/service_cabling.c netcfgd/service_addresses.c netcfgd/service_rules.c

PROGRAMS += netcfgd
MAN_PAGES += netcfgd/netcfgd.8
netcfgd_SRCS := $(netcfgd_ENGINE) $(netcfgd_SERVICES) netcfgd/ipc.c netcfgd/status.c netcfgd/status_services.c netcfgd/main.c
netcfgd_PKGS := libmnl libnftnl

UNIT_TESTS += test_cabling test_cabling_ports test_acd
test_cabling_ports_SRCS := netcfgd/cabling_ports.c netcfgd/kernel.c
test_cabling_SRCS := $(netcfgd_CABLING)
test_acd_SRCS := netcfgd/acd.c netcfgd/ethernet.c
UNIT_TESTS += test_damp
test_damp_SRCS := netcfgd/damp.c
UNIT_TESTS += test_lease test_reconcile test_firewall test_engine test_engine_net
test_lease_SRCS := $(netcfgd_LEASE)
test_reconcile_SRCS := tests/unit/model_kernel.c tests/unit/world.c $(netcfgd_PURE)
test_firewall_SRCS := $(netcfgd_PURE) $(netcfgd_FIREWALL)
test_firewall_PKGS := libnftnl libmnl
UNIT_TESTS += test_userrules test_rules_kernel
test_rules_kernel_SRCS := $(netcfgd_ENGINE)
test_rules_kernel_PKGS := libnftnl libmnl
test_userrules_SRCS := $(netcfgd_FIREWALL)
test_userrules_PKGS := libnftnl libmnl
test_engine_SRCS := tests/unit/engine_bed.c $(netcfgd_ENGINE)
test_engine_PKGS := libnftnl libmnl
test_engine_net_SRCS := $(test_engine_SRCS)
test_engine_net_PKGS := libnftnl libmnl

UNIT_TESTS += test_services test_dhcp_client test_dhcp_server test_hook test_child
test_services_SRCS := netcfgd/services.c
test_dhcp_client_SRCS := netcfgd/dhcp_client.c
test_dhcp_server_SRCS := netcfgd/dhcp_server.c netcfgd/kernel.c
test_hook_SRCS := netcfgd/hook.c netcfgd/dhcp_file.c netcfgd/resolv.c
test_child_SRCS := netcfgd/child.c
