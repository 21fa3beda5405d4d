/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd in the simulation: the real replica core and dirty set. Sessions are a name and a version;
 * ctnetlink is the virtual kernel's table and event queue, and dumps walk it in slices while it
 * changes. The HA link is the stream of network.c.
 */
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define BATCHES_AHEAD 6 /* frames under way; after that the link is full */
#define DIRTY_MAX     64
#define DIRTY_SMALL   20
#define FAREWELL      (60 * MS) /* stops later while records are owed to the peer */

static void step(
	struct world *w, struct node *n, const struct replica_event *ev, const struct msg *batch);

static void step_type(struct world *w, struct node *n, enum replica_event_type type, uint64_t id)
{
	step(w, n, &(struct replica_event){.type = type, .id = id}, NULL);
}

static void flow_of(const struct record *r, struct flow *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->key.family = AF_INET;
	ret->key.proto = 17;
	ret->key.sport = r->id;
	ret->mark = r->version;
}

static void self_later(struct world *w, struct node *n, int kind, uint64_t id)
{
	struct msg m = {.kind = kind, .gen = n->procs[PROC_SYNCD].gen, .cookie = id};

	world_post(w, w->now + world_between(w, 20, 300), n->id, PROC_SYNCD, &m);
}

/* --- the kernel's events --------------------------------------------------------------------- */
static void put(struct world *w, struct node *n, enum dirty_op op, const struct flow *f)
{
	if (dirty_put(n->syncd.dirty, op, f, node_now(w, n)) < 0)
		n->syncd.overrun = true;
}

static void on_kevent(struct world *w, struct node *n, const struct record *r)
{
	struct flow f;

	flow_of(r, &f);
	if (r->op == DIRTY_DELETE)
		shadow_gone(n->syncd.shadow, &f.key);
	else
		shadow_seen(n->syncd.shadow, &f, node_now(w, n));
	/* The kernel tells NEW, UPDATE and DESTROY. */
	put(w, n, r->op == DIRTY_REPLACE ? DIRTY_CREATE : (enum dirty_op)r->op, &f);
}

static void read_kevents(struct world *w, struct node *n, size_t limit)
{
	struct kernel *k = &n->kernel;

	if (k->overrun) {
		k->overrun = false;
		n->syncd.overrun = true;
	}
	for (; k->kev_n > 0 && limit > 0; limit--) {
		struct record r = k->kevents[k->kev_head];

		k->kev_head = (k->kev_head + 1) % SIM_KEVENTS;
		k->kev_n--;
		on_kevent(w, n, &r);
	}
	if (k->kev_n == 0)
		kernel_events_empty(n);
}

/* --- notifications and answers --------------------------------------------------------------- */
static void notify(struct world *w, struct node *n)
{
	const struct replica *r = &n->syncd.r;
	struct msg m = {.kind = MSG_SYNC_STATE,
		.gen = n->vrrpd.syncd.gen,
		.sync = {r->connected, replica_in_sync(r)}};

	world_trace(w, n, "syncd: connected %d in sync %d (%s)", r->connected, replica_in_sync(r),
		replica_reason(r));
	if (n->vrrpd.syncd.subscribed)
		proc_send(w, n, PROC_VRRPD, &m);
}

static void tell_key(struct world *w, struct node *n)
{
	struct msg m = {.kind = MSG_PEER_KEY, .gen = n->vrrpd.syncd.gen};

	if (n->syncd.key && n->vrrpd.syncd.subscribed)
		proc_send(w, n, PROC_VRRPD, &m);
}

static void done(struct world *w, struct node *n, uint32_t gen, uint64_t cookie, int asked, int err)
{
	struct msg m = {.kind = MSG_DONE, .gen = gen, .cookie = cookie, .done = {asked, err}};

	proc_send(w, n, PROC_VRRPD, &m);
}

static void flush_end(struct world *w, struct node *n, int err)
{
	struct flush *f = &n->syncd.flush;

	f->waiting = false;
	done(w, n, f->gen, f->cookie, MSG_FLUSH, err);
}

