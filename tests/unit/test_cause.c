/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the HA link is down: every kind has a sentence that fits and names its objects.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "syncd/cause.h"

static const struct cause base = {
	.port = CAUSE_PORT_OK,
	.why = "the peer fell silent",
	.interface = "ge4",
	.local = "169.254.77.1",
	.peer = "169.254.77.2",
	.tcp_port = 3780,
	.offered = "sha256:22e1aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889",
	.configured = "sha256:33e1aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889",
};

static void test_kinds(void **state)
{
	static const struct {
		enum cause_kind kind;
		int err;
		const char *says;
	} t[] = {
		{CAUSE_START, 0, "169.254.77.2 is being connected"},
		{CAUSE_SILENCE, 0, "169.254.77.2 does not connect on ge4"},
		{CAUSE_SOCKET, -ENODEV, "there is no interface ge4"},
		{CAUSE_SOCKET, -EADDRNOTAVAIL, "ge4 does not have the address 169.254.77.1"},
		{CAUSE_SOCKET, -EHOSTUNREACH, "169.254.77.2 cannot be reached over ge4"},
		{CAUSE_SOCKET, -EADDRINUSE, "169.254.77.1 port 3780 cannot be used"},
		{CAUSE_REFUSED, 0, "nobody listens at 169.254.77.2 port 3780"},
		{CAUSE_FINGERPRINT, 0,
			"the peer's key is sha256:22e1aaaabbbb…, peer-fingerprint says "
			"sha256:33e1aaaabbbb…"},
		{CAUSE_REJECTED, 0,
			"169.254.77.2 breaks the handshake off: is its peer-fingerprint"},
		{CAUSE_HANDSHAKE, 0, "no session with 169.254.77.2: the peer fell silent"},
		{CAUSE_LOST, 0, "the peer fell silent; 169.254.77.2 has not come back"},
	};
	char text[CAUSE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct cause c = base;

		c.kind = t[i].kind;
		c.err = t[i].err;
		assert_memory_equal(cause_to_str(&c, text), t[i].says, strlen(t[i].says));
		assert_true(strlen(text) < CAUSE_MAX - 1);
	}
}

static void test_long_ipv6(void **state)
{
	struct cause c = base;
	char text[CAUSE_MAX];

	(void)state;
	c.peer = "fe80:1111:2222:3333:4444:5555:6666:7777";
	c.interface = "a-long-interfac";
	for (c.kind = CAUSE_START; c.kind <= CAUSE_LOST; c.kind++)
		for (int client = 0; client < 2; client++) {
			c.client = client != 0;
			assert_true(strlen(cause_to_str(&c, text)) < CAUSE_MAX - 1);
		}
}

static void test_the_port_comes_first(void **state)
{
	struct cause c = base;
	char text[CAUSE_MAX];

	(void)state;
	c.kind = CAUSE_FINGERPRINT;
	c.port = CAUSE_PORT_DARK;
	assert_string_equal(cause_to_str(&c, text), "ge4 has no carrier: check the HA cable");
	c.port = CAUSE_PORT_MISSING;
	assert_string_equal(cause_to_str(&c, text), "there is no interface ge4");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_long_ipv6),
		cmocka_unit_test(test_the_port_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
