/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as protobuf: the supervisor packs for each daemon the part that it needs (and
 * no secret that it does not), the daemon unpacks. Unpacking trusts nothing: every range, name and
 * address is checked again, and every list is bounded before memory is taken for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/config_internal.h"

/* --- packing --------------------------------------------------------------------------------- */

struct packer {
	struct arena *arena;
	bool failed;
};

static void *pk_alloc(struct packer *pk, size_t n, size_t size)
{
	void *p = n ? arena_array(pk->arena, n, size) : NULL;

	if (n && !p)
		pk->failed = true;
	return p;
}

static char *pk_str(struct packer *pk, const char *s)
{
	char *copy = s ? arena_strdup(pk->arena, s) : NULL;

	if (s && !copy)
		pk->failed = true;
	return copy;
}

static char *pk_prefix(struct packer *pk, const struct config_prefix *p)
{
	char text[CONFIG_PREFIX_STRLEN];

	return pk_str(pk, config_prefix_to_str(p, text));
}

static char **pk_prefixes(struct packer *pk, const struct config_prefixes *list, size_t *ret_n)
{
	char **v = pk_alloc(pk, list->n, sizeof(*v));

	for (size_t i = 0; v && i < list->n; i++)
		v[i] = pk_prefix(pk, &list->v[i]);
	*ret_n = v ? list->n : 0;
	return v;
}

static char **pk_strings(struct packer *pk, const struct config_strings *list, size_t *ret_n)
{
	char **v = pk_alloc(pk, list->n, sizeof(*v));

	for (size_t i = 0; v && i < list->n; i++)
		v[i] = pk_str(pk, list->v[i]);
	*ret_n = v ? list->n : 0;
	return v;
}

static ProtobufCBinaryData pk_bytes(struct packer *pk, const void *bytes, size_t n)
{
	ProtobufCBinaryData d = {.len = 0, .data = pk_alloc(pk, n, 1)};

	if (d.data) {
		memcpy(d.data, bytes, n);
		d.len = n;
	}
	return d;
}

static char *pk_name(struct packer *pk, const char *s)
{
	return s[0] ? pk_str(pk, s) : NULL;
}

static char *pk_in_addr(struct packer *pk, struct in_addr a)
{
	struct config_prefix p = {.family = AF_INET, .len = 32, .v4 = a};

	return pk_prefix(pk, &p);
}

static void pack_dhcp(struct packer *pk, const struct config_interface *in, Gp__ConfigInterface *m)
{
	if (in->dhcp_range.from.s_addr) {
		m->dhcp_from = pk_in_addr(pk, in->dhcp_range.from);
		m->dhcp_to = pk_in_addr(pk, in->dhcp_range.to);
	}
	m->has_dhcp_lease_time_us = in->dhcp_lease_time != 0;
	m->dhcp_lease_time_us = (uint64_t)in->dhcp_lease_time;
	m->dhcp_relay = pk_prefixes(pk, &in->dhcp_relay, &m->n_dhcp_relay);
	m->has_router_advert = m->router_advert = in->router_advert;
}

/* How the link itself is made; for netcfgd alone. */
static void pack_link(struct packer *pk, const struct config_interface *in, Gp__ConfigInterface *m)
{
	static const uint8_t none[sizeof(in->mac)];

	m->gateways = pk_prefixes(pk, &in->gateways, &m->n_gateways);
	m->has_metric = in->metric != 0;
	m->metric = in->metric;
	if (memcmp(in->mac, none, sizeof(none)) != 0) {
		m->has_mac = 1;
		m->mac = pk_bytes(pk, in->mac, sizeof(in->mac));
	}
	if (strcmp(in->device, in->name) != 0)
		m->device = pk_name(pk, in->device);
	m->has_bond_mode = in->bond_mode != 0;
	m->bond_mode = (uint32_t)in->bond_mode;
	m->has_stp = m->stp = in->stp;
	pack_dhcp(pk, in, m);
}

static void pack_interface(struct packer *pk, const struct config_interface *in,
	enum config_part part, Gp__ConfigInterface *m)
{
	m->name = pk_str(pk, in->name);
	m->role = (uint32_t)in->role;
	m->has_kind = 1;
	m->kind = (uint32_t)in->kind;
	m->addresses = pk_prefixes(pk, &in->addresses, &m->n_addresses);
	m->has_dhcp = m->has_dhcp_server = 1;
	m->dhcp = in->dhcp;
	m->dhcp_server = in->dhcp_server;
	m->dns = pk_prefixes(pk, &in->dns, &m->n_dns);
	m->has_mtu = in->mtu != 0;
	m->mtu = in->mtu;
	m->has_vlan_id = in->kind == CONFIG_LINK_VLAN;
	m->vlan_id = in->vlan_id;
	m->parent = pk_name(pk, in->parent);
	m->ports = pk_strings(pk, &in->ports, &m->n_ports);
	m->master = pk_name(pk, in->master);
	m->has_implied = m->implied = in->implied;
	if (part == CONFIG_PART_NETCFGD)
		pack_link(pk, in, m);
}

