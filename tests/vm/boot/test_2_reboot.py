# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine was rebooted: systemd starts the gateway, which is again what it was configured to be."""

import json

from gwconfig import LAN_OWN, WAN_OWN
from lab import wait
from netns import run
from traffic import Traffic, assert_kept
from whole import UNIT, rebooted, running


def test_node_comes_back_as_configured():
    assert rebooted(), "this is still the boot before"
    wait(lambda: run("systemctl", "is-active", f"{UNIT}.service", check=False).strip() == "active", 60,
         "systemd has started the gateway")

    def only_the_others(lab):
        lab.gw2.configure()
        lab.gw2.start()

    with running(only_the_others) as lab:
        assert {LAN_OWN[1], WAN_OWN[1]} <= lab.gw1.addresses(), lab.gw1.addresses()
        assert "198.18.0.1" in lab.gw1.addresses(), "networkd's own address"
        routes = json.loads(run("ip", "-j", "route", "show", "proto", "77", "table", "all"))
        assert {"192.0.2.0/24", "198.51.100.0/24", "default"} <= {r["dst"] for r in routes}, routes
        assert "1000" in run("ip", "rule", "show", "priority", "1000")
        traffic = Traffic(lab, tcp=20, udp=10, stream_hz=50, ping_hz=10)
        traffic.wait_flowing(40)
        new = lab.standby
        traffic.mark("switchover")
        lab.active.ctl("switchover")
        lab.wait_role(new, "Active", 20)
        assert_kept(traffic.wait_flowing(40))


test_node_comes_back_as_configured.deadline = 150
