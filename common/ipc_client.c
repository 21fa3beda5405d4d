/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The asking side of IPC, for daemons: one connection that comes back by itself, up to 64 requests
 * under way. Nothing is allocated once it is connected.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ipc_priv.h"
#include "common/log.h"
#include "common/timer.h"

#define MAX_PENDING 64
#define RETRY_FIRST (2 * USEC_PER_MS)
#define RETRY_MAX   (500 * USEC_PER_MS)

struct pending {
	uint64_t id; /* 0: free */
	usec_t due;
	ipc_answer_fn *fn;
	uint64_t cookie;
};

struct ipc_client {
	uv_loop_t *loop;
	uv_poll_t poll; /* initialised while open_poll */
	struct timer retry, timeout;
	int fd; /* -1: not connected */
	bool open_poll, closing;
	unsigned open_timers;
	usec_t retry_after;
	uint64_t last_id;
	struct pending pending[MAX_PENDING];
	struct arena *arena;
	struct ipc_client_ops ops;
	void *owner;
	void (*done)(void *owner);
	struct sockaddr_un addr;
};

static uint8_t rx[IPC_MAX], tx[IPC_MAX];

static void client_free(struct ipc_client *c)
{
	arena_free(c->arena);
	free(c);
}

static void handle_closed(struct ipc_client *c)
{
	if (!c->closing || c->open_poll || c->open_timers > 0)
		return;
	if (c->done != NULL)
		c->done(c->owner);
	client_free(c);
}

static void answer(struct ipc_client *c, struct pending *p, const Gp__Envelope *e, int err)
{
	struct pending was = *p;

	*p = (struct pending){0};
	was.fn(e, err, c->owner, was.cookie);
}

/* The handle may be used again only once it is closed, so that is when the retry is set. */
static void on_poll_closed(uv_handle_t *h)
{
	struct ipc_client *c = h->data;

	c->open_poll = false;
	if (c->closing)
		handle_closed(c);
	else
		timer_set(&c->retry, clock_now_us() + c->retry_after);
}

static void disconnect(struct ipc_client *c)
{
	if (c->fd < 0)
		return;
	uv_close((uv_handle_t *)&c->poll, on_poll_closed);
	close(c->fd);
	c->fd = -1;
	for (size_t i = 0; i < MAX_PENDING; i++) {
		if (c->pending[i].id != 0)
			answer(c, &c->pending[i], NULL, -ECONNRESET);
	}
	if (!c->closing && c->ops.down != NULL)
		c->ops.down(c, c->owner);
}

static void dispatch(struct ipc_client *c, const Gp__Envelope *e)
{
	c->retry_after = RETRY_FIRST;
	if (e->id == 0) {
		if (e->body_case == GP__ENVELOPE__BODY_ERROR)
			log_err("%s refuses us: %s", c->addr.sun_path, e->error->text);
		else if (c->ops.notify != NULL)
			c->ops.notify(c, e, c->owner);
		return;
	}
	for (size_t i = 0; i < MAX_PENDING; i++) {
		if (c->pending[i].id == e->id) {
			answer(c, &c->pending[i], e, 0);
			return;
		}
	}
	/* An answer after its timeout: its asker has been told. */
}

