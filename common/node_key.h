/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's identity: one EC P-256 key pair in STATEDIR, PEM, mode 0600. The peer knows it by the
 * SHA-256 of its public key (SubjectPublicKeyInfo, DER), written sha256:… .
 */
#ifndef GATEPAIR_COMMON_NODE_KEY_H
#define GATEPAIR_COMMON_NODE_KEY_H

#include <stddef.h>
#include <stdint.h>

#define NODE_KEY_FILE    "node.key" /* unless sync's `identity` says otherwise */
#define NODE_KEY_DER_MAX 512

struct node_key {
	uint8_t der[NODE_KEY_DER_MAX]; /* private key; wipe with node_key_wipe() */
	size_t der_len;
	uint8_t fingerprint[32];
};

/* 0, or negative errno with a sentence: -ENOENT when there is none, -EPERM when others may read it.
 */
int node_key_read(const char *path, struct node_key *ret, char *err, size_t err_size)
	__attribute__((warn_unused_result));
/* Makes a new key; an existing file is never replaced (-EEXIST). */
int node_key_create(const char *path, char *err, size_t err_size)
	__attribute__((warn_unused_result));
void node_key_wipe(struct node_key *k);

#endif
