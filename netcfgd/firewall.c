/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy (see firewall.h): which packets may reach this node, which it forwards, what is
 * translated. netcfgd(8) describes it for users. Interfaces that the config does not name are left
 * alone, except that nothing is forwarded from or to them.
 */
#include "netcfgd/firewall.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/rule.h"

#define BATCH_MAX	(4u << 20)
#define MESSAGE_MAX	(32u << 10) /* room kept free for the next message */
#define ELEMS_PER_MSG	256
#define PROTO_VRRP	112
#define ECHO_RATE	50 /* per second: strangers' pings */
#define TYPE_IFNAME	41 /* nft(8)'s numbers of data types, for its listings only */
#define TYPE_IPV4	7
#define TYPE_NFPROTO	2
#define HOST_KEYS	1
#define BIG_ENDIAN_KEYS 2

/* --- the batch ---------------------------------------------------------------------------------
 */

void fw_batch_free(struct fw_batch *b)
{
	free(b->buf);
	*b = (struct fw_batch){0};
}

/* Where the next message goes; the memory is zero, so that equal policies have equal bytes. */
static char *room(struct fw_batch *b)
{
	size_t cap = b->cap ? b->cap * 2 : 4 * MESSAGE_MAX;
	char *p;

	if (b->bad)
		return NULL;
	if (b->cap - b->len < MESSAGE_MAX) {
		p = cap <= BATCH_MAX ? realloc(b->buf, cap) : NULL;
		if (!p) {
			b->bad = true;
			return NULL;
		}
		memset(p + b->cap, 0, cap - b->cap);
		b->buf = p;
		b->cap = cap;
	}
	return b->buf + b->len;
}

static struct nlmsghdr *message(struct fw_batch *b, uint16_t type, uint16_t flags)
{
	char *p = room(b);

	if (!p)
		return NULL;
	b->last = b->next;
	return nftnl_nlmsg_build_hdr(p, type, NFPROTO_INET, flags, b->next++);
}

static void message_done(struct fw_batch *b, const struct nlmsghdr *nlh)
{
	b->len += NLMSG_ALIGN(nlh->nlmsg_len);
}

static void batch_begin(struct fw_batch *b, uint32_t seq)
{
	char *p;

	*b = (struct fw_batch){.table = FIREWALL_TABLE, .seq = seq, .next = seq};
	p = room(b);
	if (p)
		message_done(b, nftnl_batch_begin(p, b->next++));
}

/* The last message of the transaction asks for the acknowledgement of all. */
static int batch_end(struct fw_batch *b, struct nlmsghdr *last)
{
	char *p = room(b);

	if (p) {
		last->nlmsg_flags |= NLM_F_ACK;
		message_done(b, nftnl_batch_end(p, b->next++));
	}
	if (!b->bad)
		return 0;
	fw_batch_free(b);
	return -ENOMEM;
}

/* The last message's header moves when the buffer grows, so it is found again at the end. */
static struct nlmsghdr *last_message(const struct fw_batch *b)
{
	size_t at = 0, last = 0;

	while (at < b->len) {
		last = at;
		at += NLMSG_ALIGN(
			((const struct nlmsghdr *)(const void *)(b->buf + at))->nlmsg_len);
	}
	return (struct nlmsghdr *)(void *)(b->buf + last);
}

/* --- objects -----------------------------------------------------------------------------------
 */

static void table(struct fw_batch *b, uint16_t type, uint16_t flags, uint64_t hash)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *nlh = message(b, type, flags);

	if (!t || !nlh || nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table) < 0 ||
		(hash && nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, &hash, sizeof(hash)) < 0)) {
		b->bad = true;
	} else {
		if (strcmp(b->table, FIREWALL_HOLD) == 0)
			nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
		nftnl_table_nlmsg_build_payload(nlh, t);
		message_done(b, nlh);
	}
	nftnl_table_free(t);
}

static struct nftnl_set *set_named(struct fw_batch *b, const char *name)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s || nftnl_set_set_str(s, NFTNL_SET_TABLE, FIREWALL_TABLE) < 0 ||
		nftnl_set_set_str(s, NFTNL_SET_NAME, name) < 0)
		b->bad = true;
	return s;
}

/* For nft(8) only: how to print the keys. */
static int key_byteorder(struct nftnl_set *s, uint32_t order)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	int rc = -1;

	if (u && nftnl_udata_put_u32(u, NFTNL_UDATA_SET_KEYBYTEORDER, order))
		rc = nftnl_set_set_data(
			s, NFTNL_SET_USERDATA, nftnl_udata_buf_data(u), nftnl_udata_buf_len(u));
	if (u)
		nftnl_udata_buf_free(u);
	return rc;
}

