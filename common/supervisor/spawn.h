/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a daemon: fork and exec with its own user, only its capabilities, its scheduling class,
 * and two file descriptors, the control channel and its listening socket.
 */
#ifndef GATEPAIR_SUPERVISOR_SPAWN_H
#define GATEPAIR_SUPERVISOR_SPAWN_H

#include <limits.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/types.h>

/* What DESIGN's table of processes says about each daemon. */
struct spawn_role {
	const char *name, *user;
	cap_value_t caps[4];
	size_t n_caps;
	int fifo_priority; /* SCHED_FIFO; 0: time sharing */
	bool has_folders;  /* RUNDIR/NAME and STATEDIR/NAME */
};

/* NULL when there is no such daemon. */
const struct spawn_role *spawn_role_find(const char *name);

struct spawn {
	const struct spawn_role *role;
	unsigned uid, gid;
	char program[PATH_MAX];
	char rundir_env[PATH_MAX];   /* GATEPAIR_RUNDIR=… */
	char statedir_env[PATH_MAX]; /* GATEPAIR_STATEDIR=… */
};

/* Looks the user and the program (beside our own executable) up, and makes the folders that it
 * has. 0, or negative errno with a sentence. */
int spawn_init(struct spawn *s, const struct spawn_role *role, const char *rundir,
	const char *statedir, char *err, size_t err_size) __attribute__((warn_unused_result));

/* Starts it; *ret_control is our end of its control channel. 0 or negative errno. */
int spawn_start(const struct spawn *s, int listen_fd, pid_t *ret_pid, int *ret_control)
	__attribute__((warn_unused_result));

/* The supervisor's own share: real-time priority above its children's, memory that is not paged
 * out, the OOM killer's last choice, and only the capabilities that it needs to start them. What a
 * container refuses is warned about once and done without. */
void spawn_harden_self(void);
/* The supervisor's own scheduling class: off for long computations, which on a machine with one
 * processor would keep vrrpd from renewing the lease. 0 or negative errno. */
int spawn_real_time(bool on);

#endif
