/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bed of the IPC tests: a loop with a server in this process, on a real socket in a folder of
 * its own, with a small access table; raw sockets that talk to it.
 */
#ifndef GATEPAIR_TESTS_IPC_BED_H
#define GATEPAIR_TESTS_IPC_BED_H

#include "common/ipc_priv.h"

struct bed {
	uv_loop_t loop;
	char dir[64], path[96];
	int listen_fd;
	struct ipc_server *server;
	bool server_closed;
	unsigned state;   /* what state_bit returns */
	unsigned handled; /* requests that reached a handler */
	unsigned closed;  /* connections */
	bool mute;        /* handlers do not answer */
	struct ipc_conn *subscriber;
};

/* The table: StatusRequest for viewers → Ack; SwitchoverRequest for admins, in state 1 only;
 * LeaseRequest for vrrpd, ttl up to 1 s by its check; LinkSubscribe for vrrpd and admins → Ack, and
 * the connection gets broadcasts. */
void bed_open(struct bed *b);
void bed_close(struct bed *b);
/* Turns the loop until *flag, at most 2 s; false when it never came. */
bool bed_until(struct bed *b, const bool *flag);
void bed_turn(struct bed *b, int times);
uint64_t bed_counter(const struct bed *b, enum ipc_refusal which);

/* Of a group; fails the test when the group is missing. */
unsigned bed_gid(const char *group);

/* A connected raw socket to the bed's server. */
int bed_connect(const struct bed *b);
/* Sends an envelope with this body (an empty message, or the given one). */
void bed_send(int fd, uint64_t id, Gp__Envelope__BodyCase body, void *message);
/* Turns the loop until a message arrives at fd or it is closed. Returns the error code of an Error
 * answer, 0 for another message, -EPIPE when closed; -EAGAIN when nothing came. */
int bed_answer(struct bed *b, int fd);

#endif
