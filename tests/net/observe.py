# SPDX-License-Identifier: GPL-2.0-or-later
"""Observers that stand outside the product: who holds an address, who answers ARP, which sessions
each kernel knows."""

import contextlib
import ctypes
import re
import select
import socket
import struct
import subprocess
import threading
import time

import gwconfig
from gwconfig import LAN_CLIENT, LAN_VIRTUAL, VIRTUALS
from lab import TOOLS
from netns import LabError

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4


class AddressWatch:
    """Follows the addresses of both gateways' kernels through netlink (gp-addrwatch)."""

    def __init__(self, lab):
        self.lab = lab
        self.changes = []  # (seconds, node, "+" or "-", address), time.monotonic
        self._answered = threading.Semaphore(0)
        self._process = subprocess.Popen([f"{TOOLS}/gp-addrwatch"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, bufsize=1)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        for gw in lab.gateways:
            self.gateway_on(gw)
        lab.observers.append(self)
        lab.on_close(self.close)

    def _read(self):
        for line in self._process.stdout:
            words = line.split()
            if words[0] in ("ok", "failed"):
                self._answered.release()
            else:
                self.changes.append((int(words[0]) / 1e9, words[1], words[2], words[3]))

    def _tell(self, line):
        self._process.stdin.write(line + "\n")
        if not self._answered.acquire(timeout=5):
            raise LabError(f"gp-addrwatch: no answer to: {line}")

    def gateway_on(self, gw):
        self._tell(f"add {gw} {gw.ns.path}")

    def gateway_off(self, gw):
        self._tell(f"drop {gw}")

    def close(self):
        if self in self.lab.observers:
            self.lab.observers.remove(self)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=5)
        self._thread.join()

    def overlaps(self, addresses=VIRTUALS):
        """Every time two nodes held one address: (address, from, seconds). Still lasting counts."""
        found, now = [], time.monotonic()
        for address in addresses:
            holders, since = set(), None
            # At one and the same time stamp the order is unknown: losses first.
            for at, node, sign, _ in sorted((c for c in self.changes if c[3] == address),
                                            key=lambda c: (c[0], c[2] == "+")):
                (holders.add if sign == "+" else holders.discard)(node)
                if len(holders) > 1 and since is None:
                    since = at
                elif len(holders) < 2 and since is not None:
                    found.append((address, since, at - since))
                    since = None
            if since is not None:
                found.append((address, since, now - since))
        return [f for f in found if f[2] > 0]

    def assert_one_holder(self):
        """Not for a planned hand-over, which is make-before-break by design."""
        found = self.overlaps()
        assert not found, "two nodes held " + ", ".join(
            f"{address} for {seconds * 1000:.2f} ms" for address, _, seconds in found)


# Classic BPF: what else passes would fill a socket's buffer within 100 ms.
FILTERS = {
    # ldh [12]; jeq #0x806, accept; ret 0
    "arp": ((0x28, 0, 0, 12), (0x15, 0, 1, 0x806), (6, 0, 0, 65535), (6, 0, 0, 0)),
    # ldh [12]; jeq #0x800; ldb [23]; jeq #112, accept; ret 0
    "vrrp": ((0x28, 0, 0, 12), (0x15, 0, 3, 0x800), (0x30, 0, 0, 23), (0x15, 0, 1, 112),
             (6, 0, 0, 65535), (6, 0, 0, 0)),
}


def packet_socket(ns, link, wanted):
    """A packet socket on a link for what FILTERS names; ETH_P_ALL, as a bridge port's frames never
    reach a protocol."""
    with ns.entered():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    code = b"".join(struct.pack("HBBI", *step) for step in FILTERS[wanted])
    buffer = ctypes.create_string_buffer(code)
    s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                 struct.pack("HL", len(FILTERS[wanted]), ctypes.addressof(buffer)))
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    with ns.entered():
        s.bind((link, ETH_P_ALL))
    s.setblocking(False)
    return s


