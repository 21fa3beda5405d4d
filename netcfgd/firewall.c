/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy (see firewall.h): which packets may reach this node, which it forwards, what is
 * translated. netcfgd(8) describes it for users. Interfaces that the config does not name are left
 * alone, except that nothing is forwarded from or to them.
 */
#include "netcfgd/firewall.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

#define PROTO_VRRP 112
#define ECHO_RATE  50 /* per second: strangers' pings */

/* --- the gate -------------------------------------------------------------------------------- */

/* What makes this node the gateway, in one place that needs no lock of the interfaces: forwarding,
 * answers to ARP for virtual addresses, and their reception. */
static const struct gate {
	uint8_t family;
	uint8_t keys[2];
	size_t n;
} gates[] = {
	{NFPROTO_INET, {NFPROTO_IPV4, NFPROTO_IPV6}, 2},
	{NFPROTO_ARP, {NFPROTO_ARP}, 1},
};

static void gate_open(struct fw_batch *b, const struct gate *g)
{
	batch_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, FIREWALL_GATE, g->keys, g->n, 1);
}

/* --- sets of names --------------------------------------------------------------------------- */

#define ROLE_ANY 0

static void names(struct fw_batch *b, const struct desired *d, const char *name, int role)
{
	char(*keys)[IFNAMSIZ] = calloc(d->n_links + 1, sizeof(*keys));
	size_t n = 0;

	batch_set(b, name, BATCH_TYPE_IFNAME, IFNAMSIZ);
	if (!keys) {
		b->bad = true;
		return;
	}
	for (size_t i = 0; i < d->n_links; i++)
		if (role == ROLE_ANY || (int)d->links[i].role == role)
			memcpy(keys[n++], d->links[i].name, strlen(d->links[i].name));
	batch_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, name, keys, n, IFNAMSIZ);
	free(keys);
}

static void addresses(
	struct fw_batch *b, const struct desired *d, const char *name, bool only_not_accepted)
{
	struct in_addr *keys = calloc(d->n_addrs + 1, sizeof(*keys));
	size_t n = 0;

	batch_set(b, name, BATCH_TYPE_IPV4, sizeof(*keys));
	if (!keys) {
		b->bad = true;
		return;
	}
	for (size_t i = d->n_static; i < d->n_addrs; i++)
		if (!only_not_accepted || !d->addrs[i].accept)
			keys[n++] = d->addrs[i].prefix.v4;
	batch_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, name, keys, n, sizeof(*keys));
	free(keys);
}

/* --- the policy ------------------------------------------------------------------------------ */

/* The node's own talk with its peer must never fill or wait for the session table. */
static void chain_raw(struct fw_batch *b, const char *name, uint32_t hook)
{
	struct rule r;

	batch_chain(b, name, "filter", hook, NF_IP_PRI_RAW, NF_ACCEPT);
	rule_begin(&r, FIREWALL_TABLE, name);
	if (hook == NF_INET_PRE_ROUTING)
		rule_iif_in(&r, "ha");
	else
		rule_oif_in(&r, "ha");
	rule_notrack(&r);
	batch_rule(b, &r);
	rule_begin(&r, FIREWALL_TABLE, name);
	rule_l4proto(&r, PROTO_VRRP);
	rule_notrack(&r);
	batch_rule(b, &r);
}

static void input_echo(struct fw_batch *b, const char *ifs, bool limited)
{
	static const struct {
		uint8_t proto, from, to;
		bool limit;
	} kinds[] = {
		{IPPROTO_ICMP, ICMP_ECHO, ICMP_ECHO, true},
		{IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST, ICMP6_ECHO_REQUEST, true},
		{IPPROTO_ICMPV6, ND_ROUTER_SOLICIT, ND_NEIGHBOR_ADVERT, false},
	};
	struct rule r;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		rule_begin(&r, FIREWALL_TABLE, "input");
		rule_iif_in(&r, ifs);
		rule_l4proto(&r, kinds[i].proto);
		rule_icmp_type(&r, kinds[i].from, kinds[i].to);
		if (limited && kinds[i].limit)
			rule_limit(&r, ECHO_RATE, ECHO_RATE);
		batch_rule_verdict(b, &r, NF_ACCEPT);
	}
}

