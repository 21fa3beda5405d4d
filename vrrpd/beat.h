/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vrrpd's own frames between the two nodes: heartbeats, solicitations and their answers
 * (PROTOCOL.md). The codec, the HMAC, and the replay guard; pure, no sockets. A frame that
 * beat_decode() and beat_guard_check() accepted is what the election core trusts.
 */
#ifndef GATEPAIR_VRRPD_BEAT_H
#define GATEPAIR_VRRPD_BEAT_H

#include <mbedtls/md.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BEAT_ETHERTYPE 0x88B5
#define BEAT_VERSION   1
#define BEAT_KEY_LEN   32
#define BEAT_MAC_LEN   16
#define BEAT_NODE_MAX  63
#define BEAT_MAX       192  /* of a frame's payload */
#define BEAT_PATHS     320  /* links a frame may arrive on */
#define BEAT_WINDOW    1024 /* sequences */
#define BEAT_RETIRED   32

enum beat_kind { BEAT_KIND_BEAT = 1, BEAT_KIND_SOLICIT, BEAT_KIND_ANSWER };

/* What the sender is. RESUMING: it was Active, is not sure that it still holds its lease, and
 * claims nothing until it knows. */
enum beat_role {
	BEAT_ROLE_INIT,
	BEAT_ROLE_STANDBY,
	BEAT_ROLE_PROMOTING,
	BEAT_ROLE_ACTIVE,
	BEAT_ROLE_RESUMING,
};

enum beat_flag {
	BEAT_FLAG_ABLE = 1 << 0,      /* could take the role: lease path works, a VRRP link is up */
	BEAT_FLAG_IN_SYNC = 1 << 1,   /* holds every session */
	BEAT_FLAG_GRANT = 1 << 2,     /* granted_term is the receiver's for the taking */
	BEAT_FLAG_ASKING = 1 << 3,    /* wants the role (preemption) */
	BEAT_FLAG_STOPPING = 1 << 4,  /* leaves in an orderly way; will claim nothing more */
	BEAT_FLAG_HA_SILENT = 1 << 5, /* hears nothing on the HA link */
};
#define BEAT_FLAGS_ALL 0x3f

/* What is wrong with the sender; the low half of `health`. The high half is how bad it is. */
enum beat_ill {
	BEAT_ILL_LINK = 1 << 0,   /* a tracked interface is down */
	BEAT_ILL_LEASE = 1 << 1,  /* netcfgd is away, or refuses the lease */
	BEAT_ILL_DAEMON = 1 << 2, /* another daemon does not do its work */
};
#define BEAT_HEALTH(level, ills) ((uint32_t)(level) << 16 | (uint32_t)(ills))
#define BEAT_HEALTH_LEVEL(h)     ((h) >> 16)

struct beat {
	enum beat_kind kind;
	enum beat_role role;
	unsigned flags;            /* enum beat_flag */
	uint64_t session;          /* random, new at each start of the sender */
	uint64_t echo;             /* the receiver's session, as last heard; 0: not heard yet */
	uint64_t sequence;         /* from 1, per session, over all paths */
	uint64_t term;             /* of the Active the sender knows of, itself or its peer */
	uint64_t granted_term;     /* with BEAT_FLAG_GRANT */
	uint32_t health;           /* BEAT_HEALTH(); 0: all is well */
	struct in_addr address;    /* the sender's on this link; 0.0.0.0: none */
	struct in_addr ha_address; /* the sender's on the HA link: the tie-break */
	uint32_t advert_interval_us;
	uint32_t heartbeat_us;
	uint64_t digest; /* of the part of the configuration both nodes must share */
	uint32_t served; /* newest term in which the sender was Active, low half; 0: never */
	uint8_t priority;
	char node[BEAT_NODE_MAX + 1];
};

/* Why a frame was refused: counter index, log text (beat_reason_str) and test expectation. */
enum beat_reason {
	BEAT_OK,
	BEAT_TOO_SHORT,
	BEAT_BAD_MAGIC,
	BEAT_BAD_VERSION,
	BEAT_BAD_LENGTH,
	BEAT_BAD_MAC,   /* another key, or altered */
	BEAT_BAD_FIELD, /* authentic, but out of range */
	BEAT_OWN,       /* our own frame came back: a loop in the network */
	BEAT_UNTRUSTED, /* authentic, but does not echo our session yet: may be a replay */
	BEAT_REPLAYED,  /* sequence already seen, or too old, or of a session before */
	BEAT_REASONS,
};
const char *beat_reason_str(enum beat_reason r);  /* a sentence's part, for logs */
const char *beat_reason_name(enum beat_reason r); /* the counter's name */

/* The peer's key, ready for use; a frame costs no allocation. */
struct beat_key {
	mbedtls_md_context_t md;
	bool set;
};
int beat_key_set(struct beat_key *k, const uint8_t key[BEAT_KEY_LEN])
	__attribute__((warn_unused_result));
void beat_key_clear(struct beat_key *k);

/* Returns the length written, or -ENOSPC, -EIO. */
int beat_encode(const struct beat *b, struct beat_key *key, uint8_t *out, size_t size)
	__attribute__((warn_unused_result));
/* Checks everything but freshness. *ret is untouched unless BEAT_OK. */
enum beat_reason beat_decode(const uint8_t *p, size_t n, struct beat_key *key, struct beat *ret)
	__attribute__((warn_unused_result));

/*
 * The replay guard. A frame is fresh when it echoes our present session (so it was made after our
 * start, by someone who heard us), its sequence was not seen before, and its sender's session
 * was not replaced by a newer one. One window serves all paths: a sequence is used once only.
 */
struct beat_guard {
	uint64_t own_session;
	uint64_t peer_session;          /* trusted, and what our frames echo; 0: none yet */
	uint64_t retired[BEAT_RETIRED]; /* the peer's sessions before; ring */
	size_t n_retired;
	uint64_t highest; /* sequence */
	uint64_t seen[BEAT_WINDOW / 64];
};

void beat_guard_init(struct beat_guard *g, uint64_t own_session);
/* BEAT_OK, BEAT_OWN, BEAT_UNTRUSTED or BEAT_REPLAYED. After BEAT_UNTRUSTED the caller answers at
 * once with a solicitation that echoes b->session; the peer's next frame is then trusted. */
enum beat_reason beat_guard_check(struct beat_guard *g, const struct beat *b)
	__attribute__((warn_unused_result));

#endif
