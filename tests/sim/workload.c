/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clients: sessions that come, change and go through whichever node forwards for them. A
 * session that its clients keep but the forwarding node does not know is a lost one: its
 * connection is broken by the failover.
 */
#include "tests/sim/sim.h"

#define NAME_REST (100 * MS)

/* The node whose virtual address answers; with two, the one the hosts last heard announced. */
static struct node *forwarder(struct world *w)
{
	bool a = node_holds(w, &w->nodes[0]) && w->paths[PATH_LAN].carrier[0];
	bool b = node_holds(w, &w->nodes[1]) && w->paths[PATH_LAN].carrier[1];

	if (a && b)
		return &w->nodes[w->announced];
	return a ? &w->nodes[0] : b ? &w->nodes[1] : NULL;
}

static void lost(struct world *w, const struct node *n, unsigned id)
{
	w->watch.lost_sessions++;
	w->client_alive[id] = false;
	world_trace(w, n, "session %u is not known here", id);
	if (w->watch.no_loss)
		world_fail(w, "no session lost", "session %u, in a change without data loss", id);
}

void workload_step(struct world *w)
{
	unsigned id = (unsigned)world_below(w, SIM_SESSIONS);
	struct node *n = forwarder(w);
	bool end = world_chance(w, 250), burst = world_chance(w, 20);

	world_schedule(w, w->now + (burst ? 5 : world_between(w, 1, 2 * w->client_every)),
		EV_CLIENT, 0, 0, 0);
	if (n == NULL || w->clients_pause)
		return;
	/* Its old end may still be on its way to a node that took over a moment ago. */
	if (!w->client_alive[id] && w->ended_on[id] != n->id &&
		w->now < w->ended_at[id] + NAME_REST)
		return;
	if (!w->client_alive[id]) {
		/* The same name as an older session's, at times before its end was replicated. */
		kernel_session(w, n, n->kernel.present[id] ? DIRTY_REPLACE : DIRTY_CREATE, id);
		w->client_alive[id] = true;
	} else if (!n->kernel.present[id]) {
		lost(w, n, id);
	} else if (end) {
		kernel_session(w, n, DIRTY_DELETE, id);
		w->client_alive[id] = false;
		w->ended_at[id] = w->now;
		w->ended_on[id] = n->id;
	} else {
		kernel_session(w, n, DIRTY_UPDATE, id);
	}
}

void workload_reconcile(struct world *w)
{
	const struct node *n = forwarder(w);

	for (unsigned id = 0; n != NULL && id < SIM_SESSIONS; id++)
		w->client_alive[id] &= n->kernel.present[id];
}
