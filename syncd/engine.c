/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd's middle; see engine.h. Every frame, order and report becomes one event of the replica
 * core, whose actions are done at once and in order. Runs in syncd.
 */
#include "syncd/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/timer.h"
#include "syncd/filter.h"
#include "syncd/restore.h"

/* A promotion takes in what the link delivered; usually there is next to nothing. */
#define PROMOTE_DRAIN (10 * USEC_PER_MS)

struct engine {
	uv_loop_t *loop;
	const struct engine_ops *ops;
	void *owner;
	struct replica replica;
	struct source *source;
	struct sink *sink;
	struct restore *restore;
	struct link *link; /* NULL: not configured */
	struct timer deadline;
	const struct frame *frame; /* the batch that is being decided about */
	bool missing;              /* the core is to hear that a batch did not fit */
	void (*closed)(void *owner);

	struct filter filter;

	/* Of the link in use, to tell whether a new configuration changes it. */
	struct config_sync sync;
	uint8_t *identity;
	char node[CONFIG_NAME_MAX + 1];
};

/* --- actions --------------------------------------------------------------------------------- */

static void step(struct engine *e, struct replica_event ev);

static void send_frame(struct engine *e, enum frame_type type, const struct replica_action *a)
{
	struct frame f = {.type = type,
		.role = a->role,
		.handover = a->handover,
		.sync = a->sync,
		.term = a->term,
		.id = a->id,
		.seq = a->seq};

	if (e->link == NULL)
		return;
	link_send(e->link, &f);
	link_flush(e->link);
}

static void apply_batch(struct engine *e)
{
	enum ctnl_mode mode = e->replica.role == REPLICA_ACTIVE ? CTNL_HANDOVER : CTNL_REPLICA;

	uint64_t no_room = sink_get_stats(e->sink)->no_room;

	if (e->frame != NULL && sink_apply(e->sink, e->frame, mode) < 0)
		link_reset(e->link, "a batch that cannot be read");
	e->missing |= sink_get_stats(e->sink)->no_room > no_room;
}

static void act(struct engine *e, const struct replica_action *a)
{
	switch (a->type) {
	case REPLICA_DO_SEND_STATE:
		send_frame(e, FRAME_STATE, a);
		return;
	case REPLICA_DO_SEND_SYNC_BEGIN:
		send_frame(e, FRAME_SYNC_BEGIN, a);
		return;
	case REPLICA_DO_SEND_SYNC_END:
		send_frame(e, FRAME_SYNC_END, a);
		return;
	case REPLICA_DO_SEND_SYNC_DONE:
		send_frame(e, FRAME_SYNC_DONE, a);
		return;
	case REPLICA_DO_SEND_SYNC_REQUEST:
		send_frame(e, FRAME_SYNC_REQUEST, a);
		return;
	case REPLICA_DO_SEND_TERM_END:
		send_frame(e, FRAME_TERM_END, a);
		return;
	case REPLICA_DO_SEND_ACK:
		send_frame(e, FRAME_ACK, a);
		return;
	case REPLICA_DO_APPLY:
		apply_batch(e);
		return;
	case REPLICA_DO_REFUSE:
		return; /* counted by the core */
	case REPLICA_DO_MARK:
		sink_mark(e->sink, a->id);
		return;
	case REPLICA_DO_MARK_DROP:
		sink_mark_drop(e->sink);
		return;
	case REPLICA_DO_SWEEP:
		sink_sweep(e->sink, a->id);
		return;
	case REPLICA_DO_EVENTS_ON:
		source_events(e->source, true);
		return;
	case REPLICA_DO_EVENTS_OFF:
		source_events(e->source, false);
		return;
	case REPLICA_DO_DUMP:
		source_dump(e->source, a->id);
		return;
	case REPLICA_DO_DUMP_STOP:
		source_dump_stop(e->source);
		return;
	case REPLICA_DO_DRAIN:
		source_drain(e->source);
		return;
	case REPLICA_DO_CLEAR:
		source_clear(e->source);
		return;
	case REPLICA_DO_ACKED:
		source_acked(e->source, a->seq);
		return;
	case REPLICA_DO_NOTIFY:
		e->ops->changed(e->owner);
		return;
	case REPLICA_DO_RESET_LINK:
		link_reset(e->link, "the peer broke the protocol");
		return;
	}
}