static void pack_route(struct packer *pk, const struct config_route *r, Gp__ConfigRoute *m)
{
	m->prefix = pk_prefix(pk, &r->prefix);
	m->via = r->via.family ? pk_prefix(pk, &r->via) : NULL;
	m->interface = pk_name(pk, r->interface);
	m->has_blackhole = m->blackhole = r->blackhole;
	m->has_metric = 1;
	m->metric = r->metric;
	m->has_table = r->table != 0;
	m->table = r->table;
}

static void pack_rule(struct packer *pk, const struct config_rule *r, Gp__ConfigRule *m)
{
	m->name = pk_str(pk, r->name);
	m->from = r->from.family ? pk_prefix(pk, &r->from) : NULL;
	m->to = r->to.family ? pk_prefix(pk, &r->to) : NULL;
	m->interface = pk_name(pk, r->interface);
	m->has_mark = r->mark != 0;
	m->mark = r->mark;
	m->table = r->table;
	m->priority = r->priority;
}

static void pack_cluster(struct packer *pk, const struct config_cluster *c, enum config_part part,
	Gp__ConfigCluster *m)
{
	m->priority = c->priority;
	m->preempt = (uint32_t)c->preempt;
	m->preempt_delay_us = (uint64_t)c->preempt_delay;
	m->advert_interval_us = (uint64_t)c->advert_interval;
	m->heartbeat_us = (uint64_t)c->heartbeat;
	m->dead_after = c->dead_after;
	m->track_interfaces = pk_strings(pk, &c->track_interfaces, &m->n_track_interfaces);
	m->track_pings = pk_prefixes(pk, &c->track_pings, &m->n_track_pings);
	if (part == CONFIG_PART_VRRPD && c->auth_key_len) {
		m->has_auth_key = 1;
		m->auth_key = pk_bytes(pk, c->auth_key, c->auth_key_len);
	}
}

static void pack_vrrp(
	struct packer *pk, const struct config_vrrp *v, enum config_part part, Gp__ConfigVrrp *m)
{
	m->name = pk_str(pk, v->name);
	m->interface = pk_str(pk, v->interface);
	m->vrid = v->vrid;
	m->virtual_addresses = pk_prefixes(pk, &v->addresses, &m->n_virtual_addresses);
	m->version = v->version;
	m->advert_interval_us = (uint64_t)v->advert_interval;
	m->checksum = (uint32_t)v->checksum;
	m->virtual_mac = v->virtual_mac;
	m->accept = v->accept;
	if (part == CONFIG_PART_VRRPD && v->password[0])
		m->password = pk_str(pk, v->password);
	m->unicast_peers = pk_prefixes(pk, &v->unicast_peers, &m->n_unicast_peers);
	m->track_interfaces = pk_strings(pk, &v->track_interfaces, &m->n_track_interfaces);
}

static void pack_nat(struct packer *pk, const struct config_nat *n, Gp__ConfigNat *m)
{
	m->interface = pk_str(pk, n->interface);
	m->to = (uint32_t)n->to;
	if (n->to == CONFIG_NAT_ADDRESS)
		m->address = pk_prefix(pk, &n->address);
}

static void pack_sync(
	struct packer *pk, const struct config_sync *s, enum config_part part, Gp__ConfigSync *m)
{
	m->interface = pk_str(pk, s->interface);
	m->local = pk_prefix(pk, &s->local);
	m->peer = pk_prefix(pk, &s->peer);
	m->port = s->port;
	m->peer_fingerprint = pk_bytes(pk, s->peer_fingerprint, sizeof(s->peer_fingerprint));
	if (part == CONFIG_PART_SYNCD) {
		m->has_identity_der = s->identity_der_len != 0;
		m->identity_der = pk_bytes(pk, s->identity_der, s->identity_der_len);
		m->excludes = pk_prefixes(pk, &s->excludes, &m->n_excludes);
	}
	if (part == CONFIG_PART_NETCFGD && s->has_own_fingerprint) {
		m->has_own_fingerprint = 1;
		m->own_fingerprint = pk_bytes(pk, s->own_fingerprint, sizeof(s->own_fingerprint));
	}
}

