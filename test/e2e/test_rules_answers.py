#!/usr/bin/python3
"""Actions that answer queries themselves: what dnspython reads, flag by flag, and that no server is asked."""
import dns.edns
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype

import clients
from fakeserver import FakeServer, address, answer
from harness import TestCase, main
from ruletools import NOERROR, NXDOMAIN, REFUSED, Ask, option

AA, AD, CD, RA, RD, TC, QR = (getattr(dns.flags, f) for f in ("AA", "AD", "CD", "RA", "RD", "TC", "QR"))

# The options that all but a few of them have: what is written, what the answer to RD=1 and to RD=0 has.
OPTIONS = [
    ("", RA, 0),
    ("{}", RA, 0),
    ("{aa=true}", RA | AA, AA),
    ("{aa=false, ad=false}", RA, 0),
    ("{ad=true}", RA | AD, AD),
    ("{ra=true}", RA, RA),
    ("{ra=false}", 0, 0),
    ("{aa=true, ad=true, ra=true}", RA | AA | AD, RA | AA | AD),
]

# Actions with a table of options at %s behind their arguments.
ANSWERING = [
    ("spoof", 'SpoofAction("192.0.2.7"%s)'),
    ("cname", 'SpoofCNAMEAction("other.test"%s)'),
    ("raw", 'SpoofRawAction("\\192\\000\\002\\007"%s)'),
    ("rcode", 'RCodeAction(DNSRCode.REFUSED%s)'),
    ("ercode", 'ERCodeAction(DNSRCode.BADVERS%s)'),
    ("nxd", 'NegativeAndSOAAction(true, "zone.test", 5, "ns.test", "admin.test", 1, 2, 3, 4, 5%s)'),
    ("nodata", 'NegativeAndSOAAction(false, "zone.test", 5, "ns.test", "admin.test", 1, 2, 3, 4, 5%s)'),
    ("svc", 'SpoofSVCAction(newSVCRecordParameters(1, "."), nil%s)'),
]


class Answers(TestCase):
    """One daemon of a class's rules; what it does not answer comes from a server."""

    RULES = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(cls.reply))
        cls.d = cls.class_daemon(f'newServer("{cls.server.address}")\n{cls.rules()}')

    @staticmethod
    def reply(query):
        return address(query)

    @classmethod
    def rules(cls):
        return cls.RULES

    def ask(self, name, rtype="A", tcp=False, **kw):
        """Its answer, which no server has seen."""
        before = len(self.server.queries)
        r = Ask(prefix=name, rtype=rtype, tcp=tcp, **kw).to(self.d.port)
        self.assertEqual(len(self.server.queries), before, "a server was asked")
        return r

    def passes(self, name, rtype="A", **kw):
        before = len(self.server.queries)
        r = Ask(prefix=name, rtype=rtype, **kw).to(self.d.port)
        self.assertEqual(len(self.server.queries), before + 1, "no server was asked")
        return r

    @staticmethod
    def data(section):
        return sorted(rdata.to_text() for rrset in section for rdata in rrset)


