/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Codec of the frames between the two nodes, PROTOCOL.md. Pure but for mbedTLS's HMAC; runs in
 * vrrpd.
 */
#include "vrrpd/beat.h"

#include <errno.h>
#include <string.h>

#include "common/cursor.h"

#define MAGIC     0x47505642U /* "GPVB" */
#define FIXED_LEN 84          /* without the node's name and the HMAC */
#define TERM_MAX  (UINT64_MAX >> 1)
#define LEVEL_MAX 0x7fff

static const char *const reasons[BEAT_REASONS][2] = {
	[BEAT_OK] = {"ok", "accepted"},
	[BEAT_TOO_SHORT] = {"too_short", "too short"},
	[BEAT_BAD_MAGIC] = {"bad_magic", "not ours"},
	[BEAT_BAD_VERSION] = {"bad_version", "another version of the protocol"},
	[BEAT_BAD_LENGTH] = {"bad_length", "length field and frame disagree"},
	[BEAT_BAD_MAC] = {"bad_mac", "authentication failed: another key, or altered"},
	[BEAT_BAD_FIELD] = {"bad_field", "a field is out of range"},
	[BEAT_OWN] = {"own", "our own frame came back: a loop in the network"},
	[BEAT_UNTRUSTED] = {"untrusted", "does not answer us yet"},
	[BEAT_REPLAYED] = {"replayed", "was seen before"},
};

const char *beat_reason_name(enum beat_reason r)
{
	return (unsigned)r < BEAT_REASONS ? reasons[r][0] : "?";
}

const char *beat_reason_str(enum beat_reason r)
{
	return (unsigned)r < BEAT_REASONS ? reasons[r][1] : "?";
}

int beat_key_set(struct beat_key *k, const uint8_t key[BEAT_KEY_LEN])
{
	beat_key_clear(k);
	mbedtls_md_init(&k->md);
	if (mbedtls_md_setup(&k->md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1) ||
		mbedtls_md_hmac_starts(&k->md, key, BEAT_KEY_LEN)) {
		mbedtls_md_free(&k->md);
		return -EIO;
	}
	k->set = true;
	return 0;
}

void beat_key_clear(struct beat_key *k)
{
	if (k->set)
		mbedtls_md_free(&k->md);
	k->set = false;
}

static int mac(struct beat_key *k, const uint8_t *p, size_t n, uint8_t out[BEAT_MAC_LEN])
{
	uint8_t full[32];

	if (!k->set || mbedtls_md_hmac_reset(&k->md) || mbedtls_md_hmac_update(&k->md, p, n) ||
		mbedtls_md_hmac_finish(&k->md, full))
		return -EIO;
	memcpy(out, full, BEAT_MAC_LEN);
	return 0;
}

int beat_encode(const struct beat *b, struct beat_key *key, uint8_t *out, size_t size)
{
	struct wcursor c = wcursor_make(out, size);
	size_t node = strnlen(b->node, BEAT_NODE_MAX);
	uint8_t tag[BEAT_MAC_LEN];

	wcursor_u32(&c, MAGIC);
	wcursor_u8(&c, BEAT_VERSION);
	wcursor_u8(&c, (uint8_t)b->kind);
	wcursor_u8(&c, (uint8_t)b->role);
	wcursor_u8(&c, (uint8_t)b->flags);
	wcursor_u16(&c, (uint16_t)(FIXED_LEN + node + BEAT_MAC_LEN));
	wcursor_u8(&c, b->priority);
	wcursor_u8(&c, (uint8_t)node);
	wcursor_u64(&c, b->session);
	wcursor_u64(&c, b->echo);
	wcursor_u64(&c, b->sequence);
	wcursor_u64(&c, b->term);
	wcursor_u64(&c, b->granted_term);
	wcursor_u32(&c, b->health);
	wcursor_bytes(&c, &b->address, 4);
	wcursor_bytes(&c, &b->ha_address, 4);
	wcursor_u32(&c, b->advert_interval_us);
	wcursor_u32(&c, b->heartbeat_us);
	wcursor_u64(&c, b->digest);
	wcursor_u32(&c, b->served);
	wcursor_bytes(&c, b->node, node);
	if (c.bad)
		return -ENOSPC;
	if (mac(key, out, wcursor_len(&c), tag) < 0)
		return -EIO;
	wcursor_bytes(&c, tag, sizeof(tag));
	return c.bad ? -ENOSPC : (int)wcursor_len(&c);
}

