/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The services process of netcfgd: its loop, the orders of the first process, the picture of the
 * kernel, the conditions, and the table of modules. Runs as gatepair-netcfgd with what its children
 * need: CAP_NET_ADMIN (nft), CAP_NET_RAW and CAP_NET_BIND_SERVICE (DHCP).
 */
#include "netcfgd/services/service.h"
#include "netcfgd/services/service_addresses.h"
#include "netcfgd/services/service_cabling.h"
#include "netcfgd/services/service_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "common/sanitizer.h"
#include "common/timer.h"
#include "netcfgd/services/service_dhcp.h"
#include "netcfgd/services/service_wan.h"

#define SERVICE_FD       3
#define KEY_MAX          64
#define PATH_LEN         4096
#define UNPACK_MAX       ((size_t)1 << 20)
#define OBSERVE_RETRY_US USEC_PER_SEC
#define MEMLOCK_MAX      (8 << 20) /* the kernel's own default */

/* Ends with NULL. */
static const struct service_module *const modules[] = {
	&service_rules,
	&service_cabling,
	&service_addresses,
	&service_wan,
	&service_dhcp,
	NULL,
};
#define EACH_MODULE(m)                                                                             \
	const struct service_module *const *m = modules;                                           \
	*m;                                                                                        \
	m++

struct condition {
	char key[KEY_MAX]; /* "": free */
	char text[SERVICES_TEXT_MAX];
};

static struct {
	uv_loop_t loop;
	uv_poll_t orders, links;
	struct timer timer;
	struct nl request;
	struct observe observe;
	struct kernel k;
	usec_t sign_at; /* the next sign of life */
	usec_t dump_at; /* the picture is to be made anew; USEC_NEVER: no */
	struct config *cfg;
	bool role_known, held;
	struct condition conditions[SERVICES_CONDITIONS_MAX];
	struct log_limit full;
	char rundir[PATH_LEN], statedir[PATH_LEN]; /* "": none */
	int self;
} svc;

/* --- what the modules call ------------------------------------------------------------------- */

void service_report(const struct services_report *r)
{
	struct pollfd p = {.fd = SERVICE_FD, .events = POLLOUT};

	while (send(SERVICE_FD, r, sizeof(*r), MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM)
			exit(EXIT_FAILURE); /* the first process is gone */
		poll(&p, 1, 100);
	}
}

static struct condition *condition_of(const char *key)
{
	struct condition *free_one = NULL;

	for (size_t i = SERVICES_CONDITIONS_MAX; i-- > 0;) {
		if (strcmp(svc.conditions[i].key, key) == 0)
			return &svc.conditions[i];
		if (!svc.conditions[i].key[0])
			free_one = &svc.conditions[i];
	}
	return free_one;
}

void service_condition(const char *key, const char *fmt, ...)
{
	struct services_report r = {.kind = SERVICES_CONDITION};
	struct condition *c = condition_of(key);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r.condition.text, sizeof(r.condition.text), fmt, ap);
	va_end(ap);
	config_clean_text(r.condition.text);
	if (!c) {
		if (r.condition.text[0] && log_limit_pass(&svc.full, clock_now_us()))
			log_warn("%s", r.condition.text);
		return;
	}
	if (strcmp(c->text, r.condition.text) == 0)
		return;
	snprintf(c->key, sizeof(c->key), "%s", r.condition.text[0] ? key : "");
	memcpy(c->text, r.condition.text, sizeof(c->text));
	r.condition.id = (uint32_t)(c - svc.conditions) + 1;
	service_report(&r);
}

const char *service_rundir(void)
{
	return svc.rundir[0] ? svc.rundir : NULL;
}

const char *service_statedir(void)
{
	return svc.statedir[0] ? svc.statedir : NULL;
}

int service_self(void)
{
	return svc.self;
}

void service_rearm(void)
{
	usec_t due = svc.dump_at < svc.sign_at ? svc.dump_at : svc.sign_at;

	for (EACH_MODULE(m))
		if (svc.cfg && (*m)->due && (*m)->due() < due)
			due = (*m)->due();
	timer_set(&svc.timer, due);
}

/* --- the picture ----------------------------------------------------------------------------- */

static void tell_links(unsigned changes)
{
	usec_t now = clock_now_us();

	for (EACH_MODULE(m))
		if (svc.cfg && (*m)->links)
			(*m)->links(changes, now);
}

static void look(bool anew)
{
	int rc = anew ? observe_dump(&svc.observe) : 0;
	int changes = rc ? rc : observe_drain(&svc.observe);

	if (changes < 0)
		log_warn("services: the kernel's links cannot be read: %s; trying again",
			strerror(-changes));
	svc.dump_at = changes < 0 ? clock_now_us() + OBSERVE_RETRY_US : USEC_NEVER;
	if (anew && changes >= 0)
		changes |= OBSERVE_LINK | OBSERVE_ADDR;
	if (changes > 0)
		tell_links((unsigned)changes);
}

static void on_links(uv_poll_t *p, int status, int events)
{
	(void)p;
	(void)status;
	(void)events;
	look(false);
	service_rearm();
}

static void on_timer(struct timer *t, usec_t now)
{
	(void)t;
	if (svc.sign_at <= now) {
		service_report(&(struct services_report){.kind = SERVICES_ALIVE});
		svc.sign_at = now + SERVICES_SIGN_US;
	}
	if (svc.dump_at <= now)
		look(true);
	for (EACH_MODULE(m))
		if (svc.cfg && (*m)->due && (*m)->due() <= now)
			(*m)->tick(now);
	service_rearm();
}

