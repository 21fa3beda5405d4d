/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way from udhcpc to the services process. udhcpc executes a program at each event, with what
 * the server said in the environment: this program again, which sends the few variables that are
 * used in one message of bounded size and ends. They are a stranger's words: hook_lease() takes
 * only what a host can use.
 */
#ifndef GATEPAIR_NETCFGD_HOOK_H
#define GATEPAIR_NETCFGD_HOOK_H

#include "netcfgd/wan.h"

/* Names the inherited socket; its presence says that this is the hook. */
#define HOOK_FD_ENV "GATEPAIR_HOOK_FD"
/* Which run of udhcpc it is of: what one says that is gone already is not the next one's word. */
#define HOOK_RUN_ENV "GATEPAIR_HOOK_RUN"

struct hook_message {
	uint32_t run;
	char event[16]; /* deconfig, bound, renew, nak, leasefail */
	char ip[20], subnet[20], server[20], lease[16];
	char router[80], dns[80]; /* of the lists the beginning, whole words */
};

/* In the program that udhcpc started; returns its exit status. */
int hook_main(int argc, char **argv);

/* NULL and the lease (state BOUND, without the link), or what cannot be used in it, as a sentence's
 * end in `why`. What is of no use but does no harm (a gateway, a DNS server) is left out. */
const char *hook_lease(const struct hook_message *m, usec_t now, struct wan_lease *ret, char *why,
	size_t why_size);
/* An address that a host can have: not of this network, loopback, link-local, multicast, … */
bool hook_is_host(struct in_addr a);

#endif
