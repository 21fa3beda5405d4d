/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A first pass over the configuration file's text, before libconfuse reads it: finds the line of
 * each section and key, so that messages can name it, and refuses what libconfuse would take in
 * silence.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

/* Both far above what a configuration can need; libconfuse takes quadratic time for either. */
#define MARKS_MAX 16384
#define WORD_MAX  4096

#define SECTIONS_MAX 16 /* kinds of them */

/* A number of two digits has to be enough for all sections of a kind. */
#define TITLE_BASE 36
#define TITLE_MIN  2
_Static_assert(CONFIG_MAX_ROUTES < TITLE_BASE * TITLE_BASE, "two digits for each");

struct word {
	char *s;
	size_t n;
	int line;
};

struct scan {
	char *p, *end;
	int line;
	struct word last, before; /* the two newest words: a key, or a section and its title */
	bool after_equals, in_list, appends;
	int depth, open_line; /* of the section that we are in */
	const struct config_section *sec;
	char section[sizeof(((struct config_mark *)0)->section)];
	char object[96];               /* of it, for messages: `vrrp "lan": ` */
	const struct config_key *list; /* with in_list: whose it is; NULL: nobody's that we know */
	int list_line;
	bool list_empty;
	size_t n_sections[SECTIONS_MAX];
	struct config_text *out;
	struct arena *arena;
	char *why;
};

