/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The WAN by DHCP in the services process: for each interface with dhcp = true the core of
 * dhcp_client.h and its udhcpc, which reports through hook.h; the files of the leases; the
 * resolvers in effect.
 */
#include "netcfgd/services/service_wan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "netcfgd/services/child.h"
#include "netcfgd/services/dhcp_client.h"
#include "netcfgd/services/dhcp_file.h"
#include "netcfgd/services/hook.h"
#include "netcfgd/services/resolv.h"
#include "netcfgd/services/service_dhcp.h"

#define UDHCPC           "/usr/sbin/udhcpc"
#define HOOKS_PER_WAKEUP 8
#define HOOK_FD_TEXT     "10"
#define PROGRAM_FD_PATH  "/proc/self/fd/11"
#define ARGS_MAX         40
#define CONDITIONS       5

_Static_assert(CHILD_FD == 10, "the texts above say so");

struct wan {
	bool used;
	char name[IFNAMSIZ];
	struct dhcp_client core;
	struct child child;
	uv_poll_t hook_poll;
	int hook, hook_far; /* ours, and the end that children inherit */
	uint32_t run;       /* of the program */
	struct services_wan_state told;
	char conflict[DHCP_CLIENT_TEXT_MAX]; /* why the lease is not used; "": it is */
	usec_t look_at;                      /* what was told is to be looked at again */
};

static struct {
	uv_loop_t *loop;
	const struct kernel *picture;
	const struct config *cfg;
	struct wan wans[WAN_MAX];
	size_t n_resolvers;
	struct config_prefix resolvers[RESOLV_MAX];
	bool resolvers_written;
} self;

size_t service_wan_resolvers(const struct config_prefix **ret)
{
	*ret = self.resolvers;
	return self.n_resolvers;
}

/* --- files ----------------------------------------------------------------------------------- */

static const char *file_of(const struct wan *w, char out[IFNAMSIZ + 8])
{
	snprintf(out, IFNAMSIZ + 8, "%s.lease", w->name);
	return out;
}

static void keep_lease(const struct wan *w)
{
	const struct wan_lease *l = &w->core.lease;
	char name[IFNAMSIZ + 8], text[DHCP_FILE_MAX];

	file_of(w, name);
	if (l->state == WAN_BOUND) {
		dhcp_file_text(l, time(NULL) + (l->until - clock_now_us()) / USEC_PER_SEC, text);
		service_write_file(service_rundir(), name, text);
		service_write_file(service_statedir(), name, text);
		return;
	}
	service_remove_file(service_rundir(), name);
	if (!l->address.family)
		service_remove_file(service_statedir(), name);
}

/* A lease that still runs; or one of before the last reboot, for its address only. */
static bool find_lease(const struct wan *w, struct wan_lease *ret)
{
	char name[IFNAMSIZ + 8], text[DHCP_FILE_MAX];
	int64_t expires;

	file_of(w, name);
	if (service_read_file(service_rundir(), name, text, sizeof(text)) &&
		dhcp_file_parse(text, ret, &expires) == 0 && ret->until > clock_now_us())
		return true;
	if (!service_read_file(service_statedir(), name, text, sizeof(text)) ||
		dhcp_file_parse(text, ret, &expires) < 0 || expires <= time(NULL))
		return false;
	ret->state = WAN_NONE;
	return true;
}

/* --- resolvers ------------------------------------------------------------------------------- */

static bool same_resolvers(const struct config_prefix *now, size_t n)
{
	for (size_t i = 0; i < n && n == self.n_resolvers; i++)
		if (!config_prefix_equal(&now[i], &self.resolvers[i]))
			return false;
	return n == self.n_resolvers;
}

static void refresh_resolvers(void)
{
	const struct wan_lease *leases[WAN_MAX];
	struct config_prefix now[RESOLV_MAX] = {0};
	char text[1024];
	size_t n = 0;

	for (size_t i = 0; i < WAN_MAX; i++)
		if (self.wans[i].used && self.wans[i].core.on && !self.wans[i].conflict[0])
			leases[n++] = &self.wans[i].core.lease;
	n = resolv_in_effect(self.cfg, leases, n, now);
	if (self.resolvers_written && same_resolvers(now, n))
		return;
	memcpy(self.resolvers, now, sizeof(now));
	self.n_resolvers = n;
	self.resolvers_written = true;
	resolv_text(now, n, text, sizeof(text));
	service_write_file(service_rundir(), "resolv.conf", text);
	service_dhcp_refresh();
}

