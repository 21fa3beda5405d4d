/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From operations to rtnetlink messages (RFC 3549), in memory only; apply.c sends them.
 */
#ifndef GATEPAIR_NETCFGD_RTNL_WRITE_H
#define GATEPAIR_NETCFGD_RTNL_WRITE_H

#include <libmnl/libmnl.h>

#include "netcfgd/reconcile.h"

#define RTNL_MESSAGE_MAX 512 /* bytes; what `buf` must have */

/* `now`: a lifetime is told as what is left of it. Not for SYSCTL, FIREWALL and GATE. */
struct nlmsghdr *rtnl_write(char *buf, const struct op *op, usec_t now);
/* Does it take a second message, rtnl_write_mark()? A new link that is to be known as ours: the
 * kernel takes an alias only for what exists. Sent together, nothing can come between them. */
bool rtnl_needs_mark(const struct op *op);
struct nlmsghdr *rtnl_write_mark(char *buf, const struct op *op);
/* Asks for whatever has the name of `op`, be it an alternative one. */
struct nlmsghdr *rtnl_write_question(char *buf, const struct op *op);
/* The link of `op` up or down, whatever its kind. */
struct nlmsghdr *rtnl_write_up(char *buf, const struct op *op, bool up);

#endif
