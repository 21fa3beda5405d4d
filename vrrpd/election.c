/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election core's entry: the table role × event, what every role does with an event first, the
 * periodic beat and lease renewal, and the deadline. Pure; runs in vrrpd. RFC 9568 section 6.
 */
#include "vrrpd/election.h"

#include <string.h>

#include "vrrpd/elect.h"

static void nothing(struct elect *x, const struct election_event *ev)
{
	(void)x;
	(void)ev;
}

/* Total: each cell is named. Columns in the order of enum election_event_kind. */
static elect_fn *const table[ELECTION_ROLES][ELECTION_EVENTS] = {
	[ELECTION_INIT] =
		{
			[ELECTION_EV_TICK] = nothing,
			[ELECTION_EV_BEAT] = elect_init_beat,
			[ELECTION_EV_ADVERT] = nothing, /* RFC 9568 6.4.1: nothing is received */
			[ELECTION_EV_LINK] = elect_standby_link,
			[ELECTION_EV_KEY] = nothing,
			[ELECTION_EV_LEASE_CHANNEL] = elect_init_lease_channel,
			[ELECTION_EV_LEASE] = elect_init_lease,
			[ELECTION_EV_SYNC_CHANNEL] = nothing, /* told once the role is known */
			[ELECTION_EV_SYNC] = nothing,
			[ELECTION_EV_PROMOTED] = nothing,
			[ELECTION_EV_FLUSHED] = nothing,
			[ELECTION_EV_DAEMON] = nothing,
			[ELECTION_EV_SWITCHOVER] = elect_idle_switchover,
			[ELECTION_EV_STOP] = elect_idle_stop,
		},
	[ELECTION_STANDBY] =
		{
			[ELECTION_EV_TICK] = nothing,
			[ELECTION_EV_BEAT] = elect_standby_beat,
			[ELECTION_EV_ADVERT] = elect_standby_advert, /* 6.4.2 */
			[ELECTION_EV_LINK] = elect_standby_link,
			[ELECTION_EV_KEY] = nothing,
			[ELECTION_EV_LEASE_CHANNEL] = elect_standby_lease_channel,
			[ELECTION_EV_LEASE] = elect_standby_lease,
			[ELECTION_EV_SYNC_CHANNEL] = elect_standby_sync_channel,
			[ELECTION_EV_SYNC] = nothing,
			[ELECTION_EV_PROMOTED] = nothing, /* of a promotion given up */
			[ELECTION_EV_FLUSHED] = nothing,
			[ELECTION_EV_DAEMON] = nothing,
			[ELECTION_EV_SWITCHOVER] = elect_idle_switchover,
			[ELECTION_EV_STOP] = elect_idle_stop, /* 6.4.2: to Initialize */
		},
	[ELECTION_PROMOTING] =
		{
			[ELECTION_EV_TICK] = nothing,
			[ELECTION_EV_BEAT] = elect_promoting_beat,
			[ELECTION_EV_ADVERT] = elect_promoting_advert,
			[ELECTION_EV_LINK] = elect_standby_link,
			[ELECTION_EV_KEY] = nothing,
			[ELECTION_EV_LEASE_CHANNEL] = elect_promoting_lease_channel,
			[ELECTION_EV_LEASE] = elect_promoting_lease,
			[ELECTION_EV_SYNC_CHANNEL] = elect_promoting_sync_channel,
			[ELECTION_EV_SYNC] = nothing,
			[ELECTION_EV_PROMOTED] = elect_promoting_done,
			[ELECTION_EV_FLUSHED] = nothing,
			[ELECTION_EV_DAEMON] = nothing,
			[ELECTION_EV_SWITCHOVER] = elect_idle_switchover,
			[ELECTION_EV_STOP] = elect_promoting_stop,
		},
	[ELECTION_ACTIVE] =
		{
			[ELECTION_EV_TICK] = nothing,
			[ELECTION_EV_BEAT] = elect_active_beat,
			[ELECTION_EV_ADVERT] = elect_active_advert, /* 6.4.3 */
			[ELECTION_EV_LINK] = elect_active_link,
			[ELECTION_EV_KEY] = nothing,
			[ELECTION_EV_LEASE_CHANNEL] = elect_active_lease_channel,
			[ELECTION_EV_LEASE] = elect_active_lease,
			[ELECTION_EV_SYNC_CHANNEL] = elect_active_sync_channel,
			[ELECTION_EV_SYNC] = nothing,
			[ELECTION_EV_PROMOTED] = nothing, /* told again at every reconnect anyway */
			[ELECTION_EV_FLUSHED] = elect_active_flushed,
			[ELECTION_EV_DAEMON] = nothing,
			[ELECTION_EV_SWITCHOVER] = elect_active_switchover,
			[ELECTION_EV_STOP] =
				elect_active_stop, /* 6.4.3: priority 0, to Initialize */
		},
};