class Flags(Answers):
    @classmethod
    def rules(cls):
        lines = []
        for kind, action in ANSWERING:
            for i, (table, _, _) in enumerate(OPTIONS):
                made = action.replace(", nil", "") % (", " + table if table else "")
                lines.append(f'addAction(QNameRule("o{i}.{kind}.test"), {made})')
        return "\n".join(lines)

    def rtype(self, kind):
        return "HTTPS" if kind == "svc" else "A"

    def test_flags(self):
        for kind, _ in ANSWERING:
            for i, (table, with_rd, without_rd) in enumerate(OPTIONS):
                for rd, flags in ((RD, with_rd), (0, without_rd)):
                    for tcp in (False, True):
                        with self.subTest(kind, options=table, rd=rd, tcp=tcp):
                            r = self.ask(f"o{i}.{kind}.test", self.rtype(kind), tcp=tcp, clear_flags=RD & ~rd)
                            self.assertEqual(dns.flags.to_text(r.flags & ~0xf), dns.flags.to_text(QR | rd | flags))

    def test_what_the_client_set_is_not_taken_for_the_answer(self):
        for kind, _ in ANSWERING:
            with self.subTest(kind):
                r = self.ask(f"o0.{kind}.test", self.rtype(kind), set_flags=AA | AD | CD | RA)
                self.assertEqual(r.flags & (AD | CD | RA | RD), CD | RA | RD)

    def test_edns_is_answered_with_edns_and_nothing_of_the_clients(self):
        for kind, _ in ANSWERING:
            with self.subTest(kind):
                r = self.ask(f"o0.{kind}.test", self.rtype(kind))
                self.assertEqual(r.edns, -1)
                r = self.ask(f"o0.{kind}.test", self.rtype(kind), use_edns=0, payload=4000, want_dnssec=True,
                             options=[option(10, b"cookie!!"), option(65001)])
                self.assertEqual((r.edns, r.payload, r.ednsflags & 0xFFFF, list(r.options)),
                                 (0, 1232, dns.flags.DO, []))
                r = self.ask(f"o0.{kind}.test", self.rtype(kind), use_edns=0)
                self.assertEqual((r.edns, r.ednsflags & 0xFFFF), (0, 0))

    def test_edns_of_own_answers_as_it_is_set(self):
        d = self.daemon('setPayloadSizeOnSelfGeneratedAnswers(1400) addAction("payload.test", SpoofAction("192.0.2.7"))')
        self.assertEqual(Ask("payload.test", use_edns=0).to(d.port).payload, 1400)
        d.console("setAddEDNSToSelfGeneratedResponses(false)")
        self.assertEqual(Ask("payload.test", use_edns=0).to(d.port).edns, -1)

    def test_letters_of_the_name_come_back(self):
        for kind, _ in ANSWERING:
            with self.subTest(kind):
                r = self.ask(f"O0.{kind}.TeSt", self.rtype(kind))
                self.assertEqual(r.question[0].name.to_text(), f"O0.{kind}.TeSt.")


class Rcodes(Answers):
    @classmethod
    def rules(cls):
        return '\n'.join(['for i = 0, 15 do addAction(QNameRule("r" .. i .. ".test"), RCodeAction(i)) end',
                          'for i = 0, 255 do addAction(QNameRule("e" .. i .. ".test"), ERCodeAction(i)) end',
                          'addResponseAction(AllRule(), DropResponseAction())'])  # not for answers of our own

    def test_every_rcode(self):
        for i in range(16):
            for tcp in (False, True):
                r = self.ask(f"r{i}.test", tcp=tcp, use_edns=0)
                self.assertEqual((r.rcode(), r.answer, r.authority, r.additional), (i, [], [], []))

    def test_every_extended_rcode(self):
        for i in (0, 1, 3, 15, 16, 17, 23, 100, 255):
            self.assertEqual(self.ask(f"e{i}.test", use_edns=0).rcode(), i)
            self.assertEqual(self.ask(f"e{i}.test").rcode(), i & 15)  # the rest has no place

    def test_what_the_query_carried_is_gone(self):
        """Records of an update, and of what only looks like a query."""
        def with_records(wire):
            return wire[:6] + b"\0\1\0\0" + wire[10:] + b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\1\2\3\4"
        for name in ("r5.test", "e5.test"):
            r = self.ask(name, edit=with_records)
            self.assertEqual((r.rcode(), r.answer), (REFUSED, []))

    def test_counters(self):
        names = ("rule-nxdomain", "rule-refused", "rule-servfail", "self-answered", "responses", "queries")
        before = self.d.stats()
        for name in ("r2.test", "r3.test", "r3.test", "r5.test", "r4.test", "e2.test", "e3.test", "e5.test",
                     "e19.test"):
            self.ask(name, use_edns=0)
        after = self.d.stats()
        self.assertEqual({n: after[n] - before[n] for n in names},
                         {"rule-nxdomain": 4, "rule-refused": 2, "rule-servfail": 2, "self-answered": 9,
                          "responses": 9, "queries": 9})


