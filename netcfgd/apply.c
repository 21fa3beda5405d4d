/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From operations to kernel writes (see apply.h).
 */
#include "netcfgd/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netcfgd/rtnl_write.h"

#define BATCH_MESSAGES 128

/* rtnetlink messages not yet sent; message i belongs to op of[i]. */
struct batch {
	struct apply *a;
	struct apply_report *report;
	uint32_t first;
	size_t n, len;
	struct op *of[BATCH_MESSAGES];
};

static char buffer[BATCH_MESSAGES * RTNL_MESSAGE_MAX] __attribute__((aligned(8)));

/* --- what went wrong ------------------------------------------------------------------------- */

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

static void fail(struct apply *a, struct apply_report *report, struct op *op, int err,
	const char *kernel_text)
{
	char what[DESCRIBE_MAX], text[APPLY_TEXT_MAX * 2];

	if (!report->err)
		report->err = err;
	report->failed++;
	op->failed = true;
	describe_op(op, true, what);
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
	case OP_RULE_DEL:
		return err == -ENOENT;
	case OP_ROUTE_SET:
	case OP_LINK_RENAME:
	case OP_LINK_ADD:
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
	case OP_ADDR_SET:
	case OP_RULE_ADD:
	case OP_SYSCTL:
	case OP_FIREWALL:
	case OP_GATE:
		break;
	}
	return false;
}

/* --- batches --------------------------------------------------------------------------------- */

static void on_ack(uint32_t seq, int err, const char *text, void *arg)
{
	struct batch *b = arg;
	struct op *op = b->of[seq - b->first];

	/* Its second message fails as well. */
	if (op->failed)
		return;
	if (err && !harmless(op, err))
		fail(b->a, b->report, op, err, text);
	else if (!err && (seq - b->first + 1 == b->n || b->of[seq - b->first + 1] != op))
		b->report->done++;
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

static void queue(struct batch *b, struct op *op, struct nlmsghdr *nlh)
{
	if (!b->n)
		b->first = b->a->rt->seq;
	nlh->nlmsg_seq = b->a->rt->seq++;
	b->of[b->n++] = op;
	b->len += NLMSG_ALIGN(nlh->nlmsg_len);
}

/* --- one at a time --------------------------------------------------------------------------- */

struct answer {
	int err;
	char text[APPLY_TEXT_MAX];
};

static void on_answer(uint32_t seq, int err, const char *text, void *arg)
{
	struct answer *a = arg;

	(void)seq;
	if (a->err || !err)
		return;
	a->err = err;
	snprintf(a->text, sizeof(a->text), "%s", text);
}

static int ask(struct apply *a, struct nlmsghdr *nlh, struct answer *ret)
{
	uint32_t seq = a->rt->seq++;
	int rc;

	nlh->nlmsg_seq = seq;
	*ret = (struct answer){0};
	rc = nl_send_acked(a->rt, nlh, nlh->nlmsg_len, seq, seq, on_answer, ret);
	if (rc)
		ret->err = rc;
	return ret->err;
}

/* The mark that follows a new link goes to whoever has the name, and makes it ours: a stranger that
 * is there by an alternative name, or since a moment ago, must not get it. */
static bool is_taken(struct batch *b, const struct op *op)
{
	struct answer answer;

	flush(b);
	return ask(b->a, rtnl_write_question(buffer, op), &answer) != -ENODEV;
}

static void queue_rtnl(struct batch *b, struct op *op)
{
	if (rtnl_needs_mark(op) && is_taken(b, op)) {
		fail(b->a, b->report, op, -EEXIST, "");
		return;
	}
	/* Two: some take a second message. */
	if (b->n + 2 > BATCH_MESSAGES)
		flush(b);
	queue(b, op, rtnl_write(buffer + b->len, op, b->a->now));
	if (rtnl_needs_mark(op))
		queue(b, op, rtnl_write_mark(buffer + b->len, op));
}

/* Renames (before Linux 6.2) and new MACs. A link that is left down is set up by the next plan. */
static void write_carefully(struct apply *a, struct apply_report *report, struct op *op)
{
	struct answer answer, ignored;
	bool down = false;

	if (ask(a, rtnl_write(buffer, op, a->now), &answer) == -EBUSY &&
		ask(a, rtnl_write_up(buffer, op, false), &ignored) == 0) {
		down = true;
		ask(a, rtnl_write(buffer, op, a->now), &answer);
	}
	if (answer.err)
		fail(a, report, op, answer.err, answer.text);
	else
		report->done++;
	if (down && ask(a, rtnl_write_up(buffer, op, true), &answer) < 0)
		fail(a, report, op, answer.err, answer.text);
}

/* --- the rest -------------------------------------------------------------------------------- */

static bool is_batched(enum op_kind kind)
{
	return kind != OP_SYSCTL && kind != OP_FIREWALL && kind != OP_GATE &&
	       kind != OP_LINK_RENAME && kind != OP_LINK_MAC;
}

static void write_switch(struct apply *a, struct apply_report *report, struct op *op)
{
	size_t i = (size_t)(op->sysctl - a->d->sysctls);
	int rc = sysctl_write(op->sysctl);

	if (rc) {
		fail(a, report, op, rc, "");
		return;
	}
	a->k->sysctls[i] = op->sysctl->value;
	report->done++;
}

static void write_firewall(struct apply *a, struct apply_report *report, struct op *op)
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

struct apply_report apply_plan(struct apply *a, struct plan *plan)
{
	struct apply_report report = {0};
	struct batch b = {.a = a, .report = &report};

	for (size_t i = 0; i < plan->n && !report.stopped; i++) {
		struct op *op = &plan->ops[i];

		if (is_batched(op->kind)) {
			queue_rtnl(&b, op);
			continue;
		}
		flush(&b);
		if (op->kind == OP_LINK_RENAME || op->kind == OP_LINK_MAC)
			write_carefully(a, &report, op);
		else if (op->kind == OP_SYSCTL)
			write_switch(a, &report, op);
		else
			write_firewall(a, &report, op);
	}
	flush(&b);
	return report;
}
