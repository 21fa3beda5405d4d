/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vrrpd in the simulation: the real election core and replay guard; in place of its sockets, frames
 * and adverts go to the virtual network, and requests to netcfgd and syncd over connections that
 * reconnect and time out as common/ipc_client.c does.
 */
#include "tests/sim/sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define RECONNECT_FIRST (2 * MS)
#define RECONNECT_MAX   (500 * MS)
#define LEASE_TIMEOUT   (200 * MS)
#define SLOW_TIMEOUT    (600 * MS)
#define UNANSWERED_MAX  20
#define GREET_GAP       (1 * MS)

static void step(struct world *w, struct node *n, const struct election_event *ev);

/* --- what the core asks for ------------------------------------------------------------------ */
static void send_beat(
	struct world *w, struct node *n, size_t link, enum beat_kind kind, uint64_t echo)
{
	struct vrrpd_shell *v = &n->vrrpd;
	struct msg m = {.kind = MSG_FRAME, .frame.path = (enum sim_path)link};

	if (!v->e.key)
		return;
	election_fill_beat(&v->e, link, kind, &m.frame.beat);
	m.frame.beat.echo = echo;
	m.frame.beat.sequence = ++v->sequence;
	if (w->trace_frames)
		world_trace(w, n, "sends %d on path %zu: role %d term %llu flags %x", kind, link,
			m.frame.beat.role, (unsigned long long)m.frame.beat.term,
			m.frame.beat.flags);
	network_send(w, n, (enum sim_path)link, &m);
}

static void send_advert(struct world *w, struct node *n, size_t instance, uint8_t priority)
{
	const struct election_config *c = &n->vrrpd.e.cfg;
	size_t link = c->instances[instance].link;
	struct msg m = {.kind = MSG_ADVERT,
		.advert = {.instance = instance,
			.priority = priority,
			.interval = c->instances[instance].advert_interval,
			.source = n->vrrpd.e.links[link].address.s_addr}};

	network_send(w, n, (enum sim_path)link, &m);
}

/* 0, or a negative errno: the core must be told that nobody answers. */
static int ask(struct world *w, struct node *n, enum sim_proc server, struct msg *m, usec_t timeout)
{
	struct channel *c = channel_of(n, server);

	if (!c->up)
		return -ENOTCONN;
	if (c->n == SIM_PENDING)
		return -EAGAIN;
	c->pending[c->n++] = (struct pending){.cookie = m->cookie,
		.kind = m->kind,
		.verb = m->lease.verb,
		.deadline = w->now + timeout};
	m->gen = c->gen;
	proc_send(w, n, server, m);
	return 0;
}

static void unanswered(struct world *w, struct node *n, const struct pending *p, int err)
{
	struct election_event ev = {.kind = ELECTION_EV_LEASE};

	/* vrrpd would hang: its loop goes on only when no event is left. */
	if (n->vrrpd.depth > UNANSWERED_MAX) {
		world_fail(w, "no busy loop", "vrrpd asks again at once what nobody answers");
		return;
	}
	switch (p->kind) {
	case MSG_LEASE_REQUEST:
		ev.lease.cookie = p->cookie;
		ev.lease.verb = p->verb;
		ev.lease.result = ELECTION_LEASE_UNANSWERED;
		break;
	case MSG_PROMOTE:
	case MSG_FLUSH:
		ev.kind = p->kind == MSG_PROMOTE ? ELECTION_EV_PROMOTED : ELECTION_EV_FLUSHED;
		ev.done.cookie = p->cookie;
		ev.done.err = err;
		break;
	default:
		return;
	}
	n->vrrpd.depth++;
	step(w, n, &ev);
	n->vrrpd.depth--;
}

/* Requests that could not even be sent; told after the actions are done, as the core demands. */
struct refused {
	struct pending v[8];
	size_t n;
};

