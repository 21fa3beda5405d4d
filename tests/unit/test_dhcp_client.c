/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DHCP client of a WAN interface: an address lives as long as its lease and no longer, whatever
 * happens to link, server, program or this process.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "netcfgd/services/dhcp_client.h"

#define S USEC_PER_SEC

static usec_t now;
static struct dhcp_client c;

static struct wan_lease lease_of(const char *address, usec_t seconds)
{
	struct wan_lease w = {.state = WAN_BOUND, .until = now + seconds * S};

	w.address = (struct config_prefix){.family = AF_INET, .len = 24};
	assert_int_equal(inet_pton(AF_INET, address, &w.address.v4), 1);
	return w;
}

static unsigned step(struct dhcp_client_event ev)
{
	return dhcp_client_step(&c, &ev, now);
}

static unsigned link_is(uint32_t index, bool carrier)
{
	return step((struct dhcp_client_event){
		.kind = DHCP_EV_LINK, .index = index, .carrier = carrier});
}

static unsigned simple(enum dhcp_client_event_kind kind)
{
	return step((struct dhcp_client_event){.kind = kind, .text = "exit status 1"});
}

static unsigned give(const char *address, usec_t seconds)
{
	struct wan_lease w = lease_of(address, seconds);

	return step((struct dhcp_client_event){.kind = DHCP_EV_LEASE, .lease = &w});
}

/* Lets so much time pass, with ticks where they are due. Returns all actions. */
static unsigned pass(usec_t seconds)
{
	usec_t end = now + seconds * S, at;
	unsigned all = 0, ticks = 0;

	while ((at = dhcp_client_due(&c)) <= end) {
		now = at > now ? at : now;
		all |= simple(DHCP_EV_TICK);
		assert_true(++ticks < 1000); /* no busy loop */
	}
	now = end;
	return all;
}

static enum dhcp_client_state state(void)
{
	return dhcp_client_state(&c, now);
}

static int searching(void **unused)
{
	(void)unused;
	now = 1000 * S;
	dhcp_client_init(&c, "ge3");
	assert_int_equal(link_is(3, true), 0);
	assert_int_equal(simple(DHCP_EV_ON), DHCP_START);
	assert_int_equal(state(), DHCP_SEARCHING);
	return 0;
}

static int with_lease(void **unused)
{
	searching(unused);
	now += 2 * S;
	assert_int_equal(give("203.0.113.100", 120), DHCP_TELL);
	assert_int_equal(state(), DHCP_BOUND);
	return 0;
}

static void starts_with_a_carrier(void **unused)
{
	(void)unused;
	now = 5 * S;
	dhcp_client_init(&c, "ge3");
	assert_int_equal(state(), DHCP_OFF);
	assert_int_equal(dhcp_client_trouble(&c, now), 0);
	assert_int_equal(simple(DHCP_EV_ON), 0);
	assert_int_equal(state(), DHCP_NO_CARRIER);
	assert_int_equal(dhcp_client_trouble(&c, now), DHCP_CABLE);
	assert_int_equal(link_is(3, false), 0);
	assert_int_equal(pass(3600), 0);
	assert_int_equal(link_is(3, true), DHCP_START);
	/* Patience is counted from here. */
	assert_int_equal(dhcp_client_look_at(&c, now), now + 30 * S);
	assert_int_equal(pass(29), 0);
	assert_int_equal(dhcp_client_trouble(&c, now), 0);
	assert_int_equal(pass(1), 0);
	assert_int_equal(dhcp_client_trouble(&c, now), DHCP_NO_ANSWER);
	give("203.0.113.100", 120);
	assert_int_equal(dhcp_client_trouble(&c, now), 0);
}

