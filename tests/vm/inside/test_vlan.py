# SPDX-License-Identifier: GPL-2.0-or-later
"""Three LAN VLANs, a WAN subinterface and a tagged HA link: sessions of all VLANs survive every failover."""

import contextlib
import json

from lab import wait
from traffic import Traffic, assert_kept, assert_lossless
from trunk import TRUNK_VIRTUALS, TrunkLab


def traffic_of(lab, **how):
    """Sessions from each VLAN."""
    sizes = {"tcp": 20, "udp": 10, "stream_hz": 50, "ping_hz": 10, **how}
    return [Traffic(lab, client=c, **sizes) for c in (lab.client, lab.client20, lab.client30)]


@contextlib.contextmanager
def ready(**options):
    with TrunkLab(**options) as lab:
        lab.start()
        lab.wait_ready(60)
        lab.traffics_of = traffic_of(lab)
        for t in lab.traffics_of:
            t.wait_flowing(40)
        yield lab


def through(lab, fault):
    """Runs `fault` on the Active: the Standby takes everything over and no session is lost."""
    old, new = lab.active, lab.standby
    for t in lab.traffics_of:
        t.mark("fault")
    fault(old)
    lab.wait_role(new, "Active", 30)
    reports = [t.wait_flowing(40) for t in lab.traffics_of]
    for r in reports:
        assert_kept(r)
    wait(lambda: TRUNK_VIRTUALS <= new.addresses(), 5, "all virtual addresses", new.addresses)
    return old, new, reports


def test_vlans_fail_over():
    """Switchover, pulled LAN trunk, power cut, one after the other."""
    with ready(cluster={"preempt": "never"}) as lab:
        old, _, _ = through(lab, lambda gw: gw.ctl("switchover"))
        lab.wait_ready(60)
        old, _, _ = through(lab, lambda gw: gw.pull("ge2"))
        old.plug("ge2")
        lab.wait_ready(60)
        through(lab, lambda gw: gw.power_cut())


test_vlans_fail_over.deadline = 240
