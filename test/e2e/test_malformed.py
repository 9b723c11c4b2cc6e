#!/usr/bin/python3
"""Bad input from clients: dropped or answered as the protocol says, counted, and nobody else notices."""
import random
import struct

import dns.flags
import dns.message
import dns.rcode

import clients
from fakeserver import FakeServer, address
from harness import TestCase, main

ID = b"\x12\x34"


def header(flags=0x0100, qd=1, an=0, ns=0, ar=0):
    return ID + struct.pack("!HHHHH", flags, qd, an, ns, ar)


NAME = b"\3www\7example\0"
QUESTION = NAME + b"\0\1\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"

# label: octets; None answers means silence
SILENT_AND_NONCOMPLIANT = {
    "one octet": b"\x00",
    "header cut short": header()[:11],
    "QR set": header(0x8100) + QUESTION,
    "no question though one is announced": header(),
    "name cut inside a label": header() + b"\3ww",
    "name without its end": header() + b"\3www\7example",
    "question without a type": header() + NAME,
    "question without a class": header() + NAME + b"\0\1",
    "pointer to itself": header() + b"\xc0\x0c\0\1\0\1",
    "pointer forwards": header() + b"\xc0\x20\0\1\0\1",
    "pointer into the header": header() + b"\xc0\x00\0\1\0\1",
    "reserved label type": header() + b"\x81a\0\0\1\0\1",
    "label of 64": header() + b"\x40" + b"a" * 64 + b"\0\0\1\0\1",
    "name of 256": header() + (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0" + b"\0\1\0\1",
    "datagram over 1500 octets": header() + QUESTION + b"\0" * 1600,
}


class FromClients(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'newServer("{cls.server.address}")')

    def still_serves(self):
        self.assertEqual(clients.udp(self.d.port, "after.example.").answer[0][0].to_text(), "192.0.2.1")

    def test_malformed_queries_are_dropped_and_counted(self):
        for label, wire in SILENT_AND_NONCOMPLIANT.items():
            with self.subTest(label):
                before, arrived = self.d.stat("noncompliant-queries"), len(self.server.queries)
                self.assertIsNone(clients.send_udp(self.d.port, wire, timeout=0.2))
                self.assertEqual(self.d.stat("noncompliant-queries") - before, 1)
                self.assertEqual(len(self.server.queries), arrived)
        self.still_serves()

    def test_malformed_queries_over_tcp_close_the_connection(self):
        for label, wire in SILENT_AND_NONCOMPLIANT.items():
            if "1500" in label:  # over TCP that is a message like any other
                continue
            with self.subTest(label), clients.Stream(self.d.port) as s:
                s.send(wire)
                self.assertIsNone(s.receive())
        with clients.Stream(self.d.port) as s:
            s.send(b"")
            self.assertIsNone(s.receive())
        self.still_serves()

    def test_longest_name_is_served(self):
        name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
        self.assertEqual(len(name), 255)
        r = clients.send_udp(self.d.port, header() + name + b"\0\1\0\1", 2)
        self.assertEqual(r[:2], ID)
        self.assertEqual(dns.message.from_wire(r).rcode(), dns.rcode.NOERROR)

    def test_no_question_is_not_implemented(self):
        before = self.d.stat("empty-queries")
        r = clients.send_udp(self.d.port, header(qd=0), 2)
        self.assertEqual(r[:2], ID)
        self.assertEqual(struct.unpack("!H", r[2:4])[0] & 0x800f, 0x8004)
        self.assertEqual(self.d.stat("empty-queries") - before, 1)
        self.d.console("setDropEmptyQueries(true)")
        self.assertIsNone(clients.send_udp(self.d.port, header(qd=0)))
        self.d.console("setDropEmptyQueries(false)")

    def test_odd_queries_do_no_harm(self):
        """What is more than a question may be passed on or dropped, but is never answered wrongly."""
        odd = {
            "two questions": header(qd=2) + QUESTION + QUESTION,
            "two announced, one there": header(qd=2) + QUESTION,
            "65535 announced": header(qd=65535) + QUESTION,
            "trailing octets": header() + QUESTION + b"trailing",
            "records announced that are not there": header(an=3, ns=2, ar=7) + QUESTION,
            "answer in a query": header(an=1) + QUESTION + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2\3\4",
            "OPT cut in its owner": header(ar=1) + QUESTION + b"\0\0",
            "OPT cut in its length": header(ar=1) + QUESTION + OPT[:-1],
            "OPT longer than the message": header(ar=1) + QUESTION + OPT[:-2] + b"\xff\xff",
            "option longer than its OPT": header(ar=1) + QUESTION + OPT[:-2] + b"\0\4\0\x08\xff\xff",
            "two OPTs": header(ar=2) + QUESTION + OPT + OPT,
            "OPT owned by a name": header(ar=1) + QUESTION + NAME + OPT[1:],
            "EDNS version 1": header(ar=1) + QUESTION + b"\0\0\x29\x04\xd0\0\1\0\0\0\0",
            "OPT loops": header(ar=1) + QUESTION + b"\xc0\x1d" + OPT[1:],
            "opcode 15": header(0x7900) + QUESTION,
            "TC set": header(0x0300) + QUESTION,
            "all flags but QR": header(0x7fff) + QUESTION,
            "class 0, type 0": header() + NAME + b"\0\0\0\0",
            "root": header() + b"\0\0\1\0\1",
        }
        for label, wire in odd.items():
            with self.subTest(label):
                r = clients.send_udp(self.d.port, wire, timeout=0.2)
                if r is not None:
                    self.assertEqual(r[:2], ID)
                    self.assertTrue(r[2] & 0x80)
        self.still_serves()

    def test_forwarded_as_it_came(self):
        """But for the id, and octets after the message."""
        self.server.queries.clear()
        wire = header(0x0110, ar=1) + b"\3WwW\7eXample\0\0\x10\0\3" + OPT[:-2] + b"\0\x0c\0\x0a\0\x04abcd\xfd\xe9\0\0"
        clients.send_udp(self.d.port, wire)
        self.assertEqual(self.server.queries[0].wire[2:], wire[2:])

    def test_noise(self):
        rng = random.Random(1)
        good = header(ar=1) + QUESTION + OPT
        for _ in range(300):
            wire = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                wire[rng.randrange(len(wire))] = rng.randrange(256)
            clients.send_udp(self.d.port, bytes(wire[:rng.randint(0, len(wire))]), timeout=0.0005)
            clients.send_udp(self.d.port, rng.randbytes(rng.randint(0, 200)), timeout=0.0005)
        self.still_serves()


if __name__ == "__main__":
    main()
