/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Supervision policy and two-phase reload: both are pure, so time is a number here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/supervisor/policy.h"
#include "common/supervisor/reload.h"

#define MS USEC_PER_MS
#define S  USEC_PER_SEC

/* Ticks as the supervisor does, until `until`; returns all actions seen. Stops at the first kill.
 */
static unsigned run(struct policy *p, usec_t *now, usec_t until, bool answers)
{
	unsigned seen = 0;

	while (supervisor_policy_due(p) <= until && !(seen & POLICY_KILL)) {
		unsigned actions;

		if (supervisor_policy_due(p) > *now)
			*now = supervisor_policy_due(p);
		actions = supervisor_policy_step(p, POLICY_EV_TICK, *now);
		if ((actions & POLICY_QUERY) && answers)
			supervisor_policy_step(p, POLICY_EV_ANSWERED, *now + MS);
		if (actions & POLICY_SPAWN)
			return seen | actions;
		seen |= actions;
	}
	if (!(seen & POLICY_KILL))
		*now = until;
	return seen;
}

static struct policy started(usec_t now, bool real_time)
{
	struct policy p;

	supervisor_policy_init(&p, real_time);
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_START, now), POLICY_SPAWN);
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_IS_READY, now + 5 * MS), 0);
	assert_int_equal(p.state, POLICY_READY);
	return p;
}

static void test_restart_at_once(void **state)
{
	struct policy p = started(100 * S, false);
	usec_t now = 101 * S;

	(void)state;
	for (int i = 0; i < 50; i++) {
		/* A death every 2 s is no loop: 5 in 10 s. */
		assert_int_equal(supervisor_policy_step(&p, POLICY_EV_EXITED, now), POLICY_SPAWN);
		assert_int_equal(supervisor_policy_step(&p, POLICY_EV_IS_READY, now + 5 * MS), 0);
		now += 2 * S;
	}
	assert_true(p.healthy);
	assert_int_equal(p.restarts, 50);
}

static void test_crash_loop(void **state)
{
	struct policy p = started(0, false);
	usec_t now = S, pause = S;

	(void)state;
	for (int i = 0; i < POLICY_CRASH_COUNT - 1; i++, now += 10 * MS)
		assert_int_equal(supervisor_policy_step(&p, POLICY_EV_EXITED, now), POLICY_SPAWN);
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_EXITED, now), POLICY_TELL_HEALTH);
	assert_false(p.healthy);
	assert_int_equal(p.state, POLICY_BACKOFF);
	assert_string_equal(supervisor_policy_state_to_str(&p), "backoff");
	for (int i = 0; i < 8; i++) {
		usec_t began = now;

		assert_int_equal(run(&p, &now, now + 100 * S, true), POLICY_SPAWN);
		assert_int_equal(now - began, pause);
		now += 10 * MS;
		assert_int_equal(supervisor_policy_step(&p, POLICY_EV_EXITED, now), 0);
		pause = pause * 2 > POLICY_BACKOFF_MAX ? POLICY_BACKOFF_MAX : pause * 2;
	}
	/* It recovers: healthy after 3 s, forgiven after 30 s. */
	assert_int_equal(run(&p, &now, now + 100 * S, true), POLICY_SPAWN);
	supervisor_policy_step(&p, POLICY_EV_IS_READY, now);
	assert_false(p.healthy);
	assert_int_equal(
		run(&p, &now, now + POLICY_HEALTHY_AFTER - 1, true) & POLICY_TELL_HEALTH, 0);
	assert_int_equal(run(&p, &now, now + 1, true) & POLICY_TELL_HEALTH, POLICY_TELL_HEALTH);
	assert_true(p.healthy);
	run(&p, &now, now + POLICY_STABLE_AFTER, true);
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_EXITED, now), POLICY_SPAWN);
}

static void test_hung(void **state)
{
	for (int real_time = 0; real_time < 2; real_time++) {
		struct policy p = started(0, real_time);
		usec_t now = 5 * MS, limit = real_time ? S : 3 * S;

		assert_int_equal(run(&p, &now, 60 * S, true), POLICY_QUERY);
		assert_int_equal(p.state, POLICY_READY);
		assert_true(run(&p, &now, now + 60 * S, false) & POLICY_KILL);
		assert_in_range(now - 60 * S, limit, limit + POLICY_QUERY_EVERY);
		assert_string_equal(supervisor_policy_state_to_str(&p), "hung");
		assert_int_equal(
			supervisor_policy_step(&p, POLICY_EV_EXITED, now + MS), POLICY_SPAWN);
	}
	(void)state;
}

/* Whoever starts has more time: the kernel may be loading modules for it. */
static void test_hung_at_the_start(void **state)
{
	struct policy p;
	usec_t now = 0;

	(void)state;
	supervisor_policy_init(&p, true);
	supervisor_policy_step(&p, POLICY_EV_START, now);
	while (p.state == POLICY_STARTING && now < 60 * S)
		supervisor_policy_step(&p, POLICY_EV_TICK, now = supervisor_policy_due(&p));
	assert_int_equal(p.state, POLICY_KILLED);
	assert_in_range(now, POLICY_HUNG_AFTER, POLICY_HUNG_AFTER + POLICY_QUERY_EVERY + S);
}

