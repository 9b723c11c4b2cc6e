#!/usr/bin/python3
"""Dynamic blocks: who is blocked and how, for how long, what the operator sees of it, and how it ends."""
import re
import time

import dns.exception
import dns.flags
import dns.query

import clients
from fakeserver import FakeServer
from harness import TestCase, has_ipv6, main, wait_for
from ruletools import NOERROR, NOTIMP, NXDOMAIN, REFUSED, Ask, Console

HEAD = "What                      Seconds   Blocks Warning    Action               eBPF       Reason"


def flags_of(text):
    return dns.flags.from_text(text)


class Blocks(TestCase):
    """One daemon; each test blocks what it needs, and all is cleared after it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        v6 = 'addLocal("[::1]:$PORT")' if has_ipv6() else ""
        cls.d = cls.class_daemon(f'''newServer("{cls.server.address}")
            {v6}
            addAction(TagRule("suspect", "yes"), RCodeAction(DNSRCode.NOTIMP))
            addAction("ruled.test.", RCodeAction(DNSRCode.NOTIMP))''')
        cls.c = Console(cls.d)

    def setUp(self):
        self.run_line("clearDynBlocks() setDynBlocksAction(DNSAction.Drop)")

    def run_line(self, line):
        return self.c.run(line)

    def ask(self, source="127.0.0.1", prefix="www", domain="example.org", **kw):
        """The answer, or None for silence and for a connection that is closed."""
        try:
            return Ask(prefix, source=source, timeout=kw.pop("timeout", 0.5), **kw).to(self.d.port, domain)
        except (dns.exception.Timeout, EOFError, ConnectionResetError):
            return None

    def rcode(self, *args, timeout=5, **kw):
        return self.ask(*args, timeout=timeout, **kw).rcode()

    def rows(self):
        """showDynBlocks as a list of its columns."""
        lines = self.run_line("showDynBlocks()").splitlines()
        self.assertEqual(lines[0].rstrip(), HEAD)
        pattern = re.compile(r"(.{24,}?) +(\d+) +(\d+) (.{10}) (.{20}) (.{10}) (.*)")
        return [[part.strip() for part in pattern.fullmatch(line).groups()] for line in lines[1:]]

    def stat(self, name):
        return self.d.stat(name)


class Clients(Blocks):
    def test_only_the_client_that_is_blocked(self):
        self.run_line('addDynamicBlock("127.0.1.1", "too much")')
        for tcp in (False, True):
            self.assertIsNone(self.ask("127.0.1.1", tcp=tcp))
            self.assertEqual(self.rcode("127.0.1.2", tcp=tcp), NOERROR)
        self.assertEqual(self.rows(), [["127.0.1.1/32", self.rows()[0][1], "2", "false", "Drop", "", "too much"]])

    def test_who_goes_on_asking_is_seen(self):
        self.run_line('addDynamicBlock("127.0.1.9", "too much")')
        self.assertIsNone(self.ask("127.0.1.9", prefix="still-here"))
        self.assertIn("still-here.example.org", self.run_line('grepq("127.0.1.9")'))

    def test_a_prefix(self):
        self.run_line('addDynamicBlock(newCA("127.7.1.1"), "net", DNSAction.Refused, 60, 16)')
        self.assertEqual(self.rcode("127.7.200.1"), REFUSED)
        self.assertEqual(self.rcode("127.8.0.1"), NOERROR)
        self.assertEqual(self.rows()[0][0], "127.7.0.0/16")

    def test_the_longest_prefix_counts(self):
        self.run_line('''addDynamicBlock("127.7.0.0", "net", DNSAction.Refused, 60, 16)
            addDynamicBlock("127.7.0.1", "host", DNSAction.Nxdomain, 60)''')
        self.assertEqual(self.rcode("127.7.0.1"), NXDOMAIN)
        self.assertEqual(self.rcode("127.7.0.2"), REFUSED)

    def test_a_part_of_the_ports(self):
        self.run_line('addDynamicBlock("127.0.0.1:20000", "behind a NAT", DNSAction.Refused, 60, 32, 3)')
        for port, want in ((16384, REFUSED), (24575, REFUSED), (24576, NOERROR), (16383, NOERROR)):
            m = clients.make("www.example.org")
            got = wait_for(lambda: self.from_port(m, port))
            self.assertEqual(got.rcode(), want, port)
        self.assertEqual(self.rows()[0][0], "127.0.0.1:16384/35")

    def from_port(self, m, port):
        try:
            return dns.query.udp(m, "127.0.0.1", port=self.d.port, timeout=5, source="127.0.0.1", source_port=port)
        except OSError:
            return None  # somebody has it

    def test_ipv6(self):
        if not has_ipv6():
            self.skipTest("no IPv6")
        self.run_line('addDynamicBlock("::1", "six")')
        for tcp in (False, True):
            self.assertIsNone(self.ask6(tcp))
        self.assertEqual(self.rcode(), NOERROR)
        self.assertEqual(self.rows()[0][0], "::1/128")
        self.run_line('clearDynBlocks() addDynamicBlock("::2", "six", DNSAction.Refused, 60, 64)')
        for tcp in (False, True):
            self.assertEqual(self.ask6(tcp).rcode(), REFUSED)

    def ask6(self, tcp):
        ask = dns.query.tcp if tcp else dns.query.udp
        try:
            return ask(clients.make("www.example.org"), "::1", port=self.d.port, timeout=0.5)
        except (dns.exception.Timeout, EOFError, ConnectionResetError):
            return None

    def test_a_table_of_addresses(self):
        self.run_line('''addDynBlocks({[newCA("127.0.2.1")]=100, ["127.0.2.2"]=7}, "exceeded", 60, DNSAction.Refused)
            addDynBlocks({}, "nobody")''')
        self.assertEqual([self.rcode(f"127.0.2.{i}") for i in (1, 2, 3)], [REFUSED, REFUSED, NOERROR])
        self.assertEqual(len(self.rows()), 2)

    def test_an_address_that_is_none_is_told_and_ignored(self):
        for text in ("nonsense", "127.0.0.1/24", ""):
            said = self.c.ask(f'addDynamicBlock("{text}", "x")')
            self.assertIn("nothing is blocked", said)
            self.assertEqual("clientIPMask" in said, "/" in text)
            self.assertEqual(self.rows(), [])
            self.c.ask(f'addDynamicBlock("{text}", "x") addDynamicBlock("127.0.1.1", "goes on")')
            self.assertEqual(self.rows()[0][0], "127.0.1.1/32")
            self.run_line("clearDynBlocks()")


class Actions(Blocks):
    def block(self, action, **kw):
        self.run_line(f'clearDynBlocks() addDynamicBlock("127.0.1.1", "x", DNSAction.{action}, 60)')

    def test_answers_keep_the_bits_that_came(self):
        for action, want in (("Refused", REFUSED), ("Nxdomain", NXDOMAIN)):
            self.block(action)
            for tcp in (False, True):
                for bits in ("", "RD", "AD", "RD AD CD", "RA"):
                    got = self.ask("127.0.1.1", tcp=tcp, timeout=5, set_flags=flags_of(bits),
                                   clear_flags=flags_of("RD") if "RD" not in bits else 0)
                    self.assertEqual(got.rcode(), want)
                    self.assertEqual(dns.flags.to_text(got.flags), ("QR " + bits).strip(), (action, bits))
                    self.assertEqual(len(got.question), 1)
                    self.assertEqual(got.answer + got.authority, [])

    def test_answers_have_an_opt_for_clients_that_have(self):
        self.block("Refused")
        self.assertEqual(self.ask("127.0.1.1", use_edns=0).edns, 0)
        self.assertEqual(self.ask("127.0.1.1").edns, -1)

    def test_drop_and_what_drops_as_well(self):
        for action in ("Drop", "None", "ServFail", "Spoof", "Pool"):
            self.block(action)
            before = self.stat("dyn-blocked"), self.stat("rule-drop"), self.stat("queries")
            self.assertIsNone(self.ask("127.0.1.1"))
            self.assertIsNone(self.ask("127.0.1.1", tcp=True))
            after = self.stat("dyn-blocked"), self.stat("rule-drop"), self.stat("queries")
            self.assertEqual([b - a for a, b in zip(before, after)], [2, 0, 2], action)

    def test_an_unknown_number_drops(self):
        self.run_line('addDynamicBlock("127.0.1.1", "x", 100, 60)')
        self.assertIsNone(self.ask("127.0.1.1"))
        self.assertEqual(self.rows()[0][4], "Unknown")

    def test_truncate_is_for_udp(self):
        self.block("Truncate")
        got = self.ask("127.0.1.1", set_flags=flags_of("AD"))
        self.assertEqual(dns.flags.to_text(got.flags), "QR TC RD RA")
        self.assertEqual(got.rcode(), NOERROR)
        before = self.stat("dyn-blocked")
        self.assertEqual(self.rcode("127.0.1.1", tcp=True), NOERROR)
        self.assertEqual(self.rcode("127.0.1.1", domain="ruled.test", tcp=True), NOTIMP)
        self.assertEqual(self.stat("dyn-blocked"), before)
        self.assertEqual(self.rows()[0][2], "1")

    def test_no_recurse_goes_past_the_rules(self):
        self.block("NoRecurse")
        for tcp in (False, True):
            got = self.ask("127.0.1.1", prefix=f"nr{tcp}", domain="ruled.test", tcp=tcp, timeout=5)
            self.assertEqual(got.rcode(), NOERROR)
            self.assertTrue(got.flags & dns.flags.RD)
            self.assertFalse(self.server.queries[-1].message.flags & dns.flags.RD)
        self.assertEqual(self.rcode(domain="ruled.test"), NOTIMP)
        self.assertEqual(self.rows()[0][2], "2")

    def test_set_tag_is_seen_by_rules_and_suffixes_are_still_looked_at(self):
        self.run_line('''addDynamicBlock("127.0.1.1", "x", DNSAction.SetTag, 60, 32, 0,
            {tagName="suspect", tagValue="yes"})''')
        for tcp in (False, True):
            self.assertEqual(self.rcode("127.0.1.1", tcp=tcp), NOTIMP)
        self.assertEqual(self.rcode(), NOERROR)
        self.assertEqual(self.rows()[0][2:5], ["2", "false", "Set Tag"])
        self.run_line('addDynBlockSMT({"evil.test"}, "x", 60, DNSAction.Refused)')
        self.assertEqual(self.rcode("127.0.1.1", domain="evil.test"), REFUSED)

    def test_no_op_does_nothing(self):
        self.block("NoOp")
        before = self.stat("dyn-blocked")
        self.assertEqual(self.rcode("127.0.1.1"), NOERROR)
        self.assertEqual(self.rcode("127.0.1.1", domain="ruled.test"), NOTIMP)
        self.assertEqual(self.stat("dyn-blocked"), before)
        self.assertEqual(self.rows()[0][2:5], ["0", "false", "Do nothing"])

    def test_the_default_action(self):
        self.run_line('addDynamicBlock("127.0.1.1", "x", nil, 60)')
        for action, text, want in (("Refused", "Send Refused", REFUSED), ("Nxdomain", "Send NXDomain", NXDOMAIN),
                                   ("NoOp", "Do nothing", NOERROR), ("NoRecurse", "Set rd=0", NOERROR),
                                   ("Truncate", "Truncate over UDP", NOERROR)):
            self.run_line(f"setDynBlocksAction(DNSAction.{action})")
            self.assertEqual(self.rcode("127.0.1.1"), want)
            self.assertEqual(self.rows()[0][4], text)
        for action in ("Allow", "SetTag", "None", "ServFail"):
            self.assertIn("can be DNSAction.Drop", self.c.ask(f"setDynBlocksAction(DNSAction.{action})"))
        self.assertEqual(self.rows()[0][4], "Truncate over UDP")
        self.run_line("setDynBlocksAction(DNSAction.Drop)")
        self.assertIsNone(self.ask("127.0.1.1"))


class Names(Blocks):
    def test_a_name_and_all_below_it(self):
        self.run_line('addDynBlockSMT({"Evil.test", newDNSName("bad.test.")}, "names", 60, DNSAction.Refused)')
        for tcp in (False, True):
            self.assertEqual(self.rcode(prefix="", domain="evil.TEST", tcp=tcp), REFUSED)
            self.assertEqual(self.rcode(prefix="a.b", domain="bad.test", tcp=tcp), REFUSED)
            self.assertEqual(self.rcode(prefix="xevil", domain="test", tcp=tcp), NOERROR)
        self.assertEqual(sorted(row[0] for row in self.rows()), ["Evil.test.", "bad.test."])
        self.assertEqual({row[2] for row in self.rows()}, {"2"})
        self.assertEqual(self.stat("dyn-block-nmg-size"), 0)

    def test_the_longest_suffix_counts_and_the_address_comes_first(self):
        self.run_line('''addDynBlockSMT({"test"}, "tld", 60, DNSAction.Refused)
            addDynBlockSMT({"sub.test"}, "sub", 60, DNSAction.Nxdomain)''')
        self.assertEqual(self.rcode(domain="x.sub.test"), NXDOMAIN)
        self.assertEqual(self.rcode(domain="other.test"), REFUSED)
        self.run_line('addDynamicBlock("127.0.1.1", "x", DNSAction.Drop, 60)')
        self.assertIsNone(self.ask("127.0.1.1", domain="sub.test"))

    def test_dropped_by_name(self):
        self.run_line('addDynBlockSMT({"evil.test"}, "names")')
        self.assertIsNone(self.ask(domain="evil.test"))
        self.assertIsNone(self.ask(domain="evil.test", tcp=True))
        self.assertTrue(wait_for(lambda: self.rows()[0][2] == "2", 5))

    def test_a_tag_by_name(self):
        self.run_line('''addDynBlockSMT({"evil.test"}, "x", 60, DNSAction.SetTag,
            {tagName="suspect", tagValue="yes"})''')
        self.assertEqual(self.rcode(domain="evil.test"), NOTIMP)


class Operator(Blocks):
    def test_objects(self):
        self.run_line('''addDynamicBlock("127.0.1.1", "why", DNSAction.Refused, 60)
            addDynBlockSMT({"evil.test"}, "name", 100)''')
        self.rcode("127.0.1.1")
        got = self.run_line('''local now, text = getCurrentTime(), ""
            for what, b in pairs(getDynamicBlocks()) do
                text = text .. table.concat({what, b.reason, "[" .. b.domain .. "]", b.blocks, b.action,
                    tostring(b.warning), tostring(b.bpf), b["until"].tv_sec - now.tv_sec}, " ") .. "\\n"
            end
            for what, b in pairs(getDynamicBlocksSMT()) do
                text = text .. table.concat({what, b.reason, "[" .. b.domain .. "]", b.blocks, b.action,
                    tostring(b.warning), tostring(b.bpf), b["until"].tv_sec - now.tv_sec}, " ")
            end
            return text'''.replace("\n", " "))
        self.assertRegex(got, r"^127\.0\.1\.1/32 why \[\] 1 2 false false (59|60)\n"
                              r"evil\.test\. name \[evil\.test\.\] 0 10 false false (99|100)$")

    def test_columns(self):
        self.run_line('addDynamicBlock("127.0.1.1", "a reason of words", DNSAction.Nxdomain, 60)')
        line = self.run_line("showDynBlocks()").splitlines()[1]
        self.assertRegex(line, r"^127\.0\.1\.1/32 {13}      (59|60)        0 false      Send NXDomain {18} "
                               r"a reason of words$")

    def test_cleared(self):
        self.run_line('addDynamicBlock("127.0.1.1", "x", nil, 60) addDynBlockSMT({"evil.test"}, "x", 60)')
        self.assertEqual(self.stat("dyn-block-nmg-size"), 1)
        self.assertIsNone(self.ask("127.0.1.1"))
        self.assertIsNone(self.ask(domain="evil.test"))
        self.run_line("clearDynBlocks()")
        self.assertEqual(self.rcode("127.0.1.1", domain="evil.test"), NOERROR)
        self.assertEqual(self.stat("dyn-block-nmg-size"), 0)
        self.assertEqual(self.rows(), [])

    def test_nobody_locks_himself_out(self):
        self.run_line('addDynamicBlock("0.0.0.0", "all", DNSAction.Drop, 60, 0)')
        self.assertIsNone(self.ask())
        self.assertEqual(self.d.console("clearDynBlocks()"), "")
        self.assertEqual(self.rcode(), NOERROR)

    def test_the_longer_block_stays(self):
        self.run_line('addDynamicBlock("127.0.1.1", "long", DNSAction.Refused, 60)')
        self.rcode("127.0.1.1")
        self.run_line('addDynamicBlock("127.0.1.1", "short", DNSAction.Drop, 30)')
        self.assertEqual((self.rows()[0][4], self.rows()[0][6]), ("Send Refused", "long"))
        self.run_line('addDynamicBlock("127.0.1.1", "longer", DNSAction.Nxdomain, 100)')
        self.assertEqual((self.rows()[0][2], self.rows()[0][6]), ("1", "longer"))
        self.assertEqual(self.rcode("127.0.1.1"), NXDOMAIN)

    def test_it_ends_by_itself(self):
        self.run_line('''addDynamicBlock("127.0.1.1", "x", DNSAction.Refused, 1)
            addDynBlockSMT({"evil.test"}, "x", 1, DNSAction.Refused)''')
        self.assertEqual(self.rcode("127.0.1.1"), REFUSED)
        self.assertEqual(wait_for(lambda: self.rcode("127.0.1.1") == NOERROR), True)
        self.assertEqual(wait_for(lambda: self.rcode(domain="evil.test") == NOERROR), True)
        self.assertEqual(wait_for(lambda: self.rows() == []), True)

    def test_a_command_that_fails_blocks_nobody(self):
        for line in ('addDynamicBlock("127.0.1.1", "x", nil, 60) error("no")',
                     'clearDynBlocks() error("no")',
                     'addDynBlockSMT({"evil.test", "a..b"}, "x", 60)',
                     'addDynBlocks({["127.0.1.1"]=1, ["x"]=2}, "x", 60)'):
            self.run_line('clearDynBlocks() addDynamicBlock("127.0.3.3", "stays", DNSAction.Refused, 60)')
            self.assertTrue(self.c.ask(line).startswith("Error"), line)
            self.assertEqual([row[0] for row in self.rows()], ["127.0.3.3/32"], line)
            self.assertEqual(self.rcode("127.0.1.1", domain="evil.test"), NOERROR)
            self.assertEqual(self.rcode("127.0.3.3"), REFUSED)

    def test_a_command_sees_what_it_has_done(self):
        self.assertIn("127.0.1.1/32", self.run_line('addDynamicBlock("127.0.1.1", "x") showDynBlocks()'))
        self.assertNotIn("127.0.1.1/32", self.run_line("clearDynBlocks() showDynBlocks()"))

    def test_what_can_not_be(self):
        for line, said in (
                ('addDynamicBlock("127.0.1.1")', "message"),
                ('addDynamicBlock("127.0.1.1", "x", nil, 0)', "seconds"),
                ('addDynamicBlock("127.0.1.1", "x", nil, -1)', "seconds"),
                ('addDynamicBlock("127.0.1.1", "x", "Drop")', "action"),
                ('addDynamicBlock("127.0.1.1", "x", nil, 10, 33)', "clientIPMask"),
                ('addDynamicBlock("127.0.1.1", "x", nil, 10, 32, 17)', "clientIPPortMask"),
                ('addDynamicBlock("127.0.1.1", "x", nil, 10, 24, 1)', "single address"),
                ('addDynamicBlock("127.0.1.1", "x", DNSAction.SetTag, 10)', "tagName"),
                ('addDynamicBlock("127.0.1.1", "x", DNSAction.SetTag, 10, 32, 0, {tagName=("x"):rep(2001)})', "2000"),
                ('addDynamicBlock({}, "x")', "address"),
                ('addDynBlocks("127.0.1.1", "x")', "addresses"),
                ('addDynBlocks({"127.0.1.1"}, "x")', "address"),
                ('addDynBlockSMT("evil.test", "x")', "names"),
                ('addDynBlockSMT({"a..b"}, "x")', "name"),
                ('setDynBlocksAction("x")', "action"),
                ('setDynBlocksPurgeInterval(-1)', "setDynBlocksPurgeInterval"),
                ('addDynBlockSMT({"evil.test"}, "x", 10, DNSAction.SetTag, {tagName=true})', "tagName")):
            got = self.c.ask(line)
            self.assertTrue(got.startswith("Error"), (line, got))
            self.assertIn(said, got, line)
        self.assertEqual(self.rows(), [])

    def test_the_words_of_help(self):
        for name in ("addDynBlocks", "addDynBlockSMT", "addDynamicBlock", "getDynamicBlocks", "getDynamicBlocksSMT",
                     "showDynBlocks", "clearDynBlocks", "setDynBlocksAction", "setDynBlocksPurgeInterval"):
            self.assertIn(name, self.run_line(f'help("{name}")'))


class Life(TestCase):
    def test_from_the_file_to_the_purge(self):
        server = self.use(FakeServer())
        d = self.daemon(f'''newServer("{server.address}")
            setDynBlocksPurgeInterval(1)
            addDynamicBlock("127.0.1.1", "from the file", DNSAction.Refused, 3)
            addDynBlockSMT({{"evil.test"}}, "a name", 3)''')
        self.assertEqual(Ask(source="127.0.1.1").to(d.port).rcode(), REFUSED)
        self.assertEqual(d.stat("dyn-block-nmg-size"), 1)
        self.assertIn("block of 127.0.1.1/32 begins, for 3 s (Send Refused): from the file", d.output())
        self.assertTrue(wait_for(lambda: d.stat("dyn-block-nmg-size") == 0))
        self.assertTrue(wait_for(lambda: "block of 127.0.1.1/32 has ended after 1 queries: from the file"
                                 in d.output()))
        self.assertTrue(wait_for(lambda: "block of evil.test. has ended after 0 queries: a name" in d.output()))
        self.assertEqual(Ask(source="127.0.1.1").to(d.port).rcode(), NOERROR)

    def test_without_purge_they_end_all_the_same(self):
        server = self.use(FakeServer())
        d = self.daemon(f'''newServer("{server.address}")
            setDynBlocksPurgeInterval(0)
            addDynamicBlock("127.0.1.1", "x", DNSAction.Refused, 1)''')
        self.assertTrue(wait_for(lambda: Ask(source="127.0.1.1").to(d.port).rcode() == NOERROR))
        self.assertEqual(d.console("showDynBlocks()").splitlines()[1:], [])
        time.sleep(2.1)
        self.assertEqual(d.stat("dyn-block-nmg-size"), 1)

    def test_which_meet_the_most(self):
        server = self.use(FakeServer())
        d = self.daemon(f'''newServer("{server.address}")
            addDynamicBlock("127.0.1.1", "often", DNSAction.Refused, 60)
            addDynamicBlock("127.0.1.0", "its net", DNSAction.Refused, 60, 24)
            addDynamicBlock("127.0.9.9", "never", DNSAction.Refused, 60)
            addDynBlockSMT({{"evil.test"}}, "a name", 60, DNSAction.Refused)''')
        self.assertEqual(d.console("topDynBlocks()").split(), ["#", "What", "Queries/s", "Reason"])
        for source, n, name in (("127.0.1.1", 30, "www.test"), ("127.0.1.2", 20, "www.test"), ("127.0.0.1", 10, "evil.test")):
            for _ in range(n):
                self.assertEqual(Ask(source=source).to(d.port, name).rcode(), REFUSED)
        self.assertTrue(wait_for(lambda: len(d.rows("topDynBlocks()")) == 3, 15, every=0.5), d.console("topDynBlocks()"))
        self.assertEqual([row[:2] + row[3:] for row in d.rows("topDynBlocks()")],
                         [["1", "127.0.1.1/32", "often"], ["2", "127.0.1.0/24", "its", "net"], ["3", "evil.test.", "a", "name"]])
        rates = [float(row[2]) for row in d.rows("topDynBlocks()")]
        self.assertAlmostEqual(rates[0] / rates[2], 3, delta=0.5)
        self.assertAlmostEqual(rates[0], 3, delta=0.5)  # 30 in ten seconds
        self.assertEqual(len(d.rows("topDynBlocks(1)")), 1)

    def test_a_flood_of_blocks_is_no_flood_of_lines(self):
        server = self.use(FakeServer())
        d = self.daemon(f'newServer("{server.address}")')
        d.console('''for i = 0, 49999 do addDynamicBlock("10.1." .. math.floor(i / 256) .. "." .. i % 256, "many",
            DNSAction.Refused, 60) end addDynamicBlock("127.0.1.1", "x", DNSAction.Refused, 60)'''.replace("\n", " "))
        self.assertEqual(d.stat("dyn-block-nmg-size"), 50001)
        self.assertEqual(Ask(source="127.0.1.1").to(d.port).rcode(), REFUSED)
        self.assertTrue(wait_for(lambda: "more blocks have begun" in d.output()))
        self.assertLessEqual(len(re.findall(" begins, for 60 s", d.output())), 200)
        d.console("clearDynBlocks()")
        self.assertEqual(d.stat("dyn-block-nmg-size"), 0)

    def test_malformed_packets_of_blocked_clients_are_counted_once(self):
        server = self.use(FakeServer())
        d = self.daemon(f'''newServer("{server.address}") addDynamicBlock("127.0.0.1", "x", DNSAction.Drop, 60)''')
        header = b"\0\1\1\0\0\1\0\0\0\0\0\0"
        for wire, name in ((b"\0" * 5, "noncompliant-queries"), (b"\0\1\x81" + header[3:], "noncompliant-queries"),
                           (header[:5] + b"\0" + header[6:], "empty-queries"), (header + b"\xc0\0", "dyn-blocked")):
            before = d.stats()
            clients.send_udp(d.port, wire, timeout=0.2)
            after = d.stats()
            self.assertEqual(after["queries"] - before["queries"], 1)
            for other in ("noncompliant-queries", "empty-queries", "dyn-blocked"):
                self.assertEqual(after[other] - before[other], other == name, (wire, other))
        before = d.stat("rdqueries")
        self.assertTrue(clients.silent(d.port, "www.example.org"))
        self.assertEqual(d.stat("rdqueries") - before, 1)

    def test_check_config_knows_them(self):
        done = self.check('addDynamicBlock("127.0.0.1", "x") clearDynBlocks() setDynBlocksAction(DNSAction.Refused)')
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("begins", done.stdout + done.stderr)
        done = self.check('addDynamicBlock("127.0.0.1", "x", nil, 10, 24, 5)')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("single address", done.stdout + done.stderr)


if __name__ == "__main__":
    main()
