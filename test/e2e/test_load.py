#!/usr/bin/python3
"""dnsperf: many clients at once lose nothing, and every query is accounted for."""
import os

import clients
import peers
from harness import TestCase, main, needs

QUERIES = 20000


@needs("dnsperf", "nsd")
class Load(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nsd = cls.class_use(peers.nsd(cls))
        cls.queries = os.path.join(cls.folder(), "queries")
        with open(cls.queries, "w") as f:
            for i in range(QUERIES):
                f.write(f"n{i % 5000}.wild.example. A\n")

    def forwarder(self, more=""):
        return self.daemon(f'newServer({{address="{self.nsd.address}", checkName="www.example."}})\n' + more)

    def perf(self, d, *args):
        got = clients.dnsperf(d.port, self.queries, "-n", "1", "-c", "20", "-q", "50", *args)
        self.assertEqual(got["Queries completed"].split()[0], str(QUERIES), got)
        self.assertEqual(got["Queries lost"].split()[0], "0", got)
        self.assertIn(f"NOERROR {QUERIES} (100.00%)", got["Response codes"])

    def accounted(self, d):
        s = d.stats()
        self.assertEqual(s["queries"], QUERIES)
        self.assertEqual(s["queries"] - s["noncompliant-queries"],
                         s["responses"] - s["noncompliant-responses"] + s["downstream-timeouts"] + s["no-policy"]
                         + s["rule-drop"])
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "0")
        return s

    def test_udp(self):
        d = self.forwarder()
        self.perf(d)
        self.assertEqual(self.accounted(d)["latency-count"], QUERIES)

    def test_udp_with_cache(self):
        d = self.forwarder('pc = newPacketCache(10000)\ngetPool(""):setCache(pc)')
        self.perf(d)
        s = self.accounted(d)
        self.assertEqual(s["cache-hits"] + s["cache-misses"], QUERIES)
        self.assertGreater(s["cache-hits"], QUERIES * 0.6)

    def test_tcp(self):
        d = self.forwarder()
        self.perf(d, "-m", "tcp")
        self.accounted(d)

    def test_topology_changes_meanwhile(self):
        """Servers come and go, caches are emptied and tables published while queries fly."""
        d = self.forwarder(f'pc = newPacketCache(10000)\ngetPool(""):setCache(pc)\n'
                           f'''function maintenance()
                               local s = newServer({{address="{self.nsd.address}", checkName="www.example."}})
                               pc:expunge(0)
                               addACL("192.0.2." .. (os.time() % 250))
                               rmServer(s)
                           end''')
        self.perf(d, "-Q", "8000")
        self.accounted(d)


if __name__ == "__main__":
    main()
