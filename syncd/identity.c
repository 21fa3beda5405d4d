/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's identity on the HA link; see identity.h. The certificate carries no claim of its own:
 * the peer pins the key in it. Runs in syncd.
 */
#include "syncd/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ecdh.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#define SPKI_MAX_BYTES 256
#define CERT_MAX_BYTES 1024

static const char subject[] = "CN=gatepair";
static const uint8_t peer_key_info[] = "gatepair heartbeat v1";

/* The curve point and scalar of a P-256 key; NULL for any other key. */
static mbedtls_ecp_keypair *p256(const mbedtls_pk_context *pk)
{
	mbedtls_ecp_keypair *ec;

	if (mbedtls_pk_get_type(pk) != MBEDTLS_PK_ECKEY)
		return NULL;
	ec = pk->pk_ctx;
	return ec != NULL && ec->grp.id == MBEDTLS_ECP_DP_SECP256R1 ? ec : NULL;
}

static int make_certificate(struct identity *id)
{
	uint8_t der[CERT_MAX_BYTES];
	mbedtls_x509write_cert w;
	mbedtls_mpi serial;
	int n;

	mbedtls_x509write_crt_init(&w);
	mbedtls_mpi_init(&serial);
	mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&w, &id->key);
	mbedtls_x509write_crt_set_issuer_key(&w, &id->key);
	n = mbedtls_mpi_lset(&serial, 1);
	if (n == 0)
		n = mbedtls_x509write_crt_set_serial(&w, &serial);
	if (n == 0)
		n = mbedtls_x509write_crt_set_validity(&w, "20000101000000", "99991231235959");
	if (n == 0)
		n = mbedtls_x509write_crt_set_subject_name(&w, subject);
	if (n == 0)
		n = mbedtls_x509write_crt_set_issuer_name(&w, subject);
	if (n == 0)
		n = mbedtls_x509write_crt_der(
			&w, der, sizeof(der), mbedtls_ctr_drbg_random, &id->rng);
	mbedtls_x509write_crt_free(&w);
	mbedtls_mpi_free(&serial);
	if (n <= 0)
		return -EINVAL;
	/* The DER is written at the end of the buffer. */
	n = mbedtls_x509_crt_parse_der(&id->crt, der + sizeof(der) - (size_t)n, (size_t)n);
	return n == 0 ? 0 : -EINVAL;
}

int identity_new(const uint8_t *der, size_t der_len, struct identity **ret)
{
	struct identity *id = calloc(1, sizeof(*id));
	int r = -EINVAL;

	if (id == NULL)
		return -ENOMEM;
	mbedtls_entropy_init(&id->entropy);
	mbedtls_ctr_drbg_init(&id->rng);
	mbedtls_pk_init(&id->key);
	mbedtls_x509_crt_init(&id->crt);
	if (mbedtls_ctr_drbg_seed(&id->rng, mbedtls_entropy_func, &id->entropy, NULL, 0) != 0)
		r = -EIO;
	else if (mbedtls_pk_parse_key(&id->key, der, der_len, NULL, 0) == 0 &&
		 p256(&id->key) != NULL)
		r = make_certificate(id);
	if (r < 0) {
		identity_free(id);
		return r;
	}
	*ret = id;
	return 0;
}

void identity_free(struct identity *id)
{
	if (id == NULL)
		return;
	mbedtls_x509_crt_free(&id->crt);
	mbedtls_pk_free(&id->key);
	mbedtls_ctr_drbg_free(&id->rng);
	mbedtls_entropy_free(&id->entropy);
	free(id);
}

int identity_fingerprint(const mbedtls_pk_context *pk, uint8_t ret[IDENTITY_FINGERPRINT_BYTES])
{
	uint8_t der[SPKI_MAX_BYTES];
	mbedtls_pk_context copy = *pk; /* the writer's argument is not const */
	int n = mbedtls_pk_write_pubkey_der(&copy, der, sizeof(der));

	if (n <= 0)
		return -EINVAL;
	if (mbedtls_sha256_ret(der + sizeof(der) - (size_t)n, (size_t)n, ret, 0) != 0)
		return -EINVAL;
	return 0;
}

int identity_peer_key(
	struct identity *id, const mbedtls_pk_context *peer, uint8_t ret[IDENTITY_PEER_KEY_BYTES])
{
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
	uint8_t secret[32], key[IDENTITY_PEER_KEY_BYTES];
	mbedtls_ecp_keypair *own = p256(&id->key), *other = p256(peer);
	mbedtls_mpi shared;
	int r;

	if (md == NULL || own == NULL || other == NULL)
		return -EINVAL;
	mbedtls_mpi_init(&shared);
	r = mbedtls_ecdh_compute_shared(
		&own->grp, &shared, &other->Q, &own->d, mbedtls_ctr_drbg_random, &id->rng);
	if (r == 0)
		r = mbedtls_mpi_write_binary(&shared, secret, sizeof(secret));
	if (r == 0)
		r = mbedtls_hkdf(md, NULL, 0, secret, sizeof(secret), peer_key_info,
			sizeof(peer_key_info) - 1, key, sizeof(key));
	if (r == 0)
		memcpy(ret, key, sizeof(key));
	mbedtls_mpi_free(&shared);
	mbedtls_platform_zeroize(secret, sizeof(secret));
	mbedtls_platform_zeroize(key, sizeof(key));
	return r == 0 ? 0 : -EINVAL;
}

const char *identity_fingerprint_to_str(
	const uint8_t fp[IDENTITY_FINGERPRINT_BYTES], char out[IDENTITY_FINGERPRINT_STRLEN])
{
	size_t at = (size_t)snprintf(out, IDENTITY_FINGERPRINT_STRLEN, "sha256:");

	for (size_t i = 0; i < IDENTITY_FINGERPRINT_BYTES; i++)
		at += (size_t)snprintf(out + at, IDENTITY_FINGERPRINT_STRLEN - at, "%02x", fp[i]);
	return out;
}