static void ask_or_refuse(struct world *w, struct node *n, enum sim_proc server, struct msg *m,
	usec_t timeout, struct refused *refused)
{
	if (ask(w, n, server, m, timeout) < 0 && refused->n < 8)
		refused->v[refused->n++] = (struct pending){
			.cookie = m->cookie, .kind = m->kind, .verb = m->lease.verb};
}

static void note(struct world *w, struct node *n)
{
	const struct election_transition *t = election_transition_get(&n->vrrpd.e, 0);

	if (t != NULL)
		world_trace(w, n, "%s -> %s term %llu: %s", election_role_str(t->from),
			election_role_str(t->to), (unsigned long long)t->term, t->reason);
}

static void answer(struct world *w, struct node *n, const struct election_action *a)
{
	n->vrrpd.switchover_answered = true;
	n->vrrpd.switchover_err = a->answer.err;
	world_trace(w, n, "switchover answered %d: %s", a->answer.err, a->answer.text);
}

static void carry_out(
	struct world *w, struct node *n, const struct election_action *a, struct refused *refused)
{
	struct msg m = {.kind = MSG_NONE};

	switch (a->kind) {
	case ELECTION_DO_BEAT:
		send_beat(w, n, a->beat.link, a->beat.kind, n->vrrpd.guard.peer_session);
		break;
	case ELECTION_DO_ADVERT:
		send_advert(w, n, a->advert.instance, a->advert.priority);
		break;
	case ELECTION_DO_ANNOUNCE:
		if (w->paths[PATH_LAN].carrier[n->id])
			w->announced = n->id;
		break;
	case ELECTION_DO_LEASE:
		m.kind = MSG_LEASE_REQUEST;
		m.cookie = a->lease.cookie;
		m.lease.verb = a->lease.verb;
		m.lease.term = a->lease.term;
		m.lease.ttl = a->lease.ttl;
		m.lease.sent = n->vrrpd.e.last_step;
		if (a->lease.verb != ELECTION_LEASE_RENEW)
			world_trace(w, n, "lease verb %d term %llu", a->lease.verb,
				(unsigned long long)a->lease.term);
		ask_or_refuse(w, n, PROC_NETCFGD, &m,
			a->lease.verb == ELECTION_LEASE_QUERY ||
					a->lease.verb == ELECTION_LEASE_RENEW
				? LEASE_TIMEOUT
				: SLOW_TIMEOUT,
			refused);
		break;
	case ELECTION_DO_PROMOTE:
		m.kind = MSG_PROMOTE;
		m.cookie = a->promote.cookie;
		m.role.term = a->promote.term;
		m.role.handover = a->promote.handover;
		ask_or_refuse(w, n, PROC_SYNCD, &m, SLOW_TIMEOUT, refused);
		break;
	case ELECTION_DO_DEMOTE:
		m.kind = MSG_DEMOTE;
		m.role.term = a->demote.term;
		ask_or_refuse(w, n, PROC_SYNCD, &m, SLOW_TIMEOUT, refused);
		break;
	case ELECTION_DO_FLUSH:
		m.kind = MSG_FLUSH;
		m.cookie = a->flush.cookie;
		m.role.timeout = a->flush.timeout;
		ask_or_refuse(w, n, PROC_SYNCD, &m, a->flush.timeout + SLOW_TIMEOUT, refused);
		break;
	case ELECTION_DO_DRAIN:
		proc_drop_frames(w, n, PROC_VRRPD);
		break;
	case ELECTION_DO_ANSWER:
		answer(w, n, a);
		break;
	case ELECTION_DO_NOTE:
		note(w, n);
		break;
	case ELECTION_DO_EXIT:
		n->vrrpd.exiting = true;
		break;
	}
}

