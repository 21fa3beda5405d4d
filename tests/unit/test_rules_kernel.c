/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's rules on the real kernel, in a network namespace of its own: what nft(8) loads
 * becomes part of the policy, and what is there then, taken again, is the same. Needs root, or user
 * namespaces, and nft.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/config_rules.h"
#include "netcfgd/engine_internal.h"

static struct engine e;
static char last_error[512];

static void on_links(void *owner)
{
	(void)owner;
}

static void on_error(void *owner, const char *text)
{
	(void)owner;
	snprintf(last_error, sizeof(last_error), "%s", text);
}

static void on_lease(void *owner, const char *why, usec_t took)
{
	(void)owner;
	(void)why;
	(void)took;
}

static const struct engine_ops ops = {
	.links_changed = on_links, .error = on_error, .lease_changed = on_lease};

static int nft(const char *script)
{
	int fd = memfd_create("script", 0), status = -1;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, script, strlen(script)), strlen(script));
	lseek(fd, 0, SEEK_SET);
	pid = fork();
	if (pid == 0) {
		dup2(fd, 0);
		execl(CONFIG_RULES_NFT, "nft", "-f", "-", (char *)NULL);
		_exit(127);
	}
	close(fd);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void commit(char *rules)
{
	static struct config_interface interfaces[2];
	static struct config cfg;
	char why[512] = "";

	interfaces[0] = (struct config_interface){
		.name = "ge2", .kind = CONFIG_LINK_PORT, .role = CONFIG_ROLE_LAN};
	interfaces[1] = (struct config_interface){
		.name = "ge3", .kind = CONFIG_LINK_PORT, .role = CONFIG_ROLE_WAN};
	cfg = (struct config){.interfaces = interfaces, .n_interfaces = 2};
	cfg.firewall.rules = rules;
	if (engine_commit(&e, &cfg, why, sizeof(why)) != 0)
		fail_msg("%s", why);
}

/* As the services process does. */
static bool load(const char *rules)
{
	char *script = config_rules_script(rules, USERRULES_STAGE, false), why[400];
	int line = 0;

	assert_non_null(script);
	if (config_rules_scan(rules, &line, why, sizeof(why)) != 0)
		fail_msg("line %d: %s", line, why);
	if (nft(script) != 0) {
		free(script);
		return false;
	}
	free(script);
	engine_take_rules(&e, userrules_hash(rules), clock_now_us());
	if (!e.k.fw.complete || e.k.fw.hash != e.d->fw_hash)
		fail_msg("%s: %s", rules, last_error);
	return true;
}

