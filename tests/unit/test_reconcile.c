/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reconcile as a property: over generated configurations and kernels, with strangers' objects and
 * strangers' changes, applying the plans leads to what is desired, a second time is a no-op, and
 * wherever it is cut short the kernel is in a safe state from which it goes on to the end. The
 * kernel is a model here. A seed as argument replays that world alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/world.h"

#define MAX_ROUNDS 16
#define WORLDS     2000

static struct plan plan;
static unsigned replay;

/* --- what must hold -------------------------------------------------------------------------- */

#define HOLDS(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			print_error("seed %u\n", w->seed);                                         \
		assert_true(what);                                                                 \
	} while (0)

static const struct kernel_link *link_of(const struct world *w, const char *name)
{
	return kernel_link_by_name(&w->m.k, name);
}

static bool any_virtual(const struct world *w)
{
	for (size_t i = w->d->n_static; i < w->d->n_addrs; i++) {
		const struct desired_addr *a = &w->d->addrs[i];
		const struct kernel_link *l = link_of(w, a->link);

		if (l && kernel_host_find(l, &a->prefix))
			return true;
		l = link_of(w, a->parent);
		if (l && kernel_host_find(l, &a->prefix))
			return true;
	}
	return false;
}

static bool firewall_right(const struct world *w)
{
	const struct kernel_firewall *fw = &w->m.k.fw;

	return fw->present && !fw->stale && fw->hash == w->d->fw_hash;
}

static bool is_ours(const struct kernel_link *l)
{
	return desired_is_our_macvlan(l) || l->ours;
}

static void check_link_op(const struct world *w, const struct op *op)
{
	const struct kernel_link *l = kernel_link(&w->m.k, op->index);
	const struct desired_link *want = desired_link_find(w->d, op->name);

	HOLDS(op->kind == OP_LINK_ADD || op->index != w->stranger);
	if (op->kind == OP_LINK_DEL) {
		/* It may have gone with the link below it. A bond may be the driver's. */
		HOLDS(!l || is_ours(l) || (l->kind == LINK_BOND && !l->up && !l->n_addrs));
		return;
	}
	if (op->kind == OP_LINK_MASTER) {
		HOLDS(l->master != w->stranger);
		return;
	}
	HOLDS(want);
	if (op->kind != OP_LINK_UP || !want->virt)
		return;
	HOLDS(w->held && firewall_right(w));
	for (size_t i = want->sysctl; i < want->sysctl + want->n_sysctls; i++)
		HOLDS(w->m.k.sysctls[i] == w->d->sysctls[i].value);
}

/* Before `op` is applied: is that safe? */
static void check_op(const struct world *w, const struct op *op)
{
	const struct kernel_link *l = kernel_link(&w->m.k, op->index);
	const struct kernel_addr *a;

	if (op->kind <= OP_LINK_OPTIONS) {
		check_link_op(w, op);
	} else if (op->kind == OP_ADDR_SET && op->addr.virt) {
		HOLDS(w->held && firewall_right(w) && l->up);
	} else if (op->kind == OP_ADDR_DEL) {
		a = l ? kernel_addr_find(l, &op->addr.prefix) : NULL;
		HOLDS(!a || a->owner != OWNER_OTHER ||
			desired_is_virtual(w->d, l->name, &a->prefix));
		/* Nothing may be answered from here on, however long the removal takes. */
		if (a && desired_is_virtual(w->d, l->name, &a->prefix) && !w->held)
			HOLDS(!(firewall_right(w) && w->m.k.fw.gate_open));
	} else if (op->kind == OP_SYSCTL && op->sysctl->phase == SYSCTL_FORWARD) {
		HOLDS(firewall_right(w));
	} else if (op->kind == OP_FIREWALL || op->kind == OP_GATE) {
		HOLDS(op->open == w->held);
		if (op->kind == OP_FIREWALL && !op->open)
			HOLDS(!any_virtual(w));
	}
}

/* Between two plans, while the lease is not held: nothing answers for a virtual address. */
static void check_safe(const struct world *w)
{
	if (!w->held)
		HOLDS(!any_virtual(w) && !w->m.k.fw.gate_open);
	HOLDS(kernel_link(&w->m.k, w->stranger));
}

