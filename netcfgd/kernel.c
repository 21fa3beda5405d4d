/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture of the kernel (see kernel.h): links in two hashes, addresses in an array per link.
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
	free(k->routes);
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
	}
	l->kind = attrs->kind;
	l->parent = attrs->parent;
	l->vlan_id = attrs->vlan_id;
	memcpy(l->mac, attrs->mac, sizeof(l->mac));
	l->mtu = attrs->mtu;
	l->up = attrs->up;
	l->carrier = attrs->carrier;
	l->ether = attrs->ether;
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

	if (n < *cap)
		return 0;
	if (n >= max)
		return -ENOSPC;
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
	rc = grow(&v, l->n_addrs, &l->cap_addrs, sizeof(*l->addrs), KERNEL_MAX_ADDRS);
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

static struct kernel_route *route_find(const struct kernel *k, const struct kernel_route *r)
{
	for (size_t i = 0; i < k->n_routes; i++)
		if (same(&k->routes[i].prefix, &r->prefix) && k->routes[i].metric == r->metric)
			return &k->routes[i];
	return NULL;
}

int kernel_route_put(struct kernel *k, const struct kernel_route *r)
{
	struct kernel_route *old = route_find(k, r);
	void *v = k->routes;
	int rc;

	if (old) {
		*old = *r;
		return 0;
	}
	rc = grow(&v, k->n_routes, &k->cap_routes, sizeof(*k->routes), KERNEL_MAX_ROUTES);
	k->routes = v;
	if (rc)
		return rc;
	k->routes[k->n_routes++] = *r;
	return 0;
}

void kernel_route_remove(struct kernel *k, const struct kernel_route *r)
{
	struct kernel_route *old = route_find(k, r);

	if (old)
		*old = k->routes[--k->n_routes];
}

void kernel_routes_clear(struct kernel *k)
{
	k->n_routes = 0;
}
