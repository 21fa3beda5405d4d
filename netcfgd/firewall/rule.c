/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables rules by libnftnl (see rule.h). Each match is "load something into register 1, compare
 * it"; the kernel stops evaluating the rule at the first comparison that fails.
 */
#include "netcfgd/firewall/rule.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

static struct nftnl_expr *append(struct rule *r, const char *name)
{
	struct nftnl_expr *e = r->r ? nftnl_expr_alloc(name) : NULL;

	if (!e) {
		r->bad = true;
		return NULL;
	}
	nftnl_rule_add_expr(r->r, e);
	return e;
}

static bool comment(struct rule *r, const char *text)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	bool ok = u && nftnl_udata_put_strz(u, NFTNL_UDATA_RULE_COMMENT, text) &&
		  nftnl_rule_set_data(r->r, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(u),
			  nftnl_udata_buf_len(u)) == 0;

	if (u)
		nftnl_udata_buf_free(u);
	return ok;
}

void rule_begin(struct rule *r, const char *table, const char *chain, const char *text)
{
	*r = (struct rule){.r = nftnl_rule_alloc()};
	if (!r->r) {
		r->bad = true;
		return;
	}
	nftnl_rule_set_u32(r->r, NFTNL_RULE_FAMILY, NFPROTO_INET);
	if (nftnl_rule_set_str(r->r, NFTNL_RULE_TABLE, table) < 0 ||
		nftnl_rule_set_str(r->r, NFTNL_RULE_CHAIN, chain) < 0 ||
		(text && !comment(r, text)))
		r->bad = true;
}

static void meta(struct rule *r, uint32_t key)
{
	struct nftnl_expr *e = append(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void cmp(struct rule *r, uint32_t op, const void *data, uint32_t n)
{
	struct nftnl_expr *e = append(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, n) < 0)
		r->bad = true;
}

static void lookup(struct rule *r, const char *set, uint32_t flags)
{
	struct nftnl_expr *e = append(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set) < 0)
		r->bad = true;
	if (flags)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, flags);
}

static void payload(struct rule *r, uint32_t base, size_t offset, size_t n)
{
	struct nftnl_expr *e = append(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, (uint32_t)offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)n);
}

static void mask(struct rule *r, const void *bits, uint32_t n)
{
	static const uint32_t zero;
	struct nftnl_expr *e = append(r, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, n);
	if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, bits, n) < 0 ||
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &zero, n) < 0)
		r->bad = true;
}

static void ifname(struct rule *r, uint32_t key, const char *name)
{
	char padded[IFNAMSIZ] = {0};

	memcpy(padded, name, strnlen(name, IFNAMSIZ - 1));
	meta(r, key);
	cmp(r, NFT_CMP_EQ, padded, sizeof(padded));
}

void rule_iif(struct rule *r, const char *name)
{
	ifname(r, NFT_META_IIFNAME, name);
}

void rule_iif_in(struct rule *r, const char *set)
{
	meta(r, NFT_META_IIFNAME);
	lookup(r, set, 0);
}

void rule_oif(struct rule *r, const char *name)
{
	ifname(r, NFT_META_OIFNAME, name);
}

void rule_oif_in(struct rule *r, const char *set)
{
	meta(r, NFT_META_OIFNAME);
	lookup(r, set, 0);
}

