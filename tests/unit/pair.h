/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two election cores on a virtual clock, for test_election.c: links with a delay that can be cut
 * per path, a netcfgd that keeps leases, a syncd that answers at once. Deterministic.
 */
#ifndef GATEPAIR_TESTS_PAIR_H
#define GATEPAIR_TESTS_PAIR_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vrrpd/election.h"

#define PAIR_DELAY   200 /* us, of a frame */
#define PAIR_IPC     100 /* us, each way */
#define PAIR_LAN     0
#define PAIR_WAN     1
#define PAIR_HA      2
#define PAIR_LINKS   3
#define PAIR_PENDING 8192

struct pair_msg {
	usec_t at;
	int to;
	bool network; /* waits while the node is frozen, and is lost with a drain */
	struct election_event ev;
	struct beat frame;
};

struct pair_node {
	struct election e;
	struct election_actions out;
	bool running, frozen, has_key;
	usec_t deadline;
	bool held;
	uint64_t lease_term, newest_term;
	usec_t lease_end;
	bool lease_refuses;
	unsigned lease_late; /* so many acquisitions are read after their ttl */
	usec_t take_time;    /* the kernel needs so long for an acquisition */
	usec_t busy_until;
	bool in_sync;
	uint64_t sequence;
	unsigned announced, exits, adverts_zero;
	int answer; /* of the last command; 1: none yet */
	char answer_text[ELECTION_TEXT];
};

struct pair {
	usec_t now;
	struct pair_node n[2];
	bool cut[PAIR_LINKS];
	struct pair_msg q[PAIR_PENDING];
	size_t n_q;
	usec_t both_held, none_held; /* time spent so, since pair_reset_stats() */
};

static inline void pair_post(struct pair *p, int to, usec_t delay, bool network,
	const struct election_event *ev, const struct beat *frame)
{
	struct pair_msg *m = &p->q[p->n_q++];

	if (p->n_q > PAIR_PENDING)
		abort();
	*m = (struct pair_msg){.at = p->now + delay, .to = to, .network = network, .ev = *ev};
	if (frame)
		m->frame = *frame;
}

static inline void pair_lease(struct pair *p, int i, const struct election_action *a)
{
	struct pair_node *n = &p->n[i];
	struct election_event ev = {.kind = ELECTION_EV_LEASE,
		.lease = {.cookie = a->lease.cookie, .verb = a->lease.verb}};
	enum election_lease_result *r = &ev.lease.result;

	switch (a->lease.verb) {
	case ELECTION_LEASE_QUERY:
		break;
	case ELECTION_LEASE_ACQUIRE:
		if (a->lease.term < n->newest_term) {
			*r = ELECTION_LEASE_STALE_TERM;
		} else if (n->lease_refuses) {
			*r = ELECTION_LEASE_FAILED;
		} else if (n->lease_late) {
			n->lease_late--;
			*r = ELECTION_LEASE_NOT_HELD;
		} else {
			n->busy_until = p->now + n->take_time;
			n->held = true;
			n->newest_term = n->lease_term = a->lease.term;
			n->lease_end = p->now + a->lease.ttl;
		}
		break;
	case ELECTION_LEASE_RENEW:
		if (!n->held) {
			*r = ELECTION_LEASE_NOT_HELD;
		} else if (n->lease_term && a->lease.term != n->lease_term) {
			*r = ELECTION_LEASE_STALE_TERM;
		} else {
			n->lease_term = a->lease.term;
			n->lease_end = p->now + a->lease.ttl;
		}
		break;
	case ELECTION_LEASE_RELEASE:
		n->held = false;
		break;
	}
	ev.lease.held = n->held;
	ev.lease.adopted = n->held && !n->lease_term;
	ev.lease.term = n->held ? n->lease_term : n->newest_term;
	ev.lease.remaining = n->held ? n->lease_end - p->now : 0;
	pair_post(p, i, 2 * PAIR_IPC + (n->busy_until > p->now ? n->busy_until - p->now : 0), false,
		&ev, NULL);
}

/* Links beyond the pair's own lead nowhere. */
static inline bool pair_cut(const struct pair *p, size_t link)
{
	return link >= PAIR_LINKS || p->cut[link];
}

