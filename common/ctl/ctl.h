/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the gatepair command share: its options, its table of commands, and asking a
 * daemon a question with an error that says what to do.
 */
#ifndef GATEPAIR_CTL_H
#define GATEPAIR_CTL_H

#include <stdbool.h>

#include "common/ipc.h"

enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_NOT_RUNNING = 3 };

#define CTL_JSON       (1 << 0)
#define CTL_NORMALIZED (1 << 1)

#define CTL_DEFAULT_RUNDIR   "/run/gatepair"
#define CTL_DEFAULT_STATEDIR "/var/lib/gatepair"
#define CTL_WHY_MAX          512

struct ctl {
	const char *rundir;
	const char *statedir; /* NULL: not given */
	unsigned flags;
};

struct ctl_command {
	const char *name, *args, *help;
	int min_args, max_args;
	unsigned flags; /* options that it knows */
	int (*run)(const struct ctl *ctl, int argc, char **argv);
};

int ctl_status(const struct ctl *ctl, int argc, char **argv);
int ctl_sessions(const struct ctl *ctl, int argc, char **argv);
int ctl_check(const struct ctl *ctl, int argc, char **argv);
int ctl_show(const struct ctl *ctl, int argc, char **argv);
int ctl_key(const struct ctl *ctl, int argc, char **argv);
int ctl_reload(const struct ctl *ctl, int argc, char **argv);
int ctl_switchover(const struct ctl *ctl, int argc, char **argv);
int ctl_restart(const struct ctl *ctl, int argc, char **argv);

/* What a daemon said went wrong in the last `ms`, on stderr. */
void ctl_warn_errors(const struct ctl *ctl, uint64_t ms);

/* "gatepair: …" on stderr; returns `code`. */
int ctl_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Asks a daemon and waits for the answer with body `want` (free it with
 * gp__envelope__free_unpacked(ret, NULL)). Otherwise an exit code, with the daemon, the cause and
 * the next action in why. */
int ctl_ask(const struct ctl *ctl, const char *daemon, Gp__Envelope *e, Gp__Envelope__BodyCase want,
	usec_t timeout, Gp__Envelope **ret, char why[CTL_WHY_MAX])
	__attribute__((warn_unused_result));
/* The same sentence for a known error of the transport. */
void ctl_explain(const struct ctl *ctl, const char *daemon, int err, char why[CTL_WHY_MAX]);

#endif
