#!/usr/bin/python3
"""The packet cache as a client and an operator see it: hits, ageing, what is kept apart, what is never kept."""
import os
import time

import dns.edns
import dns.flags
import dns.rcode

import clients
from fakeserver import FakeServer, address, answer
from harness import TestCase, main, wait_for

SOA = "example. 300 IN SOA ns1.example. admin.example. 1 3600 600 86400 60"

CONFIG = '''
pc = newPacketCache(%s)
getPool(""):setCache(pc)
newServer("%s")
'''


def by_name(query):
    """What the server does is in the first label of what is asked."""
    q = query.message.question[0]
    kind = q.name.labels[0].decode().lower()
    if kind == "nx":
        return answer(query, rcode=dns.rcode.NXDOMAIN, authority=[SOA])
    if kind == "nodata":
        return answer(query, authority=[SOA])
    if kind == "servfail":
        return answer(query, rcode=dns.rcode.SERVFAIL)
    if kind == "refused":
        return answer(query, rcode=dns.rcode.REFUSED)
    if kind == "norecords":
        return answer(query)
    if kind == "truncated":
        return answer(query, flags=dns.flags.TC)
    if kind.startswith("ttl"):
        return address(query, ttl=int(kind[3:].split("-")[0]))
    return address(query)


class CacheCase(TestCase):
    OPTIONS = "1000"
    MORE = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(by_name))
        cls.d = cls.class_daemon(CONFIG % (cls.OPTIONS, cls.server.address) + cls.MORE)

    def asked(self, name):
        return self.server.names().count(name)

    def twice(self, name, rtype="A", **kw):
        """Asks two times; how many of them the server saw, and the second answer."""
        before = self.asked(name)
        clients.udp(self.d.port, name, rtype, **kw)
        r = clients.udp(self.d.port, name, rtype, **kw)
        return self.asked(name) - before, r


class Hits(CacheCase):
    def test_second_query_is_a_hit(self):
        before = self.d.stats()
        asked, r = self.twice("hit.example.")
        self.assertEqual((asked, r.answer[0][0].to_text()), (1, "192.0.2.1"))
        after = self.d.stats()
        self.assertEqual(after["cache-hits"] - before["cache-hits"], 1)
        self.assertEqual(after["cache-misses"] - before["cache-misses"], 1)
        self.assertEqual(after["responses"] - before["responses"], 2)

    def test_case_of_the_name_does_not_matter_and_comes_back(self):
        clients.udp(self.d.port, "case.example.")
        r = clients.udp(self.d.port, "CaSe.ExAmPlE.")
        self.assertEqual(self.asked("case.example."), 1)
        self.assertEqual(r.question[0].name.to_text(), "CaSe.ExAmPlE.")

    def test_id_and_flags_are_the_querys(self):
        q = clients.make("flags.example.")
        clients.udp(self.d.port, "flags.example.")
        for _ in range(3):
            q.id = (q.id + 4711) % 65536
            r = dns.message.from_wire(clients.send_udp(self.d.port, q.to_wire()))
            self.assertEqual(r.id, q.id)
            self.assertTrue(r.flags & dns.flags.RD and r.flags & dns.flags.RA and r.flags & dns.flags.QR)

    def test_ttl_ages(self):
        clients.udp(self.d.port, "ttl100.example.")
        end = time.monotonic() + 5
        ttl = 100
        while ttl > 98 and time.monotonic() < end:
            time.sleep(0.2)
            ttl = clients.udp(self.d.port, "ttl100.example.").answer[0].ttl
        self.assertIn(ttl, (97, 98))
        self.assertEqual(self.asked("ttl100.example."), 1)

    def test_expired_entry_is_asked_again(self):
        clients.udp(self.d.port, "ttl1.example.")
        wait_for(lambda: clients.udp(self.d.port, "ttl1.example.") and self.asked("ttl1.example.") == 2, 4, 0.1)
        self.assertEqual(self.asked("ttl1.example."), 2)

    def test_type_class_rd_cd_do_edns_and_transport_are_kept_apart(self):
        name = "apart.example."
        ways = [lambda: clients.udp(self.d.port, name),
                lambda: clients.udp(self.d.port, name, "AAAA"),
                lambda: clients.udp(self.d.port, name, use_edns=0, payload=1232),
                lambda: clients.udp(self.d.port, name, want_dnssec=True),
                lambda: clients.udp(self.d.port, name, use_edns=0, payload=4096),
                lambda: clients.udp(self.d.port, name, flags=0),
                lambda: clients.udp(self.d.port, name, flags=dns.flags.RD | dns.flags.CD),
                lambda: clients.tcp(self.d.port, name)]
        for n, way in enumerate(ways):
            way()
            self.assertEqual(self.asked(name), n + 1, f"way {n}")
        for way in ways:
            way()
        self.assertEqual(self.asked(name), len(ways))

    def test_cookie_does_not_keep_apart(self):
        for cookie in (b"abcdefgh", b"12345678"):
            clients.udp(self.d.port, "cookie.example.", use_edns=0,
                        options=[dns.edns.GenericOption(10, cookie)])
        self.assertEqual(self.asked("cookie.example."), 1)

    def test_other_options_keep_apart(self):
        for data in (b"a", b"b"):
            clients.udp(self.d.port, "option.example.", use_edns=0, options=[dns.edns.GenericOption(65001, data)])
        self.assertEqual(self.asked("option.example."), 2)


