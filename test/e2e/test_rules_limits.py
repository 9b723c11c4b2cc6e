#!/usr/bin/python3
"""Rules about rates, chances and copies: what is over a limit, whose, and what happens to it."""
import time

import dns.edns
import dns.flags
import dns.query

import clients
from fakeserver import FakeServer, address, answer
from harness import TestCase, free_port, has_ipv6, main, wait_for
from ruletools import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, Ask, Console


class Limits(TestCase):
    """Rates of one a second and bursts of some: a test has asked all that it asks before a second is over."""

    RULES = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.other = cls.class_use(FakeServer(lambda q: address(q, ip="192.0.2.99")))
        cls.d = cls.class_daemon(f'''newServer("{cls.server.address}")
            newServer{{address="{cls.other.address}", name="other", pool="other", healthCheckMode="up"}}
            {cls.RULES}''')

    def rcodes(self, name, n, **kw):
        return [Ask(prefix=name, **kw).to(self.d.port).rcode() for _ in range(n)]

    def over(self, name, n, **kw):
        """How many of n are refused; those that are come last."""
        rcodes = self.rcodes(name, n, **kw)
        self.assertEqual(rcodes, sorted(rcodes))
        return rcodes.count(REFUSED)


class Selectors(Limits):
    RULES = '''
        local function limited(name, rule)
            addAction(AndRule{QNameSuffixRule(name), rule}, RCodeAction(DNSRCode.REFUSED))
        end
        limited("rate.test", NotRule(MaxQPSRule(4)))
        limited("rate-client.test", MaxQPSIPRule(4))
        limited("all.test", NotRule(MaxQPSRule(1, 4)))
        limited("burst.test", NotRule(MaxQPSRule(1, 7)))
        limited("zero-burst.test", NotRule(MaxQPSRule(4, 0)))
        limited("client.test", MaxQPSIPRule(1, 32, 64, 3))
        limited("net.test", MaxQPSIPRule(1, 24, 64, 3))
        limited("burst-client.test", MaxQPSIPRule(1, 32, 64, 6))
        limited("v6.test", MaxQPSIPRule(1, 32, 128, 3))
        limited("former-arguments.test", MaxQPSIPRule(1, 32, 64, 3, 60, 10, 5, 2))
        limited("turn.test", AndRule{QNameRule("www.turn.test"), NotRule(MaxQPSRule(1, 3))})
        limited("either.test", OrRule{QNameRule("no.either.test"), NotRule(MaxQPSRule(1, 3))})
        addLocal("[::1]:$PORT")
    '''

    def test_in_total(self):
        self.assertEqual(self.over("all.test", 9), 5)
        self.assertEqual(self.over("burst.test", 9), 2)

    def test_bursts_are_as_long_as_the_rate_unless_told_otherwise(self):
        for name in ("rate.test", "zero-burst.test", "rate-client.test"):
            begin = time.monotonic()
            passed = self.rcodes(name, 12).count(NOERROR)
            self.assertGreaterEqual(passed, 4)
            self.assertLessEqual(passed, 4 + 4 * (time.monotonic() - begin))

    def test_over_udp_and_tcp_together(self):
        with Console(self.d) as console:
            console.run('addAction(AndRule{QNameRule("both.test"), NotRule(MaxQPSRule(1, 4))}, RCodeAction(5), {name="b"})')
            self.assertEqual(self.over("both.test", 3), 0)
            self.assertEqual(self.over("both.test", 3, tcp=True), 2)
            console.run('rmRule("b")')

    def test_by_client(self):
        for i in (2, 3, 4):
            self.assertEqual(self.over("client.test", 5, source=f"127.0.0.{i}"), 2)
        self.assertEqual(self.over("client.test", 2, source="127.0.0.2", tcp=True), 2)
        self.assertEqual(self.over("burst-client.test", 8), 2)
        self.assertEqual(self.over("former-arguments.test", 5), 2)

    def test_by_network(self):
        self.assertEqual(self.over("net.test", 3, source="127.0.1.1"), 0)
        self.assertEqual(self.over("net.test", 2, source="127.0.1.2"), 2)
        self.assertEqual(self.over("net.test", 2, source="127.0.2.2"), 0)

    def test_ipv6_client(self):
        if not has_ipv6():
            self.skipTest("no IPv6 here")
        self.assertEqual(self.over("v6.test", 5, source="::1", where="::1"), 2)
        self.assertEqual(self.over("v6.test", 3), 0)

    def test_a_limit_that_has_no_turn_loses_nothing(self):
        self.assertEqual(self.over("other.turn.test", 9), 0)
        self.assertEqual(self.over("www.turn.test", 5), 2)
        self.assertEqual(self.over("no.either.test", 9), 9)
        self.assertEqual(self.over("www.either.test", 5), 2)

    def test_tokens_come_back(self):
        self.assertEqual(self.over("x.client.test", 5, source="127.0.0.9"), 2)
        time.sleep(1.1)
        self.assertEqual(self.over("x.client.test", 1, source="127.0.0.9"), 0)

    def test_thousands_of_clients(self):
        """Each within its own limit, whatever the others do."""
        for i in range(1000):
            source = f"127.1.{i // 250}.{1 + i % 250}"
            self.assertEqual(self.over("many.client.test", 1, source=source), 0)
        self.assertEqual(self.over("many.client.test", 6, source="127.2.0.1"), 3)

    def test_numbers(self):
        for line, why in (("MaxQPSRule(-1)", "qps must be from 0 to"), ("MaxQPSRule()", "qps is missing"),
                          ("MaxQPSIPRule(5, 33)", "v4Mask must be from 0 to 32"),
                          ("MaxQPSIPRule(5, 32, 129)", "v6Mask must be from 0 to 128"),
                          ("MaxQPSIPRule('five')", "qps must be a"), ("ProbaRule(1.5)", "probability must be from 0 to 1")):
            self.assertIn(why, self.d.console(f"addAction({line}, DropAction())"))


