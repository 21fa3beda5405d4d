/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question, one answer, waiting for it: for the gatepair command, which has no loop.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ipc_priv.h"

#define CALL_ID 1

static uint8_t buf[IPC_MAX];

static int wait_for(int fd, short events, usec_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		usec_t left = deadline - clock_now_us();
		int r = poll(&p, 1, left > 0 ? (int)(left / USEC_PER_MS) + 1 : 0);

		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* Waits for a place in the backlog, which strangers may be flooding. */
static int call_connect(const char *path, usec_t timeout)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = (time_t)(timeout / USEC_PER_SEC),
		.tv_usec = (suseconds_t)(timeout % USEC_PER_SEC)};
	size_t len = strlen(path);
	int fd, r;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
		connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = errno == EAGAIN ? -ETIMEDOUT : -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* A server that turns us away says why (id 0) and hangs up, maybe before it read the question; the
 * kernel then reports the reset first and the message after it. */
static int receive(int fd, usec_t deadline, Gp__Envelope **ret)
{
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	bool reset = false;

	for (;;) {
		struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;
		int r = wait_for(fd, POLLIN, deadline);

		if (r < 0)
			return r;
		n = recvmsg(fd, &mh, MSG_DONTWAIT);
		if (n < 0 && errno == ECONNRESET && !reset) {
			reset = true;
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n == 0 ? -ECONNRESET : -errno;
		if ((mh.msg_flags & MSG_TRUNC) != 0 ||
			ipc_wire_check(buf, (size_t)n) != IPC_ACCEPTED)
			return -EBADMSG;
		*ret = gp__envelope__unpack(NULL, (size_t)n, buf);
		if (*ret == NULL)
			return -ENOMEM;
		if ((*ret)->id == CALL_ID || (*ret)->body_case == GP__ENVELOPE__BODY_ERROR)
			return 0;
		gp__envelope__free_unpacked(*ret, NULL);
	}
}

int ipc_call(const char *path, Gp__Envelope *e, usec_t timeout, Gp__Envelope **ret)
{
	usec_t deadline = clock_now_us() + timeout;
	Gp__Envelope *got = NULL;
	ssize_t n;
	int fd, r;

	e->id = CALL_ID;
	n = ipc_wire_encode(e, buf);
	if (n < 0)
		return (int)n;
	fd = call_connect(path, timeout);
	if (fd < 0)
		return fd;
	/* A failed send is not the end: the server may have said why it hung up. */
	if (send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE) {
		r = -errno;
		goto out;
	}
	r = receive(fd, deadline, &got);
	if (r == 0)
		*ret = got;
out:
	close(fd);
	return r;
}
