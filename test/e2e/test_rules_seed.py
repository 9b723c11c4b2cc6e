#!/usr/bin/python3
"""The documentation's page on packet policies: each of its examples as it stands there, doing what the text says."""
import time

import dns.exception
import dns.flags

import clients
from fakeserver import FakeServer, address
from harness import TestCase, main
from ruletools import Ask

RD, TC = dns.flags.RD, dns.flags.TC


class Page(TestCase):
    """Each example on a daemon of its own, before a server that shows what arrived."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())

    def start(self, example):
        return self.daemon(f'newServer("{self.server.address}")\n{example}')

    def spend(self, d, source="127.0.0.1", n=5, **kw):
        """What a client may ask in a second, at once."""
        for _ in range(n):
            r = Ask(source=source, **kw).to(d.port, "test")
            self.assertTrue(r.answer)
            self.assertTrue(self.server.queries[-1].message.flags & RD)

    def soon(self, is_over):
        """Whether it is over the limit, at once or, on a machine so slow that some may be asked meanwhile, soon."""
        return any(is_over() for _ in range(20))

    def is_dropped(self, d):
        return clients.silent(d.port, "www.test", timeout=0.15)

    def took(self, d, **kw):
        begin = time.monotonic()
        Ask(**kw).to(d.port, "test")
        return time.monotonic() - begin


class PerClient(Page):
    def test_delayed(self):
        d = self.start('addAction(MaxQPSIPRule(5, 32, 48), DelayAction(100))')
        self.spend(d)
        self.assertTrue(self.soon(lambda: self.took(d) >= 0.1))
        self.assertLess(self.took(d, source="127.0.0.2"), 0.09)
        self.spend(d, "127.0.0.3", n=4)
        self.assertLess(self.took(d, source="127.0.0.3"), 0.09)
        self.assertTrue(self.soon(lambda: self.took(d, source="127.0.0.3") >= 0.1))

    def test_only_traffic_over_udp_is_delayed(self):
        d = self.start('addAction(MaxQPSIPRule(5, 32, 48), DelayAction(100))')
        self.spend(d, tcp=True)
        self.assertLess(self.took(d, tcp=True), 0.09)

    def test_rd_is_taken_out(self):
        d = self.start('addAction(MaxQPSIPRule(5), SetNoRecurseAction())')
        self.spend(d)

        def is_without():
            self.assertTrue(Ask().to(d.port, "test").flags & RD)
            return not self.server.queries[-1].message.flags & RD
        self.assertTrue(self.soon(is_without))
        self.spend(d, "127.0.0.2")

    def test_dropped(self):
        d = self.start('addAction(MaxQPSIPRule(5), DropAction())')
        self.spend(d)
        self.assertTrue(self.soon(lambda: self.is_dropped(d)))
        self.spend(d, "127.0.0.2")

    def test_truncated_for_those_that_do_not_use_tcp(self):
        d = self.start('addAction(AndRule{MaxQPSIPRule(5), TCPRule(false)}, TCAction())')
        self.spend(d)
        self.assertTrue(self.soon(lambda: Ask().to(d.port, "test").flags & TC))
        self.assertTrue(Ask(tcp=True).to(d.port, "test").answer)
        self.assertIn("192.0.2.1", clients.dig(d.port, "www.test", "A", "+short"))  # falls back to TCP by itself

    def test_without_tcp_rule_all_get_tc(self):
        """Over UDP; over TCP TCAction does nothing, whatever the text says of that."""
        d = self.start('addAction(MaxQPSIPRule(5), TCAction())')
        self.spend(d)
        self.assertTrue(self.soon(lambda: Ask().to(d.port, "test").flags & TC))
        self.assertFalse(Ask(tcp=True).to(d.port, "test").flags & TC)

    def test_all_examples_in_one_configuration(self):
        d = self.start('''
addAction(MaxQPSIPRule(5, 32, 48), DelayAction(100))
addAction(MaxQPSIPRule(5), SetNoRecurseAction())
addAction(MaxQPSIPRule(5), DropAction())


addAction(AndRule{MaxQPSIPRule(5), TCPRule(false)}, TCAction())
''')
        self.spend(d)
        self.assertTrue(self.soon(lambda: self.is_dropped(d)))
        self.assertEqual([row[-2:] for row in d.rows("showRules()")],
                         [["100", "ms"], ["set", "rd=0"], ["5", "drop"], ["tc=1", "answer"]])


class InTotal(Page):
    """The text's own rate, 5000, is met by no client of a test; what it means shows with a small one too."""

    def test_global_limit(self):
        for action, seen in (("DelayAction(100)", "delayed"), ("SetNoRecurseAction()", "without RD"),
                             ("DropAction()", "dropped"), ("TCAction()", "truncated")):
            with self.subTest(action):
                d = self.start(f'addAction(NotRule(MaxQPSRule(5)), {action})')
                for i in range(5):
                    self.spend(d, f"127.0.0.{i + 1}", n=1)
                self.assertTrue(self.soon(lambda: self.found(d) == seen))

    def found(self, d):
        begin = time.monotonic()
        try:
            r = Ask(source="127.0.0.9", timeout=0.3).to(d.port, "test")
        except dns.exception.Timeout:
            return "dropped"
        if r.flags & TC:
            return "truncated"
        if time.monotonic() - begin >= 0.1:
            return "delayed"
        return "passed" if self.server.queries[-1].message.flags & RD else "without RD"

    def test_as_printed(self):
        d = self.start('addAction(NotRule(MaxQPSRule(5000)), DropAction())')
        self.spend(d, n=50)


