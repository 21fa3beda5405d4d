/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the fields of a message through its descriptor: what the JSON and the text printer share.
 */
#ifndef GATEPAIR_COMMON_PRINT_FIELD_H
#define GATEPAIR_COMMON_PRINT_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

#define PRINT_HEX_MAX 1025

/* How many values there are: 0 or 1, or the length of a list. */
size_t print_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
const void *print_member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* The i-th value; i is 0 for what is not a list. */
const void *print_element(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i);
/* Any integer type; what is beyond INT64_MAX is shown as that. */
int64_t print_integer(ProtobufCType type, const void *p);
const char *print_enum_name(const ProtobufCFieldDescriptor *f, int value);
/* Cut at PRINT_HEX_MAX. Returns hex. */
const char *print_hex(char hex[PRINT_HEX_MAX], const ProtobufCBinaryData *b);

#endif
