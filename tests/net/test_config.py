# SPDX-License-Identifier: GPL-2.0-or-later
"""A wrong configuration is refused with file:line and a sentence; a refused reload changes nothing."""

import os
import re

from lab import Lab, wait
from traffic import assert_lossless

# What is wrong: name, text in the good file, what replaces it. The error must point into the
# section where the change was made.
MISTAKES = (
    ("unknown key", "    vrid = 10\n", "    vrid = 10\n    vird = 11\n"),
    ("unknown section", "nat {", "gnat {"),
    ("bad address", '"10.0.0.2/24"', '"10.0.0.256/24"'),
    ("bad prefix length", '"10.0.0.2/24"', '"10.0.0.2/33"'),
    ("text for a number", "    vrid = 10\n", '    vrid = "ten"\n'),
    ("VRID 0", "    vrid = 10\n", "    vrid = 0\n"),
    ("VRID 256", "    vrid = 10\n", "    vrid = 256\n"),
    ("duplicate VRID on one interface", 'vrrp "wan" {\n    interface = "ge3"\n    vrid = 12\n',
     'vrrp "wan" {\n    interface = "ge2"\n    vrid = 10\n'),
    ("duplicate vrrp name", 'vrrp "wan"', 'vrrp "lan"'),
    ("duplicate interface", 'interface "ge3"', 'interface "ge2"'),
    ("vlan id 4095", "nat {", 'vlan "ge2.1" { parent = "ge2"  id = 4095  role = lan }\nnat {'),
    ("vlan id 0", "nat {", 'vlan "ge2.1" { parent = "ge2"  id = 0  role = lan }\nnat {'),
    ("vlan without such a parent", "nat {",
     'vlan "ge9.1" { parent = "ge9"  id = 5  role = lan }\nnat {'),
    ("vlan on a bridge's port", "nat {", 'bridge "br0" { ports = {"p5"}  role = lan }\n'
     'vlan "v" { parent = "p5"  id = 5  role = lan }\nnat {'),
    ("second vlan of a wan interface", "nat {", 'vlan "a" { parent = "ge3"  id = 5  role = wan }\n'
     'vlan "b" { parent = "ge3"  id = 6  role = wan }\nnat {'),
    ("bridge without ports", "nat {", 'bridge "br0" { ports = {}  role = lan }\nnat {'),
    ("bridge of a port with a section", "nat {", 'bridge "br0" { ports = {"ge2"}  role = lan }\nnat {'),
    ("port of two masters", "nat {", 'bridge "br0" { ports = {"p5"}  role = lan }\n'
     'bond "bond0" { ports = {"p5"}  role = lan }\nnat {'),
    ("unknown bond mode", "nat {", 'bond "bond0" { ports = {"p5"}  mode = fast  role = lan }\nnat {'),
    ("name of 16 characters", "nat {", 'bridge "a-very-long-name" { ports = {"p5"}  role = lan }\nnat {'),
    ("unknown model", re.compile(r'(?m)\Anode = .*\n'), 'node = "gw-01"\nmodel = zt9000\n'),
    ("port that the model does not have", "nat {", 'interface "ge9" { role = lan }\nmodel = zt400\nnat {'),
    ("role that the model does not give", "role = mgmt", "role = lan  device = eth9\nmodel = zt400\n"),
    ("a group's MAC address", "role = lan\n", 'role = lan  mac = "01:00:5e:00:00:01" '),
    ("gateway of another subnet", "role = wan\n", 'role = wan  gateway = {"10.9.9.9"} '),
    ("gateway that is the virtual address", "role = wan\n", 'role = wan  gateway = {"203.0.113.10"} '),
    ("two default routes of one metric", "nat {", 'interface "p5" { role = wan  dhcp = true }\n'
     'interface "p6" { role = wan  dhcp = true }\nnat {'),
    ("dhcp on a lan", "role = lan\n", "role = lan  dhcp = true "),
    ("dhcp-server on a wan", "role = wan\n", "role = wan  dhcp-server = true "),
    ("dhcp-server and relay", "role = lan\n", 'role = lan  dhcp-server = true  dhcp-relay = {"10.9.9.9"} '),
    ("range outside of the subnet", "role = lan\n",
     'role = lan  dhcp-server = true  dhcp-range = "10.1.0.1-10.1.0.9" '),
    ("range with a virtual address", "role = lan\n",
     'role = lan  dhcp-server = true  dhcp-range = "10.0.0.1-10.0.0.1" '),
    ("lease time too short", "role = lan\n", 'role = lan  dhcp-server = true  dhcp-lease-time = 60s '),
    ("router-advert without IPv6", "role = lan\n", "role = lan  router-advert = true "),
    ("MTU too small for IPv6", '"10.0.0.2/24"}', '"10.0.0.2/24", "2001:db8::2/64"}  mtu = 1000'),
    ("route to nowhere", "nat {", 'route "10.9.0.0/16" { metric = 1 }\nnat {'),
    ("route two ways", "nat {", 'route "10.9.0.0/16" { blackhole = true  via = "10.0.0.9" }\nnat {'),
    ("route by an unknown interface", "nat {", 'route "10.9.0.0/16" { interface = "ge7" }\nnat {'),
    ("route twice", "nat {", 'route "10.9.0.0/16" { interface = "ge2" }\n'
     'route "10.9.0.0/16" { blackhole = true }\nnat {'),
    ("rule that matches everything", "nat {", 'rule "r" { table = 7  priority = 7 }\nnat {'),
    ("rule to the kernel's own table", "nat {", 'rule "r" { mark = 1  table = 255  priority = 7 }\nnat {'),
    ("rule of priority 40000", "nat {", 'rule "r" { mark = 1  table = 7  priority = 40000 }\nnat {'),
    ("rules-file that is not there", "nat {", 'firewall { rules-file = "/nonexistent" }\nnat {'),
    ("missing peer", re.compile(r"    peer = .*\n"), ""),
    ("peer is ourselves", '    peer = "169.254.77.2"', '    peer = "169.254.77.1"'),
    ("peer not on the HA network", '    peer = "169.254.77.2"', '    peer = "10.9.9.9"'),
    ("unreadable key", '"node.key"', '"no-such.key"'),
    ("fingerprint too short", re.compile(r'"sha256:[^"]*"'), '"sha256:abcd"'),
    ("fingerprint missing", re.compile(r"    peer-fingerprint = .*\n"), ""),
    ("port 70000", "    port = 3780\n", "    port = 70000\n"),
    ("priority 0", "    priority = 150\n", "    priority = 0\n"),
    ("priority 300", "    priority = 150\n", "    priority = 300\n"),
    ("unknown preempt", "    preempt = synced\n", "    preempt = sometimes\n"),
    ("interval too short", "    priority = 150\n", "    priority = 150\n    advert-interval = 9ms\n"),
    ("interval too long", "    priority = 150\n", "    priority = 150\n    advert-interval = 41s\n"),
    ("interval without unit that is one", "    priority = 150\n",
     "    priority = 150\n    advert-interval = 1parsec\n"),
    ("tracked interface that is not there", '{"ge2", "ge3"}', '{"ge2", "ge7"}'),
    ("vrrp on an interface that is not there", '    interface = "ge2"\n', '    interface = "ge8"\n'),
    ("virtual address that is a node's own", '{"10.0.0.1/24"}', '{"10.0.0.2/24"}'),
    ("unknown role", "role = lan", "role = wlan"),
    ("nat to nowhere", "to = virtual", "to = actual"),
    ("password of nine characters", "    vrid = 10\n",
     '    vrid = 10\n    version = 2\n    password = "123456789"\n'),
    ("unicast, not done yet", "    vrid = 10\n",
     '    vrid = 10\n    unicast-peer = {"10.0.0.9"}\n'),
    ("unknown VRRP version", "    vrid = 10\n", "    vrid = 10\n    version = 4\n"),
    ("unclosed brace", "nat { interface = \"ge3\"  to = virtual }", "nat { interface = \"ge3\""),
    ("unclosed string", 'interface = "ge3"  to', 'interface = "ge3  to'),
)


