# SPDX-License-Identifier: GPL-2.0-or-later
"""What the Standby's kernel holds: every session of the users, as it is, for as long as it lives."""

import contextlib
import json
import random
import re
import socket
import threading
import time

from gwconfig import HA_OWN, LAN_OWN, SYNC_PORT, WAN_SERVER
from lab import Lab, stays, wait
from observe import session_count, sessions, show_difference, tables_agree
from traffic import Download, Fill, Traffic, assert_kept


def timeouts(gw, protocol):
    """Remaining seconds of the users' sessions of one protocol."""
    return [int(m[1]) for m in re.finditer(rf"^ipv4 +2 +{protocol} +\d+ +(\d+) .*dport=7000",
                                           gw.ns.run("conntrack", "-L", "-o", "extended"), re.M)]


HELD_S = 16 * 24 * 3600  # what a copy's timeout has on top (syncd/PROTOCOL.md)
ECHO_PORT = 9999


class UdpFlows:
    """UDP flows that speak when told to; the server answers with the address it sees."""

    def __init__(self, lab, count):
        with lab.server.entered():
            self._echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._echo.bind((WAN_SERVER, ECHO_PORT))
        with lab.client.entered():
            self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for s in self.sockets:
            s.connect((WAN_SERVER, ECHO_PORT))
            s.settimeout(0.3)
        self.seen = [None] * count
        self.moved = 0
        lab.on_close(self.close)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                _, source = self._echo.recvfrom(100)
                if source is None:  # shut down
                    return
                self._echo.sendto(f"{source}".encode(), source)

    def speak(self, number):
        """True when it was answered, as from the same address as ever."""
        for _ in range(5):
            with contextlib.suppress(OSError):
                self.sockets[number].send(b"who am I")
                seen = self.sockets[number].recv(100)
                if self.seen[number] not in (None, seen):
                    self.moved += 1
                self.seen[number] = seen
                return True
        return False

    def close(self):
        with contextlib.suppress(OSError):
            self._echo.shutdown(socket.SHUT_RDWR)
        for s in (self._echo, *self.sockets):
            s.close()


def kernel_timeouts(gw, port=ECHO_PORT):
    return [int(m[1]) for m in re.finditer(
        rf"^ipv4 +2 +udp +17 +(\d+) src=10.0.0.100 .*?dport={port} ",
        gw.ns.run("conntrack", "-L", "-o", "extended", check=False), re.M)]


def listed_timeouts(gw, port=ECHO_PORT):
    return [int(s["timeout_s"]) for s in json.loads(gw.ctl("sessions", "--json")[1])
            if s["destination"].endswith(f":{port}")]


def set_udp_timeouts(lab, seconds):
    for gw in lab.gateways:
        for key in ("udp_timeout", "udp_timeout_stream"):
            gw.ns.sysctl(f"netfilter/nf_conntrack_{key}", seconds)


def test_timeouts_are_true_after_takeover(lab):
    """Silent sessions: what is left of them is what was left of them, late by the slack at most."""
    whole, slack, count = 40, 2 + 1 + 2 + 10 + 2, 50
    set_udp_timeouts(lab, whole)
    flows = UdpFlows(lab, count)
    stays(lambda: all(flows.speak(n) for n in range(count)), 3, "every flow is answered", every_s=0.4)
    silent_since = time.monotonic()
    lab.wait_ready()
    standby = lab.standby

    def agrees(values):
        left = whole - (time.monotonic() - silent_since)
        return len(values) == count and all(left - 2 <= v <= min(left + slack, whole) for v in values)

    def all_there():
        return len(kernel_timeouts(standby)) == count

    stays(all_there, 23, "silent copies stay on the Standby", every_s=1)
    assert agrees(listed_timeouts(lab.active)), listed_timeouts(lab.active)
    assert agrees(listed_timeouts(standby)), listed_timeouts(standby)
    assert agrees([t - HELD_S for t in kernel_timeouts(standby)]), kernel_timeouts(standby)
    lab.active.power_cut()
    lab.wait_role(standby, "Active")
    assert agrees(listed_timeouts(standby)), listed_timeouts(standby)
    wait(lambda: agrees(kernel_timeouts(standby)), 3, "the kernel's timeouts are true",
         lambda: (whole - time.monotonic() + silent_since, kernel_timeouts(standby)))
    stays(all_there, max(0, silent_since + whole - 1 - time.monotonic()), "none ends early")
    wait(lambda: not kernel_timeouts(standby), slack + 2, "all end when they should",
         lambda: kernel_timeouts(standby))


