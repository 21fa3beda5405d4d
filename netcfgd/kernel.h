/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel has: netcfgd's picture of links, addresses, routes, kernel switches and its
 * nftables table. Plain data without I/O; observe.c and nft.c keep it current from netlink,
 * reconcile.c compares it with what is desired, tests build it by hand.
 */
#ifndef GATEPAIR_NETCFGD_KERNEL_H
#define GATEPAIR_NETCFGD_KERNEL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "common/config.h"

#define KERNEL_MAX_LINKS  8192
#define KERNEL_MAX_ADDRS  4096 /* per link */
#define KERNEL_MAX_ROUTES 4096 /* ours */
#define KERNEL_MAC_LEN    6
#define SYSCTL_UNKNOWN    INT32_MIN /* not read, or there is no such file */

enum link_kind { LINK_OTHER = 0, LINK_VLAN, LINK_MACVLAN };

struct kernel_addr {
	struct config_prefix prefix;
	bool ours; /* marked with our IFA_PROTO */
};

struct kernel_link {
	uint32_t index;
	char name[IFNAMSIZ];
	enum link_kind kind;
	uint32_t parent;  /* ifindex; 0: none */
	uint16_t vlan_id; /* LINK_VLAN */
	uint8_t mac[KERNEL_MAC_LEN];
	uint32_t mtu;
	bool up, carrier, ether;
	bool ours; /* its alias says so: a vlan that we made */
	struct kernel_addr *addrs;
	size_t n_addrs, cap_addrs;
	UT_hash_handle by_index, by_name;
};

struct kernel_route {
	struct config_prefix prefix, via;
	uint32_t metric;
	uint32_t oif;
};

struct kernel_firewall {
	bool present;   /* our table is there */
	bool complete;  /* the operator's rules of its time are in it, if there were any */
	uint64_t hash;  /* of the ruleset it was written from; 0: none */
	uint64_t user;  /* of the operator's rules that are at hand; 0: none */
	uint32_t rules; /* counted */
	bool gate_open;
	bool stale; /* somebody else changed it */
};

struct kernel {
	struct kernel_link *by_index, *by_name;
	size_t n_links;
	struct kernel_route *routes; /* main table, our protocol number */
	size_t n_routes, cap_routes;
	int32_t *sysctls; /* parallel to desired->sysctls; NULL until read */
	struct kernel_firewall fw;
};

void kernel_init(struct kernel *k);
void kernel_fini(struct kernel *k);

struct kernel_link *kernel_link(const struct kernel *k, uint32_t index);
struct kernel_link *kernel_link_by_name(const struct kernel *k, const char *name);
/* Adds the link or changes it; `attrs` gives all plain members, addresses are kept. The link, or
 * NULL on ENOMEM or when there are too many. */
struct kernel_link *kernel_link_put(struct kernel *k, const struct kernel_link *attrs);
void kernel_link_remove(struct kernel *k, uint32_t index);

int kernel_addr_put(struct kernel *k, uint32_t index, const struct kernel_addr *a)
	__attribute__((warn_unused_result));
void kernel_addr_remove(struct kernel *k, uint32_t index, const struct config_prefix *p);
const struct kernel_addr *kernel_addr_find(
	const struct kernel_link *l, const struct config_prefix *p);
/* The same address whatever its prefix length. */
const struct kernel_addr *kernel_host_find(
	const struct kernel_link *l, const struct config_prefix *p);

int kernel_route_put(struct kernel *k, const struct kernel_route *r)
	__attribute__((warn_unused_result));
void kernel_route_remove(struct kernel *k, const struct kernel_route *r);
void kernel_routes_clear(struct kernel *k);

bool prefix_same_host(const struct config_prefix *a, const struct config_prefix *b);

#endif
