/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process: the engine on the loop, and what its clients are told. Shared by main.c (wiring),
 * ipc.c and status.c (which alone see protobuf messages).
 */
#ifndef GATEPAIR_NETCFGD_NETCFGD_H
#define GATEPAIR_NETCFGD_NETCFGD_H

#include <uv.h>

#include "common/daemon.h"
#include "common/timer.h"
#include "netcfgd/engine.h"
#include "netcfgd/services.h"

/* What subscribers were last told of a link. */
struct link_told {
	uint32_t index, mtu;
	uint8_t mac[KERNEL_MAC_LEN];
	bool up, carrier;
	struct in_addr address;
};

struct netcfgd {
	struct engine engine;
	struct daemon *daemon;
	struct services services;
	int services_fd; /* from services_fork() */
	struct timer timer;
	uv_poll_t rt_poll, nft_poll;
	struct link_told told[CONFIG_MAX_INTERFACES + CONFIG_MAX_VRRPS]; /* parallel to d->links */
	bool tell_all; /* the next round tells every link, changed or not */
};

extern const struct ipc_rule netcfgd_rules[];
extern const size_t netcfgd_n_rules;

/* Tells subscribers of every link that changed. */
void netcfgd_tell_links(struct netcfgd *n);
void netcfgd_status(void *owner, Gp__Status *st, struct arena *scratch);
/* Its part that the services process reported; what it points to is kept in `s`. */
void netcfgd_status_services(struct services *s, Gp__NetcfgdStatus *st, struct arena *scratch);
/* After anything that can move a deadline. */
void netcfgd_rearm(struct netcfgd *n);

#endif
