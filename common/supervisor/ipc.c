/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the supervisor says and hears: on each daemon's control channel, and on supervisor.sock. The
 * only file of the supervisor that sees generated protobuf code.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/supervisor/supervisor.h"

/* Queries carry an id of their own, so that their answers are no answers to PREPARE and COMMIT. */
#define QUERY_ID UINT64_MAX

/* --- to a daemon ----------------------------------------------------------------------------- */

static uint64_t send_control(struct child *ch, Gp__Envelope *e)
{
	e->id = e->id ? e->id : ++ch->sup->last_id;
	if (ch->control)
		ipc_send(ch->control, e);
	return e->id;
}

static enum config_part part_of(const struct child *ch)
{
	static const struct {
		const char *name;
		enum config_part part;
	} parts[] = {
		{"vrrpd", CONFIG_PART_VRRPD},
		{"syncd", CONFIG_PART_SYNCD},
		{"netcfgd", CONFIG_PART_NETCFGD},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(parts[i].name, ch->spawn.role->name) == 0)
			return parts[i].part;
	return CONFIG_PART_ACTIVATED;
}

uint64_t control_prepare(struct child *ch, const struct config *cfg, uint64_t generation)
{
	struct supervisor *sup = ch->sup;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__Prepare prepare = GP__PREPARE__INIT;

	arena_reset(sup->scratch);
	prepare.generation = generation;
	prepare.config = config_pack(cfg, part_of(ch), sup->scratch);
	if (!prepare.config) {
		/* config_load() made sure that it fits; without memory the daemon stays as it is.
		 */
		log_err("daemon=%s: no memory for its configuration", ch->spawn.role->name);
		return ++sup->last_id;
	}
	e.body_case = GP__ENVELOPE__BODY_PREPARE;
	e.prepare = &prepare;
	return send_control(ch, &e);
}

uint64_t control_commit(struct child *ch, uint64_t generation)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__Commit commit = GP__COMMIT__INIT;

	commit.generation = generation;
	e.body_case = GP__ENVELOPE__BODY_COMMIT;
	e.commit = &commit;
	return send_control(ch, &e);
}

void control_abort(struct child *ch, uint64_t generation)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__Abort abort = GP__ABORT__INIT;

	abort.generation = generation;
	e.body_case = GP__ENVELOPE__BODY_ABORT;
	e.abort = &abort;
	send_control(ch, &e);
}

void control_query(struct child *ch)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__StatusRequest request = GP__STATUS_REQUEST__INIT;

	e.id = QUERY_ID;
	e.body_case = GP__ENVELOPE__BODY_STATUS_REQUEST;
	e.status_request = &request;
	send_control(ch, &e);
}

void control_stop(struct child *ch)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__Stop stop = GP__STOP__INIT;

	e.body_case = GP__ENVELOPE__BODY_STOP;
	e.stop = &stop;
	send_control(ch, &e);
}

void control_health(struct child *ch, const struct child *about, const char *reason)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__DaemonHealth health = GP__DAEMON_HEALTH__INIT;

	arena_reset(ch->sup->scratch);
	health.daemon = arena_strdup(ch->sup->scratch, about->spawn.role->name);
	health.healthy = about->policy.healthy;
	health.reason = arena_strdup(ch->sup->scratch, reason);
	e.body_case = GP__ENVELOPE__BODY_DAEMON_HEALTH;
	e.daemon_health = &health;
	if (health.daemon && health.reason)
		send_control(ch, &e);
}

/* --- from a daemon --------------------------------------------------------------------------- */

static void on_ack(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	(void)c;
	supervisor_on_answer(owner, e->id, true, "");
}

static void on_error(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	(void)c;
	/* A daemon that says why it has no status is not hung. */
	if (e->id == QUERY_ID)
		supervisor_on_status(owner);
	else
		supervisor_on_answer(owner, e->id, false, e->error->text);
}

static void on_ready(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	(void)c;
	(void)e;
	supervisor_on_ready(owner);
}