class Negative(Answers):
    RULES = '''
        addAction(QNameSuffixRule("nx.test"),
            NegativeAndSOAAction(true, "auth.test", 42, "mname.test", "rname.test", 5, 4, 3, 2, 1))
        addAction(QNameSuffixRule("nodata.test"),
            NegativeAndSOAAction(false, "another.test", 42, "mname.test", "rname.test", 1, 2, 3, 4, 5))
        addAction(QNameSuffixRule("rfc.test"),
            NegativeAndSOAAction(true, "rfc.test", 42, "mname.test", "rname.test", 4294967295, 2, 3, 4, 5,
                                 {soaInAuthoritySection=true}))
        addAction(QNameSuffixRule("former.test"),
            SetNegativeAndSOAAction(true, "auth.test", 42, "mname.test", "rname.test", 5, 4, 3, 2, 1))
    '''

    def test_what_is_read(self):
        cases = [("a.nx.test", NXDOMAIN, "auth.test. 42 IN SOA mname.test. rname.test. 5 4 3 2 1", "additional"),
                 ("a.nodata.test", NOERROR, "another.test. 42 IN SOA mname.test. rname.test. 1 2 3 4 5", "additional"),
                 ("a.rfc.test", NXDOMAIN, "rfc.test. 42 IN SOA mname.test. rname.test. 4294967295 2 3 4 5",
                  "authority"),
                 ("a.former.test", NXDOMAIN, "auth.test. 42 IN SOA mname.test. rname.test. 5 4 3 2 1", "additional")]
        for name, rcode, soa, where in cases:
            for kw in ({}, dict(use_edns=0, want_dnssec=True), dict(tcp=True), dict(rtype="MX")):
                with self.subTest(name, **kw):
                    r = self.ask(name, **kw)
                    self.assertEqual(r.rcode(), rcode)
                    sections = {"answer": [], "authority": [], "additional": [], where: [soa]}
                    for section, texts in sections.items():
                        self.assertEqual([x.to_text() for x in getattr(r, section)], texts)
                    self.assertEqual(r.edns, 0 if "use_edns" in kw else -1)

    def test_negative_answers_are_counted(self):
        before = self.d.stats()
        self.ask("a.nx.test")
        self.ask("a.nodata.test")
        after = self.d.stats()
        self.assertEqual(after["rule-nxdomain"] - before["rule-nxdomain"], 1)
        self.assertEqual(after["self-answered"] - before["self-answered"], 2)


class Truncation(Answers):
    RULES = '''
        addAction(QNameSuffixRule("tc.test"), TCAction())
        addAction(QNameSuffixRule("tc.test"), SetTagAction("went", "on"))
        addAction(AndRule{QNameSuffixRule("former.test"), QTypeRule("ANY")}, NoneAction())
        addAnyTCRule()
        addResponseAction(QNameSuffixRule("tcr.test"), TCResponseAction())
        addResponseAction(QNameSuffixRule("tcr.test"), SetMaxTTLResponseAction(7))
        addResponseAction(TagRule("went", "on"), SetMaxTTLResponseAction(8))
    '''

    @staticmethod
    def reply(query):
        return answer(query, f"{query.name} 60 IN A 192.0.2.1", authority=[f"{query.name} 60 IN NS ns.test."],
                      flags=RA | AA)

    def test_queries_over_udp(self):
        for kw, edns in (({}, -1), (dict(use_edns=0, options=[option(10, b"12345678")]), 0)):
            before = self.d.stat("rule-truncated")
            r = self.ask("a.tc.test", set_flags=AD | AA, **kw)
            self.assertEqual(r.flags, QR | TC | RD | RA)
            self.assertEqual((r.answer, r.authority, r.additional, r.edns), ([], [], [], edns))
            self.assertEqual(self.d.stat("rule-truncated") - before, 1)
        self.assertEqual(self.ask("a.tc.test", clear_flags=RD).flags, QR | TC)

    def test_queries_over_tcp_go_on(self):
        before = self.d.stat("rule-truncated")
        r = self.passes("a.tc.test", tcp=True)
        self.assertEqual((r.flags & TC, r.answer[0].ttl), (0, 8))
        self.assertEqual(self.d.stat("rule-truncated"), before)

    def test_a_client_comes_again_over_tcp(self):
        self.assertIn("192.0.2.1", clients.dig(self.d.port, "a.tc.test", "A", "+short"))

    def test_any(self):
        self.assertTrue(self.ask("a.former.test", "ANY").flags & TC)
        self.assertFalse(self.passes("a.former.test").flags & TC)
        self.assertFalse(self.passes("a.former.test", "ANY", tcp=True).flags & TC)

    def test_answers_over_udp(self):
        for kw, edns in (({}, -1), (dict(use_edns=0), 0)):
            before = self.d.stat("rule-truncated")
            r = self.passes("a.tcr.test", **kw)
            self.assertEqual(r.flags & (QR | TC | RD), QR | TC | RD)
            self.assertEqual((r.answer, r.authority, r.additional, r.edns), ([], [], [], edns))
            self.assertEqual(self.d.stat("rule-truncated") - before, 1)

    def test_answers_over_tcp_go_on(self):
        r = self.passes("a.tcr.test", tcp=True)
        self.assertEqual((r.flags & TC, r.answer[0].ttl), (0, 7))


