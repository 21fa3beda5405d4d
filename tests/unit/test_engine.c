/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd's engine on the real kernel, in a network namespace of its own: configure, restart,
 * lease, adopt, repair, reload, the kernel's own backstop. Needs root, or user namespaces.
 */
#include "tests/unit/engine_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAN                                                                                        \
	"node = \"gw-01\"\n"                                                                       \
	"interface \"ge2\" { role = lan address = {\"10.0.0.2/24\"} }\n"                           \
	"interface \"ge3\" { role = wan address = {\"203.0.113.2/24\"} }\n"                        \
	"cluster { priority = 150 }\n"
#define ROUTE "route \"0.0.0.0/0\" { via = \"203.0.113.1\" }\n"
#define VRRP_WAN                                                                                   \
	"vrrp \"wan\" { interface = \"ge3\" vrid = 12 virtual-address = {\"203.0.113.10/24\"} }\n" \
	"nat { interface = \"ge3\" to = virtual }\n"
#define VRRP_LAN                                                                                   \
	"vrrp \"lan\" { interface = \"ge2\" vrid = 10 virtual-address = {\"10.0.0.100/24\", "      \
	"\"10.0.0.101/24\", \"10.0.0.102/24\", \"10.0.0.103/24\", \"10.0.0.104/24\", "             \
	"\"10.0.0.105/24\", \"10.0.0.106/24\", \"10.0.0.107/24\", \"10.0.0.108/24\"} }\n"
#define SITE LAN ROUTE VRRP_WAN VRRP_LAN

static size_t virtuals_up(void)
{
	size_t n = 0;

	for (size_t i = e.d->n_static; i < e.d->n_addrs; i++)
		n += engine_holds(&e, &e.d->addrs[i]);
	return n;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_configure_and_restart(void **state)
{
	(void)state;
	assert_int_equal(commit(SITE), 0);
	assert_int_equal(errors, 0);
	assert_true(e.operations > 10);
	assert_true(is_settled());
	assert_int_equal(read_number("/proc/sys/net/ipv4/ip_forward"), 1);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/ge2/arp_ignore"), 1);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/vr10.ge2/rp_filter"), 2);
	assert_int_equal(read_number("/proc/sys/net/netfilter/nf_conntrack_tcp_loose"), 0);
	assert_int_equal(read_number("/proc/sys/net/netfilter/nf_conntrack_events"), 1);
	assert_false(kernel_link_by_name(&e.k, "vr10.ge2")->up);
	assert_int_equal(our_routes(), 1);
	/* The same again, and again after a restart: not one write. */
	e.operations = 0;
	assert_int_equal(commit(SITE), 0);
	assert_int_equal(e.operations, 0);
	restart(SITE);
	assert_int_equal(e.operations, 0);
	assert_false(e.lease.held);
}

static void test_lease_speed(void **state)
{
	usec_t take = 0, drop = 0;

	(void)state;
	assert_int_equal(commit(SITE), 0);
	for (uint64_t term = 1; term <= 5; term++) {
		assert_int_equal(lease(LEASE_EV_ACQUIRE, term, USEC_PER_SEC).result, LEASE_RES_OK);
		assert_int_equal(virtuals_up(), 10);
		assert_true(e.k.fw.gate_open);
		take = e.last_take > take ? e.last_take : take;
		assert_int_equal(lease(LEASE_EV_RELEASE, term, 0).result, LEASE_RES_OK);
		assert_int_equal(virtuals_up(), 0);
		assert_false(e.k.fw.gate_open);
		drop = e.last_drop > drop ? e.last_drop : drop;
		loop(USEC_PER_SEC, is_settled);
		assert_false(kernel_link_by_name(&e.k, "vr10.ge2")->up);
	}
	print_message("10 addresses: taken in at most %lld µs, dropped in at most %lld µs\n",
		(long long)take, (long long)drop);
	/* Far above what it takes, far below what would hurt. */
	assert_true(take < 20 * MS);
	assert_true(drop < 20 * MS);
	assert_int_equal(errors, 0);
}

static bool not_held(void)
{
	return !e.lease.held;
}

static void test_lapse(void **state)
{
	usec_t asked;

	(void)state;
	assert_int_equal(commit(SITE), 0);
	asked = clock_now_us();
	lease(LEASE_EV_ACQUIRE, 1, 50 * MS);
	loop(500 * MS, not_held);
	assert_true(!e.lease.held && clock_now_us() - asked >= 50 * MS);
	assert_int_equal(virtuals_up(), 0);
	assert_false(e.k.fw.gate_open);
	assert_int_equal(e.lease.lapses, 1);
}

