/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no single value can tell: do the sections of a configuration fit together? Each check is one
 * function; the first one that finds something names the line, the object, the cause and what to
 * do.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/config_internal.h"

struct check {
	const struct config *cfg;
	const struct config_text *t;
	int line;
	char *why;
};

static int check_fail(struct check *c, int section_line, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int check_fail(struct check *c, int section_line, const char *key, const char *fmt, ...)
{
	va_list ap;

	c->line = key ? config_text_key(c->t, section_line, key) : section_line;
	va_start(ap, fmt);
	vsnprintf(c->why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool same_address(const struct config_prefix *a, const struct config_prefix *b)
{
	struct config_prefix x = *a, y = *b;

	x.len = y.len = a->family == AF_INET ? 32 : 128;
	return config_prefix_equal(&x, &y);
}

/* Could a host have this address? */
static bool host_address(const struct config_prefix *p)
{
	uint32_t v4 = ntohl(p->v4.s_addr), host;

	if (p->family != AF_INET)
		return !IN6_IS_ADDR_UNSPECIFIED(&p->v6) && !IN6_IS_ADDR_MULTICAST(&p->v6) &&
		       !IN6_IS_ADDR_LOOPBACK(&p->v6);
	if (v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 28 >= 14)
		return false;
	host = p->len >= 31 ? 1 : v4 & (UINT32_MAX >> p->len);
	return host != 0 && (p->len >= 31 || host != UINT32_MAX >> p->len);
}

static const char *kind_of(const struct config_interface *in)
{
	static const char *const names[] = {[CONFIG_LINK_PORT] = "interface",
		[CONFIG_LINK_VLAN] = "vlan",
		[CONFIG_LINK_BRIDGE] = "bridge",
		[CONFIG_LINK_BOND] = "bond"};

	return names[in->kind];
}

static int check_parent(struct check *c, const struct config_interface *in)
{
	const struct config_interface *parent = config_interface_find(c->cfg, in->parent);

	if (!in->parent[0])
		return 0;
	if (!parent)
		return check_fail(c, in->line, "parent",
			"vlan \"%s\": parent \"%s\" is not an interface of this file; add "
			"interface \"%s\"",
			in->name, in->parent, in->parent);
	if (parent->parent[0])
		return check_fail(c, in->line, "parent",
			"vlan \"%s\": parent \"%s\" is a vlan itself; name the port below it",
			in->name, in->parent);
	for (size_t i = 0; i < c->cfg->n_interfaces; i++) {
		const struct config_interface *other = &c->cfg->interfaces[i];

		if (other < in && other->vlan_id == in->vlan_id &&
			strcmp(other->parent, in->parent) == 0)
			return check_fail(c, in->line, "id",
				"vlan \"%s\": id %u is already that of vlan \"%s\" on %s; choose "
				"another",
				in->name, in->vlan_id, other->name, in->parent);
	}
	return 0;
}

static const struct config_interface *owner_of(
	const struct config *cfg, const struct config_prefix *a)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		for (size_t k = 0; k < cfg->interfaces[i].addresses.n; k++)
			if (same_address(&cfg->interfaces[i].addresses.v[k], a))
				return &cfg->interfaces[i];
	return NULL;
}

static int check_addresses(struct check *c, const struct config_interface *in)
{
	char text[CONFIG_PREFIX_STRLEN];
	bool has_v4 = false;

	for (size_t i = 0; i < in->addresses.n; i++) {
		const struct config_prefix *a = &in->addresses.v[i];

		if (!host_address(a))
			return check_fail(c, in->line, "address",
				"%s \"%s\": %s is not an address that a host can have; choose one",
				kind_of(in), in->name, config_prefix_to_str(a, text));
		has_v4 = has_v4 || a->family == AF_INET;
		if (owner_of(c->cfg, a) != in)
			return check_fail(c, in->line, "address",
				"%s \"%s\": %s is also the address of \"%s\"; remove one",
				kind_of(in), in->name, config_prefix_to_str(a, text),
				owner_of(c->cfg, a)->name);
		for (size_t k = 0; k < i; k++)
			if (same_address(a, &in->addresses.v[k]))
				return check_fail(c, in->line, "address",
					"%s \"%s\": %s is listed twice; remove one", kind_of(in),
					in->name, config_prefix_to_str(a, text));
	}
	if (in->dhcp_server && !has_v4)
		return check_fail(c, in->line, "dhcp-server",
			"%s \"%s\": dhcp-server needs an IPv4 address on it; add address = {…}",
			kind_of(in), in->name);
	return 0;
}

static int check_interfaces(struct check *c)
{
	for (size_t i = 0; i < c->cfg->n_interfaces; i++) {
		const struct config_interface *in = &c->cfg->interfaces[i];
		const struct config_interface *first = config_interface_find(c->cfg, in->name);
		int err;

		if (first != in)
			return check_fail(c, in->line, NULL,
				"%s \"%s\": the name is taken by the one in line %d; rename or "
				"remove one",
				kind_of(in), in->name, first->line);
		if ((err = check_parent(c, in)) < 0 || (err = check_addresses(c, in)) < 0)
			return err;
	}
	return 0;
}

/* The interface's subnet that the address is in; NULL: none. */
static const struct config_prefix *subnet_of(
	const struct config_interface *in, const struct config_prefix *a)
{
	for (size_t i = 0; i < in->addresses.n; i++)
		if (in->addresses.v[i].family == a->family &&
			config_prefix_contains(&in->addresses.v[i], a))
			return &in->addresses.v[i];
	return NULL;
}

static bool reachable(const struct config *cfg, const struct config_prefix *via)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		if (cfg->interfaces[i].dhcp || subnet_of(&cfg->interfaces[i], via))
			return true;
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		for (size_t k = 0; k < cfg->vrrps[i].addresses.n; k++)
			if (config_prefix_contains(&cfg->vrrps[i].addresses.v[k], via))
				return true;
	return false;
}

static bool has_host_bits(const struct config_prefix *p)
{
	const uint8_t *bytes = p->family == AF_INET ? (const uint8_t *)&p->v4 : p->v6.s6_addr;
	unsigned bits = p->family == AF_INET ? 32 : 128;

	for (unsigned i = p->len; i < bits; i++)
		if (bytes[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

static int check_via(struct check *c, const struct config_route *r, const char *name)
{
	char via[CONFIG_PREFIX_STRLEN];

	if (!r->via.family && !r->interface[0] && !r->blackhole)
		return check_fail(c, r->line, NULL,
			"route \"%s\": it leads nowhere; add via, interface or blackhole = true",
			name);
	if (r->blackhole && (r->via.family || r->interface[0]))
		return check_fail(c, r->line, "blackhole",
			"route \"%s\": blackhole together with via or interface; remove one", name);
	if (r->interface[0] && !config_interface_find(c->cfg, r->interface))
		return check_fail(c, r->line, "interface",
			"route \"%s\": interface \"%s\" is not an interface of this file; "
			"correct the name",
			name, r->interface);
	if (!r->via.family)
		return 0;
	config_prefix_to_str(&r->via, via);
	if (r->prefix.family != r->via.family)
		return check_fail(c, r->line, "via",
			"route \"%s\": via %s is of another address family; use one family", name,
			via);
	if (!reachable(c->cfg, &r->via))
		return check_fail(c, r->line, "via",
			"route \"%s\": via %s is in no subnet of this node; correct it or "
			"add the "
			"interface's address",
			name, via);
	return 0;
}

static int check_routes(struct check *c)
{
	for (size_t i = 0; i < c->cfg->n_routes; i++) {
		const struct config_route *r = &c->cfg->routes[i];
		char name[CONFIG_PREFIX_STRLEN];
		int err;

		config_prefix_to_str(&r->prefix, name);
		if (has_host_bits(&r->prefix))
			return check_fail(c, r->line, NULL,
				"route \"%s\": the destination has bits behind its length; write "
				"them as 0",
				name);
		if ((err = check_via(c, r, name)) < 0)
			return err;
	}
	return 0;
}

static int check_tracks(
	struct check *c, const struct config_strings *names, int line, const char *object)
{
	for (size_t i = 0; i < names->n; i++)
		if (!config_interface_find(c->cfg, names->v[i]))
			return check_fail(c, line, "track-interface",
				"%s: track-interface \"%s\" is not an interface of this file; "
				"correct the name",
				object, names->v[i]);
	return 0;
}

static int check_cluster(struct check *c)
{
	const struct config_cluster *cl = &c->cfg->cluster;

	if (!cl->present) {
		if (c->cfg->n_vrrps == 0)
			return 0;
		return check_fail(c, c->cfg->vrrps[0].line, NULL,
			"vrrp \"%s\": there is no cluster section; add cluster { … }",
			c->cfg->vrrps[0].name);
	}
	if (cl->advert_interval % (10 * USEC_PER_MS) != 0)
		return check_fail(c, cl->line, "advert-interval",
			"cluster: advert-interval is sent in hundredths of a second; write a "
			"multiple of 10ms");
	return check_tracks(c, &cl->track_interfaces, cl->line, "cluster");
}

static int check_virtual(struct check *c, const struct config_vrrp *v,
	const struct config_interface *in, const struct config_prefix *a)
{
	char text[CONFIG_PREFIX_STRLEN];
	const struct config_interface *owner = owner_of(c->cfg, a);

	config_prefix_to_str(a, text);
	if (!host_address(a))
		return check_fail(c, v->line, "virtual-address",
			"vrrp \"%s\": virtual-address %s is not an address that a host can have; "
			"choose one",
			v->name, text);
	if (owner)
		return check_fail(c, v->line, "virtual-address",
			"vrrp \"%s\": virtual-address %s is this node's own address on \"%s\"; "
			"choose a "
			"third address that both nodes share",
			v->name, text, owner->name);
	if (a->family != v->addresses.v[0].family)
		return check_fail(c, v->line, "virtual-address",
			"vrrp \"%s\": virtual addresses of IPv4 and IPv6 in one section; make two",
			v->name);
	if (!in->dhcp && !subnet_of(in, a))
		return check_fail(c, v->line, "virtual-address",
			"vrrp \"%s\": virtual-address %s is in no subnet of interface \"%s\"; "
			"correct one of them",
			v->name, text, in->name);
	for (const struct config_vrrp *o = c->cfg->vrrps; o <= v; o++) {
		size_t n = o == v ? (size_t)(a - v->addresses.v) : o->addresses.n;

		for (size_t i = 0; i < n; i++)
			if (same_address(&o->addresses.v[i], a))
				return check_fail(c, v->line, "virtual-address",
					"vrrp \"%s\": virtual-address %s is listed twice, first in "
					"vrrp "
					"\"%s\"; remove one",
					v->name, text, o->name);
	}
	return 0;
}

static int check_vrrp_version(struct check *c, const struct config_vrrp *v)
{
	if (v->version == 3 && v->password[0])
		return check_fail(c, v->line, "password",
			"vrrp \"%s\": only version 2 of VRRP has passwords; remove password",
			v->name);
	if (v->version == 2 && v->advert_interval % USEC_PER_SEC != 0)
		return check_fail(c, v->line, "advert-interval",
			"vrrp \"%s\": version 2 counts whole seconds; write e.g. advert-interval = "
			"1s",
			v->name);
	if (v->version == 2 && v->addresses.v[0].family == AF_INET6)
		return check_fail(c, v->line, "version",
			"vrrp \"%s\": version 2 has no IPv6; write version = 3", v->name);
	if (v->advert_interval % (10 * USEC_PER_MS) != 0)
		return check_fail(c, v->line, "advert-interval",
			"vrrp \"%s\": advert-interval is sent in hundredths of a second; write a "
			"multiple "
			"of 10ms",
			v->name);
	return 0;
}

static int check_vrrp_unique(struct check *c, const struct config_vrrp *v)
{
	for (const struct config_vrrp *o = c->cfg->vrrps; o < v; o++) {
		if (strcmp(o->name, v->name) == 0)
			return check_fail(c, v->line, NULL,
				"vrrp \"%s\": the name is taken by the one in line %d; rename one",
				v->name, o->line);
		if (o->vrid == v->vrid && strcmp(o->interface, v->interface) == 0)
			return check_fail(c, v->line, "vrid",
				"vrrp \"%s\": vrid %u is already that of vrrp \"%s\" on interface "
				"\"%s\"; "
				"choose another",
				v->name, v->vrid, o->name, v->interface);
	}
	return 0;
}

static int check_vrrp(struct check *c, const struct config_vrrp *v)
{
	const struct config_interface *in = config_interface_find(c->cfg, v->interface);
	char object[CONFIG_NAME_MAX + 8];
	int err;

	if (!in)
		return check_fail(c, v->line, "interface",
			"vrrp \"%s\": interface \"%s\" is not an interface of this file; correct "
			"the name",
			v->name, v->interface);
	if (in->addresses.n == 0 && !in->dhcp)
		return check_fail(c, v->line, "interface",
			"vrrp \"%s\": interface \"%s\" has no address of its own to send from; "
			"give it one",
			v->name, v->interface);
	if (v->addresses.n == 0)
		return check_fail(c, v->line, "virtual-address",
			"vrrp \"%s\": virtual-address is empty; name the address that the nodes "
			"share",
			v->name);
	if ((err = check_vrrp_unique(c, v)) < 0 || (err = check_vrrp_version(c, v)) < 0)
		return err;
	for (size_t i = 0; i < v->addresses.n && err == 0; i++)
		err = check_virtual(c, v, in, &v->addresses.v[i]);
	snprintf(object, sizeof(object), "vrrp \"%s\"", v->name);
	return err < 0 ? err : check_tracks(c, &v->track_interfaces, v->line, object);
}

static int check_vrrps(struct check *c)
{
	int err = 0;

	for (size_t i = 0; i < c->cfg->n_vrrps && err == 0; i++)
		err = check_vrrp(c, &c->cfg->vrrps[i]);
	return err;
}

static bool has_virtual(const struct config *cfg, const char *interface)
{
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		if (strcmp(cfg->vrrps[i].interface, interface) == 0)
			return true;
	return false;
}

static int check_nats(struct check *c)
{
	for (size_t i = 0; i < c->cfg->n_nats; i++) {
		const struct config_nat *n = &c->cfg->nats[i];

		if (!config_interface_find(c->cfg, n->interface))
			return check_fail(c, n->line, "interface",
				"nat: interface \"%s\" is not an interface of this file; correct "
				"the name",
				n->interface);
		if (n->to == CONFIG_NAT_VIRTUAL && !has_virtual(c->cfg, n->interface))
			return check_fail(c, n->line, "to",
				"nat: to = virtual, but no vrrp is on interface \"%s\"; add one or "
				"name an "
				"address",
				n->interface);
		for (size_t k = 0; k < i; k++)
			if (strcmp(c->cfg->nats[k].interface, n->interface) == 0)
				return check_fail(c, n->line, "interface",
					"nat: interface \"%s\" already has one, in line %d; remove "
					"one",
					n->interface, c->cfg->nats[k].line);
	}
	return 0;
}

static int check_sync(struct check *c)
{
	const struct config_sync *s = &c->cfg->sync;
	const struct config_interface *in;
	char text[CONFIG_PREFIX_STRLEN];

	if (!s->present)
		return 0;
	config_prefix_to_str(&s->peer, text);
	if (!(in = config_interface_find(c->cfg, s->interface)))
		return check_fail(c, s->line, "interface",
			"sync: interface \"%s\" is not an interface of this file; correct the name",
			s->interface);
	if (in->role != CONFIG_ROLE_HA)
		return check_fail(c, s->line, "interface",
			"sync: interface \"%s\" does not have role = ha, so it is not closed to "
			"others; set "
			"its role",
			s->interface);
	if (owner_of(c->cfg, &s->peer))
		return check_fail(c, s->line, "peer",
			"sync: peer %s is this node's own address; name the other node's", text);
	if (!subnet_of(in, &s->peer) || !host_address(&s->peer))
		return check_fail(c, s->line, "peer",
			"sync: peer %s is in no subnet of interface \"%s\"; correct one of them",
			text, s->interface);
	if (strchr(s->identity, '/') || s->identity[0] == '.')
		return check_fail(c, s->line, "identity",
			"sync: identity \"%s\" is not a plain file name; it is relative to the "
			"state folder",
			s->identity);
	return 0;
}

static int check_portal(struct check *c)
{
	const struct config_portal *p = &c->cfg->portal;
	const struct config_proxy *x = &c->cfg->proxy;

	if (p->present && strncmp(p->url, "https://", 8) != 0)
		return check_fail(c, p->line, "url",
			"portal: url \"%.128s\" does not begin with https://; correct it", p->url);
	if (x->present && x->host[strcspn(x->host, " /:@\"\\")] != '\0')
		return check_fail(c, x->line, "host",
			"proxy: host \"%.128s\" is not a host name; write the name alone", x->host);
	if (x->present && x->password_file && !x->user)
		return check_fail(c, x->line, "password-file",
			"proxy: password-file without a user; add user = \"…\"");
	return 0;
}

/* Each daemon's part has to fit into one message. */
static int check_size(struct check *c)
{
	for (enum config_part part = CONFIG_PART_VRRPD; part <= CONFIG_PART_ACTIVATED; part++) {
		struct arena *a = arena_new(CONFIG_ARENA_MAX);
		Gp__Config *m = a ? config_pack(c->cfg, part, a) : NULL;
		size_t size = m ? gp__config__get_packed_size(m) : SIZE_MAX;

		arena_free(a);
		if (size > CONFIG_PART_MAX)
			return check_fail(c, 1, NULL,
				"the whole configuration is too large to hand to a daemon (at most "
				"%d bytes); "
				"use fewer sections",
				CONFIG_PART_MAX);
	}
	return 0;
}

int config_check(const struct config *cfg, const struct config_text *t, int *ret_line,
	char why[CONFIG_WHY_MAX])
{
	static int (*const checks[])(struct check *) = {
		check_size, /* first: the others compare everything with everything */
		check_interfaces,
		check_routes,
		check_cluster,
		check_vrrps,
		check_nats,
		check_sync,
		check_portal,
	};
	struct check c = {.cfg = cfg, .t = t, .line = 1, .why = why};
	int err = 0;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && err == 0; i++)
		err = checks[i](&c);
	*ret_line = c.line;
	return err;
}
