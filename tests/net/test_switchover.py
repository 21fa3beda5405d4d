# SPDX-License-Identifier: GPL-2.0-or-later
"""Planned hand-overs lose no packet of a 1 kHz stream in either direction."""

from lab import Lab, stays, wait
from observe import ArpProber
from traffic import Traffic, assert_lossless


def switch_over(lab, traffic):
    old, new = lab.active, lab.standby
    traffic.mark("switchover")
    old.ctl("switchover")
    assert new.role() == "Active", f"acknowledged, but: {lab.describe()}"
    lab.wait_role(old, "Standby")
    assert_lossless(traffic.wait_flowing())
    return old, new


def test_switchover_loses_nothing():
    with Lab(cluster={"preempt": "never"}) as lab:
        lab.start()
        lab.wait_ready()
        traffic = Traffic(lab, tcp=1000, udp=200)
        traffic.wait_flowing()
        for _ in range(4):  # there and back, twice
            lab.wait_ready()
            switch_over(lab, traffic)


def test_role_stays_after_a_switchover(lab):
    """The better priority does not take back at once what the operator gave away."""
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    _, new = switch_over(lab, traffic)
    term = new.detail("vrrpd")["term"]
    stays(lambda: new.role() == "Active" and new.detail("vrrpd")["term"] == term, 3,
          "the role stays where the operator put it", lab.describe)


def test_failback_with_preempt_synced_loses_nothing(lab):
    traffic = Traffic(lab, tcp=500, udp=100)
    traffic.wait_flowing()
    assert lab.active is lab.gw1, lab.describe()
    lab.gw1.power_cut()
    lab.wait_role(lab.gw2, "Active")
    traffic.wait_flowing()
    traffic.mark("failback")
    lab.gw1.power_on()
    lab.wait_role(lab.gw1, "Active", 30)
    lab.wait_ready()
    assert_lossless(traffic.wait_flowing())


def test_preempt_never_keeps_the_role():
    with Lab(cluster={"preempt": "never"}) as lab:
        lab.start()
        lab.wait_ready()
        gone, survivor = lab.active, lab.standby
        gone.power_cut()
        lab.wait_role(survivor, "Active")
        gone.power_on()
        lab.wait_ready()
        stays(lambda: survivor.role() == "Active", 2.5, "the survivor keeps the role", lab.describe)


def test_orderly_stop_of_the_active_loses_nothing(lab):
    traffic = Traffic(lab, tcp=200, udp=50)
    traffic.wait_flowing()
    old, new = lab.active, lab.standby
    traffic.mark("stop")
    assert old.stop() == 0, "supervisor's exit status"
    lab.wait_role(new, "Active")
    assert_lossless(traffic.wait_flowing())
    assert not old.holds(), f"{old} still holds {old.holds()} after its end"
    traffic.mark("start")
    old.start()
    lab.wait_ready()
    assert_lossless(traffic.wait_flowing())


def test_orderly_stop_of_the_standby_changes_nothing(lab):
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active, standby = lab.active, lab.standby
    term = active.detail("vrrpd")["term"]
    traffic.mark("stop")
    assert standby.stop() == 0, "supervisor's exit status"
    wait(lambda: not active.is_ready(), 5, "the Active says that failover is not ready", lab.describe)
    standby.start()
    lab.wait_ready()
    assert active.role() == "Active" and active.detail("vrrpd")["term"] == term, lab.describe()
    assert_lossless(traffic.wait_flowing())


def test_switchover_is_refused_without_a_peer(lab):
    lab.standby.power_cut()
    survivor = lab.gw1 if lab.gw1.powered else lab.gw2
    wait(lambda: not survivor.is_ready(), 10, "the missing peer is noticed", lab.describe)
    status, _, why = survivor.ctl("switchover", check=False)
    assert status != 0 and why.strip(), "switchover without a peer must be refused with a reason"
    assert survivor.role() == "Active", lab.describe()


def test_switchover_is_refused_on_the_standby(pair):
    status, _, why = pair.standby.ctl("switchover", check=False)
    assert status != 0 and why.strip(), "only the Active can hand over"


def test_arp_is_answered_with_the_virtual_mac_through_a_switchover(lab):
    arp = ArpProber(lab)
    traffic = Traffic(lab, tcp=10, udp=5)
    traffic.wait_flowing()
    old, new = switch_over(lab, traffic)
    wait(lambda: arp.holders()[-1:] == [new.name], 5, "the new Active answers", arp.holders)
    assert arp.macs() == {"00:00:5e:00:01:0a"}, arp.macs()
    assert any(node == new.name for _, node, _ in arp.announced), "no gratuitous ARP seen"
    assert arp.holders()[0] == old.name, arp.holders()
