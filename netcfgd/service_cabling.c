/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cabling probe and the detection of duplicate addresses on the wire: reads packet sockets five
 * times a second, a bounded number of frames each, feeds the pure cores (cabling.h, acd.h), sends
 * what they ask for, and raises their conditions. A module of netcfgd's services process.
 */
#include "netcfgd/service_cabling.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "netcfgd/acd.h"
#include "netcfgd/cabling_ports.h"
#include "netcfgd/ethernet.h"
#include "netcfgd/service.h"
#include "netcfgd/wire.h"

#define TICK          (200 * USEC_PER_MS)
#define OPEN_AGAIN    (5 * USEC_PER_SEC)
#define PROBES_A_TICK 64
#define FRAMES_A_TICK 32
#define CLAIMS_A_TICK 64
#define SENDS_A_TICK  32
#define PROBE_FRAME   (ETHERNET_HEADER_LEN + UINT16_MAX)
#define DUPLICATES    4 /* IPv6 addresses named in conditions */

static const uint8_t group[WIRE_MAC_LEN] = {0x03, 0x47, 0x50, 0x56, 0x42, 0x02};
static const uint8_t nearest[WIRE_MAC_LEN] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e};

static struct {
	const struct kernel *k;
	const struct config *cfg;
	struct cabling cabling;
	struct acd acd;
	struct cabling_ports ports;
	struct wire all, ha, strangers, arp, nd;
	uint64_t session;
	uint32_t sequence;
	uint32_t ha_index;   /* that `ha` and `strangers` are bound to */
	size_t macs_known;   /* of the peer, in the filter of `strangers` */
	uint64_t acd_digest; /* of the addresses in the filter of `arp` */
	usec_t tick_at, open_at;
} wiring = {.all.fd = -1, .ha.fd = -1, .strangers.fd = -1, .arp.fd = -1, .nd.fd = -1};

/* --- sockets --------------------------------------------------------------------------------- */
static void close_all(void)
{
	wire_close(&wiring.all);
	wire_close(&wiring.ha);
	wire_close(&wiring.strangers);
	wire_close(&wiring.arp);
	wire_close(&wiring.nd);
}

static int filter_strangers(struct wire_program *p, const struct cabling_port *ha)
{
	uint8_t macs[1 + CABLING_PEER_MACS][WIRE_MAC_LEN];
	const struct cabling *c = &wiring.cabling;
	size_t n = c->n_macs < CABLING_PEER_MACS ? c->n_macs : CABLING_PEER_MACS;

	memcpy(macs[0], ha->mac, WIRE_MAC_LEN);
	memcpy(macs[1], c->macs, n * WIRE_MAC_LEN);
	wire_program_strangers(p, (const uint8_t(*)[WIRE_MAC_LEN])macs, n + 1);
	wiring.macs_known = c->n_macs;
	return wiring.strangers.fd < 0 ? 0 : wire_filter(&wiring.strangers, p);
}

/* FNV-1a, over what may change between two ticks. */
static uint64_t digest_addresses(void)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < wiring.acd.n * sizeof(struct in6_addr); i++)
		h = (h ^ wiring.acd.addrs[i / sizeof(struct in6_addr)]
				    .ip.s6_addr[i % sizeof(struct in6_addr)]) *
		    UINT64_C(1099511628211);
	return h;
}

static int filter_arp(struct wire_program *p)
{
	struct in_addr ips[ACD_ADDRS];
	size_t n = 0;

	for (size_t i = 0; i < wiring.acd.n; i++)
		n += acd_unmapped(&wiring.acd.addrs[i].ip, &ips[n]);
	wire_program_arp(p, ips, n);
	wiring.acd_digest = digest_addresses();
	return wiring.arp.fd < 0 ? 0 : wire_filter(&wiring.arp, p);
}

static int join_all(void)
{
	int rc = 0;

	for (size_t i = 0; i < wiring.ports.n && !rc; i++) {
		rc = wire_join(&wiring.all, wiring.ports.v[i].index, group);
		if (!rc)
			rc = wire_join(&wiring.all, wiring.ports.v[i].index, nearest);
		/* It went meanwhile, which the picture is about to say. */
		if (rc == -ENODEV)
			rc = 0;
	}
	return rc;
}

static int open_ha(struct wire_program *p, const struct cabling_port *ha)
{
	int rc = wire_open(&wiring.ha, PROBE_ETHERTYPE, ha->index, NULL);

	if (!rc)
		rc = filter_strangers(p, ha);
	return rc ? rc : wire_open(&wiring.strangers, ETH_P_ALL, ha->index, p);
}

