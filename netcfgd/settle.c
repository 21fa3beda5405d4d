/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's rounds of plan and apply. After each apply the kernel's notifications are taken in,
 * which rtnetlink and nfnetlink queue before they acknowledge, so the next plan is made from what
 * really happened. What others had changed is named, counted, and damped when they do it again and
 * again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/engine_internal.h"

#define ROUNDS_MAX  32
#define SWEEP_CHUNK 32 /* switches in a turn of the loop: at most 1 ms */
#define HEAL_LINES  3  /* of a repair that are told in full */
#define HELD_LINKS  64

/* --- errors ---------------------------------------------------------------------------------- */

static uint64_t digest(const char *s)
{
	uint64_t h = 14695981039346656037u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 1099511628211u;
	return h;
}

static bool listed(const uint64_t *v, size_t n, uint64_t h)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == h)
			return true;
	return false;
}

void engine_report(struct engine *e, const char *text)
{
	uint64_t h = digest(text);

	snprintf(e->last_error, sizeof(e->last_error), "%s", text);
	if (listed(e->failing_now, e->n_failing_now, h))
		return;
	/* What is beyond the table would be told every time. */
	if (e->n_failing_now == ENGINE_MAX_FAILING)
		return;
	e->failing_now[e->n_failing_now++] = h;
	if (!listed(e->failing, e->n_failing, h))
		e->ops->error(e->owner, text);
}

void engine_on_error(const struct op *op, int err, const char *text, void *arg)
{
	struct engine *e = arg;

	if (err == -ENODEV && op->index && e->n_doubts < ENGINE_MAX_DOUBTS) {
		struct engine_doubt *d = &e->doubts[e->n_doubts++];

		d->link = op->index;
		snprintf(d->text, sizeof(d->text), "%s", text);
		return;
	}
	e->failures++;
	engine_report(e, text);
}

static void report_doubts(struct engine *e)
{
	for (size_t i = 0; i < e->n_doubts; i++) {
		if (!kernel_link(&e->k, e->doubts[i].link))
			continue;
		e->failures++;
		engine_report(e, e->doubts[i].text);
	}
	e->n_doubts = 0;
}

/* A sentence, if something about the link is for people to mend. */
static bool missing(
	const struct engine *e, const struct desired_link *w, char *text, size_t text_size)
{
	const struct kernel_link *l = kernel_link_by_name(&e->k, w->name), *m;

	if (!l && w->kind == LINK_OTHER) {
		snprintf(text, text_size,
			"interface %s: there is none of this name%s%s; plug it in or correct the "
			"name",
			w->name, w->device[0] ? " or named " : "", w->device);
		return true;
	}
	if (reconcile_name_taken(e->d, w, &e->k)) {
		snprintf(text, text_size,
			"interface %s: the name is taken by another interface; remove or rename "
			"that",
			w->name);
		return true;
	}
	m = reconcile_strange_master(w, &e->k);
	if (!m)
		return false;
	snprintf(text, text_size,
		"interface %s: it is a member of %s, which is not configured here; take it out of "
		"that",
		w->name, m->name);
	return true;
}

static void report_missing(struct engine *e)
{
	char text[APPLY_TEXT_MAX];

	for (size_t i = 0; i < e->d->n_links; i++) {
		const struct desired_link *w = &e->d->links[i];

		if (!missing(e, w, text, sizeof(text)))
			continue;
		engine_report(e, text);
	}
	for (size_t i = 0; i < e->d->n_sysctls && e->k.sysctls; i++) {
		const struct desired_sysctl *s = &e->d->sysctls[i];

		if (s->optional || e->k.sysctls[i] != SYSCTL_UNKNOWN ||
			(s->link[0] && !kernel_link_by_name(&e->k, s->link)))
			continue;
		snprintf(text, sizeof(text),
			"kernel switch net/%s: cannot be read; check that its module is loaded",
			s->path);
		engine_report(e, text);
	}
}

/* --- looking --------------------------------------------------------------------------------- */

