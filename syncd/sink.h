/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Standby's side of replication: batches of records into the kernel, marks, the sweep. Does
 * what the replica core orders. Owns the ctnetlink socket for changes, the marks and the sweep's
 * dump. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_SINK_H
#define GATEPAIR_SYNCD_SINK_H

#include <stdbool.h>
#include <uv.h>

#include "syncd/ctnl.h"
#include "syncd/flow.h"
#include "syncd/frame.h"
#include "syncd/record.h"

struct sink;

struct sink_ops {
	/* The sweep of `id` is done; `again`: something came out wrong, the peer must send anew. */
	void (*swept)(uint64_t id, bool again, void *owner);
	void (*trouble)(const char *text, void *owner); /* rate-limited */
};

struct sink_stats {
	uint64_t received, applied, failed, swept, repaired;
	uint64_t no_room; /* batches of which the kernel had no room for a part */
	uint64_t refused_malformed[RECORD_REASONS];
	uint64_t refused_class[8]; /* by enum flow_class */
};

int sink_new(uv_loop_t *loop, const struct flow_filter *filter,
	const uint8_t hash_key[FLOW_HASH_KEY_BYTES], const struct sink_ops *ops, void *owner,
	struct sink **ret) __attribute__((warn_unused_result));
void sink_close(struct sink *s); /* no callback any more; frees itself */

/* 0: in the kernel as far as it took it; -EBADMSG: the batch cannot be read. */
int sink_apply(struct sink *s, const struct frame *batch, enum ctnl_mode mode)
	__attribute__((warn_unused_result));
void sink_mark(struct sink *s, uint64_t id);
void sink_mark_drop(struct sink *s);
void sink_sweep(struct sink *s, uint64_t id);
/* Learned from what the Active said. */
const struct flow_lifetimes *sink_lifetimes(const struct sink *s);
/* Entries in the kernel. */
uint32_t sink_count(struct sink *s);
const struct sink_stats *sink_get_stats(const struct sink *s);

#endif
