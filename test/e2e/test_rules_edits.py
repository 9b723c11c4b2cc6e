#!/usr/bin/python3
"""Actions that edit queries and answers: what the server gets, what the client gets back, and what the cache keeps."""
import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from fakeserver import FakeServer, address, answer
from harness import TestCase, has_ipv6, main
from ruletools import NOERROR, REFUSED, SERVFAIL, Ask, Console, option

CD, RD, AD, DO = dns.flags.CD, dns.flags.RD, dns.flags.AD, dns.flags.DO
COOKIE = option(10, b"cookie!!")
PADDING = option(12, bytes(8))


def texts(section):
    return [x.to_text() for rrset in section for x in [rrset]]


class Edits(TestCase):
    """A daemon before a server that shows what arrived; its rules are those of the class."""

    RULES = ""
    SERVER = ""  # more options of newServer

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(cls.reply))
        cls.d = cls.class_daemon(f'newServer{{address="{cls.server.address}"{cls.SERVER}}}\n{cls.RULES}')

    @staticmethod
    def reply(query):
        return address(query)

    def ask(self, name, **kw):
        return Ask(prefix=name, **kw).to(self.d.port)

    @property
    def sent(self):
        return self.server.queries[-1].message

    def options_sent(self):
        return [(o.otype, o.data if hasattr(o, "data") else o.to_wire()) for o in self.sent.options]

    def asked(self, name):
        return self.server.names().count(name + ".")


def options_of(r):
    return [(o.otype, o.data) for o in r.options if hasattr(o, "data")]


class QueryOptions(Edits):
    RULES = '''
        addAction(QNameSuffixRule("two.test"), SetEDNSOptionAction(65001, "first"))
        addAction(QNameSuffixRule("two.test"), SetEDNSOptionAction(65002, "second"))
        addAction(QNameSuffixRule("again.test"), SetEDNSOptionAction(65001, "first"))
        addAction(QNameSuffixRule("again.test"), SetEDNSOptionAction(65001, "second"))
        addAction(QNameSuffixRule("empty.test"), SetEDNSOptionAction(65001, ""))
        addAction(QNameSuffixRule("octets.test"), SetEDNSOptionAction(65001, "\\0\\255\\0"))
        addAction(QNameSuffixRule("long.test"), SetEDNSOptionAction(65001, ("x"):rep(1000)))
        addAction(QNameSuffixRule("cookie.test"), SetEDNSOptionAction(10, "another!"))
        addResponseAction(QNameSuffixRule("both.two.test"), SetEDNSOptionResponseAction(65003, "back"))
    '''

    @staticmethod
    def reply(query):
        """The options of the query come back with one of the server's."""
        r = dns.message.from_wire(address(query))
        if query.message.edns >= 0:
            r.use_edns(0, payload=1400, options=list(query.message.options) + [option(65100, b"server")])
        return r.to_wire()

    def test_opt_is_added_and_taken_out_again(self):
        for kw in ({}, dict(tcp=True)):
            r = self.ask("a.two.test", **kw)
            self.assertEqual(self.options_sent(), [(65001, b"first"), (65002, b"second")])
            self.assertEqual((r.edns, texts(r.answer)), (-1, ["a.two.test. 60 IN A 192.0.2.1"]))

    def test_opt_of_the_client_stays(self):
        r = self.ask("b.two.test", use_edns=0, payload=1300, want_dnssec=True, options=[COOKIE, PADDING])
        self.assertEqual(sorted(self.options_sent()), [(10, b"cookie!!"), (12, bytes(8)), (65001, b"first"),
                                                       (65002, b"second")])
        self.assertEqual((self.sent.payload, self.sent.ednsflags), (1300, DO))
        self.assertEqual((r.edns, r.payload), (0, 1400))
        self.assertIn((10, b"cookie!!"), options_of(r))
        self.assertIn((65100, b"server"), options_of(r))

    def test_one_of_the_same_code_is_replaced(self):
        self.ask("a.again.test")
        self.assertEqual(self.options_sent(), [(65001, b"second")])
        self.ask("a.again.test", use_edns=0, options=[option(65001, b"client's"), COOKIE, option(65001, b"and more")])
        self.assertEqual(sorted(self.options_sent()), [(10, b"cookie!!"), (65001, b"second")])
        self.ask("a.cookie.test", use_edns=0, options=[COOKIE])
        self.assertEqual(self.options_sent(), [(10, b"another!")])

    def test_any_octets(self):
        for name, data in (("empty.test", b""), ("octets.test", b"\0\xff\0"), ("long.test", b"x" * 1000)):
            self.ask(name)
            self.assertEqual(self.options_sent(), [(65001, data)])

    def test_what_an_answer_is_given_is_not_for_clients_without_edns(self):
        self.assertEqual(self.ask("both.two.test").edns, -1)
        self.assertIn((65003, b"back"), options_of(self.ask("both.two.test", use_edns=0)))

    def test_octets_behind_the_query_are_not_sent_on(self):
        self.ask("a.two.test", edit=lambda wire: wire + b"trailing")
        self.assertNotIn(b"trailing", self.server.queries[-1].wire)
        self.assertEqual(len(self.options_sent()), 2)


