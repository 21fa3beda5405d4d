/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was heard, by whom, where and when (see cabling.h); cabling_text.c makes sentences of it.
 * Pure; runs in netcfgd's services process.
 */
#include "netcfgd/services/cabling.h"

#include <stdio.h>
#include <string.h>

void cabling_init(struct cabling *c, uint32_t random)
{
	memset(c, 0, sizeof(*c));
	c->random = random;
}

void cabling_configure(struct cabling *c, const struct cabling_config *cfg, usec_t now)
{
	struct cabling_config old = c->cfg;
	uint32_t random = c->random;

	if (old.pair == cfg->pair && old.own == cfg->own && old.peer == cfg->peer &&
		old.session == cfg->session && old.vlan == cfg->vlan &&
		old.peer_address.s_addr == cfg->peer_address.s_addr &&
		strcmp(old.link, cfg->link) == 0)
		return;
	cabling_init(c, random);
	c->cfg = *cfg;
	c->since = now;
}

bool cabling_fresh(const struct cabling_sighting *s, usec_t now)
{
	return s->at && now - s->at < CABLING_HOLD;
}

/* --- the link -------------------------------------------------------------------------------- */
static void on_link(struct cabling *c, const struct cabling_link *l, usec_t now)
{
	if (c->link.exists != l->exists || c->link.carrier != l->carrier) {
		c->since = now;
		c->next_send = 0;
	}
	/* A new MTU is judged by frames that were sent since. */
	if (c->link.mtu != l->mtu)
		c->heard_from = now;
	c->link = *l;
}

/* --- strangers ------------------------------------------------------------------------------- */
bool cabling_is_peer_mac(const struct cabling *c, const uint8_t mac[CABLING_MAC_LEN])
{
	size_t n = c->n_macs < CABLING_PEER_MACS ? c->n_macs : CABLING_PEER_MACS;

	for (size_t i = 0; i < n; i++)
		if (memcmp(c->macs[i], mac, CABLING_MAC_LEN) == 0)
			return true;
	return false;
}

/* Its own place, or one that is free. NULL: there are enough strangers already; were one of them to
 * make room, of many strangers none would stay until it is seen twice. */
static struct cabling_stranger *stranger_place(
	struct cabling *c, const uint8_t mac[CABLING_MAC_LEN], usec_t now)
{
	struct cabling_stranger *room = NULL;

	for (size_t i = 0; i < CABLING_STRANGERS; i++) {
		struct cabling_stranger *s = &c->strangers[i];

		if (s->at && memcmp(s->mac, mac, CABLING_MAC_LEN) == 0)
			return s;
		if (!room && (!s->at || now - s->at >= CABLING_FOREIGN_HOLD))
			room = s;
	}
	return room;
}

static void on_frame(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	struct cabling_stranger *s = stranger_place(c, ev->mac, now);

	/* In the network of another port everything is strange. */
	if (!s || cabling_is_peer_mac(c, ev->mac) || cabling_fresh(&c->loop, now) ||
		cabling_fresh(&c->lan_here, now) ||
		(ev->frame.ip.s_addr && ev->frame.ip.s_addr == c->cfg.peer_address.s_addr))
		return;
	/* The first sample stays: a text that changes with every frame is hard to read. */
	if (!s->at || memcmp(s->mac, ev->mac, CABLING_MAC_LEN) != 0 ||
		now - s->at >= CABLING_FOREIGN_HOLD) {
		s->first = now;
		memcpy(s->mac, ev->mac, CABLING_MAC_LEN);
		memcpy(s->sample, ev->frame.sample, sizeof(s->sample));
	}
	s->at = now;
}

static void learn_mac(struct cabling *c, const uint8_t mac[CABLING_MAC_LEN])
{
	if (cabling_is_peer_mac(c, mac))
		return;
	memcpy(c->macs[c->n_macs++ % CABLING_PEER_MACS], mac, CABLING_MAC_LEN);
	for (size_t i = 0; i < CABLING_STRANGERS; i++)
		if (memcmp(c->strangers[i].mac, mac, CABLING_MAC_LEN) == 0)
			c->strangers[i].at = 0;
}

/* --- probes ---------------------------------------------------------------------------------- */
static void see(struct cabling_sighting *s, const struct cabling_event *ev, usec_t now)
{
	s->at = now;
	memcpy(s->here, ev->heard.here, sizeof(s->here));
	s->tag = ev->heard.tag;
	s->probe = *ev->heard.probe;
	memcpy(s->mac, ev->mac, CABLING_MAC_LEN);
}

static void see_wrong_network(
	struct cabling *c, struct cabling_sighting *s, const struct cabling_event *ev, usec_t now)
{
	see(s, ev, now);
	memset(c->strangers, 0, sizeof(c->strangers));
}

