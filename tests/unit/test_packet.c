/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VRRP adverts and gratuitous ARP: vectors, round trip, every receive check in its order,
 * mutations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "vrrpd/packet.h"

static struct vrrp_advert ours, ours_v2, ours_open;
static const struct vrrp_advert *own[256];

static struct vrrp_advert sample(enum vrrp_checksum form)
{
	struct vrrp_advert a = {.version = 3,
		.vrid = 10,
		.priority = 150,
		.interval = USEC_PER_SEC,
		.checksum = form,
		.n_addresses = 2};

	inet_pton(AF_INET, "10.0.0.2", &a.source);
	inet_pton(AF_INET, "10.0.0.1", &a.addresses[0]);
	inet_pton(AF_INET, "10.0.0.100", &a.addresses[1]);
	return a;
}

static struct vrrp_advert sample_v2(const char *password)
{
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568);

	a.version = 2;
	a.vrid = password ? 12 : 13;
	a.auth = password ? VRRP_AUTH_TEXT : VRRP_AUTH_NONE;
	if (password)
		memcpy(a.password, password, strlen(password));
	return a;
}

static size_t make(uint8_t *frame, const struct vrrp_advert *a)
{
	uint8_t mac[MAC_LEN];
	int n;

	vrrp_virtual_mac(a->vrid, mac);
	n = vrrp_encode(a, mac, frame, VRRP_FRAME_MAX);
	assert_true(n > 0);
	return (size_t)n;
}

static enum vrrp_reason take(const uint8_t *frame, size_t n, struct vrrp_advert *ret)
{
	uint8_t vrid;

	return vrrp_decode(frame + VRRP_ETH_LEN, n - VRRP_ETH_LEN, own, &vrid, ret);
}

/* Sums over the IP header and, in the RFC 9568 form, over the message are made right again. */
static void put_sum(uint8_t *p, size_t n, size_t at)
{
	uint32_t s = 0;

	p[at] = p[at + 1] = 0;
	for (size_t i = 0; i < n; i += 2)
		s += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	p[at] = (uint8_t)(~s >> 8);
	p[at + 1] = (uint8_t)~s;
}

static void fix(uint8_t *frame, size_t n)
{
	put_sum(frame + 14, 20, 10);
	put_sum(frame + 34, n - 34, 6);
}

static void vector(void **state)
{
	/* by hand from RFC 9568 sections 5.1 and 5.2 */
	static const uint8_t want[] = {
		0x01,
		0x00,
		0x5e,
		0x00,
		0x00,
		0x12,
		0x00,
		0x00,
		0x5e,
		0x00,
		0x01,
		0x0a,
		0x08,
		0x00,
		0x45,
		0xc0,
		0x00,
		0x24,
		0x00,
		0x00,
		0x40,
		0x00,
		0xff,
		0x70,
		0x90,
		0x95,
		10,
		0,
		0,
		2,
		224,
		0,
		0,
		18,
		0x31,
		0x0a,
		0x96,
		0x02,
		0x00,
		0x64,
		0x24,
		0x2a,
		10,
		0,
		0,
		1,
		10,
		0,
		0,
		100,
	};
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568);
	uint8_t frame[VRRP_FRAME_MAX];
	size_t n = make(frame, &a);

	(void)state;
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(frame, want, sizeof(want));
}

static void vector_v2(void **state)
{
	/* by hand from RFC 3768 section 5: header and addresses, authentication data */
	static const uint8_t want[] = {
		0x21,
		0x0c,
		0x96,
		0x02,
		0x01,
		0x01,
		0xf7,
		0x70,
		10,
		0,
		0,
		1,
		10,
		0,
		0,
		100,
		's',
		'3',
		'c',
		'r',
		'e',
		't',
		0,
		0,
	};
	struct vrrp_advert a = sample_v2("s3cret");
	uint8_t frame[VRRP_FRAME_MAX];
	size_t n = make(frame, &a);

	(void)state;
	assert_int_equal(n, 34 + sizeof(want));
	assert_int_equal(frame[17], 20 + sizeof(want));
	assert_memory_equal(frame + 34, want, sizeof(want));
}

