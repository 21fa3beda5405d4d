/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attributes of nf_tables messages (see nfattr.h).
 */
#include "netcfgd/firewall/nfattr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

static int collect(const struct nlattr *attr, void *arg)
{
	struct nfattrs *a = arg;
	uint16_t type = mnl_attr_get_type(attr);

	if (type < NFATTR_MAX)
		a->v[type] = attr;
	return MNL_CB_OK;
}

struct nfattrs nfattrs_of(const struct nlmsghdr *nlh)
{
	struct nfattrs a = {0};

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg) ||
		mnl_attr_parse(nlh, sizeof(struct nfgenmsg), collect, &a) < 0)
		return (struct nfattrs){0};
	return a;
}

struct nfattrs nfattrs_nested(const struct nlattr *nest)
{
	struct nfattrs a = {0};

	return !nest || mnl_attr_parse_nested(nest, collect, &a) < 0 ? (struct nfattrs){0} : a;
}

int nfattr_left(const struct nlattr *pos, const struct nlattr *nest)
{
	const char *end = (const char *)nest + nest->nla_len;

	return (int)(end - (const char *)pos);
}

const char *nfattr_str(const struct nlattr *attr)
{
	size_t n = attr ? mnl_attr_get_payload_len(attr) : 0;
	const char *s = n ? mnl_attr_get_str(attr) : "";

	return n && memchr(s, '\0', n) ? s : "";
}

uint32_t nfattr_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t)
		       ? ntohl(mnl_attr_get_u32(attr))
		       : 0;
}

uint64_t nfattr_u64(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint64_t)
		       ? be64toh(mnl_attr_get_u64(attr))
		       : 0;
}

int nfattr_type(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
			       mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct nfgenmsg)
		       ? nlh->nlmsg_type & 0xff
		       : -1;
}

uint8_t nfattr_family(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nf = mnl_nlmsg_get_payload(nlh);

	return nf->nfgen_family;
}

_Static_assert((int)NFTA_TABLE_NAME == (int)NFTA_CHAIN_TABLE, "one number for all");
_Static_assert((int)NFTA_TABLE_NAME == (int)NFTA_RULE_TABLE, "one number for all");
_Static_assert((int)NFTA_TABLE_NAME == (int)NFTA_SET_TABLE, "one number for all");
_Static_assert((int)NFTA_TABLE_NAME == (int)NFTA_SET_ELEM_LIST_TABLE, "one number for all");
_Static_assert((int)NFTA_TABLE_NAME == (int)NFTA_OBJ_TABLE, "one number for all");

const char *nfattr_table(const struct nlmsghdr *nlh)
{
	struct nfattrs a = nfattrs_of(nlh);

	return nfattr_str(a.v[NFTA_TABLE_NAME]);
}

void nfattr_comment(const struct nlattr *userdata, char *out, size_t size)
{
	const uint8_t *p = userdata ? mnl_attr_get_payload(userdata) : NULL;
	size_t left = userdata ? mnl_attr_get_payload_len(userdata) : 0;

	out[0] = '\0';
	/* Type, length, value, and so on. */
	while (left >= 2 && left - 2 >= p[1]) {
		if (p[0] == NFTNL_UDATA_RULE_COMMENT && p[1] > 0 && p[1 + p[1]] == '\0') {
			snprintf(out, size, "%s", (const char *)p + 2);
			break;
		}
		left -= 2u + p[1];
		p += 2u + p[1];
	}
	for (char *c = out; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
}

static void counted(const struct nlattr *expressions, struct rule_count *c)
{
	const struct nlattr *e;

	if (!expressions)
		return;
	nfattr_for_each(e, expressions)
	{
		struct nfattrs a = nfattrs_nested(e), data;

		if (strcmp(nfattr_str(a.v[NFTA_EXPR_NAME]), "counter") != 0)
			continue;
		data = nfattrs_nested(a.v[NFTA_EXPR_DATA]);
		c->packets = nfattr_u64(data.v[NFTA_COUNTER_PACKETS]);
		c->bytes = nfattr_u64(data.v[NFTA_COUNTER_BYTES]);
		return;
	}
}

struct rule_count nfattr_rule_count(const struct nlmsghdr *nlh)
{
	struct nfattrs a = nfattrs_of(nlh);
	struct rule_count c = {0};

	snprintf(c.chain, sizeof(c.chain), "%s", nfattr_str(a.v[NFTA_RULE_CHAIN]));
	nfattr_comment(a.v[NFTA_RULE_USERDATA], c.text, sizeof(c.text));
	if (!c.text[0])
		snprintf(c.text, sizeof(c.text), "handle %llu",
			(unsigned long long)nfattr_u64(a.v[NFTA_RULE_HANDLE]));
	counted(a.v[NFTA_RULE_EXPRESSIONS], &c);
	return c;
}
