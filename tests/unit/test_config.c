/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration's refusals: a table of bad files and the message that each must give. A bad
 * file is the good sample with one line replaced.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_internal.h"
#include "common/model.h"
#include "tests/unit/config_mistakes.h"
#include "tests/unit/config_sample.h"

static char folder[] = "/tmp/gatepair-test-XXXXXX";
static char file[64];

static void write_file(const char *path, const void *bytes, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* The sample with the first `from` replaced by `to`; malloc()ed. */
static char *edited(const char *from, const char *to)
{
	const char *at = strstr(SAMPLE_CONFIG, from);
	char *out = NULL;

	assert_non_null(at);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - SAMPLE_CONFIG), SAMPLE_CONFIG, to,
			    at + strlen(from)) > 0);
	return out;
}

/* The sample without what config_support() refuses. */
static char *supported(void)
{
	static const struct {
		const char *from, *to;
	} edits[] = {
		{"unicast-peer = {\"10.0.10.3\"}", ""},
	};
	char *text = strdup(SAMPLE_CONFIG);

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		char *at = strstr(text, edits[i].from), *next = NULL;

		assert_non_null(at);
		assert_true(asprintf(&next, "%.*s%s%s", (int)(at - text), text, edits[i].to,
				    at + strlen(edits[i].from)) > 0);
		free(text);
		text = next;
	}
	return text;
}

static int load_text(
	const char *text, size_t n, const char *statedir, struct config **cfg, char err[512])
{
	write_file(file, text, n, 0600);
	return config_load(file, statedir, cfg, err, 512);
}

static bool starts_with(const char *s, const char *prefix, size_t n)
{
	return strncmp(s, prefix, n) == 0;
}

static void test_refusals(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(config_mistakes) / sizeof(config_mistakes[0]); i++) {
		struct config *cfg = NULL;
		char err[512] = "";
		char *text = edited(config_mistakes[i].from, config_mistakes[i].to);
		size_t n = strlen(file);

		if (load_text(text, strlen(text), NULL, &cfg, err) == 0)
			fail_msg("accepted: %s", config_mistakes[i].to);
		assert_true(starts_with(err, file, n) && err[n] == ':');
		if (!starts_with(err + n + 1, config_mistakes[i].message,
			    strlen(config_mistakes[i].message))) {
			print_error("%s\n  gives   %s\n  not     %s\n", config_mistakes[i].to,
				err + n + 1, config_mistakes[i].message);
			wrong++;
		}
		if (!strchr(err + n, ';') && !strstr(err, "not one of") &&
			!strstr(err, "\"virtual\" or"))
			fail_msg("no next action: %s", err);
		assert_null(cfg);
		free(text);
	}
	assert_int_equal(wrong, 0);
}

/* What the sample's bridge, bond, port and routes are. */
static void assert_links(const struct config *cfg)
{
	const struct config_interface *br = config_interface_find(cfg, "br0");
	const struct config_interface *bond = config_interface_find(cfg, "bond0");
	const struct config_interface *p5 = config_interface_find(cfg, "p5");
	const struct config_interface *p7 = config_interface_find(cfg, "p7");

	assert_int_equal(cfg->model, CONFIG_MODEL_GENERIC);
	assert_int_equal(br->kind, CONFIG_LINK_BRIDGE);
	assert_int_equal(br->ports.n, 2);
	assert_true(br->stp && br->router_advert && br->dhcp_server && !br->implied);
	assert_memory_equal(br->mac, "\x52\x54\x00\x12\x34\x56", 6);
	assert_int_equal(ntohl(br->dhcp_range.from.s_addr), 0x0a001464);
	assert_int_equal(ntohl(br->dhcp_range.to.s_addr), 0x0a0014c8);
	assert_int_equal(br->dhcp_lease_time, 600 * USEC_PER_SEC);
	assert_int_equal(bond->kind, CONFIG_LINK_BOND);
	assert_int_equal(bond->bond_mode, CONFIG_BOND_LACP);
	assert_int_equal(bond->gateways.n, 1);
	assert_int_equal(bond->metric, 50);
	assert_int_equal(bond->dhcp_lease_time, 3600 * USEC_PER_SEC);
	/* A member has its master's role, and comes before it. */
	assert_int_equal(p5->kind, CONFIG_LINK_PORT);
	assert_true(p5->implied && p5 < br && p7 < bond);
	assert_string_equal(p5->master, "br0");
	assert_int_equal(p5->role, CONFIG_ROLE_LAN);
	assert_int_equal(p7->role, CONFIG_ROLE_WAN);
	assert_string_equal(config_interface_find(cfg, "p9")->device, "enp3s0");
	assert_string_equal(config_interface_find(cfg, "br0.30")->parent, "br0");
	assert_int_equal(cfg->n_routes, 5);
	assert_int_equal(cfg->routes[2].via.family, 0);
	assert_string_equal(cfg->routes[2].interface, "br0");
	assert_int_equal(cfg->routes[2].table, 100);
	assert_true(cfg->routes[3].blackhole);
	assert_true(config_prefix_equal(&cfg->routes[2].prefix, &cfg->routes[3].prefix));
	assert_int_equal(cfg->n_rules, 1);
	assert_int_equal(cfg->rules[0].mark, 7);
	assert_int_equal(cfg->rules[0].priority, 1000);
	assert_true(cfg->firewall.present && !cfg->firewall.rules);
}

