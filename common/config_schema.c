/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file format as data: sections, keys, kinds, ranges, defaults. The parser and the printer walk
 * these tables; gatepair.conf(5) describes them.
 */
#include <stdio.h>

#include "common/config_internal.h"

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define OFF(s, field) offsetof(struct s, field)

static const char *const roles[] = {"mgmt", "lan", "wan", "ha", NULL};
static const char *const preempts[] = {"never", "synced", "always", NULL};
static const char *const checksums[] = {"rfc9568", "legacy", NULL};

static const char *const models[] = {"generic", "zt400", "zt600", "zt800", NULL};
static const char *const bond_modes[] = {"active-backup", "802.3ad", "balance-xor", NULL};

const struct config_key config_root_keys[] = {
	{"node", CONFIG_KIND_NAME, OFF(config, node), CONFIG_KEY_REQUIRED, 0, 0, NULL},
	{"model", CONFIG_KIND_WORD, OFF(config, model), 0, 0, 0, models},
};
const size_t config_n_root_keys = COUNT(config_root_keys);

#define ROLE_KEY(flags)                                                                            \
	{                                                                                          \
		"role", CONFIG_KIND_WORD, OFF(config_interface, role), flags, 0, 0, roles          \
	}
#define PORTS_KEY                                                                                  \
	{                                                                                          \
		"ports", CONFIG_KIND_IFNAMES, OFF(config_interface, ports), CONFIG_KEY_REQUIRED,   \
			0, 0, NULL                                                                 \
	}
/* dnsmasq takes no lease times below two minutes. */
#define LINK_KEYS                                                                                  \
	{"address", CONFIG_KIND_PREFIXES, OFF(config_interface, addresses), 0, 0, 0, NULL},        \
		{"gateway", CONFIG_KIND_HOSTS, OFF(config_interface, gateways), 0, 0, 0, NULL},    \
		{"metric", CONFIG_KIND_U32, OFF(config_interface, metric), 0, 1, UINT32_MAX,       \
			NULL},                                                                     \
		{"dhcp", CONFIG_KIND_BOOL, OFF(config_interface, dhcp), 0, 0, 0, NULL},            \
		{"dhcp-server", CONFIG_KIND_BOOL, OFF(config_interface, dhcp_server), 0, 0, 0,     \
			NULL},                                                                     \
		{"dhcp-range", CONFIG_KIND_RANGE, OFF(config_interface, dhcp_range), 0, 0, 0,      \
			NULL},                                                                     \
		{"dhcp-lease-time", CONFIG_KIND_DURATION, OFF(config_interface, dhcp_lease_time),  \
			0, CONFIG_LEASE_TIME_MIN, CONFIG_LEASE_TIME_MAX, NULL},                    \
		{"dhcp-relay", CONFIG_KIND_HOSTS, OFF(config_interface, dhcp_relay), 0, 0, 0,      \
			NULL},                                                                     \
		{"router-advert", CONFIG_KIND_BOOL, OFF(config_interface, router_advert), 0, 0, 0, \
			NULL},                                                                     \
		{"dns", CONFIG_KIND_HOSTS, OFF(config_interface, dns), 0, 0, 0, NULL},             \
		{"mtu", CONFIG_KIND_U32, OFF(config_interface, mtu), 0, 576, 65535, NULL},         \
	{                                                                                          \
		"mac", CONFIG_KIND_MAC, OFF(config_interface, mac), 0, 0, 0, NULL                  \
	}

