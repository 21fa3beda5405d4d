/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Active knows of the Standby's copies: 24 bytes per session, its keyed hash, when it
 * ends, when the copy ends, and how long it was silent before. The kernel does not report refreshed
 * timeouts, so a periodic scan (a dump) finds the copies that no longer tell the truth. Pure. Runs
 * in syncd on the Active.
 *
 * A copy gets what remains of its session and a slack, so that the session does not end early if it
 * was refreshed after we looked: the time between two scans, and a share of the class's timeout
 * (a quarter, at most SHADOW_DRIFT_MAX_S), so that a session in use is not reported at each scan. A
 * session that was refreshed after such a silence before is expected to be refreshed again: its
 * copy gets the class's whole timeout. Classes with more than SHADOW_QUIET_MAX_S need no such
 * guess: their copies have that much at least (RFC 5382, 5: what an established connection may rely
 * on).
 */
#ifndef GATEPAIR_SYNCD_SHADOW_H
#define GATEPAIR_SYNCD_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "syncd/flow.h"

#define SHADOW_QUIET_MAX_S (124 * 60)
#define SHADOW_DRIFT_MAX_S 300

struct shadow;

/* NULL on ENOMEM. At most `max` sessions; those beyond are sent again at each scan. */
struct shadow *shadow_new(size_t max, const uint8_t hash_key[FLOW_HASH_KEY_BYTES]);
void shadow_free(struct shadow *s); /* NULL is fine */
void shadow_clear(struct shadow *s);
size_t shadow_count(const struct shadow *s);
/* The time between two scans; part of every slack. */
void shadow_set_period(struct shadow *s, uint32_t period_s);

/* What the peer's copy of `f` is to get beyond what remains of it. */
uint32_t shadow_slack_s(const struct shadow *s, const struct flow *f);

/* An event told of this session, which is sent; learns the class's timeout. */
void shadow_seen(struct shadow *s, const struct flow *f, usec_t now);
void shadow_gone(struct shadow *s, const struct flow_key *k);

/* A dump of the kernel. What an event told since `begin` is newer than what the dump says: it is
 * not sent again, and what was destroyed is not brought back. `all`: send everything else,
 * otherwise only copies that would end early, or later than the slack. A scan that is running is
 * cut short. */
void shadow_scan_begin(struct shadow *s, bool all);
bool shadow_scan(struct shadow *s, const struct flow *f, usec_t now);
/* The dump was complete, and all events up to its end were read: how many sessions vanished without
 * an event (two scans in a row did not find them); they are forgotten. */
size_t shadow_scan_end(struct shadow *s);

#endif
