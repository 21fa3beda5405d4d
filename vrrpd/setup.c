/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the configuration to what the election core and the adverts need. Runs in vrrpd.
 */
#include <errno.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>

#include "vrrpd/node.h"

#define DEFAULT_PRIORITY 100

int setup_check(const struct config *cfg, char *why, size_t why_size)
{
	if (cfg->n_vrrps > ELECTION_MAX_INSTANCES) {
		snprintf(why, why_size, "more than %d vrrp sections", ELECTION_MAX_INSTANCES);
		return -E2BIG;
	}
	if (cfg->cluster.auth_key_len) {
		snprintf(why, why_size, "cluster: auth-key-file is not supported; remove it");
		return -EOPNOTSUPP;
	}
	for (size_t i = 0; i < cfg->n_vrrps; i++) {
		const struct config_vrrp *v = &cfg->vrrps[i];
		const char *what = NULL;

		if (v->unicast_peers.n)
			what = "unicast-peer is not supported; remove it";
		for (size_t j = 0; j < v->addresses.n; j++)
			if (v->addresses.v[j].family != AF_INET)
				what = "only IPv4 virtual addresses are supported";
		if (what) {
			snprintf(why, why_size, "vrrp \"%s\": %s", v->name, what);
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/* Index of the link with that name, added if it is new; the last one when the table is full, which
 * CONFIG_MAX_VRRPS and the lists' bounds keep from happening. */
static size_t link_index(struct election_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_links; i++)
		if (!strcmp(c->links[i].name, name))
			return i;
	if (c->n_links == ELECTION_MAX_LINKS)
		return ELECTION_MAX_LINKS - 1;
	snprintf(c->links[c->n_links].name, IFNAMSIZ, "%s", name);
	return c->n_links++;
}

static void track(struct election_config *c, const struct config_strings *names)
{
	for (size_t i = 0; i < names->n; i++)
		c->links[link_index(c, names->v[i])].tracked = true;
}

/* --- the digest of what both nodes must agree on --------------------------------------------- */
static uint64_t hash(const void *p, size_t n)
{
	uint8_t full[32];
	uint64_t h;

	if (mbedtls_sha256_ret(p, n, full, 0))
		return 0;
	memcpy(&h, full, sizeof(h));
	return h;
}

/* Sums, so that the order of sections and addresses does not matter. */
static uint64_t digest(const struct config *cfg)
{
	uint64_t d = 0;

	for (size_t i = 0; i < cfg->n_vrrps; i++) {
		const struct config_vrrp *v = &cfg->vrrps[i];

		for (size_t j = 0; j < v->addresses.n; j++) {
			struct {
				int64_t interval;
				uint32_t address;
				uint8_t vrid, version, len, virtual_mac;
				char password[VRRP_AUTH_LEN];
			} row = {v->advert_interval, v->addresses.v[j].v4.s_addr, v->vrid,
				v->version, v->addresses.v[j].len, v->virtual_mac, {0}};

			memcpy(row.password, v->password, strnlen(v->password, VRRP_AUTH_LEN));
			d += hash(&row, sizeof(row));
		}
	}
	int64_t timers[2] = {cfg->cluster.heartbeat, cfg->cluster.dead_after};

	return d + hash(timers, sizeof(timers));
}

static enum election_preempt preempt(enum config_preempt p)
{
	switch (p) {
	case CONFIG_PREEMPT_NEVER:
		return ELECTION_PREEMPT_NEVER;
	case CONFIG_PREEMPT_SYNCED:
		return ELECTION_PREEMPT_SYNCED;
	case CONFIG_PREEMPT_ALWAYS:
		return ELECTION_PREEMPT_ALWAYS;
	}
	return ELECTION_PREEMPT_SYNCED;
}

void setup_election(const struct config *cfg, struct election_config *c)
{
	const struct config_cluster *cl = &cfg->cluster;

	memset(c, 0, sizeof(*c));
	memcpy(c->node, cfg->node, sizeof(c->node));
	c->priority = cl->present ? cl->priority : DEFAULT_PRIORITY;
	c->preempt = preempt(cl->preempt);
	c->preempt_delay = cl->preempt_delay;
	c->heartbeat = cl->present ? cl->heartbeat : 0;
	c->dead_after = cl->dead_after;
	c->sync = cfg->sync.present;
	c->digest = digest(cfg);
	if (cfg->sync.present)
		c->links[link_index(c, cfg->sync.interface)].ha = true;
	for (size_t i = 0; i < cfg->n_vrrps; i++) {
		const struct config_vrrp *v = &cfg->vrrps[i];
		struct election_instance_config *in = &c->instances[c->n_instances++];

		in->vrid = v->vrid;
		in->advert_interval = v->advert_interval;
		in->link = link_index(c, v->interface);
		c->links[in->link].vrrp = true;
		c->links[in->link].tracked = true;
		track(c, &v->track_interfaces);
	}
	track(c, &cl->track_interfaces);
}

static void setup_advert(struct vrrp_advert *a, const struct config_vrrp *v)
{
	a->version = v->version;
	a->vrid = v->vrid;
	a->interval = v->advert_interval;
	a->checksum = VRRP_CHECKSUM_RFC9568;
	if (v->version == 3 && v->checksum == CONFIG_CHECKSUM_LEGACY)
		a->checksum = VRRP_CHECKSUM_LEGACY;
	a->auth = v->password[0] ? VRRP_AUTH_TEXT : VRRP_AUTH_NONE;
	memcpy(a->password, v->password, strnlen(v->password, VRRP_AUTH_LEN));
	for (size_t j = 0; j < v->addresses.n && j < VRRP_MAX_ADDRESSES; j++)
		a->addresses[a->n_addresses++] = v->addresses.v[j].v4;
}

void setup_instances(struct node *n, const struct config *cfg)
{
	memset(n->own, 0, sizeof(n->own));
	for (size_t i = 0; i < cfg->n_vrrps; i++) {
		const struct config_vrrp *v = &cfg->vrrps[i];
		struct node_instance *in = &n->instances[i];

		memset(in, 0, sizeof(*in));
		memcpy(in->name, v->name, sizeof(in->name));
		in->virtual_mac = v->virtual_mac;
		announce_init(&in->announce);
		setup_advert(&in->advert, v);
		n->own[n->e.cfg.instances[i].link][v->vrid] = &in->advert;
	}
}
