/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Duplicate addresses: when we ask, whom we believe, how long; and the frames of others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/services/acd.h"
#include "netcfgd/services/ethernet.h"

static const uint8_t mac[6] = {2, 0, 0, 0, 9, 9};
static struct acd acd;

static struct in_addr ip_of(const char *s)
{
	struct in_addr ip;

	assert_int_equal(inet_pton(AF_INET, s, &ip), 1);
	return ip;
}

static struct in6_addr any(const char *s)
{
	struct in6_addr ip;

	return inet_pton(AF_INET6, s, &ip) == 1 ? ip : acd_mapped(ip_of(s));
}

static void claim(uint32_t index, const char *ip, usec_t now)
{
	struct in6_addr a = any(ip);

	acd_claim(&acd, index, &a, mac, now);
}

static void put(uint32_t index, const char *ip, bool virt, bool carrier, usec_t now)
{
	struct acd_addr a = {
		.ip = any(ip), .index = index, .link = "ge2", .virt = virt, .carrier = carrier};

	acd_put(&acd, &a, now);
}

static void one_address(usec_t now)
{
	acd_init(&acd, 7);
	acd_begin(&acd);
	put(2, "10.0.0.2", false, true, now);
	acd_end(&acd);
}

/* How many of each were asked for until `until`, in steps of 100 ms. */
static void count(usec_t *now, usec_t until, int *probes, int *announces)
{
	const struct acd_addr *a;
	int what;

	*probes = *announces = 0;
	for (; *now < until; *now += 100 * USEC_PER_MS)
		while ((what = acd_next(&acd, *now, &a)) != 0) {
			*probes += what == ACD_PROBE;
			*announces += what == ACD_ANNOUNCE;
		}
}

static void a_new_address_is_asked_for(void **state)
{
	usec_t now = USEC_PER_SEC;
	int probes, announces;

	(void)state;
	one_address(now);
	count(&now, 5 * USEC_PER_SEC, &probes, &announces);
	assert_int_equal(probes, 3);
	assert_int_equal(announces, 0);
	count(&now, 40 * USEC_PER_SEC, &probes, &announces);
	assert_int_equal(probes, 0);
	count(&now, 600 * USEC_PER_SEC, &probes, &announces);
	assert_in_range(probes, 9, 14);
	/* Carrier goes and comes back. */
	put(2, "10.0.0.2", false, false, now);
	count(&now, 700 * USEC_PER_SEC, &probes, &announces);
	assert_int_equal(probes, 0);
	put(2, "10.0.0.2", false, true, now);
	put(2, "10.0.0.2", false, true, now);
	count(&now, 705 * USEC_PER_SEC, &probes, &announces);
	assert_int_equal(probes, 3);
}

static void a_conflict_is_told_defended_and_forgotten(void **state)
{
	usec_t now = 100 * USEC_PER_SEC;
	char text[ACD_TEXT_MAX];
	int probes, announces;

	(void)state;
	one_address(now);
	count(&now, 110 * USEC_PER_SEC, &probes, &announces);
	claim(3, "10.0.0.2", now); /* on another network */
	claim(2, "10.0.0.3", now); /* another address */
	assert_false(acd_conflict(&acd, &acd.addrs[0], now));
	claim(2, "10.0.0.2", now);
	assert_true(acd_conflict(&acd, &acd.addrs[0], now));
	acd_text(&acd.addrs[0], NULL, text);
	assert_string_equal(text,
		"interface ge2: address 10.0.0.2 is used by 02:00:00:00:09:09 as well; give one of "
		"the two another address");
	acd_text(&acd.addrs[0], "gw-02", text);
	assert_non_null(strstr(text, "other node gw-02 (02:00:00:00:09:09)"));
	/* Its answers keep it up, announcements come every 10 s. */
	for (int i = 0; i < 10; i++) {
		claim(2, "10.0.0.2", now);
		count(&now, now + 4 * USEC_PER_SEC, &probes, &announces);
		assert_true(probes >= 1);
		assert_true(announces <= 1);
		assert_true(acd_conflict(&acd, &acd.addrs[0], now));
	}
	count(&now, now + ACD_HOLD, &probes, &announces);
	assert_false(acd_conflict(&acd, &acd.addrs[0], now));
	count(&now, now + 4 * USEC_PER_SEC, &probes, &announces);
	assert_int_equal(announces, 0);
}

