/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries out a plan: each operation becomes a kernel write whose acknowledgement is checked.
 * rtnetlink operations that follow each other go to the kernel in one system call. A failure
 * does not keep the others from being tried, except that nothing follows when the gate could not
 * be opened.
 */
#ifndef GATEPAIR_NETCFGD_APPLY_H
#define GATEPAIR_NETCFGD_APPLY_H

#include "netcfgd/describe.h"
#include "netcfgd/firewall/nft.h"
#include "netcfgd/reconcile.h"
#include "netcfgd/sysctl.h"

#define APPLY_TEXT_MAX 256

struct apply {
	struct nl *rt;
	struct nft *nft;
	const struct desired *d;
	struct kernel *k;
	usec_t now; /* for lifetimes */
	/* A sentence: object, cause, next action. */
	void (*on_error)(const struct op *op, int err, const char *text, void *arg);
	void *arg;
};

struct apply_report {
	unsigned done, failed;
	int err; /* of the first that failed */
	bool stopped;
};

/* Marks the operations that failed. */
struct apply_report apply_plan(struct apply *a, struct plan *plan);

#endif
