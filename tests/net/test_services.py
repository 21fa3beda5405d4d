# SPDX-License-Identifier: GPL-2.0-or-later
"""netcfgd's services process and its programs, when they hang."""

import os
import signal
import subprocess

from dhcpbed import SERVER, Server, pids, start_netcfgd, wan
from lab import Lab, wait


def ping_stream(lab):
    """From the client through the pair, one every 50 ms; returns what tells how many were lost."""
    p = lab.client.popen(["ping", "-n", "-i", "0.05", "-W", "1", SERVER], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    lab.on_close(p.kill)

    def lost():
        p.send_signal(signal.SIGINT)
        out = p.communicate(timeout=10)[0]
        sent, got = (int(w) for w in out.split("---")[-1].replace(",", "").split() if w.isdigit())
        assert sent > 10, out
        return sent - got
    return lost


def test_services_hang():
    """The Active's services process is stopped: replaced with its programs; the role and all packets stay."""
    with Lab(interfaces={"ge2": {"dhcp-server": "true"}}) as lab:
        lab.start()
        lab.wait_ready()
        gw = lab.active
        term = gw.detail("vrrpd")["term"]
        old = gw.pid("netcfgd-service")
        served = wait(lambda: pids(gw.ns, "/usr/sbin/dnsmasq"), 5, "the LAN is served")
        lost = ping_stream(lab)
        os.kill(old, signal.SIGSTOP)

        def healthy():
            now = pids(gw.ns, "/usr/sbin/dnsmasq")
            services = gw.detail("netcfgd").get("services", [])
            return (gw.pid("netcfgd-service") != old and now and not set(now) & set(served) and
                    all(s["state"] == "running" for s in services) and services and gw.is_ready())
        wait(healthy, 15, "the services run again", lambda: gw.detail("netcfgd"))
        assert old not in gw.ns.pids(), "the stopped process is still there"
        assert lab.active is gw and gw.detail("vrrpd")["term"] == term, "the role has moved"
        assert lost() == 0


def test_dhcp_client_hangs():
    """A stopped udhcpc is replaced when its lease ends, and asks for the same address."""
    with Lab() as lab:
        gw = lab.gw1
        server = Server(lab, lab.server, ip="203.0.113.100", lease=12)
        start_netcfgd(gw, 'node = "gw-01"\ninterface "ge3" { role = wan  dhcp = true }\n')
        wait(lambda: wan(gw)["state"] == "bound", 15, "a lease", lambda: wan(gw))
        old = pids(gw.ns, "/usr/sbin/udhcpc")
        server.requested.clear()
        os.kill(old[0], signal.SIGSTOP)
        wait(lambda: wan(gw)["state"] == "searching", 15, "the lease ends", lambda: wan(gw))
        wait(lambda: wan(gw)["state"] == "bound", 10, "another lease", lambda: wan(gw))
        assert not set(old) & set(pids(gw.ns, "/usr/sbin/udhcpc"))
        assert "203.0.113.100" in server.requested, server.requested
