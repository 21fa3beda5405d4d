/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctnetlink sockets; see ctnl.h. Changes go out without asking for acknowledgements, many requests
 * in one send(); the kernel answers failed requests only, each with the request's sequence number,
 * from which the next thing to try follows. Runs in syncd.
 */
#include "syncd/ctnl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "syncd/ctmsg.h"

#define EVENT_BYTES      4096 /* per datagram: one event */
#define EVENT_BATCH      32
#define DUMP_BYTES       ((size_t)64 << 10)
#define REQUEST_BYTES    ((size_t)64 << 10)
#define SOCKET_BUF_BYTES (4 << 20)
#define PASSES           4

static int open_socket(int rcvbuf)
{
	struct sockaddr_nl local = {.nl_family = AF_NETLINK};
	int one = 1, fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (fd < 0)
		return -errno;
	if ((setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) < 0 &&
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0) ||
		setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) < 0 ||
		bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* Walks one datagram. */
static const struct nlmsghdr *next_message(const uint8_t *buf, size_t n, size_t *at)
{
	const struct nlmsghdr *nlh = (const void *)(buf + *at);

	if (n < *at + sizeof(*nlh) || nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > n - *at)
		return NULL;
	*at += NLMSG_ALIGN(nlh->nlmsg_len);
	return nlh;
}

static int error_of(const struct nlmsghdr *nlh)
{
	int32_t code = -EBADMSG;

	if (nlh->nlmsg_len >= NLMSG_HDRLEN + sizeof(code))
		memcpy(&code, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(code));
	return code;
}

/* --- events ---------------------------------------------------------------------------------- */

int ctnl_events_open(void)
{
	return open_socket(CTNL_EVENT_RCVBUF_BYTES);
}

int ctnl_events_subscribe(int fd, bool on)
{
	static const int groups[] = {
		NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK,
			    on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &groups[i],
			    sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

static void on_event(
	const struct nlmsghdr *nlh, uint32_t ignored_port, ctnl_event_fn *fn, void *owner)
{
	enum ctnl_event type;
	struct flow f;

	if (ignored_port != 0 && nlh->nlmsg_pid == ignored_port)
		return;
	if (nlh->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE))
		type = CTNL_EVENT_DESTROY;
	else if (nlh->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW))
		type = nlh->nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL) ? CTNL_EVENT_NEW
								      : CTNL_EVENT_UPDATE;
	else
		return;
	if (ctmsg_parse(nlh, &f))
		fn(type, &f, owner);
}