void rule_family(struct rule *r, uint8_t nfproto)
{
	meta(r, NFT_META_NFPROTO);
	cmp(r, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
}

void rule_family_in(struct rule *r, const char *set)
{
	meta(r, NFT_META_NFPROTO);
	lookup(r, set, 0);
}

void rule_family_not_in(struct rule *r, const char *set)
{
	meta(r, NFT_META_NFPROTO);
	lookup(r, set, NFT_LOOKUP_F_INV);
}

void rule_l4proto(struct rule *r, uint8_t proto)
{
	meta(r, NFT_META_L4PROTO);
	cmp(r, NFT_CMP_EQ, &proto, sizeof(proto));
}

void rule_ct_state(struct rule *r, uint32_t bits)
{
	static const uint32_t zero;
	struct nftnl_expr *e = append(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	mask(r, &bits, sizeof(bits));
	cmp(r, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void host(struct rule *r, const struct config_prefix *p, size_t off4, size_t off6)
{
	if (p->family == AF_INET) {
		rule_family(r, NFPROTO_IPV4);
		payload(r, NFT_PAYLOAD_NETWORK_HEADER, off4, sizeof(p->v4));
		cmp(r, NFT_CMP_EQ, &p->v4, sizeof(p->v4));
	} else {
		rule_family(r, NFPROTO_IPV6);
		payload(r, NFT_PAYLOAD_NETWORK_HEADER, off6, sizeof(p->v6));
		cmp(r, NFT_CMP_EQ, &p->v6, sizeof(p->v6));
	}
}

void rule_saddr(struct rule *r, const struct config_prefix *p)
{
	host(r, p, offsetof(struct iphdr, saddr), offsetof(struct ip6_hdr, ip6_src));
}

void rule_daddr(struct rule *r, const struct config_prefix *p)
{
	host(r, p, offsetof(struct iphdr, daddr), offsetof(struct ip6_hdr, ip6_dst));
}

static void host4_in(struct rule *r, size_t offset, const char *set)
{
	rule_family(r, NFPROTO_IPV4);
	payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, 4);
	lookup(r, set, 0);
}

void rule_saddr4_in(struct rule *r, const char *set)
{
	host4_in(r, offsetof(struct iphdr, saddr), set);
}

void rule_daddr4_in(struct rule *r, const char *set)
{
	host4_in(r, offsetof(struct iphdr, daddr), set);
}

void rule_arp_saddr_in(struct rule *r, const char *set)
{
	payload(r, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct ether_arp, arp_spa), 4);
	lookup(r, set, 0);
}

static void port(struct rule *r, size_t offset, uint16_t value)
{
	uint16_t be = htons(value);

	payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof(be));
	cmp(r, NFT_CMP_EQ, &be, sizeof(be));
}

void rule_sport(struct rule *r, uint16_t value)
{
	port(r, 0, value);
}

void rule_dport(struct rule *r, uint16_t value)
{
	port(r, 2, value);
}

void rule_tcp_not_syn(struct rule *r)
{
	static const uint8_t bits = TH_SYN | TH_ACK, syn = TH_SYN;

	payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	mask(r, &bits, sizeof(bits));
	cmp(r, NFT_CMP_NEQ, &syn, sizeof(syn));
}

void rule_icmp_type(struct rule *r, uint8_t from, uint8_t to)
{
	payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
	if (from == to) {
		cmp(r, NFT_CMP_EQ, &from, sizeof(from));
		return;
	}
	cmp(r, NFT_CMP_GTE, &from, sizeof(from));
	cmp(r, NFT_CMP_LTE, &to, sizeof(to));
}

void rule_limit(struct rule *r, uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *e = append(r, "limit");

	if (!e)
		return;
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, per_second);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
}

static void counter(struct rule *r)
{
	struct nftnl_expr *e = append(r, "counter");

	if (!e)
		return;
	nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_PACKETS, r->packets);
	nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_BYTES, r->bytes);
}

void rule_notrack(struct rule *r)
{
	counter(r);
	append(r, "notrack");
}

void rule_snat4(struct rule *r, struct in_addr to)
{
	struct nftnl_expr *e;

	counter(r);
	e = append(r, "immediate");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	if (nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, &to, sizeof(to)) < 0)
		r->bad = true;
	e = append(r, "nat");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
}

static struct nftnl_expr *verdict_expr(struct rule *r, uint32_t verdict)
{
	struct nftnl_expr *e;

	counter(r);
	e = append(r, "immediate");
	if (!e)
		return NULL;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
	return e;
}

void rule_verdict(struct rule *r, uint32_t verdict)
{
	verdict_expr(r, verdict);
}

void rule_jump(struct rule *r, const char *chain)
{
	struct nftnl_expr *e = verdict_expr(r, (uint32_t)NFT_JUMP);

	if (e && nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
		r->bad = true;
}
