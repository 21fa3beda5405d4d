/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election core and the address lease: freezes, restarts of either daemon, refusals, a slow
 * kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/pair_bed.h"

#define ELECT_TRIES 3 /* ELECT_ACQUIRE_TRIES, which is the core's own */

static void frozen_active_never_shares_the_address(void **state)
{
	(void)state;
	boot_both();
	pair->n[0].frozen = true;
	assert_in_range(until_held(1, SEC), 50 * MS, 63 * MS);
	pair_run(pair, 3 * SEC);
	pair_reset_stats(pair);
	pair->n[0].frozen = false;
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_STANDBY);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_int_equal(pair->both_held, 0);
	assert_int_equal(pair->none_held, 0);
	assert_int_equal(pair->n[0].e.term, pair->n[1].e.term);
}

/* For each length around the lease and the peer's decision. */
static void any_freeze_heals(void **state)
{
	for (usec_t f = 5 * MS; f < 120 * MS; f += 1700) {
		teardown(state);
		setup(state);
		boot_both();
		pair->n[0].frozen = true;
		pair_run(pair, f);
		pair->n[0].frozen = false;
		pair_run(pair, SEC);
		assert_int_equal(pair->both_held, 0);
		assert_int_equal((role(0) == ELECTION_ACTIVE) + (role(1) == ELECTION_ACTIVE), 1);
		assert_true(pair->n[0].held != pair->n[1].held);
	}
}

static void frozen_standby_does_not_claim(void **state)
{
	(void)state;
	boot_both();
	pair->n[1].frozen = true;
	pair_run(pair, 10 * SEC);
	pair->n[1].frozen = false;
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_int_equal(pair->both_held, 0);
}

static void restart_resumes_a_held_lease(void **state)
{
	(void)state;
	boot_both();
	pair->n[0].running = false;
	pair_run(pair, 25 * MS);
	assert_true(pair->n[0].held);
	cfg[0].session = 2000;
	pair_boot(pair, 0, &cfg[0], true);
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_int_equal(pair->n[0].e.term, 1);
	assert_int_equal(pair->none_held, 0);
	assert_int_equal(election_transition_get(&pair->n[1].e, 0)->to, ELECTION_STANDBY);
}

static void netcfgd_restart_is_resumed(void **state)
{
	(void)state;
	boot_both();
	pair_simple(pair, 0, ELECTION_EV_LEASE_CHANNEL, false);
	pair->n[0].lease_term = pair->n[0].newest_term = 0; /* adopted */
	pair->n[0].lease_end = pair->now + SEC;
	pair_run(pair, 100 * MS);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	pair_simple(pair, 0, ELECTION_EV_LEASE_CHANNEL, true);
	pair_run(pair, 3 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_true(pair->n[0].held);
	assert_int_equal(pair->none_held, 0);
}

static void all_daemons_restart_adopts(void **state)
{
	(void)state;
	boot_both();
	pair->n[0].running = false;
	pair->n[0].lease_term = pair->n[0].newest_term = 0;
	pair->n[0].lease_end = pair->now + SEC;
	pair_run(pair, 20 * MS);
	cfg[0].session = 2000;
	pair_boot(pair, 0, &cfg[0], true);
	pair_run(pair, 2 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_int_equal(pair->none_held, 0);
}

static void netcfgd_away_for_long_yields(void **state)
{
	(void)state;
	boot_both();
	pair_simple(pair, 0, ELECTION_EV_LEASE_CHANNEL, false);
	pair_run(pair, 1900 * MS);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	pair_run(pair, 300 * MS);
	assert_int_equal(role(1), ELECTION_ACTIVE);
}

static void lapsed_lease_is_taken_again(void **state)
{
	(void)state;
	boot_both();
	pair->n[0].held = false;
	unsigned before = pair->n[0].announced;

	pair_run(pair, 20 * MS);
	assert_true(pair->n[0].held);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_true(pair->n[0].announced > before);
}

static void refused_lease_goes_to_the_peer(void **state)
{
	(void)state;
	boot_both();
	pair->n[0].held = false;
	pair->n[0].lease_refuses = true;
	pair_run(pair, SEC);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_int_equal(role(0), ELECTION_STANDBY);
}

static void ill_daemon_yields(void **state)
{
	(void)state;
	boot_both();
	pair_event(pair, 0,
		&(struct election_event){.kind = ELECTION_EV_DAEMON,
			.daemon = {.daemon = ELECTION_DAEMON_NETCFGD, .healthy = false}});
	pair_run(pair, 50 * MS);
	assert_int_equal(role(1), ELECTION_ACTIVE);
}

/* A kernel slower than the lease: the renewals behind the acquisition carry it. */
static void slow_kernel_does_not_cost_the_lease(void **state)
{
	(void)state;
	boot_both();
	pair->n[1].take_time = 300 * MS;
	pair->n[0].running = pair->n[0].held = false;
	until_held(1, SEC);
	pair_run(pair, 200 * MS);
	assert_int_equal(role(1), ELECTION_PROMOTING);
	assert_true(pair->n[1].held);
	pair_run(pair, 200 * MS);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_true(pair->n[1].held);
	assert_int_equal(pair->n[1].e.suspicions_answered, 0);
}

/* netcfgd had not read it in time, but answers now. */
static void late_acquisition_is_asked_again(void **state)
{
	(void)state;
	boot_both();
	pair->n[1].lease_late = ELECT_TRIES - 1;
	pair->n[0].running = pair->n[0].held = false;
	pair_run(pair, 100 * MS);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_true(pair->n[1].held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frozen_active_never_shares_the_address),
		T(any_freeze_heals),
		T(frozen_standby_does_not_claim),
		T(restart_resumes_a_held_lease),
		T(netcfgd_restart_is_resumed),
		T(all_daemons_restart_adopts),
		T(netcfgd_away_for_long_yields),
		T(lapsed_lease_is_taken_again),
		T(refused_lease_goes_to_the_peer),
		T(ill_daemon_yields),
		T(slow_kernel_does_not_cost_the_lease),
		T(late_acquisition_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
