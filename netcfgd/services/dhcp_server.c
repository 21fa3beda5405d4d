/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsmasq's configuration (see dhcp_server.h and dnsmasq(8)).
 */
#include "netcfgd/services/dhcp_server.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASES_MAX    20000
#define EXCLUDED_MAX  (2 * CONFIG_MAX_ADDRESSES)
#define LEASE_MIN     (120 * USEC_PER_SEC) /* dnsmasq's own */
#define LEASE_DEFAULT (3600 * USEC_PER_SEC)
/* An Active that died without a word is forgotten after so many seconds, if nobody noticed before:
 * routers are probed once they do not answer (RFC 4861 §7.3). */
#define RA_INTERVAL_S 8
#define RA_LIFETIME_S 24

/* Of file and network nothing but what is said here. */
static const char common[] = "bind-dynamic\n"
			     "except-interface=lo\n"
			     "no-hosts\n"
			     "no-resolv\n"
			     "no-poll\n"
			     "user=\n"
			     "group=\n"
			     "pid-file=\n"
			     "log-facility=-\n"
			     "quiet-dhcp\n"
			     "quiet-dhcp6\n"
			     "quiet-ra\n"
			     "dhcp-authoritative\n";

bool dhcp_server_wants_mgmt(const struct config_interface *c)
{
	return c->role == CONFIG_ROLE_MGMT && c->dhcp_server;
}

bool dhcp_server_wants_lan(const struct config_interface *c)
{
	return c->role == CONFIG_ROLE_LAN &&
	       (c->dhcp_server || c->dhcp_relay.n || c->router_advert);
}

/* What dnsmasq does not take for a wildcard, a list or a comment. */
static bool name_ok(const char *name)
{
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

/* --- addresses ------------------------------------------------------------------------------- */

static const char *v4(uint32_t a, char out[INET_ADDRSTRLEN])
{
	struct in_addr in = {.s_addr = htonl(a)};

	return inet_ntop(AF_INET, &in, out, INET_ADDRSTRLEN) ? out : "";
}

/* The interface's first IPv4 address, if the kernel has it. */
static const struct config_prefix *served(
	const struct config_interface *c, const struct kernel_link *l)
{
	for (size_t i = 0; i < c->addresses.n; i++)
		if (c->addresses.v[i].family == AF_INET)
			return kernel_addr_find(l, &c->addresses.v[i]) ? &c->addresses.v[i] : NULL;
	return NULL;
}

static uint32_t mask_of(const struct config_prefix *p)
{
	return p->len == 0 ? 0 : ~UINT32_C(0) << (32 - p->len);
}

struct span {
	uint32_t from, to; /* both included */
};

/* What is configured, or the upper half of the subnet without its broadcast address. */
static bool span_of(const struct config_interface *c, const struct config_prefix *p, struct span *s)
{
	uint32_t mask = mask_of(p), net = ntohl(p->v4.s_addr) & mask, size = ~mask;

	s->from = ntohl(c->dhcp_range.from.s_addr);
	s->to = ntohl(c->dhcp_range.to.s_addr);
	if (s->from == 0 && s->to == 0) {
		s->from = net + size / 2 + 1;
		s->to = net + size - 1;
	}
	return p->len <= 30 && s->from <= s->to && (s->from & mask) == net && (s->to & mask) == net;
}

static size_t excluded(
	const struct config *cfg, const struct config_interface *c, uint32_t out[EXCLUDED_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->addresses.n && n < EXCLUDED_MAX; i++)
		if (c->addresses.v[i].family == AF_INET)
			out[n++] = ntohl(c->addresses.v[i].v4.s_addr);
	for (size_t v = 0; v < cfg->n_vrrps; v++)
		for (size_t i = 0; i < cfg->vrrps[v].addresses.n && n < EXCLUDED_MAX; i++)
			if (strcmp(cfg->vrrps[v].interface, c->name) == 0 &&
				cfg->vrrps[v].addresses.v[i].family == AF_INET)
				out[n++] = ntohl(cfg->vrrps[v].addresses.v[i].v4.s_addr);
	return n;
}

static unsigned seconds_of(const struct config_interface *c)
{
	usec_t t = c->dhcp_lease_time ? c->dhcp_lease_time : LEASE_DEFAULT;

	return (unsigned)((t < LEASE_MIN ? LEASE_MIN : t) / USEC_PER_SEC);
}

static void put_span(
	FILE *f, const struct config_interface *c, const struct config_prefix *p, struct span s)
{
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN];

	if (s.from <= s.to)
		fprintf(f, "dhcp-range=%s,%s,%s,%us\n", v4(s.from, from), v4(s.to, to),
			v4(mask_of(p), mask), seconds_of(c));
}

