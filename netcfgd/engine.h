/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd without its IPC: the desired state, the picture of the kernel, the lease, and the rounds
 * of plan and apply that make one follow the other. Owns the netlink sockets; main.c polls them.
 */
#ifndef GATEPAIR_NETCFGD_ENGINE_H
#define GATEPAIR_NETCFGD_ENGINE_H

#include "common/log.h"
#include "netcfgd/apply.h"
#include "netcfgd/damp.h"
#include "netcfgd/firewall/firewall.h"
#include "netcfgd/lease.h"
#include "netcfgd/observe.h"

#define ENGINE_MAX_FAILING 64
#define ENGINE_MAX_DOUBTS  8

/* The kernel knows no such link: no error if it is gone, which the next look tells. */
struct engine_doubt {
	uint32_t link;
	char text[APPLY_TEXT_MAX];
};

struct engine_ops {
	void (*links_changed)(void *owner);
	/* New since the last look; a sentence. */
	void (*error)(void *owner, const char *text);
	/* The lease was taken, moved to another term, or ended. */
	void (*lease_changed)(void *owner, const char *why, usec_t took);
};

struct engine {
	const struct engine_ops *ops;
	void *owner;
	struct nl rt;
	struct observe observe;
	struct nft nft;
	struct kernel k;
	struct sysctl sysctl;
	struct lease lease;
	const struct config *cfg; /* of the last commit; lives until the next */
	struct wan_lease wans[WAN_MAX];
	size_t n_wans;
	usec_t wan_end;    /* the first of them ends; USEC_NEVER: none does */
	struct desired *d; /* NULL until the first commit */
	struct plan plan;
	struct damp damp;
	struct log_limit heal_limit;
	bool links_changed;
	bool seen;        /* the last look brought something */
	usec_t repair_at; /* USEC_NEVER: nothing seen to repair */
	usec_t repaired;  /* when we last looked */
	usec_t follow_at; /* a full round is due after a drop; USEC_NEVER: none */
	usec_t sweep_at; /* the next kernel switches are looked at, from the one numbered `swept` */
	size_t swept;
	usec_t retry_at; /* something failed; USEC_NEVER: nothing did */
	uint64_t operations, repairs, refreshes, failures;
	usec_t last_take, last_drop; /* how long it took */
	/* Digests of the errors of the last full round: what stays wrong is reported once. */
	uint64_t failing[ENGINE_MAX_FAILING], failing_now[ENGINE_MAX_FAILING];
	size_t n_failing, n_failing_now;
	char last_error[APPLY_TEXT_MAX];
	struct engine_doubt doubts[ENGINE_MAX_DOUBTS];
	size_t n_doubts;
};

int engine_init(struct engine *e, const struct engine_ops *ops, void *owner)
	__attribute__((warn_unused_result));
void engine_fini(struct engine *e);

/* Can this config be carried out? Changes nothing. */
int engine_prepare(struct engine *e, const struct config *cfg, char *why, size_t why_size)
	__attribute__((warn_unused_result));
/* Makes it real as far as the kernel lets it; what fails is reported and tried again. `cfg` must
 * live until the next commit has returned. */
int engine_commit(struct engine *e, const struct config *cfg, char *why, size_t why_size)
	__attribute__((warn_unused_result));
/* What became of the DHCP lease of a WAN interface; makes it real. 0, or negative errno when it
 * cannot be used, which is reported. */
int engine_set_wan(struct engine *e, const struct wan_lease *lease, usec_t now)
	__attribute__((warn_unused_result));
/* The digest of the operator's firewall rules that nft(8) has to load; 0: none. */
uint64_t engine_rules_wanted(const struct engine *e);
/* A sentence, while those that nft(8) took cannot be used. */
bool engine_rules_refused(const struct engine *e, char *text, size_t size);
/* nft(8) has loaded those with this digest. */
void engine_take_rules(struct engine *e, uint64_t of, usec_t now);
/* Carries out what the lease demands before it returns. */
struct lease_reply engine_lease(struct engine *e, const struct lease_event *ev, usec_t now);
/* The lease as it is; changes nothing, not even one that has run out just now. */
struct lease_reply engine_query(const struct engine *e, usec_t now);
/* Orderly: the lease is given up; the node's own addresses and the policy stay. */
void engine_stop(struct engine *e, usec_t now);
/* A netlink socket is readable. */
void engine_readable(struct engine *e, usec_t now);
/* To be called as long as engine_due() is over, but once in a turn of the loop: a lease ends only
 * after the requests that wait were read. */
void engine_tick(struct engine *e, usec_t now);
usec_t engine_due(const struct engine *e);

/* What would be done now. Changes nothing; good until the next call of any of these. */
const struct plan *engine_plan(struct engine *e);
/* The link's first IPv4 address that is not a virtual one; NULL: none. */
const struct config_prefix *engine_primary(const struct engine *e, const struct kernel_link *l);
bool engine_holds(const struct engine *e, const struct desired_addr *a);

#endif