static void test_sample(void **state)
{
	struct config *cfg = NULL;
	char err[512] = "", *text = supported();

	(void)state;
	if (load_text(text, strlen(text), NULL, &cfg, err) < 0)
		fail_msg("%s", err);
	free(text);
	assert_string_equal(cfg->node, "gw-01");
	assert_int_equal(cfg->n_interfaces, 12);
	assert_int_equal(config_interface_find(cfg, "ge2.10")->vlan_id, 10);
	assert_string_equal(config_interface_find(cfg, "ge2.10")->parent, "ge2");
	assert_links(cfg);
	assert_int_equal(cfg->cluster.preempt_delay, 30 * USEC_PER_SEC);
	assert_int_equal(cfg->cluster.heartbeat, 10 * USEC_PER_MS);
	assert_int_equal(cfg->vrrps[0].advert_interval, USEC_PER_SEC);
	assert_int_equal(cfg->vrrps[1].advert_interval, 100 * USEC_PER_MS);
	assert_int_equal(cfg->vrrps[1].checksum, CONFIG_CHECKSUM_LEGACY);
	assert_false(cfg->vrrps[1].virtual_mac);
	assert_int_equal(cfg->vrrps[2].version, 2);
	assert_string_equal(cfg->vrrps[2].password, "s3cret");
	assert_int_equal(cfg->nats[0].to, CONFIG_NAT_VIRTUAL);
	assert_int_equal(ntohl(cfg->sync.local.v4.s_addr), 0xa9fe4d01);
	assert_int_equal(cfg->sync.local.len, 32);
	assert_int_equal(cfg->sync.peer_fingerprint[1], 0x11);
	assert_true(cfg->portal.has_ca_fingerprint);
	assert_string_equal(cfg->proxy.host, "proxy.example");
	config_free(cfg);
}

/* Whatever this version does not do is refused with its own line, not the section's. */
static void test_unsupported(void **state)
{
	static const struct {
		const char *from, *to, *message;
	} t[] = {
		{"checksum = legacy", "\nunicast-peer = {\"10.0.10.3\"}",
			"25: vrrp \"voice\": this version sends to the multicast group only; "},
	};
	struct config *cfg = NULL;
	char err[512];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *text = supported(), *at = strstr(text, t[i].from), *bad_text = NULL;

		assert_non_null(at);
		assert_true(asprintf(&bad_text, "%.*s%s%s", (int)(at - text), text, t[i].to,
				    at + strlen(t[i].from)) > 0);
		assert_int_equal(
			load_text(bad_text, strlen(bad_text), NULL, &cfg, err), -EOPNOTSUPP);
		if (!starts_with(err + strlen(file) + 1, t[i].message, strlen(t[i].message)))
			fail_msg("%s, not %s", err, t[i].message);
		free(bad_text);
		free(text);
	}
}

/* --- models ----------------------------------------------------------------------------------- */

