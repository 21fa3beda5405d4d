/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wanted of the kernel, as plain data: a pure function of the config and of what DHCP
 * servers gave to WAN interfaces. What depends on the lease (virtual addresses, the gate of the
 * firewall) is listed here as well and marked; whether it is wanted now is for the caller of
 * reconcile to say.
 */
#ifndef GATEPAIR_NETCFGD_DESIRED_H
#define GATEPAIR_NETCFGD_DESIRED_H

#include "netcfgd/kernel.h"
#include "netcfgd/wan.h"

#define DESIRED_PATH_MAX 64

struct desired_addr;

struct desired_link {
	char name[IFNAMSIZ];
	enum link_kind kind;   /* LINK_OTHER: not made by us, only configured */
	char device[IFNAMSIZ]; /* LINK_OTHER: its name before we gave it ours; "": ours */
	char parent[IFNAMSIZ];
	char master[IFNAMSIZ]; /* the bridge or bond that it is a member of; "": none */
	uint16_t vlan_id;
	uint8_t bond_mode; /* the kernel's number */
	bool stp;
	bool has_mac;
	uint8_t mac[KERNEL_MAC_LEN];
	uint32_t mtu; /* 0: leave as it is; VLAN and MACVLAN: as the parent's */
	bool virt;    /* carries virtual addresses only: up while the lease is held */
	enum config_role role;
	bool member; /* of a bridge or bond: its master has the role */
	struct desired_link *members, *next_member; /* in the configuration's order */
	/* What the firewall lets in for the node's own services. */
	bool dhcp, dhcp_server, dhcp_relay, router_advert;
	bool wan_unknown;     /* nothing heard of its lease: what it left in the kernel stays */
	size_t addr, n_addrs; /* its own addresses are addrs[addr .. addr + n_addrs - 1] */
	struct desired_addr *virtuals; /* those whose parent it is; linked by `next` */
	size_t sysctl, n_sysctls; /* its switches are sysctls[sysctl .. sysctl + n_sysctls - 1] */
	UT_hash_handle hh;        /* of d->by_name */
};

struct desired_addr {
	const struct desired_link *on;
	char link[IFNAMSIZ];   /* on->name */
	char parent[IFNAMSIZ]; /* virtual: the interface the user named; else as link */
	struct config_prefix prefix;
	bool virt;
	bool accept;  /* virtual: packets to it may reach this node */
	bool wan;     /* given by a DHCP server */
	usec_t until; /* wan: end of that; else USEC_NEVER */
	struct desired_addr *next;
};

struct desired_route {
	struct kernel_route_key key;
	struct config_prefix prefix, via; /* via.family 0: none */
	uint32_t metric, table;
	char link[IFNAMSIZ]; /* "": the kernel finds out */
	bool blackhole;
	bool onlink;       /* `via` is reached directly, whatever the addresses say */
	bool wan;          /* given by a DHCP server */
	UT_hash_handle hh; /* of d->routes_by_key */
};

struct desired_rule {
	struct kernel_rule rule;
	bool builtin;      /* the kernel's own: put back when somebody flushed it */
	UT_hash_handle hh; /* of d->rules_by_key */
};

struct desired_snat {
	char link[IFNAMSIZ];
	struct config_prefix to;
};

/* EARLY before any packet is tracked; FORWARD only behind the firewall. */
enum sysctl_phase { SYSCTL_EARLY, SYSCTL_LINK, SYSCTL_FORWARD };

struct desired_sysctl {
	char path[DESIRED_PATH_MAX]; /* below /proc/sys/net */
	char link[IFNAMSIZ];         /* "": none */
	int32_t value;
	enum sysctl_phase phase;
	bool optional; /* the kernel may lack it */
};

struct desired_sync {
	bool present;
	struct config_prefix local, peer;
	uint16_t port;
};

struct desired {
	struct arena *arena;        /* owns everything here, this struct included */
	struct desired_link *links; /* parents and members before those on top of them */
	size_t n_links;
	struct desired_link *by_name;
	struct desired_addr *addrs; /* the virtual ones last, from n_static on */
	size_t n_addrs, n_static;
	struct desired_route *routes;
	size_t n_routes;
	struct desired_route *routes_by_key;
	struct desired_rule *rules;
	size_t n_rules;
	struct desired_rule *rules_by_key;
	struct desired_snat *snats;
	size_t n_snats;
	struct desired_sysctl *sysctls;
	size_t n_sysctls;
	struct desired_sync sync;
	struct in_addr *relays; /* the DHCP servers that requests are passed on to */
	size_t n_relays;
	const char *user_rules; /* the operator's own, as text; NULL: none */
	uint64_t user_hash;     /* of that; 0: none */
	uint64_t fw_hash;       /* of the ruleset made from this; set by the firewall module */
	uint64_t fw_bare;       /* of the same without the operator's rules */
};

/* 0, or negative errno and a sentence in `why` (object: cause; next action). Without leases. */
int desired_build(const struct config *cfg, struct desired **ret, char *why, size_t why_size)
	__attribute__((warn_unused_result));
/* With those of WAN interfaces, at most one for each, all checked; an interface with DHCP that is
 * not among them counts as WAN_UNKNOWN. */
int desired_build_wans(const struct config *cfg, const struct wan_lease *wans, size_t n_wans,
	struct desired **ret, char *why, size_t why_size) __attribute__((warn_unused_result));
/* Can what a DHCP server gave be used beside what is configured and what others gave? It is a
 * stranger's word. */
int desired_check_wan(const struct config *cfg, const struct wan_lease *lease,
	const struct wan_lease *others, size_t n_others, char *why, size_t why_size)
	__attribute__((warn_unused_result));
void desired_free(struct desired *d); /* NULL is fine */

const struct desired_link *desired_link_find(const struct desired *d, const char *name);
bool desired_is_virtual(const struct desired *d, const char *link, const struct config_prefix *p);
/* The address as wanted on this very link, virtual or not; NULL: it is not. */
const struct desired_addr *desired_addr_find(
	const struct desired *d, const char *link, const struct config_prefix *p);
/* "vr10.ge2", or with a digest for a long parent; the same as long as both stay. */
void desired_macvlan_name(const char *parent, uint8_t vrid, char out[IFNAMSIZ]);
/* Could `l` be a macvlan of ours, by name, kind and MAC? */
bool desired_is_our_macvlan(const struct kernel_link *l);

#endif
