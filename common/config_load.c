/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A configuration file from disk: read, parsed, cross-checked, and the secrets that it names read
 * from their own files. Run by the supervisor and by `gatepair check`. Every refusal is one
 * sentence "file:line: object: cause; next action".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_internal.h"
#include "common/config_rules.h"
#include "common/node_key.h"

#define SCRATCH_MAX (8u << 20)

struct load {
	const char *file, *statedir;
	const char *at; /* the file that `line` is of */
	struct config *cfg;
	struct arena *scratch;
	struct config_text text;
	int line;
	char why[CONFIG_WHY_MAX];
};

static int load_fail(struct load *l, int rc, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int load_fail(struct load *l, int rc, int line, const char *fmt, ...)
{
	va_list ap;

	l->line = line;
	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	return rc;
}

/* Up to max bytes of a regular file and a NUL behind them. */
static int read_file(const char *path, struct arena *a, size_t max, char **ret, size_t *ret_len,
	mode_t *ret_mode)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;
	char *buf = NULL;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	else if (!(buf = arena_alloc(a, max + 1)))
		err = -ENOMEM;
	while (err == 0 && n > 0 && len <= max) {
		n = read(fd, buf + len, max + 1 - len);
		if (n < 0)
			err = -errno;
		else
			len += (size_t)n;
	}
	close(fd);
	if (err == 0 && len > max)
		err = -EFBIG;
	if (err < 0)
		return err;
	buf[len] = '\0';
	*ret = buf;
	*ret_len = len;
	*ret_mode = st.st_mode;
	return 0;
}

/* A secret in a file of its own: its first line. *ret stays NULL when only the syntax is being
 * checked by somebody who may not read it. */
static int read_secret(struct load *l, int line, const char *object, const char *path, size_t min,
	size_t max, char **ret)
{
	char *text = NULL;
	size_t len = 0;
	mode_t mode = 0;
	int err = read_file(path, l->scratch, max + 2, &text, &len, &mode);

	if (err == -EACCES && !l->statedir)
		return 0;
	if (err < 0)
		return load_fail(l, err, line,
			"%s: %.200s cannot be read: %s; check the path and the mode", object, path,
			strerror(-err));
	if (mode & S_IROTH)
		return load_fail(l, -EPERM, line,
			"%s: %.200s can be read by everybody; chmod 600 it", object, path);
	len = strcspn(text, "\r\n");
	text[len] = '\0';
	if (len < min || len > max || !config_value_printable(text))
		return load_fail(l, -EINVAL, line,
			"%s: %.200s must hold one line of %zu to %zu printable characters; correct "
			"it",
			object, path, min, max);
	*ret = text;
	return 0;
}

static int load_auth_key(struct load *l)
{
	struct config_cluster *c = &l->cfg->cluster;
	char *key = NULL;
	int err;

	if (!c->auth_key_file)
		return 0;
	err = read_secret(l, config_text_key(&l->text, c->line, "auth-key-file"),
		"cluster: auth-key-file", c->auth_key_file, 16, sizeof(c->auth_key), &key);
	if (err == 0 && key) {
		c->auth_key_len = strlen(key);
		memcpy(c->auth_key, key, c->auth_key_len);
	}
	return err;
}

static int load_proxy_password(struct load *l)
{
	struct config_proxy *p = &l->cfg->proxy;
	char *password = NULL;
	int err;

	if (!p->password_file)
		return 0;
	err = read_secret(l, config_text_key(&l->text, p->line, "password-file"),
		"proxy: password-file", p->password_file, 1, CONFIG_PASSWORD_LEN, &password);
	if (err == 0 && password && !(p->password = arena_strdup(l->cfg->arena, password)))
		err = load_fail(l, -ENOMEM, p->line, "proxy: out of memory; free some");
	return err;
}

static const char *rules_problem(int err)
{
	switch (err) {
	case -EINVAL:
	case -EISDIR:
		return "is not a regular file; name one";
	case -EFBIG:
		return "is longer than 24576 bytes; shorten it";
	case -ENOENT:
		return "does not exist; write it, or correct the path";
	}
	return "cannot be read; check the path and the mode";
}

/* What is wrong with them is in their file, not in ours. */
static int check_rules(struct load *l, struct config_firewall *f)
{
	int line = 0, err = config_rules_check(f->rules, &line, l->why, sizeof(l->why));

	if (err < 0) {
		l->at = f->rules_file;
		l->line = line;
		return err;
	}
	if (l->why[0])
		f->unchecked = arena_strdup(l->cfg->arena, l->why);
	return 0;
}

