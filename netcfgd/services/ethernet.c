/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Codec of what ethernet.h says. Pure; runs in netcfgd's services process.
 */
#include "netcfgd/services/ethernet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "common/cursor.h"

#define ARP_ETHERNET 1
#define ARP_SIZES    0x0604 /* of a MAC and of an IPv4 address */
#define ARP_REQUEST  1
#define ARP_REPLY    2
#define HOP_BY_HOP   0
#define ND_HOPS      255
#define ND_SOLICIT   135
#define ND_ADVERT    136
#define ND_BODY_LEN  24
#define MLD_QUERY    130
#define MLD_DONE     132
#define MLD2_REPORT  143

void ethernet_header(const uint8_t to[ETHERNET_MAC_LEN], const uint8_t from[ETHERNET_MAC_LEN],
	uint16_t type, uint8_t *out)
{
	struct wcursor c = wcursor_make(out, ETHERNET_HEADER_LEN);

	wcursor_bytes(&c, to, ETHERNET_MAC_LEN);
	wcursor_bytes(&c, from, ETHERNET_MAC_LEN);
	wcursor_u16(&c, type);
}

/* --- ARP ------------------------------------------------------------------------------------- */
static bool arp_body(struct rcursor *c, struct ethernet_claim *claim)
{
	uint16_t hardware = rcursor_u16(c), protocol = rcursor_u16(c), sizes = rcursor_u16(c);
	uint16_t op = rcursor_u16(c);

	rcursor_bytes(c, claim->mac, sizeof(claim->mac));
	rcursor_bytes(c, &claim->ip, sizeof(claim->ip));
	return !c->bad && hardware == ARP_ETHERNET && protocol == ETH_P_IP && sizes == ARP_SIZES &&
	       (op == ARP_REQUEST || op == ARP_REPLY);
}

bool ethernet_arp(const uint8_t *frame, size_t n, struct ethernet_claim *ret)
{
	struct rcursor c = rcursor_make(frame, n);
	struct ethernet_claim claim = {0};
	uint8_t macs[2 * ETHERNET_MAC_LEN];

	rcursor_bytes(&c, macs, sizeof(macs));
	if (rcursor_u16(&c) != ETH_P_ARP || !arp_body(&c, &claim) || claim.ip.s_addr == 0 ||
		(claim.mac[0] & 1))
		return false;
	*ret = claim;
	return true;
}

void ethernet_arp_make(struct in_addr ip, const uint8_t mac[ETHERNET_MAC_LEN], bool announce,
	uint8_t out[ETHERNET_ARP_LEN])
{
	static const uint8_t all[ETHERNET_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, none[6];
	const struct in_addr nobody = {0};
	struct wcursor c = wcursor_make(out + ETHERNET_HEADER_LEN, 28);

	ethernet_header(all, mac, ETH_P_ARP, out);
	wcursor_u16(&c, ARP_ETHERNET);
	wcursor_u16(&c, ETH_P_IP);
	wcursor_u16(&c, ARP_SIZES);
	wcursor_u16(&c, ARP_REQUEST);
	wcursor_bytes(&c, mac, ETHERNET_MAC_LEN);
	wcursor_bytes(&c, announce ? &ip : &nobody, sizeof(ip));
	wcursor_bytes(&c, none, ETHERNET_MAC_LEN);
	wcursor_bytes(&c, &ip, sizeof(ip));
}

/* --- neighbour discovery --------------------------------------------------------------------- */
bool ethernet_nd(const uint8_t *frame, size_t n, struct ethernet_claim *ret)
{
	struct rcursor c = rcursor_make(frame, n);
	struct ethernet_claim claim = {0};
	uint8_t head[6], next, hops, kind;
	struct in6_addr source, target;

	rcursor_bytes(&c, head, ETHERNET_MAC_LEN);
	rcursor_bytes(&c, claim.mac, sizeof(claim.mac));
	if (rcursor_u16(&c) != ETH_P_IPV6)
		return false;
	rcursor_bytes(&c, head, sizeof(head));
	next = rcursor_u8(&c);
	hops = rcursor_u8(&c);
	rcursor_bytes(&c, &source, sizeof(source));
	rcursor_bytes(&c, &target, sizeof(target)); /* the destination, which does not matter */
	kind = rcursor_u8(&c);
	rcursor_bytes(&c, head, sizeof(head));
	rcursor_u8(&c);
	rcursor_bytes(&c, &target, sizeof(target));
	if (c.bad || next != IPPROTO_ICMPV6 || hops != ND_HOPS || (claim.mac[0] & 1) ||
		(kind != ND_SOLICIT && kind != ND_ADVERT))
		return false;
	claim.ip6 = kind == ND_ADVERT ? target : source;
	if (IN6_IS_ADDR_UNSPECIFIED(&claim.ip6))
		return false;
	*ret = claim;
	return true;
}

/* RFC 1071, over whole 16-bit words. */
static uint32_t sum(const uint8_t *p, size_t n, uint32_t before)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		before += (uint32_t)p[i] << 8 | p[i + 1];
	return before;
}

static uint16_t folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

