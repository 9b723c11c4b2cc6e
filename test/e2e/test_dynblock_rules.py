#!/usr/bin/python3
"""Rules that block clients by themselves: DynBlockRulesGroup, exceed…, with real traffic."""
import json
import os
import re
import socket
import subprocess
import time

import dns.message

from fakeserver import FakeServer, address
from harness import BUILD, TestCase, main, wait_for

# Everything but names below pass.test is answered by the daemon itself.
ANSWERS = '''
    addAction(QNameSuffixRule("nx.test"), RCodeAction(DNSRCode.NXDOMAIN))
    addAction(QNameSuffixRule("fail.test"), RCodeAction(DNSRCode.SERVFAIL))
    addAction(QNameSuffixRule("refused.test"), RCodeAction(DNSRCode.REFUSED))
    addAction(NotRule(QNameSuffixRule("pass.test")), SpoofAction("192.0.2.1"))
'''

APPLY = '''
    beats = 0
    function maintenance()
        beats = beats + 1
        dbr:apply()
    end
'''


class Client:
    """A source of queries of its own address."""

    def __init__(self, port, source):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((source, 0))
        self.s.connect(("127.0.0.1", port))
        self.s.settimeout(0.3)

    def close(self):
        self.s.close()

    def ask(self, wire):
        """Whether it was answered, at once."""
        self.s.send(wire)
        try:
            return bool(self.s.recv(4096))
        except socket.timeout:
            return False

    def ask_until_silent(self, wire, most, rate):
        """Asks at a rate until three queries in a row stay without an answer; how many had one, and when it was."""
        answered, silent, begin = 0, 0, time.monotonic()
        for i in range(most):
            time.sleep(max(0, begin + i / rate - time.monotonic()))
            if self.ask(wire):
                answered, silent = answered + 1, 0
            else:
                silent += 1
            if silent == 3:
                break
        return answered, time.monotonic() - begin


def wire(name, rtype="A"):
    return dns.message.make_query(name, rtype).to_wire()


class Blocks(TestCase):
    def start(self, rules, extra=APPLY, config=ANSWERS):
        d = self.daemon(f"{config}\ndbr = dynBlockRulesGroup()\n{rules}\n{extra}")
        if "beats" in extra:
            self.assertTrue(wait_for(lambda: int(d.lua("beats").split(".")[0]) > 0))
        return d

    def client(self, d, source):
        return self.use(Client(d.port, source))

    def blocks(self, d):
        """{what: the rest of its line}"""
        lines = d.console("showDynBlocks()").splitlines()[1:]
        return {line.split()[0]: line.split(None, 1)[1] for line in lines}

    def blocked_after(self, d, source, name="www.test", rtype="A", most=400, rate=200):
        answered, _ = self.client(d, source).ask_until_silent(wire(name, rtype), most, rate)
        return answered

    def passes(self, d, source, n, name="www.test", rtype="A", rate=200):
        self.assertEqual(self.blocked_after(d, source, name, rtype, n, rate), n)


