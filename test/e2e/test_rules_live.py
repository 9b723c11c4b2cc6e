#!/usr/bin/python3
"""Rules that change some hundred times a second while queries come: none is lost, and none sees half a change."""
import threading
import time

import clients
from fakeserver import FakeServer
from harness import TestCase, main, needs
from ruletools import Ask, Console

SECONDS = 3


class Clients:
    """Askers in threads; each calls ask() in a loop until the end."""

    def __init__(self, *asks):
        self.over = threading.Event()
        self.failed = []
        self.n = [0] * len(asks)
        self.threads = [threading.Thread(target=self.run, args=(i, ask)) for i, ask in enumerate(asks)]
        for t in self.threads:
            t.start()

    def run(self, i, ask):
        while not self.over.is_set():
            try:
                ask()
            except Exception as e:  # would be lost with its thread
                self.failed.append(repr(e))
            self.n[i] += 1

    def close(self):
        self.over.set()
        for t in self.threads:
            t.join()


class Live(TestCase):
    CHANGES = (
        "addAction(QNameRule('r{0}.test'), DropAction(), {{name='{0}'}})",
        "addAction(QNameSuffixRule({{'s{0}.test', 't{0}.test'}}), RCodeAction(5), {{name='{0}'}}) mvRuleToTop()",
        "addAction(RegexRule('^x[0-9]*{0}[.]nowhere$'), DropAction(), {{name='{0}'}}) mvRule(1, 0)",
        "addAction(NetmaskGroupRule('192.0.2.{1}'), DropAction(), {{name='{0}'}})",
        "addAction(MaxQPSIPRule(1000000), TCAction(), {{name='{0}'}})",
        "addAction(QTypeRule({0} % 1000 + 1000), TeeAction('127.0.0.1:9'), {{name='{0}'}})",
        "addResponseAction(RCodeRule(9), DropResponseAction(), {{name='{0}'}}) clearResponseRules()",
        "addAction(TagRule('{0}'), LogAction(), {{name='{0}'}})",
        "local keep = {{}} for _, n in ipairs{{'mark', 'spoof'}} do keep[#keep + 1] = getRule(n) end setRules(keep)",
        "addAction(OrRule{{QNameRule('o{0}.test'), PoolOutstandingRule('', 1000)}}, DropAction(), {{name='{0}'}})",
    )

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_use(FakeServer())

    def start(self, config=""):
        return self.daemon(f'''newServer{{address="{self.server.address}", healthCheckMode="up"}}
            getPool(""):setCache(newPacketCache(10000))
            addAction(QNameSuffixRule("spoof.test"), SpoofAction("192.0.2.7"), {{name="spoof"}})
            addAction("spoof.test", SetTagAction("never", "seen"), {{name="mark"}})
            {config}''')

    def change(self, d, seconds=SECONDS):
        """As many changes as there is time for; how many."""
        end = time.monotonic() + seconds
        n = 0
        with Console(d) as console:
            while time.monotonic() < end:
                console.run(self.CHANGES[n % len(self.CHANGES)].format(n, n % 256))
                n += 1
        return n

    def test_no_query_is_lost(self):
        d = self.start()

        def spoofed():
            r = Ask(prefix="www").to(d.port, "spoof.test")
            assert r.answer[0][0].to_text() == "192.0.2.7", r

        def forwarded(tcp):
            r = Ask(prefix="www", rtype="A", tcp=tcp).to(d.port, "other.test")
            assert r.answer[0][0].to_text() == "192.0.2.1", r

        asking = Clients(spoofed, lambda: forwarded(False), lambda: forwarded(True))
        try:
            changes = self.change(d)
        finally:
            asking.close()
        self.assertEqual(asking.failed, [])
        self.assertGreater(min(asking.n), 50)
        self.assertGreater(changes, 100 * SECONDS)

    @needs("dnsperf")
    def test_none_of_many_thousand_is_lost(self):
        d = self.start()
        path = self.folder() + "/queries"
        with open(path, "w") as f:
            for i in range(50):
                f.write(f"n{i}.spoof.test A\nn{i}.cached.test A\nn{i}.cached.test AAAA\n")
        for i in range(50):  # into the cache: the server is a slow one
            for rtype in ("A", "AAAA"):
                Ask(prefix=f"n{i}", rtype=rtype).to(d.port, "cached.test")
        figures = {}
        load = threading.Thread(target=lambda: figures.update(clients.dnsperf(
            d.port, path, "-l", str(SECONDS), "-Q", "10000", "-q", "50")))
        load.start()
        changes = self.change(d)
        load.join()
        self.assertEqual(figures["Queries lost"].split()[0], "0")
        self.assertGreater(int(figures["Queries completed"].split()[0]), 1000 * SECONDS)
        self.assertEqual(figures["Response codes"], f"NOERROR {figures['Queries completed'].split()[0]} (100.00%)")
        self.assertGreater(changes, 100 * SECONDS)

    def test_a_command_is_one_change(self):
        """Of two rules that trade places, there is never none."""
        d = self.start('''
            addAction("swap.test", SpoofAction("192.0.2.10"), {name="a"})
            addAction("swap.test", SpoofAction("192.0.2.11"), {name="b"})''')
        seen = set()

        def swapped():
            seen.add(Ask().to(d.port, "swap.test").answer[0][0].to_text())
        asking = Clients(swapped, swapped)
        try:
            end, i = time.monotonic() + SECONDS, 0
            with Console(d) as console:
                while time.monotonic() < end:
                    i += 1
                    console.run("clearRules() addAction('swap.test', SpoofAction('192.0.2.%d')) "
                                "addAction('swap.test', SpoofAction('192.0.2.%d'))" % ((10, 11) if i % 2 else (11, 10)))
        finally:
            asking.close()
        self.assertEqual(asking.failed, [])
        self.assertEqual(seen, {"192.0.2.10", "192.0.2.11"})

    def test_sets_that_rules_look_into(self):
        """A TimedIPSetRule has no transaction: its rule sees addresses come and go by themselves."""
        d = self.start('timed = TimedIPSetRule() addAction(timed:slice(), SpoofAction("192.0.2.12")) mvRuleToTop()')
        asking = Clients(lambda: Ask(source="127.0.0.2").to(d.port, "other.test"),
                         lambda: Ask(source="127.0.0.3").to(d.port, "spoof.test"))
        try:
            with Console(d) as console:
                for _ in range(150):
                    console.run("timed:add('127.0.0.2', 3600) for i = 1, 50 do timed:add('192.0.2.' .. i, 1) end")
                    console.run("timed:remove('127.0.0.2') timed:cleanup()")
                    console.run("timed:clear()")
        finally:
            asking.close()
        self.assertEqual(asking.failed, [])


if __name__ == "__main__":
    main()