class Spoof(Answers):
    RULES = '''
        addAction("v4.test", SpoofAction("192.0.2.1"))
        addAction("v6.test", SpoofAction("2001:db8::1"))
        addAction("both.test", SpoofAction({"192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"}))
        addAction("ttl.test", SpoofAction("192.0.2.1", {ttl=3600}))
        addAction("zero.test", SpoofAction("192.0.2.1", {ttl=0}))
        addAction("v4.test", RCodeAction(DNSRCode.REFUSED))
        local many = {}
        for i = 0, 199 do many[#many + 1] = "192.0.2." .. i end
        addAction("many.test", SpoofAction(many))
        many = {}
        for i = 0, 9999 do many[#many + 1] = "10.1." .. i // 250 .. "." .. i % 250 end
        addAction("crowd.test", SpoofAction(many))
        addAction("few.test", SpoofAction({"192.0.2.1", "192.0.2.2", "192.0.2.3"}))
    '''

    def test_addresses_of_the_type_that_is_asked_for(self):
        v4, v6 = ["192.0.2.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2"]
        for name, rtype, data in (("v4.test", "A", v4[:1]), ("a.b.v4.test", "ANY", v4[:1]), ("v6.test", "AAAA", v6[:1]),
                                  ("both.test", "A", v4), ("both.test", "AAAA", v6), ("both.test", "ANY", v4 + v6)):
            for kw in ({}, dict(tcp=True), dict(use_edns=0)):
                with self.subTest(name, rtype=rtype, **kw):
                    r = self.ask(name, rtype, **kw)
                    self.assertEqual((r.rcode(), self.data(r.answer)), (NOERROR, sorted(data)))
                    self.assertEqual({(x.name.to_text(), x.ttl) for x in r.answer}, {(name + ".", 60)})
                    self.assertEqual((r.authority, r.additional), ([], []))

    def test_others_go_on_with_the_next_rule(self):
        self.assertEqual(self.ask("v4.test", "AAAA").rcode(), REFUSED)
        self.passes("both.test", "TXT")
        self.passes("v6.test", "A")

    def test_class_of_the_question(self):
        r = self.ask("v4.test", rdclass="HS")
        self.assertEqual([x.rdclass for x in r.answer], [dns.rdataclass.HS])

    def test_ttl(self):
        self.assertEqual(self.ask("ttl.test").answer[0].ttl, 3600)
        self.assertEqual(self.ask("zero.test").answer[0].ttl, 0)

    def test_order_is_random(self):
        first = {self.ask("few.test").answer[0][0].to_text() for _ in range(60)}
        self.assertEqual(first, {"192.0.2.1", "192.0.2.2", "192.0.2.3"})

    def test_many(self):
        r = self.ask("many.test", tcp=True)
        self.assertEqual(len(r.answer[0]), 200)
        r = self.ask("many.test", use_edns=0, payload=4096)
        self.assertEqual((len(r.answer[0]), r.flags & TC, r.edns), (200, 0, 0))

    def test_what_is_too_long_for_the_client_is_cut(self):
        for kw in ({}, dict(use_edns=0, payload=1232)):
            r = self.ask("many.test", **kw)
            self.assertEqual((r.answer, r.flags & TC, r.edns), ([], TC, 0 if kw else -1))

    def test_as_many_as_fit(self):
        r = self.ask("crowd.test", tcp=True)
        self.assertEqual(r.rcode(), NOERROR)
        self.assertGreater(len(r.answer[0]), 200)


