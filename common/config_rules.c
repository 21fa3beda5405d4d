/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator's rules may say (see config_rules.h). The scan keeps the text inside the table;
 * all else is for nft(8) to judge, which is asked to check and not to change anything, if possible
 * in a network namespace of its own.
 */
#include "common/config_rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"

#define WORD_MAX 64

/* --- names ----------------------------------------------------------------------------------- */

static const char *const own_names[] = {"input", "forward", "prerouting", "postrouting", "output",
	"raw_prerouting", "raw_output", "content", "gate", "virtual", "not_accepted", "mgmt", "lan",
	"wan", "ha", "configured", "dhcp_client", "dhcp_server", "router_advert", "relay_servers"};
static const char *const entries[] = {
	"user_input", "user_forward", "user_prerouting", "user_postrouting"};

static bool among(const char *name, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], name) == 0)
			return true;
	return false;
}

bool config_rules_reserved(const char *name)
{
	return among(name, own_names, sizeof(own_names) / sizeof(own_names[0]));
}

bool config_rules_entry(const char *name)
{
	return among(name, entries, sizeof(entries) / sizeof(entries[0]));
}

/* --- the scan -------------------------------------------------------------------------------- */

enum token { T_END, T_WORD, T_OPEN, T_CLOSE, T_BREAK, T_OTHER, T_UNCLOSED };

struct scan {
	const char *p;
	int line, depth, opened; /* opened: where the outermost block was */
	char word[WORD_MAX];     /* of T_WORD; longer ones are cut */
	char *why;
	size_t size;
};

