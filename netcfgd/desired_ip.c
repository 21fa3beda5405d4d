/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the desired state that is IP: leases of WAN interfaces, routes, rules of policy
 * routing. Pure, as desired.c is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/desired_internal.h"

#define TOO_LARGE         "configuration: too large for memory; make it smaller"
#define IPV6_ROUTE_METRIC 1024 /* what the kernel gives an IPv6 route without one */
#define IPV6_BITS         128

/* --- leases ---------------------------------------------------------------------------------- */

const struct wan_lease *desired_lease_of(const struct build *b, const char *link)
{
	for (size_t i = 0; i < b->n_wans; i++)
		if (strcmp(b->wans[i].link, link) == 0)
			return &b->wans[i];
	return NULL;
}

static bool is_unicast4(const struct config_prefix *p)
{
	uint32_t a = ntohl(p->v4.s_addr);

	return p->family == AF_INET && a >> 24 != 0 && a >> 24 != 127 && a < 0xe0000000u;
}

int desired_check_wan(const struct config *cfg, const struct wan_lease *lease,
	const struct wan_lease *others, size_t n_others, char *why, size_t why_size)
{
	char what[CONFIG_PREFIX_STRLEN + CONFIG_NAME_MAX + 64];
	const struct config_interface *on = NULL;

	for (size_t i = 0; i < cfg->n_interfaces && !on; i++)
		if (strncmp(cfg->interfaces[i].name, lease->link, IFNAMSIZ) == 0 &&
			cfg->interfaces[i].dhcp)
			on = &cfg->interfaces[i];
	if (!on) {
		snprintf(why, why_size,
			"interface %.15s: a lease came, but it has no dhcp = true; nothing to do",
			lease->link);
		return -ENODEV;
	}
	if (lease->state != WAN_BOUND)
		return 0;
	if (!is_unicast4(&lease->address) || lease->address.len < 1 || lease->address.len > 32 ||
		(lease->gateway.family &&
			(!is_unicast4(&lease->gateway) ||
				prefix_same_host(&lease->gateway, &lease->address)))) {
		snprintf(why, why_size,
			"interface %s: the DHCP server gave an address or router that cannot be; "
			"correct the server",
			lease->link);
		return -EADDRNOTAVAIL;
	}
	if (wan_conflict(cfg, lease, others, n_others, what, sizeof(what)) == 0)
		return 0;
	snprintf(why, why_size,
		"interface %s: the DHCP server's answer cannot be used: %s; correct the server, or "
		"use a static address",
		lease->link, what);
	return -EADDRINUSE;
}

/* --- which link a next hop is on ------------------------------------------------------------- */

/* The subnets of our own addresses by their network, so that a next hop is found by at most as many
 * look-ups as there are prefix lengths. */
struct subnet {
	struct kernel_route_key key;
	const char *link;
	UT_hash_handle hh;
};

struct subnets {
	struct subnet *by_key;
	bool lengths[2][IPV6_BITS + 1];
};

static int subnets_init(struct build *b, struct subnets *s)
{
	const struct desired *d = b->d;
	struct subnet *v = arena_array(d->arena, d->n_static + 1, sizeof(*v));

	memset(s, 0, sizeof(*s));
	if (!v)
		return desired_refuse(b, -ENOMEM, TOO_LARGE);
	for (size_t i = 0; i < d->n_static; i++) {
		struct config_prefix net = prefix_network(&d->addrs[i].prefix);
		struct subnet *old = NULL;

		v[i].key = kernel_route_key(&net, 0, 0);
		v[i].link = d->addrs[i].link;
		HASH_FIND(hh, s->by_key, &v[i].key, sizeof(v[i].key), old);
		if (!old)
			HASH_ADD(hh, s->by_key, key, sizeof(v[i].key), &v[i]);
		s->lengths[net.family == AF_INET6][net.len] = true;
	}
	return 0;
}

static const char *subnets_link(const struct subnets *s, const struct config_prefix *via)
{
	bool v6 = via->family == AF_INET6;

	for (int len = v6 ? IPV6_BITS : 32; len >= 0; len--) {
		struct config_prefix net = *via;
		struct kernel_route_key key;
		struct subnet *found = NULL;

		if (!s->lengths[v6][len])
			continue;
		net.len = (uint8_t)len;
		net = prefix_network(&net);
		key = kernel_route_key(&net, 0, 0);
		HASH_FIND(hh, s->by_key, &key, sizeof(key), found);
		if (found)
			return found->link;
	}
	return NULL;
}

/* --- routes ---------------------------------------------------------------------------------- */

/* The route to be filled in next, if nothing has its key yet. */
static struct desired_route *new_route(
	struct desired *d, const struct config_prefix *prefix, uint32_t metric, uint32_t table)
{
	struct desired_route *r = &d->routes[d->n_routes], *old = NULL;

	memset(r, 0, sizeof(*r));
	r->prefix = prefix_network(prefix);
	r->metric = metric || prefix->family == AF_INET ? metric : IPV6_ROUTE_METRIC;
	r->table = table ? table : KERNEL_TABLE_MAIN;
	r->key = kernel_route_key(&r->prefix, r->metric, r->table);
	HASH_FIND(hh, d->routes_by_key, &r->key, sizeof(r->key), old);
	if (old)
		return NULL;
	HASH_ADD(hh, d->routes_by_key, key, sizeof(r->key), r);
	d->n_routes++;
	return r;
}

static int twice(struct build *b, const struct config_prefix *prefix)
{
	char text[CONFIG_PREFIX_STRLEN];

	return desired_refuse(b, -EEXIST,
		"route %s: there are two with this metric; give one of them another",
		config_prefix_to_str(prefix, text));
}

