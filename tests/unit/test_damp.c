/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flap damping: free at first, then ever slower, told once, over by itself; bounded whatever comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "netcfgd/damp.h"

#define MS USEC_PER_MS

static struct damp d;

/* Somebody undoes every repair at once, until `end`; how often it was repaired. `told` counts. */
static unsigned fight(usec_t *now, usec_t end, uint64_t key, bool urgent, unsigned *told)
{
	unsigned repairs = 0;

	while (*now < end) {
		if (damp_may(&d, key, *now)) {
			*told += damp_done(&d, key, urgent, *now) != 0;
			repairs++;
		}
		*now += 5 * MS;
	}
	return repairs;
}

static void test_a_few_are_free(void **state)
{
	usec_t now = USEC_PER_SEC;

	(void)state;
	damp_init(&d);
	for (int i = 0; i < DAMP_FREE - 1; i++) {
		assert_true(damp_may(&d, 7, now));
		assert_int_equal(damp_done(&d, 7, false, now), 0);
		now += 5 * MS;
	}
	assert_int_equal(damp_due(&d, now), USEC_NEVER);
	assert_int_equal(damp_fights(&d, now), 0);
	/* As often as you like, if it is slow. */
	for (int i = 0; i < 100; i++) {
		now += USEC_PER_SEC;
		assert_true(damp_may(&d, 8, now));
		assert_int_equal(damp_done(&d, 8, false, now), 0);
	}
}

static void test_a_fight_slows_down(void **state)
{
	usec_t now = USEC_PER_SEC;
	unsigned told = 0, n;

	(void)state;
	damp_init(&d);
	n = fight(&now, 6 * USEC_PER_SEC, 7, false, &told);
	assert_int_equal(told, 1);
	assert_true(n > DAMP_FREE && n < DAMP_FREE + 10);
	assert_int_equal(damp_fights(&d, now), 1);
	/* Once a second from here on, never less. */
	n = fight(&now, now + 60 * USEC_PER_SEC, 7, false, &told);
	assert_in_range(n, 58, 61);
	assert_int_equal(told, 1);
	/* Others are not meant. */
	assert_true(damp_may(&d, 8, now));
	assert_true(damp_due(&d, now) <= now + DAMP_GAP_MAX);
}

static void test_urgent(void **state)
{
	usec_t now = USEC_PER_SEC;
	unsigned told = 0;

	(void)state;
	damp_init(&d);
	fight(&now, 3 * USEC_PER_SEC, 7, true, &told);
	assert_int_equal(told, 1);
	assert_in_range(fight(&now, now + USEC_PER_SEC, 7, true, &told), 19, 21);
}

static void test_recovers(void **state)
{
	usec_t now = USEC_PER_SEC;
	unsigned told = 0;

	(void)state;
	damp_init(&d);
	fight(&now, 10 * USEC_PER_SEC, 7, false, &told);
	now += DAMP_CALM;
	assert_int_equal(damp_fights(&d, now), 0);
	assert_int_equal(damp_due(&d, now), USEC_NEVER);
	for (int i = 0; i < DAMP_FREE - 1; i++) {
		assert_true(damp_may(&d, 7, now));
		assert_int_equal(damp_done(&d, 7, false, now), 0);
	}
	assert_int_equal(damp_done(&d, 7, false, now), DAMP_FREE);
}

static void test_bounded(void **state)
{
	usec_t now = USEC_PER_SEC;

	(void)state;
	damp_init(&d);
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		uint64_t key = (uint64_t)(random() % (2 * DAMP_OBJECTS));

		if (damp_may(&d, key, now)) {
			usec_t due;

			damp_done(&d, key, random() % 2, now);
			due = damp_due(&d, now);
			assert_true(due == USEC_NEVER || (due > now && due <= now + DAMP_GAP_MAX));
		}
		assert_true(d.n <= DAMP_OBJECTS);
		now += random() % (3 * MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_few_are_free),
		cmocka_unit_test(test_a_fight_slows_down),
		cmocka_unit_test(test_urgent),
		cmocka_unit_test(test_recovers),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
