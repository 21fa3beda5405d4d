/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with the cabling of the HA link: a pure core that takes the probes that were heard
 * (probe.h), frames of strangers and the link's own state, and says which conditions hold now, each
 * with its remedy. It also says when to send probes. No I/O, no clock, no allocation: `now` is
 * given, and never goes back. Runs in netcfgd's services process.
 */
#ifndef GATEPAIR_NETCFGD_CABLING_H
#define GATEPAIR_NETCFGD_CABLING_H

#include <netinet/in.h>
#include <stdbool.h>

#include "common/clock.h"
#include "netcfgd/services/probe.h"

#define CABLING_MAC_LEN      6
#define CABLING_TEXT_MAX     320
#define CABLING_INTERVAL     (500 * USEC_PER_MS)
#define CABLING_HOLD         (3 * USEC_PER_SEC)  /* what was heard counts for so long */
#define CABLING_FOREIGN_HOLD (10 * USEC_PER_SEC) /* a stranger is gone after so long */
#define CABLING_SETTLE       (3 * USEC_PER_SEC)  /* after which a stranger is not the peer */
#define CABLING_PAUSE        (1 * USEC_PER_SEC)  /* between two ticks: we stood still */
/* Seen twice, so far apart: one frame may stray. */
#define CABLING_STRANGER_AGE  (1 * USEC_PER_SEC)
#define CABLING_STRANGERS     8
#define CABLING_STRANGERS_SAY 3
#define CABLING_PEER_MACS     16 /* one per link that it speaks on */
#define CABLING_SAMPLE_MAX    96

/* At most one sentence of each. */
enum cabling_kind {
	CABLING_NO_CARRIER,
	CABLING_UNHEARD,
	CABLING_DIRECT,
	CABLING_FOREIGN,
	CABLING_VLAN,     /* the ends are in different VLANs */
	CABLING_PORT,     /* the HA link and another port are one network */
	CABLING_MTU,      /* the ends differ */
	CABLING_LARGE,    /* small frames pass, large ones do not */
	CABLING_IDENTITY, /* keys that are not those of the configuration */
	CABLING_TWICE,    /* one key on two nodes */
	CABLING_KINDS
};

struct cabling_config {
	bool pair;          /* there is a peer to be expected; else nothing is ever wrong */
	uint64_t own, peer; /* as in struct probe */
	uint64_t session;   /* of this process */
	struct in_addr peer_address;
	char link[IFNAMSIZ]; /* the HA link */
	uint16_t vlan;       /* its id; 0: untagged */
};

struct cabling_link {
	bool exists, carrier;
	uint32_t mtu;
};

enum cabling_place {
	CABLING_AT_HA,    /* on the HA link itself */
	CABLING_AT_PORT,  /* on a port below it */
	CABLING_AT_OTHER, /* on another configured interface */
};

enum cabling_event_kind { CABLING_EV_LINK, CABLING_EV_PROBE, CABLING_EV_FRAME, CABLING_EV_TICK };

struct cabling_event {
	enum cabling_event_kind kind;
	union {
		struct cabling_link link; /* LINK: of the HA link, now */
		struct {
			const struct probe *probe;
			enum cabling_place place;
			char here[IFNAMSIZ]; /* where it arrived */
			uint16_t tag;        /* of a VLAN without an interface; 0: none */
		} heard;                     /* PROBE */
		struct {
			struct in_addr ip; /* its sender's, 0: none */
			char sample[CABLING_SAMPLE_MAX];
		} frame; /* FRAME: seen on the HA link */
	};
	uint8_t mac[CABLING_MAC_LEN]; /* PROBE, FRAME: the sender's */
};

/* What TICK asks for, or-ed. */
enum cabling_send {
	CABLING_SEND_SMALL = 1 << 0,
	CABLING_SEND_DIRECT = 1 << 1,
	CABLING_SEND_FULL = 1 << 2,
	CABLING_SEND_OTHERS = 1 << 3,
};

struct cabling_sighting {
	usec_t at;           /* 0: never */
	char here[IFNAMSIZ]; /* where it arrived */
	uint16_t tag;
	struct probe probe;
	uint8_t mac[CABLING_MAC_LEN];
};

struct cabling_stranger {
	usec_t at; /* 0: free */
	usec_t first;
	uint8_t mac[CABLING_MAC_LEN];
	char sample[CABLING_SAMPLE_MAX];
};

struct cabling {
	struct cabling_config cfg;
	struct cabling_link link;
	usec_t since;      /* the link is as it is: carrier came or went, or the config */
	usec_t ticked;     /* last */
	usec_t next_send;  /* 0: at once */
	uint32_t rounds;   /* of sending */
	uint32_t random;   /* state of the jitter */
	usec_t heard;      /* the peer, on the HA link as it should be */
	usec_t heard_from; /* without a break since */
	usec_t heard_full, heard_direct, heard_other;
	char other[IFNAMSIZ]; /* where that was */
	struct probe last;    /* of the peer on its HA link; node: of any; "": none yet */
	uint8_t macs[CABLING_PEER_MACS][CABLING_MAC_LEN];
	size_t n_macs;                    /* learned in all: the oldest is overwritten */
	uint64_t session, session_before; /* the peer's */
	usec_t returned[2];               /* when a session came back that was over, newest first */
	struct cabling_sighting vlan, port, lan_here, loop, mistaken, refused, copy;
	struct cabling_stranger strangers[CABLING_STRANGERS];
};

void cabling_init(struct cabling *c, uint32_t random);
/* What was learned is kept if only the unimportant differs. */
void cabling_configure(struct cabling *c, const struct cabling_config *cfg, usec_t now);
/* Returns a set of enum cabling_send; not 0 for TICK only. */
unsigned cabling_step(struct cabling *c, const struct cabling_event *ev, usec_t now);

bool cabling_is_peer_mac(const struct cabling *c, const uint8_t mac[CABLING_MAC_LEN]);
/* Heard within the hold. */
bool cabling_fresh(const struct cabling_sighting *s, usec_t now);
/* What holds now: a sentence per kind, "" for what does not. */
void cabling_conditions(
	const struct cabling *c, usec_t now, char out[CABLING_KINDS][CABLING_TEXT_MAX]);

#endif
