/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cross checks of interfaces, bridges, bonds and vlans: names, what is made of what, what the model
 * has, addresses. What they serve to clients is in config_check_dhcp.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/config_check.h"
#include "common/model.h"

#define PORTS_MAX 16 /* of one bridge or bond */
/* RFC 8200, section 5. */
#define IPV6_MTU_MIN 1280

static bool is_master(const struct config_interface *in)
{
	return in->kind == CONFIG_LINK_BRIDGE || in->kind == CONFIG_LINK_BOND;
}

static const char *master_kind(const struct check *c, const struct config_interface *port)
{
	for (size_t i = 0; i < c->cfg->n_interfaces; i++)
		if (is_master(&c->cfg->interfaces[i]) &&
			strcmp(c->cfg->interfaces[i].name, port->master) == 0)
			return check_kind(&c->cfg->interfaces[i]);
	return "bridge or bond";
}

/* --- names ------------------------------------------------------------------------------------ */

static int check_name(struct check *c, const struct config_interface *in)
{
	const struct config_interface *first = config_interface_find(c->cfg, in->name);
	const struct config_interface *port = in->implied ? in : first;
	const struct config_interface *other = in->implied ? first : in;

	if (first == in)
		return 0;
	if (!port->implied)
		return check_fail(c, in->line, NULL,
			"%s \"%s\": the name is taken by the one in line %d; rename or remove one",
			check_kind(in), in->name, first->line);
	if (strcmp(port->name, port->master) == 0)
		return check_fail(c, port->line, "ports",
			"%s \"%s\": it is listed as its own port; name the port below it",
			master_kind(c, port), port->master);
	if (!other->implied)
		return check_fail(c, port->line, "ports",
			"%s \"%s\": port \"%s\" has a section of its own in line %d; remove that "
			"one, or take the port out of ports",
			master_kind(c, port), port->master, port->name, other->line);
	if (strcmp(port->master, other->master) == 0)
		return check_fail(c, port->line, "ports",
			"%s \"%s\": port \"%s\" is listed twice; remove one", master_kind(c, port),
			port->master, port->name);
	return check_fail(c, port->line, "ports",
		"%s \"%s\": port \"%s\" is a port of \"%s\" already; remove one",
		master_kind(c, port), port->master, port->name, other->master);
}

/* What the kernel calls a port before it gets its name. */
static const char *device_of(const struct config_interface *in)
{
	return in->device[0] ? in->device : in->name;
}

static int check_device(struct check *c, const struct config_interface *in)
{
	const struct config_interface *other;

	for (const struct config_interface *o = c->cfg->interfaces; o < in; o++)
		if (o->kind == CONFIG_LINK_PORT && strcmp(device_of(o), device_of(in)) == 0)
			return check_fail(c, in->line, "device",
				"interface \"%s\": device \"%s\" is that of interface \"%s\" too; "
				"correct one",
				in->name, device_of(in), o->name);
	other = config_interface_find(c->cfg, device_of(in));
	if (!other || other == in)
		return 0;
	/* Nobody could tell later which of them it was. */
	return check_fail(c, in->line, "device",
		"interface \"%s\": device \"%s\" is the name of %s \"%s\" in this file; rename "
		"that",
		in->name, device_of(in), check_kind(other), other->name);
}

/* --- models ----------------------------------------------------------------------------------- */

static const char *role_name(enum config_role role)
{
	static const char *const names[] = {[CONFIG_ROLE_MGMT] = "mgmt",
		[CONFIG_ROLE_LAN] = "lan",
		[CONFIG_ROLE_WAN] = "wan",
		[CONFIG_ROLE_HA] = "ha"};

	return names[role];
}

static int check_model(struct check *c, const struct config_interface *in)
{
	const struct model *m = model_get(c->cfg->model);
	const struct model_port *port = model_port_find(m, in->name);
	bool both = port && port->roles != MODEL_ROLE(port->role);

	if (m->n_ports == 0 || (port && (port->roles & MODEL_ROLE(in->role))))
		return 0;
	if (port)
		return check_fail(c, in->line, in->implied ? "ports" : "role",
			"%s \"%s\": port %s of the %s is for %s%s, not for %s; use another port or "
			"correct the role",
			in->implied ? master_kind(c, in) : "interface",
			in->implied ? in->master : in->name, port->name, m->name,
			role_name(port->role), both ? " or wan" : "", role_name(in->role));
	return check_fail(c, in->line, in->implied ? "ports" : NULL,
		"%s \"%s\": %s has no port %s; it has %s to %s",
		in->implied ? master_kind(c, in) : "interface", in->implied ? in->master : in->name,
		m->name, in->name, m->ports[0].name, m->ports[m->n_ports - 1].name);
}

/* --- what is made of what --------------------------------------------------------------------- */

static int check_ids(
	struct check *c, const struct config_interface *in, const struct config_interface *parent)
{
	for (const struct config_interface *o = c->cfg->interfaces; o < in; o++) {
		if (strcmp(o->parent, in->parent) != 0)
			continue;
		if (o->vlan_id == in->vlan_id)
			return check_fail(c, in->line, "id",
				"vlan \"%s\": id %u is already that of vlan \"%s\" on %s; choose "
				"another",
				in->name, in->vlan_id, o->name, in->parent);
		if (parent->role == CONFIG_ROLE_WAN)
			return check_fail(c, in->line, "parent",
				"vlan \"%s\": wan interface \"%s\" has a vlan already, \"%s\" in "
				"line %d; a wan interface has one at most, remove one",
				in->name, in->parent, o->name, o->line);
	}
	return 0;
}

