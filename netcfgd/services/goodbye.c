/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Router advertisements with lifetime 0 (see goodbye.h). The kernel gives the packet its link-local
 * source, the one that dnsmasq's adverts have, and its checksum.
 */
#include "netcfgd/services/goodbye.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

#define HOP_LIMIT 255 /* proves that it is from this link */

static int open_socket(void)
{
	const int hops = HOP_LIMIT;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6), rc;
	struct icmp6_filter none;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&none);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &none, sizeof(none)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int say(int fd, uint32_t index)
{
	/* A preference is not to be given with it (RFC 4191 §2.2). */
	const struct nd_router_advert last = {.nd_ra_type = ND_ROUTER_ADVERT};
	struct sockaddr_in6 all_nodes = {.sin6_family = AF_INET6, .sin6_scope_id = index};

	all_nodes.sin6_addr.s6_addr[0] = 0xff;
	all_nodes.sin6_addr.s6_addr[1] = 0x02;
	all_nodes.sin6_addr.s6_addr[15] = 1;
	return sendto(fd, &last, sizeof(last), MSG_NOSIGNAL, (struct sockaddr *)&all_nodes,
		       sizeof(all_nodes)) < 0
		       ? -errno
		       : 0;
}

void goodbye_routers(const struct config *cfg, const struct kernel *picture)
{
	int fd = -1, rc;

	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		const struct config_interface *c = &cfg->interfaces[i];
		const struct kernel_link *l = c->role == CONFIG_ROLE_LAN && c->router_advert
						      ? kernel_link_by_name(picture, c->name)
						      : NULL;

		if (!l || !l->up || !l->carrier)
			continue;
		if (fd < 0)
			fd = open_socket();
		rc = fd < 0 ? fd : say(fd, l->index);
		if (rc < 0)
			log_warn("%s: hosts cannot be told that this router steps down: %s; they "
				 "notice it by themselves within half a minute",
				c->name, strerror(-rc));
	}
	if (fd >= 0)
		close(fd);
}