static void on_status(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	(void)c;
	(void)e;
	supervisor_on_status(owner);
}

static void on_control_closed(struct ipc_conn *c, void *owner)
{
	struct child *ch = owner;

	/* By now the channel may be that of the next incarnation. */
	if (ch->control != c)
		return;
	ch->control = NULL;
	supervisor_on_hangup(ch);
}

static const struct ipc_rule control_rules[] = {
	{GP__ENVELOPE__BODY_ACK, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_ack},
	{GP__ENVELOPE__BODY_ERROR, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_error},
	{GP__ENVELOPE__BODY_READY, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_ready},
	{GP__ENVELOPE__BODY_STATUS, IPC_SUPERVISOR, IPC_ANY_STATE, NULL, on_status},
};

int control_open(struct child *ch, int fd)
{
	static const struct ipc_server_ops ops = {
		.rules = control_rules,
		.n_rules = sizeof(control_rules) / sizeof(control_rules[0]),
		.conn_closed = on_control_closed,
	};

	return ipc_conn_adopt(&ch->sup->loop, fd, IPC_SUPERVISOR, &ops, ch, &ch->control);
}

void control_close(struct child *ch)
{
	struct ipc_conn *c = ch->control;

	ch->control = NULL;
	if (c)
		ipc_conn_close(c);
}

/* --- clients of supervisor.sock -------------------------------------------------------------- */

void requester_ack(struct requester *r)
{
	if (r->conn)
		ipc_reply_ack(r->conn, r->id);
	r->conn = NULL;
}

void requester_fail(struct requester *r, int err, const char *text)
{
	char clean[SUPERVISOR_WHY_MAX];

	snprintf(clean, sizeof(clean), "%s", text);
	config_clean_text(clean);
	if (r->conn)
		ipc_reply_error(r->conn, r->id, err, "%s", clean);
	r->conn = NULL;
}

static void on_reload_request(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	supervisor_reload(owner, (struct requester){.conn = c, .id = e->id});
}

static void on_restart_request(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct supervisor *sup = owner;
	struct child *ch = supervisor_child(sup, e->restart_request->daemon);
	char known[128] = "";
	size_t n = 0;

	if (ch) {
		supervisor_restart(ch, (struct requester){.conn = c, .id = e->id});
		return;
	}
	for (unsigned i = 0; i < sup->n_children; i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "",
			sup->children[i].spawn.role->name);
	ipc_reply_error(
		c, e->id, -ENOENT, "restart: there is no such daemon; choose one of %s", known);
}

static void on_config_request(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct supervisor *sup = owner;
	Gp__Envelope answer = GP__ENVELOPE__INIT;
	Gp__ConfigText text = GP__CONFIG_TEXT__INIT;

	text.text = config_to_str(sup->current, e->config_request->normalized);
	if (!text.text) {
		ipc_reply_error(c, e->id, -ENOMEM, "the configuration: out of memory; try again");
		return;
	}
	answer.id = e->id;
	answer.body_case = GP__ENVELOPE__BODY_CONFIG_TEXT;
	answer.config_text = &text;
	ipc_send(c, &answer);
	free(text.text);
}

static uint64_t ago_ms(usec_t now, usec_t then)
{
	return now > then ? (uint64_t)((now - then) / USEC_PER_MS) : 0;
}

static void fill_children(struct supervisor *sup, Gp__SupervisorStatus *st, usec_t now)
{
	Gp__SupervisorChild *all = arena_array(sup->scratch, sup->n_children, sizeof(*all));

	st->children = arena_array(sup->scratch, sup->n_children, sizeof(*st->children));
	for (unsigned i = 0; all && st->children && i < sup->n_children; i++) {
		struct child *ch = &sup->children[i];

		gp__supervisor_child__init(&all[i]);
		all[i].name = arena_strdup(sup->scratch, ch->spawn.role->name);
		all[i].state =
			arena_strdup(sup->scratch, supervisor_policy_state_to_str(&ch->policy));
		all[i].pid = (uint32_t)ch->pid;
		all[i].uptime_ms = ch->pid > 0 ? ago_ms(now, ch->started) : 0;
		all[i].restarts = ch->policy.restarts;
		all[i].last_exit = ch->last_exit;
		st->children[i] = &all[i];
		st->n_children = i + 1;
	}
}

