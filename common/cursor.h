/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded cursors over byte buffers, for packets and records. A getter that would pass the end sets
 * `bad`, returns 0 and moves nothing; everything after that fails as well, so a decoder checks once
 * at its end (cursor_done). Multi-byte integers are in network order.
 */
#ifndef GATEPAIR_COMMON_CURSOR_H
#define GATEPAIR_COMMON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rcursor {
	const uint8_t *p, *end;
	bool bad;
};

struct wcursor {
	uint8_t *start, *p, *end;
	bool bad;
};

struct rcursor rcursor_make(const void *buf, size_t n);
uint8_t rcursor_u8(struct rcursor *c);
uint16_t rcursor_u16(struct rcursor *c);
uint32_t rcursor_u32(struct rcursor *c);
uint64_t rcursor_u64(struct rcursor *c);
/* Copies n bytes; zero-fills `out` on failure. */
void rcursor_bytes(struct rcursor *c, void *out, size_t n);
/* A sub-cursor over the next n bytes, which are consumed here; bad in both on failure. */
struct rcursor rcursor_sub(struct rcursor *c, size_t n);
size_t rcursor_left(const struct rcursor *c);
/* Nothing failed and nothing is left over. */
bool rcursor_done(const struct rcursor *c);

struct wcursor wcursor_make(void *buf, size_t n);
void wcursor_u8(struct wcursor *c, uint8_t v);
void wcursor_u16(struct wcursor *c, uint16_t v);
void wcursor_u32(struct wcursor *c, uint32_t v);
void wcursor_u64(struct wcursor *c, uint64_t v);
void wcursor_bytes(struct wcursor *c, const void *in, size_t n);
size_t wcursor_len(const struct wcursor *c);

#endif
