# SPDX-License-Identifier: GPL-2.0-or-later
"""A reload that changes VRRP instances of a running pair: no change of role, nothing lost, nothing
left behind, and an instance that goes says so to other routers (priority 0)."""

import re
import struct

from lab import wait
from observe import packet_socket
from traffic import Traffic, assert_lossless

EXTRA = 'vrrp "more" {{ interface = "ge2" vrid = {vrid} virtual-address = {{"{address}/24"}} }}\n'


def reload_both(lab, **changes):
    """The Standby first: what is new must be wanted there before it is announced."""
    for gw in (lab.standby, lab.active):
        gw.configure(**changes)
        gw.ctl("reload")


def adverts(tap):
    """(vrid, priority) of what came out of a gateway since the last call."""
    found = []
    while True:
        try:
            frame, source = tap.recvfrom(2048)
        except BlockingIOError:
            return found
        if source[2] != 4 and len(frame) > 36:
            found.append(struct.unpack_from("BB", frame, 35))


def links(gw):
    return {line.split("@")[0].split()[0] for line in gw.ns.run("ip", "-br", "link").splitlines()}


def test_instances_come_change_and_go(lab):
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active = lab.active
    term = active.detail("vrrpd")["term"]
    tap = packet_socket(lab.sw, active.port("ge2"), "vrrp")

    reload_both(lab, extra=EXTRA.format(vrid=20, address="10.0.0.20"))
    wait(lambda: "10.0.0.20" in active.addresses(), 5, "the new address", active.addresses)
    wait(lambda: any(vrid == 20 and priority for vrid, priority in adverts(tap)), 5, "its adverts")
    reload_both(lab, extra=EXTRA.format(vrid=21, address="10.0.0.21"))
    wait(lambda: "10.0.0.21" in active.addresses() and "10.0.0.20" not in active.addresses(), 5,
         "another VRID and address", active.addresses)
    wait(lambda: (20, 0) in adverts(tap), 5, "the old VRID is given up")
    reload_both(lab)
    wait(lambda: (21, 0) in adverts(tap), 5, "the instance is given up")
    wait(lambda: not any(a.startswith("10.0.0.2") and len(a) == 9 for a in active.addresses()), 5,
         "no address is left", active.addresses)
    for gw in lab.gateways:
        wait(lambda: not {"vr20.ge2", "vr21.ge2"} & links(gw), 5, "no interface is left",
             lambda: links(gw))
    tap.close()
    lab.wait_ready()
    assert lab.active is active and active.detail("vrrpd")["term"] == term, lab.describe()
    assert_lossless(traffic.wait_flowing())


def test_interface_is_no_longer_used(lab):
    """Its sockets are closed, which takes longer than the lease: vrrpd must not wait for it."""
    active = lab.active
    term = active.detail("vrrpd")["term"]
    for _ in range(3):
        for gw in (lab.standby, active):
            with open(gw.config) as f:
                text = f.read()
            text = re.sub(r'^vrrp "wan" {.*?^}\n|^nat .*?\n', "", text, flags=re.M | re.S)
            gw.write_config(text.replace('{"ge2", "ge3"}', '{"ge2"}'))
            gw.ctl("reload")
        reload_both(lab)
    lab.wait_ready()
    assert lab.active is active and active.detail("vrrpd")["term"] == term, lab.describe()
    assert active.detail("netcfgd")["lapses"] == 0


def test_timers_change_under_traffic(lab):
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active = lab.active
    term = active.detail("vrrpd")["term"]
    for heartbeat in ("30ms", "10ms", "off", "10ms"):
        reload_both(lab, cluster={"heartbeat": heartbeat})
        lab.wait_ready()
    assert lab.active is active and active.detail("vrrpd")["term"] == term, lab.describe()
    assert_lossless(traffic.wait_flowing())
