#!/usr/bin/python3
"""setSuffixMatchRuleFFI: native visitors of the tree of names, as configurations for LuaJIT write them; beside Debian's."""
import os
import re
import time

import clients
from fakeserver import FakeServer, address, answer
from harness import BUILD, DEBIAN_DNSDIST, TestCase, main, wait_for

GET = "dnsdist_ffi_stat_node_get_"
# Those of the reference that Debian's release has, and those that came later.
COUNTS = """queries_count noerrors_count nxdomains_count servfails_count drops_count labels_count children_count
    children_queries_count children_noerrors_count children_nxdomains_count children_servfails_count
    children_drops_count""".split()
LATER = ["hits", "children_hits", "bytes", "children_bytes_count"]

VISITOR = '''
    local ffi = require("ffi")
    local C = ffi.C
    if ffi.cdef then -- Debian's release does not declare them itself
        local uints = "labels_count children_count"
        for _, what in ipairs(WHAT) do
            ffi.cdef((uints:find(what, 1, true) and "unsigned int" or "uint64_t") ..
                     " dnsdist_ffi_stat_node_get_" .. what .. "(const void *node)")
        end
        ffi.cdef("void dnsdist_ffi_stat_node_get_full_name_raw(const void *node, const char **name, size_t *size)")
        ffi.cdef("void dnsdist_ffi_state_node_set_reason(void *node, const char *reason, size_t size)")
    end
    seen = {}
    local names = ffi.new("const char *[1]")
    local sizes = ffi.new("size_t[1]")
    local function name_of(node)
        C.dnsdist_ffi_stat_node_get_full_name_raw(node, ffi.cast("const char **", names), ffi.cast("size_t*", sizes))
        return ffi.string(names[0], tonumber(sizes[0]))
    end
    function visitor(node)
        local counts = {}
        for _, what in ipairs(WHAT) do
            table.insert(counts, tostring(tonumber(C["dnsdist_ffi_stat_node_get_" .. what](node))))
        end
        seen[name_of(node)] = table.concat(counts, " ")
        if name_of(node) == "bad.test." then
            local reason = "too many of them"
            C.dnsdist_ffi_state_node_set_reason(node, reason, #reason)
            return true
        end
        if name_of(node) == "worse.test." and not ffi.cdef then
            C.dnsdist_ffi_state_node_set_action(node, DNSAction.Nxdomain)
            return true
        end
        return name_of(node) == "plain.test."
    end
    function all_seen()
        local lines = {}
        for name, counts in pairs(seen) do table.insert(lines, name .. " " .. counts) end
        table.sort(lines)
        return table.concat(lines, "\\n")
    end
'''


def reply(q):
    kind = q.name.split(".")[0]
    return {"nx": answer(q, rcode=3), "bad": answer(q, rcode=2), "never": None}.get(kind, address(q))


class Native(TestCase):
    def start(self, rules, what=COUNTS, binary=None, config=""):
        s = self.use(FakeServer(reply))
        table = "WHAT = {" + ", ".join(f'"{w}"' for w in what) + "}"
        kw = {"binary": binary} if binary else {}
        return self.daemon(f'newServer{{address="{s.address}"}}\nsetUDPTimeout(1)\n{config}\n{table}\n{VISITOR}\n'
                           f"dbr = dynBlockRulesGroup()\n{rules}\n", **kw)

    def ask(self, d):
        for name in ("nx.bad.test.", "nx.bad.test.", "a.worse.test.", "bad.example.", "A.plain.test.", "test."):
            clients.udp(d.port, name)
        clients.silent(d.port, "never.example.", timeout=0.1)
        time.sleep(3.5)  # until that has timed out, with Debian's release, too

    def blocks(self, d):
        return {line.split()[0]: line.split(None, 1)[1] for line in d.console("showDynBlocks()").splitlines()[1:]}

    def refused(self, line):
        d = self.start('dbr:setSuffixMatchRuleFFI(10, "r", 60, DNSAction.Refused, function(node) return step(node) end)')
        clients.udp(d.port, "a.test.")
        d.console(f"function step(node) local C, ffi = require('ffi').C, require('ffi') {line} end")
        d.console("dbr:apply()")
        found = re.search(r"the visitor of setSuffixMatchRuleFFI\(\) failed: (.*?)\"", d.output())
        self.assertTrue(found, d.output())
        return found.group(1)


