/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink into the picture of the kernel (see observe.h). Of routes and rules only those with our
 * own protocol numbers are of interest, so a full routing table costs nothing.
 */
#include "netcfgd/observe.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netcfgd/desired.h"

#define EVENTS_PER_DRAIN 4096
#define DUMP_TRIES       5
#define FORGET_TRIES     64
#define NO_LIFETIME      UINT32_MAX

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

static enum kernel_owner owner_of(uint8_t protocol)
{
	if (protocol == OBSERVE_PROTOCOL)
		return OWNER_CONFIG;
	return protocol == WAN_PROTOCOL ? OWNER_WAN : OWNER_OTHER;
}

/* --- links ----------------------------------------------------------------------------------- */

/* The kernel looks at all routes of all to find ours, which takes 30 ms per 100000: taking and
 * dropping the lease must not wait for that. */
static bool bears_routes(const struct kernel_link *l)
{
	return !l || !desired_is_our_macvlan(l);
}

static bool same_id(const struct nlattr *a, const struct nlattr *b)
{
	uint16_t n = sizeof(struct ifla_bridge_id);

	return a && b && mnl_attr_get_payload_len(a) == n && mnl_attr_get_payload_len(b) == n &&
	       memcmp(mnl_attr_get_payload(a), mnl_attr_get_payload(b), n) == 0;
}

static void link_info(struct kernel_link *l, const struct nlattr *nest)
{
	struct attrs info = attrs_nested(nest), data = attrs_nested(info.v[IFLA_INFO_DATA]);

	if (string_is(info.v[IFLA_INFO_KIND], "macvlan")) {
		l->kind = LINK_MACVLAN;
	} else if (string_is(info.v[IFLA_INFO_KIND], "vlan")) {
		l->kind = LINK_VLAN;
		if (data.v[IFLA_VLAN_ID] && mnl_attr_get_payload_len(data.v[IFLA_VLAN_ID]) == 2)
			l->vlan_id = mnl_attr_get_u16(data.v[IFLA_VLAN_ID]);
	} else if (string_is(info.v[IFLA_INFO_KIND], "bridge")) {
		l->kind = LINK_BRIDGE;
		l->stp = u32_of(data.v[IFLA_BR_STP_STATE]) != 0;
		l->vlan_filtering = u8_of(data.v[IFLA_BR_VLAN_FILTERING]) != 0;
		l->forward_delay = u32_of(data.v[IFLA_BR_FORWARD_DELAY]);
		l->follows = l->stp && !same_id(data.v[IFLA_BR_ROOT_ID], data.v[IFLA_BR_BRIDGE_ID]);
	} else if (string_is(info.v[IFLA_INFO_KIND], "bond")) {
		l->kind = LINK_BOND;
		l->bond_mode = u8_of(data.v[IFLA_BOND_MODE]);
		l->miimon = u32_of(data.v[IFLA_BOND_MIIMON]);
		l->xmit_hash = u8_of(data.v[IFLA_BOND_XMIT_HASH_POLICY]);
		l->lacp_fast = u8_of(data.v[IFLA_BOND_AD_LACP_RATE]) != 0;
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
		o->routes_stale = o->routes_stale || bears_routes(old);
		kernel_link_remove(o->k, l.index);
		o->changed |= OBSERVE_LINK | OBSERVE_NEW_LINK;
		return;
	}
	/* Without an MTU it is no description of the link, but an event of a wireless one. */
	if (!a.v[IFLA_MTU] || !a.v[IFLA_IFNAME] ||
		mnl_attr_get_payload_len(a.v[IFLA_IFNAME]) > IFNAMSIZ)
		return;
	strncpy(l.name, mnl_attr_get_str(a.v[IFLA_IFNAME]), sizeof(l.name) - 1);
	l.parent = a.v[IFLA_LINK_NETNSID] ? 0 : u32_of(a.v[IFLA_LINK]);
	l.master = u32_of(a.v[IFLA_MASTER]);
	l.mtu = u32_of(a.v[IFLA_MTU]);
	l.up = ifi->ifi_flags & IFF_UP;
	l.carrier = a.v[IFLA_CARRIER] ? u8_of(a.v[IFLA_CARRIER]) : ifi->ifi_flags & IFF_LOWER_UP;
	l.ether = ifi->ifi_type == ARPHRD_ETHER;
	l.aliased = a.v[IFLA_IFALIAS];
	l.ours = string_is(a.v[IFLA_IFALIAS], OBSERVE_ALIAS);
	if (a.v[IFLA_ADDRESS] && mnl_attr_get_payload_len(a.v[IFLA_ADDRESS]) == sizeof(l.mac))
		memcpy(l.mac, mnl_attr_get_payload(a.v[IFLA_ADDRESS]), sizeof(l.mac));
	link_info(&l, a.v[IFLA_LINKINFO]);
	if (!old || strcmp(old->name, l.name) != 0)
		o->changed |= OBSERVE_NEW_LINK;
	if (old && old->up != l.up && bears_routes(&l))
		o->routes_stale = true;
	o->changed |= OBSERVE_LINK;
	if (!kernel_link_put(o->k, &l))
		o->err = -ENOMEM;
}