static void apply(struct world *w, struct node *n, struct election_actions *actions)
{
	struct refused refused = {.n = 0};

	n->vrrpd.due = actions->deadline;
	if (actions->dropped)
		world_fail(w, "bounded actions", "the election core dropped actions");
	for (size_t i = 0; i < actions->n; i++)
		carry_out(w, n, &actions->v[i], &refused);
	for (size_t i = 0; i < refused.n; i++)
		unanswered(w, n, &refused.v[i], -ENOTCONN);
}

static void step(struct world *w, struct node *n, const struct election_event *ev)
{
	election_step(&n->vrrpd.e, ev, node_now(w, n), &w->actions);
	apply(w, n, &w->actions);
}

/* --- connections ----------------------------------------------------------------------------- */
static void channel_event(struct world *w, struct node *n, enum sim_proc server, bool up)
{
	struct election_event ev = {.channel = {up}};

	ev.kind = server == PROC_NETCFGD ? ELECTION_EV_LEASE_CHANNEL : ELECTION_EV_SYNC_CHANNEL;
	step(w, n, &ev);
}

static void channel_connect(struct world *w, struct node *n, enum sim_proc server)
{
	struct channel *c = channel_of(n, server);
	struct msg m = {.kind = server == PROC_NETCFGD ? MSG_LINK_SUBSCRIBE : MSG_SYNC_SUBSCRIBE};

	if (!n->procs[PROC_SUPERVISOR].alive) {
		c->backoff = c->backoff * 2 > RECONNECT_MAX ? RECONNECT_MAX : c->backoff * 2;
		c->retry_at = w->now + c->backoff;
		return;
	}
	c->gen++;
	c->open = c->up = true;
	c->subscribed = false;
	c->n = 0;
	c->backoff = RECONNECT_FIRST;
	c->retry_at = USEC_NEVER;
	m.gen = c->gen;
	proc_send(w, n, server, &m);
	channel_event(w, n, server, true);
}

static void channel_down(struct world *w, struct node *n, const struct msg *m)
{
	struct channel *c = channel_of(n, m->channel.server);
	struct pending pending[SIM_PENDING];
	size_t count = c->n;

	if (!c->up || m->gen != c->gen)
		return;
	memcpy(pending, c->pending, sizeof(pending));
	c->up = false;
	c->n = 0;
	c->retry_at = w->now + c->backoff;
	for (size_t i = 0; i < count; i++)
		unanswered(w, n, &pending[i], -ECONNRESET);
	channel_event(w, n, m->channel.server, false);
}

/* True if the answer was waited for. */
static bool settle(struct channel *c, const struct msg *m)
{
	if (!c->up || m->gen != c->gen)
		return false;
	for (size_t i = 0; i < c->n; i++) {
		if (c->pending[i].cookie != m->cookie)
			continue;
		memmove(&c->pending[i], &c->pending[i + 1], (c->n - i - 1) * sizeof(c->pending[0]));
		c->n--;
		return true;
	}
	return false;
}

static void expire(struct world *w, struct node *n, struct channel *c)
{
	for (size_t i = 0; i < c->n;) {
		struct pending p = c->pending[i];

		if (p.deadline > w->now) {
			i++;
			continue;
		}
		memmove(&c->pending[i], &c->pending[i + 1], (c->n - i - 1) * sizeof(c->pending[0]));
		c->n--;
		unanswered(w, n, &p, -ETIMEDOUT);
		i = 0;
	}
}

/* --- what arrives ---------------------------------------------------------------------------- */
static void on_frame(struct world *w, struct node *n, const struct msg *m)
{
	struct vrrpd_shell *v = &n->vrrpd;
	enum beat_reason r;

	if (!v->e.key)
		return;
	r = beat_guard_check(&v->guard, &m->frame.beat);
	if (w->trace_frames)
		world_trace(w, n, "hears %d on path %d: %s", m->frame.beat.kind, m->frame.path,
			beat_reason_name(r));
	if (r == BEAT_UNTRUSTED && w->now - v->greeted >= GREET_GAP) {
		v->greeted = w->now;
		send_beat(w, n, m->frame.path, BEAT_KIND_SOLICIT, m->frame.beat.session);
	}
	if (r != BEAT_OK)
		return;
	step(w, n,
		&(struct election_event){
			.kind = ELECTION_EV_BEAT, .beat = {m->frame.path, &m->frame.beat}});
}