class OtherSpoofs(Answers):
    RULES = r'''
        addAction("cname.test", SpoofCNAMEAction("target.example"))
        addAction("cname-ttl.test", SpoofCNAMEAction("target.example", {ttl=5, aa=true}))
        addAction("raw.test", SpoofRawAction("\192\000\002\001"))
        addAction("raws.test", SpoofRawAction({"\003one\003two", "\005three"}))
        addAction("raw-any.test", SpoofRawAction({"\003one"}, {typeForAny=DNSQType.TXT, ttl=7}))
        addAction("raw-any-none.test", SpoofRawAction("\007\000\003RFC\000"))
        addAction("raw-empty.test", SpoofRawAction(""))
        addAction("packet.test", SpoofPacketAction("\000\000\129\131\000\000\000\000\000\000\000\000", 12))
        addAction("packet-long.test",
            SpoofPacketAction("xx\x85\x80\0\1\0\1\0\0\0\0\4same\4name\4test\0\0\1\0\1" ..
                              "\xc0\x0c\0\1\0\1\0\0\0\9\0\4\192\0\2\9" .. "left out", 48))
    '''

    def test_cname(self):
        for rtype in ("A", "AAAA", "MX", "ANY", "CNAME"):
            for kw in ({}, dict(tcp=True), dict(use_edns=0)):
                with self.subTest(rtype, **kw):
                    r = self.ask("a.cname.test", rtype, **kw)
                    self.assertEqual([x.to_text() for x in r.answer], ["a.cname.test. 60 IN CNAME target.example."])
        r = self.ask("cname-ttl.test")
        self.assertEqual((r.answer[0].ttl, r.flags & AA), (5, AA))

    def test_raw(self):
        self.assertEqual(self.data(self.ask("raw.test").answer), ["192.0.2.1"])
        for kw in ({}, dict(tcp=True), dict(use_edns=0)):
            self.assertEqual(self.data(self.ask("raws.test", "TXT", **kw).answer), ['"one" "two"', '"three"'])
        r = self.ask("raw-any.test", "ANY")
        self.assertEqual([x.to_text() for x in r.answer], ['raw-any.test. 7 IN TXT "one"'])
        r = self.ask("raw-any-none.test", "ANY")
        self.assertEqual([x.rdtype for x in r.answer], [dns.rdatatype.ANY])
        r = self.ask("raw-empty.test", "TYPE65400")
        self.assertEqual([x.to_text().strip() for x in r.answer], ["raw-empty.test. 60 IN TYPE65400 \\# 0"])

    def test_order_of_raw_values_is_random(self):
        self.assertEqual(len({self.ask("raws.test", "TXT").answer[0][0].to_text() for _ in range(40)}), 2)

    def test_packet(self):
        for tcp in (False, True):
            q = Ask("packet.test", tcp=tcp, use_edns=0)
            wire = q.message().to_wire()
            self.assertEqual(q.exchange(wire, self.d.port), wire[:2] + b"\x81\x83" + bytes(8))

    def test_packet_with_records_and_without_what_is_behind_len(self):
        wire = Ask("same.name.test").message().to_wire()
        sent = wire[:12] + b"\x0bpacket-long\4test\0\0\1\0\1"
        for tcp in (False, True):
            got = Ask(tcp=tcp).exchange(sent, self.d.port)
            self.assertEqual((got[:2], len(got)), (wire[:2], 48))
            self.assertEqual(self.data(dns.message.from_wire(got).answer), ["192.0.2.9"])

    def test_packet_needs_a_header(self):
        for line, why in (('SpoofPacketAction("12345678901", 11)', "12 octets of its header"),
                          ('SpoofPacketAction("1234567890123", 14)', "packet has only 13 octets")):
            self.assertIn(why, self.d.console(f'addAction("x.test", {line})'))


