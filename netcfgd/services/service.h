/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the services process (services.h says what it is for): what its modules share. It has a
 * loop, a configuration, the role and a picture of the kernel's links and addresses of its own.
 */
#ifndef GATEPAIR_NETCFGD_SERVICE_H
#define GATEPAIR_NETCFGD_SERVICE_H

#include "netcfgd/observe.h"
#include "netcfgd/services.h"

/* One line in the table of service_main.c. Every member but `name` may be NULL. */
struct service_module {
	const char *name;
	/* `picture` is kept current; it is empty of routes and switches. */
	int (*init)(uv_loop_t *loop, const struct kernel *picture);
	/* `cfg` lives until the next call has returned. */
	void (*config)(const struct config *cfg, usec_t now);
	/* The lease was taken or given up; also called once after the first config. */
	void (*role)(bool held, usec_t now);
	/* The picture changed: a set of enum observe_change. */
	void (*links)(unsigned changes, usec_t now);
	/* Called as soon as due() is over. */
	void (*tick)(usec_t now);
	usec_t (*due)(void);
};

/* Never returns. */
void service_main(int fd) __attribute__((noreturn));

/* Waits when the first process is behind. */
void service_report(const struct services_report *r);
/* Raises the condition `key`, or replaces its text; an empty text clears it. One sentence: the
 * object, the cause; the remedy. */
void service_condition(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* After anything that moves what due() returns, outside of the module's own callbacks. */
void service_rearm(void);

/* The folder netcfgd of RUNDIR or STATEDIR; NULL: the supervisor made none. */
const char *service_rundir(void);
const char *service_statedir(void);
/* Replaces folder/name in one step; a failure is logged. NULL as the folder: does nothing. */
void service_write_file(const char *folder, const char *name, const char *text);
/* The beginning of a file, as text; false: there is none. */
bool service_read_file(const char *folder, const char *name, char *out, size_t size);
void service_remove_file(const char *folder, const char *name);
/* This program, open: for the DHCP client, whose user may not reach the folder that it is in. */
int service_self(void);

#endif
