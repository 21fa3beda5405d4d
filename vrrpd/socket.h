/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet sockets: per link one for beats and, where instances run, one for adverts. A kernel filter
 * lets nothing else wake us. Runs in vrrpd.
 */
#ifndef GATEPAIR_VRRPD_SOCKET_H
#define GATEPAIR_VRRPD_SOCKET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "vrrpd/election.h"
#include "vrrpd/packet.h"

#define SOCKET_FRAME_MAX 1514

enum socket_kind { SOCKET_BEAT, SOCKET_VRRP, SOCKET_KINDS };

struct socket_port;
struct socket_tap {
	uv_poll_t poll;
	struct socket_port *port;
	enum socket_kind kind;
	int fd;       /* -1: none */
	bool closing; /* the handle is not free yet */
};

/* One interface. */
struct socket_port {
	struct sockets *all;
	size_t link;
	bool wanted[SOCKET_KINDS];
	unsigned ifindex; /* 0: does not exist */
	uint8_t mac[MAC_LEN];
	struct socket_tap taps[SOCKET_KINDS];
};

struct sockets {
	uv_loop_t *loop;
	/* A frame from its Ethernet header on. */
	void (*frame)(void *owner, size_t link, enum socket_kind kind, const uint8_t *p, size_t n);
	void *owner;
	struct socket_port ports[ELECTION_MAX_LINKS];
	size_t n;
	uint64_t open_errors, send_errors, drained;
};

void sockets_init(struct sockets *s, uv_loop_t *loop,
	void (*frame)(void *, size_t, enum socket_kind, const uint8_t *, size_t), void *owner);
/* What is needed on this link; interfaces appear with sockets_link(). */
void sockets_want(struct sockets *s, size_t link, bool beat, bool vrrp);
/* Forgets all links. */
void sockets_reset(struct sockets *s);
/* The interface is there (again), or gone (ifindex 0). 0 or negative errno. */
int sockets_link(struct sockets *s, size_t link, unsigned ifindex, const uint8_t mac[MAC_LEN])
	__attribute__((warn_unused_result));
/* 0, or negative errno (-ENETDOWN, -ENOBUFS, …), which is counted. */
int sockets_send(struct sockets *s, size_t link, const uint8_t *frame, size_t n);
/* Reads what is waiting on all links, in bounds. */
void sockets_poll(struct sockets *s);
/* Throws away what is waiting on all links. */
void sockets_drain(struct sockets *s);

/* Ethernet header of a beat. */
#define SOCKET_ETH_LEN 14
void sockets_beat_header(const uint8_t source[MAC_LEN], uint8_t out[SOCKET_ETH_LEN]);

#endif
