/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cross checks of routes, of the default routes that interfaces have by `gateway` and by DHCP, and
 * of policy rules.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/config_check.h"

/* What the kernel makes of a route of IPv6 without a metric. */
#define IPV6_METRIC_DEFAULT 1024

/* --- next hops -------------------------------------------------------------------------------- */

static bool is_on(const struct config *cfg, const struct config_interface *in,
	const struct config_prefix *via)
{
	if (check_link_local(via) || check_subnet(in, via) || (in->dhcp && via->family == AF_INET))
		return true;
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		for (size_t k = 0; k < cfg->vrrps[i].addresses.n; k++)
			if (strcmp(cfg->vrrps[i].interface, in->name) == 0 &&
				config_prefix_contains(&cfg->vrrps[i].addresses.v[k], via))
				return true;
	return false;
}

static bool reachable(const struct config *cfg, const struct config_prefix *via)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		if (is_on(cfg, &cfg->interfaces[i], via))
			return true;
	return false;
}

static int check_via(struct check *c, const struct config_route *r, const char *name)
{
	const struct config_interface *in = config_interface_find(c->cfg, r->interface);
	char via[CONFIG_PREFIX_STRLEN];

	config_prefix_to_str(&r->via, via);
	if (r->prefix.family != r->via.family)
		return check_fail(c, r->line, "via",
			"route \"%s\": via %s is of another address family; use one family", name,
			via);
	if (check_owner(c->cfg, &r->via) || check_virtual_owner(c->cfg, &r->via))
		return check_fail(c, r->line, "via",
			"route \"%s\": via %s is an address of this pair; name the next router's",
			name, via);
	if (check_link_local(&r->via) && !in)
		return check_fail(c, r->line, "via",
			"route \"%s\": via %s is on every link; add interface", name, via);
	if (in && !is_on(c->cfg, in, &r->via))
		return check_fail(c, r->line, "via",
			"route \"%s\": via %s is in no subnet of interface \"%s\"; correct one of "
			"them",
			name, via, r->interface);
	if (!in && !reachable(c->cfg, &r->via))
		return check_fail(c, r->line, "via",
			"route \"%s\": via %s is in no subnet of this node; correct it or add the "
			"interface's address",
			name, via);
	return 0;
}

/* --- routes ----------------------------------------------------------------------------------- */

static uint32_t metric_of(int family, uint32_t metric)
{
	return metric == 0 && family == AF_INET6 ? IPV6_METRIC_DEFAULT : metric;
}

static int check_unique_route(struct check *c, const struct config_route *r, const char *name)
{
	for (const struct config_route *o = c->cfg->routes; o < r; o++)
		if (config_prefix_equal(&o->prefix, &r->prefix) && o->table == r->table &&
			metric_of(o->prefix.family, o->metric) ==
				metric_of(r->prefix.family, r->metric))
			return check_fail(c, r->line, NULL,
				"route \"%s\": the one in line %d has the same destination, table "
				"and metric; remove one or change its metric",
				name, o->line);
	return 0;
}

static int check_route(struct check *c, const struct config_route *r)
{
	char name[CONFIG_PREFIX_STRLEN], object[CONFIG_PREFIX_STRLEN + 16];
	int err = 0;

	config_prefix_to_str(&r->prefix, name);
	snprintf(object, sizeof(object), "route \"%s\"", name);
	if (check_host_bits(&r->prefix))
		return check_fail(c, r->line, NULL,
			"route \"%s\": the destination has bits behind its length; write them as 0",
			name);
	if (!r->via.family && !r->interface[0] && !r->blackhole)
		return check_fail(c, r->line, NULL,
			"route \"%s\": it leads nowhere; add via, interface or blackhole = true",
			name);
	if (r->blackhole && (r->via.family || r->interface[0]))
		return check_fail(c, r->line, "blackhole",
			"route \"%s\": blackhole together with %s; remove one", name,
			r->via.family ? "via" : "interface");
	if (r->table == CONFIG_TABLE_LOCAL)
		return check_fail(c, r->line, "table",
			"route \"%s\": table 255 is the kernel's own; choose another", name);
	if (r->interface[0])
		err = check_interface_key(c, r->line, object, r->interface);
	if (err == 0 && r->via.family)
		err = check_via(c, r, name);
	return err == 0 ? check_unique_route(c, r, name) : err;
}

