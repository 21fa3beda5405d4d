/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network between the two nodes: three paths that lose, delay, reorder and duplicate frames in
 * each direction on its own, and the HA link's connection on top of one of them (TLS over TCP:
 * frames in order while it lasts; it breaks when an end goes away, or after silence).
 */
#include "tests/sim/sim.h"

#include <string.h>

#define CONNECT_EVERY (100 * MS)
#define RETRANSMIT    (40 * MS)
#define STREAM_UNREAD 64 /* frames in the receiver's buffer */

void network_init(struct world *w)
{
	for (unsigned p = 0; p < PATHS; p++) {
		struct path *path = &w->paths[p];

		path->carrier[0] = path->carrier[1] = true;
		path->delay = world_between(w, 30, 300);
		path->jitter = world_between(w, 10, 300);
	}
}

bool network_both_ways(const struct world *w, enum sim_path path)
{
	const struct path *p = &w->paths[path];

	return !p->cut[0] && !p->cut[1] && p->carrier[0] && p->carrier[1] && !p->loss_pct;
}

bool network_link_up(const struct world *w, const struct node *n, enum sim_path path)
{
	return w->paths[path].carrier[n->id];
}

static bool passes(const struct world *w, const struct path *p, unsigned from)
{
	return !p->cut[from] && p->carrier[0] && p->carrier[1] && w->nodes[!from].power;
}

void network_send(struct world *w, struct node *from, enum sim_path path, const struct msg *m)
{
	const struct path *p = &w->paths[path];
	unsigned copies = 1;

	if (!passes(w, p, from->id))
		return;
	if (p->loss_pct && world_below(w, 100) < p->loss_pct)
		return;
	if (p->dup_pct && world_below(w, 100) < p->dup_pct)
		copies = 2;
	while (copies-- > 0)
		world_post(w, w->now + p->delay + world_between(w, 0, p->jitter), !from->id,
			PROC_VRRPD, m);
}

void network_carrier(struct world *w, struct node *n, enum sim_path path, bool on)
{
	struct msg m = {.kind = MSG_CARRIER, .link = {.path = path, .carrier = on}};

	if (w->paths[path].carrier[n->id] == on)
		return;
	w->paths[path].carrier[n->id] = on;
	world_trace(w, n, "carrier of path %d %s", path, on ? "up" : "down");
	if (n->power)
		world_post(w, w->now + world_between(w, 50, 1000), n->id, PROC_NETCFGD, &m);
}

/* --- the HA link's connection ---------------------------------------------------------------- */
static bool stream_passes(const struct world *w)
{
	const struct path *p = &w->paths[PATH_HA];

	return passes(w, p, 0) && passes(w, p, 1);
}

static void tell(struct world *w, struct node *n, int kind, usec_t at)
{
	const struct node *peer = world_peer(w, n);
	struct msg m = {.kind = kind, .gen = w->stream.gen, .cookie = n->procs[PROC_SYNCD].gen};

	if (kind == MSG_STREAM_UP) {
		m.stream.ev.type = REPLICA_EV_LINK_UP;
		m.stream.ev.role = peer->syncd.r.role;
		m.stream.ev.term = peer->syncd.r.term;
		m.stream.ev.handover = peer->syncd.r.handover;
	}
	world_post(w, at, n->id, PROC_SYNCD, &m);
}

static void end_closed(struct world *w, unsigned end)
{
	struct stream *s = &w->stream;

	s->open[end] = false;
	s->head[end] = s->n[end] = 0;
	/* Not before it was up. */
	tell(w, &w->nodes[end], MSG_STREAM_DOWN,
		(w->now > s->up_at ? w->now : s->up_at) + world_between(w, 5, 50));
}

void stream_close(struct world *w, struct node *n, bool silent)
{
	struct stream *s = &w->stream;

	if (!s->open[n->id])
		return;
	s->open[n->id] = false;
	s->n[n->id] = s->head[n->id] = 0;
	/* FIN or RST, if it gets through; what was under way is lost with it. */
	if (!silent && s->open[!n->id] && stream_passes(w)) {
		end_closed(w, !n->id);
		s->n[!n->id] = s->head[!n->id] = 0;
	}
}

