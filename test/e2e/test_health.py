#!/usr/bin/python3
"""Health checks decide which servers are asked: up, down, rise, lazy, forced, callbacks, what is sent."""
import dns.flags
import dns.rcode

import clients
from fakeserver import FakeServer, address, answer
from harness import TestCase, main, wait_for


class HealthCase(TestCase):
    def server(self, **kw):
        return self.use(FakeServer(**kw))

    def state(self, d, n=0):
        """As showServers has it: up, down, UP or DOWN."""
        for line in d.console("showServers()").splitlines():
            words = line.split()
            if words and words[0] == str(n):
                return next(w for w in words if w in ("up", "down", "UP", "DOWN"))
        return None

    def becomes(self, d, state, n=0, seconds=10):
        wait_for(lambda: self.state(d, n) == state, seconds, 0.1)
        self.assertEqual(self.state(d, n), state)


class Active(HealthCase):
    def test_first_round_is_over_before_the_first_query(self):
        server = self.server()
        d = self.daemon(f'newServer("{server.address}")')
        self.assertEqual(self.state(d), "up")
        self.assertEqual(clients.udp(d.port, "now.example.").answer[0][0].to_text(), "192.0.2.1")

    def test_probe_is_what_was_configured(self):
        server = self.server(probes=None)
        self.daemon(f'newServer({{address="{server.address}", checkName="check.example.", checkType="AAAA", setCD=true}})')
        q = server.queries[0].message
        self.assertEqual(q.question[0].to_text(), "check.example. IN AAAA")
        self.assertTrue(q.flags & dns.flags.RD and q.flags & dns.flags.CD)
        other = self.server()
        self.daemon(f'newServer("{other.address}")')
        q = other.probes[0].message
        self.assertEqual(q.question[0].to_text(), "a.root-servers.net. IN A")
        self.assertFalse(q.flags & dns.flags.CD)

    def test_down_when_silent_and_up_when_back(self):
        server = self.server()
        d = self.daemon(f'newServer({{address="{server.address}", checkTimeout=200}})')
        server.answers_probes = False
        self.becomes(d, "down")
        self.assertTrue(clients.silent(d.port, "x.example."))
        self.assertEqual(d.lua("getServer(0):isUp()"), "false")
        server.answers_probes = True
        self.becomes(d, "up")
        self.assertFalse(clients.silent(d.port, "x.example."))
        self.assertRegex(d.output(), r"(?i)down")

    def test_never_up(self):
        server = self.server(probes=False)
        d = self.daemon(f'newServer({{address="{server.address}", checkTimeout=200}})')
        self.assertEqual(self.state(d), "down")

    def test_failures_and_rise_are_counted(self):
        server = self.server()
        d = self.daemon(f'newServer({{address="{server.address}", maxCheckFailures=3, rise=2, checkTimeout=100}})')
        self.assertEqual(self.state(d), "up")
        failed = len(server.probes)
        server.answers_probes = False
        self.becomes(d, "down")
        self.assertGreaterEqual(len(server.probes) - failed, 3)
        succeeded = len(server.probes)
        server.answers_probes = True
        self.becomes(d, "up")
        self.assertGreaterEqual(len(server.probes) - succeeded, 2)

    def test_what_is_healthy(self):
        kinds = {
            "empty NOERROR": (lambda q: answer(q), "", "up"),
            "NXDOMAIN": (lambda q: answer(q, rcode=dns.rcode.NXDOMAIN), "", "up"),
            "NXDOMAIN, mustResolve": (lambda q: answer(q, rcode=dns.rcode.NXDOMAIN), ", mustResolve=true", "down"),
            "REFUSED": (lambda q: answer(q, rcode=dns.rcode.REFUSED), "", "up"),
            "REFUSED, mustResolve": (lambda q: answer(q, rcode=dns.rcode.REFUSED), ", mustResolve=true", "down"),
            "SERVFAIL": (lambda q: answer(q, rcode=dns.rcode.SERVFAIL), "", "down"),
            "wrong id": (lambda q: bytes([q.wire[0] ^ 1]) + address(q)[1:], "", "down"),
            "a query back": (lambda q: q.wire, "", "down"),
            "another question": (lambda q: address(q).replace(b"root-servers", b"root-swappers"), "", "down"),
            "short": (lambda q: address(q)[:11], "", "down"),
        }
        lines, servers = [], []
        for kind, (reply, option, _) in kinds.items():
            servers.append(self.server(reply=reply, probes=None))
            lines.append(f'newServer({{address="{servers[-1].address}", checkTimeout=300{option}}})')
        d = self.daemon("\n".join(lines))
        for n, (kind, (_, _, want)) in enumerate(kinds.items()):
            with self.subTest(kind):
                self.assertEqual(self.state(d, n), want)

    def test_over_tcp(self):
        server = self.server(udp=False)
        d = self.daemon(f'newServer({{address="{server.address}", tcpOnly=true, checkTimeout=500}})')
        self.assertEqual(self.state(d), "up")
        self.assertEqual(server.probes[0].proto, "tcp")
        server.answers_probes = False
        self.becomes(d, "down")

    def test_check_over_tcp_queries_over_udp(self):
        server = self.server()
        d = self.daemon(f'newServer({{address="{server.address}", checkTCP=true}})')
        clients.udp(d.port, "x.example.")
        self.assertEqual({q.proto for q in server.probes}, {"tcp"})
        self.assertEqual({q.proto for q in server.queries}, {"udp"})

    def test_interval(self):
        server = self.server()
        d = self.daemon(f'newServer({{address="{server.address}", checkInterval=60}})')
        wait_for(lambda: len(server.probes) > 1, 2.5)
        self.assertEqual(len(server.probes), 1)
        self.assertEqual(self.state(d), "up")


