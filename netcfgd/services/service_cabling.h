/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module of the services process that watches the cabling (service.h).
 */
#ifndef GATEPAIR_NETCFGD_SERVICE_CABLING_H
#define GATEPAIR_NETCFGD_SERVICE_CABLING_H

#include <stdint.h>

struct service_module;

extern const struct service_module service_cabling;

/* The peer's name if that is a MAC of the peer's, else NULL. */
const char *service_cabling_peer(const uint8_t mac[6]);

#endif
