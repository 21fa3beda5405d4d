/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A received configuration: protobuf into struct config, in every daemon. protobuf-c checks neither
 * ranges nor lengths nor NULs, so everything is checked here as if a stranger had sent it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/config_internal.h"

struct unpacker {
	struct arena *arena;
	int err; /* the first failure */
	char *why;
	size_t why_size;
};

static bool un_fail(struct unpacker *u, int err, const char *object, const char *cause)
{
	if (u->err == 0) {
		u->err = err;
		snprintf(u->why, u->why_size, "configuration message: %s: %s", object, cause);
	}
	return false;
}

static void *un_array(struct unpacker *u, size_t n, size_t size, size_t max, const char *object)
{
	void *p = NULL;

	if (n > max)
		un_fail(u, -E2BIG, object, "too many of them");
	else if (n > 0 && !(p = arena_array(u->arena, n, size)))
		un_fail(u, -ENOMEM, object, "out of memory");
	return p;
}

static uint32_t un_range(
	struct unpacker *u, uint64_t v, uint64_t min, uint64_t max, const char *object)
{
	if (v < min || v > max) {
		un_fail(u, -ERANGE, object, "out of range");
		return (uint32_t)min;
	}
	return (uint32_t)v;
}

static usec_t un_duration(
	struct unpacker *u, uint64_t v, usec_t min, usec_t max, const char *object)
{
	if (v < (uint64_t)min || v > (uint64_t)max) {
		un_fail(u, -ERANGE, object, "out of range");
		return min;
	}
	return (usec_t)v;
}

static void un_ifname(struct unpacker *u, const char *s, char ret[IFNAMSIZ], const char *object)
{
	if (config_value_ifname(s, ret) < 0)
		un_fail(u, -EINVAL, object, "not an interface name");
}

static void un_name(
	struct unpacker *u, const char *s, char ret[CONFIG_NAME_MAX + 1], const char *object)
{
	if (config_value_name(s, ret) < 0)
		un_fail(u, -EINVAL, object, "not a name");
}

static bool is_host(const struct config_prefix *p)
{
	return p->len == (p->family == AF_INET ? 32 : 128);
}

static void un_prefix(
	struct unpacker *u, const char *s, bool host, struct config_prefix *ret, const char *object)
{
	struct config_prefix p;

	if (config_prefix_from_str(s, &p) < 0 || (host && !is_host(&p)))
		un_fail(u, -EINVAL, object, "not an address");
	else
		*ret = p;
}

static void un_prefixes(struct unpacker *u, char **v, size_t n, bool host,
	struct config_prefixes *ret, const char *object)
{
	ret->v = un_array(u, n, sizeof(*ret->v), CONFIG_MAX_ADDRESSES, object);
	ret->n = ret->v ? n : 0;
	for (size_t i = 0; i < ret->n; i++)
		un_prefix(u, v[i], host, &ret->v[i], object);
}

static void un_ifnames(
	struct unpacker *u, char **v, size_t n, struct config_strings *ret, const char *object)
{
	char name[IFNAMSIZ];

	ret->v = un_array(u, n, sizeof(*ret->v), CONFIG_MAX_LIST, object);
	ret->n = ret->v ? n : 0;
	for (size_t i = 0; i < ret->n; i++) {
		un_ifname(u, v[i], name, object);
		ret->v[i] = arena_strdup(u->arena, v[i]);
		if (!ret->v[i])
			un_fail(u, -ENOMEM, object, "out of memory");
	}
}

static char *un_str(struct unpacker *u, const char *s, size_t max, const char *object)
{
	char *copy = NULL;

	if (!s)
		return NULL;
	if (strlen(s) > max || !config_value_printable(s))
		un_fail(u, -EINVAL, object, "too long, or with control characters");
	else if (!(copy = arena_strdup(u->arena, s)))
		un_fail(u, -ENOMEM, object, "out of memory");
	return copy;
}

static void un_optional_ifname(
	struct unpacker *u, const char *s, char ret[IFNAMSIZ], const char *object)
{
	if (s)
		un_ifname(u, s, ret, object);
}