/* --- what is told ---------------------------------------------------------------------------- */

static void condition(const struct wan *w, const char *what, const char *text)
{
	char key[64];

	snprintf(key, sizeof(key), "dhcp %s %s", w->name, what);
	service_condition(key, "%s", text);
}

static const char *server_of(const struct wan *w, char out[INET_ADDRSTRLEN])
{
	if (!w->core.lease.server.family ||
		!inet_ntop(AF_INET, &w->core.lease.server.v4, out, INET_ADDRSTRLEN))
		return "?";
	return out;
}

static void tell_trouble(const struct wan *w, usec_t now)
{
	unsigned trouble = dhcp_client_trouble(&w->core, now);
	char text[CONDITIONS][SERVICES_TEXT_MAX] = {{0}}, server[INET_ADDRSTRLEN];
	const size_t size = sizeof(text[0]);

	if (trouble & DHCP_CABLE)
		snprintf(text[0], size,
			w->core.index
				? "%s: no carrier; check its cable and the port at the other end"
				: "%s: there is no such interface; plug it in or correct the name",
			w->name);
	if (trouble & DHCP_NO_ANSWER)
		snprintf(text[1], size,
			"%s: no DHCP answer in 30 s; check the uplink and its DHCP server; or does "
			"this line need a static address?",
			w->name);
	if (trouble & DHCP_NO_RENEWAL)
		snprintf(text[2], size,
			"%s: the DHCP server %s does not renew the address; check the server and "
			"the uplink: the address is lost when its lease ends",
			w->name, server_of(w, server));
	if (trouble & DHCP_UNUSABLE || w->conflict[0])
		snprintf(text[3], size,
			"%s: the DHCP server's answer cannot be used: %s; correct the server, or "
			"use a static address",
			w->name, w->conflict[0] ? w->conflict : w->core.text);
	if (trouble & DHCP_CRASHING)
		snprintf(text[4], size,
			"%s: the DHCP client " UDHCPC " ends again and again (%s); check that the "
			"package udhcpc is installed",
			w->name, w->core.text);
	condition(w, "cable", text[0]);
	condition(w, "answer", text[1]);
	condition(w, "renewal", text[2]);
	condition(w, "usable", text[3]);
	condition(w, "client", text[4]);
}

static void clear_trouble(const struct wan *w)
{
	static const char *const what[CONDITIONS] = {
		"cable", "answer", "renewal", "usable", "client"};

	for (size_t i = 0; i < CONDITIONS; i++)
		condition(w, what[i], "");
}

static void describe(const struct wan *w, enum dhcp_client_state state, char *out, size_t size)
{
	char address[CONFIG_PREFIX_STRLEN], server[INET_ADDRSTRLEN];

	config_prefix_to_str(&w->core.lease.address, address);
	switch (state) {
	case DHCP_OFF:
		snprintf(out, size, "not wanted");
		return;
	case DHCP_NO_CARRIER:
		snprintf(out, size, w->core.index ? "no carrier" : "there is no such interface");
		return;
	case DHCP_SEARCHING:
		snprintf(out, size, "no server has given an address yet");
		return;
	case DHCP_BOUND:
		snprintf(out, size, "%s from %s%s", address, server_of(w, server),
			w->core.lease.gateway.family ? "" : ", without a gateway");
		return;
	case DHCP_RENEWING:
		snprintf(out, size, "%s from %s, to be confirmed", address, server_of(w, server));
		return;
	}
}

