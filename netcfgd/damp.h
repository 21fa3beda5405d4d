/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flap damping, a pure core: what somebody else changes again and again is put back at growing
 * intervals, so that two programs that want different things do not keep the machine busy. An
 * object is a 64-bit key; the table is bounded, and forgets what has been quiet the longest.
 *
 * Usage: before a repair, damp_may() for each object; after it, damp_done() for each that was put
 * back. damp_due() is when the next object that was held back may be repaired.
 */
#ifndef GATEPAIR_NETCFGD_DAMP_H
#define GATEPAIR_NETCFGD_DAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define DAMP_OBJECTS    256
#define DAMP_FREE       10                 /* repairs at once, within DAMP_WINDOW */
#define DAMP_WINDOW     (5 * USEC_PER_SEC) /* after that it is a fight */
#define DAMP_GAP_MIN    (50 * USEC_PER_MS) /* between repairs then; doubled each time */
#define DAMP_GAP_MAX    (1 * USEC_PER_SEC)
#define DAMP_GAP_URGENT (50 * USEC_PER_MS)  /* of what the node's service hangs on */
#define DAMP_CALM       (10 * USEC_PER_SEC) /* without a change: the fight is over */

struct damp_object {
	uint64_t key;
	unsigned times; /* repairs since `since` */
	usec_t since, last;
	usec_t gap;   /* 0: not damped */
	usec_t until; /* not before */
};

struct damp {
	struct damp_object v[DAMP_OBJECTS];
	size_t n;
};

void damp_init(struct damp *d);
bool damp_may(const struct damp *d, uint64_t key, usec_t now);
/* How many repairs there were, once for each fight, at its start; else 0. */
unsigned damp_done(struct damp *d, uint64_t key, bool urgent, usec_t now);
/* USEC_NEVER: nothing is held back. */
usec_t damp_due(const struct damp *d, usec_t now);
/* Objects that are fought over now. */
size_t damp_fights(const struct damp *d, usec_t now);

#endif
