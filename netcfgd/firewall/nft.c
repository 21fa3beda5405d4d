/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nfnetlink (see nft.h). What was written is known from the kernel's acknowledgement; a change
 * by anybody else is recognised by the port number in its notification, and the whole table is
 * then written again.
 */
#include "netcfgd/firewall/nft.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_rules.h"
#include "netcfgd/firewall/content.h"
#include "netcfgd/firewall/nfattr.h"

#define EVENTS_PER_DRAIN 4096
#define DUMP_TRIES       5
#define FORGET_TRIES     64
#define SETS_MAX         (USERRULES_MAX_SETS + 32)
#define SET_NAME_MAX     64
#define COUNTS_GAP       (200 * USEC_PER_MS)

int nft_init(struct nft *n, struct kernel_firewall *fw)
{
	static const unsigned groups[] = {NFNLGRP_NFTABLES};
	int rc;

	*n = (struct nft){.fw = fw, .request.fd = -1, .events.fd = -1};
	rc = nl_open(&n->request, NETLINK_NETFILTER);
	if (!rc)
		rc = nl_open_events(&n->events, NETLINK_NETFILTER, groups, 1);
	return rc;
}

void nft_fini(struct nft *n)
{
	nl_close(&n->request);
	nl_close(&n->events);
	userrules_free(&n->user);
}

static struct nlmsghdr *request(char *buf, uint16_t type, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nf;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nf = mnl_nlmsg_put_extra_header(nlh, sizeof(*nf));
	nf->nfgen_family = family;
	nf->version = NFNETLINK_V0;
	return nlh;
}

static void ignore_message(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	(void)arg;
}

void nft_load_conntrack(struct nft *n)
{
	char buf[64] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh =
		request(buf, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS_CPU, AF_UNSPEC);

	/* The answer does not matter: asking is what loads the module. Its absence shows when the
	 * switches are read. */
	if (nl_dump(&n->request, nlh, ignore_message, NULL) < 0)
		return;
}

/* --- looking --------------------------------------------------------------------------------- */

struct set_seen {
	char name[SET_NAME_MAX];
	uint32_t flags;
};

/* What a series of dumps finds; what is NULL is not looked for. */
struct look {
	const char *table;
	struct kernel_firewall fw;
	struct content *content;
	struct userrules *user;
	uint64_t stated;  /* by the chain FIREWALL_CONTENT; 0: there is none */
	bool stage, many; /* the other table is there; more sets than can be looked at */
	unsigned tables, gate_elements;
	struct set_seen *sets;
	size_t n_sets, at;
	struct rule_count *own, *others; /* of the policy, of the operator */
	size_t n_own, n_others, max_counts;
};

/* The hexadecimal number that a comment ends with; 0: none. */
static uint64_t number_in(const struct nlattr *userdata)
{
	char text[RULE_TEXT_MAX];
	const char *number;

	nfattr_comment(userdata, text, sizeof(text));
	number = strrchr(text, ' ');
	return number ? strtoull(number, NULL, 16) : 0;
}

static void on_table(struct look *l, const struct nlmsghdr *nlh)
{
	struct nfattrs a = nfattrs_of(nlh);
	uint64_t hash = number_in(a.v[NFTA_TABLE_USERDATA]);

	/* Of two different policies: neither. */
	l->fw.hash = l->tables == 0 || l->fw.hash == hash ? hash : 0;
	l->fw.present = true;
	l->tables++;
}

static void on_chain(struct look *l, const struct nlmsghdr *nlh)
{
	struct nfattrs a = nfattrs_of(nlh);

	if (strcmp(nfattr_str(a.v[NFTA_CHAIN_NAME]), FIREWALL_CONTENT) == 0)
		l->stated = number_in(a.v[NFTA_CHAIN_USERDATA]);
}

static void on_set(struct look *l, const struct nlmsghdr *nlh)
{
	struct nfattrs a = nfattrs_of(nlh);
	const char *name = nfattr_str(a.v[NFTA_SET_NAME]);

	if (!l->sets)
		return;
	if (l->n_sets == SETS_MAX || strlen(name) >= SET_NAME_MAX) {
		l->many = true;
		return;
	}
	snprintf(l->sets[l->n_sets].name, SET_NAME_MAX, "%s", name);
	l->sets[l->n_sets++].flags = nfattr_u32(a.v[NFTA_SET_FLAGS]);
}

