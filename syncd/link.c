/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HA link: who connects, which connection counts, when it is dead; see link.h. Owns the
 * listening socket, the connections, the identity. Runs in syncd.
 */
#include "syncd/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "syncd/conn.h"
#include "syncd/endpoint.h"

struct link {
	uv_loop_t *loop;
	struct config_sync cfg; /* its pointers are not used after link_new() */
	char node[CONFIG_NAME_MAX + 1], peer_node[CONFIG_NAME_MAX + 1];
	const struct link_ops *ops;
	void *owner;
	bool client, closing;
	struct identity *id;
	struct conn_tls tls;
	struct conn *current; /* hello was exchanged */
	struct conn *candidates[LINK_MAX_CANDIDATES];
	int listen_fd;
	bool listen_polled;
	uv_poll_t listen_poll;
	uv_timer_t ticker, retry;
	uint64_t retry_ms;
	unsigned open_handles;
	void (*done)(void *owner);
	uint64_t counters[LINK_COUNTERS];
	uint64_t old_sent, old_received; /* of connections that are gone */
	uint64_t peer_sessions;
	/* Of the last attempt that failed. */
	enum cause_kind cause;
	int cause_err;
	const char *cause_why;
	usec_t cause_at;
	struct log_limit limits[LINK_COUNTERS];
};

static void count(struct link *l, enum link_counter what, const char *text)
{
	l->counters[what]++;
	if (log_limit_pass(&l->limits[what], clock_now_us()))
		l->ops->trouble(text, l->owner);
}

static void set_cause(struct link *l, enum cause_kind kind, int err, const char *why)
{
	l->cause = kind;
	l->cause_err = err;
	l->cause_why = why;
	l->cause_at = clock_now_us();
}

/* Of a connection that never got as far as hello. */
static void judge_end(struct link *l, const struct conn *c, const char *why)
{
	int err;

	switch (conn_end(c, &err)) {
	case CONN_END_FINGERPRINT:
		set_cause(l, CAUSE_FINGERPRINT, 0, why);
		return;
	case CONN_END_ALERT:
		set_cause(l, CAUSE_REJECTED, 0, why);
		return;
	case CONN_END_SOCKET:
		if (err == -ECONNREFUSED)
			set_cause(l, CAUSE_REFUSED, 0, why);
		/* Its alert, if there was one, is lost when it closes before we are done. */
		else if (err == -EPIPE || err == -ECONNRESET)
			set_cause(l, CAUSE_REJECTED, 0, why);
		else if (err == -ETIMEDOUT)
			set_cause(l, CAUSE_SILENCE, 0, why);
		else
			set_cause(l, CAUSE_SOCKET, err, why);
		return;
	case CONN_END_OTHER:
		break;
	}
	/* Our half of the handshake was sent, or could not be: nothing came back. */
	if (conn_heard(c) == conn_born(c))
		set_cause(l, CAUSE_SILENCE, 0, why);
	else
		set_cause(l, CAUSE_HANDSHAKE, 0, why);
}

/* --- connections ----------------------------------------------------------------------------- */

static void on_frame(struct conn *c, const struct frame *f, void *owner);

static void on_secure(struct conn *c, void *owner)
{
	struct link *l = owner;
	uint8_t key[IDENTITY_PEER_KEY_BYTES], bytes[FRAME_HEADER + 16 + CONFIG_NAME_MAX];
	struct wcursor w = wcursor_make(bytes, sizeof(bytes));
	struct frame hello = {.type = FRAME_HELLO,
		.version_min = FRAME_VERSION_MIN,
		.version_max = FRAME_VERSION};
	const mbedtls_pk_context *peer = conn_peer_key(c);

	if (peer == NULL || identity_peer_key(l->id, peer, key) < 0) {
		conn_fail(c, "no key can be derived from the peer's identity");
		return;
	}
	l->ops->peer_key(key, l->owner);
	memcpy(hello.node, l->node, sizeof(hello.node));
	l->ops->hello(&hello, l->owner);
	frame_encode(&w, &hello);
	conn_put(c, bytes, wcursor_len(&w));
	conn_flush(c);
}

