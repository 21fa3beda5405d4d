/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What syncd tells of itself; see report.h. Runs in syncd.
 */
#include "syncd/report.h"

#include <stdio.h>
#include <string.h>

#define MAX_COUNTERS 64

static uint64_t sum(const uint64_t *v, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += v[i];
	return total;
}

struct counters {
	Gp__Counter *v;
	Gp__Counter **pointers;
	size_t n;
};

/* Names are made of a prefix and a word; those that stay 0 are shown too: stable names. */
static void count(struct counters *cs, struct arena *scratch, const char *prefix, const char *word,
	uint64_t value)
{
	size_t size = strlen(prefix) + strlen(word) + 1;
	char *name = arena_alloc(scratch, size);

	if (name == NULL || cs->n == MAX_COUNTERS)
		return;
	snprintf(name, size, "%s%s", prefix, word);
	gp__counter__init(&cs->v[cs->n]);
	cs->v[cs->n].name = name;
	cs->v[cs->n].value = value;
	cs->pointers[cs->n] = &cs->v[cs->n];
	cs->n++;
}

void report_counters(const struct engine_status *es, Gp__Status *st, struct arena *scratch)
{
	struct counters cs = {arena_array(scratch, MAX_COUNTERS, sizeof(*cs.v)),
		arena_array(scratch, MAX_COUNTERS, sizeof(*cs.pointers)), 0};

	if (cs.v == NULL || cs.pointers == NULL)
		return;
	count(&cs, scratch, "", "kernel_events", es->source.events);
	count(&cs, scratch, "", "batches_sent", es->source.batches_sent);
	count(&cs, scratch, "", "scans", es->source.scans);
	count(&cs, scratch, "", "refreshes_sent", es->source.refreshes);
	count(&cs, scratch, "", "compares", es->replica->compares);
	count(&cs, scratch, "", "swept", es->sink->swept);
	count(&cs, scratch, "", "timeouts_restored", es->restored);
	count(&cs, scratch, "", "kernel_refused", es->sink->failed);
	for (int i = FLOW_UNSUPPORTED; i <= FLOW_EXCLUDED; i++)
		count(&cs, scratch, "not_replicated_", flow_class_to_str((enum flow_class)i),
			es->source.not_replicated[i]);
	for (int i = 0; i < REPLICA_REFUSALS; i++)
		count(&cs, scratch, "refused_frame_",
			replica_refusal_to_str((enum replica_refusal)i), es->replica->refused[i]);
	for (int i = RECORD_SHORT; i < RECORD_REASONS; i++)
		count(&cs, scratch, "refused_", record_reason_to_str((enum record_reason)i),
			es->sink->refused_malformed[i]);
	for (int i = FLOW_UNSUPPORTED; i <= FLOW_EXCLUDED; i++)
		count(&cs, scratch, "refused_record_", flow_class_to_str((enum flow_class)i),
			es->sink->refused_class[i]);
	for (int i = 0; es->link != NULL && i < LINK_COUNTERS; i++)
		count(&cs, scratch, "", link_counter_to_str((enum link_counter)i),
			link_counter(es->link, (enum link_counter)i));
	st->counters = cs.pointers;
	st->n_counters = cs.n;
}

void report_detail(const struct engine_status *es, Gp__SyncdStatus *d, struct arena *scratch)
{
	uint8_t seen[IDENTITY_FINGERPRINT_BYTES];
	char text[IDENTITY_FINGERPRINT_STRLEN];

	d->role = (char *)(uintptr_t)replica_role_to_str(es->replica->role);
	d->term = es->replica->term;
	if (es->link != NULL) {
		if (!link_is_up(es->link) && link_seen_fingerprint(es->link, seen))
			d->peer_fingerprint_seen =
				arena_strdup(scratch, identity_fingerprint_to_str(seen, text));
		link_bytes(es->link, &d->bytes_sent, &d->bytes_received);
	}
	d->lag_us = (uint64_t)es->source.lag;
	d->records_sent = es->source.records_sent;
	d->records_received = es->sink->received;
	d->records_applied = es->sink->applied;
	d->records_refused = sum(es->sink->refused_malformed, RECORD_REASONS) +
			     sum(es->sink->refused_class, 8) + es->sink->failed;
	d->full_syncs = es->replica->full_syncs;
	d->overruns = es->source.overruns;
	d->repairs = es->sink->repaired;
}
