/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of links: names, vlans, macvlans, bridges, bonds, members, MAC, MTU, up. Pure.
 */
#include <string.h>

#include "netcfgd/reconcile_internal.h"

static const struct kernel_link *kernel_of(const struct ctx *c, const struct desired_link *w)
{
	return kernel_link_by_name(c->k, w->name);
}

bool reconcile_made_by_us(const struct kernel_link *l)
{
	bool markable = l->kind == LINK_VLAN || l->kind == LINK_BRIDGE || l->kind == LINK_BOND;

	return desired_is_our_macvlan(l) || (markable && l->ours);
}

bool reconcile_link_right(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	const struct kernel_link *parent;

	if (w->kind == LINK_OTHER)
		return !reconcile_made_by_us(l);
	if (l->kind != w->kind)
		return false;
	if (w->kind == LINK_BRIDGE)
		return true;
	if (w->kind == LINK_BOND)
		return l->bond_mode == w->bond_mode;
	parent = kernel_link_by_name(c->k, w->parent);
	if (!parent || l->parent != parent->index)
		return false;
	return w->kind == LINK_MACVLAN || l->vlan_id == w->vlan_id;
}

bool reconcile_bond_hashes(const struct desired_link *w)
{
	return w->kind == LINK_BOND &&
	       (w->bond_mode == BOND_MODE_8023AD || w->bond_mode == BOND_MODE_XOR);
}

bool reconcile_name_taken(
	const struct desired *d, const struct desired_link *w, const struct kernel *k)
{
	struct ctx c = {.d = d, .k = k};
	const struct kernel_link *l = w->kind != LINK_OTHER ? kernel_of(&c, w) : NULL;

	return l && !reconcile_link_right(&c, w, l) && !reconcile_made_by_us(l);
}

const struct kernel_link *reconcile_strange_master(
	const struct desired_link *w, const struct kernel *k)
{
	const struct kernel_link *l = kernel_link_by_name(k, w->name);
	const struct kernel_link *m = l && l->master ? kernel_link(k, l->master) : NULL;

	return m && !reconcile_made_by_us(m) && strcmp(m->name, w->master) != 0 ? m : NULL;
}

/* --- names, making, deleting ----------------------------------------------------------------- */

void reconcile_rename_links(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l;
		struct op *op;

		if (!w->device[0] || strcmp(w->device, w->name) == 0 || kernel_of(c, w))
			continue;
		l = kernel_link_by_name(c->k, w->device);
		if (!l || reconcile_made_by_us(l) || desired_link_find(c->d, w->device))
			continue;
		op = reconcile_add(c, OP_LINK_RENAME, l->index, w->name);
		op->link.want = w;
		memcpy(op->link.from, l->name, sizeof(op->link.from));
	}
}

static bool has_members(const struct ctx *c, const struct kernel_link *l)
{
	for (const struct kernel_link *m = c->k->by_index; m; m = m->by_index.next)
		if (m->master == l->index)
			return true;
	return false;
}

/* The bonding driver makes one by itself when it is loaded, which nobody uses: nothing about it was
 * set by anybody. */
static bool is_drivers_bond(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	return w && w->kind == LINK_BOND && l->kind == LINK_BOND && !l->aliased && !l->up &&
	       !l->bond_mode && !l->n_addrs && !has_members(c, l);
}

void reconcile_del_links(struct ctx *c)
{
	for (const struct kernel_link *l = c->k->by_index; l; l = l->by_index.next) {
		const struct desired_link *w;
		bool ours = reconcile_made_by_us(l);

		if (!ours && l->kind != LINK_BOND)
			continue;
		w = desired_link_find(c->d, l->name);
		if (w && reconcile_link_right(c, w, l))
			continue;
		if (!ours && !is_drivers_bond(c, w, l))
			continue;
		reconcile_add(c, OP_LINK_DEL, l->index, l->name);
		/* Links on top of it and all their addresses go with it: look again first. */
		c->plan->more = true;
	}
}

/* The first of its members that is there gives a bridge or bond its MAC, for as long as it lives.
 */
