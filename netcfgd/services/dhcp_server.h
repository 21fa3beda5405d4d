/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What dnsmasq is told: its configuration as a pure function of ours, the links and the resolvers.
 * Each management interface has a server of its own, all LAN interfaces together have one. Only
 * interfaces that are there, with their address, are in it, with their kernel index in a comment:
 * so the text changes, and the program is started again, when an interface comes back as another.
 */
#ifndef GATEPAIR_NETCFGD_DHCP_SERVER_H
#define GATEPAIR_NETCFGD_DHCP_SERVER_H

#include "netcfgd/kernel.h"

/* The name, besides the node's own, that clients on a management interface can look up. */
#define DHCP_SERVER_DOMAIN "gatepair.lan"
#define DHCP_SERVER_LISTED 16

struct dhcp_server_input {
	const struct config *cfg;
	const struct kernel *picture;
	const struct config_prefix *dns; /* resolvers in effect */
	size_t n_dns;
	const char *folder; /* of the file of leases; NULL: none is kept */
};

struct dhcp_server_text {
	char *text; /* malloc()ed; NULL: there is nobody to serve now */
	size_t len;
	char interfaces[DHCP_SERVER_LISTED][IFNAMSIZ]; /* the first */
	size_t n_interfaces;
	const char *refused; /* name of an interface that cannot be served by its name, or NULL */
};

bool dhcp_server_wants_mgmt(const struct config_interface *c);
/* Server, relay or router advertisements on a lan interface. */
bool dhcp_server_wants_lan(const struct config_interface *c);

/* 0 or -ENOMEM. */
int dhcp_server_mgmt(const struct dhcp_server_input *in, const struct config_interface *c,
	struct dhcp_server_text *ret) __attribute__((warn_unused_result));
int dhcp_server_lan(const struct dhcp_server_input *in, struct dhcp_server_text *ret)
	__attribute__((warn_unused_result));

#endif
