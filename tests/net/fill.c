/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gp-fill: many sessions, quickly.
 *
 * `gp-fill serve` listens on a row of UDP ports and answers every question with the address and
 * port it came from. `gp-fill client --count N` opens N flows (source ports × destination ports)
 * through the gateways, each confirmed by its answer, prints one line of JSON, and then obeys
 * standard input: `touch` asks on every flow again and tells how many answered and how many were
 * seen under another address or port than the first time; `quit` or end of file ends. 100,000
 * flows take a few seconds: a slice of them is in flight at a time, and what stays unanswered is
 * asked again.
 */
#include "tests/net/arrivals.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLICE       512u /* flows in flight; the server's buffers hold them with ease */
#define SLICE_MS    300
#define SLICE_TRIES 8

struct seen {
	uint32_t addr; /* network order */
	uint16_t port;
	uint16_t unused;
};

/* One question and its answer: `round` tells a late answer from the present one's. */
struct message {
	uint32_t flow;
	uint32_t round;
	struct seen seen;
};

static struct sockaddr_in to;
static size_t ports = 50, flow_n, socket_n;
static int *sockets; /* source sockets; flow f uses sockets[f % socket_n] */
static struct seen *first;
static uint32_t *answered_round;
static uint32_t round_now;
static size_t answered, moved;
static int epoll_fd;

static void serve(void)
{
	struct epoll_event events[64];
	struct sockaddr_in from;
	struct message m;
	int64_t at_ns;

	for (size_t i = 0; i < ports; i++) {
		struct epoll_event ev = {.events = EPOLLIN};
		struct sockaddr_in at = to;

		at.sin_port = htons((uint16_t)(ntohs(to.sin_port) + i));
		ev.data.fd = socket_new(SOCK_DGRAM, 0);
		if (bind(ev.data.fd, (struct sockaddr *)&at, sizeof(at)) != 0)
			die("bind");
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ev.data.fd, &ev);
	}
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == STDIN_FILENO)
				return;
			while (receive_stamped(fd, &m, sizeof(m), &from, &at_ns) == sizeof(m)) {
				m.seen.addr = from.sin_addr.s_addr;
				m.seen.port = from.sin_port;
				sendto(fd, &m, sizeof(m), 0, (struct sockaddr *)&from,
					sizeof(from));
			}
		}
	}
}

static void ask(size_t flow)
{
	struct message m = {.flow = (uint32_t)flow, .round = round_now};
	struct sockaddr_in at = to;

	at.sin_port = htons((uint16_t)(ntohs(to.sin_port) + flow / socket_n));
	(void)!sendto(
		sockets[flow % socket_n], &m, sizeof(m), 0, (struct sockaddr *)&at, sizeof(at));
}

static void on_answer(const struct message *m)
{
	struct seen *f = &first[m->flow];

	if (m->round != round_now || answered_round[m->flow] == round_now)
		return;
	answered_round[m->flow] = round_now;
	answered++;
	if (f->port == 0)
		*f = m->seen;
	moved += f->port != m->seen.port || f->addr != m->seen.addr;
}

/* Reads answers until `wanted` have come in all, or nothing more comes for a while. */
static void collect(size_t wanted)
{
	struct epoll_event events[256];
	struct message m;
	int n;

	while (answered < wanted && (n = epoll_wait(epoll_fd, events, 256, SLICE_MS)) > 0) {
		for (int i = 0; i < n; i++) {
			while (recv(events[i].data.fd, &m, sizeof(m), 0) == sizeof(m)) {
				if (m.flow < flow_n)
					on_answer(&m);
			}
		}
	}
}

/* Asks on every flow once, repeating what is not answered. */
static void sweep(const char *what)
{
	int64_t began_ns = clock_ns(CLOCK_MONOTONIC);

	round_now++;
	answered = moved = 0;
	for (size_t from = 0; from < flow_n; from += SLICE) {
		size_t end = from + SLICE < flow_n ? from + SLICE : flow_n;
		size_t missing_before = from - answered;

		for (int try = 0; try < SLICE_TRIES && answered + missing_before < end; try++) {
			for (size_t flow = from; flow < end; flow++) {
				if (answered_round[flow] != round_now)
					ask(flow);
			}
			collect(end - missing_before);
		}
		/* Nobody there at all: say so now rather than after an hour of retries. */
		if (answered == 0)
			break;
	}
	printf("{\"what\":\"%s\",\"flows\":%zu,\"answered\":%zu,\"moved\":%zu,\"seconds\":%.3f}\n",
		what, flow_n, answered, moved,
		(double)(clock_ns(CLOCK_MONOTONIC) - began_ns) / 1e9);
	fflush(stdout);
}

static void client(void)
{
	char line[64];

	socket_n = (flow_n + ports - 1) / ports;
	sockets = calloc(socket_n + 1, sizeof(*sockets));
	first = calloc(flow_n + 1, sizeof(*first));
	answered_round = calloc(flow_n + 1, sizeof(*answered_round));
	if (sockets == NULL || first == NULL || answered_round == NULL)
		die("calloc");
	for (size_t i = 0; i < socket_n; i++) {
		struct epoll_event ev = {.events = EPOLLIN};

		ev.data.fd = sockets[i] = socket_new(SOCK_DGRAM, 0);
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sockets[i], &ev);
	}
	sweep("fill");
	while (fgets(line, sizeof(line), stdin) != NULL && strncmp(line, "quit", 4) != 0) {
		if (strncmp(line, "touch", 5) == 0)
			sweep("touch");
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"to", 1, NULL, 'a'},
		{"port", 1, NULL, 'p'},
		{"ports", 1, NULL, 'n'},
		{"count", 1, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	struct rlimit files;
	int c;

	to.sin_family = AF_INET;
	to.sin_port = htons(20000);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'a' && inet_pton(AF_INET, optarg, &to.sin_addr) != 1)
			c = '?';
		else if (c == 'p')
			to.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10));
		else if (c == 'n')
			ports = strtoul(optarg, NULL, 10);
		else if (c == 'c')
			flow_n = strtoul(optarg, NULL, 10);
		if (c == '?')
			return 2;
	}
	if (optind + 1 != argc || ports == 0) {
		fprintf(stderr, "usage: gp-fill serve|client [--to ADDRESS] [--port P] [--ports N] "
				"[--count N]\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (strcmp(argv[optind], "serve") == 0) {
		struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = STDIN_FILENO}};

		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev);
		serve();
	} else {
		client();
	}
	return 0;
}
