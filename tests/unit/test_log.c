/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log's lines as they arrive at stderr, the rate limit, the escaping of foreign bytes. */
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/log.h"

/* What `body` writes to stderr. */
static size_t capture(void (*body)(void), char *out, size_t size)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	body();
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], out, size - 1);
	close(fds[0]);
	close(fds[1]);
	close(saved);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void say_hello(void)
{
	log_init("vrrpd");
	log_notice("role=%s", "Active");
	log_debug("not shown");
}

static void say_two_lines(void)
{
	log_err("a\nb\x1b[31m\x7f");
}

/* More than a pipe holds, into one that nobody reads, and once more when somebody did. */
static void says_all_and_goes_on(void **state)
{
	int fds[2], saved = dup(STDERR_FILENO);
	static char out[1 << 20];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(fds, 0), 0);
	dup2(fds[1], STDERR_FILENO);
	log_init("vrrpd");
	alarm(10);
	for (int i = 0; i < 20000; i++)
		log_notice("line %d", i);
	assert_true(read(fds[0], out, sizeof(out)) > 0);
	log_notice("again");
	alarm(0);
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], out, sizeof(out) - 1);
	assert_true(n > 0);
	out[n] = '\0';
	assert_non_null(strstr(out, " lines of the log were lost here\n<5>vrrpd: again\n"));
	close(fds[0]);
	close(fds[1]);
	close(saved);
}

static void say_much(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_err("%s", text);
}

static void one_line_with_prefix(void **state)
{
	char out[8192];
	size_t n;

	(void)state;
	capture(say_hello, out, sizeof(out));
	assert_string_equal(out, "<5>vrrpd: role=Active\n");
	capture(say_two_lines, out, sizeof(out));
	assert_string_equal(out, "<3>vrrpd: a b [31m \n");
	n = capture(say_much, out, sizeof(out));
	assert_in_range(n, 1000, 2048);
	assert_ptr_equal(strchr(out, '\n'), out + n - 1);
}

static void limit(void **state)
{
	struct log_limit l = {0};
	usec_t now = 1000 * USEC_PER_SEC;
	int passed = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		passed += log_limit_pass(&l, now);
	assert_int_equal(passed, 5);
	assert_int_equal(l.suppressed, 95);
	assert_false(log_limit_pass(&l, now + 9 * USEC_PER_SEC));
	assert_true(log_limit_pass(&l, now + 10 * USEC_PER_SEC));
	assert_false(log_limit_pass(&l, now + 11 * USEC_PER_SEC));
	now += 1000 * USEC_PER_SEC;
	for (int i = 0; i < 100; i++)
		passed += log_limit_pass(&l, now);
	assert_int_equal(passed, 10);
}

static void escape(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(log_escape(out, sizeof(out), "gw-01", 5), "gw-01");
	assert_string_equal(log_escape(out, sizeof(out), "a\0b\n\\", 5), "a\\x00b\\x0a\\x5c");
	assert_string_equal(log_escape(out, sizeof(out), "\xff\xff\xff\xff", 4), "\\xff\\xff\\xff");
	assert_string_equal(log_escape(out, 1, "abc", 3), "");
	assert_string_equal(log_escape(out, sizeof(out), NULL, 0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_with_prefix),
		cmocka_unit_test(says_all_and_goes_on),
		cmocka_unit_test(limit),
		cmocka_unit_test(escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
