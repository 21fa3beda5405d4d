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

/* What was sent, in the order in which it is read after a stall, and what comes of it. */
struct queued {
	enum lease_event_kind kind;
	uint64_t term;
	usec_t sent;
	enum lease_result want;
	enum lease_action action;
	usec_t until; /* afterwards; 0: not held */
};

/* Held under term 2 since 0, for 40 ms; all is read at 500 ms. */
static const struct stall {
	const char *name;
	struct queued q[6];
	bool survives; /* the timer that comes next finds nothing to do */
} stalls[] = {
	{"renewed all the time: slow was only the reader",
		{{LEASE_EV_RENEW, 2, 30 * MS, LEASE_RES_OK, LEASE_ACT_NONE, 70 * MS},
			{LEASE_EV_RENEW, 2, 60 * MS, LEASE_RES_OK, LEASE_ACT_NONE, 100 * MS},
			{LEASE_EV_RENEW, 2, 480 * MS, LEASE_RES_NOT_HELD, LEASE_ACT_DROP, 0}},
		false},
	{"step by step up to now",
		{{LEASE_EV_RENEW, 2, 39 * MS, LEASE_RES_OK, LEASE_ACT_NONE, 79 * MS},
			{LEASE_EV_RENEW, 3, 78 * MS, LEASE_RES_OK, LEASE_ACT_NONE, 118 * MS},
			{LEASE_EV_ACQUIRE, 4, 117 * MS, LEASE_RES_OK, LEASE_ACT_NONE, 157 * MS},
			{LEASE_EV_RENEW, 3, 118 * MS, LEASE_RES_STALE_TERM, LEASE_ACT_NONE,
				157 * MS},
			{LEASE_EV_QUERY, 0, 150 * MS, LEASE_RES_OK, LEASE_ACT_DROP, 0}},
		false},
	{"a gap longer than the lease",
		{{LEASE_EV_RENEW, 2, 40 * MS, LEASE_RES_NOT_HELD, LEASE_ACT_DROP, 0},
			{LEASE_EV_RENEW, 2, 490 * MS, LEASE_RES_NOT_HELD, LEASE_ACT_NONE, 0}},
		false},
	{"an acquisition that nobody believes in any more",
		{{LEASE_EV_RELEASE, 2, 10 * MS, LEASE_RES_OK, LEASE_ACT_DROP, 0},
			{LEASE_EV_ACQUIRE, 3, 460 * MS, LEASE_RES_NOT_HELD, LEASE_ACT_NONE, 0},
			{LEASE_EV_RENEW, 3, 470 * MS, LEASE_RES_NOT_HELD, LEASE_ACT_NONE, 0}},
		false},
	{"lapsed, and an old acquisition",
		{{LEASE_EV_ACQUIRE, 3, 460 * MS, LEASE_RES_NOT_HELD, LEASE_ACT_DROP, 0}}, false},
	{"lapsed, and a fresh acquisition",
		{{LEASE_EV_ACQUIRE, 3, 461 * MS, LEASE_RES_OK, LEASE_ACT_TAKE, 501 * MS}}, true},
	{"given up in time, read late",
		{{LEASE_EV_RENEW, 2, 30 * MS, LEASE_RES_OK, LEASE_ACT_NONE, 70 * MS},
			{LEASE_EV_RELEASE, 2, 40 * MS, LEASE_RES_OK, LEASE_ACT_DROP, 0}},
		false},
};

static void test_stalls(void **state)
{
	const usec_t now = 500 * MS;

	(void)state;
	for (size_t i = 0; i < sizeof(stalls) / sizeof(stalls[0]); i++) {
		const struct stall *s = &stalls[i];
		struct lease l = fresh();

		step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 0);
		for (const struct queued *q = s->q; q->sent; q++) {
			struct lease_event ev = {.kind = q->kind,
				.term = q->term,
				.ttl = 40 * MS,
				.age = now - q->sent};
			struct lease_out o = lease_step(&l, &ev, now);

			if (o.reply.result != q->want || o.action != q->action ||
				(l.held ? l.until : 0) != q->until)
				fail_msg("%s, sent at %lld: result %d action %d until %lld",
					s->name, (long long)q->sent, (int)o.reply.result,
					(int)o.action, (long long)l.until);
			assert_int_equal(o.reply.remaining > 0, l.held && l.until > now);
		}
		step(&l, LEASE_EV_TICK, 0, 0, now);
		assert_int_equal(l.held, s->survives);
	}
}

