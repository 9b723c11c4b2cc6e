"""A program at a terminal: what a person types, and what comes back."""
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from harness import PATIENCE_S, _die_with_parent, wait_for

UP, ESCAPES = "\x1b[A", re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x07\r]")


def _own_terminal():
    _die_with_parent()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that its keys give signals
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # also where the tests run in a shell's background


class Terminal:
    def __init__(self, argv, env=None):
        self.fd, child = pty.openpty()
        self.popen = subprocess.Popen(argv, stdin=child, stdout=child, stderr=child, start_new_session=True,
                                      env={**os.environ, "TERM": "vt100", "COLUMNS": "200", **(env or {})},
                                      preexec_fn=_own_terminal)
        os.close(child)
        self.seen = ""

    def wait_for(self, text):
        """What has come up to and with text, which is then left out of what comes next."""
        end = time.monotonic() + PATIENCE_S
        while True:
            plain = ESCAPES.sub("", self.seen)
            at = plain.find(text)
            if at >= 0:
                self.seen = plain[at + len(text):]
                return plain[:at + len(text)]
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{text!r} did not come, but {plain!r}")
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:  # the program has ended
                raise AssertionError(f"{text!r} did not come before the end, but {plain!r}") from None

    def type(self, text):
        # Libedit shows its prompt first and takes the terminal over then: no person is as quick.
        wait_for(lambda: not self.is_cooked(), every=0.002)
        os.write(self.fd, text.encode())

    def line(self, text, prompt="> "):
        """Types a line and gives what is printed before the next prompt, the echo left out."""
        self.type(text + "\r")
        self.wait_for(text + "\n")
        return self.wait_for(prompt)[:-len(prompt)]

    def is_cooked(self):
        """Whether it echoes and edits lines, as programs must leave it."""
        want = termios.ICANON | termios.ECHO
        return termios.tcgetattr(self.fd)[3] & want == want

    def status(self):
        """The exit status."""
        end = time.monotonic() + PATIENCE_S
        while self.popen.poll() is None and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:
                    pass
        return self.popen.poll()

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        os.close(self.fd)
