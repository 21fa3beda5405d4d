/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address lease: every verb in every state, and random runs against a plain restatement of the
 * rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "netcfgd/lease.h"

#define MS USEC_PER_MS

static struct lease_out step(
	struct lease *l, enum lease_event_kind kind, uint64_t term, usec_t ttl, usec_t now)
{
	struct lease_event ev = {.kind = kind, .term = term, .ttl = ttl};

	return lease_step(l, &ev, now);
}

static struct lease fresh(void)
{
	struct lease l;

	lease_init(&l);
	return l;
}

static void test_acquire_and_renew(void **state)
{
	struct lease l = fresh();
	struct lease_out o = step(&l, LEASE_EV_QUERY, 0, 0, 0);

	(void)state;
	assert_false(o.reply.held);
	assert_int_equal(o.reply.term, 0);
	assert_int_equal(lease_due(&l), USEC_NEVER);
	o = step(&l, LEASE_EV_ACQUIRE, 3, 40 * MS, 1000);
	assert_int_equal(o.action, LEASE_ACT_TAKE);
	assert_int_equal(o.reply.result, LEASE_RES_OK);
	assert_true(o.reply.held);
	assert_int_equal(o.reply.term, 3);
	assert_int_equal(o.reply.remaining, 40 * MS);
	assert_int_equal(lease_due(&l), 1000 + 40 * MS);
	o = step(&l, LEASE_EV_RENEW, 3, 40 * MS, 1000 + 10 * MS);
	assert_int_equal(o.action, LEASE_ACT_NONE);
	assert_int_equal(lease_due(&l), 1000 + 50 * MS);
	/* Again: the answer promises the addresses. */
	o = step(&l, LEASE_EV_ACQUIRE, 3, 40 * MS, 1000 + 20 * MS);
	assert_int_equal(o.action, LEASE_ACT_TAKE);
}

static void test_lapse(void **state)
{
	struct lease l = fresh();
	struct lease_out o;

	(void)state;
	step(&l, LEASE_EV_ACQUIRE, 3, 40 * MS, 0);
	o = step(&l, LEASE_EV_TICK, 0, 0, 40 * MS - 1);
	assert_int_equal(o.action, LEASE_ACT_NONE);
	o = step(&l, LEASE_EV_TICK, 0, 0, 40 * MS);
	assert_int_equal(o.action, LEASE_ACT_DROP);
	assert_false(l.held);
	assert_int_equal(l.lapses, 1);
	o = step(&l, LEASE_EV_RENEW, 3, 40 * MS, 41 * MS);
	assert_int_equal(o.reply.result, LEASE_RES_NOT_HELD);
	assert_int_equal(o.reply.term, 3);
	/* The same term may take it again: nobody else did. */
	o = step(&l, LEASE_EV_ACQUIRE, 3, 40 * MS, 42 * MS);
	assert_int_equal(o.action, LEASE_ACT_TAKE);
	/* A renewal that comes too late, before the timer: over is over. */
	o = step(&l, LEASE_EV_RENEW, 3, 40 * MS, 82 * MS);
	assert_int_equal(o.action, LEASE_ACT_DROP);
	assert_int_equal(o.reply.result, LEASE_RES_NOT_HELD);
	assert_int_equal(l.lapses, 2);
}

static void test_terms(void **state)
{
	struct lease l = fresh();
	struct lease_out o;

	(void)state;
	step(&l, LEASE_EV_ACQUIRE, 5, 40 * MS, 0);
	o = step(&l, LEASE_EV_RENEW, 4, 40 * MS, 1);
	assert_int_equal(o.reply.result, LEASE_RES_STALE_TERM);
	assert_int_equal(o.reply.term, 5);
	o = step(&l, LEASE_EV_RELEASE, 4, 0, 1);
	assert_int_equal(o.reply.result, LEASE_RES_STALE_TERM);
	assert_true(l.held);
	o = step(&l, LEASE_EV_RENEW, 7, 40 * MS, 1);
	assert_int_equal(o.reply.result, LEASE_RES_OK);
	assert_int_equal(o.reply.term, 7);
	o = step(&l, LEASE_EV_RELEASE, 8, 0, 2);
	assert_int_equal(o.reply.result, LEASE_RES_OK);
	assert_int_equal(o.action, LEASE_ACT_DROP);
	o = step(&l, LEASE_EV_RELEASE, 8, 0, 3);
	assert_int_equal(o.reply.result, LEASE_RES_OK);
	assert_int_equal(o.action, LEASE_ACT_NONE);
	o = step(&l, LEASE_EV_ACQUIRE, 7, 40 * MS, 4);
	assert_int_equal(o.reply.result, LEASE_RES_STALE_TERM);
	assert_int_equal(o.reply.term, 8);
	o = step(&l, LEASE_EV_ACQUIRE, 0, 40 * MS, 4);
	assert_int_equal(o.reply.result, LEASE_RES_STALE_TERM);
}

static void test_adopted(void **state)
{
	struct lease l = fresh();
	struct lease_out o = step(&l, LEASE_EV_ADOPT, 0, 0, 0);

	(void)state;
	/* Nothing that is right in the kernel is touched. */
	assert_int_equal(o.action, LEASE_ACT_NONE);
	assert_true(o.reply.held && o.reply.adopted);
	assert_int_equal(o.reply.term, 0);
	assert_int_equal(o.reply.remaining, LEASE_ADOPT_TTL);
	o = step(&l, LEASE_EV_TICK, 0, 0, 0);
	assert_int_equal(o.action, LEASE_ACT_REFRESH);
	o = step(&l, LEASE_EV_RENEW, 9, 40 * MS, 20 * MS);
	assert_int_equal(o.reply.result, LEASE_RES_OK);
	assert_false(o.reply.adopted);
	assert_int_equal(o.reply.term, 9);
	/* Once only. */
	o = step(&l, LEASE_EV_ADOPT, 0, 0, 21 * MS);
	assert_false(l.adopted);

	l = fresh();
	step(&l, LEASE_EV_ADOPT, 0, 0, 0);
	o = step(&l, LEASE_EV_TICK, 0, 0, LEASE_ADOPT_TTL);
	assert_int_equal(o.action, LEASE_ACT_DROP);
}

