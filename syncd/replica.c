/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deciding core of replication: one handler per event, one table. Pure. Runs in syncd; the
 * protocol it speaks is syncd/PROTOCOL.md.
 */
#include "syncd/replica.h"

#include <string.h>

struct step {
	struct replica *r;
	const struct replica_event *ev;
	usec_t now;
	struct replica_actions *out;
};

/* The longest chain of actions, a demotion in the middle of a sync, stays far below the bound. */
static struct replica_action *act(struct step *s, enum replica_action_type type)
{
	struct replica_action *a = &s->out->v[s->out->n];

	if (s->out->n < REPLICA_ACTIONS_MAX - 1)
		s->out->n++;
	*a = (struct replica_action){.type = type};
	return a;
}

static void send_state(struct step *s)
{
	struct replica_action *a;

	if (!s->r->connected)
		return;
	a = act(s, REPLICA_DO_SEND_STATE);
	a->role = s->r->role;
	a->term = s->r->term;
	a->handover = s->r->handover;
}

static void refuse(struct step *s, enum replica_refusal why)
{
	s->r->refused[why]++;
	act(s, REPLICA_DO_REFUSE);
}

/* --- Active ---------------------------------------------------------------------------------- */

static void sync_begin(struct step *s, enum replica_sync sync)
{
	struct replica *r = s->r;
	struct replica_action *a;

	r->sync_id++;
	r->send_sync = sync;
	r->lost = false;
	r->dumping = r->dump_sent = false;
	r->compare_at = USEC_NEVER;
	if (sync == REPLICA_SYNC_FULL) {
		/* A session whose end was lost must not be named by a change that still waits. */
		act(s, REPLICA_DO_CLEAR);
		r->peer_in_sync = false;
		r->full_syncs++;
	} else {
		r->compares++;
	}
	a = act(s, REPLICA_DO_SEND_SYNC_BEGIN);
	a->term = r->send_term;
	a->id = r->sync_id;
	a->sync = sync;
}

static void dump_begin(struct step *s)
{
	struct replica *r = s->r;

	/* Marks set before events were lost would keep what is gone. */
	if (r->lost)
		sync_begin(s, REPLICA_SYNC_FULL);
	r->dumping = true;
	r->dump_due = USEC_NEVER;
	r->dump_begun = s->now;
	act(s, REPLICA_DO_DUMP)->id = r->sync_id;
}

static void start_sending(struct step *s)
{
	struct replica *r = s->r;

	r->start_pending = false;
	r->sending = true;
	r->send_term = r->term;
	act(s, REPLICA_DO_EVENTS_ON);
	sync_begin(s, REPLICA_SYNC_FULL);
	dump_begin(s);
}

static void stop_sending(struct step *s)
{
	struct replica *r = s->r;

	if (!r->sending)
		return;
	r->sending = r->draining = r->dumping = r->lost = r->peer_in_sync = false;
	r->dump_due = r->compare_at = USEC_NEVER;
	act(s, REPLICA_DO_EVENTS_OFF);
	act(s, REPLICA_DO_DUMP_STOP);
	act(s, REPLICA_DO_CLEAR);
}

/* A Standby that knows of a newer term would refuse it all. */
static void consider_sending(struct step *s)
{
	const struct replica *r = s->r;

	if (!r->sending && r->role == REPLICA_ACTIVE && !r->handover && r->connected &&
		r->peer_role == REPLICA_STANDBY && r->peer_term <= r->term)
		start_sending(s);
}

static void drain_end(struct step *s)
{
	struct replica *r = s->r;

	act(s, REPLICA_DO_SEND_TERM_END)->term = r->send_term;
	stop_sending(s);
	send_state(s);
}

static void on_dump_sent(struct step *s)
{
	struct replica *r = s->r;
	struct replica_action *a;

	if (!r->sending || r->draining || !r->dumping || s->ev->id != r->sync_id)
		return;
	r->dumping = false;
	if (r->lost) {
		r->dump_due = r->dump_begun + REPLICA_REPAIR_GAP;
		if (r->dump_due <= s->now)
			dump_begin(s);
		return;
	}
	r->dump_sent = true;
	r->compare_at = s->now + REPLICA_COMPARE_EVERY;
	a = act(s, REPLICA_DO_SEND_SYNC_END);
	a->term = r->send_term;
	a->id = r->sync_id;
}

