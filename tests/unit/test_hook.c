/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a DHCP server said, on its way from udhcpc's environment to a lease, to its file and back:
 * only what a host can use comes through.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "netcfgd/services/dhcp_file.h"
#include "netcfgd/services/hook.h"
#include "netcfgd/services/resolv.h"

static const struct hook_message good = {.event = "bound",
	.ip = "203.0.113.100",
	.subnet = "255.255.255.0",
	.server = "203.0.113.1",
	.lease = "120",
	.router = "203.0.113.254",
	.dns = "9.9.9.9 8.8.8.8"};

static void copies_words(void **state)
{
	char program[] = "hook", event[] = "bound", fd[16], long_list[2000] = "";
	char *argv[] = {program, event, NULL};
	struct hook_message m;
	int pair[2];

	(void)state;
	for (int i = 0; i < 99; i++)
		snprintf(long_list + strlen(long_list), sizeof(long_list) - strlen(long_list),
			"%s10.10.10.%d", i ? " " : "", 100 + i);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	snprintf(fd, sizeof(fd), "%d", pair[1]);
	setenv(HOOK_FD_ENV, fd, 1);
	assert_int_equal(hook_main(2, argv), EXIT_FAILURE); /* of no run */
	setenv(HOOK_RUN_ENV, "4294967295", 1);
	setenv("ip", "203.0.113.100", 1);
	setenv("dns", long_list, 1);
	setenv("router",
		"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24.25.26.27.28.29.30",
		1);
	assert_int_equal(hook_main(2, argv), EXIT_SUCCESS);
	assert_int_equal(recv(pair[0], &m, sizeof(m), MSG_DONTWAIT), sizeof(m));
	assert_int_equal(m.run, UINT32_MAX);
	assert_string_equal(m.event, "bound");
	assert_string_equal(m.ip, "203.0.113.100");
	assert_string_equal(m.lease, "");
	assert_string_equal(m.router, ""); /* one word that is too long */
	assert_string_equal(m.dns, "10.10.10.100 10.10.10.101 10.10.10.102 10.10.10.103 "
				   "10.10.10.104 10.10.10.105");
	assert_int_equal(hook_main(1, argv), EXIT_FAILURE);
	close(pair[0]);
	assert_int_equal(hook_main(2, argv), EXIT_FAILURE);
	close(pair[1]);
	unsetenv(HOOK_FD_ENV);
	assert_int_equal(hook_main(2, argv), EXIT_FAILURE);
}

static void takes_a_lease(void **state)
{
	char why[160], text[CONFIG_PREFIX_STRLEN];
	struct wan_lease w;

	(void)state;
	assert_null(hook_lease(&good, 5, &w, why, sizeof(why)));
	assert_int_equal(w.state, WAN_BOUND);
	assert_string_equal(config_prefix_to_str(&w.address, text), "203.0.113.100/24");
	assert_string_equal(config_prefix_to_str(&w.gateway, text), "203.0.113.254");
	assert_string_equal(config_prefix_to_str(&w.server, text), "203.0.113.1");
	assert_int_equal(w.n_dns, 2);
	assert_int_equal(w.until, 5 + 120 * USEC_PER_SEC);
}

static void refuses(void **state)
{
	const struct {
		const char *field, *value, *why;
	} rows[] = {
		{"ip", "", "address"},
		{"ip", "0.0.0.0", "address"},
		{"ip", "127.0.0.1", "address"},
		{"ip", "169.254.3.4", "address"},
		{"ip", "224.0.0.5", "address"},
		{"ip", "255.255.255.255", "address"},
		{"ip", "203.0.113.100 ", "address"},
		{"ip", "203.0.113", "address"},
		{"ip", "::1", "address"},
		{"ip", "203.0.113.0", "none in its subnet"},
		{"ip", "203.0.113.255", "none in its subnet"},
		{"subnet", "255.0.255.0", "netmask"},
		{"subnet", "0.0.0.0", "netmask"},
		{"subnet", "128.0.0.0", "netmask"},
		{"subnet", "rubbish\033[2J", "netmask \"rubbish\\x1b[2J\""},
		{"lease", "0", "lease time"},
		{"lease", "-1", "lease time"},
		{"lease", "+1", "lease time"},
		{"lease", "1x", "lease time"},
		{"lease", "4294967296", "lease time"},
		{"lease", "999999999999999", "lease time"},
		{"server", "0.0.0.0", "server identifier"},
		{"server", "x", "server identifier"},
	};
	struct hook_message m;
	struct wan_lease w;
	char why[160];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m = good;
		snprintf(strcmp(rows[i].field, "ip") == 0       ? m.ip
			 : strcmp(rows[i].field, "subnet") == 0 ? m.subnet
			 : strcmp(rows[i].field, "lease") == 0  ? m.lease
								: m.server,
			16, "%s", rows[i].value);
		if (!hook_lease(&m, 0, &w, why, sizeof(why)) || !strstr(why, rows[i].why))
			fail_msg("%s \"%s\": %s", rows[i].field, rows[i].value, why);
	}
}

