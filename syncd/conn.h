/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TLS connection of the HA link over a non-blocking TCP socket on the loop: handshake with the
 * pinned peer, frames in and out, bounded buffers. Policy (who connects, which connection counts)
 * is link.c's. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_CONN_H
#define GATEPAIR_SYNCD_CONN_H

#include <stdbool.h>
#include <uv.h>

#include <mbedtls/ssl.h>

#include "common/clock.h"
#include "syncd/frame.h"
#include "syncd/identity.h"

#define CONN_RX_BYTES ((size_t)64 << 10)
#define CONN_TX_BYTES ((size_t)256 << 10)
/* Of the send buffer, batches leave this much to control frames. */
#define CONN_TX_RESERVE ((size_t)16 << 10)

struct conn;

/* TLS settings that all connections of a link share. */
struct conn_tls {
	struct identity *id;
	mbedtls_ssl_config client, server;
	uint8_t peer_fingerprint[IDENTITY_FINGERPRINT_BYTES];
	bool has_seen; /* a wrong fingerprint was offered: this one */
	uint8_t seen[IDENTITY_FINGERPRINT_BYTES];
	uint64_t wrong_fingerprints, handshake_failures;
};

int conn_tls_init(struct conn_tls *tls, struct identity *id,
	const uint8_t peer_fingerprint[IDENTITY_FINGERPRINT_BYTES])
	__attribute__((warn_unused_result));
void conn_tls_fini(struct conn_tls *tls);

struct conn_ops {
	void (*secure)(struct conn *c, void *owner); /* handshake done, fingerprint right */
	void (*frame)(struct conn *c, const struct frame *f, void *owner);
	void (*room)(struct conn *c, void *owner); /* the send buffer was emptied */
	/* It is dead; the owner calls conn_close(). Never called from within a conn_ function. */
	void (*dead)(struct conn *c, const char *why, void *owner);
};

/* Takes the fd, also on failure. With `client`, a connect() on it may still be in progress. */
int conn_new(uv_loop_t *loop, int fd, bool client, struct conn_tls *tls, const struct conn_ops *ops,
	void *owner, struct conn **ret) __attribute__((warn_unused_result));
/* Frees it once the loop has let go; no callback any more. */
void conn_close(struct conn *c);
/* Marks it dead; `dead` follows from the loop. `why` is static text. */
void conn_fail(struct conn *c, const char *why);

/* What ended a connection that never was secure, as far as it is known. */
enum conn_end { CONN_END_OTHER, CONN_END_SOCKET, CONN_END_FINGERPRINT, CONN_END_ALERT };
enum conn_end conn_end(const struct conn *c, int *ret_err); /* SOCKET: negative errno, else 0 */
bool conn_is_secure(const struct conn *c);
int conn_fd(const struct conn *c); /* it stays the connection's */
usec_t conn_born(const struct conn *c);
usec_t conn_heard(const struct conn *c);                       /* when bytes last came */
const mbedtls_pk_context *conn_peer_key(const struct conn *c); /* NULL before it is secure */
void conn_bytes(const struct conn *c, uint64_t *ret_sent, uint64_t *ret_received);

/* Room for a batch of FRAME_MAX_BYTES. */
bool conn_has_room(const struct conn *c);
/* Queues; a connection whose buffer overflows is failed. conn_flush() writes. */
void conn_put(struct conn *c, const void *bytes, size_t n);
void conn_flush(struct conn *c);
/* Reads and delivers what came already, until nothing is left or `until`. */
void conn_drain(struct conn *c, usec_t until);

#endif