/* The Standby must hear at once that it may lack sessions; the dump itself is paced. */
static void repair(struct step *s, enum replica_sync sync)
{
	struct replica *r = s->r;
	bool busy;

	if (!r->sending || r->draining)
		return;
	busy = r->dumping || r->dump_due != USEC_NEVER;
	if (busy && (sync == REPLICA_SYNC_COMPARE || r->send_sync == REPLICA_SYNC_FULL)) {
		r->lost |= sync == REPLICA_SYNC_FULL;
	} else {
		if (busy)
			act(s, REPLICA_DO_DUMP_STOP);
		sync_begin(s, sync);
		r->dump_due = r->dump_begun + REPLICA_REPAIR_GAP;
	}
	if (!r->dumping && r->dump_due <= s->now)
		dump_begin(s);
}

static void on_overrun(struct step *s)
{
	s->r->overruns++;
	repair(s, REPLICA_SYNC_FULL);
}

static void on_suspect(struct step *s)
{
	repair(s, REPLICA_SYNC_COMPARE);
}

static void on_sync_request(struct step *s)
{
	repair(s, REPLICA_SYNC_FULL);
}

static void on_ack(struct step *s)
{
	if (s->r->sending)
		act(s, REPLICA_DO_ACKED)->seq = s->ev->seq;
}

static void on_sync_done(struct step *s)
{
	struct replica *r = s->r;

	if (r->sending && r->dump_sent && s->ev->id == r->sync_id)
		r->peer_in_sync = true;
}

static void on_drained(struct step *s)
{
	if (s->r->draining && s->r->drain_at == USEC_NEVER)
		drain_end(s);
}

/* --- Standby --------------------------------------------------------------------------------- */

static void stop_receiving(struct step *s)
{
	struct replica *r = s->r;

	if (r->marking)
		act(s, REPLICA_DO_MARK_DROP);
	r->marking = r->sweeping = r->in_sync = false;
}

/* What is refused here is missing here. */
static void refuse_old_term(struct step *s)
{
	refuse(s, REPLICA_REFUSED_OLD_TERM);
	stop_receiving(s);
}

/* Whether a Standby takes sync frames of this term from this peer. */
static bool may_receive(struct step *s)
{
	struct replica *r = s->r;

	if (r->role == REPLICA_NONE)
		refuse(s, REPLICA_REFUSED_NO_ROLE);
	else if (s->ev->term < r->term)
		refuse_old_term(s);
	else if (r->role == REPLICA_ACTIVE)
		refuse(s, REPLICA_REFUSED_ACTIVE);
	else if (r->peer_role != REPLICA_ACTIVE)
		refuse(s, REPLICA_REFUSED_NOT_ACTIVE);
	else
		return true;
	return false;
}

static void on_sync_begin(struct step *s)
{
	struct replica *r = s->r;

	if (!may_receive(s))
		return;
	r->term = s->ev->term;
	r->sync_id = s->ev->id;
	r->marking = true;
	r->sweeping = false;
	r->progress_at = s->now;
	if (s->ev->sync == REPLICA_SYNC_FULL) {
		r->in_sync = false;
		r->full_syncs++;
	} else {
		r->compares++;
	}
	act(s, REPLICA_DO_MARK)->id = r->sync_id;
}

static void apply(struct step *s)
{
	struct replica *r = s->r;

	if (s->ev->seq <= r->rx_seq) {
		refuse(s, REPLICA_REFUSED_SEQUENCE);
		act(s, REPLICA_DO_RESET_LINK);
		return;
	}
	r->rx_seq = s->ev->seq;
	if (r->marking) /* else changes that go on would hide that no sync ever began */
		r->progress_at = s->now;
	act(s, REPLICA_DO_APPLY);
	act(s, REPLICA_DO_SEND_ACK)->seq = s->ev->seq;
}

static void on_batch(struct step *s)
{
	struct replica *r = s->r;

	if (r->role == REPLICA_ACTIVE && r->handover && s->ev->term < r->term) {
		apply(s);
		return;
	}
	if (!may_receive(s))
		return;
	r->term = s->ev->term;
	apply(s);
}

static void on_sync_end(struct step *s)
{
	struct replica *r = s->r;

	if (!may_receive(s))
		return;
	r->progress_at = s->now;
	if (!r->marking || r->sweeping || s->ev->id != r->sync_id)
		return;
	r->sweeping = true;
	act(s, REPLICA_DO_SWEEP)->id = r->sync_id;
}

static void on_swept(struct step *s)
{
	struct replica *r = s->r;

	if (!r->sweeping || s->ev->id != r->sync_id)
		return;
	r->marking = r->sweeping = false;
	r->in_sync = true;
	act(s, REPLICA_DO_SEND_SYNC_DONE)->id = r->sync_id;
}

