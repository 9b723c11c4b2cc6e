"""The rows whose figure is a ratio to the echo: what a query costs."""
from dataclasses import dataclass, replace
from typing import Callable

MILLION = 1_000_000


@dataclass
class Row:
    label: str
    target: float = None  # ratio, at most; of rules what they add to it
    instructions: int = None  # at most, kernel included
    cache: int = None  # entries; None: no cache
    names: int = 10_000
    unique: bool = False  # every query a new name: nothing is ever found
    stream: tuple = ()  # options of tools/load for another transport; the echo has none but UDP
    load: tuple = ()  # its other options, for the echo too
    rules: Callable = None  # gives their Lua
    without: Callable = None  # gives the Lua of what it is compared with, where that is not nothing
    for_peer: bool = True
    before: tuple = ()  # options of one load more before anything is measured

    def lua(self):
        return self.rules() if self.rules else ""

    def plain(self):
        """The same without what it measures."""
        return replace(self, rules=self.without)

    def asks(self, house):
        """Options for one load."""
        if self.unique:
            return [*self.stream, *self.load, "--unique", 1, "--first", house.next_name]
        return [*self.stream, *self.load, "--names", self.names]


ROWS = [
    Row("UDP hit, 10,000 names", 1.2, 11_500, cache=MILLION),
    Row("UDP miss, no cache", 2.5, 21_500, unique=True),
    Row("UDP miss and insert, 1,000,000 names", 2.8, cache=MILLION, unique=True),
    Row("TCP hit, 16 in flight", 0.7, cache=MILLION, stream=("--mode", "tcp", "--in-flight", 16)),
    Row("TCP hit, 1 in flight", 2.2, cache=MILLION, stream=("--mode", "tcp")),
    Row("TCP hit, a connection for each query", cache=MILLION, stream=("--mode", "tcp-connect")),
]
FLAT_NAMES = (10, 1_000, 100_000, MILLION)
