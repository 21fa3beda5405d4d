# SPDX-License-Identifier: GPL-2.0-or-later
"""After whatever happened: one Active, failover ready again, and both tables agree."""

from gwconfig import VIRTUALS
from lab import Lab, stays, wait
from observe import AddressWatch, sessions, show_difference, tables_agree
from traffic import Traffic, assert_kept, assert_lossless


def assert_converged(lab, at_least):
    lab.wait_ready(30)
    active, standby = lab.active, lab.standby
    assert active.holds() == set(VIRTUALS) and not standby.holds(), \
        f"{active} holds {active.holds()}, {standby} holds {standby.holds()}"
    wait(lambda: tables_agree(lab, at_least), 15, "tables agree", lambda: show_difference(lab))


def test_both_started_at_the_same_moment():
    for _ in range(3):
        with Lab() as lab:
            watch = AddressWatch(lab)
            lab.start()
            assert_converged(lab, 0)
            watch.assert_one_holder()
            assert lab.active is lab.gw1, "the better priority wins a common start"


def test_second_started_later():
    with Lab() as lab:
        for gw in lab.gateways:
            gw.configure()
        lab.gw2.start()
        lab.wait_role(lab.gw2, "Active", 15)
        traffic = Traffic(lab, tcp=50, udp=10)
        traffic.wait_flowing()
        assert not lab.gw2.is_ready(), "failover cannot be ready without a peer"
        traffic.mark("second")
        lab.gw1.start()
        assert_converged(lab, 60)
        assert_lossless(traffic.wait_flowing())


def test_standby_reboots(lab):
    traffic = Traffic(lab, tcp=300, udp=50)
    traffic.wait_flowing()
    active, standby = lab.active, lab.standby
    traffic.mark("reboot")
    for _ in range(2):
        standby.power_cut()
        wait(lambda: not active.is_ready(), 10, "the Active says that failover is not ready",
             lab.describe)
        standby.power_on()
        assert_converged(lab, 350)
        assert lab.active is active, lab.describe()
    assert_lossless(traffic.wait_flowing())


def test_sessions_of_a_rebooted_standby_survive_a_power_cut(lab):
    """What it got by full sync after its reboot is as good as what it saw happen."""
    traffic = Traffic(lab, tcp=300, udp=50)
    traffic.wait_flowing()
    lab.gw2.power_cut()
    lab.gw2.power_on()
    assert_converged(lab, 350)
    traffic.mark("cut")
    lab.active.power_cut()
    lab.wait_role(lab.gw2, "Active")
    assert_kept(traffic.wait_flowing())


def test_ha_link_down_and_up(lab):
    """No failover; what happens to sessions meanwhile is made up for afterwards."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    ending = Traffic(lab, tcp=50, udp=0, stream_hz=0, ping_hz=0)
    ending.wait_flowing()
    active = lab.active
    term = active.detail("vrrpd")["term"]
    assert_converged(lab, 170)
    traffic.mark("ha down")
    active.pull("ge4")
    wait(lambda: not active.is_ready(), 10, "the Active says that failover is not ready", lab.describe)
    assert active.detail("vrrpd")["not_ready_reasons"], "and why"
    ending.close()
    Traffic(lab, tcp=60, udp=10, stream_hz=0, ping_hz=0).wait_flowing()
    stays(lambda: active.role() == "Active", 3, "the role stays while adverts are heard", lab.describe)
    active.plug("ge4")
    assert_converged(lab, 180)
    assert active.role() == "Active" and active.detail("vrrpd")["term"] == term, lab.describe()
    assert_lossless(traffic.wait_flowing())


def test_ha_port_blocked_and_open(lab):
    """As before, but silently: carrier stays."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    active = lab.active
    traffic.mark("ha silent")
    lab.standby.block("ge4")
    wait(lambda: not active.is_ready(), 10, "the Active says that failover is not ready", lab.describe)
    assert active.role() == "Active", lab.describe()
    lab.standby.unblock("ge4")
    assert_converged(lab, 120)
    assert_lossless(traffic.wait_flowing())


