/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of addresses, routes and rules. Pure.
 */
#include <string.h>

#include "netcfgd/reconcile_internal.h"

/* The kernel tells lifetimes in whole seconds, and a little late. */
#define LIFETIME_SLACK    (3 * USEC_PER_SEC)
#define CONNECTED_METRIC6 256 /* what the kernel gives the way to an IPv6 subnet */

/* --- addresses ------------------------------------------------------------------------------- */

static bool same_subnet(const struct config_prefix *a, const struct config_prefix *b)
{
	return a->len == b->len && config_prefix_contains(a, b);
}

/* An address that the configuration names first is to be the first of its subnet, as it is the one
 * that this node speaks from. The kernel lets it follow when the one before it goes. */
static bool comes_too_early(const struct ctx *c, const struct desired_link *w,
	const struct kernel_link *l, const struct desired_addr *late)
{
	const struct kernel_addr *k = kernel_addr_find(l, &late->prefix);

	if (late->prefix.family != AF_INET || !k || k->secondary || k->owner != OWNER_CONFIG)
		return false;
	for (const struct desired_addr *a = &c->d->addrs[w->addr]; a < late; a++) {
		const struct kernel_addr *first = kernel_addr_find(l, &a->prefix);

		if (first && first->secondary && same_subnet(&a->prefix, &late->prefix))
			return true;
	}
	return false;
}

static void del_early(struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	for (size_t i = 1; i < w->n_addrs; i++) {
		const struct desired_addr *late = &c->d->addrs[w->addr + i];

		if (comes_too_early(c, w, l, late)) {
			reconcile_add_addr(c, OP_ADDR_DEL, l, &late->prefix, false);
			return;
		}
	}
}

static bool unwanted(const struct ctx *c, const struct desired_link *w, const struct kernel_link *l,
	const struct kernel_addr *a)
{
	if (a->owner == OWNER_OTHER || (a->owner == OWNER_WAN && w && w->wan_unknown))
		return false;
	return !desired_addr_find(c->d, l->name, &a->prefix) &&
	       !desired_is_virtual(c->d, l->name, &a->prefix);
}

/* The kernel may refuse the same address with two lengths. */
static bool in_the_way(
	const struct ctx *c, const struct desired_link *w, const struct kernel_addr *a)
{
	for (size_t i = 0; w && i < w->n_addrs; i++)
		if (prefix_same_host(&c->d->addrs[w->addr + i].prefix, &a->prefix))
			return true;
	return false;
}

/* Ours and no longer wanted; virtual ones are dealt with elsewhere. */
static void del_addrs(struct ctx *c, bool early)
{
	for (const struct kernel_link *l = c->k->by_index; l; l = l->by_index.next) {
		const struct desired_link *w = l->n_addrs ? desired_link_find(c->d, l->name) : NULL;

		for (size_t i = 0; i < l->n_addrs; i++) {
			const struct kernel_addr *a = &l->addrs[i];

			if (unwanted(c, w, l, a) && in_the_way(c, w, a) == early)
				reconcile_add_addr(c, OP_ADDR_DEL, l, &a->prefix, false);
		}
		if (early && w && !w->virt && w->n_addrs > 1)
			del_early(c, w, l);
	}
}

void reconcile_del_addrs_in_the_way(struct ctx *c)
{
	del_addrs(c, true);
}

void reconcile_del_addrs(struct ctx *c)
{
	del_addrs(c, false);
}

static bool same_end(usec_t a, usec_t b)
{
	if (a == USEC_NEVER || b == USEC_NEVER)
		return a == b;
	return a - b <= LIFETIME_SLACK && b - a <= LIFETIME_SLACK;
}

/* A stranger's that is the same stays a stranger's, unless it would go by itself; virtual ones are
 * renewed elsewhere. */
static bool addr_right(const struct desired_addr *w, const struct kernel_addr *k)
{
	if (!k || w->virt)
		return k != NULL;
	if (w->wan)
		return k->owner == OWNER_WAN && same_end(w->until, k->until);
	return k->owner != OWNER_WAN && k->until == USEC_NEVER;
}

static void add_missing(struct ctx *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct desired_addr *a = &c->d->addrs[i];
		const struct kernel_link *l = kernel_link_by_name(c->k, a->link);
		struct op *op;

		if (!l || addr_right(a, kernel_addr_find(l, &a->prefix)) ||
			!reconcile_will_be_up(c, a->on, l))
			continue;
		op = reconcile_add_addr(c, OP_ADDR_SET, l, &a->prefix, a->virt);
		op->addr.wan = a->wan;
		op->addr.until = a->until;
	}
}

void reconcile_add_static_addrs(struct ctx *c)
{
	add_missing(c, 0, c->d->n_static);
}

