/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd/replica.c: two cores joined by an in-order link, and single steps: full sync, takeover,
 * hand-over, split and heal, old terms, overruns, honest "in sync".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "syncd/replica.h"

static struct replica_actions step(struct replica *r, usec_t now, struct replica_event ev)
{
	struct replica_actions out;

	replica_step(r, &ev, now, &out);
	assert_true(out.n < REPLICA_ACTIONS_MAX - 1);
	return out;
}

static const struct replica_action *find(
	const struct replica_actions *a, enum replica_action_type t)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].type == t)
			return &a->v[i];
	return NULL;
}

#define STEP(r, now, ...) step(r, now, (struct replica_event){.type = __VA_ARGS__})

/* An Active of term `term` whose Standby is in sync. */
static struct replica active_in_sync(uint64_t term)
{
	struct replica_actions a;
	struct replica r;

	replica_init(&r, 0);
	STEP(&r, 0, REPLICA_EV_PROMOTE, .term = term);
	a = STEP(&r, 0, REPLICA_EV_LINK_UP, .role = REPLICA_STANDBY, .term = term);
	assert_non_null(find(&a, REPLICA_DO_EVENTS_ON));
	assert_non_null(find(&a, REPLICA_DO_SEND_SYNC_BEGIN));
	assert_non_null(find(&a, REPLICA_DO_DUMP));
	assert_false(replica_in_sync(&r));
	a = STEP(&r, 1, REPLICA_EV_DUMP_SENT, .id = r.sync_id);
	assert_non_null(find(&a, REPLICA_DO_SEND_SYNC_END));
	a = STEP(&r, 2, REPLICA_EV_SYNC_DONE, .id = r.sync_id);
	assert_non_null(find(&a, REPLICA_DO_NOTIFY));
	assert_true(replica_in_sync(&r));
	return r;
}

static struct replica standby_in_sync(uint64_t term)
{
	struct replica_actions a;
	struct replica r;

	replica_init(&r, 0);
	STEP(&r, 0, REPLICA_EV_DEMOTE, .term = term);
	STEP(&r, 0, REPLICA_EV_LINK_UP, .role = REPLICA_ACTIVE, .term = term);
	a = STEP(&r, 0, REPLICA_EV_SYNC_BEGIN, .term = term, .id = 4, .sync = REPLICA_SYNC_FULL);
	assert_non_null(find(&a, REPLICA_DO_MARK));
	a = STEP(&r, 0, REPLICA_EV_BATCH, .term = term, .seq = 1);
	assert_int_equal(a.v[0].type, REPLICA_DO_APPLY);
	assert_int_equal(a.v[1].type, REPLICA_DO_SEND_ACK);
	assert_false(replica_in_sync(&r));
	a = STEP(&r, 0, REPLICA_EV_SYNC_END, .term = term, .id = 4);
	assert_non_null(find(&a, REPLICA_DO_SWEEP));
	assert_false(replica_in_sync(&r));
	a = STEP(&r, 0, REPLICA_EV_SWEPT, .id = 4);
	assert_non_null(find(&a, REPLICA_DO_SEND_SYNC_DONE));
	assert_true(replica_in_sync(&r));
	return r;
}

static void full_sync(void **state)
{
	(void)state;
	active_in_sync(3);
	standby_in_sync(3);
}

static void no_role_no_replication(void **state)
{
	struct replica_actions a;
	struct replica r;

	(void)state;
	replica_init(&r, 0);
	STEP(&r, 0, REPLICA_EV_LINK_UP, .role = REPLICA_ACTIVE, .term = 1);
	a = STEP(&r, 0, REPLICA_EV_BATCH, .term = 1, .seq = 1);
	assert_non_null(find(&a, REPLICA_DO_REFUSE));
	assert_int_equal(r.refused[REPLICA_REFUSED_NO_ROLE], 1);
	assert_string_not_equal(replica_reason(&r), "");
}

