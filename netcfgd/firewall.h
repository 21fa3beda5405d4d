/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy as an nftables transaction: one table, "inet gatepair", owned by netcfgd. Built in
 * memory only (nft.c sends it). The gate is the set "gate" of the table: forwarding is dropped
 * unless the packet's family is in it, so that opening and closing is one tiny transaction, and an
 * empty set is the closed, safe state.
 */
#ifndef GATEPAIR_NETCFGD_FIREWALL_H
#define GATEPAIR_NETCFGD_FIREWALL_H

#include "netcfgd/desired.h"

#define FIREWALL_TABLE "gatepair"
#define FIREWALL_HOLD  "gatepair-hold"
#define FIREWALL_GATE  "gate"

/* A batch of netlink messages, from BATCH_BEGIN to BATCH_END. */
struct fw_batch {
	const char *table;
	char *buf;
	size_t len, cap;
	uint32_t seq;	/* of the first message; counts up */
	uint32_t next;	/* of the next message */
	uint32_t last;	/* of the last one before BATCH_END: the one that is acknowledged */
	uint32_t rules; /* in it */
	bool bad;	/* out of memory, or too large */
};

void fw_batch_free(struct fw_batch *b);
/* Sets d->fw_hash and d->fw_rules. 0 or negative errno. */
int firewall_digest(struct desired *d) __attribute__((warn_unused_result));
/* Replaces the whole table, in one transaction, with the gate as given. */
int firewall_build(const struct desired *d, bool open, uint32_t seq, struct fw_batch *ret)
	__attribute__((warn_unused_result));
/* A second table that this process alone owns and that goes with it. It decides nothing: it keeps
 * the kernel tracking and translating when a stranger deletes the policy. Without a user of
 * connection tracking the kernel would stop, and send running sessions out untranslated; starting
 * again would walk through all of them, under a lock shared by all network namespaces. */
int firewall_build_hold(uint32_t seq, struct fw_batch *ret) __attribute__((warn_unused_result));
/* Only the gate. */
int firewall_build_gate(bool open, uint32_t seq, struct fw_batch *ret)
	__attribute__((warn_unused_result));

#endif
