# SPDX-License-Identifier: GPL-2.0-or-later
"""Random, truncated and oversized messages on every socket and on the wire crash nothing and are
counted; who has not the right identity is refused."""

import contextlib
import grp
import os
import random
import socket
import struct
import subprocess
import threading

from gwconfig import HA_OWN, LAN_OWN, SYNC_PORT, WAN_OWN
from lab import DAEMONS, Lab, stays, wait
from traffic import assert_lossless

SOCKETS = (*DAEMONS, "supervisor")
SO_SNDBUFFORCE = 32
SEED = 20568  # the same bytes in every run

# --- a little protobuf, enough to say what only others may say ---


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def envelope(body_field, body=b""):
    return field(1, 1) + field(2, 7) + field(body_field, body)


COMMANDS = {  # message: socket, envelope; numbers as in proto/ipc.proto
    "Commit": ("vrrpd", envelope(21, field(1, 99))),
    "Stop": ("vrrpd", envelope(24)),
    "DaemonHealth": ("vrrpd", envelope(25, field(1, b"syncd") + field(2, 0) + field(3, b"because"))),
    "LeaseRequest acquire": ("netcfgd", envelope(50, field(1, 1) + field(2, 9999) + field(3, 10**7))),
    "LeaseRequest release": ("netcfgd", envelope(50, field(1, 3) + field(2, 9999) + field(3, 10**7))),
    "PromoteRequest": ("syncd", envelope(60, field(1, 9999) + field(2, 0))),
    "DemoteRequest": ("syncd", envelope(61, field(1, 9999))),
}
PEOPLE_COMMANDS = {  # what root may say and others may not
    "SwitchoverRequest": ("vrrpd", envelope(40)),
    "ReloadRequest": ("supervisor", envelope(30)),
    "RestartRequest": ("supervisor", envelope(31, field(1, b"vrrpd"))),
}
ACK = varint(10 << 3 | 2)  # tag of an Ack in the answer


def connect(gw, daemon):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(1)
    s.connect(f"{gw.rundir}/{daemon}.sock")
    return s


def say(gw, daemon, data):
    """Sends one datagram; returns what came back, b"" when the connection was closed on us."""
    with connect(gw, daemon) as s:
        try:
            s.send(data)
            return s.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def is_ack(answer):
    return field(1, 1) + field(2, 7) + ACK == answer[:len(field(1, 1) + field(2, 7) + ACK)]


class Unharmed:
    """Around an attack: no process died, no role changed, nothing was lost."""

    def __init__(self, pair):
        self.pair = pair

    def __enter__(self):
        self.pids = self._pids()
        self.active = self.pair.active
        self.term = self.active.detail("vrrpd")["term"]
        self.pair.traffic.mark("attack")

    def _pids(self):
        return {f"{gw} {d}": gw.pid(d) for gw in self.pair.gateways for d in SOCKETS}

    def __exit__(self, kind, value, trace):
        if kind is None:
            now = self._pids()
            died = [who for who, pid in self.pids.items() if now[who] != pid]
            assert not died, f"died: {died}"
            self.pair.wait_ready()
            assert self.pair.active is self.active, self.pair.describe()
            assert self.active.detail("vrrpd")["term"] == self.term, self.pair.describe()
            assert_lossless(self.pair.traffic.wait_flowing())


REFUSAL_WORDS = ("bad", "refused", "invalid", "unknown", "denied", "reject", "drop", "malformed",
                 "not_allowed", "foreign", "auth", "unexpected", "truncated", "fail", "short", "oversize",
                 "undecodable", "wrong")


def refusals(gw, daemon):
    """The sum of all counters that count refusals, whatever each is called."""
    return sum(value for name, value in gw.counters(daemon).items()
               if any(word in name for word in REFUSAL_WORDS))


def attack_socket(gw, daemon, bytes_of):
    before = refusals(gw, daemon)
    sent = 0
    for length in (1, 2, 7, 8, 64, 1000, 65535, 65536, 65537, 200_000):
        with connect(gw, daemon) as s, contextlib.suppress(OSError):
            s.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20)
            s.send(bytes_of(length))
            sent += 1
            s.recv(65536)
    wait(lambda: refusals(gw, daemon) >= before + sent // 2, 5, f"{gw} {daemon} counts what it refuses",
         lambda: gw.counters(daemon))


def test_random_bytes_at_every_socket(pair):
    dice = random.Random(SEED)
    with Unharmed(pair):
        for daemon in SOCKETS:
            attack_socket(pair.active, daemon, dice.randbytes)


