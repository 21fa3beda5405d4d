/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a daemon, seen from the supervisor's end of the control channel. This program runs
 * itself as the daemon: it is exec'd as a real one is, with the same descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/daemon.h"
#include "common/ipc_priv.h"
#include "common/log.h"
#include "common/sandbox.h"

/* --- the daemon ------------------------------------------------------------------------------ */

static struct daemon *me;

static int init(void *owner, struct daemon *d, uv_loop_t *loop)
{
	(void)owner;
	(void)loop;
	me = d;
	return sandbox_seal(NULL, 0);
}

static int prepare(void *owner, const struct config *cfg, char *why, size_t why_size)
{
	(void)owner;
	if (strcmp(cfg->node, "refuse-me") != 0)
		return 0;
	snprintf(why, why_size, "node: not this name");
	return -EINVAL;
}

static bool large;

static void commit(void *owner, const struct config *cfg)
{
	(void)owner;
	large = strcmp(cfg->node, "large") == 0;
	daemon_state(me, "Working", "config of %s", cfg->node);
	daemon_error(me, "an error of %s", cfg->node);
	daemon_ready(me);
}

/* A detail of more than one datagram. */
static void add_detail(Gp__Status *st, struct arena *scratch)
{
	static char text[] = "a condition that is not worth mentioning but for its length";
	Gp__VrrpdStatus *v = arena_alloc(scratch, sizeof(*v));

	gp__vrrpd_status__init(v);
	v->role = v->role_reason = text;
	v->n_conditions = large ? 1500 : 15;
	v->conditions = arena_array(scratch, v->n_conditions, sizeof(*v->conditions));
	for (size_t i = 0; i < v->n_conditions; i++)
		v->conditions[i] = text;
	st->detail_case = GP__STATUS__DETAIL_VRRPD;
	st->vrrpd = v;
}

static void status(void *owner, Gp__Status *st, struct arena *scratch)
{
	Gp__Counter *c = arena_alloc(scratch, sizeof(*c));
	static char name[] = "own_counter";

	(void)owner;
	gp__counter__init(c);
	c->name = name;
	c->value = 42;
	st->counters = arena_alloc(scratch, sizeof(struct Gp__Counter *));
	st->counters[0] = c;
	st->n_counters = 1;
	add_detail(st, scratch);
}

static void stop(void *owner)
{
	(void)owner;
	daemon_stopped(me);
}

static const struct daemon_ops ops = {
	.name = "testd", .prepare = prepare, .commit = commit, .status = status, .stop = stop};

/* --- the supervisor's end -------------------------------------------------------------------- */

static struct {
	pid_t pid;
	int control, listen_fd;
	char path[64];
	Gp__Envelope *got;
} sv;

static const char *self_path;

static void send_body(uint64_t id, Gp__Envelope__BodyCase body, void *message)
{
	static uint8_t tx[IPC_MAX];
	Gp__Envelope e = GP__ENVELOPE__INIT;
	ssize_t n;

	e.id = id;
	e.body_case = body;
	e.prepare = message; /* all members of the union are pointers */
	n = ipc_wire_encode(&e, tx);
	assert_true(n > 0);
	assert_int_equal(send(sv.control, tx, (size_t)n, MSG_NOSIGNAL), n);
}

static Gp__Envelope *receive(void)
{
	static uint8_t rx[IPC_MAX];
	struct pollfd p = {.fd = sv.control, .events = POLLIN};
	ssize_t n;

	gp__envelope__free_unpacked(sv.got, NULL);
	sv.got = NULL;
	assert_int_equal(poll(&p, 1, 2000), 1);
	n = recv(sv.control, rx, sizeof(rx), 0);
	assert_true(n > 0);
	assert_int_equal(ipc_wire_check(rx, (size_t)n), IPC_ACCEPTED);
	sv.got = gp__envelope__unpack(NULL, (size_t)n, rx);
	return sv.got;
}

static void send_prepare(uint64_t id, uint64_t generation, const char *node)
{
	char name[32];
	Gp__Config config = GP__CONFIG__INIT;
	Gp__Prepare m = GP__PREPARE__INIT;

	snprintf(name, sizeof(name), "%s", node);
	config.node = name;
	config.has_model = 1;
	config.model = CONFIG_MODEL_GENERIC;
	m.generation = generation;
	m.config = &config;
	send_body(id, GP__ENVELOPE__BODY_PREPARE, &m);
}

