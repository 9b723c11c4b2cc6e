#!/usr/bin/python3
"""The attacks of the benchmark, scaled down: a block comes when its definition is met, and hits nobody honest."""
import json
import os
import re
import subprocess
import time
import unittest

from harness import BUILD, TestCase, main, wait_for

TOOLS = os.path.join(BUILD, "tools")
CONFIG = '''
    addAction(QNameSuffixRule("noise.test"), DropAction())
    addAction(AllRule(), SpoofAction("192.0.2.1"))
    local dbr = dynBlockRulesGroup()
    dbr:setQueryRate(100, 10, "too many", 60)
    beats = 0
    function maintenance()
        beats = beats + 1
        dbr:apply()
    end
'''


class Tools(TestCase):
    def start(self, d, tool, *options):
        child = subprocess.Popen([os.path.join(TOOLS, tool), "--to", f"127.0.0.1:{d.port}", *map(str, options)],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child


class Attacks(Tools):
    def attacked(self, seconds, *attacks):
        """The daemon, what honest clients saw of it meanwhile, and when the first attack began (wall clock)."""
        d = self.daemon(CONFIG)
        self.assertTrue(wait_for(lambda: int(d.lua("beats").split(".")[0]) > 0))
        honest = self.start(d, "honest", "--duration", seconds, "--qps", 400, "--clients", 100)
        time.sleep(0.2)
        attacks = [self.start(d, "attack", "--duration", seconds - 0.5, *a) for a in attacks]
        outputs = [json.loads(a.communicate()[0]) for a in attacks]
        took = [int(line.split()[2]) for line in honest.communicate()[0].splitlines()]
        begun_at = time.time() - (time.monotonic() - outputs[0]["first_us"] / 1e6)
        return d, took, begun_at

    def only_block(self, d, begun_at):
        """What is blocked, and how long after the attack's begin it came."""
        blocks = [line.split()[0] for line in d.console("showDynBlocks()").splitlines()[1:]]
        self.assertEqual(len(blocks), 1, blocks)
        when = re.search(rf'block of {blocks[0]} begins.* ts="([0-9.]+)"', d.output())
        return blocks[0], float(when.group(1)) - begun_at

    def test_a_flood_from_one_source(self):
        d, took, begun_at = self.attacked(3, ("--qps", 10000, "--from", "127.64.0.1"))
        block, after = self.only_block(d, begun_at)
        self.assertEqual(block, "127.64.0.1/32")
        self.assertGreaterEqual(after, 1000 / 10000 - 0.002)  # the definition: more than 1,000 queries in 10 s
        self.assertLess(after, 1000 / 10000 + 0.5)  # a reading every 100 ms, on a machine that does other things
        self.assertEqual(sum(t < 0 for t in took), 0, "honest queries without an answer")
        self.assertGreater(d.stats()["dyn-blocked"], 10000)

    def test_an_abuser_amid_noise(self):
        d, took, begun_at = self.attacked(7.5, ("--qps", 200, "--from", "127.90.0.1"),
                                          ("--qps", 10000, "--from", "127.100.0.1", "--sources", 9900000,
                                           "--zone", "noise.test", "--names", 1000))
        block, after = self.only_block(d, begun_at)
        self.assertEqual(block, "127.90.0.1/32")
        self.assertGreater(after, 5)
        self.assertLess(after, 6.5)
        # The ring alone, by which dnsdist computes: 10,000 queries are one second of this, so of the 1,001 that
        # are to be seen of him there never were more than these.
        of_him = d.lua('(function() local n = 0 for _, e in ipairs(getRingEntries()) do '
                       'if e.requestor:toString() == "127.90.0.1" and not e.isResponse then n = n + 1 end end '
                       'return n end)()')
        self.assertIn(int(of_him.split(".")[0]), range(1, 500))
        self.assertEqual(sum(t < 0 for t in took), 0, "honest queries without an answer")


# What a query costs is made large (none of these can be looked up): some thousands a second are too many for a worker
# then, and the flood is one of which any machine can throw away what it does not answer.
FLOOD = ("--qps", 20000, "--from", "127.64.0.1")
SLOW = """
    for i = 1, 12000 do addAction(ProbaRule(0), DropAction()) end
    addAction(AllRule(), SpoofAction("192.0.2.1"))
"""


@unittest.skipIf(os.path.basename(BUILD) != "release", "how much a core can do is shown without sanitizers")
class Overload(Tools):
    """More than can be taken in, and no block that would end it."""

    def flooded(self, d, *attack):
        """Shares of honest queries that were answered, before the flood and when it has lasted for two seconds."""
        honest = self.start(d, "honest", "--duration", 9, "--qps", 400, "--clients", 100)
        begun_us = time.monotonic() * 1e6
        time.sleep(2.5)
        self.start(d, "attack", "--duration", 6, *FLOOD, *attack)
        queries = [(int(due) - begun_us, int(took) >= 0) for due, _, took in
                   (line.split() for line in honest.communicate()[0].splitlines())]
        return [sum(parts) / len(parts) for parts in ([ok for due, ok in queries if due < 2.4e6],
                                                      [ok for due, ok in queries if 5e6 < due < 8e6])]

    def test_newcomers_yield(self):
        for attack in ((), ("--sources", 100000, "--stride", 64)):
            with self.subTest(attack):
                d = self.daemon(SLOW)
                before, under = self.flooded(d, *attack)
                self.assertEqual(before, 1)
                # how many of theirs are answered depends on the machine: `make bench` shows it, and test_overload.c
                self.assertGreater(under, 0.2)
                self.assertGreater(d.stat("overload-drops"), 5000)
                self.assertIn("much more than usual are dropped", d.output())
                self.assertIn(" 127.", d.console('grepq("127.64.0.0/10", 5)'))  # the ring has what was dropped
                self.assertTrue(wait_for(lambda: "all queries are taken in again" in d.output(), 15))

    def test_without(self):
        d = self.daemon(SLOW + "setOverloadProtection(false)")
        before, under = self.flooded(d)
        self.assertEqual(before, 1)
        self.assertLess(under, 0.8)  # so it was too much
        self.assertEqual(d.stat("overload-drops"), 0)

    def test_a_block_comes_of_what_is_dropped(self):
        """At runtime; and what is dropped counts for rates."""
        d = self.daemon(SLOW + """
            setOverloadProtection(false)
            local dbr = dynBlockRulesGroup()
            dbr:setQueryRate(5000, 2, "too many", 60)
            function maintenance() dbr:apply() end""")
        d.console("setOverloadProtection(true)")
        self.flooded(d)
        self.assertGreater(d.stat("overload-drops"), 1000)
        self.assertIn("127.64.0.1/32", d.console("showDynBlocks()"))


if __name__ == "__main__":
    main()
