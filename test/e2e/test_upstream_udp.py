#!/usr/bin/python3
"""Servers over UDP that stall, lie, repeat themselves or answer garbage; what a client sees of it."""
import socket
import threading
import time

import dns.flags
import dns.message
import dns.rcode

import clients
from fakeserver import FakeServer, Later, address, answer
from harness import TestCase, main, wait_for


class UpstreamCase(TestCase):
    def forwarder(self, reply, options="", config=""):
        self.server = self.use(FakeServer(reply))
        return self.daemon(f'newServer({{address="{self.server.address}"{options}}})\n{config}')


class WrongAnswers(UpstreamCase):
    WRONG = {
        "id": lambda q: bytes([q.wire[0] ^ 0x55, q.wire[1] ^ 0x55]) + address(q)[2:],
        "name": lambda q: address(q).replace(b"example", b"exampel"),
        "type": lambda q: address(q).replace(b"\7example\0\0\1\0\1", b"\7example\0\0\2\0\1"),
        "class": lambda q: address(q).replace(b"\7example\0\0\1\0\1", b"\7example\0\0\1\0\3"),
        "a query, not an answer": lambda q: q.wire,
        "short": lambda q: address(q)[:11],
        "nothing but a header": lambda q: address(q)[:4] + b"\0\0" + b"\0\0" * 3,
        "question cut": lambda q: address(q)[:15],
        "empty": lambda q: b"",
        "garbage": lambda q: b"\xff" * 100,
    }

    def test_wrong_answer_alone_is_ignored(self):
        self.kind = None
        d = self.forwarder(lambda q: self.WRONG[self.kind](q), ", checkInterval=60", "setUDPTimeout(1)")
        for kind in self.WRONG:
            with self.subTest(kind):
                self.kind = kind
                self.assertTrue(clients.silent(d.port, "wrong.example.", timeout=0.3))
        wait_for(lambda: d.console("getServer(0):getOutstanding()") == "0", 5, 0.1)
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "0")

    def test_right_answer_after_a_wrong_one_arrives(self):
        self.kind = None
        d = self.forwarder(lambda q: [self.WRONG[self.kind](q), Later(0.05, address(q))], ", checkInterval=60")
        for kind in self.WRONG:
            with self.subTest(kind):
                self.kind = kind
                r = clients.udp(d.port, "wrong.example.", timeout=2)
                self.assertEqual(r.answer[0][0].to_text(), "192.0.2.1")

    def test_answer_from_another_address_is_not_taken(self):
        def reply(query):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", 0))
                s.sendto(address(query, ip="203.0.113.66"), query.peer)
            return Later(0.1, address(query))

        d = self.forwarder(reply)
        r = clients.udp(d.port, "spoof.example.", timeout=2)
        self.assertEqual(r.answer[0][0].to_text(), "192.0.2.1")

    def test_repeated_answers_are_given_once(self):
        d = self.forwarder(lambda q: [address(q)] * 5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.3)
            s.connect(("127.0.0.1", d.port))
            s.send(clients.make("twice.example.").to_wire())
            self.assertTrue(s.recv(65535))
            with self.assertRaises(socket.timeout):
                s.recv(65535)

    def test_empty_answers(self):
        d = self.forwarder(lambda q: q.wire[:2] + b"\x80\x05" + b"\0" * 8)  # REFUSED without a question
        r = dns.message.from_wire(clients.send_udp(d.port, clients.make("x.example.").to_wire(), 2))
        self.assertEqual(r.rcode(), dns.rcode.REFUSED)
        self.server.reply = lambda q: q.wire[:2] + b"\x80\x00" + b"\0" * 8  # NOERROR without one
        before = d.stat("noncompliant-responses")
        self.assertIsNone(clients.send_udp(d.port, clients.make("x.example.").to_wire()))
        self.assertEqual(d.stat("noncompliant-responses") - before, 1)
        d.console("setAllowEmptyResponse(true)")
        self.assertIsNotNone(clients.send_udp(d.port, clients.make("x.example.").to_wire(), 2))


