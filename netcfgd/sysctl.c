/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/sys/net (see sysctl.h). All switches that are used hold one small integer.
 */
#include "netcfgd/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sysctl_saved {
	char path[DESIRED_PATH_MAX];
	int32_t value;
	UT_hash_handle hh;
};

static int open_path(const char *path, int flags)
{
	char full[sizeof("/proc/sys/net/") + DESIRED_PATH_MAX];
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int32_t read_value(const char *path)
{
	char text[32] = {0}, *end;
	int fd = open_path(path, O_RDONLY);
	ssize_t n;
	long v;

	if (fd < 0)
		return SYSCTL_UNKNOWN;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return SYSCTL_UNKNOWN;
	errno = 0;
	v = strtol(text, &end, 10);
	return errno || end == text || v <= INT32_MIN || v > INT32_MAX ? SYSCTL_UNKNOWN
								       : (int32_t)v;
}

static int write_value(const char *path, int32_t value)
{
	char text[16];
	int fd = open_path(path, O_WRONLY), n, rc;

	if (fd < 0)
		return fd;
	n = snprintf(text, sizeof(text), "%d\n", value);
	rc = write(fd, text, (size_t)n) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

int sysctl_read_all(const struct desired *d, struct kernel *k)
{
	int32_t *v = reallocarray(k->sysctls, d->n_sysctls + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	k->sysctls = v;
	for (size_t i = 0; i < d->n_sysctls; i++)
		v[i] = read_value(d->sysctls[i].path);
	return 0;
}

int sysctl_write(struct sysctl *s, const struct desired_sysctl *w, int32_t now)
{
	struct sysctl_saved *saved = NULL;
	int rc = write_value(w->path, w->value);

	HASH_FIND_STR(s->saved, w->path, saved);
	if (rc || saved || now == SYSCTL_UNKNOWN)
		return rc;
	saved = calloc(1, sizeof(*saved));
	if (!saved)
		return 0; /* only the restoration is lost */
	memcpy(saved->path, w->path, sizeof(saved->path));
	saved->value = now;
	HASH_ADD_STR(s->saved, path, saved);
	return 0;
}

static bool asked_for(const struct desired *d, const char *path)
{
	for (size_t i = 0; i < d->n_sysctls; i++)
		if (strcmp(d->sysctls[i].path, path) == 0)
			return true;
	return false;
}

unsigned sysctl_restore(struct sysctl *s, const struct desired *d)
{
	struct sysctl_saved *saved, *tmp;
	unsigned n = 0;

	HASH_ITER (hh, s->saved, saved, tmp) {
		if (asked_for(d, saved->path))
			continue;
		/* The interface may be gone, and the switch with it. */
		if (write_value(saved->path, saved->value) == 0)
			n++;
		HASH_DEL(s->saved, saved);
		free(saved);
	}
	return n;
}

void sysctl_fini(struct sysctl *s)
{
	struct sysctl_saved *saved, *tmp;

	HASH_ITER (hh, s->saved, saved, tmp) {
		HASH_DEL(s->saved, saved);
		free(saved);
	}
}