/* Around the addresses that are ours; each finds the part of the range that it is in. */
static void put_ranges(FILE *f, const struct config *cfg, const struct config_interface *c,
	const struct config_prefix *p)
{
	uint32_t ours[EXCLUDED_MAX];
	size_t n = excluded(cfg, c, ours);
	struct span s;

	if (!span_of(c, p, &s))
		return;
	for (;;) {
		uint32_t next = 0;
		bool found = false;

		for (size_t i = 0; i < n; i++)
			if (ours[i] >= s.from && ours[i] <= s.to && (!found || ours[i] < next)) {
				next = ours[i];
				found = true;
			}
		if (!found)
			break;
		put_span(f, c, p, (struct span){s.from, next - 1});
		s.from = next + 1;
	}
	put_span(f, c, p, s);
}

/* --- the LAN --------------------------------------------------------------------------------- */

/* The virtual address in that subnet, else the node's own. */
static struct in_addr router_of(
	const struct config *cfg, const struct config_interface *c, const struct config_prefix *p)
{
	for (size_t v = 0; v < cfg->n_vrrps; v++)
		for (size_t i = 0; i < cfg->vrrps[v].addresses.n; i++)
			if (strcmp(cfg->vrrps[v].interface, c->name) == 0 &&
				config_prefix_contains(p, &cfg->vrrps[v].addresses.v[i]))
				return cfg->vrrps[v].addresses.v[i].v4;
	return p->v4;
}

static void put_dns(
	FILE *f, const struct dhcp_server_input *in, const struct config_interface *c, int family)
{
	const struct config_prefix *v = c->dns.n ? c->dns.v : in->dns;
	size_t n = c->dns.n ? c->dns.n : in->n_dns;
	char text[INET6_ADDRSTRLEN];
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (v[i].family != family || !inet_ntop(family, &v[i].v6, text, sizeof(text)))
			continue;
		if (!any)
			fprintf(f, "dhcp-option=tag:%s,%s", c->name,
				family == AF_INET ? "option:dns-server" : "option6:dns-server");
		fprintf(f, family == AF_INET ? ",%s" : ",[%s]", text);
		any = true;
	}
	if (any)
		fputc('\n', f);
}

static void put_server(FILE *f, const struct dhcp_server_input *in,
	const struct config_interface *c, const struct config_prefix *p)
{
	struct in_addr router = router_of(in->cfg, c, p);
	char text[INET_ADDRSTRLEN];

	put_ranges(f, in->cfg, c, p);
	fprintf(f, "dhcp-option=tag:%s,option:router,%s\n", c->name,
		v4(ntohl(router.s_addr), text));
	put_dns(f, in, c, AF_INET);
	if (c->mtu)
		fprintf(f, "dhcp-option=tag:%s,option:mtu,%u\n", c->name, c->mtu);
}

static void put_relay(FILE *f, const struct config_interface *c, const struct config_prefix *p)
{
	char local[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];

	for (size_t i = 0; i < c->dhcp_relay.n; i++)
		if (c->dhcp_relay.v[i].family == AF_INET)
			fprintf(f, "dhcp-relay=%s,%s\n", v4(ntohl(p->v4.s_addr), local),
				v4(ntohl(c->dhcp_relay.v[i].v4.s_addr), server));
}

/* Hosts make their addresses from prefixes of 64 bits only (RFC 4862 §5.5.3). */
static bool put_adverts(FILE *f, const struct dhcp_server_input *in,
	const struct config_interface *c, const struct kernel_link *l)
{
	char text[INET6_ADDRSTRLEN];
	bool any = false;

	for (size_t i = 0; i < c->addresses.n; i++) {
		struct config_prefix net = c->addresses.v[i];

		if (net.family != AF_INET6 || net.len != 64 || IN6_IS_ADDR_LINKLOCAL(&net.v6) ||
			!kernel_addr_find(l, &net))
			continue;
		memset(&net.v6.s6_addr[8], 0, 8);
		if (!inet_ntop(AF_INET6, &net.v6, text, sizeof(text)))
			continue;
		fprintf(f, "dhcp-range=%s,ra-only,64,%us\n", text, seconds_of(c));
		any = true;
	}
	if (!any)
		return false;
	fprintf(f, "ra-param=%s,high,%d,%d\n", c->name, RA_INTERVAL_S, RA_LIFETIME_S);
	put_dns(f, in, c, AF_INET6);
	return true;
}

