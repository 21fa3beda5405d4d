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
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#define FILE_MAX (2u << 20)

struct sysctl_saved {
	char path[DESIRED_PATH_MAX];
	int32_t value;
	bool asked_for;
	UT_hash_handle hh;
};

/* --- the kernel's files ---------------------------------------------------------------------- */

static int open_path(const char *path, int flags)
{
	char full[sizeof("/proc/sys/net/") + DESIRED_PATH_MAX];
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A whole decimal number, and nothing after it but the end of the line. */
static bool parse(const char *text, int32_t *ret)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || (*end && *end != '\n') || v <= INT32_MIN || v > INT32_MAX)
		return false;
	*ret = (int32_t)v;
	return true;
}

static int32_t read_value(const char *path)
{
	int fd = open_path(path, O_RDONLY);
	char text[32] = {0};
	int32_t value;
	ssize_t n;

	if (fd < 0)
		return SYSCTL_UNKNOWN;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && parse(text, &value) ? value : SYSCTL_UNKNOWN;
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

bool sysctl_read(const struct desired *d, struct kernel *k, size_t from, size_t n)
{
	bool changed = false;

	for (size_t i = from; i < d->n_sysctls && i - from < n; i++) {
		int32_t v = read_value(d->sysctls[i].path);

		changed = changed || v != k->sysctls[i];
		k->sysctls[i] = v;
	}
	return changed;
}

/* The switch of a link, as it was known; false: it was not asked for. */
static bool known(const struct desired *old, const struct kernel *k,
	const struct desired_link *link, const char *path, int32_t *ret)
{
	for (size_t i = link->sysctl; i < link->sysctl + link->n_sysctls; i++) {
		if (strcmp(old->sysctls[i].path, path) != 0)
			continue;
		*ret = k->sysctls[i];
		return true;
	}
	return false;
}

int sysctl_read_new(const struct desired *old, const struct desired *d, struct kernel *k)
{
	int32_t *v = calloc(d->n_sysctls + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_sysctls; i++) {
		const struct desired_sysctl *s = &d->sysctls[i];
		const struct desired_link *link =
			old && k->sysctls && s->link[0] ? desired_link_find(old, s->link) : NULL;

		if (!link || !known(old, k, link, s->path, &v[i]))
			v[i] = read_value(s->path);
	}
	free(k->sysctls);
	k->sysctls = v;
	return 0;
}

int sysctl_write(const struct desired_sysctl *w)
{
	return write_value(w->path, w->value);
}

/* --- what they were before ------------------------------------------------------------------- */

static bool put(struct sysctl *s, const char *path, size_t len, int32_t value)
{
	struct sysctl_saved *saved = NULL;

	HASH_FIND(hh, s->saved, path, len, saved);
	if (saved || len >= sizeof(saved->path) || HASH_COUNT(s->saved) >= SYSCTL_SAVED_MAX)
		return false;
	saved = calloc(1, sizeof(*saved));
	if (!saved)
		return false; /* only the restoration is lost */
	memcpy(saved->path, path, len);
	saved->value = value;
	HASH_ADD(hh, s->saved, path[0], len, saved);
	return true;
}

bool sysctl_remember(struct sysctl *s, const struct desired_sysctl *w, int32_t now)
{
	return now != SYSCTL_UNKNOWN && put(s, w->path, strlen(w->path), now);
}

unsigned sysctl_restore(struct sysctl *s, const struct desired *d)
{
	struct sysctl_saved *saved, *tmp;
	unsigned gone = 0, written = 0;

	HASH_ITER (hh, s->saved, saved, tmp)
		saved->asked_for = false;
	for (size_t i = 0; i < d->n_sysctls; i++) {
		HASH_FIND_STR(s->saved, d->sysctls[i].path, saved);
		if (saved)
			saved->asked_for = true;
	}
	HASH_ITER (hh, s->saved, saved, tmp) {
		if (saved->asked_for)
			continue;
		/* The interface may be gone, and the switch with it. */
		if (read_value(saved->path) != saved->value &&
			write_value(saved->path, saved->value) == 0)
			written++;
		HASH_DEL(s->saved, saved);
		free(saved);
		gone++;
	}
	if (gone)
		sysctl_store(s);
	return written;
}

/* --- the file -------------------------------------------------------------------------------- */

/* This boot, this network namespace: elsewhere the switches have values of their own. */
static void find_where(struct sysctl *s)
{
	char boot[64] = {0};
	struct stat st = {0};
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, boot, sizeof(boot) - 1) < 0)
			boot[0] = '\0';
		close(fd);
	}
	boot[strcspn(boot, "\n")] = '\0';
	if (stat("/proc/self/ns/net", &st) < 0)
		st.st_ino = 0;
	snprintf(s->where, sizeof(s->where), "%s %llu", boot, (unsigned long long)st.st_ino);
}