/* One turn of the loop for each end, so that nothing can put it off for ever. */
static void test_wait(void **state)
{
	struct lease_event renew = {
		.kind = LEASE_EV_RENEW, .term = 2, .ttl = 40 * MS, .age = 70 * MS};
	struct lease l = fresh();

	(void)state;
	assert_false(lease_wait(&l, 0));
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 0);
	assert_false(lease_wait(&l, 40 * MS - 1));
	assert_true(lease_wait(&l, 100 * MS));
	lease_step(&l, &renew, 100 * MS);
	assert_int_equal(l.until, 70 * MS);
	assert_true(lease_wait(&l, 100 * MS));
	assert_false(lease_wait(&l, 100 * MS));
	assert_true(lease_overdue(&l, 100 * MS));
}

/* The kernel's own lifetime of the addresses must not be renewed for a lease that is over. */
static void test_no_refresh_when_overdue(void **state)
{
	struct lease_event renew = {
		.kind = LEASE_EV_RENEW, .term = 2, .ttl = 40 * MS, .age = 1970 * MS};
	struct lease l = fresh();

	(void)state;
	step(&l, LEASE_EV_ACQUIRE, 2, 40 * MS, 0);
	assert_int_equal(lease_step(&l, &renew, 2000 * MS).action, LEASE_ACT_NONE);
	assert_int_equal(l.until, 70 * MS);
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
	bool request = ev->kind == LEASE_EV_ACQUIRE || ev->kind == LEASE_EV_RENEW;

	assert_true(l->newest >= before->newest);
	assert_true(!l->held || l->until <= now + LEASE_TTL_MAX);
	assert_int_equal(o->reply.held, l->held);
	/* What is held was asked for; what was held and is not was dropped. */
	if (l->held && !before->held)
		assert_true(o->action == LEASE_ACT_TAKE || ev->kind == LEASE_EV_ADOPT);
	if (!l->held && before->held)
		assert_int_equal(o->action, LEASE_ACT_DROP);
	/* Nothing is taken, and no lifetime renewed, for a lease that is over. */
	if (o->action == LEASE_ACT_TAKE)
		assert_true(ev->kind == LEASE_EV_ACQUIRE && ev->term >= before->newest);
	if (o->action == LEASE_ACT_TAKE || o->action == LEASE_ACT_REFRESH)
		assert_true(l->until > now);
	/* Only a request moves the end, none of an old term, and exactly to where it says. */
	if (l->held && before->held && l->until != before->until)
		assert_true(request && ev->term >= before->newest &&
			    l->until == now - ev->age + ev->ttl);
	/* Over when the request was sent, or now: only an acquisition begins anew. */
	if (before->held && now - (request ? ev->age : 0) >= before->until &&
		ev->kind != LEASE_EV_ACQUIRE && ev->kind != LEASE_EV_RELEASE)
		assert_false(l->held && ev->kind != LEASE_EV_ADOPT);
	if (ev->kind == LEASE_EV_TICK || ev->kind == LEASE_EV_QUERY)
		assert_true(!l->held || l->until > now);
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
				.ttl = random() % 50 * MS + 1,
				.age = random() % 3 ? 0 : random() % 60 * MS};
			struct lease_out o;

			if (random() % 50 == 0)
				ev.kind = LEASE_EV_STOP;
			now += random() % 20 * MS;
			ev.age = ev.age < now ? ev.age : now;
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
		cmocka_unit_test(test_stalls),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_no_refresh_when_overdue),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_ttl_is_bounded),
		cmocka_unit_test(test_random_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
