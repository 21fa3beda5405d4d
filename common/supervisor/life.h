/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hearing of a daemon's death early. The kernel reports a child's end (SIGCHLD) when all its files
 * are closed, and each packet socket takes a grace period of some 12 ms; but it closes the highest
 * descriptor first. So each daemon holds the end of a pipe up there, and the pipe's hang-up is seen
 * within 0.3 ms. SIGCHLD still follows and tells the exit status.
 */
#ifndef GATEPAIR_SUPERVISOR_LIFE_H
#define GATEPAIR_SUPERVISOR_LIFE_H

#include <uv.h>

struct life;

/* Takes fd, the pipe's reading end, on success. `gone` is called once, on the loop. */
int life_watch(uv_loop_t *loop, int fd, void (*gone)(void *owner), void *owner, struct life **ret)
	__attribute__((warn_unused_result));
void life_close(struct life *l); /* NULL is fine; `gone` is not called any more */

#endif
