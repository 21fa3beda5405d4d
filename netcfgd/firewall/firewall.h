/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy as an nftables transaction: the tables "inet gatepair" and "arp gatepair", owned by
 * netcfgd. Built in memory only (nft.c sends it). The gate is the set "gate" of each: what makes
 * the node a gateway is dropped unless the packet's family is in it, so that opening and closing is
 * one tiny transaction, and an empty set is the closed, safe state.
 */
#ifndef GATEPAIR_NETCFGD_FIREWALL_H
#define GATEPAIR_NETCFGD_FIREWALL_H

#include "netcfgd/firewall/batch.h"
#include "netcfgd/desired.h"
#include "netcfgd/firewall/userrules.h"

#define FIREWALL_GATE      "gate"
#define FIREWALL_GATE_KEYS 3 /* what is in it when it is open, in both tables together */
/* A chain without rules whose comment says what the kernel's listing of the tables adds up to. */
#define FIREWALL_CONTENT          "content"
#define FIREWALL_USER_INPUT       "user_input"
#define FIREWALL_USER_FORWARD     "user_forward"
#define FIREWALL_USER_PREROUTING  "user_prerouting"
#define FIREWALL_USER_POSTROUTING "user_postrouting"
/* In a policy's hash: the operator's rules, if there are any, are in it. */
#define FIREWALL_COMPLETE 1u

/* What goes into the table beside the policy itself; all optional. */
struct firewall_parts {
	const struct userrules *user;    /* of d->user_rules */
	const struct rule_count *counts; /* what the rules counted until now */
	size_t n_counts;
	uint64_t content; /* for FIREWALL_CONTENT, if known; 0: not */
};

/* Sets d->user_hash, d->fw_hash and d->fw_bare. 0 or negative errno. */
int firewall_digest(struct desired *d) __attribute__((warn_unused_result));
/* Replaces the whole table, in one transaction, with the gate as given. */
int firewall_build(const struct desired *d, bool open, const struct firewall_parts *parts,
	uint32_t seq, struct fw_batch *ret) __attribute__((warn_unused_result));
/* Adds the digest to a table that was written without. */
int firewall_build_content(uint64_t digest_of, uint32_t seq, struct fw_batch *ret)
	__attribute__((warn_unused_result));
/* A second table that this process alone owns and that goes with it. It decides nothing: it keeps
 * the kernel tracking and translating when a stranger deletes the policy. Without a user of
 * connection tracking the kernel would stop, and send running sessions out untranslated; starting
 * again would walk through all of them, under a lock shared by all network namespaces. */
int firewall_build_hold(uint32_t seq, struct fw_batch *ret) __attribute__((warn_unused_result));
/* Deletes the table that the operator's rules were taken from. */
int firewall_build_unstage(uint32_t seq, struct fw_batch *ret) __attribute__((warn_unused_result));
/* Only the gate. */
int firewall_build_gate(bool open, uint32_t seq, struct fw_batch *ret)
	__attribute__((warn_unused_result));

#endif
