#!/usr/bin/python3
"""The kernel filter, on a cable between two network namespaces that are made for it: what it drops comes no further.

Skipped only where there is no such network, or where the kernel refuses bpf(2) to root.
"""
import json
import os
import socket
import struct
import subprocess
import time
import unittest

import dns.exception
import dns.flags
import dns.query
import dns.rcode

import clients
from fakeserver import FakeServer
from harness import BUILD, TestCase, free_port, main, needs, run_dnsdist, wait_for
from netns import Cable, NetDaemon, ip
from ruletools import NOERROR

FILTER = "ipv4MaxItems=16, ipv6MaxItems=16, cidr4MaxItems=16, cidr6MaxItems=16, qnamesMaxItems=16"
PINS = "/sys/fs/bpf"
NO_KERNEL = "there is no kernel filter"
MALLORY, MALLORY6 = Cable.THERE[0], Cable.THERE6[0]
ALICE, ALICE6 = Cable.THERE[1], Cable.THERE6[1]


def why_not():
    """Why none of this can be shown here; None: it can."""
    if os.geteuid() != 0:
        return "not root"
    try:
        Cable().close()
    except OSError as e:
        return f"no network of its own: {e}"
    if " ebpf " not in run_dnsdist("-V").stdout:
        return None  # a build for these tests has it, so they fail
    test = subprocess.run(["bpftool", "map", "create", f"{PINS}/e2e-probe-{os.getpid()}", "type", "hash", "key", "4",
                           "value", "4", "entries", "1", "name", "probe"], capture_output=True, text=True)
    subprocess.run(["rm", "-f", f"{PINS}/e2e-probe-{os.getpid()}"])
    return f"bpf(2) is refused to root: {test.stderr.strip()}" if "not permitted" in test.stderr else None


REASON = why_not()


