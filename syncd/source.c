/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Active's side of replication; see source.h. Runs in syncd.
 */
#include "syncd/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/timer.h"
#include "syncd/ctnl.h"
#include "syncd/dirty.h"
#include "syncd/frame.h"
#include "syncd/shadow.h"

#define EVENTS_PER_WAKEUP 2048
#define DUMP_WHILE_BELOW  8192 /* waiting records: a dump goes no faster than the link */
#define SCAN_SHARE        30

enum dump_kind { DUMP_NONE, DUMP_ALL, DUMP_SCAN };

struct source {
	const struct flow_filter *filter;
	const struct source_ops *ops;
	void *owner;
	struct dirty *dirty;
	struct shadow *shadow;

	int events_fd;
	uint32_t ignored_port;
	bool events_on, closing;
	uv_poll_t events_poll;
	struct timer coalesce, scan_timer, flush_timer;
	unsigned open_handles;

	enum dump_kind dump_kind;
	uint64_t dump_id;
	uv_poll_t *dump_poll; /* NULL: none runs; data is the fd's owner */
	int dump_fd;
	bool dump_paused,
		dump_put_all; /* the second: it ended, its records are not all in batches */
	uint64_t dump_mark;
	usec_t dump_begun;

	const char *overrun_why; /* NULL: none to be reported */
	bool draining;
	uint64_t seq; /* of the newest batch */
	uint64_t acked;

	void (*flush_done)(int err, void *arg);
	void *flush_arg;
	uint64_t flush_mark, flush_seq; /* seq 0: not all in batches yet */

	struct source_stats stats;
};

/* --- flushing -------------------------------------------------------------------------------- */

static void flush_finish(struct source *s, int err)
{
	void (*done)(int, void *) = s->flush_done;

	if (done == NULL)
		return;
	s->flush_done = NULL;
	timer_set(&s->flush_timer, USEC_NEVER);
	done(err, s->flush_arg);
}

static void flush_check(struct source *s)
{
	if (s->flush_done == NULL)
		return;
	if (s->flush_seq == 0) {
		if (!dirty_mark_sent(s->dirty, s->flush_mark, NULL))
			return;
		s->flush_seq = s->seq;
	}
	if (s->acked >= s->flush_seq)
		flush_finish(s, 0);
}

static void on_flush_timeout(struct timer *t, usec_t now)
{
	(void)now;
	flush_finish(t->owner, -ETIMEDOUT);
}

/* --- batches out ----------------------------------------------------------------------------- */

static void send_batch(struct source *s, uint64_t term)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	struct wcursor w = wcursor_make(bytes, sizeof(bytes));
	struct record rec;
	uint16_t count = 0;

	s->seq++;
	frame_batch_begin(&w, term, s->seq);
	while (wcursor_len(&w) + RECORD_MAX_BYTES <= sizeof(bytes) &&
		dirty_pop(s->dirty, s->seq, &rec.op, &rec.flow)) {
		if (rec.flow.timeout_s > FLOW_LEFT_MAX_S)
			rec.flow.timeout_s = FLOW_LEFT_MAX_S;
		rec.slack_s = shadow_slack_s(s->shadow, &rec.flow);
		record_encode(&w, &rec);
		count++;
	}
	frame_batch_end(&w, count);
	s->stats.records_sent += count;
	s->stats.batches_sent++;
	s->ops->send_batch(bytes, wcursor_len(&w), s->owner);
}

static void dump_resume(struct source *s);

void source_pump(struct source *s)
{
	uint64_t term;
	bool sent = false;

	while (dirty_waiting(s->dirty) > 0 && s->ops->may_send(&term, s->owner) &&
		s->ops->has_room(s->owner)) {
		send_batch(s, term);
		sent = true;
	}
	if (s->dump_put_all && dirty_mark_sent(s->dirty, s->dump_mark, NULL)) {
		s->dump_put_all = false;
		s->ops->dump_sent(s->dump_id, s->owner);
	}
	if (sent)
		s->ops->flush(s->owner);
	if (s->draining && dirty_waiting(s->dirty) == 0) {
		s->draining = false;
		s->ops->drained(s->owner);
	}
	flush_check(s);
	dump_resume(s);
}

