/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nfnetlink: sends the firewall's transactions, finds out what is there, and hears when anybody
 * else changes our table.
 */
#ifndef GATEPAIR_NETCFGD_NFT_H
#define GATEPAIR_NETCFGD_NFT_H

#include "common/clock.h"
#include "netcfgd/desired.h"
#include "netcfgd/firewall/firewall.h"
#include "netcfgd/nl.h"

#define NFT_COUNTS_MAX 128 /* rules in a report */

struct nft {
	struct nl request, events;
	struct kernel_firewall *fw; /* kept current */
	bool foreign;               /* while draining: a change by someone else was seen */
	struct userrules user;      /* the operator's, ready to be written */
	uint64_t written;           /* the digest of the text of those in our table; 0: none */
	/* What the listing of a policy with this hash adds up to; 0: not known. */
	uint64_t content_of, content;
	bool refused;       /* the last transaction, by the kernel's own word */
	char culprit[96];   /* which of the operator's rules or sets it was; "": none */
	char user_why[160]; /* a clause: why the operator's rules are not to be had; "": nothing */
	bool content_fresh; /* found since others' changes were last looked for */
	usec_t counted;     /* when the rules' counters were last asked for; 0: never */
	size_t n_counts;
};

int nft_init(struct nft *n, struct kernel_firewall *fw) __attribute__((warn_unused_result));
void nft_fini(struct nft *n);
/* Makes the kernel load connection tracking, whose switches exist only then. */
void nft_load_conntrack(struct nft *n);
/* Table, rules, gate; the operator's rules when the policy is the one desired. No table is no
 * error. */
int nft_observe(struct nft *n, const struct desired *d) __attribute__((warn_unused_result));
/* True when somebody else changed our table, or may have: then it is to be written again. */
bool nft_drain(struct nft *n);

/* Writes; *fw says afterwards what the kernel has. `text` takes the kernel's words on failure. */
int nft_write(struct nft *n, const struct desired *d, bool open, char *text, size_t text_size)
	__attribute__((warn_unused_result));
/* Once: see firewall_build_hold(). */
int nft_hold(struct nft *n, char *text, size_t text_size) __attribute__((warn_unused_result));
int nft_gate(struct nft *n, bool open, char *text, size_t text_size)
	__attribute__((warn_unused_result));

/* Takes the operator's rules over from the table that nft(8) has filled, and deletes that. `of`:
 * the digest of their text. On failure user_why says why. */
int nft_take_staged(struct nft *n, uint64_t of) __attribute__((warn_unused_result));
int nft_unstage(struct nft *n) __attribute__((warn_unused_result));

/* What the rules counted: the policy's first, then the operator's. How many. */
size_t nft_counts(struct nft *n, struct rule_count ret[NFT_COUNTS_MAX], usec_t now);

#endif
