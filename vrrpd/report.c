/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sentences about the state of the election. Pure; runs in vrrpd.
 */
#include "vrrpd/report.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vrrpd/elect.h"

#define LAN_PACE (3 * USEC_PER_SEC)

static void say(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct report *r, const char *fmt, ...)
{
	va_list ap;

	if (r->n == REPORT_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(r->text[r->n++], REPORT_TEXT, fmt, ap);
	va_end(ap);
}

static double seconds(usec_t from, usec_t now)
{
	return now > from ? (double)(now - from) / (double)USEC_PER_SEC : 0;
}

static const char *peer_name(const struct election *e)
{
	return e->peer.known ? e->peer.last.node : "the peer";
}

const char *report_health(uint32_t health)
{
	if (health & BEAT_ILL_LEASE)
		return "the virtual addresses cannot be managed (netcfgd)";
	if (health & BEAT_ILL_LINK)
		return "a tracked interface is down";
	if (health & BEAT_ILL_DAEMON)
		return "syncd does not do its work";
	return "ok";
}

/* --- failover ready? ------------------------------------------------------------------------- */
static void peer_unheard(const struct election *e, usec_t now, struct report *r)
{
	if (!e->peer.known && !e->key)
		say(r, "the peer was never heard: session sync must come up once, to agree on a "
		       "key");
	else if (!e->peer.known)
		say(r, "the peer was never heard: does gatepair run there, are both HA ports in "
		       "one VLAN?");
	else if (e->peer.left)
		say(r, "%s was stopped %.1f s ago: start it again", peer_name(e),
			seconds(e->peer.heard, now));
	else
		say(r,
			"%s was last heard %.1f s ago, on no path since: is it on, are its cables "
			"in?",
			peer_name(e), seconds(e->peer.heard, now));
}

static void sync_missing(
	const struct election *e, const struct report_facts *f, usec_t now, struct report *r)
{
	double since = seconds(e->in_sync_since, now);

	if (!e->cfg.sync)
		say(r, "session sync is not configured");
	else if (!e->sync_up || !e->sync_connected)
		say(r, "session sync down for %.1f s: %s", since, f->sync_reason);
	else if (!e->in_sync)
		say(r, "not in sync for %.1f s: %s", since, f->sync_reason);
}

static void successor_unable(const struct election *e, usec_t now, struct report *r)
{
	bool active = e->role == ELECTION_ACTIVE;
	uint32_t own = election_health(e, now), peer = e->peer.last.health;
	bool able = active ? (e->peer.last.flags & BEAT_FLAG_ABLE) != 0 : election_able(e, now);
	char ill[ELECT_ILL_TEXT];

	if (own)
		say(r, "this node is ill: %s", elect_own_ill(e, own, ill));
	if (peer)
		say(r, "%s is ill: %s; its status says more", peer_name(e), report_health(peer));
	if (!able)
		say(r, "%s cannot take the role now", active ? peer_name(e) : "this node");
	if (!active && e->peer.last.role != BEAT_ROLE_ACTIVE)
		say(r, "%s is not Active", peer_name(e));
}

/* The digest says that they differ; what else the peer's frames tell says where. */
static void configs_differ(const struct election *e, struct report *r)
{
	const struct beat *b = &e->peer.last;

	if ((usec_t)b->heartbeat_us != e->cfg.heartbeat)
		say(r,
			"the configurations differ: heartbeat is %lld ms here and %lld ms on %s; "
			"make it the same",
			(long long)(e->cfg.heartbeat / USEC_PER_MS),
			(long long)(b->heartbeat_us / USEC_PER_MS), peer_name(e));
	else
		say(r,
			"the configurations differ: vrid, virtual-address, version, password, "
			"advert-interval or dead-after; compare `gatepair show config "
			"--normalized` "
			"here and on %s",
			peer_name(e));
}

void report_not_ready(
	const struct election *e, const struct report_facts *f, usec_t now, struct report *r)
{
	r->n = 0;
	if (!e->cfg.n_instances) {
		say(r, "no vrrp section is configured: this is a single node");
		return;
	}
	if (e->role == ELECTION_INIT && !e->lease_up)
		say(r, "netcfgd is not there");
	else if (e->role == ELECTION_INIT || e->role == ELECTION_PROMOTING)
		say(r, "the role is just being decided");
	if (election_peer_alive(e)) {
		if (e->role == ELECTION_ACTIVE || e->role == ELECTION_STANDBY)
			successor_unable(e, now, r);
		if (e->peer.last.digest != e->cfg.digest)
			configs_differ(e, r);
	} else {
		peer_unheard(e, now, r);
	}
	sync_missing(e, f, now, r);
}

/* --- conditions ------------------------------------------------------------------------------ */
usec_t report_path_heard(const struct election *e, size_t link, enum report_path kind)
{
	const struct election_link *l = &e->links[link];

	return kind == REPORT_ADVERT ? l->advert_heard : l->beat_heard;
}

bool report_path_alive(const struct election *e, size_t link, enum report_path kind, usec_t now)
{
	usec_t pace = LAN_PACE, heard = report_path_heard(e, link, kind);

	if (kind == REPORT_HEARTBEAT)
		pace = election_times(e).silent;
	for (size_t i = 0; kind == REPORT_ADVERT && i < e->cfg.n_instances; i++)
		if (e->cfg.instances[i].link == link)
			pace = election_down_us(e->cfg.priority, e->instances[i].active_interval);
	return heard && now - heard <= pace;
}

static const char *answering_link(const struct election *e, usec_t now)
{
	for (size_t i = 0; i < e->cfg.n_links; i++)
		if (!e->cfg.links[i].ha && e->cfg.links[i].vrrp &&
			report_path_alive(e, i, REPORT_SOLICIT, now))
			return e->cfg.links[i].name;
	return NULL;
}

static void ha_link(const struct election *e, size_t i, usec_t now, struct report *r)
{
	const char *name = e->cfg.links[i].name, *other = answering_link(e, now);

	if (!e->links[i].carrier)
		say(r, "the HA link %s has no carrier: check its cable", name);
	else if (election_peer_alive(e) && !report_path_alive(e, i, REPORT_HEARTBEAT, now) && other)
		say(r, "the HA link is silent, %s answers on %s: check the cable on %s",
			peer_name(e), other, name);
}

static void links(
	const struct election *e, const struct report_facts *f, usec_t now, struct report *r)
{
	for (size_t i = 0; i < e->cfg.n_links; i++) {
		if (f->missing[i])
			say(r, "there is no interface %s: plug the card in, or correct the name",
				e->cfg.links[i].name);
		else if (e->cfg.links[i].ha)
			ha_link(e, i, now, r);
		else if (!e->links[i].carrier)
			say(r, "interface %s is down or has no carrier: check its cable",
				e->cfg.links[i].name);
	}
}

static void foreign(
	const struct election *e, const struct report_facts *f, size_t i, struct report *r)
{
	const struct election_instance *in = &e->instances[i];
	const uint8_t *m = f->foreign_mac[i];
	char ip[INET_ADDRSTRLEN] = "?", advice[64] = "no VRID is free";

	inet_ntop(AF_INET, &in->foreign, ip, sizeof(ip));
	if (f->free_vrid)
		snprintf(
			advice, sizeof(advice), "VRID %u was not heard here, use it", f->free_vrid);
	say(r, "another router (%s, %02x:%02x:%02x:%02x:%02x:%02x) uses VRID %u on %s: %s", ip,
		m[0], m[1], m[2], m[3], m[4], m[5], e->cfg.instances[i].vrid,
		e->cfg.links[e->cfg.instances[i].link].name, advice);
}

/* A router that takes one form only does not hear us, and is Active as well. */
static void unheard_by_other(const struct election *e, size_t i, struct report *r)
{
	char ip[INET_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET, &e->instances[i].source, ip, sizeof(ip));
	say(r,
		"%s is Active for VRID %u as well and may refuse our checksums, its own have the "
		"other "
		"form: set checksum to the other value for this vrrp section",
		ip, e->cfg.instances[i].vrid);
}

static void instances(
	const struct election *e, const struct report_facts *f, usec_t now, struct report *r)
{
	bool expected = e->role == ELECTION_STANDBY && election_peer_alive(e) &&
			e->peer.last.role == BEAT_ROLE_ACTIVE;

	for (size_t i = 0; i < e->cfg.n_instances; i++) {
		const struct election_instance *in = &e->instances[i];
		const struct election_link *l = &e->links[e->cfg.instances[i].link];
		usec_t down = election_down_us(e->cfg.priority, in->active_interval);

		if (in->foreign_heard && now - in->foreign_heard <= down)
			foreign(e, f, i, r);
		else if (e->role == ELECTION_ACTIVE && !election_peer_alive(e) && in->heard &&
			 now - in->heard <= down && in->priority && f->other_checksum[i])
			unheard_by_other(e, i, r);
		if (!expected || !l->carrier || now - in->heard <= down ||
			now - e->role_since <= down)
			continue;
		if (f->stray_vrid[e->cfg.instances[i].link])
			say(r,
				"%s is Active, but on %s VRID %u is heard instead of %u: is vrid "
				"the same on both nodes?",
				peer_name(e), e->cfg.links[e->cfg.instances[i].link].name,
				f->stray_vrid[e->cfg.instances[i].link], e->cfg.instances[i].vrid);
		else
			say(r, "%s is Active but its adverts of VRID %u are not %s on %s: %s",
				peer_name(e), e->cfg.instances[i].vrid,
				e->peer.last.digest != e->cfg.digest ? "accepted" : "heard",
				e->cfg.links[e->cfg.instances[i].link].name,
				e->peer.last.digest != e->cfg.digest
					? "compare version and password on both nodes"
					: "check the switch and its VLANs");
	}
}

void report_conditions(
	const struct election *e, const struct report_facts *f, usec_t now, struct report *r)
{
	r->n = 0;
	if (e->peer.known && strcmp(e->peer.last.node, e->cfg.node) == 0)
		say(r, "the peer is named %s as well: give each node a name of its own",
			e->cfg.node);
	if (e->conflict)
		say(r, "both nodes are Active: %s is being told to leave", peer_name(e));
	if (e->resuming)
		say(r, "this node was frozen and waits for its lease before it claims the role");
	if (!e->lease_up)
		say(r, "netcfgd is away since %.1f s", seconds(e->lease_down_since, now));
	links(e, f, now, r);
	instances(e, f, now, r);
}
