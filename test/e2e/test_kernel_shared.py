#!/usr/bin/python3
"""The kernel filter's maps pinned, shared, and another's; kernels and capabilities that do not permit it."""
import os
import subprocess

from harness import free_port, main, run_dnsdist, wait_for
from kernelnet import ALICE, FILTER, MALLORY, MALLORY6, NO_KERNEL, Network
from netns import Cable

class Shared(Network):
    """Pinned maps: kept, shared, and another's."""

    def setUp(self):
        self.paths = {name: f"{self.pins}/{self._testMethodName}-{name}" for name in ("ipv4", "ipv6", "cidr4", "cidr6", "qnames")}

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

    def test_each_process_has_its_own_dynamic_blocks(self):
        first = self.near(self.pinned() + " setDefaultBPFFilter(bpf)")
        second = self.near(self.pinned("external=true") + " setDefaultBPFFilter(bpf)")
        for d, source in ((first, MALLORY), (second, MALLORY6), (first, ALICE), (second, ALICE)):
            self.run_line(f'addDynamicBlock("{source}", "test", DNSAction.Drop, 600)', d)
        # the kernel may be asked again a second later
        self.assertTrue(wait_for(lambda: {MALLORY, MALLORY6, ALICE} <= set(self.counts(d=second)), 5), self.counts(d=second))
        self.assertEqual(self.counts(d=first), self.counts(d=second))
        self.assertTrue(self.dropped(MALLORY6, d=first))
        self.assertNotIn(MALLORY6, first.console("showDynBlocks()"))
        self.assertRegex(second.console("showDynBlocks()"), rf"{MALLORY6}/128 +\d+ +1 false +Drop +\* ")
        self.run_line("clearDynBlocks()", first)
        self.assertTrue(self.answered(MALLORY, d=first))
        self.assertTrue(self.dropped(MALLORY6, d=first))
        # one that could not clean up has the next one do it
        self.run_line(f'addDynamicBlock("{MALLORY}", "test", DNSAction.Drop, 600)', first)
        first.popen.kill()
        first.popen.wait()
        first.stopped = True
        self.assertIn(MALLORY, self.counts(d=second))
        third = self.near(self.pinned() + " setDefaultBPFFilter(bpf)")
        self.assertTrue(self.answered(MALLORY, d=third))
        self.assertTrue(self.dropped(MALLORY6, d=third))
        second.stop()
        self.assertTrue(self.answered(MALLORY6, d=third))

    def test_bad_options(self):
        v4 = self.paths["ipv4"]
        subprocess.run(["bpftool", "map", "create", v4, "type", "hash", "key", "4", "value", "8", "entries", "1",
                        "name", "other"], check=True)
        for options, want in (
                ("{}", "without room for anything"),
                ("{external=true}", "needs a path"),
                ("{external=true, ipv4MaxItems=5}", "needs ipv4PinnedPath"),
                ('{external=true, ipv4PinnedPath="/none/e2e-none"}', "there is no map at"),
                ('{ipv6PinnedPath="/none/e2e-none"}', "ipv6MaxItems does not say how large"),
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
            self.assertTrue(wait_for(lambda: d.stat("queries") == before + 1, 5))
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


if __name__ == "__main__":
    main()
