/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor at work: carries out what the policy and the reload core decide, on processes,
 * control channels, signals and one timer.
 */
#include <errno.h>
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
static void settle(struct supervisor *sup, usec_t now);
static void reload_act(struct supervisor *sup, enum reload_action action, usec_t now);

static const char *name_of(const struct child *ch)
{
	return ch->spawn.role->name;
}

static unsigned index_of(const struct child *ch)
{
	return (unsigned)(ch - ch->sup->children);
}

struct child *supervisor_child(struct supervisor *sup, const char *name)
{
	for (unsigned i = 0; i < sup->n_children; i++)
		if (strcmp(name_of(&sup->children[i]), name) == 0)
			return &sup->children[i];
	return NULL;
}

/* --- state and time --------------------------------------------------------------------------- */

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
				name_of(ch));
		else
			snprintf(why, SUPERVISOR_WHY_MAX,
				"%s does not do its work: %s, last exit: %s", name_of(ch),
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
static void settle(struct supervisor *sup, usec_t now)
{
	usec_t due = sup->feed_watchdog;

	update_state(sup, now);
	for (unsigned i = 0; i < sup->n_children; i++)
		due = earlier(due, supervisor_policy_due(&sup->children[i].policy));
	if (sup->reload.phase != RELOAD_IDLE)
		due = earlier(due, sup->reload.deadline);
	timer_set(&sup->tick, due);
}

/* --- a child's configuration ------------------------------------------------------------------ */

/* One that runs on another configuration than the node's, or on none yet, is given it. */
static void catch_up(struct child *ch)
{
	struct supervisor *sup = ch->sup;

	if (!ch->control || ch->phase != CHILD_IDLE || ch->generation == sup->generation ||
		ch->refused)
		return;
	ch->phase = CHILD_ASKED;
	ch->phase_generation = sup->generation;
	ch->phase_id = control_prepare(ch, sup->current, sup->generation);
}

static void tell_commit(struct child *ch, uint64_t generation)
{
	ch->phase = CHILD_TOLD;
	ch->phase_generation = generation;
	ch->phase_id = control_commit(ch, generation);
}

static bool in_reload(const struct child *ch)
{
	const struct reload *r = &ch->sup->reload;

	return r->phase != RELOAD_IDLE && (r->participants >> index_of(ch) & 1) &&
	       ch->phase_generation == r->generation;
}

static const char *health_reason(const struct child *ch, char out[SUPERVISOR_WHY_MAX])
{
	if (ch->policy.healthy)
		snprintf(out, SUPERVISOR_WHY_MAX, "%s does its work", name_of(ch));
	else if (ch->policy.state == POLICY_BACKOFF)
		snprintf(
			out, SUPERVISOR_WHY_MAX, "%s keeps dying (%s)", name_of(ch), ch->last_exit);
	else
		snprintf(out, SUPERVISOR_WHY_MAX, "%s is not ready%s", name_of(ch),
			ch->refused ? ": it refuses the configuration" : "");
	return out;
}

static void tell_health(struct child *about)
{
	struct child *vrrpd = supervisor_child(about->sup, "vrrpd");
	char reason[SUPERVISOR_WHY_MAX];

	if (vrrpd && vrrpd != about && vrrpd->generation != 0)
		control_health(vrrpd, about, health_reason(about, reason));
}

static void on_committed(struct child *ch, usec_t now)
{
	struct supervisor *sup = ch->sup;
	bool first = ch->generation == 0, reload = in_reload(ch);

	ch->generation = ch->phase_generation;
	for (unsigned i = 0; first && i < sup->n_children; i++)
		if (&sup->children[i] != ch && strcmp(name_of(ch), "vrrpd") == 0)
			tell_health(&sup->children[i]);
	if (reload)
		reload_act(sup, reload_step(&sup->reload, RELOAD_EV_ACK, index_of(ch), now), now);
	catch_up(ch);
}

static void on_refused(struct child *ch, const char *text)
{
	ch->refused = true;
	log_err("daemon=%s refuses the configuration that the others run on: %s", name_of(ch),
		text);
}

void supervisor_on_answer(struct child *ch, uint64_t id, bool ok, const char *text)
{
	struct supervisor *sup = ch->sup;
	enum child_phase phase = ch->phase;
	usec_t now = clock_now_us();

	if (phase == CHILD_IDLE || id != ch->phase_id)
		return;
	ch->phase = CHILD_IDLE;
	if (phase == CHILD_TOLD && ok) {
		on_committed(ch, now);
	} else if (phase == CHILD_TOLD || !in_reload(ch)) {
		if (ok)
			tell_commit(ch, ch->phase_generation);
		else
			on_refused(ch, text);
	} else {
		if (!ok)
			snprintf(sup->refusal, sizeof(sup->refusal), "%s", text);
		reload_act(sup,
			reload_step(&sup->reload, ok ? RELOAD_EV_ACK : RELOAD_EV_REFUSED,
				index_of(ch), now),
			now);
	}
	settle(sup, now);
}

/* --- reload ----------------------------------------------------------------------------------- */

static void describe_culprits(
	struct supervisor *sup, const char *what, char out[SUPERVISOR_WHY_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < sup->n_children && n < SUPERVISOR_WHY_MAX / 2; i++)
		if (sup->reload.culprits >> i & 1)
			n += (size_t)snprintf(out + n, SUPERVISOR_WHY_MAX - n, "%s%s",
				n ? ", " : "", name_of(&sup->children[i]));
	snprintf(out + n, SUPERVISOR_WHY_MAX - n, " %s", what);
}

static void reload_commit(struct supervisor *sup)
{
	config_free(sup->current);
	sup->current = sup->next;
	sup->next = NULL;
	sup->generation = sup->reload.generation;
	for (unsigned i = 0; i < sup->n_children; i++) {
		struct child *ch = &sup->children[i];

		ch->refused = false;
		if (sup->reload.participants >> i & 1 && ch->control)
			tell_commit(ch, sup->generation);
		else
			catch_up(ch);
	}
}

static void reload_abort(struct supervisor *sup)
{
	char why[SUPERVISOR_WHY_MAX];

	for (unsigned i = 0; i < sup->n_children; i++) {
		struct child *ch = &sup->children[i];

		if (!(sup->reload.participants >> i & 1) || !ch->control)
			continue;
		ch->phase = CHILD_IDLE;
		control_abort(ch, sup->reload.generation);
	}
	config_free(sup->next);
	sup->next = NULL;
	describe_culprits(sup, "did not answer; the old configuration stays, try again", why);
	if (sup->refusal[0])
		snprintf(why, sizeof(why), "%s:1: %.300s; the old configuration stays",
			sup->config_file, sup->refusal);
	sup->reloads_refused++;
	log_err("reload refused: %s", why);
	requester_fail(&sup->reload_by, -EINVAL, why);
}

static void reload_act(struct supervisor *sup, enum reload_action action, usec_t now)
{
	char why[SUPERVISOR_WHY_MAX];

	switch (action) {
	case RELOAD_NOTHING:
		break;
	case RELOAD_COMMIT:
		reload_commit(sup);
		reload_act(sup, reload_step(&sup->reload, RELOAD_EV_TICK, 0, now), now);
		break;
	case RELOAD_ABORT:
		reload_abort(sup);
		break;
	case RELOAD_DONE:
		sup->reloads++;
		log_notice("reload done: configuration generation=%" PRIu64, sup->generation);
		requester_ack(&sup->reload_by);
		break;
	case RELOAD_LATE:
		describe_culprits(
			sup, "has not confirmed the new configuration yet; see its status", why);
		log_err("reload: %s", why);
		requester_fail(&sup->reload_by, -ETIMEDOUT, why);
		break;
	}
}

static unsigned ask_all(struct supervisor *sup, uint64_t generation)
{
	unsigned asked = 0;

	for (unsigned i = 0; i < sup->n_children; i++) {
		struct child *ch = &sup->children[i];

		if (!ch->control || ch->phase != CHILD_IDLE || ch->generation != sup->generation)
			continue;
		asked |= 1u << i;
		ch->phase = CHILD_ASKED;
		ch->phase_generation = generation;
		ch->phase_id = control_prepare(ch, sup->next, generation);
	}
	return asked;
}

void supervisor_reload(struct supervisor *sup, struct requester by)
{
	static const char busy[] = "a reload or the stop is under way; wait and try again";
	char err[SUPERVISOR_WHY_MAX];
	usec_t now = clock_now_us();
	int r;

	if (sup->reload.phase != RELOAD_IDLE || sup->stopping) {
		requester_fail(&by, -EBUSY, busy);
		return;
	}
	r = config_load(sup->config_file, sup->statedir, &sup->next, err, sizeof(err));
	if (r < 0) {
		sup->reloads_refused++;
		log_err("reload refused: %s", err);
		requester_fail(&by, r, err);
		return;
	}
	sup->reload_by = by;
	sup->refusal[0] = '\0';
	sup->newest_generation++;
	reload_act(sup,
		reload_begin(&sup->reload, sup->newest_generation,
			ask_all(sup, sup->newest_generation), now),
		now);
	settle(sup, now);
}

/* --- life and death --------------------------------------------------------------------------- */

static void forget_process(struct child *ch)
{
	ch->pid = 0;
	ch->generation = 0;
	ch->phase = CHILD_IDLE;
	control_close(ch);
	life_close(ch->life);
	ch->life = NULL;
}

static void on_death(struct child *ch, usec_t now)
{
	struct supervisor *sup = ch->sup;

	forget_process(ch);
	step(ch, POLICY_EV_EXITED, now);
	reload_act(sup, reload_step(&sup->reload, RELOAD_EV_DIED, index_of(ch), now), now);
}

/* It runs no code of its own any more, but the kernel is still closing its files: the successor
 * can start. One that closed the pipe by itself is made to be dead. */
static void on_gone(void *owner)
{
	struct child *ch = owner;
	usec_t now = clock_now_us();

	for (unsigned i = 0; i < SUPERVISOR_MAX_DYING && !ch->sup->stopping; i++) {
		if (ch->dying[i] != 0)
			continue;
		kill(ch->pid, SIGKILL);
		ch->dying[i] = ch->pid;
		on_death(ch, now);
		settle(ch->sup, now);
		return;
	}
}

static int start_child(struct child *ch, usec_t now)
{
	struct spawned new;
	int r = spawn_start(&ch->spawn, ch->listen_fd, &new);

	if (r < 0) {
		log_err("daemon=%s cannot be started: %s", name_of(ch), strerror(-r));
		snprintf(ch->last_exit, sizeof(ch->last_exit), "not started");
		return r;
	}
	ch->pid = new.pid;
	ch->started = now;
	ch->generation = 0;
	ch->phase = CHILD_IDLE;
	ch->refused = false;
	/* Only for those whose absence is noticed within milliseconds: the others' ports have to be
	 * free again before their successors start. */
	if (!ch->policy.real_time ||
		life_watch(&ch->sup->loop, new.life, on_gone, ch, &ch->life) < 0)
		close(new.life);
	r = control_open(ch, new.control);
	if (r < 0) {
		/* Without a channel it stops by itself, which is its exit then. */
		log_err("daemon=%s: control channel: %s", name_of(ch), strerror(-r));
		close(new.control);
		return 0;
	}
	catch_up(ch);
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
		log_warn("daemon=%s pid=%d: killed, %s", name_of(ch), ch->pid,
			ch->policy.state == POLICY_STOPPING ? "it does not stop"
			: ch->policy.hung		    ? "it does not answer"
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
		tell_health(ch);
}

static void note_exit(struct child *ch, int status)
{
	if (WIFSIGNALED(status))
		snprintf(ch->last_exit, sizeof(ch->last_exit), "signal %d", WTERMSIG(status));
	else
		snprintf(ch->last_exit, sizeof(ch->last_exit), "exit %d", WEXITSTATUS(status));
}

static void log_exit(const struct child *ch, pid_t pid)
{
	log_at(ch->sup->stopping ? LOG_INFO : LOG_WARNING,
		"daemon=%s pid=%d ended: %s; now %s, pid=%d", name_of(ch), pid, ch->last_exit,
		supervisor_policy_state_to_str(&ch->policy), ch->pid);
}

static void reap(struct child *ch, usec_t now)
{
	pid_t pid = ch->pid;
	int status;

	for (unsigned i = 0; i < SUPERVISOR_MAX_DYING; i++) {
		if (ch->dying[i] == 0 || waitpid(ch->dying[i], &status, WNOHANG) != ch->dying[i])
			continue;
		note_exit(ch, status);
		log_exit(ch, ch->dying[i]);
		ch->dying[i] = 0;
	}
	if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
		note_exit(ch, status);
		on_death(ch, now);
		log_exit(ch, pid);
	}
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
	settle(sup, now);
}

void supervisor_on_ready(struct child *ch)
{
	usec_t now = clock_now_us();

	log_info("daemon=%s pid=%d is ready after %" PRId64 " us", name_of(ch), ch->pid,
		now - ch->started);
	step(ch, POLICY_EV_IS_READY, now);
	if (ch->policy.state == POLICY_READY)
		requester_ack(&ch->restart);
	settle(ch->sup, now);
}

void supervisor_on_status(struct child *ch)
{
	usec_t now = clock_now_us();

	step(ch, POLICY_EV_ANSWERED, now);
	settle(ch->sup, now);
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
	settle(ch->sup, now);
}

static void on_tick(struct timer *t, usec_t now)
{
	struct supervisor *sup = t->owner;

	for (unsigned i = 0; i < sup->n_children; i++)
		step(&sup->children[i], POLICY_EV_TICK, now);
	reload_act(sup, reload_step(&sup->reload, RELOAD_EV_TICK, 0, now), now);
	if (now >= sup->feed_watchdog) {
		notify_send("WATCHDOG=1");
		sup->feed_watchdog = now + notify_watchdog_interval();
	}
	settle(sup, now);
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
	settle(sup, now);
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
	settle(sup, now);
	return 0;
}