/* Constant time: how many bytes match must not show. */
static bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	uint8_t diff = 0;

	for (size_t i = 0; i < BEAT_MAC_LEN; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

static bool fields_ok(const struct beat *b)
{
	return b->kind >= BEAT_KIND_BEAT && b->kind <= BEAT_KIND_ANSWER &&
	       (unsigned)b->role <= BEAT_ROLE_RESUMING && !(b->flags & ~(unsigned)BEAT_FLAGS_ALL) &&
	       b->session && b->sequence && b->term <= TERM_MAX && b->granted_term <= TERM_MAX &&
	       b->sequence <= TERM_MAX && b->priority &&
	       BEAT_HEALTH_LEVEL(b->health) <= LEVEL_MAX && b->heartbeat_us <= 60000000 &&
	       b->advert_interval_us <= 60000000 && b->node[0];
}

static size_t read_fields(struct rcursor *c, struct beat *b)
{
	size_t node;

	b->kind = rcursor_u8(c);
	b->role = rcursor_u8(c);
	b->flags = rcursor_u8(c);
	rcursor_u16(c);
	b->priority = rcursor_u8(c);
	node = rcursor_u8(c);
	b->session = rcursor_u64(c);
	b->echo = rcursor_u64(c);
	b->sequence = rcursor_u64(c);
	b->term = rcursor_u64(c);
	b->granted_term = rcursor_u64(c);
	b->health = rcursor_u32(c);
	rcursor_bytes(c, &b->address, 4);
	rcursor_bytes(c, &b->ha_address, 4);
	b->advert_interval_us = rcursor_u32(c);
	b->heartbeat_us = rcursor_u32(c);
	b->digest = rcursor_u64(c);
	b->served = rcursor_u32(c);
	return node;
}

/* The name is shown to people: printable ASCII only, as the configuration demands. */
static bool read_node(struct rcursor *c, size_t n, char out[BEAT_NODE_MAX + 1])
{
	if (n > BEAT_NODE_MAX)
		return false;
	rcursor_bytes(c, out, n);
	for (size_t i = 0; i < n; i++)
		if (out[i] <= ' ' || out[i] > '~')
			return false;
	return rcursor_done(c);
}

enum beat_reason beat_decode(const uint8_t *p, size_t n, struct beat_key *key, struct beat *ret)
{
	struct rcursor c = rcursor_make(p, n);
	uint8_t tag[BEAT_MAC_LEN];
	struct beat b = {0};
	size_t len, node;

	if (n < FIXED_LEN + BEAT_MAC_LEN)
		return BEAT_TOO_SHORT;
	if (rcursor_u32(&c) != MAGIC)
		return BEAT_BAD_MAGIC;
	if (rcursor_u8(&c) != BEAT_VERSION)
		return BEAT_BAD_VERSION;
	len = (size_t)p[8] << 8 | p[9];
	if (len < FIXED_LEN + BEAT_MAC_LEN || len > n || len > BEAT_MAX)
		return BEAT_BAD_LENGTH;
	len -= BEAT_MAC_LEN;
	if (mac(key, p, len, tag) < 0 || !mac_equal(tag, p + len))
		return BEAT_BAD_MAC;
	c.end = p + len;
	node = read_fields(&c, &b);
	if (!read_node(&c, node, b.node) || !fields_ok(&b))
		return BEAT_BAD_FIELD;
	*ret = b;
	return BEAT_OK;
}

/* --- replay guard ---------------------------------------------------------------------------- */
void beat_guard_init(struct beat_guard *g, uint64_t own_session)
{
	memset(g, 0, sizeof(*g));
	g->own_session = own_session;
}

static bool is_retired(const struct beat_guard *g, uint64_t session)
{
	for (size_t i = 0; i < BEAT_RETIRED; i++)
		if (g->retired[i] == session)
			return true;
	return false;
}

static void adopt(struct beat_guard *g, uint64_t session)
{
	if (g->peer_session)
		g->retired[g->n_retired++ % BEAT_RETIRED] = g->peer_session;
	g->peer_session = session;
	g->highest = 0;
	memset(g->seen, 0, sizeof(g->seen));
}

/* A sliding window as in RFC 4303 section 3.4.3. */
static bool first_time(struct beat_guard *g, uint64_t seq)
{
	if (seq > g->highest) {
		uint64_t steps = seq - g->highest < BEAT_WINDOW ? seq - g->highest : BEAT_WINDOW;

		for (uint64_t i = 0; i < steps; i++) {
			uint64_t bit = (seq - i) % BEAT_WINDOW;

			g->seen[bit / 64] &= ~(UINT64_C(1) << bit % 64);
		}
		g->highest = seq;
	} else if (g->highest - seq >= BEAT_WINDOW) {
		return false;
	}
	uint64_t *word = &g->seen[seq % BEAT_WINDOW / 64], mask = UINT64_C(1) << seq % 64;
	bool fresh = !(*word & mask);

	*word |= mask;
	return fresh;
}

enum beat_reason beat_guard_check(struct beat_guard *g, const struct beat *b)
{
	if (b->session == g->own_session)
		return BEAT_OWN;
	if (is_retired(g, b->session))
		return BEAT_REPLAYED;
	if (b->echo != g->own_session)
		return BEAT_UNTRUSTED;
	if (b->session != g->peer_session)
		adopt(g, b->session);
	return first_time(g, b->sequence) ? BEAT_OK : BEAT_REPLAYED;
}