static inline void pair_frame(struct pair *p, int i, const struct election_action *a)
{
	struct election_event ev = {.kind = ELECTION_EV_BEAT, .beat = {.link = a->beat.link}};
	struct beat b;

	if (pair_cut(p, a->beat.link) || !p->n[1 - i].has_key)
		return;
	election_fill_beat(&p->n[i].e, a->beat.link, a->beat.kind, &b);
	b.sequence = ++p->n[i].sequence;
	pair_post(p, 1 - i, PAIR_DELAY, true, &ev, &b);
}

static inline void pair_advert(struct pair *p, int i, const struct election_action *a)
{
	const struct election *e = &p->n[i].e;
	size_t link = e->cfg.instances[a->advert.instance].link;
	struct election_event ev = {.kind = ELECTION_EV_ADVERT,
		.advert = {.instance = a->advert.instance,
			.source = e->links[link].address,
			.priority = a->advert.priority,
			.interval = e->cfg.instances[a->advert.instance].advert_interval}};

	p->n[i].adverts_zero += a->advert.priority == 0;
	if (!pair_cut(p, link))
		pair_post(p, 1 - i, PAIR_DELAY, true, &ev, NULL);
}

static inline void pair_drain(struct pair *p, int i)
{
	size_t k = 0;

	for (size_t j = 0; j < p->n_q; j++)
		if (!(p->q[j].to == i && p->q[j].network && p->q[j].at <= p->now))
			p->q[k++] = p->q[j];
	p->n_q = k;
}

static inline void pair_act(struct pair *p, int i, const struct election_action *a)
{
	struct pair_node *n = &p->n[i];
	struct election_event ev = {0};

	switch (a->kind) {
	case ELECTION_DO_BEAT:
		pair_frame(p, i, a);
		break;
	case ELECTION_DO_ADVERT:
		pair_advert(p, i, a);
		break;
	case ELECTION_DO_ANNOUNCE:
		n->announced++;
		break;
	case ELECTION_DO_LEASE:
		pair_lease(p, i, a);
		break;
	case ELECTION_DO_PROMOTE:
		ev.kind = ELECTION_EV_PROMOTED;
		ev.done.cookie = a->promote.cookie;
		pair_post(p, i, 2 * PAIR_IPC, false, &ev, NULL);
		break;
	case ELECTION_DO_FLUSH:
		ev.kind = ELECTION_EV_FLUSHED;
		ev.done.cookie = a->flush.cookie;
		ev.done.err = p->n[1 - i].running && !p->cut[PAIR_HA] ? 0 : -ENOTCONN;
		pair_post(p, i, 2 * PAIR_IPC, false, &ev, NULL);
		break;
	case ELECTION_DO_DRAIN:
		pair_drain(p, i);
		break;
	case ELECTION_DO_ANSWER:
		n->answer = a->answer.err;
		memcpy(n->answer_text, a->answer.text, sizeof(n->answer_text));
		break;
	case ELECTION_DO_EXIT:
		n->exits++;
		n->running = false;
		break;
	case ELECTION_DO_DEMOTE:
	case ELECTION_DO_NOTE:
		break;
	}
}

static inline void pair_event(struct pair *p, int i, const struct election_event *ev)
{
	struct pair_node *n = &p->n[i];

	if (!n->running)
		return;
	election_step(&n->e, ev, p->now, &n->out);
	if (n->out.dropped)
		abort();
	for (size_t k = 0; k < n->out.n; k++)
		pair_act(p, i, &n->out.v[k]);
	n->deadline = n->out.deadline;
}

static inline usec_t pair_next(const struct pair *p)
{
	usec_t t = USEC_NEVER;

	for (int i = 0; i < 2; i++) {
		const struct pair_node *n = &p->n[i];

		if (n->running && !n->frozen && n->deadline < t)
			t = n->deadline;
		if (n->held && n->lease_end < t)
			t = n->lease_end;
	}
	for (size_t j = 0; j < p->n_q; j++)
		if (p->q[j].at < t && !p->n[p->q[j].to].frozen)
			t = p->q[j].at;
	return t > p->now ? t : p->now;
}

static inline void pair_account(struct pair *p, usec_t to)
{
	if (p->n[0].held && p->n[1].held)
		p->both_held += to - p->now;
	if (!p->n[0].held && !p->n[1].held)
		p->none_held += to - p->now;
	p->now = to;
}

