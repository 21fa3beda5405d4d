/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration in memory: plain data, all of it in one arena, freed whole. The supervisor
 * parses the file (config_parse.c, libconfuse), cross-checks it (config_check.c), prints it
 * (config_print.c); daemons receive their part as protobuf (config_pack.c). Names and keys are the
 * contract of the file format, gatepair.conf(5).
 */
#ifndef GATEPAIR_COMMON_CONFIG_H
#define GATEPAIR_COMMON_CONFIG_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/clock.h"
#include "config.pb-c.h"

#define CONFIG_MAX_INTERFACES 1024 /* vlans included */
#define CONFIG_MAX_ROUTES     1024
#define CONFIG_MAX_VRRPS      255
#define CONFIG_MAX_ADDRESSES  64 /* per interface or vrrp */
#define CONFIG_MAX_NATS       64
#define CONFIG_MAX_RULES      256 /* policy routing */
#define CONFIG_MAX_LIST       64  /* any other list */
#define CONFIG_NAME_MAX       63  /* node and vrrp names */
#define CONFIG_PASSWORD_MAX   8
#define CONFIG_KEY_MAX        64
#define CONFIG_RULES_TEXT_MAX (24u << 10) /* the firewall's rules-file */

enum config_role { CONFIG_ROLE_MGMT = 1, CONFIG_ROLE_LAN, CONFIG_ROLE_WAN, CONFIG_ROLE_HA };
enum config_preempt { CONFIG_PREEMPT_NEVER = 1, CONFIG_PREEMPT_SYNCED, CONFIG_PREEMPT_ALWAYS };
enum config_checksum { CONFIG_CHECKSUM_RFC9568 = 1, CONFIG_CHECKSUM_LEGACY };
enum config_link { CONFIG_LINK_PORT = 1, CONFIG_LINK_VLAN, CONFIG_LINK_BRIDGE, CONFIG_LINK_BOND };
enum config_bond_mode { CONFIG_BOND_ACTIVE_BACKUP = 1, CONFIG_BOND_LACP, CONFIG_BOND_BALANCE_XOR };
/* Appliance models; CONFIG_MODEL_GENERIC: any interfaces. See common/model.h. */
enum config_model {
	CONFIG_MODEL_GENERIC = 1,
	CONFIG_MODEL_ZT400,
	CONFIG_MODEL_ZT600,
	CONFIG_MODEL_ZT800
};
enum config_nat_to { CONFIG_NAT_VIRTUAL = 1, CONFIG_NAT_ADDRESS };

