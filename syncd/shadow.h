/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Active knows of the Standby's copies: 16 bytes per session, its keyed hash and the
 * second at which the copy runs out. The kernel does not report refreshed timeouts, so a periodic
 * scan (a dump) finds the copies that must be held longer, and sessions that vanished without an
 * event. Also decides how long a copy is held. Pure. Runs in syncd on the Active.
 *
 * A copy is held for what remains of its session, but at least for what sessions of its class get
 * when a packet refreshes them (it may be refreshed right after we looked; classes with more than
 * SHADOW_FRESH_MAX_S are cut off there), plus a slack: three scan periods, for long
 * ones 1/128 of it, but not more than SHADOW_SLACK_MAX_S beyond the next scan. So
 * after a takeover no session ends early, and each ends late by at most the difference.
 */
#ifndef GATEPAIR_SYNCD_SHADOW_H
#define GATEPAIR_SYNCD_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "syncd/flow.h"

#define SHADOW_FRESH_MAX_S 600
#define SHADOW_SLACK_MAX_S 300

struct shadow;

/* NULL on ENOMEM. At most `max` sessions; those beyond are sent again at each scan. */
struct shadow *shadow_new(size_t max, const uint8_t hash_key[FLOW_HASH_KEY_BYTES]);
void shadow_free(struct shadow *s); /* NULL is fine */
void shadow_clear(struct shadow *s);
size_t shadow_count(const struct shadow *s);
/* The time between two scans; part of every slack. */
void shadow_set_period(struct shadow *s, uint32_t period_s);

/* The timeout that the peer's copy of `f` is to get. */
uint32_t shadow_hold_s(const struct shadow *s, const struct flow *f);

/* An event told of this session, which is sent; learns the class's timeout. */
void shadow_seen(struct shadow *s, const struct flow *f, usec_t now);
void shadow_gone(struct shadow *s, const struct flow_key *k);

/* A dump of the kernel. What an event told since `begin` is newer than what the dump says: it is
 * not sent again, and what was destroyed is not brought back. `all`: send everything else,
 * otherwise only copies that would run out too early. A scan that is running is cut short. */
void shadow_scan_begin(struct shadow *s, bool all);
bool shadow_scan(struct shadow *s, const struct flow *f, usec_t now);
/* The dump was complete, and all events up to its end were read: how many sessions vanished without
 * an event (two scans in a row did not find them); they are forgotten. */
size_t shadow_scan_end(struct shadow *s);

#endif
