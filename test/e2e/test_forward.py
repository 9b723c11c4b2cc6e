#!/usr/bin/python3
"""Queries go to a server and its answers come back: UDP and TCP, by dig, kdig and dnspython, against NSD and Unbound."""
import dns.flags
import dns.rcode

import clients
import peers
from harness import TestCase, main, needs


@needs("nsd")
class ForwardToNsd(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nsd = cls.class_use(peers.nsd(cls))
        cls.d = cls.class_daemon(f'newServer({{address="{cls.nsd.address}", checkName="www.example."}})')

    def test_udp(self):
        r = clients.udp(self.d.port, "www.example.")
        self.assertEqual(r.answer[0][0].to_text(), "192.0.2.80")
        self.assertTrue(r.flags & dns.flags.AA)

    def test_tcp(self):
        r = clients.tcp(self.d.port, "www.example.", "AAAA")
        self.assertEqual(r.answer[0][0].to_text(), "2001:db8::80")

    def test_nxdomain_and_nodata(self):
        r = clients.udp(self.d.port, "none.example.")
        self.assertEqual((r.rcode(), len(r.authority)), (dns.rcode.NXDOMAIN, 1))
        r = clients.udp(self.d.port, "www.example.", "MX")
        self.assertEqual((r.rcode(), len(r.answer), len(r.authority)), (dns.rcode.NOERROR, 0, 1))

    def test_alias_and_wildcard(self):
        r = clients.udp(self.d.port, "alias.example.")
        self.assertEqual([x.to_text() for s in r.answer for x in s], ["www.example.", "192.0.2.80"])
        r = clients.udp(self.d.port, "any.thing.wild.example.")
        self.assertEqual(r.answer[0][0].to_text(), "192.0.2.99")

    def test_truncated_answer_is_passed_on_and_whole_over_tcp(self):
        r = clients.udp(self.d.port, "big.example.", "TXT")
        self.assertTrue(r.flags & dns.flags.TC)
        r = clients.tcp(self.d.port, "big.example.", "TXT")
        self.assertFalse(r.flags & dns.flags.TC)
        self.assertGreater(len(r.answer[0][0].to_text()), 3000)

    @needs("dig")
    def test_dig_falls_back_to_tcp(self):
        text = clients.dig(self.d.port, "big.example.", "TXT", "+bufsize=512")
        self.assertIn("Truncated, retrying in TCP mode", text)
        self.assertIn("p" * 200, text)

    @needs("dig")
    def test_dig_sees_flags_and_edns(self):
        text = clients.dig(self.d.port, "www.example.", "A", "+dnssec")
        self.assertRegex(text, r"flags: qr aa rd")
        self.assertRegex(text, r"EDNS: version: 0, flags: do")

    @needs("kdig")
    def test_kdig_many_on_one_connection(self):
        text = clients.kdig(self.d.port, "+tcp", "+keepopen", "www.example.", "A", "www.example.", "AAAA",
                            "none.example.", "A")
        self.assertIn("192.0.2.80", text)
        self.assertIn("2001:db8::80", text)
        self.assertIn("NXDOMAIN", text)

    def test_zone_transfer(self):
        with clients.Stream(self.d.port) as s:
            s.send(clients.make("example.", "AXFR").to_wire())
            r = dns.message.from_wire(s.receive(), xfr=True, one_rr_per_rrset=True)
        self.assertEqual(r.rcode(), dns.rcode.REFUSED)  # this NSD gives its zone to nobody

    def test_counters_follow(self):
        before = self.d.stats()
        for _ in range(3):
            clients.udp(self.d.port, "www.example.")
        clients.udp(self.d.port, "none.example.")
        after = self.d.stats()
        gained = {k: after[k] - before[k] for k in ("queries", "responses", "frontend-noerror",
                                                    "frontend-nxdomain", "rdqueries", "latency-count")}
        self.assertEqual(gained, {"queries": 4, "responses": 4, "frontend-noerror": 3, "frontend-nxdomain": 1,
                                  "rdqueries": 4, "latency-count": 4})


@needs("unbound")
class ForwardToUnbound(TestCase):
    def test_udp_and_tcp(self):
        unbound = self.use(peers.unbound(self))
        d = self.daemon(f'newServer("{unbound.address}")')
        for ask in (clients.udp, clients.tcp):
            r = ask(d.port, "www.example.")
            self.assertEqual(r.answer[0][0].to_text(), "192.0.2.80")
            self.assertTrue(r.flags & dns.flags.RA)
        r = clients.udp(d.port, "none.example.")
        self.assertEqual(r.rcode(), dns.rcode.NXDOMAIN)


class Chain(TestCase):
    @needs("nsd", "dnsdist")
    def test_through_another_dnsdist(self):
        nsd = self.use(peers.nsd(self))
        other = self.daemon(f'newServer({{address="{nsd.address}", checkName="www.example."}})',
                            binary="/usr/bin/dnsdist", name="debian-dnsdist")
        d = self.daemon(f'newServer({{address="127.0.0.1:{other.port}", checkName="www.example."}})')
        for ask in (clients.udp, clients.tcp):
            self.assertEqual(ask(d.port, "www.example.").answer[0][0].to_text(), "192.0.2.80")


if __name__ == "__main__":
    main()