class Visitors(Native):
    def test_the_same_as_with_debians(self):
        rule = 'dbr:setSuffixMatchRuleFFI(10, "r", 60, DNSAction.Refused, visitor)'
        ours, theirs = self.start(rule), self.start(rule, binary=DEBIAN_DNSDIST)
        for d in (ours, theirs):
            self.ask(d)
            d.console("dbr:apply()")
        self.assertEqual(ours.console("all_seen()"), theirs.console("all_seen()"))
        self.assertIn("\nbad.test. 0 0 0 0 0 2 1 2 0 2 0 0", ours.console("all_seen()"))
        what = [{key: re.sub(r"^\d+ +", "", line) for key, line in self.blocks(d).items()} for d in (ours, theirs)]
        what[0].pop("worse.test.")  # its action: no function of Debian's release
        # a column for eBPF came after Debian's release, dots in names come and go
        mine, its = ({key.rstrip("."): line.split() for key, line in w.items()} for w in what)
        self.assertEqual(mine, its)
        self.assertEqual(mine["bad.test"], "0 false Send Refused too many of them".split())
        self.assertEqual(mine["plain.test"], "0 false Send Refused r".split())

    def test_blocked_by_itself_and_hits(self):
        d = self.start('dbr:setSuffixMatchRuleFFI(10, "r", 60, DNSAction.Refused, visitor)\n'
                       'function maintenance() dbr:apply() end', what=LATER,
                       config='getPool(""):setCache(newPacketCache(100))')
        for _ in range(3):
            clients.udp(d.port, "hit.test.")
        clients.udp(d.port, "www.plain.test.")
        self.assertTrue(wait_for(lambda: self.blocks(d), 5))
        self.assertEqual(clients.udp(d.port, "x.www.plain.test.").rcode(), 5)
        self.assertTrue(wait_for(lambda: "\nhit.test. 2 2 " in d.console("all_seen()"), 5), d.console("all_seen()"))
        self.assertRegex(d.console("all_seen()"), r"(?m)^test\. 0 2 0 \d\d\d$")

    def test_it_goes_before_the_other(self):
        d = self.start('''dbr:setSuffixMatchRuleFFI(10, "native", 60, DNSAction.Refused, visitor)
            dbr:setSuffixMatchRule(10, "lua", 60, DNSAction.Drop, function() asked = true return true end)''')
        clients.udp(d.port, "a.plain.test.")
        clients.udp(d.port, "a.worse.test.")
        d.console("dbr:apply()")
        self.assertRegex(self.blocks(d)["plain.test."], "Send Refused +native$")
        self.assertRegex(self.blocks(d)["worse.test."], "Send NXDomain +native$")
        self.assertEqual(d.lua("asked"), "nil")
        self.assertEqual(d.console("dbr:toString()").splitlines()[1],
                         "names of the answers of 10 seconds, as an FFI function says: Send Refused for 60 seconds, 'native'")

    def test_excluded_names_hook_and_tag(self):
        d = self.start('''dbr:setSuffixMatchRuleFFI(10, "r", 60, DNSAction.SetTag, visitor, {tagName="evil", tagValue="yes"})
            dbr:excludeDomains("bad.test.")
            dbr:setNewBlockInsertedHook(function(kind, key, reason) hooked = kind .. key .. reason end)
            addAction(TagRule("evil", "yes"), RCodeAction(DNSRCode.YXDOMAIN))''')
        for name in ("a.plain.test.", "a.bad.test."):
            clients.udp(d.port, name)
        d.console("dbr:apply()")
        self.assertEqual(list(self.blocks(d)), ["plain.test."])
        self.assertEqual(d.lua("hooked"), "1plain.test.r")
        self.assertEqual(clients.udp(d.port, "b.plain.test.").rcode(), 6)

    def test_buffers(self):
        """A reason from a buffer, cut as its size says."""
        d = self.start('''dbr:setSuffixMatchRuleFFI(10, "r", 60, DNSAction.Refused, function(node)
            local ffi = require("ffi")
            local b = ffi.new("char[?]", 12)
            ffi.copy(b, "from buffer")
            ffi.C.dnsdist_ffi_state_node_set_reason(node, b, 9)
            return ffi.C.dnsdist_ffi_stat_node_get_labels_count(node) == 1
        end)''')
        clients.udp(d.port, "a.test.")
        d.console("dbr:apply()")
        self.assertRegex(self.blocks(d)["test."], "from buff$")


