/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generated worlds (see world.h).
 */
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* --- configurations -------------------------------------------------------------------------- */

uint32_t world_pick(struct world *w, uint32_t n)
{
	return model_pick(&w->m, n);
}

struct config_prefix world_v4(unsigned a, unsigned b, unsigned c, unsigned d, uint8_t len)
{
	struct config_prefix p = {.family = AF_INET, .len = len};

	p.v4.s_addr = htonl(a << 24 | b << 16 | c << 8 | d);
	return p;
}

static struct config_prefix v6(unsigned net, unsigned host, uint8_t len)
{
	struct config_prefix p = {.family = AF_INET6, .len = len};

	p.v6.s6_addr[0] = 0xfd;
	p.v6.s6_addr[5] = (uint8_t)net;
	p.v6.s6_addr[15] = (uint8_t)host;
	return p;
}

struct config_prefixes world_prefixes(struct world *w, size_t n, unsigned net, unsigned host)
{
	struct config_prefixes out = {.v = &w->addrs[w->n_addrs], .n = n};

	for (size_t i = 0; i < n; i++)
		w->addrs[w->n_addrs++] = world_v4(10, net, 0, host + (unsigned)i, 24);
	return out;
}

static struct config_interface *add_interface(struct world *w, const char *name, unsigned net)
{
	static const enum config_role roles[] = {
		CONFIG_ROLE_LAN, CONFIG_ROLE_WAN, CONFIG_ROLE_HA, CONFIG_ROLE_MGMT};
	struct config_interface *c = &w->interfaces[w->cfg.n_interfaces++];

	strncpy(c->name, name, sizeof(c->name) - 1);
	c->kind = CONFIG_LINK_PORT;
	c->role = roles[world_pick(w, 4)];
	c->addresses = world_prefixes(w, world_pick(w, 4), net, 2 + world_pick(w, 3));
	if (c->addresses.n && !world_pick(w, 3))
		c->addresses.v[c->addresses.n - 1] = v6(net, 2, world_pick(w, 2) ? 64 : 48);
	c->mtu = world_pick(w, 3) ? 0 : 1400 + 10 * world_pick(w, 3);
	if (!world_pick(w, 4))
		memcpy(c->mac, (uint8_t[]){2, 1, 1, 1, 1, (uint8_t)net}, sizeof(c->mac));
	return c;
}

/* A bridge or bond over some ports. */
static void add_master(struct world *w, const char *name, bool bond, unsigned first, unsigned n)
{
	struct config_interface *c = add_interface(w, name, first + 10);

	c->kind = bond ? CONFIG_LINK_BOND : CONFIG_LINK_BRIDGE;
	c->bond_mode = (enum config_bond_mode)(1 + world_pick(w, 3));
	c->stp = !bond && world_pick(w, 2);
	c->ports.v = w->ports[bond];
	for (unsigned i = 0; i < n; i++) {
		struct config_interface *m = add_interface(w, w->names[first + i], 0);

		m->addresses.n = 0;
		m->implied = true;
		m->role = c->role;
		snprintf(m->master, sizeof(m->master), "%s", name);
		w->ports[bond][c->ports.n++] = w->names[first + i];
	}
}

static void add_vlan(struct world *w, const char *parent, unsigned net)
{
	char name[2 * IFNAMSIZ];
	struct config_interface *c;

	snprintf(name, sizeof(name), "%s.7", parent);
	c = add_interface(w, name, net);
	c->kind = CONFIG_LINK_VLAN;
	c->vlan_id = (uint16_t)(7 + world_pick(w, 2));
	c->mtu = 0;
	snprintf(c->parent, sizeof(c->parent), "%s", parent);
}

/* The configuration may name them in any order. */
static void shuffle(struct world *w)
{
	for (size_t i = w->cfg.n_interfaces; i > 1; i--) {
		size_t n = world_pick(w, (uint32_t)i);
		struct config_interface swap = w->interfaces[i - 1];

		w->interfaces[i - 1] = w->interfaces[n];
		w->interfaces[n] = swap;
	}
}

