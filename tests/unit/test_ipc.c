/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPC end to end: the access table by real credentials (root needed), the client's requests,
 * timeouts and reconnects, the control channel.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/ipc_bed.h"

static struct bed bed;

static int setup(void **state)
{
	(void)state;
	bed_open(&bed);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_close(&bed);
	return 0;
}

/* --- who may what ---------------------------------------------------------------------------- */

/* Connects with the effective identity of a user and groups: that is what the kernel reports. */
static int connect_as(unsigned uid, unsigned gid, gid_t group)
{
	int fd;

	if (geteuid() != 0)
		fail_msg("this test needs root: it connects as other users");
	assert_int_equal(setgroups(group != 0, &group), 0);
	assert_int_equal(setegid(gid), 0);
	assert_int_equal(seteuid(uid), 0);
	fd = bed_connect(&bed);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	return fd;
}

static int ask_as(int fd, Gp__Envelope__BodyCase body)
{
	Gp__LeaseRequest lease = GP__LEASE_REQUEST__INIT;
	int r;

	bed_send(fd, 7, body, &lease);
	r = bed_answer(&bed, fd);
	close(fd);
	bed_turn(&bed, 3);
	return r;
}

struct who {
	const char *user, *group, *supplementary;
	int status, switchover, lease;
};

static const struct who whos[] = {
	{"root", NULL, NULL, 0, 0, -EPERM},
	{"gatepair-vrrpd", NULL, NULL, 0, -EPERM, 0},
	{"gatepair-syncd", NULL, NULL, 0, -EPERM, -EPERM},
	{"gatepair-netcfgd", NULL, NULL, 0, -EPERM, -EPERM},
	{"nobody", "gatepair", NULL, 0, -EPERM, -EPERM},
	{"nobody", NULL, "gatepair", 0, -EPERM, -EPERM},
	{"nobody", "gatepair-admin", NULL, 0, 0, -EPERM},
	{"nobody", NULL, "gatepair-admin", 0, 0, -EPERM},
	{"nobody", NULL, NULL, -EPERM, -EPERM, -EPERM},
};

static void identities(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(whos) / sizeof(whos[0]); i++) {
		const struct who *w = &whos[i];
		const struct passwd *pw = getpwnam(w->user);
		unsigned uid, gid;
		gid_t group = w->supplementary != NULL ? bed_gid(w->supplementary) : 0;

		if (pw == NULL)
			fail_msg("no user %s: run make deps", w->user);
		uid = pw->pw_uid;
		gid = w->group != NULL ? bed_gid(w->group) : pw->pw_gid;
		assert_int_equal(
			ask_as(connect_as(uid, gid, group), GP__ENVELOPE__BODY_STATUS_REQUEST),
			w->status);
		assert_int_equal(
			ask_as(connect_as(uid, gid, group), GP__ENVELOPE__BODY_SWITCHOVER_REQUEST),
			w->switchover);
		assert_int_equal(
			ask_as(connect_as(uid, gid, group), GP__ENVELOPE__BODY_LEASE_REQUEST),
			w->lease);
	}
	assert_int_equal(bed.handled, 8 + 3 + 1);
	assert_int_equal(bed_counter(&bed, IPC_WRONG_IDENTITY), 3 * 9 - 12);
	assert_int_equal(bed.closed, 3 * 9 - 3);
}

static void wrong_state_keeps_the_connection(void **state)
{
	int fd = bed_connect(&bed);

	(void)state;
	bed.state = 2;
	bed_send(fd, 1, GP__ENVELOPE__BODY_SWITCHOVER_REQUEST, NULL);
	assert_int_equal(bed_answer(&bed, fd), -EBUSY);
	bed.state = 1;
	bed_send(fd, 2, GP__ENVELOPE__BODY_SWITCHOVER_REQUEST, NULL);
	assert_int_equal(bed_answer(&bed, fd), 0);
	assert_int_equal(bed_counter(&bed, IPC_WRONG_STATE), 1);
	assert_int_equal(bed_counter(&bed, IPC_ACCEPTED), 1);
	close(fd);
}

