/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the configuration to the desired state (see desired.h). Pure: no I/O, and nothing of the
 * kernel's present state goes in, so the same config gives the same result at any time.
 */
#include "netcfgd/desired.h"

#include <errno.h>
#include <linux/if_bonding.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/desired_internal.h"

#define ARENA_MAX (16u << 20)
#define TOO_LARGE "configuration: too large for memory; make it smaller"

int desired_refuse(struct build *b, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->why, b->why_size, fmt, ap);
	va_end(ap);
	return err;
}

/* FNV-1a: a digest for names, not against attackers. */
static uint32_t digest(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}

void desired_macvlan_name(const char *parent, uint8_t vrid, char out[IFNAMSIZ])
{
	char full[2 * IFNAMSIZ];

	snprintf(full, sizeof(full), "vr%u.%s", vrid, parent);
	if (strlen(full) >= IFNAMSIZ)
		snprintf(full, sizeof(full), "vr%u-%08x", vrid, digest(parent));
	memcpy(out, full, IFNAMSIZ - 1);
	out[IFNAMSIZ - 1] = '\0';
}

bool desired_is_our_macvlan(const struct kernel_link *l)
{
	static const uint8_t oui[5] = {0x00, 0x00, 0x5e, 0x00, 0x01};
	char dot[8], dash[8];

	if (l->kind != LINK_MACVLAN || memcmp(l->mac, oui, sizeof(oui)) != 0)
		return false;
	snprintf(dot, sizeof(dot), "vr%u.", l->mac[5]);
	snprintf(dash, sizeof(dash), "vr%u-", l->mac[5]);
	return strncmp(l->name, dot, strlen(dot)) == 0 || strncmp(l->name, dash, strlen(dash)) == 0;
}

const struct desired_link *desired_link_find(const struct desired *d, const char *name)
{
	struct desired_link *l = NULL;

	HASH_FIND(hh, d->by_name, name, strlen(name), l);
	return l;
}

const struct desired_addr *desired_addr_find(
	const struct desired *d, const char *link, const struct config_prefix *p)
{
	const struct desired_link *l = desired_link_find(d, link);

	for (size_t i = 0; l && i < l->n_addrs; i++)
		if (config_prefix_equal(&d->addrs[l->addr + i].prefix, p))
			return &d->addrs[l->addr + i];
	for (const struct desired_addr *a = l ? l->virtuals : NULL; a; a = a->next)
		if (a->on == l && config_prefix_equal(&a->prefix, p))
			return a;
	return NULL;
}

bool desired_is_virtual(const struct desired *d, const char *link, const struct config_prefix *p)
{
	const struct desired_link *l = desired_link_find(d, link);

	for (size_t i = 0; l && l->virt && i < l->n_addrs; i++)
		if (prefix_same_host(&d->addrs[l->addr + i].prefix, p))
			return true;
	for (const struct desired_addr *a = l ? l->virtuals : NULL; a; a = a->next)
		if (prefix_same_host(&a->prefix, p))
			return true;
	return false;
}

/* A name becomes part of a path below /proc/sys. */
static bool name_ok(const char *name)
{
	size_t n = strnlen(name, IFNAMSIZ);

	return n > 0 && n < IFNAMSIZ && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && strcmp(name, "all") != 0 && strcmp(name, "default") != 0;
}

static enum link_kind kind_of(const struct config_interface *i)
{
	switch (i->kind) {
	case CONFIG_LINK_VLAN:
		return LINK_VLAN;
	case CONFIG_LINK_BRIDGE:
		return LINK_BRIDGE;
	case CONFIG_LINK_BOND:
		return LINK_BOND;
	case CONFIG_LINK_PORT:
		break;
	}
	return i->parent[0] ? LINK_VLAN : LINK_OTHER;
}

static uint8_t bond_mode_of(enum config_bond_mode mode)
{
	switch (mode) {
	case CONFIG_BOND_LACP:
		return BOND_MODE_8023AD;
	case CONFIG_BOND_BALANCE_XOR:
		return BOND_MODE_XOR;
	case CONFIG_BOND_ACTIVE_BACKUP:
		break;
	}
	return BOND_MODE_ACTIVEBACKUP;
}

/* The link to be filled in next, with its name taken; NULL: somebody has that name. */
static struct desired_link *new_link(struct desired *d, const char *name)
{
	struct desired_link *l = &d->links[d->n_links];

	if (desired_link_find(d, name))
		return NULL;
	memcpy(l->name, name, strlen(name) + 1);
	HASH_ADD(hh, d->by_name, name[0], strlen(l->name), l);
	d->n_links++;
	return l;
}