class Rates(Blocks):
    def test_queries(self):
        d = self.start('dbr:setQueryRate(20, 5, "too many", 60)')
        self.passes(d, "127.0.0.3", 100)
        answered = self.blocked_after(d, "127.0.0.2")
        self.assertGreater(answered, 100)  # never before its definition is met
        self.assertLess(answered, 100 + 0.35 * 200)
        self.assertEqual(list(self.blocks(d)), ["127.0.0.2/32"])
        self.assertRegex(self.blocks(d)["127.0.0.2/32"], r"^(59|60) +\d+ +false +Drop +too many$")
        self.assertIn("too many", d.output())

    def test_a_flood_is_blocked_in_a_fraction_of_a_second(self):
        d = self.start('dbr:setQueryRate(100, 10, "flood", 60)')
        _, seconds = self.client(d, "127.0.0.2").ask_until_silent(wire("www.test"), 50000, 20000)
        self.assertLess(seconds, 1.5)  # a thousand queries one by one, a beat, three silences

    def test_types(self):
        d = self.start('dbr:setQTypeRate(DNSQType.ANY, 5, 5, "any", 60) dbr:setQTypeRate("TXT", 10, 5, "txt", 60)')
        self.passes(d, "127.0.0.2", 100)
        self.passes(d, "127.0.0.2", 25, rtype="ANY")
        self.assertLess(self.blocked_after(d, "127.0.0.2", rtype="ANY"), 70)
        self.assertGreater(self.blocked_after(d, "127.0.0.4", "nx.test", rtype="TXT"), 50)
        self.assertEqual(set(self.blocks(d)), {"127.0.0.2/32", "127.0.0.4/32"})

    def test_who_goes_on_stays_blocked(self):
        for rule, source in (('setQueryRate(20, 1', "127.0.0.2"), ('setQTypeRate("TXT", 20, 1', "127.0.0.3")):
            with self.subTest(rule):
                d = self.start(f'dbr:{rule}, "flood", 2)')
                self.assertLess(self.blocked_after(d, source, rtype="TXT"), 100)
                c, query = self.client(d, source), wire("www.test", "TXT")
                c.s.settimeout(0.01)
                end = time.monotonic() + 5
                answered = 0
                while time.monotonic() < end:
                    answered += c.ask(query)
                self.assertEqual(answered, 0)
                self.assertEqual(d.output().count("begins"), 1)

    def test_octets(self):
        d = self.start('dbr:setResponseByteRate(1000, 2, "octets", 60)')
        size = len(wire("www.test")) + 16
        answered = self.blocked_after(d, "127.0.0.2")
        self.assertGreater(answered * size, 2000)
        self.assertLess(answered, 2000 / size + 0.35 * 200)

    def test_response_codes(self):
        d = self.start('dbr:setRCodeRate(DNSRCode.NXDOMAIN, 10, 5, "nx", 60)'
                       'dbr:setRCodeRate(DNSRCode.SERVFAIL, 10, 5, "fail", 60)')
        self.passes(d, "127.0.0.2", 200)
        self.passes(d, "127.0.0.2", 50, name="nx.test")
        self.passes(d, "127.0.0.2", 50, name="fail.test")
        self.assertEqual(self.blocks(d), {})
        self.assertLess(self.blocked_after(d, "127.0.0.2", name="a.nx.test"), 100)
        self.assertLess(self.blocked_after(d, "127.0.0.3", name="a.fail.test"), 130)
        reasons = [line.split()[-1] for line in self.blocks(d).values()]
        self.assertEqual(sorted(reasons), ["fail", "nx"])

    def test_ratio_of_a_response_code(self):
        d = self.start('dbr:setRCodeRatio(DNSRCode.NXDOMAIN, 0.5, 10, "nx ratio", 60, 40)')
        self.passes(d, "127.0.0.2", 39, name="nx.test")   # all of them, but too few
        self.passes(d, "127.0.0.3", 60)
        self.passes(d, "127.0.0.3", 60, name="nx.test")   # just half
        self.assertEqual(self.blocks(d), {})
        self.assertLess(self.blocked_after(d, "127.0.0.2", name="nx.test"), 70)
        self.assertLess(self.blocked_after(d, "127.0.0.3", name="nx.test"), 70)

    def test_ratio_of_codes_that_are_not_allowed(self):
        d = self.start('dbr:setAllowedRCodesRatio({DNSRCode.NOERROR, DNSRCode.NXDOMAIN}, 0.3, 10, "codes", 60, 20)')
        self.passes(d, "127.0.0.2", 60)
        self.passes(d, "127.0.0.2", 60, name="nx.test")
        self.passes(d, "127.0.0.2", 51, name="refused.test")  # 51 of 171
        self.assertEqual(self.blocks(d), {})
        self.assertLess(self.blocked_after(d, "127.0.0.2", name="refused.test"), 70)

    def test_ratio_of_cache_misses(self):
        server = self.use(FakeServer(lambda q: address(q, ttl=600)))
        d = self.start('dbr:setCacheMissRatio(0.5, 10, "misses", 60, 40, 0.3)',
                       config=f'''newServer{{address="{server.address}"}}
                                  getPool(""):setCache(newPacketCache(1000))''')
        good, bad = self.client(d, "127.0.0.2"), self.client(d, "127.0.0.3")
        good.s.settimeout(1)
        for i in range(200):
            self.assertTrue(good.ask(wire("www.pass.test")))  # 199 hits
        bad.s.settimeout(0.3)
        self.assertEqual(self.blocks(d), {})
        answered = 0
        while answered < 400 and bad.ask(wire(f"n{answered}.pass.test")):
            answered += 1
            time.sleep(0.005)
        self.assertGreater(answered, 40)
        self.assertLess(answered, 400)
        self.assertEqual(list(self.blocks(d)), ["127.0.0.3/32"])


