/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the election core: what its files share. Nobody else includes this.
 */
#ifndef GATEPAIR_VRRPD_ELECT_H
#define GATEPAIR_VRRPD_ELECT_H

#include "vrrpd/election.h"

#define ELECT_LAN_BEAT       USEC_PER_SEC       /* between beats on a VRRP link */
#define ELECT_SOLICIT_WAIT   (10 * USEC_PER_MS) /* at least */
#define ELECT_PROMOTE_WAIT   (20 * USEC_PER_MS) /* for syncd, then availability goes first */
#define ELECT_ACQUIRE_WAIT   (2 * USEC_PER_SEC) /* for netcfgd: nobody else is there */
#define ELECT_ACQUIRE_TRIES  3
#define ELECT_LEASE_PATIENCE (2 * USEC_PER_SEC)  /* netcfgd away for longer: ill */
#define ELECT_LEASE_RETRY    USEC_PER_SEC        /* after a refused acquire */
#define ELECT_LEASE_ILL      (10 * USEC_PER_SEC) /* ill for this long after one */
#define ELECT_ADOPT_WAIT     (200 * USEC_PER_MS) /* for the peer to tell the term */
#define ELECT_QUIET_START    (100 * USEC_PER_MS) /* no beats before netcfgd has answered */
#define ELECT_FLUSH_PLANNED  USEC_PER_SEC
#define ELECT_FLUSH_YIELD    (2 * USEC_PER_MS)   /* the LAN is down anyway */
#define ELECT_GRANT_MAX      USEC_PER_SEC        /* while the peer says it is promoting */
#define ELECT_RETRY          (2 * USEC_PER_SEC)  /* after a failed hand-over */
#define ELECT_YIELD_RETRY    (200 * USEC_PER_MS) /* when a grant was not taken */
#define ELECT_RELEASE_WAIT   (300 * USEC_PER_MS) /* for netcfgd when stopping */
#define ELECT_ANSWER_GAP     (10 * USEC_PER_MS)  /* between adverts that answer another's */
#define ELECT_LATE_ADVERT    (100 * USEC_PER_MS) /* behind the last words of a peer that stops */
#define ELECT_FAST_LINKS     4                   /* carry beats while the HA link is silent */

/* One call of election_step(). */
struct elect {
	struct election *e;
	usec_t now;
	struct election_actions *out;
};

typedef void elect_fn(struct elect *x, const struct election_event *ev);

/* elect_util.c: actions */
struct election_action *elect_emit(struct elect *x, enum election_action_kind kind);
void elect_beat(struct elect *x, size_t link, enum beat_kind kind);
void elect_beat_all(struct elect *x, enum beat_kind kind); /* HA and VRRP links with carrier */
void elect_adverts(struct elect *x, uint8_t priority);     /* of all instances, timers restarted */
void elect_advert(struct elect *x, size_t instance, uint8_t priority);
void elect_announce_all(struct elect *x);
/* Returns the cookie. */
uint64_t elect_lease(struct elect *x, enum election_lease_verb verb, uint64_t term);
uint64_t elect_promote(struct elect *x, uint64_t term, bool handover);
void elect_demote(struct elect *x);
void elect_answer(struct elect *x, uint64_t request, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Writes the role: the only one who does. */
void elect_set_role(struct elect *x, enum election_role role, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The transition now being made; its stages are noted as they are reached. */
struct election_transition *elect_transition(struct election *e);

/* elect_util.c: questions */
usec_t elect_heartbeat(const struct election *e); /* the slower of both nodes; 0: off */
usec_t elect_settle(const struct election *e);    /* nobody Active for this long: claim */
bool elect_instance_live(const struct election *e, size_t instance);
bool elect_any_vrrp_carrier(const struct election *e);
bool elect_peer_claims(const struct beat *b); /* Active, or about to be */
bool elect_wants_preempt(const struct election *e, usec_t now);
/* Who should be Active if nobody is, or if both are (then the term counts as well). */
bool elect_better(const struct election *e, const struct beat *peer, bool both_active, usec_t now);
const char *elect_peer_name(const struct election *e);
const char *elect_ill_str(uint32_t health);
/* The same of this node, which knows the interface; returns text. */
#define ELECT_ILL_TEXT (IFNAMSIZ + 64)
const char *elect_own_ill(const struct election *e, uint32_t health, char text[ELECT_ILL_TEXT]);

/* elect_peer.c: signs of life, suspicion */
/* Notes a frame; false when a newer one of the peer was seen already on another path. */
bool elect_peer_frame(struct elect *x, size_t link, const struct beat *b);
void elect_peer_advert(struct elect *x, const struct election_event *ev);
bool elect_advert_late(const struct elect *x, const struct election_event *ev);
void elect_suspect(struct elect *x);
void elect_peer_timers(struct elect *x);
usec_t elect_peer_deadline(const struct election *e);

/* elect_standby.c: Initialize, Standby, Promoting */
void elect_claim(struct elect *x, uint64_t term, bool handover, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void elect_become_standby(struct elect *x, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void elect_leave(struct elect *x); /* the last step of an orderly stop */
void elect_timers_init(struct elect *x);
void elect_timers_standby(struct elect *x);
void elect_timers_promoting(struct elect *x);
void elect_promoting_stalled(struct elect *x);
usec_t elect_deadline_init(const struct election *e);
usec_t elect_deadline_standby(const struct election *e);
usec_t elect_deadline_promoting(const struct election *e);
elect_fn elect_init_lease, elect_init_lease_channel, elect_init_beat;
elect_fn elect_standby_beat, elect_standby_advert, elect_standby_link, elect_standby_lease_channel,
	elect_standby_sync_channel, elect_standby_lease;
elect_fn elect_promoting_beat, elect_promoting_advert, elect_promoting_done, elect_promoting_lease,
	elect_promoting_lease_channel, elect_promoting_sync_channel, elect_promoting_stop;
elect_fn elect_idle_stop, elect_idle_switchover;

/* elect_active.c */
void elect_resume_active(struct elect *x, uint64_t term, const char *why);
void elect_become_active(struct elect *x, usec_t lease_until);
void elect_active_stalled(struct elect *x);
void elect_timers_active(struct elect *x);
usec_t elect_deadline_active(const struct election *e);
elect_fn elect_active_beat, elect_active_advert, elect_active_link, elect_active_lease,
	elect_active_lease_channel, elect_active_sync_channel, elect_active_flushed,
	elect_active_switchover, elect_active_stop;

static inline usec_t usec_min(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

static inline usec_t usec_max(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

#endif
