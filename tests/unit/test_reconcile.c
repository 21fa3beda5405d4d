/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reconcile as a property: over generated configurations and kernels, with strangers' objects and
 * strangers' changes, applying the plans leads to what is desired, a second time is a no-op, and
 * after every single operation the kernel is in a safe state. The kernel is a model here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/reconcile.h"

#define MAX_ROUNDS 8
#define N_IFS      6

/* --- a generated world ----------------------------------------------------------------------- */

struct world {
	struct config cfg;
	struct config_interface interfaces[N_IFS];
	struct config_vrrp vrrps[4];
	struct config_route routes[3];
	struct config_prefix addrs[32];
	size_t n_addrs;
	struct desired *d;
	struct kernel k;
	uint32_t next_index;
	bool held;
};

static struct plan plan;

static long pick(long n)
{
	return random() % n;
}

static struct config_prefix v4(unsigned a, unsigned b, unsigned c, unsigned d, uint8_t len)
{
	struct config_prefix p = {.family = AF_INET, .len = len};

	p.v4.s_addr = htonl(a << 24 | b << 16 | c << 8 | d);
	return p;
}

static struct config_prefixes prefixes(struct world *w, size_t n, unsigned net, unsigned host)
{
	struct config_prefixes out = {.v = &w->addrs[w->n_addrs], .n = n};

	for (size_t i = 0; i < n; i++)
		w->addrs[w->n_addrs++] = v4(10, net, 0, host + (unsigned)i, 24);
	return out;
}

static void generate_config(struct world *w)
{
	static const enum config_role roles[] = {
		CONFIG_ROLE_LAN, CONFIG_ROLE_WAN, CONFIG_ROLE_HA, CONFIG_ROLE_MGMT};
	long vrrps = pick(5);

	desired_free(w->d);
	w->d = NULL;
	w->n_addrs = 0;
	memset(w->interfaces, 0, sizeof(w->interfaces));
	memset(w->vrrps, 0, sizeof(w->vrrps));
	memset(w->routes, 0, sizeof(w->routes));
	w->cfg = (struct config){.interfaces = w->interfaces,
		.n_interfaces = (size_t)(2 + pick(N_IFS - 1)),
		.vrrps = w->vrrps,
		.routes = w->routes};
	for (size_t i = 0; i < w->cfg.n_interfaces; i++) {
		struct config_interface *c = &w->interfaces[i];

		c->role = i < 2 ? roles[i] : roles[pick(4)];
		snprintf(c->name, sizeof(c->name), "if%u", (unsigned)i % 100);
		c->addresses = prefixes(w, (size_t)pick(3), (unsigned)i, 2);
		c->mtu = pick(3) ? 0 : 1400;
		if (i == 4) {
			snprintf(c->parent, sizeof(c->parent), "if0");
			c->vlan_id = (uint16_t)(10 + pick(2));
		}
	}
	for (long i = 0; i < vrrps; i++) {
		struct config_vrrp *v = &w->vrrps[w->cfg.n_vrrps];
		unsigned on = (unsigned)pick((long)w->cfg.n_interfaces);

		snprintf(v->name, sizeof(v->name), "v%ld", i);
		snprintf(v->interface, sizeof(v->interface), "if%u", on);
		v->vrid = (uint8_t)(10 + i);
		v->virtual_mac = pick(3) > 0;
		v->addresses = prefixes(w, (size_t)(1 + pick(3)), on, 100 + 10 * (unsigned)i);
		w->cfg.n_vrrps++;
	}
	for (long i = pick(4); i > 0; i--) {
		struct config_route *r = &w->routes[w->cfg.n_routes++];

		r->prefix = v4(20, (unsigned)i, 0, 0, 16);
		r->via = v4(10, (unsigned)pick(2), 0, 1, 32);
		r->metric = (uint32_t)pick(2);
	}
}

static void new_desired(struct world *w)
{
	char why[256] = "";
	int rc = desired_build(&w->cfg, &w->d, why, sizeof(why));

	if (rc)
		print_error("desired_build: %s\n", why);
	assert_int_equal(rc, 0);
	w->d->fw_hash = (uint64_t)(1 + pick(3));
	free(w->k.sysctls);
	w->k.sysctls = calloc(w->d->n_sysctls + 1, sizeof(*w->k.sysctls));
	assert_non_null(w->k.sysctls);
	for (size_t i = 0; i < w->d->n_sysctls; i++) {
		const struct desired_sysctl *s = &w->d->sysctls[i];
		bool there = !s->link[0] || kernel_link_by_name(&w->k, s->link);

		w->k.sysctls[i] = there ? (int32_t)pick(3) : SYSCTL_UNKNOWN;
	}
}

