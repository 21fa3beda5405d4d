/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lease as text, so that it outlives the process: in RUNDIR, where it says what is still ours
 * until when, and in STATEDIR, where after a reboot it says what address to ask for again.
 */
#ifndef GATEPAIR_NETCFGD_DHCP_FILE_H
#define GATEPAIR_NETCFGD_DHCP_FILE_H

#include "netcfgd/wan.h"

#define DHCP_FILE_MAX 512

/* `expires`: when the lease ends by the wall clock, in seconds; `until` means nothing after a
 * reboot. */
void dhcp_file_text(const struct wan_lease *lease, int64_t expires, char out[DHCP_FILE_MAX]);
/* Checks everything again. 0 or -EINVAL. The link is not in it. */
int dhcp_file_parse(const char *text, struct wan_lease *ret, int64_t *ret_expires)
	__attribute__((warn_unused_result));

#endif