class RegularExpressions(Page):
    def test_as_printed(self):
        d = self.start('''
addAction(RegexRule("[0-9]{5,}"), DelayAction(750)) -- milliseconds
addAction(RegexRule("[0-9]{4,}\\\\.example$"), DropAction())
''')
        self.assertGreaterEqual(self.took(d, prefix="a12345b.c"), 0.75)
        self.assertLess(self.took(d, prefix="a1234b.5.c"), 0.7)
        for name in ("1234.example", "www.a12345.EXAMPLE"):
            self.assertTrue(clients.silent(d.port, name, timeout=0.2), name)
        for name in ("123.example", "1234.a.example", "1234.example.org", "1234xexample"):
            self.assertTrue(Ask(prefix=name).to(d.port).answer, name)

    def test_letter_case_and_no_dot_at_the_end(self):
        d = self.start('addAction(RegexRule("^AbC\\\\.test$"), DropAction())')
        self.assertTrue(clients.silent(d.port, "aBc.TEST.", timeout=0.2))
        self.assertTrue(Ask(prefix="abc.test.x").to(d.port).answer)

    def test_re2(self):
        d = self.start('addAction(RE2Rule("[0-9]{4,}\\\\.example"), DropAction())')
        self.assertTrue(clients.silent(d.port, "1234.example.", timeout=0.2))
        self.assertTrue(Ask(prefix="www.1234.example").to(d.port).answer)

    def test_names_in_a_list(self):
        d = self.start('addAction(QNameSuffixRule({"example.com", "example.net"}), DropAction())')
        self.assertTrue(clients.silent(d.port, "www.example.net.", timeout=0.2))
        self.assertTrue(Ask(prefix="www.example.org").to(d.port).answer)


class ManagingRules(Page):
    # What is typed after the prompts, and what then stands in the columns of the page. Since the page was
    # written there is a column of names, and a text in front of the names that a rule is for.
    TYPED = ('addAction("", QPSAction(10))', 'addAction({"", ""} , QPSAction(20))',
             'addAction({"nl.", "be."}, QPSAction(1))')
    SHOWN = [("0", "0", "qname in .", "qps limit to 10"), ("1", "0", "qname in .", "qps limit to 20"),
             ("2", "0", "qname in nl., be.", "qps limit to 1")]

    def rows(self, text):
        head, *lines = text.splitlines()
        at = [head.index(title) for title in ("Name", "Rule", "Action")]
        return [(line[:at[0]].strip(), line[at[0]:at[1]].split()[-1], line[at[1]:at[2]].strip(), line[at[2]:].strip())
                for line in lines]

    def test_typed_one_after_the_other(self):
        d = self.start("")
        done = d.client(stdin="\n".join(self.TYPED + ("showRules()", "")))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.rows(done.stdout), self.SHOWN)

    def test_shown_counted_and_removed(self):
        d = self.start("\n".join(self.TYPED))
        self.assertEqual(self.rows(d.console("showRules()")), self.SHOWN)
        self.assertTrue(Ask(prefix="www.nl").to(d.port).answer)
        self.assertRaises(dns.exception.Timeout, Ask(prefix="www.be", timeout=0.15).to, d.port)
        self.assertTrue(Ask(prefix="www.de").to(d.port).answer)
        self.assertEqual([row[1] for row in self.rows(d.console("showRules()"))], ["3", "3", "2"])
        d.console("rmRule(2)")
        self.assertEqual([row[3] for row in self.rows(d.console("showRules()"))],
                         ["qps limit to 10", "qps limit to 20"])
        self.assertTrue(Ask(prefix="www.be").to(d.port).answer)


class FlowOfPackets(Page):
    """Rules are looked at in order; what no action has decided goes to the default pool."""

    def test_each_packet_can_be(self):
        other = self.use(FakeServer(lambda q: address(q, ip="192.0.2.99")))
        d = self.start(f'''
            newServer{{address="{other.address}", pool="other"}}
            addAction("dropped.test", DropAction())
            addAction("answered.test", SpoofAction("192.0.2.7"))
            addAction("forwarded.test", PoolAction("other"))
            addAction("modified.test", SetNoRecurseAction())
            addAction("delayed.test", DelayAction(150))
            addAction("test", SetTagAction("seen", "yes"))''')
        self.assertTrue(clients.silent(d.port, "dropped.test", timeout=0.2))
        self.assertEqual(Ask(prefix="answered.test").to(d.port).answer[0][0].address, "192.0.2.7")
        self.assertEqual(Ask(prefix="forwarded.test").to(d.port).answer[0][0].address, "192.0.2.99")
        self.assertTrue(Ask(prefix="modified.test").to(d.port).flags & RD)
        self.assertFalse(self.server.queries[-1].message.flags & RD)
        self.assertGreaterEqual(self.took(d, prefix="delayed"), 0.15)
        self.assertEqual(Ask(prefix="any.other").to(d.port).answer[0][0].address, "192.0.2.1")

    def test_those_that_the_acl_refuses_reach_no_rule(self):
        d = self.start('setACL("127.0.0.2/32") addAction(AllRule(), NoneAction(), {name="all"})')
        self.assertTrue(clients.silent(d.port, "a.test", timeout=0.2))
        Ask(source="127.0.0.2").to(d.port, "test")
        self.assertEqual(d.rows("showRules()")[0][2], "1")


if __name__ == "__main__":
    main()
