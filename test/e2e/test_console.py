#!/usr/bin/python3
"""The console's protocol octet by octet, what it evaluates and prints, its limits, many sessions at once."""
import base64
import struct

import consolewire
from consolewire import MAC_LEN, NONCE_LEN, Session
from fakeserver import read_exactly
from harness import KEY, TestCase, main, tcp_opens, wait_for

OTHER_KEY = base64.b64encode(bytes(32)).decode()


class Wire(TestCase):
    """What goes over the connection."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d = cls.class_daemon()

    def session(self, **kw):
        return self.use(Session(self.d.console_port, **kw))

    def test_empty_message_is_answered_by_one(self):
        s = self.session()
        s.send("")
        self.assertEqual(read_exactly(s.s, 4 + MAC_LEN)[:4], struct.pack("!I", MAC_LEN))
        s.reading = consolewire.next_nonce(s.reading)  # that answer was counted
        self.assertEqual(s.ask("1+1"), "2\n")

    def test_first_message_may_be_a_command(self):
        self.assertEqual(self.session().ask("1+1"), "2\n")

    def test_nonce_of_the_daemon_is_new_each_time(self):
        self.assertEqual(len({self.session(own=bytes(NONCE_LEN)).peer for _ in range(8)}), 8)

    def test_nonces_count_through_octets_and_wrap(self):
        # The client's first half begins the nonces of answers: 2^32 - 1 is followed by 0 there.
        s = self.session(own=b"\xff" * NONCE_LEN)
        for i in range(300):  # past 256 in one octet
            self.assertEqual(s.ask(f"{i}"), f"{i}\n")

    def test_frame_of_length_0_is_answered_by_one_and_counts_no_nonce(self):
        s = self.session()
        for _ in range(3):
            s.s.sendall(bytes(4))
            self.assertEqual(read_exactly(s.s, 4), bytes(4))
        self.assertEqual(s.ask("1+1"), "2\n")

    def test_octet_by_octet(self):
        s = self.session()
        for octet in s.seal("1+1") + s.seal("2+2"):
            s.s.send(bytes([octet]))
        self.assertEqual([s.receive(), s.receive()], ["2\n", "4\n"])

    def test_nonce_and_commands_in_one_piece_are_answered_in_order(self):
        s = self.session()
        s.s.sendall(b"".join(s.seal(f"{i}") for i in range(100)))
        self.assertEqual([s.receive() for _ in range(100)], [f"{i}\n" for i in range(100)])

    def test_wrong_key_is_closed_without_an_answer(self):
        for first in ("", "showVersion()"):
            s = self.session(key=OTHER_KEY)
            s.send(first)
            self.assertEqual(consolewire.read_to_end(s.s), b"")
        self.assertIn("its key is another one", self.d.output())

    def test_message_that_was_changed_on_the_way_ends_the_session(self):
        other = self.session()
        for at in (4, 4 + MAC_LEN, -1):
            s = self.session()
            self.assertEqual(s.ask("1"), "1\n")
            frame = bytearray(s.seal("changed = true"))
            frame[at] ^= 1
            s.s.sendall(frame)
            self.assertEqual(consolewire.read_to_end(s.s), b"")
        self.assertEqual(other.ask("changed"), "")

    def test_message_that_was_sent_again_ends_the_session(self):
        s = self.session()
        frame = s.seal("replayed = (replayed or 0) + 1")
        s.s.sendall(frame + frame)
        self.assertEqual(s.receive(), "")
        self.assertIsNone(s.receive())
        self.assertEqual(self.session().ask("replayed"), "1\n")

    def test_message_shorter_than_its_mac_ends_the_session(self):
        s = self.session()
        s.s.sendall(struct.pack("!I", MAC_LEN - 1) + bytes(MAC_LEN - 1))
        self.assertEqual(consolewire.read_to_end(s.s), b"")

    def test_connection_that_closes_early_harms_nobody(self):
        for octets in (b"", bytes(3), bytes(NONCE_LEN), bytes(NONCE_LEN + 2)):
            s = consolewire.connect(self.d.console_port)
            s.sendall(octets)
            s.close()
        self.assertEqual(self.session().ask("1+1"), "2\n")

    def test_long_command_and_long_answer(self):
        s = self.session()
        long = "x" * 3_000_000
        self.assertEqual(s.ask(f"'{long}'"), long + "\n")
        self.assertEqual(len(s.ask("string.rep('y', 9000000)")), 9_000_001)

    def test_client_that_does_not_read_holds_up_nobody(self):
        slow, other = self.session(), self.session()
        for _ in range(4):
            slow.send("string.rep('z', 5000000)")
        for i in range(20):
            self.assertEqual(other.ask(f"{i}"), f"{i}\n")
        for _ in range(4):
            self.assertEqual(len(slow.receive()), 5_000_001)

    def test_sessions_at_once_keep_apart(self):
        sessions = [self.session() for _ in range(40)]
        for n in range(5):
            for i, s in enumerate(sessions):
                s.send(f"show('{i}') show('{n}')")
            for i, s in enumerate(sessions):
                self.assertEqual(s.receive(), f"{i}\n{n}\n")

    def test_sessions_share_one_state(self):
        a, b = self.session(), self.session()
        a.ask("shared = 7")
        self.assertEqual(b.ask("shared"), "7\n")


class Evaluation(TestCase):
    """What a command gives back."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d = cls.class_daemon('newServer{address="127.0.0.1:9", name="one", healthCheckMode="up"}\n'
                                 'newServer{address="127.0.0.1:10", healthCheckMode="up"}')
        cls.s = cls.class_use(Session(cls.d.console_port))

    CASES = (
        ("string", "'text'", "text\n"),
        ("string of two lines", "'a\\nb'", "a\nb\n"),
        ("empty string", "''", "\n"),
        ("octets of any value", "#'a\\0\\255'", "3\n"),
        ("integer", "6*7", "42\n"),
        ("fraction", "5/2", "2.5\n"),
        ("float of an integer's value", "10/2", "5\n"),
        ("server with a name", "getServer(0)", "one\n"),
        ("server without", "getServer(1)", "127.0.0.1:10\n"),
        ("listener", "getBind(0)", "127.0.0.1:$PORT\n"),
        ("table of numbers", "{b=2, a=1.5}", '{"a": 1.5, "b": 2}\n'),
        ("list of numbers", "{10, 20}", '{"1": 10, "2": 20}\n'),
        ("empty table", "{}", "{}\n"),
        ("nil", "nil", ""),
        ("undefined name", "nobody", ""),
        ("first of two values", "1, 2", "1\n"),
        ("statement", "x = 5", ""),
        ("what it did", "x", "5\n"),
        ("statement that returns", "return 3", "3\n"),
        ("several statements", "local a = 4; x = a * 2; return x", "8\n"),
        ("loop", "for i = 1, 3 do show(i) end", "1\n2\n3\n"),
        ("function without result", "showVersion()", "dnsdist $VERSION\n"),
        ("two in a line", "show('a') show('b')", "a\nb\n"),
        ("result in place of what was shown", "show('a') return 'b'", "b\n"),
        ("several lines", "y = 1\ny = y + 1\nreturn y", "2\n"),
        ("comment", "-- nothing", ""),
        ("blanks", "  \t ", ""),
        ("result that has no text", "true", "Command returned an object we can't print: ..."),
        ("function as result", "show", "Command returned an object we can't print: ..."),
        ("table of strings", "{a='b'}", "Command returned an object we can't print: ..."),
        ("unknown function", "shwServers()", "Error: ...'shwServers' (did you mean 'showServers'?)\n"),
        ("unknown method", "getServer(0):setDwn()", "Error: ...'setDwn' (did you mean 'setDown'?)\n"),
        ("syntax error", "x y", "Error: ...near 'y'\n"),
        ("error of Lua", "error('my words')", "Error: ...my words\n"),
        ("error with a table", "error({})", "Error: ..."),
        ("wrong type", "setACL(true)", "Error: ...setACL..."),
        ("what only the file may say", "addLocal('127.0.0.1:1')", "addLocal cannot be used at runtime!\n"),
    )

    def test_cases(self):
        version = self.s.ask("showVersion()").split()[1]
        for label, command, expected in self.CASES:
            expected = self.d.fill(expected).replace("$VERSION", version)
            with self.subTest(label):
                got = self.s.ask(command)
                if "..." in expected:
                    head, tail = expected.split("...", 1)
                    self.assertTrue(got.startswith(head), got)
                    self.assertIn(tail.removesuffix("..."), got)
                else:
                    self.assertEqual(got, expected)

    def test_command_with_a_zero_octet_is_not_cut_there(self):
        self.assertRegex(self.s.ask("cut = 1\0 .. 'x'"), "^Error: ")
        self.assertEqual(self.s.ask("cut"), "")

    def test_print_goes_to_the_daemon(self):
        self.assertEqual(self.s.ask("print('on its own output')"), "")
        self.assertTrue(wait_for(lambda: "on its own output\n" in self.d.output()))

    def test_failed_command_changes_nothing(self):
        before = self.s.ask("showServers() showACL() showPools()")
        got = self.s.ask("newServer('127.0.0.1:11') addACL('192.0.2.0/24') getPool('new') error('late')")
        self.assertRegex(got, "^Error: .*late\n$")
        self.assertEqual(self.s.ask("showServers() showACL() showPools()"), before)

    def test_session_goes_on_after_an_error(self):
        for _ in range(3):
            self.assertRegex(self.s.ask("error('x')"), "^Error: ")
            self.assertEqual(self.s.ask("1"), "1\n")

    def test_delta_has_what_changed_something(self):
        self.s.ask("clearConsoleHistory()")
        for command in ("showServers()", "setACL('bad/99')", "setVerbose(false)", "1+1", "w = 3"):
            self.s.ask(command)
        lines = self.s.ask("delta()").splitlines()
        self.assertEqual(lines[1::2], ["setVerbose(false)", "w = 3"])
        for when in lines[::2]:
            self.assertRegex(when, r"^-- \w{3} \w{3} \d\d \d{4} \d\d:\d\d:\d\d \w+$")
        self.s.ask("clearConsoleHistory()")
        self.assertEqual(self.s.ask("delta()"), "")

    def test_help(self):
        lines = self.s.ask("help()").splitlines()
        self.assertGreater(len(lines), 150)
        for line in lines:
            self.assertRegex(line, r"^[\w:.]+(\(.*\))? - \S")
        for name in ("newServer(", "showServers(", "Server:setDown(", "Server.weight", "PacketCache:printStats("):
            self.assertTrue(any(line.startswith(name) for line in lines), name)
        self.assertRegex(self.s.ask("help('showVersion')"), r"^showVersion\(\) - .*\n$")
        self.assertEqual(self.s.ask("help('nothing at all')"), "Nothing found for nothing at all\n")

    def test_make_key_gives_a_line_for_the_configuration(self):
        lines = {self.s.ask("makeKey()") for _ in range(3)}
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertRegex(line, r'^setKey\("[A-Za-z0-9+/]{43}="\)\n$')

    def test_crypto_of_itself(self):
        self.assertEqual(self.s.ask("testCrypto()"), "Everything is ok!\n")


