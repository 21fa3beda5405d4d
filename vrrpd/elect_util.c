/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election core's vocabulary: emitting actions, writing the role, and the questions that
 * several states ask. Pure; runs in vrrpd.
 */
#include "vrrpd/elect.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct election_action *elect_emit(struct elect *x, enum election_action_kind kind)
{
	static struct election_action overflow;

	if (x->out->n == ELECTION_MAX_ACTIONS) {
		x->out->dropped++;
		return &overflow;
	}
	struct election_action *a = &x->out->v[x->out->n++];

	memset(a, 0, sizeof(*a));
	a->kind = kind;
	return a;
}

void elect_beat(struct elect *x, size_t link, enum beat_kind kind)
{
	if (!x->e->key || x->e->exited)
		return;
	struct election_action *a = elect_emit(x, ELECTION_DO_BEAT);

	a->beat.link = link;
	a->beat.kind = kind;
	x->e->links[link].beat_sent = x->now;
}

void elect_beat_all(struct elect *x, enum beat_kind kind)
{
	const struct election *e = x->e;

	for (size_t i = 0; i < e->cfg.n_links; i++)
		if ((e->cfg.links[i].ha || e->cfg.links[i].vrrp) && e->links[i].carrier)
			elect_beat(x, i, kind);
}

void elect_advert(struct elect *x, size_t instance, uint8_t priority)
{
	struct election_instance *in = &x->e->instances[instance];

	if (elect_instance_live(x->e, instance)) {
		struct election_action *a = elect_emit(x, ELECTION_DO_ADVERT);

		a->advert.instance = instance;
		a->advert.priority = priority;
	}
	in->advert_due = x->now + x->e->cfg.instances[instance].advert_interval;
}

void elect_adverts(struct elect *x, uint8_t priority)
{
	for (size_t i = 0; i < x->e->cfg.n_instances; i++)
		elect_advert(x, i, priority);
}

void elect_announce_all(struct elect *x)
{
	for (size_t i = 0; i < x->e->cfg.n_instances; i++)
		if (elect_instance_live(x->e, i))
			elect_emit(x, ELECTION_DO_ANNOUNCE)->announce.instance = i;
}

/* A cookie is the time of its request, so that an answer tells how old it is. */
static uint64_t new_cookie(struct elect *x)
{
	uint64_t now = (uint64_t)x->now;

	x->e->cookie = x->e->cookie + 1 > now ? x->e->cookie + 1 : now;
	return x->e->cookie;
}

uint64_t elect_lease(struct elect *x, enum election_lease_verb verb, uint64_t term)
{
	struct election_action *a = elect_emit(x, ELECTION_DO_LEASE);

	a->lease.cookie = new_cookie(x);
	a->lease.verb = verb;
	a->lease.term = term;
	a->lease.ttl = election_times(x->e).ttl;
	if (verb != ELECTION_LEASE_RENEW)
		x->e->lease_cookie = a->lease.cookie;
	if (verb == ELECTION_LEASE_RELEASE)
		x->e->lease_until = 0;
	return a->lease.cookie;
}

uint64_t elect_promote(struct elect *x, uint64_t term, bool handover)
{
	struct election_action *a = elect_emit(x, ELECTION_DO_PROMOTE);

	a->promote.cookie = new_cookie(x);
	a->promote.term = term;
	a->promote.handover = handover;
	x->e->told_term = term;
	return a->promote.cookie;
}

void elect_demote(struct elect *x)
{
	if (!x->e->sync_up)
		return;
	elect_emit(x, ELECTION_DO_DEMOTE)->demote.term = x->e->term;
	x->e->told_term = x->e->term;
}

void elect_answer(struct elect *x, uint64_t request, int err, const char *fmt, ...)
{
	struct election_action *a = elect_emit(x, ELECTION_DO_ANSWER);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->e->answer, sizeof(x->e->answer), fmt, ap);
	va_end(ap);
	a->answer.request = request;
	a->answer.err = err;
	a->answer.text = x->e->answer;
}

struct election_transition *elect_transition(struct election *e)
{
	return &e->transitions[(e->n_transitions + ELECTION_TRANSITIONS - 1) %
			       ELECTION_TRANSITIONS];
}

const struct election_transition *election_transition_get(const struct election *e, size_t back)
{
	if (back >= ELECTION_TRANSITIONS || back >= e->n_transitions)
		return NULL;
	return &e->transitions[(e->n_transitions - 1 - back) % ELECTION_TRANSITIONS];
}

void election_announced(struct election *e, usec_t now)
{
	struct election_transition *t = elect_transition(e);

	if (e->n_transitions && t->to == ELECTION_ACTIVE && t->announced == USEC_NEVER)
		t->announced = now;
}

