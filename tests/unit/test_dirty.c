/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd/dirty.c: order, merging, acknowledgement, bounds, marks; and a random walk against a model
 * of a peer that applies what it is sent: nothing is ever lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "syncd/dirty.h"

static const uint8_t hash_key[16] = {1, 2, 3};

static struct flow flow_n(uint16_t n, uint32_t mark)
{
	struct flow f = {.key = {.family = AF_INET, .proto = IPPROTO_UDP, .sport = n, .dport = 53},
		.mark = mark};

	flow_mirror(&f.key, &f.reply);
	return f;
}

static void put(struct dirty *d, enum dirty_op op, uint16_t n, uint32_t mark, usec_t now)
{
	struct flow f = flow_n(n, mark);

	assert_int_equal(dirty_put(d, op, &f, now), 0);
}

static void expect_pop(struct dirty *d, uint64_t seq, enum dirty_op op, uint16_t n, uint32_t mark)
{
	enum dirty_op got;
	struct flow f;

	assert_true(dirty_pop(d, seq, &got, &f));
	assert_int_equal(got, op);
	assert_int_equal(f.key.sport, n);
	assert_int_equal(f.mark, mark);
}

static void order_and_collapse(void **state)
{
	struct dirty *d = dirty_new(10, hash_key);
	enum dirty_op op;
	struct flow f;

	(void)state;
	put(d, DIRTY_CREATE, 1, 1, 0);
	put(d, DIRTY_UPDATE, 2, 1, 0);
	put(d, DIRTY_UPDATE, 1, 2, 0); /* keeps its place, and that it is new */
	assert_int_equal(dirty_waiting(d), 2);
	expect_pop(d, 1, DIRTY_CREATE, 1, 2);
	expect_pop(d, 1, DIRTY_UPDATE, 2, 1);
	assert_false(dirty_pop(d, 1, &op, &f));
	assert_int_equal(dirty_count(d), 2);
	assert_int_equal(dirty_ack(d, 1), 2);
	assert_int_equal(dirty_count(d), 0);
	dirty_free(d);
}

static void merges(void **state)
{
	struct dirty *d = dirty_new(10, hash_key);

	(void)state;
	put(d, DIRTY_CREATE, 1, 1, 0); /* came and went unheard */
	put(d, DIRTY_DELETE, 1, 1, 0);
	assert_int_equal(dirty_count(d), 0);
	put(d, DIRTY_UPDATE, 2, 1, 0);
	put(d, DIRTY_DELETE, 2, 1, 0);
	put(d, DIRTY_CREATE, 2, 2, 0); /* another one of the same name */
	put(d, DIRTY_UPDATE, 2, 3, 0);
	expect_pop(d, 1, DIRTY_REPLACE, 2, 3);
	put(d, DIRTY_UPDATE, 2, 4, 0); /* in flight: an update of it */
	expect_pop(d, 2, DIRTY_UPDATE, 2, 4);
	put(d, DIRTY_DELETE, 2, 4, 0);
	expect_pop(d, 3, DIRTY_DELETE, 2, 4);
	put(d, DIRTY_CREATE, 2, 5, 0);
	expect_pop(d, 4, DIRTY_CREATE, 2, 5);
	dirty_free(d);
}

static void changed_in_flight(void **state)
{
	struct dirty *d = dirty_new(10, hash_key);

	(void)state;
	put(d, DIRTY_UPDATE, 1, 1, 0);
	expect_pop(d, 1, DIRTY_UPDATE, 1, 1);
	put(d, DIRTY_UPDATE, 1, 2, 5);
	assert_int_equal(dirty_ack(d, 1), 0); /* the ack is for the older state */
	assert_int_equal(dirty_lag(d, 9), 4);
	expect_pop(d, 2, DIRTY_UPDATE, 1, 2);
	assert_int_equal(dirty_ack(d, 2), 1);
	assert_int_equal(dirty_lag(d, 9), 0);
	dirty_free(d);
}

static void bounded(void **state)
{
	struct dirty *d = dirty_new(2, hash_key);
	struct flow f = flow_n(3, 0);

	(void)state;
	put(d, DIRTY_UPDATE, 1, 0, 0);
	put(d, DIRTY_UPDATE, 2, 0, 0);
	assert_int_equal(dirty_put(d, DIRTY_UPDATE, &f, 0), -ENOSPC);
	put(d, DIRTY_UPDATE, 1, 9, 0); /* what it holds can still change */
	dirty_clear(d);
	assert_int_equal(dirty_count(d), 0);
	assert_int_equal(dirty_put(d, DIRTY_UPDATE, &f, 0), 0);
	dirty_free(d);
}

static void marks(void **state)
{
	struct dirty *d = dirty_new(10, hash_key);
	uint64_t mark, seq = 0;

	(void)state;
	put(d, DIRTY_UPDATE, 1, 0, 0);
	put(d, DIRTY_UPDATE, 2, 0, 0);
	mark = dirty_mark(d);
	put(d, DIRTY_UPDATE, 3, 0, 0);
	expect_pop(d, 7, DIRTY_UPDATE, 1, 0);
	assert_false(dirty_mark_sent(d, mark, &seq));
	expect_pop(d, 8, DIRTY_UPDATE, 2, 0);
	assert_true(dirty_mark_sent(d, mark, &seq));
	assert_int_equal(seq, 8);
	dirty_free(d);
}

/* Sessions of the kernel and of the peer, by number: 0 is none, else the state. */
#define SESSIONS 40

static void nothing_is_lost(void **state)
{
	uint32_t kernel[SESSIONS] = {0}, peer[SESSIONS] = {0};
	struct dirty *d = dirty_new(SESSIONS, hash_key);
	uint64_t seq = 0, acked = 0;
	enum dirty_op op;
	struct flow f;

	(void)state;
	srandom(7);
	for (uint32_t i = 1; i < 200000; i++) {
		uint16_t n = (uint16_t)(random() % SESSIONS);

		if (kernel[n] != 0 && random() % 3 == 0) {
			kernel[n] = 0;
			put(d, DIRTY_DELETE, n, 0, i);
		} else {
			put(d, kernel[n] == 0 ? DIRTY_CREATE : DIRTY_UPDATE, n, i, i);
			kernel[n] = i;
		}
		if (random() % 8 == 0) {
			seq++;
			for (long k = random() % 6; k > 0 && dirty_pop(d, seq, &op, &f); k--)
				peer[f.key.sport] = op == DIRTY_DELETE ? 0 : f.mark;
		}
		if (random() % 16 == 0) {
			acked += seq > acked ? (uint64_t)random() % (seq - acked + 1) : 0;
			(void)dirty_ack(d, acked);
		}
	}
	seq++;
	while (dirty_pop(d, seq, &op, &f))
		peer[f.key.sport] = op == DIRTY_DELETE ? 0 : f.mark;
	assert_memory_equal(kernel, peer, sizeof(kernel));
	(void)dirty_ack(d, seq);
	assert_int_equal(dirty_count(d), 0);
	dirty_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_and_collapse),
		cmocka_unit_test(merges),
		cmocka_unit_test(changed_in_flight),
		cmocka_unit_test(bounded),
		cmocka_unit_test(marks),
		cmocka_unit_test(nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
