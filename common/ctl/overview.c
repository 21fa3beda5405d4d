/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pair on one screen of 80 x 24: which role, since when and why; is failover ready, and if not
 * why not; the peer; the sessions; the addresses; the daemons; the last transition. Each list is
 * bounded, so that the first line is still there when all of them are long.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "common/ctl/overview.h"
#include "common/ctl/screen.h"

/* Lines of the screen. */
#define MAX_REASONS    4
#define MAX_CONDITIONS 3

#define LIST_MAX 1500

/* "a; b; c" */
struct list {
	char text[LIST_MAX];
	size_t n;
};

static void list_add(struct list *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void list_add(struct list *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->n && l->n + 3 < sizeof(l->text)) {
		memcpy(l->text + l->n, "; ", 3);
		l->n += 2;
	}
	va_start(ap, fmt);
	n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->n += (size_t)n < sizeof(l->text) - l->n ? (size_t)n : sizeof(l->text) - l->n - 1;
}

/* A list of sentences in at most `budget` lines: few of them may be long. */
static void put_lines(FILE *f, const char *label, char **v, size_t n, size_t budget)
{
	size_t show = n > budget ? budget - 1 : n, each = n == 1 ? budget : n * 2 <= budget ? 2 : 1;

	for (size_t i = 0; i < show; i++)
		screen_put(f, i == 0 ? label : "", (int)each, "- %s", v[i]);
	if (n > show)
		screen_put(f, "", 1, "and %zu more: `gatepair status vrrpd`", n - show);
}

static void put_role(FILE *f, const struct overview *o)
{
	char age[SCREEN_DURATION_MAX];
	const Gp__VrrpdStatus *v = o->vrrpd ? o->vrrpd->vrrpd : NULL;

	if (!v) {
		screen_put(f, "Node", 1, "%s", o->node);
		screen_put(f, "Role", 2, "unknown: %s", o->vrrpd ? o->vrrpd->reason : o->why_vrrpd);
		return;
	}
	screen_put(f, "Node", 1, "%s, gatepair %s, priority %u, term %" PRIu64, o->node,
		o->vrrpd->version, v->priority, v->term);
	screen_put(f, "Role", 2, "%s for %s: %s", v->role,
		screen_duration(v->role_age_ms * 1000, age), v->role_reason);
	screen_put(f, "Failover", 1, "%s", v->failover_ready ? "ready" : "NOT ready");
	if (!v->failover_ready)
		put_lines(f, "", v->not_ready_reasons, v->n_not_ready_reasons, MAX_REASONS);
	put_lines(f, "Attention", v->conditions, v->n_conditions, MAX_CONDITIONS);
}

static void put_peer(FILE *f, const Gp__VrrpdStatus *v)
{
	const Gp__VrrpdPeer *p = v->peer;
	char heard[SCREEN_DURATION_MAX];
	struct list paths = {0};

	if (!p) {
		screen_put(f, "Peer", 1, "none was ever heard");
		return;
	}
	screen_put(f, "Peer", 2, "%s, %s, priority %u, health %s, heard %s ago", p->node, p->role,
		p->priority, p->health, screen_duration(p->last_heard_us, heard));
	for (size_t i = 0; i < p->n_paths; i++)
		list_add(&paths, "%s %s %s", p->paths[i]->kind, p->paths[i]->interface,
			p->paths[i]->alive ? "alive" : "SILENT");
	if (paths.n)
		screen_put(f, "", 1, "%s", paths.text);
}

