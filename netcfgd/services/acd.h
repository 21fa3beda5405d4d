/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address conflict detection, RFC 5227, a pure core: when to ask whether somebody else has an
 * address of ours, and who has. IPv6 is treated the same way, with the frames of RFC 4862, but
 * never announced. A gateway keeps its address in a conflict (section 2.4 c) and says so. Virtual
 * addresses are watched only while this node holds them, and never asked or defended: an
 * announcement that comes a moment after the hand-over would do harm. No I/O, no clock, no
 * allocation. Runs in netcfgd's services process.
 */
#ifndef GATEPAIR_NETCFGD_ACD_H
#define GATEPAIR_NETCFGD_ACD_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define ACD_MAC_LEN    6
#define ACD_ADDRS      512 /* more are not watched */
#define ACD_PROBES     3   /* RFC 5227 section 1.1: PROBE_NUM, and PROBE_MIN with its spread */
#define ACD_PROBE_GAP  USEC_PER_SEC
#define ACD_DEFEND     (10 * USEC_PER_SEC) /* DEFEND_INTERVAL */
#define ACD_HOLD       (10 * USEC_PER_SEC) /* a conflict is over when nothing was seen for so long */
#define ACD_ASK_AGAIN  (3 * USEC_PER_SEC)  /* during a conflict: the other may be silent */
#define ACD_RECHECK    (60 * USEC_PER_SEC) /* without one */
#define ACD_VIRTUAL    USEC_PER_SEC        /* a hand-over is long done by then */
#define ACD_CONDITIONS 4
#define ACD_TEXT_MAX   320

struct acd_addr {
	struct in6_addr ip; /* IPv4: mapped */
	uint32_t index;     /* of the interface */
	char link[IFNAMSIZ];
	bool virt;
	bool carrier;
	bool marked;     /* found since acd_begin() */
	unsigned probes; /* still to be sent in this round */
	usec_t probe_at;
	usec_t seen_first, seen; /* with another's MAC; 0: not */
	usec_t defended;
	uint8_t mac[ACD_MAC_LEN];
};

struct acd {
	struct acd_addr addrs[ACD_ADDRS];
	size_t n;
	bool held; /* the virtual addresses are ours now */
	uint32_t random;
};

/* What to send for an address. */
enum acd_action { ACD_PROBE = 1, ACD_ANNOUNCE };

void acd_init(struct acd *a, uint32_t random);
struct in6_addr acd_mapped(struct in_addr ip);
/* False: it is IPv6. */
bool acd_unmapped(const struct in6_addr *ip, struct in_addr *ret);
/* The addresses there are now: begin, put each, end. A new one, and one whose carrier came back, is
 * asked for. */
void acd_begin(struct acd *a);
void acd_put(struct acd *a, const struct acd_addr *what, usec_t now);
void acd_end(struct acd *a);
void acd_role(struct acd *a, bool held);
/* Somebody with a MAC that is none of ours claims `ip`. */
void acd_claim(struct acd *a, uint32_t index, const struct in6_addr *ip,
	const uint8_t mac[ACD_MAC_LEN], usec_t now);
/* The next thing to send, and for which address; 0: nothing more now. */
int acd_next(struct acd *a, usec_t now, const struct acd_addr **ret);
/* Does anybody else use it now? */
bool acd_conflict(const struct acd *a, const struct acd_addr *addr, usec_t now);
/* `who`: the peer's name if it is the peer, else NULL. */
void acd_text(const struct acd_addr *addr, const char *who, char out[ACD_TEXT_MAX]);

#endif
