/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the language of the configuration file has and this version does not do yet. It is refused
 * with its line, so that `gatepair check`, a start and a reload say the same, and nothing that
 * somebody relies on is ignored in silence. gatepair.conf(5) lists it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/config_internal.h"

struct support {
	const struct config_text *t;
	int *line;
	char *why;
};

static int refuse(const struct support *s, int section_line, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(const struct support *s, int section_line, const char *key, const char *fmt, ...)
{
	va_list ap;

	*s->line = config_text_key(s->t, section_line, key);
	va_start(ap, fmt);
	vsnprintf(s->why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EOPNOTSUPP;
}

static int support_interface(const struct support *s, const struct config_interface *in)
{
	if (in->dhcp)
		return refuse(s, in->line, "dhcp",
			"interface \"%s\": this version takes no address by DHCP; remove dhcp and "
			"give it an address",
			in->name);
	if (in->dhcp_server)
		return refuse(s, in->line, "dhcp-server",
			"interface \"%s\": this version serves no DHCP; remove dhcp-server",
			in->name);
	return 0;
}

static int support_cluster(const struct support *s, const struct config_cluster *cl)
{
	if (cl->track_pings.n > 0)
		return refuse(s, cl->line, "track-ping",
			"cluster: this version tracks interfaces only; remove track-ping");
	if (cl->auth_key_file)
		return refuse(s, cl->line, "auth-key-file",
			"cluster: this version does not authenticate adverts (heartbeats always "
			"are); remove auth-key-file");
	return 0;
}

static int support_vrrp(const struct support *s, const struct config_vrrp *v)
{
	if (v->version != 3)
		return refuse(s, v->line, "version",
			"vrrp \"%s\": this version of gatepair speaks VRRP version 3 only; remove "
			"version%s",
			v->name, v->password[0] ? " and password" : "");
	if (v->unicast_peers.n > 0)
		return refuse(s, v->line, "unicast-peer",
			"vrrp \"%s\": this version sends to the multicast group only; remove "
			"unicast-peer",
			v->name);
	for (size_t i = 0; i < v->addresses.n; i++)
		if (v->addresses.v[i].family != AF_INET)
			return refuse(s, v->line, "virtual-address",
				"vrrp \"%s\": this version has virtual addresses of IPv4 only; "
				"remove the others",
				v->name);
	return 0;
}

int config_support(const struct config *cfg, const struct config_text *t, int *ret_line,
	char why[CONFIG_WHY_MAX])
{
	struct support s = {.t = t, .line = ret_line, .why = why};
	int err = 0;

	for (size_t i = 0; err == 0 && i < cfg->n_interfaces; i++)
		err = support_interface(&s, &cfg->interfaces[i]);
	if (err == 0)
		err = support_cluster(&s, &cfg->cluster);
	for (size_t i = 0; err == 0 && i < cfg->n_vrrps; i++)
		err = support_vrrp(&s, &cfg->vrrps[i]);
	return err;
}
