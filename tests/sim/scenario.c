/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The history of one seed: a configuration, both nodes booting, then episodes. Each begins with a
 * settled pair; either one thing is done to it, and what must follow is known exactly, or many
 * things at once, and only what always holds is checked. Then faults stop, the pair must settle
 * within a bound, and stay as it is.
 */
#include "tests/sim/sim.h"

#include <arpa/inet.h>
#include <string.h>

#define SLACK       (40 * MS) /* promotion, addresses, start-up noise */
#define SETTLE_STEP (5 * MS)
#define SETTLED_FOR (200 * MS)

/* --- the configuration ----------------------------------------------------------------------- */
static void configure(struct world *w, struct node *n, uint8_t priority)
{
	static const char *const names[PATHS] = {"lan", "wan", "ha"};
	struct election_config *c = &n->config;

	c->node[0] = n->id ? 'b' : 'a';
	c->priority = priority;
	c->preempt = w->preempt;
	c->preempt_delay = w->preempt_delay;
	c->heartbeat = w->heartbeat;
	c->dead_after = 5;
	c->sync = true;
	c->digest = 1;
	c->n_links = PATHS;
	for (unsigned i = 0; i < PATHS; i++) {
		memcpy(c->links[i].name, names[i], strlen(names[i]) + 1);
		c->links[i].ha = i == PATH_HA;
		c->links[i].vrrp = c->links[i].tracked = i != PATH_HA;
	}
	c->n_instances = 2;
	for (unsigned i = 0; i < 2; i++) {
		c->instances[i].vrid = (uint8_t)(10 + i);
		c->instances[i].advert_interval = w->advert;
		c->instances[i].link = i;
	}
}

static void draw(struct world *w)
{
	static const usec_t adverts[] = {1 * SEC, 100 * MS, 10 * MS};
	static const enum election_preempt preempts[] = {
		ELECTION_PREEMPT_NEVER, ELECTION_PREEMPT_SYNCED, ELECTION_PREEMPT_ALWAYS};
	uint8_t high = (uint8_t)world_between(w, 100, 254), low = world_chance(w, 300) ? high : 90;
	bool swap = world_chance(w, 500);

	w->advert = adverts[world_below(w, 3)];
	w->heartbeat = world_chance(w, 700) ? 10 * MS : 0;
	w->preempt = preempts[world_below(w, 3)];
	w->preempt_delay = world_between(w, 1 * SEC, 3 * SEC);
	w->client_every = world_between(w, 1 * MS, 20 * MS);
	w->detection = w->heartbeat ? 5 * w->heartbeat + 10 * MS : election_down_us(low, w->advert);
	configure(w, &w->nodes[0], swap ? low : high);
	configure(w, &w->nodes[1], swap ? high : low);
	world_trace(w, NULL,
		"advert %lld us, heartbeat %lld us, preempt %d after %lld us, "
		"priorities %u and %u",
		(long long)w->advert, (long long)w->heartbeat, w->preempt,
		(long long)w->preempt_delay, w->nodes[0].config.priority,
		w->nodes[1].config.priority);
}

/* --- waiting --------------------------------------------------------------------------------- */
static bool run_for(struct world *w, usec_t duration)
{
	return world_run_until(w, w->now + duration);
}

static void expect_nothing(struct world *w)
{
	struct watch *x = &w->watch;

	x->no_overlap = x->no_gap = x->no_loss = x->no_moves = x->no_transitions = false;
}

/* With every fault gone the pair must settle within this: a node whose kernel refused the addresses
 * calls itself ill for 10 s, detection and preemption come on top. */
static usec_t settle_limit(const struct world *w)
{
	return 12 * SEC + w->preempt_delay + 4 * w->advert;
}

static bool settle(struct world *w)
{
	usec_t begin = w->now, good_since = USEC_NEVER;

	for (;;) {
		const char *why;

		if (!run_for(w, SETTLE_STEP))
			return false;
		why = invariants_unsettled(w);
		if (why != NULL)
			good_since = USEC_NEVER;
		else if (good_since == USEC_NEVER)
			good_since = w->now;
		if (why == NULL && w->now - good_since >= SETTLED_FOR) {
			if (good_since - begin > w->watch.slowest_settle)
				w->watch.slowest_settle = good_since - begin;
			return true;
		}
		if (w->now - begin > settle_limit(w)) {
			world_fail(w, "converges", "not settled %.1f s after the last fault: %s",
				(double)(w->now - begin) / 1e6, why ? why : "unstable");
			return false;
		}
	}
}

