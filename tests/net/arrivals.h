/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the traffic tools: clocks, pacing, sockets whose packets are stamped by the kernel on
 * arrival, and the statistics of one stream of numbered packets.
 */
#ifndef TESTS_NET_ARRIVALS_H
#define TESTS_NET_ARRIVALS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)
#define SEEN_BITS 65536u /* how far back a duplicate is recognised */

/* Arrivals of one numbered stream; times are CLOCK_REALTIME, as the kernel stamps packets. */
struct arrivals {
	bool any;
	uint64_t highest, base; /* base: highest when the window began */
	uint64_t received, duplicated, reordered, longest_hole;
	int64_t last_ns, gap_ns, gap_end_ns;
	uint64_t seen[SEEN_BITS / 64];
};

struct pacer {
	int64_t start_ns, interval_ns; /* interval 0: switched off */
	uint64_t done;
};

int64_t clock_ns(clockid_t clock);
int64_t mono_ns(void);
_Noreturn void die(const char *what);

/* A non-blocking socket with room for what arrives while we do not run; exits on failure. */
int socket_new(int type, int protocol);

/* Receives one datagram and the kernel's CLOCK_REALTIME of its arrival; like recvmsg(). */
ssize_t receive_stamped(
	int fd, void *data, size_t bytes, struct sockaddr_in *ret_from, int64_t *ret_at_ns);

/* How many events are due by now and not yet done. */
uint64_t pacer_due(const struct pacer *p, int64_t now);

/* Packet `seq` (from 1) arrived. */
void arrivals_note(struct arrivals *a, uint64_t seq, int64_t at_ns);
/* Opens a new window; an outage that lasts across the mark belongs to the new one. */
void arrivals_mark(struct arrivals *a);
/* Appends `,"name":{...}` to the line being printed; `mark_ns`: when the window began. */
void arrivals_print(const char *name, const struct arrivals *a, int64_t mark_ns, uint64_t sent);

#endif