class NotKept(CacheCase):
    OPTIONS = "1000, {minTTL=10, maxTTL=20, maxNegativeTTL=1, temporaryFailureTTL=0}"

    def test_failures_with_temporary_ttl_0(self):
        self.assertEqual(self.twice("servfail.example.")[0], 2)
        self.assertEqual(self.twice("refused.example.")[0], 2)

    def test_answer_without_records(self):
        self.assertEqual(self.twice("norecords.example.")[0], 2)

    def test_truncated_answer_without_records(self):
        self.assertEqual(self.twice("truncated.example.")[0], 2)

    def test_ttl_below_the_least(self):
        before = self.d.console("pc:getStats().ttlTooShorts")
        self.assertEqual(self.twice("ttl9.example.")[0], 2)
        self.assertEqual(int(self.d.console("pc:getStats().ttlTooShorts")) - int(before), 2)
        self.assertEqual(self.twice("ttl10.example.")[0], 1)

    def test_ttl_served_is_not_capped(self):
        asked, r = self.twice("ttl86400.example.")
        self.assertEqual(asked, 1)
        self.assertGreater(r.answer[0].ttl, 86000)

    def test_negative_answers_below_the_least(self):
        self.assertEqual(self.twice("nx.example.")[0], 2)  # capped to 1, which is below 10
        self.assertEqual(self.twice("nodata.example.")[0], 2)


class Negative(CacheCase):
    OPTIONS = "1000, {maxNegativeTTL=2, temporaryFailureTTL=2, truncatedTTL=2}"

    def expires(self, name):
        self.assertEqual(self.twice(name)[0], 1)
        wait_for(lambda: clients.udp(self.d.port, name) and self.asked(name) == 2, 5, 0.2)
        self.assertEqual(self.asked(name), 2)

    def test_nxdomain(self):
        self.expires("nx.example.")

    def test_nodata(self):
        self.expires("nodata.example.")

    def test_servfail(self):
        self.expires("servfail.example.")

    def test_truncated(self):
        self.expires("truncated.example.")


