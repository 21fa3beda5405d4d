/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting daemons; see spawn.h. Between fork and exec only what is async-signal-safe or touches
 * nothing but this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/supervisor/folder.h"
#include "common/supervisor/spawn.h"

/* netcfgd above vrrpd: the lease has to end in time even when vrrpd spins. */
#define FIFO_SUPERVISOR 13
#define FIFO_NETCFGD    12
#define FIFO_VRRPD      11
/* A real-time daemon that computes for so long without a pause is out of its mind. */
#define RTTIME_US 2000000
#define OOM_SCORE "-900"
/* Our own ends of pipes are far above the numbers that the child is given. */
#define FD_ABOVE     16
#define EXIT_NO_EXEC 127

/* netcfgd's DHCP client needs raw sockets, its DHCP server a port below 1024; the process that
 * holds the lease gives both up. */
static const struct spawn_role roles[] = {
	{"vrrpd", "gatepair-vrrpd", {CAP_NET_RAW}, 1, FIFO_VRRPD, false},
	{"syncd", "gatepair-syncd", {CAP_NET_ADMIN}, 1, 0, false},
	{"netcfgd", "gatepair-netcfgd", {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE}, 3,
		FIFO_NETCFGD, true},
	{"activated", "gatepair-activated", {CAP_NET_BIND_SERVICE}, 1, 0, false},
};

const struct spawn_role *spawn_role_find(const char *name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, name) == 0)
			return &roles[i];
	return NULL;
}

static int find_program(struct spawn *s, char *err, size_t err_size)
{
	char self[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int r;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	snprintf(s->program, sizeof(s->program), "%s/%s", self, s->role->name);
	if (access(s->program, X_OK) == 0)
		return 0;
	r = -errno;
	snprintf(err, err_size, "program %s: %s; reinstall gatepair, or `make all`", s->program,
		strerror(-r));
	return r;
}

/* Without what it remembers the daemon still does its work. */
static int make_folders(
	const struct spawn *s, const char *rundir, const char *statedir, char *err, size_t err_size)
{
	const char *name = s->role->name;
	int r = folder_make(statedir, name, s->uid, s->gid);

	if (r < 0)
		log_warn("folder %s/%s: %s; %s keeps no state over a restart until that is put "
			 "right: it must be a folder, in one that belongs to root and that nobody "
			 "else can write",
			statedir, name, strerror(-r), name);
	r = folder_make(rundir, name, s->uid, s->gid);
	if (r < 0)
		snprintf(err, err_size, "folder %s/%s: %s; remove what is in its place", rundir,
			name, strerror(-r));
	return r;
}

int spawn_init(struct spawn *s, const struct spawn_role *role, const char *rundir,
	const char *statedir, char *err, size_t err_size)
{
	int r;

	s->role = role;
	r = sandbox_lookup(role->user, &s->uid, &s->gid);
	if (r < 0) {
		snprintf(err, err_size,
			"system user %s: %s; run `make deps`, or systemd-sysusers with the "
			"package's "
			"sysusers.d/gatepair.conf",
			role->user, r == -ENOENT ? "there is none" : strerror(-r));
		return r;
	}
	snprintf(s->rundir_env, sizeof(s->rundir_env), "GATEPAIR_RUNDIR=%s", rundir);
	snprintf(s->statedir_env, sizeof(s->statedir_env), "GATEPAIR_STATEDIR=%s", statedir);
	r = find_program(s, err, err_size);
	if (r == 0 && role->has_folders)
		r = make_folders(s, rundir, statedir, err, err_size);
	return r;
}

/* --- in the child ---------------------------------------------------------------------------- */

static void child_fail(const char *what, int err)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "<3>supervisor: cannot start a daemon: %s: %s\n", what,
		strerrordesc_np(err));

	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(EXIT_NO_EXEC);
	_exit(EXIT_NO_EXEC);
}

