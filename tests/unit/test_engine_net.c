/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd's engine on the real kernel: bridges, names, MACs, MTUs, routes of every kind, rules,
 * leases of WAN interfaces, kernel switches over a crash, and programs that fight with it.
 */
#include "tests/unit/engine_bed.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netcfgd/engine_internal.h"

#define NODE "node = \"gw-01\"\n"
#define BRIDGE                                                                                     \
	NODE "interface \"lan1\" { role = ha device = \"dev1\" mac = \"52:54:00:00:00:77\" }\n"    \
	     "bridge \"br0\" { ports = {\"ge2\", \"ge3\"} role = lan stp = true mtu = 1400\n"      \
	     "    address = {\"10.0.0.2/24\", \"10.0.0.3/24\", \"2001:db8::2/64\"}\n"              \
	     "    mac = \"52:54:00:00:00:42\" }\n"                                                 \
	     "cluster { priority = 150 }\n"                                                        \
	     "vrrp \"lan\" { interface = \"br0\" vrid = 10 virtual-address = {\"10.0.0.1/24\"} "   \
	     "}\n"
#define ROUTES                                                                                     \
	NODE "interface \"ge2\" { role = lan address = {\"10.0.0.2/24\"} }\n"                      \
	     "interface \"ge3\" { role = wan address = {\"203.0.113.2/24\", \"2001:db8:3::2/64\"}" \
	     " gateway = {\"203.0.113.1\", \"2001:db8:3::1\"} metric = 50 }\n"                     \
	     "route \"10.1.0.0/16\" { via = \"10.0.0.9\" }\n"                                      \
	     "route \"10.2.0.0/16\" { interface = \"ge2\" metric = 7 }\n"                          \
	     "route \"10.3.0.0/16\" { blackhole = true }\n"                                        \
	     "route \"0.0.0.0/0\" { via = \"10.0.0.8\" table = 1000 }\n"                           \
	     "route \"2001:db8:9::/48\" { blackhole = true }\n"                                    \
	     "rule \"voice\" { from = \"10.7.0.0/16\" table = 1000 priority = 100 }\n"             \
	     "rule \"marked\" { mark = 5 interface = \"ge2\" table = 1000 priority = 101 }\n"
#define WAN                                                                                        \
	NODE "interface \"ge2\" { role = lan address = {\"10.0.0.2/24\"} }\n"                      \
	     "interface \"ge3\" { role = wan dhcp = true metric = 9 }\n"

static char folder[] = "/tmp/gatepair-test-net-XXXXXX";

static const struct kernel_link *link_of(const char *name)
{
	return kernel_link_by_name(&e.k, name);
}

static bool in(const char *link, const char *master)
{
	const struct kernel_link *l = link_of(link), *m = link_of(master);

	return l && m && l->master == m->index;
}

/* --- links ----------------------------------------------------------------------------------- */

static void check_bridge(void)
{
	static const uint8_t mac[] = {0x52, 0x54, 0, 0, 0, 0x42};
	const struct kernel_link *br = link_of("br0");

	assert_non_null(br);
	assert_int_equal(br->kind, LINK_BRIDGE);
	assert_true(br->ours && br->up && br->stp);
	assert_int_equal(br->forward_delay, BRIDGE_FORWARD_DELAY);
	assert_memory_equal(br->mac, mac, sizeof(mac));
	assert_int_equal(br->mtu, 1400);
	assert_int_equal(br->n_addrs >= 3, 1);
	assert_true(in("ge2", "br0") && in("ge3", "br0"));
	assert_true(link_of("ge2")->up && link_of("ge3")->up);
	assert_int_equal(link_of("ge3")->mtu, 1400);
	assert_int_equal(link_of("vr10.br0")->mtu, 1400);
	assert_int_equal(read_number("/proc/sys/net/ipv6/conf/ge3/disable_ipv6"), 1);
}

#define NF_CALL "/proc/sys/net/bridge/bridge-nf-call-iptables"