/* The firewall's own rules, which daemons get as a text: they read no files. */
static int load_rules(struct load *l)
{
	struct config_firewall *f = &l->cfg->firewall;
	int line = config_text_key(&l->text, f->line, "rules-file"), err;
	char *text = NULL;
	size_t len = 0;
	mode_t mode = 0;

	if (!f->rules_file)
		return 0;
	if (f->rules_file[0] != '/')
		return load_fail(l, -EINVAL, line,
			"firewall: rules-file %.200s is not a whole path; begin it with /",
			f->rules_file);
	err = read_file(f->rules_file, l->scratch, CONFIG_RULES_TEXT_MAX, &text, &len, &mode);
	if (err == -EACCES && !l->statedir)
		return 0;
	if (err < 0)
		return load_fail(l, err, line, "firewall: rules-file %.200s %s", f->rules_file,
			rules_problem(err));
	if (mode & S_IWOTH)
		return load_fail(l, -EPERM, line,
			"firewall: rules-file %.200s can be written by everybody; chmod 644 it",
			f->rules_file);
	if (strlen(text) != len || !config_value_text(text))
		return load_fail(l, -EINVAL, line,
			"firewall: rules-file %.200s is not UTF-8 text; correct it", f->rules_file);
	f->rules = arena_strdup(l->cfg->arena, text);
	if (!f->rules)
		return load_fail(l, -ENOMEM, line, "firewall: out of memory; free some");
	return check_rules(l, f);
}

static int load_identity(struct load *l)
{
	struct config_sync *s = &l->cfg->sync;
	int line = config_text_key(&l->text, s->line, "identity");
	char path[PATH_MAX], cause[CONFIG_WHY_MAX - 16];
	struct node_key key;
	int err;

	if (!s->present || !l->statedir)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", l->statedir, s->identity) >= (int)sizeof(path))
		return load_fail(
			l, -ENAMETOOLONG, line, "sync: identity: the path is too long; shorten it");
	err = node_key_read(path, &key, cause, sizeof(cause));
	if (err < 0)
		return load_fail(l, err, line, "sync: %s", cause);
	if (memcmp(key.fingerprint, s->peer_fingerprint, sizeof(key.fingerprint)) == 0) {
		line = config_text_key(&l->text, s->line, "peer-fingerprint");
		err = load_fail(l, -EINVAL, line,
			"sync: peer-fingerprint is this node's own; run `gatepair key` on the "
			"other node");
	} else if (!(s->identity_der = arena_alloc(l->cfg->arena, key.der_len))) {
		err = load_fail(l, -ENOMEM, line, "sync: out of memory; free some");
	} else {
		memcpy(s->identity_der, key.der, key.der_len);
		s->identity_der_len = key.der_len;
		memcpy(s->own_fingerprint, key.fingerprint, sizeof(s->own_fingerprint));
		s->has_own_fingerprint = true;
	}
	node_key_wipe(&key);
	return err;
}

/* Both ends of the HA link are needed by all; which address is ours follows from the peer's. */
static void find_local(struct config *cfg)
{
	const struct config_interface *in = config_interface_find(cfg, cfg->sync.interface);

	for (size_t i = 0; cfg->sync.present && i < in->addresses.n; i++) {
		struct config_prefix *a = &in->addresses.v[i];

		if (!config_prefix_contains(a, &cfg->sync.peer))
			continue;
		cfg->sync.local = *a;
		cfg->sync.local.len = a->family == AF_INET ? 32 : 128;
		return;
	}
}

static int load_steps(struct load *l)
{
	char *text = NULL;
	size_t len = 0;
	mode_t mode;
	int err = read_file(l->file, l->scratch, CONFIG_FILE_MAX, &text, &len, &mode);

	if (err < 0)
		return load_fail(l, err, 0,
			"the file cannot be read: %s; check the path and the mode", strerror(-err));
	err = config_parse(text, len, l->scratch, l->cfg, &l->text, &l->line, l->why);
	if (err == 0)
		err = load_rules(l);
	if (err == 0)
		err = config_check(l->cfg, &l->text, &l->line, l->why);
	if (err < 0)
		return err;
	find_local(l->cfg);
	if ((err = load_auth_key(l)) < 0 || (err = load_proxy_password(l)) < 0 ||
		(err = load_identity(l)) < 0)
		return err;
	return config_support(l->cfg, &l->text, &l->line, l->why);
}

int config_load(
	const char *file, const char *statedir, struct config **ret_cfg, char *err, size_t err_size)
{
	struct load l = {.file = file, .at = file, .statedir = statedir, .line = 1};
	int rc = -ENOMEM;

	snprintf(l.why, sizeof(l.why), "out of memory; free some");
	l.cfg = config_new();
	l.scratch = arena_new(SCRATCH_MAX);
	if (l.cfg && l.scratch)
		rc = load_steps(&l);
	arena_free(l.scratch);
	if (rc < 0) {
		if (l.line > 0)
			snprintf(err, err_size, "%s:%d: %s", l.at, l.line, l.why);
		else
			snprintf(err, err_size, "%s: %s", l.at, l.why);
		config_clean_text(err);
		config_free(l.cfg);
		return rc;
	}
	*ret_cfg = l.cfg;
	return 0;
}