/* --- orders ---------------------------------------------------------------------------------- */

static void on_config(const uint8_t *packed, size_t n)
{
	struct arena *arena = arena_new(UNPACK_MAX);
	Gp__Config *msg = arena ? gp__config__unpack(arena_pb(arena), n, packed) : NULL;
	struct config *cfg = NULL, *old = svc.cfg;
	char why[256] = "out of memory";
	usec_t now = clock_now_us();

	if (!msg || config_unpack(msg, &cfg, why, sizeof(why)) < 0) {
		log_err("services: configuration: %s", why);
		exit(EXIT_FAILURE);
	}
	svc.cfg = cfg;
	for (EACH_MODULE(m))
		if ((*m)->config)
			(*m)->config(cfg, now);
	config_free(old);
	arena_free(arena);
}

static void on_role(bool held)
{
	usec_t now = clock_now_us();

	if (svc.role_known && svc.held == held)
		return;
	svc.role_known = true;
	svc.held = held;
	for (EACH_MODULE(m))
		if ((*m)->role)
			(*m)->role(held, now);
}

static void on_order(uv_poll_t *p, int status, int events)
{
	static uint8_t buf[SERVICES_MSG_MAX];
	struct services_order o;
	ssize_t n = recv(SERVICE_FD, buf, sizeof(buf), MSG_DONTWAIT);

	(void)p;
	(void)status;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof(o))
		exit(EXIT_SUCCESS); /* end of file: netcfgd ends, and so do our children */
	memcpy(&o, buf, sizeof(o));
	switch (o.kind) {
	case SERVICES_CONFIG:
		on_config(buf + sizeof(o), (size_t)n - sizeof(o));
		break;
	case SERVICES_ROLE:
		if (svc.cfg)
			on_role(o.held);
		break;
	case SERVICES_RULES:
		service_rules_load(o.rules, clock_now_us());
		break;
	}
	service_rearm();
}

/* --- start ----------------------------------------------------------------------------------- */

/* No terminal's signals: they are for the supervisor, which ends us through our parent. */
static void own_signals(void)
{
	sigset_t none;

	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Under memory pressure it is better that these go than the processes that hold the role. */
static void raise_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "0", 1) < 0)
		log_info("services: the OOM killer's score cannot be set: %s", strerror(errno));
	close(fd);
}

/* The first process may lock all memory; neither this one nor what it starts has a use for that. */
static void lower_limits(void)
{
	const struct rlimit memlock = {MEMLOCK_MAX, MEMLOCK_MAX};

	if (setrlimit(RLIMIT_MEMLOCK, &memlock) < 0)
		log_info("services: the limit of locked memory cannot be set: %s", strerror(errno));
}

static void own_files(int fd)
{
	if ((fd != SERVICE_FD && dup2(fd, SERVICE_FD) < 0) ||
		fcntl(SERVICE_FD, F_SETFD, FD_CLOEXEC) < 0 ||
		close_range(SERVICE_FD + 1, ~0U, 0) < 0)
		_exit(EXIT_FAILURE);
	svc.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static void find_folder(const char *variable, char out[PATH_LEN])
{
	const char *parent = getenv(variable);
	struct stat st;
	int n = parent ? snprintf(out, PATH_LEN, "%s/netcfgd", parent) : 0;

	if (n <= 0 || n >= PATH_LEN || stat(out, &st) < 0 || !S_ISDIR(st.st_mode))
		out[0] = '\0';
}

static int open_kernel(void)
{
	int rc;

	kernel_init(&svc.k);
	rc = nl_open(&svc.request, NETLINK_ROUTE);
	if (!rc)
		rc = observe_init(&svc.observe, &svc.request, &svc.k);
	if (!rc)
		rc = uv_poll_init(&svc.loop, &svc.links, svc.observe.events.fd);
	if (!rc)
		rc = uv_poll_start(&svc.links, UV_READABLE, on_links);
	if (!rc)
		look(true);
	return rc;
}

static int open_all(void)
{
	int rc = uv_loop_init(&svc.loop);

	if (!rc)
		rc = uv_poll_init(&svc.loop, &svc.orders, SERVICE_FD);
	if (!rc)
		rc = uv_poll_start(&svc.orders, UV_READABLE, on_order);
	if (!rc)
		rc = timer_init(&svc.timer, &svc.loop, on_timer, NULL);
	if (!rc)
		rc = open_kernel();
	for (EACH_MODULE(m))
		if (!rc && (*m)->init)
			rc = (*m)->init(&svc.loop, &svc.k);
	return rc ? rc : sandbox_deny();
}

void service_main(int fd)
{
	struct sched_param normal = {0};
	int rc;

	prctl(PR_SET_NAME, "netcfgd-service");
	log_init("netcfgd-service");
	own_signals();
	own_files(fd);
	sched_setscheduler(0, SCHED_OTHER, &normal);
	raise_oom_score();
	lower_limits();
	find_folder("GATEPAIR_RUNDIR", svc.rundir);
	find_folder("GATEPAIR_STATEDIR", svc.statedir);
	/* Our children run as the same user: none of them may look into this process. */
	if (!GATEPAIR_ASAN && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_warn("services: core files cannot be turned off: %s", strerror(errno));
	rc = open_all();
	if (rc) {
		log_err("services: cannot start: %s", uv_strerror(rc));
		exit(EXIT_FAILURE);
	}
	service_rearm();
	for (;;)
		uv_run(&svc.loop, UV_RUN_DEFAULT);
}
