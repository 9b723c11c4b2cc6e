#!/usr/bin/python3
"""Dynamic blocks in the kernel, in a filter of the configuration's and in the automatic one."""
import subprocess
import time

import dns.flags
import dns.rcode

from harness import main, needs, wait_for
from kernelnet import ALICE, ALICE6, FILTER, MALLORY, MALLORY6, Blocks
from netns import Cable

class DynamicBlocks(Blocks):
    """Dynamic blocks in the default filter."""

    CONFIG = f'''bpf = newBPFFilter({{{FILTER}}}) setDefaultBPFFilter(bpf)
        addDynamicBlock("{Cable.THERE[5]}", "from the start", DNSAction.Drop, 600)
        addAction(QNameRule("flood.example"), RCodeAction(DNSRCode.REFUSED)) flooders = dynBlockRulesGroup() flooders:setQueryRate(20, 1, "flood", 9)
        function maintenance() flooders:apply() end'''

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
        self.block(MALLORY, ", DNSAction.Drop, 8")
        self.assertTrue(self.dropped(MALLORY))
        self.assertTrue(wait_for(lambda: not self.rows()[MALLORY][2], 8, every=0.1))
        self.assertLess(time.monotonic() - begin, 7.9)
        before = self.d.stat("queries")
        self.assertIsNone(self.ask(MALLORY))
        self.assertTrue(wait_for(lambda: self.d.stat("queries") == before + 1, 5))
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
        self.assertTrue(wait_for(lambda: sum(row[0] for row in self.rows(d).values()) == 3, 5))
        self.assertEqual(d.output().count("the kernel's map is full: ipv4MaxItems is 1"), 1)
        self.block(MALLORY6, d=d)
        self.assertIsNone(self.ask(MALLORY6, d=d))
        self.assertFalse(self.rows(d)[MALLORY6][2])

    def refuse(self, d, when="1+"):
        """The kernel has no memory for entries; what ends that."""
        tracer = subprocess.Popen(["strace", "-qq", "-f", "-p", str(d.pid), "-e", "trace=bpf",
                                   "-e", f"inject=bpf:error=ENOMEM:when={when}"], stderr=subprocess.DEVNULL)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.kill)
        self.assertTrue(wait_for(lambda: self.is_traced(d)))
        return tracer

    @needs("strace")
    def test_what_the_kernel_refuses_once_is_put_at_once(self):
        d = self.near(self.CONFIG)
        self.refuse(d, "1..4")
        self.block(MALLORY, ", DNSAction.Drop, 600", d)
        self.assertTrue(self.rows(d)[MALLORY][2])
        self.assertTrue(self.dropped(MALLORY, d=d))
        self.assertNotIn("can't be changed", d.output())

    @needs("strace")
    def test_a_longer_block_that_the_kernel_refuses_for_now(self):
        """The entry that is there ends sooner; it is not taken for that of the longer block."""
        d = self.near(self.CONFIG)
        begin = time.monotonic()
        self.block(MALLORY, ", DNSAction.Drop, 10", d)
        self.assertTrue(self.dropped(MALLORY, d=d))
        tracer = self.refuse(d)
        self.block(MALLORY, ", DNSAction.Drop, 600", d)
        tracer.terminate()
        tracer.wait()
        self.assertIn("can't be changed", d.output())
        time.sleep(max(0, begin + 11 - time.monotonic()))
        blocks, _, in_kernel = self.rows(d)[MALLORY]
        self.assertTrue(in_kernel)
        self.assertEqual(blocks, 1)
        self.assertTrue(self.dropped(MALLORY, d=d))

    @needs("strace")
    def test_what_the_kernel_refuses_for_now(self):
        """It has no memory for an entry at this moment."""
        d = self.near(self.CONFIG)
        tracer = self.refuse(d)
        self.block(MALLORY, ", DNSAction.Drop, 600", d)
        self.block(ALICE, ", DNSAction.Drop, 600", d)
        self.assertIn("the kernel's map can't be changed: Cannot allocate memory", d.output())
        self.assertIsNone(self.ask(MALLORY, d=d))
        tracer.terminate()
        self.assertTrue(wait_for(lambda: self.rows(d)[MALLORY][2] and self.rows(d)[ALICE][2]))
        self.assertTrue(self.dropped(MALLORY, d=d))
        self.assertTrue(self.dropped(ALICE, d=d))
        self.assertEqual(d.output().count("can't be changed"), 1)

    @staticmethod
    def is_traced(d):
        with open(f"/proc/{d.pid}/status") as f:
            return "TracerPid:\t0\n" not in f.read()

    def test_a_flood(self):
        self.flood(1)
        self.assertTrue(wait_for(lambda: self.rows().get(MALLORY, (0, "", False))[2], 5))
        sent = self.flood_in_kernel()
        self.assertTrue(self.answered(ALICE))
        self.assertTrue(self.answered(ALICE, tcp=True))
        at = self.rows()[MALLORY][0]
        # who goes on at the end is seen, and is blocked for longer: there is but one block
        self.flood(9)
        self.assertGreater(self.rows()[MALLORY][0], at + 3 * sent)
        self.assertEqual(self.d.output().count(f"block of {MALLORY}/32 begins, for 9 s (Drop): flood"), 1)
        self.assertTrue(wait_for(lambda: MALLORY not in self.rows(), 12))
        self.assertTrue(self.answered(MALLORY))


