/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper of vrrpd's sockets: it closes them, as that takes longer than a heartbeat, and keeps
 * them open for a moment after vrrpd's death, so that its death is noticed at once.
 */
#ifndef GATEPAIR_VRRPD_KEEPER_H
#define GATEPAIR_VRRPD_KEEPER_H

/* Call once, early: sockets opened later are covered as well. 0 or negative errno; without it vrrpd
 * works, but may not be back before its lease ends when it is killed. */
int keeper_start(void) __attribute__((warn_unused_result));

/* Closes fd, which must not be polled any more, without waiting for it. */
void keeper_close(int fd);

#endif