/* A link brings its switches, and takes them along. */
static void link_switches(struct engine *e)
{
	for (size_t i = 0; i < e->d->n_links; i++) {
		const struct desired_link *w = &e->d->links[i];
		struct kernel_link *l = kernel_link_by_name(&e->k, w->name);

		if (l && l->fresh)
			sysctl_read(e->d, &e->k, w->sysctl, w->n_sysctls);
		if (l)
			l->fresh = false;
		for (size_t n = 0; n < w->n_sysctls && !l; n++)
			e->k.sysctls[w->sysctl + n] = SYSCTL_UNKNOWN;
	}
}

/* Those of no link at once; of which link it was is found by looking at all. */
static void some_switch(struct engine *e)
{
	for (size_t i = 0; i < e->d->n_sysctls; i++)
		if (!e->d->sysctls[i].link[0])
			sysctl_read(e->d, &e->k, i, 1);
	if (e->swept == 0)
		e->sweep_at = 0;
}

int engine_look(struct engine *e)
{
	int changed = observe_drain(&e->observe);

	/* What others changed of the policy shows as stale. */
	nft_drain(&e->nft);
	e->seen = changed != 0;
	if (changed < 0)
		return changed;
	report_doubts(e);
	if (changed & (OBSERVE_LINK | OBSERVE_ADDR))
		e->links_changed = true;
	if ((changed & OBSERVE_NEW_LINK) && e->d && e->k.sysctls)
		link_switches(e);
	if ((changed & OBSERVE_SWITCH) && e->d && e->k.sysctls)
		some_switch(e);
	return 0;
}

void engine_sweep(struct engine *e, usec_t now)
{
	if (sysctl_read(e->d, &e->k, e->swept, SWEEP_CHUNK))
		e->repair_at = now;
	e->swept += SWEEP_CHUNK;
	if (e->swept >= e->d->n_sysctls)
		e->swept = 0;
	e->sweep_at = now + (e->swept ? SWEEP_STEP : SWEEP_EVERY);
}

/* --- damping --------------------------------------------------------------------------------- */

/* Giving up what is not ours to have never waits. */
static bool always(const struct op *op)
{
	return (op->kind == OP_GATE && !op->open) || (op->kind == OP_ADDR_DEL && op->addr.virt) ||
	       (op->kind == OP_LINK_DOWN && op->link.virt);
}

/* The node's service hangs on it. */
static bool urgent(const struct engine *e, const struct op *op)
{
	const struct desired_link *w;

	if (op->kind == OP_FIREWALL || op->kind == OP_GATE)
		return true;
	if (op->kind == OP_ADDR_SET && op->addr.virt)
		return true;
	w = op->name[0] ? desired_link_find(e->d, op->name) : NULL;
	return e->lease.held && w && (w->virt || w->virtuals);
}

struct held {
	uint32_t links[HELD_LINKS]; /* those that may not be set up now */
	size_t n;
	bool any;
};

/* Nothing is routed over a link that stays down. */
static bool over_held_link(const struct held *h, const struct op *op)
{
	for (size_t i = 0; op->kind == OP_ROUTE_SET && i < h->n; i++)
		if (h->links[i] == op->route.r.oif)
			return true;
	return false;
}

/* Takes out of the plan what is fought over and was put back a moment ago. True if anything. */
static bool hold_back(struct engine *e, struct plan *p, usec_t now)
{
	struct held h = {0};
	size_t n = 0;

	/* The common case costs nothing. */
	if (damp_due(&e->damp, now) == USEC_NEVER)
		return false;
	for (size_t i = 0; i < p->n; i++) {
		const struct op *op = &p->ops[i];

		if (over_held_link(&h, op) ||
			(!always(op) && !damp_may(&e->damp, describe_key(op), now))) {
			h.any = true;
			if (op->kind == OP_LINK_UP && h.n < HELD_LINKS)
				h.links[h.n++] = op->index;
			continue;
		}
		if (n != i)
			p->ops[n] = p->ops[i];
		n++;
	}
	p->n = n;
	return h.any;
}

