/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Codec of the cabling probe, PROBE.md. Pure; runs in netcfgd's services process.
 */
#include "netcfgd/services/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/cursor.h"

#define MAGIC    0x47504350U /* "GPCP" */
#define MTU_MIN  68
#define MTU_MAX  65535
#define VLAN_MAX 4094

int probe_encode(const struct probe *p, size_t pad, uint8_t *out, size_t size)
{
	struct wcursor c = wcursor_make(out, size);
	size_t node = strnlen(p->node, PROBE_NODE_MAX), len = PROBE_FIXED + node;

	wcursor_u32(&c, MAGIC);
	wcursor_u8(&c, PROBE_VERSION);
	wcursor_u8(&c, (uint8_t)p->kind);
	wcursor_u8(&c, (uint8_t)p->path);
	wcursor_u8(&c, (uint8_t)node);
	wcursor_u16(&c, (uint16_t)len);
	wcursor_u16(&c, p->vlan);
	wcursor_u32(&c, p->mtu);
	wcursor_u64(&c, p->own);
	wcursor_u64(&c, p->peer);
	wcursor_u64(&c, p->session);
	wcursor_u32(&c, p->sequence);
	wcursor_bytes(&c, p->link, sizeof(p->link));
	wcursor_bytes(&c, p->node, node);
	if (c.bad || pad > size)
		return -ENOSPC;
	if (pad <= len)
		return (int)len;
	memset(out + len, 0, pad - len);
	return (int)pad;
}

/* Names are shown to people: printable ASCII without spaces. */
static bool name_ok(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return n > 0;
}

static bool fields_ok(const struct probe *p, size_t node)
{
	return p->kind >= PROBE_SMALL && p->kind <= PROBE_FULL && p->path >= PROBE_HA &&
	       p->path <= PROBE_OTHER && p->vlan <= VLAN_MAX && p->mtu >= MTU_MIN &&
	       p->mtu <= MTU_MAX && p->own && p->peer && p->own != p->peer && p->session &&
	       p->link[IFNAMSIZ - 1] == '\0' && name_ok(p->link, strnlen(p->link, IFNAMSIZ)) &&
	       name_ok(p->node, node);
}

enum probe_reason probe_decode(const uint8_t *in, size_t n, struct probe *ret)
{
	struct rcursor c = rcursor_make(in, n);
	struct probe p = {0};
	size_t node, len;

	if (n < PROBE_FIXED)
		return PROBE_TOO_SHORT;
	if (rcursor_u32(&c) != MAGIC)
		return PROBE_BAD_MAGIC;
	if (rcursor_u8(&c) != PROBE_VERSION)
		return PROBE_BAD_VERSION;
	p.kind = rcursor_u8(&c);
	p.path = rcursor_u8(&c);
	node = rcursor_u8(&c);
	len = rcursor_u16(&c);
	if (node > PROBE_NODE_MAX || len != PROBE_FIXED + node || len > n)
		return PROBE_BAD_LENGTH;
	p.vlan = rcursor_u16(&c);
	p.mtu = rcursor_u32(&c);
	p.own = rcursor_u64(&c);
	p.peer = rcursor_u64(&c);
	p.session = rcursor_u64(&c);
	p.sequence = rcursor_u32(&c);
	rcursor_bytes(&c, p.link, sizeof(p.link));
	rcursor_bytes(&c, p.node, node);
	if (c.bad || !fields_ok(&p, node))
		return PROBE_BAD_FIELD;
	*ret = p;
	return PROBE_OK;
}
