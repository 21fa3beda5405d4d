/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's identity on the HA link: a P-256 key from the configuration, the self-signed
 * certificate that TLS wants around it (made in memory), fingerprints, and the key both nodes
 * derive from their identities. mbedTLS. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_IDENTITY_H
#define GATEPAIR_SYNCD_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#define IDENTITY_FINGERPRINT_BYTES 32
#define IDENTITY_PEER_KEY_BYTES    32

struct identity {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context rng;
	mbedtls_pk_context key;
	mbedtls_x509_crt crt;
};

/* `der`: the private key. 0; -EINVAL: not a P-256 key; -EIO: no randomness. */
int identity_new(const uint8_t *der, size_t der_len, struct identity **ret)
	__attribute__((warn_unused_result));
void identity_free(struct identity *id); /* NULL is fine */

/* SHA-256 of the SubjectPublicKeyInfo. 0, or -EINVAL. */
int identity_fingerprint(const mbedtls_pk_context *pk, uint8_t ret[IDENTITY_FINGERPRINT_BYTES])
	__attribute__((warn_unused_result));
/* HKDF-SHA-256(ECDH(own, peer)), info "gatepair heartbeat v1", no salt. 0, or -EINVAL. */
int identity_peer_key(struct identity *id, const mbedtls_pk_context *peer,
	uint8_t ret[IDENTITY_PEER_KEY_BYTES]) __attribute__((warn_unused_result));

#define IDENTITY_FINGERPRINT_STRLEN 80
const char *identity_fingerprint_to_str(
	const uint8_t fp[IDENTITY_FINGERPRINT_BYTES], char out[IDENTITY_FINGERPRINT_STRLEN]);

#endif
