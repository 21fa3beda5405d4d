# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair of gateways, their switch, a LAN client and a WAN server, in network namespaces.

    with Lab(cluster={"heartbeat": "off"}) as lab:
        lab.start()
        lab.wait_ready()
        cut_at = lab.active.power_cut()

                 client 10.0.0.100
                    |
        br-lan  ----+----------------------        one namespace "sw" holds the three
                 gw1 ge2     gw2 ge2               bridges; each gateway is a namespace
        br-ha    gw1 ge4     gw2 ge4               whose veth pairs end in bridge ports
        br-wan   gw1 ge3     gw2 ge3               named gw1-ge2 and so on
                ----+----------------------
                 server 203.0.113.200

The lab makes links only; addresses, routes and rules are the gateways' own work. Needs root.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import gwconfig
from gwconfig import LAN_CLIENT, LAN_VIRTUAL, WAN_SERVER
from netns import LabError, Namespace, Reaper, ip_batch, kill_all, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("GATEPAIR_BUILD", f"{ROOT}/build")
BIN = os.environ.get("GATEPAIR_BIN", f"{BUILD}/bin")
TOOLS = os.environ.get("GATEPAIR_TOOLS", f"{BUILD}/tests")
LOGS = f"{BUILD}/logs"
DAEMONS = ("vrrpd", "syncd", "netcfgd")

BRIDGE_OF = {"ge2": "br-lan", "ge3": "br-wan", "ge4": "br-ha"}  # ge1 ends in the void, with carrier


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait(condition, deadline_s, what, show=None, every_s=0.03):
    """Polls until `condition()` is true and returns that value. An unanswered query counts as not
    yet. `show()` adds what there is instead to the error."""
    end = time.monotonic() + deadline_s
    while True:
        try:
            last = condition()
            if last:
                return last
        except (LabError, KeyError, IndexError) as e:
            last = e
        if time.monotonic() > end:
            with contextlib.suppress(LabError):
                last = show() if show else last
            raise Timeout(f"{what}: not within {deadline_s} s; last: {last}")
        time.sleep(every_s)


def stays(condition, seconds, what, show=None, every_s=0.05):
    """The condition holds now and at every look for so long."""
    end = time.monotonic() + seconds
    while True:
        if not condition():
            raise AssertionError(f"{what}: no longer; now: {show() if show else ''}")
        if time.monotonic() > end:
            return
        time.sleep(every_s)


class NotReady(Timeout):
    """The pair as a whole does not come up, or not again."""


