/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy (see firewall.h): which packets may reach this node, which it forwards, what is
 * translated. netcfgd(8) describes it for users. Interfaces that the config does not name are left
 * alone, except that nothing is forwarded from or to them.
 */
#include "netcfgd/firewall/firewall.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/firewall/policy.h"

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

/* --- sets ------------------------------------------------------------------------------------ */

typedef bool member_fn(const struct desired_link *l);

/* What comes in by a member of a bridge or bond is seen as its master's. */
static bool is_mgmt(const struct desired_link *l)
{
	return l->role == CONFIG_ROLE_MGMT;
}

static bool is_lan(const struct desired_link *l)
{
	return l->role == CONFIG_ROLE_LAN;
}

static bool is_wan(const struct desired_link *l)
{
	return l->role == CONFIG_ROLE_WAN;
}

static bool is_ha(const struct desired_link *l)
{
	return l->role == CONFIG_ROLE_HA;
}

static bool is_any(const struct desired_link *l)
{
	(void)l;
	return true;
}

static bool is_dhcp_client(const struct desired_link *l)
{
	return l->dhcp;
}

static bool is_dhcp_server(const struct desired_link *l)
{
	return l->dhcp_server || l->dhcp_relay;
}

static bool is_router(const struct desired_link *l)
{
	return l->router_advert;
}

static void names(struct fw_batch *b, const struct desired *d, const char *name, member_fn *in)
{
	char(*keys)[IFNAMSIZ] = calloc(d->n_links + 1, sizeof(*keys));
	size_t n = 0;

	batch_set(b, name, BATCH_TYPE_IFNAME, IFNAMSIZ);
	if (!keys) {
		b->bad = true;
		return;
	}
	for (size_t i = 0; i < d->n_links; i++)
		if (!d->links[i].member && in(&d->links[i]))
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

static void sets(struct fw_batch *b, const struct desired *d)
{
	names(b, d, "mgmt", is_mgmt);
	names(b, d, "lan", is_lan);
	names(b, d, "wan", is_wan);
	names(b, d, "ha", is_ha);
	names(b, d, "configured", is_any);
	names(b, d, "dhcp_client", is_dhcp_client);
	names(b, d, "dhcp_server", is_dhcp_server);
	names(b, d, "router_advert", is_router);
	batch_set(b, "relay_servers", BATCH_TYPE_IPV4, sizeof(*d->relays));
	batch_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "relay_servers", d->relays, d->n_relays,
		sizeof(*d->relays));
	addresses(b, d, "not_accepted", true); /* for forwarding only, RFC 9568 §6.1 */
}

/* --- the policy ------------------------------------------------------------------------------ */

void policy_ct_state(
	struct fw_batch *b, const char *in, const char *text, uint32_t bits, uint32_t verdict)
{
	struct rule r;

	batch_rule_begin(b, &r, in, "%s", text);
	rule_ct_state(&r, bits);
	batch_rule_verdict(b, &r, verdict);
}

/* Where the operator's rules come in: after what keeps the pair one gateway, and before everything
 * that lets packets through, so that they can refuse as well as allow. */
void policy_jump(struct fw_batch *b, const char *from, const char *to)
{
	struct rule r;

	batch_rule_begin(b, &r, from, "the operator's own rules");
	rule_jump(&r, to);
	batch_rule(b, &r);
}

/* The node's own talk with its peer must never fill or wait for the session table. */
static void chain_raw(struct fw_batch *b, const char *name, uint32_t hook)
{
	struct rule r;

	batch_chain(b, name, "filter", hook, NF_IP_PRI_RAW, NF_ACCEPT);
	batch_rule_begin(b, &r, name, "ha: not tracked");
	if (hook == NF_INET_PRE_ROUTING)
		rule_iif_in(&r, "ha");
	else
		rule_oif_in(&r, "ha");
	rule_notrack(&r);
	batch_rule(b, &r);
	batch_rule_begin(b, &r, name, "vrrp: not tracked");
	rule_l4proto(&r, PROTO_VRRP);
	rule_notrack(&r);
	batch_rule(b, &r);
}

static void chain_arp(struct fw_batch *b)
{
	struct rule r;

	batch_chain(b, "output", "filter", NF_ARP_OUT, NF_IP_PRI_FILTER, NF_ACCEPT);
	batch_rule_begin(b, &r, "output", "gate closed: no ARP for virtual addresses");
	rule_arp_saddr_in(&r, "virtual");
	rule_family_not_in(&r, FIREWALL_GATE);
	batch_rule_verdict(b, &r, NF_DROP);
}

static void chain_forward(struct fw_batch *b)
{
	static const char *const to[] = {"lan", "wan"};
	struct rule r;

	batch_chain(b, "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_DROP);
	batch_rule_begin(b, &r, "forward", "gate closed");
	rule_family_not_in(&r, FIREWALL_GATE);
	batch_rule_verdict(b, &r, NF_DROP);
	policy_ct_state(b, "forward", "invalid", CT_INVALID, NF_DROP);
	policy_jump(b, "forward", FIREWALL_USER_FORWARD);
	policy_ct_state(b, "forward", "answers", CT_ESTABLISHED | CT_RELATED, NF_ACCEPT);
	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		batch_rule_begin(b, &r, "forward", "lan to %s", to[i]);
		rule_iif_in(&r, "lan");
		rule_oif_in(&r, to[i]);
		rule_ct_state(&r, CT_NEW);
		batch_rule_verdict(b, &r, NF_ACCEPT);
	}
	batch_rule_begin(b, &r, "forward", "all else dropped");
	batch_rule_verdict(b, &r, NF_DROP);
}

