/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets of the HA link; see endpoint.h. Runs in syncd.
 */
#include "syncd/endpoint.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_TIMEOUT_MS 2000

static socklen_t sockaddr_of(
	const struct config_prefix *p, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (p->family == AF_INET6) {
		struct sockaddr_in6 *sin6 = (void *)ret;

		sin6->sin6_family = AF_INET6;
		sin6->sin6_addr = p->v6;
		sin6->sin6_port = htons(port);
		return sizeof(*sin6);
	}
	struct sockaddr_in *sin = (void *)ret;

	sin->sin_family = AF_INET;
	sin->sin_addr = p->v4;
	sin->sin_port = htons(port);
	return sizeof(*sin);
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int bound_socket(const struct config_sync *cfg, uint16_t port)
{
	struct sockaddr_storage local;
	socklen_t len = sockaddr_of(&cfg->local, port, &local);
	int fd = socket(cfg->local.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 ||
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SEND_TIMEOUT_MS) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, cfg->interface,
			(socklen_t)strlen(cfg->interface)) < 0 ||
		bind(fd, (const struct sockaddr *)&local, len) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int endpoint_connect(const struct config_sync *cfg)
{
	struct sockaddr_storage peer;
	socklen_t len = sockaddr_of(&cfg->peer, cfg->port, &peer);
	int fd = bound_socket(cfg, 0), r;

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&peer, len) < 0 && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int endpoint_listen(const struct config_sync *cfg, int backlog)
{
	int fd = bound_socket(cfg, cfg->port), r;

	if (fd < 0)
		return fd;
	if (listen(fd, backlog) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static bool is_peer(const struct config_prefix *p, const struct sockaddr_storage *from)
{
	if (from->ss_family != p->family)
		return false;
	if (p->family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr ==
		       p->v4.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, &p->v6,
		       sizeof(p->v6)) == 0;
}

int endpoint_accept(const struct config_sync *cfg, int listen_fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd = accept4(listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!is_peer(&cfg->peer, &from)) {
		close(fd);
		return -EACCES;
	}
	(void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	(void)set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SEND_TIMEOUT_MS);
	return fd;
}

bool endpoint_is_stale(int fd, unsigned ifindex)
{
	int bound;
	socklen_t len = sizeof(bound);

	return getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &bound, &len) == 0 &&
	       (unsigned)bound != ifindex;
}
