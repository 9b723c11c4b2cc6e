#!/usr/bin/python3
"""What an operator can do wrong: Lua that never ends, too much output, the end at any moment, changes in a storm."""
import random
import signal
import socket
import threading
import time
import unittest

import clients
from consolewire import Session
from fakeserver import FakeServer
from harness import DNSDIST, TestCase, main, wait_for

# The promise is five seconds whatever happens; what runs Lua can be told to stop at once.
LAST_S = 5


def has_thread_sanitizer():
    """It keeps signals back until the program makes a call that it knows."""
    with open(DNSDIST, "rb") as f:
        return b"__tsan_init" in f.read()


@unittest.skipIf(has_thread_sanitizer(), "signals come late under the thread sanitizer")
class NeverEnding(TestCase):
    """SIGTERM ends the process with status 0 while its control thread runs something endless."""

    def ends(self, d, within):
        begin = time.monotonic()
        self.assertEqual(d.stop(seconds=LAST_S + 3), 0, d.output())
        self.assertLess(time.monotonic() - begin, within)

    def test_command(self):
        for command in ("while true do end", "while true do pcall(function() while true do end end) end",
                        "repeat local ok = pcall(error) until ok"):
            with self.subTest(command):
                d = self.daemon()
                s = self.use(Session(d.console_port))
                s.send(command)
                time.sleep(0.2)
                self.ends(d, LAST_S / 2)

    def test_command_that_is_not_lua(self):
        d = self.daemon()
        s = self.use(Session(d.console_port))
        s.send("string.find(string.rep('a', 40), string.rep('a?', 40)..string.rep('a', 40))")
        time.sleep(0.2)
        self.ends(d, LAST_S)

    def test_configuration(self):
        d = self.daemon("while true do end", start=False)
        time.sleep(0.3)
        self.ends(d, LAST_S / 2)

    def test_maintenance(self):
        d = self.daemon("function maintenance() while true do end end")
        time.sleep(1.2)
        self.ends(d, LAST_S / 2)

    def test_exit_callback(self):
        d = self.daemon("addExitCallback(function() while true do end end)")
        self.ends(d, LAST_S)

    def test_exit_callbacks_run_after_what_was_interrupted(self):
        d = self.daemon("addExitCallback(function() infolog('last words') end)")
        s = self.use(Session(d.console_port))
        s.send("while true do end")
        time.sleep(0.2)
        self.ends(d, LAST_S / 2)
        self.assertIn("last words", d.output())


class Finalizers(TestCase):
    """What Lua calls when it collects garbage, at any moment, changes what a command is reading."""

    AGAIN = """n = 0 function again(change) setmetatable({}, {__gc=function()
               if reading then n = n + 1 change() end again(change) end}) end collectgarbage("setpause", 0) collectgarbage("setstepmul", 1000)"""

    def reads(self, d, command, before=""):
        """A command with finalizers at work within it."""
        d.console(f"n = 0 for i = 1, 10 do {before} reading = true {command} reading = false end")
        self.assertGreater(int(d.console("n")), 0)

    def test_rates(self):
        d = self.daemon(self.AGAIN + " exceedQRate(1, 10)")
        d.console("exceedQRate(1, 10)")
        wire = clients.make("www.example").to_wire()
        for i in range(2000):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((f"127.1.{i // 250}.{i % 250 + 1}", 0))
                s.sendto(wire, ("127.0.0.1", d.port))
        clients_over = "(function() local n = 0 for _ in pairs(exceedQRate(0.001, 10)) do n = n + 1 end return n end)()"
        self.assertTrue(wait_for(lambda: int(d.console(clients_over)) > 1900))
        d.console("again(function() exceedQTypeRate(n % 40, 1, 10 + n % 40) end)")
        self.reads(d, "exceedQRate(0.001, 10)")

    def test_blocks_of_this_transaction(self):
        d = self.daemon(self.AGAIN)
        d.console("again(function() if n % 3 == 0 then clearDynBlocks() end end)")
        self.reads(d, "getDynamicBlocks()",
                   "for i = 1, 20000 do addDynamicBlock('10.0.' .. i // 250 .. '.' .. i % 250, 'test') end")


    def test_between_commands_and_at_the_end(self):
        d = self.daemon("""calls = 0 function again() setmetatable({}, {__gc=function() calls = calls + 1 again()
                           addAction(AllRule(), NoneAction()) end}) end again()
                           function change() addAction(AllRule(), NoneAction()) getPool("").x = 1 end
                           kept = setmetatable({}, {__gc=change}) kept2 = setmetatable({}, {__gc=function()
                           server.order = 3 end}) bind = getBind(0)
                           kept3 = setmetatable({}, {__gc=function() tostring(bind) end}) server = newServer("127.0.0.1:9")
                           collectgarbage("setpause", 0) collectgarbage("setstepmul", 1000)""")
        s = self.use(Session(d.console_port))
        calls = int(s.ask("calls"))
        self.assertTrue(wait_for(lambda: int(s.ask("calls")) > calls + 50, every=0))
        self.assertEqual(d.stop(), 0, d.output())