class AnswerOptions(Edits):
    RULES = '''
        getPool(""):setCache(newPacketCache(100))
        addResponseAction("set.test", SetEDNSOptionResponseAction(65001, "given"))
        addResponseAction("set.test", SetEDNSOptionResponseAction(65002, ""))
        addAction("self.test", SpoofAction("192.0.2.7"))
        addSelfAnsweredResponseAction("self.test", SetEDNSOptionResponseAction(65001, "given"))
        addCacheHitResponseAction("hit.test", SetEDNSOptionResponseAction(65001, "given"))
    '''

    @staticmethod
    def reply(query):
        if ".opt." in query.name:
            r = dns.message.from_wire(address(query))
            r.use_edns(0, payload=1400, options=[option(65001, b"server's"), COOKIE])
            return r.to_wire()
        return answer(query, f"{query.name} 60 IN A 192.0.2.1", edns=False)

    def test_added(self):
        for kw in ({}, dict(tcp=True)):
            r = self.ask("a.set.test", use_edns=0, **kw)
            self.assertEqual((r.edns, options_of(r)), (0, [(65001, b"given"), (65002, b"")]))
            self.assertEqual(texts(r.answer), ["a.set.test. 60 IN A 192.0.2.1"])

    def test_replaced(self):
        r = self.ask("a.opt.set.test", use_edns=0)
        self.assertEqual(sorted(options_of(r)), [(10, b"cookie!!"), (65001, b"given"), (65002, b"")])
        self.assertEqual(r.payload, 1400)

    def test_not_without_edns(self):
        self.assertEqual(self.ask("b.set.test").edns, -1)

    def test_answers_of_our_own_and_of_the_cache(self):
        r = self.ask("self.test", use_edns=0)
        self.assertEqual((options_of(r), texts(r.answer)), ([(65001, b"given")], ["self.test. 60 IN A 192.0.2.7"]))
        self.assertEqual(options_of(self.ask("hit.test", use_edns=0)), [])
        for _ in range(2):  # what the client got is not what is kept
            self.assertEqual(options_of(self.ask("hit.test", use_edns=0)), [(65001, b"given")])


def subnet(message):
    found = [o.to_text() for o in message.options if o.otype == dns.edns.ECS]
    return found[0].split()[1] if found else None


