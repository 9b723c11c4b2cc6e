#!/usr/bin/python3
"""Rules that can not be: the error says where, what and perhaps which name was meant, and the live chain stays."""
import os
import re

import clients
from fakeserver import FakeServer
from harness import TestCase, main
from ruletools import Ask, Console

# (what is written, what the error says behind file and line)
WRONG = [
    # expressions
    ('addAction(RegexRule("("), DropAction())', "RegexRule: regex '(': .*missing closing parenthesis"),
    ('addAction(RegexRule("[a"), DropAction())', "RegexRule: regex '[a': .*missing closing bracket"),
    ('addAction(RegexRule("a{2,1}"), DropAction())', "RegexRule: regex .*out of order"),
    ('addAction(RegexRule("a\\0b"), DropAction())', "RegexRule: regex holds a NUL octet at offset 1"),
    ('addAction(RE2Rule("(?P<x"), DropAction())', "RE2Rule: regex .*invalid named capture group"),
    # numbers
    ('addAction(QTypeRule(65536), DropAction())', "QTypeRule: qtype must be from 0 to 65535, got 65536"),
    ('addAction(QTypeRule(-1), DropAction())', "QTypeRule: qtype must be from 0 to 65535, got -1"),
    ('addAction(QTypeRule(1.5), DropAction())', "QTypeRule: qtype must be a whole number, got 1.5"),
    ('addAction(QTypeRule("TYPE65536"), DropAction())', "QTypeRule: qtype must be a record type, got 'TYPE65536'"),
    ('addAction(QClassRule(65536), DropAction())', "QClassRule: qclass must be from 0 to 65535"),
    ('addAction(OpcodeRule(256), DropAction())', "OpcodeRule: code must be from 0 to 255"),
    ('addAction(RCodeRule(256), DropAction())', "RCodeRule: rcode must be from 0 to 255"),
    ('addAction(ERCodeRule(256), DropAction())', "ERCodeRule: rcode must be from 0 to 255"),
    ('addAction(EDNSVersionRule(256), DropAction())', "EDNSVersionRule: version must be from 0 to 255"),
    ('addAction(EDNSOptionRule(65536), DropAction())', "EDNSOptionRule: optcode must be from 0 to 65535"),
    ('addAction(DSTPortRule(70000), DropAction())', "DSTPortRule: port must be from 0 to 65535"),
    ('addAction(RecordsCountRule(4, 1, 1), DropAction())', "RecordsCountRule: section must be from 0 to 3"),
    ('addAction(PayloadSizeRule("equal", 70000), DropAction())', "PayloadSizeRule: size must be from 0 to 65535"),
    ('addAction(PoolOutstandingRule("", -1), DropAction())', "PoolOutstandingRule: limit must be from 0 to"),
    ('addAction(ProbaRule(2), DropAction())', "ProbaRule: probability must be from 0 to 1, got 2"),
    ('addAction(ProbaRule(0/0), DropAction())', "ProbaRule: probability must be from 0 to 1, got -?nan"),
    ('addAction(MaxQPSRule(-5), DropAction())', "MaxQPSRule: qps must be from 0 to"),
    ('addAction(MaxQPSIPRule(5000000000), DropAction())', "MaxQPSIPRule: qps must be from 0 to 4294967295"),
    ('addAction(AllRule(), DelayAction(-1))', "DelayAction: milliseconds must be from 0 to"),
    ('addAction(AllRule(), RCodeAction(16))', "RCodeAction: rcode must be from 0 to 15"),
    ('addAction(AllRule(), ERCodeAction(256))', "ERCodeAction: rcode must be from 0 to 255"),
    ('addAction(AllRule(), SetEDNSOptionAction(65536, ""))', "SetEDNSOptionAction: option must be from 0 to 65535"),
    ('addAction(AllRule(), SetMacAddrAction(65536))', "SetMacAddrAction: option must be from 0 to 65535"),
    ('addAction(AllRule(), SetTempFailureCacheTTLAction(-1))', "SetTempFailureCacheTTLAction: ttl must be from 0"),
    ('addAction(AllRule(), SpoofAction("192.0.2.1", {ttl=-5}))', "SpoofAction: option 'ttl' must be from 0 to"),
    ('addAction(AllRule(), SpoofSVCAction(newSVCRecordParameters(70000, ".")))', "newSVCRecordParameters: priority must"),
    ('addResponseAction(AllRule(), SetReducedTTLResponseAction(101))', "percentage must be from 0 to 100, got 101"),
    # wrong types
    ('addAction(RegexRule(nil), DropAction())', "RegexRule: regex must be a string, got nil"),
    ('addAction(RegexRule({}), DropAction())', "RegexRule: regex must be a string, got a table"),
    ('addAction(OpcodeRule("Query"), DropAction())', "OpcodeRule: code must be a number, got 'Query'"),
    ('addAction(TCPRule("yes"), DropAction())', "TCPRule: tcp must be true or false, got 'yes'"),
    ('addAction(QNameSetRule("a.test"), DropAction())', "QNameSetRule: set must be a DNSNameSet, got 'a.test'"),
    ('addAction(NotRule(DropAction()), DropAction())', "NotRule: selector must be a DNSRule.*, got a DNSAction"),
    ('addAction(AndRule(AllRule()), DropAction())', "AndRule: selectors must be a list of rules, got a DNSRule"),
    ('addAction(OrRule{AllRule(), DropAction()}, DropAction())', "OrRule: entry 2 of selectors must be a DNSRule.*, "
     "got a DNSAction"),
    ('addAction(TimedIPSetRule(), DropAction())', "addAction: rule must be a DNSRule.*, got a TimedIPSetRule"),
    ('addAction(AllRule(), "DropAction")', "addAction: action must be a DNSAction, got 'DropAction'"),
    ('addAction(AllRule(), AllRule())', "addAction: action must be a DNSAction, got a DNSRule"),
    ('addAction(DropAction(), AllRule())', "addAction: "),
    ('addAction(5, DropAction())', "addAction: rule must be a DNSRule, a name, .*, got 5"),
    ('addAction({"a.test", 5}, DropAction())', "addAction: entry 2 of rule must be a string or a DNSName, got 5"),
    ('addAction(AndRule{1}, DropAction())', "AndRule: entry 1 of selectors must be a DNSRule, .*, got 1"),
    ('addAction(AllRule(), RCodeAction(DNSRCode.REFUSD))', "RCodeAction: rcode must be a number, got nil"),
    ('addAction(AllRule(), DropAction(), "name")', "addAction: options must be a table, got 'name'"),
    ('addAction(AllRule(), SpoofAction("192.0.2.1", {aa="yes"}))', "SpoofAction: option 'aa' must be true or false"),
    ('addAction(AllRule(), ContinueAction(AllRule()))', "ContinueAction: action must be a DNSAction, got a DNSRule"),
    ('addAction(AllRule(), SpoofSVCAction("x"))', "must be made by newSVCRecordParameters"),
    ('setRules({1})', "setRules: entry 1 of rules must be a DNSDistRuleAction"),
    ('setRules(5)', "setRules: rules must be a list, got 5"),
    # what is missing, and what is too much
    ('addAction(AllRule())', "addAction: action must be a DNSAction, got nothing"),
    ('addAction(nil, DropAction())', "addAction: rule must be a DNSRule.*, got nil"),
    ('addAction(TCPRule(), DropAction())', "TCPRule: tcp is missing"),
    ('addAction(RecordsCountRule(0, 1), DropAction())', "RecordsCountRule: maxCount is missing"),
    ('addAction(AllRule(1), DropAction())', "AllRule: takes no argument, got 1"),
    ('addAction(AllRule(), DropAction(1))', "DropAction: takes no argument, got 1"),
    ('addAction(AllRule(), PoolAction())', "PoolAction: poolname is missing"),
    ('addAction(AllRule(), SetTagAction("a"))', "SetTagAction: value is missing"),
    ('addAction(AllRule(), NegativeAndSOAAction(true, "z.test", 1, "m.test", "r.test", 1, 2, 3, 4))',
     "NegativeAndSOAAction: minimum is missing"),
    # empty and too long
    ('addAction({}, DropAction())', "addAction: rule must have at least one entry"),
    ('addAction(QNameSuffixRule({}), DropAction())', "QNameSuffixRule: suffixes must have at least one entry"),
    ('addAction(QNameSuffixRule(newSuffixMatchNode()), DropAction())', "QNameSuffixRule: the SuffixMatchNode is empty"),
    ('addAction(QNameSetRule(newDNSNameSet()), DropAction())', "QNameSetRule: the DNSNameSet is empty"),
    ('addAction(NetmaskGroupRule(newNMG()), DropAction())', "NetmaskGroupRule: the NetmaskGroup is empty"),
    ('addAction(NetmaskGroupRule({}), DropAction())', "NetmaskGroupRule: netmasks must have at least one entry"),
    ('addAction(AllRule(), SpoofAction({}))', "SpoofAction: ip must have at least one entry"),
    ('addAction(AllRule(), SpoofRawAction({}))', "SpoofRawAction: raw must have at least one entry"),
    ('addAction(AllRule(), SpoofSVCAction({}))', "SpoofSVCAction: params must have at least one entry"),
    ('addResponseAction(AllRule(), ClearRecordTypesResponseAction({}))', "types must have at least one entry"),
    ('addAction(AllRule(), SetTagAction("", "b"))', "SetTagAction: the name of a tag can't be empty"),
    ('addAction(AllRule(), SetTagAction("a", ("x"):rep(100000)))', "SetTagAction: .*can't be longer than"),
    ('addAction(AllRule(), SpoofRawAction(("x"):rep(70000)))', "SpoofRawAction: .*more than 65535 octets"),
    ('addAction(AllRule(), SetEDNSOptionAction(1, ("x"):rep(70000)))', "SetEDNSOptionAction: data can't be longer than"),
    # names and addresses
    ('addAction("a..b", DropAction())', "addAction: rule: neither a netmask nor a name: 'a..b'"),
    ('addAction(QNameRule("a..b"), DropAction())', "QNameRule: 'a..b' is not a domain name: a label is empty"),
    ('addAction(QNameRule(("x"):rep(64)), DropAction())', "QNameRule: .*a label is longer than 63 octets"),
    ('addAction(QNameRule(("a."):rep(128)), DropAction())', "QNameRule: .*longer than 255"),
    ('addAction(NetmaskGroupRule("300.0.0.1"), DropAction())', "NetmaskGroupRule: netmasks: '300.0.0.1' is not a netmask"),
    ('addAction(NetmaskGroupRule("10.0.0.0/33"), DropAction())', "NetmaskGroupRule: netmasks: '10.0.0.0/33' is not"),
    ('addAction(AllRule(), SpoofAction("300.1.1.1"))', "SpoofAction: '300.1.1.1' is not an IPv4 or IPv6 address"),
    ('addAction(AllRule(), SetECSAction("nonsense"))', "SetECSAction: v4: 'nonsense' is not a netmask"),
    ('addAction(AllRule(), TeeAction("nonsense"))', "TeeAction: 'nonsense' is not an IPv4 or IPv6 address"),
    # lists that are in themselves, and what is in itself too often
    ('t = {} t[1] = t addAction(t, DropAction())', "addAction: entry 1 of rule must be"),
    ('t = {} t[1] = t addAction(AndRule(t), DropAction())', "AndRule: entry 1 of entry 1 of selectors must be"),
    ('a = {} b = {a} a[1] = b addAction(OrRule(a), DropAction())', "OrRule: entry 1 of entry 1 of selectors must be"),
    ('addAction(OrRule{AllRule(), nil, AllRule()}, DropAction())', "OrRule: entry 2 of selectors is nil"),
    ('r = AllRule() for i = 1, 100000 do r = NotRule(r) end addAction(r, DropAction())', "NotRule: rules are nested"),
    ('r = AllRule() for i = 1, 64 do r = AndRule{r, r} end addAction(r, DropAction())', "AndRule: a rule is made of more"),
    ('a = DropAction() for i = 1, 100000 do a = ContinueAction(a) end addAction(AllRule(), a)',
     "ContinueAction: actions are nested"),
    ('r = newRuleAction(AllRule(), DropAction()) setRules({r, r})', "setRules: rules has the rule .* twice"),
    # the wrong kind
    ('addAction(AllRule(), DropResponseAction())', "addAction: DropResponseAction is for answers, these rules are for "
     "queries: write DropAction here, or addResponseAction"),
    ('addResponseAction(AllRule(), DropAction())', "addResponseAction: DropAction is for queries, these rules are for "
     "answers: write DropResponseAction here, or addAction"),
    ('addResponseAction(AllRule(), SpoofAction("192.0.2.1"))', "these rules are for answers: write addAction"),
    ('addCacheMissAction(AllRule(), SetTagResponseAction("a", "b"))', "write SetTagAction here"),
    ('addSelfAnsweredResponseAction(AllRule(), TCAction())', "write TCResponseAction here"),
    ('addAction(AllRule(), ContinueAction(DropResponseAction()))', "ContinueAction: action must be a DNSAction, got a "
     "DNSResponseAction"),
    ('setRules({newRuleAction(AllRule(), DropResponseAction())})', "got a DNSDistResponseRuleAction"),
    # names that are nearly right
    ('addAction(AllRule(), Dropaction())', "unknown function 'Dropaction' (did you mean 'DropAction'?)"),
    ('addAction(QNameSufixRule("a"), DropAction())', "unknown function 'QNameSufixRule' (did you mean 'QNameSuffixRule'?)"),
    ('addActon(AllRule(), DropAction())', "unknown function 'addActon' (did you mean 'addAction'?)"),
    ('addAction(QTypeRule("AAAAA"), DropAction())', "qtype must be a record type, got 'AAAAA' (did you mean 'AAAA'?)"),
    ('addAction(PayloadSizeRule("equals", 5), DropAction())', "comparison is 'equals', which is unknown: did you mean "
     "'equal'?"),
    ('addAction(PayloadSizeRule("bigger", 5), DropAction())', "comparison is 'bigger', which is none of equal, greater, "
     "greaterOrEqual, smaller, smallerOrEqual"),
    ('addAction(IncomingProtocolRule("doudp"), DropAction())', "protocol is 'doudp', which is unknown: did you mean "
     "'DoUDP'?"),
    # rules that are not there
    ('rmRule({})', "rmRule: expected a position, a UUID or a name, got a table"),
    ('addAction(AllRule(), DropAction(), {uuid="nonsense"})', "addAction: option 'uuid' must be a UUID, got 'nonsense'"),
]


