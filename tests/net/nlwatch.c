/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gp-nlwatch: what happens to the links, addresses, routes, rules, interface switches and nftables
 * of the network namespace that it is started in, and when.
 *
 * One line per notification: `CLOCK_MONOTONIC-ns OP KEY VALUE`, separated by tabs. OP is `=` (there
 * when we began), `+` (new or changed), `-` (gone), `!` (notifications were lost) or `#` (the
 * answer to `mark NAME` on standard input: whatever happened before the mark was asked for stands
 * above it). KEY names the object, so that equal keys are the same object. Runs with real-time
 * priority.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
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

#define LINKS_MAX 2048
#define ATTRS_MAX 64
#define RCVBUF    (64 << 20)
#define TEXT_MAX  512

struct link_name {
	int index;
	char name[IFNAMSIZ];
};

static struct link_name links[LINKS_MAX];
static size_t n_links;
static int64_t stamp; /* of the messages being read */
static bool dumping;
static _Alignas(struct nlmsghdr) char buffer[1 << 16];

struct attrs {
	struct rtattr *v[ATTRS_MAX];
};

static int64_t mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void say(bool gone, const char *key, const char *value)
{
	printf("%lld\t%c\t%s\t%s\n", (long long)stamp,
		dumping ? '='
		: gone  ? '-'
			: '+',
		key, value);
}

/* --- attributes ------------------------------------------------------------------------------ */

static struct attrs attrs_of(struct nlmsghdr *h, size_t header)
{
	struct attrs a = {0};
	struct rtattr *at = (struct rtattr *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(header));
	unsigned left = NLMSG_PAYLOAD(h, NLMSG_ALIGN(header));

	if (h->nlmsg_len < NLMSG_SPACE(header))
		return a;
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		unsigned type = at->rta_type & (unsigned)NLA_TYPE_MASK;

		if (type < ATTRS_MAX)
			a.v[type] = at;
	}
	return a;
}

static uint32_t u32_of(struct rtattr *a, uint32_t otherwise)
{
	uint32_t v = otherwise;

	if (a != NULL && RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static const char *text_of(struct rtattr *a)
{
	return a != NULL && RTA_PAYLOAD(a) > 0 && memchr(RTA_DATA(a), 0, RTA_PAYLOAD(a)) != NULL
		       ? (const char *)RTA_DATA(a)
		       : "";
}

static const char *address_of(int family, struct rtattr *a, char out[INET6_ADDRSTRLEN])
{
	size_t size = family == AF_INET ? 4 : 16;

	if (a == NULL || RTA_PAYLOAD(a) < size ||
		inet_ntop(family, RTA_DATA(a), out, INET6_ADDRSTRLEN) == NULL)
		snprintf(out, INET6_ADDRSTRLEN, "%s", family == AF_INET ? "0.0.0.0" : "::");
	return out;
}

static struct link_name *link_find(int index)
{
	for (size_t i = 0; i < n_links; i++) {
		if (links[i].index == index)
			return &links[i];
	}
	return NULL;
}

static const char *link_label(int index)
{
	static char number[16];
	const struct link_name *l = link_find(index);

	if (index == NETCONFA_IFINDEX_ALL || index == NETCONFA_IFINDEX_DEFAULT)
		return index == NETCONFA_IFINDEX_ALL ? "all" : "default";
	snprintf(number, sizeof(number), "#%d", index);
	return l != NULL ? l->name : number;
}

/* --- rtnetlink ------------------------------------------------------------------------------- */

static void on_link(struct nlmsghdr *h, bool gone)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	struct attrs a = attrs_of(h, sizeof(*m));
	struct link_name *l = link_find(m->ifi_index);
	const uint8_t *mac = a.v[IFLA_ADDRESS] != NULL && RTA_PAYLOAD(a.v[IFLA_ADDRESS]) == 6
				     ? RTA_DATA(a.v[IFLA_ADDRESS])
				     : (const uint8_t[6]){0};
	char key[TEXT_MAX], value[TEXT_MAX];

	if (m->ifi_family != AF_UNSPEC) /* bridges tell of their ports twice */
		return;
	if (l == NULL && n_links < LINKS_MAX)
		l = &links[n_links++];
	if (l == NULL)
		return;
	l->index = m->ifi_index;
	snprintf(l->name, sizeof(l->name), "%s", text_of(a.v[IFLA_IFNAME]));
	snprintf(key, sizeof(key), "link %s", l->name);
	snprintf(value, sizeof(value), "%s mtu %u mac %02x:%02x:%02x:%02x:%02x:%02x master %s",
		m->ifi_flags & IFF_UP ? "up" : "down", u32_of(a.v[IFLA_MTU], 0), mac[0], mac[1],
		mac[2], mac[3], mac[4], mac[5],
		a.v[IFLA_MASTER] != NULL ? link_label((int)u32_of(a.v[IFLA_MASTER], 0)) : "none");
	say(gone, key, value);
	if (gone)
		*l = links[--n_links];
}

static void on_addr(struct nlmsghdr *h, bool gone)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct attrs a = attrs_of(h, sizeof(*m));
	struct ifa_cacheinfo life = {.ifa_valid = UINT32_MAX};
	char key[TEXT_MAX], text[INET6_ADDRSTRLEN];

	if (a.v[IFA_CACHEINFO] != NULL && RTA_PAYLOAD(a.v[IFA_CACHEINFO]) >= sizeof(life))
		memcpy(&life, RTA_DATA(a.v[IFA_CACHEINFO]), sizeof(life));
	snprintf(key, sizeof(key), "addr %s %s/%u", link_label((int)m->ifa_index),
		address_of(
			m->ifa_family, a.v[a.v[IFA_LOCAL] != NULL ? IFA_LOCAL : IFA_ADDRESS], text),
		m->ifa_prefixlen);
	say(gone, key, life.ifa_valid == UINT32_MAX ? "forever" : "limited");
}

