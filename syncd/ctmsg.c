/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec of ctnetlink messages. What the kernel wants, where its headers do not say:
 * - A created entry's reply direction must be given *without* translation; CTA_NAT_SRC and
 *   CTA_NAT_DST then set the translation up, and with it the IPS_*_NAT bits, which cannot be set
 *   directly. Both bounds of the port range must be equal, or the kernel may choose another port.
 * - CONFIRMED must be in CTA_STATUS; bits that are set cannot be taken back (-EBUSY).
 * - Window scales are taken only if both directions' flags say WINDOW_SCALE.
 * - Window tracking data is not in ctnetlink: BE_LIBERAL keeps the first packets after a takeover
 *   from being judged by a window that is not known.
 * Pure. Runs in syncd.
 */
#include "syncd/ctmsg.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "syncd/record.h"

/* --- reading --------------------------------------------------------------------------------- */

struct attr {
	unsigned type;
	const uint8_t *data;
	size_t len;
};

struct attrs {
	const uint8_t *p;
	size_t left;
};

static bool attr_next(struct attrs *in, struct attr *ret)
{
	struct nlattr a;
	size_t step; /* to the next one, padding included */

	if (in->left < sizeof(a))
		return false;
	memcpy(&a, in->p, sizeof(a));
	if (a.nla_len < sizeof(a) || a.nla_len > in->left)
		return false;
	ret->type = a.nla_type & (unsigned)NLA_TYPE_MASK;
	ret->data = in->p + sizeof(a);
	ret->len = a.nla_len - sizeof(a);
	step = NLA_ALIGN(a.nla_len);
	if (step > in->left)
		step = in->left;
	in->p += step;
	in->left -= step;
	return true;
}

static struct attrs attrs_in(const struct attr *a)
{
	return (struct attrs){a->data, a->len};
}

static uint8_t get_u8(const struct attr *a)
{
	return a->len >= 1 ? a->data[0] : 0;
}

static uint16_t get_u16(const struct attr *a)
{
	uint16_t v = 0;

	if (a->len >= sizeof(v))
		memcpy(&v, a->data, sizeof(v));
	return ntohs(v);
}

static uint32_t get_u32(const struct attr *a)
{
	uint32_t v = 0;

	if (a->len >= sizeof(v))
		memcpy(&v, a->data, sizeof(v));
	return ntohl(v);
}

static void get_addr(const struct attr *a, uint8_t out[16])
{
	memcpy(out, a->data, a->len <= 16 ? a->len : 16);
}

static void parse_ip(struct attrs in, struct flow_tuple *t)
{
	struct attr a;

	while (attr_next(&in, &a)) {
		if (a.type == CTA_IP_V4_SRC || a.type == CTA_IP_V6_SRC)
			get_addr(&a, t->src);
		else if (a.type == CTA_IP_V4_DST || a.type == CTA_IP_V6_DST)
			get_addr(&a, t->dst);
	}
}

static void parse_proto(struct attrs in, uint8_t *proto, struct flow_tuple *t)
{
	uint8_t type = 0, code = 0;
	bool icmp = false;
	struct attr a;

	while (attr_next(&in, &a)) {
		if (a.type == CTA_PROTO_NUM)
			*proto = get_u8(&a);
		else if (a.type == CTA_PROTO_SRC_PORT || a.type == CTA_PROTO_ICMP_ID ||
			 a.type == CTA_PROTO_ICMPV6_ID)
			t->sport = get_u16(&a);
		else if (a.type == CTA_PROTO_DST_PORT)
			t->dport = get_u16(&a);
		else if (a.type == CTA_PROTO_ICMP_TYPE || a.type == CTA_PROTO_ICMPV6_TYPE)
			icmp = true, type = get_u8(&a);
		else if (a.type == CTA_PROTO_ICMP_CODE || a.type == CTA_PROTO_ICMPV6_CODE)
			code = get_u8(&a);
	}
	if (icmp)
		t->dport = (uint16_t)(type << 8 | code);
}

