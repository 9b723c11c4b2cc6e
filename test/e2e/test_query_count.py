#!/usr/bin/python3
"""Queries counted by name: setQueryCount, its filter, the counters; and that no query waits for any of it."""
import re
import socket
import time
import unittest

import dns.message
import dns.opcode

import clients
from fakeserver import FakeServer
from harness import DEBIAN_DNSDIST, Daemon, TestCase, has_ipv6, main, wait_for

ON = "setQueryCount(true)\n"
BY_NAME = "return true, dq.qname:toString() "


def counters(d, most=""):
    """What is counted, by name, and the lines that follow."""
    head, *lines = d.console(f"getQueryCounters({most})").splitlines()
    assert re.fullmatch(r"query counting is currently: (enabled|disabled) \(\d+ records in buffer\)", head), head
    found = [re.fullmatch(r"(\d+) +(.*): (\d+) request\(s\)", line) for line in lines]
    assert [int(m.group(1)) for m in found if m] == list(range(1, sum(map(bool, found)) + 1)), lines
    return {m.group(2): int(m.group(3)) for m in found if m}, [line for line, m in zip(lines, found) if not m]


class Counting(TestCase):
    def start(self, config="", **kw):
        s = self.use(FakeServer())
        return self.daemon(f'newServer{{address="{s.address}"}}\n' + config, **kw)


class Names(Counting):
    def test_from_the_file(self):
        d = self.start(ON + 'setWorkers(1)\naddAction("spoof.example.", SpoofAction("192.0.2.1"))')
        for name in ("a.example.", "A.Example.", "b.example.", "a.example.", "spoof.example.", "."):
            clients.udp(d.port, name)
        clients.tcp(d.port, "b.example.")
        self.assertEqual(d.console("getQueryCounters()").splitlines(), [
            "query counting is currently: enabled (4 records in buffer)",
            "1   a.example: 3 request(s)", "2   b.example: 2 request(s)", "3   spoof.example: 1 request(s)",
            "4   .: 1 request(s)"])
        self.assertEqual(counters(d, 1)[0], {"a.example": 3})
        self.assertEqual(counters(d, 0)[0], {})

    def test_off_and_on_at_runtime(self):
        d = self.start()
        clients.udp(d.port, "before.example.")
        d.console("setQueryCount(true)")
        clients.udp(d.port, "while.example.")
        d.console("setQueryCount(false)")
        clients.udp(d.port, "after.example.")
        self.assertEqual(d.console("getQueryCounters()").splitlines(), [
            "query counting is currently: disabled (1 records in buffer)", "1   while.example: 1 request(s)"])
        self.assertEqual(d.console("clearQueryCounters()"), "1 records cleared from query counter buffer")
        self.assertEqual(d.console("getQueryCounters()"), "query counting is currently: disabled (0 records in buffer)")
        d.console("setQueryCount(true)")
        clients.udp(d.port, "again.example.")
        self.assertEqual(counters(d)[0], {"again.example": 1})

    def test_hits_blocked_and_refused_are_counted_malformed_are_not(self):
        """As soon as the question is known: before blocks, rules and the cache."""
        d = self.start(ON + '''getPool(""):setCache(newPacketCache(100))
            addAction("refused.example.", RCodeAction(DNSRCode.REFUSED))
            addAction("dropped.example.", DropAction())
            addDynBlockSMT({"by-name.example."}, "r", 600)''')
        clients.udp(d.port, "hit.example.")
        clients.udp(d.port, "hit.example.")
        clients.udp(d.port, "refused.example.")
        clients.silent(d.port, "dropped.example.", timeout=0.1)
        clients.silent(d.port, "by-name.example.", timeout=0.1)
        d.console('addDynamicBlock("127.0.0.1", "r", DNSAction.Drop, 60)')
        clients.silent(d.port, "by-address.example.", timeout=0.1)
        d.console("clearDynBlocks()")
        clients.send_udp(d.port, b"\0\0\1\0\0\1\0\0\0\0\0\0\77x", timeout=0.1)
        self.assertEqual(counters(d)[0], {"hit.example": 2, "refused.example": 1, "dropped.example": 1,
                                          "by-name.example": 1, "by-address.example": 1})

    def test_blocked_are_counted_without_a_ring(self):
        d = self.start(ON + 'setRingBuffersOptions({recordQueries=false})\naddDynBlockSMT({"x."}, "r", 60)')
        d.console('addDynamicBlock("127.0.0.1", "r", DNSAction.Drop, 60)')
        clients.silent(d.port, "by-address.example.", timeout=0.1)
        self.assertEqual(counters(d)[0], {"by-address.example": 1})

    def test_a_command_that_fails_switches_nothing(self):
        d = self.start()
        self.assertIn("no more", d.console("setQueryCount(true) setQueryCountFilter(function() return true, 'x' end) "
                                           "error('no more')"))
        clients.udp(d.port, "a.example.")
        self.assertEqual(d.console("getQueryCounters()"), "query counting is currently: disabled (0 records in buffer)")
        d.console("setQueryCount(true)")
        clients.udp(d.port, "a.example.")
        self.assertEqual(counters(d)[0], {"a.example": 1})

    def test_more_names_than_are_kept(self):
        d = self.start(ON + "setWorkers(1)\naddAction(AllRule(), DropAction())")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", d.port))
            for i in range(101_000):
                name = b"%06d" % i
                s.send(b"\0\1\1\0\0\1\0\0\0\0\0\0\6" + name + b"\0\0\1\0\1")
                if i % 500 == 0:
                    wait_for(lambda: d.stat("rule-drop") > i, every=0.05)
        wait_for(lambda: d.stat("rule-drop") == 101_000)
        wait_for(lambda: "(100000 records" in d.console("getQueryCounters(0)"))
        self.assertEqual(counters(d, 1), ({"000000": 1}, [
            "1000 request(s) are not in the buffer, which holds 100000 names at most"]))
        d.console("clearQueryCounters()")
        self.assertEqual(counters(d), ({}, []))


