/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deciding core of replication: which way sessions flow, under which term, what is refused,
 * and whether the Standby may say that it holds everything. Pure: an event and the time go in,
 * actions come out, to be done in order. It knows neither sessions nor sockets. Runs in syncd.
 *
 * Active, peer connected and Standby:
 *   SYNC_BEGIN(term, id) → events on, DUMP: every session of the kernel is put into the dirty set
 *   and goes out in batches → all of that handed to the link (event DUMP_SENT) → SYNC_END →
 *   SYNC_DONE comes back: the peer is in sync. Further batches as sessions change.
 * Standby:
 *   SYNC_BEGIN → MARK: from now on remember which sessions the batches name → SYNC_END → SWEEP:
 * dump the own kernel and delete the replicated sessions that the Active did not name → event SWEPT
 * → SYNC_DONE: in sync. What came out wrong (a session of the same name with another translation,
 *   a dump that failed) → event UNSWEPT → SYNC_REQUEST: once more.
 * A batch is acknowledged after it is in the kernel, in order.
 *
 * The link delivers frames in order or goes down (TLS over TCP); LINK_DOWN forgets all of it.
 */
#ifndef GATEPAIR_SYNCD_REPLICA_H
#define GATEPAIR_SYNCD_REPLICA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define REPLICA_HANDOVER_MAX (2 * USEC_PER_SEC) /* records of the old term are taken this long */
/* A demoted Active still hears what its kernel did with the last packets that came to it. */
#define REPLICA_DRAIN_GRACE   (20 * USEC_PER_MS)
#define REPLICA_DRAIN_MAX     (1 * USEC_PER_SEC)   /* the outgoing Active empties its dirty set */
#define REPLICA_STALL         (5 * USEC_PER_SEC)   /* a sync without progress is asked for again */
#define REPLICA_REPAIR_GAP    (1 * USEC_PER_SEC)   /* between two full compares for overruns */
#define REPLICA_COMPARE_EVERY (600 * USEC_PER_SEC) /* a full compare without any cause */

enum replica_role {
	REPLICA_NONE, /* not told yet */
	REPLICA_STANDBY,
	REPLICA_ACTIVE,
};

/* What SYNC_BEGIN says about the time before it. */
enum replica_sync {
	REPLICA_SYNC_FULL = 1, /* the Standby may lack sessions: not in sync until SYNC_DONE */
	REPLICA_SYNC_COMPARE,  /* a precaution: in sync stays what it is */
};

enum replica_event_type {
	/* vrrpd */
	REPLICA_EV_PROMOTE, /* term, handover */
	REPLICA_EV_DEMOTE,  /* term */
	/* link; role, term, handover of the peer's hello */
	REPLICA_EV_LINK_UP,
	REPLICA_EV_LINK_DOWN,
	/* frames from the peer */
	REPLICA_EV_STATE,      /* role, term, handover */
	REPLICA_EV_SYNC_BEGIN, /* term, id, sync */
	REPLICA_EV_BATCH,      /* term, seq */
	REPLICA_EV_SYNC_END,   /* term, id */
	REPLICA_EV_TERM_END,   /* term */
	REPLICA_EV_ACK,        /* seq */
	REPLICA_EV_SYNC_DONE,  /* id */
	REPLICA_EV_SYNC_REQUEST,
	/* own shell: work that an action started is finished */
	REPLICA_EV_DUMP_SENT, /* id: the dump ended, and all it put into the dirty set is in batches
			       */
	REPLICA_EV_DRAINED,   /* kernel events read, dirty set in batches */
	REPLICA_EV_SWEPT,     /* id; the marks are forgotten */
	REPLICA_EV_UNSWEPT,   /* id: it must be done once more; the marks are forgotten */
	/* own shell: trouble */
	REPLICA_EV_OVERRUN, /* kernel events were lost, the dirty set is full, or a dump failed */
	REPLICA_EV_MISSING, /* Standby: the kernel has no room for what the Active sent */
	REPLICA_EV_SUSPECT, /* sessions vanished without an event: have the tables compared */
	REPLICA_EV_TICK,    /* at replica_deadline() or any time */
};

struct replica_event {
	enum replica_event_type type;
	enum replica_role role;
	bool handover;
	enum replica_sync sync;
	uint64_t term, id, seq;
};

enum replica_refusal {
	REPLICA_REFUSED_OLD_TERM,
	REPLICA_REFUSED_NO_ROLE,    /* not told our role yet */
	REPLICA_REFUSED_ACTIVE,     /* we are Active ourselves, of an older term even: a split */
	REPLICA_REFUSED_NOT_ACTIVE, /* sync frames from a peer that did not say it is Active */
	REPLICA_REFUSED_SEQUENCE,   /* batch numbers do not go up */
	REPLICA_REFUSALS,
};

