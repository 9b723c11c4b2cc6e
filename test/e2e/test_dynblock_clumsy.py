#!/usr/bin/python3
"""Every function and method about abuse, called as nobody should: each argument in turn is wrong in every way, left out,
or one too many. The error names the function and the argument and says what would be right, and nothing was done."""
import re

import clients
from consolewire import Session
from fakeserver import FakeServer
from harness import TestCase, main

NUMBER, STRING, BOOL, FUNCTION, TABLE, OPTIONS, ADDRESS, NAMES, RANGES, RATE, COUNT, TYPE, GREP, AGE, LIMIT = range(15)

# What an argument of each kind must not be.
NO_NUMBER = ["'x'", "''", "{}", "{{1}}", "print", "true", "'1 0'"]
WRONG = {
    NUMBER: NO_NUMBER + ["-1", "0/0", "1/0", "-1/0", "1e300", "-1e300", "1.5"],
    COUNT: NO_NUMBER + ["-1", "0/0", "1/0", "-1/0", "1e300", "1.5"],  # zero is fine
    RATE: NO_NUMBER + ["0", "-1", "0/0", "1/0", "-1/0", "1e300"],
    AGE: NO_NUMBER + ["-1", "0/0", "1/0", "-1/0", "1e300"],
    LIMIT: NO_NUMBER + ["0/0", "1/0", "-1/0", "1e300", "1.5"],  # below zero: all
    STRING: ["{}", "{'x'}", "print", "true"],
    BOOL: ["'x'", "'true'", "0", "1", "{}", "print"],
    FUNCTION: ["'x'", "1", "{}", "true", "{print}"],
    TABLE: ["'x'", "1", "print", "true"],
    OPTIONS: ["'x'", "1", "print", "true"],
    ADDRESS: ["{}", "print", "true", "{'127.0.0.1'}"],
    NAMES: ["{}, {}", "print", "{{}}", "{{'a.test'}}", "{'a.test', {}}", "{'a.test', true}", "{a='a.test'}", "{'a..b'}",
            "{'a.test', nil, 'b.test'}"],
    RANGES: ["print", "{{}}", "{{'192.0.2.0/24'}}", "{'192.0.2.0/24', {}}", "{'192.0.2.0/24', true}", "{a='192.0.2.0/24'}",
             "'192.0.2.0/33'", "'x'", "''", "1", "{'192.0.2.0/24', 'x'}", "{'192.0.2.0/24', nil, '10.0.0.0/8'}"],
    TYPE: ["{}", "print", "true", "'NOTYPE'", "-1", "65536", "0/0", "1/0", "1.5"],
    GREP: ["print", "true", "{{}}", "{1, {}}", "{a='x'}", "{'x', nil, 'y'}"],
}

COMMON = [("seconds", NUMBER, "10"), ("reason", STRING, "'r'"), ("blockingTime", NUMBER, "60")]
LEAST = [("minimumNumberOfResponses", COUNT, "5")]


def rest(what):
    """What rules end with; the warning may be any number."""
    return [("action", NUMBER, "DNSAction.Drop"), (what, RATE, "0.1"), ("option", OPTIONS, "{}")]


BLOCK = [("message", STRING, "'m'")]
VISITOR = ("visitor", FUNCTION, "print")
EXCEED = [("rate", RATE, "10"), ("seconds", COUNT, "10")]

