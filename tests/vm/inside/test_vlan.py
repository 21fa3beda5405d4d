# SPDX-License-Identifier: GPL-2.0-or-later
"""Three LAN VLANs, a WAN subinterface and a tagged HA link: sessions of all VLANs survive every failover,
and whatever happens to the VLANs themselves."""

import contextlib
import json
import re

from lab import stays, wait
from traffic import Traffic, assert_kept
from trunk import TRUNK_VIRTUALS, TrunkLab

VLANS = {"ge2.10": 10, "ge2.20": 20, "ge2.30": 30, "ge3.100": 100, "ge4.77": 77}


@contextlib.contextmanager
def ready(make=TrunkLab, **options):
    """A pair with sessions from each VLAN."""
    with make(**options) as lab:
        lab.start()
        lab.wait_ready(60)
        lab.traffics_of = [Traffic(lab, client=c, tcp=20, udp=10, stream_hz=50, ping_hz=10)
                           for c in (lab.client, lab.client20, lab.client30)]
        flowing(lab)
        yield lab


def mark(lab):
    for t in lab.traffics_of:
        t.mark()


def flowing(lab):
    """Every session of every VLAN lives; the reports."""
    reports = [t.wait_flowing(40) for t in lab.traffics_of]
    for r in reports:
        assert_kept(r)
    return reports


def through(lab, fault):
    """Runs `fault` on the Active: the Standby takes everything over and no session is lost."""
    old, new = lab.active, lab.standby
    mark(lab)
    fault(old)
    lab.wait_role(new, "Active", 30)
    flowing(lab)
    wait(lambda: TRUNK_VIRTUALS <= new.addresses(), 5, "all virtual addresses", new.addresses)
    return old


def vlans(gw):
    """{name: (id, parent, alias, ifindex)} of the 802.1Q interfaces in its kernel."""
    links = json.loads(gw.ns.run("ip", "-d", "-j", "link"))
    return {l["ifname"]: (l["linkinfo"]["info_data"]["id"], l.get("link"), l.get("ifalias"), l["ifindex"])
            for l in links if l.get("linkinfo", {}).get("info_kind") == "vlan"}


class Role:
    """Nothing that happens in the block moves the role."""

    def __init__(self, lab):
        self.lab, self.active = lab, lab.active
        self.term = self._term()

    def _term(self):
        return self.active.detail("vrrpd")["term"]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.lab.wait_ready(40)
            assert self.active.role() == "Active" and self._term() == self.term, self.lab.describe()


def test_sessions_survive_switchover_cable_and_power_cut():
    with ready(cluster={"preempt": "never"}) as lab:
        assert {n: v[0] for n, v in vlans(lab.active).items()} == VLANS, vlans(lab.active)
        through(lab, lambda gw: gw.ctl("switchover"))
        lab.wait_ready(60)
        old = through(lab, lambda gw: gw.pull("ge2"))
        old.plug("ge2")
        lab.wait_ready(60)
        old = through(lab, lambda gw: gw.pull("ge3"))
        old.plug("ge3")
        lab.wait_ready(60)
        gone = through(lab, lambda gw: gw.power_cut())
        gone.power_on()
        lab.wait_ready(60)
        through(lab, lambda gw: gw.power_cut())


test_sessions_survive_switchover_cable_and_power_cut.deadline = 300


def test_killed_netcfgd_leaves_the_vlans_alone():
    with ready() as lab:
        before = [vlans(gw) for gw in lab.gateways]
        mark(lab)
        with Role(lab):
            for gw in lab.gateways:
                old = gw.kill("netcfgd")
                wait(lambda: gw.status("netcfgd")["pid"] not in (old, 0), 10, "netcfgd answers again")
        assert [vlans(gw) for gw in lab.gateways] == before, [vlans(gw) for gw in lab.gateways]
        flowing(lab)


test_killed_netcfgd_leaves_the_vlans_alone.deadline = 120


def test_deleted_vlans_come_back():
    """Each in turn, at the Active and at the Standby; nobody's role moves for it."""
    with ready() as lab:
        for gw in (lab.standby, lab.active):
            for name in ("ge2.30", "ge4.77"):
                before, addresses = vlans(gw), gw.addresses()
                mark(lab)
                with Role(lab):
                    gw.ns.run("ip", "link", "delete", name)
                    wait(lambda: vlans(gw).get(name, ())[:3] == before[name][:3] and
                         gw.addresses() >= addresses, 10, f"{gw} {name} is back",
                         lambda: (vlans(gw), gw.addresses()))
                flowing(lab)


