/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node: the shell around the election core. It feeds it events, carries its actions out in
 * order, and owns the sockets, the peer's key and the counters. ipc.c and status.c are the only
 * files that see protobuf. Runs in vrrpd.
 */
#ifndef GATEPAIR_VRRPD_NODE_H
#define GATEPAIR_VRRPD_NODE_H

#include <uv.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/timer.h"
#include "vrrpd/announce.h"
#include "vrrpd/beat.h"
#include "vrrpd/election.h"
#include "vrrpd/packet.h"
#include "vrrpd/socket.h"

#define NODE_QUEUE 64 /* events that come up while actions are carried out */

/* Beside struct election_instance: what adverts and announcements need. */
struct node_instance {
	char name[CONFIG_NAME_MAX + 1];
	bool virtual_mac;
	struct announce announce;
	struct vrrp_advert advert; /* all but source and priority */
	uint64_t sent, received, wrong_addresses;
	uint64_t by_checksum[VRRP_CHECKSUM_LEGACY + 1]; /* received, by form */
	enum vrrp_checksum last_checksum;
	uint8_t foreign_mac[MAC_LEN];
	struct log_limit limit;
};

struct node {
	struct daemon *d;
	uv_loop_t *loop;
	const struct config *cfg;
	struct election e;
	struct election_actions out;
	struct node_instance instances[ELECTION_MAX_INSTANCES];
	struct sockets sockets;
	struct timer timer;
	bool running, busy;
	struct election_event queue[NODE_QUEUE];
	size_t queue_head, queue_len;
	uint64_t queue_dropped;

	struct beat_key key;
	uint8_t key_bytes[BEAT_KEY_LEN];
	struct beat_guard guard;
	uint64_t sequence;
	usec_t greeted; /* last answer to a frame that is not trusted yet */

	const struct vrrp_advert *own[ELECTION_MAX_LINKS][256]; /* by VRID; NULL: not configured */
	bool vrids_seen[256];                                   /* heard anywhere: not free */
	uint8_t stray_vrid[ELECTION_MAX_LINKS]; /* the last one heard that is not configured */
	usec_t stray_heard[ELECTION_MAX_LINKS];
	bool missing[ELECTION_MAX_LINKS]; /* netcfgd says that there is no such interface */
	uint64_t rx_vrrp[VRRP_REASONS], rx_beat[BEAT_REASONS], tx_beat;
	struct log_limit vrrp_limit[VRRP_REASONS], beat_limit[BEAT_REASONS];

	struct ipc_client *netcfgd, *syncd;
	struct ipc_conn *asker; /* of the switchover under way; NULL: none, or gone */
	uint64_t asker_id, requests;
	char sync_reason[ELECTION_TEXT];
};

/* setup.c: 0, or negative errno and a sentence. */
int setup_check(const struct config *cfg, char *why, size_t why_size);
void setup_election(const struct config *cfg, struct election_config *ret);
void setup_instances(struct node *n, const struct config *cfg);

/* node.c */
int node_init(struct node *n, struct daemon *d, uv_loop_t *loop);
/* The first configuration, or another one. */
void node_configure(struct node *n, const struct config *cfg);
void node_event(struct node *n, const struct election_event *ev);
void node_link(struct node *n, const char *name, unsigned ifindex, const uint8_t mac[MAC_LEN],
	bool carrier, struct in_addr address);
void node_key(struct node *n, const uint8_t key[BEAT_KEY_LEN]);

/* ipc.c */
extern const struct daemon_ops ipc_daemon_ops;
int ipc_start(struct node *n);
void ipc_resubscribe(struct node *n); /* to links, after another configuration */
void ipc_lease(struct node *n, const struct election_action *a);
void ipc_promote(struct node *n, const struct election_action *a);
void ipc_demote(struct node *n, const struct election_action *a);
void ipc_flush(struct node *n, const struct election_action *a);
void ipc_answer(struct node *n, const struct election_action *a);

/* status.c */
void status_fill(struct node *n, Gp__Status *st, struct arena *scratch);

#endif
