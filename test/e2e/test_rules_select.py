#!/usr/bin/python3
"""Every selector: what it matches and what it does not, in chains of queries and of answers, over UDP and TCP."""
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from fakeserver import FakeServer, answer
from harness import TestCase, main, wait_for
from ruletools import NOTAUTH, NXDOMAIN, Ask, Console, option

DO_QUERY = dict(use_edns=0, want_dnssec=True)
COOKIE = dict(use_edns=0, options=[option(10, b"cookie!!")])
OTHER = dict(use_edns=0, options=[option(65001)])
VERSION_1 = dict(use_edns=0, edit=lambda wire: wire[:-5] + b"\1" + wire[-4:])
AD = dict(set_flags=dns.flags.AD)
CD = dict(set_flags=dns.flags.CD)
NO_RD = dict(clear_flags=dns.flags.RD)
TCP = dict(tcp=True)


def added(data):
    return dict(edit=lambda wire: wire + data)


def size(n):
    """A query of n octets for a name below a domain of four letters and .test."""
    return dict(prefix="x" * (n - len(dns.message.make_query("x.aaaa.test", "A").to_wire()) + 1))


# The label of a case is its domain, four letters and ".test"; $D in a selector is that name.
# (label, selector, questions that match, questions that do not)
QUERIES = [
    ("allr", 'AllRule()', [{}, TCP, dict(rtype="TXT")], []),
    ("and2", 'AndRule{QTypeRule("A"), RDRule()}', [{}], [dict(rtype="MX"), NO_RD, dict(rtype="MX", **NO_RD)]),
    ("and0", 'AndRule({})', [{}], []),
    ("orr2", 'OrRule{QTypeRule("MX"), QTypeRule("TXT"), QNameRule("that.$D")}',
     [dict(rtype="MX"), dict(rtype="TXT"), dict(prefix="that")], [{}]),
    ("orr0", 'OrRule({})', [], [{}]),
    ("notr", 'NotRule(QTypeRule("A"))', [dict(rtype="MX")], [{}]),
    ("nest", 'AndRule{OrRule{RDRule(), TCPRule(true)}, NotRule(AndRule{QTypeRule("A"), TCPRule(true)})}',
     [{}, dict(rtype="MX", **NO_RD, **TCP)], [TCP, NO_RD]),
    ("dsec", 'DNSSECRule()', [DO_QUERY, CD, dict(**DO_QUERY, **CD)], [{}, AD, dict(use_edns=0)]),
    ("dprt", 'DSTPortRule($PORT)', [{}, TCP], []),
    ("dpr1", 'DSTPortRule(1)', [], [{}, TCP]),
    ("eopt", 'EDNSOptionRule(10)', [COOKIE, dict(**COOKIE, **TCP)], [{}, OTHER, dict(use_edns=0)]),
    ("ever", 'EDNSVersionRule(0)', [VERSION_1], [{}, dict(use_edns=0)]),
    ("ercd", 'ERCodeRule(DNSRCode.BADVERS)', [dict(rcode=16, use_edns=0)],
     [{}, dict(use_edns=0), dict(rcode=17, use_edns=0)]),
    ("erc0", 'ERCodeRule(0)', [dict(use_edns=0)], [{}, dict(rcode=16, use_edns=0)]),
    ("ipud", 'IncomingProtocolRule("DoUDP")', [{}], [TCP]),
    ("iptc", 'IncomingProtocolRule("DoTCP")', [TCP], [{}]),
    ("ipdt", 'IncomingProtocolRule("DoT")', [], [{}, TCP]),
    ("nmsk", 'NetmaskGroupRule("127.0.0.4/31")', [dict(source="127.0.0.5"), dict(source="127.0.0.4", **TCP)],
     [{}, dict(source="127.0.0.6")]),
    ("nmsl", 'NetmaskGroupRule({"127.0.0.5", "127.0.0.7/32", "2001:db8::/32"})',
     [dict(source="127.0.0.5"), dict(source="127.0.0.7")], [{}, dict(source="127.0.0.6")]),
    ("nmsg", 'NetmaskGroupRule(group, true, true)', [dict(source="127.0.1.1")],
     [{}, dict(source="127.0.1.2"), dict(source="127.0.2.1")]),
    ("nmsd", 'NetmaskGroupRule("127.0.0.9", false)', [dict(where="127.0.0.9")], [{}, dict(source="127.0.0.9")]),
    ("opcd", 'OpcodeRule(DNSOpcode.Status)', [dict(opcode=2)], [{}, dict(opcode=4)]),
    ("psze", 'PayloadSizeRule("equal", 60)', [size(60), dict(**size(60), **TCP)], [size(59), size(61)]),
    ("pszg", 'PayloadSizeRule("greater", 60)', [size(61)], [size(59), size(60)]),
    ("pgeq", 'PayloadSizeRule("greaterOrEqual", 60)', [size(60), size(61)], [size(59)]),
    ("pszs", 'PayloadSizeRule("smaller", 60)', [size(59)], [size(60), size(61)]),
    ("pseq", 'PayloadSizeRule("smallerOrEqual", 60)', [size(59), size(60)], [size(61)]),
    ("prb1", 'ProbaRule(1.0)', [{}, TCP], []),
    ("prb0", 'ProbaRule(0)', [], [{}, TCP]),
    ("qcls", 'QClassRule(DNSClass.CHAOS)', [dict(rdclass="CH")], [{}]),
    ("qnam", 'QNameRule("www.$D")', [{}, dict(prefix="WwW"), TCP, dict(rtype="TXT")],
     [dict(prefix="a.www"), dict(prefix="ww"), dict(prefix="xwww")]),
    ("qset", 'QNameSetRule(names)', [dict(prefix="one"), dict(prefix="TWO")],
     [{}, dict(prefix="a.one"), dict(prefix="three")]),
    ("qsuf", 'QNameSuffixRule("in.$D")', [dict(prefix="in"), dict(prefix="a.b.IN")],
     [{}, dict(prefix="xin"), dict(prefix="in.out")]),
    ("qsfl", 'QNameSuffixRule({"in.$D", newDNSName("at.$D")}, true)', [dict(prefix="a.in"), dict(prefix="at")],
     [{}, dict(prefix="nat")]),
    ("qsfo", 'QNameSuffixRule(suffixes)', [dict(prefix="a.in")], [{}, dict(prefix="xin")]),
    ("qsfr", 'QNameSuffixRule(".")', [{}], []),
    ("smnr", 'SuffixMatchNodeRule("in.$D")', [dict(prefix="a.in")], [{}]),
    ("smno", 'SuffixMatchNodeRule(suffixes)', [dict(prefix="a.in")], [{}]),
    ("labl", 'QNameLabelsCountRule(3, 4)', [dict(prefix=""), dict(prefix="c.b.a")], [{}, dict(prefix="b.a")]),
    ("wlen", 'QNameWireLengthRule(16, 20)', [dict(prefix="abc"), dict(prefix="abcdefghi")],
     [dict(prefix="abcd"), dict(prefix="ABCDEFGH")]),
    ("wlea", 'QNameWirelengthRule(16, 20)', [dict(prefix="abc")], [dict(prefix="abcd")]),
    ("qtyp", 'QTypeRule(DNSQType.MX)', [dict(rtype="MX")], [{}]),
    ("qtyn", 'QTypeRule("MX")', [dict(rtype="MX"), dict(rtype="MX", **TCP)], [{}]),
    ("qtyg", 'QTypeRule("TYPE65400")', [dict(rtype="TYPE65400")], [{}]),
    ("rcod", 'RCodeRule(DNSRCode.NXDOMAIN)', [dict(rcode=3)], [{}, dict(rcode=2), dict(rcode=16, use_edns=0)]),
    ("rdru", 'RDRule()', [{}], [NO_RD]),
    ("rgex", 'RegexRule("^[0-9]{3,}\\\\.rgex\\\\.TEST$")', [dict(prefix="123"), dict(prefix="12345")],
     [dict(prefix="12"), dict(prefix="a123"), dict(prefix="123.a")]),
    ("rgem", 'RegexRule("b+c")', [dict(prefix="abbcd"), dict(prefix="x.aBBC.y")], [dict(prefix="b"), dict(prefix="b.c")]),
    ("re2f", 'RE2Rule("[a-c]+\\\\.re2f\\\\.test")', [dict(prefix="abc")],
     [dict(prefix="ABC"), dict(prefix="abcd"), dict(prefix="x.abc"), dict(prefix="d")]),
    ("re2i", 'RE2Rule("(?i)[a-c]+\\\\.re2i\\\\.test")', [dict(prefix="abc"), dict(prefix="ABC")], [dict(prefix="d")]),
    ("rcnt", 'RecordsCountRule(DNSSection.Additional, 1, 1)', [dict(use_edns=0)], [{}]),
    ("rcnq", 'RecordsCountRule(DNSSection.Question, 2, 5)', [], [{}]),
    ("rtyp", 'RecordsTypeCountRule(DNSSection.Additional, DNSQType.OPT, 1, 2)', [dict(use_edns=0)], [{}]),
    ("rtyq", 'RecordsTypeCountRule(0, DNSQType.MX, 1, 1)', [dict(rtype="MX")], [{}]),
    ("tagr", 'TagRule("there")', [dict(rtype="MX"), dict(rtype="TXT")], [{}]),
    ("tagv", 'TagRule("there", "yes")', [dict(rtype="MX")], [{}, dict(rtype="TXT")]),
    ("tage", 'TagRule("there", "")', [dict(rtype="SRV")], [{}, dict(rtype="MX")]),
    ("tcpt", 'TCPRule(true)', [TCP], [{}]),
    ("tcpf", 'TCPRule(false)', [{}], [TCP]),
    ("trai", 'TrailingDataRule()', [added(b"\0"), dict(**added(b"more"), **TCP)], [{}, dict(use_edns=0)]),
    ("tset", 'timed:slice()', [dict(source="127.0.0.11"), dict(source="127.0.0.11", **TCP)],
     [{}, dict(source="127.0.0.12")]),
    ("mknm", 'makeRule("in.$D")', [dict(prefix="a.in")], [{}]),
    ("mkms", 'makeRule({"127.0.0.13", "mkms.test"})', [dict(source="127.0.0.13")], [{}]),
    ("puse", 'PoolAvailableRule("used")', [{}], []),
    ("pdow", 'PoolAvailableRule("down")', [], [{}]),
    ("pemp", 'PoolAvailableRule("empty")', [], [{}]),
    ("pout", 'PoolOutstandingRule("used", 0)', [], [{}]),
]

