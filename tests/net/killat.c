/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gp-killat NAME: kills a daemon at its n-th write into the kernel's network configuration.
 *
 * Follows a process with ptrace(2) and counts the system calls that change something: netlink
 * requests that are not questions, and writes to files below /proc/sys. rtnetlink and nfnetlink
 * carry out all messages of one system call before a SIGKILL can end it, so before and after each
 * of these calls are all the states in which a crash can leave the kernel.
 *
 * Commands on standard input, each answered with one line of JSON:
 *   trace PID           counts the writes of a running process
 *   follow PID          waits for the next child of PID (a supervisor) to become the program NAME
 *   kill N entry|exit   kills at the N-th write from now, before or after it; 0: never, only count
 *   report              {"count", "killed", "pid", "ops"}: the last write of each kind in order
 *   release             lets go of all
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACED_MAX 64
#define OPS_MAX    256
#define OP_TEXT    48

struct traced {
	pid_t pid; /* 0: slot free */
	bool target;
	bool writing; /* between entry and exit of a write that counts */
};

static struct traced traced[TRACED_MAX];
static const char *name;
static pid_t target_pid, followed_pid;
static bool killed, kill_after;
static unsigned kill_at, count;
static char ops[OPS_MAX][OP_TEXT];

static struct traced *slot_of(pid_t pid)
{
	for (size_t i = 0; i < TRACED_MAX; i++) {
		if (traced[i].pid == pid)
			return &traced[i];
	}
	return NULL;
}

static struct traced *slot_add(pid_t pid)
{
	struct traced *t = slot_of(pid);

	if (t == NULL)
		t = slot_of(0);
	if (t != NULL && t->pid == 0)
		*t = (struct traced){.pid = pid};
	return t;
}

static void release_all(void)
{
	for (size_t i = 0; i < TRACED_MAX; i++) {
		int status;

		if (traced[i].pid == 0)
			continue;
		/* A process can be let go only while it stands still; a dead one already is. */
		if (ptrace(PTRACE_INTERRUPT, traced[i].pid, 0, 0) == 0 &&
			waitpid(traced[i].pid, &status, __WALL) > 0 && WIFSTOPPED(status)) {
			int sig = status >> 16 ? 0 : WSTOPSIG(status) & 0x7f;

			ptrace(PTRACE_DETACH, traced[i].pid, 0, sig == SIGTRAP ? 0 : sig);
		}
		traced[i].pid = 0;
	}
}

/* --- what a system call would do ------------------------------------------------------------- */

static size_t peek(pid_t pid, uint64_t from, void *to, size_t size)
{
	struct iovec local = {.iov_base = to, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};
	ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return got < 0 ? 0 : (size_t)got;
}

/* The netlink protocol of one of its sockets; -1: something else. */
static int netlink_protocol(pid_t pid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), domain = -1, protocol = -1, copy;
	socklen_t len = sizeof(int);

	if (pidfd < 0)
		return -1;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	close(pidfd);
	if (copy < 0)
		return -1;
	if (getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0 || domain != AF_NETLINK ||
		getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) != 0)
		protocol = -1;
	close(copy);
	return protocol;
}

static bool rtnl_writes(const struct nlmsghdr *h, char text[OP_TEXT])
{
	static const char *const kinds[] = {"link", "addr", "route", "neigh", "rule"};
	unsigned kind = (h->nlmsg_type - RTM_BASE) / 4u, verb = (h->nlmsg_type - RTM_BASE) % 4u;

	if (h->nlmsg_type < RTM_BASE || verb == 2)
		return false;
	snprintf(text, OP_TEXT, "%s %s", verb == 1 ? "del" : "set",
		kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "other");
	return true;
}

static bool netlink_writes(pid_t pid, int fd, uint64_t at, char text[OP_TEXT])
{
	int protocol = netlink_protocol(pid, fd);
	struct nlmsghdr h;

	if (protocol < 0 || peek(pid, at, &h, sizeof(h)) < sizeof(h))
		return false;
	if (protocol == NETLINK_ROUTE)
		return rtnl_writes(&h, text);
	snprintf(text, OP_TEXT, "nftables");
	return protocol == NETLINK_NETFILTER && h.nlmsg_type == NFNL_MSG_BATCH_BEGIN;
}

static bool file_writes(pid_t pid, int fd, char text[OP_TEXT])
{
	static const char below[] = "/proc/sys/";
	char path[64], file[PATH_MAX] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, file, sizeof(file) - 1);
	if (n < 0 || strncmp(file, below, sizeof(below) - 1) != 0)
		return false;
	snprintf(text, OP_TEXT, "%.*s", OP_TEXT - 1, file + sizeof(below) - 1);
	return true;
}

static bool call_writes(pid_t pid, const struct __ptrace_syscall_info *info, char text[OP_TEXT])
{
	const uint64_t *arg = (const uint64_t *)info->entry.args;
	struct msghdr msg;
	struct iovec iov;

	switch (info->entry.nr) {
	case SYS_sendto:
		return netlink_writes(pid, (int)arg[0], arg[1], text);
	case SYS_sendmsg:
		return peek(pid, arg[1], &msg, sizeof(msg)) == sizeof(msg) && msg.msg_iovlen > 0 &&
		       peek(pid, (uint64_t)(uintptr_t)msg.msg_iov, &iov, sizeof(iov)) ==
			       sizeof(iov) &&
		       netlink_writes(pid, (int)arg[0], (uint64_t)(uintptr_t)iov.iov_base, text);
	case SYS_write:
	case SYS_pwrite64:
		return file_writes(pid, (int)arg[0], text);
	default:
		return false;
	}
}

