/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The printer: stable JSON, pleasant text, foreign text that cannot steer a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/print.h"
#include "ipc.pb-c.h"

static char *text_of(const ProtobufCMessage *m, int indent)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print_text(out, m, indent);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect_text(const ProtobufCMessage *m, const char *want)
{
	char *text = text_of(m, 0);

	assert_string_equal(text, want);
	free(text);
}

static void expect_json(const ProtobufCMessage *m, const char *want)
{
	json_t *j = print_to_json(m);
	char *text = json_dumps(j, JSON_PRESERVE_ORDER | JSON_COMPACT);

	assert_string_equal(text, want);
	free(text);
	json_decref(j);
}

static void lease(void **state)
{
	Gp__LeaseReply m = GP__LEASE_REPLY__INIT;
	char why[] = "ge2: Network is down";

	(void)state;
	m.result = GP__LEASE_RESULT__LEASE_FAILED;
	m.term = UINT64_MAX;
	m.remaining_us = 38400;
	m.adopted = 1;
	expect_json(&m.base,
		"{\"result\":\"LEASE_FAILED\",\"held\":false,"
		"\"term\":9223372036854775807,\"remaining_us\":38400,\"adopted\":true}");
	m.text = why;
	m.term = 7;
	m.remaining_us = 1500;
	expect_text(&m.base, "result:    LEASE_FAILED\n"
			     "held:      no\n"
			     "term:      7\n"
			     "remaining: 1.5 ms\n"
			     "text:      ge2: Network is down\n"
			     "adopted:   yes\n");
}

static void durations(void **state)
{
	static const struct {
		uint64_t ms;
		const char *want;
	} v[] = {{0, "0"}, {14, "14 ms"}, {999, "999 ms"}, {1000, "1 s"}, {3240, "3.2 s"},
		{42900, "42 s"}, {303000, "5 min 3 s"}, {11520000, "3 h 12 min"},
		{352800000, "4 d 2 h"}, {UINT64_MAX, "never"}};
	char err[] = "x", want[64];
	Gp__LastError m = GP__LAST_ERROR__INIT;

	(void)state;
	m.text = err;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		m.ago_ms = v[i].ms;
		snprintf(want, sizeof(want), "text: x\nago:  %s\n", v[i].want);
		expect_text(&m.base, want);
	}
}

static char ge2[] = "ge2", ge10[] = "ge2.10", lan[] = "lan", voice[] = "voice", active[] = "Active";
static char a1[] = "10.0.0.1/24", a2[] = "10.0.10.1/24", ok[] = "ok", adv[] = "adverts";
static char s1[] = "the peer is not heard", s2[] = "not in sync";

static void fill(Gp__VrrpdStatus *m)
{
	static Gp__VrrpdInstance inst[2], *insts[2] = {&inst[0], &inst[1]};
	static Gp__VrrpdPath path, *paths[1] = {&path};
	static Gp__VrrpdPeer peer;
	static char *addresses[] = {a1, a2}, *reasons[] = {s1, s2};

	for (int i = 0; i < 2; i++) {
		gp__vrrpd_instance__init(&inst[i]);
		inst[i].name = i == 0 ? lan : voice;
		inst[i].interface = i == 0 ? ge2 : ge10;
		inst[i].vrid = 10 + (unsigned)i;
		inst[i].version = 3;
		inst[i].state = active;
		inst[i].n_virtual_addresses = 1 + (size_t)i;
		inst[i].virtual_addresses = addresses;
		inst[i].active_down_interval_us = 3600000;
	}
	gp__vrrpd_path__init(&path);
	path.interface = ge2;
	path.kind = adv;
	gp__vrrpd_peer__init(&peer);
	peer.node = lan;
	peer.role = active;
	peer.health = ok;
	peer.n_paths = 1;
	peer.paths = paths;
	m->role = active;
	m->role_reason = s1;
	m->n_instances = 2;
	m->instances = insts;
	m->n_not_ready_reasons = 2;
	m->not_ready_reasons = reasons;
	m->peer = &peer;
}

