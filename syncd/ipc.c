/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd's IPC; see ipc.h. The table at the end says who may send what. Runs in syncd.
 */
#include "syncd/ipc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/timer.h"
#include "syncd/engine.h"
#include "syncd/listing.h"
#include "syncd/report.h"

#define NOTIFY_EVERY      (200 * USEC_PER_MS) /* counters; changes are told at once */
#define FLUSH_TIMEOUT_MAX (10 * USEC_PER_SEC)
#define NETCFGD_TIMEOUT   (2 * USEC_PER_SEC)
#define FAREWELL          (3 * REPLICA_DRAIN_GRACE)

struct syncd {
	struct daemon *daemon;
	uv_loop_t *loop;
	struct engine *engine; /* NULL before the first configuration */
	struct timer notify, farewell;
	bool subscribers;
	uint64_t notified_sessions, notified_replicated, notified_backlog;
	bool has_peer_key;
	uint8_t peer_key[IDENTITY_PEER_KEY_BYTES];
	struct ipc_client *netcfgd;
	struct listings listings;
	char peer[CONFIG_PREFIX_STRLEN + 8];
	char interface[IFNAMSIZ]; /* of the HA link; "" without */
	enum cause_port port;     /* that interface */
	char notified_reason[CAUSE_MAX];
	char peer_fingerprint[IDENTITY_FINGERPRINT_STRLEN];
	/* The one flush under way. */
	struct ipc_conn *flush_conn;
	uint64_t flush_id;
};

static struct syncd self;

static int subscription; /* its address marks a subscribed connection */

/* --- sync state ------------------------------------------------------------------------------ */

/* The text lives until the next call. */
static const char *reason_of(const struct syncd *s, const struct engine_status *st)
{
	static char text[CAUSE_MAX];
	struct cause cause;

	if (st->link == NULL)
		return "no sync section is configured";
	if (st->replica->connected)
		return replica_reason(st->replica);
	link_cause(st->link, &cause);
	cause.port = s->port;
	return cause_to_str(&cause, text);
}

static void fill_sync_state(
	const struct syncd *s, const struct engine_status *st, Gp__SyncState *ret)
{
	usec_t since = clock_now_us() - st->replica->since;

	gp__sync_state__init(ret);
	ret->connected = st->replica->connected;
	ret->in_sync = replica_in_sync(st->replica);
	ret->since_ms = since > 0 ? (uint64_t)(since / USEC_PER_MS) : 0;
	ret->reason = (char *)(uintptr_t)reason_of(s, st);
	ret->sessions = st->sessions;
	ret->sessions_replicated = st->sessions_replicated;
	ret->backlog = st->source.backlog;
}

static void send_state(struct syncd *s, struct ipc_conn *only)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	struct engine_status st;
	Gp__SyncState state;

	if (s->engine == NULL)
		return;
	engine_get_status(s->engine, &st);
	fill_sync_state(s, &st, &state);
	snprintf(s->notified_reason, sizeof(s->notified_reason), "%s", state.reason);
	s->notified_sessions = state.sessions;
	s->notified_replicated = state.sessions_replicated;
	s->notified_backlog = state.backlog;
	e.version = IPC_VERSION;
	e.body_case = GP__ENVELOPE__BODY_SYNC_STATE;
	e.sync_state = &state;
	if (only != NULL)
		ipc_send(only, &e);
	else
		ipc_broadcast(daemon_server(s->daemon), &e);
}

static void send_peer_key(struct syncd *s, struct ipc_conn *only)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__PeerKey key = GP__PEER_KEY__INIT;

	if (!s->has_peer_key)
		return;
	key.key.data = s->peer_key;
	key.key.len = sizeof(s->peer_key);
	e.version = IPC_VERSION;
	e.body_case = GP__ENVELOPE__BODY_PEER_KEY;
	e.peer_key = &key;
	if (only != NULL)
		ipc_send(only, &e);
	else
		ipc_broadcast(daemon_server(s->daemon), &e);
}

static void show_state(struct syncd *s)
{
	struct engine_status st;
	const char *reason;

	engine_get_status(s->engine, &st);
	reason = reason_of(s, &st);
	daemon_state(s->daemon, replica_in_sync(st.replica) ? "in-sync" : "not-in-sync", "%s",
		reason[0] != '\0' ? reason : "the Standby holds every session");
}

static void on_notify(struct timer *t, usec_t now)
{
	struct syncd *s = t->owner;
	struct engine_status st;
	bool reason;

	if (s->engine == NULL || !s->subscribers)
		return;
	engine_get_status(s->engine, &st);
	reason = strcmp(reason_of(s, &st), s->notified_reason) != 0;
	if (reason)
		show_state(s);
	if (reason || st.sessions != s->notified_sessions ||
		st.sessions_replicated != s->notified_replicated ||
		st.source.backlog != s->notified_backlog)
		send_state(s, NULL);
	timer_set(&s->notify, now + NOTIFY_EVERY);
}

