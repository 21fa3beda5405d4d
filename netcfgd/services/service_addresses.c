/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Duplicate addresses on the wire: reads packet sockets for ARP and neighbour discovery five times
 * a second, a bounded number of frames each, feeds the pure core (acd.h), asks what that asks for,
 * and raises the conditions. A module of netcfgd's services process.
 */
#include "netcfgd/services/service_addresses.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "netcfgd/services/acd.h"
#include "netcfgd/services/ethernet.h"
#include "netcfgd/services/service.h"
#include "netcfgd/services/service_cabling.h"
#include "netcfgd/services/wire.h"

#define TICK          (200 * USEC_PER_MS)
#define OPEN_AGAIN    (5 * USEC_PER_SEC)
#define CLAIMS_A_TICK 64
#define SENDS_A_TICK  32
#define DUPLICATES    4 /* IPv6 addresses named in conditions */

static struct {
	const struct kernel *k;
	const struct config *cfg;
	struct acd acd;
	struct wire arp, nd;
	uint64_t digest; /* of the addresses that the sockets are for */
	usec_t tick_at, open_at;
} addresses = {.arp.fd = -1, .nd.fd = -1};

/* --- sockets --------------------------------------------------------------------------------- */
/* FNV-1a, over what may change between two ticks. */
static uint64_t digest_addresses(void)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < addresses.acd.n * sizeof(struct in6_addr); i++)
		h = (h ^ addresses.acd.addrs[i / sizeof(struct in6_addr)]
				    .ip.s6_addr[i % sizeof(struct in6_addr)]) *
		    UINT64_C(1099511628211);
	return h;
}

static void filter_arp(struct wire_program *p)
{
	struct in_addr ips[ACD_ADDRS];
	size_t n = 0;

	for (size_t i = 0; i < addresses.acd.n; i++)
		n += acd_unmapped(&addresses.acd.addrs[i].ip, &ips[n]);
	wire_program_arp(p, ips, n);
	addresses.digest = digest_addresses();
}

/* IPv6 that this node only forwards does not pay for it. */
static int open_nd(struct wire_program *p)
{
	struct in_addr ip;

	for (size_t i = 0; i < addresses.acd.n; i++) {
		if (acd_unmapped(&addresses.acd.addrs[i].ip, &ip))
			continue;
		wire_program_nd(p);
		return wire_open(&addresses.nd, ETH_P_IPV6, 0, p);
	}
	return 0;
}

static void open_sockets(usec_t now)
{
	static struct wire_program p;
	int rc;

	wire_close(&addresses.arp);
	wire_close(&addresses.nd);
	filter_arp(&p);
	rc = wire_open(&addresses.arp, ETH_P_ARP, 0, &p);
	if (!rc)
		rc = open_nd(&p);
	if (rc) {
		wire_close(&addresses.arp);
		service_condition("address blind",
			"addresses: packet sockets cannot be opened: %s; let the supervisor start "
			"netcfgd with CAP_NET_RAW",
			strerror(-rc));
	} else {
		service_condition("address blind", "%s", "");
	}
	addresses.open_at = rc ? now + OPEN_AGAIN : USEC_NEVER;
}

static void refresh_filters(usec_t now)
{
	if (addresses.arp.fd >= 0 && addresses.digest != digest_addresses())
		open_sockets(now);
}

/* --- what there is --------------------------------------------------------------------------- */
static bool is_virtual(const char *link, struct in_addr ip)
{
	for (size_t i = 0; i < addresses.cfg->n_vrrps; i++) {
		const struct config_vrrp *v = &addresses.cfg->vrrps[i];

		for (size_t j = 0; strcmp(v->interface, link) == 0 && j < v->addresses.n; j++)
			if (v->addresses.v[j].family == AF_INET &&
				v->addresses.v[j].v4.s_addr == ip.s_addr)
				return true;
	}
	return false;
}

