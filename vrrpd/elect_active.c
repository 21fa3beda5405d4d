/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election core while the node is Active: the lease, planned hand-overs, two Actives after a
 * heal, and a process that was frozen. Pure; runs in vrrpd.
 */
#include "vrrpd/elect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- becoming Active ------------------------------------------------------------------------- */
static void speak(struct elect *x, bool announce)
{
	elect_beat_all(x, BEAT_KIND_BEAT);
	elect_adverts(x, x->e->cfg.priority);
	if (announce)
		elect_announce_all(x);
}

/* RFC 9568 section 6.4.2, (375)-(395): advert, then gratuitous ARP. */
void elect_become_active(struct elect *x, usec_t lease_until)
{
	struct election *e = x->e;

	e->lease_until = lease_until;
	e->served = e->term;
	e->lease_failed = 0;
	e->commanded = false;
	e->lapsed = false;
	e->handover_retry = 0;
	e->yield_retry = 0;
	e->tick_due = x->now + election_times(e).tick;
	elect_set_role(x, ELECTION_ACTIVE, NULL);
	/* A kernel that was slow has used up what the ACQUIRE was good for. */
	elect_lease(x, ELECTION_LEASE_RENEW, e->term);
	speak(x, true);
}

/* The lease outlived the process that renewed it. */
void elect_resume_active(struct elect *x, uint64_t term, const char *why)
{
	struct election *e = x->e;

	e->term = e->served = term;
	e->tick_due = x->now + election_times(e).tick;
	elect_set_role(x, ELECTION_ACTIVE, "%s", why);
	elect_lease(x, ELECTION_LEASE_RENEW, term);
	if (e->sync_up)
		elect_promote(x, term, false);
	speak(x, true);
}

