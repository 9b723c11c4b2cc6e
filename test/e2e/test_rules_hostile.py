#!/usr/bin/python3
"""Packets that rules can not apply to, from clients and from servers, through every selector and every edit."""
import random
import struct

import dns.exception
import dns.message

import clients
from fakeserver import FakeServer, address
from harness import TestCase, main, wait_for
from ruletools import Ask, Console, option

SEED = 20250

# Of each kind one at least; numbers and names that none of the packets is made for.
SELECTORS = r'''
    set = newDNSNameSet() set:add(newDNSName("in.set.test"))
    many = newSuffixMatchNode() many:add{"a.many.test", "b.many.test"}
    group = newNMG() group:addMasks{"192.0.2.0/24", "2001:db8::/32"}
    timed = TimedIPSetRule() timed:add(newCA("192.0.2.1"), 3600)
    selectors = {
        AllRule(), AndRule{RDRule(), QTypeRule("A")}, OrRule{QClassRule(3), OpcodeRule(4)}, NotRule(RDRule()),
        QNameRule("www.test"), QNameSetRule(set), QNameSuffixRule("below.test"), SuffixMatchNodeRule(many),
        QNameLabelsCountRule(1, 20), QNameWireLengthRule(1, 100), QNameWirelengthRule(2, 90),
        RegexRule("(a|b)+[0-9]*x?$"), RE2Rule("[a-z.]*[0-9]+"), QTypeRule(255), QClassRule(1), OpcodeRule(0),
        RCodeRule(3), RDRule(), DNSSECRule(), EDNSOptionRule(10), EDNSVersionRule(0), ERCodeRule(16),
        PayloadSizeRule("greater", 100), RecordsCountRule(3, 1, 1), RecordsTypeCountRule(3, 41, 1, 1),
        RecordsTypeCountRule(1, 1, 0, 5), TrailingDataRule(), NetmaskGroupRule(group), NetmaskGroupRule(group, false),
        DSTPortRule(53), TCPRule(true), IncomingProtocolRule("DoTCP"), MaxQPSRule(1000000), MaxQPSIPRule(1000000),
        ProbaRule(0.5), TagRule("n"), TagRule("n", "3"), timed:slice(),
    }
    pools = { PoolAvailableRule(""), PoolOutstandingRule("", 100) }
'''

EDITS_OF_QUERIES = r'''
    NoneAction(), SetTagAction("n", "3"), UnsetTagAction("m"), SetNoRecurseAction(), SetDisableValidationAction(),
    SetSkipCacheAction(), DelayAction(0), PoolAction("", false), QPSAction(1000000), QPSPoolAction(1000000, "", false),
    SetDisableECSAction(), SetECSOverrideAction(true), SetECSPrefixLengthAction(20, 40), SetECSAction("192.0.2.0/24"),
    SetEDNSOptionAction(65001, "data"), SetExtendedDNSErrorAction(15, "text"), SetMaxReturnedTTLAction(100),
    SetTempFailureCacheTTLAction(1), SetMacAddrAction(65002), LogAction("$DIR/log", false), LogAction("$DIR/binary"),
    ContinueAction(SetTagAction("inner", "1")), TeeAction("127.0.0.1:$TEE", true),
'''

EDITS_OF_ANSWERS = r'''
    SetTagResponseAction("n", "3"), UnsetTagResponseAction("m"), SetSkipCacheResponseAction(), DelayResponseAction(0),
    SetEDNSOptionResponseAction(65001, "data"), SetExtendedDNSErrorResponseAction(16, "text", false),
    LimitTTLResponseAction(10, 1000, {1, 28}), SetMinTTLResponseAction(20), SetMaxTTLResponseAction(500),
    SetReducedTTLResponseAction(90), SetMaxReturnedTTLResponseAction(100),
    ClearRecordTypesResponseAction({DNSQType.TXT, DNSQType.AAAA}), LogResponseAction("$DIR/answers"),
'''

