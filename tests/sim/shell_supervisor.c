/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor in the simulation: the real policy, one per daemon, over virtual processes.
 */
#include "tests/sim/sim.h"

static void step(struct world *w, struct node *n, enum sim_proc p, enum policy_event ev);

static void tell_health(struct world *w, struct node *n, enum sim_proc p)
{
	struct msg m = {.kind = MSG_HEALTH,
		.gen = n->procs[PROC_VRRPD].gen,
		.child = {.proc = p, .healthy = n->supervisor.policy[p].healthy}};

	world_trace(w, n, "supervisor: %s is %s", proc_name(p), m.child.healthy ? "well" : "ill");
	if (p != PROC_VRRPD)
		proc_send(w, n, PROC_VRRPD, &m);
}

static void carry_out(struct world *w, struct node *n, enum sim_proc p, unsigned actions)
{
	struct msg m = {.gen = n->procs[p].gen};

	if (actions & POLICY_KILL)
		proc_die(w, n, p, false);
	if (actions & POLICY_SPAWN)
		proc_spawn(w, n, p);
	if (actions & POLICY_QUERY) {
		m.kind = MSG_ASK;
		proc_send(w, n, p, &m);
	}
	if (actions & POLICY_ASK_STOP) {
		m.kind = MSG_STOP;
		proc_send(w, n, p, &m);
	}
	if (actions & POLICY_TELL_HEALTH)
		tell_health(w, n, p);
}

static void step(struct world *w, struct node *n, enum sim_proc p, enum policy_event ev)
{
	carry_out(w, n, p, supervisor_policy_step(&n->supervisor.policy[p], ev, node_now(w, n)));
}

/* One after the other, so that the role is handed over while the others still work. */
static void stop_next(struct world *w, struct node *n)
{
	static const enum sim_proc order[] = {PROC_VRRPD, PROC_SYNCD, PROC_NETCFGD};

	for (size_t i = 0; i < PROCS - 1; i++) {
		struct policy *p = &n->supervisor.policy[order[i]];

		if (p->state == POLICY_STOPPED)
			continue;
		if (p->state != POLICY_STOPPING)
			step(w, n, order[i], POLICY_EV_STOP);
		if (p->state != POLICY_STOPPED)
			return;
	}
	proc_die(w, n, PROC_SUPERVISOR, true);
}

static void on_exited(struct world *w, struct node *n, enum sim_proc p)
{
	step(w, n, p, POLICY_EV_EXITED);
	if (n->supervisor.stopping)
		stop_next(w, n);
}

static void on_ready(struct world *w, struct node *n, enum sim_proc p)
{
	step(w, n, p, POLICY_EV_IS_READY);
	for (unsigned i = 0; p == PROC_VRRPD && i < PROCS; i++)
		if (i != PROC_SUPERVISOR && !n->supervisor.policy[i].healthy)
			tell_health(w, n, (enum sim_proc)i);
}

void supervisor_handle(struct world *w, struct node *n, const struct msg *m)
{
	switch (m->kind) {
	case MSG_READY:
		on_ready(w, n, m->child.proc);
		break;
	case MSG_ANSWER:
		step(w, n, m->child.proc, POLICY_EV_ANSWERED);
		break;
	case MSG_EXITED:
		on_exited(w, n, m->child.proc);
		break;
	case MSG_STOP:
		world_trace(w, n, "supervisor: orderly stop");
		n->supervisor.stopping = true;
		stop_next(w, n);
		break;
	default:
		break;
	}
}

void supervisor_tick(struct world *w, struct node *n)
{
	for (unsigned p = 0; p < PROCS; p++)
		if (p != PROC_SUPERVISOR)
			step(w, n, (enum sim_proc)p, POLICY_EV_TICK);
}

usec_t supervisor_deadline(const struct world *w, const struct node *n)
{
	usec_t due = USEC_NEVER;

	(void)w;
	for (unsigned p = 0; p < PROCS; p++) {
		usec_t t = USEC_NEVER;

		if (p != PROC_SUPERVISOR)
			t = supervisor_policy_due(&n->supervisor.policy[p]);
		if (t < due)
			due = t;
	}
	return node_to_world(n, due);
}

void supervisor_start(struct world *w, struct node *n)
{
	static const enum sim_proc order[] = {PROC_NETCFGD, PROC_SYNCD, PROC_VRRPD};

	n->supervisor.stopping = false;
	for (unsigned i = 0; i < PROCS - 1; i++) {
		supervisor_policy_init(&n->supervisor.policy[order[i]], order[i] != PROC_SYNCD);
		step(w, n, order[i], POLICY_EV_START);
	}
}
