/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties of the configuration code: what is printed parses to the same configuration; what is
 * packed unpacks to the same part; no mutation of a good file crashes the parser or gets a message
 * without file and line; no mutation of a packed config crashes the unpacker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"
#include "tests/unit/config_sample.h"

#define MUTATIONS 10000
#define LIES      34

static int parse_text(const char *text, size_t len, struct config **ret, char err[512])
{
	struct config *cfg = config_new();
	struct arena *scratch = arena_new(8u << 20);
	char *copy = malloc(len + 1), why[CONFIG_WHY_MAX] = "";
	struct config_text t;
	int line = 0, rc;

	assert_true(cfg && scratch && copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	rc = config_parse(copy, len, scratch, cfg, &t, &line, why);
	if (rc == 0)
		rc = config_check(cfg, &t, &line, why);
	snprintf(err, 512, "g.conf:%d: %s", line, why);
	if (rc < 0) {
		assert_true(line >= 1);
		assert_true(why[0] != '\0');
		config_free(cfg);
	} else {
		*ret = cfg;
	}
	arena_free(scratch);
	free(copy);
	return rc;
}

static struct config *must_parse(const char *text)
{
	struct config *cfg = NULL;
	char err[512];

	if (parse_text(text, strlen(text), &cfg, err) < 0)
		fail_msg("%s in\n%s", err, text);
	return cfg;
}

static void assert_same(const struct config *a, const struct config *b)
{
	for (enum config_part part = CONFIG_PART_VRRPD; part <= CONFIG_PART_ACTIVATED; part++) {
		struct arena *scratch = arena_new(1u << 20);
		Gp__Config *ma = config_pack(a, part, scratch), *mb = config_pack(b, part, scratch);
		size_t n = gp__config__get_packed_size(ma);
		uint8_t *pa = malloc(n), *pb = malloc(n);

		assert_int_equal(n, gp__config__get_packed_size(mb));
		gp__config__pack(ma, pa);
		gp__config__pack(mb, pb);
		assert_memory_equal(pa, pb, n);
		free(pa);
		free(pb);
		arena_free(scratch);
	}
}

static void round_trip(bool normalized)
{
	struct config *a = must_parse(SAMPLE_CONFIG), *b;
	char *first = config_to_str(a, normalized), *second;

	assert_non_null(first);
	assert_null(strstr(first, "s3cret"));
	b = must_parse(first);
	second = config_to_str(b, normalized);
	assert_string_equal(first, second);
	/* The secret is the one thing that is not printed. */
	assert_string_equal(b->vrrps[2].password, "…");
	memcpy(b->vrrps[2].password, a->vrrps[2].password, sizeof(b->vrrps[2].password));
	assert_same(a, b);
	free(first);
	free(second);
	config_free(a);
	config_free(b);
}

static void test_print(void **state)
{
	(void)state;
	round_trip(false);
	round_trip(true);
}

static void test_normalized(void **state)
{
	struct config *cfg = must_parse("node = a cluster { heartbeat = off }");
	char *brief = config_to_str(cfg, false), *full = config_to_str(cfg, true);

	(void)state;
	assert_string_equal(brief, "node = \"a\"\n\ncluster {\n\theartbeat = off\n}\n");
	assert_non_null(strstr(full, "\tpriority = 100\n"));
	assert_non_null(strstr(full, "\tpreempt-delay = 30s\n"));
	free(brief);
	free(full);
	config_free(cfg);
}

static void test_parts(void **state)
{
	struct config *cfg = must_parse(SAMPLE_CONFIG), *got = NULL;
	uint8_t der[3] = {1, 2, 3};
	char err[256];

	(void)state;
	cfg->sync.identity_der = der;
	cfg->sync.identity_der_len = sizeof(der);
	cfg->sync.local = cfg->sync.peer;
	memcpy(cfg->cluster.auth_key, "0123456789abcdef", 16);
	cfg->cluster.auth_key_len = 16;
	for (enum config_part part = CONFIG_PART_VRRPD; part <= CONFIG_PART_ACTIVATED; part++) {
		struct arena *scratch = arena_new(1u << 20);

		assert_int_equal(
			config_unpack(config_pack(cfg, part, scratch), &got, err, sizeof(err)), 0);
		/* A secret goes to the one who needs it. */
		assert_int_equal(got->sync.identity_der_len, part == CONFIG_PART_SYNCD ? 3 : 0);
		assert_int_equal(got->cluster.auth_key_len, part == CONFIG_PART_VRRPD ? 16 : 0);
		assert_int_equal(got->vrrps[2].password[0] != 0, part == CONFIG_PART_VRRPD);
		assert_int_equal(got->n_nats, part == CONFIG_PART_NETCFGD ? 1 : 0);
		assert_int_equal(got->n_routes, part == CONFIG_PART_NETCFGD ? 5 : 0);
		assert_int_equal(got->n_interfaces, 12);
		assert_int_equal(got->n_vrrps, 3);
		assert_true(config_prefix_equal(
			&got->vrrps[1].addresses.v[0], &cfg->vrrps[1].addresses.v[0]));
		assert_int_equal(got->portal.present, part == CONFIG_PART_ACTIVATED);
		config_free(got);
		arena_free(scratch);
	}
	config_free(cfg);
}

/* What netcfgd is told: unpacked and packed again, it is the same bytes. */
static void test_netcfgd_part(void **state)
{
	struct config *cfg = must_parse(SAMPLE_CONFIG), *got = NULL;
	struct arena *scratch = arena_new(1u << 20);
	static char rules[] = "chain x {\n\tcounter\n}\n";
	Gp__Config *ma, *mb;
	char err[256];
	size_t n;
	uint8_t *pa, *pb;

	(void)state;
	cfg->firewall.rules = rules;
	cfg->sync.local = cfg->sync.peer;
	ma = config_pack(cfg, CONFIG_PART_NETCFGD, scratch);
	assert_int_equal(config_unpack(ma, &got, err, sizeof(err)), 0);
	mb = config_pack(got, CONFIG_PART_NETCFGD, scratch);
	n = gp__config__get_packed_size(ma);
	assert_int_equal(gp__config__get_packed_size(mb), n);
	pa = malloc(n);
	pb = malloc(n);
	gp__config__pack(ma, pa);
	gp__config__pack(mb, pb);
	assert_memory_equal(pa, pb, n);
	assert_string_equal(got->firewall.rules, rules);
	assert_int_equal(got->n_rules, 1);
	/* Only what is given is there. */
	assert_null(config_pack(cfg, CONFIG_PART_VRRPD, scratch)->firewall_rules);
	assert_int_equal(config_pack(cfg, CONFIG_PART_SYNCD, scratch)->n_rules, 0);
	free(pa);
	free(pb);
	config_free(got);
	config_free(cfg);
	arena_free(scratch);
}

static Gp__ConfigInterface *find_in(Gp__Config *m, const char *name)
{
	for (size_t i = 0; i < m->n_interfaces; i++)
		if (strcmp(m->interfaces[i]->name, name) == 0)
			return m->interfaces[i];
	fail_msg("no %s", name);
	return NULL;
}

/* Lies in what netcfgd is sent, by number. */
static char v6[] = "2001:db8::1", high[] = "10.0.20.250", evil[] = "a/b", colour[] = "\x1b[31m";
static char other[] = "bond0";

static bool lie_master(Gp__Config *m, unsigned which)
{
	Gp__ConfigInterface *br = find_in(m, "br0"), *bond = find_in(m, "bond0");

	switch (which) {
	case 0:
		m->has_model = 0;
		return true;
	case 1:
		m->model = 5;
		return true;
	case 2:
		br->has_kind = 0;
		return true;
	case 3:
		br->kind = 5;
		return true;
	case 4:
		br->kind = CONFIG_LINK_PORT;
		return true;
	case 5:
		br->n_ports = 0;
		return true;
	case 6:
		br->ports[0] = evil;
		return true;
	case 7:
		br->mac.len = 5;
		return true;
	case 8:
		br->mac.data[0] |= 1;
		return true;
	case 9:
		br->dhcp_from = NULL;
		return true;
	case 10:
		br->dhcp_to = v6;
		return true;
	case 11:
		br->dhcp_from = high;
		return true;
	case 12:
		br->dhcp_lease_time_us = 119999999;
		return true;
	case 13:
		br->master = bond->name;
		return true;
	case 14:
		bond->bond_mode = 4;
		return true;
	case 15:
		bond->gateways[0] = evil;
		return true;
	}
	return false;
}

static bool lie_link(Gp__Config *m, unsigned which)
{
	Gp__ConfigInterface *vlan = find_in(m, "br0.30"), *port = find_in(m, "p9");

	switch (which - 16) {
	case 0:
		vlan->parent = NULL;
		return true;
	case 1:
		vlan->vlan_id = 4095;
		return true;
	case 2:
		vlan->dhcp_relay[0] = evil;
		return true;
	case 3:
		port->device = evil;
		return true;
	case 4:
		port->parent = other;
		return true;
	}
	return false;
}

static bool lie_rest(Gp__Config *m, unsigned which)
{
	Gp__ConfigRoute *via = m->routes[4], *hole = m->routes[3];

	switch (which - 21) {
	case 0:
		via->via = v6;
		return true;
	case 1:
		via->via = via->interface = NULL;
		return true;
	case 2:
		via->interface = evil;
		return true;
	case 3:
		hole->interface = other;
		return true;
	case 4:
		hole->has_table = 1;
		hole->table = 255;
		return true;
	case 5:
		m->rules[0]->table = 0;
		return true;
	case 6:
		m->rules[0]->priority = 32766;
		return true;
	case 7:
		m->rules[0]->from = v6;
		return true;
	case 8:
		m->rules[0]->interface = evil;
		return true;
	case 9:
		m->rules[0]->name = evil;
		return true;
	case 10:
		m->firewall_rules = colour;
		return true;
	case 11:
		m->n_rules = CONFIG_MAX_RULES + 1;
		return true;
	case 12:
		m->n_interfaces = CONFIG_MAX_INTERFACES + 1;
		return true;
	}
	return false;
}

static void test_lies(void **state)
{
	struct config *cfg = must_parse(SAMPLE_CONFIG), *got = NULL;

	(void)state;
	cfg->sync.local = cfg->sync.peer;
	for (unsigned i = 0; i < LIES; i++) {
		struct arena *scratch = arena_new(1u << 20);
		Gp__Config *m = config_pack(cfg, CONFIG_PART_NETCFGD, scratch);
		char err[256] = "";

		assert_true(lie_master(m, i) || lie_link(m, i) || lie_rest(m, i));
		if (config_unpack(m, &got, err, sizeof(err)) == 0)
			fail_msg("lie %u was believed", i);
		assert_ptr_equal(strstr(err, "configuration message: "), err);
		assert_null(got);
		arena_free(scratch);
	}
	config_free(cfg);
}

/* What a model says is not written twice. */
static void test_print_model(void **state)
{
	struct config *cfg = must_parse("node = a model = zt600 interface ge1 { } "
					"bridge br0 { ports = {ge2, ge3} role = lan } "
					"firewall { rules-file = \"/a\" }");
	char *brief = config_to_str(cfg, false);

	(void)state;
	assert_string_equal(brief,
		"node = \"a\"\nmodel = zt600\n\ninterface \"ge1\" {\n\tdevice = \"eth0\"\n\trole "
		"= mgmt\n}\n\nbridge \"br0\" {\n\tports = {\"ge2\", \"ge3\"}\n\trole = lan\n}\n"
		"\nfirewall {\n\trules-file = \"/a\"\n}\n");
	config_free(must_parse(brief));
	free(brief);
	config_free(cfg);
}

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

/* Bytes flipped, removed, doubled, replaced by what means something to the grammar. */
static size_t mutate(char *buf, size_t len, size_t cap, uint64_t *seed)
{
	static const char tokens[] = "{}()=+,#\"'/*\\\n\t $${:~0129.-\xff";
	uint32_t edits = 1 + next_random(seed) % 4;

	while (edits-- > 0 && len > 1) {
		size_t at = next_random(seed) % len, n = 1 + next_random(seed) % 40;

		if (n > len - at)
			n = len - at;
		switch (next_random(seed) % 5) {
		case 0:
			buf[at] = (char)next_random(seed);
			break;
		case 1:
			buf[at] = tokens[next_random(seed) % (sizeof(tokens) - 1)];
			break;
		case 2:
			memmove(buf + at, buf + at + n, len - at - n);
			len -= n;
			break;
		case 3:
			if (len + n > cap)
				break;
			memmove(buf + at + n, buf + at, len - at);
			len += n;
			break;
		case 4:
			len = at + 1;
			break;
		}
	}
	return len;
}

/* What the checks accept, no daemon refuses. */
static void must_hand_out(struct config *cfg)
{
	cfg->sync.local = cfg->sync.peer;
	for (enum config_part part = CONFIG_PART_VRRPD; part <= CONFIG_PART_ACTIVATED; part++) {
		struct arena *scratch = arena_new(1u << 20);
		struct config *got = NULL;
		char err[256];

		if (config_unpack(config_pack(cfg, part, scratch), &got, err, sizeof(err)) < 0)
			fail_msg("%s", err);
		config_free(got);
		arena_free(scratch);
	}
}

static void test_mutated_text(void **state)
{
	static char buf[2 * sizeof(SAMPLE_CONFIG)];
	uint64_t seed = 20240607;
	unsigned accepted = 0;

	(void)state;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		struct config *cfg = NULL;
		char err[512];
		size_t len = sizeof(SAMPLE_CONFIG) - 1;

		memcpy(buf, SAMPLE_CONFIG, len);
		len = mutate(buf, len, sizeof(buf), &seed);
		if (parse_text(buf, len, &cfg, err) == 0) {
			char *text = config_to_str(cfg, true);

			accepted++;
			must_hand_out(cfg);
			config_free(must_parse(text));
			free(text);
			config_free(cfg);
		}
	}
	assert_in_range(accepted, 1, MUTATIONS / 2);
}