static void takeover(void **state)
{
	struct replica r = standby_in_sync(3);
	struct replica_actions a = STEP(&r, 9, REPLICA_EV_PROMOTE, .term = 4);

	(void)state;
	assert_null(find(&a, REPLICA_DO_EVENTS_ON)); /* nothing that grows with the table */
	assert_null(find(&a, REPLICA_DO_DUMP));
	a = STEP(&r, 9, REPLICA_EV_BATCH, .term = 3, .seq = 2);
	assert_non_null(find(&a, REPLICA_DO_REFUSE));
	assert_int_equal(r.refused[REPLICA_REFUSED_OLD_TERM], 1);
	a = STEP(&r, 9, REPLICA_EV_STATE, .role = REPLICA_STANDBY, .term = 4);
	assert_non_null(find(&a, REPLICA_DO_DUMP));
}

static void handover(void **state)
{
	struct replica b = standby_in_sync(3), a = active_in_sync(3);
	struct replica_actions out = STEP(&b, 9, REPLICA_EV_PROMOTE, .term = 4, .handover = true);
	const struct replica_action *st = find(&out, REPLICA_DO_SEND_STATE);
	uint64_t term;

	(void)state;
	assert_true(st != NULL && st->handover);
	STEP(&a, 9, REPLICA_EV_STATE, .role = REPLICA_ACTIVE, .term = 4, .handover = true);
	assert_true(replica_may_send(&a, &term));
	out = STEP(&b, 9, REPLICA_EV_BATCH, .term = 3, .seq = 2);
	assert_non_null(find(&out, REPLICA_DO_APPLY));
	out = STEP(&a, 9, REPLICA_EV_DEMOTE, .term = 4);
	assert_null(find(&out, REPLICA_DO_DRAIN)); /* the last packets' events are still to come */
	assert_null(find(&out, REPLICA_DO_SEND_STATE));
	assert_int_equal(replica_deadline(&a), 9 + REPLICA_DRAIN_GRACE);
	out = STEP(&a, 9 + REPLICA_DRAIN_GRACE, REPLICA_EV_TICK);
	assert_non_null(find(&out, REPLICA_DO_DRAIN));
	assert_true(replica_may_send(&a, &term));
	assert_int_equal(term, 3);
	out = STEP(&a, 9, REPLICA_EV_DRAINED);
	assert_int_equal(out.v[0].type, REPLICA_DO_SEND_TERM_END);
	assert_non_null(find(&out, REPLICA_DO_SEND_STATE));
	assert_false(replica_may_send(&a, &term));
	STEP(&b, 9, REPLICA_EV_TERM_END, .term = 3);
	out = STEP(&b, 9, REPLICA_EV_BATCH, .term = 3, .seq = 3);
	assert_non_null(find(&out, REPLICA_DO_REFUSE));
	out = STEP(&b, 9, REPLICA_EV_STATE, .role = REPLICA_STANDBY, .term = 4);
	assert_non_null(find(&out, REPLICA_DO_SEND_SYNC_BEGIN));
}

static void handover_ends_by_itself(void **state)
{
	struct replica b = standby_in_sync(3);
	struct replica_actions out;

	(void)state;
	STEP(&b, 10, REPLICA_EV_PROMOTE, .term = 4, .handover = true);
	STEP(&b, 10, REPLICA_EV_TICK);
	assert_int_equal(replica_deadline(&b), 10 + REPLICA_HANDOVER_MAX);
	out = STEP(&b, 10 + REPLICA_HANDOVER_MAX, REPLICA_EV_TICK);
	assert_non_null(find(&out, REPLICA_DO_SEND_STATE));
	out = STEP(&b, 10 + REPLICA_HANDOVER_MAX, REPLICA_EV_BATCH, .term = 3, .seq = 2);
	assert_non_null(find(&out, REPLICA_DO_REFUSE));
}

