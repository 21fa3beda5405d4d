# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of netcfgd before and after each single write of a plan into the kernel, every one of
them: what the supervisor starts next finishes the work, nothing is there twice, no address has two
holders, and no packet is lost."""

import json
import os
import signal
import time

import gwconfig
from gwconfig import VIRTUALS
from lab import TOOLS, Lab, wait
from netns import run
from nlwatch import kernel_state, state_difference
from observe import AddressWatch
from traffic import Tool, Traffic, assert_kept, lost, summary

WHEN = ("entry", "exit")
POINTS_MAX, FAILURES_MAX = 200, 5
KILLS, WINDOW_S = 9, 10.5  # the supervisor takes more than that within 10 s for a crash loop

PLAIN = """\
interface "ge5" { role = lan  address = {"10.5.0.1/24"} }
"""
CHANGED = """\
interface "ge5" { role = lan  address = {"10.5.1.1/24", "10.5.2.1/24"}  mtu = 1400 }
vrrp "more" { interface = "ge2" vrid = 20 virtual-address = {"10.0.0.20/24"} }
route "198.51.100.0/24" { via = "203.0.113.200" }
route "198.51.101.0/24" { blackhole = true }
rule "marked" { mark = 7  table = 100  priority = 1000 }
route "0.0.0.0/0" { via = "203.0.113.200"  table = 100 }
"""


class Killer:
    """gp-killat, one per gateway; keeps the supervisor from taking us for a crash loop."""

    def __init__(self, gw, program="netcfgd"):
        self.gw = gw
        self._tool = Tool(gw.lab.sw, f"{TOOLS}/gp-killat", program)
        self._kills = []
        gw.lab.on_close(self._tool.close)

    def _tell(self, line):
        answer = self._tool.ask(line)
        assert answer["ok"], f"gp-killat: {line}: {answer}"

    def wait_turn(self):
        if len(self._kills) >= KILLS:
            at = self._kills[-KILLS] + WINDOW_S
            wait(lambda: time.monotonic() > at, WINDOW_S + 1, "the crash window is over")

    def arm(self, n, when):
        self._tell(f"kill {n} {when}")

    def trace(self, pid):
        self._tell(f"trace {pid}")

    def follow(self, pid):
        self._tell(f"follow {pid}")

    def report(self):
        return self._tool.ask("report")

    def finish(self):
        """Lets go; {"killed", "count", "ops"}."""
        report = self.report()
        self._tell("release")
        if report["killed"]:
            self._kills.append(time.monotonic())
        return report


def is_back(gw, old_pid):
    status = gw.status("netcfgd")
    return status["pid"] not in (0, old_pid) and status["state"] in ("held", "standby")


class Reloads:
    """A running pair whose gateways change between two configurations, killed on the way."""

    def __init__(self, lab):
        self.lab = lab
        self.traffic = Traffic(lab, tcp=50, udp=10)
        self.traffic.wait_flowing()
        self.active, self.standby = lab.active, lab.standby
        self.term = self.active.detail("vrrpd")["term"]
        self.killers = {gw: Killer(gw) for gw in lab.gateways}
        self.watch = AddressWatch(lab)
        self.whole = {}  # (gateway, configuration): its kernel after an undisturbed reload
        self.points = {}
        self.failures = []
        # Twice: what the first round leaves behind, such as an MTU, is no drift.
        for extra in (CHANGED, PLAIN, CHANGED, PLAIN):
            for gw in (self.standby, self.active):
                gw.configure(extra=extra)
                gw.ctl("reload")
            lab.wait_ready()
            for gw in lab.gateways:
                self.whole[gw, extra] = kernel_state(gw)

    def difference(self, gw, extra):
        return state_difference(self.whole[gw, extra], kernel_state(gw))

    def cycle(self, gw, extra, n, when):
        """False: the plan has fewer than n writes."""
        killer, old = self.killers[gw], gw.status("netcfgd")["pid"]
        killer.wait_turn()
        self.traffic.mark(f"{n} {when}")
        killer.arm(n, when)
        killer.trace(old)
        gw.configure(extra=extra)
        refused = gw.ctl("reload", check=False)[0] != 0
        report = killer.finish()
        what = f"{gw} {'Active' if gw is self.active else 'Standby'} " \
               f"{'there' if extra is CHANGED else 'back'}, {when} of write {n} " \
               f"({report['ops'][n - 1:n]})"
        if report["killed"]:
            wait(lambda: is_back(gw, old), 5, f"{what}: netcfgd is back")
        assert report["killed"] or not refused, f"{what}: refused without a reason"
        if refused:  # the n-th write was a renewed lifetime before the reload began
            before = PLAIN if extra is CHANGED else CHANGED
            assert not self.difference(gw, before), f"{what}: refused, and half of it done: " \
                f"{self.difference(gw, before)}"
            gw.ctl("reload")
        wait(lambda: not self.difference(gw, extra), 5, f"{what}: as desired",
             lambda: self.difference(gw, extra))
        self.points[gw, extra is CHANGED, when] = report["count"]
        return report["killed"]

    def both(self, extra, n, when):
        """The Standby first, as in life. Returns the gateways whose plan had an n-th write."""
        lab, found = self.lab, []
        for gw in (self.standby, self.active):
            if self.cycle(gw, extra, n, when):
                found.append(gw)
            report = self.traffic.report()
            assert lost(report) == (0, 0), f"{gw} {n} {when}: {summary(report)}"
        lab.wait_ready()
        assert lab.active is self.active and self.active.detail("vrrpd")["term"] == self.term, \
            f"{n} {when}: role changed: {lab.describe()}"
        return found

    def recover(self):
        """After a failure, so that the other points are seen as well."""
        for gw in self.lab.gateways:
            self.killers[gw].finish()
            gw.configure(extra=PLAIN)
            gw.ctl("reload")
        self.lab.wait_ready()
        self.active, self.standby = self.lab.active, self.lab.standby
        self.term = self.active.detail("vrrpd")["term"]

    def run(self, when):
        for n in range(1, POINTS_MAX):
            found = []
            for extra in (CHANGED, PLAIN):
                try:
                    found += self.both(extra, n, when)
                except AssertionError as e:
                    self.failures.append(str(e))
                    self.recover()
                    found.append(None)
                    break
            if not found or len(self.failures) > FAILURES_MAX:
                break
        assert not found or self.failures, f"more than {POINTS_MAX} writes"
        print("   " + ", ".join(f"{gw} {'there' if there else 'back'}: {count} writes"
                                for (gw, there, _), count in sorted(self.points.items(), key=str)),
              flush=True)
        assert_kept(self.traffic.wait_flowing())
        self.watch.assert_one_holder()
        assert not self.failures, f"{len(self.failures)}: " + " | ".join(self.failures)


class WidePorts(Lab):
    """One LAN port more, which only the changed configuration uses."""

    bridge_of = {**Lab.bridge_of, "ge5": "br-more"}

    @staticmethod
    def render(number, *args, **options):
        return gwconfig.render(number, *args, **options).replace("10.5.", f"10.5{number}.")


def reload_killed(when):
    with WidePorts(cluster={"preempt": "never"}, extra=PLAIN) as lab:
        lab.start()
        lab.wait_ready()
        Reloads(lab).run(when)


def test_reload_killed_before_each_write():
    reload_killed("entry")


def test_reload_killed_after_each_write():
    reload_killed("exit")


test_reload_killed_before_each_write.deadline = test_reload_killed_after_each_write.deadline = 240


def test_first_start_killed_at_each_write():
    """An empty machine, netcfgd alone: what a crash leaves behind is the start of the next life.
    Between two writes it says nothing to anybody, so that after one is before the next."""
    with WidePorts(extra=CHANGED) as lab:
        gw, whole, n = lab.gw1, None, 0
        points = [(0, "exit")]
        while points:
            n, when = points.pop()
            gw.power_on(start=False)
            gw.configure()
            gw.start(daemons=("netcfgd",), stopped=True)
            killer = Killer(gw)
            killer.arm(n, when)
            killer.follow(gw.supervisor.pid)
            os.kill(gw.supervisor.pid, signal.SIGCONT)
            wait(lambda: is_back(gw, 0) and (n == 0 or killer.report()["killed"]), 5,
                 f"{n} {when}: it runs")
            report = killer.finish()
            if whole is None:
                whole = kernel_state(gw)
                count = report["count"]
                points = [(i, "exit") for i in range(1, count + 1)] + [(1, "entry")]
                print(f"   {count} writes", flush=True)
            wait(lambda: not state_difference(whole, kernel_state(gw)), 5,
                 f"{n} {when}: as desired",
                 lambda: state_difference(whole, kernel_state(gw)))
            gw.kill_everything()


test_first_start_killed_at_each_write.deadline = 240


class Takeovers:
    """Leases that are taken and dropped, with netcfgd killed on the way. `new`: vrrpd of the Active
    stands still for longer than its lease, and netcfgd of the other, which takes over, is killed.
    `old`: the role is handed over, and netcfgd of the one that gives it away is killed."""

    def __init__(self, lab):
        self.lab = lab
        self.traffic = Traffic(lab, tcp=50, udp=10)
        self.traffic.wait_flowing()
        self.watch = AddressWatch(lab)
        self.killers = {gw: Killer(gw) for gw in lab.gateways}
        self.whole = {}

    def takeover(self, victim, n, when):
        """`victim`: "old" or "new", whose netcfgd is killed. False: it wrote less than n times."""
        lab = self.lab
        lab.wait_ready()
        old, new = lab.active, lab.standby
        gw = old if victim == "old" else new
        killer, pid = self.killers[gw], gw.status("netcfgd")["pid"]
        killer.wait_turn()
        self.traffic.mark(f"{victim} {n} {when}")
        killer.arm(n, when)
        killer.trace(pid)
        what = f"{victim} {n} {when}"
        if victim == "new":
            self._freeze(old, new, what)
        else:
            old.ctl("switchover", check=False)
        self._wait_over(old, new, what)
        report = killer.finish()
        lab.wait_ready()
        if victim == "new":  # a hand-over is make-before-break
            self.watch.assert_one_holder()
        for g in lab.gateways:
            key = (g, g.role())
            if key not in self.whole:
                assert not report["killed"]
                self.whole[key] = kernel_state(g)
            wait(lambda: not state_difference(self.whole[key], kernel_state(g)), 5,
                 f"{what}: {g} as desired",
                 lambda: state_difference(self.whole[key], kernel_state(g)))
        assert_kept(self.traffic.wait_flowing())
        return report

    def _freeze(self, old, new, what):
        old.freeze("vrrpd")
        try:
            wait(lambda: new.role() == "Active", 10, f"{what}: a takeover", self.lab.describe)
            wait(lambda: not old.holds(), 5, f"{what}: the old one has let go", old.holds)
        finally:
            old.thaw("vrrpd")

    def _wait_over(self, old, new, what):
        """Either it was carried out, or it was refused; and all that follows is done."""
        lab = self.lab
        lab.wait_ready()
        active, standby = lab.active, lab.standby
        wait(lambda: active.holds() == set(VIRTUALS), 5, f"{what}: {active} holds", active.holds)
        wait(lambda: not standby.holds(), 5, f"{what}: {standby} does not", standby.holds)
        wait(lambda: self._links_down(standby), 5, f"{what}: its links are down")
        wait(lambda: standby.detail("netcfgd"), 5, f"{what}: netcfgd is done with it")

    @staticmethod
    def _links_down(gw):
        links = json.loads(run("ip", "-n", gw.ns.name, "-j", "link", "show", "type", "macvlan"))
        return len(links) == len(VIRTUALS) and not any("UP" in link["flags"] for link in links)

    def run(self, victim):
        failures = []
        for when in WHEN:
            for n in range(0, POINTS_MAX):
                if n == 0 and when == "exit":
                    continue
                try:
                    report = self.takeover(victim, n, when)
                    if n and not report["killed"]:
                        break
                except AssertionError as e:
                    self.watch.changes.clear()
                    failures.append(str(e))
                    self.lab.wait_ready()
                if len(failures) > FAILURES_MAX:
                    break
        assert not failures, f"{len(failures)}: " + " | ".join(failures)


def killed_takeovers(victim):
    with Lab(cluster={"preempt": "never"}) as lab:
        lab.start()
        lab.wait_ready()
        t = Takeovers(lab)
        t.takeover(victim, 0, "exit")  # both in both roles
        t.run(victim)


def test_lease_taken_killed_at_each_write():
    killed_takeovers("new")


def test_lease_dropped_killed_at_each_write():
    killed_takeovers("old")


for test in (test_lease_taken_killed_at_each_write, test_lease_dropped_killed_at_each_write):
    test.deadline = 240
del test
