/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames between the nodes: round trip, authentication, the replay guard, the announcement
 * schedule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "vrrpd/announce.h"
#include "vrrpd/beat.h"

static struct beat_key key, other;

static struct beat sample(void)
{
	return (struct beat){.kind = BEAT_KIND_ANSWER,
		.role = BEAT_ROLE_ACTIVE,
		.flags = BEAT_FLAG_ABLE | BEAT_FLAG_GRANT,
		.session = 11,
		.echo = 22,
		.sequence = 33,
		.term = 44,
		.granted_term = 45,
		.health = BEAT_HEALTH(2, BEAT_ILL_LINK),
		.address = {0x0200000a},
		.ha_address = {0x014da9fe},
		.advert_interval_us = 1000000,
		.heartbeat_us = 10000,
		.digest = UINT64_C(0x0123456789abcdef),
		.served = 0x89abcdef,
		.priority = 150,
		.node = "gw-01"};
}

static size_t make(const struct beat *b, uint8_t *buf)
{
	int n = beat_encode(b, &key, buf, BEAT_MAX);

	assert_true(n > 0);
	return (size_t)n;
}

static void round_trip(void **state)
{
	struct beat b = sample(), c;
	uint8_t buf[BEAT_MAX];

	(void)state;
	memset(b.node, 'x', BEAT_NODE_MAX);
	size_t n = make(&b, buf);

	memset(&c, 0xff, sizeof(c));
	assert_int_equal(beat_decode(buf, n, &key, &c), BEAT_OK);
	assert_int_equal(c.kind, b.kind);
	assert_int_equal(c.role, b.role);
	assert_int_equal(c.flags, b.flags);
	assert_int_equal(c.session, b.session);
	assert_int_equal(c.echo, b.echo);
	assert_int_equal(c.sequence, b.sequence);
	assert_int_equal(c.term, b.term);
	assert_int_equal(c.granted_term, b.granted_term);
	assert_int_equal(c.health, b.health);
	assert_int_equal(c.address.s_addr, b.address.s_addr);
	assert_int_equal(c.ha_address.s_addr, b.ha_address.s_addr);
	assert_int_equal(c.advert_interval_us, b.advert_interval_us);
	assert_int_equal(c.heartbeat_us, b.heartbeat_us);
	assert_int_equal(c.digest, b.digest);
	assert_int_equal(c.served, b.served);
	assert_int_equal(c.priority, b.priority);
	assert_string_equal(c.node, b.node);
}

static void padding_is_ignored(void **state)
{
	struct beat b = sample(), c;
	uint8_t buf[BEAT_MAX + 10] = {0};
	size_t n = make(&b, buf);

	(void)state;
	assert_int_equal(beat_decode(buf, n + 10, &key, &c), BEAT_OK);
}

static void every_altered_bit_is_noticed(void **state)
{
	struct beat b = sample(), c;
	uint8_t buf[BEAT_MAX];
	size_t n = make(&b, buf);

	(void)state;
	for (size_t bit = 0; bit < n * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(beat_decode(buf, n, &key, &c), BEAT_OK);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(beat_decode(buf, n, &other, &c), BEAT_BAD_MAC);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_not_equal(beat_decode(buf, cut, &key, &c), BEAT_OK);
}

/* What an authentic but broken peer could send. */
static void fields_out_of_range(void **state)
{
	(void)state;
	for (int k = 0; k < 9; k++) {
		struct beat b = sample(), c = {.term = 99};
		uint8_t buf[BEAT_MAX];

		if (k == 0)
			b.kind = (enum beat_kind)9;
		else if (k == 1)
			b.role = (enum beat_role)9;
		else if (k == 2)
			b.flags = 0x80;
		else if (k == 3)
			b.term = UINT64_MAX;
		else if (k == 4)
			b.session = 0;
		else if (k == 5)
			b.priority = 0;
		else if (k == 6)
			memcpy(b.node, "a b", 4);
		else if (k == 7)
			b.node[0] = 0;
		else
			b.heartbeat_us = UINT32_MAX;
		assert_int_equal(beat_decode(buf, make(&b, buf), &key, &c), BEAT_BAD_FIELD);
		assert_int_equal(c.term, 99);
	}
}

static void random_bytes(void **state)
{
	unsigned r = 7;

	(void)state;
	for (int k = 0; k < 50000; k++) {
		r = r * 1664525U + 1013904223U;
		size_t n = (r >> 8) % BEAT_MAX;
		uint8_t *p = malloc(n + 1);
		struct beat c;

		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)((r = r * 1664525U + 1013904223U) >> 24);
		if (n > 10 && k & 1)
			memcpy(p, "GPVB\1\1\1\0\0\x70", 10);
		assert_int_not_equal(beat_decode(p, n, &key, &c), BEAT_OK);
		free(p);
	}
}

