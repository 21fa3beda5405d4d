/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folders that belong to a daemon; see folder.h. The daemon owns what is in them and could put
 * links there: nothing here follows one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/supervisor/folder.h"

/* Of files in a folder that is removed: far more than any daemon has. */
#define FILES_MAX 4096

static int open_folder(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* The state folder may be reached by a link of the administrator's. */
static int open_parent(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		r = -EPERM;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int folder_make(const char *parent, const char *name, uid_t uid, gid_t gid)
{
	int dir, fd, r = 0;

	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	dir = open_parent(parent);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		r = -errno;
	fd = r == 0 ? open_folder(dir, name) : r;
	close(dir);
	if (fd < 0)
		return fd;
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, 0755) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void empty_folder(DIR *d)
{
	int left = FILES_MAX;

	for (struct dirent *e = readdir(d); e && left > 0; e = readdir(d), left--)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			unlinkat(dirfd(d), e->d_name, 0) < 0)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
}

void folder_remove(const char *parent, const char *name)
{
	int dir = open_parent(parent), fd;
	DIR *d;

	if (dir < 0)
		return;
	fd = open_folder(dir, name);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d) {
		empty_folder(d);
		closedir(d);
		unlinkat(dir, name, AT_REMOVEDIR);
	} else if (fd >= 0) {
		close(fd);
	}
	close(dir);
}
