/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries out a plan: each operation becomes a kernel write whose acknowledgement is checked.
 * rtnetlink operations that follow each other go to the kernel in one system call. A failure
 * does not keep the others from being tried, except that nothing follows when the gate could not
 * be opened.
 */
#ifndef GATEPAIR_NETCFGD_APPLY_H
#define GATEPAIR_NETCFGD_APPLY_H

#include "netcfgd/nft.h"
#include "netcfgd/reconcile.h"
#include "netcfgd/sysctl.h"

#define APPLY_TEXT_MAX 256

struct apply {
	struct nl *rt;
	struct nft *nft;
	struct sysctl *sysctl;
	const struct desired *d;
	struct kernel *k;
	/* A sentence: object, cause, next action. */
	void (*on_error)(const struct op *op, int err, const char *text, void *arg);
	void *arg;
};

struct apply_report {
	unsigned done, failed;
	int err; /* of the first that failed */
	bool stopped;
};

/* "interface ge2: address 10.0.0.2/24 added", or that it cannot be. */
void apply_describe(const struct op *op, bool failed, char *out, size_t size);
struct apply_report apply_plan(struct apply *a, const struct plan *plan);

#endif
