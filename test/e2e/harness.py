"""What every end-to-end test stands on: ports, folders, processes, our daemon and its console.

DNSDIST names the daemon under test; without it, it is dnsdist in the build folder B (build/release).
Everything listens on 127.0.0.1 and ends with the test that started it.
"""
import base64
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("B", os.path.join(ROOT, "build", "release"))
DNSDIST = os.environ.get("DNSDIST", os.path.join(BUILD, "dnsdist"))
DEBIAN_DNSDIST = "/usr/bin/dnsdist"

# Waits are for slow machines and sanitizers; nothing takes this long when it is right.
PATIENCE_S = 20

KEY = base64.b64encode(bytes(range(32))).decode()

# Of our log.
CONSOLE_LINE = re.compile(r'subsystem="console" level="0" prio="Info"')
TROUBLE = re.compile(r'prio="(Warning|Error)"')

SANITIZER = re.compile(r"(ERROR|WARNING): (Address|Leak|Thread|Memory)Sanitizer|runtime error:")


def free_port():
    """A port of 127.0.0.1 that is free for UDP and TCP, below those the kernel hands out by itself."""
    while True:
        port = random.randint(10000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def wait_for(what, seconds=PATIENCE_S, every=0.02):
    """Calls what() until it gives something true, which is returned; the last value when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


def tcp_opens(port, address="127.0.0.1"):
    try:
        socket.create_connection((address, port), timeout=1).close()
        return True
    except OSError:
        return False


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no orphans when a test is killed


class Process:
    """A program with its output in a file."""

    def __init__(self, argv, folder, name, **popen):
        self.name = name
        self.path = os.path.join(folder, name + ".log")
        with open(self.path, "ab") as out:
            self.popen = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, cwd=folder,
                                          stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent, **popen)

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        with open(self.path, errors="replace") as f:
            return f.read()

    def running(self):
        return self.popen.poll() is None

    def wait(self, seconds=PATIENCE_S):
        """The exit status; None when it still runs then."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, signum=signal.SIGTERM, seconds=PATIENCE_S):
        if self.running():
            self.popen.send_signal(signum)
        status = self.wait(seconds)
        if status is None:
            self.popen.kill()
            self.popen.wait()
        return status


class Daemon(Process):
    """dnsdist on a configuration. $PORT and $CONSOLE in it are its own free ports, $KEY the console's key."""

    LISTEN = 'addLocal("127.0.0.1:$PORT")\n'
    CONSOLE = 'controlSocket("127.0.0.1:$CONSOLE")\nsetKey("$KEY")\n'

    def __init__(self, test, config, args=(), binary=DNSDIST, listen=True, console=True, start=True,
                 name="dnsdist", env=None):
        self.test = test
        self.binary = binary
        self.folder = test.folder()
        self.port = free_port()
        self.console_port = free_port()
        self.is_ours = os.path.realpath(binary) != DEBIAN_DNSDIST
        if not self.is_ours:
            config += '\nsetSecurityPollSuffix("")\n'  # it would ask the internet
        self.config = self.fill((self.LISTEN if listen else "") + (self.CONSOLE if console else "") + config)
        self.config_path = os.path.join(self.folder, "dnsdist.conf")
        self.args = list(args)
        self.stopped = False
        with open(self.config_path, "w") as f:
            f.write(self.config)
        argv = [binary, "--supervised", "--disable-syslog", "-C", self.config_path] + self.args
        super().__init__(argv, self.folder, name, env={**os.environ, **(env or {})})
        test.logs.append(self)
        if start:
            self.wait_until_up(listen)

    def fill(self, text):
        for key, value in (("$PORT", self.port), ("$CONSOLE", self.console_port), ("$KEY", KEY)):
            text = text.replace(key, str(value))
        return text

    def wait_until_up(self, listen=True):
        port = self.port if listen else self.console_port
        if not wait_for(lambda: not self.running() or tcp_opens(port)) or not self.running():
            status = self.stop()
            raise AssertionError(f"{self.name} did not start (status {status}):\n{self.output()}")

    def stop(self, signum=signal.SIGTERM, seconds=PATIENCE_S):
        self.stopped = True
        return super().stop(signum, seconds)

    def finish(self):
        """Ends it as an operator would, and looks for what must never be there."""
        already = self.stopped
        status = self.stop()
        found = SANITIZER.search(self.output())
        if found:
            raise AssertionError(f"{self.name}: {found.group(0)}\n{self.output()[-8000:]}")
        if self.is_ours and not already and status != 0:
            raise AssertionError(f"{self.name}: status {status} after SIGTERM\n{self.output()[-4000:]}")

    # the console, through the client of this or another program

    def client(self, *commands, binary=None, stdin=None):
        """Runs the client with -e for each command, or stdin; a subprocess.CompletedProcess."""
        argv = [binary or self.binary, "-C", self.config_path, "-c", f"127.0.0.1:{self.console_port}", "-k", KEY]
        for command in commands:
            argv += ["-e", command]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S)

    def console(self, command):
        """What a command prints, without the last newline."""
        done = self.client(command)
        if done.returncode != 0:
            raise AssertionError(f"console client: status {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout.rstrip("\n")

    def lua(self, expression):
        return self.console(f"tostring({expression})")

    def stats(self):
        """dumpStats() as a dictionary."""
        words = self.console("dumpStats()").split()
        return {name: float(value) for name, value in zip(words[::2], words[1::2])}

    def stat(self, name):
        return self.stats()[name]

    def rows(self, command):
        """The lines of a table, split at blanks, head left out."""
        return [line.split() for line in self.console(command).splitlines()[1:]]


class TestCase(unittest.TestCase):
    """Folders, daemons and servers of a test, or of its class, that go away with it."""

    logs = []  # processes whose output is shown when a test fails

    @classmethod
    def setUpClass(cls):
        cls.logs = []

    @classmethod
    def folder(cls):
        path = tempfile.mkdtemp(prefix="e2e-")
        cls.addClassCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def run(self, result=None):
        result = result or self.defaultTestResult()
        self._complaints = lambda: len(result.failures) + len(result.errors)
        self._complaints_before = self._complaints()
        super().run(result)
        if self._complaints() > self._complaints_before:
            for process in self.logs:
                self.show(process)

    def show(self, process):
        """Counters first and what went wrong last: of a long report often only the end is kept."""
        lines = [line for line in process.output().splitlines() if not CONSOLE_LINE.search(line)]
        print(f"--- {process.name} ({self.id()})", file=sys.stderr)
        if getattr(process, "console_port", None) and process.running():
            stats = process.client("dumpStats()").stdout.split()
            print(*(f"{name}={value}" for name, value in zip(stats[::2], stats[1::2])
                    if value not in ("0", "0.0")), file=sys.stderr)
        print("\n".join(lines)[-3000:], file=sys.stderr)
        trouble = [line for line in lines[:-10] if TROUBLE.search(line)]
        if trouble:
            print("\n".join(["warnings and errors before:", *trouble[-10:]]), file=sys.stderr)

    def daemon(self, config="", **kw):
        """A daemon for this test alone."""
        d = Daemon(self, config, **kw)
        self.addCleanup(self._leave, d)
        return d

    def _leave(self, d):
        self.logs.remove(d)
        if self._complaints() > self._complaints_before:
            self.show(d)
        d.finish()

    @classmethod
    def class_daemon(cls, config="", **kw):
        """A daemon for all tests of the class."""
        d = Daemon(cls, config, **kw)
        cls.addClassCleanup(d.finish)
        return d

    def use(self, thing):
        """Something with close(), for this test alone."""
        self.addCleanup(thing.close)
        return thing

    @classmethod
    def class_use(cls, thing):
        cls.addClassCleanup(thing.close)
        return thing

    def check(self, config="", args=(), name="checked.conf", env=None):
        """Runs --check-config on a text; a subprocess.CompletedProcess."""
        path = os.path.join(self.folder(), name)
        with open(path, "w") as f:
            f.write(config)
        return run_dnsdist("--check-config", "-C", path, *args, env=env)


def run_dnsdist(*args, binary=DNSDIST, stdin="", env=None, timeout=PATIENCE_S):
    return subprocess.run([binary, *args], input=stdin, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})})


def needs(*programs):
    """Skips where Debian's packages of tools/packages-test.txt are not installed."""
    missing = [p for p in programs if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin")]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


def main():
    """Runs a file's tests and ends with the line that test/e2e/run adds up."""
    program = unittest.main(exit=False, verbosity=2)
    r = program.result
    failed = len({id(t) for t, _ in r.failures + r.errors}) + len(r.unexpectedSuccesses)
    print(f"{max(0, r.testsRun - failed - len(r.skipped))} passed, {failed} failed, {len(r.skipped)} skipped")
    sys.exit(1 if failed else 0)