/* Promoting → Active is one transition to people: Standby → Active. */
static void record(struct elect *x, enum election_role from, enum election_role to)
{
	struct election *e = x->e;
	struct election_transition *t;

	if (from == ELECTION_PROMOTING && to == ELECTION_ACTIVE) {
		t = elect_transition(e);
		t->at = x->now;
		t->to = to;
		t->term = e->term;
		t->addresses_up = x->now;
		t->sessions = e->sessions;
		return;
	}
	e->n_transitions++;
	t = elect_transition(e);
	*t = (struct election_transition){.at = x->now,
		.from = from,
		.to = to,
		.term = e->term,
		.last_heard = e->peer.known ? e->peer.heard : USEC_NEVER,
		.sign = x->now,
		.decided = x->now,
		.state_ready = USEC_NEVER,
		.addresses_up = USEC_NEVER,
		.announced = USEC_NEVER,
		.sessions = e->sessions};
	if (e->suspecting)
		t->sign = e->suspect_since;
	memcpy(t->reason, e->reason, sizeof(t->reason));
}

void elect_set_role(struct elect *x, enum election_role role, const char *fmt, ...)
{
	struct election *e = x->e;
	enum election_role from = e->role;
	va_list ap;

	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(e->reason, sizeof(e->reason), fmt, ap);
		va_end(ap);
	}
	record(x, from, role);
	e->role = role;
	e->role_since = x->now;
	elect_emit(x, ELECTION_DO_NOTE);
}

const char *election_role_str(enum election_role r)
{
	static const char *const names[] = {"Initialize", "Standby", "Promoting", "Active"};

	return (unsigned)r < ELECTION_ROLES ? names[r] : "?";
}

/* --- questions ------------------------------------------------------------------------------- */
usec_t election_skew_us(uint8_t priority, usec_t active_interval)
{
	return (256 - priority) * active_interval / 256;
}

usec_t election_down_us(uint8_t priority, usec_t active_interval)
{
	return 3 * active_interval + election_skew_us(priority, active_interval);
}

usec_t elect_heartbeat(const struct election *e)
{
	usec_t own = e->cfg.heartbeat;

	if (!e->peer.known || !own)
		return own;
	return e->peer.last.heartbeat_us ? usec_max(own, e->peer.last.heartbeat_us) : 0;
}

/* The fastest instance's interval as learned (or own): with heartbeats off it sets the pace. */
static usec_t fastest(const struct election *e, bool learned)
{
	usec_t a = USEC_NEVER;

	for (size_t i = 0; i < e->cfg.n_instances; i++)
		a = usec_min(a, learned ? e->instances[i].active_interval
					: e->cfg.instances[i].advert_interval);
	return a == USEC_NEVER ? USEC_PER_SEC : a;
}

struct election_times election_times(const struct election *e)
{
	usec_t own = e->cfg.heartbeat, h = elect_heartbeat(e), a = fastest(e, false);
	usec_t dead_after = usec_max(e->cfg.dead_after, 3); /* the lease has to outlast a renewal */
	struct election_times t;

	if (own) {
		t.tick = own;
		t.ttl = dead_after * own - own;
	} else {
		/* A freeze between renewal and advert costs one interval: the lease must still end
		 * before 3A after the advert before. */
		t.tick = a;
		t.ttl = 2 * a - usec_max(a / 4, 5 * USEC_PER_MS);
	}
	t.wait = usec_max(h, ELECT_SOLICIT_WAIT);
	t.silent = h ? dead_after * h
		     : election_down_us(e->cfg.priority, fastest(e, true)) - ELECT_SOLICIT_WAIT;
	return t;
}

usec_t elect_settle(const struct election *e)
{
	usec_t h = elect_heartbeat(e);

	return h ? usec_max(election_times(e).silent, 3 * ELECT_SOLICIT_WAIT) : 100 * USEC_PER_MS;
}

bool elect_instance_live(const struct election *e, size_t instance)
{
	return e->links[e->cfg.instances[instance].link].carrier;
}

bool elect_any_vrrp_carrier(const struct election *e)
{
	for (size_t i = 0; i < e->cfg.n_links; i++)
		if (e->cfg.links[i].vrrp && e->links[i].carrier)
			return true;
	return e->cfg.n_instances == 0;
}

