/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The diff (see reconcile.h): a table of phases, run in order, each adding the operations of one
 * kind that are missing. A phase that finds nothing to do adds nothing, so a plan for a kernel that
 * is right is empty.
 */
#include <string.h>

#include "netcfgd/reconcile_internal.h"

struct op *reconcile_add(struct ctx *c, enum op_kind kind, uint32_t index, const char *name)
{
	static struct op overflow; /* written to, never read */
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

struct op *reconcile_add_addr(struct ctx *c, enum op_kind kind, const struct kernel_link *l,
	const struct config_prefix *p, bool virt)
{
	struct op *op = reconcile_add(c, kind, l->index, l->name);

	op->addr.prefix = *p;
	op->addr.virt = virt;
	return op;
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
			reconcile_add_addr(c, OP_ADDR_DEL, l, p, true);
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
		reconcile_add(c, OP_GATE, 0, (const char[IFNAMSIZ]){""})->open = false;
}

static void virtual_links_down(struct ctx *c)
{
	for (size_t i = 0; i < c->d->n_links && !c->held; i++) {
		const struct desired_link *w = &c->d->links[i];
		const struct kernel_link *l = w->virt ? kernel_link_by_name(c->k, w->name) : NULL;

		if (l && l->up && l->kind == w->kind)
			reconcile_add(c, OP_LINK_DOWN, l->index, l->name)->link.virt = true;
	}
}

static void sysctls(struct ctx *c, enum sysctl_phase phase)
{
	for (size_t i = 0; i < c->d->n_sysctls && c->k->sysctls; i++) {
		const struct desired_sysctl *s = &c->d->sysctls[i];

		if (s->phase != phase || c->k->sysctls[i] == SYSCTL_UNKNOWN ||
			c->k->sysctls[i] == s->value)
			continue;
		reconcile_add(c, OP_SYSCTL, 0, s->link)->sysctl = s;
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
	reconcile_add(c, OP_FIREWALL, 0, (const char[IFNAMSIZ]){""})->open =
		c->held && user_rules_ready(c);
}

static void forward_sysctls(struct ctx *c)
{
	if (firewall_right(c) || firewall_waits(c))
		sysctls(c, SYSCTL_FORWARD);
}

static void open_gate(struct ctx *c)
{
	if (c->held && !c->k->fw.gate_open &&
		(firewall_right(c) || (firewall_waits(c) && c->k->fw.complete)))
		reconcile_add(c, OP_GATE, 0, (const char[IFNAMSIZ]){""})->open = true;
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
		{early_sysctls, false}, {firewall, true}, {reconcile_rename_links, false},
		{reconcile_del_links, false}, {reconcile_add_links, false},
		{reconcile_members, false}, {reconcile_link_options, false}, {link_sysctls, false},
		{reconcile_links_up, false}, {reconcile_del_addrs_in_the_way, false},
		{reconcile_add_static_addrs, false}, {reconcile_del_addrs, false},
		{reconcile_connected, false}, {reconcile_set_routes, false},
		{reconcile_del_routes, false}, {reconcile_rules, false}, {forward_sysctls, false},
		{reconcile_virtual_links_up, true}, {reconcile_add_virtual_addrs, true},
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

bool reconcile_lease_found(const struct desired *d, const struct kernel *k)
{
	if (!k->fw.present || !k->fw.gate_open)
		return false;
	for (size_t i = d->n_static; i < d->n_addrs; i++) {
		const struct kernel_link *l = kernel_link_by_name(k, d->addrs[i].link);

		if (l && l->up && kernel_addr_find(l, &d->addrs[i].prefix))
			return true;
	}
	return reconcile_lease_complete(d, k);
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
			reconcile_add_addr(&c, OP_ADDR_SET, l, &a->prefix, true);
	}
}
