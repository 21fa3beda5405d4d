/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel closes a dead process's files before it tells the parent, and the last close of a
 * packet socket waits for an RCU grace period (net/packet/af_packet.c, packet_release): some 12 ms
 * each, one after the other. With a socket per interface the supervisor would learn of vrrpd's
 * death only after the address lease has run out. So a child that shares vrrpd's file table, and
 * does nothing else, holds the files; it is killed by vrrpd's death and does the slow closing,
 * while the supervisor has long started the next vrrpd.
 */
#include "vrrpd/keeper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Nothing reaches this process from outside, and it may do nothing. */
static _Noreturn void keep(pid_t vrrpd)
{
	static const struct sched_param normal;
	cap_t none = cap_init();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "vrrpd-keeper");
	if (getppid() != vrrpd || none == NULL || cap_set_proc(none) < 0)
		_exit(EXIT_FAILURE);
	sched_setscheduler(0, SCHED_OTHER, &normal);
	signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
}

int keeper_start(void)
{
	pid_t self = getpid();
	/* fork(), but with one file table for both. */
	long r = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (r < 0)
		return -errno;
	if (r == 0)
		keep(self);
	return 0;
}