def test_truncated_and_mangled_messages_at_every_socket(pair):
    dice = random.Random(SEED)
    good = [data for _, data in (*COMMANDS.values(), *PEOPLE_COMMANDS.values())] + [envelope(12)]
    with Unharmed(pair):
        for daemon in SOCKETS:
            for data in good[:-1]:
                for cut in range(1, len(data)):
                    with contextlib.suppress(OSError):
                        say(pair.active, daemon, data[:cut])
            for _ in range(100):
                data = bytearray(envelope(12))
                for _ in range(dice.randint(1, 3)):
                    data[dice.randrange(len(data))] = dice.randrange(256)
                with contextlib.suppress(OSError):
                    say(pair.active, daemon, bytes(data) + dice.randbytes(dice.randint(0, 20)))


def test_many_connections_do_not_lock_the_operator_out(pair):
    """Two hundred at once are more than a socket takes; it is free again when they are gone."""
    with Unharmed(pair):
        gw, opened = pair.active, []
        for _ in range(200):
            with contextlib.suppress(OSError):
                opened.append(connect(gw, "vrrpd"))
        for s in opened:
            s.close()
        wait(lambda: gw.status("vrrpd"), 5, "vrrpd answers the operator again")


def test_what_only_daemons_may_say_is_refused_to_root(pair):
    with Unharmed(pair):
        for name, (daemon, data) in COMMANDS.items():
            answer = say(pair.active, daemon, data)
            assert not is_ack(answer), f"{name} from root at {daemon} was obeyed: {answer!r}"
            answer = say(pair.standby, daemon, data)
            assert not is_ack(answer), f"{name} from root at {daemon} was obeyed: {answer!r}"


def test_strangers_may_not_command(pair):
    with Unharmed(pair):
        for name, (daemon, data) in {**COMMANDS, **PEOPLE_COMMANDS}.items():
            answer = say_as(pair.active, daemon, data, user=65534, group=65534)
            assert not is_ack(answer), f"{name} from nobody at {daemon} was obeyed"


def test_viewers_may_look_and_not_touch(pair):
    group = grp.getgrnam("gatepair").gr_gid
    with Unharmed(pair):
        for name, (daemon, data) in PEOPLE_COMMANDS.items():
            answer = say_as(pair.active, daemon, data, user=65534, group=group)
            assert not is_ack(answer), f"{name} from a viewer at {daemon} was obeyed"
        answer = say_as(pair.active, "vrrpd", envelope(12), user=65534, group=group)
        assert len(answer) > 20, f"a viewer may ask for the status, got {answer!r}"


def say_as(gw, daemon, data, user, group):
    program = ("import socket, sys\n"
               "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(3)\n"
               "try:\n"
               "    s.connect(sys.argv[1]); s.send(bytes.fromhex(sys.argv[2]))\n"
               "    sys.stdout.write(s.recv(65536).hex())\n"
               "except OSError: pass\n")
    done = subprocess.run(["/usr/bin/python3", "-c", program, f"{gw.rundir}/{daemon}.sock", data.hex()],
                          user=user, group=group, extra_groups=[], capture_output=True, text=True,
                          timeout=10, check=True)
    return bytes.fromhex(done.stdout)


# --- the wire ---


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def advert(vrid=10, priority=255, version=3, kind=1, count=1, address="10.0.0.1", interval=100):
    head = struct.pack("!BBBBHH", version << 4 | kind, vrid, priority, count, interval, 0)
    body = socket.inet_aton(address) * count
    return head[:6] + struct.pack("!H", checksum(head + body)) + body


def frame(payload, source="10.0.0.99", ttl=255, protocol=112, mac=b"\x02\0\0\0\x09\x09"):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0xc0, 20 + len(payload), 1, 0, ttl, protocol, 0,
                     socket.inet_aton(source), socket.inet_aton("224.0.0.18"))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return b"\x01\0\x5e\0\0\x12" + mac + b"\x08\0" + ip + payload


@contextlib.contextmanager
def stranger(pair, bridge):
    """A host of its own on one of the bridges; gives a packet socket."""
    sw = pair.sw
    sw.run("ip", "link", "add", "evil", "type", "veth", "peer", "name", "evil-port")
    try:
        sw.run("ip", "link", "set", "evil-port", "master", bridge, "up")
        sw.run("ip", "link", "set", "evil", "up")
        with sw.entered():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            s.bind(("evil", 0))
        with s:
            yield s
    finally:
        sw.run("ip", "link", "delete", "evil")
        sw.forget("evil")
        sw.forget("evil-port")


