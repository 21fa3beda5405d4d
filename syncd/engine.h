/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd's middle: carries events to the replica core and its actions to link, source and sink. Owns
 * those three and the core's state. Knows neither protobuf nor the supervisor. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_ENGINE_H
#define GATEPAIR_SYNCD_ENGINE_H

#include <uv.h>

#include "common/config.h"
#include "syncd/link.h"
#include "syncd/replica.h"
#include "syncd/sink.h"
#include "syncd/source.h"

struct engine;

struct engine_ops {
	void (*changed)(void *owner); /* in sync, connected, role or the reason */
	void (*peer_key)(const uint8_t key[IDENTITY_PEER_KEY_BYTES], void *owner);
	void (*trouble)(const char *text, void *owner);
};

/* Opens the kernel's sockets. 0 or negative errno. */
int engine_new(uv_loop_t *loop, const struct engine_ops *ops, void *owner, struct engine **ret)
	__attribute__((warn_unused_result));
void engine_close(struct engine *e, void (*done)(void *owner));

/* Whether the sync section can be used, with a sentence if not. Changes nothing. */
int engine_check(const struct config *cfg, char *why, size_t why_size)
	__attribute__((warn_unused_result));
/* `cfg` may go away afterwards. A link whose settings are the same stays up. */
void engine_configure(struct engine *e, const struct config *cfg);
/* The sync interface has this index now; it was made anew if it had another. */
void engine_set_ifindex(struct engine *e, unsigned ifindex);
/* An address of this node that the configuration does not name (DHCP). */
void engine_set_address(struct engine *e, const char *ifname, const struct config_prefix *addr);

/* Answers within milliseconds, whatever the number of sessions. */
void engine_promote(struct engine *e, uint64_t term, bool handover);
void engine_demote(struct engine *e, uint64_t term);
void engine_flush(struct engine *e, usec_t timeout, void (*done)(int err, void *arg), void *arg);

struct engine_status {
	const struct replica *replica;
	const struct sink_stats *sink;
	const struct link *link; /* NULL: not configured */
	struct source_stats source;
	uint64_t sessions, sessions_replicated, restored;
};

void engine_get_status(struct engine *e, struct engine_status *ret);
/* Of a session in this kernel: whether it is replicated. */
bool engine_replicates(const struct engine *e, const struct flow *f);

#endif