def pattern(text):
    """All but .* and a ? behind a sign as it is."""
    return re.escape(text).replace(r"\.\*", ".*").replace(r"\-\?nan", "-?nan").replace(r"\-?nan", "-?nan")


# What is not there to be changed is complained about, and does not end the command or the file.
NOT_THERE = [
    ('rmRule(99)', "rmRule: position 99: there "), ('rmRule(-1)', "rmRule: position -1: there "),
    ('rmRule("nobody")', "rmRule: no rule has the UUID or name 'nobody'"),
    ('mvRule(0, 99)', "mvRule: to 99: there "),
]


class Wrong(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'''newServer("{cls.server.address}")
            addAction("kept.test", SpoofAction("192.0.2.7"), {{name="kept"}})
            addResponseAction("kept.test", SetMaxTTLResponseAction(7), {{name="kept"}})''')

    def test_on_the_console_nothing_changes(self):
        with Console(self.d) as console:
            def shown():
                return [console.run(f"show{chain}Rules({{showUUIDs=true}})") for chain in (
                    "", "CacheMiss", "Response", "SelfAnsweredResponse")]
            before = shown()
            for line, why in WRONG:
                with self.subTest(line):
                    # what was right in front of it is not left over
                    text = console.ask('clearRules() addAction("new.test", DropAction()) ' + line)
                    self.assertRegex(text, r"^Error: console:1: .*" + pattern(why))
                    self.assertEqual(shown(), before)
        self.assertEqual(Ask().to(self.d.port, "kept.test").answer[0][0].to_text(), "192.0.2.7")
        self.assertEqual(Ask().to(self.d.port, "new.test").answer[0][0].to_text(), "192.0.2.1")

    def test_what_is_not_there_is_complained_about(self):
        with Console(self.d) as console:
            before = console.run("showRules({showUUIDs=true})")
            for line, why in NOT_THERE:
                with self.subTest(line):
                    self.assertRegex(console.ask(line), "^Error: " + pattern(why))
                    self.assertEqual(console.run("showRules({showUUIDs=true})"), before)
        for line, why in NOT_THERE:
            with self.subTest(line):
                done = self.check("addAction(AllRule(), NoneAction())\n-- a comment\n" + line + "\n")
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout + done.stderr, r"/checked\.conf:3: .*" + pattern(why))

    def test_in_a_configuration_file_and_line_are_named(self):
        for line, why in WRONG[::4]:
            with self.subTest(line):
                done = self.check("\n-- a comment\n" + line + "\n")
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stdout + done.stderr, r"/checked\.conf:3: .*" + pattern(why))

    def test_options_that_are_nearly_right_are_told(self):
        for line, why in (('addAction(AllRule(), NoneAction(), {nme="x"})', "addAction: unknown option 'nme' is ignored "
                           "(did you mean 'name'?)"),
                          ('addAction(AllRule(), SpoofAction("192.0.2.1", {tll=5}))', "SpoofAction: unknown option 'tll' "
                           "is ignored (did you mean 'ttl'?)")):
            done = self.check("\n" + line)
            self.assertEqual(done.returncode, 0)
            self.assertIn(why, done.stdout + done.stderr)
            self.assertRegex(done.stdout + done.stderr, r"/checked\.conf:2: ")

    def test_a_file_that_is_included(self):
        folder = self.folder()
        with open(os.path.join(folder, "rules.conf"), "w") as f:
            f.write("\n\n\naddAction(RegexRule('('), DropAction())\n")
        done = self.check(f'includeDirectory("{folder}")')
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"/rules\.conf:4: RegexRule: regex '\('")

    def test_names_of_any_octets_are_shown(self):
        with Console(self.d) as console:
            console.run(r'addAction("\\000\\255\\.x.test", NoneAction(), {name="odd\n\0"})')
            self.assertIn("kept", console.run("showRules()"))
            console.run("rmRule(1)")

    def test_large_lists_are_no_mistake(self):
        with Console(self.d) as console:
            console.run("local t = {} for i = 1, 100000 do t[i] = QNameRule('n' .. i .. '.large.test') end "
                        "addAction(OrRule(t), DropAction(), {name='or'})")
            console.run("local t = {} for i = 1, 100000 do t[i] = 'n' .. i .. '.larger.test' end "
                        "addAction(t, DropAction(), {name='list'})")
            self.assertTrue(clients.silent(self.d.port, "n99999.large.test", timeout=0.2))
            self.assertTrue(clients.silent(self.d.port, "a.n99999.larger.test", timeout=0.2))
            self.assertTrue(Ask().to(self.d.port, "large.test").answer)
            shown = console.run("showRules({truncateRuleWidth=20})").splitlines()
            self.assertEqual([len(line[45:].split(" drop")[0].rstrip()) for line in shown[-2:]], [20, 20])
            self.assertGreater(len(console.run("showRules()")), 2000000)
            console.run("rmRule('or') rmRule('list')")


if __name__ == "__main__":
    main()
