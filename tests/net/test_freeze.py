# SPDX-License-Identifier: GPL-2.0-or-later
"""A frozen process: the peer takes over, and at no instant do two nodes hold an address.

Shown twice from outside the product: by the address notifications of both kernels, and by who
answers ARP at each gateway's switch port.
"""

from gwconfig import VIRTUALS
from lab import wait
from observe import AddressWatch, ArpProber, show_difference, tables_agree
from traffic import Traffic, assert_kept, assert_lossless


def freeze_and_heal(lab, daemon):
    watch, arp = AddressWatch(lab), ArpProber(lab)
    traffic = Traffic(lab, tcp=200, udp=50)
    traffic.wait_flowing()
    frozen, other = lab.active, lab.standby

    traffic.mark("freeze")
    pid = frozen.pid(daemon)
    frozen.freeze(daemon)
    wait(lambda: other.role() == "Active", 15, f"the peer takes over from a frozen {daemon}",
         lab.describe)
    wait(lambda: other.holds() == set(VIRTUALS), 5, "the peer holds the addresses", other.holds)
    assert not frozen.holds(), f"the frozen {frozen} still holds {frozen.holds()}"
    assert_kept(traffic.wait_flowing())
    watch.assert_one_holder()
    assert not arp.conflicts(), f"two nodes answered one ARP request: {arp.conflicts()}"
    assert arp.holders() == [frozen.name, other.name], arp.holders()

    traffic.mark("thaw")
    try:
        if frozen.pid(daemon) == pid:  # the supervisor may have replaced the hung process
            frozen.thaw(daemon)
    finally:
        lab.wait_ready(30)
    assert_lossless(traffic.wait_flowing())
    wait(lambda: tables_agree(lab, 250), 10, "tables agree", lambda: show_difference(lab))


def test_frozen_vrrpd_on_the_active(lab):
    freeze_and_heal(lab, "vrrpd")


def test_short_freeze_heals_by_itself(lab):
    """Shorter than the supervisor's patience, again and again: never two holders for it."""
    watch = AddressWatch(lab)
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    for _ in range(3):
        frozen, other = lab.active, lab.standby
        seen = len(watch.changes)
        frozen.freeze("vrrpd")
        try:
            wait(lambda: other.holds(), 5, "the peer holds the addresses", lab.describe)
            took_over = watch.changes[seen:]
        finally:
            frozen.thaw("vrrpd")
        lost = [at for at, node, sign, address in took_over
                if node == frozen.name and sign == "-" and address in VIRTUALS]
        gained = [at for at, node, sign, address in took_over
                  if node == other.name and sign == "+" and address in VIRTUALS]
        assert lost and gained and max(lost) <= min(gained), f"handed over in disorder: {took_over}"
        lab.wait_ready(30)
    assert_kept(traffic.wait_flowing())


def test_frozen_vrrpd_on_the_standby_is_no_event_for_users(lab):
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active, standby = lab.active, lab.standby
    term = active.detail("vrrpd")["term"]
    traffic.mark("freeze")
    pid = standby.pid("vrrpd")
    standby.freeze("vrrpd")
    wait(lambda: not active.is_ready(), 5, "the Active says that failover is not ready", lab.describe)
    if standby.pid("vrrpd") == pid:
        standby.thaw("vrrpd")
    lab.wait_ready(30)
    assert active.role() == "Active" and active.detail("vrrpd")["term"] == term, lab.describe()
    assert_lossless(traffic.wait_flowing())


def test_frozen_syncd_on_the_active_is_replaced(lab):
    """The supervisor notices a hung daemon; nobody loses a packet over it."""
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active = lab.active
    traffic.mark("freeze")
    pid = active.pid("syncd")
    active.freeze("syncd")
    wait(lambda: active.pid("syncd") != pid, 20, "the hung syncd is replaced",
         lambda: active.detail("supervisor"))
    lab.wait_ready(30)
    assert_lossless(traffic.wait_flowing())


def test_frozen_netcfgd_on_the_active(lab):
    """Its addresses cannot be taken down by itself; the users keep their sessions all the same."""
    traffic = Traffic(lab, tcp=50, udp=10)
    traffic.wait_flowing()
    active = lab.active
    traffic.mark("freeze")
    pid = active.pid("netcfgd")
    active.freeze("netcfgd")
    wait(lambda: active.pid("netcfgd") != pid, 20, "the hung netcfgd is replaced",
         lambda: active.detail("supervisor"))
    lab.wait_ready(30)
    assert_kept(traffic.wait_flowing())
