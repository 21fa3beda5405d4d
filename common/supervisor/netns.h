/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One suite per network namespace: two would undo each other's addresses and rules. */
#ifndef GATEPAIR_SUPERVISOR_NETNS_H
#define GATEPAIR_SUPERVISOR_NETNS_H

#include <stddef.h>

/* *ret_fd is to be kept open. 0, or negative errno with a sentence; -EBUSY: another supervisor,
 * with another RUNDIR, runs in this network namespace. */
int netns_claim(int *ret_fd, char *err, size_t err_size) __attribute__((warn_unused_result));

#endif