static void put_sessions(FILE *f, const struct overview *o)
{
	const Gp__SyncdStatus *s = o->syncd ? o->syncd->syncd : NULL;
	char lag[SCREEN_DURATION_MAX];

	if (!s) {
		screen_put(f, "Sessions", 2, "unknown: %s",
			o->syncd ? o->syncd->reason : o->why_syncd);
		return;
	}
	screen_put(f, "Sessions", 1,
		"%" PRIu64 " here, %" PRIu64 " replicated, %" PRIu64 " waiting, lag %s",
		s->sync->sessions, s->sync->sessions_replicated, s->sync->backlog,
		screen_duration(s->lag_us, lag));
	screen_put(f, "", 2, "link to %s %s, %s%s%s", s->peer, s->sync->connected ? "up" : "DOWN",
		s->sync->in_sync ? "in sync" : "NOT in sync", s->sync->in_sync ? "" : ": ",
		s->sync->in_sync ? "" : s->sync->reason);
}

static void put_addresses(FILE *f, const struct overview *o)
{
	const Gp__NetcfgdStatus *n = o->netcfgd ? o->netcfgd->netcfgd : NULL;
	struct list l = {0};

	if (!n) {
		screen_put(f, "Virtual", 2, "unknown: %s",
			o->netcfgd ? o->netcfgd->reason : o->why_netcfgd);
		return;
	}
	for (size_t i = 0; i < n->n_virtuals; i++)
		list_add(&l, "%s %s %s", n->virtuals[i]->address, n->virtuals[i]->interface,
			n->virtuals[i]->held ? "held" : "not held");
	screen_put(
		f, "Virtual", 2, "forwarding %s; %s", n->forwarding, l.n ? l.text : "no addresses");
}

static void put_daemons(FILE *f, const struct overview *o)
{
	const Gp__SupervisorStatus *s = o->supervisor ? o->supervisor->supervisor : NULL;
	char up[SCREEN_DURATION_MAX];
	struct list l = {0};

	if (!s) {
		screen_put(f, "Daemons", 2, "unknown: %s", o->why_supervisor);
		return;
	}
	for (size_t i = 0; i < s->n_children; i++) {
		const Gp__SupervisorChild *c = s->children[i];

		screen_duration(c->uptime_ms * 1000, up);
		if (c->restarts == 0)
			list_add(&l, "%s %s %s", c->name, c->state, up);
		else
			list_add(&l, "%s %s %s (%" PRIu64 " restarts, %s)", c->name, c->state, up,
				c->restarts, c->last_exit);
	}
	screen_put(f, "Daemons", 2, "%s", l.text);
}

static void add_stage(struct list *l, bool has, uint64_t us, const char *what)
{
	char t[SCREEN_DURATION_MAX];

	if (has)
		list_add(l, "%s +%s", what, screen_duration(us, t));
}

static void put_transition(FILE *f, const Gp__VrrpdStatus *v)
{
	const Gp__VrrpdTransition *t = v->n_transitions ? v->transitions[0] : NULL;
	char ago[SCREEN_DURATION_MAX];
	struct list l = {0};

	if (!t)
		return;
	screen_put(f, "Last", 1, "%s → %s %s ago, term %" PRIu64 ": %s", t->from, t->to,
		screen_duration(t->ago_ms * 1000, ago), t->term, t->reason);
	if (t->has_last_heard_us)
		list_add(&l, "peer heard %s before", screen_duration(t->last_heard_us, ago));
	add_stage(&l, t->has_decided_us, t->decided_us, "decided");
	add_stage(&l, t->has_state_ready_us, t->state_ready_us, "state ready");
	add_stage(&l, t->has_addresses_up_us, t->addresses_up_us, "addresses up");
	add_stage(&l, t->has_announced_us, t->announced_us, "announced");
	if (t->has_sessions)
		list_add(&l, "%" PRIu64 " sessions carried", t->sessions);
	if (l.n)
		screen_put(f, "", 2, "%s", l.text);
}

void overview_print(FILE *f, const struct overview *o)
{
	const Gp__VrrpdStatus *v = o->vrrpd ? o->vrrpd->vrrpd : NULL;

	put_role(f, o);
	if (v)
		put_peer(f, v);
	put_sessions(f, o);
	put_addresses(f, o);
	put_daemons(f, o);
	if (v)
		put_transition(f, v);
}