class Automatic(Blocks):
    """Without a filter of the configuration's: what is dropped often goes into the kernel by itself."""

    CONFIG = 'addAction(QNameRule("flood.example"), RCodeAction(DNSRCode.REFUSED))'

    def test_what_floods(self):
        self.block(MALLORY, ", DNSAction.Drop, 600")
        self.block(ALICE, ", DNSAction.Drop, 600")
        self.assertIsNone(self.ask(ALICE, name="seldom.example"))
        self.assertIn("seldom.example", self.d.console(f'grepq("{ALICE}")'))
        sent = self.flood(1)
        while not self.rows()[MALLORY][2]:
            sent += self.flood(0.2)
            self.assertLess(sent, 100000)
        self.flood_in_kernel()
        self.assertEqual(self.rows()[ALICE], (1, "Drop", False))
        self.assertTrue(self.answered(Cable.THERE[2]))
        self.run_line("setDynBlocksAction(DNSAction.Drop) clearDynBlocks()")
        self.assertTrue(self.answered(MALLORY))

    def test_it_ends(self):
        self.block(MALLORY, ", DNSAction.Drop, 7")
        self.flood(1)
        self.assertTrue(wait_for(lambda: self.flood(0.2) and self.rows()[MALLORY][2], 4))
        self.assertTrue(wait_for(lambda: not self.rows()[MALLORY][2], 7))
        self.assertGreater(self.rows()[MALLORY][0], 1000)
        blocked = self.d.stat("dyn-blocked")
        self.assertIsNone(self.ask(MALLORY))
        self.assertTrue(wait_for(lambda: self.d.stat("dyn-blocked") == blocked + 1, 5))
        self.assertTrue(wait_for(lambda: self.ask(MALLORY), 7))

    def test_turned_off(self):
        for config in ("setKernelFilter(false)", "bpf = newBPFFilter({ipv4MaxItems=5})"):
            d = self.near(self.CONFIG + " " + config)
            self.block(MALLORY, ", DNSAction.Drop, 600", d)
            self.flood(2, d=d)
            blocks, _, in_kernel = self.rows(d)[MALLORY]
            self.assertGreater(blocks, 2000)
            self.assertEqual(d.stat("queries"), blocks)
            self.assertFalse(in_kernel)
        self.assertIn("cannot be used at runtime", self.d.console("setKernelFilter(true)"))

    def test_nothing_is_said_where_it_can_not_be(self):
        d = self.near(self.CONFIG, before="setpriv --bounding-set=-all --inh-caps=-all")
        self.assertNotIn("kernel", d.output())
        self.assertTrue(self.answered(d=d))


if __name__ == "__main__":
    main()