static const struct {
	const char *text;    /* behind `node = "a" model = ` */
	const char *message; /* behind "FILE:1: "; NULL: accepted */
} models[] = {
	{"zt400 interface ge1 { } interface ge2 { } interface ge3 { } interface ge4 { }", NULL},
	{"zt400 interface ge9 { role = lan }",
		"interface \"ge9\": zt400 has no port ge9; it has ge1 to ge4"},
	{"zt400 interface ge9 { }", "interface \"ge9\": zt400 has no port ge9; it has ge1 to ge4"},
	{"zt400 interface ge3 { address = {\"10.0.0.1/24\"} } interface ge4 { } sync { interface = "
	 "ge3 peer = \"10.0.0.2\" peer-fingerprint = \"" SAMPLE_FP "\" }",
		"sync: interface \"ge3\" does not have role = ha; the HA port of the zt400 is ge4, "
		"name that"},
	{"zt400 interface ge1 { role = lan }",
		"interface \"ge1\": port ge1 of the zt400 is for mgmt, not for lan; "},
	{"zt400 interface ge4 { role = lan }",
		"interface \"ge4\": port ge4 of the zt400 is for ha, not for lan; "},
	{"zt400 bridge br0 { ports = {ge2, ge3} role = lan }",
		"bridge \"br0\": port ge3 of the zt400 is for wan, not for lan; "},
	{"zt400 bond b0 { ports = {ge2, ge5} role = lan }",
		"bond \"b0\": zt400 has no port ge5; it has ge1 to ge4"},
	{"zt400 bond b0 { ports = {ge4} role = ha }", NULL},
	{"zt400 interface ge2 { device = eth2 } interface ge3 { }",
		"interface \"ge3\": device \"eth2\" is that of interface \"ge2\" too; "},
	{"zt400 interface ge2 { device = ge2 } interface ge3 { device = eth1 }", NULL},
	{"generic interface ge1 { role = lan device = ge2 } interface ge2 { role = lan device = "
	 "ge1 }",
		"interface \"ge1\": device \"ge2\" is the name of interface \"ge2\" in this "
		"file; "},
	{"zt600 interface ge2 { } interface ge3 { } interface ge5 { }", NULL},
	{"zt600 interface ge2 { role = wan }", NULL},
	{"zt600 interface ge2 { role = mgmt }",
		"interface \"ge2\": port ge2 of the zt600 is for lan or wan, not for mgmt; "},
	{"zt600 interface ge6 { role = lan }",
		"interface \"ge6\": zt600 has no port ge6; it has ge1 to ge5"},
	{"zt800 interface ge7 { role = wan } interface ge8 { } bridge b { ports = {ge1, ge5, ge6} "
	 "role = lan }",
		NULL},
	{"zt800 interface ge3 { role = wan }",
		"interface \"ge3\": port ge3 of the zt800 is for mgmt, not for wan; "},
	{"zt800 interface ge7 { role = lan }",
		"interface \"ge7\": port ge7 of the zt800 is for wan, not for lan; "},
	{"generic interface ge1 { }", "interface \"ge1\": role is missing; add it"},
};

static void test_models(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct config *cfg = NULL;
		char err[512] = "", text[400], want[300];
		int n = snprintf(text, sizeof(text), "node = a model = %s\n", models[i].text);
		int rc = load_text(text, (size_t)n, NULL, &cfg, err);

		snprintf(want, sizeof(want), "%s:1: %s", file,
			models[i].message ? models[i].message : "");
		if ((rc == 0) != !models[i].message ||
			(rc < 0 && !starts_with(err, want, strlen(want))))
			fail_msg("%s gives %s", text, rc == 0 ? "nothing" : err);
		config_free(cfg);
	}
}

/* What PRODUCT's table says: each model's ports, in the order of the kernel's. */
static void test_model_ports(void **state)
{
	static const char *const ports[] = {[CONFIG_MODEL_ZT400] = "mgmt lan wan ha",
		[CONFIG_MODEL_ZT600] = "mgmt lan lan ha wan",
		[CONFIG_MODEL_ZT800] = "lan wan mgmt ha lan lan wan wan"};
	static const char *const roles[] = {"", "mgmt", "lan", "wan", "ha"};

	(void)state;
	for (enum config_model m = CONFIG_MODEL_ZT400; m <= CONFIG_MODEL_ZT800; m++) {
		const struct model *model = model_get(m);
		char text[64] = "", name[24], device[24];

		for (size_t i = 0; i < model->n_ports; i++) {
			const struct model_port *p = &model->ports[i];
			size_t n = strlen(text);

			snprintf(name, sizeof(name), "ge%zu", i + 1);
			snprintf(device, sizeof(device), "eth%zu", i);
			assert_string_equal(p->name, name);
			assert_string_equal(p->device, device);
			assert_ptr_equal(model_port_find(model, name), p);
			assert_true(p->roles & MODEL_ROLE(p->role));
			snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", roles[p->role]);
		}
		assert_string_equal(text, ports[m]);
	}
	assert_int_equal(model_get(CONFIG_MODEL_GENERIC)->n_ports, 0);
	assert_ptr_equal(model_get((enum config_model)99), model_get(CONFIG_MODEL_GENERIC));
	assert_null(model_port_find(model_get(CONFIG_MODEL_GENERIC), "ge1"));
}

