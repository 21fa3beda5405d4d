/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vrrpd among the other daemons: client of netcfgd (leases, links) and syncd (promotions, state,
 * the peer's key), server of one command, configuration from the supervisor. Runs in vrrpd.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/sandbox.h"
#include "vrrpd/node.h"

#define LEASE_TIMEOUT (200 * USEC_PER_MS) /* 20 renewals of 10 ms: below the client's bound */
#define SLOW_TIMEOUT  (600 * USEC_PER_MS)
#define TAKE_TIMEOUT  (2100 * USEC_PER_MS) /* longer than the core waits */

/* --- netcfgd --------------------------------------------------------------------------------- */
static enum election_lease_result lease_result(Gp__LeaseResult r)
{
	switch (r) {
	case GP__LEASE_RESULT__LEASE_OK:
		return ELECTION_LEASE_OK;
	case GP__LEASE_RESULT__LEASE_STALE_TERM:
		return ELECTION_LEASE_STALE_TERM;
	case GP__LEASE_RESULT__LEASE_NOT_HELD:
		return ELECTION_LEASE_NOT_HELD;
	case GP__LEASE_RESULT__LEASE_FAILED:
	case _GP__LEASE_RESULT_IS_INT_SIZE:
		break;
	}
	return ELECTION_LEASE_FAILED;
}

static void lease_answered(
	struct node *n, enum election_lease_verb verb, const Gp__Envelope *e, uint64_t cookie)
{
	struct election_event ev = {.kind = ELECTION_EV_LEASE,
		.lease = {.cookie = cookie, .verb = verb, .result = ELECTION_LEASE_UNANSWERED}};

	if (e && e->body_case == GP__ENVELOPE__BODY_LEASE_REPLY) {
		const Gp__LeaseReply *r = e->lease_reply;

		ev.lease.result = lease_result(r->result);
		ev.lease.held = r->held;
		ev.lease.adopted = r->adopted;
		ev.lease.term = r->term;
		ev.lease.remaining = r->remaining_us < INT64_MAX / 4 ? (usec_t)r->remaining_us : 0;
		if (ev.lease.result == ELECTION_LEASE_FAILED)
			daemon_error(
				n->d, "netcfgd refused the lease: %s", r->text ? r->text : "?");
	} else if (e && e->body_case == GP__ENVELOPE__BODY_ERROR) {
		ev.lease.result = ELECTION_LEASE_FAILED;
		daemon_error(n->d, "netcfgd refused the request: %s", e->error->text);
	}
	node_event(n, &ev);
}

/* The client hands back one number, the cookie; the verb is in which of these was asked. */
static void on_query(const Gp__Envelope *e, int err, void *owner, uint64_t cookie)
{
	(void)err;
	lease_answered(owner, ELECTION_LEASE_QUERY, e, cookie);
}

static void on_acquire(const Gp__Envelope *e, int err, void *owner, uint64_t cookie)
{
	(void)err;
	lease_answered(owner, ELECTION_LEASE_ACQUIRE, e, cookie);
}

static void on_renew(const Gp__Envelope *e, int err, void *owner, uint64_t cookie)
{
	(void)err;
	lease_answered(owner, ELECTION_LEASE_RENEW, e, cookie);
}

static void on_release(const Gp__Envelope *e, int err, void *owner, uint64_t cookie)
{
	(void)err;
	lease_answered(owner, ELECTION_LEASE_RELEASE, e, cookie);
}

void ipc_lease(struct node *n, const struct election_action *a)
{
	static const struct {
		Gp__LeaseVerb verb;
		ipc_answer_fn *fn;
		usec_t timeout;
	} verbs[] = {
		[ELECTION_LEASE_QUERY] = {GP__LEASE_VERB__LEASE_QUERY, on_query, LEASE_TIMEOUT},
		[ELECTION_LEASE_ACQUIRE] = {GP__LEASE_VERB__LEASE_ACQUIRE, on_acquire,
			TAKE_TIMEOUT},
		[ELECTION_LEASE_RENEW] = {GP__LEASE_VERB__LEASE_RENEW, on_renew, LEASE_TIMEOUT},
		[ELECTION_LEASE_RELEASE] = {GP__LEASE_VERB__LEASE_RELEASE, on_release,
			SLOW_TIMEOUT},
	};
	Gp__LeaseRequest r = GP__LEASE_REQUEST__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	r.verb = verbs[a->lease.verb].verb;
	r.term = a->lease.term;
	r.ttl_us = (uint64_t)a->lease.ttl;
	/* Of the decision: a freeze from there to here must not lengthen the lease. */
	r.sent_us = (uint64_t)n->e.last_step;
	e.body_case = GP__ENVELOPE__BODY_LEASE_REQUEST;
	e.lease_request = &r;
	if (ipc_client_ask(n->netcfgd, &e, verbs[a->lease.verb].timeout, verbs[a->lease.verb].fn,
		    a->lease.cookie) < 0)
		lease_answered(n, a->lease.verb, NULL, a->lease.cookie);
}

static void on_ignored(const Gp__Envelope *e, int err, void *owner, uint64_t cookie)
{
	struct node *n = owner;

	(void)err;
	(void)cookie;
	if (e && e->body_case == GP__ENVELOPE__BODY_ERROR)
		daemon_error(n->d, "refused: %s", e->error->text);
}

static void subscribe_links(struct node *n)
{
	Gp__LinkSubscribe s = GP__LINK_SUBSCRIBE__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	e.body_case = GP__ENVELOPE__BODY_LINK_SUBSCRIBE;
	e.link_subscribe = &s;
	if (ipc_client_ask(n->netcfgd, &e, SLOW_TIMEOUT, on_ignored, 0) < 0)
		log_debug("netcfgd is not there yet");
}

void ipc_resubscribe(struct node *n)
{
	if (ipc_client_is_up(n->netcfgd))
		subscribe_links(n);
}

static void channel(struct node *n, enum election_event_kind kind, bool up)
{
	node_event(n, &(struct election_event){.kind = kind, .channel = {.up = up}});
}

static void on_netcfgd_up(struct ipc_client *c, void *owner)
{
	(void)c;
	subscribe_links(owner);
	channel(owner, ELECTION_EV_LEASE_CHANNEL, true);
}

static void on_netcfgd_down(struct ipc_client *c, void *owner)
{
	(void)c;
	channel(owner, ELECTION_EV_LEASE_CHANNEL, false);
}

static void on_netcfgd_notify(struct ipc_client *c, const Gp__Envelope *e, void *owner)
{
	const Gp__LinkState *l = e->link_state;
	struct in_addr address = {0};
	uint8_t mac[MAC_LEN] = {0};

	(void)c;
	if (e->body_case != GP__ENVELOPE__BODY_LINK_STATE)
		return;
	if (l->mac.len == MAC_LEN)
		memcpy(mac, l->mac.data, MAC_LEN);
	if (inet_pton(AF_INET, l->address, &address) != 1)
		address.s_addr = 0;
	node_link(owner, l->name, l->ifindex, mac, l->up && l->carrier, address);
}

/* --- syncd ----------------------------------------------------------------------------------- */
static void done_event(struct node *n, enum election_event_kind kind, const Gp__Envelope *e,
	int err, uint64_t cookie)
{
	struct election_event ev = {.kind = kind, .done = {.cookie = cookie, .err = err}};

	if (e && e->body_case == GP__ENVELOPE__BODY_ERROR)
		ev.done.err = e->error->code < 0 ? e->error->code : -EIO;
	node_event(n, &ev);
}

static void on_promoted(const Gp__Envelope *e, int err, void *owner, uint64_t cookie)
{
	done_event(owner, ELECTION_EV_PROMOTED, e, err, cookie);
}

static void on_flushed(const Gp__Envelope *e, int err, void *owner, uint64_t cookie)
{
	done_event(owner, ELECTION_EV_FLUSHED, e, err, cookie);
}

void ipc_promote(struct node *n, const struct election_action *a)
{
	Gp__PromoteRequest r = GP__PROMOTE_REQUEST__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	int err;

	r.term = a->promote.term;
	r.handover = a->promote.handover;
	e.body_case = GP__ENVELOPE__BODY_PROMOTE_REQUEST;
	e.promote_request = &r;
	err = ipc_client_ask(n->syncd, &e, SLOW_TIMEOUT, on_promoted, a->promote.cookie);
	if (err < 0)
		done_event(n, ELECTION_EV_PROMOTED, NULL, err, a->promote.cookie);
}

void ipc_demote(struct node *n, const struct election_action *a)
{
	Gp__DemoteRequest r = GP__DEMOTE_REQUEST__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	r.term = a->demote.term;
	e.body_case = GP__ENVELOPE__BODY_DEMOTE_REQUEST;
	e.demote_request = &r;
	if (ipc_client_ask(n->syncd, &e, SLOW_TIMEOUT, on_ignored, 0) < 0)
		log_debug("syncd is away; it is told when it is back");
}

void ipc_flush(struct node *n, const struct election_action *a)
{
	Gp__FlushRequest r = GP__FLUSH_REQUEST__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;
	int err;

	r.timeout_ms = (uint32_t)(a->flush.timeout / USEC_PER_MS);
	e.body_case = GP__ENVELOPE__BODY_FLUSH_REQUEST;
	e.flush_request = &r;
	err = ipc_client_ask(
		n->syncd, &e, a->flush.timeout + SLOW_TIMEOUT, on_flushed, a->flush.cookie);
	if (err < 0)
		done_event(n, ELECTION_EV_FLUSHED, NULL, err, a->flush.cookie);
}

static void on_syncd_up(struct ipc_client *c, void *owner)
{
	struct node *n = owner;
	Gp__SyncSubscribe s = GP__SYNC_SUBSCRIBE__INIT;
	Gp__Envelope e = GP__ENVELOPE__INIT;

	e.body_case = GP__ENVELOPE__BODY_SYNC_SUBSCRIBE;
	e.sync_subscribe = &s;
	if (ipc_client_ask(c, &e, SLOW_TIMEOUT, on_ignored, 0) < 0)
		log_debug("syncd went away again");
	channel(n, ELECTION_EV_SYNC_CHANNEL, true);
}

static void on_syncd_down(struct ipc_client *c, void *owner)
{
	struct node *n = owner;

	(void)c;
	snprintf(n->sync_reason, sizeof(n->sync_reason), "syncd is not running");
	channel(n, ELECTION_EV_SYNC_CHANNEL, false);
}

static void on_syncd_notify(struct ipc_client *c, const Gp__Envelope *e, void *owner)
{
	struct node *n = owner;

	(void)c;
	if (e->body_case == GP__ENVELOPE__BODY_PEER_KEY && e->peer_key->key.len == BEAT_KEY_LEN)
		node_key(n, e->peer_key->key.data);
	if (e->body_case != GP__ENVELOPE__BODY_SYNC_STATE)
		return;
	const Gp__SyncState *s = e->sync_state;

	snprintf(n->sync_reason, sizeof(n->sync_reason), "%s", s->reason);
	node_event(n, &(struct election_event){.kind = ELECTION_EV_SYNC,
			      .sync = {.connected = s->connected,
				      .in_sync = s->in_sync,
				      .sessions = s->sessions}});
}

int ipc_start(struct node *n)
{
	static const struct ipc_client_ops netcfgd = {
		on_netcfgd_up, on_netcfgd_down, on_netcfgd_notify};
	static const struct ipc_client_ops syncd = {on_syncd_up, on_syncd_down, on_syncd_notify};
	char path[DAEMON_PATH_MAX];
	int r;

	r = ipc_client_new(n->loop, daemon_socket(n->d, "netcfgd", path), &netcfgd, n, &n->netcfgd);
	if (r < 0)
		return r;
	return ipc_client_new(n->loop, daemon_socket(n->d, "syncd", path), &syncd, n, &n->syncd);
}

/* --- commands -------------------------------------------------------------------------------- */
static void on_switchover(struct ipc_conn *c, const Gp__Envelope *e, void *owner)
{
	struct node *n = owner;

	if (n->asker) {
		ipc_reply_error(c, e->id, -EBUSY, "a switchover is under way");
		return;
	}
	n->asker = c;
	n->asker_id = e->id;
	node_event(n, &(struct election_event){.kind = ELECTION_EV_SWITCHOVER,
			      .switchover = {.request = ++n->requests}});
}

void ipc_answer(struct node *n, const struct election_action *a)
{
	struct ipc_conn *c = n->asker;

	if (!c || a->answer.request != n->requests)
		return; /* who asked has gone */
	n->asker = NULL;
	if (a->answer.err == 0)
		ipc_reply_ack(c, n->asker_id);
	else
		ipc_reply_error(c, n->asker_id, a->answer.err, "%s", a->answer.text);
}

static void on_conn_closed(struct ipc_conn *c, void *owner)
{
	struct node *n = owner;

	if (n->asker == c)
		n->asker = NULL;
}

static const struct ipc_rule rules[] = {
	{GP__ENVELOPE__BODY_SWITCHOVER_REQUEST, IPC_MAY_COMMAND | IPC_SUPERVISOR, IPC_ANY_STATE,
		NULL, on_switchover},
};

/* --- the supervisor -------------------------------------------------------------------------- */
static int on_prepare(void *owner, const struct config *cfg, char *why, size_t why_size)
{
	(void)owner;
	return setup_check(cfg, why, why_size);
}

/* Interfaces come and go, so packet sockets are opened later as well. */
static void seal(struct node *n)
{
	static const int more[] = {SYS_socket, SYS_bind, SYS_setsockopt};
	int r = sandbox_seal(more, sizeof(more) / sizeof(more[0]));

	if (r < 0)
		daemon_error(n->d, "cannot install the system call filter: %s", strerror(-r));
}

static void on_commit(void *owner, const struct config *cfg)
{
	struct node *n = owner;
	bool first = !n->running;

	node_configure(n, cfg);
	if (first)
		seal(n);
	daemon_ready(n->d);
}

static void on_daemon_health(void *owner, const char *daemon, bool healthy, const char *reason)
{
	struct election_event ev = {.kind = ELECTION_EV_DAEMON,
		.daemon = {.daemon = ELECTION_DAEMON_OTHER, .healthy = healthy}};

	if (!strcmp(daemon, "netcfgd"))
		ev.daemon.daemon = ELECTION_DAEMON_NETCFGD;
	else if (!strcmp(daemon, "syncd"))
		ev.daemon.daemon = ELECTION_DAEMON_SYNCD;
	log_notice("daemon %s is %s: %s", daemon, healthy ? "healthy" : "not healthy", reason);
	node_event(owner, &ev);
}

static void on_status(void *owner, Gp__Status *st, struct arena *scratch)
{
	status_fill(owner, st, scratch);
}

static void on_stop(void *owner)
{
	node_event(owner, &(struct election_event){.kind = ELECTION_EV_STOP});
}

const struct daemon_ops ipc_daemon_ops = {
	.name = "vrrpd",
	.rules = rules,
	.n_rules = sizeof(rules) / sizeof(rules[0]),
	.conn_closed = on_conn_closed,
	.prepare = on_prepare,
	.commit = on_commit,
	.status = on_status,
	.daemon_health = on_daemon_health,
	.stop = on_stop,
};