void reconcile_add_virtual_addrs(struct ctx *c)
{
	if (c->held)
		add_missing(c, c->d->n_static, c->d->n_addrs);
}

/* --- routes ---------------------------------------------------------------------------------- */

/* The way to an address's subnet comes with the address, but goes alone when somebody flushes the
 * table; nothing else in it could be put back without. */
void reconcile_connected(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_static; i++) {
		const struct desired_addr *a = &c->d->addrs[i];
		const struct kernel_link *l = kernel_link_by_name(c->k, a->link);
		const struct kernel_addr *k = l && l->up ? kernel_addr_find(l, &a->prefix) : NULL;
		bool v6 = a->prefix.family == AF_INET6;
		struct kernel_route r = {.prefix = prefix_network(&a->prefix),
			.metric = v6 ? CONNECTED_METRIC6 : 0,
			.table = KERNEL_TABLE_MAIN,
			.owner = OWNER_KERNEL};
		struct kernel_route_key key = kernel_route_key(&r.prefix, r.metric, r.table);
		struct op *op;

		if (!k || k->owner == OWNER_OTHER || k->secondary ||
			a->prefix.len == (v6 ? 128 : 32) || kernel_route_find(c->k, &key))
			continue;
		op = reconcile_add(c, OP_ROUTE_SET, l->index, l->name);
		op->route.r = r;
		op->route.r.oif = l->index;
		op->route.src = a->prefix;
	}
}

/* What a lease of which nothing was heard yet has left. */
static bool kept(const struct ctx *c, const struct kernel_route *r)
{
	const struct kernel_link *l = kernel_link(c->k, r->oif);
	const struct desired_link *w = l ? desired_link_find(c->d, l->name) : NULL;

	return r->owner == OWNER_WAN && w && w->wan_unknown;
}

void reconcile_del_routes(struct ctx *c)
{
	static const char none[IFNAMSIZ] = "";

	for (const struct kernel_route_entry *e = c->k->routes; e; e = e->hh.next) {
		const struct kernel_link *l = kernel_link(c->k, e->route.oif);
		struct desired_route *w = NULL;

		HASH_FIND(hh, c->d->routes_by_key, &e->key, sizeof(e->key), w);
		if (!w && e->route.owner != OWNER_KERNEL && !kept(c, &e->route))
			reconcile_add(c, OP_ROUTE_DEL, e->route.oif, l ? l->name : none)->route.r =
				e->route;
	}
}

static bool route_right(
	const struct desired_route *w, const struct kernel_route *r, const struct kernel_link *on)
{
	if (!r || r->blackhole != w->blackhole || r->owner != (w->wan ? OWNER_WAN : OWNER_CONFIG))
		return false;
	if (w->blackhole)
		return true;
	if (r->via.family != w->via.family ||
		(w->via.family && !prefix_same_host(&r->via, &w->via)))
		return false;
	return !on || r->oif == on->index;
}

void reconcile_set_routes(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_routes; i++) {
		const struct desired_route *w = &c->d->routes[i];
		const struct kernel_link *l =
			w->link[0] ? kernel_link_by_name(c->k, w->link) : NULL;
		struct op *op;

		if (w->link[0] && !l)
			continue;
		/* A link that is not ours to set up. */
		if (l && !l->up && !desired_link_find(c->d, l->name))
			continue;
		if (route_right(w, kernel_route_find(c->k, &w->key), l))
			continue;
		op = reconcile_add(c, OP_ROUTE_SET, l ? l->index : 0, w->link);
		op->route.onlink = w->onlink;
		op->route.r = (struct kernel_route){.prefix = w->prefix,
			.via = w->via,
			.metric = w->metric,
			.table = w->table,
			.oif = l ? l->index : 0,
			.blackhole = w->blackhole,
			.owner = w->wan ? OWNER_WAN : OWNER_CONFIG};
	}
}

/* --- rules ----------------------------------------------------------------------------------- */

static void add_rule(struct ctx *c, enum op_kind kind, const struct kernel_rule *rule, bool builtin)
{
	struct op *op = reconcile_add(c, kind, 0, rule->iif);

	op->rule.r = *rule;
	op->rule.builtin = builtin;
}

void reconcile_rules(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_rules; i++) {
		const struct desired_rule *w = &c->d->rules[i];

		if (!kernel_rule_find(c->k, &w->rule))
			add_rule(c, OP_RULE_ADD, &w->rule, w->builtin);
	}
	for (const struct kernel_rule_entry *e = c->k->rules; e; e = e->hh.next) {
		struct desired_rule *w = NULL;

		HASH_FIND(hh, c->d->rules_by_key, &e->rule, sizeof(e->rule), w);
		if (e->ours && !w)
			add_rule(c, OP_RULE_DEL, &e->rule, false);
	}
}