static void check_link(const struct world *w, const struct desired_link *want)
{
	const struct kernel_link *l = link_of(w, want->name), *m;

	if (!l) { /* a missing port, and all on it */
		bool masters = want->kind == LINK_BRIDGE || want->kind == LINK_BOND;
		bool member = false;

		for (const struct desired_link *s = want->members; s; s = s->next_member)
			member = member || link_of(w, s->name);
		HOLDS(want->kind == LINK_OTHER || (masters ? !member : !link_of(w, want->parent)));
		return;
	}
	HOLDS(l->kind == want->kind);
	m = want->member ? link_of(w, want->master) : NULL;
	HOLDS(l->master == (m ? m->index : 0) || l->master == w->stranger);
	if (!want->member || l->master != w->stranger)
		HOLDS(l->up == (!want->virt || w->held));
	if (want->mtu && l->master != w->stranger)
		HOLDS(l->mtu == want->mtu);
	if (want->kind == LINK_MACVLAN)
		HOLDS(l->mtu == link_of(w, want->parent)->mtu);
	if (want->has_mac)
		HOLDS(memcmp(l->mac, want->mac, sizeof(l->mac)) == 0);
	if (want->kind == LINK_BRIDGE)
		HOLDS(l->stp == want->stp && l->forward_delay == BRIDGE_FORWARD_DELAY);
}

static void check_addresses(const struct world *w)
{
	const struct kernel_link *l;

	for (size_t i = 0; i < w->d->n_addrs; i++) {
		const struct desired_addr *a = &w->d->addrs[i];
		const struct kernel_addr *k;

		l = link_of(w, a->link);
		k = l ? kernel_addr_find(l, &a->prefix) : NULL;
		if (!l)
			continue;
		HOLDS((k != NULL) == (!a->virt || w->held));
		if (!a->virt)
			HOLDS(k->until == a->until);
	}
	for (l = w->m.k.by_index; l; l = l->by_index.next) {
		const struct desired_link *want = desired_link_find(w->d, l->name);

		for (size_t i = 0; i < l->n_addrs; i++) {
			const struct kernel_addr *k = &l->addrs[i];

			HOLDS(k->owner == OWNER_OTHER ||
				desired_addr_find(w->d, l->name, &k->prefix) ||
				(k->owner == OWNER_WAN && want && want->wan_unknown));
		}
		/* The configuration's first is the one that this node speaks from. */
		if (want && want->n_addrs && w->d->addrs[want->addr].prefix.family == AF_INET &&
			!want->virt) {
			const struct kernel_addr *k =
				kernel_addr_find(l, &w->d->addrs[want->addr].prefix);

			for (size_t i = 0; i < l->n_addrs && k->secondary; i++)
				HOLDS(l->addrs[i].owner != OWNER_CONFIG || l->addrs[i].secondary ||
					l->addrs[i].prefix.len != k->prefix.len ||
					!config_prefix_contains(&l->addrs[i].prefix, &k->prefix));
		}
	}
}

static void check_routes(const struct world *w)
{
	for (size_t i = 0; i < w->d->n_routes; i++) {
		const struct desired_route *r = &w->d->routes[i];
		const struct kernel_route *k = kernel_route_find(&w->m.k, &r->key);
		const struct kernel_link *l = r->link[0] ? link_of(w, r->link) : NULL;

		if (r->link[0] && (!l || !l->up))
			continue;
		HOLDS(k && k->owner == (r->wan ? OWNER_WAN : OWNER_CONFIG));
		HOLDS(k->blackhole == r->blackhole);
		if (r->via.family)
			HOLDS(prefix_same_host(&k->via, &r->via) && (!l || k->oif == l->index));
	}
	for (const struct kernel_route_entry *e = w->m.k.routes; e; e = e->hh.next) {
		struct desired_route *r = NULL;

		HASH_FIND(hh, w->d->routes_by_key, &e->key, sizeof(e->key), r);
		HOLDS(r || e->route.owner == OWNER_KERNEL || e->route.owner == OWNER_WAN);
	}
	for (size_t i = 0; i < w->d->n_rules; i++)
		HOLDS(kernel_rule_find(&w->m.k, &w->d->rules[i].rule));
	for (const struct kernel_rule_entry *e = w->m.k.rules; e; e = e->hh.next) {
		struct desired_rule *r = NULL;

		HASH_FIND(hh, w->d->rules_by_key, &e->rule, sizeof(e->rule), r);
		HOLDS(r || !e->ours);
	}
}

