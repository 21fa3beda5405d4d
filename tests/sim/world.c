/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual clock: one queue of events ordered by (time, number), the random numbers, the trace.
 * Part of the simulation; nothing is allocated while it runs.
 */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <string.h>

/* splitmix64: every value of the seed gives an unrelated history. */
uint64_t world_random(struct world *w)
{
	uint64_t z = w->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t world_below(struct world *w, uint64_t bound)
{
	return world_random(w) % bound;
}

usec_t world_between(struct world *w, usec_t from, usec_t to)
{
	return from + (usec_t)world_below(w, (uint64_t)(to - from) + 1);
}

bool world_chance(struct world *w, unsigned per_mille)
{
	return world_below(w, 1000) < per_mille;
}

static void mix(struct world *w, uint64_t v)
{
	w->hash = (w->hash ^ v) * UINT64_C(0x100000001b3);
	w->hash ^= w->hash >> 29;
}

/* --- trace ----------------------------------------------------------------------------------- */
static void put_line(struct world *w, const char *fmt, va_list ap, const struct node *n)
	__attribute__((format(printf, 2, 0)));
static void put_line(struct world *w, const char *fmt, va_list ap, const struct node *n)
{
	char *line = w->lines[w->n_lines++ % SIM_TRACE];
	int len = snprintf(line, SIM_LINE, "%12.6f %s ", (double)w->now / 1e6,
		n == NULL ? "-"
		: n->id   ? "B"
			  : "A");

	vsnprintf(line + len, SIM_LINE - (size_t)len, fmt, ap);
	for (const char *c = line; *c; c++)
		mix(w, (uint64_t)(unsigned char)*c);
	if (w->trace_all)
		puts(line);
}

void world_trace(struct world *w, const struct node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(w, fmt, ap, n);
	va_end(ap);
}

void world_fail(struct world *w, const char *invariant, const char *fmt, ...)
{
	va_list ap;
	size_t from = w->n_lines > SIM_TRACE ? w->n_lines - SIM_TRACE : 0;

	if (w->failed)
		return;
	w->failed = true;
	if (!w->trace_all)
		for (size_t i = from; i < w->n_lines; i++)
			puts(w->lines[i % SIM_TRACE]);
	printf("FAILED seed %llu at %.6f s, step %llu: %s: ", (unsigned long long)w->seed,
		(double)w->now / 1e6, (unsigned long long)w->steps, invariant);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* --- queue ----------------------------------------------------------------------------------- */
static bool earlier(const struct world *w, uint16_t a, uint16_t b)
{
	const struct event *x = &w->pool[a], *y = &w->pool[b];

	return x->at != y->at ? x->at < y->at : x->number < y->number;
}

static void sift_up(struct world *w, size_t i)
{
	uint16_t v = w->heap[i];

	while (i > 0 && earlier(w, v, w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = v;
}

static void sift_down(struct world *w, size_t i)
{
	uint16_t v = w->heap[i];

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= w->n_heap)
			break;
		if (c + 1 < w->n_heap && earlier(w, w->heap[c + 1], w->heap[c]))
			c++;
		if (!earlier(w, w->heap[c], v))
			break;
		w->heap[i] = w->heap[c];
		i = c;
	}
	w->heap[i] = v;
}

static uint16_t pool_take(struct world *w)
{
	if (w->n_unused == 0) {
		world_fail(w, "simulation", "more than %d events wait", SIM_EVENTS);
		return 0; /* overwrites one: the run is over */
	}
	return w->unused[--w->n_unused];
}

uint16_t world_keep(struct world *w, const struct msg *m)
{
	uint16_t i = pool_take(w);

	w->pool[i].msg = *m;
	return i;
}

void world_free(struct world *w, uint16_t index)
{
	if (w->n_unused < SIM_EVENTS)
		w->unused[w->n_unused++] = index;
}

struct event *world_schedule(
	struct world *w, usec_t at, enum ev_kind kind, unsigned node, unsigned proc, uint32_t gen)
{
	uint16_t i = pool_take(w);
	struct event *e = &w->pool[i];

	e->at = at < w->now ? w->now : at;
	e->number = w->numbers++;
	e->kind = kind;
	e->node = (uint8_t)node;
	e->proc = (uint8_t)proc;
	e->gen = gen;
	if (w->n_heap < SIM_EVENTS)
		w->heap[w->n_heap++] = i;
	sift_up(w, w->n_heap - 1);
	return e;
}

void world_post(struct world *w, usec_t at, unsigned node, unsigned proc, const struct msg *m)
{
	world_schedule(w, at, EV_MSG, node, proc, 0)->msg = *m;
}

static void dispatch(struct world *w, const struct event *e)
{
	struct node *n = &w->nodes[e->node];

	switch (e->kind) {
	case EV_MSG:
		proc_offer(w, n, e->proc, &e->msg);
		break;
	case EV_WAKE:
		proc_wake(w, n, e->proc, e->gen);
		break;
	case EV_START:
		proc_started(w, n, e->proc, e->gen);
		break;
	case EV_STREAM:
		stream_arrive(w, e->node);
		break;
	case EV_CONNECT:
		stream_poll(w);
		break;
	case EV_CLIENT:
		workload_step(w);
		break;
	case EV_THAW:
		if (n->procs[e->proc].gen == e->gen)
			proc_thaw(w, n, e->proc);
		break;
	case EV_BOOT:
		if (n->outages == e->gen)
			node_boot(w, n);
		break;
	case EV_LAUNCH:
		node_launch(w, n);
		break;
	}
}

bool world_step(struct world *w)
{
	uint16_t i = w->heap[0];
	struct event *e = &w->pool[i];

	w->heap[0] = w->heap[--w->n_heap];
	if (w->n_heap > 0)
		sift_down(w, 0);
	w->now = e->at;
	w->steps++;
	mix(w, (uint64_t)e->at);
	mix(w, (uint64_t)e->kind << 24 | (uint64_t)e->node << 16 | (uint64_t)e->proc << 8 |
			(e->kind == EV_MSG ? (uint64_t)e->msg.kind : 0));
	dispatch(w, e);
	world_free(w, i);
	invariants_check(w);
	return !w->failed;
}

bool world_run_until(struct world *w, usec_t at)
{
	while (!w->failed && w->n_heap > 0 && w->pool[w->heap[0]].at <= at)
		world_step(w);
	if (!w->failed)
		w->now = at;
	return !w->failed;
}

void world_init(struct world *w, uint64_t seed)
{
	bool trace_all = w->trace_all, trace_frames = w->trace_frames;

	memset(w, 0, sizeof(*w));
	w->trace_all = trace_all;
	w->trace_frames = trace_frames;
	w->seed = seed;
	w->rng = seed * UINT64_C(0xd1342543de82ef95) + 1;
	w->hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < SIM_EVENTS; i++)
		w->unused[w->n_unused++] = (uint16_t)(SIM_EVENTS - 1 - i);
	for (unsigned i = 0; i < NODES; i++)
		w->nodes[i].id = (uint8_t)i;
	network_init(w);
	invariants_init(w);
	world_schedule(w, w->now, EV_CONNECT, 0, 0, 0);
	world_schedule(w, w->now, EV_CLIENT, 0, 0, 0);
}

void world_fini(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++)
		syncd_stop(&w->nodes[i]);
}