static void fill_link(struct build *b, struct desired_link *l, const struct config_interface *i)
{
	static const uint8_t none[KERNEL_MAC_LEN];
	const struct wan_lease *lease = desired_lease_of(b, i->name);

	l->kind = kind_of(i);
	memcpy(l->device, i->device, sizeof(l->device));
	memcpy(l->parent, i->parent, sizeof(l->parent));
	memcpy(l->master, i->master, sizeof(l->master));
	l->vlan_id = i->vlan_id;
	l->bond_mode = bond_mode_of(i->bond_mode);
	l->stp = i->stp;
	l->has_mac = memcmp(i->mac, none, sizeof(none)) != 0;
	memcpy(l->mac, i->mac, sizeof(l->mac));
	l->mtu = i->mtu;
	l->role = i->role;
	l->member = i->master[0];
	l->dhcp = i->dhcp;
	l->dhcp_server = i->dhcp_server;
	l->dhcp_relay = i->dhcp_relay.n > 0;
	l->router_advert = i->router_advert;
	l->wan_unknown = i->dhcp && (!lease || lease->state == WAN_UNKNOWN);
}

static struct desired_addr *add_addr(
	struct build *b, struct desired_link *l, const struct config_prefix *p)
{
	struct desired_addr *a = &b->d->addrs[b->d->n_addrs++];

	a->on = l;
	memcpy(a->link, l->name, sizeof(a->link));
	memcpy(a->parent, l->name, sizeof(a->parent));
	a->prefix = *p;
	a->until = USEC_NEVER;
	l->n_addrs++;
	return a;
}

static int add_interface(struct build *b, const struct config_interface *i)
{
	const struct wan_lease *lease = desired_lease_of(b, i->name);
	struct desired_link *l;

	if (!name_ok(i->name))
		return desired_refuse(b, -EINVAL,
			"interface %.15s: not a name that can be configured; choose another",
			i->name);
	l = new_link(b->d, i->name);
	if (!l)
		return desired_refuse(b, -EEXIST, "interface %s: named twice; remove one", i->name);
	fill_link(b, l, i);
	l->addr = b->d->n_addrs;
	for (size_t n = 0; n < i->addresses.n; n++)
		add_addr(b, l, &i->addresses.v[n]);
	if (i->dhcp && lease && lease->state == WAN_BOUND) {
		struct desired_addr *a = add_addr(b, l, &lease->address);

		a->wan = true;
		a->until = lease->until;
	}
	return 0;
}

static int by_name(const void *va, const void *vb)
{
	const struct config_interface *a = *(const struct config_interface *const *)va;
	const struct config_interface *b = *(const struct config_interface *const *)vb;

	return strcmp(a->name, b->name);
}

/* Is it in the list already? What is not configured is never awaited. */
static bool is_next(
	const struct build *b, const struct config_interface *const *sorted, const char *name)
{
	struct config_interface key;
	const struct config_interface *k = &key;

	if (!name[0] || desired_link_find(b->d, name))
		return true;
	snprintf(key.name, sizeof(key.name), "%s", name);
	return !bsearch(&k, sorted, b->cfg->n_interfaces, sizeof(k), by_name);
}

static bool can_follow(const struct build *b, const struct config_interface *const *sorted,
	const struct config_interface *i)
{
	bool ready = is_next(b, sorted, i->parent);

	for (size_t n = 0; n < i->ports.n && ready; n++)
		ready = is_next(b, sorted, i->ports.v[n]);
	return ready;
}

/* Passes over the configuration, as many as interfaces are stacked. */
static int add_interfaces(struct build *b)
{
	size_t n = b->cfg->n_interfaces, left = n, before;
	const struct config_interface **sorted = arena_array(b->d->arena, n + 1, sizeof(*sorted));
	bool *done = arena_array(b->d->arena, n + 1, sizeof(*done));
	int rc = 0;

	if (!sorted || !done)
		return desired_refuse(b, -ENOMEM, TOO_LARGE);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &b->cfg->interfaces[i];
	qsort(sorted, n, sizeof(*sorted), by_name);
	do {
		before = left;
		for (size_t i = 0; i < n && !rc; i++) {
			const struct config_interface *c = &b->cfg->interfaces[i];

			if (done[i] || !can_follow(b, sorted, c))
				continue;
			rc = add_interface(b, c);
			done[i] = true;
			left--;
		}
	} while (left && left < before && !rc);
	for (size_t i = 0; i < n && left && !rc; i++)
		if (!done[i])
			rc = desired_refuse(b, -ELOOP,
				"interface %.15s: it would be made on itself; change its parent or "
				"its ports",
				b->cfg->interfaces[i].name);
	return rc;
}

static struct desired_link *find(struct build *b, const char *name)
{
	struct desired_link *l = NULL;

	HASH_FIND(hh, b->d->by_name, name, strlen(name), l);
	return l;
}