static bool parse_tuple(struct attrs in, uint8_t *proto, struct flow_tuple *t)
{
	struct attr a;

	while (attr_next(&in, &a)) {
		if (a.type == CTA_TUPLE_IP)
			parse_ip(attrs_in(&a), t);
		else if (a.type == CTA_TUPLE_PROTO)
			parse_proto(attrs_in(&a), proto, t);
		else if (a.type == CTA_TUPLE_ZONE)
			return false;
	}
	return *proto != 0;
}

static void parse_tcp(struct attrs in, struct flow *f)
{
	struct attr a;

	while (attr_next(&in, &a)) {
		if (a.type == CTA_PROTOINFO_TCP_STATE)
			f->tcp_state = get_u8(&a);
		else if (a.type == CTA_PROTOINFO_TCP_WSCALE_ORIGINAL)
			f->tcp_wscale[0] = get_u8(&a);
		else if (a.type == CTA_PROTOINFO_TCP_WSCALE_REPLY)
			f->tcp_wscale[1] = get_u8(&a);
		else if (a.type == CTA_PROTOINFO_TCP_FLAGS_ORIGINAL)
			f->tcp_flags[0] = get_u8(&a);
		else if (a.type == CTA_PROTOINFO_TCP_FLAGS_REPLY)
			f->tcp_flags[1] = get_u8(&a);
	}
}

static void parse_protoinfo(struct attrs in, struct flow *f)
{
	struct attr a;

	while (attr_next(&in, &a))
		if (a.type == CTA_PROTOINFO_TCP)
			parse_tcp(attrs_in(&a), f);
}

static void set_key(struct flow *f, const struct flow_tuple *orig)
{
	memcpy(f->key.src, orig->src, sizeof(f->key.src));
	memcpy(f->key.dst, orig->dst, sizeof(f->key.dst));
	f->key.sport = orig->sport;
	f->key.dport = orig->dport;
}

static bool parse_attr(const struct attr *a, struct flow *f, struct flow_tuple *orig)
{
	uint8_t reply_proto = 0;

	switch (a->type) {
	case CTA_TUPLE_ORIG:
		return parse_tuple(attrs_in(a), &f->key.proto, orig);
	case CTA_TUPLE_REPLY:
		return parse_tuple(attrs_in(a), &reply_proto, &f->reply);
	case CTA_STATUS:
		f->status = get_u32(a);
		return true;
	case CTA_TIMEOUT:
		f->held = flow_is_held(get_u32(a));
		f->timeout_s = flow_left_s(get_u32(a));
		return true;
	case CTA_MARK:
		f->mark = get_u32(a);
		return true;
	case CTA_ZONE:
		f->key.zone = get_u16(a);
		return true;
	case CTA_PROTOINFO:
		parse_protoinfo(attrs_in(a), f);
		return true;
	default:
		return true;
	}
}

static bool attrs_of(const struct nlmsghdr *nlh, struct attrs *ret, uint8_t *ret_family)
{
	const uint8_t *msg = (const uint8_t *)nlh;
	struct nfgenmsg nfg;

	if (nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(nfg))
		return false;
	memcpy(&nfg, msg + NLMSG_HDRLEN, sizeof(nfg));
	*ret_family = nfg.nfgen_family;
	*ret = (struct attrs){msg + NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfg)),
		nlh->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(sizeof(nfg))};
	return true;
}

bool ctmsg_parse(const struct nlmsghdr *nlh, struct flow *ret)
{
	struct flow_tuple orig = {0};
	struct flow f = {0};
	struct attrs in;
	struct attr a;

	if (!attrs_of(nlh, &in, &f.key.family))
		return false;
	while (attr_next(&in, &a))
		if (!parse_attr(&a, &f, &orig))
			return false;
	set_key(&f, &orig);
	if (f.key.proto == 0)
		return false;
	*ret = f;
	return true;
}

bool ctmsg_parse_count(const struct nlmsghdr *nlh, uint32_t *ret)
{
	uint8_t family;
	struct attrs in;
	struct attr a;

	if (!attrs_of(nlh, &in, &family))
		return false;
	while (attr_next(&in, &a))
		if (a.type == CTA_STATS_GLOBAL_ENTRIES) {
			*ret = get_u32(&a);
			return true;
		}
	return false;
}

/* --- writing: CTMSG_MAX_BYTES hold the largest request, IPv6 with both translations ---------- */

struct out {
	uint8_t *start, *p;
};

