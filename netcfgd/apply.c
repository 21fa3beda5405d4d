/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From operations to kernel writes (see apply.h).
 */
#include "netcfgd/apply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/lease.h"
#include "netcfgd/observe.h"

#define BATCH_MESSAGES 128
#define MESSAGE_MAX    512

/* rtnetlink messages not yet sent; message i belongs to op of[i]. */
struct batch {
	struct apply *a;
	struct apply_report *report;
	uint32_t first;
	size_t n, len;
	const struct op *of[BATCH_MESSAGES];
	const struct op *failed; /* the last that did; its second message fails as well */
};

static char buffer[BATCH_MESSAGES * MESSAGE_MAX] __attribute__((aligned(8)));

/* --- what went wrong ------------------------------------------------------------------------- */

static const char *link_label(const struct op *op)
{
	return op->name[0] ? op->name : "(any)";
}

void apply_describe(const struct op *op, bool failed, char *out, size_t size)
{
	const char *cannot = failed ? "cannot be " : "";
	char a[CONFIG_PREFIX_STRLEN], b[CONFIG_PREFIX_STRLEN];

	switch (op->kind) {
	case OP_LINK_ADD:
		snprintf(out, size, "interface %s: %screated on %s", op->name, cannot,
			op->link->parent);
		break;
	case OP_LINK_DEL:
		snprintf(out, size, "interface %s: %sremoved", op->name, cannot);
		break;
	case OP_LINK_UP:
		snprintf(out, size, "interface %s: %sset up", op->name, cannot);
		break;
	case OP_LINK_DOWN:
		snprintf(out, size, "interface %s: %sset down", op->name, cannot);
		break;
	case OP_LINK_MTU:
		snprintf(
			out, size, "interface %s: %sgiven mtu %u", op->name, cannot, op->link->mtu);
		break;
	case OP_ADDR_SET:
	case OP_ADDR_DEL:
		snprintf(out, size, "interface %s: address %s %s%s", op->name,
			config_prefix_to_str(&op->addr.prefix, a), cannot,
			op->kind == OP_ADDR_SET ? "added" : "removed");
		break;
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
		snprintf(out, size, "route %s via %s (interface %s): %s%s",
			config_prefix_to_str(&op->route.prefix, a),
			config_prefix_to_str(&op->route.via, b), link_label(op), cannot,
			op->kind == OP_ROUTE_SET ? "added" : "removed");
		break;
	case OP_SYSCTL:
		snprintf(out, size, "kernel switch net/%s: %sset to %d", op->sysctl->path, cannot,
			op->sysctl->value);
		break;
	case OP_FIREWALL:
		snprintf(out, size, "firewall: the tables gatepair %swritten", cannot);
		break;
	case OP_GATE:
		snprintf(out, size, "firewall: forwarding %s%s", cannot,
			op->open ? "opened" : "closed");
		break;
	}
}

static const char *next_action(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "give netcfgd CAP_NET_ADMIN in this network namespace";
	case EOPNOTSUPP:
		return "use a kernel with this feature";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "give an interface an address in the next hop's subnet";
	case EEXIST:
		return "remove what is there under this name";
	case ENOENT:
	case ENODEV:
		return "check that the kernel module or interface is there";
	default:
		return "it is tried again; see the kernel log if it stays";
	}
}

static void fail(struct apply *a, struct apply_report *report, const struct op *op, int err,
	const char *kernel_text)
{
	char what[APPLY_TEXT_MAX], text[APPLY_TEXT_MAX * 2];

	if (!report->err)
		report->err = err;
	report->failed++;
	apply_describe(op, true, what, sizeof(what));
	snprintf(text, sizeof(text), "%s: %s%s%.100s%s; %s", what, strerror(-err),
		kernel_text[0] ? " (" : "", kernel_text, kernel_text[0] ? ")" : "",
		next_action(err));
	a->on_error(op, err, text, a->arg);
}

