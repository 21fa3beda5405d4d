/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs as children: what they are given, what becomes known of their end, and that they do not
 * outlive us.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "netcfgd/services/child.h"

struct bed {
	uv_loop_t loop;
	struct child child;
	int ended;
	int status;
};

static void on_ended(struct child *c, int status)
{
	struct bed *b = c->owner;

	b->ended++;
	b->status = status;
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	if (!b || uv_loop_init(&b->loop))
		return -1;
	b->child =
		(struct child){.name = "a child", .loop = &b->loop, .ended = on_ended, .owner = b};
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;
	int rc = uv_loop_close(&b->loop);

	free(b);
	return rc;
}

/* Whoever inherits it may be slow to reap it. */
static bool is_over(pid_t pid)
{
	char path[64], stat[256] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return true;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	return n <= 0 || strstr(stat, ") Z");
}

/* Runs a shell command to its end; its output is in b->child.output. */
static void shell(struct bed *b, const char *command, struct child_spec spec)
{
	const char *argv[] = {"/bin/sh", "-c", command, NULL};

	spec.argv = argv;
	b->ended = 0;
	assert_int_equal(child_start(&b->child, &spec), 0);
	assert_true(child_runs(&b->child));
	assert_int_equal(child_start(&b->child, &spec), -EBUSY);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(b->ended, 1);
	assert_false(child_runs(&b->child));
}

static void expect_output(struct bed *b, const char *text)
{
	if (b->child.n_output != strlen(text) || memcmp(b->child.output, text, strlen(text)) != 0)
		fail_msg("output is \"%.*s\"", (int)b->child.n_output, b->child.output);
}

static void given(void **state)
{
	const char *env[] = {"GREETING=hello", NULL};
	struct bed *b = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	shell(b,
		"cat; echo $GREETING; test -S /proc/self/fd/10 || exit 9; ls /proc/self/fd | wc "
		"-l; exit 3",
		(struct child_spec){.env = env,
			.input = "some\ninput\n",
			.input_len = 11,
			.fds = &pair[1],
			.n_fds = 1});
	/* 0, 1, 2, 3 and that of the folder. */
	expect_output(b, "some\ninput\nhello\n5\n");
	assert_true(WIFEXITED(b->status) && WEXITSTATUS(b->status) == 3);
	close(pair[0]);
	close(pair[1]);
}

static void lines(void **state)
{
	struct bed *b = *state;
	char line[64], how[64];

	shell(b, "echo first; printf 'bad \\033[1m'; kill -9 $$", (struct child_spec){0});
	assert_string_equal(child_last_line(&b->child, line, sizeof(line)), "bad \\x1b[1m");
	assert_string_equal(child_how(b->status, how, sizeof(how)), "killed by signal 9 (Killed)");
	shell(b, ":", (struct child_spec){.log_output = true});
	assert_string_equal(child_last_line(&b->child, line, sizeof(line)), "");
	assert_string_equal(child_how(b->status, how, sizeof(how)), "exit status 0");
}

/* The newest of a flood is kept, and the program is never held up. */
static void flood(void **state)
{
	struct bed *b = *state;
	char line[64];

	shell(b, "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done",
		(struct child_spec){0});
	assert_int_equal(b->child.n_output, CHILD_OUTPUT_MAX);
	assert_string_equal(child_last_line(&b->child, line, sizeof(line)), "line 19999");
}

static void no_such_program(void **state)
{
	const char *argv[] = {"/nonexistent/program", NULL};
	struct child_spec spec = {.argv = argv};
	struct bed *b = *state;
	char line[128];

	assert_int_equal(child_start(&b->child, &spec), 0);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_true(WIFEXITED(b->status) && WEXITSTATUS(b->status) == 127);
	assert_non_null(strstr(child_last_line(&b->child, line, sizeof(line)), "No such file"));
}

static void stubborn(void **state)
{
	struct bed *b = *state;
	usec_t before = clock_now_us();

	shell(b, "trap '' TERM; while :; do sleep 1; done",
		(struct child_spec){.limit = 50 * USEC_PER_MS});
	assert_true(WIFSIGNALED(b->status) && WTERMSIG(b->status) == SIGKILL);
	assert_true(clock_now_us() - before < 10 * USEC_PER_SEC);
}

static void on_ended_again(struct child *c, int status)
{
	const char *argv[] = {"/bin/true", NULL};
	struct child_spec spec = {.argv = argv};
	struct bed *b = c->owner;

	b->status = status;
	if (++b->ended < 5)
		assert_int_equal(child_start(c, &spec), 0);
}

static void stop_and_again(void **state)
{
	const char *argv[] = {"/bin/sleep", "1000", NULL};
	struct child_spec spec = {.argv = argv};
	struct bed *b = *state;

	b->child.ended = on_ended_again;
	child_stop(&b->child); /* does not run: nothing */
	assert_int_equal(child_start(&b->child, &spec), 0);
	child_stop(&b->child);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(b->ended, 5);
	assert_int_equal(b->status, 0);
}

/* What it has started ends with it. */
static void group(void **state)
{
	struct bed *b = *state;
	long pid;

	shell(b, "sleep 1000 >&- 2>&- & echo $!", (struct child_spec){0});
	pid = strtol(b->child.output, NULL, 10);
	assert_true(pid > 1);
	for (int i = 0; i < 500 && !is_over((pid_t)pid); i++)
		usleep(10000);
	assert_true(is_over((pid_t)pid));
}

/* Of the run before nothing is left. */
static void output_ends(void **state)
{
	struct bed *b = *state;

	shell(b, "echo a long line of words", (struct child_spec){0});
	shell(b, "printf ab", (struct child_spec){0});
	assert_string_equal(b->child.output, "ab");
	shell(b, "true", (struct child_spec){0});
	assert_string_equal(b->child.output, "");
}

/* Its parent is killed: so is it. */
static void orphan(void **state)
{
	const char *argv[] = {"/bin/sleep", "1000", NULL};
	struct child_spec spec = {.argv = argv};
	struct bed *b = *state;
	int fds[2];
	pid_t parent, child = 0;

	assert_int_equal(pipe(fds), 0);
	parent = fork();
	if (parent == 0) {
		if (uv_loop_fork(&b->loop) || child_start(&b->child, &spec) ||
			write(fds[1], &b->child.pid, sizeof(pid_t)) < 0)
			_exit(1);
		pause();
	}
	assert_int_equal(read(fds[0], &child, sizeof(child)), sizeof(child));
	assert_int_equal(kill(child, 0), 0);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	for (int i = 0; i < 500 && !is_over(child); i++)
		usleep(10000);
	assert_true(is_over(child));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(given, setup, teardown),
		cmocka_unit_test_setup_teardown(lines, setup, teardown),
		cmocka_unit_test_setup_teardown(flood, setup, teardown),
		cmocka_unit_test_setup_teardown(no_such_program, setup, teardown),
		cmocka_unit_test_setup_teardown(stubborn, setup, teardown),
		cmocka_unit_test_setup_teardown(stop_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(group, setup, teardown),
		cmocka_unit_test_setup_teardown(output_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(orphan, setup, teardown),
	};

	log_set_level(LOG_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
