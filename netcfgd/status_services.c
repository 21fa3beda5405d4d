/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of netcfgd's status that the services process reported: the WAN by DHCP, the resolvers
 * in effect, the programs that run.
 */
#include "netcfgd/netcfgd.h"

#include <arpa/inet.h>
#include <string.h>

#include "netcfgd/services/resolv.h"

static char *text_of(struct arena *scratch, const struct config_prefix *p)
{
	char text[CONFIG_PREFIX_STRLEN];

	return p->family ? arena_strdup(scratch, config_prefix_to_str(p, text)) : NULL;
}

/* What is kept of an address that is no longer ours is not shown. */
static void fill_lease(
	const struct wan_lease *l, Gp__NetcfgdWan *out, struct arena *scratch, usec_t now)
{
	if (l->state != WAN_BOUND || l->until <= now)
		return;
	out->address = text_of(scratch, &l->address);
	out->gateway = text_of(scratch, &l->gateway);
	out->server = text_of(scratch, &l->server);
	out->dns = arena_array(scratch, WAN_DNS_MAX, sizeof(*out->dns));
	for (size_t i = 0; i < l->n_dns && out->dns; i++) {
		char *s = text_of(scratch, &l->dns[i]);

		if (s)
			out->dns[out->n_dns++] = s;
	}
	out->has_remaining_s = 1;
	out->remaining_s = (uint64_t)((l->until - now) / USEC_PER_SEC);
}

static void status_wans(struct services *s, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	Gp__NetcfgdWan *wans = arena_array(scratch, WAN_MAX, sizeof(*wans));
	usec_t now = clock_now_us();

	st->wans = arena_array(scratch, WAN_MAX, sizeof(*st->wans));
	for (size_t i = 0; i < s->n_wans && wans && st->wans; i++) {
		gp__netcfgd_wan__init(&wans[i]);
		wans[i].interface = s->wans[i].lease.link;
		wans[i].state = s->wans[i].about.state;
		wans[i].reason = s->wans[i].about.reason;
		fill_lease(&s->wans[i].lease, &wans[i], scratch, now);
		st->wans[st->n_wans++] = &wans[i];
	}
}

static void status_resolvers(const struct services *s, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	const struct wan_lease *leases[WAN_MAX];
	struct config_prefix found[RESOLV_MAX];
	size_t n;

	for (size_t i = 0; i < s->n_wans; i++)
		leases[i] = &s->wans[i].lease;
	n = s->cfg ? resolv_in_effect(s->cfg, leases, s->n_wans, found) : 0;
	st->resolvers = arena_array(scratch, RESOLV_MAX, sizeof(*st->resolvers));
	for (size_t i = 0; i < n && st->resolvers; i++) {
		char *text = text_of(scratch, &found[i]);

		if (text)
			st->resolvers[st->n_resolvers++] = text;
	}
}

static void status_children(struct services *s, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	Gp__NetcfgdService *out = arena_array(scratch, SERVICES_CHILDREN_MAX, sizeof(*out));

	st->services = arena_array(scratch, SERVICES_CHILDREN_MAX, sizeof(*st->services));
	for (size_t i = 0; i < s->n_children && out && st->services; i++) {
		struct services_child *c = &s->children[i];

		gp__netcfgd_service__init(&out[i]);
		out[i].name = c->name;
		out[i].state = c->state;
		out[i].restarts = c->restarts;
		out[i].interfaces =
			arena_array(scratch, SERVICES_LIST_MAX, sizeof(*out[i].interfaces));
		for (size_t k = 0; k < c->n_interfaces && out[i].interfaces; k++)
			out[i].interfaces[out[i].n_interfaces++] = c->interfaces[k];
		st->services[st->n_services++] = &out[i];
	}
}

void netcfgd_status_services(struct services *s, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	status_wans(s, st, scratch);
	status_resolvers(s, st, scratch);
	status_children(s, st, scratch);
}