@needs("ip", "nsenter", "bpftool", "setpriv", "dig")
@unittest.skipIf(REASON, REASON)
class Network(TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cable = cls.class_use(Cable())
        with cls.cable.inside_here():
            cls.server = cls.class_use(FakeServer())
        cls.servers = f'newServer("{cls.server.address}")\n'
        if cls.CONFIG:
            cls.d = NetDaemon(cls, cls.cable, cls.servers + cls.CONFIG)
            cls.addClassCleanup(cls.d.finish)

    def near(self, config, **kw):
        d = NetDaemon(self, self.cable, self.servers + config, **kw)
        self.addCleanup(self._leave, d)
        return d

    def ask(self, source=ALICE, name="www.example.org", rtype="A", tcp=False, d=None, timeout=0.4, **kw):
        """The answer, or None for silence."""
        where = Cable.HERE6 if ":" in source else Cable.HERE
        ask = dns.query.tcp if tcp else dns.query.udp
        with self.cable.inside_there():
            try:
                return ask(clients.make(name, rtype, **kw), where, port=(d or self.d).port, source=source,
                           timeout=timeout)
            except (dns.exception.Timeout, EOFError, OSError):
                return None

    def answered(self, *args, **kw):
        return self.ask(*args, timeout=5, **kw).rcode() == NOERROR

    def dropped(self, *args, d=None, **kw):
        """Silence, and nothing of it came as far as the program."""
        before = (d or self.d).stat("queries")
        silent = self.ask(*args, d=d, **kw) is None
        return silent and (d or self.d).stat("queries") == before

    def run_line(self, line, d=None):
        text = (d or self.d).console(line)
        self.assertNotIn("rror", text, line)
        return text

    def counts(self, filter="bpf", d=None):
        """getStats() as a dictionary."""
        text = (d or self.d).console(f"t = '' for k, v in pairs({filter}:getStats()) do t = t .. k .. '=' .. v .. '\\n' "
                                     "end return t")
        return {k: int(v) for k, v in (line.rsplit("=", 1) for line in text.splitlines() if line)}


class Entries(Network):
    CONFIG = f"bpf = newBPFFilter({{{FILTER}}}) setDefaultBPFFilter(bpf)"

    def test_nothing_is_said_when_all_is_well(self):
        self.assertNotIn(NO_KERNEL, self.d.output())
        self.assertNotIn("kernel filter", self.d.output())

    def test_addresses(self):
        for bad, good in ((MALLORY, ALICE), (MALLORY6, ALICE6)):
            self.run_line(f'bpf:block(newCA("{bad}"))')
            self.assertTrue(self.dropped(bad))
            self.assertTrue(self.dropped(bad, tcp=True, timeout=1.2))
            self.assertTrue(self.answered(good))
            self.assertTrue(self.answered(good, tcp=True))
            self.assertGreaterEqual(self.counts()[bad], 2)  # a SYN is sent again
            self.run_line(f'bpf:unblock(newCA("{bad}"))')
            self.assertTrue(self.answered(bad))
            self.assertTrue(self.answered(bad, tcp=True))
            self.assertNotIn(bad, self.counts())

    def test_connections_that_are_there_are_cut_off(self):
        with self.cable.inside_there():
            s = socket.create_connection((Cable.HERE, self.d.port), timeout=5, source_address=(MALLORY, 0))
        s.setblocking(False)
        with s:
            dns.query.tcp(clients.make("www.example.org"), "", sock=s, timeout=5)
            self.run_line(f'bpf:block(newCA("{MALLORY}"))')
            with self.assertRaises(dns.exception.Timeout):
                dns.query.tcp(clients.make("www.example.org"), "", sock=s, timeout=0.5)
            # nothing of it is to come later, when others count
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.run_line(f'bpf:unblock(newCA("{MALLORY}"))')

    def test_ranges(self):
        self.run_line('''bpf:addRangeRule("10.53.0.0/24", 1)
            bpf:addRangeRule(newNetmask("10.53.0.3/32"), 0) bpf:addRangeRule("fd53::2/127", 1)''')
        self.assertTrue(self.dropped(MALLORY))
        self.assertTrue(self.answered(ALICE))
        self.assertTrue(self.dropped(MALLORY6))
        self.assertTrue(self.answered(Cable.THERE6[2]))
        head, *rows = [line.split() for line in self.run_line("bpf:lsRangeRule()").splitlines()]
        self.assertEqual(head, ["Range", "Action", "Matches"])
        self.assertEqual(sorted(rows), [["10.53.0.0/24", "drop", "1"], ["10.53.0.3/32", "pass", "1"],
                                        ["fd53::2/127", "drop", "1"]])
        # one that is in another with the same action needs force
        said = self.d.console('bpf:addRangeRule("10.53.0.0/25", 1)')
        self.assertIn("in a range with that action already", said)
        self.assertNotIn("10.53.0.0/25", self.counts())
        self.run_line('bpf:addRangeRule("10.53.0.0/25", 1, true)')
        self.assertIn("10.53.0.0/25", self.counts())
        self.run_line('''for _, r in ipairs({"10.53.0.0/24", "10.53.0.0/25", "10.53.0.3/32", "fd53::2/127"}) do
            bpf:rmRangeRule(r) end''')
        self.assertEqual(self.counts(), {})
        self.assertTrue(self.answered(MALLORY))

    def test_a_range_that_can_not_be_truncated(self):
        self.assertIn("needs an XDP program", self.d.console('bpf:addRangeRule("10.53.0.0/24", 2)'))
        self.assertIn("from 0 to 2", self.d.console('bpf:addRangeRule("10.53.0.0/24", 3)'))

    def test_names(self):
        self.run_line('bpf:blockQName("evil.example.") bpf:blockQName(newDNSName("MiXed.example"), DNSQType.TXT)')
        for rtype in ("A", "AAAA", "TXT"):
            self.assertTrue(self.dropped(name="eViL.Example", rtype=rtype))
        self.assertTrue(self.dropped(ALICE6, name="evil.example"))
        self.assertTrue(self.dropped(name="mixed.EXAMPLE", rtype="TXT", use_edns=0))
        self.assertTrue(self.answered(name="mixed.example"))
        self.assertTrue(self.answered(name="www.evil.example"))
        self.assertTrue(self.answered(name="evil.example", tcp=True))
        self.assertEqual(self.counts(), {"evil.example.": 4, "mixed.example. TXT": 1})
        self.run_line('bpf:unblockQName("EVIL.example") bpf:unblockQName("mixed.example", DNSQType.TXT)')
        self.assertTrue(self.answered(name="evil.example"))

    def test_what_is_not_there(self):
        self.assertIn("192.0.2.1 is not in this filter", self.d.console('bpf:unblock(newCA("192.0.2.1"))'))
        self.assertIn("x. A is not in this filter", self.d.console('bpf:unblockQName("x", 1)'))
        self.assertIn("192.0.2.0/24 is not in", self.d.console('bpf:rmRangeRule("192.0.2.0/24")'))

    def test_a_command_that_fails_has_changed_nothing(self):
        self.run_line(f'bpf:block(newCA("{ALICE}"))')
        self.d.console(f'bpf:block(newCA("{MALLORY}")) bpf:unblock(newCA("{ALICE}")) error("no")')
        self.assertEqual(list(self.counts()), [ALICE])
        self.run_line(f'bpf:unblock(newCA("{ALICE}"))')

    def test_a_full_map(self):
        said = self.d.console('for i = 1, 17 do bpf:block(newCA("192.0.2." .. i)) end')
        self.assertIn("the kernel's map is full: ipv4MaxItems is 16", said)
        self.assertEqual(self.counts(), {})
        self.assertIn("cannot be used at runtime", self.d.console("newBPFFilter({ipv4MaxItems=1})"))


class Listeners(Network):
    """A filter at some listeners only, and at run time."""

    CONFIG = f"bpf = newBPFFilter({{{FILTER}}}) bpf:block(newCA('{MALLORY}')) bpf:block(newCA('{MALLORY6}'))"

    def test_attached_and_detached(self):
        self.assertTrue(self.answered(MALLORY))
        at = {text: i for i, text in enumerate(self.d.lua(
            "(function() t = '' for i = 0, getBindCount() - 1 do b = getBind(i) t = t .. b:toString() .. b:getType() "
            ".. ' ' end return t end)()").split())}
        udp = at[f"{Cable.HERE}:{self.d.port}UDP"]
        self.run_line(f"getBind({udp}):attachFilter(bpf)")
        self.assertTrue(self.dropped(MALLORY))
        self.assertTrue(self.answered(MALLORY, tcp=True))
        self.assertTrue(self.answered(MALLORY6))
        self.d.console("bpf:attachToAllBinds() error('no')")
        self.assertTrue(self.answered(MALLORY6))
        self.run_line("bpf:attachToAllBinds()")
        self.assertTrue(self.dropped(MALLORY6))
        self.assertTrue(self.dropped(MALLORY, tcp=True))
        self.run_line(f"getBind({udp}):detachFilter()")
        self.assertTrue(self.answered(MALLORY))
        self.assertTrue(self.dropped(MALLORY6))
        self.run_line("for i = 0, getBindCount() - 1 do getBind(i):detachFilter() end")
        self.assertTrue(self.answered(MALLORY, tcp=True))

    def test_from_the_start(self):
        d = self.near(self.CONFIG + " for i = 0, getBindCount() - 1 do getBind(i):attachFilter(bpf) end")
        self.assertTrue(self.dropped(MALLORY, d=d))
        self.assertTrue(self.answered(ALICE, d=d))


class Dynamic(Network):
    """DynBPFFilter."""

    PATHS = [f"{PINS}/e2e-{os.getpid()}-v4", f"{PINS}/e2e-{os.getpid()}-v6"]
    CONFIG = f'''bpf = newBPFFilter({{{FILTER}, ipv4PinnedPath="{PATHS[0]}", ipv6PinnedPath="{PATHS[1]}"}})
        setDefaultBPFFilter(bpf) dyn = newDynBPFFilter(bpf)'''

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(unpin, *cls.PATHS)
        super().setUpClass()

    def test_blocks_end_by_themselves(self):
        self.run_line(f"addBPFFilterDynBlocks({{[newCA('{MALLORY}')] = 5, [newCA('{MALLORY6}')] = 5}}, dyn, 2, 'slow')")
        self.assertTrue(self.dropped(MALLORY))
        self.assertTrue(self.dropped(MALLORY6))
        self.assertTrue(self.answered(ALICE))
        self.assertIn(f"block of {MALLORY} begins, for 2 s: slow", self.d.output())
        # nobody purges this filter: the kernel lets them pass by itself
        self.assertTrue(wait_for(lambda: self.ask(MALLORY) and self.ask(MALLORY6), 5))
        self.assertEqual(self.counts(), {})
        self.assertEqual(self.entries(), {MALLORY, MALLORY6})
        self.run_line("dyn:purgeExpired()")
        self.assertEqual(self.entries(), set())

    def entries(self):
        """Addresses of the far side that are in the kernel's maps, past their time or not."""
        found = set()
        for path in self.PATHS:
            done = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", path], capture_output=True, text=True,
                                  check=True)
            found |= {bytes(int(octet, 16) for octet in entry["key"]) for entry in json.loads(done.stdout)}
        return {a for a in Cable.THERE + Cable.THERE6 if packed(a) in found}

    def test_longer_ones_stay_and_static_ones_too(self):
        self.run_line(f"bpf:block(newCA('{MALLORY}')) dyn:block(newCA('{MALLORY}'), 1) dyn:block(newCA('{ALICE}'), 30)"
                      f"dyn:block(newCA('{ALICE}'), 1)")
        time.sleep(1.2)
        self.assertTrue(self.dropped(MALLORY))
        self.assertTrue(self.dropped(ALICE))
        self.run_line(f"bpf:unblock(newCA('{MALLORY}')) bpf:unblock(newCA('{ALICE}'))")

    def test_registered_ones_are_purged(self):
        self.run_line(f"registerDynBPFFilter(dyn) dyn:block('{Cable.THERE[4]}', 1)")
        self.assertIn(Cable.THERE[4], self.counts())
        self.assertTrue(wait_for(lambda: Cable.THERE[4] not in self.entries(), 5))
        self.run_line("unregisterDynBPFFilter(dyn)")

    def test_excluded_ranges(self):
        self.run_line(f'''d2 = newDynBPFFilter(bpf) d2:excludeRange({{"10.53.0.0/24", "fd53::/64"}})
            d2:includeRange("{MALLORY}/32")
            addBPFFilterDynBlocks({{["{MALLORY}"] = 1, ["{ALICE}"] = 1, ["{ALICE6}"] = 1}}, d2, 30)''')
        self.assertEqual(set(self.counts()) & {MALLORY, ALICE, ALICE6}, {MALLORY})
        self.run_line(f"bpf:unblock(newCA('{MALLORY}'))")

    def test_bad_arguments(self):
        for line, want in (("addBPFFilterDynBlocks('x', dyn)", "must be a table"),
                           ("addBPFFilterDynBlocks({x = 1}, dyn)", "x"),
                           ("addBPFFilterDynBlocks({}, bpf)", "DynBPFFilter"),
                           ("addBPFFilterDynBlocks({}, dyn, 0)", "seconds"),
                           ("newDynBPFFilter(dyn)", "BPFFilter"),
                           ("dyn:excludeRange('x')", "x"),
                           ("bpf:block('x')", "x"), ("bpf:blockQName({})", "name")):
            text = self.d.console(line)
            self.assertIn("rror", text, line)
            self.assertIn(want, text)


