/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A configuration with every section and key, for the tests of the configuration code.
 */
#ifndef GATEPAIR_TESTS_CONFIG_SAMPLE_H
#define GATEPAIR_TESTS_CONFIG_SAMPLE_H

#define SAMPLE_FP "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define SAMPLE_CONFIG                                                                              \
	"node = \"gw-01\"\n"                                                                       \
	"model = generic\n"                                                                        \
	"interface \"ge1\" { role = mgmt  address = {\"192.168.0.1/24\"}  dhcp-server = true }\n"  \
	"interface \"ge2\" { role = lan   address = {\"10.0.0.2/24\"} }\n"                         \
	"interface \"ge3\" { role = wan   dhcp = true  dns = {\"1.1.1.1\", \"8.8.8.8\"} mtu = "    \
	"1400 }\n"                                                                                 \
	"interface \"ge4\" { role = ha    address = {\"169.254.77.1/30\"} }\n"                     \
	"vlan \"ge2.10\"   { parent = \"ge2\"  id = 10  role = lan  address = {\"10.0.10.2/24\"} " \
	"}\n"                                                                                      \
	"route \"0.0.0.0/0\" { via = \"203.0.113.1\" }\n"                                          \
	"route \"10.9.0.0/16\" { via = \"10.0.0.9\" metric = 20 }\n"                               \
	"\n"                                                                                       \
	"cluster {\n"                                                                              \
	"    priority        = 150            # portal: 150 for the first, 100 for the second\n"   \
	"    preempt         = synced         # never | synced | always\n"                         \
	"    preempt-delay   = 30s\n"                                                              \
	"    advert-interval = 1s             # 10ms .. 40.95s\n"                                  \
	"    heartbeat       = 10ms\n"                                                             \
	"    dead-after      = 5\n"                                                                \
	"    track-interface = {\"ge2\", \"ge3\"}\n"                                               \
	"    track-ping      = {\"203.0.113.1\"}\n"                                                \
	"    # auth-key-file = \"/etc/gatepair/vrrp.key\"     HMAC-SHA-256 adverts\n"              \
	"}\n"                                                                                      \
	"vrrp \"lan\"   { interface = \"ge2\"  vrid = 10  virtual-address = {\"10.0.0.1/24\"} }\n" \
	"vrrp \"voice\" { interface = \"ge2.10\" vrid = 11 virtual-address = {\"10.0.10.1/24\"}\n" \
	"    advert-interval = 100ms checksum = legacy virtual-mac = false accept = false\n"       \
	"    unicast-peer = {\"10.0.10.3\"} track-interface = {\"ge2\"} }\n"                       \
	"vrrp \"wan\"   { interface = \"ge3\"  vrid = 12  virtual-address = "                      \
	"{\"203.0.113.10/24\"}\n"                                                                  \
	"    version = 2  password = \"s3cret\" }\n"                                               \
	"\n"                                                                                       \
	"nat { interface = \"ge3\"  to = virtual }\n"                                              \
	"\n"                                                                                       \
	"sync {\n"                                                                                 \
	"    interface = \"ge4\"   peer = \"169.254.77.2\"   port = 3780\n"                        \
	"    identity  = \"node.key\"                       # relative to STATEDIR\n"              \
	"    peer-fingerprint = \"" SAMPLE_FP "\"\n"                                               \
	"    exclude   = {\"192.168.0.0/24\"}\n"                                                   \
	"}\n"                                                                                      \
	"portal { url = \"https://portal.example:8443\"  ca-fingerprint = \"" SAMPLE_FP "\" }\n"   \
	"proxy  { host = \"proxy.example\"  port = 3128  user = \"me\" }\n"                        \
	"bridge \"br0\" { ports = {\"p5\", \"p6\"}  stp = true  role = lan  router-advert = "      \
	"true\n"                                                                                   \
	"    address = {\"10.0.20.2/24\", \"2001:db8:20::2/64\"}  mac = \"52:54:00:12:34:56\"\n"   \
	"    dhcp-server = true  dhcp-range = \"10.0.20.100-10.0.20.200\"  dhcp-lease-time = "     \
	"10min }\n"                                                                                \
	"bond \"bond0\" { ports = {\"p7\"}  mode = 802.3ad  role = wan  address = "                \
	"{\"198.51.100.2/24\"}\n"                                                                  \
	"    gateway = {\"198.51.100.1\"}  metric = 50 }\n"                                        \
	"vlan \"br0.30\" { parent = \"br0\"  id = 30  role = lan  address = {\"10.0.30.2/24\"}  "  \
	"mtu = 1400\n"                                                                             \
	"    dhcp-relay = {\"10.0.20.9\"} }\n"                                                     \
	"interface \"p9\" { device = \"enp3s0\"  role = lan  address = {\"10.0.40.2/24\"} }\n"     \
	"route \"10.10.0.0/16\" { interface = \"br0\"  table = 100 }\n"                            \
	"route \"10.10.0.0/16\" { blackhole = true  metric = 9  table = 100 }\n"                   \
	"route \"10.11.0.0/16\" { via = \"10.0.30.9\"  interface = \"br0.30\" }\n"                 \
	"rule \"voice\" { from = \"10.0.10.0/24\"  to = \"10.10.0.0/16\"  interface = "            \
	"\"ge2.10\"\n"                                                                             \
	"    mark = 7  table = 100  priority = 1000 }\n"                                           \
	"firewall {\n"                                                                             \
	"    # rules-file = \"/etc/gatepair/rules.nft\"\n"                                         \
	"}\n"

#endif