class ArpProber:
    """Asks the LAN for the virtual address all the time, and sees at each gateway's switch port who
    answers: the answer itself carries the same virtual MAC from both."""

    def __init__(self, lab, hz=200, address=LAN_VIRTUAL):
        self.lab, self.address, self._period = lab, address, 1 / hz
        self.probes = []     # moments
        self.answers = []    # (moment, node, MAC)
        self.announced = []  # gratuitous ones: (moment, node, MAC)
        self._stop = threading.Event()
        mac = lab.client.run("ip", "-br", "link", "show", "eth0").split()[2]
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._out = packet_socket(lab.client, "eth0", "arp")
        self._taps = {}
        for gw in lab.gateways:
            self.gateway_on(gw)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        lab.observers.append(self)
        lab.on_close(self.close)

    def gateway_on(self, gw):
        self._taps[gw.name] = packet_socket(self.lab.sw, gw.port("ge2"), "arp")

    def gateway_off(self, gw):
        self._taps.pop(gw.name).close()

    def _frame(self):
        arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, self._mac, socket.inet_aton(LAN_CLIENT),
                          bytes(6), socket.inet_aton(self.address))
        return b"\xff" * 6 + self._mac + b"\x08\x06" + arp

    def _run(self):
        frame, due = self._frame(), time.monotonic()
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                self._out.send(frame)
                self.probes.append(time.monotonic())
            due = max(due + self._period, time.monotonic())
            while (left := due - time.monotonic()) > 0:
                taps = dict(self._taps)
                with contextlib.suppress(OSError, ValueError):  # a gateway just went away
                    ready = select.select(list(taps.values()), [], [], left)[0]
                    for node, tap in taps.items():
                        if tap in ready:
                            self._drain(node, tap)

    def _drain(self, node, tap):
        behind = time.time() - time.monotonic()
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, control, _, source = tap.recvmsg(128, 64)
                if source[2] == PACKET_OUTGOING or len(frame) < 42:
                    continue
                seconds, ns = struct.unpack("ll", control[0][2][:16])
                at = seconds + ns / 1e9 - behind
                op = struct.unpack_from("!H", frame, 20)[0]
                sender, target = socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42])
                if sender == self.address:
                    gratuitous = sender == target
                    (self.announced if gratuitous else self.answers if op == 2 else []).append(
                        (at, node, frame[22:28].hex(":")))

    def close(self):
        if self in self.lab.observers:
            self.lab.observers.remove(self)
        self._stop.set()
        self._thread.join(timeout=5)
        for s in (self._out, *self._taps.values()):
            s.close()

    def conflicts(self):
        """Probes that both nodes answered: their moments."""
        found, answers = [], sorted(self.answers)
        for (at, node, _), (next_at, next_node, _) in zip(answers, answers[1:]):
            asked_between = any(at < p < next_at for p in self.probes) if node != next_node else True
            if not asked_between:
                found.append(at)
        return found

    def holders(self):
        """Who answered, in order, repetitions folded: ["gw1", "gw2"] after one failover."""
        folded = []
        for _, node, _ in sorted(self.answers):
            if not folded or folded[-1] != node:
                folded.append(node)
        return folded

    def macs(self):
        return {mac for _, _, mac in self.answers}


# --- sessions in the kernels ---

_OWN = {a for plan in (gwconfig.LAN_OWN, gwconfig.WAN_OWN, gwconfig.HA_OWN, gwconfig.MGMT_OWN)
        for a in plan.values()} | {"127.0.0.1"}
_PAIR = re.compile(r"(src|dst|sport|dport|id|type|code)=(\S+)")


def session_count(gw):
    return int(gw.ns.sysctl("netfilter/nf_conntrack_count") or 0)


def sessions(gw, states=True):
    """The sessions of users (not the node's own) in a gateway's kernel, as comparable tuples:
    (protocol, TCP state, assured, original and reply tuple)."""
    found = set()
    for line in gw.ns.run("conntrack", "-L", "-o", "extended", check=False, timeout=60).splitlines():
        words = line.split()
        if len(words) < 5 or words[0] != "ipv4":
            continue
        pairs = tuple(_PAIR.findall(line))
        ends = {value for key, value in pairs if key in ("src", "dst")}
        if ends & _OWN or any(e.startswith("224.") for e in ends):
            continue
        state = words[5] if words[2] == "tcp" and states else ""
        found.add((words[2], state, states and "[ASSURED]" in line, pairs))
    return found


def table_difference(lab, states=True):
    """(only on gw1, only on gw2)"""
    one, two = (sessions(gw, states) for gw in lab.gateways)
    return one - two, two - one


def tables_agree(lab, at_least=1):
    """True when both kernels know the same users' sessions, and not just none."""
    one, two = (sessions(gw) for gw in lab.gateways)
    return one == two and len(one) >= at_least


def show_difference(lab):
    one, two = table_difference(lab)
    return (f"only gw1: {len(one)} {sorted(one)[:3]}; only gw2: {len(two)} {sorted(two)[:3]}")
