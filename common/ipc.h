/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPC of the suite: one protobuf Envelope per SOCK_SEQPACKET datagram, at most IPC_MAX bytes.
 *
 * Server: one const table says which identity may send which message in which state. It is looked
 * up once, before anything else happens with a message; a message without a row, from the wrong
 * identity or one that its check refuses closes the connection (wrong identity and check: after
 * an Error answer); in the wrong state it is answered with an Error (-EBUSY) only. Every refusal is
 * counted by reason. A stranger (no identity at all) is told so and disconnected at once.
 *
 * Messages that a connection left unread when it closed are discarded: nobody waits for the answer,
 * and after a freeze a command must not be carried out late.
 *
 * Bounds: IPC_MAX_CLIENTS connections, of which people (neither root nor a daemon) may have
 * IPC_MAX_PEOPLE; IPC_MAX_BACKLOG unsent datagrams and IPC_MAX_BACKLOG_BYTES per connection (a
 * reader that does not read is disconnected); per wake-up IPC_MAX_PER_WAKEUP messages of a daemon
 * and one of anybody else, and of each of the people one in 5 ms, so that they can neither starve
 * the daemons nor keep a real-time daemon from sleeping. A subscriber gets all its first
 * notifications at once, so IPC_MAX_BACKLOG is above the number of interfaces that there can be.
 */
#ifndef GATEPAIR_COMMON_IPC_H
#define GATEPAIR_COMMON_IPC_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/clock.h"
#include "ipc.pb-c.h"

#define IPC_VERSION        1
#define IPC_MAX            65536
#define IPC_MAX_CLIENTS    64
#define IPC_MAX_PEOPLE     32
#define IPC_MAX_BACKLOG    2048
#define IPC_MAX_PER_WAKEUP 32

#define IPC_MAX_BACKLOG_BYTES (1 << 20)

/* Who is at the other end, from SO_PEERCRED and SO_PEERGROUPS: a set, as root is also an admin. */
enum ipc_identity {
	IPC_ROOT = 1 << 0,
	IPC_ADMIN = 1 << 1,  /* group gatepair-admin */
	IPC_VIEWER = 1 << 2, /* group gatepair */
	IPC_VRRPD = 1 << 3,  /* user gatepair-vrrpd, and so on */
	IPC_SYNCD = 1 << 4,
	IPC_NETCFGD = 1 << 5,
	IPC_ACTIVATED = 1 << 6,
	IPC_SUPERVISOR = 1 << 7, /* the control channel */
};
#define IPC_DAEMONS     (IPC_VRRPD | IPC_SYNCD | IPC_NETCFGD | IPC_ACTIVATED | IPC_SUPERVISOR)
#define IPC_MAY_QUERY   (IPC_ROOT | IPC_ADMIN | IPC_VIEWER | IPC_SUPERVISOR)
#define IPC_MAY_COMMAND (IPC_ROOT | IPC_ADMIN)
#define IPC_ANY_STATE   (~0u)

struct ipc_server;
struct ipc_conn; /* one client of a server; valid until its close callback */

struct ipc_rule {
	Gp__Envelope__BodyCase body;
	unsigned identities; /* any of these */
	unsigned states;     /* bit set over the daemon's own state numbers; IPC_ANY_STATE */
	/* Presence, ranges, lengths, NULs; NULL when there is nothing to check. Returns NULL if all
	 * is well, else a sentence. */
	const char *(*check)(const Gp__Envelope *e);
	void (*handle)(struct ipc_conn *c, const Gp__Envelope *e, void *owner);
};

struct ipc_server_ops {
	const struct ipc_rule *rules;
	size_t n_rules;
	unsigned (*state_bit)(void *owner); /* NULL: always state 0 */
	/* NULL: nobody cares. Runs from the loop, never inside another call; the last use of `c`.
	 */
	void (*conn_closed)(struct ipc_conn *c, void *owner);
};

