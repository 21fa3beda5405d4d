/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process's side of the services: it never waits, the newest order is what arrives, and
 * what is reported is believed only when it is well-formed and about something configured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "netcfgd/services/service.h"

/* Not forked here. */
void service_main(int fd)
{
	_exit(fd);
}

struct bed {
	uv_loop_t loop;
	struct services s;
	int far;
	struct config_interface links[2];
	struct config cfg;
	unsigned wans, died;
	struct wan_lease last;
};

static void on_wan(void *owner, const struct wan_lease *lease)
{
	struct bed *b = owner;

	b->wans++;
	b->last = *lease;
}

static void on_died(void *owner, const char *why)
{
	struct bed *b = owner;

	assert_non_null(why);
	b->died++;
}

static const struct services_ops ops = {.wan = on_wan, .died = on_died};

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	int pair[2];

	assert_non_null(b);
	assert_int_equal(uv_loop_init(&b->loop), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	b->far = pair[1];
	assert_int_equal(services_init(&b->s, &b->loop, pair[0], &ops, b), 0);
	snprintf(b->cfg.node, sizeof(b->cfg.node), "gw-01");
	b->cfg.interfaces = b->links;
	b->cfg.n_interfaces = 2;
	b->links[0] = (struct config_interface){
		.name = "ge3", .kind = CONFIG_LINK_PORT, .role = CONFIG_ROLE_WAN, .dhcp = true};
	b->links[1] = (struct config_interface){
		.name = "ge2", .kind = CONFIG_LINK_PORT, .role = CONFIG_ROLE_LAN};
	*state = b;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	(void)h;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	uv_close((uv_handle_t *)&b->s.poll, on_closed);
	timer_close(&b->s.second, NULL);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	uv_loop_close(&b->loop);
	close(b->s.fd);
	close(b->far);
	free(b);
	return 0;
}

static void turn(struct bed *b)
{
	for (int i = 0; i < 10; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
}

/* The next order; 0: none waits. */
static int next_order(struct bed *b, struct services_order *o, char node[64])
{
	static uint8_t buf[SERVICES_MSG_MAX];
	ssize_t n = recv(b->far, buf, sizeof(buf), MSG_DONTWAIT);

	node[0] = '\0';
	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return 0;
	}
	assert_true((size_t)n >= sizeof(*o));
	memcpy(o, buf, sizeof(*o));
	if (o->kind == SERVICES_CONFIG) {
		Gp__Config *m = gp__config__unpack(NULL, (size_t)n - sizeof(*o), buf + sizeof(*o));

		assert_non_null(m);
		snprintf(node, 64, "%s", m->node);
		gp__config__free_unpacked(m, NULL);
	}
	return 1;
}

static void orders(void **state)
{
	struct bed *b = *state;
	struct services_order o;
	char node[64];

	services_role(&b->s, true); /* before there is a configuration: kept */
	assert_int_equal(next_order(b, &o, node), 0);
	services_config(&b->s, &b->cfg);
	assert_int_equal(next_order(b, &o, node), 1);
	assert_int_equal(o.kind, SERVICES_CONFIG);
	assert_string_equal(node, "gw-01");
	assert_int_equal(next_order(b, &o, node), 1);
	assert_int_equal(o.kind, SERVICES_ROLE);
	assert_true(o.held);
	services_role(&b->s, false);
	assert_int_equal(next_order(b, &o, node), 1);
	assert_false(o.held);
}

/* Nobody reads: nothing waits and nothing piles up; once somebody does, the newest arrives. */
static void latest_wins(void **state)
{
	struct bed *b = *state;
	struct services_order o;
	unsigned n = 0, configs = 0;
	bool held = false;
	char node[64], last[64] = "";

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(b->cfg.node, sizeof(b->cfg.node), "node-%u", i);
		services_config(&b->s, &b->cfg);
		services_role(&b->s, i % 2 == 0);
	}
	assert_true(b->s.config_due || b->s.role_due);
	services_role(&b->s, true);
	for (int empty = 0; empty < 3; empty++) {
		while (next_order(b, &o, node)) {
			n++;
			configs += o.kind == SERVICES_CONFIG;
			held = o.kind == SERVICES_ROLE ? o.held : held;
			if (node[0])
				memcpy(last, node, sizeof(last));
		}
		turn(b);
	}
	assert_string_equal(last, "node-19999");
	assert_true(held);
	assert_true(n < 20000 && configs > 1);
	assert_false(b->s.config_due || b->s.role_due);
}

static void report(struct bed *b, const void *r, size_t n)
{
	assert_int_equal(send(b->far, r, n, 0), n);
	turn(b);
}

static struct services_report lease(void)
{
	struct services_report r = {.kind = SERVICES_WAN};
	struct config_prefix p = {.family = AF_INET, .len = 32};

	p.v4.s_addr = htonl(0xcb007101);
	snprintf(r.wan.link, sizeof(r.wan.link), "ge3");
	r.wan.state = WAN_BOUND;
	r.wan.gateway = r.wan.server = r.wan.dns[0] = p;
	r.wan.n_dns = 1;
	r.wan.address = p;
	r.wan.address.len = 24;
	r.wan.until = clock_now_us() + USEC_PER_SEC;
	return r;
}

