/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rounds (see engine.h). After each apply the kernel's notifications are taken in, which
 * rtnetlink and nfnetlink queue before they acknowledge, so the next plan is made from what really
 * happened.
 */
#include "netcfgd/engine.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "netcfgd/firewall.h"

#define ROUNDS_MAX 32
#define REPAIR_GAP (5 * USEC_PER_MS) /* between repairs: two daemons may fight over a setting */
/* After a drop: taking a link down holds the kernel's rtnl lock for 10 ms, which a new acquisition
 * must not have to wait for; so it is put off, and then done one link in a turn of the loop. */
#define FOLLOW_GAP (300 * USEC_PER_MS)
#define STOP_MAX   (1 * USEC_PER_SEC) /* for links to go down; the addresses are gone by then */
#define FAILED_GAP (25 * USEC_PER_MS) /* the same while something is refused */
#define RETRY_GAP  (1 * USEC_PER_SEC) /* for what the kernel refused */
#define URGENT_GAP (10 * USEC_PER_MS) /* for a virtual address that would not go */

int engine_init(struct engine *e, const struct engine_ops *ops, void *owner)
{
	int rc;

	memset(e, 0, sizeof(*e));
	e->ops = ops;
	e->owner = owner;
	e->rt.fd = e->observe.events.fd = e->nft.request.fd = e->nft.events.fd = -1;
	e->repair_at = e->retry_at = e->follow_at = e->wan_end = USEC_NEVER;
	kernel_init(&e->k);
	lease_init(&e->lease);
	rc = nl_open(&e->rt, NETLINK_ROUTE);
	if (!rc)
		rc = observe_init(&e->observe, &e->rt, &e->k);
	if (!rc)
		rc = nft_init(&e->nft, &e->k.fw);
	return rc;
}

void engine_fini(struct engine *e)
{
	nft_fini(&e->nft);
	observe_fini(&e->observe);
	nl_close(&e->rt);
	sysctl_fini(&e->sysctl);
	kernel_fini(&e->k);
	desired_free(e->d);
	e->d = NULL;
}

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

static void report(struct engine *e, const char *text)
{
	uint64_t h = digest(text);

	snprintf(e->last_error, sizeof(e->last_error), "%s", text);
	if (listed(e->failing_now, e->n_failing_now, h))
		return;
	if (e->n_failing_now < ENGINE_MAX_FAILING)
		e->failing_now[e->n_failing_now++] = h;
	if (!listed(e->failing, e->n_failing, h))
		e->ops->error(e->owner, text);
}

static void on_error(const struct op *op, int err, const char *text, void *arg)
{
	struct engine *e = arg;

	(void)op;
	(void)err;
	e->failures++;
	report(e, text);
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
		report(e, text);
	}
	for (size_t i = 0; i < e->d->n_sysctls && e->k.sysctls; i++) {
		const struct desired_sysctl *s = &e->d->sysctls[i];

		if (s->optional || e->k.sysctls[i] != SYSCTL_UNKNOWN ||
			(s->link[0] && !kernel_link_by_name(&e->k, s->link)))
			continue;
		snprintf(text, sizeof(text),
			"kernel switch net/%s: cannot be read; check that its module is loaded",
			s->path);
		report(e, text);
	}
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* Takes in what the kernel has told. */
static int look(struct engine *e)
{
	int changed = observe_drain(&e->observe), rc = 0;

	/* What others changed of the policy shows as stale. */
	nft_drain(&e->nft);
	if (changed < 0)
		return changed;
	if (changed & (OBSERVE_LINK | OBSERVE_ADDR))
		e->links_changed = true;
	/* A link brings its switches. */
	if ((changed & OBSERVE_NEW_LINK) && e->d)
		rc = sysctl_read_all(e->d, &e->k);
	return rc;
}

struct settled {
	unsigned done;
	bool failed;
	bool later;               /* links are left to go down */
	char first[DESCRIBE_MAX]; /* of what was planned; "": nothing */
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

/* Plan and apply until there is nothing left to do, or nothing that can be done. */
static struct settled settle(struct engine *e, enum reconcile_scope scope)
{
	struct apply a = {.rt = &e->rt,
		.nft = &e->nft,
		.sysctl = &e->sysctl,
		.d = e->d,
		.k = &e->k,
		.now = clock_now_us(),
		.on_error = on_error,
		.arg = e};
	struct settled s = {0};

