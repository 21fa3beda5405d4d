/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process's side of the services (see services.h). Runs at real-time priority: sends
 * without waiting, takes a bounded number of reports at a time.
 */
#include "netcfgd/services.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netcfgd/services/service.h"

#define REPORTS_PER_WAKEUP 16
#define PACK_MAX           ((size_t)1 << 20)
/* A DHCP lease is at most 2^32 - 1 seconds. */
#define LEASE_MAX (INT64_C(4294967295) * USEC_PER_SEC)

/* --- start ----------------------------------------------------------------------------------- */

int services_fork(void)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		/* It may be over before we asked to be told. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(EXIT_FAILURE);
		service_main(pair[1]);
	}
	close(pair[1]);
	if (pid > 0)
		return pair[0];
	close(pair[0]);
	return -errno;
}

static void on_event(uv_poll_t *p, int status, int events);

static void watch(struct services *s)
{
	bool due = (s->config_due || s->role_due || s->rules_due) && !s->config_failed;
	int events = UV_READABLE | (due ? UV_WRITABLE : 0);

	if (uv_poll_start(&s->poll, events, on_event) < 0)
		s->ops->died(s->owner, "its socket cannot be watched");
}

static void on_second(struct timer *t, usec_t now);

int services_init(
	struct services *s, uv_loop_t *loop, int fd, const struct services_ops *ops, void *owner)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->ops = ops;
	s->owner = owner;
	rc = uv_poll_init(loop, &s->poll, fd);
	if (rc < 0)
		return rc;
	s->poll.data = s;
	rc = timer_init(&s->second, loop, on_second, s);
	if (rc)
		return rc;
	timer_set(&s->second, clock_now_us() + USEC_PER_SEC);
	return uv_poll_start(&s->poll, UV_READABLE, on_event);
}

/* --- orders ---------------------------------------------------------------------------------- */