/* Is this only known once a DHCP server has answered? */
static bool awaits_lease(const struct build *b, const struct config_route *r, const char *link)
{
	for (size_t i = 0; i < b->cfg->n_interfaces; i++) {
		const struct config_interface *c = &b->cfg->interfaces[i];
		const struct wan_lease *lease = c->dhcp ? desired_lease_of(b, c->name) : NULL;

		if (!c->dhcp || (lease && lease->state == WAN_BOUND))
			continue;
		if (link ? strcmp(link, c->name) == 0 && !c->addresses.n : r->via.family == AF_INET)
			return true;
	}
	return false;
}

static int add_route(struct build *b, const struct subnets *s, const struct config_route *r)
{
	const char *link = r->interface[0] ? r->interface : NULL;
	struct desired_route *out;

	if (!link && r->via.family)
		link = subnets_link(s, &r->via);
	if (r->via.family && awaits_lease(b, r, link))
		return 0;
	out = new_route(b->d, &r->prefix, r->metric, r->table);
	if (!out)
		return twice(b, &r->prefix);
	out->via = r->via;
	out->blackhole = r->blackhole;
	if (link && !r->blackhole)
		snprintf(out->link, sizeof(out->link), "%s", link);
	return 0;
}

static struct config_prefix everything(int family)
{
	return (struct config_prefix){.family = family};
}

static int add_gateways(struct build *b, const struct config_interface *c)
{
	for (size_t i = 0; i < c->gateways.n; i++) {
		struct config_prefix all = everything(c->gateways.v[i].family);
		struct desired_route *r = new_route(b->d, &all, c->metric, 0);

		if (!r)
			return twice(b, &all);
		r->via = c->gateways.v[i];
		memcpy(r->link, c->name, sizeof(r->link));
	}
	return 0;
}

/* What is configured goes before what a server says. */
static void add_lease(struct build *b, const struct config_interface *c)
{
	const struct wan_lease *lease = desired_lease_of(b, c->name);
	struct config_prefix all = everything(AF_INET);
	struct desired_route *r;

	if (!c->dhcp || !lease || lease->state != WAN_BOUND || !lease->gateway.family)
		return;
	r = new_route(b->d, &all, c->metric, 0);
	if (!r)
		return;
	r->via = lease->gateway;
	r->onlink = !config_prefix_contains(&lease->address, &lease->gateway);
	r->wan = true;
	memcpy(r->link, c->name, sizeof(r->link));
}

int desired_add_routes(struct build *b)
{
	const struct config *cfg = b->cfg;
	size_t n = cfg->n_routes + b->n_wans + 1;
	struct subnets s;
	int rc;

	for (size_t i = 0; i < cfg->n_interfaces; i++)
		n += cfg->interfaces[i].gateways.n;
	b->d->routes = arena_array(b->d->arena, n, sizeof(*b->d->routes));
	if (!b->d->routes)
		return desired_refuse(b, -ENOMEM, TOO_LARGE);
	rc = subnets_init(b, &s);
	for (size_t i = 0; i < cfg->n_routes && !rc; i++)
		rc = add_route(b, &s, &cfg->routes[i]);
	HASH_CLEAR(hh, s.by_key);
	for (size_t i = 0; i < cfg->n_interfaces && !rc; i++)
		rc = add_gateways(b, &cfg->interfaces[i]);
	for (size_t i = 0; i < cfg->n_interfaces && !rc; i++)
		add_lease(b, &cfg->interfaces[i]);
	return rc;
}

/* --- rules ----------------------------------------------------------------------------------- */

bool desired_has_ipv6(const struct desired *d)
{
	for (size_t i = 0; i < d->n_static; i++)
		if (d->addrs[i].prefix.family == AF_INET6)
			return true;
	for (size_t i = 0; i < d->n_routes; i++)
		if (d->routes[i].prefix.family == AF_INET6)
			return true;
	return false;
}

static void add_rule(struct desired *d, const struct kernel_rule *rule, bool builtin)
{
	struct desired_rule *r = &d->rules[d->n_rules], *old = NULL;

	HASH_FIND(hh, d->rules_by_key, rule, sizeof(*rule), old);
	if (old)
		return;
	r->rule = *rule;
	r->builtin = builtin;
	HASH_ADD(hh, d->rules_by_key, rule, sizeof(r->rule), r);
	d->n_rules++;
}

int desired_add_rules(struct build *b)
{
	static const int families[] = {AF_INET, AF_INET6};
	static const struct config_prefix any;
	const struct config *cfg = b->cfg;
	struct desired *d = b->d;
	size_t n_families = desired_has_ipv6(d) ? 2 : 1;

	d->rules = arena_array(d->arena, 2 * (cfg->n_rules + 1), sizeof(*d->rules));
	if (!d->rules)
		return desired_refuse(b, -ENOMEM, TOO_LARGE);
	for (size_t f = 0; f < 2; f++) {
		struct kernel_rule main = kernel_rule_key(
			families[f], &any, &any, "", KERNEL_RULE_MAIN, 0, KERNEL_TABLE_MAIN);

		for (size_t i = 0; i < cfg->n_rules; i++) {
			const struct config_rule *c = &cfg->rules[i];
			int family = c->from.family ? c->from.family : c->to.family;
			struct kernel_rule rule = kernel_rule_key(families[f], &c->from, &c->to,
				c->interface, c->priority, c->mark, c->table);

			if (family ? family == families[f] : f < n_families)
				add_rule(d, &rule, false);
		}
		/* Without it nothing is routed at all. */
		if (f < n_families)
			add_rule(d, &main, true);
	}
	return 0;
}