static void on_unswept(struct step *s)
{
	struct replica *r = s->r;

	if (!r->sweeping || s->ev->id != r->sync_id)
		return;
	r->marking = r->sweeping = r->in_sync = false;
	r->progress_at = s->now;
	act(s, REPLICA_DO_SEND_SYNC_REQUEST);
}

/* Asked for again after REPLICA_STALL, in case there is room then. */
static void on_missing(struct step *s)
{
	if (s->r->role != REPLICA_STANDBY)
		return;
	stop_receiving(s);
	s->r->progress_at = s->now;
}

/* --- roles and the link ---------------------------------------------------------------------- */

static void handover_end(struct step *s)
{
	if (!s->r->handover)
		return;
	s->r->handover = false;
	send_state(s);
}

static void on_promote(struct step *s)
{
	struct replica *r = s->r;

	if (r->role == REPLICA_ACTIVE) {
		if (r->term == s->ev->term)
			return;
		r->term = s->ev->term;
		/* The peer may have refused records of the term before: it hears of the new one on
		 * its own, and a restarted vrrpd may have claimed an older one. */
		stop_sending(s);
		send_state(s);
		consider_sending(s);
		return;
	}
	stop_receiving(s);
	stop_sending(s); /* a drain that a new promotion overtakes */
	r->role = REPLICA_ACTIVE;
	r->term = s->ev->term;
	r->handover = s->ev->handover && r->connected && r->peer_role == REPLICA_ACTIVE;
	r->handover_until = s->now + REPLICA_HANDOVER_MAX;
	send_state(s);
	/* Subscribing to events takes the kernel some milliseconds. */
	r->start_pending = true;
}

static void on_demote(struct step *s)
{
	struct replica *r = s->r;
	bool was_active = r->role == REPLICA_ACTIVE;
	bool same = r->role == REPLICA_STANDBY && r->term == s->ev->term;

	r->role = REPLICA_STANDBY;
	r->term = s->ev->term;
	r->handover = false;
	if (same || r->draining)
		return;
	r->progress_at = s->now;
	/* An Active of an older term stops sending as soon as it hears of this. */
	if (r->peer_role == REPLICA_ACTIVE && r->peer_term < r->term)
		stop_receiving(s);
	if (was_active && r->sending) {
		/* The peer learns our new role when the old one's records are out. */
		r->draining = true;
		r->drain_at = s->now + REPLICA_DRAIN_GRACE;
		r->drain_until = s->now + REPLICA_DRAIN_MAX;
		act(s, REPLICA_DO_DUMP_STOP);
		return;
	}
	send_state(s);
}

static void on_link_up(struct step *s)
{
	struct replica *r = s->r;

	r->connected = true;
	r->peer_role = s->ev->role;
	r->peer_term = s->ev->term;
	r->peer_handover = s->ev->handover;
	r->rx_seq = 0;
	r->progress_at = s->now;
	send_state(s); /* it may have changed since our hello */
	consider_sending(s);
}

static void on_link_down(struct step *s)
{
	struct replica *r = s->r;

	r->connected = false;
	r->peer_role = REPLICA_NONE;
	r->peer_term = 0;
	r->peer_handover = r->handover = false;
	stop_sending(s);
	stop_receiving(s);
}

/* A Standby does, unless it knows of a newer term; the next Active, which takes over from us, wants
 * them to the end. Any other claim to be Active means that the role is not clear. */
static bool peer_takes_records(const struct replica *r)
{
	switch (r->peer_role) {
	case REPLICA_NONE:
		return false;
	case REPLICA_STANDBY:
		return r->draining || r->peer_term <= r->send_term;
	case REPLICA_ACTIVE:
		return r->peer_handover && r->peer_term > r->send_term;
	}
	return false;
}

static void on_state(struct step *s)
{
	struct replica *r = s->r;
	bool was_active = r->peer_role == REPLICA_ACTIVE;

	r->peer_role = s->ev->role;
	r->peer_term = s->ev->term;
	r->peer_handover = s->ev->handover;
	if (r->peer_role != REPLICA_ACTIVE) {
		stop_receiving(s);
		handover_end(s);
	} else if (!was_active) {
		r->progress_at = s->now;
	}
	if (r->sending && !peer_takes_records(r)) {
		bool draining = r->draining;

		stop_sending(s);
		if (draining)
			send_state(s);
	}
	consider_sending(s);
}