static void split_and_heal(void **state)
{
	struct replica a = active_in_sync(3);
	struct replica_actions out;
	uint64_t term;

	(void)state;
	out = STEP(&a, 5, REPLICA_EV_STATE, .role = REPLICA_ACTIVE, .term = 4);
	assert_non_null(find(&out, REPLICA_DO_EVENTS_OFF));
	assert_false(replica_may_send(&a, &term));
	assert_false(replica_in_sync(&a));
	out = STEP(&a, 6, REPLICA_EV_DEMOTE, .term = 4); /* the loser */
	assert_non_null(find(&out, REPLICA_DO_SEND_STATE));
	out = STEP(&a, 7, REPLICA_EV_SYNC_BEGIN, .term = 4, .id = 1, .sync = REPLICA_SYNC_FULL);
	assert_non_null(find(&out, REPLICA_DO_MARK));
}

static void terms_that_disagree(void **state)
{
	struct replica s = standby_in_sync(3), a = active_in_sync(3);
	struct replica_actions out;
	uint64_t term;

	(void)state;
	STEP(&s, 5, REPLICA_EV_DEMOTE, .term = 9);
	assert_false(replica_in_sync(&s));
	out = STEP(&a, 5, REPLICA_EV_STATE, .role = REPLICA_STANDBY, .term = 9);
	assert_false(replica_may_send(&a, &term));
	assert_false(replica_in_sync(&a));
	out = STEP(&a, 6, REPLICA_EV_PROMOTE, .term = 10);
	assert_non_null(find(&out, REPLICA_DO_DUMP));
}

static void overrun(void **state)
{
	struct replica a = active_in_sync(3), s = standby_in_sync(3);
	struct replica_actions out = STEP(&a, 100, REPLICA_EV_OVERRUN);
	uint64_t id = a.sync_id;

	(void)state;
	/* Told at once, dumped paced. */
	assert_non_null(find(&out, REPLICA_DO_SEND_SYNC_BEGIN));
	assert_false(replica_in_sync(&a));
	STEP(&s, 100, REPLICA_EV_SYNC_BEGIN, .term = 3, .id = 9, .sync = REPLICA_SYNC_FULL);
	assert_false(replica_in_sync(&s));
	out = STEP(&a, replica_deadline(&a), REPLICA_EV_TICK);
	assert_non_null(find(&out, REPLICA_DO_DUMP));
	/* Once more in the middle of it: the marks made so far are worth nothing. */
	STEP(&a, REPLICA_REPAIR_GAP + 1, REPLICA_EV_OVERRUN);
	out = STEP(&a, REPLICA_REPAIR_GAP + 2, REPLICA_EV_DUMP_SENT, .id = id);
	assert_null(find(&out, REPLICA_DO_SEND_SYNC_END));
	out = STEP(&a, replica_deadline(&a), REPLICA_EV_TICK);
	assert_non_null(find(&out, REPLICA_DO_SEND_SYNC_BEGIN));
	assert_non_null(find(&out, REPLICA_DO_DUMP));
	assert_int_not_equal(a.sync_id, id);
}

static void compare_keeps_in_sync(void **state)
{
	struct replica a = active_in_sync(3), s = standby_in_sync(3);
	struct replica_actions out = STEP(&a, REPLICA_COMPARE_EVERY + 1, REPLICA_EV_TICK);
	const struct replica_action *begin = find(&out, REPLICA_DO_SEND_SYNC_BEGIN);

	(void)state;
	assert_true(begin != NULL && begin->sync == REPLICA_SYNC_COMPARE);
	assert_true(replica_in_sync(&a));
	STEP(&s, 0, REPLICA_EV_SYNC_BEGIN, .term = 3, .id = 5, .sync = REPLICA_SYNC_COMPARE);
	assert_true(replica_in_sync(&s));
	/* Lost events in the middle of a comparison make it a full sync. */
	out = STEP(&a, REPLICA_COMPARE_EVERY + 2, REPLICA_EV_OVERRUN);
	begin = find(&out, REPLICA_DO_SEND_SYNC_BEGIN);
	assert_true(begin != NULL && begin->sync == REPLICA_SYNC_FULL);
}