	e->last_error[0] = '\0';
	for (int round = 0; round < ROUNDS_MAX; round++) {
		struct apply_report r;
		int rc;

		reconcile_plan(e->d, e->lease.held, &e->k, scope, &e->plan);
		s.later = put_off_links_down(&e->plan, !round);
		if (e->plan.n == 0)
			break;
		if (!round)
			describe_op(&e->plan.ops[0], false, s.first);
		r = apply_plan(&a, &e->plan);
		s.done += r.done;
		s.failed = s.failed || r.failed;
		rc = look(e);
		if (rc) {
			report(e, "kernel: its state cannot be read; it is tried again");
			s.failed = true;
		}
		if (rc || r.done == 0)
			break;
	}
	e->operations += s.done;
	return s;
}

static struct settled settle_all(struct engine *e, usec_t now)
{
	struct settled s;

	e->n_failing_now = 0;
	s = settle(e, RECONCILE_ALL);
	report_missing(e);
	memcpy(e->failing, e->failing_now, sizeof(e->failing));
	e->n_failing = e->n_failing_now;
	e->repair_at = USEC_NEVER;
	e->follow_at = s.later ? now : USEC_NEVER;
	e->repaired = now;
	e->retry_at = s.failed ? now + RETRY_GAP : USEC_NEVER;
	return s;
}

static void tell_links(struct engine *e)
{
	if (!e->links_changed)
		return;
	e->links_changed = false;
	e->ops->links_changed(e->owner);
}

/* --- the lease ------------------------------------------------------------------------------- */

static void refresh(struct engine *e)
{
	struct apply a = {.rt = &e->rt, .d = e->d, .k = &e->k, .on_error = on_error, .arg = e};
	size_t from = 0;

	while (from < e->d->n_addrs) {
		reconcile_refresh(e->d, &e->k, &from, &e->plan);
		e->refreshes += apply_plan(&a, &e->plan).done;
	}
}

static bool take(struct engine *e, usec_t now)
{
	if (reconcile_lease_complete(e->d, &e->k))
		return true;
	settle(e, RECONCILE_LEASE);
	if (reconcile_lease_complete(e->d, &e->k))
		return true;
	/* A link of ours was missing. */
	settle_all(e, now);
	return reconcile_lease_complete(e->d, &e->k);
}

static void drop(struct engine *e, usec_t now)
{
	settle(e, RECONCILE_LEASE);
	e->follow_at = now + FOLLOW_GAP;
	if (!reconcile_lease_clear(e->d, &e->k))
		e->retry_at = now + URGENT_GAP;
}

static void act(struct engine *e, struct lease_out *out, usec_t now)
{
	usec_t start = clock_now_us(), took;
	struct lease_event failed = {.kind = LEASE_EV_TAKE_FAILED};

	switch (out->action) {
	case LEASE_ACT_NONE:
		return;
	case LEASE_ACT_REFRESH:
		refresh(e);
		return;
	case LEASE_ACT_TAKE:
		if (!take(e, now)) {
			*out = lease_step(&e->lease, &failed, now);
			drop(e, now);
		}
		break;
	case LEASE_ACT_DROP:
		drop(e, now);
		break;
	}
	took = clock_now_us() - start;
	if (e->lease.held)
		e->last_take = out->why ? took : e->last_take;
	else
		e->last_drop = took;
	if (out->why)
		e->ops->lease_changed(e->owner, out->why, took);
}

struct lease_reply engine_lease(struct engine *e, const struct lease_event *ev, usec_t now)
{
	struct lease_out out = lease_step(&e->lease, ev, now);

