# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCP: the WAN as a client of real and of hostile servers, laptops at GE1, endpoints on the LAN."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import time

from dhcpbed import (DISCOVER, OTHER_POOL, POOL, REQUEST, SERVER, Dnsmasq, Laptop, Server, add_host, addresses,
                     default_routes, dns_query, pids, start_netcfgd, wan)
from gwconfig import LAN_OWN, LAN_VIRTUAL, WAN_OWN
from lab import BIN, Lab, stays, wait
from netns import run

SANITIZED = "/san" in BIN  # no filters then
GE1 = 'interface "ge1" { role = mgmt  address = {"192.168.0.1/24"}  dhcp-server = true }\n'
WAN = 'node = "gw-01"\ninterface "ge3" { role = wan  dhcp = true }\n'
STATIC = 'node = "gw-01"\ninterface "ge3" { role = wan  address = {"203.0.113.2/24"} }\n'


def conditions(gw):
    return gw.detail("netcfgd").get("conditions", [])


def says(gw, *words):
    return any(all(w in c for w in words) for c in conditions(gw))


def only_address(gw, link="ge3"):
    found = [a for a, _, _ in addresses(gw, link)]
    return found[0] if len(found) == 1 else None


def wait_bound(gw, pool=POOL, deadline_s=15):
    def bound():
        w = wan(gw)
        have = only_address(gw)
        return w["state"] == "bound" and have and pool.match(have) and w["address"] == f"{have}/24" and have
    return wait(bound, deadline_s, "a lease", lambda: (wan(gw), addresses(gw), conditions(gw)))


class AddressWatch:
    """What happens to the IPv4 addresses of a node, from now on: (deleted?, address)."""

    def __init__(self, lab, gw):
        self.file = f"{lab.dir}/{gw}.monitor"
        with open(self.file, "w") as f:
            self.process = gw.ns.popen(["ip", "-4", "-o", "monitor", "address"], stdout=f,
                                       stderr=subprocess.DEVNULL)
        lab.on_close(self.process.kill)

    def events(self, link):
        found = []
        with open(self.file) as f:
            for line in f:
                words = line.replace("Deleted", "Deleted ").split()
                if link in words and "inet" in words:
                    found.append(("Deleted" in words, words[words.index("inet") + 1]))
        return found

    def deleted(self, link="ge3"):
        return [a for gone, a in self.events(link) if gone]


