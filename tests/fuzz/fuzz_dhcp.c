/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a DHCP server says, as it comes from the hook: whatever is taken of it is an address that a
 * host can have, survives its file, and is believed by the first process; and the file itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netcfgd/services/dhcp_file.h"
#include "netcfgd/services/hook.h"
#include "netcfgd/services/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* services.c refers to it; nothing is forked here. */
void service_main(int fd)
{
	exit(fd);
}

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static bool believed(const struct wan_lease *w)
{
	struct config_interface wan = {.name = "ge3", .role = CONFIG_ROLE_WAN, .dhcp = true};
	struct config cfg = {.interfaces = &wan, .n_interfaces = 1};
	struct services_report r = {.kind = SERVICES_WAN, .wan = *w};

	memcpy(r.wan.link, wan.name, sizeof(r.wan.link));
	return services_check(&r, &cfg, 1) == NULL;
}

static void end(char *s, size_t size)
{
	s[size - 1] = '\0';
}

static void try_message(const uint8_t *data, size_t size)
{
	struct hook_message m = {0};
	struct wan_lease w, back;
	char why[160], text[DHCP_FILE_MAX], again[DHCP_FILE_MAX];
	int64_t expires;

	memcpy(&m, data, size < sizeof(m) ? size : sizeof(m));
	end(m.ip, sizeof(m.ip));
	end(m.subnet, sizeof(m.subnet));
	end(m.server, sizeof(m.server));
	end(m.lease, sizeof(m.lease));
	end(m.router, sizeof(m.router));
	end(m.dns, sizeof(m.dns));
	if (hook_lease(&m, 1, &w, why, sizeof(why)))
		return;
	expect(hook_is_host(w.address.v4) && w.address.len >= 8 && w.until > 1);
	expect(believed(&w));
	dhcp_file_text(&w, 1, text);
	expect(dhcp_file_parse(text, &back, &expires) == 0);
	dhcp_file_text(&back, expires, again);
	expect(strcmp(text, again) == 0);
}

static void try_file(const uint8_t *data, size_t size)
{
	char text[2 * DHCP_FILE_MAX] = "";
	struct wan_lease w;
	int64_t expires;

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	if (dhcp_file_parse(text, &w, &expires) == 0)
		expect(hook_is_host(w.address.v4) && w.n_dns <= WAN_DNS_MAX && expires > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_message(data, size);
	try_file(data, size);
	return 0;
}
