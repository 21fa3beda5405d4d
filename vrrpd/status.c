/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VrrpdStatus: reads everything, changes nothing. Runs in vrrpd.
 */
#include <arpa/inet.h>
#include <string.h>

#include "vrrpd/node.h"
#include "vrrpd/report.h"

#define STRAY_FRESH (10 * USEC_PER_SEC)

/* Where memory runs out the list stays short: the arena is bounded. */
struct fill {
	const struct node *n;
	const struct election *e;
	struct arena *a;
	usec_t now;
};

static char *copy(struct fill *f, const char *s)
{
	static char empty[] = "";
	char *p = arena_strdup(f->a, s);

	return p ? p : empty;
}

static uint64_t ago(const struct fill *f, usec_t t, usec_t unit)
{
	return t != USEC_NEVER && f->now > t ? (uint64_t)((f->now - t) / unit) : 0;
}

/* --- reports --------------------------------------------------------------------------------- */
static size_t sentences(struct fill *f, const struct report *r, char ***ret)
{
	char **v = arena_array(f->a, r->n, sizeof(*v));

	if (!v)
		return 0;
	for (size_t i = 0; i < r->n; i++)
		v[i] = copy(f, r->text[i]);
	*ret = v;
	return r->n;
}

static uint8_t free_vrid(const struct node *n)
{
	for (unsigned v = 1; v <= 255; v++) {
		bool used = n->vrids_seen[v];

		for (size_t i = 0; i < n->e.cfg.n_instances; i++)
			used = used || n->e.cfg.instances[i].vrid == v;
		if (!used)
			return (uint8_t)v;
	}
	return 0;
}

static void reports(struct fill *f, Gp__VrrpdStatus *s)
{
	static uint8_t macs[ELECTION_MAX_INSTANCES][MAC_LEN];
	static bool other[ELECTION_MAX_INSTANCES];
	static uint8_t stray[ELECTION_MAX_LINKS];
	static struct report r;
	struct report_facts facts = {.sync_reason = f->n->sync_reason,
		.free_vrid = free_vrid(f->n),
		.foreign_mac = (const uint8_t(*)[MAC_LEN])macs,
		.other_checksum = other,
		.missing = f->n->missing,
		.stray_vrid = stray};

	for (size_t i = 0; i < f->e->cfg.n_links; i++)
		stray[i] = f->now - f->n->stray_heard[i] < STRAY_FRESH ? f->n->stray_vrid[i] : 0;
	for (size_t i = 0; i < f->e->cfg.n_instances; i++) {
		const struct node_instance *in = &f->n->instances[i];

		memcpy(macs[i], in->foreign_mac, MAC_LEN);
		other[i] = in->received && in->last_checksum != in->advert.checksum;
	}
	report_not_ready(f->e, &facts, f->now, &r);
	s->failover_ready = r.n == 0;
	s->n_not_ready_reasons = sentences(f, &r, &s->not_ready_reasons);
	report_conditions(f->e, &facts, f->now, &r);
	s->n_conditions = sentences(f, &r, &s->conditions);
}

/* --- peer ------------------------------------------------------------------------------------ */
static const char *wire_role_str(enum beat_role r)
{
	static const char *const names[] = {
		"Initialize", "Standby", "Promoting", "Active", "Resuming"};

	return (unsigned)r < sizeof(names) / sizeof(names[0]) ? names[r] : "?";
}

static void path(struct fill *f, Gp__VrrpdPeer *p, size_t link, enum report_path kind)
{
	static const char *const names[] = {"heartbeat", "advert", "solicit"};
	Gp__VrrpdPath *out = arena_alloc(f->a, sizeof(*out));

	if (!out)
		return;
	gp__vrrpd_path__init(out);
	out->interface = copy(f, f->e->cfg.links[link].name);
	out->kind = copy(f, names[kind]);
	out->alive = report_path_alive(f->e, link, kind, f->now);
	out->last_heard_us = report_path_heard(f->e, link, kind)
				     ? ago(f, report_path_heard(f->e, link, kind), 1)
				     : 0;
	p->paths[p->n_paths++] = out;
}