test_timeouts_are_true_after_takeover.deadline = 100


def test_rare_keepalives_hold_their_sessions(lab):
    """A packet every 5 of 6 seconds; the takeover comes at any moment between two."""
    set_udp_timeouts(lab, 6)
    flows, count, period = UdpFlows(lab, 100), 100, 5.0
    due = [time.monotonic() + random.random() * period for _ in range(count)]
    cut_at, survivor = time.monotonic() + 12 + random.random() * period, lab.standby
    gone = lab.active
    end = cut_at + 2 * period + 1
    while (now := time.monotonic()) < end:
        number = min(range(count), key=due.__getitem__)
        if cut_at and now >= cut_at:
            gone.power_cut()
            lab.wait_role(survivor, "Active")
            cut_at = None
        time.sleep(max(0, min(due[number] - time.monotonic(), 0.05)))
        if due[number] <= time.monotonic():
            assert flows.speak(number), f"flow {number} is not answered"
            due[number] += period
    assert flows.moved == 0, f"{flows.moved} of {count} sessions were lost"


def test_restored_by_a_syncd_that_died(lab):
    """Whoever is syncd when the entries are still held gives them their timeouts."""
    set_udp_timeouts(lab, 300)
    flows = UdpFlows(lab, 20)
    stays(lambda: all(flows.speak(n) for n in range(20)), 0.1, "every flow is answered")
    lab.wait_ready()
    survivor = lab.standby
    wait(lambda: len(kernel_timeouts(survivor)) == 20, 5, "copied", lambda: kernel_timeouts(survivor))
    survivor.freeze("syncd")
    lab.active.power_cut()
    lab.wait_role(survivor, "Active")
    assert all(flows.speak(n) for n in range(10)), "sessions work without syncd"
    assert sum(t > HELD_S for t in kernel_timeouts(survivor)) == 10, kernel_timeouts(survivor)
    survivor.kill("syncd")
    wait(lambda: (t := kernel_timeouts(survivor)) and max(t) <= 300 + 90, 10, "restored",
         lambda: kernel_timeouts(survivor))
    assert min(kernel_timeouts(survivor)) > 270
    assert survivor.role() == "Active"


def test_tables_agree_in_every_detail(lab):
    traffic = Traffic(lab, tcp=500, udp=100)
    traffic.wait_flowing()
    wait(lambda: tables_agree(lab, 600), 10, "tables agree", lambda: show_difference(lab))
    protocols = {s[0] for s in sessions(lab.standby)}
    assert protocols >= {"tcp", "udp", "icmp"}, protocols


def test_sessions_do_not_run_out_on_the_standby(lab):
    """The Active's kernel refreshes a timeout with each packet and tells nobody."""
    for gw in lab.gateways:
        for key in ("udp_timeout", "udp_timeout_stream", "icmp_timeout"):
            gw.ns.sysctl(f"netfilter/nf_conntrack_{key}", 3)
    traffic = Traffic(lab, tcp=20, udp=100)
    traffic.wait_flowing()
    wait(lambda: tables_agree(lab, 120), 10, "tables agree", lambda: show_difference(lab))
    standby = lab.standby
    stays(lambda: sum(s[0] == "udp" for s in sessions(standby)) >= 101, 9,
          "the Standby holds flows that live on", lambda: show_difference(lab), every_s=0.5)
    traffic.mark("cut")
    lab.active.power_cut()
    lab.wait_role(standby, "Active")
    assert_kept(traffic.wait_flowing())
    wait(lambda: timeouts(standby, "udp") and max(timeouts(standby, "udp")) <= 3, 5,
         "timeouts are the kernel's own again", lambda: timeouts(standby, "udp"))
    traffic.close()
    wait(lambda: not timeouts(standby, "udp"), 10, "what ended is forgotten",
         lambda: timeouts(standby, "udp"))