class Output(TestCase):
    def test_endless_output_is_an_error_and_costs_no_memory(self):
        d = self.daemon("setConsoleOutputMaxMsgSize(1000000)")
        s = self.use(Session(d.console_port))
        self.assertRegex(s.ask("while true do showVersion() end"), "^Error: .*more output than the 1000000 octets")
        self.assertEqual(s.ask("1+1"), "2\n")
        with open(f"/proc/{d.pid}/status") as f:
            rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        self.assertLess(rss, 300_000)  # kB; a sanitizer has its own

    def test_most_that_fits(self):
        d = self.daemon("setConsoleOutputMaxMsgSize(1024)")
        s = self.use(Session(d.console_port))
        self.assertEqual(s.ask("string.rep('x', 900)"), "x" * 900 + "\n")
        self.assertTrue(s.ask("string.rep('x', 2000)").startswith("Error: "))
        self.assertEqual(s.ask("'y'"), "y\n")

    def test_disconnect_during_output(self):
        d = self.daemon()
        for _ in range(20):
            s = Session(d.console_port)
            s.send("string.rep('x', 9000000)")
            s.s.recv(1000)
            s.close()
        self.assertEqual(d.console("1+1"), "2")


class Signals(TestCase):
    """SIGTERM at any moment: status 0 within five seconds, nothing leaked (the build with sanitizers looks)."""

    def stop_now(self, d):
        begin = time.monotonic()
        self.assertEqual(d.stop(seconds=LAST_S), 0, d.output())
        return time.monotonic() - begin

    def test_during_start(self):
        silent = self.use(FakeServer(lambda q: None, probes=None))
        for delay in (0.05, 0.1, 0.2, 0.4):
            with self.subTest(delay):
                d = self.daemon(f"""newServer({{address="{silent.address}", checkTimeout=3000}})
                                    newServer({{address="{silent.address}", checkTimeout=3000, tcpOnly=true}})""",
                                start=False)
                wait_for(lambda: self.is_catching(d))
                time.sleep(delay)
                self.stop_now(d)

    def test_first_moments(self):
        for i in range(25):
            with self.subTest(i):
                d = self.daemon('for i = 1, 200 do newServer("127.0.0.1:"..i) end', start=False)
                wait_for(lambda: self.is_catching(d), every=0)
                time.sleep(0.0005 * i)
                self.stop_now(d)

    @staticmethod
    def is_catching(d):
        """Whether it has a handler by now: before that SIGTERM ends it as it ends every process."""
        with open(f"/proc/{d.pid}/status") as f:
            caught = next(line.split()[1] for line in f if line.startswith("SigCgt"))
        return int(caught, 16) & 1 << (signal.SIGTERM - 1)

    def test_with_queries_in_flight(self):
        silent = self.use(FakeServer(lambda q: None, probes=True))
        for options in ("", ", tcpOnly=true"):
            with self.subTest(options):
                d = self.daemon(f'setWorkers(2) newServer({{address="{silent.address}"{options}}})')
                streams = [self.use(clients.Stream(d.port)) for _ in range(10)]
                for i, s in enumerate(streams):
                    s.send(clients.make(f"t{i}.example.").to_wire())
                for i in range(50):
                    clients.send_udp(d.port, clients.make(f"u{i}.example.").to_wire(), timeout=0.001)
                self.assertLess(self.stop_now(d), LAST_S / 2)

    def test_twice(self):
        d = self.daemon()
        d.popen.send_signal(signal.SIGINT)
        self.stop_now(d)