/* A take-over by the peer is no conflict, however our own knowledge of the lease lags. */
static void virtual_addresses_are_for_the_holder(void **state)
{
	usec_t now = 100 * USEC_PER_SEC;
	int probes, announces;

	(void)state;
	acd_init(&acd, 7);
	acd_begin(&acd);
	put(2, "10.0.0.1", true, true, now);
	acd_end(&acd);
	claim(2, "10.0.0.1", now);
	assert_false(acd_conflict(&acd, &acd.addrs[0], now));
	acd_role(&acd, true);
	assert_false(acd_conflict(&acd, &acd.addrs[0], now));
	claim(2, "10.0.0.1", now);
	assert_false(acd_conflict(&acd, &acd.addrs[0], now));
	claim(2, "10.0.0.1", now + ACD_VIRTUAL);
	assert_true(acd_conflict(&acd, &acd.addrs[0], now + ACD_VIRTUAL));
	acd_role(&acd, false);
	assert_false(acd_conflict(&acd, &acd.addrs[0], now + ACD_VIRTUAL));
	acd_role(&acd, true);
	assert_false(acd_conflict(&acd, &acd.addrs[0], now + ACD_VIRTUAL));
	count(&now, now + 200 * USEC_PER_SEC, &probes, &announces);
	assert_int_equal(probes + announces, 0);
}

static void addresses_come_and_go(void **state)
{
	char ip[INET_ADDRSTRLEN];

	(void)state;
	acd_init(&acd, 7);
	for (int round = 0; round < 3; round++) {
		acd_begin(&acd);
		for (int i = 0; i < ACD_ADDRS + 10; i++) {
			snprintf(ip, sizeof(ip), "10.%d.%d.2", i / 256, i % 256);
			put(2, ip, false, true, 1);
		}
		acd_end(&acd);
		assert_int_equal(acd.n, ACD_ADDRS);
	}
	acd_begin(&acd);
	put(2, "10.0.7.2", false, true, 1);
	acd_end(&acd);
	assert_int_equal(acd.n, 1);
	struct in6_addr left = any("10.0.7.2");

	assert_memory_equal(&acd.addrs[0].ip, &left, sizeof(left));
	acd_begin(&acd);
	acd_end(&acd);
	assert_int_equal(acd.n, 0);
}

static void ipv6_is_asked_for_and_never_announced(void **state)
{
	usec_t now = 100 * USEC_PER_SEC;
	char text[ACD_TEXT_MAX];
	int probes, announces;

	(void)state;
	acd_init(&acd, 7);
	acd_begin(&acd);
	put(2, "fd00::2", false, true, now);
	acd_end(&acd);
	count(&now, 110 * USEC_PER_SEC, &probes, &announces);
	assert_int_equal(probes, 3);
	claim(2, "fd00::2", now);
	assert_true(acd_conflict(&acd, &acd.addrs[0], now));
	acd_text(&acd.addrs[0], NULL, text);
	assert_non_null(strstr(text, "address fd00::2 is used by 02:00:00:00:09:09 as well"));
	count(&now, now + 9 * USEC_PER_SEC, &probes, &announces);
	assert_true(probes >= 2);
	assert_int_equal(announces, 0);
}

/* --- frames ---------------------------------------------------------------------------------- */
static void arp_as_it_is_sent(void **state)
{
	static const uint8_t want[] = "\xff\xff\xff\xff\xff\xff\2\0\0\0\x09\x09\x08\x06"
				      "\0\1\x08\0\6\4\0\1\2\0\0\0\x09\x09\0\0\0\0\0\0\0\0\0\0\x0a"
				      "\0\0\2";
	uint8_t frame[ETHERNET_ARP_LEN];
	struct ethernet_claim c;

	(void)state;
	ethernet_arp_make(ip_of("10.0.0.2"), mac, false, frame);
	assert_memory_equal(frame, want, sizeof(frame));
	assert_false(ethernet_arp(frame, sizeof(frame), &c)); /* claims nothing */
	ethernet_arp_make(ip_of("10.0.0.2"), mac, true, frame);
	assert_true(ethernet_arp(frame, sizeof(frame), &c));
	assert_int_equal(c.ip.s_addr, ip_of("10.0.0.2").s_addr);
	assert_memory_equal(c.mac, mac, 6);
	for (size_t i = 12; i < 22; i++) {
		frame[i] ^= 0x80;
		assert_false(ethernet_arp(frame, sizeof(frame), &c));
		frame[i] ^= 0x80;
	}
	frame[22] |= 1; /* a group is no sender */
	assert_false(ethernet_arp(frame, sizeof(frame), &c));
	for (size_t n = 0; n < 32; n++)
		assert_false(ethernet_arp(frame, n, &c));
}