class Limits(TestCase):
    """Who is let in, and how much goes through."""

    def closed_without_nonce(self, d):
        s = self.use(consolewire.connect(d.console_port))
        return consolewire.read_to_end(s) == b""

    def let_in(self, d):
        try:
            with Session(d.console_port) as s:
                return s.ask("1") == "1\n"
        except ConnectionResetError:
            return False

    def test_no_key(self):
        d = self.daemon('controlSocket("127.0.0.1:$CONSOLE")', console=False)
        self.assertTrue(self.closed_without_nonce(d))

    def test_key_that_is_none_is_said(self):
        d = self.daemon('controlSocket("127.0.0.1:$CONSOLE")\nsetKey("dG9vIHNob3J0")', console=False)
        self.assertTrue(self.closed_without_nonce(d))
        self.assertIn("dnsdist.conf:3:", d.output())

    def test_acl(self):
        d = self.daemon('setConsoleACL({"192.0.2.0/24"})')
        self.assertTrue(self.closed_without_nonce(d))

    def test_acl_that_grows(self):
        d = self.daemon('setConsoleACL("192.0.2.0/24") addConsoleACL("127.0.0.1")')
        s = self.use(Session(d.console_port))
        self.assertEqual(s.ask("showConsoleACL()"), "192.0.2.0/24\n127.0.0.1/32\n")
        s.ask('setConsoleACL("::1")')
        self.assertTrue(self.closed_without_nonce(d))
        self.assertEqual(s.ask("1"), "1\n")  # who is in stays

    def test_most_connections(self):
        d = self.daemon("setConsoleMaximumConcurrentConnections(2)")
        a, b = Session(d.console_port), self.use(Session(d.console_port))
        self.assertEqual((a.ask("1"), b.ask("2")), ("1\n", "2\n"))
        self.assertTrue(self.closed_without_nonce(d))
        self.assertEqual(b.ask("3"), "3\n")
        a.close()
        self.assertTrue(wait_for(lambda: self.let_in(d)))

    def test_longest_message(self):
        d = self.daemon("setConsoleOutputMaxMsgSize(2000)")
        s = self.use(Session(d.console_port))
        fits = 2000 - MAC_LEN
        command = "#'" + "x" * (fits - 3) + "'"
        self.assertEqual(s.ask(command), f"{fits - 3}\n")
        self.assertEqual(len(s.ask(f"string.rep('y', {fits - 1})")), fits)
        too_long = s.ask(f"string.rep('y', {fits})")
        self.assertRegex(too_long, "^Error: .*setConsoleOutputMaxMsgSize")
        self.assertEqual(s.ask("1"), "1\n")
        s.s.sendall(struct.pack("!I", 2001))
        self.assertEqual(consolewire.read_to_end(s.s), b"")

    def test_announced_length_costs_nothing(self):
        """Fifty connections that announce 10 MB each and send an octet do not take half a gigabyte."""
        d = self.daemon()
        s = self.use(Session(d.console_port))
        s.ask("1")

        def resident_kib():
            with open(f"/proc/{d.pid}/status") as f:
                return int(next(line for line in f if line.startswith("VmRSS")).split()[1])

        before = resident_kib()
        for _ in range(50):
            hungry = self.use(Session(d.console_port))
            hungry.s.sendall(struct.pack("!I", 10_000_000) + b"x")
        s.ask("1")
        self.assertLess(resident_kib() - before, 50_000)

    def test_key_of_now_opens(self):
        d = self.daemon()
        old = self.use(Session(d.console_port))
        self.assertEqual(old.ask(f'setKey("{OTHER_KEY}")'), "")
        self.assertEqual(old.ask("1"), "1\n")
        new = self.use(Session(d.console_port, key=OTHER_KEY))
        self.assertEqual(new.ask("2"), "2\n")
        former = self.use(Session(d.console_port))
        former.send("")
        self.assertEqual(consolewire.read_to_end(former.s), b"")

    def test_socket_moves(self):
        d = self.daemon()
        s = self.use(Session(d.console_port))
        moved = d.fill("$CONSOLE")
        self.assertEqual(s.ask(f'controlSocket("127.0.0.2:{moved}")'), "")
        self.assertTrue(tcp_opens(int(moved), "127.0.0.2"))
        self.assertFalse(tcp_opens(int(moved)))
        self.assertEqual(s.ask("1"), "1\n")
        s.ask(f'controlSocket("127.0.0.1:{moved}")')
        self.assertTrue(tcp_opens(int(moved)))

    def test_connections_are_logged_or_not(self):
        d = self.daemon("setConsoleConnectionsLogging(false)")
        with Session(d.console_port) as s:
            s.ask("1")
        self.assertNotIn("connection from", d.output())
        d = self.daemon()
        with Session(d.console_port) as s:
            s.ask("1")
        self.assertTrue(wait_for(lambda: d.output().count("connection from 127.0.0.1") >= 2))

    def test_shutdown(self):
        d = self.daemon('addExitCallback(function() print("leaving") end)')
        s = self.use(Session(d.console_port))
        self.assertEqual(s.ask("shutdown()"), "")
        self.assertEqual(d.wait(), 0)
        self.assertIn("leaving\n", d.output())


if __name__ == "__main__":
    main()
