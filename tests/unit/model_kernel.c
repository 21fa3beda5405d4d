/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of the kernel (see model_kernel.h).
 */
#include "tests/unit/model_kernel.h"

#include <linux/if_bonding.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MTU_DEFAULT 1500

uint32_t model_pick(struct model *m, uint32_t n)
{
	/* xorshift */
	m->state ^= m->state << 13;
	m->state ^= m->state >> 17;
	m->state ^= m->state << 5;
	return m->state % n;
}

/* --- switches -------------------------------------------------------------------------------- */

static void link_switches(struct model *m, const char *name, bool there)
{
	for (size_t i = 0; m->d && i < m->d->n_sysctls; i++)
		if (strcmp(m->d->sysctls[i].link, name) == 0)
			m->k.sysctls[i] = there ? (int32_t)model_pick(m, 3) : SYSCTL_UNKNOWN;
}

void model_switches(struct model *m, const struct desired *d)
{
	free(m->k.sysctls);
	m->k.sysctls = calloc(d->n_sysctls + 1, sizeof(*m->k.sysctls));
	assert_non_null(m->k.sysctls);
	m->d = d;
	for (size_t i = 0; i < d->n_sysctls; i++) {
		const struct desired_sysctl *s = &d->sysctls[i];
		bool there = !s->link[0] || kernel_link_by_name(&m->k, s->link);

		m->k.sysctls[i] = there ? (int32_t)model_pick(m, 3) : SYSCTL_UNKNOWN;
	}
}

static bool promotes(const struct model *m, const struct kernel_link *l)
{
	char path[DESIRED_PATH_MAX];

	snprintf(path, sizeof(path), "ipv4/conf/%s/promote_secondaries", l->name);
	for (size_t i = 0; m->d && i < m->d->n_sysctls; i++)
		if (strcmp(m->d->sysctls[i].path, path) == 0)
			return m->k.sysctls[i] > 0;
	return false;
}

/* --- routes ---------------------------------------------------------------------------------- */

static void drop_routes(struct model *m, uint32_t oif, int family)
{
	struct kernel_route_entry *e, *tmp;

	HASH_ITER (hh, m->k.routes, e, tmp)
		if (e->route.oif == oif && (!family || e->route.prefix.family == family))
			kernel_route_remove(&m->k, &e->route);
}

static struct kernel_route connected(const struct kernel_link *l, const struct config_prefix *p)
{
	return (struct kernel_route){.prefix = prefix_network(p),
		.metric = p->family == AF_INET6 ? 256 : 0,
		.table = KERNEL_TABLE_MAIN,
		.oif = l->index,
		.owner = OWNER_KERNEL};
}

static void connect_addr(struct model *m, const struct kernel_link *l, const struct kernel_addr *a)
{
	struct kernel_route r = connected(l, &a->prefix);
	struct kernel_route_key key = kernel_route_key(&r.prefix, r.metric, r.table);

	if (!l->up || a->secondary || a->prefix.len == (a->prefix.family == AF_INET ? 32 : 128))
		return;
	if (!kernel_route_find(&m->k, &key))
		assert_int_equal(kernel_route_put(&m->k, &r), 0);
}

/* Can a router be reached over this link? */
static bool reachable(const struct model *m, const struct kernel_route *r, bool onlink)
{
	const struct kernel_link *l = kernel_link(&m->k, r->oif);

	for (const struct kernel_route_entry *e = m->k.routes; e; e = e->hh.next)
		if (e->route.owner == OWNER_KERNEL && (!r->oif || e->route.oif == r->oif) &&
			config_prefix_contains(&e->route.prefix, &r->via))
			return true;
	return onlink && l && l->up;
}

static bool route_set(struct model *m, const struct op *op)
{
	const struct kernel_route *r = &op->route.r;
	const struct kernel_link *l = kernel_link(&m->k, r->oif);
	struct kernel_route_key key = kernel_route_key(&r->prefix, r->metric, r->table);

	if (r->oif && (!l || !l->up))
		return false;
	if (r->owner == OWNER_KERNEL && kernel_route_find(&m->k, &key))
		return false;
	if (r->via.family && !reachable(m, r, op->route.onlink))
		return false;
	return kernel_route_put(&m->k, r) == 0;
}

/* --- links ----------------------------------------------------------------------------------- */

