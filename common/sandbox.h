/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privileges. The supervisor calls sandbox_drop() in the forked child, before exec: own uid, only
 * the listed capabilities (ambient), no_new_privs. The daemon calls sandbox_seal() once it has
 * opened what it opens: a seccomp allow list by syscall; what is not on it kills the process.
 */
#ifndef GATEPAIR_COMMON_SANDBOX_H
#define GATEPAIR_COMMON_SANDBOX_H

#include <stddef.h>
#include <sys/capability.h>

struct sandbox_user {
	const char *user; /* e.g. gatepair-vrrpd: looked up before fork, -ENOENT if missing */
	const cap_value_t *caps;
	size_t n_caps;
};

/* uid and gid of a user; before fork. */
int sandbox_lookup(const char *user, unsigned *ret_uid, unsigned *ret_gid)
	__attribute__((warn_unused_result));
/* In the child, after fork; async-signal-safe enough. 0 or negative errno. */
int sandbox_drop(unsigned uid, unsigned gid, const cap_value_t *caps, size_t n_caps)
	__attribute__((warn_unused_result));
/* Allow the base set (loop, IPC, memory, clock, log) plus `extra` syscalls. Does nothing in
 * sanitizer builds, whose runtimes need more. */
int sandbox_seal(const int *extra_syscalls, size_t n) __attribute__((warn_unused_result));
/* For a process that starts programs: only the system calls that none of them needs and that reach
 * beyond the process (mounts, tracing, modules, namespaces, keys, clocks, …) fail with EPERM.
 * Children inherit it. Does nothing in sanitizer builds. */
int sandbox_deny(void) __attribute__((warn_unused_result));
/* Gives up every capability that is not listed; one that is listed and not held stays so. */
int sandbox_keep(const cap_value_t *caps, size_t n_caps) __attribute__((warn_unused_result));

#endif