static inline void pair_deliver(struct pair *p)
{
	for (size_t j = 0; j < p->n_q;) {
		struct pair_msg m = p->q[j];

		if (m.at > p->now || p->n[m.to].frozen) {
			j++;
			continue;
		}
		memmove(&p->q[j], &p->q[j + 1], (--p->n_q - j) * sizeof(p->q[0]));
		if (m.ev.kind == ELECTION_EV_BEAT)
			m.ev.beat.frame = &m.frame;
		pair_event(p, m.to, &m.ev);
		j = 0;
	}
}

static inline void pair_run(struct pair *p, usec_t duration)
{
	usec_t end = p->now + duration;

	while (p->now < end) {
		usec_t t = pair_next(p);

		pair_account(p, t < end ? t : end);
		pair_deliver(p);
		for (int i = 0; i < 2; i++) {
			struct pair_node *n = &p->n[i];

			if (n->held && p->now >= n->lease_end)
				n->held = false;
			if (n->running && !n->frozen && p->now >= n->deadline)
				pair_event(
					p, i, &(struct election_event){.kind = ELECTION_EV_TICK});
		}
	}
}

static inline void pair_simple(struct pair *p, int i, enum election_event_kind kind, bool up)
{
	pair_event(p, i, &(struct election_event){.kind = kind, .channel = {.up = up}});
}

static inline void pair_sync(struct pair *p, int i, bool in_sync)
{
	p->n[i].in_sync = in_sync;
	pair_event(p, i,
		&(struct election_event){.kind = ELECTION_EV_SYNC,
			.sync = {.connected = true, .in_sync = in_sync, .sessions = 1000}});
}

static inline void pair_carrier(struct pair *p, int i, size_t link, bool carrier)
{
	struct in_addr a = {
		.s_addr = htonl(0x0a000000U + (unsigned)link * 256U + 2U + (unsigned)i)};

	pair_event(p, i,
		&(struct election_event){.kind = ELECTION_EV_LINK,
			.link = {.link = link, .carrier = carrier, .address = a}});
}

static inline void pair_config(struct election_config *c, int i)
{
	static const char *const names[PAIR_LINKS] = {"lan", "wan", "ha"};

	memset(c, 0, sizeof(*c));
	memcpy(c->node, i ? "gw-02" : "gw-01", 6);
	c->priority = i ? 100 : 150;
	c->preempt = ELECTION_PREEMPT_NEVER;
	c->heartbeat = 10 * USEC_PER_MS;
	c->dead_after = 5;
	c->sync = true;
	c->digest = 7;
	c->session = 1000 + (uint64_t)i;
	c->n_links = PAIR_LINKS;
	for (size_t k = 0; k < PAIR_LINKS; k++) {
		memcpy(c->links[k].name, names[k], strlen(names[k]) + 1);
		c->links[k].ha = k == PAIR_HA;
		c->links[k].vrrp = c->links[k].tracked = k != PAIR_HA;
	}
	c->n_instances = 2;
	for (size_t k = 0; k < 2; k++)
		c->instances[k] = (struct election_instance_config){
			.vrid = (uint8_t)(10 + k), .advert_interval = USEC_PER_SEC, .link = k};
}

/* The process starts; netcfgd, syncd and links are there at once. */
static inline void pair_boot(struct pair *p, int i, const struct election_config *cfg, bool key)
{
	struct pair_node *n = &p->n[i];

	election_init(&n->e, cfg, p->now);
	n->running = true;
	n->frozen = false;
	n->has_key = key;
	n->deadline = p->now;
	n->answer = 1;
	n->sequence = 0;
	for (size_t k = 0; k < PAIR_LINKS; k++)
		pair_carrier(p, i, k, true);
	if (key)
		pair_simple(p, i, ELECTION_EV_KEY, true);
	pair_simple(p, i, ELECTION_EV_SYNC_CHANNEL, true);
	pair_sync(p, i, true);
	pair_simple(p, i, ELECTION_EV_LEASE_CHANNEL, true);
}

static inline void pair_reset_stats(struct pair *p)
{
	p->both_held = p->none_held = 0;
}

#endif
