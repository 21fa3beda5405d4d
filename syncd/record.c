/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec of one session on the HA link, PROTOCOL.md "Record". Pure. Runs in syncd.
 */
#include "syncd/record.h"

#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

/* Byte 0: operation in the low three bits, what follows in the others. */
#define OP_MASK   0x07
#define HAS_V6    0x08
#define HAS_REPLY 0x10
#define HAS_MARK  0x20
#define HAS_ZONE  0x40
#define RESERVED  0x80

#define TCP_WSCALE_MAX 14 /* RFC 7323, 2.3 */
#define TCP_FLAGS_CARRIED                                                                          \
	(IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_CLOSE_INIT)

const uint16_t record_status_mask = IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT;

static void put_tuple(struct wcursor *c, size_t addr_len, const struct flow_tuple *t)
{
	wcursor_bytes(c, t->src, addr_len);
	wcursor_bytes(c, t->dst, addr_len);
	wcursor_u16(c, t->sport);
	wcursor_u16(c, t->dport);
}

static void get_tuple(struct rcursor *c, size_t addr_len, struct flow_tuple *ret)
{
	memset(ret, 0, sizeof(*ret));
	rcursor_bytes(c, ret->src, addr_len);
	rcursor_bytes(c, ret->dst, addr_len);
	ret->sport = rcursor_u16(c);
	ret->dport = rcursor_u16(c);
}

static struct flow_tuple key_tuple(const struct flow_key *k)
{
	struct flow_tuple t = {.sport = k->sport, .dport = k->dport};

	memcpy(t.src, k->src, sizeof(t.src));
	memcpy(t.dst, k->dst, sizeof(t.dst));
	return t;
}

void record_encode(struct wcursor *c, const struct record *rec)
{
	const struct flow *f = &rec->flow;
	struct flow_tuple orig = key_tuple(&f->key), mirror;
	size_t addr_len = f->key.family == AF_INET6 ? 16 : 4;
	bool has_reply, has_mark = f->mark != 0 && rec->op != DIRTY_DELETE;

	flow_mirror(&f->key, &mirror);
	has_reply = memcmp(&mirror, &f->reply, sizeof(mirror)) != 0;
	wcursor_u8(c, (uint8_t)((unsigned)rec->op | (f->key.family == AF_INET6 ? HAS_V6 : 0u) |
				(has_reply ? HAS_REPLY : 0u) | (has_mark ? HAS_MARK : 0u) |
				(f->key.zone != 0 ? HAS_ZONE : 0u)));
	wcursor_u8(c, f->key.proto);
	put_tuple(c, addr_len, &orig);
	if (has_reply)
		put_tuple(c, addr_len, &f->reply);
	if (f->key.zone != 0)
		wcursor_u16(c, f->key.zone);
	if (rec->op == DIRTY_DELETE)
		return;
	wcursor_u16(c, (uint16_t)(f->status & record_status_mask));
	wcursor_u32(c, f->timeout_s);
	wcursor_u32(c, rec->slack_s);
	if (has_mark)
		wcursor_u32(c, f->mark);
	if (f->key.proto != IPPROTO_TCP)
		return;
	wcursor_u8(c, f->tcp_state);
	wcursor_u8(c, (uint8_t)((f->tcp_wscale[0] & 0x0f) << 4 | (f->tcp_wscale[1] & 0x0f)));
	wcursor_u8(c, f->tcp_flags[0] & TCP_FLAGS_CARRIED);
	wcursor_u8(c, f->tcp_flags[1] & TCP_FLAGS_CARRIED);
}

/* The kernel creates entries for questions only. */
static bool icmp_is_question(const struct flow_key *k)
{
	unsigned type = k->dport >> 8;

	if ((k->dport & 0xff) != 0)
		return false;
	if (k->proto == IPPROTO_ICMP)
		return type == 8 || type == 13 || type == 15 || type == 17;
	return type == 128 || type == 139;
}

static enum record_reason check_key(const struct flow_key *k)
{
	switch (k->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return RECORD_OK;
	case IPPROTO_ICMP:
		if (k->family != AF_INET)
			return RECORD_BAD_PROTO;
		return icmp_is_question(k) ? RECORD_OK : RECORD_BAD_ICMP;
	case IPPROTO_ICMPV6:
		if (k->family != AF_INET6)
			return RECORD_BAD_PROTO;
		return icmp_is_question(k) ? RECORD_OK : RECORD_BAD_ICMP;
	default:
		return RECORD_BAD_PROTO;
	}
}