/* It is as it should be already: somebody was faster. */
static bool harmless(const struct op *op, int err)
{
	switch (op->kind) {
	case OP_LINK_DEL:
		return err == -ENODEV;
	case OP_ADDR_DEL:
		return err == -EADDRNOTAVAIL || err == -ENODEV;
	case OP_ROUTE_DEL:
		return err == -ESRCH || err == -ENODEV;
	case OP_LINK_ADD:
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
	case OP_ADDR_SET:
	case OP_ROUTE_SET:
	case OP_SYSCTL:
	case OP_FIREWALL:
	case OP_GATE:
		break;
	}
	return false;
}

/* --- messages -------------------------------------------------------------------------------- */

static struct nlmsghdr *header(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, MESSAGE_MAX);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return nlh;
}

static struct nlmsghdr *link_message(char *buf, const struct op *op, uint16_t type)
{
	struct nlmsghdr *nlh = header(buf, type, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = (int)op->index;
	if (op->kind == OP_LINK_UP || op->kind == OP_LINK_DOWN) {
		m->ifi_change = IFF_UP;
		m->ifi_flags = op->kind == OP_LINK_UP ? IFF_UP : 0;
	} else if (op->kind == OP_LINK_MTU) {
		mnl_attr_put_u32(nlh, IFLA_MTU, op->link->mtu);
	}
	return nlh;
}

static struct nlmsghdr *link_add(char *buf, const struct op *op)
{
	const struct desired_link *w = op->link;
	struct nlmsghdr *nlh = header(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	struct nlattr *info, *data;

	m->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, w->name);
	mnl_attr_put_u32(nlh, IFLA_LINK, op->index);
	if (w->kind == LINK_MACVLAN)
		mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(w->mac), w->mac);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, w->kind == LINK_VLAN ? "vlan" : "macvlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	if (w->kind == LINK_VLAN)
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, w->vlan_id);
	else
		mnl_attr_put_u32(nlh, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nlh;
}

/* A new vlan is marked as ours; the kernel takes an alias only for what exists. */
static struct nlmsghdr *link_alias(char *buf, const struct op *op)
{
	struct nlmsghdr *nlh = header(buf, RTM_SETLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, op->name);
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, OBSERVE_ALIAS);
	return nlh;
}

static size_t prefix_size(const struct config_prefix *p)
{
	return p->family == AF_INET ? sizeof(p->v4) : sizeof(p->v6);
}

static void addr_lifetime(struct nlmsghdr *nlh)
{
	struct ifa_cacheinfo life = {
		.ifa_prefered = LEASE_KERNEL_LFT, .ifa_valid = LEASE_KERNEL_LFT};

	mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(life), &life);
	mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
}

static void addr_broadcast(struct nlmsghdr *nlh, const struct config_prefix *p)
{
	if (p->family == AF_INET && p->len < 31)
		mnl_attr_put_u32(nlh, IFA_BROADCAST, p->v4.s_addr | htonl(UINT32_MAX >> p->len));
}

