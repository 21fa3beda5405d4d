/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor at work: carries out what the policy decides, on processes, signals and one timer.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/supervisor/notify.h"
#include "common/supervisor/supervisor.h"

/* Everything a hand-over needs is still there while vrrpd hands over. */
static const char *const stop_order[] = {"activated", "vrrpd", "syncd", "netcfgd"};

static void step(struct child *ch, enum policy_event ev, usec_t now);

const char *child_name(const struct child *ch)
{
	return ch->spawn.role->name;
}

unsigned child_index(const struct child *ch)
{
	return (unsigned)(ch - ch->sup->children);
}

struct child *supervisor_child(struct supervisor *sup, const char *name)
{
	for (unsigned i = 0; i < sup->n_children; i++)
		if (strcmp(child_name(&sup->children[i]), name) == 0)
			return &sup->children[i];
	return NULL;
}

/* --- state and time -------------------------------------------------------------------------- */

static void judge(struct supervisor *sup, const char **state, char why[SUPERVISOR_WHY_MAX])
{
	*state = sup->announced ? "Running" : "Starting";
	snprintf(why, SUPERVISOR_WHY_MAX, "%s",
		sup->announced ? "every daemon does its work" : "daemons are starting");
	if (sup->stopping) {
		*state = "Stopping";
		snprintf(why, SUPERVISOR_WHY_MAX, "asked to stop");
		return;
	}
	for (unsigned i = 0; i < sup->n_children; i++) {
		const struct child *ch = &sup->children[i];

		if (ch->policy.healthy && !ch->refused)
			continue;
		*state = "Degraded";
		if (ch->refused)
			snprintf(why, SUPERVISOR_WHY_MAX, "%s refuses the configuration",
				child_name(ch));
		else
			snprintf(why, SUPERVISOR_WHY_MAX,
				"%s does not do its work: %s, last exit: %s", child_name(ch),
				supervisor_policy_state_to_str(&ch->policy),
				ch->last_exit[0] ? ch->last_exit : "none");
	}
}

static void update_state(struct supervisor *sup, usec_t now)
{
	char why[SUPERVISOR_WHY_MAX], lines[SUPERVISOR_WHY_MAX + 64];
	const char *state;
	bool all_ready = true;

	for (unsigned i = 0; i < sup->n_children; i++)
		all_ready = all_ready && sup->children[i].policy.state == POLICY_READY;
	if (all_ready && !sup->announced && !sup->stopping) {
		sup->announced = true;
		notify_send("READY=1");
	}
	judge(sup, &state, why);
	if (sup->state && strcmp(sup->state, state) == 0) {
		memcpy(sup->reason, why, sizeof(why));
		return;
	}
	log_notice("state %s → %s: %s", sup->state ? sup->state : "none", state, why);
	snprintf(lines, sizeof(lines), "STATUS=%s: %s%s", state, why,
		sup->stopping ? "\nSTOPPING=1" : "");
	notify_send(lines);
	memcpy(sup->reason, why, sizeof(why));
	sup->state = state;
	sup->state_since = now;
}

static usec_t earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

/* After every event. */
void supervisor_settle(struct supervisor *sup, usec_t now)
{
	usec_t due = sup->feed_watchdog;

	update_state(sup, now);
	for (unsigned i = 0; i < sup->n_children; i++)
		due = earlier(due, supervisor_policy_due(&sup->children[i].policy));
	if (sup->reload.phase != RELOAD_IDLE)
		due = earlier(due, sup->reload.deadline);
	timer_set(&sup->tick, due);
}

/* --- health ---------------------------------------------------------------------------------- */

static const char *health_reason(const struct child *ch, char out[SUPERVISOR_WHY_MAX])
{
	if (ch->policy.healthy)
		snprintf(out, SUPERVISOR_WHY_MAX, "%s does its work", child_name(ch));
	else if (ch->policy.state == POLICY_BACKOFF)
		snprintf(out, SUPERVISOR_WHY_MAX, "%s keeps dying (%s)", child_name(ch),
			ch->last_exit);
	else
		snprintf(out, SUPERVISOR_WHY_MAX, "%s is not ready%s", child_name(ch),
			ch->refused ? ": it refuses the configuration" : "");
	return out;
}

