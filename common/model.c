/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The appliance models; see model.h.
 */
#include <string.h>

#include "common/model.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define MGMT       CONFIG_ROLE_MGMT, MODEL_ROLE(CONFIG_ROLE_MGMT)
#define LAN        CONFIG_ROLE_LAN, MODEL_ROLE(CONFIG_ROLE_LAN)
#define WAN        CONFIG_ROLE_WAN, MODEL_ROLE(CONFIG_ROLE_WAN)
#define HA         CONFIG_ROLE_HA, MODEL_ROLE(CONFIG_ROLE_HA)
#define LAN_OR_WAN CONFIG_ROLE_LAN, MODEL_ROLE(CONFIG_ROLE_LAN) | MODEL_ROLE(CONFIG_ROLE_WAN)

static const struct model_port zt400[] = {
	{"ge1", "eth0", MGMT},
	{"ge2", "eth1", LAN},
	{"ge3", "eth2", WAN},
	{"ge4", "eth3", HA},
};
static const struct model_port zt600[] = {
	{"ge1", "eth0", MGMT},
	{"ge2", "eth1", LAN_OR_WAN},
	{"ge3", "eth2", LAN},
	{"ge4", "eth3", HA},
	{"ge5", "eth4", WAN},
};
static const struct model_port zt800[] = {
	{"ge1", "eth0", LAN},
	{"ge2", "eth1", WAN},
	{"ge3", "eth2", MGMT},
	{"ge4", "eth3", HA},
	{"ge5", "eth4", LAN},
	{"ge6", "eth5", LAN},
	{"ge7", "eth6", WAN},
	{"ge8", "eth7", WAN},
};

static const struct model models[] = {
	[CONFIG_MODEL_GENERIC] = {"generic", NULL, 0},
	[CONFIG_MODEL_ZT400] = {"zt400", zt400, COUNT(zt400)},
	[CONFIG_MODEL_ZT600] = {"zt600", zt600, COUNT(zt600)},
	[CONFIG_MODEL_ZT800] = {"zt800", zt800, COUNT(zt800)},
};

const struct model *model_get(enum config_model model)
{
	bool known = model >= CONFIG_MODEL_GENERIC && model <= CONFIG_MODEL_ZT800;

	return &models[known ? model : CONFIG_MODEL_GENERIC];
}

const struct model_port *model_port_find(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_ports; i++)
		if (strcmp(m->ports[i].name, name) == 0)
			return &m->ports[i];
	return NULL;
}

const struct model_port *model_port_ha(const struct model *m)
{
	for (size_t i = 0; i < m->n_ports; i++)
		if (m->ports[i].role == CONFIG_ROLE_HA)
			return &m->ports[i];
	return NULL;
}