static void step(struct engine *e, struct replica_event ev)
{
	struct replica_actions todo;

	replica_step(&e->replica, &ev, clock_now_us(), &todo);
	for (size_t i = 0; i < todo.n; i++)
		act(e, &todo.v[i]);
	if (e->missing) {
		e->missing = false;
		step(e, (struct replica_event){.type = REPLICA_EV_MISSING});
		return;
	}
	timer_set(&e->deadline, replica_deadline(&e->replica));
}

static void on_deadline(struct timer *t, usec_t now)
{
	(void)now;
	step(t->owner, (struct replica_event){.type = REPLICA_EV_TICK});
}

/* --- the link -------------------------------------------------------------------------------- */

static void on_hello(struct frame *fill, void *owner)
{
	const struct engine *e = owner;

	fill->role = e->replica.role;
	fill->handover = e->replica.handover;
	fill->term = e->replica.term;
}

static uint64_t on_ping(void *owner)
{
	struct engine *e = owner;
	struct source_stats st;
	uint64_t term;

	if (!replica_may_send(&e->replica, &term))
		return 0;
	source_get_stats(e->source, &st);
	return st.sessions > st.backlog ? st.sessions - st.backlog : 0;
}

static void on_up(const struct frame *hello, void *owner)
{
	struct engine *e = owner;

	log_notice("HA link up: peer=%s role=%s term=%llu", link_peer_node(e->link),
		replica_role_to_str(hello->role), (unsigned long long)hello->term);
	step(e, (struct replica_event){.type = REPLICA_EV_LINK_UP,
			.role = hello->role,
			.handover = hello->handover,
			.term = hello->term});
}

static void on_down(const char *why, void *owner)
{
	log_notice("HA link down: %s", why);
	step(owner, (struct replica_event){.type = REPLICA_EV_LINK_DOWN});
}

static void on_frame(const struct frame *f, void *owner)
{
	static const enum replica_event_type types[FRAME_TYPE_MAX + 1] = {
		[FRAME_STATE] = REPLICA_EV_STATE,
		[FRAME_SYNC_BEGIN] = REPLICA_EV_SYNC_BEGIN,
		[FRAME_BATCH] = REPLICA_EV_BATCH,
		[FRAME_SYNC_END] = REPLICA_EV_SYNC_END,
		[FRAME_TERM_END] = REPLICA_EV_TERM_END,
		[FRAME_ACK] = REPLICA_EV_ACK,
		[FRAME_SYNC_DONE] = REPLICA_EV_SYNC_DONE,
		[FRAME_SYNC_REQUEST] = REPLICA_EV_SYNC_REQUEST,
	};
	struct engine *e = owner;

	e->frame = f;
	step(e, (struct replica_event){.type = types[f->type],
			.role = f->role,
			.handover = f->handover,
			.sync = f->sync,
			.term = f->term,
			.id = f->id,
			.seq = f->seq});
	e->frame = NULL;
}

static void on_room(void *owner)
{
	struct engine *e = owner;

	source_pump(e->source);
}

static void on_peer_key(const uint8_t key[IDENTITY_PEER_KEY_BYTES], void *owner)
{
	struct engine *e = owner;

	e->ops->peer_key(key, e->owner);
}

static void on_trouble(const char *text, void *owner)
{
	struct engine *e = owner;

	e->ops->trouble(text, e->owner);
}

static const struct link_ops link_ops = {
	.hello = on_hello,
	.sessions = on_ping,
	.up = on_up,
	.down = on_down,
	.frame = on_frame,
	.room = on_room,
	.peer_key = on_peer_key,
	.trouble = on_trouble,
};

/* --- source and sink ------------------------------------------------------------------------- */

static bool may_send(uint64_t *ret_term, void *owner)
{
	const struct engine *e = owner;

	return replica_may_send(&e->replica, ret_term);
}

static bool has_room(void *owner)
{
	const struct engine *e = owner;

	return e->link != NULL && link_has_room(e->link);
}

static void send_batch(const void *bytes, size_t n, void *owner)
{
	struct engine *e = owner;

	link_send_batch(e->link, bytes, n);
}

