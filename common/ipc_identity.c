/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is at the other end of a socket: the kernel says (SO_PEERCRED, SO_PEERGROUPS), as of the
 * moment it connected. Names of users and groups that do not exist match nobody.
 */
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>

#include "common/ipc_priv.h"

#define NOBODY     ((unsigned)-1)
#define MAX_GROUPS 1024

static struct {
	bool ready;
	unsigned admin_gid, viewer_gid;
} groups;

static struct {
	const char *user;
	enum ipc_identity identity;
	unsigned uid;
} users[] = {
	{"gatepair-vrrpd", IPC_VRRPD, NOBODY},
	{"gatepair-syncd", IPC_SYNCD, NOBODY},
	{"gatepair-netcfgd", IPC_NETCFGD, NOBODY},
	{"gatepair-activated", IPC_ACTIVATED, NOBODY},
};

static unsigned gid_of(const char *group)
{
	const struct group *gr = getgrnam(group);

	return gr != NULL ? gr->gr_gid : NOBODY;
}

void ipc_identity_init(void)
{
	if (groups.ready)
		return;
	groups.ready = true;
	groups.admin_gid = gid_of("gatepair-admin");
	groups.viewer_gid = gid_of("gatepair");
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		const struct passwd *pw = getpwnam(users[i].user);

		users[i].uid = pw != NULL ? pw->pw_uid : NOBODY;
	}
}

static unsigned identities_of_group(gid_t gid)
{
	if (gid == NOBODY)
		return 0;
	if (gid == groups.admin_gid)
		return IPC_ADMIN | IPC_VIEWER;
	return gid == groups.viewer_gid ? IPC_VIEWER : 0;
}

unsigned ipc_identity_of(int fd)
{
	gid_t gids[MAX_GROUPS];
	struct ucred cred;
	socklen_t len = sizeof(cred);
	unsigned set = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || len != sizeof(cred))
		return 0;
	if (cred.uid == 0)
		set |= IPC_ROOT | IPC_ADMIN | IPC_VIEWER;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		if (cred.uid != NOBODY && cred.uid == users[i].uid)
			set |= users[i].identity;
	}
	set |= identities_of_group(cred.gid);
	len = sizeof(gids);
	/* More groups than fit: the primary one has to do. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len) == 0) {
		for (size_t i = 0; i < len / sizeof(gids[0]); i++)
			set |= identities_of_group(gids[i]);
	}
	return set;
}
