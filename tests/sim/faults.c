/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that is done to the pair: kills, freezes, power cuts, cut and lossy links, starvation,
 * operators. Which, when and for how long comes from the seed.
 */
#include "tests/sim/sim.h"

void faults_note(struct world *w, usec_t lasts)
{
	w->watch.disturbed = w->now;
	if (w->watch.quiet_from < w->now + lasts)
		w->watch.quiet_from = w->now + lasts;
}

void faults_kill(struct world *w, struct node *n, enum sim_proc p)
{
	faults_note(w, 20 * MS);
	proc_die(w, n, p, false);
}

void faults_kill_all(struct world *w, struct node *n)
{
	world_trace(w, n, "every process killed");
	faults_note(w, 0);
	for (unsigned p = 0; p < PROCS; p++)
		proc_die(w, n, (enum sim_proc)p, false);
}

void faults_freeze(struct world *w, struct node *n, enum sim_proc p, usec_t duration)
{
	faults_note(w, duration);
	proc_freeze(w, n, p);
	world_schedule(w, w->now + duration, EV_THAW, n->id, p, n->procs[p].gen);
}

void faults_power(struct world *w, struct node *n, usec_t off)
{
	faults_note(w, off);
	node_power_cut(w, n);
	world_schedule(w, w->now + off, EV_BOOT, n->id, 0, n->outages);
}

static void tell(struct world *w, struct node *n, enum sim_proc p, int kind)
{
	struct msg m = {.kind = kind, .gen = n->procs[p].gen, .cookie = 1};

	faults_note(w, 0);
	if (n->procs[p].alive)
		proc_send(w, n, p, &m);
}

void faults_stop(struct world *w, struct node *n)
{
	tell(w, n, PROC_SUPERVISOR, MSG_STOP);
}

void faults_switchover(struct world *w, struct node *n)
{
	world_trace(w, n, "operator: switchover");
	n->vrrpd.switchover_answered = false;
	tell(w, n, PROC_VRRPD, MSG_SWITCHOVER);
}

void faults_reload(struct world *w, struct node *n)
{
	world_trace(w, n, "operator: reload");
	tell(w, n, PROC_VRRPD, MSG_RELOAD);
}

void faults_cut(struct world *w, enum sim_path path, bool from_a, bool from_b)
{
	world_trace(w, NULL, "path %d cut: from A %d, from B %d", path, from_a, from_b);
	faults_note(w, 0);
	w->paths[path].cut[0] = from_a;
	w->paths[path].cut[1] = from_b;
}

static void burst(struct world *w, struct path *p)
{
	p->loss_pct = (unsigned)world_between(w, 5, 90);
	p->dup_pct = (unsigned)world_between(w, 0, 30);
	world_trace(w, NULL, "path %d loses %u %%, doubles %u %%", (int)(p - w->paths), p->loss_pct,
		p->dup_pct);
	faults_note(w, 0);
}

static void calm(struct world *w)
{
	faults_note(w, 0);
	for (unsigned i = 0; i < PATHS; i++) {
		struct path *p = &w->paths[i];

		p->cut[0] = p->cut[1] = false;
		p->loss_pct = p->dup_pct = 0;
		network_carrier(w, &w->nodes[0], (enum sim_path)i, true);
		network_carrier(w, &w->nodes[1], (enum sim_path)i, true);
	}
	world_trace(w, NULL, "all paths healed");
}

void faults_random(struct world *w)
{
	struct node *n = &w->nodes[world_below(w, NODES)];
	enum sim_proc p = (enum sim_proc)world_below(w, PROCS);
	enum sim_path path = (enum sim_path)world_below(w, PATHS);
	uint64_t way = world_below(w, 4);
	usec_t long_time = world_between(w, 1 * MS, world_chance(w, 500) ? 100 * MS : 6 * SEC);

	switch (world_below(w, 15)) {
	case 0:
	case 1:
		faults_kill(w, n, p);
		break;
	case 2:
	case 3:
		faults_freeze(w, n, p, long_time);
		break;
	case 4:
		faults_power(w, n, long_time);
		break;
	case 5:
		faults_kill_all(w, n);
		break;
	case 6:
		faults_stop(w, n);
		break;
	case 7:
		faults_cut(w, path, way != 0, way != 1);
		break;
	case 8:
		faults_note(w, 0);
		network_carrier(w, n, path, world_chance(w, 300));
		break;
	case 9:
		burst(w, &w->paths[path]);
		break;
	case 10:
		calm(w);
		break;
	case 11:
		faults_note(w, 100 * MS);
		proc_starve(w, n, p, world_between(w, 1 * MS, 100 * MS));
		break;
	case 12:
		faults_switchover(w, n);
		break;
	case 13:
		if (world_chance(w, 500)) {
			faults_reload(w, n);
		} else {
			world_trace(w, n, "conntrack events overrun");
			kernel_overrun(n);
		}
		break;
	case 14:
		world_trace(w, n, "kernel refuses addresses for %lld us", (long long)long_time);
		faults_note(w, long_time);
		n->kernel.refuses_until = w->now + long_time;
		break;
	}
}

void faults_heal(struct world *w)
{
	world_trace(w, NULL, "no more faults");
	calm(w);
	for (unsigned i = 0; i < NODES; i++) {
		for (unsigned p = 0; p < PROCS; p++)
			proc_thaw(w, &w->nodes[i], (enum sim_proc)p);
		node_boot(w, &w->nodes[i]);
		w->nodes[i].kernel.refuses_until = 0;
	}
	w->watch.quiet_from = w->now;
}