class Gateway:
    def __init__(self, lab, number):
        self.lab, self.number, self.name = lab, number, f"gw{number}"
        self.dir = f"{lab.dir}/{self.name}"
        self.rundir, self.statedir = f"{self.dir}/run", f"{self.dir}/state"
        self.config, self.log = f"{self.dir}/gatepair.conf", f"{self.dir}/log"
        self.ns = None
        self.supervisor = None
        self.powered = False
        os.makedirs(self.rundir)
        os.makedirs(self.statedir)

    def __str__(self):
        return self.name

    def port(self, link):
        """The switch port of one of our links."""
        return f"{self.name}-{link}"

    # --- hardware ---

    def build(self):
        """A gateway fresh from its reset: namespace and links, nothing configured."""
        self.ns = self.lab.namespace(self.name)
        self.ns.run("ip", "link", "set", "lo", "up")  # as every booted system has it
        self._add_links(self.lab.ports)
        self.powered = True

    def _add_links(self, links):
        lines = []
        for link in links:
            mac = f"02:00:00:00:0{link[2]}:0{self.number}"
            lines.append(f"link add {self.port(link)} type veth "
                         f"peer name {link} address {mac} netns {self.ns.name}")
            if link in self.lab.bridge_of:
                lines.append(f"link set {self.port(link)} master {self.lab.bridge_of[link]}")
            lines.append(f"link set {self.port(link)} up")
        self.lab.sw.run("ip", "-batch", "-", text_input="\n".join(lines) + "\n")

    def unmake(self, link):
        """The interface itself goes, as by a driver that is unloaded."""
        self.ns.run("ip", "link", "delete", link)
        self.lab.sw.forget(self.port(link))

    def remake(self, link):
        """It comes back under its name, with another index and nothing configured."""
        self._add_links([link])

    def pull(self, link):
        """Pulls the cable: the gateway loses carrier. Returns the moment (time.monotonic)."""
        self.lab.sw.links_set([self.port(link)], up=False)
        return time.monotonic()

    def plug(self, link):
        self.lab.sw.links_set([self.port(link)], up=True)

    def block(self, *links):
        """The switch port stops forwarding, silently: carrier stays."""
        self.lab.sw.ports_set([self.port(l) for l in links], forwarding=False)
        return time.monotonic()

    def unblock(self, *links):
        self.lab.sw.ports_set([self.port(l) for l in links], forwarding=True)

    def lose(self, link, percent, match=""):
        """Loses `percent` of the frames (matching an nft expression) in both directions; 0: none."""
        port = self.port(link)
        self.lab.sw.run("nft", "delete", "table", "netdev", port, check=False)
        if percent > 0:
            dice = f"numgen random mod 1000 < {int(percent * 10)}" if percent < 100 else ""
            rule = f"{match} {dice} counter drop"
            text = f"table netdev {port} {{\n"
            for hook in ("ingress", "egress"):
                text += (f"chain {hook} {{ type filter hook {hook} device \"{port}\" priority 0;\n"
                         f"{rule}\n}}\n")
            self.lab.sw.run("nft", "-f", "-", text_input=text + "}\n")

    def power_cut(self):
        """Everything of the node is gone at once, and nobody sees a carrier change.

        The dead kernel stays behind blocked ports until power_on(), as invisible as a box without
        power, while the switch still believes in the MAC addresses it learned there: the hardest
        case for the survivor. Returns the moment (time.monotonic).
        """
        pids = self.ns.pids()  # looked up before: from here on it must be quick
        at = self.block(*self.lab.bridge_of)
        self._kill_at_once(pids)
        self.powered = False
        for observer in self.lab.observers:
            observer.gateway_off(self)
        return at

    def power_on(self, start=True):
        """A cold boot: fresh kernel state, empty RUNDIR, kept STATEDIR."""
        if self.ns is not None:
            for link in self.lab.ports:
                # At once and by hand: deleting the namespace leaves them for a while.
                self.lab.sw.run("ip", "link", "delete", self.port(link), check=False)
                self.lab.sw.forget(self.port(link))
            self.lab.remove(self.ns)
        shutil.rmtree(self.rundir, ignore_errors=True)
        os.makedirs(self.rundir)
        self.build()
        for observer in self.lab.observers:
            observer.gateway_on(self)
        if start:
            self.start()

    # --- software ---

    def fingerprint(self):
        """Makes the node's key if there is none yet."""
        return run(f"{BIN}/gatepair", "--statedir", self.statedir, "key").strip()

    def configure(self, **changes):
        """Writes the config file; keyword arguments as for gwconfig.render()."""
        options = {}
        for source in (self.lab.options, self.lab.node_options[self.number], changes):
            for key, value in source.items():
                options[key] = {**options.get(key, {}), **value} if isinstance(value, dict) else value
        self.fingerprint()  # the config file refers to our key as well
        peer = self.lab.other(self)
        self.write_config(self.lab.render(self.number, peer.fingerprint(), **options))

    def write_config(self, text):
        with open(self.config + ".new", "w") as f:
            f.write(text)
        os.rename(self.config + ".new", self.config)

    def start(self, daemons=DAEMONS, stopped=False):
        """`stopped`: it waits for SIGCONT before it does anything."""
        with open(self.log, "a") as log:
            # `ip netns exec` gives it the right /sys, and then is the supervisor: same pid.
            argv = ["ip", "netns", "exec", self.ns.name, f"{BIN}/supervisor",
                    "--config", self.config, "--rundir", self.rundir, "--statedir", self.statedir,
                    "--daemons", ",".join(daemons)]
            if stopped:
                argv = ["sh", "-c", 'kill -STOP $$; exec "$@"', "sh", *argv]
            self.supervisor = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if stopped:
            os.waitpid(self.supervisor.pid, os.WUNTRACED)

    def stop(self, deadline_s=10):
        """Orderly: SIGTERM, hand-over, exit status."""
        self.supervisor.terminate()
        try:
            return self.supervisor.wait(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self}: supervisor still runs {deadline_s} s after SIGTERM") from None

    def kill_everything(self):
        """kill -9 of all processes at once; kernel and links stay."""
        at = time.monotonic()
        self._kill_at_once(self.ns.pids())
        return at

    def _kill_at_once(self, pids):
        boss = self.supervisor.pid if self.supervisor else 0
        for pid in sorted(pids, key=lambda p: p != boss):  # else it would restart the others
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        kill_all([self.ns], first=(boss,))
        if self.supervisor:
            self.supervisor.wait()

    def pid(self, daemon):
        for pid in self.ns.pids():
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/comm") as f:
                    if f.read().strip() == daemon:
                        return pid
        raise LabError(f"{self}: no process {daemon}")

    def kill(self, daemon, number=signal.SIGKILL):
        """Sends one daemon a signal; returns its pid."""
        pid = self.pid(daemon)
        os.kill(pid, number)
        return pid

    def freeze(self, daemon):
        self.kill(daemon, signal.SIGSTOP)
        return time.monotonic()

    def thaw(self, daemon):
        self.kill(daemon, signal.SIGCONT)

    def ctl(self, *argv, check=True, timeout=10):
        """The gatepair command on this node: returns (exit status, stdout, stderr)."""
        try:
            p = subprocess.run([f"{BIN}/gatepair", "--rundir", self.rundir, "--statedir", self.statedir,
                                *argv], capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self}: gatepair {' '.join(argv)}: no end after {timeout} s") from None
        if check and p.returncode != 0:
            raise LabError(f"{self}: gatepair {' '.join(argv)}: exit {p.returncode}: {p.stderr.strip()}")
        return p.returncode, p.stdout, p.stderr

    # --- questions ---

    def status(self, daemon=None):
        argv = ["status"] + ([daemon] if daemon else []) + ["--json"]
        text = self.ctl(*argv)[1]
        try:
            return json.loads(text)
        except ValueError as e:
            raise LabError(f"{self}: gatepair {' '.join(argv)}: not JSON ({e}): {text[:200]}") from None

    def detail(self, daemon):
        """The daemon's own part of its status, e.g. VrrpdStatus (proto/vrrpd.proto)."""
        return self.status(daemon)[daemon]

    def counters(self, daemon):
        return {c["name"]: int(c["value"]) for c in self.status(daemon).get("counters", [])}

    def role(self):
        """Active, Standby, Initialize; Off when nothing answers."""
        if not self.powered:
            return "Off"
        try:
            return self.detail("vrrpd")["role"]
        except LabError:
            return "Off"

    def is_ready(self):
        return bool(self.detail("vrrpd")["failover_ready"])

    def addresses(self):
        """Every IPv4 address in this node's kernel, whichever device holds it."""
        links = json.loads(run("ip", "-n", self.ns.name, "-j", "-4", "addr"))
        return {a["local"] for link in links for a in link.get("addr_info", [])}

    def holds(self):
        """Those of the virtual addresses that are here."""
        return self.addresses() & set(gwconfig.VIRTUALS)