static void test_adopt(void **state)
{
	(void)state;
	assert_int_equal(commit(SITE), 0);
	lease(LEASE_EV_ACQUIRE, 4, 10 * USEC_PER_SEC);
	restart(SITE);
	assert_int_equal(e.operations, 0);
	assert_true(e.lease.held && e.lease.adopted);
	assert_int_equal(lease(LEASE_EV_RENEW, 4, USEC_PER_SEC).result, LEASE_RES_OK);
	assert_int_equal(virtuals_up(), 10);
	/* The gate is open: the lease was held, and what is missing is added. */
	must("ip addr del 10.0.0.103/32 dev vr10.ge2");
	restart(SITE);
	assert_true(e.lease.held && e.lease.adopted);
	assert_int_equal(virtuals_up(), 10);
	/* It is closed: whoever died was taking the lease or giving it up. */
	must("nft flush set inet gatepair gate");
	must("nft flush set arp gatepair gate");
	restart(SITE);
	assert_false(e.lease.held);
	assert_int_equal(virtuals_up(), 0);
	assert_false(e.k.fw.gate_open);
}

static void test_repairs(void **state)
{
	static const char *const damages[] = {
		"ip addr del 10.0.0.103/32 dev vr10.ge2",
		"ip addr del 10.0.0.2/24 dev ge2",
		"ip addr flush dev ge3",
		"ip route del default",
		"ip link set ge3 down",
		"ip link set vr12.ge3 down",
		"ip link del vr10.ge2",
		"ip addr add 10.0.0.100/24 dev ge2",
		"nft delete table inet gatepair",
		"nft flush ruleset",
		"nft flush chain inet gatepair forward",
		"nft add rule inet gatepair forward accept",
		"nft flush set inet gatepair gate",
		"nft delete element inet gatepair gate { ipv4 }",
		"nft delete table arp gatepair",
		"nft flush set arp gatepair gate",
		"nft flush chain arp gatepair output",
		"ip route replace default via 203.0.113.77",
	};
	usec_t worst = 0;

	(void)state;
	assert_int_equal(commit(SITE), 0);
	lease(LEASE_EV_ACQUIRE, 1, 100 * USEC_PER_SEC);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		usec_t took = repaired(damages[i]);

		worst = took > worst ? took : worst;
		assert_int_equal(virtuals_up(), 10);
		assert_true(e.k.fw.gate_open);
		assert_int_equal(our_routes(), 1);
		assert_true(e.lease.held);
	}
	print_message("%zu kinds of damage, each put back within %lld µs\n",
		sizeof(damages) / sizeof(damages[0]), (long long)worst);
	assert_true(worst < 50 * MS);
	/* A stranger cannot take connection tracking away. */
	must("nft list table inet gatepair-hold");
	/* Nothing of a stranger's is touched. */
	must("ip addr add 172.16.0.1/24 dev ge2");
	must("ip route add 172.17.0.0/16 via 172.16.0.9");
	must("ip link add other type veth peer name other2");
	loop(50 * MS, NULL);
	assert_int_equal(commit(SITE), 0);
	must("ip addr del 172.16.0.1/24 dev ge2");
	must("ip link del other");
}

static void test_reload(void **state)
{
	uint64_t ops_before;

	(void)state;
	write_text("/proc/sys/net/ipv4/conf/ge3/arp_ignore", "2\n");
	assert_int_equal(commit(SITE), 0);
	lease(LEASE_EV_ACQUIRE, 1, 100 * USEC_PER_SEC);
	/* Refused: nothing changes. */
	must("ip link add vr44.ge2 type veth peer name vr44p");
	loop(20 * MS, NULL);
	ops_before = e.operations;
	assert_true(commit(SITE "vrrp \"x\" { interface = \"ge2\" vrid = 44 virtual-address = "
				"{\"10.0.0.44/24\"} }\n") < 0);
	assert_int_equal(e.operations, ops_before);
	must("ip link del vr44.ge2");
	/* A vrrp and the route go while the lease is held: the rest stays. */
	assert_int_equal(commit(LAN VRRP_LAN), 0);
	assert_null(kernel_link_by_name(&e.k, "vr12.ge3"));
	assert_int_equal(virtuals_up(), 9);
	assert_int_equal(our_routes(), 0);
	/* An interface goes: its address and its switches with it. */
	assert_int_equal(commit("node = \"gw-01\"\ninterface \"ge2\" { role = lan address = "
				"{\"10.0.0.2/24\"} }\n"),
		0);
	assert_int_equal(kernel_link_by_name(&e.k, "ge3")->n_addrs, 0);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/ge3/arp_ignore"), 2);
	assert_null(kernel_link_by_name(&e.k, "vr10.ge2"));
	assert_int_equal(errors, 0);
}

/* A vlan on a kernel without them, an interface that is not there: said once, the rest is done. */
static void test_partial(void **state)
{
	(void)state;
	assert_int_equal(commit(SITE "interface \"ge9\" { role = lan }\n"
				     "vlan \"ge2.10\" { parent = \"ge2\" id = 10 role = lan }\n"),
		0);
	assert_true(errors == 1 || errors == 2);
	assert_non_null(strstr(last_error, "interface ge"));
	assert_int_equal(lease(LEASE_EV_ACQUIRE, 1, USEC_PER_SEC).result, LEASE_RES_OK);
	loop(1500 * MS, NULL);
	assert_true(errors <= 2);
	/* It is plugged in. */
	must("ip link add ge9 type veth peer name p9");
	loop(100 * MS, NULL);
	assert_true(kernel_link_by_name(&e.k, "ge9")->up);
}