static struct nlmsghdr *addr_message(char *buf, const struct op *op)
{
	const struct config_prefix *p = &op->addr.prefix;
	bool set = op->kind == OP_ADDR_SET;
	struct nlmsghdr *nlh = header(
		buf, set ? RTM_NEWADDR : RTM_DELADDR, set ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->ifa_family = (uint8_t)p->family;
	m->ifa_prefixlen = p->len;
	m->ifa_index = op->index;
	mnl_attr_put(nlh, IFA_LOCAL, prefix_size(p), &p->v6);
	mnl_attr_put(nlh, IFA_ADDRESS, prefix_size(p), &p->v6);
	if (!set)
		return nlh;
	mnl_attr_put_u8(nlh, IFA_PROTO, OBSERVE_PROTOCOL);
	if (op->addr.virt)
		addr_lifetime(nlh);
	else
		addr_broadcast(nlh, p);
	return nlh;
}

static struct nlmsghdr *route_message(char *buf, const struct op *op)
{
	const struct kernel_route *r = &op->route;
	bool set = op->kind == OP_ROUTE_SET;
	struct nlmsghdr *nlh = header(
		buf, set ? RTM_NEWROUTE : RTM_DELROUTE, set ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->rtm_family = (uint8_t)r->prefix.family;
	m->rtm_dst_len = r->prefix.len;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = OBSERVE_PROTOCOL;
	m->rtm_scope = RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	if (r->prefix.len)
		mnl_attr_put(nlh, RTA_DST, prefix_size(&r->prefix), &r->prefix.v6);
	mnl_attr_put(nlh, RTA_GATEWAY, prefix_size(&r->via), &r->via.v6);
	if (r->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, r->oif);
	if (r->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	return nlh;
}

/* --- batches --------------------------------------------------------------------------------- */

static void on_ack(uint32_t seq, int err, const char *text, void *arg)
{
	struct batch *b = arg;
	const struct op *op = b->of[seq - b->first];

	if (op == b->failed)
		return;
	if (!err || harmless(op, err)) {
		b->report->done++;
		return;
	}
	b->failed = op;
	fail(b->a, b->report, op, err, text);
}

static void flush(struct batch *b)
{
	int rc;

	if (!b->n)
		return;
	rc = nl_send_acked(
		b->a->rt, buffer, b->len, b->first, b->first + (uint32_t)b->n - 1, on_ack, b);
	/* Some may have been done: the next look at the kernel tells. */
	if (rc)
		fail(b->a, b->report, b->of[0], rc, "no answer from rtnetlink");
	b->n = 0;
	b->len = 0;
}

static void queue(struct batch *b, const struct op *op, struct nlmsghdr *nlh)
{
	if (!b->n)
		b->first = b->a->rt->seq;
	nlh->nlmsg_seq = b->a->rt->seq++;
	b->of[b->n++] = op;
	b->len += NLMSG_ALIGN(nlh->nlmsg_len);
}

static void queue_rtnl(struct batch *b, const struct op *op)
{
	/* Two: a new vlan takes a second message. */
	if (b->n + 2 > BATCH_MESSAGES)
		flush(b);
	switch (op->kind) {
	case OP_LINK_ADD:
		queue(b, op, link_add(buffer + b->len, op));
		if (op->link->kind == LINK_VLAN)
			queue(b, op, link_alias(buffer + b->len, op));
		break;
	case OP_LINK_DEL:
		queue(b, op, link_message(buffer + b->len, op, RTM_DELLINK));
		break;
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
		queue(b, op, link_message(buffer + b->len, op, RTM_NEWLINK));
		break;
	case OP_ADDR_SET:
	case OP_ADDR_DEL:
		queue(b, op, addr_message(buffer + b->len, op));
		break;
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
		queue(b, op, route_message(buffer + b->len, op));
		break;
	case OP_SYSCTL:
	case OP_FIREWALL:
	case OP_GATE:
		break;
	}
}

static bool is_rtnl(enum op_kind kind)
{
	return kind != OP_SYSCTL && kind != OP_FIREWALL && kind != OP_GATE;
}

static void write_switch(struct apply *a, struct apply_report *report, const struct op *op)
{
	size_t i = (size_t)(op->sysctl - a->d->sysctls);
	int rc = sysctl_write(a->sysctl, op->sysctl, a->k->sysctls[i]);

	if (rc) {
		fail(a, report, op, rc, "");
		return;
	}
	a->k->sysctls[i] = op->sysctl->value;
	report->done++;
}

static void write_firewall(struct apply *a, struct apply_report *report, const struct op *op)
{
	char text[APPLY_TEXT_MAX] = "";
	int rc = op->kind == OP_FIREWALL ? nft_write(a->nft, a->d, op->open, text, sizeof(text))
					 : nft_gate(a->nft, op->open, text, sizeof(text));

	if (!rc) {
		report->done++;
		return;
	}
	fail(a, report, op, rc, text);
	/* What follows an opening relies on it; closing is followed by more closing. */
	report->stopped = op->open;
}

struct apply_report apply_plan(struct apply *a, const struct plan *plan)
{
	struct apply_report report = {0};
	struct batch b = {.a = a, .report = &report};

	for (size_t i = 0; i < plan->n && !report.stopped; i++) {
		const struct op *op = &plan->ops[i];

		if (is_rtnl(op->kind)) {
			queue_rtnl(&b, op);
			continue;
		}
		flush(&b);
		if (op->kind == OP_SYSCTL)
			write_switch(a, &report, op);
		else
			write_firewall(a, &report, op);
	}
	flush(&b);
	return report;
}