static void mutate_part(const struct config *cfg, enum config_part part, uint64_t seed)
{
	struct arena *scratch = arena_new(1u << 20);
	Gp__Config *m = config_pack(cfg, part, scratch);
	size_t n = gp__config__get_packed_size(m);
	char *good = malloc(n), *buf = malloc(2 * n);

	gp__config__pack(m, (uint8_t *)good);
	for (unsigned i = 0; i < MUTATIONS; i++) {
		struct config *got = NULL;
		char err[256] = "";
		size_t len;
		Gp__Config *msg;

		memcpy(buf, good, n);
		len = mutate(buf, n, 2 * n, &seed);
		arena_reset(scratch);
		msg = gp__config__unpack(arena_pb(scratch), len, (uint8_t *)buf);
		if (msg && config_unpack(msg, &got, err, sizeof(err)) == 0)
			config_free(got);
		else if (msg)
			assert_true(err[0] != '\0');
	}
	free(good);
	free(buf);
	arena_free(scratch);
}

static void test_mutated_message(void **state)
{
	struct config *cfg = must_parse(SAMPLE_CONFIG);

	(void)state;
	mutate_part(cfg, CONFIG_PART_SYNCD, 7);
	mutate_part(cfg, CONFIG_PART_NETCFGD, 11);
	config_free(cfg);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_normalized),
		cmocka_unit_test(test_print_model),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_netcfgd_part),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_mutated_text),
		cmocka_unit_test(test_mutated_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
