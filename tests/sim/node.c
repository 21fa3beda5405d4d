/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node below its processes: power, the kernel with the virtual addresses (which carry a lifetime
 * that nobody but netcfgd renews), forwarding and the sessions with their event queue.
 */
#include "tests/sim/sim.h"

#include <string.h>

bool node_holds(const struct world *w, const struct node *n)
{
	return n->power && n->kernel.addresses && w->now < n->kernel.addresses_until;
}

void kernel_take(struct world *w, struct node *n)
{
	n->kernel.forwarding = true;
	n->kernel.addresses = true;
	n->kernel.addresses_until = w->now + LEASE_KERNEL_LFT * SEC;
}

void kernel_drop(struct world *w, struct node *n)
{
	(void)w;
	n->kernel.addresses = false;
	n->kernel.forwarding = false;
}

void kernel_events_empty(struct node *n)
{
	n->kernel.kev_n = 0;
	n->kernel.congested = false;
}

/* As netlink does it: told once, and what comes is lost until everything older was read. */
void kernel_overrun(struct node *n)
{
	if (n->kernel.listening && n->kernel.kev_n > 0)
		n->kernel.overrun = n->kernel.congested = true;
}

void kernel_session(struct world *w, struct node *n, enum dirty_op op, unsigned id)
{
	struct kernel *k = &n->kernel;
	struct msg m = {.kind = MSG_KEVENTS};
	size_t at = (k->kev_head + k->kev_n) % SIM_KEVENTS;

	k->present[id] = op != DIRTY_DELETE;
	k->version[id] = ++w->versions;
	k->changed[id] = w->now;
	w->changes++;
	if (w->trace_frames)
		world_trace(w, n, "session %u op %d version %u", id, op, k->version[id]);
	if (!k->listening)
		return;
	if (k->kev_n == SIM_KEVENTS)
		kernel_overrun(n);
	if (k->congested)
		return;
	k->kevents[at] = (struct record){(uint8_t)op, (uint8_t)id, k->version[id]};
	if (k->kev_n++ == 0)
		world_post(w, w->now + world_between(w, 10, 100), n->id, PROC_SYNCD, &m);
}

void node_launch(struct world *w, struct node *n)
{
	if (!n->power || n->procs[PROC_SUPERVISOR].alive)
		return;
	for (unsigned p = 0; p < PROCS; p++)
		proc_die(w, n, (enum sim_proc)p, false);
	proc_spawn(w, n, PROC_SUPERVISOR);
}

void node_boot(struct world *w, struct node *n)
{
	if (n->power)
		return;
	world_trace(w, n, "boots");
	n->power = true;
	/* A clock of its own, that starts with the machine. */
	n->clock_offset = world_between(w, 5 * SEC, 5000 * SEC) - w->now;
	memset(&n->kernel, 0, sizeof(n->kernel));
	proc_spawn(w, n, PROC_SUPERVISOR);
}

void node_power_cut(struct world *w, struct node *n)
{
	if (!n->power)
		return;
	world_trace(w, n, "loses power");
	n->power = false;
	n->outages++;
	for (unsigned p = 0; p < PROCS; p++)
		proc_die(w, n, (enum sim_proc)p, false);
	memset(&n->kernel, 0, sizeof(n->kernel));
}
