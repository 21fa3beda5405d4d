/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cabling probe on the wire: reads packet sockets five times a second, a bounded number of
 * frames each, feeds the pure core (cabling.h), sends what that asks for, and raises its
 * conditions. A module of netcfgd's services process.
 */
#include "netcfgd/services/service_cabling.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "netcfgd/services/cabling_ports.h"
#include "netcfgd/services/ethernet.h"
#include "netcfgd/services/service.h"
#include "netcfgd/services/wire.h"

#define TICK          (200 * USEC_PER_MS)
#define OPEN_AGAIN    (5 * USEC_PER_SEC)
#define PROBES_A_TICK 64
#define FRAMES_A_TICK 32
#define PROBE_FRAME   (ETHERNET_HEADER_LEN + UINT16_MAX)

static const uint8_t group[WIRE_MAC_LEN] = {0x03, 0x47, 0x50, 0x56, 0x42, 0x02};
static const uint8_t nearest[WIRE_MAC_LEN] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e};

static struct {
	const struct kernel *k;
	const struct config *cfg;
	struct cabling cabling;
	struct cabling_ports ports;
	struct wire all, ha, strangers;
	uint64_t session;
	uint32_t sequence;
	uint32_t ha_index; /* that `ha` and `strangers` are bound to */
	size_t macs_known; /* of the peer, in the filter of `strangers` */
	bool promiscuous;  /* the ports below the HA link are */
	usec_t tick_at, open_at;
} wiring = {.all.fd = -1, .ha.fd = -1, .strangers.fd = -1};

/* --- sockets --------------------------------------------------------------------------------- */
static void close_all(void)
{
	wire_close(&wiring.all);
	wire_close(&wiring.ha);
	wire_close(&wiring.strangers);
	wiring.promiscuous = false;
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

static void open_all(usec_t now)
{
	static struct wire_program p;
	const struct cabling_port *ha = cabling_port_ha(&wiring.ports);
	int rc = 0;

	close_all();
	if (wiring.cabling.cfg.pair)
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

/* The peer's MACs, and our own. */
static void refresh_filter(usec_t now)
{
	static struct wire_program p;
	const struct cabling_port *ha = cabling_port_ha(&wiring.ports);

	if (ha && wiring.strangers.fd >= 0 && wiring.macs_known != wiring.cabling.n_macs &&
		filter_strangers(&p, ha) < 0)
		wiring.open_at = now;
}

/* --- what there is --------------------------------------------------------------------------- */
static void put_ha_link(usec_t now)
{
	const struct cabling_port *ha = cabling_port_ha(&wiring.ports);
	const struct kernel_link *l = ha ? kernel_link(wiring.k, ha->index) : NULL;
	struct cabling_event ev = {.kind = CABLING_EV_LINK};

	if (l)
		ev.link = (struct cabling_link){true, l->up && l->carrier, l->mtu};
	cabling_step(&wiring.cabling, &ev, now);
}

static bool same_interfaces(const struct cabling_ports *a, const struct cabling_ports *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].index != b->v[i].index || a->v[i].place != b->v[i].place)
			return false;
	return true;
}

/* The sockets follow when an interface came, went, or is another one. */
static void look(usec_t now)
{
	static struct cabling_ports next;

	cabling_ports_build(&next, wiring.cfg, wiring.k);
	if (!same_interfaces(&next, &wiring.ports))
		wiring.open_at = now;
	wiring.ports = next;
	wiring.macs_known = SIZE_MAX; /* ours may be another one */
	put_ha_link(now);
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

/* --- conditions ------------------------------------------------------------------------------ */
/* A card keeps out VLANs that nobody here has: the peer's may be one of those. */
static void look_into_other_vlans(bool unheard)
{
	bool want = unheard && wiring.cabling.cfg.vlan;

	if (wiring.all.fd < 0 || want == wiring.promiscuous)
		return;
	wiring.promiscuous = want;
	for (size_t i = 0; i < wiring.ports.n; i++)
		if (wiring.ports.v[i].direct && wiring.ports.v[i].place == CABLING_AT_PORT)
			wire_promiscuous(&wiring.all, wiring.ports.v[i].index, want);
}

static void report_cabling(usec_t now)
{
	char text[CABLING_KINDS][CABLING_TEXT_MAX], key[32];

	cabling_conditions(&wiring.cabling, now, text);
	look_into_other_vlans(text[CABLING_UNHEARD][0] || text[CABLING_VLAN][0]);
	for (size_t i = 0; i < CABLING_KINDS; i++) {
		snprintf(key, sizeof(key), "cabling %zu", i);
		service_condition(key, "%s", text[i]);
	}
}

/* --- the module ------------------------------------------------------------------------------ */
static int init(uv_loop_t *loop, const struct kernel *picture)
{
	uint32_t random;

	(void)loop;
	wiring.k = picture;
	wiring.tick_at = wiring.open_at = USEC_NEVER;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random) ||
		getrandom(&wiring.session, sizeof(wiring.session), 0) != sizeof(wiring.session))
		return -EIO;
	wiring.session |= 1;
	cabling_init(&wiring.cabling, random);
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
	send_probes(cabling_step(&wiring.cabling, &ev, now));
	refresh_filter(now);
	report_cabling(now);
	wiring.tick_at = now + TICK;
}

static usec_t due(void)
{
	return wiring.tick_at;
}

const char *service_cabling_peer(const uint8_t mac[6])
{
	return cabling_is_peer_mac(&wiring.cabling, mac) ? wiring.cabling.last.node : NULL;
}

const struct service_module service_cabling = {
	.name = "cabling",
	.init = init,
	.config = config,
	.links = links,
	.tick = tick,
	.due = due,
};
