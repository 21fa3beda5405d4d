/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dnsmasq processes: one for each management interface, always, and one for the LAN while the
 * lease is held. Each runs with the text of dhcp_server.h and is started again when that changes or
 * when it dies.
 */
#include "netcfgd/services/service_dhcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netcfgd/services/child.h"
#include "netcfgd/services/dhcp_server.h"
#include "netcfgd/services/goodbye.h"
#include "netcfgd/services/respawn.h"
#include "netcfgd/services/service_wan.h"

#define DNSMASQ     "/usr/sbin/dnsmasq"
#define MGMT_MAX    8
#define SERVERS_MAX (1 + MGMT_MAX)
#define LAN         0 /* its place in the table */

struct server {
	char name[IFNAMSIZ];               /* the interface; "lan"; "": free */
	bool configured;                   /* somebody is to be served here */
	struct dhcp_server_text want, run; /* run: the program's, as long as it runs */
	bool stopping;
	struct respawn program;
	struct child child;
	struct services_child told;
};

static struct {
	uv_loop_t *loop;
	const struct kernel *picture;
	const struct config *cfg;
	bool held;
	struct server servers[SERVERS_MAX];
} self;

static void free_text(struct dhcp_server_text *t)
{
	free(t->text);
	*t = (struct dhcp_server_text){0};
}

