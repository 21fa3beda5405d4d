/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sd_notify(3): one datagram per message to the socket that the service manager names.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/supervisor/notify.h"

static struct sockaddr_un manager;
static socklen_t manager_len; /* 0: no service manager */
static usec_t interval = USEC_NEVER;

void notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), *watchdog = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	size_t n = path ? strlen(path) : 0;
	long long us = watchdog ? strtoll(watchdog, NULL, 10) : 0;

	if (n < 2 || n >= sizeof(manager.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, path, n);
	if (path[0] == '@')
		manager.sun_path[0] = '\0';
	manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (us > 0 && (!pid || strtoll(pid, NULL, 10) == getpid()))
		interval = us / 2;
}

usec_t notify_watchdog_interval(void)
{
	return interval;
}

void notify_send(const char *lines)
{
	int fd;

	if (manager_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&manager,
		    manager_len) < 0)
		log_debug("the service manager does not take notifications");
	close(fd);
}
