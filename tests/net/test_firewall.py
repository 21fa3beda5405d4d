# SPDX-License-Identifier: GPL-2.0-or-later
"""The policy by packets, the operator's own rules in it, and that there is no moment without."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time

import gwconfig
from gwconfig import LAN_CLIENT, WAN_SERVER, WAN_VIRTUAL
from lab import BIN, TOOLS, Lab, stays, wait
from traffic import Traffic, assert_lossless

RULES = """\
define web = 8080
set refused { type inet_service; flags interval; elements = { 7101-7103, 7110 } }
map inner { type inet_service : ipv4_addr . inet_service; elements = { 8080 : 10.0.0.100 . 8000 } }
counter seen { }
chain user_forward {
    tcp dport @refused counter reject with tcp reset comment "no such service"
    udp dport { 7104, 7105 } counter name seen drop
    iifname @wan oifname @lan ct status dnat accept comment "port forwards"
    jump more
}
chain more { ip saddr 10.99.0.0/16 drop; }
chain user_prerouting {
    iifname @wan ip daddr 203.0.113.10 dnat ip to tcp dport map @inner
}
chain user_input {
    iifname @lan tcp dport vmap { 22 : drop, 2222 : accept }
}
"""


class Served:
    """A TCP server that says one word to whoever connects."""

    def __init__(self, lab, ns, port):
        with ns.entered():
            self.socket = socket.create_server(("", port))
        lab.on_close(self.socket.close)


def connects(ns, address, port, timeout_s=0.5):
    """None, or what went wrong."""
    with ns.entered():
        s = socket.socket()
    s.settimeout(timeout_s)
    try:
        s.connect((address, port))
        return None
    except OSError as e:
        return type(e).__name__
    finally:
        s.close()


class RulesLab(Lab):
    """A pair whose nodes have a rules-file."""

    def __init__(self, text=RULES, **options):
        super().__init__(**options)
        self.options.setdefault("extra", "")
        self.rules_file = f"{self.dir}/rules.nft"
        self.options["extra"] += f'firewall {{ rules-file = "{self.rules_file}" }}\n'
        self.write(text)

    def write(self, text):
        with open(self.rules_file + ".new", "w") as f:
            f.write(text)
        os.rename(self.rules_file + ".new", self.rules_file)


def nft(gw, *argv, text_input=None):
    return gw.ns.run("nft", *argv, text_input=text_input)


def counted(gw, text, chain=None):
    """Packets that the rules with this text counted."""
    rules = gw.detail("netcfgd")["rules"]
    found = [r for r in rules if r["text"] == text and chain in (None, r["chain"])]
    assert found, f"no rule {text!r} among {[(r['chain'], r['text']) for r in rules]}"
    return sum(int(r["packets"]) for r in found)


def test_own_rules_take_part():
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        for port in (7101, 7200):
            Served(lab, lab.server, port)
        inside = Served(lab, lab.client, 8000)
        Served(lab, lab.client, 8001)
        with lab.server.entered():
            outer = socket.create_connection((WAN_VIRTUAL, 8080), timeout=2)
        inner = inside.socket.accept()[0]
        inner.settimeout(2)
        lab.on_close(outer.close)
        lab.on_close(inner.close)
        # The second time on the other node, which has the rules as well.
        for turn in range(2):
            assert connects(lab.client, WAN_SERVER, 7101) == "ConnectionRefusedError"
            assert connects(lab.client, WAN_SERVER, 7200) is None
            assert connects(lab.server, WAN_VIRTUAL, 8080) is None
            outer.sendall(b"there")
            inner.sendall(inner.recv(16))
            assert outer.recv(16) == b"there"
            assert connects(lab.server, WAN_VIRTUAL, 8001) == "TimeoutError"
            assert connects(lab.client, gwconfig.LAN_VIRTUAL, 22) == "TimeoutError"
            assert connects(lab.client, gwconfig.LAN_VIRTUAL, 2222) == "ConnectionRefusedError"
            wait(lambda: counted(lab.active, "no such service", "user_forward") >= 1, 5, "counted")
            if turn == 0:
                standby = lab.standby
                lab.active.ctl("switchover")
                lab.wait_role(standby, "Active")
                lab.wait_ready()


def test_own_rules_in_this_kernel():
    """Some 65 texts through nft, the policy and back; the unit test, on whatever kernel is here."""
    done = subprocess.run([f"{TOOLS}/test_rules_kernel"], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=50)
    assert done.returncode == 0, done.stdout[-2000:]


def listing(gw, handles=False):
    """What the tables are, without what they counted; with `handles`, also that they are the same."""
    found = []
    for family in ("inet", "arp"):
        for item in json.loads(nft(gw, "-j", "list", "table", family, "gatepair"))["nftables"]:
            found.append(json.dumps(plain(item, handles), sort_keys=True))
    return sorted(found) if not handles else found


def plain(item, handles):
    if isinstance(item, dict):
        return {k: plain(v, handles) for k, v in item.items()
                if k not in ("packets", "bytes", "used") and (handles or k != "handle")}
    if isinstance(item, list):
        return [plain(v, handles) for v in item]
    return item


def in_force(gw, text):
    return text in nft(gw, "list", "table", "inet", "gatepair")


def with_rule(number):
    return RULES + f'chain user_forward {{ tcp dport {10000 + number} drop comment "rule {number}"; }}\n'


class Intruder:
    """A host on the WAN that sends 2000 packets a second to a LAN client; `arrived()` counts them."""

    SENDER = ("import socket, sys, time\n"
              "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "n, start = 0, time.monotonic()\n"
              "while True:\n"
              "    s.sendto(b'x', (sys.argv[1], 9009)); n += 1\n"
              "    time.sleep(max(0, start + n / 2000 - time.monotonic()))\n")

    def __init__(self, lab):
        lab.server.run("ip", "route", "add", "10.0.0.0/24", "via", WAN_VIRTUAL)
        with lab.client.entered():
            self._at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._at.bind((LAN_CLIENT, 9009))
        self._at.setblocking(False)
        self._sender = lab.server.popen(["python3", "-c", self.SENDER, LAN_CLIENT])
        lab.on_close(self.close)

    def arrived(self):
        n = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self._at.recv(16)
                n += 1
        return n

    def close(self):
        self._sender.kill()
        self._sender.wait()
        self._at.close()


DAMAGE = (
    ("everything", "flush ruleset"),
    ("the table", "delete table inet gatepair"),
    ("the operator's rules", "flush chain inet gatepair user_forward"),
    ("a map's element", "delete element inet gatepair inner { 8080 : 10.0.0.100 . 8000 }"),
    ("an element more", "add element inet gatepair refused { 7200 }"),
    ("a rule more", "add rule inet gatepair user_input accept"),
    ("a rule before all", "insert rule inet gatepair forward accept"),
    ("a set's element", 'delete element inet gatepair wan { "ge3" }'),
    ("a chain more", "add chain inet gatepair evil { type filter hook input priority -500; }"),
    ("the table asleep", "add table inet gatepair { flags dormant; }"),
    ("the gate", "add element inet gatepair gate { ipv4 } ; delete element inet gatepair gate { ipv4 }"),
)


def test_what_others_change_is_put_back():
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        for gw in lab.gateways:
            before = listing(gw)
            for what, command in DAMAGE:
                repairs = gw.detail("netcfgd")["repairs"]
                nft(gw, "-f", "-", text_input=command + "\n")
                wait(lambda: gw.detail("netcfgd")["repairs"] > repairs, 5, f"{what}: noticed")
                wait(lambda: listing(gw) == before, 5, f"{what}: put back",
                     lambda: set(listing(gw)) ^ set(before))
        lab.wait_ready()


def test_swapped_while_it_was_down():
    """As many rules as before, but others: only what they say tells."""
    swaps = ("replace rule inet gatepair user_forward handle {user} accept",
             "replace rule inet gatepair forward handle {own} accept",
             'delete element inet gatepair lan {{ "ge2" }} ; add element inet gatepair lan {{ "eth7" }}',
             "delete element inet gatepair inner {{ 8080 : 10.0.0.100 . 8000 }} ; "
             "add element inet gatepair inner {{ 8080 : 10.0.0.99 . 22 }}")
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        gw = lab.standby
        before = listing(gw)
        for swap in swaps:
            handle = {}
            for item in json.loads(nft(gw, "-j", "list", "table", "inet", "gatepair"))["nftables"]:
                chain = item.get("rule", {}).get("chain")
                if chain in ("forward", "user_forward"):
                    handle.setdefault({"forward": "own"}.get(chain, "user"), item["rule"]["handle"])
            pid = gw.pid("netcfgd")
            gw.freeze("supervisor")
            try:
                gw.kill("netcfgd")
                wait(lambda: "gatepair-hold" not in nft(gw, "list", "tables"), 5, "netcfgd is dead")
                nft(gw, "-f", "-", text_input=swap.format(**handle) + "\n")
                assert listing(gw) != before
            finally:
                gw.thaw("supervisor")
            wait(lambda: gw.pid("netcfgd") != pid and listing(gw) == before, 5,
                 f"put back: {swap}", lambda: set(listing(gw)) ^ set(before))
        lab.wait_ready()


def test_unchanged_is_not_written():
    """A restart and a reload of the same: every object is the one that was there before."""
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        for gw in lab.gateways:
            before, pid = listing(gw, handles=True), gw.pid("netcfgd")
            gw.kill("netcfgd")
            wait(lambda: gw.pid("netcfgd") != pid and gw.detail("netcfgd")["rules"], 5, "it is back")
            gw.ctl("reload")
            stays(lambda: listing(gw, handles=True) == before, 0.3, "nothing is written")
            assert "gatepair-rules" not in nft(gw, "list", "tables")
        lab.wait_ready()


def test_counters_go_on_over_a_reload():
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        active = lab.active
        Served(lab, lab.server, 7200)
        for _ in range(3):
            assert connects(lab.client, WAN_SERVER, 7200) is None
            assert connects(lab.client, WAN_SERVER, 7101) == "ConnectionRefusedError"
        wait(lambda: counted(active, "lan to wan") >= 3, 5, "counted")
        own, users = counted(active, "lan to wan"), counted(active, "no such service")
        assert users >= 3
        active.configure(vrrp={"accept": "false"})
        active.ctl("reload")
        assert counted(active, "lan to wan") >= own and counted(active, "no such service") >= users
        lab.write(with_rule(1))
        active.ctl("reload")
        wait(lambda: in_force(active, "rule 1"), 5, "the new rule")
        assert counted(active, "lan to wan") >= own


def test_never_a_moment_without_policy():
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        traffic, intruder, active = Traffic(lab, tcp=20, udp=10), Intruder(lab), lab.active
        traffic.wait_flowing()
        dropped = counted(active, "all else dropped", "forward")
        traffic.mark()
        for i in range(200):
            lab.write(with_rule(i))
            if i % 4 == 3:
                active.configure(vrrp={"accept": "false" if i % 8 == 3 else "true"})
            active.ctl("reload")
            if i % 20 == 0:
                wait(lambda: in_force(active, f'"rule {i}"'), 5, f"rule {i}")
        wait(lambda: in_force(active, '"rule 199"'), 5, "the last rule")
        report = traffic.wait_flowing()
        assert intruder.arrived() == 0, "packets from the WAN came through"
        assert counted(active, "all else dropped", "forward") > dropped + 1000
        assert_lossless(report)


test_never_a_moment_without_policy.deadline = 120


def test_flushed_under_load():
    """What slips through until the policy is back is few, and no session of it stays."""
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        intruder, active = Intruder(lab), lab.active
        stays(lambda: intruder.arrived() == 0, 0.3, "closed")
        slipped = []
        for _ in range(10):
            repairs = active.detail("netcfgd")["repairs"]
            nft(active, "flush", "ruleset")
            wait(lambda: active.detail("netcfgd")["repairs"] > repairs, 5, "put back")
            slipped.append(intruder.arrived())
            stays(lambda: intruder.arrived() == 0, 0.2, "closed again")
        print(f"flushed under 2000 packets/s: {slipped} slipped through")
        assert max(slipped) < 100, slipped  # 50 ms
        lab.wait_ready()


def test_killed_while_it_loads():
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        active = lab.active
        term = active.detail("vrrpd")["term"]
        for i in range(6):
            lab.write(with_rule(i))
            with active.ns.entered():
                reload = subprocess.Popen([f"{BIN}/gatepair", "--rundir", active.rundir, "reload"],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + 0.02 + 0.01 * i
            wait(lambda: time.monotonic() > end, 1, "a moment within the load", every_s=0.001)
            active.kill("netcfgd")
            reload.wait(timeout=10)
            wait(lambda: active.detail("netcfgd")["rules"], 5, "it is back")
            active.ctl("reload")
            wait(lambda: in_force(active, f'"rule {i}"'), 5, f"rule {i}")
            wait(lambda: "gatepair-rules" not in nft(active, "list", "tables"), 5, "nothing is left")
        lab.wait_ready()
        assert lab.active is active and active.detail("vrrpd")["term"] == term, lab.describe()


# name, text, line that is named (None: any)
MALFORMED = (
    ("a word wrong", "chain user_forward {\n\n    tcp dprt 80 accept\n}\n", 3),
    ("no end", "\nchain user_forward {\n    accept\n", 2),
    ("out of the table", "chain user_input { }\n}\ntable inet other {\n", 2),
    ("another table", "table inet other { }\n", 1),
    ("flush", "\n\nflush ruleset\n", 3),
    ("a file", 'include "/etc/passwd"\n', 1),
    ("a hook", "chain mine {\n    type filter hook input priority -10;\n}\n", 2),
    ("a flowtable", "flowtable f { hook ingress priority 0; devices = { ge2 }; }\n", 1),
    ("our chain", "chain user_input { }\nchain forward { accept; }\n", 2),
    ("our set", "set lan { type ifname; }\n", 1),
    ("asleep", "flags dormant\n", 1),
    ("no such chain", "chain user_forward {\n    jump nowhere\n}\n", 2),
    ("no place for it", "chain user_forward {\n    dnat ip to 10.0.0.5\n}\n", 2),
    ("too long", "# " + "x" * 24 * 1024 + "\n", None),
    ("binary", "chain user_input { }\n\x01\n", None),
)


def test_malformed_rules_are_refused():
    with RulesLab() as lab:
        lab.start()
        lab.wait_ready()
        active = lab.active
        before = listing(active, handles=True)
        for what, text, line in MALFORMED:
            lab.write(text)
            code, _, err = active.ctl("reload", check=False)
            assert code != 0, f"{what}: accepted"
            assert line is None or f"{lab.rules_file}:{line}:" in err, f"{what}: {err}"
            assert active.ctl("check", active.config, check=False)[0] != 0, what
        assert listing(active, handles=True) == before
        lab.write("# " + "x" * (24 * 1024 - 200) + '\nchain user_forward { drop comment "late"; }\n')
        active.ctl("reload")
        wait(lambda: in_force(active, '"late"'), 5, "24 KiB")
        many = "".join(f"tcp dport {{ {p}, {p + 1} }} drop\n" for p in range(1, 700, 2))
        lab.write("chain user_forward {\n" + many + "}\n")
        active.ctl("reload")
        wait(lambda: in_force(active, "699"), 5, "350 sets")
        lab.write(RULES)
        active.ctl("reload")
        wait(lambda: listing(active) == sorted(map(without_handles, before)), 5, "as before")
        lab.wait_ready()


def without_handles(text):
    return json.dumps(plain(json.loads(text), False), sort_keys=True)


# --- the policy, sentence by sentence ---

IPV6 = {1: ("fd00:1::2", "fd00:2::2"), 2: ("fd00:1::3", "fd00:2::3")}


class PolicyLab(Lab):
    """A pair with IPv6 in the LAN and WAN, and hosts on the management and HA ports (`sw` itself)."""

    @staticmethod
    def render(number, *args, **options):
        lan, wan = IPV6[number]
        return gwconfig.render(number, *args, **options, interfaces={
            "ge2": {"address": f'{{"{gwconfig.LAN_OWN[number]}/24", "{lan}/64"}}'},
            "ge3": {"address": f'{{"{gwconfig.WAN_OWN[number]}/24", "{wan}/64"}}'}})

    def start(self):
        for ns, prefix in ((self.client, "fd00:1"), (self.server, "fd00:2")):
            ns.sysctl("ipv6/conf/all/disable_ipv6", 0)
            ns.sysctl("ipv6/conf/eth0/disable_ipv6", 0)
            ns.sysctl("ipv6/conf/eth0/accept_dad", 0)
            ns.run("ip", "addr", "add", f"{prefix}::100/64", "dev", "eth0", "nodad")
        super().start()


def answer(ns, address, port, payload=b"x", source_port=0, timeout_s=0.3):
    """What a UDP datagram meets: "refused" (it reached a node without such a service) or None."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ns.entered():
        s = socket.socket(family, socket.SOCK_DGRAM)
    with s:
        s.settimeout(timeout_s)
        if source_port:
            s.bind(("", source_port))
        s.connect((address, port))
        s.send(payload)
        try:
            s.recv(64)
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return None
    return "answered"