/* A member has its bond's MTU, whatever is asked for; of a bridge, unless it has its own. */
static void settle_members(struct build *b)
{
	for (size_t i = b->d->n_links; i-- > 0;) {
		struct desired_link *l = &b->d->links[i];
		struct desired_link *m = l->member ? find(b, l->master) : NULL;

		if (!m)
			continue;
		l->next_member = m->members;
		m->members = l;
		if (m->kind == LINK_BOND || !l->mtu)
			l->mtu = m->mtu;
		if (m->kind == LINK_BOND)
			l->has_mac = false;
	}
}

static int add_macvlan(struct build *b, const struct config_vrrp *v,
	const struct desired_link *parent, struct desired_link **ret)
{
	struct desired_link *l;
	char name[IFNAMSIZ];

	desired_macvlan_name(v->interface, v->vrid, name);
	l = new_link(b->d, name);
	if (!l)
		return desired_refuse(b, -EEXIST,
			"vrrp %s: interface %s is there already; choose another vrid", v->name,
			name);
	memcpy(l->parent, v->interface, sizeof(l->parent));
	l->kind = LINK_MACVLAN;
	l->virt = true;
	l->role = parent->role;
	l->has_mac = true;
	memcpy(l->mac, (const uint8_t[]){0x00, 0x00, 0x5e, 0x00, 0x01, v->vrid}, KERNEL_MAC_LEN);
	l->addr = b->d->n_addrs;
	*ret = l;
	return 0;
}

static int add_virtual(struct build *b, const struct config_vrrp *v, struct desired_link *parent,
	struct desired_link *on, const struct config_prefix *p)
{
	struct desired_addr *a = &b->d->addrs[b->d->n_addrs];

	if (p->family != AF_INET)
		return desired_refuse(b, -EAFNOSUPPORT,
			"vrrp %s: virtual addresses must be IPv4; remove the IPv6 address",
			v->name);
	a->on = on;
	memcpy(a->link, on->name, sizeof(a->link));
	memcpy(a->parent, parent->name, sizeof(a->parent));
	a->prefix = *p;
	/* The parent has the subnet's route; a second one would send frames the wrong way. */
	a->prefix.len = 32;
	a->virt = true;
	a->accept = v->accept;
	a->until = USEC_NEVER;
	a->next = parent->virtuals;
	parent->virtuals = a;
	if (on != parent)
		on->n_addrs++;
	b->d->n_addrs++;
	return 0;
}

static int add_vrrp(struct build *b, const struct config_vrrp *v)
{
	struct desired_link *parent = find(b, v->interface), *on = parent;
	int rc = 0;

	if (!parent)
		return desired_refuse(b, -ENODEV,
			"vrrp %s: interface %.15s is not configured; add an interface section",
			v->name, v->interface);
	if (v->virtual_mac)
		rc = add_macvlan(b, v, parent, &on);
	for (size_t n = 0; n < v->addresses.n && !rc; n++)
		rc = add_virtual(b, v, parent, on, &v->addresses.v[n]);
	return rc;
}

static int by_host(const void *va, const void *vb)
{
	const struct desired_addr *a = *(const struct desired_addr *const *)va;
	const struct desired_addr *b = *(const struct desired_addr *const *)vb;
	int c = strcmp(a->parent, b->parent);

	if (!c)
		c = a->prefix.family - b->prefix.family;
	if (!c)
		c = memcmp(&a->prefix.v6, &b->prefix.v6,
			a->prefix.family == AF_INET ? sizeof(a->prefix.v4) : sizeof(a->prefix.v6));
	return c;
}

/* An address that is wanted twice on one interface would be added and removed for ever. */
static int check_twice(struct build *b)
{
	struct desired *d = b->d;
	const struct desired_addr **v = arena_array(d->arena, d->n_addrs + 1, sizeof(*v));
	char text[CONFIG_PREFIX_STRLEN];

	if (!v)
		return desired_refuse(b, -ENOMEM, TOO_LARGE);
	for (size_t i = 0; i < d->n_addrs; i++)
		v[i] = &d->addrs[i];
	qsort(v, d->n_addrs, sizeof(*v), by_host);
	for (size_t i = 1; i < d->n_addrs; i++)
		if (by_host(&v[i - 1], &v[i]) == 0)
			return desired_refuse(b, -EADDRINUSE,
				"interface %s: address %s is named twice; remove one", v[i]->parent,
				config_prefix_to_str(&v[i]->prefix, text));
	return 0;
}

static const struct config_prefix *first_virtual(const struct desired *d, const char *parent)
{
	for (size_t i = d->n_static; i < d->n_addrs; i++)
		if (strcmp(d->addrs[i].parent, parent) == 0)
			return &d->addrs[i].prefix;
	return NULL;
}

