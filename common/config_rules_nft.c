/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft(8) asked for its opinion (see config_rules.h). It runs as a child without a shell, with an
 * empty environment and limited time and output, in a network namespace of its own if there may be
 * one, which sees no rules of this machine and cannot touch them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/config_rules.h"

#define CHECK_TABLE "gatepair-check"
#define TIME_MAX    (5 * USEC_PER_SEC)
#define OUTPUT_MAX  4096
#define MEMORY_MAX  (512u << 20)
#define NO_NFT      127

struct answer {
	int status; /* as waitpid() tells it */
	bool late;
	char output[OUTPUT_MAX];
};

/* --- the child ------------------------------------------------------------------------------- */

/* So that nft has it: whoever makes a user namespace has all capabilities in it, but as nobody in
 * particular, who would lose them when a program is executed. */
static bool keep_net_admin(void)
{
	static const cap_value_t cap = CAP_NET_ADMIN;
	cap_t state = cap_get_proc();
	bool ok = state && cap_set_flag(state, CAP_INHERITABLE, 1, &cap, CAP_SET) == 0 &&
		  cap_set_proc(state) == 0;

	if (state)
		cap_free(state);
	return ok && cap_set_ambient(cap, CAP_SET) == 0;
}

/* Without privileges a user namespace gives those over a network of one's own. */
static bool own_namespace(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && keep_net_admin();
}

static void child(int in, int out) __attribute__((noreturn));

static void child(int in, int out)
{
	static char name[] = "nft", file[] = "-f", in_name[] = "-", check[] = "-c",
		    locale[] = "LC_ALL=C";
	char *argv[] = {name, file, in_name, NULL, NULL}, *const envp[] = {locale, NULL};
	struct sched_param normal = {0};
	struct rlimit cpu = {5, 5}, memory = {MEMORY_MAX, MEMORY_MAX};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What fails here only makes the check less polite. */
	if (sched_setscheduler(0, SCHED_OTHER, &normal) == 0)
		setrlimit(RLIMIT_CPU, &cpu);
	/* The kernel judges only in earnest where chains may be called from: in a namespace that
	 * goes with this process the rules are loaded, else only checked. */
	if (!own_namespace())
		argv[3] = check;
	/* Defines of defines grow tenfold a line. */
	setrlimit(RLIMIT_AS, &memory);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || close_range(3, ~0U, 0) < 0)
		_exit(NO_NFT);
	execve(CONFIG_RULES_NFT, argv, envp);
	_exit(NO_NFT);
}

/* --- its parent ------------------------------------------------------------------------------ */

/* A file in memory, to be read from its beginning. */
static int file_of(const char *text)
{
	int fd = memfd_create("rules", MFD_CLOEXEC);
	size_t left = strlen(text);
	int rc = fd < 0 ? -errno : 0;

	while (!rc && left) {
		ssize_t n = write(fd, text, left);

		if (n < 0)
			rc = -errno;
		text += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	if (!rc && lseek(fd, 0, SEEK_SET) < 0)
		rc = -errno;
	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

/* What it says, until it closes its output or time is up. */
static void listen_to(int fd, struct answer *a)
{
	usec_t end = clock_now_us() + TIME_MAX;
	char rest[512];
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 || (n < 0 && errno == EINTR)) {
		usec_t left = end - clock_now_us();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		bool full = len == sizeof(a->output) - 1;

		a->late = left <= 0;
		if (a->late)
			break;
		n = poll(&p, 1, (int)(left / USEC_PER_MS) + 1);
		if (n <= 0) {
			n = n == 0 ? 1 : n;
			continue;
		}
		n = read(fd, full ? rest : a->output + len,
			full ? sizeof(rest) : sizeof(a->output) - 1 - len);
		if (n > 0 && !full)
			len += (size_t)n;
	}
	a->output[len] = '\0';
}

static int ask(const char *script, struct answer *ret)
{
	int in = file_of(script), pipes[2], rc = 0;
	pid_t pid;

	if (in < 0)
		return in;
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		rc = -errno;
		close(in);
		return rc;
	}
	pid = fork();
	if (pid == 0)
		child(in, pipes[1]);
	if (pid < 0)
		rc = -errno;
	close(in);
	close(pipes[1]);
	if (!rc) {
		listen_to(pipes[0], ret);
		/* It is gone already unless it was late. */
		kill(pid, SIGKILL);
		while (waitpid(pid, &ret->status, 0) < 0 && errno == EINTR)
			;
	}
	close(pipes[0]);
	return rc;
}

static int judge(const struct answer *a, int *ret_line, char *why, size_t size)
{
	char complaint[160];

	*ret_line = 0;
	if (a->late) {
		snprintf(why, size,
			"rules: nft needs more than 5 s for them; use sets instead of many rules");
		return -ETIMEDOUT;
	}
	if (WIFEXITED(a->status) && WEXITSTATUS(a->status) == 0)
		return 0;
	if (WIFEXITED(a->status) && WEXITSTATUS(a->status) == NO_NFT) {
		snprintf(why, size, "rules: " CONFIG_RULES_NFT " is missing; install nftables");
		return -ENOENT;
	}
	if (strstr(a->output, "Operation not permitted")) {
		snprintf(why, size,
			"rules: not checked by nft, as this user may not ask it; run the check as "
			"root");
		return 0;
	}
	*ret_line = config_rules_complaint(a->output, complaint, sizeof(complaint));
	snprintf(why, size, "rules: nft says: %s; correct this, see nft(8)",
		complaint[0] ? complaint : "nothing");
	return -EINVAL;
}

int config_rules_check(const char *text, int *ret_line, char *why, size_t size)
{
	/* What was good is not asked about again: most reloads change other things. */
	static char good[CONFIG_RULES_TEXT_MAX + 1];
	static bool known;
	struct answer a = {0};
	char *script;
	int rc;

	why[0] = '\0';
	if (known && strcmp(text, good) == 0)
		return 0;
	rc = config_rules_scan(text, ret_line, why, size);
	if (rc)
		return rc;
	script = config_rules_script(text, CHECK_TABLE, true);
	rc = script ? ask(script, &a) : -ENOMEM;
	free(script);
	if (rc) {
		*ret_line = 0;
		snprintf(why, size, "rules: nft cannot be started: %s; free some memory",
			strerror(-rc));
		return rc;
	}
	rc = judge(&a, ret_line, why, size);
	known = !rc && !why[0] && strlen(text) < sizeof(good);
	if (known)
		memcpy(good, text, strlen(text) + 1);
	return rc;
}
