/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address lease (see lease.h): a pure core, stepped by netcfgd's main loop and by the
 * simulation. Every step first asks whether the lease had run out when its event came to be, so a
 * late timer or a starved process can never extend what was already over.
 */
#include "netcfgd/lease.h"

#include <string.h>

static usec_t min_us(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

void lease_init(struct lease *l)
{
	memset(l, 0, sizeof(*l));
}

usec_t lease_due(const struct lease *l)
{
	return l->held ? min_us(l->until, l->refresh) : USEC_NEVER;
}

bool lease_overdue(const struct lease *l, usec_t now)
{
	return l->held && now >= l->until;
}

bool lease_wait(struct lease *l, usec_t now)
{
	if (!lease_overdue(l, now) || l->waited == l->until)
		return false;
	l->waited = l->until;
	return true;
}

/* When the event came to be: requests may have waited in a queue. What is held now is a question
 * about now. */
static usec_t came(const struct lease_event *ev, usec_t now)
{
	bool timed = ev->kind == LEASE_EV_ACQUIRE || ev->kind == LEASE_EV_RENEW ||
		     ev->kind == LEASE_EV_RELEASE;

	return timed ? now - ev->age : now;
}

static void hold(struct lease *l, uint64_t term, usec_t until, usec_t now)
{
	if (!l->held)
		l->refresh = now + LEASE_REFRESH;
	l->held = true;
	l->adopted = false;
	l->term = term;
	l->newest = term;
	l->until = until;
}

static void drop(struct lease *l, struct lease_out *out, const char *why)
{
	l->held = false;
	l->adopted = false;
	l->term = 0;
	out->action = LEASE_ACT_DROP;
	out->why = why;
}

static void on_acquire(
	struct lease *l, const struct lease_event *ev, usec_t now, struct lease_out *out)
{
	usec_t until = came(ev, now) + min_us(ev->ttl, LEASE_TTL_MAX);

	if (ev->term == 0 || ev->term < l->newest) {
		out->reply.result = LEASE_RES_STALE_TERM;
		return;
	}
	if (!l->held && until <= now) {
		out->reply.result = LEASE_RES_NOT_HELD;
		return;
	}
	if (!l->held || l->adopted || l->term != ev->term)
		out->why = "acquired";
	hold(l, ev->term, until, now);
	/* Also when held: the answer promises that the addresses are up. A lapse in the same
	 * instant needs no drop first. */
	if (until > now)
		out->action = LEASE_ACT_TAKE;
}

static void on_renew(
	struct lease *l, const struct lease_event *ev, usec_t now, struct lease_out *out)
{
	if (ev->term == 0 || ev->term < l->newest) {
		out->reply.result = LEASE_RES_STALE_TERM;
		return;
	}
	if (!l->held) {
		out->reply.result = LEASE_RES_NOT_HELD;
		return;
	}
	if (l->adopted)
		out->why = "adopted lease renewed";
	else if (l->term != ev->term)
		out->why = "renewed under a newer term";
	hold(l, ev->term, came(ev, now) + min_us(ev->ttl, LEASE_TTL_MAX), now);
	/* Any message may wake us just before the timer does. */
	if (now >= l->refresh && now < l->until) {
		l->refresh = now + LEASE_REFRESH;
		out->action = LEASE_ACT_REFRESH;
	}
}

static void on_release(struct lease *l, const struct lease_event *ev, struct lease_out *out)
{
	if (ev->term < l->newest) {
		out->reply.result = LEASE_RES_STALE_TERM;
		return;
	}
	l->newest = ev->term;
	if (l->held)
		drop(l, out, "released");
}

static void on_tick(struct lease *l, usec_t now, struct lease_out *out)
{
	if (!l->held || now < l->refresh)
		return;
	l->refresh = now + LEASE_REFRESH;
	out->action = LEASE_ACT_REFRESH;
}

static void on_adopt(struct lease *l, usec_t now, struct lease_out *out)
{
	if (l->held || l->newest != 0)
		return;
	hold(l, 0, now + LEASE_ADOPT_TTL, now);
	l->adopted = true;
	l->refresh = now; /* how old the kernel's lifetime is, nobody knows */
	out->why = "addresses found in the kernel";
}

struct lease_out lease_step(struct lease *l, const struct lease_event *ev, usec_t now)
{
	struct lease_out out = {.action = LEASE_ACT_NONE, .reply = {.result = LEASE_RES_OK}};

	if (lease_overdue(l, came(ev, now))) {
		l->lapses++;
		drop(l, &out, "ran out");
	}
	switch (ev->kind) {
	case LEASE_EV_QUERY:
		break;
	case LEASE_EV_ACQUIRE:
		on_acquire(l, ev, now, &out);
		break;
	case LEASE_EV_RENEW:
		on_renew(l, ev, now, &out);
		break;
	case LEASE_EV_RELEASE:
		on_release(l, ev, &out);
		break;
	case LEASE_EV_TICK:
		on_tick(l, now, &out);
		break;
	case LEASE_EV_ADOPT:
		on_adopt(l, now, &out);
		break;
	case LEASE_EV_TAKE_FAILED:
		/* Whatever part of it succeeded must go again. */
		drop(l, &out, "the kernel refused");
		out.reply.result = LEASE_RES_FAILED;
		break;
	case LEASE_EV_STOP:
		if (l->held)
			drop(l, &out, "netcfgd stops");
		break;
	}
	out.reply.held = l->held;
	out.reply.adopted = l->adopted;
	out.reply.term = l->held ? l->term : l->newest;
	out.reply.remaining = l->held && l->until > now ? l->until - now : 0;
	return out;
}
