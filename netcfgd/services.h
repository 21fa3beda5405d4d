/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second process of netcfgd, for what is slow, starts programs or opens packet sockets: the
 * DHCP client (udhcpc) of the WAN, the DHCP servers and relays and router advertisements (dnsmasq),
 * the loading of the operator's own firewall rules (nft), the cabling probe. The first process,
 * which holds the lease, never waits for it; if it dies, netcfgd ends and is started again by the
 * supervisor, which costs neither the lease nor a packet. It ends when its parent does.
 *
 * They talk over a private SEQPACKET socketpair, in these structs: both are the same program. What
 * comes from the services is checked like a stranger's word all the same (services_check()), as
 * that process reads packets.
 */
#ifndef GATEPAIR_NETCFGD_SERVICES_H
#define GATEPAIR_NETCFGD_SERVICES_H

#include "netcfgd/wan.h"

#define SERVICES_MSG_MAX        (65536 + 64)
#define SERVICES_CONDITIONS_MAX 32
#define SERVICES_TEXT_MAX       320
#define SERVICES_LIST_MAX       16

/* To the services: a struct services_order, for CONFIG followed by a packed Gp__Config. */
enum services_order_kind {
	SERVICES_CONFIG = 1, /* replaces the one before */
	SERVICES_ROLE,       /* the lease was taken or given up */
};

struct services_order {
	enum services_order_kind kind;
	bool held; /* ROLE */
};

/* From the services. */
enum services_report_kind {
	SERVICES_WAN = 1,   /* a lease came, was renewed, or ended */
	SERVICES_CONDITION, /* raised, or with an empty text cleared */
	SERVICES_CHILD,     /* a child process changed its state */
	SERVICES_WAN_STATE, /* for people */
};

struct services_report {
	enum services_report_kind kind;
	union {
		struct wan_lease wan;
		struct {
			uint32_t id; /* 1 ..; which one it is, of any number at a time */
			char text[SERVICES_TEXT_MAX];
		} condition;
		struct {
			char name[32];
			char state[16];
			char interfaces[SERVICES_LIST_MAX][IFNAMSIZ];
			size_t n_interfaces;
			uint32_t restarts;
		} child;
		struct {
			char link[IFNAMSIZ];
			char state[16];
			char reason[SERVICES_TEXT_MAX];
		} wan_state;
	};
};

#endif