static char *const texts[] = {
	(char[]){"chain user_forward { accept; }"},
	(char[]){"chain user_input { tcp dport { 22, 80, 8000-8080 } ip saddr != { 10.0.0.0/8, "
		 "192.168.0.0/16 } counter drop comment \"x\"; }"},
	(char[]){"set a { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, "
		 "10.0.0.1-10.0.0.9, 0.0.0.0-0.255.255.255, 224.0.0.0-255.255.255.255 }; }\n"
		 "set b { type ipv6_addr; flags interval; elements = { fd00::/8, ::1, "
		 "fe80::1-fe80::9 "
		 "}; }\n"
		 "chain user_input { ip saddr @a drop; ip6 saddr @b drop; }"},
	(char[]){"set adjacent { type inet_service; flags interval; elements = { 1-10, 11-20, "
		 "21, 30-40, 65535 }; }\nchain user_input { tcp dport @adjacent drop; }"},
	(char[]){"set c { type ipv4_addr . inet_service; flags interval; elements = { "
		 "10.0.0.0/24 . 80-90, 10.1.0.0-10.1.0.7 . 443 }; }\n"
		 "set d { type ifname . ipv4_addr . inet_proto; elements = { \"ge2\" . 1.2.3.4 . "
		 "tcp "
		 "}; }\n"
		 "chain user_input { ip saddr . tcp dport @c drop; }"},
	(char[]){"map m { type ipv4_addr : verdict; elements = { 1.1.1.1 : drop, 2.2.2.2 : jump "
		 "far, * : accept }; }\nchain far { return; }\n"
		 "chain user_forward { ip saddr vmap @m; tcp dport vmap { 1 : accept, 2-9 : goto "
		 "far "
		 "}; }"},
	(char[]){"map r { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.0.0.5 "
		 ". 8080, 81 : 10.0.0.6 . 1 }; }\n"
		 "chain user_prerouting { dnat ip to tcp dport map @r; tcp dport 99 redirect to "
		 ":22; meta l4proto udp dnat ip to ip saddr map { 1.1.1.1 : 2.2.2.2 }; ip6 daddr "
		 "fd00::1 tcp dport 80 dnat ip6 to [fd00::2]:80; }\n"
		 "chain user_postrouting { oifname \"ge3\" masquerade random; ip saddr 10.0.0.9 "
		 "snat "
		 "ip to 1.2.3.4-1.2.3.9 persistent; ip protocol tcp snat ip to 1.2.3.4:1000-2000; "
		 "}"},
	(char[]){"set seen { type ipv4_addr; size 100; flags dynamic,timeout; timeout 1h; }\n"
		 "set lim { type ipv4_addr; size 65535; flags dynamic; }\n"
		 "chain user_input { tcp dport 22 add @seen { ip saddr timeout 10m } accept; "
		 "update @lim { ip saddr limit rate over 5/minute burst 3 packets } drop; "
		 "ct state new meter ssh { ip saddr limit rate 2/second } accept; }"},
	(char[]){"set t { type ipv4_addr; flags timeout; elements = { 1.1.1.1 timeout 1h expires "
		 "30m }; }\nset cnt { type ipv4_addr; counter; elements = { 1.1.1.1, 2.2.2.2 }; }\n"
		 "chain user_input { ip saddr @t drop; ip saddr @cnt drop; }"},
	(char[]){"counter c { comment \"mine\"; }\nquota q { over 10 mbytes; }\n"
		 "limit l { rate 10/second burst 20 packets; }\n"
		 "ct helper h { type \"ftp\" protocol tcp; l3proto ip; }\n"
		 "ct timeout to { protocol tcp; l3proto ip; policy = { established: 100, close: 4 "
		 "}; "
		 "}\n"
		 "map names { type ipv4_addr : counter; elements = { 1.1.1.1 : \"c\" }; }\n"
		 "chain user_forward { counter name \"c\"; quota name \"q\" drop; limit name \"l\" "
		 "accept; tcp dport 21 ct helper set \"h\"; ct timeout set \"to\"; counter name ip "
		 "saddr map @names; }"},
	(char[]){"chain user_forward { tcp dport 1 jump { ip saddr 1.1.1.1 accept; tcp dport 5 "
		 "drop; }; accept; }"},
	(char[]){"define A = { 10.0.0.1, 10.0.0.2 }\ndefine P = 99\n"
		 "chain user_forward { ip saddr $A tcp dport $P accept; iifname @wan oifname @lan "
		 "ct "
		 "status dnat accept; ip daddr @virtual meta nfproto @gate accept; }"},
	(char[]){"# nothing at all\n"},
};