/* --- whole files ------------------------------------------------------------------------------ */

/* Lines of config_warn(). */
static char warned[1024];

static void on_warning(const char *line)
{
	size_t n = strlen(warned);

	snprintf(warned + n, sizeof(warned) - n, "%s\n", line);
}

static void assert_warned(const char *text, const char *want)
{
	struct config *cfg = NULL;
	char err[512] = "";

	if (load_text(text, strlen(text), NULL, &cfg, err) < 0)
		fail_msg("%s", err);
	warned[0] = '\0';
	config_warn(cfg, "g.conf", on_warning);
	assert_string_equal(warned, want);
	config_free(cfg);
}

#define NO_PING "this version tracks interfaces only, track-ping is without effect\n"

static void test_warnings(void **state)
{
	char *sample = supported();

	(void)state;
	assert_warned(
		"node = a\ninterface ge2 { role = wan dhcp = true }\n"
		"interface ge1 { role = mgmt address = {\"192.168.0.1/24\"} dhcp-server = true }\n"
		"route \"10.0.0.0/8\" { blackhole = true table = 7 }\n"
		"rule one { mark = 1 table = 7 priority = 1 }\n"
		"rule two { mark = 2 table = 8 priority = 2 }\n"
		"rule three { mark = 3 table = 254 priority = 3 }\n"
		"cluster { track-ping = {\"192.168.0.9\"} }\n",
		"g.conf:6: warning: rule \"two\": no route of this file is in table 8, so the rule "
		"changes nothing until there is one\n"
		"g.conf:8: warning: cluster: " NO_PING);
	/* Subnets side by side, link-local ones and what has none do not overlap. */
	assert_warned(sample, "g.conf:11: warning: cluster: " NO_PING);
	assert_warned("node = a\ninterface ge1 { role = mgmt address = {\"10.0.0.7/24\"} }\n"
		      "bridge br-lan { ports = {p5} role = lan\naddress = {\"10.0.1.2/24\", "
		      "\"10.0.0.2/24\", \"2001:db8::1/48\"} }\n"
		      "interface ge2 { role = lan address = {\"fe80::1/64\", \"10.0.2.1/24\"} }\n"
		      "interface ge3 { role = lan address = {\"fe80::2/64\", \"10.0.2.9\"} }\n"
		      "interface ge4 { role = lan address = {\"2001:db8:0:5::1/64\"} }\n",
		"g.conf:3: warning: bridge \"br-lan\": the subnet of 10.0.0.2/24 overlaps that of "
		"10.0.0.7/24 on interface \"ge1\" in line 2, so some hosts can be reached by one "
		"of them only; give each a subnet of its own\n"
		"g.conf:3: warning: bridge \"br-lan\": the subnet of 2001:db8::1/48 overlaps that "
		"of 2001:db8:0:5::1/64 on interface \"ge4\" in line 7, so some hosts can be "
		"reached by one of them only; give each a subnet of its own\n");
	free(sample);
}

/* A file that was cut off anywhere inside of a section is refused, and for that reason. */
static void test_cut_off(void **state)
{
	char *text = supported();
	int depth = 0, cuts = 0;

	(void)state;
	for (size_t n = 0; text[n]; n++) {
		struct config *cfg = NULL;
		char err[512] = "";

		if (depth > 0 && ++cuts > 0 &&
			(load_text(text, n, NULL, &cfg, err) == 0 || !strstr(err, "closed")))
			fail_msg("without \"%.40s\": %s", text + n, err);
		depth += (text[n] == '{') - (text[n] == '}');
	}
	assert_true(cuts > 1000);
	assert_int_equal(depth, 0);
	free(text);
}