SETUP = '''
    group = newNMG() group:addMasks{"127.0.1.0/24", "!127.0.1.2/32"}
    names = newDNSNameSet() names:add(newDNSName("one.qset.test")) names:add(newDNSName("two.qset.test"))
    suffixes = newSuffixMatchNode() suffixes:add{"in.qsfo.test", "in.smno.test"}
    timed = TimedIPSetRule() timed:add(newCA("127.0.0.11"), 3600)
    addLocal("127.0.0.9:$PORT")
    getPool("empty")
    addAction(QTypeRule("MX"), SetTagAction("there", "yes"))
    addAction(QTypeRule("TXT"), SetTagAction("there", "no"))
    addAction(QTypeRule("SRV"), SetTagAction("there", ""))
'''


def a_record(query):
    """An A record for whatever is asked, with the EDNS of the query."""
    return answer(query, f"{query.message.question[0].name} 60 IN A 192.0.2.1")


def text(question):
    return ", ".join(f"{k}={v}" for k, v in question.items()) or "A over UDP"


class OfQueries(TestCase):
    """The rule of each case stands for its domain alone, and refuses what its selector matches."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(a_record))
        rules = "\n".join(cls.rule(label, selector.replace("$D", label + ".test"))
                          for label, selector, _, _ in QUERIES)
        cls.d = cls.class_daemon(f'''
            newServer("{cls.server.address}")
            newServer{{address="{cls.server.address}", pool="used", name="used", healthCheckMode="up"}}
            newServer{{address="127.0.0.1:1", pool="down", name="down", healthCheckMode="down"}}
            {SETUP}{rules}''')

    @staticmethod
    def rule(label, selector):
        return f'addAction(AndRule{{QNameSuffixRule("{label}.test"), {selector}}}, RCodeAction(DNSRCode.NOTAUTH))'

    def test_what_each_matches_is_answered_here_and_the_rest_by_the_server(self):
        for label, selector, yes, no in QUERIES:
            for question, rcode in [(q, NOTAUTH) for q in yes] + [(q, 0) for q in no]:
                with self.subTest(selector, question=text(question)):
                    before = len(self.server.queries)
                    self.assertEqual(Ask(**question).to(self.d.port, label + ".test").rcode(), rcode)
                    self.assertEqual(len(self.server.queries) - before, int(rcode == 0))


class WithTheSelectorFirst(OfQueries):
    @staticmethod
    def rule(label, selector):
        return f'addAction(AndRule{{{selector}, QNameSuffixRule("{label}.test")}}, RCodeAction(DNSRCode.NOTAUTH))'


class InOneChain(TestCase):
    """All of them in one chain without anything around: a question counts where it counts alone."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(a_record))
        rules = "\n".join(f'addAction({selector.replace("$D", label + ".test")}, NoneAction(), {{name="{label}"}})'
                          for label, selector, _, _ in QUERIES)
        cls.d = cls.class_daemon(f'''
            newServer("{cls.server.address}")
            newServer{{address="{cls.server.address}", pool="used", name="used", healthCheckMode="up"}}
            newServer{{address="127.0.0.1:1", pool="down", name="down", healthCheckMode="down"}}
            {SETUP}{rules}''')
        cls.console = cls.class_use(Console(cls.d))

    def test_each_counts_its_own(self):
        counted = self.console.matches()
        for label, selector, yes, no in QUERIES:
            for question, by in [(q, 1) for q in yes] + [(q, 0) for q in no]:
                with self.subTest(selector, question=text(question)):
                    before, counted = counted, None
                    Ask(**question).to(self.d.port, label + ".test")
                    counted = self.console.matches()
                    self.assertEqual(counted[label] - before[label], by)
                    self.assertEqual(counted["allr"] - before["allr"], 1)


