/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paging through the kernel's sessions; see listing.h. Runs in syncd.
 */
#include "syncd/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "syncd/ctnl.h"

static void forget(struct listings *ls, size_t i)
{
	if (ls->v[i] == NULL)
		return;
	close(ls->v[i]->fd);
	free(ls->v[i]);
	ls->v[i] = NULL;
}

void listings_fini(struct listings *ls)
{
	for (size_t i = 0; i < LISTING_MAX; i++)
		forget(ls, i);
}

static void on_flow(const struct flow *f, void *owner)
{
	struct listing *l = owner;

	if (l->n < LISTING_CHUNK)
		l->chunk[l->n++] = *f;
}

static int start(struct listings *ls, usec_t now, size_t *ret_slot)
{
	size_t slot = 0;
	int fd;

	for (size_t i = 0; i < LISTING_MAX; i++) {
		if (ls->v[i] != NULL && now - ls->v[i]->used > LISTING_LIFE)
			forget(ls, i);
		if (ls->v[slot] != NULL && (ls->v[i] == NULL || ls->v[i]->used < ls->v[slot]->used))
			slot = i;
	}
	forget(ls, slot);
	fd = ctnl_dump_open();
	if (fd < 0)
		return fd;
	ls->v[slot] = calloc(1, sizeof(*ls->v[slot]));
	if (ls->v[slot] == NULL) {
		close(fd);
		return -ENOMEM;
	}
	ls->v[slot]->fd = fd;
	*ret_slot = slot;
	return 0;
}

static int find(const struct listings *ls, uint64_t cursor, size_t *ret_slot)
{
	for (size_t i = 0; i < LISTING_MAX; i++)
		if (ls->v[i] != NULL && ls->v[i]->cursor == cursor) {
			*ret_slot = i;
			return 0;
		}
	return -ESTALE;
}

/* The kernel produces a chunk within each read, so there is always one to be had. */
static int refill(struct listing *l)
{
	l->n = l->at = 0;
	while (!l->complete && l->n == 0) {
		int r = ctnl_dump_read(l->fd, on_flow, l);

		if (r < 0)
			return r;
		l->complete = r == 0;
	}
	return 0;
}

int listing_page(struct listings *ls, uint64_t cursor, usec_t now, struct flow *ret_flows,
	size_t *ret_n, uint64_t *ret_cursor)
{
	size_t slot = 0, n = 0;
	struct listing *l;
	int r = cursor == 0 ? start(ls, now, &slot) : find(ls, cursor, &slot);

	if (r < 0)
		return r;
	l = ls->v[slot];
	l->used = now;
	while (n < LISTING_PAGE_MAX) {
		if (l->at == l->n) {
			r = l->complete ? 0 : refill(l);
			if (r < 0) {
				forget(ls, slot);
				return r;
			}
			if (l->n == l->at)
				break;
		}
		ret_flows[n++] = l->chunk[l->at++];
	}
	l->cursor = ++ls->last_cursor;
	*ret_cursor = l->cursor;
	if (l->complete && l->at == l->n) {
		*ret_cursor = 0;
		forget(ls, slot);
	}
	*ret_n = n;
	return 0;
}
