/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last word of a router that steps down: a router advertisement with lifetime 0 (RFC 4861
 * §6.2.5) from each LAN interface that had adverts, so that hosts drop it at once instead of when
 * its last advert is too old. dnsmasq, which sends the others, ends without one.
 */
#ifndef GATEPAIR_NETCFGD_GOODBYE_H
#define GATEPAIR_NETCFGD_GOODBYE_H

#include "netcfgd/kernel.h"

/* Never waits; what cannot be sent is logged. Needs CAP_NET_RAW. */
void goodbye_routers(const struct config *cfg, const struct kernel *picture);

#endif
