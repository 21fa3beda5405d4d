/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the configuration to the desired state (see desired.h). Pure: no I/O, and nothing of the
 * kernel's present state goes in, so the same config gives the same result at any time.
 */
#include "netcfgd/desired.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX (8u << 20)
/* Per link at most this many switches, and the global ones. */
#define SYSCTLS_PER_LINK 7
#define SYSCTLS_GLOBAL   8

struct build {
	const struct config *cfg;
	struct desired *d;
	char *why;
	size_t why_size;
};

static int refuse(struct build *b, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct build *b, int err, const char *fmt, ...)
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
	for (size_t i = 0; i < d->n_links; i++)
		if (strcmp(d->links[i].name, name) == 0)
			return &d->links[i];
	return NULL;
}

bool desired_is_virtual(const struct desired *d, const char *link, const struct config_prefix *p)
{
	for (size_t i = d->n_static; i < d->n_addrs; i++) {
		const struct desired_addr *a = &d->addrs[i];

		if (prefix_same_host(&a->prefix, p) &&
			(strcmp(a->link, link) == 0 || strcmp(a->parent, link) == 0))
			return true;
	}
	return false;
}

/* A name becomes part of a path below /proc/sys. */
static bool name_ok(const char *name)
{
	size_t n = strnlen(name, IFNAMSIZ);

	return n > 0 && n < IFNAMSIZ && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && strcmp(name, "all") != 0 && strcmp(name, "default") != 0;
}

static int add_interface(struct build *b, const struct config_interface *i)
{
	struct desired *d = b->d;
	struct desired_link *l = &d->links[d->n_links];

	if (!name_ok(i->name))
		return refuse(b, -EINVAL,
			"interface %.15s: not a name that can be configured; choose another",
			i->name);
	if (desired_link_find(d, i->name))
		return refuse(b, -EEXIST, "interface %s: named twice; remove one", i->name);
	memcpy(l->name, i->name, sizeof(l->name));
	memcpy(l->parent, i->parent, sizeof(l->parent));
	l->kind = i->parent[0] ? LINK_VLAN : LINK_OTHER;
	l->vlan_id = i->vlan_id;
	l->mtu = i->mtu;
	l->role = i->role;
	l->member = i->master[0];
	l->dhcp = i->dhcp;
	l->dhcp_server = i->dhcp_server;
	l->dhcp_relay = i->dhcp_relay.n > 0;
	l->router_advert = i->router_advert;
	d->n_links++;
	for (size_t n = 0; n < i->addresses.n; n++) {
		struct desired_addr *a = &d->addrs[d->n_addrs++];

		a->on = l;
		memcpy(a->link, i->name, sizeof(a->link));
		memcpy(a->parent, i->name, sizeof(a->parent));
		a->prefix = i->addresses.v[n];
	}
	return 0;
}

static int add_interfaces(struct build *b, bool vlans)
{
	int rc = 0;

	for (size_t i = 0; i < b->cfg->n_interfaces && !rc; i++)
		if ((b->cfg->interfaces[i].parent[0] != '\0') == vlans)
			rc = add_interface(b, &b->cfg->interfaces[i]);
	return rc;
}

static int add_macvlan(
	struct build *b, const struct config_vrrp *v, const struct desired_link *parent)
{
	struct desired *d = b->d;
	struct desired_link *l = &d->links[d->n_links];
	char name[IFNAMSIZ];

	desired_macvlan_name(v->interface, v->vrid, name);
	if (desired_link_find(d, name))
		return refuse(b, -EEXIST,
			"vrrp %s: interface %s is there already; choose another vrid", v->name,
			name);
	memcpy(l->name, name, IFNAMSIZ);
	memcpy(l->parent, v->interface, sizeof(l->parent));
	l->kind = LINK_MACVLAN;
	l->virt = true;
	l->role = parent->role;
	memcpy(l->mac, (const uint8_t[]){0x00, 0x00, 0x5e, 0x00, 0x01, v->vrid}, KERNEL_MAC_LEN);
	d->n_links++;
	return 0;
}

