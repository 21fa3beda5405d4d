/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firewall's transactions as bytes: well-formed, complete, the same for the same policy and
 * different for another. What the kernel makes of them is test_engine's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/firewall/firewall.h"
#include "netcfgd/firewall/nfattr.h"
#include "netcfgd/reconcile.h"

struct site {
	struct config cfg;
	struct config_interface interfaces[CONFIG_MAX_INTERFACES];
	struct config_vrrp vrrp;
	struct config_nat nat;
	struct config_prefix virt;
};

static struct site site;
static const struct firewall_parts none;

static struct config_prefix v4(uint32_t host_order)
{
	return (struct config_prefix){.family = AF_INET, .len = 32, .v4.s_addr = htonl(host_order)};
}

static struct desired *desired_for(size_t interfaces)
{
	struct desired *d = NULL;
	char why[256] = "";

	memset(&site, 0, sizeof(site));
	for (size_t i = 0; i < interfaces; i++) {
		snprintf(site.interfaces[i].name, IFNAMSIZ, "if%u", (unsigned)i);
		site.interfaces[i].role = (enum config_role)(CONFIG_ROLE_MGMT + i % 4);
	}
	site.virt = v4(0x0a000001);
	site.vrrp = (struct config_vrrp){.name = "wan",
		.interface = "if2",
		.vrid = 5,
		.virtual_mac = true,
		.accept = true,
		.addresses = {&site.virt, 1}};
	site.nat = (struct config_nat){.interface = "if2", .to = CONFIG_NAT_VIRTUAL};
	site.cfg = (struct config){.interfaces = site.interfaces,
		.n_interfaces = interfaces,
		.vrrps = &site.vrrp,
		.n_vrrps = 1,
		.nats = &site.nat,
		.n_nats = 1};
	site.cfg.sync.present = true;
	site.cfg.sync.local = v4(0xa9fe4d01);
	site.cfg.sync.peer = v4(0xa9fe4d02);
	site.cfg.sync.port = 3780;
	assert_int_equal(desired_build(&site.cfg, &d, why, sizeof(why)), 0);
	assert_int_equal(firewall_digest(d), 0);
	return d;
}

struct counted {
	unsigned messages, rules, chains, sets, elements, acks;
	uint16_t first, last;
};

static struct counted walk(const struct fw_batch *b)
{
	struct counted c = {0};
	struct nlmsghdr h;

	for (size_t at = 0; at < b->len; at += NLMSG_ALIGN(h.nlmsg_len)) {
		assert_true(b->len - at >= sizeof(h));
		memcpy(&h, b->buf + at, sizeof(h));
		assert_true(h.nlmsg_len >= sizeof(h) && h.nlmsg_len <= b->len - at);
		assert_int_equal(h.nlmsg_seq, b->seq + c.messages);
		c.first = c.messages ? c.first : h.nlmsg_type;
		c.last = h.nlmsg_type;
		c.messages++;
		c.rules += h.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
		c.chains += h.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN);
		c.sets += h.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET);
		c.elements += h.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM);
		if (h.nlmsg_flags & NLM_F_ACK) {
			c.acks++;
			assert_int_equal(h.nlmsg_seq, b->last);
		}
	}
	assert_int_equal(c.first, NFNL_MSG_BATCH_BEGIN);
	assert_int_equal(c.last, NFNL_MSG_BATCH_END);
	assert_int_equal(c.acks, 1);
	return c;
}

/* What the rules with counters say of themselves. */
static size_t counts(const struct fw_batch *b, struct rule_count ret[128])
{
	const struct nlmsghdr *nlh;
	size_t n = 0;

	for (size_t at = 0; at < b->len; at += NLMSG_ALIGN(nlh->nlmsg_len)) {
		nlh = (const struct nlmsghdr *)(const void *)(b->buf + at);
		if (nfattr_type(nlh) == NFT_MSG_NEWRULE && n < 128)
			ret[n++] = nfattr_rule_count(nlh);
	}
	return n;
}

