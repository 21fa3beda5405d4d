/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs as children (see child.h): fork and exec, watched by a pidfd, so that no signal handler
 * is needed. Input is a file in memory, so that nothing has to be fed while it runs.
 */
#include "netcfgd/services/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_LIMIT   (2 * USEC_PER_SEC)
#define FD_ABOVE     32 /* while they are sorted */
#define EXIT_NO_EXEC 127
#define ENV_MAX      8
#define READS_MAX    8   /* per wake-up */
#define READS_AT_END 128 /* a full pipe */

/* --- in the child ---------------------------------------------------------------------------- */

static void fail(const char *what)
{
	dprintf(STDERR_FILENO, "cannot start %s: %s\n", what, strerrordesc_np(errno));
	_exit(EXIT_NO_EXEC);
}

/* Standard files, then the given ones; what else is open ends with exec. */
static int set_files(const struct child_spec *spec, int input, int output)
{
	int above[CHILD_FDS_MAX];

	if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
		dup2(input, STDIN_FILENO) < 0 ||
		close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	for (size_t i = 0; i < spec->n_fds; i++) {
		above[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, FD_ABOVE);
		if (above[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_fds; i++)
		if (dup2(above[i], CHILD_FD + (int)i) < 0)
			return -1;
	return 0;
}

static bool listed(const struct child_spec *spec, cap_value_t cap)
{
	for (size_t i = 0; i < spec->n_caps; i++)
		if (spec->caps[i] == cap)
			return true;
	return false;
}

/* What is ambient is what it will have: the file has none, and nobody may gain any. */
static void set_caps(const struct child_spec *spec)
{
	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!listed(spec, cap))
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, cap, 0, 0);
}

static void set_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void run(const struct child_spec *spec, pid_t parent, int input, int output)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	const char *env[ENV_MAX + 2] = {path};

	for (size_t i = 0; spec->env && spec->env[i] && i < ENV_MAX; i++)
		env[i + 1] = spec->env[i];
	set_signals();
	if (set_files(spec, input, output) < 0)
		fail("its files");
	/* A terminal's signals are not for it. */
	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		fail("its process group");
	set_caps(spec);
	execve(spec->argv[0], (char *const *)(uintptr_t)spec->argv, (char *const *)(uintptr_t)env);
	fail(spec->argv[0]);
}

/* --- its output ------------------------------------------------------------------------------ */

static void log_lines(struct child *c)
{
	char line[256];

	while (c->logged < c->n_output) {
		const char *start = c->output + c->logged;
		const char *end = memchr(start, '\n', c->n_output - c->logged);

		if (!end)
			return;
		c->logged += (size_t)(end - start) + 1;
		if (c->log_output && log_limit_pass(&c->limit, clock_now_us()))
			log_info("%s: %s", c->name,
				log_escape(line, sizeof(line), start, (size_t)(end - start)));
	}
}

/* The newest is kept. */
static void keep_output(struct child *c, const char *text, size_t n)
{
	size_t drop = c->n_output + n > CHILD_OUTPUT_MAX ? c->n_output + n - CHILD_OUTPUT_MAX : 0;

	if (drop > c->n_output)
		drop = c->n_output;
	memmove(c->output, c->output + drop, c->n_output - drop);
	c->n_output -= drop;
	c->logged -= drop < c->logged ? drop : c->logged;
	memcpy(c->output + c->n_output, text, n);
	c->n_output += n;
	c->output[c->n_output] = '\0';
	log_lines(c);
}

static void read_output(struct child *c, int reads)
{
	char text[CHILD_OUTPUT_MAX / 2];

	for (int i = 0; i < reads; i++) {
		ssize_t n = read(c->output_fd, text, sizeof(text));

		if (n > 0)
			keep_output(c, text, (size_t)n);
		else if (n == 0 || errno == EAGAIN) {
			if (n == 0)
				uv_poll_stop(&c->output_poll);
			return;
		}
	}
}

static void on_output(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	read_output(p->data, READS_MAX);
}

const char *child_last_line(const struct child *c, char *out, size_t size)
{
	const char *end = c->output + c->n_output, *start;

	while (end > c->output && end[-1] == '\n')
		end--;
	start = end;
	while (start > c->output && start[-1] != '\n')
		start--;
	return log_escape(out, size, start, (size_t)(end - start));
}

const char *child_how(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status),
			sigdescr_np(WTERMSIG(status)) ? sigdescr_np(WTERMSIG(status)) : "?");
	else
		snprintf(out, size, "exit status %d", WEXITSTATUS(status));
	return out;
}

/* --- its end --------------------------------------------------------------------------------- */

