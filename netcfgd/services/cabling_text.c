/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentences of cabling.h: the HA link, what is wrong with it; what to do. netcfgd(8) lists
 * them. Pure; runs in netcfgd's services process.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/services/cabling.h"

#define RETURNED_WITHIN (10 * USEC_PER_SEC)
/* Three full probes are due in that time. */
#define LARGE_WITHIN (3500 * USEC_PER_MS)

#define MAC_FMT    "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_ARG(m) (m)[0], (m)[1], (m)[2], (m)[3], (m)[4], (m)[5]

typedef char text[CABLING_TEXT_MAX];

static void say(char *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(char *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, CABLING_TEXT_MAX, fmt, ap);
	va_end(ap);
}

static const char *peer_name(const struct cabling *c)
{
	return c->last.node[0] ? c->last.node : "the peer";
}

static bool within(usec_t at, usec_t span, usec_t now)
{
	return at && now - at < span;
}

static void no_carrier(const struct cabling *c, char *out)
{
	if (!c->link.exists)
		say(out,
			"HA link %s: there is no such interface; plug the card in, or correct the "
			"name",
			c->cfg.link);
	else if (c->heard_direct)
		say(out,
			"HA link %s has no carrier: it was cabled directly to %s, which is off or "
			"unplugged; connect both nodes through a switch",
			c->cfg.link, peer_name(c));
	else
		say(out,
			"HA link %s has no carrier: the cable is out, or what is at its other end "
			"is off; plug it into a switch port of the HA VLAN",
			c->cfg.link);
}

static void unheard(const struct cabling *c, usec_t now, char *out)
{
	if (within(c->heard_other, CABLING_HOLD, now))
		say(out,
			"HA link %s: it has carrier, but %s is not heard there, while it is heard "
			"on %s; put the HA ports of both nodes into one VLAN of the switch",
			c->cfg.link, peer_name(c), c->other);
	else
		say(out,
			"HA link %s: it has carrier, but %s is not heard, neither there nor "
			"elsewhere; is it on, and does gatepair run there? If so, put the HA ports "
			"of both nodes into one VLAN of the switch",
			c->cfg.link, peer_name(c));
}

static void direct(const struct cabling *c, char *out)
{
	say(out,
		"HA link %s is cabled directly to %s of %s: not supported, as this port loses its "
		"carrier when the peer dies; connect both nodes through a switch",
		c->cfg.link, c->last.link, peer_name(c));
}

/* --- networks that are mixed up -------------------------------------------------------------- */
static void vlan_of(char out[32], uint16_t id)
{
	if (id)
		snprintf(out, 32, "in VLAN %u", id);
	else
		snprintf(out, 32, "untagged");
}

static void vlan(const struct cabling *c, char *out)
{
	const struct probe *p = &c->vlan.probe;
	char there[32], here[32];

	vlan_of(there, p->kind == PROBE_DIRECT || !c->vlan.tag ? p->vlan : c->vlan.tag);
	vlan_of(here, c->cfg.vlan);
	say(out,
		"HA link %s: %s of %s sends %s, this node %s: different VLANs; give both the same "
		"VLAN id, and the switch ports between too",
		c->cfg.link, p->link, p->node, there, here);
}

static void port(const struct cabling *c, usec_t now, char *out)
{
	static const char remedy[] = "move its cable or its switch port to the HA VLAN";

	if (cabling_fresh(&c->loop, now) && strcmp(c->loop.here, c->loop.probe.link) == 0)
		say(out,
			"HA link %s: this node's own frames come back, there is a loop; remove the "
			"second path between the switch ports",
			c->cfg.link);
	else if (cabling_fresh(&c->loop, now))
		say(out, "HA link %s is in the same network as %s of this node; %s", c->cfg.link,
			strcmp(c->loop.here, c->cfg.link) == 0 ? c->loop.probe.link : c->loop.here,
			remedy);
	else if (cabling_fresh(&c->lan_here, now))
		say(out, "HA link %s is in the network of %s of %s, not of its HA link; %s",
			c->cfg.link, c->lan_here.probe.link, c->lan_here.probe.node, remedy);
	else
		say(out,
			"HA link %s: %s of %s, its HA link, is in the network of %s of this node; "
			"%s",
			c->cfg.link, c->port.probe.link, c->port.probe.node, c->port.here, remedy);
}

/* One frame may stray; so many strangers at once do not, even if each is seen once. */
static bool is_crowd(const struct cabling *c, usec_t now)
{
	for (size_t i = 0; i < CABLING_STRANGERS; i++)
		if (!within(c->strangers[i].at, CABLING_FOREIGN_HOLD, now))
			return false;
	return true;
}