class Forced(HealthCase):
    def test_operator_decides(self):
        server = self.server()
        d = self.daemon(f'newServer({{address="{server.address}", checkTimeout=200}})')
        d.console("getServer(0):setDown()")
        self.assertEqual(self.state(d), "DOWN")
        self.assertTrue(clients.silent(d.port, "x.example."))
        server.answers_probes = False
        d.console("getServer(0):setUp()")
        self.assertEqual(self.state(d), "UP")
        self.assertFalse(clients.silent(d.port, "x.example."))
        d.console("getServer(0):setAuto()")
        self.becomes(d, "down")

    def test_modes_of_the_configuration(self):
        server = self.server(probes=False)
        d = self.daemon("\n".join(f'newServer({{address="{server.address}", healthCheckMode="{mode}", checkTimeout=100}})'
                                  for mode in ("up", "DOWN", "Auto", "lazy")))
        self.assertEqual([self.state(d, n) for n in range(4)], ["UP", "DOWN", "down", "up"])


class Lazy(HealthCase):
    def test_lazy_server_is_probed_only_after_failures(self):
        broken = False

        def reply(query):
            return answer(query, rcode=dns.rcode.SERVFAIL) if broken else address(query)

        server = self.server(reply=reply, probes=None)
        d = self.daemon(f'''newServer({{address="{server.address}", healthCheckMode="lazy", checkInterval=1,
            lazyHealthCheckFailedInterval=1, lazyHealthCheckThreshold=30, lazyHealthCheckSampleSize=100,
            lazyHealthCheckMinSampleCount=10, maxCheckFailures=1}})''')
        for i in range(20):
            clients.udp(d.port, f"n{i}.example.")
        self.assertEqual(server.probes, [])
        broken = True
        for i in range(10):  # 30 % are reached before the last
            clients.silent(d.port, f"m{i}.example.")
        self.becomes(d, "down")
        self.assertTrue(server.probes)
        broken = False
        self.becomes(d, "up")

    def test_timeout_only(self):
        server = self.server(reply=lambda q: answer(q, rcode=dns.rcode.SERVFAIL))
        d = self.daemon(f'''newServer({{address="{server.address}", healthCheckMode="lazy",
            lazyHealthCheckMode="TimeoutOnly", lazyHealthCheckMinSampleCount=1}})''')
        for i in range(10):
            clients.udp(d.port, f"n{i}.example.")
        self.assertEqual(server.probes, [])
        self.assertEqual(self.state(d), "up")


class Callbacks(HealthCase):
    def test_state_changes_are_told(self):
        server = self.server()
        d = self.daemon(f'''
            seen = ""
            addServerStateChangeCallback(function(name, up) seen = seen .. name .. "=" .. tostring(up) .. ";" end)
            newServer({{address="{server.address}", name="one", checkTimeout=200}})
        ''')
        told = f"one ({server.address})=true;"
        wait_for(lambda: d.console("seen") == told, 5)
        self.assertEqual(d.console("seen"), told)
        server.answers_probes = False
        told += f"one ({server.address})=false;"
        wait_for(lambda: d.console("seen") == told, 10, 0.1)
        self.assertEqual(d.console("seen"), told)

    def test_check_function_chooses_the_question(self):
        server = self.server(probes=None)
        self.daemon(f'''newServer({{address="{server.address}", checkFunction=function(qname, qtype, qclass, dh)
            dh:setCD(true)
            return newDNSName("chosen.example."), DNSQType.TXT, qclass end}})''')
        q = server.queries[0].message
        self.assertEqual(q.question[0].to_text(), "chosen.example. IN TXT")
        self.assertTrue(q.flags & dns.flags.CD)


if __name__ == "__main__":
    main()
