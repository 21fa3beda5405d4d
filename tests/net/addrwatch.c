/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gp-addrwatch: who holds an address, and when, seen from the kernels themselves.
 *
 * Listens to the address notifications of several network namespaces in one thread with real-time
 * priority, and prints one line per change: `CLOCK_MONOTONIC-ns NAME +|- ADDRESS`. What was read
 * in one wake-up carries one time stamp: across nodes its order is not known. Standard input adds a
 * namespace (`add NAME PATH`, whose present addresses are printed first) and forgets one (`drop
 * NAME`, which prints that it lost all it held: a power cut sends no notification). Each command is
 * answered with a line `ok NAME`. An address held on two devices of one node is still one holder.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NODES_MAX 8
#define HELD_MAX  64

struct held {
	uint32_t addr; /* network order */
	uint32_t ifindex;
};

struct node {
	char name[32];
	int fd; /* -1: slot free */
	struct held held[HELD_MAX];
	size_t held_n;
};

static struct node nodes[NODES_MAX];
static int home_fd;

static int64_t mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static bool node_holds(const struct node *n, uint32_t addr)
{
	for (size_t i = 0; i < n->held_n; i++) {
		if (n->held[i].addr == addr)
			return true;
	}
	return false;
}

static void print_change(const struct node *n, int64_t at_ns, char sign, uint32_t addr)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &addr, text, sizeof(text));
	printf("%lld %s %c %s\n", (long long)at_ns, n->name, sign, text);
}

static void node_add(struct node *n, int64_t at_ns, struct held h)
{
	bool had = node_holds(n, h.addr);

	for (size_t i = 0; i < n->held_n; i++) {
		if (n->held[i].addr == h.addr && n->held[i].ifindex == h.ifindex)
			return; /* a refreshed lifetime */
	}
	if (n->held_n == HELD_MAX)
		return;
	n->held[n->held_n++] = h;
	if (!had)
		print_change(n, at_ns, '+', h.addr);
}

static void node_delete(struct node *n, int64_t at_ns, struct held h)
{
	for (size_t i = 0; i < n->held_n; i++) {
		if (n->held[i].addr == h.addr && n->held[i].ifindex == h.ifindex) {
			n->held[i] = n->held[--n->held_n];
			if (!node_holds(n, h.addr))
				print_change(n, at_ns, '-', h.addr);
			return;
		}
	}
}

static void on_message(struct node *n, int64_t at_ns, struct nlmsghdr *nlh)
{
	struct ifaddrmsg *ifa = NLMSG_DATA(nlh);
	unsigned int left = (unsigned int)IFA_PAYLOAD(nlh);
	struct held h = {.ifindex = ifa->ifa_index};

	if ((nlh->nlmsg_type != RTM_NEWADDR && nlh->nlmsg_type != RTM_DELADDR) ||
		ifa->ifa_family != AF_INET)
		return;
	for (struct rtattr *a = IFA_RTA(ifa); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFA_LOCAL)
			memcpy(&h.addr, RTA_DATA(a), sizeof(h.addr));
	}
	if (nlh->nlmsg_type == RTM_NEWADDR)
		node_add(n, at_ns, h);
	else
		node_delete(n, at_ns, h);
}

static void node_read(struct node *n, int64_t at_ns)
{
	static _Alignas(struct nlmsghdr) char buffer[65536];
	ssize_t got;

	while ((got = recv(n->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		unsigned int left = (unsigned int)got;

		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, left);
			h = NLMSG_NEXT(h, left))
			on_message(n, at_ns, h);
	}
}

static int socket_in(const char *path)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR};
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg a;
	} dump = {.h = {.nlmsg_len = sizeof(dump),
			  .nlmsg_type = RTM_GETADDR,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = 1},
		.a = {.ifa_family = AF_INET}};
	int ns_fd = open(path, O_RDONLY | O_CLOEXEC), fd = -1;

	if (ns_fd < 0 || setns(ns_fd, CLONE_NEWNET) != 0)
		goto out;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
		send(fd, &dump, sizeof(dump), 0) < 0) {
		perror("gp-addrwatch: netlink");
		exit(1);
	}
out:
	if (setns(home_fd, CLONE_NEWNET) != 0)
		exit(1);
	if (ns_fd >= 0)
		close(ns_fd);
	return fd;
}

static struct node *node_find(const char *name)
{
	for (size_t i = 0; i < NODES_MAX; i++) {
		if (nodes[i].fd >= 0 && strcmp(nodes[i].name, name) == 0)
			return &nodes[i];
	}
	return NULL;
}

static void command_add(const char *name, const char *path)
{
	struct node *n = nodes;

	while (n < nodes + NODES_MAX && n->fd >= 0)
		n++;
	if (n == nodes + NODES_MAX || node_find(name) != NULL)
		return;
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->held_n = 0;
	n->fd = socket_in(path);
	if (n->fd >= 0)
		node_read(n, mono_ns());
	printf("%s %s\n", n->fd >= 0 ? "ok" : "failed", name);
}

static void command_drop(const char *name)
{
	struct node *n = node_find(name);
	int64_t now = mono_ns();

	while (n != NULL && n->held_n > 0)
		node_delete(n, now, n->held[0]);
	if (n != NULL) {
		close(n->fd);
		n->fd = -1;
	}
	printf("ok %s\n", name);
}

static bool input_read(void)
{
	char line[512], name[32], path[400];

	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	if (sscanf(line, "add %31s %399s", name, path) == 2)
		command_add(name, path);
	else if (sscanf(line, "drop %31s", name) == 1)
		command_drop(name);
	return true;
}

int main(void)
{
	struct sched_param param = {.sched_priority = 40};
	bool running = true;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)sched_setscheduler(0, SCHED_FIFO, &param);
	home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < NODES_MAX; i++)
		nodes[i].fd = -1;
	while (running) {
		struct pollfd fds[NODES_MAX + 1];
		int64_t now;

		for (size_t i = 0; i < NODES_MAX; i++)
			fds[i] = (struct pollfd){.fd = nodes[i].fd, .events = POLLIN};
		fds[NODES_MAX] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
		if (poll(fds, NODES_MAX + 1, -1) < 0 && errno != EINTR)
			return 1;
		now = mono_ns();
		for (size_t i = 0; i < NODES_MAX; i++) {
			if (fds[i].revents != 0 && nodes[i].fd >= 0)
				node_read(&nodes[i], now);
		}
		if (fds[NODES_MAX].revents != 0)
			running = input_read();
	}
	return 0;
}
