/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's own addresses and the excluded networks; see filter.h. Runs in syncd.
 */
#include "syncd/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config_prefix whole(struct config_prefix p)
{
	p.len = p.family == AF_INET6 ? 128 : 32;
	return p;
}

static bool is_virtual(const struct filter *f, const struct config_prefix *addr)
{
	for (size_t i = 0; i < f->n_virtuals; i++)
		if (config_prefix_equal(&f->virtuals[i], addr))
			return true;
	return false;
}

static void rebuild(struct filter *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_configured; i++)
		if (!is_virtual(f, &f->configured[i]))
			f->own[n++] = f->configured[i];
	for (size_t i = 0; i < f->n_learned; i++)
		if (!is_virtual(f, &f->learned[i].addr))
			f->own[n++] = f->learned[i].addr;
	f->flows.own = f->own;
	f->flows.n_own = n;
}

static void fill_configured(struct filter *f, const struct config *cfg)
{
	if (cfg->sync.present) {
		f->configured[f->n_configured++] = whole(cfg->sync.local);
		f->configured[f->n_configured++] = whole(cfg->sync.peer);
	}
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		for (size_t j = 0; j < cfg->interfaces[i].addresses.n; j++)
			f->configured[f->n_configured++] = whole(cfg->interfaces[i].addresses.v[j]);
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		for (size_t j = 0; j < cfg->vrrps[i].addresses.n; j++)
			f->virtuals[f->n_virtuals++] = whole(cfg->vrrps[i].addresses.v[j]);
}

int filter_configure(struct filter *f, const struct config *cfg)
{
	struct filter fresh = {.learned = f->learned, .n_learned = f->n_learned};
	size_t n_own = 2, n_virtuals = 1, n_excluded = cfg->sync.excludes.n;

	for (size_t i = 0; i < cfg->n_interfaces; i++)
		n_own += cfg->interfaces[i].addresses.n;
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		n_virtuals += cfg->vrrps[i].addresses.n;
	if (fresh.learned == NULL)
		fresh.learned = calloc(FILTER_MAX_LEARNED, sizeof(*fresh.learned));
	fresh.configured = calloc(n_own, sizeof(*fresh.configured));
	fresh.own = calloc(n_own + FILTER_MAX_LEARNED, sizeof(*fresh.own));
	fresh.virtuals = calloc(n_virtuals, sizeof(*fresh.virtuals));
	fresh.excluded = calloc(n_excluded + 1, sizeof(*fresh.excluded));
	if (fresh.learned == NULL || fresh.configured == NULL || fresh.own == NULL ||
		fresh.virtuals == NULL || fresh.excluded == NULL) {
		if (fresh.learned == f->learned)
			fresh.learned = NULL;
		filter_fini(&fresh);
		return -ENOMEM;
	}
	fill_configured(&fresh, cfg);
	for (size_t i = 0; i < n_excluded; i++)
		fresh.excluded[i] = cfg->sync.excludes.v[i];
	fresh.flows.excluded = fresh.excluded;
	fresh.flows.n_excluded = n_excluded;
	f->learned = NULL;
	filter_fini(f);
	*f = fresh;
	rebuild(f);
	return 0;
}

void filter_learn(struct filter *f, const char *ifname, const struct config_prefix *addr)
{
	size_t i = 0;

	while (i < f->n_learned && strncmp(f->learned[i].ifname, ifname, IFNAMSIZ) != 0)
		i++;
	if (f->learned == NULL || i == FILTER_MAX_LEARNED)
		return;
	if (i == f->n_learned)
		f->n_learned++;
	snprintf(f->learned[i].ifname, IFNAMSIZ, "%s", ifname);
	f->learned[i].addr = whole(*addr);
	rebuild(f);
}

void filter_fini(struct filter *f)
{
	free(f->own);
	free(f->configured);
	free(f->excluded);
	free(f->virtuals);
	free(f->learned);
	memset(f, 0, sizeof(*f));
}
