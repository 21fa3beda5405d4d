/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pipe per daemon whose hang-up is its death; see life.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/supervisor/life.h"

struct life {
	uv_poll_t poll;
	int fd;
	void (*gone)(void *owner);
	void *owner;
};

static void on_hangup(uv_poll_t *poll, int status, int events)
{
	struct life *l = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	l->gone(l->owner);
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

int life_watch(uv_loop_t *loop, int fd, void (*gone)(void *owner), void *owner, struct life **ret)
{
	struct life *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct life){.fd = fd, .gone = gone, .owner = owner};
	r = uv_poll_init(loop, &l->poll, fd);
	if (r < 0) {
		free(l);
		return r;
	}
	l->poll.data = l;
	r = uv_poll_start(&l->poll, UV_READABLE | UV_DISCONNECT, on_hangup);
	if (r < 0) {
		uv_close((uv_handle_t *)&l->poll, on_closed);
		return r;
	}
	*ret = l;
	return 0;
}

void life_close(struct life *l)
{
	if (!l)
		return;
	uv_close((uv_handle_t *)&l->poll, on_closed);
	close(l->fd);
}
