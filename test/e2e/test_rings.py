#!/usr/bin/python3
"""What an operator sees of the traffic: grepq, the top lists, the rings as tables, the tree of names; beside Debian's dnsdist."""
import os
import re
import time
import unittest

import dns.opcode
import dns.query

import clients
from consolewire import Session
from fakeserver import FakeServer, Later, address, answer
from harness import DEBIAN_DNSDIST, TestCase, has_ipv6, main, wait_for

HEAD = ("Time    Client                                          Protocol     Server       ID    Name                      "
        "Type  Lat.   TC RD AA Rcode")


def reply(q):
    """By the first label of the name."""
    kind = q.name.split(".")[0]
    if kind == "never":
        return None
    if kind == "nx":
        return answer(q, rcode=3)
    if kind == "bad":
        return answer(q, rcode=2)
    if kind == "slow":
        return Later(0.45, address(q))
    return address(q)


def lines(text):
    """A table of grepq with what differs from run to run taken out, but for order."""
    head, *rest = text.splitlines()
    found = []
    for line in rest:
        m = re.fullmatch(r"(-\d+\.\d) +(\S+:)\d+ +(\w+) +(127\.0\.0\.1:\d+|Cache)? +(\d+) +(\S+) +(\S+) +(.*)", line)
        if not m:
            raise AssertionError(f"no line of grepq: {line!r}")
        _, client, proto, server, _, name, rtype, outcome = m.groups()
        found.append((client, proto, bool(server) and (server if server == "Cache" else "server"), name, rtype,
                      re.sub(r"^\d+\.\d", "ms", outcome).split()))
    return head, found


def tops(text):
    """Lines of a top list without their rank."""
    return [line[6:] for line in text.splitlines()]


