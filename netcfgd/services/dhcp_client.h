/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a WAN interface with dhcp = true does: a pure core over its link, its client program
 * (udhcpc) and what that says. The rules: an address that was given lives until its lease ends, the
 * server says NAK, or the configuration no longer wants it, and survives whatever happens to
 * udhcpc or netcfgd; a link that comes back is asked about at once; nothing is tried without a
 * bound, and nothing fails without saying so.
 */
#ifndef GATEPAIR_NETCFGD_DHCP_CLIENT_H
#define GATEPAIR_NETCFGD_DHCP_CLIENT_H

#include "netcfgd/services/respawn.h"
#include "netcfgd/wan.h"

#define DHCP_CLIENT_TEXT_MAX 160

enum dhcp_client_event_kind {
	DHCP_EV_ON,    /* wanted, perhaps with a lease that was found and still runs */
	DHCP_EV_OFF,   /* no longer wanted */
	DHCP_EV_LINK,  /* as the link is now */
	DHCP_EV_LEASE, /* bound or renewed */
	DHCP_EV_BAD,   /* bound or renewed with what cannot be used */
	DHCP_EV_NAK,
	DHCP_EV_EXIT, /* the program ended */
	DHCP_EV_TICK,
};

struct dhcp_client_event {
	enum dhcp_client_event_kind kind;
	const struct wan_lease *lease; /* ON (may be NULL), LEASE */
	const char *text;              /* BAD, EXIT: what was wrong */
	uint32_t index;                /* LINK: 0: there is none */
	bool carrier;                  /* LINK */
};

/* A set of what to do now. */
enum dhcp_client_action {
	DHCP_START = 1 << 0, /* the program, asking for lease.address if that is set */
	DHCP_STOP = 1 << 1,  /* DHCP_EV_EXIT follows */
	DHCP_ASK = 1 << 2,   /* it shall renew, or search, now */
	DHCP_TELL = 1 << 3,  /* `lease` changed */
};

enum dhcp_client_state {
	DHCP_OFF = 0,
	DHCP_NO_CARRIER,
	DHCP_SEARCHING,
	DHCP_BOUND,
	DHCP_RENEWING, /* bound, and to be confirmed */
};

/* What is wrong, each by itself. */
enum dhcp_client_trouble {
	DHCP_NO_ANSWER = 1 << 0,  /* searched for DHCP_PATIENCE */
	DHCP_NO_RENEWAL = 1 << 1, /* three quarters of the lease are over */
	DHCP_UNUSABLE = 1 << 2,   /* the answer: see `text` */
	DHCP_CRASHING = 1 << 3,   /* the program: see `text` */
	DHCP_CABLE = 1 << 4,      /* no carrier, or no such link */
};

struct dhcp_client {
	bool on, running, stopping, carrier, crashing, unusable;
	uint32_t index;
	struct wan_lease lease; /* BOUND or NONE; the address stays, to ask for it again */
	usec_t since;           /* BOUND: when it was given or found; else the search began */
	struct respawn program;
	usec_t confirm_by; /* else search anew; USEC_NEVER: nothing is to be confirmed */
	usec_t ask_at;     /* for leases too short for udhcpc; USEC_NEVER: not needed */
	bool unconfirmed;  /* the lease is from before a restart or a loss of carrier */
	usec_t heard;      /* of the program, or its start: else it is taken for hanging */
	char text[DHCP_CLIENT_TEXT_MAX];
};

#define DHCP_PATIENCE (30 * USEC_PER_SEC)
/* A program without a lease that says nothing for so long is replaced: it may hang. */
#define DHCP_REPLACE (180 * USEC_PER_SEC)

void dhcp_client_init(struct dhcp_client *c, const char *link);
/* Returns a set of enum dhcp_client_action. */
unsigned dhcp_client_step(struct dhcp_client *c, const struct dhcp_client_event *ev, usec_t now);
/* When DHCP_EV_TICK is wanted; USEC_NEVER: not. */
usec_t dhcp_client_due(const struct dhcp_client *c);
/* After `now`, when state and trouble change by time alone; USEC_NEVER: they do not. */
usec_t dhcp_client_look_at(const struct dhcp_client *c, usec_t now);

enum dhcp_client_state dhcp_client_state(const struct dhcp_client *c, usec_t now);
const char *dhcp_client_state_name(enum dhcp_client_state state);
/* A set of enum dhcp_client_trouble. */
unsigned dhcp_client_trouble(const struct dhcp_client *c, usec_t now);

#endif