EVERYTHING = """
model = generic
bridge "br0" { ports = {"p5", "p6"}  stp = true  role = lan  address = {"10.5.0.2/24", "2001:db8:5::2/64"}
    router-advert = true  dhcp-server = true  dhcp-range = "10.5.0.100-10.5.0.200"
    dhcp-lease-time = 2min  mac = "52:54:00:12:34:56" }
bond "bond0" { ports = {"p7", "p8"}  mode = balance-xor  role = lan  address = {"10.6.0.2/24"} }
vlan "bond0.7" { parent = "bond0"  id = 7  role = lan  address = {"10.7.0.2/24"}  dhcp-relay = {"10.5.0.9"} }
interface "p9" { device = "enp9s0"  role = wan  address = {"198.51.100.2/24"}
    gateway = {"198.51.100.1"}  metric = 50 }
route "0.0.0.0/0" { via = "10.5.0.9"  table = 100 }
route "0.0.0.0/0" { via = "10.7.0.9"  interface = "bond0.7"  table = 101 }
route "10.8.0.0/16" { blackhole = true  metric = 9 }
rule "voice" { from = "10.7.0.0/24"  to = "10.0.0.0/8"  interface = "bond0.7"  mark = 7  table = 100  priority = 1000 }
firewall { rules-file = "RULES" }
"""


