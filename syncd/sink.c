/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Standby's side of replication; see sink.h. Runs in syncd.
 */
#include "syncd/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "syncd/marks.h"

#define MAX_MARKS 4194304

struct sink {
	uv_loop_t *loop;
	const struct flow_filter *filter;
	const struct sink_ops *ops;
	void *owner;
	struct ctnl *ctnl;
	uint8_t hash_key[FLOW_HASH_KEY_BYTES];

	struct marks *marks; /* NULL: none are kept */
	bool marks_lost;     /* a mark could not be kept */

	uv_poll_t *dump_poll; /* the sweep; NULL: none runs */
	int dump_fd;
	uint64_t sweep_id;
	bool sweep_again;
	size_t n_doomed;

	struct flow_lifetimes lifetimes;
	struct sink_stats stats;
	struct log_limit limit;
	struct record recs[CTNL_BATCH_MAX]; /* of the batch, or the doomed of the sweep */
};

static void note_failures(struct sink *s, const struct ctnl_result *res)
{
	char text[160];

	s->stats.applied += res->applied;
	s->stats.failed += res->failed;
	if (res->failed > 0 && (res->last_errno == -ENOMEM || res->last_errno == -ENOBUFS))
		s->stats.no_room++;
	if (res->failed == 0 || !log_limit_pass(&s->limit, clock_now_us()))
		return;
	snprintf(text, sizeof(text), "kernel refused %llu sessions: %s%s",
		(unsigned long long)res->failed, strerror(-res->last_errno),
		res->last_errno == -ENOMEM ? "; its table is full: raise nf_conntrack_max" : "");
	s->ops->trouble(text, s->owner);
}

static void apply(struct sink *s, size_t n, enum ctnl_mode mode)
{
	struct ctnl_result res = {0};

	if (n == 0)
		return;
	ctnl_apply(s->ctnl, s->recs, n, mode, &res);
	note_failures(s, &res);
}

static void mark(struct sink *s, const struct record *rec)
{
	if (s->marks == NULL)
		return;
	if (rec->op == DIRTY_DELETE)
		marks_unset(s->marks, &rec->flow.key);
	else if (marks_set(s->marks, &rec->flow) < 0)
		s->marks_lost = true;
}

/* False when the rest of the batch cannot be read. */
static bool take_record(struct sink *s, struct rcursor *c, size_t *n)
{
	struct record *rec = &s->recs[*n];
	enum record_reason reason = record_decode(c, rec);
	enum flow_class class;

	if (reason != RECORD_OK) {
		s->stats.refused_malformed[reason]++;
		return reason >= RECORD_BAD_PROTO;
	}
	class = flow_classify(s->filter, &rec->flow);
	if (class != FLOW_REPLICATED) {
		s->stats.refused_class[class]++;
		return true;
	}
	if (rec->op != DIRTY_DELETE)
		flow_lifetime_learn(&s->lifetimes, &rec->flow);
	mark(s, rec);
	++*n;
	return true;
}

int sink_apply(struct sink *s, const struct frame *batch, enum ctnl_mode mode)
{
	struct rcursor c = rcursor_make(batch->records, batch->records_len);
	size_t n = 0;

	for (uint16_t i = 0; i < batch->count; i++) {
		s->stats.received++;
		if (!take_record(s, &c, &n)) {
			apply(s, n, mode);
			return -EBADMSG;
		}
		if (n == CTNL_BATCH_MAX) {
			apply(s, n, mode);
			n = 0;
		}
	}
	apply(s, n, mode);
	return rcursor_done(&c) ? 0 : -EBADMSG;
}