static void test_bridge(void **state)
{
	static const char *const damages[] = {
		"ip link set ge2 nomaster",
		"ip link del br0",
		"ip link set br0 type bridge stp_state 0",
		"ip link set br0 address 52:54:00:00:00:43",
		"ip link set vr10.br0 address 00:00:5e:00:01:0b",
		"ip link set br0 mtu 1300",
		"ip link set ge3 mtu 1300",
		"ip link set ge3 down",
		"ip link set br0 down",
		"ip addr del 10.0.0.2/24 dev br0",
		"ip -6 addr flush dev br0 scope global",
		"ip addr change 10.0.0.2/24 dev br0 valid_lft 100 preferred_lft 100",
	};
	usec_t worst = 0;

	(void)state;
	must("ip link add dev1 type veth peer name p1");
	must("ip link add stranger type bridge");
	assert_int_equal(commit(BRIDGE), 0);
	assert_true(is_settled());
	assert_null(link_of("dev1"));
	assert_true(link_of("lan1")->up && link_of("lan1")->mac[5] == 0x77);
	check_bridge();
	/* There is none where br_netfilter is not loaded. */
	if (access(NF_CALL, F_OK) == 0)
		assert_int_equal(read_number(NF_CALL), 0);
	lease(LEASE_EV_ACQUIRE, 1, 100 * USEC_PER_SEC);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		usec_t took = repaired(damages[i]);
		const struct kernel_link *br = link_of("br0");

		worst = took > worst ? took : worst;
		check_bridge();
		assert_int_equal(engine_primary(&e, br)->v4.s_addr, inet_addr("10.0.0.2"));
		assert_true(e.k.fw.gate_open);
	}
	print_message("worst: %lld µs\n", (long long)worst);
	assert_true(worst < 150 * MS);
	assert_int_equal(errors, 0);
	/* The same again writes nothing; nor does a restart. */
	e.operations = 0;
	assert_int_equal(commit(BRIDGE), 0);
	assert_int_equal(e.operations, 0);
	restart(BRIDGE);
	assert_int_equal(e.operations, 0);
	assert_true(e.lease.held);
	/* A member that is gone comes back later. */
	must("ip link del ge2");
	loop(50 * MS, NULL);
	assert_null(link_of("ge2"));
	must("ip link add ge2 type veth peer name p2");
	loop(20 * MS, NULL);
	loop(USEC_PER_SEC, is_settled);
	assert_true(in("ge2", "br0"));
	/* What is no longer wanted goes, its members are free, the stranger stays. */
	assert_int_equal(commit(NODE "interface \"ge3\" { role = lan }\n"), 0);
	assert_null(link_of("br0"));
	assert_int_equal(link_of("ge3")->master, 0);
	assert_non_null(link_of("stranger"));
}

static void test_strangers_master(void **state)
{
	(void)state;
	must("ip link add dev1 type veth peer name p1");
	must("ip link add stranger type bridge");
	must("ip link set ge3 master stranger");
	assert_int_equal(commit(BRIDGE), 0);
	assert_true(in("ge3", "stranger") && in("ge2", "br0"));
	assert_true(errors >= 1);
	assert_non_null(strstr(last_error, "member of stranger"));
	must("ip link set ge3 nomaster");
	loop(20 * MS, NULL);
	loop(USEC_PER_SEC, is_settled);
	assert_true(in("ge3", "br0"));
}

/* --- routes and rules ------------------------------------------------------------------------ */

static bool route(const char *prefix, uint32_t metric, uint32_t table)
{
	struct config_prefix p;
	struct kernel_route_key key;

	assert_int_equal(config_prefix_from_str(prefix, &p), 0);
	key = kernel_route_key(&p, metric, table);
	return kernel_route_find(&e.k, &key) != NULL;
}

static void check_routes(void)
{
	assert_int_equal(our_routes(), 7);
	assert_true(route("0.0.0.0/0", 50, 254) && route("::/0", 50, 254));
	assert_true(route("10.1.0.0/16", 0, 254) && route("10.2.0.0/16", 7, 254));
	assert_true(route("10.3.0.0/16", 0, 254) && route("0.0.0.0/0", 0, 1000));
	assert_true(route("2001:db8:9::/48", 1024, 254));
	/* "marked" is for both families; and the kernel's own two. */
	assert_int_equal(HASH_COUNT(e.k.rules), 5);
}

