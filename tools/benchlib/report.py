"""What is printed, in which order."""
import statistics
import sys

from benchlib import churn
from benchlib.attack_report import report_attacks
from benchlib.attack_rows import SHAPES
from benchlib.figures import FIGURES, flatness
from benchlib.instructions import callgrind_instructions
from benchlib.rows import FLAT_NAMES, MILLION, ROWS, Row
from benchlib.rules import RULES
from benchlib.rules_memory import CLIENTS_MEMORY, SETS, cost_of_clients, cost_of_set
from benchlib.servers import callgrind_build
from benchlib.slices import measure_added, measure_row


def cell(value, form):
    return "-" if value is None else form.format(value)


def verdict(value, target):
    if target is None or value is None:
        return ""
    return "ok" if value <= target else "OVER"


def print_table(head, rows):
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    for r in [head, *rows]:
        print("  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w)
                        for i, (c, w) in enumerate(zip(r, widths))).rstrip())
    print()


class Report:
    """Collects what is printed, so that --json can keep it."""

    def __init__(self, candidates):
        self.candidates = candidates
        self.data = {}

    def ratios(self, wanted, house):
        lines = []
        for row in wanted:
            print(f"... {row.label}", file=sys.stderr)
            got = measure_row(house, row, self.candidates)
            self.data[row.label] = got
            for c in self.candidates:
                s = got[c.name]
                lines.append([
                    row.label, c.name, f"{s['ratio']:.2f}",
                    f"{s['ratio_best']:.2f}-{s['ratio_worst']:.2f}",
                    cell(row.target if c.ours else None, "{:.1f}"),
                    verdict(s["ratio"], row.target if c.ours else None),
                    f"{s['cpu_us']:.2f}", f"{s['qps']:,.0f}", f"{s['loss'] * 100:.2f}",
                    s["wrong"], f"{s['p50_us']:.0f}", f"{s['p99_us']:.0f}",
                    f"{s['rss'] / 2**20:.0f}", cell(s["instructions"], "{:,.0f}"),
                    cell(row.instructions if c.ours else None, "{:,}"),
                ])
        print_table(["scenario", "server", "CPU in echoes", "range", "target", "", "CPU us", "q/s",
                     "loss %", "not NOERROR", "p50 us", "p99 us", "RSS MiB", "instr", "target"],
                    lines)

    def flat(self, house):
        print("... flatness", file=sys.stderr)
        got = flatness(house, self.candidates)
        self.data["flatness"] = got
        lines = []
        for c in self.candidates:
            figures = {n: s["instructions"] or s["ratio"] for n, s in got[c.name].items()}
            growth = (max(figures.values()) / min(figures.values()) - 1) * 100
            counted = all(s["instructions"] for s in got[c.name].values())
            # The target is one of instructions; time also pays for the caches a million names miss.
            lines.append([c.name, "instructions" if counted else "CPU in echoes",
                          *[f"{figures[n]:.2f}" for n in FLAT_NAMES], f"{growth:.0f} %",
                          "10 %" if c.ours and counted else "-",
                          verdict(growth, 10 if c.ours and counted else None)])
        print_table(["hit, cached names:", "", *[f"{n:,}" for n in FLAT_NAMES], "growth", "target",
                     ""], lines)

    def flat_instructions(self, house):
        """User-space instructions of a hit from 10 to 1,000,000 cached names, ours only."""
        ours = next(c for c in self.candidates if c.ours)
        figures = {}
        for names in FLAT_NAMES:
            print(f"... instructions of a hit, {names:,} cached names", file=sys.stderr)
            row = Row(f"{names} names", cache=2 * MILLION, names=names)
            figures[names] = callgrind_instructions(house, callgrind_build(ours), row)
        self.data["flatness, user-space instructions"] = figures
        growth = (max(figures.values()) / min(figures.values()) - 1) * 100
        print_table(["hit, cached names:", "", *[f"{n:,}" for n in FLAT_NAMES], "growth", "target",
                     ""],
                    [[ours.name, "user instructions", *[f"{figures[n]:,.0f}" for n in FLAT_NAMES],
                      f"{growth:.0f} %", "10 %", verdict(growth, 10)]])

    def single(self, label, unit, target, figure):
        """figure(candidate) is one number."""
        print(f"... {label}", file=sys.stderr)
        lines = []
        self.data[label] = {}
        for c in self.candidates:
            value = figure(c)
            self.data[label][c.name] = value
            limit = target if c.ours else None
            lines.append([label, c.name, f"{value:,.1f} {unit}", cell(limit, "{:,.0f} " + unit),
                          verdict(value, limit)])
        print_table(["figure", "server", "", "target", ""], lines)

    def added(self, wanted, house):
        """What rules add to a hit. The peer is there to compare with: few rounds of it are enough."""
        lines = []
        for row in wanted:
            print(f"... {row.label}", file=sys.stderr)
            self.data[row.label] = {}
            for c in [c for c in self.candidates if c.ours or row.for_peer]:
                rounds = house.args.repeat * (4 if c.ours else 1)
                added, plain, ruled = measure_added(house, row, c, rounds, house.args.seconds / 4)
                self.data[row.label][c.name] = {"added": added, "none": plain, "rules": ruled}
                low, value, high = statistics.quantiles(added, n=4)
                target = row.target if c.ours else None
                lines.append([
                    row.label, c.name, f"{plain['ratio']:.2f}", f"{ruled['ratio']:.2f}",
                    f"{value:+.2f}", f"{low:+.2f} {high:+.2f}", cell(target, "{:+.2f}"),
                    verdict(value, target), f"{ruled['cpu_us'] - plain['cpu_us']:+.2f}",
                    f"{plain['busy'] * 100:.0f} {ruled['busy'] * 100:.0f}",
                    f"{ruled['loss'] * 100:.2f}", ruled["wrong"], f"{ruled['rss'] / 2**20:.0f}",
                    cell(ruled["instructions"] and ruled["instructions"] - plain["instructions"],
                         "{:+,.0f}")])
        print_table(["CPU in echoes", "server", "none", "with", "added", "middle half", "target", "", "us",
                     "busy %", "loss %", "not NOERROR", "RSS MiB", "instr"], lines)

    def added_instructions(self, wanted, house):
        """User-space instructions that rules add to a hit, ours only."""
        ours = [callgrind_build(c) for c in self.candidates if c.ours]
        lines = []
        for row in wanted if ours else []:
            print(f"... {row.label}: instructions", file=sys.stderr)
            none, with_rules = (callgrind_instructions(house, ours[0], r)
                                for r in (row.plain(), row))
            self.data[f"{row.label}, user-space instructions"] = [none, with_rules]
            lines.append([row.label, f"{none:,.0f}", f"{with_rules:,.0f}",
                          f"{with_rules - none:+,.0f}"])
        print_table(["user-space instructions", "none", "with", "added"], lines)

    def sets(self, wanted, house):
        lines = []
        for label, elements, rule, target in wanted:
            print(f"... {label}", file=sys.stderr)
            self.data[label] = {}
            for c in self.candidates:
                octets, seconds = cost_of_set(house, c, elements, rule)
                self.data[label][c.name] = {"octets": octets, "load_s": seconds}
                limit, limit_s = (target, 1) if c.ours else (None, None)
                lines.append([label, c.name, f"{octets:.1f}", cell(limit, "{}"),
                              verdict(octets, limit), f"{seconds:.2f}", cell(limit_s, "{}"),
                              verdict(seconds, limit_s)])
        print_table(["set of 1,000,000", "server", "octets each", "target", "", "loaded in s", "target",
                     ""], lines)

    def clients(self, label, house):
        print(f"... {label}", file=sys.stderr)
        lines = []
        self.data[label] = {}
        for c in self.candidates:
            first, second = cost_of_clients(house, c)
            self.data[label][c.name] = [first, second]
            limit = 1 if c.ours else None
            lines.append([label, c.name, f"{first:.1f}", f"{first * MILLION / 2**20:.0f}",
                          f"{second:.1f}", cell(limit, "{}"), verdict(second, limit)])
        print_table(["octets a client", "server", "first million", "MiB in all", "second million",
                     "target", ""], lines)

    def churns(self, wanted, house):
        if churn.consolewire is None:
            print("changes over the console: not measured, python3-nacl is missing\n")
            return
        lines = []
        for row in wanted:
            print(f"... {row.label}", file=sys.stderr)
            self.data[row.label] = {}
            for c in [c for c in self.candidates if c.ours or row.for_peer]:
                f = churn.measure_churn(house, c, row)
                self.data[row.label][c.name] = f
                lines.append([
                    row.label, c.name, *[f"{qps:,.0f}" for qps in f["qps"]],
                    *[f"{us:.2f}" for us in f["query_us"]], f"{f['changes_per_s']:,.0f}",
                    f"{f['change_us']:.0f}", f"{f['slower'] * 100:.1f} %",
                    cell(row.target if c.ours else None, "{:.0%}"),
                    verdict(f["slower"], row.target if c.ours else None), f"{f['open_qps']:,.0f}",
                    *[f"{us:.0f}" for us in f["p99_us"]], *f["lost"],
                    verdict(f["lost"][1], 0 if c.ours else None)])
        print_table(["closed loop, then open", "server", "q/s", "changing", "us a query", "changing",
                     "commands/s", "us each", "slower", "target", "", "open q/s", "p99 us", "changing",
                     "lost", "changing", ""], lines)