static void on_route(struct nlmsghdr *h, bool gone)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	struct attrs a = attrs_of(h, sizeof(*m));
	char key[TEXT_MAX], value[TEXT_MAX], to[INET6_ADDRSTRLEN], via[INET6_ADDRSTRLEN];

	if (m->rtm_flags & RTM_F_CLONED)
		return;
	snprintf(key, sizeof(key), "route %s/%u table %u metric %u",
		address_of(m->rtm_family, a.v[RTA_DST], to), m->rtm_dst_len,
		u32_of(a.v[RTA_TABLE], m->rtm_table), u32_of(a.v[RTA_PRIORITY], 0));
	snprintf(value, sizeof(value), "type %u proto %u via %s dev %s", m->rtm_type,
		m->rtm_protocol, address_of(m->rtm_family, a.v[RTA_GATEWAY], via),
		a.v[RTA_OIF] != NULL ? link_label((int)u32_of(a.v[RTA_OIF], 0)) : "none");
	say(gone, key, value);
}

static void on_rule(struct nlmsghdr *h, bool gone)
{
	const struct fib_rule_hdr *m = NLMSG_DATA(h);
	struct attrs a = attrs_of(h, sizeof(*m));
	char key[TEXT_MAX], from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	snprintf(key, sizeof(key), "rule %s %u from %s/%u to %s/%u iif %s mark %u table %u",
		m->family == AF_INET ? "ipv4" : "ipv6", u32_of(a.v[FRA_PRIORITY], 0),
		address_of(m->family, a.v[FRA_SRC], from), m->src_len,
		address_of(m->family, a.v[FRA_DST], to), m->dst_len,
		a.v[FRA_IIFNAME] != NULL ? text_of(a.v[FRA_IIFNAME]) : "any",
		u32_of(a.v[FRA_FWMARK], 0), u32_of(a.v[FRA_TABLE], m->table));
	say(gone, key, "");
}

static void on_netconf(struct nlmsghdr *h, bool gone)
{
	const struct netconfmsg *m = NLMSG_DATA(h);
	struct attrs a = attrs_of(h, sizeof(*m));
	char key[TEXT_MAX], value[TEXT_MAX];

	snprintf(key, sizeof(key), "netconf %s %s", m->ncm_family == AF_INET ? "ipv4" : "ipv6",
		link_label((int)u32_of(a.v[NETCONFA_IFINDEX], 0)));
	snprintf(value, sizeof(value), "forwarding %d rp_filter %d",
		(int)u32_of(a.v[NETCONFA_FORWARDING], (uint32_t)-1),
		(int)u32_of(a.v[NETCONFA_RP_FILTER], (uint32_t)-1));
	say(gone, key, value);
}

static void on_rtnl(struct nlmsghdr *h)
{
	static const struct {
		uint16_t new, del;
		size_t header;
		void (*run)(struct nlmsghdr *, bool);
	} kinds[] = {
		{RTM_NEWLINK, RTM_DELLINK, sizeof(struct ifinfomsg), on_link},
		{RTM_NEWADDR, RTM_DELADDR, sizeof(struct ifaddrmsg), on_addr},
		{RTM_NEWROUTE, RTM_DELROUTE, sizeof(struct rtmsg), on_route},
		{RTM_NEWRULE, RTM_DELRULE, sizeof(struct fib_rule_hdr), on_rule},
		{RTM_NEWNETCONF, RTM_DELNETCONF, sizeof(struct netconfmsg), on_netconf},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool gone = h->nlmsg_type == kinds[i].del;

		if ((gone || h->nlmsg_type == kinds[i].new) &&
			h->nlmsg_len >= NLMSG_SPACE(kinds[i].header))
			kinds[i].run(h, gone);
	}
}

