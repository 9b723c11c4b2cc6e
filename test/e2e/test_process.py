#!/usr/bin/python3
"""The process among others: where its answers come from, what it costs while idle, its once a second, its end."""
import os
import re
import socket
import time

import dns.query

import clients
from fakeserver import FakeServer, Later, address
from harness import TestCase, main, tcp_opens, wait_for


class Listeners(TestCase):
    def test_ipv6(self):
        server = self.use(FakeServer())
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
                s.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        d = self.daemon(f'addLocal("[::1]:$PORT")\nnewServer("{server.address}")')
        q = clients.make("x.example.")
        for ask in (dns.query.udp, dns.query.tcp):
            self.assertEqual(ask(q, "::1", port=d.port, timeout=5).answer[0][0].to_text(), "192.0.2.1")

    def test_wildcard_answers_from_the_address_that_was_asked(self):
        server = self.use(FakeServer())
        d = self.daemon(f'addLocal("0.0.0.0:$PORT")\nnewServer("{server.address}")', listen=False)
        wait_for(lambda: tcp_opens(d.port))
        for where in ("127.0.0.1", "127.0.0.5", "127.3.2.1"):
            r = dns.query.udp(clients.make("x.example."), where, port=d.port, timeout=5)  # checks the source
            self.assertEqual(r.answer[0][0].to_text(), "192.0.2.1")


class End(TestCase):
    def test_shutdown_from_the_console_runs_the_callbacks(self):
        path = os.path.join(self.folder(), "left")
        d = self.daemon(f'addExitCallback(function() io.open("{path}", "w"):write("bye"):close() end)')
        d.client("shutdown()")
        self.assertEqual(d.wait(), 0)
        with open(path) as f:
            self.assertEqual(f.read(), "bye")

    def test_queries_in_flight_do_not_hold_it_up(self):
        server = self.use(FakeServer(lambda q: Later(30, address(q))))
        d = self.daemon(f'newServer("{server.address}")\nsetUDPTimeout(60)')
        streams = [self.use(clients.Stream(d.port)) for _ in range(5)]
        for s in streams:
            s.send(clients.make("x.example.").to_wire())
        clients.silent(d.port, "y.example.", timeout=0.1)
        begin = time.monotonic()
        self.assertEqual(d.stop(), 0)
        self.assertLess(time.monotonic() - begin, 5)


class Idle(TestCase):
    def test_an_idle_process_uses_no_processor(self):
        server = self.use(FakeServer())
        d = self.daemon(f'newServer({{address="{server.address}", checkInterval=60}})')
        time.sleep(0.5)
        before = d.stats()
        time.sleep(3)
        after = d.stats()
        used = sum(after[k] - before[k] for k in ("cpu-user-msec", "cpu-sys-msec"))
        self.assertLess(used, 100)


class Maintenance(TestCase):
    def test_runs_every_second_and_survives_its_errors(self):
        d = self.daemon("n = 0\nfunction maintenance() n = n + 1 error('woe') end")
        wait_for(lambda: int(d.console("n")) >= 2, 6, 0.2)
        self.assertGreaterEqual(int(d.console("n")), 2)
        self.assertEqual(len(re.findall("woe", d.output())), 1)  # told once a minute


if __name__ == "__main__":
    main()