static int add_vrrp(struct build *b, const struct config_vrrp *v)
{
	struct desired *d = b->d;
	const struct desired_link *on = desired_link_find(d, v->interface);
	int rc = 0;

	if (!on)
		return refuse(b, -ENODEV,
			"vrrp %s: interface %.15s is not configured; add an interface section",
			v->name, v->interface);
	if (v->virtual_mac) {
		rc = add_macvlan(b, v, on);
		on = &d->links[d->n_links - 1];
	}
	for (size_t n = 0; n < v->addresses.n && !rc; n++) {
		struct desired_addr *a = &d->addrs[d->n_addrs];

		if (v->addresses.v[n].family != AF_INET)
			return refuse(b, -EAFNOSUPPORT,
				"vrrp %s: virtual addresses must be IPv4; remove the IPv6 address",
				v->name);
		a->on = on;
		memcpy(a->link, on->name, sizeof(a->link));
		memcpy(a->parent, v->interface, sizeof(a->parent));
		a->prefix = v->addresses.v[n];
		/* The parent has the subnet's route; a second one would send frames the wrong way.
		 */
		a->prefix.len = 32;
		a->virt = true;
		a->accept = v->accept;
		d->n_addrs++;
	}
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
		return refuse(b, -ENOMEM, "configuration: too large for memory; make it smaller");
	for (size_t i = 0; i < d->n_addrs; i++)
		v[i] = &d->addrs[i];
	qsort(v, d->n_addrs, sizeof(*v), by_host);
	for (size_t i = 1; i < d->n_addrs; i++)
		if (by_host(&v[i - 1], &v[i]) == 0)
			return refuse(b, -EADDRINUSE,
				"interface %s: address %s is named twice; remove one", v[i]->parent,
				config_prefix_to_str(&v[i]->prefix, text));
	return 0;
}

static struct config_prefix network_of(const struct config_prefix *p)
{
	struct config_prefix net = *p;
	uint8_t *bytes = p->family == AF_INET ? (uint8_t *)&net.v4 : (uint8_t *)&net.v6;
	unsigned size = p->family == AF_INET ? 32 : 128;

