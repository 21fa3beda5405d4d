/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink into the picture of the kernel (see observe.h). Of routes only those with our own
 * protocol number in the main table are of interest, so a full routing table costs nothing.
 */
#include "netcfgd/observe.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define EVENTS_PER_DRAIN 4096
#define DUMP_TRIES       5

/* Attributes up to MAX of one level, the last of each type wins; others are ignored. */
struct attrs {
	const struct nlattr *v[64];
};

static int collect(const struct nlattr *attr, void *arg)
{
	struct attrs *a = arg;
	uint16_t type = mnl_attr_get_type(attr);

	if (type < sizeof(a->v) / sizeof(a->v[0]))
		a->v[type] = attr;
	return MNL_CB_OK;
}

static struct attrs attrs_of(const struct nlmsghdr *nlh, size_t header)
{
	struct attrs a = {0};

	return mnl_attr_parse(nlh, (unsigned)header, collect, &a) < 0 ? (struct attrs){0} : a;
}

static struct attrs attrs_nested(const struct nlattr *nest)
{
	struct attrs a = {0};

	return !nest || mnl_attr_parse_nested(nest, collect, &a) < 0 ? (struct attrs){0} : a;
}

static uint32_t u32_of(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? mnl_attr_get_u32(attr)
									  : 0;
}

static uint8_t u8_of(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 1 ? mnl_attr_get_u8(attr) : 0;
}

static bool string_is(const struct nlattr *attr, const char *s)
{
	size_t n = strlen(s);

	return attr && mnl_attr_get_payload_len(attr) >= n &&
	       strncmp(mnl_attr_get_str(attr), s, n + 1) == 0;
}

static bool prefix_of(int family, uint8_t len, const struct nlattr *attr, struct config_prefix *p)
{
	size_t size = family == AF_INET ? sizeof(p->v4) : sizeof(p->v6);

	memset(p, 0, sizeof(*p));
	p->family = family;
	p->len = len;
	if ((family != AF_INET && family != AF_INET6) || len > size * 8)
		return false;
	if (!attr)
		return true; /* the default route: all zero */
	if (mnl_attr_get_payload_len(attr) != size)
		return false;
	memcpy(&p->v6, mnl_attr_get_payload(attr), size);
	return true;
}

static void link_info(struct kernel_link *l, const struct nlattr *nest)
{
	struct attrs info = attrs_nested(nest), data;

	if (string_is(info.v[IFLA_INFO_KIND], "macvlan")) {
		l->kind = LINK_MACVLAN;
	} else if (string_is(info.v[IFLA_INFO_KIND], "vlan")) {
		data = attrs_nested(info.v[IFLA_INFO_DATA]);
		l->kind = LINK_VLAN;
		if (data.v[IFLA_VLAN_ID] && mnl_attr_get_payload_len(data.v[IFLA_VLAN_ID]) == 2)
			l->vlan_id = mnl_attr_get_u16(data.v[IFLA_VLAN_ID]);
	}
}

static void on_link(struct observe *o, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct kernel_link *old;
	struct attrs a = attrs_of(nlh, sizeof(*ifi));
	struct kernel_link l = {.index = (uint32_t)ifi->ifi_index};

	/* Bridges report their ports as links of their own family. */
	if (ifi->ifi_family != AF_UNSPEC)
		return;
	old = kernel_link(o->k, l.index);
	if (nlh->nlmsg_type == RTM_DELLINK) {
		kernel_link_remove(o->k, l.index);
		o->changed |= OBSERVE_LINK;
		o->routes_stale = true;
		return;
	}
	if (!a.v[IFLA_IFNAME] || mnl_attr_get_payload_len(a.v[IFLA_IFNAME]) > IFNAMSIZ)
		return;
	strncpy(l.name, mnl_attr_get_str(a.v[IFLA_IFNAME]), sizeof(l.name) - 1);
	l.parent = a.v[IFLA_LINK_NETNSID] ? 0 : u32_of(a.v[IFLA_LINK]);
	l.mtu = u32_of(a.v[IFLA_MTU]);
	l.up = ifi->ifi_flags & IFF_UP;
	l.carrier = a.v[IFLA_CARRIER] ? u8_of(a.v[IFLA_CARRIER]) : ifi->ifi_flags & IFF_LOWER_UP;
	l.ether = ifi->ifi_type == ARPHRD_ETHER;
	l.ours = string_is(a.v[IFLA_IFALIAS], OBSERVE_ALIAS);
	if (a.v[IFLA_ADDRESS] && mnl_attr_get_payload_len(a.v[IFLA_ADDRESS]) == sizeof(l.mac))
		memcpy(l.mac, mnl_attr_get_payload(a.v[IFLA_ADDRESS]), sizeof(l.mac));
	link_info(&l, a.v[IFLA_LINKINFO]);
	if (!old || strcmp(old->name, l.name) != 0)
		o->changed |= OBSERVE_NEW_LINK;
	if (old && old->up != l.up)
		o->routes_stale = true;
	o->changed |= OBSERVE_LINK;
	if (!kernel_link_put(o->k, &l))
		o->err = -ENOMEM;
}

