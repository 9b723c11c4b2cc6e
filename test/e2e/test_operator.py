#!/usr/bin/python3
"""What an operator reads on the console: tables of this and that, dumpStats, latencies, while queries go on."""
import re
import threading
import time

import clients
from fakeserver import FakeServer
from harness import TestCase, main, wait_for


class Tables(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())
        cls.d = cls.class_daemon(f'newServer({{address="{cls.server.address}", name="alpha"}})')

    def test_commands_and_what_they_show(self):
        for command, words in (("showServers()", "Address"), ("showPools()", "Policy"), ("showBinds()", "Protocol"),
                               ("showACL()", "127.0.0.0/8"), ("showConsoleACL()", "::1/128"),
                               ("showVersion()", "dnsdist"), ("showServerPolicy()", "leastOutstanding"),
                               ("showTCPStats()", "Backends")):
            with self.subTest(command):
                self.assertIn(words.lower(), self.d.console(command).lower())

    def test_unknown_name_is_met_with_the_nearest(self):
        self.assertIn("showServers", self.d.console("showServer()"))

    def test_startup_only_functions_say_so(self):
        self.assertIn("addLocal cannot be used at runtime!", self.d.console('addLocal("127.0.0.1:1")'))
        self.assertIn("setUDPTimeout cannot be used at runtime!", self.d.console("setUDPTimeout(3)"))

    def test_binds_count_their_queries(self):
        before = [int(row[-1]) for row in self.d.rows("showBinds()")]
        clients.udp(self.d.port, "x.example.")
        clients.tcp(self.d.port, "x.example.")
        clients.tcp(self.d.port, "y.example.")
        rows = self.d.rows("showBinds()")
        self.assertEqual([(row[2], int(row[-1]) - n) for row, n in zip(rows, before)], [("UDP", 1), ("TCP", 2)])

    def test_dump_stats_is_in_two_sorted_columns(self):
        lines = self.d.console("dumpStats()").splitlines()
        names = [re.findall(r"(\S+) *\t *([\d.]+)", line) for line in lines]
        left, right = [n[0][0] for n in names], [n[1][0] for n in names if len(n) == 2]
        self.assertEqual(left + right, sorted(left + right))
        self.assertEqual(len(left + right), 89)
        self.assertRegex(lines[0], r"^acl-drops {26}\t +\d+ ")
        self.assertRegex("\n".join(lines), r"latency-avg100 +\t +\d+\.\d\b")

    def test_response_latency(self):
        d = self.daemon(f'newServer("{self.server.address}")')
        self.assertIn("No traffic yet", d.console("showResponseLatency()"))
        for i in range(5):
            clients.udp(d.port, f"n{i}.example.")
        wait_for(lambda: "Average" in d.console("showResponseLatency()"), 3, 0.2)
        self.assertRegex(d.console("showResponseLatency()"), r"Average response latency: [\d.]+ ms")

    def test_averages_move(self):
        for i in range(20):
            clients.udp(self.d.port, f"n{i}.example.")
        self.assertGreater(self.d.stat("latency-avg100"), 0)
        self.assertGreater(self.d.stat("latency-avg100"), self.d.stat("latency-avg1000000"))

    def test_a_command_that_takes_long_delays_no_query(self):
        t = threading.Thread(target=self.d.client, args=("local t = os.clock() while os.clock() < t + 4 do end",))
        t.start()
        time.sleep(0.3)
        begin = time.monotonic()
        for i in range(5):
            clients.udp(self.d.port, f"slow{i}.example.")
        took = time.monotonic() - begin
        alive = t.is_alive()
        t.join()
        self.assertTrue(alive)
        self.assertLess(took, 3)


if __name__ == "__main__":
    main()
