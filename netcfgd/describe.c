/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sentences about operations (see describe.h).
 */
#include "netcfgd/describe.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- objects --------------------------------------------------------------------------------- */

static void append(char out[DESCRIBE_MAX], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void append(char out[DESCRIBE_MAX], const char *fmt, ...)
{
	size_t n = strnlen(out, DESCRIBE_MAX);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + n, DESCRIBE_MAX - n, fmt, ap);
	va_end(ap);
}

static void append_route(char out[DESCRIBE_MAX], const struct kernel_route *r, const char *link)
{
	char text[CONFIG_PREFIX_STRLEN];

	append(out, "route %s", config_prefix_to_str(&r->prefix, text));
	if (r->blackhole)
		append(out, " blackhole");
	if (r->via.family)
		append(out, " via %s", config_prefix_to_str(&r->via, text));
	if (link[0])
		append(out, " (interface %s)", link);
	if (r->table != KERNEL_TABLE_MAIN)
		append(out, " in table %u", r->table);
}

static void append_side(
	char out[DESCRIBE_MAX], const char *word, int family, const uint8_t addr[16], uint8_t len)
{
	struct config_prefix p = {.family = family, .len = len};
	char text[CONFIG_PREFIX_STRLEN];

	if (!len)
		return;
	memcpy(&p.v6, addr, sizeof(p.v6));
	append(out, " %s %s", word, config_prefix_to_str(&p, text));
}

static void append_rule(char out[DESCRIBE_MAX], const struct kernel_rule *r)
{
	append(out, "rule %u (%s)", r->priority, r->family == AF_INET ? "IPv4" : "IPv6");
	append_side(out, "from", r->family, r->from, r->from_len);
	append_side(out, "to", r->family, r->to, r->to_len);
	if (r->iif[0])
		append(out, " interface %s", r->iif);
	if (r->mark)
		append(out, " mark %u", r->mark);
	append(out, " table %u", r->table);
}

