/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gatepair status and gatepair sessions: asking, and printing what came as text or JSON. No
 * daemon's fields are known here but those of the overview.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/ctl/ctl.h"
#include "common/ctl/overview.h"
#include "common/ctl/screen.h"
#include "common/print.h"

#define STATUS_TIMEOUT   (1500 * USEC_PER_MS)
#define SESSIONS_TIMEOUT (10 * USEC_PER_SEC)

#define SESSION_COLUMNS "%-5s %-11s %-21s %-21s %11s %4s"

enum { SUPERVISOR, VRRPD, SYNCD, NETCFGD, N_DAEMONS };
static const char *const names[N_DAEMONS] = {"supervisor", "vrrpd", "syncd", "netcfgd"};

struct answer {
	Gp__Envelope *envelope; /* NULL: none */
	char why[CTL_WHY_MAX];
};

static int ask_status(const struct ctl *ctl, const char *daemon, struct answer *a)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__StatusRequest request = GP__STATUS_REQUEST__INIT;

	e.body_case = GP__ENVELOPE__BODY_STATUS_REQUEST;
	e.status_request = &request;
	return ctl_ask(
		ctl, daemon, &e, GP__ENVELOPE__BODY_STATUS, STATUS_TIMEOUT, &a->envelope, a->why);
}

static int print_json(json_t *j)
{
	int r = j ? json_dumpf(j, stdout, JSON_INDENT(2)) : -1;

	json_decref(j);
	if (r == 0 && putchar('\n') != EOF)
		return CTL_OK;
	return ctl_fail(
		CTL_FAILED, "the answer cannot be printed: out of memory, or the output is closed");
}

void ctl_warn_errors(const struct ctl *ctl, uint64_t ms)
{
	for (int d = VRRPD; d < N_DAEMONS; d++) {
		struct answer a = {0};

		if (ask_status(ctl, names[d], &a) != CTL_OK)
			continue;
		for (size_t i = 0; i < a.envelope->status->n_errors; i++) {
			Gp__LastError *e = a.envelope->status->errors[i];

			if (e->ago_ms > ms)
				continue;
			config_clean_text(e->text);
			fprintf(stderr, "gatepair: warning: %s: %s\n", names[d], e->text);
		}
		gp__envelope__free_unpacked(a.envelope, NULL);
	}
}

/* The detail's member must be the one of this daemon: what follows reads it. */
static const Gp__Status *status_of(const struct answer *a, Gp__Status__DetailCase detail)
{
	const Gp__Status *st = a->envelope ? a->envelope->status : NULL;

	return st && st->detail_case == detail ? st : NULL;
}

/* The first line of the effective configuration is the node's name. */
static void find_node(const struct ctl *ctl, char node[CONFIG_NAME_MAX + 1])
{
	Gp__Envelope e = GP__ENVELOPE__INIT, *answer = NULL;
	Gp__ConfigRequest request = GP__CONFIG_REQUEST__INIT;
	char why[CTL_WHY_MAX];

	snprintf(node, CONFIG_NAME_MAX + 1, "this node");
	e.body_case = GP__ENVELOPE__BODY_CONFIG_REQUEST;
	e.config_request = &request;
	if (ctl_ask(ctl, "supervisor", &e, GP__ENVELOPE__BODY_CONFIG_TEXT, STATUS_TIMEOUT, &answer,
		    why) != CTL_OK)
		return;
	if (sscanf(answer->config_text->text, "node = \"%63[^\"]\"", node) != 1)
		snprintf(node, CONFIG_NAME_MAX + 1, "this node");
	gp__envelope__free_unpacked(answer, NULL);
}

static int print_overview(const struct ctl *ctl, const struct answer all[N_DAEMONS])
{
	char node[CONFIG_NAME_MAX + 1];
	struct overview o = {
		.node = node,
		.supervisor = status_of(&all[SUPERVISOR], GP__STATUS__DETAIL_SUPERVISOR),
		.vrrpd = status_of(&all[VRRPD], GP__STATUS__DETAIL_VRRPD),
		.syncd = status_of(&all[SYNCD], GP__STATUS__DETAIL_SYNCD),
		.netcfgd = status_of(&all[NETCFGD], GP__STATUS__DETAIL_NETCFGD),
		.why_supervisor = all[SUPERVISOR].why,
		.why_vrrpd = all[VRRPD].why,
		.why_syncd = all[SYNCD].why,
		.why_netcfgd = all[NETCFGD].why,
	};

	find_node(ctl, node);
	overview_print(stdout, &o);
	return CTL_OK;
}

static int print_all_json(const struct answer all[N_DAEMONS])
{
	json_t *j = json_object();

	for (int i = 0; j && i < N_DAEMONS; i++) {
		json_t *one = all[i].envelope ? print_to_json(&all[i].envelope->status->base)
					      : json_pack("{s:s}", "error", all[i].why);

		if (json_object_set_new(j, names[i], one) < 0) {
			json_decref(j);
			j = NULL;
		}
	}
	return print_json(j);
}

static int status_all(const struct ctl *ctl)
{
	struct answer all[N_DAEMONS] = {0};
	int r = ask_status(ctl, names[SUPERVISOR], &all[SUPERVISOR]),
	    answers = all[SUPERVISOR].envelope != NULL;

	if (r == CTL_NOT_RUNNING)
		return ctl_fail(r, "%s", all[SUPERVISOR].why);
	for (int i = VRRPD; i < N_DAEMONS; i++)
		if (ask_status(ctl, names[i], &all[i]) != CTL_OK)
			r = CTL_FAILED;
		else
			answers++;
	if (answers == 0)
		return ctl_fail(r, "%s", all[SUPERVISOR].why);
	if (((ctl->flags & CTL_JSON) ? print_all_json(all) : print_overview(ctl, all)) != CTL_OK)
		r = CTL_FAILED;
	for (int i = 0; i < N_DAEMONS; i++)
		if (all[i].envelope)
			gp__envelope__free_unpacked(all[i].envelope, NULL);
	return r;
}

