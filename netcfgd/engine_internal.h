/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between engine.c (lease, configuration, events), settle.c (rounds, errors, repairs) and
 * engine_wan.c (leases of WAN interfaces).
 */
#ifndef GATEPAIR_NETCFGD_ENGINE_INTERNAL_H
#define GATEPAIR_NETCFGD_ENGINE_INTERNAL_H

#include "netcfgd/engine.h"

#define REPAIR_GAP  (5 * USEC_PER_MS)  /* between repairs: two daemons may fight over a setting */
#define FAILED_GAP  (25 * USEC_PER_MS) /* the same while something is refused */
#define RETRY_GAP   (1 * USEC_PER_SEC) /* for what the kernel refused */
#define URGENT_GAP  (10 * USEC_PER_MS) /* for a virtual address that would not go */
#define SWEEP_EVERY (5 * USEC_PER_SEC) /* looks at all kernel switches */
#define SWEEP_STEP  (5 * USEC_PER_MS)  /* between the turns of the loop that it takes */

/* CONFIG: everything is to be done now. REPAIR: others have changed something: say so, count it,
 * damp it. RETRY: what was refused or put off; what is damped waits. */
enum settle_mode { SETTLE_CONFIG, SETTLE_REPAIR, SETTLE_RETRY };

int engine_build(const struct engine *e, const struct config *cfg, struct desired **ret, char *why,
	size_t why_size) __attribute__((warn_unused_result));

/* Takes in what the kernel has told; e->seen says whether there was anything. */
int engine_look(struct engine *e) __attribute__((warn_unused_result));
/* Plan and apply until there is nothing left to do, or nothing that can be done. */
void engine_settle(struct engine *e, enum settle_mode mode, usec_t now);
/* Only what must change at once with the lease; a look at the rest follows. */
void engine_settle_lease(struct engine *e, usec_t now);
/* Leaves a plan of what is to be repaired now in e->plan, if there is anything. */
bool engine_is_wrong(struct engine *e, usec_t now);
/* Looks at some of the kernel switches. */
void engine_sweep(struct engine *e, usec_t now);
void engine_report(struct engine *e, const char *text);
void engine_on_error(const struct op *op, int err, const char *text, void *arg);
void engine_tell_links(struct engine *e);

/* Those that the new configuration can use. */
void engine_keep_wans(struct engine *e, const struct config *cfg);
void engine_end_wans(struct engine *e, usec_t now);

#endif