/* IPv6 that this node only forwards does not pay for it. */
static int open_nd(struct wire_program *p)
{
	struct in_addr ip;

	for (size_t i = 0; i < wiring.acd.n; i++) {
		if (acd_unmapped(&wiring.acd.addrs[i].ip, &ip))
			continue;
		wire_program_nd(p);
		return wire_open(&wiring.nd, ETH_P_IPV6, 0, p);
	}
	return 0;
}

static void open_all(usec_t now)
{
	static struct wire_program p;
	const struct cabling_port *ha = cabling_port_ha(&wiring.ports);
	int rc;

	close_all();
	rc = filter_arp(&p);
	if (!rc)
		rc = wire_open(&wiring.arp, ETH_P_ARP, 0, &p);
	if (!rc)
		rc = open_nd(&p);
	if (!rc && wiring.cabling.cfg.pair)
		rc = wire_open(&wiring.all, PROBE_ETHERTYPE, 0, NULL);
	if (!rc && wiring.cabling.cfg.pair)
		rc = join_all();
	if (!rc && wiring.cabling.cfg.pair && ha)
		rc = open_ha(&p, ha);
	wiring.ha_index = ha ? ha->index : 0;
	wiring.open_at = rc && rc != -ENODEV ? now + OPEN_AGAIN : USEC_NEVER;
	if (rc)
		close_all();
	if (rc && rc != -ENODEV)
		service_condition("cabling blind",
			"cabling: packet sockets cannot be opened: %s; let the supervisor start "
			"netcfgd with CAP_NET_RAW",
			strerror(-rc));
	else
		service_condition("cabling blind", "%s", "");
}

static void refresh_filters(usec_t now)
{
	static struct wire_program p;
	const struct cabling_port *ha = cabling_port_ha(&wiring.ports);
	int rc = 0;

	if (ha && wiring.strangers.fd >= 0 && wiring.macs_known != wiring.cabling.n_macs)
		rc = filter_strangers(&p, ha);
	if (!rc && wiring.arp.fd >= 0 && wiring.acd_digest != digest_addresses()) {
		rc = filter_arp(&p);
		wire_close(&wiring.nd);
		if (!rc)
			rc = open_nd(&p);
	}
	if (rc)
		wiring.open_at = now;
}