static int check_vlan(struct check *c, const struct config_interface *in)
{
	const struct config_interface *parent = config_interface_find(c->cfg, in->parent);

	if (!parent)
		return check_fail(c, in->line, "parent",
			"vlan \"%s\": parent \"%s\" is not an interface of this file; add "
			"interface \"%s\"",
			in->name, in->parent, in->parent);
	if (parent->kind == CONFIG_LINK_VLAN)
		return check_fail(c, in->line, "parent",
			"vlan \"%s\": parent \"%s\" is a vlan itself; name the port below it",
			in->name, in->parent);
	if (parent->master[0])
		return check_fail(c, in->line, "parent",
			"vlan \"%s\": parent \"%s\" is a port of %s \"%s\"; name that instead",
			in->name, in->parent, master_kind(c, parent), parent->master);
	if (parent->mtu && in->mtu > parent->mtu)
		return check_fail(c, in->line, "mtu",
			"vlan \"%s\": mtu %u is more than the %u of its parent \"%s\"; lower it",
			in->name, in->mtu, parent->mtu, in->parent);
	return check_ids(c, in, parent);
}

static int check_kind_of_link(struct check *c, const struct config_interface *in)
{
	int err;

	switch (in->kind) {
	case CONFIG_LINK_PORT:
		err = check_model(c, in);
		return err == 0 ? check_device(c, in) : err;
	case CONFIG_LINK_VLAN:
		return check_vlan(c, in);
	case CONFIG_LINK_BRIDGE:
	case CONFIG_LINK_BOND:
		if (in->ports.n <= PORTS_MAX)
			return 0;
		return check_fail(c, in->line, "ports",
			"%s \"%s\": %zu ports; at most %d are allowed, remove some", check_kind(in),
			in->name, in->ports.n, PORTS_MAX);
	}
	return 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int check_address(struct check *c, const struct config_interface *in, size_t i)
{
	const struct config_prefix *a = &in->addresses.v[i];
	const struct config_interface *owner = check_owner(c->cfg, a);
	char text[CONFIG_PREFIX_STRLEN];

	config_prefix_to_str(a, text);
	if (!check_host_address(a))
		return check_fail(c, in->line, "address",
			"%s \"%s\": %s is not an address that a host can have; choose one",
			check_kind(in), in->name, text);
	if (owner != in)
		return check_fail(c, in->line, "address",
			"%s \"%s\": %s is also the address of \"%s\"; remove one", check_kind(in),
			in->name, text, owner->name);
	for (size_t k = 0; k < i; k++)
		if (check_same_address(a, &in->addresses.v[k]))
			return check_fail(c, in->line, "address",
				"%s \"%s\": %s is listed twice; remove one", check_kind(in),
				in->name, text);
	if (a->family == AF_INET6 && in->mtu && in->mtu < IPV6_MTU_MIN)
		return check_fail(c, in->line, "mtu",
			"%s \"%s\": mtu %u is too small for IPv6, which %s is; write at least %d",
			check_kind(in), in->name, in->mtu, text, IPV6_MTU_MIN);
	return 0;
}

static int check_gateway(struct check *c, const struct config_interface *in, size_t i)
{
	const struct config_prefix *g = &in->gateways.v[i];
	char text[CONFIG_PREFIX_STRLEN];

	config_prefix_to_str(g, text);
	if (in->role == CONFIG_ROLE_HA)
		return check_fail(c, in->line, "gateway",
			"%s \"%s\": the HA link leads to the other node alone; remove gateway",
			check_kind(in), in->name);
	if (in->dhcp && g->family == AF_INET)
		return check_fail(c, in->line, "gateway",
			"%s \"%s\": dhcp brings its own gateway; remove one", check_kind(in),
			in->name);
	for (size_t k = 0; k < i; k++)
		if (in->gateways.v[k].family == g->family)
			return check_fail(c, in->line, "gateway",
				"%s \"%s\": gateway has two of one address family; remove one",
				check_kind(in), in->name);
	if (check_owner(c->cfg, g) || check_virtual_owner(c->cfg, g))
		return check_fail(c, in->line, "gateway",
			"%s \"%s\": gateway %s is an address of this pair; name the router's",
			check_kind(in), in->name, text);
	if (check_host_address(g) && (check_subnet(in, g) || check_link_local(g)))
		return 0;
	return check_fail(c, in->line, "gateway",
		"%s \"%s\": gateway %s is in no subnet of that interface; correct it or address",
		check_kind(in), in->name, text);
}

static int check_link(struct check *c, const struct config_interface *in)
{
	int err = check_name(c, in);

	if (err == 0)
		err = check_kind_of_link(c, in);
	for (size_t i = 0; i < in->addresses.n && err == 0; i++)
		err = check_address(c, in, i);
	for (size_t i = 0; i < in->gateways.n && err == 0; i++)
		err = check_gateway(c, in, i);
	return err;
}

int check_links(struct check *c)
{
	int err = 0;

	for (size_t i = 0; i < c->cfg->n_interfaces && err == 0; i++)
		err = check_link(c, &c->cfg->interfaces[i]);
	return err;
}
