# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd-networkd runs beside us and, at each of its restarts, removes the routes, rules and addresses of
others. Whatever it removes of ours is back at once, and the role stays."""

import os

from gwconfig import VIRTUALS
from lab import wait
from netns import run
from nlwatch import NetlinkWatch, kernel_state, state_difference
from traffic import Traffic, assert_kept
from whole import link_files, note_boot, networkd, running

# The promise is 50 ms on a gateway; this machine is emulated.
HEALED_S = 0.5

OFFICE = {
    "20-office.netdev": "[NetDev]\nName=office\nKind=dummy\n",
    "20-office.network": "[Match]\nName=office\n\n[Network]\nAddress=198.18.0.1/24\n\n"
                         "[Route]\nDestination=198.18.9.0/24\nGateway=198.18.0.9\n",
}
# What an image may well have: every port belongs to networkd, which knows of no address there.
GREEDY = {"30-all.network": "[Match]\nName=ge* vr*\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
                            "[Link]\nRequiredForOnline=no\n"}
NOT_OURS = ("office", "198.18.", "fe80:", "ff00:", " ::")


def healing(events):
    """{object of ours: the longest time that it was away, in seconds}; None: it still is."""
    gone, away = {}, {}
    for e in events:
        if any(word in e.key for word in NOT_OURS):
            continue
        if e.op == "-" and e.changed:
            gone[e.key] = e.at
            away[e.key] = None
        elif e.op == "+" and e.key in gone:
            away[e.key] = max(away[e.key] or 0, e.at - gone.pop(e.key))
    return away


def restart_networkd(lab, traffic, at_least):
    gw = lab.active
    assert gw is lab.gw1, lab.describe()
    term = gw.detail("vrrpd")["term"]
    watch, whole = NetlinkWatch(gw), kernel_state(gw)
    traffic.mark("networkd")
    run("systemctl", "restart", "systemd-networkd", timeout=60)
    wait(lambda: run("networkctl", "list", "office", "--no-legend").split()[3:] == ["routable", "configured"],
         30, "networkd has set office up", lambda: run("networkctl", "list"))
    wait(lambda: not state_difference(whole, kernel_state(gw)), 20, "everything is as before",
         lambda: state_difference(whole, kernel_state(gw)))
    away = healing(watch.since(0))
    assert gw.role() == "Active" and gw.detail("vrrpd")["term"] == term, lab.describe()
    assert set(VIRTUALS) <= gw.addresses()
    assert_kept(traffic.wait_flowing(40))
    assert len(away) >= at_least, f"networkd removed too little of ours to be a fault: {away}"
    late = {key: s for key, s in away.items() if s is None or s > HEALED_S}
    assert not late, f"healed late: {late}"
    slowest = max(away, key=away.get)
    print(f"   {len(away)} objects removed, all back, the slowest after {away[slowest] * 1000:.1f} ms: "
          f"{slowest}", flush=True)


def test_restart_of_networkd():
    networkd(OFFICE)
    link_files()
    run("systemctl", "enable", "--now", "systemd-networkd", timeout=60)
    with running(lambda lab: lab.start()) as lab:
        traffic = Traffic(lab, tcp=20, udp=10, stream_hz=50, ping_hz=10)
        traffic.wait_flowing(40)
        restart_networkd(lab, traffic, at_least=2)  # its defaults: routes without a link, and rules
        networkd(GREEDY)
        for _ in range(2):
            restart_networkd(lab, traffic, at_least=10)
        note_boot()
        os.unlink("/etc/systemd/network/30-all.network")


test_restart_of_networkd.deadline = 200