static void peer(struct fill *f, Gp__VrrpdStatus *s)
{
	const struct election *e = f->e;
	Gp__VrrpdPeer *p = arena_alloc(f->a, sizeof(*p));

	if (!e->peer.known || !p)
		return;
	gp__vrrpd_peer__init(p);
	p->node = copy(f, e->peer.last.node);
	p->role = copy(f, e->peer.dead ? "absent" : wire_role_str(e->peer.last.role));
	p->term = e->peer.last.term;
	p->priority = e->peer.last.priority;
	p->health = copy(f, report_health(e->peer.last.health));
	p->last_heard_us = ago(f, e->peer.heard, 1);
	p->paths = arena_array(f->a, 2 * e->cfg.n_links, sizeof(*p->paths));
	for (size_t i = 0; p->paths && i < e->cfg.n_links; i++) {
		if (e->cfg.links[i].ha)
			path(f, p, i, REPORT_HEARTBEAT);
		if (e->cfg.links[i].vrrp)
			path(f, p, i, REPORT_ADVERT);
		if (e->cfg.links[i].vrrp && !e->cfg.links[i].ha)
			path(f, p, i, REPORT_SOLICIT);
	}
	s->peer = p;
}

/* --- instances, tracks, transitions ---------------------------------------------------------- */
static const char *instance_state(const struct election *e, size_t i)
{
	if (e->role == ELECTION_INIT || !e->links[e->cfg.instances[i].link].carrier)
		return "Initialize";
	return e->role == ELECTION_ACTIVE ? "Active" : "Backup";
}

static size_t addresses(struct fill *f, const struct vrrp_advert *a, char ***ret)
{
	char **v = arena_array(f->a, a->n_addresses, sizeof(*v)), text[INET_ADDRSTRLEN];

	if (!v)
		return 0;
	for (size_t i = 0; i < a->n_addresses; i++)
		v[i] = copy(f, inet_ntop(AF_INET, &a->addresses[i], text, sizeof(text)));
	*ret = v;
	return a->n_addresses;
}

static void instances(struct fill *f, Gp__VrrpdStatus *s)
{
	const struct election_config *c = &f->e->cfg;

	s->instances = arena_array(f->a, c->n_instances, sizeof(*s->instances));
	for (size_t i = 0; s->instances && i < c->n_instances; i++) {
		const struct node_instance *in = &f->n->instances[i];
		Gp__VrrpdInstance *out = arena_alloc(f->a, sizeof(*out));

		if (!out)
			return;
		gp__vrrpd_instance__init(out);
		out->name = copy(f, in->name);
		out->interface = copy(f, c->links[c->instances[i].link].name);
		out->vrid = c->instances[i].vrid;
		out->version = in->advert.version;
		out->state = copy(f, instance_state(f->e, i));
		out->n_virtual_addresses = addresses(f, &in->advert, &out->virtual_addresses);
		out->adverts_sent = in->sent;
		out->adverts_received = in->received;
		out->active_down_interval_us =
			(uint64_t)election_down_us(c->priority, f->e->instances[i].active_interval);
		s->instances[s->n_instances++] = out;
	}
}

static void tracks(struct fill *f, Gp__VrrpdStatus *s)
{
	const struct election_config *c = &f->e->cfg;

	s->tracks = arena_array(f->a, c->n_links, sizeof(*s->tracks));
	for (size_t i = 0; s->tracks && i < c->n_links; i++) {
		Gp__VrrpdTrack *out;

		if (!c->links[i].tracked)
			continue;
		out = arena_alloc(f->a, sizeof(*out));
		if (!out)
			return;
		gp__vrrpd_track__init(out);
		out->object = copy(f, c->links[i].name);
		out->up = f->e->links[i].carrier;
		s->tracks[s->n_tracks++] = out;
	}
}

/* From the first sign on; a stage that was not reached, or reached before, is left out. */
static void stage(
	const struct election_transition *t, usec_t at, protobuf_c_boolean *has, uint64_t *us)
{
	*has = at != USEC_NEVER && at >= t->sign;
	*us = *has ? (uint64_t)(at - t->sign) : 0;
}

static Gp__VrrpdTransition *transition(struct fill *f, const struct election_transition *t)
{
	Gp__VrrpdTransition *out = arena_alloc(f->a, sizeof(*out));
	bool takeover = t->to == ELECTION_ACTIVE;

	if (!out)
		return NULL;
	gp__vrrpd_transition__init(out);
	out->ago_ms = ago(f, t->at, USEC_PER_MS);
	out->from = copy(f, election_role_str(t->from));
	out->to = copy(f, election_role_str(t->to));
	out->term = t->term;
	out->reason = copy(f, t->reason);
	out->has_last_heard_us = t->last_heard != USEC_NEVER && t->last_heard <= t->decided;
	out->last_heard_us = out->has_last_heard_us ? (uint64_t)(t->decided - t->last_heard) : 0;
	if (takeover) {
		stage(t, t->decided, &out->has_decided_us, &out->decided_us);
		stage(t, t->state_ready, &out->has_state_ready_us, &out->state_ready_us);
		stage(t, t->addresses_up, &out->has_addresses_up_us, &out->addresses_up_us);
		stage(t, t->announced, &out->has_announced_us, &out->announced_us);
	}
	out->has_sessions = takeover;
	out->sessions = t->sessions;
	return out;
}

