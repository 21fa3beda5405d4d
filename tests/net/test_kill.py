# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of any daemon, at any time: no role change, no packet lost, the state converges again."""

import os
import random
import signal
import time

from lab import DAEMONS, wait
from observe import show_difference, tables_agree
from traffic import Traffic, assert_kept, assert_lossless


def back(gw, daemon, old_pid):
    return lambda: gw.status(daemon)["pid"] not in (old_pid, 0)


def kill_and_check(pair, gw, daemon, times):
    """Kills at moments without pattern; a fixed seed makes them the same in each run."""
    moments = random.Random(f"{gw}{daemon}")
    active = pair.active
    term = active.detail("vrrpd")["term"]
    pair.traffic.mark(f"kill {daemon}")
    for _ in range(times):
        at = time.monotonic() + moments.uniform(0, 0.1)
        wait(lambda: time.monotonic() >= at, 1, "the moment", every_s=0.001)
        old = gw.kill(daemon)
        wait(back(gw, daemon, old), 5, f"{daemon} answers again", pair.describe)
        pair.wait_ready()
    assert pair.active is active and active.detail("vrrpd")["term"] == term, \
        f"role changed: {pair.describe()}"
    assert_lossless(pair.traffic.wait_flowing())
    wait(lambda: tables_agree(pair, 120), 10, "tables agree", lambda: show_difference(pair))


def test_kill_vrrpd_on_the_active(pair):
    kill_and_check(pair, pair.active, "vrrpd", 3)


def test_kill_netcfgd_on_the_active(pair):
    kill_and_check(pair, pair.active, "netcfgd", 3)


def test_kill_syncd_on_the_active(pair):
    kill_and_check(pair, pair.active, "syncd", 3)


def test_kill_each_daemon_on_the_standby(pair):
    for daemon in DAEMONS:
        kill_and_check(pair, pair.standby, daemon, 1)


def test_sessions_made_while_syncd_is_gone_are_replicated(pair):
    pair.active.kill("syncd")
    more = Traffic(pair, tcp=100, udp=0, stream_hz=0, ping_hz=0)
    try:
        more.wait_flowing()
        pair.wait_ready()
        wait(lambda: tables_agree(pair, 220), 10, "tables agree", lambda: show_difference(pair))
    finally:
        more.close()


def test_all_daemons_killed_at_once_under_a_living_supervisor(lab):
    """The peer may take over or not; sessions live, and it converges."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    gw = lab.active
    pids = [gw.pid(d) for d in DAEMONS]
    traffic.mark("kill all")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for daemon, pid in zip(DAEMONS, pids):
        wait(back(gw, daemon, pid), 5, f"{daemon} answers again", lab.describe)
    lab.wait_ready()
    assert_kept(traffic.wait_flowing())


def test_everything_killed_and_the_peer_takes_over(lab):
    """Daemons and supervisor; their kernel lives on with the addresses it had."""
    traffic = Traffic(lab, tcp=500, udp=100)
    traffic.wait_flowing()
    gone, survivor = lab.active, lab.standby
    traffic.mark("kill everything")
    gone.kill_everything()
    lab.wait_role(survivor, "Active")
    assert_kept(traffic.wait_flowing())
    wait(lambda: not gone.holds(), 10, f"{gone}'s kernel lets go of the addresses", gone.holds)
    traffic.mark("restart")
    gone.start()
    lab.wait_ready()
    assert_lossless(traffic.wait_flowing())


def test_supervisor_killed_alone(lab):
    """Whatever becomes of its children: the users notice at most a failover."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    gw = lab.active
    traffic.mark("kill supervisor")
    os.kill(gw.supervisor.pid, signal.SIGKILL)
    gw.supervisor.wait()
    assert_kept(traffic.wait_flowing())
    gw.kill_everything()
    assert_kept(traffic.wait_flowing())
    gw.start()
    lab.wait_ready()


def test_a_crash_loop_makes_the_node_yield(lab):
    """A daemon that dies whenever it comes up is not restarted for ever at full speed."""
    gw, other = lab.active, lab.standby

    def kill_again():
        try:
            gw.kill("syncd")
        except Exception:  # pylint: disable=broad-except
            pass  # it is between two lives
        return other.role() == "Active"
    wait(kill_again, 30, "the node with the crash loop yields", lab.describe, every_s=0.05)
    wait(lambda: lab.is_settled(), 90, "it recovers once the daemon lives", lab.describe)


test_a_crash_loop_makes_the_node_yield.deadline = 150