static void on_addr(struct observe *o, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct attrs a = attrs_of(nlh, sizeof(*ifa));
	struct kernel_addr addr = {.ours = u8_of(a.v[IFA_PROTO]) == OBSERVE_PROTOCOL};
	const struct nlattr *which = a.v[IFA_LOCAL] ? a.v[IFA_LOCAL] : a.v[IFA_ADDRESS];
	int rc;

	if (!which || !prefix_of(ifa->ifa_family, ifa->ifa_prefixlen, which, &addr.prefix))
		return;
	o->changed |= OBSERVE_ADDR;
	if (nlh->nlmsg_type == RTM_DELADDR) {
		kernel_addr_remove(o->k, ifa->ifa_index, &addr.prefix);
		o->routes_stale = true;
		return;
	}
	rc = kernel_addr_put(o->k, ifa->ifa_index, &addr);
	/* A link that went again meanwhile. */
	if (rc && rc != -ENODEV)
		o->err = rc;
}

static void on_route(struct observe *o, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct attrs a = attrs_of(nlh, sizeof(*rt));
	uint32_t table = a.v[RTA_TABLE] ? u32_of(a.v[RTA_TABLE]) : rt->rtm_table;
	struct kernel_route r = {.metric = u32_of(a.v[RTA_PRIORITY]), .oif = u32_of(a.v[RTA_OIF])};
	bool ours = rt->rtm_protocol == OBSERVE_PROTOCOL;
	int rc;

	if (table != RT_TABLE_MAIN || (rt->rtm_flags & RTM_F_CLONED) ||
		!prefix_of(rt->rtm_family, rt->rtm_dst_len, a.v[RTA_DST], &r.prefix))
		return;
	if (nlh->nlmsg_type == RTM_DELROUTE || !ours) {
		/* Another's route in place of ours is ours gone. */
		if (ours || (nlh->nlmsg_flags & NLM_F_REPLACE)) {
			kernel_route_remove(o->k, &r);
			o->changed |= OBSERVE_ROUTE;
		}
		return;
	}
	if (!prefix_of(
		    rt->rtm_family, rt->rtm_family == AF_INET ? 32 : 128, a.v[RTA_GATEWAY], &r.via))
		return;
	o->changed |= OBSERVE_ROUTE;
	rc = kernel_route_put(o->k, &r);
	if (rc)
		o->err = rc;
}

static void on_message(const struct nlmsghdr *nlh, void *arg)
{
	static const size_t size[] = {
		sizeof(struct ifinfomsg), sizeof(struct ifaddrmsg), sizeof(struct rtmsg)};
	unsigned kind = nlh->nlmsg_type >= RTM_BASE ? (nlh->nlmsg_type - RTM_BASE) / 4u : 3;

	if (kind > 2 || mnl_nlmsg_get_payload_len(nlh) < size[kind])
		return;
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(arg, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		on_addr(arg, nlh);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route(arg, nlh);
		break;
	default:
		break;
	}
}

int observe_init(struct observe *o, struct nl *request, struct kernel *k)
{
	static const unsigned groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};

	*o = (struct observe){.request = request, .k = k, .events.fd = -1};
	return nl_open_events(
		&o->events, NETLINK_ROUTE, groups, sizeof(groups) / sizeof(groups[0]));
}

void observe_fini(struct observe *o)
{
	nl_close(&o->events);
}

static int dump_one(struct observe *o, uint16_t type, uint8_t family)
{
	char buf[256] __attribute__((aligned(8))) = {0};
	int rc = -EINTR;

	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

		nlh->nlmsg_type = type;
		if (type == RTM_GETLINK) {
			struct ifinfomsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

			m->ifi_family = AF_UNSPEC;
		} else if (type == RTM_GETADDR) {
			struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

			m->ifa_family = family;
		} else {
			struct rtmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

			m->rtm_family = family;
			m->rtm_protocol = OBSERVE_PROTOCOL;
			m->rtm_table = RT_TABLE_MAIN;
		}
		rc = nl_dump(o->request, nlh, on_message, o);
	}
	/* Changed under our hands each time: the notifications will tell the rest. */
	return rc == -EINTR ? 0 : rc;
}

static int dump_routes(struct observe *o)
{
	int rc;

	kernel_routes_clear(o->k);
	o->routes_stale = false;
	o->changed |= OBSERVE_ROUTE;
	rc = dump_one(o, RTM_GETROUTE, AF_INET);
	if (rc)
		return rc;
	rc = dump_one(o, RTM_GETROUTE, AF_INET6);
	/* A kernel without IPv6, or nothing in the table yet. */
	return rc == -EOPNOTSUPP || rc == -EAFNOSUPPORT || rc == -ENOENT ? 0 : rc;
}

static void forget_links(struct kernel *k)
{
	struct kernel_link *l, *tmp;

	HASH_ITER (by_index, k->by_index, l, tmp)
		kernel_link_remove(k, l->index);
}

int observe_dump(struct observe *o)
{
	int rc;

	o->err = 0;
	o->changed |= OBSERVE_LINK | OBSERVE_NEW_LINK | OBSERVE_ADDR;
	forget_links(o->k);
	rc = dump_one(o, RTM_GETLINK, AF_UNSPEC);
	if (!rc)
		rc = dump_one(o, RTM_GETADDR, AF_UNSPEC);
	if (!rc)
		rc = dump_routes(o);
	return rc ? rc : o->err;
}

int observe_drain(struct observe *o)
{
	unsigned changed;
	int rc = nl_events(&o->events, EVENTS_PER_DRAIN, on_message, o);

	if (rc < 0 || o->err)
		rc = observe_dump(o);
	else if (o->routes_stale)
		rc = dump_routes(o);
	else
		rc = 0;
	changed = o->changed;
	o->changed = 0;
	return rc < 0 ? rc : (int)changed;
}
