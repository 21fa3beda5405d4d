/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shadow table: open addressing, linear probing, deletion by shifting back. Pure. Runs in
 * syncd.
 */
#include "syncd/shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024u
#define LINK_LAG_S  2 /* and the rounding to seconds on both nodes */

struct slot {
	uint64_t hash;   /* 0: free */
	uint32_t copy_s; /* the copy ends; 0: destroyed during this scan */
	uint32_t end_s;  /* the session ends, when last looked at */
	uint32_t gap_s;  /* the longest silence that it came back from */
	uint32_t epoch;  /* of the last scan or event that saw it; 0: the last scan did not */
};

struct shadow {
	struct slot *slots;
	size_t n_slots, n_used, n_gone, max;
	uint32_t epoch, period_s;
	struct flow_lifetimes lifetimes;
	bool scanning, all;
	uint8_t hash_key[FLOW_HASH_KEY_BYTES];
};

struct shadow *shadow_new(size_t max, const uint8_t hash_key[FLOW_HASH_KEY_BYTES])
{
	struct shadow *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->max = max;
	memcpy(s->hash_key, hash_key, sizeof(s->hash_key));
	s->epoch = 1;
	return s;
}

void shadow_free(struct shadow *s)
{
	if (s == NULL)
		return;
	free(s->slots);
	free(s);
}

void shadow_clear(struct shadow *s)
{
	free(s->slots);
	s->slots = NULL;
	s->n_slots = s->n_used = s->n_gone = 0;
	s->scanning = false;
}

size_t shadow_count(const struct shadow *s)
{
	return s->n_used - s->n_gone;
}

void shadow_set_period(struct shadow *s, uint32_t period_s)
{
	s->period_s = period_s;
}

/* --- the table ------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct shadow *s, const struct flow_key *k)
{
	uint64_t h = flow_hash(s->hash_key, k);

	return h != 0 ? h : 1;
}

/* Index of its slot, or of the free one where it would go. There are slots, and free ones. */
static size_t probe(const struct slot *slots, size_t n_slots, uint64_t hash)
{
	size_t i = hash & (n_slots - 1);

	while (slots[i].hash != hash && slots[i].hash != 0)
		i = (i + 1) & (n_slots - 1);
	return i;
}

static int grow(struct shadow *s)
{
	size_t n_slots = s->n_slots > 0 ? s->n_slots * 2 : FIRST_SLOTS;
	struct slot *slots;

	if (s->n_used >= s->max)
		return -ENOSPC;
	slots = calloc(n_slots, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].hash != 0)
			slots[probe(slots, n_slots, s->slots[i].hash)] = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->n_slots = n_slots;
	return 0;
}

static struct slot *find(const struct shadow *s, uint64_t hash)
{
	struct slot *slot;

	if (s->slots == NULL)
		return NULL;
	slot = &s->slots[probe(s->slots, s->n_slots, hash)];
	return slot->hash == hash ? slot : NULL;
}

static struct slot *find_or_add(struct shadow *s, uint64_t hash)
{
	struct slot *slot = find(s, hash);

	if (slot != NULL)
		return slot;
	if ((s->n_used >= s->n_slots / 4 * 3 && grow(s) < 0) || s->slots == NULL)
		return NULL;
	slot = &s->slots[probe(s->slots, s->n_slots, hash)];
	*slot = (struct slot){.hash = hash};
	s->n_used++;
	return slot;
}

static void erase(struct shadow *s, size_t hole)
{
	size_t mask = s->n_slots - 1;

	for (size_t i = (hole + 1) & mask; s->slots[i].hash != 0; i = (i + 1) & mask) {
		size_t home = s->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			s->slots[hole] = s->slots[i];
			hole = i;
		}
	}
	s->slots[hole].hash = 0;
	s->n_used--;
}

/* --- what a copy gets ------------------------------------------------------------------------ */

struct span {
	uint32_t min_s;   /* until the next scan has been through */
	uint32_t drift_s; /* and more, to be reported seldom */
};

static uint32_t left_of(const struct flow *f)
{
	return f->timeout_s < FLOW_LEFT_MAX_S ? f->timeout_s : FLOW_LEFT_MAX_S;
}

static struct span span_of(const struct shadow *s, const struct flow *f, uint32_t gap_s)
{
	uint32_t left = left_of(f), whole = flow_lifetime_s(&s->lifetimes, f), want = left;
	struct span span = {.drift_s = whole / 4};

