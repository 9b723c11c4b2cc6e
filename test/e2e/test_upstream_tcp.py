#!/usr/bin/python3
"""Servers over TCP: connections that are kept, shared, lost and replaced without a client seeing it."""
import threading
import time

import clients
from fakeserver import CLOSE, FakeServer, Later, address
from harness import TestCase, main, wait_for


class TcpUpstreamCase(TestCase):
    def forwarder(self, reply=address, options="", config="", **kw):
        self.server = self.use(FakeServer(reply, udp=False, **kw))
        return self.daemon(f'''setWorkers(1)
            newServer({{address="{self.server.address}", tcpOnly=true, healthCheckMode="up"{options}}})
            {config}''')

    def asks(self, d, name, ask=clients.udp, **kw):
        return ask(d.port, name, **kw).answer[0][0].to_text()


class Connections(TcpUpstreamCase):
    def test_udp_client_of_a_tcp_server(self):
        d = self.forwarder()
        self.assertEqual(self.asks(d, "x.example."), "192.0.2.1")
        self.assertEqual(self.server.queries[0].proto, "tcp")

    def test_connection_is_reused(self):
        d = self.forwarder()
        for i in range(10):
            self.asks(d, f"n{i}.example.", clients.tcp if i % 2 else clients.udp)
        self.assertEqual(self.server.connections, 1)

    def test_none_is_opened_ahead_of_need(self):
        self.forwarder()
        time.sleep(0.5)
        self.assertEqual(self.server.connections, 0)

    def test_one_query_at_a_time_unless_told_otherwise(self):
        d = self.forwarder(lambda q: Later(0.3, address(q)))
        self.together(d, 5)
        self.assertEqual(self.server.connections, 5)

    def test_pipelining(self):
        d = self.forwarder(lambda q: Later(0.3, address(q)), ", maxInFlight=100")
        begin = time.monotonic()
        self.together(d, 20)
        self.assertLess(time.monotonic() - begin, 3)
        self.assertEqual(self.server.connections, 1)

    def test_out_of_order_answers(self):
        d = self.forwarder(lambda q: Later(0.5 - 0.02 * int(q.message.question[0].name.labels[0][1:]), address(q)),
                           ", maxInFlight=100")
        self.together(d, 20)

    def together(self, d, n):
        got = {}

        def ask(i):
            r = clients.udp(d.port, f"n{i}.example.")
            got[i] = r.answer[0].name.to_text()

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, {i: f"n{i}.example." for i in range(n)})


class Losses(TcpUpstreamCase):
    def test_closed_after_each_answer(self):
        d = self.forwarder(lambda q: [address(q), CLOSE])
        for i in range(10):
            self.assertEqual(self.asks(d, f"n{i}.example."), "192.0.2.1")
        self.assertEqual(len(set(self.server.names())), 10)  # one sent while it closed is sent again

    def test_idle_connection_lost(self):
        d = self.forwarder()
        self.asks(d, "one.example.")
        self.server.cut()
        time.sleep(0.2)
        self.assertEqual(self.asks(d, "two.example."), "192.0.2.1")

    def test_closed_instead_of_an_answer_is_tried_again(self):
        count = 0

        def reply(query):
            nonlocal count
            count += 1
            return CLOSE if count % 2 else address(query)

        d = self.forwarder(reply)
        for i in range(5):
            self.assertEqual(self.asks(d, f"n{i}.example."), "192.0.2.1")

    def test_always_closed_is_given_up(self):
        d = self.forwarder(lambda q: CLOSE, ", retries=3")
        self.assertTrue(clients.silent(d.port, "x.example."))
        wait_for(lambda: d.console("getServer(0):getOutstanding()") == "0", 5, 0.1)
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "0")
        self.assertLessEqual(len(self.server.queries), 4)

    def test_queries_in_flight_move_to_a_new_connection(self):
        def reply(query):
            if query.name == "cut.example.":
                if self.server.names().count(query.name) == 1:  # it is sent again too
                    self.server.cut()
                return None
            return Later(0.4, address(query)) if first else address(query)

        first = True
        d = self.forwarder(reply, ", maxInFlight=10, retries=3")
        got = []
        t = threading.Thread(target=lambda: got.append(self.asks(d, "waits.example.")))
        t.start()
        wait_for(lambda: "waits.example." in self.server.names(), 3)
        first = False
        clients.silent(d.port, "cut.example.", timeout=0.3)
        t.join()
        self.assertEqual(got, ["192.0.2.1"])
        self.assertGreaterEqual(self.server.names().count("waits.example."), 2)

    def test_stalled_server_is_given_up(self):
        d = self.forwarder(lambda q: None, ", tcpRecvTimeout=1")
        with clients.Stream(d.port, timeout=8) as s:
            s.send(clients.make("x.example.").to_wire())
            self.assertIsNone(s.receive())
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "0")

    def test_garbage_closes_and_does_no_harm(self):
        kinds = [b"", b"\0" * 5, b"\xff" * 100, b"\0" * 12]
        for kind in kinds:
            with self.subTest(kind[:6]):
                d = self.forwarder(lambda q: kind if q.name == "bad.example." else address(q), ", retries=1")
                self.assertTrue(clients.silent(d.port, "bad.example.", timeout=0.3))
                self.assertEqual(self.asks(d, "good.example."), "192.0.2.1")

    def test_wrong_question_or_id_is_not_passed_on(self):
        wrong = {"name": lambda q: address(q).replace(b"example", b"exampel"),
                 "id": lambda q: bytes([q.wire[0] ^ 1]) + address(q)[1:]}
        for label, reply in wrong.items():
            with self.subTest(label):
                d = self.forwarder(reply, ", retries=1, tcpRecvTimeout=1")
                self.assertTrue(clients.silent(d.port, "x.example.", timeout=0.5))

    def test_nobody_listens(self):
        self.server = self.use(FakeServer(tcp=False, udp=False))
        d = self.daemon(f'newServer({{address="{self.server.address}", tcpOnly=true, healthCheckMode="up"}})')
        with clients.Stream(d.port) as s:
            s.send(clients.make("x.example.").to_wire())
            self.assertIsNone(s.receive())
        self.assertEqual(d.console("getServer(0):getOutstanding()"), "0")


class Show(TcpUpstreamCase):
    def test_show_tcp_stats(self):
        d = self.forwarder()
        self.asks(d, "x.example.", clients.tcp)
        self.asks(d, "y.example.", clients.tcp)
        text = d.console("showTCPStats()")
        self.assertIn(f"127.0.0.1:{d.port}", text)
        self.assertIn(self.server.address, text)


if __name__ == "__main__":
    main()
