/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cursors: every access goes through take(), the one place that compares with the end.
 */
#include "common/cursor.h"

#include <string.h>

struct rcursor rcursor_make(const void *buf, size_t n)
{
	const uint8_t *p = buf;

	return (struct rcursor){.p = p, .end = n > 0 ? p + n : p};
}

static const uint8_t *rtake(struct rcursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || n > (size_t)(c->end - c->p)) {
		c->bad = true;
		return NULL;
	}
	if (n > 0)
		c->p += n;
	return p;
}

static uint64_t rget(struct rcursor *c, size_t n)
{
	const uint8_t *p = rtake(c, n);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t rcursor_u8(struct rcursor *c)
{
	return (uint8_t)rget(c, 1);
}

uint16_t rcursor_u16(struct rcursor *c)
{
	return (uint16_t)rget(c, 2);
}

uint32_t rcursor_u32(struct rcursor *c)
{
	return (uint32_t)rget(c, 4);
}

uint64_t rcursor_u64(struct rcursor *c)
{
	return rget(c, 8);
}

void rcursor_bytes(struct rcursor *c, void *out, size_t n)
{
	const uint8_t *p = rtake(c, n);

	if (n == 0)
		return;
	if (p != NULL)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

struct rcursor rcursor_sub(struct rcursor *c, size_t n)
{
	const uint8_t *p = rtake(c, n);
	struct rcursor sub = rcursor_make(p != NULL ? p : c->p, p != NULL ? n : 0);

	sub.bad = c->bad;
	return sub;
}

size_t rcursor_left(const struct rcursor *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}

bool rcursor_done(const struct rcursor *c)
{
	return !c->bad && c->p == c->end;
}

struct wcursor wcursor_make(void *buf, size_t n)
{
	uint8_t *p = buf;

	return (struct wcursor){.start = p, .p = p, .end = n > 0 ? p + n : p};
}

static uint8_t *wtake(struct wcursor *c, size_t n)
{
	uint8_t *p = c->p;

	if (c->bad || n > (size_t)(c->end - c->p)) {
		c->bad = true;
		return NULL;
	}
	if (n > 0)
		c->p += n;
	return p;
}

static void wput(struct wcursor *c, uint64_t v, size_t n)
{
	uint8_t *p = wtake(c, n);

	for (size_t i = 0; p != NULL && i < n; i++)
		p[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

void wcursor_u8(struct wcursor *c, uint8_t v)
{
	wput(c, v, 1);
}

void wcursor_u16(struct wcursor *c, uint16_t v)
{
	wput(c, v, 2);
}

void wcursor_u32(struct wcursor *c, uint32_t v)
{
	wput(c, v, 4);
}

void wcursor_u64(struct wcursor *c, uint64_t v)
{
	wput(c, v, 8);
}

void wcursor_bytes(struct wcursor *c, const void *in, size_t n)
{
	uint8_t *p = wtake(c, n);

	if (p != NULL && n > 0)
		memcpy(p, in, n);
}

size_t wcursor_len(const struct wcursor *c)
{
	return c->bad ? 0 : (size_t)(c->p - c->start);
}
