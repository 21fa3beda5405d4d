/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text forms of configuration values, both ways, and prefix arithmetic. Used by the supervisor
 * (parsing and printing) and by every daemon (addresses in received configs).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_internal.h"

#define DURATION_MAX (INT64_C(1000) * 24 * 3600 * USEC_PER_SEC)

static unsigned family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

int config_prefix_from_str(const char *s, struct config_prefix *ret)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	struct config_prefix p = {.family = memchr(s, ':', n) ? AF_INET6 : AF_INET};
	uint32_t len = family_bits(p.family);

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, s, n);
	addr[n] = '\0';
	if (inet_pton(p.family, addr, p.family == AF_INET ? (void *)&p.v4 : (void *)&p.v6) != 1)
		return -EINVAL;
	if (slash && config_value_u32(slash + 1, 0, len, &len) < 0)
		return -EINVAL;
	p.len = (uint8_t)len;
	*ret = p;
	return 0;
}

const char *config_prefix_to_str(const struct config_prefix *p, char out[CONFIG_PREFIX_STRLEN])
{
	char addr[INET6_ADDRSTRLEN] = "?";

	inet_ntop(p->family, p->family == AF_INET ? (const void *)&p->v4 : (const void *)&p->v6,
		addr, sizeof(addr));
	if (p->len == family_bits(p->family))
		snprintf(out, CONFIG_PREFIX_STRLEN, "%s", addr);
	else
		snprintf(out, CONFIG_PREFIX_STRLEN, "%s/%u", addr, p->len);
	return out;
}

static const uint8_t *prefix_bytes(const struct config_prefix *p)
{
	return p->family == AF_INET ? (const uint8_t *)&p->v4 : p->v6.s6_addr;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0;
}

bool config_prefix_equal(const struct config_prefix *a, const struct config_prefix *b)
{
	return a->family == b->family && a->len == b->len &&
	       bits_equal(prefix_bytes(a), prefix_bytes(b), family_bits(a->family));
}

bool config_prefix_contains(const struct config_prefix *net, const struct config_prefix *addr)
{
	return net->family == addr->family && net->len <= addr->len &&
	       bits_equal(prefix_bytes(net), prefix_bytes(addr), net->len);
}

int config_value_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {
									"false", "no", "off"};

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*ret = strcmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

/* Decimal digits only: no sign, no space, no other base. */
static int digits(const char *s, size_t n, int64_t *ret)
{
	int64_t v = 0;

	if (n == 0 || n > 15)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		v = v * 10 + (s[i] - '0');
	}
	*ret = v;
	return 0;
}

int config_value_u32(const char *s, int64_t min, int64_t max, uint32_t *ret)
{
	int64_t v;

	if (digits(s, strlen(s), &v) < 0)
		return -EINVAL;
	if (v < min || v > max || v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int config_value_duration(const char *s, usec_t *ret)
{
	static const struct {
		const char *unit;
		usec_t us;
	} units[] = {{"us", 1}, {"ms", USEC_PER_MS}, {"s", USEC_PER_SEC},
		{"min", 60 * USEC_PER_SEC}, {"h", 3600 * USEC_PER_SEC}};
	size_t whole = strspn(s, "0123456789");
	size_t frac = s[whole] == '.' ? strspn(s + whole + 1, "0123456789") : 0;
	const char *unit = s + whole + (s[whole] == '.' ? frac + 1 : 0);
	int64_t v, f = 0, scale = 1;

	if (digits(s, whole, &v) < 0 || (s[whole] == '.' && digits(s + whole + 1, frac, &f) < 0))
		return -EINVAL;
	for (size_t i = 0; i < frac; i++)
		scale *= 10;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) != 0)
			continue;
		/* No finer than a microsecond: 0.5us is not a duration here. */
		if (frac > 6 || f * units[i].us % scale != 0)
			return -EINVAL;
		if (v > DURATION_MAX / units[i].us)
			return -ERANGE;
		*ret = v * units[i].us + f * units[i].us / scale;
		return 0;
	}
	return -EINVAL;
}

const char *config_duration_to_str(usec_t d, char out[32])
{
	if (d % USEC_PER_SEC == 0)
		snprintf(out, 32, "%" PRId64 "s", d / USEC_PER_SEC);
	else if (d % USEC_PER_MS == 0)
		snprintf(out, 32, "%" PRId64 "ms", d / USEC_PER_MS);
	else
		snprintf(out, 32, "%" PRId64 "us", d);
	return out;
}

int config_value_word(const char *s, const char *const *words, unsigned *ret)
{
	for (unsigned i = 0; words[i]; i++) {
		if (strcmp(s, words[i]) == 0) {
			*ret = i + 1;
			return 0;
		}
	}
	return -EINVAL;
}

