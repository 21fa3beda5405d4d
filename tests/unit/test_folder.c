/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folders that the supervisor makes for a daemon: owner and mode, whatever is there before, and
 * that no link is followed.
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

#include "common/supervisor/folder.h"

static char base[64], parent[80], path[96], outside[80];

static void touch(const char *folder, const char *name)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/%s", folder, name);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(base, sizeof(base), "/tmp/gatepair-test-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	snprintf(parent, sizeof(parent), "%s/run", base);
	snprintf(path, sizeof(path), "%s/netcfgd", parent);
	snprintf(outside, sizeof(outside), "%s/outside", base);
	if (mkdir(outside, 0700) < 0)
		return -1;
	touch(outside, "precious");
	return 0;
}

static int tear_down(void **state)
{
	char file[128];

	(void)state;
	unlink(path);
	rmdir(path);
	rmdir(parent);
	snprintf(file, sizeof(file), "%s/precious", outside);
	if (unlink(file) < 0) /* it has to be there still */
		return -1;
	rmdir(outside);
	return rmdir(base);
}

static void assert_made(uid_t uid, gid_t gid)
{
	struct stat st;

	assert_int_equal(folder_make(parent, "netcfgd", uid, gid), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void test_made_and_removed(void **state)
{
	/* Another owner needs root. */
	uid_t uid = geteuid() == 0 ? 65534 : geteuid();

	(void)state;
	assert_made(geteuid(), getegid());
	assert_int_equal(chmod(path, 0777), 0);
	assert_made(uid, getegid());
	touch(path, "a");
	touch(path, ".hidden");
	folder_remove(parent, "netcfgd");
	assert_int_equal(access(path, F_OK), -1);
	folder_remove(parent, "netcfgd"); /* not there: nothing to do */
}

static void test_links_are_not_followed(void **state)
{
	struct stat st;
	char link[128];

	(void)state;
	assert_made(geteuid(), getegid());
	snprintf(link, sizeof(link), "%s/link", path);
	assert_int_equal(symlink(outside, link), 0);
	folder_remove(parent, "netcfgd");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(symlink(outside, path), 0);
	assert_int_equal(folder_make(parent, "netcfgd", geteuid(), getegid()), -ENOTDIR);
	folder_remove(parent, "netcfgd");
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(stat(outside, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_what_is_in_the_way(void **state)
{
	(void)state;
	assert_int_equal(mkdir(parent, 0755), 0);
	touch(parent, "netcfgd");
	assert_int_equal(folder_make(parent, "netcfgd", geteuid(), getegid()), -ENOTDIR);
	assert_int_equal(chmod(parent, 0777), 0);
	assert_int_equal(folder_make(parent, "other", geteuid(), getegid()), -EPERM);
	assert_int_equal(folder_make("/proc/nonexistent", "x", geteuid(), getegid()), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links_are_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_in_the_way, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
