/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink sockets: dumps, batches of acknowledged writes, notifications. The kernel answers inside
 * the system call that asks, so requests are made blocking; notifications are not.
 */
#ifndef GATEPAIR_NETCFGD_NL_H
#define GATEPAIR_NETCFGD_NL_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

struct nl {
	int fd; /* -1: closed */
	uint32_t portid, seq;
};

int nl_open(struct nl *n, int protocol) __attribute__((warn_unused_result));
/* For notifications: non-blocking, with room for bursts, in the given groups. */
int nl_open_events(struct nl *n, int protocol, const unsigned *groups, size_t n_groups)
	__attribute__((warn_unused_result));
void nl_close(struct nl *n);

/* Sends `req` with NLM_F_DUMP and calls `on_message` for each answer. -EINTR: the table changed
 * meanwhile, ask again. */
int nl_dump(struct nl *n, struct nlmsghdr *req, void (*on_message)(const struct nlmsghdr *, void *),
	void *arg) __attribute__((warn_unused_result));

/* Sends a buffer of messages and reads acknowledgements up to that of sequence number `last` (or
 * an error of `first`, if that is the start of a transaction and asks for no answer). `text` is the
 * kernel's own words, or "". */
typedef void nl_ack_fn(uint32_t seq, int err, const char *text, void *arg);
int nl_send_acked(struct nl *n, const void *buf, size_t len, uint32_t first, uint32_t last,
	nl_ack_fn *on_ack, void *arg) __attribute__((warn_unused_result));

/* Reads at most `max` datagrams of notifications. >0: how many; 0: none waiting; -ENOBUFS: some
 * were lost. */
int nl_events(struct nl *n, int max, void (*on_message)(const struct nlmsghdr *, void *), void *arg)
	__attribute__((warn_unused_result));

#endif
