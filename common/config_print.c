/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct config in the file's syntax again, from the same schema that the parser reads it with:
 * what is printed parses to the same configuration, but for secrets.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

static void print_quoted(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

static void print_prefix(FILE *f, const struct config_prefix *p)
{
	char text[CONFIG_PREFIX_STRLEN];

	fprintf(f, "\"%s\"", config_prefix_to_str(p, text));
}

static void print_duration(FILE *f, const struct config_key *key, usec_t d)
{
	char text[32];

	if (d == 0 && (key->flags & CONFIG_KEY_OFF))
		fputs("off", f);
	else
		fputs(config_duration_to_str(d, text), f);
}

static void print_list(FILE *f, const struct config_key *key, const void *at)
{
	const struct config_prefixes *prefixes = at;
	const struct config_strings *names = at;
	bool strings = key->kind == CONFIG_KIND_IFNAMES;
	size_t n = strings ? names->n : prefixes->n;

	fputc('{', f);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "", f);
		if (strings)
			print_quoted(f, names->v[i]);
		else
			print_prefix(f, &prefixes->v[i]);
	}
	fputc('}', f);
}

static void print_word(FILE *f, const struct config_key *key, const void *at)
{
	unsigned v;

	memcpy(&v, at, sizeof(v));
	fputs(key->words[v - 1], f);
}

static void print_nat_to(FILE *f, const struct config_nat *n)
{
	if (n->to == CONFIG_NAT_VIRTUAL)
		fputs("virtual", f);
	else
		print_prefix(f, &n->address);
}

static void print_range(FILE *f, const struct config_range *r)
{
	char from[INET_ADDRSTRLEN] = "?", to[INET_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET, &r->from, from, sizeof(from));
	inet_ntop(AF_INET, &r->to, to, sizeof(to));
	fprintf(f, "\"%s-%s\"", from, to);
}

static void print_value(FILE *f, const struct config_key *key, const void *obj)
{
	const void *at = (const char *)obj + key->offset;
	char fp[CONFIG_FINGERPRINT_STRLEN], mac[CONFIG_MAC_STRLEN];

	switch (key->kind) {
	case CONFIG_KIND_BOOL:
		fputs(*(const bool *)at ? "true" : "false", f);
		break;
	case CONFIG_KIND_U8:
		fprintf(f, "%u", *(const uint8_t *)at);
		break;
	case CONFIG_KIND_U16:
		fprintf(f, "%u", *(const uint16_t *)at);
		break;
	case CONFIG_KIND_U32:
		fprintf(f, "%u", *(const uint32_t *)at);
		break;
	case CONFIG_KIND_DURATION:
		print_duration(f, key, *(const usec_t *)at);
		break;
	case CONFIG_KIND_WORD:
		print_word(f, key, at);
		break;
	case CONFIG_KIND_IFNAME:
	case CONFIG_KIND_NAME:
	case CONFIG_KIND_PASSWORD:
		print_quoted(f, key->flags & CONFIG_KEY_SECRET ? "…" : (const char *)at);
		break;
	case CONFIG_KIND_STRING:
		print_quoted(f, *(char *const *)at);
		break;
	case CONFIG_KIND_HOST:
	case CONFIG_KIND_PREFIX:
		print_prefix(f, at);
		break;
	case CONFIG_KIND_FINGERPRINT:
		print_quoted(f, config_fingerprint_to_str(at, fp));
		break;
	case CONFIG_KIND_MAC:
		print_quoted(f, config_mac_to_str(at, mac));
		break;
	case CONFIG_KIND_RANGE:
		print_range(f, at);
		break;
	case CONFIG_KIND_NAT_TO:
		print_nat_to(f, obj);
		break;
	case CONFIG_KIND_PREFIXES:
	case CONFIG_KIND_HOSTS:
	case CONFIG_KIND_IFNAMES:
		print_list(f, key, at);
		break;
	}
}

static size_t kind_size(enum config_kind kind)
{
	switch (kind) {
	case CONFIG_KIND_BOOL:
		return sizeof(bool);
	case CONFIG_KIND_U8:
		return 1;
	case CONFIG_KIND_U16:
		return 2;
	case CONFIG_KIND_U32:
	case CONFIG_KIND_WORD:
		return 4;
	case CONFIG_KIND_DURATION:
		return sizeof(usec_t);
	case CONFIG_KIND_FINGERPRINT:
		return 32;
	case CONFIG_KIND_MAC:
		return 6;
	case CONFIG_KIND_RANGE:
		return sizeof(struct config_range);
	case CONFIG_KIND_IFNAME:
	case CONFIG_KIND_NAME:
	case CONFIG_KIND_PASSWORD:
	case CONFIG_KIND_STRING:
	case CONFIG_KIND_HOST:
	case CONFIG_KIND_PREFIX:
	case CONFIG_KIND_PREFIXES:
	case CONFIG_KIND_HOSTS:
	case CONFIG_KIND_IFNAMES:
	case CONFIG_KIND_NAT_TO:
		break;
	}
	return 0;
}

