/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module of the services process that watches for duplicate addresses (service.h).
 */
#ifndef GATEPAIR_NETCFGD_SERVICE_ADDRESSES_H
#define GATEPAIR_NETCFGD_SERVICE_ADDRESSES_H

struct service_module;

extern const struct service_module service_addresses;

#endif