/* Only noted: it comes up in the middle of reading, and the answer to it is another dump. */
static void overrun(struct source *s, const char *why)
{
	if (s->overrun_why == NULL)
		s->overrun_why = why;
}

static void report_overrun(struct source *s)
{
	const char *why = s->overrun_why;

	if (why == NULL)
		return;
	s->overrun_why = NULL;
	s->stats.overruns++;
	s->ops->overrun(why, s->owner);
}

static void put(struct source *s, enum dirty_op op, const struct flow *f, usec_t now)
{
	if (dirty_put(s->dirty, op, f, now) < 0)
		overrun(s, "too many changes wait for the peer");
}

static bool is_replicated(struct source *s, const struct flow *f)
{
	enum flow_class c = flow_classify(s->filter, f);

	if (c == FLOW_REPLICATED)
		return true;
	s->stats.not_replicated[c]++;
	return false;
}

/* --- events in ------------------------------------------------------------------------------- */

static void on_event(enum ctnl_event type, const struct flow *f, void *owner)
{
	struct source *s = owner;
	usec_t now = clock_now_us();

	s->stats.events++;
	if (!is_replicated(s, f))
		return;
	if (type == CTNL_EVENT_DESTROY) {
		shadow_gone(s->shadow, &f->key);
		put(s, DIRTY_DELETE, f, now);
		return;
	}
	shadow_seen(s->shadow, f, now);
	put(s, type == CTNL_EVENT_NEW ? DIRTY_CREATE : DIRTY_UPDATE, f, now);
}

/* How many; they are in the dirty set. */
static int read_events(struct source *s, int max)
{
	int n = ctnl_events_read(s->events_fd, max, s->ignored_port, on_event, s);

	if (n >= 0)
		return n;
	overrun(s, n == -ENOBUFS ? "the kernel lost events: its socket buffer was full"
				 : "reading kernel events failed");
	return 1;
}

static void on_events(uv_poll_t *p, int status, int events)
{
	struct source *s = p->data;

	(void)status;
	(void)events;
	if (!s->events_on || read_events(s, EVENTS_PER_WAKEUP) == 0)
		return;
	source_pump(s);
	(void)uv_poll_stop(&s->events_poll);
	timer_set(&s->coalesce, clock_now_us() + SOURCE_COALESCE);
	report_overrun(s);
}

static void on_coalesce(struct timer *t, usec_t now)
{
	struct source *s = t->owner;

	if (!s->events_on)
		return;
	if (s->draining) {
		source_pump(s);
		return;
	}
	report_overrun(s);
	if (read_events(s, EVENTS_PER_WAKEUP) == 0) {
		(void)uv_poll_start(&s->events_poll, UV_READABLE, on_events);
		return;
	}
	source_pump(s);
	timer_set(&s->coalesce, now + SOURCE_COALESCE);
	report_overrun(s);
}

static void read_all_events(struct source *s)
{
	while (s->events_on && read_events(s, EVENTS_PER_WAKEUP) >= EVENTS_PER_WAKEUP)
		;
}

void source_ignore(struct source *s, uint32_t port)
{
	s->ignored_port = port;
}

void source_events(struct source *s, bool on)
{
	int r;

	if (s->events_on == on)
		return;
	r = ctnl_events_subscribe(s->events_fd, on);
	if (r < 0)
		log_err("conntrack events cannot be switched %s: %s", on ? "on" : "off",
			strerror(-r));
	s->events_on = on;
	s->draining = false;
	if (on) {
		(void)uv_poll_start(&s->events_poll, UV_READABLE, on_events);
		return;
	}
	(void)uv_poll_stop(&s->events_poll);
	timer_set(&s->coalesce, USEC_NEVER);
	timer_set(&s->scan_timer, USEC_NEVER);
	ctnl_events_discard(s->events_fd);
	flush_finish(s, -ENOTCONN);
}

