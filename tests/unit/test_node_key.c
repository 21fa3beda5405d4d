/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's key: made once, never replaced, private, the same fingerprint every time, and nothing
 * but such a key is accepted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/node_key.h"

static char folder[] = "/tmp/gatepair-test-XXXXXX";
static char path[64];

static void test_create_and_read(void **state)
{
	struct node_key a, b;
	struct stat st;
	char err[256];

	(void)state;
	assert_int_equal(node_key_read(path, &a, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "run `gatepair key`"));
	assert_int_equal(node_key_create(path, err, sizeof(err)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(node_key_read(path, &a, err, sizeof(err)), 0);
	assert_true(a.der_len > 100);
	/* An existing key stays. */
	assert_int_equal(node_key_create(path, err, sizeof(err)), -EEXIST);
	assert_int_equal(node_key_read(path, &b, err, sizeof(err)), 0);
	assert_memory_equal(a.fingerprint, b.fingerprint, 32);
	assert_memory_equal(a.der, b.der, a.der_len);
	node_key_wipe(&b);
	assert_int_equal(b.der_len, 0);
}

static void test_refused(void **state)
{
	struct node_key k;
	char err[256];
	int fd;

	(void)state;
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(node_key_read(path, &k, err, sizeof(err)), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(node_key_read(path, &k, err, sizeof(err)), -EINVAL);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "\0\xff garbage", 10), 10);
	close(fd);
	assert_int_equal(node_key_read(path, &k, err, sizeof(err)), -EINVAL);
	assert_int_equal(node_key_read(folder, &k, err, sizeof(err)), -EINVAL);
	assert_int_equal(node_key_create("/nonexistent/node.key", err, sizeof(err)), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_and_read),
		cmocka_unit_test(test_refused),
	};
	int rc;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/node.key", folder);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return rc;
}