struct kernel_link *model_link(struct model *m, const char *name)
{
	struct kernel_link attrs = {.index = m->next_index++,
		.mtu = MTU_DEFAULT,
		.carrier = true,
		.ether = true,
		.mac = {2, 0, 0, 0, (uint8_t)(m->next_index >> 8), (uint8_t)m->next_index}};
	struct kernel_link *l;

	memcpy(attrs.name, name, strlen(name) + 1);
	l = kernel_link_put(&m->k, &attrs);
	assert_non_null(l);
	link_switches(m, name, true);
	return l;
}

static bool link_add(struct model *m, const struct op *op)
{
	const struct desired_link *w = op->link.want;
	const struct kernel_link *parent = op->index ? kernel_link(&m->k, op->index) : NULL;
	struct kernel_link *l;

	if (kernel_link_by_name(&m->k, op->name) || (op->index && !parent))
		return false;
	l = model_link(m, op->name);
	parent = op->index ? kernel_link(&m->k, op->index) : NULL;
	l->kind = w->kind;
	l->parent = op->index;
	l->vlan_id = w->vlan_id;
	l->ours = w->kind != LINK_MACVLAN;
	l->bond_mode = w->bond_mode;
	l->miimon = w->kind == LINK_BOND ? BOND_MIIMON : 0;
	l->xmit_hash = reconcile_bond_hashes(w) ? BOND_XMIT_POLICY_LAYER23 : 0;
	l->lacp_fast = w->bond_mode == BOND_MODE_8023AD;
	l->stp = w->stp;
	l->forward_delay = w->kind == LINK_BRIDGE ? BRIDGE_FORWARD_DELAY : 0;
	if (parent)
		l->mtu = parent->mtu;
	if (parent && w->kind == LINK_VLAN)
		memcpy(l->mac, parent->mac, sizeof(l->mac));
	if (op->link.has_mac)
		memcpy(l->mac, op->link.mac, sizeof(l->mac));
	return true;
}

/* A vlan is down with what it is on, and cannot be up without. IPv6 addresses go. */
void model_up(struct model *m, struct kernel_link *l, bool up)
{
	l->up = up;
	for (size_t i = 0; up && i < l->n_addrs; i++)
		connect_addr(m, l, &l->addrs[i]);
	if (up)
		return;
	drop_routes(m, l->index, 0);
	for (size_t i = l->n_addrs; i-- > 0;) {
		struct config_prefix p = l->addrs[i].prefix;

		if (p.family == AF_INET6)
			kernel_addr_remove(&m->k, l->index, &p);
	}
	for (struct kernel_link *v = m->k.by_index; v; v = v->by_index.next)
		if (v->kind == LINK_VLAN && v->parent == l->index && v->up)
			model_up(m, v, false);
}

static void release(struct model *m, struct kernel_link *l)
{
	const struct kernel_link *old = l->master ? kernel_link(&m->k, l->master) : NULL;

	if (old && old->kind == LINK_BOND && l->up)
		model_up(m, l, false);
	l->master = 0;
}

static bool link_above(struct model *m, uint32_t index, uint32_t *ret)
{
	for (struct kernel_link *l = m->k.by_index; l; l = l->by_index.next) {
		if (l->parent != index || l->index == index)
			continue;
		*ret = l->index;
		return true;
	}
	return false;
}

void model_link_del(struct model *m, uint32_t index)
{
	struct kernel_link *l = kernel_link(&m->k, index);
	uint32_t above;

	while (link_above(m, index, &above))
		model_link_del(m, above);
	for (struct kernel_link *s = m->k.by_index; s; s = s->by_index.next)
		if (s->master == index)
			release(m, s);
	drop_routes(m, index, 0);
	if (l)
		link_switches(m, l->name, false);
	kernel_link_remove(&m->k, index);
}

static bool set_mtu(struct model *m, struct kernel_link *l, uint32_t mtu)
{
	const struct kernel_link *parent = l->parent ? kernel_link(&m->k, l->parent) : NULL;

	if (parent && mtu > parent->mtu)
		return false;
	l->mtu = mtu;
	for (struct kernel_link *s = m->k.by_index; s; s = s->by_index.next) {
		if (s->parent == l->index && s->mtu > mtu)
			set_mtu(m, s, mtu);
		if (s->master == l->index && l->kind == LINK_BOND)
			set_mtu(m, s, mtu);
	}
	return true;
}

