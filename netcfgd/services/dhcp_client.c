/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DHCP client of a WAN interface (see dhcp_client.h). RFC 2131 §4.4; udhcpc does the talking.
 */
#include "netcfgd/services/dhcp_client.h"

#include <stdio.h>
#include <string.h>

/* A link that came back: so long is its old server asked before all are. */
#define CONFIRM_LIMIT (8 * USEC_PER_SEC)
/* udhcpc takes every shorter lease for one of 16 s. */
#define SHORT_LEASE (32 * USEC_PER_SEC)
/* A signal that comes before its handler is there would end it. */
#define SETTLE_TIME (1 * USEC_PER_SEC)

void dhcp_client_init(struct dhcp_client *c, const char *link)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->lease.link, sizeof(c->lease.link), "%s", link);
	c->lease.state = WAN_NONE;
	c->confirm_by = c->ask_at = USEC_NEVER;
}

static bool bound(const struct dhcp_client *c)
{
	return c->lease.state == WAN_BOUND;
}

static usec_t length(const struct dhcp_client *c)
{
	return c->lease.until - c->since;
}

/* --- the lease ------------------------------------------------------------------------------- */

static unsigned drop_lease(struct dhcp_client *c, usec_t now, bool forget)
{
	struct wan_lease none = {.state = WAN_NONE};
	bool had = bound(c);

	memcpy(none.link, c->lease.link, sizeof(none.link));
	if (!forget)
		none.address = c->lease.address;
	c->lease = none;
	c->confirm_by = c->ask_at = USEC_NEVER;
	c->unconfirmed = false;
	if (had)
		c->since = now;
	return had ? DHCP_TELL : 0;
}

static unsigned take_lease(struct dhcp_client *c, const struct wan_lease *lease, usec_t now)
{
	char link[IFNAMSIZ];

	memcpy(link, c->lease.link, sizeof(link));
	c->lease = *lease;
	memcpy(c->lease.link, link, sizeof(link));
	c->since = now;
	c->confirm_by = USEC_NEVER;
	c->ask_at = length(c) < SHORT_LEASE ? now + length(c) / 2 : USEC_NEVER;
	return DHCP_TELL;
}

/* --- the program ----------------------------------------------------------------------------- */

static unsigned stop(struct dhcp_client *c)
{
	if (!c->running || c->stopping)
		return 0;
	c->stopping = true;
	return DHCP_STOP;
}

/* One that hangs looks like a server that does not answer: without a lease it is replaced now and
 * then, which costs nothing when it was all right. */
static usec_t replace_at(const struct dhcp_client *c)
{
	return c->running && !c->stopping && c->carrier && !bound(c) ? c->heard + DHCP_REPLACE
								     : USEC_NEVER;
}

/* --- events ---------------------------------------------------------------------------------- */

static unsigned on_on(struct dhcp_client *c, const struct dhcp_client_event *ev, usec_t now)
{
	unsigned actions = 0;

	if (c->on)
		return 0;
	c->on = true;
	c->since = now;
	respawn_reset(&c->program, now);
	if (ev->lease && ev->lease->state == WAN_BOUND && ev->lease->until > now) {
		actions = take_lease(c, ev->lease, now);
		c->unconfirmed = true;
	} else if (ev->lease) {
		c->lease.address = ev->lease->address;
	}
	return actions;
}

static unsigned on_off(struct dhcp_client *c, usec_t now)
{
	/* The first process sees by itself that it is no longer wanted. */
	drop_lease(c, now, true);
	c->on = c->crashing = c->unusable = false;
	return 0;
}

static unsigned on_link(struct dhcp_client *c, const struct dhcp_client_event *ev, usec_t now)
{
	bool back = ev->carrier && !c->carrier, other = ev->index != c->index;

	c->carrier = ev->carrier;
	c->index = ev->index;
	if (other && c->running && !c->stopping)
		return stop(c); /* it listens on a link that is gone */
	if (back)
		c->heard = now;
	if (!back || !c->on)
		return 0;
	if (!bound(c))
		c->since = now;
	if (!c->running || c->stopping)
		return 0;
	if (bound(c)) {
		c->unconfirmed = true;
		c->confirm_by = now + CONFIRM_LIMIT;
	}
	if (now - c->program.started >= SETTLE_TIME)
		return DHCP_ASK;
	c->ask_at = c->program.started + SETTLE_TIME;
	return 0;
}

static unsigned on_lease(struct dhcp_client *c, const struct wan_lease *lease, usec_t now)
{
	if (!c->on)
		return 0;
	c->crashing = c->unusable = c->unconfirmed = false;
	c->program.quick = 0;
	c->heard = now;
	return take_lease(c, lease, now);
}

static void blame(struct dhcp_client *c, const char *text)
{
	c->unusable = true;
	snprintf(c->text, sizeof(c->text), "%s", text);
}

/* It believes to have an address now: it has to start over, and not at once. */
static unsigned on_bad(struct dhcp_client *c, const char *text)
{
	blame(c, text);
	return stop(c);
}

