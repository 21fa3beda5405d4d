/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd's engine in a network namespace (see engine_bed.h).
 */
#include "tests/unit/engine_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char file[] = "/tmp/gatepair-test-engine-XXXXXX";
struct engine e;
static struct config *site; /* the last that was committed */
unsigned errors;
char last_error[APPLY_TEXT_MAX * 2];

static void on_links(void *owner)
{
	(void)owner;
}

static void on_error(void *owner, const char *text)
{
	(void)owner;
	errors++;
	snprintf(last_error, sizeof(last_error), "%s", text);
}

static void on_lease(void *owner, const char *why, usec_t took)
{
	(void)owner;
	(void)why;
	(void)took;
}

static const struct engine_ops ops = {on_links, on_error, on_lease};

/* --- tools ----------------------------------------------------------------------------------- */

int run(const char *command)
{
	char copy[256], *argv[32] = {0};
	size_t n = 0;
	int status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", command);
	for (char *save = NULL, *s = strtok_r(copy, " ", &save); s && n < 31;
		s = strtok_r(NULL, " ", &save))
		argv[n++] = s;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void must(const char *command)
{
	if (run(command) != 0)
		fail_msg("%s failed", command);
}

void batch(const char *text)
{
	char name[] = "/tmp/gatepair-test-batch-XXXXXX", command[64];
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	close(fd);
	write_text(name, text);
	snprintf(command, sizeof(command), "ip -batch %s", name);
	must(command);
	unlink(name);
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

int read_number(const char *path)
{
	char text[32] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return (int)strtol(text, NULL, 10);
}

size_t our_routes(void)
{
	size_t n = 0;

	for (const struct kernel_route_entry *r = e.k.routes; r; r = r->hh.next)
		n += r->route.owner != OWNER_KERNEL;
	return n;
}

static struct config *load(const char *text)
{
	struct config *cfg = NULL;
	char why[512] = "";

	write_text(file, text);
	if (config_load(file, NULL, &cfg, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	return cfg;
}

int commit_config(const struct config *cfg)
{
	char why[512] = "";
	int rc = engine_prepare(&e, cfg, why, sizeof(why));

	if (!rc)
		rc = engine_commit(&e, cfg, why, sizeof(why));
	if (rc)
		print_message("%s\n", why);
	return rc;
}

int commit(const char *text)
{
	struct config *cfg = load(text);
	int rc = commit_config(cfg);

	if (e.cfg == cfg) {
		config_free(site);
		site = cfg;
	} else {
		config_free(cfg);
	}
	return rc;
}

struct lease_reply lease(enum lease_event_kind kind, uint64_t term, usec_t ttl)
{
	struct lease_event ev = {.kind = kind, .term = term, .ttl = ttl};

	return engine_lease(&e, &ev, clock_now_us());
}

/* What main.c's loop does, until `done` or the deadline; how long that took. */
usec_t loop(usec_t time, bool (*done)(void))
{
	usec_t start = clock_now_us(), now = start;

	while (now - start < time && !(done && done())) {
		struct pollfd p[2] = {{.fd = e.observe.events.fd, .events = POLLIN},
			{.fd = e.nft.events.fd, .events = POLLIN}};
		usec_t due = engine_due(&e), wait = start + time;

		if (due < wait)
			wait = due > now ? due : now;
		if (ppoll(p, 2,
			    &(struct timespec){.tv_nsec = (long)(wait - now) % USEC_PER_SEC * 1000},
			    NULL) > 0)
			engine_readable(&e, clock_now_us());
		now = clock_now_us();
		if (now >= engine_due(&e))
			engine_tick(&e, now);
	}
	return now - start;
}

bool is_settled(void)
{
	static struct plan plan;

	reconcile_plan(e.d, e.lease.held, &e.k, RECONCILE_ALL, &plan);
	return plan.n == 0 && e.repair_at == USEC_NEVER && e.follow_at == USEC_NEVER;
}

int begin(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
		print_error("this test needs root, or user namespaces\n");
		return -1;
	}
	errors = 0;
	must("ip link add ge2 type veth peer name p2");
	must("ip link add ge3 type veth peer name p3");
	must("ip link set p2 up");
	must("ip link set p3 up");
	return engine_init(&e, &ops, NULL);
}

int end(void **state)
{
	(void)state;
	engine_fini(&e);
	config_free(site);
	site = NULL;
	return 0;
}

void restart(const char *text)
{
	engine_fini(&e);
	assert_int_equal(engine_init(&e, &ops, NULL), 0);
	if (text)
		assert_int_equal(commit(text), 0);
}

usec_t repaired(const char *damage)
{
	uint64_t repairs = e.repairs;
	usec_t start;

	loop(10 * MS, NULL);
	must(damage);
	start = clock_now_us();
	engine_readable(&e, start);
	loop(USEC_PER_SEC, is_settled);
	if (e.repairs == repairs)
		fail_msg("not noticed: %s", damage);
	return clock_now_us() - start;
}

int engine_bed_run(int (*tests)(void))
{
	int fd = mkstemp(file), rc;

	if (fd < 0)
		return EXIT_FAILURE;
	close(fd);
	/* Where it is not allowed, the times are the machine's. */
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 12}) < 0)
		print_message("no real-time priority\n");
	rc = tests();
	unlink(file);
	return rc;
}
