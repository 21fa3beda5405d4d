/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's connection tracking by ctnetlink: events, dumps, and changes in batches. Owns the
 * netlink sockets; whoever uses it watches their fds. The kernel works on requests within send(),
 * so a batch has been applied when ctnl_apply() returns. Runs in syncd, needs CAP_NET_ADMIN.
 */
#ifndef GATEPAIR_SYNCD_CTNL_H
#define GATEPAIR_SYNCD_CTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "syncd/record.h"

#define CTNL_EVENT_RCVBUF_BYTES (32 << 20)
#define CTNL_BATCH_MAX          1024 /* records in one ctnl_apply() */

/* --- events ---------------------------------------------------------------------------------- */

enum ctnl_event { CTNL_EVENT_NEW, CTNL_EVENT_UPDATE, CTNL_EVENT_DESTROY };
typedef void ctnl_event_fn(enum ctnl_event type, const struct flow *f, void *owner);

/* A non-blocking socket that hears nothing yet; negative errno on failure. */
int ctnl_events_open(void);
int ctnl_events_subscribe(int fd, bool on) __attribute__((warn_unused_result));
/* At most `max` datagrams. How many; -ENOBUFS: events were lost; or another negative errno. 0:
 * there are none now. Events of changes made through the socket `ignored_port` are left out. */
int ctnl_events_read(int fd, int max, uint32_t ignored_port, ctnl_event_fn *fn, void *owner)
	__attribute__((warn_unused_result));
void ctnl_events_discard(int fd);

/* --- dumps ----------------------------------------------------------------------------------- */

typedef void ctnl_flow_fn(const struct flow *f, void *owner);

/* Starts a dump of the whole table; the fd, non-blocking, is closed by the caller at any time. */
int ctnl_dump_open(void);
/* One chunk, of fewer than CTNL_BATCH_MAX sessions. 1: more to come (also when nothing was there to
 * be read), 0: complete, or negative errno (-EAGAIN: the table changed its shape meanwhile). */
int ctnl_dump_read(int fd, ctnl_flow_fn *fn, void *owner) __attribute__((warn_unused_result));

/* --- changes --------------------------------------------------------------------------------- */

struct ctnl;

enum ctnl_mode {
	CTNL_REPLICA,  /* the table is a copy: what is in the way is removed, entries are held */
	CTNL_HANDOVER, /* the table is in use: nothing that carries traffic is removed to be remade
			*/
};

struct ctnl_result {
	uint64_t applied, failed;
	int last_errno; /* of a failure */
};

int ctnl_new(struct ctnl **ret) __attribute__((warn_unused_result));
void ctnl_free(struct ctnl *c); /* NULL is fine */
/* At most CTNL_BATCH_MAX records, in order. Adds to *res. Creation of what exists updates it, an
 * update of what is missing creates it, deletion of what is missing succeeds. */
void ctnl_apply(struct ctnl *c, const struct record *recs, size_t n, enum ctnl_mode mode,
	struct ctnl_result *res);
/* Gives each its `timeout_s`, at least 1, and changes nothing else. At most CTNL_BATCH_MAX. Adds to
 * *res; what is gone meanwhile is no failure. */
void ctnl_set_timeouts(struct ctnl *c, const struct flow *flows, size_t n, struct ctnl_result *res);
uint32_t ctnl_port(const struct ctnl *c); /* its address; 0: not known */
/* Entries in the kernel's table, of whatever kind. */
int ctnl_count(struct ctnl *c, uint32_t *ret) __attribute__((warn_unused_result));

#endif