class Groups(Blocks):
    def test_a_warning_comes_before_the_block(self):
        d = self.start('dbr:setQueryRate(60, 2, "rate", 60, DNSAction.Refused, 20)')
        self.passes(d, "127.0.0.2", 70)
        self.assertTrue(wait_for(lambda: self.blocks(d), 1))
        self.assertRegex(self.blocks(d)["127.0.0.2/32"], r" true +Do nothing +rate$")
        c = self.client(d, "127.0.0.2")

        def is_blocked():  # in bursts that fit into a buffer, for as long as a slow machine takes to count them
            for _ in range(100):
                c.s.send(wire("www.test"))
            return " false " in self.blocks(d)["127.0.0.2/32"]

        self.assertTrue(wait_for(is_blocked, 5, every=0.1))
        self.assertIn("Send Refused", self.blocks(d)["127.0.0.2/32"])

    def test_a_fifth_argument_that_is_no_action_is_the_warning_rate(self):
        d = self.start('dbr:setQueryRate(300, 2, "Exceeded query rate", 60, 100)')
        self.assertIn("a warning rate in the place of the action is a former form", d.output())
        self.passes(d, "127.0.0.2", 230, rate=1000)
        self.assertTrue(wait_for(lambda: self.blocks(d), 1))
        self.assertRegex(self.blocks(d)["127.0.0.2/32"], r" true +Do nothing +Exceeded query rate$")

    def test_masks(self):
        d = self.start('dbr:setMasks(24, 64) dbr:setQueryRate(20, 5, "net", 60)')
        for i in range(2, 7):
            self.passes(d, f"127.0.0.{i}", 20)
        self.assertEqual(self.blocks(d), {})
        self.assertLess(self.blocked_after(d, "127.0.0.9"), 80)
        self.assertEqual(list(self.blocks(d)), ["127.0.0.0/24"])
        self.passes(d, "127.0.1.1", 10)

    def test_ports(self):
        d = self.start('dbr:setMasks(32, 128, 16) dbr:setQueryRate(20, 5, "port", 60)')
        self.assertLess(self.blocked_after(d, "127.0.0.2"), 180)
        self.passes(d, "127.0.0.2", 10)
        self.assertEqual(len(self.blocks(d)), 1)

    def test_the_last_of_a_kind_counts(self):
        """One rule for queries, for octets; one for each type, each code."""
        d = self.start('''dbr:setQueryRate(1, 2, "first", 60) dbr:setQueryRate(30, 2, "second", 60)
            dbr:setQTypeRate("A", 1, 2, "a first", 60) dbr:setQTypeRate(DNSQType.A, 10000, 2, "a", 60)
            dbr:setResponseByteRate(1, 2, "octets first", 60) dbr:setResponseByteRate(1000000, 2, "octets", 60)
            dbr:setRCodeRate(0, 1, 2, "noerror first", 60) dbr:setRCodeRate(DNSRCode.NOERROR, 10000, 2, "noerror", 60)''')
        self.passes(d, "127.0.0.2", 60)
        self.assertEqual(self.blocks(d), {})
        self.assertLess(self.blocked_after(d, "127.0.0.4"), 180)
        self.assertEqual({what: line.split()[-1] for what, line in self.blocks(d).items()}, {"127.0.0.4/32": "second"})
        self.assertEqual(len(d.console("dbr:toString()").splitlines()), 5)

    def test_ranges(self):
        d = self.start('''dbr:setQueryRate(10, 2, "range", 60)
            dbr:excludeRange({"127.0.0.0/24", "127.0.1.0/24"}) dbr:includeRange("127.0.0.1/32")
            group = newNMG() group:addMask("127.0.2.0/24") dbr:excludeRange(group)
            dbr:removeRange("127.0.1.0/24")''')
        self.passes(d, "127.0.0.2", 60)
        self.passes(d, "127.0.2.2", 60)
        self.assertEqual(self.blocks(d), {})
        self.assertLess(self.blocked_after(d, "127.0.0.1"), 120)
        self.assertLess(self.blocked_after(d, "127.0.1.1"), 120)

    def test_ranges_that_overlap(self):
        """The longest netmask that covers a client decides, whatever came first; of equal ones the last said."""
        d = self.start('''dbr:setQueryRate(10, 2, "range", 60)
            dbr:includeRange("127.0.1.1/32") dbr:excludeRange("127.0.1.0/24") dbr:includeRange("127.0.0.0/16")
            dbr:excludeRange("127.0.2.0/24") dbr:includeRange("127.0.2.0/25") dbr:excludeRange("127.0.2.2")
            dbr:includeRange("127.0.3.0/24") dbr:excludeRange("127.0.3.0/24")
            dbr:excludeRange("127.0.4.0/24") dbr:includeRange("127.0.4.0/24")''')
        for source in ("127.0.1.2", "127.0.2.200", "127.0.2.2", "127.0.3.1"):
            self.passes(d, source, 60)
        self.assertEqual(self.blocks(d), {})
        for source in ("127.0.1.1", "127.0.2.1", "127.0.4.1", "127.0.9.1"):
            self.assertLess(self.blocked_after(d, source), 120, source)

    def test_the_excluded_do_not_make_their_network_blocked(self):
        d = self.start('dbr:setQueryRate(10, 2, "range", 60) dbr:setMasks(24, 64) dbr:excludeRange("127.0.0.2")')
        self.passes(d, "127.0.0.2", 100)
        self.passes(d, "127.0.0.3", 10)
        self.assertEqual(self.blocks(d), {})

    def test_hook_and_quiet(self):
        d = self.start('''dbr:setQueryRate(10, 2, "hooked", 33, DNSAction.Drop)
            dbr:setQuiet(true) seen = {}
            dbr:setNewBlockInsertedHook(function(...) table.insert(seen, table.concat({tostring(select(1, ...)),
                select(2, ...), select(3, ...), tostring(select(4, ...)), tostring(select(5, ...)),
                tostring(select(6, ...))}, " ")) end)''')
        self.assertLess(self.blocked_after(d, "127.0.0.2"), 120)
        self.assertEqual(d.lua('table.concat(seen, ",")'), "0 127.0.0.2/32 hooked 0 33 false")
        self.assertNotIn("hooked", d.output())

    def test_a_hook_that_fails_stops_nothing(self):
        d = self.start('''dbr:setQueryRate(10, 2, "r", 60)
            dbr:setNewBlockInsertedHook(function() error("oh") end)''')
        self.assertLess(self.blocked_after(d, "127.0.0.2"), 300)
        self.assertTrue(wait_for(lambda: "a hook for new blocks failed" in d.output(), 2))
        self.assertLess(self.blocked_after(d, "127.0.0.3"), 300)
        self.assertEqual(d.output().count("a hook for new blocks failed"), 1)  # and not once for each of thousands

    def test_blocks_go_on_while_the_client_does(self):
        d = self.start('dbr:setQueryRate(10, 1, "on", 2)')
        c = self.client(d, "127.0.0.2")
        c.ask_until_silent(wire("www.test"), 200, 200)
        begin = time.monotonic()
        while time.monotonic() < begin + 4:
            for _ in range(10):
                c.s.send(wire("www.test"))
            self.assertFalse(c.ask(wire("www.test")))
        time.sleep(2.5)
        self.assertTrue(c.ask(wire("www.test")))

    def test_tag(self):
        d = self.start('''dbr:setQueryRate(10, 2, "t", 60, DNSAction.SetTag, 0, {tagName="abuser", tagValue="yes"})''',
                       config='addAction(TagRule("abuser", "yes"), RCodeAction(DNSRCode.REFUSED))' + ANSWERS)
        self.assertEqual(self.blocked_after(d, "127.0.0.2", most=50), 50)
        time.sleep(0.3)
        c = self.client(d, "127.0.0.2")
        c.s.send(wire("www.test"))
        self.assertEqual(dns.message.from_wire(c.s.recv(512)).rcode(), 5)

    def test_text(self):
        d = self.start('dbr:setQueryRate(30, 10, "many", 60) dbr:excludeRange("192.0.2.0/24") dbr:excludeDomains("ok.test")'
                       'dbr:setSuffixMatchRule(5, "names", 20, DNSAction.Refused, function() end)', extra="")
        self.assertEqual(d.console("dbr:toString()").splitlines(), [
            "DynBlockRulesGroup of clients of /32, /128, port /0",
            "queries: above 30 a second for 10 seconds: the action of setDynBlocksAction for 60 seconds, 'many'",
            "names of the answers of 5 seconds, as a function says: Send Refused for 20 seconds, 'names'",
            "excluded: 192.0.2.0/24", "excluded: ok.test."])

    def test_what_can_not_be(self):
        for line, says in (
                ('setQueryRate(0, 10, "r", 60)', "rate"), ('setQueryRate(-1, 10, "r", 60)', "rate"),
                ('setQueryRate(1, 0, "r", 60)', "seconds"),
                ('setQueryRate(1, 61, "r", 60)', "an interval of 61 seconds can't be measured: 1 to 60 are kept"),
                ('setQueryRate(1, 10, "r", 0)', "blockingTime"),
                ('setQueryRate(1, 10, "r", 60, 99, 5)', "action must be a DNSAction, got 99"),
                ('setQueryRate(1, 10, "r", 60, DNSAction.SetTag)', "DNSAction.SetTag needs the option tagName"),
                ('setRCodeRate(16, 1, 10, "r", 60)', "rcode"),
                ('setRCodeRatio(3, 0, 10, "r", 60, 5)', "ratio must be above 0, got 0"),
                ('setRCodeRatio(3, 1.5, 10, "r", 60, 5)', "ratio"),
                ('setAllowedRCodesRatio(3, 0.5, 10, "r", 60, 5)', "rcodes must be a list"),
                ('setMasks(33, 64)', "v4"),
                ('setMasks(24, 64, 8)', "ports count only with all 32 bits of an IPv4 address, not with 24"),
                ('excludeRange("192.0.2.0/33")', "192.0.2.0/33"),
                ('setNewBlockInsertedHook(3)', "hook")):
            with self.subTest(line):
                done = self.check(f"local dbr = dynBlockRulesGroup()\ndbr:{line}")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(says, done.stdout + done.stderr)
                self.assertIn("checked.conf:2:", done.stdout + done.stderr)

    def test_a_maintenance_that_fails_runs_again(self):
        d = self.start('dbr:setQueryRate(10, 2, "r", 60)', extra='''
            beats = 0
            function maintenance()
                beats = beats + 1
                dbr:apply()
                deeper()
            end
            function deeper()
                error("oh no")
            end''')
        self.assertRegex(d.output(), r"oh no \(traceback: \S+:\d+ in \S*deeper, \S+:\d+")
        self.assertLess(self.blocked_after(d, "127.0.0.2"), 120)