static void child_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_files(int control, int listen_fd)
{
	int null = open("/dev/null", O_RDONLY), c = fcntl(control, F_DUPFD, FD_ABOVE);
	int l = fcntl(listen_fd, F_DUPFD, FD_ABOVE);

	if (null < 0 || c < 0 || l < 0 || dup2(null, STDIN_FILENO) < 0 ||
		dup2(c, DAEMON_CONTROL_FD) < 0 || dup2(l, DAEMON_LISTEN_FD) < 0)
		return -errno;
	/* Whatever else is open here, the copies above included, ends with exec. */
	if (close_range(DAEMON_LISTEN_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Limits and scheduling are as good as the machine allows: no failure here is a reason not to run.
 */
static void child_limits(const struct spawn_role *role)
{
	struct rlimit memlock = {RLIM_INFINITY, RLIM_INFINITY}, rttime = {RTTIME_US, RTTIME_US};
	struct sched_param fifo = {.sched_priority = role->fifo_priority}, other = {0};

	if (setrlimit(RLIMIT_MEMLOCK, &memlock) < 0 && getrlimit(RLIMIT_MEMLOCK, &memlock) == 0) {
		memlock.rlim_cur = memlock.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &memlock);
	}
	if (role->fifo_priority > 0) {
		setrlimit(RLIMIT_RTTIME, &rttime);
		sched_setscheduler(0, SCHED_FIFO, &fifo);
	} else {
		sched_setscheduler(0, SCHED_OTHER, &other);
	}
}

static void child_run(const struct spawn *s, int program, int control, int listen_fd)
{
	char name[32], path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char rundir[sizeof(s->rundir_env)], statedir[sizeof(s->statedir_env)];
	char *argv[] = {name, NULL}, *envp[] = {rundir, statedir, path, NULL};
	int r;

	child_signals();
	memcpy(rundir, s->rundir_env, sizeof(rundir));
	memcpy(statedir, s->statedir_env, sizeof(statedir));
	snprintf(name, sizeof(name), "%s", s->role->name);
	r = child_files(control, listen_fd);
	if (r < 0)
		child_fail("its file descriptors", -r);
	child_limits(s->role);
	r = sandbox_drop(s->uid, s->gid, s->role->caps, s->role->n_caps);
	if (r < 0)
		child_fail("its privileges", -r);
	/* The program was opened by root: its user need not reach the folder that it is in. */
	fexecve(program, argv, envp);
	child_fail(s->role->name, errno);
}

/* --- in the supervisor ----------------------------------------------------------------------- */

int spawn_start(const struct spawn *s, int listen_fd, pid_t *ret_pid, int *ret_control)
{
	int control[2], program = open(s->program, O_RDONLY | O_CLOEXEC), r = 0;
	sigset_t all, before;
	pid_t pid;

	if (program < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, control) < 0) {
		r = -errno;
		close(program);
		return r;
	}
	/* Until it has reset them, the child has our handlers, which write into our loop's pipe. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		child_run(s, program, control[1], listen_fd);
	r = pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(program);
	close(control[1]);
	if (r < 0) {
		close(control[0]);
		return r;
	}
	*ret_pid = pid;
	*ret_control = control[0];
	return 0;
}

static void lower_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, OOM_SCORE, sizeof(OOM_SCORE) - 1) < 0)
		log_warn("the OOM killer's score cannot be lowered here (%s): under memory "
			 "pressure the "
			 "suite is as likely a victim as any process",
			strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void keep_needed_caps(void)
{
	static const cap_value_t needed[] = {CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_KILL,
		CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER,
		CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};
	cap_t have = cap_get_proc(), keep = cap_init();
	bool ok = have && keep;

	for (size_t i = 0; ok && i < sizeof(needed) / sizeof(needed[0]); i++) {
		cap_flag_value_t permitted = CAP_CLEAR;

		ok = cap_get_flag(have, needed[i], CAP_PERMITTED, &permitted) == 0;
		if (ok && permitted == CAP_SET)
			ok = cap_set_flag(keep, CAP_PERMITTED, 1, &needed[i], CAP_SET) == 0 &&
			     cap_set_flag(keep, CAP_EFFECTIVE, 1, &needed[i], CAP_SET) == 0;
	}
	if (!ok || cap_set_proc(keep) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warn("privileges that are not needed cannot be dropped (%s)", strerror(errno));
	cap_free(have);
	cap_free(keep);
}

int spawn_real_time(bool on)
{
	struct sched_param param = {.sched_priority = on ? FIFO_SUPERVISOR : 0};

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param) < 0 ? -errno : 0;
}

void spawn_harden_self(void)
{
	lower_oom_score();
	if (spawn_real_time(true) < 0)
		log_warn("no real-time priority here (%s): on a busy machine takeovers are slower, "
			 "and a "
			 "lease may lapse without need; allow SCHED_FIFO",
			strerror(errno));
	keep_needed_caps();
}