static void pack_portal(struct packer *pk, const struct config_portal *p, Gp__ConfigPortal *m)
{
	m->url = pk_str(pk, p->url);
	if (p->has_ca_fingerprint) {
		m->has_ca_fingerprint = 1;
		m->ca_fingerprint = pk_bytes(pk, p->ca_fingerprint, sizeof(p->ca_fingerprint));
	}
}

static void pack_proxy(struct packer *pk, const struct config_proxy *p, Gp__ConfigProxy *m)
{
	m->host = pk_str(pk, p->host);
	m->port = p->port;
	m->user = pk_str(pk, p->user);
	m->password = pk_str(pk, p->password);
}

/* Pointer array of n messages initialised by protobuf-c, as its repeated fields are. */
#define PACK_ARRAY(pk, m, field, init, count)                                                      \
	do {                                                                                       \
		size_t n_ = (count);                                                               \
		(m)->field = pk_alloc(pk, n_, sizeof(*(m)->field));                                \
		for (size_t i_ = 0; (m)->field && i_ < n_; i_++) {                                 \
			(m)->field[i_] = pk_alloc(pk, 1, sizeof(**(m)->field));                    \
			if (!(m)->field[i_])                                                       \
				break;                                                             \
			init((m)->field[i_]);                                                      \
			(m)->n_##field = i_ + 1;                                                   \
		}                                                                                  \
	} while (0)

static void pack_lists(
	struct packer *pk, const struct config *cfg, enum config_part part, Gp__Config *m)
{
	PACK_ARRAY(pk, m, interfaces, gp__config_interface__init, cfg->n_interfaces);
	for (size_t i = 0; i < m->n_interfaces; i++)
		pack_interface(pk, &cfg->interfaces[i], part, m->interfaces[i]);
	PACK_ARRAY(pk, m, vrrps, gp__config_vrrp__init, cfg->n_vrrps);
	for (size_t i = 0; i < m->n_vrrps; i++)
		pack_vrrp(pk, &cfg->vrrps[i], part, m->vrrps[i]);
	if (part != CONFIG_PART_NETCFGD)
		return;
	PACK_ARRAY(pk, m, routes, gp__config_route__init, cfg->n_routes);
	for (size_t i = 0; i < m->n_routes; i++)
		pack_route(pk, &cfg->routes[i], m->routes[i]);
	PACK_ARRAY(pk, m, rules, gp__config_rule__init, cfg->n_rules);
	for (size_t i = 0; i < m->n_rules; i++)
		pack_rule(pk, &cfg->rules[i], m->rules[i]);
	PACK_ARRAY(pk, m, nats, gp__config_nat__init, cfg->n_nats);
	for (size_t i = 0; i < m->n_nats; i++)
		pack_nat(pk, &cfg->nats[i], m->nats[i]);
	m->firewall_rules = pk_str(pk, cfg->firewall.rules);
}

static void pack_singles(
	struct packer *pk, const struct config *cfg, enum config_part part, Gp__Config *m)
{
	if (cfg->cluster.present && (m->cluster = pk_alloc(pk, 1, sizeof(*m->cluster)))) {
		gp__config_cluster__init(m->cluster);
		pack_cluster(pk, &cfg->cluster, part, m->cluster);
	}
	if (cfg->sync.present && (m->sync = pk_alloc(pk, 1, sizeof(*m->sync)))) {
		gp__config_sync__init(m->sync);
		pack_sync(pk, &cfg->sync, part, m->sync);
	}
	if (part != CONFIG_PART_ACTIVATED)
		return;
	if (cfg->portal.present && (m->portal = pk_alloc(pk, 1, sizeof(*m->portal)))) {
		gp__config_portal__init(m->portal);
		pack_portal(pk, &cfg->portal, m->portal);
	}
	if (cfg->proxy.present && (m->proxy = pk_alloc(pk, 1, sizeof(*m->proxy)))) {
		gp__config_proxy__init(m->proxy);
		pack_proxy(pk, &cfg->proxy, m->proxy);
	}
}

Gp__Config *config_pack(const struct config *cfg, enum config_part part, struct arena *arena)
{
	struct packer pk = {.arena = arena};
	Gp__Config *m = pk_alloc(&pk, 1, sizeof(*m));

	if (!m)
		return NULL;
	gp__config__init(m);
	m->node = pk_str(&pk, cfg->node);
	m->has_model = 1;
	m->model = (uint32_t)cfg->model;
	pack_lists(&pk, cfg, part, m);
	pack_singles(&pk, cfg, part, m);
	return pk.failed ? NULL : m;
}
