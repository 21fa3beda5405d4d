/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the desired state that is kernel switches (/proc/sys/net). Pure, as desired.c is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/desired_internal.h"

/* At most. */
#define SWITCHES_PER_LINK 8
#define SWITCHES_GLOBAL   11

static void sysctl_add(struct desired *d, enum sysctl_phase phase, const char *link, int32_t value,
	const char *path)
{
	struct desired_sysctl *s = &d->sysctls[d->n_sysctls++];

	snprintf(s->path, sizeof(s->path), "%s", path);
	memcpy(s->link, link, IFNAMSIZ);
	s->value = value;
	s->phase = phase;
	/* A kernel without IPv6 needs none of its switches. */
	s->optional = strncmp(path, "ipv6/", 5) == 0 || strncmp(path, "bridge/", 7) == 0;
}

static void sysctl_link(struct desired *d, const struct desired_link *l, const char *family,
	const char *key, int32_t value)
{
	char path[DESIRED_PATH_MAX];

	snprintf(path, sizeof(path), "%s/conf/%s/%s", family, l->name, key);
	sysctl_add(d, SYSCTL_LINK, l->name, value, path);
}

static bool has_ipv6_on(const struct desired *d, const struct desired_link *l)
{
	for (size_t i = 0; i < l->n_addrs; i++)
		if (d->addrs[l->addr + i].prefix.family == AF_INET6)
			return true;
	return false;
}

static void sysctls_of_link(struct desired *d, const struct desired_link *l)
{
	if (l->member) {
		/* Its master has the addresses. */
		sysctl_link(d, l, "ipv6", "disable_ipv6", 1);
		return;
	}
	/* Or the first address of a subnet would take the others along when it goes. */
	if (!l->virt)
		sysctl_link(d, l, "ipv4", "promote_secondaries", 1);
	if (has_ipv6_on(d, l))
		sysctl_link(d, l, "ipv6", "disable_ipv6", 0);
	if (l->role != CONFIG_ROLE_LAN && l->role != CONFIG_ROLE_WAN)
		return;
	if (l->virt) {
		sysctl_link(d, l, "ipv6", "disable_ipv6", 1);
		/* Frames to the virtual MAC come in here, but the route back is the parent's. */
		sysctl_link(d, l, "ipv4", "rp_filter", 2);
	}
	/* Each MAC answers for its own addresses only, and asks with its own. */
	sysctl_link(d, l, "ipv4", "arp_ignore", 1);
	sysctl_link(d, l, "ipv4", "arp_announce", 2);
	sysctl_link(d, l, "ipv4", "accept_redirects", 0);
	sysctl_link(d, l, "ipv4", "send_redirects", 0);
	/* On its own networks this node is the router. */
	if (!l->virt && l->role == CONFIG_ROLE_LAN)
		sysctl_link(d, l, "ipv6", "accept_ra", 0);
}

static bool has_bridge(const struct desired *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		if (d->links[i].kind == LINK_BRIDGE)
			return true;
	return false;
}

static bool forwards_ipv6(const struct desired *d)
{
	for (size_t i = 0; i < d->n_static; i++) {
		const struct desired_addr *a = &d->addrs[i];

		if (a->prefix.family == AF_INET6 &&
			(a->on->role == CONFIG_ROLE_LAN || a->on->role == CONFIG_ROLE_WAN))
			return true;
	}
	return false;
}

int desired_add_switches(struct build *b)
{
	static const char none[IFNAMSIZ] = "";
	struct desired *d = b->d;

	d->sysctls = arena_array(
		d->arena, d->n_links * SWITCHES_PER_LINK + SWITCHES_GLOBAL, sizeof(*d->sysctls));
	if (!d->sysctls)
		return desired_refuse(
			b, -ENOMEM, "configuration: too large for memory; make it smaller");

	/* Events for every entry, also for those created before a listener exists. */
	sysctl_add(d, SYSCTL_EARLY, none, 1, "netfilter/nf_conntrack_events");
	/* A segment of a session not known here must not create a half-known one. */
	sysctl_add(d, SYSCTL_EARLY, none, 0, "netfilter/nf_conntrack_tcp_loose");
	/* A node that is Active again has not seen what went through its peer: an acknowledgement
	 * of that would be invalid, and the session would stand still for good. */
	sysctl_add(d, SYSCTL_EARLY, none, 1, "netfilter/nf_conntrack_tcp_be_liberal");
	/* send_redirects and accept_redirects of an interface are combined with these. */
	sysctl_add(d, SYSCTL_EARLY, none, 0, "ipv4/conf/all/send_redirects");
	sysctl_add(d, SYSCTL_EARLY, none, 0, "ipv4/conf/all/accept_redirects");
	/* What is switched between the ports of a bridge is not ours to judge; and the policy would
	 * see what is meant for us twice, the second time as invalid. */
	if (has_bridge(d)) {
		sysctl_add(d, SYSCTL_EARLY, none, 0, "bridge/bridge-nf-call-arptables");
		sysctl_add(d, SYSCTL_EARLY, none, 0, "bridge/bridge-nf-call-iptables");
		sysctl_add(d, SYSCTL_EARLY, none, 0, "bridge/bridge-nf-call-ip6tables");
	}
	for (size_t i = 0; i < d->n_links; i++) {
		d->links[i].sysctl = d->n_sysctls;
		sysctls_of_link(d, &d->links[i]);
		d->links[i].n_sysctls = d->n_sysctls - d->links[i].sysctl;
	}
	sysctl_add(d, SYSCTL_FORWARD, none, 1, "ipv4/ip_forward");
	if (forwards_ipv6(d))
		sysctl_add(d, SYSCTL_FORWARD, none, 1, "ipv6/conf/all/forwarding");
	return 0;
}
