# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with the cabling is said within 5 s, with object, cause and remedy, and is taken back
when it is put right; a pair that is well has nothing to say, whatever happens to it."""

import contextlib
import os
import socket
import struct
import threading

from gwconfig import LAN_CLIENT, LAN_OWN, LAN_VIRTUAL
from lab import Lab, stays, wait
from netns import ip_batch
from traffic import Traffic, assert_kept

WITHIN_S = 5
STRANGER_GONE_S = 15  # a stranger counts for 10 s after it was seen last

NO_CARRIER = ("HA link ge4 has no carrier", "plug it into a switch port of the HA VLAN")
UNHEARD = ("HA link ge4: it has carrier, but", "is not heard", "into one VLAN of the switch")
UNHEARD_ELSEWHERE = (*UNHEARD, "while it is heard on ge2")
DIRECT = ("HA link ge4 is cabled directly to ge4 of gw-0", "connect both nodes through a switch")


def conditions(gw):
    return gw.detail("netcfgd").get("conditions", [])


def show(lab):
    return lambda: {str(gw): conditions(gw) for gw in lab.gateways if gw.powered}


def only(gw, *words, within_s=WITHIN_S):
    """The node has exactly one condition, with these words in it; without words, none."""
    def right():
        found = conditions(gw)
        return found == [] if not words else len(found) == 1 and all(w in found[0] for w in words)
    wait(right, within_s, f"{gw}: {words or 'no condition'}", show(gw.lab))


def well(lab, within_s=WITHIN_S):
    for gw in lab.gateways:
        only(gw, within_s=within_s)


class Seen:
    """Every condition that any node has from now on."""

    def __init__(self, lab):
        self.lab, self.texts, self._end = lab, set(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._end.wait(0.1):
            for gw in self.lab.gateways:
                with contextlib.suppress(Exception):
                    self.texts |= set(conditions(gw))

    def end(self):
        self._end.set()
        self._thread.join()
        return self.texts


class Host:
    """Another host, plugged into a switch of the lab."""

    _count = 0

    def __init__(self, lab, bridge, address):
        Host._count += 1
        self.lab, port = lab, f"x{Host._count}"
        self.ns = lab.namespace(f"host{Host._count}")
        self.mac = f"02:00:00:00:aa:{Host._count:02x}"
        self.ns.sysctl("ipv6/conf/default/disable_ipv6", 1)
        ip_batch([f"link add {port} netns {lab.sw.name} type veth peer name eth0 "
                  f"address {self.mac} netns {self.ns.name}"])
        lab.sw.run("ip", "link", "set", port, "master", bridge, "up")
        self.ns.run("ip", "-batch", "-", text_input=f"link set eth0 up\naddr add {address} dev eth0\n")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.lab.remove(self.ns)

    def talk(self, to):
        """One question for the MAC of an address."""
        self.ns.run("ip", "neigh", "flush", "all")
        self.ns.run("ping", "-c", "1", "-W", "1", to, check=False)

    def send(self, frame):
        with self.ns.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
            s.bind(("eth0", 0))
            s.send(frame)


def move(gw, link, bridge):
    gw.lab.sw.run("ip", "link", "set", gw.port(link), "master", bridge)


def direct_cable(lab):
    """ge4 of both nodes are the ends of one cable."""
    for gw in lab.gateways:
        gw.unmake("ge4")
    ip_batch([f"link add ge4 address 02:00:00:00:04:01 netns {lab.gw1.ns.name} type veth "
              f"peer name ge4 address 02:00:00:00:04:02 netns {lab.gw2.ns.name}"])


def rewrite(gw, old, new):
    """Another text of the configuration, in effect at once."""
    with open(gw.config) as f:
        text = f.read()
    assert old in text, text
    gw.write_config(text.replace(old, new))
    gw.ctl("reload")


# --- a pair that is well ---

def test_a_healthy_pair_has_none(pair):
    well(pair)
    seen = Seen(pair)
    for _ in range(2):
        was = pair.standby
        pair.active.ctl("switchover")
        pair.wait_role(was, "Active")
        pair.wait_ready()
    for gw in pair.gateways:
        pid = gw.kill("netcfgd")
        wait(lambda gw=gw, pid=pid: gw.pid("netcfgd") != pid and gw.detail("netcfgd"), 10, f"{gw}: netcfgd is back")
    pair.wait_ready()
    for gw in pair.gateways:
        gw.ctl("reload")
    stays(lambda: not seen.texts, 4, "no condition at all", show(pair))
    assert seen.end() == set()


def test_a_power_cut_is_the_peer_unheard_and_nothing_else():
    for vrrp in ({}, {"virtual-mac": "false"}):
        with Lab(vrrp=vrrp) as lab:
            lab.start()
            lab.wait_ready()
            seen = Seen(lab)
            gone, survivor = lab.active, lab.standby
            gone.power_cut()
            lab.wait_role(survivor, "Active")
            only(survivor, *UNHEARD, "neither there nor elsewhere")
            gone.power_on()
            lab.wait_ready()
            well(lab)
            survivor.ctl("switchover")
            lab.wait_role(gone, "Active")
            lab.wait_ready()
            stays(lambda: True, 2, "time passes")
            for text in seen.end():
                assert all(word in text for word in UNHEARD), text


# --- the HA link ---

def test_ha_cable_pulled(pair):
    pair.gw1.pull("ge4")
    only(pair.gw1, *NO_CARRIER)
    only(pair.gw2, *UNHEARD_ELSEWHERE, "gw-01")
    pair.gw1.plug("ge4")
    well(pair)


def test_ha_switch_port_disabled(pair):
    pair.gw2.block("ge4")
    for gw in pair.gateways:
        only(gw, *UNHEARD_ELSEWHERE)
    pair.gw2.unblock("ge4")
    well(pair)


def test_ha_port_in_the_lan(pair):
    move(pair.gw2, "ge4", "br-lan")
    only(pair.gw1, "ge4 of gw-02, its HA link, is in the network of ge2 of this node",
         "move its cable or its switch port to the HA VLAN")
    only(pair.gw2, "HA link ge4 is in the same network as ge2 of this node",
         "move its cable or its switch port to the HA VLAN")
    move(pair.gw2, "ge4", "br-ha")
    well(pair)


def test_foreign_traffic_on_the_ha_vlan(pair):
    with Host(pair, "br-ha", "10.99.0.9/24") as host:
        host.talk("10.99.0.1")
        for gw in pair.gateways:
            only(gw, "HA link ge4: foreign traffic from", f"{host.mac} (ARP of 10.99.0.9)",
                 "the two HA ports only: take the others out")
        well(pair, STRANGER_GONE_S)
        # What switches send by themselves is no traffic: spanning tree, LLDP, CDP, LACP, a loop test.
        source = bytes.fromhex(host.mac.replace(":", ""))
        for to, kind in (("0180c2000000", "0026"), ("0180c200000e", "88cc"), ("01000ccccccc", "0040"),
                         ("0180c2000002", "8809"), (host.mac.replace(":", ""), "9000")):
            host.send(bytes.fromhex(to) + source + bytes.fromhex(kind) + bytes(60))
        stays(lambda: not any(conditions(gw) for gw in pair.gateways), 2, "switch protocols", show(pair))
        def named(gw):
            host.send(b"\xff" * 6 + source + b"\x12\x34" + bytes(60))
            return any(f"foreign traffic from {host.mac} (ethertype 0x1234)" in c for c in conditions(gw))
        for gw in pair.gateways:
            wait(lambda gw=gw: named(gw), WITHIN_S, f"{gw} names the host", show(pair), every_s=0.3)
    well(pair, STRANGER_GONE_S)


def test_large_frames_get_lost(pair):
    port = pair.gw1.port("ge4")
    pair.sw.run("ip", "link", "set", port, "mtu", "1400")
    for gw in pair.gateways:
        wait(lambda: any("those of 1500 bytes do not" in c and "raise the MTU of the switch" in c
                         for c in conditions(gw)) or gw is pair.gw1, WITHIN_S, "large frames", show(pair))
    pair.sw.run("ip", "link", "set", port, "mtu", "1500")
    well(pair)


def test_different_mtus(lab):
    ha = 'interface "ge4" {'
    rewrite(lab.gw2, ha, ha + " mtu = 1400 ")
    only(lab.gw1, "HA link ge4: MTU 1500 here, 1400 on ge4 of gw-02", "set the same mtu on both")
    only(lab.gw2, "HA link ge4: MTU 1400 here, 1500 on ge4 of gw-01", "set the same mtu on both")
    rewrite(lab.gw2, "mtu = 1400", "mtu = 1500")
    well(lab)


def test_cabled_directly():
    with Lab() as lab:
        direct_cable(lab)
        lab.start()
        lab.wait_ready()
        for gw in lab.gateways:
            only(gw, *DIRECT)
        # It works all the same, also when the survivor's own port loses its carrier.
        traffic = Traffic(lab, tcp=50, udp=10)
        traffic.wait_flowing()
        gone, survivor = lab.active, lab.standby
        traffic.mark("power cut")
        gone.block("ge2", "ge3")
        gone.kill_everything()
        gone.ns.run("ip", "link", "set", "ge4", "down")
        lab.wait_role(survivor, "Active")
        assert_kept(traffic.wait_flowing())
        only(survivor, "HA link ge4 has no carrier", "cabled directly to gw-0",
             "connect both nodes through a switch")
        gone.unblock("ge2", "ge3")
        gone.start()
        lab.wait_ready()
        # Through a switch now.
        gone.ns.run("ip", "link", "delete", "ge4")
        for gw in lab.gateways:
            gw.remake("ge4")
        lab.wait_ready()
        well(lab)


def test_wrong_peer_fingerprint(lab):
    right = lab.gw1.fingerprint()
    rewrite(lab.gw2, right, "sha256:" + "5a" * 32)
    only(lab.gw1, "gw-02 has another peer-fingerprint than this node's key", "`gatepair key` here")
    only(lab.gw2, "node gw-01", "takes this node for its peer, but its key is not peer-fingerprint",
         "`gatepair key` there")
    rewrite(lab.gw2, "sha256:" + "5a" * 32, right)
    well(lab)


# --- addresses ---

def test_another_host_has_our_lan_address(pair):
    mine = LAN_OWN[1]
    with Host(pair, "br-lan", f"{mine}/24") as host:
        host.talk(LAN_CLIENT)
        only(pair.gw1, f"interface ge2: address {mine} is used by {host.mac} as well",
             "give one of the two another address")
        only(pair.gw2)
        # It is silent now, and still there: we ask.
        stays(lambda: conditions(pair.gw1), 12, "the conflict", show(pair))
        assert mine in pair.gw1.addresses()
    well(pair, STRANGER_GONE_S)


def test_a_silent_host_is_found_when_carrier_returns():
    with Lab() as lab:
        with Host(lab, "br-lan", f"{LAN_OWN[1]}/24") as host:
            lab.start()
            lab.wait_ready()
            found = f"interface ge2: address {LAN_OWN[1]} is used by {host.mac} as well"
            only(lab.gw1, found)
            lab.sw.run("ip", "link", "set", "x" + host.mac.rpartition(":")[2].lstrip("0"), "down")
            well(lab, STRANGER_GONE_S)
            lab.sw.run("ip", "link", "set", "x" + host.mac.rpartition(":")[2].lstrip("0"), "up")
            lab.gw1.pull("ge2")
            wait(lambda: lab.gw1.detail("vrrpd")["role"] != "Active", 5, "gw1 gives way")
            lab.gw1.plug("ge2")
            only(lab.gw1, found)


def test_another_host_has_our_virtual_address(pair):
    with Host(pair, "br-lan", f"{LAN_VIRTUAL}/24") as host:
        def named():
            host.talk(LAN_CLIENT)
            return any(f"virtual address {LAN_VIRTUAL}, held by this node, is used by {host.mac}" in c
                       for c in conditions(pair.active))
        wait(named, WITHIN_S + 3, "the Active names it", show(pair))
        only(pair.standby)
    pair.client.run("ip", "neigh", "flush", "all")
    well(pair, STRANGER_GONE_S)


def test_both_nodes_have_one_address(lab):
    rewrite(lab.gw2, f'"{LAN_OWN[2]}/24"', f'"{LAN_OWN[1]}/24"')
    for gw, other in ((lab.gw1, "gw-02"), (lab.gw2, "gw-01")):
        only(gw, f"interface ge2: address {LAN_OWN[1]} is used by the other node {other}",
             "give each node an address of its own")
    rewrite(lab.gw2, f'"{LAN_OWN[1]}/24"', f'"{LAN_OWN[2]}/24"')
    well(lab, STRANGER_GONE_S)


def test_another_host_has_our_ipv6_address():
    address = "fd00:77::2"
    with Lab() as lab:
        with Host(lab, "br-lan", "10.0.0.78/24") as host:
            host.ns.sysctl("ipv6/conf/eth0/disable_ipv6", 0)
            host.ns.run("ip", "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
            lab.start()
            lab.wait_ready()
            # One that another tool adds is tried by the kernel first.
            lab.gw1.ns.run("ip", "addr", "add", f"{address}/64", "dev", "ge2")
            only(lab.gw1, f"interface ge2: address {address}/64 is used by another node as well",
                 "not used here", "give one of the two another address")
            lab.gw1.ns.run("ip", "addr", "del", f"{address}/64", "dev", "ge2")
            only(lab.gw1)
            # A configured one is a gateway's, whatever others do.
            mine = f'"{LAN_OWN[1]}/24"'
            rewrite(lab.gw1, mine, f'{mine}, "{address}/64"')
            only(lab.gw1, f"interface ge2: address {address} is used by {host.mac} as well",
                 "give one of the two another address")
        well(lab, STRANGER_GONE_S)


# --- hostile frames ---

def test_a_flood_of_forged_frames_hides_nothing(pair):
    """Probes of nobody and garbage, as fast as a host can, on the LAN: the HA link is heard."""
    with Host(pair, "br-lan", "10.0.0.77/24") as host:
        source = bytes.fromhex(host.mac.replace(":", ""))
        head = bytes.fromhex("034750564202") + source + b"\x88\xb6"
        probe = head + b"GPCP\1\1\1\1" + struct.pack(">HHIQQQI16s1s", 61, 0, 1500, 1, 2, 3, 4, b"ge4", b"x")
        end = threading.Event()

        def flood():
            with host.ns.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
                s.bind(("eth0", 0))
                while not end.wait(0.001):
                    with contextlib.suppress(OSError):
                        s.send(probe)
                        s.send(head + os.urandom(60))
        thread = threading.Thread(target=flood, daemon=True)
        pids = [gw.pid("netcfgd") for gw in pair.gateways]
        thread.start()
        try:
            stays(lambda: not any(conditions(gw) for gw in pair.gateways), 5, "no condition", show(pair))
        finally:
            end.set()
            thread.join()
        assert pids == [gw.pid("netcfgd") for gw in pair.gateways]