/* --- dumps in -------------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *h)
{
	free(h);
}

void source_dump_stop(struct source *s)
{
	s->dump_put_all = false;
	s->dump_kind = DUMP_NONE;
	if (s->dump_poll == NULL)
		return;
	(void)uv_poll_stop(s->dump_poll);
	uv_close((uv_handle_t *)s->dump_poll, free_handle);
	s->dump_poll = NULL;
	close(s->dump_fd);
}

static void on_dumped(const struct flow *f, void *owner)
{
	struct source *s = owner;
	usec_t now = clock_now_us();

	if (!is_replicated(s, f) || !shadow_scan(s->shadow, f, now))
		return;
	if (s->dump_kind == DUMP_SCAN)
		s->stats.refreshes++;
	put(s, DIRTY_UPDATE, f, now);
}

static void schedule_scan(struct source *s, usec_t now)
{
	usec_t took = now - s->dump_begun, pause = SOURCE_SCAN_EVERY_S * USEC_PER_SEC;

	if (took * SCAN_SHARE > pause)
		pause = took * SCAN_SHARE;
	shadow_set_period(s->shadow, (uint32_t)((pause + took) / USEC_PER_SEC) + 1);
	timer_set(&s->scan_timer, now + pause);
}

static void dump_end(struct source *s, int r)
{
	enum dump_kind kind = s->dump_kind;
	size_t vanished;

	source_dump_stop(s);
	if (r < 0) {
		overrun(s, "reading the kernel's sessions failed");
		return;
	}
	/* A session destroyed while the dump ran has its event in the socket by now. */
	read_all_events(s);
	vanished = shadow_scan_end(s->shadow);
	schedule_scan(s, clock_now_us());
	if (kind == DUMP_ALL) {
		s->dump_put_all = true;
		s->dump_mark = dirty_mark(s->dirty);
	} else if (vanished > 0) {
		s->ops->suspect(vanished, s->owner);
	}
}

static void on_dump_readable(uv_poll_t *p, int status, int events)
{
	struct source *s = p->data;
	int r;

	(void)events;
	if (p != s->dump_poll)
		return;
	r = status < 0 ? status : ctnl_dump_read(s->dump_fd, on_dumped, s);
	if (r <= 0)
		dump_end(s, r);
	source_pump(s);
	if (p == s->dump_poll && dirty_waiting(s->dirty) >= DUMP_WHILE_BELOW) {
		s->dump_paused = true;
		(void)uv_poll_stop(p);
	}
	report_overrun(s);
}

static void dump_resume(struct source *s)
{
	if (s->dump_poll == NULL || !s->dump_paused || dirty_waiting(s->dirty) >= DUMP_WHILE_BELOW)
		return;
	s->dump_paused = false;
	(void)uv_poll_start(s->dump_poll, UV_READABLE, on_dump_readable);
}

static int dump_start(struct source *s, enum dump_kind kind)
{
	int fd = ctnl_dump_open();

	if (fd < 0)
		return fd;
	s->dump_poll = calloc(1, sizeof(*s->dump_poll));
	if (s->dump_poll == NULL || uv_poll_init(s->coalesce.poll.loop, s->dump_poll, fd) < 0) {
		free(s->dump_poll);
		s->dump_poll = NULL;
		close(fd);
		return -ENOMEM;
	}
	s->dump_fd = fd;
	s->dump_kind = kind;
	s->dump_paused = false;
	s->dump_begun = clock_now_us();
	s->dump_poll->data = s;
	shadow_scan_begin(s->shadow, kind == DUMP_ALL);
	return uv_poll_start(s->dump_poll, UV_READABLE, on_dump_readable);
}

void source_dump(struct source *s, uint64_t id)
{
	source_dump_stop(s);
	s->dump_id = id;
	if (dump_start(s, DUMP_ALL) == 0)
		return;
	overrun(s, "reading the kernel's sessions failed");
	timer_set(&s->coalesce, clock_now_us() + SOURCE_COALESCE);
}

static void on_scan(struct timer *t, usec_t now)
{
	struct source *s = t->owner;

	if (!s->events_on)
		return;
	if (s->dump_poll != NULL || s->dump_put_all) { /* a full dump does a scan's work */
		timer_set(&s->scan_timer, now + USEC_PER_SEC);
		return;
	}
	s->stats.scans++;
	if (dump_start(s, DUMP_SCAN) < 0)
		timer_set(&s->scan_timer, now + SOURCE_SCAN_EVERY_S * USEC_PER_SEC);
}

/* --- orders ---------------------------------------------------------------------------------- */