/* Nothing is done, so nothing may happen; and with the clients silent, the tables are the same. */
static bool quiet(struct world *w)
{
	const char *why;

	w->watch.no_moves = w->watch.no_transitions = w->watch.no_loss = true;
	if (!run_for(w, world_between(w, 100 * MS, 2 * SEC)))
		return false;
	w->clients_pause = true;
	if (!run_for(w, 200 * MS))
		return false;
	why = invariants_unsettled(w);
	if (why != NULL)
		world_fail(w, "stays settled", "%s", why);
	w->clients_pause = false;
	expect_nothing(w);
	return !w->failed;
}

static bool heal(struct world *w)
{
	expect_nothing(w);
	faults_heal(w);
	if (!settle(w))
		return false;
	workload_reconcile(w);
	return quiet(w);
}

/* --- one thing at a time --------------------------------------------------------------------- */
static struct node *active(struct world *w)
{
	return &w->nodes[w->nodes[0].vrrpd.e.role == ELECTION_ACTIVE ? 0 : 1];
}

static bool wait_holding(struct world *w, struct node *n, usec_t limit, const char *what)
{
	usec_t begin = w->now;

	while (!node_holds(w, n)) {
		if (w->now - begin > limit)
			world_fail(w, what, "node %s does not hold the addresses after %.3f ms",
				n->id ? "B" : "A", (double)(w->now - begin) / 1e3);
		if (!run_for(w, 1 * MS))
			return false;
	}
	return true;
}

static void stay(struct world *w)
{
	w->watch.no_moves = w->watch.no_transitions = w->watch.no_loss = true;
}

static void power_cut(struct world *w, struct node *a, struct node *s)
{
	faults_power(w, a, world_between(w, 5 * SEC, 8 * SEC));
	wait_holding(w, s, w->detection + SLACK, "survivor takes over");
}

static void everything_killed(struct world *w, struct node *a, struct node *s)
{
	faults_kill_all(w, a);
	if (!w->heartbeat)
		return; /* it may be back, and go on, before its peer has noticed */
	wait_holding(w, s, w->detection + SLACK, "survivor takes over");
}

/* The lease must outlive a restart: with 10 ms adverts and no heartbeats it cannot. */
static void kill_one(struct world *w, struct node *a, struct node *s)
{
	static const enum sim_proc procs[] = {PROC_VRRPD, PROC_NETCFGD, PROC_SYNCD};

	(void)s;
	if (w->heartbeat || w->advert > 10 * MS)
		stay(w);
	faults_kill(w, a, procs[world_below(w, 3)]);
	run_for(w, world_between(w, 500 * MS, 2 * SEC));
}

static void freeze(struct world *w, struct node *a, struct node *s)
{
	usec_t duration = world_between(w, 1 * MS, 1 * SEC);

	w->watch.no_overlap = true;
	faults_freeze(w, a, PROC_VRRPD, duration);
	if (duration > w->detection + SLACK)
		wait_holding(w, s, w->detection + SLACK, "peer of a frozen vrrpd takes over");
	run_for(w, duration);
}

static void switchover(struct world *w, struct node *a, struct node *s)
{
	w->watch.no_gap = w->watch.no_loss = true;
	faults_switchover(w, a);
	run_for(w, 2 * SEC);
	if (!w->failed && (!a->vrrpd.switchover_answered || a->vrrpd.switchover_err ||
				  s->vrrpd.e.role != ELECTION_ACTIVE))
		world_fail(w, "switchover", "answered %d with %d, the peer is %s",
			a->vrrpd.switchover_answered, a->vrrpd.switchover_err,
			election_role_str(s->vrrpd.e.role));
}

static void orderly_stop(struct world *w, struct node *a, struct node *s)
{
	w->watch.no_gap = w->watch.no_loss = true;
	faults_stop(w, a);
	wait_holding(w, s, 2 * SEC, "orderly stop hands over");
	run_for(w, 500 * MS);
}

