/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arena: a list of chunks that double in size. The bound covers the chunks, so neither what is
 * handed out nor what is held can exceed it; a reset keeps the chunks for the next message.
 */
#include "common/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/sanitizer.h"

#if GATEPAIR_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)0)
#endif

#define FIRST_CHUNK ((size_t)4096)
#define ALIGN       alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t size, used;
	alignas(max_align_t) uint8_t data[];
};

struct arena {
	ProtobufCAllocator pb;
	size_t max, held;
	struct chunk *first, *current;
};

static void *pb_alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void pb_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

struct arena *arena_new(size_t max_bytes)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->max = max_bytes;
	a->pb = (ProtobufCAllocator){.alloc = pb_alloc, .free = pb_free, .allocator_data = a};
	return a;
}

void arena_free(struct arena *a)
{
	struct chunk *next;

	if (a == NULL)
		return;
	for (struct chunk *c = a->first; c != NULL; c = next) {
		next = c->next;
		ASAN_UNPOISON_MEMORY_REGION(c->data, c->size);
		free(c);
	}
	free(a);
}

static struct chunk *chunk_add(struct arena *a, size_t n)
{
	size_t left = a->max - a->held;
	size_t size = a->current != NULL ? 2 * a->current->size : FIRST_CHUNK;
	struct chunk *c;

	if (n > left)
		return NULL;
	if (size < n)
		size = n;
	if (size > left)
		size = left;
	c = malloc(sizeof(*c) + size);
	if (c == NULL)
		return NULL;
	*c = (struct chunk){.size = size};
	ASAN_POISON_MEMORY_REGION(c->data, size);
	a->held += size;
	if (a->current != NULL)
		a->current->next = c;
	else
		a->first = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t want = n == 0 ? ALIGN : n;
	void *p;

	if (want > a->max)
		return NULL;
	want = (want + ALIGN - 1) / ALIGN * ALIGN;
	while (a->current == NULL || a->current->size - a->current->used < want) {
		struct chunk *next = a->current != NULL ? a->current->next : NULL;

		if (next == NULL)
			next = chunk_add(a, want);
		if (next == NULL)
			return NULL;
		a->current = next;
	}
	p = a->current->data + a->current->used;
	a->current->used += want;
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return memset(p, 0, n);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return arena_alloc(a, bytes);
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = arena_alloc(a, n);

	return p != NULL ? memcpy(p, s, n) : NULL;
}

void arena_reset(struct arena *a)
{
	for (struct chunk *c = a->first; c != NULL; c = c->next) {
		c->used = 0;
		ASAN_POISON_MEMORY_REGION(c->data, c->size);
	}
	a->current = a->first;
}

ProtobufCAllocator *arena_pb(struct arena *a)
{
	return &a->pb;
}
