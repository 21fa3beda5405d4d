/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers: one timerfd each, on the suite's clock, polled by the loop.
 */
#include "common/timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct timer *t = poll->data;
	uint64_t expirations;

	(void)status;
	(void)events;
	/* Set anew or disarmed since the loop saw it expire: then there is nothing to read. */
	if (read(t->fd, &expirations, sizeof(expirations)) != (ssize_t)sizeof(expirations))
		return;
	t->due = USEC_NEVER;
	t->fire(t, clock_now_us());
}

int timer_init(struct timer *t, uv_loop_t *loop, void (*fire)(struct timer *, usec_t), void *owner)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	*t = (struct timer){.fd = fd, .due = USEC_NEVER, .fire = fire, .owner = owner};
	t->poll.data = t;
	r = uv_poll_init(loop, &t->poll, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return uv_poll_start(&t->poll, UV_READABLE, on_readable);
}

void timer_set(struct timer *t, usec_t due)
{
	struct itimerspec its = {0};

	if (due == t->due)
		return;
	t->due = due;
	if (due != USEC_NEVER) {
		/* All zeroes would disarm it. */
		if (due < 1)
			due = 1;
		its.it_value.tv_sec = (time_t)(due / USEC_PER_SEC);
		its.it_value.tv_nsec = (long)(due % USEC_PER_SEC * 1000);
	}
	timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void on_closed(uv_handle_t *h)
{
	struct timer *t = h->data;

	if (t->closed != NULL)
		t->closed(t);
}

void timer_close(struct timer *t, void (*closed)(struct timer *))
{
	t->closed = closed;
	uv_close((uv_handle_t *)&t->poll, on_closed);
	close(t->fd);
	t->fd = -1;
}
