/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink sockets (see nl.h), with libmnl for the messages. Only datagrams from the kernel itself
 * (port 0) are looked at.
 */
#include "netcfgd/nl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RECEIVE_BUFFER (4 << 20)
#define SEND_BUFFER    (4 << 20)
/* The kernel answers at once; this only keeps a kernel fault from hanging the daemon. */
#define ANSWER_TIMEOUT_S 2

/* One thread: a datagram is dealt with before the next one is read. */
static char rx[64 << 10] __attribute__((aligned(8)));

static int enable(int fd, int option)
{
	int one = 1;

	return setsockopt(fd, SOL_NETLINK, option, &one, sizeof(one)) < 0 ? -errno : 0;
}

static int open_socket(struct nl *n, int protocol, int flags)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(addr);
	int receive = RECEIVE_BUFFER, send = SEND_BUFFER;

	n->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
	if (n->fd < 0)
		return -errno;
	if (bind(n->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		getsockname(n->fd, (struct sockaddr *)&addr, &len) < 0)
		goto fail;
	n->portid = addr.nl_pid;
	n->seq = 1;
	/* More than the limit needs CAP_NET_ADMIN, which netcfgd has. */
	if (setsockopt(n->fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive)) < 0 ||
		setsockopt(n->fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof(send)) < 0)
		goto fail;
	return 0;
fail:
	nl_close(n);
	return -errno;
}

int nl_open(struct nl *n, int protocol)
{
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	int rc = open_socket(n, protocol, 0);

	if (rc)
		return rc;
	rc = enable(n->fd, NETLINK_CAP_ACK);
	if (!rc)
		rc = enable(n->fd, NETLINK_EXT_ACK);
	/* Routing tables can be large: let the kernel filter dumps. nfnetlink knows nothing of it.
	 */
	if (!rc && protocol == NETLINK_ROUTE)
		rc = enable(n->fd, NETLINK_GET_STRICT_CHK);
	if (!rc && setsockopt(n->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		rc = -errno;
	if (rc)
		nl_close(n);
	return rc;
}

int nl_open_events(struct nl *n, int protocol, const unsigned *groups, size_t n_groups)
{
	int rc = open_socket(n, protocol, SOCK_NONBLOCK);

	for (size_t i = 0; i < n_groups && !rc; i++)
		if (setsockopt(n->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			    sizeof(groups[i])) < 0)
			rc = -errno;
	if (rc)
		nl_close(n);
	return rc;
}

void nl_close(struct nl *n)
{
	int saved = errno;

	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	errno = saved;
}

static int transmit(struct nl *n, const void *buf, size_t len)
{
	static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent;

	do {
		sent = sendto(n->fd, buf, len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Bytes in rx; a stranger's datagram counts as none. */
static int receive(struct nl *n, size_t *ret_len)
{
	struct sockaddr_nl from;
	socklen_t from_len = sizeof(from);
	ssize_t got;

	do {
		got = recvfrom(
			n->fd, rx, sizeof(rx), MSG_TRUNC, (struct sockaddr *)&from, &from_len);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if ((size_t)got > sizeof(rx))
		return -ENOBUFS;
	*ret_len = from.nl_pid == 0 ? (size_t)got : 0;
	return 0;
}

static const struct nlmsghdr *header(const void *p)
{
	return p;
}

static int error_of(const struct nlmsghdr *nlh)
{
	int err;

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -EBADMSG;
	memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	return err;
}

struct dump {
	uint32_t seq;
	bool done, changed;
	int err;
};

static void dump_datagram(
	struct dump *d, size_t len, void (*on_message)(const struct nlmsghdr *, void *), void *arg)
{
	int left = (int)len;

	for (const struct nlmsghdr *nlh = header(rx); mnl_nlmsg_ok(nlh, left) && !d->done;
		nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_seq != d->seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			d->changed = true;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			d->err = error_of(nlh);
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE)
			d->done = true;
		else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE)
			on_message(nlh, arg);
	}
}

int nl_dump(struct nl *n, struct nlmsghdr *req, void (*on_message)(const struct nlmsghdr *, void *),
	void *arg)
{
	struct dump d = {.seq = n->seq};
	size_t len = 0;
	int rc;

	req->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	req->nlmsg_seq = n->seq++;
	rc = transmit(n, req, req->nlmsg_len);
	while (!rc && !d.done) {
		rc = receive(n, &len);
		if (!rc)
			dump_datagram(&d, len, on_message, arg);
	}
	if (rc)
		return rc;
	return d.err ? d.err : d.changed ? -EINTR : 0;
}

static int on_ack_attr(const struct nlattr *attr, void *arg)
{
	const char **text = arg;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*text = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

static const char *ack_text(const struct nlmsghdr *nlh)
{
	const char *text = "";

	if ((nlh->nlmsg_flags & NLM_F_ACK_TLVS) && (nlh->nlmsg_flags & NLM_F_CAPPED) &&
		mnl_attr_parse(nlh, sizeof(struct nlmsgerr), on_ack_attr, &text) < 0)
		return "";
	return text;
}

int nl_send_acked(struct nl *n, const void *buf, size_t len, uint32_t first, uint32_t last,
	nl_ack_fn *on_ack, void *arg)
{
	bool each = header(buf)->nlmsg_flags & NLM_F_ACK, done = false;
	int rc = transmit(n, buf, len);

	while (!rc && !done) {
		size_t got = 0;
		int left;

		rc = receive(n, &got);
		left = (int)got;
		for (const struct nlmsghdr *nlh = header(rx); !rc && mnl_nlmsg_ok(nlh, left);
			nlh = mnl_nlmsg_next(nlh, &left)) {
			uint32_t seq = nlh->nlmsg_seq;
			int err;

			/* A late answer to an earlier request that timed out. */
			if (nlh->nlmsg_type != NLMSG_ERROR || seq - first > last - first)
				continue;
			err = error_of(nlh);
			on_ack(seq, err, err ? ack_text(nlh) : "", arg);
			done = done || seq == last || (err && seq == first && !each);
		}
	}
	return rc;
}

int nl_events(struct nl *n, int max, void (*on_message)(const struct nlmsghdr *, void *), void *arg)
{
	int datagrams = 0;

	while (datagrams < max) {
		size_t got = 0;
		int rc = receive(n, &got), left = (int)got;

		if (rc == -EAGAIN)
			break;
		if (rc)
			return rc;
		for (const struct nlmsghdr *nlh = header(rx); mnl_nlmsg_ok(nlh, left);
			nlh = mnl_nlmsg_next(nlh, &left))
			on_message(nlh, arg);
		datagrams++;
	}
	return datagrams;
}
