/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture of the kernel (see kernel.h): links in two hashes, addresses in an array per link,
 * routes and rules in a hash each.
 */
#include "netcfgd/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void kernel_init(struct kernel *k)
{
	memset(k, 0, sizeof(*k));
}

void kernel_fini(struct kernel *k)
{
	struct kernel_link *l, *tmp;

	HASH_ITER (by_index, k->by_index, l, tmp)
		kernel_link_remove(k, l->index);
	kernel_routes_clear(k);
	kernel_rules_clear(k);
	free(k->sysctls);
	kernel_init(k);
}

struct kernel_link *kernel_link(const struct kernel *k, uint32_t index)
{
	struct kernel_link *l = NULL;

	HASH_FIND(by_index, k->by_index, &index, sizeof(index), l);
	return l;
}

struct kernel_link *kernel_link_by_name(const struct kernel *k, const char *name)
{
	struct kernel_link *l = NULL;

	HASH_FIND(by_name, k->by_name, name, strlen(name), l);
	return l;
}

static struct kernel_link *link_new(struct kernel *k, uint32_t index)
{
	struct kernel_link *l;

	if (k->n_links >= KERNEL_MAX_LINKS)
		return NULL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->index = index;
	HASH_ADD(by_index, k->by_index, index, sizeof(l->index), l);
	k->n_links++;
	return l;
}

struct kernel_link *kernel_link_put(struct kernel *k, const struct kernel_link *attrs)
{
	struct kernel_link *l = kernel_link(k, attrs->index), *other;

	if (!l)
		l = link_new(k, attrs->index);
	if (!l)
		return NULL;
	if (strcmp(l->name, attrs->name) != 0) {
		if (l->name[0])
			HASH_DELETE(by_name, k->by_name, l);
		/* A name can move to another link before we hear of its old owner's end. */
		other = kernel_link_by_name(k, attrs->name);
		if (other) {
			HASH_DELETE(by_name, k->by_name, other);
			other->name[0] = '\0';
		}
		memcpy(l->name, attrs->name, sizeof(l->name));
		HASH_ADD(by_name, k->by_name, name[0], strlen(l->name), l);
		l->fresh = l->appeared = true;
	}
	l->kind = attrs->kind;
	l->parent = attrs->parent;
	l->master = attrs->master;
	l->vlan_id = attrs->vlan_id;
	l->bond_mode = attrs->bond_mode;
	l->miimon = attrs->miimon;
	l->xmit_hash = attrs->xmit_hash;
	l->lacp_fast = attrs->lacp_fast;
	l->stp = attrs->stp;
	l->vlan_filtering = attrs->vlan_filtering;
	l->forward_delay = attrs->forward_delay;
	l->follows = attrs->follows;
	memcpy(l->mac, attrs->mac, sizeof(l->mac));
	l->mtu = attrs->mtu;
	l->up = attrs->up;
	l->carrier = attrs->carrier;
	l->ether = attrs->ether;
	l->aliased = attrs->aliased;
	l->ours = attrs->ours;
	return l;
}

void kernel_link_remove(struct kernel *k, uint32_t index)
{
	struct kernel_link *l = kernel_link(k, index);

	if (!l)
		return;
	HASH_DELETE(by_index, k->by_index, l);
	if (l->name[0])
		HASH_DELETE(by_name, k->by_name, l);
	k->n_links--;
	free(l->addrs);
	free(l);
}

/* Room for one more element; the bound holds for everything that strangers can fill. */
static int grow(void **v, size_t n, size_t *cap, size_t size, size_t max)
{
	size_t want = *cap ? *cap * 2 : 8;
	void *p;

	if (n >= max)
		return -ENOSPC;
	if (n < *cap)
		return 0;
	p = reallocarray(*v, want, size);
	if (!p)
		return -ENOMEM;
	*v = p;
	*cap = want;
	return 0;
}

bool prefix_same_host(const struct config_prefix *a, const struct config_prefix *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->v4.s_addr == b->v4.s_addr;
	return memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0;
}

static bool same(const struct config_prefix *a, const struct config_prefix *b)
{
	return a->len == b->len && prefix_same_host(a, b);
}

static struct kernel_addr *addr_find(const struct kernel_link *l, const struct config_prefix *p)
{
	for (size_t i = 0; i < l->n_addrs; i++)
		if (same(&l->addrs[i].prefix, p))
			return &l->addrs[i];
	return NULL;
}

const struct kernel_addr *kernel_addr_find(
	const struct kernel_link *l, const struct config_prefix *p)
{
	return addr_find(l, p);
}

const struct kernel_addr *kernel_host_find(
	const struct kernel_link *l, const struct config_prefix *p)
{
	for (size_t i = 0; i < l->n_addrs; i++)
		if (prefix_same_host(&l->addrs[i].prefix, p))
			return &l->addrs[i];
	return NULL;
}

int kernel_addr_put(struct kernel *k, uint32_t index, const struct kernel_addr *a)
{
	struct kernel_link *l = kernel_link(k, index);
	struct kernel_addr *old;
	void *v;
	int rc;

	if (!l)
		return -ENODEV;
	old = addr_find(l, &a->prefix);
	if (old) {
		*old = *a;
		return 0;
	}
	v = l->addrs;
	/* Strangers leave room for ours. */
	rc = grow(&v, l->n_addrs, &l->cap_addrs, sizeof(*l->addrs),
		a->owner == OWNER_OTHER ? KERNEL_MAX_ADDRS : 2 * KERNEL_MAX_ADDRS);
	l->addrs = v;
	if (rc)
		return rc;
	l->addrs[l->n_addrs++] = *a;
	return 0;
}

