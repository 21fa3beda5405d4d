/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's firewall rules in the services process: nft(8) is run to load their text into the
 * table USERRULES_STAGE, from where the first process takes them into the policy.
 */
#ifndef GATEPAIR_NETCFGD_SERVICE_RULES_H
#define GATEPAIR_NETCFGD_SERVICE_RULES_H

#include "netcfgd/services/service.h"

extern const struct service_module service_rules;

/* The first process wants the rules whose text has this digest; it is told when they are there.
 * What nft refuses is tried again until it is taken or no longer configured. */
void service_rules_load(uint64_t of, usec_t now);

#endif
