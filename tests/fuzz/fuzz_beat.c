/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any heartbeat of somebody who has the key: the frame is completed and signed before it is
 * decoded. */
#include <stdlib.h>
#include <string.h>

#include "vrrpd/beat.h"

#define MAGIC_LEN 4
#define LENGTH_AT 8
#define TAG_MAX   32
#define OVERHEAD  (TAG_MAX + LENGTH_AT + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t secret[BEAT_KEY_LEN] = {1, 2, 3};
	static struct beat_key key;
	struct beat model = {.kind = BEAT_KIND_BEAT, .session = 1, .sequence = 1, .priority = 1};
	uint8_t whole[BEAT_MAX], buf[BEAT_MAX], tag[TAG_MAX];
	struct beat b;
	int len;

	if (!key.set && beat_key_set(&key, secret) < 0)
		return 0;
	(void)beat_decode(data, n, &key, &b);
	len = beat_encode(&model, &key, whole, sizeof(whole));
	if (len < 0 || n < OVERHEAD || n > sizeof(buf))
		return 0;
	memcpy(buf, data, n);
	memcpy(buf, whole, MAGIC_LEN + 1);
	buf[LENGTH_AT] = (uint8_t)(n >> 8);
	buf[LENGTH_AT + 1] = (uint8_t)n;
	if (mbedtls_md_hmac_reset(&key.md) != 0 ||
		mbedtls_md_hmac_update(&key.md, buf, n - BEAT_MAC_LEN) != 0 ||
		mbedtls_md_hmac_finish(&key.md, tag) != 0)
		return 0;
	memcpy(buf + n - BEAT_MAC_LEN, tag, BEAT_MAC_LEN);
	if (beat_decode(buf, n, &key, &b) == BEAT_OK &&
		beat_encode(&b, &key, whole, sizeof(whole)) < 0)
		abort();
	return 0;
}