static void flush_check(struct world *w, struct node *n)
{
	struct flush *f = &n->syncd.flush;
	uint64_t seq;

	if (f->waiting && dirty_mark_sent(n->syncd.dirty, f->mark, &seq) && n->syncd.acked >= seq)
		flush_end(w, n, 0);
}

/* --- sending --------------------------------------------------------------------------------- */
static void send_frame(struct world *w, struct node *n, enum replica_event_type type,
	const struct replica_action *a)
{
	struct msg m = {.kind = MSG_STREAM};

	m.stream.ev = (struct replica_event){.type = type,
		.role = a->role,
		.handover = a->handover,
		.sync = a->sync,
		.term = a->term,
		.id = a->id,
		.seq = a->seq};
	stream_send(w, n, &m);
}

static bool send_batch(struct world *w, struct node *n, uint64_t term)
{
	struct syncd_shell *s = &n->syncd;
	struct msg m = {.kind = MSG_STREAM};
	enum dirty_op op;
	struct flow f;

	m.stream.ev.type = REPLICA_EV_BATCH;
	m.stream.ev.term = term;
	m.stream.ev.seq = s->seq + 1;
	while (m.stream.n < SIM_BATCH && dirty_pop(s->dirty, s->seq + 1, &op, &f)) {
		m.stream.records[m.stream.n++] =
			(struct record){(uint8_t)op, (uint8_t)f.key.sport, f.mark};
		s->sent_seq[f.key.sport] = s->seq + 1;
		s->sent_version[f.key.sport] = f.mark;
	}
	if (m.stream.n == 0)
		return false;
	s->seq++;
	stream_send(w, n, &m);
	return true;
}

void syncd_pump(struct world *w, struct node *n)
{
	struct syncd_shell *s = &n->syncd;
	uint64_t term;

	while (replica_may_send(&s->r, &term) && stream_room(w, n) > SIM_STREAM - BATCHES_AHEAD &&
		send_batch(w, n, term))
		;
	if (s->dumping && s->dump_read && dirty_mark_sent(s->dirty, s->dump_mark, NULL)) {
		s->dumping = false;
		step_type(w, n, REPLICA_EV_DUMP_SENT, s->dump_id);
	}
	if (s->draining && dirty_waiting(s->dirty) == 0) {
		s->draining = false;
		step_type(w, n, REPLICA_EV_DRAINED, 0);
	}
	flush_check(w, n);
	if (s->overrun) {
		s->overrun = false;
		step_type(w, n, REPLICA_EV_OVERRUN, 0);
	}
}

/* --- walks over the own kernel --------------------------------------------------------------- */
static void dump_read(struct world *w, struct node *n)
{
	struct syncd_shell *s = &n->syncd;

	s->n_snapshot = 0;
	for (; s->dump_pos < SIM_SESSIONS && s->n_snapshot < SIM_SLICE; s->dump_pos++)
		if (n->kernel.present[s->dump_pos])
			s->snapshot[s->n_snapshot++] = (struct record){
				DIRTY_UPDATE, (uint8_t)s->dump_pos, n->kernel.version[s->dump_pos]};
	self_later(w, n, MSG_DUMP_SLICE, s->dump_id);
}

/* The kernel filled its answer some time ago; events came in between. */
static void dump_slice(struct world *w, struct node *n, uint64_t id)
{
	struct syncd_shell *s = &n->syncd;
	struct flow f;

	if (!s->dumping || s->dump_read || s->dump_id != id)
		return;
	if (dirty_count(s->dirty) >= s->dirty_max / 2) {
		self_later(w, n, MSG_DUMP_SLICE, id); /* no faster than the link */
		return;
	}
	for (size_t i = 0; i < s->n_snapshot; i++) {
		flow_of(&s->snapshot[i], &f);
		if (shadow_scan(s->shadow, &f, node_now(w, n)))
			put(w, n, DIRTY_UPDATE, &f);
	}
	if (s->dump_pos < SIM_SESSIONS) {
		dump_read(w, n);
		return;
	}
	read_kevents(w, n, SIM_KEVENTS);
	shadow_scan_end(s->shadow);
	s->dump_read = true;
	s->dump_mark = dirty_mark(s->dirty);
}

