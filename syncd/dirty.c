/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dirty set: a hash of sessions (uthash, keyed hash), of which each is either waiting in
 * first-in-first-out order or in flight in order of its batch. Pure. Runs in syncd on the Active.
 */
#include "syncd/dirty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* An allocation that fails is an answer here, not an exit. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define CHUNK_ENTRIES 512

struct entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(entry) link; /* waiting, in_flight or free */
	struct flow flow;
	uint64_t stamp; /* when it began to wait, in puts */
	uint64_t seq;   /* 0: waiting */
	usec_t since;
	enum dirty_op op;
};

TAILQ_HEAD(entries, entry);

struct chunk {
	struct chunk *next;
	struct entry v[CHUNK_ENTRIES];
};

struct dirty {
	struct entry *by_key;
	struct entries waiting, in_flight, unused;
	struct chunk *chunks;
	size_t max, n_waiting, n_in_flight;
	uint64_t puts;
	uint64_t last_seq; /* newest batch anything was popped into */
	uint8_t hash_key[FLOW_HASH_KEY_BYTES];
};

struct dirty *dirty_new(size_t max, const uint8_t hash_key[FLOW_HASH_KEY_BYTES])
{
	struct dirty *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->max = max;
	memcpy(d->hash_key, hash_key, sizeof(d->hash_key));
	TAILQ_INIT(&d->waiting);
	TAILQ_INIT(&d->in_flight);
	TAILQ_INIT(&d->unused);
	return d;
}

static void free_chunks(struct dirty *d)
{
	HASH_CLEAR(hh, d->by_key);
	TAILQ_INIT(&d->waiting);
	TAILQ_INIT(&d->in_flight);
	TAILQ_INIT(&d->unused);
	while (d->chunks != NULL) {
		struct chunk *next = d->chunks->next;

		free(d->chunks);
		d->chunks = next;
	}
	d->n_waiting = d->n_in_flight = 0;
}

void dirty_free(struct dirty *d)
{
	if (d == NULL)
		return;
	free_chunks(d);
	free(d);
}

void dirty_clear(struct dirty *d)
{
	free_chunks(d);
}

static struct entry *entry_new(struct dirty *d)
{
	struct entry *e = TAILQ_FIRST(&d->unused);

	if (e == NULL) {
		struct chunk *c = malloc(sizeof(*c));

		if (c == NULL)
			return NULL;
		c->next = d->chunks;
		d->chunks = c;
		for (size_t i = 0; i < CHUNK_ENTRIES; i++)
			TAILQ_INSERT_TAIL(&d->unused, &c->v[i], link);
		e = TAILQ_FIRST(&d->unused);
	}
	TAILQ_REMOVE(&d->unused, e, link);
	memset(e, 0, sizeof(*e));
	return e;
}

static unsigned hash_of(const struct dirty *d, const struct flow_key *k)
{
	return (unsigned)flow_hash(d->hash_key, k);
}

/* What one record must say that stands for both. A creation on top of anything but a waiting
 * deletion means that a destruction in between was not seen: the peer's session must go first. */
static enum dirty_op merge(enum dirty_op before, bool in_flight, enum dirty_op now)
{
	if (now == DIRTY_CREATE)
		return in_flight && before == DIRTY_DELETE ? DIRTY_CREATE : DIRTY_REPLACE;
	if (now == DIRTY_UPDATE && !in_flight)
		return before == DIRTY_DELETE ? DIRTY_REPLACE : before;
	return now;
}

static void release(struct dirty *d, struct entry *e)
{
	if (e->seq == 0) {
		TAILQ_REMOVE(&d->waiting, e, link);
		d->n_waiting--;
	} else {
		TAILQ_REMOVE(&d->in_flight, e, link);
		d->n_in_flight--;
	}
	HASH_DELETE(hh, d->by_key, e);
	TAILQ_INSERT_HEAD(&d->unused, e, link);
}

static void wait_again(struct dirty *d, struct entry *e, usec_t now)
{
	if (e->seq == 0)
		return;
	TAILQ_REMOVE(&d->in_flight, e, link);
	d->n_in_flight--;
	TAILQ_INSERT_TAIL(&d->waiting, e, link);
	d->n_waiting++;
	e->seq = 0;
	e->stamp = d->puts;
	e->since = now;
}

static int put_new(
	struct dirty *d, enum dirty_op op, const struct flow *f, unsigned hash, usec_t now)
{
	struct entry *e;

	if (dirty_count(d) >= d->max)
		return -ENOSPC;
	e = entry_new(d);
	if (e == NULL)
		return -ENOMEM;
	e->flow = *f;
	e->op = op;
	e->stamp = d->puts;
	e->since = now;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, d->by_key, &e->flow.key, sizeof(e->flow.key), hash, e);
	if (e->hh.tbl == NULL) {
		TAILQ_INSERT_HEAD(&d->unused, e, link);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&d->waiting, e, link);
	d->n_waiting++;
	return 0;
}

int dirty_put(struct dirty *d, enum dirty_op op, const struct flow *f, usec_t now)
{
	unsigned hash = hash_of(d, &f->key);
	struct entry *e;

	d->puts++;
	HASH_FIND_BYHASHVALUE(hh, d->by_key, &f->key, sizeof(f->key), hash, e);
	if (e == NULL)
		return put_new(d, op, f, hash, now);
	if (op == DIRTY_DELETE && e->op == DIRTY_CREATE && e->seq == 0) {
		release(d, e); /* it came and went, and the peer never heard of it */
		return 0;
	}
	e->op = merge(e->op, e->seq != 0, op);
	e->flow = *f;
	wait_again(d, e, now);
	return 0;
}

bool dirty_pop(struct dirty *d, uint64_t seq, enum dirty_op *ret_op, struct flow *ret_flow)
{
	struct entry *e = TAILQ_FIRST(&d->waiting);

	if (e == NULL)
		return false;
	TAILQ_REMOVE(&d->waiting, e, link);
	d->n_waiting--;
	TAILQ_INSERT_TAIL(&d->in_flight, e, link);
	d->n_in_flight++;
	e->seq = seq;
	d->last_seq = seq;
	*ret_op = e->op;
	*ret_flow = e->flow;
	return true;
}

size_t dirty_ack(struct dirty *d, uint64_t seq)
{
	struct entry *e;
	size_t n = 0;

	while ((e = TAILQ_FIRST(&d->in_flight)) != NULL && e->seq <= seq) {
		release(d, e);
		n++;
	}
	return n;
}

size_t dirty_waiting(const struct dirty *d)
{
	return d->n_waiting;
}

size_t dirty_count(const struct dirty *d)
{
	return d->n_waiting + d->n_in_flight;
}

usec_t dirty_lag(const struct dirty *d, usec_t now)
{
	const struct entry *w = TAILQ_FIRST(&d->waiting), *f = TAILQ_FIRST(&d->in_flight);
	usec_t since = now;

	if (w != NULL && w->since < since)
		since = w->since;
	if (f != NULL && f->since < since)
		since = f->since;
	return now - since;
}

uint64_t dirty_mark(const struct dirty *d)
{
	return d->puts;
}

bool dirty_mark_sent(const struct dirty *d, uint64_t mark, uint64_t *ret_seq)
{
	const struct entry *w = TAILQ_FIRST(&d->waiting);

	if (w != NULL && w->stamp <= mark)
		return false;
	if (ret_seq != NULL)
		*ret_seq = d->last_seq;
	return true;
}
