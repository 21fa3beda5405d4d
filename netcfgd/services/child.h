/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One program that the services process runs and watches: udhcpc, dnsmasq, nft. It gets nothing but
 * what its struct child_spec names (arguments, input, descriptors, capabilities), and is killed
 * when we die. A struct child is used again for the next run.
 */
#ifndef GATEPAIR_NETCFGD_CHILD_H
#define GATEPAIR_NETCFGD_CHILD_H

#include <stdbool.h>
#include <sys/capability.h>
#include <uv.h>

#include "common/log.h"
#include "common/timer.h"

#define CHILD_OUTPUT_MAX 2048
#define CHILD_FDS_MAX    4
#define CHILD_FD         10 /* udhcpc takes 3 and 4 for itself */

struct child_spec {
	const char *const *argv; /* argv[0]: absolute path; ends with NULL */
	const char *const *env;  /* "NAME=value" beyond PATH, ends with NULL; NULL: none */
	const char *input;       /* its standard input; NULL: /dev/null */
	size_t input_len;
	const int *fds; /* it has them as CHILD_FD, CHILD_FD + 1, … */
	size_t n_fds;
	const cap_value_t *caps;
	size_t n_caps;
	usec_t limit;    /* killed when it runs for longer; 0: no limit */
	bool log_output; /* its lines are logged too, a few at a time */
};

struct child {
	/* Set by the owner, once. */
	const char *name; /* for the log */
	uv_loop_t *loop;
	/* It ended, by itself or not; the child may be started again from here. `status` is that of
	 * waitpid(2), `output` the last that it said on standard output and error. */
	void (*ended)(struct child *c, int status);
	void *owner;
	/* Our own. */
	pid_t pid;                         /* 0: does not run */
	char output[CHILD_OUTPUT_MAX + 1]; /* ends with NUL */
	size_t n_output, logged;
	int status, exit_fd, output_fd;
	unsigned open; /* handles that are not closed yet */
	bool log_output;
	struct log_limit limit;
	uv_poll_t exit_poll, output_poll;
	struct timer timer; /* until it is killed */
};

/* 0 or negative errno; in the latter case `ended` is not called. What `spec` points to is not kept.
 * A program that cannot be executed ends with status 127 and says why. -EBUSY: it runs. */
int child_start(struct child *c, const struct child_spec *spec) __attribute__((warn_unused_result));
/* SIGTERM, and SIGKILL 2 s later. `ended` will be called. Does nothing when it does not run. */
void child_stop(struct child *c);
void child_signal(struct child *c, int number);
/* From its start until `ended` is called. */
bool child_runs(const struct child *c);
/* The last line of its output, fit to be shown; "" when it said nothing. */
const char *child_last_line(const struct child *c, char *out, size_t size);
/* "exit status 1", "killed by signal 9 (Killed)". */
const char *child_how(int status, char *out, size_t size);

#endif
