#!/usr/bin/python3
"""What an operator looks at and turns off: tables with long addresses, dumps of cache and connections, a muted listener."""
import os
import re

import dns.edns

import clients
from fakeserver import FakeServer
from harness import TestCase, free_port, main, wait_for

LONG = "[2001:db8:1111:2222:3333:4444:5555:6666]:53000"


class Tables(TestCase):
    def columns_line_up(self, table):
        """Cells of a column begin where its title does: what stands there in the lines below begins a word."""
        head, *lines = table.splitlines()
        for title in ("Address", "Protocol", "Connections", "Max concurrent conn"):
            at = head.find(title)
            for line in lines if at > 0 else ():
                self.assertEqual((line[at - 1], line[at] == " "), (" ", False), f"{title}:\n{table}")

    def test_columns_line_up_below_long_addresses(self):
        d = self.daemon(f'newServer{{address="{LONG}", healthCheckMode="up"}}\n'
                        'newServer{address="127.0.0.1:9", healthCheckMode="up"}\n'
                        f'addLocal("127.123.123.123:{free_port()}")')
        self.columns_line_up(d.console("showBinds()"))
        self.assertIn(LONG, d.console("showServers()"))
        workers, frontends, backends = d.console("showTCPStats()").split("\n\n")
        self.columns_line_up(frontends.split("\n", 1)[1])
        self.columns_line_up(backends.split("\n", 1)[1])


class Dumps(TestCase):
    def test_dump_of_the_cache_names_the_subnet(self):
        s = self.use(FakeServer())
        d = self.daemon(f'newServer{{address="127.0.0.1:{s.port}", useClientSubnet=true}}\n'
                        'c = newPacketCache(100) getPool(""):setCache(c)')
        clients.udp(d.port, "own.example.")
        clients.udp(d.port, "four.example.", use_edns=0, options=[dns.edns.ECSOption("192.0.2.0", 20)])
        clients.udp(d.port, "six.example.", use_edns=0, options=[dns.edns.GenericOption(10, b"12345678"),
                                                                dns.edns.ECSOption("2001:db8::", 48)])
        path = os.path.join(d.folder, "dump")
        self.assertEqual(d.console(f"c:dump('{path}')"), "Dumped 3 records")
        with open(path) as f:
            subnets = {line.split()[0]: line.split("; ecs ")[1].split(",")[0] for line in f if line[0] != ";"}
        self.assertEqual(subnets, {"own.example.": "127.0.0.0/24", "four.example.": "192.0.0.0/20",
                                   "six.example.": "2001:db8::/48"})

    def test_dump_of_connections_goes_to_the_log(self):
        s = self.use(FakeServer(reply=lambda q: None))
        d = self.daemon(f'newServer{{address="127.0.0.1:{s.port}"}}\nsetTCPRecvTimeout(60)')
        client = self.use(clients.Stream(d.port))
        client.send(clients.make("never.example.").to_wire())
        self.assertTrue(wait_for(lambda: "never.example." in s.names()))
        d.console("requestTCPStatesDump()")
        self.assertTrue(wait_for(lambda: "1 connections of clients, 1 to servers" in d.output()), d.output())
        self.assertRegex(d.output(), r"client 127.0.0.1:\d+ on 127.0.0.1:%d: open for \d+.\d s, 1 queries, "
                                     r"1 in flight, .*waiting for a server" % d.port)
        self.assertRegex(d.output(), r"server 127.0.0.1:%d: open for .* 1 of \d+ in flight, "
                                     r".*waiting for answers" % s.port)


class Verbose(TestCase):
    def test_each_query_and_answer_has_a_line_while_that_is_wanted(self):
        s = self.use(FakeServer())
        d = self.daemon(f'newServer{{address="127.0.0.1:{s.port}", udpTimeout=1}}\n'
                        'getPool(""):setCache(newPacketCache(100))')
        clients.udp(d.port, "before.example.")
        d.console("setVerbose(true)")
        clients.udp(d.port, "a.example.")
        clients.tcp(d.port, "a.example.")
        clients.udp(d.port, "a.example.")
        s.reply = lambda q: None
        clients.silent(d.port, "never.example.", timeout=1.5)
        d.console("setVerbose(false)")
        clients.silent(d.port, "after.example.")
        for line in (r"query from 127.0.0.1:\d+ over UDP for a.example. A, \d+ octets",
                     r"answer to 127.0.0.1:\d+ over UDP for a.example. A: No Error, \d+ octets from 127.0.0.1:%d "
                     r"after \d+ us" % s.port,
                     r"answer to 127.0.0.1:\d+ over TCP for a.example. A: No Error, \d+ octets from 127.0.0.1:%d" % s.port,
                     r"over UDP for a.example. A: No Error, \d+ octets from the cache after 0 us",
                     r"no answer from 127.0.0.1:%d to 127.0.0.1:\d+ over UDP for never.example. A" % s.port):
            self.assertTrue(wait_for(lambda: re.search(line, d.output()), 5), f"{line}\n{d.output()}")
        self.assertNotIn("before.example.", d.output())
        self.assertNotIn("after.example.", d.output())


class Muted(TestCase):
    def test_muted_listener_processes_and_does_not_answer(self):
        s = self.use(FakeServer())
        d = self.daemon(f'newServer{{address="127.0.0.1:{s.port}"}}\n'
                        'getPool(""):setCache(newPacketCache(100))')
        self.assertEqual(d.lua("getBind(0).muted"), "false")
        d.console("getBind(0).muted = true")
        self.assertEqual(d.lua("getBind(0).muted"), "true")
        self.assertTrue(clients.silent(d.port, "a.example."))  # from the server
        self.assertTrue(clients.silent(d.port, "a.example."))  # from the cache
        self.assertEqual((d.stat("queries"), d.stat("cache-hits"), d.stat("responses")), (2, 1, 2))
        self.assertIn("only a UDP listener can be muted", d.console("getBind(1).muted = true"))
        self.assertEqual(d.lua("getBind(1).muted"), "false")
        self.assertTrue(clients.tcp(d.port, "a.example.").answer)
        d.console("getBind(0).muted = false")
        self.assertTrue(clients.udp(d.port, "a.example.").answer)


if __name__ == "__main__":
    main()