class Filters(Counting):
    def test_names_of_its_own(self):
        d = self.start(ON + '''setQueryCountFilter(function(dq)
            if dq.qtype == DNSQType.AAAA then return false, "" end
            return true, dq.remoteaddr:toString() .. " " .. dq.qname:toString()
        end)''')
        clients.udp(d.port, "A.example.")
        clients.udp(d.port, "a.example.", "AAAA")
        clients.udp(d.port, "A.example.", "MX")
        self.assertEqual(counters(d), ({"127.0.0.1 A.example.": 2}, []))

    def test_all_that_a_query_shows(self):
        d = self.start(ON + '''setQueryCountFilter(function(dq)
            seen = dq
            return true, table.concat({dq.qname:toString(), dq.qtype, dq.qclass, dq.remoteaddr:toString(),
                dq.localaddr:toStringWithPort(), dq.rcode, dq.opcode, dq.len, dq.size, tostring(dq.tcp),
                tostring(dq.dh:getRD()), tostring(dq.dh:getAD()), tostring(dq:getHeader():getCD()), tostring(dq:getDO()),
                dq:getProtocol(), #dq:getContent(), #dq:getTrailingData()}, " ")
        end)''')
        q = clients.make("aB.example.", "TXT", want_dnssec=True, payload=1232)
        q.set_opcode(dns.opcode.NOTIFY)
        q.flags |= dns.flags.AD | dns.flags.CD
        wire = q.to_wire()
        clients.send_udp(d.port, wire + b"xyz")
        n = len(wire)
        self.assertEqual(list(counters(d)[0]), [
            f"aB.example. 16 1 127.0.0.1 127.0.0.1:{d.port} 0 4 {n + 3} {n + 3} false true true true true Do53 UDP {n + 3} 3"])
        d.console("clearQueryCounters()")
        clients.tcp(d.port, "b.example.", "A")
        self.assertEqual(list(counters(d)[0]), [
            f"b.example. 1 1 127.0.0.1 127.0.0.1:{d.port} 0 0 27 27 true true false false false Do53 TCP 27 0"])
        # kept by the function, it stays what it was
        self.assertEqual(d.lua("seen.qname"), "b.example.")
        self.assertAlmostEqual(float(d.lua("seen:getQueryTime().tv_sec")), time.time(), delta=20)
        self.assertGreater(float(d.lua("seen:getElapsedUs()")), 0)
        self.assertIn("Error: ", d.console("seen.qtype = 1"))

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_the_address_that_was_asked(self):
        """Of a listener on all addresses, and over IPv6."""
        d = self.start(ON + "addLocal('[::]:' .. $PORT)\nsetLocal('0.0.0.0:' .. $PORT)\naddLocal('[::1]:' .. $PORT)\n"
                       "setQueryCountFilter(function(dq) return true, dq.remoteaddr:toString() .. ' ' .. "
                       "dq.localaddr:toString() end)", listen=False)
        wire = clients.make("a.example.", "A").to_wire()
        for family, to in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.3"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.settimeout(5)
                s.sendto(wire, (to, d.port))
                s.recv(1000)
        self.assertEqual(counters(d)[0], {"127.0.0.1 127.0.0.1": 1, "127.0.0.1 127.0.0.3": 1, "::1 ::1": 1})

    def test_one_that_fails_costs_nobody_an_answer(self):
        d = self.start(ON + '''function deeper() error("oh no") end
            setQueryCountFilter(function(dq)
                if dq.qname:toString() == "good.example." then return true, "good" end
                deeper()
            end)''')
        for _ in range(3):
            self.assertTrue(clients.udp(d.port, "bad.example.").answer)
        clients.udp(d.port, "good.example.")
        self.assertEqual(counters(d), ({"good": 1}, ["3 request(s) were not counted, as the filter failed"]))
        self.assertEqual(d.stat("lua-callback-errors"), 3)
        lines = [line for line in d.output().splitlines() if "setQueryCountFilter" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], r"the filter of setQueryCountFilter\(\) failed.*oh no \(traceback: \S+:\d+ in \S*deeper")

    def test_one_that_returns_no_name(self):
        d = self.start(ON + "setQueryCountFilter(function() return true end)")
        clients.udp(d.port, "a.example.")
        self.assertEqual(counters(d), ({}, ["1 request(s) were not counted, as the filter failed"]))
        self.assertIn("returns whether to count, and the name to count under", d.output())
        d.console("setQueryCountFilter(function() return true, string.rep('x', 1025) end)")
        clients.udp(d.port, "a.example.")
        self.assertIn("2 request(s) were not", d.console("getQueryCounters()"))
        d.console("setQueryCountFilter(function() return true, 7 end) clearQueryCounters()")
        clients.udp(d.port, "a.example.")
        self.assertEqual(counters(d), ({"7": 1}, []))

    def test_what_a_failing_filter_did_did_not_happen(self):
        d = self.start(ON + "setQueryCountFilter(function() addAction(AllRule(), DropAction()) error('x') end)")
        for _ in range(3):
            self.assertTrue(clients.udp(d.port, "a.example.").answer)
        d.console("getQueryCounters()")
        self.assertEqual(d.rows("showRules()"), [])

    def test_another_one_from_within(self):
        d = self.start(ON + "setQueryCountFilter(function() setQueryCountFilter(function() return true, 'second' end) "
                       "return true, 'first' end)")
        clients.udp(d.port, "a.example.")
        self.assertEqual(counters(d)[0], {"first": 1})
        clients.udp(d.port, "a.example.")
        self.assertEqual(counters(d)[0], {"first": 1, "second": 1})

    def test_a_slow_one_delays_no_query(self):
        d = self.start(ON + '''setQueryCountFilter(function(dq)
            local t = os.clock() while os.clock() < t + 0.01 do end
            return true, "slow"
        end)''')
        times = []
        for i in range(200):
            begin = time.monotonic()
            clients.udp(d.port, f"n{i}.example.")
            times.append(time.monotonic() - begin)
        self.assertLess(sorted(times)[180], 0.1)
        self.assertTrue(wait_for(lambda: counters(d)[0].get("slow") == 200, every=0.2), counters(d))

    def test_one_that_never_returns_is_called_once(self):
        d = self.start(ON + "setLuaTimeLimit(1)\nsetQueryCountFilter(function() while true do end end)")
        for i in range(5):
            self.assertTrue(clients.udp(d.port, f"n{i}.example.").answer)
        told = ({}, ["5 request(s) were not counted, as the filter failed"])
        self.assertTrue(wait_for(lambda: counters(d) == told, 5), counters(d))
        self.assertIn("took longer than the 1 s that setLuaTimeLimit allows", d.output())
        self.assertIn("is not called again", d.output())
        d.console("setQueryCountFilter(function() return true, 'fine' end)")
        clients.udp(d.port, "a.example.")
        self.assertEqual(counters(d)[0], {"fine": 1})

    def test_what_can_not_be(self):
        for line, says in (("setQueryCount()", "setQueryCount: value must be true or false"),
                           ("setQueryCount('x')", "setQueryCount: value must be true or false"),
                           ("setQueryCountFilter()", "setQueryCountFilter: filter must be a function"),
                           ("setQueryCountFilter('x')", "setQueryCountFilter: filter must be a function"),
                           ("setQueryCountFilter({})", "setQueryCountFilter: filter must be a function"),
                           ("getQueryCounters(-1)", "getQueryCounters: max must be from 0"),
                           ("getQueryCounters(0/0)", "getQueryCounters: max must be"),
                           ("getQueryCounters(1e300)", "getQueryCounters: max must be"),
                           ("getQueryCounters('many')", "getQueryCounters: max must be a number"),
                           ("getQueryCounters({})", "getQueryCounters: max must be a number")):
            with self.subTest(line):
                done = self.check(line)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn(says, done.stdout + done.stderr)
        self.assertEqual(self.check(ON + "setQueryCountFilter(function() end)\ngetQueryCounters() clearQueryCounters()")
                         .returncode, 0)


