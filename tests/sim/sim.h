/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated world: two whole nodes made of the suite's pure cores (election, lease, replica,
 * dirty set, supervision policy), the kernels below them, the processes and sockets around them and
 * the network between them, on one virtual clock. Everything that happens is an event in one queue
 * ordered by (time, number); everything random comes from the seed. So a seed is a whole history,
 * and the same seed is the same history. pair.c tells how to run and replay it.
 */
#ifndef GATEPAIR_TESTS_SIM_SIM_H
#define GATEPAIR_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/supervisor/policy.h"
#include "netcfgd/lease.h"
#include "syncd/dirty.h"
#include "syncd/flow.h"
#include "syncd/replica.h"
#include "syncd/shadow.h"
#include "vrrpd/beat.h"
#include "vrrpd/election.h"

#define MS  USEC_PER_MS
#define SEC USEC_PER_SEC

#define SIM_SESSIONS 48   /* names a session can have */
#define SIM_SLICE    8    /* sessions that a walk over the kernel sees at once */
#define SIM_BATCH    12   /* records in one batch */
#define SIM_EVENTS   8192 /* waiting at once */
#define SIM_INBOX    512  /* messages a process has not read: the sockets' buffers */
#define SIM_KEVENTS  256  /* unread conntrack events: the netlink socket's buffer */
#define SIM_STREAM   128  /* frames under way on the HA link, per direction */
#define SIM_PENDING  64   /* requests of one client without an answer */
#define SIM_TRACE    40   /* lines kept for a failure */
#define SIM_LINE     200

enum { NODES = 2 };
enum sim_path { PATH_LAN, PATH_WAN, PATH_HA, PATHS };
enum sim_proc { PROC_SUPERVISOR, PROC_NETCFGD, PROC_SYNCD, PROC_VRRPD, PROCS };

/* --- messages: what travels to a process ----------------------------------------------------- */
enum msg_kind {
	MSG_NONE,
	/* network to vrrpd */
	MSG_FRAME,
	MSG_ADVERT,
	/* vrrpd's connections: to netcfgd and syncd, and what comes back */
	MSG_CHANNEL_DOWN,
	MSG_LINK_SUBSCRIBE,
	MSG_LINK_STATE,
	MSG_LEASE_REQUEST,
	MSG_LEASE_REPLY,
	MSG_SYNC_SUBSCRIBE,
	MSG_SYNC_STATE,
	MSG_PEER_KEY,
	MSG_PROMOTE,
	MSG_DEMOTE,
	MSG_FLUSH,
	MSG_DONE, /* answer to PROMOTE, DEMOTE and FLUSH */
	/* control channel */
	MSG_STOP,
	MSG_HEALTH,
	MSG_SWITCHOVER,
	MSG_RELOAD,
	MSG_ASK, /* the supervisor's status query */
	MSG_ANSWER,
	MSG_READY,
	MSG_EXITED, /* SIGCHLD */
	/* kernel to netcfgd and syncd */
	MSG_CARRIER,
	MSG_KEVENTS,
	/* HA link */
	MSG_STREAM_UP,
	MSG_STREAM_DOWN,
	MSG_STREAM,
	/* syncd's own work, in slices */
	MSG_DUMP_SLICE,
	MSG_SWEEP_SLICE,
	MSG_KINDS,
};

struct record {
	uint8_t op; /* enum dirty_op */
	uint8_t id;
	uint32_t version;
};

struct msg {
	int kind;     /* enum msg_kind, of which each process knows some */
	uint32_t gen; /* of the connection, the stream or the process it belongs to; 0: any */
	uint64_t cookie;
	union {
		struct {
			enum sim_path path;
			struct beat beat;
		} frame;
		struct {
			size_t instance;
			uint8_t priority;
			usec_t interval;
			uint32_t source;
		} advert;
		struct {
			enum sim_path path;
			bool carrier;
		} link;
		struct {
			enum sim_proc server;
		} channel;
		struct {
			enum election_lease_verb verb;
			uint64_t term;
			usec_t ttl, sent; /* node time */
		} lease;
		struct {
			enum election_lease_verb verb;
			struct lease_reply reply;
		} lease_reply;
		struct {
			bool connected, in_sync;
		} sync;
		struct {
			uint64_t term;
			bool handover;
			usec_t timeout;
		} role;
		struct {
			int asked; /* enum msg_kind */
			int err;
		} done;
		struct {
			enum sim_proc proc;
			bool healthy, clean;
		} child;
		struct {
			struct replica_event ev;
			uint8_t n;
			struct record records[SIM_BATCH];
		} stream;
	};
};