static void on_advert(struct world *w, struct node *n, const struct msg *m)
{
	struct election_event ev = {.kind = ELECTION_EV_ADVERT};

	ev.advert.instance = m->advert.instance;
	ev.advert.source.s_addr = m->advert.source;
	ev.advert.priority = m->advert.priority;
	ev.advert.interval = m->advert.interval;
	step(w, n, &ev);
}

static void on_link_state(struct world *w, struct node *n, const struct msg *m)
{
	struct election_event ev = {.kind = ELECTION_EV_LINK};

	if (!n->vrrpd.netcfgd.up || m->gen != n->vrrpd.netcfgd.gen)
		return;
	ev.link.link = m->link.path;
	ev.link.carrier = m->link.carrier;
	ev.link.address.s_addr = htonl(0x0a000001u + ((uint32_t)m->link.path << 8) + n->id);
	step(w, n, &ev);
}

static void on_lease_reply(struct world *w, struct node *n, const struct msg *m)
{
	struct election_event ev = {.kind = ELECTION_EV_LEASE};

	if (!settle(&n->vrrpd.netcfgd, m))
		return;
	ev.lease.cookie = m->cookie;
	ev.lease.verb = m->lease_reply.verb;
	ev.lease.result = (enum election_lease_result)m->lease_reply.reply.result;
	ev.lease.held = m->lease_reply.reply.held;
	ev.lease.adopted = m->lease_reply.reply.adopted;
	ev.lease.term = m->lease_reply.reply.term;
	ev.lease.remaining = m->lease_reply.reply.remaining;
	step(w, n, &ev);
}

static void on_done(struct world *w, struct node *n, const struct msg *m)
{
	struct election_event ev = {.done = {m->cookie, m->done.err}};

	if (!settle(&n->vrrpd.syncd, m) || m->done.asked == MSG_DEMOTE)
		return;
	ev.kind = m->done.asked == MSG_PROMOTE ? ELECTION_EV_PROMOTED : ELECTION_EV_FLUSHED;
	step(w, n, &ev);
}

static void on_sync_state(struct world *w, struct node *n, const struct msg *m)
{
	struct election_event ev = {.kind = ELECTION_EV_SYNC};

	if (!n->vrrpd.syncd.up || m->gen != n->vrrpd.syncd.gen)
		return;
	if (m->kind == MSG_PEER_KEY) {
		if (n->vrrpd.e.key)
			return;
		ev.kind = ELECTION_EV_KEY;
		ev.channel.up = true;
	} else {
		ev.sync.connected = m->sync.connected;
		ev.sync.in_sync = m->sync.in_sync;
	}
	step(w, n, &ev);
}

static void on_health(struct world *w, struct node *n, const struct msg *m)
{
	struct election_event ev = {.kind = ELECTION_EV_DAEMON};

	ev.daemon.daemon =
		m->child.proc == PROC_NETCFGD ? ELECTION_DAEMON_NETCFGD : ELECTION_DAEMON_SYNCD;
	ev.daemon.healthy = m->child.healthy;
	step(w, n, &ev);
}

static void on_reload(struct world *w, struct node *n)
{
	election_configure(&n->vrrpd.e, &n->config, node_now(w, n), &w->actions);
	apply(w, n, &w->actions);
}

