/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pair on one screen of 80 x 24: which role, since when and why; is failover ready, and if not
 * why not; what went wrong lately; the peer; the sessions; the addresses; the daemons; the last
 * transition. What has little to say leaves its lines to the others: it is printed with the most
 * generous of the budgets below that fits.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl/overview.h"
#include "common/ctl/screen.h"

/* An error is shown for so long: who looks was often called late. */
#define RECENT_MS  3600000
#define MAX_RECENT 4

#define LIST_MAX 1500

/* The most lines that each part may take. */
struct budget {
	int role, reasons, conditions, recent, peer, paths, link, addresses, daemons, last;
};

static const struct budget budgets[] = {
	{3, 10, 8, 4, 2, 3, 3, 4, 3, 2},
	{2, 6, 4, 3, 2, 2, 2, 2, 2, 1},
	{2, 4, 3, 2, 1, 1, 1, 1, 2, 1},
};
#define N_BUDGETS (sizeof(budgets) / sizeof(budgets[0]))

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

/* Sentences in at most `budget` lines: each may take what the others leave. `where`: to read on. */
static void put_lines(
	FILE *f, const char *label, char **v, size_t n, size_t budget, const char *where)
{
	size_t show = n > budget ? budget - 1 : n, left = n > budget ? budget - 1 : budget;

	for (size_t i = 0; i < show; i++)
		left -= (size_t)screen_put(
			f, i == 0 ? label : "", (int)(left - (show - i - 1)), "- %s", v[i]);
	if (n > show)
		screen_put(f, show == 0 ? label : "", 1, "and %zu more: %s", n - show, where);
}

static void put_role(FILE *f, const struct overview *o, const struct budget *b)
{
	char age[SCREEN_DURATION_MAX];
	const Gp__VrrpdStatus *v = o->vrrpd ? o->vrrpd->vrrpd : NULL;

	if (!v) {
		screen_put(f, "Node", 1, "%s", o->node);
		screen_put(f, "Role", b->role, "unknown: %s",
			o->vrrpd ? o->vrrpd->reason : o->why_vrrpd);
		return;
	}
	screen_put(f, "Node", 1, "%s, gatepair %s, priority %u, term %" PRIu64, o->node,
		o->vrrpd->version, v->priority, v->term);
	screen_put(f, "Role", b->role, "%s for %s: %s", v->role,
		screen_duration(v->role_age_ms * 1000, age), v->role_reason);
	screen_put(f, "Failover", 1, "%s", v->failover_ready ? "ready" : "NOT ready");
	if (!v->failover_ready)
		put_lines(f, "", v->not_ready_reasons, v->n_not_ready_reasons, (size_t)b->reasons,
			"`gatepair status vrrpd`");
}

/* --- attention ------------------------------------------------------------------------------- */

static size_t daemon_troubles(const struct overview *o, char text[][160], size_t max)
{
	const Gp__SupervisorStatus *s = o->supervisor ? o->supervisor->supervisor : NULL;
	size_t n = 0;

	for (size_t i = 0; s && i < s->n_children && n < max; i++) {
		const Gp__SupervisorChild *c = s->children[i];

		if (strcmp(c->state, "backoff") == 0)
			snprintf(text[n++], 160,
				"%s ends again and again (%" PRIu64
				" restarts, last: %s): see its log; it "
				"is tried again",
				c->name, c->restarts, c->last_exit);
		else if (strcmp(c->state, "hung") == 0)
			snprintf(text[n++], 160, "%s hangs and is being restarted", c->name);
		else if (strcmp(c->state, "stopped") == 0)
			snprintf(
				text[n++], 160, "%s is stopped: see the supervisor's log", c->name);
	}
	return n;
}

/* What vrrpd says of the HA link, netcfgd says with its cause. */
static bool told_better(const Gp__NetcfgdStatus *n, const char *text)
{
	if (strncmp(text, "the HA link ", 12) != 0)
		return false;
	for (size_t i = 0; n && i < n->n_conditions; i++)
		if (strncmp(n->conditions[i], "HA link ", 8) == 0)
			return true;
	return false;
}