class Pings:
    """One every 50 ms until lost() is asked."""

    def __init__(self, ns, to):
        self.process = ns.popen(["ping", "-n", "-i", "0.05", "-W", "1", to], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

    def lost(self):
        self.process.send_signal(signal.SIGINT)
        out = self.process.communicate(timeout=10)[0]
        sent, got = (int(w) for w in out.split("---")[-1].replace(",", "").split() if w.isdigit())
        assert sent > 10, out
        return sent - got


@contextlib.contextmanager
def single():
    """One gateway, only its netcfgd."""
    with Lab() as lab:
        yield lab, lab.gw1


# --- the WAN ---


def test_wan_by_dhcp():
    """Address, default route, resolvers; kept when the cable is pulled and back, and asked about."""
    with single() as (lab, gw):
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149", dns="9.9.9.9,149.112.112.112")
        start_netcfgd(gw, WAN)
        address = wait_bound(gw)
        assert default_routes(gw) == [(SERVER, "ge3", 0)], default_routes(gw)
        assert 100 <= addresses(gw)[0][2] <= 120, addresses(gw)
        assert gw.detail("netcfgd")["resolvers"] == ["9.9.9.9", "149.112.112.112"]
        with open(f"{gw.rundir}/netcfgd/resolv.conf") as f:
            assert f.read().split()[-4:] == ["nameserver", "9.9.9.9", "nameserver", "149.112.112.112"]
        assert not conditions(gw), conditions(gw)
        gw.ns.run("ping", "-c", "1", "-W", "2", SERVER)
        watch = AddressWatch(lab, gw)
        wait(lambda: wan(gw)["remaining_s"] < 118, 5, "two seconds of the lease are over")
        gw.pull("ge3")
        wait(lambda: says(gw, "ge3", "no carrier", "cable"), 3, "no carrier is told", lambda: conditions(gw))
        assert wan(gw)["state"] == "no-carrier"
        gw.plug("ge3")
        wait(lambda: wan(gw)["state"] == "bound" and wan(gw)["remaining_s"] >= 118, 5, "renewed at once",
             lambda: wan(gw))
        assert not conditions(gw) and only_address(gw) == address
        assert not watch.deleted(), watch.events("ge3")
        wait(lambda: default_routes(gw) == [(SERVER, "ge3", 0)], 2, "the default route is back")


def test_kill_with_a_lease():
    """netcfgd, its services or udhcpc are killed: address and traffic stay, nothing runs twice."""
    with single() as (lab, gw):
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149")
        start_netcfgd(gw, WAN + GE1)
        address = wait_bound(gw)
        watch, pings = AddressWatch(lab, gw), Pings(gw.ns, SERVER)
        for name, word in (("netcfgd", None), ("netcfgd-service", None), (None, "/usr/sbin/udhcpc"),
                           ("netcfgd", None)):
            before = pids(gw.ns, "/usr/sbin/udhcpc")[0], pids(gw.ns, "/usr/sbin/dnsmasq")[0]
            os.kill(gw.pid(name) if name else before[0], signal.SIGKILL)
            wait(lambda: (now := pids(gw.ns, "/usr/sbin/udhcpc")) and before[0] not in now and len(now) == 1,
                 10, f"udhcpc is another after the end of {name or word}")
            if name:
                wait(lambda: (now := pids(gw.ns, "/usr/sbin/dnsmasq")) and before[1] not in now and
                     len(now) == 1, 10, "dnsmasq is another")
            wait(lambda: wan(gw)["state"] == "bound" and wan(gw)["remaining_s"] >= 110, 15,
                 "the lease is confirmed", lambda: wan(gw))
        assert wait_bound(gw) == address
        lost = pings.lost()
        assert not watch.deleted(), watch.events("ge3")
        assert lost == 0, f"{lost} pings lost"
        assert not conditions(gw), conditions(gw)


ADMIN, RAW, BIND = 1 << 12, 1 << 13, 1 << 10  # CAP_NET_*


def test_privileges():
    """Each process has the capabilities that it needs and no others, a filter, and no real-time
    priority but the engine."""
    with single() as (lab, gw):
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149")
        start_netcfgd(gw, WAN + GE1)
        wait_bound(gw)
        for pid, caps in ((gw.pid("netcfgd"), ADMIN), (gw.pid("netcfgd-service"), ADMIN | RAW | BIND),
                          (pids(gw.ns, "/usr/sbin/udhcpc")[0], RAW | BIND),
                          (pids(gw.ns, "/usr/sbin/dnsmasq")[0], ADMIN | RAW | BIND)):
            with open(f"/proc/{pid}/status") as f:
                status = dict(line.split(":", 1) for line in f)
            for kind in ("CapPrm", "CapEff", "CapAmb"):
                assert int(status[kind], 16) in (caps, 0 if kind == "CapAmb" else caps), (status["Name"], kind)
            assert status["NoNewPrivs"].strip() == "1", status["Name"]
            if not SANITIZED:
                assert status["Seccomp"].strip() == "2", status["Name"]
            if pid != gw.pid("netcfgd"):
                assert os.sched_getscheduler(pid) == os.SCHED_OTHER, status["Name"]


def test_server_says_nak():
    """The server comes back with another pool: the old address goes, then the new one comes."""
    with single() as (lab, gw):
        server = Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149")
        start_netcfgd(gw, WAN)
        old = wait_bound(gw)
        watch = AddressWatch(lab, gw)
        server.stop()
        os.unlink(f"{lab.dir}/{lab.server.name}.leases")
        Dnsmasq(lab, lab.server, "203.0.113.150", "203.0.113.199")
        gw.pull("ge3")
        wait(lambda: wan(gw)["state"] == "no-carrier", 3, "the loss of the carrier is seen")
        gw.plug("ge3")
        new = wait_bound(gw, OTHER_POOL, 20)
        assert watch.events("ge3") == [(True, f"{old}/24"), (False, f"{new}/24")], watch.events("ge3")


def test_server_dies():
    """Renewed while it lives; then kept until the lease ends, then searched for; another one answers."""
    with single() as (lab, gw):
        server = Server(lab, lab.server, ip="203.0.113.100", lease=12)
        start_netcfgd(gw, WAN)
        wait_bound(gw)
        asked = server.heard[REQUEST]
        wait(lambda: server.heard[REQUEST] > asked, 12, "a renewal")
        wait(lambda: wan(gw)["remaining_s"] >= 10, 2, "it is renewed")
        server.silent = True
        ends_at = time.monotonic() + wan(gw)["remaining_s"]
        wait(lambda: says(gw, "ge3", SERVER, "does not renew"), 13, "the missing renewal is told",
             lambda: (wan(gw), conditions(gw)))
        assert only_address(gw) == "203.0.113.100"
        wait(lambda: not addresses(gw), 10, "the address goes")
        assert time.monotonic() > ends_at - 0.5, "the address went before its lease ended"
        assert not default_routes(gw) and wan(gw)["state"] == "searching"
        wait(lambda: says(gw, "ge3", "no DHCP answer in 30 s", "static address"), 40, "no answer is told",
             lambda: (wan(gw), conditions(gw)))
        assert "203.0.113.100" in server.requested
        server.ip, server.silent = "203.0.113.160", False
        wait_bound(gw, OTHER_POOL, 30)
        wait(lambda: not conditions(gw), 2, "the condition is over", lambda: conditions(gw))


test_server_dies.deadline = 150


def test_reload_switches_dhcp():
    """From DHCP to a static address and back; the configuration's DNS servers win."""
    with single() as (lab, gw):
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149")
        start_netcfgd(gw, WAN)
        wait_bound(gw)
        gw.write_config(STATIC)
        gw.ctl("reload")
        wait(lambda: only_address(gw) == "203.0.113.2", 3, "the static address only", lambda: addresses(gw))
        wait(lambda: not pids(gw.ns, "/usr/sbin/udhcpc"), 5, "no DHCP client")
        assert not default_routes(gw)
        status = gw.detail("netcfgd")
        assert not status.get("wans") and not status.get("resolvers"), status
        gw.write_config(WAN.replace("dhcp = true", 'dhcp = true  dns = {"1.1.1.1", "8.8.8.8"}'))
        gw.ctl("reload")
        wait_bound(gw)
        assert gw.detail("netcfgd")["resolvers"] == ["1.1.1.1", "8.8.8.8"]
        assert wan(gw)["dns"] == ["9.9.9.9"]


def test_reload_in_the_way_of_a_lease():
    """An interface gets the subnet of the lease, which is given up, and loses it: used again at once."""
    with single() as (lab, gw):
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149", lease=3600)
        start_netcfgd(gw, WAN)
        address = wait_bound(gw)
        gw.write_config(WAN + 'interface "ge2" { role = lan  address = {"203.0.113.2/24"} }\n')
        gw.ctl("reload")
        wait(lambda: not addresses(gw), 5, "two interfaces in one subnet are none", lambda: addresses(gw))
        wait(lambda: says(gw, "ge3", address, "overlaps the network of ge2"), 2, "it is told", lambda: conditions(gw))
        gw.write_config(WAN)
        gw.ctl("reload")
        wait(lambda: only_address(gw) == address, 5, "the address is back", lambda: (wan(gw), addresses(gw)))
        wait(lambda: default_routes(gw) == [(SERVER, "ge3", 0)], 2, "the default route is back")
        wait(lambda: not conditions(gw), 2, "it is over", lambda: conditions(gw))


def test_after_a_reboot():
    """The address of before the reboot is asked for."""
    with single() as (lab, gw):
        server = Server(lab, lab.server, ip="203.0.113.123", lease=600)
        start_netcfgd(gw, WAN)
        wait_bound(gw)
        gw.power_cut()
        gw.power_on(start=False)
        server.requested.clear()
        start_netcfgd(gw, WAN)
        wait_bound(gw)
        assert server.requested and set(server.requested) == {"203.0.113.123"}, server.requested


def ip(*addresses_):
    return b"".join(socket.inet_aton(a) for a in addresses_)


MASK, ROUTER, DNS = (1, ip("255.255.255.0")), (3, ip(SERVER)), (6, ip("9.9.9.9"))
USELESS = [
    ("a netmask with holes", "203.0.113.100", 600, [(1, ip("255.0.255.0")), ROUTER], 'netmask "255.0.255.0"'),
    ("a netmask of everything", "203.0.113.100", 600, [(1, ip("0.0.0.0")), ROUTER], 'netmask "0.0.0.0"'),
    ("a loopback address", "127.0.0.1", 600, [MASK, ROUTER], 'address "127.0.0.1"'),
    ("a multicast address", "224.0.0.1", 600, [MASK, ROUTER], 'address "224.0.0.1"'),
    ("the broadcast address", "203.0.113.255", 600, [MASK, ROUTER], "none in its subnet"),
    ("a lease of no time", "203.0.113.100", struct.pack("!I", 0), [MASK, ROUTER], "lease time"),
    ("the LAN's network", "10.0.0.50", 600, [MASK, (3, ip("10.0.0.1"))], "overlaps the network of ge2"),
]


def test_hostile_servers():
    """What no host can use is refused and told; what is harmless is left out; then all is well."""
    with single() as (lab, gw):
        server = Server(lab, lab.server, lease=600)
        server.silent = True
        start_netcfgd(gw, WAN + 'interface "ge2" { role = lan  address = {"10.0.0.2/24"} }\n')
        for what, address, lease, options, word in USELESS:
            server.ip, server.options = address, options
            server.lease = lease if isinstance(lease, bytes) else struct.pack("!I", lease)
            server.silent = False
            wait(lambda: says(gw, "ge3", "cannot be used", word), 45, what,
                 lambda: (wan(gw), conditions(gw), server.heard))
            assert not addresses(gw) and not default_routes(gw), what
            server.silent = True
        server.ip, server.lease = "203.0.113.100", b"\xff\xff\xff\xff"
        names = [(15, b"a.b\0\n; reboot $(reboot)"), (12, b"`reboot`\xff\n\n")]
        # More than a packet holds: not heard at all.
        server.options = [MASK, ROUTER, (6, ip("9.9.9.9") * 300), *names]
        server.silent = False
        asked = server.heard[DISCOVER]
        wait(lambda: server.heard[DISCOVER] >= asked + 3, 60, "it asks on", lambda: server.heard)
        assert not addresses(gw), addresses(gw)
        server.options = [MASK, (3, ip("0.0.0.0", "255.255.255.255", "203.0.113.100", SERVER)),
                          (6, ip("0.0.0.0", "127.0.0.53") + ip("9.9.9.9") * 20 + ip("8.8.8.8") * 20), *names]
        wait_bound(gw, deadline_s=60)
        assert default_routes(gw) == [(SERVER, "ge3", 0)], default_routes(gw)
        assert wan(gw)["dns"] in (["9.9.9.9"], ["9.9.9.9", "8.8.8.8"]), wan(gw)
        assert not conditions(gw), conditions(gw)
        assert gw.status("netcfgd")["pid"] == gw.pid("netcfgd")


test_hostile_servers.deadline = 240


# --- GE1 ---


def test_laptops_on_ge1():
    """Two laptops get addresses; the node's names resolve and no others; dnsmasq may die."""
    with single() as (lab, gw):
        lab.sw.run("ip", "-batch", "-", text_input="link add br-mgmt type bridge stp_state 0 forward_delay 0\n"
                   f"link set br-mgmt up\nlink set {gw.port('ge1')} master br-mgmt\n")
        start_netcfgd(gw, 'node = "gw-01"\n' + GE1)
        hosts = [add_host(lab, f"laptop{i}", f"l{i}", "br-mgmt") for i in (1, 2)]
        laptops = [Laptop(lab, ns) for ns in hosts]
        given = [wait(l.bound, 20, "a laptop's address") for l in laptops]
        for _, address, router, dns, server, _ in given:
            host, length = address.split("/")
            assert host.startswith("192.168.0.") and 128 <= int(host.split(".")[3]) <= 254 and length == "24"
            assert (router, dns, server) == ("-", "192.168.0.1", "192.168.0.1"), given
        assert given[0][1] != given[1][1]
        for name in ("gw-01", "gatepair", "gatepair.lan"):
            assert dns_query(hosts[0], "192.168.0.1", name) == (0, ["192.168.0.1"]), name
            assert dns_query(hosts[0], "192.168.0.1", name, kind=28) == (0, []), name  # AAAA
        for name in ("example.com", "gatepair.lan.example", "portal.example"):
            assert dns_query(hosts[1], "192.168.0.1", name) == (5, []), name
        before = pids(gw.ns, "/usr/sbin/dnsmasq")[0]
        os.kill(before, signal.SIGKILL)
        wait(lambda: (now := pids(gw.ns, "/usr/sbin/dnsmasq")) and now[0] != before, 5, "dnsmasq is back")
        wait(lambda: dns_query(hosts[0], "192.168.0.1", "gatepair.lan", timeout=1)[0] == 0, 5, "it answers")
        laptops[0].renew()
        wait(lambda: laptops[0].bound()[0] == "renew", 10, "the laptop renews", laptops[0].events)
        assert laptops[0].bound()[1] == given[0][1]
        service = next(s for s in gw.detail("netcfgd")["services"] if s["name"] == "dhcp-server ge1")
        assert service["state"] == "running" and service["restarts"] == 1, service


def test_dnsmasq_cannot_start():
    """Somebody else has the port: told with the cause, and over when the port is free."""
    with single() as (lab, gw):
        with gw.ns.entered():
            thief = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        gw.ns.run("ip", "addr", "add", "192.168.0.1/24", "dev", "ge1")
        thief.bind(("192.168.0.1", 53))
        thief.listen()
        start_netcfgd(gw, 'node = "gw-01"\n' + GE1)
        wait(lambda: says(gw, "dhcp-server ge1", "again and again", "in use"), 15, "the cause is told",
             lambda: conditions(gw))
        thief.close()
        wait(lambda: not conditions(gw), 40, "it is over", lambda: (conditions(gw), gw.detail("netcfgd")))


test_dnsmasq_cannot_start.deadline = 90


# --- the LAN ---


def offers(ns, port, seconds):
    """DHCP answers (from UDP port 67) that come out of a switch port within so long."""
    with ns.entered():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        s.bind((port, 0x0800))
    found, end = 0, time.monotonic() + seconds
    with s:
        while (left := end - time.monotonic()) > 0:
            s.settimeout(left)
            with contextlib.suppress(TimeoutError):
                packet, where = s.recvfrom(2048)
                outgoing = where[2] == socket.PACKET_OUTGOING
                if not outgoing and packet[23] == 17 and packet[34:36] == b"\0\x43":
                    found += 1
    return found


def test_lan_server_follows_the_role():
    """The Active serves, the Standby is silent; after a failover the client keeps its address."""
    with Lab(interfaces={"ge2": {"dhcp-server": "true", "dns": '{"1.1.1.1"}'}}) as lab:
        lab.start()
        lab.wait_ready()
        client = Laptop(lab, add_host(lab, "pc", "pc", "br-lan"))
        kind, address, router, dns, server, seconds = wait(client.bound, 20, "the client's address")
        assert address.startswith("10.0.0.") and 128 <= int(address.split("/")[0].split(".")[3]) <= 254
        assert (router, dns, seconds) == (LAN_VIRTUAL, "1.1.1.1", "3600"), client.events()
        active, standby = lab.active, lab.standby
        assert server == LAN_OWN[active.number]
        for gw, state in ((active, "running"), (standby, "stopped")):
            service = next(s for s in gw.detail("netcfgd")["services"] if s["name"] == "dhcp-server lan")
            assert service["state"] == state, service
        second = Laptop(lab, add_host(lab, "pc2", "pc2", "br-lan"))
        assert offers(lab.sw, standby.port("ge2"), 2) == 0, "the Standby answers"
        other = wait(second.bound, 20, "another client's address")[1]
        assert other != address
        active.power_cut()
        lab.wait_role(standby, "Active")
        # Its server does not answer any more: the client asks all, and keeps its address.
        client.renew()
        wait(lambda: client.bound()[4] == LAN_OWN[standby.number], 60, "the new Active answers", client.events)
        assert client.bound()[1:3] == [address, LAN_VIRTUAL], client.events()


test_lan_server_follows_the_role.deadline = 120


def test_lan_relay():
    """Requests go to a server behind, with the Active's own address; it is the Active that passes on."""
    with Lab(interfaces={"ge2": {"dhcp-relay": f'{{"{SERVER}"}}'}}) as lab:
        lab.start()
        lab.wait_ready()
        for number in (1, 2):
            lab.server.run("ip", "route", "add", f"{LAN_OWN[number]}/32", "via", WAN_OWN[number])
        Dnsmasq(lab, lab.server, "10.0.0.150", "10.0.0.199", router=LAN_VIRTUAL)
        client = Laptop(lab, add_host(lab, "pc", "pc", "br-lan"))
        lease = wait(client.bound, 20, "an address by the relay", client.events)
        assert lease[1].startswith("10.0.0.1") and lease[2] == LAN_VIRTUAL and lease[4] == SERVER, lease


def test_lan_router_adverts():
    """Hosts make an address and a default route from the Active's adverts, and follow the role."""
    interfaces = [{"ge2": {"router-advert": "true",
                           "address": f'{{"{LAN_OWN[n]}/24", "2001:db8:2::{n + 1}/64"}}'}} for n in (1, 2)]
    with Lab(gw1={"interfaces": interfaces[0]}, gw2={"interfaces": interfaces[1]}) as lab:
        lab.start()
        lab.wait_ready()
        host = add_host(lab, "pc", "pc", "br-lan")

        def routers():
            found = json.loads(run("ip", "-n", host.name, "-j", "-6", "route", "show", "default"))
            return [r.get("gateway") or r["nexthops"][0]["gateway"] for r in found]

        def link_local(gw):
            found = json.loads(run("ip", "-n", gw.ns.name, "-j", "-6", "addr", "show", "dev", "ge2"))
            return next(a["local"] for l in found for a in l["addr_info"] if a["scope"] == "link")

        active, standby = lab.active, lab.standby
        wait(lambda: routers() == [link_local(active)], 30, "a default route", routers)
        text = run("ip", "-n", host.name, "-6", "addr", "show", "dev", "eth0")
        assert "2001:db8:2:" in text, text
        active.ctl("switchover")
        lab.wait_role(standby, "Active")
        wait(lambda: link_local(active) not in routers(), 5, "the old one says goodbye", routers)
        wait(lambda: routers() == [link_local(standby)], 20, "the new one is the only router", routers)
        lab.wait_ready()
        active, standby = standby, active
        active.power_cut()
        lab.wait_role(standby, "Active")
        wait(lambda: link_local(standby) in routers(), 20, "the new Active is a router", routers)
        wait(lambda: routers() == [link_local(standby)], 40, "the old one is forgotten", routers)


test_lan_router_adverts.deadline = 150


def test_two_nodes_of_one_machine():
    """Laptops' servers of two gateways in two namespaces do not see each other."""
    with Lab() as lab:
        for gw in lab.gateways:
            start_netcfgd(gw, 'node = "gw-01"\n' + GE1)
        for gw in lab.gateways:
            wait(lambda gw=gw: any(s["state"] == "running" for s in gw.detail("netcfgd")["services"]), 5,
                 f"{gw} serves")
        stays(lambda: all(s["restarts"] == 0 for gw in lab.gateways
                          for s in gw.detail("netcfgd")["services"]), 1, "none ends")