/* --- what there is --------------------------------------------------------------------------- */
static bool is_virtual(const char *link, struct in_addr ip)
{
	for (size_t i = 0; i < wiring.cfg->n_vrrps; i++) {
		const struct config_vrrp *v = &wiring.cfg->vrrps[i];

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
	acd_put(&wiring.acd, &a, now);
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
	const struct kernel_link *l = kernel_link_by_name(wiring.k, v->interface);

	for (size_t i = 0; l && l->ether && i < v->addresses.n; i++)
		if (v->addresses.v[i].family == AF_INET)
			put_address(l, &v->addresses.v[i], true, now);
}

static void put_addresses(usec_t now)
{
	acd_begin(&wiring.acd);
	for (size_t i = 0; i < wiring.cfg->n_interfaces; i++) {
		const struct kernel_link *l =
			kernel_link_by_name(wiring.k, wiring.cfg->interfaces[i].name);

		if (l && l->ether)
			put_own(l, now);
	}
	for (size_t i = 0; i < wiring.cfg->n_vrrps; i++)
		put_virtual(&wiring.cfg->vrrps[i], now);
	acd_end(&wiring.acd);
}

static void put_ha_link(usec_t now)
{
	const struct cabling_port *ha = cabling_port_ha(&wiring.ports);
	const struct kernel_link *l = ha ? kernel_link(wiring.k, ha->index) : NULL;
	struct cabling_event ev = {.kind = CABLING_EV_LINK};

	if (l)
		ev.link = (struct cabling_link){true, l->up && l->carrier, l->mtu};
	cabling_step(&wiring.cabling, &ev, now);
}

/* The sockets follow when an interface came, went, or is another one. */
static void look(usec_t now)
{
	static struct cabling_ports next;

	cabling_ports_build(&next, wiring.cfg, wiring.k);
	if (next.n != wiring.ports.n ||
		memcmp(next.v, wiring.ports.v, next.n * sizeof(next.v[0])) != 0) {
		wiring.ports = next;
		wiring.open_at = now;
	}
	put_ha_link(now);
	put_addresses(now);
}

/* --- received -------------------------------------------------------------------------------- */
static void on_probe(const struct wire_frame *f, usec_t now)
{
	const struct cabling_port *port = cabling_port_of(&wiring.ports, f->index);
	struct cabling_event ev = {.kind = CABLING_EV_PROBE};
	struct probe p;

	if (!port || f->n < ETHERNET_HEADER_LEN ||
		probe_decode(f->data + ETHERNET_HEADER_LEN, f->n - ETHERNET_HEADER_LEN, &p) !=
			PROBE_OK)
		return;
	ev.heard.probe = &p;
	ev.heard.place = port->place;
	ev.heard.tag = f->tag;
	memcpy(ev.heard.here, port->name, sizeof(ev.heard.here));
	memcpy(ev.mac, f->data + WIRE_MAC_LEN, WIRE_MAC_LEN);
	cabling_step(&wiring.cabling, &ev, now);
}

static void read_probes(usec_t now)
{
	struct wire_frame f;

	for (int i = 0; i < PROBES_A_TICK && wiring.ha.fd >= 0 && wire_read(&wiring.ha, &f); i++)
		on_probe(&f, now);
	/* A flood on another interface cannot hide those of the HA link, which are read above. */
	for (int i = 0; i < PROBES_A_TICK && wiring.all.fd >= 0 && wire_read(&wiring.all, &f); i++)
		if (f.index != wiring.ha_index)
			on_probe(&f, now);
}

static void read_strangers(usec_t now)
{
	struct cabling_event ev = {.kind = CABLING_EV_FRAME};
	struct ethernet_sample s;
	struct wire_frame f;

	for (int i = 0; i < FRAMES_A_TICK && wiring.strangers.fd >= 0; i++) {
		if (!wire_read(&wiring.strangers, &f))
			return;
		if (!ethernet_sample(f.data, f.n, &s))
			continue;
		ev.frame.ip = s.ip;
		memcpy(ev.frame.sample, s.text, sizeof(ev.frame.sample));
		memcpy(ev.mac, s.mac, sizeof(ev.mac));
		cabling_step(&wiring.cabling, &ev, now);
	}
}

static bool is_our_mac(const uint8_t mac[WIRE_MAC_LEN])
{
	for (const struct kernel_link *l = wiring.k->by_index; l; l = l->by_index.next)
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
		acd_claim(&wiring.acd, f->index, ip, mac, now);
}

static void read_claims(usec_t now)
{
	struct ethernet_claim claim;
	struct in6_addr ip;
	struct wire_frame f;

	for (int i = 0; i < CLAIMS_A_TICK && wiring.arp.fd >= 0 && wire_read(&wiring.arp, &f); i++)
		if (ethernet_arp(f.data, f.n, &claim)) {
			ip = acd_mapped(claim.ip);
			on_claim(&f, &ip, claim.mac, now);
		}
	for (int i = 0; i < CLAIMS_A_TICK && wiring.nd.fd >= 0 && wire_read(&wiring.nd, &f); i++)
		if (ethernet_nd(f.data, f.n, &claim))
			on_claim(&f, &claim.ip6, claim.mac, now);
}

/* --- sent ------------------------------------------------------------------------------------ */
static void send_probe(const struct cabling_port *port, enum probe_kind kind)
{
	static uint8_t frame[PROBE_FRAME];
	const struct cabling_config *cfg = &wiring.cabling.cfg;
	const struct cabling_port *ha = cabling_port_ha(&wiring.ports);
	/* What the HA link says of itself goes out of the port below it, too. */
	const struct cabling_port *about = port->place == CABLING_AT_PORT && ha ? ha : port;
	struct probe p = {.kind = kind,
		.path = port->place == CABLING_AT_OTHER ? PROBE_OTHER : PROBE_HA,
		.vlan = about->vlan,
		.mtu = about->mtu,
		.own = cfg->own,
		.peer = cfg->peer,
		.session = cfg->session,
		.sequence = ++wiring.sequence};
	int n;

	memcpy(p.link, about->name, sizeof(p.link));
	snprintf(p.node, sizeof(p.node), "%s", wiring.cfg->node);
	ethernet_header(kind == PROBE_DIRECT ? nearest : group, port->mac, PROBE_ETHERTYPE, frame);
	n = probe_encode(&p, kind == PROBE_FULL ? port->mtu : 0, frame + ETHERNET_HEADER_LEN,
		sizeof(frame) - ETHERNET_HEADER_LEN);
	/* One that cannot be sent is like one that got lost. */
	if (n > 0 &&
		wire_send(&wiring.all, port->index, frame, (size_t)n + ETHERNET_HEADER_LEN) < 0)
		return;
}

static void send_probes(unsigned what)
{
	for (size_t i = 0; i < wiring.ports.n && wiring.all.fd >= 0; i++) {
		const struct cabling_port *port = &wiring.ports.v[i];

		if (port->place == CABLING_AT_HA && (what & CABLING_SEND_SMALL))
			send_probe(port, PROBE_SMALL);
		if (port->place == CABLING_AT_HA && (what & CABLING_SEND_FULL))
			send_probe(port, PROBE_FULL);
		if (port->direct && (what & CABLING_SEND_DIRECT))
			send_probe(port, PROBE_DIRECT);
		if (port->send && (what & CABLING_SEND_OTHERS))
			send_probe(port, PROBE_SMALL);
	}
}

static int send_question(const struct acd_addr *a, bool announce)
{
	const struct kernel_link *l = kernel_link(wiring.k, a->index);
	uint8_t frame[ETHERNET_ND_LEN > ETHERNET_ARP_LEN ? ETHERNET_ND_LEN : ETHERNET_ARP_LEN];
	struct in_addr v4;

	if (!l)
		return 0;
	if (acd_unmapped(&a->ip, &v4)) {
		ethernet_arp_make(v4, l->mac, announce, frame);
		return wire_send(&wiring.arp, a->index, frame, ETHERNET_ARP_LEN);
	}
	ethernet_nd_make(&a->ip, l->mac, frame);
	return wiring.nd.fd < 0 ? 0 : wire_send(&wiring.nd, a->index, frame, ETHERNET_ND_LEN);
}

static void send_questions(usec_t now)
{
	const struct acd_addr *a;
	int what;

	for (int i = 0; i < SENDS_A_TICK && wiring.arp.fd >= 0; i++) {
		what = acd_next(&wiring.acd, now, &a);
		/* What cannot be sent is asked again in the next round. */
		if (!what || send_question(a, what == ACD_ANNOUNCE) < 0)
			return;
	}
}

/* --- conditions ------------------------------------------------------------------------------ */
static void report_cabling(usec_t now)
{
	char text[CABLING_KINDS][CABLING_TEXT_MAX], key[32];

	cabling_conditions(&wiring.cabling, now, text);
	for (size_t i = 0; i < CABLING_KINDS; i++) {
		snprintf(key, sizeof(key), "cabling %zu", i);
		service_condition(key, "%s", text[i]);
	}
}

static void report_conflicts(usec_t now)
{
	char text[ACD_TEXT_MAX], key[32];
	size_t n = 0;

	for (size_t i = 0; i < wiring.acd.n && n < ACD_CONDITIONS; i++) {
		const struct acd_addr *a = &wiring.acd.addrs[i];
		bool peer = cabling_is_peer_mac(&wiring.cabling, a->mac);

		/* With virtual-mac = false the peer's claim is one of vrrpd's affairs. */
		if (!acd_conflict(&wiring.acd, a, now) || (peer && a->virt))
			continue;
		acd_text(a, peer ? wiring.cabling.last.node : NULL, text);
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

	for (size_t i = 0; i < wiring.cfg->n_interfaces; i++) {
		const struct kernel_link *l =
			kernel_link_by_name(wiring.k, wiring.cfg->interfaces[i].name);

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
	uint32_t random[2];

	(void)loop;
	wiring.k = picture;
	wiring.tick_at = wiring.open_at = USEC_NEVER;
	if (getrandom(random, sizeof(random), 0) != sizeof(random) ||
		getrandom(&wiring.session, sizeof(wiring.session), 0) != sizeof(wiring.session))
		return -EIO;
	wiring.session |= 1;
	cabling_init(&wiring.cabling, random[0]);
	acd_init(&wiring.acd, random[1]);
	return 0;
}

static uint64_t key_id(const uint8_t fingerprint[32])
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++)
		id = id << 8 | fingerprint[i];
	return id;
}

static void config(const struct config *cfg, usec_t now)
{
	const struct config_sync *s = &cfg->sync;
	const struct config_interface *ha =
		s->present ? config_interface_find(cfg, s->interface) : NULL;
	struct cabling_config c = {.session = wiring.session};

	wiring.cfg = cfg;
	if (ha && s->has_own_fingerprint) {
		c.pair = true;
		c.own = key_id(s->own_fingerprint);
		c.peer = key_id(s->peer_fingerprint);
		c.vlan = ha->parent[0] ? ha->vlan_id : 0;
		memcpy(c.link, ha->name, sizeof(c.link));
		if (s->peer.family == AF_INET)
			c.peer_address = s->peer.v4;
	}
	cabling_configure(&wiring.cabling, &c, now);
	look(now);
	wiring.open_at = wiring.tick_at = now;
}

static void role(bool held, usec_t now)
{
	(void)now;
	acd_role(&wiring.acd, held);
}

static void links(unsigned changes, usec_t now)
{
	(void)changes;
	look(now);
}

static void tick(usec_t now)
{
	static const struct cabling_event ev = {.kind = CABLING_EV_TICK};

	if (now >= wiring.open_at)
		open_all(now);
	read_probes(now);
	read_strangers(now);
	read_claims(now);
	send_probes(cabling_step(&wiring.cabling, &ev, now));
	send_questions(now);
	refresh_filters(now);
	report_cabling(now);
	report_conflicts(now);
	report_duplicates();
	wiring.tick_at = now + TICK;
}

static usec_t due(void)
{
	return wiring.tick_at;
}

const struct service_module service_cabling = {
	.name = "cabling",
	.init = init,
	.config = config,
	.role = role,
	.links = links,
	.tick = tick,
	.due = due,
};
