/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a lease fits beside what the node has already (see wan.h). Pure; asked by both processes
 * of netcfgd, so that what one tells is what the other does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/kernel.h"
#include "netcfgd/wan.h"

static bool overlap(const struct config_prefix *a, const struct config_prefix *b)
{
	return config_prefix_contains(a, b) || config_prefix_contains(b, a);
}

static int conflict(const struct wan_lease *lease, const char *with, const char *name, char *why,
	size_t why_size)
{
	char address[CONFIG_PREFIX_STRLEN];

	snprintf(why, why_size, "%s %s %s", config_prefix_to_str(&lease->address, address), with,
		name);
	return -EADDRINUSE;
}

/* The subnet of another interface could not be told from that of the lease. */
static int check_interface(
	const struct config_interface *c, const struct wan_lease *lease, char *why, size_t why_size)
{
	bool same = strcmp(c->name, lease->link) == 0;

	for (size_t i = 0; i < c->addresses.n; i++) {
		const struct config_prefix *p = &c->addresses.v[i];

		if (same && prefix_same_host(p, &lease->address))
			return conflict(
				lease, "is the configured address of", c->name, why, why_size);
		if (!same && overlap(p, &lease->address))
			return conflict(lease, "overlaps the network of", c->name, why, why_size);
	}
	return 0;
}

/* On whichever interface: the peer may have it at the moment. */
static int check_vrrp(
	const struct config_vrrp *v, const struct wan_lease *lease, char *why, size_t why_size)
{
	for (size_t i = 0; i < v->addresses.n; i++)
		if (prefix_same_host(&v->addresses.v[i], &lease->address))
			return conflict(
				lease, "is a virtual address of vrrp", v->name, why, why_size);
	return 0;
}

int wan_conflict(const struct config *cfg, const struct wan_lease *lease,
	const struct wan_lease *others, size_t n_others, char *why, size_t why_size)
{
	int rc = 0;

	for (size_t i = 0; i < cfg->n_vrrps && !rc; i++)
		rc = check_vrrp(&cfg->vrrps[i], lease, why, why_size);
	for (size_t i = 0; i < cfg->n_interfaces && !rc; i++)
		rc = check_interface(&cfg->interfaces[i], lease, why, why_size);
	for (size_t i = 0; i < n_others && !rc; i++)
		if (others[i].state == WAN_BOUND && strcmp(others[i].link, lease->link) != 0 &&
			overlap(&others[i].address, &lease->address))
			rc = conflict(lease, "overlaps the network that DHCP gave to",
				others[i].link, why, why_size);
	return rc;
}