static void tell_state(struct wan *w, usec_t now)
{
	struct services_report r = {.kind = SERVICES_WAN_STATE};
	enum dhcp_client_state state = dhcp_client_state(&w->core, now);

	memcpy(r.wan_state.link, w->name, sizeof(r.wan_state.link));
	snprintf(r.wan_state.state, sizeof(r.wan_state.state), "%s", dhcp_client_state_name(state));
	describe(w, state, r.wan_state.reason, sizeof(r.wan_state.reason));
	if (memcmp(&w->told, &r.wan_state, sizeof(w->told)) == 0)
		return;
	w->told = r.wan_state;
	service_report(&r);
}

static void tell_lease(const struct wan *w)
{
	struct services_report r = {.kind = SERVICES_WAN, .wan = w->core.lease};

	service_report(&r);
}

static void tell_child(const struct wan *w, const char *state)
{
	struct services_report r = {.kind = SERVICES_CHILD};

	snprintf(r.child.name, sizeof(r.child.name), "dhcp-client %s", w->name);
	snprintf(r.child.state, sizeof(r.child.state), "%s", state);
	memcpy(r.child.interfaces[0], w->name, sizeof(r.child.interfaces[0]));
	r.child.n_interfaces = 1;
	r.child.restarts = w->core.program.restarts;
	service_report(&r);
}

/* --- the program ----------------------------------------------------------------------------- */

static void start(struct wan *w)
{
	static const cap_value_t caps[] = {CAP_NET_RAW, CAP_NET_BIND_SERVICE};
	char run[sizeof(HOOK_RUN_ENV) + 12];
	const char *const env[] = {HOOK_FD_ENV "=" HOOK_FD_TEXT, run, NULL};
	char hostname[CONFIG_NAME_MAX + 16], address[INET_ADDRSTRLEN];
	const char *argv[ARGS_MAX] = {UDHCPC, "-f", "-i", w->name, "-s", PROGRAM_FD_PATH, "-x",
		hostname, "-V", "gatepair", "-a500", "-t", "4", "-T", "2", "-A", "8", "-o", "-O",
		"subnet", "-O", "router", "-O", "dns", "-O", "lease"};
	const int fds[] = {w->hook_far, service_self()};
	struct child_spec spec = {.argv = argv,
		.env = env,
		.fds = fds,
		.n_fds = 2,
		.caps = caps,
		.n_caps = sizeof(caps) / sizeof(caps[0])};
	size_t n = 0;
	int rc;

	snprintf(hostname, sizeof(hostname), "hostname:%s", self.cfg->node);
	while (argv[n])
		n++;
	if (w->core.lease.address.family &&
		inet_ntop(AF_INET, &w->core.lease.address.v4, address, sizeof(address))) {
		argv[n++] = "-r";
		argv[n++] = address;
	}
	snprintf(run, sizeof(run), HOOK_RUN_ENV "=%u", ++w->run);
	rc = child_start(&w->child, &spec);
	if (rc)
		log_err("%s: the DHCP client cannot be started: %s", w->name, strerror(-rc));
	tell_child(w, rc ? "waiting" : "running");
}

static void step(struct wan *w, const struct dhcp_client_event *ev);

static void act(struct wan *w, unsigned actions, usec_t now)
{
	const struct dhcp_client_event failed = {
		.kind = DHCP_EV_EXIT, .text = "it cannot be started"};

	if (actions & DHCP_STOP)
		child_stop(&w->child);
	if (actions & DHCP_ASK)
		child_signal(&w->child, SIGUSR1);
	if (actions & DHCP_TELL) {
		if (w->core.lease.state != WAN_BOUND)
			w->conflict[0] = '\0';
		keep_lease(w);
		tell_lease(w);
		refresh_resolvers();
	}
	if (actions & DHCP_START) {
		start(w);
		if (!child_runs(&w->child))
			step(w, &failed);
	}
	w->look_at = dhcp_client_look_at(&w->core, now);
	if (w->core.on) {
		tell_trouble(w, now);
		tell_state(w, now);
	}
}

static void step(struct wan *w, const struct dhcp_client_event *ev)
{
	usec_t now = clock_now_us();

	act(w, dhcp_client_step(&w->core, ev, now), now);
	service_rearm();
}

static void apply_config(void);

