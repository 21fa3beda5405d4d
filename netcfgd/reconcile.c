/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The diff (see reconcile.h): a table of phases, run in order, each adding the operations of one
 * kind that are missing. A phase that finds nothing to do adds nothing, so a plan for a kernel that
 * is right is empty.
 */
#include "netcfgd/reconcile.h"

#include <string.h>

struct ctx {
	const struct desired *d;
	const struct kernel *k;
	bool held;
	struct plan *plan;
};

static struct op *add(struct ctx *c, enum op_kind kind, uint32_t index, const char *name)
{
	static struct op overflow;
	struct op *op;

	if (c->plan->n == PLAN_MAX) {
		c->plan->more = true;
		return &overflow;
	}
	op = &c->plan->ops[c->plan->n++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->index = index;
	memcpy(op->name, name, sizeof(op->name));
	return op;
}

static void add_addr(struct ctx *c, enum op_kind kind, const struct kernel_link *l,
	const struct config_prefix *p, bool virt)
{
	struct op *op = add(c, kind, l->index, l->name);

	op->addr.prefix = *p;
	op->addr.virt = virt;
}

/* A virtual address where it must not be: anywhere while not held, else off its own link or with
 * another prefix length. */
static void drop_virtual_on(struct ctx *c, const struct desired_addr *a, const char *name)
{
	const struct kernel_link *l = kernel_link_by_name(c->k, name);
	bool own = strcmp(a->link, name) == 0;

	for (size_t i = 0; l && i < l->n_addrs; i++) {
		const struct config_prefix *p = &l->addrs[i].prefix;

		if (!prefix_same_host(p, &a->prefix))
			continue;
		if (!c->held || !own || p->len != a->prefix.len)
			add_addr(c, OP_ADDR_DEL, l, p, true);
	}
}

static void drop_virtual_addrs(struct ctx *c)
{
	for (size_t i = c->d->n_static; i < c->d->n_addrs; i++) {
		const struct desired_addr *a = &c->d->addrs[i];

		drop_virtual_on(c, a, a->link);
		if (strcmp(a->link, a->parent) != 0)
			drop_virtual_on(c, a, a->parent);
	}
}

static bool firewall_right(const struct ctx *c)
{
	const struct kernel_firewall *fw = &c->k->fw;

	return fw->present && !fw->stale && fw->hash == c->d->fw_hash;
}

static bool user_rules_ready(const struct ctx *c)
{
	return !c->d->user_hash || c->d->user_hash == c->k->fw.user;
}

/* The operator's rules are still being made ready: until then what is there stays in force. */
static bool firewall_waits(const struct ctx *c)
{
	return c->k->fw.present && !c->k->fw.stale && !user_rules_ready(c);
}

static void close_gate(struct ctx *c)
{
	if (!c->held && (firewall_right(c) || firewall_waits(c)) && c->k->fw.gate_open)
		add(c, OP_GATE, 0, (const char[IFNAMSIZ]){""})->open = false;
}

static void virtual_links_down(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links && !c->held; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = w->virt ? kernel_link_by_name(c->k, w->name) : NULL;

		if (l && l->up && l->kind == w->kind)
			add(c, OP_LINK_DOWN, l->index, l->name);
	}
}

static void sysctls(struct ctx *c, enum sysctl_phase phase)
{
	for (size_t i = 0; i < c->d->n_sysctls && c->k->sysctls; i++) {
		const struct desired_sysctl *s = &c->d->sysctls[i];

		if (s->phase != phase || c->k->sysctls[i] == SYSCTL_UNKNOWN ||
			c->k->sysctls[i] == s->value)
			continue;
		add(c, OP_SYSCTL, 0, s->link)->sysctl = s;
	}
}

static void early_sysctls(struct ctx *c)
{
	sysctls(c, SYSCTL_EARLY);
}

static void link_sysctls(struct ctx *c)
{
	sysctls(c, SYSCTL_LINK);
}

static void firewall(struct ctx *c)
{
	if (firewall_right(c) || firewall_waits(c))
		return;
	/* Nothing is forwarded that the operator may have forbidden. */
	add(c, OP_FIREWALL, 0, (const char[IFNAMSIZ]){""})->open = c->held && user_rules_ready(c);
}

static void forward_sysctls(struct ctx *c)
{
	if (firewall_right(c) || firewall_waits(c))
		sysctls(c, SYSCTL_FORWARD);
}

