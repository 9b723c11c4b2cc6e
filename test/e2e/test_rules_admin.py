#!/usr/bin/python3
"""Rules as an operator handles them on a running daemon: listed, moved, removed and counted while traffic flows."""
import os
import re
import threading

import clients
from fakeserver import FakeServer
from harness import TestCase, main, wait_for

SERVER = 'newServer{{address="127.0.0.1:{0}", healthCheckMode="up"}}\n'


class Traffic:
    """Queries for names in turn, one after the other, until it is closed: how many were sent and answered."""

    def __init__(self, port, *names):
        self.port = port
        self.names = names
        self.sent = dict.fromkeys(names, 0)
        self.lost = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            for name in self.names:
                self.sent[name] += 1
                try:
                    clients.udp(self.port, name, timeout=5)
                except Exception as e:  # a thread's exception would be lost, and the query with it
                    self.lost.append((name, repr(e)))

    def close(self):
        self.over.set()
        self.thread.join()


class Administration(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = FakeServer()
        cls.class_use(cls.server)

    def start(self, config=""):
        return self.daemon(SERVER.format(self.server.port) + config)

    def table(self, d, command="showRules()"):
        """(name, matches, rule, action) of each line, by the places of the titles."""
        head, *lines = d.console(command).splitlines()
        at = [head.index(title) for title in ("Name", "Matches", "Rule", "Action")]
        self.assertEqual(at, [4, 37, 45, 102])
        return [(line[4:34].strip(), int(line[34:44]), line[45:101].strip(), line[102:]) for line in lines]

    def test_page_of_documentation(self):
        d = self.start()
        for line in ('addAction("", QPSAction(10))', 'addAction({"", ""} , QPSAction(20))',
                     'addAction({"nl.", "be."}, QPSAction(1))'):
            self.assertEqual(d.console(line), "")
        self.assertEqual(d.console("showRules()").splitlines(), [
            "#   Name                             Matches Rule" + " " * 53 + "Action",
            "0" + " " * 42 + "0 qname in ." + " " * 47 + "qps limit to 10",
            "1" + " " * 42 + "0 qname in ." + " " * 47 + "qps limit to 20",
            "2" + " " * 42 + "0 qname in nl., be." + " " * 40 + "qps limit to 1",
        ])
        self.assertEqual(d.console("rmRule(1)"), "")
        self.assertEqual([row[3] for row in self.table(d)], ["qps limit to 10", "qps limit to 1"])

    def test_rules_come_and_go(self):
        d = self.start()
        self.assertTrue(clients.udp(d.port, "a.drop.example.").answer)
        d.console('addAction("drop.example", DropAction(), {name="gone"})')
        self.assertTrue(clients.silent(d.port, "a.drop.example."))
        self.assertTrue(clients.udp(d.port, "b.example.").answer)
        d.console('addAction("drop.example", AllowAction(), {name="back"}) mvRuleToTop()')
        self.assertTrue(clients.udp(d.port, "a.drop.example.").answer)
        self.assertEqual(self.table(d), [("back", 1, "qname in drop.example.", "allow"),
                                         ("gone", 1, "qname in drop.example.", "drop")])
        d.console("mvRule(0, 2)")
        self.assertTrue(clients.silent(d.port, "a.drop.example."))
        d.console('rmRule("gone")')
        self.assertTrue(clients.udp(d.port, "a.drop.example.").answer)
        self.assertEqual(self.table(d), [("back", 2, "qname in drop.example.", "allow")])
        d.console("clearRules()")
        self.assertEqual(self.table(d), [])

    def test_failed_command_leaves_the_rules(self):
        d = self.start('addAction("kept.example", DropAction())')
        for line, why in (
                ('clearRules() addAction("x.example", DropAction()) error("no")', "no"),
                ('clearRules() getRule(7)', "position 7"),
                ('addAction("x.example", DropAction()) addAction("y.example", DropResponseAction())',
                 "write DropAction here, or addResponseAction"),
                ('addAction("x.example", DropAction()) addAction(QTypeRule("AAAAA"), DropAction())',
                 "did you mean 'AAAA'?"),
                ('t = {} t[1] = t addAction(t, DropAction())', "got a table")):
            answer = d.console(line)
            self.assertTrue(answer.startswith("Error: console:1: "), answer)
            self.assertIn(why, answer)
        self.assertEqual([row[2] for row in self.table(d)], ["qname in kept.example."])
        self.assertTrue(clients.udp(d.port, "x.example.").answer)
        self.assertTrue(clients.silent(d.port, "kept.example."))

    def test_edits_under_traffic(self):
        """No query is lost and no match miscounted by rules that are added, moved, removed and set meanwhile."""
        d = self.start('addAction("one.example", NoneAction(), {name="one"})\n'
                       'addAction(AllRule(), NoneAction(), {name="all"})\n'
                       'addResponseAction("two.example", AllowResponseAction(), {name="answers"})\n')
        traffic = Traffic(d.port, "www.one.example.", "two.example.", "three.example.")
        try:
            for i in range(40):
                d.console(f"for i = 1, 50 do addAction('r' .. i .. '.example', DropAction(), {{name='{i}'}}) end "
                          f"mvRule(0, 20) mvRule(1, 3) mvRuleToTop()")
                self.assertEqual(len(self.table(d)), 52)
                d.console("local keep = {getRule('all'), getRule('one')} setRules(keep)" if i % 2 else
                          f"rmRule('{i}')")
                self.assertEqual(sorted(row[0] for row in self.table(d)), ["all", "one"])
        finally:
            traffic.close()
        self.assertEqual(traffic.lost, [])
        matches = {row[0]: row[1] for row in self.table(d) + self.table(d, "showResponseRules()")}
        self.assertEqual(matches, {"one": traffic.sent["www.one.example."], "all": sum(traffic.sent.values()),
                                   "answers": traffic.sent["two.example."]})
        self.assertGreater(min(traffic.sent.values()), 40)
        self.assertEqual([row[:2] for row in self.table(d, "topRules(1)")], [("all", matches["all"])])

    def test_old_configuration(self):
        d = self.start('addDomainBlock("blocked.example")\n'
                       'addDomainSpoof("spoofed.example", "192.0.2.77", "2001:db8::77")\n'
                       'for _, n in ipairs{"a.example", "b.example"} do addDelay(n, 1) end\n'
                       'topRule()\n')
        self.assertTrue(clients.silent(d.port, "www.blocked.example."))
        self.assertEqual(clients.udp(d.port, "spoofed.example.").answer[0][0].address, "192.0.2.77")
        self.assertEqual(clients.udp(d.port, "spoofed.example.", "AAAA").answer[0][0].address, "2001:db8::77")
        self.assertEqual([row[2] for row in self.table(d)], ["qname in b.example.", "qname in blocked.example.",
                                                             "qname in spoofed.example.", "qname in a.example."])
        told = re.findall(r"dnsdist.conf:(\d+): (\w+) is a former form; write (\w+)", d.output())
        self.assertEqual([(name, now) for _, name, now in told],
                         [("addDomainBlock", "addAction"), ("addDomainSpoof", "addAction"), ("addDelay", "addAction"),
                          ("topRule", "mvRuleToTop")])

    def test_wrong_configuration_names_its_line(self):
        for line, why in (('addAction(QNameRule("a..b"), DropAction())', "QNameRule: 'a..b' is not a domain name"),
                          ('addAction(AndRule{AllRule(), nil, AllRule()}, DropAction())', "entry 2 of selectors is nil"),
                          ('addAction(AllRule(), SetTagAction("a"))', "SetTagAction: value is missing"),
                          ('addAction(QnameRule("a"), DropAction())', "did you mean 'QNameRule'?"),
                          ('addLuaAction("a", function(dq) end)', "are not built in")):
            done = self.check("\n\n" + line + "\n")
            self.assertNotEqual(done.returncode, 0, line)
            self.assertRegex(done.stdout + done.stderr, r"checked.conf:3: ")
            self.assertIn(why, done.stdout + done.stderr)

    def test_client_reads_rules_and_has_none(self):
        log = os.path.join(self.folder(), "queries")
        d = self.start(f'addAction(AllRule(), LogAction("{log}", false))\n'
                       'addAction("a.example", PoolAction("nowhere"), {name="x"})\n'
                       'addDelay("b.example", 1)\n'
                       'mvRule(1, 0)\nrmRule("x")\nprint(TCPRule(true):toString())\n')
        clients.udp(d.port, "logged.example.")
        self.assertTrue(wait_for(lambda: os.path.getsize(log) > 0))
        done = d.client("'here'")  # reads the same file, and neither empties the log nor warns of the pool
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("TCP\nhere\n", "", 0))
        with open(log) as f:
            self.assertIn("logged.example", f.read())

    def test_timed_set_changes_what_its_rule_matches(self):
        d = self.start("bad = TimedIPSetRule() addAction(bad:slice(), DropAction())")
        self.assertTrue(clients.udp(d.port, "a.example.").answer)
        d.console('bad:add(newCA("127.0.0.1"), 3600)')
        self.assertTrue(clients.silent(d.port, "a.example."))
        self.assertEqual([row[2] for row in self.table(d)], ["Src: 1 ips"])
        d.console('bad:clear()')
        self.assertTrue(clients.udp(d.port, "a.example.").answer)
        d.console('bad:add("127.0.0.1", 1)')
        self.assertTrue(clients.silent(d.port, "a.example."))
        self.assertTrue(wait_for(lambda: not clients.silent(d.port, "a.example.")))

    def test_rules_are_measured(self):
        d = self.start()
        self.assertRegex(d.console("benchRule('example', 1000, 'www.example')"),
                         r"^Had 1000 matches out of 1000, [0-9.]+ qps, in [0-9]+ us$")


if __name__ == "__main__":
    main()