/* --- addresses ------------------------------------------------------------------------------- */

static usec_t end_of(const struct nlattr *attr, usec_t now)
{
	struct ifa_cacheinfo life;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(life))
		return USEC_NEVER;
	memcpy(&life, mnl_attr_get_payload(attr), sizeof(life));
	return life.ifa_valid == NO_LIFETIME ? USEC_NEVER : now + life.ifa_valid * USEC_PER_SEC;
}

static bool addr_known(const struct kernel *k, uint32_t index, const struct config_prefix *p)
{
	const struct kernel_link *l = kernel_link(k, index);

	return l && kernel_addr_find(l, p);
}

/* As virtual addresses are: no route hangs on it. */
static bool is_host(const struct config_prefix *p)
{
	return p->len == (p->family == AF_INET ? 32 : 128);
}

static void on_addr(struct observe *o, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct attrs a = attrs_of(nlh, sizeof(*ifa));
	uint32_t flags = a.v[IFA_FLAGS] ? u32_of(a.v[IFA_FLAGS]) : ifa->ifa_flags;
	struct kernel_addr addr = {.owner = owner_of(u8_of(a.v[IFA_PROTO])),
		.secondary = ifa->ifa_family == AF_INET && (flags & IFA_F_SECONDARY),
		.duplicate = ifa->ifa_family == AF_INET6 && (flags & IFA_F_DADFAILED),
		.until = end_of(a.v[IFA_CACHEINFO], o->now)};
	const struct nlattr *which = a.v[IFA_LOCAL] ? a.v[IFA_LOCAL] : a.v[IFA_ADDRESS];
	int rc;

	if (!which || !prefix_of(ifa->ifa_family, ifa->ifa_prefixlen, which, &addr.prefix))
		return;
	o->changed |= OBSERVE_ADDR;
	if (nlh->nlmsg_type == RTM_DELADDR) {
		kernel_addr_remove(o->k, ifa->ifa_index, &addr.prefix);
		o->routes_stale =
			o->routes_stale || bears_routes(kernel_link(o->k, ifa->ifa_index));
		return;
	}
	/* One that comes back: the kernel dropped its routes after it had told of its end, and
	 * perhaps after we had read them. */
	if (!is_host(&addr.prefix) && !addr_known(o->k, ifa->ifa_index, &addr.prefix))
		o->routes_stale = true;
	rc = kernel_addr_put(o->k, ifa->ifa_index, &addr);
	/* A link that went again meanwhile; more of a stranger's than there is room for. */
	if (rc && rc != -ENODEV && !(rc == -ENOSPC && addr.owner == OWNER_OTHER))
		o->err = rc;
}

/* --- routes and rules ------------------------------------------------------------------------ */

/* Of the main table: the way to a subnet of an address, as the kernel itself adds it. */
static bool is_connected(const struct rtmsg *rt, const struct attrs *a, uint32_t table)
{
	return rt->rtm_protocol == RTPROT_KERNEL && rt->rtm_type == RTN_UNICAST &&
	       table == RT_TABLE_MAIN && !a->v[RTA_GATEWAY];
}