void ethernet_nd_make(const struct in6_addr *ip, const uint8_t mac[ETHERNET_MAC_LEN],
	uint8_t out[ETHERNET_ND_LEN])
{
	static const struct in6_addr nobody;
	struct in6_addr group = {.s6_addr = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}};
	uint8_t to[ETHERNET_MAC_LEN] = {0x33, 0x33, 0xff},
		*body = out + ETHERNET_ND_LEN - ND_BODY_LEN;
	struct wcursor c = wcursor_make(out + ETHERNET_HEADER_LEN, 40 + ND_BODY_LEN);
	uint16_t check;

	memcpy(&group.s6_addr[13], &ip->s6_addr[13], 3);
	memcpy(&to[3], &ip->s6_addr[13], 3);
	ethernet_header(to, mac, ETH_P_IPV6, out);
	wcursor_u32(&c, 0x60000000);
	wcursor_u16(&c, ND_BODY_LEN);
	wcursor_u8(&c, IPPROTO_ICMPV6);
	wcursor_u8(&c, ND_HOPS);
	wcursor_bytes(&c, &nobody, sizeof(nobody));
	wcursor_bytes(&c, &group, sizeof(group));
	wcursor_u8(&c, ND_SOLICIT);
	wcursor_u8(&c, 0);
	wcursor_u16(&c, 0);
	wcursor_u32(&c, 0);
	wcursor_bytes(&c, ip, sizeof(*ip));
	check = folded(sum(body, ND_BODY_LEN,
		sum(group.s6_addr, sizeof(group), ND_BODY_LEN + IPPROTO_ICMPV6)));
	body[2] = (uint8_t)(check >> 8);
	body[3] = (uint8_t)check;
}

/* --- samples --------------------------------------------------------------------------------- */
static bool sample_ipv4(struct rcursor *c, struct ethernet_sample *s)
{
	uint8_t head[9], protocol, sum[2];
	char ip[INET_ADDRSTRLEN] = "?";

	rcursor_bytes(c, head, sizeof(head));
	protocol = rcursor_u8(c);
	rcursor_bytes(c, sum, sizeof(sum));
	rcursor_bytes(c, &s->ip, sizeof(s->ip));
	if (c->bad || protocol == IPPROTO_IGMP)
		return false;
	inet_ntop(AF_INET, &s->ip, ip, sizeof(ip));
	snprintf(s->text, sizeof(s->text), "IP %s", ip);
	return true;
}

/* Behind the fixed header: a hop-by-hop header with the router alert, then ICMPv6. */
static bool is_mld(struct rcursor *c)
{
	uint8_t next = rcursor_u8(c), type;

	for (int i = 0; i < 7; i++)
		rcursor_u8(c);
	type = rcursor_u8(c);
	return !c->bad && next == IPPROTO_ICMPV6 &&
	       ((type >= MLD_QUERY && type <= MLD_DONE) || type == MLD2_REPORT);
}

static bool sample_ipv6(struct rcursor *c, struct ethernet_sample *s)
{
	uint8_t head[6], next;
	struct in6_addr source, target;
	char ip[INET6_ADDRSTRLEN] = "?";

	rcursor_bytes(c, head, sizeof(head));
	next = rcursor_u8(c);
	rcursor_u8(c);
	rcursor_bytes(c, &source, sizeof(source));
	rcursor_bytes(c, &target, sizeof(target));
	if (c->bad || IN6_IS_ADDR_UNSPECIFIED(&source) || (next == HOP_BY_HOP && is_mld(c)))
		return false;
	inet_ntop(AF_INET6, &source, ip, sizeof(ip));
	snprintf(s->text, sizeof(s->text), "IP %s", ip);
	return true;
}

static bool sample_arp(struct rcursor *c, struct ethernet_sample *s)
{
	struct ethernet_claim claim = {0};
	char ip[INET_ADDRSTRLEN] = "?";

	if (!arp_body(c, &claim) || claim.ip.s_addr == 0)
		return false;
	s->ip = claim.ip;
	inet_ntop(AF_INET, &claim.ip, ip, sizeof(ip));
	snprintf(s->text, sizeof(s->text), "ARP of %s", ip);
	return true;
}

bool ethernet_sample(const uint8_t *frame, size_t n, struct ethernet_sample *ret)
{
	struct rcursor c = rcursor_make(frame, n);
	struct ethernet_sample s = {0};
	uint8_t to[ETHERNET_MAC_LEN];
	bool ok = true;
	uint16_t type;

	rcursor_bytes(&c, to, sizeof(to));
	rcursor_bytes(&c, s.mac, sizeof(s.mac));
	type = rcursor_u16(&c);
	if (type == ETH_P_IP)
		ok = sample_ipv4(&c, &s);
	else if (type == ETH_P_IPV6)
		ok = sample_ipv6(&c, &s);
	else if (type == ETH_P_ARP)
		ok = sample_arp(&c, &s);
	else if (type < ETH_P_802_3_MIN)
		snprintf(s.text, sizeof(s.text), "an LLC frame");
	else
		snprintf(s.text, sizeof(s.text), "ethertype 0x%04x", type);
	if (c.bad || !ok)
		return false;
	*ret = s;
	return true;
}
