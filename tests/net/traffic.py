# SPDX-License-Identifier: GPL-2.0-or-later
"""Python's side of gp-traffic, gp-fill and an HTTP download: real traffic through the lab."""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time

from gwconfig import EMULATED, WAN_SERVER
from lab import TOOLS, wait
from netns import LabError

HERE = os.path.dirname(os.path.abspath(__file__))


class Tool:
    """A program that answers each line on its standard input with one line of JSON."""

    def __init__(self, ns, *argv):
        self.name = os.path.basename(argv[0])
        self._buffer = b""
        self._process = ns.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, line):
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise LabError(f"{self.name} ended: exit {self._process.wait()}") from None

    def answer(self, timeout_s=5):
        end = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise LabError(f"{self.name}: no answer within {timeout_s} s")
            got = os.read(self._process.stdout.fileno(), 65536)
            if not got:
                raise LabError(f"{self.name} ended: exit {self._process.wait()}")
            self._buffer += got
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, line, timeout_s=5):
        self.tell(line)
        return self.answer(timeout_s)

    def close(self):
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Traffic:
    """TCP sessions, UDP flows, pings and a numbered stream in each direction, without end.

    `mark()` opens a measurement window; `report()` tells what happened in it. In a report, `up` is
    the stream client → server, `down` the other way; of `tcp` and `udp`, `fresh` counts the
    sessions that answered a question asked since the mark, `moved` those whose address or port at
    the server changed.
    """

    worst_late_ms = 0.0  # of all reports since the runner looked: how far this machine can be trusted

    def __init__(self, lab, tcp=100, udp=20, every_ms=500, stream_hz=1000, ping_hz=100,
                 client=None):
        self.lab, self.tcp, self.udp = lab, tcp, udp
        self.stream_hz, self.ping_hz = stream_hz, ping_hz
        port = str(7000 + lab.traffics)  # several may run in one lab
        lab.traffics += 1
        self._server = Tool(lab.server, f"{TOOLS}/gp-traffic", "server", "--port", port,
                            "--stream-hz", str(stream_hz))
        self._server.ask("report")  # it listens
        self._client = Tool(client or lab.client, f"{TOOLS}/gp-traffic", "client", "--to", WAN_SERVER,
                            "--port", port, "--tcp", str(tcp), "--udp", str(udp),
                            "--every-ms", str(every_ms), "--stream-hz", str(stream_hz),
                            "--ping-hz", str(ping_hz))
        lab.on_close(self.close)

    def mark(self, name="test"):
        self._server.ask(f"mark {name}")
        self._client.ask(f"mark {name}")

    def report(self):
        server, client = self._server.ask("report"), self._client.ask("report")
        late_ms = max(server["late_ms"], client["late_ms"])  # this machine's own doing
        Traffic.worst_late_ms = max(Traffic.worst_late_ms, late_ms)
        return {**client, "up": server["up"], "stream_moved": server["stream_moved"],
                "late_ms": late_ms}

    def wait_flowing(self, deadline_s=20):
        """Every session has answered a question asked after the last mark, and the streams run
        now: what was lost at the end of a stream shows only when it goes on."""
        def flowing():
            r = self.report()
            runs = [r[name] for name, hz in (("up", self.stream_hz), ("down", self.stream_hz),
                                             ("ping", self.ping_hz)) if hz]
            return (r["tcp"]["fresh"] == self.tcp and r["udp"]["fresh"] == self.udp and
                    all(s["received"] > 10 and s["silent_ms"] < 40 + r["late_ms"] for s in runs) and r)
        return wait(flowing, deadline_s, "traffic flows on every session",
                    lambda: summary(self.report()), every_s=0.1)

    def close(self):
        self._client.close()
        self._server.close()


def gap_ms(report):
    """What a user notices: the longest silence, of both directions the worse."""
    return max(report["up"]["gap_ms"], report["down"]["gap_ms"])


def lost(report):
    return report["up"]["lost"], report["down"]["lost"]


def summary(r):
    return (f"lost {r['up']['lost']} up {r['down']['lost']} down, gap {r['up']['gap_ms']:.1f}/"
            f"{r['down']['gap_ms']:.1f} ms, ping lost {r['ping']['lost']}, "
            f"tcp {r['tcp']['fresh']}/{r['tcp']['count']} fresh {r['tcp']['dead']} dead "
            f"{r['tcp']['moved']} moved {r['tcp']['error']}, "
            f"udp {r['udp']['fresh']}/{r['udp']['count']} fresh {r['udp']['moved']} moved, "
            f"machine late {r['late_ms']:.1f} ms")


def assert_kept(r):
    """Every session lives, unchanged, and has been used since the mark."""
    for kind in ("tcp", "udp"):
        s = r[kind]
        assert s["fresh"] == s["count"] and s["dead"] == 0 and s["moved"] == 0, \
            f"{kind} sessions not kept: {summary(r)}"
    assert r["stream_moved"] == 0, f"stream came from another port: {summary(r)}"


def assert_lossless(r):
    """On an emulated machine frames wait so long for a processor that a hand-over overtakes them."""
    assert EMULATED or (lost(r) == (0, 0) and r["ping"]["lost"] == 0), f"packets lost: {summary(r)}"
    assert_kept(r)


class Fill:
    """`count` idle UDP sessions through the pair; `touch()` proves that each still works unchanged."""

    def __init__(self, lab, count):
        self._server = Tool(lab.server, f"{TOOLS}/gp-fill", "serve")
        lab.on_close(self._server.close)
        for gw in lab.gateways:  # a test must not race with the kernel's 30 s
            for key in ("udp_timeout", "udp_timeout_stream"):
                gw.ns.sysctl(f"netfilter/nf_conntrack_{key}", 3600)
        self._client = Tool(lab.client, f"{TOOLS}/gp-fill", "client", "--to", WAN_SERVER,
                            "--count", str(count))
        lab.on_close(self._client.close)
        self.filled = self._client.answer(timeout_s=120)
        if self.filled["answered"] != count:
            raise LabError(f"fill: {self.filled}")

    def touch(self, timeout_s=120):
        """{"flows", "answered", "moved", "seconds"}"""
        return self._client.ask("touch", timeout_s)


class Download:
    """An HTTP download at a steady rate, checked byte by byte (download.py at both ends)."""

    def __init__(self, lab, megabytes, seconds):
        script = [sys.executable, "-B", f"{HERE}/download.py"]
        self._server = Tool(lab.server, *script, "serve", str(megabytes))
        lab.on_close(self._server.close)
        self._server.answer()
        self._client = Tool(lab.client, *script, "fetch", WAN_SERVER, str(megabytes), str(seconds))
        lab.on_close(self._client.close)
        self._result = None
        self._thread = threading.Thread(target=self._wait, args=(seconds * 4 + 30,), daemon=True)
        self._thread.start()

    def _wait(self, timeout_s):
        try:
            self._result = self._client.answer(timeout_s)
        except LabError as e:
            self._result = {"ok": False, "error": str(e)}

    def finish(self, timeout_s=60):
        """{"ok", "bytes", "seconds", "error"}"""
        self._thread.join(timeout_s)
        return self._result or {"ok": False, "error": f"not finished after {timeout_s} s more"}
