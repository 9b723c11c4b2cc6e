"""
The rows of changes: rules are added, moved and removed, or dynamic blocks are added, over the console while
traffic flows.

Each change is a command of its own and so a transaction of its own. Commands are sealed beforehand, so that
the client of the console keeps its pace beside the load generator; nothing of it is on the server's core.
"""
import os
import select
import statistics
import struct
import sys
import threading
import time
from dataclasses import dataclass
from typing import Callable

from benchlib.house import free_port
from benchlib.rows import MILLION, Row
from benchlib.rules import mixed_rules
from benchlib.slices import prepare

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "test", "e2e"))

try:
    import consolewire
except ImportError:  # python3-nacl, of tools/packages-test.txt
    consolewire = None

RULES = 100  # in the chain, besides the one that comes and goes
BLOCKS = 10  # that a command adds
CHANGES_PER_S = 1_000
UNDER_WAY = 64  # commands sent and not answered, at most
LOSS_LOAD = 0.5  # of the throughput: a rate that the server sustains


@dataclass
class Changes:
    """What is changed, and the Lua of the server beforehand."""

    label: str
    commands: Callable  # gives as many, at least
    lua: Callable = str
    round: int = 1  # commands after which all is what it was
    target: float = 0.05  # how much slower, at most; None: only nothing may be lost
    for_peer: bool = True


def rule_changes(count):
    """Added at the end, moved, removed: after three the chain is what it was."""
    for i in range(count // 3 + 1):
        at = i * 37 % RULES
        yield f'addAction(QNameRule("c{i:07}.example."), DropAction())'
        yield f"mvRule({RULES}, {at})"
        yield f"rmRule({at})"


def block_changes(count):
    """Addresses that nobody asks from, each blocked for the rest of the row."""
    for i in range(count):
        first = i * BLOCKS
        yield (f"for i = {first}, {first + BLOCKS - 1} do addDynamicBlock(string.format('10.%d.%d.%d', i >> 16, "
               "(i >> 8) & 255, i & 255), 'Exceeded query rate', DNSAction.Drop, 3600) end")


CHURNS = [
    Changes("rules: 1,000 changes a second", rule_changes, mixed_rules(RULES), round=3),
    Changes(f"blocks: {CHANGES_PER_S * BLOCKS:,} insertions a second", block_changes, target=None,
            for_peer=False),
]


class Churn(threading.Thread):
    """Changes at a pace for some seconds; ends after a whole round."""

    def __init__(self, port, core, seconds, changes):
        super().__init__()
        self.core, self.seconds = core, seconds
        self.session = consolewire.Session(port)
        self.round = changes.round
        count = int(seconds * CHANGES_PER_S) + changes.round
        self.frames = [self.session.seal(c) for c in changes.commands(count)]
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
            due = self.sent + -self.sent % self.round
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
class Load:
    """What one load saw, and the server's CPU: the busiest thread is the one with the packets."""

    sent: int
    answered: int
    qps: float
    p99_us: float
    packets_us: float
    others_us: float
    changes: int
    took_s: float


def one_load(house, server, console_port, changes, *options):
    """With changes when there is a console to make them on."""
    seconds = house.args.seconds
    churn = Churn(console_port, house.backend_core, seconds, changes) if console_port else None
    before = server.process.threads_cpu_ns()
    if churn:
        churn.start()
    seen = house.load(server.port, "--duration", seconds, *options)
    if churn:
        churn.join()
        if churn.complaint:
            raise server.process.complain(f"console: {churn.complaint}")
    after = server.process.threads_cpu_ns()
    if churn:
        churn.session.close()  # not before: the peer has a thread for each
    *others, packets = sorted((ns - before.get(tid, 0)) / 1000 for tid, ns in after.items())
    return Load(seen["sent"], seen["answered"], seen["qps"], seen["p99_us"], packets, sum(others),
                churn.sent if churn else 0, churn.took_s if churn else 0)


def measure_churn(house, candidate, changes):
    """
    Closed loops without and with changes in turn, then open loops at a rate that the server sustains.

    How much slower the server is follows from two costs, since a machine that has other things to do
    shows no throughput: what a query costs its thread more, and the share of the one core of all other
    threads at CHANGES_PER_S. On a quiet machine the q/s say the same.
    """
    console = free_port()
    lua = f'setKey("{consolewire.KEY}")\ncontrolSocket("127.0.0.1:{console}")\n' + changes.lua()
    server = prepare(house, candidate, Row("", cache=MILLION, rules=lambda: lua))
    rounds = range(house.args.repeat)
    pairs = [[one_load(house, server, port, changes) for port in (None, console)] for _ in rounds]
    quiet, churning = zip(*pairs)
    rate = int(LOSS_LOAD * statistics.median(load.qps for load in quiet))
    calm, stormy = [[one_load(house, server, port, changes, "--qps", rate) for _ in rounds]
                    for port in (None, console)]
    server.stop()
    change_us = statistics.median((b.others_us - a.others_us) / b.changes for a, b in pairs)
    query_us = [statistics.median(x.packets_us / x.answered for x in loads) for loads in zip(*pairs)]
    dearer = statistics.median(b.packets_us / b.answered * a.answered / a.packets_us
                               for a, b in pairs)
    return {
        "qps": [statistics.median(x.qps for x in loads) for loads in (quiet, churning)],
        "query_us": query_us,
        "change_us": change_us,
        "changes_per_s": statistics.median(x.changes / x.took_s for x in churning),
        "slower": 1 - (1 - change_us * CHANGES_PER_S / 1e6) / dearer,
        "open_qps": rate,
        "p99_us": [statistics.median(x.p99_us for x in loads) for loads in (calm, stormy)],
        "lost": [sum(x.sent - x.answered for x in loads) for loads in (calm, stormy)],
    }