class Suffixes(Blocks):
    RULE = """
        visited = {}
        dbr:setSuffixMatchRule(10, "suffix", 60, DNSAction.Refused, function(node, self, children)
            visited[node.fullname] = children.nxdomains
            if node.labelsCount == 2 and children.nxdomains > 20 then
                return true
            end
            if node.fullname == "other.test." then
                return true, "its own reason", DNSAction.Nxdomain
            end
            return false
        end)
    """

    def test_names_that_the_visitor_says(self):
        d = self.start(self.RULE + 'dbr:excludeDomains("ok.nx.test")')
        c = self.client(d, "127.0.0.2")
        c.s.settimeout(5)
        for i in range(25):
            self.assertTrue(c.ask(wire(f"n{i}.nx.test")))
        self.assertTrue(c.ask(wire("www.other.test")))
        self.assertTrue(wait_for(lambda: len(self.blocks(d)) == 2, 3))
        self.assertRegex(self.blocks(d)["nx.test."], r"Send Refused +suffix$")
        self.assertRegex(self.blocks(d)["other.test."], r"Send NXDomain +its own reason$")
        c.s.send(wire("n1.nx.test"))
        self.assertEqual(dns.message.from_wire(c.s.recv(512)).rcode(), 5)
        self.assertEqual(d.lua('visited["nx.test."]'), "25")

    def ask_many(self, d, n, per_s):
        """So many names that do not exist, from an address that is not looked at."""
        c = self.client(d, "127.0.0.2")
        c.s.setblocking(False)
        begin = time.monotonic()
        for i in range(n):
            time.sleep(max(0, begin + i / per_s - time.monotonic()))
            c.s.send(wire(f"n{i}.nx.test"))

    def test_an_attack_is_met_between_two_calls_of_apply(self):
        d = self.start(self.RULE)
        beats = d.lua("beats")
        self.assertTrue(wait_for(lambda: d.lua("beats") != beats, 3))  # the next comes in a second
        begin = time.time()
        self.ask_many(d, 1500, 15000)
        self.assertTrue(wait_for(lambda: self.blocks(d), 3))
        when = re.search(r'block of nx.test. begins.* ts="([0-9.]+)"', d.output())
        self.assertLess(float(when.group(1)) - begin, 0.7)

    def test_a_visitor_that_fails_is_asked_no_more_until_the_next_apply(self):
        d = self.start('''tries = 0
            dbr:setSuffixMatchRule(10, "s", 60, DNSAction.Drop, function() tries = tries + 1 error("oh") end)''')
        before = [int(x.split(".")[0]) for x in (d.lua("beats"), d.lua("tries"))]
        self.ask_many(d, 6000, 4000)
        after = [int(x.split(".")[0]) for x in (d.lua("beats"), d.lua("tries"))]
        self.assertGreater(after[1], before[1])
        self.assertLessEqual(after[1] - before[1], after[0] - before[0] + 1)

    def test_excluded_names(self):
        d = self.start(self.RULE + 'dbr:excludeDomains({"nx.test", newDNSName("other.test")})')
        c = self.client(d, "127.0.0.2")
        for i in range(25):
            self.assertTrue(c.ask(wire(f"n{i}.nx.test")))
        self.assertTrue(c.ask(wire("www.other.test")))
        time.sleep(1.5)
        self.assertEqual(self.blocks(d), {})

    def test_hook(self):
        d = self.start(self.RULE + """seen = ""
            dbr:setNewBlockInsertedHook(function(kind, key, reason) seen = kind .. " " .. key .. " " .. reason end)""")
        self.assertTrue(self.client(d, "127.0.0.2").ask(wire("www.other.test")))
        self.assertTrue(wait_for(lambda: d.lua("seen") == "1 other.test. its own reason", 3), d.lua("seen"))

    def test_a_visitor_that_fails_stops_no_rule(self):
        d = self.start("""dbr:setQueryRate(10, 2, "r", 60)
            dbr:setSuffixMatchRule(10, "suffix", 60, DNSAction.Refused, function() error("oh") end)""")
        self.assertLess(self.blocked_after(d, "127.0.0.2"), 120)
        self.assertTrue(wait_for(lambda: "the visitor of setSuffixMatchRule() failed" in d.output(), 3))
        self.assertEqual(list(self.blocks(d)), ["127.0.0.2/32"])