static enum beat_reason check(struct beat_guard *g, uint64_t session, uint64_t echo, uint64_t seq)
{
	struct beat b = {.session = session, .echo = echo, .sequence = seq};

	return beat_guard_check(g, &b);
}

static void guard(void **state)
{
	struct beat_guard g;

	(void)state;
	beat_guard_init(&g, 1);
	assert_int_equal(check(&g, 1, 1, 5), BEAT_OWN);
	assert_int_equal(check(&g, 2, 0, 1), BEAT_UNTRUSTED); /* it has not heard us */
	assert_int_equal(check(&g, 2, 9, 2), BEAT_UNTRUSTED); /* to our session before */
	assert_int_equal(g.peer_session, 0);
	assert_int_equal(check(&g, 2, 1, 3), BEAT_OK);
	assert_int_equal(check(&g, 2, 1, 3), BEAT_REPLAYED);
	assert_int_equal(check(&g, 2, 1, 10), BEAT_OK);
	assert_int_equal(check(&g, 2, 1, 9), BEAT_OK); /* overtaken on another path */
	assert_int_equal(check(&g, 2, 1, 9), BEAT_REPLAYED);
	assert_int_equal(check(&g, 2, 1, 10 + BEAT_WINDOW), BEAT_OK);
	assert_int_equal(check(&g, 2, 1, 10), BEAT_REPLAYED); /* too old to tell */
	assert_int_equal(check(&g, 2, 1, 11), BEAT_OK);
	assert_int_equal(check(&g, 2, 1, UINT64_MAX / 2), BEAT_OK);
	/* the peer restarts */
	assert_int_equal(check(&g, 3, 0, 1), BEAT_UNTRUSTED);
	assert_int_equal(g.peer_session, 2);
	assert_int_equal(check(&g, 3, 1, 2), BEAT_OK);
	assert_int_equal(check(&g, 2, 1, UINT64_MAX / 2 + 1), BEAT_REPLAYED);
	assert_int_equal(g.peer_session, 3);
}

static void window_forgets_nothing_inside(void **state)
{
	struct beat_guard g;

	(void)state;
	beat_guard_init(&g, 1);
	for (uint64_t s = 1; s <= 5000; s++) {
		assert_int_equal(check(&g, 2, 1, 3 * s), BEAT_OK);
		assert_int_equal(check(&g, 2, 1, 3 * s), BEAT_REPLAYED);
	}
	for (uint64_t s = 15000 - BEAT_WINDOW + 1; s <= 15000; s++)
		assert_int_equal(check(&g, 2, 1, s), s % 3 ? BEAT_OK : BEAT_REPLAYED);
}

static void announcements(void **state)
{
	struct announce a;
	usec_t now = 0;
	int sent = 0;

	(void)state;
	announce_init(&a);
	assert_false(announce_take(&a, now));
	announce_start(&a, now);
	for (; now <= 6 * USEC_PER_SEC; now += 1000)
		sent += announce_take(&a, now);
	assert_int_equal(sent, 5);
	assert_int_equal(a.due, USEC_NEVER);
	/* a storm of causes is one round per 50 ms */
	for (sent = 0; now < 7 * USEC_PER_SEC; now += 1000) {
		announce_start(&a, now);
		sent += announce_take(&a, now);
	}
	assert_in_range(sent, 10, 21);
	announce_start(&a, now + USEC_PER_SEC);
	announce_stop(&a);
	assert_false(announce_take(&a, now + 2 * USEC_PER_SEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(padding_is_ignored),
		cmocka_unit_test(every_altered_bit_is_noticed),
		cmocka_unit_test(fields_out_of_range),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(guard),
		cmocka_unit_test(window_forgets_nothing_inside),
		cmocka_unit_test(announcements),
	};
	static const uint8_t secrets[2][BEAT_KEY_LEN] = {"one", "two"};

	if (beat_key_set(&key, secrets[0]) < 0 || beat_key_set(&other, secrets[1]) < 0)
		return 1;
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	beat_key_clear(&key);
	beat_key_clear(&other);
	return r;
}