static struct wan_lease with(
	const char *ip, const char *subnet, const char *router, const char *dns)
{
	struct hook_message m = good;
	struct wan_lease w;
	char why[160];

	snprintf(m.ip, sizeof(m.ip), "%s", ip);
	snprintf(m.subnet, sizeof(m.subnet), "%s", subnet);
	snprintf(m.router, sizeof(m.router), "%s", router);
	snprintf(m.dns, sizeof(m.dns), "%s", dns);
	assert_null(hook_lease(&m, 0, &w, why, sizeof(why)));
	return w;
}

static void leaves_out(void **state)
{
	char text[CONFIG_PREFIX_STRLEN];
	struct wan_lease w;

	(void)state;
	/* Classes, when there is no mask. */
	assert_int_equal(with("10.0.0.5", "", "", "").address.len, 8);
	assert_int_equal(with("172.16.0.5", "", "", "").address.len, 16);
	assert_int_equal(with("203.0.113.5", "", "", "").address.len, 24);
	/* Gateways: none, ourselves, elsewhere; then one that can be reached. */
	assert_int_equal(with("203.0.113.5", "255.255.255.0", "", "").gateway.family, 0);
	assert_int_equal(with("203.0.113.5", "255.255.255.0", "0.0.0.0", "").gateway.family, 0);
	assert_int_equal(with("203.0.113.5", "255.255.255.0", "203.0.113.5", "").gateway.family, 0);
	assert_int_equal(
		with("203.0.113.5", "255.255.255.0", "198.51.100.1", "").gateway.family, 0);
	w = with("203.0.113.5", "255.255.255.0", "8.8.8.8 x 203.0.113.7", "");
	assert_string_equal(config_prefix_to_str(&w.gateway, text), "203.0.113.7");
	/* A host route leads anywhere. */
	w = with("203.0.113.5", "255.255.255.255", "198.51.100.1", "");
	assert_string_equal(config_prefix_to_str(&w.gateway, text), "198.51.100.1");
	w = with("203.0.113.5", "255.255.255.0", "",
		"0.0.0.0 9.9.9.9 9.9.9.9 127.0.0.53 x 1.1.1.1 8.8.8.8 8.8.4.4 4.4.4.4");
	assert_int_equal(w.n_dns, WAN_DNS_MAX);
	assert_string_equal(config_prefix_to_str(&w.dns[1], text), "1.1.1.1");
	assert_string_equal(config_prefix_to_str(&w.dns[3], text), "8.8.4.4");
}

static void file_round_trip(void **state)
{
	struct wan_lease w, back;
	char text[DHCP_FILE_MAX], again[DHCP_FILE_MAX], why[160];
	int64_t expires = 0;

	(void)state;
	assert_null(hook_lease(&good, 77, &w, why, sizeof(why)));
	dhcp_file_text(&w, 1795000000, text);
	assert_int_equal(dhcp_file_parse(text, &back, &expires), 0);
	assert_int_equal(expires, 1795000000);
	dhcp_file_text(&back, expires, again);
	assert_string_equal(text, again);
	w.n_dns = WAN_DNS_MAX;
	w.dns[2] = w.dns[3] = w.dns[0];
	dhcp_file_text(&w, 1, text);
	assert_int_equal(dhcp_file_parse(text, &back, &expires), 0);
}

