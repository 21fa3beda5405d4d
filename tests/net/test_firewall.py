# SPDX-License-Identifier: GPL-2.0-or-later
"""The policy by packets, the operator's own rules in it, and that there is no moment without."""

import contextlib
import json
import os
import socket
import subprocess
import time

import gwconfig
from gwconfig import LAN_CLIENT, WAN_SERVER, WAN_VIRTUAL
from lab import BIN, Lab, stays, wait
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
        for port in (8000, 8001):
            Served(lab, lab.client, port)
        # The second time on the other node, which has the rules as well.
        for turn in range(2):
            assert connects(lab.client, WAN_SERVER, 7101) == "ConnectionRefusedError"
            assert connects(lab.client, WAN_SERVER, 7200) is None
            assert connects(lab.server, WAN_VIRTUAL, 8080) is None
            assert connects(lab.server, WAN_VIRTUAL, 8001) == "TimeoutError"
            assert connects(lab.client, gwconfig.LAN_VIRTUAL, 22) == "TimeoutError"
            assert connects(lab.client, gwconfig.LAN_VIRTUAL, 2222) == "ConnectionRefusedError"
            wait(lambda: counted(lab.active, "no such service", "user_forward") >= 1, 5, "counted")
            if turn == 0:
                standby = lab.standby
                lab.active.ctl("switchover")
                lab.wait_role(standby, "Active")
                lab.wait_ready()


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
