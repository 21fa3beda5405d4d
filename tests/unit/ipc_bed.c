/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ipc_bed.h. */
#include "tests/unit/ipc_bed.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static unsigned state_bit(void *owner)
{
	return ((struct bed *)owner)->state;
}

static void conn_closed(struct ipc_conn *c, void *owner)
{
	struct bed *b = owner;

	b->closed++;
	if (b->subscriber == c)
		b->subscriber = NULL;
}

static void handle(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct bed *b = owner;

	b->handled++;
	if (!b->mute)
		ipc_reply_ack(c, e->id);
}

static void handle_subscribe(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct bed *b = owner;

	b->subscriber = c;
	ipc_conn_set_data(c, b);
	handle(c, e, owner);
}

static const char *check_lease(const Gp__Envelope *e)
{
	return e->lease_request->ttl_us <= USEC_PER_SEC ? NULL : "ttl_us: at most 1 s";
}

static const struct ipc_rule rules[] = {
	{GP__ENVELOPE__BODY_STATUS_REQUEST, IPC_MAY_QUERY | IPC_DAEMONS, IPC_ANY_STATE, NULL,
		handle},
	{GP__ENVELOPE__BODY_SWITCHOVER_REQUEST, IPC_MAY_COMMAND, 1, NULL, handle},
	{GP__ENVELOPE__BODY_LEASE_REQUEST, IPC_VRRPD, IPC_ANY_STATE, check_lease, handle},
	{GP__ENVELOPE__BODY_LINK_SUBSCRIBE, IPC_VRRPD | IPC_MAY_COMMAND, IPC_ANY_STATE, NULL,
		handle_subscribe},
};

static const struct ipc_server_ops ops = {
	.rules = rules,
	.n_rules = sizeof(rules) / sizeof(rules[0]),
	.state_bit = state_bit,
	.conn_closed = conn_closed,
};

void bed_open(struct bed *b)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	*b = (struct bed){.state = 1};
	snprintf(b->dir, sizeof(b->dir), "/tmp/gatepair-ipc-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	assert_int_equal(chmod(b->dir, 0755), 0);
	snprintf(b->path, sizeof(b->path), "%s/test.sock", b->dir);
	memcpy(addr.sun_path, b->path, sizeof(b->path));
	b->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(chmod(b->path, 0666), 0);
	assert_int_equal(listen(b->listen_fd, 128), 0);
	assert_int_equal(uv_loop_init(&b->loop), 0);
	assert_int_equal(ipc_server_new(&b->loop, b->listen_fd, &ops, b, &b->server), 0);
}

static void on_server_closed(void *owner)
{
	((struct bed *)owner)->server_closed = true;
}

void bed_close(struct bed *b)
{
	ipc_server_close(b->server, on_server_closed);
	assert_true(bed_until(b, &b->server_closed));
	assert_int_equal(uv_loop_close(&b->loop), 0);
	close(b->listen_fd);
	unlink(b->path);
	rmdir(b->dir);
}

bool bed_until(struct bed *b, const bool *flag)
{
	usec_t deadline = clock_now_us() + 2 * USEC_PER_SEC;

	while (!*flag && clock_now_us() < deadline) {
		if (uv_run(&b->loop, UV_RUN_NOWAIT) == 0 && !*flag)
			break;
		usleep(50);
	}
	return *flag;
}

void bed_turn(struct bed *b, int times)
{
	for (int i = 0; i < times; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
}

uint64_t bed_counter(const struct bed *b, enum ipc_refusal which)
{
	Gp__Counter counters[IPC_N_COUNTERS];

	assert_int_equal(ipc_server_counters(b->server, counters, IPC_N_COUNTERS), IPC_N_COUNTERS);
	assert_string_equal(counters[which].name, ipc_refusal_name(which));
	return counters[which].value;
}

unsigned bed_gid(const char *group)
{
	const struct group *gr = getgrnam(group);

	if (gr == NULL)
		fail_msg("no group %s: run make deps", group);
	return gr->gr_gid;
}

int bed_connect(const struct bed *b)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, b->path, sizeof(b->path));
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

void bed_send(int fd, uint64_t id, Gp__Envelope__BodyCase body, void *message)
{
	static uint8_t tx[IPC_MAX];
	Gp__StatusRequest empty = GP__STATUS_REQUEST__INIT;
	Gp__SwitchoverRequest switchover = GP__SWITCHOVER_REQUEST__INIT;
	Gp__LinkSubscribe subscribe = GP__LINK_SUBSCRIBE__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	ssize_t n;

	e.id = id;
	e.body_case = body;
	/* The union's members are all pointers: any of them sets the body. */
	if (body == GP__ENVELOPE__BODY_STATUS_REQUEST)
		e.status_request = &empty;
	else if (body == GP__ENVELOPE__BODY_SWITCHOVER_REQUEST)
		e.switchover_request = &switchover;
	else if (body == GP__ENVELOPE__BODY_LINK_SUBSCRIBE)
		e.link_subscribe = &subscribe;
	else
		e.lease_request = message;
	n = ipc_wire_encode(&e, tx);
	assert_true(n > 0);
	assert_int_equal(send(fd, tx, (size_t)n, MSG_NOSIGNAL), n);
}

static int read_answer(int fd)
{
	static uint8_t rx[IPC_MAX];
	ssize_t n = recv(fd, rx, sizeof(rx), MSG_DONTWAIT);
	Gp__Envelope *e;
	int r;

	/* A reset is reported once, before what the server said last. */
	if (n < 0)
		return errno == EAGAIN || errno == ECONNRESET ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	assert_int_equal(ipc_wire_check(rx, (size_t)n), IPC_ACCEPTED);
	e = gp__envelope__unpack(NULL, (size_t)n, rx);
	assert_non_null(e);
	r = e->body_case == GP__ENVELOPE__BODY_ERROR ? e->error->code : 0;
	gp__envelope__free_unpacked(e, NULL);
	return r;
}

int bed_answer(struct bed *b, int fd)
{
	int r = -EAGAIN;

	for (int i = 0; i < 200 && r == -EAGAIN; i++) {
		bed_turn(b, 1);
		r = read_answer(fd);
	}
	return r;
}
