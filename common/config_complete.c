/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a configuration's sections leave to be understood: the role and the device of a port that
 * the model knows, and the members of bridges and bonds, which become interfaces of their own. Run
 * after parsing, before the cross checks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/config_internal.h"
#include "common/model.h"

static int complete_port(
	const struct model *m, struct config_interface *in, char why[CONFIG_WHY_MAX])
{
	const struct model_port *port = model_port_find(m, in->name);

	if (port && !in->device[0])
		snprintf(in->device, sizeof(in->device), "%s", port->device);
	if (port && !in->role)
		in->role = port->role;
	if (in->role)
		return 0;
	if (!port && m->n_ports > 0)
		snprintf(why, CONFIG_WHY_MAX,
			"interface \"%s\": %s has no port %s; it has %s to %s", in->name, m->name,
			in->name, m->ports[0].name, m->ports[m->n_ports - 1].name);
	else
		snprintf(
			why, CONFIG_WHY_MAX, "interface \"%s\": role is missing; add it", in->name);
	return -EINVAL;
}

/* The members of a bridge or bond have no section: what they are follows from their master. */
static void make_member(const struct model *m, const struct config_interface *master,
	const char *name, struct config_interface *ret)
{
	const struct model_port *port = model_port_find(m, name);

	*ret = (struct config_interface){.kind = CONFIG_LINK_PORT,
		.role = master->role,
		.dhcp_lease_time = CONFIG_LEASE_TIME_DEFAULT,
		.implied = true,
		.line = master->line};
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	memcpy(ret->master, master->name, sizeof(ret->master));
	if (port)
		snprintf(ret->device, sizeof(ret->device), "%s", port->device);
}

static int add_members(struct config *cfg, const struct model *m, size_t n)
{
	struct config_interface *all = arena_array(cfg->arena, n, sizeof(*all));
	size_t at = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		const struct config_interface *in = &cfg->interfaces[i];

		for (size_t k = 0; k < in->ports.n; k++)
			make_member(m, in, in->ports.v[k], &all[at++]);
		all[at++] = *in;
	}
	cfg->interfaces = all;
	cfg->n_interfaces = n;
	return 0;
}

int config_complete(struct config *cfg, int *ret_line, char why[CONFIG_WHY_MAX])
{
	const struct model *m = model_get(cfg->model);
	size_t n = cfg->n_interfaces;

	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		struct config_interface *in = &cfg->interfaces[i];

		*ret_line = in->line;
		if (in->kind == CONFIG_LINK_PORT && complete_port(m, in, why) < 0)
			return -EINVAL;
		n += in->ports.n;
		if (n > CONFIG_MAX_INTERFACES) {
			snprintf(why, CONFIG_WHY_MAX,
				"%s: with the ports of bridges and bonds there are more than %d "
				"interfaces; remove some",
				in->name, CONFIG_MAX_INTERFACES);
			return -E2BIG;
		}
	}
	for (size_t i = 0; i < cfg->n_routes; i++)
		if (cfg->routes[i].table == CONFIG_TABLE_MAIN)
			cfg->routes[i].table = 0;
	return n > cfg->n_interfaces ? add_members(cfg, m, n) : 0;
}
