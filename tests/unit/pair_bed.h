/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests on the pair of pair.h share: one pair per test, and words for what is done to it.
 */
#ifndef GATEPAIR_TESTS_PAIR_BED_H
#define GATEPAIR_TESTS_PAIR_BED_H

#include "tests/unit/pair.h"

#define MS  USEC_PER_MS
#define SEC USEC_PER_SEC

static struct pair *pair;
static struct election_config cfg[2];

static inline int setup(void **state)
{
	(void)state;
	pair = calloc(1, sizeof(*pair));
	pair->now = 1000 * SEC;
	for (int i = 0; i < 2; i++)
		pair_config(&cfg[i], i);
	return pair ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	free(pair);
	return 0;
}

static inline enum election_role role(int i)
{
	return pair->n[i].e.role;
}

static inline void boot_both(void)
{
	for (int i = 0; i < 2; i++)
		pair_boot(pair, i, &cfg[i], true);
	pair_run(pair, 2 * SEC);
	pair_reset_stats(pair);
}

static inline usec_t until_held(int i, usec_t limit)
{
	usec_t start = pair->now;

	while (!pair->n[i].held && pair->now - start < limit)
		pair_run(pair, 100);
	return pair->now - start;
}

static inline void command(int i, enum election_event_kind kind)
{
	pair->n[i].answer = 1;
	pair_event(pair, i, &(struct election_event){.kind = kind});
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
