/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file's text into struct config. libconfuse knows the grammar; what a value may
 * be is in the schema (config_schema.c), so every refusal reads the same: object, cause, next
 * action. Run by the supervisor and the gatepair command.
 */
#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/config_internal.h"

struct parse {
	struct config *cfg;
	struct arena *scratch;
	struct config_text text;
	int line;
	char *why;
	/* What is being read, for messages. */
	const struct config_section *sec;
	const char *title;
	int sec_line;
};

/* The struct of a section that may occur once begins with its `present` flag. */
_Static_assert(offsetof(struct config_cluster, present) == 0, "present comes first");
_Static_assert(offsetof(struct config_sync, present) == 0, "present comes first");
_Static_assert(offsetof(struct config_firewall, present) == 0, "present comes first");
_Static_assert(offsetof(struct config_portal, present) == 0, "present comes first");
_Static_assert(offsetof(struct config_proxy, present) == 0, "present comes first");

/* libconfuse gives its error callback no owner, and its lexer is global anyway. */
static struct parse *current;

static int parse_fail(struct parse *p, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int parse_fail(struct parse *p, int line, const char *fmt, ...)
{
	va_list ap;
	int n = 0;

	p->line = line;
	if (p->sec && p->title)
		n = snprintf(p->why, CONFIG_WHY_MAX, "%s \"%.64s\": ", p->sec->name, p->title);
	else if (p->sec)
		n = snprintf(p->why, CONFIG_WHY_MAX, "%s: ", p->sec->name);
	va_start(ap, fmt);
	vsnprintf(p->why + n, CONFIG_WHY_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* --- values ----------------------------------------------------------------------------------- */

static int bad_value(
	struct parse *p, const struct config_key *key, const char *value, const char *wanted)
{
	return parse_fail(p, config_text_key(&p->text, p->sec_line, key->name),
		"%s: \"%.64s\" is not %s", key->name, value, wanted);
}

static int bad_number(struct parse *p, const struct config_key *key, const char *value)
{
	return parse_fail(p, config_text_key(&p->text, p->sec_line, key->name),
		"%s: \"%.64s\" is not a number from %lld to %lld; write one of these", key->name,
		value, (long long)key->min, (long long)key->max);
}

static int set_number(struct parse *p, const struct config_key *key, const char *value, void *out)
{
	uint32_t v;

	if (config_value_u32(value, key->min, key->max, &v) < 0)
		return bad_number(p, key, value);
	if (key->kind == CONFIG_KIND_U8)
		*(uint8_t *)out = (uint8_t)v;
	else if (key->kind == CONFIG_KIND_U16)
		*(uint16_t *)out = (uint16_t)v;
	else
		*(uint32_t *)out = v;
	return 0;
}

static int set_duration(
	struct parse *p, const struct config_key *key, const char *value, usec_t *out)
{
	char min[32], max[32];
	usec_t d;

	if ((key->flags & CONFIG_KEY_OFF) &&
		(strcmp(value, "0") == 0 || strcmp(value, "off") == 0)) {
		*out = 0;
		return 0;
	}
	if (config_value_duration(value, &d) == -EINVAL)
		return bad_value(p, key, value, "a duration; write e.g. 500us, 10ms or 30s");
	if (config_value_duration(value, &d) < 0 || d < key->min || d > key->max)
		return parse_fail(p, config_text_key(&p->text, p->sec_line, key->name),
			"%s: \"%.64s\" is out of range; write %s to %s%s", key->name, value,
			config_duration_to_str(key->min, min),
			config_duration_to_str(key->max, max),
			key->flags & CONFIG_KEY_OFF ? ", or off" : "");
	*out = d;
	return 0;
}

static int set_word(struct parse *p, const struct config_key *key, const char *value, void *out)
{
	char wanted[128] = "one of";
	unsigned v;

	if (config_value_word(value, key->words, &v) == 0) {
		memcpy(out, &v, sizeof(v));
		return 0;
	}
	for (size_t i = 0; key->words[i]; i++) {
		size_t n = strlen(wanted);

		snprintf(wanted + n, sizeof(wanted) - n, " %s", key->words[i]);
	}
	return bad_value(p, key, value, wanted);
}

static int set_string(struct parse *p, const struct config_key *key, const char *value, char **out)
{
	size_t n = strlen(value);

	if (n < (size_t)key->min || n > (size_t)key->max || !config_value_printable(value))
		return bad_value(
			p, key, value, "usable text; it is empty, too long or not printable");
	*out = arena_strdup(p->cfg->arena, value);
	return *out ? 0 : -ENOMEM;
}

static int set_prefix(struct parse *p, const struct config_key *key, const char *value, bool host,
	struct config_prefix *out)
{
	/* Of those, bits behind the length are refused. */
	bool networks = key->kind == CONFIG_KIND_PREFIX;
	struct config_prefix v;

	if (config_prefix_from_str(value, &v) < 0)
		return bad_value(p, key, value,
			host       ? "an address; write e.g. 10.0.0.1"
			: networks ? "a network; write e.g. 10.0.0.0/24, or 0.0.0.0/0 for any"
				   : "an address; write e.g. 10.0.0.1/24");
	if (host && (strchr(value, '/') || v.len != (v.family == AF_INET ? 32 : 128)))
		return bad_value(p, key, value, "a single address; leave the /length out");
	*out = v;
	return 0;
}

static int set_password(struct parse *p, const struct config_key *key, const char *value, char *out)
{
	size_t n = strlen(value);

	/* The value itself is a secret: it is not repeated in the message. */
	if (n == 0 || n > CONFIG_PASSWORD_MAX || !config_value_printable(value))
		return parse_fail(p, config_text_key(&p->text, p->sec_line, key->name),
			"%s: must have 1 to %d printable characters; shorten it", key->name,
			CONFIG_PASSWORD_MAX);
	memcpy(out, value, n + 1);
	return 0;
}

static int set_nat_to(
	struct parse *p, const struct config_key *key, const char *value, struct config_nat *nat)
{
	if (strcmp(value, "virtual") == 0) {
		nat->to = CONFIG_NAT_VIRTUAL;
		return 0;
	}
	if (config_prefix_from_str(value, &nat->address) < 0 || strchr(value, '/'))
		return bad_value(p, key, value, "\"virtual\" or an address");
	nat->to = CONFIG_NAT_ADDRESS;
	return 0;
}

static int set_scalar(struct parse *p, const struct config_key *key, const char *value, void *obj)
{
	void *out = (char *)obj + key->offset;

	switch (key->kind) {
	case CONFIG_KIND_BOOL:
		return config_value_bool(value, out) == 0
			       ? 0
			       : bad_value(p, key, value, "a yes or no; write true or false");
	case CONFIG_KIND_U8:
	case CONFIG_KIND_U16:
	case CONFIG_KIND_U32:
		return set_number(p, key, value, out);
	case CONFIG_KIND_DURATION:
		return set_duration(p, key, value, out);
	case CONFIG_KIND_WORD:
		return set_word(p, key, value, out);
	case CONFIG_KIND_IFNAME:
		return config_value_ifname(value, out) == 0
			       ? 0
			       : bad_value(p, key, value,
					 "an interface name; it has 1 to 15 characters");
	case CONFIG_KIND_NAME:
		return config_value_name(value, out) == 0
			       ? 0
			       : bad_value(p, key, value,
					 "a name; use 1 to 63 letters, digits, dots, _ and -");
	case CONFIG_KIND_PASSWORD:
		return set_password(p, key, value, out);
	case CONFIG_KIND_STRING:
		return set_string(p, key, value, out);
	case CONFIG_KIND_HOST:
		return set_prefix(p, key, value, true, out);
	case CONFIG_KIND_PREFIX:
		return set_prefix(p, key, value, false, out);
	case CONFIG_KIND_FINGERPRINT:
		return config_value_fingerprint(value, out) == 0
			       ? 0
			       : bad_value(p, key, value,
					 "a fingerprint; write sha256: and 64 lower-case hex "
					 "digits, as "
					 "`gatepair key` prints it");
	case CONFIG_KIND_MAC:
		return config_value_mac(value, out) == 0
			       ? 0
			       : bad_value(p, key, value,
					 "the MAC address of an interface; write e.g. "
					 "52:54:00:12:34:56");
	case CONFIG_KIND_RANGE:
		return config_value_range(value, out) == 0
			       ? 0
			       : bad_value(p, key, value,
					 "a range; write e.g. 10.0.0.100-10.0.0.200, the lower end "
					 "first");
	case CONFIG_KIND_NAT_TO:
		return set_nat_to(p, key, value, obj);
	case CONFIG_KIND_PREFIXES:
	case CONFIG_KIND_HOSTS:
	case CONFIG_KIND_IFNAMES:
		break;
	}
	return -EINVAL;
}

static int set_list(struct parse *p, const struct config_key *key, cfg_opt_t *opt, void *obj)
{
	struct config_prefixes *prefixes = (void *)((char *)obj + key->offset);
	struct config_strings *names = (void *)((char *)obj + key->offset);
	bool strings = key->kind == CONFIG_KIND_IFNAMES;
	unsigned n = cfg_opt_size(opt);
	char ifname[IFNAMSIZ];
	int err = 0;

	if (n > CONFIG_MAX_LIST)
		return parse_fail(p, config_text_key(&p->text, p->sec_line, key->name),
			"%s: %u entries; at most %d are allowed", key->name, n, CONFIG_MAX_LIST);
	if (strings && !(names->v = arena_array(p->cfg->arena, n, sizeof(*names->v))))
		return n ? -ENOMEM : 0;
	if (!strings && !(prefixes->v = arena_array(p->cfg->arena, n, sizeof(*prefixes->v))))
		return n ? -ENOMEM : 0;
	for (unsigned i = 0; i < n && err == 0; i++) {
		const char *value = cfg_opt_getnstr(opt, i);

		if (!strings) {
			err = set_prefix(
				p, key, value, key->kind == CONFIG_KIND_HOSTS, &prefixes->v[i]);
			prefixes->n = i + 1;
		} else if (config_value_ifname(value, ifname) < 0) {
			err = bad_value(
				p, key, value, "an interface name; it has 1 to 15 characters");
		} else {
			names->v[i] = arena_strdup(p->cfg->arena, value);
			names->n = i + 1;
			err = names->v[i] ? 0 : -ENOMEM;
		}
	}
	return err;
}

/* --- sections --------------------------------------------------------------------------------- */

static int read_keys(struct parse *p, cfg_t *c, const struct config_key *keys, size_t n, void *obj)
{
	for (size_t i = 0; i < n; i++) {
		cfg_opt_t *opt = cfg_getopt(c, keys[i].name);
		unsigned values = opt ? cfg_opt_size(opt) : 0;
		int err = 0;

		if (values == 0 && (keys[i].flags & CONFIG_KEY_REQUIRED))
			return parse_fail(p, p->sec_line ? p->sec_line : 1, "%s is missing; add it",
				keys[i].name);
		if (values > 0 && config_key_is_list(&keys[i]))
			err = set_list(p, &keys[i], opt, obj);
		else if (values > 0)
			err = set_scalar(p, &keys[i], cfg_opt_getnstr(opt, 0), obj);
		if (err < 0)
			return err;
	}
	return 0;
}

static int read_title(struct parse *p, void *obj)
{
	struct config_key key = {
		.name = p->sec->title, .kind = p->sec->title_kind, .offset = p->sec->title_offset};

	return p->sec->title ? set_scalar(p, &key, p->title, obj) : 0;
}

static int read_section(struct parse *p, cfg_t *c, size_t index, void *obj)
{
	p->title = p->sec->title ? config_text_title(&p->text, p->sec, cfg_title(c)) : NULL;
	p->sec_line = config_text_section(&p->text, p->sec->name, index);
	*(int *)(void *)((char *)obj + p->sec->line_offset) = p->sec_line;
	if (p->sec->defaults)
		p->sec->defaults(p->cfg, obj);
	if (p->sec->once)
		*(bool *)obj = true;
	int err = read_title(p, obj);

	return err == 0 ? read_keys(p, c, p->sec->keys, p->sec->n_keys, obj) : err;
}

/* Room for `more` further objects in the section's array; returns the first of them. */
static void *grow(struct parse *p, size_t more)
{
	size_t *n = (void *)((char *)p->cfg + p->sec->n_offset);
	void **array = (void *)((char *)p->cfg + p->sec->offset);
	char *bigger = arena_array(p->cfg->arena, *n + more, p->sec->size);

	if (!bigger)
		return NULL;
	if (*n)
		memcpy(bigger, *array, *n * p->sec->size);
	*array = bigger;
	bigger += *n * p->sec->size;
	*n += more;
	return bigger;
}

static int read_sections(struct parse *p, cfg_t *root)
{
	size_t n = cfg_size(root, p->sec->name);
	size_t have = p->sec->once ? 0 : *(size_t *)(void *)((char *)p->cfg + p->sec->n_offset);
	char *obj;

	p->title = NULL;
	if (n == 0)
		return 0;
	if (p->sec->once && n > 1)
		return parse_fail(p, config_text_section(&p->text, p->sec->name, 1),
			"there is a second one; the first is in line %d, remove one",
			config_text_section(&p->text, p->sec->name, 0));
	if (n + have > p->sec->max)
		return parse_fail(p,
			config_text_section(&p->text, p->sec->name, p->sec->max - have),
			"too many of them; at most %zu are allowed", p->sec->max);
	obj = p->sec->once ? (char *)p->cfg + p->sec->offset : grow(p, n);
	for (size_t i = 0; obj && i < n; i++) {
		int err = read_section(
			p, cfg_getnsec(root, p->sec->name, (unsigned)i), i, obj + i * p->sec->size);

		if (err < 0)
			return err;
	}
	return obj ? 0 : -ENOMEM;
}

static int read_all(struct parse *p, cfg_t *root)
{
	int err = read_keys(p, root, config_root_keys, config_n_root_keys, p->cfg);

	for (size_t i = 0; i < config_n_sections && err == 0; i++) {
		p->sec = &config_sections[i];
		err = read_sections(p, root);
	}
	for (size_t i = 0; i < sizeof(p->cfg->portal.ca_fingerprint); i++)
		if (p->cfg->portal.ca_fingerprint[i])
			p->cfg->portal.has_ca_fingerprint = true;
	return err;
}

/* --- libconfuse ------------------------------------------------------------------------------- */

static void on_error(cfg_t *c, const char *fmt, va_list ap)
{
	char cause[160];
	const char *title = c->title;
	int n = 0;

	if (current->why[0])
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(cause, sizeof(cause), fmt, ap);
#pragma GCC diagnostic pop
	current->line = c->line;
	for (size_t i = 0; title && i < config_n_sections; i++)
		if (strcmp(config_sections[i].name, c->name) == 0)
			title = config_text_title(&current->text, &config_sections[i], c->title);
	if (title)
		n = snprintf(current->why, CONFIG_WHY_MAX, "%s \"%.64s\": ", c->name, title);
	else if (strcmp(c->name, "root") != 0)
		n = snprintf(current->why, CONFIG_WHY_MAX, "%s: ", c->name);
	snprintf(current->why + n, CONFIG_WHY_MAX - (size_t)n, "%s; see gatepair.conf(5)", cause);
}

#define TITLED (CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES)

static cfg_opt_t *make_opts(struct arena *a, const struct config_key *keys, size_t n, size_t extra)
{
	cfg_opt_t *opts = arena_array(a, n + extra + 1, sizeof(*opts));

	for (size_t i = 0; opts && i < n; i++) {
		if (config_key_is_list(&keys[i]))
			opts[i] = (cfg_opt_t)CFG_STR_LIST(keys[i].name, NULL, CFGF_NODEFAULT);
		else
			opts[i] = (cfg_opt_t)CFG_STR(keys[i].name, NULL, CFGF_NODEFAULT);
	}
	return opts; /* zeroed behind that: an end mark */
}

static cfg_t *make_grammar(struct arena *a)
{
	cfg_opt_t *root = make_opts(a, config_root_keys, config_n_root_keys, config_n_sections);

	for (size_t i = 0; root && i < config_n_sections; i++) {
		const struct config_section *sec = &config_sections[i];
		cfg_opt_t *opts = make_opts(a, sec->keys, sec->n_keys, 0);

		if (!opts)
			return NULL;
		root[config_n_root_keys + i] =
			(cfg_opt_t)CFG_SEC(sec->name, opts, sec->title ? TITLED : CFGF_MULTI);
	}
	return root ? cfg_init(root, CFGF_NONE) : NULL;
}

static int run_confuse(struct parse *p, cfg_t *root, char *text, size_t len)
{
	FILE *f = len ? fmemopen(text, len, "r") : NULL;
	int rc;

	if (!f)
		return len ? -ENOMEM : 0;
	current = p;
	cfg_set_error_function(root, on_error);
	rc = cfg_parse_fp(root, f);
	current = NULL;
	fclose(f);
	if (rc == CFG_SUCCESS)
		return 0;
	if (!p->why[0])
		return parse_fail(
			p, root->line, "the syntax is not understood; see gatepair.conf(5)");
	return -EINVAL;
}

int config_parse(char *text, size_t len, struct arena *scratch, struct config *cfg,
	struct config_text *ret_text, int *ret_line, char why[CONFIG_WHY_MAX])
{
	struct parse p = {.cfg = cfg, .scratch = scratch, .line = 1, .why = why};
	cfg_t *root = NULL;
	int err;

	why[0] = '\0';
	cfg->model = CONFIG_MODEL_GENERIC;
	for (size_t i = 0; i < config_n_sections; i++)
		if (config_sections[i].once && config_sections[i].defaults)
			config_sections[i].defaults(cfg, (char *)cfg + config_sections[i].offset);
	err = config_text_scan(text, len, scratch, &p.text, &p.line, why);
	if (err == 0)
		err = (root = make_grammar(scratch)) ? run_confuse(&p, root, text, len) : -ENOMEM;
	if (err == 0)
		err = read_all(&p, root);
	if (err == 0)
		err = config_complete(cfg, &p.line, why);
	if (root)
		cfg_free(root);
	if (err < 0 && !why[0])
		snprintf(why, CONFIG_WHY_MAX,
			"out of memory; the file is too large for this machine");
	*ret_line = p.line;
	*ret_text = p.text;
	return err;
}