static const struct kernel_link *first_member(
	const struct ctx *c, const struct desired_link *w, const struct desired_link **ret_want)
{
	for (const struct desired_link *m = w->members; m; m = m->next_member) {
		const struct kernel_link *l = kernel_of(c, m);

		if (!l)
			continue;
		*ret_want = m;
		return l;
	}
	return NULL;
}

static void add_link(
	struct ctx *c, const struct desired_link *w, uint32_t parent, const uint8_t *mac)
{
	struct op *op = reconcile_add(c, OP_LINK_ADD, parent, w->name);

	op->link.want = w;
	op->link.has_mac = mac != NULL;
	if (mac)
		memcpy(op->link.mac, mac, sizeof(op->link.mac));
}

static void add_master(struct ctx *c, const struct desired_link *w)
{
	const struct desired_link *m = NULL;
	const struct kernel_link *l = first_member(c, w, &m);

	/* Without any member it would have to invent a MAC. */
	if (w->has_mac || !w->members)
		add_link(c, w, 0, w->has_mac ? w->mac : NULL);
	else if (l)
		add_link(c, w, 0, m->has_mac ? m->mac : l->mac);
}

void reconcile_add_links(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = kernel_of(c, w), *parent;

		/* One of that name that is wrong: if it was ours, it goes first; else it stays. */
		if (w->kind == LINK_OTHER || l)
			continue;
		if (w->kind == LINK_BRIDGE || w->kind == LINK_BOND) {
			add_master(c, w);
			continue;
		}
		parent = kernel_link_by_name(c->k, w->parent);
		if (parent)
			add_link(c, w, parent->index, w->has_mac ? w->mac : NULL);
	}
}

/* --- members --------------------------------------------------------------------------------- */

static void set_master(struct ctx *c, const struct desired_link *w, const struct kernel_link *l,
	const struct kernel_link *to)
{
	struct op *op = reconcile_add(c, OP_LINK_MASTER, l->index, l->name);

	op->link.want = w;
	if (!to)
		return;
	op->link.master = to->index;
	memcpy(op->link.from, to->name, sizeof(op->link.from));
}

/* Into its bridge or bond; what a stranger has put into another is left there. */
static void join(struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	const struct desired_link *want = desired_link_find(c->d, w->master);
	const struct kernel_link *to = kernel_link_by_name(c->k, w->master);
	const struct kernel_link *now = l->master ? kernel_link(c->k, l->master) : NULL;

	if (!want || !to || !reconcile_link_right(c, want, to) || l->master == to->index)
		return;
	if (now && !reconcile_made_by_us(now))
		return;
	/* A bond takes none that is up. */
	if (to->kind == LINK_BOND && l->up)
		reconcile_add(c, OP_LINK_DOWN, l->index, l->name)->link.want = w;
	set_master(c, w, l, to);
}

static bool belongs(const struct desired_link *w, const struct kernel_link *master)
{
	return w && w->member && strcmp(w->master, master->name) == 0;
}

void reconcile_members(struct ctx *c)
{
	for (const struct kernel_link *l = c->k->by_index; l; l = l->by_index.next) {
		const struct kernel_link *m = l->master ? kernel_link(c->k, l->master) : NULL;
		const struct desired_link *w;

		if (!m || !reconcile_made_by_us(m))
			continue;
		w = desired_link_find(c->d, l->name);
		/* What is to join another one changes in one step. */
		if (!belongs(w, m) && !(w && w->member && kernel_link_by_name(c->k, w->master)))
			set_master(c, w, l, NULL);
	}
	for (size_t i = 0; i < c->d->n_links; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = w->member ? kernel_of(c, w) : NULL;

		if (l && reconcile_link_right(c, w, l))
			join(c, w, l);
	}
}

/* --- what can be changed in place ------------------------------------------------------------ */

static bool lacp_right(const struct desired_link *w, const struct kernel_link *l)
{
	return w->kind != LINK_BOND || w->bond_mode != BOND_MODE_8023AD || l->lacp_fast;
}

