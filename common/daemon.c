/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a daemon: control channel, configuration in two phases, Status, orderly stop. Runs in
 * vrrpd, syncd, netcfgd and activated; owns the loop, the current config and the one being
 * prepared.
 */
#include "common/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sanitizer.h"
#include "common/timer.h"

#define STOP_DEADLINE (5 * USEC_PER_SEC)
#define MAX_ERRORS    8
#define MAX_RULES     32
#define STATUS_MAX    ((size_t)512 << 10)
/* The version is not in it yet. */
#define STATUS_SENT_MAX (IPC_MAX - 16)

struct remembered {
	char text[256];
	usec_t at;
};

struct daemon {
	const struct daemon_ops *ops;
	void *owner;
	uv_loop_t loop;
	const char *rundir;
	struct ipc_conn *control; /* NULL: closed */
	struct ipc_server *server;
	struct ipc_rule rules[MAX_RULES];
	uv_signal_t sigterm;
	struct timer deadline;

	struct config *current, *prepared;
	uint64_t generation, prepared_generation;
	bool ready, stopping, stopped;
	int exit_status;

	usec_t started, state_since;
	char state[32], reason[256];
	struct remembered errors[MAX_ERRORS]; /* a ring */
	size_t n_errors;                      /* ever */
	struct arena *scratch;
};

/* The fds, the signals and the rules' owner are the process's, and so is this. */
static struct daemon self;

/* --- what the daemon calls ------------------------------------------------------------------- */

uv_loop_t *daemon_loop(struct daemon *d)
{
	return &d->loop;
}

const char *daemon_rundir(const struct daemon *d)
{
	return d->rundir;
}

const char *daemon_socket(const struct daemon *d, const char *name, char out[DAEMON_PATH_MAX])
{
	snprintf(out, DAEMON_PATH_MAX, "%s/%s.sock", d->rundir, name);
	return out;
}

struct ipc_server *daemon_server(struct daemon *d)
{
	return d->server;
}

void daemon_ready(struct daemon *d)
{
	Gp__Ready ready = GP__READY__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	if (d->ready || d->control == NULL)
		return;
	d->ready = true;
	ready.generation = d->generation;
	e.body_case = GP__ENVELOPE__BODY_READY;
	e.ready = &ready;
	ipc_send(d->control, &e);
}

void daemon_stopped(struct daemon *d)
{
	d->stopped = true;
	uv_stop(&d->loop);
}

