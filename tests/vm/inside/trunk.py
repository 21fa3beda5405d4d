# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair whose cables are 802.1Q trunks, on switches that filter by VLAN.

    VLAN 10, 20, 30  LAN   client, client20, client30     gateways: ge2.10 ge2.20 ge2.30
    VLAN 100         WAN   server                                   ge3.100
    VLAN 77          HA    nobody else                              ge4.77

VLANs 10 and 100 have the address plan of tests/net; VLAN n otherwise has 10.0.n.0/24.
"""

from gwconfig import HA_OWN, LAN_OWN, LAN_VIRTUAL, PRIORITY, TIMERS, WAN_OWN, WAN_SERVER, WAN_VIRTUAL, section
from lab import Gateway, Lab

TRUNK = {"br-lan": (10, 20, 30), "br-wan": (100,), "br-ha": (77,)}
ACCESS = {"h0": 10, "h20": 20, "h30": 30, "h1": 100}
LAN_VLANS = {"ge2.10": (10, LAN_OWN, LAN_VIRTUAL),
             "ge2.20": (20, {1: "10.0.20.2", 2: "10.0.20.3"}, "10.0.20.1"),
             "ge2.30": (30, {1: "10.0.30.2", 2: "10.0.30.3"}, "10.0.30.1")}
TRUNK_VIRTUALS = {LAN_VIRTUAL, "10.0.20.1", "10.0.30.1", WAN_VIRTUAL}

PORTS = ('interface "ge2" { role = lan }\n'
         'interface "ge3" { role = wan }\n'
         'interface "ge4" { role = ha }\n')


def render(number, peer_fingerprint, ports=PORTS, lan="ge2", ha="ge4", ha_vlan=77, cluster=None, extra=""):
    """A gatepair.conf. `lan` and `ha` name what the VLANs are on; `ports` declares it."""
    text = f'node = "gw-0{number}"\n' + ports

    def vlan(parent, number_, role, address):
        return section("vlan", {"parent": f'"{parent}"', "id": number_, "role": role,
                                "address": f'{{"{address}"}}'}, f"{parent}.{number_}")

    for tag, own, _ in LAN_VLANS.values():
        text += vlan(lan, tag, "lan", f"{own[number]}/24")
    text += vlan("ge3", 100, "wan", f"{WAN_OWN[number]}/24")
    text += vlan(ha, ha_vlan, "ha", f"{HA_OWN[number]}/30")
    text += section("cluster", {"priority": PRIORITY[number], "preempt-delay": "1s",
                                "track-interface": f'{{"{lan}.10", "ge3.100"}}',
                                **TIMERS, **(cluster or {})})
    virtuals = [(f"{lan}.{tag}", tag, virtual) for tag, _, virtual in LAN_VLANS.values()]
    for interface, vrid, virtual in [*virtuals, ("ge3.100", 100, WAN_VIRTUAL)]:
        text += section("vrrp", {"interface": f'"{interface}"', "vrid": vrid,
                                 "virtual-address": f'{{"{virtual}/24"}}'}, f"v{vrid}")
    text += 'nat { interface = "ge3.100"  to = virtual }\n'
    text += section("sync", {"interface": f'"{ha}.{ha_vlan}"', "peer": f'"{HA_OWN[3 - number]}"',
                             "peer-fingerprint": f'"{peer_fingerprint}"'})
    return text + extra


class TrunkGateway(Gateway):
    def _add_links(self, links):
        super()._add_links(links)
        lines = [f"vlan add dev {self.port(link)} vid {tag}"
                 for link in links if link in self.lab.bridge_of for tag in TRUNK[self.lab.bridge_of[link]]]
        self.lab.sw.run("bridge", "-batch", "-", text_input="\n".join(lines) + "\n")

    def retag(self, link, old, new):
        """The switch port of this link carries another VLAN."""
        self.lab.sw.run("bridge", "vlan", "del", "dev", self.port(link), "vid", str(old))
        self.lab.sw.run("bridge", "vlan", "add", "dev", self.port(link), "vid", str(new))


class TrunkLab(Lab):
    """Options as for render(), above."""

    gateway = TrunkGateway
    render = staticmethod(render)

    def _build(self):
        super()._build()
        self.client20, self.client30 = (self._host(tag) for tag in (20, 30))
        lines = [f"vlan add dev {port} vid {tag} pvid untagged" for port, tag in ACCESS.items()]
        self.sw.run("bridge", "-batch", "-", text_input="\n".join(lines) + "\n")
        for bridge in TRUNK:
            self.sw.run("ip", "link", "set", bridge, "type", "bridge", "vlan_filtering", "1",
                        "vlan_default_pvid", "0")

    def _host(self, tag):
        ns = self.namespace(f"client{tag}")
        port = f"h{tag}"
        self.sw.run("ip", "link", "add", port, "master", "br-lan", "type", "veth", "peer", "name", "eth0",
                    "netns", ns.name)
        self.sw.run("ip", "link", "set", port, "up")
        ns.run("ip", "-batch", "-", text_input=f"""\
link set lo up
link set eth0 up
addr add 10.0.{tag}.100/24 dev eth0
route add default via 10.0.{tag}.1
""")
        return ns