/* IPv4 or IPv6 with prefix length; `family` AF_INET or AF_INET6. */
struct config_prefix {
	int family;
	uint8_t len;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

struct config_strings {
	char **v;
	size_t n;
};

struct config_prefixes {
	struct config_prefix *v;
	size_t n;
};

/* A range of IPv4 addresses, both ends included. */
struct config_range {
	struct in_addr from, to; /* both 0: none */
};

struct config_interface {
	char name[IFNAMSIZ];
	enum config_link kind;
	enum config_role role;
	struct config_prefixes addresses;
	struct config_prefixes gateways; /* full-length; at most one per family: default routes */
	uint32_t metric;                 /* of its default routes, by DHCP too; 0: the kernel's */
	bool dhcp, dhcp_server;
	struct config_range dhcp_range; /* what the server gives; none: the subnet's upper half */
	usec_t dhcp_lease_time;
	struct config_prefixes dhcp_relay; /* full-length: servers to pass requests on to */
	bool router_advert;
	struct config_prefixes dns; /* full-length prefixes */
	uint32_t mtu;               /* 0: leave as it is */
	uint8_t mac[6];             /* all 0: leave as it is */
	char device[IFNAMSIZ];      /* PORT: what the kernel calls it before us; "": the same */
	char parent[IFNAMSIZ];      /* VLAN; "": none */
	uint16_t vlan_id;
	struct config_strings ports;     /* BRIDGE, BOND: names of its members */
	enum config_bond_mode bond_mode; /* BOND */
	bool stp;                        /* BRIDGE */
	char master[IFNAMSIZ];           /* the bridge or bond that it is a member of; "": none */
	bool implied; /* a member: named in `ports` only, without a section of its own */
	int line;     /* of the file, for messages; 0 in daemons */
};

/* Of these exactly one: `via` (perhaps with `interface`), `interface` alone, `blackhole`. */
struct config_route {
	struct config_prefix prefix, via; /* via.family 0: none */
	char interface[IFNAMSIZ];         /* "": found from `via` */
	bool blackhole;
	uint32_t metric;
	uint32_t table; /* 0: main */
	int line;
};

/* Policy routing: packets that match all that is given look `table` up. */
struct config_rule {
	char name[CONFIG_NAME_MAX + 1];
	struct config_prefix from, to; /* family 0: any */
	char interface[IFNAMSIZ];      /* where they come in; "": anywhere */
	uint32_t mark;                 /* 0: any */
	uint32_t table;                /* 1.. */
	uint32_t priority;             /* 1..32765 */
	int line;
};

struct config_firewall {
	bool present;
	char *rules_file; /* supervisor only */
	char *rules;      /* its text, checked; NULL: none */
	char *unchecked;  /* why nft could not be asked about it; NULL: it was */
	int line;
};

struct config_cluster {
	bool present;
	uint8_t priority; /* 1..254 */
	enum config_preempt preempt;
	usec_t preempt_delay;
	usec_t advert_interval; /* 10 ms .. 40.95 s */
	usec_t heartbeat;       /* 0: off */
	uint32_t dead_after;    /* silent heartbeats */
	struct config_strings track_interfaces;
	struct config_prefixes track_pings;
	uint8_t auth_key[CONFIG_KEY_MAX];
	size_t auth_key_len; /* 0: none */
	char *auth_key_file; /* supervisor only */
	int line;
};

struct config_vrrp {
	char name[CONFIG_NAME_MAX + 1];
	char interface[IFNAMSIZ];
	uint8_t vrid;
	struct config_prefixes addresses;
	uint8_t version;        /* 2 or 3 */
	usec_t advert_interval; /* the cluster's unless overridden */
	enum config_checksum checksum;
	bool virtual_mac, accept;
	char password[CONFIG_PASSWORD_MAX + 1];
	struct config_prefixes unicast_peers;
	struct config_strings track_interfaces;
	int line;
};

struct config_nat {
	char interface[IFNAMSIZ];
	enum config_nat_to to;
	struct config_prefix address; /* CONFIG_NAT_ADDRESS only */
	int line;
};

struct config_sync {
	bool present;
	char interface[IFNAMSIZ];
	struct config_prefix local,
		peer; /* full-length; local is found from the interface's address */
	uint16_t port;
	char *identity;        /* file name, relative to STATEDIR; supervisor only */
	uint8_t *identity_der; /* private key; syncd only */
	size_t identity_der_len;
	uint8_t peer_fingerprint[32]; /* SHA-256 of the peer's public key (SubjectPublicKeyInfo,
					 DER) */
	uint8_t own_fingerprint[32];  /* of ours; netcfgd only */
	bool has_own_fingerprint;
	struct config_prefixes excludes;
	int line;
};

struct config_portal {
	bool present;
	char *url;
	bool has_ca_fingerprint;
	uint8_t ca_fingerprint[32];
	int line;
};

struct config_proxy {
	bool present;
	char *host;
	uint16_t port;
	char *user;
	char *password_file; /* supervisor only */
	char *password;      /* activated only */
	int line;
};

struct config {
	struct arena *arena; /* owns everything here, this struct included */
	char node[CONFIG_NAME_MAX + 1];
	enum config_model model;
	struct config_interface *interfaces; /* bridges and bonds follow their members */
	size_t n_interfaces;
	struct config_route *routes;
	size_t n_routes;
	struct config_rule *rules;
	size_t n_rules;
	struct config_firewall firewall;
	struct config_cluster cluster;
	struct config_vrrp *vrrps;
	size_t n_vrrps;
	struct config_nat *nats;
	size_t n_nats;
	struct config_sync sync;
	struct config_portal portal;
	struct config_proxy proxy;
};

/* Parse, default and cross-check a file, and read the secrets it names (statedir: for the node's
 * key; NULL: check only what the file says). On failure returns negative errno and a sentence
 * "file:line: object: cause; next action" in err; *ret_cfg is untouched. */
int config_load(const char *file, const char *statedir, struct config **ret_cfg, char *err,
	size_t err_size) __attribute__((warn_unused_result));
void config_free(struct config *cfg); /* NULL is fine */

/* What the file asks for and this version does not do yet, a line each. */
void config_warn(const struct config *cfg, const char *file, void (*say)(const char *line));

/* The file's syntax again; with `normalized`, defaults are spelled out. Secrets are shown as "…".
 * The text is malloc()ed; NULL on ENOMEM. */
char *config_to_str(const struct config *cfg, bool normalized);

/* The part of the config that `daemon` needs, into protobuf and back. config_unpack() checks
 * every range again and copies into a new config. */
enum config_part {
	CONFIG_PART_VRRPD = 1,
	CONFIG_PART_SYNCD,
	CONFIG_PART_NETCFGD,
	CONFIG_PART_ACTIVATED,
};
Gp__Config *config_pack(const struct config *cfg, enum config_part part, struct arena *arena);
int config_unpack(const Gp__Config *msg, struct config **ret_cfg, char *err, size_t err_size)
	__attribute__((warn_unused_result));

const struct config_interface *config_interface_find(const struct config *cfg, const char *name);
/* "a.b.c.d/len", or without "/len" when it is the full length. Returns out. */
#define CONFIG_PREFIX_STRLEN 64
const char *config_prefix_to_str(const struct config_prefix *p, char out[CONFIG_PREFIX_STRLEN]);
int config_prefix_from_str(const char *s, struct config_prefix *ret)
	__attribute__((warn_unused_result));
/* "sha256:" and 64 hex digits. Returns out. */
#define CONFIG_FINGERPRINT_STRLEN 72
const char *config_fingerprint_to_str(const uint8_t fp[32], char out[CONFIG_FINGERPRINT_STRLEN]);
/* Makes foreign text fit for messages and terminals: control characters and what is not UTF-8
 * become '?'. */
void config_clean_text(char *s);
bool config_prefix_equal(const struct config_prefix *a, const struct config_prefix *b);
bool config_prefix_contains(const struct config_prefix *net, const struct config_prefix *addr);

#endif
