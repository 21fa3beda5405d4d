/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes on the HA link, as the peer could send them: frames, and the records in a batch. */
#include "syncd/frame.h"
#include "syncd/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_batch(const struct frame *f)
{
	struct rcursor c = rcursor_make(f->records, f->records_len);
	struct record rec;

	for (unsigned i = 0; i < f->count; i++)
		if (record_decode(&c, &rec) != RECORD_OK && c.bad)
			return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct frame f;
	size_t used;

	while (n > 0 && frame_decode(data, n, &f, &used) == FRAME_OK) {
		if (f.type == FRAME_BATCH)
			read_batch(&f);
		data += used;
		n -= used;
	}
	return 0;
}
