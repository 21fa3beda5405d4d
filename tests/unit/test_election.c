/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election core: two of them on a virtual clock (pair.h), one scenario per test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>

#include "tests/unit/pair_bed.h"
#include "vrrpd/elect.h"

static void both_start_together(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		pair_boot(pair, i, &cfg[i], true);
	usec_t t = until_held(0, 5 * SEC);

	assert_in_range(t, 1, 100 * MS); /* no waiting for 3 adverts */
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_int_equal(pair->both_held, 0);
	assert_int_equal(pair->n[1].e.term, pair->n[0].e.term);
}

static void alone_waits_for_the_startup_time(void **state)
{
	(void)state;
	pair_boot(pair, 0, &cfg[0], true);
	usec_t t = until_held(0, 10 * SEC);

	assert_in_range(t, 3 * SEC, 3 * SEC + 450 * MS);
	pair_run(pair, 20 * MS);
	assert_int_equal(pair->n[0].announced, 2);
	pair_boot(pair, 1, &cfg[1], true);
	pair_run(pair, SEC);
	assert_int_equal(role(1), ELECTION_STANDBY); /* preempt never, lower anyway */
}

static void dead_peer_is_replaced_in_60_ms(void **state)
{
	(void)state;
	boot_both();
	pair->n[0].running = false;
	usec_t t = until_held(1, SEC);

	assert_in_range(t, 50 * MS, 63 * MS);
	pair_run(pair, SEC);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_int_equal(pair->n[1].e.term, pair->n[0].e.term + 1);
	assert_int_equal(pair->both_held, 0);
	const struct election_transition *tr = election_transition_get(&pair->n[1].e, 0);

	assert_int_equal(tr->from, ELECTION_STANDBY);
	assert_int_equal(tr->to, ELECTION_ACTIVE);
	assert_true(tr->sign <= tr->decided && tr->decided <= tr->state_ready &&
		    tr->state_ready <= tr->addresses_up);
}