# name: arguments, how many of them are needed
METHODS = {
    "setQueryRate": ([("rate", NUMBER, "10")] + COMMON + rest("warningRate"), 4),
    "setResponseByteRate": ([("rate", NUMBER, "10")] + COMMON + rest("warningRate"), 4),
    "setRCodeRate": ([("rcode", COUNT, "3"), ("rate", NUMBER, "10")] + COMMON + rest("warningRate"), 5),
    "setQTypeRate": ([("qtype", TYPE, "1"), ("rate", NUMBER, "10")] + COMMON + rest("warningRate"), 5),
    "setRCodeRatio": ([("rcode", COUNT, "3"), ("ratio", RATE, "0.5")] + COMMON + LEAST + rest("warningRatio"), 6),
    "setAllowedRCodesRatio": ([("rcodes", TABLE, "{0}"), ("ratio", RATE, "0.5")] + COMMON + LEAST + rest("warningRatio"), 6),
    "setCacheMissRatio": ([("ratio", RATE, "0.5")] + COMMON + LEAST + [("minimumGlobalCacheHitRatio", RATE, "0.1")] +
                          rest("warningRatio"), 6),
    "setSuffixMatchRule": (COMMON + [("action", NUMBER, "0"), VISITOR, ("option", OPTIONS, "{}")], 5),
    "setSuffixMatchRuleFFI": (COMMON + [("action", NUMBER, "0"), VISITOR, ("option", OPTIONS, "{}")], 5),
    "setMasks": ([("v4", COUNT, "32"), ("v6", COUNT, "64"), ("port", COUNT, "0")], 2),
    "excludeRange": ([("ranges", RANGES, "'10.0.0.0/8'")], 1),
    "includeRange": ([("ranges", RANGES, "'10.0.0.0/8'")], 1),
    "removeRange": ([("ranges", RANGES, "'10.0.0.0/8'")], 1),
    "excludeDomains": ([("domains", NAMES, "'a.test'")], 1),
    "setQuiet": ([("quiet", BOOL, "true")], 1),
    "setNewBlockInsertedHook": ([("hook", FUNCTION, "print")], 1),
    "apply": ([], 0),
    "toString": ([], 0),
}
FUNCTIONS = {
    "dynBlockRulesGroup": ([], 0),
    "addDynBlocks": ([("addresses", TABLE, "{}")] + BLOCK + [("seconds", NUMBER, "10"), ("action", COUNT, "0")], 2),
    "addDynBlockSMT": ([("names", TABLE, "{}")] + BLOCK + [("seconds", NUMBER, "10"), ("action", COUNT, "0"),
                                                          ("option", OPTIONS, "{}")], 2),
    "addDynamicBlock": ([("address", ADDRESS, "newCA('192.0.2.1')")] + BLOCK +
                        [("action", COUNT, "0"), ("seconds", NUMBER, "10"), ("clientIPMask", COUNT, "32"),
                         ("clientIPPortMask", COUNT, "0"), ("option", OPTIONS, "{}")], 2),
    "topDynBlocks": ([("top", COUNT, "1")], 0), "clearDynBlocks": ([], 0), "showDynBlocks": ([], 0), "getDynamicBlocks": ([], 0), "getDynamicBlocksSMT": ([], 0),
    "setDynBlocksAction": ([("action", COUNT, "DNSAction.Drop")], 1),
    "setDynBlocksPurgeInterval": ([("value", COUNT, "60")], 1),
    "exceedQRate": (EXCEED, 2), "exceedServFails": (EXCEED, 2), "exceedNXDOMAINs": (EXCEED, 2),
    "exceedRespByterate": (EXCEED, 2), "exceedQTypeRate": ([("qtype", TYPE, "1")] + EXCEED, 3),
    "topClients": ([("top", COUNT, "1")], 0), "topBandwidth": ([("top", COUNT, "1")], 0),
    "topQueries": ([("top", COUNT, "1"), ("labels", COUNT, "1")], 0),
    "topTimeouts": ([("top", COUNT, "1"), ("labels", COUNT, "1")], 0),
    "topResponses": ([("top", COUNT, "1"), ("rcode", COUNT, "1"), ("labels", COUNT, "1")], 0),
    "topSlow": ([("top", COUNT, "1"), ("milliseconds", AGE, "1"), ("labels", COUNT, "1")], 0),
    "getTopQueries": ([("top", COUNT, "1"), ("labels", COUNT, "1")], 0),
    "getTopResponses": ([("top", COUNT, "1"), ("rcode", COUNT, "1"), ("labels", COUNT, "1")], 0),
    "getSlowResponses": ([("top", COUNT, "1"), ("milliseconds", AGE, "1"), ("labels", COUNT, "1"), ("timeouts", BOOL, "true")],
                         0),
    "getTopBandwidth": ([("top", COUNT, "1")], 0),
    "getResponseRing": ([], 0), "getRespRing": ([("rcode", COUNT, "0")], 0), "getRingEntries": ([], 0),
    "getRingBuffersSamplingRate": ([], 0),
    "statNodeRespRing": ([VISITOR, ("seconds", AGE, "1")], 1),
    "grepq": ([("selector", GREP, "'x.test'"), ("number", LIMIT, "1"), ("option", OPTIONS, "{}")], 1),
    "setQueryCount": ([("value", BOOL, "false")], 1),
    "setQueryCountFilter": ([("filter", FUNCTION, "print")], 1),
    "getQueryCounters": ([("max", COUNT, "1")], 0), "clearQueryCounters": ([], 0),
    "addMaintenanceCallback": ([("callback", FUNCTION, "print"), ("name", STRING, "'x'")], 1),
    "setLuaTimeLimit": ([("value", COUNT, "60")], 1),
}

