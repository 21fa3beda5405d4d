/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which addresses are this node's own and which networks are excluded, from the configuration and
 * from what netcfgd tells. A virtual address belongs to the pair, not to a node, wherever it is
 * configured besides. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_FILTER_H
#define GATEPAIR_SYNCD_FILTER_H

#include <net/if.h>

#include "common/config.h"
#include "syncd/flow.h"

#define FILTER_MAX_LEARNED 1024

struct filter_learned {
	char ifname[IFNAMSIZ];
	struct config_prefix addr;
};

/* Zero-initialised it lets everything pass. */
struct filter {
	struct flow_filter flows; /* points into what follows */
	struct config_prefix *own, *configured, *excluded, *virtuals;
	size_t n_configured, n_virtuals;
	struct filter_learned *learned;
	size_t n_learned;
};

/* Copies what it needs. 0, or -ENOMEM: the old filter stays. */
int filter_configure(struct filter *f, const struct config *cfg)
	__attribute__((warn_unused_result));
/* The address that an interface has now, which replaces the one it had. */
void filter_learn(struct filter *f, const char *ifname, const struct config_prefix *addr);
void filter_fini(struct filter *f);

#endif