static void test_routes(void **state)
{
	static const char *const damages[] = {
		"ip route flush table main",
		"ip route flush table 1000",
		"ip -6 route flush table main",
		"ip route del blackhole 10.3.0.0/16",
		"ip route replace 10.1.0.0/16 via 10.0.0.77",
		"ip route replace unreachable 10.1.0.0/16",
		"ip rule del pref 100",
		"ip rule flush",
		"ip -6 rule flush",
		"ip rule add pref 7 from 9.9.9.9 table 1000 protocol 77",
		"ip link set ge2 down",
		"ip link set ge3 down",
		"ip addr flush dev ge2",
		"ip -6 addr flush dev ge3 scope global",
	};
	usec_t worst = 0;

	(void)state;
	assert_int_equal(commit(ROUTES), 0);
	assert_int_equal(errors, 0);
	check_routes();
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		usec_t took = repaired(damages[i]);

		worst = took > worst ? took : worst;
		check_routes();
	}
	print_message("worst: %lld µs\n", (long long)worst);
	assert_true(worst < 150 * MS);
	assert_int_equal(errors, 0);
	must("ip route get 10.1.2.3 mark 5 iif ge2 from 10.0.0.50");
	e.operations = 0;
	restart(ROUTES);
	assert_int_equal(e.operations, 0);
	check_routes();
	/* A stranger's are left alone, ours go. */
	must("ip route add 10.50.0.0/16 via 10.0.0.5");
	must("ip rule add pref 50 from 10.50.0.0/16 table 99");
	assert_int_equal(commit(NODE "interface \"ge2\" { role = lan address = {\"10.0.0.2/24\"} "
				     "}\n"),
		0);
	assert_int_equal(our_routes(), 0);
	assert_int_equal(HASH_COUNT(e.k.rules), 2);
	must("ip route del 10.50.0.0/16 via 10.0.0.5");
	must("ip rule del pref 50 from 10.50.0.0/16 table 99");
}

/* --- leases of WAN interfaces ---------------------------------------------------------------- */

static struct wan_lease wan(enum wan_state st, const char *address, usec_t ttl)
{
	struct wan_lease w = {.link = "ge3", .state = st, .until = clock_now_us() + ttl};

	assert_int_equal(config_prefix_from_str(address, &w.address), 0);
	assert_int_equal(config_prefix_from_str("198.51.100.1", &w.gateway), 0);
	return w;
}

static int give(enum wan_state st, const char *address, usec_t ttl)
{
	struct wan_lease w = wan(st, address, ttl);

	return engine_set_wan(&e, &w, clock_now_us());
}

static bool has(const char *link, const char *address)
{
	struct config_prefix p;

	assert_int_equal(config_prefix_from_str(address, &p), 0);
	return kernel_addr_find(link_of(link), &p) != NULL;
}

static bool wan_gone(void)
{
	return !has("ge3", "198.51.100.9/24");
}

static void test_wan(void **state)
{
	(void)state;
	assert_int_equal(commit(WAN), 0);
	assert_int_equal(give(WAN_BOUND, "198.51.100.7/24", 600 * USEC_PER_SEC), 0);
	assert_true(has("ge3", "198.51.100.7/24") && route("0.0.0.0/0", 9, 254));
	assert_int_equal(errors, 0);
	e.operations = 0;
	assert_int_equal(give(WAN_BOUND, "198.51.100.7/24", 600 * USEC_PER_SEC), 0);
	assert_int_equal(e.operations, 0);
	/* A renewal is one write. */
	assert_int_equal(give(WAN_BOUND, "198.51.100.7/24", 1200 * USEC_PER_SEC), 0);
	assert_int_equal(e.operations, 1);
	repaired("ip addr del 198.51.100.7/24 dev ge3");
	assert_true(has("ge3", "198.51.100.7/24") && route("0.0.0.0/0", 9, 254));
	repaired("ip route del default");
	/* A new process keeps what is there until it hears of it. */
	e.operations = 0;
	restart(WAN);
	assert_int_equal(e.operations, 0);
	assert_true(has("ge3", "198.51.100.7/24") && route("0.0.0.0/0", 9, 254));
	/* Another server, another address; then none. */
	assert_int_equal(give(WAN_BOUND, "198.51.100.8/25", 600 * USEC_PER_SEC), 0);
	assert_true(has("ge3", "198.51.100.8/25") && !has("ge3", "198.51.100.7/24"));
	assert_true(route("0.0.0.0/0", 9, 254));
	assert_int_equal(give(WAN_NONE, "198.51.100.8/25", 0), 0);
	assert_false(has("ge3", "198.51.100.8/25") || route("0.0.0.0/0", 9, 254));
	/* A router outside of the subnet. */
	assert_int_equal(give(WAN_BOUND, "198.51.100.200/32", 600 * USEC_PER_SEC), 0);
	assert_true(route("0.0.0.0/0", 9, 254));
	assert_int_equal(errors, 0);
}

