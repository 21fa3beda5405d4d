/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One-shot timers with microsecond resolution on the loop (timerfd; libuv's own are in whole
 * milliseconds). Embedded in their owner; the owner may be freed only after the closed callback.
 */
#ifndef GATEPAIR_COMMON_TIMER_H
#define GATEPAIR_COMMON_TIMER_H

#include <uv.h>

#include "common/clock.h"

struct timer {
	uv_poll_t poll;
	int fd;
	usec_t due; /* USEC_NEVER: not armed */
	void (*fire)(struct timer *t, usec_t now);
	void (*closed)(struct timer *t);
	void *owner;
};

/* 0 or negative errno. `fire` runs on the loop, disarmed; it may arm again. */
int timer_init(struct timer *t, uv_loop_t *loop, void (*fire)(struct timer *, usec_t), void *owner)
	__attribute__((warn_unused_result));

/* Absolute, on clock_now_us(); USEC_NEVER disarms; the past fires at the next loop turn. */
void timer_set(struct timer *t, usec_t due);

/* `closed` may be NULL. */
void timer_close(struct timer *t, void (*closed)(struct timer *));

#endif
