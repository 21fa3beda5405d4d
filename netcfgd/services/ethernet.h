/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of others, read as far as people need: who sent it, what is it; ARP packets, read and made
 * (RFC 826, RFC 5227); and the same of IPv6 (RFC 4861, RFC 4862). Pure; runs in netcfgd's services
 * process.
 */
#ifndef GATEPAIR_NETCFGD_ETHERNET_H
#define GATEPAIR_NETCFGD_ETHERNET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETHERNET_MAC_LEN    6
#define ETHERNET_HEADER_LEN 14
#define ETHERNET_ARP_LEN    (ETHERNET_HEADER_LEN + 28)
#define ETHERNET_ND_LEN     (ETHERNET_HEADER_LEN + 40 + 24)
#define ETHERNET_SAMPLE_MAX 96

struct ethernet_sample {
	uint8_t mac[ETHERNET_MAC_LEN]; /* the sender's */
	struct in_addr ip;             /* the sender's; 0: none */
	char text[ETHERNET_SAMPLE_MAX];
};

struct ethernet_claim {
	struct in_addr ip;   /* ARP */
	struct in6_addr ip6; /* neighbour discovery */
	uint8_t mac[ETHERNET_MAC_LEN];
};

/* Destination, source, type: ETHERNET_HEADER_LEN bytes. */
void ethernet_header(const uint8_t to[ETHERNET_MAC_LEN], const uint8_t from[ETHERNET_MAC_LEN],
	uint16_t type, uint8_t *out);
/* False: too short, what switches send by themselves (IGMP and MLD), or the question of a host that
 * just starts whether its address is free. */
bool ethernet_sample(const uint8_t *frame, size_t n, struct ethernet_sample *ret);
/* An ARP packet whose sender says that it has an address. */
bool ethernet_arp(const uint8_t *frame, size_t n, struct ethernet_claim *ret);
/* Asks for `ip` without claiming it, or (announce) claims it. ETHERNET_ARP_LEN bytes. */
void ethernet_arp_make(struct in_addr ip, const uint8_t mac[ETHERNET_MAC_LEN], bool announce,
	uint8_t out[ETHERNET_ARP_LEN]);

/* A neighbour solicitation or advertisement whose sender says that it has an address. */
bool ethernet_nd(const uint8_t *frame, size_t n, struct ethernet_claim *ret);
/* Asks for `ip` without claiming it. ETHERNET_ND_LEN bytes. */
void ethernet_nd_make(const struct in6_addr *ip, const uint8_t mac[ETHERNET_MAC_LEN],
	uint8_t out[ETHERNET_ND_LEN]);

#endif