/* A paused machine: the supervisor slept as long as the daemon did. */
static void test_own_sleep(void **state)
{
	struct policy p = started(0, true);
	usec_t now = 5 * MS;

	(void)state;
	run(&p, &now, 10 * S + 100 * MS, true);
	supervisor_policy_step(&p, POLICY_EV_TICK, supervisor_policy_due(&p)); /* asked */
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_TICK, 100 * S), POLICY_QUERY);
	assert_int_equal(p.state, POLICY_READY);
	now = 100 * S;
	assert_true(run(&p, &now, 110 * S, false) & POLICY_KILL);
}

static void test_never_ready(void **state)
{
	struct policy p;
	usec_t now = 0;

	(void)state;
	supervisor_policy_init(&p, false);
	supervisor_policy_step(&p, POLICY_EV_START, now);
	assert_int_equal(run(&p, &now, POLICY_UNREADY_MAX - 1, true) & POLICY_TELL_HEALTH, 0);
	assert_int_equal(
		run(&p, &now, POLICY_UNREADY_MAX, true) & POLICY_TELL_HEALTH, POLICY_TELL_HEALTH);
	assert_false(p.healthy);
	assert_int_equal(p.state, POLICY_STARTING);
}

static void test_operator_restart(void **state)
{
	struct policy p = started(0, true);

	(void)state;
	for (int i = 0; i < 30; i++) {
		assert_int_equal(supervisor_policy_step(&p, POLICY_EV_RESTART, S + i), POLICY_KILL);
		assert_int_equal(supervisor_policy_step(&p, POLICY_EV_RESTART, S + i), 0);
		assert_int_equal(supervisor_policy_step(&p, POLICY_EV_EXITED, S + i), POLICY_SPAWN);
		supervisor_policy_step(&p, POLICY_EV_IS_READY, S + i);
	}
	assert_true(p.healthy);
}

static void test_stop(void **state)
{
	struct policy p = started(0, true);
	usec_t now = S;

	(void)state;
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_STOP, now), POLICY_ASK_STOP);
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_STOP, now), 0);
	assert_int_equal(run(&p, &now, 100 * S, true), POLICY_KILL);
	assert_int_equal(now, S + POLICY_STOP_MAX);
	assert_int_equal(supervisor_policy_step(&p, POLICY_EV_EXITED, now), 0);
	assert_int_equal(p.state, POLICY_STOPPED);
	assert_int_equal(supervisor_policy_due(&p), USEC_NEVER);
}

static void test_reload(void **state)
{
	struct reload r = {0};

	(void)state;
	/* All agree. */
	assert_int_equal(reload_begin(&r, 2, 7, 0), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 0, 1), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 0, 1), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 1, 1), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 2, 1), RELOAD_COMMIT);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 1, 2), RELOAD_NOTHING);
	/* Died after the decision: it starts on the new one. */
	assert_int_equal(reload_step(&r, RELOAD_EV_DIED, 0, 2), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 2, 2), RELOAD_DONE);
	/* One refuses, one dies, one is silent. */
	reload_begin(&r, 3, 3, 10);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 5, 11), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_REFUSED, 1, 11), RELOAD_ABORT);
	assert_int_equal(r.culprits, 2);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 0, 12), RELOAD_NOTHING);
	reload_begin(&r, 4, 3, 20);
	assert_int_equal(reload_step(&r, RELOAD_EV_DIED, 0, 21), RELOAD_ABORT);
	reload_begin(&r, 5, 3, 30);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 0, 31), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_TICK, 0, 31), RELOAD_NOTHING);
	assert_int_equal(reload_step(&r, RELOAD_EV_TICK, 0, 30 + RELOAD_PREPARE_MAX), RELOAD_ABORT);
	assert_int_equal(r.culprits, 2);
	/* Decided, but not confirmed. */
	reload_begin(&r, 6, 1, 0);
	assert_int_equal(reload_step(&r, RELOAD_EV_ACK, 0, 0), RELOAD_COMMIT);
	assert_int_equal(reload_step(&r, RELOAD_EV_TICK, 0, RELOAD_COMMIT_MAX), RELOAD_LATE);
	/* Nobody to ask. */
	assert_int_equal(reload_begin(&r, 7, 0, 0), RELOAD_COMMIT);
	assert_int_equal(reload_step(&r, RELOAD_EV_TICK, 0, 0), RELOAD_DONE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart_at_once),
		cmocka_unit_test(test_crash_loop),
		cmocka_unit_test(test_hung),
		cmocka_unit_test(test_hung_at_the_start),
		cmocka_unit_test(test_own_sleep),
		cmocka_unit_test(test_never_ready),
		cmocka_unit_test(test_operator_restart),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
