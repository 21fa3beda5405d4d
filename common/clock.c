/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/clock.h"

#include <time.h>

usec_t clock_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}
