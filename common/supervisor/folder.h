/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folders that belong to a daemon: RUNDIR/NAME for what its children need while it runs, and
 * STATEDIR/NAME for what it remembers. The supervisor makes them, as nobody else may write in the
 * folders above.
 */
#ifndef GATEPAIR_SUPERVISOR_FOLDER_H
#define GATEPAIR_SUPERVISOR_FOLDER_H

#include <sys/types.h>

/* PARENT/NAME, mode 0755, owned by uid and gid, whether it is there already or not; PARENT is made
 * as well. -EPERM: others could write in PARENT; -ELOOP or -ENOTDIR: NAME is not a folder. */
int folder_make(const char *parent, const char *name, uid_t uid, gid_t gid)
	__attribute__((warn_unused_result));
/* Removes it with the files in it; what cannot be removed stays. */
void folder_remove(const char *parent, const char *name);

#endif