static bool options_right(const struct desired_link *w, const struct kernel_link *l)
{
	if (w->kind == LINK_BRIDGE)
		return l->stp == w->stp && !l->vlan_filtering &&
		       (l->follows || l->forward_delay == BRIDGE_FORWARD_DELAY);
	if (w->kind != LINK_BOND)
		return true;
	return l->miimon == BOND_MIIMON && lacp_right(w, l) &&
	       (!reconcile_bond_hashes(w) || l->xmit_hash == BOND_XMIT_POLICY_LAYER23);
}

static void set_options(struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	bool lacp = !lacp_right(w, l);
	struct op *op;

	/* The kernel takes that of one that is down only. */
	if (lacp && l->up)
		reconcile_add(c, OP_LINK_DOWN, l->index, l->name)->link.want = w;
	op = reconcile_add(c, OP_LINK_OPTIONS, l->index, l->name);
	op->link.want = w;
	op->link.rest = lacp || l->vlan_filtering;
}

/* 0: whatever it is. */
static uint32_t mtu_wanted(const struct ctx *c, const struct desired_link *w)
{
	const struct kernel_link *parent;

	if (w->mtu || (w->kind != LINK_VLAN && w->kind != LINK_MACVLAN))
		return w->mtu;
	parent = kernel_link_by_name(c->k, w->parent);
	return parent ? parent->mtu : 0;
}

static void mtu(struct ctx *c, const struct desired_link *w, bool grow)
{
	const struct kernel_link *l = kernel_of(c, w);
	uint32_t want = l && reconcile_link_right(c, w, l) ? mtu_wanted(c, w) : 0;
	struct op *op;

	if (!want || want == l->mtu || (want > l->mtu) != grow)
		return;
	op = reconcile_add(c, OP_LINK_MTU, l->index, l->name);
	op->link.want = w;
	op->link.mtu = want;
}

void reconcile_link_options(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = kernel_of(c, w);
		struct op *op;

		if (!l || !reconcile_link_right(c, w, l))
			continue;
		if (!options_right(w, l))
			set_options(c, w, l);
		if (!w->has_mac || memcmp(l->mac, w->mac, sizeof(l->mac)) == 0)
			continue;
		op = reconcile_add(c, OP_LINK_MAC, l->index, l->name);
		op->link.want = w;
		memcpy(op->link.mac, w->mac, sizeof(op->link.mac));
	}
	/* None may be larger than what it is on. */
	for (size_t i = c->d->n_links; i-- > 0;)
		mtu(c, &c->d->links[i], false);
	for (size_t i = 0; i < c->d->n_links; i++)
		mtu(c, &c->d->links[i], true);
}

/* --- up -------------------------------------------------------------------------------------- */

/* Its bond will set it up, and takes it only while it is down. */
static bool awaits_bond(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	const struct desired_link *m = w->member ? desired_link_find(c->d, w->master) : NULL;

	return m && m->kind == LINK_BOND && !l->master;
}

void reconcile_links_up(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = w->virt ? NULL : kernel_of(c, w);

		if (l && !l->up && reconcile_link_right(c, w, l) && !awaits_bond(c, w, l))
			reconcile_add(c, OP_LINK_UP, l->index, l->name)->link.want = w;
	}
}

static bool switches_set(const struct ctx *c, const struct desired_link *w)
{
	for (size_t i = w->sysctl; i < w->sysctl + w->n_sysctls; i++) {
		const struct desired_sysctl *s = &c->d->sysctls[i];
		int32_t v = c->k->sysctls ? c->k->sysctls[i] : SYSCTL_UNKNOWN;

		if (v != s->value && !(v == SYSCTL_UNKNOWN && s->optional))
			return false;
	}
	return true;
}

static bool can_be_up(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	return reconcile_link_right(c, w, l) && memcmp(l->mac, w->mac, sizeof(l->mac)) == 0 &&
	       switches_set(c, w);
}

bool reconcile_will_be_up(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	return !w->virt || l->up || can_be_up(c, w, l);
}

void reconcile_virtual_links_up(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links && c->held; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = w->virt ? kernel_of(c, w) : NULL;

		if (l && !l->up && can_be_up(c, w, l))
			reconcile_add(c, OP_LINK_UP, l->index, l->name)->link.want = w;
	}
}