static void put_address(
	const struct kernel_link *l, const struct config_prefix *p, bool virt, usec_t now)
{
	struct acd_addr a = {.ip = p->family == AF_INET ? acd_mapped(p->v4) : p->v6,
		.index = l->index,
		.virt = virt,
		.carrier = l->up && l->carrier};

	memcpy(a.link, l->name, sizeof(a.link));
	acd_put(&addresses.acd, &a, now);
}

static void put_own(const struct kernel_link *l, usec_t now)
{
	for (size_t i = 0; i < l->n_addrs; i++) {
		const struct config_prefix *p = &l->addrs[i].prefix;

		/* Link-local addresses are the kernel's: made of the MAC, and tried before use. */
		if (p->family == AF_INET ? !is_virtual(l->name, p->v4)
					 : !l->addrs[i].duplicate && !IN6_IS_ADDR_LINKLOCAL(&p->v6))
			put_address(l, p, false, now);
	}
}

static void put_virtual(const struct config_vrrp *v, usec_t now)
{
	const struct kernel_link *l = kernel_link_by_name(addresses.k, v->interface);

	for (size_t i = 0; l && l->ether && i < v->addresses.n; i++)
		if (v->addresses.v[i].family == AF_INET)
			put_address(l, &v->addresses.v[i], true, now);
}

static void put_addresses(usec_t now)
{
	acd_begin(&addresses.acd);
	for (size_t i = 0; i < addresses.cfg->n_interfaces; i++) {
		const struct kernel_link *l =
			kernel_link_by_name(addresses.k, addresses.cfg->interfaces[i].name);

		if (l && l->ether)
			put_own(l, now);
	}
	for (size_t i = 0; i < addresses.cfg->n_vrrps; i++)
		put_virtual(&addresses.cfg->vrrps[i], now);
	acd_end(&addresses.acd);
}

/* --- received -------------------------------------------------------------------------------- */
static bool is_our_mac(const uint8_t mac[WIRE_MAC_LEN])
{
	for (const struct kernel_link *l = addresses.k->by_index; l; l = l->by_index.next)
		if (memcmp(l->mac, mac, WIRE_MAC_LEN) == 0)
			return true;
	return false;
}

/* Every interface hears it by itself and once more for each macvlan on top: only the first is in
 * the table of addresses. */
static void on_claim(
	const struct wire_frame *f, const struct in6_addr *ip, const uint8_t *mac, usec_t now)
{
	if (!f->tag && !is_our_mac(mac))
		acd_claim(&addresses.acd, f->index, ip, mac, now);
}

static void read_claims(usec_t now)
{
	struct ethernet_claim claim;
	struct in6_addr ip;
	struct wire_frame f;

	for (int i = 0; i < CLAIMS_A_TICK && addresses.arp.fd >= 0 && wire_read(&addresses.arp, &f);
		i++)
		if (ethernet_arp(f.data, f.n, &claim)) {
			ip = acd_mapped(claim.ip);
			on_claim(&f, &ip, claim.mac, now);
		}
	for (int i = 0; i < CLAIMS_A_TICK && addresses.nd.fd >= 0 && wire_read(&addresses.nd, &f);
		i++)
		if (ethernet_nd(f.data, f.n, &claim))
			on_claim(&f, &claim.ip6, claim.mac, now);
}

/* --- sent ------------------------------------------------------------------------------------ */
static int send_question(const struct acd_addr *a, bool announce)
{
	const struct kernel_link *l = kernel_link(addresses.k, a->index);
	uint8_t frame[ETHERNET_ND_LEN > ETHERNET_ARP_LEN ? ETHERNET_ND_LEN : ETHERNET_ARP_LEN];
	struct in_addr v4;

	if (!l)
		return 0;
	if (acd_unmapped(&a->ip, &v4)) {
		ethernet_arp_make(v4, l->mac, announce, frame);
		return wire_send(&addresses.arp, a->index, frame, ETHERNET_ARP_LEN);
	}
	ethernet_nd_make(&a->ip, l->mac, frame);
	return addresses.nd.fd < 0 ? 0 : wire_send(&addresses.nd, a->index, frame, ETHERNET_ND_LEN);
}