class Old(Blocks):
    def test_exceed_functions(self):
        d = self.start("", '''
            beats = 0
            function maintenance()
                beats = beats + 1
                rate = exceedQRate(10, 5)
                any = exceedQTypeRate(DNSQType.ANY, 4, 5)
                fails = exceedServFails(4, 5)
                nx = exceedNXDOMAINs(4, 5)
                octets = exceedRespByterate(100, 5)
            end
            function show(t)
                local r = {}
                for k, v in pairs(t) do table.insert(r, k:tostring() .. "=" .. tostring(v)) end
                return table.concat(r, ",")
            end''')
        self.passes(d, "127.0.0.2", 50)
        self.passes(d, "127.0.0.3", 51)
        self.passes(d, "127.0.0.4", 21, rtype="ANY")
        self.passes(d, "127.0.0.5", 21, name="fail.test")
        self.passes(d, "127.0.0.6", 21, name="nx.test")
        for name, want in (("rate", "127.0.0.3=51"), ("any", "127.0.0.4=21"), ("fails", "127.0.0.5=21"),
                           ("nx", "127.0.0.6=21")):
            self.assertTrue(wait_for(lambda: d.lua(f"show({name})") == want, 3), (name, d.lua(f"show({name})")))
        self.assertIn("127.0.0.3=", d.lua("show(octets)"))

    def test_all_that_the_ring_holds(self):
        d = self.start("", "")
        self.passes(d, "127.0.0.3", 100)
        self.passes(d, "127.0.0.4", 10, name="nx.test")
        d.console("function show(t) local r = {} for k, v in pairs(t) do table.insert(r, k:tostring() .. '=' .. v) end "
                  "return table.concat(r, ',') end")
        self.assertEqual(d.lua("show(exceedQRate(60, 0))"), "127.0.0.3=100")
        self.assertEqual(d.lua("show(exceedNXDOMAINs(2, 0))"), "127.0.0.4=10")
        self.assertEqual(d.lua("show(exceedQRate(500, 0))"), "")

    def test_what_can_not_be(self):
        for line, says in (('exceedQRate(0, 10)', "rate must be above 0"),
                           ('exceedQRate(1, 100)', "an interval of 100 seconds can't be measured: 1 to 60 are kept")):
            done = self.check(line)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stdout + done.stderr)