static void reset_instances(struct election *e, usec_t now)
{
	for (size_t i = 0; i < e->cfg.n_instances; i++) {
		struct election_instance *in = &e->instances[i];

		*in = (struct election_instance){
			.active_interval = e->cfg.instances[i].advert_interval,
			.advert_due = now,
		};
		in->down_due = now + election_down_us(e->cfg.priority, in->active_interval);
	}
}

void election_init(struct election *e, const struct election_config *cfg, usec_t now)
{
	memset(e, 0, sizeof(*e));
	e->cfg = *cfg;
	e->role = ELECTION_INIT;
	e->role_since = now;
	memcpy(e->reason, "started", sizeof("started"));
	e->last_step = now;
	e->tick_due = now;
	e->lease_down_since = now;
	e->in_sync_since = now;
	e->vacant_since = USEC_NEVER;
	e->ready_since = USEC_NEVER;
	e->adopted_until = USEC_NEVER;
	for (size_t i = 0; i < ELECTION_MAX_LINKS; i++)
		e->links[i].carrier = true;
	reset_instances(e, now);
}

/* --- what every role does with an event first ------------------------------------------------ */
static void learn(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;

	switch (ev->kind) {
	case ELECTION_EV_KEY:
		e->key = ev->channel.up;
		elect_beat_all(x, BEAT_KIND_SOLICIT);
		break;
	case ELECTION_EV_LEASE_CHANNEL:
		if (e->lease_up && !ev->channel.up)
			e->lease_down_since = x->now;
		e->lease_up = ev->channel.up;
		break;
	case ELECTION_EV_SYNC_CHANNEL:
		e->sync_up = ev->channel.up;
		if (!e->sync_up) {
			e->sync_connected = false;
			e->in_sync_since = e->in_sync ? x->now : e->in_sync_since;
			e->in_sync = false;
		}
		break;
	case ELECTION_EV_SYNC:
		if (e->in_sync != ev->sync.in_sync)
			e->in_sync_since = x->now;
		e->sync_connected = ev->sync.connected;
		e->in_sync = ev->sync.in_sync;
		e->sessions = ev->sync.sessions;
		break;
	case ELECTION_EV_DAEMON:
		if (ev->daemon.healthy)
			e->daemons_ill &= ~(unsigned)ev->daemon.daemon;
		else
			e->daemons_ill |= ev->daemon.daemon;
		break;
	case ELECTION_EV_ADVERT:
		elect_peer_advert(x, ev);
		break;
	case ELECTION_EV_BEAT: /* see election_step() */
	case ELECTION_EV_TICK:
	case ELECTION_EV_LINK:
	case ELECTION_EV_LEASE:
	case ELECTION_EV_PROMOTED:
	case ELECTION_EV_FLUSHED:
	case ELECTION_EV_SWITCHOVER:
	case ELECTION_EV_STOP:
	case ELECTION_EVENTS:
		break;
	}
}

static bool in_range(const struct election *e, const struct election_event *ev)
{
	if ((unsigned)ev->kind >= ELECTION_EVENTS)
		return false;
	if (ev->kind == ELECTION_EV_BEAT)
		return ev->beat.link < e->cfg.n_links && e->key;
	if (ev->kind == ELECTION_EV_ADVERT)
		return ev->advert.instance < e->cfg.n_instances;
	if (ev->kind == ELECTION_EV_LINK)
		return ev->link.link < e->cfg.n_links;
	return true;
}

/* --- time ------------------------------------------------------------------------------------ */
/* The process did not run for longer than its lease lasts: frozen, paused, or starved. What it
 * believes about the peer is as old, and so is every frame that waits in its sockets. */
static bool stalled(struct elect *x)
{
	struct election *e = x->e;
	usec_t pause = x->now - e->last_step;

	if (pause <= election_times(e).ttl)
		return false;
	elect_emit(x, ELECTION_DO_DRAIN);
	e->suspecting = false;
	e->vacant_since = USEC_NEVER;
	if (e->peer.known && !e->peer.left) {
		e->peer.dead = false;
		e->peer.heard = x->now;
	}
	for (size_t i = 0; i < e->cfg.n_instances; i++)
		e->instances[i].down_due += pause;
	if (e->role == ELECTION_ACTIVE)
		elect_active_stalled(x);
	else if (e->role == ELECTION_PROMOTING)
		elect_promoting_stalled(x);
	return true;
}

