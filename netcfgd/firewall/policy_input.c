/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain of the policy (see firewall.h) that decides what reaches this node itself.
 */
#include "netcfgd/firewall/policy.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#define ECHO_RATE     50 /* per second: strangers' pings */
#define DHCP_SERVER   67
#define DHCP_CLIENT   68
#define DHCPV6_SERVER 547

struct icmp_kind {
	const char *name;
	uint8_t proto, from, to;
};

static void input_icmp(struct fw_batch *b, const char *ifs, const struct icmp_kind *k, bool limited,
	uint32_t verdict)
{
	struct rule r;

	batch_rule_begin(b, &r, "input", "%s: %s%s", ifs, k->name,
		verdict == NF_DROP ? " over the limit" : "");
	rule_iif_in(&r, ifs);
	rule_l4proto(&r, k->proto);
	rule_icmp_type(&r, k->from, k->to);
	if (limited)
		rule_limit(&r, ECHO_RATE, ECHO_RATE);
	batch_rule_verdict(b, &r, verdict);
}

static const struct icmp_kind echo[] = {
	{"echo", IPPROTO_ICMP, ICMP_ECHO, ICMP_ECHO},
	{"echo, IPv6", IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST, ICMP6_ECHO_REQUEST},
};

static void input_echo(struct fw_batch *b, const char *ifs)
{
	for (size_t i = 0; i < sizeof(echo) / sizeof(echo[0]); i++)
		input_icmp(b, ifs, &echo[i], false, NF_ACCEPT);
}

/* From the second on they belong to a known session: before those are let through. */
static void input_echo_limited(struct fw_batch *b, const char *ifs)
{
	for (size_t i = 0; i < sizeof(echo) / sizeof(echo[0]); i++) {
		input_icmp(b, ifs, &echo[i], true, NF_ACCEPT);
		input_icmp(b, ifs, &echo[i], false, NF_DROP);
	}
}

/* What IPv6 needs on any link: neighbour discovery, and the questions of switches that pass
 * multicast only to who asked for it. Routers are believed on the WAN only. */
static void input_neighbours(struct fw_batch *b, const char *ifs, bool routers)
{
	static const struct icmp_kind kinds[] = {
		{"neighbours, IPv6", IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT},
		{"router solicitations, IPv6", IPPROTO_ICMPV6, ND_ROUTER_SOLICIT,
			ND_ROUTER_SOLICIT},
		{"multicast queries, IPv6", IPPROTO_ICMPV6, MLD_LISTENER_QUERY, MLD_LISTENER_QUERY},
		{"router advertisements, IPv6", IPPROTO_ICMPV6, ND_ROUTER_ADVERT, ND_ROUTER_ADVERT},
	};
	size_t n = sizeof(kinds) / sizeof(kinds[0]);

	for (size_t i = 0; i < (routers ? n : n - 1); i++)
		input_icmp(b, ifs, &kinds[i], false, NF_ACCEPT);
}

/* Either node may have opened the connection; who did not may not open others from that port. */
static void input_sync(struct fw_batch *b, const struct desired_sync *s)
{
	struct rule r;

	for (int reply = 0; reply < 2; reply++) {
		batch_rule_begin(b, &r, "input", "ha: synchronisation%s", reply ? ", answers" : "");
		rule_iif_in(&r, "ha");
		rule_saddr(&r, &s->peer);
		rule_daddr(&r, &s->local);
		rule_l4proto(&r, IPPROTO_TCP);
		if (reply) {
			rule_sport(&r, s->port);
			rule_tcp_not_syn(&r);
		} else {
			rule_dport(&r, s->port);
		}
		batch_rule_verdict(b, &r, NF_ACCEPT);
	}
}

static void input_port(struct fw_batch *b, const char *ifs, uint8_t proto, uint16_t port)
{
	struct rule r;

	batch_rule_begin(
		b, &r, "input", "%s: %s %u", ifs, proto == IPPROTO_TCP ? "tcp" : "udp", port);
	rule_iif_in(&r, ifs);
	rule_l4proto(&r, proto);
	rule_dport(&r, port);
	batch_rule_verdict(b, &r, NF_ACCEPT);
}

/* Answers of DHCP servers come from and to fixed ports; conntrack does not know them for such, as
 * requests go to a broadcast address or come from a relay. */