class DynamicBlocks(Network):
    """Dynamic blocks in the default filter."""

    CONFIG = f'''bpf = newBPFFilter({{{FILTER}}}) setDefaultBPFFilter(bpf)
        addDynamicBlock("{Cable.THERE[5]}", "from the start", DNSAction.Drop, 600)
        addAction(QNameRule("flood.example"), RCodeAction(DNSRCode.REFUSED)) flooders = dynBlockRulesGroup() flooders:setQueryRate(20, 1, "flood", 5)
        function maintenance() flooders:apply() end'''

    def setUp(self):
        self.run_line("clearDynBlocks() setDynBlocksAction(DNSAction.Drop)")

    def rows(self, d=None):
        """showDynBlocks as {what: (blocks, action, in the kernel)}."""
        found = {}
        for line in (d or self.d).console("showDynBlocks()").splitlines()[1:]:
            found[line[:24].strip().split("/")[0]] = (int(line[33:42]), line[53:74].strip(), line[74:84].strip() == "*")
        return found

    def block(self, source, more="", d=None):
        self.run_line(f'addDynamicBlock(newCA("{source}"), "test"{more})', d)

    def test_dropped_there_and_counted_here(self):
        for source in (MALLORY, MALLORY6):
            before = self.d.stat("dyn-blocked")
            self.block(source, ", DNSAction.Drop, 600")
            self.assertTrue(self.dropped(source))
            self.assertTrue(self.dropped(source))
            self.assertEqual(self.rows()[source], (2, "Drop", True))
            self.assertEqual(self.d.stat("dyn-blocked"), before + 2)
            self.assertEqual(self.d.lua(f"(function() for k, b in pairs(getDynamicBlocks()) do if "
                                        f"k:find('{source}/', 1, true) then return tostring(b.bpf) .. b.blocks end end end)()"),
                             "true2")
        self.assertTrue(self.answered(ALICE))
        self.assertTrue(self.answered(ALICE6))
        self.run_line("clearDynBlocks()")
        self.assertEqual(self.counts(), {})
        self.assertTrue(self.answered(MALLORY))

    def test_blocks_of_the_file(self):
        d = self.near(self.CONFIG)
        self.assertTrue(self.rows(d)[Cable.THERE[5]][2])
        self.assertTrue(self.dropped(Cable.THERE[5], d=d))

    def test_the_action_of_all_blocks_is_followed(self):
        self.block(MALLORY)
        self.assertTrue(self.dropped(MALLORY))
        self.run_line("setDynBlocksAction(DNSAction.Refused)")
        self.assertEqual(self.ask(MALLORY).rcode(), dns.rcode.REFUSED)
        self.assertEqual(self.rows()[MALLORY], (2, "Send Refused", False))  # what the kernel counted is not lost
        self.run_line("setDynBlocksAction(DNSAction.Drop)")
        self.assertTrue(self.dropped(MALLORY))
        self.block(ALICE, ", DNSAction.Refused")
        self.assertEqual(self.rows()[ALICE], (0, "Send Refused", False))

    def test_what_the_kernel_can_not_do(self):
        self.block(MALLORY, ", DNSAction.Truncate")  # by a socket
        self.assertTrue(self.ask(MALLORY).flags & dns.flags.TC)
        self.block(ALICE, ", DNSAction.Drop, 60, 24")
        self.run_line('addDynBlockSMT({"evil.example"}, "test", 60)')
        self.assertEqual({what: row[2] for what, row in self.rows().items()},
                         {MALLORY: False, "10.53.0.0": False, "evil.example.": False})

    def test_blocks_of_ports_decide_first(self):
        self.block(MALLORY, ", DNSAction.Drop, 60")
        self.assertTrue(self.rows()[MALLORY][2])
        self.run_line(f'addDynamicBlock("{Cable.THERE[3]}:8192", "ports", DNSAction.NoOp, 60, 32, 3)')
        self.assertFalse(self.rows()[MALLORY][2])
        self.assertIsNone(self.ask(MALLORY))
        self.run_line("clearDynBlocks()")
        self.block(MALLORY, ", DNSAction.Drop, 60")
        self.assertTrue(self.rows()[MALLORY][2])

    def test_a_command_that_fails(self):
        self.d.console(f'addDynamicBlock("{MALLORY}", "no") error("no")')
        self.assertTrue(self.answered(MALLORY))
        self.block(MALLORY)
        self.d.console("clearDynBlocks() setDynBlocksAction(DNSAction.Refused) error('no')")
        self.assertTrue(self.dropped(MALLORY))

    def test_it_ends_here_when_it_has_ended_there(self):
        begin = time.monotonic()
        self.block(MALLORY, ", DNSAction.Drop, 6")
        self.assertTrue(self.dropped(MALLORY))
        self.assertTrue(wait_for(lambda: not self.rows()[MALLORY][2], 6, every=0.1))
        self.assertLess(time.monotonic() - begin, 5.5)
        before = self.d.stat("queries")
        self.assertIsNone(self.ask(MALLORY))
        self.assertEqual(self.d.stat("queries"), before + 1)
        self.assertTrue(wait_for(lambda: self.ask(MALLORY), 5))

    def test_the_operators_entries_stay_his(self):
        self.run_line(f'bpf:block(newCA("{MALLORY}"))')
        self.block(MALLORY)
        self.assertTrue(self.dropped(MALLORY))
        self.assertEqual(self.rows()[MALLORY], (0, "Drop", False))
        self.run_line("clearDynBlocks()")
        self.assertTrue(self.dropped(MALLORY))
        self.run_line(f'bpf:unblock(newCA("{MALLORY}"))')

    def test_a_full_map(self):
        d = self.near("bpf = newBPFFilter({ipv4MaxItems=1}) setDefaultBPFFilter(bpf)")
        for source in (MALLORY, ALICE, Cable.THERE[2]):
            self.block(source, ", DNSAction.Drop, 60", d)
            self.assertIsNone(self.ask(source, d=d))
        self.assertEqual([row[2] for row in self.rows(d).values()].count(True), 1)
        self.assertEqual(sum(row[0] for row in self.rows(d).values()), 3)
        self.assertEqual(d.output().count("the kernel's map is full: ipv4MaxItems is 1"), 1)
        self.block(MALLORY6, d=d)
        self.assertIsNone(self.ask(MALLORY6, d=d))
        self.assertFalse(self.rows(d)[MALLORY6][2])

    def flood(self, seconds, source=MALLORY):
        """Sends as fast as it can, from some ports, so that all workers meet it; how many."""
        wire = clients.make("flood.example").to_wire()
        sockets = []
        with self.cable.inside_there():
            for _ in range(16):
                sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sockets[-1].bind((source, 0))
        n, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for s in sockets:
                s.sendto(wire, (Cable.HERE, self.d.port))
            n += len(sockets)
            time.sleep(0.001)
        for s in sockets:
            s.close()
        return n

    def test_a_flood(self):
        self.flood(1)
        self.assertTrue(wait_for(lambda: self.rows().get(MALLORY, (0, "", False))[2], 5))
        queries, blocked = self.d.stat("queries"), self.d.stat("dyn-blocked")
        at = self.rows()[MALLORY][0]
        sent = self.flood(1)
        self.assertEqual(self.rows()[MALLORY][0], at + sent)
        self.assertEqual(self.d.stat("queries"), queries)
        self.assertEqual(self.d.stat("dyn-blocked"), blocked + sent)
        self.assertTrue(self.answered(ALICE))
        self.assertTrue(self.answered(ALICE, tcp=True))
        # who goes on at the end is seen, and is blocked for longer: there is but one block
        self.flood(5)
        self.assertGreater(self.rows()[MALLORY][0], at + 3 * sent)
        self.assertEqual(self.d.output().count(f"block of {MALLORY}/32 begins"), 1)
        self.assertTrue(wait_for(lambda: MALLORY not in self.rows(), 8))
        self.assertTrue(self.answered(MALLORY))