static void stream_connect(struct world *w)
{
	struct stream *s = &w->stream;
	usec_t done = w->now + world_between(w, 500, 4000) + (s->up_at > w->now ? 4 * MS : 0);

	for (unsigned i = 0; i < NODES; i++)
		if (s->open[i])
			end_closed(w, i);
	s->gen++;
	s->up_at = done;
	world_trace(w, NULL, "HA link connected (%u)", s->gen);
	for (unsigned i = 0; i < NODES; i++) {
		s->open[i] = true;
		s->n[i] = s->head[i] = 0;
		s->last[i] = done;
		s->alive[i] = done;
		s->patience[i] = world_between(w, 1 * SEC, 3 * SEC);
		tell(w, &w->nodes[i], MSG_STREAM_UP, done);
	}
}

void stream_poll(struct world *w)
{
	struct stream *s = &w->stream;
	bool passes_now = stream_passes(w), both = true;

	world_schedule(w, w->now + world_between(w, CONNECT_EVERY / 2, CONNECT_EVERY), EV_CONNECT,
		0, 0, 0);
	for (unsigned i = 0; i < NODES; i++)
		both &= proc_running(&w->nodes[i], PROC_SYNCD);
	for (unsigned i = 0; i < NODES; i++) {
		if (s->open[i] && s->open[!i] && passes_now && both)
			s->alive[i] = w->now;
		else if (s->open[i] && w->now - s->alive[i] > s->patience[i] &&
			 proc_running(&w->nodes[i], PROC_SYNCD)) {
			world_trace(w, &w->nodes[i], "HA link silent for too long");
			stream_close(w, &w->nodes[i], false);
			tell(w, &w->nodes[i], MSG_STREAM_DOWN, w->now);
		}
	}
	/* A new connection replaces one that only the other end believes in. */
	if (passes_now && both && !(s->open[0] && s->open[1]))
		stream_connect(w);
}

size_t stream_room(const struct world *w, const struct node *n)
{
	return w->stream.open[n->id] ? SIM_STREAM - w->stream.n[n->id] : 0;
}

static void arm(struct world *w, unsigned from, usec_t at)
{
	struct stream *s = &w->stream;

	if (s->armed[from])
		return;
	s->armed[from] = true;
	world_schedule(w, at, EV_STREAM, from, 0, 0);
}

void stream_send(struct world *w, struct node *n, const struct msg *m)
{
	struct stream *s = &w->stream;
	const struct path *p = &w->paths[PATH_HA];
	unsigned from = n->id;
	struct frame_ref *f;

	if (!s->open[from])
		return;
	if (s->n[from] == SIM_STREAM) {
		world_fail(w, "simulation", "a node put more on the HA link than it takes");
		return;
	}
	f = &s->queue[from][(s->head[from] + s->n[from]++) % SIM_STREAM];
	f->msg = *m;
	f->msg.gen = s->gen;
	f->ready = w->now + p->delay + world_between(w, 10, 10 + p->jitter);
	if (f->ready < s->last[from])
		f->ready = s->last[from];
	s->last[from] = f->ready;
	arm(w, from, f->ready);
}

void stream_arrive(struct world *w, unsigned from)
{
	struct stream *s = &w->stream;
	struct node *sender = &w->nodes[from], *receiver = &w->nodes[!from];
	struct frame_ref *f = &s->queue[from][s->head[from]];
	unsigned loss = w->paths[PATH_HA].loss_pct;

	s->armed[from] = false;
	if (s->n[from] == 0)
		return;
	if (f->ready > w->now) {
		arm(w, from, f->ready);
		return;
	}
	if (receiver->procs[PROC_SYNCD].n > STREAM_UNREAD) {
		arm(w, from, w->now + 1 * MS); /* flow control */
		return;
	}
	/* Lost or held up: TCP sends it again later, and everything behind it waits. */
	if (!stream_passes(w) ||
		(loss && w->now > s->repaired[from] && world_below(w, 100) < loss)) {
		s->repaired[from] = w->now + RETRANSMIT;
		arm(w, from, s->repaired[from]);
		return;
	}
	s->head[from] = (s->head[from] + 1) % SIM_STREAM;
	s->n[from]--;
	if (s->open[!from])
		proc_offer(w, receiver, PROC_SYNCD, &f->msg);
	if (s->n[from] > 0)
		arm(w, from, s->queue[from][s->head[from]].ready);
	if (s->open[from] && proc_running(sender, PROC_SYNCD))
		syncd_pump(w, sender);
}
