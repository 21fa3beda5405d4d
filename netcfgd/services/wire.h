/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet sockets for the cabling probe and for address conflicts: opened, filtered by the kernel,
 * read and written one frame at a time without waiting. Frames that this host sent are never seen.
 * Runs in netcfgd's services process, with CAP_NET_RAW.
 */
#ifndef GATEPAIR_NETCFGD_WIRE_H
#define GATEPAIR_NETCFGD_WIRE_H

#include <linux/filter.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAC_LEN   6
#define WIRE_ETH_LEN   14
#define WIRE_FRAME_MAX 256  /* as much of a frame as is read */
#define WIRE_PROGRAM   2048 /* instructions of a filter */

struct wire {
	int fd; /* -1: closed */
};

struct wire_frame {
	uint8_t data[WIRE_FRAME_MAX]; /* with its Ethernet header */
	size_t n;
	uint32_t index; /* of the interface it arrived on */
	uint16_t tag;   /* of a VLAN without an interface; 0: none */
};

struct wire_program {
	struct sock_filter code[WIRE_PROGRAM];
	unsigned short n;
};

/* `index` 0: on every interface. `program` NULL: all frames of the ethertype. */
int wire_open(struct wire *w, uint16_t ethertype, uint32_t index,
	const struct wire_program *program) __attribute__((warn_unused_result));
void wire_close(struct wire *w);
/* Replaces the one before in one step. */
int wire_filter(struct wire *w, const struct wire_program *program)
	__attribute__((warn_unused_result));
int wire_join(struct wire *w, uint32_t index, const uint8_t group[WIRE_MAC_LEN])
	__attribute__((warn_unused_result));
/* Also what the card would keep out, like VLANs that nobody has; ends with the socket. */
bool wire_promiscuous(struct wire *w, uint32_t index, bool on);
/* 1: a frame, of any length; 0: none waits. */
int wire_read(struct wire *w, struct wire_frame *ret);
int wire_send(struct wire *w, uint32_t index, const uint8_t *frame, size_t n)
	__attribute__((warn_unused_result));

/* Drops what comes from these MACs, what belongs to switches, and what has a VLAN tag. */
void wire_program_strangers(struct wire_program *p, const uint8_t (*macs)[WIRE_MAC_LEN], size_t n);
/* ARP packets whose sender has one of these addresses; with too many, all ARP packets. */
void wire_program_arp(struct wire_program *p, const struct in_addr *ips, size_t n);
/* Neighbour solicitations and advertisements. */
void wire_program_nd(struct wire_program *p);

#endif