static void send_commit(uint64_t id, uint64_t generation)
{
	Gp__Commit m = GP__COMMIT__INIT;

	m.generation = generation;
	send_body(id, GP__ENVELOPE__BODY_COMMIT, &m);
}

static int spawn(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int pair[2];

	(void)state;
	snprintf(sv.path, sizeof(sv.path), "/tmp/gatepair-testd-%d.sock", (int)getpid());
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", sv.path);
	unlink(sv.path);
	sv.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(sv.listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(sv.listen_fd, 16) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	sv.control = pair[0];
	sv.pid = fork();
	if (sv.pid == 0) {
		int control = fcntl(pair[1], F_DUPFD, 10),
		    listening = fcntl(sv.listen_fd, F_DUPFD, 10);

		dup2(control, DAEMON_CONTROL_FD);
		dup2(listening, DAEMON_LISTEN_FD);
		close(control);
		close(listening);
		setenv("GATEPAIR_RUNDIR", "/tmp", 1);
		execl(self_path, self_path, "--daemon", (char *)NULL);
		_exit(99);
	}
	close(pair[1]);
	return 0;
}

/* Waits for its end: the exit status, or minus the signal. */
static int reap(void)
{
	int wstatus = 0;

	assert_int_equal(waitpid(sv.pid, &wstatus, 0), sv.pid);
	sv.pid = 0;
	return WIFSIGNALED(wstatus) ? -WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

static int clean(void **state)
{
	(void)state;
	if (sv.pid > 0) {
		kill(sv.pid, SIGKILL);
		reap();
	}
	if (sv.control >= 0)
		close(sv.control);
	close(sv.listen_fd);
	unlink(sv.path);
	gp__envelope__free_unpacked(sv.got, NULL);
	sv.got = NULL;
	return 0;
}

/* Ready comes from within the commit, its Ack right after. */
static void configure(uint64_t generation, const char *node)
{
	send_prepare(1, generation, node);
	assert_int_equal(receive()->body_case, GP__ENVELOPE__BODY_ACK);
	send_commit(2, generation);
	if (receive()->body_case == GP__ENVELOPE__BODY_READY) {
		assert_true(sv.got->ready->generation == generation);
		receive();
	}
	assert_int_equal(sv.got->body_case, GP__ENVELOPE__BODY_ACK);
	assert_int_equal(sv.got->id, 2);
}

static const Gp__Status *ask_status(void)
{
	Gp__StatusRequest m = GP__STATUS_REQUEST__INIT;

	send_body(9, GP__ENVELOPE__BODY_STATUS_REQUEST, &m);
	assert_int_equal(receive()->body_case, GP__ENVELOPE__BODY_STATUS);
	return sv.got->status;
}

/* The supervisor takes a daemon that does not answer for hung. */
static void status_of_any_size_is_answered(void **state)
{
	const Gp__Status *st;

	(void)state;
	configure(1, "gw-01");
	st = ask_status();
	assert_int_equal(st->detail_case, GP__STATUS__DETAIL_VRRPD);
	assert_int_equal(st->vrrpd->n_conditions, 15);
	configure(2, "large");
	st = ask_status();
	assert_int_equal(st->detail_case, GP__STATUS__DETAIL__NOT_SET);
	assert_string_equal(st->reason, "config of large");
}

static void configured_and_asked(void **state)
{
	const Gp__Status *st;

	(void)state;
	st = ask_status();
	assert_string_equal(st->state, "Starting");
	assert_int_equal(st->config_generation, 0);
	configure(7, "gw-01");
	st = ask_status();
	assert_string_equal(st->daemon, "testd");
	assert_string_equal(st->version, GATEPAIR_VERSION);
	assert_int_equal(st->pid, sv.pid);
	assert_int_equal(st->config_generation, 7);
	assert_string_equal(st->state, "Working");
	assert_string_equal(st->reason, "config of gw-01");
	assert_int_equal(st->n_errors, 1);
	assert_string_equal(st->errors[0]->text, "an error of gw-01");
	assert_int_equal(st->n_counters, 1 + IPC_N_COUNTERS);
	assert_string_equal(st->counters[0]->name, "own_counter");
	assert_string_equal(st->counters[1]->name, "ipc_messages");
}

static void errors_are_a_ring(void **state)
{
	const Gp__Status *st;
	char node[32];

	(void)state;
	for (uint64_t i = 1; i <= 20; i++) {
		snprintf(node, sizeof(node), "gw-%d", (int)i);
		configure(i, node);
	}
	st = ask_status();
	assert_int_equal(st->n_errors, 8);
	assert_string_equal(st->errors[0]->text, "an error of gw-20");
	assert_string_equal(st->errors[7]->text, "an error of gw-13");
}

static void two_phases(void **state)
{
	Gp__Abort abort_4 = GP__ABORT__INIT;

	(void)state;
	configure(1, "gw-01");
	send_prepare(3, 2, "refuse-me");
	assert_int_equal(receive()->body_case, GP__ENVELOPE__BODY_ERROR);
	assert_string_equal(sv.got->error->text, "testd: node: not this name");
	send_commit(4, 2);
	assert_int_equal(receive()->body_case, GP__ENVELOPE__BODY_ERROR);
	assert_int_equal(sv.got->error->code, -ESTALE);
	send_prepare(5, 4, "gw-04");
	assert_int_equal(receive()->body_case, GP__ENVELOPE__BODY_ACK);
	abort_4.generation = 4;
	send_body(6, GP__ENVELOPE__BODY_ABORT, &abort_4);
	assert_int_equal(receive()->body_case, GP__ENVELOPE__BODY_ACK);
	send_commit(7, 4);
	assert_int_equal(receive()->body_case, GP__ENVELOPE__BODY_ERROR);
	assert_int_equal(ask_status()->config_generation, 1);
	assert_string_equal(sv.got->status->reason, "config of gw-01");
}

static void public_socket_after_the_commit(void **state)
{
	Gp__StatusRequest m = GP__STATUS_REQUEST__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT, *answer = NULL;

	(void)state;
	e.body_case = GP__ENVELOPE__BODY_STATUS_REQUEST;
	e.status_request = &m;
	assert_int_equal(ipc_call(sv.path, &e, 50 * USEC_PER_MS, &answer), -ETIMEDOUT);
	configure(1, "gw-01");
	assert_int_equal(ipc_call(sv.path, &e, USEC_PER_SEC, &answer), 0);
	assert_int_equal(answer->body_case, GP__ENVELOPE__BODY_STATUS);
	gp__envelope__free_unpacked(answer, NULL);
}

static void stops_when_told(void **state)
{
	Gp__Stop m = GP__STOP__INIT;

	(void)state;
	configure(1, "gw-01");
	send_body(3, GP__ENVELOPE__BODY_STOP, &m);
	assert_int_equal(reap(), 0);
}

static void stops_on_sigterm(void **state)
{
	(void)state;
	configure(1, "gw-01");
	kill(sv.pid, SIGINT);
	kill(sv.pid, SIGHUP);
	ask_status();
	kill(sv.pid, SIGTERM);
	assert_int_equal(reap(), 0);
}

static void stops_without_supervisor(void **state)
{
	(void)state;
	configure(1, "gw-01");
	close(sv.control);
	sv.control = -1;
	assert_int_equal(reap(), 0);
}

static void stops_before_it_began(void **state)
{
	Gp__Stop m = GP__STOP__INIT;

	(void)state;
	send_body(3, GP__ENVELOPE__BODY_STOP, &m);
	assert_int_equal(reap(), 0);
}

/* A killed daemon is back in 20 ms, of which this is the larger part. */
static void starts_fast(void **state)
{
	usec_t best = USEC_NEVER;

	(void)state;
	for (int i = 0; i < 10; i++) {
		usec_t start;

		clean(NULL);
		start = clock_now_us();
		assert_int_equal(spawn(NULL), 0);
		configure(1, "gw-01");
		if (clock_now_us() - start < best)
			best = clock_now_us() - start;
	}
	print_message("fork to configured: %d us\n", (int)best);
	assert_true(best < 100 * USEC_PER_MS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(configured_and_asked, spawn, clean),
		cmocka_unit_test_setup_teardown(status_of_any_size_is_answered, spawn, clean),
		cmocka_unit_test_setup_teardown(errors_are_a_ring, spawn, clean),
		cmocka_unit_test_setup_teardown(two_phases, spawn, clean),
		cmocka_unit_test_setup_teardown(public_socket_after_the_commit, spawn, clean),
		cmocka_unit_test_setup_teardown(stops_when_told, spawn, clean),
		cmocka_unit_test_setup_teardown(stops_on_sigterm, spawn, clean),
		cmocka_unit_test_setup_teardown(stops_without_supervisor, spawn, clean),
		cmocka_unit_test_setup_teardown(stops_before_it_began, spawn, clean),
		cmocka_unit_test_setup_teardown(starts_fast, spawn, clean),
	};

	if (argc > 1 && strcmp(argv[1], "--daemon") == 0)
		return daemon_run(&ops, NULL, init);
	self_path = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