class Storm(TestCase):
    """Servers, pools, caches, policies and lists change as fast as consoles can say, while clients ask."""

    COMMANDS = [
        'newServer({address="$OTHER", name="a"})',
        'newServer({address="$OTHER", name="t", tcpOnly=true, pool={"", "p"}})',
        'newServer({address="$OTHER", name="l", sockets=4, healthCheckMode="lazy", pool="p"})',
        'newServer({address="127.0.0.1:1", name="dead"})',
        'for _, s in ipairs(getServers()) do if s:getName() ~= "keep" then rmServer(s) break end end',
        'for _, s in ipairs(getServers()) do if s:getName() ~= "keep" then rmServer(s) end end',
        'getPool(""):unsetCache()', 'getPool(""):setCache(pc)', 'getPool(""):setCache(newPacketCache(1000))',
        'setServerPolicy(roundrobin)', 'setServerPolicy(leastOutstanding)', 'setServerPolicy(chashed)',
        'setServerPolicy(whashed)', 'setServerPolicy(wrandom)', 'setPoolServerPolicy(roundrobin, "p")',
        'for i = 1, 50 do addACL("10."..i..".0.0/16") end', 'setACL({"127.0.0.0/8"})',
        'getServer(0):addPool("x")', 'getServer(0):rmPool("x")', 'getServer(0):setQPS(100000)',
        'pc:expunge(10)', 'showServers()', 'showPools()', 'dumpStats()',
        'newServer("127.0.0.1:2") error("no")', 'getPool(""):unsetCache() nosuch()',
    ]

    def test_nothing_is_lost(self):
        server = self.use(FakeServer())
        other = self.use(FakeServer())
        d = self.daemon(f"""setWorkers(2)
            newServer({{address="{server.address}", name="keep"}})
            pc = newPacketCache(1000) getPool(""):setCache(pc)""")
        end = time.monotonic() + 4
        wrong = []

        def operate(seed):
            chance = random.Random(seed)
            with Session(d.console_port) as s:
                while time.monotonic() < end and not wrong:
                    command = chance.choice(self.COMMANDS).replace("$OTHER", other.address)
                    if s.ask(command) is None:
                        wrong.append(f"no answer to {command}")

        def query(ask, prefix):
            n = 0
            while time.monotonic() < end and not wrong:
                n += 1
                try:
                    ask(d.port, f"{prefix}{n % 100}.example.")
                except Exception as e:
                    wrong.append(f"{ask.__name__} {n}: {e!r}")

        threads = [threading.Thread(target=operate, args=(i,)) for i in range(2)]
        threads += [threading.Thread(target=query, args=a) for a in
                    ((clients.udp, "u"), (clients.udp, "v"), (clients.tcp, "t"))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        s = d.stats()
        self.assertEqual((s["queries"], s["downstream-timeouts"], s["no-policy"]), (s["responses"], 0, 0))
        self.assertEqual(s["queries"], s["cache-hits"] + sum(1 for f in (server, other) for _ in f.queries))

    def test_servers_removed_while_their_checks_end(self):
        """A check's last event and the removal of its server come in one turn of a worker."""
        listener = self.use(socket.create_server(("127.0.0.1", 0), backlog=500))
        threading.Thread(target=self.accept_and_close, args=(listener,), daemon=True).start()
        d = self.daemon("setWorkers(1)")
        add = f'newServer({{address="127.0.0.1:{listener.getsockname()[1]}", tls="openssl"}})'
        remove = "for _, s in ipairs(getServers()) do rmServer(s) end"
        with Session(d.console_port) as s:
            for i in range(300):
                batch = [" ".join([add] * 10)] + ["1"] * (i % 30) + [remove]
                s.s.sendall(b"".join(s.seal(line) for line in batch))
                for line in batch:
                    self.assertIsNotNone(s.receive(), line)
        self.assertEqual(d.rows("showServers()")[-1][0], "All")

    @staticmethod
    def accept_and_close(listener):
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            c.recv(1)
            c.close()


if __name__ == "__main__":
    main()