class Timeouts(UpstreamCase):
    def test_stalled_query_is_given_up_and_counted(self):
        d = self.forwarder(lambda q: None, ", udpTimeout=1")
        before = d.stats()
        self.assertTrue(clients.silent(d.port, "stall.example.", timeout=0.2))
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "1")
        wait_for(lambda: d.stat("downstream-timeouts") > before["downstream-timeouts"], 4, 0.1)
        self.assertEqual(d.stat("downstream-timeouts") - before["downstream-timeouts"], 1)
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "0")
        self.assertEqual(d.console("getServer(0):getDrops()"), "1")

    def test_late_answer_is_too_late(self):
        d = self.forwarder(lambda q: Later(1.6, address(q)), ", udpTimeout=1")
        self.assertTrue(clients.silent(d.port, "late.example.", timeout=2.5))

    def test_answer_within_the_timeout(self):
        d = self.forwarder(lambda q: Later(1.5, address(q)), "", "setUDPTimeout(2)")
        self.assertEqual(clients.udp(d.port, "slow.example.", timeout=4).answer[0][0].to_text(), "192.0.2.1")

    def test_out_of_order_answers_reach_their_clients(self):
        def reply(query):
            n = int(query.message.question[0].name.labels[0][1:])
            return Later(0.3 - n * 0.01, address(query, ip=f"192.0.2.{n}"))

        d = self.forwarder(reply)
        got = {}

        def ask(n):
            got[n] = clients.udp(d.port, f"n{n}.example.").answer[0][0].to_text()

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, 25)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, {n: f"192.0.2.{n}" for n in range(1, 25)})

    def test_server_that_is_not_there(self):
        server = self.use(FakeServer(udp=False))
        d = self.daemon(f'newServer({{address="{server.address}", healthCheckMode="up"}})\nsetUDPTimeout(1)')
        for i in range(3):
            self.assertTrue(clients.silent(d.port, f"n{i}.example.", timeout=0.2))
        wait_for(lambda: d.console("getServer(0):getOutstanding()") == "0", 5, 0.1)
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "0")


class Edits(UpstreamCase):
    def test_truncated_answer_is_passed_on(self):
        d = self.forwarder(lambda q: answer(q, "x.example. 60 IN A 192.0.2.7", flags=dns.flags.TC))
        r = clients.udp(d.port, "x.example.")
        self.assertTrue(r.flags & dns.flags.TC)
        self.assertEqual(len(r.answer), 1)
        d.console("truncateTC(true)")
        r = clients.udp(d.port, "x.example.")
        self.assertTrue(r.flags & dns.flags.TC)
        self.assertEqual(len(r.answer), 0)

    def test_answer_too_large_for_the_client_is_cut(self):
        d = self.forwarder(lambda q: answer(q, *(f"x.example. 60 IN TXT \"{'x' * 200}{n}\"" for n in range(6))))
        r = clients.udp(d.port, "x.example.", "TXT")
        self.assertTrue(r.flags & dns.flags.TC)
        self.assertEqual((len(r.answer), r.edns), (0, -1))
        r = clients.udp(d.port, "x.example.", "TXT", use_edns=0, payload=1000, want_dnssec=True)
        self.assertTrue(r.flags & dns.flags.TC)
        self.assertEqual(r.edns, 0)
        r = clients.udp(d.port, "x.example.", "TXT", use_edns=0, payload=4096)
        self.assertFalse(r.flags & dns.flags.TC)
        self.assertEqual(len(r.answer[0]), 6)

    def test_case_is_mended_when_asked_for(self):
        d = self.forwarder(lambda q: address(q).replace(b"ExAmple", b"example"))
        wire = clients.make("x.ExAmple.").to_wire()
        self.assertIn(b"\7example\0", clients.send_udp(d.port, wire, 2))
        d.console("fixupCase(true)")
        self.assertEqual(clients.send_udp(d.port, wire, 2)[12:12 + 11], wire[12:12 + 11])

    def test_flags_are_the_clients(self):
        d = self.forwarder(lambda q: answer(q, flags=0))
        r = clients.udp(d.port, "x.example.", flags=dns.flags.RD | dns.flags.CD)
        self.assertTrue(r.flags & dns.flags.RD and r.flags & dns.flags.CD)
        r = clients.udp(d.port, "x.example.", flags=0)
        self.assertFalse(r.flags & (dns.flags.RD | dns.flags.CD))


class Sockets(UpstreamCase):
    def test_several_sockets_use_several_ports(self):
        d = self.forwarder(address, ", sockets=8", "setWorkers(1)")
        for i in range(40):
            clients.udp(d.port, f"n{i}.example.")
        self.assertEqual(len({q.peer[1] for q in self.server.queries}), 8)

    def test_ids_are_not_in_sequence(self):
        d = self.forwarder(address)
        for i in range(20):
            clients.udp(d.port, f"n{i}.example.")
        ids = [int.from_bytes(q.wire[:2], "big") for q in self.server.queries]
        self.assertGreater(len({b - a for a, b in zip(ids, ids[1:])}), 10)

    def test_one_query_for_one_query(self):
        d = self.forwarder(lambda q: Later(0.8, address(q)))
        clients.udp(d.port, "once.example.")
        time.sleep(0.2)
        self.assertEqual(self.server.names(), ["once.example."])

    def test_source_address(self):
        d = self.forwarder(address, ', source="127.0.0.7"')
        clients.udp(d.port, "x.example.")
        clients.tcp(d.port, "x.example.")
        self.assertEqual({q.peer[0] for q in self.server.queries}, {"127.0.0.7"})


if __name__ == "__main__":
    main()