static bool set_master(struct model *m, struct kernel_link *l, uint32_t index)
{
	struct kernel_link *to = index ? kernel_link(&m->k, index) : NULL;

	if (index && (!to || (to->kind == LINK_BOND && l->up)))
		return false;
	release(m, l);
	l->master = index;
	if (!to || to->kind != LINK_BOND)
		return true;
	memcpy(l->mac, to->mac, sizeof(l->mac));
	set_mtu(m, l, to->mtu);
	model_up(m, l, true);
	return true;
}

static bool rename_link(struct model *m, struct kernel_link *l, const char *name)
{
	struct kernel_link attrs = *l;

	if (kernel_link_by_name(&m->k, name))
		return false;
	link_switches(m, l->name, false);
	memset(attrs.name, 0, sizeof(attrs.name));
	memcpy(attrs.name, name, strlen(name));
	assert_non_null(kernel_link_put(&m->k, &attrs));
	link_switches(m, name, true);
	return true;
}

static bool link_up(struct model *m, struct kernel_link *l, bool up)
{
	const struct kernel_link *parent =
		l->kind == LINK_VLAN ? kernel_link(&m->k, l->parent) : NULL;

	if (up && parent && !parent->up)
		return false;
	if (l->up != up)
		model_up(m, l, up);
	return true;
}

/* --- addresses ------------------------------------------------------------------------------- */

static bool one_subnet(const struct config_prefix *a, const struct config_prefix *b)
{
	return a->family == AF_INET && a->len == b->len && config_prefix_contains(a, b);
}

static bool addr_set(struct model *m, const struct op *op)
{
	struct kernel_link *l = kernel_link(&m->k, op->index);
	const struct config_prefix *p = &op->addr.prefix;
	const struct kernel_addr *old = l ? kernel_addr_find(l, p) : NULL;
	struct kernel_addr a = {.prefix = *p,
		.owner = op->addr.wan ? OWNER_WAN : OWNER_CONFIG,
		.until = op->addr.wan ? op->addr.until : USEC_NEVER,
		.secondary = old && old->secondary};

	if (!l)
		return false;
	if (p->family == AF_INET6 && !old && kernel_host_find(l, p))
		return false;
	for (size_t i = 0; !old && i < l->n_addrs; i++)
		if (!l->addrs[i].secondary && one_subnet(&l->addrs[i].prefix, p))
			a.secondary = true;
	assert_int_equal(kernel_addr_put(&m->k, op->index, &a), 0);
	if (!old)
		connect_addr(m, l, &a);
	return true;
}

static bool any_ipv4(const struct kernel_link *l)
{
	for (size_t i = 0; i < l->n_addrs; i++)
		if (l->addrs[i].prefix.family == AF_INET)
			return true;
	return false;
}

/* The next of the subnet follows, or all of them go. */
static void after_primary(struct model *m, struct kernel_link *l, const struct config_prefix *p)
{
	bool promote = promotes(m, l), done = false;

	for (size_t i = 0; i < l->n_addrs && !(promote && done);) {
		struct kernel_addr *a = &l->addrs[i];

		if (!a->secondary || !one_subnet(&a->prefix, p)) {
			i++;
		} else if (promote) {
			a->secondary = false;
			done = true;
			connect_addr(m, l, a);
		} else {
			struct config_prefix other = a->prefix;

			kernel_addr_remove(&m->k, l->index, &other);
		}
	}
}

void model_addr_del(struct model *m, struct kernel_link *l, const struct config_prefix *p)
{
	struct kernel_addr gone = *kernel_addr_find(l, p);
	struct kernel_route r = connected(l, &gone.prefix);
	struct kernel_route_key key = kernel_route_key(&r.prefix, r.metric, r.table);
	const struct kernel_route *there = kernel_route_find(&m->k, &key);

	kernel_addr_remove(&m->k, l->index, &gone.prefix);
	if (!gone.secondary && there && there->owner == OWNER_KERNEL && there->oif == l->index)
		kernel_route_remove(&m->k, &r);
	if (gone.prefix.family == AF_INET && !gone.secondary)
		after_primary(m, l, &gone.prefix);
	if (gone.prefix.family == AF_INET && !any_ipv4(l))
		drop_routes(m, l->index, AF_INET);
}