static void on_elements(struct look *l, const struct nlmsghdr *nlh)
{
	struct nfattrs a = nfattrs_of(nlh);
	const struct nlattr *e;

	if (!a.v[NFTA_SET_ELEM_LIST_ELEMENTS] ||
		strcmp(nfattr_str(a.v[NFTA_SET_ELEM_LIST_SET]), FIREWALL_GATE) != 0)
		return;
	nfattr_for_each(e, a.v[NFTA_SET_ELEM_LIST_ELEMENTS]) l->gate_elements++;
}

static void on_rule(struct look *l, const struct nlmsghdr *nlh)
{
	struct rule_count c;

	l->fw.rules++;
	if (!l->own)
		return;
	c = nfattr_rule_count(nlh);
	if (config_rules_reserved(c.chain)) {
		if (l->n_own < l->max_counts)
			l->own[l->n_own++] = c;
	} else if (l->others && l->n_others < l->max_counts) {
		l->others[l->n_others++] = c;
	}
}

static void on_listed(const struct nlmsghdr *nlh, void *arg)
{
	struct look *l = arg;
	int type = nfattr_type(nlh);
	uint8_t family = type < 0 ? NFPROTO_UNSPEC : nfattr_family(nlh);
	const char *table;

	if (family != NFPROTO_INET && family != NFPROTO_ARP)
		return;
	table = nfattr_table(nlh);
	if (type == NFT_MSG_NEWTABLE && strcmp(table, USERRULES_STAGE) == 0)
		l->stage = true;
	if (strcmp(table, l->table) != 0)
		return;
	if (l->content)
		content_add(l->content, nlh,
			type == NFT_MSG_NEWSETELEM && l->sets ? l->sets[l->at].flags : 0);
	if (l->user && family == NFPROTO_INET)
		userrules_add(l->user, nlh);
	if (type == NFT_MSG_NEWTABLE)
		on_table(l, nlh);
	else if (type == NFT_MSG_NEWCHAIN)
		on_chain(l, nlh);
	else if (type == NFT_MSG_NEWSET)
		on_set(l, nlh);
	else if (type == NFT_MSG_NEWSETELEM)
		on_elements(l, nlh);
	else if (type == NFT_MSG_NEWRULE)
		on_rule(l, nlh);
}

static int list(struct nft *n, struct look *l, uint16_t type, uint8_t family, const char *set)
{
	char buf[512] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = request(buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), family);

	/* Tables and chains cannot be asked for by table: the others' are left out here. */
	if (type != NFT_MSG_GETTABLE && type != NFT_MSG_GETCHAIN)
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, l->table);
	if (set)
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	return nl_dump(&n->request, nlh, on_listed, l);
}

static int list_elements(struct nft *n, struct look *l, uint8_t family)
{
	int rc = 0;

	for (l->at = 0; l->at < l->n_sets && !rc; l->at++) {
		const struct set_seen *s = &l->sets[l->at];
		bool user = l->user && family == NFPROTO_INET && !config_rules_reserved(s->name);

		if (l->user)
			userrules_elements_begin(l->user, s->flags);
		rc = list(n, l, NFT_MSG_GETSETELEM, family, s->name);
		if (user)
			userrules_elements_end(l->user, s->name);
	}
	l->at = 0;
	return rc;
}

/* Everything in the table, in the order that userrules_add() wants. */
static int list_all(struct nft *n, struct look *l, uint8_t family)
{
	static const uint16_t kinds[] = {NFT_MSG_GETSET, NFT_MSG_GETOBJ, NFT_MSG_GETCHAIN};
	static struct set_seen sets[SETS_MAX];
	int rc = 0;

	l->sets = sets;
	l->n_sets = 0;
	l->at = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !rc; i++)
		rc = list(n, l, kinds[i], family, NULL);
	if (!rc)
		rc = list_elements(n, l, family);
	l->sets = NULL;
	if (!rc)
		rc = list(n, l, NFT_MSG_GETRULE, family, NULL);
	return rc;
}

