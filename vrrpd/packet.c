/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VRRPv3 over IPv4, RFC 9568 section 5, VRRPv2, RFC 3768 section 5, and gratuitous ARP. Pure; runs
 * in vrrpd.
 */
#include "vrrpd/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/cursor.h"

#define ADVERTISEMENT 1
#define CENTISECOND   (10 * USEC_PER_MS)
#define INTERVAL_MAX  4095 /* version 3 */
#define SECONDS_MAX   255  /* version 2 */
#define TTL           255
#define DONT_FRAGMENT 0x4000

static const char *const reasons[VRRP_REASONS][2] = {
	[VRRP_OK] = {"ok", "accepted"},
	[VRRP_BAD_IP] = {"bad_ip", "not a whole IPv4 packet to 224.0.0.18"},
	[VRRP_BAD_TTL] = {"bad_ttl", "TTL is not 255: it came through a router"},
	[VRRP_BAD_VERSION] = {"bad_version", "not the virtual router's version of VRRP"},
	[VRRP_BAD_TYPE] = {"bad_type", "not an advertisement"},
	[VRRP_BAD_LENGTH] = {"bad_length", "length and address count disagree"},
	[VRRP_BAD_CHECKSUM] = {"bad_checksum", "checksum is wrong in either form"},
	[VRRP_UNKNOWN_VRID] = {"unknown_vrid", "no such virtual router on this interface"},
	[VRRP_BAD_COUNT] = {"bad_count", "carries no address"},
	[VRRP_BAD_INTERVAL] = {"bad_interval", "advertisement interval is 0"},
	[VRRP_OTHER_INTERVAL] = {"other_interval", "advertisement interval is not ours"},
	[VRRP_OTHER_AUTH] = {"other_auth", "has a password and ours have none, or the reverse"},
	[VRRP_BAD_PASSWORD] = {"bad_password", "password is wrong"},
};

const char *vrrp_reason_name(enum vrrp_reason r)
{
	return (unsigned)r < VRRP_REASONS ? reasons[r][0] : "?";
}

const char *vrrp_reason_str(enum vrrp_reason r)
{
	return (unsigned)r < VRRP_REASONS ? reasons[r][1] : "?";
}