static void get_tcp(struct rcursor *c, struct flow *f)
{
	uint8_t wscale;

	f->tcp_state = rcursor_u8(c);
	wscale = rcursor_u8(c);
	f->tcp_wscale[0] = wscale >> 4;
	f->tcp_wscale[1] = wscale & 0x0f;
	f->tcp_flags[0] = rcursor_u8(c);
	f->tcp_flags[1] = rcursor_u8(c);
}

static void get_state(struct rcursor *c, bool has_mark, struct record *rec)
{
	struct flow *f = &rec->flow;

	f->status = rcursor_u16(c);
	f->timeout_s = rcursor_u32(c);
	rec->slack_s = rcursor_u32(c);
	if (has_mark)
		f->mark = rcursor_u32(c);
	if (f->key.proto == IPPROTO_TCP)
		get_tcp(c, f);
}

static void get_tuples(struct rcursor *c, uint8_t lead, struct flow *f)
{
	size_t addr_len = lead & HAS_V6 ? 16 : 4;
	struct flow_tuple orig;

	f->key.family = lead & HAS_V6 ? AF_INET6 : AF_INET;
	f->key.proto = rcursor_u8(c);
	get_tuple(c, addr_len, &orig);
	memcpy(f->key.src, orig.src, sizeof(f->key.src));
	memcpy(f->key.dst, orig.dst, sizeof(f->key.dst));
	f->key.sport = orig.sport;
	f->key.dport = orig.dport;
	if (lead & HAS_REPLY)
		get_tuple(c, addr_len, &f->reply);
	else
		flow_mirror(&f->key, &f->reply);
	if (lead & HAS_ZONE)
		f->key.zone = rcursor_u16(c);
}

static enum record_reason check_state(const struct record *rec)
{
	const struct flow *f = &rec->flow;

	if ((f->status & ~(uint32_t)record_status_mask) != 0)
		return RECORD_BAD_STATUS;
	if (f->timeout_s > FLOW_LEFT_MAX_S || rec->slack_s > RECORD_SLACK_MAX_S)
		return RECORD_BAD_TIMEOUT;
	if (f->key.proto == IPPROTO_TCP &&
		(f->tcp_state == TCP_CONNTRACK_NONE || f->tcp_state >= TCP_CONNTRACK_MAX ||
			f->tcp_wscale[0] > TCP_WSCALE_MAX || f->tcp_wscale[1] > TCP_WSCALE_MAX ||
			((f->tcp_flags[0] | f->tcp_flags[1]) & ~TCP_FLAGS_CARRIED) != 0))
		return RECORD_BAD_TCP;
	return RECORD_OK;
}

/* The whole record is read before its values are judged, so that the next one can be found. */
enum record_reason record_decode(struct rcursor *c, struct record *ret)
{
	struct record rec = {0};
	uint8_t lead = rcursor_u8(c);
	enum record_reason reason;

	if (c->bad)
		return RECORD_SHORT;
	if ((lead & OP_MASK) < DIRTY_UPDATE || (lead & OP_MASK) > DIRTY_DELETE)
		return RECORD_BAD_OP;
	rec.op = (enum dirty_op)(lead & OP_MASK);
	if ((lead & RESERVED) || (rec.op == DIRTY_DELETE && (lead & HAS_MARK)))
		return RECORD_BAD_FLAGS;
	get_tuples(c, lead, &rec.flow);
	if (rec.op != DIRTY_DELETE)
		get_state(c, lead & HAS_MARK, &rec);
	if (c->bad)
		return RECORD_SHORT;
	reason = check_key(&rec.flow.key);
	if (reason == RECORD_OK && rec.op != DIRTY_DELETE)
		reason = check_state(&rec);
	if (reason == RECORD_OK)
		*ret = rec;
	return reason;
}

const char *record_reason_to_str(enum record_reason reason)
{
	static const char *const names[RECORD_REASONS] = {"ok", "record_short", "record_bad_op",
		"record_bad_flags", "record_bad_protocol", "record_bad_icmp", "record_bad_status",
		"record_bad_timeout", "record_bad_tcp"};

	return reason < RECORD_REASONS ? names[reason] : "";
}
