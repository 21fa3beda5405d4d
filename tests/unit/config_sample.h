/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A configuration with every section and key, for the tests of the configuration code.
 */
#ifndef GATEPAIR_TESTS_CONFIG_SAMPLE_H
#define GATEPAIR_TESTS_CONFIG_SAMPLE_H

#define SAMPLE_FP "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define SAMPLE_CONFIG                                                                              \
	"node = \"gw-01\"\n"                                                                       \
	"\n"                                                                                       \
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
	"proxy  { host = \"proxy.example\"  port = 3128  user = \"me\" }\n"

#endif
