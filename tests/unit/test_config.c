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

static const struct {
	const char *from, *to;
	const char *message; /* behind "FILE:"; */
} bad[] = {
	{"node = \"gw-01\"", "", "1: node is missing; add it"},
	{"node = \"gw-01\"", "node = \"g w\"", "1: node: \"g w\" is not a name; "},
	{"node = \"gw-01\"", "nodes = \"gw-01\"", "1: no such option 'nodes'; "},
	{"node = \"gw-01\"", "node = \"a\" node = \"b\"",
		"1: node is set twice, first in line 1; "},
	{"node = \"gw-01\"", "node = \"gw\\0-01\"", "1: characters by number are not supported; "},
	{"node = \"gw-01\"", "node = \"gw\\x00-01\"", "1: characters by number are not "},
	{"node = \"gw-01\"", "node = \"${HOME}\"", "1: ${ is not supported; "},
	{"node = \"gw-01\"", "node = \"gw", "1: this string is not closed on its line; "},
	{"node = \"gw-01\"", "node = \"gw-01\" /* ", "1: this comment is never closed; "},
	{"node = \"gw-01\"", "node = \"gw-01\"\n\x01", "2: a control character in the text; "},
	{"node = \"gw-01\"", "node = \"gw-01\"\n}", "2: unexpected closing brace; "},
	{"address = {\"10.0.0.2/24\"} }", "address = {\"10.0.0.2/24\"}",
		"5: interface begins inside of the interface section of line 4; close that one "},
	{"node = \"gw-01\"", "node = {\"gw-01\"}", "1: unexpected token '{'; "},
	{"mtu = 1400", "mut = 1400", "5: interface \"ge3\": no such option 'mut'; "},
	{"mtu = 1400", "mtu = 14",
		"5: interface \"ge3\": mtu: \"14\" is not a number from 576 to 65535; "},
	{"mtu = 1400", "mtu = 0x600", "5: interface \"ge3\": mtu: \"0x600\" is not a number from "},
	{"dhcp = true", "dhcp = maybe",
		"5: interface \"ge3\": dhcp: \"maybe\" is not a yes or no; "},
	{"role = wan", "", "5: interface \"ge3\": role is missing; "},
	{"role = wan", "role = dmz",
		"5: interface \"ge3\": role: \"dmz\" is not one of mgmt lan wan ha"},
	{"\"1.1.1.1\"", "\"1.1.1.1/24\"",
		"5: interface \"ge3\": dns: \"1.1.1.1/24\" is not a single address; "},
	{"\"10.0.0.2/24\"", "\"10.0.0.256/24\"",
		"4: interface \"ge2\": address: \"10.0.0.256/24\" is not an address; "},
	{"\"10.0.0.2/24\"", "\"10.0.0.2/33\"",
		"4: interface \"ge2\": address: \"10.0.0.2/33\" is not an address; "},
	{"\"10.0.0.2/24\"", "\"10.0.0.0/24\"",
		"4: interface \"ge2\": 10.0.0.0/24 is not an address that a host can have; "},
	{"\"10.0.0.2/24\"", "\"192.168.0.1/24\"",
		"4: interface \"ge2\": 192.168.0.1/24 is also the address of \"ge1\"; "},
	{"\"10.0.0.2/24\"", "\"10.0.0.2/24\", \"10.0.0.2/25\"",
		"4: interface \"ge2\": 10.0.0.2/25 is listed twice; "},
	{"address = {\"192.168.0.1/24\"}", "",
		"3: interface \"ge1\": dhcp-server needs an IPv4 address on it; "},
	{"interface \"ge3\"", "interface \"ge2\"", "5: found duplicate title 'ge2'; "},
	{"vlan \"ge2.10\"", "vlan \"ge3\"",
		"7: vlan \"ge3\": the name is taken by the one in line 5; "},
	{"interface \"ge3\"", "interface \"ge3-is-much-too-long\"",
		"5: interface \"ge3-is-much-too-long\": interface name: "},
	{"interface \"ge3\"", "interface", "5: missing title for section 'interface'; "},
	{"interface \"ge3\"", "interfaze \"ge3\"", "5: no such option 'interfaze'; "},
	{"id = 10", "id = 4095",
		"7: vlan \"ge2.10\": id: \"4095\" is not a number from 1 to 4094; "},
	{"id = 10", "id = 0", "7: vlan \"ge2.10\": id: \"0\" is not a number from 1 to 4094; "},
	{"id = 10", "id = -1", "7: vlan \"ge2.10\": id: \"-1\" is not a number "},
	{"parent = \"ge2\"", "parent = \"ge9\"",
		"7: vlan \"ge2.10\": parent \"ge9\" is not an interface of this file; "},
	{"parent = \"ge2\"", "parent = \"ge2.10\"",
		"7: vlan \"ge2.10\": parent \"ge2.10\" is a vlan itself; "},
	{"via = \"203.0.113.1\"", "via = \"2001:db8::1\"",
		"8: route \"0.0.0.0/0\": via 2001:db8::1 is of another address family; "},
	{"via = \"203.0.113.1\"", "", "8: route \"0.0.0.0/0\": it leads nowhere; "},
	{"route \"10.9.0.0/16\"", "route \"10.9.0.1/16\"",
		"9: route \"10.9.0.1/16\": the destination has bits behind its length; "},
	{"heartbeat       = 10ms", "heartbeat = 99999999999s",
		"16: cluster: heartbeat: \"99999999999s\" is out of range; "},
	{"heartbeat       = 10ms", "heartbeat = 99999999999999999999s",
		"16: cluster: heartbeat: \"99999999999999999999s\" is not a duration; "},
	{"route \"10.9.0.0/16\"", "route \"10.9/16\"",
		"9: route \"10.9/16\": destination: \"10.9/16\" is not an address; "},
	{"route \"10.9.0.0/16\" { via = \"10.0.0.9\" metric = 20 }",
		"route \"0.0.0.0/0\" { via = \"10.0.0.9\" }",
		"9: route \"0.0.0.0/0\": the one in line 8 has the same destination, table and "
		"metric; "},
	{"priority        = 150", "priority = 255",
		"12: cluster: priority: \"255\" is not a number from 1 to 254; "},
	{"priority        = 150", "prioritty = 150", "12: cluster: no such option 'prioritty'; "},
	{"preempt         = synced", "preempt = often",
		"13: cluster: preempt: \"often\" is not one of never synced always"},
	{"advert-interval = 1s", "advert-interval = 1",
		"15: cluster: advert-interval: \"1\" is not a duration; "},
	{"advert-interval = 1s", "advert-interval = 9ms",
		"15: cluster: advert-interval: \"9ms\" is out of range; write 10ms to 40950ms"},
	{"advert-interval = 1s", "advert-interval = 41s",
		"15: cluster: advert-interval: \"41s\" is out of range; "},
	{"advert-interval = 1s", "advert-interval = 15ms",
		"15: cluster: advert-interval is sent in hundredths of a second; "},
	{"advert-interval = 1s", "advert-interval = 1500ms",
		"26: vrrp \"wan\": version 2 counts whole seconds; "},
	{"heartbeat       = 10ms", "heartbeat = 4ms",
		"16: cluster: heartbeat: \"4ms\" is out of range; write 5ms to 1s, or off"},
	{"dead-after      = 5", "dead-after = 1",
		"17: cluster: dead-after: \"1\" is not a number from 3 to 100; "},
	{"{\"ge2\", \"ge3\"}", "{\"ge2\", \"ge7\"}",
		"18: cluster: track-interface \"ge7\" is not an interface of this file; "},
	{"{\"ge2\", \"ge3\"}", "{\"ge2\" \"ge3\"}", "18: cluster: unexpected token "},
	{"# auth-key-file = \"/etc/gatepair/vrrp.key\"",
		"auth-key-file = \"/nonexistent/vrrp.key\" # ",
		"20: cluster: auth-key-file: /nonexistent/vrrp.key cannot be read: No such file or "
		"directory; "},
	{"vrid = 11", "vrid = 256",
		"23: vrrp \"voice\": vrid: \"256\" is not a number from 1 to 255; "},
	{"vrid = 11", "vrid = 0",
		"23: vrrp \"voice\": vrid: \"0\" is not a number from 1 to 255; "},
	{"interface = \"ge2.10\" vrid = 11 virtual-address = {\"10.0.10.1/24\"}",
		"interface = \"ge2\" vrid = 10 virtual-address = {\"10.0.0.7/24\"}",
		"23: vrrp \"voice\": vrid 10 is already that of vrrp \"lan\" on interface "
		"\"ge2\"; "},
	{"vrrp \"voice\"", "vrrp \"lan\"", "23: found duplicate title 'lan'; "},
	{"interface = \"ge2.10\"", "interface = \"ge2.11\"",
		"23: vrrp \"voice\": interface \"ge2.11\" is not an interface of this file; "},
	{"{\"10.0.0.1/24\"}", "{\"10.0.0.2/24\"}",
		"22: vrrp \"lan\": virtual-address 10.0.0.2/24 is this node's own address on "
		"\"ge2\"; "},
	{"{\"10.0.0.1/24\"}", "{\"10.1.0.1/24\"}",
		"22: vrrp \"lan\": virtual-address 10.1.0.1/24 is in no subnet of interface "
		"\"ge2\"; "},
	{"{\"10.0.0.1/24\"}", "{\"10.0.0.1/24\", \"10.0.0.1/32\"}",
		"22: vrrp \"lan\": virtual-address 10.0.0.1 is listed twice, "},
	{"{\"10.0.0.1/24\"}", "{}", "22: vrrp \"lan\": virtual-address is missing; "},
	{"{\"10.0.0.1/24\"}", "{\"0.0.0.0/0\"}",
		"22: vrrp \"lan\": virtual-address 0.0.0.0/0 is not an address that a host can "
		"have; "},
	{"version = 2", "version = 4",
		"27: vrrp \"wan\": version: \"4\" is not a number from 2 to 3; "},
	{"version = 2", "version = 3", "27: vrrp \"wan\": only version 2 of VRRP has passwords; "},
	{"\"s3cret\"", "\"s3cret-is-long\"",
		"27: vrrp \"wan\": password: must have 1 to 8 printable characters; "},
	{"checksum = legacy", "checksum = crc",
		"24: vrrp \"voice\": checksum: \"crc\" is not one of rfc9568 legacy"},
	{"nat { interface = \"ge3\"", "nat { interface = \"ge8\"",
		"29: nat: interface \"ge8\" is not an interface of this file; "},
	{"nat { interface = \"ge3\"", "nat { interface = \"ge1\"",
		"29: nat: to = virtual, but no vrrp is on interface \"ge1\"; "},
	{"to = virtual", "to = elsewhere",
		"29: nat: to: \"elsewhere\" is not \"virtual\" or an address"},
	{"peer = \"169.254.77.2\"", "", "31: sync: peer is missing; "},
	{"peer = \"169.254.77.2\"", "peer = \"169.254.77.1\"",
		"32: sync: peer 169.254.77.1 is this node's own address; "},
	{"peer = \"169.254.77.2\"", "peer = \"10.2.0.1\"",
		"32: sync: peer 10.2.0.1 is in no subnet of interface \"ge4\"; "},
	{"interface = \"ge4\"", "interface = \"ge2\"",
		"32: sync: interface \"ge2\" does not have role = ha"},
	{"port = 3780", "port = 65536",
		"32: sync: port: \"65536\" is not a number from 1 to 65535; "},
	{"\"node.key\"", "\"../node.key\"",
		"33: sync: identity \"../node.key\" is not a plain file name; "},
	{"\"" SAMPLE_FP "\"", "\"sha256:abc\"",
		"34: sync: peer-fingerprint: \"sha256:abc\" is not a fingerprint; "},
	{"\"" SAMPLE_FP "\"", "\"md5:abc\"",
		"34: sync: peer-fingerprint: \"md5:abc\" is not a fingerprint; "},
	{"portal {", "sync { } portal {",
		"37: sync: there is a second one; the first is in line 31, "},
	{"proxy  {", "cluster { }\nproxy  {",
		"38: cluster: there is a second one; the first is in line 11, "},
	{"https://portal", "http://portal",
		"37: portal: url \"http://portal.example:8443\" does not begin with https://; "},
	{"port = 3128", "", "38: proxy: port is missing; "},
	{"user = \"me\"", "password-file = \"/nonexistent\"",
		"38: proxy: password-file without a user; "},
	{"model = generic", "model = zt900",
		"2: model: \"zt900\" is not one of generic zt400 zt600 "},
	{"interface \"p9\" { device = \"enp3s0\"", "interface \"p9\" { device = \"ge2\"",
		"46: interface \"p9\": device \"ge2\" is that of interface \"ge2\" too; "},
	{"device = \"enp3s0\"", "device = \"br0\"",
		"46: interface \"p9\": device \"br0\" is the name of a bridge in this file; "},
	{"device = \"enp3s0\"", "device = \"a/b\"",
		"46: interface \"p9\": device: \"a/b\" is not an interface name; "},
	{"role = mgmt  address", "address", "3: interface \"ge1\": role is missing; add it"},
	{"52:54:00:12:34:56", "53:54:00:12:34:56",
		"40: bridge \"br0\": mac: \"53:54:00:12:34:56\" is not the MAC address of "},
	{"52:54:00:12:34:56", "00:00:00:00:00:00",
		"40: bridge \"br0\": mac: \"00:00:00:00:00:00\" is not the MAC address of "},
	{"52:54:00:12:34:56", "52-54-00-12-34-56",
		"40: bridge \"br0\": mac: \"52-54-00-12-34-56\" is not the MAC address of "},
	{"52:54:00:12:34:56", "52:54:00:12:34:5",
		"40: bridge \"br0\": mac: \"52:54:00:12:34:5\" is not the MAC address of "},
	{"52:54:00:12:34:56", "52:54:00:12:34:5g",
		"40: bridge \"br0\": mac: \"52:54:00:12:34:5g\" is not the MAC address of "},
	/* bridges and bonds */
	{"ports = {\"p5\", \"p6\"}", "", "39: bridge \"br0\": ports is missing; "},
	{"ports = {\"p5\", \"p6\"}", "ports = {}", "39: bridge \"br0\": ports is missing; "},
	{"ports = {\"p5\", \"p6\"}", "ports = {\"p5\", \"p5\"}",
		"39: bridge \"br0\": port \"p5\" is listed twice; "},
	{"ports = {\"p5\", \"p6\"}", "ports = {\"p5\", \"ge2\"}",
		"39: bridge \"br0\": port \"ge2\" has a section of its own in line 4; remove "},
	{"ports = {\"p5\", \"p6\"}", "ports = {\"p5\", \"br0\"}",
		"39: bridge \"br0\": it is listed as its own port; "},
	{"ports = {\"p5\", \"p6\"}", "ports = {\"p5\", \"br0.30\"}",
		"39: bridge \"br0\": port \"br0.30\" has a section of its own in line 44; "},
	{"ports = {\"p7\"}", "ports = {\"p6\"}",
		"42: bond \"bond0\": port \"p6\" is a port of \"br0\" already; "},
	{"ports = {\"p7\"}", "ports = {\"p7-is-much-too-long\"}",
		"42: bond \"bond0\": ports: \"p7-is-much-too-long\" is not an interface name; "},
	{"ports = {\"p7\"}",
		"ports = {\"a1\", \"a2\", \"a3\", \"a4\", \"a5\", \"a6\", \"a7\", \"a8\", \"a9\", "
		"\"b1\", \"b2\", \"b3\", \"b4\", \"b5\", \"b6\", \"b7\", \"b8\"}",
		"42: bond \"bond0\": 17 ports; at most 16 are allowed, "},
	{"mode = 802.3ad", "mode = lacp",
		"42: bond \"bond0\": mode: \"lacp\" is not one of active-backup 802.3ad "
		"balance-xor"},
	{"mode = 802.3ad", "stp = true", "42: bond \"bond0\": no such option 'stp'; "},
	{"stp = true", "mode = 802.3ad", "39: bridge \"br0\": no such option 'mode'; "},
	{"stp = true  role = lan", "", "39: bridge \"br0\": role is missing; "},
	{"bridge \"br0\"", "bridge \"ge2.10\"",
		"7: vlan \"ge2.10\": the name is taken by the one in line 39; "},
	{"bond \"bond0\"", "bond \"ge3\"",
		"42: bond \"ge3\": the name is taken by the one in line 5; "},
	{"bond \"bond0\"", "bond \"a-name-of-16-chr\"",
		"42: bond \"a-name-of-16-chr\": interface name: "},
	{"vrrp \"lan\"   { interface = \"ge2\"", "vrrp \"lan\"   { interface = \"p5\"",
		"22: vrrp \"lan\": interface \"p5\" is a port of \"br0\"; name that instead"},
	{"nat { interface = \"ge3\"  to = virtual",
		"nat { interface = \"p7\"  to = \"203.0.113.10\"",
		"29: nat: interface \"p7\" is a port of \"bond0\"; name that instead"},
	/* vlans */
	{"parent = \"br0\"", "parent = \"p5\"",
		"44: vlan \"br0.30\": parent \"p5\" is a port of bridge \"br0\"; "},
	{"parent = \"br0\"", "parent = \"ge2.10\"",
		"44: vlan \"br0.30\": parent \"ge2.10\" is a vlan itself; "},
	{"parent = \"br0\"  id = 30", "parent = \"ge2\"  id = 10",
		"44: vlan \"br0.30\": id 10 is already that of vlan \"ge2.10\" on ge2; "},
	{"{ parent = \"br0\"  id = 30  role = lan  address = {\"10.0.30.2/24\"}  mtu = 1400",
		"{ parent = \"ge3\" id = 30 role = wan address = {\"10.0.30.2/24\"}  mtu = 1401",
		"44: vlan \"br0.30\": mtu 1401 is more than the 1400 of its parent \"ge3\"; "},
	{"vlan \"br0.30\" { parent = \"br0\"  id = 30  role = lan",
		"vlan \"ge3.1\" { parent = \"ge3\" id = 1 role = wan }\n"
		"vlan \"ge3.2\" { parent = \"ge3\" id = 2 role = wan }\n"
		"vlan \"br0.30\" { parent = \"br0\"  id = 30  role = lan",
		"45: vlan \"ge3.2\": wan interface \"ge3\" has a vlan already, \"ge3.1\" in line "
		"44; "},
	/* gateways and default routes */
	{"gateway = {\"198.51.100.1\"}", "gateway = {\"198.51.100.1/24\"}",
		"43: bond \"bond0\": gateway: \"198.51.100.1/24\" is not a single address; "},
	{"gateway = {\"198.51.100.1\"}", "gateway = {\"198.51.101.1\"}",
		"43: bond \"bond0\": gateway 198.51.101.1 is in no subnet of that interface; "},
	{"gateway = {\"198.51.100.1\"}", "gateway = {\"198.51.100.1\", \"198.51.100.3\"}",
		"43: bond \"bond0\": gateway has two of one address family; "},
	{"gateway = {\"198.51.100.1\"}", "gateway = {\"198.51.100.2\"}",
		"43: bond \"bond0\": gateway 198.51.100.2 is an address of this pair; "},
	{"gateway = {\"198.51.100.1\"}", "gateway = {\"10.0.0.1\"}",
		"43: bond \"bond0\": gateway 10.0.0.1 is an address of this pair; "},
	{"address = {\"169.254.77.1/30\"}",
		"address = {\"169.254.77.1/30\"} gateway = {\"169.254.77.2\"}",
		"6: interface \"ge4\": the HA link leads to the other node alone; "},
	{"metric = 50", "metric = 0", "43: bond \"bond0\": metric: \"0\" is not a number from 1 "},
	{"metric = 50", "",
		"42: bond \"bond0\": its default route has the metric of that of \"ge3\" in line "
		"5; "},
	{"route \"0.0.0.0/0\" { via = \"203.0.113.1\" }",
		"route \"0.0.0.0/0\" { via = \"203.0.113.1\" metric = 50 }",
		"8: route \"0.0.0.0/0\": it has the metric of the default route by gateway of "
		"\"bond0\" in line 42; "},
	/* DHCP and router advertisements */
	{"role = lan   address = {\"10.0.0.2/24\"}",
		"role = lan   address = {\"10.0.0.2/24\"} dhcp = true",
		"4: interface \"ge2\": dhcp is for interfaces with role wan or mgmt; "},
	{"dhcp-server = true }", "dhcp-server = true dhcp = true }",
		"3: interface \"ge1\": dhcp together with dhcp-server; "},
	{"dhcp-server = true }", "dhcp-relay = {\"10.0.0.9\"} dhcp = true }",
		"3: interface \"ge1\": dhcp together with dhcp-relay; "},
	{"dhcp-server = true }", "dhcp-server = true dhcp-relay = {\"10.0.0.9\"} }",
		"3: interface \"ge1\": dhcp-relay together with dhcp-server; "},
	{"mtu = 1400 }", "mtu = 1400 dhcp-server = true }",
		"5: interface \"ge3\": dhcp together with dhcp-server; "},
	{"address = {\"169.254.77.1/30\"}", "address = {\"169.254.77.1/30\"} dhcp-server = true",
		"6: interface \"ge4\": dhcp-server is for interfaces with role lan or mgmt; "},
	{"address = {\"198.51.100.2/24\"}",
		"address = {\"198.51.100.2/24\"} dhcp-relay = {\"10.0.0.9\"}",
		"42: bond \"bond0\": dhcp-relay is for interfaces with role lan or mgmt; "},
	{"{\"10.0.30.2/24\"}", "{\"2001:db8:30::2/64\"}",
		"45: vlan \"br0.30\": dhcp-relay needs an IPv4 address on it; "},
	{"dhcp-relay = {\"10.0.20.9\"}", "dhcp-relay = {\"2001:db8::9\"}",
		"45: vlan \"br0.30\": dhcp-relay 2001:db8::9 is not the IPv4 address of a "
		"server; "},
	{"dhcp-relay = {\"10.0.20.9\"}", "dhcp-relay = {\"10.0.20.2\"}",
		"45: vlan \"br0.30\": dhcp-relay 10.0.20.2 is an address of this pair; "},
	{"{\"192.168.0.1/24\"}", "{\"192.168.0.1/30\"}",
		"3: interface \"ge1\": the subnet of 192.168.0.1/30 has no room for clients; "},
	{"{\"192.168.0.1/24\"}", "{\"192.168.0.200/24\"}",
		"3: interface \"ge1\": dhcp-range 192.168.0.128-192.168.0.254 (the subnet's upper "
		"half) contains 192.168.0.200, which is this node's own; "},
	{"dhcp-server = true  dhcp-range", "dhcp-range",
		"41: bridge \"br0\": dhcp-range without a server; "},
	{"10.0.20.100-10.0.20.200", "10.0.20.200-10.0.20.100",
		"41: bridge \"br0\": dhcp-range: \"10.0.20.200-10.0.20.100\" is not a range; "},
	{"10.0.20.100-10.0.20.200", "10.0.20.100",
		"41: bridge \"br0\": dhcp-range: \"10.0.20.100\" is not "},
	{"10.0.20.100-10.0.20.200", "10.0.20.100-10.0.20.255",
		"41: bridge \"br0\": dhcp-range is not inside of one subnet of that interface; "},
	{"10.0.20.100-10.0.20.200", "10.0.20.0-10.0.20.200",
		"41: bridge \"br0\": dhcp-range is not inside of one subnet of that interface; "},
	{"10.0.20.100-10.0.20.200", "10.0.20.100-10.0.21.1",
		"41: bridge \"br0\": dhcp-range is not inside of one subnet of that interface; "},
	{"10.0.20.100-10.0.20.200", "10.0.0.100-10.0.0.200",
		"41: bridge \"br0\": dhcp-range is not inside of one subnet of that interface; "},
	{"10.0.20.100-10.0.20.200", "10.0.20.2-10.0.20.200",
		"41: bridge \"br0\": dhcp-range 10.0.20.2-10.0.20.200 contains 10.0.20.2, which is "
		"this node's own; "},
	{"address = {\"10.0.0.2/24\"} }",
		"address = {\"10.0.0.2/24\"} dhcp-server = true dhcp-range = \"10.0.0.1-10.0.0.1\" "
		"}",
		"4: interface \"ge2\": dhcp-range 10.0.0.1-10.0.0.1 contains 10.0.0.1, which is a "
		"virtual address; "},
	{"dhcp-lease-time = 10min", "dhcp-lease-time = 119s",
		"41: bridge \"br0\": dhcp-lease-time: \"119s\" is out of range; write 120s to "},
	{"\"10.0.20.2/24\", \"2001:db8:20::2/64\"", "\"10.0.20.2/24\"",
		"39: bridge \"br0\": router-advert needs an IPv6 address on it; "},
	{"2001:db8:20::2/64", "fe80::2/64",
		"39: bridge \"br0\": router-advert needs an IPv6 address on it; "},
	{"address = {\"198.51.100.2/24\"}", "address = {\"198.51.100.2/24\"} router-advert = true",
		"42: bond \"bond0\": router-advert is for interfaces with role lan; "},
	{"stp = true", "mtu = 1279",
		"39: bridge \"br0\": mtu 1279 is too small for IPv6, which 2001:db8:20::2/64 is; "},
	/* routes */
	{"{ interface = \"br0\"  table = 100 }", "{ table = 100 }",
		"47: route \"10.10.0.0/16\": it leads nowhere; "},
	{"{ interface = \"br0\"  table = 100 }", "{ interface = \"br1\"  table = 100 }",
		"47: route \"10.10.0.0/16\": interface \"br1\" is not an interface of this file; "},
	{"{ interface = \"br0\"  table = 100 }", "{ interface = \"p5\"  table = 100 }",
		"47: route \"10.10.0.0/16\": interface \"p5\" is a port of \"br0\"; "},
	{"{ interface = \"br0\"  table = 100 }", "{ interface = \"br0\"  table = 255 }",
		"47: route \"10.10.0.0/16\": table 255 is the kernel's own; "},
	{"{ interface = \"br0\"  table = 100 }", "{ interface = \"br0\"  table = 100 metric = 9 }",
		"48: route \"10.10.0.0/16\": the one in line 47 has the same destination, table "},
	{"{ blackhole = true", "{ blackhole = true interface = \"br0\"",
		"48: route \"10.10.0.0/16\": blackhole together with interface; "},
	{"{ blackhole = true", "{ blackhole = true via = \"10.0.20.9\"",
		"48: route \"10.10.0.0/16\": blackhole together with via; "},
	{"{ blackhole = true", "{ blakhole = true",
		"48: route \"10.10.0.0/16\": no such option 'blakhole'; "},
	{"via = \"10.0.30.9\"", "via = \"10.0.20.9\"",
		"49: route \"10.11.0.0/16\": via 10.0.20.9 is in no subnet of interface "
		"\"br0.30\"; "},
	{"via = \"10.0.30.9\"", "via = \"10.0.30.2\"",
		"49: route \"10.11.0.0/16\": via 10.0.30.2 is an address of this pair; "},
	{"route \"10.9.0.0/16\" { via = \"10.0.0.9\"",
		"route \"2001:db8:9::/48\" { via = \"fe80::9\"",
		"9: route \"2001:db8:9::/48\": via fe80::9 is on every link; add interface"},
	/* rules */
	{"rule \"voice\"", "rule \"vo ice\"",
		"50: rule \"vo ice\": name: \"vo ice\" is not a name; "},
	{"mark = 7  table = 100", "mark = 0  table = 100",
		"51: rule \"voice\": mark: \"0\" is not a number "},
	{"mark = 7  table = 100", "table = 0", "51: rule \"voice\": table: \"0\" is not a number "},
	{"mark = 7  table = 100", "table = 255",
		"51: rule \"voice\": table 255 is the kernel's own; "},
	{"mark = 7  table = 100", "", "50: rule \"voice\": table is missing; "},
	{"priority = 1000", "", "50: rule \"voice\": priority is missing; "},
	{"priority = 1000", "priority = 32766",
		"51: rule \"voice\": priority: \"32766\" is not a number from 1 to 32765; "},
	{"interface = \"ge2.10\"\n    mark = 7", "interface = \"ge8\"\n    mark = 7",
		"50: rule \"voice\": interface \"ge8\" is not an interface of this file; "},
	{"from = \"10.0.10.0/24\"", "from = \"10.0.10.1/24\"",
		"50: rule \"voice\": from has bits behind its length; "},
	{"to = \"10.10.0.0/16\"", "to = \"10.10.0.1/16\"",
		"50: rule \"voice\": to has bits behind its length; "},
	{"to = \"10.10.0.0/16\"", "to = \"2001:db8::/32\"",
		"50: rule \"voice\": from and to are of two address families; "},
	{"from = \"10.0.10.0/24\"  to = \"10.10.0.0/16\"  interface = \"ge2.10\"\n    mark = 7", "",
		"50: rule \"voice\": it matches everything; "},
	{"rule \"voice\" {",
		"rule \"data\" { mark = 3 table = 100 priority = 5 }\n"
		"rule \"data2\" { mark = 3 table = 101 priority = 5 }\nrule \"voice\" {",
		"51: rule \"data2\": rule \"data\" in line 50 has the same priority and matches "
		"the "},
	/* the firewall's rules */
	{"# rules-file = \"/etc/gatepair/rules.nft\"", "rules-file = \"rules.nft\"",
		"53: firewall: rules-file rules.nft is not a whole path; "},
	{"# rules-file = \"/etc/gatepair/rules.nft\"", "rules-file = \"/nonexistent/rules.nft\"",
		"53: firewall: rules-file /nonexistent/rules.nft does not exist; "},
	{"# rules-file = \"/etc/gatepair/rules.nft\"", "rules-file = \"/tmp\"",
		"53: firewall: rules-file /tmp is not a regular file; "},
	{"# rules-file = \"/etc/gatepair/rules.nft\"", "rules-file = \"/dev/null\"",
		"53: firewall: rules-file /dev/null is not a regular file; "},
	{"firewall {", "firewall { }\nfirewall {",
		"53: firewall: there is a second one; the first is in line 52, "},
};

static bool starts_with(const char *s, const char *prefix, size_t n)
{
	return strncmp(s, prefix, n) == 0;
}

static void test_refusals(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config *cfg = NULL;
		char err[512] = "";
		char *text = edited(bad[i].from, bad[i].to);
		size_t n = strlen(file);

		if (load_text(text, strlen(text), NULL, &cfg, err) == 0)
			fail_msg("accepted: %s", bad[i].to);
		assert_true(starts_with(err, file, n) && err[n] == ':');
		if (!starts_with(err + n + 1, bad[i].message, strlen(bad[i].message))) {
			print_error("%s\n  gives   %s\n  not     %s\n", bad[i].to, err + n + 1,
				bad[i].message);
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
		{"-1s", -EINVAL, 0}, {"1m", -EINVAL, 0}, {"0.5us", -EINVAL, 0},
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