	if (whole > SHADOW_QUIET_MAX_S)
		want = left > SHADOW_QUIET_MAX_S ? left : SHADOW_QUIET_MAX_S;
	else if (whole > left && whole - left <= gap_s + s->period_s + 1)
		want = whole;
	span.min_s = want + s->period_s + LINK_LAG_S;
	if (span.drift_s > SHADOW_DRIFT_MAX_S)
		span.drift_s = SHADOW_DRIFT_MAX_S;
	return span;
}

uint32_t shadow_slack_s(const struct shadow *s, const struct flow *f)
{
	const struct slot *slot = find(s, hash_of(s, &f->key));
	struct span span = span_of(s, f, slot != NULL ? slot->gap_s : 0);

	return span.min_s + span.drift_s - left_of(f);
}

static uint32_t seconds(usec_t now)
{
	return (uint32_t)(now / USEC_PER_SEC);
}

static void note(struct shadow *s, struct slot *slot, const struct flow *f, uint32_t now_s)
{
	struct span span = span_of(s, f, slot->gap_s);

	slot->end_s = now_s + left_of(f);
	slot->copy_s = now_s + span.min_s + span.drift_s;
	slot->epoch = s->epoch;
}

/* --- events and scans ------------------------------------------------------------------------ */

void shadow_seen(struct shadow *s, const struct flow *f, usec_t now)
{
	struct slot *slot = find_or_add(s, hash_of(s, &f->key));

	flow_lifetime_learn(&s->lifetimes, f);
	if (slot == NULL)
		return;
	if (slot->copy_s == 0 && slot->epoch == s->epoch && s->n_gone > 0) {
		s->n_gone--;
		slot->gap_s = 0;
	}
	note(s, slot, f, seconds(now));
}

void shadow_gone(struct shadow *s, const struct flow_key *k)
{
	uint64_t hash = hash_of(s, k);
	struct slot *slot = s->scanning ? find_or_add(s, hash) : find(s, hash);

	if (slot == NULL)
		return;
	if (!s->scanning) {
		erase(s, (size_t)(slot - s->slots));
		return;
	}
	if (slot->copy_s != 0 || slot->epoch != s->epoch)
		s->n_gone++;
	slot->copy_s = 0;
	slot->epoch = s->epoch;
}

/* Forgets what was destroyed, and what two complete scans in a row did not find (one may skip what
 * has expired and is about to be destroyed); how many of those. */
static size_t purge(struct shadow *s, bool complete)
{
	size_t vanished = 0;

	for (size_t i = 0; i < s->n_slots;) {
		struct slot *slot = &s->slots[i];
		bool gone = slot->copy_s == 0, missed = complete && slot->epoch != s->epoch;

		if (slot->hash == 0 || (!gone && !(missed && slot->epoch == 0))) {
			if (missed)
				slot->epoch = 0;
			i++;
			continue;
		}
		vanished += gone ? 0 : 1;
		erase(s, i); /* another one may have moved here */
	}
	s->n_gone = 0;
	s->scanning = false;
	return vanished;
}

void shadow_scan_begin(struct shadow *s, bool all)
{
	(void)purge(s, false);
	s->epoch++;
	s->scanning = true;
	s->all = all;
}

bool shadow_scan(struct shadow *s, const struct flow *f, usec_t now)
{
	struct slot *slot = find_or_add(s, hash_of(s, &f->key));
	uint32_t now_s = seconds(now), end = now_s + left_of(f);
	struct span span;

	flow_lifetime_learn(&s->lifetimes, f);
	if (slot == NULL)
		return true;
	if (slot->epoch == s->epoch)
		return false;
	slot->epoch = s->epoch;
	if (slot->copy_s != 0 && end > slot->end_s + 1 && end - slot->end_s > slot->gap_s)
		slot->gap_s = end - slot->end_s;
	slot->end_s = end;
	span = span_of(s, f, slot->gap_s);
	if (!s->all && slot->copy_s >= now_s + span.min_s &&
		slot->copy_s <= now_s + span.min_s + span.drift_s + LINK_LAG_S)
		return false;
	slot->copy_s = now_s + span.min_s + span.drift_s;
	return true;
}

size_t shadow_scan_end(struct shadow *s)
{
	return purge(s, true);
}
