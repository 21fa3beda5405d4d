/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd/shadow.c and syncd/marks.c: copies are held long enough and refreshed in time, destroyed
 * sessions are not brought back by a dump, vanished ones are noticed, marks tell what to sweep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "syncd/marks.h"
#include "syncd/shadow.h"

#define S USEC_PER_SEC

static const uint8_t hash_key[16] = {9};

static struct flow udp(uint16_t n, uint32_t timeout_s)
{
	struct flow f = {.key = {.family = AF_INET, .proto = IPPROTO_UDP, .sport = n, .dport = 53},
		.timeout_s = timeout_s};

	flow_mirror(&f.key, &f.reply);
	return f;
}

/* A session, its copy, and a scan every 2 s; what the copy said is checked every second. */
struct life {
	struct shadow *s;
	struct flow f;
	uint32_t whole_s, end_s, copy_end_s;
	unsigned sent;
};

static struct life begin_life(uint32_t whole_s)
{
	struct life l = {.s = shadow_new(100, hash_key), .f = udp(1, whole_s), .whole_s = whole_s};

	shadow_set_period(l.s, 2);
	shadow_seen(l.s, &l.f, 0);
	l.end_s = whole_s;
	l.copy_end_s = whole_s + shadow_slack_s(l.s, &l.f);
	return l;
}

static void second(struct life *l, uint32_t t, bool packet)
{
	if (packet)
		l->end_s = t + l->whole_s;
	l->f.timeout_s = l->end_s - t;
	if (t % 2 != 0)
		return;
	shadow_scan_begin(l->s, false);
	if (shadow_scan(l->s, &l->f, t * S)) {
		l->copy_end_s = l->end_s + shadow_slack_s(l->s, &l->f);
		l->sent++;
	}
	assert_int_equal(shadow_scan_end(l->s), 0);
}

/* One packet every 29 of 30 seconds: the copy never ends early, except in the first silence. */
static void outlives_silences(void **state)
{
	struct life l = begin_life(30);

	(void)state;
	for (uint32_t t = 1; t < 3600; t++) {
		second(&l, t, t % 29 == 0);
		if (t >= 30)
			assert_true(l.copy_end_s >= l.end_s);
		assert_true(l.copy_end_s <= t + 30 + 2 + 2 + 30 / 4);
	}
	shadow_free(l.s);
}

static void in_use_is_seldom_sent(void **state)
{
	struct life l = begin_life(120);

	(void)state;
	for (uint32_t t = 1; t < 3600; t++) {
		second(&l, t, true);
		assert_true(l.copy_end_s >= l.end_s);
	}
	assert_in_range(l.sent, 1, 3600 / (120 / 4));
	shadow_free(l.s);
}

/* What is no longer used ends when it should, late by the slack. */
static void silence_is_the_truth(void **state)
{
	struct life l = begin_life(120);
	unsigned sent;

	(void)state;
	for (uint32_t t = 1; t < 600; t++)
		second(&l, t, true);
	sent = l.sent;
	for (uint32_t t = 600; t < 700; t++) {
		second(&l, t, false);
		if (t > 610)
			assert_in_range(l.copy_end_s, l.end_s, l.end_s + 2 + 2 + 30 + 2);
	}
	assert_true(l.sent <= sent + 2);
	shadow_free(l.s);
}

static void long_timeouts_are_seldom_sent(void **state)
{
	struct life l = begin_life(432000);

	(void)state;
	for (uint32_t t = 1; t < 86400; t++) {
		second(&l, t, true);
		assert_true(l.copy_end_s >= l.end_s);
	}
	assert_in_range(l.sent, 1, 86400 / 300);
	/* Data under way: the kernel's short timeout is not for long. */
	l.f.timeout_s = 300;
	assert_true(l.f.timeout_s + shadow_slack_s(l.s, &l.f) >= SHADOW_QUIET_MAX_S);
	shadow_free(l.s);
}

