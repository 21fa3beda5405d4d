/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes of the simulation: they start, run one message or timer at a time, are killed, stopped
 * and starved; and the connections between them, which close with either end. Listening sockets
 * belong to the supervisor: while it lives, a daemon that is away can be connected to, and finds
 * the requests when it is back.
 */
#include "tests/sim/sim.h"

#include <string.h>

#define SPIN_MAX 2000 /* wake-ups of one process within a millisecond */

struct shell {
	const char *name;
	void (*start)(struct world *, struct node *);
	void (*handle)(struct world *, struct node *, const struct msg *);
	void (*tick)(struct world *, struct node *);
	usec_t (*deadline)(const struct world *, const struct node *);
};

static const struct shell shells[PROCS] = {
	[PROC_SUPERVISOR] = {"supervisor", supervisor_start, supervisor_handle, supervisor_tick,
		supervisor_deadline},
	[PROC_NETCFGD] = {"netcfgd", netcfgd_start, netcfgd_handle, netcfgd_tick, netcfgd_deadline},
	[PROC_SYNCD] = {"syncd", syncd_start, syncd_handle, syncd_tick, syncd_deadline},
	[PROC_VRRPD] = {"vrrpd", vrrpd_start, vrrpd_handle, vrrpd_tick, vrrpd_deadline},
};

const char *proc_name(unsigned proc)
{
	return shells[proc].name;
}

bool proc_running(const struct node *n, enum sim_proc p)
{
	const struct process *pr = &n->procs[p];

	return pr->alive && !pr->starting && !pr->frozen;
}

static void arm(struct world *w, struct node *n, enum sim_proc p, usec_t at)
{
	struct process *pr = &n->procs[p];

	if (at == USEC_NEVER)
		return;
	if (at < w->now)
		at = w->now;
	if (at < pr->late_until)
		at = pr->late_until;
	if (pr->armed <= at)
		return;
	pr->armed = at;
	world_schedule(w, at, EV_WAKE, n->id, p, pr->gen);
}

static void go_on(struct world *w, struct node *n, enum sim_proc p)
{
	struct process *pr = &n->procs[p];

	if (!proc_running(n, p))
		return;
	pr->deadline = shells[p].deadline(w, n);
	if (pr->n > 0)
		arm(w, n, p, w->now + world_between(w, 2, 10));
	arm(w, n, p, pr->deadline <= w->now ? w->now + 1 : pr->deadline);
}

/* --- sockets --------------------------------------------------------------------------------- */
struct channel *channel_of(struct node *n, enum sim_proc server)
{
	return server == PROC_NETCFGD ? &n->vrrpd.netcfgd : &n->vrrpd.syncd;
}

static bool is_request(int k)
{
	return k == MSG_LINK_SUBSCRIBE || k == MSG_LEASE_REQUEST || k == MSG_SYNC_SUBSCRIBE ||
	       k == MSG_PROMOTE || k == MSG_DEMOTE || k == MSG_FLUSH;
}

static bool is_of_process(int k)
{
	return (k >= MSG_STOP && k <= MSG_EXITED) || k == MSG_DUMP_SLICE || k == MSG_SWEEP_SLICE;
}

/* Whether the connection or process that a message was meant for is still there. */
static bool is_current(struct node *n, enum sim_proc p, const struct msg *m)
{
	if (is_of_process(m->kind))
		return m->gen == n->procs[p].gen;
	if (m->kind == MSG_STREAM_UP || m->kind == MSG_STREAM_DOWN)
		return m->cookie == n->procs[p].gen;
	if (is_request(m->kind)) {
		const struct channel *c = channel_of(n, p);

		return c->open && m->gen == c->gen;
	}
	return true;
}

/* Sockets keep the order. */
void proc_send_at(struct world *w, struct node *n, enum sim_proc to, usec_t at, const struct msg *m)
{
	struct process *pr = &n->procs[to];

	if (at < pr->last_sent)
		at = pr->last_sent;
	pr->last_sent = at;
	world_post(w, at, n->id, to, m);
}

