/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel closes a dead process's files before it tells the parent, and the last close of a
 * packet socket waits for an RCU grace period (net/packet/af_packet.c, packet_release): some 12 ms
 * each, one after the other. With a socket per interface the supervisor would learn of vrrpd's
 * death only after the address lease has run out. So a child that shares vrrpd's file table, and
 * does nothing else, holds the files; it is killed by vrrpd's death and does the slow closing,
 * while the supervisor has long started the next vrrpd. For the same reason it closes, on vrrpd's
 * behalf, what a reload no longer needs: as the file table is shared, a number is all it takes.
 */
#include "vrrpd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is to be closed: [1] is vrrpd's end, [0] the keeper's; -1: there is no keeper. */
static int orders[2] = {-1, -1};

/* Nothing reaches this process but vrrpd's orders, and it may do nothing else. */
static _Noreturn void keep(pid_t vrrpd)
{
	int fd;
	static const struct sched_param normal;
	cap_t none = cap_init();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "vrrpd-keeper");
	if (getppid() != vrrpd || none == NULL || cap_set_proc(none) < 0)
		_exit(EXIT_FAILURE);
	sched_setscheduler(0, SCHED_OTHER, &normal);
	signal(SIGTERM, SIG_IGN);
	for (;;)
		if (read(orders[0], &fd, sizeof(fd)) == (ssize_t)sizeof(fd))
			close(fd);
}

int keeper_start(void)
{
	pid_t self = getpid();
	long r;

	if (pipe2(orders, O_CLOEXEC) < 0)
		return -errno;
	/* fork(), but with one file table for both. */
	r = fcntl(orders[1], F_SETFL, O_NONBLOCK) < 0
		    ? -1
		    : syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (r == 0)
		keep(self);
	if (r > 0)
		return 0;
	r = -errno;
	close(orders[0]);
	close(orders[1]);
	orders[0] = orders[1] = -1;
	return (int)r;
}

void keeper_close(int fd)
{
	if (orders[1] < 0 || write(orders[1], &fd, sizeof(fd)) != (ssize_t)sizeof(fd))
		close(fd);
}
