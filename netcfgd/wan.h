/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a DHCP server gave to a WAN interface, as plain data: found by the services process
 * (services.h), made real by the engine. In the kernel it is marked with protocol WAN_PROTOCOL and
 * lives no longer than the lease, so it is also the memory of a lease across a restart of netcfgd.
 */
#ifndef GATEPAIR_NETCFGD_WAN_H
#define GATEPAIR_NETCFGD_WAN_H

#include "common/clock.h"
#include "common/config.h"

#define WAN_MAX      16 /* interfaces with dhcp = true */
#define WAN_DNS_MAX  4
#define WAN_PROTOCOL 78 /* of addresses and routes */

enum wan_state {
	WAN_UNKNOWN = 0, /* nothing heard since the start: what the kernel has stays */
	WAN_NONE,        /* no lease: what it left is removed */
	WAN_BOUND,
};

struct wan_lease {
	char link[IFNAMSIZ];
	enum wan_state state;
	struct config_prefix address; /* with the subnet's length */
	struct config_prefix gateway; /* family 0: none */
	struct config_prefix server;
	struct config_prefix dns[WAN_DNS_MAX];
	size_t n_dns;
	usec_t until; /* CLOCK_BOOTTIME, as clock_now_us() */
};

/* 0, or -EADDRINUSE and in `why` the end of a sentence: a BOUND lease that is in the way of what is
 * configured, or of one of the other leases (of which those of its own link are passed over). */
int wan_conflict(const struct config *cfg, const struct wan_lease *lease,
	const struct wan_lease *others, size_t n_others, char *why, size_t why_size)
	__attribute__((warn_unused_result));

#endif