static int look_once(struct nft *n, struct look *l, bool arp)
{
	int rc = list(n, l, NFT_MSG_GETTABLE, NFPROTO_UNSPEC, NULL);

	if (!rc && l->fw.present)
		rc = list_all(n, l, NFPROTO_INET);
	if (!rc && l->fw.present && arp)
		rc = list_all(n, l, NFPROTO_ARP);
	return rc;
}

/* A listing that was not disturbed. -ENOENT: the table is going, or is not whole. */
static int look_at(struct nft *n, const char *table, struct look *ret, struct content *content,
	struct userrules *user)
{
	int rc = -EINTR;

	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		userrules_free(user);
		*content = (struct content){0};
		*ret = (struct look){.table = table, .content = content, .user = user};
		rc = look_once(n, ret, strcmp(table, FIREWALL_TABLE) == 0);
	}
	ret->content = NULL;
	ret->user = NULL;
	return rc;
}

static void take_user_rules(struct nft *n, struct userrules *u, uint64_t of)
{
	userrules_free(&n->user);
	n->user = *u;
	n->user.of = of;
	n->fw->user = of;
	n->user_why[0] = '\0';
	*u = (struct userrules){0};
}

/* As it was written down, the gate's keys all there or none. */
static bool is_whole(const struct look *l, const struct content *content)
{
	return !l->many && (!l->gate_elements || l->gate_elements == FIREWALL_GATE_KEYS) &&
	       l->stated == content_digest(content);
}

int nft_observe(struct nft *n, const struct desired *d)
{
	struct content content;
	struct userrules user = {0};
	struct look l;
	uint64_t ready = n->fw->user;
	int rc = look_at(n, FIREWALL_TABLE, &l, &content, &user);

	/* Deleted meanwhile, or only one of the tables: it will be written again. */
	if (rc == -ENOENT)
		l.fw.stale = true;
	else if (rc)
		goto out;
	rc = 0;
	l.fw.complete = l.fw.hash & FIREWALL_COMPLETE;
	l.fw.user = ready;
	l.fw.gate_open = l.gate_elements > 0;
	l.fw.stale = l.fw.stale || (l.fw.present && !is_whole(&l, &content));
	*n->fw = l.fw;
	if (l.fw.present && !l.fw.stale && l.fw.hash == d->fw_hash) {
		n->content = l.stated;
		n->content_of = l.fw.hash;
		n->written = d->user_hash;
		if (d->user_hash && !user.bad)
			take_user_rules(n, &user, d->user_hash);
	}
	/* Of one who was killed while it was in use. */
	if (l.stage)
		rc = nft_unstage(n);
out:
	userrules_free(&user);
	return rc;
}

/* --- others' changes -------------------------------------------------------------------------- */

static bool in_our_table(const struct nlmsghdr *nlh)
{
	uint8_t family = nfattr_type(nlh) < 0 ? NFPROTO_UNSPEC : nfattr_family(nlh);

	return (family == NFPROTO_INET || family == NFPROTO_ARP) &&
	       strcmp(nfattr_table(nlh), FIREWALL_TABLE) == 0;
}

static void on_event(const struct nlmsghdr *nlh, void *arg)
{
	struct nft *n = arg;

	if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && nlh->nlmsg_pid != n->request.portid &&
		(nlh->nlmsg_type & 0xff) != NFT_MSG_NEWGEN && in_our_table(nlh))
		n->foreign = true;
}

/* Notifications were lost: was one of them of ours? What the operator's sets have learnt would not
 * outlive that it is written again for nothing. */
static bool changed_unheard(struct nft *n)
{
	struct userrules none = {0};
	struct content content;
	struct look l;
	int rc;

	if (!n->fw->present || n->fw->stale || n->content_of != n->fw->hash)
		return true;
	rc = look_at(n, FIREWALL_TABLE, &l, &content, &none);
	userrules_free(&none);
	return rc || !is_whole(&l, &content) || l.fw.hash != n->fw->hash ||
	       l.stated != n->content || (l.gate_elements > 0) != n->fw->gate_open;
}

