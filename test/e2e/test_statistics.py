#!/usr/bin/python3
"""What each kind of query and answer counts in dumpStats, and what it does not."""
import dns.flags
import dns.message

import clients
import fakeserver
from harness import TestCase, main, wait_for

# Of the rows of dumpStats, those that single queries move. A latency is not known before.
PREFIXES = ("cpu-", "udp", "fd-", "real-", "special-", "uptime", "latency", "tcp-listen")

WIRE = clients.make("www.example.").to_wire()
EMPTY = b"\x12\x34\x01\x00" + bytes(8)

FROM_CLIENT = {"queries": 1, "rdqueries": 1}
MISS = {**FROM_CLIENT, "cache-misses": 1}
HIT = {**FROM_CLIENT, "cache-hits": 1, "responses": 1, "frontend-noerror": 1}
BAD = {"queries": 1, "noncompliant-queries": 1}


def flags(wire, bits):
    return wire[:2] + bytes([wire[2] | bits]) + wire[3:]


def other_question(query):
    m = dns.message.make_query("other.example.", "A", id=query.message.id)
    m.flags |= dns.flags.QR
    return m.to_wire()


class Statistics(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(fakeserver.FakeServer())
        cls.d = cls.class_daemon(f'newServer{{address="127.0.0.1:{cls.server.port}", udpTimeout=1}}\n'
                                 'getPool(""):setCache(newPacketCache(100))')

    def now(self):
        return {name: value for name, value in self.d.stats().items() if not name.startswith(PREFIXES)}

    def counts(self, what, **expected):
        """Runs what(), and waits until the difference is what is expected and nothing else."""
        expected = {name.replace("_", "-"): value for name, value in expected.items()}
        before, seen = self.now(), {}

        def same():
            seen.clear()
            seen.update({n: v - before[n] for n, v in self.now().items() if v != before[n]})
            return seen == expected
        what()
        wait_for(same, 3, 0.1)
        self.assertEqual(seen, expected)

    def send(self, wire):
        return lambda: clients.send_udp(self.d.port, wire, 0.2)

    def test_queries(self):
        self.server.reply = fakeserver.address
        ask = lambda: clients.udp(self.d.port, "www.example.")
        ask_tcp = lambda: clients.tcp(self.d.port, "www.example.")
        for label, what, expected in (
                ("from the server", ask, {**MISS, "responses": 1, "frontend-noerror": 1}),
                ("from the cache", ask, HIT),
                ("over TCP", ask_tcp, {**MISS, "responses": 1, "frontend-noerror": 1}),
                ("over TCP, from the cache", ask_tcp, HIT),
                ("without RD", lambda: clients.udp(self.d.port, "a.example.", flags=0),
                 {"queries": 1, "cache-misses": 1, "responses": 1, "frontend-noerror": 1}),
                ("AXFR", self.send(clients.make("zone.example.", "AXFR").to_wire()),
                 {**MISS, "responses": 1, "frontend-noerror": 1}),
                ("too short", self.send(b"short"), BAD),
                ("an answer", self.send(flags(WIRE, 0x80)), BAD),
                ("TC", self.send(flags(WIRE, 2)), BAD),
                ("a name that ends early", self.send(WIRE[:12] + b"\x3fabc"), {**BAD, "rdqueries": 1}),
                ("larger than any query", self.send(WIRE + bytes(1600)), {"noncompliant-queries": 1}),
                ("no question", self.send(EMPTY),
                 {**FROM_CLIENT, "empty-queries": 1, "self-answered": 1, "responses": 1})):
            with self.subTest(label):
                self.counts(what, **expected)

    def test_answers_of_servers(self):
        for label, reply, expected in (
                ("SERVFAIL", lambda q: fakeserver.answer(q, rcode=2),
                 {"responses": 1, "servfail-responses": 1, "frontend-servfail": 1}),
                ("NXDOMAIN", lambda q: fakeserver.answer(q, rcode=3), {"responses": 1, "frontend-nxdomain": 1}),
                ("REFUSED", lambda q: fakeserver.answer(q, rcode=5), {"responses": 1}),
                ("REFUSED without a question", lambda q: q.wire[:2] + b"\x81\x85" + bytes(8), {"responses": 1}),
                ("no answer", lambda q: None, {"downstream-timeouts": 1}),
                ("too short", lambda q: q.wire[:5], {"downstream-timeouts": 1, "noncompliant-responses": 1}),
                ("no QR", lambda q: q.wire, {"downstream-timeouts": 1, "noncompliant-responses": 1}),
                ("cut in the question", lambda q: fakeserver.answer(q)[:14],
                 {"downstream-timeouts": 1, "noncompliant-responses": 1}),
                ("NOERROR without a question", lambda q: q.wire[:2] + b"\x81\x80" + bytes(8),
                 {"downstream-timeouts": 1, "noncompliant-responses": 1}),
                ("another question", other_question, {"downstream-timeouts": 1})):
            with self.subTest(label):
                self.server.reply = reply
                self.counts(self.send(clients.make(f"n{hash(label) % 99999}.example.").to_wire()), **MISS, **expected)


class WithoutServer(Statistics):
    """Changes what the daemon is, so it has one for itself."""
    test_queries = test_answers_of_servers = None

    def test_no_server_and_acl(self):
        self.d.console("getServer(0):setDown()")
        self.counts(self.send(WIRE), **MISS, no_policy=1)
        self.d.console("setServFailWhenNoServer(true)")
        self.counts(self.send(WIRE), **MISS, no_policy=1, responses=1, frontend_servfail=1)
        self.d.console("setDropEmptyQueries(true)")
        self.counts(self.send(EMPTY), queries=1, empty_queries=1)
        self.d.console('setACL("192.0.2.1")')
        self.counts(self.send(WIRE), acl_drops=1)
        self.counts(lambda: self.use(clients.Stream(self.d.port)).receive(), acl_drops=1)


if __name__ == "__main__":
    main()