static unsigned on_nak(struct dhcp_client *c, usec_t now)
{
	c->heard = now;
	if (bound(c))
		return drop_lease(c, now, true);
	blame(c, "a refusal of the address that it offered");
	return 0;
}

static unsigned on_exit_event(struct dhcp_client *c, const char *text, usec_t now)
{
	bool asked = c->stopping;

	c->running = c->stopping = false;
	if (asked && !c->unusable) {
		respawn_reset(&c->program, now);
		return 0;
	}
	respawn_ended(&c->program, now);
	if (respawn_crashing(&c->program) && !c->unusable) {
		c->crashing = true;
		snprintf(c->text, sizeof(c->text), "%s", text);
	}
	return 0;
}

static unsigned on_tick(struct dhcp_client *c, usec_t now)
{
	/* A program that still ran would have renewed it or said that it ended. */
	if (bound(c) && c->lease.until <= now)
		return drop_lease(c, now, false) | stop(c);
	if (replace_at(c) <= now)
		return stop(c);
	if (c->confirm_by <= now) {
		/* Its server is not there: perhaps this is another network. */
		c->confirm_by = USEC_NEVER;
		if (c->running && !c->stopping)
			return stop(c);
	}
	if (c->ask_at <= now) {
		c->ask_at = USEC_NEVER;
		if (c->running && !c->stopping && c->carrier &&
			now - c->program.started >= SETTLE_TIME)
			return DHCP_ASK;
	}
	return 0;
}

static unsigned dispatch(struct dhcp_client *c, const struct dhcp_client_event *ev, usec_t now)
{
	switch (ev->kind) {
	case DHCP_EV_ON:
		return on_on(c, ev, now);
	case DHCP_EV_OFF:
		return on_off(c, now);
	case DHCP_EV_LINK:
		return on_link(c, ev, now);
	case DHCP_EV_LEASE:
		return on_lease(c, ev->lease, now);
	case DHCP_EV_BAD:
		return on_bad(c, ev->text);
	case DHCP_EV_NAK:
		return on_nak(c, now);
	case DHCP_EV_EXIT:
		return on_exit_event(c, ev->text, now);
	case DHCP_EV_TICK:
		return on_tick(c, now);
	}
	return 0;
}

/* The program starts with a carrier, and goes on without. */
unsigned dhcp_client_step(struct dhcp_client *c, const struct dhcp_client_event *ev, usec_t now)
{
	unsigned actions = dispatch(c, ev, now);

	if (c->running && !c->stopping && !c->on) {
		c->stopping = true;
		actions |= DHCP_STOP;
	}
	if (!c->running && c->on && c->index && c->carrier && now >= c->program.start_at) {
		c->running = true;
		c->heard = now;
		respawn_started(&c->program, now);
		actions |= DHCP_START;
	}
	return actions;
}

/* --- what is told ---------------------------------------------------------------------------- */

static usec_t renewal_missed_at(const struct dhcp_client *c)
{
	return c->lease.until - length(c) / 4;
}

static usec_t earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

usec_t dhcp_client_look_at(const struct dhcp_client *c, usec_t now)
{
	usec_t at = bound(c) ? renewal_missed_at(c) : c->since + DHCP_PATIENCE;

	return c->on && at > now ? at : USEC_NEVER;
}

usec_t dhcp_client_due(const struct dhcp_client *c)
{
	usec_t due = earlier(c->confirm_by, c->ask_at);

	if (!c->on)
		return USEC_NEVER;
	due = earlier(due, bound(c) ? c->lease.until : replace_at(c));
	if (!c->running && c->index && c->carrier)
		due = earlier(due, c->program.start_at);
	return due;
}

enum dhcp_client_state dhcp_client_state(const struct dhcp_client *c, usec_t now)
{
	if (!c->on)
		return DHCP_OFF;
	if (!c->carrier)
		return DHCP_NO_CARRIER;
	if (!bound(c))
		return DHCP_SEARCHING;
	return c->unconfirmed || now >= renewal_missed_at(c) ? DHCP_RENEWING : DHCP_BOUND;
}

const char *dhcp_client_state_name(enum dhcp_client_state state)
{
	static const char *const names[] = {"off", "no-carrier", "searching", "bound", "renewing"};

	return names[state];
}

unsigned dhcp_client_trouble(const struct dhcp_client *c, usec_t now)
{
	unsigned trouble = (c->crashing ? DHCP_CRASHING : 0) | (c->unusable ? DHCP_UNUSABLE : 0);

	if (!c->on)
		return 0;
	if (!c->carrier)
		return DHCP_CABLE;
	if (bound(c) && !c->unconfirmed && now >= renewal_missed_at(c))
		trouble |= DHCP_NO_RENEWAL;
	if (!bound(c) && !trouble && now - c->since >= DHCP_PATIENCE)
		trouble |= DHCP_NO_ANSWER;
	return trouble;
}