def tcp(ns, address, port, timeout_s=0.3, options=None):
    """"open", "refused", or None for silence."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ns.entered():
        s = socket.socket(family, socket.SOCK_STREAM)
    with s:
        s.settimeout(timeout_s)
        if options:
            s.setsockopt(socket.IPPROTO_IPV6, *options)
        try:
            s.connect((address, port))
            return "open"
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return None


def pings(ns, address, *argv):
    out = ns.run("ping", "-n", *argv, address, check=False)
    return int(out.split(" received")[0].split()[-1])


def test_management_and_lan_and_wan_admit_their_own():
    with PolicyLab() as lab:
        lab.start()
        lab.wait_ready()
        for gw in lab.gateways:
            n = gw.number
            mgmt = gwconfig.MGMT_OWN[n]
            lab.sw.run("ip", "addr", "add", "192.168.0.50/24", "dev", gw.port("ge1"))
            lab.sw.run("ip", "route", "add", "10.0.0.0/24", "via", mgmt)
            assert tcp(lab.sw, mgmt, 22) == "refused" and tcp(lab.sw, mgmt, 443) == "refused"
            assert tcp(lab.sw, mgmt, 8080) is None and tcp(lab.sw, mgmt, 53) is None
            assert answer(lab.sw, mgmt, 53) == "refused" and answer(lab.sw, mgmt, 54) is None
            assert pings(lab.sw, mgmt, "-c2", "-i0.1", "-W1") == 2
            assert pings(lab.sw, LAN_CLIENT, "-c1", "-W1") == 0, "forwarded from mgmt"
            lab.sw.run("ip", "route", "del", "10.0.0.0/24", "via", mgmt)
            lab.sw.run("ip", "addr", "del", "192.168.0.50/24", "dev", gw.port("ge1"))

            for address in (gwconfig.LAN_OWN[n], IPV6[n][0]):
                assert tcp(lab.client, address, 22) == "refused", address
                assert tcp(lab.client, address, 80) is None, address
                assert answer(lab.client, address, 53) is None, address
                assert pings(lab.client, address, "-c60", "-i0.002", "-W1") == 60, address
            for address in (gwconfig.WAN_OWN[n], IPV6[n][1]):
                assert tcp(lab.server, address, 22) is None, address
                assert answer(lab.server, address, 53) is None, address
                assert answer(lab.server, address, 68, source_port=67) is None, address
                assert 1 <= pings(lab.server, address, "-c200", "-i0.002", "-W1") < 150, address
            # Headers in between hide no port: six bytes of padding before TCP.
            hidden = (socket.IPV6_DSTOPTS, bytes((0, 0, 1, 4, 0, 0, 0, 0)))
            assert tcp(lab.server, IPV6[n][1], 22, options=hidden) is None
            assert tcp(lab.client, IPV6[n][0], 22, options=hidden) == "refused"


def test_ha_admits_only_its_own():
    with PolicyLab() as lab:
        lab.start()
        lab.wait_ready()
        gw = lab.standby
        own = gwconfig.HA_OWN[gw.number]
        lab.sw.run("ip", "addr", "add", "169.254.77.9/24", "dev", "br-ha")
        gw.ns.run("ip", "route", "add", "169.254.77.9", "dev", "ge4")
        before = counted(gw, "ha: all else dropped")
        for port in (22, gwconfig.SYNC_PORT):
            assert tcp(lab.sw, own, port) is None, port
        assert answer(lab.sw, own, 53) is None
        wait(lambda: counted(gw, "ha: all else dropped") >= before + 3, 5, "counted as dropped")
        assert pings(lab.sw, own, "-c1", "-W1") == 1
        lab.wait_ready()


def test_vrrp_is_no_business_of_the_stack():
    """Protocol 112 from anywhere: vrrpd's, who looks at the TTL; the stack never answers."""
    with Lab() as lab:
        lab.start()
        lab.wait_ready()
        gw = lab.standby
        for ns, address in ((lab.client, gwconfig.LAN_OWN[gw.number]),
                            (lab.server, gwconfig.WAN_OWN[gw.number])):
            before = counted(gw, "vrrp: not for the stack")
            with ns.entered():
                s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
                icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            with s, icmp:
                s.sendto(b"\x31\x0a\x64\x01" + b"\0" * 8, (address, 0))
                wait(lambda: counted(gw, "vrrp: not for the stack") > before, 5, "dropped")
                icmp.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    assert not icmp.recv(128), "answered"
        lab.wait_ready()


