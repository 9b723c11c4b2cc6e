#!/usr/bin/python3
"""The kernel filter: what it drops comes no further, for as long as it is to, at the listeners that have it."""
import json
import os
import socket
import struct
import subprocess
import time

import dns.exception
import dns.query

import clients
from harness import main, wait_for
from kernelnet import ALICE, ALICE6, FILTER, MALLORY, MALLORY6, NO_KERNEL, Network
from netns import Cable

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


    def test_a_full_map_of_a_dynamic_filter(self):
        d = self.near("""bpf = newBPFFilter({ipv4MaxItems=2}) setDefaultBPFFilter(bpf) dyn = newDynBPFFilter(bpf)
                         function attack() local t = {} for i = 1, 20 do t["192.0.2." .. i] = i end t["$MALLORY"] = 1
                         t["$MALLORY6"] = 1 addBPFFilterDynBlocks(t, dyn, 60, "attack") end""".replace(
                             "$MALLORY6", MALLORY6).replace("$MALLORY", MALLORY))
        self.run_line("attack() attack()", d)
        self.assertEqual(len(self.counts(d=d)), 2)
        self.assertEqual(int(d.lua("(function() local n = 0 for _ in pairs(getDynamicBlocks()) do n = n + 1 end "
                                   "return n end)()")), 20)
        for source in (MALLORY, MALLORY6):
            self.assertIsNone(self.ask(source, d=d))
        self.assertTrue(self.answered(ALICE, d=d))
        self.assertEqual(d.output().count("has no place for is blocked in user space"), 1)


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

    CONFIG = f'''bpf = newBPFFilter({{{FILTER}, ipv4PinnedPath="$PINS/v4", ipv6PinnedPath="$PINS/v6"}})
        setDefaultBPFFilter(bpf) dyn = newDynBPFFilter(bpf)'''

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
        for path in (f"{self.pins}/v4", f"{self.pins}/v6"):
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


def packed(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address)


if __name__ == "__main__":
    main()
