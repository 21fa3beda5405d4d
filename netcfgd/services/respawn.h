/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a program that should run is started again after it ended by itself: soon, later and later
 * if it keeps ending soon after its start, and from the third time on that is told. Pure.
 */
#ifndef GATEPAIR_NETCFGD_RESPAWN_H
#define GATEPAIR_NETCFGD_RESPAWN_H

#include <stdbool.h>

#include "common/clock.h"

#define RESPAWN_LIVED (20 * USEC_PER_SEC) /* whoever ran for so long did not die of its start */

struct respawn {
	usec_t started, start_at;
	unsigned quick; /* ends in a row that came soon after the start */
	uint32_t restarts;
};

static inline void respawn_reset(struct respawn *r, usec_t now)
{
	r->quick = 0;
	r->start_at = now;
}

static inline void respawn_started(struct respawn *r, usec_t now)
{
	r->started = now;
}

static inline void respawn_ended(struct respawn *r, usec_t now)
{
	const usec_t longest = 30 * USEC_PER_SEC;
	usec_t wait = 200 * USEC_PER_MS;

	r->restarts++;
	r->quick = now - r->started < RESPAWN_LIVED ? r->quick + 1 : 1;
	for (unsigned i = 1; i < r->quick && wait < longest; i++)
		wait *= 2;
	r->start_at = now + (wait < longest ? wait : longest);
}

static inline bool respawn_crashing(const struct respawn *r)
{
	return r->quick >= 3;
}

#endif