void proc_send(struct world *w, struct node *n, enum sim_proc to, const struct msg *m)
{
	proc_send_at(w, n, to, w->now + world_between(w, 5, 60), m);
}

void channel_closed(struct world *w, struct node *n, enum sim_proc server)
{
	struct channel *c = channel_of(n, server);
	struct msg m = {.kind = MSG_CHANNEL_DOWN, .gen = c->gen, .channel = {server}};

	if (!c->open)
		return;
	c->open = c->subscribed = false;
	proc_send(w, n, PROC_VRRPD, &m);
}

/* --- life ------------------------------------------------------------------------------------ */
static void empty_inbox(struct world *w, struct process *pr)
{
	for (; pr->n > 0; pr->n--, pr->head = (pr->head + 1) % SIM_INBOX)
		world_free(w, pr->inbox[pr->head]);
}

static bool is_frame(int k)
{
	return k == MSG_FRAME || k == MSG_ADVERT;
}

/* Takes the oldest unread frame out of the inbox, from between the other messages. */
static bool take_frame(struct world *w, struct process *pr, struct msg *ret)
{
	bool found = false;
	size_t kept = 0, n = pr->n;

	for (size_t i = 0; i < n; i++) {
		uint16_t at = pr->inbox[(pr->head + i) % SIM_INBOX];

		if (!found && is_frame(w->pool[at].msg.kind)) {
			*ret = w->pool[at].msg;
			found = true;
			world_free(w, at);
		} else {
			pr->inbox[(pr->head + kept++) % SIM_INBOX] = at;
		}
	}
	pr->n = kept;
	return found;
}

void proc_take_frames(struct world *w, struct node *n, enum sim_proc p)
{
	struct msg m;

	while (n->procs[p].alive && take_frame(w, &n->procs[p], &m))
		shells[p].handle(w, n, &m);
}

void proc_drop_frames(struct world *w, struct node *n, enum sim_proc p)
{
	struct msg m;

	while (take_frame(w, &n->procs[p], &m))
		;
}

void proc_spawn(struct world *w, struct node *n, enum sim_proc p)
{
	struct process *pr = &n->procs[p];

	if (pr->alive)
		return;
	pr->alive = pr->starting = true;
	pr->frozen = false;
	pr->gen++;
	pr->late_until = 0;
	pr->armed = pr->deadline = USEC_NEVER;
	world_schedule(w, w->now + world_between(w, 1 * MS, 8 * MS), EV_START, n->id, p, pr->gen);
}

void proc_started(struct world *w, struct node *n, enum sim_proc p, uint32_t gen)
{
	struct process *pr = &n->procs[p];

	if (!pr->alive || pr->gen != gen || !pr->starting)
		return;
	pr->starting = false;
	shells[p].start(w, n);
	if (!pr->frozen)
		go_on(w, n, p);
}

void proc_die(struct world *w, struct node *n, enum sim_proc p, bool clean)
{
	struct process *pr = &n->procs[p];
	struct msg m = {.kind = MSG_EXITED,
		.gen = n->procs[PROC_SUPERVISOR].gen,
		.child = {.proc = p, .clean = clean}};

	if (!pr->alive)
		return;
	world_trace(w, n, "%s %s", shells[p].name, clean ? "exits" : "dies");
	pr->alive = pr->starting = pr->frozen = false;
	pr->gen++;
	empty_inbox(w, pr);
	if (p == PROC_VRRPD) {
		n->vrrpd.netcfgd.open = n->vrrpd.syncd.open = false;
		n->vrrpd.netcfgd.subscribed = n->vrrpd.syncd.subscribed = false;
	} else if (p != PROC_SUPERVISOR) {
		channel_closed(w, n, p);
	}
	if (p == PROC_SYNCD) {
		stream_close(w, n, !n->power);
		syncd_stop(n);
		n->kernel.listening = false;
		n->kernel.overrun = false;
		kernel_events_empty(n);
	}
	if (p != PROC_SUPERVISOR) {
		if (n->procs[PROC_SUPERVISOR].alive)
			world_post(
				w, w->now + world_between(w, 50, 500), n->id, PROC_SUPERVISOR, &m);
		return;
	}
	/* The control channels close: the daemons stop by themselves; init clears up and starts
	 * again. */
	for (unsigned i = 0; n->power && i < PROCS; i++) {
		struct msg stop = {.kind = MSG_STOP, .gen = n->procs[i].gen};

		if (n->procs[i].alive)
			world_post(w, w->now + world_between(w, 20, 200), n->id, i, &stop);
	}
	if (n->power)
		world_schedule(
			w, w->now + world_between(w, 100 * MS, 1 * SEC), EV_LAUNCH, n->id, 0, 0);
}

