/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's listing of our tables adds up to: a digest of everything that decides about
 * packets, in whatever order it is listed, without what changes by itself (counters, handles, what
 * sets learn). Two listings by the same kernel are compared, never a listing and a transaction.
 * Against accidents, not attackers. Pure.
 */
#ifndef GATEPAIR_NETCFGD_CONTENT_H
#define GATEPAIR_NETCFGD_CONTENT_H

#include <libmnl/libmnl.h>
#include <stdint.h>

struct content {
	uint64_t sum;
	char chain[128]; /* of the rules that are being listed */
	uint32_t at;     /* the next one's place in it */
};

/* A dumped message of one of our tables. `set_flags` for NFT_MSG_NEWSETELEM: of its set. */
void content_add(struct content *c, const struct nlmsghdr *nlh, uint32_t set_flags);
/* Never 0. */
uint64_t content_digest(const struct content *c);

#endif