int ctnl_events_read(int fd, int max, uint32_t ignored_port, ctnl_event_fn *fn, void *owner)
{
	static uint8_t bufs[EVENT_BATCH][EVENT_BYTES] __attribute__((aligned(8)));
	struct mmsghdr msgs[EVENT_BATCH];
	struct iovec iov[EVENT_BATCH];
	int total = 0;

	memset(msgs, 0, sizeof(msgs));
	for (size_t i = 0; i < EVENT_BATCH; i++) {
		iov[i] = (struct iovec){bufs[i], sizeof(bufs[i])};
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	while (total < max) {
		int n = recvmmsg(fd, msgs, EVENT_BATCH, MSG_DONTWAIT, NULL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? total : -errno;
		for (int i = 0; i < n; i++) {
			const struct nlmsghdr *nlh;
			size_t at = 0;

			if (msgs[i].msg_hdr.msg_flags & MSG_TRUNC)
				return -ENOBUFS;
			while ((nlh = next_message(bufs[i], msgs[i].msg_len, &at)) != NULL)
				on_event(nlh, ignored_port, fn, owner);
		}
		total += n;
		if (n < EVENT_BATCH)
			break;
	}
	return total;
}

static void ignore_event(enum ctnl_event type, const struct flow *f, void *owner)
{
	(void)type;
	(void)f;
	(void)owner;
}

void ctnl_events_discard(int fd)
{
	int r;

	do
		r = ctnl_events_read(fd, EVENT_BATCH, 0, ignore_event, NULL);
	while (r > 0 || r == -ENOBUFS);
}

/* --- dumps ----------------------------------------------------------------------------------- */

int ctnl_dump_open(void)
{
	uint8_t buf[CTMSG_MAX_BYTES];
	size_t n = ctmsg_put_dump(buf, 1);
	int fd = open_socket(SOCKET_BUF_BYTES);

	if (fd >= 0 && send(fd, buf, n, 0) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

int ctnl_dump_read(int fd, ctnl_flow_fn *fn, void *owner)
{
	static uint8_t buf[DUMP_BYTES] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh;
	size_t at = 0;
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -errno;
	if ((size_t)n > sizeof(buf))
		return -EMSGSIZE;
	while ((nlh = next_message(buf, (size_t)n, &at)) != NULL) {
		struct flow f;

		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EAGAIN;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return error_of(nlh);
		if (ctmsg_parse(nlh, &f))
			fn(&f, owner);
	}
	return 1;
}

/* --- changes --------------------------------------------------------------------------------- */

/* What to try for a record; each failure leads to the next, and nothing is tried twice. */
enum attempt {
	ATTEMPT_DONE,
	ATTEMPT_DELETE,
	ATTEMPT_CREATE,
	ATTEMPT_UPDATE,
	ATTEMPT_REPLACE, /* delete whatever has either direction, then create */
};

/* Requests of one record, in the low bits of the sequence number. */
enum part { PART_MAIN, PART_DELETE, PART_DELETE_REPLY };

struct work {
	enum attempt attempt;
	unsigned tried; /* bit set of attempts */
	int err;
};

struct ctnl {
	int fd;
	bool create_first; /* what the last batches' updates turned out to be */
	size_t len;
	uint8_t out[REQUEST_BYTES];
	struct work work[CTNL_BATCH_MAX];
};

int ctnl_new(struct ctnl **ret)
{
	struct ctnl *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->fd = open_socket(SOCKET_BUF_BYTES);
	if (c->fd < 0) {
		int r = c->fd;

		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void ctnl_free(struct ctnl *c)
{
	if (c == NULL)
		return;
	close(c->fd);
	free(c);
}

static void note_error(struct ctnl *c, const struct nlmsghdr *nlh, size_t n)
{
	size_t i = nlh->nlmsg_seq >> 2;
	enum part part = (enum part)(nlh->nlmsg_seq & 3);
	int err = error_of(nlh);

	if (i >= n || err == 0 || (part != PART_MAIN && err == -ENOENT))
		return;
	if (part == PART_MAIN || c->work[i].err == 0)
		c->work[i].err = err;
}

/* Sends what was collected and takes in what failed. -ENOBUFS etc.: nobody knows what did. */
static int flush(struct ctnl *c, size_t n)
{
	static uint8_t buf[DUMP_BYTES] __attribute__((aligned(8)));
	size_t len = c->len;

	c->len = 0;
	if (len > 0 && send(c->fd, c->out, len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *nlh;
		size_t at = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		while ((nlh = next_message(buf, (size_t)got, &at)) != NULL)
			if (nlh->nlmsg_type == NLMSG_ERROR)
				note_error(c, nlh, n);
	}
}

/* A copy is held; what is in use on both nodes for a moment is not, and neither is what no packet
 * can refresh. */
static uint32_t kernel_timeout(const struct record *rec, enum ctnl_mode mode)
{
	uint32_t left = rec->flow.timeout_s;

	if (rec->flow.status & IPS_FIXED_TIMEOUT)
		return left > 0 ? left : 1;
	left += rec->slack_s;
	if (mode == CTNL_REPLICA)
		return FLOW_HELD_S + left;
	return left > 0 ? left : 1;
}

static void put_requests(struct ctnl *c, const struct record *rec, enum attempt attempt,
	enum ctnl_mode mode, uint32_t i)
{
	uint32_t seq = i << 2, timeout_s = kernel_timeout(rec, mode);

	switch (attempt) {
	case ATTEMPT_DONE:
		return;
	case ATTEMPT_DELETE:
		c->len += ctmsg_put_delete(c->out + c->len, &rec->flow.key, seq | PART_MAIN);
		return;
	case ATTEMPT_UPDATE:
		c->len += ctmsg_put_update(c->out + c->len, &rec->flow, timeout_s, seq | PART_MAIN);
		return;
	case ATTEMPT_REPLACE:
		c->len += ctmsg_put_delete(c->out + c->len, &rec->flow.key, seq | PART_DELETE);
		c->len += ctmsg_put_delete_reply(
			c->out + c->len, &rec->flow, seq | PART_DELETE_REPLY);
		c->len += ctmsg_put_create(c->out + c->len, &rec->flow, timeout_s, seq | PART_MAIN);
		return;
	case ATTEMPT_CREATE:
		c->len += ctmsg_put_create(c->out + c->len, &rec->flow, timeout_s, seq | PART_MAIN);
		return;
	}
}

static enum attempt first_attempt(const struct ctnl *c, enum dirty_op op, enum ctnl_mode mode)
{
	switch (op) {
	case DIRTY_DELETE:
		return ATTEMPT_DELETE;
	case DIRTY_CREATE:
		return ATTEMPT_CREATE;
	case DIRTY_REPLACE:
		return mode == CTNL_REPLICA ? ATTEMPT_REPLACE : ATTEMPT_UPDATE;
	case DIRTY_UPDATE:
		break;
	}
	return c->create_first ? ATTEMPT_CREATE : ATTEMPT_UPDATE;
}

static bool may_try(const struct work *w, enum attempt a)
{
	return (w->tried & 1u << a) == 0;
}

static enum attempt next_attempt(const struct work *w, enum dirty_op op, enum ctnl_mode mode)
{
	bool missing = w->err == -ENOENT, present = w->err == -EEXIST;

	if (w->err == 0 || op == DIRTY_DELETE || w->err == -ENOMEM)
		return ATTEMPT_DONE;
	if (w->attempt == ATTEMPT_UPDATE && missing && may_try(w, ATTEMPT_CREATE))
		return ATTEMPT_CREATE;
	if (w->attempt == ATTEMPT_CREATE && present && may_try(w, ATTEMPT_UPDATE) &&
		(op == DIRTY_UPDATE || mode == CTNL_HANDOVER))
		return ATTEMPT_UPDATE;
	if (mode == CTNL_REPLICA && may_try(w, ATTEMPT_REPLACE))
		return ATTEMPT_REPLACE;
	return ATTEMPT_DONE;
}

static int run_pass(struct ctnl *c, const struct record *recs, size_t n, enum ctnl_mode mode)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct work *w = &c->work[i];

		if (w->attempt == ATTEMPT_DONE)
			continue;
		w->tried |= 1u << w->attempt;
		w->err = 0;
		if (c->len + (size_t)3 * CTMSG_MAX_BYTES > sizeof(c->out))
			r = flush(c, n);
		put_requests(c, &recs[i], w->attempt, mode, (uint32_t)i);
	}
	return r == 0 ? flush(c, n) : r;
}

/* A wrong first guess costs one more request: follow what most updates turn out to be. */
static void learn(struct ctnl *c, const struct record *recs, size_t n)
{
	size_t updates = 0, wrong = 0;

	for (size_t i = 0; i < n; i++) {
		if (recs[i].op != DIRTY_UPDATE)
			continue;
		updates++;
		wrong += c->work[i].err == (c->create_first ? -EEXIST : -ENOENT) ? 1 : 0;
	}
	if (wrong > updates / 2)
		c->create_first = !c->create_first;
}

static void count_results(
	const struct ctnl *c, const struct record *recs, size_t n, struct ctnl_result *res)
{
	for (size_t i = 0; i < n; i++) {
		int err = c->work[i].err;

		if (err == 0 || (recs[i].op == DIRTY_DELETE && err == -ENOENT)) {
			res->applied++;
		} else {
			res->failed++;
			res->last_errno = err;
		}
	}
}

void ctnl_apply(struct ctnl *c, const struct record *recs, size_t n, enum ctnl_mode mode,
	struct ctnl_result *res)
{
	bool more = true;

	for (size_t i = 0; i < n; i++)
		c->work[i] = (struct work){.attempt = first_attempt(c, recs[i].op, mode)};
	for (int pass = 0; pass < PASSES && more; pass++) {
		int r = run_pass(c, recs, n, mode);

		if (r < 0) {
			res->failed += n;
			res->last_errno = r;
			c->len = 0;
			return;
		}
		if (pass == 0)
			learn(c, recs, n);
		more = false;
		for (size_t i = 0; i < n; i++) {
			struct work *w = &c->work[i];

			if (w->attempt != ATTEMPT_DONE)
				w->attempt = next_attempt(w, recs[i].op, mode);
			more |= w->attempt != ATTEMPT_DONE;
		}
	}
	count_results(c, recs, n, res);
}

void ctnl_set_timeouts(struct ctnl *c, const struct flow *flows, size_t n, struct ctnl_result *res)
{
	int r = 0;

	memset(c->work, 0, n * sizeof(c->work[0]));
	for (size_t i = 0; i < n && r == 0; i++) {
		if (c->len + CTMSG_MAX_BYTES > sizeof(c->out))
			r = flush(c, n);
		c->len += ctmsg_put_timeout(c->out + c->len, &flows[i].key, flows[i].timeout_s,
			(uint32_t)i << 2 | PART_MAIN);
	}
	if (r == 0)
		r = flush(c, n);
	for (size_t i = 0; i < n; i++) {
		int err = r < 0 ? r : c->work[i].err;

		res->applied += err == 0 ? 1 : 0;
		res->failed += err != 0 && err != -ENOENT ? 1 : 0;
		if (err != 0)
			res->last_errno = err;
	}
	c->len = 0;
}

uint32_t ctnl_port(const struct ctnl *c)
{
	struct sockaddr_nl local = {0};
	socklen_t len = sizeof(local);

	return getsockname(c->fd, (struct sockaddr *)&local, &len) == 0 ? local.nl_pid : 0;
}

int ctnl_count(struct ctnl *c, uint32_t *ret)
{
	uint8_t buf[4096] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh;
	size_t at = 0;
	ssize_t n;

	if (send(c->fd, buf, ctmsg_put_count(buf, 0), 0) < 0)
		return -errno;
	n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	nlh = next_message(buf, (size_t)n, &at);
	if (nlh != NULL && nlh->nlmsg_type == NLMSG_ERROR)
		return error_of(nlh) < 0 ? error_of(nlh) : -EBADMSG;
	return nlh != NULL && ctmsg_parse_count(nlh, ret) ? 0 : -EBADMSG;
}