/* --- the event queue ------------------------------------------------------------------------- */
enum ev_kind {
	EV_MSG,     /* offer `msg` to a process */
	EV_WAKE,    /* a process goes on */
	EV_START,   /* a process has finished its start-up */
	EV_STREAM,  /* the head of one direction of the HA link */
	EV_CONNECT, /* the HA link: connect, or notice that it is dead */
	EV_CLIENT,  /* the workload's next change */
	EV_THAW,    /* SIGCONT */
	EV_BOOT,    /* power on */
	EV_LAUNCH,  /* init starts the supervisor */
};

struct event {
	usec_t at;
	uint64_t number;
	enum ev_kind kind;
	uint8_t node, proc;
	uint32_t gen;
	struct msg msg; /* EV_MSG */
};

/* --- the network ----------------------------------------------------------------------------- */
struct path {
	bool cut[NODES];     /* what node n sends is lost in silence */
	bool carrier[NODES]; /* of node n's port */
	usec_t delay, jitter;
	unsigned loss_pct, dup_pct; /* a burst; 0 when there is none */
};

struct frame_ref {
	usec_t ready;
	struct msg msg;
};

/* The HA link's connection: frames in order, or down. */
struct stream {
	uint32_t gen;
	usec_t up_at;        /* when both ends hear of it */
	bool open[NODES];    /* the connection of `gen` exists at node n */
	usec_t alive[NODES]; /* last sign of the other end */
	usec_t patience[NODES];
	struct frame_ref queue[NODES][SIM_STREAM]; /* from node n */
	size_t head[NODES], n[NODES];
	bool armed[NODES]; /* an EV_STREAM is in the queue */
	usec_t last[NODES];
	usec_t repaired[NODES]; /* what was lost is there again, and all behind it */
};

/* --- a node ---------------------------------------------------------------------------------- */
struct kernel {
	bool addresses;
	usec_t addresses_until; /* their lifetime */
	bool forwarding;
	usec_t refuses_until; /* to set addresses */
	bool present[SIM_SESSIONS];
	uint32_t version[SIM_SESSIONS];
	usec_t changed[SIM_SESSIONS]; /* by traffic, not by replication */
	bool listening;               /* a conntrack event socket is open */
	struct record kevents[SIM_KEVENTS];
	size_t kev_head, kev_n;
	bool overrun, congested; /* events were lost, and are until the queue was emptied */
};

struct process {
	bool alive, starting, frozen;
	uint32_t gen;              /* its pid */
	usec_t late_until;         /* runs nothing before: starved, or busy */
	usec_t deadline;           /* of its timers */
	usec_t armed;              /* the earliest EV_WAKE in the queue; USEC_NEVER: none */
	uint16_t inbox[SIM_INBOX]; /* events kept in the pool */
	size_t head, n;
	usec_t last_sent; /* arrival of the newest message sent to it */
	usec_t spin_ms;
	unsigned spins;
};

struct pending {
	uint64_t cookie;
	int kind; /* enum msg_kind */
	enum election_lease_verb verb;
	usec_t deadline;
};

/* vrrpd's connection to netcfgd or syncd. */
struct channel {
	bool open, up; /* the sockets are connected; vrrpd knows */
	uint32_t gen;
	usec_t retry_at, backoff;
	struct pending pending[SIM_PENDING];
	size_t n;
	bool subscribed; /* the server knows this connection wants notifications */
};

struct vrrpd_shell {
	struct election e;
	struct beat_guard guard;
	uint64_t sequence;
	struct channel netcfgd, syncd;
	enum election_role role; /* as last seen by the invariants */
	bool switchover_answered, exiting;
	unsigned depth; /* requests failed while their failures are told */
	usec_t greeted; /* last answer to a frame that is not trusted yet */
	int switchover_err;
	usec_t due; /* of the core, node time */
};

struct netcfgd_shell {
	struct lease lease;
};

struct flush {
	bool waiting;
	uint64_t mark, cookie;
	uint32_t gen;
	usec_t deadline;
};

struct syncd_shell {
	struct replica r;
	struct dirty *dirty;
	struct shadow *shadow;
	bool connected, key;
	uint32_t conn; /* generation of the stream it reads */
	uint64_t seq, acked;
	bool dumping, dump_read; /* the walk, and whether it is through */
	uint64_t dump_id, dump_mark;
	size_t dump_pos, n_snapshot;
	struct record snapshot[SIM_SLICE]; /* what the kernel had, when it was asked */
	bool overrun;                      /* to be reported when what goes on is done */
	size_t dirty_max;
	bool marking, sweeping;
	uint64_t sweep_id;
	size_t sweep_pos;
	bool marks[SIM_SESSIONS]; /* named by the Active */
	bool draining;
	usec_t farewell; /* it was told to stop; USEC_NEVER: not so */
	struct flush flush;
	/* for the invariants: what the peer acknowledged, per session */
	usec_t events_since;
	uint64_t sent_seq[SIM_SESSIONS];
	uint32_t sent_version[SIM_SESSIONS], acked_version[SIM_SESSIONS];
};