/* 0 when it was sent or never can be; -EAGAIN: later. */
static int send_order(struct services *s, const void *buf, size_t len)
{
	if (send(s->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return 0;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM)
		return -EAGAIN;
	return 0; /* it is dead, which reading tells */
}

static int send_config(struct services *s)
{
	static uint8_t buf[SERVICES_MSG_MAX];
	struct services_order order = {.kind = SERVICES_CONFIG};
	struct arena *arena = arena_new(PACK_MAX);
	Gp__Config *m = arena ? config_pack(s->cfg, CONFIG_PART_NETCFGD, arena) : NULL;
	int rc = 0;

	if (!m) {
		rc = -ENOMEM;
	} else if (gp__config__get_packed_size(m) <= sizeof(buf) - sizeof(order)) {
		memcpy(buf, &order, sizeof(order));
		rc = send_order(s, buf, sizeof(order) + gp__config__pack(m, buf + sizeof(order)));
	} else {
		log_err("configuration: too large for the DHCP services; make it smaller");
	}
	arena_free(arena);
	return rc;
}

static void try_config(struct services *s)
{
	int rc = send_config(s);
	bool failed = rc == -ENOMEM;

	if (failed && !s->config_failed)
		log_err("services: no memory for the configuration; trying again");
	s->config_failed = failed;
	if (rc)
		return;
	s->config_due = false;
	s->role_due = true; /* what came before the first configuration was not taken */
}

/* The newest of each: what could not be sent is not queued here. */
static void flush(struct services *s)
{
	struct services_order role = {.kind = SERVICES_ROLE, .held = s->held};
	struct services_order rules = {.kind = SERVICES_RULES, .rules = s->rules_due};

	if (s->config_due)
		try_config(s);
	if (s->role_due && (!s->config_due || s->config_failed) &&
		send_order(s, &role, sizeof(role)) == 0)
		s->role_due = false;
	if (s->rules_due && !s->config_due && send_order(s, &rules, sizeof(rules)) == 0)
		s->rules_due = 0;
	watch(s);
}

/* --- what was reported ----------------------------------------------------------------------- */

static const struct config_interface *dhcp_interface(const struct config *cfg, const char *name)
{
	const struct config_interface *c = cfg ? config_interface_find(cfg, name) : NULL;

	return c && c->dhcp ? c : NULL;
}

static struct services_wan *wan_of(struct services *s, const char *link)
{
	for (size_t i = 0; i < s->n_wans; i++)
		if (strcmp(s->wans[i].lease.link, link) == 0)
			return &s->wans[i];
	if (s->n_wans == WAN_MAX)
		return NULL;
	s->wans[s->n_wans] = (struct services_wan){.about.state = "starting"};
	memcpy(s->wans[s->n_wans].lease.link, link, IFNAMSIZ);
	return &s->wans[s->n_wans++];
}

static void take_child(struct services *s, const struct services_child *c)
{
	size_t i = 0;

	while (i < s->n_children && strcmp(s->children[i].name, c->name) != 0)
		i++;
	if (c->state[0] == '\0') {
		if (i < s->n_children)
			s->children[i] = s->children[--s->n_children];
	} else if (i < SERVICES_CHILDREN_MAX) {
		s->children[i] = *c;
		s->n_children += i == s->n_children;
	}
}

static bool lasts(const struct services *s, const char *text)
{
	for (size_t i = 0; i < SERVICES_CONDITIONS_MAX; i++)
		if (strcmp(s->conditions[i], text) == 0)
			return true;
	return false;
}

/* Those behind one that ended move up: that is neither new nor over. */
static void take_condition(struct services *s, const struct services_condition *c)
{
	char *text = s->conditions[c->id - 1], old[SERVICES_TEXT_MAX];
	bool moved = c->text[0] && lasts(s, c->text);

	if (strcmp(text, c->text) == 0)
		return;
	memcpy(old, text, SERVICES_TEXT_MAX);
	memcpy(text, c->text, SERVICES_TEXT_MAX);
	if (c->text[0] && !moved) {
		if (log_limit_pass(&s->told[c->id - 1], clock_now_us()))
			log_warn("%s", c->text);
	} else if (old[0] && !lasts(s, old)) {
		if (log_limit_pass(&s->told[c->id - 1], clock_now_us()))
			log_notice("over: %s", old);
	}
}

void services_take(struct services *s, const struct services_report *r)
{
	struct services_wan *w;

	switch (r->kind) {
	case SERVICES_WAN:
		w = wan_of(s, r->wan.link);
		if (w)
			w->lease = r->wan;
		s->ops->wan(s->owner, &r->wan);
		break;
	case SERVICES_CONDITION:
		take_condition(s, &r->condition);
		break;
	case SERVICES_CHILD:
		take_child(s, &r->child);
		break;
	case SERVICES_WAN_STATE:
		w = wan_of(s, r->wan_state.link);
		if (w)
			w->about = r->wan_state;
		break;
	case SERVICES_RULES_LOADED:
		s->ops->rules(s->owner, r->rules.of);
		break;
	case SERVICES_ALIVE:
		break;
	}
}

/* --- checks ---------------------------------------------------------------------------------- */

static bool text_ok(char *s, size_t size)
{
	if (!memchr(s, '\0', size))
		return false;
	config_clean_text(s);
	return true;
}

static bool host_ok(const struct config_prefix *p)
{
	return p->family == AF_INET && p->len == 32 && p->v4.s_addr != 0;
}

static const char *check_wan(struct wan_lease *w, const struct config *cfg, usec_t now)
{
	if (!text_ok(w->link, sizeof(w->link)) || !dhcp_interface(cfg, w->link))
		return "a lease of an interface that has none";
	switch (w->state) {
	case WAN_UNKNOWN:
	case WAN_NONE:
		return NULL;
	case WAN_BOUND:
		if (w->address.family != AF_INET || w->address.len < 1 || w->address.len > 32 ||
			w->address.v4.s_addr == 0)
			return "a lease without an address";
		if ((w->gateway.family != 0 && !host_ok(&w->gateway)) ||
			(w->server.family != 0 && !host_ok(&w->server)))
			return "a lease with a gateway or server that is none";
		if (w->n_dns > WAN_DNS_MAX)
			return "a lease with too many DNS servers";
		for (size_t i = 0; i < w->n_dns; i++)
			if (!host_ok(&w->dns[i]))
				return "a lease with a DNS server that is none";
		if (w->until < 0 || w->until > now + LEASE_MAX)
			return "a lease that never ends";
		return NULL;
	}
	return "a lease of unknown state";
}

static const char *check_child(struct services_child *c)
{
	if (!text_ok(c->name, sizeof(c->name)) || !c->name[0] ||
		!text_ok(c->state, sizeof(c->state)) || c->n_interfaces > SERVICES_LIST_MAX)
		return "a malformed child";
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (!text_ok(c->interfaces[i], sizeof(c->interfaces[i])))
			return "a malformed child";
	return NULL;
}

const char *services_check(struct services_report *r, const struct config *cfg, usec_t now)
{
	switch (r->kind) {
	case SERVICES_WAN:
		return check_wan(&r->wan, cfg, now);
	case SERVICES_CONDITION:
		if (r->condition.id < 1 || r->condition.id > SERVICES_CONDITIONS_MAX ||
			!text_ok(r->condition.text, sizeof(r->condition.text)))
			return "a malformed condition";
		return NULL;
	case SERVICES_CHILD:
		return check_child(&r->child);
	case SERVICES_WAN_STATE:
		if (!text_ok(r->wan_state.link, sizeof(r->wan_state.link)) ||
			!dhcp_interface(cfg, r->wan_state.link) ||
			!text_ok(r->wan_state.state, sizeof(r->wan_state.state)) ||
			!text_ok(r->wan_state.reason, sizeof(r->wan_state.reason)))
			return "the state of an interface that has none";
		return NULL;
	case SERVICES_RULES_LOADED:
		return NULL; /* whether they are wanted, and fit, is for who takes them over */
	case SERVICES_ALIVE:
		return NULL;
	}
	return "a report of unknown kind";
}

/* --- the socket ------------------------------------------------------------------------------ */

static void receive(struct services *s)
{
	struct services_report r;
	const char *why;
	ssize_t n;

	for (int i = 0; i < REPORTS_PER_WAKEUP; i++) {
		n = recv(s->fd, &r, sizeof(r), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			uv_poll_stop(&s->poll);
			timer_set(&s->second, USEC_NEVER);
			s->ops->died(s->owner, "the process ended");
			return;
		}
		s->silent = 0;
		why = n == sizeof(r) ? services_check(&r, s->cfg, clock_now_us())
				     : "a report of the wrong size";
		if (!why) {
			services_take(s, &r);
			continue;
		}
		s->refused++;
		if (log_limit_pass(&s->refusals, clock_now_us()))
			log_warn("services: refused %s", why);
	}
}

static void on_event(uv_poll_t *p, int status, int events)
{
	struct services *s = p->data;

	(void)status; /* an error is read from the socket itself */
	receive(s);
	if ((events & UV_WRITABLE) && uv_is_active((uv_handle_t *)p))
		flush(s);
}

/* Counted in turns of our own loop: a time in which this process or the whole machine stood still
 * is one turn, however long it was. */
bool services_second(struct services *s)
{
	return ++s->silent < SERVICES_SILENCE;
}

static void on_second(struct timer *t, usec_t now)
{
	struct services *s = t->owner;

	timer_set(t, now + USEC_PER_SEC);
	receive(s); /* what waits was said in time */
	if (uv_is_active((uv_handle_t *)&s->poll) && !services_second(s)) {
		uv_poll_stop(&s->poll);
		timer_set(t, USEC_NEVER);
		s->ops->died(s->owner, "the process hangs: nothing was heard of it for 10 s");
	} else if (s->config_failed) {
		flush(s);
	}
}

/* What is no longer configured is no longer shown. */
static void forget_wans(struct services *s)
{
	for (size_t i = 0; i < s->n_wans;)
		if (dhcp_interface(s->cfg, s->wans[i].lease.link))
			i++;
		else
			s->wans[i] = s->wans[--s->n_wans];
}

void services_config(struct services *s, const struct config *cfg)
{
	s->cfg = cfg;
	s->config_due = s->role_due = true;
	forget_wans(s);
	flush(s);
}

void services_role(struct services *s, bool held)
{
	s->held = held;
	s->role_due = true;
	if (s->cfg)
		flush(s);
}

void services_rules(struct services *s, uint64_t of)
{
	s->rules_due = of;
	if (s->cfg)
		flush(s);
}