static void renewed_and_not(void **unused)
{
	(void)unused;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(pass(60), 0);
		assert_int_equal(give("203.0.113.100", 120), DHCP_TELL);
	}
	assert_int_equal(dhcp_client_look_at(&c, now), now + 90 * S);
	assert_int_equal(pass(91), 0);
	assert_int_equal(dhcp_client_look_at(&c, now), USEC_NEVER);
	assert_int_equal(state(), DHCP_RENEWING);
	assert_int_equal(dhcp_client_trouble(&c, now), DHCP_NO_RENEWAL);
	assert_int_equal(pass(28), 0);
	assert_int_equal(c.lease.state, WAN_BOUND);
	assert_int_equal(pass(1), DHCP_TELL | DHCP_STOP); /* it may hang */
	assert_int_equal(c.lease.state, WAN_NONE);
	assert_int_equal(c.lease.address.family, AF_INET); /* to be asked for */
	assert_int_equal(state(), DHCP_SEARCHING);
	assert_int_equal(simple(DHCP_EV_EXIT), DHCP_START);
	assert_int_equal(c.program.restarts, 0);
	pass(31);
	assert_int_equal(dhcp_client_trouble(&c, now), DHCP_NO_ANSWER);
	assert_int_equal(give("203.0.113.160", 120), DHCP_TELL);
}

static void refused(void **unused)
{
	(void)unused;
	assert_int_equal(simple(DHCP_EV_NAK), DHCP_TELL);
	assert_int_equal(c.lease.state, WAN_NONE);
	assert_int_equal(c.lease.address.family, 0); /* not wanted again */
	assert_string_equal(c.lease.link, "ge3");
	assert_int_equal(simple(DHCP_EV_NAK), 0);
	assert_int_equal(dhcp_client_trouble(&c, now), DHCP_UNUSABLE);
}

static void carrier_back(void **unused)
{
	(void)unused;
	pass(10);
	assert_int_equal(link_is(3, false), 0);
	assert_int_equal(state(), DHCP_NO_CARRIER);
	assert_int_equal(pass(20), 0);
	assert_int_equal(c.lease.state, WAN_BOUND);
	assert_int_equal(link_is(3, true), DHCP_ASK);
	assert_int_equal(state(), DHCP_RENEWING);
	now += S / 10;
	assert_int_equal(give("203.0.113.100", 120), DHCP_TELL);
	assert_int_equal(state(), DHCP_BOUND);
	assert_int_equal(pass(80), 0); /* nothing is to be confirmed any more */
}

/* A signal now would end a program that has just begun. */
static void carrier_back_early(void **unused)
{
	(void)unused;
	now = 1000 * S;
	dhcp_client_init(&c, "ge3");
	link_is(3, true);
	assert_int_equal(simple(DHCP_EV_ON), DHCP_START);
	now += S / 5;
	give("203.0.113.100", 120);
	link_is(3, false);
	assert_int_equal(link_is(3, true), 0);
	assert_int_equal(state(), DHCP_RENEWING);
	assert_int_equal(pass(1), DHCP_ASK);
}

/* The old server does not answer: all are asked, the address stays meanwhile. */
static void another_network(void **unused)
{
	(void)unused;
	pass(10);
	link_is(3, false);
	assert_int_equal(link_is(3, true), DHCP_ASK);
	assert_int_equal(pass(8), DHCP_STOP);
	assert_int_equal(simple(DHCP_EV_EXIT), DHCP_START);
	assert_int_equal(c.lease.state, WAN_BOUND);
	assert_int_equal(c.program.restarts, 0);
	assert_int_equal(give("198.51.100.7", 60), DHCP_TELL);
}

static void link_is_made_anew(void **unused)
{
	(void)unused;
	pass(10);
	assert_int_equal(link_is(0, false), DHCP_STOP);
	assert_int_equal(simple(DHCP_EV_EXIT), 0);
	assert_int_equal(pass(5), 0);
	assert_int_equal(link_is(9, true), DHCP_START);
	assert_int_equal(c.lease.state, WAN_BOUND);
	/* Another at once: no moment without was seen. */
	pass(10);
	assert_int_equal(link_is(10, true), DHCP_STOP);
	assert_int_equal(simple(DHCP_EV_EXIT), DHCP_START);
}