/* Counters at the end, and only those that count something: JSON has them all. */
static void print_one(Gp__Status *st)
{
	size_t n = st->n_counters, zero = 0;

	st->n_counters = 0;
	print_text(stdout, &st->base, 0);
	st->n_counters = n;
	for (size_t i = 0; i < n; i++)
		zero += st->counters[i]->value == 0;
	if (n)
		printf("counters (%zu more are 0):\n", zero);
	for (size_t i = 0; i < n; i++) {
		config_clean_text(st->counters[i]->name);
		if (st->counters[i]->value)
			printf("  %-26s  %" PRIu64 "\n", st->counters[i]->name,
				st->counters[i]->value);
	}
}

static bool is_daemon(const char *name)
{
	for (int i = 0; i < N_DAEMONS; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

int ctl_status(const struct ctl *ctl, int argc, char **argv)
{
	struct answer a = {0};
	int r;

	if (argc == 0)
		return status_all(ctl);
	if (!is_daemon(argv[0]))
		return ctl_fail(CTL_USAGE,
			"there is no daemon \"%s\"; choose one of vrrpd, syncd, netcfgd, "
			"supervisor",
			argv[0]);
	r = ask_status(ctl, argv[0], &a);
	if (r != CTL_OK)
		return ctl_fail(r, "%s", a.why);
	if (ctl->flags & CTL_JSON)
		r = print_json(print_to_json(&a.envelope->status->base));
	else
		print_one(a.envelope->status);
	gp__envelope__free_unpacked(a.envelope, NULL);
	return r;
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Of ICMP it is the identifier, not a port. */
static const char *endpoint(const Gp__Session *s, char *text)
{
	char *colon = strrchr(text, ':');

	if (strncmp(s->protocol, "icmp", 4) == 0 && colon)
		*colon = '\0';
	return text;
}

/* Where the reply goes instead of the source, and comes from instead of the destination. */
static void print_nat(const Gp__Session *s)
{
	if (strcmp(s->source, s->reply_destination) != 0)
		printf("  as %s", s->reply_destination);
	if (strcmp(s->destination, s->reply_source) != 0)
		printf("  to %s", s->reply_source);
}

static void session_text(const Gp__Session *s)
{
	char timeout[SCREEN_DURATION_MAX];

	endpoint(s, s->source);
	endpoint(s, s->destination);
	endpoint(s, s->reply_source);
	endpoint(s, s->reply_destination);
	printf(SESSION_COLUMNS, s->protocol, s->state[0] ? s->state : "-", s->source,
		s->destination, screen_duration((uint64_t)s->timeout_s * 1000000, timeout),
		s->replicated ? "yes" : "no");
	print_nat(s);
	putchar('\n');
}

static int session_json(const Gp__Session *s, bool first)
{
	json_t *j = print_to_json(&s->base);
	int r;

	fputs(first ? "\n" : ",\n", stdout);
	r = j ? json_dumpf(j, stdout, JSON_COMPACT) : -1;
	json_decref(j);
	return r == 0 ? CTL_OK : CTL_FAILED;
}

static int sessions_page(const struct ctl *ctl, uint64_t *cursor, uint64_t *count)
{
	Gp__Envelope e = GP__ENVELOPE__INIT, *answer = NULL;
	Gp__SessionsRequest request = GP__SESSIONS_REQUEST__INIT;
	char why[CTL_WHY_MAX];
	int r;

	request.cursor = *cursor;
	e.body_case = GP__ENVELOPE__BODY_SESSIONS_REQUEST;
	e.sessions_request = &request;
	r = ctl_ask(ctl, "syncd", &e, GP__ENVELOPE__BODY_SESSIONS, SESSIONS_TIMEOUT, &answer, why);
	if (r != CTL_OK)
		return ctl_fail(r, "%s", why);
	/* The bracket now: there is no half JSON when nobody answers. */
	if ((ctl->flags & CTL_JSON) && *cursor == 0)
		fputs("[", stdout);
	if (!(ctl->flags & CTL_JSON) && *cursor == 0 && answer->sessions->n_sessions)
		printf(SESSION_COLUMNS "  NAT\n", "PROTO", "STATE", "SOURCE", "DESTINATION", "LEFT",
			"COPY");
	for (size_t i = 0; i < answer->sessions->n_sessions && r == CTL_OK; i++, ++*count) {
		if (ctl->flags & CTL_JSON)
			r = session_json(answer->sessions->sessions[i], *count == 0);
		else
			session_text(answer->sessions->sessions[i]);
	}
	*cursor = answer->sessions->cursor;
	gp__envelope__free_unpacked(answer, NULL);
	return r;
}

int ctl_sessions(const struct ctl *ctl, int argc, char **argv)
{
	uint64_t cursor = 0, count = 0;
	int r;

	(void)argc;
	(void)argv;
	do {
		r = sessions_page(ctl, &cursor, &count);
	} while (r == CTL_OK && cursor != 0);
	if (r != CTL_OK)
		return r;
	if (ctl->flags & CTL_JSON)
		fputs(count ? "\n]\n" : "]\n", stdout);
	else
		printf("%" PRIu64 " session%s\n", count, count == 1 ? "" : "s");
	return r;
}
