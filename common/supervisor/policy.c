/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervision policy; see policy.h. One function per event; supervisor_policy_step() alone adds
 * what holds in every state: queries, health, and the forgetting of old crashes.
 */
#include <string.h>

#include "common/supervisor/policy.h"

void supervisor_policy_init(struct policy *p, bool real_time)
{
	memset(p, 0, sizeof(*p));
	p->real_time = real_time;
	p->healthy = true;
	p->asked = p->next_query = p->resume = p->unready_since = USEC_NEVER;
}

static void enter(struct policy *p, enum policy_state state, usec_t now)
{
	p->state = state;
	p->since = now;
	p->asked = p->next_query = p->resume = USEC_NEVER;
	if (state == POLICY_READY)
		p->unready_since = USEC_NEVER;
	else if (p->unready_since == USEC_NEVER)
		p->unready_since = now;
}

static bool alive(const struct policy *p)
{
	return p->state == POLICY_STARTING || p->state == POLICY_READY;
}

static unsigned spawn(struct policy *p, usec_t now)
{
	enter(p, POLICY_STARTING, now);
	p->next_query = now + POLICY_QUERY_EVERY;
	return POLICY_SPAWN;
}

static bool crash_loop(struct policy *p, usec_t now)
{
	usec_t oldest;

	p->deaths[p->n_deaths++ % POLICY_CRASH_COUNT] = now;
	oldest = p->deaths[p->n_deaths % POLICY_CRASH_COUNT];
	return p->n_deaths >= POLICY_CRASH_COUNT && now - oldest < POLICY_CRASH_WINDOW;
}

static unsigned on_exited(struct policy *p, usec_t now)
{
	bool deliberate = p->deliberate;

	if (p->state == POLICY_STOPPING || p->state == POLICY_STOPPED) {
		enter(p, POLICY_STOPPED, now);
		return 0;
	}
	if (p->state == POLICY_BACKOFF)
		return 0;
	p->deliberate = false;
	p->restarts++;
	if (deliberate || !(crash_loop(p, now) || p->pause > 0))
		return spawn(p, now);
	p->pause = p->pause == 0 ? POLICY_BACKOFF_MIN : 2 * p->pause;
	if (p->pause > POLICY_BACKOFF_MAX)
		p->pause = POLICY_BACKOFF_MAX;
	enter(p, POLICY_BACKOFF, now);
	p->resume = now + p->pause;
	return 0;
}

static unsigned on_restart(struct policy *p, usec_t now)
{
	if (p->state == POLICY_BACKOFF)
		return spawn(p, now);
	if (!alive(p))
		return 0;
	enter(p, POLICY_KILLED, now);
	p->deliberate = true;
	p->hung = false;
	return POLICY_KILL;
}

static unsigned on_stop(struct policy *p, usec_t now)
{
	bool was_alive = alive(p) || p->state == POLICY_KILLED;

	if (p->state == POLICY_STOPPING || p->state == POLICY_STOPPED)
		return 0;
	enter(p, was_alive ? POLICY_STOPPING : POLICY_STOPPED, now);
	if (!was_alive)
		return 0;
	p->resume = now + POLICY_STOP_MAX;
	return POLICY_ASK_STOP;
}

static usec_t patience(const struct policy *p)
{
	/* While it starts, the kernel may be loading modules for it. */
	if (p->real_time && p->state != POLICY_STARTING)
		return POLICY_HUNG_AFTER_RT;
	return POLICY_HUNG_AFTER;
}

static unsigned check_hung(struct policy *p, usec_t now)
{
	usec_t limit = patience(p);

	if (now < p->next_query && (p->asked == USEC_NEVER || now - p->asked < limit))
		return 0;
	/* A tick that is late itself: this process slept (a paused machine), and what the daemon
	 * would have answered in that time is not known. */
	if (p->next_query != USEC_NEVER && now - p->next_query > POLICY_QUERY_EVERY)
		p->asked = USEC_NEVER;
	if (p->asked != USEC_NEVER && now - p->asked >= limit) {
		enter(p, POLICY_KILLED, now);
		p->hung = true;
		return POLICY_KILL;
	}
	if (now < p->next_query)
		return 0;
	p->next_query = now + POLICY_QUERY_EVERY;
	if (p->asked == USEC_NEVER)
		p->asked = now;
	return POLICY_QUERY;
}

static unsigned on_tick(struct policy *p, usec_t now)
{
	if (alive(p))
		return check_hung(p, now);
	if (now < p->resume)
		return 0;
	if (p->state == POLICY_BACKOFF)
		return spawn(p, now);
	p->resume = USEC_NEVER;
	return p->state == POLICY_STOPPING ? POLICY_KILL : 0;
}

static unsigned judge_health(struct policy *p, usec_t now)
{
	bool was = p->healthy;

	if (p->state == POLICY_STOPPING || p->state == POLICY_STOPPED)
		return 0;
	if (p->state == POLICY_READY && now - p->since >= POLICY_HEALTHY_AFTER)
		p->healthy = true;
	else if (p->state == POLICY_BACKOFF)
		p->healthy = false;
	else if (p->state != POLICY_READY && now - p->unready_since >= POLICY_UNREADY_MAX)
		p->healthy = false;
	if (p->state == POLICY_READY && now - p->since >= POLICY_STABLE_AFTER)
		p->pause = 0;
	return p->healthy != was ? POLICY_TELL_HEALTH : 0;
}

unsigned supervisor_policy_step(struct policy *p, enum policy_event ev, usec_t now)
{
	unsigned actions = 0;

	switch (ev) {
	case POLICY_EV_START:
		actions = p->state == POLICY_STOPPED ? spawn(p, now) : 0;
		break;
	case POLICY_EV_IS_READY:
		if (p->state == POLICY_STARTING) {
			enter(p, POLICY_READY, now);
			p->next_query = now + POLICY_QUERY_EVERY;
			p->hung = false;
		}
		break;
	case POLICY_EV_ANSWERED:
		p->asked = USEC_NEVER;
		break;
	case POLICY_EV_EXITED:
		actions = on_exited(p, now);
		break;
	case POLICY_EV_RESTART:
		actions = on_restart(p, now);
		break;
	case POLICY_EV_STOP:
		actions = on_stop(p, now);
		break;
	case POLICY_EV_TICK:
		actions = on_tick(p, now);
		break;
	}
	return actions | judge_health(p, now);
}

static usec_t earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

usec_t supervisor_policy_due(const struct policy *p)
{
	usec_t limit = patience(p);
	usec_t due = earlier(p->resume, p->next_query);

	if (p->asked != USEC_NEVER && alive(p))
		due = earlier(due, p->asked + limit);
	if (!p->healthy && p->state == POLICY_READY)
		due = earlier(due, p->since + POLICY_HEALTHY_AFTER);
	if (p->healthy && p->unready_since != USEC_NEVER && p->state != POLICY_STOPPED &&
		p->state != POLICY_STOPPING)
		due = earlier(due, p->unready_since + POLICY_UNREADY_MAX);
	return due;
}

const char *supervisor_policy_state_to_str(const struct policy *p)
{
	switch (p->state) {
	case POLICY_STOPPED:
		return "stopped";
	case POLICY_STARTING:
		return "starting";
	case POLICY_READY:
		return "ready";
	case POLICY_KILLED:
		return p->hung ? "hung" : "starting";
	case POLICY_BACKOFF:
		return "backoff";
	case POLICY_STOPPING:
		return "stopping";
	}
	return "?";
}