static void ha_link_alone_moves_nothing(void **state)
{
	(void)state;
	boot_both();
	pair->cut[PAIR_HA] = true;
	pair_run(pair, 5 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_int_equal(pair->n[1].e.suspicions, 1);
	assert_int_equal(pair->n[1].e.suspicions_answered, 1);
	assert_true(pair->n[1].e.ha_silent);
	/* and detection is as fast as before */
	pair->n[0].running = false;
	assert_in_range(until_held(1, SEC), 50 * MS, 63 * MS);
	assert_int_equal(pair->both_held, 0);
}

static void ha_cable_pulled_moves_nothing(void **state)
{
	(void)state;
	boot_both();
	pair->cut[PAIR_HA] = true;
	for (int i = 0; i < 2; i++)
		pair_carrier(pair, i, PAIR_HA, false);
	pair_run(pair, 3 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	for (int i = 0; i < 2; i++)
		pair_carrier(pair, i, PAIR_HA, true);
	pair->cut[PAIR_HA] = false;
	pair_run(pair, SEC);
	assert_false(pair->n[1].e.ha_silent);
}

static void direct_cable_does_not_block_takeover(void **state)
{
	(void)state;
	boot_both();
	pair->n[0].running = false;
	pair_carrier(pair, 1, PAIR_HA, false);
	assert_in_range(until_held(1, SEC), 40 * MS, 63 * MS);
	assert_int_equal(pair->both_held, 0);
}

static void lan_cable_pulled_yields(void **state)
{
	(void)state;
	boot_both();
	pair->cut[PAIR_LAN] = true;
	pair_carrier(pair, 0, PAIR_LAN, false);
	assert_in_range(until_held(1, SEC), 1, 10 * MS);
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_STANDBY);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_int_equal(pair->none_held, 0);
}

static void equally_ill_stays(void **state)
{
	(void)state;
	boot_both();
	pair_carrier(pair, 1, PAIR_LAN, false);
	pair_run(pair, 100 * MS);
	pair_carrier(pair, 0, PAIR_LAN, false);
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
}

static void switchover_without_a_gap(void **state)
{
	(void)state;
	boot_both();
	command(1, ELECTION_EV_SWITCHOVER);
	assert_int_equal(pair->n[1].answer, -EPERM);
	assert_non_null(strstr(pair->n[1].answer_text, "gw-01"));
	command(0, ELECTION_EV_SWITCHOVER);
	pair_run(pair, 500 * MS);
	assert_int_equal(pair->n[0].answer, 0);
	assert_int_equal(role(0), ELECTION_STANDBY);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_int_equal(pair->none_held, 0);
	assert_in_range(pair->both_held, 1, 5 * MS);
	assert_int_equal(pair->n[1].e.term, 2);
}

static void switchover_is_refused_when_not_ready(void **state)
{
	(void)state;
	boot_both();
	pair_sync(pair, 1, false);
	pair_run(pair, 50 * MS);
	command(0, ELECTION_EV_SWITCHOVER);
	assert_int_equal(pair->n[0].answer, -EAGAIN);
	pair->n[1].running = false;
	pair_run(pair, SEC);
	command(0, ELECTION_EV_SWITCHOVER);
	assert_int_equal(pair->n[0].answer, -EHOSTDOWN);
	assert_int_equal(role(0), ELECTION_ACTIVE);
}

static void grant_into_the_void_is_void(void **state)
{
	(void)state;
	boot_both();
	pair->n[1].lease_refuses = true;
	command(0, ELECTION_EV_SWITCHOVER);
	pair_run(pair, 2 * SEC);
	assert_int_equal(pair->n[0].answer, -ETIMEDOUT);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_true(pair->n[0].e.term > 2);
	assert_int_equal(pair->none_held, 0);
}

static void orderly_stop_hands_over(void **state)
{
	(void)state;
	boot_both();
	command(0, ELECTION_EV_STOP);
	pair_run(pair, 100 * MS);
	assert_int_equal(pair->n[0].exits, 1);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_int_equal(pair->none_held, 0);
	assert_false(pair->n[0].held);
	/* and the last one leaves with priority 0 */
	command(1, ELECTION_EV_STOP);
	pair_run(pair, 100 * MS);
	assert_int_equal(pair->n[1].exits, 1);
	assert_int_equal(pair->n[1].adverts_zero, 2);
	assert_false(pair->n[1].held);
}

static void standby_stop_is_silent(void **state)
{
	(void)state;
	boot_both();
	command(1, ELECTION_EV_STOP);
	pair_run(pair, 100 * MS);
	assert_int_equal(pair->n[1].exits, 1);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_true(pair->n[0].e.peer.left);
}

static void failback_waits_for_sync_and_delay(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		cfg[i].preempt = ELECTION_PREEMPT_SYNCED;
		cfg[i].preempt_delay = 3 * SEC;
	}
	boot_both();
	pair->n[0].running = false;
	pair->n[0].held = false;
	pair_run(pair, SEC);
	cfg[0].session = 2000;
	pair_boot(pair, 0, &cfg[0], true);
	pair_sync(pair, 0, false);
	pair_run(pair, 5 * SEC);
	assert_int_equal(role(1), ELECTION_ACTIVE); /* not in sync: no preemption */
	pair_sync(pair, 0, true);
	pair_run(pair, 2900 * MS);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	pair_reset_stats(pair);
	pair_run(pair, 500 * MS);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_int_equal(pair->none_held, 0);
}

static void switchover_sticks(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		cfg[i].preempt = ELECTION_PREEMPT_ALWAYS;
	boot_both();
	command(0, ELECTION_EV_SWITCHOVER);
	pair_run(pair, 5 * SEC);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	pair->n[1].running = false;
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
}