static void put(struct out *o, unsigned type, const void *data, size_t len)
{
	struct nlattr a = {.nla_len = (uint16_t)(sizeof(a) + len), .nla_type = (uint16_t)type};
	size_t padded = (len + 3) / 4 * 4;

	memcpy(o->p, &a, sizeof(a));
	memset(o->p + sizeof(a), 0, padded);
	if (len > 0)
		memcpy(o->p + sizeof(a), data, len);
	o->p += sizeof(a) + padded;
}

static void put_u8(struct out *o, unsigned type, uint8_t v)
{
	put(o, type, &v, sizeof(v));
}

static void put_u16(struct out *o, unsigned type, uint16_t v)
{
	v = htons(v);
	put(o, type, &v, sizeof(v));
}

static void put_u32(struct out *o, unsigned type, uint32_t v)
{
	v = htonl(v);
	put(o, type, &v, sizeof(v));
}

static uint8_t *nest(struct out *o, unsigned type)
{
	uint8_t *at = o->p;

	put(o, type | NLA_F_NESTED, NULL, 0);
	return at;
}

static void unnest(struct out *o, uint8_t *at)
{
	uint16_t len = (uint16_t)(o->p - at);

	memcpy(at, &len, sizeof(len));
}

static struct out begin(uint8_t *buf, unsigned type, unsigned flags, uint8_t family, uint32_t seq)
{
	struct nlmsghdr nlh = {.nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type),
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = seq};
	struct nfgenmsg nfg = {.nfgen_family = family, .version = NFNETLINK_V0};

	memcpy(buf, &nlh, sizeof(nlh));
	memcpy(buf + NLMSG_HDRLEN, &nfg, sizeof(nfg));
	return (struct out){buf, buf + NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfg))};
}

static size_t end(struct out *o)
{
	uint32_t len = (uint32_t)(o->p - o->start);

	memcpy(o->start, &len, sizeof(len));
	return len;
}

static void put_tuple(
	struct out *o, unsigned type, const struct flow_key *k, const struct flow_tuple *t)
{
	bool v6 = k->family == AF_INET6;
	uint8_t *tuple = nest(o, type), *part = nest(o, CTA_TUPLE_IP);

	put(o, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, t->src, v6 ? 16 : 4);
	put(o, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, t->dst, v6 ? 16 : 4);
	unnest(o, part);
	part = nest(o, CTA_TUPLE_PROTO);
	put_u8(o, CTA_PROTO_NUM, k->proto);
	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		bool icmp6 = k->proto == IPPROTO_ICMPV6;

		put_u16(o, icmp6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, t->sport);
		put_u8(o, icmp6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE,
			(uint8_t)(t->dport >> 8));
		put_u8(o, icmp6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, (uint8_t)t->dport);
	} else {
		put_u16(o, CTA_PROTO_SRC_PORT, t->sport);
		put_u16(o, CTA_PROTO_DST_PORT, t->dport);
	}
	unnest(o, part);
	unnest(o, tuple);
}

static void put_orig(struct out *o, const struct flow_key *k)
{
	struct flow_tuple t = {.sport = k->sport, .dport = k->dport};

	memcpy(t.src, k->src, sizeof(t.src));
	memcpy(t.dst, k->dst, sizeof(t.dst));
	put_tuple(o, CTA_TUPLE_ORIG, k, &t);
	if (k->zone != 0)
		put_u16(o, CTA_ZONE, k->zone);
}

static void put_tcp_flags(struct out *o, unsigned type, uint8_t flags)
{
	struct nf_ct_tcp_flags v = {
		.flags = flags | IP_CT_TCP_FLAG_BE_LIBERAL,
		.mask = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM |
			IP_CT_TCP_FLAG_CLOSE_INIT | IP_CT_TCP_FLAG_BE_LIBERAL,
	};

	put(o, type, &v, sizeof(v));
}

