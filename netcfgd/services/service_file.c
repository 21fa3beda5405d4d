/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small files of the services process in RUNDIR/netcfgd and STATEDIR/netcfgd: written whole and
 * renamed, so that whoever reads one never sees a part of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netcfgd/services/service.h"

static int write_new(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t len = strlen(text);
	ssize_t n;
	int rc = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0 || fsync(fd) < 0)
		rc = -errno;
	else if ((size_t)n != len)
		rc = -ENOSPC;
	close(fd);
	return rc;
}

void service_write_file(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int rc;

	if (!folder || snprintf(path, sizeof(path), "%s/%s", folder, name) >= PATH_MAX ||
		snprintf(fresh, sizeof(fresh), "%s.new", path) >= PATH_MAX)
		return;
	rc = write_new(fresh, text);
	if (!rc && rename(fresh, path) < 0)
		rc = -errno;
	if (rc)
		log_warn("%s: cannot be written: %s; check the space and the owner of its folder",
			path, strerror(-rc));
}

bool service_read_file(const char *folder, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (!folder || snprintf(path, sizeof(path), "%s/%s", folder, name) >= PATH_MAX)
		return false;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

void service_remove_file(const char *folder, const char *name)
{
	char path[PATH_MAX];

	if (folder && snprintf(path, sizeof(path), "%s/%s", folder, name) < PATH_MAX &&
		unlink(path) < 0 && errno != ENOENT)
		log_warn("%s: cannot be removed: %s", path, strerror(errno));
}
