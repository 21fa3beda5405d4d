/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS servers in effect (see resolv.h).
 */
#include "netcfgd/services/resolv.h"

#include <stdio.h>
#include <string.h>

static void add(struct config_prefix out[RESOLV_MAX], size_t *n, const struct config_prefix *p)
{
	for (size_t i = 0; i < *n; i++)
		if (config_prefix_equal(&out[i], p))
			return;
	if (*n < RESOLV_MAX)
		out[(*n)++] = *p;
}

size_t resolv_in_effect(const struct config *cfg, const struct wan_lease *const *leases,
	size_t n_leases, struct config_prefix out[RESOLV_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		const struct config_interface *c = &cfg->interfaces[i];

		if (c->role != CONFIG_ROLE_WAN)
			continue;
		for (size_t k = 0; k < c->dns.n; k++)
			add(out, &n, &c->dns.v[k]);
		for (size_t k = 0; k < n_leases && c->dns.n == 0 && c->dhcp; k++)
			if (leases[k]->state == WAN_BOUND && strcmp(leases[k]->link, c->name) == 0)
				for (size_t d = 0; d < leases[k]->n_dns; d++)
					add(out, &n, &leases[k]->dns[d]);
	}
	return n;
}

size_t resolv_text(const struct config_prefix *v, size_t n, char *out, size_t size)
{
	char text[CONFIG_PREFIX_STRLEN];
	size_t used = (size_t)snprintf(
		out, size, "# Written by gatepair: the DNS servers of its WAN interfaces.\n");

	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "nameserver %s\n",
			config_prefix_to_str(&v[i], text));
	return used < size ? used : size - 1;
}
