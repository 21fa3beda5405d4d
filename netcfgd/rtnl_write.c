/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink messages of the operations (see rtnl_write.h).
 */
#include "netcfgd/rtnl_write.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bonding.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netcfgd/lease.h"
#include "netcfgd/observe.h"

#define LACP_RATE_FAST 1
#define NO_LIFETIME    UINT32_MAX

static struct nlmsghdr *header(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, RTNL_MESSAGE_MAX);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return nlh;
}

static size_t prefix_size(const struct config_prefix *p)
{
	return p->family == AF_INET ? sizeof(p->v4) : sizeof(p->v6);
}

/* --- links ----------------------------------------------------------------------------------- */

static struct nlmsghdr *link_header(
	char *buf, uint16_t type, uint16_t flags, uint32_t index, struct ifinfomsg **ret)
{
	struct nlmsghdr *nlh = header(buf, type, flags);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = (int)index;
	if (ret)
		*ret = m;
	return nlh;
}

struct nlmsghdr *rtnl_write_up(char *buf, const struct op *op, bool up)
{
	struct ifinfomsg *m;
	struct nlmsghdr *nlh = link_header(buf, RTM_NEWLINK, 0, op->index, &m);

	m->ifi_change = IFF_UP;
	m->ifi_flags = up ? IFF_UP : 0;
	return nlh;
}

/* The mode is only for a new one. */
static void bond_data(struct nlmsghdr *nlh, const struct desired_link *w, bool all, bool lacp)
{
	mnl_attr_put_u32(nlh, IFLA_BOND_MIIMON, BOND_MIIMON);
	if (all)
		mnl_attr_put_u8(nlh, IFLA_BOND_MODE, w->bond_mode);
	if (w->bond_mode == BOND_MODE_8023AD && (all || lacp))
		mnl_attr_put_u8(nlh, IFLA_BOND_AD_LACP_RATE, LACP_RATE_FAST);
	/* By MAC alone all that goes to one router would take one link. */
	if (reconcile_bond_hashes(w))
		mnl_attr_put_u8(nlh, IFLA_BOND_XMIT_HASH_POLICY, BOND_XMIT_POLICY_LAYER23);
}

static void link_info(struct nlmsghdr *nlh, const struct op_link *op, bool all)
{
	static const char *const kinds[] = {[LINK_OTHER] = "",
		[LINK_VLAN] = "vlan",
		[LINK_MACVLAN] = "macvlan",
		[LINK_BRIDGE] = "bridge",
		[LINK_BOND] = "bond"};
	const struct desired_link *w = op->want;
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kinds[w->kind]);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	switch (w->kind) {
	case LINK_VLAN:
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, w->vlan_id);
		break;
	case LINK_MACVLAN:
		mnl_attr_put_u32(nlh, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
		break;
	case LINK_BRIDGE:
		mnl_attr_put_u32(nlh, IFLA_BR_FORWARD_DELAY, BRIDGE_FORWARD_DELAY);
		mnl_attr_put_u32(nlh, IFLA_BR_STP_STATE, w->stp);
		/* A kernel without it would refuse the rest as well. */
		if (op->rest)
			mnl_attr_put_u8(nlh, IFLA_BR_VLAN_FILTERING, 0);
		break;
	case LINK_BOND:
		bond_data(nlh, w, all, op->rest);
		break;
	case LINK_OTHER:
		break;
	}
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static struct nlmsghdr *link_add(char *buf, const struct op *op)
{
	struct nlmsghdr *nlh = link_header(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, NULL);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, op->name);
	if (op->index)
		mnl_attr_put_u32(nlh, IFLA_LINK, op->index);
	if (op->link.has_mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(op->link.mac), op->link.mac);
	link_info(nlh, &op->link, true);
	return nlh;
}

bool rtnl_needs_mark(const struct op *op)
{
	/* A macvlan is known by its name and MAC. */
	return op->kind == OP_LINK_ADD && op->link.want->kind != LINK_MACVLAN;
}