static void put_attention(FILE *f, const struct overview *o, const struct budget *b)
{
	const Gp__VrrpdStatus *v = o->vrrpd ? o->vrrpd->vrrpd : NULL;
	const Gp__NetcfgdStatus *c = o->netcfgd ? o->netcfgd->netcfgd : NULL;
	char texts[4][160];
	char *all[4 + 64];
	size_t n = daemon_troubles(o, texts, 4), max = sizeof(all) / sizeof(all[0]);

	for (size_t i = 0; i < n; i++)
		all[i] = texts[i];
	for (size_t i = 0; c && i < c->n_conditions && n < max; i++)
		all[n++] = c->conditions[i];
	for (size_t i = 0; v && i < v->n_conditions && n < max; i++)
		if (!told_better(c, v->conditions[i]))
			all[n++] = v->conditions[i];
	put_lines(f, "Attention", all, n, (size_t)b->conditions,
		"`gatepair status netcfgd` and `gatepair status vrrpd`");
}

struct recent {
	const char *daemon;
	const Gp__LastError *error;
};

/* The newest first, each text once. */
static void recent_add(
	struct recent r[MAX_RECENT], size_t *n, const char *daemon, const Gp__LastError *e)
{
	size_t at = 0;

	for (size_t i = 0; i < *n; i++)
		if (strcmp(r[i].error->text, e->text) == 0)
			return;
	while (at < *n && r[at].error->ago_ms <= e->ago_ms)
		at++;
	if (at == MAX_RECENT)
		return;
	if (*n == MAX_RECENT)
		--*n;
	memmove(&r[at + 1], &r[at], (*n - at) * sizeof(r[0]));
	r[at] = (struct recent){daemon, e};
	++*n;
}

static void put_recent(FILE *f, const struct overview *o, const struct budget *b)
{
	const Gp__Status *all[] = {o->supervisor, o->vrrpd, o->syncd, o->netcfgd};
	struct recent r[MAX_RECENT];
	char ago[SCREEN_DURATION_MAX];
	size_t n = 0;
	int left = b->recent;

	for (size_t d = 0; d < sizeof(all) / sizeof(all[0]); d++)
		for (size_t i = 0; all[d] && i < all[d]->n_errors; i++)
			if (all[d]->errors[i]->ago_ms <= RECENT_MS)
				recent_add(r, &n, all[d]->daemon, all[d]->errors[i]);
	for (size_t i = 0; i < n && left > 0; i++) {
		size_t after = n - i - 1;
		int lines = left > (int)after ? left - (int)after : 1;

		left -= screen_put(f, i == 0 ? "Recent" : "", lines > 2 ? 2 : lines,
			"- %s ago, %s: %s", screen_duration(r[i].error->ago_ms * 1000, ago),
			r[i].daemon, r[i].error->text);
	}
}

/* --- peer --------------------------------------------------------------------------------------
 */

/* What was heard on one interface, of whatever kind. */
struct path {
	const char *interface;
	bool heartbeat, alive, ever;
	uint64_t ago_us;
};

/* The kinds of one interface follow each other, the heartbeat apart. */
static size_t take_path(const Gp__VrrpdPeer *p, size_t i, struct path *ret)
{
	size_t n = 0;

	*ret = (struct path){.interface = p->paths[i]->interface,
		.heartbeat = strcmp(p->paths[i]->kind, "heartbeat") == 0};
	for (; i + n < p->n_paths; n++) {
		const Gp__VrrpdPath *q = p->paths[i + n];

		if (strcmp(q->interface, ret->interface) != 0 ||
			(n > 0 && (ret->heartbeat || strcmp(q->kind, "heartbeat") == 0)))
			break;
		ret->alive = ret->alive || q->alive;
		if (q->last_heard_us && (!ret->ever || q->last_heard_us < ret->ago_us))
			ret->ago_us = q->last_heard_us;
		ret->ever = ret->ever || q->last_heard_us;
	}
	return n;
}