/* Below /proc/sys/net it stays, and is one word. */
static bool path_ok(const char *path, size_t len)
{
	static const char *const roots[] = {"ipv4/", "ipv6/", "netfilter/"};
	bool rooted = false;

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		rooted = rooted || strncmp(path, roots[i], strlen(roots[i])) == 0;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] <= ' ' || path[i] == 0x7f ||
			(path[i] == '.' && i > 0 && path[i - 1] == '/' && i + 1 < len &&
				(path[i + 1] == '.' || path[i + 1] == '/')))
			return false;
	return rooted && len < DESIRED_PATH_MAX;
}

static bool take_line(struct sysctl *s, char *line)
{
	char *space = strrchr(line, ' ');
	int32_t value;

	if (!space || !path_ok(line, (size_t)(space - line)) || !parse(space + 1, &value))
		return false;
	put(s, line, (size_t)(space - line), value);
	return true;
}

static void take_text(struct sysctl *s, char *text)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);

	if (!line || strcmp(line, s->where) != 0)
		return;
	while ((line = strtok_r(NULL, "\n", &save))) {
		if (take_line(s, line))
			continue;
		log_warn("%s: not what netcfgd wrote; what kernel switches were before is "
			 "forgotten",
			s->file);
		sysctl_fini(s);
		return;
	}
}

void sysctl_open(struct sysctl *s, const char *folder)
{
	char *text;
	ssize_t n = -1;
	int fd;

	if (snprintf(s->file, sizeof(s->file), "%s/" SYSCTL_FILE, folder) >= PATH_MAX - 8)
		s->file[0] = '\0';
	find_where(s);
	fd = s->file[0] ? open(s->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	text = fd >= 0 ? calloc(1, FILE_MAX + 1) : NULL;
	if (text)
		n = read(fd, text, FILE_MAX);
	if (n > 0)
		take_text(s, text);
	free(text);
	if (fd >= 0)
		close(fd);
}

static char *to_text(const struct sysctl *s, size_t *ret_len)
{
	size_t line = DESIRED_PATH_MAX + 16, len;
	size_t size = sizeof(s->where) + 1 + HASH_COUNT(s->saved) * line;
	char *text = malloc(size);

	if (!text)
		return NULL;
	len = (size_t)snprintf(text, size, "%s\n", s->where);
	for (const struct sysctl_saved *v = s->saved; v; v = v->hh.next)
		len += (size_t)snprintf(text + len, size - len, "%s %d\n", v->path, v->value);
	*ret_len = len;
	return text;
}

static int write_file(const char *path, const char *text, size_t len)
{
	/* Not synced: it does not count after a power cut, and netcfgd must not wait for a disk. */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;
	int rc = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		rc = -errno;
	else if ((size_t)n != len)
		rc = -ENOSPC;
	close(fd);
	return rc;
}

void sysctl_store(struct sysctl *s)
{
	char fresh[PATH_MAX];
	size_t len = 0;
	char *text;
	int rc;

	if (!s->file[0] || snprintf(fresh, sizeof(fresh), "%s.new", s->file) >= PATH_MAX)
		return;
	text = to_text(s, &len);
	rc = text ? write_file(fresh, text, len) : -ENOMEM;
	free(text);
	if (!rc && rename(fresh, s->file) < 0)
		rc = -errno;
	if (rc && !s->warned)
		log_warn("%s: cannot be written: %s; kernel switches are not given back their "
			 "former values after a crash; check the space and the owner of its folder",
			s->file, strerror(-rc));
	s->warned = rc != 0;
}

void sysctl_fini(struct sysctl *s)
{
	struct sysctl_saved *saved, *tmp;

	HASH_ITER (hh, s->saved, saved, tmp) {
		HASH_DEL(s->saved, saved);
		free(saved);
	}
}