static void round_trip_v2(void **state)
{
	static const char *const passwords[] = {NULL, "s3cret"};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 1; k <= VRRP_MAX_ADDRESSES; k++) {
			struct vrrp_advert a = sample_v2(passwords[i]), b;
			uint8_t frame[VRRP_FRAME_MAX];

			a.n_addresses = k;
			a.priority = (uint8_t)k;
			for (size_t j = 0; j < k; j++)
				a.addresses[j].s_addr = htonl(0x0a000000U + (uint32_t)j);
			assert_int_equal(take(frame, make(frame, &a), &b), VRRP_OK);
			assert_int_equal(b.version, 2);
			assert_int_equal(b.priority, a.priority);
			assert_int_equal(b.interval, a.interval);
			assert_int_equal(b.n_addresses, k);
			assert_memory_equal(b.addresses, a.addresses, k * sizeof(a.addresses[0]));
			assert_int_equal(b.auth, a.auth);
			assert_memory_equal(b.password, a.password, sizeof(a.password));
		}
}

static void seconds_of_v2(void **state)
{
	static const struct {
		usec_t interval;
		uint8_t want;
	} t[] = {{USEC_PER_SEC, 1}, {40 * USEC_PER_SEC, 40}, {0, 1}, {300 * USEC_PER_SEC, 255}};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vrrp_advert a = sample_v2(NULL);
		uint8_t frame[VRRP_FRAME_MAX];

		a.interval = t[i].interval;
		make(frame, &a);
		assert_int_equal(frame[39], t[i].want);
	}
}

static void round_trip(void **state)
{
	(void)state;
	for (int form = VRRP_CHECKSUM_RFC9568; form <= VRRP_CHECKSUM_LEGACY; form++)
		for (size_t k = 1; k <= VRRP_MAX_ADDRESSES; k++) {
			struct vrrp_advert a = sample((enum vrrp_checksum)form), b;
			uint8_t frame[VRRP_FRAME_MAX];

			a.n_addresses = k;
			a.priority = (uint8_t)k;
			a.interval = (usec_t)k * 630 * USEC_PER_MS;
			for (size_t i = 0; i < k; i++)
				a.addresses[i].s_addr = htonl(0x0a000000U + (uint32_t)i);
			assert_int_equal(take(frame, make(frame, &a), &b), VRRP_OK);
			assert_int_equal(b.checksum, form);
			assert_int_equal(b.priority, a.priority);
			assert_int_equal(b.interval, a.interval);
			assert_int_equal(b.n_addresses, k);
			assert_memory_equal(b.addresses, a.addresses, k * sizeof(a.addresses[0]));
		}
}

static void ethernet_padding_is_no_error(void **state)
{
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568), b;
	uint8_t frame[VRRP_FRAME_MAX] = {0};

	(void)state;
	a.n_addresses = 1;
	assert_in_range(make(frame, &a), 1, 59);
	assert_int_equal(take(frame, 60, &b), VRRP_OK);
}

struct change {
	size_t at;
	uint8_t value;
	enum vrrp_reason want;
};

/* Each frame is wrong in one way and otherwise right, checksums included. */
static void refuse(const struct vrrp_advert *a, const struct change *changes, size_t n_changes)
{
	for (size_t i = 0; i < n_changes; i++) {
		struct vrrp_advert b = {.vrid = 77};
		uint8_t frame[VRRP_FRAME_MAX];
		size_t n = make(frame, a);

		frame[changes[i].at] = changes[i].value;
		fix(frame, n);
		assert_int_equal(take(frame, n, &b), changes[i].want);
		assert_int_equal(b.vrid, 77); /* untouched */
	}
}

static void checks(void **state)
{
	static const struct change changes[] = {
		{14, 0x65, VRRP_BAD_IP},
		{14, 0x44, VRRP_BAD_IP},
		{17, 0x50, VRRP_BAD_IP},
		{20, 0x20, VRRP_BAD_IP},
		{21, 0x01, VRRP_BAD_IP},
		{23, 17, VRRP_BAD_IP},
		{33, 19, VRRP_BAD_IP},
		{22, 254, VRRP_BAD_TTL},
		{22, 1, VRRP_BAD_TTL},
		{34, 0x21, VRRP_BAD_VERSION},
		{34, 0x41, VRRP_BAD_VERSION},
		{34, 0x32, VRRP_BAD_TYPE},
		{35, 12, VRRP_BAD_VERSION},
		{37, 1, VRRP_BAD_LENGTH},
		{37, 3, VRRP_BAD_LENGTH},
		{37, 0, VRRP_BAD_LENGTH},
		{35, 11, VRRP_UNKNOWN_VRID},
		{35, 0, VRRP_UNKNOWN_VRID},
		{39, 0, VRRP_BAD_INTERVAL},
	};
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568);

	(void)state;
	refuse(&a, changes, sizeof(changes) / sizeof(changes[0]));
}

