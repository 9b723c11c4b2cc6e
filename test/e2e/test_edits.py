#!/usr/bin/python3
"""Edits of core/dns, judged by dnspython: what is to change has changed, and all else means what it meant."""
import ctypes
import random
import re
import socket
import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.renderer
import dns.rrset

import corelib
from corelib import OPTION_ADDED, OPTION_ADDED_OPT, OPTION_APPEND, OPTION_KEEP, OPTION_REPLACE, OPTION_REPLACED, \
    OPTION_UNCHANGED, Packet
from harness import TestCase, main

ROUNDS = 800

# Names of the zone, of the question and below it.
RECORDS = [
    ("MX", "10 mail.{}"), ("NS", "ns1.{}"), ("A", "192.0.2.1"), ("SRV", "1 2 53 srv.{}"),
    ("SOA", "ns1.{0} admin.{0} 1 2 3 4 5"), ("PTR", "host.{}"), ("TXT", '"some text"'),
    ("NAPTR", '1 2 "u" "sip" "" x.{}'), ("RP", "a.{0} b.{0}"), ("DNAME", "d.{}"), ("CNAME", "c.{}"),
    ("AFSDB", "1 afs.{}"), ("KX", "5 kx.{}"), ("PX", "5 px.{0} py.{0}"), ("RT", "1 rt.{}"),
    ("AAAA", "2001:db8::1"), ("CAA", '0 issue "ca.{}"'), ("MX", "10 {1}"), ("SOA", "{1} {0} 1 2 3 4 5"),
    ("CNAME", "{1}"), ("SRV", "1 2 53 {1}"), ("NS", "below.{1}"),
]


def random_message(rnd, is_query):
    zones = ["example.org.", "very.long.zone.example.net.", "x."]
    qname = rnd.choice(["www.", "WwW.", ""]) + rnd.choice(zones)
    query = dns.message.make_query(qname, "A")
    msg = query if is_query else dns.message.make_response(query)
    sections = [msg.additional] if is_query else [msg.answer, msg.authority, msg.additional]
    for section in sections:
        for _ in range(rnd.randrange(5)):
            rdtype, text = rnd.choice(RECORDS)
            zone = rnd.choice(zones)
            owner = rnd.choice(["", "a.", "b.c."]) + zone if rnd.random() < 0.7 else qname
            if any(r.name.to_text().lower() == owner.lower() for r in section):
                continue
            section.append(dns.rrset.from_text(owner, rnd.randrange(5000), "IN", rdtype, text.format(zone, qname)))
    return msg


def opt_record(rnd, with_ecs):
    options = b""
    if rnd.random() < 0.5:
        options += struct.pack(">HH", 10, 8) + b"cookie!!"
    if with_ecs:
        options += struct.pack(">HHHBB", 8, 7, 1, 24, 0) + b"\xc6\x33\x64"
    if rnd.random() < 0.3:
        options += struct.pack(">HH", 12, 20) + bytes(20)
    return b"\0" + struct.pack(">HHIH", 41, 1232, rnd.choice([0, 0x8000]), len(options)) + options


def insert_opt(rnd, msg, with_ecs):
    """The message with an OPT at a random place in its additional section, all pointers right."""
    place = rnd.randrange(len(msg.additional) + 1)
    wire = dns.renderer.Renderer(msg.id, msg.flags, 65535)
    for q in msg.question:
        wire.add_question(q.name, q.rdtype, q.rdclass)
    for number, section in ((1, msg.answer), (2, msg.authority)):
        for rrset in section:
            wire.add_rrset(number, rrset)
    for i in range(len(msg.additional) + 1):
        if i == place:
            wire._set_section(3)
            wire.output.write(opt_record(rnd, with_ecs))
            wire.counts[3] += 1
        if i < len(msg.additional):
            wire.add_rrset(3, msg.additional[i])
    wire.write_header()
    return wire.get_wire()


def texts(msg):
    return [[r.to_text() for r in s] for s in (msg.question, msg.answer, msg.authority, msg.additional)]


def sections(msg):
    return [sorted(s) for s in texts(msg)]


def options_but(msg, code):
    return [(o.otype, o.to_wire()) for o in msg.options if o.otype != code]


def options_of(msg, code):
    return [o.to_wire() for o in msg.options if o.otype == code]


def edns_of(msg):
    return msg.edns, msg.payload, msg.ednsflags