static void put_tcp(struct out *o, const struct flow *f)
{
	uint8_t *info = nest(o, CTA_PROTOINFO), *tcp = nest(o, CTA_PROTOINFO_TCP);

	put_u8(o, CTA_PROTOINFO_TCP_STATE, f->tcp_state);
	put_tcp_flags(o, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, f->tcp_flags[0]);
	put_tcp_flags(o, CTA_PROTOINFO_TCP_FLAGS_REPLY, f->tcp_flags[1]);
	put_u8(o, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, f->tcp_wscale[0]);
	put_u8(o, CTA_PROTOINFO_TCP_WSCALE_REPLY, f->tcp_wscale[1]);
	unnest(o, tcp);
	unnest(o, info);
}

static void put_nat(
	struct out *o, unsigned type, const struct flow *f, const uint8_t addr[16], uint16_t port)
{
	bool v6 = f->key.family == AF_INET6;
	uint8_t *nat = nest(o, type), *proto;

	put(o, v6 ? CTA_NAT_V6_MINIP : CTA_NAT_V4_MINIP, addr, v6 ? 16 : 4);
	put(o, v6 ? CTA_NAT_V6_MAXIP : CTA_NAT_V4_MAXIP, addr, v6 ? 16 : 4);
	proto = nest(o, CTA_NAT_PROTO);
	put_u16(o, CTA_PROTONAT_PORT_MIN, port);
	put_u16(o, CTA_PROTONAT_PORT_MAX, port);
	unnest(o, proto);
	unnest(o, nat);
}

static void put_state(struct out *o, const struct flow *f, uint32_t timeout_s)
{
	put_u32(o, CTA_STATUS, (f->status & record_status_mask) | IPS_CONFIRMED);
	put_u32(o, CTA_TIMEOUT, timeout_s);
	put_u32(o, CTA_MARK, f->mark);
	if (f->key.proto == IPPROTO_TCP)
		put_tcp(o, f);
}

size_t ctmsg_put_create(uint8_t *buf, const struct flow *f, uint32_t timeout_s, uint32_t seq)
{
	struct out o = begin(buf, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, f->key.family, seq);
	bool icmp = f->key.proto == IPPROTO_ICMP || f->key.proto == IPPROTO_ICMPV6;
	struct flow_tuple mirror;

	flow_mirror(&f->key, &mirror);
	put_orig(&o, &f->key);
	put_tuple(&o, CTA_TUPLE_REPLY, &f->key, &mirror);
	put_state(&o, f, timeout_s);
	if (flow_is_snat(f))
		put_nat(&o, CTA_NAT_SRC, f, f->reply.dst, icmp ? f->reply.sport : f->reply.dport);
	if (flow_is_dnat(f))
		put_nat(&o, CTA_NAT_DST, f, f->reply.src, f->reply.sport);
	return end(&o);
}

size_t ctmsg_put_update(uint8_t *buf, const struct flow *f, uint32_t timeout_s, uint32_t seq)
{
	struct out o = begin(buf, IPCTNL_MSG_CT_NEW, 0, f->key.family, seq);

	put_orig(&o, &f->key);
	put_state(&o, f, timeout_s);
	return end(&o);
}

size_t ctmsg_put_timeout(uint8_t *buf, const struct flow_key *k, uint32_t timeout_s, uint32_t seq)
{
	struct out o = begin(buf, IPCTNL_MSG_CT_NEW, 0, k->family, seq);

	put_orig(&o, k);
	put_u32(&o, CTA_TIMEOUT, timeout_s);
	return end(&o);
}

size_t ctmsg_put_delete(uint8_t *buf, const struct flow_key *k, uint32_t seq)
{
	struct out o = begin(buf, IPCTNL_MSG_CT_DELETE, 0, k->family, seq);

	put_orig(&o, k);
	return end(&o);
}

size_t ctmsg_put_delete_reply(uint8_t *buf, const struct flow *f, uint32_t seq)
{
	struct out o = begin(buf, IPCTNL_MSG_CT_DELETE, 0, f->key.family, seq);

	put_tuple(&o, CTA_TUPLE_REPLY, &f->key, &f->reply);
	if (f->key.zone != 0)
		put_u16(&o, CTA_ZONE, f->key.zone);
	return end(&o);
}

size_t ctmsg_put_dump(uint8_t *buf, uint32_t seq)
{
	struct out o = begin(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC, seq);

	return end(&o);
}

size_t ctmsg_put_count(uint8_t *buf, uint32_t seq)
{
	struct out o = begin(buf, IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC, seq);

	return end(&o);
}
