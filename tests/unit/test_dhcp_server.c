/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What dnsmasq is told. Every text is also shown to dnsmasq itself (--test), where it is installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "netcfgd/services/dhcp_server.h"

#define DNSMASQ "/usr/sbin/dnsmasq"

static struct config_prefix addr(const char *s)
{
	struct config_prefix p;

	assert_int_equal(config_prefix_from_str(s, &p), 0);
	return p;
}

struct bed {
	struct kernel k;
	struct config cfg;
	struct config_interface links[4];
	struct config_prefix addrs[4][3], servers[2], dns[2], virtuals[2];
	struct config_vrrp vrrp;
	struct dhcp_server_input in;
};

static void add_link(struct bed *b, size_t i, const char *name, enum config_role role)
{
	struct config_interface *c = &b->links[i];
	struct kernel_link l = {.index = (uint32_t)i + 5, .up = true, .carrier = true};

	snprintf(c->name, sizeof(c->name), "%s", name);
	memcpy(l.name, c->name, sizeof(l.name));
	c->role = role;
	c->addresses = (struct config_prefixes){b->addrs[i], 1};
	assert_non_null(kernel_link_put(&b->k, &l));
	b->cfg.n_interfaces = i + 1;
}

static void has_address(struct bed *b, size_t i, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		struct kernel_addr a = {.prefix = b->addrs[i][k]};

		assert_int_equal(kernel_addr_put(&b->k, (uint32_t)i + 5, &a), 0);
	}
	b->links[i].addresses.n = n;
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	kernel_init(&b->k);
	snprintf(b->cfg.node, sizeof(b->cfg.node), "gw-01");
	b->cfg.interfaces = b->links;
	b->addrs[0][0] = addr("192.168.0.1/24");
	b->addrs[1][0] = addr("10.0.0.2/24");
	b->addrs[1][1] = addr("2001:db8:2::2/64");
	b->addrs[1][2] = addr("fe80::2/64");
	b->addrs[2][0] = addr("10.0.10.2/29");
	add_link(b, 0, "ge1", CONFIG_ROLE_MGMT);
	add_link(b, 1, "ge2", CONFIG_ROLE_LAN);
	add_link(b, 2, "ge2.10", CONFIG_ROLE_LAN);
	has_address(b, 0, 1);
	has_address(b, 1, 3);
	has_address(b, 2, 1);
	b->virtuals[0] = addr("10.0.0.200/24");
	snprintf(b->vrrp.interface, sizeof(b->vrrp.interface), "ge2");
	b->vrrp.addresses = (struct config_prefixes){b->virtuals, 1};
	b->cfg.vrrps = &b->vrrp;
	b->cfg.n_vrrps = 1;
	b->dns[0] = addr("9.9.9.9");
	b->dns[1] = addr("2620:fe::fe");
	b->in = (struct dhcp_server_input){
		.cfg = &b->cfg, .picture = &b->k, .dns = b->dns, .n_dns = 2, .folder = "/tmp"};
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	kernel_fini(&b->k);
	free(b);
	return 0;
}

static void has(const struct dhcp_server_text *t, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!t->text || !strstr(t->text, whole))
		fail_msg("no \"%s\" in\n%s", line, t->text ? t->text : "nothing");
}

static void has_not(const struct dhcp_server_text *t, const char *word)
{
	if (t->text && strstr(t->text, word))
		fail_msg("\"%s\" in\n%s", word, t->text);
}

/* dnsmasq's own word on the text. */
static void show_dnsmasq(const struct dhcp_server_text *t)
{
	int fds[2], status;
	pid_t pid;

	if (access(DNSMASQ, X_OK) != 0)
		fail_msg(DNSMASQ " is missing: run make deps");
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[0], STDIN_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl(DNSMASQ, "dnsmasq", "--test", "--conf-file=-", (char *)NULL);
		_exit(127);
	}
	close(fds[0]);
	assert_int_equal(write(fds[1], t->text, t->len), t->len);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("dnsmasq refuses\n%s", t->text);
}

static void mgmt(void **state)
{
	struct bed *b = *state;
	struct dhcp_server_text t;

	b->links[0].dhcp_server = true;
	assert_true(dhcp_server_wants_mgmt(&b->links[0]));
	assert_int_equal(dhcp_server_mgmt(&b->in, &b->links[0], &t), 0);
	has(&t, "interface=ge1");
	has(&t, "# index 5");
	has(&t, "dhcp-range=192.168.0.128,192.168.0.254,255.255.255.0,3600s");
	has(&t, "dhcp-option=option:router");
	has(&t, "dhcp-option=option:dns-server,192.168.0.1");
	has(&t, "host-record=gw-01,gatepair,gatepair.lan,192.168.0.1");
	has(&t, "local=/gw-01/gatepair/gatepair.lan/");
	has(&t, "dhcp-leasefile=/tmp/mgmt.ge1.leases");
	has_not(&t, "port=0");
	assert_int_equal(t.n_interfaces, 1);
	show_dnsmasq(&t);
	free(t.text);
	/* Its address is not there yet, or the link is not. */
	kernel_addr_remove(&b->k, 5, &b->addrs[0][0]);
	assert_int_equal(dhcp_server_mgmt(&b->in, &b->links[0], &t), 0);
	assert_null(t.text);
	kernel_link_remove(&b->k, 5);
	assert_int_equal(dhcp_server_mgmt(&b->in, &b->links[0], &t), 0);
	assert_null(t.text);
}

