/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging to stderr: "<N>" syslog priority prefix (systemd reads it), then the text with key=value
 * fields. Errors are logged once, by whoever decides. Foreign strings go through log_escape().
 */
#ifndef GATEPAIR_COMMON_LOG_H
#define GATEPAIR_COMMON_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

#include "common/clock.h"

/* `ident` is kept, not copied. When stderr is a terminal, the prefix is the ident instead. */
void log_init(const char *ident);
void log_set_level(int max_priority); /* LOG_INFO by default */

void log_at(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)    log_at(LOG_ERR, __VA_ARGS__)
#define log_warn(...)   log_at(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)   log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)  log_at(LOG_DEBUG, __VA_ARGS__)

/* A token bucket for messages a stranger can cause: one per peer and reason. Zero-initialised, it
 * allows 5 at once and one every 10 s after that. */
struct log_limit {
	usec_t refilled;
	uint32_t tokens_used;
	uint64_t suppressed;
};
int log_limit_pass(struct log_limit *l, usec_t now);

/* Printable, bounded copy of bytes from outside; always NUL-terminated; returns `out`. */
const char *log_escape(char *out, size_t out_size, const void *bytes, size_t n);

#endif