class Svc(Answers):
    RULES = r'''
        addAction("alias.test", SpoofSVCAction(newSVCRecordParameters(0, "target.test")))
        addAction("self.test", SpoofSVCAction(newSVCRecordParameters(1, ".",
            {alpn={"h2", "h3"}, port=8443, ipv4hint={"192.0.2.1", "192.0.2.2"}, ipv6hint="2001:db8::1"}), {ttl=9}))
        addAction("all.test", SpoofSVCAction({newSVCRecordParameters(3, "svc.test",
            {mandatory={"port", "alpn"}, alpn={"dot"}, noDefaultAlpn=true, port=853, ipv4hint="192.0.2.3", ech="abc",
             key65000="opaque"}), newSVCRecordParameters(4, "svc2.test")}))
    '''

    def test_alias(self):
        for rtype in ("SVCB", "HTTPS"):
            r = self.ask("alias.test", rtype)
            self.assertEqual([x.to_text() for x in r.answer], [f"alias.test. 60 IN {rtype} 0 target.test."])
            self.assertEqual(r.additional, [])

    def test_hints_are_addresses_of_the_name_itself(self):
        for kw in ({}, dict(tcp=True), dict(use_edns=0)):
            r = self.ask("self.test", "HTTPS", **kw)
            self.assertEqual([x.to_text() for x in r.answer],
                             ['self.test. 9 IN HTTPS 1 . alpn="h2,h3" port="8443" ipv4hint="192.0.2.1,192.0.2.2" '
                              'ipv6hint="2001:db8::1"'])
            self.assertEqual(self.data(r.additional), ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
            self.assertEqual({(x.name.to_text(), x.ttl) for x in r.additional}, {("self.test.", 9)})

    def test_several_with_all_parameters(self):
        r = self.ask("all.test", "SVCB")
        self.assertEqual(self.data(r.answer), [
            '3 svc.test. mandatory="alpn,port" alpn="dot" no-default-alpn port="853" ipv4hint="192.0.2.3" '
            'ech="YWJj" key65000="opaque"', '4 svc2.test.'])
        self.assertEqual([x.to_text() for x in r.additional], ["svc.test. 60 IN A 192.0.2.3"])

    def test_other_types(self):
        self.passes("self.test", "A")


class OfFormerForms(Answers):
    RULES = '''
        addDomainSpoof("spoof.test", "192.0.2.1", "2001:db8::1")
        addDomainSpoof("spoofs.test", {"192.0.2.1", "192.0.2.2"})
        addDomainCNAMESpoof("cname.test", "target.test")
    '''

    def test_what_is_read(self):
        self.assertEqual(self.data(self.ask("spoof.test", "ANY").answer), ["192.0.2.1", "2001:db8::1"])
        self.assertEqual(self.data(self.ask("spoofs.test").answer), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.data(self.ask("a.cname.test").answer), ["target.test."])


class Continue(Answers):
    """What the inner action does to the query stays; that it ended the chain does not."""

    RULES = '''
        addAction("pool.test", ContinueAction(PoolAction("other")))
        addAction("pool.test", SetNoRecurseAction())
        addAction("drop.test", ContinueAction(DropAction()))
        addAction("rcode.test", ContinueAction(RCodeAction(DNSRCode.REFUSED)))
        addAction("rcode.test", SetTagAction("went", "on"))
        addAction("tag.test", ContinueAction(SetTagAction("went", "on")))
        addAction("allow.test", ContinueAction(AllowAction()))
        addAction("allow.test", SpoofAction("192.0.2.66"))
        addAction("stopped.test", AllowAction())
        addAction("stopped.test", SpoofAction("192.0.2.66"))
        addAction("none.test", NoneAction())
        addAction("none.test", SpoofAction("192.0.2.66"))
        addSelfAnsweredResponseAction(TagRule("went"), SetTagResponseAction("seen", "yes"), {name="seen"})
        addResponseAction(TagRule("went"), SetMaxTTLResponseAction(7))
    '''

    @classmethod
    def rules(cls):
        cls.other = cls.class_use(FakeServer(lambda q: address(q, ip="192.0.2.99")))
        return f'newServer{{address="{cls.other.address}", pool="other"}}\n{cls.RULES}'

    def test_pool(self):
        before = len(self.other.queries)
        self.assertEqual(self.data(self.ask("pool.test").answer), ["192.0.2.99"])
        self.assertEqual(len(self.other.queries), before + 1)
        self.assertFalse(self.other.queries[-1].message.flags & RD)

    def test_a_drop_is_only_counted(self):
        before = self.d.stat("rule-drop")
        self.passes("drop.test")
        self.assertEqual(self.d.stat("rule-drop") - before, 1)

    def test_an_answer_stays_one(self):
        r = self.ask("rcode.test")
        self.assertEqual(r.rcode(), REFUSED)
        self.assertRegex(self.d.console("showSelfAnsweredResponseRules()"), r"\n0 +seen +1 ")

    def test_others(self):
        self.assertEqual(self.passes("tag.test").answer[0].ttl, 7)
        self.assertEqual(self.data(self.ask("allow.test").answer), ["192.0.2.66"])
        self.assertEqual(self.data(self.passes("stopped.test").answer), ["192.0.2.1"])
        self.assertEqual(self.data(self.ask("none.test").answer), ["192.0.2.66"])


if __name__ == "__main__":
    main()