static void checks_v2(void **state)
{
	static const struct change changes[] = {
		{22, 254, VRRP_BAD_TTL}, {34, 0x31, VRRP_BAD_VERSION}, {34, 0x22, VRRP_BAD_TYPE},
		{35, 10, VRRP_BAD_VERSION}, {37, 1, VRRP_BAD_LENGTH},
		{37, 4, VRRP_BAD_LENGTH}, /* authentication data are no addresses */
		{35, 11, VRRP_UNKNOWN_VRID}, {39, 0, VRRP_BAD_INTERVAL},
		{39, 2, VRRP_OTHER_INTERVAL}, {38, 0, VRRP_OTHER_AUTH}, {38, 2, VRRP_OTHER_AUTH},
		{35, 13, VRRP_OTHER_AUTH}, /* a password where none is configured */
		{50, 'S', VRRP_BAD_PASSWORD}, {57, 'x', VRRP_BAD_PASSWORD}, /* beyond its end */
	};
	struct vrrp_advert a = sample_v2("s3cret");

	(void)state;
	refuse(&a, changes, sizeof(changes) / sizeof(changes[0]));
}

/* Two faults in one frame: the first check counts it. */
static void order_of_checks_v2(void **state)
{
	struct vrrp_advert a = sample_v2("wrong"), b;
	uint8_t frame[VRRP_FRAME_MAX];

	(void)state;
	assert_int_equal(take(frame, make(frame, &a), &b), VRRP_BAD_PASSWORD);
	a.interval = 2 * USEC_PER_SEC;
	assert_int_equal(take(frame, make(frame, &a), &b), VRRP_OTHER_INTERVAL);
	a.n_addresses = 0;
	assert_int_equal(take(frame, make(frame, &a), &b), VRRP_BAD_COUNT);
	a.vrid = 99;
	assert_int_equal(take(frame, make(frame, &a), &b), VRRP_UNKNOWN_VRID);
	frame[36] ^= 1;
	assert_int_equal(take(frame, 34 + 16, &b), VRRP_BAD_CHECKSUM);
}

/* RFC 3768 section 5.3.10: without authentication the data are ignored. */
static void data_without_authentication_are_ignored(void **state)
{
	struct vrrp_advert a = sample_v2(NULL), b;
	uint8_t frame[VRRP_FRAME_MAX];
	size_t n = make(frame, &a);

	(void)state;
	frame[n - 1] = 'x';
	fix(frame, n);
	assert_int_equal(take(frame, n, &b), VRRP_OK);
}

/* A pseudo-header is a matter of version 3. */
static void legacy_checksum_of_v2(void **state)
{
	struct vrrp_advert a = sample_v2(NULL), b;
	uint8_t frame[VRRP_FRAME_MAX], legacy[VRRP_FRAME_MAX];
	size_t n = make(frame, &a);
	uint32_t pseudo = 0x0a00 + 0x0002 + 0xe000 + 0x0012 + VRRP_PROTOCOL + (uint32_t)(n - 34);
	uint32_t s;

	(void)state;
	a.checksum = VRRP_CHECKSUM_LEGACY;
	assert_int_equal(make(legacy, &a), n);
	assert_memory_equal(frame, legacy, n);
	s = (uint32_t)(uint16_t) ~(frame[40] << 8 | frame[41]) + pseudo;
	s = (s & 0xffff) + (s >> 16);
	frame[40] = (uint8_t)(~s >> 8);
	frame[41] = (uint8_t)~s;
	assert_int_equal(take(frame, n, &b), VRRP_BAD_CHECKSUM);
}

static void no_address(void **state)
{
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568), b;
	uint8_t frame[VRRP_FRAME_MAX];

	(void)state;
	a.n_addresses = 0;
	assert_int_equal(take(frame, make(frame, &a), &b), VRRP_BAD_COUNT);
}