static void cable(struct world *w, struct node *a, struct node *s)
{
	usec_t limit = w->heartbeat ? 30 * MS : w->advert + 30 * MS;

	faults_note(w, 0);
	network_carrier(w, a, world_chance(w, 500) ? PATH_LAN : PATH_WAN, false);
	wait_holding(w, s, limit, "a pulled cable moves the role");
	run_for(w, world_between(w, 1 * MS, 3 * SEC));
}

/* Nothing that happens to the Standby, or to one path alone, may touch the Active. */
static void standby_dies(struct world *w, struct node *a, struct node *s)
{
	/* A restarted vrrpd does not know that an operator made it Standby, and may preempt. */
	if (w->preempt == ELECTION_PREEMPT_NEVER || s->config.priority <= a->config.priority)
		stay(w);
	if (world_chance(w, 500))
		faults_power(w, s, world_between(w, 100 * MS, 5 * SEC));
	else
		faults_kill(w, s, (enum sim_proc)world_between(w, PROC_NETCFGD, PROC_VRRPD));
	run_for(w, 3 * SEC);
}

static void one_path(struct world *w, struct node *a, struct node *s)
{
	unsigned way = (unsigned)world_below(w, 3);

	(void)a;
	(void)s;
	stay(w);
	faults_cut(w, (enum sim_path)world_below(w, PATHS), way != 0, way != 1);
	run_for(w, world_between(w, 10 * MS, 6 * SEC));
}

static void ha_flaps(struct world *w, struct node *a, struct node *s)
{
	stay(w);
	for (int i = 0; i < 4 && !w->failed; i++) {
		faults_note(w, 0);
		network_carrier(w, world_chance(w, 500) ? a : s, PATH_HA, i % 2);
		run_for(w, world_between(w, 1 * MS, 500 * MS));
	}
}

static void operators(struct world *w, struct node *a, struct node *s)
{
	stay(w);
	faults_reload(w, a);
	faults_reload(w, s);
	faults_switchover(w, s); /* refused: it is Standby */
	run_for(w, world_between(w, 1, 10 * MS));
	kernel_overrun(a);
	run_for(w, 1 * SEC);
}

static void starved(struct world *w, struct node *a, struct node *s)
{
	struct election_times t = election_times(&a->vrrpd.e);
	usec_t most = t.ttl - t.tick - 2 * MS, duration;
	enum sim_proc p = world_chance(w, 500) ? PROC_VRRPD : PROC_NETCFGD;

	(void)s;
	if (most <= 0)
		return;
	duration = world_between(w, 1, most > 100 * MS ? 100 * MS : most);
	stay(w);
	faults_note(w, duration);
	proc_starve(w, a, p, duration);
	run_for(w, 500 * MS);
}

static void both_boot(struct world *w, struct node *a, struct node *s)
{
	usec_t off = world_between(w, 10 * MS, 4 * SEC);

	faults_power(w, a, off);
	faults_power(w, s, off);
	run_for(w, off + world_between(w, 0, 5 * SEC));
}

static void chaos(struct world *w, struct node *a, struct node *s)
{
	(void)a;
	(void)s;
	for (uint64_t i = 2 + world_below(w, 9); i > 0 && !w->failed; i--) {
		faults_random(w);
		run_for(w, world_between(w, 0, world_chance(w, 500) ? 30 * MS : 3 * SEC));
	}
}

static void (*const episodes[])(struct world *, struct node *, struct node *) = {
	power_cut,
	everything_killed,
	kill_one,
	kill_one,
	freeze,
	switchover,
	orderly_stop,
	cable,
	standby_dies,
	one_path,
	ha_flaps,
	operators,
	starved,
	both_boot,
	chaos,
	chaos,
	chaos,
	chaos,
};

void scenario_run(struct world *w)
{
	uint64_t n = 3 + world_below(w, 5);

	draw(w);
	for (unsigned i = 0; i < NODES; i++) {
		if (i == 1 && world_chance(w, 500) && !run_for(w, world_between(w, 0, 5 * SEC)))
			return;
		node_boot(w, &w->nodes[i]);
	}
	if (!heal(w))
		return;
	while (n-- > 0) {
		struct node *a = active(w);

		episodes[world_below(w, sizeof(episodes) / sizeof(episodes[0]))](
			w, a, world_peer(w, a));
		if (w->failed || !heal(w))
			return;
	}
}