def test_bad_vrrp_packets_are_counted_and_ignored(pair):
    dice = random.Random(SEED)
    good = advert(priority=90)  # lower than the Active's: harmless even if taken for real
    bad = [frame(good, ttl=64), frame(advert(version=1, priority=90)),
           frame(advert(kind=2, priority=90)),
           frame(good[:7]), frame(good[:3]), frame(good[:6] + b"\xde\xad" + good[8:]),
           frame(advert(vrid=77, priority=90)), frame(advert(count=0, priority=90)),
           frame(advert(interval=0, priority=90)), frame(good[:8] * 100)]
    bad += [frame(dice.randbytes(dice.randint(0, 200))) for _ in range(100)]
    with Unharmed(pair):
        before = {gw: refusals(gw, "vrrpd") for gw in pair.gateways}
        with stranger(pair, "br-lan") as s:
            for data in bad:
                s.send(data)
        for gw in pair.gateways:
            wait(lambda: refusals(gw, "vrrpd") >= before[gw] + len(bad) // 2, 5,
                 f"{gw} counts bad adverts", lambda: gw.counters("vrrpd"))


def test_garbage_on_the_ha_link(pair):
    """Frames of vrrpd's own ethertype, and anything else, from a foreign MAC."""
    dice = random.Random(SEED)
    with Unharmed(pair):
        with stranger(pair, "br-ha") as s:
            for number in range(300):
                ethertype = (b"\x88\xb5", b"\x08\0", b"\x08\x06")[number % 3]
                s.send(b"\xff" * 6 + b"\x02\0\0\0\x09\x09" + ethertype + dice.randbytes(
                    dice.randint(0, 1400)))


def test_replayed_heartbeats_are_ignored(pair):
    """What the Active said a second ago, said again by somebody else, has no effect."""
    sw, heard = pair.sw, []
    with stranger(pair, "br-ha") as s:
        with sw.entered():
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            tap.bind((pair.active.port("ge4"), 3))
        tap.settimeout(2)
        with tap:
            while len(heard) < 200:
                data = tap.recv(2048)
                if data[12:14] == b"\x88\xb5":
                    heard.append(data)
        with Unharmed(pair):
            for data in heard:
                s.send(data)


def tcp_connects(ns, address, port):
    with ns.entered():
        s = socket.socket()
    with s:
        s.settimeout(1)
        try:
            s.connect((address, port))
            return True
        except OSError:
            return False


def test_sync_port_takes_garbage_on_the_ha_link(pair):
    """A stranger with an address in the HA network cannot do more than connect."""
    dice = random.Random(SEED)
    with Unharmed(pair):
        for gw in pair.gateways:
            peer = pair.other(gw)
            for length in (1, 100, 20_000):
                with peer.ns.entered():  # from the peer's own address: the hardest to tell apart
                    s = socket.socket()
                with s, contextlib.suppress(OSError):
                    s.settimeout(1)
                    s.connect((HA_OWN[gw.number], SYNC_PORT))
                    s.sendall(dice.randbytes(length))
                    s.shutdown(socket.SHUT_WR)
                    s.recv(100)


@contextlib.contextmanager
def stranger_on_ha(pair, address="169.254.77.9"):
    """A host with an address of its own on the HA link, and gateways that can answer it."""
    ns, sw = pair.namespace("evil"), pair.sw
    sw.run("ip", "link", "add", "evil-port", "type", "veth", "peer", "name", "eth0", "netns", ns.name)
    try:
        sw.run("ip", "link", "set", "evil-port", "master", "br-ha", "up")
        ns.run("ip", "link", "set", "eth0", "up")
        ns.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        for gw in pair.gateways:
            gw.ns.run("ip", "route", "add", f"{address}/32", "dev", "ge4")
        yield ns
    finally:
        for gw in pair.gateways:
            gw.ns.run("ip", "route", "delete", f"{address}/32", "dev", "ge4", check=False)
        sw.run("ip", "link", "delete", "evil-port", check=False)
        sw.forget("evil-port")
        pair.remove(ns)