static void failed_check_closes(void **state)
{
	Gp__LeaseRequest lease = GP__LEASE_REQUEST__INIT;
	const struct passwd *pw = getpwnam("gatepair-vrrpd");
	int fd;

	(void)state;
	if (pw == NULL)
		fail_msg("no user gatepair-vrrpd: run make deps");
	fd = connect_as(pw->pw_uid, pw->pw_gid, 0);
	lease.ttl_us = USEC_PER_SEC + 1;
	bed_send(fd, 1, GP__ENVELOPE__BODY_LEASE_REQUEST, &lease);
	assert_int_equal(bed_answer(&bed, fd), -EINVAL);
	assert_int_equal(bed_answer(&bed, fd), -EPIPE);
	assert_int_equal(bed_counter(&bed, IPC_CHECK_FAILED), 1);
	assert_int_equal(bed.handled, 0);
	close(fd);
}

/* --- the client ------------------------------------------------------------------------------ */

static struct {
	struct ipc_client *c;
	bool up, down, answered, closed, notified;
	unsigned ups, answers;
	int err;
	uint64_t cookie;
} cl;

static void on_up(struct ipc_client *c, void *owner)
{
	(void)owner;
	cl.c = c;
	cl.up = true;
	cl.ups++;
}

static void on_down(struct ipc_client *c, void *owner)
{
	(void)owner;
	assert_false(ipc_client_is_up(c));
	cl.down = true;
}

static void on_notify(struct ipc_client *c, const Gp__Envelope *e, void *owner)
{
	(void)c;
	(void)owner;
	cl.notified = e->body_case == GP__ENVELOPE__BODY_ACK;
}

static void on_answer(const Gp__Envelope *answer, int err, void *owner, uint64_t cookie)
{
	(void)owner;
	assert_true((answer == NULL) == (err != 0));
	cl.answered = true;
	cl.answers++;
	cl.err = err;
	cl.cookie = cookie;
}

static void on_client_closed(void *owner)
{
	(void)owner;
	cl.closed = true;
}

static const struct ipc_client_ops client_ops = {on_up, on_down, on_notify};

static void client_open(void)
{
	memset(&cl, 0, sizeof(cl));
	assert_int_equal(ipc_client_new(&bed.loop, bed.path, &client_ops, NULL, &cl.c), 0);
	assert_true(bed_until(&bed, &cl.up));
}

static void client_close(void)
{
	ipc_client_close(cl.c, on_client_closed);
	assert_true(bed_until(&bed, &cl.closed));
}

static int ask(Gp__Envelope__BodyCase body, usec_t timeout, uint64_t cookie)
{
	Gp__StatusRequest rq = GP__STATUS_REQUEST__INIT;
	Gp__LinkSubscribe sub = GP__LINK_SUBSCRIBE__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	e.body_case = body;
	if (body == GP__ENVELOPE__BODY_STATUS_REQUEST)
		e.status_request = &rq;
	else
		e.link_subscribe = &sub;
	cl.answered = false;
	return ipc_client_ask(cl.c, &e, timeout, on_answer, cookie);
}

static void client_asks(void **state)
{
	Gp__Ack ack = GP__ACK__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	(void)state;
	client_open();
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, USEC_PER_SEC, i), 0);
		assert_true(bed_until(&bed, &cl.answered));
		assert_int_equal(cl.err, 0);
		assert_int_equal(cl.cookie, i);
	}
	assert_int_equal(ask(GP__ENVELOPE__BODY_LINK_SUBSCRIBE, USEC_PER_SEC, 0), 0);
	assert_true(bed_until(&bed, &cl.answered));
	e.body_case = GP__ENVELOPE__BODY_ACK;
	e.ack = &ack;
	ipc_broadcast(bed.server, &e);
	assert_true(bed_until(&bed, &cl.notified));
	client_close();
}

static void client_times_out(void **state)
{
	usec_t start;

	(void)state;
	client_open();
	bed.mute = true;
	start = clock_now_us();
	assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, 20 * USEC_PER_MS, 1), 0);
	assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, 5 * USEC_PER_MS, 2), 0);
	assert_true(bed_until(&bed, &cl.answered));
	assert_int_equal(cl.err, -ETIMEDOUT);
	assert_int_equal(cl.cookie, 2);
	cl.answered = false;
	assert_true(bed_until(&bed, &cl.answered));
	assert_int_equal(cl.cookie, 1);
	assert_true(clock_now_us() - start >= 20 * USEC_PER_MS);
	assert_true(ipc_client_is_up(cl.c));
	client_close();
}

static void client_has_a_limit(void **state)
{
	(void)state;
	client_open();
	bed.mute = true;
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, USEC_PER_SEC, i), 0);
	assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, USEC_PER_SEC, 64), -EAGAIN);
	client_close();
	assert_int_equal(cl.answers, 64);
	assert_int_equal(cl.err, -ECONNRESET);
}