static void on_changed(void *owner)
{
	struct syncd *s = owner;

	if (s->engine == NULL)
		return;
	show_state(s);
	send_state(s, NULL);
}

static void on_peer_key(const uint8_t key[IDENTITY_PEER_KEY_BYTES], void *owner)
{
	struct syncd *s = owner;

	memcpy(s->peer_key, key, sizeof(s->peer_key));
	s->has_peer_key = true;
	send_peer_key(s, NULL);
}

static void on_trouble(const char *text, void *owner)
{
	struct syncd *s = owner;

	daemon_error(s->daemon, "%s", text);
}

static const struct engine_ops engine_ops = {
	.changed = on_changed,
	.peer_key = on_peer_key,
	.trouble = on_trouble,
};

/* --- netcfgd: the sync interface, and addresses that the configuration does not name --------- */

static void on_subscribed(const Gp__Envelope *answer, int err, void *owner, uint64_t cookie)
{
	(void)owner;
	(void)cookie;
	if (answer == NULL)
		log_info("netcfgd does not answer: %s", strerror(-err));
}

static void on_netcfgd_up(struct ipc_client *c, void *owner)
{
	Gp__Envelope e = GP__ENVELOPE__INIT;
	Gp__LinkSubscribe subscribe = GP__LINK_SUBSCRIBE__INIT;

	e.body_case = GP__ENVELOPE__BODY_LINK_SUBSCRIBE;
	e.link_subscribe = &subscribe;
	if (ipc_client_ask(c, &e, NETCFGD_TIMEOUT, on_subscribed, 0) < 0)
		log_info("netcfgd cannot be asked for addresses owner=%p", owner);
}

static enum cause_port port_of(const Gp__LinkState *l)
{
	if (l->ifindex == 0)
		return CAUSE_PORT_MISSING;
	return l->up && l->carrier ? CAUSE_PORT_OK : CAUSE_PORT_DARK;
}

static void on_netcfgd_notify(struct ipc_client *c, const Gp__Envelope *e, void *owner)
{
	struct syncd *s = owner;
	struct config_prefix addr;

	(void)c;
	if (e->body_case != GP__ENVELOPE__BODY_LINK_STATE)
		return;
	if (strcmp(e->link_state->name, s->interface) == 0) {
		s->port = port_of(e->link_state);
		if (s->engine != NULL && e->link_state->ifindex != 0)
			engine_set_ifindex(s->engine, e->link_state->ifindex);
	}
	if (s->engine == NULL || e->link_state->address[0] == '\0' ||
		config_prefix_from_str(e->link_state->address, &addr) < 0)
		return;
	engine_set_address(s->engine, e->link_state->name, &addr);
}

static const struct ipc_client_ops netcfgd_ops = {
	.up = on_netcfgd_up,
	.notify = on_netcfgd_notify,
};

/* --- orders from vrrpd ----------------------------------------------------------------------- */

static void on_promote(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct syncd *s = owner;

	if (s->engine == NULL) {
		ipc_reply_error(c, e->id, -EAGAIN, "syncd has no configuration yet");
		return;
	}
	engine_promote(s->engine, e->promote_request->term, e->promote_request->handover);
	ipc_reply_ack(c, e->id);
}

static void on_demote(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct syncd *s = owner;

	if (s->engine == NULL) {
		ipc_reply_error(c, e->id, -EAGAIN, "syncd has no configuration yet");
		return;
	}
	engine_demote(s->engine, e->demote_request->term);
	ipc_reply_ack(c, e->id);
}

static void on_flushed(int err, void *arg)
{
	struct syncd *s = arg;
	struct ipc_conn *c = s->flush_conn;

	s->flush_conn = NULL;
	if (c == NULL)
		return;
	if (err == 0)
		ipc_reply_ack(c, s->flush_id);
	else
		ipc_reply_error(c, s->flush_id, err, "the peer did not confirm every session: %s",
			strerror(-err));
}

static void on_flush(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct syncd *s = owner;

	if (s->engine == NULL || s->flush_conn != NULL) {
		ipc_reply_error(c, e->id, -EBUSY, "syncd %s",
			s->engine == NULL ? "has no configuration yet" : "is flushing already");
		return;
	}
	s->flush_conn = c;
	s->flush_id = e->id;
	engine_flush(s->engine, e->flush_request->timeout_ms * USEC_PER_MS, on_flushed, s);
}

