/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The digest of a listing (see content.h). Each object is a hash of the attributes that matter, by
 * a table; the objects' hashes are added, as sets are listed in any order.
 */
#include "netcfgd/firewall/content.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/firewall/firewall.h"
#include "netcfgd/firewall/nfattr.h"

static uint64_t add(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static uint64_t add_attr(uint64_t h, uint16_t type, const struct nlattr *attr)
{
	uint16_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if (!attr)
		return h;
	h = add(h, &type, sizeof(type));
	h = add(h, &len, sizeof(len));
	return add(h, mnl_attr_get_payload(attr), len);
}

static uint64_t add_attrs(uint64_t h, const struct nfattrs *a, const uint16_t *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = add_attr(h, types[i], a->v[types[i]]);
	return h;
}

/* Sums of plain FNV hashes would be close for objects that are. */
static uint64_t finish(uint64_t h)
{
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What it has counted is not what it is. */
static bool has_state(const char *expression)
{
	static const char *const names[] = {"counter", "quota", "last"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i], expression) == 0)
			return true;
	return false;
}

static uint64_t add_rule(struct content *c, uint64_t h, const struct nfattrs *a)
{
	static const uint16_t types[] = {NFTA_RULE_CHAIN, NFTA_RULE_COMPAT, NFTA_RULE_USERDATA};
	const char *chain = nfattr_str(a->v[NFTA_RULE_CHAIN]);
	const struct nlattr *e;

	if (strcmp(c->chain, chain) != 0) {
		snprintf(c->chain, sizeof(c->chain), "%s", chain);
		c->at = 0;
	}
	h = add(h, &c->at, sizeof(c->at));
	c->at++;
	h = add_attrs(h, a, types, COUNT(types));
	if (!a->v[NFTA_RULE_EXPRESSIONS])
		return h;
	nfattr_for_each(e, a->v[NFTA_RULE_EXPRESSIONS])
	{
		struct nfattrs x = nfattrs_nested(e);

		h = add_attr(h, NFTA_EXPR_NAME, x.v[NFTA_EXPR_NAME]);
		if (!has_state(nfattr_str(x.v[NFTA_EXPR_NAME])))
			h = add_attr(h, NFTA_EXPR_DATA, x.v[NFTA_EXPR_DATA]);
	}
	return h;
}

static void add_elements(struct content *c, uint64_t h, const struct nfattrs *a, uint32_t set_flags)
{
	static const uint16_t types[] = {NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END,
		NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_OBJREF,
		NFTA_SET_ELEM_USERDATA};
	const struct nlattr *e, *list = a->v[NFTA_SET_ELEM_LIST_ELEMENTS];

	/* The gate moves with the lease; others learn and forget. */
	if (!list || (set_flags & (NFT_SET_EVAL | NFT_SET_TIMEOUT)) ||
		strcmp(nfattr_str(a->v[NFTA_SET_ELEM_LIST_SET]), FIREWALL_GATE) == 0)
		return;
	h = add_attr(h, NFTA_SET_ELEM_LIST_SET, a->v[NFTA_SET_ELEM_LIST_SET]);
	nfattr_for_each(e, list)
	{
		struct nfattrs x = nfattrs_nested(e);

		c->sum += finish(add_attrs(h, &x, types, COUNT(types)));
	}
}

void content_add(struct content *c, const struct nlmsghdr *nlh, uint32_t set_flags)
{
	static const uint16_t table[] = {NFTA_TABLE_FLAGS},
			      chain[] = {NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY,
				      NFTA_CHAIN_TYPE, NFTA_CHAIN_FLAGS, NFTA_CHAIN_USERDATA},
			      set[] = {NFTA_SET_NAME, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE,
				      NFTA_SET_KEY_LEN, NFTA_SET_DATA_TYPE, NFTA_SET_DATA_LEN,
				      NFTA_SET_TIMEOUT, NFTA_SET_GC_INTERVAL, NFTA_SET_OBJ_TYPE,
				      NFTA_SET_DESC, NFTA_SET_USERDATA},
			      obj[] = {NFTA_OBJ_NAME, NFTA_OBJ_TYPE, NFTA_OBJ_USERDATA};
	struct nfattrs a = nfattrs_of(nlh);
	int type = nfattr_type(nlh);
	uint8_t kind[2] = {(uint8_t)type, nfattr_family(nlh)};
	uint64_t h = add(14695981039346656037u, kind, sizeof(kind));

	switch (type) {
	case NFT_MSG_NEWTABLE:
		h = add_attrs(h, &a, table, COUNT(table));
		break;
	case NFT_MSG_NEWCHAIN:
		/* Says what all the others add up to. */
		if (strcmp(nfattr_str(a.v[NFTA_CHAIN_NAME]), FIREWALL_CONTENT) == 0)
			return;
		h = add_attrs(h, &a, chain, COUNT(chain));
		break;
	case NFT_MSG_NEWSET:
		h = add_attrs(h, &a, set, COUNT(set));
		break;
	case NFT_MSG_NEWOBJ:
		h = add_attrs(h, &a, obj, COUNT(obj));
		break;
	case NFT_MSG_NEWRULE:
		h = add_rule(c, h, &a);
		break;
	case NFT_MSG_NEWSETELEM:
		add_elements(c, h, &a, set_flags);
		return;
	default:
		return;
	}
	c->sum += finish(h);
}

uint64_t content_digest(const struct content *c)
{
	return c->sum ? c->sum : 1;
}
