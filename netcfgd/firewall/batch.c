/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables transactions, message by message (see batch.h). Nothing here knows the policy.
 */
#include "netcfgd/firewall/batch.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX       (4u << 20)
#define MESSAGE_MAX     (32u << 10) /* room kept free for the next message */
#define ELEMS_PER_MSG   256
#define HOST_KEYS       1
#define BIG_ENDIAN_KEYS 2

/* --- the batch ------------------------------------------------------------------------------- */

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
	return nftnl_nlmsg_build_hdr(p, type, b->family, flags, b->next++);
}

static void message_done(struct fw_batch *b, const struct nlmsghdr *nlh)
{
	b->len += NLMSG_ALIGN(nlh->nlmsg_len);
}

void batch_begin(struct fw_batch *b, uint32_t seq)
{
	char *p;

	*b = (struct fw_batch){
		.family = NFPROTO_INET, .table = FIREWALL_TABLE, .seq = seq, .next = seq};
	p = room(b);
	if (p)
		message_done(b, nftnl_batch_begin(p, b->next++));
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

/* The last message of the transaction asks for the acknowledgement of all. */
int batch_end(struct fw_batch *b)
{
	char *p = room(b);

	if (p) {
		last_message(b)->nlmsg_flags |= NLM_F_ACK;
		message_done(b, nftnl_batch_end(p, b->next++));
	}
	if (!b->bad)
		return 0;
	fw_batch_free(b);
	return -ENOMEM;
}

/* --- objects --------------------------------------------------------------------------------- */

/* In nft(8)'s own form, which reads user data of any table without looking twice. */
static bool table_hash(struct nftnl_table *t, uint64_t hash)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	char text[RULE_TEXT_MAX];
	bool ok;

	snprintf(text, sizeof(text), "policy %016llx", (unsigned long long)hash);
	ok = u && nftnl_udata_put_strz(u, NFTNL_UDATA_TABLE_COMMENT, text) &&
	     nftnl_table_set_data(
		     t, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(u), nftnl_udata_buf_len(u)) == 0;
	if (u)
		nftnl_udata_buf_free(u);
	return ok;
}

void batch_table(struct fw_batch *b, uint16_t type, uint16_t flags, uint64_t hash)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *nlh = message(b, type, flags);

	if (!t || !nlh || nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table) < 0 ||
		(hash && !table_hash(t, hash))) {
		b->bad = true;
	} else {
		if (strcmp(b->table, FIREWALL_HOLD) == 0)
			nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
		nftnl_table_nlmsg_build_payload(nlh, t);
		message_done(b, nlh);
	}
	if (t)
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

void batch_set(struct fw_batch *b, const char *name, uint32_t type, uint32_t len)
{
	struct nftnl_set *s = set_named(b, name);
	struct nlmsghdr *nlh = message(b, NFT_MSG_NEWSET, NLM_F_CREATE);

	if (!b->bad && s &&
		key_byteorder(s, type == BATCH_TYPE_IPV4 ? BIG_ENDIAN_KEYS : HOST_KEYS) < 0)
		b->bad = true;
	if (!b->bad && s && nlh) {
		nftnl_set_set_u32(s, NFTNL_SET_FAMILY, b->family);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, len);
		nftnl_set_set_u32(s, NFTNL_SET_ID, b->next - b->seq);
		nftnl_set_nlmsg_build_payload(nlh, s);
		message_done(b, nlh);
	}
	nftnl_set_free(s);
}

/* n keys of `len` bytes, one after another. */
void batch_elements(struct fw_batch *b, uint16_t type, uint16_t flags, const char *name,
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

/* A deletion that names no element empties the set, whatever is in it. */
void batch_set_flush(struct fw_batch *b, const char *name)
{
	struct nftnl_set *s = set_named(b, name);
	struct nlmsghdr *nlh = message(b, NFT_MSG_DELSETELEM, 0);

	if (!b->bad && nlh) {
		nftnl_set_elems_nlmsg_build_payload(nlh, s);
		message_done(b, nlh);
	}
	nftnl_set_free(s);
}

void batch_chain(struct fw_batch *b, const char *name, const char *type, uint32_t hook,
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

void batch_chain_plain(struct fw_batch *b, const char *name, const char *text)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh = message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	if (!u || !c || !nlh || nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table) < 0 ||
		nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name) < 0 ||
		(text && (!nftnl_udata_put_strz(u, NFTNL_UDATA_CHAIN_COMMENT, text) ||
				 nftnl_chain_set_data(c, NFTNL_CHAIN_USERDATA,
					 nftnl_udata_buf_data(u), nftnl_udata_buf_len(u)) < 0))) {
		b->bad = true;
	} else {
		nftnl_chain_nlmsg_build_payload(nlh, c);
		message_done(b, nlh);
	}
	if (c)
		nftnl_chain_free(c);
	if (u)
		nftnl_udata_buf_free(u);
}

void batch_messages(struct fw_batch *b, const char *buf, size_t len)
{
	for (size_t at = 0; at < len && !b->bad;) {
		struct nlmsghdr head;
		char *p = room(b);

		memcpy(&head, buf + at, sizeof(head));
		if (!p || head.nlmsg_len > MESSAGE_MAX) {
			b->bad = true;
			return;
		}
		memcpy(p, buf + at, head.nlmsg_len);
		b->last = b->next;
		((struct nlmsghdr *)(void *)p)->nlmsg_seq = b->next++;
		b->len += NLMSG_ALIGN(head.nlmsg_len);
		at += NLMSG_ALIGN(head.nlmsg_len);
		b->rules += head.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
	}
}

void batch_rule_begin(struct fw_batch *b, struct rule *r, const char *chain, const char *fmt, ...)
{
	char text[RULE_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rule_begin(r, FIREWALL_TABLE, chain, text);
	for (size_t i = 0; i < b->n_counts; i++) {
		const struct rule_count *c = &b->counts[i];

		if (strcmp(c->chain, chain) != 0 || strcmp(c->text, text) != 0)
			continue;
		r->packets = c->packets;
		r->bytes = c->bytes;
		return;
	}
}

void batch_rule(struct fw_batch *b, struct rule *r)
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

void batch_rule_verdict(struct fw_batch *b, struct rule *r, uint32_t verdict)
{
	rule_verdict(r, verdict);
	batch_rule(b, r);
}
