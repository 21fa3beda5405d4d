/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every daemon's main() shares: the loop, the control channel to the supervisor (fd
 * DAEMON_CONTROL_FD), the listening socket it made for us (fd DAEMON_LISTEN_FD), the two-phase
 * configuration, Status, the orderly stop. A daemon supplies its operations and its IPC table.
 *
 * Life: daemon_run() → hello → PREPARE+COMMIT with the first config → ops.commit() → daemon says
 * daemon_ready() once it does its work → … → Stop or SIGTERM → ops.stop() → daemon_stopped().
 * When the control channel closes, the supervisor is dead: the daemon stops in an orderly way too.
 */
#ifndef GATEPAIR_COMMON_DAEMON_H
#define GATEPAIR_COMMON_DAEMON_H

#include "common/arena.h"
#include "common/config.h"
#include "common/ipc.h"

#define DAEMON_CONTROL_FD 3
#define DAEMON_LISTEN_FD  4

struct daemon;

struct daemon_ops {
	const char *name;
	const struct ipc_rule *rules; /* beyond status_request, which is built in */
	size_t n_rules;
	unsigned (*state_bit)(void *owner);
	void (*conn_closed)(struct ipc_conn *c, void *owner);
	/* Can this config be used? 0, or negative errno with a sentence in `why`. Changes nothing. */
	int (*prepare)(void *owner, const struct config *cfg, char *why, size_t why_size);
	/* Use it. `cfg` lives until the next commit has returned. The first call starts the daemon. */
	void (*commit)(void *owner, const struct config *cfg);
	/* Fill in state, reason, counters and detail; memory from `scratch`. */
	void (*status)(void *owner, Gp__Status *st, struct arena *scratch);
	/* Whether another daemon of this node does its work (vrrpd only, else NULL). */
	void (*daemon_health)(void *owner, const char *daemon, bool healthy, const char *reason);
	/* Begin an orderly stop; call daemon_stopped() when done (a deadline of 5 s applies). */
	void (*stop)(void *owner);
};

/* Runs the loop; returns the exit status for main(). `init` is called once with the loop ready and
 * before anything arrives; it sets up the owner and returns 0 or negative errno. */
int daemon_run(const struct daemon_ops *ops, void *owner,
	int (*init)(void *owner, struct daemon *d, uv_loop_t *loop));

uv_loop_t *daemon_loop(struct daemon *d);
/* RUNDIR, from the environment variable GATEPAIR_RUNDIR that the supervisor sets. */
const char *daemon_rundir(const struct daemon *d);
struct ipc_server *daemon_server(struct daemon *d);
/* Once; more calls do nothing. */
void daemon_ready(struct daemon *d);
void daemon_stopped(struct daemon *d);
/* Remembers an error for Status (newest 8) and logs it. */
void daemon_error(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One notice per transition: "state old → new: why"; also what Status shows as state since when. */
void daemon_state(struct daemon *d, const char *state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
