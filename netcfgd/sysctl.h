/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel switches below /proc/sys/net. Each is written only when it differs; what it was before is
 * remembered, and restored when the config no longer asks for it. CAP_NET_ADMIN in the network
 * namespace is enough to write them.
 *
 * The memory outlives the process in a file, written before a switch is written for the first time.
 * It counts only for the boot and the network namespace that it was made in.
 */
#ifndef GATEPAIR_NETCFGD_SYSCTL_H
#define GATEPAIR_NETCFGD_SYSCTL_H

#include <limits.h>

#include "netcfgd/desired.h"

#define SYSCTL_SAVED_MAX 16384
#define SYSCTL_FILE      "switches"

struct sysctl_saved;

struct sysctl {
	struct sysctl_saved *saved; /* by path; as many as the config ever asked for */
	char file[PATH_MAX];        /* "": there is none */
	char where[96];             /* boot and network namespace */
	bool warned;                /* that it cannot be written */
};

/* Remembers in `folder`, and what was remembered there before. Without this, in memory only. */
void sysctl_open(struct sysctl *s, const char *folder);
void sysctl_fini(struct sysctl *s);

/* The values of what `d` asks for, into k->sysctls; unreadable ones become SYSCTL_UNKNOWN. Those of
 * links that `old` (NULL: there is none) asked for as well are taken over from there: each costs 10
 * µs and more to read. 0 or -ENOMEM. */
int sysctl_read_new(const struct desired *old, const struct desired *d, struct kernel *k)
	__attribute__((warn_unused_result));
/* The present values of n of them from `from` on. True if one is not what it was. */
bool sysctl_read(const struct desired *d, struct kernel *k, size_t from, size_t n);
/* Before the first write: what it is `now`. True: it is new, sysctl_store() is due. */
bool sysctl_remember(struct sysctl *s, const struct desired_sysctl *w, int32_t now);
/* Into the file; what goes wrong is told once. */
void sysctl_store(struct sysctl *s);
int sysctl_write(const struct desired_sysctl *w) __attribute__((warn_unused_result));
/* Gives back what `d` no longer asks for. Returns how many were written. */
unsigned sysctl_restore(struct sysctl *s, const struct desired *d);

#endif