class OverTheRoot(TestCase):
    def test_the_root_has_no_label_and_one_octet(self):
        server = self.use(FakeServer(a_record))
        d = self.daemon(f'''newServer("{server.address}")
            addAction(QNameLabelsCountRule(0, 0), NoneAction(), {{name="labels"}})
            addAction(QNameLabelsCountRule(1, 127), NoneAction(), {{name="no labels"}})
            addAction(QNameWireLengthRule(1, 1), NoneAction(), {{name="length"}})
            addAction(QNameRule("."), NoneAction(), {{name="root"}})
            addAction(RegexRule("[.]"), NoneAction(), {{name="dot"}})''')
        Ask(prefix="").to(d.port)
        with Console(d) as console:
            self.assertEqual(console.matches(), {"labels": 0, "no labels": 1, "length": 0, "root": 1, "dot": 0})


# Answers of the server to each case: records, then what it is called with. Every one has an A record.
def replied(query):
    """The first label of the name says what to answer."""
    name = query.message.question[0].name
    kind = name.labels[0].decode().lower()
    a = f"{name} 60 IN A 192.0.2.1"
    if kind == "nx":
        return answer(query, a, rcode=NXDOMAIN)
    if kind == "two":
        return answer(query, a, f"{name} 60 IN A 192.0.2.2")
    if kind == "mixed":
        return answer(query, a, f"{name} 60 IN TXT text", authority=[f"{name} 60 IN NS ns.test.", f"{name} 60 IN SOA "
                                                                     "ns.test. admin.test. 1 2 3 4 5"])
    if kind == "long":
        return answer(query, a, f'{name} 60 IN TXT {"x" * 200}')
    if kind == "trailing":
        return answer(query, a) + b"more"
    r = dns.message.from_wire(answer(query, a))
    if kind == "badvers":
        r.use_edns(0, payload=1232)
        r.set_rcode(dns.rcode.BADVERS)
    if kind == "cookie":
        r.use_edns(0, payload=1232, options=[option(10, b"cookie!!")])
    if kind == "version":
        r.use_edns(0, payload=1232)
        r.ednsflags |= 1 << 16
    if kind == "dnssec":
        r.use_edns(0, ednsflags=dns.flags.DO, payload=1232)
    if kind == "plain":
        r.use_edns(-1)
    if kind == "cd":
        r.flags |= dns.flags.CD
    if kind == "nord":
        r.flags &= ~dns.flags.RD
    return r.to_wire()


