/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What netcfgd says of itself (NetcfgdStatus in proto/netcfgd.proto), bounded so that it fits into
 * an envelope whatever the configuration's size.
 */
#include "netcfgd/netcfgd.h"

#include <string.h>

/* An envelope holds 64 KiB: of a very large configuration the status shows a part. */
#define STATUS_LINKS     256
#define STATUS_VIRTUALS  512
#define STATUS_ADDRESSES 16
#define STATUS_COUNTERS  6
#define STATUS_SIZE_MAX  60000

static char *no_text(void)
{
	static char empty[] = "";

	return empty;
}

static char *role_name(enum config_role role)
{
	static char names[][8] = {"", "mgmt", "lan", "wan", "ha"};

	return names[role >= CONFIG_ROLE_MGMT && role <= CONFIG_ROLE_HA ? role : 0];
}

static void status_addresses(
	const struct kernel_link *l, Gp__NetcfgdLink *out, struct arena *scratch)
{
	size_t n = l->n_addrs < STATUS_ADDRESSES ? l->n_addrs : STATUS_ADDRESSES;
	char text[CONFIG_PREFIX_STRLEN];

	out->addresses = arena_array(scratch, n, sizeof(*out->addresses));
	for (size_t i = 0; i < n && out->addresses; i++) {
		char *s = arena_strdup(scratch, config_prefix_to_str(&l->addrs[i].prefix, text));

		if (s)
			out->addresses[out->n_addresses++] = s;
	}
}

static void status_links(const struct netcfgd *n, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	const struct desired *d = n->engine.d;
	Gp__NetcfgdLink *links = arena_array(scratch, STATUS_LINKS, sizeof(*links));

	st->links = arena_array(scratch, STATUS_LINKS, sizeof(*st->links));
	for (size_t i = 0; i < d->n_links && links && st->links; i++) {
		const struct kernel_link *l = kernel_link_by_name(&n->engine.k, d->links[i].name);
		Gp__NetcfgdLink *out = &links[st->n_links];

		if (st->n_links == STATUS_LINKS)
			return;
		gp__netcfgd_link__init(out);
		out->name = arena_strdup(scratch, d->links[i].name);
		out->role = d->links[i].virt ? no_text() : role_name(d->links[i].role);
		if (!out->name)
			return;
		if (l) {
			out->up = l->up;
			out->carrier = l->up && l->carrier;
			status_addresses(l, out, scratch);
		}
		st->links[st->n_links++] = out;
	}
}

static void status_virtuals(const struct netcfgd *n, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	const struct desired *d = n->engine.d;
	Gp__NetcfgdVirtual *virtuals = arena_array(scratch, STATUS_VIRTUALS, sizeof(*virtuals));
	char text[CONFIG_PREFIX_STRLEN];

	st->virtuals = arena_array(scratch, STATUS_VIRTUALS, sizeof(*st->virtuals));
	for (size_t i = d->n_static; i < d->n_addrs && virtuals && st->virtuals; i++) {
		Gp__NetcfgdVirtual *out = &virtuals[st->n_virtuals];

		if (st->n_virtuals == STATUS_VIRTUALS)
			return;
		gp__netcfgd_virtual__init(out);
		out->address =
			arena_strdup(scratch, config_prefix_to_str(&d->addrs[i].prefix, text));
		out->interface = arena_strdup(scratch, d->addrs[i].parent);
		out->held = engine_holds(&n->engine, &d->addrs[i]);
		if (!out->address || !out->interface)
			return;
		st->virtuals[st->n_virtuals++] = out;
	}
}

static void status_conditions(const struct netcfgd *n, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	char text[APPLY_TEXT_MAX], *own;

	st->conditions = arena_array(scratch, SERVICES_CONDITIONS_MAX + 1, sizeof(*st->conditions));
	own = st->conditions && engine_rules_refused(&n->engine, text, sizeof(text))
		      ? arena_strdup(scratch, text)
		      : NULL;
	if (own)
		st->conditions[st->n_conditions++] = own;
	for (size_t i = 0; i < SERVICES_CONDITIONS_MAX && st->conditions; i++) {
		char *s = n->services.conditions[i][0]
				  ? arena_strdup(scratch, n->services.conditions[i])
				  : NULL;

		if (s)
			st->conditions[st->n_conditions++] = s;
	}
}

/* The first to give way when the rest is large. */
static void status_rules(struct nft *nft, Gp__NetcfgdStatus *st, struct arena *scratch)
{
	struct rule_count *counts = arena_array(scratch, NFT_COUNTS_MAX, sizeof(*counts));
	Gp__NetcfgdRule *rules = arena_array(scratch, NFT_COUNTS_MAX, sizeof(*rules));
	size_t n = counts ? nft_counts(nft, counts, clock_now_us()) : 0;

	st->rules = arena_array(scratch, NFT_COUNTS_MAX, sizeof(*st->rules));
	for (size_t i = 0; i < n && rules && st->rules; i++) {
		gp__netcfgd_rule__init(&rules[i]);
		rules[i].chain = counts[i].chain;
		rules[i].text = counts[i].text;
		rules[i].packets = counts[i].packets;
		rules[i].bytes = counts[i].bytes;
		st->rules[st->n_rules++] = &rules[i];
	}
	while (st->n_rules && gp__netcfgd_status__get_packed_size(st) > STATUS_SIZE_MAX)
		st->n_rules /= 2;
}

static void status_counters(const struct engine *e, Gp__Status *st, struct arena *scratch)
{
	static char names[STATUS_COUNTERS][24] = {"kernel_refusals", "lifetime_refreshes",
		"last_take_us", "last_drop_us", "firewall_rules", "fights"};
	const uint64_t values[STATUS_COUNTERS] = {e->failures, e->refreshes, (uint64_t)e->last_take,
		(uint64_t)e->last_drop, e->k.fw.rules, damp_fights(&e->damp, clock_now_us())};
	Gp__Counter *counters = arena_array(scratch, STATUS_COUNTERS, sizeof(*counters));

	st->counters = arena_array(scratch, STATUS_COUNTERS, sizeof(*st->counters));
	for (size_t i = 0; i < STATUS_COUNTERS && counters && st->counters; i++) {
		gp__counter__init(&counters[i]);
		counters[i].name = names[i];
		counters[i].value = values[i];
		st->counters[st->n_counters++] = &counters[i];
	}
}

void netcfgd_status(void *owner, Gp__Status *st, struct arena *scratch)
{
	static char open[] = "open", closed[] = "closed";
	struct netcfgd *n = owner;
	const struct engine *e = &n->engine;
	Gp__NetcfgdStatus *out = arena_alloc(scratch, sizeof(*out));
	struct lease_reply lease = engine_query(e, clock_now_us());

	if (!out)
		return;
	gp__netcfgd_status__init(out);
	out->lease_held = lease.held;
	out->lease_term = lease.term;
	out->lease_remaining_us = (uint64_t)lease.remaining;
	out->forwarding = e->k.fw.gate_open ? open : closed;
	out->operations = e->operations;
	out->repairs = e->repairs;
	out->lapses = e->lease.lapses;
	status_links(n, out, scratch);
	status_virtuals(n, out, scratch);
	status_conditions(n, out, scratch);
	netcfgd_status_services(&n->services, out, scratch);
	status_rules(&n->engine.nft, out, scratch);
	status_counters(e, st, scratch);
	st->netcfgd = out;
	st->detail_case = GP__STATUS__DETAIL_NETCFGD;
}