static void sweep_slice(struct world *w, struct node *n, uint64_t id)
{
	struct syncd_shell *s = &n->syncd;
	size_t end = s->sweep_pos + SIM_SLICE;

	if (!s->sweeping || s->sweep_id != id)
		return;
	for (; s->sweep_pos < SIM_SESSIONS && s->sweep_pos < end; s->sweep_pos++)
		if (!s->marks[s->sweep_pos])
			n->kernel.present[s->sweep_pos] = false;
	if (s->sweep_pos < SIM_SESSIONS) {
		self_later(w, n, MSG_SWEEP_SLICE, id);
		return;
	}
	s->sweeping = s->marking = false;
	step_type(w, n, world_chance(w, 20) ? REPLICA_EV_UNSWEPT : REPLICA_EV_SWEPT, id);
}

static void apply_batch(struct world *w, struct node *n, const struct msg *m)
{
	for (size_t i = 0; m != NULL && i < m->stream.n; i++) {
		const struct record *r = &m->stream.records[i];

		if (w->trace_frames)
			world_trace(w, n, "applies session %u op %d version %u", r->id, r->op,
				r->version);
		n->kernel.present[r->id] = r->op != DIRTY_DELETE;
		n->kernel.version[r->id] = r->version;
		n->syncd.marks[r->id] = true;
	}
}

/* --- actions --------------------------------------------------------------------------------- */
static void dump(struct world *w, struct node *n, uint64_t id)
{
	struct syncd_shell *s = &n->syncd;

	s->dumping = true;
	s->dump_read = false;
	s->dump_id = id;
	s->dump_pos = 0;
	shadow_scan_begin(s->shadow, true);
	dump_read(w, n);
}

/* What is queued is older than the dump that follows, and events after it may be lost. */
static void clear(struct world *w, struct node *n)
{
	struct syncd_shell *s = &n->syncd;

	dirty_clear(s->dirty);
	shadow_clear(s->shadow);
	kernel_events_empty(n);
	n->kernel.overrun = s->draining = s->overrun = false;
	s->events_since = w->now;
	if (s->flush.waiting)
		flush_end(w, n, -EAGAIN);
}

static void mark(struct node *n, bool on)
{
	struct syncd_shell *s = &n->syncd;

	s->marking = on;
	s->sweeping = false;
	memset(s->marks, 0, sizeof(s->marks));
}

static void sweep(struct world *w, struct node *n, uint64_t id)
{
	struct syncd_shell *s = &n->syncd;

	s->sweeping = true;
	s->sweep_id = id;
	s->sweep_pos = 0;
	self_later(w, n, MSG_SWEEP_SLICE, id);
}

static void drain(struct world *w, struct node *n)
{
	read_kevents(w, n, SIM_KEVENTS);
	n->kernel.listening = false;
	n->syncd.draining = true;
}

static void listen_events(const struct world *w, struct node *n, bool on)
{
	n->kernel.listening = on;
	n->syncd.events_since = w->now;
	n->kernel.overrun = false;
	kernel_events_empty(n);
	if (!on)
		n->syncd.draining = false;
}

static void reset_link(struct world *w, struct node *n)
{
	world_fail(w, "protocol", "syncd of %s resets the HA link: its peer breaks the protocol",
		n->id ? "B" : "A");
}

static void acked(struct syncd_shell *s, uint64_t seq)
{
	dirty_ack(s->dirty, seq);
	s->acked = seq;
	for (size_t i = 0; i < SIM_SESSIONS; i++)
		if (s->sent_seq[i] <= seq)
			s->acked_version[i] = s->sent_version[i];
}

static void carry_out(
	struct world *w, struct node *n, const struct replica_action *a, const struct msg *batch)
{
	struct syncd_shell *s = &n->syncd;