struct nlmsghdr *rtnl_write_mark(char *buf, const struct op *op)
{
	struct nlmsghdr *nlh = link_header(buf, RTM_SETLINK, 0, 0, NULL);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, op->name);
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, OBSERVE_ALIAS);
	return nlh;
}

struct nlmsghdr *rtnl_write_question(char *buf, const struct op *op)
{
	struct nlmsghdr *nlh = link_header(buf, RTM_GETLINK, 0, 0, NULL);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, op->name);
	return nlh;
}

static struct nlmsghdr *link_change(char *buf, const struct op *op)
{
	struct nlmsghdr *nlh = link_header(buf, RTM_NEWLINK, 0, op->index, NULL);

	if (op->kind == OP_LINK_RENAME)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, op->name);
	else if (op->kind == OP_LINK_MTU)
		mnl_attr_put_u32(nlh, IFLA_MTU, op->link.mtu);
	else if (op->kind == OP_LINK_MAC)
		mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(op->link.mac), op->link.mac);
	else if (op->kind == OP_LINK_MASTER)
		mnl_attr_put_u32(nlh, IFLA_MASTER, op->link.master);
	else if (op->kind == OP_LINK_OPTIONS)
		link_info(nlh, &op->link, false);
	return nlh;
}

/* --- addresses ------------------------------------------------------------------------------- */

static void addr_lifetime(struct nlmsghdr *nlh, uint32_t seconds)
{
	struct ifa_cacheinfo life = {.ifa_prefered = seconds, .ifa_valid = seconds};

	mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(life), &life);
}

static uint32_t seconds_left(usec_t until, usec_t now)
{
	if (until == USEC_NEVER)
		return NO_LIFETIME;
	/* 0 would be refused; it goes a second later. */
	if (until < now + USEC_PER_SEC)
		return 1;
	/* Rounded up: at its end we are first to remove it. */
	until = (until - now + USEC_PER_SEC - 1) / USEC_PER_SEC;
	return until < NO_LIFETIME ? (uint32_t)until : NO_LIFETIME;
}

static void addr_broadcast(struct nlmsghdr *nlh, const struct config_prefix *p)
{
	if (p->family == AF_INET && p->len < 31)
		mnl_attr_put_u32(nlh, IFA_BROADCAST, p->v4.s_addr | htonl(UINT32_MAX >> p->len));
}