static void program_dies(void **unused)
{
	usec_t waited, last = 0;

	(void)unused;
	pass(30);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(simple(DHCP_EV_EXIT), 0);
		assert_int_equal(c.lease.state, WAN_BOUND);
		waited = c.program.start_at - now;
		assert_true(waited >= last && waited <= 30 * S);
		assert_true(dhcp_client_due(&c) <= c.program.start_at);
		last = waited;
		now = c.program.start_at;
		assert_int_equal(simple(DHCP_EV_TICK), DHCP_START);
		give("203.0.113.100", 3600);
		c.program.quick = (unsigned)i + 1;
	}
	assert_int_equal(last, 30 * S);
	assert_int_equal(c.program.restarts, 12);
}

static void crash_loop_is_told(void **unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dhcp_client_trouble(&c, now) & DHCP_CRASHING, 0);
		simple(DHCP_EV_EXIT);
		pass(2);
	}
	assert_int_equal(dhcp_client_trouble(&c, now), DHCP_CRASHING);
	assert_string_equal(c.text, "exit status 1");
	give("203.0.113.100", 120);
	assert_int_equal(dhcp_client_trouble(&c, now), 0);
}

/* netcfgd was killed: what it had is still ours. */
static void lease_is_found(void **unused)
{
	struct wan_lease w;

	(void)unused;
	now = 50 * S;
	w = lease_of("203.0.113.100", 40);
	dhcp_client_init(&c, "ge3");
	link_is(3, true);
	assert_int_equal(step((struct dhcp_client_event){.kind = DHCP_EV_ON, .lease = &w}),
		DHCP_START | DHCP_TELL);
	assert_int_equal(state(), DHCP_RENEWING);
	assert_int_equal(dhcp_client_trouble(&c, now), 0);
	assert_int_equal(pass(39), 0);
	assert_int_equal(pass(1), DHCP_TELL | DHCP_STOP);
	/* One that ended meanwhile, or is of before a reboot, is only asked for. */
	dhcp_client_init(&c, "ge3");
	w.state = WAN_NONE;
	w.until = now + 100 * S;
	assert_int_equal(step((struct dhcp_client_event){.kind = DHCP_EV_ON, .lease = &w}), 0);
	assert_int_equal(c.lease.state, WAN_NONE);
	assert_int_equal(c.lease.address.family, AF_INET);
}

static void useless_answers(void **unused)
{
	usec_t waited;

	(void)unused;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(step((struct dhcp_client_event){
					 .kind = DHCP_EV_BAD, .text = "netmask \"x\""}),
			DHCP_STOP);
		assert_int_equal(dhcp_client_trouble(&c, now), DHCP_UNUSABLE);
		assert_int_equal(simple(DHCP_EV_EXIT), 0);
		waited = c.program.start_at - now;
		assert_true(waited > 0 && waited <= 30 * S);
		now = c.program.start_at;
		assert_int_equal(simple(DHCP_EV_TICK), DHCP_START);
	}
	assert_string_equal(c.text, "netmask \"x\"");
	give("203.0.113.100", 120);
	assert_int_equal(dhcp_client_trouble(&c, now), 0);
}

/* udhcpc would renew a lease of 10 s after 8. */
static void short_lease(void **unused)
{
	(void)unused;
	pass(5);
	assert_int_equal(give("203.0.113.100", 10), DHCP_TELL);
	assert_int_equal(pass(4), 0);
	assert_int_equal(pass(1), DHCP_ASK);
	assert_int_equal(pass(4), 0);
	assert_int_equal(pass(1), DHCP_TELL | DHCP_STOP);
}

/* Without a lease and without a word it is replaced now and then, but not while there is no cable.
 */