def edit(text, old, new):
    """The changed text, and the lines (first, last) that an error may name."""
    match = old.search(text) if isinstance(old, re.Pattern) else re.search(re.escape(old), text)
    assert match, f"the test's own mistake: no {old} in the good file"
    changed = text[:match.start()] + new + text[match.end():]
    first = text.count("\n", 0, match.start()) + 1
    lines = changed.split("\n")
    while first > 1 and lines[first - 1][:1] in (" ", "}"):  # up to the section's head
        first -= 1
    last = first
    while last < len(lines) and lines[last - 1] != "}" and not lines[last - 1].endswith(" }"):
        last += 1
    if changed.count("{") != changed.count("}") or changed.count('"') % 2:
        last = len(lines)  # what is not closed is noticed later, or at the end
    return changed, (first, last + 1)


def refused(gw, text, lines, name):
    """None if `gatepair check` refuses the text as it should, else what is wrong."""
    path = f"{gw.dir}/bad.conf"
    with open(path, "w") as f:
        f.write(text)
    code, _, error = gw.ctl("check", path, check=False)
    if code == 0:
        return f"{name}: accepted"
    if code < 0:
        return f"{name}: died of signal {-code}"
    at = re.search(re.escape(path) + r":(\d+)", error)
    if not at:
        return f"{name}: no file:line in {error.strip()!r}"
    if not lines[0] <= int(at[1]) <= lines[1]:
        return f"{name}: line {at[1]} instead of {lines[0]}–{lines[1]}: {error.strip()!r}"
    if len(error[at.end():].split()) < 3:
        return f"{name}: no sentence: {error.strip()!r}"
    return None


def good_text(gw):
    gw.configure()
    with open(gw.config) as f:
        return f.read()


def test_check_refuses_every_mistake():
    with Lab() as lab:
        gw = lab.gw1
        text = good_text(gw)
        code, _, error = gw.ctl("check", gw.config, check=False)
        assert code == 0, f"the good file is refused: {error}"
        wrong = [refused(gw, *edit(text, old, new), name) for name, old, new in MISTAKES]
        wrong = [w for w in wrong if w]
        assert not wrong, f"{len(wrong)} of {len(MISTAKES)}: " + "; ".join(wrong)


def test_check_accepts_the_whole_language():
    """Everything at once; what is shown of it is accepted too."""
    with Lab() as lab:
        gw = lab.gw1
        rules = f"{gw.dir}/rules.nft"
        with open(rules, "w") as f:
            f.write("# nothing yet\n")
        text = good_text(gw) + EVERYTHING.replace("RULES", rules)
        path = f"{gw.dir}/all.conf"
        with open(path, "w") as f:
            f.write(text)
        gw.ctl("check", path)
        with open(path, "a") as f:
            f.write('route "0.0.0.0/0" { interface = "br0"  metric = 50 }\n')
        code, _, error = gw.ctl("check", path, check=False)
        assert code != 0 and "p9" in error, error