static bool addr_del(struct model *m, const struct op *op)
{
	struct kernel_link *l = kernel_link(&m->k, op->index);

	if (!l || !kernel_addr_find(l, &op->addr.prefix))
		return false;
	model_addr_del(m, l, &op->addr.prefix);
	return true;
}

/* --- operations ------------------------------------------------------------------------------ */

static bool link_op(struct model *m, const struct op *op)
{
	struct kernel_link *l = op->kind == OP_LINK_ADD ? NULL : kernel_link(&m->k, op->index);

	if (op->kind == OP_LINK_ADD)
		return link_add(m, op);
	if (!l)
		return false;
	switch ((int)op->kind) {
	case OP_LINK_RENAME:
		return rename_link(m, l, op->name);
	case OP_LINK_DEL:
		model_link_del(m, op->index);
		return true;
	case OP_LINK_UP:
	case OP_LINK_DOWN:
		return link_up(m, l, op->kind == OP_LINK_UP);
	case OP_LINK_MTU:
		return set_mtu(m, l, op->link.mtu);
	case OP_LINK_MAC:
		memcpy(l->mac, op->link.mac, sizeof(l->mac));
		return true;
	case OP_LINK_MASTER:
		return set_master(m, l, op->link.master);
	default:
		if (op->link.rest && l->up && l->kind == LINK_BOND)
			return false;
		l->lacp_fast = l->kind == LINK_BOND && (l->lacp_fast || op->link.rest);
		l->xmit_hash = reconcile_bond_hashes(op->link.want) ? BOND_XMIT_POLICY_LAYER23 : 0;
		l->vlan_filtering = l->vlan_filtering && !op->link.rest;
		l->stp = op->link.want->stp;
		l->forward_delay = l->kind == LINK_BRIDGE ? BRIDGE_FORWARD_DELAY : 0;
		l->miimon = l->kind == LINK_BOND ? BOND_MIIMON : 0;
		return true;
	}
}

bool model_apply(struct model *m, const struct op *op)
{
	switch (op->kind) {
	case OP_LINK_RENAME:
	case OP_LINK_ADD:
	case OP_LINK_DEL:
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
		return link_op(m, op);
	case OP_ADDR_SET:
		return addr_set(m, op);
	case OP_ADDR_DEL:
		return addr_del(m, op);
	case OP_ROUTE_SET:
		return route_set(m, op);
	case OP_ROUTE_DEL:
		return kernel_route_remove(&m->k, &op->route.r);
	case OP_RULE_ADD:
		return !kernel_rule_find(&m->k, &op->rule.r) &&
		       kernel_rule_put(&m->k, &op->rule.r, !op->rule.builtin) == 0;
	case OP_RULE_DEL:
		return kernel_rule_remove(&m->k, &op->rule.r);
	case OP_SYSCTL:
		m->k.sysctls[op->sysctl - m->d->sysctls] = op->sysctl->value;
		return true;
	case OP_FIREWALL:
		m->k.fw = (struct kernel_firewall){
			.present = true, .hash = m->d->fw_hash, .gate_open = op->open};
		return true;
	case OP_GATE:
		m->k.fw.gate_open = op->open;
		return m->k.fw.present;
	}
	return false;
}

void model_copy(struct model *copy, const struct model *m)
{
	*copy = *m;
	kernel_init(&copy->k);
	copy->k.fw = m->k.fw;
	for (const struct kernel_link *l = m->k.by_index; l; l = l->by_index.next) {
		assert_non_null(kernel_link_put(&copy->k, l));
		for (size_t i = 0; i < l->n_addrs; i++)
			assert_int_equal(kernel_addr_put(&copy->k, l->index, &l->addrs[i]), 0);
	}
	for (const struct kernel_route_entry *e = m->k.routes; e; e = e->hh.next)
		assert_int_equal(kernel_route_put(&copy->k, &e->route), 0);
	for (const struct kernel_rule_entry *e = m->k.rules; e; e = e->hh.next)
		assert_int_equal(kernel_rule_put(&copy->k, &e->rule, e->ours), 0);
	copy->k.sysctls = calloc(m->d->n_sysctls + 1, sizeof(*copy->k.sysctls));
	assert_non_null(copy->k.sysctls);
	memcpy(copy->k.sysctls, m->k.sysctls, m->d->n_sysctls * sizeof(*copy->k.sysctls));
}
