/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The difference between what is desired and what the kernel has, as an ordered, bounded list of
 * operations. Pure. An operation refers only to what exists already, so what needs a link that is
 * still to be made comes out of the next round: apply, look again, plan again, until the plan is
 * empty.
 *
 * Order makes every prefix of a plan safe:
 *  - not held: virtual addresses go first, then the gate closes, then their links go down;
 *  - held: the gate opens, then the links go up, then addresses come;
 *  - forwarding is switched on only behind a firewall;
 *  - a link with virtual addresses never comes up before its switches are set.
 */
#ifndef GATEPAIR_NETCFGD_RECONCILE_H
#define GATEPAIR_NETCFGD_RECONCILE_H

#include "netcfgd/desired.h"

#define PLAN_MAX 1024

enum op_kind {
	OP_LINK_ADD,
	OP_LINK_DEL,
	OP_LINK_UP,
	OP_LINK_DOWN,
	OP_LINK_MTU,
	OP_ADDR_SET,
	OP_ADDR_DEL,
	OP_ROUTE_SET,
	OP_ROUTE_DEL,
	OP_SYSCTL,
	OP_FIREWALL, /* write the whole table, gate included */
	OP_GATE,
};

struct op {
	enum op_kind kind;
	uint32_t index; /* of the link; LINK_ADD: of its parent */
	char name[IFNAMSIZ];
	union {
		const struct desired_link *link; /* LINK_ADD, LINK_MTU */
		struct {
			struct config_prefix prefix;
			bool virt;
		} addr;
		struct kernel_route route;
		const struct desired_sysctl *sysctl;
		bool open; /* FIREWALL, GATE */
	};
};

struct plan {
	struct op ops[PLAN_MAX];
	size_t n;
	bool more; /* not all of it; plan again afterwards */
};

/* RECONCILE_LEASE: the fast path, only what must change at once with the lease. Links that held
 * virtual addresses go down in the next full round. */
enum reconcile_scope { RECONCILE_ALL, RECONCILE_LEASE };

void reconcile_plan(const struct desired *d, bool held, const struct kernel *k,
	enum reconcile_scope scope, struct plan *plan);
/* The gate open and all virtual addresses up. An interface that is not there does not count: the
 * node serves with what it has; whether it should is for the election to say. */
bool reconcile_lease_complete(const struct desired *d, const struct kernel *k);
/* No virtual address anywhere, the gate closed. */
bool reconcile_lease_clear(const struct desired *d, const struct kernel *k);
/* Renews the lifetime of the virtual addresses that are up, from d->addrs[*from] on; *from moves
 * on past those that fitted into the plan. */
void reconcile_refresh(
	const struct desired *d, const struct kernel *k, size_t *from, struct plan *plan);

#endif
