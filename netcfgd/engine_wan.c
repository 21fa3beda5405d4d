/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The leases of WAN interfaces in the engine: each change makes a new desired state.
 */
#include <errno.h>
#include <string.h>

#include "netcfgd/engine_internal.h"

static void find_wan_end(struct engine *e)
{
	e->wan_end = USEC_NEVER;
	for (size_t i = 0; i < e->n_wans; i++)
		if (e->wans[i].state == WAN_BOUND && e->wans[i].until < e->wan_end)
			e->wan_end = e->wans[i].until;
}

static bool has_dhcp(const struct config *cfg, const char *link)
{
	const struct config_interface *c = config_interface_find(cfg, link);

	return c && c->dhcp;
}

/* Beside the first `n` leases. False: reported. */
static bool usable(
	struct engine *e, const struct config *cfg, const struct wan_lease *lease, size_t n)
{
	char why[APPLY_TEXT_MAX];

	if (desired_check_wan(cfg, lease, e->wans, n, why, sizeof(why)) == 0)
		return true;
	e->ops->error(e->owner, why);
	return false;
}

/* Those that the new configuration can use. */
void engine_keep_wans(struct engine *e, const struct config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_wans; i++) {
		if (!has_dhcp(cfg, e->wans[i].link))
			continue;
		e->wans[n] = e->wans[i];
		if (!usable(e, cfg, &e->wans[n], n))
			e->wans[n].state = WAN_NONE;
		n++;
	}
	e->n_wans = n;
	find_wan_end(e);
}

/* With the leases as they are now. */
static int rebuild(struct engine *e, usec_t now)
{
	char why[APPLY_TEXT_MAX] = "";
	struct desired *d = NULL, *old = e->d;
	int rc = engine_build(e, e->cfg, &d, why, sizeof(why));

	find_wan_end(e);
	if (rc) {
		e->ops->error(e->owner, why);
		return rc;
	}
	/* Leases change nothing about links and switches, so that what was read stays valid. */
	e->d = d;
	engine_settle(e, SETTLE_CONFIG, now);
	desired_free(old);
	engine_tell_links(e);
	return 0;
}

int engine_set_wan(struct engine *e, const struct wan_lease *lease, usec_t now)
{
	struct wan_lease *w = NULL;
	int rc;

	if (!e->d || !has_dhcp(e->cfg, lease->link))
		return -ENODEV;
	for (size_t i = 0; i < e->n_wans && !w; i++)
		if (strcmp(e->wans[i].link, lease->link) == 0)
			w = &e->wans[i];
	if (!w && e->n_wans == WAN_MAX)
		return -ENOSPC;
	if (!w)
		w = &e->wans[e->n_wans++];
	*w = *lease;
	rc = usable(e, e->cfg, w, e->n_wans) ? 0 : -EADDRNOTAVAIL;
	if (rc)
		w->state = WAN_NONE;
	return rebuild(e, now) ? -EINVAL : rc;
}

void engine_end_wans(struct engine *e, usec_t now)
{
	for (size_t i = 0; i < e->n_wans; i++)
		if (e->wans[i].state == WAN_BOUND && now >= e->wans[i].until)
			e->wans[i].state = WAN_NONE;
	if (rebuild(e, now))
		e->retry_at = now + RETRY_GAP;
}