def test_forwarding_is_stateful_and_the_standby_closed():
    with PolicyLab() as lab:
        lab.start()
        lab.wait_ready()
        for ns in (lab.client, lab.server):
            Served(lab, ns, 7300)
        active, standby = lab.active, lab.standby
        with lab.server.entered():
            server6 = socket.create_server(("fd00:2::100", 7301), family=socket.AF_INET6)
        with lab.client.entered():
            client6 = socket.create_server(("fd00:1::100", 7301), family=socket.AF_INET6)
        lab.on_close(server6.close)
        lab.on_close(client6.close)
        for gw, works in ((active, "open"), (standby, None)):
            n = gw.number
            for ns, net, own in ((lab.client, "fd00:2::/64", IPV6[n][0]),
                                 (lab.server, "fd00:1::/64", IPV6[n][1]),
                                 (lab.server, "10.0.0.0/24", gwconfig.WAN_OWN[n]),
                                 (lab.client, "203.0.113.0/24", gwconfig.LAN_OWN[n])):
                ns.run("ip", "route", "replace", net, "via", own)
            if works:  # as soon as the nodes have found each other's addresses free
                for address, port in ((WAN_SERVER, 7300), ("fd00:2::100", 7301)):
                    wait(lambda: tcp(lab.client, address, port) == works, 10, f"{address} answers")
            else:
                assert tcp(lab.client, WAN_SERVER, 7300) is None
                assert tcp(lab.client, "fd00:2::100", 7301) is None
            assert tcp(lab.server, LAN_CLIENT, 7300) is None
            assert tcp(lab.server, "fd00:1::100", 7301) is None
            assert pings(lab.server, "fd00:1::100", "-c1", "-W1") == 0
        assert counted(standby, "gate closed") >= 4


def test_dhcp_passes_where_it_is_configured():
    """Requests and answers reach the node's own services, and no others'."""
    class DhcpLab(Lab):
        @staticmethod
        def render(number, *args, **options):
            text = gwconfig.render(number, *args, **options)
            return re.sub(r'^vrrp "wan" {.*?^}\n|^nat .*?\n', "", text, flags=re.M | re.S)

    with DhcpLab(interfaces={"ge2": {"dhcp-server": "true"},
                             "ge3": {"dhcp": "true", "address": None}}) as lab:
        lab.start()
        gw = lab.gw1
        wait(lambda: gw.detail("netcfgd")["rules"], 10, "the policy is there")
        for ns, port, text in ((lab.server, 68, "dhcp: answers to this client"),
                               (lab.client, 67, "dhcp_server: udp 67")):
            before = counted(gw, text)
            with ns.entered():
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
                s.bind(("", 67 if port == 68 else 68))
                s.sendto(b"x", ("255.255.255.255", port))
            wait(lambda: counted(gw, text) > before, 5, text)
