/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cabling probe: its codec, and the core that makes conditions of what is heard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/services/cabling.h"

#define OWN     UINT64_C(0x1111)
#define PEER    UINT64_C(0x2222)
#define SESSION UINT64_C(0x77)

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 4, 2}, strange_mac[6] = {2, 0, 0, 0, 9, 9};

/* --- codec ----------------------------------------------------------------------------------- */
static struct probe sample(void)
{
	return (struct probe){.kind = PROBE_SMALL,
		.path = PROBE_HA,
		.vlan = 77,
		.mtu = 1500,
		.own = PEER,
		.peer = OWN,
		.session = 5,
		.sequence = 9,
		.link = "ge4.77",
		.node = "gw-02"};
}

static size_t encode(const struct probe *p, uint8_t *buf)
{
	int n = probe_encode(p, 0, buf, PROBE_MAX);

	assert_true(n > 0);
	return (size_t)n;
}

static void round_trip(void **state)
{
	struct probe p = sample(), q;
	uint8_t buf[2000];

	(void)state;
	memset(p.node, 'x', PROBE_NODE_MAX);
	memset(&q, 0xff, sizeof(q));
	size_t n = encode(&p, buf);

	assert_int_equal(n, PROBE_MAX);
	assert_int_equal(probe_decode(buf, n, &q), PROBE_OK);
	assert_int_equal(q.kind, p.kind);
	assert_int_equal(q.path, p.path);
	assert_int_equal(q.vlan, p.vlan);
	assert_int_equal(q.mtu, p.mtu);
	assert_int_equal(q.own, p.own);
	assert_int_equal(q.peer, p.peer);
	assert_int_equal(q.session, p.session);
	assert_int_equal(q.sequence, p.sequence);
	assert_memory_equal(q.link, p.link, sizeof(p.link));
	assert_memory_equal(q.node, p.node, sizeof(p.node));
	assert_int_equal(probe_encode(&p, 1500, buf, sizeof(buf)), 1500);
	assert_int_equal(probe_decode(buf, 1500, &q), PROBE_OK);
	assert_int_equal(probe_encode(&p, 1500, buf, 1499), -ENOSPC);
	assert_int_equal(probe_encode(&p, 0, buf, PROBE_MAX - 1), -ENOSPC);
}

/* As PROBE.md has it. */
static void vector(void **state)
{
	static const uint8_t want[] = "GPCP\1\1\1\5\0\x41\0\x4d\0\0\5\xdc"
				      "\0\0\0\0\0\0\x22\x22\0\0\0\0\0\0\x11\x11"
				      "\0\0\0\0\0\0\0\5\0\0\0\x9ge4.77\0\0\0\0\0\0\0\0\0\0gw-02";
	struct probe p = sample();
	uint8_t buf[PROBE_MAX];

	(void)state;
	assert_int_equal(encode(&p, buf), sizeof(want) - 1);
	assert_memory_equal(buf, want, sizeof(want) - 1);
}

