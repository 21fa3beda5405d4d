/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cross checks of what interfaces take and serve by DHCP and by router advertisements.
 */
#include <errno.h>
#include <stdio.h>

#include "common/config_check.h"

#define CLIENTS_MAX 16 /* interfaces with dhcp = true */
#define SERVERS_MAX 8  /* mgmt interfaces with dhcp-server, a process each */
/* Behind the network's own, the node's and the broadcast address something has to be left. */
#define SERVED_LEN_MAX 29

static int check_client(struct check *c, const struct config_interface *in)
{
	size_t n = 0;

	for (const struct config_interface *o = c->cfg->interfaces; o <= in; o++)
		n += o->dhcp;
	if (in->role != CONFIG_ROLE_WAN && in->role != CONFIG_ROLE_MGMT)
		return check_fail(c, in->line, "dhcp",
			"%s \"%s\": dhcp is for interfaces with role wan or mgmt; write address "
			"instead",
			check_kind(in), in->name);
	if (in->dhcp_server || in->dhcp_relay.n)
		return check_fail(c, in->line, "dhcp",
			"%s \"%s\": dhcp together with %s; remove one", check_kind(in), in->name,
			in->dhcp_server ? "dhcp-server" : "dhcp-relay");
	if (n > CLIENTS_MAX)
		return check_fail(c, in->line, "dhcp",
			"%s \"%s\": more than %d interfaces with dhcp; give this one an address",
			check_kind(in), in->name, CLIENTS_MAX);
	return 0;
}

static const struct config_prefix *first_v4(const struct config_interface *in)
{
	for (size_t i = 0; i < in->addresses.n; i++)
		if (in->addresses.v[i].family == AF_INET)
			return &in->addresses.v[i];
	return NULL;
}

static int check_server_count(struct check *c, const struct config_interface *in)
{
	size_t n = 0;

	for (const struct config_interface *o = c->cfg->interfaces; o <= in; o++)
		n += o->role == CONFIG_ROLE_MGMT && o->dhcp_server;
	if (n <= SERVERS_MAX || in->role != CONFIG_ROLE_MGMT || !in->dhcp_server)
		return 0;
	return check_fail(c, in->line, "dhcp-server",
		"%s \"%s\": more than %d mgmt interfaces with dhcp-server; remove it here",
		check_kind(in), in->name, SERVERS_MAX);
}

static int check_serving(struct check *c, const struct config_interface *in)
{
	const char *key = in->dhcp_server ? "dhcp-server" : "dhcp-relay";

	if (in->dhcp_server && in->dhcp_relay.n)
		return check_fail(c, in->line, "dhcp-relay",
			"%s \"%s\": dhcp-relay together with dhcp-server; remove one",
			check_kind(in), in->name);
	if (in->role == CONFIG_ROLE_WAN || in->role == CONFIG_ROLE_HA)
		return check_fail(c, in->line, key,
			"%s \"%s\": %s is for interfaces with role lan or mgmt; remove it",
			check_kind(in), in->name, key);
	if (!first_v4(in))
		return check_fail(c, in->line, key,
			"%s \"%s\": %s needs an IPv4 address on it; add address = {…}",
			check_kind(in), in->name, key);
	for (size_t i = 0; i < in->dhcp_relay.n; i++) {
		const struct config_prefix *a = &in->dhcp_relay.v[i];
		char text[CONFIG_PREFIX_STRLEN];

		config_prefix_to_str(a, text);
		if (a->family != AF_INET || !check_host_address(a))
			return check_fail(c, in->line, "dhcp-relay",
				"%s \"%s\": dhcp-relay %s is not the IPv4 address of a server; "
				"correct it",
				check_kind(in), in->name, text);
		if (check_owner(c->cfg, a) || check_virtual_owner(c->cfg, a))
			return check_fail(c, in->line, "dhcp-relay",
				"%s \"%s\": dhcp-relay %s is an address of this pair; name the "
				"server's",
				check_kind(in), in->name, text);
	}
	return 0;
}

static struct config_prefix host_of(struct in_addr a)
{
	return (struct config_prefix){.family = AF_INET, .len = 32, .v4 = a};
}

static bool in_range(const struct config_range *r, const struct config_prefix *a)
{
	return a->family == AF_INET && ntohl(a->v4.s_addr) >= ntohl(r->from.s_addr) &&
	       ntohl(a->v4.s_addr) <= ntohl(r->to.s_addr);
}

