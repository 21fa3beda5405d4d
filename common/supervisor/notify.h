/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service manager's notification protocol, sd_notify(3), without its library.
 */
#ifndef GATEPAIR_SUPERVISOR_NOTIFY_H
#define GATEPAIR_SUPERVISOR_NOTIFY_H

#include "common/clock.h"

/* Reads NOTIFY_SOCKET and WATCHDOG_USEC; call before clearenv(). */
void notify_init(void);
/* How often the watchdog wants to be fed; USEC_NEVER: there is none. */
usec_t notify_watchdog_interval(void);
/* Lines of the protocol, e.g. "READY=1\nSTATUS=…". Does nothing without a service manager. */
void notify_send(const char *lines);

#endif