EDNS = dict(use_edns=0)


def of(kind, **kw):
    return dict(prefix=kind, **kw)


ANSWERS = [
    ("allr", 'AllRule()', [{}, TCP], []),
    ("and2", 'AndRule{RCodeRule(3), QTypeRule("A")}', [of("nx")], [{}, of("nx", rtype="MX")]),
    ("orr2", 'OrRule{RCodeRule(3), RecordsCountRule(1, 2, 2)}', [of("nx"), of("two")], [{}]),
    ("notr", 'NotRule(RCodeRule(3))', [{}], [of("nx")]),
    ("dsec", 'DNSSECRule()', [of("dnssec", **EDNS), of("cd")], [{}]),
    ("dprt", 'DSTPortRule($PORT)', [{}, TCP], []),
    ("eopt", 'EDNSOptionRule(10)', [of("cookie", **EDNS)], [of("www", **COOKIE), {}]),
    ("ever", 'EDNSVersionRule(0)', [of("version", **EDNS)], [{}, EDNS]),
    ("ercd", 'ERCodeRule(DNSRCode.BADVERS)', [of("badvers", **EDNS)], [{}, EDNS, of("nx", **EDNS)]),
    ("erc3", 'ERCodeRule(3)', [of("nx", **EDNS)], [of("nx"), EDNS]),
    ("ipud", 'IncomingProtocolRule("DoUDP")', [{}], [TCP]),
    ("iptc", 'IncomingProtocolRule("DoTCP")', [TCP], [{}]),
    ("nmsk", 'NetmaskGroupRule("127.0.0.5")', [dict(source="127.0.0.5")], [{}]),
    ("nmsd", 'NetmaskGroupRule("127.0.0.9", false)', [dict(where="127.0.0.9")], [{}]),
    ("opcd", 'OpcodeRule(4)', [dict(opcode=4)], [{}]),
    ("pszg", 'PayloadSizeRule("greater", 200)', [of("long")], [{}, of("two")]),
    ("prb1", 'ProbaRule(1)', [{}], []),
    ("prb0", 'ProbaRule(0)', [], [{}]),
    ("qcls", 'QClassRule(DNSClass.IN)', [{}], []),
    ("qnam", 'QNameRule("www.$D")', [{}, of("WWW")], [of("two")]),
    ("qset", 'QNameSetRule(names)', [of("one"), of("TWO")], [{}]),
    ("qsuf", 'QNameSuffixRule("in.$D")', [of("a.in")], [{}]),
    ("smnr", 'SuffixMatchNodeRule("in.$D")', [of("a.in")], [{}]),
    ("labl", 'QNameLabelsCountRule(0, 3)', [of("b.a")], [{}]),
    ("wlen", 'QNameWireLengthRule(0, 16)', [of("abcde")], [{}]),
    ("qtyp", 'QTypeRule("MX")', [dict(rtype="MX")], [{}]),
    ("rcod", 'RCodeRule(DNSRCode.NXDOMAIN)', [of("nx"), of("nx", **TCP)], [{}, of("badvers", **EDNS)]),
    ("rdru", 'RDRule()', [{}], [of("nord")]),
    ("rgex", 'RegexRule("^[0-9]+\\\\.")', [of("123")], [{}]),
    ("re2f", 'RE2Rule("[a-c]+\\\\.re2f\\\\.test")', [of("abc")], [of("ABC"), {}]),
    ("rcnt", 'RecordsCountRule(DNSSection.Answer, 2, 2)', [of("two"), of("mixed")], [{}]),
    ("rcna", 'RecordsCountRule(DNSSection.Authority, 1, 65535)', [of("mixed")], [{}]),
    ("rtyp", 'RecordsTypeCountRule(DNSSection.Answer, DNSQType.A, 2, 9)', [of("two")], [{}, of("mixed")]),
    ("rtys", 'RecordsTypeCountRule(2, DNSQType.SOA, 1, 1)', [of("mixed")], [{}, of("two")]),
    ("tagr", 'TagRule("there", "yes")', [dict(rtype="MX"), dict(rtype="MX", **TCP)], [{}]),
    ("tcpt", 'TCPRule(true)', [TCP], [{}]),
    ("tcpf", 'TCPRule(false)', [{}], [TCP]),
    ("trai", 'TrailingDataRule()', [of("trailing"), of("trailing", **TCP)], [{}, of("mixed")]),
    ("tset", 'timed:slice()', [dict(source="127.0.0.11")], [{}]),
]


