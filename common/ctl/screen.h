/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for a terminal of 80 columns: a label at the left, the rest beside it, wrapped between
 * words.
 */
#ifndef GATEPAIR_CTL_SCREEN_H
#define GATEPAIR_CTL_SCREEN_H

#include <stdint.h>
#include <stdio.h>

#include "common/clock.h"

#define SCREEN_WIDTH  80
#define SCREEN_HEIGHT 24
#define SCREEN_INDENT 10 /* where the text begins */

/* At most max_lines lines; what does not fit ends in "…". Foreign text may be in it. Returns how
 * many lines it took. */
int screen_put(FILE *f, const char *label, int max_lines, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Columns that UTF-8 text takes, one per character. */
int screen_columns(const char *s);

/* "350 ms", "12 s", "3 min 5 s", "2 h 3 min", "5 d 4 h"; returns out. */
#define SCREEN_DURATION_MAX 40
const char *screen_duration(uint64_t us, char out[SCREEN_DURATION_MAX]);

#endif