static void file_refused(void **state)
{
	static const char head[] = "gatepair lease 1\n";
	static const char *const rows[] = {
		"",
		"until 5\nexpires 6\n",
		"until 5\nexpires 6\naddress 203.0.113.5/24\naddress 203.0.113.6/24\n",
		"until 5\nexpires 6\naddress 203.0.113.5/24\nrubbish 1\n",
		"until 5\nexpires 6\naddress 203.0.113.5/24\nrubbish\n",
		"until 5\nexpires 6\naddress 127.0.0.1/8\n",
		"until 5\nexpires 6\naddress ::1/128\n",
		"until -5\nexpires 6\naddress 203.0.113.5/24\n",
		"until 5x\nexpires 6\naddress 203.0.113.5/24\n",
		"until 99999999999999999999\nexpires 6\naddress 203.0.113.5/24\n",
		"until 5\naddress 203.0.113.5/24\n",
		"until 5\nexpires 6\naddress 203.0.113.5/24\ngateway 0.0.0.0\n",
		"until 5\nexpires 6\naddress 203.0.113.5/24\ngateway 203.0.113.0/24\n",
		"until 5\nexpires 6\naddress 203.0.113.5/24\ndns 1.1.1.1\ndns 1.1.1.2\ndns "
		"1.1.1.3\n"
		"dns 1.1.1.4\ndns 1.1.1.5\n",
	};
	char text[2 * DHCP_FILE_MAX];
	struct wan_lease w;
	int64_t expires;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", head, rows[i]);
		if (dhcp_file_parse(text, &w, &expires) != -EINVAL)
			fail_msg("taken: %s", rows[i]);
	}
	assert_int_equal(dhcp_file_parse("something else", &w, &expires), -EINVAL);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, head, sizeof(head) - 1);
	assert_int_equal(dhcp_file_parse(text, &w, &expires), -EINVAL);
}

static struct config_prefix host(const char *s)
{
	struct config_prefix p;

	assert_int_equal(config_prefix_from_str(s, &p), 0);
	return p;
}

static void resolvers(void **state)
{
	struct config_prefix own[] = {host("1.1.1.1"), host("2606:4700::1111")}, out[RESOLV_MAX];
	struct config_interface links[] = {
		{.name = "ge2", .role = CONFIG_ROLE_LAN, .dns = {own, 2}},
		{.name = "ge3", .role = CONFIG_ROLE_WAN, .dhcp = true},
		{.name = "ge5", .role = CONFIG_ROLE_WAN, .dhcp = true, .dns = {own, 2}},
		{.name = "ge6", .role = CONFIG_ROLE_WAN, .dhcp = true}};
	struct config cfg = {.interfaces = links, .n_interfaces = 4};
	struct wan_lease leases[] = {{.link = "ge6", .state = WAN_BOUND, .n_dns = 1},
		{.link = "ge5", .state = WAN_BOUND, .n_dns = 1},
		{.link = "ge3", .state = WAN_BOUND, .n_dns = 2}};
	const struct wan_lease *all[] = {&leases[0], &leases[1], &leases[2]};
	char text[512];

	(void)state;
	leases[0].dns[0] = host("1.1.1.1");
	leases[1].dns[0] = host("4.4.4.4");
	leases[2].dns[0] = host("9.9.9.9");
	leases[2].dns[1] = host("8.8.8.8");
	assert_int_equal(resolv_in_effect(&cfg, all, 3, out), 4);
	resolv_text(out, 4, text, sizeof(text));
	assert_non_null(
		strstr(text, "\nnameserver 9.9.9.9\nnameserver 8.8.8.8\nnameserver 1.1.1.1\n"
			     "nameserver 2606:4700::1111\n"));
	leases[2].state = WAN_NONE;
	assert_int_equal(resolv_in_effect(&cfg, all, 3, out), 2);
	assert_true(resolv_text(out, 2, text, 40) < 40);
	cfg.n_interfaces = 2;
	assert_int_equal(resolv_in_effect(&cfg, all, 0, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_words),
		cmocka_unit_test(takes_a_lease),
		cmocka_unit_test(refuses),
		cmocka_unit_test(leaves_out),
		cmocka_unit_test(file_round_trip),
		cmocka_unit_test(file_refused),
		cmocka_unit_test(resolvers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
