/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold after every step, and what must hold once faults have stopped:
 *
 *  - "one holder": two nodes hold virtual addresses, while some path works in both directions, for
 *    at most one down interval after a fault: the time from the last sign of life to the decision
 *    that the peer is dead. On the HA link with heartbeats that is dead-after × heartbeat and one
 *    solicitation; on the others 3 × advert interval + skew, and no less than the beats there take,
 *    which come once a second. A node whose netcfgd cannot act keeps its addresses until the
 *    kernel's lifetime for them ends (3 s).
 *  - "in sync": whatever the Active's syncd does not hold as a change without acknowledgement (the
 *    lag) is in the kernel of a Standby that says it is in sync.
 *  - what the present episode expects: no overlap, no gap, no move, no transition, no session lost.
 */
#include "tests/sim/sim.h"

#define OVERLAP_SLACK (60 * MS)
#define LAN_BEAT      (1 * SEC)
#define NEWS_SLACK    (300 * MS) /* for "not in sync any more" to reach the Standby */

void invariants_init(struct world *w)
{
	w->watch.overlap_since = w->watch.unsynced_since = USEC_NEVER;
}

static bool daemons_run(const struct node *n)
{
	for (unsigned p = 0; p < PROCS; p++)
		if (!n->power || !proc_running(n, (enum sim_proc)p))
			return false;
	return true;
}

/* --- one holder ------------------------------------------------------------------------------ */
static bool any_path(const struct world *w)
{
	for (unsigned p = 0; p < PATHS; p++)
		if (network_both_ways(w, (enum sim_path)p))
			return true;
	return false;
}

static bool beats_possible(const struct world *w)
{
	return w->heartbeat && network_both_ways(w, PATH_HA) && w->nodes[0].vrrpd.e.key &&
	       w->nodes[1].vrrpd.e.key;
}

static usec_t overlap_limit(const struct world *w, bool all_run)
{
	usec_t slow = election_down_us(1, w->advert), limit;

	limit = beats_possible(w) ? w->detection : slow > LAN_BEAT ? slow : LAN_BEAT;
	if (!all_run)
		limit += LEASE_KERNEL_LFT * SEC;
	return limit + OVERLAP_SLACK;
}

/* The clock of the limit starts again when a daemon comes back or the faster path is there. */
static usec_t overlap_begin(struct world *w, bool all_run)
{
	struct watch *x = &w->watch;
	unsigned conditions = (beats_possible(w) ? 1 : 0) | (all_run ? 2 : 0);
	usec_t since = x->overlap_since > x->quiet_from ? x->overlap_since : x->quiet_from;

	if (conditions & ~x->conditions)
		x->changed_at = w->now;
	x->conditions = conditions;
	return since > x->changed_at ? since : x->changed_at;
}

static void check_overlap(struct world *w)
{
	struct watch *x = &w->watch;
	bool all_run = daemons_run(&w->nodes[0]) && daemons_run(&w->nodes[1]);
	usec_t since;

	if (x->no_overlap)
		world_fail(w, "no overlap", "both nodes hold the virtual addresses");
	if (!any_path(w))
		x->overlap_since = USEC_NEVER;
	else if (x->overlap_since == USEC_NEVER)
		x->overlap_since = w->now;
	since = overlap_begin(w, all_run);
	if (x->overlap_since != USEC_NEVER && w->now > since + overlap_limit(w, all_run))
		world_fail(w, "one holder", "both nodes hold the virtual addresses for %.3f ms",
			(double)(w->now - since) / 1e3);
}

static void check_holders(struct world *w)
{
	struct watch *x = &w->watch;
	bool held[NODES];

	for (unsigned i = 0; i < NODES; i++) {
		held[i] = node_holds(w, &w->nodes[i]);
		if (held[i] == x->holding[i])
			continue;
		x->holding[i] = held[i];
		x->moves++;
		world_trace(w, &w->nodes[i], "kernel %s the virtual addresses",
			held[i] ? "holds" : "has lost");
		if (x->no_moves)
			world_fail(w, "addresses stay", "node %s %s them", i ? "B" : "A",
				held[i] ? "took" : "lost");
	}
	if (x->no_gap && !held[0] && !held[1])
		world_fail(w, "no gap", "no node holds the virtual addresses");
	if (held[0] && held[1])
		check_overlap(w);
	else
		x->overlap_since = USEC_NEVER;
}

/* --- roles ----------------------------------------------------------------------------------- */
static void check_roles(struct world *w)
{
	struct watch *x = &w->watch;

	for (unsigned i = 0; i < NODES; i++) {
		enum election_role role = w->nodes[i].vrrpd.e.role;

		/* A restarted vrrpd that resumes its role has not changed it. */
		if (role == ELECTION_INIT || role == x->role[i])
			continue;
		x->role[i] = role;
		x->transitions++;
		if (x->no_transitions)
			world_fail(w, "no role change", "node %s became %s", i ? "B" : "A",
				election_role_str(role));
	}
}

/* --- in sync --------------------------------------------------------------------------------- */
/* Changed while the events were heard, and not acknowledged yet: the lag. A Standby whose netcfgd
 * could not take the addresses down in time had traffic of its own. */
