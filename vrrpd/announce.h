/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to announce an instance's addresses by gratuitous ARP: at once, and again, because one frame
 * may be lost and a host would keep the old neighbour for hours. Pure; runs in vrrpd.
 */
#ifndef GATEPAIR_VRRPD_ANNOUNCE_H
#define GATEPAIR_VRRPD_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/clock.h"

struct announce {
	usec_t started, due; /* due: USEC_NEVER when there is nothing to send */
	usec_t sent;         /* last */
	size_t step;
};

void announce_init(struct announce *a);
/* Begin (again). However often it is called, rounds are at least 50 ms apart. */
void announce_start(struct announce *a, usec_t now);
void announce_stop(struct announce *a);
/* True: send a round now; the next one is due at a->due. */
bool announce_take(struct announce *a, usec_t now);

#endif