static void transitions(struct fill *f, Gp__VrrpdStatus *s)
{
	const struct election_transition *t;

	s->transitions = arena_array(f->a, ELECTION_TRANSITIONS, sizeof(*s->transitions));
	for (size_t i = 0; s->transitions && (t = election_transition_get(f->e, i)); i++) {
		Gp__VrrpdTransition *out = transition(f, t);

		if (!out)
			return;
		s->transitions[s->n_transitions++] = out;
	}
}

/* --- counters -------------------------------------------------------------------------------- */
static void counter(
	struct fill *f, Gp__Status *st, const char *prefix, const char *name, uint64_t value)
{
	char full[64];
	Gp__Counter *c = arena_alloc(f->a, sizeof(*c));

	if (!c)
		return;
	gp__counter__init(c);
	snprintf(full, sizeof(full), "%s%s", prefix, name);
	c->name = copy(f, full);
	c->value = value;
	st->counters[st->n_counters++] = c;
}

static void counters(struct fill *f, Gp__Status *st)
{
	const struct node *n = f->n;
	uint64_t rfc = 0, legacy = 0, addresses_differ = 0;

	st->counters = arena_array(f->a, VRRP_REASONS + BEAT_REASONS + 8, sizeof(*st->counters));
	if (!st->counters)
		return;
	for (size_t i = 0; i < VRRP_REASONS; i++)
		counter(f, st, "rx_advert_", vrrp_reason_name((enum vrrp_reason)i), n->rx_vrrp[i]);
	for (size_t i = 0; i < BEAT_REASONS; i++)
		counter(f, st, "rx_beat_", beat_reason_name((enum beat_reason)i), n->rx_beat[i]);
	for (size_t i = 0; i < n->e.cfg.n_instances; i++) {
		rfc += n->instances[i].by_checksum[VRRP_CHECKSUM_RFC9568];
		legacy += n->instances[i].by_checksum[VRRP_CHECKSUM_LEGACY];
		addresses_differ += n->instances[i].wrong_addresses;
	}
	counter(f, st, "rx_advert_", "checksum_rfc9568", rfc);
	counter(f, st, "rx_advert_", "checksum_legacy", legacy);
	counter(f, st, "rx_advert_", "other_addresses", addresses_differ);
	counter(f, st, "tx_", "beat", n->tx_beat);
	counter(f, st, "tx_", "errors", n->sockets.send_errors);
	counter(f, st, "socket_", "open_errors", n->sockets.open_errors);
	counter(f, st, "rx_", "drained_after_stall", n->sockets.drained);
	counter(f, st, "events_", "dropped", n->queue_dropped + n->out.dropped);
}

/* What was true when the role began may be long over: "listening" ends with what was heard. */
static const char *role_reason(const struct fill *f, char text[ELECTION_TEXT])
{
	const struct election *e = f->e;
	const struct election_transition *t = election_transition_get(e, 0);

	if (!t || e->role != ELECTION_STANDBY || t->from != ELECTION_INIT ||
		!election_peer_alive(e) || e->peer.last.role != BEAT_ROLE_ACTIVE)
		return e->reason;
	snprintf(text, ELECTION_TEXT, "%s is Active", e->peer.last.node);
	return text;
}

void status_fill(struct node *n, Gp__Status *st, struct arena *scratch)
{
	struct fill f = {.n = n, .e = &n->e, .a = scratch, .now = clock_now_us()};
	const struct election *e = &n->e;
	Gp__VrrpdStatus *s = arena_alloc(scratch, sizeof(*s));
	char reason[ELECTION_TEXT];

	if (!s)
		return;
	gp__vrrpd_status__init(s);
	s->role = copy(&f, election_role_str(e->role));
	s->role_age_ms = ago(&f, e->role_since, USEC_PER_MS);
	s->role_reason = copy(&f, role_reason(&f, reason));
	s->term = e->term;
	s->priority = e->cfg.priority;
	s->lease_us = e->lease_until > f.now ? (uint64_t)(e->lease_until - f.now) : 0;
	s->suspicions = e->suspicions;
	s->suspicions_answered = e->suspicions_answered;
	reports(&f, s);
	peer(&f, s);
	instances(&f, s);
	tracks(&f, s);
	transitions(&f, s);
	counters(&f, st);
	st->detail_case = GP__STATUS__DETAIL_VRRPD;
	st->vrrpd = s;
}