/* More interfaces than there may be, most of them members. */
static void test_too_many(void **state)
{
	static char text[200000];
	struct config *cfg = NULL;
	char err[512] = "";
	size_t n = (size_t)snprintf(text, sizeof(text), "node = a\n");

	(void)state;
	for (unsigned i = 0; i < 70; i++) {
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "bridge b%u { role = lan ports = {x%u", i, i);
		for (unsigned k = 1; k < 15; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, ", p%u.%u", i, k);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "} }\n");
	}
	assert_int_equal(load_text(text, n, NULL, &cfg, err), -E2BIG);
	assert_non_null(strstr(err, ":65: b63: with the ports of bridges and bonds there are more "
				    "than 1024 interfaces; "));
	/* And more bytes than one message carries. */
	n = (size_t)snprintf(text, sizeof(text), "node = a\n");
	for (unsigned i = 0; i < 1000; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"interface p%u { role = lan address = "
			"{\"2001:db8:1111:2222:3333:4444:5:%x/64\"} "
			"device = verylongname%u }\n",
			i, i + 1, i);
	assert_int_equal(load_text(text, n, NULL, &cfg, err), -EINVAL);
	assert_non_null(strstr(err, "the whole configuration is too large "));
	/* A DHCP server on more management ports than there are processes for. */
	n = (size_t)snprintf(text, sizeof(text), "node = a\n");
	for (unsigned i = 0; i < 9; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"interface m%u { role = mgmt address = {\"192.168.%u.1/24\"} "
			"dhcp-server = true }\n",
			i, i);
	assert_int_equal(load_text(text, n, NULL, &cfg, err), -EINVAL);
	assert_non_null(strstr(err, ":10: interface \"m8\": more than 8 mgmt interfaces with "));
}

static void test_rules_file(void **state)
{
	struct config *cfg = NULL;
	char err[512], path[80], text[400], long_text[CONFIG_RULES_TEXT_MAX + 1];

	(void)state;
	snprintf(path, sizeof(path), "%s/rules.nft", folder);
	snprintf(text, sizeof(text), "node=\"a\"\nfirewall {\nrules-file = \"%s\" }", path);
	write_file(path, "# nothing\n", 10, 0644);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), 0);
	assert_string_equal(cfg->firewall.rules, "# nothing\n");
	config_free(cfg);
	cfg = NULL;
	write_file(path, "# nothing\n", 10, 0666);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -EPERM);
	assert_non_null(strstr(err, ":3: firewall: rules-file "));
	write_file(path, "# n\0thing\n", 10, 0644);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -EINVAL);
	assert_non_null(strstr(err, "is not UTF-8 text; "));
	write_file(path, "# n\xffthing\n", 10, 0644);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -EINVAL);
	memset(long_text, '#', sizeof(long_text));
	write_file(path, long_text, sizeof(long_text), 0644);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -EFBIG);
	assert_non_null(strstr(err, "is longer than 24576 bytes; "));
	unlink(path);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -ENOENT);
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if (strchr(" \n", at[-1]) && strchr(" \n", at[n]))
			return true;
	return false;
}

/* Every section, key and word of the language is in gatepair.conf(5). */
static void test_man_page(void **state)
{
	static char page[100000];
	FILE *f = fopen("common/gatepair.conf.5", "re");

	(void)state;
	assert_non_null(f);
	assert_in_range(fread(page, 1, sizeof(page) - 1, f), 1000, sizeof(page) - 2);
	fclose(f);
	for (size_t i = 0; i < config_n_root_keys; i++)
		assert_true(has_word(page, config_root_keys[i].name));
	for (size_t i = 0; i < config_n_sections; i++) {
		const struct config_section *sec = &config_sections[i];

		if (!has_word(page, sec->name))
			fail_msg("section %s", sec->name);
		for (size_t k = 0; k < sec->n_keys; k++) {
			const struct config_key *key = &sec->keys[k];

			if (!has_word(page, key->name))
				fail_msg("%s: %s", sec->name, key->name);
			for (size_t w = 0; key->words && key->words[w]; w++)
				if (!has_word(page, key->words[w]))
					fail_msg("%s: %s: %s", sec->name, key->name, key->words[w]);
		}
	}
}

