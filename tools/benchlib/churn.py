"""
The row of changes: rules are added, moved and removed over the console while traffic flows.

Each change is a command of its own and so a transaction of its own. They are sealed beforehand and their
answers read afterwards, since what a client of the console costs must not show as the server's.
"""
import os
import select
import statistics
import struct
import sys
import threading
import time
from dataclasses import dataclass

from benchlib.house import free_port
from benchlib.rows import MILLION, Row
from benchlib.rules import mixed_rules
from benchlib.slices import prepare

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "test", "e2e"))

import consolewire  # noqa: E402  (python3-nacl)

LABEL = "rules: 1,000 changes a second"
RULES = 100  # in the chain, besides the one that comes and goes
CHANGES_PER_S = 1_000
UNDER_WAY = 64  # commands sent and not answered, at most
LOSS_LOAD = 0.5  # of the throughput: a rate that the server sustains


def changes(count):
    """Added at the end, moved, removed: after three the chain is what it was."""
    for i in range(count // 3 + 1):
        at = i * 37 % RULES
        yield f'addAction(QNameRule("c{i:07}.example."), DropAction())'
        yield f"mvRule({RULES}, {at})"
        yield f"rmRule({at})"


class Churn(threading.Thread):
    """Changes at a pace for some seconds; ends with the chain as it was."""

    def __init__(self, port, core, seconds):
        super().__init__()
        self.core, self.seconds = core, seconds
        self.session = consolewire.Session(port)
        self.frames = [self.session.seal(c) for c in changes(int(seconds * CHANGES_PER_S))]
        self.input = b""
        self.sent = self.answered = 0
        self.took_s, self.complaint = 0.0, None

    def run(self):
        os.sched_setaffinity(0, {self.core})  # of this thread alone
        begin = time.monotonic()
        try:
            while not (self.took_s >= self.seconds and self.sent == self.answered):
                self.send_due(self.took_s)
                self.take_answers(1 / CHANGES_PER_S)
                self.took_s = time.monotonic() - begin
                if self.took_s > self.seconds + 30:
                    raise TimeoutError(f"{self.answered} of {self.sent} changes answered")
        except OSError as e:
            self.complaint = str(e)

    def send_due(self, elapsed_s):
        due = min(int(elapsed_s * CHANGES_PER_S) + 1, self.answered + UNDER_WAY, len(self.frames))
        if elapsed_s >= self.seconds:
            due = self.sent + -self.sent % 3
        if due > self.sent:
            self.session.s.sendall(b"".join(self.frames[self.sent:due]))
            self.sent = due

    def take_answers(self, wait_s):
        if not select.select([self.session.s], [], [], wait_s)[0]:
            return
        more = self.session.s.recv(65536)
        if not more:
            raise ConnectionResetError("the console was closed")
        self.input += more
        while len(self.input) >= 4:
            (n,) = struct.unpack("!I", self.input[:4])
            if len(self.input) < 4 + n:
                return
            text = self.session.open(self.input[4:4 + n])
            self.input = self.input[4 + n:]
            self.answered += 1
            if text:
                raise ConnectionError(text)


@dataclass
class Shares:
    """What one load saw, and where the server's time went: the busiest thread is the one with the packets."""

    seen: dict
    packets_ns: int
    others_ns: int
    changes: int
    took_s: float


def one_load(house, server, console_port, *options):
    """With changes when there is a console to make them on."""
    churn = Churn(console_port, house.backend_core, house.args.seconds) if console_port else None
    before = server.process.threads_cpu_ns()
    if churn:
        churn.start()
    seen = house.load(server.port, "--duration", house.args.seconds, *options)
    if churn:
        churn.join()
        if churn.complaint:
            raise server.process.complain(f"console: {churn.complaint}")
    after = server.process.threads_cpu_ns()
    if churn:
        churn.session.close()  # not before: the peer has a thread for each
    spent = [ns - before.get(tid, 0) for tid, ns in after.items()]
    return Shares(seen, max(spent), sum(spent) - max(spent), churn.sent if churn else 0,
                  churn.took_s if churn else 0)


def measure_churn(house, candidate):
    """Closed loops without and with changes in turn, then open loops at a rate that the server sustains."""
    console = free_port()
    lua = f'setKey("{consolewire.KEY}")\ncontrolSocket("127.0.0.1:{console}")\n' + mixed_rules(RULES)()
    server = prepare(house, candidate, Row("", cache=MILLION, rules=lambda: lua))
    rounds = range(house.args.repeat)
    pairs = [[one_load(house, server, port) for port in (None, console)] for _ in rounds]
    rate = LOSS_LOAD * statistics.median(quiet.seen["qps"] for quiet, _ in pairs)
    calm, stormy = [[one_load(house, server, port, "--qps", int(rate)) for _ in rounds]
                    for port in (None, console)]
    server.stop()

    def median(figure, which):
        return statistics.median(figure(pair[which]) for pair in pairs)

    return {
        "qps": median(lambda s: s.seen["qps"], 0),
        "qps_churn": median(lambda s: s.seen["qps"], 1),
        "slower": statistics.median(1 - b.seen["qps"] / a.seen["qps"] for a, b in pairs),
        "us": median(lambda s: s.packets_ns / 1000 / s.seen["answered"], 0),
        "us_churn": median(lambda s: s.packets_ns / 1000 / s.seen["answered"], 1),
        "us_change": median(lambda s: s.others_ns / 1000 / s.changes, 1),
        "changes_per_s": median(lambda s: s.changes / s.took_s, 1),
        "open_qps": rate,
        "lost": sum(s.seen["lost"] for s in calm),
        "lost_churn": sum(s.seen["lost"] for s in stormy),
        "asked": sum(s.seen["sent"] for s in stormy),
    }