/* Every process gone at once: the kernel drops the addresses by itself. */
static void test_backstop(void **state)
{
	(void)state;
	assert_int_equal(commit(LAN VRRP_LAN), 0);
	lease(LEASE_EV_ACQUIRE, 1, 100 * USEC_PER_SEC);
	loop(2500 * MS, NULL);
	assert_int_equal(virtuals_up(), 9);
	assert_true(e.refreshes >= 18);
	for (int i = 0; i < 60 && observe_drain(&e.observe) >= 0 && virtuals_up(); i++)
		usleep(100000);
	assert_int_equal(virtuals_up(), 0);
}

/* --- a large node ---------------------------------------------------------------------------- */

#define MANY 250

static char *many(const char *format, unsigned (*put)(char *, size_t, unsigned))
{
	size_t size = 512u * MANY + 64, len = (size_t)snprintf(NULL, 0, "%s", format);
	char *text = malloc(size);

	assert_non_null(text);
	memcpy(text, format, len + 1);
	for (unsigned i = 0; i < MANY; i++)
		len += put(text + len, size - len, i);
	return text;
}

static unsigned put_pair(char *text, size_t size, unsigned i)
{
	return (unsigned)snprintf(
		text, size, "link add x%u type veth peer name y%u\nlink set y%u up\n", i, i, i);
}

static unsigned put_interface(char *text, size_t size, unsigned i)
{
	return (unsigned)snprintf(text, size,
		"interface \"x%u\" { role = lan address = {\"10.9.%u.2/24\", "
		"\"2001:db8:%x::2/64\"} }\n"
		"vrrp \"v%u\" { interface = \"x%u\" vrid = 7 virtual-address = "
		"{\"10.9.%u.1/24\"} }\n",
		i, i, i, i, i, i);
}

static bool swept(void)
{
	return e.swept == 0 && e.sweep_at > clock_now_us() + USEC_PER_SEC;
}

/* Nothing in it may keep the lease waiting: not a reload, nor the looks at the switches. */
static void test_large(void **state)
{
	char *links = many("", put_pair),
	     *site = many("node = \"gw-01\"\ncluster { priority = 150 }\n", put_interface);
	usec_t start, took, reload = USEC_NEVER, longest = 0;

	(void)state;
	batch(links);
	assert_int_equal(commit(site), 0);
	loop(USEC_PER_SEC, is_settled);
	assert_int_equal(lease(LEASE_EV_ACQUIRE, 1, 10 * USEC_PER_SEC).result, LEASE_RES_OK);
	loop(10 * USEC_PER_SEC, is_settled);
	for (int i = 0; i < 5; i++) {
		e.operations = 0;
		start = clock_now_us();
		assert_int_equal(commit_config(e.cfg), 0);
		took = clock_now_us() - start;
		reload = took < reload ? took : reload;
		assert_int_equal(e.operations, 0);
	}
	/* The kernel does not tell of these. */
	write_text("/proc/sys/net/ipv4/conf/x240/arp_ignore", "0\n");
	write_text("/proc/sys/net/ipv4/conf/x3/arp_ignore", "0\n");
	assert_int_equal(commit(site), 0);
	while (!swept()) {
		start = clock_now_us();
		if (start < engine_due(&e))
			continue;
		engine_tick(&e, start);
		took = clock_now_us() - start;
		longest = took > longest ? took : longest;
	}
	print_message("%u interfaces: reloaded in %lld µs, swept in turns of at most %lld µs\n",
		MANY, (long long)reload, (long long)longest);
	assert_true(reload < 20 * MS && longest < 20 * MS);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/x240/arp_ignore"), 1);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/x3/arp_ignore"), 1);
	start = clock_now_us();
	restart(site);
	assert_true(clock_now_us() - start < 800 * MS);
	assert_true(e.lease.held && e.lease.adopted);
	free(links);
	free(site);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test_setup_teardown(test_configure_and_restart, begin, end),
		cmocka_unit_test_setup_teardown(test_lease_speed, begin, end),
		cmocka_unit_test_setup_teardown(test_lapse, begin, end),
		cmocka_unit_test_setup_teardown(test_adopt, begin, end),
		cmocka_unit_test_setup_teardown(test_repairs, begin, end),
		cmocka_unit_test_setup_teardown(test_reload, begin, end),
		cmocka_unit_test_setup_teardown(test_partial, begin, end),
		cmocka_unit_test_setup_teardown(test_backstop, begin, end),
		cmocka_unit_test_setup_teardown(test_large, begin, end),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return engine_bed_run(tests);
}
