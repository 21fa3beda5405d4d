/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd's IPC: orders from vrrpd, questions from the gatepair command, notifications to
 * subscribers, addresses from netcfgd. The only file of syncd that sees protobuf. Runs in syncd.
 */
#ifndef GATEPAIR_SYNCD_IPC_H
#define GATEPAIR_SYNCD_IPC_H

/* Runs the daemon; the exit status for main(). */
int syncd_run(void);

#endif
