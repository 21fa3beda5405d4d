# SPDX-License-Identifier: GPL-2.0-or-later
"""500 addresses and a thousand reloads on the Active of a running pair: nothing leaks, nothing
drifts, a reload without a change writes nothing into the kernel, and users notice none of it."""

import os
import signal
import statistics
import time

from lab import DAEMONS, TOOLS, Lab, wait
from nlwatch import NetlinkWatch, kernel_state, state_difference
from traffic import Tool, Traffic, assert_kept, lost, summary

LINKS, PER_LINK = 10, 50
REMOVED_PER_LINK = 5  # so many of them go and come in a changing reload
WARM_UP, SAME, COUNTED, CHANGING = 60, 700, 100, 140
LEAK_KB = 256             # over all the reloads after the warm-up


def links_text(without=False):
    """Their sections; `without` 50 of the addresses."""
    text = ""
    for i in range(LINKS):
        n = PER_LINK - (REMOVED_PER_LINK if without else 0)
        addresses = ", ".join(f'"10.{100 + i}.{k}.1/24"' for k in range(n))
        text += f'interface "p{i}" {{ role = lan  address = {{{addresses}}} }}\n'
    return text


class Wide(Lab):
    """gw1 has ten more LAN ports."""

    def __init__(self):
        super().__init__(gw1={"extra": links_text()}, cluster={"preempt": "never"})

    def _build(self):
        super()._build()
        self.gw1.ns.run("ip", "-batch", "-", text_input="".join(
            f"link add p{i} type veth peer name q{i}\nlink set q{i} up\n" for i in range(LINKS)))


def is_sanitized(pid):
    with open(f"/proc/{pid}/maps") as f:
        return "libasan" in f.read()


def usage(gw):
    """{daemon: (resident KiB, open files)}"""
    found = {}
    for daemon in (*DAEMONS, "supervisor"):
        pid = gw.status(daemon)["pid"]
        with open(f"/proc/{pid}/statm") as f:
            pages = int(f.read().split()[1])
        files = len(os.listdir(f"/proc/{pid}/fd"))
        found[daemon] = (pages * os.sysconf("SC_PAGE_SIZE") // 1024, files)
    return found


def reload_times(gw, times, texts):
    """Reloads, each with the next of `texts`; milliseconds of each, the question whether it is done
    included. By signal: `gatepair reload` takes its time to look at what became of it."""
    took, done = [], gw.counters("supervisor")["reloads"]
    for i in range(times):
        if len(texts) > 1 or i == 0:
            gw.write_config(texts[i % len(texts)])
        began = time.monotonic()
        gw.supervisor.send_signal(signal.SIGHUP)
        wait(lambda: gw.counters("supervisor")["reloads"] == done + i + 1, 5, "reloaded",
             lambda: gw.status("supervisor"), every_s=0)
        took.append((time.monotonic() - began) * 1000)
    return took


def figures(took):
    return f"median {statistics.median(took):.1f} ms, most {max(took):.0f} ms"


def assert_no_leak(gw, before):
    for daemon, (kb, files) in usage(gw).items():
        old_kb, old_files = before[daemon]
        assert files == old_files, f"{daemon}: {files} open files, {old_files} before"
        if not is_sanitized(gw.supervisor.pid):
            assert kb <= old_kb + LEAK_KB, f"{daemon}: {kb} KiB resident, {old_kb} before"


def count_writes(lab, gw, act):
    """Its system calls that write into the kernel while `act` runs, and the renewals of lifetimes
    of its two virtual addresses, once a second: one call each."""
    counter = Tool(lab.sw, f"{TOOLS}/gp-killat", "netcfgd")
    before = gw.counters("netcfgd")["lifetime_refreshes"]
    counter.ask("kill 0 exit")
    counter.ask(f"trace {gw.status('netcfgd')['pid']}")
    act()
    report = counter.ask("report")
    counter.ask("release")
    counter.close()
    refreshes = gw.counters("netcfgd")["lifetime_refreshes"] - before
    return {"writes": report["count"], "kinds": sorted(set(report["ops"])),
            "refreshes": refreshes // 2}


def test_a_thousand_reloads():
    with Wide() as lab:
        lab.start()
        lab.wait_ready()
        gw = lab.gw1
        wait(lambda: gw.role() == "Active", 10, "gw1 is Active", lab.describe)
        traffic = Traffic(lab, tcp=50, udp=10)
        traffic.wait_flowing()
        term = gw.detail("vrrpd")["term"]
        with open(gw.config) as f:
            full = f.read()
        part = full.replace(links_text(), links_text(without=True))
        assert part != full

        reload_times(gw, WARM_UP, [part, full])
        # The kernel takes its time to check its own link-local addresses, and tells of it.
        wait(lambda: not gw.ns.run("ip", "-6", "addr", "show", "tentative"), 10, "settled")
        before, whole = usage(gw), kernel_state(gw)
        assert len(whole["addr"]) > LINKS * PER_LINK, "not all addresses are there"

        watch = NetlinkWatch(gw)
        mark, operations = watch.mark(), gw.detail("netcfgd")["operations"]
        same = reload_times(gw, SAME, [full])
        counted = count_writes(lab, gw, lambda: reload_times(gw, COUNTED, [full]))
        traffic.report()  # how late this machine was
        watch.mark()
        assert not watch.writes(mark), f"kernel writes: {watch.writes(mark)[:5]}"
        assert gw.detail("netcfgd")["operations"] == operations
        assert counted["writes"] <= counted["refreshes"], counted

        changing = reload_times(gw, CHANGING, [part, full])
        print(f"   {SAME} reloads without a change: {figures(same)}; {CHANGING} with 50 of 500 "
              f"addresses: {figures(changing)}", flush=True)
        wait(lambda: not state_difference(whole, kernel_state(gw)), 5, "no drift",
             lambda: state_difference(whole, kernel_state(gw)))
        assert_no_leak(gw, before)
        assert gw.role() == "Active" and gw.detail("vrrpd")["term"] == term, lab.describe()
        report = traffic.wait_flowing()
        assert_kept(report)
        assert lost(report) == (0, 0), f"packets lost: {summary(report)}"


test_a_thousand_reloads.deadline = 240
