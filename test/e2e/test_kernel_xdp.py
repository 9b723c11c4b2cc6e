#!/usr/bin/python3
"""The kernel filter at interfaces: it drops before all else, and answers with TC."""
import os
import socket
import subprocess

import dns.flags

from harness import BUILD, main, wait_for
from kernelnet import ALICE, ALICE6, FILTER, MALLORY, MALLORY6, Network
from netns import Cable, NetDaemon, ip

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


if __name__ == "__main__":
    main()
