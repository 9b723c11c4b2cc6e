#!/usr/bin/python3
"""Edits of core/dns, judged by dnspython: nothing but the client subnet and the OPT of a message may change."""
import ctypes
import os
import random
import struct
import subprocess

import dns.edns
import dns.message
import dns.renderer
import dns.rrset

from harness import ROOT, TestCase, main

ROUNDS = 800


class Question(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint16) for n in ("name_len", "qtype", "qclass", "end")]


# What reads and edits messages; the rest of core/dns stands on more than itself.
SOURCES = ["err.c", "dns/answer.c", "dns/edit.c", "dns/ecs.c", "dns/message.c", "dns/name.c", "dns/option.c",
           "dns/record.c", "dns/text.c"]


def load(folder):
    """The messages of core/dns as a shared library."""
    path = os.path.join(folder, "dns.so")
    sources = [os.path.join(ROOT, "core", f) for f in SOURCES]
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-std=c11", "-I" + ROOT, "-o", path]
                   + sources, check=True)
    lib = ctypes.CDLL(path)
    for name in ("msg_add_ecs", "msg_remove_ecs"):
        getattr(lib, name).restype = ctypes.c_size_t
    return lib


RECORDS = [
    ("MX", "10 mail.{}"), ("NS", "ns1.{}"), ("A", "192.0.2.1"), ("SRV", "1 2 53 srv.{}"),
    ("SOA", "ns1.{0} admin.{0} 1 2 3 4 5"), ("PTR", "host.{}"), ("TXT", '"some text"'),
    ("NAPTR", '1 2 "u" "sip" "" x.{}'), ("RP", "a.{0} b.{0}"), ("DNAME", "d.{}"), ("CNAME", "c.{}"),
    ("AFSDB", "1 afs.{}"), ("KX", "5 kx.{}"), ("PX", "5 px.{0} py.{0}"), ("RT", "1 rt.{}"),
    ("AAAA", "2001:db8::1"), ("CAA", '0 issue "ca.{}"'),
]


def random_message(rnd, is_query):
    zones = ["example.org.", "very.long.zone.example.net.", "x."]
    query = dns.message.make_query(rnd.choice(["www.", "WwW.", ""]) + rnd.choice(zones), "A")
    msg = query if is_query else dns.message.make_response(query)
    sections = [msg.additional] if is_query else [msg.answer, msg.authority, msg.additional]
    for section in sections:
        for _ in range(rnd.randrange(5)):
            rdtype, text = rnd.choice(RECORDS)
            zone = rnd.choice(zones)
            owner = rnd.choice(["", "a.", "b.c."]) + zone
            if any(r.name.to_text() == owner for r in section):
                continue
            section.append(dns.rrset.from_text(owner, rnd.randrange(5000), "IN", rdtype, text.format(zone)))
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


def sections(msg):
    return [sorted(r.to_text() for r in s) for s in (msg.question, msg.answer, msg.authority, msg.additional)]


def others(msg):
    return [o.to_wire() if hasattr(o, "to_wire") else o.data for o in msg.options if o.otype != 8]


def question_of(lib, buf, n):
    q = Question()
    assert lib.msg_question(buf, ctypes.c_size_t(n), ctypes.byref(q)) == 0
    return q


def check_add(lib, rnd, wire):
    before = dns.message.from_wire(wire)
    buf = ctypes.create_string_buffer(wire, len(wire) + 64)
    q, added = question_of(lib, buf, len(wire)), ctypes.c_int(-1)
    override = rnd.random() < 0.5
    n = lib.msg_add_ecs(buf, ctypes.c_size_t(len(wire)), ctypes.c_size_t(len(wire) + 64), ctypes.byref(q),
                        bytes([203, 0, 113, 255]), ctypes.c_size_t(4), 24, ctypes.c_bool(override),
                        ctypes.byref(added))
    assert n, "refused"
    after = dns.message.from_wire(buf.raw[:n])
    had = [o for o in before.options if o.otype == 8]
    assert sections(before) == sections(after), "records changed"
    assert others(before) == others(after), "options changed"
    ecs = [o.to_text() for o in after.options if o.otype == 8]
    assert ecs == (["ECS 198.51.100.0/24 scope/0"] if had and not override else ["ECS 203.0.113.0/24 scope/0"]), ecs
    assert added.value == (0 if had else 1 if before.edns >= 0 else 2)
    if before.edns >= 0:
        assert (before.payload, before.ednsflags) == (after.payload, after.ednsflags)
    if added.value:
        m = lib.msg_remove_ecs(buf, ctypes.c_size_t(n), added.value)
        assert buf.raw[:m] == wire, "does not come out as it went in"


def check_remove(lib, rnd, wire):
    before = dns.message.from_wire(wire)
    for added in (1, 2):
        buf = ctypes.create_string_buffer(wire, len(wire))
        n = lib.msg_remove_ecs(buf, ctypes.c_size_t(len(wire)), added)
        after = dns.message.from_wire(buf.raw[:n])
        assert sections(before) == sections(after), "records changed"
        if added == 2:
            assert after.edns == -1
        else:
            assert after.edns == before.edns and others(before) == others(after)
            assert not [o for o in after.options if o.otype == 8]


class Edits(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dns = load(cls.folder())

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


if __name__ == "__main__":
    main()
