/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The marks of one full compare: which sessions the Active named, by keyed hash, and with which
 * reply direction. What the Standby has beyond them is swept. Pure. Runs in syncd on the Standby.
 */
#ifndef GATEPAIR_SYNCD_MARKS_H
#define GATEPAIR_SYNCD_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "syncd/flow.h"

struct marks;

enum mark_verdict {
	MARK_NAMED,
	MARK_ABSENT,    /* the Active does not have it */
	MARK_DIFFERENT, /* the Active's has another reply direction */
};

/* NULL on ENOMEM. */
struct marks *marks_new(size_t max, const uint8_t hash_key[FLOW_HASH_KEY_BYTES]);
void marks_free(struct marks *m); /* NULL is fine */
size_t marks_count(const struct marks *m);
/* 0, -ENOSPC or -ENOMEM. */
int marks_set(struct marks *m, const struct flow *f) __attribute__((warn_unused_result));
void marks_unset(struct marks *m, const struct flow_key *k);
enum mark_verdict marks_check(const struct marks *m, const struct flow *f);

#endif
