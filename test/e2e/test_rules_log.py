#!/usr/bin/python3
"""LogAction and LogResponseAction: lines and records field by field, to files and to the log of the process."""
import os
import re
import socket
import stat
import struct
import time

import dns.message
import dns.name
import dns.rdatatype

from fakeserver import FakeServer, address, answer
from harness import TestCase, has_ipv6, main, wait_for
from ruletools import NXDOMAIN, Ask


def read(path):
    with open(path, "rb") as f:
        return f.read()


def lines(path, n, seconds=5):
    """The lines of a file once there are n; what is there otherwise."""
    wait_for(lambda: os.path.exists(path) and read(path).count(b"\n") >= n, seconds)
    return read(path).decode().splitlines()


class Known:
    """A query whose port and ID are known."""

    def __init__(self, name, rtype="A", tcp=False, source="127.0.0.1"):
        self.q = dns.message.make_query(name, rtype)
        self.name, self.tcp, self.source = name, tcp, source

    def to(self, port):
        family = socket.AF_INET6 if ":" in self.source else socket.AF_INET
        where = "::1" if ":" in self.source else "127.0.0.1"
        with socket.socket(family, socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.bind((self.source, 0))
            s.connect((where, port))
            wire = self.q.to_wire()
            s.sendall((struct.pack("!H", len(wire)) if self.tcp else b"") + wire)
            s.recv(65535)
            self.port = s.getsockname()[1]
        self.peer = f"[{self.source}]:{self.port}" if ":" in self.source else f"{self.source}:{self.port}"
        return self


def record(data, timestamps):
    """The first record of binary data, and the rest."""
    r = {}
    if timestamps:
        r["s"], r["ns"] = struct.unpack("=QI", data[:12])
        data = data[12:]
    r["id"] = struct.unpack("!H", data[:2])[0]
    name, used = dns.name.from_wire(data, 2)
    r["name"] = name.to_text()
    data = data[2 + used:]
    r["qtype"], family = struct.unpack("=HH", data[:4])
    size = {socket.AF_INET: 4, socket.AF_INET6: 16}[family]
    r["address"] = socket.inet_ntop(family, data[4:4 + size])
    r["port"] = struct.unpack("!H", data[4 + size:6 + size])[0]
    return r, data[6 + size:]


class Logs(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer(lambda q: answer(q, rcode=NXDOMAIN) if q.name.startswith("nx.") else
                                              address(q)))

    def start(self, config, **kw):
        self.dir = self.folder()
        self.d = self.daemon((f'newServer("{self.server.address}")\nnudge = LogAction("$DIR/nudge", false, true)\n'
                              + config).replace("$DIR", self.dir), **kw)
        return self.d

    def lines(self, path, n):
        """As lines(), without the second that the daemon takes to write: it does when a file is opened anew."""
        self.d.console("nudge:reload()")
        return lines(path, n)

    def path(self, name="log"):
        return os.path.join(self.dir, name)


class ToFiles(Logs):
    def test_lines(self):
        d = self.start('addAction("test", LogAction("$DIR/log", false))')
        asked = [Known("www.test.").to(d.port), Known("WWW.b.TEST.", "MX", tcp=True).to(d.port),
                 Known("a.test.", "TYPE65280", source="127.0.0.5").to(d.port)]
        Known("other.").to(d.port)
        self.assertEqual(lines(self.path(), 3), [
            f"Packet from {k.peer} for {k.name} {t} with id {k.q.id}"
            for k, t in zip(asked, ("A", "MX", "TYPE65280"))])

    def test_lines_with_times(self):
        d = self.start('addAction(AllRule(), LogAction("$DIR/log", false, false, false, true, true))')
        begin = time.time()
        k = Known("www.test.").to(d.port)
        line = self.lines(self.path(), 1)[0]
        m = re.fullmatch(r"\[(\d+\.\d{9})\] Packet from (\S+) for www\.test\. A with id (\d+)", line)
        self.assertTrue(m, line)
        self.assertEqual((m[2], int(m[3])), (k.peer, k.q.id))
        self.assertGreater(float(m[1]), begin - 0.1)
        self.assertLess(float(m[1]), time.time() + 0.1)

    def test_records(self):
        """Binary is what a log is unless told otherwise."""
        for form, timestamps in (('"$DIR/log"', False), ('"$DIR/log", true', False),
                                 ('"$DIR/log", true, false, false, true, true', True)):
            with self.subTest(form):
                d = self.start(f'addAction(AllRule(), LogAction({form}))\naddLocal("[::1]:$PORT")')
                sources = ["127.0.0.1", "127.0.0.5"] + (["::1"] if has_ipv6() else [])
                asked = [Known(f"Www.n{i}.test.", "AAAA", source=s).to(d.port) for i, s in enumerate(sources)]
                size = sum(2 + len(k.name) + 1 + 4 + (16 if ":" in k.source else 4) + 2 + 12 * timestamps
                           for k in asked)
                d.console("nudge:reload()")
                wait_for(lambda: len(read(self.path())) >= size, 5)
                data = read(self.path())
                self.assertEqual(len(data), size)
                for k in asked:
                    r, data = record(data, timestamps)
                    self.assertEqual((r["id"], r["name"], r["qtype"], r["address"], r["port"]),
                                     (k.q.id, k.name, 28, k.source, k.port))
                    if timestamps:
                        self.assertAlmostEqual(r["s"] + r["ns"] / 1e9, time.time(), delta=10)

    def test_lines_of_answers(self):
        d = self.start('addResponseAction("test", LogResponseAction("$DIR/log"))')
        asked = [Known("www.test.").to(d.port), Known("nx.test.", "MX", tcp=True).to(d.port)]
        self.assertEqual(self.lines(self.path(), 2), [
            f"Answer to {k.peer} for {k.name} {t} ({r}) with id {k.q.id}"
            for k, t, r in zip(asked, ("A", "MX"), ("No Error", "Non-Existent domain"))])

    def test_lines_of_answers_with_times(self):
        d = self.start('addResponseAction(AllRule(), LogResponseAction("$DIR/log", false, false, true, true))')
        Known("www.test.").to(d.port)
        self.assertRegex(self.lines(self.path(), 1)[0], r"^\[\d+\.\d{9}\] Answer to 127\.0\.0\.1:\d+ for www\.test\. A \(")

    def test_answers_of_other_chains(self):
        d = self.start('''getPool(""):setCache(newPacketCache(100))
            addCacheHitResponseAction(AllRule(), LogResponseAction("$DIR/hits"))
            addSelfAnsweredResponseAction(AllRule(), LogResponseAction("$DIR/own"))
            addAction("own.test", RCodeAction(DNSRCode.REFUSED))''')
        Known("www.test.").to(d.port)
        hit, own = Known("www.test.").to(d.port), Known("own.test.").to(d.port)
        self.assertRegex(self.lines(self.path("hits"), 1)[0], rf" for www\.test\. A \(.*\) with id {hit.q.id}$")
        self.assertRegex(self.lines(self.path("own"), 1)[0], rf" for own\.test\. A \(.*Refused\) with id {own.q.id}$")

    def test_what_is_there_is_kept_or_not(self):
        for form, kept in (('"$DIR/log", false', []), ('"$DIR/log", false, false', []),
                           ('"$DIR/log", false, true', ["there before"])):
            with self.subTest(form):
                self.dir = self.folder()
                with open(self.path(), "w") as f:
                    f.write("there before\n")
                d = self.daemon(f'newServer("{self.server.address}") '
                                f'addAction(AllRule(), LogAction({form.replace("$DIR", self.dir)}))')
                Known("www.test.").to(d.port)
                found = lines(self.path(), 1 + len(kept))
                self.assertEqual((found[:-1], found[-1].split()[0]), (kept, "Packet"))

    def test_buffered(self):
        """What is held back is written at the end, or when the file is opened anew."""
        d = self.start('addAction(AllRule(), LogAction("$DIR/log", false, false, true))')
        for i in range(5):
            Known(f"n{i}.test.").to(d.port)
        time.sleep(0.3)
        self.assertEqual(read(self.path()), b"")
        d.stop()
        self.assertEqual(len(lines(self.path(), 5)), 5)

    def test_opened_anew(self):
        d = self.start('addAction(AllRule(), LogAction("$DIR/log", false, true))\n'
                       'addResponseAction(AllRule(), LogResponseAction("$DIR/answers", true))')
        Known("one.test.").to(d.port)
        self.assertEqual(len(self.lines(self.path(), 1)), 1)
        os.rename(self.path(), self.path("log.1"))
        os.rename(self.path("answers"), self.path("answers.1"))
        Known("two.test.").to(d.port)
        self.assertEqual(len(self.lines(self.path("log.1"), 2)), 2)
        d.console("getAction(0):reload() getResponseRule(0):getAction():reload()")
        Known("three.test.").to(d.port)
        self.assertIn("three.test.", self.lines(self.path(), 1)[0])
        self.assertIn("three.test.", self.lines(self.path("answers"), 1)[0])
        self.assertEqual(len(self.lines(self.path("log.1"), 2)), 2)

    def test_two_rules_with_one_file(self):
        d = self.start('log = LogAction("$DIR/log", false) addAction("a.test", log) addAction("b.test", log)')
        for name in ("a.test.", "b.test.", "a.test."):
            Known(name).to(d.port)
        self.assertEqual([line.split()[4] for line in self.lines(self.path(), 3)], ["a.test.", "b.test.", "a.test."])

    def test_every_query_of_many(self):
        d = self.start('addAction(AllRule(), LogAction("$DIR/log", false))')
        names = [f"n{i}.test." for i in range(500)]
        for name in names:
            Ask(prefix=name).to(d.port)
        found = [line.split()[4] for line in self.lines(self.path(), 500)]
        self.assertEqual(sorted(found), sorted(names))
        self.assertEqual(found, names)  # whichever worker saw it

    def test_a_pipe_without_a_reader_holds_nothing_up(self):
        d = self.start("")
        os.mkfifo(self.path("pipe"))
        d.console(f'addAction(AllRule(), LogAction("{self.path("pipe")}", false))')
        for i in range(3):
            Known(f"n{i}.test.").to(d.port)
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("pipe")).st_mode))

    def test_a_path_that_can_not_be(self):
        for path, why in (("/no/such/folder/log", "No such file"), ("/tmp", "s a directory")):
            done = self.check(f'\naddAction(AllRule(), LogAction("{path}"))')
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout + done.stderr, rf"checked.conf:2: LogAction: .*{re.escape(path)}.*{why}")

    def test_a_file_is_there_when_its_rule_comes_into_force(self):
        path = os.path.join(self.folder(), "later.log")
        d = self.daemon(f'later = newRuleAction(AllRule(), LogAction("{path}", false)) '
                        'addAction(AllRule(), NoneAction())')
        self.assertFalse(os.path.exists(path))
        d.console("setRules({later})")
        self.assertTrue(os.path.exists(path))

    def test_a_check_of_the_configuration_writes_nothing(self):
        path = os.path.join(self.folder(), "log")
        self.assertEqual(self.check(f'addAction(AllRule(), LogAction("{path}"))').returncode, 0)
        self.assertFalse(os.path.exists(path))