static void test_failures_and_stop(void **state)
{
	struct lease l = fresh();
	struct lease_out o;

	(void)state;
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 0);
	o = step(&l, LEASE_EV_TAKE_FAILED, 0, 0, 1);
	assert_int_equal(o.reply.result, LEASE_RES_FAILED);
	assert_int_equal(o.action, LEASE_ACT_DROP);
	assert_false(o.reply.held);
	o = step(&l, LEASE_EV_STOP, 0, 0, 2);
	assert_int_equal(o.action, LEASE_ACT_NONE);
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 3);
	o = step(&l, LEASE_EV_STOP, 0, 0, 4);
	assert_int_equal(o.action, LEASE_ACT_DROP);
}

/* A kernel that was slow to take the addresses must not cost the lease. */
static void test_slow_take(void **state)
{
	struct lease l = fresh();
	struct lease_out o;

	(void)state;
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 0);
	o = step(&l, LEASE_EV_TAKEN, 0, 0, 39 * MS);
	assert_int_equal(o.action, LEASE_ACT_NONE);
	assert_int_equal(o.reply.remaining, 40 * MS);
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 50 * MS);
	step(&l, LEASE_EV_TAKEN, 0, 0, 95 * MS);
	assert_true(l.held);
	assert_int_equal(l.until, 135 * MS);
	/* But there is an end to it. */
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 100 * MS);
	step(&l, LEASE_EV_TAKEN, 0, 0, 1900 * MS);
	o = step(&l, LEASE_EV_TICK, 0, 0, 1900 * MS);
	assert_int_equal(o.action, LEASE_ACT_DROP);
	assert_int_equal(l.lapses, 1);
	/* Not held: nothing to prolong. */
	o = step(&l, LEASE_EV_TAKEN, 0, 0, 1901 * MS);
	assert_false(o.reply.held);
}

static void test_refresh(void **state)
{
	struct lease l = fresh();
	unsigned refreshes = 0;

	(void)state;
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 0);
	for (usec_t now = 10 * MS; now <= 10 * USEC_PER_SEC; now += 10 * MS)
		refreshes += step(&l, LEASE_EV_RENEW, 2, 40 * MS, now).action == LEASE_ACT_REFRESH;
	assert_int_equal(refreshes, 10);
	/* A long lease is refreshed by the timer alone. */
	step(&l, LEASE_EV_RENEW, 2, 60 * USEC_PER_SEC, 10 * USEC_PER_SEC + 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(
			step(&l, LEASE_EV_TICK, 0, 0, lease_due(&l)).action, LEASE_ACT_REFRESH);
	assert_true(l.held);
}

static void test_ttl_is_bounded(void **state)
{
	struct lease l = fresh();

	(void)state;
	step(&l, LEASE_EV_ACQUIRE, 1, INT64_MAX, 5);
	assert_int_equal(l.until, 5 + LEASE_TTL_MAX);
}

/* What holds after any step of any run. */
static void check_step(const struct lease *before, const struct lease *l,
	const struct lease_event *ev, const struct lease_out *o, usec_t now)
{
	assert_true(l->newest >= before->newest);
	assert_true(!l->held || l->until > now);
	assert_true(!l->held || l->until <= now + LEASE_TTL_MAX);
	assert_int_equal(o->reply.held, l->held);
	/* What is held was asked for; what was held and is not was dropped. */
	if (l->held && !before->held)
		assert_true(o->action == LEASE_ACT_TAKE || ev->kind == LEASE_EV_ADOPT);
	if (!l->held && before->held)
		assert_int_equal(o->action, LEASE_ACT_DROP);
	if (o->action == LEASE_ACT_TAKE)
		assert_true(ev->kind == LEASE_EV_ACQUIRE && ev->term >= before->newest);
	/* Only a request extends it, and none of an old term. */
	if (l->held && before->held && l->until > before->until)
		assert_true((ev->kind == LEASE_EV_ACQUIRE || ev->kind == LEASE_EV_RENEW) &&
			    ev->term >= before->newest);
	if (before->held && now >= before->until && ev->kind != LEASE_EV_ACQUIRE)
		assert_false(l->held && ev->kind != LEASE_EV_ADOPT);
}

static void test_random_runs(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct lease l = fresh();
		usec_t now = 0;

		srandom(seed);
		for (int i = 0; i < 500; i++) {
			struct lease before = l;
			struct lease_event ev = {.kind = (enum lease_event_kind)(random() % 6),
				.term = (uint64_t)(random() % 6),
				.ttl = random() % 50 * MS + 1};
			struct lease_out o;

			if (random() % 50 == 0)
				ev.kind = LEASE_EV_STOP;
			now += random() % 20 * MS;
			o = lease_step(&l, &ev, now);
			check_step(&before, &l, &ev, &o, now);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acquire_and_renew),
		cmocka_unit_test(test_lapse),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_failures_and_stop),
		cmocka_unit_test(test_slow_take),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_ttl_is_bounded),
		cmocka_unit_test(test_random_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
