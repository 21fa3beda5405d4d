# SPDX-License-Identifier: GPL-2.0-or-later
"""The test ground tests itself, with gateways made by hand: it must see what we do to them.

A measurement that cannot fail proves nothing; here each is shown a fault of known size.
"""

import time

from gwconfig import LAN_OWN, LAN_VIRTUAL, VIRTUALS, WAN_OWN, WAN_VIRTUAL
from lab import Lab, wait
from observe import AddressWatch, ArpProber, session_count, sessions
from traffic import Download, Fill, Traffic, assert_kept, assert_lossless, lost, summary

SNAT = f"""table ip nat {{
    chain post {{ type nat hook postrouting priority 100; oifname "ge3" snat to {WAN_VIRTUAL}; }}
}}
"""


def by_hand(gw):
    """A plain NAT router, without virtual addresses."""
    lines = [f"link set {link} up" for link in ("ge1", "ge2", "ge3", "ge4")]
    lines += [f"addr add {LAN_OWN[gw.number]}/24 dev ge2", f"addr add {WAN_OWN[gw.number]}/24 dev ge3"]
    gw.ns.run("ip", "-batch", "-", text_input="\n".join(lines) + "\n")
    gw.ns.sysctl("ipv4/ip_forward", 1)
    gw.ns.run("nft", "-f", "-", text_input=SNAT)


def virtuals(gw, verb):
    gw.ns.run("ip", "-batch", "-", text_input=f"addr {verb} {LAN_VIRTUAL}/24 dev ge2\n"
                                              f"addr {verb} {WAN_VIRTUAL}/24 dev ge3\n")


def routers(lab):
    for gw in lab.gateways:
        by_hand(gw)
    virtuals(lab.gw1, "add")
    return lab.gw1, lab.gw2


def pause(seconds):
    """The one sleep of the test ground: an outage whose length we choose."""
    time.sleep(seconds)


def test_undisturbed_traffic_is_lossless():
    with Lab() as lab:
        gw, _ = routers(lab)
        traffic = Traffic(lab, tcp=1000, udp=200)
        traffic.wait_flowing()
        traffic.mark("undisturbed")
        report = wait(lambda: (r := traffic.report())["window_s"] > 1 and r, 5, "a second passes")
        assert_lossless(traffic.wait_flowing())
        assert abs(report["up"]["received"] - 1000 * report["window_s"]) < 30, summary(report)
        assert session_count(gw) >= 1202 and len(sessions(gw)) >= 1202


def test_an_outage_is_measured_to_the_packet():
    with Lab() as lab:
        gw, _ = routers(lab)
        traffic = Traffic(lab, tcp=100, udp=20)
        traffic.wait_flowing()
        for block, unblock in ((lambda: gw.block("ge3"), lambda: gw.unblock("ge3")),
                               (lambda: gw.lose("ge2", 100), lambda: gw.lose("ge2", 0))):
            traffic.mark("outage")
            began = time.monotonic()
            block()
            pause(0.1)
            unblock()
            took_ms = (time.monotonic() - began) * 1000
            report = traffic.wait_flowing()
            assert 95 <= min(lost(report)) and max(lost(report)) <= took_ms + 5, summary(report)
            assert 95 <= report["up"]["gap_ms"] <= took_ms + 5 + report["late_ms"], summary(report)
            assert report["ping"]["lost"] >= 9, summary(report)
            assert_kept(report)


def test_an_outage_that_lasts_is_not_flowing():
    with Lab() as lab:
        gw, _ = routers(lab)
        traffic = Traffic(lab, tcp=10, udp=5)
        traffic.wait_flowing()
        traffic.mark("outage")
        gw.pull("ge2")
        report = wait(lambda: (r := traffic.report())["up"]["silent_ms"] > 200 and r, 5, "silence")
        assert report["up"]["gap_ms"] > 200 and report["tcp"]["fresh"] == 0, summary(report)


def test_lost_sessions_are_found():
    """Without the state of the first router, a session has another port or is reset."""
    with Lab() as lab:
        gw, other = routers(lab)
        other.ns.run("nft", "-f", "-", text_input="flush ruleset\n" + SNAT.replace(
            f"snat to {WAN_VIRTUAL};", f"meta l4proto {{ tcp, udp }} snat to {WAN_VIRTUAL}:5000-9000;"))
        traffic = Traffic(lab, tcp=20, udp=20, ping_hz=0)
        traffic.wait_flowing()
        virtuals(gw, "del")
        virtuals(other, "add")
        lab.client.run("ip", "neigh", "flush", "all")
        lab.server.run("ip", "neigh", "flush", "all")
        traffic.mark("another router")  # only now nobody uses the first one any more
        wait(lambda: (r := traffic.report())["udp"]["moved"] == 20 and r["stream_moved"] > 0, 10,
             "every UDP flow has moved", lambda: summary(traffic.report()))
        assert traffic.report()["tcp"]["fresh"] == 0, "no TCP session can have survived"


def test_two_holders_are_seen():
    with Lab() as lab:
        gw, other = routers(lab)
        watch, arp = AddressWatch(lab), ArpProber(lab)
        wait(lambda: arp.holders() == [gw.name], 5, "the first answers", arp.holders)
        assert not watch.overlaps()
        began = time.monotonic()
        virtuals(other, "add")
        pause(0.05)
        virtuals(gw, "del")
        took = time.monotonic() - began
        wait(lambda: arp.holders()[-1] == other.name, 5, "the second answers", arp.holders)
        overlaps = wait(watch.overlaps, 5, "the overlap is reported")
        assert {address for address, _, _ in overlaps} == set(VIRTUALS)
        assert all(0.045 < seconds <= took for _, _, seconds in overlaps), (overlaps, took)
        assert arp.conflicts(), "two answers to one request were not noticed"


def test_power_cut_and_cold_boot():
    with Lab() as lab:
        gw, _ = routers(lab)
        watch = AddressWatch(lab)
        port = gw.port("ge2")
        gw.power_cut()
        assert "NO-CARRIER" not in lab.sw.run("ip", "link", "show", port), "the switch saw it"
        assert not gw.ns.pids()
        assert [c for c in watch.changes if c[1:] == (gw.name, "-", LAN_VIRTUAL)]
        gw.power_on(start=False)
        assert gw.addresses() <= {"127.0.0.1"}, gw.addresses()
        by_hand(gw)
        virtuals(gw, "add")
        Traffic(lab, tcp=10, udp=5).wait_flowing()


def test_100000_sessions_in_seconds():
    with Lab() as lab:
        gw, _ = routers(lab)
        fill = Fill(lab, 100_000)
        assert session_count(gw) >= 100_000
        touched = fill.touch()
        assert touched["answered"] == 100_000 and touched["moved"] == 0, touched


def test_download_is_checked():
    with Lab() as lab:
        routers(lab)
        result = Download(lab, megabytes=4, seconds=1).finish()
        assert result["ok"] and result["bytes"] == 4 << 20, result
