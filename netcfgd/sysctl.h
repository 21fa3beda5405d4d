/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel switches below /proc/sys/net. Each is written only when it differs; what it was before is
 * remembered, and restored when the config no longer asks for it. CAP_NET_ADMIN in the network
 * namespace is enough to write them.
 */
#ifndef GATEPAIR_NETCFGD_SYSCTL_H
#define GATEPAIR_NETCFGD_SYSCTL_H

#include "netcfgd/desired.h"

struct sysctl_saved;

struct sysctl {
	struct sysctl_saved *saved; /* by path; as many as the config ever asked for */
};

void sysctl_fini(struct sysctl *s);
/* The present values of what `d` asks for, into k->sysctls; unreadable ones become
 * SYSCTL_UNKNOWN. 0 or -ENOMEM. */
int sysctl_read_all(const struct desired *d, struct kernel *k) __attribute__((warn_unused_result));
int sysctl_write(struct sysctl *s, const struct desired_sysctl *w, int32_t now)
	__attribute__((warn_unused_result));
/* Gives back what `d` no longer asks for. Returns how many were written. */
unsigned sysctl_restore(struct sysctl *s, const struct desired *d);

#endif
