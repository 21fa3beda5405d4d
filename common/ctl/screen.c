/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for a terminal; see screen.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "common/config.h"
#include "common/ctl/screen.h"

#define TEXT_MAX 2048

int screen_columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* How many bytes of s go on a line of `room` columns; *ret_next is where the following one begins.
 */
static size_t fit(const char *s, int room, const char **ret_next)
{
	const char *space = NULL, *p = s;
	int column = 0;

	for (; *p; p++) {
		if (((unsigned char)*p & 0xc0) != 0x80 && column++ >= room)
			break;
		if (*p == ' ' && p > s)
			space = p;
	}
	if (*p && *p != ' ' && space)
		p = space;
	*ret_next = p + strspn(p, " ");
	return (size_t)(p - s);
}

static void put_line(FILE *f, const char *label, const char *s, size_t n, const char *end)
{
	int pad = SCREEN_INDENT - screen_columns(label);

	fprintf(f, "%s%*s%.*s%s\n", label, pad > 0 ? pad : 0, "", (int)n, s, end);
}

int screen_put(FILE *f, const char *label, int max_lines, const char *fmt, ...)
{
	const int room = SCREEN_WIDTH - SCREEN_INDENT;
	char text[TEXT_MAX];
	const char *s = text, *next;
	va_list ap;
	int lines = 0;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_clean_text(text);
	do {
		bool last = ++lines == max_lines;
		size_t n = fit(s, room, &next);

		if (last && *next)
			n = fit(s, room - 1, &next);
		put_line(f, lines == 1 ? label : "", s, n, last && *next ? "…" : "");
		s = next;
	} while (*s && lines < max_lines);
	return lines;
}

const char *screen_duration(uint64_t us, char out[SCREEN_DURATION_MAX])
{
	uint64_t s = us / 1000000;

	if (us < 1000)
		snprintf(out, SCREEN_DURATION_MAX, "%" PRIu64 " µs", us);
	else if (us < 10000)
		snprintf(out, SCREEN_DURATION_MAX, "%.1f ms", (double)us / 1e3);
	else if (s < 1)
		snprintf(out, SCREEN_DURATION_MAX, "%" PRIu64 " ms", us / 1000);
	else if (s < 60)
		snprintf(out, SCREEN_DURATION_MAX, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(out, SCREEN_DURATION_MAX, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, SCREEN_DURATION_MAX, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
			s / 60 % 60);
	else
		snprintf(out, SCREEN_DURATION_MAX, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
			s / 3600 % 24);
	return out;
}
