/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Active's side of replication: kernel events and dumps into the dirty set, batches out of it.
 * Does what the replica core orders and reports what became of it. Owns the event socket, the
 * running dump, the dirty set and the shadow table. Runs in syncd.
 *
 * Events are read at once when they come after a pause, and then every SOURCE_COALESCE while they
 * keep coming: a burst costs a thousand wake-ups a second, not one per packet.
 */
#ifndef GATEPAIR_SYNCD_SOURCE_H
#define GATEPAIR_SYNCD_SOURCE_H

#include <stdbool.h>
#include <uv.h>

#include "common/clock.h"
#include "syncd/flow.h"

#define SOURCE_COALESCE     (1 * USEC_PER_MS)
#define SOURCE_SCAN_EVERY_S 2       /* at least; a scan takes at most a 30th of the time */
#define SOURCE_MAX_SESSIONS 4194304 /* dirty or shadowed */

struct source;

struct source_ops {
	/* The link. `may_send`: under which term, if at all. */
	bool (*may_send)(uint64_t *ret_term, void *owner);
	bool (*has_room)(void *owner);
	void (*send_batch)(const void *bytes, size_t n, void *owner);
	void (*flush)(void *owner);
	/* The replica core's events. */
	void (*dump_sent)(uint64_t id, void *owner);
	void (*drained)(void *owner);
	void (*overrun)(const char *why, void *owner);
	void (*suspect)(size_t sessions, void *owner);
};

struct source_stats {
	uint64_t events, records_sent, batches_sent, overruns, scans, refreshes;
	uint64_t not_replicated[8]; /* by enum flow_class */
	size_t backlog, sessions;
	usec_t lag;
};

/* `filter` is the owner's and may change between calls. */
int source_new(uv_loop_t *loop, const struct flow_filter *filter,
	const uint8_t hash_key[FLOW_HASH_KEY_BYTES], const struct source_ops *ops, void *owner,
	struct source **ret) __attribute__((warn_unused_result));
void source_close(struct source *s); /* no callback any more; frees itself */

/* Changes that this netlink socket makes are no news. */
void source_ignore(struct source *s, uint32_t port);
void source_events(struct source *s, bool on);
void source_dump(struct source *s, uint64_t id);
void source_dump_stop(struct source *s);
void source_drain(struct source *s);
void source_clear(struct source *s);
void source_acked(struct source *s, uint64_t seq);
/* The link has room, or something is there to be sent. */
void source_pump(struct source *s);

/* `done` once all that the kernel reported before now was acknowledged: 0, or negative errno (one
 * request at a time: -EBUSY; events are off: -ENOTCONN; -ETIMEDOUT). */
void source_flush(struct source *s, usec_t timeout, void (*done)(int err, void *arg), void *arg);

void source_get_stats(const struct source *s, struct source_stats *ret);

#endif
