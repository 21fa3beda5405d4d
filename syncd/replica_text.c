/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replica core in words: why it is not in sync, names of roles and refusals. Pure. Runs in
 * syncd.
 */
#include "syncd/replica.h"

const char *replica_reason(const struct replica *r)
{
	if (replica_in_sync(r))
		return "";
	if (r->role == REPLICA_NONE)
		return "no role was given yet";
	if (!r->connected)
		return "the HA link is down";
	if (r->role == REPLICA_ACTIVE) {
		if (r->handover)
			return "the previous Active still hands over";
		if (r->peer_role == REPLICA_ACTIVE)
			return "the peer says it is Active too";
		if (r->peer_role == REPLICA_NONE)
			return "the peer has no role yet";
		if (!r->sending)
			return "the peer knows of a newer term";
		return "the peer does not hold all sessions yet";
	}
	if (r->draining)
		return "the last changes of this node's own term are being sent";
	if (r->peer_role != REPLICA_ACTIVE)
		return "the peer is not Active";
	return r->marking ? "sessions are being transferred" : "waiting for the Active's sessions";
}

const char *replica_refusal_to_str(enum replica_refusal f)
{
	switch (f) {
	case REPLICA_REFUSED_OLD_TERM:
		return "old_term";
	case REPLICA_REFUSED_NO_ROLE:
		return "no_role";
	case REPLICA_REFUSED_ACTIVE:
		return "split";
	case REPLICA_REFUSED_NOT_ACTIVE:
		return "peer_not_active";
	case REPLICA_REFUSED_SEQUENCE:
		return "sequence";
	case REPLICA_REFUSALS:
		break;
	}
	return "";
}

const char *replica_role_to_str(enum replica_role role)
{
	switch (role) {
	case REPLICA_NONE:
		return "none";
	case REPLICA_STANDBY:
		return "Standby";
	case REPLICA_ACTIVE:
		return "Active";
	}
	return "";
}