class Subnets(Edits):
    SERVER = ", useClientSubnet=true"
    RULES = '''
        addAction("off.test", SetDisableECSAction())
        addAction("over.test", SetECSOverrideAction(true))
        addAction("keep.test", SetECSOverrideAction(false))
        addAction("length.test", SetECSPrefixLengthAction(20, 60))
        addAction("zero.test", SetECSPrefixLengthAction(0, 0))
        addAction("fixed.test", SetECSAction("192.0.2.0/25"))
        addAction("fixed6.test", SetECSAction("2001:db8::/40"))
        addAction("each.test", SetECSAction("198.51.100.0/24", "2001:db8:1::/48"))
        addAction("fixed-over.test", SetECSAction("192.0.2.0/25"))
        addAction("fixed-over.test", SetECSOverrideAction(true))
        addAction("fixed-length.test", SetECSAction("192.0.2.0/25"))
        addAction("fixed-length.test", SetECSPrefixLengthAction(8, 8))
        addAction("former.test", DisableECSAction())
        addAction("former-over.test", ECSOverrideAction(true))
        addAction("former-length.test", ECSPrefixLengthAction(8, 8))
        addLocal("[::1]:$PORT")
    '''

    @staticmethod
    def reply(query):
        """With the subnet it was asked with, as a server does."""
        r = dns.message.from_wire(address(query))
        if query.message.edns >= 0:
            r.use_edns(0, payload=1232, options=list(query.message.options))
        return r.to_wire()

    OWN = dict(use_edns=0, options=[dns.edns.ECSOption("203.0.113.0", 24), COOKIE])

    def test_what_the_server_gets(self):
        own = "203.0.113.0/24"
        for name, plain, with_own in (("none.test", "127.0.0.0/24", own), ("off.test", None, own),
                                      ("over.test", "127.0.0.0/24", "127.0.0.0/24"),
                                      ("keep.test", "127.0.0.0/24", own), ("length.test", "127.0.0.0/20", own),
                                      ("zero.test", "0.0.0.0/0", own), ("fixed.test", "192.0.2.0/25", own),
                                      ("fixed6.test", "2001:db8::/40", own), ("each.test", "198.51.100.0/24", own),
                                      ("fixed-over.test", "192.0.2.0/25", "192.0.2.0/25"),
                                      ("fixed-length.test", "192.0.2.0/25", own), ("former.test", None, own),
                                      ("former-over.test", "127.0.0.0/24", "127.0.0.0/24"),
                                      ("former-length.test", "127.0.0.0/8", own)):
            for tcp in (False, True):
                with self.subTest(name, tcp=tcp):
                    r = self.ask(name, tcp=tcp)
                    self.assertEqual((subnet(self.sent), r.edns), (plain, -1))
                    r = self.ask(name, tcp=tcp, use_edns=0, options=[COOKIE])
                    self.assertEqual((subnet(self.sent), r.edns, subnet(r)), (plain, 0, None))
                    self.assertIn((10, b"cookie!!"), options_of(self.sent))
                    self.assertIn((10, b"cookie!!"), options_of(r))
                    r = self.ask(name, tcp=tcp, **self.OWN)
                    self.assertEqual((subnet(self.sent), r.edns, subnet(r) is not None), (with_own, 0, True))

    def test_ipv6_clients(self):
        if not has_ipv6():
            self.skipTest("no IPv6 here")
        for name, expected in (("none.test", "::/56"), ("length.test", "::/60"), ("each.test", "2001:db8:1::/48"),
                               ("fixed.test", "192.0.2.0/25")):
            self.ask(name, source="::1", where="::1")
            self.assertEqual(subnet(self.sent), expected, name)

    def test_the_wrong_family(self):
        for line, why in (('SetECSAction("2001:db8::/32", "2001:db8::/32")', "no IPv4 netmask"),
                          ('SetECSAction("192.0.2.0/24", "192.0.2.0/24")', "no IPv6 netmask"),
                          ('SetECSAction("192.0.2.0/33")', "192.0.2.0/33"),
                          ('SetECSPrefixLengthAction(33, 0)', "v4 must be from 0 to 32")):
            self.assertIn(why, self.d.console(f"addAction(AllRule(), {line})"))


class SubnetsAndCache(Edits):
    """What is good for everybody (scope 0) is found by others; what was asked for a subnet by it alone."""

    SERVER = ", useClientSubnet=true"
    RULES = '''
        getPool(""):setCache(newPacketCache(100, {parseECS=true}))
        addAction(NetmaskGroupRule("127.0.0.2"), SetECSAction("192.0.2.0/24"))
        addAction(NetmaskGroupRule("127.0.0.3"), SetECSAction("198.51.100.0/24"))
        addAction(NetmaskGroupRule("127.0.0.4"), SetDisableECSAction())
    '''

    @staticmethod
    def reply(query):
        scope = 0 if query.name.startswith("everybody.") else 24
        r = dns.message.from_wire(address(query))
        options = [dns.edns.ECSOption(o.address, o.srclen, scope) for o in query.message.options
                   if o.otype == dns.edns.ECS]
        if query.message.edns >= 0:
            r.use_edns(0, payload=1232, options=options)
        return r.to_wire()

    def test_scope(self):
        for name, asked in (("everybody.test", 1), ("somebody.test", 4)):
            for _ in range(2):
                for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"):
                    self.assertEqual(self.ask(name, source=source).edns, -1)
            self.assertEqual(self.asked(name), asked, name)


