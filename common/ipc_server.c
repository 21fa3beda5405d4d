/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serving side of IPC: accepting, the access table, sending with a bounded backlog. Runs in
 * every daemon. A control channel is a server of one connection and without a listening socket.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc_server_priv.h"

/* One message of each of the people in so long: IPC_MAX_PEOPLE of them cannot keep a real-time
 * daemon busy. */
#define PEOPLE_PACE (5 * USEC_PER_MS)

_Static_assert(IPC_N_COUNTERS == IPC_N_REFUSALS, "ipc.h counts them for others");

/* One loop, one thread: a datagram is dealt with before the next one is read or written. */
static uint8_t rx[IPC_MAX], tx[IPC_MAX];

static void on_conn(uv_poll_t *poll, int status, int events);

static bool is_person(const struct ipc_conn *c)
{
	return (c->identities & (IPC_ROOT | IPC_DAEMONS)) == 0;
}

void ipc_server_refused(struct ipc_server *s, enum ipc_refusal why, const char *detail)
{
	s->counters[why]++;
	if (log_limit_pass(&s->limits[why], clock_now_us()))
		log_warn("refused a message or client reason=%s detail=\"%s\" suppressed=%llu",
			ipc_refusal_name(why), detail,
			(unsigned long long)s->limits[why].suppressed);
}

static int watch(struct ipc_conn *c)
{
	int events = UV_DISCONNECT | (c->resting ? 0 : UV_READABLE) |
		     (c->n_backlog > 0 ? UV_WRITABLE : 0);

	return uv_poll_start(&c->poll, events, on_conn);
}

/* --- lifetimes ------------------------------------------------------------------------------- */

static void server_handle_closed(struct ipc_server *s)
{
	if (--s->open_handles > 0 || !s->closing)
		return;
	if (s->done != NULL)
		s->done(s->owner);
	arena_free(s->arena);
	free(s);
}

static void on_conn_closed(uv_handle_t *h)
{
	struct ipc_conn *c = h->data;
	struct ipc_server *s = c->server;

	if (s->ops.conn_closed != NULL)
		s->ops.conn_closed(c, s->owner);
	if (is_person(c))
		s->n_people--;
	for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
		if (s->conns[i] == c)
			s->conns[i] = NULL;
	}
	free(c);
	if (s->listen_fd < 0)
		s->closing = true;
	server_handle_closed(s);
}

void ipc_conn_close(struct ipc_conn *c)
{
	struct out *o;

	if (c->closing)
		return;
	c->closing = true;
	while ((o = STAILQ_FIRST(&c->backlog)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->backlog, next);
		free(o);
	}
	uv_close((uv_handle_t *)&c->poll, on_conn_closed);
	close(c->fd);
	c->fd = -1;
}

int ipc_conn_new(struct ipc_server *s, int fd, unsigned identities, struct ipc_conn **ret)
{
	struct ipc_conn *c;
	size_t slot = 0;
	int r;

	while (slot < IPC_MAX_CLIENTS && s->conns[slot] != NULL)
		slot++;
	if (slot == IPC_MAX_CLIENTS)
		return -EUSERS;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	*c = (struct ipc_conn){.server = s, .fd = fd, .identities = identities};
	STAILQ_INIT(&c->backlog);
	if (is_person(c) && s->n_people >= IPC_MAX_PEOPLE) {
		free(c);
		return -EUSERS;
	}
	r = uv_poll_init(s->loop, &c->poll, fd);
	if (r < 0) {
		free(c);
		return r;
	}
	c->poll.data = c;
	s->conns[slot] = c;
	s->n_people += is_person(c);
	s->open_handles++;
	r = watch(c);
	if (r < 0)
		log_err("cannot poll a connection: %s", uv_strerror(r));
	*ret = c;
	return 0;
}

/* --- sending --------------------------------------------------------------------------------- */

static void enqueue(struct ipc_conn *c, const uint8_t *buf, size_t n)
{
	struct out *o;

	if (c->n_backlog >= IPC_MAX_BACKLOG || c->backlog_bytes + n > IPC_MAX_BACKLOG_BYTES) {
		ipc_server_refused(c->server, IPC_SLOW_READER, "does not read what it is sent");
		ipc_conn_close(c);
		return;
	}
	o = malloc(sizeof(*o) + n);
	if (o == NULL) {
		ipc_conn_close(c);
		return;
	}
	o->n = n;
	memcpy(o->data, buf, n);
	STAILQ_INSERT_TAIL(&c->backlog, o, next);
	c->backlog_bytes += n;
	if (c->n_backlog++ == 0)
		watch(c);
}

static bool would_block(int err)
{
	return err == EAGAIN || err == EINTR || err == ENOBUFS || err == ENOMEM;
}

