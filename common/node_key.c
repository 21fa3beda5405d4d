/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's identity key: made by `gatepair key`, read by the supervisor, which hands it to syncd.
 * A new file appears whole or not at all: written aside, synced, then linked into place, which also
 * refuses to replace an existing key.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include "common/node_key.h"

#define PEM_MAX 4096

static int key_fail(char *err, size_t err_size, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int key_fail(char *err, size_t err_size, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_size, fmt, ap);
	va_end(ap);
	return rc;
}

/* --- reading --------------------------------------------------------------------------------- */

/* The file's bytes with a NUL behind them, as mbedTLS wants PEM. */
static int read_pem(
	const char *path, uint8_t pem[PEM_MAX], size_t *ret_len, char *err, size_t err_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n;
	int rc = 0;

	if (fd < 0)
		return key_fail(err, err_size, -errno, "node key %s cannot be read: %s; %s", path,
			strerror(errno),
			errno == ENOENT ? "run `gatepair key` to make one"
					: "check its owner and mode");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = key_fail(err, err_size, -EINVAL, "node key %s is not a file; remove it", path);
	else if (st.st_mode & 077)
		rc = key_fail(err, err_size, -EPERM,
			"node key %s can be read by others; if nobody has copied it: chmod 600 %s",
			path, path);
	else if ((n = read(fd, pem, PEM_MAX - 1)) < 0)
		rc = key_fail(err, err_size, -errno,
			"node key %s cannot be read: %s; check the disk", path, strerror(errno));
	else {
		pem[n] = '\0';
		*ret_len = (size_t)n + 1;
	}
	close(fd);
	return rc;
}

/* Both writers of mbedTLS fill their buffer from its end. */
static int export_key(mbedtls_pk_context *pk, struct node_key *ret)
{
	uint8_t buf[NODE_KEY_DER_MAX];
	int n = mbedtls_pk_write_pubkey_der(pk, buf, sizeof(buf));

	if (n <= 0 ||
		mbedtls_sha256_ret(buf + sizeof(buf) - n, (size_t)n, ret->fingerprint, 0) != 0)
		return -EINVAL;
	n = mbedtls_pk_write_key_der(pk, buf, sizeof(buf));
	if (n > 0) {
		memcpy(ret->der, buf + sizeof(buf) - n, (size_t)n);
		ret->der_len = (size_t)n;
	}
	mbedtls_platform_zeroize(buf, sizeof(buf));
	return n > 0 ? 0 : -EINVAL;
}

static bool is_p256(const mbedtls_pk_context *pk)
{
	const mbedtls_ecp_keypair *ec =
		mbedtls_pk_get_type(pk) == MBEDTLS_PK_ECKEY ? mbedtls_pk_ec(*pk) : NULL;

	return ec && ec->grp.id == MBEDTLS_ECP_DP_SECP256R1;
}

int node_key_read(const char *path, struct node_key *ret, char *err, size_t err_size)
{
	uint8_t pem[PEM_MAX];
	mbedtls_pk_context pk;
	size_t len = 0;
	int rc = read_pem(path, pem, &len, err, err_size);

	if (rc < 0)
		return rc;
	mbedtls_pk_init(&pk);
	if (mbedtls_pk_parse_key(&pk, pem, len, NULL, 0) != 0 || !is_p256(&pk) ||
		export_key(&pk, ret) < 0)
		rc = key_fail(err, err_size, -EINVAL,
			"node key %s does not hold an EC P-256 private key; remove it and run "
			"`gatepair key`",
			path);
	mbedtls_pk_free(&pk);
	mbedtls_platform_zeroize(pem, sizeof(pem));
	return rc;
}

/* --- making ---------------------------------------------------------------------------------- */

static int generate(uint8_t pem[PEM_MAX])
{
	static const char purpose[] = "gatepair node key";
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context rng;
	mbedtls_pk_context pk;
	int rc;

	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&rng);
	mbedtls_pk_init(&pk);
	rc = mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, (const uint8_t *)purpose,
		sizeof(purpose) - 1);
	if (rc == 0)
		rc = mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (rc == 0)
		rc = mbedtls_ecp_gen_key(
			MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(pk), mbedtls_ctr_drbg_random, &rng);
	if (rc == 0)
		rc = mbedtls_pk_write_key_pem(&pk, pem, PEM_MAX);
	mbedtls_pk_free(&pk);
	mbedtls_ctr_drbg_free(&rng);
	mbedtls_entropy_free(&entropy);
	return rc == 0 ? 0 : -EIO;
}

static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, rc;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int write_whole(const char *temp, const uint8_t *bytes, size_t n)
{
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, bytes, n) != (ssize_t)n)
		rc = errno ? -errno : -EIO;
	else if (fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* link(2) instead of rename(2): of two makers at once, one gets -EEXIST and neither loses a key. */
static int write_key(const char *path, const uint8_t *pem, size_t n)
{
	char temp[PATH_MAX];
	int rc;

	if (snprintf(temp, sizeof(temp), "%s.%d.new", path, getpid()) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	unlink(temp); /* what a power cut left */
	rc = write_whole(temp, pem, n);
	if (rc == 0 && link(temp, path) < 0)
		rc = -errno;
	unlink(temp);
	return rc == 0 ? sync_folder(path) : rc;
}

int node_key_create(const char *path, char *err, size_t err_size)
{
	uint8_t pem[PEM_MAX] = {0};
	int rc = generate(pem);

	if (rc < 0)
		return key_fail(err, err_size, rc,
			"node key: no key could be generated; check the machine's "
			"random number source");
	rc = write_key(path, pem, strlen((const char *)pem));
	mbedtls_platform_zeroize(pem, sizeof(pem));
	if (rc == -EEXIST)
		return key_fail(err, err_size, rc, "node key %s exists already; it is kept", path);
	if (rc < 0)
		return key_fail(err, err_size, rc,
			"node key %s cannot be written: %s; check the folder", path, strerror(-rc));
	return 0;
}

void node_key_wipe(struct node_key *k)
{
	mbedtls_platform_zeroize(k, sizeof(*k));
}
