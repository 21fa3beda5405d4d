/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nfnetlink: sends the firewall's transactions, finds out what is there, and hears when anybody
 * else changes our table.
 */
#ifndef GATEPAIR_NETCFGD_NFT_H
#define GATEPAIR_NETCFGD_NFT_H

#include "netcfgd/desired.h"
#include "netcfgd/nl.h"

struct nft {
	struct nl request, events;
	struct kernel_firewall *fw; /* kept current */
	bool foreign;               /* while draining: a change by someone else was seen */
};

int nft_init(struct nft *n, struct kernel_firewall *fw) __attribute__((warn_unused_result));
void nft_fini(struct nft *n);
/* Makes the kernel load connection tracking, whose switches exist only then. */
void nft_load_conntrack(struct nft *n);
/* Table, rules, gate. No table is no error. */
int nft_observe(struct nft *n) __attribute__((warn_unused_result));
/* True when somebody else changed our table, or may have. */
bool nft_drain(struct nft *n);

/* Writes; *fw says afterwards what the kernel has. `text` takes the kernel's words on failure. */
int nft_write(struct nft *n, const struct desired *d, bool open, char *text, size_t text_size)
	__attribute__((warn_unused_result));
/* Once: see firewall_build_hold(). */
int nft_hold(struct nft *n, char *text, size_t text_size) __attribute__((warn_unused_result));
int nft_gate(struct nft *n, bool open, char *text, size_t text_size)
	__attribute__((warn_unused_result));

#endif
