#!/usr/bin/python3
"""Rules and actions beside those of Debian's dnsdist 1.7: the same queries get the same answers and arrive the same."""
import itertools
import os
import select
import socket
import struct
import time

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype

import clients
from fakeserver import FakeServer, answer
from harness import DEBIAN_DNSDIST, Daemon, TestCase, main, needs

RD, CD, AD, DO = dns.flags.RD, dns.flags.CD, dns.flags.AD, dns.flags.DO

COOKIE = dns.edns.GenericOption(10, b"cookie!!")
ECS = dns.edns.ECSOption("198.51.100.0", 24)

# label: arguments of use_edns; None: no OPT
EDNS = {
    "plain": None,
    "edns": dict(edns=0, payload=1232),
    "do": dict(edns=0, payload=4096, ednsflags=DO),
    "small": dict(edns=0, payload=100, options=[COOKIE]),
    "cookie ecs": dict(edns=0, payload=1400, options=[COOKIE, ECS]),
}
FLAGS = {"": 0, "rd": RD, "rd cd": RD | CD, "ad": AD, "rd ad cd": RD | AD | CD}
TYPES = ["A", "AAAA", "TXT", "ANY", "MX", "HTTPS"]

# What a silent daemon is given; the machine may be busy.
QUIET_S = 0.7

RECORDS = {
    "A": ("600 IN A 192.0.2.1", "60 IN A 192.0.2.2"), "AAAA": ("600 IN AAAA 2001:db8::1",),
    "TXT": ("5 IN TXT text",), "MX": ("300 IN MX 10 mail.example.",),
}


def reply(query):
    """Records of the type that is asked, under the name as it is asked."""
    q = query.message.question[0]
    texts = RECORDS.get(dns.rdatatype.to_text(q.rdtype), ())
    if dns.rdataclass.to_text(q.rdclass) != "IN":
        texts = ()
    soa = "example. 900 IN SOA ns. admin. 1 2 3 4 5"
    return answer(query, *(f"{q.name} {t}" for t in texts), authority=() if texts else (soa,))


def view(wire):
    """What a message means; records of a section in any order."""
    if wire is None:
        return None
    try:
        m = dns.message.from_wire(wire)
    except dns.exception.DNSException as e:
        return f"{e!r} {sorted(wire)}"
    sections = [sorted(f"{r.name} {r.ttl} {dns.rdataclass.to_text(r.rdclass)} {dns.rdatatype.to_text(r.rdtype)} {d}"
                       for r in s for d in r) for s in (m.answer, m.authority, m.additional)]
    opt = (m.edns, m.payload, m.ednsflags & 0xffff, [(o.otype, o.to_wire().hex()) for o in m.options]) \
        if m.edns >= 0 else None
    return (f"flags={m.flags:04x} rcode={m.rcode()}", [q.to_text() for q in m.question], *sections, opt)


class Pair:
    """Ours and theirs on one configuration, each with a server of its own."""

    def __init__(self, cls, config, peer_config=None, reply=reply):
        self.servers = [cls.class_use(FakeServer(reply)) for _ in range(2)]
        self.daemons = []
        for binary, text, server in zip((None, DEBIAN_DNSDIST), (config, peer_config or config), self.servers):
            kw = {"binary": binary, "name": "peer"} if binary else {}
            self.daemons.append(cls.class_daemon(text.replace("$SERVER", server.address), **kw))

    def udp(self, wires):
        """For each daemon what it answers to each query, by its place; None for silence. All at once."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
            got = [[None] * len(wires), [None] * len(wires)]
            sockets = {one: got[0], two: got[1]}
            for s, d in zip(sockets, self.daemons):
                s.connect(("127.0.0.1", d.port))
            for start in range(0, len(wires), 40):
                part = range(start, min(start + 40, len(wires)))
                for i in part:
                    for s in sockets:
                        s.send(struct.pack(">H", i) + wires[i][2:])
                self._collect(sockets, part)
        return got

    @staticmethod
    def _collect(sockets, part):
        until = time.monotonic() + QUIET_S
        while any(got[i] is None for got in sockets.values() for i in part):
            ready, _, _ = select.select(list(sockets), [], [], max(0, until - time.monotonic()))
            if not ready:
                return
            for s in ready:
                data = s.recv(65535)
                sockets[s][struct.unpack(">H", data[:2])[0]] = b"\0\0" + data[2:]
            until = time.monotonic() + QUIET_S

    def tcp(self, wires):
        got = [[], []]
        for d, answers in zip(self.daemons, got):
            stream = None
            for wire in wires:
                stream = stream or clients.Stream(d.port)
                try:
                    stream.send(wire)
                    data = stream.receive()
                except OSError:
                    data = None
                answers.append(data and b"\0\0" + data[2:])
                if data is None:
                    stream.close()
                    stream = None
            if stream:
                stream.close()
        return got

    def arrived(self):
        """For each server the queries that arrived, by name and protocol, and forgets them."""
        seen = []
        for s in self.servers:
            seen.append({(q.name, q.proto): q.wire for q in s.queries})
            s.queries.clear()
        return seen


def query(name, rdtype="A", flags=RD, edns=None, rdclass="IN"):
    m = dns.message.make_query(name, rdtype, rdclass, use_edns=False)
    m.flags = flags
    if edns:
        m.use_edns(**edns)
    return m


def product(name, types=TYPES, flags=FLAGS, edns=EDNS):
    """(label, query) of every form, each under a name of its own, in odd case."""
    for i, (t, f, e) in enumerate(itertools.product(types, flags, edns)):
        yield f"{name} {t} [{f}] {e}", query(f"N{i}.{name}.TeSt.", t, flags[f], edns[e])


class PeerCase(TestCase):
    def agree(self, queries, explained=lambda label, ours, theirs: False, tcp=True):
        labels, messages = zip(*queries)
        wires = [m.to_wire() for m in messages]
        for proto in ("udp", "tcp") if tcp else ("udp",):
            ours, theirs = getattr(self.pair, proto)(wires)
            seen = self.pair.arrived()
            for label, m, a, b in zip(labels, messages, ours, theirs):
                with self.subTest(query=f"{label} {proto}"):
                    if a != b and view(a) != view(b) and not explained(label, a, b):
                        self.fail(f"answers differ\nours  {view(a)}\npeer  {view(b)}")
                    at = (m.question[0].name.to_text().lower(), proto)
                    x, y = (s.get(at) for s in seen)
                    if (x and x[2:]) != (y and y[2:]) and not explained(label, x, y):
                        self.fail(f"what arrives differs\nours  {view(x)} {x and x.hex()}\n"
                                  f"peer  {view(y)} {y and y.hex()}")