def test_established_timeouts_are_true_after_takeover(lab):
    traffic = Traffic(lab, tcp=50, udp=0)
    traffic.wait_flowing()
    wait(lambda: tables_agree(lab, 50), 10, "tables agree", lambda: show_difference(lab))
    survivor = lab.standby
    lab.active.power_cut()
    lab.wait_role(survivor, "Active")
    whole = int(survivor.ns.sysctl("netfilter/nf_conntrack_tcp_timeout_established"))
    wait(lambda: len(t := timeouts(survivor, "tcp")) >= 50 and whole - 120 <= min(t) and max(t) <= whole,
         10, f"TCP timeouts of about {whole} s", lambda: timeouts(survivor, "tcp")[:5])


def test_flows_that_end_unnoticed_leave_the_standby(lab):
    """UDP ends by silence: the Active's kernel forgets it, and then the Standby does."""
    for gw in lab.gateways:
        for key in ("udp_timeout", "udp_timeout_stream"):
            gw.ns.sysctl(f"netfilter/nf_conntrack_{key}", 2)
    traffic = Traffic(lab, tcp=0, udp=100, ping_hz=0)
    traffic.wait_flowing()
    traffic.close()
    wait(lambda: not any(s[0] == "udp" for gw in lab.gateways for s in sessions(gw)), 15,
         "both kernels forget", lambda: show_difference(lab))


def test_excluded_networks_stay_at_home():
    with Lab(sync={"exclude": '{"10.0.0.100/32"}'}) as lab:
        lab.start()
        lab.wait_ready()
        traffic = Traffic(lab, tcp=20, udp=10)
        traffic.wait_flowing()
        stays(lambda: not sessions(lab.standby), 2, "nothing of an excluded network is copied",
              lambda: show_difference(lab))
        assert len(sessions(lab.active)) >= 30


def test_the_nodes_own_sessions_stay_at_home(pair):
    """The HA link's, and a ping to the gateway itself."""
    active, standby = pair.active, pair.standby
    pair.client.run("ping", "-c", "2", "-i", "0.1", LAN_OWN[active.number], check=False)
    wait(lambda: tables_agree(pair, 120), 10, "tables agree", lambda: show_difference(pair))
    own, link = f"={LAN_OWN[active.number]} ", f"={HA_OWN[active.number]} "
    listed = standby.ns.run("conntrack", "-L", "-o", "extended", check=False).splitlines()
    strange = [line for line in listed
               if own in line or (link in line and f"port={SYNC_PORT} " not in line)]
    assert not strange, strange


def test_bursts_of_short_sessions(lab):
    """Many come and go at once; nothing is left over on the Standby, nothing is missing."""
    fill = Fill(lab, 20_000)
    active, standby = lab.active, lab.standby
    wait(lambda: session_count(standby) >= 20_000, 20, "all are copied", lambda: session_count(standby))
    active.ns.run("conntrack", "-D", "-p", "udp", "--orig-dst", "203.0.113.200", check=False, timeout=60)
    wait(lambda: session_count(standby) < 100, 20, "all are gone", lambda: session_count(standby))
    assert fill.touch()["answered"] == 20_000, "they can be made again"
    wait(lambda: tables_agree(lab, 20_000), 30, "tables agree", lambda: show_difference(lab))


def test_download_survives_power_cuts_and_switchovers(lab):
    """One TCP session with data in flight, checked byte by byte."""
    download = Download(lab, megabytes=64, seconds=12)
    traffic = Traffic(lab, tcp=10, udp=5)
    traffic.wait_flowing()
    lab.wait_ready()
    gone = lab.active
    gone.power_cut()
    wait(lambda: lab.other(gone).role() == "Active", 10, "takeover", lab.describe)
    gone.power_on()
    lab.wait_ready(30)
    lab.active.ctl("switchover")
    lab.wait_ready()
    result = download.finish()
    assert result["ok"], result


test_download_survives_power_cuts_and_switchovers.deadline = 90