static void peer_as_it_should(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	const struct probe *p = ev->heard.probe;

	if (!c->heard || now - c->heard >= CABLING_HOLD || c->last.mtu != p->mtu)
		c->heard_from = now;
	c->heard = now;
	if (p->kind == PROBE_FULL)
		c->heard_full = now;
}

/* One that its HA link sent, and that arrived on ours or below. */
static void peer_on_ha(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	const struct probe *p = ev->heard.probe;
	bool at_port = ev->heard.place == CABLING_AT_PORT;

	if (p->kind == PROBE_DIRECT) {
		c->heard_direct = now;
		/* Without a switch between, who hears it must have the same id. */
		if (p->vlan != c->cfg.vlan)
			see(&c->vlan, ev, now);
	} else if (at_port ? ev->heard.tag != c->cfg.vlan : ev->heard.tag != 0) {
		see(&c->vlan, ev, now);
	} else if (!at_port) {
		peer_as_it_should(c, ev, now);
	}
	c->last = *p;
}

/* A node that restarts never uses its former session again: two nodes with one key alternate. */
static void peer_session(struct cabling *c, uint64_t session, usec_t now)
{
	if (session == c->session)
		return;
	if (session == c->session_before) {
		c->returned[1] = c->returned[0];
		c->returned[0] = now;
	}
	c->session_before = c->session;
	c->session = session;
}

static void from_peer(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	const struct probe *p = ev->heard.probe;
	bool other = ev->heard.place == CABLING_AT_OTHER;

	peer_session(c, p->session, now);
	learn_mac(c, ev->mac);
	memcpy(c->last.node, p->node, sizeof(c->last.node));
	if (p->peer != c->cfg.own)
		see(&c->refused, ev, now);
	if (p->path == PROBE_HA && !other) {
		peer_on_ha(c, ev, now);
	} else if (p->path == PROBE_HA) {
		see(&c->port, ev, now);
	} else if (!other) {
		see_wrong_network(c, &c->lan_here, ev, now);
	} else {
		c->heard_other = now;
		memcpy(c->other, ev->heard.here, sizeof(c->other));
	}
}

/* That two of its other ports share a network may be meant so. */
static void from_ourselves(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	if (ev->heard.probe->session != c->cfg.session)
		see(&c->copy, ev, now);
	else if (ev->heard.probe->path == PROBE_HA || ev->heard.place != CABLING_AT_OTHER)
		see_wrong_network(c, &c->loop, ev, now);
}

static void from_stranger(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	struct cabling_event frame = {.kind = CABLING_EV_FRAME};

	if (ev->heard.probe->peer == c->cfg.own) {
		see(&c->mistaken, ev, now);
	} else if (ev->heard.place == CABLING_AT_HA) {
		memcpy(frame.mac, ev->mac, CABLING_MAC_LEN);
		snprintf(frame.frame.sample, sizeof(frame.frame.sample), "gatepair node %s",
			ev->heard.probe->node);
		on_frame(c, &frame, now);
	}
}

static void on_probe(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	const struct probe *p = ev->heard.probe;

	if (p->own == c->cfg.own)
		from_ourselves(c, ev, now);
	else if (p->own == c->cfg.peer)
		from_peer(c, ev, now);
	else
		from_stranger(c, ev, now);
}

/* --- sending --------------------------------------------------------------------------------- */
/* CABLING_INTERVAL with a fifth of it to either side, so that two nodes never fall into step. */
static usec_t interval(struct cabling *c)
{
	c->random = c->random * 1664525U + 1013904223U;
	return CABLING_INTERVAL * 4 / 5 + (usec_t)(c->random >> 8) % (CABLING_INTERVAL * 2 / 5);
}

static unsigned on_tick(struct cabling *c, usec_t now)
{
	unsigned send = CABLING_SEND_SMALL | CABLING_SEND_DIRECT;

	/* This node stood still, so it heard nobody: the peer gets its time anew. */
	if (now - c->ticked > CABLING_PAUSE)
		c->since = c->heard_from = now;
	c->ticked = now;
	if (now < c->next_send)
		return 0;
	c->next_send = now + interval(c);
	if (c->rounds++ % 2 == 0)
		send |= CABLING_SEND_FULL | CABLING_SEND_OTHERS;
	return send;
}

unsigned cabling_step(struct cabling *c, const struct cabling_event *ev, usec_t now)
{
	if (!c->cfg.pair)
		return 0;
	switch (ev->kind) {
	case CABLING_EV_LINK:
		on_link(c, &ev->link, now);
		return 0;
	case CABLING_EV_PROBE:
		on_probe(c, ev, now);
		return 0;
	case CABLING_EV_FRAME:
		on_frame(c, ev, now);
		return 0;
	case CABLING_EV_TICK:
		return on_tick(c, now);
	}
	return 0;
}
