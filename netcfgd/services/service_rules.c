/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft(8) as a child that loads the operator's rules (see service_rules.h). One at a time; a newer
 * order is carried out after the running one.
 */
#include "netcfgd/services/service_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/config_rules.h"
#include "netcfgd/services/child.h"
#include "netcfgd/firewall/userrules.h"

#define LOAD_TIME_MAX (5 * USEC_PER_SEC)
#define RETRY_GAP     (5 * USEC_PER_SEC)
#define CONDITION     "firewall rules"

static struct {
	char text[CONFIG_RULES_TEXT_MAX + 1]; /* "": none are configured */
	uint64_t of;                          /* its digest */
	uint64_t wanted, loading;             /* 0: none */
	usec_t retry_at;
	struct child child;
} self;

static void fail(const char *cause)
{
	service_condition(CONDITION,
		"firewall: rules-file: nft cannot load the rules: %.160s; they are tried again, "
		"and until then the policy stays as it was; correct the file and reload",
		cause);
	self.retry_at = clock_now_us() + RETRY_GAP;
}

static void start(void)
{
	static const char *const argv[] = {CONFIG_RULES_NFT, "-f", "-", NULL};
	static const char *const env[] = {"LC_ALL=C", NULL};
	static const cap_value_t caps[] = {CAP_NET_ADMIN};
	struct child_spec spec = {
		.argv = argv, .env = env, .caps = caps, .n_caps = 1, .limit = LOAD_TIME_MAX};
	char *script, why[64];
	int rc = -ENOMEM;

	self.retry_at = USEC_NEVER;
	if (!self.wanted || self.wanted != self.of || child_runs(&self.child))
		return;
	script = config_rules_script(self.text, USERRULES_STAGE, false);
	if (script) {
		spec.input = script;
		spec.input_len = strlen(script);
		rc = child_start(&self.child, &spec);
	}
	free(script);
	self.loading = rc ? 0 : self.wanted;
	if (rc) {
		snprintf(why, sizeof(why), "it does not start (%s)", strerror(-rc));
		fail(why);
	}
}

static void on_ended(struct child *c, int status)
{
	struct services_report r = {.kind = SERVICES_RULES_LOADED, .rules = {.of = self.loading}};
	char complaint[160], how[64];

	self.loading = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		service_condition(CONDITION, "%s", "");
		if (self.wanted == r.rules.of)
			self.wanted = 0;
		service_report(&r);
	} else if (self.wanted == r.rules.of) {
		config_rules_complaint(c->output, complaint, sizeof(complaint));
		fail(complaint[0] ? complaint : child_how(status, how, sizeof(how)));
	}
	/* Another order may have come meanwhile. */
	if (self.retry_at == USEC_NEVER)
		start();
	service_rearm();
}

static int on_init(uv_loop_t *loop, const struct kernel *picture)
{
	(void)picture;
	self.retry_at = USEC_NEVER;
	self.child = (struct child){.name = "nft", .loop = loop, .ended = on_ended};
	return 0;
}

static void on_config(const struct config *cfg, usec_t now)
{
	const char *rules = cfg->firewall.rules;

	(void)now;
	self.of = rules ? userrules_hash(rules) : 0;
	snprintf(self.text, sizeof(self.text), "%s", rules ? rules : "");
	if (self.wanted == self.of)
		return;
	self.wanted = 0;
	self.retry_at = USEC_NEVER;
	service_condition(CONDITION, "%s", "");
}

void service_rules_load(uint64_t of, usec_t now)
{
	(void)now;
	self.wanted = of;
	start();
}

static void on_tick(usec_t now)
{
	(void)now;
	start();
}

static usec_t on_due(void)
{
	return self.retry_at;
}

const struct service_module service_rules = {
	.name = "rules",
	.init = on_init,
	.config = on_config,
	.tick = on_tick,
	.due = on_due,
};
