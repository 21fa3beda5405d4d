/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the HA link is down; see cause.h. Each text names the object, the cause and the next action.
 */
#include "syncd/cause.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "sha256:" and 12 digits tell two keys apart; `gatepair status syncd` has them in full. */
#define FINGERPRINT_SHORT 19

static void socket_text(const struct cause *c, char *out)
{
	if (c->err == -ENODEV)
		snprintf(out, CAUSE_MAX, "there is no interface %s", c->interface);
	else if (c->err == -EADDRNOTAVAIL)
		snprintf(out, CAUSE_MAX,
			"%s does not have the address %s: see `gatepair status netcfgd`",
			c->interface, c->local);
	else if (c->err == -ENETUNREACH || c->err == -EHOSTUNREACH)
		snprintf(out, CAUSE_MAX,
			"%s cannot be reached over %s: is it on, and in the same "
			"HA VLAN?",
			c->peer, c->interface);
	else
		snprintf(out, CAUSE_MAX, "%s port %u cannot be used on %s: %s", c->local,
			c->tcp_port, c->interface, strerror(-c->err));
}

static void silence_text(const struct cause *c, char *out)
{
	if (c->client)
		snprintf(out, CAUSE_MAX,
			"%s does not answer on %s: is it on, is `peer` right, is the HA cable "
			"in the same VLAN?",
			c->peer, c->interface);
	else
		snprintf(out, CAUSE_MAX,
			"%s does not connect on %s: does gatepair run there, is `peer` right, is "
			"the HA cable in?",
			c->peer, c->interface);
}

const char *cause_to_str(const struct cause *c, char out[CAUSE_MAX])
{
	if (c->port == CAUSE_PORT_MISSING) {
		snprintf(out, CAUSE_MAX, "there is no interface %s", c->interface);
		return out;
	}
	if (c->port == CAUSE_PORT_DARK) {
		snprintf(out, CAUSE_MAX, "%s has no carrier: check the HA cable", c->interface);
		return out;
	}
	switch (c->kind) {
	case CAUSE_START:
		snprintf(out, CAUSE_MAX, "%s is being connected", c->peer);
		break;
	case CAUSE_SILENCE:
		silence_text(c, out);
		break;
	case CAUSE_SOCKET:
		socket_text(c, out);
		break;
	case CAUSE_REFUSED:
		snprintf(out, CAUSE_MAX,
			"nobody listens at %s port %u: does gatepair run there, are `peer` and "
			"`port` right?",
			c->peer, c->tcp_port);
		break;
	case CAUSE_FINGERPRINT:
		snprintf(out, CAUSE_MAX,
			"the peer's key is %.*s…, peer-fingerprint says %.*s…: correct it to what "
			"`gatepair key` prints on the peer",
			FINGERPRINT_SHORT, c->offered, FINGERPRINT_SHORT, c->configured);
		break;
	case CAUSE_REJECTED:
		snprintf(out, CAUSE_MAX,
			"%s breaks the handshake off: is its peer-fingerprint what `gatepair key` "
			"prints here?",
			c->peer);
		break;
	case CAUSE_HANDSHAKE:
		snprintf(out, CAUSE_MAX, "no session with %s: %s", c->peer, c->why);
		break;
	case CAUSE_LOST:
		snprintf(out, CAUSE_MAX, "%s; %s has not come back", c->why, c->peer);
		break;
	}
	return out;
}