static void on_room(struct conn *c, void *owner)
{
	struct link *l = owner;

	if (c == l->current)
		l->ops->room(l->owner);
}

static void schedule_retry(struct link *l);

static void forget(struct link *l, struct conn *c)
{
	uint64_t sent, received;

	conn_bytes(c, &sent, &received);
	l->old_sent += sent;
	l->old_received += received;
	for (size_t i = 0; i < LINK_MAX_CANDIDATES; i++)
		if (l->candidates[i] == c)
			l->candidates[i] = NULL;
	conn_close(c);
}

static void on_dead(struct conn *c, const char *why, void *owner)
{
	struct link *l = owner;
	bool was_current = c == l->current, secure = conn_is_secure(c);
	uint64_t failed = l->tls.handshake_failures;

	if (was_current)
		l->current = NULL;
	if (was_current)
		set_cause(l, CAUSE_LOST, 0, why);
	else if (l->current == NULL)
		judge_end(l, c, why);
	if (l->tls.wrong_fingerprints > l->counters[LINK_WRONG_FINGERPRINT])
		count(l, LINK_WRONG_FINGERPRINT,
			"HA link: the peer's fingerprint is not the configured one; compare "
			"peer-fingerprint with the peer's `gatepair key`");
	else if (failed > l->counters[LINK_HANDSHAKE_FAILED])
		count(l, LINK_HANDSHAKE_FAILED,
			l->cause == CAUSE_REJECTED
				? "HA link: the peer broke the handshake off; is its "
				  "peer-fingerprint what `gatepair key` prints here?"
				: "HA link: the TLS handshake failed");
	l->counters[LINK_HANDSHAKE_FAILED] = failed;
	forget(l, c);
	if (was_current)
		l->ops->down(why, l->owner);
	else if (secure)
		log_info("HA link: a connection was given up: %s", why);
	schedule_retry(l);
}

static const struct conn_ops conn_ops = {
	.secure = on_secure,
	.frame = on_frame,
	.room = on_room,
	.dead = on_dead,
};

/* Whoever holds connections without a hello must not keep the peer out: the oldest one goes. */
static size_t candidate_slot(struct link *l)
{
	size_t oldest = 0;

	for (size_t i = 0; i < LINK_MAX_CANDIDATES; i++) {
		if (l->candidates[i] == NULL)
			return i;
		if (conn_born(l->candidates[i]) < conn_born(l->candidates[oldest]))
			oldest = i;
	}
	l->tls.handshake_failures++;
	count(l, LINK_HANDSHAKE_FAILED, "HA link: too many connections without a hello");
	forget(l, l->candidates[oldest]);
	return oldest;
}

static void add_candidate(struct link *l, int fd, bool client)
{
	size_t slot = candidate_slot(l);

	if (conn_new(l->loop, fd, client, &l->tls, &conn_ops, l, &l->candidates[slot]) < 0)
		schedule_retry(l);
}

static void hello_received(struct link *l, struct conn *c, const struct frame *f)
{
	if (f->version_min > FRAME_VERSION || f->version_max < FRAME_VERSION_MIN) {
		count(l, LINK_BAD_VERSION,
			"HA link: the peer's program speaks no protocol version that this one "
			"does");
		conn_fail(c, "no common protocol version");
		return;
	}
	if (l->current != NULL) { /* the peer lost it and came again, before we noticed */
		struct conn *old = l->current;

		l->current = NULL;
		forget(l, old);
		l->ops->down("the peer connected anew", l->owner);
	}
	for (size_t i = 0; i < LINK_MAX_CANDIDATES; i++)
		if (l->candidates[i] == c)
			l->candidates[i] = NULL;
	l->current = c;
	l->retry_ms = LINK_RETRY_MIN / USEC_PER_MS;
	l->peer_sessions = 0;
	memcpy(l->peer_node, f->node, sizeof(l->peer_node));
	l->counters[LINK_CONNECTS]++;
	l->ops->up(f, l->owner);
}

