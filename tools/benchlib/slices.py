"""
Slices of a second in turn (echo, server, echo, peer, echo ...), since machines change speed from second
to second: each is divided by the mean of the echoes around it.
"""
import statistics
import time
from dataclasses import dataclass, field

from benchlib.instructions import perf_instructions
from benchlib.servers import Running


@dataclass
class Slices:
    ratios: list = field(default_factory=list)
    cpu_us: list = field(default_factory=list)
    busy: list = field(default_factory=list)  # share of the core
    qps: list = field(default_factory=list)
    p50_us: list = field(default_factory=list)
    p99_us: list = field(default_factory=list)
    sent: int = 0
    lost: int = 0
    wrong: int = 0  # answers other than NOERROR: they would be cheap for the wrong reason
    rss: int = 0
    instructions: float = None

    def summary(self):
        return {
            "ratio": statistics.median(self.ratios),
            "ratio_best": min(self.ratios), "ratio_worst": max(self.ratios),
            "cpu_us": statistics.median(self.cpu_us), "busy": statistics.median(self.busy),
            "qps": statistics.median(self.qps),
            "loss": self.lost / self.sent, "wrong": self.wrong,
            "p50_us": statistics.median(self.p50_us), "p99_us": statistics.median(self.p99_us),
            "rss": self.rss, "instructions": self.instructions,
        }


def slice_of(house, process, port, seconds, *options):
    """One slice: CPU microseconds per answer, share of its core, and what the load generator saw."""
    for _ in range(5):  # where others hold the cores, a short slice may see nothing
        before, begin = process.cpu_ns(), time.monotonic_ns()
        seen = house.load(port, "--duration", seconds, *options)
        spent, took = process.cpu_ns() - before, time.monotonic_ns() - begin
        if seen["answered"] > 0:
            return spent / 1000 / seen["answered"], spent / took, seen
    raise process.complain("answered nothing")


def echo_slice(house, row, seconds):
    return slice_of(house, house.echo, house.echo_port, seconds, *row.load)[0]


def one_slice(house, row, server, s, seconds):
    """Adds a slice to s, all but its ratio; returns its cost."""
    cpu_us, busy, seen = slice_of(house, server.process, server.port, seconds, *row.asks(house))
    if row.unique:
        house.next_name = (house.next_name + seen["sent"]) % 9_000_000  # seven digits
    s.cpu_us.append(cpu_us)
    s.busy.append(busy)
    for key in ("qps", "p50_us", "p99_us"):
        getattr(s, key).append(seen[key])
    s.sent += seen["sent"]
    s.lost += seen["lost"]
    s.wrong += seen["answered"] - seen["noerror"]
    s.rss = max(s.rss, server.process.rss())
    return cpu_us


def prepare(house, candidate, row):
    server = Running(house, candidate, row.cache, row.lua())
    if row.cache and not row.unique:
        server.warm(row.names, *row.load)
    if row.before:
        house.load(server.port, *row.before)
    return server


def measure_row(house, row, candidates):
    """Slices of all candidates in turn, an echo between any two."""
    seconds = house.args.seconds
    slices = {c.name: Slices() for c in candidates}
    # A cache that fills up behaves differently from one that has room: new servers for every turn.
    fresh = row.unique and row.cache
    servers = {} if fresh else {c.name: prepare(house, c, row) for c in candidates}
    floor = echo_slice(house, row, seconds)
    for _ in range(house.args.repeat):
        for c in candidates:
            server = prepare(house, c, row) if fresh else servers[c.name]
            if fresh:
                floor = echo_slice(house, row, seconds)
            cost = one_slice(house, row, server, slices[c.name], seconds)
            floor_before, floor = floor, echo_slice(house, row, seconds)
            slices[c.name].ratios.append(cost / ((floor_before + floor) / 2))
            if fresh:
                server.stop()
    if house.perf:
        for name, server in servers.items():
            slices[name].instructions = perf_instructions(house, row, server)
    for server in servers.values():
        server.stop()
    return {name: s.summary() for name, s in slices.items()}


def measure_added(house, row, candidate, rounds, seconds):
    """
    What the rules of a row add. A round is a slice without them and one with them between two echoes,
    in alternating order; many short rounds, since what is looked for is small beside what machines change
    from second to second. Returns what was added in each round, and both summaries.
    """
    plain, ruled = Slices(), Slices()
    turns = [(prepare(house, candidate, row.plain()), plain),
             (prepare(house, candidate, row), ruled)]
    floor = echo_slice(house, row, seconds)
    for _ in range(rounds):
        costs = [(one_slice(house, row, server, s, seconds), s) for server, s in turns]
        floor_before, floor = floor, echo_slice(house, row, seconds)
        for cost, s in costs:
            s.ratios.append(cost / ((floor_before + floor) / 2))
        turns.reverse()
    for server, s in turns:
        if house.perf:
            s.instructions = perf_instructions(house, row, server)
        server.stop()
    added = [b - a for a, b in zip(plain.ratios, ruled.ratios)]
    return added, plain.summary(), ruled.summary()