static void program_hangs(void **unused)
{
	(void)unused;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(pass(179), 0);
		assert_int_equal(pass(1), DHCP_STOP);
		assert_int_equal(pass(600), 0);
		assert_int_equal(simple(DHCP_EV_EXIT), DHCP_START);
		assert_int_equal(c.program.restarts, 0);
		assert_int_equal(dhcp_client_trouble(&c, now), DHCP_NO_ANSWER);
	}
	pass(100);
	simple(DHCP_EV_NAK);
	assert_int_equal(pass(179), 0);
	link_is(3, false);
	assert_int_equal(pass(3600), 0);
	assert_int_equal(link_is(3, true), DHCP_ASK);
	assert_int_equal(pass(179), 0);
	assert_int_equal(give("203.0.113.100", 3600), DHCP_TELL);
	assert_int_equal(pass(3599), 0);
	assert_int_equal(pass(1), DHCP_TELL | DHCP_STOP);
}

static void switched_off(void **unused)
{
	(void)unused;
	assert_int_equal(simple(DHCP_EV_OFF), DHCP_STOP);
	assert_int_equal(state(), DHCP_OFF);
	assert_int_equal(dhcp_client_due(&c), USEC_NEVER);
	assert_int_equal(give("203.0.113.100", 10), 0); /* late news */
	assert_int_equal(c.lease.state, WAN_NONE);
	/* On again before the program has ended: one at a time. */
	assert_int_equal(simple(DHCP_EV_ON), 0);
	assert_int_equal(simple(DHCP_EV_EXIT), DHCP_START);
}

/* Random events: the program is never started twice nor stopped twice, a lease is never held beyond
 * its end, and time alone never spins. */
static void any_order(void **unused)
{
	(void)unused;
	srand(7);
	searching(NULL);
	for (int i = 0; i < 200000; i++) {
		bool was_running = c.running, was_stopping = c.stopping;
		int what = rand() % 12;
		unsigned a = 0;

		if (what < 2)
			a = link_is((uint32_t)(rand() % 3), rand() % 2);
		else if (what == 2)
			a = give("203.0.113.100", 1 + rand() % 100);
		else if (what == 3)
			a = simple(DHCP_EV_NAK);
		else if (what == 4 && c.running)
			a = simple(DHCP_EV_EXIT);
		else if (what == 5)
			a = simple(rand() % 8 ? DHCP_EV_ON : DHCP_EV_OFF);
		else if (what == 6)
			a = step((struct dhcp_client_event){.kind = DHCP_EV_BAD, .text = "no"});
		else
			now += rand() % (3 * (int)S);
		if (what == 4 && was_running)
			was_running = was_stopping = false;
		if (dhcp_client_due(&c) <= now)
			a |= simple(DHCP_EV_TICK);
		assert_false((a & DHCP_START) && was_running);
		assert_false(
			(a & DHCP_STOP) && (!was_running || was_stopping) && !(a & DHCP_START));
		assert_false(c.lease.state == WAN_BOUND && c.lease.until <= now);
		assert_false(!c.on && c.lease.state == WAN_BOUND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_with_a_carrier),
		cmocka_unit_test_setup(renewed_and_not, with_lease),
		cmocka_unit_test_setup(refused, with_lease),
		cmocka_unit_test_setup(carrier_back, with_lease),
		cmocka_unit_test(carrier_back_early),
		cmocka_unit_test_setup(another_network, with_lease),
		cmocka_unit_test_setup(link_is_made_anew, with_lease),
		cmocka_unit_test_setup(program_dies, with_lease),
		cmocka_unit_test_setup(crash_loop_is_told, searching),
		cmocka_unit_test(lease_is_found),
		cmocka_unit_test_setup(useless_answers, searching),
		cmocka_unit_test_setup(short_lease, searching),
		cmocka_unit_test_setup(program_hangs, searching),
		cmocka_unit_test_setup(switched_off, with_lease),
		cmocka_unit_test(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
