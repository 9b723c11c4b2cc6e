"""What sets and limits take of memory, and how long sets take to load."""
import statistics
import time

from benchlib.rows import MILLION
from benchlib.rules import MILLION_CLIENTS, NAME_ELEMENT, PREFIX_ELEMENT, limit_rule, set_of
from benchlib.servers import Running

CLIENTS_MEMORY = "rules: memory of MaxQPSIPRule"
SETS = [  # label, elements, the rule, octets each at most
    ("rules: memory of names, 18 octets each", NAME_ELEMENT, "QNameSuffixRule", 32),
    ("rules: memory of prefixes", PREFIX_ELEMENT, "NetmaskGroupRule", 24),
]


def settled_rss(process, patience_s=20):
    """Resident octets once an allocator that returns memory with a delay has done so."""
    lowest, fell_at = process.rss(), time.monotonic()
    end = fell_at + patience_s
    while time.monotonic() < min(end, fell_at + 6):
        time.sleep(0.2)
        rss = process.rss()
        if rss < lowest:
            lowest, fell_at = rss, time.monotonic()
    return lowest


def start_with_set(house, candidate, elements, rule, added):
    """Seconds of CPU until the first answer, and what is resident when all is quiet."""
    server = Running(house, candidate, None, set_of(elements, rule, added))
    took_s = server.process.cpu_ns() / 1e9
    rss = settled_rss(server.process)
    server.stop()
    return took_s, rss


def cost_of_set(house, candidate, elements, rule):
    """
    Octets that each element takes and CPU seconds that loading takes: a server with a set of a million in
    one rule, less the same server whose Lua makes the same elements and adds one.
    """
    pairs = []
    for _ in range(3 if candidate.ours else 1):
        without_s, without_rss = start_with_set(house, candidate, elements, rule, 1)
        with_s, with_rss = start_with_set(house, candidate, elements, rule, MILLION)
        pairs.append(((with_rss - without_rss) / MILLION, with_s - without_s))
    return [statistics.median(column) for column in zip(*pairs)]


def resident_by_clients(house, candidate, rules):
    """Resident octets after a million clients, and after a million others."""
    server = Running(house, candidate, MILLION, rules)
    server.warm(10_000, *MILLION_CLIENTS)
    resident = []
    for first in (0, MILLION):
        house.load(server.port, "--clients", 2 * MILLION, "--in-turn", 1, "--first", first,
                   "--count", MILLION, "--duration", 120)
        resident.append(server.process.rss())
    server.stop()
    return resident


def cost_of_clients(house, candidate):
    """Octets that a limit by client takes for each of a million clients, and for each of the next million."""
    plain = resident_by_clients(house, candidate, "")
    limited = resident_by_clients(house, candidate, limit_rule())
    first, both = (b - a for a, b in zip(plain, limited))
    return first / MILLION, (both - first) / MILLION
