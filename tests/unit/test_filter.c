/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncd/filter.c: the node's own addresses, configured and learned; a virtual address is never one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "syncd/filter.h"

static struct config_prefix prefix(const char *s)
{
	struct config_prefix p;

	assert_int_equal(config_prefix_from_str(s, &p), 0);
	return p;
}

static enum flow_class class_of(const struct filter *f, const char *dst)
{
	struct config_prefix src = prefix("10.9.9.9"), to = prefix(dst);
	struct flow flow = {.key = {.family = AF_INET, .proto = IPPROTO_UDP}};

	memcpy(flow.key.src, &src.v4, 4);
	memcpy(flow.key.dst, &to.v4, 4);
	flow_mirror(&flow.key, &flow.reply);
	return flow_classify(&f->flows, &flow);
}

static void own_learned_virtual(void **state)
{
	struct config_prefix lan[] = {prefix("10.0.0.2/24"), prefix("10.0.0.1/24")};
	struct config_prefix virtuals[] = {prefix("10.0.0.1/24"), prefix("203.0.113.10/24")};
	struct config_prefix excluded[] = {prefix("192.168.0.0/24")};
	struct config_interface ifc = {.addresses = {lan, 2}};
	struct config_vrrp vrrp = {.addresses = {virtuals, 2}};
	struct config cfg = {.interfaces = &ifc, .n_interfaces = 1, .vrrps = &vrrp, .n_vrrps = 1};
	struct config_prefix dhcp = prefix("203.0.113.77"), virtual = prefix("203.0.113.10");
	struct filter f = {0};

	(void)state;
	cfg.sync.present = true;
	cfg.sync.local = prefix("169.254.77.1");
	cfg.sync.peer = prefix("169.254.77.2");
	cfg.sync.excludes = (struct config_prefixes){excluded, 1};
	assert_int_equal(filter_configure(&f, &cfg), 0);
	assert_int_equal(class_of(&f, "10.0.0.2"), FLOW_OWN);
	assert_int_equal(class_of(&f, "10.0.0.1"), FLOW_REPLICATED);
	assert_int_equal(class_of(&f, "10.0.0.3"), FLOW_REPLICATED);
	assert_int_equal(class_of(&f, "169.254.77.2"), FLOW_OWN);
	assert_int_equal(class_of(&f, "192.168.0.200"), FLOW_EXCLUDED);
	filter_learn(&f, "ge3", &dhcp);
	assert_int_equal(class_of(&f, "203.0.113.77"), FLOW_OWN);
	assert_int_equal(filter_configure(&f, &cfg), 0); /* a reload keeps it */
	assert_int_equal(class_of(&f, "203.0.113.77"), FLOW_OWN);
	filter_learn(&f, "ge3", &virtual);
	assert_int_equal(class_of(&f, "203.0.113.77"), FLOW_REPLICATED);
	assert_int_equal(class_of(&f, "203.0.113.10"), FLOW_REPLICATED);
	filter_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(own_learned_virtual)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