	if (out.action == LEASE_ACT_NONE && out.why)
		e->ops->lease_changed(e->owner, out.why, 0);
	act(e, &out, now);
	tell_links(e);
	return out.reply;
}

void engine_stop(struct engine *e, usec_t now)
{
	struct lease_event ev = {.kind = LEASE_EV_STOP};

	engine_lease(e, &ev, now);
	/* Nobody waits for an answer: the links that held the addresses go down as well. */
	do
		settle_all(e, now);
	while (e->follow_at != USEC_NEVER && clock_now_us() - now < STOP_MAX);
}

struct lease_reply engine_query(const struct engine *e, usec_t now)
{
	struct lease copy = e->lease;
	struct lease_event ev = {.kind = LEASE_EV_QUERY};

	return lease_step(&copy, &ev, now).reply;
}

/* --- configuration --------------------------------------------------------------------------- */

static int check_names(struct engine *e, const struct desired *d, char *why, size_t why_size)
{
	for (size_t i = 0; i < d->n_links; i++) {
		const struct desired_link *w = &d->links[i];
		const struct kernel_link *l = kernel_link_by_name(&e->k, w->name);

		if (l && w->kind == LINK_MACVLAN && l->kind != LINK_MACVLAN) {
			snprintf(why, why_size,
				"interface %s: the name is taken by another kind of interface; "
				"remove that",
				w->name);
			return -EEXIST;
		}
		l = w->virt ? kernel_link_by_name(&e->k, w->parent) : NULL;
		if (l && !l->ether) {
			snprintf(why, why_size,
				"interface %s: not Ethernet, so there is no virtual MAC; set "
				"virtual-mac = false",
				w->parent);
			return -EMEDIUMTYPE;
		}
	}
	return 0;
}

/* `e`: with its leases; NULL: without any. */
static int build(const struct engine *e, const struct config *cfg, struct desired **ret, char *why,
	size_t why_size)
{
	struct desired *d = NULL;
	int rc = e ? desired_build_wans(cfg, e->wans, e->n_wans, &d, why, why_size)
		   : desired_build(cfg, &d, why, why_size);

	if (rc)
		return rc;
	rc = firewall_digest(d);
	if (rc) {
		desired_free(d);
		snprintf(why, why_size,
			"firewall: policy too large for memory; use fewer interfaces");
		return rc;
	}
	*ret = d;
	return 0;
}

int engine_prepare(struct engine *e, const struct config *cfg, char *why, size_t why_size)
{
	struct desired *d = NULL;
	int rc = build(NULL, cfg, &d, why, why_size);

	if (rc)
		return rc;
	rc = check_names(e, d, why, why_size);
	desired_free(d);
	return rc;
}

/* --- leases of WAN interfaces ---------------------------------------------------------------- */

static void find_wan_end(struct engine *e)
{
	e->wan_end = USEC_NEVER;
	for (size_t i = 0; i < e->n_wans; i++)
		if (e->wans[i].state == WAN_BOUND && e->wans[i].until < e->wan_end)
			e->wan_end = e->wans[i].until;
}

static bool has_dhcp(const struct config *cfg, const char *link)
{
	const struct config_interface *c = config_interface_find(cfg, link);

	return c && c->dhcp;
}

/* False: reported. */
static bool usable(struct engine *e, const struct config *cfg, const struct wan_lease *lease)
{
	char why[APPLY_TEXT_MAX];

	if (desired_check_wan(cfg, lease, why, sizeof(why)) == 0)
		return true;
	e->ops->error(e->owner, why);
	return false;
}

/* Those that the new configuration can use. */
static void keep_wans(struct engine *e, const struct config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_wans; i++) {
		if (!has_dhcp(cfg, e->wans[i].link))
			continue;
		e->wans[n] = e->wans[i];
		if (!usable(e, cfg, &e->wans[n]))
			e->wans[n].state = WAN_NONE;
		n++;
	}
	e->n_wans = n;
	find_wan_end(e);
}

/* With the leases as they are now. */
static int rebuild(struct engine *e, usec_t now)
{
	char why[APPLY_TEXT_MAX] = "";
	struct desired *d = NULL, *old = e->d;
	int rc = build(e, e->cfg, &d, why, sizeof(why));

	find_wan_end(e);
	if (rc) {
		e->ops->error(e->owner, why);
		return rc;
	}
	/* Leases change nothing about links and switches, so that what was read stays valid. */
	e->d = d;
	settle_all(e, now);
	desired_free(old);
	tell_links(e);
	return 0;
}