/* While the HA link is silent, a few VRRP links carry the beats at their full pace: a lease renewed
 * at every beat is safe only as long as beats are heard as often. Those the peer was heard on go
 * first. */
static void fast_beats(struct elect *x)
{
	struct election *e = x->e;
	size_t sent = 0;

	for (int heard = 1; heard >= 0; heard--)
		for (size_t i = 0; i < e->cfg.n_links && sent < ELECT_FAST_LINKS; i++) {
			const struct election_link_config *c = &e->cfg.links[i];
			bool recent = x->now - e->links[i].beat_heard < 2 * ELECT_LAN_BEAT;

			if (c->ha || !c->vrrp || !e->links[i].carrier || recent != heard)
				continue;
			elect_beat(x, i, BEAT_KIND_BEAT);
			sent++;
		}
}

static void tick_beats(struct elect *x)
{
	struct election *e = x->e;
	bool ha_silent = e->ha_silent ||
			 (election_peer_alive(e) && (e->peer.last.flags & BEAT_FLAG_HA_SILENT));

	if (ha_silent && e->cfg.heartbeat)
		fast_beats(x);
	for (size_t i = 0; i < e->cfg.n_links; i++) {
		const struct election_link_config *c = &e->cfg.links[i];
		bool due = c->ha || (c->vrrp && x->now - e->links[i].beat_sent >= ELECT_LAN_BEAT);

		if (due && e->links[i].carrier)
			elect_beat(x, i, BEAT_KIND_BEAT);
	}
}

/* The renewal goes first: the lease must end before a peer that hears this beat may decide. */
static void tick(struct elect *x)
{
	struct election *e = x->e;
	usec_t period = election_times(e).tick;
	bool taking = e->role == ELECTION_PROMOTING && e->acquiring;
	bool quiet = e->role == ELECTION_INIT && x->now - e->role_since < ELECT_QUIET_START;

	if (x->now < e->tick_due)
		return;
	e->tick_due += period;
	if (e->tick_due <= x->now)
		e->tick_due = x->now + period;
	/* Also behind an ACQUIRE that is under way, since the kernel may take longer than its ttl.
	 */
	if (((e->role == ELECTION_ACTIVE && !e->resuming) || taking) && e->lease_up)
		elect_lease(x, ELECTION_LEASE_RENEW, e->term);
	if (!quiet)
		tick_beats(x);
}

static void update_ready(struct elect *x)
{
	struct election *e = x->e;
	bool ready = e->role == ELECTION_STANDBY && election_able(e, x->now) &&
		     (e->in_sync || !e->cfg.sync || e->cfg.preempt == ELECTION_PREEMPT_ALWAYS);

	if (!ready)
		e->ready_since = USEC_NEVER;
	else if (e->ready_since == USEC_NEVER)
		e->ready_since = x->now;
}

static void timers(struct elect *x)
{
	struct election *e = x->e;

	update_ready(x);
	elect_peer_timers(x);
	switch (e->role) {
	case ELECTION_INIT:
		elect_timers_init(x);
		break;
	case ELECTION_STANDBY:
		elect_timers_standby(x);
		break;
	case ELECTION_PROMOTING:
		elect_timers_promoting(x);
		break;
	case ELECTION_ACTIVE:
		elect_timers_active(x);
		break;
	case ELECTION_ROLES:
		break;
	}
	if (e->peer.dead)
		e->suspecting = false;
	tick(x);
}

static usec_t deadline(const struct election *e)
{
	usec_t due = usec_min(e->tick_due, elect_peer_deadline(e));

	switch (e->role) {
	case ELECTION_INIT:
		return usec_min(due, elect_deadline_init(e));
	case ELECTION_STANDBY:
		return usec_min(due, elect_deadline_standby(e));
	case ELECTION_PROMOTING:
		return usec_min(due, elect_deadline_promoting(e));
	case ELECTION_ACTIVE:
		return usec_min(due, elect_deadline_active(e));
	case ELECTION_ROLES:
		break;
	}
	return due;
}

void election_step(struct election *e, const struct election_event *ev, usec_t now,
	struct election_actions *out)
{
	struct elect x = {.e = e, .now = usec_max(now, e->last_step), .out = out};
	bool fresh = true;