static void input_dhcp(struct fw_batch *b)
{
	struct rule r;

	batch_rule_begin(b, &r, "input", "dhcp: answers to this client");
	rule_iif_in(&r, "dhcp_client");
	rule_l4proto(&r, IPPROTO_UDP);
	rule_sport(&r, DHCP_SERVER);
	rule_dport(&r, DHCP_CLIENT);
	batch_rule_verdict(b, &r, NF_ACCEPT);
	batch_rule_begin(b, &r, "input", "dhcp: answers to this relay");
	rule_iif_in(&r, "configured");
	rule_saddr4_in(&r, "relay_servers");
	rule_l4proto(&r, IPPROTO_UDP);
	rule_sport(&r, DHCP_SERVER);
	rule_dport(&r, DHCP_SERVER);
	batch_rule_verdict(b, &r, NF_ACCEPT);
	input_port(b, "dhcp_server", IPPROTO_UDP, DHCP_SERVER);
	input_port(b, "router_advert", IPPROTO_UDP, DHCPV6_SERVER);
}

static void drop_from(struct fw_batch *b, const char *ifs)
{
	struct rule r;

	batch_rule_begin(b, &r, "input", "%s: all else dropped", ifs);
	rule_iif_in(&r, ifs);
	batch_rule_verdict(b, &r, NF_DROP);
}

/* Echo is answered all the same: it is how people look for the gateway. */
static void input_not_accepted_echo(struct fw_batch *b)
{
	struct rule r;

	for (int over = 0; over < 2; over++) {
		batch_rule_begin(
			b, &r, "input", "not_accepted: echo%s", over ? " over the limit" : "");
		rule_daddr4_in(&r, "not_accepted");
		rule_l4proto(&r, IPPROTO_ICMP);
		rule_icmp_type(&r, ICMP_ECHO, ICMP_ECHO);
		if (!over)
			rule_limit(&r, ECHO_RATE, ECHO_RATE);
		batch_rule_verdict(b, &r, over ? NF_DROP : NF_ACCEPT);
	}
}

static void input_not_accepted(struct fw_batch *b)
{
	struct rule r;

	batch_rule_begin(b, &r, "input", "not_accepted: all else dropped");
	rule_daddr4_in(&r, "not_accepted");
	batch_rule_verdict(b, &r, NF_DROP);
}

/* While the gate is closed the addresses may still be there, for as long as somebody else holds the
 * kernel's lock of the interfaces, or may be there already. */
static void input_gate(struct fw_batch *b)
{
	struct rule r;

	batch_rule_begin(b, &r, "input", "gate closed: nothing to virtual addresses");
	rule_daddr4_in(&r, "virtual");
	rule_family_not_in(&r, FIREWALL_GATE);
	batch_rule_verdict(b, &r, NF_DROP);
}

/* vrrpd reads its packets before they come here; the stack must not answer them. */
static void input_vrrp(struct fw_batch *b)
{
	struct rule r;

	batch_rule_begin(b, &r, "input", "vrrp: not for the stack");
	rule_l4proto(&r, PROTO_VRRP);
	batch_rule_verdict(b, &r, NF_DROP);
}

void policy_input(struct fw_batch *b, const struct desired *d)
{
	static const uint16_t mgmt_tcp[] = {22, 80, 443}, mgmt_udp[] = {53, DHCP_SERVER};
	struct rule r;

	batch_chain(b, "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, NF_ACCEPT);
	batch_rule_begin(b, &r, "input", "loopback");
	rule_iif(&r, "lo");
	batch_rule_verdict(b, &r, NF_ACCEPT);
	input_gate(b);
	if (d->sync.present)
		input_sync(b, &d->sync);
	input_echo_limited(b, "ha");
	input_neighbours(b, "ha", false);
	drop_from(b, "ha");
	input_vrrp(b);
	/* A segment of a session that is not here yet must not be answered with RST. */
	policy_ct_state(b, "input", "invalid", CT_INVALID, NF_DROP);
	policy_jump(b, "input", FIREWALL_USER_INPUT);
	input_not_accepted_echo(b);
	input_echo_limited(b, "wan");
	policy_ct_state(b, "input", "answers", CT_ESTABLISHED | CT_RELATED, NF_ACCEPT);
	input_not_accepted(b);
	input_dhcp(b);
	input_echo(b, "mgmt");
	input_neighbours(b, "mgmt", false);
	for (size_t i = 0; i < sizeof(mgmt_tcp) / sizeof(mgmt_tcp[0]); i++)
		input_port(b, "mgmt", IPPROTO_TCP, mgmt_tcp[i]);
	for (size_t i = 0; i < sizeof(mgmt_udp) / sizeof(mgmt_udp[0]); i++)
		input_port(b, "mgmt", IPPROTO_UDP, mgmt_udp[i]);
	input_echo(b, "lan");
	input_neighbours(b, "lan", false);
	input_port(b, "lan", IPPROTO_TCP, 22);
	input_neighbours(b, "wan", true);
	drop_from(b, "configured");
}
