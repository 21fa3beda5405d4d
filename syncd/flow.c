/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions as plain data: hash, comparison, classification, text. Pure. Runs in syncd.
 * SipHash-2-4 as published by Aumasson and Bernstein: sessions are chosen by strangers, who must
 * not be able to pile them up in one bucket.
 */
#include "syncd/flow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

_Static_assert(sizeof(struct flow_key) == 40, "compared and hashed as bytes: no padding");

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, unsigned b)
{
	return (x << b) | (x >> (64 - b));
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t w)
{
	s->v3 ^= w;
	sip_round(s);
	sip_round(s);
	s->v0 ^= w;
}

static uint64_t load_le64(const uint8_t *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

uint64_t flow_siphash(const uint8_t key[FLOW_HASH_KEY_BYTES], const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t k0 = load_le64(key, 8), k1 = load_le64(key + 8, 8);
	struct sip s = {
		k0 ^ 0x736f6d6570736575u,
		k1 ^ 0x646f72616e646f6du,
		k0 ^ 0x6c7967656e657261u,
		k1 ^ 0x7465646279746573u,
	};
	size_t left = n;

	for (; left >= 8; left -= 8, p += 8)
		sip_word(&s, load_le64(p, 8));
	sip_word(&s, load_le64(p, left) | (uint64_t)(n & 0xff) << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t flow_hash(const uint8_t key[FLOW_HASH_KEY_BYTES], const struct flow_key *k)
{
	return flow_siphash(key, k, sizeof(*k));
}

bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* The type that answers an ICMP question; the kernel tracks these only. */
static uint8_t icmp_inverse(uint8_t proto, uint8_t type)
{
	static const uint8_t v4[][2] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}};
	static const uint8_t v6[][2] = {{128, 129}, {139, 140}};
	const uint8_t(*map)[2] = proto == IPPROTO_ICMP ? v4 : v6;
	size_t n = proto == IPPROTO_ICMP ? sizeof(v4) / 2 : sizeof(v6) / 2;

	for (size_t i = 0; i < n; i++) {
		if (map[i][0] == type)
			return map[i][1];
		if (map[i][1] == type)
			return map[i][0];
	}
	return type;
}

void flow_mirror(const struct flow_key *k, struct flow_tuple *ret_reply)
{
	memcpy(ret_reply->src, k->dst, sizeof(ret_reply->src));
	memcpy(ret_reply->dst, k->src, sizeof(ret_reply->dst));
	if (is_icmp(k->proto)) {
		uint8_t type = icmp_inverse(k->proto, (uint8_t)(k->dport >> 8));

		ret_reply->sport = k->sport;
		ret_reply->dport = (uint16_t)(type << 8 | (k->dport & 0xff));
		return;
	}
	ret_reply->sport = k->dport;
	ret_reply->dport = k->sport;
}

bool flow_is_snat(const struct flow *f)
{
	if (memcmp(f->reply.dst, f->key.src, sizeof(f->key.src)) != 0)
		return true;
	return is_icmp(f->key.proto) ? f->reply.sport != f->key.sport
				     : f->reply.dport != f->key.sport;
}

bool flow_is_dnat(const struct flow *f)
{
	if (memcmp(f->reply.src, f->key.dst, sizeof(f->key.dst)) != 0)
		return true;
	return !is_icmp(f->key.proto) && f->reply.sport != f->key.dport;
}

bool flow_equal_state(const struct flow *a, const struct flow *b)
{
	return flow_key_equal(&a->key, &b->key) &&
	       memcmp(&a->reply, &b->reply, sizeof(a->reply)) == 0 && a->status == b->status &&
	       a->mark == b->mark && a->tcp_state == b->tcp_state &&
	       memcmp(a->tcp_wscale, b->tcp_wscale, 2) == 0 &&
	       memcmp(a->tcp_flags, b->tcp_flags, 2) == 0;
}

/* --- how long they live ---------------------------------------------------------------------- */

bool flow_is_held(uint32_t kernel_timeout_s)
{
	return kernel_timeout_s > FLOW_HELD_S / 2;
}

uint32_t flow_left_s(uint32_t kernel_timeout_s)
{
	if (!flow_is_held(kernel_timeout_s))
		return kernel_timeout_s;
	return kernel_timeout_s > FLOW_HELD_S ? kernel_timeout_s - FLOW_HELD_S : 0;
}

_Static_assert(FLOW_LIFETIME_CLASSES >= TCP_CONNTRACK_MAX + 3, "TCP states, UDP twice, ICMP");

static size_t lifetime_class(const struct flow *f)
{
	if (f->key.proto == IPPROTO_TCP)
		return f->tcp_state < TCP_CONNTRACK_MAX ? f->tcp_state : 0;
	if (f->key.proto == IPPROTO_UDP || f->key.proto == IPPROTO_UDPLITE)
		return f->status & IPS_ASSURED ? TCP_CONNTRACK_MAX : TCP_CONNTRACK_MAX + 1;
	return TCP_CONNTRACK_MAX + 2;
}

void flow_lifetime_learn(struct flow_lifetimes *l, const struct flow *f)
{
	uint32_t *longest = &l->longest_s[lifetime_class(f)];

	if (!f->held && f->timeout_s > *longest)
		*longest = f->timeout_s < FLOW_LEFT_MAX_S ? f->timeout_s : FLOW_LEFT_MAX_S;
}

uint32_t flow_lifetime_s(const struct flow_lifetimes *l, const struct flow *f)
{
	return l->longest_s[lifetime_class(f)];
}

/* --- which are replicated -------------------------------------------------------------------- */

static bool prefix_has(const struct config_prefix *p, uint8_t family, const uint8_t addr[16])
{
	const uint8_t *net = p->family == AF_INET ? (const uint8_t *)&p->v4 : p->v6.s6_addr;
	size_t whole = p->len / 8;
	unsigned rest = p->len % 8;

	if (p->family != family || memcmp(net, addr, whole) != 0)
		return false;
	return rest == 0 || ((net[whole] ^ addr[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

static bool any_has(const struct config_prefix *v, size_t n, const struct flow *f)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_has(&v[i], f->key.family, f->key.src) ||
			prefix_has(&v[i], f->key.family, f->key.dst) ||
			prefix_has(&v[i], f->key.family, f->reply.src) ||
			prefix_has(&v[i], f->key.family, f->reply.dst))
			return true;
	return false;
}

static bool is_loopback(uint8_t family, const uint8_t a[16])
{
	if (family == AF_INET)
		return a[0] == 127;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)a);
}

static bool is_multicast(uint8_t family, const uint8_t a[16])
{
	static const uint8_t all_ones[4] = {0xff, 0xff, 0xff, 0xff};

	if (family == AF_INET)
		return (a[0] & 0xf0) == 0xe0 || memcmp(a, all_ones, 4) == 0;
	return a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

static bool is_supported(const struct flow_key *k)
{
	switch (k->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return true;
	case IPPROTO_ICMP:
		return k->family == AF_INET;
	case IPPROTO_ICMPV6:
		return k->family == AF_INET6;
	default:
		return false;
	}
}

enum flow_class flow_classify(const struct flow_filter *filter, const struct flow *f)
{
	const struct flow_key *k = &f->key;

	if ((k->family != AF_INET && k->family != AF_INET6) || !is_supported(k))
		return FLOW_UNSUPPORTED;
	if (is_loopback(k->family, k->src) || is_loopback(k->family, k->dst))
		return FLOW_LOOPBACK;
	if (is_multicast(k->family, k->dst) || is_multicast(k->family, k->src))
		return FLOW_MULTICAST;
	if (any_has(filter->own, filter->n_own, f))
		return FLOW_OWN;
	if (any_has(filter->excluded, filter->n_excluded, f))
		return FLOW_EXCLUDED;
	return FLOW_REPLICATED;
}

/* --- text ------------------------------------------------------------------------------------ */

const char *flow_class_to_str(enum flow_class c)
{
	switch (c) {
	case FLOW_REPLICATED:
		return "replicated";
	case FLOW_UNSUPPORTED:
		return "unsupported";
	case FLOW_LOOPBACK:
		return "loopback";
	case FLOW_MULTICAST:
		return "multicast";
	case FLOW_OWN:
		return "own";
	case FLOW_EXCLUDED:
		return "excluded";
	}
	return "";
}

const char *flow_tcp_state_to_str(uint8_t state)
{
	static const char *const names[TCP_CONNTRACK_MAX] = {"NONE", "SYN_SENT", "SYN_RECV",
		"ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
		"SYN_SENT2"};

	return state > 0 && state < TCP_CONNTRACK_MAX ? names[state] : "";
}

const char *flow_endpoint_to_str(
	uint8_t family, const uint8_t addr[16], uint16_t port, char out[FLOW_ENDPOINT_STRLEN])
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(family == AF_INET6 ? AF_INET6 : AF_INET, addr, text, sizeof(text));
	(void)snprintf(out, FLOW_ENDPOINT_STRLEN, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
		(unsigned)port);
	return out;
}
