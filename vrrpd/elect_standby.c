/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election core while the node is not Active: Initialize (what does netcfgd hold?), Standby
 * (RFC 9568 Backup), Promoting (decided; session state and addresses are being readied). Pure;
 * runs in vrrpd.
 */
#include "vrrpd/elect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define VACANCY_MAX 20 /* settling times, after which the other is waited for no longer */

static void restart_down_timer(struct elect *x, size_t i)
{
	struct election_instance *in = &x->e->instances[i];

	in->down_due = x->now + election_down_us(x->e->cfg.priority, in->active_interval);
}

void elect_become_standby(struct elect *x, const char *fmt, ...)
{
	struct election *e = x->e;
	char why[ELECTION_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	e->handover = ELECTION_HANDOVER_NONE;
	e->conflict = false;
	e->resuming = false;
	e->acquiring = false;
	e->adopted_until = USEC_NEVER;
	e->vacant_since = USEC_NEVER;
	e->ready_since = USEC_NEVER;
	for (size_t i = 0; i < e->cfg.n_instances; i++)
		restart_down_timer(x, i);
	elect_set_role(x, ELECTION_STANDBY, "%s", why);
	elect_demote(x);
	elect_beat_all(x, BEAT_KIND_BEAT);
	if (e->switchover) {
		e->switchover = false;
		elect_answer(x, e->switchover_request, 0, "%s", why);
	}
}

/* --- Initialize ------------------------------------------------------------------------------ */
static void query(struct elect *x)
{
	if (x->e->lease_up)
		elect_lease(x, ELECTION_LEASE_QUERY, 0);
}

void elect_init_lease_channel(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	query(x);
}

static void init_release(struct elect *x)
{
	elect_lease(x, ELECTION_LEASE_RELEASE, x->e->term);
	elect_become_standby(x, "%s is Active", elect_peer_name(x->e));
}

static void init_adopt(struct elect *x)
{
	struct election *e = x->e;

	if (!e->term)
		e->term = 1;
	e->adopted_until = USEC_NEVER;
	elect_resume_active(x, e->term, "this node's addresses were still up when it started");
}

/* An adopted lease says that this node was Active, but not in which term: the peer knows. */
void elect_init_beat(struct elect *x, const struct election_event *ev)
{
	if (x->e->adopted_until == USEC_NEVER)
		return;
	if (elect_peer_claims(ev->beat.frame))
		init_release(x);
	else
		init_adopt(x);
}

void elect_init_lease(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;

	if (ev->lease.cookie != e->lease_cookie)
		return;
	e->lease_cookie = 0;
	if (ev->lease.result != ELECTION_LEASE_OK && ev->lease.result != ELECTION_LEASE_NOT_HELD)
		return; /* asked again at the next tick */
	e->queried = true;
	if (ev->lease.term > e->term)
		e->term = ev->lease.term;
	if (!ev->lease.held) {
		elect_become_standby(x, "started; listening for another router");
		return;
	}
	e->lease_until = (usec_t)ev->lease.cookie + ev->lease.remaining;
	if (election_peer_alive(e) && elect_peer_claims(&e->peer.last) &&
		e->peer.last.term > ev->lease.term)
		init_release(x);
	else if (!ev->lease.adopted && ev->lease.term)
		elect_resume_active(x, e->term, "vrrpd was restarted while this node was Active");
	else if (election_peer_alive(e))
		init_adopt(x);
	else
		e->adopted_until = x->now + usec_min(ev->lease.remaining / 2, ELECT_ADOPT_WAIT);
}

void elect_timers_init(struct elect *x)
{
	struct election *e = x->e;

	if (e->adopted_until != USEC_NEVER && x->now >= e->adopted_until)
		init_adopt(x);
	else if (!e->lease_cookie && !e->queried && x->now >= e->tick_due)
		query(x);
}

usec_t elect_deadline_init(const struct election *e)
{
	return e->adopted_until;
}

/* --- Standby --------------------------------------------------------------------------------- */
void elect_claim(struct elect *x, uint64_t term, bool handover, const char *fmt, ...)
{
	struct election *e = x->e;
	char why[ELECTION_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	e->term = term;
	e->vacant_since = USEC_NEVER;
	e->acquiring = false;
	e->acquire_tries = 0;
	e->promote_handover = handover;
	e->promote_until = x->now;
	elect_set_role(x, ELECTION_PROMOTING, "%s", why);
	elect_beat_all(x, BEAT_KIND_BEAT);
	if (e->sync_up) {
		e->promote_cookie = elect_promote(x, term, handover);
		e->promote_until = x->now + ELECT_PROMOTE_WAIT;
	}
}

void elect_standby_beat(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	const struct beat *b = ev->beat.frame;

	if (b->role == BEAT_ROLE_ACTIVE && (b->flags & BEAT_FLAG_GRANT) &&
		b->granted_term > e->term) {
		if (election_able(e, x->now))
			elect_claim(x, b->granted_term, true, "%s hands the role over", b->node);
		return;
	}
	if (b->term > e->term)
		e->term = b->term;
	if (b->role == BEAT_ROLE_ACTIVE && e->told_term != e->term)
		elect_demote(x);
}

/* RFC 9568 section 6.4.2, (380)-(460): the timer is restarted unless the advert is to be
 * discarded, which preemption of a lower priority asks for. */
void elect_standby_advert(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	size_t i = ev->advert.instance;
	struct election_instance *in = &e->instances[i];

	if (elect_advert_late(x, ev))
		return;
	if (ev->advert.priority == 0)
		in->down_due = x->now + election_skew_us(e->cfg.priority, in->active_interval);
	else if (ev->advert.priority >= e->cfg.priority || !elect_wants_preempt(e, x->now))
		restart_down_timer(x, i);
}

void elect_standby_link(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	struct election_link *l = &e->links[ev->link.link];
	bool was = l->carrier;

	l->carrier = ev->link.carrier;
	l->address = ev->link.address;
	if (was == l->carrier)
		return;
	for (size_t i = 0; l->carrier && i < e->cfg.n_instances; i++)
		if (e->cfg.instances[i].link == ev->link.link)
			restart_down_timer(x, i);
	/* On a direct cable this is how a peer's death looks. */
	if (e->role == ELECTION_STANDBY && !l->carrier && e->cfg.links[ev->link.link].ha &&
		elect_heartbeat(e))
		elect_suspect(x);
	elect_beat_all(x, BEAT_KIND_BEAT);
}

/* A netcfgd that comes back may have found our old addresses in the kernel. */
void elect_standby_lease_channel(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	if (x->e->lease_up)
		elect_lease(x, ELECTION_LEASE_RELEASE, x->e->term);
}

void elect_standby_lease(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;

	if (ev->lease.cookie != e->lease_cookie)
		return;
	e->lease_cookie = 0;
	if (ev->lease.term > e->term && ev->lease.result != ELECTION_LEASE_UNANSWERED)
		e->term = ev->lease.term;
	if (e->stopping)
		elect_leave(x);
}

void elect_standby_sync_channel(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	if (x->e->term)
		elect_demote(x);
}

static bool down_timers_expired(const struct elect *x)
{
	const struct election *e = x->e;

	for (size_t i = 0; i < e->cfg.n_instances; i++)
		if (elect_instance_live(e, i) && x->now < e->instances[i].down_due)
			return false;
	return true;
}

static void claim_silent(struct elect *x)
{
	const struct election *e = x->e;
	double ms = (double)(x->now - e->peer.heard) / 1000.0;
	uint64_t term = e->term + 1;

	if (!e->peer.known)
		elect_claim(x, term, false, "no other router was heard");
	else if (!e->peer.dead)
		elect_claim(x, term, false, "adverts of a lower priority only: preempting");
	else if (e->peer.left)
		elect_claim(x, term, false, "%s stopped", elect_peer_name(e));
	else
		elect_claim(x, term, false, "no sign of life from %s on any path for %.1f ms",
			elect_peer_name(e), ms);
}

/* Both alive, neither Active: the better one takes the role; the other only when that fails. */
static void vacancy(struct elect *x)
{
	struct election *e = x->e;
	usec_t settle = elect_settle(e);

	if (elect_peer_claims(&e->peer.last) || e->suspecting) {
		e->vacant_since = USEC_NEVER;
		return;
	}
	if (e->vacant_since == USEC_NEVER)
		e->vacant_since = x->now;
	usec_t age = x->now - e->vacant_since;

	if (age < settle || !election_able(e, x->now))
		return;
	if (elect_better(e, &e->peer.last, false, x->now) || age >= VACANCY_MAX * settle)
		elect_claim(x, e->term + 1, false, "neither node was Active");
}

void elect_timers_standby(struct elect *x)
{
	struct election *e = x->e;

	if (e->stopping) {
		if (x->now >= e->stop_until)
			elect_leave(x);
		return;
	}
	if (election_peer_alive(e))
		vacancy(x);
	else if (election_able(e, x->now) && down_timers_expired(x))
		claim_silent(x);
}

/* What has run out and led to no claim waits for something else, such as another instance's timer;
 * woken for it again and again the process would only spin. */
static usec_t sooner(const struct election *e, usec_t due, usec_t at)
{
	return at > e->last_step ? usec_min(due, at) : due;
}

usec_t elect_deadline_standby(const struct election *e)
{
	usec_t due = e->stopping ? e->stop_until : USEC_NEVER;

	if (e->vacant_since != USEC_NEVER) {
		due = sooner(e, due, e->vacant_since + elect_settle(e));
		due = sooner(e, due, e->vacant_since + VACANCY_MAX * elect_settle(e));
	}
	if (!e->key || !e->peer.known || e->peer.dead)
		for (size_t i = 0; i < e->cfg.n_instances; i++)
			due = sooner(e, due, e->instances[i].down_due);
	return due;
}

/* --- Promoting ------------------------------------------------------------------------------- */
static void acquire(struct elect *x)
{
	struct election *e = x->e;

	e->acquiring = true;
	e->promote_until = x->now + ELECT_ACQUIRE_WAIT;
	elect_lease(x, ELECTION_LEASE_ACQUIRE, e->term);
}

static void abort_promotion(struct elect *x, uint64_t term)
{
	if (x->e->acquiring)
		elect_lease(x, ELECTION_LEASE_RELEASE, x->e->term);
	/* The peer raises its term above ours as soon as it hears of it. */
	if (term > x->e->term)
		x->e->term = term;
}

static void fail_promotion(struct elect *x, const char *what)
{
	struct election *e = x->e;

	e->lease_failed = x->now;
	if (e->lease_up)
		elect_lease(x, ELECTION_LEASE_RELEASE, e->term);
	elect_become_standby(x, "could not take the role: %s", what);
	for (size_t i = 0; i < e->cfg.n_instances; i++)
		e->instances[i].down_due = x->now + ELECT_LEASE_RETRY;
}

void elect_promoting_done(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;

	if (ev->done.cookie != e->promote_cookie || e->acquiring)
		return;
	if (!ev->done.err)
		elect_transition(e)->state_ready = x->now;
	acquire(x);
}

void elect_promoting_lease(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;

	if (ev->lease.cookie != e->lease_cookie || ev->lease.verb != ELECTION_LEASE_ACQUIRE)
		return;
	e->lease_cookie = 0;
	switch (ev->lease.result) {
	case ELECTION_LEASE_OK:
		elect_become_active(x, (usec_t)ev->lease.cookie + election_times(e).ttl);
		return;
	case ELECTION_LEASE_STALE_TERM:
		if (++e->acquire_tries < ELECT_ACQUIRE_TRIES) {
			e->term = (ev->lease.term > e->term ? ev->lease.term : e->term) + 1;
			acquire(x);
		} else {
			fail_promotion(x, "netcfgd refused the term");
		}
		return;
	case ELECTION_LEASE_NOT_HELD: /* it was busy for too long, but is no longer */
		if (++e->acquire_tries < ELECT_ACQUIRE_TRIES)
			acquire(x);
		else
			fail_promotion(x, "netcfgd answers too late");
		return;
	case ELECTION_LEASE_FAILED:
		fail_promotion(x, "netcfgd could not set the virtual addresses up");
		return;
	case ELECTION_LEASE_UNANSWERED:
		fail_promotion(x, "netcfgd did not answer");
		return;
	}
}

void elect_promoting_lease_channel(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	if (!x->e->lease_up)
		fail_promotion(x, "netcfgd went away");
}

/* A syncd that comes back in the middle has to be told, though it may be too late to wait for it. A
 * request that was under way when it went runs into its limit. */
void elect_promoting_sync_channel(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	if (x->e->sync_up)
		x->e->promote_cookie = elect_promote(x, x->e->term, x->e->promote_handover);
}

/* The peer lives after all, or claims the role as well. */
void elect_promoting_beat(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	const struct beat *b = ev->beat.frame;
	bool granted = e->promote_handover && b->term < e->term;

	if (b->role == BEAT_ROLE_ACTIVE && !granted) {
		abort_promotion(x, b->term);
		elect_become_standby(x, "%s is Active after all", b->node);
	} else if (b->role == BEAT_ROLE_PROMOTING && !granted &&
		   !elect_better(e, b, true, x->now)) {
		abort_promotion(x, b->term);
		elect_become_standby(x, "%s takes the role", b->node);
	}
}

void elect_promoting_advert(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;

	if (election_peer_alive(e) || e->promote_handover || !ev->advert.priority ||
		elect_advert_late(x, ev))
		return;
	if (ev->advert.priority >= e->cfg.priority || !elect_wants_preempt(e, x->now)) {
		abort_promotion(x, e->term);
		elect_become_standby(x, "another router is Active");
	}
}

void elect_promoting_stalled(struct elect *x)
{
	abort_promotion(x, x->e->term);
	elect_become_standby(x, "was frozen while taking over");
}

void elect_timers_promoting(struct elect *x)
{
	struct election *e = x->e;

	if (x->now < e->promote_until)
		return;
	if (e->acquiring)
		fail_promotion(x, "netcfgd did not answer in time");
	else
		acquire(x); /* syncd is away or late: availability goes first */
}

usec_t elect_deadline_promoting(const struct election *e)
{
	return e->promote_until;
}

/* --- commands while not Active --------------------------------------------------------------- */
void elect_leave(struct elect *x)
{
	struct election *e = x->e;

	if (e->exited)
		return;
	if (e->released)
		elect_adverts(x, 0);       /* RFC 9568 section 6.4.3, (655) */
	elect_beat_all(x, BEAT_KIND_BEAT); /* says STOPPING */
	e->exited = true;
	elect_emit(x, ELECTION_DO_EXIT);
}

void elect_idle_stop(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	x->e->stopping = true;
	elect_leave(x);
}

void elect_promoting_stop(struct elect *x, const struct election_event *ev)
{
	(void)ev;
	struct election *e = x->e;

	e->stopping = true;
	e->stop_until = x->now + ELECT_RELEASE_WAIT;
	elect_lease(x, ELECTION_LEASE_RELEASE, e->term);
	elect_become_standby(x, "orderly stop");
}

void elect_idle_switchover(struct elect *x, const struct election_event *ev)
{
	const struct election *e = x->e;

	if (e->role == ELECTION_STANDBY && election_peer_alive(e) &&
		elect_peer_claims(&e->peer.last))
		elect_answer(x, ev->switchover.request, -EPERM,
			"this node is Standby; run it on %s", elect_peer_name(e));
	else
		elect_answer(x, ev->switchover.request, -EPERM,
			"this node is not Active (%s); nothing to hand over",
			election_role_str(e->role));
}
