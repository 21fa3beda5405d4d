/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of the outside world: VRRPv3 adverts over IPv4 (RFC 9568) and gratuitous ARP (RFC 5227,
 * RFC 9568 errata 7947 and 7949). Codecs only; pure; runs in vrrpd.
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
#define VRRP_FRAME_MAX     (VRRP_ETH_LEN + VRRP_IP_LEN + 8 + 4 * VRRP_MAX_ADDRESSES)
#define ARP_FRAME_LEN      42
#define MAC_LEN            6

/* Which form of the checksum: RFC 9568 section 5.2.8, over the message alone, or with an IPv4
 * pseudo-header, as RFC 5798 was read by some. Both are accepted. */
enum vrrp_checksum { VRRP_CHECKSUM_RFC9568 = 1, VRRP_CHECKSUM_LEGACY };

struct vrrp_advert {
	struct in_addr source;
	uint8_t vrid, priority;
	usec_t interval; /* a multiple of 10 ms, 10 ms .. 40.95 s */
	enum vrrp_checksum checksum;
	size_t n_addresses; /* announced; those over VRRP_MAX_ADDRESSES are not kept */
	struct in_addr addresses[VRRP_MAX_ADDRESSES];
};

/* Receive checks of RFC 9568 section 7.1, in the order in which they are made. Index of the
 * counter, log text (vrrp_reason_str) and test expectation at once. */
enum vrrp_reason {
	VRRP_OK,
	VRRP_BAD_IP,  /* not a whole, unfragmented IPv4 packet of protocol 112 to 224.0.0.18 */
	VRRP_BAD_TTL, /* not 255 */
	VRRP_BAD_VERSION,
	VRRP_BAD_TYPE,
	VRRP_BAD_LENGTH,
	VRRP_BAD_CHECKSUM,
	VRRP_UNKNOWN_VRID, /* on that interface */
	VRRP_BAD_COUNT,    /* no address: erratum 8299 */
	VRRP_BAD_INTERVAL, /* 0: erratum 8301 */
	VRRP_REASONS,
};
const char *vrrp_reason_name(enum vrrp_reason r); /* the counter's name */
const char *vrrp_reason_str(enum vrrp_reason r);

/* `p`: from the IP header on. `vrids`: those configured on the interface. *ret is untouched unless
 * VRRP_OK; with VRRP_UNKNOWN_VRID only *ret_vrid is set. */
enum vrrp_reason vrrp_decode(const uint8_t *p, size_t n, const bool vrids[256], uint8_t *ret_vrid,
	struct vrrp_advert *ret) __attribute__((warn_unused_result));

/* A whole Ethernet frame; returns its length, or -ENOSPC. */
int vrrp_encode(const struct vrrp_advert *a, const uint8_t source_mac[MAC_LEN], uint8_t *out,
	size_t size) __attribute__((warn_unused_result));

/* 00-00-5E-00-01-{VRID} */
void vrrp_virtual_mac(uint8_t vrid, uint8_t out[MAC_LEN]);

/* Broadcast request whose sender and target are the address; ARP_FRAME_LEN bytes. */
void arp_encode(struct in_addr address, const uint8_t mac[MAC_LEN], uint8_t out[ARP_FRAME_LEN]);

#endif