static void foreign(const struct cabling *c, usec_t now, char *out)
{
	bool crowd = is_crowd(c, now);
	char list[CABLING_STRANGERS_SAY * (CABLING_SAMPLE_MAX + 32)] = "";
	size_t n = 0, len = 0;
	int k;

	/* The rest of the sentence needs its room too. */
	for (size_t i = 0; i < CABLING_STRANGERS; i++) {
		const struct cabling_stranger *s = &c->strangers[i];

		if (!within(s->at, CABLING_FOREIGN_HOLD, now) ||
			(!crowd && s->at - s->first < CABLING_STRANGER_AGE))
			continue;
		if (n++ >= CABLING_STRANGERS_SAY)
			continue;
		k = snprintf(list + len, sizeof(list) - len, "%s" MAC_FMT " (%.40s)",
			len ? ", " : "", MAC_ARG(s->mac), s->sample);
		len += k > 0 ? (size_t)k : 0;
	}
	if (!n)
		return;
	if (n > CABLING_STRANGERS_SAY)
		snprintf(list + len, sizeof(list) - len, " and others");
	say(out,
		"HA link %s: foreign traffic from %s; the HA VLAN must hold the two HA ports only: "
		"take the others out",
		c->cfg.link, list);
}

/* --- the ends differ ------------------------------------------------------------------------- */
static void sizes(const struct cabling *c, usec_t now, text *out)
{
	if (c->last.mtu != c->link.mtu)
		say(out[CABLING_MTU],
			"HA link %s: MTU %u here, %u on %s of %s; set the same mtu on both nodes",
			c->cfg.link, c->link.mtu, c->last.mtu, c->last.link, peer_name(c));
	else if (now - c->heard_from >= LARGE_WITHIN && !within(c->heard_full, LARGE_WITHIN, now))
		say(out[CABLING_LARGE],
			"HA link %s: small frames of %s arrive, those of %u bytes do not; raise "
			"the "
			"MTU of the switch between, or lower mtu on both nodes",
			c->cfg.link, peer_name(c), c->last.mtu);
}

static void identity(const struct cabling *c, usec_t now, char *out)
{
	const struct cabling_sighting *s = &c->mistaken;

	if (cabling_fresh(s, now))
		say(out,
			"HA link %s: node %s (" MAC_FMT " on %s) takes this node for its peer, but "
			"its key is not peer-fingerprint; compare `gatepair key` there with it",
			c->cfg.link, s->probe.node, MAC_ARG(s->mac), s->here);
	else if (cabling_fresh(&c->refused, now))
		say(out,
			"HA link %s: %s has another peer-fingerprint than this node's key; compare "
			"`gatepair key` here with it",
			c->cfg.link, c->refused.probe.node);
}

static void twice(const struct cabling *c, usec_t now, char *out)
{
	const struct cabling_sighting *s = &c->copy;

	if (cabling_fresh(s, now))
		say(out,
			"HA link %s: node %s (" MAC_FMT " on %s) has this node's key as well; "
			"remove node.key on one of the two and enter its new fingerprint on its "
			"peer",
			c->cfg.link, s->probe.node, MAC_ARG(s->mac), s->here);
	else if (within(c->returned[1], RETURNED_WITHIN, now))
		say(out,
			"HA link %s: two nodes have the key of %s; take the one that is too many "
			"off, or give it a key of its own",
			c->cfg.link, peer_name(c));
}

/* --- all of them ----------------------------------------------------------------------------- */
static void with_carrier(const struct cabling *c, usec_t now, text *out)
{
	bool heard = within(c->heard, CABLING_HOLD, now), settled = now - c->since >= CABLING_HOLD;

	if (within(c->heard_direct, CABLING_HOLD, now))
		direct(c, out[CABLING_DIRECT]);
	if (heard)
		sizes(c, now, out);
	else if (cabling_fresh(&c->vlan, now))
		vlan(c, out[CABLING_VLAN]);
	/* A cause that is known makes this one superfluous. */
	else if (settled && !out[CABLING_PORT][0] && !cabling_fresh(&c->mistaken, now))
		unheard(c, now, out[CABLING_UNHEARD]);
	if (heard || now - c->since >= CABLING_SETTLE)
		foreign(c, now, out[CABLING_FOREIGN]);
}

void cabling_conditions(
	const struct cabling *c, usec_t now, char out[CABLING_KINDS][CABLING_TEXT_MAX])
{
	for (size_t i = 0; i < CABLING_KINDS; i++)
		out[i][0] = '\0';
	if (!c->cfg.pair)
		return;
	if (cabling_fresh(&c->port, now) || cabling_fresh(&c->lan_here, now) ||
		cabling_fresh(&c->loop, now))
		port(c, now, out[CABLING_PORT]);
	if (!c->link.exists || !c->link.carrier)
		no_carrier(c, out[CABLING_NO_CARRIER]);
	else
		with_carrier(c, now, out);
	identity(c, now, out[CABLING_IDENTITY]);
	twice(c, now, out[CABLING_TWICE]);
}