static void test_wan_ends(void **state)
{
	usec_t start;

	(void)state;
	assert_int_equal(commit(WAN), 0);
	assert_int_equal(give(WAN_BOUND, "198.51.100.9/24", 2 * USEC_PER_SEC), 0);
	start = clock_now_us();
	loop(5 * USEC_PER_SEC, wan_gone);
	assert_true(wan_gone() && clock_now_us() - start < 3 * USEC_PER_SEC);
	loop(USEC_PER_SEC, is_settled);
	assert_false(route("0.0.0.0/0", 9, 254));
	/* A lease over our own subnet is a mistake or an attack. */
	assert_true(give(WAN_BOUND, "10.0.0.77/24", 600 * USEC_PER_SEC) < 0);
	assert_false(has("ge3", "10.0.0.77/24"));
	assert_non_null(strstr(last_error, "overlaps the network of ge2"));
	/* Switched off, it leaves nothing. */
	assert_int_equal(give(WAN_BOUND, "198.51.100.9/24", 60 * USEC_PER_SEC), 0);
	assert_int_equal(commit(NODE "interface \"ge3\" { role = wan }\n"), 0);
	assert_true(wan_gone() && !route("0.0.0.0/0", 9, 254));
}

/* --- kernel switches ------------------------------------------------------------------------- */

#define ARP_IGNORE "/proc/sys/net/ipv4/conf/ge3/arp_ignore"

static void test_switches(void **state)
{
	char path[sizeof(folder) + 16];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, SYSCTL_FILE);
	write_text(ARP_IGNORE, "2\n");
	sysctl_open(&e.sysctl, folder);
	assert_int_equal(commit(WAN), 0);
	assert_int_equal(read_number(ARP_IGNORE), 1);
	/* The kernel does not tell of this one; nor is it waited for. */
	write_text(ARP_IGNORE, "0\n");
	write_text("/proc/sys/net/ipv4/ip_forward", "0\n");
	loop(300 * MS, is_settled);
	loop(50 * MS, NULL);
	assert_int_equal(read_number("/proc/sys/net/ipv4/ip_forward"), 1);
	loop(6 * USEC_PER_SEC, NULL);
	assert_int_equal(read_number(ARP_IGNORE), 1);
	assert_true(e.repairs >= 2);
	/* Dies, and is told by the next configuration that it is no longer wanted. */
	restart(NULL);
	sysctl_open(&e.sysctl, folder);
	assert_int_equal(commit(NODE "interface \"ge2\" { role = lan }\n"), 0);
	assert_int_equal(read_number(ARP_IGNORE), 2);
	/* A file that is not ours, and a folder that is gone. */
	write_text(path, "nonsense ../../kernel/panic 1\n");
	restart(NULL);
	sysctl_open(&e.sysctl, folder);
	assert_int_equal(commit(WAN), 0);
	assert_int_equal(read_number(ARP_IGNORE), 1);
	unlink(path);
	rmdir(folder);
	assert_int_equal(commit(NODE "interface \"ge2\" { role = lan }\n"), 0);
	assert_int_equal(read_number(ARP_IGNORE), 2);
}

/* --- fights ---------------------------------------------------------------------------------- */

static bool address_back(void)
{
	return has("ge2", "10.0.0.2/24");
}

static void test_fight(void **state)
{
	unsigned rounds = 0;
	usec_t start, worst = 0, took;

	(void)state;
	assert_int_equal(commit(WAN), 0);
	for (start = clock_now_us(); clock_now_us() - start < 4 * USEC_PER_SEC; rounds++) {
		must("ip addr del 10.0.0.2/24 dev ge2");
		loop(10 * MS, NULL);
		took = loop(2 * USEC_PER_SEC, address_back);
		assert_true(address_back());
		worst = took > worst ? took : worst;
	}
	print_message("%u rounds, the longest pause %lld µs\n", rounds, (long long)worst);
	assert_true(worst > 500 * MS && worst < 1100 * MS);
	assert_int_equal(errors, 1);
	assert_non_null(strstr(last_error, "10.0.0.2/24 was changed 10 times"));
	assert_int_equal(damp_fights(&e.damp, clock_now_us()), 1);
	/* Others are not made to wait. */
	assert_true(repaired("ip link set ge3 down") < 100 * MS);
}

/* --- what strangers do, and the kernel ------------------------------------------------------- */

/* Addresses of a stranger's, on lo. */
static void many_addresses(const char *verb, unsigned n)
{
	size_t size = n * 48 + 1, len = 0;
	char *text = malloc(size);

	assert_non_null(text);
	for (unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, size - len, "addr %s 10.77.%u.%u/32 dev lo\n",
			verb, i / 250, i % 250 + 1);
	batch(text);
	free(text);
}

