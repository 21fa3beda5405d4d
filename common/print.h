/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Renders any protobuf message from its descriptor, as indented text for people or as JSON for
 * programs, so that the gatepair command knows no daemon's fields. JSON names are the proto names;
 * bytes are hex; absent optional fields are left out; foreign text is escaped.
 */
#ifndef GATEPAIR_COMMON_PRINT_H
#define GATEPAIR_COMMON_PRINT_H

#include <stdio.h>
#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* A new reference; NULL on ENOMEM. */
json_t *print_to_json(const ProtobufCMessage *m);
void print_text(FILE *out, const ProtobufCMessage *m, int indent);

#endif