static void add_path(char *out, size_t size, const struct path *p, bool with_age)
{
	char ago[SCREEN_DURATION_MAX];
	size_t n = strlen(out);

	snprintf(out + n, size - n, "%s%s%s%s%s", n ? ", " : "", p->interface,
		p->heartbeat ? " (heartbeat)" : "", with_age ? " for " : "",
		with_age ? screen_duration(p->ago_us, ago) : "");
}

static void put_paths(FILE *f, const Gp__VrrpdPeer *p, const struct budget *b)
{
	char heard[LIST_MAX / 3] = "", silent[LIST_MAX / 3] = "", never[LIST_MAX / 3] = "";
	bool absent = strcmp(p->role, "absent") == 0;
	struct path path;

	for (size_t i = 0; i < p->n_paths; i += take_path(p, i, &path)) {
		take_path(p, i, &path);
		if (path.alive && !absent)
			add_path(heard, sizeof(heard), &path, false);
		else if (path.ever)
			add_path(silent, sizeof(silent), &path, true);
		else
			add_path(never, sizeof(never), &path, false);
	}
	if (p->n_paths)
		screen_put(f, "", b->paths, "%s%s%s%s%s%s%s", heard[0] ? "heard on " : "", heard,
			silent[0] ? heard[0] ? "; silent: " : "silent: " : "", silent,
			never[0] ? heard[0] || silent[0] ? "; " : "" : "",
			never[0] ? "not heard yet on " : "", never);
}

static void put_peer(FILE *f, const Gp__VrrpdStatus *v, const struct budget *b)
{
	const Gp__VrrpdPeer *p = v->peer;
	char heard[SCREEN_DURATION_MAX];
	bool well;

	if (!p) {
		screen_put(f, "Peer", 1, "none was ever heard");
		return;
	}
	screen_duration(p->last_heard_us, heard);
	well = strcmp(p->health, "ok") == 0;
	if (strcmp(p->role, "absent") == 0)
		screen_put(f, "Peer", b->peer, "%s, absent, last heard %s ago; priority %u",
			p->node, heard, p->priority);
	else
		screen_put(f, "Peer", b->peer, "%s, %s, priority %u, %s%s, heard %s ago", p->node,
			p->role, p->priority, well ? "healthy" : "ill: ", well ? "" : p->health,
			heard);
	put_paths(f, p, b);
}

/* --- sessions, addresses, daemons ---------------------------------------------------------------
 */

static void put_sessions(FILE *f, const struct overview *o, const struct budget *b)
{
	const Gp__SyncdStatus *s = o->syncd ? o->syncd->syncd : NULL;
	/* The reasons above have it already. */
	bool told = o->vrrpd && o->vrrpd->vrrpd && !o->vrrpd->vrrpd->failover_ready;
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
	screen_put(f, "", b->link, "link to %s %s, %s%s%s", s->peer,
		s->sync->connected ? "up" : "DOWN", s->sync->in_sync ? "in sync" : "NOT in sync",
		s->sync->in_sync || told ? "" : ": ",
		s->sync->in_sync || told ? "" : s->sync->reason);
}

/* "what: a, b and 11 more" in about `room` columns. */
static void add_addresses(
	struct list *l, const Gp__NetcfgdStatus *n, bool held, const char *what, size_t room)
{
	char text[LIST_MAX / 2] = "";
	size_t len = 0, more = 0;

	room = room < sizeof(text) - 64 ? room : sizeof(text) - 64;
	for (size_t i = 0; i < n->n_virtuals; i++) {
		const Gp__NetcfgdVirtual *v = n->virtuals[i];

		if ((v->held != 0) != held)
			continue;
		if (more || len + strlen(v->address) + strlen(v->interface) + 16 > room) {
			more++;
			continue;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", len ? ", " : "",
			v->address, v->interface);
	}
	if (more)
		list_add(l, "%s: %s and %zu more", what, text, more);
	else if (len)
		list_add(l, "%s: %s", what, text);
}