static void on_route(struct observe *o, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct attrs a = attrs_of(nlh, sizeof(*rt));
	struct kernel_route r = {.metric = u32_of(a.v[RTA_PRIORITY]),
		.table = a.v[RTA_TABLE] ? u32_of(a.v[RTA_TABLE]) : rt->rtm_table,
		.oif = u32_of(a.v[RTA_OIF]),
		.blackhole = rt->rtm_type == RTN_BLACKHOLE,
		.owner = owner_of(rt->rtm_protocol)};
	const struct kernel_route *old;
	struct kernel_route_key key;
	int rc;

	if (is_connected(rt, &a, r.table))
		r.owner = OWNER_KERNEL;
	if (rt->rtm_tos || (rt->rtm_flags & RTM_F_CLONED) ||
		!prefix_of(rt->rtm_family, rt->rtm_dst_len, a.v[RTA_DST], &r.prefix))
		return;
	key = kernel_route_key(&r.prefix, r.metric, r.table);
	old = kernel_route_find(o->k, &key);
	/* Several links may be in one subnet, or ours stand in its place. */
	if (r.owner == OWNER_KERNEL && old && (old->owner != OWNER_KERNEL || old->oif != r.oif))
		return;
	if (nlh->nlmsg_type == RTM_DELROUTE || r.owner == OWNER_OTHER) {
		/* Another's route in place of ours is ours gone. */
		bool gone = r.owner != OWNER_OTHER || (nlh->nlmsg_flags & NLM_F_REPLACE);

		if (gone && kernel_route_remove(o->k, &r))
			o->changed |= OBSERVE_ROUTE;
		return;
	}
	if (a.v[RTA_GATEWAY] && !prefix_of(rt->rtm_family, rt->rtm_family == AF_INET ? 32 : 128,
					a.v[RTA_GATEWAY], &r.via))
		return;
	o->changed |= OBSERVE_ROUTE;
	rc = kernel_route_put(o->k, &r);
	/* More of strangers' than there is room for. */
	if (rc && !(rc == -ENOSPC && r.owner == OWNER_KERNEL))
		o->err = rc;
}

/* Matches by more than the configuration can say. */
static bool rule_is_odd(const struct fib_rule_hdr *h, const struct attrs *a)
{
	static const uint16_t others[] = {FRA_GOTO, FRA_OIFNAME, FRA_TUN_ID, FRA_L3MDEV,
		FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE};
	static const uint16_t unset[] = {FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN, FRA_FWMASK};
	bool odd = h->tos || h->action != FR_ACT_TO_TBL || (h->flags & FIB_RULE_INVERT);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		odd = odd || a->v[others[i]];
	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
		odd = odd || (a->v[unset[i]] && u32_of(a->v[unset[i]]) != UINT32_MAX);
	return odd;
}

static void on_rule(struct observe *o, const struct nlmsghdr *nlh)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(nlh);
	struct attrs a = attrs_of(nlh, sizeof(*h));
	uint32_t table = a.v[FRA_TABLE] ? u32_of(a.v[FRA_TABLE]) : h->table;
	struct config_prefix from, to;
	struct kernel_rule rule;
	char iif[IFNAMSIZ] = "";
	bool ours = u8_of(a.v[FRA_PROTOCOL]) == OBSERVE_PROTOCOL, builtin;
	int rc;

	if (rule_is_odd(h, &a) || !prefix_of(h->family, h->src_len, a.v[FRA_SRC], &from) ||
		!prefix_of(h->family, h->dst_len, a.v[FRA_DST], &to))
		return;
	if (a.v[FRA_IIFNAME] && mnl_attr_get_payload_len(a.v[FRA_IIFNAME]) <= IFNAMSIZ)
		strncpy(iif, mnl_attr_get_str(a.v[FRA_IIFNAME]), sizeof(iif) - 1);
	rule = kernel_rule_key(h->family, &from, &to, iif, u32_of(a.v[FRA_PRIORITY]),
		u32_of(a.v[FRA_FWMARK]), table);
	builtin = rule.priority == KERNEL_RULE_MAIN && table == KERNEL_TABLE_MAIN && !h->src_len &&
		  !h->dst_len && !iif[0] && !rule.mark;
	if (!ours && !builtin)
		return;
	o->changed |= OBSERVE_RULE;
	if (nlh->nlmsg_type == RTM_DELRULE) {
		kernel_rule_remove(o->k, &rule);
		return;
	}
	rc = kernel_rule_put(o->k, &rule, ours && !builtin);
	if (rc)
		o->err = rc;
}

/* --- messages -------------------------------------------------------------------------------- */

