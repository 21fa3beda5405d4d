/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The numbers of syncd's status: counters by stable names, and the fields of SyncdStatus that come
 * from the engine. No I/O. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_REPORT_H
#define GATEPAIR_SYNCD_REPORT_H

#include "common/daemon.h"
#include "syncd/engine.h"

/* What is allocated lives in `scratch`; without memory there it is left out. */
void report_counters(const struct engine_status *es, Gp__Status *st, struct arena *scratch);
void report_detail(const struct engine_status *es, Gp__SyncdStatus *d, struct arena *scratch);

#endif
