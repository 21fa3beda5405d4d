/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The insides of an IPC server, for the two files that it is made of: ipc_accept.c lets clients in,
 * ipc_server.c does everything else.
 */
#ifndef GATEPAIR_COMMON_IPC_SERVER_PRIV_H
#define GATEPAIR_COMMON_IPC_SERVER_PRIV_H

#include <sys/queue.h>

#include "common/ipc_priv.h"
#include "common/log.h"
#include "common/timer.h"

struct out {
	STAILQ_ENTRY(out) next;
	size_t n;
	uint8_t data[];
};

struct ipc_conn {
	uv_poll_t poll;
	struct ipc_server *server;
	int fd;
	unsigned identities;
	bool closing, resting;
	void *data;
	STAILQ_HEAD(, out) backlog;
	size_t n_backlog, backlog_bytes;
};

struct ipc_server {
	uv_loop_t *loop;
	uv_poll_t listen;
	struct timer accept_retry, rest; /* with a listening socket only */
	int listen_fd;                   /* -1: a control channel */
	struct ipc_server_ops ops;
	void *owner;
	struct arena *arena;
	struct ipc_conn *conns[IPC_MAX_CLIENTS];
	size_t n_people;
	usec_t accept_window; /* since when newcomers are counted */
	unsigned n_newcomers;
	uint64_t counters[IPC_N_REFUSALS];
	struct log_limit limits[IPC_N_REFUSALS];
	bool closing;
	unsigned open_handles;
	void (*done)(void *owner);
};

/* Counts, and says so in the log within a limit. */
void ipc_server_refused(struct ipc_server *s, enum ipc_refusal why, const char *detail);
/* Takes a connected socket. Negative errno: too many of them. */
int ipc_conn_new(struct ipc_server *s, int fd, unsigned identities, struct ipc_conn **ret)
	__attribute__((warn_unused_result));
void ipc_server_on_accept_retry(struct timer *t, usec_t now);

#endif
