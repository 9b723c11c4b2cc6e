"""The table of attacks: what was seen, what was to be reached, and where it was not."""
import sys

from benchlib import attack_cost, attacks
from benchlib.attack_rows import DISCARD
from benchlib.servers import callgrind_build

UNCHANGED = 1.25, 0.2  # p99 under attack may be so many times that without, or so many ms more


class Line:
    """The cells of one server and shape. What misses its target is marked, and listed behind the row."""

    def __init__(self, shape, candidate, figures):
        self.s, self.f, self.ours = shape, figures, candidate.ours
        self.missed, self.targets = [], []
        self.name = candidate.name

    def judged(self, text, ok, target):
        """A figure with its target; the peer's has the same, but misses nothing of ours."""
        if text is None:
            text = "-"
        if target is not None and self.ours:
            self.targets.append(target)
            if not ok:
                self.missed.append(target)
                return text + " !"
        return text

    def at_least(self, value, limit, form, what):
        ok = limit is None or (value is not None and value >= limit)
        return self.judged(None if value is None else form.format(value), ok,
                           None if limit is None else f"{what} >= {limit:g}")

    def at_most(self, value, limit, form, what, low=0):
        # What costs next to nothing may come out below it, since what honest clients cost is taken off.
        ok = limit is None or (value is not None and value <= limit and (not low or value >= low))
        return self.judged(None if value is None else form.format(value), ok,
                           None if limit is None else
                           f"{what} {low:g} to {limit:g}" if low else f"{what} <= {limit:,}" if isinstance(limit, int) else f"{what} <= {limit:.3g}")

    def rate(self):
        wanted, got = self.s.main.qps, self.f["rate"]
        short = wanted and self.s.main.tool == "attack" and got < 0.97 * wanted
        return f"{got:,.0f}" + (f" of {wanted:,}" if short else "")

    def times(self, part, proto="udp"):
        f = self.f[proto][part]
        return [f"{f['p50_ms']:.2f}", f"{f['p99_ms']:.2f}"] if f["p50_ms"] is not None else ["-", "-"]

    def instructions(self):
        """
        Kernels differ: the target is what it was where a discard took DISCARD, in proportion. None where nothing
        counts instructions: then CPU time alone is judged.
        """
        value, discard, limit = (self.f["instructions"], self.f["discard_instructions"],
                                 self.s.targets.instructions)
        if value is not None and limit is not None:
            limit = round(limit * discard / DISCARD)
        return self.at_most(value, None if value is None else limit, "{:,.0f}", "instructions")

    def cells(self):
        t, f = self.s.targets, self.f
        p50, p99 = self.times("then")
        p99 = self.at_most(f["udp"]["then"]["p99_ms"], t.p99_ms, "{:.2f}", "p99 ms then")
        return [
            self.s.label, self.name, self.rate(), f"{f['lost'] * 100:.1f}", self.times("quiet")[1],
            self.at_least(f["udp"]["first"]["percent"], t.first, "{:.2f}", "% first"),
            *self.times("first"),
            self.at_least(f["udp"]["then"]["percent"], t.then, "{:.2f}", "% then"), p50, p99,
            f"{f['udp']['then']['late_p99_ms']:.2f}", f"{f['waited'] * 100:.0f}", f"{f['stolen_ms']:.0f}",
            self.at_most(f["block_s"], t.block_s, "{:.2f}", "s to block", t.not_before_s),
            f["blocks"],
            "-" if f["cpu_ns"] is None else f"{f['cpu_ns'] / 1000:.2f}",
            self.at_most(f["discards"], t.instructions and t.instructions / DISCARD, "{:.2f}", "discards"),
            self.instructions(),
            "-" if f["discard_instructions"] is None else f"{f['discard_instructions']:,.0f}",
            self.at_most(f["honest_blocked"], 0, "{}", "honest blocked"),
            self.at_most(f["mb"], t.mb, "{:+.1f}", "MB"),
            "; ".join(self.targets),
        ]

    def streams(self):
        """Before and under attack, for each transport."""
        lines = []
        for proto in ("udp", "tcp"):
            quiet, under = self.f[proto]["quiet"], self.f[proto]["then"]
            limit = None if quiet["p99_ms"] is None else max(quiet["p99_ms"] * UNCHANGED[0],
                                                             quiet["p99_ms"] + UNCHANGED[1])
            lines.append([self.s.label, self.name, proto, f"{self.f['rate']:,.0f}",
                          *self.times("quiet", proto), *self.times("first", proto),
                          self.times("then", proto)[0],
                          self.at_most(under["p99_ms"], limit, "{:.2f}", "p99 ms"),
                          *(self.at_least(self.f[proto][part]["percent"], 100 if proto == "udp" else 99.9,
                                          "{:.2f}", "%") for part in ("first", "then")),
                          "-" if limit is None else f"p99 <= {limit:.2f}"])
        return lines


HEAD = ["200 honest clients, 1,000 q/s", "server", "attack/s", "lost %", "quiet p99", "first 5 s %", "p50 ms", "p99",
        "then %", "p50 ms", "p99", "late p99", "wait %", "stolen ms", "block s", "blocks", "us/packet", "discards", "instructions",
        "of a discard", "honest blocked", "MB", "targets"]
STREAM_HEAD = ["honest clients beside slow ones", "server", "over", "new/s", "quiet p50 ms", "p99", "first 5 s p50",
               "p99", "then p50", "p99", "first %", "then %", "targets"]


def report_instructions(report, wanted, house, print_table):
    """Of our workers: what a peer's threads are for is not known."""
    ours = [callgrind_build(c) for c in report.candidates if c.ours]
    lines = []
    for shape in [s for s in wanted if s.counted and ours]:
        print(f"... {shape.label}: instructions", file=sys.stderr)
        value = attack_cost.blocked_instructions(house, ours[0], shape)
        report.data[f"{shape.label}, user-space instructions"] = value
        lines.append([shape.label, f"{value:,.0f}"])
    if lines:
        print_table(["user-space instructions of the worker", "a blocked packet"], lines)


def report_attacks(report, wanted, house, print_table):
    lines, streams, missed = [], [], []
    for shape in wanted:
        report.data[shape.label] = {}
        for c in report.candidates:
            print(f"... {shape.label}: {c.name}", file=sys.stderr)
            figures = attacks.measure_attack(house, c, shape)
            report.data[shape.label][c.name] = figures
            line = Line(shape, c, figures)
            if shape.tcp:
                streams += line.streams()
            lines.append(line.cells())
            missed += [f"{shape.label}: {what}" for what in line.missed]
    if lines:
        print_table(HEAD, lines)
    if streams:
        print_table(STREAM_HEAD, streams)
    if house.args.instructions:
        report_instructions(report, wanted, house, print_table)
    print(f"missed: {len(missed)}" + "".join(f"\n  {m}" for m in missed) + "\n")