def report_all(house, candidates, pattern):
    def wanted(rows, label=lambda row: row.label):
        return [r for r in rows if pattern.search(label(r))]

    report = Report(candidates)
    counted = house.args.instructions
    if wanted(ROWS):
        report.ratios(wanted(ROWS), house)
    if pattern.search("flatness"):
        report.flat(house)
        if counted and any(c.ours for c in candidates):
            report.flat_instructions(house)
    for row in wanted(ROWS):
        if counted and row.label.startswith("UDP"):
            report.single(f"{row.label}: user-space instructions a query", "", None,
                          lambda c, r=row: callgrind_instructions(house, callgrind_build(c), r))
    if wanted(RULES):
        report.added(wanted(RULES), house)
        if counted:
            report.added_instructions(wanted(RULES), house)
    if wanted(churn.CHURNS):
        report.churns(wanted(churn.CHURNS), house)
    if wanted(SETS, lambda s: s[0]):
        report.sets(wanted(SETS, lambda s: s[0]), house)
    if pattern.search(CLIENTS_MEMORY):
        report.clients(CLIENTS_MEMORY, house)
    if wanted(SHAPES):
        report_attacks(report, wanted(SHAPES), house, print_table)
    for f in wanted(FIGURES):
        report.single(f.label, f.unit, f.target, lambda c, f=f: f.measure(house, c))
    return report.data