class Chances(Limits):
    RULES = '''
        addAction(AndRule{QNameRule("half.test"), ProbaRule(0.5)}, RCodeAction(DNSRCode.REFUSED))
        addAction(AndRule{QNameRule("always.test"), ProbaRule(1.0)}, RCodeAction(DNSRCode.REFUSED))
        addAction(AndRule{QNameRule("never.test"), ProbaRule(0.0)}, RCodeAction(DNSRCode.REFUSED))
    '''

    def test_half_and_all_and_nothing(self):
        self.assertEqual(self.rcodes("always.test", 100), [REFUSED] * 100)
        self.assertEqual(self.rcodes("never.test", 100), [NOERROR] * 100)
        refused = self.rcodes("half.test", 400).count(REFUSED)
        self.assertGreater(refused, 130)  # seven standard deviations
        self.assertLess(refused, 270)


class Actions(Limits):
    RULES = '''
        addAction("drop.test", QPSAction(2))
        addAction("former.test", QPSLimitAction(2))
        addQPSLimit("old.test", 2)
        addAction("pool.test", QPSPoolAction(2, "other"))
        addAction("go-on.test", QPSPoolAction(2, "other", false))
        addAction("go-on.test", SetTagAction("went", "on"))
        addQPSPoolRule("old-pool.test", 2, "other")
        addPoolRule("always-pool.test", "other")
        setDNSSECPool("other")
        addAction({"pool.test", "go-on.test"}, SetMaxReturnedTTLAction(9))
        addAction("nowhere.test", QPSPoolAction(2, "nowhere"))
    '''

    def test_what_is_above_is_dropped(self):
        before = self.d.stat("rule-drop")
        for name in ("drop.test", "former.test", "old.test"):
            self.assertEqual(self.rcodes(name, 2), [0, 0])
            self.assertTrue(clients.silent(self.d.port, name, timeout=0.2))
        self.assertEqual(self.d.stat("rule-drop") - before, 3)
        with clients.Stream(self.d.port) as s:
            s.send(clients.make("old.test").to_wire())
            s.send(clients.make("old.test").to_wire())
            s.send(clients.make("old.test").to_wire())
            while s.receive() is not None:
                pass  # closed at last by one that is too many

    def asked(self, name, n):
        """(address, TTL) of each answer."""
        answers = [Ask(prefix=name).to(self.d.port).answer[0] for _ in range(n)]
        return [(a[0].to_text()[8:], a.ttl) for a in answers]

    def test_so_many_go_to_the_pool_and_others_go_on(self):
        self.assertEqual(self.asked("pool.test", 4), [("99", 60)] * 2 + [("1", 9)] * 2)
        self.assertEqual(self.asked("go-on.test", 4), [("99", 9)] * 2 + [("1", 9)] * 2)
        self.assertEqual(self.asked("old-pool.test", 4), [("99", 60)] * 2 + [("1", 60)] * 2)

    def test_former_forms_without_a_rate(self):
        self.assertEqual(self.asked("always-pool.test", 4), [("99", 60)] * 4)
        for kw, ip in ((dict(use_edns=0, want_dnssec=True), "99"), (dict(set_flags=dns.flags.CD), "99"), ({}, "1")):
            self.assertEqual(Ask(**kw).to(self.d.port, "signed.test").answer[0][0].to_text(), "192.0.2." + ip)

    def test_a_pool_that_does_not_exist_drops(self):
        self.assertTrue(clients.silent(self.d.port, "nowhere.test", timeout=0.2))
        self.assertTrue(clients.silent(self.d.port, "nowhere.test", timeout=0.2))
        self.assertEqual(self.rcodes("nowhere.test", 1), [0])