static void unpack_range(struct unpacker *u, const Gp__ConfigInterface *m, struct config_range *r)
{
	struct config_prefix from = {0}, to = {0};

	if (!m->dhcp_from && !m->dhcp_to)
		return;
	if (!m->dhcp_from || !m->dhcp_to) {
		un_fail(u, -EINVAL, "dhcp-range", "has one end only");
		return;
	}
	un_prefix(u, m->dhcp_from, true, &from, "dhcp-range");
	un_prefix(u, m->dhcp_to, true, &to, "dhcp-range");
	if (from.family != AF_INET || to.family != AF_INET || from.v4.s_addr == 0 ||
		ntohl(from.v4.s_addr) > ntohl(to.v4.s_addr))
		un_fail(u, -EINVAL, "dhcp-range", "is not a range of IPv4 addresses");
	else
		*r = (struct config_range){.from = from.v4, .to = to.v4};
}

static void unpack_dhcp(
	struct unpacker *u, const Gp__ConfigInterface *m, struct config_interface *in)
{
	in->dhcp = m->has_dhcp && m->dhcp;
	in->dhcp_server = m->has_dhcp_server && m->dhcp_server;
	unpack_range(u, m, &in->dhcp_range);
	if (m->has_dhcp_lease_time_us)
		in->dhcp_lease_time = un_duration(u, m->dhcp_lease_time_us, CONFIG_LEASE_TIME_MIN,
			CONFIG_LEASE_TIME_MAX, "dhcp-lease-time");
	un_prefixes(u, m->dhcp_relay, m->n_dhcp_relay, true, &in->dhcp_relay, "dhcp-relay");
	in->router_advert = m->has_router_advert && m->router_advert;
}

/* How the link itself is made. */
static void unpack_link(
	struct unpacker *u, const Gp__ConfigInterface *m, struct config_interface *in)
{
	in->mtu = m->has_mtu ? un_range(u, m->mtu, 0, 65535, "mtu") : 0;
	if (m->has_mac && (m->mac.len != sizeof(in->mac) || (m->mac.data[0] & 1)))
		un_fail(u, -EINVAL, "mac", "is not the address of one interface");
	else if (m->has_mac)
		memcpy(in->mac, m->mac.data, sizeof(in->mac));
	un_optional_ifname(u, m->device, in->device, "device");
	un_optional_ifname(u, m->parent, in->parent, "parent");
	un_optional_ifname(u, m->master, in->master, "master");
	un_ifnames(u, m->ports, m->n_ports, &in->ports, "ports");
	in->implied = m->has_implied && m->implied;
	in->stp = m->has_stp && m->stp;
	if (in->kind == CONFIG_LINK_VLAN)
		in->vlan_id =
			(uint16_t)un_range(u, m->has_vlan_id ? m->vlan_id : 0, 1, 4094, "vlan id");
	if (in->kind == CONFIG_LINK_BOND)
		in->bond_mode = m->has_bond_mode ? (enum config_bond_mode)un_range(u, m->bond_mode,
							   CONFIG_BOND_ACTIVE_BACKUP,
							   CONFIG_BOND_BALANCE_XOR, "mode")
						 : CONFIG_BOND_ACTIVE_BACKUP;
	if ((in->kind == CONFIG_LINK_VLAN) != (m->parent != NULL))
		un_fail(u, -EINVAL, "parent", "does not fit the kind of interface");
	if ((in->kind == CONFIG_LINK_BRIDGE || in->kind == CONFIG_LINK_BOND) != (m->n_ports > 0))
		un_fail(u, -EINVAL, "ports", "do not fit the kind of interface");
	if (in->master[0] && in->kind != CONFIG_LINK_PORT)
		un_fail(u, -EINVAL, "master", "does not fit the kind of interface");
}

