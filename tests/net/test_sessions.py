# SPDX-License-Identifier: GPL-2.0-or-later
"""What the Standby's kernel holds: every session of the users, as it is, for as long as it lives."""

import re

from gwconfig import HA_OWN, LAN_OWN, SYNC_PORT
from lab import Lab, stays, wait
from observe import session_count, sessions, show_difference, tables_agree
from traffic import Download, Fill, Traffic, assert_kept


def timeouts(gw, protocol):
    """Remaining seconds of the users' sessions of one protocol."""
    return [int(m[1]) for m in re.finditer(rf"^ipv4 +2 +{protocol} +\d+ +(\d+) .*dport=7000",
                                           gw.ns.run("conntrack", "-L", "-o", "extended"), re.M)]


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