/* Each alone. */
static const char *const single[][2] = {
	{"user_forward", "tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu"},
	{"user_forward", "tcp option maxseg size set 1400"},
	{"user_forward", "tcp option maxseg size 1-500 drop"},
	{"user_forward", "reset tcp option sack-perm"},
	{"user_forward", "reset tcp option 30 accept"},
	{"user_forward", "log prefix \"a b \" level info flags all"},
	{"user_forward", "log group 5 snaplen 10"},
	{"user_forward", "reject with icmpx admin-prohibited"},
	{"user_forward", "queue num 1-3 bypass,fanout"},
	{"user_forward", "meta mark set ct mark and 0xff or 0x100"},
	{"user_forward", "ct mark set meta mark"},
	{"user_forward", "ip dscp set cs1"},
	{"user_forward", "ip6 hoplimit set 64"},
	{"user_forward", "ip ttl < 5 drop"},
	{"user_forward", "quota over 5 kbytes drop"},
	{"user_forward", "ct expiration 10s drop"},
	{"user_forward", "notrack"},
	{"user_forward", "counter packets 5 bytes 6"},
	{"user_forward", "ct state vmap { new : accept, invalid : drop }"},
	{"user_forward", "ip saddr . tcp dport { 1.1.1.1 . 80, 2.2.2.2 . 443 } accept"},
	{"user_forward",
		"ip saddr 10.0.0.0/24 ip daddr 10.0.1.0/24 tcp sport 1-1000 tcp dport != 22 drop"},
	{"user_input", "fib saddr . iif oif missing drop"},
	{"user_input", "numgen random mod 10 < 3 drop"},
	{"user_input", "jhash ip saddr mod 4 seed 0xdead == 1 accept"},
	{"user_input", "meta hour \"08:00\"-\"18:00\" accept"},
	{"user_input", "meta day { \"Monday\", \"Friday\" } drop"},
	{"user_input", "meta skuid 0 accept"},
	{"user_input", "ct count over 20 reject with tcp reset"},
	{"user_input", "ct original ip saddr 10.0.0.1 accept"},
	{"user_input", "ct label 1 drop"},
	{"user_input", "ct bytes > 100000 drop"},
	{"user_input", "limit rate over 1 mbytes/second drop"},
	{"user_input", "exthdr frag exists drop"},
	{"user_input", "rt type 0 drop"},
	{"user_input", "iifname \"vr*\" accept"},
	{"user_input", "pkttype broadcast drop"},
	{"user_input", "icmp type { echo-request, 0-5 } accept"},
	{"user_input", "icmpv6 code 1 drop"},
	{"user_input", "@th,16,16 53 drop"},
	{"user_input", "udp length 10-20 drop"},
	{"user_input", "vlan id 5 drop"},
	{"user_input", "ether saddr 02:00:00:00:00:01 drop"},
	{"user_input", "socket transparent 1 accept"},
	{"user_input", "synproxy mss 1460 wscale 7"},
	{"user_input", "osf name \"Linux\" accept"},
	{"user_input", "ip frag-off & 0x1fff != 0 drop"},
	{"user_input", "sctp dport 5 drop"},
	{"user_input", "ip6 saddr & ::ffff == ::1 drop"},
	{"user_input", "ct helper \"ftp\" accept"},
	{"user_input", "mark 5 accept"},
	{"user_input", "iifname . oifname { \"a\" . \"b\" } drop"},
};
/* What a kernel may be built without, by how the rules begin. */
static const char *const may_lack[] = {"queue ", "synproxy ", "osf ", "socket "};

static void round_trip(char *rules)
{
	size_t len;

	commit(rules);
	assert_int_equal(engine_rules_wanted(&e), userrules_hash(rules));
	if (!load(rules))
		fail_msg("nft does not take: %s", rules);
	assert_int_equal(engine_rules_wanted(&e), 0);
	len = e.nft.user.len;
	/* What is in force, looked at as a new process does. */
	if (nft_observe(&e.nft, e.d) != 0 || e.k.fw.stale)
		fail_msg("not recognised: %s", rules);
	if (e.nft.user.len != len)
		fail_msg("%zu bytes, now %zu: %s", len, e.nft.user.len, rules);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		round_trip(texts[i]);
}

static bool skippable(const char *rule)
{
	for (size_t i = 0; i < sizeof(may_lack) / sizeof(may_lack[0]); i++)
		if (strncmp(rule, may_lack[i], strlen(may_lack[i])) == 0)
			return true;
	return false;
}