/* --- marks and sweep ------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *h)
{
	free(h);
}

static void sweep_stop(struct sink *s)
{
	if (s->dump_poll == NULL)
		return;
	(void)uv_poll_stop(s->dump_poll);
	uv_close((uv_handle_t *)s->dump_poll, free_handle);
	s->dump_poll = NULL;
	close(s->dump_fd);
}

void sink_mark_drop(struct sink *s)
{
	sweep_stop(s);
	marks_free(s->marks);
	s->marks = NULL;
	s->marks_lost = false;
}

void sink_mark(struct sink *s, uint64_t id)
{
	sink_mark_drop(s);
	s->sweep_id = id;
	s->marks = marks_new(MAX_MARKS, s->hash_key);
	s->marks_lost = s->marks == NULL;
}

static void sweep_end(struct sink *s, bool again)
{
	sink_mark_drop(s);
	s->ops->swept(s->sweep_id, again, s->owner);
}

static void on_own(const struct flow *f, void *owner)
{
	struct sink *s = owner;
	enum mark_verdict verdict;

	/* The buffer is longer than any chunk of a dump; what did not fit is swept next time. */
	if (s->n_doomed == CTNL_BATCH_MAX || flow_classify(s->filter, f) != FLOW_REPLICATED)
		return;
	verdict = marks_check(s->marks, f);
	if (verdict == MARK_NAMED)
		return;
	if (verdict == MARK_DIFFERENT)
		s->sweep_again = true;
	s->recs[s->n_doomed++] = (struct record){.op = DIRTY_DELETE, .flow = *f};
}

static void on_sweep_readable(uv_poll_t *p, int status, int events)
{
	struct sink *s = p->data;
	struct ctnl_result res = {0};
	int r;

	(void)events;
	if (p != s->dump_poll)
		return;
	s->n_doomed = 0;
	r = status < 0 ? status : ctnl_dump_read(s->dump_fd, on_own, s);
	if (s->n_doomed > 0) {
		ctnl_apply(s->ctnl, s->recs, s->n_doomed, CTNL_REPLICA, &res);
		s->stats.swept += res.applied;
	}
	if (r > 0)
		return;
	if (s->sweep_again)
		s->stats.repaired++;
	sweep_end(s, r < 0 || s->sweep_again);
}

void sink_sweep(struct sink *s, uint64_t id)
{
	int fd;

	s->sweep_id = id;
	s->sweep_again = false;
	s->dump_poll = s->marks_lost || s->marks == NULL ? NULL : calloc(1, sizeof(*s->dump_poll));
	if (s->dump_poll == NULL) {
		s->ops->trouble("no memory to compare the tables with", s->owner);
		sweep_end(s, true);
		return;
	}
	fd = ctnl_dump_open();
	if (fd < 0 || uv_poll_init(s->loop, s->dump_poll, fd) < 0) {
		if (fd >= 0)
			close(fd);
		free(s->dump_poll);
		s->dump_poll = NULL;
		s->ops->trouble("this kernel's sessions cannot be read", s->owner);
		sweep_end(s, true);
		return;
	}
	s->dump_fd = fd;
	s->dump_poll->data = s;
	(void)uv_poll_start(s->dump_poll, UV_READABLE, on_sweep_readable);
}

/* --- life ------------------------------------------------------------------------------------ */

int sink_new(uv_loop_t *loop, const struct flow_filter *filter,
	const uint8_t hash_key[FLOW_HASH_KEY_BYTES], const struct sink_ops *ops, void *owner,
	struct sink **ret)
{
	struct sink *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	r = ctnl_new(&s->ctnl);
	if (r < 0) {
		free(s);
		return r;
	}
	s->loop = loop;
	s->filter = filter;
	s->ops = ops;
	s->owner = owner;
	memcpy(s->hash_key, hash_key, sizeof(s->hash_key));
	*ret = s;
	return 0;
}

void sink_close(struct sink *s)
{
	sink_mark_drop(s);
	ctnl_free(s->ctnl);
	free(s);
}

const struct flow_lifetimes *sink_lifetimes(const struct sink *s)
{
	return &s->lifetimes;
}

uint32_t sink_count(struct sink *s)
{
	uint32_t n = 0;

	return ctnl_count(s->ctnl, &n) == 0 ? n : 0;
}

const struct sink_stats *sink_get_stats(const struct sink *s)
{
	return &s->stats;
}