void vrrpd_handle(struct world *w, struct node *n, const struct msg *m)
{
	struct msg out = {.kind = MSG_ANSWER,
		.gen = n->procs[PROC_SUPERVISOR].gen,
		.child = {.proc = PROC_VRRPD}};

	switch (m->kind) {
	case MSG_FRAME:
		on_frame(w, n, m);
		break;
	case MSG_ADVERT:
		on_advert(w, n, m);
		break;
	case MSG_CHANNEL_DOWN:
		channel_down(w, n, m);
		break;
	case MSG_LINK_STATE:
		on_link_state(w, n, m);
		break;
	case MSG_LEASE_REPLY:
		on_lease_reply(w, n, m);
		break;
	case MSG_DONE:
		on_done(w, n, m);
		break;
	case MSG_SYNC_STATE:
	case MSG_PEER_KEY:
		on_sync_state(w, n, m);
		break;
	case MSG_HEALTH:
		on_health(w, n, m);
		break;
	case MSG_SWITCHOVER:
		step(w, n,
			&(struct election_event){
				.kind = ELECTION_EV_SWITCHOVER, .switchover = {m->cookie}});
		break;
	case MSG_STOP:
		step(w, n, &(struct election_event){.kind = ELECTION_EV_STOP});
		break;
	case MSG_RELOAD:
		on_reload(w, n);
		break;
	case MSG_ASK:
		proc_send(w, n, PROC_SUPERVISOR, &out);
		break;
	default:
		break;
	}
	if (n->vrrpd.exiting)
		proc_die(w, n, PROC_VRRPD, true);
}

/* A decision on silence must not be made while the frames that break it wait in a socket. */
static void poll_before_deciding(struct world *w, struct node *n)
{
	const struct election *e = &n->vrrpd.e;

	if (e->suspecting ||
		(e->peer.known && node_now(w, n) >= e->peer.heard + election_times(e).silent))
		proc_take_frames(w, n, PROC_VRRPD);
}

void vrrpd_tick(struct world *w, struct node *n)
{
	struct vrrpd_shell *v = &n->vrrpd;

	expire(w, n, &v->netcfgd);
	expire(w, n, &v->syncd);
	if (w->now >= v->netcfgd.retry_at)
		channel_connect(w, n, PROC_NETCFGD);
	if (w->now >= v->syncd.retry_at)
		channel_connect(w, n, PROC_SYNCD);
	poll_before_deciding(w, n);
	if (node_now(w, n) >= v->due && !v->exiting)
		step(w, n, &(struct election_event){.kind = ELECTION_EV_TICK});
	if (v->exiting)
		proc_die(w, n, PROC_VRRPD, true);
}

static usec_t channel_due(const struct channel *c)
{
	usec_t due = c->retry_at;

	for (size_t i = 0; i < c->n; i++)
		if (c->pending[i].deadline < due)
			due = c->pending[i].deadline;
	return due;
}

usec_t vrrpd_deadline(const struct world *w, const struct node *n)
{
	const struct vrrpd_shell *v = &n->vrrpd;
	usec_t due = node_to_world(n, v->due), a = channel_due(&v->netcfgd),
	       b = channel_due(&v->syncd);

	(void)w;
	if (a < due)
		due = a;
	return b < due ? b : due;
}

static void channel_reset(struct world *w, struct channel *c)
{
	c->open = c->up = c->subscribed = false;
	c->n = 0;
	c->backoff = RECONNECT_FIRST;
	c->retry_at = w->now;
}

void vrrpd_start(struct world *w, struct node *n)
{
	struct vrrpd_shell *v = &n->vrrpd;
	struct msg m = {.kind = MSG_READY,
		.gen = n->procs[PROC_SUPERVISOR].gen,
		.child = {.proc = PROC_VRRPD}};

	n->config.session = world_random(w) | 1;
	election_init(&v->e, &n->config, node_now(w, n));
	beat_guard_init(&v->guard, n->config.session);
	v->sequence = 0;
	v->greeted = 0;
	v->exiting = v->switchover_answered = false;
	v->due = node_now(w, n);
	channel_reset(w, &v->netcfgd);
	channel_reset(w, &v->syncd);
	proc_send(w, n, PROC_SUPERVISOR, &m);
}