void daemon_error(struct daemon *d, const char *fmt, ...)
{
	struct remembered *r = &d->errors[d->n_errors++ % MAX_ERRORS];
	char text[sizeof(r->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(r->text, text, sizeof(text));
	r->at = clock_now_us();
	log_err("%s", text);
}

void daemon_state(struct daemon *d, const char *state, const char *fmt, ...)
{
	char reason[sizeof(d->reason)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (strncmp(d->state, state, sizeof(d->state) - 1) != 0) {
		log_notice("state %s → %s: %s", d->state, state, reason);
		snprintf(d->state, sizeof(d->state), "%s", state);
		d->state_since = clock_now_us();
	}
	memcpy(d->reason, reason, sizeof(reason));
}

/* --- status ---------------------------------------------------------------------------------- */

static uint64_t ago_ms(usec_t now, usec_t then)
{
	return now > then ? (uint64_t)((now - then) / USEC_PER_MS) : 0;
}

static void status_errors(struct daemon *d, Gp__Status *st, usec_t now)
{
	size_t n = d->n_errors < MAX_ERRORS ? d->n_errors : MAX_ERRORS;
	Gp__LastError *errors = arena_array(d->scratch, n, sizeof(*errors));

	st->errors = arena_array(d->scratch, n, sizeof(*st->errors));
	if (errors == NULL || st->errors == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		struct remembered *r = &d->errors[(d->n_errors - 1 - i) % MAX_ERRORS];

		gp__last_error__init(&errors[i]);
		errors[i].text = r->text;
		errors[i].ago_ms = ago_ms(now, r->at);
		st->errors[i] = &errors[i];
	}
	st->n_errors = n;
}

/* After the daemon's own. */
static void status_ipc_counters(struct daemon *d, Gp__Status *st)
{
	Gp__Counter *counters = arena_array(d->scratch, IPC_N_COUNTERS, sizeof(*counters));
	Gp__Counter **all = arena_array(
		d->scratch, st->n_counters + IPC_N_COUNTERS, sizeof(struct Gp__Counter *));
	size_t n;

	if (counters == NULL || all == NULL)
		return;
	if (st->n_counters > 0)
		memcpy(all, st->counters, st->n_counters * sizeof(*all));
	n = ipc_server_counters(d->server, counters, IPC_N_COUNTERS);
	for (size_t i = 0; i < n; i++)
		all[st->n_counters + i] = &counters[i];
	st->counters = all;
	st->n_counters += n;
}

static void on_status_request(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	static char version[] = GATEPAIR_VERSION;
	struct daemon *d = &self;
	usec_t now = clock_now_us();
	Gp__Envelope answer = GP__ENVELOPE__INIT;
	Gp__Status st = GP__STATUS__INIT;

	arena_reset(d->scratch);
	st.daemon = arena_strdup(d->scratch, d->ops->name);
	st.version = version;
	st.pid = (uint32_t)getpid();
	st.uptime_ms = ago_ms(now, d->started);
	st.config_generation = d->generation;
	st.state = d->state;
	st.state_age_ms = ago_ms(now, d->state_since);
	st.reason = d->reason;
	if (d->current != NULL)
		d->ops->status(owner, &st, d->scratch);
	status_ipc_counters(d, &st);
	status_errors(d, &st, now);
	answer.id = e->id;
	answer.body_case = GP__ENVELOPE__BODY_STATUS;
	answer.status = &st;
	/* Hundreds of addresses: what matters most is not in the detail. */
	if (gp__envelope__get_packed_size(&answer) > STATUS_SENT_MAX)
		st.detail_case = GP__STATUS__DETAIL__NOT_SET;
	ipc_send(c, &answer);
}

/* --- stop ------------------------------------------------------------------------------------ */

static void begin_stop(struct daemon *d, const char *why)
{
	if (d->stopping)
		return;
	d->stopping = true;
	log_notice("stopping: %s", why);
	timer_set(&d->deadline, clock_now_us() + STOP_DEADLINE);
	if (d->current != NULL)
		d->ops->stop(d->owner);
	else
		daemon_stopped(d);
}

static void on_deadline(struct timer *t, usec_t now)
{
	struct daemon *d = t->owner;

	(void)now;
	log_err("the orderly stop took longer than 5 s, exiting without it");
	d->exit_status = EXIT_FAILURE;
	daemon_stopped(d);
}

static void on_sigterm(uv_signal_t *handle, int signum)
{
	(void)signum;
	begin_stop(handle->data, "SIGTERM");
}

static void on_control_closed(struct ipc_conn *c, void *owner)
{
	(void)c;
	(void)owner;
	self.control = NULL;
	begin_stop(&self, "the control channel closed, the supervisor is gone");
}

/* --- control channel ------------------------------------------------------------------------- */

static void on_prepare(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct daemon *d = &self;
	struct config *cfg = NULL;
	char why[512] = "";
	int r;

	if (d->stopping) {
		ipc_reply_error(c, e->id, -ESHUTDOWN, "%s: is stopping", d->ops->name);
		return;
	}
	r = config_unpack(e->prepare->config, &cfg, why, sizeof(why));
	if (r == 0)
		r = d->ops->prepare(owner, cfg, why, sizeof(why));
	if (r < 0) {
		config_free(cfg);
		ipc_reply_error(c, e->id, r, "%s: %s", d->ops->name, why);
		return;
	}
	config_free(d->prepared);
	d->prepared = cfg;
	d->prepared_generation = e->prepare->generation;
	ipc_reply_ack(c, e->id);
}

static void on_commit(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct daemon *d = &self;
	struct config *old = d->current;

	if (d->stopping || d->prepared == NULL || d->prepared_generation != e->commit->generation) {
		ipc_reply_error(c, e->id, -ESTALE, "%s: generation %llu is not prepared",
			d->ops->name, (unsigned long long)e->commit->generation);
		return;
	}
	d->current = d->prepared;
	d->prepared = NULL;
	d->generation = d->prepared_generation;
	d->ops->commit(owner, d->current);
	config_free(old);
	ipc_reply_ack(c, e->id);
	if (old == NULL && !d->stopping && ipc_server_accept(d->server, true) < 0)
		begin_stop(d, "cannot poll the listening socket");
}

static void on_abort(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct daemon *d = &self;

	(void)owner;
	if (d->prepared != NULL && d->prepared_generation == e->abort->generation) {
		config_free(d->prepared);
		d->prepared = NULL;
	}
	ipc_reply_ack(c, e->id);
}

static void on_stop(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	(void)c;
	(void)e;
	(void)owner;
	begin_stop(&self, "the supervisor says so");
}

static void on_daemon_health(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	const Gp__DaemonHealth *h = e->daemon_health;

	(void)c;
	/* Without a config nothing depends on it yet; the supervisor tells again after the commit.
	 */
	if (self.ops->daemon_health != NULL && self.current != NULL)
		self.ops->daemon_health(owner, h->daemon, h->healthy, h->reason);
}

static const struct ipc_rule control_rules[] = {
	{GP__ENVELOPE__BODY_PREPARE, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_prepare},
	{GP__ENVELOPE__BODY_COMMIT, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_commit},
	{GP__ENVELOPE__BODY_ABORT, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_abort},
	{GP__ENVELOPE__BODY_STOP, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_stop},
	{GP__ENVELOPE__BODY_STATUS_REQUEST, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_status_request},
	{GP__ENVELOPE__BODY_DAEMON_HEALTH, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_daemon_health},
};

static const struct ipc_server_ops control_ops = {
	.rules = control_rules,
	.n_rules = sizeof(control_rules) / sizeof(control_rules[0]),
	.conn_closed = on_control_closed,
};

/* --- start ----------------------------------------------------------------------------------- */

static int open_server(struct daemon *d)
{
	struct ipc_server_ops ops = {
		.rules = d->rules,
		.n_rules = d->ops->n_rules + 1,
		.state_bit = d->ops->state_bit,
		.conn_closed = d->ops->conn_closed,
	};
	int r;

	if (ops.n_rules > MAX_RULES)
		return -E2BIG;
	d->rules[0] = (struct ipc_rule){GP__ENVELOPE__BODY_STATUS_REQUEST,
		IPC_MAY_QUERY | IPC_DAEMONS, IPC_ANY_STATE, NULL, on_status_request};
	for (size_t i = 0; i < d->ops->n_rules; i++)
		d->rules[i + 1] = d->ops->rules[i];
	r = ipc_server_new(&d->loop, DAEMON_LISTEN_FD, &ops, d->owner, &d->server);
	return r < 0 ? r : ipc_server_accept(d->server, false);
}

static int open_all(struct daemon *d)
{
	int r;

	d->scratch = arena_new(STATUS_MAX);
	if (d->scratch == NULL)
		return -ENOMEM;
	r = uv_signal_init(&d->loop, &d->sigterm);
	if (r < 0)
		return r;
	d->sigterm.data = d;
	r = uv_signal_start(&d->sigterm, on_sigterm, SIGTERM);
	if (r < 0)
		return r;
	r = timer_init(&d->deadline, &d->loop, on_deadline, d);
	if (r < 0)
		return r;
	r = open_server(d);
	if (r < 0)
		return r;
	return ipc_conn_adopt(
		&d->loop, DAEMON_CONTROL_FD, IPC_SUPERVISOR, &control_ops, d->owner, &d->control);
}

static bool started_by_supervisor(void)
{
	return fcntl(DAEMON_CONTROL_FD, F_SETFD, FD_CLOEXEC) == 0 &&
	       fcntl(DAEMON_LISTEN_FD, F_SETFD, FD_CLOEXEC) == 0;
}

int daemon_run(const struct daemon_ops *ops, void *owner,
	int (*init)(void *owner, struct daemon *d, uv_loop_t *loop))
{
	struct daemon *d = &self;
	const char *rundir = getenv("GATEPAIR_RUNDIR");
	int r;

	log_init(ops->name);
	if (!started_by_supervisor() || rundir == NULL) {
		log_err("%s is started by the supervisor, not by hand", ops->name);
		return EXIT_FAILURE;
	}
	/* Keys are in this memory: no core file, and no tracer but root. */
	if (!GATEPAIR_ASAN && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_warn("core files cannot be turned off: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	d->ops = ops;
	d->owner = owner;
	d->rundir = rundir;
	d->started = d->state_since = clock_now_us();
	snprintf(d->state, sizeof(d->state), "Starting");
	snprintf(d->reason, sizeof(d->reason), "waiting for the configuration");
	r = uv_loop_init(&d->loop);
	if (r == 0)
		r = open_all(d);
	if (r == 0)
		r = init(owner, d, &d->loop);
	if (r < 0) {
		log_err("cannot start: %s", uv_strerror(r));
		return EXIT_FAILURE;
	}
	/* What is on the loop stays there: closing it would run the owner's callbacks once more,
	 * after it was told that it is over. The kernel closes everything at once. */
	while (!d->stopped)
		uv_run(&d->loop, UV_RUN_DEFAULT);
	return d->exit_status;
}