static void closed_one(struct child *c)
{
	if (--c->open > 0)
		return;
	c->pid = 0;
	c->ended(c, c->status);
}

static void on_poll_closed(uv_handle_t *h)
{
	closed_one(h->data);
}

static void on_timer_closed(struct timer *t)
{
	closed_one(t->owner);
}

/* The descriptors are closed once the loop no longer looks at them. */
static void close_all(struct child *c)
{
	uv_close((uv_handle_t *)&c->exit_poll, on_poll_closed);
	uv_close((uv_handle_t *)&c->output_poll, on_poll_closed);
	timer_close(&c->timer, on_timer_closed);
	close(c->exit_fd);
	close(c->output_fd);
	c->exit_fd = c->output_fd = -1;
}

static void on_exit_readable(uv_poll_t *p, int status, int events)
{
	struct child *c = p->data;

	(void)status;
	(void)events;
	/* What it has started itself would keep its ports busy. Not reaped yet, the number of its
	 * group is still its own. */
	kill(-c->pid, SIGKILL);
	if (waitpid(c->pid, &c->status, WNOHANG) != c->pid)
		return;
	read_output(c, READS_AT_END);
	close_all(c);
}

static void on_late(struct timer *t, usec_t now)
{
	struct child *c = t->owner;

	(void)now;
	kill(c->pid, SIGKILL);
}

void child_signal(struct child *c, int number)
{
	/* Not reaped before its handles are being closed: the number is still its own. */
	if (c->pid && c->exit_fd >= 0)
		kill(c->pid, number);
}

void child_stop(struct child *c)
{
	if (!c->pid || c->exit_fd < 0)
		return;
	child_signal(c, SIGTERM);
	child_signal(c, SIGCONT);
	timer_set(&c->timer, clock_now_us() + STOP_LIMIT);
}

bool child_runs(const struct child *c)
{
	return c->pid != 0;
}

/* --- its start ------------------------------------------------------------------------------- */

static int open_input(const struct child_spec *spec)
{
	int fd = spec->input ? memfd_create("input", MFD_CLOEXEC)
			     : open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t done = 0; spec->input && done < spec->input_len;) {
		ssize_t n = write(fd, spec->input + done, spec->input_len - done);

		if (n < 0 && errno != EINTR) {
			int r = -errno;

			close(fd);
			return r;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	if (spec->input && lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

static int watch(struct child *c, const struct child_spec *spec)
{
	int rc = uv_poll_init(c->loop, &c->exit_poll, c->exit_fd);

	if (rc)
		return rc;
	rc = uv_poll_init(c->loop, &c->output_poll, c->output_fd);
	if (rc)
		return rc;
	rc = timer_init(&c->timer, c->loop, on_late, c);
	if (rc)
		return rc;
	c->open = 3;
	c->exit_poll.data = c->output_poll.data = c;
	if (spec->limit)
		timer_set(&c->timer, clock_now_us() + spec->limit);
	rc = uv_poll_start(&c->exit_poll, UV_READABLE, on_exit_readable);
	return rc ? rc : uv_poll_start(&c->output_poll, UV_READABLE, on_output);
}

/* *ret_output is ours to read. */
static int launch(const struct child_spec *spec, pid_t *ret_pid, int *ret_output)
{
	int input = open_input(spec), output[2], r = 0;
	pid_t parent = getpid(), pid;

	if (input < 0)
		return input;
	if (pipe2(output, O_CLOEXEC) < 0) {
		r = -errno;
		close(input);
		return r;
	}
	pid = fork();
	if (pid == 0)
		run(spec, parent, input, output[1]);
	r = pid < 0 ? -errno : 0;
	close(input);
	close(output[1]);
	if (r < 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) < 0) {
		close(output[0]);
		return r;
	}
	*ret_pid = pid;
	*ret_output = output[0];
	return 0;
}

int child_start(struct child *c, const struct child_spec *spec)
{
	int rc;

	if (c->pid)
		return -EBUSY;
	if (spec->n_fds > CHILD_FDS_MAX)
		return -E2BIG;
	rc = launch(spec, &c->pid, &c->output_fd);
	if (rc)
		return rc;
	c->n_output = c->logged = 0;
	c->output[0] = '\0';
	c->log_output = spec->log_output;
	c->exit_fd = pidfd_open(c->pid, 0);
	rc = c->exit_fd < 0 ? -errno : watch(c, spec);
	if (rc) {
		/* Only for want of memory or descriptors: what cannot be watched must not run, and
		 * ends with us. */
		log_err("%s: cannot be watched: %s", c->name, strerror(-rc));
		exit(EXIT_FAILURE);
	}
	return 0;
}