/* --- nftables -------------------------------------------------------------------------------- */

static void on_nft(struct nlmsghdr *h)
{
	static const char *const objects[] = {[NFT_MSG_NEWTABLE] = "table",
		[NFT_MSG_NEWCHAIN] = "chain",
		[NFT_MSG_NEWRULE] = "rule",
		[NFT_MSG_NEWSET] = "set",
		[NFT_MSG_NEWSETELEM] = "element"};
	struct attrs a = attrs_of(h, sizeof(struct nfgenmsg));
	unsigned type = h->nlmsg_type & 0xffu, base = type - type % 3;
	const struct nfgenmsg *m = NLMSG_DATA(h);
	char key[TEXT_MAX];

	if (h->nlmsg_len < NLMSG_SPACE(sizeof(*m)))
		return;
	/* A transaction ends with one of these: who made it. */
	if (type == NFT_MSG_NEWGEN) {
		say(false, "nft transaction", text_of(a.v[NFTA_GEN_PROC_NAME]));
		return;
	}
	if (base >= sizeof(objects) / sizeof(objects[0]) || objects[base] == NULL)
		return;
	snprintf(key, sizeof(key), "nft %s", objects[base]);
	say(type != base, key, text_of(a.v[NFTA_TABLE_NAME]));
}

/* --- sockets --------------------------------------------------------------------------------- */

/* Reads what waits; after a dump request, up to its end. */
static void drain(int fd, void (*on_message)(struct nlmsghdr *), bool until_done)
{
	for (;;) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), until_done ? 0 : MSG_DONTWAIT);
		unsigned left = got > 0 ? (unsigned)got : 0;

		if (got < 0 && errno == ENOBUFS)
			printf("%lld\t!\tlost\t\n", (long long)stamp);
		if (got <= 0 && errno != ENOBUFS)
			return;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, left);
			h = NLMSG_NEXT(h, left)) {
			if (until_done &&
				(h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR))
				return;
			on_message(h);
		}
	}
}

static int open_groups(int protocol, const unsigned *groups, size_t n)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), size = RCVBUF;
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == 0;

	for (size_t i = 0; i < n && ok; i++)
		ok = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			     sizeof(groups[i])) == 0;
	if (!ok) {
		perror("gp-nlwatch: netlink");
		exit(1);
	}
	return fd;
}

/* On a socket of its own: its answers must not mix with notifications. */
static void dump(uint16_t type)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg m;
	} request = {.h = {.nlmsg_len = sizeof(request),
			     .nlmsg_type = type,
			     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			     .nlmsg_seq = 1}};
	int fd = open_groups(NETLINK_ROUTE, NULL, 0);

	if (send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request))
		drain(fd, on_rtnl, true);
	close(fd);
}

static bool input_read(int rt, int nft)
{
	char line[256], name[200];

	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	if (sscanf(line, "mark %199s", name) != 1)
		return true;
	/* Notifications are queued before whoever caused them gets its answer. */
	stamp = mono_ns();
	drain(rt, on_rtnl, false);
	drain(nft, on_nft, false);
	printf("%lld\t#\t%s\t\n", (long long)mono_ns(), name);
	return true;
}

int main(void)
{
	static const unsigned rt_groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,
		RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF};
	static const unsigned nft_groups[] = {NFNLGRP_NFTABLES};
	static const uint16_t dumps[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETRULE};
	struct sched_param param = {.sched_priority = 40};
	int rt = open_groups(NETLINK_ROUTE, rt_groups, sizeof(rt_groups) / sizeof(rt_groups[0]));
	int nft = open_groups(NETLINK_NETFILTER, nft_groups, 1);
	bool running = true;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)sched_setscheduler(0, SCHED_FIFO, &param);
	stamp = mono_ns();
	dumping = true;
	dump(RTM_GETLINK); /* a master may come after its ports: now all have names */
	for (size_t i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++)
		dump(dumps[i]);
	dumping = false;
	while (running) {
		struct pollfd fds[] = {{.fd = rt, .events = POLLIN}, {.fd = nft, .events = POLLIN},
			{.fd = STDIN_FILENO, .events = POLLIN}};

		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return 1;
		stamp = mono_ns();
		if (fds[0].revents != 0)
			drain(rt, on_rtnl, false);
		if (fds[1].revents != 0)
			drain(nft, on_nft, false);
		if (fds[2].revents != 0)
			running = input_read(rt, nft);
	}
	return 0;
}