static void tell_fight(struct engine *e, const struct op *op, unsigned times)
{
	char object[DESCRIBE_MAX], text[DESCRIBE_MAX + 160];

	describe_object(op, object);
	snprintf(text, sizeof(text),
		"%s was changed %u times in %lld s: another program manages it; stop that, or take "
		"it out of this configuration",
		object, times, (long long)(DAMP_WINDOW / USEC_PER_SEC));
	e->ops->error(e->owner, text);
}

/* --- repairs --------------------------------------------------------------------------------- */

struct healed {
	char text[HEAL_LINES][DESCRIBE_MAX];
	const struct op *of[HEAL_LINES]; /* of the present round */
	size_t n;                        /* of all rounds */
	unsigned done;
};

/* Which of the operations undo what others did, in words; before they are carried out. */
static void name_repairs(struct engine *e, struct healed *h)
{
	for (size_t i = 0; i < e->plan.n; i++) {
		struct op *op = &e->plan.ops[i];
		const struct kernel_link *l = op->index ? kernel_link(&e->k, op->index)
							: kernel_link_by_name(&e->k, op->name);

		/* Nobody has changed what was not there before. */
		op->repair = op->kind != OP_LINK_RENAME &&
			     (op->kind == OP_LINK_ADD || !l || !l->appeared);
		if (!op->repair || h->n == HEAL_LINES)
			continue;
		h->of[h->n] = op;
		describe_repair(op, e->d, &e->k, h->text[h->n++]);
	}
}

/* Of those named from `from` on, only what was done. */
static void forget_failed(struct healed *h, size_t from)
{
	size_t n = from;

	for (size_t i = from; i < h->n; i++) {
		if (h->of[i]->failed)
			continue;
		if (n != i)
			memcpy(h->text[n], h->text[i], sizeof(h->text[n]));
		n++;
	}
	h->n = n;
}

static void count_repairs(struct engine *e, struct healed *h, usec_t now)
{
	for (size_t i = 0; i < e->plan.n; i++) {
		const struct op *op = &e->plan.ops[i];
		unsigned times;

		if (op->failed || !op->repair)
			continue;
		h->done++;
		if (always(op))
			continue;
		times = damp_done(&e->damp, describe_key(op), urgent(e, op), now);
		if (times)
			tell_fight(e, op, times);
	}
}

static void log_repairs(struct engine *e, const struct healed *h, usec_t now)
{
	e->repairs += h->done;
	if (!h->done || !log_limit_pass(&e->heal_limit, now))
		return;
	for (size_t i = 0; i < h->n; i++)
		log_notice("repair: %s", h->text[i]);
	if (h->done > h->n)
		log_notice("repair: and %zu more", h->done - h->n);
	if (e->heal_limit.suppressed)
		log_notice("repair: %llu before this were not told",
			(unsigned long long)e->heal_limit.suppressed);
	e->heal_limit.suppressed = 0;
}

/* --- rounds ---------------------------------------------------------------------------------- */

struct settled {
	unsigned done;
	bool failed;
	bool later; /* links are left to go down */
	bool held;  /* something is damped */
	struct healed healed;
};

/* Takes all but the first of the operations that take a link down out of the plan, and that one as
 * well unless `first`. True if there were any. */
static bool put_off_links_down(struct plan *p, bool first)
{
	size_t n = 0;
	bool any = false;

	for (size_t i = 0; i < p->n; i++) {
		bool down = p->ops[i].kind == OP_LINK_DOWN && p->ops[i].link.virt;

		if (down && (any || !first)) {
			any = true;
			continue;
		}
		any = any || down;
		if (n != i)
			p->ops[n] = p->ops[i];
		n++;
	}
	p->n = n;
	return any;
}

