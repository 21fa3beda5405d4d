/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paging through the kernel's sessions for `gatepair sessions`: a cursor names a dump that is still
 * open, so a listing costs no memory for the table, however large. A few at a time; one that nobody
 * asks for is forgotten. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_LISTING_H
#define GATEPAIR_SYNCD_LISTING_H

#include <stdint.h>

#include "common/clock.h"
#include "syncd/flow.h"

#define LISTING_MAX      4
#define LISTING_LIFE     (10 * USEC_PER_SEC)
#define LISTING_CHUNK    1024
#define LISTING_PAGE_MAX 256 /* sessions */

struct listing {
	uint64_t cursor; /* 0: free */
	usec_t used;
	int fd;
	bool complete; /* the dump is; the chunk holds the rest */
	size_t n, at;
	struct flow chunk[LISTING_CHUNK];
};

struct listings {
	uint64_t last_cursor;
	struct listing *v[LISTING_MAX];
};

/* One page of at most LISTING_PAGE_MAX sessions: how many, and the next cursor, 0 at the end.
 * `cursor` 0 starts. -ESTALE: no such cursor (any more); or another negative errno. */
int listing_page(struct listings *ls, uint64_t cursor, usec_t now, struct flow *ret_flows,
	size_t *ret_n, uint64_t *ret_cursor) __attribute__((warn_unused_result));
void listings_fini(struct listings *ls);

#endif