static void fill_counters(struct supervisor *sup, Gp__Status *st)
{
	static char reloads[] = "reloads", refused[] = "reloads_refused";
	enum { OWN = 2 };
	Gp__Counter *all = arena_array(sup->scratch, OWN + IPC_N_COUNTERS, sizeof(*all));

	st->counters = arena_array(sup->scratch, OWN + IPC_N_COUNTERS, sizeof(*st->counters));
	if (!all || !st->counters)
		return;
	gp__counter__init(&all[0]);
	gp__counter__init(&all[1]);
	all[0].name = reloads;
	all[0].value = sup->reloads;
	all[1].name = refused;
	all[1].value = sup->reloads_refused;
	st->n_counters = OWN + ipc_server_counters(sup->server, all + OWN, IPC_N_COUNTERS);
	for (size_t i = 0; i < st->n_counters; i++)
		st->counters[i] = &all[i];
}

static void on_status_request(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	static char name[] = "supervisor", version[] = GATEPAIR_VERSION;
	struct supervisor *sup = owner;
	usec_t now = clock_now_us();
	Gp__Envelope answer = GP__ENVELOPE__INIT;
	Gp__Status st = GP__STATUS__INIT;
	Gp__SupervisorStatus detail = GP__SUPERVISOR_STATUS__INIT;

	arena_reset(sup->scratch);
	st.daemon = name;
	st.version = version;
	st.pid = (uint32_t)getpid();
	st.uptime_ms = ago_ms(now, sup->started);
	st.config_generation = sup->generation;
	st.state = arena_strdup(sup->scratch, sup->state);
	st.state_age_ms = ago_ms(now, sup->state_since);
	st.reason = sup->reason;
	fill_counters(sup, &st);
	detail.config_file = arena_strdup(sup->scratch, sup->config_file);
	fill_children(sup, &detail, now);
	st.detail_case = GP__STATUS__DETAIL_SUPERVISOR;
	st.supervisor = &detail;
	answer.id = e->id;
	answer.body_case = GP__ENVELOPE__BODY_STATUS;
	answer.status = &st;
	ipc_send(c, &answer);
}

/* Who waits for an answer may go away before it comes. */
static void on_client_closed(struct ipc_conn *c, void *owner)
{
	struct supervisor *sup = owner;

	if (sup->reload_by.conn == c)
		sup->reload_by.conn = NULL;
	for (unsigned i = 0; i < sup->n_children; i++)
		if (sup->children[i].restart.conn == c)
			sup->children[i].restart.conn = NULL;
}

static const struct ipc_rule server_rules[] = {
	{GP__ENVELOPE__BODY_STATUS_REQUEST, IPC_MAY_QUERY | IPC_DAEMONS, IPC_ANY_STATE, NULL,
		on_status_request},
	{GP__ENVELOPE__BODY_RELOAD_REQUEST, IPC_MAY_COMMAND, IPC_ANY_STATE, NULL,
		on_reload_request},
	{GP__ENVELOPE__BODY_RESTART_REQUEST, IPC_MAY_COMMAND, IPC_ANY_STATE, NULL,
		on_restart_request},
	{GP__ENVELOPE__BODY_CONFIG_REQUEST, IPC_MAY_QUERY, IPC_ANY_STATE, NULL, on_config_request},
};

int control_serve(struct supervisor *sup, int listen_fd)
{
	static const struct ipc_server_ops ops = {
		.rules = server_rules,
		.n_rules = sizeof(server_rules) / sizeof(server_rules[0]),
		.conn_closed = on_client_closed,
	};

	return ipc_server_new(&sup->loop, listen_fd, &ops, sup, &sup->server);
}