static void test_whole_table(void **state)
{
	struct desired *d = desired_for(4);
	struct fw_batch closed, open;
	struct counted c;

	(void)state;
	assert_int_equal(firewall_build(d, false, &none, 100, &closed), 0);
	c = walk(&closed);
	assert_int_equal(c.rules, closed.rules);
	assert_int_equal(c.chains, 11);
	assert_int_equal(c.sets, 14);
	assert_int_equal(firewall_build(d, true, &none, 100, &open), 0);
	assert_int_equal(walk(&open).elements, c.elements + 2);
	fw_batch_free(&closed);
	fw_batch_free(&open);
	desired_free(d);
}

/* nft(8) reads the user data of tables without checking it. */
static void test_user_data_is_in_its_form(void **state)
{
	struct desired *d = desired_for(4);
	const struct nlmsghdr *nlh;
	struct fw_batch b;
	unsigned seen = 0;

	(void)state;
	assert_int_equal(firewall_build(d, false, &none, 1, &b), 0);
	for (size_t at = 0; at < b.len; at += NLMSG_ALIGN(nlh->nlmsg_len)) {
		struct nfattrs a;
		char text[RULE_TEXT_MAX];

		nlh = (const struct nlmsghdr *)(const void *)(b.buf + at);
		a = nfattrs_of(nlh);
		if (nfattr_type(nlh) != NFT_MSG_NEWTABLE || !a.v[NFTA_TABLE_USERDATA])
			continue;
		nfattr_comment(a.v[NFTA_TABLE_USERDATA], text, sizeof(text));
		assert_int_equal(strncmp(text, "policy ", 7), 0);
		seen++;
	}
	assert_int_equal(seen, 2);
	fw_batch_free(&b);
	desired_free(d);
}

static void test_gate(void **state)
{
	struct fw_batch b;

	(void)state;
	for (int open = 0; open < 2; open++) {
		assert_int_equal(firewall_build_gate(open, 7, &b), 0);
		assert_int_equal(walk(&b).messages, 4);
		assert_true(b.len < 512);
		fw_batch_free(&b);
	}
}

static void test_hold(void **state)
{
	struct fw_batch b;

	(void)state;
	assert_int_equal(firewall_build_hold(7, &b), 0);
	assert_int_equal(walk(&b).chains, 1);
	fw_batch_free(&b);
}

static void test_digest(void **state)
{
	struct desired *a = desired_for(4), *b = desired_for(4), *c = desired_for(5);
	struct desired *d;
	char why[256];

	(void)state;
	assert_int_equal(a->fw_hash, b->fw_hash);
	assert_int_not_equal(a->fw_hash, c->fw_hash);
	site.cfg.n_interfaces = 4;
	site.vrrp.accept = false;
	assert_int_equal(desired_build(&site.cfg, &d, why, sizeof(why)), 0);
	assert_int_equal(firewall_digest(d), 0);
	assert_int_not_equal(a->fw_hash, d->fw_hash);
	desired_free(a);
	desired_free(b);
	desired_free(c);
	desired_free(d);
}

static void test_own_rules_change_the_hash(void **state)
{
	static char text[] = "chain user_input { accept; }";
	struct desired *without = desired_for(4), *with;
	char why[256];

	(void)state;
	assert_int_equal(without->user_hash, 0);
	site.cfg.firewall.rules = text;
	assert_int_equal(desired_build(&site.cfg, &with, why, sizeof(why)), 0);
	assert_int_equal(firewall_digest(with), 0);
	assert_int_equal(with->user_hash, userrules_hash(text));
	assert_int_not_equal(with->fw_hash, without->fw_hash);
	/* Bare, it is the same policy, and can be told from the whole. */
	assert_int_equal(with->fw_bare, without->fw_bare);
	assert_true(with->fw_hash & FIREWALL_COMPLETE);
	assert_false(with->fw_bare & FIREWALL_COMPLETE);
	desired_free(with);
	desired_free(without);
}