class Operator(CacheCase):
    def setUp(self):
        self.d.console("pc:expunge(0)")

    def fill(self, *names):
        for name in names:
            clients.udp(self.d.port, name)

    def entries(self):
        return self.d.console("pc:toString()")

    def test_to_string_and_full(self):
        self.fill("a.example.", "b.example.")
        self.assertEqual(self.entries(), "PacketCache (2/1000)")
        self.assertEqual(self.d.lua("pc:isFull()"), "false")

    def test_expunge(self):
        self.fill("a.example.", "b.example.", "c.example.")
        self.d.console("pc:expunge(1)")
        self.assertEqual(self.entries(), "PacketCache (1/1000)")

    def test_expunge_by_name(self):
        self.fill("a.example.", "b.example.", "x.b.example.")
        clients.udp(self.d.port, "a.example.", "AAAA")
        self.assertIn("Expunged 1 records", self.d.console('pc:expungeByName(newDNSName("A.example."), DNSQType.A)'))
        self.assertEqual(self.entries(), "PacketCache (3/1000)")
        self.assertIn("Expunged 2 records", self.d.console('pc:expungeByName(newDNSName("b.example."), DNSQType.ANY, true)'))
        self.assertEqual(self.entries(), "PacketCache (1/1000)")
        clients.udp(self.d.port, "a.example.", "AAAA")
        clients.udp(self.d.port, "b.example.")
        self.assertEqual(self.entries(), "PacketCache (2/1000)")

    def test_purge_expired(self):
        self.fill("ttl1.example.", "ttl60.example.")
        wait_for(lambda: self.d.console("pc:purgeExpired(0)") and self.entries() == "PacketCache (1/1000)", 4, 0.2)
        self.assertEqual(self.entries(), "PacketCache (1/1000)")

    def test_print_stats(self):
        self.fill("a.example.", "a.example.")
        text = self.d.console("pc:printStats()")
        self.assertIn("Entries: 1/1000\n", text)
        for line in ("Hits: ", "Misses: ", "Deferred inserts: ", "Deferred lookups: ", "Lookup Collisions: ",
                     "Insert Collisions: ", "TTL Too Shorts: "):
            self.assertIn(line, text)

    def test_show_pools(self):
        self.fill("a.example.")
        self.assertIn("1/1000", self.d.console("showPools()"))

    def test_dump(self):
        self.fill("dumped.example.")
        path = os.path.join(self.folder(), "dump")
        self.assertIn("Dumped 1 records", self.d.console(f'pc:dump("{path}")'))
        with open(path) as f:
            lines = [line for line in f if not line.startswith(";")]
        self.assertRegex(lines[0], r"^dumped\.example\. \d+ IN A ;")
        self.assertIn("Error opening dump file", self.d.console(f'pc:dump("{path}")'))


class Full(CacheCase):
    OPTIONS = "100"

    def test_full_cache_still_takes_new_names(self):
        for i in range(300):
            clients.udp(self.d.port, f"n{i}.example.")
        self.assertEqual(self.twice("new.example.")[0], 1)
        self.assertLessEqual(int(self.d.console("pc:getStats().entries")), 100)


class Stale(TestCase):
    def test_stale_answers_while_no_server_is_up(self):
        server = self.use(FakeServer(by_name))
        d = self.daemon(CONFIG % ("1000, {staleTTL=7}", server.address) + "setStaleCacheEntriesTTL(600)")
        clients.udp(d.port, "ttl1.example.")
        d.console("getServer(0):setDown()")
        r = wait_for(lambda: next((r for r in [clients.udp(d.port, "ttl1.example.")] if r.answer[0].ttl == 7), None),
                     5, 0.2)
        self.assertTrue(r)
        self.assertEqual(server.names().count("ttl1.example."), 1)
        self.assertTrue(clients.silent(d.port, "unknown.example."))
        d.console("getServer(0):setUp()")
        self.assertEqual(clients.udp(d.port, "ttl1.example.").answer[0].ttl, 1)


class Ageing(CacheCase):
    OPTIONS = "1000, {dontAge=true}"

    def test_dont_age(self):
        clients.udp(self.d.port, "ttl100.example.")
        time.sleep(1.2)
        self.assertEqual(clients.udp(self.d.port, "ttl100.example.").answer[0].ttl, 100)


class Shared(TestCase):
    def test_pools_with_caches_of_their_own_and_shared(self):
        server = self.use(FakeServer(by_name))
        d = self.daemon(f'''
            one = newPacketCache(100)
            getPool("a"):setCache(one)
            getPool(""):setCache(one)
            newServer({{address="{server.address}", pool={{"", "a"}}}})
        ''')
        clients.udp(d.port, "x.example.")
        self.assertEqual(d.console("one:toString()"), "PacketCache (1/100)")
        self.assertEqual(d.console('getPool("a"):getCache():toString()'), "PacketCache (1/100)")
        d.console('getPool(""):unsetCache()')
        clients.udp(d.port, "x.example.")
        self.assertEqual(server.names().count("x.example."), 2)


if __name__ == "__main__":
    main()