# The i-th for names below n<i>.test, and now and then for others; the raw data is good for one type only.
ANSWERING = r'''
    RCodeAction(5), ERCodeAction(200), SpoofAction({"192.0.2.1", "2001:db8::1"}), SpoofCNAMEAction("target.test"),
    SpoofRawAction({"\1a", "\2bc"}, {typeForAny=16}), NegativeAndSOAAction(true, "z.test", 1, "m.test", "r.test", 1, 2, 3, 4, 5),
    SpoofSVCAction(newSVCRecordParameters(1, ".", {ipv4hint="192.0.2.1"})), TCAction(),
    SpoofPacketAction("12345678901234567890", 12),
'''


def rules(answering=False):
    """Each selector meets each edit: the one after the other, in three chains of queries and answers."""
    text = SELECTORS + f'''
        edits, answers = {{{EDITS_OF_QUERIES}}}, {{{EDITS_OF_ANSWERS}}}
        for i, s in ipairs(selectors) do
            addAction(s, edits[i % #edits + 1])
            addCacheMissAction(s, edits[(i + 5) % #edits + 1])
            for j, add in ipairs{{addResponseAction, addCacheHitResponseAction, addCacheInsertedResponseAction,
                                  addSelfAnsweredResponseAction}} do
                add(s, answers[(i + j) % #answers + 1])
            end
        end
        for _, e in ipairs(edits) do addAction(AllRule(), e) end
        for _, a in ipairs(answers) do
            addResponseAction(AllRule(), a)
            addSelfAnsweredResponseAction(AllRule(), a)
            addCacheHitResponseAction(AllRule(), a)
        end
        for _, p in ipairs(pools) do addAction(p, NoneAction()) end
        addResponseAction(QNameRule("cut.test"), TCResponseAction())
    '''
    if answering:
        text += f'''
            function fits(i) return i == 5 and OrRule{{QTypeRule("TXT"), QTypeRule("ANY")}} or AllRule() end
            for i, a in ipairs{{{ANSWERING}}} do
                addAction(AndRule{{QNameSuffixRule("n" .. i .. ".test"), fits(i)}}, a)
                addAction(AndRule{{NotRule(QNameSuffixRule("honest.test")), ProbaRule(0.3), fits(i)}}, a)
            end
        '''
    return text