	for (unsigned bit = p->len; bit < size; bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return net;
}

static void add_route(struct build *b, const struct config_route *r)
{
	struct desired *d = b->d;
	struct desired_route *out = &d->routes[d->n_routes++];

	out->prefix = network_of(&r->prefix);
	out->via = r->via;
	out->metric = r->metric;
	/* What the kernel gives an IPv6 route without one. */
	if (r->prefix.family == AF_INET6 && !r->metric)
		out->metric = 1024;
	for (size_t i = 0; i < d->n_static; i++) {
		if (config_prefix_contains(&d->addrs[i].prefix, &r->via)) {
			memcpy(out->link, d->addrs[i].link, sizeof(out->link));
			break;
		}
	}
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
		return refuse(b, -ENODEV,
			"nat: interface %.15s is not configured; add an interface section",
			n->interface);
	if (!to)
		return refuse(b, -EADDRNOTAVAIL,
			"nat: interface %s has no virtual address; add a vrrp section or name an "
			"address",
			n->interface);
	if (to->family != AF_INET)
		return refuse(b, -EAFNOSUPPORT,
			"nat: interface %s: only IPv4 is translated; name an IPv4 "
			"address",
			n->interface);
	memcpy(s->link, n->interface, sizeof(s->link));
	s->to = *to;
	d->n_snats++;
	return 0;
}

static void sysctl_add(struct desired *d, enum sysctl_phase phase, const char *link, int32_t value,
	const char *path)
{
	struct desired_sysctl *s = &d->sysctls[d->n_sysctls++];

	snprintf(s->path, sizeof(s->path), "%s", path);
	memcpy(s->link, link, IFNAMSIZ);
	s->value = value;
	s->phase = phase;
	/* A kernel without IPv6 needs none of its switches. */
	s->optional = strncmp(path, "ipv6/", 5) == 0;
}

static void sysctl_link(struct desired *d, const struct desired_link *l, const char *family,
	const char *key, int32_t value)
{
	char path[DESIRED_PATH_MAX];

	snprintf(path, sizeof(path), "%s/conf/%s/%s", family, l->name, key);
	sysctl_add(d, SYSCTL_LINK, l->name, value, path);
}

static void sysctls_of_link(struct desired *d, const struct desired_link *l)
{
	if (l->role != CONFIG_ROLE_LAN && l->role != CONFIG_ROLE_WAN)
		return;
	if (l->virt) {
		sysctl_link(d, l, "ipv6", "disable_ipv6", 1);
		/* Frames to the virtual MAC come in here, but the route back is the parent's. */
		sysctl_link(d, l, "ipv4", "rp_filter", 2);
	}
	/* Each MAC answers for its own addresses only, and asks with its own. */
	sysctl_link(d, l, "ipv4", "arp_ignore", 1);
	sysctl_link(d, l, "ipv4", "arp_announce", 2);
	sysctl_link(d, l, "ipv4", "accept_redirects", 0);
	sysctl_link(d, l, "ipv4", "send_redirects", 0);
}

static bool has_ipv6(const struct desired *d)
{
	for (size_t i = 0; i < d->n_static; i++) {
		const struct desired_link *l = desired_link_find(d, d->addrs[i].link);

		if (d->addrs[i].prefix.family == AF_INET6 &&
			(l->role == CONFIG_ROLE_LAN || l->role == CONFIG_ROLE_WAN))
			return true;
	}
	return false;
}

static void add_sysctls(struct desired *d)
{
	static const char none[IFNAMSIZ] = "";

	/* Events for every entry, also for those created before a listener exists. */
	sysctl_add(d, SYSCTL_EARLY, none, 1, "netfilter/nf_conntrack_events");
	/* A segment of a session not known here must not create a half-known one. */
	sysctl_add(d, SYSCTL_EARLY, none, 0, "netfilter/nf_conntrack_tcp_loose");
	/* A node that is Active again has not seen what went through its peer: an acknowledgement
	 * of that would be invalid, and the session would stand still for good. */
	sysctl_add(d, SYSCTL_EARLY, none, 1, "netfilter/nf_conntrack_tcp_be_liberal");
	/* send_redirects and accept_redirects of an interface are combined with these. */
	sysctl_add(d, SYSCTL_EARLY, none, 0, "ipv4/conf/all/send_redirects");
	sysctl_add(d, SYSCTL_EARLY, none, 0, "ipv4/conf/all/accept_redirects");
	for (size_t i = 0; i < d->n_links; i++) {
		d->links[i].sysctl = d->n_sysctls;
		sysctls_of_link(d, &d->links[i]);
		d->links[i].n_sysctls = d->n_sysctls - d->links[i].sysctl;
	}
	sysctl_add(d, SYSCTL_FORWARD, none, 1, "ipv4/ip_forward");
	if (has_ipv6(d))
		sysctl_add(d, SYSCTL_FORWARD, none, 1, "ipv6/conf/all/forwarding");
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
		return refuse(b, -ENOMEM, "configuration: too large for memory; make it smaller");
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
	size_t links = cfg->n_interfaces + cfg->n_vrrps, addrs = 0;

	for (size_t i = 0; i < cfg->n_interfaces; i++)
		addrs += cfg->interfaces[i].addresses.n;
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		addrs += cfg->vrrps[i].addresses.n;
	/* One more of each: an arena may answer a request for nothing with NULL. */
	d->links = arena_array(d->arena, links + 1, sizeof(*d->links));
	d->addrs = arena_array(d->arena, addrs + 1, sizeof(*d->addrs));
	d->routes = arena_array(d->arena, cfg->n_routes + 1, sizeof(*d->routes));
	d->snats = arena_array(d->arena, cfg->n_nats + 1, sizeof(*d->snats));
	d->sysctls = arena_array(
		d->arena, links * SYSCTLS_PER_LINK + SYSCTLS_GLOBAL, sizeof(*d->sysctls));
	if (!d->links || !d->addrs || !d->routes || !d->snats || !d->sysctls)
		return refuse(b, -ENOMEM, "configuration: too large for memory; make it smaller");
	return 0;
}

static int fill(struct build *b)
{
	const struct config *cfg = b->cfg;
	struct desired *d = b->d;
	int rc = allocate(b);

	if (!rc)
		rc = add_interfaces(b, false);
	if (!rc)
		rc = add_interfaces(b, true);
	d->n_static = d->n_addrs;
	for (size_t i = 0; i < cfg->n_vrrps && !rc; i++)
		rc = add_vrrp(b, &cfg->vrrps[i]);
	if (!rc)
		rc = check_twice(b);
	for (size_t i = 0; i < cfg->n_routes && !rc; i++)
		add_route(b, &cfg->routes[i]);
	for (size_t i = 0; i < cfg->n_nats && !rc; i++)
		rc = add_nat(b, &cfg->nats[i]);
	if (!rc)
		rc = add_firewall(b);
	if (rc)
		return rc;
	add_sysctls(d);
	d->sync = (struct desired_sync){.present = cfg->sync.present,
		.local = cfg->sync.local,
		.peer = cfg->sync.peer,
		.port = cfg->sync.port};
	return 0;
}

int desired_build(const struct config *cfg, struct desired **ret, char *why, size_t why_size)
{
	struct arena *arena = arena_new(ARENA_MAX);
	struct build b = {.cfg = cfg, .why = why, .why_size = why_size};
	int rc;

	b.d = arena ? arena_alloc(arena, sizeof(*b.d)) : NULL;
	if (!b.d) {
		arena_free(arena);
		return refuse(&b, -ENOMEM, "configuration: no memory for it; free some");
	}
	b.d->arena = arena;
	rc = fill(&b);
	if (rc) {
		arena_free(arena);
		return rc;
	}
	*ret = b.d;
	return 0;
}

void desired_free(struct desired *d)
{
	if (d)
		arena_free(d->arena);
}
