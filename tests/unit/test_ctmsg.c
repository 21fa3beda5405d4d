/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd/ctmsg.c: what is written can be read again, requests stay within their bound, and broken
 * attributes are survived.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>

#include "syncd/ctmsg.h"

static struct flow sample(uint8_t family, uint8_t proto)
{
	struct flow f = {
		.key = {.family = family, .proto = proto, .zone = 3, .sport = 1000, .dport = 80}};

	memset(f.key.src, 1, family == AF_INET6 ? 16 : 4);
	memset(f.key.dst, 2, family == AF_INET6 ? 16 : 4);
	if (proto == IPPROTO_ICMP)
		f.key.dport = 8 << 8;
	flow_mirror(&f.key, &f.reply);
	f.status = IPS_SEEN_REPLY | IPS_ASSURED;
	f.timeout_s = 77;
	f.mark = 5;
	if (proto == IPPROTO_TCP) {
		f.tcp_state = 3;
		f.tcp_wscale[0] = 7;
		f.tcp_flags[0] = f.tcp_flags[1] = 0x0b; /* BE_LIBERAL is always asked for */
	}
	return f;
}

static void round_trip(void **state)
{
	static const uint8_t rows[][2] = {{AF_INET, IPPROTO_TCP}, {AF_INET, IPPROTO_UDP},
		{AF_INET, IPPROTO_ICMP}, {AF_INET6, IPPROTO_TCP}, {AF_INET6, IPPROTO_UDP}};
	uint8_t buf[CTMSG_MAX_BYTES] __attribute__((aligned(8)));

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow f = sample(rows[i][0], rows[i][1]), back;
		size_t n = ctmsg_put_create(buf, &f, 77, 9);
		const struct nlmsghdr *nlh = (const void *)buf;

		assert_int_equal(nlh->nlmsg_len, n);
		assert_int_equal(nlh->nlmsg_seq, 9);
		assert_true(ctmsg_parse(nlh, &back));
		back.status &= ~(uint32_t)IPS_CONFIRMED;
		assert_true(flow_equal_state(&f, &back));
		assert_int_equal(back.timeout_s, 77);
	}
}

/* The reply direction goes out without translation, whatever the session's is. */
static void translation(void **state)
{
	uint8_t buf[CTMSG_MAX_BYTES] __attribute__((aligned(8)));
	struct flow f = sample(AF_INET6, IPPROTO_TCP), back, plain = f;

	(void)state;
	memset(f.reply.src, 8, 16);
	memset(f.reply.dst, 9, 16);
	f.reply.sport = 4;
	f.reply.dport = 5;
	assert_in_range(ctmsg_put_create(buf, &f, 77, 0), 1, CTMSG_MAX_BYTES);
	assert_true(ctmsg_parse((const void *)buf, &back));
	assert_memory_equal(&back.reply, &plain.reply, sizeof(back.reply));
	assert_in_range(ctmsg_put_delete_reply(buf, &f, 0), 1, CTMSG_MAX_BYTES);
}

static void broken(void **state)
{
	uint8_t buf[CTMSG_MAX_BYTES] __attribute__((aligned(8))),
		hurt[CTMSG_MAX_BYTES] __attribute__((aligned(8)));
	struct flow f = sample(AF_INET, IPPROTO_TCP), back;
	size_t n = ctmsg_put_create(buf, &f, 77, 0);

	(void)state;
	srandom(11);
	for (int i = 0; i < 200000; i++) {
		struct nlmsghdr *nlh = (void *)hurt;
		uint8_t *exact;

		memcpy(hurt, buf, n);
		for (int k = 0; k < 4; k++)
			hurt[NLMSG_HDRLEN + (size_t)random() % (n - NLMSG_HDRLEN)] =
				(uint8_t)random();
		nlh->nlmsg_len =
			(uint32_t)(NLMSG_HDRLEN + (size_t)random() % (n - NLMSG_HDRLEN + 1));
		exact = malloc(nlh->nlmsg_len); /* so that a sanitizer sees the end */
		assert_non_null(exact);
		memcpy(exact, hurt, nlh->nlmsg_len);
		(void)ctmsg_parse((const void *)exact, &back);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(translation),
		cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