int engine_set_wan(struct engine *e, const struct wan_lease *lease, usec_t now)
{
	struct wan_lease *w = NULL;
	int rc;

	if (!e->d || !has_dhcp(e->cfg, lease->link))
		return -ENODEV;
	for (size_t i = 0; i < e->n_wans && !w; i++)
		if (strcmp(e->wans[i].link, lease->link) == 0)
			w = &e->wans[i];
	if (!w && e->n_wans == WAN_MAX)
		return -ENOSPC;
	if (!w)
		w = &e->wans[e->n_wans++];
	*w = *lease;
	rc = usable(e, e->cfg, w) ? 0 : -EADDRNOTAVAIL;
	if (rc)
		w->state = WAN_NONE;
	return rebuild(e, now) ? -EINVAL : rc;
}

static void end_wans(struct engine *e, usec_t now)
{
	for (size_t i = 0; i < e->n_wans; i++)
		if (e->wans[i].state == WAN_BOUND && now >= e->wans[i].until)
			e->wans[i].state = WAN_NONE;
	if (rebuild(e, now))
		e->retry_at = now + RETRY_GAP;
}

static int first_look(struct engine *e, const struct desired *d)
{
	int rc;

	nft_load_conntrack(&e->nft);
	rc = observe_dump(&e->observe);
	if (!rc)
		rc = nft_observe(&e->nft, d);
	return rc;
}

/* Not among the operations: it is this process's own, and changes nothing for anybody. */
static void hold_tracking(struct engine *e)
{
	char text[APPLY_TEXT_MAX] = "";
	int rc = nft_hold(&e->nft, text, sizeof(text));

	if (rc)
		log_warn("firewall: table inet %s cannot be written: %s %s; deleting the policy by "
			 "hand "
			 "will interrupt sessions",
			FIREWALL_HOLD, strerror(-rc), text);
}

static void adopt(struct engine *e, usec_t now)
{
	struct lease_event ev = {.kind = LEASE_EV_ADOPT};

	if (reconcile_lease_found(e->d, &e->k))
		engine_lease(e, &ev, now);
}

int engine_commit(struct engine *e, const struct config *cfg, char *why, size_t why_size)
{
	usec_t now = clock_now_us();
	struct desired *d = NULL, *old = e->d;
	int rc;

	keep_wans(e, cfg);
	rc = build(e, cfg, &d, why, why_size);
	if (!rc && !old) {
		rc = first_look(e, d);
		if (rc)
			snprintf(why, why_size,
				"kernel: its state cannot be read: %s; give netcfgd "
				"CAP_NET_ADMIN",
				strerror(-rc));
	}
	if (!rc)
		rc = sysctl_read_all(d, &e->k);
	if (rc) {
		desired_free(d);
		return rc;
	}
	e->d = d;
	e->cfg = cfg;
	if (!old)
		adopt(e, now);
	settle_all(e, now);
	if (!old)
		hold_tracking(e);
	e->operations += sysctl_restore(&e->sysctl, d);
	desired_free(old);
	e->links_changed = true;
	tell_links(e);
	/* Without the firewall this node must not do its work. */
	if (e->k.fw.present && !e->k.fw.stale)
		return 0;
	snprintf(why, why_size, "%s", e->last_error);
	return -EIO;
}

/* --- the operator's firewall rules ----------------------------------------------------------- */

uint64_t engine_rules_wanted(const struct engine *e)
{
	return e->d && e->d->user_hash != e->k.fw.user ? e->d->user_hash : 0;
}

void engine_take_rules(struct engine *e, uint64_t of, usec_t now)
{
	const char *why = "";
	char text[APPLY_TEXT_MAX];
	int rc;

	/* The configuration has changed meanwhile, or the same were there already. */
	if (!of || engine_rules_wanted(e) != of) {
		rc = nft_unstage(&e->nft);
	} else {
		rc = nft_take_staged(&e->nft, of, &why);
		if (!rc)
			settle_all(e, now);
	}
	if (!rc)
		return;
	snprintf(text, sizeof(text), "firewall: rules-file: %s%s%s; correct the file and reload",
		why[0] ? why : "the kernel refuses", why[0] ? "" : ": ",
		why[0] ? "" : strerror(-rc));
	report(e, text);
}

