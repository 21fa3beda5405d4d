/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of gatepair that ask for something to be done, and those that need no daemon.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/ctl/ctl.h"
#include "common/node_key.h"

#define RELOAD_TIMEOUT     (12 * USEC_PER_SEC)
#define RELOAD_SETTLE_US   300000
#define RESTART_TIMEOUT    (15 * USEC_PER_SEC)
#define SWITCHOVER_TIMEOUT (30 * USEC_PER_SEC)
#define CONFIG_TIMEOUT     (3 * USEC_PER_SEC)

/* --- without a daemon ------------------------------------------------------------------------- */

static void say(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

int ctl_check(const struct ctl *ctl, int argc, char **argv)
{
	struct config *cfg = NULL;
	char err[1024];

	(void)argc;
	if (config_load(argv[0], ctl->statedir, &cfg, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		return CTL_FAILED;
	}
	config_warn(cfg, argv[0], say);
	config_free(cfg);
	printf("%s: ok\n", argv[0]);
	return CTL_OK;
}

static int make_key(const char *statedir, const char *path)
{
	char err[CTL_WHY_MAX];
	int r;

	if (mkdir(statedir, 0755) < 0 && errno != EEXIST)
		return ctl_fail(CTL_FAILED, "state folder %s: %s; make it, or use --statedir",
			statedir, strerror(errno));
	r = node_key_create(path, err, sizeof(err));
	/* Somebody else was faster: then that is the node's key. */
	return r < 0 && r != -EEXIST ? ctl_fail(CTL_FAILED, "%s", err) : CTL_OK;
}

int ctl_key(const struct ctl *ctl, int argc, char **argv)
{
	const char *statedir = ctl->statedir ? ctl->statedir : CTL_DEFAULT_STATEDIR;
	char path[PATH_MAX], err[CTL_WHY_MAX], text[CONFIG_FINGERPRINT_STRLEN];
	struct node_key key;
	int r;

	(void)argc;
	(void)argv;
	if (snprintf(path, sizeof(path), "%s/" NODE_KEY_FILE, statedir) >= (int)sizeof(path))
		return ctl_fail(CTL_FAILED, "--statedir is too long");
	r = node_key_read(path, &key, err, sizeof(err));
	if (r == -ENOENT) {
		r = make_key(statedir, path);
		if (r != CTL_OK)
			return r;
		fprintf(stderr, "gatepair: made a new key, %s\n", path);
		r = node_key_read(path, &key, err, sizeof(err));
	}
	if (r < 0)
		return ctl_fail(CTL_FAILED, "%s", err);
	puts(config_fingerprint_to_str(key.fingerprint, text));
	node_key_wipe(&key);
	return CTL_OK;
}

/* --- with one --------------------------------------------------------------------------------- */

static int show_plan(const struct ctl *ctl)
{
	Gp__Envelope e = GP__ENVELOPE__INIT, *answer = NULL;
	Gp__PlanRequest request = GP__PLAN_REQUEST__INIT;
	char why[CTL_WHY_MAX];
	int r;

	e.body_case = GP__ENVELOPE__BODY_PLAN_REQUEST;
	e.plan_request = &request;
	r = ctl_ask(ctl, "netcfgd", &e, GP__ENVELOPE__BODY_PLAN, CONFIG_TIMEOUT, &answer, why);
	if (r != CTL_OK)
		return ctl_fail(r, "%s", why);
	for (size_t i = 0; i < answer->plan->n_operations; i++)
		puts(answer->plan->operations[i]);
	if (answer->plan->n_operations == 0)
		puts("nothing to do");
	if (answer->plan->more)
		puts("... and what follows from these");
	gp__envelope__free_unpacked(answer, NULL);
	return CTL_OK;
}

int ctl_show(const struct ctl *ctl, int argc, char **argv)
{
	Gp__Envelope e = GP__ENVELOPE__INIT, *answer = NULL;
	Gp__ConfigRequest request = GP__CONFIG_REQUEST__INIT;
	char why[CTL_WHY_MAX];
	int r;

	(void)argc;
	if (strcmp(argv[0], "plan") == 0)
		return show_plan(ctl);
	if (strcmp(argv[0], "config") != 0)
		return ctl_fail(CTL_USAGE,
			"show: \"%s\" is not known; `gatepair show config` or `gatepair show "
			"plan`",
			argv[0]);
	request.normalized = (ctl->flags & CTL_NORMALIZED) != 0;
	e.body_case = GP__ENVELOPE__BODY_CONFIG_REQUEST;
	e.config_request = &request;
	r = ctl_ask(ctl, "supervisor", &e, GP__ENVELOPE__BODY_CONFIG_TEXT, CONFIG_TIMEOUT, &answer,
		why);
	if (r != CTL_OK)
		return ctl_fail(r, "%s", why);
	fputs(answer->config_text->text, stdout);
	gp__envelope__free_unpacked(answer, NULL);
	return CTL_OK;
}

static int command(const struct ctl *ctl, const char *daemon, Gp__Envelope *e, usec_t timeout,
	const char *done)
{
	Gp__Envelope *answer = NULL;
	char why[CTL_WHY_MAX];
	int r = ctl_ask(ctl, daemon, e, GP__ENVELOPE__BODY_ACK, timeout, &answer, why);

	if (r != CTL_OK)
		return ctl_fail(r, "%s", why);
	gp__envelope__free_unpacked(answer, NULL);
	puts(done);
	return CTL_OK;
}

int ctl_reload(const struct ctl *ctl, int argc, char **argv)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__ReloadRequest request = GP__RELOAD_REQUEST__INIT;
	usec_t before = clock_now_us();
	int r;

	(void)argc;
	(void)argv;
	e.body_case = GP__ENVELOPE__BODY_RELOAD_REQUEST;
	e.reload_request = &request;
	r = command(ctl, "supervisor", &e, RELOAD_TIMEOUT,
		"reloaded: every daemon runs on the new configuration");
	if (r != CTL_OK)
		return r;
	/* The configuration is right; whether the kernel could do it all shows a moment later. */
	usleep(RELOAD_SETTLE_US);
	ctl_warn_errors(ctl, (uint64_t)((clock_now_us() - before) / USEC_PER_MS));
	return CTL_OK;
}

int ctl_switchover(const struct ctl *ctl, int argc, char **argv)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__SwitchoverRequest request = GP__SWITCHOVER_REQUEST__INIT;

	(void)argc;
	(void)argv;
	e.body_case = GP__ENVELOPE__BODY_SWITCHOVER_REQUEST;
	e.switchover_request = &request;
	return command(ctl, "vrrpd", &e, SWITCHOVER_TIMEOUT, "switched over: the peer is Active");
}

int ctl_restart(const struct ctl *ctl, int argc, char **argv)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__RestartRequest request = GP__RESTART_REQUEST__INIT;

	(void)argc;
	request.daemon = argv[0];
	e.body_case = GP__ENVELOPE__BODY_RESTART_REQUEST;
	e.restart_request = &request;
	return command(ctl, "supervisor", &e, RESTART_TIMEOUT, "restarted: it is ready again");
}
