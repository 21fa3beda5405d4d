/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configurations on their way to the daemons: the one in effect to a daemon that starts, and a new
 * one to all of them, as the reload core decides.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/supervisor/supervisor.h"

static void reload_act(struct supervisor *sup, enum reload_action action, usec_t now);

/* --- a child's configuration ----------------------------------------------------------------- */

/* One that runs on another configuration than the node's, or on none yet, is given it. */
void rollout_catch_up(struct child *ch)
{
	struct supervisor *sup = ch->sup;

	if (!ch->control || ch->phase != CHILD_IDLE || ch->generation == sup->generation ||
		ch->refused)
		return;
	ch->phase = CHILD_ASKED;
	ch->phase_generation = sup->generation;
	ch->phase_id = control_prepare(ch, sup->current, sup->generation);
}

static void tell_commit(struct child *ch, uint64_t generation)
{
	ch->phase = CHILD_TOLD;
	ch->phase_generation = generation;
	ch->phase_id = control_commit(ch, generation);
}

static bool in_reload(const struct child *ch)
{
	const struct reload *r = &ch->sup->reload;

	return r->phase != RELOAD_IDLE && (r->participants >> child_index(ch) & 1) &&
	       ch->phase_generation == r->generation;
}

static void on_committed(struct child *ch, usec_t now)
{
	struct supervisor *sup = ch->sup;
	bool first = ch->generation == 0, reload = in_reload(ch);

	ch->generation = ch->phase_generation;
	for (unsigned i = 0; first && i < sup->n_children; i++)
		if (&sup->children[i] != ch && strcmp(child_name(ch), "vrrpd") == 0)
			supervisor_tell_health(&sup->children[i]);
	if (reload)
		reload_act(
			sup, reload_step(&sup->reload, RELOAD_EV_ACK, child_index(ch), now), now);
	rollout_catch_up(ch);
}

static void on_refused(struct child *ch, const char *text)
{
	/* What it refused may have been replaced by a reload that it was no part of. */
	if (ch->phase_generation != ch->sup->generation) {
		rollout_catch_up(ch);
		return;
	}
	ch->refused = true;
	log_err("daemon=%s refuses the configuration that the others run on: %s", child_name(ch),
		text);
}

void supervisor_on_answer(struct child *ch, uint64_t id, bool ok, const char *text)
{
	struct supervisor *sup = ch->sup;
	enum child_phase phase = ch->phase;
	usec_t now = clock_now_us();

	if (phase == CHILD_IDLE || id != ch->phase_id)
		return;
	ch->phase = CHILD_IDLE;
	if (phase == CHILD_TOLD && ok) {
		on_committed(ch, now);
	} else if (phase == CHILD_TOLD || !in_reload(ch)) {
		if (ok)
			tell_commit(ch, ch->phase_generation);
		else
			on_refused(ch, text);
	} else {
		if (!ok)
			snprintf(sup->refusal, sizeof(sup->refusal), "%s", text);
		reload_act(sup,
			reload_step(&sup->reload, ok ? RELOAD_EV_ACK : RELOAD_EV_REFUSED,
				child_index(ch), now),
			now);
	}
	supervisor_settle(sup, now);
}

/* --- reload ---------------------------------------------------------------------------------- */

static void describe_culprits(
	struct supervisor *sup, const char *what, char out[SUPERVISOR_WHY_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < sup->n_children && n < SUPERVISOR_WHY_MAX / 2; i++)
		if (sup->reload.culprits >> i & 1)
			n += (size_t)snprintf(out + n, SUPERVISOR_WHY_MAX - n, "%s%s",
				n ? ", " : "", child_name(&sup->children[i]));
	snprintf(out + n, SUPERVISOR_WHY_MAX - n, " %s", what);
}

static void reload_commit(struct supervisor *sup)
{
	config_free(sup->current);
	sup->current = sup->next;
	sup->next = NULL;
	sup->generation = sup->reload.generation;
	for (unsigned i = 0; i < sup->n_children; i++) {
		struct child *ch = &sup->children[i];

		ch->refused = false;
		if (sup->reload.participants >> i & 1 && ch->control)
			tell_commit(ch, sup->generation);
		else
			rollout_catch_up(ch);
	}
}