/* --- the model of a kernel ------------------------------------------------------------------- */

static struct kernel_link *model_link(struct world *w, const char *name)
{
	struct kernel_link attrs = {
		.index = w->next_index++, .mtu = 1500, .carrier = true, .ether = true};
	struct kernel_link *l;

	memcpy(attrs.name, name, strlen(name) + 1);
	l = kernel_link_put(&w->k, &attrs);
	assert_non_null(l);
	for (size_t i = 0; w->d && i < w->d->n_sysctls; i++)
		if (strcmp(w->d->sysctls[i].link, name) == 0)
			w->k.sysctls[i] = (int32_t)pick(3);
	return l;
}

static void model_link_add(struct world *w, const struct op *op)
{
	struct kernel_link *l = kernel_link_by_name(&w->k, op->name);

	assert_null(l);
	assert_non_null(kernel_link(&w->k, op->index));
	l = model_link(w, op->name);
	l->kind = op->link.want->kind;
	l->parent = op->index;
	l->vlan_id = op->link.want->vlan_id;
	l->ours = l->kind == LINK_VLAN;
	memcpy(l->mac, op->link.want->mac, sizeof(l->mac));
	l->mtu = kernel_link(&w->k, op->index)->mtu;
}

/* Links on top of it go as well. */
static void model_link_del(struct world *w, uint32_t index)
{
	struct kernel_link *l, *tmp;
	bool again = true;

	while (again) {
		again = false;
		HASH_ITER (by_index, w->k.by_index, l, tmp) {
			if (l->parent == index && l->index != index) {
				model_link_del(w, l->index);
				again = true;
				break;
			}
		}
	}
	l = kernel_link(&w->k, index);
	for (size_t i = 0; l && i < w->d->n_sysctls; i++)
		if (strcmp(w->d->sysctls[i].link, l->name) == 0)
			w->k.sysctls[i] = SYSCTL_UNKNOWN;
	kernel_link_remove(&w->k, index);
}

static void model_apply(struct world *w, const struct op *op)
{
	struct kernel_link *l = kernel_link(&w->k, op->index);
	struct kernel_addr addr = {.prefix = op->addr.prefix, .owner = OWNER_CONFIG, .until = USEC_NEVER};

	switch (op->kind) {
	case OP_LINK_ADD:
		model_link_add(w, op);
		break;
	case OP_LINK_DEL:
		model_link_del(w, op->index);
		break;
	case OP_LINK_UP:
		assert_non_null(l);
		l->up = true;
		break;
	case OP_LINK_DOWN:
		assert_non_null(l);
		l->up = false;
		break;
	case OP_RULE_ADD:
		assert_int_equal(kernel_rule_put(&w->k, &op->rule.r, true), 0);
		break;
	case OP_RULE_DEL:
		kernel_rule_remove(&w->k, &op->rule.r);
		break;
	case OP_LINK_RENAME:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
		fail();
		break;
	case OP_LINK_MTU:
		assert_non_null(l);
		l->mtu = op->link.mtu;
		break;
	case OP_ADDR_SET:
		assert_int_equal(kernel_addr_put(&w->k, op->index, &addr), 0);
		break;
	case OP_ADDR_DEL:
		assert_non_null(l);
		assert_non_null(kernel_addr_find(l, &op->addr.prefix));
		kernel_addr_remove(&w->k, op->index, &op->addr.prefix);
		break;
	case OP_ROUTE_SET:
		assert_int_equal(kernel_route_put(&w->k, &op->route.r), 0);
		break;
	case OP_ROUTE_DEL:
		kernel_route_remove(&w->k, &op->route.r);
		break;
	case OP_SYSCTL:
		w->k.sysctls[op->sysctl - w->d->sysctls] = op->sysctl->value;
		break;
	case OP_FIREWALL:
		w->k.fw = (struct kernel_firewall){
			.present = true, .hash = w->d->fw_hash, .gate_open = op->open};
		break;
	case OP_GATE:
		assert_true(w->k.fw.present);
		w->k.fw.gate_open = op->open;
		break;
	}
}