bool nft_drain(struct nft *n)
{
	int rc = nl_events(&n->events, EVENTS_PER_DRAIN, on_event, n);
	bool lost = rc < 0, foreign;

	/* Nothing is added, and no loss told, until all that waits is read. */
	for (int i = 0; lost && rc && i < FORGET_TRIES; i++)
		rc = nl_events(&n->events, EVENTS_PER_DRAIN, on_event, n);
	foreign = n->foreign || (lost && changed_unheard(n));

	n->foreign = false;
	/* Perhaps it was in the listing already. */
	if (foreign && n->content_fresh)
		n->content_of = 0;
	n->content_fresh = false;
	if (foreign)
		n->fw->stale = true;
	return foreign;
}

/* --- writing --------------------------------------------------------------------------------- */

struct outcome {
	int err;
	uint32_t seq; /* of what was refused */
	char *text;
	size_t text_size;
};

/* The first refusal counts; the rest are its consequences. */
static void on_ack(uint32_t seq, int err, const char *text, void *arg)
{
	struct outcome *out = arg;

	if (!err || out->err)
		return;
	out->err = err;
	out->seq = seq;
	snprintf(out->text, out->text_size, "%s", text);
}

static int send_batch(struct nft *n, struct fw_batch *b, char *text, size_t text_size)
{
	struct outcome out = {.text = text, .text_size = text_size};
	int rc;

	n->request.seq = b->next;
	rc = nl_send_acked(&n->request, b->buf, b->len, b->seq, b->last, on_ack, &out);
	n->refused = !rc && out.err;
	if (n->refused)
		userrules_culprit(b->buf, b->len, out.seq, n->culprit, sizeof(n->culprit));
	fw_batch_free(b);
	if (!rc)
		rc = out.err;
	/* What the kernel has now is not known for certain. */
	if (rc)
		n->fw->stale = true;
	return rc;
}

int nft_hold(struct nft *n, char *text, size_t text_size)
{
	bool stale = n->fw->stale;
	struct fw_batch b;
	int rc = firewall_build_hold(n->request.seq, &b);

	if (!rc)
		rc = send_batch(n, &b, text, text_size);
	n->fw->stale = stale;
	return rc;
}

static int list_counts(struct nft *n, struct look *l)
{
	int rc = list(n, l, NFT_MSG_GETRULE, NFPROTO_INET, NULL);

	if (!rc)
		rc = list(n, l, NFT_MSG_GETRULE, NFPROTO_ARP, NULL);
	return rc;
}

/* What the rules counted, and what the operator's sets have learnt, is kept over a change of the
 * policy. If it cannot be had they begin anew. */
static size_t keep_counts(struct nft *n, const struct desired *d, struct rule_count *ret)
{
	struct look l = {.table = FIREWALL_TABLE, .own = ret, .max_counts = NFT_COUNTS_MAX};
	struct userrules user = {0};
	struct content content;
	bool same = d->user_hash && n->user.of == d->user_hash && n->written == d->user_hash &&
		    n->content_of == n->fw->hash;
	struct look again;

	if (!n->fw->present)
		return 0;
	if (!n->fw->stale && n->fw->complete && same &&
		look_at(n, FIREWALL_TABLE, &again, &content, &user) == 0 && !user.bad &&
		again.fw.hash == n->fw->hash && content_digest(&content) == n->content)
		take_user_rules(n, &user, d->user_hash);
	userrules_free(&user);
	return list_counts(n, &l) ? 0 : l.n_own;
}

/* Adds up what the kernel has now, and writes that down beside it. */
static int seal(struct nft *n, char *text, size_t text_size)
{
	struct userrules none = {0};
	struct content content;
	struct fw_batch b;
	struct look l;
	int rc = look_at(n, FIREWALL_TABLE, &l, &content, &none);

	userrules_free(&none);
	if (!rc)
		rc = firewall_build_content(content_digest(&content), n->request.seq, &b);
	if (!rc)
		rc = send_batch(n, &b, text, text_size);
	if (rc)
		return rc;
	n->fw->rules = l.fw.rules;
	n->content = content_digest(&content);
	n->content_of = l.fw.hash;
	n->content_fresh = true;
	return 0;
}

/* The kernel refuses what it let nft(8) load: the policy must not go without for that. A refused
 * transaction has changed nothing, so one that was right stays; else it is written without them. */
