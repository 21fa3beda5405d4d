/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question to one daemon, and the words for everything that can go wrong with it.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/ctl/ctl.h"

#define PROBE_TIMEOUT (500 * USEC_PER_MS)

int ctl_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("gatepair: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static bool not_there(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR;
}

void ctl_explain(const struct ctl *ctl, const char *daemon, int err, char why[CTL_WHY_MAX])
{
	if (not_there(err) && strcmp(daemon, "supervisor") == 0)
		snprintf(why, CTL_WHY_MAX,
			"gatepair does not run in %s; start `supervisor --config FILE --rundir DIR "
			"--statedir DIR` (see supervisor(8)), or name its folder with --rundir",
			ctl->rundir);
	else if (not_there(err))
		snprintf(why, CTL_WHY_MAX,
			"%s does not run at the moment; see `gatepair status` for the daemons, and "
			"its log",
			daemon);
	else if (err == -ETIMEDOUT && strcmp(daemon, "supervisor") == 0)
		snprintf(why, CTL_WHY_MAX,
			"the supervisor hangs: the daemons go on, but nothing restarts them; kill "
			"it "
			"(they stop with it; on the Active `gatepair switchover` first) and start "
			"it again");
	else if (err == -ETIMEDOUT)
		snprintf(why, CTL_WHY_MAX,
			"%s did not answer in time; the supervisor restarts what hangs: see "
			"`gatepair "
			"status` and its log, or `gatepair restart %s`",
			daemon, daemon);
	else if (err == -EACCES || err == -EPERM)
		snprintf(why, CTL_WHY_MAX,
			"%s: this user may not connect; run it as root or as a member of group "
			"gatepair",
			daemon);
	else if (err == -ECONNRESET || err == -EPIPE)
		snprintf(why, CTL_WHY_MAX, "%s closed the connection; try again, and see its log",
			daemon);
	else if (err == -EBADMSG)
		snprintf(why, CTL_WHY_MAX,
			"%s answered something else; is this command of the same version as the "
			"daemons?",
			daemon);
	else
		snprintf(why, CTL_WHY_MAX, "%s: %s; see its log", daemon, strerror(-err));
}

/* A daemon without a supervisor is no daemon that failed. */
static bool supervisor_is_there(const struct ctl *ctl)
{
	Gp__Envelope e = GP__ENVELOPE__INIT, *answer = NULL;
	Gp__StatusRequest request = GP__STATUS_REQUEST__INIT;
	char path[PATH_MAX];
	int r;

	e.body_case = GP__ENVELOPE__BODY_STATUS_REQUEST;
	e.status_request = &request;
	if (snprintf(path, sizeof(path), "%s/supervisor.sock", ctl->rundir) >= (int)sizeof(path))
		return false;
	r = ipc_call(path, &e, PROBE_TIMEOUT, &answer);
	if (r == 0)
		gp__envelope__free_unpacked(answer, NULL);
	return !not_there(r);
}

int ctl_ask(const struct ctl *ctl, const char *daemon, Gp__Envelope *e, Gp__Envelope__BodyCase want,
	usec_t timeout, Gp__Envelope **ret, char why[CTL_WHY_MAX])
{
	char path[PATH_MAX];
	Gp__Envelope *answer = NULL;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s.sock", ctl->rundir, daemon) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	else
		r = ipc_call(path, e, timeout, &answer);
	if (r < 0) {
		if (not_there(r) && !supervisor_is_there(ctl))
			daemon = "supervisor";
		ctl_explain(ctl, daemon, r, why);
		return not_there(r) ? CTL_NOT_RUNNING : CTL_FAILED;
	}
	if (answer->body_case == want) {
		*ret = answer;
		return CTL_OK;
	}
	if (answer->body_case == GP__ENVELOPE__BODY_ERROR) {
		snprintf(why, CTL_WHY_MAX, "%s", answer->error->text);
		config_clean_text(why);
	} else {
		ctl_explain(ctl, daemon, -EBADMSG, why);
	}
	gp__envelope__free_unpacked(answer, NULL);
	return CTL_FAILED;
}