	out->n = 0;
	out->dropped = 0;
	out->deadline = USEC_NEVER;
	if (e->exited)
		return;
	if (stalled(&x))
		fresh = ev->kind != ELECTION_EV_BEAT && ev->kind != ELECTION_EV_ADVERT;
	e->last_step = x.now;
	if (fresh && in_range(e, ev)) {
		if (ev->kind == ELECTION_EV_BEAT)
			fresh = elect_peer_frame(&x, ev->beat.link, ev->beat.frame);
		else
			learn(&x, ev);
		if (fresh)
			table[e->role][ev->kind](&x, ev);
	}
	timers(&x);
	out->deadline = e->exited ? USEC_NEVER : usec_max(deadline(e), x.now + 1);
}

void election_configure(struct election *e, const struct election_config *cfg, usec_t now,
	struct election_actions *out)
{
	static struct election_link old_links[ELECTION_MAX_LINKS];
	struct election_config *c = &e->cfg;
	size_t n_old = c->n_links;
	static struct election_link_config old_names[ELECTION_MAX_LINKS];
	uint64_t session = c->session;
	bool same_wish = cfg->priority == c->priority && cfg->preempt == c->preempt;

	memcpy(old_links, e->links, sizeof(old_links));
	memcpy(old_names, c->links, sizeof(old_names));
	*c = *cfg;
	c->session = session;
	for (size_t i = 0; i < c->n_links; i++) {
		e->links[i] = (struct election_link){.carrier = true};
		for (size_t j = 0; j < n_old; j++)
			if (!strcmp(old_names[j].name, c->links[i].name))
				e->links[i] = old_links[j];
	}
	reset_instances(e, now);
	e->commanded = e->commanded && same_wish;
	e->tick_due = usec_min(e->tick_due, now + election_times(e).tick);
	election_step(e, &(struct election_event){.kind = ELECTION_EV_TICK}, now, out);
}

/* --- what our frames say --------------------------------------------------------------------- */
static enum beat_role wire_role(const struct election *e)
{
	switch (e->role) {
	case ELECTION_INIT:
		return BEAT_ROLE_INIT;
	case ELECTION_STANDBY:
		return BEAT_ROLE_STANDBY;
	case ELECTION_PROMOTING:
		return BEAT_ROLE_PROMOTING;
	case ELECTION_ACTIVE:
		return e->resuming ? BEAT_ROLE_RESUMING : BEAT_ROLE_ACTIVE;
	case ELECTION_ROLES:
		break;
	}
	return BEAT_ROLE_INIT;
}

static unsigned wire_flags(const struct election *e)
{
	usec_t now = e->last_step;
	bool asking = e->role == ELECTION_STANDBY && election_peer_alive(e) &&
		      e->peer.last.role == BEAT_ROLE_ACTIVE &&
		      e->cfg.priority > e->peer.last.priority && elect_wants_preempt(e, now);
	unsigned f = 0;

	f |= election_able(e, now) ? BEAT_FLAG_ABLE : 0;
	f |= e->in_sync ? BEAT_FLAG_IN_SYNC : 0;
	f |= e->role == ELECTION_ACTIVE && e->handover == ELECTION_HANDOVER_GRANT ? BEAT_FLAG_GRANT
										  : 0;
	f |= asking ? BEAT_FLAG_ASKING : 0;
	f |= e->exited ? BEAT_FLAG_STOPPING : 0;
	f |= e->ha_silent ? BEAT_FLAG_HA_SILENT : 0;
	return f;
}

void election_fill_beat(
	const struct election *e, size_t link, enum beat_kind kind, struct beat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	ret->role = wire_role(e);
	ret->flags = wire_flags(e);
	ret->session = e->cfg.session;
	ret->term = e->term;
	ret->served = (uint32_t)e->served;
	if (ret->flags & BEAT_FLAG_GRANT)
		ret->granted_term = e->term + 1;
	ret->health = election_health(e, e->last_step);
	ret->address = e->links[link].address;
	for (size_t i = 0; i < e->cfg.n_links; i++)
		if (e->cfg.links[i].ha)
			ret->ha_address = e->links[i].address;
	ret->heartbeat_us = (uint32_t)e->cfg.heartbeat;
	ret->advert_interval_us =
		e->cfg.n_instances ? (uint32_t)e->cfg.instances[0].advert_interval : 0;
	ret->digest = e->cfg.digest;
	ret->priority = e->cfg.priority;
	memcpy(ret->node, e->cfg.node, sizeof(ret->node));
}
