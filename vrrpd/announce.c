/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schedule of gratuitous ARP. Pure; runs in vrrpd.
 */
#include "vrrpd/announce.h"

#define GAP (50 * USEC_PER_MS)

static const usec_t offsets[] = {
	0,
	100 * USEC_PER_MS,
	500 * USEC_PER_MS,
	2 * USEC_PER_SEC,
	5 * USEC_PER_SEC,
};
#define STEPS (sizeof(offsets) / sizeof(offsets[0]))

void announce_init(struct announce *a)
{
	*a = (struct announce){.due = USEC_NEVER, .sent = -GAP};
}

void announce_start(struct announce *a, usec_t now)
{
	a->started = now < a->sent + GAP ? a->sent + GAP : now;
	a->step = 0;
	a->due = a->started;
}

void announce_stop(struct announce *a)
{
	a->due = USEC_NEVER;
}

bool announce_take(struct announce *a, usec_t now)
{
	if (now < a->due)
		return false;
	a->sent = now;
	a->step++;
	a->due = a->step < STEPS ? a->started + offsets[a->step] : USEC_NEVER;
	return true;
}
