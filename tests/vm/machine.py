# SPDX-License-Identifier: GPL-2.0-or-later
"""A throw-away machine with Debian's kernel, in QEMU without hardware support (any host will do).

It boots the files of `image`, unpacks what it is given and runs one command there; what that prints comes
back line by line, and its build/logs as files. Nothing it writes outlives it.
"""

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(f"{ROOT}/tests/net")
from netns import Reaper

CACHE = os.environ.get("GATEPAIR_VM_CACHE", f"{ROOT}/build/vm")
LOGS_MIB = 64

# norandmaps: QEMU keys translated code by its address, and would translate each program anew.
KERNEL = ("console=ttyS0 panic=-1 quiet net.ifnames=0 mitigations=off norandmaps no_timer_check "
          "random.trust_cpu=on 8250.nr_uarts=1 i8042.noaux i8042.nokbd systemd.show_status=0")


class MachineError(Exception):
    """The machine, not the test in it, failed."""


class Machine:
    """`files`: what the command finds, {path there: path here}; `nics`: QEMU's arguments for them;
    `systemd`: a whole boot, else the command is all that runs. One `with` block, one run."""

    def __init__(self, files, command, systemd=False, nics=(), memory_mib=1024, cpus=2):
        self.dir = tempfile.mkdtemp(prefix="gp-vm-")
        self._reaper = Reaper()  # after `kill -9` of this process
        self._reaper.note("dir+", self.dir)
        try:
            self._pack(files, command)
            self._process = self._launch(systemd, nics, memory_mib, cpus)
        except BaseException:
            shutil.rmtree(self.dir)
            raise

    def _pack(self, files, command):
        os.makedirs(f"{self.dir}/in")
        with open(f"{self.dir}/in/run", "w") as f:
            f.write(f"#!/bin/sh\n{command}\n")
        os.chmod(f"{self.dir}/in/run", 0o755)
        with tarfile.open(f"{self.dir}/in.tar", "w") as tar:
            tar.add(f"{self.dir}/in/run", "run")
            for there, here in files.items():
                tar.add(here, there, filter=lambda m: None if "__pycache__" in m.name else m)
        with open(f"{self.dir}/logs.tar", "wb") as f:
            f.truncate(LOGS_MIB << 20)

    def _launch(self, systemd, nics, memory_mib, cpus):
        def disk(name, file, *options):
            return ["-drive", ",".join((f"if=none,id={name},file={file},format=raw,cache=unsafe", *options)),
                    "-device", f"virtio-blk-pci,drive={name}"]
        argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "pc",
                "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem,+rdrand", "-m", str(memory_mib),
                "-smp", str(cpus), "-nodefaults", "-no-user-config", "-display", "none",
                "-rtc", "base=utc,clock=host",
                "-kernel", f"{CACHE}/vmlinuz", "-initrd", f"{CACHE}/initrd",
                "-append", KERNEL + ("" if systemd else " gatepair.init=/usr/local/lib/gatepair-vm/init"),
                *disk("root", f"{CACHE}/root.ext4", "snapshot=on"),
                *disk("files", f"{self.dir}/in.tar", "readonly=on"),
                *disk("logs", f"{self.dir}/logs.tar"),
                "-serial", f"file:{self.dir}/console",
                "-chardev", "stdio,id=out,signal=off", "-device", "virtio-serial-pci",
                "-device", "virtserialport,chardev=out,name=out", *nics]
        with open(f"{self.dir}/qemu.log", "w") as log:
            # At the end of its standard input QEMU would hang up the line.
            return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        shutil.rmtree(self.dir)
        self._reaper.close()

    def lines(self, limit_s):
        """What the command prints; ends when it does. MachineError when that is not within the limit."""
        end, buffer, out = time.monotonic() + limit_s, b"", self._process.stdout.fileno()
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                raise MachineError(f"no end after {limit_s} s")
            got = os.read(out, 65536)
            *lines, buffer = (buffer + got).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace").rstrip("\r")
                if text.startswith("END "):
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(timeout=20)
                    return
                yield text
            if not got:
                raise MachineError(f"it went down before the end; QEMU's status {self._process.wait()}")

    def console(self):
        """The end of what the kernel and QEMU had to say."""
        text = ""
        for name in ("console", "qemu.log"):
            with contextlib.suppress(OSError), open(f"{self.dir}/{name}", errors="replace") as f:
                text += f"--- {name}\n" + "".join(f.readlines()[-40:])
        return text

    def save_logs(self, folder):
        """Unpacks what the tests kept about failures, and keeps the console beside it."""
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(OSError):
            shutil.copy(f"{self.dir}/console", f"{folder}/console")
        with contextlib.suppress(tarfile.TarError), tarfile.open(f"{self.dir}/logs.tar") as tar:
            tar.extractall(folder)


def hub_nics():
    """Two network cards on each of four hubs: ge1 to ge4, with the far end of each cable as the second;
    the names are given by tests/vm/boot."""
    argv = []
    for hub in range(1, 5):
        for end in (1, 2):
            name = f"n{hub}{end}"
            argv += ["-netdev", f"hubport,id={name},hubid={hub}",
                     "-device", f"virtio-net-pci,netdev={name},mac=52:54:00:00:0{hub}:0{end},romfile="]
    return argv
