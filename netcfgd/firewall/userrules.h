/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's own rules as netlink messages: taken from the kernel's listing of a table that
 * nft(8) has filled (or of our own, where they are already), to become part of our transactions.
 * So they come and go with the policy in one piece, and no other program is needed to put them
 * back. Each rule gets a counter if it has none. Pure: nft.c does the listing.
 *
 * Sets without a name come out as sets with the name that the kernel gave them (__set0).
 */
#ifndef GATEPAIR_NETCFGD_USERRULES_H
#define GATEPAIR_NETCFGD_USERRULES_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The table that nft(8) fills: nothing in it has a hook, so it sees no packet. */
#define USERRULES_STAGE    "gatepair-rules"
#define USERRULES_MAX      (2u << 20) /* bytes */
#define USERRULES_MAX_SETS 512        /* each costs a question when the kernel is looked at */

struct userrules {
	uint64_t of; /* digest of the text; 0: none at hand */
	char *buf;   /* messages in the order in which the kernel takes them */
	size_t len, cap;
	uint32_t sets;
	const char *bad; /* what they cannot be used for: a clause; NULL: nothing */
	/* The set whose elements are being listed. */
	char *elements;
	size_t elements_len, elements_cap;
	bool interval;
};

/* Of a text; never 0. */
uint64_t userrules_hash(const char *text);
void userrules_free(struct userrules *u);
/* Messages are to be added kind by kind: sets, objects, chains, then userrules_elements_begin() and
 * elements and userrules_elements_end() per set, then rules. What is the policy's own is left out.
 */
void userrules_add(struct userrules *u, const struct nlmsghdr *nlh);
void userrules_elements_begin(struct userrules *u, uint32_t set_flags);
void userrules_elements_end(struct userrules *u, const char *set);
/* Which of the operator's the message numbered `seq` of a transaction is, for people ("rule 2 of
 * chain user_input"); "" when it is none of them. */
void userrules_culprit(const char *buf, size_t len, uint32_t seq, char *ret, size_t size);

#endif
