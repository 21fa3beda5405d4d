/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: one write(2) per line, so that lines of several processes on one stderr do not mix.
 */
#include "common/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define BURST          5
#define REFILL         (10 * USEC_PER_SEC)

static const char *log_ident = "gatepair";
static bool log_tty;
static int log_level = LOG_INFO;

void log_init(const char *ident)
{
	log_ident = ident;
	log_tty = isatty(STDERR_FILENO) == 1;
}

void log_set_level(int max_priority)
{
	log_level = max_priority;
}

/* A log that cannot be written must not stop anything: neither a pipe that nobody reads nor a
 * terminal that was stopped with ^S. Whether it would block is asked, not set: the file is shared
 * with others. */
static void put_line(const char *line, size_t n)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	static unsigned lost;
	char about[80];
	int r;

	if (poll(&p, 1, 0) == 0) {
		lost++;
		return;
	}
	if (lost > 0) {
		r = snprintf(about, sizeof(about), "<4>%s: %u lines of the log were lost here\n",
			log_ident, lost);
		lost = 0;
		if (r > 0 && write(STDERR_FILENO, about, (size_t)r) < 0)
			return;
	}
	if (write(STDERR_FILENO, line, n) < 0)
		lost++;
}

void log_at(int priority, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	const size_t room = sizeof(line) - 1; /* for the newline */
	size_t head, n;
	va_list ap;
	int r;

	if (priority > log_level)
		return;
	r = log_tty ? snprintf(line, room, "%s: ", log_ident)
		    : snprintf(line, room, "<%d>%s: ", priority, log_ident);
	head = r > 0 ? (size_t)r : 0;
	if (head >= room)
		head = room - 1;
	va_start(ap, fmt);
	r = vsnprintf(line + head, room - head, fmt, ap);
	va_end(ap);
	if (r < 0)
		return;
	n = head + (size_t)r < room ? head + (size_t)r : room - 1;
	/* One message is one line, whatever a foreign string smuggled in. */
	for (size_t i = head; i < n; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[n++] = '\n';
	put_line(line, n);
}

int log_limit_pass(struct log_limit *l, usec_t now)
{
	while (l->tokens_used > 0 && now - l->refilled >= REFILL) {
		l->tokens_used--;
		l->refilled += REFILL;
	}
	if (l->tokens_used == 0)
		l->refilled = now;
	if (l->tokens_used >= BURST) {
		l->suppressed++;
		return 0;
	}
	l->tokens_used++;
	return 1;
}

const char *log_escape(char *out, size_t out_size, const void *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *in = bytes;
	size_t o = 0;

	if (out_size == 0)
		return out;
	for (size_t i = 0; i < n; i++) {
		bool plain = in[i] >= 0x20 && in[i] < 0x7f && in[i] != '\\';
		size_t need = plain ? 1 : 4;

		if (o + need >= out_size)
			break;
		if (plain) {
			out[o++] = (char)in[i];
			continue;
		}
		out[o++] = '\\';
		out[o++] = 'x';
		out[o++] = hex[in[i] >> 4];
		out[o++] = hex[in[i] & 15];
	}
	out[o] = '\0';
	return out;
}
