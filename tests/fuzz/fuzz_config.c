/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any configuration file; what is accepted is printed, and accepted again, and every daemon takes
 * its part of it. */
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct config *load(const char *bytes, size_t n)
{
	struct arena *scratch = arena_new(8u << 20);
	struct config *cfg = config_new();
	char *text = scratch != NULL ? arena_alloc(scratch, n + 1) : NULL, why[CONFIG_WHY_MAX];
	struct config_text t;
	int line, err = -1;

	if (text != NULL && cfg != NULL) {
		memcpy(text, bytes, n);
		err = config_parse(text, n, scratch, cfg, &t, &line, why);
		if (err == 0)
			err = config_check(cfg, &t, &line, why);
	}
	arena_free(scratch);
	if (err == 0)
		return cfg;
	config_free(cfg);
	return NULL;
}

/* A secret is printed as dots, too many for a password: such a text is not accepted again. */
static bool has_secret(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_vrrps; i++)
		if (cfg->vrrps[i].password[0] != '\0')
			return true;
	return false;
}

static void hand_out(struct config *cfg)
{
	/* config_load() finds it, in the files that it reads. */
	cfg->sync.local = cfg->sync.peer;
	for (enum config_part part = CONFIG_PART_VRRPD; part <= CONFIG_PART_ACTIVATED; part++) {
		struct arena *scratch = arena_new(CONFIG_ARENA_MAX);
		Gp__Config *m = scratch != NULL ? config_pack(cfg, part, scratch) : NULL;
		struct config *got = NULL;
		char why[CONFIG_WHY_MAX];

		if (m == NULL || config_unpack(m, &got, why, sizeof(why)) < 0)
			abort();
		config_free(got);
		arena_free(scratch);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct config *cfg = n <= CONFIG_FILE_MAX ? load((const char *)data, n) : NULL, *again;
	char *text;

	if (cfg == NULL)
		return 0;
	text = config_to_str(cfg, true);
	again = text != NULL ? load(text, strlen(text)) : NULL;
	if (again == NULL && !has_secret(cfg))
		abort();
	hand_out(cfg);
	free(text);
	config_free(again);
	config_free(cfg);
	return 0;
}