void proc_freeze(struct world *w, struct node *n, enum sim_proc p)
{
	if (!n->procs[p].alive || n->procs[p].frozen)
		return;
	world_trace(w, n, "%s frozen", shells[p].name);
	n->procs[p].frozen = true;
}

void proc_thaw(struct world *w, struct node *n, enum sim_proc p)
{
	struct process *pr = &n->procs[p];

	if (!pr->frozen)
		return;
	world_trace(w, n, "%s continues", shells[p].name);
	pr->frozen = false;
	pr->armed = USEC_NEVER;
	if (pr->starting)
		return;
	pr->late_until = w->now + world_between(w, 10, 200);
	arm(w, n, p, w->now);
}

void proc_starve(struct world *w, struct node *n, enum sim_proc p, usec_t duration)
{
	struct process *pr = &n->procs[p];

	if (!pr->alive)
		return;
	world_trace(w, n, "%s starved for %lld us", shells[p].name, (long long)duration);
	pr->late_until = w->now + duration;
	pr->armed = USEC_NEVER;
	arm(w, n, p, pr->late_until);
}

/* --- running --------------------------------------------------------------------------------- */
static void keep(struct world *w, struct process *pr, const struct msg *m)
{
	if (pr->n >= (is_frame(m->kind) ? SIM_INBOX / 2 : SIM_INBOX))
		return;
	pr->inbox[(pr->head + pr->n++) % SIM_INBOX] = world_keep(w, m);
}

void proc_offer(struct world *w, struct node *n, enum sim_proc p, const struct msg *m)
{
	struct process *pr = &n->procs[p];

	if (!n->power || !is_current(n, p, m))
		return;
	if (!pr->alive && !is_request(m->kind))
		return;
	if (!pr->alive || pr->starting || pr->frozen || pr->n > 0 || w->now < pr->late_until) {
		keep(w, pr, m);
		if (proc_running(n, p))
			arm(w, n, p, w->now + 1);
		return;
	}
	shells[p].handle(w, n, m);
	go_on(w, n, p);
}

static void handle_next(struct world *w, struct node *n, enum sim_proc p)
{
	struct process *pr = &n->procs[p];
	uint16_t at = pr->inbox[pr->head];
	struct msg m = w->pool[at].msg;

	pr->head = (pr->head + 1) % SIM_INBOX;
	pr->n--;
	world_free(w, at);
	if (is_current(n, p, &m))
		shells[p].handle(w, n, &m);
}

static void count_spin(struct world *w, struct node *n, enum sim_proc p)
{
	struct process *pr = &n->procs[p];

	if (w->now / MS != pr->spin_ms) {
		pr->spin_ms = w->now / MS;
		pr->spins = 0;
	}
	if (++pr->spins > SPIN_MAX)
		world_fail(w, "no busy loop", "%s wakes up without end", shells[p].name);
}

void proc_wake(struct world *w, struct node *n, enum sim_proc p, uint32_t gen)
{
	struct process *pr = &n->procs[p];
	bool due;

	if (gen != pr->gen || pr->armed != w->now)
		return; /* of an earlier process, or replaced by an earlier wake-up */
	pr->armed = USEC_NEVER;
	if (!proc_running(n, p))
		return;
	if (w->now < pr->late_until) {
		arm(w, n, p, pr->late_until);
		return;
	}
	count_spin(w, n, p);
	due = pr->deadline <= w->now;
	if (pr->n > 0 && !(due && world_chance(w, 500)))
		handle_next(w, n, p);
	else if (due)
		shells[p].tick(w, n);
	go_on(w, n, p);
}
