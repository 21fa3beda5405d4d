/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Letting clients in: who they are is asked at once, and strangers and the too many are told why
 * they are turned away. Whoever can reach the socket can connect as fast as a processor can, so
 * newcomers that are neither root nor daemons are let in at a bounded pace.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc_server_priv.h"

#define ACCEPTS_PER_WAKEUP 8
#define ACCEPT_RETRY       (100 * USEC_PER_MS)
/* Far above what people need, and far below what would keep a real-time daemon from ever sleeping:
 * RLIMIT_RTTIME ends one that does not. */
#define NEWCOMERS_MAX    128
#define NEWCOMERS_WINDOW (5 * USEC_PER_MS)

static uint8_t tx[IPC_MAX];

static void turn_away(struct ipc_server *s, int fd, enum ipc_refusal why, int err, char *text)
{
	Gp__Error error = GP__ERROR__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	ssize_t n;

	ipc_server_refused(s, why, text);
	error.code = err;
	error.text = text;
	e.body_case = GP__ENVELOPE__BODY_ERROR;
	e.error = &error;
	n = ipc_wire_encode(&e, tx);
	if (n > 0 && send(fd, tx, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("turned away a client that was gone");
	close(fd);
}

/* Has this window seen enough of them? */
static bool too_fast(struct ipc_server *s, usec_t now)
{
	if (now - s->accept_window >= NEWCOMERS_WINDOW) {
		s->accept_window = now;
		s->n_newcomers = 0;
	}
	return s->n_newcomers >= NEWCOMERS_MAX;
}

static void welcome(struct ipc_server *s, int fd)
{
	static char stranger[] =
		"this user may not talk to gatepair; run it as root or as a member "
		"of group gatepair or gatepair-admin";
	static char crowded[] = "too many clients are connected; close some and try again";
	unsigned identities = ipc_identity_of(fd);
	struct ipc_conn *c;

	s->n_newcomers += (identities & (IPC_ROOT | IPC_DAEMONS)) == 0;
	if (identities == 0)
		turn_away(s, fd, IPC_WRONG_IDENTITY, -EPERM, stranger);
	else if (ipc_conn_new(s, fd, identities, &c) < 0)
		turn_away(s, fd, IPC_TOO_MANY_CLIENTS, -EUSERS, crowded);
}

void ipc_server_on_accept_retry(struct timer *t, usec_t now)
{
	struct ipc_server *s = t->owner;

	(void)now;
	if (!s->closing && ipc_server_accept(s, true) < 0)
		log_err("cannot poll the listening socket");
}

static void stop_for(struct ipc_server *s, usec_t until)
{
	uv_poll_stop(&s->listen);
	timer_set(&s->accept_retry, until);
}

static void on_listen(uv_poll_t *poll, int status, int events)
{
	struct ipc_server *s = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(s, fd);
			continue;
		}
		/* Out of something: the client stays in the backlog, and the loop must not spin. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			ipc_server_refused(s, IPC_TOO_MANY_CLIENTS, strerror(errno));
			stop_for(s, clock_now_us() + ACCEPT_RETRY);
		}
		return;
	}
	if (too_fast(s, clock_now_us()))
		stop_for(s, s->accept_window + NEWCOMERS_WINDOW);
}

int ipc_server_accept(struct ipc_server *s, bool on)
{
	return on ? uv_poll_start(&s->listen, UV_READABLE, on_listen) : uv_poll_stop(&s->listen);
}
