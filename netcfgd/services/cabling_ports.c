/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of cabling_ports.h. Pure; runs in netcfgd's services process.
 */
#include "netcfgd/services/cabling_ports.h"

#include <string.h>

const struct cabling_port *cabling_port_of(const struct cabling_ports *p, uint32_t index)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].index == index)
			return &p->v[i];
	return NULL;
}

const struct cabling_port *cabling_port_ha(const struct cabling_ports *p)
{
	return p->n && p->v[0].place == CABLING_AT_HA ? &p->v[0] : NULL;
}

static bool is_member(const struct config_interface *of, const char *name)
{
	for (size_t i = 0; i < of->ports.n; i++)
		if (strcmp(of->ports.v[i], name) == 0)
			return true;
	return false;
}

static bool has_ports(const struct config_interface *i)
{
	return i->kind == CONFIG_LINK_BRIDGE || i->kind == CONFIG_LINK_BOND;
}

/* A bond or bridge as parent of a VLAN has its members below it: two steps. */
static bool is_below(const struct config *cfg, const struct config_interface *ha, const char *name)
{
	const struct config_interface *parent =
		ha->parent[0] ? config_interface_find(cfg, ha->parent) : NULL;

	return is_member(ha, name) || strcmp(ha->parent, name) == 0 ||
	       (parent && is_member(parent, name));
}

static bool has_vrrp(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		if (strcmp(cfg->vrrps[i].interface, name) == 0)
			return true;
	return false;
}

static struct cabling_port *put(
	struct cabling_ports *p, const struct config_interface *i, const struct kernel *k)
{
	const struct kernel_link *l = kernel_link_by_name(k, i->name);
	struct cabling_port *port = &p->v[p->n];

	if (!l || !l->ether || p->n == CABLING_PORTS)
		return NULL;
	memset(port, 0, sizeof(*port)); /* compared as a whole */
	port->index = l->index;
	memcpy(port->name, i->name, sizeof(port->name));
	memcpy(port->mac, l->mac, sizeof(port->mac));
	port->mtu = l->mtu;
	port->vlan = i->parent[0] ? i->vlan_id : 0;
	port->place = CABLING_AT_OTHER;
	p->n++;
	return port;
}

static void put_other(struct cabling_ports *p, const struct config *cfg,
	const struct config_interface *ha, const struct config_interface *i, const struct kernel *k,
	size_t *sends)
{
	bool below = ha && is_below(cfg, ha, i->name);
	struct cabling_port *port;

	/* Members of other bridges and bonds hear what those hear. */
	if (i == ha || (!below && i->master[0]))
		return;
	port = put(p, i, k);
	if (!port)
		return;
	if (below) {
		port->place = CABLING_AT_PORT;
		port->direct = !has_ports(i);
	} else if (i->role == CONFIG_ROLE_LAN && *sends < CABLING_OTHERS &&
		   has_vrrp(cfg, i->name)) {
		port->send = true;
		++*sends;
	}
}

void cabling_ports_build(struct cabling_ports *p, const struct config *cfg, const struct kernel *k)
{
	const struct config_interface *ha =
		cfg->sync.present ? config_interface_find(cfg, cfg->sync.interface) : NULL;
	struct cabling_port *port;
	size_t sends = 0;

	p->n = 0;
	port = ha ? put(p, ha, k) : NULL;
	if (port) {
		port->place = CABLING_AT_HA;
		port->direct = !ha->parent[0] && !has_ports(ha);
	}
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		put_other(p, cfg, ha, &cfg->interfaces[i], k, &sends);
}