def errors(r):
    """(code, text) of each extended error."""
    found = []
    for o in r.options:
        if o.otype == 15:
            wire = o.to_wire()
            found.append((int.from_bytes(wire[:2], "big"), wire[2:].decode().rstrip("\0")))
    return found


class ExtendedErrors(Edits):
    RULES = '''
        getPool(""):setCache(newPacketCache(100))
        addAction("code.test", SetExtendedDNSErrorAction(15))
        addAction("text.test", SetExtendedDNSErrorAction(16, "my extended error"))
        addAction("two.test", SetExtendedDNSErrorAction(15, "one"))
        addAction("two.test", SetExtendedDNSErrorAction(16, "two", false))
        addAction("last.test", SetExtendedDNSErrorAction(15, "one"))
        addAction("last.test", SetExtendedDNSErrorAction(16, "two"))
        addAction("own.test", SetExtendedDNSErrorAction(17, "filtered"))
        addAction("own.test", RCodeAction(DNSRCode.REFUSED))
        addAction("beside.test", SetExtendedDNSErrorAction(18, "beside", false))
        addAction("instead.test", SetExtendedDNSErrorAction(19, "instead"))
        addResponseAction("response.test", SetExtendedDNSErrorResponseAction(20, "of an answer"))
        addCacheHitResponseAction("hit.test", SetExtendedDNSErrorResponseAction(3, "stale"))
        addSelfAnsweredResponseAction("self.test", SetExtendedDNSErrorResponseAction(4, "forged"))
        addAction("self.test", SpoofAction("192.0.2.7"))
    '''

    @staticmethod
    def reply(query):
        r = dns.message.from_wire(address(query))
        if query.name.split(".")[0] in ("beside", "instead") and query.message.edns >= 0:
            r.use_edns(0, options=[option(15, b"\0\1server"), COOKIE])
        return r.to_wire()

    CASES = [("code.test", [(15, "")]), ("text.test", [(16, "my extended error")]),
             ("two.test", [(15, "one"), (16, "two")]), ("last.test", [(16, "two")]), ("own.test", [(17, "filtered")]),
             ("beside.test", [(1, "server"), (18, "beside")]), ("instead.test", [(19, "instead")]),
             ("response.test", [(20, "of an answer")]), ("self.test", [(4, "forged")])]

    def test_with_edns_only(self):
        for name, expected in self.CASES:
            for tcp in (False, True):
                with self.subTest(name, tcp=tcp):
                    r = self.ask(name, tcp=tcp, use_edns=0)
                    self.assertEqual(sorted(errors(r)), expected)
                    self.assertEqual(self.ask(name, tcp=tcp).edns, -1)

    def test_on_hits_too_and_not_kept(self):
        """What rules for queries say comes with every answer; what those for answers said belonged to one."""
        for name, first, then in (("x.text.test", [(16, "my extended error")], [(16, "my extended error")]),
                                  ("x.response.test", [(20, "of an answer")], []), ("x.hit.test", [], [(3, "stale")])):
            with self.subTest(name):
                self.assertEqual(errors(self.ask(name, use_edns=0)), first)
                for _ in range(2):
                    self.assertEqual(errors(self.ask(name, use_edns=0)), then)
                self.assertEqual(self.asked(name), 1)

    def test_rcode_and_records_stay(self):
        r = self.ask("own.test", use_edns=0)
        self.assertEqual(r.rcode(), REFUSED)
        r = self.ask("instead.test", use_edns=0)
        self.assertEqual((texts(r.answer), options_of(r)), (["instead.test. 60 IN A 192.0.2.1"], [(10, b"cookie!!")]))


RECORDS = ["{0} 100 IN A 192.0.2.1", "{0} 200 IN AAAA 2001:db8::1", "{0} 300 IN TXT text"]
AUTHORITY = ["{0} 400 IN NS ns.{0}", "{0} 500 IN SOA ns.{0} admin.{0} 1 2 3 4 5"]


def many_records(query):
    """With EDNS if it came with it."""
    r = dns.message.from_wire(answer(query, *(t.format(query.name) for t in RECORDS),
                                     authority=[t.format(query.name) for t in AUTHORITY]))
    r.ednsflags |= query.message.ednsflags & DO
    r.additional.append(dns.rrset.from_text("ns." + query.name, 600, "IN", "A", "192.0.2.53"))
    return r.to_wire()


