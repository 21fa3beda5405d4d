/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network namespace with netcfgd's engine in it, for tests on the real kernel: two ports ge2 and
 * ge3, whose other ends are p2 and p3. Needs root, or user namespaces.
 */
#ifndef GATEPAIR_TESTS_ENGINE_BED_H
#define GATEPAIR_TESTS_ENGINE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "netcfgd/engine.h"

#define MS USEC_PER_MS

extern struct engine e;
extern unsigned errors; /* told by the engine */
extern char last_error[APPLY_TEXT_MAX * 2];

/* Its exit status. */
int run(const char *command);
void must(const char *command);
void batch(const char *text); /* lines for ip(8) */
void write_text(const char *path, const char *text);
int read_number(const char *path); /* -1: no such file */

size_t our_routes(void);

/* A configuration file's text. */
int commit(const char *text);
/* A configuration made by hand, which lives as long as the engine. */
int commit_config(const struct config *cfg);
void restart(const char *text);
struct lease_reply lease(enum lease_event_kind kind, uint64_t term, usec_t ttl);
/* What main.c's loop does, until `done` or the deadline; how long that took. */
usec_t loop(usec_t time, bool (*done)(void));
bool is_settled(void);
/* Does the damage; how long until it was put back. Fails if nobody noticed. */
usec_t repaired(const char *damage);

int begin(void **state);
int end(void **state);
/* For main(): with real-time priority as the supervisor starts netcfgd, and a file for commit(). */
int engine_bed_run(int (*tests)(void));

#endif
