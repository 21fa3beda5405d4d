/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases as text (see dhcp_file.h): a line per value, all of them known, none twice but dns.
 */
#include "netcfgd/services/dhcp_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/services/hook.h"

#define HEAD "gatepair lease 1\n"

void dhcp_file_text(const struct wan_lease *lease, int64_t expires, char out[DHCP_FILE_MAX])
{
	char text[CONFIG_PREFIX_STRLEN];
	size_t n = (size_t)snprintf(out, DHCP_FILE_MAX,
		HEAD "until %" PRId64 "\nexpires %" PRId64 "\naddress %s\n", lease->until, expires,
		config_prefix_to_str(&lease->address, text));

	if (lease->gateway.family)
		n += (size_t)snprintf(out + n, DHCP_FILE_MAX - n, "gateway %s\n",
			config_prefix_to_str(&lease->gateway, text));
	if (lease->server.family)
		n += (size_t)snprintf(out + n, DHCP_FILE_MAX - n, "server %s\n",
			config_prefix_to_str(&lease->server, text));
	for (size_t i = 0; i < lease->n_dns; i++)
		n += (size_t)snprintf(out + n, DHCP_FILE_MAX - n, "dns %s\n",
			config_prefix_to_str(&lease->dns[i], text));
}

static int take_number(const char *s, int64_t *ret)
{
	char *end;

	if (*ret || s[0] < '1' || s[0] > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoll(s, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

static int take_prefix(const char *s, struct config_prefix *ret, bool host)
{
	struct config_prefix p;

	if (ret->family || config_prefix_from_str(s, &p) < 0 || p.family != AF_INET ||
		(host && p.len != 32) || !hook_is_host(p.v4))
		return -EINVAL;
	*ret = p;
	return 0;
}

static int take_line(const char *key, const char *value, struct wan_lease *w, int64_t *expires)
{
	if (strcmp(key, "until") == 0)
		return take_number(value, &w->until);
	if (strcmp(key, "expires") == 0)
		return take_number(value, expires);
	if (strcmp(key, "address") == 0)
		return take_prefix(value, &w->address, false);
	if (strcmp(key, "gateway") == 0)
		return take_prefix(value, &w->gateway, true);
	if (strcmp(key, "server") == 0)
		return take_prefix(value, &w->server, true);
	if (strcmp(key, "dns") == 0 && w->n_dns < WAN_DNS_MAX)
		return take_prefix(value, &w->dns[w->n_dns++], true);
	return -EINVAL;
}

int dhcp_file_parse(const char *text, struct wan_lease *ret, int64_t *ret_expires)
{
	struct wan_lease w = {.state = WAN_BOUND};
	char copy[DHCP_FILE_MAX], *save = NULL;
	int64_t expires = 0;

	if (strlen(text) >= sizeof(copy) || strncmp(text, HEAD, strlen(HEAD)) != 0)
		return -EINVAL;
	snprintf(copy, sizeof(copy), "%s", text + strlen(HEAD));
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');

		if (!value)
			return -EINVAL;
		*value++ = '\0';
		if (take_line(line, value, &w, &expires) < 0)
			return -EINVAL;
	}
	if (!w.address.family || !w.until || !expires)
		return -EINVAL;
	*ret = w;
	*ret_expires = expires;
	return 0;
}
