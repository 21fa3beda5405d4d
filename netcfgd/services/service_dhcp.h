/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DHCP servers, relays and router advertisements (dnsmasq), as a module of the services process.
 */
#ifndef GATEPAIR_NETCFGD_SERVICE_DHCP_H
#define GATEPAIR_NETCFGD_SERVICE_DHCP_H

#include "netcfgd/services/service.h"

extern const struct service_module service_dhcp;

/* The resolvers in effect changed. */
void service_dhcp_refresh(void);

#endif