void source_drain(struct source *s)
{
	if (!s->events_on)
		return;
	if (ctnl_events_subscribe(s->events_fd, false) < 0)
		log_warn("conntrack events cannot be switched off");
	read_all_events(s);
	(void)uv_poll_stop(&s->events_poll);
	s->draining = true;
	/* Not from within the core's own step: drained() is another one. */
	timer_set(&s->coalesce, clock_now_us());
}

void source_clear(struct source *s)
{
	dirty_clear(s->dirty);
	shadow_clear(s->shadow);
	/* Older than what comes next, too. And after an overrun the kernel drops every event, in
	 * silence, until the socket is empty: a dump must not begin before. */
	if (s->events_on)
		ctnl_events_discard(s->events_fd);
	s->draining = false;
	s->overrun_why = NULL;
	flush_finish(s, -EAGAIN);
}

void source_acked(struct source *s, uint64_t seq)
{
	if (seq > s->seq)
		return;
	s->acked = seq;
	(void)dirty_ack(s->dirty, seq);
	flush_check(s);
}

void source_flush(struct source *s, usec_t timeout, void (*done)(int err, void *arg), void *arg)
{
	if (s->flush_done != NULL) {
		done(-EBUSY, arg);
		return;
	}
	if (!s->events_on) {
		done(-ENOTCONN, arg);
		return;
	}
	read_all_events(s);
	s->flush_done = done;
	s->flush_arg = arg;
	s->flush_mark = dirty_mark(s->dirty);
	s->flush_seq = 0;
	timer_set(&s->flush_timer, clock_now_us() + timeout);
	source_pump(s);
	report_overrun(s);
}

void source_get_stats(const struct source *s, struct source_stats *ret)
{
	*ret = s->stats;
	ret->backlog = dirty_count(s->dirty);
	ret->sessions = shadow_count(s->shadow);
	ret->lag = dirty_lag(s->dirty, clock_now_us());
}

/* --- life ------------------------------------------------------------------------------------ */

int source_new(uv_loop_t *loop, const struct flow_filter *filter,
	const uint8_t hash_key[FLOW_HASH_KEY_BYTES], const struct source_ops *ops, void *owner,
	struct source **ret)
{
	struct source *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s == NULL)
		return -ENOMEM;
	s->filter = filter;
	s->ops = ops;
	s->owner = owner;
	s->events_fd = -1;
	s->dirty = dirty_new(SOURCE_MAX_SESSIONS, hash_key);
	s->shadow = shadow_new(SOURCE_MAX_SESSIONS, hash_key);
	if (s->dirty == NULL || s->shadow == NULL)
		goto fail;
	shadow_set_period(s->shadow, SOURCE_SCAN_EVERY_S + 1);
	r = s->events_fd = ctnl_events_open();
	if (r < 0)
		goto fail;
	r = uv_poll_init(loop, &s->events_poll, s->events_fd);
	if (r < 0)
		goto fail;
	s->events_poll.data = s;
	/* Without timers the process could do nothing at all: timerfd does not fail in practice,
	 * and if it does, the caller gives up before the loop runs. */
	r = timer_init(&s->coalesce, loop, on_coalesce, s);
	if (r == 0)
		r = timer_init(&s->scan_timer, loop, on_scan, s);
	if (r == 0)
		r = timer_init(&s->flush_timer, loop, on_flush_timeout, s);
	if (r < 0)
		goto fail;
	s->open_handles = 4;
	*ret = s;
	return 0;
fail:
	if (s->events_fd >= 0)
		close(s->events_fd);
	dirty_free(s->dirty);
	shadow_free(s->shadow);
	free(s);
	return r;
}

static void release(struct source *s)
{
	if (--s->open_handles > 0)
		return;
	close(s->events_fd);
	dirty_free(s->dirty);
	shadow_free(s->shadow);
	free(s);
}

static void on_poll_closed(uv_handle_t *h)
{
	release(h->data);
}

static void on_timer_closed(struct timer *t)
{
	release(t->owner);
}

void source_close(struct source *s)
{
	source_events(s, false);
	source_dump_stop(s);
	s->closing = true;
	uv_close((uv_handle_t *)&s->events_poll, on_poll_closed);
	timer_close(&s->coalesce, on_timer_closed);
	timer_close(&s->scan_timer, on_timer_closed);
	timer_close(&s->flush_timer, on_timer_closed);
}
