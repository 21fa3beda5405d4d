/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets of the HA link: TCP, non-blocking, bound to the sync interface and to this node's
 * address on it, heard only by the configured peer. Keeps no state. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_ENDPOINT_H
#define GATEPAIR_SYNCD_ENDPOINT_H

#include <stdbool.h>

#include "common/config.h"

/* The caller closes what these return; negative errno on failure. */
int endpoint_connect(const struct config_sync *cfg) /* the connection may still be in progress */
	__attribute__((warn_unused_result));
int endpoint_listen(const struct config_sync *cfg, int backlog) __attribute__((warn_unused_result));
/* -EACCES: it was a stranger; there may be more. */
int endpoint_accept(const struct config_sync *cfg, int listen_fd)
	__attribute__((warn_unused_result));
/* Whether it is bound to an interface with another index than this: one that had the name before,
 * and of which nothing is heard any more. */
bool endpoint_is_stale(int fd, unsigned ifindex);

#endif
