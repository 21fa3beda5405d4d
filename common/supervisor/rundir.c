/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RUNDIR; see rundir.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/supervisor/rundir.h"

#define LOCK_NAME  "supervisor.lock"
#define LISTEN_MAX 64
/* The daemons of a supervisor that died stop by themselves, within 5 s. */
#define ORPHANS_MAX     (7 * USEC_PER_SEC)
#define ORPHANS_LOOK_MS 50

static int fail(char *err, size_t err_size, int r, const char *object, const char *next)
{
	snprintf(err, err_size, "%s: %s; %s", object, strerror(-r), next);
	return r;
}

/* The lock counts only while the file is the one in the folder: its last owner removed it. */
static int take_lock(const char *path, int *ret_fd)
{
	struct stat mine, now;
	int fd, r;

	do {
		/* Whoever can open the file could lock it, and keep us from starting. */
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		r = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (r == 0 && fstat(fd, &mine) == 0 && stat(path, &now) == 0 &&
			mine.st_ino == now.st_ino) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
	} while (r == 0);
	return r;
}

/* Whoever owns the folder, or may write in it, could replace what is in it. */
static int check_folder(const char *rundir)
{
	int fd = open(rundir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		r = -EPERM;
	close(fd);
	return r;
}

int rundir_open(const char *rundir, int *ret_lock, char *err, size_t err_size)
{
	char path[PATH_MAX];
	int r;

	if (mkdir(rundir, 0755) < 0 && errno != EEXIST)
		return fail(
			err, err_size, -errno, rundir, "make its parent folder, or use --rundir");
	r = check_folder(rundir);
	if (r < 0)
		return fail(err, err_size, r, rundir,
			"it must be a folder that belongs to root and that nobody else can write");
	snprintf(path, sizeof(path), "%s/" LOCK_NAME, rundir);
	r = take_lock(path, ret_lock);
	if (r == 0)
		return 0;
	if (r == -EBUSY) {
		snprintf(err, err_size,
			"%s: another supervisor runs there; stop it, or use another --rundir",
			rundir);
		return r;
	}
	return fail(err, err_size, r, path, "check the folder's owner and mode");
}

static int make_address(const char *rundir, const char *name, struct sockaddr_un *ret)
{
	int n;

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s.sock", rundir, name);
	return n < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Does a process listen there? Only daemons of a dead supervisor can: we have the lock. */
static bool is_served(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	if (fd < 0)
		return false;
	served = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN;
	close(fd);
	return served;
}

static int replace_stale(const struct sockaddr_un *addr)
{
	usec_t deadline = clock_now_us() + ORPHANS_MAX;

	while (is_served(addr)) {
		if (clock_now_us() >= deadline)
			return -EADDRINUSE;
		poll(NULL, 0, ORPHANS_LOOK_MS);
	}
	return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

int rundir_listen(const char *rundir, const char *name, int *ret_fd, char *err, size_t err_size)
{
	struct sockaddr_un addr;
	int fd = -1, r = make_address(rundir, name, &addr);

	if (r < 0)
		return fail(err, err_size, r, rundir, "use a shorter --rundir");
	r = replace_stale(&addr);
	if (r < 0)
		return fail(err, err_size, r, addr.sun_path,
			"end the old daemon that still serves it, or use another --rundir");
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Everybody may connect; who may say what is decided by the caller's identity. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		chmod(addr.sun_path, 0666) < 0 || listen(fd, LISTEN_MAX) < 0) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return fail(err, err_size, r, addr.sun_path, "check the folder's owner and mode");
	}
	*ret_fd = fd;
	return 0;
}

void rundir_remove_socket(const char *rundir, const char *name)
{
	struct sockaddr_un addr;

	if (make_address(rundir, name, &addr) == 0)
		unlink(addr.sun_path);
}

void rundir_close(const char *rundir, int lock)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" LOCK_NAME, rundir);
	unlink(path);
	rmdir(rundir);
	close(lock);
}