test_deleted_vlans_come_back.deadline = 200


def test_a_strangers_vlan_of_our_name_is_told_and_left():
    """It is not ours to delete; once it is gone ours is back, and the id on the wire is right."""
    with ready() as lab:
        gw = lab.standby
        with Role(lab):
            gw.freeze("netcfgd")  # or it has its own back before there can be another
            gw.ns.run("ip", "-batch", "-", text_input="link delete ge2.20\n"
                      "link add ge2.20 link ge2 type vlan id 21\n")
            gw.thaw("netcfgd")
            wait(lambda: [e for e in gw.status("netcfgd")["errors"] if "ge2.20" in e["text"]], 10,
                 "it is told", lambda: gw.status("netcfgd")["errors"])
            assert vlans(gw)["ge2.20"][0] == 21
            gw.ns.run("ip", "link", "delete", "ge2.20")
            wait(lambda: vlans(gw).get("ge2.20", (0,))[0] == 20, 10, "id 20 again", lambda: vlans(gw))
        through(lab, lambda g: g.ctl("switchover"))


test_a_strangers_vlan_of_our_name_is_told_and_left.deadline = 120


def tags(lab, gw, link, frames):
    """{VLAN: what was seen in it} of what comes out of a port; 0: untagged. The cabling probe goes
    to the port as such, and so does what every Linux interface has to say with IPv6."""
    text = lab.sw.run("timeout", "20", "tcpdump", "-nnep", "--immediate-mode", "-c", str(frames), "-Q", "in",
                      "-i", gw.port(link),
                      "not ether proto 0x88b6 and not ip6 and not (vlan and ip6)", check=False, timeout=40)
    found = {}
    for line in (l for l in text.splitlines() if l[:1].isdigit()):  # not the dumps of what it does not know
        m = re.search(r"vlan (\d+), p \d+, ethertype (.*)", line)
        found.setdefault(int(m[1]) if m else 0, []).append(m[2] if m else line)
    return found


def test_tags_on_the_wire():
    """What comes out of the ports: VRRP, heartbeats and users, each in its VLAN and nothing untagged."""
    with ready() as lab:
        lan, wan, ha = (tags(lab, lab.active, *what) for what in (("ge2", 400), ("ge3", 200), ("ge4", 60)))
        assert set(lan) == {10, 20, 30} and set(wan) == {100} and set(ha) == {77}, (lan, wan, ha)
        for vlan, seen in lan.items():
            ours = f"10.0.{vlan if vlan != 10 else 0}."
            strange = [s for s in seen if "IPv4" in s and ours not in s]
            assert not strange, (vlan, strange[:3])
            vrids = {m[1] for s in seen if (m := re.search(r"vrid (\d+)", s))}
            assert vrids <= {str(vlan)}, (vlan, vrids)
        assert any("vrid" in s for seen in lan.values() for s in seen), lan
        assert any("0x88b5" in s.lower() for s in ha[77]), ha


test_tags_on_the_wire.deadline = 120


def different_vlans(gw):
    """The condition, when it is there and names both VLANs."""
    return [c for c in gw.detail("netcfgd").get("conditions", [])
            if "different VLANs" in str(c) and "77" in str(c) and "78" in str(c)]


def test_ha_in_different_vlans_is_named():
    """77 here and 78 there over a trunk: each is told so, both find each other again when it is put right."""
    with ready() as lab:
        active, standby = lab.active, lab.standby
        text = open(standby.config).read()
        lab.sw.run("bridge", "vlan", "add", "dev", standby.port("ge4"), "vid", "78")
        lab.sw.run("bridge", "vlan", "add", "dev", active.port("ge4"), "vid", "78")
        standby.write_config(text.replace("ge4.77", "ge4.78").replace("id = 77", "id = 78"))
        standby.ctl("reload", timeout=30)
        wait(lambda: all(different_vlans(gw) for gw in lab.gateways), 30, "both name the two VLANs",
             lambda: [gw.detail("netcfgd").get("conditions") for gw in lab.gateways])
        stays(lambda: active.role() == "Active" and standby.role() == "Standby", 2, "roles",
              lab.describe)
        standby.write_config(text)
        standby.ctl("reload", timeout=30)
        lab.wait_ready(40)
        wait(lambda: not any(different_vlans(gw) for gw in lab.gateways), 20, "it is over")
        flowing(lab)


test_ha_in_different_vlans_is_named.deadline = 150