static void set(struct fw_batch *b, const char *name, uint32_t type, uint32_t len)
{
	struct nftnl_set *s = set_named(b, name);
	struct nlmsghdr *nlh = message(b, NFT_MSG_NEWSET, NLM_F_CREATE);

	if (!b->bad && s && key_byteorder(s, type == TYPE_IPV4 ? BIG_ENDIAN_KEYS : HOST_KEYS) < 0)
		b->bad = true;
	if (!b->bad && s && nlh) {
		nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, len);
		nftnl_set_set_u32(s, NFTNL_SET_ID, b->next - b->seq);
		nftnl_set_nlmsg_build_payload(nlh, s);
		message_done(b, nlh);
	}
	nftnl_set_free(s);
}

/* n keys of `len` bytes, one after another. */
static void elements(struct fw_batch *b, uint16_t type, uint16_t flags, const char *name,
	const void *keys, size_t n, uint32_t len)
{
	const char *key = keys;

	while (n && !b->bad) {
		struct nftnl_set *s = set_named(b, name);
		struct nlmsghdr *nlh = message(b, type, flags);

		for (size_t i = 0; i < ELEMS_PER_MSG && n && s; i++, n--, key += len) {
			struct nftnl_set_elem *e = nftnl_set_elem_alloc();

			if (!e || nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, len) < 0)
				b->bad = true;
			if (e)
				nftnl_set_elem_add(s, e);
		}
		if (!b->bad && nlh) {
			nftnl_set_elems_nlmsg_build_payload(nlh, s);
			message_done(b, nlh);
		}
		nftnl_set_free(s);
	}
}

static void gate_open(struct fw_batch *b)
{
	static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

	elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, FIREWALL_GATE, families, sizeof(families), 1);
}

/* A deletion that names no element empties the set, whatever is in it. */
static void gate_close(struct fw_batch *b)
{
	struct nftnl_set *s = set_named(b, FIREWALL_GATE);
	struct nlmsghdr *nlh = message(b, NFT_MSG_DELSETELEM, 0);

	if (!b->bad && nlh) {
		nftnl_set_elems_nlmsg_build_payload(nlh, s);
		message_done(b, nlh);
	}
	nftnl_set_free(s);
}

static void chain(struct fw_batch *b, const char *name, const char *type, uint32_t hook,
	int32_t priority, uint32_t policy)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh = message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	if (!c || !nlh || nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table) < 0 ||
		nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name) < 0 ||
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type) < 0) {
		b->bad = true;
	} else {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, policy);
		nftnl_chain_nlmsg_build_payload(nlh, c);
		message_done(b, nlh);
	}
	nftnl_chain_free(c);
}

static void rule_end(struct fw_batch *b, struct rule *r)
{
	struct nlmsghdr *nlh = message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	if (r->bad || !nlh) {
		b->bad = true;
	} else {
		nftnl_rule_nlmsg_build_payload(nlh, r->r);
		message_done(b, nlh);
		b->rules++;
	}
	if (r->r)
		nftnl_rule_free(r->r);
}

static void rule_end_with(struct fw_batch *b, struct rule *r, uint32_t verdict)
{
	rule_verdict(r, verdict);
	rule_end(b, r);
}

/* --- sets of names ------------------------------------------------------------------------------
 */

#define ROLE_ANY 0

static void names(struct fw_batch *b, const struct desired *d, const char *name, int role)
{
	char(*keys)[IFNAMSIZ] = calloc(d->n_links + 1, sizeof(*keys));
	size_t n = 0;

	set(b, name, TYPE_IFNAME, IFNAMSIZ);
	if (!keys) {
		b->bad = true;
		return;
	}
	for (size_t i = 0; i < d->n_links; i++)
		if (role == ROLE_ANY || (int)d->links[i].role == role)
			memcpy(keys[n++], d->links[i].name, strlen(d->links[i].name));
	elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, name, keys, n, IFNAMSIZ);
	free(keys);
}

/* Virtual addresses that are for forwarding only (accept = false, RFC 9568 §6.1). */
static void not_accepted(struct fw_batch *b, const struct desired *d)
{
	struct in_addr *keys = calloc(d->n_addrs + 1, sizeof(*keys));
	size_t n = 0;

	set(b, "not_accepted", TYPE_IPV4, sizeof(*keys));
	if (!keys) {
		b->bad = true;
		return;
	}
	for (size_t i = d->n_static; i < d->n_addrs; i++)
		if (!d->addrs[i].accept)
			keys[n++] = d->addrs[i].prefix.v4;
	elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "not_accepted", keys, n, sizeof(*keys));
	free(keys);
}

/* --- the policy ----------------------------------------------------------------------------------
 */

/* The node's own talk with its peer must never fill or wait for the session table. */
static void chain_raw(struct fw_batch *b, const char *name, uint32_t hook)
{
	struct rule r;

	chain(b, name, "filter", hook, NF_IP_PRI_RAW, NF_ACCEPT);
	rule_begin(&r, FIREWALL_TABLE, name);
	if (hook == NF_INET_PRE_ROUTING)
		rule_iif_in(&r, "ha");
	else
		rule_oif_in(&r, "ha");
	rule_notrack(&r);
	rule_end(b, &r);
	rule_begin(&r, FIREWALL_TABLE, name);
	rule_l4proto(&r, PROTO_VRRP);
	rule_notrack(&r);
	rule_end(b, &r);
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
		rule_end_with(b, &r, NF_ACCEPT);
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
		rule_end_with(b, &r, NF_ACCEPT);
	}
}

