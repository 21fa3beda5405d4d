/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `gatepair status`: the pair on one screen.
 */
#ifndef GATEPAIR_CTL_OVERVIEW_H
#define GATEPAIR_CTL_OVERVIEW_H

#include <stdio.h>

#include "ipc.pb-c.h"

/* What each daemon answered; NULL: it did not, and the sentence says why and what to do. */
struct overview {
	const char *node;
	const Gp__Status *supervisor, *vrrpd, *syncd, *netcfgd;
	const char *why_supervisor, *why_vrrpd, *why_syncd, *why_netcfgd;
};

void overview_print(FILE *f, const struct overview *o);

#endif