void kernel_addr_remove(struct kernel *k, uint32_t index, const struct config_prefix *p)
{
	struct kernel_link *l = kernel_link(k, index);
	struct kernel_addr *a = l ? addr_find(l, p) : NULL;

	if (!a)
		return;
	/* Order is kept: the first address is the primary one. */
	memmove(a, a + 1, (size_t)(l->addrs + l->n_addrs - (a + 1)) * sizeof(*a));
	l->n_addrs--;
}

struct config_prefix prefix_network(const struct config_prefix *p)
{
	struct config_prefix net = *p;
	uint8_t *bytes = p->family == AF_INET ? (uint8_t *)&net.v4 : (uint8_t *)&net.v6;
	unsigned size = p->family == AF_INET ? 32 : 128;

	for (unsigned bit = p->len; bit < size; bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return net;
}

/* --- routes ---------------------------------------------------------------------------------- */

static void copy_host(const struct config_prefix *p, uint8_t out[16])
{
	memcpy(out, &p->v6, p->family == AF_INET ? sizeof(p->v4) : sizeof(p->v6));
}

struct kernel_route_key kernel_route_key(
	const struct config_prefix *prefix, uint32_t metric, uint32_t table)
{
	struct kernel_route_key key;

	memset(&key, 0, sizeof(key));
	key.family = (uint8_t)prefix->family;
	key.len = prefix->len;
	copy_host(prefix, key.net);
	key.metric = metric;
	key.table = table;
	return key;
}

static struct kernel_route_entry *route_find(
	const struct kernel *k, const struct kernel_route_key *key)
{
	struct kernel_route_entry *e = NULL;

	HASH_FIND(hh, k->routes, key, sizeof(*key), e);
	return e;
}

const struct kernel_route *kernel_route_find(
	const struct kernel *k, const struct kernel_route_key *key)
{
	const struct kernel_route_entry *e = route_find(k, key);

	return e ? &e->route : NULL;
}

/* The way to a subnet in which none of our addresses is. */
static bool is_strangers(const struct kernel *k, const struct kernel_route *r)
{
	const struct kernel_link *l = kernel_link(k, r->oif);

	for (size_t i = 0; l && i < l->n_addrs; i++) {
		struct config_prefix net = prefix_network(&l->addrs[i].prefix);

		if (l->addrs[i].owner != OWNER_OTHER && same(&net, &r->prefix))
			return false;
	}
	return r->owner == OWNER_KERNEL;
}

int kernel_route_put(struct kernel *k, const struct kernel_route *r)
{
	struct kernel_route_key key = kernel_route_key(&r->prefix, r->metric, r->table);
	struct kernel_route_entry *e = route_find(k, &key);

	if (!e) {
		size_t n = HASH_COUNT(k->routes);

		/* Strangers leave room for ours. */
		if (n >= 2 * KERNEL_MAX_ROUTES || (n >= KERNEL_MAX_ROUTES && is_strangers(k, r)))
			return -ENOSPC;
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->key = key;
		HASH_ADD(hh, k->routes, key, sizeof(e->key), e);
	}
	e->route = *r;
	return 0;
}

bool kernel_route_remove(struct kernel *k, const struct kernel_route *r)
{
	struct kernel_route_key key = kernel_route_key(&r->prefix, r->metric, r->table);
	struct kernel_route_entry *e = route_find(k, &key);

	if (!e)
		return false;
	HASH_DEL(k->routes, e);
	free(e);
	return true;
}

void kernel_routes_clear(struct kernel *k)
{
	struct kernel_route_entry *e, *tmp;

	HASH_ITER (hh, k->routes, e, tmp) {
		HASH_DEL(k->routes, e);
		free(e);
	}
}

/* --- rules ----------------------------------------------------------------------------------- */

struct kernel_rule kernel_rule_key(int family, const struct config_prefix *from,
	const struct config_prefix *to, const char *iif, uint32_t priority, uint32_t mark,
	uint32_t table)
{
	struct kernel_rule r;

	memset(&r, 0, sizeof(r));
	r.family = (uint8_t)family;
	if (from->family) {
		r.from_len = from->len;
		copy_host(from, r.from);
	}
	if (to->family) {
		r.to_len = to->len;
		copy_host(to, r.to);
	}
	memcpy(r.iif, iif, strnlen(iif, sizeof(r.iif) - 1));
	r.priority = priority;
	r.mark = mark;
	r.table = table;
	return r;
}

static struct kernel_rule_entry *rule_find(const struct kernel *k, const struct kernel_rule *r)
{
	struct kernel_rule_entry *e = NULL;

	HASH_FIND(hh, k->rules, r, sizeof(*r), e);
	return e;
}

const struct kernel_rule_entry *kernel_rule_find(
	const struct kernel *k, const struct kernel_rule *r)
{
	return rule_find(k, r);
}

int kernel_rule_put(struct kernel *k, const struct kernel_rule *r, bool ours)
{
	struct kernel_rule_entry *e = rule_find(k, r);

	if (!e) {
		if (HASH_COUNT(k->rules) >= KERNEL_MAX_RULES)
			return -ENOSPC;
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->rule = *r;
		HASH_ADD(hh, k->rules, rule, sizeof(e->rule), e);
	}
	e->ours = ours;
	return 0;
}

bool kernel_rule_remove(struct kernel *k, const struct kernel_rule *r)
{
	struct kernel_rule_entry *e = rule_find(k, r);

	if (!e)
		return false;
	HASH_DEL(k->rules, e);
	free(e);
	return true;
}

void kernel_rules_clear(struct kernel *k)
{
	struct kernel_rule_entry *e, *tmp;

	HASH_ITER (hh, k->rules, e, tmp) {
		HASH_DEL(k->rules, e);
		free(e);
	}
}