/* --- what must hold -------------------------------------------------------------------------- */

static bool any_virtual(const struct world *w)
{
	for (size_t i = w->d->n_static; i < w->d->n_addrs; i++) {
		const struct desired_addr *a = &w->d->addrs[i];
		const struct kernel_link *l = kernel_link_by_name(&w->k, a->link);

		if (l && kernel_host_find(l, &a->prefix))
			return true;
		l = kernel_link_by_name(&w->k, a->parent);
		if (l && kernel_host_find(l, &a->prefix))
			return true;
	}
	return false;
}

static bool firewall_right(const struct world *w)
{
	const struct kernel_firewall *fw = &w->k.fw;

	return fw->present && !fw->stale && fw->hash == w->d->fw_hash;
}

static void check_link_op(const struct world *w, const struct op *op)
{
	const struct kernel_link *l = kernel_link(&w->k, op->index);
	const struct desired_link *want = desired_link_find(w->d, op->name);

	if (op->kind == OP_LINK_DEL) {
		/* It may have gone with the link below it. */
		assert_true(!l || desired_is_our_macvlan(l) || l->ours);
		return;
	}
	assert_non_null(want);
	if (op->kind != OP_LINK_UP || !want->virt)
		return;
	assert_true(w->held);
	assert_true(firewall_right(w));
	for (size_t i = want->sysctl; i < want->sysctl + want->n_sysctls; i++)
		assert_int_equal(w->k.sysctls[i], w->d->sysctls[i].value);
}

/* Before `op` is applied: is that safe? */
static void check_op(const struct world *w, const struct op *op)
{
	const struct kernel_link *l = kernel_link(&w->k, op->index);
	const struct kernel_addr *a;

	switch (op->kind) {
	case OP_LINK_ADD:
	case OP_LINK_DEL:
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
	case OP_LINK_RENAME:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
		check_link_op(w, op);
		break;
	case OP_ADDR_SET:
		if (op->addr.virt)
			assert_true(w->held && firewall_right(w) && l->up);
		break;
	case OP_ADDR_DEL:
		a = kernel_addr_find(l, &op->addr.prefix);
		assert_true(a->owner != OWNER_OTHER || desired_is_virtual(w->d, l->name, &a->prefix));
		/* Nothing may be answered from here on, however long the removal takes. */
		if (desired_is_virtual(w->d, l->name, &a->prefix) && !w->held)
			assert_false(firewall_right(w) && w->k.fw.gate_open);
		break;
	case OP_SYSCTL:
		if (op->sysctl->phase == SYSCTL_FORWARD)
			assert_true(firewall_right(w));
		break;
	case OP_FIREWALL:
		assert_int_equal(op->open, w->held);
		if (!op->open)
			assert_false(any_virtual(w));
		break;
	case OP_GATE:
		assert_int_equal(op->open, w->held);
		break;
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
	case OP_RULE_ADD:
	case OP_RULE_DEL:
		break;
	}
}

static void check_addresses(const struct world *w)
{
	const struct kernel_link *l;

	for (size_t i = 0; i < w->d->n_addrs; i++) {
		const struct desired_addr *a = &w->d->addrs[i];

		l = kernel_link_by_name(&w->k, a->link);
		if (!l)
			continue;
		assert_int_equal(kernel_addr_find(l, &a->prefix) != NULL, !a->virt || w->held);
	}
	for (l = w->k.by_index; l; l = l->by_index.next) {
		for (size_t i = 0; i < l->n_addrs; i++) {
			bool wanted = l->addrs[i].owner == OWNER_OTHER;

			for (size_t n = 0; n < w->d->n_addrs && !wanted; n++)
				wanted = strcmp(w->d->addrs[n].link, l->name) == 0 &&
					 config_prefix_equal(
						 &w->d->addrs[n].prefix, &l->addrs[i].prefix);
			assert_true(wanted);
		}
	}
}