class Traffic(TestCase):
    """The same traffic for all tests: nine queries, over UDP and TCP."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(reply))
        config = f'newServer{{address="{cls.server.address}"}}\nsetUDPTimeout(1)\nsetRingBuffersSize(1000, 2)\n'
        cls.cached = 'getPool(""):setCache(newPacketCache(100))\n'
        cls.d = cls.class_daemon(config)
        cls.ask(cls.d)

    @classmethod
    def ask(cls, d):
        for name, rtype in (("a.example.", "A"), ("A.example.", "A"), ("b.example.", "MX"), ("nx.other.test.", "A"),
                            ("bad.other.test.", "AAAA"), ("slow.test.", "A")):
            clients.udp(d.port, name, rtype)
        clients.tcp(d.port, "c.example.", "TXT")
        clients.silent(d.port, "never.example.", timeout=0.1)
        notify = clients.make("n.example.", "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        clients.send_udp(d.port, notify.to_wire())
        wait_for(lambda: "T.O" in d.console('grepq("never.example")'), 5)

    def names(self, command):
        head, found = lines(self.d.console(command))
        self.assertEqual(head, HEAD)
        return [(f[3], "Question" in f[5]) for f in found]


class Grepq(Traffic):
    def test_all_in_order_of_time(self):
        got = self.names('grepq(".")')
        self.assertEqual(len(got), 18)
        self.assertEqual([n for n, is_query in got if is_query],
                         ["a.example.", "A.example.", "b.example.", "nx.other.test.", "bad.other.test.", "slow.test.",
                          "c.example.", "never.example.", "n.example."])
        self.assertEqual([n for n, is_query in got if not is_query][-1], "never.example.")
        self.assertEqual(got, self.names('grepq("127.0.0.0/8")'))
        self.assertEqual(got, self.names('grepq({})'))
        times = [float(line.split()[0]) for line in self.d.console('grepq("")').splitlines()[1:]]
        self.assertEqual(times, sorted(times))

    def test_netmask_of_nobody(self):
        self.assertEqual(self.names('grepq("192.0.2.0/24")'), [])

    def test_name_and_below(self):
        self.assertEqual(self.names('grepq("OTHER.test")'), [("nx.other.test.", True), ("nx.other.test.", False),
                                                             ("bad.other.test.", True), ("bad.other.test.", False)])

    def test_slower(self):
        self.assertEqual(self.names('grepq("400ms")'), [("slow.test.", False), ("never.example.", False)])
        self.assertEqual(self.names('grepq({"400ms", "test"})'), [("slow.test.", False)])

    def test_limit_counts_both_kinds(self):
        self.assertEqual(self.names('grepq({"127.0.0.1", "other.test"}, 1)'),
                         [("bad.other.test.", True), ("bad.other.test.", False)])

    def test_columns(self):
        _, found = lines(self.d.console('grepq(".")'))
        for line in (("127.0.0.1:", "DoTCP", False, "c.example.", "TXT", ["RD", "Question"]),
                     ("127.0.0.1:", "DoTCP", "server", "c.example.", "TXT", "ms RD No Error. 1 answers".split()),
                     ("127.0.0.1:", "DoUDP", "server", "nx.other.test.", "A", "ms RD Non-Existent domain".split()),
                     ("127.0.0.1:", "DoUDP", "server", "bad.other.test.", "AAAA", "ms RD Server Failure".split()),
                     ("127.0.0.1:", "DoUDP", "server", "never.example.", "A", "T.O RD No Error. 0 answers".split()),
                     ("127.0.0.1:", "DoUDP", False, "n.example.", "SOA", ["RD", "Question", "(Notify)"])):
            self.assertIn(line, found)

    def test_output_file(self):
        path = os.path.join(self.d.folder, "found")
        self.assertEqual(self.d.console(f'grepq("test", 2, {{outputFile="{path}"}})'), "")
        with open(path) as f:
            self.assertEqual(len(f.read().splitlines()), 5)
        self.assertIn("File exists", self.d.console(f'grepq("test", 2, {{outputFile="{path}"}})'))

    def test_what_is_no_selector(self):
        self.assertEqual(self.d.console('grepq("a..b")'), "Could not parse 'a..b' as domain name or netmask")


class Tops(Traffic):
    def top(self, command):
        return [(w[1], int(w[2]), w[3]) for w in (line.split() for line in self.d.console(command).splitlines())]

    def test_top_queries(self):
        self.assertEqual(self.top("topQueries(1)"), [("a.example.", 2, "22.2%"), ("Rest", 7, "77.8%")])
        self.assertEqual(self.top("topQueries(10, 1)"), [("example.", 6, "66.7%"), ("test.", 3, "33.3%"), ("Rest", 0, "0.0%")])

    def test_top_clients(self):
        self.assertEqual(self.top("topClients()"), [("127.0.0.1", 9, "100.0%"), ("Rest", 0, "0.0%")])

    def test_top_responses(self):
        self.assertEqual(self.top("topResponses(1, DNSRCode.SERVFAIL)"), [("bad.other.test.", 1, "100.0%"), ("Rest", 0, "0.0%")])
        self.assertEqual(self.top("topResponses(1, 3, 2)"), [("other.test.", 1, "100.0%"), ("Rest", 0, "0.0%")])
        self.assertEqual(self.top("topResponses(1)")[0], ("a.example.", 2, "33.3%"))

    def test_top_slow(self):
        self.assertEqual(self.top("topSlow(10, 400)"), [("slow.test.", 1, "100.0%"), ("Rest", 0, "0.0%")])
        self.assertEqual(self.top("topSlow()"), [("Rest", 0, "100.0%")])
        self.assertEqual(self.top("topSlow(10, 400, 1)")[0], ("test.", 1, "100.0%"))

    def test_top_timeouts(self):
        self.assertEqual(self.top("topTimeouts()"), [("never.example.", 1, "100.0%"), ("Rest", 0, "0.0%")])
        self.assertEqual(self.top("topTimeouts(1, 1)")[0], ("example.", 1, "100.0%"))

    def test_top_bandwidth(self):
        octets = sum(int(n) for n in self.d.console(
            "t = '' for _, e in ipairs(getRingEntries()) do t = t .. ' ' .. e.size end return t").split())
        self.assertEqual(self.top("topBandwidth()"), [("127.0.0.1", octets, "100.0%"), ("Rest", 0, "0.0%")])
        self.assertGreater(octets, 9 * 2 * 25)

    def test_tables(self):
        for function, command in (("getTopQueries(2, 2)", "topQueries(2, 2)"), ("getTopResponses(3, 3)", "topResponses(3, 3)"),
                                  ("getSlowResponses(3, 400)", "topSlow(3, 400)"), ("getTopBandwidth(3)", "topBandwidth(3)"),
                                  ("getSlowResponses(3, 0, 1, true)", "topTimeouts(3, 1)")):
            table = self.d.console(f"t = '' for i, r in ipairs({function}) do t = t .. "
                                   "string.format('%4d  %-40s %4d %4.1f%%\\n', i, r[1], r[2], r[3]) end return t")
            self.assertEqual(table.rstrip("\n"), self.d.console(command), function)


class Tables(Traffic):
    def test_response_rings(self):
        self.assertEqual(self.d.lua("#getResponseRing()"), "9")
        self.assertEqual(self.d.lua("#getRespRing()"), "9")
        self.assertEqual(self.d.console("r = getRespRing(3) return #r .. r[1].qname .. r[1].rcode"), "1nx.other.test.3")
        self.assertEqual(self.d.console("for _, r in ipairs(getResponseRing()) do if r.name == 'never.example.' then "
                                        "return r.usec .. ' ' .. r.qtype end end"), "4294967295 1")

    def test_entries(self):
        self.assertEqual(self.d.console("e = getRingEntries() n = 0 for _, r in ipairs(e) do if r.isResponse then n = n + 1 end "
                                        "end return #e .. ' ' .. n"), "18 9")
        self.assertEqual(self.d.console(
            "for _, r in ipairs(e) do if r.isResponse and r.qname == newDNSName('c.example') then return "
            "r.requestor:toString() .. ' ' .. r.backend:toStringWithPort() .. ' ' .. r.qtype .. ' ' .. r.protocol .. ' ' .. "
            "tostring(r.dnsheader:getRA()) .. ' ' .. #r.macAddress end end"),
            f"127.0.0.1 {self.server.address} 16 DoTCP true 0")
        self.assertEqual(self.d.lua("math.abs(os.time() - e[1].when.tv_sec) < 60"), "true")

    def test_tree_of_names(self):
        visit = ("t = '' statNodeRespRing(function(n, s, c) t = t .. n.fullname .. ' ' .. n.labelsCount .. ' ' .. "
                 "n:numChildren() .. ' ' .. s.queries .. '/' .. s.noerrors .. '/' .. s.nxdomains .. '/' .. s.servfails .. '/' .. "
                 "s.drops .. ' ' .. c.queries .. '/' .. c.drops .. ';' end) return t")
        # a name has the case of the worker that is looked at first
        self.assertEqual(self.d.console(visit).lower().split(";")[:-1], [
            "a.example. 2 0 2/2/0/0/0 2/0", "b.example. 2 0 1/1/0/0/0 1/0", "c.example. 2 0 1/1/0/0/0 1/0",
            "n.example. 2 0 1/1/0/0/0 1/0", "never.example. 2 0 1/0/0/0/1 1/1", "example. 1 5 0/0/0/0/0 6/1",
            "bad.other.test. 3 0 1/0/0/1/0 1/0", "nx.other.test. 3 0 1/0/1/0/0 1/0", "other.test. 2 2 0/0/0/0/0 2/0",
            "slow.test. 2 0 1/1/0/0/0 1/0", "test. 1 2 0/0/0/0/0 3/0", " 0 2 0/0/0/0/0 9/1"])

    def test_tree_of_octets_and_hits(self):
        """Its root has what the ring has."""
        total = self.d.console("b, h = 0, 0 for _, r in ipairs(getRingEntries()) do if r.isResponse then b = b + r.size "
                               "if r.backend:toString() == '0.0.0.0' then h = h + 1 end end end return b .. ' ' .. h")
        self.assertEqual(self.d.console("statNodeRespRing(function(n, s, c) if n.fullname == '' then t = c.bytes .. ' ' .. "
                                        "c.hits end end) return t"), total)
        self.assertEqual(self.d.console("statNodeRespRing(function(n, s) if n.fullname == 'b.example.' then t = s.bytes .. ' ' "
                                        ".. s.hits end end) return t").split()[1], "0")
        self.assertGreater(int(total.split()[0]), 100)

    def test_visitor_that_raises(self):
        self.assertIn("no more", self.d.console("statNodeRespRing(function() error('no more') end)"))
        self.assertEqual(self.d.lua("#getRespRing()"), "9")


class Endless(TestCase):
    def test_visitor_that_never_returns_leaves_everything_serving(self):
        s = self.use(FakeServer())
        d = self.daemon(f'newServer{{address="{s.address}"}}')
        clients.udp(d.port, "a.example.")
        console = self.use(Session(d.console_port))
        console.send("statNodeRespRing(function() while true do end end)")
        time.sleep(0.3)
        self.assertTrue(clients.udp(d.port, "b.example.").answer)
        self.assertTrue(clients.tcp(d.port, "c.example.").answer)
        self.assertEqual(d.stop(), 0, d.output())


class Limits(TestCase):
    """How much is kept, and what is not."""

    def start(self, config):
        s = self.use(FakeServer())
        return self.daemon(f'newServer{{address="{s.address}"}}\ngetPool(""):setCache(newPacketCache(100))\nsetWorkers(1)\n'
                           + config)

    def counts(self, d):
        return d.console("q, a = 0, 0 for _, e in ipairs(getRingEntries()) do if e.isResponse then a = a + 1 else q = q + 1 end "
                         "end return q .. ' ' .. a")

    def ask(self, d, n):
        for i in range(n):
            clients.udp(d.port, f"n{i}.example.")

    def test_the_last_are_kept(self):
        d = self.start("setRingBuffersSize(5)")
        self.ask(d, 12)
        self.assertEqual(self.counts(d), "5 5")
        self.assertEqual(d.console("return getRingEntries()[1].qname:toString()"), "n7.example.")
        self.assertEqual(d.console("setRingBuffersSize(7)"), "setRingBuffersSize cannot be used at runtime!")

    def test_sampling(self):
        d = self.start("setRingBuffersOptions({samplingRate=4})")
        self.ask(d, 13)
        self.assertEqual((self.counts(d), d.lua("getRingBuffersSamplingRate()")), ("4 4", "4"))

    def test_kinds_can_be_left_out(self):
        for options, want in (("recordQueries=false", "0 3"), ("recordResponses=false", "3 0"),
                              ("recordQueries=false, recordResponses=false", "0 0")):
            d = self.start(f"setRingBuffersOptions({{{options}}})")
            self.ask(d, 3)
            self.assertEqual(self.counts(d), want, options)

    def test_hits_drops_and_what_is_answered_here(self):
        d = self.start('addAction("drop.test", DropAction())\naddAction("self.test", RCodeAction(DNSRCode.REFUSED))')
        clients.udp(d.port, "a.test.")
        clients.udp(d.port, "a.test.")
        clients.silent(d.port, "drop.test.", timeout=0.1)
        clients.udp(d.port, "self.test.")
        _, found = lines(d.console('grepq("test")'))
        self.assertEqual([f[3] for f in found if "Question" in f[5]], ["a.test.", "a.test.", "drop.test.", "self.test."])
        self.assertEqual([(f[2], f[3]) for f in found if "Question" not in f[5]],
                         [("server", "a.test."), ("Cache", "a.test."), ("Cache", "self.test.")])
        self.assertEqual(d.console("h = 0 statNodeRespRing(function(n, s, c) h = c.hits end) return h"), "2")

    def test_client_by_ipv6(self):
        if not has_ipv6():
            self.skipTest("no IPv6 here")
        d = self.start('addLocal("[::1]:$PORT")')
        dns.query.udp(clients.make("six.example."), "::1", port=d.port, timeout=5)
        self.assertRegex(d.console('grepq("::1")').splitlines()[1], r"^-0\.\d +\[::1\]:\d+ +DoUDP +\d+ +six\.example\. +A +RD +Question$")
        self.assertRegex(d.console("topClients()"), r"1  ::1 +1 100\.0%")


@unittest.skipUnless(os.path.exists(DEBIAN_DNSDIST), "no dnsdist to compare with")
class BesideDebians(Traffic):
    """1.7.3 shows the same, but for a timed-out query's flags, which it has forgotten."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.peer = cls.class_daemon(f'newServer{{address="{cls.server.address}"}}\nsetUDPTimeout(1)\n', binary=DEBIAN_DNSDIST)
        cls.ask(cls.peer)

    def both(self, command):
        return self.d.console(command), self.peer.console(command)

    def test_grepq(self):
        for command in ('grepq("")', 'grepq("other.test")', 'grepq("127.0.0.1/32", 2)', 'grepq({"400ms", "slow.test"})',
                        'grepq("192.0.2.1")'):
            (head, ours), (their_head, theirs) = map(lines, self.both(command))
            self.assertEqual(head, their_head)
            mine, yours = ([f for f in found if "T.O" not in f[5]] for found in (ours, theirs))
            self.assertEqual(sorted(mine, key=str), sorted(yours, key=str), command)
            self.assertEqual(len(ours), len(theirs))

    def test_top_lists(self):
        for command in ("topQueries()", "topQueries(10, 1)", "topQueries(0)", "topClients()", "topResponses(10, 3)",
                        "topResponses(10, 2, 1)", "topResponses(10, 5)", "topSlow(10, 400, 3)"):
            ours, theirs = self.both(command)
            if "topSlow" in command:  # there timeouts are slow, too
                theirs = "\n".join(line for line in theirs.splitlines() if "never" not in line)
                ours, theirs = (re.sub(r" +\d+\.\d%", "", t) for t in (ours, theirs))
            self.assertEqual(sorted(tops(ours)), sorted(tops(theirs)), command)

    def test_tree(self):
        visit = ("statNodeRespRing(function(n, s, c) show(n.fullname .. ' ' .. n.labelsCount .. ' ' .. n:numChildren() .. ' ' .. "
                 "s.queries .. '/' .. s.noerrors .. '/' .. s.nxdomains .. '/' .. s.servfails .. '/' .. s.drops .. ' ' .. c.queries) end)")
        ours, theirs = self.both(visit)
        self.assertEqual(ours.lower(), theirs.lower())  # the case of a name is that of the ring read first


if __name__ == "__main__":
    main()