static void takes_reports(void **state)
{
	struct bed *b = *state;
	struct services_report r = lease(), c = {.kind = SERVICES_CONDITION},
			       ch = {.kind = SERVICES_CHILD};

	services_config(&b->s, &b->cfg);
	report(b, &r, sizeof(r));
	assert_int_equal(b->wans, 1);
	assert_string_equal(b->last.link, "ge3");
	c.condition.id = 3;
	snprintf(c.condition.text, sizeof(c.condition.text), "x: bad\033[1m");
	report(b, &c, sizeof(c));
	assert_string_equal(b->s.conditions[2], "x: bad?[1m");
	/* Shown at once, however often it changes; not each is logged. */
	for (int i = 0; i < 100; i++) {
		snprintf(c.condition.text, sizeof(c.condition.text), "x: %d", i);
		report(b, &c, sizeof(c));
		assert_string_equal(b->s.conditions[2], c.condition.text);
	}
	assert_true(b->s.told[2].suppressed > 90);
	c.condition.text[0] = '\0';
	report(b, &c, sizeof(c));
	assert_string_equal(b->s.conditions[2], "");
	for (int i = 0; i < SERVICES_CHILDREN_MAX + 5; i++) {
		snprintf(ch.child.name, sizeof(ch.child.name), "child %d", i);
		snprintf(ch.child.state, sizeof(ch.child.state), "running");
		report(b, &ch, sizeof(ch));
	}
	assert_int_equal(b->s.n_children, SERVICES_CHILDREN_MAX);
	snprintf(ch.child.name, sizeof(ch.child.name), "child 0");
	ch.child.state[0] = '\0';
	report(b, &ch, sizeof(ch));
	assert_int_equal(b->s.n_children, SERVICES_CHILDREN_MAX - 1);
	assert_int_equal(b->s.refused, 0);
	/* No longer configured, no longer shown. */
	assert_int_equal(b->s.n_wans, 1);
	b->links[0].dhcp = false;
	services_config(&b->s, &b->cfg);
	assert_int_equal(b->s.n_wans, 0);
	assert_int_equal(b->died, 0);
	close(b->far);
	b->far = -1;
	turn(b);
	assert_int_equal(b->died, 1);
}

/* Whoever says nothing for ten seconds of our loop hangs; one turn that took long is one second,
 * and what waits to be read was said. */
static void silence(void **state)
{
	struct bed *b = *state;
	struct services_report alive = {.kind = SERVICES_ALIVE};

	for (int i = 0; i < 1000; i++) {
		if (i % 9 == 8)
			report(b, &alive, sizeof(alive));
		assert_true(services_second(&b->s));
	}
	report(b, &alive, sizeof(alive));
	for (int i = 1; i < SERVICES_SILENCE; i++)
		assert_true(services_second(&b->s));
	assert_int_equal(send(b->far, &alive, sizeof(alive), 0), sizeof(alive));
	timer_set(&b->s.second, clock_now_us() - 3600 * USEC_PER_SEC);
	turn(b);
	assert_int_equal(b->died, 0);
	assert_true(b->s.silent <= 1);
	for (int i = 1; i < SERVICES_SILENCE; i++)
		services_second(&b->s);
	timer_set(&b->s.second, 0);
	turn(b);
	assert_int_equal(b->died, 1);
	turn(b);
	assert_int_equal(b->died, 1);
}

static void refuses_reports(void **state)
{
	struct bed *b = *state;
	struct services_report r;
	unsigned n = 0;

	services_config(&b->s, &b->cfg);
	r = lease();
	report(b, &r, sizeof(r) - 1);
	assert_int_equal(b->s.refused, ++n);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		r = lease();                                                                       \
		change;                                                                            \
		report(b, &r, sizeof(r));                                                          \
		assert_int_equal(b->s.refused, ++n);                                               \
	} while (0)
	REFUSED(r.kind = 0);
	REFUSED(r.kind = 99);
	REFUSED(snprintf(r.wan.link, sizeof(r.wan.link), "ge2")); /* has no DHCP */
	REFUSED(memset(r.wan.link, 'x', sizeof(r.wan.link)));
	REFUSED(r.wan.state = 7);
	REFUSED(r.wan.address.family = AF_INET6);
	REFUSED(r.wan.address.len = 33);
	REFUSED(r.wan.address.v4.s_addr = 0);
	REFUSED(r.wan.gateway.len = 24);
	REFUSED(r.wan.n_dns = 1000000);
	REFUSED(r.wan.dns[0].family = 0);
	REFUSED(r.wan.until = INT64_MAX);
	REFUSED(r.wan.until = INT64_MIN);
	REFUSED((r.kind = SERVICES_CONDITION, r.condition.id = 0));
	REFUSED((r.kind = SERVICES_CONDITION, r.condition.id = SERVICES_CONDITIONS_MAX + 1));
	REFUSED((r.kind = SERVICES_CONDITION, r.condition.id = 1,
		memset(r.condition.text, 'x', sizeof(r.condition.text))));
	REFUSED((r.kind = SERVICES_CHILD, r.child.name[0] = '\0'));
	REFUSED((memset(&r.child, 0, sizeof(r.child)), r.kind = SERVICES_CHILD,
		r.child.name[0] = 'x', r.child.n_interfaces = SERVICES_LIST_MAX + 1));
	REFUSED((r.kind = SERVICES_WAN_STATE,
		memset(r.wan_state.state, 'x', sizeof(r.wan_state.state))));
#undef REFUSED
	assert_int_equal(b->wans, 0);
	assert_int_equal(b->died, 0);
	assert_int_equal(b->s.n_wans, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(orders, setup, teardown),
		cmocka_unit_test_setup_teardown(latest_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_reports, setup, teardown),
		cmocka_unit_test_setup_teardown(silence, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_reports, setup, teardown),
	};

	log_set_level(LOG_EMERG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
