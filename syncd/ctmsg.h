/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec of ctnetlink messages: sessions from and to the kernel's attributes
 * (linux/netfilter/nfnetlink_conntrack.h). Pure: buffers in, buffers out. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_CTMSG_H
#define GATEPAIR_SYNCD_CTMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "syncd/flow.h"

#define CTMSG_MAX_BYTES 512 /* one request, whatever is in it */

struct nlmsghdr;

/* A message about a session (event or dump answer). False: not one, malformed, or of a kind that
 * is not carried (a zone for one direction only). */
bool ctmsg_parse(const struct nlmsghdr *nlh, struct flow *ret);

/* Each appends one request of at most CTMSG_MAX_BYTES and returns its length. `seq` comes back in
 * the kernel's error. No acknowledgement is asked for: the kernel reports failures only. */

/* Fails with -EEXIST if either direction is known. Address translation is set up anew. */
size_t ctmsg_put_create(uint8_t *buf, const struct flow *f, uint32_t timeout_s, uint32_t seq);
/* Fails with -ENOENT if there is none; translation cannot be changed. */
size_t ctmsg_put_update(uint8_t *buf, const struct flow *f, uint32_t timeout_s, uint32_t seq);
/* Nothing but the timeout; fails with -EPERM for one that is fixed. */
size_t ctmsg_put_timeout(uint8_t *buf, const struct flow_key *k, uint32_t timeout_s, uint32_t seq);
size_t ctmsg_put_delete(uint8_t *buf, const struct flow_key *k, uint32_t seq);
/* The session whose reply direction is that of `f`, whatever its original one. */
size_t ctmsg_put_delete_reply(uint8_t *buf, const struct flow *f, uint32_t seq);
size_t ctmsg_put_dump(uint8_t *buf, uint32_t seq);
/* Asks how many entries there are; the answer's count by ctmsg_parse_count(). */
size_t ctmsg_put_count(uint8_t *buf, uint32_t seq);
bool ctmsg_parse_count(const struct nlmsghdr *nlh, uint32_t *ret);

#endif
