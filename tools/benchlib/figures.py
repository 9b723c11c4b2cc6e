"""Figures that are no ratio: memory, start-up, idleness, latency."""
import statistics
import time
from dataclasses import dataclass
from typing import Callable

from benchlib.rows import FLAT_NAMES, MILLION, Row
from benchlib.servers import Running
from benchlib.slices import measure_row

QUERY_OCTETS = 34  # what tools/load asks
ANSWER_OCTETS = QUERY_OCTETS + 16  # one compressed A record
CACHED = f"{QUERY_OCTETS} + {ANSWER_OCTETS} octets, each of 1,000,000"


def flatness(house, candidates):
    """CPU per hit, relative to the echo, from 10 to 1,000,000 cached names."""
    result = {c.name: {} for c in candidates}
    for names in FLAT_NAMES:
        row = Row(f"{names} names", cache=2 * MILLION, names=names)
        for name, s in measure_row(house, row, candidates).items():
            result[name][names] = s
    return result


def cache_memory(house, candidate):
    """
    Resident octets that each of a million cached answers takes, the table's own and what the server
    grew by otherwise included: a few names first would fault huge pages in and hide them.
    """
    server = Running(house, candidate, MILLION * 2)
    before = server.process.rss()
    server.warm(MILLION)
    after = server.process.rss()
    server.stop()
    return (after - before) / MILLION, after


def start_up_ms(house, candidate):
    took = []
    for _ in range(max(house.args.repeat, 3)):
        begin = time.monotonic()
        server = Running(house, candidate, MILLION)
        took.append((time.monotonic() - begin) * 1000)
        server.stop()
    return statistics.median(took)


def idle(house, candidate, seconds=5):
    """Milliseconds of CPU a second, with one health check a second; resident octets."""
    server = Running(house, candidate, MILLION)
    time.sleep(1)
    before = server.process.cpu_ns()
    time.sleep(seconds)
    spent = server.process.cpu_ns() - before
    rss = server.process.rss()
    server.stop()
    return spent / 1e6 / seconds, rss


def latency(house, candidate, qps=20_000):
    """p50 and p99 of hits at a moderate rate, in the open loop."""
    server = Running(house, candidate, MILLION)
    server.warm(10_000)
    seen = house.load(server.port, "--qps", qps, "--duration", max(2, house.args.seconds))
    server.stop()
    return seen


@dataclass
class Figure:
    label: str
    unit: str
    target: float  # at most; None: none
    measure: Callable  # of the house and a candidate


FIGURES = [
    Figure(f"cache memory: {CACHED}", "octets", (QUERY_OCTETS + ANSWER_OCTETS + 64) * 1.15,
           lambda h, c: cache_memory(h, c)[0]),
    Figure("start-up to first answer", "ms", 50, start_up_ms),
    Figure("idle CPU", "ms/s", None, lambda h, c: idle(h, c)[0]),
    Figure("idle memory", "MiB", None, lambda h, c: idle(h, c, 1)[1] / 2**20),
    Figure("latency p50 of hits at 20,000 q/s", "us", None, lambda h, c: latency(h, c)["p50_us"]),
    Figure("latency p99 of hits at 20,000 q/s", "us", None, lambda h, c: latency(h, c)["p99_us"]),
]
