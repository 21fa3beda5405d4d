/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AF_PACKET in and out (see wire.h), and the kernel filters in classic BPF.
 */
#include "netcfgd/services/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A flood fills it and is dropped by the kernel behind that. */
#define RECEIVE_BUFFER (64 * 1024)

#define ND_SOLICIT 135
#define ND_ADVERT  136

/* --- sockets --------------------------------------------------------------------------------- */
int wire_filter(struct wire *w, const struct wire_program *program)
{
	struct sock_fprog prog = {
		.len = program->n, .filter = (struct sock_filter *)(uintptr_t)program->code};

	return setsockopt(w->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno
											: 0;
}

static int setup(
	struct wire *w, uint16_t ethertype, uint32_t index, const struct wire_program *program)
{
	struct sockaddr_ll sa = {.sll_family = AF_PACKET,
		.sll_ifindex = (int)index,
		.sll_protocol = htons(ethertype)};
	int size = RECEIVE_BUFFER, one = 1, rc = program ? wire_filter(w, program) : 0;

	if (rc < 0)
		return rc;
	if (setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0 ||
		setsockopt(w->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
		setsockopt(w->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
		bind(w->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return 0;
}

int wire_open(
	struct wire *w, uint16_t ethertype, uint32_t index, const struct wire_program *program)
{
	int rc;

	/* Protocol 0 until the filter is on: nothing is received before that. */
	w->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	rc = setup(w, ethertype, index, program);
	if (rc < 0)
		wire_close(w);
	return rc;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

int wire_join(struct wire *w, uint32_t index, const uint8_t group[WIRE_MAC_LEN])
{
	struct packet_mreq m = {
		.mr_ifindex = (int)index, .mr_type = PACKET_MR_MULTICAST, .mr_alen = WIRE_MAC_LEN};

	memcpy(m.mr_address, group, WIRE_MAC_LEN);
	return setsockopt(w->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) < 0 ? -errno : 0;
}

bool wire_promiscuous(struct wire *w, uint32_t index, bool on)
{
	struct packet_mreq m = {.mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC};

	return setsockopt(w->fd, SOL_PACKET, on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP,
		       &m, sizeof(m)) == 0;
}

static uint16_t tag_of(struct msghdr *m)
{
	struct tpacket_auxdata aux;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
			c->cmsg_len < CMSG_LEN(sizeof(aux)))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			return aux.tp_vlan_tci & 0xfff;
	}
	return 0;
}

int wire_read(struct wire *w, struct wire_frame *ret)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct sockaddr_ll from = {0};
	struct iovec iov = {ret->data, sizeof(ret->data)};
	struct msghdr m = {.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t n;

	/* That an interface went down is told once, and is no end. */
	for (int i = 0; i < 4; i++) {
		n = recvmsg(w->fd, &m, MSG_DONTWAIT);
		if (n >= 0 || (errno != EINTR && errno != ENETDOWN))
			break;
	}
	if (n < 0)
		return 0;
	ret->n = (size_t)n;
	ret->index = (uint32_t)from.sll_ifindex;
	ret->tag = tag_of(&m);
	return 1;
}

int wire_send(struct wire *w, uint32_t index, const uint8_t *frame, size_t n)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)index, .sll_halen = WIRE_MAC_LEN};

	memcpy(to.sll_addr, frame, WIRE_MAC_LEN);
	return sendto(w->fd, frame, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0
		       ? -errno
		       : 0;
}

/* --- filters --------------------------------------------------------------------------------- */
#define DROP  BPF_STMT(BPF_RET | BPF_K, 0)
#define TAKE  BPF_STMT(BPF_RET | BPF_K, WIRE_FRAME_MAX)
#define BYTE  (BPF_LD | BPF_B | BPF_ABS)
#define WORD  (BPF_LD | BPF_W | BPF_ABS)
#define HALF  (BPF_LD | BPF_H | BPF_ABS)
#define EQUAL (BPF_JMP | BPF_JEQ | BPF_K)

static void add(struct wire_program *p, struct sock_filter f)
{
	if (p->n < WIRE_PROGRAM)
		p->code[p->n++] = f;
}

/* Drops the frame when what was loaded equals k. */
static void drop_if(struct wire_program *p, uint32_t k)
{
	add(p, (struct sock_filter)BPF_JUMP(EQUAL, k, 0, 1));
	add(p, (struct sock_filter)DROP);
}

static void take_if(struct wire_program *p, uint32_t k)
{
	add(p, (struct sock_filter)BPF_JUMP(EQUAL, k, 0, 1));
	add(p, (struct sock_filter)TAKE);
}

static void drop_source(struct wire_program *p, const uint8_t m[WIRE_MAC_LEN])
{
	uint32_t high = (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];

	add(p, (struct sock_filter)BPF_STMT(WORD, 6));
	add(p, (struct sock_filter)BPF_JUMP(EQUAL, high, 0, 3));
	add(p, (struct sock_filter)BPF_STMT(HALF, 10));
	drop_if(p, (uint32_t)m[4] << 8 | m[5]);
}

void wire_program_strangers(struct wire_program *p, const uint8_t (*macs)[WIRE_MAC_LEN], size_t n)
{
	/* vrrpd's frames and the probe, loop tests, LLDP, LACP and its like, 802.1X, and loop
	 * protection as switches of several makers have it. */
	static const uint16_t types[] = {
		0x88B5, 0x88B6, 0x9000, ETH_P_LLDP, ETH_P_SLOW, ETH_P_PAE, 0x8899, 0x8918};

	p->n = 0;
	for (size_t i = 0; i < n; i++)
		drop_source(p, macs[i]);
	add(p, (struct sock_filter)BPF_STMT(WORD, (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
	drop_if(p, 1);
	/* Spanning tree and all else of 802.1; Cisco's protocols; Extreme's. */
	add(p, (struct sock_filter)BPF_STMT(WORD, 0));
	drop_if(p, 0x0180C200);
	drop_if(p, 0x01000CCC);
	drop_if(p, 0x00E02B00);
	add(p, (struct sock_filter)BPF_STMT(HALF, 12));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		drop_if(p, types[i]);
	add(p, (struct sock_filter)TAKE);
}

void wire_program_arp(struct wire_program *p, const struct in_addr *ips, size_t n)
{
	p->n = 0;
	if (n > (WIRE_PROGRAM - 2) / 2) {
		add(p, (struct sock_filter)TAKE);
		return;
	}
	add(p, (struct sock_filter)BPF_STMT(WORD, WIRE_ETH_LEN + 14));
	for (size_t i = 0; i < n; i++)
		take_if(p, ntohl(ips[i].s_addr));
	add(p, (struct sock_filter)DROP);
}

void wire_program_nd(struct wire_program *p)
{
	p->n = 0;
	add(p, (struct sock_filter)BPF_STMT(BYTE, WIRE_ETH_LEN + 6));
	add(p, (struct sock_filter)BPF_JUMP(EQUAL, IPPROTO_ICMPV6, 1, 0));
	add(p, (struct sock_filter)DROP);
	add(p, (struct sock_filter)BPF_STMT(BYTE, WIRE_ETH_LEN + 40));
	take_if(p, ND_SOLICIT);
	take_if(p, ND_ADVERT);
	add(p, (struct sock_filter)DROP);
}
