"""Instructions for a query, where hardware or valgrind counts them."""
import re
import shutil
import subprocess
import tempfile

from benchlib.servers import Running


def perf_argv(core, seconds):
    return ["perf", "stat", "-x,", "-e", "instructions", "-C", str(core), "--",
            "sleep", str(seconds)]


def perf_line(text):
    """The instructions that were counted, and for how many ns; None, None: there is no counter."""
    for line in text.splitlines():
        fields = line.split(",")
        if fields[0].isdigit() and "instructions" in line:
            return int(fields[0]), int(fields[3])
    return None, None


def perf_count(text):
    return perf_line(text)[0]


def have_perf(core):
    if shutil.which("perf") is None:
        return False
    out = subprocess.run(perf_argv(core, 0.1), capture_output=True, text=True)
    return perf_count(out.stderr) is not None


class CoreCounter:
    """Counts what a core does meanwhile, kernel included."""

    def __init__(self, core, seconds):
        self.child = subprocess.Popen(perf_argv(core, seconds), stderr=subprocess.PIPE, text=True)

    def per_us(self):
        """Instructions a microsecond of the time that was asked for; waits for its end."""
        count, ns = perf_line(self.child.communicate()[1])
        return 1000 * count / ns if ns else None


def perf_instructions(house, row, server):
    """Instructions of the server's core per query, kernel included; the loads surround the count."""
    seconds = max(house.args.seconds, 1)
    with tempfile.TemporaryFile("w+") as err:
        counter = subprocess.Popen(perf_argv(house.server_core, seconds), stderr=err)
        seen = house.load(server.port, "--duration", seconds, *row.asks(house))
        counter.wait()
        err.seek(0)
        count = perf_count(err.read())
    return count / seen["answered"] if count else None


def callgrind_total(house, candidate, row, queries):
    """User-space instructions from start to end of a server that answered so many queries."""
    out = f"{house.dir}/callgrind.out"
    server = Running(house, candidate, row.cache, row.lua(),
                     ("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"))
    names = row.names if row.cache and not row.unique else 0
    if names:
        house.load(server.port, "--unique", 1, "--count", names, "--duration", 300, *row.load)
    seen = house.load(server.port, "--count", queries, "--duration", 300, *row.asks(house))
    server.stop()
    with open(out) as f:
        total = int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))
    return total, seen["answered"]


def callgrind_instructions(house, candidate, row):
    """Two runs that differ in the number of queries only: what start and end cost goes out."""
    few, n_few = callgrind_total(house, candidate, row, 20_000)
    many, n_many = callgrind_total(house, candidate, row, 60_000)
    return (many - few) / (n_many - n_few)
