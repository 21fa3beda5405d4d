# SPDX-License-Identifier: GPL-2.0-or-later
"""The supervisor itself: reloads that go wrong half-way, hung daemons, a second supervisor, its own
death and its return while old daemons are still there. One node is enough."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import stat

from lab import DAEMONS, Lab, wait
from test_hostile import connect, envelope

NOBODY = 65534
# The bits of linux/capability.h that a daemon may have, in its first process.
CAPABILITIES = {"vrrpd": 1 << 13, "syncd": 1 << 12, "netcfgd": 1 << 12}
RELOAD_REQUEST = 30  # proto/ipc.proto


def children(gw):
    return {c["name"]: c for c in gw.status("supervisor")["supervisor"]["children"]}


def all_ready(gw):
    found = children(gw)
    return all(found[d]["state"] == "ready" for d in DAEMONS) and found


def start(gw):
    gw.start()
    return wait(lambda: all_ready(gw), 10, "every daemon is ready")


@contextlib.contextmanager
def node():
    """One gateway that runs, without its peer."""
    with Lab() as lab:
        for gw in lab.gateways:
            gw.configure()
        start(lab.gw1)
        yield lab.gw1


def generation(gw):
    return {d: gw.status(d)["config_generation"] for d in DAEMONS}


def test_daemon_dies_while_a_reload_is_prepared():
    """The reload is refused, and the daemon that comes back gets the configuration that stays."""
    with node() as gw:
        before, scheduler = generation(gw), os.sched_getscheduler(gw.supervisor.pid)
        for daemon in DAEMONS:
            gw.freeze(daemon)
            with connect(gw, "supervisor") as s:
                s.send(envelope(RELOAD_REQUEST))
                children(gw)  # was asked after that, and is answered after it
                assert "under way" in gw.ctl("reload", check=False)[2]
                gw.kill(daemon)
                assert b"the old configuration stays" in s.recv(65536)
            wait(lambda: all_ready(gw), 4, f"{daemon} is back", lambda: children(gw))
            assert generation(gw) == before
        gw.ctl("reload")
        assert os.sched_getscheduler(gw.supervisor.pid) == scheduler, "it was lowered for the parsing"
        assert set(generation(gw).values()) != set(before.values())


def test_hung_daemon_is_replaced():
    with node() as gw:
        for daemon, limit in (("vrrpd", 2), ("netcfgd", 2), ("syncd", 5)):
            old = gw.pid(daemon)
            gw.freeze(daemon)
            wait(lambda: children(gw)[daemon]["pid"] not in (old, 0), limit, f"{daemon} is replaced")
            wait(lambda: all_ready(gw), 5, "ready again", lambda: children(gw))
            assert children(gw)[daemon]["last_exit"] == "signal 9"


def test_crash_loop_is_given_pauses_and_reported():
    with node() as gw:
        for _ in range(10):
            killed = gw.kill("syncd")

            def noticed():
                syncd = children(gw)["syncd"]
                return syncd["pid"] != killed and syncd["state"] in ("ready", "backoff")
            wait(noticed, 5, "syncd is back, or is given a pause", lambda: children(gw))
        wait(lambda: children(gw)["syncd"]["state"] == "backoff", 2, "a pause", lambda: children(gw))
        assert gw.status("supervisor")["state"] == "Degraded"
        gw.ctl("restart", "syncd")
        assert children(gw)["syncd"]["state"] == "ready"


def test_second_supervisor_is_refused():
    with node() as gw:
        pids = {d: c["pid"] for d, c in children(gw).items()}
        first = gw.supervisor
        gw.start()
        second, gw.supervisor = gw.supervisor, first
        assert second.wait(timeout=10) == 1
        assert {d: c["pid"] for d, c in all_ready(gw).items()} == pids


def test_second_supervisor_with_its_own_rundir_is_refused():
    """Two in one network namespace would undo each other's addresses."""
    with node() as gw:
        pids = {d: c["pid"] for d, c in children(gw).items()}
        first, rundir = gw.supervisor, gw.rundir
        gw.rundir = rundir + "-second"
        gw.start()
        second, gw.supervisor, gw.rundir = gw.supervisor, first, rundir
        assert second.wait(timeout=10) == 1
        assert {d: c["pid"] for d, c in all_ready(gw).items()} == pids


def test_supervisor_is_killed_and_started_again_at_once():
    """The new one waits for the old daemons; there are never two sets."""
    with node() as gw:
        old = {d: gw.pid(d) for d in DAEMONS}
        gw.supervisor.kill()
        gw.supervisor.wait()
        found = start(gw)
        for daemon, pid in old.items():
            wait(lambda: not os.path.exists(f"/proc/{pid}"), 2, f"the old {daemon} is gone")
            assert found[daemon]["pid"] != pid
        assert gw.stop() == 0
        assert not os.path.exists(gw.rundir), os.listdir(gw.rundir)