static void refused(void **state)
{
	struct probe p = sample(), q = {.mtu = 99};
	uint8_t buf[PROBE_MAX], bad[PROBE_MAX];
	size_t n = encode(&p, buf);
	static const struct {
		size_t at;
		uint8_t value;
		enum probe_reason reason;
	} cases[] = {
		{0, 'X', PROBE_BAD_MAGIC},
		{4, 2, PROBE_BAD_VERSION},
		{5, 0, PROBE_BAD_FIELD},
		{5, 4, PROBE_BAD_FIELD},
		{6, 3, PROBE_BAD_FIELD},
		{7, 64, PROBE_BAD_LENGTH},
		{7, 4, PROBE_BAD_LENGTH},
		{9, 60, PROBE_BAD_LENGTH},
		{10, 0x10, PROBE_BAD_FIELD},
		{12, 1, PROBE_BAD_FIELD},
		{44, 0, PROBE_BAD_FIELD},
		{45, ' ', PROBE_BAD_FIELD},
		{59, 'x', PROBE_BAD_FIELD},
		{60, 0x1b, PROBE_BAD_FIELD},
		{62, 0x80, PROBE_BAD_FIELD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(bad, buf, n);
		bad[cases[i].at] = cases[i].value;
		assert_int_equal(probe_decode(bad, n, &q), cases[i].reason);
	}
	for (size_t cut = 0; cut < n; cut++)
		assert_int_not_equal(probe_decode(buf, cut, &q), PROBE_OK);
	assert_int_equal(q.mtu, 99);
}

/* --- the core -------------------------------------------------------------------------------- */
struct bed {
	struct cabling c;
	usec_t now;
	char text[CABLING_KINDS][CABLING_TEXT_MAX];
};

static void link_is(struct bed *b, bool exists, bool carrier, uint32_t mtu)
{
	struct cabling_event ev = {.kind = CABLING_EV_LINK, .link = {exists, carrier, mtu}};

	assert_int_equal(cabling_step(&b->c, &ev, b->now), 0);
}

static struct bed start(void)
{
	struct bed b = {.now = 1000 * USEC_PER_SEC};
	struct cabling_config cfg = {.pair = true,
		.own = OWN,
		.peer = PEER,
		.session = SESSION,
		.link = "ge4",
		.peer_address.s_addr = htonl(0xa9fe4d02)};

	cabling_init(&b.c, 1);
	cabling_configure(&b.c, &cfg, b.now);
	link_is(&b, true, true, 1500);
	return b;
}

static struct probe peers(enum probe_kind kind)
{
	struct probe p = sample();

	p.kind = kind;
	p.vlan = 0;
	memset(p.link, 0, sizeof(p.link));
	memcpy(p.link, "ge4", 4);
	return p;
}

static void hear(struct bed *b, const struct probe *p, enum cabling_place place, const char *here,
	uint16_t tag)
{
	struct cabling_event ev = {.kind = CABLING_EV_PROBE, .heard = {p, place, "", tag}};

	snprintf(ev.heard.here, sizeof(ev.heard.here), "%s", here);
	memcpy(ev.mac, peer_mac, 6);
	cabling_step(&b->c, &ev, b->now);
}

static void frame(struct bed *b, const uint8_t *mac, const char *what, uint32_t ip)
{
	struct cabling_event ev = {.kind = CABLING_EV_FRAME, .frame.ip.s_addr = htonl(ip)};

	snprintf(ev.frame.sample, sizeof(ev.frame.sample), "%s", what);
	memcpy(ev.mac, mac, 6);
	cabling_step(&b->c, &ev, b->now);
}

/* Half a second passes, and this was heard in it. */
static void healthy(struct bed *b, int halves)
{
	for (int i = 0; i < halves; i++) {
		struct probe small = peers(PROBE_SMALL), full = peers(PROBE_FULL);

		b->now += 500 * USEC_PER_MS;
		hear(b, &small, CABLING_AT_HA, "ge4", 0);
		if (i % 2 == 0)
			hear(b, &full, CABLING_AT_HA, "ge4", 0);
	}
}

static size_t look(struct bed *b)
{
	size_t n = 0;

	cabling_conditions(&b->c, b->now, b->text);
	for (size_t i = 0; i < CABLING_KINDS; i++)
		n += b->text[i][0] != '\0';
	return n;
}

/* Exactly one condition, with these words in it. */
static void only(struct bed *b, enum cabling_kind kind, const char *const *words)
{
	size_t n = look(b);

	if (n != 1 || !b->text[kind][0])
		for (size_t i = 0; i < CABLING_KINDS; i++)
			print_message("%zu: %s\n", i, b->text[i]);
	assert_int_equal(n, 1);
	assert_true(b->text[kind][0]);
	for (; *words; words++)
		if (!strstr(b->text[kind], *words))
			fail_msg("\"%s\" is not in: %s", *words, b->text[kind]);
	assert_true(strlen(b->text[kind]) < CABLING_TEXT_MAX - 1);
}
#define ONLY(b, kind, ...) only(b, kind, (const char *const[]){__VA_ARGS__, NULL})

static void a_healthy_pair_has_none(void **state)
{
	struct bed b = start();

	(void)state;
	assert_int_equal(look(&b), 0);
	for (int i = 0; i < 100; i++) {
		healthy(&b, 1);
		assert_int_equal(look(&b), 0);
	}
}

static void without_a_pair_nothing_is_wrong(void **state)
{
	struct bed b = start();
	struct cabling_config none = {0};
	struct cabling_event tick = {.kind = CABLING_EV_TICK};

	(void)state;
	cabling_configure(&b.c, &none, b.now);
	link_is(&b, false, false, 0);
	b.now += 60 * USEC_PER_SEC;
	frame(&b, strange_mac, "IP 10.0.0.9", 0x0a000009);
	assert_int_equal(look(&b), 0);
	assert_int_equal(cabling_step(&b.c, &tick, b.now), 0);
}

static void no_carrier(void **state)
{
	struct bed b = start();
	struct probe direct = peers(PROBE_DIRECT);

	(void)state;
	healthy(&b, 10);
	link_is(&b, true, false, 1500);
	b.now += 10 * USEC_PER_SEC;
	ONLY(&b, CABLING_NO_CARRIER, "HA link ge4 has no carrier", "plug it into a switch port");
	link_is(&b, false, false, 0);
	ONLY(&b, CABLING_NO_CARRIER, "no such interface", "correct the name");
	link_is(&b, true, true, 1500);
	assert_int_equal(look(&b), 0); /* the peer gets its time */
	healthy(&b, 1);
	assert_int_equal(look(&b), 0);
	hear(&b, &direct, CABLING_AT_HA, "ge4", 0);
	link_is(&b, true, false, 1500);
	ONLY(&b, CABLING_NO_CARRIER, "directly to gw-02", "through a switch");
}

static void unheard(void **state)
{
	struct bed b = start();
	struct probe other = peers(PROBE_SMALL);

	(void)state;
	b.now += CABLING_HOLD - 1;
	assert_int_equal(look(&b), 0);
	b.now += 1;
	ONLY(&b, CABLING_UNHEARD, "the peer is not heard", "neither there nor", "one VLAN");
	healthy(&b, 4);
	assert_int_equal(look(&b), 0);
	b.now += CABLING_HOLD;
	ONLY(&b, CABLING_UNHEARD, "gw-02 is not heard", "neither there nor", "one VLAN");
	other.path = PROBE_OTHER;
	hear(&b, &other, CABLING_AT_OTHER, "ge2", 0);
	ONLY(&b, CABLING_UNHEARD, "it is heard on ge2", "one VLAN");
}

static void a_pause_of_ours_is_not_the_peers(void **state)
{
	struct bed b = start();
	struct cabling_event tick = {.kind = CABLING_EV_TICK};

	(void)state;
	for (int i = 0; i < 20; i++) {
		healthy(&b, 1);
		cabling_step(&b.c, &tick, b.now);
	}
	b.now += 60 * USEC_PER_SEC;
	cabling_step(&b.c, &tick, b.now);
	assert_int_equal(look(&b), 0);
	for (int i = 0; i < 15; i++, b.now += 200 * USEC_PER_MS) {
		assert_int_equal(look(&b), 0);
		cabling_step(&b.c, &tick, b.now);
	}
	ONLY(&b, CABLING_UNHEARD, "gw-02");
}

static void cabled_directly(void **state)
{
	struct bed b = start();
	struct probe direct = peers(PROBE_DIRECT);

	(void)state;
	healthy(&b, 1);
	hear(&b, &direct, CABLING_AT_HA, "ge4", 0);
	ONLY(&b, CABLING_DIRECT, "ge4 is cabled directly to ge4 of gw-02", "through a switch");
	healthy(&b, 5);
	assert_int_equal(look(&b), 1);
	healthy(&b, 1);
	assert_int_equal(look(&b), 0);
}

static void strangers(void **state)
{
	struct bed b = start();
	uint8_t mac[6] = {2, 0, 0, 0, 5, 0};

	(void)state;
	/* Nobody knows yet who is the peer. */
	frame(&b, peer_mac, "IP 10.0.0.5", 0x0a000005);
	frame(&b, strange_mac, "IP 10.0.0.9", 0x0a000009);
	assert_int_equal(look(&b), 0);
	healthy(&b, 4);
	assert_int_equal(look(&b), 0);
	frame(&b, strange_mac, "IP 10.0.0.8", 0x0a000008);
	ONLY(&b, CABLING_FOREIGN, "02:00:00:00:09:09 (IP 10.0.0.9)", "HA ports only");
	assert_null(strstr(b.text[CABLING_FOREIGN], "02:00:00:00:04:02"));
	frame(&b, peer_mac, "IP 10.0.0.5", 0x0a000005);
	frame(&b, mac, "IP 169.254.77.2", 0xa9fe4d02); /* the peer's address */
	healthy(&b, 20);
	assert_int_equal(look(&b), 0);
	for (int i = 0; i < 100; i++) {
		mac[5] = (uint8_t)(i % 6);
		frame(&b, mac, "ethertype 0x1234", 0);
		healthy(&b, i % 10 == 0);
	}
	ONLY(&b, CABLING_FOREIGN, "and others", "(ethertype 0x1234)", "take the others out");
	healthy(&b, 20);
	assert_int_equal(look(&b), 0);
}

/* Far more than there is room for, each seldom: told all the same, and without a new text each
 * time. */
static void very_many_strangers(void **state)
{
	struct bed b = start();
	char before[CABLING_TEXT_MAX] = "";
	uint8_t mac[6] = {2, 0, 0, 0, 6, 0};
	int changes = 0;
	unsigned next = 0;

	(void)state;
	healthy(&b, 6);
	for (int i = 0; i < 80; i++) {
		for (int k = 0; k < 80; k++, next++) {
			mac[4] = (uint8_t)(next % 1000 >> 8);
			mac[5] = (uint8_t)(next % 1000);
			frame(&b, mac, "ethertype 0x1234", 0);
		}
		healthy(&b, 1);
		look(&b);
		changes += strcmp(before, b.text[CABLING_FOREIGN]) != 0;
		memcpy(before, b.text[CABLING_FOREIGN], sizeof(before));
	}
	ONLY(&b, CABLING_FOREIGN, "and others", "(ethertype 0x1234)");
	assert_true(changes < 5);
	healthy(&b, 22);
	assert_int_equal(look(&b), 0);
	for (int i = 0; i < 100; i++) {
		mac[3] = (uint8_t)(i + 1);
		frame(&b, mac, "ethertype 0x1234", 0);
	}
	ONLY(&b, CABLING_FOREIGN, "and others", "(ethertype 0x1234)");
	healthy(&b, 22);
	assert_int_equal(look(&b), 0);
}

static void another_pair_on_the_vlan(void **state)
{
	struct bed b = start();
	struct probe p = peers(PROBE_SMALL);

	(void)state;
	healthy(&b, 1);
	p.own = 3;
	p.peer = 4;
	memcpy(p.node, "gw-07", 6);
	/* On the LAN it does not matter. */
	hear(&b, &p, CABLING_AT_OTHER, "ge2", 0);
	assert_int_equal(look(&b), 0);
	struct cabling_event ev = {
		.kind = CABLING_EV_PROBE, .heard = {&p, CABLING_AT_HA, "ge4", 0}};

	memcpy(ev.mac, strange_mac, 6);
	cabling_step(&b.c, &ev, b.now);
	healthy(&b, 2);
	cabling_step(&b.c, &ev, b.now);
	ONLY(&b, CABLING_FOREIGN, "gatepair node gw-07");
}

static void different_vlans(void **state)
{
	struct bed b = start();
	struct probe p = sample();
	struct cabling_config cfg = b.c.cfg;

	(void)state;
	/* Untagged here, tagged there. */
	b.now += 10 * USEC_PER_SEC;
	hear(&b, &p, CABLING_AT_HA, "ge4", 77);
	ONLY(&b, CABLING_VLAN, "ge4.77 of gw-02 sends in VLAN 77", "this node untagged",
		"same VLAN id");
	/* A switch that takes the tag off is all right. */
	for (int i = 0; i < 10; i++) {
		b.now += 500 * USEC_PER_MS;
		hear(&b, &p, CABLING_AT_HA, "ge4", 0);
		p.kind = i % 2 ? PROBE_SMALL : PROBE_FULL;
	}
	assert_int_equal(look(&b), 0);
	/* 78 here. */
	cfg.vlan = 78;
	memcpy(cfg.link, "ge4.78", 7);
	cabling_configure(&b.c, &cfg, b.now);
	link_is(&b, true, true, 1500);
	b.now += 10 * USEC_PER_SEC;
	hear(&b, &p, CABLING_AT_PORT, "ge4", 77);
	ONLY(&b, CABLING_VLAN, "HA link ge4.78", "VLAN 77", "VLAN 78");
	/* The same over a direct cable. */
	b.now += 10 * USEC_PER_SEC;
	p.kind = PROBE_DIRECT;
	hear(&b, &p, CABLING_AT_PORT, "ge4", 0);
	assert_int_equal(look(&b), 2);
	assert_non_null(strstr(b.text[CABLING_VLAN], "VLAN 77"));
	assert_true(b.text[CABLING_DIRECT][0]);
}

static void the_wrong_port(void **state)
{
	struct bed b = start();
	struct probe p = peers(PROBE_SMALL), own = peers(PROBE_SMALL);

	(void)state;
	b.now += 10 * USEC_PER_SEC;
	hear(&b, &p, CABLING_AT_OTHER, "ge2", 0);
	ONLY(&b, CABLING_PORT, "ge4 of gw-02", "network of ge2 of this node", "move its cable");
	b.now += CABLING_HOLD;
	p.path = PROBE_OTHER;
	memcpy(p.link, "ge2", 4);
	hear(&b, &p, CABLING_AT_HA, "ge4", 0);
	ONLY(&b, CABLING_PORT, "HA link ge4 is in the network of ge2 of gw-02", "move its cable");
	b.now += CABLING_HOLD;
	own.own = OWN;
	own.peer = PEER;
	own.session = SESSION;
	frame(&b, strange_mac, "IP 10.0.0.9", 0x0a000009); /* of that network */
	hear(&b, &own, CABLING_AT_OTHER, "ge2", 0);
	frame(&b, strange_mac, "IP 10.0.0.9", 0x0a000009);
	ONLY(&b, CABLING_PORT, "ge4 is in the same network as ge2 of this node", "move its cable");
	b.now += CABLING_HOLD;
	hear(&b, &own, CABLING_AT_HA, "ge4", 0);
	ONLY(&b, CABLING_PORT, "own frames come back", "loop");
	b.now += CABLING_HOLD;
	ONLY(&b, CABLING_UNHEARD, "gw-02");
}

static void mtu(void **state)
{
	struct bed b = start();

	(void)state;
	healthy(&b, 10);
	link_is(&b, true, true, 1400);
	healthy(&b, 1);
	ONLY(&b, CABLING_MTU, "MTU 1400 here", "1500 on ge4 of gw-02", "same mtu");
	link_is(&b, true, true, 1500);
	healthy(&b, 10);
	assert_int_equal(look(&b), 0);
	for (int i = 0; i < 9; i++) {
		struct probe small = peers(PROBE_SMALL);

		assert_true(look(&b) == 0 || i >= 6);
		b.now += 500 * USEC_PER_MS;
		hear(&b, &small, CABLING_AT_HA, "ge4", 0);
	}
	ONLY(&b, CABLING_LARGE, "1500 bytes do not", "raise the MTU of the switch");
	healthy(&b, 1);
	assert_int_equal(look(&b), 0);
}

static void keys(void **state)
{
	struct bed b = start();
	struct probe p = peers(PROBE_SMALL);

	(void)state;
	b.now += 10 * USEC_PER_SEC;
	p.own = 3;
	hear(&b, &p, CABLING_AT_HA, "ge4", 0);
	ONLY(&b, CABLING_IDENTITY, "gw-02", "takes this node for its peer", "gatepair key");
	b.now += CABLING_HOLD;
	healthy(&b, 1);
	p = peers(PROBE_SMALL);
	p.peer = 3;
	hear(&b, &p, CABLING_AT_HA, "ge4", 0);
	ONLY(&b, CABLING_IDENTITY, "another peer-fingerprint", "gatepair key");
	b.now += CABLING_HOLD;
	healthy(&b, 1);
	p.own = OWN;
	p.peer = PEER;
	p.session = 99;
	hear(&b, &p, CABLING_AT_HA, "ge4", 0);
	ONLY(&b, CABLING_TWICE, "this node's key as well", "node.key");
}

static void the_peer_twice(void **state)
{
	struct bed b = start();
	struct probe p = peers(PROBE_SMALL);

	(void)state;
	/* Restarts are none. */
	for (uint64_t session = 10; session < 30; session++) {
		p.session = session;
		b.now += USEC_PER_SEC;
		p.kind = session % 2 ? PROBE_FULL : PROBE_SMALL;
		hear(&b, &p, CABLING_AT_HA, "ge4", 0);
		assert_int_equal(look(&b), 0);
	}
	for (uint64_t i = 0; i < 4; i++) {
		p.session = 30 + i % 2;
		b.now += USEC_PER_SEC;
		p.kind = i % 2 ? PROBE_FULL : PROBE_SMALL;
		hear(&b, &p, CABLING_AT_HA, "ge4", 0);
	}
	ONLY(&b, CABLING_TWICE, "two nodes have the key of gw-02");
	healthy(&b, 30);
	assert_int_equal(look(&b), 0);
}

static void sends_twice_a_second(void **state)
{
	struct bed b = start();
	struct cabling_event tick = {.kind = CABLING_EV_TICK};
	unsigned small = 0, full = 0, spread = 0;
	usec_t last = b.now;

	(void)state;
	for (int i = 0; i < 10000; i++, b.now += 10 * USEC_PER_MS) {
		unsigned send = cabling_step(&b.c, &tick, b.now);

		small += (send & CABLING_SEND_SMALL) != 0;
		full += (send & CABLING_SEND_FULL) != 0;
		spread += send && b.now - last > 550 * USEC_PER_MS;
		if (send) {
			assert_true(b.now - last <= 610 * USEC_PER_MS);
			last = b.now;
		}
	}
	assert_in_range(small, 180, 220);
	assert_in_range(full, 90, 110);
	assert_true(spread > 10);
}

/* Any order of events, of any content: nothing but sentences comes out. */
static void random_events(void **state)
{
	struct bed b = start();
	unsigned r = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct probe p = peers(PROBE_SMALL);

		r = r * 1664525U + 1013904223U;
		b.now += (r >> 8) % 800000;
		p.own = (r >> 10) % 4 == 0 ? OWN : (r >> 10) % 4 == 1 ? 3 : PEER;
		p.peer = (r >> 13) % 5 == 0 ? 4 : OWN;
		p.kind = (r >> 15) % 3 + 1;
		p.path = (r >> 17) % 2 + 1;
		p.mtu = (r >> 18) % 7 ? 1500 : 65535;
		p.session = (r >> 20) % 3 + 1;
		memset(p.node, 'w', PROBE_NODE_MAX);
		if (r >> 30 == 0)
			link_is(&b, r & 4096, r & 8192, 1500);
		else if (r >> 30 == 1)
			frame(&b, r & 512 ? peer_mac : strange_mac, "x", r);
		else
			hear(&b, &p, (r >> 22) % 3, "fifteen.letters", (r >> 24) % 2 ? 78 : 0);
		look(&b);
		for (size_t k = 0; k < CABLING_KINDS; k++)
			assert_true(strlen(b.text[k]) < CABLING_TEXT_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(vector),
		cmocka_unit_test(refused),
		cmocka_unit_test(a_healthy_pair_has_none),
		cmocka_unit_test(without_a_pair_nothing_is_wrong),
		cmocka_unit_test(no_carrier),
		cmocka_unit_test(unheard),
		cmocka_unit_test(a_pause_of_ours_is_not_the_peers),
		cmocka_unit_test(cabled_directly),
		cmocka_unit_test(strangers),
		cmocka_unit_test(very_many_strangers),
		cmocka_unit_test(another_pair_on_the_vlan),
		cmocka_unit_test(different_vlans),
		cmocka_unit_test(the_wrong_port),
		cmocka_unit_test(mtu),
		cmocka_unit_test(keys),
		cmocka_unit_test(the_peer_twice),
		cmocka_unit_test(sends_twice_a_second),
		cmocka_unit_test(random_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
