/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages as JSON, from their descriptors. Runs in the gatepair command.
 */
#include "common/print.h"

#include <string.h>

#include "common/log.h"
#include "common/print_field.h"

const void *print_member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (const char *)m + f->offset;
}

size_t print_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *quantifier = (const char *)m + f->quantifier_offset;
	bool pointer = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier;
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
		return *(const uint32_t *)quantifier == f->id;
	if (pointer)
		return *(const void *const *)print_member(m, f) != NULL;
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL)
		return *(const protobuf_c_boolean *)quantifier != 0;
	return 1;
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return sizeof(void *);
}

const void *print_element(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i)
{
	const void *member = print_member(m, f);

	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return member;
	return *(const char *const *)member + i * size_of(f->type);
}

const char *print_enum_name(const ProtobufCFieldDescriptor *f, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, value);

	return v != NULL ? v->name : "?";
}

int64_t print_integer(ProtobufCType type, const void *p)
{
	uint64_t u;

	if (type == PROTOBUF_C_TYPE_UINT32 || type == PROTOBUF_C_TYPE_FIXED32)
		return *(const uint32_t *)p;
	if (type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64) {
		u = *(const uint64_t *)p;
		return u <= INT64_MAX ? (int64_t)u : INT64_MAX;
	}
	if (size_of(type) == 8)
		return *(const int64_t *)p;
	return *(const int32_t *)p;
}

static json_t *string_json(const char *s)
{
	json_t *j = json_string(s);
	char escaped[1024];

	/* NULL for what is not UTF-8. */
	return j != NULL ? j : json_string(log_escape(escaped, sizeof(escaped), s, strlen(s)));
}

static json_t *bytes_json(const ProtobufCBinaryData *b)
{
	char hex[PRINT_HEX_MAX];

	return json_string(print_hex(hex, b));
}

const char *print_hex(char hex[PRINT_HEX_MAX], const ProtobufCBinaryData *b)
{
	static const char digits[] = "0123456789abcdef";
	size_t o = 0;

	for (size_t i = 0; i < b->len && o + 2 < PRINT_HEX_MAX; i++) {
		hex[o++] = digits[b->data[i] >> 4];
		hex[o++] = digits[b->data[i] & 15];
	}
	hex[o] = '\0';
	return hex;
}

static json_t *value_json(const ProtobufCFieldDescriptor *f, const void *p)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return string_json(*(const char *const *)p);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_json(p);
	case PROTOBUF_C_TYPE_MESSAGE:
		return print_to_json(*(const ProtobufCMessage *const *)p);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)p);
	case PROTOBUF_C_TYPE_ENUM:
		return json_string(print_enum_name(f, *(const int *)p));
	case PROTOBUF_C_TYPE_FLOAT:
		return json_real((double)*(const float *)p);
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_real(*(const double *)p);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		break;
	}
	return json_integer(print_integer(f->type, p));
}

static json_t *list_json(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(list, value_json(f, print_element(m, f, i))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *print_to_json(const ProtobufCMessage *m)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		size_t n = print_count(m, f);
		json_t *value;

		/* An empty list is shown: names are stable for programs. */
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			value = list_json(m, f, n);
		else if (n > 0)
			value = value_json(f, print_member(m, f));
		else
			continue;
		if (json_object_set_new(object, f->name, value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}