/* The model may know the role of a port. */
static const struct config_key interface_keys[] = {
	{"device", CONFIG_KIND_IFNAME, OFF(config_interface, device), 0, 0, 0, NULL},
	ROLE_KEY(0),
	LINK_KEYS,
};
static const struct config_key bridge_keys[] = {
	PORTS_KEY,
	{"stp", CONFIG_KIND_BOOL, OFF(config_interface, stp), 0, 0, 0, NULL},
	ROLE_KEY(CONFIG_KEY_REQUIRED),
	LINK_KEYS,
};
static const struct config_key bond_keys[] = {
	PORTS_KEY,
	{"mode", CONFIG_KIND_WORD, OFF(config_interface, bond_mode), 0, 0, 0, bond_modes},
	ROLE_KEY(CONFIG_KEY_REQUIRED),
	LINK_KEYS,
};
static const struct config_key vlan_keys[] = {
	{"parent", CONFIG_KIND_IFNAME, OFF(config_interface, parent), CONFIG_KEY_REQUIRED, 0, 0,
		NULL},
	{"id", CONFIG_KIND_U16, OFF(config_interface, vlan_id), CONFIG_KEY_REQUIRED, 1, 4094, NULL},
	ROLE_KEY(CONFIG_KEY_REQUIRED),
	LINK_KEYS,
};
static const struct config_key route_keys[] = {
	{"via", CONFIG_KIND_HOST, OFF(config_route, via), 0, 0, 0, NULL},
	{"interface", CONFIG_KIND_IFNAME, OFF(config_route, interface), 0, 0, 0, NULL},
	{"blackhole", CONFIG_KIND_BOOL, OFF(config_route, blackhole), 0, 0, 0, NULL},
	{"metric", CONFIG_KIND_U32, OFF(config_route, metric), 0, 0, UINT32_MAX, NULL},
	{"table", CONFIG_KIND_U32, OFF(config_route, table), 0, 1, UINT32_MAX, NULL},
};
static const struct config_key rule_keys[] = {
	{"from", CONFIG_KIND_PREFIX, OFF(config_rule, from), 0, 0, 0, NULL},
	{"to", CONFIG_KIND_PREFIX, OFF(config_rule, to), 0, 0, 0, NULL},
	{"interface", CONFIG_KIND_IFNAME, OFF(config_rule, interface), 0, 0, 0, NULL},
	{"mark", CONFIG_KIND_U32, OFF(config_rule, mark), 0, 1, UINT32_MAX, NULL},
	{"table", CONFIG_KIND_U32, OFF(config_rule, table), CONFIG_KEY_REQUIRED, 1, UINT32_MAX,
		NULL},
	{"priority", CONFIG_KIND_U32, OFF(config_rule, priority), CONFIG_KEY_REQUIRED, 1,
		CONFIG_RULE_PRIORITY_MAX, NULL},
};
static const struct config_key firewall_keys[] = {
	{"rules-file", CONFIG_KIND_STRING, OFF(config_firewall, rules_file), 0, 1, 1024, NULL},
};
static const struct config_key cluster_keys[] = {
	{"priority", CONFIG_KIND_U8, OFF(config_cluster, priority), 0, 1, 254, NULL},
	{"preempt", CONFIG_KIND_WORD, OFF(config_cluster, preempt), 0, 0, 0, preempts},
	{"preempt-delay", CONFIG_KIND_DURATION, OFF(config_cluster, preempt_delay), 0, 0,
		86400 * USEC_PER_SEC, NULL},
	{"advert-interval", CONFIG_KIND_DURATION, OFF(config_cluster, advert_interval), 0,
		10 * USEC_PER_MS, 40950 * USEC_PER_MS, NULL},
	{"heartbeat", CONFIG_KIND_DURATION, OFF(config_cluster, heartbeat), CONFIG_KEY_OFF,
		5 * USEC_PER_MS, USEC_PER_SEC, NULL},
	{"dead-after", CONFIG_KIND_U32, OFF(config_cluster, dead_after), 0, 3, 100, NULL},
	{"track-interface", CONFIG_KIND_IFNAMES, OFF(config_cluster, track_interfaces), 0, 0, 0,
		NULL},
	{"track-ping", CONFIG_KIND_HOSTS, OFF(config_cluster, track_pings), 0, 0, 0, NULL},
	{"auth-key-file", CONFIG_KIND_STRING, OFF(config_cluster, auth_key_file), 0, 1, 1024, NULL},
};
static const struct config_key vrrp_keys[] = {
	{"interface", CONFIG_KIND_IFNAME, OFF(config_vrrp, interface), CONFIG_KEY_REQUIRED, 0, 0,
		NULL},
	{"vrid", CONFIG_KIND_U8, OFF(config_vrrp, vrid), CONFIG_KEY_REQUIRED, 1, 255, NULL},
	{"virtual-address", CONFIG_KIND_PREFIXES, OFF(config_vrrp, addresses), CONFIG_KEY_REQUIRED,
		0, 0, NULL},
	{"version", CONFIG_KIND_U8, OFF(config_vrrp, version), 0, 2, 3, NULL},
	{"advert-interval", CONFIG_KIND_DURATION, OFF(config_vrrp, advert_interval), 0,
		10 * USEC_PER_MS, 40950 * USEC_PER_MS, NULL},
	{"checksum", CONFIG_KIND_WORD, OFF(config_vrrp, checksum), 0, 0, 0, checksums},
	{"virtual-mac", CONFIG_KIND_BOOL, OFF(config_vrrp, virtual_mac), 0, 0, 0, NULL},
	{"accept", CONFIG_KIND_BOOL, OFF(config_vrrp, accept), 0, 0, 0, NULL},
	{"password", CONFIG_KIND_PASSWORD, OFF(config_vrrp, password), CONFIG_KEY_SECRET, 0, 0,
		NULL},
	{"unicast-peer", CONFIG_KIND_HOSTS, OFF(config_vrrp, unicast_peers), 0, 0, 0, NULL},
	{"track-interface", CONFIG_KIND_IFNAMES, OFF(config_vrrp, track_interfaces), 0, 0, 0, NULL},
};
static const struct config_key nat_keys[] = {
	{"interface", CONFIG_KIND_IFNAME, OFF(config_nat, interface), CONFIG_KEY_REQUIRED, 0, 0,
		NULL},
	{"to", CONFIG_KIND_NAT_TO, 0, CONFIG_KEY_REQUIRED, 0, 0, NULL},
};
static const struct config_key sync_keys[] = {
	{"interface", CONFIG_KIND_IFNAME, OFF(config_sync, interface), CONFIG_KEY_REQUIRED, 0, 0,
		NULL},
	{"peer", CONFIG_KIND_HOST, OFF(config_sync, peer), CONFIG_KEY_REQUIRED, 0, 0, NULL},
	{"port", CONFIG_KIND_U16, OFF(config_sync, port), 0, 1, 65535, NULL},
	{"identity", CONFIG_KIND_STRING, OFF(config_sync, identity), 0, 1, 255, NULL},
	{"peer-fingerprint", CONFIG_KIND_FINGERPRINT, OFF(config_sync, peer_fingerprint),
		CONFIG_KEY_REQUIRED, 0, 0, NULL},
	{"exclude", CONFIG_KIND_PREFIXES, OFF(config_sync, excludes), 0, 0, 0, NULL},
};
static const struct config_key portal_keys[] = {
	{"url", CONFIG_KIND_STRING, OFF(config_portal, url), CONFIG_KEY_REQUIRED, 1, 1024, NULL},
	{"ca-fingerprint", CONFIG_KIND_FINGERPRINT, OFF(config_portal, ca_fingerprint), 0, 0, 0,
		NULL},
};
static const struct config_key proxy_keys[] = {
	{"host", CONFIG_KIND_STRING, OFF(config_proxy, host), CONFIG_KEY_REQUIRED, 1, 255, NULL},
	{"port", CONFIG_KIND_U16, OFF(config_proxy, port), CONFIG_KEY_REQUIRED, 1, 65535, NULL},
	{"user", CONFIG_KIND_STRING, OFF(config_proxy, user), 0, 1, 255, NULL},
	{"password-file", CONFIG_KIND_STRING, OFF(config_proxy, password_file), 0, 1, 1024, NULL},
};

