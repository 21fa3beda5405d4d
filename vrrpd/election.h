/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election core: which of the two nodes is Active. One role per node; all VRRP instances move
 * together. Pure: election_step(state, event, now) fills a bounded list of actions and the time at
 * which it wants to be called next (ELECTION_EV_TICK). No I/O, no clock, no allocation.
 *
 * Rules: RFC 9568 section 6.4 per instance while the other router is known by its adverts only
 * ("plain"); authenticated beats, suspect-solicit-decide, planned hand-overs and leases once the
 * peer was heard on the control path ("paired"). vrrpd(8) and proto/README.md tell the sequences.
 *
 * The caller must carry actions out in order (a lease is renewed before the beat that relies on
 * it), after election_step() returned, and never call it from within.
 */
#ifndef GATEPAIR_VRRPD_ELECTION_H
#define GATEPAIR_VRRPD_ELECTION_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "vrrpd/beat.h"

#define ELECTION_MAX_INSTANCES 255
#define ELECTION_MAX_LINKS     BEAT_PATHS
#define ELECTION_MAX_ACTIONS   2048
#define ELECTION_TRANSITIONS   16
#define ELECTION_TEXT          200

/* After RFC 9568; Standby is the node's word for Backup. */
enum election_role {
	ELECTION_INIT, /* does not know yet what netcfgd holds; claims nothing */
	ELECTION_STANDBY,
	ELECTION_PROMOTING, /* decided; state and addresses are being readied */
	ELECTION_ACTIVE,
	ELECTION_ROLES,
};
const char *election_role_str(enum election_role r); /* Initialize, Standby, Promoting, Active */

enum election_preempt {
	ELECTION_PREEMPT_NEVER = 1,
	ELECTION_PREEMPT_SYNCED,
	ELECTION_PREEMPT_ALWAYS,
};

/* An interface: it carries instances, the HA link, or is merely tracked. */
struct election_link_config {
	char name[IFNAMSIZ];
	bool ha;      /* heartbeats run here */
	bool vrrp;    /* carries instances: solicitations may go here */
	bool tracked; /* its loss makes the node ill */
};

struct election_instance_config {
	uint8_t vrid;
	usec_t advert_interval;
	size_t link;
};

struct election_config {
	char node[BEAT_NODE_MAX + 1];
	uint8_t priority; /* 1..254 */
	enum election_preempt preempt;
	usec_t preempt_delay;
	usec_t heartbeat; /* 0: off */
	uint32_t dead_after;
	bool sync; /* session replication is configured; without it SYNCED means ALWAYS */
	uint64_t digest;
	uint64_t session; /* random, new at each start of the process; survives a reload */
	struct election_link_config links[ELECTION_MAX_LINKS];
	size_t n_links;
	struct election_instance_config instances[ELECTION_MAX_INSTANCES];
	size_t n_instances;
};

/* --- events ---------------------------------------------------------------------------------- */
enum election_event_kind {
	ELECTION_EV_TICK,          /* the deadline was reached, or the caller is unsure */
	ELECTION_EV_BEAT,          /* an authenticated, fresh frame of the peer */
	ELECTION_EV_ADVERT,        /* a valid VRRP advert */
	ELECTION_EV_LINK,          /* an interface's state */
	ELECTION_EV_KEY,           /* the peer's key is known: beats can be sent and heard */
	ELECTION_EV_LEASE_CHANNEL, /* netcfgd is there, or not */
	ELECTION_EV_LEASE,         /* its answer */
	ELECTION_EV_SYNC_CHANNEL,  /* syncd is there, or not */
	ELECTION_EV_SYNC,          /* its state */
	ELECTION_EV_PROMOTED,      /* its answer to ELECTION_DO_PROMOTE */
	ELECTION_EV_FLUSHED,       /* its answer to ELECTION_DO_FLUSH */
	ELECTION_EV_DAEMON,        /* the supervisor's word on another daemon */
	ELECTION_EV_SWITCHOVER,    /* an operator's command */
	ELECTION_EV_STOP,          /* leave in an orderly way */
	ELECTION_EVENTS,
};

/* The same values as enum LeaseVerb and LeaseResult of netcfgd.proto. */
enum election_lease_verb {
	ELECTION_LEASE_QUERY,
	ELECTION_LEASE_ACQUIRE,
	ELECTION_LEASE_RENEW,
	ELECTION_LEASE_RELEASE,
};
enum election_lease_result {
	ELECTION_LEASE_OK,
	ELECTION_LEASE_STALE_TERM,
	ELECTION_LEASE_NOT_HELD,
	ELECTION_LEASE_FAILED,
	ELECTION_LEASE_UNANSWERED, /* timeout, or the connection closed */
};

enum election_daemon {
	ELECTION_DAEMON_NETCFGD = 1 << 0,
	ELECTION_DAEMON_SYNCD = 1 << 1,
	ELECTION_DAEMON_OTHER = 1 << 2, /* does not concern the role */
};