/* Of our own only what is forwarded from the LAN: the node's own packets keep the node's own
 * address, which the Standby has as well. */
static void chain_nat(struct fw_batch *b, const struct desired *d)
{
	struct rule r;

	batch_chain(b, "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, NF_ACCEPT);
	batch_rule_begin(b, &r, "prerouting", "gate open: the operator's own rules");
	rule_family_in(&r, FIREWALL_GATE);
	rule_jump(&r, FIREWALL_USER_PREROUTING);
	batch_rule(b, &r);
	batch_chain(b, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT);
	policy_jump(b, "postrouting", FIREWALL_USER_POSTROUTING);
	for (size_t i = 0; i < d->n_snats; i++) {
		batch_rule_begin(b, &r, "postrouting", "nat %zu: %s", i + 1, d->snats[i].link);
		rule_family(&r, NFPROTO_IPV4);
		rule_iif_in(&r, "lan");
		rule_oif(&r, d->snats[i].link);
		rule_snat4(&r, d->snats[i].to.v4);
		batch_rule(b, &r);
	}
}

/* --- the whole ------------------------------------------------------------------------------- */

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

static void user_part(struct fw_batch *b, const struct userrules *u)
{
	static const char *const chains[] = {FIREWALL_USER_INPUT, FIREWALL_USER_FORWARD,
		FIREWALL_USER_PREROUTING, FIREWALL_USER_POSTROUTING};

	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		batch_chain_plain(b, chains[i], NULL);
	if (u)
		batch_messages(b, u->buf, u->len);
}

static void content(struct fw_batch *b, uint64_t digest)
{
	char text[RULE_TEXT_MAX];

	snprintf(text, sizeof(text), "written by netcfgd, digest %016llx",
		(unsigned long long)digest);
	batch_chain_plain(b, FIREWALL_CONTENT, text);
}

static int build(const struct desired *d, bool open, const struct firewall_parts *parts,
	uint64_t hash, uint32_t seq, struct fw_batch *ret)
{
	struct fw_batch b;
	int rc;

	batch_begin(&b, seq);
	b.counts = parts->counts;
	b.n_counts = parts->n_counts;
	table(&b, d, &gates[1], open, hash);
	chain_arp(&b);
	table(&b, d, &gates[0], open, hash);
	sets(&b, d);
	user_part(&b, parts->user);
	chain_raw(&b, "raw_prerouting", NF_INET_PRE_ROUTING);
	chain_raw(&b, "raw_output", NF_INET_LOCAL_OUT);
	policy_input(&b, d);
	chain_forward(&b);
	chain_nat(&b, d);
	if (parts->content)
		content(&b, parts->content);
	rc = batch_end(&b);
	if (!rc)
		*ret = b;
	return rc;
}

int firewall_build(const struct desired *d, bool open, const struct firewall_parts *parts,
	uint32_t seq, struct fw_batch *ret)
{
	bool bare = d->user_hash && !parts->user;

	return build(d, open, parts, bare ? d->fw_bare : d->fw_hash, seq, ret);
}

static uint64_t digest(uint64_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * 1099511628211u;
	return h;
}

int firewall_digest(struct desired *d)
{
	static const uint64_t start = 14695981039346656037u;
	struct firewall_parts none = {0};
	struct fw_batch b;
	uint64_t h;
	int rc = build(d, false, &none, 0, 0, &b);

	if (rc)
		return rc;
	h = digest(start, b.buf, b.len);
	fw_batch_free(&b);
	d->fw_bare = h & ~FIREWALL_COMPLETE;
	if (d->user_rules) {
		d->user_hash = userrules_hash(d->user_rules);
		h = digest(h, d->user_rules, strlen(d->user_rules));
	}
	d->fw_hash = h | FIREWALL_COMPLETE;
	return 0;
}

int firewall_build_content(uint64_t digest_of, uint32_t seq, struct fw_batch *ret)
{
	struct fw_batch b;
	int rc;

	batch_begin(&b, seq);
	content(&b, digest_of);
	rc = batch_end(&b);
	if (!rc)
		*ret = b;
	return rc;
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
	rule_begin(&r, FIREWALL_HOLD, "hold", NULL);
	rule_ct_state(&r, CT_NEW);
	batch_rule(&b, &r);
	rc = batch_end(&b);
	if (!rc)
		*ret = b;
	return rc;
}

int firewall_build_unstage(uint32_t seq, struct fw_batch *ret)
{
	struct fw_batch b;
	int rc;

	batch_begin(&b, seq);
	b.table = USERRULES_STAGE;
	batch_table(&b, NFT_MSG_DELTABLE, 0, 0);
	rc = batch_end(&b);
	if (!rc)
		*ret = b;
	return rc;
}
