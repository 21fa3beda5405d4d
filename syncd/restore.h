/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a promotion: gives the entries that were held as copies (flow.h, FLOW_HELD_S) what is left
 * of them, in the background. An entry that traffic has touched since has its timeout from the
 * kernel and is left alone. Knows nothing beyond the kernel's table: whoever starts it again, after
 * a crash as well, makes it do what is left to be done. Owns a ctnetlink socket and its dump. Runs
 * in syncd on the Active.
 */
#ifndef GATEPAIR_SYNCD_RESTORE_H
#define GATEPAIR_SYNCD_RESTORE_H

#include <stdbool.h>
#include <uv.h>

#include "syncd/flow.h"

struct restore;

/* `lifetimes` is the owner's: no entry gets more than a packet would give it. */
int restore_new(uv_loop_t *loop, const struct flow_lifetimes *lifetimes, struct restore **ret)
	__attribute__((warn_unused_result));
void restore_close(struct restore *r); /* frees itself */

void restore_start(struct restore *r); /* a running one starts anew */
void restore_stop(struct restore *r);
uint64_t restore_count(const struct restore *r); /* entries so far */
uint32_t restore_port(const struct restore *r);  /* of the netlink socket that changes them */

#endif