enum replica_action_type {
	/* frames to the peer */
	REPLICA_DO_SEND_STATE,      /* role, term, handover */
	REPLICA_DO_SEND_SYNC_BEGIN, /* term, id, sync */
	REPLICA_DO_SEND_SYNC_END,   /* term, id */
	REPLICA_DO_SEND_SYNC_DONE,  /* id */
	REPLICA_DO_SEND_SYNC_REQUEST,
	REPLICA_DO_SEND_TERM_END, /* term */
	REPLICA_DO_SEND_ACK,      /* seq */
	/* Standby: the kernel */
	REPLICA_DO_APPLY,     /* the batch of this very event, before the next action */
	REPLICA_DO_REFUSE,    /* drop the frame of this event; counted in refused[] already */
	REPLICA_DO_MARK,      /* id: start with no marks; a running sweep is stopped */
	REPLICA_DO_MARK_DROP, /* forget the marks, stop a running sweep */
	REPLICA_DO_SWEEP,     /* id */
	/* Active: the kernel */
	REPLICA_DO_EVENTS_ON,  /* subscribe */
	REPLICA_DO_EVENTS_OFF, /* unsubscribe, discard what is queued */
	REPLICA_DO_DUMP,       /* id: start; a running one is replaced */
	REPLICA_DO_DUMP_STOP,
	REPLICA_DO_DRAIN, /* read queued events, stop listening, then send what is dirty */
	REPLICA_DO_CLEAR, /* the dirty set and what is known of the peer's copies */
	/* both */
	REPLICA_DO_ACKED,      /* seq: tell the dirty set */
	REPLICA_DO_NOTIFY,     /* in_sync, connected or the reason changed */
	REPLICA_DO_RESET_LINK, /* the peer breaks the protocol */
};

struct replica_action {
	enum replica_action_type type;
	enum replica_role role;
	bool handover;
	enum replica_sync sync;
	uint64_t term, id, seq;
};

#define REPLICA_ACTIONS_MAX 16

struct replica_actions {
	struct replica_action v[REPLICA_ACTIONS_MAX];
	size_t n;
};

/* Plain and visible for tests and status; only replica.c writes it. */
struct replica {
	enum replica_role role;
	uint64_t term; /* ours, or the newest the peer's batches proved */
	bool handover; /* Active: the old term's records are still taken */
	usec_t handover_until;

	bool connected;
	enum replica_role peer_role;
	uint64_t peer_term;
	bool peer_handover;

	/* Active */
	bool start_pending; /* promoted just now: the answer goes first, sending starts at the TICK
			     */
	bool sending;       /* events on, batches of send_term go out */
	uint64_t send_term;
	bool draining;   /* demoted, but the old term's rest still goes out */
	usec_t drain_at; /* USEC_NEVER: DRAIN was ordered */
	usec_t drain_until;
	enum replica_sync send_sync; /* of the newest SYNC_BEGIN */
	bool dumping;                /* DUMP was ordered, DUMP_SENT has not come */
	bool dump_sent;              /* SYNC_END is out */
	bool lost;                   /* events were lost since the newest SYNC_BEGIN */
	usec_t dump_due;             /* USEC_NEVER: no dump waits to be started */
	usec_t dump_begun;
	usec_t compare_at;
	bool peer_in_sync; /* SYNC_DONE came for send_id, or before a COMPARE */

	/* Standby */
	bool marking, sweeping;
	bool in_sync;
	usec_t progress_at; /* last frame of a sync, or when the wait for one began */

	uint64_t sync_id; /* of the newest sync, sent or received */
	uint64_t rx_seq;  /* newest batch on this connection */
	usec_t since;     /* the shown state (connected, in_sync) */
	bool shown_connected, shown_in_sync;
	uint64_t full_syncs, compares, overruns, refused[REPLICA_REFUSALS];
};

void replica_init(struct replica *r, usec_t now);
/* Appends to nothing: `out` is set anew. */
void replica_step(
	struct replica *r, const struct replica_event *ev, usec_t now, struct replica_actions *out);
/* When the next TICK is due; USEC_NEVER: not before another event. */
usec_t replica_deadline(const struct replica *r);

/* Standby: every session older than the lag is in this kernel. Active: the peer said so. */
bool replica_in_sync(const struct replica *r);
/* Batches may go out now, under this term. */
bool replica_may_send(const struct replica *r, uint64_t *ret_term);
/* Why it is not in sync, one sentence; "" when it is. */
const char *replica_reason(const struct replica *r);
const char *replica_refusal_to_str(enum replica_refusal f);
const char *replica_role_to_str(enum replica_role role); /* Active, Standby, none */

#endif
