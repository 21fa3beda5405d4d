# SPDX-License-Identifier: GPL-2.0-or-later
"""netcfgd's services process and its programs, when they hang."""

import os
import signal
import subprocess

from dhcpbed import SERVER, Dnsmasq, Server, addresses, pids, start_netcfgd, wan
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


MGMT = 'interface "ge1" { role = mgmt  address = {"192.168.0.1/24"}  dhcp-server = true }\n'
WAN = 'interface "ge3" { role = wan  dhcp = true }\n'


def running(gw, names):
    """The programs of these services run, each once, and no others."""
    have = {s["name"] for s in gw.detail("netcfgd").get("services", []) if s["state"] == "running"}
    return (have == set(names) and
            len(pids(gw.ns, "/usr/sbin/udhcpc")) == sum(n.startswith("dhcp-client") for n in names) and
            len(pids(gw.ns, "/usr/sbin/dnsmasq")) == sum(n.startswith("dhcp-server") for n in names))


def test_links_made_anew_under_their_programs():
    """Links vanish and come back, slowly and at once: programs, address and servers follow."""
    with Lab() as lab:
        gw = lab.gw1
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149")
        start_netcfgd(gw, 'node = "gw-01"\n' + MGMT + WAN)
        both = ["dhcp-client ge3", "dhcp-server ge1"]
        for pause in (True, False, True):
            wait(lambda: wan(gw)["state"] == "bound" and addresses(gw), 20, "a lease", lambda: wan(gw))
            wait(lambda: running(gw, both), 10, "both run", lambda: gw.detail("netcfgd"))
            for link in ("ge1", "ge3"):
                gw.unmake(link)
                if pause:
                    what = (lambda: wan(gw)["state"] == "no-carrier") if link == "ge3" else \
                        lambda: not pids(gw.ns, "/usr/sbin/dnsmasq")
                    wait(what, 5, f"{link} is missed", lambda: gw.detail("netcfgd"))
                gw.remake(link)
        wait(lambda: wan(gw)["state"] == "bound" and addresses(gw), 20, "a lease", lambda: wan(gw))
        wait(lambda: running(gw, both), 10, "both run", lambda: gw.detail("netcfgd"))
        gw.ns.run("ping", "-c", "1", "-W", "2", SERVER)
        wait(lambda: not gw.detail("netcfgd").get("conditions"), 5, "nothing is wrong",
             lambda: gw.detail("netcfgd"))


test_links_made_anew_under_their_programs.deadline = 120


def test_reload_storm():
    """Forty reloads in a row that switch everything on and off: what runs in the end is the last one's."""
    variants = ['role = lan  address = {"10.0.0.2/24", "2001:db8:2::2/64"}' + more for more in
                ("  dhcp-server = true", '  dhcp-relay = {"203.0.113.200"}', "  router-advert = true", "",
                 "  dhcp-server = true  router-advert = true")]
    with Lab() as lab:
        gw = lab.gw1
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149")
        start_netcfgd(gw, 'node = "gw-01"\n' + MGMT + WAN)
        old = gw.pid("netcfgd"), gw.pid("netcfgd-service")
        for i in range(40):
            mgmt, client = (MGMT if i % 3 else "", WAN if i % 2 else WAN.replace("dhcp = true", ""))
            gw.write_config(f'node = "gw-01"\n{mgmt}{client}interface "ge2" {{ {variants[i % 5]} }}\n')
            gw.ctl("reload")
        gw.write_config('node = "gw-01"\n' + MGMT + WAN)
        gw.ctl("reload")
        wait(lambda: running(gw, ["dhcp-client ge3", "dhcp-server ge1"]), 15, "the last one's run",
             lambda: gw.detail("netcfgd"))
        wait(lambda: wan(gw)["state"] == "bound" and len(addresses(gw)) == 1, 20, "a lease", lambda: wan(gw))
        assert (gw.pid("netcfgd"), gw.pid("netcfgd-service")) == old, "a process died"
        wait(lambda: not gw.detail("netcfgd").get("conditions"), 5, "nothing is wrong",
             lambda: gw.detail("netcfgd"))


def test_leases_come_during_switchovers():
    """DHCP clients start anew and get leases while the role moves to and fro: no ping is lost."""
    with Lab(interfaces={"ge3": {"dhcp": "true"}}) as lab:
        Dnsmasq(lab, lab.server, "203.0.113.100", "203.0.113.149")
        lab.start()
        lab.wait_ready()
        for gw in lab.gateways:
            wait(lambda gw=gw: wan(gw)["state"] == "bound", 10, f"{gw} has a lease", lambda gw=gw: wan(gw))
        lost = ping_stream(lab)
        for _ in range(4):
            clients = {gw: pids(gw.ns, "/usr/sbin/udhcpc") for gw in lab.gateways}
            old, new = lab.active, lab.standby
            wait(lambda: all(wan(gw)["remaining_s"] < 119 for gw in lab.gateways), 5, "the leases are old")
            for gw in lab.gateways:
                os.kill(clients[gw][0], signal.SIGKILL)
            old.ctl("switchover")
            lab.wait_role(new, "Active")
            lab.wait_ready()
            for gw in lab.gateways:
                wait(lambda gw=gw: wan(gw)["state"] == "bound" and wan(gw)["remaining_s"] >= 119, 10,
                     f"{gw} has a new lease", lambda gw=gw: wan(gw))
                assert pids(gw.ns, "/usr/sbin/udhcpc") != clients[gw]
        for gw in lab.gateways:
            assert not gw.detail("netcfgd").get("conditions"), gw.detail("netcfgd")
        assert lost() == 0
