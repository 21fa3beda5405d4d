/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nfnetlink (see nft.h). What was written is known from the kernel's acknowledgement; a change
 * by anybody else is recognised by the port number in its notification, and the whole table is
 * then written again.
 */
#include "netcfgd/nft.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/firewall.h"

#define EVENTS_PER_DRAIN 4096
#define DUMP_TRIES       5

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

static bool is_ours(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nf = mnl_nlmsg_get_payload(nlh);

	return mnl_nlmsg_get_payload_len(nlh) >= sizeof(*nf) &&
	       (nf->nfgen_family == NFPROTO_INET || nf->nfgen_family == NFPROTO_ARP);
}

static int table_attr(const struct nlattr *attr, void *arg)
{
	const char **name = arg;

	/* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE and
	 * NFTA_SET_ELEM_LIST_TABLE have the same number. */
	if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*name = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

static bool in_our_table(const struct nlmsghdr *nlh)
{
	const char *name = "";

	return is_ours(nlh) &&
	       mnl_attr_parse(nlh, sizeof(struct nfgenmsg), table_attr, &name) >= 0 &&
	       strcmp(name, FIREWALL_TABLE) == 0;
}

/* What a series of dumps finds. */
struct look {
	struct kernel_firewall fw;
	unsigned tables, gate_elements;
};

static void on_table(const struct nlmsghdr *nlh, void *arg)
{
	struct look *look = arg;
	struct nftnl_table *t = in_our_table(nlh) ? nftnl_table_alloc() : NULL;
	uint32_t len = 0;
	uint64_t hash = 0;
	const void *data;

	if (!t || nftnl_table_nlmsg_parse(nlh, t) < 0)
		goto out;
	data = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &len);
	if (data && len == sizeof(hash))
		memcpy(&hash, data, sizeof(hash));
	/* Of two different policies: neither. */
	look->fw.hash = look->tables == 0 || look->fw.hash == hash ? hash : 0;
	look->fw.present = true;
	look->tables++;
out:
	if (t)
		nftnl_table_free(t);
}

static void on_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct look *look = arg;

	if (in_our_table(nlh))
		look->fw.rules++;
}

static int count_element(struct nftnl_set_elem *e, void *arg)
{
	unsigned *n = arg;

	(void)e;
	++*n;
	return 0;
}

static void on_gate(const struct nlmsghdr *nlh, void *arg)
{
	struct look *look = arg;
	struct nftnl_set *s = in_our_table(nlh) ? nftnl_set_alloc() : NULL;

	if (!s)
		return;
	if (nftnl_set_elems_nlmsg_parse(nlh, s) >= 0)
		nftnl_set_elem_foreach(s, count_element, &look->gate_elements);
	nftnl_set_free(s);
}

static int dump(struct nft *n, uint16_t type, uint8_t family, struct look *look)
{
	char buf[256] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = request(buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), family);

	switch (type) {
	case NFT_MSG_GETRULE:
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, FIREWALL_TABLE);
		return nl_dump(&n->request, nlh, on_rule, look);
	case NFT_MSG_GETSETELEM:
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FIREWALL_TABLE);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, FIREWALL_GATE);
		return nl_dump(&n->request, nlh, on_gate, look);
	default:
		return nl_dump(&n->request, nlh, on_table, look);
	}
}

int nft_observe(struct nft *n)
{
	static const uint8_t families[] = {NFPROTO_INET, NFPROTO_ARP};
	struct look look;
	int rc = -EINTR;

	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		look = (struct look){0};
		rc = dump(n, NFT_MSG_GETTABLE, NFPROTO_UNSPEC, &look);
		for (size_t f = 0; !rc && look.fw.present && f < sizeof(families); f++) {
			rc = dump(n, NFT_MSG_GETRULE, families[f], &look);
			if (!rc)
				rc = dump(n, NFT_MSG_GETSETELEM, families[f], &look);
		}
		/* Deleted meanwhile, or a table without our gate: it will be written again. */
		if (rc == -ENOENT) {
			look.fw.stale = true;
			rc = 0;
		}
	}
	if (rc)
		return rc;
	look.fw.gate_open = look.gate_elements > 0;
	/* Some of the keys only: neither open nor closed. */
	look.fw.stale = look.fw.stale ||
			(look.gate_elements > 0 && look.gate_elements != FIREWALL_GATE_KEYS);
	*n->fw = look.fw;
	return 0;
}

static void on_event(const struct nlmsghdr *nlh, void *arg)
{
	struct nft *n = arg;

	if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && nlh->nlmsg_pid != n->request.portid &&
		(nlh->nlmsg_type & 0xff) != NFT_MSG_NEWGEN && in_our_table(nlh))
		n->foreign = true;
}

bool nft_drain(struct nft *n)
{
	int rc = nl_events(&n->events, EVENTS_PER_DRAIN, on_event, n);
	bool foreign = n->foreign || rc < 0;

	n->foreign = false;
	return foreign;
}

struct outcome {
	int err;
	char *text;
	size_t text_size;
};

/* The first refusal counts; the rest are its consequences. */
static void on_ack(uint32_t seq, int err, const char *text, void *arg)
{
	struct outcome *out = arg;

	(void)seq;
	if (!err || out->err)
		return;
	out->err = err;
	snprintf(out->text, out->text_size, "%s", text);
}

static int send_batch(struct nft *n, struct fw_batch *b, char *text, size_t text_size)
{
	struct outcome out = {.text = text, .text_size = text_size};
	int rc;

	n->request.seq = b->next;
	rc = nl_send_acked(&n->request, b->buf, b->len, b->seq, b->last, on_ack, &out);
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

int nft_write(struct nft *n, const struct desired *d, bool open, char *text, size_t text_size)
{
	struct fw_batch b;
	int rc = firewall_build(d, open, n->request.seq, &b);

	if (!rc)
		rc = send_batch(n, &b, text, text_size);
	if (!rc)
		*n->fw = (struct kernel_firewall){.present = true,
			.hash = d->fw_hash,
			.rules = d->fw_rules,
			.gate_open = open};
	return rc;
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