static void reserved_bits_are_ignored(void **state)
{
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568), b;
	uint8_t frame[VRRP_FRAME_MAX];
	size_t n = make(frame, &a);

	(void)state;
	frame[38] |= 0xf0;
	fix(frame, n);
	assert_int_equal(take(frame, n, &b), VRRP_OK);
	assert_int_equal(b.interval, USEC_PER_SEC);
}

static void bad_checksum(void **state)
{
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568), b;
	uint8_t frame[VRRP_FRAME_MAX];
	size_t n = make(frame, &a);

	(void)state;
	frame[36] ^= 1;
	assert_int_equal(take(frame, n, &b), VRRP_BAD_CHECKSUM);
}

/* Read from an exact copy, so that a sanitizer sees every byte too far. */
static void hostile(void **state)
{
	unsigned r = 1;

	(void)state;
	for (int k = 0; k < 200000; k++) {
		struct vrrp_advert a = k & 2 ? sample_v2("s3cret") : sample(VRRP_CHECKSUM_LEGACY),
				   b;
		uint8_t frame[VRRP_FRAME_MAX], vrid;
		size_t n = make(frame, &a), cut;
		uint8_t *copy;

		for (int j = 0; j < 3; j++) {
			r = r * 1664525U + 1013904223U;
			frame[(r >> 16) % n] = (uint8_t)(r >> 8);
		}
		if (k & 1)
			fix(frame, n);
		cut = VRRP_ETH_LEN + (r >> 4) % (n - VRRP_ETH_LEN + 1);
		copy = malloc(cut - VRRP_ETH_LEN + 1);
		memcpy(copy, frame + VRRP_ETH_LEN, cut - VRRP_ETH_LEN);
		enum vrrp_reason why = vrrp_decode(copy, cut - VRRP_ETH_LEN, own, &vrid, &b);

		assert_in_range(why, VRRP_OK, VRRP_REASONS - 1);
		free(copy);
	}
}

static void too_small_a_buffer(void **state)
{
	struct vrrp_advert a = sample(VRRP_CHECKSUM_RFC9568), b = sample_v2(NULL);
	uint8_t frame[VRRP_FRAME_MAX], mac[MAC_LEN] = {0};

	(void)state;
	for (size_t n = 0; n < 50; n++)
		assert_true(vrrp_encode(&a, mac, frame, n) < 0);
	for (size_t n = 0; n < 58; n++)
		assert_true(vrrp_encode(&b, mac, frame, n) < 0);
}

static void gratuitous_arp(void **state)
{
	static const uint8_t want[ARP_FRAME_LEN] = {
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0x00,
		0x00,
		0x5e,
		0x00,
		0x01,
		0x0a,
		0x08,
		0x06,
		0x00,
		0x01,
		0x08,
		0x00,
		0x06,
		0x04,
		0x00,
		0x01,
		0x00,
		0x00,
		0x5e,
		0x00,
		0x01,
		0x0a,
		10,
		0,
		0,
		1,
		0,
		0,
		0,
		0,
		0,
		0,
		10,
		0,
		0,
		1,
	};
	uint8_t mac[MAC_LEN], frame[ARP_FRAME_LEN];
	struct in_addr a;

	(void)state;
	inet_pton(AF_INET, "10.0.0.1", &a);
	vrrp_virtual_mac(10, mac);
	arp_encode(a, mac, frame);
	assert_memory_equal(frame, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector),
		cmocka_unit_test(vector_v2),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(round_trip_v2),
		cmocka_unit_test(seconds_of_v2),
		cmocka_unit_test(ethernet_padding_is_no_error),
		cmocka_unit_test(checks),
		cmocka_unit_test(checks_v2),
		cmocka_unit_test(order_of_checks_v2),
		cmocka_unit_test(data_without_authentication_are_ignored),
		cmocka_unit_test(legacy_checksum_of_v2),
		cmocka_unit_test(no_address),
		cmocka_unit_test(reserved_bits_are_ignored),
		cmocka_unit_test(bad_checksum),
		cmocka_unit_test(hostile),
		cmocka_unit_test(too_small_a_buffer),
		cmocka_unit_test(gratuitous_arp),
	};

	ours = sample(VRRP_CHECKSUM_RFC9568);
	ours_v2 = sample_v2("s3cret");
	ours_open = sample_v2(NULL);
	own[ours.vrid] = &ours;
	own[ours_v2.vrid] = &ours_v2;
	own[ours_open.vrid] = &ours_open;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
