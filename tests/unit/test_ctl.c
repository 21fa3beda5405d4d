/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gatepair command's screen: wrapping, durations, and that the overview stays on 80 x 24
 * however much there is to say, and says what is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl/overview.h"
#include "common/ctl/screen.h"

/* cmocka's tests write to a stream in memory. */
static char *text;
static size_t text_len;

static void assert_fits(int max_lines)
{
	int lines = 0;

	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		if (screen_columns(line) > SCREEN_WIDTH)
			fail_msg("%d columns: %s", screen_columns(line), line);
		lines++;
	}
	assert_in_range(lines, 1, max_lines);
}

static void test_wrap(void **state)
{
	FILE *f = open_memstream(&text, &text_len);

	(void)state;
	assert_int_equal(screen_put(f, "Label", 3, "short"), 1);
	assert_int_equal(screen_put(f, "Label", 3, "%s", ""), 1);
	assert_int_equal(
		screen_put(f, "Größe", 2,
			"words that go on and on, with umlauts äöü and arrows → → →, until "
			"the line is full and the next one begins and is full as well, and even "
			"then there is more to say than two lines can hold"),
		2);
	assert_int_equal(screen_put(f, "", 2, "%0200d", 1), 2);
	assert_int_equal(screen_put(f, "", 1, "esc \x1b[31m \xff"), 1);
	fclose(f);
	assert_non_null(strstr(text, "Label     short\n"));
	assert_non_null(strstr(text, "…\n"));
	assert_non_null(strstr(text, "esc ?[31m ?"));
	assert_fits(7);
	free(text);
}

static void test_durations(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} t[] = {{0, "0 µs"}, {999, "999 µs"}, {1500, "1.5 ms"}, {350000, "350 ms"},
		{12000000, "12 s"}, {185000000, "3 min 5 s"}, {UINT64_C(7380000000), "2 h 3 min"},
		{UINT64_C(446400000000), "5 d 4 h"}};
	char out[SCREEN_DURATION_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(screen_duration(t[i].us, out), t[i].text);
}

static void test_nobody_answers(void **state)
{
	struct overview o = {.node = "gw-01",
		.why_supervisor = "supervisor: gone",
		.why_vrrpd = "vrrpd did not answer",
		.why_syncd = "syncd did not answer",
		.why_netcfgd = "netcfgd did not answer"};
	FILE *f = open_memstream(&text, &text_len);

	(void)state;
	overview_print(f, &o);
	fclose(f);
	assert_non_null(strstr(text, "Role      unknown: vrrpd did not answer\n"));
	assert_non_null(strstr(text, "Sessions  unknown: syncd did not answer\n"));
	assert_non_null(strstr(text, "Virtual   unknown: netcfgd did not answer\n"));
	assert_fits(24);
	free(text);
}

static char long_text[] =
	"something is the matter with an object that has a long name, for a cause that "
	"takes some words to tell, and this is what to do about it, step by step";
static char word[] = "word";

static void fill_vrrpd(Gp__VrrpdStatus *v, char **texts, size_t n)
{
	static Gp__VrrpdTransition t = GP__VRRPD_TRANSITION__INIT;
	static Gp__VrrpdTransition *ts[] = {&t};
	static Gp__VrrpdPath path = GP__VRRPD_PATH__INIT;
	static Gp__VrrpdPath *paths[64];
	static Gp__VrrpdPeer peer = GP__VRRPD_PEER__INIT;
	static char advert[] = "advert";

	for (size_t i = 0; i < 64; i++)
		paths[i] = &path;
	path.interface = word;
	path.kind = advert;
	peer.node = peer.role = word;
	peer.health = long_text;
	peer.paths = paths;
	peer.n_paths = 64;
	t.from = t.to = word;
	t.reason = long_text;
	t.has_last_heard_us = t.has_decided_us = t.has_state_ready_us = t.has_addresses_up_us = 1;
	t.has_announced_us = t.has_sessions = 1;
	v->role = word;
	v->role_reason = long_text;
	v->not_ready_reasons = v->conditions = texts;
	v->n_not_ready_reasons = v->n_conditions = n;
	v->peer = &peer;
	v->transitions = ts;
	v->n_transitions = 1;
}

