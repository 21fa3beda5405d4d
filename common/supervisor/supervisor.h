/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's state and what its files need of each other: supervisor.c and rollout.c
 * act by the two pure cores (policy, reload), ipc.c talks to the daemons and to the supervisor's
 * clients.
 */
#ifndef GATEPAIR_SUPERVISOR_H
#define GATEPAIR_SUPERVISOR_H

#include <uv.h>

#include "common/config.h"
#include "common/ipc.h"
#include "common/supervisor/policy.h"
#include "common/supervisor/reload.h"
#include "common/supervisor/spawn.h"
#include "common/timer.h"

#define SUPERVISOR_MAX_CHILDREN 4
#define SUPERVISOR_WHY_MAX      512

/* Who waits for an answer; conn NULL: nobody, or gone. */
struct requester {
	struct ipc_conn *conn;
	uint64_t id;
};

/* What a daemon was last sent about its configuration and has not answered yet. */
enum child_phase { CHILD_IDLE, CHILD_ASKED, CHILD_TOLD };

struct child {
	struct supervisor *sup;
	struct spawn spawn;
	struct policy policy;
	int listen_fd;
	pid_t pid;                /* 0: not running */
	struct ipc_conn *control; /* NULL: not running, or it closed it */
	usec_t started;
	char last_exit[32];

	uint64_t generation; /* it runs on; 0: none yet */
	enum child_phase phase;
	uint64_t phase_generation, phase_id;
	bool refused; /* the node's configuration, at its start */

	struct requester restart;
};

struct supervisor {
	const char *config_file, *rundir, *statedir;
	uv_loop_t loop;
	struct child children[SUPERVISOR_MAX_CHILDREN]; /* in the order of their start */
	unsigned n_children;

	struct config *current, *next; /* next: while a reload is being prepared */
	uint64_t generation, newest_generation, last_id;
	struct reload reload;
	struct requester reload_by;
	char refusal[SUPERVISOR_WHY_MAX]; /* what the first daemon said that refused */

	struct timer tick;
	uv_signal_t sigchld, sigterm, sigint, sighup;
	struct ipc_server *server;
	struct arena *scratch; /* for messages out */
	usec_t feed_watchdog;

	bool stopping, announced;
	const char *state;
	char reason[SUPERVISOR_WHY_MAX];
	usec_t started, state_since;
	uint64_t reloads, reloads_refused;
};

/* --- supervisor.c ---------------------------------------------------------------------------- */

/* Children, config, rundir and sockets are set up; starts everything on the loop. */
int supervisor_start(struct supervisor *sup) __attribute__((warn_unused_result));
void supervisor_restart(struct child *ch, struct requester by);
struct child *supervisor_child(struct supervisor *sup, const char *name);
const char *child_name(const struct child *ch);
unsigned child_index(const struct child *ch);
/* After every event: judges the state, sets the timer. */
void supervisor_settle(struct supervisor *sup, usec_t now);
/* For config_warn(). */
void supervisor_warn(const char *line);
/* To vrrpd, about another daemon. */
void supervisor_tell_health(struct child *about);

/* What a child said, or that its channel closed. */
void supervisor_on_ready(struct child *ch);
void supervisor_on_status(struct child *ch);
void supervisor_on_hangup(struct child *ch);

/* --- rollout.c ------------------------------------------------------------------------------- */

void supervisor_reload(struct supervisor *sup, struct requester by);
/* To PREPARE or COMMIT. */
void supervisor_on_answer(struct child *ch, uint64_t id, bool ok, const char *text);
void rollout_catch_up(struct child *ch);
void rollout_died(struct child *ch, usec_t now);
void rollout_tick(struct supervisor *sup, usec_t now);

/* --- ipc.c ----------------------------------------------------------------------------------- */

int control_open(struct child *ch, int fd) __attribute__((warn_unused_result));
void control_close(struct child *ch);
/* These return the id that the answer will carry. */
uint64_t control_prepare(struct child *ch, const struct config *cfg, uint64_t generation);
uint64_t control_commit(struct child *ch, uint64_t generation);
void control_abort(struct child *ch, uint64_t generation);
void control_query(struct child *ch);
void control_stop(struct child *ch);
/* To `ch` (vrrpd) about another. */
void control_health(struct child *ch, const struct child *about, const char *reason);

int control_serve(struct supervisor *sup, int listen_fd) __attribute__((warn_unused_result));
void requester_ack(struct requester *r);
void requester_fail(struct requester *r, int err, const char *text);

#endif