struct election_event {
	enum election_event_kind kind;
	union {
		struct {
			size_t link;
			const struct beat *frame;
		} beat;
		struct {
			size_t instance;
			struct in_addr source;
			uint8_t priority; /* 0: it resigns */
			usec_t interval;  /* as announced; 0 is not possible */
		} advert;
		struct {
			size_t link;
			bool carrier;           /* exists, up, and has carrier */
			struct in_addr address; /* primary IPv4; 0.0.0.0: none */
		} link;
		struct {
			bool up;
		} channel; /* KEY, LEASE_CHANNEL, SYNC_CHANNEL */
		struct {
			uint64_t cookie; /* that of the action */
			enum election_lease_verb verb;
			enum election_lease_result result;
			bool held, adopted;
			uint64_t term;
			usec_t remaining;
		} lease;
		struct {
			bool connected, in_sync;
			uint64_t sessions;
		} sync;
		struct {
			uint64_t cookie;
			int err; /* 0 or negative errno */
		} done;          /* PROMOTED, FLUSHED */
		struct {
			enum election_daemon daemon;
			bool healthy;
		} daemon;
		struct {
			uint64_t request; /* echoed by ELECTION_DO_ANSWER */
		} switchover;
	};
};

/* --- actions --------------------------------------------------------------------------------- */
enum election_action_kind {
	ELECTION_DO_BEAT,     /* send a frame: election_fill_beat() */
	ELECTION_DO_ADVERT,   /* send an advert */
	ELECTION_DO_ANNOUNCE, /* gratuitous ARP for the instance's addresses, and its repetitions */
	ELECTION_DO_LEASE,    /* ask netcfgd; the answer is ELECTION_EV_LEASE */
	ELECTION_DO_PROMOTE,  /* ask syncd; the answer is ELECTION_EV_PROMOTED */
	ELECTION_DO_DEMOTE,   /* tell syncd */
	ELECTION_DO_FLUSH,    /* ask syncd; the answer is ELECTION_EV_FLUSHED */
	ELECTION_DO_DRAIN, /* throw away every frame received before now: they are of unknown age */
	ELECTION_DO_ANSWER, /* to an operator's command */
	ELECTION_DO_NOTE,   /* the role changed: election_last_transition() */
	ELECTION_DO_EXIT,   /* the orderly stop is complete */
};

struct election_action {
	enum election_action_kind kind;
	union {
		struct {
			size_t link;
			enum beat_kind kind;
		} beat;
		struct {
			size_t instance;
			uint8_t priority;
		} advert;
		struct {
			size_t instance;
		} announce;
		struct {
			uint64_t cookie;
			enum election_lease_verb verb;
			uint64_t term;
			usec_t ttl;
		} lease;
		struct {
			uint64_t cookie;
			uint64_t term;
			bool handover;
		} promote;
		struct {
			uint64_t term;
		} demote;
		struct {
			uint64_t cookie;
			usec_t timeout;
		} flush;
		struct {
			uint64_t request;
			int err;          /* 0: done */
			const char *text; /* valid until the next step */
		} answer;
	};
};

struct election_actions {
	struct election_action v[ELECTION_MAX_ACTIONS];
	size_t n;
	uint64_t dropped; /* never more than 0: the bound holds for the largest configuration */
	usec_t deadline;  /* call with ELECTION_EV_TICK then; USEC_NEVER: only on events */
};

/* --- state: plain data, for status, tests and simulation
 * ------------------------------------------ */
struct election_link {
	bool carrier; /* until told otherwise, a link is taken to be up */
	struct in_addr address;
	struct in_addr peer_address; /* from the peer's frames on this link */
	usec_t beat_heard;           /* last frame of the peer; 0: never */
	usec_t advert_heard;
	usec_t beat_sent;
};

/* Per instance, RFC 9568 section 6.1. */
struct election_instance {
	usec_t active_interval; /* Active_Adver_Interval: own, or learned from the Active */
	usec_t advert_due;      /* Adver_Timer, while Active */
	usec_t down_due;        /* Active_Down_Timer, while Standby */
	usec_t heard;           /* last advert; 0: never */
	usec_t answered;        /* last advert that answered another Active's */
	struct in_addr source;  /* of the last advert */
	uint8_t priority;       /* of the last advert */
	usec_t foreign_heard;   /* last advert that was not the peer's while the peer was known */
	struct in_addr foreign;
};

struct election_peer {
	bool known;       /* an authenticated frame was heard since start */
	bool dead;        /* silent on all paths, solicited, no answer; until it is heard again */
	bool left;        /* ... because it said that it stops */
	usec_t heard;     /* last sign of life on any path */
	usec_t ha_heard;  /* last frame on the HA link */
	struct beat last; /* its newest frame */
	usec_t last_at;
};

enum election_handover { ELECTION_HANDOVER_NONE, ELECTION_HANDOVER_FLUSH, ELECTION_HANDOVER_GRANT };