def test_supervisor_does_not_start_with_a_wrong_config():
    with Lab() as lab:
        gw = lab.gw1
        changed, _ = edit(good_text(gw), "    vrid = 10\n", "    vrid = 999\n")
        gw.write_config(changed)
        gw.start()
        code = wait(lambda: gw.supervisor.poll() is not None and [gw.supervisor.poll()], 5,
                    "the supervisor gives up")[0]
        assert code > 0, f"exit status {code}"
        with open(gw.log) as f:
            assert re.search(re.escape(gw.config) + r":\d+", f.read()), "no file:line in its log"


def test_no_input_crashes_the_parser():
    """Truncations at every third byte, and bytes that do not belong into a text."""
    with Lab() as lab:
        gw = lab.gw1
        text = good_text(gw)
        path = f"{gw.dir}/odd.conf"
        variants = [text[:n].encode() for n in range(0, len(text), 29)]
        variants += [b"\0" * 100, os.urandom(4096), text.encode() + b"\xff\xfe", b"{" * 5000,
                     b'node = "' + b"x" * 70000 + b'"', b'node = "${HOME}"\n' + text.encode()]
        for data in variants:
            with open(path, "wb") as f:
                f.write(data)
            code, _, error = gw.ctl("check", path, check=False)
            assert code >= 0, f"died of signal {-code} on {data[:60]!r}…{data[-60:]!r}"
            assert code == 0 or error.strip(), f"refused without a word: {data[:60]!r}"


def test_refused_reload_changes_nothing(pair):
    gw = pair.active
    before = gw.detail("vrrpd")
    generation = gw.status("vrrpd")["config_generation"]
    _, shown, _ = gw.ctl("show", "config")
    text = good_text(gw)
    pair.traffic.mark("refused reloads")
    try:
        for name, old, new in MISTAKES[::6]:
            old = old if isinstance(old, re.Pattern) or old in text else re.compile(r"    vrid = 10\n")
            gw.write_config(edit(text, old, new)[0])
            code, _, error = gw.ctl("reload", check=False)
            assert code != 0 and re.search(re.escape(gw.config) + r":\d+", error), \
                f"{name}: exit {code}: {error!r}"
    finally:
        gw.configure()
    after = gw.detail("vrrpd")
    assert (after["role"], after["term"]) == (before["role"], before["term"]), pair.describe()
    assert gw.status("vrrpd")["config_generation"] == generation
    assert gw.ctl("show", "config")[1] == shown
    assert_lossless(pair.traffic.wait_flowing())


def test_reload_takes_effect_without_loss(pair):
    gw = pair.standby
    pair.traffic.mark("reload")
    other = 90 if gw.detail("vrrpd")["priority"] != 90 else 91
    gw.configure(cluster={"priority": other})
    gw.ctl("reload")
    wait(lambda: gw.detail("vrrpd")["priority"] == other, 5, "the new priority", pair.describe)
    gw.configure()
    gw.ctl("reload")
    pair.wait_ready()
    assert_lossless(pair.traffic.wait_flowing())


def test_reload_of_the_same_config_changes_nothing(pair):
    gw = pair.active
    operations = gw.detail("netcfgd")["operations"]
    pair.traffic.mark("reload")
    gw.ctl("reload")
    assert gw.detail("netcfgd")["operations"] == operations, "the kernel was written to for nothing"
    pair.wait_ready()
    assert_lossless(pair.traffic.wait_flowing())


def test_shown_config_is_a_valid_config(pair):
    """`gatepair show config` prints what `gatepair check` accepts; twice gives the same."""
    gw = pair.active
    path = f"{gw.dir}/shown.conf"
    first = gw.ctl("show", "config", "--normalized")[1]
    with open(path, "w") as f:
        f.write(first)
    gw.ctl("check", path)
    assert 'vrrp "wan"' in first and "peer-fingerprint" in first