static void unpack_interface(
	struct unpacker *u, const Gp__ConfigInterface *m, struct config_interface *in)
{
	un_ifname(u, m->name, in->name, "interface");
	in->kind = (enum config_link)un_range(u, m->has_kind ? m->kind : 0, CONFIG_LINK_PORT,
		CONFIG_LINK_BOND, "kind of interface");
	in->role = (enum config_role)un_range(u, m->role, CONFIG_ROLE_MGMT, CONFIG_ROLE_HA, "role");
	un_prefixes(u, m->addresses, m->n_addresses, false, &in->addresses, "address");
	un_prefixes(u, m->gateways, m->n_gateways, true, &in->gateways, "gateway");
	in->metric = m->has_metric ? m->metric : 0;
	un_prefixes(u, m->dns, m->n_dns, true, &in->dns, "dns");
	unpack_link(u, m, in);
	unpack_dhcp(u, m, in);
}

static void unpack_route(struct unpacker *u, const Gp__ConfigRoute *m, struct config_route *r)
{
	un_prefix(u, m->prefix, false, &r->prefix, "route");
	if (m->via)
		un_prefix(u, m->via, true, &r->via, "route");
	un_optional_ifname(u, m->interface, r->interface, "route");
	r->blackhole = m->has_blackhole && m->blackhole;
	r->metric = m->has_metric ? m->metric : 0;
	r->table = m->has_table ? m->table : 0;
	if (m->via && r->prefix.family != r->via.family)
		un_fail(u, -EINVAL, "route", "mixes IPv4 and IPv6");
	if (r->blackhole ? m->via || m->interface : !m->via && !m->interface)
		un_fail(u, -EINVAL, "route", "leads nowhere, or to two places");
	if (r->table == CONFIG_TABLE_LOCAL)
		un_fail(u, -EINVAL, "route", "is in the kernel's own table");
}

static void unpack_rule(struct unpacker *u, const Gp__ConfigRule *m, struct config_rule *r)
{
	un_name(u, m->name, r->name, "rule");
	if (m->from)
		un_prefix(u, m->from, false, &r->from, "rule");
	if (m->to)
		un_prefix(u, m->to, false, &r->to, "rule");
	un_optional_ifname(u, m->interface, r->interface, "rule");
	r->mark = m->has_mark ? m->mark : 0;
	r->table = un_range(u, m->table, 1, UINT32_MAX, "rule");
	r->priority = un_range(u, m->priority, 1, CONFIG_RULE_PRIORITY_MAX, "rule");
	if (m->from && m->to && r->from.family != r->to.family)
		un_fail(u, -EINVAL, "rule", "mixes IPv4 and IPv6");
}

static void unpack_cluster(struct unpacker *u, const Gp__ConfigCluster *m, struct config_cluster *c)
{
	c->present = true;
	c->priority = (uint8_t)un_range(u, m->priority, 1, 254, "priority");
	c->preempt = (enum config_preempt)un_range(
		u, m->preempt, CONFIG_PREEMPT_NEVER, CONFIG_PREEMPT_ALWAYS, "preempt");
	c->preempt_delay =
		un_duration(u, m->preempt_delay_us, 0, 86400 * USEC_PER_SEC, "preempt-delay");
	c->advert_interval = un_duration(
		u, m->advert_interval_us, 10 * USEC_PER_MS, 40950 * USEC_PER_MS, "advert-interval");
	c->heartbeat = m->heartbeat_us == 0 ? 0
					    : un_duration(u, m->heartbeat_us, 5 * USEC_PER_MS,
						      USEC_PER_SEC, "heartbeat");
	c->dead_after = un_range(u, m->dead_after, 3, 100, "dead-after");
	un_ifnames(u, m->track_interfaces, m->n_track_interfaces, &c->track_interfaces,
		"track-interface");
	un_prefixes(u, m->track_pings, m->n_track_pings, true, &c->track_pings, "track-ping");
	if (m->has_auth_key) {
		c->auth_key_len = un_range(u, m->auth_key.len, 1, sizeof(c->auth_key), "auth key");
		if (u->err == 0)
			memcpy(c->auth_key, m->auth_key.data, c->auth_key_len);
	}
}