static void on_child_ended(struct child *c, int status)
{
	struct wan *w = c->owner;
	char how[64], line[128], text[200];
	const struct dhcp_client_event ev = {.kind = DHCP_EV_EXIT, .text = text};

	child_how(status, how, sizeof(how));
	child_last_line(c, line, sizeof(line));
	snprintf(text, sizeof(text), "%s%s%s", how, line[0] ? ": " : "", line);
	if (!w->core.stopping)
		log_warn("%s: the DHCP client ended (%s)", w->name, text);
	tell_child(w, w->core.on ? "waiting" : "");
	step(w, &ev);
	/* Its place may be needed. */
	if (!w->core.on)
		apply_config();
}

/* --- what it says ---------------------------------------------------------------------------- */

/* Beside the configuration and the leases of the others. */
static bool fits(const struct wan *w, const struct wan_lease *l, char *why, size_t why_size)
{
	struct wan_lease mine = *l, others[WAN_MAX];
	size_t n = 0;

	memcpy(mine.link, w->name, sizeof(mine.link));
	for (size_t i = 0; i < WAN_MAX; i++)
		if (self.wans[i].used && self.wans[i].core.on && !self.wans[i].conflict[0])
			others[n++] = self.wans[i].core.lease;
	return wan_conflict(self.cfg, &mine, others, n, why, why_size) == 0;
}

static void on_lease(struct wan *w, const struct hook_message *m)
{
	char why[DHCP_CLIENT_TEXT_MAX] = "";
	struct wan_lease lease;
	struct dhcp_client_event ev = {.kind = DHCP_EV_LEASE, .lease = &lease, .text = why};

	if (hook_lease(m, clock_now_us(), &lease, why, sizeof(why)) ||
		!fits(w, &lease, why, sizeof(why)))
		ev.kind = DHCP_EV_BAD;
	else
		w->conflict[0] = '\0';
	step(w, &ev);
}

static void on_hook(uv_poll_t *p, int status, int events)
{
	const struct dhcp_client_event nak = {.kind = DHCP_EV_NAK};
	struct wan *w = p->data;
	struct hook_message m;

	(void)status;
	(void)events;
	for (int i = 0; i < HOOKS_PER_WAKEUP; i++) {
		if (recv(w->hook, &m, sizeof(m), MSG_DONTWAIT) != sizeof(m))
			return;
		m.event[sizeof(m.event) - 1] = m.ip[sizeof(m.ip) - 1] = '\0';
		m.subnet[sizeof(m.subnet) - 1] = m.server[sizeof(m.server) - 1] = '\0';
		m.lease[sizeof(m.lease) - 1] = m.router[sizeof(m.router) - 1] = '\0';
		m.dns[sizeof(m.dns) - 1] = '\0';
		if (!w->core.on || m.run != w->run)
			continue;
		if (strcmp(m.event, "bound") == 0 || strcmp(m.event, "renew") == 0)
			on_lease(w, &m);
		else if (strcmp(m.event, "nak") == 0)
			step(w, &nak);
	}
}

/* --- configuration and links ----------------------------------------------------------------- */

static void look_at_link(struct wan *w)
{
	const struct kernel_link *l = kernel_link_by_name(self.picture, w->name);
	const struct dhcp_client_event ev = {.kind = DHCP_EV_LINK,
		.index = l ? l->index : 0,
		.carrier = l && l->up && l->carrier};

	if (ev.index != w->core.index || ev.carrier != w->core.carrier)
		step(w, &ev);
}

static struct wan *find(const char *name)
{
	for (size_t i = 0; i < WAN_MAX; i++)
		if (self.wans[i].used && strcmp(self.wans[i].name, name) == 0)
			return &self.wans[i];
	return NULL;
}

static struct wan *take_place(const char *name)
{
	for (size_t i = 0; i < WAN_MAX; i++) {
		struct wan *w = &self.wans[i];

		if (w->used && (w->core.on || child_runs(&w->child)))
			continue;
		w->used = true;
		snprintf(w->name, sizeof(w->name), "%s", name);
		memset(&w->told, 0, sizeof(w->told));
		dhcp_client_init(&w->core, name);
		return w;
	}
	return NULL;
}

