/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd: interfaces, addresses, routes, kernel switches and the firewall of this node, and the
 * lease that decides who may hold its virtual addresses. This file wires the engine and the
 * services process to the loop. Runs as gatepair-netcfgd with CAP_NET_ADMIN.
 */
#include "netcfgd/netcfgd.h"

#include <errno.h>
#include <limits.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "netcfgd/services/hook.h"

static struct netcfgd self;

void netcfgd_rearm(struct netcfgd *n)
{
	timer_set(&n->timer, engine_due(&n->engine));
}

static void on_timer(struct timer *t, usec_t now)
{
	struct netcfgd *n = t->owner;

	engine_tick(&n->engine, now);
	netcfgd_rearm(n);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
	struct netcfgd *n = p->data;

	(void)status; /* an error is read from the socket itself */
	(void)events;
	engine_readable(&n->engine, clock_now_us());
	netcfgd_rearm(n);
}

static void on_links_changed(void *owner)
{
	netcfgd_tell_links(owner);
}

static void on_error(void *owner, const char *text)
{
	struct netcfgd *n = owner;

	daemon_error(n->daemon, "%s", text);
}

static void on_lease_changed(void *owner, const char *why, usec_t took)
{
	struct netcfgd *n = owner;
	const struct lease *l = &n->engine.lease;

	daemon_state(n->daemon, l->held ? "held" : "standby", "lease %s (term %llu, %lld µs)", why,
		(unsigned long long)(l->held ? l->term : l->newest), (long long)took);
	services_role(&n->services, l->held);
}

static const struct engine_ops engine_callbacks = {
	.links_changed = on_links_changed,
	.error = on_error,
	.lease_changed = on_lease_changed,
};

static void on_wan(void *owner, const struct wan_lease *lease)
{
	struct netcfgd *n = owner;
	/* What cannot be used was reported. */
	int rc = engine_set_wan(&n->engine, lease, clock_now_us());

	log_debug("interface=%s lease state=%d result=%d", lease->link, lease->state, rc);
	netcfgd_rearm(n);
}

static void on_rules(void *owner, uint64_t of)
{
	struct netcfgd *n = owner;

	engine_take_rules(&n->engine, of, clock_now_us());
	netcfgd_rearm(n);
}

/* The kernel keeps the virtual addresses meanwhile: the next netcfgd adopts the lease. */
static void on_services_died(void *owner, const char *why)
{
	struct netcfgd *n = owner;

	daemon_error(n->daemon, "services: %s; netcfgd starts again with it", why);
	exit(EXIT_FAILURE);
}

static const struct services_ops services_callbacks = {
	.wan = on_wan,
	.rules = on_rules,
	.died = on_services_died,
};

static int poll_start(struct netcfgd *n, uv_loop_t *loop, uv_poll_t *poll, int fd)
{
	int rc = uv_poll_init(loop, poll, fd);

	if (rc)
		return rc;
	poll->data = n;
	return uv_poll_start(poll, UV_READABLE, on_readable);
}

static void open_memory(struct netcfgd *n)
{
	const char *statedir = getenv("GATEPAIR_STATEDIR");
	char folder[PATH_MAX];

	if (statedir && snprintf(folder, sizeof(folder), "%s/netcfgd", statedir) < PATH_MAX)
		sysctl_open(&n->engine.sysctl, folder);
}

static int init(void *owner, struct daemon *d, uv_loop_t *loop)
{
	/* Kernel switches are files, and so is the memory of what they were. */
	static const int extra[] = {SCMP_SYS(openat), SCMP_SYS(rename), SCMP_SYS(renameat)};
	static const cap_value_t caps[] = {CAP_NET_ADMIN};
	struct netcfgd *n = owner;
	int rc;

	n->daemon = d;
	n->tell_all = true;
	rc = services_init(&n->services, loop, n->services_fd, &services_callbacks, n);
	if (!rc)
		rc = engine_init(&n->engine, &engine_callbacks, n);
	if (!rc)
		open_memory(n);
	if (!rc)
		rc = timer_init(&n->timer, loop, on_timer, n);
	if (!rc)
		rc = poll_start(n, loop, &n->rt_poll, n->engine.observe.events.fd);
	if (!rc)
		rc = poll_start(n, loop, &n->nft_poll, n->engine.nft.events.fd);
	if (!rc)
		rc = sandbox_keep(caps, sizeof(caps) / sizeof(caps[0]));
	if (!rc)
		rc = sandbox_seal(extra, sizeof(extra) / sizeof(extra[0]));
	if (rc)
		log_err("netlink: cannot be opened: %s; give netcfgd CAP_NET_ADMIN", strerror(-rc));
	return rc;
}

static int prepare(void *owner, const struct config *cfg, char *why, size_t why_size)
{
	struct netcfgd *n = owner;

	return engine_prepare(&n->engine, cfg, why, why_size);
}

static void commit(void *owner, const struct config *cfg)
{
	struct netcfgd *n = owner;
	bool first = !n->engine.d;
	char why[APPLY_TEXT_MAX] = "";
	int rc;

	n->tell_all = true;
	rc = engine_commit(&n->engine, cfg, why, sizeof(why));
	if (rc)
		daemon_error(n->daemon, "configuration: %s", why);
	if (!n->engine.d)
		exit(EXIT_FAILURE);
	services_role(&n->services, n->engine.lease.held);
	services_config(&n->services, cfg);
	services_rules(&n->services, engine_rules_wanted(&n->engine));
	if (first && !n->engine.lease.held)
		daemon_state(n->daemon, "standby", "no lease was asked for yet");
	if (!rc)
		daemon_ready(n->daemon);
	netcfgd_rearm(n);
}

/* The node stays reachable: addresses of its own and the policy are kept. */
static void stop(void *owner)
{
	struct netcfgd *n = owner;

	engine_stop(&n->engine, clock_now_us());
	daemon_stopped(n->daemon);
}

int main(int argc, char **argv)
{
	const struct daemon_ops ops = {
		.name = "netcfgd",
		.rules = netcfgd_rules,
		.n_rules = netcfgd_n_rules,
		.prepare = prepare,
		.commit = commit,
		.status = netcfgd_status,
		.stop = stop,
	};

	if (getenv(HOOK_FD_ENV))
		return hook_main(argc, argv);
	self.services_fd = services_fork();
	if (self.services_fd < 0) {
		log_init(ops.name);
		log_err("services: cannot start: %s", strerror(-self.services_fd));
		return EXIT_FAILURE;
	}
	return daemon_run(&ops, &self, init);
}
