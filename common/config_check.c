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

#include "common/config_check.h"
#include "common/model.h"

int check_fail(struct check *c, int section_line, const char *key, const char *fmt, ...)
{
	va_list ap;

	c->line = key ? config_text_key(c->t, section_line, key) : section_line;
	va_start(ap, fmt);
	vsnprintf(c->why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* --- questions -------------------------------------------------------------------------------- */

bool check_same_address(const struct config_prefix *a, const struct config_prefix *b)
{
	struct config_prefix x = *a, y = *b;

	x.len = y.len = a->family == AF_INET ? 32 : 128;
	return config_prefix_equal(&x, &y);
}

bool check_host_address(const struct config_prefix *p)
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

bool check_host_bits(const struct config_prefix *p)
{
	const uint8_t *bytes = p->family == AF_INET ? (const uint8_t *)&p->v4 : p->v6.s6_addr;
	unsigned bits = p->family == AF_INET ? 32 : 128;

	for (unsigned i = p->len; i < bits; i++)
		if (bytes[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

bool check_link_local(const struct config_prefix *p)
{
	return p->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&p->v6);
}

const char *check_kind(const struct config_interface *in)
{
	static const char *const names[] = {[CONFIG_LINK_PORT] = "interface",
		[CONFIG_LINK_VLAN] = "vlan",
		[CONFIG_LINK_BRIDGE] = "bridge",
		[CONFIG_LINK_BOND] = "bond"};

	return names[in->kind];
}

const struct config_interface *check_owner(const struct config *cfg, const struct config_prefix *a)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		for (size_t k = 0; k < cfg->interfaces[i].addresses.n; k++)
			if (check_same_address(&cfg->interfaces[i].addresses.v[k], a))
				return &cfg->interfaces[i];
	return NULL;
}

const struct config_vrrp *check_virtual_owner(
	const struct config *cfg, const struct config_prefix *a)
{
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		for (size_t k = 0; k < cfg->vrrps[i].addresses.n; k++)
			if (check_same_address(&cfg->vrrps[i].addresses.v[k], a))
				return &cfg->vrrps[i];
	return NULL;
}

const struct config_prefix *check_subnet(
	const struct config_interface *in, const struct config_prefix *a)
{
	for (size_t i = 0; i < in->addresses.n; i++)
		if (in->addresses.v[i].family == a->family &&
			config_prefix_contains(&in->addresses.v[i], a))
			return &in->addresses.v[i];
	return NULL;
}

int check_interface_key(struct check *c, int section_line, const char *object, const char *name)
{
	const struct config_interface *in = config_interface_find(c->cfg, name);

	if (!in)
		return check_fail(c, section_line, "interface",
			"%s: interface \"%s\" is not an interface of this file; correct the name",
			object, name);
	if (in->master[0])
		return check_fail(c, section_line, "interface",
			"%s: interface \"%s\" is a port of \"%s\"; name that instead", object, name,
			in->master);
	return 0;
}

/* --- the cluster ------------------------------------------------------------------------------ */

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
	const struct config_interface *owner = check_owner(c->cfg, a);

	config_prefix_to_str(a, text);
	if (!check_host_address(a))
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
	if (!in->dhcp && !check_subnet(in, a))
		return check_fail(c, v->line, "virtual-address",
			"vrrp \"%s\": virtual-address %s is in no subnet of interface \"%s\"; "
			"correct one of them",
			v->name, text, in->name);
	for (const struct config_vrrp *o = c->cfg->vrrps; o <= v; o++) {
		size_t n = o == v ? (size_t)(a - v->addresses.v) : o->addresses.n;

		for (size_t i = 0; i < n; i++)
			if (check_same_address(&o->addresses.v[i], a))
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

	snprintf(object, sizeof(object), "vrrp \"%s\"", v->name);
	if ((err = check_interface_key(c, v->line, object, v->interface)) < 0)
		return err;
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

		int err = check_interface_key(c, n->line, "nat", n->interface);

		if (err < 0)
			return err;
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

/* Where the model fixes the role of a port, there is none to set. */
static int fail_sync_role(struct check *c, const struct config_interface *in)
{
	const struct model *m = model_get(c->cfg->model);
	const struct model_port *ha = model_port_ha(m);

	if (ha && in->kind == CONFIG_LINK_PORT)
		return check_fail(c, c->cfg->sync.line, "interface",
			"sync: interface \"%s\" does not have role = ha; the HA port of the %s is "
			"%s, name that",
			in->name, m->name, ha->name);
	return check_fail(c, c->cfg->sync.line, "interface",
		"sync: interface \"%s\" does not have role = ha, so it is not closed to others; "
		"set its role",
		in->name);
}

static int check_sync(struct check *c)
{
	const struct config_sync *s = &c->cfg->sync;
	const struct config_interface *in;
	char text[CONFIG_PREFIX_STRLEN];
	int err;

	if (!s->present)
		return 0;
	config_prefix_to_str(&s->peer, text);
	if ((err = check_interface_key(c, s->line, "sync", s->interface)) < 0)
		return err;
	in = config_interface_find(c->cfg, s->interface);
	if (in->role != CONFIG_ROLE_HA)
		return fail_sync_role(c, in);
	if (check_owner(c->cfg, &s->peer))
		return check_fail(c, s->line, "peer",
			"sync: peer %s is this node's own address; name the other node's", text);
	if (!check_subnet(in, &s->peer) || !check_host_address(&s->peer))
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
		check_links,
		check_dhcp,
		check_routes,
		check_rules,
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
