/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a listing to a transaction (see userrules.h). Attributes are copied by a list of those that
 * the kernel takes; what it only tells (handles, use counts) stays behind.
 */
#include "netcfgd/firewall/userrules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_rules.h"
#include "netcfgd/firewall/firewall.h"
#include "netcfgd/firewall/nfattr.h"

#define MESSAGE_MAX  (28u << 10)
#define ELEMENTS_MAX (1u << 20)
#define FIRST_SET_ID 0x10000u /* the policy's own sets are numbered from 1 */
#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))

static const char too_large[] = "they take more memory than they may; use fewer or larger sets";

uint64_t userrules_hash(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 1099511628211u;
	return h | 1;
}

void userrules_free(struct userrules *u)
{
	free(u->buf);
	free(u->elements);
	*u = (struct userrules){0};
}

static void append(struct userrules *u, char **buf, size_t *len, size_t *cap, size_t max,
	const void *data, size_t n)
{
	size_t want = *cap ? *cap : 4096;
	char *p;

	while (want < *len + n)
		want *= 2;
	if (want > *cap) {
		p = want <= max ? realloc(*buf, want) : NULL;
		if (!p) {
			u->bad = too_large;
			return;
		}
		*buf = p;
		*cap = want;
	}
	memcpy(*buf + *len, data, n);
	*len += n;
}

/* --- messages -------------------------------------------------------------------------------- */

/* One at a time; aligned as netlink wants it. */
static union {
	struct nlmsghdr nlh;
	char room[MESSAGE_MAX];
} out;

static void begin(uint16_t type, uint16_t flags)
{
	struct nfgenmsg *nf;

	memset(&out, 0, sizeof(struct nlmsghdr) + sizeof(*nf));
	mnl_nlmsg_put_header(out.room);
	out.nlh.nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	out.nlh.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_CREATE | flags);
	nf = mnl_nlmsg_put_extra_header(&out.nlh, sizeof(*nf));
	nf->nfgen_family = NFPROTO_INET;
	nf->version = NFNETLINK_V0;
	mnl_attr_put_strz(&out.nlh, NFTA_TABLE_NAME, FIREWALL_TABLE);
}

static void end(struct userrules *u)
{
	static const char pad[NLMSG_ALIGNTO];
	size_t n = out.nlh.nlmsg_len;

	append(u, &u->buf, &u->len, &u->cap, USERRULES_MAX, &out, n);
	if (!u->bad)
		append(u, &u->buf, &u->len, &u->cap, USERRULES_MAX, pad, NLMSG_ALIGN(n) - n);
}

static void put(struct userrules *u, uint16_t type, const void *data, size_t n)
{
	if (!mnl_attr_put_check(&out.nlh, sizeof(out), type, n, data))
		u->bad = too_large;
}