void supervisor_tell_health(struct child *about)
{
	struct child *vrrpd = supervisor_child(about->sup, "vrrpd");
	char reason[SUPERVISOR_WHY_MAX];

	if (vrrpd && vrrpd != about && vrrpd->generation != 0)
		control_health(vrrpd, about, health_reason(about, reason));
}

/* --- life and death -------------------------------------------------------------------------- */

void supervisor_warn(const char *line)
{
	log_warn("%s", line);
}

static void forget_process(struct child *ch)
{
	ch->pid = 0;
	ch->generation = 0;
	ch->phase = CHILD_IDLE;
	control_close(ch);
}

static void on_death(struct child *ch, usec_t now)
{
	forget_process(ch);
	step(ch, POLICY_EV_EXITED, now);
	rollout_died(ch, now);
}

static int start_child(struct child *ch, usec_t now)
{
	int fd, r = spawn_start(&ch->spawn, ch->listen_fd, &ch->pid, &fd);

	if (r < 0) {
		log_err("daemon=%s cannot be started: %s", child_name(ch), strerror(-r));
		snprintf(ch->last_exit, sizeof(ch->last_exit), "not started");
		return r;
	}
	ch->started = now;
	ch->generation = 0;
	ch->phase = CHILD_IDLE;
	ch->refused = false;
	r = control_open(ch, fd);
	if (r < 0) {
		/* Without a channel it stops by itself, which is its exit then. */
		log_err("daemon=%s: control channel: %s", child_name(ch), strerror(-r));
		close(fd);
		return 0;
	}
	rollout_catch_up(ch);
	return 0;
}

static void stop_next(struct supervisor *sup, usec_t now)
{
	for (size_t i = 0; i < sizeof(stop_order) / sizeof(stop_order[0]); i++) {
		struct child *ch = supervisor_child(sup, stop_order[i]);

		if (!ch || ch->policy.state == POLICY_STOPPED)
			continue;
		if (ch->policy.state != POLICY_STOPPING)
			step(ch, POLICY_EV_STOP, now);
		if (ch->policy.state != POLICY_STOPPED)
			return;
	}
	uv_stop(&sup->loop);
}

static void step(struct child *ch, enum policy_event ev, usec_t now)
{
	unsigned actions = supervisor_policy_step(&ch->policy, ev, now);

	while (actions & POLICY_SPAWN) {
		actions &= ~(unsigned)POLICY_SPAWN;
		if (start_child(ch, now) < 0)
			actions |= supervisor_policy_step(&ch->policy, POLICY_EV_EXITED, now);
	}
	if ((actions & POLICY_KILL) && ch->pid > 0) {
		log_warn("daemon=%s pid=%d: killed, %s", child_name(ch), ch->pid,
			ch->policy.state == POLICY_STOPPING ? "it does not stop"
			: ch->policy.hung                   ? "it does not answer"
							    : "an operator restarts it");
		kill(ch->pid, SIGKILL);
	}
	if (actions & POLICY_QUERY)
		control_query(ch);
	if (actions & POLICY_ASK_STOP) {
		if (ch->control)
			control_stop(ch);
		else if (ch->pid > 0)
			kill(ch->pid, SIGTERM);
	}
	if (actions & POLICY_TELL_HEALTH)
		supervisor_tell_health(ch);
}

static void reap(struct child *ch, usec_t now)
{
	pid_t pid = ch->pid;
	int status;

	if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid)
		return;
	if (ch->policy.deliberate)
		snprintf(ch->last_exit, sizeof(ch->last_exit), "by command");
	else if (WIFSIGNALED(status))
		snprintf(ch->last_exit, sizeof(ch->last_exit), "signal %d", WTERMSIG(status));
	else
		snprintf(ch->last_exit, sizeof(ch->last_exit), "exit %d", WEXITSTATUS(status));
	on_death(ch, now);
	log_at(ch->sup->stopping ? LOG_INFO : LOG_WARNING,
		"daemon=%s pid=%d ended: %s; now %s, pid=%d", child_name(ch), pid, ch->last_exit,
		supervisor_policy_state_to_str(&ch->policy), ch->pid);
}