def only_option_changed(before, after, code):
    assert sections(before) == sections(after), "records changed"
    assert options_but(before, code) == options_but(after, code), "options changed"
    assert before.flags == after.flags and before.id == after.id
    if before.edns >= 0:
        assert edns_of(before) == edns_of(after)


def check_add(lib, rnd, wire):
    before = dns.message.from_wire(wire)
    packet, added, override = Packet(lib, wire, 64), ctypes.c_int(-1), rnd.random() < 0.5
    assert packet.msg_add_ecs(bytes([203, 0, 113, 255]), 4, 24, override, added), "refused"
    after = dns.message.from_wire(packet.wire)
    had = options_of(before, 8)
    only_option_changed(before, after, 8)
    ecs = [o.to_text() for o in after.options if o.otype == 8]
    assert ecs == (["ECS 198.51.100.0/24 scope/0"] if had and not override else ["ECS 203.0.113.0/24 scope/0"]), ecs
    assert added.value == (0 if had else 1 if before.edns >= 0 else 2)
    if added.value:
        m = lib.msg_remove_ecs(packet.buf, packet.len, added.value)
        assert packet.buf.raw[:m] == wire, "does not come out as it went in"


def check_remove(lib, rnd, wire):
    before = dns.message.from_wire(wire)
    for added in (1, 2):
        packet = Packet(lib, wire)
        packet.len = lib.msg_remove_ecs(packet.buf, packet.len, added)
        after = dns.message.from_wire(packet.wire)
        assert sections(before) == sections(after), "records changed"
        if added == 2:
            assert after.edns == -1
        else:
            assert after.edns == before.edns and options_but(before, 8) == options_but(after, 8)
            assert not options_of(after, 8)


def check_option(lib, rnd, wire):
    before = dns.message.from_wire(wire)
    code, data = rnd.choice([8, 10, 12, 65001]), bytes(rnd.randrange(256) for _ in range(rnd.randrange(30)))
    if code == 8:
        data = b"\0\1\x10\0\xc0\0"
    how, payload = rnd.choice([OPTION_REPLACE, OPTION_KEEP, OPTION_APPEND]), rnd.choice([0, 512, 1232])
    packet, change = Packet(lib, wire, 64), ctypes.c_int(-1)
    assert packet.msg_put_option(corelib.Option(code, len(data), data), how, payload, change), "refused"
    after = dns.message.from_wire(packet.wire)
    had = options_of(before, code)
    want, changes = {
        OPTION_REPLACE: ([data], OPTION_REPLACED),
        OPTION_KEEP: (had or [data], OPTION_UNCHANGED),
        OPTION_APPEND: (had + [data], OPTION_REPLACED),
    }[how]
    if before.edns < 0 and payload == 0:
        assert packet.wire == wire and change.value == OPTION_UNCHANGED
        return
    only_option_changed(before, after, code)
    assert options_of(after, code) == want
    assert change.value == (OPTION_ADDED_OPT if before.edns < 0 else changes if had else OPTION_ADDED)
    if before.edns < 0:
        assert edns_of(after) == (0, payload, 0)
    if change.value in (OPTION_ADDED, OPTION_ADDED_OPT):
        m = lib.msg_undo_option(packet.buf, packet.len, code, change.value)
        assert packet.buf.raw[:m] == wire, "does not come out as it went in"


def check_remove_option(lib, rnd, wire):
    before, code, packet = dns.message.from_wire(wire), rnd.choice([8, 10, 12]), Packet(lib, wire)
    assert packet.msg_remove_option(code)
    after = dns.message.from_wire(packet.wire)
    only_option_changed(before, after, code)
    assert options_of(after, code) == []
    assert packet.msg_remove_opt()
    after = dns.message.from_wire(packet.wire)
    assert after.edns == -1 and sections(before) == sections(after)


def check_errors(lib, rnd, wire):
    before, packet = dns.message.from_wire(wire), Packet(lib, wire)
    errors = [(rnd.randrange(30), rnd.choice(["", "stale", "größer"])) for _ in range(3)]
    clear_at = rnd.randrange(3)
    for i, (code, text) in enumerate(errors):
        octets = text.encode()
        assert packet.msg_add_ede(code, octets, len(octets), i == clear_at)
    after = dns.message.from_wire(packet.wire)
    only_option_changed(before, after, 15)
    got = [(o.code, o.text or "") for o in after.options if o.otype == 15]
    assert got == (errors[clear_at:] if before.edns >= 0 else []), got


