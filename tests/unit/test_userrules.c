/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's listing of the operator's rules becomes messages for a transaction; what a listing
 * adds up to; and neither is upset by messages that are not what they should be. That the kernel
 * takes the messages is tests/net/test_firewall.py's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/firewall/content.h"
#include "netcfgd/firewall/firewall.h"
#include "netcfgd/firewall/nfattr.h"

static char buf[8192] __attribute__((aligned(8)));

static struct nlmsghdr *message(uint16_t type)
{
	struct nlmsghdr *nlh;
	struct nfgenmsg *nf;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	nf = mnl_nlmsg_put_extra_header(nlh, sizeof(*nf));
	nf->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, USERRULES_STAGE);
	return nlh;
}

static struct nlmsghdr *set(const char *name, uint32_t flags)
{
	struct nlmsghdr *nlh = message(NFT_MSG_NEWSET);

	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name);
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, htonl(flags));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(4));
	mnl_attr_put_u64(nlh, NFTA_SET_HANDLE, 77);
	return nlh;
}

static struct nlmsghdr *chain(const char *name, bool hook)
{
	struct nlmsghdr *nlh = message(NFT_MSG_NEWCHAIN);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	mnl_attr_put_u64(nlh, NFTA_CHAIN_HANDLE, 5);
	if (hook)
		mnl_attr_nest_end(nlh, mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK));
	return nlh;
}

static void expression(struct nlmsghdr *nlh, const char *name, uint64_t packets)
{
	struct nlattr *e = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM), *data;

	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, name);
	data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	if (packets)
		mnl_attr_put_u64(nlh, NFTA_COUNTER_PACKETS, htobe64(packets));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, e);
}

/* Its expressions by name, as "cmp counter immediate". */
static struct nlmsghdr *rule(const char *in, const char *expressions, uint64_t packets)
{
	struct nlmsghdr *nlh = message(NFT_MSG_NEWRULE);
	struct nlattr *list;
	char copy[128];

	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, in);
	mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, htobe64(9));
	list = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
	snprintf(copy, sizeof(copy), "%s", expressions);
	for (char *save = NULL, *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save))
		expression(nlh, s, strcmp(s, "counter") == 0 ? packets : 0);
	mnl_attr_nest_end(nlh, list);
	return nlh;
}

static struct nlmsghdr *elements(const char *name, const uint32_t *keys, size_t n)
{
	struct nlmsghdr *nlh = message(NFT_MSG_NEWSETELEM);
	struct nlattr *list;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < n; i++) {
		struct nlattr *e = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM),
			      *key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);

		mnl_attr_put_u32(nlh, NFTA_DATA_VALUE, htonl(keys[i]));
		mnl_attr_nest_end(nlh, key);
		mnl_attr_nest_end(nlh, e);
	}
	mnl_attr_nest_end(nlh, list);
	return nlh;
}

static const struct nlmsghdr *nth(const struct userrules *u, size_t n)
{
	size_t at = 0;

	for (; n && at < u->len; n--)
		at += NLMSG_ALIGN(
			((const struct nlmsghdr *)(const void *)(u->buf + at))->nlmsg_len);
	return at < u->len ? (const struct nlmsghdr *)(const void *)(u->buf + at) : NULL;
}

static const char *names(const struct nlattr *list, char out[256])
{
	const struct nlattr *e;

	out[0] = '\0';
	nfattr_for_each(e, list)
	{
		struct nfattrs a = nfattrs_nested(e);
		size_t n = strlen(out);

		snprintf(out + n, 256 - n, "%s%s", n ? " " : "", nfattr_str(a.v[NFTA_EXPR_NAME]));
	}
	return out;
}

/* --- from a listing to a transaction --------------------------------------------------------- */

static void test_objects(void **state)
{
	struct userrules u = {0};
	struct nfattrs a;

	(void)state;
	userrules_add(&u, set("lan", 0)); /* ours */
	userrules_add(&u, set("mine", NFT_SET_INTERVAL));
	userrules_add(&u, set("__set0", NFT_SET_ANONYMOUS | NFT_SET_CONSTANT));
	userrules_add(&u, chain("user_input", false)); /* the policy makes it */
	userrules_add(&u, chain("mine", false));
	assert_null(u.bad);
	a = nfattrs_of(nth(&u, 0));
	assert_string_equal(nfattr_str(a.v[NFTA_SET_TABLE]), FIREWALL_TABLE);
	assert_string_equal(nfattr_str(a.v[NFTA_SET_NAME]), "mine");
	assert_null(a.v[NFTA_SET_HANDLE]);
	assert_non_null(a.v[NFTA_SET_ID]);
	a = nfattrs_of(nth(&u, 1));
	assert_int_equal(nfattr_u32(a.v[NFTA_SET_FLAGS]), NFT_SET_CONSTANT);
	a = nfattrs_of(nth(&u, 2));
	assert_string_equal(nfattr_str(a.v[NFTA_CHAIN_NAME]), "mine");
	assert_null(nth(&u, 3));
	userrules_add(&u, chain("other", true));
	assert_non_null(u.bad);
	userrules_free(&u);
}

static void test_counters_are_added(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"immediate", "counter immediate"},
		{"payload cmp immediate", "payload cmp counter immediate"},
		{"payload cmp counter immediate", "payload cmp counter immediate"},
		{"payload cmp", "payload cmp counter"},
		{"payload lookup", "payload lookup counter"},
		{"immediate immediate nat", "immediate immediate counter nat"},
		{"counter", "counter"},
		{"", ""},
	};
	struct userrules u = {0};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nfattrs a;

		userrules_add(&u, rule("user_forward", cases[i].from, 3));
		a = nfattrs_of(nth(&u, i));
		assert_null(a.v[NFTA_RULE_HANDLE]);
		assert_string_equal(names(a.v[NFTA_RULE_EXPRESSIONS], text), cases[i].to);
	}
	userrules_add(&u, rule("forward", "immediate", 0)); /* not theirs */
	assert_null(nth(&u, sizeof(cases) / sizeof(cases[0])));
	userrules_free(&u);
}