static void check_desired(const struct world *w)
{
	for (size_t i = 0; i < w->d->n_links; i++)
		check_link(w, &w->d->links[i]);
	check_addresses(w);
	check_routes(w);
	for (size_t i = 0; i < w->d->n_sysctls; i++)
		HOLDS(w->m.k.sysctls[i] == w->d->sysctls[i].value ||
			w->m.k.sysctls[i] == SYSCTL_UNKNOWN);
	HOLDS(firewall_right(w) && w->m.k.fw.gate_open == w->held);
	for (const struct kernel_link *l = w->m.k.by_index; l; l = l->by_index.next)
		if (is_ours(l))
			HOLDS(desired_link_find(w->d, l->name));
	check_safe(w);
}

/* --- runs ------------------------------------------------------------------------------------ */

static void carry_out(struct world *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_op(w, &plan.ops[i]);
		model_apply(&w->m, &plan.ops[i]);
	}
}

static size_t settle(struct world *w)
{
	size_t ops = 0;
	char text[DESCRIBE_MAX];

	for (int round = 0; round < MAX_ROUNDS; round++) {
		reconcile_plan(w->d, w->held, &w->m.k, RECONCILE_ALL, &plan);
		if (plan.n == 0)
			return ops;
		carry_out(w, plan.n);
		check_safe(w);
		ops += plan.n;
	}
	for (size_t i = 0; i < plan.n; i++) {
		describe_op(&plan.ops[i], false, text);
		print_error("left: %s\n", text);
	}
	fail_msg("seed %u: not settled after %d rounds", w->seed, MAX_ROUNDS);
	return ops;
}

/* A prefix of the plan, then death; the next start goes on from there. */
static void die_somewhere(struct world *w)
{
	reconcile_plan(w->d, w->held, &w->m.k, RECONCILE_ALL, &plan);
	carry_out(w, plan.n ? world_pick(w, (uint32_t)plan.n + 1) : 0);
}

/* After each operation of all plans on the way there: from there it reaches the end as well. */
static void die_everywhere(struct world *w)
{
	for (size_t at = 0;; at++) {
		struct world copy = *w;
		size_t left = at;

		model_copy(&copy.m, &w->m);
		for (;;) {
			reconcile_plan(copy.d, copy.held, &copy.m.k, RECONCILE_ALL, &plan);
			if (plan.n == 0 || plan.n > left)
				break;
			carry_out(&copy, plan.n);
			left -= plan.n;
		}
		if (plan.n == 0) {
			kernel_fini(&copy.m.k);
			return;
		}
		carry_out(&copy, left);
		settle(&copy);
		check_desired(&copy);
		kernel_fini(&copy.m.k);
	}
}

static void one_world(unsigned seed)
{
	struct world w;

	world_begin(&w, seed);
	for (int change = 0; change < 6; change++) {
		world_configure(&w);
		world_desire(&w);
		w.held = world_pick(&w, 2);
		if (world_pick(&w, 2))
			die_somewhere(&w);
		if (seed % 20 == 0 || replay)
			die_everywhere(&w);
		settle(&w);
		check_desired(&w);
		w.held = !w.held;
		settle(&w);
		check_desired(&w);
		world_disturb(&w);
		if (seed % 20 == 0 || replay)
			die_everywhere(&w);
		settle(&w);
		check_desired(&w);
		assert_int_equal(settle(&w), 0);
	}
	world_end(&w);
}

static void test_random_worlds(void **state)
{
	(void)state;
	for (unsigned seed = replay ? replay : 1; seed <= (replay ? replay : WORLDS); seed++)
		one_world(seed);
}

