/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the HA link is down, in one sentence that ends with what to do. Pure. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_CAUSE_H
#define GATEPAIR_SYNCD_CAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cause_kind {
	CAUSE_START,       /* nothing was tried yet */
	CAUSE_SILENCE,     /* nobody answered, or (listening) nobody came */
	CAUSE_SOCKET,      /* our own socket cannot be had: err */
	CAUSE_REFUSED,     /* the host is there, nobody listens */
	CAUSE_FINGERPRINT, /* the peer offered another key than the configured one */
	CAUSE_REJECTED,    /* the peer broke off when it saw our key */
	CAUSE_HANDSHAKE,   /* it came to nothing before hello: why */
	CAUSE_LOST,        /* it was up: why */
};

/* The interface under the link, as netcfgd sees it. */
enum cause_port { CAUSE_PORT_UNKNOWN, CAUSE_PORT_MISSING, CAUSE_PORT_DARK, CAUSE_PORT_OK };

struct cause {
	enum cause_kind kind;
	int err;         /* negative errno */
	const char *why; /* static text */
	bool client;     /* this node connects, the peer listens */
	enum cause_port port;
	const char *interface, *local, *peer; /* addresses without a length */
	uint16_t tcp_port;
	const char *offered, *configured; /* fingerprints: sha256:… */
};

#define CAUSE_MAX 200
const char *cause_to_str(const struct cause *c, char out[CAUSE_MAX]);

#endif