/* The counters of a rule go on by its chain and text: each must be one of a kind. */
static void test_counters(void **state)
{
	struct desired *d = desired_for(4);
	struct rule_count found[128];
	struct firewall_parts parts = {.counts = found};
	struct fw_batch b;

	(void)state;
	assert_int_equal(firewall_build(d, false, &none, 1, &b), 0);
	parts.n_counts = counts(&b, found);
	assert_in_range(parts.n_counts, 40, 128);
	for (size_t i = 0; i < parts.n_counts; i++) {
		for (size_t k = 0; k < i; k++)
			if (strcmp(found[i].chain, found[k].chain) == 0)
				assert_string_not_equal(found[i].text, found[k].text);
		assert_int_equal(found[i].packets, 0);
		found[i].packets = i + 1;
		found[i].bytes = 2 * i;
	}
	fw_batch_free(&b);
	assert_int_equal(firewall_build(d, false, &parts, 1, &b), 0);
	{
		struct rule_count again[128];

		assert_int_equal(counts(&b, again), parts.n_counts);
		assert_memory_equal(again, found, parts.n_counts * sizeof(*found));
	}
	fw_batch_free(&b);
	desired_free(d);
}

/* Members of a bridge or bond carry no policy; DHCP is let in where it is configured. */
static void test_services_and_members(void **state)
{
	struct desired *d = desired_for(4);
	struct fw_batch plain, more;

	(void)state;
	assert_int_equal(firewall_build(d, false, &none, 1, &plain), 0);
	d->links[1].dhcp_server = true;
	d->links[2].dhcp = true;
	assert_int_equal(firewall_build(d, false, &none, 1, &more), 0);
	assert_int_equal(walk(&more).elements, walk(&plain).elements + 2);
	fw_batch_free(&more);
	for (size_t i = 0; i < d->n_links; i++)
		d->links[i].member = true;
	assert_int_equal(firewall_build(d, false, &none, 1, &more), 0);
	assert_true(walk(&more).elements < walk(&plain).elements);
	fw_batch_free(&more);
	fw_batch_free(&plain);
	desired_free(d);
}

/* --- while the operator's rules are not at hand ---------------------------------------------- */

static struct plan plan;

/* What is planned for the firewall: "write", "write open", "open", "close", or "". */
static const char *planned(const struct desired *d, bool held, const struct kernel_firewall *fw)
{
	struct kernel k;

	kernel_init(&k);
	k.fw = *fw;
	reconcile_plan(d, held, &k, RECONCILE_LEASE, &plan);
	kernel_fini(&k);
	for (size_t i = 0; i < plan.n; i++) {
		if (plan.ops[i].kind == OP_FIREWALL)
			return plan.ops[i].open ? "write open" : "write";
		if (plan.ops[i].kind == OP_GATE)
			return plan.ops[i].open ? "open" : "close";
	}
	return "";
}

static void test_waiting(void **state)
{
	static char text[] = "chain user_input { accept; }";
	struct kernel_firewall fw = {0};
	struct desired *d = desired_for(4);
	char why[256];

	(void)state;
	desired_free(d);
	site.cfg.firewall.rules = text;
	assert_int_equal(desired_build(&site.cfg, &d, why, sizeof(why)), 0);
	assert_int_equal(firewall_digest(d), 0);
	/* Nothing there: the policy alone, and nothing is forwarded. */
	assert_string_equal(planned(d, true, &fw), "write");
	fw = (struct kernel_firewall){.present = true, .hash = d->fw_bare};
	assert_string_equal(planned(d, true, &fw), "");
	/* Another whole policy stays in force, and its gate does what the lease says. */
	fw = (struct kernel_firewall){.present = true, .complete = true, .hash = 77};
	assert_string_equal(planned(d, true, &fw), "open");
	fw.gate_open = true;
	assert_string_equal(planned(d, true, &fw), "");
	assert_string_equal(planned(d, false, &fw), "close");
	/* But not when somebody has changed it. */
	fw.stale = true;
	assert_string_equal(planned(d, true, &fw), "write");
	/* At hand. */
	fw.user = d->user_hash;
	assert_string_equal(planned(d, true, &fw), "write open");
	fw = (struct kernel_firewall){
		.present = true, .complete = true, .hash = d->fw_hash, .gate_open = true};
	assert_string_equal(planned(d, true, &fw), "");
	desired_free(d);
}

static void test_largest(void **state)
{
	struct desired *d = desired_for(CONFIG_MAX_INTERFACES);
	struct fw_batch b;

	(void)state;
	assert_int_equal(firewall_build(d, true, &none, 1, &b), 0);
	walk(&b);
	fw_batch_free(&b);
	desired_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_table),
		cmocka_unit_test(test_user_data_is_in_its_form),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_own_rules_change_the_hash),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_services_and_members),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