static void test_everything_is_long(void **state)
{
	Gp__Status vs = GP__STATUS__INIT, ns = GP__STATUS__INIT, ss = GP__STATUS__INIT,
		   us = GP__STATUS__INIT;
	Gp__VrrpdStatus v = GP__VRRPD_STATUS__INIT;
	Gp__NetcfgdStatus n = GP__NETCFGD_STATUS__INIT;
	Gp__NetcfgdVirtual va = GP__NETCFGD_VIRTUAL__INIT;
	Gp__NetcfgdVirtual *vas[200];
	Gp__SyncdStatus s = GP__SYNCD_STATUS__INIT;
	Gp__SyncState sync = GP__SYNC_STATE__INIT;
	Gp__SupervisorStatus u = GP__SUPERVISOR_STATUS__INIT;
	Gp__SupervisorChild child = GP__SUPERVISOR_CHILD__INIT;
	Gp__SupervisorChild *children[40];
	Gp__LastError error = GP__LAST_ERROR__INIT;
	Gp__LastError *errors[1] = {&error};
	char *texts[20];
	struct overview o = {
		.node = "gw-01", .vrrpd = &vs, .netcfgd = &ns, .syncd = &ss, .supervisor = &us};
	FILE *f;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		texts[i] = long_text;
	fill_vrrpd(&v, texts, 20);
	vs.version = word;
	vs.vrrpd = &v;
	error.text = long_text;
	vs.daemon = ns.daemon = ss.daemon = us.daemon = word;
	vs.errors = ns.errors = errors;
	vs.n_errors = ns.n_errors = 1;
	va.address = va.interface = word;
	for (size_t i = 0; i < 200; i++)
		vas[i] = &va;
	n.forwarding = word;
	n.virtuals = vas;
	n.n_virtuals = 200;
	ns.netcfgd = &n;
	sync.reason = long_text;
	s.sync = &sync;
	s.peer = word;
	ss.syncd = &s;
	child.name = child.state = child.last_exit = word;
	for (size_t i = 0; i < 40; i++)
		children[i] = &child;
	u.children = children;
	u.n_children = 40;
	us.supervisor = &u;
	f = open_memstream(&text, &text_len);
	overview_print(f, &o);
	fclose(f);
	assert_non_null(strstr(text, "NOT ready"));
	assert_non_null(strstr(text, "and 17 more: `gatepair status vrrpd`"));
	assert_fits(24);
	free(text);
}

/* Who is heard on what, in words that hold on either side of a healthy pair. */
static void test_paths(void **state)
{
	static char hb[] = "heartbeat", advert[] = "advert", solicit[] = "solicit", ok[] = "ok";
	static char ge2[] = "ge2", ge3[] = "ge3", ge4[] = "ge4", standby[] = "Standby";
	static char absent[] = "absent", node[] = "gw-02";
	Gp__VrrpdPath p[5];
	Gp__VrrpdPath *paths[5];
	Gp__VrrpdPeer peer = GP__VRRPD_PEER__INIT;
	Gp__VrrpdStatus v = GP__VRRPD_STATUS__INIT;
	Gp__Status vs = GP__STATUS__INIT;
	struct overview o = {.node = "gw-01",
		.vrrpd = &vs,
		.why_supervisor = "",
		.why_syncd = "",
		.why_netcfgd = ""};
	FILE *f;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		gp__vrrpd_path__init(&p[i]);
		p[i].interface = i == 0 ? ge4 : i < 3 ? ge2 : ge3;
		p[i].kind = i == 0 ? hb : i % 2 ? advert : solicit;
		paths[i] = &p[i];
	}
	p[0].alive = p[2].alive = true;
	p[0].last_heard_us = 3000;
	p[2].last_heard_us = 400000;
	peer.node = node;
	peer.role = standby;
	peer.health = ok;
	peer.paths = paths;
	peer.n_paths = 5;
	v.peer = &peer;
	v.role = v.role_reason = standby;
	v.failover_ready = true;
	vs.version = word;
	vs.vrrpd = &v;
	f = open_memstream(&text, &text_len);
	overview_print(f, &o);
	fclose(f);
	assert_non_null(strstr(text, "heard on ge4 (heartbeat), ge2; not heard yet on ge3\n"));
	free(text);
	peer.role = absent;
	f = open_memstream(&text, &text_len);
	overview_print(f, &o);
	fclose(f);
	assert_non_null(strstr(text, "gw-02, absent, last heard"));
	assert_non_null(strstr(text, "silent: ge4 (heartbeat) for 3.0 ms, ge2 for 400 ms;"));
	free(text);
}

