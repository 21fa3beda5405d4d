/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The WAN by DHCP, as a module of the services process.
 */
#ifndef GATEPAIR_NETCFGD_SERVICE_WAN_H
#define GATEPAIR_NETCFGD_SERVICE_WAN_H

#include "netcfgd/services/service.h"

extern const struct service_module service_wan;

/* The DNS servers in effect now; returns how many. */
size_t service_wan_resolvers(const struct config_prefix **ret);

#endif
