#!/usr/bin/python3
"""Every selector and action that the program has stands in a configuration of some page, in the form of a call."""
import glob
import os
import re

from harness import TestCase, main

HERE = os.path.dirname(os.path.abspath(__file__))
MAKER = re.compile(r"^(\w+(?:Rule|Action))\((.*?)\) - (.*)$", re.M)


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
        # name: (parameters, what it does), of what makes a rule or an action; those of chains are not among them
        cls.makers = {name: (params, what) for name, params, what in MAKER.findall(cls.class_daemon().console("help()"))
                      if not re.match(r"(add|get|rm|mv|set|new|show|top|clear|make|bench)[A-Z]?", name)}

    def test_help_is_read_right(self):
        for name in ("AllRule", "TimedIPSetRule", "SetTagResponseAction", "MacAddrAction", "SpoofSVCAction"):
            self.assertIn(name, self.makers)
        self.assertGreater(len(self.makers), 100)

    def test_each_is_called(self):
        unused = [name for name, (_, what) in self.makers.items()
                  if not what.startswith("not built in") and not re.search(rf"\b{name} ?[({{]", self.text)]
        self.assertEqual(unused, [], "no page on rules uses these")

    def test_each_former_function_is_called(self):
        former = re.findall(r"^(\w+)\(.*\) - former form of (?:addAction|addResponseAction)", self.d_help(), re.M)
        self.assertGreater(len(former), 5)
        self.assertEqual([name for name in former if not re.search(rf"\b{name}\(", self.text)], [])

    def test_each_with_all_its_options(self):
        """An option is used where it stands as a key of a table anywhere in the pages."""
        text = self.d_help()
        for name in ("aa", "ad", "ra", "ttl", "typeForAny", "soaInAuthoritySection", "mandatory", "alpn",
                     "noDefaultAlpn", "port", "ipv4hint", "ech", "ipv6hint", "name", "uuid", "showUUIDs",
                     "truncateRuleWidth"):
            self.assertRegex(self.text, rf"[{{,]\s*{name}=", name)
        self.assertIn("help", text)

    def d_help(self):
        return self.run_help

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()


if __name__ == "__main__":
    main()