static void generate_links(struct world *w)
{
	bool bridge = world_pick(w, 2), bond = world_pick(w, 2);

	for (unsigned i = 0; i < WORLD_PORTS; i++)
		snprintf(w->names[i], IFNAMSIZ, "if%u", i);
	for (unsigned i = 0; i < 2; i++)
		add_interface(w, w->names[i], i);
	if (bridge)
		add_master(w, "br0", false, 2, 1 + world_pick(w, 2));
	if (bond)
		add_master(w, "bond0", true, 4, 1 + world_pick(w, 2));
	if (world_pick(w, 2)) {
		struct config_interface *c = add_interface(w, "if6", 6);

		snprintf(c->device, sizeof(c->device), "dev6");
	}
	if (world_pick(w, 2))
		add_vlan(w,
			bridge && world_pick(w, 2) ? "br0"
			: bond && world_pick(w, 2) ? "bond0"
						   : "if0",
			8);
	w->interfaces[1].dhcp = world_pick(w, 2);
	shuffle(w);
}

static void generate_vrrps(struct world *w)
{
	for (uint32_t i = 0, n = world_pick(w, 5); i < n; i++) {
		struct config_vrrp *v = &w->vrrps[w->cfg.n_vrrps];
		const struct config_interface *on =
			&w->interfaces[world_pick(w, (uint32_t)w->cfg.n_interfaces)];

		if (on->implied)
			continue;
		snprintf(v->name, sizeof(v->name), "v%u", i);
		memcpy(v->interface, on->name, sizeof(v->interface));
		v->vrid = (uint8_t)(10 + i);
		v->virtual_mac = world_pick(w, 3) > 0;
		v->addresses = world_prefixes(w, 1 + world_pick(w, 3), 20 + i, 100);
		w->cfg.n_vrrps++;
	}
}

static void generate_routes(struct world *w)
{
	for (uint32_t i = 0, n = world_pick(w, 8); i < n; i++) {
		struct config_route *r = &w->routes[w->cfg.n_routes];
		const struct config_interface *c =
			&w->interfaces[world_pick(w, (uint32_t)w->cfg.n_interfaces)];
		uint32_t kind = world_pick(w, 3);

		*r = (struct config_route){.prefix = world_v4(172, 16 + i, 0, 0, 16),
			.metric = world_pick(w, 2),
			.table = world_pick(w, 2) ? 0 : 100};
		if (kind == 0)
			r->blackhole = true;
		else if (kind == 1 && !c->implied)
			memcpy(r->interface, c->name, sizeof(r->interface));
		else if (c->addresses.n && c->addresses.v[0].family == AF_INET)
			r->via = world_v4(
				10, ntohl(c->addresses.v[0].v4.s_addr) >> 16 & 255, 0, 250, 32);
		else
			continue;
		w->cfg.n_routes++;
	}
	for (uint32_t i = 0, n = world_pick(w, 4); i < n; i++)
		w->rules[w->cfg.n_rules++] = (struct config_rule){.table = 100,
			.priority = 100 + world_pick(w, 2),
			.mark = i,
			.from = world_pick(w, 2) ? world_v4(10, i, 0, 0, 16)
						 : (struct config_prefix){0}};
}

void world_configure(struct world *w)
{
	w->n_addrs = 0;
	memset(w->interfaces, 0, sizeof(w->interfaces));
	memset(w->vrrps, 0, sizeof(w->vrrps));
	w->cfg = (struct config){.interfaces = w->interfaces,
		.vrrps = w->vrrps,
		.routes = w->routes,
		.rules = w->rules};
	generate_links(w);
	generate_vrrps(w);
	generate_routes(w);
	w->n_wans = world_pick(w, 2);
	w->wans[0] = (struct wan_lease){.link = "if1",
		.state = (enum wan_state)world_pick(w, 3),
		.address = world_v4(198, 51, 100, 7 + world_pick(w, 2), 24),
		.gateway = world_v4(198, 51, world_pick(w, 2) ? 100 : 99, 1, 32),
		.until = 1000 * USEC_PER_SEC * (1 + world_pick(w, 2))};
}