/* Either node may have opened the connection; who did not may not open others from that port. */
static void input_sync(struct fw_batch *b, const struct desired_sync *s)
{
	struct rule r;

	for (int reply = 0; reply < 2; reply++) {
		rule_begin(&r, FIREWALL_TABLE, "input");
		rule_iif_in(&r, "ha");
		rule_saddr(&r, &s->peer);
		rule_daddr(&r, &s->local);
		rule_l4proto(&r, IPPROTO_TCP);
		if (reply) {
			rule_sport(&r, s->port);
			rule_tcp_not_syn(&r);
		} else {
			rule_dport(&r, s->port);
		}
		batch_rule_verdict(b, &r, NF_ACCEPT);
	}
}

static void input_port(struct fw_batch *b, const char *ifs, uint8_t proto, uint16_t port)
{
	struct rule r;

	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_iif_in(&r, ifs);
	rule_l4proto(&r, proto);
	rule_dport(&r, port);
	batch_rule_verdict(b, &r, NF_ACCEPT);
}

static void drop_from(struct fw_batch *b, const char *ifs)
{
	struct rule r;

	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_iif_in(&r, ifs);
	batch_rule_verdict(b, &r, NF_DROP);
}

static void ct_state(struct fw_batch *b, const char *in, uint32_t bits, uint32_t verdict)
{
	struct rule r;

	rule_begin(&r, FIREWALL_TABLE, in);
	rule_ct_state(&r, bits);
	batch_rule_verdict(b, &r, verdict);
}

static void input_not_accepted(struct fw_batch *b)
{
	struct rule r;

	/* Echo is answered all the same: it is how people look for the gateway. */
	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_daddr4_in(&r, "not_accepted");
	rule_l4proto(&r, IPPROTO_ICMP);
	rule_icmp_type(&r, ICMP_ECHO, ICMP_ECHO);
	rule_limit(&r, ECHO_RATE, ECHO_RATE);
	batch_rule_verdict(b, &r, NF_ACCEPT);
	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_daddr4_in(&r, "not_accepted");
	batch_rule_verdict(b, &r, NF_DROP);
}

/* While the gate is closed the addresses may still be there, for as long as somebody else holds the
 * kernel's lock of the interfaces, or may be there already. */
static void input_gate(struct fw_batch *b)
{
	struct rule r;

	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_daddr4_in(&r, "virtual");
	rule_family_not_in(&r, FIREWALL_GATE);
	batch_rule_verdict(b, &r, NF_DROP);
}

static void chain_input(struct fw_batch *b, const struct desired *d)
{
	static const uint16_t mgmt_tcp[] = {22, 53, 80, 443}, mgmt_udp[] = {53, 67};
	struct rule r;

	batch_chain(b, "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, NF_ACCEPT);
	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_iif(&r, "lo");
	batch_rule_verdict(b, &r, NF_ACCEPT);
	input_gate(b);
	if (d->sync.present)
		input_sync(b, &d->sync);
	input_echo(b, "ha", true);
	drop_from(b, "ha");
	/* vrrpd reads its packets before they come here; the stack must not answer them. */
	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_l4proto(&r, PROTO_VRRP);
	batch_rule_verdict(b, &r, NF_DROP);
	/* A segment of a session that is not here yet must not be answered with RST. */
	ct_state(b, "input", CT_INVALID, NF_DROP);
	ct_state(b, "input", CT_ESTABLISHED | CT_RELATED, NF_ACCEPT);
	input_not_accepted(b);
	input_echo(b, "mgmt", false);
	for (size_t i = 0; i < sizeof(mgmt_tcp) / sizeof(mgmt_tcp[0]); i++)
		input_port(b, "mgmt", IPPROTO_TCP, mgmt_tcp[i]);
	for (size_t i = 0; i < sizeof(mgmt_udp) / sizeof(mgmt_udp[0]); i++)
		input_port(b, "mgmt", IPPROTO_UDP, mgmt_udp[i]);
	input_echo(b, "lan", false);
	input_port(b, "lan", IPPROTO_TCP, 22);
	input_echo(b, "wan", true);
	drop_from(b, "configured");
}

static void chain_arp(struct fw_batch *b)
{
	struct rule r;

	batch_chain(b, "output", "filter", NF_ARP_OUT, NF_IP_PRI_FILTER, NF_ACCEPT);
	rule_begin(&r, FIREWALL_TABLE, "output");
	rule_arp_saddr_in(&r, "virtual");
	rule_family_not_in(&r, FIREWALL_GATE);
	batch_rule_verdict(b, &r, NF_DROP);
}

static void chain_forward(struct fw_batch *b)
{
	static const char *const to[] = {"lan", "wan"};
	struct rule r;

	batch_chain(b, "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_DROP);
	rule_begin(&r, FIREWALL_TABLE, "forward");
	rule_family_not_in(&r, FIREWALL_GATE);
	batch_rule_verdict(b, &r, NF_DROP);
	ct_state(b, "forward", CT_INVALID, NF_DROP);
	ct_state(b, "forward", CT_ESTABLISHED | CT_RELATED, NF_ACCEPT);
	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		rule_begin(&r, FIREWALL_TABLE, "forward");
		rule_iif_in(&r, "lan");
		rule_oif_in(&r, to[i]);
		rule_ct_state(&r, CT_NEW);
		batch_rule_verdict(b, &r, NF_ACCEPT);
	}
}

/* Only what is forwarded from the LAN: the node's own packets keep the node's own address, which
 * the Standby has as well. */
static void chain_nat(struct fw_batch *b, const struct desired *d)
{
	struct rule r;

	batch_chain(b, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT);
	for (size_t i = 0; i < d->n_snats; i++) {
		rule_begin(&r, FIREWALL_TABLE, "postrouting");
		rule_family(&r, NFPROTO_IPV4);
		rule_iif_in(&r, "lan");
		rule_oif(&r, d->snats[i].link);
		rule_snat4(&r, d->snats[i].to.v4);
		batch_rule(b, &r);
	}
}

static void table(
	struct fw_batch *b, const struct desired *d, const struct gate *g, bool open, uint64_t hash)
{
	b->family = g->family;
	batch_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0); /* so that there is one to delete */
	batch_table(b, NFT_MSG_DELTABLE, 0, 0);
	batch_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, hash);
	batch_set(b, FIREWALL_GATE, BATCH_TYPE_NFPROTO, 1);
	if (open)
		gate_open(b, g);
	addresses(b, d, "virtual", false);
}

