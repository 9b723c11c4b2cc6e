#!/usr/bin/python3
"""Every function, method, attribute and option about abuse stands in a page that uses it on real traffic.

  dynblocks        blocks by hand: prefixes, ports, names, actions, times, how they are shown
  dynblock_rules   groups of rules that block by themselves, the exceed functions, the examples of the documentation
  dynblock_ffi     native visitors of the tree of names
  dynblock_operator  who blocks himself gets back in
  rings            grepq, top lists, tables, the tree of names
  query_count      queries counted by name
  slow_lua         Lua that is slow, never ends or fails
  rules_live       TimedIPSetRule
  dynblock_clumsy  what is wrong in an argument; not counted here, as nothing asks a question there
"""
import os
import re

from harness import BUILD, TestCase, main

HERE = os.path.dirname(os.path.abspath(__file__))
ROW = re.compile(r"^(?:([\w.]+)[:.])?(\w+)(\(.*\))? - ", re.M)

PAGES = ["dynblocks", "dynblock_rules", "dynblock_ffi", "dynblock_operator", "rings", "query_count", "slow_lua", "rules_live"]

OBJECTS = ["DynBlockRulesGroup", "DynBlock", "LuaRingEntry", "StatNode", "StatNodeStats", "DNSQuestion", "ffi.C"]

# Groups of functions in the manual; and those of others.
GROUPS = ["Dynamic blocks", "Traffic"]
OTHERS = """setDynBlocksPurgeInterval setQueryCount setQueryCountFilter getQueryCounters clearQueryCounters setLuaTimeLimit
    addMaintenanceCallback TimedIPSetRule""".split()

OPTIONS = ["addDynBlockSMT", "addDynamicBlock", "setRingBuffersOptions", "grepq"]

# Kernel filters are for another page.
BY_KERNEL = ["addBPFFilterDynBlocks"]


class Complete(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.text = ""
        for page in PAGES:
            with open(os.path.join(HERE, f"test_{page}.py")) as f:
                cls.text += f.read()
        with open(os.path.join(BUILD, "man", "dnsdist.conf.5")) as f:
            cls.manual = f.read()
        cls.rows = ROW.findall(cls.class_daemon().console("help()"))

    def group(self, name):
        """Functions in a group of the manual."""
        found = re.search(rf'^\.SS "?{name}"?\n((?:(?!\.S[SH]).*\n)*)', self.manual, re.M)
        self.assertTrue(found, name)
        return re.findall(r"^\.B (\w+)\\fR", found.group(1), re.M)

    def names(self):
        return [name for group in GROUPS for name in self.group(group)] + OTHERS

    def unused(self, names, before=""):
        return [name for name in names if not re.search(rf"{before}\b{name}\b", self.text)]

    def test_the_manual_is_read_right(self):
        names = self.names()
        for name in ("addDynBlocks", "exceedQRate", "dynBlockRulesGroup", "grepq", "topSlow", "getRingEntries",
                     "statNodeRespRing", "setRingBuffersSize"):
            self.assertIn(name, names)
        self.assertGreater(len(names), 40)

    def test_each_function_is_called(self):
        skipped = ["setRingBuffersLockRetries"] + BY_KERNEL  # a former form that does nothing
        self.assertEqual([name for name in self.unused(self.names()) if name not in skipped], [])

    def test_each_member_is_used(self):
        members = {o: [name for owner, name, _ in self.rows if owner == o] for o in OBJECTS}
        for o, names in members.items():
            self.assertTrue(names, o)
            before = r"""(?:[.:]|\[["'])"""
            if o == "ffi.C":  # the page puts names together
                names, before = [re.sub("^dnsdist_ffi_stat_node_get_", "", name) for name in names], ""
            self.assertEqual(self.unused(names, before), [], o)
        self.assertGreaterEqual(len(members["DynBlockRulesGroup"]), 18)

    def test_each_option_is_given(self):
        options = {option for name in OPTIONS
                   for entry in re.findall(rf"^\.B {name}\\fR.*\n.*\n\.RS\n((?:.*\n)*?)\.RE", self.manual, re.M)
                   for option in re.findall(r"^\.I (\w+)", entry, re.M)}
        self.assertGreaterEqual(len(options), 6)
        options.discard("lockRetries")  # a hint
        self.assertEqual([o for o in sorted(options) if not re.search(rf"[{{ ,]{o} ?=", self.text)], [])

    def test_each_metric_is_read(self):
        for name in ("dyn-blocked", "dyn-block-nmg-size", "lua-callback-errors", "query-count-lost"):
            self.assertIn(f'"{name}"', self.text)


if __name__ == "__main__":
    main()
