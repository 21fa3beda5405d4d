/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lease beside what the node has: own addresses, other networks, virtual addresses, other leases.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "netcfgd/wan.h"

static struct config_prefix prefix(const char *address, uint8_t len)
{
	struct config_prefix p = {.family = AF_INET, .len = len};

	assert_int_equal(inet_pton(AF_INET, address, &p.v4), 1);
	return p;
}

static void conflicts(void **state)
{
	static const struct {
		const char *address;
		uint8_t len;
		const char *why; /* NULL: fits */
	} cases[] = {
		{"203.0.113.100", 24, NULL},
		{"203.0.113.2", 24, "203.0.113.2/24 is the configured address of ge3"},
		{"203.0.113.10", 24, "203.0.113.10/24 is a virtual address of vrrp wan"},
		{"10.0.0.50", 24, "10.0.0.50/24 overlaps the network of ge2"},
		{"10.0.0.130", 25, "10.0.0.130/25 overlaps the network of ge2"},
		{"10.1.0.1", 8, "10.1.0.1/8 overlaps the network of ge2"}, {"10.0.1.50", 24, NULL},
		{"198.51.100.9", 24, "198.51.100.9/24 overlaps the network that DHCP gave to ge5"},
		{"192.0.2.9", 24, NULL}, /* that lease is over */
	};
	struct config_prefix own = prefix("203.0.113.2", 24), lan = prefix("10.0.0.2", 24);
	struct config_prefix virtual = prefix("203.0.113.10", 24);
	struct config_interface links[] = {
		{.name = "ge3", .dhcp = true, .addresses = {.v = &own, .n = 1}},
		{.name = "ge2", .addresses = {.v = &lan, .n = 1}},
	};
	struct config_vrrp vrrp = {.name = "wan", .addresses = {.v = &virtual, .n = 1}};
	struct config cfg = {.interfaces = links, .n_interfaces = 2, .vrrps = &vrrp, .n_vrrps = 1};
	struct wan_lease others[] = {
		{.link = "ge3", .state = WAN_BOUND, .address = prefix("203.0.113.99", 24)},
		{.link = "ge5", .state = WAN_BOUND, .address = prefix("198.51.100.7", 24)},
		{.link = "ge6", .state = WAN_NONE, .address = prefix("192.0.2.7", 24)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wan_lease l = {.link = "ge3", .state = WAN_BOUND};
		char why[160] = "";
		int rc;

		l.address = prefix(cases[i].address, cases[i].len);
		rc = wan_conflict(&cfg, &l, others, 3, why, sizeof(why));
		assert_int_equal(rc, cases[i].why ? -EADDRINUSE : 0);
		assert_string_equal(why, cases[i].why ? cases[i].why : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(conflicts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
