/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any datagram at a socket: what the decoder accepts can be encoded, and is accepted again. */
#include <stdlib.h>

#include "common/ipc_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t again[IPC_MAX];
	static struct arena *a;
	Gp__Envelope *e;
	ssize_t len;

	if (a == NULL)
		a = arena_new(IPC_DECODED_MAX);
	if (a == NULL || n > IPC_MAX)
		return 0;
	arena_reset(a);
	if (ipc_wire_decode(data, n, a, &e) != IPC_ACCEPTED)
		return 0;
	len = ipc_wire_encode(e, again);
	if (len < 0 || ipc_wire_check(again, (size_t)len) != IPC_ACCEPTED)
		abort();
	return 0;
}