	switch (a->type) {
	case REPLICA_DO_SEND_STATE:
		send_frame(w, n, REPLICA_EV_STATE, a);
		break;
	case REPLICA_DO_SEND_SYNC_BEGIN:
		send_frame(w, n, REPLICA_EV_SYNC_BEGIN, a);
		break;
	case REPLICA_DO_SEND_SYNC_END:
		send_frame(w, n, REPLICA_EV_SYNC_END, a);
		break;
	case REPLICA_DO_SEND_SYNC_DONE:
		send_frame(w, n, REPLICA_EV_SYNC_DONE, a);
		break;
	case REPLICA_DO_SEND_SYNC_REQUEST:
		send_frame(w, n, REPLICA_EV_SYNC_REQUEST, a);
		break;
	case REPLICA_DO_SEND_TERM_END:
		send_frame(w, n, REPLICA_EV_TERM_END, a);
		break;
	case REPLICA_DO_SEND_ACK:
		send_frame(w, n, REPLICA_EV_ACK, a);
		break;
	case REPLICA_DO_APPLY:
		apply_batch(w, n, batch);
		break;
	case REPLICA_DO_REFUSE:
		world_trace(w, n, "syncd: frame refused");
		break;
	case REPLICA_DO_MARK:
	case REPLICA_DO_MARK_DROP:
		mark(n, a->type == REPLICA_DO_MARK);
		break;
	case REPLICA_DO_SWEEP:
		sweep(w, n, a->id);
		break;
	case REPLICA_DO_DUMP:
		dump(w, n, a->id);
		break;
	case REPLICA_DO_EVENTS_ON:
	case REPLICA_DO_EVENTS_OFF:
		listen_events(w, n, a->type == REPLICA_DO_EVENTS_ON);
		break;
	case REPLICA_DO_DUMP_STOP:
		s->dumping = false;
		break;
	case REPLICA_DO_DRAIN:
		drain(w, n);
		break;
	case REPLICA_DO_CLEAR:
		clear(w, n);
		break;
	case REPLICA_DO_ACKED:
		acked(s, a->seq);
		break;
	case REPLICA_DO_NOTIFY:
		notify(w, n);
		break;
	case REPLICA_DO_RESET_LINK:
		reset_link(w, n);
		break;
	}
}

static void step(
	struct world *w, struct node *n, const struct replica_event *ev, const struct msg *batch)
{
	struct replica_actions out;

	replica_step(&n->syncd.r, ev, node_now(w, n), &out);
	for (size_t i = 0; i < out.n; i++)
		carry_out(w, n, &out.v[i], batch);
}

/* --- what arrives ---------------------------------------------------------------------------- */
static void on_role(struct world *w, struct node *n, const struct msg *m)
{
	struct replica_event ev = {.term = m->role.term, .handover = m->role.handover};

	ev.type = m->kind == MSG_PROMOTE ? REPLICA_EV_PROMOTE : REPLICA_EV_DEMOTE;
	world_trace(w, n, "syncd: %s term %llu handover %d",
		m->kind == MSG_PROMOTE ? "promote" : "demote", (unsigned long long)m->role.term,
		m->role.handover);
	step(w, n, &ev, NULL);
	done(w, n, m->gen, m->cookie, m->kind, 0);
}

static void on_flush(struct world *w, struct node *n, const struct msg *m)
{
	struct flush *f = &n->syncd.flush;

	if (f->waiting)
		flush_end(w, n, -ECANCELED);
	if (!n->syncd.r.connected || !n->syncd.r.sending) {
		done(w, n, m->gen, m->cookie, MSG_FLUSH, -ENOTCONN);
		return;
	}
	read_kevents(w, n, SIM_KEVENTS);
	*f = (struct flush){.waiting = true,
		.mark = dirty_mark(n->syncd.dirty),
		.cookie = m->cookie,
		.gen = m->gen,
		.deadline = w->now + m->role.timeout};
}