class Interfaces(Network):
    """XDP: before all else, and with an answer that says TC."""

    CONFIG = f'''bpf = newBPFFilter({{{FILTER}, interfaces={{"here0"}}, genericXDP=true}}) setDefaultBPFFilter(bpf)'''

    def program(self, link="here0"):
        """The line of ip-link that names an XDP program; None: there is none."""
        lines = ip("-n", self.cable.here, "link", "show", "dev", link).splitlines()
        return next((line for line in lines if "xdp" in line), None)

    def dig(self, name, *options, source=MALLORY):
        where = Cable.HERE6 if ":" in source else Cable.HERE
        with self.cable.inside_there():
            return subprocess.run(["dig", f"@{where}", "-p", str(self.d.port), "-b", source, "+tries=1", "+timeout=3",
                                   *options, name], capture_output=True, text=True).stdout

    def test_drops(self):
        self.assertIn("xdpgeneric", self.program())
        for source in (MALLORY, MALLORY6):
            self.run_line(f'bpf:block(newCA("{source}"))')
            self.assertTrue(self.dropped(source))
            self.assertTrue(self.dropped(source, tcp=True))
            self.run_line(f'bpf:unblock(newCA("{source}"))')
            self.assertTrue(self.answered(source))

    def test_in_the_driver(self):
        d = self.near(self.CONFIG.replace("here0", "lo").replace(", genericXDP=true", ""))
        self.assertIn("xdp", self.program("lo"))
        self.assertIn("interface lo: its driver takes no XDP program", d.output())
        d.stop()
        self.assertIsNone(self.program("lo"))
        self.d.stop()
        d = self.near(self.CONFIG.replace(", genericXDP=true", ""))
        self.assertNotIn("generic", self.program())
        self.run_line(f'bpf:block(newCA("{MALLORY}"))', d)
        self.assertTrue(self.dropped(MALLORY, d=d))
        self.assertTrue(self.answered(ALICE, d=d))
        # veth sends what XDP answers only to a peer that has an XDP program: one that lets all pass
        ip("-n", self.cable.there, "link", "set", "dev", "there0", "xdpdrv", "obj",
           os.path.join(BUILD, "core", "bpf", "filter.bpf.o"), "sec", "xdp")
        self.run_line('bpf:addRangeRule("10.53.0.2/31", 2, true) bpf:addRangeRule("fd53::/64", 2)', d)
        for source in (ALICE, ALICE6):
            self.assertTrue(self.ask(source, d=d, timeout=5).flags & dns.flags.TC)
            self.assertTrue(self.answered(source, tcp=True, d=d))
        ip("-n", self.cable.there, "link", "set", "dev", "there0", "xdpdrv", "off")
        # it goes with the process, however that ends
        d.popen.kill()
        d.popen.wait()
        d.stopped = True
        self.assertTrue(wait_for(lambda: self.program() is None, 3))
        type(self).d = NetDaemon(type(self), self.cable, self.servers + self.CONFIG)
        type(self).addClassCleanup(self.d.finish)

    def test_ranges_that_are_truncated(self):
        self.run_line('bpf:addRangeRule("10.53.0.2/31", 2) bpf:addRangeRule("fd53::2/128", 2)')
        before = self.d.stats()
        for source in (MALLORY, MALLORY6):
            for options in ([], ["+noedns"], ["+dnssec", "+nocookie"]):
                text = self.dig("wWw.Example.org", "+ignore", *options, source=source)
                self.assertIn("status: NOERROR", text)
                self.assertIn("flags: qr tc rd; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0", text)
                self.assertIn("wWw.Example.org.", text)
                self.assertNotIn("warning", text.lower().replace("warning: recursion requested but not available", ""))
        self.assertEqual(self.d.stat("queries"), before["queries"])
        self.assertEqual(self.counts()["10.53.0.2/31"], 3)
        # over TCP all is as ever, and dig goes there by itself
        self.assertIn("192.0.2.1", self.dig("www.example.org"))
        self.assertIn("192.0.2.1", self.dig("www.example.org", source=MALLORY6))
        r = self.ask(MALLORY, name="x" * 60 + "." + "y" * 60 + ".example", payload=4096, use_edns=0)
        self.assertTrue(r.flags & dns.flags.TC)
        self.assertTrue(self.answered(Cable.THERE[2]))
        self.run_line('bpf:rmRangeRule("10.53.0.2/31") bpf:rmRangeRule("fd53::2/128")')

    def test_names(self):
        self.run_line('bpf:blockQName("evil.example", DNSQType.A)')
        self.assertTrue(self.dropped(name="EVIL.example"))
        self.assertTrue(self.dropped(ALICE6, name="evil.exAMPLE"))
        self.assertTrue(self.answered(name="evil.example", rtype="AAAA"))
        self.assertTrue(self.answered(name="evil.example", tcp=True))
        self.run_line('bpf:unblockQName("evil.example", DNSQType.A)')

    def test_dynamic_blocks_that_truncate(self):
        self.run_line(f'addDynamicBlock("{MALLORY}", "test", DNSAction.Truncate, 600)')
        before = self.d.stats()
        self.assertTrue(self.ask(MALLORY).flags & dns.flags.TC)
        after = self.d.stats()
        self.assertEqual((after["queries"], after["dyn-blocked"]), (before["queries"], before["dyn-blocked"] + 1))
        self.assertRegex(self.d.console("showDynBlocks()"), rf"{MALLORY}/32 +\d+ +1 false +Truncate over UDP +\* +test")
        self.assertTrue(self.answered(MALLORY, tcp=True))
        self.run_line("clearDynBlocks()")
        self.assertTrue(self.answered(MALLORY))

    def test_what_is_for_others(self):
        """A server of somebody else on the same port of another address."""
        self.run_line(f'bpf:block(newCA("{MALLORY}"))')
        self.cable.addresses(self.cable.here, "here0", ["10.53.0.99"], [])
        with self.cable.inside_here(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("10.53.0.99", self.d.port))
            s.settimeout(5)
            with self.cable.inside_there(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
                c.bind((MALLORY, 0))
                c.sendto(b"x", ("10.53.0.99", self.d.port))
            self.assertEqual(s.recv(10), b"x")
        self.run_line(f'bpf:unblock(newCA("{MALLORY}"))')

    def test_an_interface_that_is_taken(self):
        d = self.near(self.CONFIG)
        self.assertIn("interface here0: the XDP program can't be attached: another one is there", d.output())
        self.assertTrue(self.answered(d=d))
        self.run_line(f'bpf:block(newCA("{MALLORY}"))', d)
        self.assertTrue(self.dropped(MALLORY, d=d))  # by the sockets' program


class Shared(Network):
    """Pinned maps: kept, shared, and another's."""

    def setUp(self):
        tag = f"{PINS}/e2e-{os.getpid()}-{self._testMethodName}"
        self.paths = {name: f"{tag}-{name}" for name in ("ipv4", "ipv6", "cidr4", "cidr6", "qnames")}
        self.addCleanup(unpin, *self.paths.values())

    def pinned(self, more=FILTER, only=None):
        at = ", ".join(f'{name}PinnedPath="{path}"' for name, path in self.paths.items() if only in (None, name))
        return f"bpf = newBPFFilter({{{more}{', ' if more else ''}{at}}})"

    def test_kept_and_shared(self):
        first = self.near(self.pinned() + " setDefaultBPFFilter(bpf)")
        for path in self.paths.values():
            self.assertTrue(os.path.exists(path), path)
        self.run_line(f'''bpf:block(newCA("{MALLORY}")) bpf:block(newCA("{MALLORY6}"))
            bpf:blockQName("evil.example") bpf:addRangeRule("{Cable.THERE[3]}/32", 1)
            addDynamicBlock("{Cable.THERE[4]}", "goes with its process", DNSAction.Drop, 600)''', first)
        self.assertIn(Cable.THERE[4], self.counts(d=first))
        first.stop()
        # sizes are those of the maps that are there
        second = self.near(self.pinned("") + " setDefaultBPFFilter(bpf)")
        for source in (MALLORY, MALLORY6, Cable.THERE[3]):
            self.assertTrue(self.dropped(source, d=second))
        self.assertTrue(self.dropped(name="evil.example", d=second))
        self.assertTrue(self.answered(Cable.THERE[4], d=second))
        # a third one works on the same maps, with no program of its own
        third = self.near(self.pinned("external=true") + " setDefaultBPFFilter(bpf)")
        self.run_line(f'bpf:unblock(newCA("{MALLORY}"))', third)
        self.run_line(f'bpf:block(newCA("{ALICE}"))', third)
        self.assertTrue(self.answered(MALLORY, d=second))
        self.assertTrue(self.dropped(ALICE, d=second))
        self.assertTrue(self.answered(ALICE, d=third))
        self.assertEqual(self.counts(d=third)[ALICE], 1)
        self.run_line(f'addDynamicBlock("{Cable.THERE[5]}", "test", DNSAction.Drop, 600)', third)
        self.assertTrue(self.dropped(Cable.THERE[5], d=second))
        self.assertIn("no program to attach", third.console("bpf:attachToAllBinds()"))

    def test_bad_options(self):
        v4 = self.paths["ipv4"]
        subprocess.run(["bpftool", "map", "create", v4, "type", "hash", "key", "4", "value", "8", "entries", "1",
                        "name", "other"], check=True)
        for options, want in (
                ("{}", "without room for anything"),
                ("{external=true}", "needs a path"),
                ("{external=true, ipv4MaxItems=5}", "needs ipv4PinnedPath"),
                ('{external=true, ipv4PinnedPath="/sys/fs/bpf/e2e-none"}', "there is no map at"),
                ('{ipv6PinnedPath="/sys/fs/bpf/e2e-none"}', "ipv6MaxItems does not say how large"),
                ('{ipv4MaxItems=5, ipv4PinnedPath="/etc/passwd"}', "must be one on a bpf file system"),
                (f'{{ipv4MaxItems=5, ipv4PinnedPath="{v4}"}}', "values of 8 octets; type 1 with 4 and 24"),
                (f'{{external=true, ipv6PinnedPath="{v4}"}}', "with 16 and 24 would be right"),
                ('{ipv4MaxItems=5, interfaces={"e2e-none"}}', "there is no interface 'e2e-none'"),
                ('{ipv4MaxItems=5, interfaces={}}', "must be a list of names"),
                ('{ipv4MaxItems=5, interfaces={5.5, {}}}', "list of names"),
                ('{ipv4MaxItems="many"}', "ipv4MaxItems"), ("{ipv4MaxItems=-1}", "ipv4MaxItems"),
                ("5, 5, {x = 1}", "maxItems or pinnedPath"), ("", "must be a table"), ("'x'", "ipv4MaxItems")):
            path = os.path.join(self.folder(), "bad.conf")
            with open(path, "w") as f:
                f.write(f'addLocal("127.0.0.1:{free_port()}") newBPFFilter({options})')
            done = run_dnsdist("--supervised", "--disable-syslog", "-C", path)
            self.assertEqual(done.returncode, 1, options)
            self.assertIn(want, done.stdout + done.stderr, options)
            self.assertIn("bad.conf:1", done.stdout + done.stderr, options)

    def test_a_place_that_can_not_be_pinned_at(self):
        d = self.near('bpf = newBPFFilter({ipv4MaxItems=5, ipv4PinnedPath="/tmp/e2e-none/x"}) setDefaultBPFFilter(bpf)')
        self.assertIn("can't pin a map at '/tmp/e2e-none/x'", d.output())
        self.run_line(f'bpf:block(newCA("{MALLORY}"))', d)
        self.assertTrue(self.dropped(MALLORY, d=d))

    def test_former_forms(self):
        d = self.near(f'''a = newBPFFilter(5, 6, 7) b = newBPFFilter({{maxItems=5, pinnedPath="{self.paths["ipv4"]}"}},
            {{maxItems=6}}, {{maxItems=7}}) setDefaultBPFFilter(b) b:block(newCA("{MALLORY}"))
            a:blockQName("x") b:blockQName("x")''')
        self.assertIn("is a former form", d.output())
        self.assertTrue(os.path.exists(self.paths["ipv4"]))
        self.assertTrue(self.dropped(MALLORY, d=d))
        self.assertIn("made without room for this: cidr4MaxItems is 0", d.console('b:addRangeRule("10.0.0.0/8", 1)'))

    def test_a_check_makes_nothing(self):
        done = self.check(self.pinned() + ' setDefaultBPFFilter(bpf) bpf:block(newCA("192.0.2.1")) '
                          "newDynBPFFilter(bpf):block('192.0.2.2')")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn(NO_KERNEL, done.stdout)
        self.assertEqual([p for p in self.paths.values() if os.path.exists(p)], [])


class Without(Network):
    """No capability, or none any more."""

    CONFIG_ = f'''bpf = newBPFFilter({{{FILTER}}}) setDefaultBPFFilter(bpf) bpf:block(newCA("{MALLORY}"))
        dyn = newDynBPFFilter(bpf) bpf:addRangeRule("10.0.0.0/8", 1) bpf:blockQName("x")'''

    def test_one_line_and_on(self):
        d = self.near(self.CONFIG_, before="setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-all")
        self.assertEqual(d.output().count(NO_KERNEL), 1)
        self.assertIn("it needs the capability CAP_BPF at the start", d.output())
        self.assertTrue(self.answered(d=d))
        self.assertTrue(self.answered(MALLORY, d=d))
        # what is for a while is done in user space
        self.run_line(f'addBPFFilterDynBlocks({{["{MALLORY}"] = 1}}, dyn, 60, "test") dyn:block("{MALLORY6}", 60)', d)
        self.run_line(f'addDynamicBlock("{ALICE}", "test", DNSAction.Drop, 60)', d)
        for source in (MALLORY, MALLORY6, ALICE):
            before = d.stat("queries")
            self.assertIsNone(self.ask(source, d=d))
            self.assertEqual(d.stat("queries"), before + 1)
        self.assertNotIn("*", d.console("showDynBlocks()"))
        self.assertEqual(self.counts(d=d), {})
        self.run_line("registerDynBPFFilter(dyn) bpf:attachToAllBinds() getBind(0):attachFilter(bpf) "
                      f"bpf:unblock(newCA('{MALLORY}')) dyn:purgeExpired() return bpf:lsRangeRule()", d)
        self.assertEqual(d.output().count(NO_KERNEL), 1)

    def test_interfaces_need_more(self):
        d = self.near(f'bpf = newBPFFilter({{{FILTER}, interfaces={{"here0"}}}}) setDefaultBPFFilter(bpf)',
                      before="setpriv --bounding-set=-sys_admin,-perfmon --inh-caps=-all")
        self.assertIn("XDP on interfaces needs the capabilities CAP_NET_ADMIN and CAP_PERFMON", d.output())
        self.assertTrue(self.answered(d=d))

    def test_least_capabilities(self):
        for config, caps in (("", "+bpf"), (', interfaces={"here0"}, genericXDP=true', "+bpf,+net_admin,+perfmon")):
            d = self.near(f"bpf = newBPFFilter({{{FILTER}{config}}}) setDefaultBPFFilter(bpf) "
                          f"bpf:block(newCA('{MALLORY}')) bpf:blockQName('x')",
                          before=f"setpriv --bounding-set=-all,{caps} --inh-caps=-all")
            self.assertNotIn(NO_KERNEL, d.output())
            self.assertTrue(self.dropped(MALLORY, d=d))
            self.assertTrue(self.dropped(name="X", d=d))
            d.stop()

    def test_privileges_that_were_given_up(self):
        d = self.near(self.CONFIG_ + " bpf:rmRangeRule('10.0.0.0/8')", args=["--uid", "nobody", "--gid", "nogroup"])
        self.assertNotIn(NO_KERNEL, d.output())
        self.assertTrue(self.dropped(MALLORY, d=d))
        self.run_line(f'''bpf:unblock(newCA("{MALLORY}")) bpf:block(newCA("{ALICE}")) bpf:attachToAllBinds()
            getBind(0):detachFilter() getBind(0):attachFilter(bpf) addDynamicBlock("{MALLORY6}", "t", DNSAction.Drop, 60)''', d)
        self.assertTrue(self.answered(MALLORY, d=d))
        self.assertTrue(self.dropped(ALICE, d=d))
        self.assertTrue(self.dropped(MALLORY6, d=d))


def unpin(*paths):
    for path in paths:
        if os.path.exists(path):
            os.remove(path)


def packed(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address)


if __name__ == "__main__":
    main()
