/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables rules in the order in which nft(8) would write them: each function appends one match or
 * statement to the rule under construction. Out of memory marks the rule; it is then refused as a
 * whole. netcfgd's firewall.c is the only user.
 */
#ifndef GATEPAIR_NETCFGD_RULE_H
#define GATEPAIR_NETCFGD_RULE_H

#include <libnftnl/rule.h>

#include "common/config.h"

#define RULE_TEXT_MAX  64
#define RULE_CHAIN_MAX 32

/* What a rule counted. The text is its comment, one of a kind in its chain. */
struct rule_count {
	char chain[RULE_CHAIN_MAX], text[RULE_TEXT_MAX];
	uint64_t packets, bytes;
};

struct rule {
	struct nftnl_rule *r;
	uint64_t packets, bytes; /* what its counter starts from */
	bool bad;
};

#define CT_INVALID     1u
#define CT_ESTABLISHED 2u
#define CT_RELATED     4u
#define CT_NEW         8u

/* `text`: the comment that nft(8) and the status show; NULL: none. */
void rule_begin(struct rule *r, const char *table, const char *chain, const char *text);
void rule_iif(struct rule *r, const char *name);   /* iifname NAME */
void rule_iif_in(struct rule *r, const char *set); /* iifname @SET */
void rule_oif(struct rule *r, const char *name);
void rule_oif_in(struct rule *r, const char *set);
void rule_family(struct rule *r, uint8_t nfproto); /* meta nfproto */
void rule_family_in(struct rule *r, const char *set);
void rule_family_not_in(struct rule *r, const char *set);
void rule_l4proto(struct rule *r, uint8_t proto);               /* meta l4proto */
void rule_ct_state(struct rule *r, uint32_t bits);              /* ct state any of */
void rule_saddr(struct rule *r, const struct config_prefix *p); /* host; the family too */
void rule_daddr(struct rule *r, const struct config_prefix *p);
void rule_saddr4_in(struct rule *r, const char *set);
void rule_daddr4_in(struct rule *r, const char *set);
void rule_arp_saddr_in(struct rule *r, const char *set); /* sender's IPv4 address, family arp */
void rule_sport(struct rule *r, uint16_t port);          /* after l4proto */
void rule_dport(struct rule *r, uint16_t port);
void rule_tcp_not_syn(struct rule *r);                         /* tcp flags & (syn|ack) != syn */
void rule_icmp_type(struct rule *r, uint8_t from, uint8_t to); /* after l4proto; v4 and v6 */
void rule_limit(struct rule *r, uint64_t per_second, uint32_t burst);
/* The statements, each with the rule's counter before it. */
void rule_notrack(struct rule *r);
void rule_snat4(struct rule *r, struct in_addr to);
void rule_verdict(struct rule *r, uint32_t verdict); /* NF_ACCEPT, NF_DROP */
void rule_jump(struct rule *r, const char *chain);

#endif