static void flush_link(void *owner)
{
	struct engine *e = owner;

	if (e->link != NULL)
		link_flush(e->link);
}

static void on_dump_sent(uint64_t id, void *owner)
{
	step(owner, (struct replica_event){.type = REPLICA_EV_DUMP_SENT, .id = id});
}

static void on_drained(void *owner)
{
	step(owner, (struct replica_event){.type = REPLICA_EV_DRAINED});
}

static void on_overrun(const char *why, void *owner)
{
	log_warn("changes were lost, the tables are compared: %s", why);
	step(owner, (struct replica_event){.type = REPLICA_EV_OVERRUN});
}

static void on_suspect(size_t sessions, void *owner)
{
	log_info(
		"sessions vanished without an event, the tables are compared: count=%zu", sessions);
	step(owner, (struct replica_event){.type = REPLICA_EV_SUSPECT});
}

static const struct source_ops source_ops = {
	.may_send = may_send,
	.has_room = has_room,
	.send_batch = send_batch,
	.flush = flush_link,
	.dump_sent = on_dump_sent,
	.drained = on_drained,
	.overrun = on_overrun,
	.suspect = on_suspect,
};

static void on_swept(uint64_t id, bool again, void *owner)
{
	step(owner, (struct replica_event){
			    .type = again ? REPLICA_EV_UNSWEPT : REPLICA_EV_SWEPT, .id = id});
}

static const struct sink_ops sink_ops = {
	.swept = on_swept,
	.trouble = on_trouble,
};

/* --- configuration --------------------------------------------------------------------------- */

static bool same_link(const struct engine *e, const struct config *cfg)
{
	const struct config_sync *a = &e->sync, *b = &cfg->sync;

	return a->present == b->present && strncmp(e->node, cfg->node, sizeof(e->node)) == 0 &&
	       strncmp(a->interface, b->interface, sizeof(a->interface)) == 0 &&
	       config_prefix_equal(&a->local, &b->local) &&
	       config_prefix_equal(&a->peer, &b->peer) && a->port == b->port &&
	       memcmp(a->peer_fingerprint, b->peer_fingerprint, sizeof(a->peer_fingerprint)) == 0 &&
	       a->identity_der_len == b->identity_der_len &&
	       memcmp(e->identity, b->identity_der, b->identity_der_len) == 0;
}

static void close_link(struct engine *e, void (*done)(void *))
{
	if (e->link != NULL) {
		link_close(e->link, done);
		e->link = NULL;
	}
	if (e->identity != NULL)
		explicit_bzero(e->identity, e->sync.identity_der_len);
	free(e->identity);
	e->identity = NULL;
}

static void configure_link(struct engine *e, const struct config *cfg)
{
	int r;

	if (e->link != NULL && same_link(e, cfg))
		return;
	if (e->replica.connected)
		on_down("the configuration changed", e);
	close_link(e, NULL);
	e->sync = cfg->sync;
	memcpy(e->node, cfg->node, sizeof(e->node));
	if (!cfg->sync.present)
		return;
	e->identity = malloc(cfg->sync.identity_der_len);
	if (e->identity == NULL)
		return;
	memcpy(e->identity, cfg->sync.identity_der, cfg->sync.identity_der_len);
	r = link_new(e->loop, &cfg->sync, cfg->node, &link_ops, e, &e->link);
	if (r < 0)
		e->ops->trouble("the HA link cannot be set up with this node's key", e->owner);
}

int engine_check(const struct config *cfg, char *why, size_t why_size)
{
	struct identity *id;
	int r;

	if (!cfg->sync.present)
		return 0;
	if (cfg->sync.local.family != cfg->sync.peer.family) {
		snprintf(why, why_size,
			"sync: this node's address and the peer's are of two families");
		return -EINVAL;
	}
	if (cfg->sync.identity_der == NULL) {
		snprintf(why, why_size, "sync: the node has no key; make one with `gatepair key`");
		return -ENOKEY;
	}
	r = identity_new(cfg->sync.identity_der, cfg->sync.identity_der_len, &id);
	if (r < 0) {
		snprintf(why, why_size,
			"sync: the node's key is not a P-256 key; "
			"make one with `gatepair key`");
		return r;
	}
	identity_free(id);
	return 0;
}