static void on_stream(struct world *w, struct node *n, const struct msg *m)
{
	struct syncd_shell *s = &n->syncd;

	if (m->kind == MSG_STREAM_UP) {
		s->conn = m->gen;
		s->connected = true;
		if (!s->key) {
			s->key = true;
			tell_key(w, n);
		}
		step(w, n, &m->stream.ev, NULL);
		return;
	}
	if (!s->connected || m->gen != s->conn)
		return;
	if (m->kind == MSG_STREAM) {
		step(w, n, &m->stream.ev, m);
		return;
	}
	s->connected = false;
	step_type(w, n, REPLICA_EV_LINK_DOWN, 0);
	if (s->flush.waiting)
		flush_end(w, n, -ENOTCONN);
}

void syncd_handle(struct world *w, struct node *n, const struct msg *m)
{
	struct msg out = {.kind = MSG_ANSWER,
		.gen = n->procs[PROC_SUPERVISOR].gen,
		.child = {.proc = PROC_SYNCD}};

	switch (m->kind) {
	case MSG_SYNC_SUBSCRIBE:
		n->vrrpd.syncd.subscribed = true;
		notify(w, n);
		tell_key(w, n);
		break;
	case MSG_PROMOTE:
	case MSG_DEMOTE:
		on_role(w, n, m);
		break;
	case MSG_FLUSH:
		on_flush(w, n, m);
		break;
	case MSG_KEVENTS:
		read_kevents(w, n, SIM_SLICE);
		if (n->kernel.kev_n > 0)
			world_post(w, w->now + 20, n->id, PROC_SYNCD, m);
		break;
	case MSG_STREAM_UP:
	case MSG_STREAM_DOWN:
	case MSG_STREAM:
		on_stream(w, n, m);
		break;
	case MSG_DUMP_SLICE:
		dump_slice(w, n, m->cookie);
		break;
	case MSG_SWEEP_SLICE:
		sweep_slice(w, n, m->cookie);
		break;
	case MSG_STOP:
		if (!n->syncd.r.draining) {
			proc_die(w, n, PROC_SYNCD, true);
			return;
		}
		n->syncd.farewell = w->now + FAREWELL;
		break;
	case MSG_ASK:
		proc_send(w, n, PROC_SUPERVISOR, &out);
		break;
	default:
		break;
	}
	syncd_pump(w, n);
}

void syncd_tick(struct world *w, struct node *n)
{
	if (w->now >= n->syncd.farewell) {
		proc_die(w, n, PROC_SYNCD, true);
		return;
	}
	if (n->syncd.flush.waiting && w->now >= n->syncd.flush.deadline)
		flush_end(w, n, -ETIMEDOUT);
	step_type(w, n, REPLICA_EV_TICK, 0);
	syncd_pump(w, n);
}

usec_t syncd_deadline(const struct world *w, const struct node *n)
{
	usec_t due = node_to_world(n, replica_deadline(&n->syncd.r));

	(void)w;
	if (n->syncd.flush.waiting && n->syncd.flush.deadline < due)
		due = n->syncd.flush.deadline;
	if (n->syncd.farewell < due)
		due = n->syncd.farewell;
	return due;
}

void syncd_stop(struct node *n)
{
	dirty_free(n->syncd.dirty);
	shadow_free(n->syncd.shadow);
	n->syncd.dirty = NULL;
	n->syncd.shadow = NULL;
}

void syncd_start(struct world *w, struct node *n)
{
	static const uint8_t hash_key[FLOW_HASH_KEY_BYTES] = {1, 2, 3};
	struct msg m = {.kind = MSG_READY,
		.gen = n->procs[PROC_SUPERVISOR].gen,
		.child = {.proc = PROC_SYNCD}};
	struct syncd_shell *s = &n->syncd;
	size_t max = world_chance(w, 50) ? DIRTY_SMALL : DIRTY_MAX;

	syncd_stop(n);
	*s = (struct syncd_shell){.dirty = dirty_new(max, hash_key),
		.dirty_max = max,
		.shadow = shadow_new(DIRTY_MAX, hash_key),
		.farewell = USEC_NEVER};
	if (s->dirty == NULL || s->shadow == NULL)
		world_fail(w, "simulation", "out of memory");
	replica_init(&s->r, node_now(w, n));
	proc_send(w, n, PROC_SUPERVISOR, &m);
}