static int scan_fail(struct scan *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int scan_fail(struct scan *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static void blank(struct scan *s, char *to)
{
	for (; s->p < to; s->p++) {
		if (*s->p == '\n')
			s->line++;
		else
			*s->p = ' ';
	}
}

static int scan_comment(struct scan *s)
{
	if (s->p[0] == '/' && s->p[1] == '*') {
		char *close = memmem(s->p + 2, (size_t)(s->end - s->p) - 2, "*/", 2);

		if (!close)
			return scan_fail(s, "this comment is never closed; add */");
		blank(s, close + 2);
	} else {
		char *newline = memchr(s->p, '\n', (size_t)(s->end - s->p));

		blank(s, newline ? newline : s->end);
	}
	return 0;
}

static int push_word(struct scan *s, char *start, size_t n)
{
	if (n > WORD_MAX)
		return scan_fail(s, "this value is longer than 4096 characters; shorten it");
	s->before = s->last;
	s->last = (struct word){.s = start, .n = n, .line = s->line};
	s->after_equals = false;
	s->list_empty = false;
	return 0;
}

static int scan_string(struct scan *s)
{
	char quote = *s->p, *start = ++s->p;

	for (; s->p < s->end && *s->p != quote; s->p++) {
		if (*s->p == '\n')
			break;
		if (s->p[0] == '$' && s->p[1] == '{')
			return scan_fail(s, "${ is not supported; write the value itself");
		/* A NUL could be written that way. */
		if (*s->p == '\\' && (s->p[1] == 'x' || isdigit((unsigned char)s->p[1])))
			return scan_fail(s, "characters by number are not supported; write the "
					    "character itself");
		if (*s->p == '\\' && s->p + 1 < s->end && s->p[1] != '\n')
			s->p++;
	}
	if (s->p >= s->end || *s->p != quote)
		return scan_fail(
			s, "this string is not closed on its line; add the quotation mark");
	s->p++;
	return push_word(s, start, (size_t)(s->p - 1 - start));
}

static bool word_char(char c)
{
	return c != '\0' && !strchr(" #\"'\t\n\r={}()+,", c);
}

static int scan_word(struct scan *s)
{
	char *start = s->p;

	while (s->p < s->end && word_char(*s->p) &&
		!(s->p[0] == '/' && (s->p[1] == '/' || s->p[1] == '*')))
		s->p++;
	if (s->p == start)
		s->p++;
	return push_word(s, start, (size_t)(s->p - start));
}

static int add_mark(struct scan *s, const struct word *key, int line)
{
	struct config_text *t = s->out;
	struct config_mark *m = &t->marks[t->n_marks];

	if (t->n_marks >= MARKS_MAX)
		return scan_fail(s, "the file has too many settings; at most 16384");
	*m = (struct config_mark){.line = line};
	memcpy(m->section, s->section, sizeof(m->section));
	if (key && key->n < sizeof(m->key))
		memcpy(m->key, key->s, key->n);
	t->n_marks++;
	return 0;
}

/* Of the section that we are in, or of none. */
static const struct config_key *key_of(const struct scan *s, const struct word *w)
{
	const struct config_key *keys = s->sec ? s->sec->keys : config_root_keys;
	size_t n = s->sec ? s->sec->n_keys : config_n_root_keys;

	for (size_t i = 0; i < n; i++)
		if (strlen(keys[i].name) == w->n && memcmp(keys[i].name, w->s, w->n) == 0)
			return &keys[i];
	return NULL;
}

static int on_equals(struct scan *s)
{
	const struct config_text *t = s->out;
	/* An unknown key outside of any section is refused anyway. */
	bool appends = s->appends || (!s->section[0] && !key_of(s, &s->last));

	s->after_equals = true;
	s->appends = false;
	if (s->last.n == 0 || s->last.n >= sizeof(t->marks->key))
		return 0;
	for (size_t i = t->n_marks; i > 0 && !appends; i--) {
		const struct config_mark *m = &t->marks[i - 1];

		if (strcmp(m->section, s->section) != 0) {
			if (s->section[0])
				break;
			continue;
		}
		if (m->key[0] == '\0')
			break;
		if (strlen(m->key) == s->last.n && memcmp(m->key, s->last.s, s->last.n) == 0)
			return scan_fail(s, "%s is set twice, first in line %d; remove one", m->key,
				m->line);
	}
	return add_mark(s, &s->last, s->last.line);
}

static const struct config_section *section_of(const struct word *w, bool titled)
{
	for (size_t i = 0; i < config_n_sections; i++) {
		const struct config_section *sec = &config_sections[i];

		if ((sec->title != NULL) == titled && strlen(sec->name) == w->n &&
			memcmp(sec->name, w->s, w->n) == 0)
			return sec;
	}
	return NULL;
}

/* libconfuse keeps one section of a title. Where there may be several, their number takes the
 * title's place in the text, and the mark keeps what was written. */
static void number_title(struct word *title, size_t number)
{
	for (size_t i = title->n; i > 0 && title->n >= TITLE_MIN; i--, number /= TITLE_BASE)
		title->s[i - 1] = "0123456789abcdefghijklmnopqrstuvwxyz"[number % TITLE_BASE];
}

static int keep_title(struct scan *s, const struct word *title)
{
	char *copy = arena_alloc(s->arena, title->n + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, title->s, title->n);
	copy[title->n] = '\0';
	s->out->marks[s->out->n_marks - 1].title = copy;
	return 0;
}

/* libconfuse finds that too, but says neither of what kind it is nor where the first one is. */
static int check_title(
	struct scan *s, const struct config_section *sec, const struct word *title, int line)
{
	for (size_t i = 0; sec->title && !sec->repeats && i < s->out->n_marks; i++) {
		const struct config_mark *m = &s->out->marks[i];

		if (!m->title || strlen(m->title) != title->n ||
			memcmp(m->title, title->s, title->n) != 0 ||
			strcmp(m->section, sec->name) != 0)
			continue;
		s->line = line;
		return scan_fail(s,
			"%s \"%.64s\": the name is taken by the one in line %d; rename or remove "
			"one",
			sec->name, m->title, m->line);
	}
	return 0;
}

const char *config_text_title(
	const struct config_text *t, const struct config_section *sec, const char *title)
{
	unsigned long index = sec->repeats ? strtoul(title, NULL, TITLE_BASE) : 0;

	if (!sec->repeats || strlen(title) < TITLE_MIN)
		return title;
	for (size_t i = 0; i < t->n_marks; i++) {
		const struct config_mark *m = &t->marks[i];

		if (m->key[0] == '\0' && strcmp(m->section, sec->name) == 0 && --index == 0)
			return m->title ? m->title : title;
	}
	return title;
}

static int open_list(struct scan *s)
{
	const struct config_key *key = key_of(s, &s->last);

	if (key && !config_key_is_list(key))
		return scan_fail(s, "%s%s takes one value, not a list; remove { and }", s->object,
			key->name);
	s->in_list = s->list_empty = true;
	s->list = key;
	s->list_line = s->line;
	s->after_equals = false;
	return 0;
}

static int open_section(struct scan *s, const struct config_section *sec, struct word title)
{
	size_t number = ++s->n_sections[sec - config_sections];
	int err;

	/* A second one of those that may occur once is found later, with a better sentence. */
	if (number > sec->max && !sec->once) {
		s->line = s->open_line;
		return scan_fail(
			s, "%s: too many of them; at most %zu are allowed", sec->name, sec->max);
	}
	if ((err = check_title(s, sec, &title, s->open_line)) < 0)
		return err;
	s->sec = sec;
	snprintf(s->section, sizeof(s->section), "%s", sec->name);
	if (sec->title)
		snprintf(s->object, sizeof(s->object), "%s \"%.*s\": ", sec->name,
			(int)(title.n < CONFIG_NAME_MAX ? title.n : CONFIG_NAME_MAX), title.s);
	else
		snprintf(s->object, sizeof(s->object), "%s: ", sec->name);
	err = add_mark(s, NULL, s->open_line);
	if (err == 0 && sec->title)
		err = keep_title(s, &title);
	if (err == 0 && sec->repeats)
		number_title(&title, number);
	return err;
}

static int on_open(struct scan *s)
{
	const struct config_section *sec;
	struct word title = s->last;
	int line = s->last.line;

	if (s->after_equals)
		return open_list(s);
	sec = s->last.n ? section_of(&s->last, false) : NULL;
	if (!sec && s->before.n) {
		sec = section_of(&s->before, true);
		line = s->before.line;
	}
	s->last = s->before = (struct word){0};
	if (s->depth++ > 0 && sec && s->section[0]) {
		s->line = line;
		return scan_fail(s,
			"%s begins inside of the %s section of line %d; close that one with }",
			sec->name, s->section, s->open_line);
	}
	if (s->depth > 1)
		return 0;
	s->open_line = line;
	/* What is wrong with an unknown one, libconfuse says. */
	return sec ? open_section(s, sec, title) : 0;
}

static int on_close(struct scan *s)
{
	s->last = s->before = (struct word){0};
	s->after_equals = false;
	if (s->in_list) {
		s->in_list = false;
		if (s->list && s->list_empty && (s->list->flags & CONFIG_KEY_REQUIRED))
			return scan_fail(
				s, "%s%s is empty; name at least one", s->object, s->list->name);
	} else if (s->depth == 0) {
		return scan_fail(s, "this } closes nothing that is open here; remove it");
	} else if (--s->depth == 0) {
		s->sec = NULL;
		s->section[0] = s->object[0] = '\0';
	}
	return 0;
}

/* libconfuse takes the end of the file for that of a list and of a section. */
static int scan_end(struct scan *s)
{
	if (s->in_list) {
		s->line = s->list_line;
		return scan_fail(s, "%s%s%sthe list is not closed; add }", s->object,
			s->list ? s->list->name : "", s->list ? ": " : "");
	}
	if (s->depth == 0)
		return 0;
	s->line = s->open_line;
	return s->sec ? scan_fail(s, "%sthe section is not closed; add }", s->object) : 0;
}

static int scan_one(struct scan *s)
{
	char c = *s->p;

	if (c == '#' || (c == '/' && (s->p[1] == '/' || s->p[1] == '*')))
		return scan_comment(s);
	if (c == '"' || c == '\'')
		return scan_string(s);
	if (c == '$' && s->p[1] == '{')
		return scan_fail(s, "${ is not supported; write the value itself");
	if (word_char(c))
		return scan_word(s);
	s->p++;
	if (c == '\n')
		s->line++;
	if (c == '+')
		s->appends = *s->p == '=';
	if (c == '=')
		return on_equals(s);
	if (c == '{')
		return on_open(s);
	return c == '}' ? on_close(s) : 0;
}

/* `text` is NUL-terminated at text[len]: looking one character ahead is always allowed. */
int config_text_scan(char *text, size_t len, struct arena *arena, struct config_text *ret,
	int *ret_line, char why[CONFIG_WHY_MAX])
{
	struct config_text t = {.marks = arena_array(arena, MARKS_MAX, sizeof(*t.marks))};
	struct scan s = {
		.p = text, .end = text + len, .line = 1, .out = &t, .arena = arena, .why = why};
	int err = config_n_sections > SECTIONS_MAX ? -E2BIG : 0;

	if (!t.marks)
		err = -ENOMEM;
	/* A byte order mark, as some editors write it. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		memset(text, ' ', 3);
	for (size_t i = 0, line = 1; i < len && err == 0; i++) {
		unsigned char c = (unsigned char)text[i];

		line += c == '\n';
		if ((c < 0x20 && !strchr("\t\n\r", c)) || c == 0 || c == 0x7f) {
			s.line = (int)line;
			err = scan_fail(&s, "a control character in the text; remove it");
		}
	}
	while (s.p < s.end && err == 0)
		err = scan_one(&s);
	if (err == 0)
		err = scan_end(&s);
	*ret_line = s.line;
	if (err == 0)
		*ret = t;
	return err;
}

int config_text_section(const struct config_text *t, const char *section, size_t index)
{
	for (size_t i = 0; i < t->n_marks; i++) {
		const struct config_mark *m = &t->marks[i];

		if (m->key[0] == '\0' && strcmp(m->section, section) == 0 && index-- == 0)
			return m->line;
	}
	return 1;
}

int config_text_key(const struct config_text *t, int section_line, const char *key)
{
	size_t i = 0;
	const char *section = "";

	if (section_line > 0) {
		while (i < t->n_marks && (t->marks[i].key[0] || t->marks[i].line != section_line))
			i++;
		if (i < t->n_marks)
			section = t->marks[i++].section;
	}
	for (; i < t->n_marks; i++) {
		const struct config_mark *m = &t->marks[i];

		if (section[0] && (strcmp(m->section, section) != 0 || m->key[0] == '\0'))
			break;
		if (strcmp(m->section, section) == 0 && strcmp(m->key, key) == 0)
			return m->line;
	}
	return section_line > 0 ? section_line : 1;
}