void engine_configure(struct engine *e, const struct config *cfg)
{
	if (filter_configure(&e->filter, cfg) < 0)
		e->ops->trouble("no memory for the new filters; the old ones stay", e->owner);
	configure_link(e, cfg);
}

void engine_set_ifindex(struct engine *e, unsigned ifindex)
{
	if (e->link != NULL)
		link_set_ifindex(e->link, ifindex);
}

void engine_set_address(struct engine *e, const char *ifname, const struct config_prefix *addr)
{
	filter_learn(&e->filter, ifname, addr);
}

/* --- orders ---------------------------------------------------------------------------------- */

void engine_promote(struct engine *e, uint64_t term, bool handover)
{
	bool was_active = e->replica.role == REPLICA_ACTIVE;

	/* State before address: first what the Active still managed to send. */
	if (e->link != NULL && e->replica.role == REPLICA_STANDBY)
		link_drain(e->link, clock_now_us() + PROMOTE_DRAIN);
	step(e, (struct replica_event){
			.type = REPLICA_EV_PROMOTE, .term = term, .handover = handover});
	if (!was_active)
		restore_start(e->restore);
	e->ops->changed(e->owner);
}

void engine_demote(struct engine *e, uint64_t term)
{
	restore_stop(e->restore);
	step(e, (struct replica_event){.type = REPLICA_EV_DEMOTE, .term = term});
	e->ops->changed(e->owner);
}

void engine_flush(struct engine *e, usec_t timeout, void (*done)(int err, void *arg), void *arg)
{
	source_flush(e->source, timeout, done, arg);
}

void engine_get_status(struct engine *e, struct engine_status *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->replica = &e->replica;
	ret->sink = sink_get_stats(e->sink);
	ret->link = e->link;
	source_get_stats(e->source, &ret->source);
	ret->sessions = sink_count(e->sink);
	ret->restored = restore_count(e->restore);
	if (e->replica.role == REPLICA_ACTIVE)
		ret->sessions_replicated = on_ping(e);
	else if (e->link != NULL && replica_in_sync(&e->replica))
		ret->sessions_replicated = link_peer_sessions(e->link);
}

bool engine_replicates(const struct engine *e, const struct flow *f)
{
	return flow_classify(&e->filter.flows, f) == FLOW_REPLICATED;
}

/* --- life ------------------------------------------------------------------------------------ */

int engine_new(uv_loop_t *loop, const struct engine_ops *ops, void *owner, struct engine **ret)
{
	uint8_t hash_key[FLOW_HASH_KEY_BYTES];
	struct engine *e;
	int r;

	if (getrandom(hash_key, sizeof(hash_key), 0) != (ssize_t)sizeof(hash_key))
		return -EIO;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->loop = loop;
	e->ops = ops;
	e->owner = owner;
	replica_init(&e->replica, clock_now_us());
	r = timer_init(&e->deadline, loop, on_deadline, e);
	if (r < 0) {
		free(e);
		return r;
	}
	r = sink_new(loop, &e->filter.flows, hash_key, &sink_ops, e, &e->sink);
	if (r == 0)
		r = source_new(loop, &e->filter.flows, hash_key, &source_ops, e, &e->source);
	if (r == 0)
		r = restore_new(loop, sink_lifetimes(e->sink), &e->restore);
	if (r == 0) {
		source_ignore(e->source, restore_port(e->restore));
		*ret = e;
	}
	return r; /* on failure the process ends; there is nothing to run without these sockets */
}

static void on_closed(struct timer *t)
{
	struct engine *e = t->owner;
	void (*done)(void *) = e->closed;
	void *owner = e->owner;

	filter_fini(&e->filter);
	free(e);
	done(owner);
}

static void on_link_closed(void *owner)
{
	struct engine *e = owner;

	timer_close(&e->deadline, on_closed);
}

void engine_close(struct engine *e, void (*done)(void *owner))
{
	bool has_link = e->link != NULL;

	e->closed = done;
	source_close(e->source);
	restore_close(e->restore);
	sink_close(e->sink);
	close_link(e, on_link_closed);
	if (!has_link)
		on_link_closed(e);
}
