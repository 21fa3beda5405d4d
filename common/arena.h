/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bump allocators, freed whole. Two lifetimes use them: a configuration, and the decoding of one
 * message (protobuf-c's allocator, so that a hostile message cannot take more than the bound).
 */
#ifndef GATEPAIR_COMMON_ARENA_H
#define GATEPAIR_COMMON_ARENA_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

struct arena;

/* NULL on ENOMEM. At most max_bytes will ever be handed out. */
struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a); /* NULL is fine */
/* Zeroed, aligned for any type; NULL when the bound is reached. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_array(struct arena *a, size_t n, size_t size); /* checks the product */
char *arena_strdup(struct arena *a, const char *s);
/* Forgets everything handed out, keeps the memory. */
void arena_reset(struct arena *a);
/* Lives as long as the arena; its free() does nothing. */
ProtobufCAllocator *arena_pb(struct arena *a);

#endif
