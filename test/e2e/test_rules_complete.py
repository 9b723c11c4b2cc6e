#!/usr/bin/python3
"""Every selector and action that the program has, and each of their options, stands in a configuration of some page.

What each page is about:
  select   what every selector matches and does not, in queries and answers, over UDP and TCP
  limits   MaxQPSRule, MaxQPSIPRule, ProbaRule; QPSAction, QPSPoolAction, TeeAction
  answers  Spoof*, RCode, ERCode, NegativeAndSOA, TC, Continue, Allow, None, and former forms of them
  edits    EDNS options, client subnets, extended errors, TTLs, record types, flags, caching, tags
  mac      SetMacAddrAction
  log      LogAction, LogResponseAction
  chains   the eight chains and their order; pools, delays, drops
  admin    rules listed, moved, counted and removed; old configurations
  seed     the examples of the documentation's page
  hostile  packets that no rule can be for      clumsy  configurations that can not be
  live     changes while queries come
"""
import glob
import os
import re

from harness import BUILD, TestCase, main

HERE = os.path.dirname(os.path.abspath(__file__))
ROW = re.compile(r"^(\w+)\((.*)\) - (.*)$", re.M)
OF_CHAINS = re.compile(r"(add|get|rm|mv|set|new|show|top|clear|make|bench)[A-Z]\w*|topRule")

# These need Lua in the path, DoH, TLS, PROXY, SNMP, protobuf, dnstap or a key-value store. Whoever builds one
# in takes it out of here, and gives it to a page.
LATER = """
    HTTPHeaderRule HTTPPathRegexRule HTTPPathRule KeyValueStoreLookupRule KeyValueStoreRangeLookupRule
    LuaFFIPerThreadRule LuaFFIRule LuaRule ProxyProtocolValueRule SNIRule
    DnstapLogAction DnstapLogResponseAction HTTPStatusAction KeyValueStoreLookupAction
    KeyValueStoreRangeLookupAction LuaAction LuaResponseAction LuaFFIAction LuaFFIResponseAction
    LuaFFIPerThreadAction LuaFFIPerThreadResponseAction RemoteLogAction RemoteLogResponseAction
    SetAdditionalProxyProtocolValueAction SetProxyProtocolValuesAction SetTraceAction SNMPTrapAction
    SNMPTrapResponseAction""".split()


def pages():
    """What all pages on rules say, but for this one."""
    text = ""
    for path in sorted(glob.glob(os.path.join(HERE, "test_rules_*.py"))):
        if path != os.path.abspath(__file__):
            with open(path) as f:
                text += f.read()
    return text


class Complete(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.text = pages()
        cls.rows = {name: what for name, _, what in ROW.findall(cls.class_daemon().console("help()"))
                    if not what.startswith("not built in")}
        cls.makers = [name for name in cls.rows if re.search("(Rule|Action)$", name) and
                      not OF_CHAINS.fullmatch(name)] + ["newSVCRecordParameters"]

    def is_called(self, name):
        return re.search(rf"\b{name} ?[({{]", self.text)

    def test_help_is_read_right(self):
        for name in ("AllRule", "TimedIPSetRule", "SetTagResponseAction", "MacAddrAction", "SpoofSVCAction"):
            self.assertIn(name, self.makers)
        self.assertGreater(len(self.makers), 90)
        self.assertNotIn("addAction", self.makers)

    def test_each_is_called(self):
        self.assertEqual([name for name in self.makers if not self.is_called(name)], [], "no page on rules uses these")

    def test_each_former_form_is_called(self):
        former = [name for name, what in self.rows.items() if what.startswith("former form of") and "Action(" in what]
        self.assertGreater(len(former), 20)
        self.assertEqual([name for name in former if not self.is_called(name)], [])

    def test_each_option_is_given(self):
        with open(os.path.join(BUILD, "man", "dnsdist.conf.5")) as f:
            manual = f.read()
        options = {option for name in self.makers + ["addAction", "showRules"]
                   for entry in re.findall(rf"^\.B {name}\\fR.*\n.*\n\.RS\n((?:.*\n)*?)\.RE", manual, re.M)
                   for option in re.findall(r"^\.I (\w+)", entry, re.M)}
        self.assertGreater(len(options), 15)
        options.discard("keyNNNN")  # stands for key0, key1 and so on
        self.assertEqual([o for o in sorted(options) if not re.search(rf"[{{ ,]{o} ?=", self.text)], [])

    def test_what_comes_later_is_not_there(self):
        self.assertEqual([name for name in LATER if name in self.rows], [])


if __name__ == "__main__":
    main()