def ttls(r):
    return [rrset.ttl for section in (r.answer, r.authority, r.additional) for rrset in section]


class Ttls(Edits):
    RULES = '''
        addResponseAction("limit.test", LimitTTLResponseAction(250, 450))
        addResponseAction("limit-min.test", LimitTTLResponseAction(250))
        addResponseAction("limit-max.test", LimitTTLResponseAction(0, 450))
        addResponseAction("limit-types.test", LimitTTLResponseAction(250, 450, {DNSQType.A, DNSQType.SOA}))
        addResponseAction("limit-type.test", LimitTTLResponseAction(0, 5, {DNSQType.NS}))
        addResponseAction("max.test", SetMaxTTLResponseAction(150))
        addResponseAction("min.test", SetMinTTLResponseAction(350))
        addResponseAction("half.test", SetReducedTTLResponseAction(50))
        addResponseAction("third.test", SetReducedTTLResponseAction(33))
        addResponseAction("none.test", SetReducedTTLResponseAction(0))
        addResponseAction("all.test", SetReducedTTLResponseAction(100))
        addAction("returned.test", SetMaxReturnedTTLAction(120))
        addResponseAction("returned-response.test", SetMaxReturnedTTLResponseAction(120))
        addResponseAction("in-turn.test", SetMinTTLResponseAction(1000))
        addResponseAction("in-turn.test", SetReducedTTLResponseAction(10))
    '''
    reply = staticmethod(many_records)

    CASES = [("untouched.test", [100, 200, 300, 400, 500, 600]), ("limit.test", [250, 250, 300, 400, 450, 450]),
             ("limit-min.test", [250, 250, 300, 400, 500, 600]), ("limit-max.test", [100, 200, 300, 400, 450, 450]),
             ("limit-types.test", [250, 200, 300, 400, 450, 450]), ("limit-type.test", [100, 200, 300, 5, 500, 600]),
             ("max.test", [100, 150, 150, 150, 150, 150]), ("min.test", [350, 350, 350, 400, 500, 600]),
             ("half.test", [50, 100, 150, 200, 250, 300]), ("third.test", [33, 66, 99, 132, 165, 198]),
             ("none.test", [0] * 6), ("all.test", [100, 200, 300, 400, 500, 600]),
             ("returned.test", [100, 120, 120, 120, 120, 120]), ("in-turn.test", [100] * 6),
             ("returned-response.test", [100, 120, 120, 120, 120, 120])]

    def test_all_sections_and_never_the_opt(self):
        for name, expected in self.CASES:
            for kw in ({}, dict(tcp=True), dict(use_edns=0, want_dnssec=True)):
                with self.subTest(name, **kw):
                    r = self.ask(name, **kw)
                    self.assertEqual(ttls(r), expected)
                    self.assertEqual((r.edns, r.ednsflags), (0, DO) if "use_edns" in kw else (-1, r.ednsflags))

    def test_percentages(self):
        self.assertIn("percentage must be from 0 to 100, got 101",
                      self.d.console("addResponseAction(AllRule(), SetReducedTTLResponseAction(101))"))


class TtlsAndCache(Edits):
    RULES = '''
        getPool(""):setCache(newPacketCache(100))
        addAction("returned.test", SetMaxReturnedTTLAction(7))
        addResponseAction("returned-once.test", SetMaxReturnedTTLResponseAction(7))
        addCacheHitResponseAction("returned-hit.test", SetMaxReturnedTTLResponseAction(7))
        addCacheHitAction("former-hit.test", SetMaxReturnedTTLResponseAction(7))
        addAction("returned-own.test", SetMaxReturnedTTLAction(7))
        addAction("returned-own.test", SpoofAction("192.0.2.7"))
        addResponseAction("max.test", SetMaxTTLResponseAction(7))
        addResponseAction("short.test", SetMaxTTLResponseAction(1))
        addResponseAction("zero.test", SetReducedTTLResponseAction(0))
    '''

    @staticmethod
    def reply(query):
        return address(query, ttl=1000)

    def test_what_is_returned_and_what_is_kept(self):
        cases = [("returned.test", 7, 7, 1), ("returned-once.test", 7, 1000, 1), ("returned-hit.test", 1000, 7, 1), ("former-hit.test", 1000, 7, 1),
                 ("returned-own.test", 7, 7, 0), ("max.test", 7, 7, 1), ("zero.test", 0, 0, 2)]
        for name, first, then, asked in cases:
            with self.subTest(name):
                self.assertEqual(self.ask(name).answer[0].ttl, first)
                ttl = self.ask(name).answer[0].ttl
                self.assertLessEqual(ttl, then)
                self.assertGreaterEqual(ttl, then - 2)
                self.assertEqual(self.asked(name), asked)

    def test_a_lower_ttl_is_kept_for_less_time(self):
        self.ask("short.test")
        self.ask("short.test")
        self.assertEqual(self.asked("short.test"), 1)
        time.sleep(1.1)
        self.ask("short.test")
        self.assertEqual(self.asked("short.test"), 2)


