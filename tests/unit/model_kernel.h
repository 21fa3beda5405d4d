/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of the kernel's network configuration, for tests of plans: operations are applied to a
 * picture (netcfgd/kernel.h) with the side effects that Linux has. What Linux would refuse fails.
 */
#ifndef GATEPAIR_TESTS_MODEL_KERNEL_H
#define GATEPAIR_TESTS_MODEL_KERNEL_H

#include "netcfgd/describe.h"

struct model {
	struct kernel k;
	const struct desired *d; /* whose switches are in k.sysctls; NULL: none yet */
	uint32_t next_index;
	uint32_t state; /* of the pseudo-random numbers */
};

/* 0 .. n - 1 */
uint32_t model_pick(struct model *m, uint32_t n);
struct kernel_link *model_link(struct model *m, const char *name);
void model_link_del(struct model *m, uint32_t index);
void model_up(struct model *m, struct kernel_link *l, bool up);
void model_addr_del(struct model *m, struct kernel_link *l, const struct config_prefix *p);
/* The other switches that a new configuration asks for, at some value. */
void model_switches(struct model *m, const struct desired *d);
/* False: refused, and nothing has changed. */
bool model_apply(struct model *m, const struct op *op);
/* A deep copy; free it with kernel_fini(&copy->k). */
void model_copy(struct model *copy, const struct model *m);

#endif
