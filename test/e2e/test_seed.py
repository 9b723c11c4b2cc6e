#!/usr/bin/python3
"""A caching forwarder as people write it down: listeners, DoT servers without a name, a local resolver, a console.

The addresses of public resolvers are replaced by local ones: one that holds a certificate for its address,
one whose certificate is for somebody else, and one that is not there.
"""
import clients
import peers
from fakeserver import FakeServer
from harness import TestCase, main, needs, wait_for

CONFIG = '''
-- Set up console for local access
controlSocket("127.0.0.1:$CONSOLE")
setKey("$KEY")

-- Listen and allow queries from any source
addLocal("127.0.0.1:$PORT")
addLocal("127.0.0.2:$PORT")
addACL("0.0.0.0/0")
addACL("::/0")

-- Packet cache with a maximum of 100k entries
pc = newPacketCache(100000, {maxTTL=300, minTTL=0, maxNegativeTTL=60})

-- Resolvers over TLS
newServer({address="%(good)s", tls="openssl", caStore="%(ca)s"})
newServer({address="%(stranger)s", tls="openssl", caStore="%(ca)s"})
newServer({address="%(gone)s", tls="openssl", caStore="%(ca)s"})

-- A resolver on this machine
newServer({address="%(local)s"})

getPool(""):setCache(pc)
'''


@needs("openssl", "unbound")
class Forwarder(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ca = peers.Authority(cls)
        cls.good = cls.class_use(FakeServer(udp=False, certificate=ca.issue("IP:127.0.0.1")))
        cls.stranger = cls.class_use(FakeServer(udp=False, certificate=ca.issue("DNS:dns.example")))
        gone = FakeServer(udp=False, tcp=False)
        cls.unbound = cls.class_use(peers.unbound(cls))
        cls.d = cls.class_daemon(CONFIG % {"good": cls.good.address, "stranger": cls.stranger.address,
                                           "gone": gone.address, "local": cls.unbound.address, "ca": ca.certificate},
                                 listen=False, console=False)

    def setUp(self):
        wait_for(lambda: not clients.silent(self.d.port, "www.example."))

    def test_states(self):
        rows = self.d.rows("showServers()")
        self.assertEqual([row[2] for row in rows[:4]], ["up", "down", "down", "up"])
        self.assertEqual([row[0] for row in rows], ["0", "1", "2", "3", "All"])
        self.assertRegex(self.d.output(), rf"{self.stranger.address}[^\n]*certificate")

    def test_answers_and_caches(self):
        d = self.d
        before = d.stats()
        for _ in range(3):
            self.assertEqual(clients.udp(d.port, "www.example.", "A").answer[0].name.to_text(), "www.example.")
            self.assertEqual(clients.tcp(d.port, "www.example.", "A").answer[0].name.to_text(), "www.example.")
        after = d.stats()
        self.assertEqual(after["queries"] - before["queries"], 6)
        self.assertGreaterEqual(after["cache-hits"] - before["cache-hits"], 4)
        self.assertRegex(d.console("showPools()"), r"\d/100000 ")
        self.assertEqual(len(d.rows("showBinds()")), 4)

    def test_both_kinds_of_servers_are_used(self):
        d = self.d
        d.console("getServer(3):setDown()")
        self.assertEqual(clients.udp(d.port, "tls.example.").answer[0][0].to_text(), "192.0.2.1")
        self.assertIn("tls.example.", self.good.names())
        d.console("getServer(3):setAuto(true)")
        d.console("getServer(0):setDown()")
        self.assertEqual(clients.udp(d.port, "local.example.").rcode(), 3)  # Unbound knows better
        d.console("getServer(0):setAuto(true)")

    def test_tables_of_the_document(self):
        head = self.d.console("showServers()").splitlines()[0].split()
        self.assertEqual(head, "# Name Address State Qps Qlim Ord Wt Queries Drops Drate Lat TCP Outstanding Pools".split())
        stats = self.d.stats()
        for name in ("acl-drops", "cache-hits", "cpu-iowait", "doh-query-pipe-full", "dyn-blocked", "fd-usage",
                     "latency-avg1000000", "latency-dot-avg100", "latency-sum", "real-memory-usage", "security-status",
                     "special-memory-usage", "tcp-listen-overflows", "udp6-noport-errors", "uptime"):
            self.assertIn(name, stats)


if __name__ == "__main__":
    main()