/* --- events ---------------------------------------------------------------------------------- */

static void repair(struct engine *e, usec_t now)
{
	struct settled s = settle_all(e, now);

	e->repairs += s.done;
	if (s.done)
		log_notice("put back what others had changed: %s%s operations=%u", s.first,
			s.done > 1 ? ", and more" : "", s.done);
}

/* What a drop has left for later. */
static bool only_links_down(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].kind != OP_LINK_DOWN || !p->ops[i].link.virt)
			return false;
	return true;
}

/* A port that somebody has set down comes up again at once: nobody yields for that. */
static bool ports_to_raise(const struct engine *e)
{
	for (size_t i = 0; i < e->plan.n; i++) {
		const struct op *op = &e->plan.ops[i];
		const struct desired_link *w =
			op->kind == OP_LINK_UP ? desired_link_find(e->d, op->name) : NULL;

		if (w && !w->virt)
			return true;
	}
	return false;
}

void engine_readable(struct engine *e, usec_t now)
{
	bool down;
	usec_t gap;

	if (!e->d)
		return;
	if (look(e))
		e->retry_at = now + URGENT_GAP;
	reconcile_plan(e->d, e->lease.held, &e->k, RECONCILE_ALL, &e->plan);
	down = ports_to_raise(e);
	/* Listeners first: a lost carrier must not wait for anything. */
	if (!down)
		tell_links(e);
	if (e->plan.n == 0 || (e->follow_at != USEC_NEVER && only_links_down(&e->plan)))
		return;
	/* What the kernel refused stays in the plan: events must not make us ask at their rate. */
	gap = e->retry_at == USEC_NEVER ? REPAIR_GAP : FAILED_GAP;
	/* Overdue: what the lease demands is known once the requests that wait are read. */
	if (now - e->repaired >= gap && !lease_overdue(&e->lease, now))
		repair(e, now);
	else if (e->repair_at == USEC_NEVER)
		e->repair_at = e->repaired + gap;
	if (!down || e->repair_at == USEC_NEVER)
		tell_links(e);
}

void engine_tick(struct engine *e, usec_t now)
{
	struct lease_event tick = {.kind = LEASE_EV_TICK};

	if (lease_wait(&e->lease, now))
		return;
	engine_lease(e, &tick, now);
	if (now >= e->wan_end)
		end_wans(e, now);
	if (now >= e->repair_at)
		repair(e, now);
	else if (now >= e->retry_at || now >= e->follow_at)
		settle_all(e, now);
	tell_links(e);
}

usec_t engine_due(const struct engine *e)
{
	usec_t due = lease_due(&e->lease);

	if (e->repair_at < due)
		due = e->repair_at;
	if (e->follow_at < due)
		due = e->follow_at;
	if (e->wan_end < due)
		due = e->wan_end;
	return e->retry_at < due ? e->retry_at : due;
}

/* --- for reports ----------------------------------------------------------------------------- */

const struct config_prefix *engine_primary(const struct engine *e, const struct kernel_link *l)
{
	const struct desired_link *w = desired_link_find(e->d, l->name);

	/* In the configuration's order: what was put back comes last in the kernel's. */
	for (size_t i = 0; w && i < w->n_addrs; i++) {
		const struct config_prefix *p = &e->d->addrs[w->addr + i].prefix;

		if (!w->virt && p->family == AF_INET && kernel_addr_find(l, p))
			return p;
	}
	for (size_t i = 0; i < l->n_addrs; i++)
		if (l->addrs[i].prefix.family == AF_INET &&
			!desired_is_virtual(e->d, l->name, &l->addrs[i].prefix))
			return &l->addrs[i].prefix;
	return NULL;
}

bool engine_holds(const struct engine *e, const struct desired_addr *a)
{
	const struct kernel_link *l = kernel_link_by_name(&e->k, a->link);

	return l && kernel_addr_find(l, &a->prefix);
}