def check_padding(lib, rnd, wire):
    before, packet = dns.message.from_wire(wire), Packet(lib, wire, 700)
    block = rnd.choice([1, 64, 128, 468])
    if rnd.random() < 0.3:
        packet.cap = rnd.randrange(packet.len, packet.len + 60)
    assert packet.msg_pad(block)
    after = dns.message.from_wire(packet.wire)
    only_option_changed(before, after, 12)
    padding = options_of(after, 12)
    if before.edns < 0:
        assert packet.wire == wire
    elif padding:
        assert len(padding) == 1 and not any(padding[0])
        assert packet.len == packet.cap or packet.len % block == 0
    else:
        assert packet.len + 4 > packet.cap, "there was room"


def record_ttls(msg):
    return [(r.rdtype, r.ttl) for s in (msg.answer, msg.authority, msg.additional) for r in s]


def check_ttls(lib, rnd, wire):
    before = dns.message.from_wire(wire)
    low, high, percent = rnd.randrange(3000), rnd.randrange(1, 5000), rnd.randrange(101)
    types = rnd.choice([[], [dns.rdatatype.A, dns.rdatatype.MX, dns.rdatatype.SOA]])
    seen = []

    def edit(_ctx, section, rdclass, rdtype, ttl):
        seen.append((section, rdclass, rdtype, ttl))
        return ttl + 7
    kinds = [
        (lambda p: p.msg_limit_ttls(low, high, corelib.TypeSet(types)),
         lambda t, ttl: min(max(ttl, low), high) if not types or t in types else ttl),
        (lambda p: p.msg_cap_ttls(high), lambda t, ttl: min(ttl, high)),
        (lambda p: p.msg_reduce_ttls(percent), lambda t, ttl: ttl * percent // 100),
        (lambda p: p.msg_edit_ttls(corelib.TTL_EDIT(edit), None), lambda t, ttl: ttl + 7),
    ]
    for do, want in kinds:
        packet = Packet(lib, wire)
        assert do(packet) == 0
        after = dns.message.from_wire(packet.wire)
        assert record_ttls(after) == [(t, want(t, ttl)) for t, ttl in record_ttls(before)]
        for section, was in zip((after.answer, after.authority, after.additional),
                                (before.answer, before.authority, before.additional)):
            for rrset, old in zip(section, was):
                rrset.ttl = old.ttl
        assert texts(before) == texts(after) and edns_of(before) == edns_of(after)
        assert options_but(before, -1) == options_but(after, -1)
    assert seen == [(i, 1, r.rdtype, r.ttl)
                    for i, s in enumerate((before.answer, before.authority, before.additional)) for r in s]


def check_clear(lib, rnd, wire):
    before, packet = dns.message.from_wire(wire), Packet(lib, wire)
    types = rnd.sample(sorted({dns.rdatatype.from_text(t) for t, _ in RECORDS}), rnd.randrange(1, 8))
    assert packet.msg_clear_types(corelib.TypeSet(types)), "refused"
    assert packet.len <= len(wire), "has grown"
    after = dns.message.from_wire(packet.wire)
    for section in (before.answer, before.authority, before.additional):
        section[:] = [r for r in section if r.rdtype not in types]
    assert texts(before) == texts(after)
    assert edns_of(before) == edns_of(after) and options_but(before, -1) == options_but(after, -1)


def check_rename(lib, rnd, wire):
    before, packet = dns.message.from_wire(wire), Packet(lib, wire, 4096)
    old = before.question[0].name
    new = dns.name.from_text(rnd.choice(["n.", "another.example.net.", "a.name.that.is.much.longer.than.it.was."]))
    assert packet.msg_rename(new.to_wire(), len(new.to_wire())), "refused"
    after = dns.message.from_wire(packet.wire)
    one_name = re.compile(r"(?<!\S)" + re.escape(old.to_text()) + r"(?!\S)", re.I)
    assert [[one_name.sub(new.to_text(), r) for r in s] for s in texts(before)] == texts(after)
    assert edns_of(before) == edns_of(after) and options_but(before, -1) == options_but(after, -1)
    assert packet.msg_rename(old.to_wire(), len(old.to_wire())), "is not undone"
    again = dns.message.from_wire(packet.wire)
    assert [[r.lower() for r in s] for s in texts(before)] == [[r.lower() for r in s] for s in texts(again)]
    assert again.question[0].name.labels == old.labels


def check_look(lib, rnd, wire):
    msg, packet = dns.message.from_wire(wire), Packet(lib, wire + b"x")
    assert packet.msg_has_trailing()
    packet.len -= 1
    assert not packet.msg_has_trailing()
    for number, section in enumerate((msg.question, msg.answer, msg.authority, msg.additional)):
        for rdtype in {r.rdtype for r in section} | {dns.rdatatype.A}:
            assert packet.msg_count_type(number, rdtype) == sum(
                max(1, len(r)) for r in section if r.rdtype == rdtype)
    assert packet.msg_count_type(3, 41) == (msg.edns >= 0)


class Edits(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dns = corelib.load(cls.folder())

    def rounds(self, is_query, check):
        for seed in range(ROUNDS):
            rnd = random.Random(seed)
            msg = random_message(rnd, is_query)
            wire = insert_opt(rnd, msg, rnd.random() < 0.5) if rnd.random() < 0.8 else msg.to_wire()
            with self.subTest(seed=seed, wire=wire.hex()):
                check(self.dns, rnd, wire)

    def test_a_subnet_put_into_a_query(self):
        self.rounds(True, check_add)

    def test_a_subnet_or_the_opt_taken_out_of_an_answer(self):
        self.rounds(False, check_remove)

    def test_an_option_put_into_a_query_and_undone(self):
        self.rounds(True, check_option)

    def test_an_option_put_into_an_answer_and_undone(self):
        self.rounds(False, check_option)

    def test_options_and_the_opt_taken_out(self):
        self.rounds(False, check_remove_option)

    def test_extended_errors(self):
        self.rounds(False, check_errors)

    def test_padding(self):
        self.rounds(False, check_padding)

    def test_ttls(self):
        self.rounds(False, check_ttls)

    def test_records_of_some_types_taken_out(self):
        self.rounds(False, check_clear)

    def test_another_name_for_a_query(self):
        self.rounds(True, check_rename)

    def test_another_name_for_an_answer(self):
        self.rounds(False, check_rename)

    def test_what_rules_ask(self):
        self.rounds(False, check_look)


def random_query(rnd, rdtype):
    name = rnd.choice(["www.example.org.", "WwW.x.", "."])
    query = dns.message.make_query(name, rdtype, rnd.choice(["IN", "CH"]), use_edns=False)
    query.flags = rnd.choice([0, dns.flags.RD]) | rnd.choice([0, dns.flags.CD]) | rnd.choice([0, dns.flags.AD])
    if rnd.random() < 0.6:
        query.use_edns(0, rnd.choice([0, dns.flags.DO]), 4096, options=[dns.edns.GenericOption(10, b"cookie!!")])
    return query


class Answers(TestCase):
    """Answers of our own to random queries, of random form."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dns = corelib.load(cls.folder())

    def rounds(self, rdtypes, check):
        for seed in range(ROUNDS):
            rnd = random.Random(seed)
            query = random_query(rnd, rnd.choice(rdtypes))
            with self.subTest(seed=seed, query=query.to_text()):
                check(rnd, query, Packet(self.dns, query.to_wire(), 2000))

    def form(self, rnd, packet):
        opt = packet.opt()
        self.bits = [rnd.randrange(3) for _ in range(3)]
        return corelib.Form(*self.bits, ctypes.pointer(opt), 1400)

    def spoof(self, rnd, packet):
        def below(n):
            return rnd.randrange(n)
        self.below = corelib.BELOW(below) if rnd.random() < 0.7 else corelib.BELOW()
        return corelib.Spoof(self.form(rnd, packet), 77, self.below)

    def judged(self, query, packet, rcode=0):
        """The answer as dnspython reads it, its header and OPT as they must be."""
        msg = dns.message.from_wire(packet.wire)
        self.assertEqual(msg.question, query.question)
        self.assertEqual(msg.id, query.id)
        aa, ad, ra = [bit == corelib.SET for bit in self.bits]
        if self.bits[2] == corelib.USUAL:
            ra = bool(query.flags & dns.flags.RD)
        want = dns.flags.QR | query.flags & (dns.flags.RD | dns.flags.CD)
        want |= dns.flags.AA * aa | dns.flags.AD * ad | dns.flags.RA * ra
        self.assertEqual(msg.flags & ~15, want)
        self.assertEqual(msg.rcode(), rcode if query.edns >= 0 else rcode & 15)
        self.assertEqual(msg.edns, query.edns)
        self.assertEqual(msg.options, ())
        if msg.edns >= 0:
            self.assertEqual(msg.payload, 1400)
            self.assertEqual(msg.ednsflags & 0xffff, query.ednsflags & dns.flags.DO)
        return msg

    def expect(self, query, rrsets, got):
        """Records of the class of the query, as lines of text, in any order."""
        want = []
        for owner, ttl, rdtype, rdatas in rrsets:
            rdclass = dns.rdataclass.to_text(query.question[0].rdclass)
            want += [f"{owner} {ttl} {rdclass} {rdtype} {r}" for r in rdatas]
        self.assertEqual(sorted(want), sorted(line for r in got for line in r.to_text().split("\n")))

    def test_empty(self):
        def check(rnd, query, packet):
            rcode = rnd.choice([0, 2, 3, 5, 16, 23, 4095])
            self.assertTrue(packet.msg_answer_empty(rcode, self.form(rnd, packet)))
            msg = self.judged(query, packet, rcode)
            self.assertEqual([msg.answer, msg.authority, msg.additional], [[], [], []])
        self.rounds(["A", "TXT"], check)

    def test_addresses(self):
        v4, v6 = ["192.0.2.%d" % i for i in range(4)], ["2001:db8::%d" % i for i in range(1, 4)]
        wire = [socket.inet_pton(socket.AF_INET, a) for a in v4] + [socket.inet_pton(socket.AF_INET6, a) for a in v6]

        def check(rnd, query, packet):
            rdtype, before = query.question[0].rdtype, packet.wire
            n = packet.msg_spoof_addrs(self.spoof(rnd, packet), corelib.values(wire), len(wire))
            if rdtype == dns.rdatatype.TXT:
                self.assertEqual((n, packet.wire), (0, before))
                return
            name = query.question[0].name
            self.expect(query, [(name, 77, "A", v4 if rdtype in (1, 255) else []),
                                (name, 77, "AAAA", v6 if rdtype in (28, 255) else [])],
                        self.judged(query, packet).answer)
        # Addresses of class CH are not for dnspython to read.
        self.rounds(["A", "AAAA", "ANY", "TXT"], self.of_class_in(check))

    @staticmethod
    def of_class_in(check):
        def checked(rnd, query, packet):
            if query.question[0].rdclass == 1:
                check(rnd, query, packet)
        return checked

    def test_raw_data(self):
        def check(rnd, query, packet):
            n = packet.msg_spoof_raw(self.spoof(rnd, packet), 16, corelib.values([b"\3one", b"\3two"]), 2)
            self.assertTrue(n)
            self.expect(query, [(query.question[0].name, 77, "TXT", ['"one"', '"two"'])],
                        self.judged(query, packet).answer)
        self.rounds(["TXT", "ANY"], check)

    def test_a_name(self):
        def check(rnd, query, packet):
            target = dns.name.from_text("target.example.net.")
            self.assertTrue(packet.msg_spoof_cname(self.spoof(rnd, packet), target.to_wire(), len(target.to_wire())))
            self.expect(query, [(query.question[0].name, 77, "CNAME", [target])], self.judged(query, packet).answer)
        self.rounds(["A", "TXT", "ANY", "CNAME"], check)

    def test_negative(self):
        names = [dns.name.from_text(n) for n in ("example.org.", "mname.example.org.", "rname.example.org.")]
        zone, mname, rname = [n.to_wire() for n in names]
        rdata = ctypes.create_string_buffer(530)
        n = self.dns.soa_rdata(rdata, mname, len(mname), rname, len(rname), corelib.SoaTimes(1, 2, 3, 4, 5))
        soa = corelib.AnswerRecord(zone, len(zone), 6, 33, rdata.raw[:n], n)

        def check(rnd, query, packet):
            section, rcode = rnd.choice([1, 2]), rnd.choice([0, 3])
            if rnd.random() < 0.2:
                before, packet.cap = packet.wire, packet.question.end + rnd.randrange(60)
                self.assertEqual(packet.msg_spoof_negative(self.form(rnd, packet), rcode, section, soa), 0)
                self.assertEqual(packet.wire, before)
                return
            self.assertTrue(packet.msg_spoof_negative(self.form(rnd, packet), rcode, section, soa))
            msg = self.judged(query, packet, rcode)
            self.assertEqual(msg.answer, [])
            lists = {1: msg.authority, 2: msg.additional}
            self.assertEqual(lists[3 - section], [])
            self.expect(query, [(names[0], 33, "SOA", [f"{names[1]} {names[2]} 1 2 3 4 5"])], lists[section])
        self.rounds(["A", "TXT"], check)

    def random_binding(self, rnd):
        """Parameters as text for dnspython, and the data that we make of them; hints apart."""
        target = rnd.choice([".", "svc.example.net."])
        priority = rnd.choice([0, 1, 300])
        p, text = corelib.SvcParams(priority=priority), []
        wire = dns.name.from_text(target).to_wire()
        p.target, p.target_len = wire, len(wire)
        keys, v4, v6 = [], [], []
        chance = 0 if priority == 0 else 0.5
        if rnd.random() < chance:
            alpn = rnd.sample([b"h2", b"h3", b"dot"], rnd.randrange(1, 4))
            p.alpn, p.n_alpn = (corelib.SvcValue * 3)(*[corelib.SvcValue(a, len(a)) for a in alpn]), len(alpn)
            text.append("alpn=" + ",".join(a.decode() for a in alpn))
            keys.append((1, "alpn"))
            if rnd.random() < 0.5:
                p.no_default_alpn = True
                text.append("no-default-alpn")
                keys.append((2, "no-default-alpn"))
        if rnd.random() < chance:
            p.has_port, p.port = True, rnd.randrange(65536)
            text.append("port=%d" % p.port)
            keys.append((3, "port"))
        if rnd.random() < chance:
            v4 = ["192.0.2.%d" % rnd.randrange(4) for _ in range(2)]
            p.ipv4_hints, p.n_ipv4_hints = b"".join(socket.inet_pton(socket.AF_INET, a) for a in v4), len(v4)
            text.append("ipv4hint=" + ",".join(v4))
            keys.append((4, "ipv4hint"))
        if rnd.random() < chance:
            p.ech = corelib.SvcValue(b"ech config", 10)
            text.append("ech=ZWNoIGNvbmZpZw==")
        if rnd.random() < chance:
            v6 = ["2001:db8::%d" % rnd.randrange(1, 4)]
            p.ipv6_hints, p.n_ipv6_hints = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in v6), len(v6)
            text.append("ipv6hint=" + ",".join(v6))
            keys.append((6, "ipv6hint"))
        if rnd.random() < chance:
            others = rnd.sample([7, 400, 65534], rnd.randrange(1, 4))
            p.others = (corelib.SvcParam * 3)(*[corelib.SvcParam(k, corelib.SvcValue(b"raw", 3)) for k in others])
            p.n_others = len(others)
            text += ["key%d=raw" % k for k in others]
            keys += [(k, "key%d" % k) for k in others]
        if keys and rnd.random() < chance:
            rnd.shuffle(keys)
            p.mandatory, p.n_mandatory = (corelib.u16 * len(keys))(*[k for k, _ in keys]), len(keys)
            text.append("mandatory=" + ",".join(t for _, t in keys))
        rnd.shuffle(text)
        out = ctypes.create_string_buffer(1024)
        n = self.dns.svc_rdata(p, out, 1024, None)
        self.assertGreater(n, 0)
        return " ".join([str(priority), target] + text), out.raw[:n], target, v4, v6

    def test_service_bindings(self):
        def check(rnd, query, packet):
            name, rdtype = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
            all_of = [self.random_binding(rnd) for _ in range(rnd.randrange(1, 4))]
            rdatas, hints = set(), set()
            for text, wire, target, v4, v6 in all_of:
                rdata = dns.rdata.from_text("IN", rdtype, text)
                self.assertEqual(rdata.to_wire(), wire)
                rdatas.add(rdata.to_text())
                owner = name if target == "." else target
                hints |= {(owner, "A", a) for a in v4} | {(owner, "AAAA", a) for a in v6}
            wires = sorted({b[1] for b in all_of})
            self.assertTrue(packet.msg_spoof_svc(self.spoof(rnd, packet), corelib.values(wires), len(wires)))
            msg = self.judged(query, packet)
            self.expect(query, [(name, 77, rdtype, rdatas)], msg.answer)
            self.expect(query, [(owner, 77, t, [a]) for owner, t, a in hints], msg.additional)
            counts = struct.unpack(">HH", packet.wire[6:8] + packet.wire[10:12])
            self.assertEqual(counts[0], len(rdatas))
        self.rounds(["SVCB", "HTTPS"], self.of_class_in(check))


if __name__ == "__main__":
    main()