struct supervisor_shell {
	struct policy policy[PROCS]; /* of its children */
	bool stopping;
};

struct node {
	uint8_t id;
	bool power;
	uint32_t outages; /* an EV_BOOT belongs to one */
	usec_t clock_offset;
	struct kernel kernel;
	struct process procs[PROCS];
	struct supervisor_shell supervisor;
	struct netcfgd_shell netcfgd;
	struct syncd_shell syncd;
	struct vrrpd_shell vrrpd;
	struct election_config config;
};

/* --- what the invariants keep ---------------------------------------------------------------- */
struct watch {
	bool holding[NODES];
	enum election_role role[NODES];
	usec_t overlap_since;  /* both hold addresses and could hear each other; USEC_NEVER: not so
				*/
	usec_t unsynced_since; /* the Standby says in sync, the Active knows better */
	usec_t disturbed;      /* the last fault, heal or boot */
	usec_t quiet_from;     /* ... and when its effect on a process ends */
	usec_t changed_at;     /* a daemon came back, or beats became possible */
	unsigned conditions;
	uint64_t transitions; /* role changes */
	uint64_t moves;       /* changes of who holds addresses */
	uint64_t lost_sessions;
	usec_t slowest_settle;
	/* expectations of the present episode */
	bool no_overlap, no_gap, no_loss, no_moves, no_transitions;
};

struct world {
	uint64_t seed, rng, hash;
	usec_t now;
	uint64_t steps, numbers;

	struct event pool[SIM_EVENTS];
	uint16_t unused[SIM_EVENTS];
	size_t n_unused;
	uint16_t heap[SIM_EVENTS];
	size_t n_heap;

	struct path paths[PATHS];
	struct stream stream;
	struct node nodes[NODES];
	struct watch watch;

	/* the configuration drawn for this run */
	usec_t advert, heartbeat, preempt_delay;
	enum election_preempt preempt;
	usec_t detection; /* from the last sign of life to the decision that the peer is dead */
	usec_t client_every;
	bool clients_pause;

	/* clients */
	bool client_alive[SIM_SESSIONS];
	usec_t ended_at[SIM_SESSIONS]; /* by the clients */
	uint8_t ended_on[SIM_SESSIONS];
	uint8_t announced; /* the node hosts last heard an announcement of */
	uint32_t versions;
	uint64_t changes;

	bool failed;
	bool trace_all, trace_frames;
	char lines[SIM_TRACE][SIM_LINE];
	size_t n_lines;
	struct election_actions actions; /* scratch: too large for the stack */
};

/* --- world.c --------------------------------------------------------------------------------- */
void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);
uint64_t world_random(struct world *w);
uint64_t world_below(struct world *w, uint64_t bound); /* 0 .. bound - 1 */
usec_t world_between(struct world *w, usec_t from, usec_t to);
bool world_chance(struct world *w, unsigned per_mille);
struct event *world_schedule(
	struct world *w, usec_t at, enum ev_kind kind, unsigned node, unsigned proc, uint32_t gen);