static void on_frame(struct conn *c, const struct frame *f, void *owner)
{
	struct link *l = owner;

	if ((f->type == FRAME_HELLO) == (c == l->current))
		conn_fail(c, "a frame in the wrong place");
	else if (f->type == FRAME_HELLO)
		hello_received(l, c, f);
	else if (f->type == FRAME_PING)
		l->peer_sessions = f->sessions;
	else
		l->ops->frame(f, l->owner);
}

/* --- connecting and listening ---------------------------------------------------------------- */

static bool has_candidate(const struct link *l)
{
	for (size_t i = 0; i < LINK_MAX_CANDIDATES; i++)
		if (l->candidates[i] != NULL)
			return true;
	return false;
}

static void try_connect(struct link *l)
{
	int fd = endpoint_connect(&l->cfg);

	if (fd < 0) {
		set_cause(l, CAUSE_SOCKET, fd, "");
		schedule_retry(l);
		return;
	}
	add_candidate(l, fd, true);
}

static void on_accept(uv_poll_t *p, int status, int events)
{
	struct link *l = p->data;

	(void)events;
	for (int i = 0; status >= 0 && i < LINK_MAX_CANDIDATES; i++) {
		int fd = endpoint_accept(&l->cfg, l->listen_fd);

		if (fd == -EACCES) {
			count(l, LINK_STRANGERS, "HA link: a host that is not the peer connected");
			continue;
		}
		if (fd < 0)
			return;
		add_candidate(l, fd, false);
	}
}

static void try_listen(struct link *l)
{
	int fd = endpoint_listen(&l->cfg, LINK_MAX_CANDIDATES);

	if (fd < 0) {
		set_cause(l, CAUSE_SOCKET, fd, "");
		schedule_retry(l);
		return;
	}
	if (uv_poll_init(l->loop, &l->listen_poll, fd) < 0) {
		close(fd);
		schedule_retry(l);
		return;
	}
	set_cause(l, CAUSE_SILENCE, 0, "");
	l->listen_fd = fd;
	l->listen_polled = true;
	l->open_handles++;
	l->listen_poll.data = l;
	(void)uv_poll_start(&l->listen_poll, UV_READABLE, on_accept);
}

static void on_retry(uv_timer_t *t)
{
	struct link *l = t->data;

	if (l->closing)
		return;
	if (!l->client && !l->listen_polled)
		try_listen(l);
	else if (l->client && l->current == NULL && !has_candidate(l))
		try_connect(l);
}

static void schedule_retry(struct link *l)
{
	if (l->closing || uv_is_active((const uv_handle_t *)&l->retry))
		return;
	(void)uv_timer_start(&l->retry, on_retry, l->retry_ms, 0);
	l->retry_ms *= 2;
	if (l->retry_ms > LINK_RETRY_MAX / USEC_PER_MS)
		l->retry_ms = LINK_RETRY_MAX / USEC_PER_MS;
}

/* --- life ------------------------------------------------------------------------------------ */

static void watch_current(struct link *l, usec_t now)
{
	struct frame ping = {.type = FRAME_PING, .sessions = l->ops->sessions(l->owner)};

	link_send(l, &ping);
	link_flush(l);
	if (now - conn_heard(l->current) <= LINK_DEAD_AFTER)
		return;
	/* Perhaps it is we who were away: look at what came meanwhile before judging. */
	conn_drain(l->current, now + USEC_PER_MS);
	if (l->current == NULL || now - conn_heard(l->current) <= LINK_DEAD_AFTER)
		return;
	count(l, LINK_SILENT, "HA link: the peer fell silent");
	conn_fail(l->current, "the peer fell silent");
}