/* The question of RFC 4862 for fd00::1:2; the checksum was made by hand. */
static void neighbours(void **state)
{
	static const uint8_t want[] =
		"\x33\x33\xff\1\0\2\2\0\0\0\x09\x09\x86\xdd\x60\0\0\0\0\x18\x3a\xff"
		"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\2\0\0\0\0\0\0\0\0\0\1\xff\1\0\2"
		"\x87\0\x7d\xa1\0\0\0\0\xfd\0\0\0\0\0\0\0\0\0\0\0\0\1\0\2";
	struct in6_addr ip = any("fd00::1:2"), from = any("fd00::9");
	uint8_t frame[ETHERNET_ND_LEN];
	struct ethernet_claim c;

	(void)state;
	ethernet_nd_make(&ip, mac, frame);
	assert_memory_equal(frame, want, sizeof(frame));
	assert_false(ethernet_nd(frame, sizeof(frame), &c)); /* claims nothing */
	memcpy(frame + 22, &from, sizeof(from));
	assert_true(ethernet_nd(frame, sizeof(frame), &c));
	assert_memory_equal(&c.ip6, &from, sizeof(from));
	frame[54] = 136; /* an advertisement is about its target */
	assert_true(ethernet_nd(frame, sizeof(frame), &c));
	assert_memory_equal(&c.ip6, &ip, sizeof(ip));
	assert_memory_equal(c.mac, mac, 6);
	for (size_t n = 0; n < sizeof(frame); n++)
		assert_false(ethernet_nd(frame, n, &c));
	frame[21] = 64; /* it crossed a router */
	assert_false(ethernet_nd(frame, sizeof(frame), &c));
}

static void says(const char *head, const uint8_t *body, size_t n, const char *want)
{
	uint8_t frame[128] = {0};
	struct ethernet_sample s;

	memcpy(frame, "\1\2\3\4\5\6\2\0\0\0\x09\x09", 12);
	memcpy(frame + 12, head, 2);
	memcpy(frame + 14, body, n);
	assert_int_equal(ethernet_sample(frame, 14 + n, &s), want != NULL);
	if (!want)
		return;
	assert_string_equal(s.text, want);
	assert_memory_equal(s.mac, mac, 6);
}

static void samples(void **state)
{
	uint8_t ip[20] = {0x45}, ip6[64] = {0x60}, arp[28];
	uint8_t frame[ETHERNET_ARP_LEN];

	(void)state;
	memcpy(ip + 12, "\x0a\0\0\x09", 4);
	ip[9] = 17;
	says("\x08\0", ip, sizeof(ip), "IP 10.0.0.9");
	says("\x08\0", ip, 15, NULL);
	ip[9] = 2; /* IGMP: the switch's querier */
	says("\x08\0", ip, sizeof(ip), NULL);
	ip6[6] = 58;
	ip6[8] = 0xfe;
	ip6[9] = 0x80;
	ip6[23] = 1;
	says("\x86\xdd", ip6, sizeof(ip6), "IP fe80::1");
	ip6[6] = 0;
	ip6[40] = 58;
	ip6[48] = 130;
	says("\x86\xdd", ip6, sizeof(ip6), NULL);
	ip6[48] = 128;
	says("\x86\xdd", ip6, sizeof(ip6), "IP fe80::1");
	memset(ip6 + 8, 0, 16);
	says("\x86\xdd", ip6, sizeof(ip6), NULL);
	ethernet_arp_make(ip_of("10.0.0.9"), mac, true, frame);
	memcpy(arp, frame + 14, sizeof(arp));
	says("\x08\x06", arp, sizeof(arp), "ARP of 10.0.0.9");
	memset(arp + 14, 0, 4); /* a probe */
	says("\x08\x06", arp, sizeof(arp), NULL);
	says("\x12\x34", arp, sizeof(arp), "ethertype 0x1234");
	says("\0\x20", arp, sizeof(arp), "an LLC frame");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_address_is_asked_for),
		cmocka_unit_test(a_conflict_is_told_defended_and_forgotten),
		cmocka_unit_test(virtual_addresses_are_for_the_holder),
		cmocka_unit_test(addresses_come_and_go),
		cmocka_unit_test(ipv6_is_asked_for_and_never_announced),
		cmocka_unit_test(arp_as_it_is_sent),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