static void test_single_rules(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		char *script;

		snprintf(text, sizeof(text), "chain %s { %s; }", single[i][0], single[i][1]);
		script = config_rules_script(text, "trial", true);
		assert_non_null(script);
		if (nft(script) == 0)
			round_trip(text);
		else if (skippable(single[i][1]))
			print_message("this kernel lacks: %s\n", single[i][1]);
		else
			fail_msg("nft does not take: %s", text);
		free(script);
	}
	nft("delete table inet trial");
}

static void test_heal(void **state)
{
	uint64_t repairs;

	(void)state;
	commit(texts[5]);
	assert_true(load(texts[5]));
	for (int i = 0; i < 3; i++) {
		static const char *const damage[] = {"flush ruleset",
			"flush chain inet gatepair user_forward",
			"delete element inet gatepair m { 1.1.1.1 }"};
		usec_t now = clock_now_us() + 60 * USEC_PER_SEC * (i + 1);

		repairs = e.repairs;
		assert_int_equal(nft(damage[i]), 0);
		engine_readable(&e, now);
		assert_int_equal(e.repairs, repairs + 1);
		assert_true(e.k.fw.complete && !e.k.fw.stale);
		/* No other program had to be asked. */
		assert_int_equal(engine_rules_wanted(&e), 0);
		assert_int_equal(nft("delete element inet gatepair m { 1.1.1.1 }\n"
				     "add element inet gatepair m { 1.1.1.1 : drop }"),
			0);
		engine_readable(&e, now + 30 * USEC_PER_SEC);
	}
}

/* Both at once from the first moment, or a closed gate. */
static void test_start(void **state)
{
	struct lease_event take = {.kind = LEASE_EV_ACQUIRE, .term = 9, .ttl = USEC_PER_SEC};

	(void)state;
	engine_fini(&e);
	assert_int_equal(nft("flush ruleset"), 0);
	assert_int_equal(engine_init(&e, &ops, NULL), 0);
	commit(texts[0]);
	assert_true(e.k.fw.present && !e.k.fw.complete && !e.k.fw.gate_open);
	assert_int_equal(engine_lease(&e, &take, clock_now_us()).result, LEASE_RES_FAILED);
	assert_non_null(strstr(last_error, "not loaded yet"));
	assert_false(e.k.fw.gate_open);
	assert_true(load(texts[0]));
	assert_true(e.k.fw.complete && !e.k.fw.gate_open);
	take.term++;
	assert_int_equal(engine_lease(&e, &take, clock_now_us()).result, LEASE_RES_OK);
	assert_true(e.k.fw.gate_open);
	/* A change of the rules closes nothing, and waits. */
	commit(texts[1]);
	assert_true(e.k.fw.complete && e.k.fw.gate_open);
	assert_int_not_equal(e.k.fw.hash, e.d->fw_hash);
	assert_true(load(texts[1]));
	assert_true(e.k.fw.gate_open);
	assert_int_equal(e.k.fw.hash, e.d->fw_hash);
}

/* What the kernel refuses in the end costs the operator's rules, not the policy. */
static void test_refused(void **state)
{
	struct nlmsghdr *first;

	(void)state;
	commit(texts[1]);
	assert_true(load(texts[1]));
	first = (struct nlmsghdr *)(void *)e.nft.user.buf;
	first->nlmsg_type |= 0xff;
	assert_int_equal(nft("flush ruleset"), 0);
	engine_readable(&e, clock_now_us() + 50 * USEC_PER_MS);
	assert_true(e.k.fw.present && !e.k.fw.stale && !e.k.fw.complete);
	assert_false(e.k.fw.gate_open);
	assert_int_equal(engine_rules_wanted(&e), userrules_hash(texts[1]));
	assert_true(load(texts[1]));
	assert_true(e.k.fw.complete);
}