class Copies(TestCase):
    KEYS = ("queries", "responses", "recv-errors", "send-errors", "noerrors", "nxdomains", "refuseds", "servfails",
            "other-rcode", "tcp-drops")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())

    def teed(self, arguments="", reply=address, copies=None):
        """A daemon that copies all to a server of this test."""
        self.copies = copies or self.use(FakeServer(reply))
        return self.daemon(f'''newServer("{self.server.address}")
            tee = TeeAction("{self.copies.address}"{arguments})
            addAction(AllRule(), tee)''')

    def stats(self, d):
        with Console(d) as console:
            text = console.run("local t = {} for k, v in pairs(getAction(0):getStats()) do t[#t + 1] = k .. '=' .. v end "
                               "return table.concat(t, ' ')")
        return {k: int(float(v)) for k, v in (word.split("=") for word in text.split())}

    def counted(self, d, **expected):
        """Waits for these figures, the others being zero."""
        expected = {**dict.fromkeys(self.KEYS, 0), **{k.replace("_", "-"): v for k, v in expected.items()}}
        wait_for(lambda: self.stats(d) == expected, 5)
        self.assertEqual(self.stats(d), expected)

    def test_the_client_sees_the_first_server_and_the_second_a_copy(self):
        d = self.teed(reply=lambda q: address(q, ip="192.0.2.99"))
        q = Ask(prefix="x.test", use_edns=0, set_flags=dns.flags.CD).message()
        r = dns.query.udp(q, "127.0.0.1", port=d.port, timeout=5)
        self.assertEqual(r.answer[0][0].to_text(), "192.0.2.1")
        self.assertTrue(wait_for(lambda: self.copies.queries))
        self.assertEqual(self.copies.queries[0].wire[2:], q.to_wire()[2:])
        self.counted(d, queries=1, responses=1, noerrors=1)

    def test_answers_are_counted_by_rcode(self):
        rcodes = {"n": NOERROR, "x": NXDOMAIN, "r": REFUSED, "s": SERVFAIL, "o": 9}
        d = self.teed(reply=lambda q: answer(q, rcode=rcodes[q.name[0]]))
        for name, n in (("n", 5), ("x", 4), ("r", 3), ("s", 2), ("o", 1)):
            for _ in range(n):
                clients.udp(d.port, name + ".test")
        self.counted(d, queries=15, responses=15, noerrors=5, nxdomains=4, refuseds=3, servfails=2, other_rcode=1)
        text = d.console("getAction(0):printStats()")
        self.assertRegex(text, r"(?m)^nxdomains\s+4$")

    def test_queries_over_tcp_are_not_copied(self):
        d = self.teed()
        for _ in range(3):
            clients.tcp(d.port, "x.test")
        clients.udp(d.port, "y.test")
        self.counted(d, queries=1, responses=1, noerrors=1, tcp_drops=3)
        self.assertEqual(self.copies.names(), ["y.test."])

    def test_a_server_that_is_silent(self):
        d = self.teed(reply=lambda q: None)
        clients.udp(d.port, "x.test")
        self.counted(d, queries=1)

    def test_a_server_that_is_not_there(self):
        class Nobody:
            address = f"127.0.0.1:{free_port()}"
        d = self.teed(copies=Nobody)
        for _ in range(3):
            self.assertTrue(clients.udp(d.port, "x.test").answer)
            time.sleep(0.05)
        stats = self.stats(d)
        self.assertEqual((stats["responses"], stats["noerrors"]), (0, 0))
        self.assertGreater(stats["recv-errors"] + stats["send-errors"], 0)

    def test_client_subnet_is_added(self):
        d = self.teed(", true")
        clients.udp(d.port, "x.test")
        clients.udp(d.port, "y.test", use_edns=0, options=[dns.edns.GenericOption(10, b"cookie!!")])
        self.assertTrue(wait_for(lambda: len(self.copies.queries) == 2))
        seen = [[o.to_text() for o in q.message.options if o.otype == dns.edns.ECS] for q in self.copies.queries]
        self.assertEqual(seen, [["ECS 127.0.0.0/24 scope/0"]] * 2)
        self.assertEqual([q.message.edns for q in self.server.queries if q.name == "x.test."][-1], -1)

    def test_address_that_copies_come_from(self):
        d = self.teed(', false, "127.0.0.44"')
        clients.udp(d.port, "x.test")
        self.assertTrue(wait_for(lambda: self.copies.queries))
        self.assertEqual(self.copies.queries[0].peer[0], "127.0.0.44")

    def test_what_is_answered_here_before_is_not_copied(self):
        d = self.teed()
        d.console('addAction("own.test", ContinueAction(SpoofAction("192.0.2.7"))) mvRuleToTop()')
        clients.udp(d.port, "own.test")
        clients.udp(d.port, "x.test")
        self.assertTrue(wait_for(lambda: self.copies.queries))
        self.assertEqual(self.copies.names(), ["x.test."])

    def test_the_rule_may_go_while_copies_flow(self):
        d = self.teed()
        for i in range(20):
            d.console(f'clearRules() addAction(AllRule(), TeeAction("{self.copies.address}"))')
            self.assertTrue(clients.udp(d.port, f"n{i}.test").answer)
        self.assertTrue(wait_for(lambda: len(self.copies.queries) == 20))

    def test_arguments(self):
        for line, why in (('TeeAction("nonsense")', "nonsense"), ('TeeAction("192.0.2.1", false, "::1")', "both be IPv4"),
                          ('TeeAction("192.0.2.1", false, nil, true)', "PROXY")):
            done = self.check(f"addAction(AllRule(), {line})")
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stdout + done.stderr)


if __name__ == "__main__":
    main()