class OfAnswers(TestCase):
    """The rule of each case lowers the TTL of what it matches."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(replied))
        rules = "\n".join(
            'addResponseAction(AndRule{QNameSuffixRule("%s.test"), %s}, SetMaxTTLResponseAction(7), {name="%s"})'
            % (label, selector.replace("$D", label + ".test"), label) for label, selector, _, _ in ANSWERS)
        cls.d = cls.class_daemon(f'newServer("{cls.server.address}")\n{SETUP}{rules}')

    def ask(self, question, domain):
        wire = Ask(**question).exchange(Ask(**question).message(domain).to_wire(), self.d.port)
        return dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)

    def test_what_each_matches_has_another_ttl(self):
        for label, selector, yes, no in ANSWERS:
            for question, ttl in [(q, 7) for q in yes] + [(q, 60) for q in no]:
                with self.subTest(selector, question=text(question)):
                    self.assertEqual(self.ask(question, label + ".test").answer[0].ttl, ttl)

    def test_what_is_about_the_way_to_servers_is_in_no_chain_of_answers(self):
        """These two look at what a query may still choose from; asked of an answer they look all the same."""
        with Console(self.d) as console:
            for selector in ('PoolAvailableRule("")', 'PoolOutstandingRule("", 0)'):
                console.run(f'addResponseAction({selector}, SetMaxTTLResponseAction(5), {{name="{selector[:6]}"}})')
                try:
                    self.assertIn(self.ask({}, "none.test").answer[0].ttl, (5, 60))
                finally:
                    console.run(f'rmResponseRule("{selector[:6]}")')


class Strings(TestCase):
    """What stands for a selector without being one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(a_record))
        cls.d = cls.class_daemon(f'''newServer("{cls.server.address}")
            addAction("text.test", SetTagAction("a", "1"), {{name="text"}})
            addAction({{"one.test", "two.test"}}, NoneAction(), {{name="texts"}})
            addAction(newDNSName("name.test"), NoneAction(), {{name="name"}})
            addAction({{newDNSName("three.test"), newDNSName("four.test")}}, NoneAction(), {{name="names"}})
            addAction("127.0.0.20/30", NoneAction(), {{name="mask"}})
            addAction({{"127.0.0.24", "127.0.0.25", "ignored.test"}}, NoneAction(), {{name="masks"}})
            addAction("", NoneAction(), {{name="all"}})
            addResponseAction("text.test", AllowResponseAction(), {{name="text"}})
            addResponseAction({{"127.0.0.20"}}, AllowResponseAction(), {{name="mask"}})''')

    def test_who_matches(self):
        cases = [("a.text.test", "127.0.0.1", {"text"}), ("two.test", "127.0.0.1", {"texts"}),
                 ("one.test", "127.0.0.1", {"texts"}), ("xtwo.test", "127.0.0.1", set()),
                 ("a.name.test", "127.0.0.1", {"name"}), ("four.test", "127.0.0.1", {"names"}),
                 ("x.test", "127.0.0.22", {"mask"}), ("x.test", "127.0.0.25", {"masks"}),
                 ("ignored.test", "127.0.0.1", set()), ("text.test", "127.0.0.24", {"text", "masks"})]
        with Console(self.d) as console:
            for name, source, who in cases:
                with self.subTest(name=name, source=source):
                    before = console.matches()
                    Ask(prefix=name, source=source).to(self.d.port)
                    after = console.matches()
                    self.assertEqual({n for n in after if after[n] != before[n]}, who | {"all"})
            self.assertEqual(console.matches("showResponseRules()"), {"text": 2, "mask": 0})


