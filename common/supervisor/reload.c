/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two-phase reload; see reload.h.
 */
#include "common/supervisor/reload.h"

static enum reload_action decide(struct reload *r, usec_t now)
{
	r->phase = RELOAD_COMMITTING;
	r->waiting = r->participants;
	r->deadline = now + RELOAD_COMMIT_MAX;
	return RELOAD_COMMIT;
}

static enum reload_action end(struct reload *r, unsigned culprits, enum reload_action action)
{
	r->phase = RELOAD_IDLE;
	r->culprits = culprits;
	r->deadline = USEC_NEVER;
	return action;
}

enum reload_action reload_begin(
	struct reload *r, uint64_t generation, unsigned participants, usec_t now)
{
	*r = (struct reload){.phase = RELOAD_PREPARING,
		.generation = generation,
		.participants = participants,
		.waiting = participants,
		.deadline = now + RELOAD_PREPARE_MAX};
	return participants == 0 ? decide(r, now) : RELOAD_NOTHING;
}

static enum reload_action preparing(
	struct reload *r, enum reload_event ev, unsigned bit, usec_t now)
{
	switch (ev) {
	case RELOAD_EV_ACK:
		r->waiting &= ~bit;
		return r->waiting == 0 ? decide(r, now) : RELOAD_NOTHING;
	case RELOAD_EV_REFUSED:
	case RELOAD_EV_DIED:
		return end(r, bit, RELOAD_ABORT);
	case RELOAD_EV_TICK:
		return now >= r->deadline ? end(r, r->waiting, RELOAD_ABORT) : RELOAD_NOTHING;
	}
	return RELOAD_NOTHING;
}

static enum reload_action committing(
	struct reload *r, enum reload_event ev, unsigned bit, usec_t now)
{
	/* One that died is done: it starts on the decided configuration. */
	if (ev != RELOAD_EV_TICK)
		r->waiting &= ~bit;
	if (r->waiting == 0)
		return end(r, 0, RELOAD_DONE);
	return now >= r->deadline ? end(r, r->waiting, RELOAD_LATE) : RELOAD_NOTHING;
}

enum reload_action reload_step(struct reload *r, enum reload_event ev, unsigned daemon, usec_t now)
{
	unsigned bit = 1u << daemon;

	if (r->phase == RELOAD_IDLE || (ev != RELOAD_EV_TICK && !(r->participants & bit)))
		return RELOAD_NOTHING;
	return r->phase == RELOAD_PREPARING ? preparing(r, ev, bit, now)
					    : committing(r, ev, bit, now);
}
