/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations as sentences for people: what is to be done, what could not be done, and what somebody
 * else had changed. Pure.
 */
#ifndef GATEPAIR_NETCFGD_DESCRIBE_H
#define GATEPAIR_NETCFGD_DESCRIBE_H

#include "netcfgd/reconcile.h"

#define DESCRIBE_MAX 256

/* "interface ge2: address 10.0.0.2/24 is to be added", or that it cannot be. */
void describe_op(const struct op *op, bool failed, char out[DESCRIBE_MAX]);
/* What had become of it, and what was done: "interface ge2: address 10.0.0.2/24 was removed; put
 * back". `k` and `d` are those that the plan was made from, before it is carried out. */
void describe_repair(const struct op *op, const struct desired *d, const struct kernel *k,
	char out[DESCRIBE_MAX]);
/* Only the object: "interface ge2: address 10.0.0.2/24". */
void describe_object(const struct op *op, char out[DESCRIBE_MAX]);
/* The same for all operations on one object, whatever is done to it. */
uint64_t describe_key(const struct op *op);

#endif
