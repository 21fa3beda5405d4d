# SPDX-License-Identifier: GPL-2.0-or-later
"""The address lease and its fence, on real packets: a netcfgd that was held up does not end a lease
that was renewed in time, and a closed gate answers nobody."""

import time

from gwconfig import VIRTUALS
from lab import stays, wait
from observe import ArpProber
from traffic import Traffic, assert_lossless


def lapses(gw):
    return gw.detail("netcfgd")["lapses"]


def test_held_up_netcfgd_costs_nothing(lab):
    """Ten times the lease: what vrrpd sent meanwhile is read before the lease is given up."""
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active = lab.active
    term, before = active.detail("vrrpd")["term"], lapses(active)
    for _ in range(3):
        active.freeze("netcfgd")
        try:
            stays(lambda: active.holds() == set(VIRTUALS), 0.4, "the addresses are held")
        finally:
            active.thaw("netcfgd")
        wait(lambda: active.detail("netcfgd")["lease_held"], 5, "netcfgd answers", lab.describe)
    lab.wait_ready()
    assert lapses(active) == before, f"{lapses(active) - before} lapses"
    assert lab.active is active and active.detail("vrrpd")["term"] == term, lab.describe()
    assert_lossless(traffic.wait_flowing())


def test_closed_gate_answers_nobody(lab):
    """As while somebody holds the kernel's lock of the interfaces: the addresses are still there."""
    arp, active = ArpProber(lab), lab.active
    wait(lambda: arp.answers, 5, "ARP is answered")
    active.freeze("netcfgd")
    try:
        active.ns.run("nft", "-f", "-", text_input="flush set arp gatepair gate\n"
                                                   "flush set inet gatepair gate\n")
        closed = time.monotonic() + 0.02
        stays(lambda: not [a for a in arp.answers if a[0] > closed], 0.3, "nobody answers ARP")
        assert active.holds() == set(VIRTUALS)
        assert lab.client.run("ping", "-c1", "-W1", "10.0.0.1", check=False).find(" 0% loss") < 0
    finally:
        active.thaw("netcfgd")
    wait(lambda: [a for a in arp.answers if a[0] > time.monotonic() - 0.1], 5, "ARP is answered again")
    lab.wait_ready()
