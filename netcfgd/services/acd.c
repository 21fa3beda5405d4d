/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address conflict detection (see acd.h). Pure; runs in netcfgd's services process.
 */
#include "netcfgd/services/acd.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void acd_init(struct acd *a, uint32_t random)
{
	memset(a, 0, sizeof(*a));
	a->random = random;
}

static usec_t some(struct acd *a, usec_t most)
{
	a->random = a->random * 1664525U + 1013904223U;
	return (usec_t)(a->random >> 8) % most;
}

struct in6_addr acd_mapped(struct in_addr ip)
{
	struct in6_addr out = {0};

	out.s6_addr[10] = out.s6_addr[11] = 0xff;
	memcpy(&out.s6_addr[12], &ip, sizeof(ip));
	return out;
}

bool acd_unmapped(const struct in6_addr *ip, struct in_addr *ret)
{
	if (!IN6_IS_ADDR_V4MAPPED(ip))
		return false;
	memcpy(ret, &ip->s6_addr[12], sizeof(*ret));
	return true;
}

static struct acd_addr *find(struct acd *a, uint32_t index, const struct in6_addr *ip)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->addrs[i].index == index && IN6_ARE_ADDR_EQUAL(&a->addrs[i].ip, ip))
			return &a->addrs[i];
	return NULL;
}

/* --- which addresses ------------------------------------------------------------------------- */
static void ask(struct acd *a, struct acd_addr *x, usec_t now)
{
	x->probes = ACD_PROBES;
	x->probe_at = now + some(a, ACD_PROBE_GAP / 2);
}

void acd_begin(struct acd *a)
{
	for (size_t i = 0; i < a->n; i++)
		a->addrs[i].marked = false;
}

void acd_put(struct acd *a, const struct acd_addr *what, usec_t now)
{
	struct acd_addr *x = find(a, what->index, &what->ip);
	bool fresh = !x;

	if (!x) {
		if (a->n == ACD_ADDRS)
			return;
		x = &a->addrs[a->n++];
		*x = (struct acd_addr){.ip = what->ip, .index = what->index, .virt = what->virt};
	}
	memcpy(x->link, what->link, sizeof(x->link));
	if (x->virt != what->virt)
		x->seen = 0;
	x->virt = what->virt;
	x->marked = true;
	if (what->carrier && (fresh || !x->carrier))
		ask(a, x, now);
	x->carrier = what->carrier;
}

void acd_end(struct acd *a)
{
	for (size_t i = 0; i < a->n;)
		if (a->addrs[i].marked)
			i++;
		else
			a->addrs[i] = a->addrs[--a->n];
}

void acd_role(struct acd *a, bool held)
{
	if (a->held == held)
		return;
	a->held = held;
	for (size_t i = 0; i < a->n; i++)
		if (a->addrs[i].virt)
			a->addrs[i].seen = 0;
}

/* --- conflicts ------------------------------------------------------------------------------- */
void acd_claim(struct acd *a, uint32_t index, const struct in6_addr *ip,
	const uint8_t mac[ACD_MAC_LEN], usec_t now)
{
	struct acd_addr *x = find(a, index, ip);

	if (!x || (x->virt && !a->held))
		return;
	if (!x->seen || now - x->seen >= ACD_HOLD)
		x->seen_first = now;
	x->seen = now;
	memcpy(x->mac, mac, ACD_MAC_LEN);
}

bool acd_conflict(const struct acd *a, const struct acd_addr *x, usec_t now)
{
	if (!x->seen || now - x->seen >= ACD_HOLD)
		return false;
	/* The peer that takes over a moment before we hear that we lost the lease is right. */
	return !x->virt || (a->held && x->seen - x->seen_first >= ACD_VIRTUAL);
}

/* --- sending --------------------------------------------------------------------------------- */
static bool probe_due(struct acd *a, struct acd_addr *x, usec_t now)
{
	if (now < x->probe_at)
		return false;
	if (x->probes)
		x->probes--;
	if (x->probes)
		x->probe_at = now + ACD_PROBE_GAP + some(a, ACD_PROBE_GAP / 2);
	else if (acd_conflict(a, x, now))
		x->probe_at = now + ACD_ASK_AGAIN;
	else
		x->probe_at = now + ACD_RECHECK - some(a, ACD_RECHECK / 4);
	return true;
}

/* The round in which a conflict was found goes on at the pace of conflicts. */
static void hasten(const struct acd *a, struct acd_addr *x, usec_t now)
{
	if (acd_conflict(a, x, now) && x->probe_at > now + ACD_ASK_AGAIN)
		x->probe_at = now + ACD_ASK_AGAIN;
}

static bool announce_due(const struct acd *a, const struct acd_addr *x, usec_t now)
{
	return IN6_IS_ADDR_V4MAPPED(&x->ip) && acd_conflict(a, x, now) &&
	       (!x->defended || now - x->defended >= ACD_DEFEND);
}

int acd_next(struct acd *a, usec_t now, const struct acd_addr **ret)
{
	for (size_t i = 0; i < a->n; i++) {
		struct acd_addr *x = &a->addrs[i];

		if (x->virt || !x->carrier)
			continue;
		*ret = x;
		hasten(a, x, now);
		if (announce_due(a, x, now)) {
			x->defended = now;
			return ACD_ANNOUNCE;
		}
		if (probe_due(a, x, now))
			return ACD_PROBE;
	}
	return 0;
}

void acd_text(const struct acd_addr *x, const char *who, char out[ACD_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "?", mac[32];
	struct in_addr v4;

	if (acd_unmapped(&x->ip, &v4))
		inet_ntop(AF_INET, &v4, ip, sizeof(ip));
	else
		inet_ntop(AF_INET6, &x->ip, ip, sizeof(ip));
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", x->mac[0], x->mac[1], x->mac[2],
		x->mac[3], x->mac[4], x->mac[5]);
	if (x->virt)
		snprintf(out, ACD_TEXT_MAX,
			"interface %s: virtual address %s, held by this node, is used by %s%s%s%s "
			"as "
			"well; remove it there",
			x->link, ip, who ? who : "", who ? " (" : "", mac, who ? ")" : "");
	else if (who)
		snprintf(out, ACD_TEXT_MAX,
			"interface %s: address %s is used by the other node %s (%s) as well; give "
			"each node an address of its own",
			x->link, ip, who, mac);
	else
		snprintf(out, ACD_TEXT_MAX,
			"interface %s: address %s is used by %s as well; give one of the two "
			"another address",
			x->link, ip, mac);
}