static void stalled_sync_is_asked_for(void **state)
{
	struct replica_actions out;
	struct replica s;

	(void)state;
	replica_init(&s, 0);
	STEP(&s, 0, REPLICA_EV_DEMOTE, .term = 3);
	STEP(&s, 0, REPLICA_EV_LINK_UP, .role = REPLICA_ACTIVE, .term = 3);
	assert_int_equal(replica_deadline(&s), REPLICA_STALL);
	out = STEP(&s, REPLICA_STALL, REPLICA_EV_TICK);
	assert_non_null(find(&out, REPLICA_DO_SEND_SYNC_REQUEST));
	STEP(&s, REPLICA_STALL, REPLICA_EV_SYNC_BEGIN, .term = 3, .id = 1,
		.sync = REPLICA_SYNC_FULL);
	STEP(&s, REPLICA_STALL, REPLICA_EV_SYNC_END, .term = 3, .id = 1);
	out = STEP(&s, REPLICA_STALL, REPLICA_EV_UNSWEPT, .id = 1);
	assert_non_null(find(&out, REPLICA_DO_SEND_SYNC_REQUEST));
	assert_false(replica_in_sync(&s));
}

/* A full table: not in sync, and asked for again later, not at once. */
static void no_room_is_not_in_sync(void **state)
{
	struct replica s = standby_in_sync(3);
	struct replica_actions out = STEP(&s, 5, REPLICA_EV_MISSING);

	(void)state;
	assert_false(replica_in_sync(&s));
	assert_non_null(find(&out, REPLICA_DO_NOTIFY));
	assert_null(find(&out, REPLICA_DO_SEND_SYNC_REQUEST));
	assert_int_equal(replica_deadline(&s), 5 + REPLICA_STALL);
	out = STEP(&s, 5 + REPLICA_STALL, REPLICA_EV_TICK);
	assert_non_null(find(&out, REPLICA_DO_SEND_SYNC_REQUEST));
	/* In the middle of a sync: its end proves nothing. */
	STEP(&s, 6 + REPLICA_STALL, REPLICA_EV_SYNC_BEGIN, .term = 3, .id = 9,
		.sync = REPLICA_SYNC_FULL);
	out = STEP(&s, 6 + REPLICA_STALL, REPLICA_EV_MISSING);
	assert_non_null(find(&out, REPLICA_DO_MARK_DROP));
	out = STEP(&s, 6 + REPLICA_STALL, REPLICA_EV_SYNC_END, .term = 3, .id = 9);
	assert_null(find(&out, REPLICA_DO_SWEEP));
	assert_false(replica_in_sync(&s));
}

static void link_down(void **state)
{
	struct replica s = standby_in_sync(3), a = active_in_sync(3);
	struct replica_actions out = STEP(&s, 5, REPLICA_EV_LINK_DOWN);

	(void)state;
	assert_non_null(find(&out, REPLICA_DO_NOTIFY));
	assert_false(replica_in_sync(&s));
	out = STEP(&s, 5, REPLICA_EV_BATCH, .term = 3, .seq = 9);
	assert_int_equal(out.n, 0);
	out = STEP(&a, 5, REPLICA_EV_LINK_DOWN);
	assert_non_null(find(&out, REPLICA_DO_EVENTS_OFF));
	assert_non_null(find(&out, REPLICA_DO_CLEAR));
}

static void batch_numbers_go_up(void **state)
{
	struct replica s = standby_in_sync(3);
	struct replica_actions out = STEP(&s, 5, REPLICA_EV_BATCH, .term = 3, .seq = 1);

	(void)state;
	assert_non_null(find(&out, REPLICA_DO_RESET_LINK));
	assert_null(find(&out, REPLICA_DO_APPLY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_sync),
		cmocka_unit_test(no_role_no_replication),
		cmocka_unit_test(takeover),
		cmocka_unit_test(handover),
		cmocka_unit_test(handover_ends_by_itself),
		cmocka_unit_test(split_and_heal),
		cmocka_unit_test(terms_that_disagree),
		cmocka_unit_test(overrun),
		cmocka_unit_test(compare_keeps_in_sync),
		cmocka_unit_test(stalled_sync_is_asked_for),
		cmocka_unit_test(no_room_is_not_in_sync),
		cmocka_unit_test(link_down),
		cmocka_unit_test(batch_numbers_go_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
