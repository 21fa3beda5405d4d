# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces, links and ports for the test ground.

Everything is named after the process that made it, so several labs run side by side. Faults are
single netlink messages on sockets opened beforehand: "at once" means microseconds, not the time of
starting a program. A reaper process watches over us and clears up even after `kill -9`.
"""

import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
RUN_NETNS = "/run/netns"

RTM_SETLINK = 19
AF_BRIDGE = 7
IFF_UP = 1
IFLA_PROTINFO = 12
IFLA_BRPORT_STATE = 1
NLA_F_NESTED = 0x8000
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2
BR_DISABLED, BR_FORWARDING = 0, 3

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The test ground, not the product, failed; or a query has no answer (yet)."""


def run(*argv, check=True, text_input=None, timeout=30):
    """Runs a command in the namespace of the calling thread; returns its standard output."""
    done = subprocess.run(argv, input=text_input, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def ip_batch(lines):
    run("ip", "-batch", "-", text_input="\n".join(lines) + "\n")


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """One network namespace; `with ns.entered():` moves the calling thread, and what it starts, in."""

    def __init__(self, name):
        self.name = name
        self.path = f"{RUN_NETNS}/{name}"
        run("ip", "netns", "add", name)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.fd).st_ino
        self._rtnl = None
        self._index = {}

    @contextlib.contextmanager
    def entered(self):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self.fd)
            yield self
        finally:
            _setns(before)
            os.close(before)

    def run(self, *argv, **kw):
        with self.entered():
            return run(*argv, **kw)

    def popen(self, argv, **kw):
        with self.entered():
            return subprocess.Popen(argv, **kw)

    def sysctl(self, key, value=None):
        """Reads or writes /proc/sys/net/KEY of this namespace; None where there is no such key."""
        path = f"/proc/sys/net/{key}"
        with self.entered():
            if not os.path.exists(path):
                return None
            if value is None:
                with open(path) as f:
                    return f.read().strip()
            with open(path, "w") as f:
                f.write(str(value))
        return str(value)

    def pids(self):
        """Every process in this namespace. The namespace is ours, hence so are they."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    if os.stat(f"/proc/{entry}/ns/net").st_ino == self.inode:
                        found.append(int(entry))
        return found

    # --- links, by prepared netlink messages ---

    def index(self, link):
        if link not in self._index:
            with self.entered():
                self._index[link] = socket.if_nametoindex(link)
        return self._index[link]

    def forget(self, link):
        """The link is gone; one of that name may come back with another index."""
        self._index.pop(link, None)

    def netlink(self, messages):
        """Sends several rtnetlink requests in one system call and checks each answer."""
        if self._rtnl is None:
            with self.entered():
                self._rtnl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._rtnl.bind((0, 0))
            self._rtnl.settimeout(5)
        data = b""
        for seq, (kind, body) in enumerate(messages):
            data += struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK, seq, 0)
            data += body + b"\0" * (-len(body) % 4)
        self._rtnl.send(data)
        answers = 0
        while answers < len(messages):
            got = self._rtnl.recv(65536)
            while got:
                length, kind = struct.unpack_from("=IH", got)
                error = struct.unpack_from("=i", got, 16)[0] if kind == NLMSG_ERROR else 0
                if error:
                    raise LabError(f"netlink in {self.name}: {os.strerror(-error)}")
                answers += 1
                got = got[(length + 3) & ~3:]

    def links_set(self, links, up):
        flag = IFF_UP if up else 0
        self.netlink([(RTM_SETLINK, struct.pack("=BxHiII", 0, 0, self.index(l), flag, IFF_UP))
                      for l in links])

    def ports_set(self, ports, forwarding):
        """Bridge port state; the carrier of the ports stays as it is."""
        state = BR_FORWARDING if forwarding else BR_DISABLED
        attrs = struct.pack("=HHHHB3x", 12, IFLA_PROTINFO | NLA_F_NESTED, 5, IFLA_BRPORT_STATE, state)
        self.netlink([(RTM_SETLINK, struct.pack("=BxHiII", AF_BRIDGE, 0, self.index(p), 0, 0) + attrs)
                      for p in ports])

    def delete(self):
        if self._rtnl is not None:
            self._rtnl.close()
            self._rtnl = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        run("ip", "netns", "delete", self.name, check=False)


def kill_all(namespaces, first=()):
    """kill -9 for everything in these namespaces, `first` first, until nothing is left."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        pids = [pid for ns in namespaces for pid in ns.pids()]
        for pid in [p for p in pids if p in first] + [p for p in pids if p not in first]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if all(_is_zombie(pid) for pid in pids):
            return
        time.sleep(0.002)  # the kernel needs a moment to tear them down
    raise LabError("processes survive kill -9")


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


# --- the reaper: when we die without clearing up, it does ---


class Reaper:
    def __init__(self):
        self._child = subprocess.Popen(
            [sys.executable, "-B", os.path.abspath(__file__)],
            stdin=subprocess.PIPE, text=True, start_new_session=True)
        atexit.register(self.close)

    def note(self, what, name):
        """`what`: ns+ ns- dir+ dir-"""
        self._child.stdin.write(f"{what} {name}\n")
        self._child.stdin.flush()

    def close(self):
        if not self._child.stdin.closed:
            self._child.stdin.close()
            self._child.wait(timeout=20)


class _Left(Namespace):
    """A namespace found rather than made."""

    def __init__(self, name):  # pylint: disable=super-init-not-called
        self.name, self._rtnl, self.fd = name, None, -1
        self.inode = os.stat(f"{RUN_NETNS}/{name}").st_ino


def _reaper_main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    names, dirs = set(), set()
    for line in sys.stdin:
        what, name = line.split(maxsplit=1)
        group = names if what.startswith("ns") else dirs
        (group.add if what.endswith("+") else group.discard)(name.strip())
    left = []
    for name in names:
        with contextlib.suppress(OSError):
            left.append(_Left(name))
    with contextlib.suppress(LabError):
        kill_all(left)
    for ns in left:
        ns.delete()
    for path in dirs:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    _reaper_main()
