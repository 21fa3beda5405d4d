/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec of frames on the HA link, PROTOCOL.md "Frames". Pure: bounded cursors, no I/O. Runs in
 * syncd.
 */
#ifndef GATEPAIR_SYNCD_FRAME_H
#define GATEPAIR_SYNCD_FRAME_H

#include "common/config.h"
#include "common/cursor.h"
#include "syncd/replica.h"

#define FRAME_VERSION     1 /* what this program speaks, and the oldest it still does */
#define FRAME_VERSION_MIN 1
#define FRAME_HEADER      4
#define FRAME_MAX_BYTES   16384 /* header included; one TLS record */
#define FRAME_BATCH_HEAD  18    /* payload bytes of a batch before its records */

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_STATE,
	FRAME_SYNC_BEGIN,
	FRAME_BATCH,
	FRAME_SYNC_END,
	FRAME_TERM_END,
	FRAME_ACK,
	FRAME_SYNC_DONE,
	FRAME_SYNC_REQUEST,
	FRAME_PING,
	FRAME_TYPE_MAX = FRAME_PING,
};

struct frame {
	enum frame_type type;
	/* HELLO */
	uint8_t version_min, version_max;
	char node[CONFIG_NAME_MAX + 1];
	/* HELLO, STATE */
	enum replica_role role;
	bool handover;
	/* SYNC_BEGIN */
	enum replica_sync sync;
	uint64_t term, id, seq;
	uint64_t sessions; /* PING: replicated ones in the sender's kernel */
	/* BATCH: `count` records, within the frame that was decoded */
	uint16_t count;
	const uint8_t *records;
	size_t records_len;
};

enum frame_reason {
	FRAME_OK,
	FRAME_INCOMPLETE, /* more bytes are needed; not an error */
	FRAME_BAD_HEADER,
	FRAME_BAD_TYPE,
	FRAME_BAD_LENGTH,
	FRAME_BAD_VALUE,
	FRAME_REASONS,
};

/* All but BATCH. Sets `bad` when the room does not suffice. */
void frame_encode(struct wcursor *c, const struct frame *f);
/* A batch is written in place: begin, record_encode() per record, end. At most FRAME_MAX_BYTES. */
void frame_batch_begin(struct wcursor *c, uint64_t term, uint64_t seq);
void frame_batch_end(struct wcursor *c, uint16_t count);

/* The first frame of `n` bytes; *ret_used are its bytes when FRAME_OK. */
enum frame_reason frame_decode(const uint8_t *bytes, size_t n, struct frame *ret, size_t *ret_used)
	__attribute__((warn_unused_result));
const char *frame_reason_to_str(enum frame_reason reason);

#endif