static void on_tick(uv_timer_t *t)
{
	struct link *l = t->data;
	usec_t now = clock_now_us();

	for (size_t i = 0; i < LINK_MAX_CANDIDATES; i++)
		if (l->candidates[i] != NULL &&
			now - conn_born(l->candidates[i]) > LINK_HANDSHAKE_MAX)
			conn_fail(l->candidates[i], "no hello in time");
	if (l->current != NULL)
		watch_current(l, now);
}

int link_new(uv_loop_t *loop, const struct config_sync *cfg, const char *node,
	const struct link_ops *ops, void *owner, struct link **ret)
{
	size_t addr_len = cfg->local.family == AF_INET6 ? 16 : 4;
	struct link *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->loop = loop;
	l->cfg = *cfg;
	l->ops = ops;
	l->owner = owner;
	l->listen_fd = -1;
	l->retry_ms = LINK_RETRY_MIN / USEC_PER_MS;
	memcpy(l->node, node, strnlen(node, CONFIG_NAME_MAX));
	l->client = memcmp(&cfg->local.v6, &cfg->peer.v6, addr_len) < 0;
	r = identity_new(cfg->identity_der, cfg->identity_der_len, &l->id);
	if (r == 0)
		r = conn_tls_init(&l->tls, l->id, cfg->peer_fingerprint);
	if (r < 0) {
		identity_free(l->id);
		free(l);
		return r;
	}
	(void)uv_timer_init(loop, &l->ticker);
	(void)uv_timer_init(loop, &l->retry);
	l->ticker.data = l->retry.data = l;
	l->open_handles = 2;
	(void)uv_timer_start(
		&l->ticker, on_tick, LINK_PING_EVERY / USEC_PER_MS, LINK_PING_EVERY / USEC_PER_MS);
	(void)uv_timer_start(&l->retry, on_retry, 0, 0);
	*ret = l;
	return 0;
}

static void free_link(uv_handle_t *h)
{
	struct link *l = h->data;

	conn_tls_fini(&l->tls);
	identity_free(l->id);
	if (l->done != NULL)
		l->done(l->owner);
	free(l);
}

static void on_closed(uv_handle_t *h)
{
	struct link *l = h->data;

	if (--l->open_handles > 0)
		return;
	/* Connections closed before us are freed in the same turn; they use our TLS settings. One
	 * more handle, closed now, is freed after them. */
	(void)uv_timer_init(l->loop, &l->ticker);
	l->ticker.data = l;
	uv_close((uv_handle_t *)&l->ticker, free_link);
}

static void on_listener_closed(uv_handle_t *h)
{
	struct link *l = h->data;

	close(l->listen_fd);
	l->listen_polled = false;
	if (l->closing) {
		on_closed(h);
		return;
	}
	l->open_handles--;
	schedule_retry(l);
}

static void close_listener(struct link *l)
{
	if (l->listen_polled && !uv_is_closing((const uv_handle_t *)&l->listen_poll))
		uv_close((uv_handle_t *)&l->listen_poll, on_listener_closed);
}

void link_set_ifindex(struct link *l, unsigned ifindex)
{
	static const char why[] = "the sync interface was made anew";

	for (size_t i = 0; i < LINK_MAX_CANDIDATES; i++)
		if (l->candidates[i] != NULL &&
			endpoint_is_stale(conn_fd(l->candidates[i]), ifindex))
			conn_fail(l->candidates[i], why);
	if (l->current != NULL && endpoint_is_stale(conn_fd(l->current), ifindex))
		conn_fail(l->current, why);
	if (!l->listen_polled || !endpoint_is_stale(l->listen_fd, ifindex))
		return;
	log_notice("HA link: %s: interface=%s ifindex=%u", why, l->cfg.interface, ifindex);
	l->retry_ms = LINK_RETRY_MIN / USEC_PER_MS;
	close_listener(l);
}