class RecordTypes(Edits):
    RULES = '''
        addResponseAction("one.test", ClearRecordTypesResponseAction(DNSQType.AAAA))
        addResponseAction("some.test", ClearRecordTypesResponseAction({DNSQType.A, DNSQType.TXT, DNSQType.NS}))
        addResponseAction("all.test", ClearRecordTypesResponseAction({1, 28, 16, 2, 6}))
    '''
    reply = staticmethod(many_records)

    def test_what_is_left(self):
        cases = [("one.test", ["A", "TXT", "NS", "SOA", "A"]), ("some.test", ["AAAA", "SOA"]), ("all.test", []),
                 ("untouched.test", ["A", "AAAA", "TXT", "NS", "SOA", "A"])]
        for name, left in cases:
            for kw in ({}, dict(tcp=True), dict(use_edns=0)):
                with self.subTest(name, **kw):
                    r = self.ask("x." + name, **kw)
                    records = [x for section in (r.answer, r.authority, r.additional) for x in section]
                    self.assertEqual([dns.rdatatype.to_text(x.rdtype) for x in records], left)
                    self.assertEqual((r.rcode(), r.edns), (NOERROR, 0 if kw.get("use_edns") == 0 else -1))
                    for x in records:  # names that pointed to what is gone are what they were
                        self.assertIn(x.name.to_text(), (f"x.{name}.", f"ns.x.{name}."))
                        if x.rdtype == dns.rdatatype.SOA:
                            self.assertEqual(x[0].to_text(), f"ns.x.{name}. admin.x.{name}. 1 2 3 4 5")


class Flags(Edits):
    RULES = '''
        getPool(""):setCache(newPacketCache(100))
        addAction("nord.test", SetNoRecurseAction())
        addAction("cd.test", SetDisableValidationAction())
        addAction("former-nord.test", NoRecurseAction())
        addAction("former-cd.test", DisableValidationAction())
        addNoRecurseRule("old-nord.test")
        addDisableValidationRule("old-cd.test")
        addAction("answered.test", SetNoRecurseAction())
        addAction("answered.test", SetDisableValidationAction())
        addAction("answered.test", RCodeAction(DNSRCode.REFUSED))
    '''

    def test_the_server_gets_them_and_the_client_has_its_own_back(self):
        cases = [({}, RD), (dict(set_flags=CD), RD | CD), (dict(clear_flags=RD), 0), (dict(tcp=True), RD)]
        for names, sent in ((("nord.test", "former-nord.test", "old-nord.test"), lambda flags: flags & CD),
                            (("cd.test", "former-cd.test", "old-cd.test"), lambda flags: flags & RD | CD)):
            for name in names:
                for i, (kw, own) in enumerate(cases):
                    for _ in range(2):  # from the server, and from the cache
                        with self.subTest(name, **kw):
                            r = self.ask(f"n{i}.{name}", **kw)
                            self.assertEqual(r.flags & (RD | CD), own)
                            self.assertEqual(self.sent.flags & (RD | CD), sent(own))
                    self.assertEqual(self.asked(f"n{i}.{name}"), 1)

    def test_the_cache_knows_the_query_as_it_was_made(self):
        """With and without RD the server is asked the same."""
        self.ask("x.nord.test")
        self.assertFalse(self.ask("x.nord.test", clear_flags=RD).flags & RD)
        self.assertEqual(self.asked("x.nord.test"), 1)

    def test_answers_of_our_own(self):
        for kw, back in (({}, RD), (dict(set_flags=CD), RD | CD), (dict(clear_flags=RD), 0)):
            self.assertEqual(self.ask("answered.test", **kw).flags & (RD | CD), back)