static int add_nat(struct build *b, const struct config_nat *n)
{
	struct desired *d = b->d;
	struct desired_snat *s = &d->snats[d->n_snats];
	const struct config_prefix *to =
		n->to == CONFIG_NAT_VIRTUAL ? first_virtual(d, n->interface) : &n->address;

	if (!desired_link_find(d, n->interface))
		return desired_refuse(b, -ENODEV,
			"nat: interface %.15s is not configured; add an interface section",
			n->interface);
	if (!to)
		return desired_refuse(b, -EADDRNOTAVAIL,
			"nat: interface %s has no virtual address; add a vrrp section or name an "
			"address",
			n->interface);
	if (to->family != AF_INET)
		return desired_refuse(b, -EAFNOSUPPORT,
			"nat: interface %s: only IPv4 is translated; name an IPv4 "
			"address",
			n->interface);
	memcpy(s->link, n->interface, sizeof(s->link));
	s->to = *to;
	d->n_snats++;
	return 0;
}

static int add_firewall(struct build *b)
{
	const struct config *cfg = b->cfg;
	struct desired *d = b->d;
	size_t n = 0;

	for (size_t i = 0; i < cfg->n_interfaces; i++)
		n += cfg->interfaces[i].dhcp_relay.n;
	d->relays = arena_array(d->arena, n + 1, sizeof(*d->relays));
	if (cfg->firewall.rules)
		d->user_rules = arena_strdup(d->arena, cfg->firewall.rules);
	if (!d->relays || (cfg->firewall.rules && !d->user_rules))
		return desired_refuse(b, -ENOMEM, TOO_LARGE);
	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		const struct config_prefixes *to = &cfg->interfaces[i].dhcp_relay;

		for (size_t r = 0; r < to->n; r++)
			if (to->v[r].family == AF_INET)
				d->relays[d->n_relays++] = to->v[r].v4;
	}
	return 0;
}

static int allocate(struct build *b)
{
	const struct config *cfg = b->cfg;
	struct desired *d = b->d;
	size_t links = cfg->n_interfaces + cfg->n_vrrps, addrs = b->n_wans;

	for (size_t i = 0; i < cfg->n_interfaces; i++)
		addrs += cfg->interfaces[i].addresses.n;
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		addrs += cfg->vrrps[i].addresses.n;
	/* One more of each: an arena may answer a request for nothing with NULL. */
	d->links = arena_array(d->arena, links + 1, sizeof(*d->links));
	d->addrs = arena_array(d->arena, addrs + 1, sizeof(*d->addrs));
	d->snats = arena_array(d->arena, cfg->n_nats + 1, sizeof(*d->snats));
	if (!d->links || !d->addrs || !d->snats)
		return desired_refuse(b, -ENOMEM, TOO_LARGE);
	return 0;
}

static int fill(struct build *b)
{
	const struct config *cfg = b->cfg;
	struct desired *d = b->d;
	int rc = allocate(b);

	if (!rc)
		rc = add_interfaces(b);
	settle_members(b);
	d->n_static = d->n_addrs;
	for (size_t i = 0; i < cfg->n_vrrps && !rc; i++)
		rc = add_vrrp(b, &cfg->vrrps[i]);
	if (!rc)
		rc = check_twice(b);
	if (!rc)
		rc = desired_add_routes(b);
	if (!rc)
		rc = desired_add_rules(b);
	for (size_t i = 0; i < cfg->n_nats && !rc; i++)
		rc = add_nat(b, &cfg->nats[i]);
	if (!rc)
		rc = add_firewall(b);
	if (!rc)
		rc = desired_add_switches(b);
	if (rc)
		return rc;
	d->sync = (struct desired_sync){.present = cfg->sync.present,
		.local = cfg->sync.local,
		.peer = cfg->sync.peer,
		.port = cfg->sync.port};
	return 0;
}

int desired_build_wans(const struct config *cfg, const struct wan_lease *wans, size_t n_wans,
	struct desired **ret, char *why, size_t why_size)
{
	struct arena *arena = arena_new(ARENA_MAX);
	struct build b = {
		.cfg = cfg, .wans = wans, .n_wans = n_wans, .why = why, .why_size = why_size};
	int rc;

	b.d = arena ? arena_alloc(arena, sizeof(*b.d)) : NULL;
	if (!b.d) {
		arena_free(arena);
		return desired_refuse(&b, -ENOMEM, "configuration: no memory for it; free some");
	}
	b.d->arena = arena;
	rc = fill(&b);
	if (rc) {
		desired_free(b.d);
		return rc;
	}
	*ret = b.d;
	return 0;
}

int desired_build(const struct config *cfg, struct desired **ret, char *why, size_t why_size)
{
	return desired_build_wans(cfg, NULL, 0, ret, why, why_size);
}

void desired_free(struct desired *d)
{
	if (!d)
		return;
	HASH_CLEAR(hh, d->by_name);
	HASH_CLEAR(hh, d->routes_by_key);
	HASH_CLEAR(hh, d->rules_by_key);
	arena_free(d->arena);
}