void link_close(struct link *l, void (*done)(void *owner))
{
	l->closing = true;
	l->done = done;
	for (size_t i = 0; i < LINK_MAX_CANDIDATES; i++)
		if (l->candidates[i] != NULL)
			forget(l, l->candidates[i]);
	if (l->current != NULL)
		forget(l, l->current);
	l->current = NULL;
	close_listener(l);
	uv_close((uv_handle_t *)&l->ticker, on_closed);
	uv_close((uv_handle_t *)&l->retry, on_closed);
}

/* --- what the engine uses -------------------------------------------------------------------- */

bool link_is_up(const struct link *l)
{
	return l->current != NULL;
}

const char *link_peer_node(const struct link *l)
{
	return l->peer_node;
}

void link_send(struct link *l, const struct frame *f)
{
	uint8_t bytes[FRAME_HEADER + 32];
	struct wcursor w = wcursor_make(bytes, sizeof(bytes));

	if (l->current == NULL)
		return;
	frame_encode(&w, f);
	conn_put(l->current, bytes, wcursor_len(&w));
}

bool link_has_room(const struct link *l)
{
	return l->current != NULL && conn_has_room(l->current);
}

void link_send_batch(struct link *l, const void *bytes, size_t n)
{
	if (l->current != NULL)
		conn_put(l->current, bytes, n);
}

void link_flush(struct link *l)
{
	if (l->current != NULL)
		conn_flush(l->current);
}

void link_drain(struct link *l, usec_t until)
{
	if (l->current != NULL)
		conn_drain(l->current, until);
}

void link_reset(struct link *l, const char *why)
{
	if (l->current == NULL)
		return;
	count(l, LINK_BAD_FRAME, "HA link: the peer broke the protocol");
	conn_fail(l->current, why);
}

void link_bytes(const struct link *l, uint64_t *ret_sent, uint64_t *ret_received)
{
	uint64_t sent = 0, received = 0;

	if (l->current != NULL)
		conn_bytes(l->current, &sent, &received);
	*ret_sent = l->old_sent + sent;
	*ret_received = l->old_received + received;
}

uint64_t link_counter(const struct link *l, enum link_counter c)
{
	return l->counters[c];
}

const char *link_counter_to_str(enum link_counter c)
{
	static const char *const names[LINK_COUNTERS] = {"link_connects", "link_strangers",
		"link_wrong_fingerprint", "link_handshake_failed", "link_bad_version",
		"link_bad_frame", "link_silent"};

	return c < LINK_COUNTERS ? names[c] : "";
}

uint64_t link_peer_sessions(const struct link *l)
{
	return l->peer_sessions;
}

void link_cause(const struct link *l, struct cause *ret)
{
	static char local[CONFIG_PREFIX_STRLEN], peer[CONFIG_PREFIX_STRLEN];
	static char offered[IDENTITY_FINGERPRINT_STRLEN], configured[IDENTITY_FINGERPRINT_STRLEN];
	bool stale = !l->client && l->cause != CAUSE_SOCKET &&
		     clock_now_us() - l->cause_at > LINK_CAUSE_FRESH;

	config_prefix_to_str(&l->cfg.local, local);
	config_prefix_to_str(&l->cfg.peer, peer);
	local[strcspn(local, "/")] = peer[strcspn(peer, "/")] = '\0';
	identity_fingerprint_to_str(l->tls.seen, offered);
	identity_fingerprint_to_str(l->tls.peer_fingerprint, configured);
	*ret = (struct cause){
		.kind = stale ? CAUSE_SILENCE : l->cause,
		.err = l->cause_err,
		.why = l->cause_why != NULL ? l->cause_why : "",
		.client = l->client,
		.interface = l->cfg.interface,
		.local = local,
		.peer = peer,
		.tcp_port = l->cfg.port,
		.offered = offered,
		.configured = configured,
	};
}

bool link_seen_fingerprint(const struct link *l, uint8_t ret[IDENTITY_FINGERPRINT_BYTES])
{
	if (!l->tls.has_seen)
		return false;
	memcpy(ret, l->tls.seen, sizeof(l->tls.seen));
	return true;
}