bool config_key_is_list(const struct config_key *key)
{
	return key->kind == CONFIG_KIND_PREFIXES || key->kind == CONFIG_KIND_HOSTS ||
	       key->kind == CONFIG_KIND_IFNAMES;
}

static bool is_kind(const void *obj, enum config_link kind)
{
	const struct config_interface *in = obj;

	return in->kind == kind && !in->implied;
}

static bool is_port(const void *obj)
{
	return is_kind(obj, CONFIG_LINK_PORT);
}

static bool is_vlan(const void *obj)
{
	return is_kind(obj, CONFIG_LINK_VLAN);
}

static bool is_bridge(const void *obj)
{
	return is_kind(obj, CONFIG_LINK_BRIDGE);
}

static bool is_bond(const void *obj)
{
	return is_kind(obj, CONFIG_LINK_BOND);
}

static void port_defaults(const struct config *cfg, void *obj)
{
	struct config_interface *in = obj;

	(void)cfg;
	in->kind = CONFIG_LINK_PORT;
	in->dhcp_lease_time = CONFIG_LEASE_TIME_DEFAULT;
}

static void vlan_defaults(const struct config *cfg, void *obj)
{
	port_defaults(cfg, obj);
	((struct config_interface *)obj)->kind = CONFIG_LINK_VLAN;
}

static void bridge_defaults(const struct config *cfg, void *obj)
{
	port_defaults(cfg, obj);
	((struct config_interface *)obj)->kind = CONFIG_LINK_BRIDGE;
}

static void bond_defaults(const struct config *cfg, void *obj)
{
	port_defaults(cfg, obj);
	((struct config_interface *)obj)->kind = CONFIG_LINK_BOND;
	((struct config_interface *)obj)->bond_mode = CONFIG_BOND_ACTIVE_BACKUP;
}

