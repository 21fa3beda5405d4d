/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd without its IPC (see engine.h): the lease, the configuration, what the kernel tells. The
 * rounds of plan and apply are in settle.c, the leases of WAN interfaces in engine_wan.c.
 */
#include "netcfgd/engine.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "netcfgd/engine_internal.h"
#include "netcfgd/firewall/firewall.h"

/* After a drop: taking a link down holds the kernel's rtnl lock for 10 ms, which a new acquisition
 * must not have to wait for; so it is put off, and then done one link in a turn of the loop. */
#define FOLLOW_GAP (300 * USEC_PER_MS)
#define STOP_MAX   (1 * USEC_PER_SEC) /* for links to go down; the addresses are gone by then */

int engine_init(struct engine *e, const struct engine_ops *ops, void *owner)
{
	int rc;

	memset(e, 0, sizeof(*e));
	e->ops = ops;
	e->owner = owner;
	e->rt.fd = e->observe.events.fd = e->nft.request.fd = e->nft.events.fd = -1;
	e->repair_at = e->retry_at = e->follow_at = e->wan_end = e->sweep_at = USEC_NEVER;
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

/* --- the lease ------------------------------------------------------------------------------- */

static void refresh(struct engine *e)
{
	struct apply a = {
		.rt = &e->rt, .d = e->d, .k = &e->k, .on_error = engine_on_error, .arg = e};
	size_t from = 0;

	while (from < e->d->n_addrs) {
		reconcile_refresh(e->d, &e->k, &from, &e->plan);
		e->refreshes += apply_plan(&a, &e->plan).done;
	}
}

static bool take(struct engine *e, usec_t now)
{
	char text[APPLY_TEXT_MAX];

	if (reconcile_lease_complete(e->d, &e->k))
		return true;
	engine_settle_lease(e, now);
	if (reconcile_lease_complete(e->d, &e->k))
		return true;
	/* A link of ours was missing. */
	engine_settle(e, SETTLE_CONFIG, now);
	if (reconcile_lease_complete(e->d, &e->k))
		return true;
	if (e->k.fw.complete || !engine_rules_wanted(e))
		return false;
	if (engine_rules_refused(e, text, sizeof(text)))
		engine_report(e, text);
	else
		engine_report(e, "firewall: the rules of rules-file are not loaded yet, so nothing "
				 "is forwarded; see the conditions of netcfgd if it stays");
	return false;
}

static void drop(struct engine *e, usec_t now)
{
	engine_settle_lease(e, now);
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
	engine_tell_links(e);
	return out.reply;
}

void engine_stop(struct engine *e, usec_t now)
{
	struct lease_event ev = {.kind = LEASE_EV_STOP};

	engine_lease(e, &ev, now);
	/* Nobody waits for an answer: the links that held the addresses go down as well. */
	if (e->follow_at != USEC_NEVER)
		e->follow_at = now;
	do
		engine_settle(e, SETTLE_RETRY, now);
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
int engine_build(const struct engine *e, const struct config *cfg, struct desired **ret, char *why,
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
	int rc = engine_build(NULL, cfg, &d, why, why_size);

	if (rc)
		return rc;
	rc = check_names(e, d, why, why_size);
	desired_free(d);
	return rc;
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

	engine_keep_wans(e, cfg);
	rc = engine_build(e, cfg, &d, why, why_size);
	if (!rc && !old) {
		rc = first_look(e, d);
		if (rc)
			snprintf(why, why_size,
				"kernel: its state cannot be read: %s; give netcfgd "
				"CAP_NET_ADMIN",
				strerror(-rc));
	}
	if (!rc)
		rc = sysctl_read_new(old, d, &e->k);
	e->cfg = cfg; /* the one before goes, whatever comes of this */
	if (rc) {
		desired_free(d);
		return rc;
	}
	e->d = d;
	e->swept = 0;
	/* What was not read just now. */
	e->sweep_at = old ? now + SWEEP_STEP : now + SWEEP_EVERY;
	if (!old)
		adopt(e, now);
	/* Whatever was fought over, this is another configuration. */
	damp_init(&e->damp);
	engine_settle(e, SETTLE_CONFIG, now);
	if (!old)
		hold_tracking(e);
	e->operations += sysctl_restore(&e->sysctl, d);
	desired_free(old);
	e->links_changed = true;
	engine_tell_links(e);
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

bool engine_rules_refused(const struct engine *e, char *text, size_t size)
{
	if (!engine_rules_wanted(e) || !e->nft.user_why[0])
		return false;
	snprintf(text, size, "firewall: rules-file: %.140s, so %s; correct the file and reload",
		e->nft.user_why,
		e->k.fw.complete ? "the rules before stay in force" : "nothing is forwarded");
	return true;
}

void engine_take_rules(struct engine *e, uint64_t of, usec_t now)
{
	char text[APPLY_TEXT_MAX];
	int rc;

	/* The configuration has changed meanwhile, or the same were there already. */
	if (!of || engine_rules_wanted(e) != of) {
		rc = nft_unstage(&e->nft);
	} else {
		rc = nft_take_staged(&e->nft, of);
		if (!rc)
			engine_settle(e, SETTLE_CONFIG, now);
	}
	/* What cannot be cleared away now is before the next are loaded. */
	if (engine_rules_refused(e, text, sizeof(text)))
		engine_report(e, text);
	else if (rc)
		log_warn("firewall: table inet " USERRULES_STAGE ": cannot be deleted: %s",
			strerror(-rc));
}

/* --- events ---------------------------------------------------------------------------------- */

/* What a drop has left for later. */
static bool only_links_down(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].kind != OP_LINK_DOWN || !p->ops[i].link.virt)
			return false;
	return true;
}

/* A port that somebody has set down comes up again at once, and so does a link of ours that
 * somebody has deleted: nobody yields for that. */
static bool ports_to_raise(const struct engine *e)
{
	for (size_t i = 0; i < e->plan.n; i++) {
		const struct op *op = &e->plan.ops[i];
		bool raises = op->kind == OP_LINK_UP || op->kind == OP_LINK_ADD;
		const struct desired_link *w = raises ? desired_link_find(e->d, op->name) : NULL;

		if (w && !w->virt)
			return true;
	}
	return false;
}

void engine_readable(struct engine *e, usec_t now)
{
	bool wrong, down;
	usec_t gap;

	if (!e->d)
		return;
	if (engine_look(e))
		e->retry_at = now + URGENT_GAP;
	wrong = (e->seen || e->k.fw.stale) && engine_is_wrong(e, now);
	down = wrong && ports_to_raise(e);
	/* Listeners first: a lost carrier must not wait for anything. */
	if (!down)
		engine_tell_links(e);
	if (!wrong || (e->follow_at != USEC_NEVER && only_links_down(&e->plan)))
		return;
	/* What the kernel refused stays in the plan: events must not make us ask at their rate. */
	gap = e->retry_at == USEC_NEVER ? REPAIR_GAP : FAILED_GAP;
	/* Overdue: what the lease demands is known once the requests that wait are read. */
	if (now - e->repaired >= gap && !lease_overdue(&e->lease, now))
		engine_settle(e, SETTLE_REPAIR, now);
	else if (e->repair_at > e->repaired + gap)
		e->repair_at = e->repaired + gap;
	if (!down || e->repair_at == USEC_NEVER)
		engine_tell_links(e);
}

void engine_tick(struct engine *e, usec_t now)
{
	struct lease_event tick = {.kind = LEASE_EV_TICK};

	if (lease_wait(&e->lease, now))
		return;
	engine_lease(e, &tick, now);
	if (now >= e->wan_end)
		engine_end_wans(e, now);
	if (now >= e->sweep_at)
		engine_sweep(e, now);
	if (now >= e->repair_at)
		engine_settle(e, SETTLE_REPAIR, now);
	else if (now >= e->retry_at || now >= e->follow_at)
		engine_settle(e, SETTLE_RETRY, now);
	engine_tell_links(e);
}

static usec_t sooner(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

usec_t engine_due(const struct engine *e)
{
	usec_t due = sooner(lease_due(&e->lease), e->repair_at);

	due = sooner(sooner(due, e->follow_at), sooner(e->wan_end, e->sweep_at));
	return sooner(due, e->retry_at);
}

const struct plan *engine_plan(struct engine *e)
{
	reconcile_plan(e->d, e->lease.held, &e->k, RECONCILE_ALL, &e->plan);
	return &e->plan;
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