static void step_down(struct elect *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void step_down(struct elect *x, const char *fmt, ...)
{
	char why[ELECTION_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	x->e->stop_until = x->now + ELECT_RELEASE_WAIT;
	elect_lease(x, ELECTION_LEASE_RELEASE, x->e->term);
	elect_become_standby(x, "%s", why);
}

/* A term newer than any the other node has seen: it, and both its daemons, refuse older ones. */
static void raise_term(struct elect *x, uint64_t term)
{
	x->e->term = term;
	if (x->e->lease_up)
		elect_lease(x, ELECTION_LEASE_ACQUIRE, term);
	if (x->e->sync_up)
		elect_promote(x, term, false);
	elect_beat_all(x, BEAT_KIND_BEAT);
}

/* --- a stall longer than the lease ----------------------------------------------------------- */
static void reacquire(struct elect *x)
{
	x->e->lapsed = true;
	elect_lease(x, ELECTION_LEASE_ACQUIRE, x->e->term);
}

static void resumed(struct elect *x)
{
	struct election *e = x->e;

	e->resuming = false;
	e->tick_due = x->now + election_times(e).tick;
	elect_lease(x, ELECTION_LEASE_RENEW, e->term);
	speak(x, e->lapsed);
	e->lapsed = false;
}

/* The peer may have taken over meanwhile, so nothing is claimed before netcfgd says that the lease
 * is held, or the peer says that it is not Active, or nobody answers. */
void elect_active_stalled(struct elect *x)
{
	struct election *e = x->e;
	usec_t pause = x->now - e->last_step;

	if (x->now < e->lease_until)
		return;
	if (!election_peer_alive(e) && e->cfg.n_instances &&
		pause >= 3 * e->cfg.instances[0].advert_interval) {
		step_down(x, "was frozen for %.1f s; listening", (double)pause / 1e6);
		return;
	}
	if (e->switchover) {
		e->switchover = false;
		elect_answer(x, e->switchover_request, -EINTR, "this node was frozen meanwhile");
	}
	e->handover = ELECTION_HANDOVER_NONE;
	e->resuming = true;
	e->lease_until = x->now; /* "not held" counts from here */
	e->resume_since = x->now;
	e->resume_until = x->now + election_times(e).wait;
	e->resume_retry = x->now;
	if (e->lease_up)
		elect_lease(x, ELECTION_LEASE_QUERY, e->term);
	elect_beat_all(x, BEAT_KIND_SOLICIT);
}

static void try_resume(struct elect *x)
{
	struct election *e = x->e;
	bool heard = e->peer.known && e->peer.last_at >= e->resume_since;

	if (heard && elect_peer_claims(&e->peer.last)) {
		if (e->peer.last.term > e->term)
			e->term = e->peer.last.term;
		step_down(x, "was frozen; %s is Active meanwhile", elect_peer_name(e));
		return;
	}
	if (!e->lease_cookie && e->lease_up && x->now >= e->resume_retry &&
		(heard || x->now >= e->resume_until))
		reacquire(x);
}

/* --- lease ----------------------------------------------------------------------------------- */
static void lease_lost(struct elect *x)
{
	struct election *e = x->e;

	if (election_peer_alive(e) && e->peer.last.role == BEAT_ROLE_ACTIVE) {
		step_down(x, "the lease ran out and %s is Active", elect_peer_name(e));
		return;
	}
	if (e->lease_failed && x->now - e->lease_failed < ELECT_LEASE_RETRY)
		return;
	if (!e->lease_cookie)
		reacquire(x);
}

static void lease_held(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	usec_t until = (usec_t)ev->lease.cookie + election_times(e).ttl;
	bool asked = ev->lease.verb != ELECTION_LEASE_RENEW;

	if (ev->lease.verb == ELECTION_LEASE_QUERY)
		until = (usec_t)ev->lease.cookie + ev->lease.remaining;
	/* An answer to a renewal sent before the stall says nothing about now. */
	if (e->resuming && !asked)
		return;
	e->lease_until = usec_max(e->lease_until, until);
	e->lease_failed = 0;
	if (e->resuming)
		resumed(x);
	else if (e->lapsed && asked) {
		e->lapsed = false;
		speak(x, true);
	}
}

void elect_active_lease(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	bool renew = ev->lease.verb == ELECTION_LEASE_RENEW;

	if (!renew && ev->lease.cookie != e->lease_cookie)
		return;
	if (!renew)
		e->lease_cookie = 0;
	switch (ev->lease.result) {
	case ELECTION_LEASE_OK:
		if (ev->lease.verb != ELECTION_LEASE_QUERY || ev->lease.held)
			lease_held(x, ev);
		break;
	case ELECTION_LEASE_STALE_TERM:
		/* A renewal of the term before may still be under way after raise_term(). */
		if (ev->lease.term >= e->term && !e->lease_cookie)
			raise_term(x, ev->lease.term + 1);
		break;
	case ELECTION_LEASE_NOT_HELD:
		if (!e->resuming)
			lease_lost(x);
		break;
	case ELECTION_LEASE_FAILED:
		e->lease_failed = x->now;
		break;
	case ELECTION_LEASE_UNANSWERED:
		/* Perhaps at once, as the connection is closing: asking again could go on for ever.
		 */
		e->resume_retry = x->now + election_times(e).tick;
		e->resume_until = usec_max(e->resume_until, e->resume_retry);
		break;
	}
	if (e->role == ELECTION_ACTIVE && e->resuming)
		try_resume(x);
}

void elect_active_lease_channel(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	struct election *e = x->e;

	if (!e->lease_up) {
		e->lease_cookie = 0;
		return;
	}
	elect_lease(x, e->resuming ? ELECTION_LEASE_QUERY : ELECTION_LEASE_RENEW, e->term);
}

void elect_active_sync_channel(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	if (x->e->sync_up)
		elect_promote(x, x->e->term, false);
}

/* --- planned hand-over ----------------------------------------------------------------------- */
static void grant(struct elect *x)
{
	struct election *e = x->e;
	usec_t d = usec_max(election_times(e).silent, 5 * ELECT_SOLICIT_WAIT);

	e->handover = ELECTION_HANDOVER_GRANT;
	e->handover_until = x->now + usec_min(d, ELECT_GRANT_MAX);
	e->handover_limit = x->now + ELECT_GRANT_MAX;
	elect_beat_all(x, BEAT_KIND_BEAT);
}

static void start_handover(struct elect *x, bool forced, usec_t flush, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void start_handover(struct elect *x, bool forced, usec_t flush, const char *fmt, ...)
{
	struct election *e = x->e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->handover_why, sizeof(e->handover_why), fmt, ap);
	va_end(ap);
	e->handover_forced = forced;
	if (!e->sync_up || !e->sync_connected) {
		grant(x);
		return;
	}
	e->handover = ELECTION_HANDOVER_FLUSH;
	e->handover_until = x->now + flush + flush / 2;

	struct election_action *a = elect_emit(x, ELECTION_DO_FLUSH);

	e->cookie = e->cookie + 1 > (uint64_t)x->now ? e->cookie + 1 : (uint64_t)x->now;
	e->flush_cookie = e->cookie;
	a->flush.cookie = e->cookie;
	a->flush.timeout = flush;
}

static void release_and_leave(struct elect *x)
{
	x->e->released = true;
	step_down(x, "orderly stop");
}

static void handover_failed(struct elect *x, const char *what)
{
	struct election *e = x->e;
	bool granted = e->handover == ELECTION_HANDOVER_GRANT;

	e->handover = ELECTION_HANDOVER_NONE;
	e->handover_retry = x->now + ELECT_RETRY;
	e->yield_retry = granted ? x->now + ELECT_YIELD_RETRY : 0;
	if (e->switchover) {
		e->switchover = false;
		elect_answer(
			x, e->switchover_request, -ETIMEDOUT, "%s; this node stays Active", what);
	}
	if (e->stopping)
		release_and_leave(x);
	else if (granted)
		raise_term(x, e->term + 2); /* voids the grant */
}

void elect_active_flushed(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;

	if (e->handover != ELECTION_HANDOVER_FLUSH || ev->done.cookie != e->flush_cookie)
		return;
	if (!ev->done.err || e->handover_forced)
		grant(x);
	else
		handover_failed(x, "the sessions could not be flushed to the peer");
}

static bool peer_can_take(const struct election *e)
{
	return election_peer_alive(e) && (e->peer.last.flags & BEAT_FLAG_ABLE) &&
	       !elect_peer_claims(&e->peer.last);
}

static void maybe_yield(struct elect *x)
{
	struct election *e = x->e;
	uint32_t own = election_health(e, x->now), peer = e->peer.last.health;
	char ill[ELECT_ILL_TEXT];

	if (e->handover != ELECTION_HANDOVER_NONE || e->resuming || !peer_can_take(e))
		return;
	if (BEAT_HEALTH_LEVEL(own) > BEAT_HEALTH_LEVEL(peer) && x->now >= e->yield_retry)
		start_handover(x, true, ELECT_FLUSH_YIELD, "yields to %s: %s", elect_peer_name(e),
			elect_own_ill(e, own, ill));
	else if ((e->peer.last.flags & BEAT_FLAG_ASKING) && x->now >= e->handover_retry &&
		 BEAT_HEALTH_LEVEL(own) == BEAT_HEALTH_LEVEL(peer))
		start_handover(x, !(e->peer.last.flags & BEAT_FLAG_IN_SYNC), ELECT_FLUSH_PLANNED,
			"%s has the higher priority and is ready (preempt)", elect_peer_name(e));
}

void elect_active_switchover(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	uint64_t id = ev->switchover.request;
	const char *peer = elect_peer_name(e);

	if (e->handover != ELECTION_HANDOVER_NONE || e->resuming || e->stopping)
		elect_answer(x, id, -EBUSY, "a change of role is under way; try again");
	else if (!election_peer_alive(e))
		elect_answer(x, id, -EHOSTDOWN,
			"%s is not heard; is it running, and is the HA link up?", peer);
	else if (!peer_can_take(e))
		elect_answer(x, id, -EAGAIN, "%s cannot take the role: see its status", peer);
	else if (e->cfg.sync && !e->sync_connected)
		elect_answer(x, id, -EAGAIN,
			"session sync with %s is down; `gatepair status` says why", peer);
	else if (e->cfg.sync && !(e->peer.last.flags & BEAT_FLAG_IN_SYNC))
		elect_answer(x, id, -EAGAIN, "%s does not hold all sessions yet; wait for the sync",
			peer);
	else if (BEAT_HEALTH_LEVEL(e->peer.last.health) >
		 BEAT_HEALTH_LEVEL(election_health(e, x->now)))
		elect_answer(x, id, -EAGAIN, "%s is not healthy: %s", peer,
			elect_ill_str(e->peer.last.health));
	else {
		e->switchover = true;
		e->switchover_request = id;
		start_handover(x, false, ELECT_FLUSH_PLANNED, "switchover by command");
	}
}

void elect_active_stop(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	struct election *e = x->e;

	e->stopping = true;
	if (e->resuming || !peer_can_take(e))
		release_and_leave(x);
	else if (e->handover == ELECTION_HANDOVER_NONE)
		start_handover(x, true, ELECT_FLUSH_PLANNED, "orderly stop");
	else
		e->handover_forced = true;
}

/* --- the peer -------------------------------------------------------------------------------- */
static void handed_over(struct elect *x)
{
	struct election *e = x->e;

	e->term = e->peer.last.term;
	e->commanded = e->switchover;
	step_down(x, "%s", e->handover_why);
}

/* The rule: able, health, term, priority, HA address, session. The loser leaves at once; the winner
 * raises its term above the loser's and announces again when the other is gone. */
static void both_active(struct elect *x, const struct beat *b)
{
	struct election *e = x->e;

	if (!elect_better(e, b, true, x->now)) {
		if (b->term > e->term)
			e->term = b->term;
		step_down(x, "both nodes were Active; %s stays", b->node);
		return;
	}
	e->conflict = true;
	if (b->term >= e->term)
		raise_term(x, b->term + 1);
	else
		elect_beat_all(x, BEAT_KIND_BEAT);
}

void elect_active_beat(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	const struct beat *b = ev->beat.frame;
	bool granted = e->handover == ELECTION_HANDOVER_GRANT && b->term == e->term + 1;

	if (e->resuming) {
		try_resume(x);
		return;
	}
	if (b->role == BEAT_ROLE_ACTIVE) {
		if (granted)
			handed_over(x);
		else
			both_active(x, b);
		return;
	}
	if (e->conflict) {
		e->conflict = false;
		elect_announce_all(x);
	}
	if (b->role == BEAT_ROLE_PROMOTING) {
		if (granted)
			e->handover_until =
				usec_min(e->handover_limit, x->now + election_times(e).silent);
		else
			elect_beat_all(x, BEAT_KIND_BEAT); /* it believes that we are dead */
		return;
	}
	if (b->term > e->term && e->handover != ELECTION_HANDOVER_GRANT)
		raise_term(x, b->term + 1);
}

static bool heard_lately(const struct election *e, size_t i)
{
	const struct election_instance *in = &e->instances[i];

	return in->heard &&
	       e->last_step - in->heard <= election_down_us(e->cfg.priority, in->active_interval);
}

/* By address only on one instance: two instances could decide it differently, for ever. The first
 * on which both are heard, which need not be the first that is up here. */
static bool loses(const struct election *e, const struct election_event *ev)
{
	size_t i = ev->advert.instance;

	if (ev->advert.priority != e->cfg.priority)
		return ev->advert.priority > e->cfg.priority;
	for (size_t j = 0; j < i; j++)
		if (elect_instance_live(e, j) && heard_lately(e, j))
			return false;
	return ntohl(ev->advert.source.s_addr) >
	       ntohl(e->links[e->cfg.instances[i].link].address.s_addr);
}

/* RFC 9568 section 6.4.3, (700)-(770). While the authenticated peer speaks, beats decide, and a
 * stranger is answered but cannot move the role. A peer that only advertises (it restarted and has
 * no key yet) is a router like any other. */
void elect_active_advert(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	struct election_instance *in = &e->instances[ev->advert.instance];
	struct election_times t = election_times(e);
	bool alive = election_peer_alive(e), stranger = in->foreign_heard == x->now;
	bool speaks = alive && x->now - e->peer.last_at <= t.silent + t.wait;

	if ((speaks && !stranger) || elect_advert_late(x, ev))
		return;
	if (!(stranger ? alive : speaks) && ev->advert.priority && loses(e, ev)) {
		step_down(x, "another router is Active with priority %u", ev->advert.priority);
		return;
	}
	if (e->resuming || x->now - in->answered < ELECT_ANSWER_GAP)
		return;
	in->answered = x->now;
	elect_advert(x, ev->advert.instance, e->cfg.priority);
}

void elect_active_link(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	struct election_link *l = &e->links[ev->link.link];
	bool was = l->carrier;

	l->carrier = ev->link.carrier;
	l->address = ev->link.address;
	if (was == l->carrier)
		return;
	elect_beat_all(x, BEAT_KIND_BEAT);
	for (size_t i = 0; l->carrier && !e->resuming && i < e->cfg.n_instances; i++) {
		if (e->cfg.instances[i].link != ev->link.link)
			continue;
		elect_advert(x, i, e->cfg.priority);
		elect_emit(x, ELECTION_DO_ANNOUNCE)->announce.instance = i;
	}
}

/* --- timers ---------------------------------------------------------------------------------- */
static void handover_timer(struct elect *x)
{
	struct election *e = x->e;

	if (e->handover == ELECTION_HANDOVER_NONE || x->now < e->handover_until)
		return;
	if (e->handover == ELECTION_HANDOVER_GRANT)
		handover_failed(x, "the peer did not take the role in time");
	else if (e->handover_forced)
		grant(x);
	else
		handover_failed(x, "the sessions could not be flushed to the peer in time");
}

void elect_timers_active(struct elect *x)
{
	struct election *e = x->e;

	if (e->resuming)
		try_resume(x);
	if (e->role == ELECTION_ACTIVE)
		handover_timer(x);
	if (e->role == ELECTION_ACTIVE)
		maybe_yield(x);
	if (e->role != ELECTION_ACTIVE || e->resuming)
		return;
	for (size_t i = 0; i < e->cfg.n_instances; i++)
		if (x->now >= e->instances[i].advert_due)
			elect_advert(x, i, e->cfg.priority);
}

usec_t elect_deadline_active(const struct election *e)
{
	usec_t due = USEC_NEVER;

	if (e->handover != ELECTION_HANDOVER_NONE)
		due = usec_min(due, e->handover_until);
	if (e->resuming)
		return usec_min(due, e->lease_cookie ? USEC_NEVER : e->resume_until);
	for (size_t i = 0; i < e->cfg.n_instances; i++)
		due = usec_min(due, e->instances[i].advert_due);
	return due;
}
