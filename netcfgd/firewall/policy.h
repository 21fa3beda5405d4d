/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the policy share: firewall.c, which has the tables and what is forwarded, and
 * policy_input.c.
 */
#ifndef GATEPAIR_NETCFGD_POLICY_H
#define GATEPAIR_NETCFGD_POLICY_H

#include "netcfgd/firewall/firewall.h"

#define PROTO_VRRP 112

void policy_input(struct fw_batch *b, const struct desired *d);
void policy_ct_state(
	struct fw_batch *b, const char *in, const char *text, uint32_t bits, uint32_t verdict);
void policy_jump(struct fw_batch *b, const char *from, const char *to);

#endif