static int build(
	const struct desired *d, bool open, uint64_t hash, uint32_t seq, struct fw_batch *ret)
{
	struct fw_batch b;
	int rc;

	batch_begin(&b, seq);
	table(&b, d, &gates[1], open, hash);
	chain_arp(&b);
	table(&b, d, &gates[0], open, hash);
	names(&b, d, "mgmt", CONFIG_ROLE_MGMT);
	names(&b, d, "lan", CONFIG_ROLE_LAN);
	names(&b, d, "wan", CONFIG_ROLE_WAN);
	names(&b, d, "ha", CONFIG_ROLE_HA);
	names(&b, d, "configured", ROLE_ANY);
	addresses(&b, d, "not_accepted", true); /* for forwarding only, RFC 9568 §6.1 */
	chain_raw(&b, "raw_prerouting", NF_INET_PRE_ROUTING);
	chain_raw(&b, "raw_output", NF_INET_LOCAL_OUT);
	chain_input(&b, d);
	chain_forward(&b);
	chain_nat(&b, d);
	rc = batch_end(&b);
	if (!rc)
		*ret = b;
	return rc;
}

int firewall_build(const struct desired *d, bool open, uint32_t seq, struct fw_batch *ret)
{
	return build(d, open, d->fw_hash, seq, ret);
}

int firewall_digest(struct desired *d)
{
	uint64_t h = 14695981039346656037u;
	struct fw_batch b;
	int rc = build(d, false, 0, 0, &b);

	if (rc)
		return rc;
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ (uint8_t)b.buf[i]) * 1099511628211u;
	d->fw_hash = h ? h : 1;
	d->fw_rules = b.rules;
	fw_batch_free(&b);
	return 0;
}

int firewall_build_gate(bool open, uint32_t seq, struct fw_batch *ret)
{
	struct fw_batch b;
	int rc;

	batch_begin(&b, seq);
	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		b.family = gates[i].family;
		if (open)
			gate_open(&b, &gates[i]);
		else
			batch_set_flush(&b, FIREWALL_GATE);
	}
	rc = batch_end(&b);
	if (!rc)
		*ret = b;
	return rc;
}

int firewall_build_hold(uint32_t seq, struct fw_batch *ret)
{
	struct fw_batch b;
	struct rule r;
	int rc;

	batch_begin(&b, seq);
	b.table = FIREWALL_HOLD;
	batch_table(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0);
	batch_chain(&b, "hold", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC + 1, NF_ACCEPT);
	rule_begin(&r, FIREWALL_HOLD, "hold");
	rule_ct_state(&r, CT_NEW);
	batch_rule(&b, &r);
	rc = batch_end(&b);
	if (!rc)
		*ret = b;
	return rc;
}
