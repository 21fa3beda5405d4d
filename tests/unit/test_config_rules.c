/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's firewall rules before nft(8) sees them: nothing leads out of the table, and what
 * nft says is told with the lines of the operator's file.
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

#include "common/config_rules.h"

static const struct {
	const char *text;
	int line; /* 0: it is taken */
	const char *why;
} cases[] = {
	{"", 0, NULL},
	{"# nothing\n", 0, NULL},
	{"chain user_input { accept; }", 0, NULL},
	{"chain user_input {\n}\nchain mine {\n tcp dport { 1, 2 } drop\n}\n", 0, NULL},
	{"set a { type ipv4_addr; elements = { 1.1.1.1 }; }; map b { type mark : verdict; }", 0,
		NULL},
	{"define W = { \"ge2\" }\nct helper x { type \"ftp\" protocol tcp; }\n", 0, NULL},
	{"chain user_input { log prefix \"} table inet x { include\" }", 0, NULL},
	{"chain user_input { \\\n accept # } flush ruleset\n}", 0, NULL},
	{"}\n", 1, "closes nothing"},
	{"chain a { }\n\n}\ntable inet b {", 3, "closes nothing"},
	{"chain a {\n accept\n", 1, "does not end"},
	{"\nchain a { log prefix \"x }\n", 2, "in quotes"},
	{"table inet b { }", 1, "\"table\" cannot stand here"},
	{"flush ruleset", 1, "\"flush\""},
	{"chain a { }; delete table inet gatepair", 1, "\"delete\""},
	{"chain a { } add table ip x", 1, "\"add\""},
	{"flags dormant", 1, "\"flags\""},
	{"flowtable f { }", 1, "\"flowtable\""},
	{"\ninclude \"/etc/shadow\"", 2, "other files"},
	{"chain a {\n include \"x\"\n}", 2, "other files"},
	{"set a { type mark;\n\n include \"x\"\n}", 3, "other files"},
	{"chain a { type filter hook input priority 0; }", 1, "hook of their own"},
	{"chain a {\n type filter \\\n hook input priority 0; }", 3, "hook of their own"},
	{"chain input { }", 1, "belongs to gatepair"},
	{"chain content { }", 1, "belongs to gatepair"},
	{"\n\nset gate { type mark; }", 3, "belongs to gatepair"},
	{"chain __mine { }", 1, "belongs to gatepair"},
	{"set user_input { type mark; }", 1, "name of a chain"},
	{"ct helper input { }", 1, "belongs to gatepair"},
	{"ct", 1, "ct of what"},
	{"chain { }", 1, "without a name"},
	{"(", 1, "begins with a word"},
	{"{ }", 0, NULL}, /* harmless, and nft's to refuse */
	{"chain aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa { }", 1,
		"too long"},
};

static void test_scan(void **state)
{
	char why[400];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int line = 0, rc;

		why[0] = '\0';
		rc = config_rules_scan(cases[i].text, &line, why, sizeof(why));
		if (line != cases[i].line || (rc != 0) != (cases[i].line != 0) ||
			(cases[i].why && !strstr(why, cases[i].why)))
			fail_msg("\"%s\": line %d: %s", cases[i].text, line, why);
	}
}

/* Whatever the bytes, the scan ends inside of them. */
static void test_scan_of_anything(void **state)
{
	static const char alphabet[] = "{}\"#\\\n; abi";
	uint32_t seed = 1;
	char why[400];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = 1 + seed % 60;
		char *text = malloc(n + 1);
		int line = 0, lines = 1;

		assert_non_null(text);
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
			lines += text[i] == '\n';
		}
		text[n] = '\0';
		if (config_rules_scan(text, &line, why, sizeof(why)) != 0)
			assert_in_range(line, 1, lines);
		free(text);
	}
}

static void test_script(void **state)
{
	static const char text[] = "chain user_input {\n}";
	char *script = config_rules_script(text, "somewhere", true), *at;

	(void)state;
	assert_non_null(script);
	at = strstr(script, text);
	assert_non_null(at);
	/* Ours is all on the first line. */
	assert_ptr_equal(strchr(script, '\n') + 1, at);
	assert_non_null(strstr(script, "hook forward"));
	free(script);
	script = config_rules_script(text, "somewhere", false);
	assert_non_null(script);
	assert_null(strstr(script, "hook"));
	free(script);
}

static void test_complaint(void **state)
{
	char why[64];

	(void)state;
	assert_int_equal(config_rules_complaint("/dev/stdin:4:2-6: Error: syntax error, x\n ^^\n",
				 why, sizeof(why)),
		3);
	assert_string_equal(why, "syntax error, x");
	assert_int_equal(config_rules_complaint("Error: no\n", why, sizeof(why)), 0);
	assert_string_equal(why, "no");
	assert_int_equal(config_rules_complaint("", why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void test_names(void **state)
{
	(void)state;
	assert_true(config_rules_reserved("forward"));
	assert_false(config_rules_reserved("user_forward"));
	assert_true(config_rules_entry("user_forward"));
	assert_false(config_rules_entry("forward"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_of_anything),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_complaint),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
