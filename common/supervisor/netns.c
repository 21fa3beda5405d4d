/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The claim on the network namespace: an abstract socket, whose name exists once per network
 * namespace and goes with the process. See netns.h.
 */
#include "common/supervisor/netns.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

static const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0gatepair-supervisor"};
static const socklen_t name_len =
	offsetof(struct sockaddr_un, sun_path) + sizeof("\0gatepair-supervisor") - 1;

/* Any local user can take the name; only our own kind counts. */
static int holder(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t n = sizeof(peer);

	if (fd < 0)
		return -errno;
	/* Nobody accepts: a full queue means that many have asked before. */
	if (connect(fd, (const struct sockaddr *)&name, name_len) < 0)
		peer.uid = errno == EAGAIN ? geteuid() : (uid_t)-1;
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		peer.uid = (uid_t)-1;
	close(fd);
	return peer.uid == geteuid() ? -EBUSY : -EEXIST;
}

int netns_claim(int *ret_fd, char *err, size_t err_size)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&name, name_len) < 0 ||
		listen(fd, SOMAXCONN) < 0)
		r = errno == EADDRINUSE ? holder() : -errno;
	if (r == -EEXIST) {
		log_warn("the name that keeps a second supervisor out of this network namespace is "
			 "taken by a stranger; see `ss -xlp` for @gatepair-supervisor");
		r = 0;
	}
	if (r == 0) {
		*ret_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	snprintf(err, err_size, "network namespace: %s",
		r == -EBUSY
			? "another supervisor runs in it, with another --rundir; stop that first"
			: strerror(-r));
	return r;
}