static void put_addresses(FILE *f, const struct overview *o, const struct budget *b)
{
	const Gp__NetcfgdStatus *n = o->netcfgd ? o->netcfgd->netcfgd : NULL;
	size_t room = (size_t)b->addresses * (SCREEN_WIDTH - SCREEN_INDENT - 15), half = 0;
	struct list l = {0};

	if (!n) {
		screen_put(f, "Virtual", 2, "unknown: %s",
			o->netcfgd ? o->netcfgd->reason : o->why_netcfgd);
		return;
	}
	for (size_t i = 0; i < n->n_virtuals; i++)
		half += n->virtuals[i]->held != 0;
	if (half != 0 && half != n->n_virtuals)
		room /= 2;
	list_add(&l, "forwarding %s", n->forwarding);
	add_addresses(&l, n, true, "held", room);
	add_addresses(&l, n, false, "not held", room);
	if (!n->n_virtuals)
		list_add(&l, "no addresses");
	if (n->lapses)
		list_add(&l, "the lease ran out %" PRIu64 " time%s", n->lapses,
			n->lapses == 1 ? "" : "s");
	screen_put(f, "Virtual", b->addresses, "%s", l.text);
}

static void put_daemons(FILE *f, const struct overview *o, const struct budget *b)
{
	const Gp__SupervisorStatus *s = o->supervisor ? o->supervisor->supervisor : NULL;
	char up[SCREEN_DURATION_MAX];
	struct list l = {0};

	if (!s) {
		screen_put(f, "Daemons", b->daemons + 1, "unknown: %s", o->why_supervisor);
		return;
	}
	for (size_t i = 0; i < s->n_children; i++) {
		const Gp__SupervisorChild *c = s->children[i];
		bool runs = c->pid != 0;

		screen_duration(c->uptime_ms * 1000, up);
		if (c->restarts == 0)
			list_add(&l, "%s %s%s%s", c->name, c->state, runs ? " " : "",
				runs ? up : "");
		else
			list_add(&l, "%s %s%s%s (%" PRIu64 " restart%s, %s)", c->name, c->state,
				runs ? " " : "", runs ? up : "", c->restarts,
				c->restarts == 1 ? "" : "s", c->last_exit);
	}
	screen_put(f, "Daemons", b->daemons, "%s", l.text);
}

static void add_stage(struct list *l, bool has, uint64_t us, const char *what)
{
	char t[SCREEN_DURATION_MAX];

	if (has)
		list_add(l, "%s +%s", what, screen_duration(us, t));
}

static void put_transition(FILE *f, const Gp__VrrpdStatus *v, const struct budget *b)
{
	const Gp__VrrpdTransition *t = v->n_transitions ? v->transitions[0] : NULL;
	char ago[SCREEN_DURATION_MAX];
	struct list l = {0};

	if (!t)
		return;
	screen_put(f, "Last", b->last, "%s → %s %s ago, term %" PRIu64 ": %s", t->from, t->to,
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

static void print_with(FILE *f, const struct overview *o, const struct budget *b)
{
	const Gp__VrrpdStatus *v = o->vrrpd ? o->vrrpd->vrrpd : NULL;

	put_role(f, o, b);
	put_attention(f, o, b);
	put_recent(f, o, b);
	if (v)
		put_peer(f, v, b);
	put_sessions(f, o, b);
	put_addresses(f, o, b);
	put_daemons(f, o, b);
	if (v)
		put_transition(f, v, b);
}

static int lines_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

void overview_print(FILE *f, const struct overview *o)
{
	for (size_t i = 0; i < N_BUDGETS; i++) {
		char *text = NULL;
		size_t size;
		FILE *m = open_memstream(&text, &size);
		bool fits;

		if (!m) {
			print_with(f, o, &budgets[N_BUDGETS - 1]);
			return;
		}
		print_with(m, o, &budgets[i]);
		fits = fclose(m) == 0 && lines_of(text) <= SCREEN_HEIGHT;
		if (fits || i + 1 == N_BUDGETS)
			fputs(text, f);
		free(text);
		if (fits)
			return;
	}
}
