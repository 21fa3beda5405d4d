/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between desired.c (links, addresses), desired_ip.c (leases, routes, rules) and desired_switch.c
 * (kernel switches), which together make the desired state.
 */
#ifndef GATEPAIR_NETCFGD_DESIRED_INTERNAL_H
#define GATEPAIR_NETCFGD_DESIRED_INTERNAL_H

#include "netcfgd/desired.h"

struct build {
	const struct config *cfg;
	const struct wan_lease *wans;
	size_t n_wans;
	struct desired *d;
	char *why;
	size_t why_size;
};

/* Returns err. */
int desired_refuse(struct build *b, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* NULL: nothing was heard of it. */
const struct wan_lease *desired_lease_of(const struct build *b, const char *link);
int desired_add_routes(struct build *b) __attribute__((warn_unused_result));
int desired_add_rules(struct build *b) __attribute__((warn_unused_result));
int desired_add_switches(struct build *b) __attribute__((warn_unused_result));
/* Any address or route of IPv6, whatever the interface. */
bool desired_has_ipv6(const struct desired *d);

#endif
