# SPDX-License-Identifier: GPL-2.0-or-later
"""`gatepair status`: valid JSON with stable names, documented, and one screen for people."""

import json
import re

from lab import DAEMONS, ROOT, Lab, wait

ALL = (*DAEMONS, "supervisor")
MAN_PAGE = {"vrrpd": "vrrpd/vrrpd.8", "syncd": "syncd/syncd.8", "netcfgd": "netcfgd/netcfgd.8",
            "supervisor": "common/supervisor/supervisor.8"}
COMMON = {"daemon", "version", "pid", "uptime_ms", "config_generation", "state", "state_age_ms",
          "reason"}


def test_json_of_every_daemon(pair):
    for gw in pair.gateways:
        for daemon in ALL:
            status = gw.status(daemon)
            missing = COMMON - set(status)
            assert not missing, f"{gw} {daemon}: no {missing}"
            assert status["daemon"] == daemon and status["pid"] > 0 and status["reason"]
            assert isinstance(status.get(daemon), dict), f"{daemon}'s own part is missing"


def test_status_without_a_daemon_is_json_of_all(pair):
    status = pair.active.status()
    assert all(daemon in json.dumps(status) for daemon in ALL), status


def _keys(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def test_every_name_is_in_the_man_page(pair):
    for daemon in ALL:
        with open(f"{ROOT}/{MAN_PAGE[daemon]}") as f:
            words = set(re.findall(r"[a-z_0-9]+", f.read().replace("\\", "")))
        names = set(_keys(pair.active.status(daemon)[daemon]))
        assert names <= words, f"{MAN_PAGE[daemon]} does not explain {sorted(names - words)}"


def test_one_screen_answers_the_operator(pair):
    for gw, role in ((pair.active, "Active"), (pair.standby, "Standby")):
        text = gw.ctl("status")[1]
        lines = text.splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80, f"not one 80×24 screen:\n{text}"
        for word in (role, "ready", "gw-0" + str(3 - gw.number)):
            assert word.lower() in text.lower(), f"no “{word}” in:\n{text}"


def test_failover_not_ready_names_the_reason(lab):
    active, standby = lab.active, lab.standby
    standby.power_cut()

    def told():
        d = active.detail("vrrpd")
        return not d["failover_ready"] and d["not_ready_reasons"]
    reasons = wait(told, 10, "a reason why failover is not ready", lab.describe)
    assert all(len(r.split()) >= 3 for r in reasons), f"not sentences: {reasons}"


def test_wrong_fingerprint_is_named_on_both_sides():
    wrong = "ab" * 32
    with Lab(gw1={"sync": {"peer-fingerprint": f'"sha256:{wrong}"'}}) as lab:
        lab.start()

        def reason(gw):
            return gw.detail("syncd")["sync"]["reason"]
        wait(lambda: wrong[:12] in reason(lab.gw1), 10, "gw1 names both keys", lambda: reason(lab.gw1))
        wait(lambda: "gatepair key" in reason(lab.gw2), 10, "gw2 says that its key is not taken",
             lambda: reason(lab.gw2))
        wait(lambda: wrong[:12] in " ".join(lab.gw1.detail("vrrpd")["not_ready_reasons"]), 5,
             "vrrpd passes it on", lambda: lab.gw1.detail("vrrpd")["not_ready_reasons"])


def test_peer_that_never_came():
    with Lab() as lab:
        for gw in lab.gateways:
            gw.configure()
        for gw in lab.gateways:
            gw.start()
            wait(lambda gw=gw: f"169.254.77.{3 - gw.number} does" in
                 gw.detail("syncd")["sync"]["reason"], 10, f"{gw} says who is missing",
                 lambda gw=gw: gw.detail("syncd")["sync"])
            assert gw.stop() == 0


def test_missing_interface_is_named():
    with Lab() as lab:
        lab.gw2.ns.run("ip", "link", "delete", "ge2")
        lab.start()
        wait(lambda: any("no interface ge2" in c for c in lab.gw2.detail("vrrpd").get("conditions", [])),
             10, "the missing interface is named", lambda: lab.gw2.detail("vrrpd"))
        text = lab.gw2.ctl("status")[1]
        assert "no interface ge2" in text and "check its cable" not in text, text


def test_sessions_are_listed(pair):
    text = pair.active.ctl("sessions")[1]
    assert "203.0.113.200:7000" in text, text[:500]
    assert text.startswith("PROTO") and text.splitlines()[-1].endswith("sessions"), text[:200]


def test_nothing_running_names_the_way_to_start_it():
    with Lab() as lab:
        for command in ("status", "sessions", "switchover", "reload"):
            code, _, error = lab.gw1.ctl(command, check=False)
            assert code == 3 and "supervisor --config" in error, f"{command}: {code} {error!r}"


def test_timeline_of_a_transition(lab):
    survivor = lab.standby
    lab.active.power_cut()
    lab.wait_role(survivor, "Active")
    newest = survivor.detail("vrrpd")["transitions"][0]
    assert newest["to"] == "Active" and newest["reason"], newest
    stages = [newest[k] for k in ("decided_us", "state_ready_us", "addresses_up_us", "announced_us")]
    assert stages == sorted(stages), f"state before address, address before announcement: {newest}"


def test_unknown_daemon_is_an_error(pair):
    code, _, error = pair.active.ctl("status", "nosuchd", check=False)
    assert code == 2 and "syncd" in error, f"exit {code}: {error!r}"
