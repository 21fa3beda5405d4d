/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps vrrpd's sockets open for a moment after its death, so that its death is noticed at once. */
#ifndef GATEPAIR_VRRPD_KEEPER_H
#define GATEPAIR_VRRPD_KEEPER_H

/* Call once, early: sockets opened later are covered as well. 0 or negative errno; without it vrrpd
 * works, but may not be back before its lease ends when it is killed. */
int keeper_start(void) __attribute__((warn_unused_result));

#endif