static void on_sigchld(uv_signal_t *handle, int signum)
{
	struct supervisor *sup = handle->data;
	usec_t now = clock_now_us();

	(void)signum;
	for (unsigned i = 0; i < sup->n_children; i++)
		reap(&sup->children[i], now);
	if (sup->stopping)
		stop_next(sup, now);
	supervisor_settle(sup, now);
}

void supervisor_on_ready(struct child *ch)
{
	usec_t now = clock_now_us();

	log_info("daemon=%s pid=%d is ready after %" PRId64 " us", child_name(ch), ch->pid,
		now - ch->started);
	step(ch, POLICY_EV_IS_READY, now);
	if (ch->policy.state == POLICY_READY)
		requester_ack(&ch->restart);
	supervisor_settle(ch->sup, now);
}

void supervisor_on_status(struct child *ch)
{
	usec_t now = clock_now_us();

	step(ch, POLICY_EV_ANSWERED, now);
	supervisor_settle(ch->sup, now);
}

/* Its exit follows; a process that closed the channel and lives on is found by the queries. */
void supervisor_on_hangup(struct child *ch)
{
	ch->phase = CHILD_IDLE;
}

void supervisor_restart(struct child *ch, struct requester by)
{
	usec_t now = clock_now_us();

	if (ch->sup->stopping || ch->restart.conn) {
		requester_fail(&by, -EBUSY, "it is being restarted or stopped already; wait");
		return;
	}
	ch->restart = by;
	step(ch, POLICY_EV_RESTART, now);
	supervisor_settle(ch->sup, now);
}

static void on_tick(struct timer *t, usec_t now)
{
	struct supervisor *sup = t->owner;

	for (unsigned i = 0; i < sup->n_children; i++)
		step(&sup->children[i], POLICY_EV_TICK, now);
	rollout_tick(sup, now);
	if (now >= sup->feed_watchdog) {
		notify_send("WATCHDOG=1");
		sup->feed_watchdog = now + notify_watchdog_interval();
	}
	supervisor_settle(sup, now);
}

static void on_sigterm(uv_signal_t *handle, int signum)
{
	struct supervisor *sup = handle->data;
	usec_t now = clock_now_us();

	(void)signum;
	if (sup->stopping)
		return;
	sup->stopping = true;
	stop_next(sup, now);
	supervisor_settle(sup, now);
}

static void on_sighup(uv_signal_t *handle, int signum)
{
	(void)signum;
	supervisor_reload(handle->data, (struct requester){0});
}

static int watch_signal(struct supervisor *sup, uv_signal_t *handle, uv_signal_cb cb, int signum)
{
	int r = uv_signal_init(&sup->loop, handle);

	handle->data = sup;
	return r < 0 ? r : uv_signal_start(handle, cb, signum);
}

int supervisor_start(struct supervisor *sup)
{
	usec_t now = clock_now_us();
	int r = timer_init(&sup->tick, &sup->loop, on_tick, sup);

	if (r == 0)
		r = watch_signal(sup, &sup->sigchld, on_sigchld, SIGCHLD);
	if (r == 0)
		r = watch_signal(sup, &sup->sigterm, on_sigterm, SIGTERM);
	if (r == 0)
		r = watch_signal(sup, &sup->sigint, on_sigterm, SIGINT);
	if (r == 0)
		r = watch_signal(sup, &sup->sighup, on_sighup, SIGHUP);
	if (r < 0)
		return r;
	sup->started = now;
	sup->feed_watchdog = notify_watchdog_interval() == USEC_NEVER ? USEC_NEVER : now;
	for (unsigned i = 0; i < sup->n_children; i++)
		step(&sup->children[i], POLICY_EV_START, now);
	supervisor_settle(sup, now);
	return 0;
}