def test_link_flaps(lab):
    """Cables that come and go, at either node; in the end all is well."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    for link in ("ge2", "ge3", "ge4"):
        for gw in lab.gateways:
            for _ in range(3):
                gw.pull(link)
                wait(lambda: _carrier(gw, link) is False, 2, "the cable is out")
                gw.plug(link)
                wait(lambda: _carrier(gw, link), 2, "the cable is in")
    assert_converged(lab, 120)
    traffic.mark("after flaps")
    assert_kept(traffic.wait_flowing())


def test_ha_interface_made_anew(lab):
    """Deleted and created again, it has another index: sockets bound to the old one are of no use."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    active, standby = lab.active, lab.standby
    term = active.detail("vrrpd")["term"]
    for gw in (standby, active):
        for pause_s in (0, 3):  # at once: netcfgd may see only that the index is another
            traffic.mark(f"{gw} ha anew")
            connects = active.counters("syncd")["link_connects"]
            gw.unmake("ge4")
            stays(lambda: active.role() == "Active", pause_s, "the role stays", lab.describe)
            gw.remake("ge4")
            wait(lambda: active.counters("syncd")["link_connects"] > connects, 10,
                 "connected anew", lab.describe)
            assert_converged(lab, 120)
            assert (lab.active, active.detail("vrrpd")["term"]) == (active, term), lab.describe()
            assert_lossless(traffic.wait_flowing())


def _carrier(gw, link):
    return "NO-CARRIER" not in gw.ns.run("ip", "-br", "link", "show", link)


def test_cable_pulled_at_the_standby_is_noticed(lab):
    traffic = Traffic(lab, tcp=20, udp=5)
    traffic.wait_flowing()
    active, standby = lab.active, lab.standby
    traffic.mark("pull")
    standby.pull("ge3")
    wait(lambda: not active.is_ready(), 10, "the Active says that failover is not ready", lab.describe)
    standby.plug("ge3")
    lab.wait_ready()
    assert lab.active is active, lab.describe()
    assert_lossless(traffic.wait_flowing())


def test_partition_heals(lab):
    """Neither hears the other on any path: both serve their side; the heal leaves one Active."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    active, cut_off = lab.active, lab.standby
    cut_off.block("ge2", "ge3", "ge4")
    lab.wait_role(cut_off, "Active", 10)
    assert active.role() == "Active", lab.describe()
    traffic.mark("heal")
    cut_off.unblock("ge2", "ge3", "ge4")
    assert_converged(lab, 120)
    assert_kept(traffic.wait_flowing())


def test_loss_on_the_ha_link(lab):
    """Five percent of the frames lost for some seconds: no failover, no disagreement."""
    traffic = Traffic(lab, tcp=100, udp=20)
    traffic.wait_flowing()
    active = lab.active
    term = active.detail("vrrpd")["term"]
    traffic.mark("loss")
    active.lose("ge4", 5)
    stays(lambda: active.role() == "Active" and active.detail("vrrpd")["term"] == term, 5,
          "no failover by lost heartbeats", lab.describe)
    Traffic(lab, tcp=100, udp=10, stream_hz=0, ping_hz=0).wait_flowing()
    active.lose("ge4", 0)
    assert_converged(lab, 230)
    assert_lossless(traffic.wait_flowing())


def test_ended_sessions_leave_the_standby_too(lab):
    traffic = Traffic(lab, tcp=100, udp=0, ping_hz=0)
    traffic.wait_flowing()
    assert_converged(lab, 100)
    traffic.close()
    wait(lambda: not [s for s in sessions(lab.standby) if s[1] == "ESTABLISHED"], 10,
         "no closed session is held as established", lambda: show_difference(lab))


def test_removed_addresses_and_rules_are_put_back(lab):
    """Somebody's `ip addr flush` and `nft flush ruleset` at the Active: repaired, role kept."""
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active = lab.active
    rules = active.ns.run("nft", "list", "ruleset").count("\n")
    for argv in (["nft", "flush", "ruleset"], ["ip", "addr", "flush", "dev", "ge4"],
                 ["ip", "addr", "flush", "dev", "ge3"]):
        traffic.mark(argv[0])
        active.ns.run(*argv)
        wait(lambda: "169.254.77" in str(active.addresses()) and active.holds() == set(VIRTUALS), 5,
             f"repaired after {' '.join(argv)}", active.addresses)
        wait(lambda: active.ns.run("nft", "list", "ruleset").count("\n") == rules, 5, "rules are back",
             lambda: active.ns.run("nft", "list", "ruleset"))
        lab.wait_ready()
        assert_kept(traffic.wait_flowing())