def header(flags=0x0100, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!6H", 4711, flags, qd, an, ns, ar)


WWW = b"\3www\4test\0"
A_IN = b"\0\1\0\1"
LONGEST = (b"\x3f" + b"x" * 63) * 3 + b"\x3d" + b"y" * 61 + b"\0"
MOST_LABELS = b"\1a" * 127 + b"\0"
assert len(LONGEST) == len(MOST_LABELS) == 255


def opt(data=b"", owner=b"\0", length=None, ttl=0, payload=1232):
    return owner + struct.pack("!HHIH", 41, payload, ttl, len(data) if length is None else length) + data


def an_option(code, data=b"", length=None):
    return struct.pack("!HH", code, len(data) if length is None else length) + data


def packets():
    """(label, octets)."""
    whole = header(ar=1) + WWW + A_IN + opt(an_option(10, b"cookie!!") + an_option(8, b"\0\1\x18\0\xc0\0\2"))
    yield "no question", header(qd=0)
    yield "no question, but an OPT", header(qd=0, ar=1) + opt()
    yield "no question, octets behind", header(qd=0) + b"more"
    yield "two questions", header(qd=2) + (WWW + A_IN) * 2
    yield "a second question by pointer", header(qd=2, ar=1) + WWW + A_IN + b"\xc0\x0c\0\x1c\0\1" + opt()
    yield "thousand questions", header(qd=100) + (b"\1a\0" + A_IN) * 100
    yield "questions that are not there", header(qd=65535) + WWW + A_IN
    yield "all counts too high", header(qd=1, an=65535, ns=65535, ar=65535) + WWW + A_IN
    for count in ("an", "ns", "ar"):
        yield f"{count} too high", header(**{count: 1}) + WWW + A_IN
        yield f"{count} too high by one", header(**{count: 2}) + WWW + A_IN + opt()
        yield f"OPT in {count}", header(**{count: 1}) + WWW + A_IN + opt(an_option(10, b"12345678"))
        yield f"a record in {count}", header(**{count: 1}) + WWW + A_IN + b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\1\2\3\4"
    for i in range(len(whole)):
        yield f"cut after {i}", whole[:i]
    for label, data, kw in (("length beyond the end", b"", dict(length=10)), ("length 65535", b"", dict(length=65535)),
                            ("option beyond", an_option(10, b"", 5), {}), ("option of 65535", an_option(8, b"", 65535), {}),
                            ("half an option", b"\0\x0a\0", {}), ("a subnet of one octet", an_option(8, b"\0"), {}),
                            ("a subnet of no family", an_option(8, b"\0\7\xff\xff" + bytes(40)), {}),
                            ("an owner", an_option(10), dict(owner=b"\1a\0")), ("version 255", b"", dict(ttl=0x00ff0000)),
                            ("all bits", b"", dict(ttl=0xffffffff)), ("no payload", b"", dict(payload=0)),
                            ("twenty options", an_option(10, b"x") * 20, {}), ("garbage", bytes(range(256)), {}),
                            ("an owner that points to itself", b"", dict(owner=b"\xc0\x17"))):
        yield "OPT: " + label, header(ar=1) + WWW + A_IN + opt(data, **kw)
    yield "two OPTs", header(ar=2) + WWW + A_IN + opt(an_option(10, b"1")) + opt(an_option(10, b"2"))
    yield "an OPT behind a record", header(ar=2) + WWW + A_IN + b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\1\2\3\4" + opt()
    yield "an OPT before a record", header(ar=2) + WWW + A_IN + opt() + b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\1\2\3\4"
    for label, name in (("longest", LONGEST), ("127 labels", MOST_LABELS), ("root", b"\0"), ("128 labels", b"\1a" * 128 + b"\0"),
                        ("256 octets", b"\1z" + LONGEST), ("pointer to itself", b"\xc0\x0c"), ("pointer ahead", b"\xc0\x20"),
                        ("pointer into the header", b"\3www\xc0\x02"), ("label of 64", b"\x40" + b"x" * 64 + b"\0"),
                        ("label type 10", b"\x80\0"), ("half a pointer", b"\xc0"), ("binary", bytes([63]) + bytes(63) + b"\0"),
                        ("dots and quotes", b"\7.\"\\\0\n%$\4test\0"), ("high octets", b"\4\xff\xfe\x80\x00\0")):
        for behind in (A_IN, A_IN + b"trailing"):
            yield f"name: {label}", header() + name + behind
        yield f"name: {label}, with OPT", header(ar=1) + name + A_IN + opt(an_option(10, b"12345678"))
    for qtype in (0, 41, 250, 251, 252, 255, 65535):
        yield f"type {qtype}", header() + WWW + struct.pack("!HH", qtype, 1)
        yield f"class {qtype}", header() + WWW + struct.pack("!HH", 1, qtype)
    for flags in (0x8000, 0x0200, 0x7800, 0xffff, 0x000f, 0x0800, 0x2800, 0x0070):
        yield f"flags {flags:04x}", header(flags) + WWW + A_IN
    yield "as long as one can be", header() + WWW + A_IN + bytes(1500 - 12 - len(WWW) - 4)
    yield "an OPT as long as one can be", header(ar=1) + WWW + A_IN + opt(bytes(1500 - 12 - len(WWW) - 4 - 11))
    yield "nothing", b""
    yield "one octet", b"\0"


def mutated(rnd, n):
    """Queries that were good before some octets of theirs were changed, cut, doubled or put in."""
    for i in range(n):
        m = clients.make(rnd.choice(["www.test", "n3.test", "a.b.c.d.below.test", "x1.many.test"]),
                         rnd.choice(["A", "AAAA", "ANY", "HTTPS", "TXT"]), use_edns=0,
                         options=[option(10, b"12345678"), option(8, b"\0\1\x18\0\xc0\0\2")])
        wire = bytearray(m.to_wire())
        for _ in range(rnd.randrange(1, 6)):
            at = rnd.randrange(2, len(wire))
            what = rnd.randrange(4)
            if what < 2:
                wire[at] = rnd.choice([0, 1, 0x3f, 0x40, 0xc0, 0xff, rnd.randrange(256)])
            elif what == 2:
                wire[at:at + rnd.randrange(8)] = b""
            else:
                wire[at:at] = bytes(rnd.randrange(256) for _ in range(rnd.randrange(1, 12)))
            wire = wire if len(wire) > 3 else bytearray(16)
        wire[2] &= 0x7f  # as an answer it would get nowhere
        yield f"mutation {i}", bytes(wire)


class Hostile(TestCase):
    ANSWERING = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rnd = random.Random(SEED)
        cls.server = cls.class_use(FakeServer(cls.reply))
        cls.tee = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'''
            newServer{{address="{cls.server.address}", useClientSubnet=true, udpTimeout=1}}
            getPool(""):setCache(newPacketCache(10000, {{parseECS=true}}))
            {rules(cls.ANSWERING).replace("$DIR", cls.folder()).replace("$TEE", str(cls.tee.port))}''')
        cls.count = 0

    @staticmethod
    def reply(query):
        return address(query)

    def honest(self, tcp):
        """A query that the cache has not, answered as if nothing were."""
        type(self).count += 1
        r = Ask(prefix=f"www{self.count}", tcp=tcp, use_edns=0).to(self.d.port, "honest.test")
        self.assertEqual(r.answer[0][0].to_text(), "192.0.2.1")

    def survives(self, tcp):
        self.assertTrue(self.d.running())
        self.honest(tcp)

    def throw_udp(self, cases):
        """All of them, an honest one in between now and then."""
        with clients.socket.socket(clients.socket.AF_INET, clients.socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", self.d.port))
            for i, (label, wire) in enumerate(cases):
                with self.subTest(label):
                    s.send(wire)
                    if i % 10 == 0:
                        self.survives(tcp=False)
        self.survives(tcp=False)

    def throw_tcp(self, cases):
        """On a connection as long as it lives; then on the next."""
        s = clients.Stream(self.d.port)
        try:
            for i, (label, wire) in enumerate(cases):
                with self.subTest(label):
                    try:
                        s.send(wire)
                    except OSError:
                        s.close()
                        s = clients.Stream(self.d.port)
                        s.send(wire)
                    if i % 20 == 0:
                        self.survives(tcp=True)
        finally:
            s.close()
        self.survives(tcp=True)

    def test_over_udp(self):
        self.throw_udp(packets())

    def test_over_tcp(self):
        self.throw_tcp(packets())

    def test_mutations_over_udp(self):
        self.throw_udp(mutated(random.Random(SEED), 600))

    def test_mutations_over_tcp(self):
        self.throw_tcp(mutated(random.Random(SEED + 1), 300))


class HostileToAnswers(Hostile):
    """As before, and a third of what comes is answered by one or the other action."""

    ANSWERING = True

    def all_of(self, s):
        """What comes until there is silence."""
        got = []
        try:
            while True:
                got.append(s.recv(65535))
        except TimeoutError:
            return got

    def read(self, wire):
        if wire[4:6] != b"\0\1" or len(wire) == 12:
            return  # there was no question, or SpoofPacketAction made it
        wire = wire[:2] + bytes([wire[2] & 0x87]) + wire[3:]  # dnspython has no names for all opcodes
        try:
            dns.message.from_wire(wire, ignore_trailing=True)
        except dns.exception.DNSException as e:
            self.fail(f"{e!r}: {wire.hex()}")

    def test_what_is_answered_here_can_be_read(self):
        """Whatever the packet was like, if it is answered then by a message."""
        with clients.socket.socket(clients.socket.AF_INET, clients.socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", self.d.port))
            s.settimeout(0.02)
            for label, wire in list(packets()) + list(mutated(random.Random(SEED + 2), 200)):
                with self.subTest(label):
                    for name in range(1, 10):
                        s.send(wire.replace(WWW, b"\3www\2n%d\4test\0" % name))
                    for got in self.all_of(s):
                        self.read(got)
        self.survives(tcp=False)


class HostileServer(Hostile):
    """Servers answer with what they like; the chain of answers has every selector and edit."""

    @staticmethod
    def reply(query):
        if "honest" in query.name:
            return address(query)
        return HostileServer.made(query)

    rnd2 = random.Random(SEED + 3)

    @classmethod
    def made(cls, query):
        good = dns.message.from_wire(address(query))
        kind = cls.rnd2.randrange(8)
        if kind == 0:
            good.use_edns(0, options=[option(15, b"\0"), option(8, b"\0\1"), option(10, bytes(300))])
        wire = bytearray(good.to_wire())
        end = len(query.message.question[0].name.to_wire()) + 16
        if kind == 1:
            return bytes(wire[:cls.rnd2.randrange(len(wire))])
        if kind == 2:
            wire[6:12] = bytes(cls.rnd2.randrange(256) for _ in range(6))
        if kind == 3:
            wire[end:] = bytes(cls.rnd2.randrange(256) for _ in range(cls.rnd2.randrange(200)))
        if kind == 4:
            wire += bytes(cls.rnd2.randrange(256) for _ in range(300))
        if kind == 5:  # a name that points to itself, and one ahead
            wire[end:end + 2] = struct.pack("!H", 0xc000 + cls.rnd2.choice([end, end + 2, 12, 0, 0x3fff]))
        if kind == 6:
            wire[end + 10:end + 12] = struct.pack("!H", cls.rnd2.choice([0, 3, 5, 65535]))
        if kind == 7:
            for _ in range(5):
                wire[cls.rnd2.randrange(2, len(wire))] = cls.rnd2.randrange(256)
        return bytes(wire)

    def test_answers_over_udp(self):
        for i in range(400):
            wire = clients.make(f"x{i}.test", "A", use_edns=0 if i % 2 else None).to_wire()
            clients.send_udp(self.d.port, wire, timeout=0.01)
            if i % 20 == 0:
                self.survives(tcp=False)

    def test_answers_over_tcp(self):
        for i in range(100):
            with clients.Stream(self.d.port, timeout=0.05) as s:
                try:
                    s.send(clients.make(f"y{i}.test", "A", use_edns=0 if i % 2 else None).to_wire())
                    s.receive()
                except OSError:
                    pass
            if i % 10 == 0:
                self.survives(tcp=True)


class NothingMatchesByAccident(TestCase):
    """Of packets without what a selector asks about, it matches none."""

    RULES = {"name": 'QNameRule(".")', "suffix": 'QNameSuffixRule("test")', "type": 'QTypeRule(0)', "class": 'QClassRule(0)',
             "option": 'EDNSOptionRule(0)', "version": 'EDNSVersionRule(0)', "extended": 'ERCodeRule(0)',
             "dnssec": 'DNSSECRule()', "opt": 'RecordsTypeCountRule(3, 41, 1, 65535)', "tag": 'TagRule("there")',
             "regex": 'RegexRule("^$")', "labels": 'QNameLabelsCountRule(0, 127)', "length": 'QNameWireLengthRule(1, 255)',
             "trailing": 'TrailingDataRule()'}

    def test_it(self):
        server = self.use(FakeServer(lambda q: None))
        d = self.daemon(f'newServer{{address="{server.address}", healthCheckMode="up"}}\n' + "\n".join(
            f"addAction({s}, NoneAction(), {{name='{n}'}})" for n, s in self.RULES.items()) +
            '\naddAction(AllRule(), NoneAction(), {name="all"})')
        with Console(d) as console:
            def matched(wire, some=True):
                before = console.matches()
                clients.send_udp(d.port, wire, timeout=0.05)
                if some:
                    wait_for(lambda: console.matches() != before)
                after = console.matches()
                return {n for n in after if after[n] != before[n]}
            self.assertEqual(matched(header(qd=0), some=False), set())  # answered before rules are asked
            self.assertEqual(matched(header() + WWW + A_IN), {"suffix", "all"})
            # an OPT that is none: cut short, of another owner, in another section
            self.assertEqual(matched(header(ar=1) + WWW + A_IN + opt(length=9)), {"suffix", "all"})
            self.assertEqual(matched(header(ar=1) + WWW + A_IN + opt(an_option(0), owner=b"\1a\0", ttl=0xffff0000)) -
                             {"opt"}, {"suffix", "all"})
            self.assertEqual(matched(header() + b"\0\0\0\0\0"), {"name", "type", "class", "regex", "all"})


if __name__ == "__main__":
    main()
