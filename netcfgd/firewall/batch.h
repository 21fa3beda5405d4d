/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An nftables transaction under construction: a batch of netlink messages, from BATCH_BEGIN to
 * BATCH_END. Every function may fail for want of memory; that is noted in `bad`, and batch_end()
 * tells.
 */
#ifndef GATEPAIR_NETCFGD_BATCH_H
#define GATEPAIR_NETCFGD_BATCH_H

#include <libnftnl/set.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netcfgd/firewall/rule.h"

#define FIREWALL_TABLE     "gatepair"
#define FIREWALL_HOLD      "gatepair-hold"
#define BATCH_TYPE_IFNAME  41 /* nft(8)'s numbers of data types, for its listings only */
#define BATCH_TYPE_IPV4    7
#define BATCH_TYPE_NFPROTO 2

struct fw_batch {
	uint8_t family; /* of the messages to come */
	const char *table;
	char *buf;
	size_t len, cap;
	uint32_t seq;   /* of the first message; counts up */
	uint32_t next;  /* of the next message */
	uint32_t last;  /* of the last one before BATCH_END: the one that is acknowledged */
	uint32_t rules; /* in it */
	/* What the rules begin to count from, of those that were there before; may be NULL. */
	const struct rule_count *counts;
	size_t n_counts;
	bool bad; /* out of memory, or too large */
};

void fw_batch_free(struct fw_batch *b);
/* For FIREWALL_TABLE of family inet, until the caller says otherwise. */
void batch_begin(struct fw_batch *b, uint32_t seq);
/* On failure the batch is freed. */
int batch_end(struct fw_batch *b) __attribute__((warn_unused_result));

void batch_table(struct fw_batch *b, uint16_t type, uint16_t flags, uint64_t hash);
void batch_chain(struct fw_batch *b, const char *name, const char *type, uint32_t hook,
	int32_t priority, uint32_t policy);
/* Without a hook; `text`: its comment, NULL: none. */
void batch_chain_plain(struct fw_batch *b, const char *name, const char *text);
void batch_set(struct fw_batch *b, const char *name, uint32_t type, uint32_t len);
/* n keys of `len` bytes, one after another. */
void batch_elements(struct fw_batch *b, uint16_t type, uint16_t flags, const char *name,
	const void *keys, size_t n, uint32_t len);
/* Whatever is in it. */
void batch_set_flush(struct fw_batch *b, const char *name);
/* Messages without sequence numbers, as userrules.c collects them. */
void batch_messages(struct fw_batch *b, const char *buf, size_t len);
/* A rule of FIREWALL_TABLE with a text of its own (printf), counting on. */
void batch_rule_begin(struct fw_batch *b, struct rule *r, const char *chain, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds the rule, and frees it. */
void batch_rule(struct fw_batch *b, struct rule *r);
void batch_rule_verdict(struct fw_batch *b, struct rule *r, uint32_t verdict);

#endif