static void lan_server(void **state)
{
	struct bed *b = *state;
	struct dhcp_server_text t;

	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	assert_null(t.text);
	b->links[1].dhcp_server = b->links[2].dhcp_server = true;
	b->links[1].dhcp_lease_time = 60 * USEC_PER_SEC;
	b->links[2].dhcp_lease_time = 7200 * USEC_PER_SEC;
	b->links[2].mtu = 1400;
	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	/* Around the virtual address. */
	has(&t, "dhcp-range=10.0.0.128,10.0.0.199,255.255.255.0,120s");
	has(&t, "dhcp-range=10.0.0.201,10.0.0.254,255.255.255.0,120s");
	has(&t, "dhcp-option=tag:ge2,option:router,10.0.0.200");
	has(&t, "dhcp-option=tag:ge2,option:dns-server,9.9.9.9");
	has(&t, "dhcp-range=10.0.10.4,10.0.10.6,255.255.255.248,7200s");
	has(&t, "dhcp-option=tag:ge2.10,option:router,10.0.10.2");
	has(&t, "dhcp-option=tag:ge2.10,option:mtu,1400");
	has(&t, "dhcp-leasefile=/tmp/lan.leases");
	assert_memory_equal(t.text, "port=0\n", 7);
	has_not(&t, "ge1");
	has_not(&t, "enable-ra");
	assert_int_equal(t.n_interfaces, 2);
	show_dnsmasq(&t);
	free(t.text);
}

static void lan_ranges(void **state)
{
	struct bed *b = *state;
	struct config_interface *c = &b->links[1];
	struct dhcp_server_text t;

	c->dhcp_server = true;
	c->dhcp_range.from = addr("10.0.0.2").v4;
	c->dhcp_range.to = addr("10.0.0.200").v4;
	b->in.n_dns = 0;
	b->in.folder = NULL;
	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	has(&t, "dhcp-range=10.0.0.3,10.0.0.199,255.255.255.0,3600s");
	has_not(&t, "dhcp-range=10.0.0.2,");
	has_not(&t, "dns-server");
	has(&t, "leasefile-ro");
	free(t.text);
	/* Its own servers; elsewhere than the subnet: nothing is given. */
	c->dns = (struct config_prefixes){b->dns, 2};
	c->dhcp_range.to = addr("10.0.1.200").v4;
	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	has(&t, "dhcp-option=tag:ge2,option:dns-server,9.9.9.9");
	has_not(&t, "dhcp-range");
	show_dnsmasq(&t);
	free(t.text);
}

static void lan_relay(void **state)
{
	struct bed *b = *state;
	struct dhcp_server_text t;

	b->servers[0] = addr("10.9.9.9");
	b->servers[1] = addr("10.9.9.10");
	b->links[2].dhcp_relay = (struct config_prefixes){b->servers, 2};
	assert_true(dhcp_server_wants_lan(&b->links[2]));
	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	has(&t, "dhcp-relay=10.0.10.2,10.9.9.9");
	has(&t, "dhcp-relay=10.0.10.2,10.9.9.10");
	has_not(&t, "dhcp-range");
	show_dnsmasq(&t);
	free(t.text);
}

static void lan_adverts(void **state)
{
	struct bed *b = *state;
	struct dhcp_server_text t;

	b->links[1].router_advert = true;
	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	has(&t, "dhcp-range=2001:db8:2::,ra-only,64,3600s");
	has(&t, "dhcp-option=tag:ge2,option6:dns-server,[2620:fe::fe]");
	has(&t, "ra-param=ge2,high,8,24");
	has_not(&t, "fe80");
	assert_non_null(strstr(t.text, "enable-ra\n"));
	show_dnsmasq(&t);
	free(t.text);
	b->links[1].addresses.n = 1;
	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	assert_null(t.text);
}

static void strange_names(void **state)
{
	struct bed *b = *state;
	struct dhcp_server_text t;

	b->links[1].dhcp_server = b->links[2].dhcp_server = b->links[0].dhcp_server = true;
	snprintf(b->links[1].name, IFNAMSIZ, "ge2,lo");
	assert_int_equal(dhcp_server_lan(&b->in, &t), 0);
	assert_string_equal(t.refused, "ge2,lo");
	has_not(&t, "ge2,lo");
	has(&t, "interface=ge2.10");
	free(t.text);
	snprintf(b->links[0].name, IFNAMSIZ, "*");
	assert_int_equal(dhcp_server_mgmt(&b->in, &b->links[0], &t), 0);
	assert_string_equal(t.refused, "*");
	assert_null(t.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mgmt, setup, teardown),
		cmocka_unit_test_setup_teardown(lan_server, setup, teardown),
		cmocka_unit_test_setup_teardown(lan_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(lan_relay, setup, teardown),
		cmocka_unit_test_setup_teardown(lan_adverts, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