static void unpack_vrrp(struct unpacker *u, const Gp__ConfigVrrp *m, struct config_vrrp *v)
{
	un_name(u, m->name, v->name, "vrrp");
	un_ifname(u, m->interface, v->interface, "vrrp interface");
	v->vrid = (uint8_t)un_range(u, m->vrid, 1, 255, "vrid");
	un_prefixes(u, m->virtual_addresses, m->n_virtual_addresses, false, &v->addresses,
		"virtual-address");
	v->version = (uint8_t)un_range(u, m->version, 2, 3, "version");
	v->advert_interval = un_duration(
		u, m->advert_interval_us, 10 * USEC_PER_MS, 40950 * USEC_PER_MS, "advert-interval");
	v->checksum = (enum config_checksum)un_range(
		u, m->checksum, CONFIG_CHECKSUM_RFC9568, CONFIG_CHECKSUM_LEGACY, "checksum");
	v->virtual_mac = m->virtual_mac;
	v->accept = m->accept;
	if (m->password && strlen(m->password) > CONFIG_PASSWORD_MAX)
		un_fail(u, -EINVAL, "password", "too long");
	else if (m->password)
		snprintf(v->password, sizeof(v->password), "%s", m->password);
	un_prefixes(
		u, m->unicast_peers, m->n_unicast_peers, true, &v->unicast_peers, "unicast-peer");
	un_ifnames(u, m->track_interfaces, m->n_track_interfaces, &v->track_interfaces,
		"track-interface");
}

static void unpack_nat(struct unpacker *u, const Gp__ConfigNat *m, struct config_nat *n)
{
	un_ifname(u, m->interface, n->interface, "nat");
	n->to = (enum config_nat_to)un_range(
		u, m->to, CONFIG_NAT_VIRTUAL, CONFIG_NAT_ADDRESS, "nat to");
	if (n->to == CONFIG_NAT_ADDRESS && !m->address)
		un_fail(u, -EINVAL, "nat", "has no address");
	else if (n->to == CONFIG_NAT_ADDRESS)
		un_prefix(u, m->address, true, &n->address, "nat address");
}

static void unpack_sync(struct unpacker *u, const Gp__ConfigSync *m, struct config_sync *s)
{
	s->present = true;
	un_ifname(u, m->interface, s->interface, "sync");
	un_prefix(u, m->local, true, &s->local, "sync");
	un_prefix(u, m->peer, true, &s->peer, "peer");
	s->port = (uint16_t)un_range(u, m->port, 1, 65535, "port");
	if (m->peer_fingerprint.len != sizeof(s->peer_fingerprint))
		un_fail(u, -EINVAL, "peer-fingerprint", "is not 32 bytes");
	else
		memcpy(s->peer_fingerprint, m->peer_fingerprint.data, sizeof(s->peer_fingerprint));
	if (m->has_identity_der) {
		s->identity_der = un_array(u, m->identity_der.len, 1, 4096, "identity");
		s->identity_der_len = s->identity_der ? m->identity_der.len : 0;
		if (s->identity_der)
			memcpy(s->identity_der, m->identity_der.data, s->identity_der_len);
	}
	if (m->has_own_fingerprint) {
		if (m->own_fingerprint.len != sizeof(s->own_fingerprint))
			un_fail(u, -EINVAL, "sync", "own fingerprint is not 32 bytes");
		else
			memcpy(s->own_fingerprint, m->own_fingerprint.data,
				sizeof(s->own_fingerprint));
		s->has_own_fingerprint = !u->err;
	}
	un_prefixes(u, m->excludes, m->n_excludes, false, &s->excludes, "exclude");
}

static void unpack_portal(struct unpacker *u, const Gp__Config *m, struct config *cfg)
{
	if (m->portal) {
		cfg->portal.present = true;
		cfg->portal.url = un_str(u, m->portal->url, 1024, "portal url");
		cfg->portal.has_ca_fingerprint = m->portal->has_ca_fingerprint;
		if (m->portal->has_ca_fingerprint && m->portal->ca_fingerprint.len != 32)
			un_fail(u, -EINVAL, "ca-fingerprint", "is not 32 bytes");
		else if (m->portal->has_ca_fingerprint)
			memcpy(cfg->portal.ca_fingerprint, m->portal->ca_fingerprint.data, 32);
	}
	if (m->proxy) {
		cfg->proxy.present = true;
		cfg->proxy.host = un_str(u, m->proxy->host, 255, "proxy host");
		cfg->proxy.port = (uint16_t)un_range(u, m->proxy->port, 1, 65535, "proxy port");
		cfg->proxy.user = un_str(u, m->proxy->user, 255, "proxy user");
		cfg->proxy.password =
			un_str(u, m->proxy->password, CONFIG_PASSWORD_LEN, "proxy password");
	}
}