static bool is_pending(const struct node *a, const struct node *b, unsigned id)
{
	return b->kernel.changed[id] >= a->syncd.events_since ||
	       (a->kernel.changed[id] >= a->syncd.events_since &&
		       a->kernel.version[id] != a->syncd.acked_version[id]);
}

static void compare(struct world *w, const struct node *a, const struct node *b)
{
	for (unsigned id = 0; id < SIM_SESSIONS; id++) {
		bool same =
			a->kernel.present[id] == b->kernel.present[id] &&
			(!a->kernel.present[id] || a->kernel.version[id] == b->kernel.version[id]);

		if (same || is_pending(a, b, id))
			continue;
		world_fail(w, "in sync", "session %u: Active %d version %u, Standby %d version %u",
			id, a->kernel.present[id], a->kernel.version[id], b->kernel.present[id],
			b->kernel.version[id]);
		return;
	}
}

static void check_sync(struct world *w)
{
	struct watch *x = &w->watch;
	bool stale = false;

	for (unsigned i = 0; i < NODES; i++) {
		const struct node *a = &w->nodes[i], *b = &w->nodes[!i];
		const struct replica *ra = &a->syncd.r, *rb = &b->syncd.r;

		if (!a->syncd.dirty || !b->syncd.dirty || ra->role != REPLICA_ACTIVE ||
			!ra->sending || rb->role != REPLICA_STANDBY || !rb->in_sync ||
			!a->syncd.connected || a->syncd.conn != b->syncd.conn ||
			!b->syncd.connected)
			continue;
		/* It does not know yet that its node is, or was, Active. */
		if (node_holds(w, b) || !proc_running(b, PROC_SYNCD) || b->procs[PROC_SYNCD].n > 0)
			continue;
		if (a->kernel.overrun || a->syncd.overrun || ra->lost || !ra->peer_in_sync)
			stale = !ra->peer_in_sync;
		else
			compare(w, a, b);
	}
	if (!stale || !daemons_run(&w->nodes[0]) || !daemons_run(&w->nodes[1]) ||
		!network_both_ways(w, PATH_HA))
		x->unsynced_since = USEC_NEVER;
	else if (x->unsynced_since == USEC_NEVER)
		x->unsynced_since = w->now;
	else if (w->now > x->quiet_from + NEWS_SLACK && w->now > x->unsynced_since + NEWS_SLACK)
		world_fail(w, "in sync", "the Standby says so, the Active does not");
}

void invariants_check(struct world *w)
{
	check_holders(w);
	check_roles(w);
	check_sync(w);
}

/* --- settled --------------------------------------------------------------------------------- */
static const char *node_unsettled(const struct world *w, const struct node *n, bool active)
{
	const struct election *e = &n->vrrpd.e;

	if (e->role != (active ? ELECTION_ACTIVE : ELECTION_STANDBY))
		return "a role";
	if (node_holds(w, n) != active || n->kernel.forwarding != active)
		return "who holds the addresses";
	if (n->netcfgd.lease.held != active || (active && n->netcfgd.lease.term != e->term))
		return "the lease";
	if (active && ((~e->peer.last.flags & (BEAT_FLAG_ABLE | BEAT_FLAG_IN_SYNC)) ||
			      e->peer.last.health))
		return "whether failover is ready";
	if (e->resuming || e->conflict || e->suspecting || e->ha_silent || e->stopping)
		return "an election still going on";
	if (!e->lease_up || !e->sync_up || !election_peer_alive(e))
		return "a connection or the peer";
	if (election_health(e, node_now(w, n)) || !election_able(e, node_now(w, n)))
		return "health";
	if (!e->in_sync || !replica_in_sync(&n->syncd.r))
		return "session sync";
	if (n->syncd.r.role != (active ? REPLICA_ACTIVE : REPLICA_STANDBY))
		return "syncd's role";
	return NULL;
}

const char *invariants_unsettled(const struct world *w)
{
	const struct node *a, *s;
	const char *why;

	if (!daemons_run(&w->nodes[0]) || !daemons_run(&w->nodes[1]))
		return "a process that does not run";
	a = &w->nodes[w->nodes[0].vrrpd.e.role == ELECTION_ACTIVE ? 0 : 1];
	s = &w->nodes[!a->id];
	why = node_unsettled(w, a, true);
	if (why == NULL)
		why = node_unsettled(w, s, false);
	if (why == NULL && a->vrrpd.e.term != s->vrrpd.e.term)
		why = "different terms";
	if (why == NULL && w->preempt != ELECTION_PREEMPT_NEVER && !s->vrrpd.e.commanded &&
		s->config.priority > a->config.priority)
		why = "the higher priority is not Active";
	for (unsigned id = 0; why == NULL && w->clients_pause && id < SIM_SESSIONS; id++)
		if (s->kernel.changed[id] < a->syncd.events_since &&
			(a->kernel.present[id] != s->kernel.present[id] ||
				(a->kernel.present[id] &&
					a->kernel.version[id] != s->kernel.version[id])))
			why = "different session tables";
	return why;
}
