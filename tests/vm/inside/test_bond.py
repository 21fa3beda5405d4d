# SPDX-License-Identifier: GPL-2.0-or-later
"""VLANs on bonds of two ports, and a bridge as the LAN: a lost member is nobody's failover, and the whole
fails over as a port does."""

import json

import gwconfig
from lab import Lab, wait
from test_vlan import Role, flowing, mark, ready, through, vlans
from traffic import Traffic, assert_kept
from trunk import TrunkLab, render

BONDS = ('interface "ge3" { role = wan }\n'
         'bond "bond0" { ports = {"ge2", "ge5"}  role = lan }\n'
         'bond "bond1" { ports = {"ge4", "ge6"}  role = ha }\n')


def on_bonds(number, *args, **options):
    return render(number, *args, ports=BONDS, lan="bond0", ha="bond1", **options)


class BondLab(TrunkLab):
    bridge_of = {"ge2": "br-lan", "ge5": "br-lan", "ge3": "br-wan", "ge4": "br-ha", "ge6": "br-ha"}
    render = staticmethod(on_bonds)


def links(gw):
    return {l["ifname"]: l for l in json.loads(gw.ns.run("ip", "-d", "-j", "link"))}


def active_port(gw, bond):
    return links(gw)[bond]["linkinfo"]["info_data"].get("active_slave")


def members(gw, master):
    return {name for name, l in links(gw).items() if l.get("master") == master}


def lose_member(gw, bond):
    """Pulls the cable that the bond uses; waits until it uses the other."""
    port = active_port(gw, bond)
    gw.pull(port)
    wait(lambda: active_port(gw, bond) not in (None, port), 10, f"{gw} {bond} uses its other port",
         lambda: links(gw)[bond])
    return port


def test_bonds_fail_over():
    """A member of each bond fails on the Active, then all of them, then its power."""
    with ready(BondLab, cluster={"preempt": "never"}) as lab:
        gw = lab.active
        assert members(gw, "bond0") == {"ge2", "ge5"} and members(gw, "bond1") == {"ge4", "ge6"}, links(gw)
        mark(lab)
        with Role(lab):
            pulled = [lose_member(gw, bond) for bond in ("bond0", "bond1")]
        flowing(lab)
        for port in pulled:
            gw.plug(port)

        def pull_the_lan(active):
            for port in ("ge2", "ge5"):
                active.pull(port)
        old = through(lab, pull_the_lan)
        for port in ("ge2", "ge5"):
            old.plug(port)
        lab.wait_ready(60)
        through(lab, lambda active: active.power_cut())


test_bonds_fail_over.deadline = 240


def test_bond_is_put_right():
    """A port taken out of the bond, and the bond deleted with everything on it: all of it is back."""
    with ready(BondLab) as lab:
        gw = lab.standby
        before, addresses = vlans(gw), gw.addresses()
        with Role(lab):
            gw.ns.run("ip", "link", "set", "ge5", "nomaster")
            wait(lambda: "ge5" in members(gw, "bond0"), 10, "ge5 is back", lambda: links(gw)["ge5"])
        with Role(lab):
            gw.ns.run("ip", "link", "delete", "bond0")
            wait(lambda: members(gw, "bond0") == {"ge2", "ge5"} and set(vlans(gw)) == set(before) and
                 gw.addresses() == addresses, 15, "bond0 is back with its VLANs", lambda: links(gw))
        through(lab, lambda active: active.ctl("switchover"))


test_bond_is_put_right.deadline = 150


def bridged(number, *args, **options):
    """The plan of tests/net, with the LAN on a bridge."""
    options["cluster"] = {"track-interface": '{"br0", "ge3"}', **options.get("cluster", {})}
    text = gwconfig.render(number, *args, **options)
    for old, new in (('interface "ge2" {', 'bridge "br0" { ports = {"ge2", "ge5"} '),
                     ('interface = "ge2"', 'interface = "br0"')):
        assert old in text
        text = text.replace(old, new)
    return text


class BridgeLab(Lab):
    """ge5 ends in the void, with carrier; were it in br-lan, frames would go round in circles."""

    ports = ("ge1", "ge2", "ge3", "ge4", "ge5")
    render = staticmethod(bridged)


def test_bridge_fails_over_and_is_put_right():
    with BridgeLab(cluster={"preempt": "never"}) as lab:
        lab.start()
        lab.wait_ready(60)
        traffic = Traffic(lab, tcp=50, udp=20, stream_hz=50, ping_hz=10)
        traffic.wait_flowing(40)
        old, new = lab.active, lab.standby
        assert members(old, "br0") == {"ge2", "ge5"}, links(old)
        with Role(lab):
            new.ns.run("ip", "link", "delete", "br0")
            wait(lambda: members(new, "br0") == {"ge2", "ge5"}, 10, "br0 is back", lambda: links(new))
        with Role(lab):
            old.ns.run("ip", "link", "set", "ge2", "nomaster")
            wait(lambda: "ge2" in members(old, "br0"), 10, "ge2 is back", lambda: links(old)["ge2"])
        assert_kept(traffic.wait_flowing(40))
        traffic.mark("cut")
        old.power_cut()
        lab.wait_role(new, "Active", 30)
        assert_kept(traffic.wait_flowing(40))


test_bridge_fails_over_and_is_put_right.deadline = 150