static void on_subscribe(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct syncd *s = owner;

	ipc_conn_set_data(c, &subscription);
	ipc_reply_ack(c, e->id);
	send_state(s, c);
	send_peer_key(s, c);
	s->subscribers = true;
	timer_set(&s->notify, clock_now_us() + NOTIFY_EVERY);
}

/* --- sessions -------------------------------------------------------------------------------- */

static const char *protocol_to_str(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_UDPLITE:
		return "udplite";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	default:
		return "other";
	}
}

struct session_text {
	char source[FLOW_ENDPOINT_STRLEN], destination[FLOW_ENDPOINT_STRLEN];
	char reply_source[FLOW_ENDPOINT_STRLEN], reply_destination[FLOW_ENDPOINT_STRLEN];
};

static void fill_session(
	const struct syncd *s, const struct flow *f, Gp__Session *m, struct session_text *t)
{
	gp__session__init(m);
	m->protocol = (char *)(uintptr_t)protocol_to_str(f->key.proto);
	m->state = (char *)(uintptr_t)flow_tcp_state_to_str(f->tcp_state);
	flow_endpoint_to_str(f->key.family, f->key.src, f->key.sport, t->source);
	flow_endpoint_to_str(f->key.family, f->key.dst, f->key.dport, t->destination);
	flow_endpoint_to_str(f->key.family, f->reply.src, f->reply.sport, t->reply_source);
	flow_endpoint_to_str(f->key.family, f->reply.dst, f->reply.dport, t->reply_destination);
	m->source = t->source;
	m->destination = t->destination;
	m->reply_source = t->reply_source;
	m->reply_destination = t->reply_destination;
	m->timeout_s = f->timeout_s;
	m->replicated = engine_replicates(s->engine, f);
}

static void on_sessions(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	static struct flow flows[LISTING_PAGE_MAX];
	static struct session_text texts[LISTING_PAGE_MAX];
	static Gp__Session messages[LISTING_PAGE_MAX];
	static Gp__Session *pointers[LISTING_PAGE_MAX];
	Gp__Envelope answer = GP__ENVELOPE__INIT;
	Gp__Sessions page = GP__SESSIONS__INIT;
	struct syncd *s = owner;
	uint64_t next;
	size_t n;
	int r;

	if (s->engine == NULL) {
		ipc_reply_error(c, e->id, -EAGAIN, "syncd has no configuration yet");
		return;
	}
	r = listing_page(
		&s->listings, e->sessions_request->cursor, clock_now_us(), flows, &n, &next);
	if (r < 0) {
		ipc_reply_error(c, e->id, r,
			r == -ESTALE ? "this listing is too old; start anew"
				     : "the kernel's sessions cannot be read");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		fill_session(s, &flows[i], &messages[i], &texts[i]);
		pointers[i] = &messages[i];
	}
	page.sessions = pointers;
	page.n_sessions = n;
	page.cursor = next;
	answer.version = IPC_VERSION;
	answer.id = e->id;
	answer.body_case = GP__ENVELOPE__BODY_SESSIONS;
	answer.sessions = &page;
	ipc_send(c, &answer);
}

/* --- status ---------------------------------------------------------------------------------- */

static void on_status(void *owner, Gp__Status *st, struct arena *scratch)
{
	struct syncd *s = owner;
	Gp__SyncdStatus *detail = arena_alloc(scratch, sizeof(*detail));
	Gp__SyncState *state = arena_alloc(scratch, sizeof(*state));
	struct engine_status es;

	if (s->engine == NULL || detail == NULL || state == NULL)
		return;
	engine_get_status(s->engine, &es);
	gp__syncd_status__init(detail);
	fill_sync_state(s, &es, state);
	detail->sync = state;
	detail->peer = s->peer;
	detail->peer_fingerprint = s->peer_fingerprint;
	report_detail(&es, detail, scratch);
	report_counters(&es, st, scratch);
	st->detail_case = GP__STATUS__DETAIL_SYNCD;
	st->syncd = detail;
}

/* --- life ------------------------------------------------------------------------------------ */

static int on_prepare(void *owner, const struct config *cfg, char *why, size_t why_size)
{
	(void)owner;
	return engine_check(cfg, why, why_size);
}

static void seal(struct syncd *s)
{
	static const int extra[] = {SYS_connect, SYS_bind, SYS_listen, SYS_accept4, SYS_socket,
		SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_recvmmsg, SYS_sendto,
		SYS_recvfrom, SYS_getrandom, SYS_shutdown};
	int r;

	tzset(); /* mbedTLS looks at certificate dates, and libc opens /etc/localtime at the first
		    time */
	r = sandbox_seal(extra, sizeof(extra) / sizeof(extra[0]));

	if (r < 0)
		daemon_error(s->daemon, "the system call filter cannot be set: %s", strerror(-r));
}