/* One's complement sum, RFC 1071; not yet folded and inverted. */
static uint32_t sum(const uint8_t *p, size_t n, uint32_t start)
{
	uint32_t s = start;

	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	if (n & 1)
		s += (uint32_t)p[n - 1] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static uint32_t pseudo_header(struct in_addr source, size_t len)
{
	uint32_t src = ntohl(source.s_addr);

	return (src >> 16) + (src & 0xffff) + (VRRP_GROUP >> 16) + (VRRP_GROUP & 0xffff) +
	       VRRP_PROTOCOL + (uint32_t)len;
}

/* --- receive --------------------------------------------------------------------------------- */
static bool checksum_ok(const uint8_t *p, size_t n, struct vrrp_advert *a)
{
	if (fold(sum(p, n, 0)) == 0)
		a->checksum = VRRP_CHECKSUM_RFC9568;
	else if (a->version == 3 && fold(sum(p, n, pseudo_header(a->source, n))) == 0)
		a->checksum = VRRP_CHECKSUM_LEGACY;
	else
		return false;
	return true;
}

static bool version_ok(const uint8_t *p, size_t n, const struct vrrp_advert *const own[256])
{
	const struct vrrp_advert *mine = n > 1 ? own[p[1]] : NULL;

	return mine ? p[0] >> 4 == mine->version : p[0] >> 4 == 2 || p[0] >> 4 == 3;
}

/* Up to the addresses. False: the length is not what it has to be. */
static bool read_head(struct rcursor *c, struct vrrp_advert *a)
{
	size_t tail = 0;

	a->version = rcursor_u8(c) >> 4;
	a->vrid = rcursor_u8(c);
	a->priority = rcursor_u8(c);
	a->n_addresses = rcursor_u8(c);
	if (a->version == 2) {
		a->auth = rcursor_u8(c);
		a->interval = rcursor_u8(c) * USEC_PER_SEC;
		tail = VRRP_AUTH_LEN;
	} else {
		/* reserved bits are ignored */
		a->interval = (rcursor_u16(c) & 0xfff) * CENTISECOND;
	}
	rcursor_u16(c);
	return !c->bad && rcursor_left(c) == 4 * a->n_addresses + tail;
}

/* Version 3 has no password, and takes the interval as it comes. */
static enum vrrp_reason check_v2(const struct vrrp_advert *a, const struct vrrp_advert *mine)
{
	if (a->interval != mine->interval)
		return VRRP_OTHER_INTERVAL;
	if (a->auth != mine->auth)
		return VRRP_OTHER_AUTH;
	if (a->auth == VRRP_AUTH_TEXT && memcmp(a->password, mine->password, VRRP_AUTH_LEN) != 0)
		return VRRP_BAD_PASSWORD;
	return VRRP_OK;
}

static enum vrrp_reason check(const struct vrrp_advert *a, const struct vrrp_advert *mine)
{
	if (!mine)
		return VRRP_UNKNOWN_VRID;
	if (a->n_addresses == 0)
		return VRRP_BAD_COUNT;
	if (a->interval == 0)
		return VRRP_BAD_INTERVAL;
	return a->version == 2 ? check_v2(a, mine) : VRRP_OK;
}

/* Padding of short Ethernet frames ends at the IP length. */
static bool ip_ok(const uint8_t *p, size_t n, size_t *ret_header, size_t *ret_total)
{
	size_t header, total;

	if (n < VRRP_IP_LEN || p[0] >> 4 != 4)
		return false;
	header = (size_t)(p[0] & 0xf) * 4;
	total = (size_t)p[2] << 8 | p[3];
	if (header < VRRP_IP_LEN || total < header || total > n)
		return false;
	if (((p[6] & 0x3f) | p[7]) || p[9] != VRRP_PROTOCOL || fold(sum(p, header, 0)) != 0)
		return false;
	*ret_header = header;
	*ret_total = total;
	return p[16] == 224 && p[17] == 0 && p[18] == 0 && p[19] == 18;
}

enum vrrp_reason vrrp_decode(const uint8_t *p, size_t n, const struct vrrp_advert *const own[256],
	uint8_t *ret_vrid, struct vrrp_advert *ret)
{
	struct vrrp_advert a = {0};
	enum vrrp_reason r;
	size_t header, total;

	if (!ip_ok(p, n, &header, &total))
		return VRRP_BAD_IP;
	if (p[8] != TTL)
		return VRRP_BAD_TTL;
	memcpy(&a.source, p + 12, 4);
	p += header;
	n = total - header;
	if (n < 1)
		return VRRP_BAD_LENGTH;
	if (!version_ok(p, n, own))
		return VRRP_BAD_VERSION;
	if ((p[0] & 0xf) != ADVERTISEMENT)
		return VRRP_BAD_TYPE;

	struct rcursor c = rcursor_make(p, n);

	if (!read_head(&c, &a))
		return VRRP_BAD_LENGTH;
	if (!checksum_ok(p, n, &a))
		return VRRP_BAD_CHECKSUM;
	*ret_vrid = a.vrid;
	if (a.version == 2)
		memcpy(a.password, p + n - VRRP_AUTH_LEN, VRRP_AUTH_LEN);
	r = check(&a, own[a.vrid]);
	if (r != VRRP_OK)
		return r;
	for (size_t i = 0; i < a.n_addresses && i < VRRP_MAX_ADDRESSES; i++)
		rcursor_bytes(&c, &a.addresses[i], 4);
	*ret = a;
	return VRRP_OK;
}

/* --- send ------------------------------------------------------------------------------------ */
static void put_checksum(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void write_headers(
	struct wcursor *c, const struct vrrp_advert *a, const uint8_t *mac, size_t vrrp_len)
{
	static const uint8_t group[MAC_LEN] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x12};

	wcursor_bytes(c, group, MAC_LEN);
	wcursor_bytes(c, mac, MAC_LEN);
	wcursor_u16(c, 0x0800);
	wcursor_u8(c, 0x45);
	wcursor_u8(c, 0xc0); /* internetwork control */
	wcursor_u16(c, (uint16_t)(VRRP_IP_LEN + vrrp_len));
	wcursor_u16(c, 0);
	wcursor_u16(c, DONT_FRAGMENT);
	wcursor_u8(c, TTL);
	wcursor_u8(c, VRRP_PROTOCOL);
	wcursor_u16(c, 0);
	wcursor_bytes(c, &a->source, 4);
	wcursor_u32(c, VRRP_GROUP);
}

static uint16_t clamp(usec_t v, uint16_t max)
{
	return v < 1 ? 1 : v > max ? max : (uint16_t)v;
}

static void write_message(struct wcursor *c, const struct vrrp_advert *a, size_t n)
{
	static const uint8_t zeros[VRRP_AUTH_LEN];

	wcursor_u8(c, (uint8_t)(a->version << 4 | ADVERTISEMENT));
	wcursor_u8(c, a->vrid);
	wcursor_u8(c, a->priority);
	wcursor_u8(c, (uint8_t)n);
	if (a->version == 2) {
		wcursor_u8(c, a->auth);
		wcursor_u8(c, (uint8_t)clamp(a->interval / USEC_PER_SEC, SECONDS_MAX));
	} else {
		wcursor_u16(c, clamp(a->interval / CENTISECOND, INTERVAL_MAX));
	}
	wcursor_u16(c, 0);
	for (size_t i = 0; i < n; i++)
		wcursor_bytes(c, &a->addresses[i], 4);
	if (a->version == 2)
		wcursor_bytes(c, a->auth == VRRP_AUTH_TEXT ? a->password : zeros, VRRP_AUTH_LEN);
}

int vrrp_encode(
	const struct vrrp_advert *a, const uint8_t source_mac[MAC_LEN], uint8_t *out, size_t size)
{
	struct wcursor c = wcursor_make(out, size);
	size_t n = a->n_addresses < VRRP_MAX_ADDRESSES ? a->n_addresses : VRRP_MAX_ADDRESSES;
	size_t len = 8 + 4 * n + (a->version == 2 ? VRRP_AUTH_LEN : 0);
	bool legacy = a->version == 3 && a->checksum == VRRP_CHECKSUM_LEGACY;
	uint8_t *ip = out + VRRP_ETH_LEN, *vrrp = ip + VRRP_IP_LEN;

	write_headers(&c, a, source_mac, len);
	write_message(&c, a, n);
	if (c.bad)
		return -ENOSPC;
	put_checksum(ip + 10, fold(sum(ip, VRRP_IP_LEN, 0)));
	put_checksum(vrrp + 6, fold(sum(vrrp, len, legacy ? pseudo_header(a->source, len) : 0)));
	return (int)wcursor_len(&c);
}

void vrrp_virtual_mac(uint8_t vrid, uint8_t out[MAC_LEN])
{
	const uint8_t mac[MAC_LEN] = {0x00, 0x00, 0x5e, 0x00, 0x01, vrid};

	memcpy(out, mac, MAC_LEN);
}

void arp_encode(struct in_addr address, const uint8_t mac[MAC_LEN], uint8_t out[ARP_FRAME_LEN])
{
	static const uint8_t broadcast[MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t none[MAC_LEN];
	struct wcursor c = wcursor_make(out, ARP_FRAME_LEN);

	wcursor_bytes(&c, broadcast, MAC_LEN);
	wcursor_bytes(&c, mac, MAC_LEN);
	wcursor_u16(&c, 0x0806);
	wcursor_u16(&c, 1); /* Ethernet */
	wcursor_u16(&c, 0x0800);
	wcursor_u8(&c, MAC_LEN);
	wcursor_u8(&c, 4);
	wcursor_u16(&c, 1); /* request: RFC 5227 section 3 */
	wcursor_bytes(&c, mac, MAC_LEN);
	wcursor_bytes(&c, &address, 4);
	wcursor_bytes(&c, none, MAC_LEN);
	wcursor_bytes(&c, &address, 4);
}