static void test_subnets_way_taken(void **state)
{
	uint64_t repairs;

	(void)state;
	assert_int_equal(commit(ROUTES), 0);
	repaired("ip route replace 10.0.0.0/24 dev ge3 proto static");
	assert_true(is_settled());
	repairs = e.repairs;
	for (int i = 0; i < 3; i++) {
		must("ip addr add 10.77.0.1/32 dev lo");
		loop(20 * MS, NULL);
		must("ip addr del 10.77.0.1/32 dev lo");
		loop(20 * MS, NULL);
	}
	assert_int_equal(e.repairs, repairs);
	assert_int_equal(errors, 0);
}

static bool follows(void)
{
	must("ip link set br0 txqueuelen 77");
	must("ip link set br0 txqueuelen 78");
	engine_readable(&e, clock_now_us());
	return link_of("br0")->follows;
}

/* The root of the spanning tree says how long to wait, whatever the others were told. */
static void test_another_root(void **state)
{
	(void)state;
	must("ip link add root type bridge stp_state 1 priority 100 forward_delay 1500");
	must("ip link set p2 master root");
	must("ip link set root up");
	assert_int_equal(commit(BRIDGE), 0);
	loop(10 * USEC_PER_SEC, follows);
	assert_true(link_of("br0")->follows);
	assert_true(is_settled());
	assert_int_equal(e.repairs, 0);
	e.operations = 0;
	restart(BRIDGE);
	assert_int_equal(e.operations, 0);
}

static void test_lost_notifications(void **state)
{
	(void)state;
	assert_int_equal(commit(BRIDGE), 0);
	loop(50 * MS, NULL);
	assert_int_equal(setsockopt(e.observe.events.fd, SOL_SOCKET, SO_RCVBUFFORCE,
				 &(int){32 << 10}, sizeof(int)),
		0);
	/* Told: a new one came in its place. Lost: that went as well. */
	must("ip link del br0");
	must("ip link add br0 alias gatepair type bridge");
	many_addresses("add", 300);
	must("ip link del br0");
	loop(20 * MS, NULL);
	loop(3 * USEC_PER_SEC, is_settled);
	assert_true(is_settled());
	assert_non_null(link_of("br0"));
	/* In the kernel, too. */
	must("ip addr del 10.0.0.2/24 dev br0");
}

static void test_many_strangers(void **state)
{
	(void)state;
	assert_int_equal(commit(ROUTES), 0);
	many_addresses("add", KERNEL_MAX_ADDRS + 50);
	restart(ROUTES);
	assert_int_equal(e.operations, 0);
	repaired("ip addr del 10.0.0.2/24 dev ge2");
	assert_int_equal(errors, 0);
}

/* It went while it was to be set up: what is told is that it is not there. */
static void test_gone_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(commit(WAN), 0);
	must("ip link set ge2 down");
	assert_true(observe_drain(&e.observe) > 0);
	must("ip link del ge2");
	engine_settle(&e, SETTLE_REPAIR, clock_now_us());
	assert_null(link_of("ge2"));
	assert_non_null(strstr(last_error, "there is none of this name"));
	assert_int_equal(errors, 1);
}

static void test_alternative_name(void **state)
{
	(void)state;
	must("ip link add stranger type bridge");
	must("ip link property add dev stranger altname br0");
	assert_int_equal(commit(BRIDGE), 0);
	assert_true(errors > 0);
	restart(BRIDGE);
	assert_non_null(link_of("stranger"));
	assert_false(link_of("stranger")->ours);
	must("ip link property del dev stranger altname br0");
	loop(3 * USEC_PER_SEC, is_settled);
	assert_true(link_of("br0") && link_of("br0")->ours);
	assert_non_null(link_of("stranger"));
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test_setup_teardown(test_bridge, begin, end),
		cmocka_unit_test_setup_teardown(test_strangers_master, begin, end),
		cmocka_unit_test_setup_teardown(test_routes, begin, end),
		cmocka_unit_test_setup_teardown(test_wan, begin, end),
		cmocka_unit_test_setup_teardown(test_wan_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_switches, begin, end),
		cmocka_unit_test_setup_teardown(test_fight, begin, end),
		cmocka_unit_test_setup_teardown(test_subnets_way_taken, begin, end),
		cmocka_unit_test_setup_teardown(test_another_root, begin, end),
		cmocka_unit_test_setup_teardown(test_lost_notifications, begin, end),
		cmocka_unit_test_setup_teardown(test_many_strangers, begin, end),
		cmocka_unit_test_setup_teardown(test_gone_meanwhile, begin, end),
		cmocka_unit_test_setup_teardown(test_alternative_name, begin, end),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return engine_bed_run(tests);
}
