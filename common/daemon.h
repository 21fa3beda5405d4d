/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every daemon's main() shares: the loop, the control channel to the supervisor (fd
 * DAEMON_CONTROL_FD), the listening socket it made for us (fd DAEMON_LISTEN_FD), the two-phase
 * configuration, Status, the orderly stop. A daemon supplies its operations and its IPC table.
 *
 * Life: daemon_run() → init() → PREPARE+COMMIT with the first config → ops.commit() → daemon says
 * daemon_ready() once it does its work → … → Stop or SIGTERM → ops.stop() → daemon_stopped().
 * There is no greeting: PREPARE may be waiting in the control channel before the daemon runs.
 * Clients wait in the listening socket's backlog until the first commit has returned, so no rule's
 * handler ever runs without a config. Before the first commit ops.stop is not called either.
 *
 * When the control channel closes, the supervisor is dead: the daemon stops in an orderly way at
 * once (for vrrpd: a hand-over to the peer). It must not work on: whoever restarts the supervisor
 * starts a fresh set of daemons, and there must never be two.
 *
 * One daemon per process. SIGINT and SIGHUP are ignored: they are the supervisor's, which shares
 * our terminal.
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
	/* Can this config be used? 0, or negative errno with a sentence in `why`. Changes nothing.
	 */
	int (*prepare)(void *owner, const struct config *cfg, char *why, size_t why_size);
	/* Use it. `cfg` lives until the next commit has returned. The first call starts the daemon.
	 */
	void (*commit)(void *owner, const struct config *cfg);
	/* Fill in counters and detail; memory from `scratch`. All else is filled in already, state
	 * and reason from daemon_state(); the IPC counters are added after the daemon's own. */
	void (*status)(void *owner, Gp__Status *st, struct arena *scratch);
	/* Whether another daemon of this node does its work (vrrpd only, else NULL). */
	void (*daemon_health)(void *owner, const char *daemon, bool healthy, const char *reason);
	/* Begin an orderly stop; call daemon_stopped() when done, maybe at once (a deadline of 5 s
	 * applies). What is still on the loop then is simply left behind: the process exits. */
	void (*stop)(void *owner);
};

/* Runs the loop; returns the exit status for main(): 0 after an orderly stop. `init` is called once
 * with the loop ready and before anything arrives; it sets up the owner and returns 0 or negative
 * errno. `ops` is kept. */
int daemon_run(const struct daemon_ops *ops, void *owner,
	int (*init)(void *owner, struct daemon *d, uv_loop_t *loop));

uv_loop_t *daemon_loop(struct daemon *d);
/* RUNDIR, from the environment variable GATEPAIR_RUNDIR that the supervisor sets. */
const char *daemon_rundir(const struct daemon *d);
/* RUNDIR/NAME.sock, for ipc_client_new(). Returns out. */
#define DAEMON_PATH_MAX 108
const char *daemon_socket(const struct daemon *d, const char *name, char out[DAEMON_PATH_MAX]);
struct ipc_server *daemon_server(struct daemon *d);
/* Once; more calls do nothing. */
void daemon_ready(struct daemon *d);
void daemon_stopped(struct daemon *d);
/* Remembers an error for Status (newest 8) and logs it. */
void daemon_error(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One notice per transition: "state old → new: why"; also what Status shows as state since when.
 * With the state unchanged, only the reason is replaced. State: one word of at most 31 bytes. */
void daemon_state(struct daemon *d, const char *state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
