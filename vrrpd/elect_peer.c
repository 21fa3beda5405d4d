/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signs of the peer's life, and the suspicion when they stop: suspect, solicit, decide. Any
 * authenticated frame on any path counts, and so does an advert from the peer's address; only
 * silence on all of them through a solicitation is death. Pure; runs in vrrpd.
 */
#include "vrrpd/elect.h"

static void answered(struct elect *x)
{
	struct election *e = x->e;

	if (!e->suspecting)
		return;
	e->suspecting = false;
	e->suspicions_answered++;
}

/* Silence on the HA link alone: a cable to check, and beats have to take other paths. */
static void note_ha(struct elect *x, bool heard_on_ha)
{
	struct election *e = x->e;

	if (heard_on_ha)
		e->ha_silent = false;
	else if (e->cfg.heartbeat && x->now - e->peer.ha_heard >= election_times(e).silent)
		e->ha_silent = true;
}

static void alive(struct elect *x, bool on_ha)
{
	struct election *e = x->e;

	answered(x);
	e->peer.heard = x->now;
	e->peer.dead = false;
	e->peer.left = false;
	note_ha(x, on_ha);
}

/* Its timers need not run out: it will not send the adverts they wait for. A stranger's count. */
static void expire_down_timers(struct elect *x)
{
	struct election *e = x->e;

	for (size_t i = 0; i < e->cfg.n_instances; i++) {
		struct election_instance *in = &e->instances[i];
		usec_t down = election_down_us(e->cfg.priority, in->active_interval);

		if (!in->foreign_heard || x->now - in->foreign_heard > down)
			in->down_due = x->now;
	}
}

static void gone(struct elect *x, bool left)
{
	x->e->peer.dead = true;
	x->e->peer.left = left;
	x->e->vacant_since = USEC_NEVER;
	x->e->ha_silent = false;
	expire_down_timers(x);
}

bool elect_peer_frame(struct elect *x, size_t link, const struct beat *b)
{
	struct election *e = x->e;
	struct election_peer *p = &e->peer;
	bool same = p->known && p->last.session == b->session;

	e->links[link].beat_heard = x->now;
	e->links[link].peer_address = b->address;
	if (e->cfg.links[link].ha)
		p->ha_heard = x->now;
	/* On each path, also when another one was faster: this may be the only way back. */
	if (b->kind == BEAT_KIND_SOLICIT)
		elect_beat(x, link, BEAT_KIND_ANSWER);
	if (same && b->sequence < p->last.sequence) {
		if (!p->left)
			alive(x, e->cfg.links[link].ha);
		return false;
	}
	p->known = true;
	p->last = *b;
	p->last_at = x->now;
	if ((b->flags & BEAT_FLAG_STOPPING) && !elect_peer_claims(b))
		gone(x, true);
	else
		alive(x, e->cfg.links[link].ha);
	return true;
}

void elect_peer_advert(struct elect *x, const struct election_event *ev)
{
	struct election *e = x->e;
	size_t i = ev->advert.instance, link = e->cfg.instances[i].link;
	struct election_instance *in = &e->instances[i];
	in_addr_t peer = e->links[link].peer_address.s_addr;

	in->heard = x->now;
	in->source = ev->advert.source;
	in->priority = ev->advert.priority;
	in->active_interval = ev->advert.interval;
	e->links[link].advert_heard = x->now;
	if (!e->peer.known)
		return;
	if (peer && peer != ev->advert.source.s_addr) {
		in->foreign_heard = x->now;
		in->foreign = ev->advert.source;
	} else if (election_peer_alive(e) && ev->advert.priority) {
		alive(x, false);
	}
}

/* Its last words were that it stops; an advert from before may take longer on another link. */
bool elect_advert_late(const struct elect *x, const struct election_event *ev)
{
	const struct election *e = x->e;
	size_t link = e->cfg.instances[ev->advert.instance].link;

	return e->peer.left && x->now - e->peer.last_at < ELECT_LATE_ADVERT &&
	       e->links[link].peer_address.s_addr == ev->advert.source.s_addr;
}

void elect_suspect(struct elect *x)
{
	struct election *e = x->e;
	struct election_times t = election_times(e);

	if (e->suspecting || !election_peer_alive(e))
		return;
	e->suspecting = true;
	e->suspect_since = x->now;
	e->resolicit_at = x->now + t.wait / 2;
	/* Never before the lease of a peer that froze right after its last frame has ended. */
	e->decide_at = usec_max(x->now + t.wait, e->peer.heard + t.silent + t.wait / 2);
	e->suspicions++;
	elect_beat_all(x, BEAT_KIND_SOLICIT);
}

void elect_peer_timers(struct elect *x)
{
	struct election *e = x->e;

	if (!election_peer_alive(e))
		return;
	if (!e->suspecting && x->now >= e->peer.heard + election_times(e).silent)
		elect_suspect(x);
	if (!e->suspecting)
		return;
	if (x->now >= e->decide_at) {
		gone(x, false);
		return; /* `suspecting` stays for the role's handler to tell why it claims */
	}
	if (x->now >= e->resolicit_at) {
		elect_beat_all(x, BEAT_KIND_SOLICIT);
		e->resolicit_at = e->decide_at;
	}
}

usec_t elect_peer_deadline(const struct election *e)
{
	if (!election_peer_alive(e))
		return USEC_NEVER;
	if (e->suspecting)
		return usec_min(e->resolicit_at, e->decide_at);
	return e->peer.heard + election_times(e).silent;
}
