/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two phases of a new configuration, as a pure core: every daemon is asked, and only when all said
 * yes it becomes the node's. From that decision on it is what a daemon gets that starts anew.
 */
#ifndef GATEPAIR_SUPERVISOR_RELOAD_H
#define GATEPAIR_SUPERVISOR_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define RELOAD_PREPARE_MAX (3 * USEC_PER_SEC)
#define RELOAD_COMMIT_MAX  (5 * USEC_PER_SEC)

enum reload_phase { RELOAD_IDLE, RELOAD_PREPARING, RELOAD_COMMITTING };

enum reload_event {
	RELOAD_EV_ACK,     /* of PREPARE or COMMIT, by `daemon` */
	RELOAD_EV_REFUSED, /* PREPARE, by `daemon` */
	RELOAD_EV_DIED,    /* `daemon` */
	RELOAD_EV_TICK,
};

enum reload_action {
	RELOAD_NOTHING,
	RELOAD_COMMIT, /* decided: send COMMIT to the participants */
	RELOAD_ABORT,  /* refused, died or late: send ABORT to the participants; `culprits` says who
			*/
	RELOAD_DONE,   /* every participant runs on it */
	RELOAD_LATE,   /* decided, but the `culprits` have not confirmed in time */
};

struct reload {
	enum reload_phase phase;
	uint64_t generation;
	unsigned participants, waiting, culprits; /* bit sets of daemons */
	usec_t deadline;
};

/* Participants are asked by the caller. With none, it is decided at once. */
enum reload_action reload_begin(
	struct reload *r, uint64_t generation, unsigned participants, usec_t now);
enum reload_action reload_step(struct reload *r, enum reload_event ev, unsigned daemon, usec_t now);

#endif