class Lab:
    """`cluster`, `vrrp`, `sync`, `extra`: see gwconfig.render(); gw1, gw2: the same for one node."""

    bridge_of = BRIDGE_OF  # which switch each link of a gateway ends in
    gateway = Gateway
    render = staticmethod(gwconfig.render)

    _count = 0
    test = None   # set by the runner: where the logs go when a `with` block fails
    reports = []  # sanitizer reports of all labs closed since the runner looked

    def __init__(self, gw1=None, gw2=None, **options):
        if os.geteuid() != 0:
            raise SystemExit("the test ground needs root (network namespaces)")
        Lab._count += 1
        self.prefix = f"gp{os.getpid()}" + (f"x{Lab._count}" if Lab._count > 1 else "")
        self.options, self.node_options = options, {1: gw1 or {}, 2: gw2 or {}}
        self.observers = []    # told when a gateway comes and goes: gateway_on(gw), gateway_off(gw)
        self.traffics = 0      # so many Traffics were made
        self._closers = []     # called at the end, last first
        self._namespaces = []
        self.dir = tempfile.mkdtemp(prefix="gp-")
        os.chmod(self.dir, 0o755)  # the daemons are other users
        self._reaper = Reaper()
        self._reaper.note("dir+", self.dir)
        self.gateways = []

    def namespace(self, name):
        full = f"{self.prefix}-{name}"
        self._reaper.note("ns+", full)
        ns = Namespace(full)
        self._namespaces.append(ns)
        return ns

    def remove(self, ns):
        self._namespaces.remove(ns)
        ns.delete()

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def _build(self):
        self.sw, self.client, self.server = (self.namespace(n) for n in ("sw", "client", "server"))
        for ns in (self.sw, self.client, self.server):
            ns.sysctl("ipv6/conf/default/disable_ipv6", 1)
            ns.sysctl("ipv6/conf/all/disable_ipv6", 1)
        for key in ("iptables", "ip6tables", "arptables"):
            self.sw.sysctl(f"bridge/bridge-nf-call-{key}", 0)
        ip_batch([f"link add h{i} netns {self.sw.name} type veth peer name eth0 netns {ns.name}"
                  for i, ns in enumerate((self.client, self.server))])
        lines = []
        for bridge in dict.fromkeys(self.bridge_of.values()):
            lines += [f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                      f"link set {bridge} up"]
        lines += ["link set h0 master br-lan", "link set h1 master br-wan",
                  "link set h0 up", "link set h1 up"]
        self.sw.run("ip", "-batch", "-", text_input="\n".join(lines) + "\n")
        self.client.run("ip", "-batch", "-", text_input=f"""\
link set lo up
link set eth0 up
addr add {LAN_CLIENT}/24 dev eth0
route add default via {LAN_VIRTUAL}
""")
        self.server.run("ip", "-batch", "-", text_input=f"""\
link set lo up
link set eth0 up
addr add {WAN_SERVER}/24 dev eth0
""")
        self.server.sysctl("core/somaxconn", 65535)
        self.gateways = [self.gateway(self, 1), self.gateway(self, 2)]
        self.gw1, self.gw2 = self.gateways
        for gw in self.gateways:
            gw.build()

    def on_close(self, call):
        self._closers.append(call)

    def start(self):
        """Writes both configs and starts both supervisors."""
        for program in ("supervisor", "gatepair", *DAEMONS):
            if not os.access(f"{BIN}/{program}", os.X_OK):
                raise LabError(f"{BIN}/{program} is missing: run make first")
        for gw in self.gateways:
            gw.configure()
        for gw in self.gateways:
            gw.start()

    @property
    def ports(self):
        return ("ge1", *self.bridge_of)

    @property
    def active(self):
        return self._with_role("Active")

    @property
    def standby(self):
        return self._with_role("Standby")

    def _with_role(self, role):
        roles = {gw: gw.role() for gw in self.gateways}
        found = [gw for gw, r in roles.items() if r == role]
        if len(found) != 1:
            raise LabError(f"not exactly one {role}: " + ", ".join(f"{g} {r}" for g, r in roles.items()))
        return found[0]

    def other(self, gw):
        return self.gateways[2 - gw.number]

    def is_settled(self):
        """One Active, one Standby, both say that a failover would succeed."""
        roles = sorted(gw.role() for gw in self.gateways)
        return roles == ["Active", "Standby"] and all(gw.is_ready() for gw in self.gateways)

    def describe(self):
        """Where the pair stands, for error messages."""
        parts = []
        for gw in self.gateways:
            try:
                d = gw.detail("vrrpd")
                parts.append(f"{gw} {d['role']} ready={d['failover_ready']} "
                             f"{d.get('not_ready_reasons', [])} ({d['role_reason']})")
            except (LabError, KeyError) as e:
                parts.append(f"{gw} {e}")
        return "; ".join(parts)

    def wait_ready(self, deadline_s=20):
        try:
            wait(self.is_settled, deadline_s, "pair is ready for failover", self.describe, every_s=0.05)
        except Timeout as e:
            raise NotReady(str(e)) from None

    def wait_role(self, gw, role, deadline_s=10):
        wait(lambda: gw.role() == role, deadline_s, f"{gw} is {role}", self.describe)

    # --- the end ---

    def __exit__(self, kind, value, trace):
        failed = kind is not None and Lab.test is not None
        if failed:
            self.keep_logs(Lab.test)
        self.close()

    def close(self):
        """Ends every process of the lab (orderly first, so that sanitizers can report) and removes
        everything it made. Twice is harmless."""
        while self._closers:
            self._closers.pop()()
        for gw in self.gateways:
            if gw.powered and gw.supervisor and gw.supervisor.poll() is None:
                # The children may be frozen by a test that failed.
                for pid in gw.ns.pids():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
                gw.supervisor.terminate()
        for gw in self.gateways:
            with contextlib.suppress(subprocess.TimeoutExpired):
                if gw.supervisor:
                    gw.supervisor.wait(timeout=3)
        kill_all(self._namespaces)
        for gw in self.gateways:
            if gw.supervisor:
                gw.supervisor.wait()
        found = self.sanitizer_reports()
        if found:
            Lab.reports += found
            self.keep_logs(f"{Lab.test or 'lab'}.sanitizer")
        for ns in self._namespaces:
            ns.delete()
        self._namespaces = []
        shutil.rmtree(self.dir, ignore_errors=True)
        self._reaper.close()

    def keep_logs(self, name):
        """Copies what explains a failure to build/logs/NAME; returns that folder."""
        folder = f"{LOGS}/{name}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for gw in self.gateways:
            for source, target in ((gw.log, "log"), (gw.config, "conf")):
                with contextlib.suppress(OSError):
                    shutil.copy(source, f"{folder}/{gw}.{target}")
            with contextlib.suppress(LabError, OSError, AttributeError):
                code, out, err = gw.ctl("status", "--json", check=False)
                with open(f"{folder}/{gw}.status", "w") as f:
                    f.write(out + err)
                with open(f"{folder}/{gw}.kernel", "w") as f:
                    for argv in (["ip", "-s", "addr"], ["ip", "route"], ["ip", "neigh"],
                                 ["nft", "list", "ruleset"]):
                        f.write(f"$ {' '.join(argv)}\n" + gw.ns.run(*argv, check=False) + "\n")
        return folder

    def sanitizer_reports(self):
        """Lines of ASan and UBSan in the logs, if the binaries were built with them."""
        found = []
        for gw in self.gateways:
            with contextlib.suppress(OSError), open(gw.log, errors="replace") as f:
                found += [f"{gw}: {line.strip()}" for line in f
                          if "runtime error:" in line or "ERROR: AddressSanitizer" in line
                          or "ERROR: LeakSanitizer" in line]
        return found


def die_on_signals():
    """SIGTERM and SIGHUP end the program through its `with` blocks, as SIGINT does."""
    def end(number, frame):
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
