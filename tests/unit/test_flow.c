/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd/flow.c: the hash's published vector, mirrors, translation, which sessions are replicated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "syncd/flow.h"

static struct flow flow4(
	const char *src, uint16_t sport, const char *dst, uint16_t dport, uint8_t proto)
{
	struct flow f = {
		.key = {.family = AF_INET, .proto = proto, .sport = sport, .dport = dport}};

	assert_int_equal(inet_pton(AF_INET, src, f.key.src), 1);
	assert_int_equal(inet_pton(AF_INET, dst, f.key.dst), 1);
	flow_mirror(&f.key, &f.reply);
	return f;
}

/* The example of the SipHash paper, appendix A. */
static void siphash_vector(void **state)
{
	uint8_t key[16], data[15];

	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		data[i] = i;
	assert_true(flow_siphash(key, data, sizeof(data)) == UINT64_C(0xa129ca6149be45e5));
}

static void mirrors(void **state)
{
	struct flow tcp = flow4("10.0.0.5", 4000, "192.0.2.1", 80, IPPROTO_TCP);
	struct flow ping = flow4("10.0.0.5", 77, "192.0.2.1", 8 << 8, IPPROTO_ICMP);

	(void)state;
	assert_int_equal(tcp.reply.sport, 80);
	assert_int_equal(tcp.reply.dport, 4000);
	assert_memory_equal(tcp.reply.dst, tcp.key.src, 16);
	assert_int_equal(ping.reply.sport, 77);
	assert_int_equal(ping.reply.dport, 0);
}

static void translation(void **state)
{
	struct flow f = flow4("10.0.0.5", 4000, "192.0.2.1", 80, IPPROTO_TCP);
	struct flow ping = flow4("10.0.0.5", 77, "192.0.2.1", 8 << 8, IPPROTO_ICMP);

	(void)state;
	assert_false(flow_is_snat(&f) || flow_is_dnat(&f));
	f.reply.dport = 5000;
	assert_true(flow_is_snat(&f));
	assert_false(flow_is_dnat(&f));
	f.reply.sport = 8080;
	assert_true(flow_is_dnat(&f));
	assert_false(flow_is_snat(&ping));
	ping.reply.sport = 78;
	assert_true(flow_is_snat(&ping));
	assert_false(flow_is_dnat(&ping));
}

static struct config_prefix prefix(const char *addr, uint8_t len)
{
	struct config_prefix p = {.family = AF_INET, .len = len};

	assert_int_equal(inet_pton(AF_INET, addr, &p.v4), 1);
	return p;
}

static void classes(void **state)
{
	struct config_prefix own[] = {prefix("10.0.0.2", 32), prefix("169.254.77.1", 32)};
	struct config_prefix excluded[] = {prefix("192.168.4.0", 22)};
	struct flow_filter filter = {own, 2, excluded, 1};
	const struct {
		const char *src, *dst;
		uint8_t proto;
		enum flow_class want;
	} rows[] = {
		{"10.0.0.5", "192.0.2.1", IPPROTO_TCP, FLOW_REPLICATED},
		{"10.0.0.5", "192.0.2.1", IPPROTO_SCTP, FLOW_UNSUPPORTED},
		{"10.0.0.5", "192.0.2.1", IPPROTO_ICMPV6, FLOW_UNSUPPORTED},
		{"127.0.0.1", "127.0.0.1", IPPROTO_UDP, FLOW_LOOPBACK},
		{"10.0.0.5", "224.0.0.18", IPPROTO_UDP, FLOW_MULTICAST},
		{"10.0.0.5", "255.255.255.255", IPPROTO_UDP, FLOW_MULTICAST},
		{"10.0.0.5", "10.0.0.2", IPPROTO_TCP, FLOW_OWN},
		{"169.254.77.1", "169.254.77.2", IPPROTO_TCP, FLOW_OWN},
		{"192.168.7.255", "192.0.2.1", IPPROTO_TCP, FLOW_EXCLUDED},
		{"192.168.8.0", "192.0.2.1", IPPROTO_TCP, FLOW_REPLICATED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow f = flow4(rows[i].src, 1, rows[i].dst, 2, rows[i].proto);

		assert_int_equal(flow_classify(&filter, &f), rows[i].want);
	}
	/* Translated to the node's own address: only the reply direction shows it. */
	struct flow f = flow4("10.0.0.5", 1, "192.0.2.1", 2, IPPROTO_TCP);

	memcpy(f.reply.dst, &own[0].v4, 4);
	assert_int_equal(flow_classify(&filter, &f), FLOW_OWN);
}

static void text(void **state)
{
	struct flow f = flow4("10.0.0.5", 4000, "192.0.2.1", 80, IPPROTO_TCP);
	char out[FLOW_ENDPOINT_STRLEN];

	(void)state;
	assert_string_equal(flow_endpoint_to_str(AF_INET, f.key.src, 4000, out), "10.0.0.5:4000");
	assert_string_equal(flow_tcp_state_to_str(3), "ESTABLISHED");
	assert_string_equal(flow_tcp_state_to_str(200), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_vector),
		cmocka_unit_test(mirrors),
		cmocka_unit_test(translation),
		cmocka_unit_test(classes),
		cmocka_unit_test(text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