/* The fast path does what the lease needs, and nothing else. */
static void test_fast_path(void **state)
{
	struct world w = {.m = {.next_index = 2, .state = 1}};

	(void)state;
	kernel_init(&w.m.k);
	model_link(&w.m, "if0");
	model_link(&w.m, "if1");
	w.interfaces[0] = (struct config_interface){.name = "if0", .role = CONFIG_ROLE_LAN};
	w.vrrps[0] = (struct config_vrrp){
		.name = "lan", .interface = "if0", .vrid = 7, .virtual_mac = true};
	w.vrrps[0].addresses = world_prefixes(&w, 10, 0, 100);
	w.cfg = (struct config){
		.interfaces = w.interfaces, .n_interfaces = 1, .vrrps = w.vrrps, .n_vrrps = 1};
	w.stranger = model_link(&w.m, "stranger")->index;
	world_desire(&w);
	settle(&w);
	assert_true(reconcile_lease_clear(w.d, &w.m.k));
	assert_false(reconcile_lease_complete(w.d, &w.m.k));
	w.held = true;
	reconcile_plan(w.d, true, &w.m.k, RECONCILE_LEASE, &plan);
	assert_int_equal(plan.n, 12);
	assert_int_equal(plan.ops[0].kind, OP_LINK_UP);
	assert_int_equal(plan.ops[11].kind, OP_GATE);
	for (size_t i = 0; i < plan.n; i++)
		model_apply(&w.m, &plan.ops[i]);
	assert_true(reconcile_lease_complete(w.d, &w.m.k));
	w.held = false;
	reconcile_plan(w.d, false, &w.m.k, RECONCILE_LEASE, &plan);
	assert_int_equal(plan.n, 11);
	assert_int_equal(plan.ops[0].kind, OP_GATE);
	for (size_t i = 1; i < 11; i++)
		assert_int_equal(plan.ops[i].kind, OP_ADDR_DEL);
	world_end(&w);
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
	w.interfaces[0].addresses = world_prefixes(&w, 1, 0, 100);
	w.vrrps[0] = (struct config_vrrp){
		.name = "lan", .interface = "if0", .vrid = 7, .virtual_mac = true};
	w.vrrps[0].addresses = world_prefixes(&w, 1, 0, 100);
	w.cfg = (struct config){
		.interfaces = w.interfaces, .n_interfaces = 2, .vrrps = w.vrrps, .n_vrrps = 1};
	expect_refusal(&w.cfg, "named twice");
	w.vrrps[0].addresses.v[0].family = AF_INET6;
	expect_refusal(&w.cfg, "must be IPv4");
	w.vrrps[0].addresses = world_prefixes(&w, 1, 0, 101);
	w.cfg.nats = &nat;
	w.cfg.n_nats = 1;
	expect_refusal(&w.cfg, "no virtual address");
	w.cfg.n_nats = 0;
	memcpy(w.interfaces[0].name, "../all", sizeof("../all"));
	expect_refusal(&w.cfg, "not a name");
	memcpy(w.interfaces[0].name, "if9", sizeof("if9"));
	expect_refusal(&w.cfg, "not configured");
}

static void test_order(void **state)
{
	struct world w = {0};
	char br[] = "br0", bond[] = "bond0", *up[] = {bond}, *down[] = {br};

	(void)state;
	w.interfaces[0] = (struct config_interface){.name = "br0.7",
		.parent = "br0",
		.kind = CONFIG_LINK_VLAN,
		.role = CONFIG_ROLE_LAN,
		.vlan_id = 7};
	w.interfaces[1] = (struct config_interface){.name = "br0",
		.kind = CONFIG_LINK_BRIDGE,
		.role = CONFIG_ROLE_LAN,
		.ports = {up, 1}};
	w.interfaces[2] = (struct config_interface){.name = "bond0",
		.kind = CONFIG_LINK_BOND,
		.role = CONFIG_ROLE_LAN,
		.master = "br0"};
	w.cfg = (struct config){.interfaces = w.interfaces, .n_interfaces = 3};
	w.m.state = 1;
	world_desire(&w);
	assert_string_equal(w.d->links[0].name, "bond0");
	assert_string_equal(w.d->links[1].name, "br0");
	assert_string_equal(w.d->links[2].name, "br0.7");
	assert_ptr_equal(w.d->links[1].members, &w.d->links[0]);
	desired_free(w.d);
	free(w.m.k.sysctls);
	/* In a circle. */
	w.interfaces[2].ports = (struct config_strings){down, 1};
	expect_refusal(&w.cfg, "made on itself");
}

