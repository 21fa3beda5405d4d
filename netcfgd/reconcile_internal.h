/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of a plan: those of the lease and the firewall are in reconcile.c, those of links in
 * reconcile_link.c, those of addresses, routes and rules in reconcile_ip.c.
 */
#ifndef GATEPAIR_NETCFGD_RECONCILE_INTERNAL_H
#define GATEPAIR_NETCFGD_RECONCILE_INTERNAL_H

#include "netcfgd/reconcile.h"

#include <linux/if_bonding.h>

struct ctx {
	const struct desired *d;
	const struct kernel *k;
	bool held;
	struct plan *plan;
};

/* Never NULL: what does not fit is forgotten, and plan->more says so. */
struct op *reconcile_add(struct ctx *c, enum op_kind kind, uint32_t index, const char *name);
struct op *reconcile_add_addr(struct ctx *c, enum op_kind kind, const struct kernel_link *l,
	const struct config_prefix *p, bool virt);
/* Is the link what is wanted, as far as it cannot be changed in place? */
bool reconcile_link_right(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l);
bool reconcile_made_by_us(const struct kernel_link *l);
/* Up, or brought up earlier in this plan. */
bool reconcile_will_be_up(
	const struct ctx *c, const struct desired_link *w, const struct kernel_link *l);

void reconcile_rename_links(struct ctx *c);
void reconcile_del_links(struct ctx *c);
void reconcile_add_links(struct ctx *c);
void reconcile_members(struct ctx *c);
void reconcile_link_options(struct ctx *c);
void reconcile_links_up(struct ctx *c);
void reconcile_virtual_links_up(struct ctx *c);

void reconcile_del_addrs_in_the_way(struct ctx *c);
void reconcile_add_static_addrs(struct ctx *c);
void reconcile_del_addrs(struct ctx *c);
void reconcile_add_virtual_addrs(struct ctx *c);
void reconcile_connected(struct ctx *c);
void reconcile_set_routes(struct ctx *c);
void reconcile_del_routes(struct ctx *c);
void reconcile_rules(struct ctx *c);

#endif