/* --- stops ----------------------------------------------------------------------------------- */

/* At an entry the call is not carried out any more, at an exit it has been. */
static void kill_target(struct traced *t)
{
	killed = true;
	kill(t->pid, SIGKILL);
}

/* False: it was killed. */
static bool on_syscall(struct traced *t)
{
	struct __ptrace_syscall_info info;
	char text[OP_TEXT] = "";

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof(info), &info) <= 0)
		return true;
	if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		bool due = t->writing && kill_after && count == kill_at;

		t->writing = false;
		if (due)
			kill_target(t);
		return !due;
	}
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !call_writes(t->pid, &info, text))
		return true;
	t->writing = true;
	if (count < OPS_MAX)
		memcpy(ops[count], text, sizeof(text));
	count++;
	if (kill_after || killed || count != kill_at)
		return true;
	kill_target(t);
	return false;
}

static bool is_program(pid_t pid)
{
	char path[64], exe[PATH_MAX] = "", *base;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (readlink(path, exe, sizeof(exe) - 1) < 0)
		return false;
	base = strrchr(exe, '/');
	return base != NULL && strcmp(base + 1, name) == 0;
}

/* A program was started. True: go on with it. */
static bool on_exec(struct traced *t)
{
	if (is_program(t->pid) && target_pid == 0) {
		t->target = true;
		target_pid = t->pid;
		return true;
	}
	if (t->pid == followed_pid)
		return true;
	ptrace(PTRACE_DETACH, t->pid, 0, 0);
	t->pid = 0;
	return false;
}

static void on_stop(struct traced *t, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		if (!on_syscall(t))
			return;
		sig = 0;
	} else if (event == PTRACE_EVENT_EXEC) {
		if (!on_exec(t))
			return;
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		ptrace(PTRACE_LISTEN, t->pid, 0, 0); /* stopped by SIGSTOP: it stays so */
		return;
	} else if (event != 0) {
		sig = 0;
	}
	ptrace(t->target ? PTRACE_SYSCALL : PTRACE_CONT, t->pid, 0, sig);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		struct traced *t = slot_add(pid);

		if (t == NULL)
			exit(1);
		if (WIFSTOPPED(status))
			on_stop(t, status);
		else
			t->pid = 0;
	}
}

/* --- commands -------------------------------------------------------------------------------- */

static int seize(pid_t pid, bool target)
{
	long options = PTRACE_O_TRACESYSGOOD |
		       (target ? 0
			       : PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
					       PTRACE_O_TRACEEXEC);
	struct traced *t = slot_add(pid);

	if (t == NULL)
		return -EMFILE;
	t->target = target;
	if (ptrace(PTRACE_SEIZE, pid, 0, options) != 0) {
		t->pid = 0;
		return -errno;
	}
	target_pid = target ? pid : 0;
	followed_pid = target ? 0 : pid;
	/* It enters its system calls in view from its next stop on. */
	if (target && ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0)
		return -errno;
	return 0;
}

static void report(void)
{
	printf("{\"count\": %u, \"killed\": %s, \"pid\": %d, \"ops\": [", count,
		killed ? "true" : "false", (int)target_pid);
	for (unsigned i = 0; i < count && i < OPS_MAX; i++)
		printf("%s\"%s\"", i ? ", " : "", ops[i]);
	printf("]}\n");
}

static bool input_read(void)
{
	char line[128], when[8];
	int pid, rc = 0;
	unsigned n;

	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	if (strcmp(line, "report\n") == 0) {
		report();
		return true;
	}
	if (sscanf(line, "trace %d", &pid) == 1) {
		rc = seize(pid, true);
	} else if (sscanf(line, "follow %d", &pid) == 1) {
		rc = seize(pid, false);
	} else if (sscanf(line, "kill %u %7s", &n, when) == 2) {
		kill_at = n;
		kill_after = strcmp(when, "exit") == 0;
		count = 0;
		killed = false;
	} else if (strcmp(line, "release\n") == 0) {
		release_all();
	} else {
		rc = -EINVAL;
	}
	printf("{\"ok\": %s, \"error\": \"%s\"}\n", rc ? "false" : "true", rc ? strerror(-rc) : "");
	return true;
}

int main(int argc, char **argv)
{
	/* Above the daemons: what is traced waits for us at each of its system calls. */
	struct sched_param param = {.sched_priority = 40};
	bool running = true;
	sigset_t mask;
	int fd;

	if (argc != 2)
		return 2;
	name = argv[1];
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return 1;
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)sched_setscheduler(0, SCHED_FIFO, &param);
	while (running) {
		struct pollfd fds[] = {
			{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
		struct signalfd_siginfo info;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 1;
		while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
			continue;
		reap();
		if (fds[1].revents != 0)
			running = input_read();
	}
	release_all();
	return 0;
}
