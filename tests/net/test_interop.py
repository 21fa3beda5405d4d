# SPDX-License-Identifier: GPL-2.0-or-later
"""VRRP version 2 on one side of the pair, as towards routers that speak no other."""

import contextlib
import socket
import struct

from gwconfig import WAN_SERVER, WAN_VIRTUAL, VIRTUALS
from lab import Lab, stays, wait
from traffic import Traffic, assert_kept, gap_ms, summary

PASSWORD = "s3cret"
GROUP = "224.0.0.18"
PROTOCOL = 112
VRID = 12


@contextlib.contextmanager
def pair_of_v2():
    """Only the WAN side is of version 2."""
    with Lab() as lab:
        for gw in lab.gateways:
            gw.configure()
            with open(gw.config) as f:
                text = f.read()
            head = 'vrrp "wan" {\n'
            assert head in text, text
            gw.write_config(text.replace(head, f'{head}    version = 2\n    password = "{PASSWORD}"\n'))
            gw.start()
        lab.wait_ready()
        yield lab


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def advert(priority=255, interval=1, auth=1, password=PASSWORD):
    """Of RFC 3768 section 5.1."""
    tail = socket.inet_aton(WAN_VIRTUAL) + password.encode().ljust(8, b"\0")
    head = struct.pack("!BBBBBB", 0x21, VRID, priority, 1, auth, interval)
    return head + struct.pack("!H", checksum(head + b"\0\0" + tail)) + tail


def stranger_says(lab, data):
    with lab.server.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL) as s:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(WAN_SERVER))
        s.sendto(data, (GROUP, 0))


def instance(gw, name):
    return next(i for i in gw.detail("vrrpd")["instances"] if i["name"] == name)


def test_version_2_fails_over():
    """Each side speaks its version; the Standby takes both kinds, and then the role."""
    with pair_of_v2() as lab:
        standby = lab.standby
        assert [instance(standby, n)["version"] for n in ("lan", "wan")] == [3, 2]
        for name in ("lan", "wan"):
            wait(lambda: int(instance(standby, name)["adverts_received"]) > 1, 5, f"{name} is heard",
                 lambda: instance(standby, name))
        traffic = Traffic(lab, tcp=50, udp=10)
        traffic.wait_flowing()
        traffic.mark("fault")
        lab.active.power_cut()
        lab.wait_role(standby, "Active")
        report = traffic.wait_flowing()
        assert_kept(report)
        assert gap_ms(report) <= 500 + report["late_ms"], f"gap: {summary(report)}"
        assert standby.holds() == set(VIRTUALS)


def test_version_2_of_a_stranger_is_counted_and_ignored():
    """Each wrong in one way, all of higher priority than ours; none moves the role."""
    with pair_of_v2() as lab:
        active, standby = lab.active, lab.standby
        term = active.detail("vrrpd")["term"]
        for counter, data in (("bad_password", advert(password="guess")),
                              ("other_auth", advert(auth=0, password="")),
                              ("other_interval", advert(interval=2))):
            name = f"rx_advert_{counter}"
            assert active.counters("vrrpd")[name] == 0
            stranger_says(lab, data)
            for gw in lab.gateways:
                wait(lambda: gw.counters("vrrpd")[name] == 1, 5, f"{gw} counts {name}",
                     lambda: gw.counters("vrrpd"))
        stays(lambda: active.role() == "Active" and standby.role() == "Standby", 0.5, "roles",
              lab.describe)
        assert active.detail("vrrpd")["term"] == term, lab.describe()
        with open(active.log) as f:
            text = f.read()
        assert PASSWORD not in text and "guess" not in text, "a password is in the log"
