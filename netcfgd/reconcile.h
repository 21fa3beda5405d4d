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
 *  - a link with virtual addresses never comes up before its switches are set;
 *  - what replaces something comes before that goes, where the kernel can have both.
 */
#ifndef GATEPAIR_NETCFGD_RECONCILE_H
#define GATEPAIR_NETCFGD_RECONCILE_H

#include "netcfgd/desired.h"

#define PLAN_MAX 1024

#define BRIDGE_FORWARD_DELAY 400 /* 1/100 s: the least that 802.1D allows */
#define BOND_MIIMON          100 /* ms */

enum op_kind {
	OP_LINK_RENAME,
	OP_LINK_ADD,
	OP_LINK_DEL,
	OP_LINK_UP,
	OP_LINK_DOWN,
	OP_LINK_MTU,
	OP_LINK_MAC,
	OP_LINK_MASTER,
	OP_LINK_OPTIONS, /* of a bridge or bond */
	OP_ADDR_SET,
	OP_ADDR_DEL,
	OP_ROUTE_SET,
	OP_ROUTE_DEL,
	OP_RULE_ADD,
	OP_RULE_DEL,
	OP_SYSCTL,
	OP_FIREWALL, /* write the whole table, gate included */
	OP_GATE,
};

struct op_link {
	const struct desired_link *want; /* NULL: DEL, and MASTER of what is not configured */
	uint8_t mac[KERNEL_MAC_LEN];     /* ADD, MAC */
	bool has_mac;                    /* ADD */
	bool virt;                       /* DOWN: of a link with virtual addresses only */
	bool rest;           /* OPTIONS: with what is only sent when it is wrong; a bond is down */
	uint32_t mtu;        /* MTU */
	uint32_t master;     /* MASTER: ifindex, 0: none */
	char from[IFNAMSIZ]; /* RENAME: the old name; MASTER: the master's name */
};

struct op {
	enum op_kind kind;
	uint32_t index; /* of the link; LINK_ADD: of its parent, 0: it has none */
	char name[IFNAMSIZ];
	/* Set when the plan is carried out: the kernel refused; it undid what somebody else did. */
	bool failed, repair;
	union {
		struct op_link link;
		struct {
			struct config_prefix prefix;
			bool virt, wan;
			usec_t until; /* wan: end of its lifetime */
		} addr;
		struct {
			struct kernel_route r;
			bool onlink;
			struct config_prefix src; /* OWNER_KERNEL: the address */
		} route;
		struct {
			struct kernel_rule r;
			bool builtin;
		} rule;
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
/* Is there a stranger's interface where one of ours is to be? It is left alone. */
bool reconcile_name_taken(
	const struct desired *d, const struct desired_link *w, const struct kernel *k);
/* The bridge or bond, not ours, that keeps a member from its own; NULL: none. */
const struct kernel_link *reconcile_strange_master(
	const struct desired_link *w, const struct kernel *k);
/* A bond that sends by a hash of addresses. */
bool reconcile_bond_hashes(const struct desired_link *w);
/* The gate open and all virtual addresses up. An interface that is not there does not count: the
 * node serves with what it has; whether it should is for the election to say. */
bool reconcile_lease_complete(const struct desired *d, const struct kernel *k);
/* Was the lease held by whoever made the kernel what it is? The gate opens last and closes first:
 * an open one with an address behind it says so, whatever else a reload left undone when it was cut
 * short, in the policy as well. Without any address they have run out. */
bool reconcile_lease_found(const struct desired *d, const struct kernel *k);
/* No virtual address anywhere, the gate closed. */
bool reconcile_lease_clear(const struct desired *d, const struct kernel *k);
/* Renews the lifetime of the virtual addresses that are up, from d->addrs[*from] on; *from moves
 * on past those that fitted into the plan. */
void reconcile_refresh(
	const struct desired *d, const struct kernel *k, size_t *from, struct plan *plan);

#endif