static bool same_text(const struct dhcp_server_text *a, const struct dhcp_server_text *b)
{
	return a->text && b->text && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* --- what is told ---------------------------------------------------------------------------- */

static void key_of(const struct server *s, const char *what, char out[64])
{
	snprintf(out, 64, "dhcp-server %s %s", s->name, what);
}

static void tell(struct server *s)
{
	struct services_report r = {.kind = SERVICES_CHILD};
	const struct dhcp_server_text *t = child_runs(&s->child) ? &s->run : &s->want;
	const char *state = !s->configured                          ? ""
			    : child_runs(&s->child) && !s->stopping ? "running"
			    : s == &self.servers[LAN] && !self.held ? "stopped"
								    : "waiting";

	snprintf(r.child.name, sizeof(r.child.name), "dhcp-server %s", s->name);
	snprintf(r.child.state, sizeof(r.child.state), "%s", state);
	r.child.n_interfaces = t->n_interfaces;
	memcpy(r.child.interfaces, t->interfaces, sizeof(t->interfaces));
	r.child.restarts = s->program.restarts;
	if (memcmp(&s->told, &r.child, sizeof(s->told)) == 0)
		return;
	s->told = r.child;
	service_report(&r);
}

static void tell_crashing(const struct server *s, const char *how)
{
	char key[64];

	key_of(s, "crash", key);
	if (how)
		service_condition(key,
			"dhcp-server %s: " DNSMASQ
			" ends again and again (%s); check that the package dnsmasq-base is "
			"installed and that no other DHCP or DNS server runs here",
			s->name, how);
	else
		service_condition(key, "%s", "");
}

/* --- the program ----------------------------------------------------------------------------- */

static void start(struct server *s, usec_t now)
{
	/* dnsmasq itself insists on CAP_NET_ADMIN. */
	static const cap_value_t caps[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};
	static const char *const argv[] = {DNSMASQ, "--keep-in-foreground", "--conf-file=-", NULL};
	struct child_spec spec = {.argv = argv,
		.input = s->want.text,
		.input_len = s->want.len,
		.caps = caps,
		.n_caps = sizeof(caps) / sizeof(caps[0]),
		.log_output = true};
	int rc = child_start(&s->child, &spec);

	respawn_started(&s->program, now);
	if (rc) {
		log_err("dhcp-server %s: cannot be started: %s", s->name, strerror(-rc));
		respawn_ended(&s->program, now);
		return;
	}
	free_text(&s->run);
	s->run = s->want;
	s->want = (struct dhcp_server_text){0};
}

static bool wanted(const struct server *s)
{
	return s->configured && (s != &self.servers[LAN] || self.held);
}

/* dnsmasq does not run without its file of leases: better one that a reboot forgets than no DHCP on
 * a disk that has become read-only. */
static const char *leases_folder(void)
{
	const char *folder = service_statedir();

	return folder && access(folder, W_OK) == 0 ? folder : service_rundir();
}

static int make_text(struct server *s)
{
	const struct config_prefix *dns;
	struct dhcp_server_input in = {
		.cfg = self.cfg, .picture = self.picture, .folder = leases_folder()};
	char key[64];
	int rc;

	in.n_dns = service_wan_resolvers(&dns);
	in.dns = dns;
	free_text(&s->want);
	rc = s == &self.servers[LAN]
		     ? dhcp_server_lan(&in, &s->want)
		     : dhcp_server_mgmt(&in, config_interface_find(self.cfg, s->name), &s->want);
	key_of(s, "name", key);
	if (s->want.refused)
		service_condition(key,
			"interface %s: DHCP cannot be served under this name; use letters, digits, "
			"dots, _ and - only",
			s->want.refused);
	else
		service_condition(key, "%s", "");
	return rc;
}

/* Makes what runs what is wanted. */
static void settle(struct server *s, usec_t now)
{
	if (wanted(s)) {
		int rc = make_text(s);

		if (rc)
			log_err("dhcp-server %s: %s", s->name, strerror(-rc));
	} else {
		free_text(&s->want);
	}
	if (child_runs(&s->child)) {
		if (!s->stopping && !same_text(&s->want, &s->run)) {
			s->stopping = true;
			child_stop(&s->child);
		}
	} else if (s->want.text && now >= s->program.start_at) {
		start(s, now);
	}
	tell(s);
	service_rearm();
}

static void settle_all(void)
{
	usec_t now = clock_now_us();

	for (size_t i = 0; i < SERVERS_MAX && self.cfg; i++)
		if (self.servers[i].name[0])
			settle(&self.servers[i], now);
}

static void apply_config(void);

static void on_child_ended(struct child *c, int status)
{
	struct server *s = c->owner;
	char how[64], line[128], text[200];
	usec_t now = clock_now_us();

	if (s->stopping) {
		respawn_reset(&s->program, now);
	} else {
		child_how(status, how, sizeof(how));
		child_last_line(c, line, sizeof(line));
		snprintf(text, sizeof(text), "%s%s%s", how, line[0] ? ": " : "", line);
		log_warn("dhcp-server %s: dnsmasq ended (%s)", s->name, text);
		respawn_ended(&s->program, now);
		if (respawn_crashing(&s->program))
			tell_crashing(s, text);
	}
	s->stopping = false;
	free_text(&s->run);
	/* Its last advert may have come after our last word. */
	if (s == &self.servers[LAN] && !self.held)
		goodbye_routers(self.cfg, self.picture);
	/* Its place may be needed. */
	if (s->configured)
		settle(s, now);
	else
		apply_config();
}

/* --- configuration --------------------------------------------------------------------------- */

static bool lan_configured(void)
{
	for (size_t i = 0; i < self.cfg->n_interfaces; i++)
		if (dhcp_server_wants_lan(&self.cfg->interfaces[i]))
			return true;
	return false;
}

static struct server *place_for(const char *name)
{
	struct server *free_one = NULL;

	for (size_t i = SERVERS_MAX; i-- > LAN + 1;) {
		struct server *s = &self.servers[i];

		if (strcmp(s->name, name) == 0)
			return s;
		if (!s->configured && !child_runs(&s->child))
			free_one = s;
	}
	if (free_one)
		snprintf(free_one->name, sizeof(free_one->name), "%s", name);
	return free_one;
}

static void apply_config(void)
{
	self.servers[LAN].configured = lan_configured();
	for (size_t i = LAN + 1; i < SERVERS_MAX; i++) {
		struct server *s = &self.servers[i];
		const struct config_interface *c =
			s->name[0] ? config_interface_find(self.cfg, s->name) : NULL;

		s->configured = c && dhcp_server_wants_mgmt(c);
	}
	settle_all(); /* stops what is no longer wanted: its place can be taken */
	for (size_t i = 0; i < self.cfg->n_interfaces; i++) {
		const struct config_interface *c = &self.cfg->interfaces[i];
		struct server *s = dhcp_server_wants_mgmt(c) ? place_for(c->name) : NULL;

		if (s && !s->configured) {
			s->configured = true;
			respawn_reset(&s->program, 0);
			settle(s, clock_now_us());
		}
	}
	for (size_t i = 0; i < SERVERS_MAX; i++)
		if (!self.servers[i].configured || !respawn_crashing(&self.servers[i].program))
			tell_crashing(&self.servers[i], NULL);
}

static void on_config(const struct config *cfg, usec_t now)
{
	(void)now;
	self.cfg = cfg;
	apply_config();
}

static void on_role(bool held, usec_t now)
{
	bool lost = self.held && !held;

	(void)now;
	self.held = held;
	settle_all();
	if (lost)
		goodbye_routers(self.cfg, self.picture);
}

static void on_links(unsigned changes, usec_t now)
{
	(void)now;
	if (changes & (OBSERVE_LINK | OBSERVE_ADDR))
		settle_all();
}

void service_dhcp_refresh(void)
{
	settle_all();
}

/* Lived for long enough: the trouble is over. */
static usec_t healthy_at(const struct server *s)
{
	return s->program.started + RESPAWN_LIVED;
}

static void on_tick(usec_t now)
{
	for (size_t i = 0; i < SERVERS_MAX; i++) {
		struct server *s = &self.servers[i];

		if (child_runs(&s->child) && respawn_crashing(&s->program) &&
			healthy_at(s) <= now) {
			s->program.quick = 0;
			tell_crashing(s, NULL);
		}
		if (!child_runs(&s->child) && s->want.text && s->program.start_at <= now)
			settle(s, now);
	}
}

static usec_t due(void)
{
	usec_t first = USEC_NEVER;

	for (size_t i = 0; i < SERVERS_MAX; i++) {
		const struct server *s = &self.servers[i];
		usec_t at = USEC_NEVER;

		if (child_runs(&s->child) && respawn_crashing(&s->program))
			at = healthy_at(s);
		else if (!child_runs(&s->child) && s->want.text)
			at = s->program.start_at;
		if (at < first)
			first = at;
	}
	return first;
}

static int init(uv_loop_t *loop, const struct kernel *picture)
{
	self.loop = loop;
	self.picture = picture;
	snprintf(self.servers[LAN].name, sizeof(self.servers[LAN].name), "lan");
	for (size_t i = 0; i < SERVERS_MAX; i++)
		self.servers[i].child = (struct child){.name = "dnsmasq",
			.loop = loop,
			.ended = on_child_ended,
			.owner = &self.servers[i]};
	return 0;
}

const struct service_module service_dhcp = {
	.name = "dhcp",
	.init = init,
	.config = on_config,
	.role = on_role,
	.links = on_links,
	.tick = on_tick,
	.due = due,
};
