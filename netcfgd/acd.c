/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address conflict detection (see acd.h). Pure; runs in netcfgd's services process.
 */
#include "netcfgd/acd.h"

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

static struct acd_addr *find(struct acd *a, uint32_t index, struct in_addr ip)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->addrs[i].index == index && a->addrs[i].ip.s_addr == ip.s_addr)
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
	struct acd_addr *x = find(a, what->index, what->ip);
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
void acd_claim(struct acd *a, uint32_t index, struct in_addr ip, const uint8_t mac[ACD_MAC_LEN],
	usec_t now)
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

int acd_next(struct acd *a, usec_t now, const struct acd_addr **ret)
{
	for (size_t i = 0; i < a->n; i++) {
		struct acd_addr *x = &a->addrs[i];

		if (x->virt || !x->carrier)
			continue;
		*ret = x;
		hasten(a, x, now);
		if (acd_conflict(a, x, now) && (!x->defended || now - x->defended >= ACD_DEFEND)) {
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
	char ip[INET_ADDRSTRLEN] = "?", mac[32];

	inet_ntop(AF_INET, &x->ip, ip, sizeof(ip));
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