/* The names the kernel takes (dev_valid_name), less those that nobody could tell on a terminal. */
int config_value_ifname(const char *s, char ret[IFNAMSIZ])
{
	size_t n = strlen(s);

	if (n == 0 || n >= IFNAMSIZ || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)s[i]) || !isgraph((unsigned char)s[i]) ||
			strchr("/:\"\\", s[i]))
			return -EINVAL;
	memset(ret, 0, IFNAMSIZ);
	memcpy(ret, s, n);
	return 0;
}

int config_value_name(const char *s, char ret[CONFIG_NAME_MAX + 1])
{
	size_t n = strlen(s);

	if (n == 0 || n > CONFIG_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)s[i]) ||
			(!isalnum((unsigned char)s[i]) && !strchr("._-", s[i])))
			return -EINVAL;
	memset(ret, 0, CONFIG_NAME_MAX + 1);
	memcpy(ret, s, n);
	return 0;
}

bool config_value_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7f)
			return false;
	return true;
}

static size_t utf8_length(const unsigned char *s)
{
	size_t n = *s < 0x80   ? 1
		   : *s < 0xc2 ? 0
		   : *s < 0xe0 ? 2
		   : *s < 0xf0 ? 3
		   : *s < 0xf5 ? 4
			       : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong, surrogate, beyond the last plane. */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
		(*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

void config_clean_text(char *s)
{
	while (*s) {
		size_t n = utf8_length((const unsigned char *)s);

		if (n == 0 || (unsigned char)*s < 0x20 || *s == 0x7f) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

bool config_value_text(const char *s)
{
	while (*s) {
		size_t n = utf8_length((const unsigned char *)s);

		if (n == 0 || *s == 0x7f || ((unsigned char)*s < 0x20 && !strchr("\n\r\t", *s)))
			return false;
		s += n;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int config_value_fingerprint(const char *s, uint8_t ret[32])
{
	static const char prefix[] = "sha256:";
	uint8_t fp[32];

	if (strncmp(s, prefix, sizeof(prefix) - 1) != 0)
		return -EINVAL;
	s += sizeof(prefix) - 1;
	if (strlen(s) != 2 * sizeof(fp))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(fp); i++) {
		int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		fp[i] = (uint8_t)(hi << 4 | lo);
	}
	memcpy(ret, fp, sizeof(fp));
	return 0;
}

const char *config_fingerprint_to_str(const uint8_t fp[32], char out[CONFIG_FINGERPRINT_STRLEN])
{
	int n = snprintf(out, CONFIG_FINGERPRINT_STRLEN, "sha256:");

	for (size_t i = 0; i < 32; i++)
		n += snprintf(out + n, CONFIG_FINGERPRINT_STRLEN - (size_t)n, "%02x", fp[i]);
	return out;
}

int config_value_mac(const char *s, uint8_t ret[6])
{
	uint8_t mac[6];

	if (strlen(s) != CONFIG_MAC_STRLEN - 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(mac); i++, s += 3) {
		int hi = hex_digit((char)tolower((unsigned char)s[0]));
		int lo = hex_digit((char)tolower((unsigned char)s[1]));

		if (hi < 0 || lo < 0 || s[2] != (i < sizeof(mac) - 1 ? ':' : '\0'))
			return -EINVAL;
		mac[i] = (uint8_t)(hi << 4 | lo);
	}
	if (memcmp(mac, (const uint8_t[6]){0}, sizeof(mac)) == 0 || (mac[0] & 1))
		return -EINVAL;
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

const char *config_mac_to_str(const uint8_t mac[6], char out[CONFIG_MAC_STRLEN])
{
	snprintf(out, CONFIG_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return out;
}

int config_value_range(const char *s, struct config_range *ret)
{
	const char *dash = strchr(s, '-');
	char from[INET_ADDRSTRLEN];
	struct config_range r;

	if (!dash || (size_t)(dash - s) >= sizeof(from))
		return -EINVAL;
	memcpy(from, s, (size_t)(dash - s));
	from[dash - s] = '\0';
	if (inet_pton(AF_INET, from, &r.from) != 1 || inet_pton(AF_INET, dash + 1, &r.to) != 1 ||
		r.from.s_addr == 0 || ntohl(r.from.s_addr) > ntohl(r.to.s_addr))
		return -EINVAL;
	*ret = r;
	return 0;
}

struct config *config_new(void)
{
	struct arena *a = arena_new(CONFIG_ARENA_MAX);
	struct config *cfg = a ? arena_alloc(a, sizeof(*cfg)) : NULL;

	if (!cfg) {
		arena_free(a);
		return NULL;
	}
	cfg->arena = a;
	return cfg;
}

void config_free(struct config *cfg)
{
	if (cfg)
		arena_free(cfg->arena);
}

const struct config_interface *config_interface_find(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		if (strcmp(cfg->interfaces[i].name, name) == 0)
			return &cfg->interfaces[i];
	return NULL;
}
