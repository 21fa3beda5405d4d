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
#define KERNEL_MAX_ADDRS  4096 /* strangers' per link; as many again of ours */
#define KERNEL_MAX_ROUTES 8192 /* strangers' ways to their subnets; as many again of ours */
#define KERNEL_MAX_RULES  1024 /* ours */
#define KERNEL_MAC_LEN    6
#define KERNEL_TABLE_MAIN 254       /* RT_TABLE_MAIN */
#define KERNEL_RULE_MAIN  32766     /* priority of the rule that looks it up */
#define SYSCTL_UNKNOWN    INT32_MIN /* not read, or there is no such file */

enum link_kind { LINK_OTHER = 0, LINK_VLAN, LINK_MACVLAN, LINK_BRIDGE, LINK_BOND };

/* By the protocol number that addresses, routes and rules are marked with. */
enum kernel_owner {
	OWNER_OTHER = 0,
	OWNER_CONFIG,
	OWNER_WAN,
	OWNER_KERNEL, /* the route to an address's own subnet, which the kernel makes with it */
};

struct kernel_addr {
	struct config_prefix prefix;
	enum kernel_owner owner;
	bool secondary; /* IPv4: another address of the same subnet came first */
	bool duplicate; /* IPv6: not in use, as another node has it (DAD, RFC 4862) */
	usec_t until;   /* end of its lifetime; USEC_NEVER: it has none */
};

struct kernel_link {
	uint32_t index;
	char name[IFNAMSIZ];
	enum link_kind kind;
	uint32_t parent;  /* ifindex; 0: none */
	uint32_t master;  /* ifindex of the bridge or bond that it is a member of; 0: none */
	uint16_t vlan_id; /* LINK_VLAN */
	uint8_t bond_mode;
	uint32_t miimon;        /* LINK_BOND, ms */
	uint8_t xmit_hash;      /* LINK_BOND */
	bool lacp_fast;         /* LINK_BOND */
	bool stp;               /* LINK_BRIDGE */
	bool vlan_filtering;    /* LINK_BRIDGE */
	uint32_t forward_delay; /* LINK_BRIDGE, 1/100 s */
	bool follows;           /* LINK_BRIDGE: STP has made another the root, whose delay counts */
	uint8_t mac[KERNEL_MAC_LEN];
	uint32_t mtu;
	bool up, carrier, ether;
	bool aliased;  /* somebody gave it an alias */
	bool ours;     /* its alias says so: a vlan, bridge or bond that we made */
	bool fresh;    /* new, or newly named: its switches were not read yet */
	bool appeared; /* likewise, and nothing was made right on it yet */
	struct kernel_addr *addrs;
	size_t n_addrs, cap_addrs;
	UT_hash_handle by_index, by_name;
};

/* Of a route, what makes it one of its own; all else can be replaced in place. */
struct kernel_route_key {
	uint8_t family, len, pad[2];
	uint8_t net[16];
	uint32_t metric, table;
};

struct kernel_route {
	struct config_prefix prefix, via; /* via.family 0: none */
	uint32_t metric, table;
	uint32_t oif; /* 0: not said */
	bool blackhole;
	enum kernel_owner owner;
};

struct kernel_route_entry {
	struct kernel_route_key key;
	struct kernel_route route;
	UT_hash_handle hh;
};

/* A rule of policy routing; no two are alike. Made by kernel_rule_key() only: compared and hashed
 * as a whole. */
struct kernel_rule {
	uint8_t family, from_len, to_len, pad;
	uint8_t from[16], to[16];
	uint32_t priority, mark, table;
	char iif[IFNAMSIZ];
};

struct kernel_rule_entry {
	struct kernel_rule rule;
	bool ours;
	UT_hash_handle hh;
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
	struct kernel_route_entry *routes; /* of our protocol numbers */
	struct kernel_rule_entry *rules;   /* of our protocol number, and the kernel's own */
	int32_t *sysctls;                  /* parallel to desired->sysctls; NULL until read */
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
/* False: there was none. */
bool kernel_route_remove(struct kernel *k, const struct kernel_route *r);
const struct kernel_route *kernel_route_find(
	const struct kernel *k, const struct kernel_route_key *key);
void kernel_routes_clear(struct kernel *k);
struct kernel_route_key kernel_route_key(
	const struct config_prefix *prefix, uint32_t metric, uint32_t table);

/* `from` and `to`: family 0 matches any. */
struct kernel_rule kernel_rule_key(int family, const struct config_prefix *from,
	const struct config_prefix *to, const char *iif, uint32_t priority, uint32_t mark,
	uint32_t table);
int kernel_rule_put(struct kernel *k, const struct kernel_rule *r, bool ours)
	__attribute__((warn_unused_result));
bool kernel_rule_remove(struct kernel *k, const struct kernel_rule *r);
const struct kernel_rule_entry *kernel_rule_find(
	const struct kernel *k, const struct kernel_rule *r);
void kernel_rules_clear(struct kernel *k);

bool prefix_same_host(const struct config_prefix *a, const struct config_prefix *b);
/* With the bits beyond its length cleared. */
struct config_prefix prefix_network(const struct config_prefix *p);

#endif
