#!/usr/bin/python3
"""Who may ask: silence over UDP, a closed connection over TCP; changed at run time."""
import os

import clients
from fakeserver import FakeServer
from harness import TestCase, main


class Acl(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'newServer("{cls.server.address}")')

    def setUp(self):
        self.d.console('setACL("127.0.0.0/8")')

    def refused(self):
        with clients.Stream(self.d.port) as s:
            try:
                s.send(clients.make("tcp.example.").to_wire())
                closed = s.receive() is None
            except OSError:
                closed = True
        return clients.silent(self.d.port, "udp.example.") and closed

    def test_refused_is_silent_and_counted(self):
        self.assertFalse(self.refused())
        before, arrived = self.d.stats(), len(self.server.queries)
        self.d.console('setACL({"192.0.2.0/24", "2001:db8::/32"})')
        self.assertTrue(self.refused())
        after = self.d.stats()
        self.assertEqual(after["acl-drops"] - before["acl-drops"], 2)
        self.assertEqual(after["queries"], before["queries"])
        self.assertEqual(len(self.server.queries), arrived)

    def test_longest_match_decides(self):
        self.d.console('setACL({"0.0.0.0/0", "!127.0.0.0/8"})')
        self.assertTrue(self.refused())
        self.d.console('addACL("127.0.0.1")')
        self.assertFalse(self.refused())
        self.d.console('rmACL("127.0.0.1/32")')
        self.assertTrue(self.refused())

    def test_show(self):
        self.d.console('setACL({"10.0.0.0/8", "!10.1.0.0/16", "2001:db8::/32"})')
        self.assertEqual(sorted(self.d.console("showACL()").split()), ["!10.1.0.0/16", "10.0.0.0/8", "2001:db8::/32"])

    def test_file(self):
        path = os.path.join(self.folder(), "acl")
        with open(path, "w") as f:
            f.write("# who\n127.0.0.0/8 # we\n\n10.0.0.0/8\n")
        self.d.console('setACL("10.0.0.0/8")')
        self.assertTrue(self.refused())
        self.d.console(f'setACLFromFile("{path}")')
        self.assertFalse(self.refused())

    def test_errors_change_nothing(self):
        for command in ('addACL("nonsense")', 'setACL({"10.0.0.0/8", "10.0.0.0/64"})',
                        'setACLFromFile("/nonexistent")', 'addACL()'):
            self.assertIn("Error", self.d.console(command), command)
        self.assertEqual(self.d.console("showACL()"), "127.0.0.0/8")


class Defaults(TestCase):
    def test_default_is_extended_by_add_and_replaced_by_option(self):
        self.assertEqual(len(self.daemon('addACL("192.0.2.0/24")').console("showACL()").split()), 10)
        d = self.daemon('addACL("192.0.2.0/24")', args=["--acl", "127.0.0.0/8", "-a", "10.0.0.0/8"])
        self.assertEqual(sorted(d.console("showACL()").split()), ["10.0.0.0/8", "127.0.0.0/8", "192.0.2.0/24"])


if __name__ == "__main__":
    main()