test_supervisor_is_killed_and_started_again_at_once.deadline = 90


def test_no_second_set_beside_a_frozen_daemon():
    """However often it is tried: while an old daemon lives, its socket is not replaced."""
    with node() as gw:
        old = gw.pid("vrrpd")
        gw.freeze("vrrpd")
        gw.supervisor.kill()
        gw.supervisor.wait()
        for _ in range(2):
            gw.start()
            assert gw.supervisor.wait(timeout=30) == 1
            assert os.path.exists(f"/proc/{old}")
        os.kill(old, signal.SIGKILL)
        start(gw)


test_no_second_set_beside_a_frozen_daemon.deadline = 90


def test_nobody_else_can_take_the_lock():
    with node() as gw:
        path, pid = f"{gw.rundir}/supervisor.lock", os.fork()
        if pid == 0:
            status = 1
            with contextlib.suppress(PermissionError):
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                with open(path) as f:
                    fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                status = 2
            os._exit(0 if status == 1 else status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "an ordinary user opened the lock"


def test_folder_of_somebody_else_is_refused():
    """Who may write in RUNDIR could put his own sockets there."""
    with node() as gw:
        assert gw.stop() == 0
        for owner, mode in ((NOBODY, 0o755), (0, 0o775), (0, 0o1777)):
            os.mkdir(gw.rundir)
            os.chown(gw.rundir, owner, 0)
            os.chmod(gw.rundir, mode)
            gw.start()
            assert gw.supervisor.wait(timeout=10) == 1
            assert os.listdir(gw.rundir) == []
            os.rmdir(gw.rundir)
        start(gw)


def status_file(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_daemons_have_no_privileges_but_their_own():
    with node() as gw:
        for daemon, allowed in CAPABILITIES.items():
            found = status_file(gw.pid(daemon))
            uid = pwd.getpwnam(f"gatepair-{daemon}").pw_uid
            assert set(found["Uid"].split()) == {str(uid)}, f"{daemon}: {found['Uid']}"
            for kind in ("CapPrm", "CapEff"):
                assert int(found[kind], 16) == allowed, f"{daemon}: {kind} {found[kind]}"
            assert found["NoNewPrivs"] == "1", daemon


def test_folders_of_netcfgd():
    """They belong to it; a link in the place of one is not followed; nothing is left of RUNDIR."""
    with Lab() as lab:
        gw, owner = lab.gw1, pwd.getpwnam("gatepair-netcfgd")
        gw.configure()
        start(gw)
        for folder in (f"{gw.rundir}/netcfgd", f"{gw.statedir}/netcfgd"):
            st = os.lstat(folder)
            assert stat.S_ISDIR(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o755, oct(st.st_mode)
            assert (st.st_uid, st.st_gid) == (owner.pw_uid, owner.pw_gid), folder
        with open(f"{gw.rundir}/netcfgd/left-over", "w"):
            pass
        assert gw.stop() == 0
        assert not os.path.exists(gw.rundir), os.listdir(gw.rundir)

        target = f"{gw.dir}/precious"
        os.mkdir(target, 0o700)
        shutil.rmtree(f"{gw.statedir}/netcfgd")
        os.symlink(target, f"{gw.statedir}/netcfgd")
        start(gw)
        st = os.stat(target)
        assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (0, 0o700), "the link was followed"
        assert gw.stop() == 0


def test_keys_are_in_no_core_file():
    """A process that is not dumpable leaves no core, and its /proc belongs to root."""
    with node() as gw:
        for daemon in DAEMONS:
            with open(f"/proc/{gw.pid(daemon)}/maps") as maps:
                if "libasan" in maps.read():  # its leak check traces the process itself
                    continue
            assert os.stat(f"/proc/{gw.pid(daemon)}/environ").st_uid == 0, daemon


def test_log_that_nobody_reads_stops_nothing():
    with node() as gw:
        assert gw.stop() == 0
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        log, gw.log = gw.log, f"/proc/{os.getpid()}/fd/{writing}"
        start(gw)
        for _ in range(20):  # each is some lines
            gw.ctl("restart", "syncd")
            gw.ctl("reload")
        wait(lambda: all_ready(gw), 5, "ready", lambda: children(gw))
        gw.log = log
        assert gw.stop() == 0
        os.close(reading)
        os.close(writing)