void world_desire(struct world *w)
{
	struct desired *old = w->d;
	char why[256] = "";
	int rc;

	if (w->n_wans && desired_check_wan(&w->cfg, &w->wans[0], NULL, 0, why, sizeof(why)))
		w->n_wans = 0;
	rc = desired_build_wans(&w->cfg, w->wans, w->n_wans, &w->d, why, sizeof(why));
	if (rc)
		print_error("seed %u: %s\n", w->seed, why);
	assert_int_equal(rc, 0);
	desired_free(old);
	w->d->fw_hash = 1 + world_pick(w, 3);
	model_switches(&w->m, w->d);
}

/* --- strangers ------------------------------------------------------------------------------- */

static const struct kernel_link *link_of(const struct world *w, const char *name)
{
	return kernel_link_by_name(&w->m.k, name);
}

static void disturb_link(struct world *w, struct kernel_link *l)
{
	struct kernel_addr foreign = {
		.prefix = world_v4(172, 31, 0, world_pick(w, 5), 24), .until = USEC_NEVER};
	const struct kernel_link *any;

	if (l->n_addrs && !world_pick(w, 3)) {
		struct config_prefix p = l->addrs[world_pick(w, (uint32_t)l->n_addrs)].prefix;

		model_addr_del(&w->m, l, &p);
	}
	if (!world_pick(w, 4))
		assert_int_equal(kernel_addr_put(&w->m.k, l->index, &foreign), 0);
	if (!world_pick(w, 5))
		model_up(&w->m, l, !l->up);
	if (!world_pick(w, 6))
		l->mtu = 1280 + world_pick(w, 400);
	if (!world_pick(w, 6))
		l->mac[4] ^= 1;
	if (!world_pick(w, 6))
		l->stp = !l->stp;
	if (world_pick(w, 8) || l->kind != LINK_OTHER)
		return;
	any = link_of(w, world_pick(w, 2) ? "br0" : "stranger");
	if (any || !l->master)
		l->master = any ? any->index : 0;
}

/* Somebody sets a virtual address by hand, on the wrong link and with the wrong length. */
static void stray_virtual(struct world *w)
{
	const struct desired_addr *a = &w->d->addrs[w->d->n_static];
	struct kernel_addr stray = {.prefix = a->prefix, .until = USEC_NEVER};
	const struct kernel_link *l = link_of(w, a->parent);

	stray.prefix.len = 24;
	if (l)
		assert_int_equal(kernel_addr_put(&w->m.k, l->index, &stray), 0);
}

void world_disturb(struct world *w)
{
	struct kernel_link *l, *tmp;

	HASH_ITER (by_index, w->m.k.by_index, l, tmp)
		if (l->index != w->stranger)
			disturb_link(w, l);
	HASH_ITER (by_index, w->m.k.by_index, l, tmp) {
		if (l->kind != LINK_OTHER && l->index != w->stranger && !world_pick(w, 4)) {
			model_link_del(&w->m, l->index);
			break;
		}
	}
	if (!world_pick(w, 3))
		kernel_routes_clear(&w->m.k);
	if (!world_pick(w, 4))
		kernel_rules_clear(&w->m.k);
	if (!world_pick(w, 4))
		w->m.k.fw.stale = true;
	if (!world_pick(w, 5))
		w->m.k.fw = (struct kernel_firewall){0};
	if (w->d->n_sysctls && !world_pick(w, 3)) {
		int32_t *v = &w->m.k.sysctls[world_pick(w, (uint32_t)w->d->n_sysctls)];

		*v = *v == SYSCTL_UNKNOWN ? *v : 7;
	}
	if (w->d->n_static < w->d->n_addrs && !world_pick(w, 3))
		stray_virtual(w);
}

/* --- beginning and end ----------------------------------------------------------------------- */

void world_begin(struct world *w, unsigned seed)
{
	struct kernel_link *l;

	*w = (struct world){.seed = seed, .m = {.next_index = 2, .state = seed * 2654435761u | 1}};
	kernel_init(&w->m.k);
	for (int i = 0; i < WORLD_PORTS; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), i == 6 ? "dev%d" : "if%d", i);
		if (world_pick(w, 10))
			model_link(&w->m, name);
	}
	l = model_link(&w->m, "stranger");
	l->kind = LINK_BRIDGE;
	w->stranger = l->index;
}

void world_end(struct world *w)
{
	desired_free(w->d);
	kernel_fini(&w->m.k);
}
