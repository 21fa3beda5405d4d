/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads nf_tables messages attribute by attribute, for what is to be passed on or added up whatever
 * it says (userrules.c, content.c) and for single values (nft.c). Nothing is trusted: what is too
 * short or of another form counts as not there.
 */
#ifndef GATEPAIR_NETCFGD_NFATTR_H
#define GATEPAIR_NETCFGD_NFATTR_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "netcfgd/firewall/rule.h"

#define NFATTR_MAX 32

/* Attributes of one level by their number; the last of each counts. */
struct nfattrs {
	const struct nlattr *v[NFATTR_MAX];
};

struct nfattrs nfattrs_of(const struct nlmsghdr *nlh);
struct nfattrs nfattrs_nested(const struct nlattr *nest); /* NULL: none */
const char *nfattr_str(const struct nlattr *attr);        /* "" when it is no string */
uint32_t nfattr_u32(const struct nlattr *attr);           /* network byte order; 0 */
uint64_t nfattr_u64(const struct nlattr *attr);
/* NFT_MSG_*; -1: not nf_tables. */
int nfattr_type(const struct nlmsghdr *nlh);
uint8_t nfattr_family(const struct nlmsghdr *nlh);
/* The table that the message speaks of; all kinds have its name in the same attribute. */
const char *nfattr_table(const struct nlmsghdr *nlh);
/* The comment in user data as nft(8) writes it, if it is printable; else "". */
void nfattr_comment(const struct nlattr *userdata, char *out, size_t size);
/* What an NFT_MSG_NEWRULE says about itself. */
struct rule_count nfattr_rule_count(const struct nlmsghdr *nlh);

/* libmnl's own loop does not compile with all warnings. */
#define nfattr_for_each(pos, nest)                                                                 \
	for ((pos) = mnl_attr_get_payload(nest); mnl_attr_ok((pos), nfattr_left((pos), (nest)));   \
		(pos) = mnl_attr_next(pos))
int nfattr_left(const struct nlattr *pos, const struct nlattr *nest);

#endif