static void send_questions(usec_t now)
{
	const struct acd_addr *a;
	int what;

	for (int i = 0; i < SENDS_A_TICK && addresses.arp.fd >= 0; i++) {
		what = acd_next(&addresses.acd, now, &a);
		/* What cannot be sent is asked again in the next round. */
		if (!what || send_question(a, what == ACD_ANNOUNCE) < 0)
			return;
	}
}

/* --- conditions ------------------------------------------------------------------------------ */
static void report_conflicts(usec_t now)
{
	char text[ACD_TEXT_MAX], key[32];
	size_t n = 0;

	for (size_t i = 0; i < addresses.acd.n && n < ACD_CONDITIONS; i++) {
		const struct acd_addr *a = &addresses.acd.addrs[i];
		const char *peer = service_cabling_peer(a->mac);

		/* With virtual-mac = false the peer's claim is one of vrrpd's affairs. */
		if (!acd_conflict(&addresses.acd, a, now) || (peer && a->virt))
			continue;
		acd_text(a, peer, text);
		snprintf(key, sizeof(key), "address %zu", n++);
		service_condition(key, "%s", text);
	}
	for (; n < ACD_CONDITIONS; n++) {
		snprintf(key, sizeof(key), "address %zu", n);
		service_condition(key, "%s", "");
	}
}

/* The kernel does not use an IPv6 address that another node has, and does not try again. */
static void report_duplicate(const struct kernel_link *l, const struct config_prefix *p, size_t *n)
{
	char text[CONFIG_PREFIX_STRLEN], key[32];

	if (*n == DUPLICATES)
		return;
	snprintf(key, sizeof(key), "ipv6 %zu", (*n)++);
	config_prefix_to_str(p, text);
	service_condition(key,
		"interface %s: address %s is used by another node as well, and not used here; give "
		"one of the two another address, and delete this one here",
		l->name, text);
}

static void report_duplicates(void)
{
	char key[32];
	size_t n = 0;

	for (size_t i = 0; i < addresses.cfg->n_interfaces; i++) {
		const struct kernel_link *l =
			kernel_link_by_name(addresses.k, addresses.cfg->interfaces[i].name);

		for (size_t j = 0; l && j < l->n_addrs; j++)
			if (l->addrs[j].duplicate)
				report_duplicate(l, &l->addrs[j].prefix, &n);
	}
	for (; n < DUPLICATES; n++) {
		snprintf(key, sizeof(key), "ipv6 %zu", n);
		service_condition(key, "%s", "");
	}
}

/* --- the module ------------------------------------------------------------------------------ */
static int init(uv_loop_t *loop, const struct kernel *picture)
{
	uint32_t random;

	(void)loop;
	addresses.k = picture;
	addresses.tick_at = USEC_NEVER;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	acd_init(&addresses.acd, random);
	return 0;
}

static void config(const struct config *cfg, usec_t now)
{
	addresses.cfg = cfg;
	put_addresses(now);
	addresses.open_at = addresses.tick_at = now;
}

static void role(bool held, usec_t now)
{
	(void)now;
	acd_role(&addresses.acd, held);
}

static void links(unsigned changes, usec_t now)
{
	(void)changes;
	put_addresses(now);
}

static void tick(usec_t now)
{
	if (now >= addresses.open_at)
		open_sockets(now);
	read_claims(now);
	send_questions(now);
	refresh_filters(now);
	report_conflicts(now);
	report_duplicates();
	addresses.tick_at = now + TICK;
}

static usec_t due(void)
{
	return addresses.tick_at;
}

const struct service_module service_addresses = {
	.name = "addresses",
	.init = init,
	.config = config,
	.role = role,
	.links = links,
	.tick = tick,
	.due = due,
};