/* One datagram; false when there is none, or no connection any more. */
static bool receive(struct ipc_client *c)
{
	struct iovec iov = {.iov_base = rx, .iov_len = sizeof(rx)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(c->fd, &mh, MSG_DONTWAIT);
	enum ipc_refusal why;
	Gp__Envelope *e;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* Reported once, before what the server said last: why it turns us away. */
	if (n < 0 && errno == ECONNRESET)
		return true;
	if (n <= 0) {
		disconnect(c);
		return false;
	}
	arena_reset(c->arena);
	why = (mh.msg_flags & MSG_TRUNC) != 0 ? IPC_OVERSIZE
					      : ipc_wire_decode(rx, (size_t)n, c->arena, &e);
	if (why != IPC_ACCEPTED) {
		log_err("%s sent a message we refuse reason=%s", c->addr.sun_path,
			ipc_refusal_name(why));
		disconnect(c);
		return false;
	}
	dispatch(c, e);
	return c->fd >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct ipc_client *c = poll->data;

	(void)events;
	for (int i = 0; i < IPC_MAX_PER_WAKEUP && receive(c); i++)
		;
	if (status < 0)
		disconnect(c);
}

static int client_connect(struct ipc_client *c)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&c->addr, sizeof(c->addr)) < 0 ? -errno : 0;
	if (r == 0)
		r = uv_poll_init(c->loop, &c->poll, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	c->fd = fd;
	c->open_poll = true;
	c->poll.data = c;
	return uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

static void on_retry(struct timer *t, usec_t now)
{
	struct ipc_client *c = t->owner;
	int r;

	if (c->closing || c->open_poll)
		return;
	r = client_connect(c);
	/* A full backlog is emptied within milliseconds; somebody is flooding it, and waiting
	 * longer would help him. */
	if (r == -EAGAIN) {
		timer_set(&c->retry, now + RETRY_FIRST);
		return;
	}
	c->retry_after = 2 * c->retry_after < RETRY_MAX ? 2 * c->retry_after : RETRY_MAX;
	if (r == 0) {
		if (c->ops.up != NULL)
			c->ops.up(c, c->owner);
		return;
	}
	log_debug("cannot connect to %s: %s", c->addr.sun_path, uv_strerror(r));
	timer_set(&c->retry, now + c->retry_after);
}

static void on_timeout(struct timer *t, usec_t now)
{
	struct ipc_client *c = t->owner;
	usec_t next = USEC_NEVER;

	for (size_t i = 0; i < MAX_PENDING; i++) {
		if (c->pending[i].id != 0 && c->pending[i].due <= now)
			answer(c, &c->pending[i], NULL, -ETIMEDOUT);
	}
	if (c->closing)
		return;
	for (size_t i = 0; i < MAX_PENDING; i++) {
		if (c->pending[i].id != 0 && c->pending[i].due < next)
			next = c->pending[i].due;
	}
	timer_set(&c->timeout, next);
}

int ipc_client_new(uv_loop_t *loop, const char *path, const struct ipc_client_ops *ops, void *owner,
	struct ipc_client **ret)
{
	size_t len = strlen(path);
	struct ipc_client *c;
	int r;

	if (len >= sizeof(c->addr.sun_path))
		return -ENAMETOOLONG;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	*c = (struct ipc_client){.loop = loop,
		.fd = -1,
		.retry_after = RETRY_FIRST / 2,
		.ops = *ops,
		.owner = owner,
		.addr.sun_family = AF_UNIX};
	memcpy(c->addr.sun_path, path, len);
	c->arena = arena_new(IPC_DECODED_MAX);
	r = c->arena != NULL ? timer_init(&c->retry, loop, on_retry, c) : -ENOMEM;
	if (r < 0) {
		client_free(c);
		return r;
	}
	c->open_timers = 1;
	r = timer_init(&c->timeout, loop, on_timeout, c);
	if (r < 0) {
		ipc_client_close(c, NULL);
		return r;
	}
	c->open_timers = 2;
	timer_set(&c->retry, 0);
	*ret = c;
	return 0;
}

bool ipc_client_is_up(const struct ipc_client *c)
{
	return c->fd >= 0;
}

int ipc_client_ask(
	struct ipc_client *c, Gp__Envelope *e, usec_t timeout, ipc_answer_fn *fn, uint64_t cookie)
{
	struct pending *p = NULL;
	ssize_t n;

	if (c->fd < 0)
		return -ENOTCONN;
	for (size_t i = 0; i < MAX_PENDING && p == NULL; i++) {
		if (c->pending[i].id == 0)
			p = &c->pending[i];
	}
	if (p == NULL)
		return -EAGAIN;
	e->id = c->last_id + 1;
	n = ipc_wire_encode(e, tx);
	if (n < 0)
		return (int)n;
	/* A full socket means a server that does not read: waiting would not help. */
	if (send(c->fd, tx, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -ENOTCONN;
	c->last_id++;
	*p = (struct pending){
		.id = e->id, .due = clock_now_us() + timeout, .fn = fn, .cookie = cookie};
	/* Later ones are found when the timer fires: mostly the answers come first, and no system
	 * call was spent. */
	if (p->due < c->timeout.due)
		timer_set(&c->timeout, p->due);
	return 0;
}

static void on_timer_closed(struct timer *t)
{
	struct ipc_client *c = t->owner;

	c->open_timers--;
	handle_closed(c);
}

void ipc_client_close(struct ipc_client *c, void (*done)(void *owner))
{
	unsigned timers = c->open_timers;

	if (c->closing)
		return;
	c->done = done;
	c->closing = true;
	disconnect(c);
	timer_close(&c->retry, on_timer_closed);
	if (timers == 2)
		timer_close(&c->timeout, on_timer_closed);
}