/* Takes a listening SOCK_SEQPACKET fd (the supervisor made it; it is not closed). */
int ipc_server_new(uv_loop_t *loop, int listen_fd, const struct ipc_server_ops *ops, void *owner,
	struct ipc_server **ret) __attribute__((warn_unused_result));
/* Stop and resume accepting; meanwhile clients wait in the socket's backlog. On after new(). */
int ipc_server_accept(struct ipc_server *s, bool on) __attribute__((warn_unused_result));
/* Closes all connections; `done` runs when nothing on the loop refers to it any more. */
void ipc_server_close(struct ipc_server *s, void (*done)(void *owner));
#define IPC_N_COUNTERS 10
/* Messages handled and refusals by reason, for Status: names are static. Returns how many were
 * filled in. */
size_t ipc_server_counters(const struct ipc_server *s, Gp__Counter *out, size_t max);

unsigned ipc_conn_identities(const struct ipc_conn *c);
/* Any owner's pointer, e.g. a subscription. */
void ipc_conn_set_data(struct ipc_conn *c, void *data);
void *ipc_conn_data(const struct ipc_conn *c);

/* Answers: `id` is that of the request. Encoding happens at once; nothing is kept. Errors of a dead
 * connection are handled inside. The version is filled in. An answer of more than IPC_MAX bytes
 * becomes an Error (-EMSGSIZE). */
void ipc_send(struct ipc_conn *c, Gp__Envelope *e);
void ipc_reply_ack(struct ipc_conn *c, uint64_t id);
void ipc_reply_error(struct ipc_conn *c, uint64_t id, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* To every connection whose data pointer is not NULL. */
void ipc_broadcast(struct ipc_server *s, Gp__Envelope *e);

/*
 * Client of another daemon's socket: connects, reconnects by itself (2 ms after a close, then
 * doubling to 500 ms), times requests out. Callbacks run from the loop only. `up` means that the
 * socket took us: a daemon that is restarting answers when it is back, or the request times out.
 */
struct ipc_client;
struct ipc_client_ops {
	void (*up)(struct ipc_client *c, void *owner); /* connected: subscribe here */
	void (*down)(
		struct ipc_client *c, void *owner); /* closed; pending requests were answered */
	void (*notify)(struct ipc_client *c, const Gp__Envelope *e, void *owner); /* id 0 */
};
/* `answer` NULL: timeout or connection closed; err says which (-ETIMEDOUT, -ECONNRESET). */
typedef void ipc_answer_fn(const Gp__Envelope *answer, int err, void *owner, uint64_t cookie);

int ipc_client_new(uv_loop_t *loop, const char *path, const struct ipc_client_ops *ops, void *owner,
	struct ipc_client **ret) __attribute__((warn_unused_result));
bool ipc_client_is_up(const struct ipc_client *c);
/* 0, or -ENOTCONN, -EAGAIN (64 requests pending). The envelope's version and id are filled in. */
int ipc_client_ask(struct ipc_client *c, Gp__Envelope *e, usec_t timeout, ipc_answer_fn *fn,
	uint64_t cookie) __attribute__((warn_unused_result));
void ipc_client_close(struct ipc_client *c, void (*done)(void *owner));

/* Blocking, for the gatepair command: one question, one answer (owned by the caller, free with
 * gp__envelope__free_unpacked(ret, NULL)). 0 or negative errno. */
int ipc_call(const char *path, Gp__Envelope *e, usec_t timeout, Gp__Envelope **ret)
	__attribute__((warn_unused_result));

/* A connected SEQPACKET fd as a server connection with its own table: the control channel. The fd
 * is closed with the connection. Here, too, `ops` is copied, its rules are kept. */
int ipc_conn_adopt(uv_loop_t *loop, int fd, unsigned identities, const struct ipc_server_ops *ops,
	void *owner, struct ipc_conn **ret) __attribute__((warn_unused_result));
void ipc_conn_close(struct ipc_conn *c);

#endif
