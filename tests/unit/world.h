/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A generated world for tests of plans: a configuration, a model of a kernel that had other ones
 * before, and strangers who change what they like.
 */
#ifndef GATEPAIR_TESTS_WORLD_H
#define GATEPAIR_TESTS_WORLD_H

#include "tests/unit/model_kernel.h"

#define WORLD_IFS   16
#define WORLD_PORTS 7 /* if0 .. if6; if6 is called dev6 before us */

struct world {
	unsigned seed;
	struct model m;
	struct config cfg;
	struct config_interface interfaces[WORLD_IFS];
	struct config_vrrp vrrps[4];
	struct config_route routes[8];
	struct config_rule rules[4];
	struct config_prefix addrs[96];
	size_t n_addrs;
	char *ports[2][WORLD_PORTS];
	char names[WORLD_PORTS][IFNAMSIZ];
	struct wan_lease wans[1];
	size_t n_wans;
	struct desired *d;
	bool held;
	uint32_t stranger; /* ifindex of a bridge that is nobody's business here */
};

/* With some of the ports, and a stranger's bridge. */
void world_begin(struct world *w, unsigned seed);
void world_end(struct world *w);
uint32_t world_pick(struct world *w, uint32_t n);
struct config_prefix world_v4(unsigned a, unsigned b, unsigned c, unsigned d, uint8_t len);
/* n addresses 10.NET.0.HOST/24 and up. */
struct config_prefixes world_prefixes(struct world *w, size_t n, unsigned net, unsigned host);
/* Another configuration. */
void world_configure(struct world *w);
/* What w->cfg wants. */
void world_desire(struct world *w);
/* Strangers do damage. */
void world_disturb(struct world *w);

#endif