/* --- default routes --------------------------------------------------------------------------- */

static bool has_default(const struct config_interface *in, int family)
{
	if (in->dhcp && family == AF_INET)
		return true;
	for (size_t i = 0; i < in->gateways.n; i++)
		if (in->gateways.v[i].family == family)
			return true;
	return false;
}

static bool is_static_default(
	const struct config_interface *in, const struct config_route *r, int family)
{
	return !in->dhcp && r->prefix.family == family && r->prefix.len == 0 && r->table == 0 &&
	       metric_of(family, r->metric) == metric_of(family, in->metric);
}

/* A route of the file beside one by DHCP is not a mistake: the file's is meant to win. */
static int check_default(struct check *c, const struct config_interface *in, int family)
{
	if (!has_default(in, family))
		return 0;
	for (const struct config_interface *o = c->cfg->interfaces; o < in; o++)
		if (has_default(o, family) && o->metric == in->metric)
			return check_fail(c, in->line, "metric",
				"%s \"%s\": its default route has the metric of that of \"%s\" in "
				"line %d; give one of them another metric",
				check_kind(in), in->name, o->name, o->line);
	for (size_t i = 0; i < c->cfg->n_routes; i++)
		if (is_static_default(in, &c->cfg->routes[i], family))
			return check_fail(c, c->cfg->routes[i].line, NULL,
				"route \"%s\": it has the metric of the default route by gateway "
				"of \"%s\" in line %d; remove one or change its metric",
				family == AF_INET ? "0.0.0.0/0" : "::/0", in->name, in->line);
	return 0;
}

int check_routes(struct check *c)
{
	int err = 0;

	for (size_t i = 0; i < c->cfg->n_routes && err == 0; i++)
		err = check_route(c, &c->cfg->routes[i]);
	for (size_t i = 0; i < c->cfg->n_interfaces && err == 0; i++) {
		err = check_default(c, &c->cfg->interfaces[i], AF_INET);
		if (err == 0)
			err = check_default(c, &c->cfg->interfaces[i], AF_INET6);
	}
	return err;
}

/* --- rules ------------------------------------------------------------------------------------ */

static bool same_match(const struct config_rule *a, const struct config_rule *b)
{
	return a->from.family == b->from.family && a->to.family == b->to.family &&
	       (!a->from.family || config_prefix_equal(&a->from, &b->from)) &&
	       (!a->to.family || config_prefix_equal(&a->to, &b->to)) && a->mark == b->mark &&
	       strcmp(a->interface, b->interface) == 0;
}

static int check_match(struct check *c, const struct config_rule *r)
{
	char object[CONFIG_NAME_MAX + 16];

	snprintf(object, sizeof(object), "rule \"%s\"", r->name);
	if (!r->from.family && !r->to.family && !r->interface[0] && !r->mark)
		return check_fail(c, r->line, NULL,
			"%s: it matches everything; add from, to, interface or mark", object);
	if (r->from.family && check_host_bits(&r->from))
		return check_fail(c, r->line, "from",
			"%s: from has bits behind its length; write them as 0", object);
	if (r->to.family && check_host_bits(&r->to))
		return check_fail(c, r->line, "to",
			"%s: to has bits behind its length; write them as 0", object);
	if (r->from.family && r->to.family && r->from.family != r->to.family)
		return check_fail(c, r->line, "to",
			"%s: from and to are of two address families; make two rules", object);
	if (r->table == CONFIG_TABLE_LOCAL)
		return check_fail(c, r->line, "table",
			"%s: table 255 is the kernel's own; choose another", object);
	return r->interface[0] ? check_interface_key(c, r->line, object, r->interface) : 0;
}

int check_rules(struct check *c)
{
	int err = 0;

	for (size_t i = 0; i < c->cfg->n_rules && err == 0; i++) {
		const struct config_rule *r = &c->cfg->rules[i];

		err = check_match(c, r);
		for (const struct config_rule *o = c->cfg->rules; o < r && err == 0; o++)
			if (o->priority == r->priority && same_match(o, r))
				err = check_fail(c, r->line, "priority",
					"rule \"%s\": rule \"%s\" in line %d has the same priority "
					"and matches the same; remove one",
					r->name, o->name, o->line);
	}
	return err;
}
