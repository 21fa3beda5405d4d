/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HA link: one authenticated connection to the peer, kept up. The node with the numerically
 * lower address connects, the other listens; both bind to the sync interface and its address.
 * Frames go through hello first; pings notice a dead link within LINK_DEAD_AFTER. A stranger on the
 * HA network can hold at most LINK_MAX_CANDIDATES handshakes, each LINK_HANDSHAKE_MAX long, and
 * disturbs no established connection. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_LINK_H
#define GATEPAIR_SYNCD_LINK_H

#include <stdbool.h>
#include <uv.h>

#include "common/config.h"
#include "syncd/cause.h"
#include "syncd/frame.h"
#include "syncd/identity.h"

#define LINK_PING_EVERY     (250 * USEC_PER_MS)
#define LINK_DEAD_AFTER     (1250 * USEC_PER_MS)
#define LINK_RETRY_MIN      (100 * USEC_PER_MS)
#define LINK_RETRY_MAX      (2 * USEC_PER_SEC)
#define LINK_HANDSHAKE_MAX  (2 * USEC_PER_SEC)
#define LINK_CAUSE_FRESH    (10 * USEC_PER_SEC) /* a listener's: the peer has given up */
#define LINK_MAX_CANDIDATES 4

struct link;

struct link_ops {
	void (*hello)(struct frame *fill, void *owner); /* role, handover, term */
	uint64_t (*sessions)(void *owner);              /* for pings */
	void (*up)(const struct frame *hello, void *owner);
	void (*down)(const char *why, void *owner);
	void (*frame)(const struct frame *f, void *owner);
	void (*room)(void *owner); /* batches fit again */
	void (*peer_key)(const uint8_t key[IDENTITY_PEER_KEY_BYTES], void *owner);
	void (*trouble)(const char *text, void *owner); /* worth a line in status; rate-limited */
};

enum link_counter {
	LINK_CONNECTS,
	LINK_STRANGERS, /* connections from another address */
	LINK_WRONG_FINGERPRINT,
	LINK_HANDSHAKE_FAILED, /* the wrong fingerprints included */
	LINK_BAD_VERSION,
	LINK_BAD_FRAME, /* malformed, or not in this place */
	LINK_SILENT,    /* closed after LINK_DEAD_AFTER */
	LINK_COUNTERS,
};

/* Copies what it needs of `cfg` and `node`. */
int link_new(uv_loop_t *loop, const struct config_sync *cfg, const char *node,
	const struct link_ops *ops, void *owner, struct link **ret)
	__attribute__((warn_unused_result));
void link_close(struct link *l, void (*done)(void *owner));
/* The sync interface has this index (not 0) now: what is bound to another one of that name is
 * closed and opened anew, as soon as the address is there. */
void link_set_ifindex(struct link *l, unsigned ifindex);

bool link_is_up(const struct link *l);
const char *link_peer_node(const struct link *l); /* "" before the first hello */
void link_send(struct link *l, const struct frame *f);
bool link_has_room(const struct link *l);
void link_send_batch(struct link *l, const void *bytes, size_t n);
void link_flush(struct link *l);
/* What the connection has delivered already, at most until `until`. */
void link_drain(struct link *l, usec_t until);
/* The peer broke the protocol. `why` is static text. */
void link_reset(struct link *l, const char *why);

void link_bytes(const struct link *l, uint64_t *ret_sent, uint64_t *ret_received);
uint64_t link_counter(const struct link *l, enum link_counter c);
const char *link_counter_to_str(enum link_counter c);
uint64_t link_peer_sessions(const struct link *l); /* from its last ping */
/* Why it is down, all but the port. The texts live until the next call. */
void link_cause(const struct link *l, struct cause *ret);
/* A wrong fingerprint that was offered last; false: none. */
bool link_seen_fingerprint(const struct link *l, uint8_t ret[IDENTITY_FINGERPRINT_BYTES]);

#endif
