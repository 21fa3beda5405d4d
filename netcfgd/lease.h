/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address lease, a pure core (netcfgd; DESIGN: "Address leases"). One lease covers all virtual
 * addresses of the node and its forwarding. vrrpd acquires it under a term and keeps renewing it;
 * when it runs out, netcfgd gives up the addresses by itself, whatever became of vrrpd.
 *
 * Usage: one lease_step() per event; carry out the action it returns, then send the reply. After
 * each step arm one timer for lease_due(); when it fires, lease_wait() asks for one more turn of
 * the loop, or LEASE_EV_TICK is due. No I/O, no clock: `now` is given, and never goes back.
 *
 * Time: a request counts from when it was sent, not from when it is read, since this process may
 * have waited for the kernel, or been frozen, in between. So the lease ends when vrrpd believes it
 * does, and a renewal sent in time is never too late: a queue of them extends the lease step by
 * step, and only an event that is none finds that it has run out.
 *
 * Terms: a request with a term older than the newest one seen is refused, except QUERY. A renewal
 * under a newer term moves the held lease to that term. An adopted lease (addresses found in the
 * kernel at start) has term 0 and takes the term of the first renewal.
 */
#ifndef GATEPAIR_NETCFGD_LEASE_H
#define GATEPAIR_NETCFGD_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define LEASE_ADOPT_TTL  (1 * USEC_PER_SEC)   /* how long an adopted lease waits for vrrpd */
#define LEASE_TTL_MAX    (130 * USEC_PER_SEC) /* 3 × the longest advert interval, and some */
#define LEASE_KERNEL_LFT 3                    /* s, valid_lft of a virtual address: the backstop */
#define LEASE_REFRESH    (1 * USEC_PER_SEC)   /* how often that lifetime is renewed */

enum lease_event_kind {
	LEASE_EV_QUERY,
	LEASE_EV_ACQUIRE,     /* term ≥ 1, ttl > 0 */
	LEASE_EV_RENEW,       /* term ≥ 1, ttl > 0 */
	LEASE_EV_RELEASE,     /* term */
	LEASE_EV_TICK,        /* the timer; harmless at any time */
	LEASE_EV_ADOPT,       /* once, at start: the addresses are up and forwarding is open */
	LEASE_EV_TAKE_FAILED, /* the kernel refused what LEASE_ACT_TAKE asked for */
	LEASE_EV_STOP,        /* orderly stop of netcfgd */
};

struct lease_event {
	enum lease_event_kind kind;
	uint64_t term;
	usec_t ttl; /* from when it was sent; more than LEASE_TTL_MAX counts as that */
	usec_t age; /* how long ago the request was sent; 0: just now */
};

enum lease_action {
	LEASE_ACT_NONE,
	LEASE_ACT_TAKE,    /* all virtual addresses, then open the gate; does nothing if so already.
			    * On failure: LEASE_EV_TAKE_FAILED, whose step gives action and reply */
	LEASE_ACT_REFRESH, /* renew the kernel lifetime of the virtual addresses */
	LEASE_ACT_DROP,    /* close the gate, remove all virtual addresses, at once */
};

/* Numbered as the protocol's LeaseResult. */
enum lease_result {
	LEASE_RES_OK = 0,
	LEASE_RES_STALE_TERM = 1,
	LEASE_RES_NOT_HELD =
		2, /* RENEW sent after the end; ACQUIRE whose ttl was over on receipt */
	LEASE_RES_FAILED = 3,
};

struct lease_reply {
	enum lease_result result;
	bool held;
	uint64_t
		term; /* of the lease held, else the newest seen; 0: none since start, or adopted */
	usec_t remaining; /* 0 when not held */
	bool adopted;
};

struct lease_out {
	enum lease_action action;
	struct lease_reply reply; /* for QUERY, ACQUIRE, RENEW, RELEASE and TAKE_FAILED */
	const char *why;          /* static; NULL unless `held` or the term changed */
};

struct lease {
	bool held;
	bool adopted;
	uint64_t term;   /* of the lease held; 0 while adopted */
	uint64_t newest; /* term seen since start; never goes back */
	usec_t until;    /* held: runs out at this instant */
	usec_t waited;   /* the end for which lease_wait() has granted a turn */
	usec_t refresh;  /* held: next renewal of the kernel lifetime */
	uint64_t lapses; /* leases that ran out */
};

void lease_init(struct lease *l);
struct lease_out lease_step(struct lease *l, const struct lease_event *ev, usec_t now);
/* When LEASE_EV_TICK is needed; USEC_NEVER: not. */
usec_t lease_due(const struct lease *l);
/* The lease is over by `now`, unless a request that nobody has read yet renewed it. */
bool lease_overdue(const struct lease *l, usec_t now);
/* True: overdue, so let the loop read what waits before LEASE_EV_TICK. Once for each end. */
bool lease_wait(struct lease *l, usec_t now);

#endif