static void turn_on(const char *name)
{
	struct wan_lease found;
	struct dhcp_client_event ev = {.kind = DHCP_EV_ON};
	struct wan *w = find(name);

	if (!w)
		w = take_place(name);
	if (!w || w->core.on)
		return;
	w->conflict[0] = '\0';
	if (find_lease(w, &found)) {
		ev.lease = &found;
		if (found.state == WAN_BOUND)
			fits(w, &found, w->conflict, sizeof(w->conflict));
	}
	look_at_link(w);
	step(w, &ev);
}

static void turn_off(struct wan *w)
{
	const struct dhcp_client_event ev = {.kind = DHCP_EV_OFF};

	step(w, &ev);
	keep_lease(w);
	clear_trouble(w);
	if (!child_runs(&w->child))
		tell_child(w, "");
}

static void apply_config(void)
{
	for (size_t i = 0; i < WAN_MAX; i++) {
		struct wan *w = &self.wans[i];
		const struct config_interface *c =
			w->used ? config_interface_find(self.cfg, w->name) : NULL;

		if (w->used && w->core.on && !(c && c->dhcp))
			turn_off(w);
	}
	for (size_t i = 0; i < self.cfg->n_interfaces; i++)
		if (self.cfg->interfaces[i].dhcp)
			turn_on(self.cfg->interfaces[i].name);
	refresh_resolvers();
}

/* What is configured now may be in the way of a lease, or no longer be. */
static void look_at_lease(struct wan *w, usec_t now)
{
	w->conflict[0] = '\0';
	if (w->core.lease.state != WAN_BOUND)
		return;
	if (wan_conflict(self.cfg, &w->core.lease, NULL, 0, w->conflict, sizeof(w->conflict)) == 0)
		tell_lease(w);
	act(w, 0, now);
}

static void on_config(const struct config *cfg, usec_t now)
{
	self.cfg = cfg;
	for (size_t i = 0; i < WAN_MAX; i++)
		if (self.wans[i].used && self.wans[i].core.on)
			look_at_lease(&self.wans[i], now);
	apply_config();
}

static void on_links(unsigned changes, usec_t now)
{
	(void)now;
	if (!(changes & OBSERVE_LINK))
		return;
	for (size_t i = 0; i < WAN_MAX; i++)
		if (self.wans[i].used && self.wans[i].core.on)
			look_at_link(&self.wans[i]);
}

static void on_tick(usec_t now)
{
	const struct dhcp_client_event ev = {.kind = DHCP_EV_TICK};

	for (size_t i = 0; i < WAN_MAX; i++)
		if (self.wans[i].used && self.wans[i].core.on)
			act(&self.wans[i], dhcp_client_step(&self.wans[i].core, &ev, now), now);
}

static usec_t due(void)
{
	usec_t first = USEC_NEVER;

	for (size_t i = 0; i < WAN_MAX; i++) {
		const struct wan *w = &self.wans[i];

		if (!w->used || !w->core.on)
			continue;
		if (dhcp_client_due(&w->core) < first)
			first = dhcp_client_due(&w->core);
		if (w->look_at < first)
			first = w->look_at;
	}
	return first;
}

static int init_wan(struct wan *w)
{
	int pair[2], rc;

	w->child = (struct child){
		.name = "udhcpc", .loop = self.loop, .ended = on_child_ended, .owner = w};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	w->hook = pair[0];
	w->hook_far = pair[1];
	rc = uv_poll_init(self.loop, &w->hook_poll, w->hook);
	w->hook_poll.data = w;
	return rc ? rc : uv_poll_start(&w->hook_poll, UV_READABLE, on_hook);
}

static int init(uv_loop_t *loop, const struct kernel *picture)
{
	int rc = 0;

	self.loop = loop;
	self.picture = picture;
	for (size_t i = 0; i < WAN_MAX && !rc; i++)
		rc = init_wan(&self.wans[i]);
	return rc;
}

const struct service_module service_wan = {
	.name = "wan",
	.init = init,
	.config = on_config,
	.links = on_links,
	.tick = on_tick,
	.due = due,
};
