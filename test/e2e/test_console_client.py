#!/usr/bin/python3
"""The console's clients: ours at its commands, at a terminal and in scripts; Debian's dnsdist both ways; stdin."""
import os
import signal
import stat
import subprocess

from consolewire import Session
from harness import BUILD, DEBIAN_DNSDIST, DNSDIST, KEY, PATIENCE_S, TestCase, free_port, main, needs, run_dnsdist
from terminal import UP, Terminal

OTHER_KEY = "A" * 43 + "="
CONSOLE = os.path.join(BUILD, "dnsdist-console")


class Execute(TestCase):
    """-e: one command, and what the shell sees of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d = cls.class_daemon('newServer{address="127.0.0.1:9", name="one", healthCheckMode="up"}')

    def run_client(self, *args, binary=DNSDIST, **kw):
        done = run_dnsdist(*args, binary=binary, **kw)
        return done.returncode, done.stdout, done.stderr

    def test_address_and_key_of_the_configuration(self):
        self.assertEqual(self.run_client("-C", self.d.config_path, "-e", "getServer(0)"), (0, "one\n", ""))

    def test_long_options(self):
        self.assertEqual(self.run_client("--config", self.d.config_path, "--client", "--execute", "1+1"),
                         (0, "2\n", ""))

    def test_address_and_key_of_the_command_line(self):
        empty = os.path.join(self.folder(), "empty.conf")
        open(empty, "w").close()
        where = f"127.0.0.1:{self.d.console_port}"
        self.assertEqual(self.run_client("-C", empty, "-c", where, "-k", KEY, "-e", "1+1"), (0, "2\n", ""))

    def test_client_program(self):
        self.assertEqual(self.run_client("-C", self.d.config_path, "-e", "1+1", binary=CONSOLE), (0, "2\n", ""))
        self.assertEqual(self.run_client("-C", self.d.config_path, "-k", KEY, "-e", "1+1",
                                         f"127.0.0.1:{self.d.console_port}", binary=CONSOLE), (0, "2\n", ""))
        self.assertEqual(self.run_client("-C", self.d.config_path, binary=CONSOLE, stdin="1+1\n"), (0, "2\n", ""))

    def test_failed_command_is_no_failed_client(self):
        status, out, err = self.run_client("-C", self.d.config_path, "-e", "error('no')")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, "^Error: .*no\n$")

    def test_no_output_prints_nothing(self):
        self.assertEqual(self.run_client("-C", self.d.config_path, "-e", "x = 1"), (0, "", ""))

    def test_nobody_there(self):
        where = f"127.0.0.1:{free_port()}"
        status, out, err = self.run_client("-C", self.d.config_path, "-c", where, "-e", "1")
        self.assertEqual((status, out), (1, ""))
        self.assertIn(f"connecting socket to {where}: Connection refused", err)

    def test_wrong_key(self):
        status, out, err = self.run_client("-C", self.d.config_path, "-c", "-k", OTHER_KEY, "-e", "1")
        self.assertEqual((status, out), (0, ""))
        self.assertIn("key", err)

    def test_bad_key(self):
        for key in ("abc", "A" * 40, "!" * 44, ""):
            status, out, err = self.run_client("-C", self.d.config_path, "-k", key, "-e", "1")
            self.assertEqual((status, out), (1, ""), key)
            self.assertIn("key", err)

    def test_no_key(self):
        path = os.path.join(self.folder(), "nokey.conf")
        with open(path, "w") as f:
            f.write(f'controlSocket("127.0.0.1:{self.d.console_port}")\n')
        status, out, err = self.run_client("-C", path, "-e", "1+1")
        self.assertEqual((status, out), (0, ""))
        self.assertIn("setKey", err)

    def test_make_key_needs_no_daemon(self):
        path = os.path.join(self.folder(), "empty.conf")
        open(path, "w").close()
        for command in ("makeKey()", " makeKey( ) ;"):
            status, out, err = self.run_client("-C", path, "-e", command)
            self.assertEqual((status, err), (0, ""))
            self.assertRegex(out, r'^setKey\("[A-Za-z0-9+/]{43}="\)\n$')

    def test_bad_configuration(self):
        path = os.path.join(self.folder(), "bad.conf")
        with open(path, "w") as f:
            f.write("\nnoSuchFunction()\n")
        for args in (["-e", "1"], ["-c"]):
            status, out, err = self.run_client("-C", path, *args)
            self.assertEqual((status, out), (1, ""))
            self.assertIn("bad.conf:2:", err)
        self.assertEqual(self.run_client("-C", path + "-not-there", "-e", "1")[0], 1)

    def test_bad_address(self):
        status, _, err = self.run_client("-C", self.d.config_path, "-c", "nowhere:99", "-e", "1")
        self.assertEqual(status, 1)
        self.assertIn("'nowhere:99'", err)

    def test_configuration_is_executed_without_opening_anything(self):
        """The daemon of the same file runs: its addresses are taken, and it must not be disturbed."""
        witness = os.path.join(self.folder(), "witness")
        path = os.path.join(self.folder(), "client.conf")
        with open(path, "w") as f:
            f.write(self.d.config + f'\nif inClientStartup() then io.open("{witness}", "w"):write("client"):close() end\n')
        self.assertEqual(self.run_client("-C", path, "-e", "1+1"), (0, "2\n", ""))
        with open(witness) as f:
            self.assertEqual(f.read(), "client")

    def test_warnings_of_the_configuration_are_no_answers(self):
        path = os.path.join(self.folder(), "old.conf")
        with open(path, "w") as f:
            f.write(self.d.config + "\nx = dnsdist.ANY\n")
        status, out, err = self.run_client("-C", path, "-e", "1+1")
        self.assertEqual((status, out), (0, "2\n"))
        self.assertIn("former form", err)

    def test_large_output(self):
        status, out, _ = self.run_client("-C", self.d.config_path, "-e", "string.rep('0123456789', 900000)")
        self.assertEqual((status, out), (0, "0123456789" * 900000 + "\n"))

    def test_answer_too_long_for_the_client(self):
        path = os.path.join(self.folder(), "short.conf")
        with open(path, "w") as f:
            f.write(self.d.config + "\nsetConsoleOutputMaxMsgSize(1024)\n")
        status, out, err = self.run_client("-C", path, "-e", "string.rep('x', 2000)")
        self.assertEqual((status, out), (0, ""))
        self.assertIn("setConsoleOutputMaxMsgSize", err)


class Script(TestCase):
    """Standard input that is no terminal: commands in, answers out, and nothing else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d = cls.class_daemon()

    def test_answers_only(self):
        done = self.d.client(stdin="1+1\n\nx = 3\n  x * 2  \nerror('no')\nshow('a') show('b')\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, "^2\n6\nError: .*no\na\nb\n$")

    def test_last_line_without_newline(self):
        self.assertEqual(self.d.client(stdin="1+1").stdout, "2\n")

    def test_quit_and_help(self):
        self.assertEqual(self.d.client(stdin="1\nquit\n2\n").stdout, "1\n")
        for word in ("help", "?", "help()"):
            self.assertIn("showServers(", self.d.client(stdin=word + "\n").stdout)

    def test_nothing(self):
        done = self.d.client(stdin="")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_no_history_is_kept(self):
        home = self.folder()
        subprocess.run([DNSDIST, "-C", self.d.config_path, "-c"], input="1+1\n", text=True, check=True,
                       capture_output=True, env={**os.environ, "HOME": home})
        self.assertEqual(os.listdir(home), [])

    def test_daemon_that_leaves_ends_the_client(self):
        d = self.daemon()
        done = d.client(stdin="1+1\nshutdown()\n" + "showVersion()\n" * 1000)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.startswith("2\n"))
        self.assertIn("closed", done.stderr)
        self.assertEqual(d.wait(), 0)