static void on_message(const struct nlmsghdr *nlh, void *arg)
{
	static const struct {
		uint16_t type, gone;
		size_t size;
		void (*take)(struct observe *o, const struct nlmsghdr *nlh);
	} kinds[] = {
		{RTM_NEWLINK, RTM_DELLINK, sizeof(struct ifinfomsg), on_link},
		{RTM_NEWADDR, RTM_DELADDR, sizeof(struct ifaddrmsg), on_addr},
		{RTM_NEWROUTE, RTM_DELROUTE, sizeof(struct rtmsg), on_route},
		{RTM_NEWRULE, RTM_DELRULE, sizeof(struct fib_rule_hdr), on_rule},
	};
	struct observe *o = arg;

	/* Some of the kernel's switches, of an interface or of all. */
	if (nlh->nlmsg_type == RTM_NEWNETCONF)
		o->changed |= OBSERVE_SWITCH;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((nlh->nlmsg_type == kinds[i].type || nlh->nlmsg_type == kinds[i].gone) &&
			mnl_nlmsg_get_payload_len(nlh) >= kinds[i].size)
			kinds[i].take(o, nlh);
}

int observe_init(struct observe *o, struct nl *request, struct kernel *k)
{
	static const unsigned groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,
		RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF};

	*o = (struct observe){.request = request, .k = k, .events.fd = -1};
	return nl_open_events(
		&o->events, NETLINK_ROUTE, groups, sizeof(groups) / sizeof(groups[0]));
}

void observe_fini(struct observe *o)
{
	nl_close(&o->events);
}

/* `protocol`: of routes only. */
static int dump_one(struct observe *o, uint16_t type, uint8_t family, uint8_t protocol)
{
	char buf[256] __attribute__((aligned(8))) = {0};
	int rc = -EINTR;

	o->now = clock_now_us();
	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

		nlh->nlmsg_type = type;
		if (type == RTM_GETLINK) {
			struct ifinfomsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

			m->ifi_family = AF_UNSPEC;
		} else if (type == RTM_GETADDR) {
			struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

			m->ifa_family = family;
		} else if (type == RTM_GETRULE) {
			struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

			m->family = family;
		} else {
			struct rtmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

			m->rtm_family = family;
			m->rtm_protocol = protocol;
			m->rtm_table = protocol == RTPROT_KERNEL ? RT_TABLE_MAIN : 0;
		}
		rc = nl_dump(o->request, nlh, on_message, o);
	}
	/* Changed under our hands each time: the notifications will tell the rest. A kernel without
	 * IPv6 has nothing of it. */
	if (rc == -EINTR || (family == AF_INET6 && (rc == -EOPNOTSUPP || rc == -EAFNOSUPPORT)))
		return 0;
	return rc;
}

static int dump_routes(struct observe *o)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int rc = 0;

	kernel_routes_clear(o->k);
	o->routes_stale = false;
	o->changed |= OBSERVE_ROUTE;
	for (size_t i = 0; i < 2 && !rc; i++) {
		rc = dump_one(o, RTM_GETROUTE, families[i], OBSERVE_PROTOCOL);
		if (!rc)
			rc = dump_one(o, RTM_GETROUTE, families[i], WAN_PROTOCOL);
		if (!rc)
			rc = dump_one(o, RTM_GETROUTE, families[i], RTPROT_KERNEL);
		/* A table that was never used is not there. */
		rc = rc == -ENOENT ? 0 : rc;
	}
	return rc;
}

static int dump_rules(struct observe *o)
{
	int rc;

	kernel_rules_clear(o->k);
	o->changed |= OBSERVE_RULE;
	rc = dump_one(o, RTM_GETRULE, AF_INET, 0);
	return rc ? rc : dump_one(o, RTM_GETRULE, AF_INET6, 0);
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
	rc = dump_one(o, RTM_GETLINK, AF_UNSPEC, 0);
	if (!rc)
		rc = dump_one(o, RTM_GETADDR, AF_UNSPEC, 0);
	if (!rc)
		rc = dump_routes(o);
	if (!rc)
		rc = dump_rules(o);
	return rc ? rc : o->err;
}

static void forget_message(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	(void)arg;
}

/* Some were lost. What waits is older than that, and the kernel adds nothing until it is read:
 * after a dump it would undo what that has told. */
static void forget_events(struct observe *o)
{
	for (int i = 0; i < FORGET_TRIES; i++)
		if (nl_events(&o->events, EVENTS_PER_DRAIN, forget_message, NULL) == 0)
			return;
}

int observe_drain(struct observe *o)
{
	unsigned changed;
	int rc;

	o->now = clock_now_us();
	rc = nl_events(&o->events, EVENTS_PER_DRAIN, on_message, o);

	if (rc < 0)
		forget_events(o);
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
