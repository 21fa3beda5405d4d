/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one clock of the suite: microseconds, monotonic, counting suspended time too, so that a node
 * that was paused notices. Never wall-clock time. Pure cores do not read it: they are given `now`.
 */
#ifndef GATEPAIR_COMMON_CLOCK_H
#define GATEPAIR_COMMON_CLOCK_H

#include <stdint.h>

typedef int64_t usec_t;

#define USEC_NEVER   INT64_MAX
#define USEC_PER_MS  INT64_C(1000)
#define USEC_PER_SEC INT64_C(1000000)

/* CLOCK_BOOTTIME in microseconds. */
usec_t clock_now_us(void);

#endif
