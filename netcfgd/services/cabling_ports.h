/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which interface is what for the cabling probe: the HA link, the ports below it, the others. A
 * pure function of the configuration and of the picture of the kernel. Runs in netcfgd's services
 * process.
 */
#ifndef GATEPAIR_NETCFGD_CABLING_PORTS_H
#define GATEPAIR_NETCFGD_CABLING_PORTS_H

#include "netcfgd/services/cabling.h"
#include "netcfgd/kernel.h"

#define CABLING_PORTS  256 /* more are not listened on */
#define CABLING_OTHERS 16  /* that probes are sent on */

struct cabling_port {
	uint32_t index;
	char name[IFNAMSIZ];
	uint8_t mac[CABLING_MAC_LEN];
	uint32_t mtu;
	uint16_t vlan; /* 0: none */
	enum cabling_place place;
	bool direct; /* a physical port of the HA link */
	bool send;   /* AT_OTHER: shared with the peer */
};

struct cabling_ports {
	struct cabling_port v[CABLING_PORTS];
	size_t n;
};

/* Interfaces that exist only; the HA link comes first. */
void cabling_ports_build(struct cabling_ports *p, const struct config *cfg, const struct kernel *k);
const struct cabling_port *cabling_port_of(const struct cabling_ports *p, uint32_t index);
/* NULL: it does not exist. */
const struct cabling_port *cabling_port_ha(const struct cabling_ports *p);

#endif