static void append_mac(char out[DESCRIBE_MAX], const uint8_t mac[KERNEL_MAC_LEN])
{
	append(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
}

void describe_object(const struct op *op, char out[DESCRIBE_MAX])
{
	char text[CONFIG_PREFIX_STRLEN];

	out[0] = '\0';
	switch (op->kind) {
	case OP_LINK_RENAME:
		append(out, "interface %s", op->link.from);
		break;
	case OP_LINK_ADD:
	case OP_LINK_DEL:
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
		append(out, "interface %s", op->name);
		break;
	case OP_ADDR_SET:
	case OP_ADDR_DEL:
		append(out, "interface %s: address %s", op->name,
			config_prefix_to_str(&op->addr.prefix, text));
		break;
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
		append_route(out, &op->route.r, op->name);
		break;
	case OP_RULE_ADD:
	case OP_RULE_DEL:
		append_rule(out, &op->rule.r);
		break;
	case OP_SYSCTL:
		append(out, "kernel switch net/%s", op->sysctl->path);
		break;
	case OP_FIREWALL:
		append(out, "firewall: the tables gatepair");
		break;
	case OP_GATE:
		append(out, "firewall: forwarding");
		break;
	}
}

/* --- what is done ---------------------------------------------------------------------------- */

static void append_link_op(char out[DESCRIBE_MAX], const struct op *op, const char *cannot)
{
	const struct desired_link *w = op->link.want;

	if (op->kind == OP_LINK_RENAME) {
		append(out, ": %srenamed to %s", cannot, op->name);
	} else if (op->kind == OP_LINK_ADD) {
		append(out, ": %screated", cannot);
		if (w->parent[0])
			append(out, " on %s", w->parent);
	} else if (op->kind == OP_LINK_DEL) {
		append(out, ": %sremoved", cannot);
	} else if (op->kind == OP_LINK_UP || op->kind == OP_LINK_DOWN) {
		append(out, ": %sset %s", cannot, op->kind == OP_LINK_UP ? "up" : "down");
	} else if (op->kind == OP_LINK_MTU) {
		append(out, ": %sgiven mtu %u", cannot, op->link.mtu);
	} else if (op->kind == OP_LINK_MAC) {
		append(out, ": %sgiven the MAC ", cannot);
		append_mac(out, op->link.mac);
	} else if (op->kind == OP_LINK_MASTER && op->link.master) {
		append(out, ": %sput into %s", cannot, op->link.from);
	} else if (op->kind == OP_LINK_MASTER) {
		append(out, ": %staken out of its bridge or bond", cannot);
	} else {
		append(out, ": %sgiven its settings as a %s", cannot,
			w->kind == LINK_BOND ? "bond" : "bridge");
	}
}

void describe_op(const struct op *op, bool failed, char out[DESCRIBE_MAX])
{
	const char *cannot = failed ? "cannot be " : "is to be ";

	describe_object(op, out);
	switch (op->kind) {
	case OP_LINK_RENAME:
	case OP_LINK_ADD:
	case OP_LINK_DEL:
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
		append_link_op(out, op, cannot);
		break;
	case OP_ADDR_SET:
		append(out, " %sadded", cannot);
		break;
	case OP_ADDR_DEL:
		append(out, " %sremoved", cannot);
		break;
	case OP_ROUTE_SET:
	case OP_RULE_ADD:
		append(out, ": %sadded", cannot);
		break;
	case OP_ROUTE_DEL:
	case OP_RULE_DEL:
		append(out, ": %sremoved", cannot);
		break;
	case OP_SYSCTL:
		append(out, ": %sset to %d", cannot, op->sysctl->value);
		break;
	case OP_FIREWALL:
		append(out, " %swritten", cannot);
		break;
	case OP_GATE:
		append(out, " %s%s", cannot, op->open ? "opened" : "closed");
		break;
	}
}

/* --- what somebody had done ------------------------------------------------------------------ */

static void append_link_repair(
	char out[DESCRIBE_MAX], const struct op *op, const struct kernel_link *l)
{
	switch ((int)op->kind) {
	case OP_LINK_ADD:
		append(out, ": was removed; created again");
		break;
	case OP_LINK_DEL:
		append(out, ": was added, or changed into another; removed");
		break;
	case OP_LINK_UP:
		append(out, ": was set down; set up again");
		break;
	case OP_LINK_DOWN:
		append(out, op->link.virt ? ": was set up; set down again"
					  : ": was taken out of its bond; set down to be put back");
		break;
	case OP_LINK_MTU:
		append(out, ": mtu was changed to %u; put back to %u", l ? l->mtu : 0,
			op->link.mtu);
		break;
	case OP_LINK_MAC:
		append(out, ": MAC was changed to ");
		if (l)
			append_mac(out, l->mac);
		append(out, "; put back to ");
		append_mac(out, op->link.mac);
		break;
	case OP_LINK_MASTER:
		if (op->link.master)
			append(out, ": was taken out of %s; put back", op->link.from);
		else
			append(out, ": was put into a bridge or bond of ours; taken out");
		break;
	default:
		append(out, ": its settings as a %s were changed; put back",
			op->link.want->kind == LINK_BOND ? "bond" : "bridge");
		break;
	}
}

static void append_addr_repair(
	char out[DESCRIBE_MAX], const struct op *op, const struct kernel_link *l)
{
	if (op->kind == OP_ADDR_DEL)
		append(out, " was added, or came before another; removed");
	else if (l && kernel_addr_find(l, &op->addr.prefix))
		append(out, " was given another owner or lifetime; put back");
	else
		append(out, " was removed; put back");
}

static void append_route_repair(char out[DESCRIBE_MAX], const struct op *op, const struct kernel *k)
{
	struct kernel_route_key key =
		kernel_route_key(&op->route.r.prefix, op->route.r.metric, op->route.r.table);
	const struct kernel_route *now = kernel_route_find(k, &key);
	const struct kernel_link *l = now ? kernel_link(k, now->oif) : NULL;

	if (op->kind == OP_ROUTE_DEL) {
		append(out, ": was added; removed");
	} else if (now) {
		append(out, ": was changed to ");
		append_route(out, now, l ? l->name : "");
		append(out, "; put back");
	} else {
		append(out, ": was removed; put back");
	}
}

void describe_repair(const struct op *op, const struct desired *d, const struct kernel *k,
	char out[DESCRIBE_MAX])
{
	const struct kernel_link *l = op->index ? kernel_link(k, op->index) : NULL;

	describe_object(op, out);
	switch (op->kind) {
	case OP_LINK_RENAME:
	case OP_LINK_ADD:
	case OP_LINK_DEL:
	case OP_LINK_UP:
	case OP_LINK_DOWN:
	case OP_LINK_MTU:
	case OP_LINK_MAC:
	case OP_LINK_MASTER:
	case OP_LINK_OPTIONS:
		append_link_repair(out, op, l);
		break;
	case OP_ADDR_SET:
	case OP_ADDR_DEL:
		append_addr_repair(out, op, l);
		break;
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
		append_route_repair(out, op, k);
		break;
	case OP_RULE_ADD:
		append(out, ": was removed; put back");
		break;
	case OP_RULE_DEL:
		append(out, ": was added; removed");
		break;
	case OP_SYSCTL:
		append(out, ": was changed to %d; put back to %d",
			k->sysctls[op->sysctl - d->sysctls], op->sysctl->value);
		break;
	case OP_FIREWALL:
		append(out, " were %s; written again", k->fw.present ? "changed" : "removed");
		break;
	case OP_GATE:
		append(out, op->open ? " was closed; opened again" : " was opened; closed again");
		break;
	}
}

/* --- keys ------------------------------------------------------------------------------------ */

/* FNV-1a. */
static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

uint64_t describe_key(const struct op *op)
{
	char text[DESCRIBE_MAX];
	uint64_t h = 14695981039346656037u;
	struct kernel_route_key key;

	switch (op->kind) {
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
		key = kernel_route_key(&op->route.r.prefix, op->route.r.metric, op->route.r.table);
		return mix(mix(h, "route", 5), &key, sizeof(key));
	case OP_LINK_UP:
	case OP_LINK_DOWN:
		h = mix(h, "up", 2);
		break;
	case OP_LINK_MTU:
		h = mix(h, "mtu", 3);
		break;
	case OP_LINK_MAC:
		h = mix(h, "mac", 3);
		break;
	case OP_LINK_MASTER:
		h = mix(h, "master", 6);
		break;
	case OP_LINK_OPTIONS:
		h = mix(h, "options", 7);
		break;
	case OP_LINK_RENAME:
	case OP_LINK_ADD:
	case OP_LINK_DEL:
	case OP_ADDR_SET:
	case OP_ADDR_DEL:
	case OP_RULE_ADD:
	case OP_RULE_DEL:
	case OP_SYSCTL:
	case OP_FIREWALL:
	case OP_GATE:
		break;
	}
	describe_object(op, text);
	return mix(h, text, strlen(text));
}