class Seed(Blocks):
    """The examples of the documentation, as printed."""

    def test_one_call(self):
        d = self.start("", '''
            beats = 1
            function maintenance()
                addDynBlocks(exceedQRate(20, 10), "Exceeded query rate", 60)
            end''')
        time.sleep(1.1)
        self.assertGreater(self.blocked_after(d, "127.0.0.2", most=800), 200)
        self.assertIn("Exceeded query rate", self.blocks(d)["127.0.0.2/32"])

    def test_all_old_functions(self):
        d = self.start("", '''
            beats = 1
            function maintenance()
              addDynBlocks(exceedQRate(30, 10), "Exceeded query rate", 60)
              addDynBlocks(exceedNXDOMAINs(20, 10), "Exceeded NXD rate", 60)
              addDynBlocks(exceedServFails(20, 10), "Exceeded ServFail rate", 60)
              addDynBlocks(exceedQTypeRate(dnsdist.ANY, 5, 10), "Exceeded ANY rate", 60)
              addDynBlocks(exceedRespByterate(1000000, 10), "Exceeded resp BW rate", 60)
            end
            setDynBlocksAction(DNSAction.Refused)''')
        time.sleep(1.1)
        c = self.client(d, "127.0.0.2")
        for _ in range(60):
            self.assertTrue(c.ask(wire("www.test", "ANY")))
        self.assertTrue(wait_for(lambda: self.blocks(d), 3))
        self.assertIn("Exceeded ANY rate", self.blocks(d)["127.0.0.2/32"])
        c.s.settimeout(5)
        c.s.send(wire("www.test"))
        self.assertEqual(dns.message.from_wire(c.s.recv(512)).rcode(), 5)

    def test_group(self):
        d = self.daemon(ANSWERS + '''
local dbr = dynBlockRulesGroup()
dbr:setQueryRate(30, 10, "Exceeded query rate", 60)
dbr:setRCodeRate(dnsdist.NXDOMAIN, 20, 10, "Exceeded NXD rate", 60)
dbr:setRCodeRate(dnsdist.SERVFAIL, 20, 10, "Exceeded ServFail rate", 60)
dbr:setQTypeRate(dnsdist.ANY, 5, 10, "Exceeded ANY rate", 60)
dbr:setResponseByteRate(10000, 10, "Exceeded resp BW rate", 60)
-- do not add dynamic blocks for hosts in the 192.0.2.0/24 and 2001:db8::/32 ranges
dbr:excludeRange({"192.0.2.0/24", "2001:db8::/32" })
-- except for 192.0.2.1
dbr:includeRange("192.0.2.1/32")

function maintenance()
  dbr:apply()
end''')
        time.sleep(1.3)
        self.assertLess(self.blocked_after(d, "127.0.0.2", name="nx.test"), 290)
        self.assertLess(self.blocked_after(d, "127.0.0.3", name="fail.test"), 290)
        self.assertLess(self.blocked_after(d, "127.0.0.4", rtype="ANY"), 140)
        self.assertGreater(self.blocked_after(d, "127.0.0.5", most=800), 300)
        self.assertEqual({k: v.split(None, 4)[-1].strip() for k, v in self.blocks(d).items()},
                         {"127.0.0.2/32": "Exceeded NXD rate", "127.0.0.3/32": "Exceeded ServFail rate",
                          "127.0.0.4/32": "Exceeded ANY rate", "127.0.0.5/32": "Exceeded query rate"})


