/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd in the simulation: the real lease core; in place of rtnetlink and nftables, a kernel that
 * holds the virtual addresses and forwards, or does not.
 */
#include "tests/sim/sim.h"

static void busy(struct world *w, struct node *n, usec_t duration)
{
	n->procs[PROC_NETCFGD].late_until = w->now + duration;
}

/* The kernel is slow at times, and while it refuses, what was set must go again. */
static void take(struct world *w, struct node *n, struct lease_out *out)
{
	usec_t took =
		world_chance(w, 50) ? world_between(w, 1 * MS, 60 * MS) : world_between(w, 50, 800);
	struct lease_event ev = {.kind = LEASE_EV_TAKE_FAILED};

	if (w->now < n->kernel.refuses_until) {
		*out = lease_step(&n->netcfgd.lease, &ev, node_now(w, n));
		kernel_drop(w, n);
		return;
	}
	kernel_take(w, n);
	busy(w, n, took);
}

static void carry_out(struct world *w, struct node *n, struct lease_out *out)
{
	switch (out->action) {
	case LEASE_ACT_NONE:
		return;
	case LEASE_ACT_TAKE:
		take(w, n, out);
		return;
	case LEASE_ACT_REFRESH:
		if (node_holds(w, n))
			n->kernel.addresses_until = w->now + LEASE_KERNEL_LFT * SEC;
		else
			kernel_take(w, n); /* the reconciler puts back what is missing */
		break;
	case LEASE_ACT_DROP:
		kernel_drop(w, n);
		break;
	}
	busy(w, n, world_between(w, 50, 500));
}

static struct lease_out step(struct world *w, struct node *n, const struct lease_event *ev)
{
	struct lease_out out = lease_step(&n->netcfgd.lease, ev, node_now(w, n));

	if (out.why != NULL)
		world_trace(w, n, "netcfgd: %s (term %llu)", out.why,
			(unsigned long long)out.reply.term);
	carry_out(w, n, &out);
	return out;
}

static void on_request(struct world *w, struct node *n, const struct msg *m)
{
	static const enum lease_event_kind kinds[] = {
		[ELECTION_LEASE_QUERY] = LEASE_EV_QUERY,
		[ELECTION_LEASE_ACQUIRE] = LEASE_EV_ACQUIRE,
		[ELECTION_LEASE_RENEW] = LEASE_EV_RENEW,
		[ELECTION_LEASE_RELEASE] = LEASE_EV_RELEASE,
	};
	struct lease_event ev = {.kind = kinds[m->lease.verb],
		.term = m->lease.term,
		.ttl = m->lease.ttl,
		.age = node_now(w, n) - m->lease.sent};
	struct lease_out out = step(w, n, &ev);
	struct msg reply = {.kind = MSG_LEASE_REPLY,
		.gen = m->gen,
		.cookie = m->cookie,
		.lease_reply = {.verb = m->lease.verb, .reply = out.reply}};
	usec_t done = n->procs[PROC_NETCFGD].late_until;

	proc_send_at(w, n, PROC_VRRPD, (done > w->now ? done : w->now) + world_between(w, 5, 60),
		&reply);
}

static void tell_link(struct world *w, struct node *n, enum sim_path path)
{
	struct msg m = {.kind = MSG_LINK_STATE,
		.gen = n->vrrpd.netcfgd.gen,
		.link = {path, network_link_up(w, n, path)}};

	if (n->vrrpd.netcfgd.subscribed)
		proc_send(w, n, PROC_VRRPD, &m);
}

static void on_subscribe(struct world *w, struct node *n)
{
	n->vrrpd.netcfgd.subscribed = true;
	for (unsigned p = 0; p < PATHS; p++)
		tell_link(w, n, (enum sim_path)p);
}

void netcfgd_handle(struct world *w, struct node *n, const struct msg *m)
{
	struct msg out = {.kind = MSG_ANSWER,
		.gen = n->procs[PROC_SUPERVISOR].gen,
		.child = {.proc = PROC_NETCFGD}};

	switch (m->kind) {
	case MSG_LEASE_REQUEST:
		on_request(w, n, m);
		break;
	case MSG_LINK_SUBSCRIBE:
		on_subscribe(w, n);
		break;
	case MSG_CARRIER:
		tell_link(w, n, m->link.path);
		break;
	case MSG_STOP:
		step(w, n, &(struct lease_event){.kind = LEASE_EV_STOP});
		proc_die(w, n, PROC_NETCFGD, true);
		break;
	case MSG_ASK:
		proc_send(w, n, PROC_SUPERVISOR, &out);
		break;
	default:
		break;
	}
}

void netcfgd_tick(struct world *w, struct node *n)
{
	/* A turn of the loop reads one message here. */
	if (n->procs[PROC_NETCFGD].n > 0 && lease_overdue(&n->netcfgd.lease, node_now(w, n)))
		return;
	step(w, n, &(struct lease_event){.kind = LEASE_EV_TICK});
}

usec_t netcfgd_deadline(const struct world *w, const struct node *n)
{
	(void)w;
	return node_to_world(n, lease_due(&n->netcfgd.lease));
}

void netcfgd_start(struct world *w, struct node *n)
{
	struct msg m = {.kind = MSG_READY,
		.gen = n->procs[PROC_SUPERVISOR].gen,
		.child = {.proc = PROC_NETCFGD}};

	lease_init(&n->netcfgd.lease);
	if (node_holds(w, n) && n->kernel.forwarding)
		step(w, n, &(struct lease_event){.kind = LEASE_EV_ADOPT});
	else
		kernel_drop(w, n);
	proc_send(w, n, PROC_SUPERVISOR, &m);
}