class Caching(Edits):
    RULES = '''
        cache = newPacketCache(100, {temporaryFailureTTL=60})
        getPool(""):setCache(cache)
        addAction("skip.test", SetSkipCacheAction())
        addAction("former-skip.test", SkipCacheAction())
        addResponseAction("skip-response.test", SetSkipCacheResponseAction())
        addAction(AndRule{QNameSuffixRule("mixed.test"), NetmaskGroupRule("127.0.0.2")}, SetSkipCacheAction())
        addAction("never.test", SetTempFailureCacheTTLAction(0))
        addAction("former-never.test", TempFailureCacheTTLAction(0))
        addAction("second.test", SetTempFailureCacheTTLAction(1))
    '''

    @staticmethod
    def reply(query):
        if query.name.startswith("fail."):
            return answer(query, rcode=SERVFAIL)
        if query.name.startswith("refuse."):
            return answer(query, rcode=REFUSED)
        return address(query)

    def times_asked(self, name, n=3):
        before = self.asked(name)
        for _ in range(n):
            self.ask(name)
        return self.asked(name) - before

    def test_skipped(self):
        for name, asked in (("kept.test", 1), ("skip.test", 3), ("former-skip.test", 3), ("skip-response.test", 3)):
            self.assertEqual(self.times_asked(name), asked, name)

    def test_neither_looked_up_nor_inserted(self):
        self.ask("mixed.test", source="127.0.0.2")
        self.ask("mixed.test")  # it is not there
        self.ask("mixed.test")  # now it is
        self.assertEqual(self.asked("mixed.test"), 2)
        self.ask("mixed.test", source="127.0.0.2")
        self.assertEqual(self.asked("mixed.test"), 3)

    def test_failures(self):
        for kind in ("fail", "refuse"):
            for name, asked in (("kept.test", 1), ("never.test", 3), ("former-never.test", 3)):
                self.assertEqual(self.times_asked(f"{kind}.{name}"), asked, name)

    def test_failures_for_a_time(self):
        self.assertEqual(self.times_asked("fail.second.test"), 1)
        time.sleep(1.1)
        self.assertEqual(self.times_asked("fail.second.test"), 1)
        self.assertEqual(self.times_asked("second.test"), 1)  # what is no failure stays
        time.sleep(1.1)
        self.assertEqual(self.times_asked("second.test"), 0)


class Tags(Edits):
    RULES = '''
        addAction("tag.test", SetTagAction("colour", "red"))
        addAction("over.tag.test", SetTagAction("colour", "blue"))
        addAction("gone.tag.test", UnsetTagAction("colour"))
        addAction("gone.tag.test", UnsetTagAction("never there"))
        addAction("former.test", TagAction("colour", "green"))
        for _, colour in ipairs{"red", "blue", "green"} do
            addAction(TagRule("colour", colour), NoneAction(), {name=colour})
            addResponseAction(TagRule("colour", colour), SetTagResponseAction("seen", colour))
            addResponseAction(TagRule("seen", colour), DelayResponseAction(0), {name=colour})
        end
        addAction(TagRule("colour"), NoneAction(), {name="any"})
        addResponseAction("former.test", UnsetTagResponseAction("colour"))
        addResponseAction("former.test", TagResponseAction("late", ""))
        addResponseAction(TagRule("colour"), DelayResponseAction(0), {name="any"})
        addResponseAction(TagRule("late", ""), DelayResponseAction(0), {name="late"})
    '''

    def test_from_rule_to_rule_and_to_the_answer(self):
        cases = [("x.test", set(), set()), ("tag.test", {"red", "any"}, {"red", "any"}),
                 ("over.tag.test", {"blue", "any"}, {"blue", "any"}), ("gone.tag.test", set(), set()),
                 ("former.test", {"green", "any"}, {"green", "late"})]
        with Console(self.d) as console:
            def counted():
                return [{n: m for n, m in console.matches(f"show{chain}Rules()").items() if n}
                        for chain in ("", "Response")]
            for name, queries, answers in cases:
                for tcp in (False, True):
                    with self.subTest(name, tcp=tcp):
                        before = counted()
                        self.ask(name, tcp=tcp)
                        moved = [{n for n in now if now[n] != old[n]} for old, now in zip(before, counted())]
                        self.assertEqual(moved, [queries, answers])


if __name__ == "__main__":
    main()
