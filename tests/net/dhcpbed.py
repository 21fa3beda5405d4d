# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCP servers and clients for tests: Debian's programs in namespaces, and a server that says anything."""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import threading

from lab import BIN, wait
from netns import LabError, run

SERVER = "203.0.113.200"
POOL = re.compile(r"203\.0\.113\.1[0-4]\d$")
OTHER_POOL = re.compile(r"203\.0\.113\.1[5-9]\d$")
COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK = range(1, 7)


def start_netcfgd(gw, text):
    """A gateway that is nothing but netcfgd, with this configuration."""
    gw.fingerprint()
    gw.write_config(text)
    with open(gw.log, "a") as log:
        gw.supervisor = subprocess.Popen(
            ["ip", "netns", "exec", gw.ns.name, f"{BIN}/supervisor", "--config", gw.config,
             "--rundir", gw.rundir, "--statedir", gw.statedir, "--daemons", "netcfgd"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait(lambda: gw.status("netcfgd")["uptime_ms"] >= 0, 10, "netcfgd answers")


def wan(gw, link="ge3"):
    """The interface's part of the status."""
    return next(w for w in gw.detail("netcfgd").get("wans", []) if w["interface"] == link)


def addresses(gw, link="ge3"):
    """IPv4 addresses of a link, as (address, protocol, seconds left)."""
    found = json.loads(run("ip", "-n", gw.ns.name, "-j", "-4", "-d", "addr", "show", "dev", link))
    return [(a["local"], a.get("protocol"), a["valid_life_time"])
            for l in found for a in l.get("addr_info", [])]


def default_routes(gw):
    found = json.loads(run("ip", "-n", gw.ns.name, "-j", "route", "show", "default"))
    return [(r.get("gateway"), r.get("dev"), r.get("metric", 0)) for r in found]


def pids(ns, word):
    """Processes of a namespace whose command line has this word."""
    found = []
    for pid in ns.pids():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
            if word.encode() in f.read().split(b"\0"):
                found.append(pid)
    return found


class Dnsmasq:
    """A DHCP server in a namespace; `lease` in seconds, at least 120."""

    def __init__(self, lab, ns, first, last, lease=120, link="eth0", router=SERVER, dns="9.9.9.9",
                 extra=()):
        self.ns = ns
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root",
                f"--interface={link}", "--except-interface=lo", "--bind-dynamic", "--no-ping",
                "--dhcp-authoritative", "--pid-file=", "--log-facility=-",
                f"--dhcp-leasefile={lab.dir}/{ns.name}.leases",
                f"--dhcp-range={first},{last},255.255.255.0,{lease}",
                f"--dhcp-option=option:router,{router}", f"--dhcp-option=option:dns-server,{dns}",
                *extra]
        self.log = open(f"{lab.dir}/{ns.name}.dnsmasq", "a")  # pylint: disable=consider-using-with
        self.process = ns.popen(argv, stdout=self.log, stderr=self.log)
        lab.on_close(self.stop)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


class Server(threading.Thread):
    """Answers each DISCOVER and REQUEST with what `answer(kind)` says: None, or a dictionary with
    any of kind, ip, options (a list of (code, bytes), without kind and server). `silent` says
    nothing. Counts what it heard."""

    def __init__(self, lab, ns, ip="203.0.113.100", lease=10, options=None, server=SERVER):
        super().__init__(daemon=True)
        with ns.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            self.socket.bind(("", 67))
        self.ip, self.server, self.silent, self.nak = ip, server, False, False
        self.options = options if options is not None else [
            (1, socket.inet_aton("255.255.255.0")), (3, socket.inet_aton(server)),
            (6, socket.inet_aton("9.9.9.9"))]
        self.lease = struct.pack("!I", lease) if isinstance(lease, int) else lease
        self.heard = {}
        self.requested = []  # addresses asked for
        self.stopping = False
        lab.on_close(self.stop)
        self.start()

    def stop(self):
        self.stopping = True
        self.join()
        self.socket.close()

    def run(self):
        self.socket.settimeout(0.2)
        while not self.stopping:
            try:
                packet, _ = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            self.one(packet)

    def one(self, packet):
        if len(packet) < 244 or packet[0] != 1 or packet[236:240] != COOKIE:
            return
        options = self.parse(packet[240:])
        kind = options.get(53, b"\0")[0]
        self.heard[kind] = self.heard.get(kind, 0) + 1
        if 50 in options:
            self.requested.append(socket.inet_ntoa(options[50]))
        if self.silent or kind not in (DISCOVER, REQUEST):
            return
        answer = OFFER if kind == DISCOVER else NAK if self.nak else ACK
        reply = bytearray(packet[:240])
        reply[0] = 2
        reply[16:20] = socket.inet_aton(self.ip) if answer != NAK else bytes(4)
        out = [(53, bytes([answer])), (54, socket.inet_aton(self.server))]
        if answer != NAK:
            out += ([(51, self.lease)] if self.lease else []) + list(self.options)
        body = b"".join(self.encode(code, value) for code, value in out)
        with contextlib.suppress(OSError):
            self.socket.sendto(bytes(reply) + body + b"\xff", ("255.255.255.255", 68))

    @staticmethod
    def encode(code, value):
        """Longer than 255 bytes: in parts (RFC 3396)."""
        parts = [value[i:i + 255] for i in range(0, len(value), 255)] or [b""]
        return b"".join(bytes([code, len(p)]) + p for p in parts)

    @staticmethod
    def parse(data):
        found, i = {}, 0
        while i < len(data) and data[i] != 255:
            if data[i] == 0:
                i += 1
                continue
            if i + 1 >= len(data):
                break
            found[data[i]] = data[i + 2:i + 2 + data[i + 1]]
            i += 2 + data[i + 1]
        return found


class Laptop:
    """A host that asks by udhcpc and configures what it was given."""

    SCRIPT = """#!/bin/sh
case "$1" in
bound|renew)
    ip -4 addr flush dev $interface
    ip addr add $ip/$mask dev $interface
    [ -z "$router" ] || ip route replace default via $router
    echo "$1 $ip/$mask ${router:--} ${dns:--} ${serverid:--} ${lease:--}" >>$LAPTOP ;;
nak|leasefail) echo "$1" >>$LAPTOP ;;
esac
"""

    def __init__(self, lab, ns, link="eth0", request=None):
        self.ns, self.link = ns, link
        self.file, script = f"{lab.dir}/{ns.name}.events", f"{lab.dir}/{ns.name}.script"
        with open(script, "w") as f:
            f.write(self.SCRIPT)
        os.chmod(script, 0o755)
        argv = ["udhcpc", "-f", "-i", link, "-s", script, "-t", "5", "-T", "1", "-A", "1"]
        self.process = ns.popen(argv + (["-r", request] if request else []),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env={**os.environ, "LAPTOP": self.file})
        lab.on_close(self.stop)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def events(self):
        with contextlib.suppress(FileNotFoundError), open(self.file) as f:
            return [line.split() for line in f.read().splitlines()]
        return []

    def bound(self):
        """The newest lease as (kind, address/len, router, dns, server, seconds)."""
        leases = [e for e in self.events() if e[0] in ("bound", "renew")]
        return leases[-1] if leases else None

    def renew(self):
        self.process.send_signal(10)  # SIGUSR1


def add_host(lab, name, port, bridge):
    """A namespace with eth0 at a bridge of the switch."""
    ns = lab.namespace(name)
    run("ip", "link", "add", port, "netns", lab.sw.name, "type", "veth", "peer", "name", "eth0",
        "netns", ns.name)
    lab.sw.run("ip", "link", "set", port, "master", bridge, "up")
    ns.run("ip", "link", "set", "lo", "up")
    ns.run("ip", "link", "set", "eth0", "up")
    return ns


def dns_query(ns, server, name, kind=1, timeout=3):
    """Asks one DNS server; returns (response code, [addresses])."""
    with ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(timeout)
        labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
        s.sendto(struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1),
                 (server, 53))
        try:
            data = s.recv(4096)
        except TimeoutError:
            raise LabError(f"{server} does not answer for {name}") from None
    _, flags, _, answers = struct.unpack("!4H", data[:8])
    found = [socket.inet_ntoa(data[-4:])] if answers and kind == 1 else []
    return flags & 15, found
