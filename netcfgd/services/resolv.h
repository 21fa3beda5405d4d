/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DNS servers in effect: per WAN interface those of its configuration, else those of its lease.
 * Pure.
 */
#ifndef GATEPAIR_NETCFGD_RESOLV_H
#define GATEPAIR_NETCFGD_RESOLV_H

#include "netcfgd/wan.h"

#define RESOLV_MAX 8

/* In the order of the configuration, each once. `leases[i]` may be of any interface and state.
 * Returns how many. */
size_t resolv_in_effect(const struct config *cfg, const struct wan_lease *const *leases,
	size_t n_leases, struct config_prefix out[RESOLV_MAX]);
/* As resolv.conf(5); returns its length. */
size_t resolv_text(const struct config_prefix *v, size_t n, char *out, size_t size);

#endif