static int refuse(struct scan *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct scan *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, s->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_word(char c)
{
	return c &&
	       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-@$*", c);
}

static enum token word(struct scan *s)
{
	size_t n = 0;

	for (; is_word(*s->p); s->p++)
		if (n < sizeof(s->word) - 1)
			s->word[n++] = *s->p;
	s->word[n] = '\0';
	return T_WORD;
}

static enum token quoted(struct scan *s)
{
	const char *end = strchr(s->p + 1, '"');

	if (!end)
		return T_UNCLOSED;
	for (; s->p <= end; s->p++)
		s->line += *s->p == '\n';
	return T_OTHER;
}

/* A line that ends in a backslash goes on in the next. */
static void skip_blank(struct scan *s)
{
	for (;;) {
		if (*s->p == ' ' || *s->p == '\t' || *s->p == '\r') {
			s->p++;
		} else if (*s->p == '#') {
			s->p += strcspn(s->p, "\n");
		} else if (s->p[0] == '\\' && s->p[1] == '\n') {
			s->p += 2;
			s->line++;
		} else {
			return;
		}
	}
}

static enum token next(struct scan *s)
{
	skip_blank(s);
	if (is_word(*s->p))
		return word(s);
	switch (*s->p) {
	case '\0':
		return T_END;
	case '"':
		return quoted(s);
	case '{':
		s->p++;
		return T_OPEN;
	case '}':
		s->p++;
		return T_CLOSE;
	case '\n':
		s->p++;
		s->line++;
		return T_BREAK;
	case ';':
		s->p++;
		return T_BREAK;
	default:
		s->p++;
		return T_OTHER;
	}
}

static int check_name(struct scan *s, const char *kind)
{
	if (next(s) != T_WORD)
		return refuse(s, "rules: %s without a name; give it one", kind);
	if (config_rules_reserved(s->word) || strncmp(s->word, "__", 2) == 0)
		return refuse(s,
			"rules: %s %s: the name belongs to gatepair; choose another (the chains "
			"that are called are user_input, user_forward, user_prerouting and "
			"user_postrouting)",
			kind, s->word);
	if (config_rules_entry(s->word) && strcmp(kind, "chain") != 0)
		return refuse(s, "rules: %s %s: this is the name of a chain; choose another", kind,
			s->word);
	if (strlen(s->word) == WORD_MAX - 1)
		return refuse(s, "rules: %s %s…: the name is too long; shorten it", kind, s->word);
	return 0;
}

/* The first word of a statement that is in no block. */
static int check_statement(struct scan *s)
{
	static const char *const named[] = {
		"chain", "set", "map", "counter", "quota", "limit", "synproxy", "secmark"};
	static const char *const free_form[] = {"define", "redefine", "undefine"};
	char kind[WORD_MAX];

	memcpy(kind, s->word, sizeof(kind));
	if (among(kind, free_form, sizeof(free_form) / sizeof(free_form[0])))
		return 0;
	if (strcmp(kind, "ct") == 0)
		return next(s) == T_WORD ? check_name(s, "ct object")
					 : refuse(s, "rules: ct of what? name its kind");
	if (among(kind, named, sizeof(named) / sizeof(named[0])))
		return check_name(s, kind);
	return refuse(s,
		"rules: \"%s\" cannot stand here: only chains, sets, maps, counters, quotas, "
		"limits, "
		"ct objects and defines of the table inet gatepair can; write rules inside of "
		"chain user_input, user_forward, user_prerouting or user_postrouting",
		kind);
}

/* Words that would lead out of the table, wherever they are; none of them is a name. */
static int check_word(struct scan *s)
{
	if (strcmp(s->word, "include") == 0)
		return refuse(s, "rules: include: other files are not read; put the text here");
	if (strcmp(s->word, "hook") == 0)
		return refuse(s,
			"rules: hook: chains with a hook of their own are not taken; put the rules "
			"into chain user_input, user_forward, user_prerouting or user_postrouting");
	return 0;
}

static int check_brace(struct scan *s, bool open)
{
	if (open && s->depth++ == 0)
		s->opened = s->line;
	if (!open && s->depth-- == 0)
		return refuse(s, "rules: this } closes nothing that is open here; remove it");
	return 0;
}

static int check_end(struct scan *s, enum token t)
{
	if (t == T_UNCLOSED)
		return refuse(s, "rules: a text in quotes does not end; close it");
	if (s->depth == 0)
		return 0;
	s->line = s->opened;
	return refuse(s, "rules: the block that begins here does not end; close it with }");
}

int config_rules_scan(const char *text, int *ret_line, char *why, size_t size)
{
	struct scan s = {.p = text, .line = 1, .why = why, .size = size};
	bool begins = true; /* a statement */
	enum token t;
	int rc = 0;

	while (!rc && (t = next(&s)) != T_END && t != T_UNCLOSED) {
		if (t == T_WORD)
			rc = check_word(&s);
		if (!rc && t == T_WORD && begins && s.depth == 0)
			rc = check_statement(&s);
		if (!rc && t == T_OTHER && begins && s.depth == 0)
			rc = refuse(&s, "rules: a statement begins with a word; correct it");
		if (!rc && (t == T_OPEN || t == T_CLOSE))
			rc = check_brace(&s, t == T_OPEN);
		begins = t == T_BREAK || t == T_CLOSE;
	}
	if (!rc)
		rc = check_end(&s, t);
	if (rc)
		*ret_line = s.line;
	return rc;
}

/* --- the script ------------------------------------------------------------------------------ */

/* All of it is on the first line. */
/* Constant: to be asked, not to be changed. */
static const char sets[] =
	" set gate { type nf_proto; flags constant; }; set virtual { type ipv4_addr; flags "
	"constant; };"
	" set not_accepted { type ipv4_addr; flags constant; }; set relay_servers { type "
	"ipv4_addr; flags constant; };"
	" set mgmt { type ifname; flags constant; }; set lan { type ifname; flags constant; }; set "
	"wan { type ifname; flags constant; };"
	" set ha { type ifname; flags constant; }; set configured { type ifname; flags constant; };"
	" set dhcp_client { type ifname; flags constant; }; set dhcp_server { type ifname; flags "
	"constant; };"
	" set router_advert { type ifname; flags constant; }; chain user_input { }; chain "
	"user_forward { };"
	" chain user_prerouting { }; chain user_postrouting { };";
static const char hooks[] =
	" chain input { type filter hook input priority 0; jump user_input; };"
	" chain forward { type filter hook forward priority 0; jump user_forward; };"
	" chain prerouting { type nat hook prerouting priority -100; jump user_prerouting; };"
	" chain postrouting { type nat hook postrouting priority 100; jump user_postrouting; };";

char *config_rules_script(const char *text, const char *table, bool hooked)
{
	size_t n = strlen(text) + sizeof(sets) + sizeof(hooks) + 3 * strlen(table) + 128;
	char *script = malloc(n);

	if (script)
		snprintf(script, n,
			"table inet %s { } ; delete table inet %s ; table inet %s {%s%s\n%s\n}\n",
			table, table, table, sets, hooked ? hooks : "", text);
	return script;
}

int config_rules_complaint(const char *output, char *ret_why, size_t size)
{
	static const char mark[] = "Error: ";
	const char *error = strstr(output, mark), *colon;
	long line = 0;
	size_t n;

	if (!error) {
		snprintf(ret_why, size, "%.*s", (int)strcspn(output, "\n"), output);
		return 0;
	}
	/* "/dev/stdin:3:9-14: Error: …" */
	colon = strchr(output, ':');
	if (colon && colon < error)
		line = strtol(colon + 1, NULL, 10) - CONFIG_RULES_LINES_BEFORE;
	error += sizeof(mark) - 1;
	n = strcspn(error, "\n");
	snprintf(ret_why, size, "%.*s", (int)n, error);
	config_clean_text(ret_why);
	return line > 0 ? (int)line : 0;
}