static void partition_heals_to_one(void **state)
{
	(void)state;
	boot_both();
	for (size_t k = 0; k < PAIR_LINKS; k++)
		pair->cut[k] = true;
	pair_run(pair, 5 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_ACTIVE); /* both serve */
	for (size_t k = 0; k < PAIR_LINKS; k++)
		pair->cut[k] = false;
	unsigned before = pair->n[1].announced;

	pair_run(pair, 50 * MS);
	assert_int_equal((role(0) == ELECTION_ACTIVE) + (role(1) == ELECTION_ACTIVE), 1);
	assert_int_equal(role(1), ELECTION_ACTIVE); /* the newer term */
	assert_true(pair->n[1].announced > before);
	pair_run(pair, SEC);
	assert_int_equal(pair->n[0].e.term, pair->n[1].e.term);
}

/* Lost on the LAN only: HA beats decide, nobody flaps. */
static void lan_partition_moves_nothing(void **state)
{
	(void)state;
	boot_both();
	pair->cut[PAIR_LAN] = pair->cut[PAIR_WAN] = true;
	pair_run(pair, 20 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
}

/* --- heartbeats off, and routers known by adverts only --------------------------------------- */
static void heartbeats_off_takes_three_adverts(void **state)
{
	static const usec_t intervals[] = {10 * MS, 100 * MS, SEC};

	for (size_t k = 0; k < 3; k++) {
		usec_t a = intervals[k];

		teardown(state);
		setup(state);
		for (int i = 0; i < 2; i++) {
			cfg[i].heartbeat = 0;
			cfg[i].instances[0].advert_interval = a;
			cfg[i].instances[1].advert_interval = a;
		}
		boot_both();
		assert_int_equal(role(0), ELECTION_ACTIVE);
		pair->n[0].frozen = true;
		usec_t t = until_held(1, 10 * SEC);

		assert_in_range(t, 1, election_down_us(100, a) + 2 * MS);
		assert_int_equal(pair->both_held, 0);
	}
}

static void boot_plain(void)
{
	for (int i = 0; i < 2; i++)
		pair_boot(pair, i, &cfg[i], false);
	pair_run(pair, 6 * SEC);
	pair_reset_stats(pair);
}

static void plain_pair_by_priority(void **state)
{
	(void)state;
	boot_plain();
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	pair->n[0].running = false;
	pair_run(pair, 2600 * MS);
	assert_int_equal(role(1), ELECTION_STANDBY);
	pair_run(pair, 1100 * MS);
	assert_int_equal(role(1), ELECTION_ACTIVE);
	assert_int_equal(pair->both_held, 0);
}

static void plain_resignation_is_quick(void **state)
{
	(void)state;
	boot_plain();
	command(0, ELECTION_EV_STOP);
	usec_t t = until_held(1, 5 * SEC);

	assert_in_range(t, 1, election_skew_us(100, SEC) + 10 * MS);
}

static void advert(int i, size_t instance, const char *from, uint8_t priority)
{
	struct election_event ev = {.kind = ELECTION_EV_ADVERT,
		.advert = {.instance = instance, .priority = priority, .interval = SEC}};

	inet_pton(AF_INET, from, &ev.advert.source);
	pair_event(pair, i, &ev);
}

static bool did(int i, enum election_action_kind kind)
{
	for (size_t k = 0; k < pair->n[i].out.n; k++)
		if (pair->n[i].out.v[k].kind == kind)
			return true;
	return false;
}

/* Both timers have to run out; until then the process sleeps. */
static void one_timer_waits_for_the_other(void **state)
{
	const struct pair_node *n = &pair->n[1];

	(void)state;
	boot_plain();
	pair->n[0].running = false;
	pair_run(pair, 100 * MS);
	advert(1, 0, "10.0.0.2", 0);
	pair_run(pair, election_skew_us(100, SEC) + 100 * MS);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_true(n->deadline - n->e.last_step > MS);
	assert_in_range(until_held(1, 5 * SEC), 1, election_down_us(100, SEC));
}

/* RFC 9568 section 6.4.3 */
static void plain_active_hears_others(void **state)
{
	(void)state;
	pair_boot(pair, 0, &cfg[0], false);
	pair_run(pair, 4 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	advert(0, 0, "10.0.0.9", 0);
	assert_true(did(0, ELECTION_DO_ADVERT));
	pair_run(pair, 50 * MS);
	advert(0, 0, "10.0.0.9", 149);
	assert_true(did(0, ELECTION_DO_ADVERT)); /* new in 9568: answered */
	advert(0, 0, "10.0.0.1", 150);
	assert_int_equal(role(0), ELECTION_ACTIVE); /* lower address */
	advert(0, 1, "10.0.1.9", 150);
	assert_int_equal(role(0), ELECTION_ACTIVE); /* address counts on the first instance only */
	advert(0, 0, "10.0.0.9", 150);
	assert_int_equal(role(0), ELECTION_STANDBY);
	assert_false(pair->n[0].held);
}

static void stranger_cannot_move_the_pair(void **state)
{
	(void)state;
	boot_both();
	pair_run(pair, 2 * SEC); /* beats on the LAN tell the peer's address there */
	advert(0, 0, "10.0.0.99", 255);
	advert(1, 0, "10.0.0.99", 255);
	pair_run(pair, SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_true(pair->n[0].e.instances[0].foreign_heard > 0);
}

static void timers_of_rfc_9568(void **state)
{
	(void)state;
	assert_int_equal(election_skew_us(100, SEC), 609375);
	assert_int_equal(election_down_us(100, SEC), 3609375);
	assert_int_equal(election_skew_us(254, 10 * MS), 78); /* 0 in centiseconds */
	assert_int_equal(election_down_us(255, 10 * MS), 30039);
}

static void largest_configuration_fits(void **state)
{
	struct election_config *c = &cfg[0];

	(void)state;
	c->n_links = 1 + ELECTION_MAX_INSTANCES;
	for (size_t i = 0; i < c->n_links; i++) {
		snprintf(c->links[i].name, IFNAMSIZ, "e%u", (unsigned)(i & 0xffff));
		c->links[i].ha = i == 0;
		c->links[i].vrrp = i > 0;
	}
	c->n_instances = ELECTION_MAX_INSTANCES;
	for (size_t i = 0; i < c->n_instances; i++)
		c->instances[i] = (struct election_instance_config){
			.vrid = (uint8_t)(i + 1), .advert_interval = SEC, .link = i + 1};
	memset(pair->cut, true, sizeof(pair->cut));
	election_init(&pair->n[0].e, c, pair->now);
	pair->n[0].running = true;
	pair_simple(pair, 0, ELECTION_EV_KEY, true);
	pair->n[1].has_key = false;
	pair_simple(pair, 0, ELECTION_EV_LEASE_CHANNEL, true);
	pair->n[1].running = false;
	usec_t end = pair->now + 5 * SEC;

	while (pair->now < end) {
		pair->now += 10 * MS;
		pair_deliver(pair);
		pair_event(pair, 0, &(struct election_event){.kind = ELECTION_EV_TICK});
		assert_int_equal(pair->n[0].out.dropped, 0);
	}
	assert_int_equal(role(0), ELECTION_ACTIVE);
}

static void reload_keeps_the_role(void **state)
{
	(void)state;
	boot_both();
	cfg[0].priority = 120;
	cfg[0].n_instances = 1;
	election_configure(&pair->n[0].e, &cfg[0], pair->now, &pair->n[0].out);
	pair_run(pair, 2 * SEC);
	assert_int_equal(role(0), ELECTION_ACTIVE);
	assert_int_equal(role(1), ELECTION_STANDBY);
	assert_int_equal(pair->none_held, 0);
}

/* Whatever comes, in any order: nothing breaks, one Active in the end. */
static void random_faults_converge(void **state)
{
	for (unsigned seed = 1; seed <= 60; seed++) {
		unsigned r = seed * 2654435761U;

		teardown(state);
		setup(state);
		for (int i = 0; i < 2; i++)
			cfg[i].preempt =
				seed & 1 ? ELECTION_PREEMPT_NEVER : ELECTION_PREEMPT_SYNCED;
		boot_both();
		for (int k = 0; k < 60; k++) {
			r = r * 1664525U + 1013904223U;
			unsigned what = r >> 24 & 7, who = r >> 16 & 1, link = (r >> 8 & 3) % 3;

			if (what < 3)
				pair->cut[link] = !pair->cut[link];
			else if (what == 3)
				pair->n[who].frozen = !pair->n[who].frozen;
			else if (what == 4)
				pair_carrier(pair, (int)who, link, r >> 4 & 1);
			else if (what == 5)
				command((int)who, ELECTION_EV_SWITCHOVER);
			else
				pair_sync(pair, (int)who, r >> 5 & 1);
			pair_run(pair, (r >> 10 & 127) * MS);
		}
		memset(pair->cut, 0, sizeof(pair->cut));
		for (int i = 0; i < 2; i++) {
			pair->n[i].frozen = false;
			for (size_t k = 0; k < PAIR_LINKS; k++)
				pair_carrier(pair, i, k, true);
			pair_sync(pair, i, true);
		}
		pair_run(pair, 5 * SEC);
		assert_int_equal((role(0) == ELECTION_ACTIVE) + (role(1) == ELECTION_ACTIVE), 1);
		assert_true(pair->n[0].held != pair->n[1].held);
	}
}

/* Nobody is Active: whoever has the sessions is better than a half-filled table of a higher
 * priority. */
static void sessions_beat_priority_in_a_vacancy(void **state)
{
	static const struct {
		bool in_sync, peer_in_sync;
		uint32_t served, peer_served;
		bool better;
	} cases[] = {
		{false, false, 0, 0, true}, /* nobody has any: priority */
		{false, false, 3, 4, false}, {false, false, 4, 3, true},
		{true, false, 3, 4, true}, /* a full Standby is as good as the last Active */
		{false, true, 3, 3, false},
		{false, false, 1, UINT32_MAX, true}, /* low halves wrap */
	};
	struct election *e = &pair->n[0].e;

	(void)state;
	boot_both();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct beat peer = e->peer.last;

		peer.flags = BEAT_FLAG_ABLE | (cases[i].peer_in_sync ? BEAT_FLAG_IN_SYNC : 0U);
		peer.served = cases[i].peer_served;
		e->in_sync = cases[i].in_sync;
		e->served = cases[i].served;
		assert_int_equal(elect_better(e, &peer, false, pair->now), cases[i].better);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_start_together),
		T(alone_waits_for_the_startup_time),
		T(dead_peer_is_replaced_in_60_ms),
		T(ha_link_alone_moves_nothing),
		T(ha_cable_pulled_moves_nothing),
		T(direct_cable_does_not_block_takeover),
		T(lan_cable_pulled_yields),
		T(equally_ill_stays),
		T(switchover_without_a_gap),
		T(switchover_is_refused_when_not_ready),
		T(grant_into_the_void_is_void),
		T(orderly_stop_hands_over),
		T(standby_stop_is_silent),
		T(failback_waits_for_sync_and_delay),
		T(switchover_sticks),
		T(partition_heals_to_one),
		T(lan_partition_moves_nothing),
		T(heartbeats_off_takes_three_adverts),
		T(plain_pair_by_priority),
		T(plain_resignation_is_quick),
		T(one_timer_waits_for_the_other),
		T(plain_active_hears_others),
		T(stranger_cannot_move_the_pair),
		T(timers_of_rfc_9568),
		T(largest_configuration_fits),
		T(reload_keeps_the_role),
		T(sessions_beat_priority_in_a_vacancy),
		T(random_faults_converge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