static void transmit(struct ipc_conn *c, const uint8_t *buf, size_t n)
{
	if (c->closing)
		return;
	if (c->n_backlog > 0) {
		enqueue(c, buf, n);
		return;
	}
	if (send(c->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	if (would_block(errno))
		enqueue(c, buf, n);
	else
		ipc_conn_close(c);
}

static void flush(struct ipc_conn *c)
{
	struct out *o;

	while ((o = STAILQ_FIRST(&c->backlog)) != NULL) {
		if (send(c->fd, o->data, o->n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (!would_block(errno))
				ipc_conn_close(c);
			return;
		}
		STAILQ_REMOVE_HEAD(&c->backlog, next);
		c->n_backlog--;
		c->backlog_bytes -= o->n;
		free(o);
	}
	watch(c);
}

void ipc_send(struct ipc_conn *c, Gp__Envelope *e)
{
	ssize_t n = ipc_wire_encode(e, tx);

	if (n < 0) {
		log_err("a message is too long for IPC body=%d", (int)e->body_case);
		if (e->id != 0)
			ipc_reply_error(
				c, e->id, (int)n, "the answer is longer than %d bytes", IPC_MAX);
		return;
	}
	transmit(c, tx, (size_t)n);
}

void ipc_reply_ack(struct ipc_conn *c, uint64_t id)
{
	Gp__Ack ack = GP__ACK__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	e.id = id;
	e.body_case = GP__ENVELOPE__BODY_ACK;
	e.ack = &ack;
	ipc_send(c, &e);
}

static void send_error(struct ipc_conn *c, uint64_t id, int err, char *text)
{
	Gp__Error error = GP__ERROR__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	error.code = err;
	error.text = text;
	e.id = id;
	e.body_case = GP__ENVELOPE__BODY_ERROR;
	e.error = &error;
	ipc_send(c, &e);
}

void ipc_reply_error(struct ipc_conn *c, uint64_t id, int err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_error(c, id, err, text);
}

void ipc_broadcast(struct ipc_server *s, Gp__Envelope *e)
{
	ssize_t n = ipc_wire_encode(e, tx);

	if (n < 0) {
		log_err("a notification is too long for IPC body=%d", (int)e->body_case);
		return;
	}
	for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
		if (s->conns[i] != NULL && s->conns[i]->data != NULL)
			transmit(s->conns[i], tx, (size_t)n);
	}
}

/* --- receiving ------------------------------------------------------------------------------- */

static const struct ipc_rule *find_rule(const struct ipc_server *s, Gp__Envelope__BodyCase body)
{
	for (size_t i = 0; i < s->ops.n_rules; i++) {
		if (s->ops.rules[i].body == body)
			return &s->ops.rules[i];
	}
	return NULL;
}

static void refused_sender(struct ipc_conn *c, const Gp__Envelope *e)
{
	struct ucred who = {0};
	socklen_t n = sizeof(who);
	char detail[96];

	getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &who, &n);
	snprintf(detail, sizeof(detail), "message %d from uid %u, pid %d", (int)e->body_case,
		who.uid, who.pid);
	ipc_server_refused(c->server, IPC_WRONG_IDENTITY, detail);
}

static void dispatch(struct ipc_conn *c, const Gp__Envelope *e)
{
	struct ipc_server *s = c->server;
	const struct ipc_rule *rule = find_rule(s, e->body_case);
	unsigned state = s->ops.state_bit != NULL ? s->ops.state_bit(s->owner) : 1;
	const char *why;

	if (e->body_case == GP__ENVELOPE__BODY__NOT_SET || rule == NULL) {
		ipc_server_refused(s, IPC_UNKNOWN_MESSAGE, "no such message on this socket");
		ipc_conn_close(c);
		return;
	}
	if ((rule->identities & c->identities) == 0) {
		refused_sender(c, e);
		ipc_reply_error(c, e->id, -EPERM,
			"this user may not send this command; run it as root or as a member of "
			"group gatepair-admin");
		ipc_conn_close(c);
		return;
	}
	if ((rule->states & state) == 0) {
		ipc_server_refused(s, IPC_WRONG_STATE, "not in this state");
		ipc_reply_error(c, e->id, -EBUSY, "this is not possible in the present state");
		return;
	}
	why = rule->check != NULL ? rule->check(e) : NULL;
	if (why != NULL) {
		ipc_server_refused(s, IPC_CHECK_FAILED, why);
		ipc_reply_error(c, e->id, -EINVAL, "%s", why);
		ipc_conn_close(c);
		return;
	}
	s->counters[IPC_ACCEPTED]++;
	rule->handle(c, e, s->owner);
}

/* One datagram; false when there is none, or no connection any more. */
static bool receive(struct ipc_conn *c)
{
	struct ipc_server *s = c->server;
	struct iovec iov = {.iov_base = rx, .iov_len = sizeof(rx)};
	/* Without control space, file descriptors that a client passes are closed by the kernel. */
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(c->fd, &mh, MSG_DONTWAIT);
	enum ipc_refusal why;
	Gp__Envelope *e;

	if (n <= 0) {
		if (n == 0 || !would_block(errno))
			ipc_conn_close(c);
		return false;
	}
	if ((mh.msg_flags & MSG_TRUNC) != 0) {
		ipc_server_refused(s, IPC_OVERSIZE, "more than 64 KiB");
		ipc_conn_close(c);
		return false;
	}
	arena_reset(s->arena);
	why = ipc_wire_decode(rx, (size_t)n, s->arena, &e);
	if (why != IPC_ACCEPTED) {
		ipc_server_refused(s, why, "not one of our messages");
		ipc_conn_close(c);
		return false;
	}
	dispatch(c, e);
	return !c->closing;
}

static void on_rested(struct timer *t, usec_t now)
{
	struct ipc_server *s = t->owner;

	(void)now;
	for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
		struct ipc_conn *c = s->conns[i];

		if (c == NULL || !c->resting)
			continue;
		c->resting = false;
		if (!c->closing)
			watch(c);
	}
}