class Pools(TestCase):
    def test_servers_that_can_take_a_query(self):
        held = []
        server = self.use(FakeServer(lambda q: held.append(q) if "held" in q.name else a_record(q)))
        d = self.daemon(f'''
            newServer("{server.address}")
            newServer{{address="{server.address}", name="busy", pool="busy", maxOutstandingQueries=2, udpTimeout=5,
                       healthCheckMode="up"}}
            newServer{{address="{server.address}", name="slow", pool="slow", qps=1, healthCheckMode="up"}}
            addAction(PoolAvailableRule("busy"), NoneAction(), {{name="busy available"}})
            addAction(PoolAvailableRule("slow"), NoneAction(), {{name="slow available"}})
            for n = 0, 2 do
                addAction(PoolOutstandingRule("busy", n), NoneAction(), {{name="busy above " .. n}})
            end
            addAction(QNameSuffixRule("held.test"), PoolAction("busy"))
            addAction(QNameSuffixRule("slow.test"), PoolAction("slow"))''')
        with Console(d) as console:
            def seen(*names):
                before = console.matches()
                Ask().to(d.port, "look.test")
                after = console.matches()
                self.assertEqual({n for n in after if after[n] != before[n]}, set(names))

            seen("busy available", "slow available")
            for n in range(2):
                self.assertRaises(dns.exception.Timeout, Ask(prefix=f"n{n}", timeout=0.1).to, d.port, "held.test")
                self.assertTrue(wait_for(lambda: len(held) == n + 1))
                if n == 0:
                    seen("busy available", "slow available", "busy above 0")
            seen("slow available", "busy above 0", "busy above 1")
            Ask().to(d.port, "slow.test")
            seen("busy above 0", "busy above 1")
            console.run('getServer(1):setDown()')
            seen("busy above 0", "busy above 1")

    def test_a_pool_that_does_not_exist_drops(self):
        server = self.use(FakeServer(a_record))
        d = self.daemon(f'''newServer("{server.address}")
            addAction(AndRule{{QNameRule("a.test"), PoolAvailableRule("nowhere")}}, NoneAction())
            addAction(AndRule{{QNameRule("b.test"), PoolOutstandingRule("nowhere", 0)}}, NoneAction())''')
        for name in ("a.test", "b.test"):
            self.assertRaises(dns.exception.Timeout, Ask(prefix=name, timeout=0.3).to, d.port)
        self.assertEqual(Ask(prefix="c.test").to(d.port).rcode(), 0)


if __name__ == "__main__":
    main()