static void unpack_firewall(struct unpacker *u, const Gp__Config *m, struct config_firewall *f)
{
	if (!m->firewall_rules)
		return;
	f->present = true;
	if (strlen(m->firewall_rules) > CONFIG_RULES_TEXT_MAX ||
		!config_value_text(m->firewall_rules))
		un_fail(u, -EINVAL, "firewall rules", "too long, or not text");
	else if (!(f->rules = arena_strdup(u->arena, m->firewall_rules)))
		un_fail(u, -ENOMEM, "firewall rules", "out of memory");
}

static void unpack_lists(struct unpacker *u, const Gp__Config *m, struct config *cfg)
{
	cfg->interfaces = un_array(
		u, m->n_interfaces, sizeof(*cfg->interfaces), CONFIG_MAX_INTERFACES, "interfaces");
	cfg->n_interfaces = cfg->interfaces ? m->n_interfaces : 0;
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		unpack_interface(u, m->interfaces[i], &cfg->interfaces[i]);
	cfg->routes = un_array(u, m->n_routes, sizeof(*cfg->routes), CONFIG_MAX_ROUTES, "routes");
	cfg->n_routes = cfg->routes ? m->n_routes : 0;
	for (size_t i = 0; i < cfg->n_routes; i++)
		unpack_route(u, m->routes[i], &cfg->routes[i]);
	cfg->rules = un_array(u, m->n_rules, sizeof(*cfg->rules), CONFIG_MAX_RULES, "rules");
	cfg->n_rules = cfg->rules ? m->n_rules : 0;
	for (size_t i = 0; i < cfg->n_rules; i++)
		unpack_rule(u, m->rules[i], &cfg->rules[i]);
	cfg->vrrps = un_array(u, m->n_vrrps, sizeof(*cfg->vrrps), CONFIG_MAX_VRRPS, "vrrps");
	cfg->n_vrrps = cfg->vrrps ? m->n_vrrps : 0;
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		unpack_vrrp(u, m->vrrps[i], &cfg->vrrps[i]);
	cfg->nats = un_array(u, m->n_nats, sizeof(*cfg->nats), CONFIG_MAX_NATS, "nats");
	cfg->n_nats = cfg->nats ? m->n_nats : 0;
	for (size_t i = 0; i < cfg->n_nats; i++)
		unpack_nat(u, m->nats[i], &cfg->nats[i]);
}

int config_unpack(const Gp__Config *msg, struct config **ret_cfg, char *err, size_t err_size)
{
	struct config *cfg = config_new();
	struct unpacker u = {.why = err, .why_size = err_size};

	if (!cfg) {
		snprintf(err, err_size, "configuration message: out of memory");
		return -ENOMEM;
	}
	u.arena = cfg->arena;
	un_name(&u, msg->node, cfg->node, "node");
	cfg->model = (enum config_model)un_range(&u, msg->has_model ? msg->model : 0,
		CONFIG_MODEL_GENERIC, CONFIG_MODEL_ZT800, "model");
	unpack_lists(&u, msg, cfg);
	unpack_firewall(&u, msg, &cfg->firewall);
	if (msg->cluster)
		unpack_cluster(&u, msg->cluster, &cfg->cluster);
	if (msg->sync)
		unpack_sync(&u, msg->sync, &cfg->sync);
	unpack_portal(&u, msg, cfg);
	if (u.err < 0) {
		config_free(cfg);
		return u.err;
	}
	*ret_cfg = cfg;
	return 0;
}
