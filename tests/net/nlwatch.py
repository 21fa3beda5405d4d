# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens in a gateway's kernel, and when (gp-nlwatch); and what is there, comparable."""

import contextlib
import itertools
import json
import subprocess
import threading

from lab import TOOLS
from netns import LabError


class Event:
    """`op` as in gp-nlwatch; `changed`: the object is not what it was before (a refreshed lifetime
    changes nothing)."""

    __slots__ = ("at", "op", "key", "value", "changed")

    def __init__(self, at, op, key, value):
        self.at, self.op, self.key, self.value, self.changed = at, op, key, value, True

    def __repr__(self):
        return f"{self.op}{self.key} {self.value}".strip()


class NetlinkWatch:
    """Follows one gateway's kernel. `state` is what the notifications say is there; `events` all of
    them in order."""

    def __init__(self, gw):
        self.events, self.state = [], {}
        self._marks = {}
        self._names = itertools.count()
        self._answered = threading.Semaphore(0)
        self._process = gw.ns.popen([f"{TOOLS}/gp-nlwatch"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True, bufsize=1)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        gw.lab.on_close(self.close)
        self.mark()  # it listens, and has told what is there

    def _read(self):
        for line in self._process.stdout:
            at, op, key, value = line.rstrip("\n").split("\t")
            if op == "#":
                self._marks[key] = len(self.events)
                self._answered.release()
            else:
                self._take(Event(int(at) / 1e9, op, key, value))

    def _take(self, e):
        if e.op == "-":
            e.changed = self.state.pop(e.key, None) is not None
        elif e.op in "=+":
            e.changed = self.state.get(e.key) != e.value
            self.state[e.key] = e.value
        if e.op != "=":
            self.events.append(e)

    def mark(self):
        """A moment: whatever happened before it has been read."""
        name = str(next(self._names))
        self._process.stdin.write(f"mark {name}\n")
        self._process.stdin.flush()
        if not self._answered.acquire(timeout=5):
            raise LabError("gp-nlwatch: no answer")
        return self._marks.pop(name)

    def since(self, mark):
        """Events since then; fails if the kernel dropped some."""
        events = self.events[mark:]
        if any(e.op == "!" for e in events):
            raise LabError("gp-nlwatch: notifications were lost")
        return events

    def writes(self, mark):
        """Everything since then but renewed lifetimes of addresses."""
        return [e for e in self.since(mark)
                if not (e.key.startswith("addr ") and e.op == "+" and not e.changed)]

    def close(self):
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._thread.join(timeout=5)


# --- what is there ---

_LINK_KEYS = ("ifname", "mtu", "address", "link", "master", "ifalias")
_INFO_KEYS = {"info_kind", "info_slave_kind", "mode", "id", "protocol", "stp_state"}
_ADDR_NOISE = {"valid_life_time", "preferred_life_time", "tentative", "optimistic", "label"}
_SWITCHES = ("arp_ignore", "arp_announce", "rp_filter", "accept_redirects", "send_redirects",
             "forwarding")
_GLOBAL_SWITCHES = ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "netfilter/nf_conntrack_events",
                    "netfilter/nf_conntrack_tcp_loose", "netfilter/nf_conntrack_tcp_be_liberal")


def _json(gw, *argv):
    text = gw.ns.run(*argv)
    try:
        return json.loads(text) if text.strip() else []
    except ValueError as e:
        raise LabError(f"{gw}: {' '.join(argv)}: not JSON ({e}): {text[:400]}") from None


def _plain(value, noise):
    """Without what differs between equal things; lists of objects in one order."""
    if isinstance(value, dict):
        return {k: _plain(v, noise) for k, v in value.items() if k not in noise}
    if isinstance(value, list):
        return [_plain(v, noise) for v in value]
    return value


def _lines(objects):
    return sorted(json.dumps(o, sort_keys=True) for o in objects)


def _is_kernels_own(prefix):
    """What the kernel gives to each IPv6 interface by itself, at its own pace."""
    return prefix.startswith(("fe80:", "ff00:", "anycast fe80:", "multicast ff00:"))


def _ruleset(gw):
    """By table, in an order of their own; within one, the order is what matters. As text: nft 1.0.6
    cannot write a table with an owner as JSON."""
    tables, table = {}, None
    for line in gw.ns.run("nft", "-s", "list", "ruleset").splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("table "):
            table = tables.setdefault(line, [])
        if line.startswith("elements = "):
            line = " ".join(sorted(line.replace(",", "").split()))
        if line:
            table.append(line)
    return [f"{name} {line}" for name in sorted(tables) for line in tables[name]]


def _kind(link):
    info = link.get("linkinfo", {})
    found = {**info, **info.get("info_data", {})}
    return "".join(f" {key}={found[key]}" for key in sorted(_INFO_KEYS & found.keys()))


def kernel_state(gw):
    """{area: lines} of this gateway's kernel: equal configurations are equal texts."""
    links = _json(gw, "ip", "-d", "-j", "link")
    state = {"link": sorted(f"{'up' if 'UP' in link['flags'] else 'down'} " + " ".join(
        f"{key}={json.dumps(link[key])}" for key in _LINK_KEYS if key in link) + _kind(link)
        for link in links),
        "addr": [], "nft": _ruleset(gw), "sysctl": []}
    for link in _json(gw, "ip", "-j", "addr"):
        for a in link.get("addr_info", []):
            if _is_kernels_own(a["local"]):
                continue
            life = "limited" if a.get("valid_life_time", 2**32 - 1) < 2**32 - 1 else "forever"
            plain = _plain(a, _ADDR_NOISE)
            state["addr"].append(f"{link['ifname']} {life} {json.dumps(plain, sort_keys=True)}")
    state["addr"].sort()
    routes = (_json(gw, "ip", "-j", "-4", "route", "show", "table", "all") +
              _json(gw, "ip", "-j", "-6", "route", "show", "table", "all"))
    state["route"] = _lines(r for r in _plain(routes, {"flags"}) if not (
        _is_kernels_own(r["dst"]) or (":" in r["dst"] and r.get("table") == "local")))
    state["rule"] = _lines(_json(gw, "ip", "-j", "-4", "rule") +
                           _json(gw, "ip", "-j", "-6", "rule"))
    paths = sorted(f"ipv4/conf/{link['ifname']}/{key}" for link in links for key in _SWITCHES)
    for path in (*paths, *_GLOBAL_SWITCHES):
        state["sysctl"].append(f"{path} = {gw.ns.sysctl(path)}")
    return state


def state_difference(old, new):
    """"" when equal; else the lines that differ, for an error message."""
    parts = []
    for area in old:
        gone = [f"-{line}" for line in old[area] if line not in new[area]]
        came = [f"+{line}" for line in new[area] if line not in old[area]]
        if gone or came or old[area] != new[area]:
            parts.append(f"{area}: " + " ".join(gone[:4] + came[:4] or ["another order or number"]))
    return "; ".join(parts)
