/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deterministic simulation of a pair: two whole nodes made of the suite's pure cores on a virtual
 * clock and network, with everything that can go wrong, from a seed; the invariants of invariants.c
 * are checked after every step.
 *
 *   build/tests/pair                      seeds from 1 on, for a minute
 *   build/tests/pair --seeds 1..5000      these
 *   build/tests/pair --seed 42 --trace    replays one history, line by line
 *   build/tests/pair --seed 42 --trace --frames      heartbeats and solicitations as well
 *   build/tests/pair --steps 1000000      no more events than that
 *
 * A failure prints the end of the history, the seed, the virtual time, the invariant, and the
 * command that replays it; the exit status is 1. Nodes are A and B, paths 0 LAN, 1 WAN, 2 HA.
 * Some seeds are run twice, to prove that the same seed is the same history.
 */
#include "tests/sim/sim.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_SECONDS 60
#define TWICE_EVERY     100

struct options {
	uint64_t first, last, steps;
	bool trace, frames, timed;
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool run_seed(struct world *w, uint64_t seed, bool trace)
{
	bool failed;

	w->trace_all = trace;
	world_init(w, seed);
	scenario_run(w);
	failed = w->failed;
	if (failed)
		printf("replay: build/tests/pair --seed %llu --trace\n", (unsigned long long)seed);
	world_fini(w);
	return !failed;
}

static bool run_again(struct world *w, uint64_t seed)
{
	uint64_t hash = w->hash, steps = w->steps;

	if (!run_seed(w, seed, false))
		return false;
	if (w->hash == hash && w->steps == steps)
		return true;
	printf("FAILED seed %llu: two runs differ\n", (unsigned long long)seed);
	return false;
}

static bool parse_number(const char *s, const char **ret_end, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(s, &end, 10);
	*ret_end = end;
	return !errno && end != s && *s != '-';
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"seeds", required_argument, NULL, 'r'},
		{"seed", required_argument, NULL, 's'},
		{"steps", required_argument, NULL, 'n'},
		{"trace", no_argument, NULL, 't'},
		{"frames", no_argument, NULL, 'f'},
		{NULL, 0, NULL, 0},
	};
	const char *end = "";
	bool good = true;

	for (int c; good && (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		switch (c) {
		case 'r':
			good = parse_number(optarg, &end, &o->first) && !strncmp(end, "..", 2) &&
			       parse_number(end + 2, &end, &o->last);
			o->timed = false;
			break;
		case 's':
			good = parse_number(optarg, &end, &o->first);
			o->last = o->first;
			o->timed = false;
			break;
		case 'n':
			good = parse_number(optarg, &end, &o->steps);
			break;
		case 'f':
			o->frames = true;
			break;
		case 't':
			o->trace = true;
			break;
		default:
			good = false;
		}
		good = good && *end == '\0';
	}
	return good && optind == argc;
}

int main(int argc, char **argv)
{
	struct options o = {.first = 1, .last = UINT64_MAX, .steps = UINT64_MAX, .timed = true};
	struct world *w = calloc(1, sizeof(*w));
	uint64_t seeds = 0, steps = 0, failures = 0, slowest_seed = 0;
	usec_t slowest = 0;
	double begin = seconds();

	if (!parse(argc, argv, &o) || w == NULL) {
		fprintf(stderr,
			"usage: pair [--seeds A..B] [--seed N] [--steps N] [--trace [--frames]]\n");
		free(w);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	w->trace_frames = o.frames;
	for (uint64_t seed = o.first; seed <= o.last && steps < o.steps && failures < 5; seed++) {
		bool good = run_seed(w, seed, o.trace);

		seeds++;
		steps += w->steps;
		if (w->watch.slowest_settle > slowest) {
			slowest = w->watch.slowest_settle;
			slowest_seed = seed;
		}
		if (good && seeds % TWICE_EVERY == 1 && !o.trace)
			good = run_again(w, seed);
		failures += !good;
		if (seed == UINT64_MAX || (o.timed && seconds() - begin > DEFAULT_SECONDS))
			break;
	}
	printf("slowest to settle: seed %llu, %.3f s\n", (unsigned long long)slowest_seed,
		(double)slowest / 1e6);
	printf("%llu seeds, %llu steps, %llu failures\n", (unsigned long long)seeds,
		(unsigned long long)steps, (unsigned long long)failures);
	free(w);
	return failures ? 1 : 0;
}