static void client_reconnects(void **state)
{
	(void)state;
	client_open();
	assert_int_equal(ask(GP__ENVELOPE__BODY_LINK_SUBSCRIBE, USEC_PER_SEC, 1), 0);
	assert_true(bed_until(&bed, &cl.answered));
	bed.mute = true;
	assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, USEC_PER_SEC, 2), 0);
	cl.up = false;
	ipc_conn_close(bed.subscriber);
	assert_true(bed_until(&bed, &cl.down));
	assert_true(cl.answered);
	assert_int_equal(cl.err, -ECONNRESET);
	assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, USEC_PER_SEC, 3), -ENOTCONN);
	assert_true(bed_until(&bed, &cl.up));
	bed.mute = false;
	assert_int_equal(ask(GP__ENVELOPE__BODY_STATUS_REQUEST, USEC_PER_SEC, 4), 0);
	assert_true(bed_until(&bed, &cl.answered));
	assert_int_equal(cl.err, 0);
	assert_int_equal(cl.ups, 2);
	client_close();
}

/* No socket there at first: tried again until there is one. */
static void client_waits_for_the_socket(void **state)
{
	struct ipc_client *c;
	char moved[128];

	(void)state;
	memset(&cl, 0, sizeof(cl));
	snprintf(moved, sizeof(moved), "%s.away", bed.path);
	assert_int_equal(rename(bed.path, moved), 0);
	assert_int_equal(ipc_client_new(&bed.loop, bed.path, &client_ops, NULL, &c), 0);
	for (int i = 0; i < 20; i++) {
		bed_turn(&bed, 1);
		usleep(500);
	}
	assert_false(cl.up);
	assert_int_equal(rename(moved, bed.path), 0);
	assert_true(bed_until(&bed, &cl.up));
	cl.c = c;
	client_close();
}

/* What a client left unread when it hung up is not carried out. */
static void hung_up_requests_are_discarded(void **state)
{
	int fd = bed_connect(&bed);

	(void)state;
	bed_turn(&bed, 2);
	bed_send(fd, 1, GP__ENVELOPE__BODY_SWITCHOVER_REQUEST, NULL);
	close(fd);
	bed_turn(&bed, 5);
	assert_int_equal(bed.handled, 0);
	assert_int_equal(bed.closed, 1);
}

static void paused_server_keeps_clients_waiting(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(ipc_server_accept(bed.server, false), 0);
	fd = bed_connect(&bed);
	bed_send(fd, 1, GP__ENVELOPE__BODY_STATUS_REQUEST, NULL);
	assert_int_equal(bed_answer(&bed, fd), -EAGAIN);
	assert_int_equal(ipc_server_accept(bed.server, true), 0);
	assert_int_equal(bed_answer(&bed, fd), 0);
	close(fd);
}

/* --- the control channel --------------------------------------------------------------------- */

static unsigned control_handled;
static bool control_closed;

static void on_control(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	(void)owner;
	assert_int_equal(ipc_conn_identities(c), IPC_SUPERVISOR);
	control_handled++;
	ipc_reply_ack(c, e->id);
}

static void on_control_closed(struct ipc_conn *c, void *owner)
{
	(void)c;
	(void)owner;
	control_closed = true;
}

static void control_channel(void **state)
{
	static const struct ipc_rule rule = {
		GP__ENVELOPE__BODY_STATUS_REQUEST, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_control};
	const struct ipc_server_ops control = {
		.rules = &rule, .n_rules = 1, .conn_closed = on_control_closed};
	struct ipc_conn *c;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ipc_conn_adopt(&bed.loop, pair[0], IPC_SUPERVISOR, &control, NULL, &c), 0);
	bed_send(pair[1], 5, GP__ENVELOPE__BODY_STATUS_REQUEST, NULL);
	assert_int_equal(bed_answer(&bed, pair[1]), 0);
	assert_int_equal(control_handled, 1);
	close(pair[1]);
	assert_true(bed_until(&bed, &control_closed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(identities, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_state_keeps_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_check_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(client_asks, setup, teardown),
		cmocka_unit_test_setup_teardown(client_times_out, setup, teardown),
		cmocka_unit_test_setup_teardown(client_has_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(client_reconnects, setup, teardown),
		cmocka_unit_test_setup_teardown(client_waits_for_the_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(hung_up_requests_are_discarded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			paused_server_keeps_clients_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(control_channel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