uint32_t election_health(const struct election *e, usec_t now)
{
	unsigned level = 0, ills = 0;

	for (size_t i = 0; i < e->cfg.n_links; i++)
		if (e->cfg.links[i].tracked && !e->links[i].carrier) {
			level++;
			ills |= BEAT_ILL_LINK;
		}
	bool away = !e->lease_up && now - e->lease_down_since > ELECT_LEASE_PATIENCE;
	bool mute = e->role == ELECTION_ACTIVE && !e->resuming &&
		    now - e->lease_until > ELECT_LEASE_PATIENCE;
	bool refused = e->lease_failed && now - e->lease_failed < ELECT_LEASE_ILL;

	if (away || mute || refused || (e->daemons_ill & ELECTION_DAEMON_NETCFGD)) {
		level += 1000;
		ills |= BEAT_ILL_LEASE;
	}
	if (e->daemons_ill & ELECTION_DAEMON_SYNCD) {
		level++;
		ills |= BEAT_ILL_DAEMON;
	}
	return BEAT_HEALTH(level, ills);
}

bool election_able(const struct election *e, usec_t now)
{
	return e->queried && e->lease_up && !e->stopping && elect_any_vrrp_carrier(e) &&
	       (!e->lease_failed || now - e->lease_failed >= ELECT_LEASE_RETRY);
}

bool election_peer_alive(const struct election *e)
{
	return e->key && e->peer.known && !e->peer.dead;
}

bool elect_peer_claims(const struct beat *b)
{
	return b->role == BEAT_ROLE_ACTIVE || b->role == BEAT_ROLE_PROMOTING;
}

bool elect_wants_preempt(const struct election *e, usec_t now)
{
	bool sync_needed = e->cfg.preempt == ELECTION_PREEMPT_SYNCED && e->cfg.sync;

	return e->cfg.preempt != ELECTION_PREEMPT_NEVER && !e->commanded && election_able(e, now) &&
	       (e->in_sync || !sync_needed) && e->ready_since != USEC_NEVER &&
	       now - e->ready_since >= e->cfg.preempt_delay;
}

static struct in_addr ha_address(const struct election *e)
{
	for (size_t i = 0; i < e->cfg.n_links; i++)
		if (e->cfg.links[i].ha)
			return e->links[i].address;
	return (struct in_addr){0};
}

/* Neither is Active: whose sessions are the truth? Those of the Standby that has them all are as
 * good as those of whoever was Active last; a half-filled table must not win over them. */
static bool has_sessions(bool in_sync, uint32_t served, uint32_t other_served)
{
	return in_sync || (served != other_served && (int32_t)(served - other_served) > 0);
}

/* Each comparison uses what both sides know of each other, so both come to the same answer as soon
 * as each has heard the other's newest frame; the sessions differ, so there is always one. */
bool elect_better(const struct election *e, const struct beat *peer, bool both_active, usec_t now)
{
	bool able = election_able(e, now) || both_active;
	bool peer_able = ((peer->flags & BEAT_FLAG_ABLE) || both_active) &&
			 !(peer->flags & BEAT_FLAG_STOPPING);
	uint32_t level = BEAT_HEALTH_LEVEL(election_health(e, now));
	uint32_t peer_level = BEAT_HEALTH_LEVEL(peer->health);

	if (able != peer_able)
		return able;
	if (level != peer_level)
		return level < peer_level;
	if (both_active && e->term != peer->term)
		return e->term > peer->term;
	if (e->cfg.sync && !both_active) {
		bool own_full = has_sessions(e->in_sync, (uint32_t)e->served, peer->served);
		bool peer_full = has_sessions(
			(peer->flags & BEAT_FLAG_IN_SYNC) != 0, peer->served, (uint32_t)e->served);

		if (own_full != peer_full)
			return own_full;
	}
	if (e->cfg.priority != peer->priority)
		return e->cfg.priority > peer->priority;
	uint32_t own = ntohl(ha_address(e).s_addr), other = ntohl(peer->ha_address.s_addr);

	if (own != other)
		return own > other;
	return e->cfg.session > peer->session;
}

const char *elect_peer_name(const struct election *e)
{
	return e->peer.known && e->peer.last.node[0] ? e->peer.last.node : "the peer";
}

const char *elect_ill_str(uint32_t health)
{
	if (health & BEAT_ILL_LEASE)
		return "its virtual addresses cannot be managed";
	if (health & BEAT_ILL_LINK)
		return "a tracked interface is down";
	if (health & BEAT_ILL_DAEMON)
		return "syncd does not do its work";
	return "all is well";
}

const char *elect_own_ill(const struct election *e, uint32_t health, char text[ELECT_ILL_TEXT])
{
	if ((health & BEAT_ILL_LINK) && !(health & BEAT_ILL_LEASE))
		for (size_t i = 0; i < e->cfg.n_links; i++)
			if (e->cfg.links[i].tracked && !e->links[i].carrier) {
				snprintf(text, ELECT_ILL_TEXT, "tracked interface %s is down",
					e->cfg.links[i].name);
				return text;
			}
	return elect_ill_str(health);
}
