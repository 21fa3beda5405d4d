/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of the outside world: adverts over IPv4, of VRRPv3 (RFC 9568) and VRRPv2 (RFC 3768), and
 * gratuitous ARP (RFC 5227, RFC 9568 errata 7947 and 7949). Codecs only; pure; runs in vrrpd.
 */
#ifndef GATEPAIR_VRRPD_PACKET_H
#define GATEPAIR_VRRPD_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define VRRP_PROTOCOL      112
#define VRRP_GROUP         0xE0000012U /* 224.0.0.18 */
#define VRRP_MAX_ADDRESSES 64
#define VRRP_ETH_LEN       14
#define VRRP_IP_LEN        20
#define VRRP_AUTH_LEN      8
#define VRRP_FRAME_MAX     (VRRP_ETH_LEN + VRRP_IP_LEN + 8 + 4 * VRRP_MAX_ADDRESSES + VRRP_AUTH_LEN)
#define ARP_FRAME_LEN      42
#define MAC_LEN            6

/* Types of authentication in version 2. */
#define VRRP_AUTH_NONE 0
#define VRRP_AUTH_TEXT 1

/* Which form of the checksum: RFC 9568 section 5.2.8, over the message alone, or with an IPv4
 * pseudo-header, as RFC 5798 was read by some. Both are accepted; version 2 has only the first. */
enum vrrp_checksum { VRRP_CHECKSUM_RFC9568 = 1, VRRP_CHECKSUM_LEGACY };

struct vrrp_advert {
	struct in_addr source;
	uint8_t version; /* 2 or 3 */
	uint8_t vrid, priority;
	usec_t interval; /* of 10 ms, up to 40.95 s; in version 2 of 1 s, up to 255 s */
	uint8_t auth;    /* version 2; of another type than ours it is never accepted */
	uint8_t password[VRRP_AUTH_LEN]; /* VRRP_AUTH_TEXT, padded with zeros */
	enum vrrp_checksum checksum;
	size_t n_addresses; /* announced; those over VRRP_MAX_ADDRESSES are not kept */
	struct in_addr addresses[VRRP_MAX_ADDRESSES];
};

/* Receive checks of RFC 9568 section 7.1, then those that only RFC 3768 section 7.1 has, in the
 * order in which they are made. Index of the counter, log text (vrrp_reason_str) and test
 * expectation at once. */
enum vrrp_reason {
	VRRP_OK,
	VRRP_BAD_IP,      /* not a whole, unfragmented IPv4 packet of protocol 112 to 224.0.0.18 */
	VRRP_BAD_TTL,     /* not 255 */
	VRRP_BAD_VERSION, /* neither 2 nor 3, or not that of the virtual router */
	VRRP_BAD_TYPE,
	VRRP_BAD_LENGTH,
	VRRP_BAD_CHECKSUM,
	VRRP_UNKNOWN_VRID,   /* on that interface */
	VRRP_BAD_COUNT,      /* no address: erratum 8299 */
	VRRP_BAD_INTERVAL,   /* 0: erratum 8301 */
	VRRP_OTHER_INTERVAL, /* version 2 does not learn it */
	VRRP_OTHER_AUTH,     /* version 2: a password where none is configured, or none */
	VRRP_BAD_PASSWORD,   /* version 2 */
	VRRP_REASONS,
};
const char *vrrp_reason_name(enum vrrp_reason r); /* the counter's name */
const char *vrrp_reason_str(enum vrrp_reason r);

/* `p`: from the IP header on. `own`: by VRID, what we would send on the interface, NULL where none
 * is configured. *ret is untouched unless VRRP_OK; *ret_vrid is set once the checksum was right. */
enum vrrp_reason vrrp_decode(const uint8_t *p, size_t n, const struct vrrp_advert *const own[256],
	uint8_t *ret_vrid, struct vrrp_advert *ret) __attribute__((warn_unused_result));

/* A whole Ethernet frame; returns its length, or -ENOSPC. */
int vrrp_encode(const struct vrrp_advert *a, const uint8_t source_mac[MAC_LEN], uint8_t *out,
	size_t size) __attribute__((warn_unused_result));

/* 00-00-5E-00-01-{VRID} */
void vrrp_virtual_mac(uint8_t vrid, uint8_t out[MAC_LEN]);

/* Broadcast request whose sender and target are the address; ARP_FRAME_LEN bytes. */
void arp_encode(struct in_addr address, const uint8_t mac[MAC_LEN], uint8_t out[ARP_FRAME_LEN]);

#endif