static uint32_t first_key(const struct userrules *u)
{
	struct nfattrs a = nfattrs_of(nth(u, 0)), e, key;

	e = nfattrs_nested(mnl_attr_get_payload(a.v[NFTA_SET_ELEM_LIST_ELEMENTS]));
	key = nfattrs_nested(e.v[NFTA_SET_ELEM_KEY]);
	return nfattr_u32(key.v[NFTA_DATA_VALUE]);
}

static void test_intervals_go_upwards(void **state)
{
	static const uint32_t down[] = {30, 20, 10}, up[] = {10, 20, 30};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct userrules u = {0};

		userrules_elements_begin(&u, i < 2 ? NFT_SET_INTERVAL : 0);
		userrules_add(&u, elements("mine", i == 1 ? up : down, 3));
		userrules_elements_end(&u, "mine");
		assert_null(u.bad);
		assert_int_equal(first_key(&u), i < 2 ? 10 : 30);
		assert_null(nth(&u, 1));
		userrules_free(&u);
	}
}

static void test_bounds(void **state)
{
	static uint32_t keys[200];
	struct userrules u = {0};
	char name[16];

	(void)state;
	for (unsigned i = 0; i < USERRULES_MAX_SETS; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		userrules_add(&u, set(name, 0));
	}
	assert_null(u.bad);
	userrules_add(&u, set("last", 0));
	assert_non_null(u.bad);
	userrules_free(&u);
	userrules_elements_begin(&u, 0);
	for (int i = 0; i < 1000 && !u.bad; i++)
		userrules_add(&u, elements("s", keys, 200));
	assert_non_null(u.bad);
	userrules_elements_end(&u, "s");
	userrules_free(&u);
	for (int i = 0; i < 100000 && !u.bad; i++)
		userrules_add(&u, rule("user_forward", "payload cmp immediate", 0));
	assert_non_null(u.bad);
	assert_true(u.len <= USERRULES_MAX);
	userrules_free(&u);
}

/* --- what a listing adds up to --------------------------------------------------------------- */

static uint64_t sum(const char *first, const char *second, uint64_t packets)
{
	static const uint32_t up[] = {1, 2, 3}, down[] = {3, 2, 1};
	struct content c = {0};

	content_add(&c, set("mine", 0), 0);
	content_add(&c, elements("mine", packets ? up : down, 3), 0);
	content_add(&c, rule("a", first, packets), 0);
	content_add(&c, rule("a", second, packets), 0);
	return content_digest(&c);
}

static void test_digest(void **state)
{
	uint64_t is = sum("cmp counter immediate", "limit immediate", 0);
	struct content gate = {0}, more = {0};

	(void)state;
	assert_int_equal(is, sum("cmp counter immediate", "limit immediate", 99));
	assert_int_not_equal(is, sum("limit immediate", "cmp counter immediate", 0));
	assert_int_not_equal(is, sum("cmp counter immediate", "immediate", 0));
	content_add(&gate, elements(FIREWALL_GATE, &(uint32_t){1}, 1), 0);
	assert_int_equal(content_digest(&gate), content_digest(&more));
	content_add(&more, elements("learnt", &(uint32_t){1}, 1), NFT_SET_EVAL);
	assert_int_equal(content_digest(&gate), content_digest(&more));
	content_add(&more, elements("mine", &(uint32_t){1}, 1), 0);
	assert_int_not_equal(content_digest(&gate), content_digest(&more));
}

static void test_counts(void **state)
{
	struct rule_count c = nfattr_rule_count(rule("input", "cmp counter immediate", 42));

	(void)state;
	assert_string_equal(c.chain, "input");
	assert_string_equal(c.text, "handle 9");
	assert_int_equal(c.packets, 42);
}

/* --- hostile messages ------------------------------------------------------------------------ */

static void test_anything(void **state)
{
	static const uint32_t keys[] = {3, 2, 1};
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		struct nlmsghdr *nlh = round % 5 == 0   ? set("mine", 5)
				       : round % 5 == 1 ? chain("mine", false)
				       : round % 5 == 2 ? elements("mine", keys, 3)
				       : round % 5 == 3 ? rule("user_input", "cmp immediate", 0)
							: message(NFT_MSG_NEWOBJ);
		struct userrules u = {0};
		struct content c = {0};
		struct nlmsghdr *copy;

		for (int i = 0; i < 4; i++) {
			seed = seed * 1664525u + 1013904223u;
			buf[16 + (seed >> 8) % (nlh->nlmsg_len - 16)] = (char)(seed >> 24);
		}
		nlh->nlmsg_len -= seed % 3 == 0 ? seed % 16 : 0;
		/* At the end of the memory, for the sanitizer; messages are padded. */
		copy = calloc(1, NLMSG_ALIGN(nlh->nlmsg_len));
		assert_non_null(copy);
		memcpy(copy, nlh, nlh->nlmsg_len);
		userrules_elements_begin(&u, NFT_SET_INTERVAL);
		userrules_add(&u, copy);
		userrules_elements_end(&u, "mine");
		content_add(&c, copy, 0);
		if (nfattr_type(copy) == NFT_MSG_NEWRULE)
			nfattr_rule_count(copy);
		userrules_free(&u);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_counters_are_added),
		cmocka_unit_test(test_intervals_go_upwards),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
