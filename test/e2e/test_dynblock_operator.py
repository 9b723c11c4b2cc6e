#!/usr/bin/python3
"""The operator can't lock himself out: consoles are not subject to blocks, and clearDynBlocks() always works."""
import socket
import threading
import time

import dns.exception

import clients
from consolewire import Session
from harness import TestCase, main, wait_for


class Flood:
    """Queries without a pause from addresses of 127.1.0.0/16."""

    def __init__(self, port, name="flood.test."):
        self.port, self.stopped, self.sent = port, False, 0
        self.wire = clients.make(name).to_wire()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        sockets = []
        for i in range(1, 17):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((f"127.1.0.{i}", 0))
            s.connect(("127.0.0.1", self.port))
            s.setblocking(False)
            sockets.append(s)
        while not self.stopped:
            for s in sockets:
                try:
                    s.send(self.wire)
                    self.sent += 1
                except OSError:
                    pass
        for s in sockets:
            s.close()

    def close(self):
        self.stopped = True
        self.thread.join()


class Operator(TestCase):
    def start(self, config="", **kw):
        return self.daemon('addAction(AllRule(), SpoofAction("192.0.2.1"))\n' + config, **kw)

    def ask(self, d):
        """The answer; amid a flood some datagrams find no room in the socket."""
        for _ in range(10):
            try:
                return clients.udp(d.port, "www.example.", timeout=0.5)
            except dns.exception.Timeout:
                pass
        return None

    def is_out(self, d):
        return all(clients.silent(d.port, "www.example.", timeout=0.1) for _ in range(3))

    def gets_back_in(self, d, clear="clearDynBlocks()"):
        """With a connection made now, in no more than a moment."""
        begin = time.monotonic()
        s = self.use(Session(d.console_port))
        self.assertIn("Seconds", s.ask("showDynBlocks()"))
        self.assertEqual(s.ask(clear), "")
        self.assertLess(time.monotonic() - begin, 3)
        self.assertEqual(s.ask("showDynBlocks()").count("\n"), 1)
        self.assertTrue(self.ask(d))


class Blocked(Operator):
    def test_by_hand(self):
        d = self.start()
        old = self.use(Session(d.console_port))
        old.ask("1")
        for line in ('addDynamicBlock("127.0.0.1", "x", DNSAction.Drop, 6000)',
                     'addDynamicBlock("127.0.0.1", "x", DNSAction.Drop, 6000, 8)',
                     'addDynamicBlock("0.0.0.0", "x", DNSAction.Drop, 6000, 0)',
                     'addDynBlocks({[newCA("127.0.0.1")]=1000}, "x", 6000)',
                     'addDynBlockSMT({"."}, "x", 6000)'):
            with self.subTest(line):
                old.ask(line)
                self.assertTrue(self.is_out(d))
                self.assertEqual(old.ask("'still here'"), "still here\n")
                self.gets_back_in(d)

    def test_all_addresses_of_both_families(self):
        d = self.start('addDynamicBlock("::", "x", DNSAction.Drop, 6000, 0)\n'
                       'addDynamicBlock("0.0.0.0", "x", DNSAction.Drop, 6000, 0)')
        self.assertTrue(self.is_out(d))
        self.gets_back_in(d)

    def test_by_a_group_of_everybody(self):
        """Masks of 0 bits make one client of all: he himself is part of the flood."""
        for masks in ("0, 0", "8, 8"):
            with self.subTest(masks):
                d = self.start(f'''dbr = dynBlockRulesGroup() dbr:setMasks({masks})
                    dbr:setQueryRate(50, 5, "everybody", 6000)
                    function maintenance() dbr:apply() end''')
                flood = Flood(d.port)
                s = self.use(Session(d.console_port))
                self.assertTrue(wait_for(lambda: "everybody" in s.ask("showDynBlocks()"), 5))
                flood.close()
                self.assertTrue(self.is_out(d))
                self.gets_back_in(d, "dbr = dynBlockRulesGroup() clearDynBlocks()")

    def test_the_default_action_and_a_long_time(self):
        d = self.start('setDynBlocksAction(DNSAction.Truncate)\naddDynamicBlock("127.0.0.1", "x", nil, 1000000000)')
        self.assertTrue(self.ask(d).flags & 0x0200)
        s = self.use(Session(d.console_port))
        s.ask("setDynBlocksAction(DNSAction.Drop)")
        self.assertTrue(self.is_out(d))
        self.gets_back_in(d)


class Many(Operator):
    N = 1_000_000

    def test_cleared_amid_a_million_and_a_flood(self):
        d = self.start()
        flood = self.use(Flood(d.port))
        s = self.use(Session(d.console_port))
        for part in range(4):
            s.ask(f'''for i = {part * self.N // 4}, {(part + 1) * self.N // 4 - 1} do
                addDynamicBlock("10." .. (i >> 16) .. "." .. (i >> 8 & 255) .. "." .. (i & 255), "many", DNSAction.Drop, 6000)
                end'''.replace("\n", " "))
        s.ask('addDynamicBlock("127.0.0.1", "me too", DNSAction.Drop, 6000, 8)')
        self.assertEqual(d.stat("dyn-block-nmg-size"), self.N + 1)
        self.assertTrue(self.is_out(d))
        sent = flood.sent
        begin = time.monotonic()
        self.assertEqual(s.ask("clearDynBlocks()"), "")
        took = time.monotonic() - begin
        self.assertLess(took, 5)
        self.assertTrue(wait_for(lambda: self.ask(d), 5))
        self.assertGreater(flood.sent, sent)  # it went on
        self.assertEqual(d.stat("dyn-block-nmg-size"), 0)
        self.assertEqual(s.ask("showDynBlocks()").count("\n"), 1)
        # and again, as if nothing had been
        s.ask('addDynamicBlock("127.0.0.1", "x", DNSAction.Drop, 6000)')
        self.assertTrue(self.is_out(d))
        self.gets_back_in(d)


if __name__ == "__main__":
    main()
