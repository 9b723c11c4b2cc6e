#!/usr/bin/python3
"""SetMacAddrAction: the client's hardware address as an option, where the kernel knows it. In a network of its own."""
import os
import shutil
import subprocess
import sys
import unittest

from fakeserver import FakeServer
from harness import TestCase, main, needs, wait_for
from ruletools import Ask, option

KNOWN, LATER, UNKNOWN = "127.0.0.5", "127.0.0.6", "127.0.0.7"
MAC, OTHER_MAC = "02:00:00:12:34:56", "02:00:00:65:43:21"
INSIDE = "E2E_INSIDE"


def ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True)


def neighbour(address, mac):
    ip("neigh", "replace", address, "lladdr", mac, "dev", "e2e0", "nud", "permanent")


@needs("ip", "unshare")
@unittest.skipUnless(INSIDE in os.environ, "no network of its own can be made here")
class HardwareAddress(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ip("link", "set", "lo", "up")
        ip("link", "add", "e2e0", "type", "veth", "peer", "name", "e2e1")
        ip("link", "set", "e2e0", "up")
        neighbour(KNOWN, MAC)
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'''
            newServer("{cls.server.address}")
            addAction("former.test", MacAddrAction(65003))
            addAction("test", SetMacAddrAction(65002))''')

    def sent(self, source, name="x.test", **kw):
        """The options that the server sees, and the answer."""
        r = Ask(prefix=name, source=source, **kw).to(self.d.port)
        return [(o.otype, o.data.hex(":")) for o in self.server.queries[-1].message.options], r

    def test_known(self):
        for kw in ({}, dict(tcp=True)):
            options, r = self.sent(KNOWN, **kw)
            self.assertEqual((options, r.edns), ([(65002, MAC)], -1))

    def test_beside_and_in_place_of_the_clients(self):
        options, r = self.sent(KNOWN, use_edns=0, options=[option(10, b"cookie!!"), option(65002, b"forged")])
        self.assertEqual(sorted(options), [(10, b"cookie!!".hex(":")), (65002, MAC)])
        self.assertEqual(r.edns, 0)

    def test_former_name(self):
        self.assertEqual(self.sent(KNOWN, "former.test")[0], [(65003, MAC), (65002, MAC)])

    def test_entries_of_the_rings_have_it(self):
        self.sent(KNOWN, "ring.test")
        macs = self.d.console("t = '' for _, e in ipairs(getRingEntries()) do if e.qname == newDNSName('ring.test') then "
                              "t = t .. e.macAddress:gsub('.', function(c) return string.format('%02x:', c:byte()) end) .. ' ' "
                              "end end return t")
        self.assertEqual(macs.split(), [MAC + ":"] * 2)

    def test_unknown(self):
        options, r = self.sent(UNKNOWN)
        self.assertEqual((options, self.server.queries[-1].message.edns), ([], -1))

    def test_what_the_kernel_learns_is_known_within_a_second_or_two(self):
        self.assertEqual(self.sent(LATER)[0], [])
        neighbour(LATER, MAC)
        self.assertTrue(wait_for(lambda: self.sent(LATER)[0] == [(65002, MAC)], 4))
        neighbour(LATER, OTHER_MAC)
        self.assertTrue(wait_for(lambda: self.sent(LATER)[0] == [(65002, OTHER_MAC)], 4))
        ip("neigh", "del", LATER, "dev", "e2e0")
        self.assertTrue(wait_for(lambda: self.sent(LATER)[0] == [], 4))


def has_network():
    if not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "-rn", "ip", "link", "add", "e2e0", "type", "veth", "peer", "name", "e2e1"],
                          capture_output=True).returncode == 0


if __name__ == "__main__":
    if INSIDE not in os.environ and has_network():
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-rn", sys.executable, *sys.argv])
    main()
