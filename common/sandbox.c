/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privileges: what a daemon keeps across exec, and the system calls it may make after that.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sanitizer.h"

int sandbox_lookup(const char *user, unsigned *ret_uid, unsigned *ret_gid)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return errno != 0 && errno != ESRCH ? -errno : -ENOENT;
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

static bool listed(cap_value_t cap, const cap_value_t *caps, size_t n_caps)
{
	for (size_t i = 0; i < n_caps; i++) {
		if (caps[i] == cap)
			return true;
	}
	return false;
}

/* Nothing that is exec'd later may gain what is not in the list. */
static int drop_bounding(const cap_value_t *caps, size_t n_caps)
{
	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (!listed(cap, caps, n_caps) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int change_user(unsigned uid, unsigned gid)
{
	/* Without this, leaving uid 0 clears the permitted set. exec clears the flag again. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

static int keep_caps(const cap_value_t *caps, size_t n_caps)
{
	static const cap_flag_t sets[] = {CAP_PERMITTED, CAP_EFFECTIVE, CAP_INHERITABLE};
	cap_t state = cap_init();
	int r = 0;

	if (state == NULL)
		return -errno;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && n_caps > 0; i++) {
		if (cap_set_flag(state, sets[i], (int)n_caps, caps, CAP_SET) < 0)
			r = -errno;
	}
	if (r == 0 && cap_set_proc(state) < 0)
		r = -errno;
	cap_free(state);
	for (size_t i = 0; i < n_caps && r == 0; i++) {
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, caps[i], 0, 0) < 0)
			r = -errno;
	}
	return r;
}

int sandbox_drop(unsigned uid, unsigned gid, const cap_value_t *caps, size_t n_caps)
{
	int r;

	if (uid == 0 || gid == 0)
		return -EINVAL;
	r = drop_bounding(caps, n_caps);
	if (r == 0)
		r = change_user(uid, gid);
	if (r == 0)
		r = keep_caps(caps, n_caps);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r;
}

/* What libuv's loop, our IPC, timers, log and glibc use in a running daemon; found with strace and
 * from the sources of libuv 1.44 and glibc 2.36. No open, no exec, no fork, no socket(AF_INET). */
static const int base[] = {
	/* loop, timers, signals */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	/* sockets and files that are open */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(accept4),
	SCMP_SYS(connect),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(shutdown),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
	/* memory */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	/* time: without a vdso these are system calls */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	/* the process itself */
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sysinfo), /* qsort(3) of more than 1 KiB asks how much memory there is */
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* These with one of their arguments only: sockets of the local family, as clients of other daemons
 * reconnect; memory that is not executable; libuv's non-blocking mode. */
static int allow_some(scmp_filter_ctx ctx)
{
	const struct {
		int syscall;
		struct scmp_arg_cmp arg;
	} some[] = {
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0)},
		{SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0)},
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		int r = seccomp_rule_add_array(
			ctx, SCMP_ACT_ALLOW, some[i].syscall, 1, &some[i].arg);

		if (r < 0)
			return r;
	}
	return 0;
}

static int allow_all(scmp_filter_ctx ctx, const int *syscalls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, syscalls[i], 0);

		if (r < 0)
			return r;
	}
	return 0;
}

int sandbox_seal(const int *extra_syscalls, size_t n)
{
	scmp_filter_ctx ctx;
	int r;

	if (GATEPAIR_ASAN)
		return 0;
	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL)
		return -ENOMEM;
	r = allow_all(ctx, base, sizeof(base) / sizeof(base[0]));
	if (r == 0)
		r = allow_some(ctx);
	if (r == 0)
		r = allow_all(ctx, extra_syscalls, n);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

/* --- processes that start programs ----------------------------------------------------------- */

static const int denied[] = {
	/* file systems */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(quotactl),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	/* other processes */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(perf_event_open),
	/* the kernel itself */
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(bpf),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(reboot),
	SCMP_SYS(syslog),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(vhangup),
	/* keys, namespaces, personalities */
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(personality),
};

/* The flags of clone3 are in memory, which a filter cannot see: with ENOSYS, callers use clone. */
static int deny_namespaces(scmp_filter_ctx ctx)
{
	static const unsigned long flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET,
		CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && r == 0; i++) {
		struct scmp_arg_cmp has = SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]);

		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &has);
	}
	return r;
}

int sandbox_deny(void)
{
	scmp_filter_ctx ctx;
	int r;

	if (GATEPAIR_ASAN)
		return 0;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (ctx == NULL)
		return -ENOMEM;
	r = deny_namespaces(ctx);
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int sandbox_keep(const cap_value_t *caps, size_t n_caps)
{
	static const cap_flag_t sets[] = {CAP_PERMITTED, CAP_EFFECTIVE, CAP_INHERITABLE};
	cap_t have = cap_get_proc(), keep = cap_init();
	int r = have == NULL || keep == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < n_caps && r == 0; i++) {
		for (size_t k = 0; k < sizeof(sets) / sizeof(sets[0]) && r == 0; k++) {
			cap_flag_value_t value = CAP_CLEAR;

			if (cap_get_flag(have, caps[i], sets[k], &value) < 0 ||
				cap_set_flag(keep, sets[k], 1, &caps[i], value) < 0)
				r = -errno;
		}
	}
	/* The ambient set follows: it never holds what is not permitted and inheritable. */
	if (r == 0 && cap_set_proc(keep) < 0)
		r = -errno;
	cap_free(have);
	cap_free(keep);
	return r;
}