static void on_commit(void *owner, const struct config *cfg)
{
	struct syncd *s = owner;
	char addr[CONFIG_PREFIX_STRLEN];
	bool first = s->engine == NULL;
	int r;

	if (first) {
		r = engine_new(s->loop, &engine_ops, s, &s->engine);
		if (r < 0) {
			s->engine = NULL;
			daemon_error(s->daemon,
				"the kernel's connection tracking cannot be reached: %s",
				strerror(-r));
			return; /* never ready: the supervisor sees to it */
		}
	}
	s->peer[0] = s->peer_fingerprint[0] = s->interface[0] = '\0';
	s->port = CAUSE_PORT_UNKNOWN;
	if (cfg->sync.present) {
		snprintf(s->peer, sizeof(s->peer), "%s:%u",
			config_prefix_to_str(&cfg->sync.peer, addr), (unsigned)cfg->sync.port);
		identity_fingerprint_to_str(cfg->sync.peer_fingerprint, s->peer_fingerprint);
		memcpy(s->interface, cfg->sync.interface, sizeof(s->interface));
		if (ipc_client_is_up(s->netcfgd))
			on_netcfgd_up(s->netcfgd, s);
	}
	engine_configure(s->engine, cfg);
	show_state(s);
	if (!first)
		return;
	seal(s);
	daemon_ready(s->daemon);
}

static void on_engine_closed(void *owner)
{
	struct syncd *s = owner;

	daemon_stopped(s->daemon);
}

static void stop_now(struct syncd *s)
{
	struct engine *e = s->engine;

	listings_fini(&s->listings);
	s->engine = NULL;
	s->flush_conn = NULL;
	if (e == NULL)
		daemon_stopped(s->daemon);
	else
		engine_close(e, on_engine_closed);
}

static void on_farewell(struct timer *t, usec_t now)
{
	(void)now;
	stop_now(t->owner);
}

/* A node that was Active a moment ago still owes its peer the last records of its term. */
static void on_stop(void *owner)
{
	struct syncd *s = owner;
	struct engine_status st;

	if (s->engine != NULL) {
		engine_get_status(s->engine, &st);
		if (st.replica->draining) {
			timer_set(&s->farewell, clock_now_us() + FAREWELL);
			return;
		}
	}
	stop_now(s);
}

static void on_conn_closed(struct ipc_conn *c, void *owner)
{
	struct syncd *s = owner;

	if (s->flush_conn == c)
		s->flush_conn = NULL;
}

static const char *check_promote(const Gp__Envelope *e)
{
	return e->promote_request->term > 0 ? NULL : "a term is at least 1";
}

static const char *check_flush(const Gp__Envelope *e)
{
	uint32_t ms = e->flush_request->timeout_ms;

	return ms > 0 && ms <= FLUSH_TIMEOUT_MAX / USEC_PER_MS ? NULL : "timeout_ms is 1 to 10000";
}

static const struct ipc_rule rules[] = {
	{GP__ENVELOPE__BODY_PROMOTE_REQUEST, IPC_VRRPD, IPC_ANY_STATE, check_promote, on_promote},
	{GP__ENVELOPE__BODY_DEMOTE_REQUEST, IPC_VRRPD, IPC_ANY_STATE, NULL, on_demote},
	{GP__ENVELOPE__BODY_FLUSH_REQUEST, IPC_VRRPD, IPC_ANY_STATE, check_flush, on_flush},
	{GP__ENVELOPE__BODY_SYNC_SUBSCRIBE, IPC_VRRPD, IPC_ANY_STATE, NULL, on_subscribe},
	{GP__ENVELOPE__BODY_SESSIONS_REQUEST, IPC_MAY_QUERY, IPC_ANY_STATE, NULL, on_sessions},
};

static const struct daemon_ops ops = {
	.name = "syncd",
	.rules = rules,
	.n_rules = sizeof(rules) / sizeof(rules[0]),
	.conn_closed = on_conn_closed,
	.prepare = on_prepare,
	.commit = on_commit,
	.status = on_status,
	.stop = on_stop,
};

static int on_init(void *owner, struct daemon *d, uv_loop_t *loop)
{
	char path[DAEMON_PATH_MAX];
	struct syncd *s = owner;
	int r;

	s->daemon = d;
	s->loop = loop;
	r = timer_init(&s->notify, loop, on_notify, s);
	if (r == 0)
		r = timer_init(&s->farewell, loop, on_farewell, s);
	if (r < 0)
		return r;
	return ipc_client_new(
		loop, daemon_socket(d, "netcfgd", path), &netcfgd_ops, s, &s->netcfgd);
}

int syncd_run(void)
{
	return daemon_run(&ops, &self, on_init);
}