static void on_term_end(struct step *s)
{
	struct replica *r = s->r;

	if (r->role == REPLICA_ACTIVE && s->ev->term < r->term)
		handover_end(s);
	consider_sending(s);
}

static bool waits_for_sync(const struct replica *r)
{
	return r->role == REPLICA_STANDBY && r->connected && !r->draining && !r->in_sync &&
	       !r->sweeping && r->peer_role == REPLICA_ACTIVE && r->peer_term >= r->term;
}

static void on_tick(struct step *s)
{
	struct replica *r = s->r;

	r->start_pending = false;
	consider_sending(s);
	if (r->handover && s->now >= r->handover_until) {
		handover_end(s);
		consider_sending(s);
	}
	if (r->draining && s->now >= r->drain_at) {
		r->drain_at = USEC_NEVER;
		act(s, REPLICA_DO_DRAIN);
	}
	if (r->draining && s->now >= r->drain_until)
		drain_end(s);
	if (r->sending && s->now >= r->dump_due)
		dump_begin(s);
	if (r->sending && s->now >= r->compare_at)
		repair(s, REPLICA_SYNC_COMPARE);
	if (waits_for_sync(r) && s->now - r->progress_at >= REPLICA_STALL) {
		r->progress_at = s->now;
		act(s, REPLICA_DO_SEND_SYNC_REQUEST);
	}
}

/* --- the table ------------------------------------------------------------------------------- */

static void (*const handlers[])(struct step *) = {
	[REPLICA_EV_PROMOTE] = on_promote,
	[REPLICA_EV_DEMOTE] = on_demote,
	[REPLICA_EV_LINK_UP] = on_link_up,
	[REPLICA_EV_LINK_DOWN] = on_link_down,
	[REPLICA_EV_STATE] = on_state,
	[REPLICA_EV_SYNC_BEGIN] = on_sync_begin,
	[REPLICA_EV_BATCH] = on_batch,
	[REPLICA_EV_SYNC_END] = on_sync_end,
	[REPLICA_EV_TERM_END] = on_term_end,
	[REPLICA_EV_ACK] = on_ack,
	[REPLICA_EV_SYNC_DONE] = on_sync_done,
	[REPLICA_EV_SYNC_REQUEST] = on_sync_request,
	[REPLICA_EV_DUMP_SENT] = on_dump_sent,
	[REPLICA_EV_DRAINED] = on_drained,
	[REPLICA_EV_SWEPT] = on_swept,
	[REPLICA_EV_UNSWEPT] = on_unswept,
	[REPLICA_EV_OVERRUN] = on_overrun,
	[REPLICA_EV_MISSING] = on_missing,
	[REPLICA_EV_SUSPECT] = on_suspect,
	[REPLICA_EV_TICK] = on_tick,
};

void replica_init(struct replica *r, usec_t now)
{
	memset(r, 0, sizeof(*r));
	r->since = now;
	r->dump_due = r->compare_at = USEC_NEVER;
	r->dump_begun = now - REPLICA_REPAIR_GAP;
}

void replica_step(
	struct replica *r, const struct replica_event *ev, usec_t now, struct replica_actions *out)
{
	struct step s = {r, ev, now, out};

	out->n = 0;
	/* Frames of a link that is down already are not the peer's word any more. */
	if (!r->connected && ev->type >= REPLICA_EV_STATE && ev->type <= REPLICA_EV_SYNC_REQUEST)
		return;
	handlers[ev->type](&s);
	if (r->shown_connected == r->connected && r->shown_in_sync == replica_in_sync(r))
		return;
	r->shown_connected = r->connected;
	r->shown_in_sync = replica_in_sync(r);
	r->since = now;
	act(&s, REPLICA_DO_NOTIFY);
}

static usec_t earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

usec_t replica_deadline(const struct replica *r)
{
	usec_t due = r->start_pending ? 0 : USEC_NEVER;

	if (r->handover)
		due = earlier(due, r->handover_until);
	if (r->draining)
		due = earlier(due, earlier(r->drain_at, r->drain_until));
	if (r->sending)
		due = earlier(due, earlier(r->dump_due, r->compare_at));
	if (waits_for_sync(r))
		due = earlier(due, r->progress_at + REPLICA_STALL);
	return due;
}

bool replica_in_sync(const struct replica *r)
{
	return r->role == REPLICA_ACTIVE ? r->sending && r->peer_in_sync : r->in_sync;
}

bool replica_may_send(const struct replica *r, uint64_t *ret_term)
{
	if (!r->connected || !r->sending)
		return false;
	*ret_term = r->send_term;
	return true;
}
