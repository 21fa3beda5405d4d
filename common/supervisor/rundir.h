/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RUNDIR: the folder, the lock that makes this supervisor the only one in it, and the daemons'
 * listening sockets, which live as long as the supervisor, over every restart of a daemon.
 */
#ifndef GATEPAIR_SUPERVISOR_RUNDIR_H
#define GATEPAIR_SUPERVISOR_RUNDIR_H

#include <stddef.h>

/* Makes the folder if need be and takes the lock; *ret_lock is to be kept open. 0, or negative
 * errno with a sentence; -EBUSY: another supervisor is there. */
int rundir_open(const char *rundir, int *ret_lock, char *err, size_t err_size)
	__attribute__((warn_unused_result));

/* A listening socket RUNDIR/NAME.sock; what is left of an earlier one is replaced, once nobody
 * listens on it any more. */
int rundir_listen(const char *rundir, const char *name, int *ret_fd, char *err, size_t err_size)
	__attribute__((warn_unused_result));

void rundir_remove_socket(const char *rundir, const char *name);
/* Removes the lock, and the folder if it is empty. */
void rundir_close(const char *rundir, int lock);

#endif