class Interactive(TestCase):
    """At a terminal: prompt, line editing, completion, history."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d = cls.class_daemon()

    def setUp(self):
        self.home = self.folder()
        self.history = os.path.join(self.home, ".dnsdist_history")

    def client(self):
        t = self.use(Terminal([DNSDIST, "-C", self.d.config_path, "-c"], env={"HOME": self.home}))
        t.wait_for("> ")
        return t

    def test_commands(self):
        t = self.client()
        self.assertEqual(t.line("1+1"), "2\n")
        self.assertEqual(t.line("x = 3"), "\n")  # an empty answer is an empty line
        self.assertEqual(t.line("show('a') show('b')"), "a\nb\n")
        self.assertEqual(t.line(""), "")
        self.assertIn("showServers(", t.line("help"))
        t.type("quit\r")
        self.assertEqual(t.status(), 0)

    def test_end_of_input_ends_it(self):
        t = self.client()
        t.type("\x04")
        self.assertEqual(t.status(), 0)

    def test_line_editing(self):
        t = self.client()
        t.type("2+2\x01show(\x05)\r")  # to the begin, to the end
        self.assertIn("4\n", t.wait_for("4\n"))
        t.wait_for("> ")
        t.type("77777\x157\x7f6\r")  # the line away, a letter away
        self.assertTrue(t.wait_for("\n6\n"))

    def test_completion(self):
        t = self.client()
        t.type("showVers\t")
        t.wait_for("showVersion(")
        t.type(")\r")
        t.wait_for("\ndnsdist ")
        t.wait_for("> ")
        t.type("getPool(''):getCac\t)\r")
        t.wait_for("getPool(''):getCache()")
        t.wait_for("> ")
        t.type("leastOut\t\r")
        t.wait_for("leastOutstanding")

    def test_completion_with_several_ways(self):
        t = self.client()
        t.type("showResponseL\t")
        t.wait_for("showResponseLatency(")
        t.type("\x15setConsoleO\t")
        t.wait_for("setConsoleOutputMaxMsgSize(")

    def test_history_by_the_arrow(self):
        t = self.client()
        t.line("11+11")
        t.line("22+22")
        t.type(UP + UP)
        t.wait_for("11+11")
        t.type("\r")
        self.assertTrue(t.wait_for("\n22\n"))

    def test_history_file(self):
        t = self.client()
        for line in ("1+1", "1+1", "2+2", "", "1+1"):
            t.line(line)
        t.type("quit\r")
        self.assertEqual(t.status(), 0)
        with open(self.history) as f:
            self.assertEqual(f.read().splitlines()[:3], ["1+1", "2+2", "1+1"])
        self.assertEqual(stat.S_IMODE(os.stat(self.history).st_mode), 0o600)

    def test_history_of_the_session_before(self):
        with open(self.history, "w") as f:
            f.write("5+5\n6*7\n")
        t = self.client()
        t.type(UP + "\r")
        self.assertTrue(t.wait_for("\n42\n"))
        t.type("\x04")
        self.assertEqual(t.status(), 0)
        with open(self.history) as f:
            self.assertEqual(f.read().splitlines()[:2], ["5+5", "6*7"])

    def test_history_that_cannot_be_written(self):
        os.mkdir(self.history)
        t = self.client()
        self.assertEqual(t.line("1+1"), "2\n")

    def test_interrupt_ends_it_and_leaves_the_terminal_as_it_was(self):
        t = self.client()
        t.type("half a line\x03")
        self.assertEqual(t.status(), -signal.SIGINT)
        self.assertTrue(t.is_cooked())
        self.assertEqual(self.d.console("1+1"), "2")


@needs("dnsdist")
class Debian(TestCase):
    """A dnsdist that nobody here wrote, at either end."""

    def test_its_client_and_our_daemon(self):
        d = self.daemon('newServer{address="127.0.0.1:9", name="one", healthCheckMode="up"}')
        done = d.client("showServers()", binary=DEBIAN_DNSDIST)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^0 +one +127\.0\.0\.1:9 +UP ")
        done = d.client(binary=DEBIAN_DNSDIST, stdin="1+1\nx=4\nx\nnone()\nstring.rep('x', 4000000)\n")
        lines = done.stdout.splitlines()
        self.assertEqual((done.returncode, lines[0], lines[1]), (0, "2", "4"))
        self.assertRegex(lines[2], "^Error: .*'none'")
        self.assertEqual(len(lines[3]), 4_000_000)

    def test_its_client_with_a_wrong_key(self):
        d = self.daemon()
        done = run_dnsdist("-C", os.devnull, "-c", f"127.0.0.1:{d.console_port}", "-k", OTHER_KEY, "-e", "1",
                           binary=DEBIAN_DNSDIST)
        self.assertEqual(done.returncode, 0)
        self.assertIn("key mismatch", done.stderr)

    def test_its_client_at_a_terminal(self):
        d = self.daemon()
        t = self.use(Terminal([DEBIAN_DNSDIST, "-C", os.devnull, "-c", f"127.0.0.1:{d.console_port}", "-k", KEY],
                              env={"HOME": self.folder()}))
        t.wait_for("> ")
        self.assertEqual(t.line("6*7").strip(), "42")
        t.type("quit\r")
        self.assertEqual(t.status(), 0)

    def test_our_client_and_its_daemon(self):
        d = self.daemon(f'newServer{{address="127.0.0.1:{free_port()}", name="one"}}', binary=DEBIAN_DNSDIST,
                        name="debian-dnsdist")
        done = d.client("showVersion()", binary=DNSDIST)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "dnsdist 1.7.3\n", ""))
        done = d.client(binary=DNSDIST, stdin="1+1\nx=4\nx\nnone()\nstring.rep('x', 4000000)\nshowServers()\n")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^2\n4\nError: [^x]*x{4000000}\n(?s:.*) one +127")

    def test_our_client_with_a_wrong_key(self):
        d = self.daemon("", binary=DEBIAN_DNSDIST, name="debian-dnsdist")
        done = run_dnsdist("-C", os.devnull, "-c", f"127.0.0.1:{d.console_port}", "-k", OTHER_KEY, "-e", "1")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn("keys do not match", done.stderr)


class Stdin(TestCase):
    """Without --supervised the daemon itself reads commands."""

    def setUp(self):
        self.console_port = free_port()
        path = os.path.join(self.folder(), "dnsdist.conf")
        with open(path, "w") as f:
            f.write(f'setLocal("127.0.0.1:{free_port()}")\n'
                    f'controlSocket("127.0.0.1:{self.console_port}")\nsetKey("{KEY}")\n')
        self.argv = [DNSDIST, "--disable-syslog", "-C", path]

    def start(self, **kw):
        p = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def test_commands_and_end(self):
        p = self.start(stdin=subprocess.PIPE)
        out, _ = p.communicate("1+1\n\nshow('a')\nerror('no')\nhelp('showVersion')\n40+", timeout=PATIENCE_S)
        self.assertEqual(p.returncode, 0)
        self.assertRegex(out, r"(?m)^2\na\nError: .*no\nshowVersion\(\) - .*\nError: ")

    def test_quit_and_shutdown(self):
        for word in ("quit", "shutdown()"):
            p = self.start(stdin=subprocess.PIPE)
            p.stdin.write(f"1+1\n{word}\n")
            p.stdin.flush()  # and stays open
            self.assertEqual(p.wait(PATIENCE_S), 0, word)
            self.assertIn("\n2\n", p.stdout.read())
            p.stdin.close()

    def test_nothing_to_read_ends_it(self):
        for path in (os.devnull, __file__):
            with open(path) as f:
                f.seek(0, os.SEEK_END)
                p = self.start(stdin=f)
            self.assertEqual(p.wait(PATIENCE_S), 0)

    def test_file_of_commands(self):
        path = os.path.join(self.folder(), "commands")
        with open(path, "w") as f:
            f.write("1+1\n2+2\n")
        with open(path) as f:
            p = self.start(stdin=f)
        self.assertEqual(p.wait(PATIENCE_S), 0)
        self.assertIn("\n2\n4\n", p.stdout.read())

    def test_it_serves_while_it_reads(self):
        p = self.start(stdin=subprocess.PIPE)
        for line in p.stdout:
            if "accepting control connections" in line:
                break
        with Session(self.console_port) as s:
            self.assertEqual(s.ask("1+1"), "2\n")
        p.stdin.close()
        self.assertEqual(p.wait(PATIENCE_S), 0)

    def test_terminal(self):
        t = self.use(Terminal(self.argv, env={"HOME": self.folder()}))
        t.wait_for("> ")
        self.assertEqual(t.line("6*7"), "42\n")
        self.assertEqual(t.line("getBind(0)"), t.line("getBind(0)"))
        t.type("\x04")
        self.assertEqual(t.status(), 0)
        self.assertTrue(t.is_cooked())

    def test_supervised_reads_nothing(self):
        d = self.daemon()  # its standard input is /dev/null
        self.assertEqual(d.console("1+1"), "2")


if __name__ == "__main__":
    main()
