#!/usr/bin/python3
"""The eight chains: each sees what it is for, in its place, and nothing else; what it drops is dropped."""
import re
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

import clients
import peers
from fakeserver import FakeServer, address, answer
from harness import TestCase, main, needs, wait_for


def matches(d, chain):
    """Of the rules of a chain, in order."""
    return [int(row[0]) for row in
            (line[34:].split() for line in d.console(f"show{chain}Rules()").splitlines()[1:])]


class Chains(TestCase):
    """Every chain has a rule that counts and one that drops names of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(cls.reply))
        cls.d = cls.class_daemon(f'''
            newServer({{address="{cls.server.address}", udpTimeout=1, tcpRecvTimeout=1}})
            getPool(""):setCache(newPacketCache(1000))
            addAction(QNameRule("drop.query.test"), DropAction())
            addAction(QNameSuffixRule("refused.test"), RCodeAction(DNSRCode.REFUSED))
            addCacheMissAction(QNameRule("drop.miss.test"), DropAction())
            addCacheMissAction(QNameRule("spoof.miss.test"), SpoofAction("192.0.2.77"))
            addResponseAction(QNameRule("drop.response.test"), DropResponseAction())
            addCacheHitResponseAction(QNameRule("drop.hit.test"), DropResponseAction())
            addCacheInsertedResponseAction(QNameRule("drop.inserted.test"), DropResponseAction())
            addSelfAnsweredResponseAction(QNameRule("drop.refused.test"), DropResponseAction())
            for _, add in ipairs({{addCacheHitResponseAction, addCacheInsertedResponseAction, addResponseAction,
                                   addSelfAnsweredResponseAction, addTimeoutResponseAction, addXFRResponseAction}}) do
                add(AllRule(), AllowResponseAction())
            end
            addCacheMissAction(AllRule(), NoneAction())
            addAction(AllRule(), NoneAction())
        ''')

    @staticmethod
    def reply(query):
        return None if query.name.startswith("silent.") else address(query)

    CHAINS = ("", "CacheMiss", "Response", "CacheHitResponse", "CacheInsertedResponse", "SelfAnsweredResponse",
              "XFRResponse", "TimeoutResponse")

    def moved(self, ask):
        """What ask() adds to the last rule of each chain."""
        before = {c: matches(self.d, c)[-1] for c in self.CHAINS}
        ask()
        after = {c: matches(self.d, c)[-1] for c in self.CHAINS}
        return {c or "Query": after[c] - before[c] for c in self.CHAINS if after[c] != before[c]}

    def test_a_miss_and_then_a_hit(self):
        self.assertEqual(self.moved(lambda: clients.udp(self.d.port, "one.test")),
                         {"Query": 1, "CacheMiss": 1, "Response": 1, "CacheInsertedResponse": 1})
        self.assertEqual(self.moved(lambda: clients.udp(self.d.port, "one.test")),
                         {"Query": 1, "CacheHitResponse": 1})

    def test_over_tcp(self):
        self.assertEqual(self.moved(lambda: clients.tcp(self.d.port, "two.test")),
                         {"Query": 1, "CacheMiss": 1, "Response": 1, "CacheInsertedResponse": 1})
        self.assertEqual(self.moved(lambda: clients.tcp(self.d.port, "two.test")),
                         {"Query": 1, "CacheHitResponse": 1})

    def test_an_answer_of_our_own(self):
        r = []
        self.assertEqual(self.moved(lambda: r.append(clients.udp(self.d.port, "a.refused.test"))),
                         {"SelfAnsweredResponse": 1})
        self.assertEqual(r[0].rcode(), dns.rcode.REFUSED)

    def test_an_answer_of_our_own_to_what_the_cache_has_not(self):
        r = []
        self.assertEqual(self.moved(lambda: r.append(clients.udp(self.d.port, "spoof.miss.test"))),
                         {"Query": 1, "SelfAnsweredResponse": 1})
        self.assertEqual(r[0].answer[0][0].to_text(), "192.0.2.77")
        self.assertNotIn("spoof.miss.test.", self.server.names())

    def test_a_timeout(self):
        def ask():
            self.assertTrue(clients.silent(self.d.port, "silent.test", timeout=1.6))
        self.assertEqual(self.moved(ask), {"Query": 1, "CacheMiss": 1, "TimeoutResponse": 1})

    def test_drops(self):
        for name in ("query", "miss", "response", "inserted"):
            with self.subTest(chain=name):
                self.assertTrue(clients.silent(self.d.port, f"drop.{name}.test"))
        self.assertNotIn("drop.query.test.", self.server.names())
        self.assertNotIn("drop.miss.test.", self.server.names())
        self.assertIn("drop.response.test.", self.server.names())

    def test_a_dropped_hit(self):
        clients.udp(self.d.port, "drop.hit.test")  # a miss passes
        before = self.d.stats()
        self.assertTrue(clients.silent(self.d.port, "drop.hit.test"))
        after = self.d.stats()
        self.assertEqual((after["cache-hits"], after["cache-misses"]), (before["cache-hits"], before["cache-misses"]))

    def test_what_was_inserted_is_there_although_its_answer_was_dropped(self):
        self.assertTrue(clients.silent(self.d.port, "drop.inserted.test", "TXT"))
        clients.udp(self.d.port, "drop.inserted.test", "TXT")
        asked = [q.message.question[0].rdtype for q in self.server.queries if q.name == "drop.inserted.test."]
        self.assertEqual(asked.count(dns.rdatatype.TXT), 1)

    def test_a_dropped_answer_of_our_own(self):
        self.assertTrue(clients.silent(self.d.port, "drop.refused.test"))

    def test_a_drop_over_tcp_ends_the_connection(self):
        for name in ("query", "miss", "response", "inserted"):
            with self.subTest(chain=name), clients.Stream(self.d.port) as s:
                s.send(clients.make(f"drop.{name}.test", "AAAA").to_wire())
                self.assertIsNone(s.receive())

    def test_only_drops_of_queries_count_as_such(self):
        before = self.d.stats()
        for name in ("query", "miss", "response"):
            self.assertTrue(clients.silent(self.d.port, f"drop.{name}.test", "MX", timeout=0.3))
        after = self.d.stats()
        self.assertEqual(after["rule-drop"] - before["rule-drop"], 2)

    def test_a_query_without_a_question_is_answered_past_the_rules(self):
        wire = b"\x12\x34\x01\x00" + bytes(8)
        got = []
        self.assertEqual(self.moved(lambda: got.append(clients.send_udp(self.d.port, wire))),
                         {"SelfAnsweredResponse": 1})
        r = dns.message.from_wire(got[0])
        self.assertEqual(r.rcode(), dns.rcode.NOTIMP)
        self.assertEqual(r.flags & 0xfff0, dns.flags.QR | dns.flags.RD | dns.flags.RA)


@needs("nsd")
class Transfers(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nsd = cls.class_use(peers.nsd(cls, transfers=True, hosts=1000))

    def transfer(self, config):
        d = self.daemon(f'newServer({{address="{self.nsd.address}", checkName="www.example."}})\n' + config)
        return d, clients.dig(d.port, "example", "AXFR", "+tcp")

    def test_each_message_is_seen_by_its_chain_alone(self):
        d, text = self.transfer('addXFRResponseAction(AllRule(), AllowResponseAction()) '
                                'addResponseAction(AllRule(), AllowResponseAction())')
        messages = int(re.search(r"XFR size: 1\d\d\d records \(messages (\d+)", text).group(1))
        self.assertGreater(messages, 5)
        self.assertEqual(matches(d, "XFRResponse"), [messages])
        self.assertEqual(matches(d, "Response"), [0])

    def test_a_message_that_is_dropped_ends_the_transfer(self):
        d, text = self.transfer('addXFRResponseAction(AllRule(), DropResponseAction())')
        self.assertNotRegex(text, r"XFR size: [1-9]")
        self.assertEqual(clients.tcp(d.port, "www.example.").answer[0][0].to_text(), "192.0.2.80")

    def test_a_transfer_of_many_messages_ends_at_the_one_that_is_dropped(self):
        d, text = self.transfer('addXFRResponseAction(NotRule(MaxQPSRule(2)), DropResponseAction())')
        self.assertNotRegex(text, r"XFR size")
        self.assertEqual(matches(d, "XFRResponse"), [1])
        self.assertEqual(clients.tcp(d.port, "www.example.").answer[0][0].to_text(), "192.0.2.80")


class Order(TestCase):
    """What answers go through before and after they are kept."""

    def test_what_response_rules_do_is_kept_and_what_inserted_rules_do_is_not(self):
        server = self.use(FakeServer(lambda q: address(q, ttl=100)))
        d = self.daemon(f'''
            newServer("{server.address}")
            getPool(""):setCache(newPacketCache(1000))
            addResponseAction(AllRule(), SetMinTTLResponseAction(5000))
            addCacheInsertedResponseAction(AllRule(), SetMaxTTLResponseAction(7))
        ''')
        self.assertEqual(clients.udp(d.port, "a.test").answer[0].ttl, 7)
        self.assertGreater(clients.udp(d.port, "a.test").answer[0].ttl, 4990)

    def test_a_cap_for_the_client_is_not_kept(self):
        server = self.use(FakeServer(lambda q: address(q, ttl=100)))
        d = self.daemon(f'''
            newServer("{server.address}")
            getPool(""):setCache(newPacketCache(1000))
            addResponseAction(AllRule(), SetMaxReturnedTTLResponseAction(9))
        ''')
        self.assertEqual(clients.udp(d.port, "a.test").answer[0].ttl, 9)
        self.assertGreater(clients.udp(d.port, "a.test").answer[0].ttl, 90)

    def test_what_misses_add_to_the_query_is_not_part_of_what_the_cache_knows_it_by(self):
        server = self.use(FakeServer())
        d = self.daemon(f'''
            newServer("{server.address}")
            getPool(""):setCache(newPacketCache(1000))
            addCacheMissAction(AllRule(), SetNoRecurseAction())
            addCacheMissAction(AllRule(), SetEDNSOptionAction(65001, "x"))
        ''')
        for _ in range(2):
            r = clients.udp(d.port, "a.test")
            self.assertTrue(r.flags & dns.flags.RD)
            self.assertEqual(r.edns, -1)
        self.assertEqual(len(server.queries), 1)
        asked = server.queries[0].message
        self.assertFalse(asked.flags & dns.flags.RD)
        self.assertEqual([o.otype for o in asked.options], [65001])

    def test_a_pool_chosen_at_a_miss_keeps_the_answer_in_its_cache(self):
        one, two = self.use(FakeServer()), self.use(FakeServer(lambda q: address(q, ip="192.0.2.2")))
        d = self.daemon(f'''
            newServer("{one.address}")
            newServer({{address="{two.address}", pool="two"}})
            getPool(""):setCache(newPacketCache(1000))
            other = newPacketCache(1000)
            getPool("two"):setCache(other)
            addCacheMissAction(QNameSuffixRule("two.test"), PoolAction("two"))
        ''')
        self.assertEqual(clients.udp(d.port, "a.two.test").answer[0][0].to_text(), "192.0.2.2")
        self.assertEqual(d.lua("other:getStats().entries"), "1")
        clients.udp(d.port, "a.two.test")  # asks the default pool's cache, which has it not
        self.assertEqual((len(one.queries), len(two.queries)), (0, 2))


class Pools(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.class_use(FakeServer())
        cls.two = cls.class_use(FakeServer(lambda q: address(q, ip="192.0.2.2")))
        cls.d = cls.class_daemon(f'''
            newServer("{cls.one.address}")
            newServer({{address="{cls.two.address}", pool="two"}})
            addAction(QNameSuffixRule("go-on.test"), PoolAction("two", false))
            addAction(QNameSuffixRule("go-on.test"), PoolAction(""))
            addAction(QNameSuffixRule("two.test"), PoolAction("two"))
            addAction(QNameSuffixRule("nowhere.test"), PoolAction("nowhere"))
            addAction(QNameSuffixRule("later.test"), PoolAction("later"))
            addAction(QNameSuffixRule("two.test"), RCodeAction(DNSRCode.REFUSED))
        ''')

    def ip(self, name):
        return clients.udp(self.d.port, name).answer[0][0].to_text()

    def test_a_pool_ends_the_chain(self):
        self.assertEqual(self.ip("a.two.test"), "192.0.2.2")

    def test_unless_told_to_go_on(self):
        self.assertEqual(self.ip("a.go-on.test"), "192.0.2.1")

    def test_a_pool_that_does_not_exist_drops(self):
        self.assertTrue(clients.silent(self.d.port, "a.nowhere.test"))
        self.assertIn("sends to pool 'nowhere', which does not exist", self.d.output())

    def test_a_pool_that_comes_later_is_found(self):
        self.assertTrue(clients.silent(self.d.port, "a.later.test", timeout=0.2))
        self.d.console(f'newServer({{address="{self.two.address}", pool="later", name="late"}})')
        wait_for(lambda: "up" in self.d.console("showServers()").splitlines()[3].lower())
        self.assertEqual(self.ip("a.later.test"), "192.0.2.2")


class Delays(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'''
            newServer("{cls.server.address}")
            getPool(""):setCache(newPacketCache(1000))
            addAction(QNameSuffixRule("slow.test"), DelayAction(300))
            addAction(QNameRule("spoofed.slow.test"), SpoofAction("192.0.2.9"))
            addResponseAction(QNameSuffixRule("slow-answer.test"), DelayResponseAction(300))
        ''')

    def took(self, ask, name):
        begin = time.monotonic()
        ask(self.d.port, name)
        return time.monotonic() - begin

    def test_answers_of_servers_of_the_cache_and_of_our_own_are_held(self):
        for name in ("a.slow.test", "a.slow.test", "spoofed.slow.test", "a.slow-answer.test"):
            with self.subTest(name=name):
                self.assertGreaterEqual(self.took(clients.udp, name), 0.3)

    def test_the_others_pass(self):
        self.assertLess(self.took(clients.udp, "a.fast.test"), 0.25)

    def test_nothing_is_held_over_tcp(self):
        self.assertLess(self.took(clients.tcp, "b.slow.test"), 0.25)

    def test_many_at_once_come_back_whole(self):
        names = [f"n{i}.slow.test" for i in range(200)]
        import concurrent.futures
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda n: clients.udp(self.d.port, n), names))
        for name, r in zip(names, answers):
            self.assertEqual(r.question[0].name.to_text(), name + ".")
            self.assertEqual(r.answer[0][0].to_text(), "192.0.2.1")


if __name__ == "__main__":
    main()