static void rest(struct ipc_conn *c)
{
	struct timer *t = &c->server->rest;

	c->resting = true;
	watch(c);
	if (t->due == USEC_NEVER)
		timer_set(t, clock_now_us() + PEOPLE_PACE);
}

static void on_conn(uv_poll_t *poll, int status, int events)
{
	struct ipc_conn *c = poll->data;
	bool person = is_person(c);
	int budget = (c->identities & IPC_DAEMONS) != 0 ? IPC_MAX_PER_WAKEUP : 1;

	if (status < 0 || (events & UV_DISCONNECT) != 0) {
		ipc_conn_close(c);
		return;
	}
	if ((events & UV_WRITABLE) != 0)
		flush(c);
	if (c->closing || (events & UV_READABLE) == 0)
		return;
	while (budget-- > 0 && receive(c))
		;
	if (person && !c->closing)
		rest(c);
}

/* --- a server -------------------------------------------------------------------------------- */

static struct ipc_server *server_alloc(
	uv_loop_t *loop, int listen_fd, const struct ipc_server_ops *ops, void *owner)
{
	struct ipc_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->listen_fd = listen_fd;
	s->ops = *ops;
	s->owner = owner;
	s->arena = arena_new(IPC_DECODED_MAX);
	if (s->arena == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

static void on_listen_closed(uv_handle_t *h)
{
	server_handle_closed(h->data);
}

static void on_timer_closed(struct timer *t)
{
	server_handle_closed(t->owner);
}

int ipc_server_new(uv_loop_t *loop, int listen_fd, const struct ipc_server_ops *ops, void *owner,
	struct ipc_server **ret)
{
	struct ipc_server *s;
	int r;

	ipc_identity_init();
	s = server_alloc(loop, listen_fd, ops, owner);
	if (s == NULL)
		return -ENOMEM;
	r = timer_init(&s->accept_retry, loop, ipc_server_on_accept_retry, s);
	if (r < 0)
		goto out_free;
	s->open_handles++;
	r = timer_init(&s->rest, loop, on_rested, s);
	if (r < 0)
		goto out_retry;
	s->open_handles++;
	r = uv_poll_init(loop, &s->listen, listen_fd);
	if (r < 0)
		goto out_rest;
	s->open_handles++;
	s->listen.data = s;
	r = ipc_server_accept(s, true);
	if (r < 0)
		goto out_listen;
	*ret = s;
	return 0;

out_listen:
	uv_close((uv_handle_t *)&s->listen, on_listen_closed);
out_rest:
	timer_close(&s->rest, on_timer_closed);
out_retry:
	s->closing = true;
	timer_close(&s->accept_retry, on_timer_closed);
	return r;
out_free:
	arena_free(s->arena);
	free(s);
	return r;
}

void ipc_server_close(struct ipc_server *s, void (*done)(void *owner))
{
	s->done = done;
	s->closing = true;
	for (size_t i = 0; i < IPC_MAX_CLIENTS; i++) {
		if (s->conns[i] != NULL)
			ipc_conn_close(s->conns[i]);
	}
	timer_close(&s->accept_retry, on_timer_closed);
	timer_close(&s->rest, on_timer_closed);
	uv_close((uv_handle_t *)&s->listen, on_listen_closed);
}

size_t ipc_server_counters(const struct ipc_server *s, Gp__Counter *out, size_t max)
{
	size_t n = max < IPC_N_REFUSALS ? max : IPC_N_REFUSALS;

	for (size_t i = 0; i < n; i++) {
		gp__counter__init(&out[i]);
		out[i].name = ipc_refusal_name((enum ipc_refusal)i);
		out[i].value = s->counters[i];
	}
	return n;
}

/* --- what handlers ask and do ---------------------------------------------------------------- */

unsigned ipc_conn_identities(const struct ipc_conn *c)
{
	return c->identities;
}

void ipc_conn_set_data(struct ipc_conn *c, void *data)
{
	c->data = data;
}

void *ipc_conn_data(const struct ipc_conn *c)
{
	return c->data;
}

int ipc_conn_adopt(uv_loop_t *loop, int fd, unsigned identities, const struct ipc_server_ops *ops,
	void *owner, struct ipc_conn **ret)
{
	struct ipc_server *s = server_alloc(loop, -1, ops, owner);
	int r;

	if (s == NULL)
		return -ENOMEM;
	r = ipc_conn_new(s, fd, identities, ret);
	if (r < 0) {
		arena_free(s->arena);
		free(s);
	}
	return r;
}
