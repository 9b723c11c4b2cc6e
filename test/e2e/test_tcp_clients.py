#!/usr/bin/python3
"""Clients over TCP: in pieces, in bulk, slow, silent, gone early; limits; others do not notice."""
import resource
import socket
import struct
import time

import dns.edns
import dns.message

import clients
from fakeserver import FakeServer, Later, address, answer
from harness import TestCase, main, wait_for


def wire(name, id=None):
    q = clients.make(name)
    if id is not None:
        q.id = id
    return q.to_wire()


def framed(*messages):
    return b"".join(struct.pack("!H", len(m)) + m for m in messages)


class TcpCase(TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'newServer("{cls.server.address}")\n' + cls.CONFIG)

    def stream(self):
        return clients.Stream(self.d.port, timeout=8)

    def closed_after(self, s):
        """Seconds until the other side closes."""
        begin = time.monotonic()
        self.assertIsNone(s.receive())
        return time.monotonic() - begin


class Framing(TcpCase):
    def test_one_octet_at_a_time(self):
        with self.stream() as s:
            for octet in framed(wire("slow.example.")):
                s.s.sendall(bytes([octet]))
                time.sleep(0.002)
            self.assertEqual(dns.message.from_wire(s.receive()).answer[0][0].to_text(), "192.0.2.1")

    def test_many_queries_in_one_segment(self):
        with self.stream() as s:
            s.s.sendall(framed(*(wire(f"n{i}.example.", id=i) for i in range(50))))
            self.assertEqual(sorted(dns.message.from_wire(s.receive()).id for _ in range(50)), list(range(50)))

    def test_one_after_the_other(self):
        with self.stream() as s:
            for i in range(5):
                s.send(wire(f"n{i}.example.", id=i))
                self.assertEqual(dns.message.from_wire(s.receive()).id, i)

    def test_half_closed_client_gets_its_answers(self):
        with self.stream() as s:
            s.send(wire("half.example."))
            s.s.shutdown(socket.SHUT_WR)
            self.assertIsNotNone(s.receive())
            self.assertIsNone(s.receive())

    def test_client_gone_before_its_answer(self):
        self.server.reply = lambda q: Later(0.3, address(q))
        self.addCleanup(setattr, self.server, "reply", address)
        for _ in range(20):
            s = self.stream()
            s.send(wire("gone.example."))
            s.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            s.close()
        with self.stream() as s:
            s.send(wire("stays.example."))
            self.assertIsNotNone(s.receive())
        wait_for(lambda: self.d.console("getServer(0):getOutstanding()") == "0", 5, 0.1)
        self.assertEqual(self.d.console("getServer(0):getOutstanding()"), "0")

    def test_large_message(self):
        q = clients.make("large.example.", use_edns=0, options=[dns.edns.GenericOption(65001, b"x" * 60000)])
        with self.stream() as s:
            s.send(q.to_wire(max_size=65535))
            self.assertEqual(dns.message.from_wire(s.receive()).id, q.id)

    def test_answer_to_a_client_that_does_not_read_at_once(self):
        big = " ".join(f'"{"x" * 250}"' for _ in range(200))

        def reply(query):
            return answer(query, f"{query.message.question[0].name} 60 IN TXT {big}")

        self.server.reply = reply
        self.addCleanup(setattr, self.server, "reply", address)
        with self.stream() as s:
            s.s.sendall(framed(*(wire(f"n{i}.example.", id=i) for i in range(40))))
            time.sleep(0.7)  # 2 MB wait for us
            self.assertEqual(sorted(dns.message.from_wire(s.receive()).id for _ in range(40)), list(range(40)))


class Idle(TcpCase):
    CONFIG = "setTCPRecvTimeout(1)"

    def test_silent_connection_is_closed(self):
        with self.stream() as s:
            self.assertTrue(0.5 < self.closed_after(s) < 4)

    def test_half_a_query_is_closed(self):
        with self.stream() as s:
            s.s.sendall(framed(wire("half.example."))[:10])
            self.assertTrue(0.5 < self.closed_after(s) < 4)

    def test_idle_after_an_answer_is_closed(self):
        with self.stream() as s:
            s.send(wire("x.example."))
            self.assertIsNotNone(s.receive())
            self.assertTrue(0.5 < self.closed_after(s) < 4)

    def test_many_half_open_clients_keep_nobody_out(self):
        streams = [self.stream() for _ in range(200)]
        for n, s in enumerate(streams):
            if n % 2:
                s.s.sendall(b"\0")
        self.assertEqual(clients.tcp(self.d.port, "other.example.").answer[0][0].to_text(), "192.0.2.1")
        self.assertEqual(clients.udp(self.d.port, "other.example.").answer[0][0].to_text(), "192.0.2.1")
        for s in streams:
            self.assertIsNone(s.receive())
            s.close()

    def test_connection_without_an_octet_is_no_error(self):
        for _ in range(3):
            self.stream().close()
        self.assertNotRegex(self.d.output(), r'prio="(Error|Warning)"')