static void test_files(void **state)
{
	struct config *cfg = NULL;
	char err[512], path[80], text[400];

	(void)state;
	assert_int_equal(config_load("/nonexistent/x.conf", NULL, &cfg, err, sizeof(err)), -ENOENT);
	assert_string_equal(err, "/nonexistent/x.conf: the file cannot be read: No such file or "
				 "directory; check the path and the mode");
	assert_int_equal(config_load("/tmp", NULL, &cfg, err, sizeof(err)), -EISDIR);
	assert_int_equal(load_text("", 0, NULL, &cfg, err), -EINVAL);
	assert_non_null(strstr(err, ":1: node is missing"));
	/* With a state folder, the identity is needed. */
	assert_int_equal(
		load_text(SAMPLE_CONFIG, sizeof(SAMPLE_CONFIG) - 1, folder, &cfg, err), -ENOENT);
	assert_non_null(strstr(err, ":33: sync: node key "));
	assert_non_null(strstr(err, "run `gatepair key`"));

	snprintf(path, sizeof(path), "%s/vrrp.key", folder);
	snprintf(text, sizeof(text), "node=\"a\" cluster { auth-key-file = \"%s\" }", path);
	write_file(path, "0123456789abcdef\n", 17, 0644);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -EPERM);
	write_file(path, "short\n", 6, 0600);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -EINVAL);
	write_file(path, "0123456789abcdef\n", 17, 0600);
	assert_int_equal(load_text(text, strlen(text), NULL, &cfg, err), -EOPNOTSUPP);
	assert_non_null(strstr(err, ":1: cluster: this version does not authenticate adverts"));
	unlink(path);
}

static void test_durations(void **state)
{
	static const struct {
		const char *s;
		int err;
		usec_t d;
	} t[] = {{"30s", 0, 30000000}, {"10ms", 0, 10000}, {"500us", 0, 500},
		{"40.95s", 0, 40950000}, {"0.5ms", 0, 500}, {"0s", 0, 0}, {"1", -EINVAL, 0},
		{"s", -EINVAL, 0}, {"", -EINVAL, 0}, {"1.s", -EINVAL, 0}, {".5s", -EINVAL, 0},
		{"-1s", -EINVAL, 0}, {"1m", -EINVAL, 0}, {"2min", 0, 120000000},
		{"1h", 0, 3600000000}, {"1.5h", 0, 5400000000}, {"0.5us", -EINVAL, 0},
		{"99999999999999s", -ERANGE, 0}, {"1s ", -EINVAL, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		usec_t d = -1;

		assert_int_equal(config_value_duration(t[i].s, &d), t[i].err);
		assert_int_equal(d, t[i].err ? -1 : t[i].d);
	}
}

static void test_prefixes(void **state)
{
	struct config_prefix net, host;
	char text[CONFIG_PREFIX_STRLEN];

	(void)state;
	assert_int_equal(config_prefix_from_str("10.0.0.0/23", &net), 0);
	assert_int_equal(config_prefix_from_str("10.0.1.77", &host), 0);
	assert_true(config_prefix_contains(&net, &host));
	assert_false(config_prefix_contains(&host, &net));
	assert_string_equal(config_prefix_to_str(&net, text), "10.0.0.0/23");
	assert_string_equal(config_prefix_to_str(&host, text), "10.0.1.77");
	assert_int_equal(config_prefix_from_str("10.0.2.0", &host), 0);
	assert_false(config_prefix_contains(&net, &host));
	assert_int_equal(config_prefix_from_str("2001:db8::/33", &net), 0);
	assert_int_equal(config_prefix_from_str("2001:db8:7fff::1/128", &host), 0);
	assert_true(config_prefix_contains(&net, &host));
	assert_string_equal(config_prefix_to_str(&host, text), "2001:db8:7fff::1");
	assert_int_equal(config_prefix_from_str("::/0", &net), 0);
	assert_true(config_prefix_contains(&net, &host));
	assert_int_equal(config_prefix_from_str("10.0.0.1/", &net), -EINVAL);
	assert_int_equal(config_prefix_from_str("10.0.0.1/+8", &net), -EINVAL);
	assert_int_equal(config_prefix_from_str("", &net), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_model_ports),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_rules_file),
		cmocka_unit_test(test_man_page),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_prefixes),
	};
	int rc;

	if (!mkdtemp(folder))
		return 1;
	snprintf(file, sizeof(file), "%s/g.conf", folder);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	rmdir(folder);
	return rc;
}