static void cluster_defaults(const struct config *cfg, void *obj)
{
	struct config_cluster *c = obj;

	(void)cfg;
	c->priority = 100;
	c->preempt = CONFIG_PREEMPT_SYNCED;
	c->preempt_delay = 30 * USEC_PER_SEC;
	c->advert_interval = USEC_PER_SEC;
	c->heartbeat = 10 * USEC_PER_MS;
	c->dead_after = 5;
}

/* RFC 9568 has Accept_Mode off by default; a gateway that does not answer its users' ping, DHCP and
 * DNS on the address they know is not what anybody expects, so it is on here. */
static void vrrp_defaults(const struct config *cfg, void *obj)
{
	struct config_vrrp *v = obj;

	v->version = 3;
	v->advert_interval = cfg->cluster.advert_interval;
	v->checksum = CONFIG_CHECKSUM_RFC9568;
	v->virtual_mac = true;
	v->accept = true;
}

static void sync_defaults(const struct config *cfg, void *obj)
{
	static char identity[] = "node.key";
	struct config_sync *s = obj;

	(void)cfg;
	s->port = 3780;
	s->identity = identity;
}

#define LIST(array, type, max) OFF(config, array), OFF(config, n_##array), sizeof(struct type), max
#define ONCE(member, type)     OFF(config, member), 0, sizeof(struct type), 1

/* The cluster comes before the vrrps: their advert-interval defaults to its. */
const struct config_section config_sections[] = {
	{"interface", "interface name", false, interface_keys, COUNT(interface_keys),
		LIST(interfaces, config_interface, CONFIG_MAX_INTERFACES), CONFIG_KIND_IFNAME,
		OFF(config_interface, name), OFF(config_interface, line), port_defaults, is_port,
		false},
	{"bridge", "interface name", false, bridge_keys, COUNT(bridge_keys),
		LIST(interfaces, config_interface, CONFIG_MAX_INTERFACES), CONFIG_KIND_IFNAME,
		OFF(config_interface, name), OFF(config_interface, line), bridge_defaults,
		is_bridge, false},
	{"bond", "interface name", false, bond_keys, COUNT(bond_keys),
		LIST(interfaces, config_interface, CONFIG_MAX_INTERFACES), CONFIG_KIND_IFNAME,
		OFF(config_interface, name), OFF(config_interface, line), bond_defaults, is_bond,
		false},
	{"vlan", "interface name", false, vlan_keys, COUNT(vlan_keys),
		LIST(interfaces, config_interface, CONFIG_MAX_INTERFACES), CONFIG_KIND_IFNAME,
		OFF(config_interface, name), OFF(config_interface, line), vlan_defaults, is_vlan,
		false},
	{"route", "destination", false, route_keys, COUNT(route_keys),
		LIST(routes, config_route, CONFIG_MAX_ROUTES), CONFIG_KIND_PREFIX,
		OFF(config_route, prefix), OFF(config_route, line), NULL, NULL, true},
	{"rule", "name", false, rule_keys, COUNT(rule_keys),
		LIST(rules, config_rule, CONFIG_MAX_RULES), CONFIG_KIND_NAME,
		OFF(config_rule, name), OFF(config_rule, line), NULL, NULL, false},
	{"firewall", NULL, true, firewall_keys, COUNT(firewall_keys),
		ONCE(firewall, config_firewall), 0, 0, OFF(config_firewall, line), NULL, NULL,
		false},
	{"cluster", NULL, true, cluster_keys, COUNT(cluster_keys), ONCE(cluster, config_cluster), 0,
		0, OFF(config_cluster, line), cluster_defaults, NULL, false},
	{"vrrp", "name", false, vrrp_keys, COUNT(vrrp_keys),
		LIST(vrrps, config_vrrp, CONFIG_MAX_VRRPS), CONFIG_KIND_NAME,
		OFF(config_vrrp, name), OFF(config_vrrp, line), vrrp_defaults, NULL, false},
	{"nat", NULL, false, nat_keys, COUNT(nat_keys), LIST(nats, config_nat, CONFIG_MAX_NATS), 0,
		0, OFF(config_nat, line), NULL, NULL, false},
	{"sync", NULL, true, sync_keys, COUNT(sync_keys), ONCE(sync, config_sync), 0, 0,
		OFF(config_sync, line), sync_defaults, NULL, false},
	{"portal", NULL, true, portal_keys, COUNT(portal_keys), ONCE(portal, config_portal), 0, 0,
		OFF(config_portal, line), NULL, NULL, false},
	{"proxy", NULL, true, proxy_keys, COUNT(proxy_keys), ONCE(proxy, config_proxy), 0, 0,
		OFF(config_proxy, line), NULL, NULL, false},
};
const size_t config_n_sections = COUNT(config_sections);