static void check_desired(const struct world *w)
{
	for (size_t i = 0; i < w->d->n_links; i++) {
		const struct desired_link *want = &w->d->links[i];
		const struct kernel_link *l = kernel_link_by_name(&w->k, want->name);

		if (!l) { /* a missing interface, and all on it */
			assert_true(want->kind == LINK_OTHER ||
				    !kernel_link_by_name(&w->k, want->parent));
			continue;
		}
		assert_int_equal(l->kind, want->kind);
		assert_int_equal(l->up, !want->virt || w->held);
		if (want->mtu)
			assert_int_equal(l->mtu, want->mtu);
	}
	check_addresses(w);
	for (size_t i = 0; i < w->d->n_sysctls; i++)
		assert_true(w->k.sysctls[i] == w->d->sysctls[i].value ||
			    w->k.sysctls[i] == SYSCTL_UNKNOWN);
	assert_true(firewall_right(w));
	assert_int_equal(w->k.fw.gate_open, w->held);
	for (const struct kernel_link *l = w->k.by_index; l; l = l->by_index.next)
		if (desired_is_our_macvlan(l))
			assert_non_null(desired_link_find(w->d, l->name));
}

/* --- runs ------------------------------------------------------------------------------------ */

/* Strangers change things behind our back. */
static void disturb(struct world *w)
{
	struct kernel_link *l, *tmp;
	struct kernel_addr foreign = {.prefix = v4(172, 16, 0, (unsigned)pick(5), 24)};

	HASH_ITER (by_index, w->k.by_index, l, tmp) {
		if (l->n_addrs && !pick(3)) {
			struct config_prefix p = l->addrs[pick((long)l->n_addrs)].prefix;

			kernel_addr_remove(&w->k, l->index, &p);
		}
		if (!pick(4))
			assert_int_equal(kernel_addr_put(&w->k, l->index, &foreign), 0);
		if (!pick(5))
			l->up = !l->up;
	}
	HASH_ITER (by_index, w->k.by_index, l, tmp) {
		if (l->kind != LINK_OTHER && !pick(4)) {
			model_link_del(w, l->index);
			break;
		}
	}
	if (!pick(3))
		kernel_routes_clear(&w->k);
	if (!pick(4))
		w->k.fw.stale = true;
	if (!pick(5))
		w->k.fw = (struct kernel_firewall){0};
	/* Somebody sets a virtual address by hand, on the wrong link and with the wrong length. */
	if (w->d->n_static < w->d->n_addrs && !pick(3)) {
		const struct desired_addr *a = &w->d->addrs[w->d->n_static];
		struct kernel_addr stray = {.prefix = a->prefix};

		l = kernel_link_by_name(&w->k, a->parent);
		stray.prefix.len = 24;
		if (l)
			assert_int_equal(kernel_addr_put(&w->k, l->index, &stray), 0);
	}
}

static size_t settle(struct world *w)
{
	size_t ops = 0;

	for (int round = 0; round < MAX_ROUNDS; round++) {
		reconcile_plan(w->d, w->held, &w->k, RECONCILE_ALL, &plan);
		if (plan.n == 0)
			return ops;
		for (size_t i = 0; i < plan.n; i++) {
			check_op(w, &plan.ops[i]);
			model_apply(w, &plan.ops[i]);
		}
		ops += plan.n;
	}
	fail_msg("not settled after %d rounds", MAX_ROUNDS);
	return ops;
}

/* A prefix of the plan, then death; the next start goes on from there. */
static void die_somewhere(struct world *w)
{
	size_t n;

	reconcile_plan(w->d, w->held, &w->k, RECONCILE_ALL, &plan);
	n = plan.n ? (size_t)pick((long)plan.n + 1) : 0;
	for (size_t i = 0; i < n; i++) {
		check_op(w, &plan.ops[i]);
		model_apply(w, &plan.ops[i]);
	}
}

static void one_world(unsigned seed)
{
	struct world w = {.next_index = 2};

	srandom(seed);
	kernel_init(&w.k);
	for (int i = 0; i < N_IFS; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "if%d", i);
		if (i != 4 && pick(10))
			model_link(&w, name);
	}
	for (int change = 0; change < 6; change++) {
		generate_config(&w);
		new_desired(&w);
		w.held = pick(2);
		if (pick(2))
			die_somewhere(&w);
		settle(&w);
		check_desired(&w);
		w.held = !w.held;
		settle(&w);
		check_desired(&w);
		disturb(&w);
		settle(&w);
		check_desired(&w);
		assert_int_equal(settle(&w), 0);
	}
	desired_free(w.d);
	kernel_fini(&w.k);
}

static void test_random_worlds(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 3000; seed++)
		one_world(seed);
}