def test_sync_port_is_closed_to_a_stranger_on_the_ha_link(pair):
    """Another address there: nothing answers, or the connection is closed without a word of TLS."""
    hello = bytes.fromhex("16030100310100002d0303") + bytes(32) + bytes.fromhex("000002c02b010000020000")
    with Unharmed(pair), stranger_on_ha(pair) as evil:
        for gw in pair.gateways:
            with evil.entered():
                s = socket.socket()
            with s:
                s.settimeout(1)
                answer = b""
                with contextlib.suppress(OSError):
                    s.connect((HA_OWN[gw.number], SYNC_PORT))
                    s.sendall(hello)
                    answer = s.recv(100)
                assert not answer, f"{gw} speaks TLS with a stranger"


class SlowLoris:
    """Keeps many connections open to a sync port from the peer's own address, a byte at a time."""

    def __init__(self, ns, address, count=16):
        self._ns, self._address, self._count = ns, address, count
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _open(self):
        with self._ns.entered():
            s = socket.socket()
        s.settimeout(0.5)
        with contextlib.suppress(OSError):
            s.connect((self._address, SYNC_PORT))
        return s

    def _run(self):
        opened = []
        while not self._stop.wait(0.01):
            if len(opened) < self._count:
                opened.append(self._open())
            for s in list(opened):
                try:
                    s.send(b"\x16")
                except OSError:
                    s.close()
                    opened.remove(s)
        for s in opened:
            s.close()

    def close(self):
        self._stop.set()
        self._thread.join()


def test_slow_connections_keep_nobody_out(pair):
    """Half-done handshakes disturb no link that is up, and a peer that comes anew gets through."""
    listener = pair.gw2  # the higher address listens
    with Unharmed(pair):
        loris = SlowLoris(pair.gw1.ns, HA_OWN[2])
        try:
            stays(lambda: listener.detail("syncd")["sync"]["connected"], 3, "the link stays up")
        finally:
            loris.close()
    loris = SlowLoris(pair.gw1.ns, HA_OWN[2])
    try:
        pair.gw1.kill("syncd")
        pair.wait_ready(15)
    finally:
        loris.close()
    assert listener.counters("syncd")["link_handshake_failed"] > 0


def test_the_right_address_with_a_wrong_key_is_refused():
    """Valid TLS, another key: no session leaves, and both the count and the status say so."""
    with Lab() as lab:
        for gw in lab.gateways:
            gw.configure()
        for name in os.listdir(lab.gw2.statedir):
            os.unlink(f"{lab.gw2.statedir}/{name}")
        new_key = lab.gw2.fingerprint()
        for gw in lab.gateways:
            gw.start()
        wait(lambda: lab.gw1.counters("syncd")["link_wrong_fingerprint"] > 2, 15, "refused and counted",
             lambda: lab.gw1.counters("syncd"))
        detail = lab.gw1.detail("syncd")
        assert detail["peer_fingerprint_seen"] == new_key, detail
        assert not detail["sync"]["connected"] and not lab.gw2.detail("syncd")["sync"]["connected"]


def test_sync_port_is_closed_to_lan_and_wan(pair):
    for gw in pair.gateways:
        n = gw.number
        for ns, address in ((pair.client, LAN_OWN[n]), (pair.client, HA_OWN[n]),
                            (pair.server, WAN_OWN[n])):
            assert not tcp_connects(ns, address, SYNC_PORT), f"{address}:{SYNC_PORT} answers a stranger"


def test_new_sessions_from_the_wan_are_not_forwarded(pair):
    """Stateful: the server side cannot open what the client side did not ask for."""
    pair.server.run("ip", "route", "replace", "10.0.0.0/24", "via", "203.0.113.10")
    with pair.client.entered():
        listener = socket.create_server(("10.0.0.100", 7777))
    try:
        with listener:
            assert not tcp_connects(pair.server, "10.0.0.100", 7777), "the WAN reaches into the LAN"
    finally:
        pair.server.run("ip", "route", "delete", "10.0.0.0/24")


def test_the_standby_does_not_forward(pair):
    """A client that uses the Standby as its router gets nowhere."""
    standby = pair.standby
    pair.client.run("ip", "route", "replace", "203.0.113.201", "via", LAN_OWN[standby.number])
    pair.server.run("ip", "addr", "add", "203.0.113.201/24", "dev", "eth0")
    with pair.server.entered():
        listener = socket.create_server(("203.0.113.201", 7778))
    try:
        with listener:
            assert not tcp_connects(pair.client, "203.0.113.201", 7778), "the Standby forwards"
    finally:
        pair.server.run("ip", "addr", "delete", "203.0.113.201/24", "dev", "eth0")
        pair.client.run("ip", "route", "delete", "203.0.113.201")