/* netcfgd's conditions come first, and of the HA link they say more than vrrpd's do. */
static void test_conditions(void **state)
{
	static char cable[] = "HA link ge4 has no carrier: plug it in", free_text[] = "ge2 is odd";
	static char plain[] = "the HA link ge4 has no carrier", other[] = "another router";
	char *of_netcfgd[] = {cable}, *of_vrrpd[] = {plain, other}, *no_link[] = {free_text};
	Gp__VrrpdStatus v = GP__VRRPD_STATUS__INIT;
	Gp__NetcfgdStatus n = GP__NETCFGD_STATUS__INIT;
	Gp__Status vs = GP__STATUS__INIT, ns = GP__STATUS__INIT;
	struct overview o = {.node = "gw-01",
		.vrrpd = &vs,
		.netcfgd = &ns,
		.why_supervisor = "",
		.why_syncd = ""};
	FILE *f;

	(void)state;
	v.role = v.role_reason = n.forwarding = vs.version = word;
	v.conditions = of_vrrpd;
	v.n_conditions = 2;
	n.conditions = of_netcfgd;
	n.n_conditions = 1;
	vs.vrrpd = &v;
	ns.netcfgd = &n;
	f = open_memstream(&text, &text_len);
	overview_print(f, &o);
	fclose(f);
	assert_non_null(strstr(text, "- HA link ge4 has no carrier: plug it in\n"));
	assert_null(strstr(text, "the HA link"));
	assert_true(strstr(text, "another router") > strstr(text, "plug it in"));
	free(text);
	n.conditions = no_link;
	f = open_memstream(&text, &text_len);
	overview_print(f, &o);
	fclose(f);
	assert_non_null(strstr(text, "ge2 is odd"));
	assert_non_null(strstr(text, "the HA link"));
	free(text);
}

/* What needs somebody's eyes beside what vrrpd says: daemons that crash, errors, lapses. */
static void test_troubles(void **state)
{
	static char syncd[] = "syncd", backoff[] = "backoff", exit_text[] = "signal 11";
	static char old[] = "something long over", fresh[] = "v7: cannot be created",
		    nd[] = "netcfgd";
	Gp__SupervisorChild child = GP__SUPERVISOR_CHILD__INIT, *children[1] = {&child};
	Gp__SupervisorStatus u = GP__SUPERVISOR_STATUS__INIT;
	Gp__LastError e1 = GP__LAST_ERROR__INIT, e2 = GP__LAST_ERROR__INIT,
		      *errors[3] = {&e1, &e2, &e1};
	Gp__NetcfgdStatus n = GP__NETCFGD_STATUS__INIT;
	Gp__Status us = GP__STATUS__INIT, ns = GP__STATUS__INIT;
	struct overview o = {.node = "gw-01",
		.supervisor = &us,
		.netcfgd = &ns,
		.why_vrrpd = "",
		.why_syncd = ""};
	FILE *f = open_memstream(&text, &text_len);

	(void)state;
	child.name = syncd;
	child.state = backoff;
	child.restarts = 12;
	child.last_exit = exit_text;
	u.children = children;
	u.n_children = 1;
	us.supervisor = &u;
	us.daemon = ns.daemon = nd;
	e1.text = fresh;
	e1.ago_ms = 12000;
	e2.text = old;
	e2.ago_ms = 7200000;
	ns.errors = errors;
	ns.n_errors = 3;
	n.forwarding = word;
	n.lapses = 1;
	ns.netcfgd = &n;
	overview_print(f, &o);
	fclose(f);
	assert_non_null(strstr(
		text, "Attention - syncd ends again and again (12 restarts, last: signal 11)"));
	assert_non_null(strstr(text, "Recent    - 12 s ago, netcfgd: v7: cannot be created\nS"));
	assert_non_null(strstr(text, "the lease ran out 1 time\n"));
	assert_non_null(strstr(text, "syncd backoff (12 restarts, signal 11)\n"));
	assert_null(strstr(text, "something long over"));
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_everything_is_long),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_troubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