/* What the switches were is in the file before they change. */
static void remember_switches(struct engine *e)
{
	bool any = false;

	for (size_t i = 0; i < e->plan.n; i++) {
		const struct op *op = &e->plan.ops[i];

		if (op->kind == OP_SYSCTL && sysctl_remember(&e->sysctl, op->sysctl,
						     e->k.sysctls[op->sysctl - e->d->sysctls]))
			any = true;
	}
	if (any)
		sysctl_store(&e->sysctl);
}

static bool apply_round(struct engine *e, enum settle_mode mode, struct settled *s, usec_t now)
{
	struct apply a = {.rt = &e->rt,
		.nft = &e->nft,
		.d = e->d,
		.k = &e->k,
		.now = clock_now_us(),
		.on_error = engine_on_error,
		.arg = e};
	size_t named = s->healed.n;
	uint64_t failures = e->failures;
	struct apply_report r;
	int rc;

	remember_switches(e);
	if (mode == SETTLE_REPAIR)
		name_repairs(e, &s->healed);
	r = apply_plan(&a, &e->plan);
	if (mode == SETTLE_REPAIR) {
		forget_failed(&s->healed, named);
		count_repairs(e, &s->healed, now);
	}
	s->done += r.done;
	rc = engine_look(e);
	s->failed = s->failed || e->failures != failures;
	if (rc) {
		engine_report(e, "kernel: its state cannot be read; it is tried again");
		s->failed = true;
	}
	/* What was to be set up may have been deleted meanwhile: then there is news of that. */
	return !rc && (r.done || e->seen);
}

static void settle(struct engine *e, enum reconcile_scope scope, enum settle_mode mode,
	struct settled *s, usec_t now)
{
	/* Not before its time. */
	bool follows = e->follow_at != USEC_NEVER && now < e->follow_at;

	e->last_error[0] = '\0';
	for (int round = 0; round < ROUNDS_MAX; round++) {
		reconcile_plan(e->d, e->lease.held, &e->k, scope, &e->plan);
		s->later = put_off_links_down(&e->plan, !round && !follows);
		s->held = mode != SETTLE_CONFIG && hold_back(e, &e->plan, now);
		if (e->plan.n == 0 || !apply_round(e, mode, s, now))
			break;
	}
	e->operations += s->done;
}

void engine_settle_lease(struct engine *e, usec_t now)
{
	struct settled s = {0};

	settle(e, RECONCILE_LEASE, SETTLE_CONFIG, &s, now);
	/* What others did at the same time was taken in on the way. */
	if (e->repair_at > now + REPAIR_GAP)
		e->repair_at = now + REPAIR_GAP;
}

void engine_settle(struct engine *e, enum settle_mode mode, usec_t now)
{
	struct settled s = {0};

	e->n_failing_now = 0;
	settle(e, RECONCILE_ALL, mode, &s, now);
	report_missing(e);
	memcpy(e->failing, e->failing_now, sizeof(e->failing));
	e->n_failing = e->n_failing_now;
	log_repairs(e, &s.healed, now);
	for (struct kernel_link *l = e->k.by_index; l; l = l->by_index.next)
		l->appeared = false;
	e->repair_at = s.held ? damp_due(&e->damp, now) : USEC_NEVER;
	if (!s.later || e->follow_at == USEC_NEVER || now >= e->follow_at)
		e->follow_at = s.later ? now : USEC_NEVER;
	e->repaired = now;
	e->retry_at = s.failed ? now + RETRY_GAP : USEC_NEVER;
}

bool engine_is_wrong(struct engine *e, usec_t now)
{
	bool held;

	reconcile_plan(e->d, e->lease.held, &e->k, RECONCILE_ALL, &e->plan);
	held = hold_back(e, &e->plan, now);
	if (held && e->plan.n == 0 && damp_due(&e->damp, now) < e->repair_at)
		e->repair_at = damp_due(&e->damp, now);
	return e->plan.n > 0;
}

void engine_tell_links(struct engine *e)
{
	if (!e->links_changed)
		return;
	e->links_changed = false;
	e->ops->links_changed(e->owner);
}