static void give_up_user_rules(struct nft *n, const struct desired *d, int err, bool stale)
{
	char text[128] = "";

	snprintf(n->user_why, sizeof(n->user_why), "the kernel refuses %s (%s)",
		n->refused && n->culprit[0] ? n->culprit : "them", strerror(-err));
	userrules_free(&n->user);
	n->fw->user = 0;
	if (n->refused)
		n->fw->stale = stale;
	/* If this fails it is still stale, and tried again. */
	if ((n->fw->stale || !n->fw->present) && nft_write(n, d, false, text, sizeof(text)) < 0)
		n->fw->stale = true;
}

int nft_write(struct nft *n, const struct desired *d, bool open, char *text, size_t text_size)
{
	static struct rule_count counts[NFT_COUNTS_MAX];
	struct firewall_parts parts = {.counts = counts, .n_counts = keep_counts(n, d, counts)};
	bool ready = !d->user_hash || n->user.of == d->user_hash;
	uint64_t hash = ready ? d->fw_hash : d->fw_bare;
	bool known = n->content_of == hash;
	struct fw_batch b;
	uint32_t rules;
	bool stale = n->fw->stale;
	int rc;

	if (d->user_hash && ready)
		parts.user = &n->user;
	if (known)
		parts.content = n->content;
	rc = firewall_build(d, open, &parts, n->request.seq, &b);
	rules = rc ? 0 : b.rules;
	if (!rc)
		rc = send_batch(n, &b, text, text_size);
	if (rc && parts.user)
		give_up_user_rules(n, d, rc, stale);
	if (rc)
		return rc;
	n->written = ready ? d->user_hash : 0;
	*n->fw = (struct kernel_firewall){.present = true,
		.complete = ready,
		.hash = hash,
		.user = n->user.of,
		.rules = rules,
		.gate_open = open};
	return known ? 0 : seal(n, text, text_size);
}

int nft_gate(struct nft *n, bool open, char *text, size_t text_size)
{
	struct fw_batch b;
	int rc = firewall_build_gate(open, n->request.seq, &b);

	if (!rc)
		rc = send_batch(n, &b, text, text_size);
	if (!rc)
		n->fw->gate_open = open;
	return rc;
}

/* --- the operator's rules -------------------------------------------------------------------- */

int nft_unstage(struct nft *n)
{
	bool stale = n->fw->stale;
	char text[128] = "";
	struct fw_batch b;
	int rc = firewall_build_unstage(n->request.seq, &b);

	if (!rc)
		rc = send_batch(n, &b, text, sizeof(text));
	n->fw->stale = stale;
	return rc == -ENOENT ? 0 : rc;
}

int nft_take_staged(struct nft *n, uint64_t of)
{
	struct userrules user = {0};
	struct content content;
	struct look l;
	int rc = look_at(n, USERRULES_STAGE, &l, &content, &user), gone;

	snprintf(n->user_why, sizeof(n->user_why), "%s",
		rc ? strerror(-rc) : "nft has loaded nothing");
	if (!rc && !l.fw.present)
		rc = -ENOENT;
	if (!rc && (user.bad || l.many)) {
		snprintf(n->user_why, sizeof(n->user_why), "%s",
			user.bad ? user.bad : "they have too many sets");
		rc = -E2BIG;
	}
	if (!rc)
		take_user_rules(n, &user, of);
	userrules_free(&user);
	gone = nft_unstage(n);
	return rc ? rc : gone;
}

/* --- for reports ----------------------------------------------------------------------------- */

size_t nft_counts(struct nft *n, struct rule_count ret[NFT_COUNTS_MAX], usec_t now)
{
	static struct rule_count others[NFT_COUNTS_MAX], last[NFT_COUNTS_MAX];
	struct look l = {.table = FIREWALL_TABLE,
		.own = last,
		.others = others,
		.max_counts = NFT_COUNTS_MAX};

	/* Who asks all the time gets the last answer again. */
	if (!n->counted || now - n->counted >= COUNTS_GAP) {
		/* A listing that was disturbed shows a part, for as long. */
		if (list_counts(n, &l) < 0 && !l.n_own)
			return 0;
		for (size_t i = 0; i < l.n_others && l.n_own < NFT_COUNTS_MAX; i++)
			last[l.n_own++] = others[i];
		n->n_counts = l.n_own;
		n->counted = now;
	}
	memcpy(ret, last, n->n_counts * sizeof(*ret));
	return n->n_counts;
}
