/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the state of the election means to people: is failover ready and if not why not; what is
 * wrong around us and the remedy. Pure; runs in vrrpd.
 */
#ifndef GATEPAIR_VRRPD_REPORT_H
#define GATEPAIR_VRRPD_REPORT_H

#include "vrrpd/election.h"
#include "vrrpd/packet.h"

#define REPORT_MAX  32
#define REPORT_TEXT 240

struct report {
	size_t n; /* sentences over REPORT_MAX are left out */
	char text[REPORT_MAX][REPORT_TEXT];
};

/* What the core does not know. */
struct report_facts {
	const char *sync_reason;               /* syncd's, when not in sync */
	uint8_t free_vrid;                     /* 0: none */
	const uint8_t (*foreign_mac)[MAC_LEN]; /* per instance */
	const bool *other_checksum; /* per instance: heard in the form that we do not send */
	const bool *missing;        /* per link: there is no such interface */
	const uint8_t *stray_vrid;  /* per link: heard there, not configured; 0: none */
};

/* Empty: ready. */
void report_not_ready(
	const struct election *e, const struct report_facts *f, usec_t now, struct report *ret);
void report_conditions(
	const struct election *e, const struct report_facts *f, usec_t now, struct report *ret);
/* "ok", or what is wrong; in terms of BEAT_HEALTH(). */
const char *report_health(uint32_t health);

/* A path of the peer's frames is alive when it was heard within its usual pace. */
enum report_path { REPORT_HEARTBEAT, REPORT_ADVERT, REPORT_SOLICIT };
usec_t report_path_heard(const struct election *e, size_t link, enum report_path kind);
bool report_path_alive(const struct election *e, size_t link, enum report_path kind, usec_t now);

#endif
