# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair of which gw1 is the machine itself: systemd starts it, its ports are network cards.

The far end of each of its cables is another card, in the switch's namespace; everything else is as in
tests/net. What must outlive a reboot is in /gatepair/kept.
"""

import contextlib
import json
import os

import gwconfig
from lab import BIN, DAEMONS, Gateway, Lab
from netns import Namespace, run

KEPT = "/gatepair/kept"
UNIT = "gatepair-here"
UNIT_TEXT = f"""\
[Unit]
Description=gatepair
Wants=network-pre.target
After=network-pre.target

[Service]
ExecStart={BIN}/supervisor --config /etc/gatepair/gatepair.conf --rundir /run/gatepair \
--statedir {KEPT}/gw1 --daemons {",".join(DAEMONS)}
StandardError=append:{KEPT}/log
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""

# Whatever netcfgd can write that somebody else might clear away.
EXTRA = """
route "192.0.2.0/24" { via = "203.0.113.200" }
route "198.51.100.0/24" { blackhole = true }
route "0.0.0.0/0" { via = "203.0.113.200"  table = 100 }
rule "voice" { from = "10.0.0.64/26"  table = 100  priority = 1000 }
"""


def render(number, *args, **options):
    return gwconfig.render(number, *args, **{"extra": EXTRA, **options})


class Machine(Namespace):
    """The namespace that it booted in."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.name, self.path, self._rtnl, self._index = "machine", "/proc/1/ns/net", None, {}
        self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.fd).st_ino


class Booted(Gateway):
    """Gateway 1. Its links are named by udev (link_files), at the next boot; until then here."""

    def __init__(self, lab, number):
        super().__init__(lab, number)
        self.rundir, self.config, self.log = "/run/gatepair", "/etc/gatepair/gatepair.conf", f"{KEPT}/log"
        self.statedir = f"{KEPT}/gw1"
        for folder in (self.statedir, "/etc/gatepair"):
            os.makedirs(folder, exist_ok=True)

    def build(self):
        self.ns = Machine()
        self._add_links(self.lab.ports)
        self.powered = True

    def _add_links(self, links):
        for link in json.loads(run("ip", "-j", "link")):
            mac, name = link.get("address", ""), link["ifname"]
            if mac.startswith("52:54:00:00:0"):
                wanted = f"ge{mac[13]}" if mac.endswith(":01") else self.port(f"ge{mac[13]}")
                if name != wanted:
                    run("ip", "link", "set", name, "down")
                    run("ip", "link", "set", name, "name", wanted)
        for link in links:
            run("ip", "link", "set", self.port(link), "netns", self.lab.sw.name)
            if link in self.lab.bridge_of:
                self.lab.sw.run("ip", "link", "set", self.port(link), "master", self.lab.bridge_of[link])
            self.lab.sw.run("ip", "link", "set", self.port(link), "up")

    def start(self):
        with open(f"/etc/systemd/system/{UNIT}.service", "w") as f:
            f.write(UNIT_TEXT)
        run("systemctl", "daemon-reload")
        run("systemctl", "enable", "--now", f"{UNIT}.service", timeout=60)

    def addresses(self):
        links = json.loads(run("ip", "-j", "-4", "addr"))
        return {a["local"] for link in links for a in link.get("addr_info", [])}


class WholeLab(Lab):
    render = staticmethod(render)

    def gateway(self, lab, number):
        if number == 1:
            return Booted(lab, 1)
        gw = Gateway(lab, 2)
        gw.statedir = f"{KEPT}/gw2"  # its key outlives a reboot, too
        os.makedirs(gw.statedir, exist_ok=True)
        return gw


def link_files():
    """From the next boot on udev names the cards, as on a gateway."""
    for number in range(1, 5):
        for end, name in ((1, f"ge{number}"), (2, f"gw1-ge{number}")):
            with open(f"/etc/systemd/network/10-{name}.link", "w") as f:
                f.write(f"[Match]\nMACAddress=52:54:00:00:0{number}:0{end}\n\n[Link]\nName={name}\n")


def networkd(files):
    """Makes systemd-networkd manage what these files say: {name: text}."""
    for name, text in files.items():
        with open(f"/etc/systemd/network/{name}", "w") as f:
            f.write(text)


def boot_id():
    with open("/proc/sys/kernel/random/boot_id") as f:
        return f.read().strip()


def note_boot():
    with open(f"{KEPT}/boot", "w") as f:
        f.write(boot_id())


def rebooted():
    """Another boot than the one that was noted."""
    with open(f"{KEPT}/boot") as f:
        return f.read() != boot_id()


@contextlib.contextmanager
def running(start):
    with WholeLab() as lab:
        start(lab)
        lab.wait_ready(60)
        yield lab
