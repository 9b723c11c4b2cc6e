"""Who attacks and who is honest beside: processes on one core, and what came of honest queries."""
import bisect
import os
import subprocess
import time
from dataclasses import dataclass, field

from benchlib.house import Fail

NAMES = 1000  # cached, of honest clients


def us():
    return time.monotonic_ns() // 1000


def before_others():
    """Of the same core; without the right to it, as all others."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass


def apart_from_others():
    """
    What else the machine has to do shall show as little as it can: where sessions share cores (autogroup), a
    session of its own with more weight, elsewhere its own weight.
    """
    os.setsid()
    try:
        with open("/proc/self/autogroup", "w") as f:
            f.write("-15")
        os.nice(-10)
    except OSError:
        pass


def spawn(house, tool, first, *options):
    argv = [house.tool(tool), "--core", str(house.load_core), *map(str, options)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, preexec_fn=first)


def finish(process):
    out = process.communicate()[0]
    if process.returncode != 0:
        raise Fail(f"{' '.join(process.args)}: status {process.returncode}")
    return out


@dataclass
class Answers:
    """Of honest queries that were due within a time."""

    asked: int = 0
    took_us: list = field(default_factory=list)  # NOERROR only
    late_us: list = field(default_factory=list)  # what the generator itself was late

    def add(self, other):
        self.asked += other.asked
        self.took_us += other.took_us
        self.late_us += other.late_us

    def percent(self):
        return 100 * len(self.took_us) / self.asked if self.asked else None

    def ms(self, share):
        if not self.took_us:
            return None
        took = sorted(self.took_us)
        return took[min(int(share * len(took)), len(took) - 1)] / 1000


class Honest:
    """200 clients that keep asking."""

    def __init__(self, house, port, mode, qps, seconds):
        self.child = spawn(house, "honest", before_others, "--to", f"127.0.0.1:{port}", "--mode", mode,
                           "--qps", qps, "--duration", seconds, "--names", NAMES,
                           "--first", house.next_name)
        house.next_name = (house.next_name + int(qps * seconds)) % 9_000_000  # seven digits

    def finish(self):
        lines = [line.split() for line in finish(self.child).splitlines()]
        self.queries = [(int(due), int(late), int(took)) for due, late, took in lines]

    def between(self, begin_us, end_us):
        low, high = (bisect.bisect_left(self.queries, (at,)) for at in (begin_us, end_us))
        due = self.queries[low:high]
        return Answers(len(due), [took for _, _, took in due if took >= 0],
                       [late for _, late, _ in due])
