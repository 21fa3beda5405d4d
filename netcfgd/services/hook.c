/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What udhcpc's hook sends, and what is taken of it (see hook.h). RFC 2131, RFC 2132.
 */
#include "netcfgd/services/hook.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"

#define DEFAULT_LEASE_S 3600 /* what udhcpc assumes when the server says nothing */
#define PREFIX_MIN      8    /* a shorter one would swallow other networks */

/* --- in the hook ----------------------------------------------------------------------------- */

/* Whole words of `s`, as many as there is room for. */
static void copy_words(char *out, size_t size, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n >= size) {
		n = size - 1;
		while (n > 0 && s[n] != ' ')
			n--;
	}
	memcpy(out, n ? s : "", n);
	out[n] = '\0';
}

int hook_main(int argc, char **argv)
{
	const char *fd = getenv(HOOK_FD_ENV), *run = getenv(HOOK_RUN_ENV);
	struct hook_message m = {0};
	const struct {
		const char *name;
		char *to;
		size_t size;
	} variables[] = {
		{"ip", m.ip, sizeof(m.ip)},
		{"subnet", m.subnet, sizeof(m.subnet)},
		{"serverid", m.server, sizeof(m.server)},
		{"lease", m.lease, sizeof(m.lease)},
		{"router", m.router, sizeof(m.router)},
		{"dns", m.dns, sizeof(m.dns)},
	};

	if (argc < 2 || !fd || !run)
		return EXIT_FAILURE;
	m.run = (uint32_t)strtoul(run, NULL, 10);
	copy_words(m.event, sizeof(m.event), argv[1]);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		copy_words(variables[i].to, variables[i].size, getenv(variables[i].name));
	return send((int)strtol(fd, NULL, 10), &m, sizeof(m), MSG_NOSIGNAL) == sizeof(m)
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}

/* --- what is taken of it --------------------------------------------------------------------- */

bool hook_is_host(struct in_addr a)
{
	uint32_t v = ntohl(a.s_addr);
	uint8_t first = (uint8_t)(v >> 24);

	return first != 0 && first != 127 && first < 224 && (v >> 16) != 0xa9fe;
}

static bool host_of(const char *s, struct config_prefix *ret)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1 || !hook_is_host(a))
		return false;
	*ret = (struct config_prefix){.family = AF_INET, .len = 32, .v4 = a};
	return true;
}

/* The next word; false at the end. */
static bool word(const char **s, char *out, size_t size)
{
	size_t n;

	*s += strspn(*s, " ");
	n = strcspn(*s, " ");
	if (n == 0)
		return false;
	snprintf(out, size, "%.*s", (int)n, *s);
	*s += n;
	return true;
}

/* Without a netmask, that of the address's class (RFC 950). */
static bool length_of(const char *mask, struct in_addr a, uint8_t *ret)
{
	uint32_t v = ntohl(a.s_addr), m, host;
	struct in_addr in;

	if (mask[0] == '\0') {
		*ret = v >> 31 == 0 ? 8 : v >> 30 == 2 ? 16 : 24;
		return true;
	}
	if (inet_pton(AF_INET, mask, &in) != 1)
		return false;
	m = ntohl(in.s_addr);
	host = ~m;
	if ((host & (host + 1)) != 0)
		return false; /* has holes */
	for (*ret = 0; m; m <<= 1)
		(*ret)++;
	return *ret >= PREFIX_MIN;
}

/* Neither the subnet itself nor its broadcast address. */
static bool is_in_subnet(const struct config_prefix *p)
{
	uint32_t host = p->len < 31 ? ~UINT32_C(0) >> p->len : 0, v = ntohl(p->v4.s_addr) & host;

	return host == 0 || (v != 0 && v != host);
}

static bool lease_of(const char *s, usec_t *ret)
{
	char *end;
	unsigned long long seconds = strtoull(s, &end, 10);

	if (s[0] == '\0')
		seconds = DEFAULT_LEASE_S;
	else if (*end || s[0] < '0' || s[0] > '9' || seconds == 0 || seconds > UINT32_MAX)
		return false;
	*ret = (usec_t)seconds * USEC_PER_SEC;
	return true;
}

/* The first that can be reached: in the subnet, or anywhere when there is no subnet (a host route
 * leads to it then). */
static void take_gateway(struct wan_lease *w, const char *list)
{
	struct config_prefix gw;
	char one[20];

	while (word(&list, one, sizeof(one))) {
		if (!host_of(one, &gw) || gw.v4.s_addr == w->address.v4.s_addr ||
			(w->address.len < 31 && !config_prefix_contains(&w->address, &gw)))
			continue;
		w->gateway = gw;
		return;
	}
}

static void take_dns(struct wan_lease *w, const char *list)
{
	struct config_prefix dns;
	char one[20];

	while (w->n_dns < WAN_DNS_MAX && word(&list, one, sizeof(one))) {
		bool known = !host_of(one, &dns);

		for (size_t i = 0; i < w->n_dns; i++)
			known |= !known && w->dns[i].v4.s_addr == dns.v4.s_addr;
		if (!known)
			w->dns[w->n_dns++] = dns;
	}
}

static const char *refuse(char *why, size_t size, const char *what, const char *value)
{
	char shown[48];

	snprintf(why, size, "%s \"%s\"", what,
		log_escape(shown, sizeof(shown), value, strlen(value)));
	return why;
}

const char *hook_lease(
	const struct hook_message *m, usec_t now, struct wan_lease *ret, char *why, size_t why_size)
{
	struct wan_lease w = {.state = WAN_BOUND};
	usec_t length;

	if (!host_of(m->ip, &w.address))
		return refuse(why, why_size, "address", m->ip);
	if (!length_of(m->subnet, w.address.v4, &w.address.len))
		return refuse(why, why_size, "netmask", m->subnet);
	if (!is_in_subnet(&w.address))
		return refuse(why, why_size, "an address that is none in its subnet", m->ip);
	if (!lease_of(m->lease, &length))
		return refuse(why, why_size, "lease time", m->lease);
	if (m->server[0] && !host_of(m->server, &w.server))
		return refuse(why, why_size, "server identifier", m->server);
	take_gateway(&w, m->router);
	take_dns(&w, m->dns);
	w.until = now + length;
	*ret = w;
	return NULL;
}
