/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second process of netcfgd, for what is slow, starts programs or opens packet sockets: the
 * DHCP client (udhcpc) of the WAN, the DHCP servers and relays and router advertisements (dnsmasq),
 * the loading of the operator's own firewall rules (nft), the cabling probe. The first process,
 * which holds the lease, never waits for it; if it dies, netcfgd ends and is started again by the
 * supervisor, which costs neither the lease nor a packet. The same happens when nothing was heard
 * of it for SERVICES_SILENCE: a process that is stuck would go on serving a LAN whose role has
 * moved. It ends when its parent does.
 *
 * They talk over a private SEQPACKET socketpair, in these structs: both are the same program. What
 * comes from the services is checked like a stranger's word all the same (services_check()), as
 * that process reads packets.
 *
 * What is a boundary: the engine believes nothing unchecked, waits for nothing, runs no parser of
 * packets, leases or rule files, and cannot be traced or read by the other (not dumpable, another
 * set of capabilities). What is none: the services process and dnsmasq hold CAP_NET_ADMIN (nft and
 * dnsmasq insist on it) and have the engine's user. Whoever takes over one of these can change
 * addresses, routes and the firewall himself, signal the engine, and write its files; the engine
 * puts back what differs and netcfgd is restarted when it ends, and that is all. udhcpc has no
 * CAP_NET_ADMIN, but the same user. So the split bounds crashes, hangs and real-time priority, not
 * an intruder's reach.
 *
 * Here is the first process's side; the other one's is service.h.
 */
#ifndef GATEPAIR_NETCFGD_SERVICES_H
#define GATEPAIR_NETCFGD_SERVICES_H

#include <uv.h>

#include "common/log.h"
#include "common/timer.h"
#include "netcfgd/wan.h"

#define SERVICES_MSG_MAX        (65536 + 64)
#define SERVICES_CONDITIONS_MAX 32
#define SERVICES_CHILDREN_MAX   40
#define SERVICES_TEXT_MAX       320
#define SERVICES_LIST_MAX       16
#define SERVICES_NAME_MAX       32
#define SERVICES_STATE_MAX      16
#define SERVICES_SIGN_US        (2 * USEC_PER_SEC) /* between signs of life */
#define SERVICES_SILENCE        10                 /* seconds without any report */

/* To the services: a struct services_order, for CONFIG followed by a packed Gp__Config. */
enum services_order_kind {
	SERVICES_CONFIG = 1, /* replaces the one before */
	SERVICES_ROLE,       /* the lease was taken or given up */
	SERVICES_RULES,      /* have nft load the operator's firewall rules */
};

struct services_order {
	enum services_order_kind kind;
	bool held;      /* ROLE */
	uint64_t rules; /* RULES: the digest of their text, which is in the last CONFIG */
};

/* From the services. */
enum services_report_kind {
	SERVICES_WAN = 1,   /* a lease came, was renewed, or ended */
	SERVICES_CONDITION, /* raised, or with an empty text cleared */
	SERVICES_CHILD, /* a child process changed its state; an empty state: no longer wanted */
	SERVICES_WAN_STATE,    /* for people */
	SERVICES_RULES_LOADED, /* what RULES asked for is in the kernel, to be taken over */
	SERVICES_ALIVE,        /* its loop turns */
};

struct services_condition {
	uint32_t id; /* 1 ..; which one it is, of any number at a time */
	char text[SERVICES_TEXT_MAX];
};

struct services_child {
	char name[SERVICES_NAME_MAX];
	char state[SERVICES_STATE_MAX];
	char interfaces[SERVICES_LIST_MAX][IFNAMSIZ];
	size_t n_interfaces;
	uint32_t restarts;
};

struct services_wan_state {
	char link[IFNAMSIZ];
	char state[SERVICES_STATE_MAX];
	char reason[SERVICES_TEXT_MAX];
};

struct services_rules {
	uint64_t of; /* digest of the text */
};

struct services_report {
	enum services_report_kind kind;
	union {
		struct wan_lease wan;
		struct services_condition condition;
		struct services_child child;
		struct services_wan_state wan_state;
		struct services_rules rules;
	};
};

/* A WAN interface as last reported. */
struct services_wan {
	struct wan_lease lease;
	struct services_wan_state about;
};

struct services_ops {
	void (*wan)(void *owner, const struct wan_lease *lease);
	void (*rules)(void *owner, uint64_t of);
	/* The other process is gone, or as good as gone: so must this one be. */
	void (*died)(void *owner, const char *why);
};

struct services {
	const struct services_ops *ops;
	void *owner;
	uv_poll_t poll;
	struct timer second;
	unsigned silent; /* seconds of our own loop without a report */
	int fd;
	const struct config *cfg; /* NULL until the first; newest, sent or not */
	bool held, config_due, role_due;
	bool config_failed; /* for want of memory: tried again every second */
	uint64_t rules_due; /* 0: none */
	struct log_limit refusals;
	uint64_t refused; /* reports */
	/* What status shows. */
	struct services_wan wans[WAN_MAX];
	size_t n_wans;
	char conditions[SERVICES_CONDITIONS_MAX][SERVICES_TEXT_MAX]; /* "": none */
	/* Strangers' frames can change their texts many times a second. */
	struct log_limit told[SERVICES_CONDITIONS_MAX];
	struct services_child children[SERVICES_CHILDREN_MAX];
	size_t n_children;
};

/* Before anything else is open: forks the services process, in which this does not return. Returns
 * our end of the socketpair, or negative errno. */
int services_fork(void) __attribute__((warn_unused_result));
/* `fd`: from services_fork(). */
int services_init(struct services *s, uv_loop_t *loop, int fd, const struct services_ops *ops,
	void *owner) __attribute__((warn_unused_result));
/* `cfg` has to live until the next call. Neither ever waits. */
void services_config(struct services *s, const struct config *cfg);
void services_role(struct services *s, bool held);
/* After services_config(). `of`: the digest of the rules that are wanted; 0: none any more. */
void services_rules(struct services *s, uint64_t of);

/* Makes texts fit to be shown. NULL, or why the report is refused. */
const char *services_check(struct services_report *r, const struct config *cfg, usec_t now);
/* A second of our loop went by; false: the other process was silent for too long. */
bool services_second(struct services *s);
/* Takes a checked report in. */
void services_take(struct services *s, const struct services_report *r);

#endif
