/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the IPC implementation share: refusal reasons, the strict decoder in front of
 * protobuf-c, the identity of a peer. Nobody else includes this.
 */
#ifndef GATEPAIR_COMMON_IPC_PRIV_H
#define GATEPAIR_COMMON_IPC_PRIV_H

#include "common/arena.h"
#include "common/ipc.h"

/* One decoded message; 64 KiB of wire can ask protobuf-c for much more than that. */
#define IPC_DECODED_MAX ((size_t)1 << 20)

/* Why something was refused: index of the counter that ipc_refusal_name() names. */
enum ipc_refusal {
	IPC_ACCEPTED, /* not a refusal: its counter counts the messages that were handled */
	IPC_OVERSIZE,
	IPC_UNDECODABLE,
	IPC_BAD_VERSION,
	IPC_UNKNOWN_MESSAGE,
	IPC_WRONG_IDENTITY,
	IPC_WRONG_STATE,
	IPC_CHECK_FAILED,
	IPC_TOO_MANY_CLIENTS,
	IPC_SLOW_READER,
	IPC_N_REFUSALS,
};

/* Counter name; static, and not const only because protobuf-c's fields are not. */
char *ipc_refusal_name(enum ipc_refusal r);

/* Is this datagram an Envelope in the one form our encoder writes? IPC_ACCEPTED, or why not.
 * Refuses what protobuf-c lets pass: unknown fields, repeated singular fields, two members of a
 * oneof, enums and booleans out of range, NULs and bad UTF-8 in strings, wrong wire types. */
enum ipc_refusal ipc_wire_check(const uint8_t *buf, size_t n);
/* Checks, then unpacks into the arena. */
enum ipc_refusal ipc_wire_decode(const uint8_t *buf, size_t n, struct arena *a, Gp__Envelope **ret);
/* Fills in the version and packs into buf[IPC_MAX]: the length, or -EMSGSIZE. */
ssize_t ipc_wire_encode(Gp__Envelope *e, uint8_t *buf);

/* A set of enum ipc_identity; 0 for a stranger. The names are looked up at the first call of
 * ipc_identity_init(), which must precede the sandbox. */
void ipc_identity_init(void);
unsigned ipc_identity_of(int fd);

#endif
