/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netcfgd's engine on the real kernel, in a network namespace of its own: configure, restart,
 * lease, adopt, repair, reload, the kernel's own backstop. Needs root, or user namespaces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netcfgd/engine.h"

extern char **environ;

#define MS USEC_PER_MS

static char file[] = "/tmp/gatepair-test-engine-XXXXXX";
static struct engine e;
static struct config *site; /* the last that was committed */
static unsigned errors, link_events;
static char last_error[APPLY_TEXT_MAX * 2];

static void on_links(void *owner)
{
	(void)owner;
	link_events++;
}

static void on_error(void *owner, const char *text)
{
	(void)owner;
	errors++;
	snprintf(last_error, sizeof(last_error), "%s", text);
}

static void on_lease(void *owner, const char *why, usec_t took)
{
	(void)owner;
	(void)why;
	(void)took;
}

static const struct engine_ops ops = {on_links, on_error, on_lease};

/* --- tools ----------------------------------------------------------------------------------- */

static int run(const char *command)
{
	char copy[256], *argv[32] = {0};
	size_t n = 0;
	int status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", command);
	for (char *save = NULL, *s = strtok_r(copy, " ", &save); s && n < 31;
		s = strtok_r(NULL, " ", &save))
		argv[n++] = s;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must(const char *command)
{
	if (run(command) != 0)
		fail_msg("%s failed", command);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int read_number(const char *path)
{
	char text[32] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return (int)strtol(text, NULL, 10);
}

#define LAN                                                                                        \
	"node = \"gw-01\"\n"                                                                       \
	"interface \"ge2\" { role = lan address = {\"10.0.0.2/24\"} }\n"                           \
	"interface \"ge3\" { role = wan address = {\"203.0.113.2/24\"} }\n"                        \
	"cluster { priority = 150 }\n"
#define ROUTE "route \"0.0.0.0/0\" { via = \"203.0.113.1\" }\n"
#define VRRP_WAN                                                                                   \
	"vrrp \"wan\" { interface = \"ge3\" vrid = 12 virtual-address = {\"203.0.113.10/24\"} }\n" \
	"nat { interface = \"ge3\" to = virtual }\n"
#define VRRP_LAN                                                                                   \
	"vrrp \"lan\" { interface = \"ge2\" vrid = 10 virtual-address = {\"10.0.0.100/24\", "      \
	"\"10.0.0.101/24\", \"10.0.0.102/24\", \"10.0.0.103/24\", \"10.0.0.104/24\", "             \
	"\"10.0.0.105/24\", \"10.0.0.106/24\", \"10.0.0.107/24\", \"10.0.0.108/24\"} }\n"
#define SITE LAN ROUTE VRRP_WAN VRRP_LAN

static int commit(struct engine *en, const char *text)
{
	struct config *cfg = NULL;
	char why[512] = "";
	int rc;

	write_text(file, text);
	if (config_load(file, NULL, &cfg, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	rc = engine_prepare(en, cfg, why, sizeof(why));
	if (rc) {
		config_free(cfg);
		return rc;
	}
	rc = engine_commit(en, cfg, why, sizeof(why));
	config_free(site);
	site = cfg;
	return rc;
}

static struct lease_reply lease(enum lease_event_kind kind, uint64_t term, usec_t ttl)
{
	struct lease_event ev = {.kind = kind, .term = term, .ttl = ttl};

	return engine_lease(&e, &ev, clock_now_us());
}

/* What main.c's loop does, until `done` or the deadline; how long that took. */
static usec_t loop(usec_t time, bool (*done)(void))
{
	usec_t start = clock_now_us(), now = start;

	while (now - start < time && !(done && done())) {
		struct pollfd p[2] = {{.fd = e.observe.events.fd, .events = POLLIN},
			{.fd = e.nft.events.fd, .events = POLLIN}};
		usec_t due = engine_due(&e), wait = start + time;

		if (due < wait)
			wait = due > now ? due : now;
		if (ppoll(p, 2,
			    &(struct timespec){.tv_nsec = (long)(wait - now) % USEC_PER_SEC * 1000},
			    NULL) > 0)
			engine_readable(&e, clock_now_us());
		now = clock_now_us();
		if (now >= engine_due(&e))
			engine_tick(&e, now);
	}
	return now - start;
}

static bool is_settled(void)
{
	static struct plan plan;

	reconcile_plan(e.d, e.lease.held, &e.k, RECONCILE_ALL, &plan);
	return plan.n == 0 && e.repair_at == USEC_NEVER && e.follow_at == USEC_NEVER;
}

static size_t virtuals_up(void)
{
	size_t n = 0;

	for (size_t i = e.d->n_static; i < e.d->n_addrs; i++)
		n += engine_holds(&e, &e.d->addrs[i]);
	return n;
}

static int begin(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
		print_error("this test needs root, or user namespaces\n");
		return -1;
	}
	errors = 0;
	must("ip link add ge2 type veth peer name p2");
	must("ip link add ge3 type veth peer name p3");
	must("ip link set p2 up");
	must("ip link set p3 up");
	return engine_init(&e, &ops, NULL);
}

static int end(void **state)
{
	(void)state;
	engine_fini(&e);
	config_free(site);
	site = NULL;
	return 0;
}

static void restart(void)
{
	engine_fini(&e);
	assert_int_equal(engine_init(&e, &ops, NULL), 0);
	assert_int_equal(commit(&e, SITE), 0);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_configure_and_restart(void **state)
{
	(void)state;
	assert_int_equal(commit(&e, SITE), 0);
	assert_int_equal(errors, 0);
	assert_true(e.operations > 10);
	assert_true(is_settled());
	assert_int_equal(read_number("/proc/sys/net/ipv4/ip_forward"), 1);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/ge2/arp_ignore"), 1);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/vr10.ge2/rp_filter"), 2);
	assert_int_equal(read_number("/proc/sys/net/netfilter/nf_conntrack_tcp_loose"), 0);
	assert_int_equal(read_number("/proc/sys/net/netfilter/nf_conntrack_events"), 1);
	assert_false(kernel_link_by_name(&e.k, "vr10.ge2")->up);
	assert_int_equal(HASH_COUNT(e.k.routes), 1);
	/* The same again, and again after a restart: not one write. */
	e.operations = 0;
	assert_int_equal(commit(&e, SITE), 0);
	assert_int_equal(e.operations, 0);
	restart();
	assert_int_equal(e.operations, 0);
	assert_false(e.lease.held);
}

static void test_lease_speed(void **state)
{
	usec_t take = 0, drop = 0;

	(void)state;
	assert_int_equal(commit(&e, SITE), 0);
	for (uint64_t term = 1; term <= 5; term++) {
		assert_int_equal(lease(LEASE_EV_ACQUIRE, term, USEC_PER_SEC).result, LEASE_RES_OK);
		assert_int_equal(virtuals_up(), 10);
		assert_true(e.k.fw.gate_open);
		take = e.last_take > take ? e.last_take : take;
		assert_int_equal(lease(LEASE_EV_RELEASE, term, 0).result, LEASE_RES_OK);
		assert_int_equal(virtuals_up(), 0);
		assert_false(e.k.fw.gate_open);
		drop = e.last_drop > drop ? e.last_drop : drop;
		loop(USEC_PER_SEC, is_settled);
		assert_false(kernel_link_by_name(&e.k, "vr10.ge2")->up);
	}
	print_message("10 addresses: taken in at most %lld µs, dropped in at most %lld µs\n",
		(long long)take, (long long)drop);
	/* Far above what it takes, far below what would hurt. */
	assert_true(take < 20 * MS);
	assert_true(drop < 20 * MS);
	assert_int_equal(errors, 0);
}

static bool not_held(void)
{
	return !e.lease.held;
}

static void test_lapse(void **state)
{
	usec_t asked;

	(void)state;
	assert_int_equal(commit(&e, SITE), 0);
	asked = clock_now_us();
	lease(LEASE_EV_ACQUIRE, 1, 50 * MS);
	loop(500 * MS, not_held);
	assert_true(!e.lease.held && clock_now_us() - asked >= 50 * MS);
	assert_int_equal(virtuals_up(), 0);
	assert_false(e.k.fw.gate_open);
	assert_int_equal(e.lease.lapses, 1);
}

static void test_adopt(void **state)
{
	(void)state;
	assert_int_equal(commit(&e, SITE), 0);
	lease(LEASE_EV_ACQUIRE, 4, 10 * USEC_PER_SEC);
	restart();
	assert_int_equal(e.operations, 0);
	assert_true(e.lease.held && e.lease.adopted);
	assert_int_equal(lease(LEASE_EV_RENEW, 4, USEC_PER_SEC).result, LEASE_RES_OK);
	assert_int_equal(virtuals_up(), 10);
	/* The gate is open: the lease was held, and what is missing is added. */
	must("ip addr del 10.0.0.103/32 dev vr10.ge2");
	restart();
	assert_true(e.lease.held && e.lease.adopted);
	assert_int_equal(virtuals_up(), 10);
	/* It is closed: whoever died was taking the lease or giving it up. */
	must("nft flush set inet gatepair gate");
	must("nft flush set arp gatepair gate");
	restart();
	assert_false(e.lease.held);
	assert_int_equal(virtuals_up(), 0);
	assert_false(e.k.fw.gate_open);
}

static usec_t repaired(const char *damage)
{
	uint64_t repairs = e.repairs;
	usec_t start;

	loop(10 * MS, NULL);
	must(damage);
	start = clock_now_us();
	engine_readable(&e, start);
	loop(USEC_PER_SEC, is_settled);
	if (e.repairs == repairs)
		fail_msg("not noticed: %s", damage);
	return clock_now_us() - start;
}

static void test_repairs(void **state)
{
	static const char *const damages[] = {
		"ip addr del 10.0.0.103/32 dev vr10.ge2",
		"ip addr del 10.0.0.2/24 dev ge2",
		"ip addr flush dev ge3",
		"ip route del default",
		"ip link set ge3 down",
		"ip link set vr12.ge3 down",
		"ip link del vr10.ge2",
		"ip addr add 10.0.0.100/24 dev ge2",
		"nft delete table inet gatepair",
		"nft flush ruleset",
		"nft flush chain inet gatepair forward",
		"nft add rule inet gatepair forward accept",
		"nft flush set inet gatepair gate",
		"nft delete element inet gatepair gate { ipv4 }",
		"nft delete table arp gatepair",
		"nft flush set arp gatepair gate",
		"nft flush chain arp gatepair output",
		"ip route replace default via 203.0.113.77",
	};
	usec_t worst = 0;

	(void)state;
	assert_int_equal(commit(&e, SITE), 0);
	lease(LEASE_EV_ACQUIRE, 1, 100 * USEC_PER_SEC);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		usec_t took = repaired(damages[i]);

		worst = took > worst ? took : worst;
		assert_int_equal(virtuals_up(), 10);
		assert_true(e.k.fw.gate_open);
		assert_int_equal(HASH_COUNT(e.k.routes), 1);
		assert_true(e.lease.held);
	}
	print_message("%zu kinds of damage, each put back within %lld µs\n",
		sizeof(damages) / sizeof(damages[0]), (long long)worst);
	assert_true(worst < 50 * MS);
	/* A stranger cannot take connection tracking away. */
	must("nft list table inet gatepair-hold");
	/* Nothing of a stranger's is touched. */
	must("ip addr add 172.16.0.1/24 dev ge2");
	must("ip route add 172.17.0.0/16 via 172.16.0.9");
	must("ip link add other type veth peer name other2");
	loop(50 * MS, NULL);
	assert_int_equal(commit(&e, SITE), 0);
	must("ip addr del 172.16.0.1/24 dev ge2");
	must("ip link del other");
}

static void test_reload(void **state)
{
	uint64_t ops_before;

	(void)state;
	write_text("/proc/sys/net/ipv4/conf/ge3/arp_ignore", "2\n");
	assert_int_equal(commit(&e, SITE), 0);
	lease(LEASE_EV_ACQUIRE, 1, 100 * USEC_PER_SEC);
	/* Refused: nothing changes. */
	must("ip link add vr44.ge2 type veth peer name vr44p");
	loop(20 * MS, NULL);
	ops_before = e.operations;
	assert_true(commit(&e, SITE "vrrp \"x\" { interface = \"ge2\" vrid = 44 virtual-address = "
				    "{\"10.0.0.44/24\"} }\n") < 0);
	assert_int_equal(e.operations, ops_before);
	must("ip link del vr44.ge2");
	/* A vrrp and the route go while the lease is held: the rest stays. */
	assert_int_equal(commit(&e, LAN VRRP_LAN), 0);
	assert_null(kernel_link_by_name(&e.k, "vr12.ge3"));
	assert_int_equal(virtuals_up(), 9);
	assert_int_equal(HASH_COUNT(e.k.routes), 0);
	/* An interface goes: its address and its switches with it. */
	assert_int_equal(commit(&e, "node = \"gw-01\"\ninterface \"ge2\" { role = lan address = "
				    "{\"10.0.0.2/24\"} }\n"),
		0);
	assert_int_equal(kernel_link_by_name(&e.k, "ge3")->n_addrs, 0);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/ge3/arp_ignore"), 2);
	assert_null(kernel_link_by_name(&e.k, "vr10.ge2"));
	assert_int_equal(errors, 0);
}

/* A vlan on a kernel without them, an interface that is not there: said once, the rest is done. */
static void test_partial(void **state)
{
	(void)state;
	assert_int_equal(
		commit(&e, SITE "interface \"ge9\" { role = lan }\n"
				"vlan \"ge2.10\" { parent = \"ge2\" id = 10 role = lan }\n"),
		0);
	assert_true(errors == 1 || errors == 2);
	assert_non_null(strstr(last_error, "interface ge"));
	assert_int_equal(lease(LEASE_EV_ACQUIRE, 1, USEC_PER_SEC).result, LEASE_RES_OK);
	loop(1500 * MS, NULL);
	assert_true(errors <= 2);
	/* It is plugged in. */
	must("ip link add ge9 type veth peer name p9");
	loop(100 * MS, NULL);
	assert_true(kernel_link_by_name(&e.k, "ge9")->up);
}

/* Every process gone at once: the kernel drops the addresses by itself. */
static void test_backstop(void **state)
{
	(void)state;
	assert_int_equal(commit(&e, LAN VRRP_LAN), 0);
	lease(LEASE_EV_ACQUIRE, 1, 100 * USEC_PER_SEC);
	loop(2500 * MS, NULL);
	assert_int_equal(virtuals_up(), 9);
	assert_true(e.refreshes >= 18);
	for (int i = 0; i < 60 && observe_drain(&e.observe) >= 0 && virtuals_up(); i++)
		usleep(100000);
	assert_int_equal(virtuals_up(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_configure_and_restart, begin, end),
		cmocka_unit_test_setup_teardown(test_lease_speed, begin, end),
		cmocka_unit_test_setup_teardown(test_lapse, begin, end),
		cmocka_unit_test_setup_teardown(test_adopt, begin, end),
		cmocka_unit_test_setup_teardown(test_repairs, begin, end),
		cmocka_unit_test_setup_teardown(test_reload, begin, end),
		cmocka_unit_test_setup_teardown(test_partial, begin, end),
		cmocka_unit_test_setup_teardown(test_backstop, begin, end),
	};
	int fd = mkstemp(file), rc;

	if (fd < 0)
		return EXIT_FAILURE;
	close(fd);
	/* As the supervisor starts netcfgd; where it is not allowed, the times are the machine's.
	 */
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 12}) < 0)
		print_message("no real-time priority\n");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	return rc;
}