/* Is the link what is wanted, as far as it cannot be changed in place? */
static bool link_right(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	const struct kernel_link *parent;

	if (w->kind == LINK_OTHER)
		return true;
	parent = kernel_link_by_name(c->k, w->parent);
	if (!parent || l->kind != w->kind || l->parent != parent->index)
		return false;
	if (w->kind == LINK_VLAN)
		return l->vlan_id == w->vlan_id;
	return memcmp(l->mac, w->mac, sizeof(l->mac)) == 0;
}

static bool link_made_by_us(const struct kernel_link *l)
{
	return desired_is_our_macvlan(l) || (l->kind == LINK_VLAN && l->ours);
}

static void del_links(struct ctx *c)
{
	for (const struct kernel_link *l = c->k->by_index; l; l = l->by_index.next) {
		const struct desired_link *w;

		if (!link_made_by_us(l))
			continue;
		w = desired_link_find(c->d, l->name);
		if (w && link_right(c, w, l))
			continue;
		add(c, OP_LINK_DEL, l->index, l->name);
		/* Links on top of it and all their addresses go with it: look again first. */
		c->plan->more = true;
	}
}

static void add_links(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = kernel_link_by_name(c->k, w->name), *parent;

		if (w->kind == LINK_OTHER)
			continue;
		parent = kernel_link_by_name(c->k, w->parent);
		/* A stranger's link of that name: the kernel's refusal says so to the user. */
		if (parent && (!l || !link_right(c, w, l)))
			add(c, OP_LINK_ADD, parent->index, w->name)->link = w;
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

static void links_up(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = kernel_link_by_name(c->k, w->name);

		if (!l || w->virt || !link_right(c, w, l))
			continue;
		if (w->mtu && l->mtu != w->mtu)
			add(c, OP_LINK_MTU, l->index, l->name)->link = w;
		if (!l->up)
			add(c, OP_LINK_UP, l->index, l->name);
	}
}

static bool static_wanted(
	const struct desired *d, const struct kernel_link *l, const struct config_prefix *p)
{
	for (size_t i = 0; i < d->n_static; i++)
		if (d->addrs[i].prefix.len == p->len && strcmp(d->addrs[i].link, l->name) == 0 &&
			prefix_same_host(&d->addrs[i].prefix, p))
			return true;
	return false;
}

/* Ours and no longer wanted; virtual ones are dealt with elsewhere. */
static void del_addrs(struct ctx *c)
{
	for (const struct kernel_link *l = c->k->by_index; l; l = l->by_index.next) {
		for (size_t i = 0; i < l->n_addrs; i++) {
			const struct kernel_addr *a = &l->addrs[i];

			if (a->ours && !static_wanted(c->d, l, &a->prefix) &&
				!desired_is_virtual(c->d, l->name, &a->prefix))
				add_addr(c, OP_ADDR_DEL, l, &a->prefix, false);
		}
	}
}

/* Up, or brought up earlier in this plan. */
static bool will_be_up(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l)
{
	return !w->virt || l->up || (link_right(c, w, l) && switches_set(c, w));
}

static void add_missing(struct ctx *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct desired_addr *a = &c->d->addrs[i];
		const struct kernel_link *l = kernel_link_by_name(c->k, a->link);

		if (l && !kernel_addr_find(l, &a->prefix) && will_be_up(c, a->on, l))
			add_addr(c, OP_ADDR_SET, l, &a->prefix, a->virt);
	}
}

static void add_static_addrs(struct ctx *c)
{
	add_missing(c, 0, c->d->n_static);
}

static bool same_prefix(const struct config_prefix *a, const struct config_prefix *b)
{
	return a->len == b->len && prefix_same_host(a, b);
}

static void del_routes(struct ctx *c)
{
	for (size_t i = 0; i < c->k->n_routes; i++) {
		const struct kernel_route *r = &c->k->routes[i];
		bool wanted = false;

		for (size_t n = 0; n < c->d->n_routes && !wanted; n++)
			wanted = same_prefix(&c->d->routes[n].prefix, &r->prefix) &&
				 c->d->routes[n].metric == r->metric;
		if (!wanted)
			add(c, OP_ROUTE_DEL, r->oif, (const char[IFNAMSIZ]){""})->route = *r;
	}
}

static const struct kernel_route *route_of(const struct kernel *k, const struct desired_route *w)
{
	for (size_t i = 0; i < k->n_routes; i++)
		if (same_prefix(&k->routes[i].prefix, &w->prefix) &&
			k->routes[i].metric == w->metric)
			return &k->routes[i];
	return NULL;
}