/* The fast path does what the lease needs, and nothing else. */
static void test_fast_path(void **state)
{
	struct world w = {.next_index = 2};

	(void)state;
	kernel_init(&w.k);
	srandom(1);
	model_link(&w, "if0");
	model_link(&w, "if1");
	w.interfaces[0] = (struct config_interface){.name = "if0", .role = CONFIG_ROLE_LAN};
	w.vrrps[0] = (struct config_vrrp){
		.name = "lan", .interface = "if0", .vrid = 7, .virtual_mac = true};
	w.vrrps[0].addresses = prefixes(&w, 10, 0, 100);
	w.cfg = (struct config){
		.interfaces = w.interfaces, .n_interfaces = 1, .vrrps = w.vrrps, .n_vrrps = 1};
	new_desired(&w);
	settle(&w);
	assert_true(reconcile_lease_clear(w.d, &w.k));
	assert_false(reconcile_lease_complete(w.d, &w.k));
	w.held = true;
	reconcile_plan(w.d, true, &w.k, RECONCILE_LEASE, &plan);
	assert_int_equal(plan.n, 12);
	assert_int_equal(plan.ops[0].kind, OP_LINK_UP);
	assert_int_equal(plan.ops[11].kind, OP_GATE);
	for (size_t i = 0; i < plan.n; i++)
		model_apply(&w, &plan.ops[i]);
	assert_true(reconcile_lease_complete(w.d, &w.k));
	w.held = false;
	reconcile_plan(w.d, false, &w.k, RECONCILE_LEASE, &plan);
	assert_int_equal(plan.n, 11);
	assert_int_equal(plan.ops[0].kind, OP_GATE);
	for (size_t i = 1; i < 11; i++)
		assert_int_equal(plan.ops[i].kind, OP_ADDR_DEL);
	desired_free(w.d);
	kernel_fini(&w.k);
}

static void test_names(void **state)
{
	char name[IFNAMSIZ], other[IFNAMSIZ];
	struct kernel_link l = {.kind = LINK_MACVLAN, .mac = {0, 0, 0x5e, 0, 1, 255}};

	(void)state;
	desired_macvlan_name("ge2", 10, name);
	assert_string_equal(name, "vr10.ge2");
	desired_macvlan_name("enp0s31f6.1001", 255, name);
	assert_true(strlen(name) < IFNAMSIZ);
	desired_macvlan_name("enp0s31f6.1002", 255, other);
	assert_string_not_equal(name, other);
	memcpy(l.name, name, sizeof(l.name));
	assert_true(desired_is_our_macvlan(&l));
	l.mac[5] = 254;
	assert_false(desired_is_our_macvlan(&l));
}

static void expect_refusal(const struct config *cfg, const char *part)
{
	struct desired *d = NULL;
	char why[256] = "";

	assert_true(desired_build(cfg, &d, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, part));
	assert_non_null(strstr(why, "; "));
}

static void test_refusals(void **state)
{
	struct world w = {0};
	struct config_nat nat = {.interface = "if1", .to = CONFIG_NAT_VIRTUAL};

	(void)state;
	w.interfaces[0] = (struct config_interface){.name = "if0", .role = CONFIG_ROLE_LAN};
	w.interfaces[1] = (struct config_interface){.name = "if1", .role = CONFIG_ROLE_WAN};
	w.interfaces[0].addresses = prefixes(&w, 1, 0, 100);
	w.vrrps[0] = (struct config_vrrp){
		.name = "lan", .interface = "if0", .vrid = 7, .virtual_mac = true};
	w.vrrps[0].addresses = prefixes(&w, 1, 0, 100);
	w.cfg = (struct config){
		.interfaces = w.interfaces, .n_interfaces = 2, .vrrps = w.vrrps, .n_vrrps = 1};
	expect_refusal(&w.cfg, "named twice");
	w.vrrps[0].addresses.v[0].family = AF_INET6;
	expect_refusal(&w.cfg, "must be IPv4");
	w.vrrps[0].addresses = prefixes(&w, 1, 0, 101);
	w.cfg.nats = &nat;
	w.cfg.n_nats = 1;
	expect_refusal(&w.cfg, "no virtual address");
	w.cfg.n_nats = 0;
	memcpy(w.interfaces[0].name, "../all", sizeof("../all"));
	expect_refusal(&w.cfg, "not a name");
	memcpy(w.interfaces[0].name, "if9", sizeof("if9"));
	expect_refusal(&w.cfg, "not configured");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_worlds),
		cmocka_unit_test(test_fast_path),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