class Noise(Blocks):
    def test_an_abuser_amid_noise(self):
        """200 queries a second against a limit of 100 over 10 s; honest clients at 80; noise as the machine can."""
        d = self.start('dbr:setQueryRate(100, 10, "abuser", 60)',
                       config='addAction(QNameSuffixRule("noise.test"), DropAction())' + ANSWERS)
        noise = subprocess.Popen([os.path.join(BUILD, "tools", "load"), "--to", f"127.0.0.1:{d.port}", "--clients",
                                  "15000000", "--zone", "noise.test", "--duration", "9", "--qps", "1000000"],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(noise.kill)
        time.sleep(0.5)
        honest = [self.client(d, f"127.0.0.{i}") for i in range(10, 15)]
        for c in honest:
            c.s.setblocking(False)
        abuser = self.client(d, "127.0.0.2")
        begin, begun_at, sent = time.monotonic(), time.time(), 0
        query, other = wire("www.test"), wire("www.honest.test")
        while time.monotonic() - begin < 7:
            step = int((time.monotonic() - begin) * 400)
            while sent < step:
                if sent % 2 == 0:
                    abuser.s.send(query)
                if sent % 5 == 0:
                    for c in honest:
                        c.s.send(other)
                sent += 1
            time.sleep(0.002)
        blocks = self.blocks(d)
        result = json.loads(noise.communicate()[0])
        when = float(re.search(r'block of 127.0.0.2/32 begins.* ts="([0-9.]+)"', d.output()).group(1)) - begun_at
        print(f"noise {result['sent'] / 9:.0f}/s, blocked after {when} s", flush=True)
        self.assertEqual(list(blocks), ["127.0.0.2/32"])
        self.assertLess(when, 6)
        self.assertGreater(when, 5)


if __name__ == "__main__":
    main()
