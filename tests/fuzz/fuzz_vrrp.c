/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any frame of protocol 112; half of the time with a right checksum, to get behind that check. */
#include <string.h>

#include "vrrpd/packet.h"

#define IP_LEN 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void put_checksum(uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	p[6] = p[7] = 0;
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	p[6] = (uint8_t)(~sum >> 8);
	p[7] = (uint8_t)~sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct vrrp_advert v3 = {.version = 3};
	static const struct vrrp_advert v2 = {.version = 2,
		.interval = USEC_PER_SEC,
		.auth = VRRP_AUTH_TEXT,
		.password = "s3cret"};
	const struct vrrp_advert *own[256];
	uint8_t buf[2048], vrid;
	struct vrrp_advert a;

	if (n < 1 || n > sizeof(buf))
		return 0;
	for (size_t i = 0; i < 256; i++)
		own[i] = i % 2 == 0 ? &v2 : &v3;
	memcpy(buf, data + 1, n - 1);
	if ((data[0] & 1) != 0 && n - 1 >= IP_LEN + 8)
		put_checksum(buf + IP_LEN, n - 1 - IP_LEN);
	return vrrp_decode(buf, n - 1, own, &vrid, &a) == VRRP_OK && a.vrid != vrid ? -1 : 0;
}
