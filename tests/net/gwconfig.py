# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration files of the lab's two gateways, and the lab's address plan."""

import os

LAN_CLIENT = "10.0.0.100"
LAN_VIRTUAL = "10.0.0.1"
WAN_VIRTUAL = "203.0.113.10"
WAN_SERVER = "203.0.113.200"
VIRTUALS = (LAN_VIRTUAL, WAN_VIRTUAL)
SYNC_PORT = 3780

# What a gateway owns, by number (1, 2).
LAN_OWN = {1: "10.0.0.2", 2: "10.0.0.3"}
WAN_OWN = {1: "203.0.113.2", 2: "203.0.113.3"}
HA_OWN = {1: "169.254.77.1", 2: "169.254.77.2"}
MGMT_OWN = {1: "192.168.0.1", 2: "192.168.0.2"}
PRIORITY = {1: 150, 2: 100}

# A gateway on an emulated machine (tests/vm) takes far longer for everything that it does.
EMULATED = "GATEPAIR_EMULATED" in os.environ
TIMERS = {"heartbeat": "100ms", "dead-after": 10} if EMULATED else {}
SLACK_MS = 1500 if EMULATED else 0


def _keys(options):
    """`key = value` lines; None drops the key. Values are written as the syntax wants them."""
    return "".join(f"    {key} = {value}\n" for key, value in options.items() if value is not None)


def section(name, options, title=None):
    head = name if title is None else f'{name} "{title}"'
    return f"{head} {{\n{_keys(options)}}}\n"


def render(number, peer_fingerprint, cluster=None, vrrp=None, sync=None, extra="", interfaces=None):
    """The text of gatepair.conf. `cluster`, `vrrp`, `sync` and of `interfaces` each interface's
    dictionary override or add keys; None drops one."""
    text = f'node = "gw-0{number}"\n\n'
    for name, role, address in (("ge1", "mgmt", f"{MGMT_OWN[number]}/24"),
                                ("ge2", "lan", f"{LAN_OWN[number]}/24"),
                                ("ge3", "wan", f"{WAN_OWN[number]}/24"),
                                ("ge4", "ha", f"{HA_OWN[number]}/30")):
        text += section("interface", {"role": role, "address": f'{{"{address}"}}',
                                      **(interfaces or {}).get(name, {})}, name)
    text += "\n" + section("cluster", {
        "priority": PRIORITY[number],
        "preempt": "synced",
        "preempt-delay": "1s",
        "track-interface": '{"ge2", "ge3"}',
        **TIMERS,
        **(cluster or {}),
    })
    for name, interface, vrid, address in (("lan", "ge2", 10, LAN_VIRTUAL),
                                           ("wan", "ge3", 12, WAN_VIRTUAL)):
        text += section("vrrp", {
            "interface": f'"{interface}"',
            "vrid": vrid,
            "virtual-address": f'{{"{address}/24"}}',
            **(vrrp or {}),
        }, name)
    text += 'nat { interface = "ge3"  to = virtual }\n'
    text += section("sync", {
        "interface": '"ge4"',
        "peer": f'"{HA_OWN[3 - number]}"',
        "port": SYNC_PORT,
        "identity": '"node.key"',
        "peer-fingerprint": f'"{peer_fingerprint}"',
        **(sync or {}),
    })
    return text + extra