# Above what is an argument's most.
TOO_LARGE = {"rcode": "16", "v4": "33", "v6": "129", "port": "17", "clientIPMask": "33", "clientIPPortMask": "17",
             "ratio": "1.01", "minimumGlobalCacheHitRatio": "1.01", "warningRatio": "1.01", "action": "256"}

# Zero turns a warning, a least ratio off.
ZERO_IS_FINE = ("warningRate", "warningRatio", "minimumGlobalCacheHitRatio")


class Clumsy(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'''newServer{{address="{cls.server.address}"}}
            dbr = dynBlockRulesGroup()
            dbr:setQueryRate(1000, 10, "kept", 60)
            dbr:setSuffixMatchRule(10, "kept", 60, 0, function() end)
            dbr:excludeRange("192.0.2.0/25") dbr:excludeDomains("kept.test")
            addDynamicBlock("192.0.2.200", "kept", DNSAction.Refused, 6000)''')

    def setUp(self):
        self.s = self.use(Session(self.d.console_port))
        self.before = self.state()

    def state(self):
        text = self.s.ask("showDynBlocks()") + self.s.ask("dbr:toString()") + self.s.ask("getQueryCounters(0)")
        return re.sub(r" \d+ +0 false", "", text)

    def fails(self, name, line, what):
        """The error names the function and what is wrong, and the place."""
        got = self.s.ask(line)
        with self.subTest(line):
            self.assertTrue(got.startswith("Error: "), got)
            self.assertIn(name, got)
            self.assertRegex(got, rf"\b{what}")
            self.assertEqual(self.state(), self.before)

    def wrong_values(self, what, kind):
        values = list(WRONG[kind])
        if kind == NUMBER:
            values.append("0") if what != "action" else values.remove("1.5")
        if what in ZERO_IS_FINE and "0" in values:
            values.remove("0")
        if what in TOO_LARGE:
            values.append(TOO_LARGE[what])
        return values

    def check_all(self, name, call, args, needed):
        right = [value for _, _, value in args]
        for i, (what, kind, _) in enumerate(args):
            if i < needed and what == "action" and i + 1 < len(args):
                self.fails(name, f"{call}({', '.join(right[:i])})", args[i + 1][0])  # it may be nil
            elif i < needed:
                self.fails(name, f"{call}({', '.join(right[:i])})", what)
                self.fails(name, f"{call}({', '.join(right[:i] + ['nil'] + right[i + 1:])})", what)
            for value in self.wrong_values(what, kind):
                self.fails(name, f"{call}({', '.join(right[:i] + [value] + right[i + 1:])})", WORDS.get(what, what))
        many = f"takes at most {len(args)} argument" if args else "takes no arguments"
        self.fails(name, f"{call}({', '.join(right + ['1'])})", many)
        self.fails(name, f"{call}({', '.join(right + ['nil', 'nil', '{}'])})", many)

    def test_methods_of_a_group(self):
        for name, (args, needed) in METHODS.items():
            self.check_all(name, f"dbr:{name}", args, needed)

    def test_methods_without_a_group(self):
        for name in METHODS:
            for self_ in ("nil", "{}", "'x'", "1"):
                self.fails(name, f"local f = dbr.{name} f({self_})", "not called on a DynBlockRulesGroup")
            self.fails(name, f"dbr.{name}()", "not called on a DynBlockRulesGroup")

    def test_functions(self):
        for name, (args, needed) in FUNCTIONS.items():
            self.check_all(name, name, args, needed)

    def test_lists_with_one_bad_entry(self):
        """None of the others is done."""
        for line, name, what in (
                ("addDynBlocks({['127.0.0.1']=1, ['x']=1}, 'm')", "addDynBlocks", "x' is not an IPv4 or IPv6 address"),
                ("addDynBlocks({[newCA('127.0.0.1')]=1, [{}]=1}, 'm')", "addDynBlocks", "an address in addresses"),
                ("addDynBlocks({'127.0.0.1'}, 'm')", "addDynBlocks", "addresses must be a table with addresses as keys"),
                ("addDynBlockSMT({'a.test', {}}, 'm')", "addDynBlockSMT", "a name in names"),
                ("addDynBlockSMT({'a.test', 'a..b'}, 'm')", "addDynBlockSMT", "a..b' is not a domain name"),
                ("addDynBlockSMT({'a.test', {'b.test'}}, 'm')", "addDynBlockSMT", "a name in names"),
                ("addDynBlockSMT({a='a.test'}, 'm')", "addDynBlockSMT", "names must be a list, but it has the key 'a'"),
                ("addDynBlockSMT({'a.test', nil, 'b.test'}, 'm')", "addDynBlockSMT", "entry 2 of names is nil"),
                ("dbr:excludeRange({'10.0.0.0/8', 'x'})", "excludeRange", "entry 2 of ranges"),
                ("dbr:includeRange({'10.0.0.0/8', '10.0.0.0/33'})", "includeRange", "entry 2 of ranges"),
                ("dbr:removeRange({'192.0.2.0/25', 'x'})", "removeRange", "entry 2 of ranges"),
                ("dbr:excludeDomains({'a.test', 'a..b'})", "excludeDomains", "a..b' is not a domain name"),
                ("dbr:setAllowedRCodesRatio({0, 16}, 0.5, 10, 'r', 60, 5)", "setAllowedRCodesRatio", "a code in rcodes"),
                ("dbr:setAllowedRCodesRatio({0, {}}, 0.5, 10, 'r', 60, 5)", "setAllowedRCodesRatio", "a code in rcodes"),
                ("dbr:setQueryRate(10, 10, 'r', 60, 0, 0, {tagname='x'}) error('setQueryRate: tagname')", "setQueryRate",
                 "tagname"),
                ("dbr:setQueryRate(10, 10, 'r', 60, DNSAction.SetTag, 0, {tagName={}})", "setQueryRate", "tagName"),
                ("dbr:setQueryRate(10, 10, 'r', 60, 0, 0, {tagName='x', tagValue=print})", "setQueryRate", "tagValue")):
            if "tagname" not in line:
                self.fails(name, line, re.escape(what))

    def test_empty_tables_do_nothing(self):
        for line in ("addDynBlocks({}, 'm')", "addDynBlockSMT({}, 'm')", "dbr:excludeRange({})", "dbr:includeRange({})",
                     "dbr:removeRange({})", "dbr:excludeDomains({})"):
            self.assertEqual(self.s.ask(line), "", line)
        self.assertEqual(self.state(), self.before)

    def test_intervals_longer_than_what_is_kept(self):
        for line in ("dbr:setQueryRate(10, 61, 'r', 60)", "dbr:setRCodeRatio(3, 0.5, 3600, 'r', 60, 5)",
                     "exceedQRate(10, 61)", "exceedQTypeRate(1, 10, 100000)"):
            name = re.search(r"(\w+)\(", line).group(1)
            self.fails(name, line, r"an interval of \d+ seconds can't be measured: 1 to 60 are kept")

    def test_an_unknown_option_is_told_with_the_nearest(self):
        self.assertIn("did you mean 'tagName'?", self.s.ask("dbr:setQueryRate(1000, 10, 'kept', 60, 0, 0, {tagname='x'})"))

    def test_it_goes_on_serving(self):
        self.assertTrue(clients.udp(self.d.port, "a.example.").answer)


# How errors call an argument, where not by its name.
WORDS = {"option": "(option|options|table)", "ranges": "(ranges|netmask|prefix|'x'|'')", "domains": "(domains|name)",
         "rcodes": "rcodes", "addresses": "addresses"}


if __name__ == "__main__":
    main()
