/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd: replicates this gateway's sessions to its peer, and the peer's here. Started by the
 * supervisor as gatepair-syncd with CAP_NET_ADMIN; syncd(8).
 */
#include "common/log.h"
#include "syncd/ipc.h"

int main(void)
{
	log_init("syncd");
	return syncd_run();
}
