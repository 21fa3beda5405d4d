# netcfgd: the kernel's network configuration and the address lease. netcfgd_LEASE is the pure core
# that the simulation links as well. firewall/ is the policy, services/ the second process.
netcfgd_LEASE := netcfgd/lease.c
netcfgd_PURE := $(netcfgd_LEASE) $(addprefix netcfgd/,kernel.c wan.c desired.c desired_ip.c desired_switch.c reconcile.c \
	reconcile_link.c reconcile_ip.c describe.c damp.c)
netcfgd_FIREWALL := $(addprefix netcfgd/firewall/,rule.c batch.c nfattr.c content.c userrules.c policy_input.c firewall.c)
netcfgd_ENGINE := $(netcfgd_PURE) $(netcfgd_FIREWALL) netcfgd/firewall/nft.c $(addprefix netcfgd/,nl.c observe.c sysctl.c \
	rtnl_write.c apply.c settle.c engine_wan.c engine.c)

netcfgd_CABLING := $(addprefix netcfgd/services/,probe.c cabling.c cabling_text.c)
netcfgd_DHCP := $(addprefix netcfgd/services/,dhcp_client.c dhcp_server.c dhcp_file.c hook.c resolv.c)
netcfgd_SERVICES := netcfgd/services.c $(netcfgd_DHCP) $(netcfgd_CABLING) $(addprefix netcfgd/services/,service_main.c \
	service_file.c service_wan.c service_dhcp.c goodbye.c service_rules.c service_cabling.c service_addresses.c child.c \
	cabling_ports.c acd.c ethernet.c wire.c)

PROGRAMS += netcfgd
MAN_PAGES += netcfgd/netcfgd.8
netcfgd_SRCS := $(netcfgd_ENGINE) $(netcfgd_SERVICES) $(addprefix netcfgd/,ipc.c status.c status_services.c main.c)
netcfgd_PKGS := libmnl libnftnl

UNIT_TESTS += test_lease test_reconcile test_damp test_engine test_engine_net
test_lease_SRCS := $(netcfgd_LEASE)
test_reconcile_SRCS := tests/unit/model_kernel.c tests/unit/world.c $(netcfgd_PURE)
test_damp_SRCS := netcfgd/damp.c
test_engine_SRCS := tests/unit/engine_bed.c $(netcfgd_ENGINE)
test_engine_PKGS := $(netcfgd_PKGS)
test_engine_net_SRCS := $(test_engine_SRCS)
test_engine_net_PKGS := $(netcfgd_PKGS)

UNIT_TESTS += test_firewall test_userrules test_rules_kernel
test_firewall_SRCS := $(netcfgd_PURE) $(netcfgd_FIREWALL)
test_firewall_PKGS := $(netcfgd_PKGS)
test_userrules_SRCS := $(netcfgd_FIREWALL)
test_userrules_PKGS := $(netcfgd_PKGS)
test_rules_kernel_SRCS := $(netcfgd_ENGINE)
test_rules_kernel_PKGS := $(netcfgd_PKGS)

UNIT_TESTS += test_wan test_services test_child test_dhcp_client test_dhcp_server test_hook test_cabling test_cabling_ports test_acd
test_wan_SRCS := netcfgd/wan.c netcfgd/kernel.c
test_services_SRCS := netcfgd/services.c
test_child_SRCS := netcfgd/services/child.c
test_dhcp_client_SRCS := netcfgd/services/dhcp_client.c
test_dhcp_server_SRCS := netcfgd/services/dhcp_server.c netcfgd/kernel.c
test_hook_SRCS := $(addprefix netcfgd/services/,hook.c dhcp_file.c resolv.c)
test_cabling_SRCS := $(netcfgd_CABLING)
test_cabling_ports_SRCS := netcfgd/services/cabling_ports.c netcfgd/kernel.c
test_acd_SRCS := netcfgd/services/acd.c netcfgd/services/ethernet.c