static struct nlmsghdr *addr_message(char *buf, const struct op *op, usec_t now)
{
	const struct config_prefix *p = &op->addr.prefix;
	bool set = op->kind == OP_ADDR_SET;
	struct nlmsghdr *nlh = header(
		buf, set ? RTM_NEWADDR : RTM_DELADDR, set ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	uint32_t flags = 0;

	m->ifa_family = (uint8_t)p->family;
	m->ifa_prefixlen = p->len;
	m->ifa_index = op->index;
	mnl_attr_put(nlh, IFA_LOCAL, prefix_size(p), &p->v6);
	mnl_attr_put(nlh, IFA_ADDRESS, prefix_size(p), &p->v6);
	if (!set)
		return nlh;
	mnl_attr_put_u8(nlh, IFA_PROTO, op->addr.wan ? WAN_PROTOCOL : OBSERVE_PROTOCOL);
	if (op->addr.virt) {
		addr_lifetime(nlh, LEASE_KERNEL_LFT);
		flags |= IFA_F_NOPREFIXROUTE;
	} else {
		addr_lifetime(nlh, op->addr.wan ? seconds_left(op->addr.until, now) : NO_LIFETIME);
		addr_broadcast(nlh, p);
	}
	/* What was configured is used at once: put back after a second it would be missed. */
	if (p->family == AF_INET6)
		flags |= IFA_F_NODAD;
	if (flags)
		mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
	return nlh;
}

/* --- routes and rules ------------------------------------------------------------------------ */

static uint8_t scope_of(const struct kernel_route *r, bool set)
{
	if (!set)
		return RT_SCOPE_NOWHERE; /* whichever it has */
	return r->prefix.family == AF_INET && !r->via.family && !r->blackhole ? RT_SCOPE_LINK
									      : RT_SCOPE_UNIVERSE;
}

static uint8_t protocol_of(enum kernel_owner owner)
{
	switch (owner) {
	case OWNER_WAN:
		return WAN_PROTOCOL;
	case OWNER_KERNEL:
		return RTPROT_KERNEL;
	case OWNER_CONFIG:
	case OWNER_OTHER:
		break;
	}
	return OBSERVE_PROTOCOL;
}

static struct nlmsghdr *route_message(char *buf, const struct op *op)
{
	const struct kernel_route *r = &op->route.r;
	bool set = op->kind == OP_ROUTE_SET;
	struct nlmsghdr *nlh = header(
		buf, set ? RTM_NEWROUTE : RTM_DELROUTE, set ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->rtm_family = (uint8_t)r->prefix.family;
	m->rtm_dst_len = r->prefix.len;
	m->rtm_table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_COMPAT;
	m->rtm_protocol = protocol_of(r->owner);
	m->rtm_scope = scope_of(r, set);
	if (set)
		m->rtm_type = r->blackhole ? RTN_BLACKHOLE : RTN_UNICAST;
	m->rtm_flags = op->route.onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	if (r->prefix.len)
		mnl_attr_put(nlh, RTA_DST, prefix_size(&r->prefix), &r->prefix.v6);
	if (r->via.family)
		mnl_attr_put(nlh, RTA_GATEWAY, prefix_size(&r->via), &r->via.v6);
	if (r->oif && !r->blackhole)
		mnl_attr_put_u32(nlh, RTA_OIF, r->oif);
	if (r->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	if (op->route.src.family == AF_INET)
		mnl_attr_put(nlh, RTA_PREFSRC, sizeof(op->route.src.v4), &op->route.src.v4);
	return nlh;
}

static struct nlmsghdr *rule_message(char *buf, const struct op *op)
{
	const struct kernel_rule *r = &op->rule.r;
	size_t size = r->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	bool add = op->kind == OP_RULE_ADD;
	struct nlmsghdr *nlh =
		header(buf, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->family = r->family;
	m->src_len = r->from_len;
	m->dst_len = r->to_len;
	m->table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	m->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->priority);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, op->rule.builtin ? RTPROT_KERNEL : OBSERVE_PROTOCOL);
	if (r->from_len)
		mnl_attr_put(nlh, FRA_SRC, size, r->from);
	if (r->to_len)
		mnl_attr_put(nlh, FRA_DST, size, r->to);
	if (r->iif[0])
		mnl_attr_put_strz(nlh, FRA_IIFNAME, r->iif);
	if (r->mark)
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark);
	return nlh;
}

struct nlmsghdr *rtnl_write(char *buf, const struct op *op, usec_t now)
{
	switch (op->kind) {
	case OP_LINK_ADD:
		return link_add(buf, op);
	case OP_LINK_DEL:
		return link_header(buf, RTM_DELLINK, 0, op->index, NULL);
	case OP_LINK_UP:
	case OP_LINK_DOWN:
		return rtnl_write_up(buf, op, op->kind == OP_LINK_UP);
	case OP_ADDR_SET:
	case OP_ADDR_DEL:
		return addr_message(buf, op, now);
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
		return route_message(buf, op);
	case OP_RULE_ADD:
	case OP_RULE_DEL:
		return rule_message(buf, op);
	case OP_LINK_RENAME:
	case OP_LINK_MTU:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
	case OP_SYSCTL:
	case OP_FIREWALL:
	case OP_GATE:
		break;
	}
	return link_change(buf, op);
}