/* What the bonding driver makes when it is loaded is in the way; a bond that is used stays. */
static void test_drivers_bond(void **state)
{
	struct world w = {.m = {.next_index = 2, .state = 1}};
	char port[] = "if0", *ports[] = {port};
	struct kernel_link *bond;

	(void)state;
	kernel_init(&w.m.k);
	model_link(&w.m, port);
	w.stranger = model_link(&w.m, "stranger")->index;
	bond = model_link(&w.m, "bond0");
	bond->kind = LINK_BOND;
	bond->up = true;
	w.interfaces[0] = (struct config_interface){.name = "if0",
		.kind = CONFIG_LINK_PORT,
		.role = CONFIG_ROLE_LAN,
		.master = "bond0"};
	w.interfaces[1] = (struct config_interface){.name = "bond0",
		.kind = CONFIG_LINK_BOND,
		.role = CONFIG_ROLE_LAN,
		.bond_mode = CONFIG_BOND_LACP,
		.ports = {ports, 1}};
	w.cfg = (struct config){.interfaces = w.interfaces, .n_interfaces = 2};
	world_desire(&w);
	settle(&w);
	assert_ptr_equal(link_of(&w, "bond0"), bond);
	assert_true(reconcile_name_taken(w.d, &w.d->links[1], &w.m.k));
	bond->up = false;
	bond->aliased = true;
	settle(&w);
	assert_ptr_equal(link_of(&w, "bond0"), bond);
	bond->aliased = false;
	bond->bond_mode = 1;
	settle(&w);
	assert_ptr_equal(link_of(&w, "bond0"), bond);
	bond->bond_mode = 0;
	settle(&w);
	assert_true(link_of(&w, "bond0")->ours);
	check_desired(&w);
	/* What somebody has set otherwise; its LACP rate only while it is down. */
	bond = kernel_link_by_name(&w.m.k, "bond0");
	assert_true(bond->up && bond->lacp_fast && bond->xmit_hash);
	bond->lacp_fast = false;
	bond->xmit_hash = 0;
	settle(&w);
	assert_true(bond->up && bond->lacp_fast && bond->xmit_hash);
	check_desired(&w);
	world_end(&w);
}

/* Strangers' subnets without end leave room for the ways to ours, and for our routes. */
static void test_strangers_subnets(void **state)
{
	struct kernel_link attrs = {.index = 2, .name = "ge2"};
	struct kernel_addr ours = {
		.prefix = world_v4(192, 168, 7, 2, 24), .owner = OWNER_CONFIG, .until = USEC_NEVER};
	struct kernel_route r = {.table = KERNEL_TABLE_MAIN, .oif = 2, .owner = OWNER_KERNEL};
	struct kernel k;

	(void)state;
	kernel_init(&k);
	assert_non_null(kernel_link_put(&k, &attrs));
	assert_int_equal(kernel_addr_put(&k, 2, &ours), 0);
	for (unsigned i = 0; i < KERNEL_MAX_ROUTES; i++) {
		r.prefix = world_v4(10, i / 256, i % 256, 0, 24);
		assert_int_equal(kernel_route_put(&k, &r), 0);
	}
	r.prefix = world_v4(172, 16, 0, 0, 24);
	assert_int_equal(kernel_route_put(&k, &r), -ENOSPC);
	r.prefix = world_v4(192, 168, 7, 0, 24);
	assert_int_equal(kernel_route_put(&k, &r), 0);
	r.owner = OWNER_CONFIG;
	r.prefix = world_v4(172, 16, 0, 0, 24);
	assert_int_equal(kernel_route_put(&k, &r), 0);
	kernel_fini(&k);
}

/* Where no pair of objects is compared with each other, a plan for many costs little. */
static void test_many(void **state)
{
	static struct config_interface many[CONFIG_MAX_INTERFACES];
	static struct config_prefix addrs[CONFIG_MAX_INTERFACES];
	struct world w = {.m = {.next_index = 2, .state = 1}};
	usec_t start, took;

	(void)state;
	kernel_init(&w.m.k);
	model_link(&w.m, "if0");
	w.stranger = model_link(&w.m, "stranger")->index;
	for (unsigned i = 0; i < 1000; i++) {
		struct config_interface *c = &many[i];

		addrs[i] = world_v4(10, i >> 8, i & 255, 2, 24);
		c->role = CONFIG_ROLE_LAN;
		c->kind = i ? CONFIG_LINK_VLAN : CONFIG_LINK_PORT;
		snprintf(c->name, sizeof(c->name), i ? "if0.%u" : "if%u", i);
		snprintf(c->parent, sizeof(c->parent), "%s", i ? "if0" : "");
		c->vlan_id = (uint16_t)i;
		c->addresses = (struct config_prefixes){&addrs[i], 1};
	}
	w.cfg = (struct config){.interfaces = many, .n_interfaces = 1000};
	world_desire(&w);
	settle(&w);
	start = clock_now_us();
	for (int i = 0; i < 100; i++)
		assert_int_equal(settle(&w), 0);
	took = (clock_now_us() - start) / 100;
	print_message("1000 interfaces: a plan takes %lld µs\n", (long long)took);
	world_end(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_worlds),
		cmocka_unit_test(test_fast_path),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_drivers_bond),
		cmocka_unit_test(test_strangers_subnets),
		cmocka_unit_test(test_many),
	};

	replay = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
