/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See arrivals.h. */
#include "tests/net/arrivals.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_BYTES (4 * 1024 * 1024)

int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

int64_t mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

_Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

uint64_t pacer_due(const struct pacer *p, int64_t now)
{
	if (p->interval_ns == 0 || p->start_ns == 0 || now < p->start_ns)
		return 0;
	return (uint64_t)((now - p->start_ns) / p->interval_ns) + 1 - p->done;
}

int socket_new(int type, int protocol)
{
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int on = 1, bytes = BUFFER_BYTES;

	if (fd < 0)
		die("socket");
	if (type == SOCK_STREAM) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	} else {
		/* A paused reader must not lose what did arrive. */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
		setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	}
	return fd;
}

ssize_t receive_stamped(
	int fd, void *data, size_t bytes, struct sockaddr_in *ret_from, int64_t *ret_at_ns)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec)) + 64];
	struct iovec iov = {.iov_base = data, .iov_len = bytes};
	struct msghdr msg = {.msg_name = ret_from,
		.msg_namelen = sizeof(*ret_from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, 0);

	*ret_at_ns = clock_ns(CLOCK_REALTIME);
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		struct timespec ts;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		*ret_at_ns = ts.tv_sec * SECOND_NS + ts.tv_nsec;
	}
	return n;
}

static bool arrivals_seen(struct arrivals *a, uint64_t seq, bool set)
{
	uint64_t *word = &a->seen[seq % SEEN_BITS / 64];
	uint64_t bit = UINT64_C(1) << (seq % 64);
	bool was = (*word & bit) != 0;

	*word = set ? *word | bit : *word & ~bit;
	return was;
}

void arrivals_note(struct arrivals *a, uint64_t seq, int64_t at_ns)
{
	if (!a->any) {
		a->any = true;
		a->base = a->highest = seq - 1;
		a->last_ns = at_ns;
	}
	if (seq > a->highest) {
		uint64_t hole = seq - a->highest - 1;

		if (hole > a->longest_hole)
			a->longest_hole = hole;
		for (uint64_t i = hole < SEEN_BITS ? hole : SEEN_BITS - 1; i > 0; i--)
			(void)arrivals_seen(a, seq - i, false);
		a->highest = seq;
	} else if (a->highest - seq >= SEEN_BITS || arrivals_seen(a, seq, true)) {
		a->duplicated++;
		return;
	} else {
		a->reordered++;
	}
	(void)arrivals_seen(a, seq, true);
	if (seq > a->base)
		a->received++;
	if (at_ns - a->last_ns > a->gap_ns) {
		a->gap_ns = at_ns - a->last_ns;
		a->gap_end_ns = at_ns;
	}
	if (at_ns > a->last_ns)
		a->last_ns = at_ns;
}

void arrivals_mark(struct arrivals *a)
{
	a->base = a->highest;
	a->received = a->duplicated = a->reordered = a->longest_hole = 0;
	a->gap_ns = a->gap_end_ns = 0;
}

void arrivals_print(const char *name, const struct arrivals *a, int64_t mark_ns, uint64_t sent)
{
	int64_t silent_ns = a->any ? clock_ns(CLOCK_REALTIME) - a->last_ns : 0;
	bool ongoing = silent_ns > a->gap_ns;
	int64_t gap_ns = ongoing ? silent_ns : a->gap_ns;
	int64_t began_ns = (ongoing ? a->last_ns : a->gap_end_ns - gap_ns) - mark_ns;

	printf(",\"%s\":{\"received\":%llu,\"lost\":%llu,\"duplicated\":%llu,\"reordered\":%llu,"
	       "\"hole\":%llu,\"gap_ms\":%.3f,\"gap_at_s\":%.3f,\"silent_ms\":%.3f,"
	       "\"sent_back\":%llu}",
		name, (unsigned long long)a->received,
		(unsigned long long)(a->highest - a->base - a->received),
		(unsigned long long)a->duplicated, (unsigned long long)a->reordered,
		(unsigned long long)a->longest_hole, (double)gap_ns / 1e6, (double)began_ns / 1e9,
		(double)silent_ns / 1e6, (unsigned long long)sent);
}
