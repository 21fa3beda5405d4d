/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timers on a real loop: order, disarming, the past, arming again from the callback, closing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/timer.h"

#define MS USEC_PER_MS

static struct {
	uv_loop_t loop;
	int fired, closed;
	usec_t at;
} t;

static void on_closed(struct timer *timer)
{
	(void)timer;
	t.closed++;
}

static void fire_once(struct timer *timer, usec_t now)
{
	assert_true(timer->due == USEC_NEVER);
	t.fired++;
	t.at = now;
	timer_close(timer, on_closed);
}

static void fire_five(struct timer *timer, usec_t now)
{
	if (++t.fired == 5)
		timer_close(timer, on_closed);
	else
		timer_set(timer, now + MS);
}

static int setup(void **state)
{
	(void)state;
	t.fired = t.closed = 0;
	return uv_loop_init(&t.loop);
}

static int teardown(void **state)
{
	(void)state;
	return uv_loop_close(&t.loop);
}

static void fires_when_due(void **state)
{
	struct timer a;
	usec_t start = clock_now_us();

	(void)state;
	assert_int_equal(timer_init(&a, &t.loop, fire_once, NULL), 0);
	timer_set(&a, start + 5500);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	assert_int_equal(t.fired, 1);
	assert_int_equal(t.closed, 1);
	assert_true(t.at - start >= 5500);
}

static void past_fires_at_once(void **state)
{
	const usec_t past[] = {0, -1, INT64_MIN, 1};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct timer a;

		assert_int_equal(timer_init(&a, &t.loop, fire_once, NULL), 0);
		timer_set(&a, past[i]);
		uv_run(&t.loop, UV_RUN_DEFAULT);
	}
	assert_int_equal(t.fired, 4);
}

static void arms_again(void **state)
{
	struct timer a;
	usec_t start = clock_now_us();

	(void)state;
	assert_int_equal(timer_init(&a, &t.loop, fire_five, NULL), 0);
	timer_set(&a, start + MS);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	assert_int_equal(t.fired, 5);
	assert_true(clock_now_us() - start >= 5 * MS);
}

/* Disarms `other`, which has expired in the same turn of the loop. */
static void fire_disarms_other(struct timer *timer, usec_t now)
{
	struct timer *other = timer->owner;

	(void)now;
	t.fired++;
	timer_set(other, USEC_NEVER);
	timer_close(other, on_closed);
	timer_close(timer, on_closed);
}

static void disarmed_does_not_fire(void **state)
{
	struct timer a, b;
	usec_t due = clock_now_us() + MS;

	(void)state;
	assert_int_equal(timer_init(&a, &t.loop, fire_disarms_other, &b), 0);
	assert_int_equal(timer_init(&b, &t.loop, fire_disarms_other, &a), 0);
	timer_set(&a, due);
	timer_set(&b, due);
	while (clock_now_us() < due + MS)
		;
	uv_run(&t.loop, UV_RUN_DEFAULT);
	assert_int_equal(t.fired, 1);
	assert_int_equal(t.closed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fires_when_due, setup, teardown),
		cmocka_unit_test_setup_teardown(past_fires_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(arms_again, setup, teardown),
		cmocka_unit_test_setup_teardown(disarmed_does_not_fire, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