class Load(Counting):
    def test_nothing_is_lost_or_what_is_lost_is_told(self):
        """All that came is counted, found no room in the buffer, or was lost: the sum is exact."""
        d = self.start(ON + "setQueryCountFilter(function(dq) local t = os.clock() while os.clock() < t + 0.0005 do end "
                       "return true, 'x' end)\naddAction(AllRule(), DropAction())")
        wire = clients.make("a.example.", "A").to_wire()
        packet = wire + b"x" * (1400 - len(wire))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", d.port))
            for _ in range(12_000):
                s.send(packet)

        def all_but():
            return d.stat("queries") - d.stat("query-count-lost") - counters(d)[0].get("x", 0)

        self.assertTrue(wait_for(lambda: all_but() == 0, every=0.3), all_but())
        self.assertGreater(d.stat("query-count-lost"), 0)
        self.assertIn(f"{int(d.stat('query-count-lost'))} request(s) were not counted, as they came faster than they were "
                      "read", d.console("getQueryCounters()"))


class BesideDebians(Counting):
    """The same queries to both; where the outcome differs, it is said why."""

    def test_the_same(self):
        config = ON + '''setQueryCountFilter(function(dq)
            if dq.qtype == 28 then return false, "" end
            return true, dq.qname:toString() .. " " .. dq.qtype .. " " .. tostring(dq.tcp) .. dq.opcode .. dq.len
        end)'''
        ours, theirs = self.start(config), self.start(config, binary=DEBIAN_DNSDIST)
        for d in (ours, theirs):
            for name, rtype in (("a.example.", "A"), ("A.example.", "A"), ("a.example.", "A"), ("b.example.", "AAAA")):
                clients.udp(d.port, name, rtype)
            clients.tcp(d.port, "c.example.", "MX")
            d.console('addDynBlockSMT({"blocked.example."}, "r", 60)')
            clients.silent(d.port, "blocked.example.", timeout=0.2)
        self.assertEqual(counters(ours)[0], counters(theirs)[0])
        for command in ("getQueryCounters(0)", "clearQueryCounters()", "setQueryCount(false) getQueryCounters()"):
            self.assertEqual(ours.console(command), theirs.console(command))


if __name__ == "__main__":
    main()