static void put_copy(struct userrules *u, const struct nlattr *attr)
{
	if (attr)
		put(u, attr->nla_type, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

static void put_u32(struct userrules *u, uint16_t type, uint32_t v)
{
	uint32_t be = htonl(v);

	put(u, type, &be, sizeof(be));
}

static void put_list(struct userrules *u, const struct nfattrs *a, const uint16_t *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_copy(u, a->v[types[i]]);
}

/* --- sets, objects, chains ------------------------------------------------------------------- */

static void add_set(struct userrules *u, const struct nfattrs *a)
{
	static const uint16_t types[] = {NFTA_SET_NAME, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN,
		NFTA_SET_DATA_TYPE, NFTA_SET_DATA_LEN, NFTA_SET_POLICY, NFTA_SET_DESC,
		NFTA_SET_TIMEOUT, NFTA_SET_GC_INTERVAL, NFTA_SET_USERDATA, NFTA_SET_OBJ_TYPE,
		NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS};
	uint32_t flags = nfattr_u32(a->v[NFTA_SET_FLAGS]);

	if (config_rules_reserved(nfattr_str(a->v[NFTA_SET_NAME])))
		return;
	if (u->sets == USERRULES_MAX_SETS) {
		u->bad = "they have more than 512 sets; put several values into one set";
		return;
	}
	begin(NFT_MSG_NEWSET, 0);
	put_list(u, a, types, COUNT(types));
	put_u32(u, NFTA_SET_FLAGS, flags & ~(uint32_t)NFT_SET_ANONYMOUS);
	put_u32(u, NFTA_SET_ID, FIRST_SET_ID + u->sets++);
	end(u);
}

static void add_object(struct userrules *u, const struct nfattrs *a)
{
	static const uint16_t types[] = {
		NFTA_OBJ_NAME, NFTA_OBJ_TYPE, NFTA_OBJ_DATA, NFTA_OBJ_USERDATA};

	begin(NFT_MSG_NEWOBJ, 0);
	put_list(u, a, types, COUNT(types));
	end(u);
}

static void add_chain(struct userrules *u, const struct nfattrs *a)
{
	static const uint16_t types[] = {NFTA_CHAIN_NAME, NFTA_CHAIN_USERDATA};
	const char *name = nfattr_str(a->v[NFTA_CHAIN_NAME]);

	if (config_rules_reserved(name) || config_rules_entry(name))
		return;
	if (a->v[NFTA_CHAIN_HOOK]) {
		u->bad = "a chain of theirs has a hook of its own";
		return;
	}
	begin(NFT_MSG_NEWCHAIN, 0);
	put_list(u, a, types, COUNT(types));
	end(u);
}

/* --- elements -------------------------------------------------------------------------------- */

void userrules_elements_begin(struct userrules *u, uint32_t set_flags)
{
	u->elements_len = 0;
	u->interval = (set_flags & NFT_SET_INTERVAL) && !(set_flags & NFT_SET_CONCAT);
}

static void add_elements(struct userrules *u, const struct nfattrs *a)
{
	const struct nlattr *e;

	if (!a->v[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	nfattr_for_each(e, a->v[NFTA_SET_ELEM_LIST_ELEMENTS])
	{
		size_t n = (size_t)MNL_ALIGN(e->nla_len);

		if (!u->bad)
			append(u, &u->elements, &u->elements_len, &u->elements_cap, ELEMENTS_MAX, e,
				n);
	}
}

static const struct nlattr *element(const struct userrules *u, size_t at)
{
	return (const struct nlattr *)(const void *)(u->elements + at);
}

struct place {
	size_t at; /* in u->elements */
	const struct nlattr *key;
	bool end; /* of an interval, and not in it */
};

static struct place place_of(const struct userrules *u, size_t at)
{
	struct nfattrs e = nfattrs_nested(element(u, at)),
		       key = nfattrs_nested(e.v[NFTA_SET_ELEM_KEY]);

	return (struct place){.at = at,
		.key = key.v[NFTA_DATA_VALUE],
		.end = nfattr_u32(e.v[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END};
}

/* Intervals are listed in an order of the kernel's own, and taken as nft(8) sends them: upwards,
 * and where two meet, the end of the one before the start of the other. */
static int upwards(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;
	uint16_t na = a->key ? mnl_attr_get_payload_len(a->key) : 0,
		 nb = b->key ? mnl_attr_get_payload_len(b->key) : 0;
	int c = na - nb;

	if (!c && na)
		c = memcmp(mnl_attr_get_payload(a->key), mnl_attr_get_payload(b->key), na);
	return c ? c : b->end - a->end;
}

static void put_element(struct userrules *u, const struct nlattr *e)
{
	static const uint16_t types[] = {NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END,
		NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_TIMEOUT,
		NFTA_SET_ELEM_EXPIRATION, NFTA_SET_ELEM_USERDATA, NFTA_SET_ELEM_OBJREF,
		NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_EXPRESSIONS};
	struct nfattrs a = nfattrs_nested(e);
	struct nlattr *nest = mnl_attr_nest_start_check(&out.nlh, sizeof(out), NFTA_LIST_ELEM);

	if (!nest) {
		u->bad = too_large;
		return;
	}
	put_list(u, &a, types, COUNT(types));
	mnl_attr_nest_end(&out.nlh, nest);
}

/* Where intervals meet, a set without a name may do without the end of the lower one; ours has a
 * name. */
static void put_end(struct userrules *u, const struct place *p)
{
	struct nlattr *nest = mnl_attr_nest_start_check(&out.nlh, sizeof(out), NFTA_LIST_ELEM),
		      *key;

	if (!nest || out.nlh.nlmsg_len + 128u > sizeof(out)) {
		u->bad = too_large;
		return;
	}
	put_u32(u, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	key = mnl_attr_nest_start(&out.nlh, NFTA_SET_ELEM_KEY);
	put_copy(u, p->key);
	mnl_attr_nest_end(&out.nlh, key);
	mnl_attr_nest_end(&out.nlh, nest);
}

static bool lacks_end(const struct userrules *u, const struct place *v, size_t i)
{
	return u->interval && i && v[i].key && v[i - 1].key && !v[i].end && !v[i - 1].end;
}

static void put_elements(struct userrules *u, const char *set, const struct place *v, size_t n)
{
	size_t i = 0;

	while (i < n && !u->bad) {
		struct nlattr *list;

		begin(NFT_MSG_NEWSETELEM, 0);
		mnl_attr_put_strz(&out.nlh, NFTA_SET_ELEM_LIST_SET, set);
		list = mnl_attr_nest_start(&out.nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (bool first = true; i < n && !u->bad; i++, first = false) {
			const struct nlattr *e = element(u, v[i].at);

			if (!first && out.nlh.nlmsg_len + e->nla_len + 256u > sizeof(out))
				break;
			if (lacks_end(u, v, i))
				put_end(u, &v[i]);
			put_element(u, e);
		}
		mnl_attr_nest_end(&out.nlh, list);
		end(u);
	}
}

void userrules_elements_end(struct userrules *u, const char *set)
{
	struct place *v;
	size_t n = 0;

	if (!u->elements_len || u->bad)
		return;
	v = calloc(u->elements_len / sizeof(struct nlattr), sizeof(*v));
	if (!v) {
		u->bad = too_large;
		return;
	}
	for (size_t o = 0; o < u->elements_len; o += (size_t)MNL_ALIGN(element(u, o)->nla_len))
		v[n++] = place_of(u, o);
	if (u->interval)
		qsort(v, n, sizeof(*v), upwards);
	put_elements(u, set, v, n);
	free(v);
}

/* --- rules ----------------------------------------------------------------------------------- */

/* Does the expression only compare? Then what comes after it is counted, else what reaches it. */
static bool is_match(const struct nfattrs *e)
{
	const char *name = nfattr_str(e->v[NFTA_EXPR_NAME]);
	struct nfattrs data;

	if (strcmp(name, "cmp") == 0 || strcmp(name, "range") == 0)
		return true;
	if (strcmp(name, "lookup") != 0)
		return false;
	data = nfattrs_nested(e->v[NFTA_EXPR_DATA]);
	return !data.v[NFTA_LOOKUP_DREG];
}

static void put_counter(struct userrules *u)
{
	static const uint64_t zero;
	struct nlattr *e = mnl_attr_nest_start_check(&out.nlh, sizeof(out), NFTA_LIST_ELEM), *data;

	if (!e || out.nlh.nlmsg_len + 64u > sizeof(out)) {
		u->bad = too_large;
		return;
	}
	mnl_attr_put_strz(&out.nlh, NFTA_EXPR_NAME, "counter");
	data = mnl_attr_nest_start(&out.nlh, NFTA_EXPR_DATA);
	mnl_attr_put(&out.nlh, NFTA_COUNTER_BYTES, sizeof(zero), &zero);
	mnl_attr_put(&out.nlh, NFTA_COUNTER_PACKETS, sizeof(zero), &zero);
	mnl_attr_nest_end(&out.nlh, data);
	mnl_attr_nest_end(&out.nlh, e);
}

/* What the kernel tells as 0 and takes only when it is not. */
static const struct {
	const char *expression;
	uint16_t attr;
	bool bare; /* only where no register is read or written: a TCP option is taken out */
} unless_zero[] = {
	{"dynset", NFTA_DYNSET_TIMEOUT, false},
	{"osf", NFTA_OSF_FLAGS, false},
	{"exthdr", NFTA_EXTHDR_FLAGS, false}, /* when it writes */
	{"exthdr", NFTA_EXTHDR_OFFSET, true},
	{"exthdr", NFTA_EXTHDR_LEN, true},
};

static bool is_zero(const struct nlattr *attr)
{
	const char *p = attr ? mnl_attr_get_payload(attr) : NULL;
	size_t n = attr ? mnl_attr_get_payload_len(attr) : 0;

	while (n && !p[n - 1])
		n--;
	return !n;
}

static bool left_out(const char *expression, const struct nfattrs *data, uint16_t attr)
{
	bool bare = !data->v[NFTA_EXTHDR_DREG] && !data->v[NFTA_EXTHDR_SREG];

	for (size_t i = 0; i < COUNT(unless_zero); i++)
		if (unless_zero[i].attr == attr && (bare || !unless_zero[i].bare) &&
			strcmp(unless_zero[i].expression, expression) == 0)
			return is_zero(data->v[attr]);
	return false;
}

static void put_some(struct userrules *u, const struct nfattrs *e)
{
	struct nfattrs data = nfattrs_nested(e->v[NFTA_EXPR_DATA]);
	struct nlattr *nest = mnl_attr_nest_start_check(&out.nlh, sizeof(out), NFTA_LIST_ELEM), *in;

	if (!nest || out.nlh.nlmsg_len + 64u > sizeof(out)) {
		u->bad = too_large;
		return;
	}
	put_copy(u, e->v[NFTA_EXPR_NAME]);
	in = mnl_attr_nest_start(&out.nlh, NFTA_EXPR_DATA);
	for (uint16_t i = 0; i < NFATTR_MAX; i++)
		if (!left_out(nfattr_str(e->v[NFTA_EXPR_NAME]), &data, i))
			put_copy(u, data.v[i]);
	mnl_attr_nest_end(&out.nlh, in);
	mnl_attr_nest_end(&out.nlh, nest);
}

static void put_expression(struct userrules *u, const struct nlattr *e)
{
	struct nfattrs a = nfattrs_nested(e);

	for (size_t i = 0; i < COUNT(unless_zero); i++) {
		if (strcmp(nfattr_str(a.v[NFTA_EXPR_NAME]), unless_zero[i].expression) != 0)
			continue;
		put_some(u, &a);
		return;
	}
	put_copy(u, e);
}

static void put_expressions(struct userrules *u, const struct nlattr *from)
{
	const struct nlattr *e, *last = NULL;
	bool has_counter = false, after = false;
	struct nlattr *list =
		mnl_attr_nest_start_check(&out.nlh, sizeof(out), NFTA_RULE_EXPRESSIONS);

	nfattr_for_each(e, from)
	{
		struct nfattrs a = nfattrs_nested(e);

		has_counter =
			has_counter || strcmp(nfattr_str(a.v[NFTA_EXPR_NAME]), "counter") == 0;
		after = is_match(&a);
		last = e;
	}
	if (!list) {
		u->bad = too_large;
		return;
	}
	nfattr_for_each(e, from)
	{
		if (!has_counter && e == last && !after)
			put_counter(u);
		put_expression(u, e);
		if (!has_counter && e == last && after)
			put_counter(u);
	}
	mnl_attr_nest_end(&out.nlh, list);
}

static void add_rule(struct userrules *u, const struct nfattrs *a)
{
	static const uint16_t types[] = {NFTA_RULE_CHAIN, NFTA_RULE_COMPAT, NFTA_RULE_USERDATA};

	if (config_rules_reserved(nfattr_str(a->v[NFTA_RULE_CHAIN])))
		return;
	begin(NFT_MSG_NEWRULE, NLM_F_APPEND);
	put_list(u, a, types, COUNT(types));
	if (a->v[NFTA_RULE_EXPRESSIONS])
		put_expressions(u, a->v[NFTA_RULE_EXPRESSIONS]);
	end(u);
}

void userrules_add(struct userrules *u, const struct nlmsghdr *nlh)
{
	struct nfattrs a = nfattrs_of(nlh);

	if (u->bad)
		return;
	switch (nfattr_type(nlh)) {
	case NFT_MSG_NEWSET:
		add_set(u, &a);
		break;
	case NFT_MSG_NEWOBJ:
		add_object(u, &a);
		break;
	case NFT_MSG_NEWCHAIN:
		add_chain(u, &a);
		break;
	case NFT_MSG_NEWSETELEM:
		add_elements(u, &a);
		break;
	case NFT_MSG_NEWRULE:
		add_rule(u, &a);
		break;
	case NFT_MSG_NEWFLOWTABLE:
		u->bad = "they have a flowtable, whose packets pass by the policy";
		break;
	default:
		break;
	}
}

/* --- for people ------------------------------------------------------------------------------ */

static const char *name_in(const struct nlmsghdr *nlh)
{
	static const uint16_t names[] = {[NFT_MSG_NEWRULE] = NFTA_RULE_CHAIN,
		[NFT_MSG_NEWCHAIN] = NFTA_CHAIN_NAME,
		[NFT_MSG_NEWSET] = NFTA_SET_NAME,
		[NFT_MSG_NEWSETELEM] = NFTA_SET_ELEM_LIST_SET,
		[NFT_MSG_NEWOBJ] = NFTA_OBJ_NAME};
	int type = nfattr_type(nlh);
	const char *name = "";

	if (type >= 0 && (size_t)type < COUNT(names) && names[type])
		name = nfattr_str(nfattrs_of(nlh).v[names[type]]);
	return config_rules_reserved(name) ? "" : name;
}

static const struct nlmsghdr *message_at(const char *buf, size_t at)
{
	return (const void *)(buf + at);
}

/* Which one in its chain, from 1. */
static unsigned number_of(const char *buf, size_t end, const char *chain)
{
	unsigned n = 1;

	for (size_t at = 0; at < end; at += NLMSG_ALIGN(message_at(buf, at)->nlmsg_len))
		n += nfattr_type(message_at(buf, at)) == NFT_MSG_NEWRULE &&
		     strcmp(name_in(message_at(buf, at)), chain) == 0;
	return n;
}

void userrules_culprit(const char *buf, size_t len, uint32_t seq, char *ret, size_t size)
{
	size_t at = 0;
	const char *name;

	ret[0] = '\0';
	while (at < len && message_at(buf, at)->nlmsg_seq != seq)
		at += NLMSG_ALIGN(message_at(buf, at)->nlmsg_len);
	name = at < len ? name_in(message_at(buf, at)) : "";
	if (!name[0])
		return;
	switch (nfattr_type(message_at(buf, at))) {
	case NFT_MSG_NEWRULE:
		snprintf(ret, size, "rule %u of chain %.60s", number_of(buf, at, name), name);
		break;
	case NFT_MSG_NEWCHAIN:
		snprintf(ret, size, "chain %.60s", name);
		break;
	case NFT_MSG_NEWOBJ:
		snprintf(ret, size, "object %.60s", name);
		break;
	default:
		snprintf(ret, size, "set %.60s", name);
		break;
	}
}