static bool put_lan(FILE *f, const struct dhcp_server_input *in, const struct config_interface *c,
	bool *adverts)
{
	const struct kernel_link *l = kernel_link_by_name(in->picture, c->name);
	const struct config_prefix *p = l ? served(c, l) : NULL;
	bool any = false;

	if (c->dhcp_server && p) {
		put_server(f, in, c, p);
		any = true;
	} else if (c->dhcp_relay.n && p) {
		put_relay(f, c, p);
		any = true;
	}
	if (c->router_advert && l && put_adverts(f, in, c, l))
		any = *adverts = true;
	if (any)
		fprintf(f, "# index %u\ninterface=%s\n", l->index, c->name);
	return any;
}

/* --- texts ----------------------------------------------------------------------------------- */

static void list(struct dhcp_server_text *t, const char *name)
{
	if (t->n_interfaces < DHCP_SERVER_LISTED)
		snprintf(t->interfaces[t->n_interfaces++], IFNAMSIZ, "%s", name);
}

static void put_leases(FILE *f, const char *folder, const char *name)
{
	if (folder)
		fprintf(f, "dhcp-leasefile=%s/%s.leases\n", folder, name);
	else
		fputs("leasefile-ro\n", f);
	fprintf(f, "dhcp-lease-max=%d\n", LEASES_MAX);
}

/* Without anybody to serve, there is no text. */
static int finish(FILE *f, struct dhcp_server_text *t)
{
	bool failed = ferror(f) != 0;

	if (fclose(f) != 0 || failed) {
		free(t->text);
		t->text = NULL;
		return -ENOMEM;
	}
	if (t->n_interfaces == 0) {
		free(t->text);
		t->text = NULL;
		t->len = 0;
	}
	return 0;
}

int dhcp_server_lan(const struct dhcp_server_input *in, struct dhcp_server_text *ret)
{
	FILE *f;
	bool adverts = false;

	memset(ret, 0, sizeof(*ret));
	f = open_memstream(&ret->text, &ret->len);
	if (!f)
		return -ENOMEM;
	fprintf(f, "port=0\n%s", common);
	put_leases(f, in->folder, "lan");
	for (size_t i = 0; i < in->cfg->n_interfaces; i++) {
		const struct config_interface *c = &in->cfg->interfaces[i];

		if (!dhcp_server_wants_lan(c))
			continue;
		if (!name_ok(c->name))
			ret->refused = c->name;
		else if (put_lan(f, in, c, &adverts))
			list(ret, c->name);
	}
	if (adverts)
		fputs("enable-ra\n", f);
	return finish(f, ret);
}

int dhcp_server_mgmt(const struct dhcp_server_input *in, const struct config_interface *c,
	struct dhcp_server_text *ret)
{
	const struct kernel_link *l = kernel_link_by_name(in->picture, c->name);
	const struct config_prefix *p = l ? served(c, l) : NULL;
	char address[INET_ADDRSTRLEN], leases[IFNAMSIZ + 8];
	FILE *f;

	memset(ret, 0, sizeof(*ret));
	if (!name_ok(c->name)) {
		ret->refused = c->name;
		return 0;
	}
	if (!p)
		return 0;
	f = open_memstream(&ret->text, &ret->len);
	if (!f)
		return -ENOMEM;
	v4(ntohl(p->v4.s_addr), address);
	snprintf(leases, sizeof(leases), "mgmt.%s", c->name);
	fprintf(f, "%scache-size=0\n", common);
	put_leases(f, in->folder, leases);
	fprintf(f, "# index %u\ninterface=%s\n", l->index, c->name);
	fprintf(f, "host-record=%s,gatepair," DHCP_SERVER_DOMAIN ",%s\n", in->cfg->node, address);
	/* There are no other records of these names; a refusal would make some clients give up. */
	fprintf(f, "local=/%s/gatepair/" DHCP_SERVER_DOMAIN "/\n", in->cfg->node);
	put_ranges(f, in->cfg, c, p);
	/* It is no way to anywhere. */
	fprintf(f, "dhcp-option=option:router\ndhcp-option=option:dns-server,%s\n", address);
	list(ret, c->name);
	return finish(f, ret);
}
