/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks: open addressing, linear probing; nothing is ever removed from the table, only unmarked,
 * as it lives for one compare. Pure. Runs in syncd on the Standby.
 */
#include "syncd/marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024u

struct slot {
	uint64_t hash;  /* 0: free */
	uint64_t reply; /* hash of the reply direction; 0: unmarked */
};

struct marks {
	struct slot *slots;
	size_t n_slots, n_used, n_marked, max;
	uint8_t hash_key[FLOW_HASH_KEY_BYTES];
};

struct marks *marks_new(size_t max, const uint8_t hash_key[FLOW_HASH_KEY_BYTES])
{
	struct marks *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->slots = calloc(FIRST_SLOTS, sizeof(*m->slots));
	if (m->slots == NULL) {
		free(m);
		return NULL;
	}
	m->n_slots = FIRST_SLOTS;
	m->max = max;
	memcpy(m->hash_key, hash_key, sizeof(m->hash_key));
	return m;
}

void marks_free(struct marks *m)
{
	if (m == NULL)
		return;
	free(m->slots);
	free(m);
}

size_t marks_count(const struct marks *m)
{
	return m->n_marked;
}

static uint64_t not_zero(uint64_t h)
{
	return h != 0 ? h : 1;
}

static uint64_t hash_of(const struct marks *m, const struct flow_key *k)
{
	return not_zero(flow_hash(m->hash_key, k));
}

static uint64_t reply_hash_of(const struct marks *m, const struct flow *f)
{
	return not_zero(flow_siphash(m->hash_key, &f->reply, sizeof(f->reply)));
}

static size_t probe(const struct slot *slots, size_t n_slots, uint64_t hash)
{
	size_t i = hash & (n_slots - 1);

	while (slots[i].hash != hash && slots[i].hash != 0)
		i = (i + 1) & (n_slots - 1);
	return i;
}

static int grow(struct marks *m)
{
	size_t n_slots = m->n_slots * 2;
	struct slot *slots;

	if (m->n_used >= m->max)
		return -ENOSPC;
	slots = calloc(n_slots, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].hash != 0)
			slots[probe(slots, n_slots, m->slots[i].hash)] = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->n_slots = n_slots;
	return 0;
}

int marks_set(struct marks *m, const struct flow *f)
{
	uint64_t hash = hash_of(m, &f->key);
	struct slot *slot;

	if (m->n_used >= m->n_slots / 4 * 3) {
		int r = grow(m);

		if (r < 0)
			return r;
	}
	slot = &m->slots[probe(m->slots, m->n_slots, hash)];
	if (slot->hash == 0)
		m->n_used++;
	if (slot->reply == 0)
		m->n_marked++;
	slot->hash = hash;
	slot->reply = reply_hash_of(m, f);
	return 0;
}

void marks_unset(struct marks *m, const struct flow_key *k)
{
	struct slot *slot = &m->slots[probe(m->slots, m->n_slots, hash_of(m, k))];

	if (slot->hash != 0 && slot->reply != 0)
		m->n_marked--;
	slot->reply = 0;
}

enum mark_verdict marks_check(const struct marks *m, const struct flow *f)
{
	const struct slot *slot = &m->slots[probe(m->slots, m->n_slots, hash_of(m, &f->key))];

	if (slot->reply == 0)
		return MARK_ABSENT;
	return slot->reply == reply_hash_of(m, f) ? MARK_NAMED : MARK_DIFFERENT;
}