/* The address of this pair that a client would be given; NULL: none. */
static const struct config_prefix *given_away(const struct check *c,
	const struct config_interface *in, const struct config_range *r, const char **ret_whose)
{
	*ret_whose = "this node's own";
	for (size_t i = 0; i < in->addresses.n; i++)
		if (in_range(r, &in->addresses.v[i]))
			return &in->addresses.v[i];
	*ret_whose = "the router's";
	for (size_t i = 0; i < in->gateways.n; i++)
		if (in_range(r, &in->gateways.v[i]))
			return &in->gateways.v[i];
	*ret_whose = "a virtual address";
	for (size_t i = 0; i < c->cfg->n_vrrps; i++)
		for (size_t k = 0; k < c->cfg->vrrps[i].addresses.n; k++)
			if (in_range(r, &c->cfg->vrrps[i].addresses.v[k]))
				return &c->cfg->vrrps[i].addresses.v[k];
	return NULL;
}

static int check_given(struct check *c, const struct config_interface *in)
{
	const struct config_range *r = &in->dhcp_range;
	const struct config_prefix *given;
	char text[CONFIG_PREFIX_STRLEN];
	struct config_prefix a;
	const char *whose;

	given = given_away(c, in, r, &whose);
	if (!given)
		return 0;
	a = host_of(given->v4);
	return check_fail(c, in->line, "dhcp-range",
		"%s \"%s\": dhcp-range contains %s, which is %s; write one without it",
		check_kind(in), in->name, config_prefix_to_str(&a, text), whose);
}

/* The subnet of the first address is the one that is served. Without a range it is its upper half,
 * and the server itself leaves our addresses out. */
static int check_range(struct check *c, const struct config_interface *in)
{
	const struct config_range *r = &in->dhcp_range;
	struct config_prefix from = host_of(r->from), to = host_of(r->to);
	const struct config_prefix *net = first_v4(in);
	char text[CONFIG_PREFIX_STRLEN];

	if (!net)
		return 0; /* check_serving() refuses that */
	config_prefix_to_str(net, text);
	if (net->len == 32)
		return check_fail(c, in->line, "address",
			"%s \"%s\": %s is a single address, without room for clients; write its "
			"prefix length, e.g. %s/24",
			check_kind(in), in->name, text, text);
	if (!r->from.s_addr && net->len > SERVED_LEN_MAX)
		return check_fail(c, in->line, "dhcp-server",
			"%s \"%s\": the subnet of %s has no room for clients; make it larger or "
			"add dhcp-range",
			check_kind(in), in->name, text);
	if (!r->from.s_addr)
		return 0;
	/* With the subnet's length, its first and last address are no hosts. */
	from.len = to.len = net->len;
	if (!config_prefix_contains(net, &from) || !config_prefix_contains(net, &to) ||
		!check_host_address(&from) || !check_host_address(&to))
		return check_fail(c, in->line, "dhcp-range",
			"%s \"%s\": dhcp-range is not inside of the subnet of %s, the interface's "
			"first IPv4 address; correct one of them",
			check_kind(in), in->name, text);
	return check_given(c, in);
}

static int check_adverts(struct check *c, const struct config_interface *in)
{
	bool has_v6 = false;

	for (size_t i = 0; i < in->addresses.n; i++)
		has_v6 = has_v6 || (in->addresses.v[i].family == AF_INET6 &&
					   !check_link_local(&in->addresses.v[i]));
	if (in->role != CONFIG_ROLE_LAN)
		return check_fail(c, in->line, "router-advert",
			"%s \"%s\": router-advert is for interfaces with role lan; remove it",
			check_kind(in), in->name);
	if (!has_v6)
		return check_fail(c, in->line, "router-advert",
			"%s \"%s\": router-advert needs an IPv6 address on it; add address = {…}",
			check_kind(in), in->name);
	return 0;
}

int check_dhcp(struct check *c)
{
	int err = 0;

	for (size_t i = 0; i < c->cfg->n_interfaces && err == 0; i++) {
		const struct config_interface *in = &c->cfg->interfaces[i];

		if (in->dhcp)
			err = check_client(c, in);
		if (err == 0 && (in->dhcp_server || in->dhcp_relay.n))
			err = check_serving(c, in);
		if (err == 0)
			err = check_server_count(c, in);
		if (err == 0 && in->dhcp_range.from.s_addr && !in->dhcp_server)
			err = check_fail(c, in->line, "dhcp-range",
				"%s \"%s\": dhcp-range without a server; add dhcp-server = true",
				check_kind(in), in->name);
		if (err == 0 && in->dhcp_lease_time != CONFIG_LEASE_TIME_DEFAULT &&
			!in->dhcp_server)
			err = check_fail(c, in->line, "dhcp-lease-time",
				"%s \"%s\": dhcp-lease-time without a server; add dhcp-server = "
				"true",
				check_kind(in), in->name);
		if (err == 0 && in->dhcp_server)
			err = check_range(c, in);
		if (err == 0 && in->router_advert)
			err = check_adverts(c, in);
	}
	return err;
}
