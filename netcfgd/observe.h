/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the picture of the kernel current: dumps at the start and after lost notifications,
 * notifications otherwise (rtnetlink, RFC 3549).
 */
#ifndef GATEPAIR_NETCFGD_OBSERVE_H
#define GATEPAIR_NETCFGD_OBSERVE_H

#include "netcfgd/kernel.h"
#include "netcfgd/nl.h"

/* How routes, rules and addresses of ours (WAN_PROTOCOL: of a lease), and vlans, bridges and bonds,
 * are told from others'. */
#define OBSERVE_PROTOCOL 77
#define OBSERVE_ALIAS    "gatepair"

enum observe_change {
	OBSERVE_LINK = 1 << 0, /* a link appeared, went, or changed state */
	OBSERVE_ADDR = 1 << 1,
	OBSERVE_ROUTE = 1 << 2,    /* our routes were read again */
	OBSERVE_NEW_LINK = 1 << 3, /* one appeared, went, or took another name */
	OBSERVE_RULE = 1 << 4,
	OBSERVE_SWITCH = 1 << 5, /* some kernel switch: it must be read to know which */
};

struct observe {
	struct nl *request; /* shared with apply */
	struct nl events;
	struct kernel *k;
	usec_t now;        /* of the present dump or drain, for lifetimes */
	unsigned changed;  /* since the last drain */
	bool routes_stale; /* the kernel drops routes without a word when links or addresses go */
	int err;           /* first of a message, e.g. -ENOMEM */
};

int observe_init(struct observe *o, struct nl *request, struct kernel *k)
	__attribute__((warn_unused_result));
void observe_fini(struct observe *o);
/* Everything anew. */
int observe_dump(struct observe *o) __attribute__((warn_unused_result));
/* Takes in what has been notified so far. Returns a set of enum observe_change, or negative
 * errno when the kernel cannot even be dumped. */
int observe_drain(struct observe *o) __attribute__((warn_unused_result));

#endif
