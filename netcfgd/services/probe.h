/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames by which two nodes find out how they are cabled, PROBE.md: the codec, pure. They carry
 * nothing that decides anything: what a stranger forges leads to a wrong sentence for people.
 * Runs in netcfgd's services process.
 */
#ifndef GATEPAIR_NETCFGD_PROBE_H
#define GATEPAIR_NETCFGD_PROBE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_ETHERTYPE 0x88B6 /* IEEE 802 local experimental 2; vrrpd's frames have the first */
#define PROBE_VERSION   1
#define PROBE_NODE_MAX  63
#define PROBE_FIXED     60
#define PROBE_MAX       (PROBE_FIXED + PROBE_NODE_MAX) /* without padding */

enum probe_kind {
	PROBE_SMALL = 1, /* to the group */
	PROBE_DIRECT,    /* to 01:80:C2:00:00:0E, which no switch passes on */
	PROBE_FULL,      /* to the group, as large as the MTU allows */
};

enum probe_path {
	PROBE_HA = 1, /* sent on the sender's HA link */
	PROBE_OTHER,  /* on another link of its own */
};

struct probe {
	enum probe_kind kind;
	enum probe_path path;
	uint16_t vlan; /* of the sender's interface; 0: untagged */
	uint32_t mtu;
	uint64_t own, peer; /* start of the fingerprints of the sender's key and of its peer's */
	uint64_t session;   /* random, not 0, new at each start of the sender */
	uint32_t sequence;
	char link[IFNAMSIZ]; /* the sender's interface */
	char node[PROBE_NODE_MAX + 1];
};

enum probe_reason {
	PROBE_OK,
	PROBE_TOO_SHORT,
	PROBE_BAD_MAGIC,
	PROBE_BAD_VERSION,
	PROBE_BAD_LENGTH,
	PROBE_BAD_FIELD,
};

/* Bytes written, padded with zeros to `pad` of them if that is more; or -ENOSPC. */
int probe_encode(const struct probe *p, size_t pad, uint8_t *out, size_t size)
	__attribute__((warn_unused_result));
/* The payload behind the Ethernet header; what follows it is ignored. */
enum probe_reason probe_decode(const uint8_t *in, size_t n, struct probe *ret)
	__attribute__((warn_unused_result));

#endif
