/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any frames on any network of the node: the probe, ARP, and what is said of strangers. */
#include "netcfgd/services/cabling.h"
#include "netcfgd/services/ethernet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What a hostile probe makes of the state, and of the sentences. */
static void take(const struct probe *p, uint8_t how)
{
	static struct cabling c;
	static usec_t now = USEC_PER_SEC;
	char text[CABLING_KINDS][CABLING_TEXT_MAX];
	struct cabling_config cfg = {
		.pair = true, .own = p->peer, .peer = p->own, .session = 1, .link = "ge4"};
	struct cabling_event ev = {.kind = CABLING_EV_PROBE,
		.heard = {p, (enum cabling_place)(how % 3), "ge2", how & 64 ? 9 : 0}};

	if (how & 32) {
		cfg.own = p->own;
		cfg.peer = p->peer;
	}
	cabling_configure(&c, &cfg, now);
	cabling_step(&c, &ev, now += how * 16384);
	cabling_conditions(&c, now, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ethernet_sample sample;
	struct ethernet_claim claim;
	struct probe p;

	ethernet_sample(data, n, &sample);
	ethernet_arp(data, n, &claim);
	ethernet_nd(data, n, &claim);
	if (n > 1 && probe_decode(data + 1, n - 1, &p) == PROBE_OK)
		take(&p, data[0]);
	return 0;
}