class ToTheLog(Logs):
    def seen(self, d, pattern):
        return wait_for(lambda: re.search(pattern, d.output()), 3)

    QUERY, ANSWER = r"Packet from 127\.0\.0\.1:\d+ for www\.test\. A with id", r"Answer to 127\.0\.0\.1:\d+ for www\.test\."

    def test_always(self):
        d = self.start('addAction(AllRule(), LogAction("", false, false, false, false))\n'
                       'addResponseAction(AllRule(), LogResponseAction("", false, false, false))')
        Known("www.test.").to(d.port)
        self.assertTrue(self.seen(d, self.QUERY))
        self.assertTrue(self.seen(d, self.ANSWER))

    def test_when_verbose(self):
        d = self.start('addAction(AllRule(), LogAction()) addResponseAction(AllRule(), LogResponseAction())')
        Known("www.test.").to(d.port)
        time.sleep(0.3)
        self.assertNotRegex(d.output(), "Packet from|Answer to")
        d.console("setVerbose(true)")
        Known("www.test.").to(d.port)
        self.assertTrue(self.seen(d, self.QUERY))
        self.assertTrue(self.seen(d, self.ANSWER))

    def test_from_the_start(self):
        d = self.start('addAction(AllRule(), LogAction())', args=["-v"])
        Known("www.test.").to(d.port)
        self.assertTrue(self.seen(d, self.QUERY))

    def test_texts(self):
        d = self.start('addAction(AllRule(), LogAction("$DIR/log")) addAction(AllRule(), LogAction())\n'
                       'addResponseAction(AllRule(), LogResponseAction("$DIR/answers"))')
        self.assertIn(f"log to {self.path()}\n", d.console("showRules()") + "\n")
        self.assertTrue(d.console("showRules()").endswith(" log"))
        self.assertIn(f"log to {self.path('answers')}", d.console("showResponseRules()"))


if __name__ == "__main__":
    main()