static void input_port(struct fw_batch *b, const char *ifs, uint8_t proto, uint16_t port)
{
	struct rule r;

	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_iif_in(&r, ifs);
	rule_l4proto(&r, proto);
	rule_dport(&r, port);
	rule_end_with(b, &r, NF_ACCEPT);
}

static void drop_from(struct fw_batch *b, const char *ifs)
{
	struct rule r;

	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_iif_in(&r, ifs);
	rule_end_with(b, &r, NF_DROP);
}

static void ct_state(struct fw_batch *b, const char *in, uint32_t bits, uint32_t verdict)
{
	struct rule r;

	rule_begin(&r, FIREWALL_TABLE, in);
	rule_ct_state(&r, bits);
	rule_end_with(b, &r, verdict);
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
	rule_end_with(b, &r, NF_ACCEPT);
	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_daddr4_in(&r, "not_accepted");
	rule_end_with(b, &r, NF_DROP);
}

static void chain_input(struct fw_batch *b, const struct desired *d)
{
	static const uint16_t mgmt_tcp[] = {22, 53, 80, 443}, mgmt_udp[] = {53, 67};
	struct rule r;

	chain(b, "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, NF_ACCEPT);
	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_iif(&r, "lo");
	rule_end_with(b, &r, NF_ACCEPT);
	if (d->sync.present)
		input_sync(b, &d->sync);
	input_echo(b, "ha", true);
	drop_from(b, "ha");
	/* vrrpd reads its packets before they come here; the stack must not answer them. */
	rule_begin(&r, FIREWALL_TABLE, "input");
	rule_l4proto(&r, PROTO_VRRP);
	rule_end_with(b, &r, NF_DROP);
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

static void chain_forward(struct fw_batch *b)
{
	static const char *const to[] = {"lan", "wan"};
	struct rule r;

	chain(b, "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_DROP);
	rule_begin(&r, FIREWALL_TABLE, "forward");
	rule_family_not_in(&r, FIREWALL_GATE);
	rule_end_with(b, &r, NF_DROP);
	ct_state(b, "forward", CT_INVALID, NF_DROP);
	ct_state(b, "forward", CT_ESTABLISHED | CT_RELATED, NF_ACCEPT);
	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		rule_begin(&r, FIREWALL_TABLE, "forward");
		rule_iif_in(&r, "lan");
		rule_oif_in(&r, to[i]);
		rule_ct_state(&r, CT_NEW);
		rule_end_with(b, &r, NF_ACCEPT);
	}
}

/* Only what is forwarded from the LAN: the node's own packets keep the node's own address, which
 * the Standby has as well. */
static void chain_nat(struct fw_batch *b, const struct desired *d)
{
	struct rule r;

	chain(b, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT);
	for (size_t i = 0; i < d->n_snats; i++) {
		rule_begin(&r, FIREWALL_TABLE, "postrouting");
		rule_family(&r, NFPROTO_IPV4);
		rule_iif_in(&r, "lan");
		rule_oif(&r, d->snats[i].link);
		rule_snat4(&r, d->snats[i].to.v4);
		rule_end(b, &r);
	}
}

static int build(
	const struct desired *d, bool open, uint64_t hash, uint32_t seq, struct fw_batch *ret)
{
	struct fw_batch b;
	int rc;

	batch_begin(&b, seq);
	table(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0); /* so that there is one to delete */
	table(&b, NFT_MSG_DELTABLE, 0, 0);
	table(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE, hash);
	set(&b, FIREWALL_GATE, TYPE_NFPROTO, 1);
	if (open)
		gate_open(&b);
	names(&b, d, "mgmt", CONFIG_ROLE_MGMT);
	names(&b, d, "lan", CONFIG_ROLE_LAN);
	names(&b, d, "wan", CONFIG_ROLE_WAN);
	names(&b, d, "ha", CONFIG_ROLE_HA);
	names(&b, d, "configured", ROLE_ANY);
	not_accepted(&b, d);
	chain_raw(&b, "raw_prerouting", NF_INET_PRE_ROUTING);
	chain_raw(&b, "raw_output", NF_INET_LOCAL_OUT);
	chain_input(&b, d);
	chain_forward(&b);
	chain_nat(&b, d);
	rc = batch_end(&b, b.bad ? NULL : last_message(&b));
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
	if (open)
		gate_open(&b);
	else
		gate_close(&b);
	rc = batch_end(&b, b.bad ? NULL : last_message(&b));
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
	table(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0);
	chain(&b, "hold", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC + 1, NF_ACCEPT);
	rule_begin(&r, FIREWALL_HOLD, "hold");
	rule_ct_state(&r, CT_NEW);
	rule_end(&b, &r);
	rc = batch_end(&b, b.bad ? NULL : last_message(&b));
	if (!rc)
		*ret = b;
	return rc;
}