struct election_transition {
	usec_t at; /* when the new role began */
	enum election_role from, to;
	uint64_t term;
	char reason[ELECTION_TEXT];
	/* of a takeover; USEC_NEVER: not reached, or does not apply */
	usec_t last_heard, sign, decided, state_ready, addresses_up, announced;
	uint64_t sessions;
};

struct election {
	struct election_config cfg;
	enum election_role role;
	usec_t role_since;
	char reason[ELECTION_TEXT];
	uint64_t term;   /* newest known: own while Active, the peer's while Standby */
	uint64_t served; /* newest term in which this node was Active; 0: never since start */
	usec_t last_step;

	struct election_link links[ELECTION_MAX_LINKS];
	struct election_instance instances[ELECTION_MAX_INSTANCES];
	struct election_peer peer;
	bool key;

	/* periodic work */
	usec_t tick_due; /* beat and lease renewal */

	/* Standby: suspicion and vacancy */
	bool suspecting;
	bool ha_silent; /* the HA link is silent although the peer lives */
	usec_t suspect_since, decide_at, resolicit_at;
	usec_t vacant_since; /* both alive, nobody Active; USEC_NEVER: not so */
	usec_t ready_since;  /* able and in sync without a break; USEC_NEVER: not so */
	bool commanded;      /* made Standby by an operator: does not ask for the role by itself */
	uint64_t suspicions, suspicions_answered;

	/* Promoting */
	uint64_t promote_cookie;
	bool promote_handover;
	bool acquiring;       /* syncd is done, netcfgd is not */
	usec_t promote_until; /* waiting for either */
	uint32_t acquire_tries;

	/* Active */
	enum election_handover handover;
	uint64_t flush_cookie;
	usec_t handover_until, handover_limit;
	bool handover_forced;  /* grant even though the flush failed */
	usec_t handover_retry; /* the peer's wish is not heeded before */
	usec_t yield_retry;    /* nor does illness move the role: a grant was not taken */
	char handover_why[ELECTION_TEXT];
	bool conflict; /* the peer claims to be Active as well */
	bool resuming; /* stalled for longer than the lease: claims nothing until sure */
	usec_t resume_since, resume_until;
	usec_t resume_retry; /* netcfgd did not answer: not before */
	bool lapsed;         /* the lease ran out: announce again once it is back */
	bool switchover;     /* an operator waits */
	uint64_t switchover_request;

	/* lease */
	bool lease_up;
	bool queried; /* netcfgd said what it holds, since start */
	usec_t lease_down_since;
	uint64_t cookie;       /* of the last request: the time it was made, made unique */
	uint64_t lease_cookie; /* of the QUERY, ACQUIRE or RELEASE in flight; 0: none */
	usec_t lease_until;    /* held at least until then; 0: not held */
	usec_t lease_failed;   /* last refusal; 0: none since the last success */
	usec_t adopted_until;  /* at start: resume an adopted lease then; USEC_NEVER: none */

	/* other daemons */
	bool sync_up, sync_connected, in_sync;
	usec_t in_sync_since; /* when `in_sync` last changed */
	uint64_t sessions;
	uint64_t told_term; /* newest term that syncd was told about */
	unsigned daemons_ill;

	bool stopping, released, exited;
	usec_t stop_until;

	struct election_transition transitions[ELECTION_TRANSITIONS]; /* ring */
	uint64_t n_transitions;
	char answer[ELECTION_TEXT];
};

/* Times derived from the configuration; see proto/README.md "Sequences". */
struct election_times {
	usec_t tick;   /* between beats, and between lease renewals */
	usec_t ttl;    /* of the lease */
	usec_t silent; /* after which the peer is suspected */
	usec_t wait;   /* for an answer to a solicitation */
};
struct election_times election_times(const struct election *e);

/* The process starts: role Initialize, everything unknown. */
void election_init(struct election *e, const struct election_config *cfg, usec_t now);
/* Another configuration; the role, the peer and the lease stay. `out` as for election_step(). */
void election_configure(struct election *e, const struct election_config *cfg, usec_t now,
	struct election_actions *out);
void election_step(struct election *e, const struct election_event *ev, usec_t now,
	struct election_actions *out);

/* What a frame sent now on `link` says. echo and sequence are the sender's (0 here). */
void election_fill_beat(
	const struct election *e, size_t link, enum beat_kind kind, struct beat *ret);
/* The newest transition; NULL: none yet. `back` 1 is the one before. */
const struct election_transition *election_transition_get(const struct election *e, size_t back);
/* The announcements of the newest transition are out. */
void election_announced(struct election *e, usec_t now);

/* Questions the core and the status share. */
uint32_t election_health(const struct election *e, usec_t now); /* BEAT_HEALTH() */
bool election_able(const struct election *e, usec_t now);       /* could take the role */
bool election_peer_alive(const struct election *e); /* was heard authenticated, and is not dead */
/* RFC 9568 section 6.1, in microseconds. */
usec_t election_skew_us(uint8_t priority, usec_t active_interval);
usec_t election_down_us(uint8_t priority, usec_t active_interval);

#endif
