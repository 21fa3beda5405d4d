/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session as the kernel's connection tracking knows it: plain data in host order, without any
 * pointer, and the keyed hash that every table of sessions in syncd uses (the keys are chosen by
 * strangers on the network). No I/O. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_FLOW_H
#define GATEPAIR_SYNCD_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

#define FLOW_HASH_KEY_BYTES 16

/* The original direction and the zone: what names a session. Free of padding, so that it can be
 * compared and hashed as bytes; an IPv4 address uses the first four bytes, the others are 0.
 * ICMP has its id in sport and type << 8 | code in dport. */
struct flow_key {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t proto;  /* IPPROTO_* */
	uint16_t zone;
	uint16_t sport, dport;
	uint8_t src[16], dst[16];
};

struct flow_tuple {
	uint16_t sport, dport;
	uint8_t src[16], dst[16];
};

struct flow {
	struct flow_key key;
	struct flow_tuple
		reply;      /* as the kernel has it: differs from the mirrored key where NAT is */
	uint32_t status;    /* IPS_* */
	uint32_t timeout_s; /* remaining, without FLOW_HELD_S */
	bool held;          /* the kernel's entry is a Standby's copy, and no packet came since */
	uint32_t mark;
	uint8_t tcp_state; /* TCP_CONNTRACK_*; 0 for other protocols */
	uint8_t tcp_wscale[2];
	uint8_t tcp_flags[2]; /* IP_CT_TCP_FLAG_*, original and reply direction */
};

/* SipHash-2-4; the key is drawn at random once per process. */
uint64_t flow_siphash(const uint8_t key[FLOW_HASH_KEY_BYTES], const void *data, size_t n);
uint64_t flow_hash(const uint8_t key[FLOW_HASH_KEY_BYTES], const struct flow_key *k);
bool flow_key_equal(const struct flow_key *a, const struct flow_key *b);

/* The reply direction of a session without NAT. */
void flow_mirror(const struct flow_key *k, struct flow_tuple *ret_reply);
bool flow_is_snat(const struct flow *f);
bool flow_is_dnat(const struct flow *f);

/* What the Standby could not do without: everything but the remaining timeout is the same. */
bool flow_equal_state(const struct flow *a, const struct flow *b);

/* A Standby's copies do not run out: their timeout in the kernel is FLOW_HELD_S more than what is
 * left of the session. Both count down alike, so the kernel's own table says at any moment what is
 * left, and a packet gives the entry its class's timeout, far below. The kernel takes INT_MAX
 * jiffies: 24.8 days at 1000 Hz. */
#define FLOW_HELD_S     (16u * 24 * 3600)
#define FLOW_LEFT_MAX_S (7u * 24 * 3600) /* a session that has more left is said to have this */

bool flow_is_held(uint32_t kernel_timeout_s);
uint32_t flow_left_s(uint32_t kernel_timeout_s); /* what is left; 0: run out while it was held */

/* The longest timeout seen of each class of sessions (protocol and state): what a packet gives. */
#define FLOW_LIFETIME_CLASSES 16

struct flow_lifetimes {
	uint32_t longest_s[FLOW_LIFETIME_CLASSES];
};

void flow_lifetime_learn(struct flow_lifetimes *l, const struct flow *f);
uint32_t flow_lifetime_s(const struct flow_lifetimes *l, const struct flow *f); /* 0: not known */

/* Which sessions are replicated at all. */
enum flow_class {
	FLOW_REPLICATED,
	FLOW_UNSUPPORTED, /* a protocol or family that is not carried */
	FLOW_LOOPBACK,
	FLOW_MULTICAST,
	FLOW_OWN,      /* an end of it is this node or the peer itself, not a virtual address */
	FLOW_EXCLUDED, /* by configuration */
};

struct flow_filter {
	struct config_prefix *own; /* full-length: addresses of the two nodes */
	size_t n_own;
	struct config_prefix *excluded;
	size_t n_excluded;
};

enum flow_class flow_classify(const struct flow_filter *filter, const struct flow *f);
const char *flow_class_to_str(enum flow_class c);
const char *flow_tcp_state_to_str(uint8_t state); /* "" for 0 or an unknown one */

/* "a.b.c.d:port", "[v6]:port"; returns out. */
#define FLOW_ENDPOINT_STRLEN 64
const char *flow_endpoint_to_str(
	uint8_t family, const uint8_t addr[16], uint16_t port, char out[FLOW_ENDPOINT_STRLEN]);

#endif