static void events_beat_dumps(void **state)
{
	struct shadow *s = shadow_new(100, hash_key);
	struct flow f = udp(1, 30), g = udp(2, 30), h = udp(3, 30);

	(void)state;
	shadow_seen(s, &f, 0);
	shadow_scan_begin(s, true);
	shadow_gone(s, &f.key); /* known before */
	shadow_gone(s, &g.key); /* never heard of */
	shadow_seen(s, &h, 0);  /* newer than the dump */
	assert_false(shadow_scan(s, &f, 0));
	assert_false(shadow_scan(s, &g, 0));
	assert_false(shadow_scan(s, &h, 0));
	assert_int_equal(shadow_count(s), 1);
	assert_int_equal(shadow_scan_end(s), 0);
	assert_int_equal(shadow_count(s), 1);
	shadow_free(s);
}

static void vanished_are_noticed(void **state)
{
	struct shadow *s = shadow_new(100, hash_key);
	struct flow f = udp(1, 30), g = udp(2, 30);

	(void)state;
	shadow_seen(s, &f, 0);
	shadow_seen(s, &g, 0);
	for (int i = 0; i < 2; i++) {
		shadow_scan_begin(s, false);
		(void)shadow_scan(s, &g, 0);
		assert_int_equal(shadow_scan_end(s), (size_t)i);
	}
	assert_int_equal(shadow_count(s), 1);
	shadow_free(s);
}

/* Against a plain array: the table under growth, deletion and bounds. */
static void table_is_right(void **state)
{
	struct shadow *s = shadow_new(100000, hash_key);
	bool there[5000] = {false};
	size_t n = 0;

	(void)state;
	srandom(5);
	for (int i = 0; i < 200000; i++) {
		uint16_t k = (uint16_t)(random() % 5000);
		struct flow f = udp(k, 30);

		if (random() % 2) {
			shadow_seen(s, &f, 0);
			n += there[k] ? 0 : 1;
			there[k] = true;
		} else {
			shadow_gone(s, &f.key);
			n -= there[k] ? 1 : 0;
			there[k] = false;
		}
		assert_int_equal(shadow_count(s), n);
	}
	shadow_free(s);
}

static void marks(void **state)
{
	struct marks *m = marks_new(100000, hash_key);
	struct flow other = udp(7, 30);

	(void)state;
	for (uint16_t i = 0; i < 5000; i++) {
		struct flow f = udp(i, 30);

		assert_int_equal(marks_set(m, &f), 0);
	}
	for (uint16_t i = 0; i < 6000; i++) {
		struct flow f = udp(i, 30);

		assert_int_equal(marks_check(m, &f), i < 5000 ? MARK_NAMED : MARK_ABSENT);
	}
	other.reply.dport = 9999;
	assert_int_equal(marks_check(m, &other), MARK_DIFFERENT);
	marks_unset(m, &other.key);
	assert_int_equal(marks_check(m, &other), MARK_ABSENT);
	assert_int_equal(marks_count(m), 4999);
	marks_free(m);
}

static void bounded(void **state)
{
	struct marks *m = marks_new(100, hash_key);
	struct shadow *s = shadow_new(100, hash_key);
	int r = 0;

	(void)state;
	for (uint16_t i = 0; i < 2000; i++) {
		struct flow f = udp(i, 30);

		r = marks_set(m, &f);
		shadow_seen(s, &f, 0);
	}
	assert_true(r < 0);
	assert_true(shadow_count(s) < 1000);
	marks_free(m);
	shadow_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outlives_silences),
		cmocka_unit_test(in_use_is_seldom_sent),
		cmocka_unit_test(silence_is_the_truth),
		cmocka_unit_test(long_timeouts_are_seldom_sent),
		cmocka_unit_test(events_beat_dumps),
		cmocka_unit_test(vanished_are_noticed),
		cmocka_unit_test(table_is_right),
		cmocka_unit_test(marks),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
