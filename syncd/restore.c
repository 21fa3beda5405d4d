/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * True timeouts after a promotion; see restore.h. One chunk of the dump is read and written back
 * per turn, and the pause until the next is a multiple of the time it took.
 *
 * A packet may refresh an entry between the kernel's writing of the chunk and our update, which
 * then takes that refresh back: for the length of one pause. It is only of consequence to a session
 * that was not expected to be refreshed (those have their whole timeout in the copy, shadow.h), and
 * only until its next packet. Runs in syncd on the Active.
 */
#include "syncd/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/timer.h"
#include "syncd/ctnl.h"

#define FIRST_AFTER (500 * USEC_PER_MS) /* the takeover itself comes first */
#define PAUSE_MIN   (2 * USEC_PER_MS)
#define PAUSE_SHARE 4
#define RETRY_AFTER (1 * USEC_PER_SEC)
#define PASSES      4 /* until one finds nothing; an entry that cannot be changed ends it too */

struct restore {
	const struct flow_lifetimes *lifetimes;
	struct ctnl *ctnl;
	struct timer timer;
	int dump_fd; /* -1: none runs */
	int passes;
	uint64_t count;
	size_t found; /* in this pass */
	size_t n;
	struct flow flows[CTNL_BATCH_MAX];
};

static void dump_close(struct restore *r)
{
	if (r->dump_fd >= 0)
		close(r->dump_fd);
	r->dump_fd = -1;
}

static void on_flow(const struct flow *f, void *owner)
{
	struct restore *r = owner;
	uint32_t whole = flow_lifetime_s(r->lifetimes, f);
	struct flow *fixed = &r->flows[r->n];

	if (!f->held || r->n == CTNL_BATCH_MAX)
		return;
	*fixed = *f;
	if (whole > 0 && fixed->timeout_s > whole)
		fixed->timeout_s = whole;
	/* Not deleted: a packet may be using it at this moment. */
	if (fixed->timeout_s == 0)
		fixed->timeout_s = 1;
	r->n++;
}

static void write_back(struct restore *r)
{
	struct ctnl_result res = {0};

	if (r->n == 0)
		return;
	ctnl_set_timeouts(r->ctnl, r->flows, r->n, &res);
	r->count += res.applied;
	r->found += r->n;
	if (res.failed > 0)
		log_info("timeouts that could not be set: count=%llu error=%s",
			(unsigned long long)res.failed, strerror(-res.last_errno));
}

/* Whether another one is to be made. */
static bool pass_end(struct restore *r)
{
	dump_close(r);
	r->passes++;
	if (r->found > 0 && r->passes < PASSES)
		return true;
	log_info("timeouts are the sessions' own again: count=%llu", (unsigned long long)r->count);
	return false;
}

static void on_timer(struct timer *t, usec_t now)
{
	struct restore *r = t->owner;
	usec_t pause;
	int more;

	if (r->dump_fd < 0) {
		r->found = 0;
		r->dump_fd = ctnl_dump_open();
	}
	r->n = 0;
	more = r->dump_fd < 0 ? r->dump_fd : ctnl_dump_read(r->dump_fd, on_flow, r);
	write_back(r);
	if (more < 0) {
		dump_close(r);
		timer_set(&r->timer, now + RETRY_AFTER);
		return;
	}
	if (more == 0 && !pass_end(r))
		return;
	pause = PAUSE_SHARE * (clock_now_us() - now);
	timer_set(&r->timer, clock_now_us() + (pause > PAUSE_MIN ? pause : PAUSE_MIN));
}

void restore_start(struct restore *r)
{
	dump_close(r);
	r->passes = 0;
	timer_set(&r->timer, clock_now_us() + FIRST_AFTER);
}

void restore_stop(struct restore *r)
{
	dump_close(r);
	timer_set(&r->timer, USEC_NEVER);
}

uint64_t restore_count(const struct restore *r)
{
	return r->count;
}

uint32_t restore_port(const struct restore *r)
{
	return ctnl_port(r->ctnl);
}

int restore_new(uv_loop_t *loop, const struct flow_lifetimes *lifetimes, struct restore **ret)
{
	struct restore *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->lifetimes = lifetimes;
	r->dump_fd = -1;
	err = ctnl_new(&r->ctnl);
	if (err == 0)
		err = timer_init(&r->timer, loop, on_timer, r);
	if (err < 0) {
		ctnl_free(r->ctnl);
		free(r);
		return err;
	}
	*ret = r;
	return 0;
}

static void on_closed(struct timer *t)
{
	struct restore *r = t->owner;

	ctnl_free(r->ctnl);
	free(r);
}

void restore_close(struct restore *r)
{
	dump_close(r);
	timer_close(&r->timer, on_closed);
}