/* Makes the kernel refuse the rule: an expression of it is not known there. */
static void spoil(const char *expression)
{
	char *at = memmem(e.nft.user.buf, e.nft.user.len, expression, strlen(expression) + 1);

	assert_non_null(at);
	*at = 'X';
}

static bool refuses(const char *words)
{
	char text[APPLY_TEXT_MAX];

	return engine_rules_refused(&e, text, sizeof(text)) && strstr(text, words);
}

/* Passed by nft(8), refused in the end: those before stay, and people are told which it was. */
static void test_mismatch(void **state)
{
	struct lease_event take = {.kind = LEASE_EV_ACQUIRE, .term = 20, .ttl = USEC_PER_SEC};
	char rules[] =
		"chain user_input { tcp dport 1 drop; tcp dport 2 limit rate 5/second drop; }";
	char *script = config_rules_script(rules, USERRULES_STAGE, false);
	uint64_t hash;

	(void)state;
	assert_non_null(script);
	commit(texts[0]);
	assert_true(load(texts[0]));
	hash = e.k.fw.hash;
	for (int fresh = 0; fresh < 2; fresh++) {
		if (fresh) {
			engine_fini(&e);
			assert_int_equal(nft("flush ruleset"), 0);
			assert_int_equal(engine_init(&e, &ops, NULL), 0);
		}
		commit(rules);
		assert_int_equal(nft(script), 0);
		assert_int_equal(nft_take_staged(&e.nft, userrules_hash(rules)), 0);
		spoil("limit");
		engine_settle(&e, SETTLE_CONFIG, clock_now_us());
		assert_int_equal(engine_rules_wanted(&e), userrules_hash(rules));
		assert_true(refuses("rule 2 of chain user_input"));
		assert_true(refuses(fresh ? "nothing is forwarded" : "stay in force"));
		assert_true(e.k.fw.complete == !fresh && !e.k.fw.stale);
		take.term++;
		assert_int_equal(engine_lease(&e, &take, clock_now_us()).result,
			fresh ? LEASE_RES_FAILED : LEASE_RES_OK);
		assert_true(e.k.fw.gate_open == !fresh);
		if (!fresh)
			assert_int_equal(e.k.fw.hash, hash);
	}
	assert_true(load(rules));
	assert_false(refuses(""));
	free(script);
}

/* More happens in others' tables than we can hear of. */
static void test_lost_notifications(void **state)
{
	const int small = 1;
	char script[16384];
	size_t len = 0;
	uint64_t repairs;

	(void)state;
	commit(texts[1]);
	assert_true(load(texts[1]));
	for (int i = 0; i < 200; i++)
		len += (size_t)snprintf(script + len, sizeof(script) - len,
			"add table inet other%d\nadd chain inet other%d c\n", i, i);
	assert_int_equal(
		setsockopt(e.nft.events.fd, SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof(small)), 0);
	engine_readable(&e, clock_now_us() + 300 * USEC_PER_SEC);
	repairs = e.repairs;
	assert_int_equal(nft(script), 0);
	engine_readable(&e, clock_now_us() + 320 * USEC_PER_SEC);
	assert_false(e.k.fw.stale);
	assert_int_equal(e.repairs, repairs);
	/* Ours among them. */
	snprintf(script + len, sizeof(script) - len, "flush chain inet gatepair user_input\n");
	assert_int_equal(nft(script), 0);
	engine_readable(&e, clock_now_us() + 340 * USEC_PER_SEC);
	assert_false(e.k.fw.stale);
	assert_int_equal(e.repairs, repairs + 1);
}

static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		fprintf(stderr, "test_rules_kernel needs root or user namespaces: %s\n",
			strerror(errno));
		return -1;
	}
	return engine_init(&e, &ops, NULL);
}

static int teardown(void **state)
{
	(void)state;
	engine_fini(&e);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_single_rules),
		cmocka_unit_test(test_heal),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_lost_notifications),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