class Wrong(Native):
    def test_in_a_visitor(self):
        for line, says in (
                ("C.dnsdist_ffi_stat_node_get_querys_count(node)",
                 "ffi.C has no function 'dnsdist_ffi_stat_node_get_querys_count' "
                 "(did you mean 'dnsdist_ffi_stat_node_get_queries_count'?)"),
                ("C.dnsdist_ffi_stat_node_get_bytes()",
                 "dnsdist_ffi_stat_node_get_bytes: node must be the dnsdist_ffi_stat_node_t * that a visitor is given, got "
                 "nothing"),
                ("C.dnsdist_ffi_stat_node_get_bytes({})", "got a table"),
                ("C.dnsdist_ffi_stat_node_get_full_name_raw(node)",
                 "name must be a place, as ffi.new('const char *[1]') makes it, got "),
                ("C.dnsdist_ffi_stat_node_get_full_name_raw(node, ffi.new('size_t[1]'), ffi.new('size_t[1]'))",
                 "name must be a place, as ffi.new('const char *[1]') makes it, got another one"),
                ("C.dnsdist_ffi_stat_node_get_full_name_raw(node, ffi.new('char *[1]'), 3)",
                 "nameSize must be a place, as ffi.new('size_t[1]') makes it, got 3"),
                ("C.dnsdist_ffi_state_node_set_reason(node, 'abc', 4)", "reason has 3 octets, and not 4"),
                ("C.dnsdist_ffi_state_node_set_reason(node, {}, 1)", "reason must be a string or a buffer of char"),
                ("C.dnsdist_ffi_state_node_set_reason(node, 'abc')", "reasonSize must be a number, got nothing"),
                ("C.dnsdist_ffi_state_node_set_reason(node, 'abc', -1)", "reasonSize must be from 0 to 65535, got -1"),
                ("C.dnsdist_ffi_state_node_set_action(node, 77)", "blockAction must be a DNSAction, got 77"),
                ("C.dnsdist_ffi_state_node_set_action(node)", "blockAction must be a number, got nothing"),
                ("ffi.new('dnsdist_ffi_stat_node_t')", "only the program makes a 'dnsdist_ffi_stat_node_t'"),
                ("ffi.cast('struct foo*', node)", "'struct foo*' is no type"),
                ("node.queries = 1", "attempt to index a dnsdist_ffi_stat_node_t * value"),
                ("if kept then return C.dnsdist_ffi_stat_node_get_bytes(kept) end kept = node",
                 "node is good only until its visitor returns")):
            with self.subTest(line):
                self.assertIn(says, self.refused(line))

    def test_at_configuration_time(self):
        for args, says in (('', "seconds must be a number, got nothing"),
                           ('0, "r", 60, 5, print', "seconds must be from 1"),
                           ('10, nil, 60, 5, print', "reason must be a string, got nil"),
                           ('10, "r", 0, 5, print', "blockingTime must be from 1"),
                           ('10, "r", 60, 99, print', "action must be a DNSAction, got 99"),
                           ('10, "r", 60, 5', "visitor must be a function, got nothing"),
                           ('10, "r", 60, DNSAction.SetTag, print', "needs the option tagName"),
                           ('10, "r", 60, 5, print, 7', "got 7")):
            with self.subTest(args):
                done = self.check(f"dynBlockRulesGroup():setSuffixMatchRuleFFI({args})")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(says, done.stdout + done.stderr)


class Words(TestCase):
    def test_help_and_manual_have_them(self):
        text = self.daemon().console("help('dnsdist_ffi_stat_node')")
        with open(os.path.join(BUILD, "man", "dnsdist.conf.5")) as f:
            manual = f.read()
        for what in COUNTS + LATER + ["full_name_raw"]:
            self.assertIn(f"ffi.C.{GET}{what}(node", text)
            self.assertIn(GET + what, manual)


if __name__ == "__main__":
    main()
