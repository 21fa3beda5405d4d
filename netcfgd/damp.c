/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flap damping (see damp.h).
 */
#include "netcfgd/damp.h"

#include <string.h>

void damp_init(struct damp *d)
{
	memset(d, 0, sizeof(*d));
}

static size_t find(const struct damp *d, uint64_t key)
{
	size_t i = 0;

	while (i < d->n && d->v[i].key != key)
		i++;
	return i;
}

bool damp_may(const struct damp *d, uint64_t key, usec_t now)
{
	size_t i = find(d, key);

	return i == d->n || now >= d->v[i].until;
}

/* A place for a new object: one more, or that of the one that has been quiet the longest. */
static struct damp_object *place(struct damp *d)
{
	struct damp_object *oldest = &d->v[0];

	if (d->n < DAMP_OBJECTS)
		return &d->v[d->n++];
	for (size_t i = 1; i < d->n; i++)
		if (d->v[i].last < oldest->last)
			oldest = &d->v[i];
	return oldest;
}

static bool calm(const struct damp_object *o, usec_t now)
{
	return now - o->last >= DAMP_CALM;
}

static void begin(struct damp_object *o, uint64_t key, usec_t now)
{
	*o = (struct damp_object){.key = key, .since = now};
}

unsigned damp_done(struct damp *d, uint64_t key, bool urgent, usec_t now)
{
	usec_t most = urgent ? DAMP_GAP_URGENT : DAMP_GAP_MAX;
	size_t i = find(d, key);
	bool known = i < d->n, new_fight;
	struct damp_object *o = known ? &d->v[i] : place(d);

	if (!known || calm(o, now) || (!o->gap && now - o->since >= DAMP_WINDOW))
		begin(o, key, now);
	o->times++;
	o->last = now;
	if (o->times < DAMP_FREE)
		return 0;
	new_fight = !o->gap;
	o->gap = new_fight ? DAMP_GAP_MIN : o->gap * 2;
	if (o->gap > most)
		o->gap = most;
	o->until = now + o->gap;
	return new_fight ? o->times : 0;
}

usec_t damp_due(const struct damp *d, usec_t now)
{
	usec_t due = USEC_NEVER;

	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].until > now && d->v[i].until < due)
			due = d->v[i].until;
	return due;
}

size_t damp_fights(const struct damp *d, usec_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->v[i].gap && !calm(&d->v[i], now);
	return n;
}
