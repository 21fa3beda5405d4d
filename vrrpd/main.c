/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vrrpd: decides which of the two nodes is Active, vrrpd(8). Started by the supervisor; wiring
 * only.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "common/sanitizer.h"
#include "vrrpd/keeper.h"
#include "vrrpd/node.h"

/* A page fault at the wrong moment is a missed heartbeat. Memory allocated later is locked as well
 * only where no limit could then make an allocation fail. */
static void lock_memory(void)
{
	struct rlimit limit;
	int flags = MCL_CURRENT;

	if (GATEPAIR_ASAN)
		return; /* its shadow memory cannot be locked */
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
		flags |= MCL_FUTURE;
	if (mlockall(flags) < 0)
		log_warn("cannot lock memory: %s; heartbeats may be late under memory pressure",
			strerror(errno));
}

static int init(void *owner, struct daemon *d, uv_loop_t *loop)
{
	int r = keeper_start();

	if (r < 0)
		log_warn("cannot start the keeper of sockets: %s; a killed vrrpd may be noticed "
			 "late",
			strerror(-r));
	lock_memory();
	return node_init(owner, d, loop);
}

int main(void)
{
	static struct node node;

	return daemon_run(&ipc_daemon_ops, &node, init);
}
