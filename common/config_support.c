/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the language of the configuration file has and this version does not do yet. What a pair
 * would be wrong without is refused with its line, so that `gatepair check`, a start and a reload
 * say the same; the rest is accepted with a warning, so that one file serves this version and the
 * next. gatepair.conf(5) lists both.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/config_check.h"

#define OVERLAPS_MAX 16 /* warnings about them */

struct support {
	const struct config_text *t;
	int *line;
	char *why;
};

static int refuse(const struct support *s, int section_line, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(const struct support *s, int section_line, const char *key, const char *fmt, ...)
{
	va_list ap;

	*s->line = config_text_key(s->t, section_line, key);
	va_start(ap, fmt);
	vsnprintf(s->why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EOPNOTSUPP;
}

static int support_cluster(const struct support *s, const struct config_cluster *cl)
{
	if (cl->auth_key_file)
		return refuse(s, cl->line, "auth-key-file",
			"cluster: this version does not authenticate adverts (heartbeats always "
			"are); remove auth-key-file");
	return 0;
}

static int support_vrrp(const struct support *s, const struct config_vrrp *v)
{
	if (v->unicast_peers.n > 0)
		return refuse(s, v->line, "unicast-peer",
			"vrrp \"%s\": this version sends to the multicast group only; remove "
			"unicast-peer",
			v->name);
	for (size_t i = 0; i < v->addresses.n; i++)
		if (v->addresses.v[i].family != AF_INET)
			return refuse(s, v->line, "virtual-address",
				"vrrp \"%s\": this version has virtual addresses of IPv4 only; "
				"remove the others",
				v->name);
	return 0;
}

int config_support(const struct config *cfg, const struct config_text *t, int *ret_line,
	char why[CONFIG_WHY_MAX])
{
	struct support s = {.t = t, .line = ret_line, .why = why};
	int err;

	err = support_cluster(&s, &cfg->cluster);
	for (size_t i = 0; err == 0 && i < cfg->n_vrrps; i++)
		err = support_vrrp(&s, &cfg->vrrps[i]);
	return err;
}

/* --- what is not refused ---------------------------------------------------------------------- */

static void warn_rule(const struct config *cfg, const struct config_rule *r, const char *file,
	void (*say)(const char *line))
{
	char text[512];

	if (r->table == CONFIG_TABLE_MAIN)
		return;
	for (size_t i = 0; i < cfg->n_routes; i++)
		if (cfg->routes[i].table == r->table)
			return;
	snprintf(text, sizeof(text),
		"%s:%d: warning: rule \"%s\": no route of this file is in table %u, so the rule "
		"changes nothing until there is one",
		file, r->line, r->name, r->table);
	say(text);
}

static bool has_subnet(const struct config_prefix *a)
{
	return a->len < (a->family == AF_INET ? 32 : 128) && !check_link_local(a);
}

/* An address of `in` whose subnet is also one of the interface `o`, or in it, or around it. */
static const struct config_prefix *overlap(const struct config_interface *in,
	const struct config_interface *o, const struct config_prefix **ret_other)
{
	for (size_t i = 0; i < in->addresses.n; i++) {
		const struct config_prefix *a = &in->addresses.v[i];

		for (size_t k = 0; has_subnet(a) && k < o->addresses.n; k++) {
			const struct config_prefix *b = &o->addresses.v[k];

			*ret_other = b;
			if (has_subnet(b) &&
				(config_prefix_contains(a, b) || config_prefix_contains(b, a)))
				return a;
		}
	}
	return NULL;
}

/* Returns how many were said, at most `max`. */
static size_t warn_overlap(const struct config *cfg, const struct config_interface *in,
	const char *file, void (*say)(const char *line), size_t max)
{
	char own[CONFIG_PREFIX_STRLEN], others[CONFIG_PREFIX_STRLEN], text[512];
	size_t n = 0;

	for (const struct config_interface *o = cfg->interfaces; o < in && n < max; o++) {
		const struct config_prefix *b, *a = overlap(in, o, &b);

		if (!a)
			continue;
		snprintf(text, sizeof(text),
			"%s:%d: warning: %s \"%s\": the subnet of %s overlaps that of %s on %s "
			"\"%s\" in line %d, so some hosts can be reached by one of them only; "
			"give each a subnet of its own",
			file, in->line, check_kind(in), in->name, config_prefix_to_str(a, own),
			config_prefix_to_str(b, others), check_kind(o), o->name, o->line);
		say(text);
		n++;
	}
	return n;
}

void config_warn(const struct config *cfg, const char *file, void (*say)(const char *line))
{
	const struct config_firewall *f = &cfg->firewall;
	size_t overlaps = 0;
	char text[512];

	if (f->unchecked) {
		snprintf(text, sizeof(text), "%s:%d: warning: firewall: rules-file %.200s: %s",
			file, f->line, f->rules_file, f->unchecked);
		say(text);
	}
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		overlaps +=
			warn_overlap(cfg, &cfg->interfaces[i], file, say, OVERLAPS_MAX - overlaps);
	for (size_t i = 0; i < cfg->n_rules; i++)
		warn_rule(cfg, &cfg->rules[i], file, say);
	if (cfg->cluster.track_pings.n > 0) {
		snprintf(text, sizeof(text),
			"%s:%d: warning: cluster: this version tracks interfaces only, track-ping "
			"is without effect",
			file, cfg->cluster.line);
		say(text);
	}
}
