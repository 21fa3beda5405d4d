/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dirty set: which sessions the peer does not know the latest state of. Not a queue of events:
 * each session is in it at most once, with its latest state, so bursts collapse, a slow link delays
 * but never loses, and memory is bounded by the number of sessions. First in, first out: a session
 * that changes again while it waits keeps its place. Pure: no I/O, no clock. Runs in syncd on the
 * Active.
 *
 * Life of an entry: put → (put again: latest state) → popped into batch `seq` (in flight) → acked
 * up to `seq`: gone. Changed while in flight: it waits again, and the old ack does not remove it.
 */
#ifndef GATEPAIR_SYNCD_DIRTY_H
#define GATEPAIR_SYNCD_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "syncd/flow.h"

enum dirty_op {
	DIRTY_UPDATE = 1, /* the peer creates it if it does not have it */
	DIRTY_CREATE,     /* it is new: the peer cannot have it */
	DIRTY_REPLACE,    /* another session of the same name was destroyed before this one */
	DIRTY_DELETE,
};

struct dirty;

/* NULL on ENOMEM. Holds at most `max` sessions. */
struct dirty *dirty_new(size_t max, const uint8_t hash_key[FLOW_HASH_KEY_BYTES]);
void dirty_free(struct dirty *d); /* NULL is fine */

/* The latest state of `f`; the operation is merged with one that waits already; a session created
 * and deleted before it was ever in a batch leaves nothing. 0, or -ENOSPC or
 * -ENOMEM: the set does not hold the change, the caller must have the tables compared. */
int dirty_put(struct dirty *d, enum dirty_op op, const struct flow *f, usec_t now)
	__attribute__((warn_unused_result));

/* The next record for batch `seq` (callers count up from 1; never lower than before), which is
 * then in flight. False when nothing waits. */
bool dirty_pop(struct dirty *d, uint64_t seq, enum dirty_op *ret_op, struct flow *ret_flow);

/* The peer has applied every batch up to `seq`. Returns how many entries that released. */
size_t dirty_ack(struct dirty *d, uint64_t seq);

/* Forgets everything: before a full sync, which sends every session anyway, and when there is
 * nobody to send to. */
void dirty_clear(struct dirty *d);

size_t dirty_waiting(const struct dirty *d); /* not in a batch yet */
size_t dirty_count(const struct dirty *d);   /* waiting or in flight: the backlog */
/* Age of the oldest change that is not acknowledged; 0 when there is none. */
usec_t dirty_lag(const struct dirty *d, usec_t now);

/* A mark: everything put before it. `dirty_mark_sent` is true once all of that is in a batch, with
 * the last such batch in *ret_seq (may be NULL); it is applied at the peer when that seq is acked.
 */
uint64_t dirty_mark(const struct dirty *d);
bool dirty_mark_sent(const struct dirty *d, uint64_t mark, uint64_t *ret_seq);

#endif