/* Is there nothing that could be printed, whatever the default is? */
static bool is_unset(const struct config_key *key, const void *obj)
{
	static const uint8_t zero[32];
	const void *at = (const char *)obj + key->offset;

	switch (key->kind) {
	case CONFIG_KIND_IFNAME:
	case CONFIG_KIND_NAME:
	case CONFIG_KIND_PASSWORD:
		return *(const char *)at == '\0';
	case CONFIG_KIND_STRING:
		return !*(char *const *)at;
	case CONFIG_KIND_HOST:
	case CONFIG_KIND_PREFIX:
		return ((const struct config_prefix *)at)->family == 0;
	case CONFIG_KIND_PREFIXES:
	case CONFIG_KIND_HOSTS:
		return ((const struct config_prefixes *)at)->n == 0;
	case CONFIG_KIND_IFNAMES:
		return ((const struct config_strings *)at)->n == 0;
	case CONFIG_KIND_FINGERPRINT:
	case CONFIG_KIND_MAC:
	case CONFIG_KIND_RANGE:
		return memcmp(at, zero, kind_size(key->kind)) == 0;
	case CONFIG_KIND_U32:
		/* mtu: 0 is not in the range that can be written. */
		return *(const uint32_t *)at == 0 && key->min > 0;
	case CONFIG_KIND_BOOL:
	case CONFIG_KIND_U8:
	case CONFIG_KIND_U16:
	case CONFIG_KIND_DURATION:
	case CONFIG_KIND_WORD:
	case CONFIG_KIND_NAT_TO:
		break;
	}
	return false;
}

static bool is_default(const struct config_key *key, const void *obj, const void *defaults)
{
	const void *at = (const char *)obj + key->offset,
		   *def = (const char *)defaults + key->offset;
	size_t n = kind_size(key->kind);

	if (key->flags & CONFIG_KEY_REQUIRED)
		return false;
	if (key->kind == CONFIG_KIND_STRING) {
		const char *a = *(char *const *)at, *b = *(char *const *)def;

		return a && b && strcmp(a, b) == 0;
	}
	return n > 0 && memcmp(at, def, n) == 0;
}

union any_section {
	struct config_interface interface;
	struct config_route route;
	struct config_rule rule;
	struct config_firewall firewall;
	struct config_cluster cluster;
	struct config_vrrp vrrp;
	struct config_nat nat;
	struct config_sync sync;
	struct config_portal portal;
	struct config_proxy proxy;
};

/* All that is set, but for what is the same in `defaults` (NULL: all). */
static void print_keys(FILE *f, const char *indent, const struct config_key *keys, size_t n,
	const void *obj, const void *defaults)
{
	for (size_t i = 0; i < n; i++) {
		if (is_unset(&keys[i], obj) || (defaults && is_default(&keys[i], obj, defaults)))
			continue;
		fprintf(f, "%s%s = ", indent, keys[i].name);
		print_value(f, &keys[i], obj);
		fputc('\n', f);
	}
}

static void print_section(FILE *f, const struct config *cfg, const struct config_section *sec,
	const void *obj, bool normalized)
{
	struct config_key title = {.kind = sec->title_kind, .offset = sec->title_offset};
	union any_section defaults;

	memset(&defaults, 0, sizeof(defaults));
	if (sec->defaults)
		sec->defaults(cfg, &defaults);
	fprintf(f, "\n%s ", sec->name);
	if (sec->title) {
		print_value(f, &title, obj);
		fputc(' ', f);
	}
	fputs("{\n", f);
	print_keys(f, "\t", sec->keys, sec->n_keys, obj, normalized ? NULL : &defaults);
	fputs("}\n", f);
}

static void print_sections(
	FILE *f, const struct config *cfg, const struct config_section *sec, bool normalized)
{
	const char *base = (const char *)cfg;
	const char *obj = base + sec->offset;
	size_t n = 0;

	if (sec->once) {
		n = *(const bool *)obj ? 1 : 0;
	} else {
		memcpy(&n, base + sec->n_offset, sizeof(n));
		memcpy(&obj, base + sec->offset, sizeof(obj));
	}
	for (size_t i = 0; i < n; i++, obj += sec->size)
		if (!sec->mine || sec->mine(obj))
			print_section(f, cfg, sec, obj, normalized);
}

char *config_to_str(const struct config *cfg, bool normalized)
{
	static const struct config defaults = {.model = CONFIG_MODEL_GENERIC};
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool failed;

	if (!f)
		return NULL;
	print_keys(f, "", config_root_keys, config_n_root_keys, cfg, normalized ? NULL : &defaults);
	for (size_t i = 0; i < config_n_sections; i++)
		print_sections(f, cfg, &config_sections[i], normalized);
	failed = ferror(f);
	if (fclose(f) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
