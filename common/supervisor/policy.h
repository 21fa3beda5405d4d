/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to start, restart, kill and give up on one daemon: a pure core, stepped by the supervisor
 * (and by the simulation) with an event and the time, answering with actions. No I/O, no clock.
 *
 * A daemon that dies is started again at once: its neighbours do not notice when it is back within
 * their leases. One that keeps dying is given pauses, and is reported unhealthy, so that the node
 * yields its role; so is one that does not get ready. One that does not answer is killed.
 */
#ifndef GATEPAIR_SUPERVISOR_POLICY_H
#define GATEPAIR_SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

/* The numbers of supervisor(8). */
#define POLICY_CRASH_COUNT   10                  /* deaths ... */
#define POLICY_CRASH_WINDOW  (10 * USEC_PER_SEC) /* ... within this are a crash loop */
#define POLICY_BACKOFF_MIN   USEC_PER_SEC        /* the pause, doubling */
#define POLICY_BACKOFF_MAX   (30 * USEC_PER_SEC)
#define POLICY_STABLE_AFTER  (30 * USEC_PER_SEC) /* ready for so long: the pauses start over */
#define POLICY_HEALTHY_AFTER (3 * USEC_PER_SEC)  /* ready for so long: healthy again */
#define POLICY_UNREADY_MAX   (5 * USEC_PER_SEC)  /* not ready for so long: unhealthy */
#define POLICY_QUERY_EVERY   (500 * USEC_PER_MS)
#define POLICY_HUNG_AFTER    (3 * USEC_PER_SEC) /* a query unanswered for so long */
#define POLICY_HUNG_AFTER_RT USEC_PER_SEC       /* ... of a ready one with real-time duty */
#define POLICY_STOP_MAX      (6 * USEC_PER_SEC) /* the daemons' own deadline is 5 s */

enum policy_state {
	POLICY_STOPPED,
	POLICY_STARTING,
	POLICY_READY,
	POLICY_KILLED,  /* hung, or to be restarted; its exit is awaited */
	POLICY_BACKOFF, /* dead, in a pause */
	POLICY_STOPPING,
};

enum policy_event {
	POLICY_EV_START,
	POLICY_EV_IS_READY,
	POLICY_EV_ANSWERED, /* a query */
	POLICY_EV_EXITED,   /* or could not be started */
	POLICY_EV_RESTART,  /* an operator's wish */
	POLICY_EV_STOP,
	POLICY_EV_TICK,
};

/* Actions: a set. */
enum policy_action {
	POLICY_SPAWN = 1 << 0,
	POLICY_KILL = 1 << 1,
	POLICY_QUERY = 1 << 2,
	POLICY_ASK_STOP = 1 << 3,
	POLICY_TELL_HEALTH = 1 << 4, /* `healthy` has changed */
};

struct policy {
	enum policy_state state;
	bool real_time;
	bool healthy;
	bool deliberate;      /* the exit that is awaited is not a crash */
	bool hung;            /* the last kill was for silence */
	usec_t since;         /* of the state */
	usec_t unready_since; /* USEC_NEVER: it is ready */
	usec_t asked;         /* the oldest unanswered query; USEC_NEVER: none */
	usec_t next_query;
	usec_t resume;                     /* end of the pause, or deadline of the stop */
	usec_t pause;                      /* the newest one; 0: none lately */
	usec_t deaths[POLICY_CRASH_COUNT]; /* a ring */
	uint64_t n_deaths;
	uint64_t restarts;
};

void supervisor_policy_init(struct policy *p, bool real_time);
unsigned supervisor_policy_step(struct policy *p, enum policy_event ev, usec_t now);
/* When it wants its next tick; USEC_NEVER: not at all. */
usec_t supervisor_policy_due(const struct policy *p);
/* One word for status. */
const char *supervisor_policy_state_to_str(const struct policy *p);

#endif