static void reload_abort(struct supervisor *sup)
{
	char why[SUPERVISOR_WHY_MAX];

	for (unsigned i = 0; i < sup->n_children; i++) {
		struct child *ch = &sup->children[i];

		/* One that died meanwhile is back, and was asked about the configuration that
		 * stays. */
		if (!(sup->reload.participants >> i & 1) || !ch->control ||
			ch->phase_generation != sup->reload.generation)
			continue;
		ch->phase = CHILD_IDLE;
		control_abort(ch, sup->reload.generation);
	}
	config_free(sup->next);
	sup->next = NULL;
	describe_culprits(sup, "did not answer; the old configuration stays, try again", why);
	if (sup->refusal[0])
		snprintf(why, sizeof(why), "%s:1: %.300s; the old configuration stays",
			sup->config_file, sup->refusal);
	sup->reloads_refused++;
	log_err("reload refused: %s", why);
	requester_fail(&sup->reload_by, -EINVAL, why);
}

static void reload_act(struct supervisor *sup, enum reload_action action, usec_t now)
{
	char why[SUPERVISOR_WHY_MAX];

	switch (action) {
	case RELOAD_NOTHING:
		break;
	case RELOAD_COMMIT:
		reload_commit(sup);
		reload_act(sup, reload_step(&sup->reload, RELOAD_EV_TICK, 0, now), now);
		break;
	case RELOAD_ABORT:
		reload_abort(sup);
		break;
	case RELOAD_DONE:
		sup->reloads++;
		log_notice("reload done: configuration generation=%" PRIu64, sup->generation);
		requester_ack(&sup->reload_by);
		break;
	case RELOAD_LATE:
		describe_culprits(
			sup, "has not confirmed the new configuration yet; see its status", why);
		log_err("reload: %s", why);
		requester_fail(&sup->reload_by, -ETIMEDOUT, why);
		break;
	}
}

static unsigned ask_all(struct supervisor *sup, uint64_t generation)
{
	unsigned asked = 0;

	for (unsigned i = 0; i < sup->n_children; i++) {
		struct child *ch = &sup->children[i];

		if (!ch->control || ch->phase != CHILD_IDLE || ch->generation != sup->generation)
			continue;
		asked |= 1u << i;
		ch->phase = CHILD_ASKED;
		ch->phase_generation = generation;
		ch->phase_id = control_prepare(ch, sup->next, generation);
	}
	return asked;
}

void supervisor_reload(struct supervisor *sup, struct requester by)
{
	static const char busy[] = "a reload or the stop is under way; wait and try again";
	char err[SUPERVISOR_WHY_MAX];
	usec_t now = clock_now_us();
	int r;

	if (sup->reload.phase != RELOAD_IDLE || sup->stopping) {
		requester_fail(&by, -EBUSY, busy);
		return;
	}
	/* Where there is no real-time priority, that was said at the start. */
	(void)spawn_real_time(false);
	r = config_load(sup->config_file, sup->statedir, &sup->next, err, sizeof(err));
	(void)spawn_real_time(true);
	if (r < 0) {
		sup->reloads_refused++;
		log_err("reload refused: %s", err);
		requester_fail(&by, r, err);
		return;
	}
	config_warn(sup->next, sup->config_file, supervisor_warn);
	sup->reload_by = by;
	sup->refusal[0] = '\0';
	sup->newest_generation++;
	reload_act(sup,
		reload_begin(&sup->reload, sup->newest_generation,
			ask_all(sup, sup->newest_generation), now),
		now);
	supervisor_settle(sup, now);
}

void rollout_died(struct child *ch, usec_t now)
{
	struct supervisor *sup = ch->sup;

	reload_act(sup, reload_step(&sup->reload, RELOAD_EV_DIED, child_index(ch), now), now);
}

void rollout_tick(struct supervisor *sup, usec_t now)
{
	reload_act(sup, reload_step(&sup->reload, RELOAD_EV_TICK, 0, now), now);
}