void world_post(struct world *w, usec_t at, unsigned node, unsigned proc, const struct msg *m);
/* Keeps an event that was taken from the queue, e.g. in an inbox; world_free() gives it back. */
uint16_t world_keep(struct world *w, const struct msg *m);
void world_free(struct world *w, uint16_t index);
/* One event; false when the run has failed. */
bool world_step(struct world *w);
bool world_run_until(struct world *w, usec_t at);
void world_trace(struct world *w, const struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void world_fail(struct world *w, const char *invariant, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static inline struct node *world_peer(struct world *w, const struct node *n)
{
	return &w->nodes[!n->id];
}
static inline usec_t node_now(const struct world *w, const struct node *n)
{
	return w->now + n->clock_offset;
}
static inline usec_t node_to_world(const struct node *n, usec_t t)
{
	return t == USEC_NEVER ? USEC_NEVER : t - n->clock_offset;
}

/* --- process.c ------------------------------------------------------------------------------- */
const char *proc_name(unsigned proc);
void proc_spawn(struct world *w, struct node *n, enum sim_proc p);
/* Dies at once, whatever it was doing; `clean` is an exit with status 0. */
void proc_die(struct world *w, struct node *n, enum sim_proc p, bool clean);
void proc_freeze(struct world *w, struct node *n, enum sim_proc p);
void proc_thaw(struct world *w, struct node *n, enum sim_proc p);
void proc_starve(struct world *w, struct node *n, enum sim_proc p, usec_t duration);
void proc_offer(struct world *w, struct node *n, enum sim_proc p, const struct msg *m);
void proc_wake(struct world *w, struct node *n, enum sim_proc p, uint32_t gen);
void proc_started(struct world *w, struct node *n, enum sim_proc p, uint32_t gen);
bool proc_running(const struct node *n, enum sim_proc p);
/* Has unread network frames handled now. */
void proc_take_frames(struct world *w, struct node *n, enum sim_proc p);
/* Throws them away. */
void proc_drop_frames(struct world *w, struct node *n, enum sim_proc p);
void proc_send_at(
	struct world *w, struct node *n, enum sim_proc to, usec_t at, const struct msg *m);
void proc_send(struct world *w, struct node *n, enum sim_proc to, const struct msg *m);

void channel_closed(struct world *w, struct node *n, enum sim_proc server);
struct channel *channel_of(struct node *n, enum sim_proc server);

/* --- shells: one per process ----------------------------------------------------------------- */
void vrrpd_start(struct world *w, struct node *n);
void vrrpd_handle(struct world *w, struct node *n, const struct msg *m);
void vrrpd_tick(struct world *w, struct node *n);
usec_t vrrpd_deadline(const struct world *w, const struct node *n);
void netcfgd_start(struct world *w, struct node *n);
void netcfgd_handle(struct world *w, struct node *n, const struct msg *m);
void netcfgd_tick(struct world *w, struct node *n);
usec_t netcfgd_deadline(const struct world *w, const struct node *n);
void syncd_start(struct world *w, struct node *n);
void syncd_stop(struct node *n);
void syncd_handle(struct world *w, struct node *n, const struct msg *m);
void syncd_tick(struct world *w, struct node *n);
usec_t syncd_deadline(const struct world *w, const struct node *n);
/* Room in the stream: go on sending. */
void syncd_pump(struct world *w, struct node *n);
void supervisor_start(struct world *w, struct node *n);
void supervisor_handle(struct world *w, struct node *n, const struct msg *m);
void supervisor_tick(struct world *w, struct node *n);
usec_t supervisor_deadline(const struct world *w, const struct node *n);

/* --- network.c ------------------------------------------------------------------------------- */
void network_init(struct world *w);
void network_send(struct world *w, struct node *from, enum sim_path path, const struct msg *m);
bool network_both_ways(const struct world *w, enum sim_path path); /* and without any trouble */
void network_carrier(struct world *w, struct node *n, enum sim_path path, bool on);
bool network_link_up(const struct world *w, const struct node *n, enum sim_path path);
size_t stream_room(const struct world *w, const struct node *n);
void stream_send(struct world *w, struct node *n, const struct msg *m);
void stream_arrive(struct world *w, unsigned from);
void stream_poll(struct world *w);
/* This end closes: the process is gone, or wants it so. */
void stream_close(struct world *w, struct node *n, bool silent);

/* --- node.c: the kernel and the machine ------------------------------------------------------ */
void node_boot(struct world *w, struct node *n);
void node_power_cut(struct world *w, struct node *n);
void node_launch(struct world *w, struct node *n);
bool node_holds(const struct world *w, const struct node *n);
void kernel_take(struct world *w, struct node *n);
void kernel_drop(struct world *w, struct node *n);
/* The reader has emptied the event queue, or throws it away. */
void kernel_events_empty(struct node *n);
void kernel_overrun(struct node *n);
void kernel_session(struct world *w, struct node *n, enum dirty_op op, unsigned id);

/* --- workload.c, faults.c, scenario.c, invariants.c ------------------------------------------ */
void workload_step(struct world *w);
/* Clients give up sessions that the Active does not know. */
void workload_reconcile(struct world *w);

/* Something was done to the world; its effect may last. */
void faults_note(struct world *w, usec_t lasts);
void faults_random(struct world *w);
void faults_heal(struct world *w);
void faults_freeze(struct world *w, struct node *n, enum sim_proc p, usec_t duration);
void faults_kill(struct world *w, struct node *n, enum sim_proc p);
void faults_kill_all(struct world *w, struct node *n);
void faults_power(struct world *w, struct node *n, usec_t off);
void faults_stop(struct world *w, struct node *n);
void faults_switchover(struct world *w, struct node *n);
void faults_reload(struct world *w, struct node *n);
void faults_cut(struct world *w, enum sim_path path, bool from_a, bool from_b);

/* The whole history of a seed. */
void scenario_run(struct world *w);

void invariants_init(struct world *w);
void invariants_check(struct world *w);
/* Why the pair is not as it should be with no fault left; NULL: it is. */
const char *invariants_unsettled(const struct world *w);

#endif