static void nested(void **state)
{
	Gp__VrrpdStatus m = GP__VRRPD_STATUS__INIT;

	(void)state;
	fill(&m);
	expect_text(&m.base, "role:                Active\n"
			     "role_age:            0\n"
			     "role_reason:         the peer is not heard\n"
			     "term:                0\n"
			     "priority:            0\n"
			     "failover_ready:      no\n"
			     "not_ready_reasons:   the peer is not heard\n"
			     "                     not in sync\n"
			     "peer:\n"
			     "  node:       lan\n"
			     "  role:       Active\n"
			     "  term:       0\n"
			     "  priority:   0\n"
			     "  health:     ok\n"
			     "  last_heard: 0\n"
			     "  paths:\n"
			     "    interface  kind     alive  last_heard\n"
			     "    ge2        adverts  no     0\n"
			     "instances:\n"
			     "  - name:                 lan\n"
			     "    interface:            ge2\n"
			     "    vrid:                 10\n"
			     "    version:              3\n"
			     "    state:                Active\n"
			     "    virtual_addresses:    10.0.0.1/24\n"
			     "    adverts_sent:         0\n"
			     "    adverts_received:     0\n"
			     "    active_down_interval: 3.6 s\n"
			     "  - name:                 voice\n"
			     "    interface:            ge2.10\n"
			     "    vrid:                 11\n"
			     "    version:              3\n"
			     "    state:                Active\n"
			     "    virtual_addresses:    10.0.0.1/24, 10.0.10.1/24\n"
			     "    adverts_sent:         0\n"
			     "    adverts_received:     0\n"
			     "    active_down_interval: 3.6 s\n"
			     "lease:               0\n"
			     "suspicions:          0\n"
			     "suspicions_answered: 0\n");
}

static void status_json(void **state)
{
	Gp__Counter c = GP__COUNTER__INIT, *counters[] = {&c};
	Gp__VrrpdStatus v = GP__VRRPD_STATUS__INIT;
	Gp__Status m = GP__STATUS__INIT;
	json_t *j;

	(void)state;
	fill(&v);
	c.name = adv;
	c.value = 5;
	m.daemon = m.version = m.state = m.reason = ok;
	m.n_counters = 1;
	m.counters = counters;
	m.detail_case = GP__STATUS__DETAIL_VRRPD;
	m.vrrpd = &v;
	j = print_to_json(&m.base);
	assert_non_null(j);
	assert_int_equal(json_array_size(json_object_get(j, "errors")), 0);
	assert_null(json_object_get(j, "syncd"));
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(j, "vrrpd"), "instances")), 2);
	json_decref(j);
	m.detail_case = GP__STATUS__DETAIL__NOT_SET;
	expect_json(&m.base, "{\"daemon\":\"ok\",\"version\":\"ok\",\"pid\":0,\"uptime_ms\":0,"
			     "\"config_generation\":0,\"state\":\"ok\",\"state_age_ms\":0,"
			     "\"reason\":\"ok\",\"counters\":[{\"name\":\"adverts\",\"value\":5}],"
			     "\"errors\":[]}");
	expect_text(&m.base, "daemon:            ok\nversion:           ok\npid:               0\n"
			     "uptime:            0\nconfig_generation: 0\nstate:             ok\n"
			     "state_age:         0\nreason:            ok\ncounters:\n"
			     "  adverts  5\n");
}

static void foreign_text(void **state)
{
	char evil[] = "a\x1b[2J\nb\x7f\xc2\x9b ä", bad[] = "\xff\xfe";
	Gp__ConfigText m = GP__CONFIG_TEXT__INIT;

	(void)state;
	m.text = evil;
	expect_text(&m.base, "text: a\\x1b[2J\\x0ab\\x7f\\x9b ä\n");
	m.text = bad;
	expect_json(&m.base, "{\"text\":\"\\\\xff\\\\xfe\"}");
}

static void bytes_are_hex(void **state)
{
	uint8_t mac[] = {0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a};
	Gp__LinkState m = GP__LINK_STATE__INIT;
	json_t *j;

	(void)state;
	m.name = m.address = ge2;
	m.mac = (ProtobufCBinaryData){sizeof(mac), mac};
	j = print_to_json(&m.base);
	assert_string_equal(json_string_value(json_object_get(j, "mac")), "00005e00010a");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease),
		cmocka_unit_test(durations),
		cmocka_unit_test(nested),
		cmocka_unit_test(status_json),
		cmocka_unit_test(foreign_text),
		cmocka_unit_test(bytes_are_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