class Limits(TcpCase):
    CONFIG = "setMaxTCPQueriesPerConnection(3)\nsetMaxTCPConnectionDuration(2)"

    def test_queries_per_connection(self):
        with self.stream() as s:
            for i in range(4):  # one more than the limit: it is tested after counting
                s.send(wire(f"n{i}.example."))
                self.assertIsNotNone(s.receive(), i)
            self.assertIsNone(s.receive())

    def test_duration(self):
        self.d.console("setMaxTCPQueriesPerConnection(0)")
        begin = time.monotonic()
        with self.stream() as s:
            try:
                while time.monotonic() - begin < 8:
                    s.send(wire("x.example."))
                    if s.receive() is None:
                        break
                    time.sleep(0.2)
            except OSError:
                pass
        self.assertTrue(1 < time.monotonic() - begin < 5)


class PerClient(TcpCase):
    CONFIG = "setMaxTCPConnectionsPerClient(3)\nsetTCPConnectionsOverloadThreshold(0)"

    def test_connections_of_one_client(self):
        time.sleep(0.3)  # the connection that found it listening has ended there too
        streams = [self.stream() for _ in range(3)]
        self.assertEqual([self.serves(s) for s in streams], [True] * 3)
        with self.stream() as s:
            self.assertFalse(self.serves(s))
        for s in streams:
            s.close()
        wait_for(lambda: self.opens(), 3, 0.1)
        self.assertTrue(self.opens())

    def serves(self, s):
        try:
            s.send(wire("x.example."))
            return s.receive() is not None
        except OSError:
            return False

    def opens(self):
        with self.stream() as s:
            return self.serves(s)


class InFlight(TestCase):
    def test_out_of_order_answers_when_allowed(self):
        server = self.use(FakeServer(lambda q: Later(0.5, address(q)) if q.name.startswith("slow") else address(q)))
        d = self.daemon(f'''addLocal("127.0.0.1:$PORT", {{maxInFlight=10}})
            newServer({{address="{server.address}", maxInFlight=10}})''', listen=False)
        wait_for(lambda: not clients.silent(d.port, "ready.example."), 5)
        with clients.Stream(d.port) as s:
            s.s.sendall(framed(wire("slow.example.", id=1), wire("fast.example.", id=2)))
            self.assertEqual([dns.message.from_wire(s.receive()).id for _ in range(2)], [2, 1])

    def test_one_at_a_time_by_default(self):
        server = self.use(FakeServer(lambda q: Later(0.3, address(q)) if q.name.startswith("slow") else address(q)))
        d = self.daemon(f'newServer("{server.address}")')
        with clients.Stream(d.port) as s:
            s.s.sendall(framed(wire("slow.example.", id=1), wire("fast.example.", id=2)))
            self.assertEqual([dns.message.from_wire(s.receive()).id for _ in range(2)], [1, 2])


class Descriptors(TestCase):
    def test_out_of_descriptors(self):
        server = self.use(FakeServer())
        d = self.daemon(f'newServer("{server.address}")\nsetTCPRecvTimeout(30)\nsetWorkers(1)')
        clients.udp(d.port, "before.example.")  # the socket to the server is there
        used = int(d.stat("fd-usage"))
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        streams = [self.use(clients.Stream(d.port)) for _ in range(60)]
        self.assertFalse(clients.silent(d.port, "udp.example.", timeout=2))
        ticks = self.cpu_ticks(d.pid)
        time.sleep(1)
        self.assertLess(self.cpu_ticks(d.pid) - ticks, 40)  # no busy loop over what can't be accepted
        self.assertLess(len(d.output()), 20000)
        for s in streams:
            s.close()
        wait_for(lambda: self.answers(d), 5, 0.2)
        self.assertTrue(self.answers(d))

    def cpu_ticks(self, pid):
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def answers(self, d):
        try:
            return clients.tcp(d.port, "tcp.example.", timeout=1)
        except Exception:
            return None


if __name__ == "__main__":
    main()
