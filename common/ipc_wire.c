/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wire side of IPC. protobuf-c is a parser, not a validator, so every datagram is first walked
 * against the descriptors: what reaches protobuf-c is exactly what our own encoder could have
 * written. Recursion is as deep as the messages are declared, and no message contains itself.
 */
#include <errno.h>
#include <string.h>

#include "common/ipc_priv.h"

static char names[IPC_N_REFUSALS][24] = {
	[IPC_ACCEPTED] = "ipc_messages",
	[IPC_OVERSIZE] = "ipc_oversize",
	[IPC_UNDECODABLE] = "ipc_undecodable",
	[IPC_BAD_VERSION] = "ipc_bad_version",
	[IPC_UNKNOWN_MESSAGE] = "ipc_unknown_message",
	[IPC_WRONG_IDENTITY] = "ipc_wrong_identity",
	[IPC_WRONG_STATE] = "ipc_wrong_state",
	[IPC_CHECK_FAILED] = "ipc_check_failed",
	[IPC_TOO_MANY_CLIENTS] = "ipc_too_many_clients",
	[IPC_SLOW_READER] = "ipc_slow_reader",
};

char *ipc_refusal_name(enum ipc_refusal r)
{
	return names[r];
}

struct walk {
	const uint8_t *p, *end;
};

static bool take_varint(struct walk *w, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && w->p < w->end; shift += 7) {
		uint8_t b = *w->p++;

		if (shift == 63 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool take_bytes(struct walk *w, uint64_t n, struct walk *ret)
{
	if (n > (uint64_t)(w->end - w->p))
		return false;
	*ret = (struct walk){.p = w->p, .end = w->p + n};
	w->p += n;
	return true;
}

/* One character by RFC 3629, neither NUL nor a surrogate nor longer than need be: its length, or 0.
 */
static size_t utf8_char(const uint8_t *p, size_t left)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n;

	if (p[0] == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static bool string_ok(struct walk s)
{
	while (s.p < s.end) {
		size_t n = utf8_char(s.p, (size_t)(s.end - s.p));

		if (n == 0)
			return false;
		s.p += n;
	}
	return true;
}

static bool int32_ok(uint64_t v)
{
	return (int64_t)v >= INT32_MIN && (int64_t)v <= INT32_MAX;
}

/* Only what can be out of range for its type; the 64-bit types take every value. */
static bool varint_ok(const ProtobufCFieldDescriptor *f, uint64_t v)
{
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return v <= 1;
	if (f->type == PROTOBUF_C_TYPE_INT32)
		return int32_ok(v);
	if (f->type == PROTOBUF_C_TYPE_UINT32 || f->type == PROTOBUF_C_TYPE_SINT32)
		return v <= UINT32_MAX;
	if (f->type == PROTOBUF_C_TYPE_ENUM)
		return int32_ok(v) &&
		       protobuf_c_enum_descriptor_get_value(f->descriptor, (int)(int64_t)v) != NULL;
	return true;
}

static unsigned wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PROTOBUF_C_WIRE_TYPE_32BIT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PROTOBUF_C_WIRE_TYPE_64BIT;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		break;
	}
	return PROTOBUF_C_WIRE_TYPE_VARINT;
}

static enum ipc_refusal check_message(const ProtobufCMessageDescriptor *d, struct walk w);

static bool value_ok(const ProtobufCFieldDescriptor *f, struct walk *w)
{
	unsigned wire_type = wire_type_of(f->type);
	struct walk sub;
	uint64_t v;

	if (wire_type == PROTOBUF_C_WIRE_TYPE_32BIT)
		return take_bytes(w, 4, &sub);
	if (wire_type == PROTOBUF_C_WIRE_TYPE_64BIT)
		return take_bytes(w, 8, &sub);
	if (!take_varint(w, &v))
		return false;
	if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT)
		return varint_ok(f, v);
	if (!take_bytes(w, v, &sub))
		return false;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return string_ok(sub);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return check_message(f->descriptor, sub) == IPC_ACCEPTED;
	return true;
}

/* May field `i` come now, given the set of those seen? Singular fields once, of a oneof only one.
 */
static bool may_come(const ProtobufCMessageDescriptor *d, unsigned i, uint64_t seen)
{
	const ProtobufCFieldDescriptor *f = &d->fields[i];

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return true;
	if ((seen & UINT64_C(1) << i) != 0)
		return false;
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
		return true;
	for (unsigned o = 0; o < d->n_fields; o++) {
		if ((seen & UINT64_C(1) << o) != 0 &&
			(d->fields[o].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
			d->fields[o].quantifier_offset == f->quantifier_offset)
			return false;
	}
	return true;
}

static bool all_required(const ProtobufCMessageDescriptor *d, uint64_t seen)
{
	for (unsigned i = 0; i < d->n_fields; i++) {
		if (d->fields[i].label == PROTOBUF_C_LABEL_REQUIRED &&
			(seen & UINT64_C(1) << i) == 0)
			return false;
	}
	return true;
}

static enum ipc_refusal check_message(const ProtobufCMessageDescriptor *d, struct walk w)
{
	uint64_t seen = 0;

	if (d->n_fields > 64)
		return IPC_UNDECODABLE;
	while (w.p < w.end) {
		const ProtobufCFieldDescriptor *f;
		uint64_t tag;
		unsigned i;

		if (!take_varint(&w, &tag) || tag > UINT32_MAX)
			return IPC_UNDECODABLE;
		f = protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
		if (f == NULL)
			return IPC_UNKNOWN_MESSAGE;
		i = (unsigned)(f - d->fields);
		if ((tag & 7) != wire_type_of(f->type) || !may_come(d, i, seen))
			return IPC_UNDECODABLE;
		/* Another version's fields may differ: its number comes first and decides. */
		if (d == &gp__envelope__descriptor && i == 0 && w.p < w.end && *w.p != IPC_VERSION)
			return IPC_BAD_VERSION;
		if (!value_ok(f, &w))
			return IPC_UNDECODABLE;
		seen |= UINT64_C(1) << i;
	}
	return all_required(d, seen) ? IPC_ACCEPTED : IPC_UNDECODABLE;
}

enum ipc_refusal ipc_wire_check(const uint8_t *buf, size_t n)
{
	return check_message(&gp__envelope__descriptor, (struct walk){.p = buf, .end = buf + n});
}

enum ipc_refusal ipc_wire_decode(const uint8_t *buf, size_t n, struct arena *a, Gp__Envelope **ret)
{
	enum ipc_refusal r = ipc_wire_check(buf, n);
	Gp__Envelope *e;

	if (r != IPC_ACCEPTED)
		return r;
	e = gp__envelope__unpack(arena_pb(a), n, buf);
	if (e == NULL)
		return IPC_UNDECODABLE;
	*ret = e;
	return IPC_ACCEPTED;
}

ssize_t ipc_wire_encode(Gp__Envelope *e, uint8_t *buf)
{
	e->version = IPC_VERSION;
	if (gp__envelope__get_packed_size(e) > IPC_MAX)
		return -EMSGSIZE;
	return (ssize_t)gp__envelope__pack(e, buf);
}
