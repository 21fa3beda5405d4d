/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privileges as a daemon has them after exec, and the seccomp filter: what is allowed works, what
 * is not kills. Needs root.
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
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "common/sanitizer.h"
#include "common/timer.h"

static const cap_value_t net_raw[] = {CAP_NET_RAW};

static void need_root(void)
{
	if (geteuid() != 0)
		fail_msg("this test needs root");
}

static void lookup(void **state)
{
	unsigned uid = 0, gid = 0;

	(void)state;
	if (sandbox_lookup("gatepair-vrrpd", &uid, &gid) != 0)
		fail_msg("no user gatepair-vrrpd: run make deps");
	assert_int_not_equal(uid, 0);
	assert_int_not_equal(gid, 0);
	assert_int_equal(sandbox_lookup("gatepair-nosuchuser", &uid, &gid), -ENOENT);
	assert_int_equal(sandbox_drop(0, 0, NULL, 0), -EINVAL);
}

/* /proc/self/status of a program that was exec'd after sandbox_drop(). */
static void status_after_drop(const cap_value_t *caps, size_t n, char *out, size_t size)
{
	unsigned uid = 0, gid = 0;
	size_t got = 0;
	ssize_t r;
	int fds[2], wstatus;
	pid_t pid;

	assert_int_equal(sandbox_lookup("gatepair-vrrpd", &uid, &gid), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		if (sandbox_drop(uid, gid, caps, n) == 0)
			execl("/bin/cat", "cat", "/proc/self/status", (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	while ((r = read(fds[0], out + got, size - 1 - got)) > 0)
		got += (size_t)r;
	out[got] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_int_equal(wstatus, 0);
}

static void expect(const char *status, const char *line)
{
	if (strstr(status, line) == NULL)
		fail_msg("no \"%s\" in\n%s", line, status);
}

static void only_the_listed_capability(void **state)
{
	char status[4096];

	(void)state;
	need_root();
	status_after_drop(net_raw, 1, status, sizeof(status));
	expect(status, "CapInh:\t0000000000002000\n");
	expect(status, "CapPrm:\t0000000000002000\n");
	expect(status, "CapEff:\t0000000000002000\n");
	expect(status, "CapBnd:\t0000000000002000\n");
	expect(status, "CapAmb:\t0000000000002000\n");
	expect(status, "NoNewPrivs:\t1\n");
	expect(status, "Groups:\t \n");
	assert_null(strstr(status, "Uid:\t0"));
	assert_null(strstr(status, "Gid:\t0"));
}

static void no_capability(void **state)
{
	char status[4096];

	(void)state;
	need_root();
	status_after_drop(NULL, 0, status, sizeof(status));
	expect(status, "CapPrm:\t0000000000000000\n");
	expect(status, "CapEff:\t0000000000000000\n");
	expect(status, "CapBnd:\t0000000000000000\n");
	expect(status, "CapAmb:\t0000000000000000\n");
}

/* How a child ends that seals itself and then does something. */
static int end_of(int (*what)(void), const int *extra, size_t n_extra)
{
	int wstatus;
	pid_t pid = fork();

	if (pid == 0)
		_exit(sandbox_seal(extra, n_extra) == 0 ? what() : 99);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	return WIFSIGNALED(wstatus) ? -WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

static int opens_a_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : 1;
}

static int opens_inet(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? 0 : 1;
}

static int opens_local(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET, 0) >= 0 ? 0 : 1;
}

static int maps_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static int by_value(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* glibc's qsort asks how much memory there is before it takes any for a long array. */
static int sorts(void)
{
	static int v[1 << 16];

	for (int i = 0; i < 1 << 16; i++)
		v[i] = i ^ 0x5555;
	qsort(v, 1 << 16, sizeof(v[0]), by_value);
	return v[0];
}

static int runs_a_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static void fire(struct timer *t, usec_t now)
{
	(void)now;
	timer_close(t, NULL);
}

static void on_signal(uv_signal_t *s, int signum)
{
	(void)signum;
	uv_close((uv_handle_t *)s, NULL);
}

/* A loop made, run and torn down after the seal: more than a daemon does. */
static int runs_a_loop(void)
{
	struct timer t;
	uv_signal_t sig;
	uv_loop_t loop;
	void *much;

	if (uv_loop_init(&loop) != 0 || uv_signal_init(&loop, &sig) != 0 ||
		uv_signal_start(&sig, on_signal, SIGTERM) != 0 ||
		timer_init(&t, &loop, fire, NULL) != 0)
		return 1;
	timer_set(&t, clock_now_us() + 2000);
	raise(SIGTERM);
	uv_run(&loop, UV_RUN_DEFAULT);
	much = calloc(1, 8 << 20);
	much = realloc(much, 16 << 20);
	free(much);
	log_debug("done");
	return uv_loop_close(&loop);
}

static void seal(void **state)
{
	const int extra[] = {SCMP_SYS(openat), SCMP_SYS(socket)};
	const int killed = -SIGSYS;

	(void)state;
	assert_int_equal(end_of(runs_a_loop, NULL, 0), 0);
	assert_int_equal(end_of(opens_local, NULL, 0), 0);
	assert_int_equal(end_of(sorts, NULL, 0), 0);
	if (GATEPAIR_ASAN)
		return;
	assert_int_equal(end_of(opens_a_file, NULL, 0), killed);
	assert_int_equal(end_of(opens_inet, NULL, 0), killed);
	assert_int_equal(end_of(maps_code, NULL, 0), killed);
	assert_int_equal(end_of(runs_a_program, NULL, 0), killed);
	assert_int_equal(end_of(opens_a_file, extra, 2), 0);
	assert_int_equal(end_of(opens_inet, extra, 2), 0);
	assert_int_equal(end_of(opens_local, extra, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup),
		cmocka_unit_test(only_the_listed_capability),
		cmocka_unit_test(no_capability),
		cmocka_unit_test(seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
