/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec of frames on the HA link, PROTOCOL.md "Frames". Pure. Runs in syncd.
 */
#include "syncd/frame.h"

#include <string.h>

#define FLAG_HANDOVER 0x01

static void put_header(struct wcursor *c, enum frame_type type, size_t payload)
{
	wcursor_u8(c, (uint8_t)type);
	wcursor_u8(c, 0);
	wcursor_u16(c, (uint16_t)payload);
}

static void put_state(struct wcursor *c, const struct frame *f)
{
	wcursor_u8(c, (uint8_t)f->role);
	wcursor_u8(c, f->handover ? FLAG_HANDOVER : 0);
	wcursor_u64(c, f->term);
}

void frame_encode(struct wcursor *c, const struct frame *f)
{
	size_t name_len = strnlen(f->node, CONFIG_NAME_MAX);

	switch (f->type) {
	case FRAME_HELLO:
		put_header(c, f->type, 13 + name_len);
		wcursor_u8(c, f->version_min);
		wcursor_u8(c, f->version_max);
		put_state(c, f);
		wcursor_u8(c, (uint8_t)name_len);
		wcursor_bytes(c, f->node, name_len);
		return;
	case FRAME_STATE:
		put_header(c, f->type, 10);
		put_state(c, f);
		return;
	case FRAME_SYNC_BEGIN:
		put_header(c, f->type, 17);
		wcursor_u64(c, f->term);
		wcursor_u64(c, f->id);
		wcursor_u8(c, (uint8_t)f->sync);
		return;
	case FRAME_SYNC_END:
		put_header(c, f->type, 16);
		wcursor_u64(c, f->term);
		wcursor_u64(c, f->id);
		return;
	case FRAME_TERM_END:
		put_header(c, f->type, 8);
		wcursor_u64(c, f->term);
		return;
	case FRAME_ACK:
		put_header(c, f->type, 8);
		wcursor_u64(c, f->seq);
		return;
	case FRAME_SYNC_DONE:
		put_header(c, f->type, 8);
		wcursor_u64(c, f->id);
		return;
	case FRAME_SYNC_REQUEST:
		put_header(c, f->type, 0);
		return;
	case FRAME_PING:
		put_header(c, f->type, 8);
		wcursor_u64(c, f->sessions);
		return;
	case FRAME_BATCH:
		break;
	}
	c->bad = true;
}

void frame_batch_begin(struct wcursor *c, uint64_t term, uint64_t seq)
{
	put_header(c, FRAME_BATCH, 0);
	wcursor_u64(c, term);
	wcursor_u64(c, seq);
	wcursor_u16(c, 0);
}

void frame_batch_end(struct wcursor *c, uint16_t count)
{
	size_t payload = wcursor_len(c) - FRAME_HEADER;

	if (c->bad)
		return;
	c->start[2] = (uint8_t)(payload >> 8);
	c->start[3] = (uint8_t)payload;
	c->start[FRAME_HEADER + 16] = (uint8_t)(count >> 8);
	c->start[FRAME_HEADER + 17] = (uint8_t)count;
}

static bool get_state(struct rcursor *c, struct frame *f)
{
	uint8_t role = rcursor_u8(c), flags = rcursor_u8(c);

	f->term = rcursor_u64(c);
	if (role > REPLICA_ACTIVE || (flags & ~FLAG_HANDOVER) != 0)
		return false;
	f->role = (enum replica_role)role;
	f->handover = flags & FLAG_HANDOVER;
	return true;
}

static bool get_hello(struct rcursor *c, struct frame *f)
{
	uint8_t name_len;

	f->version_min = rcursor_u8(c);
	f->version_max = rcursor_u8(c);
	if (!get_state(c, f))
		return false;
	name_len = rcursor_u8(c);
	if (name_len > CONFIG_NAME_MAX || f->version_min > f->version_max)
		return false;
	rcursor_bytes(c, f->node, name_len);
	f->node[name_len] = '\0';
	return memchr(f->node, '\0', (size_t)name_len + 1) == f->node + name_len;
}

static bool get_sync_begin(struct rcursor *c, struct frame *f)
{
	uint8_t sync;

	f->term = rcursor_u64(c);
	f->id = rcursor_u64(c);
	sync = rcursor_u8(c);
	if (sync != REPLICA_SYNC_FULL && sync != REPLICA_SYNC_COMPARE)
		return false;
	f->sync = (enum replica_sync)sync;
	return true;
}

static void get_batch(struct rcursor *c, struct frame *f)
{
	f->term = rcursor_u64(c);
	f->seq = rcursor_u64(c);
	f->count = rcursor_u16(c);
	f->records = c->p;
	f->records_len = rcursor_left(c);
	(void)rcursor_sub(c, f->records_len);
}

static bool get_payload(struct rcursor *c, struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		return get_hello(c, f);
	case FRAME_STATE:
		return get_state(c, f);
	case FRAME_SYNC_BEGIN:
		return get_sync_begin(c, f);
	case FRAME_BATCH:
		get_batch(c, f);
		return true;
	case FRAME_SYNC_END:
		f->term = rcursor_u64(c);
		f->id = rcursor_u64(c);
		return true;
	case FRAME_TERM_END:
		f->term = rcursor_u64(c);
		return true;
	case FRAME_ACK:
		f->seq = rcursor_u64(c);
		return true;
	case FRAME_SYNC_DONE:
		f->id = rcursor_u64(c);
		return true;
	case FRAME_SYNC_REQUEST:
		return true;
	case FRAME_PING:
		f->sessions = rcursor_u64(c);
		return true;
	}
	return false;
}

enum frame_reason frame_decode(const uint8_t *bytes, size_t n, struct frame *ret, size_t *ret_used)
{
	struct rcursor c = rcursor_make(bytes, n);
	struct frame f = {0};
	uint8_t type, reserved;
	uint16_t len;

	if (n < FRAME_HEADER)
		return FRAME_INCOMPLETE;
	type = rcursor_u8(&c);
	reserved = rcursor_u8(&c);
	len = rcursor_u16(&c);
	if (reserved != 0 || (size_t)len + FRAME_HEADER > FRAME_MAX_BYTES)
		return FRAME_BAD_HEADER;
	if (type == 0 || type > FRAME_TYPE_MAX)
		return FRAME_BAD_TYPE;
	if (rcursor_left(&c) < len)
		return FRAME_INCOMPLETE;
	f.type = (enum frame_type)type;
	c = rcursor_make(bytes + FRAME_HEADER, len);
	if (!get_payload(&c, &f))
		return c.bad ? FRAME_BAD_LENGTH : FRAME_BAD_VALUE;
	if (!rcursor_done(&c))
		return FRAME_BAD_LENGTH;
	*ret = f;
	*ret_used = (size_t)len + FRAME_HEADER;
	return FRAME_OK;
}

const char *frame_reason_to_str(enum frame_reason reason)
{
	static const char *const names[FRAME_REASONS] = {"ok", "frame_incomplete",
		"frame_bad_header", "frame_bad_type", "frame_bad_length", "frame_bad_value"};

	return reason < FRAME_REASONS ? names[reason] : "";
}
