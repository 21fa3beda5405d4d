/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which interface is what for the cabling probe, over every form of HA link.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "netcfgd/services/cabling_ports.h"

static struct kernel kernel;
static struct config cfg;
static struct config_interface interfaces[16];
static struct config_vrrp vrrps[2];
static struct cabling_ports ports;

static struct config_interface *add(const char *name, enum config_link kind, enum config_role role)
{
	struct config_interface *i = &interfaces[cfg.n_interfaces++];
	struct kernel_link l = {.index = (uint32_t)cfg.n_interfaces, .mtu = 1500, .ether = true};

	memset(i, 0, sizeof(*i));
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->kind = kind;
	i->role = role;
	snprintf(l.name, sizeof(l.name), "%s", name);
	l.mac[5] = (uint8_t)l.index;
	assert_non_null(kernel_link_put(&kernel, &l));
	return i;
}

static int setup(void **state)
{
	(void)state;
	memset(&cfg, 0, sizeof(cfg));
	kernel_init(&kernel);
	cfg.interfaces = interfaces;
	cfg.vrrps = vrrps;
	cfg.n_vrrps = 1;
	snprintf(vrrps[0].interface, sizeof(vrrps[0].interface), "ge2");
	add("ge2", CONFIG_LINK_PORT, CONFIG_ROLE_LAN);
	add("ge3", CONFIG_LINK_PORT, CONFIG_ROLE_WAN);
	cfg.sync.present = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kernel_fini(&kernel);
	return 0;
}

static void build(const char *ha)
{
	snprintf(cfg.sync.interface, sizeof(cfg.sync.interface), "%s", ha);
	cabling_ports_build(&ports, &cfg, &kernel);
}

static const struct cabling_port *port(const char *name)
{
	const struct kernel_link *l = kernel_link_by_name(&kernel, name);

	assert_non_null(l);
	return cabling_port_of(&ports, l->index);
}

static void is(const char *name, enum cabling_place place, bool direct)
{
	const struct cabling_port *p = port(name);

	assert_non_null(p);
	assert_string_equal(p->name, name);
	assert_int_equal(p->place, place);
	assert_int_equal(p->direct, direct);
}

static void a_port(void **state)
{
	(void)state;
	add("ge4", CONFIG_LINK_PORT, CONFIG_ROLE_HA);
	build("ge4");
	assert_int_equal(ports.n, 3);
	is("ge4", CABLING_AT_HA, true);
	is("ge2", CABLING_AT_OTHER, false);
	is("ge3", CABLING_AT_OTHER, false);
	assert_ptr_equal(cabling_port_ha(&ports), port("ge4"));
	assert_true(port("ge2")->send);
	assert_false(port("ge3")->send);
}

static void a_vlan(void **state)
{
	(void)state;
	struct config_interface *v;

	add("ge4", CONFIG_LINK_PORT, CONFIG_ROLE_HA);
	v = add("ge4.77", CONFIG_LINK_VLAN, CONFIG_ROLE_HA);
	snprintf(v->parent, sizeof(v->parent), "ge4");
	v->vlan_id = 77;
	build("ge4.77");
	is("ge4.77", CABLING_AT_HA, false);
	assert_int_equal(port("ge4.77")->vlan, 77);
	is("ge4", CABLING_AT_PORT, true);
}

static void a_vlan_on_a_bond(void **state)
{
	static char e5[] = "ge5", e6[] = "ge6";
	static char *members[] = {e5, e6};
	struct config_interface *bond, *v;

	(void)state;
	for (int i = 0; i < 2; i++)
		snprintf(add(members[i], CONFIG_LINK_PORT, CONFIG_ROLE_HA)->master, IFNAMSIZ,
			"bond0");
	bond = add("bond0", CONFIG_LINK_BOND, CONFIG_ROLE_HA);
	bond->ports = (struct config_strings){members, 2};
	build("bond0");
	is("bond0", CABLING_AT_HA, false);
	is("ge5", CABLING_AT_PORT, true);
	is("ge6", CABLING_AT_PORT, true);
	v = add("bond0.77", CONFIG_LINK_VLAN, CONFIG_ROLE_HA);
	snprintf(v->parent, sizeof(v->parent), "bond0");
	v->vlan_id = 77;
	build("bond0.77");
	is("bond0.77", CABLING_AT_HA, false);
	is("bond0", CABLING_AT_PORT, false);
	is("ge5", CABLING_AT_PORT, true);
}

static void members_of_others_are_not_listened_on(void **state)
{
	static char e5[] = "ge5";
	static char *members[] = {e5};

	(void)state;
	snprintf(add("ge5", CONFIG_LINK_PORT, CONFIG_ROLE_LAN)->master, IFNAMSIZ, "br0");
	add("br0", CONFIG_LINK_BRIDGE, CONFIG_ROLE_LAN)->ports =
		(struct config_strings){members, 1};
	add("ge4", CONFIG_LINK_PORT, CONFIG_ROLE_HA);
	build("ge4");
	assert_null(port("ge5"));
	is("br0", CABLING_AT_OTHER, false);
}

static void what_does_not_exist(void **state)
{
	(void)state;
	add("ge4", CONFIG_LINK_PORT, CONFIG_ROLE_HA);
	kernel_link_remove(&kernel, kernel_link_by_name(&kernel, "ge4")->index);
	build("ge4");
	assert_null(cabling_port_ha(&ports));
	assert_int_equal(ports.n, 2);
	cfg.sync.present = false;
	build("ge4");
	assert_null(cabling_port_ha(&ports));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_port),
		TEST(a_vlan),
		TEST(a_vlan_on_a_bond),
		TEST(members_of_others_are_not_listened_on),
		TEST(what_does_not_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
