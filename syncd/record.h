/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec of one session on the HA link (PROTOCOL.md, "Record"), with every field checked before
 * it may reach the kernel. Pure: bounded cursors, no I/O. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_RECORD_H
#define GATEPAIR_SYNCD_RECORD_H

#include "common/cursor.h"
#include "syncd/dirty.h"
#include "syncd/flow.h"

#define RECORD_MAX_BYTES   104
#define RECORD_SLACK_MAX_S (24u * 3600)

struct record {
	enum dirty_op op;
	struct flow flow; /* DIRTY_DELETE: key and reply only */
	uint32_t slack_s; /* by how much the session may have been refreshed unreported */
};

/* Also counter index and log text. */
enum record_reason {
	RECORD_OK,
	RECORD_SHORT,
	RECORD_BAD_OP,
	RECORD_BAD_FLAGS,
	RECORD_BAD_PROTO, /* from here on the record was read to its end */
	RECORD_BAD_ICMP,
	RECORD_BAD_STATUS,
	RECORD_BAD_TIMEOUT,
	RECORD_BAD_TCP,
	RECORD_REASONS,
};

/* The bits of IPS_* that are carried; the others are the kernel's own business on each node. */
extern const uint16_t record_status_mask;

/* Sets `bad` in the cursor when the room does not suffice (RECORD_MAX_BYTES always do). */
void record_encode(struct wcursor *c, const struct record *rec);
/* *ret is untouched unless RECORD_OK. After SHORT, BAD_OP and BAD_FLAGS the rest of the batch
 * cannot be read; after any other reason the cursor stands at the next record. */
enum record_reason record_decode(struct rcursor *c, struct record *ret)
	__attribute__((warn_unused_result));
const char *record_reason_to_str(enum record_reason reason);

#endif
