# SPDX-License-Identifier: GPL-2.0-or-later
"""`gatepair status`: valid JSON with stable names, documented, and one screen for people."""

import json
import re

from lab import DAEMONS, ROOT, wait

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


def test_sessions_are_listed(pair):
    text = pair.active.ctl("sessions")[1]
    assert "203.0.113.200:7000" in text, text[:500]


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
    assert code != 0 and error.strip()