static void set_routes(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_routes; i++) {
		const struct desired_route *w = &c->d->routes[i];
		const struct kernel_route *r = route_of(c->k, w);
		const struct kernel_link *l = NULL;
		struct op *op;

		if (w->link[0]) {
			l = kernel_link_by_name(c->k, w->link);
			if (!l)
				continue;
		}
		if (r && prefix_same_host(&r->via, &w->via) && (!l || r->oif == l->index))
			continue;
		op = add(c, OP_ROUTE_SET, l ? l->index : 0, w->link);
		op->route = (struct kernel_route){.prefix = w->prefix,
			.via = w->via,
			.metric = w->metric,
			.oif = l ? l->index : 0};
	}
}

static void open_gate(struct ctx *c)
{
	if (c->held && !c->k->fw.gate_open &&
		(firewall_right(c) || (firewall_waits(c) && c->k->fw.complete)))
		add(c, OP_GATE, 0, (const char[IFNAMSIZ]){""})->open = true;
}

static void virtual_links_up(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links && c->held; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = w->virt ? kernel_link_by_name(c->k, w->name) : NULL;

		if (l && !l->up && link_right(c, w, l) && switches_set(c, w))
			add(c, OP_LINK_UP, l->index, l->name);
	}
}

static void add_virtual_addrs(struct ctx *c)
{
	if (c->held)
		add_missing(c, c->d->n_static, c->d->n_addrs);
}

void reconcile_plan(const struct desired *d, bool held, const struct kernel *k,
	enum reconcile_scope scope, struct plan *plan)
{
	static const struct {
		void (*run)(struct ctx *c);
		bool lease; /* depends on the lease */
	} phases[] = {
		{close_gate, true}, /* first: it waits for nobody */
		{drop_virtual_addrs, true},
		{virtual_links_down, false}, /* 10 ms each in the kernel: not on the fast path */
		{early_sysctls, false}, {firewall, true}, {del_links, false}, {add_links, false},
		{link_sysctls, false}, {links_up, false}, {del_addrs, false},
		{add_static_addrs, false}, {del_routes, false}, {set_routes, false},
		{forward_sysctls, false}, {virtual_links_up, true}, {add_virtual_addrs, true},
		{open_gate, true}, /* last: nothing is answered before everything is there */
	};
	struct ctx c = {.d = d, .k = k, .held = held, .plan = plan};

	plan->n = 0;
	plan->more = false;
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]) && !plan->more; i++)
		if (scope == RECONCILE_ALL || phases[i].lease)
			phases[i].run(&c);
}

bool reconcile_lease_complete(const struct desired *d, const struct kernel *k)
{
	if (!k->fw.present || k->fw.stale || !k->fw.gate_open)
		return false;
	for (size_t i = d->n_static; i < d->n_addrs; i++) {
		const struct desired_addr *a = &d->addrs[i];
		const struct kernel_link *l = kernel_link_by_name(k, a->link);

		if (l && l->up && kernel_addr_find(l, &a->prefix))
			continue;
		if (kernel_link_by_name(k, a->parent))
			return false;
	}
	return true;
}

static bool on_link(const struct kernel *k, const char *name, const struct config_prefix *p)
{
	const struct kernel_link *l = kernel_link_by_name(k, name);

	return l && kernel_host_find(l, p);
}

bool reconcile_lease_clear(const struct desired *d, const struct kernel *k)
{
	if (k->fw.present && (k->fw.stale || k->fw.gate_open))
		return false;
	for (size_t i = d->n_static; i < d->n_addrs; i++) {
		const struct desired_addr *a = &d->addrs[i];

		if (on_link(k, a->link, &a->prefix) || on_link(k, a->parent, &a->prefix))
			return false;
	}
	return true;
}

void reconcile_refresh(
	const struct desired *d, const struct kernel *k, size_t *from, struct plan *plan)
{
	struct ctx c = {.d = d, .k = k, .held = true, .plan = plan};

	plan->n = 0;
	plan->more = false;
	if (*from < d->n_static)
		*from = d->n_static;
	for (; *from < d->n_addrs && plan->n < PLAN_MAX; ++*from) {
		const struct desired_addr *a = &d->addrs[*from];
		const struct kernel_link *l = kernel_link_by_name(k, a->link);

		if (l && kernel_addr_find(l, &a->prefix))
			add_addr(&c, OP_ADDR_SET, l, &a->prefix, true);
	}
}
