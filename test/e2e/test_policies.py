#!/usr/bin/python3
"""Policies and pools: which server is asked."""
import collections
import uuid

import dns.rcode

import clients
from fakeserver import FakeServer, Later, address
from harness import TestCase, main, wait_for


class PolicyCase(TestCase):
    """Three servers that say by their answer who they are."""

    def setUp(self):
        self.servers = []
        for n in range(3):
            self.servers.append(self.use(FakeServer(lambda q, n=n: address(q, ip=f"192.0.2.{n + 1}"))))

    def servers_config(self, *options):
        return "\n".join(f'newServer({{address="{s.address}", {o}}})'
                         for s, o in zip(self.servers, options or ("", "", "")))

    def who(self, d, name="x.example.", ask=clients.udp):
        return int(ask(d.port, name).answer[0][0].to_text().split(".")[-1]) - 1

    def counts(self, d, n, same_name=False):
        return collections.Counter(self.who(d, "x.example." if same_name else f"n{i}.example.") for i in range(n))


class Policies(PolicyCase):
    def test_first_available_follows_the_order(self):
        d = self.daemon(self.servers_config("order=3", "order=1", "order=2") + "\nsetServerPolicy(firstAvailable)")
        self.assertEqual(self.counts(d, 5), {1: 5})
        d.console("getServer(0):setDown()")  # servers are listed by order
        self.assertEqual(self.counts(d, 5), {2: 5})
        d.console("getServer(1):setDown()")
        self.assertEqual(self.counts(d, 5), {0: 5})

    def test_first_available_heeds_qps(self):
        d = self.daemon(self.servers_config("order=1, qps=2", "order=2", "order=3") + "\nsetServerPolicy(firstAvailable)")
        counts = self.counts(d, 20)
        self.assertLess(counts[0], 10)
        self.assertGreater(counts[1], 9)
        self.assertEqual(counts[2], 0)

    def test_round_robin(self):
        d = self.daemon(self.servers_config() + "\nsetServerPolicy(roundrobin)\nsetWorkers(1)")
        self.assertEqual(self.counts(d, 9), {0: 3, 1: 3, 2: 3})
        d.console("getServer(1):setDown()")
        self.assertEqual(self.counts(d, 12)[1], 0)

    def test_round_robin_when_all_are_down(self):
        d = self.daemon(self.servers_config() + "\nsetServerPolicy(roundrobin)")
        for n in range(3):
            d.console(f"getServer({n}):setDown()")
        self.assertFalse(clients.silent(d.port, "x.example."))
        d.console("setRoundRobinFailOnNoServer(true)")
        self.assertTrue(clients.silent(d.port, "x.example."))

    def test_wrandom_follows_weights(self):
        d = self.daemon(self.servers_config("weight=1", "weight=8", "weight=1") + "\nsetServerPolicy(wrandom)")
        counts = self.counts(d, 200)
        self.assertGreater(counts[1], 120)
        self.assertGreater(counts[0] + counts[2], 5)

    def test_whashed_and_chashed_stick_to_the_name(self):
        ids = [str(uuid.UUID(int=n + 1)) for n in range(3)]
        for policy in ("whashed", "chashed"):
            with self.subTest(policy):
                d = self.daemon("setWHashedPerturbation(42)\n" +
                                self.servers_config(*(f'weight=1000, id="{i}"' for i in ids)) +
                                f"\nsetServerPolicy({policy})")
                names = [f"n{i}.example." for i in range(30)]
                first = [self.who(d, n) for n in names]
                self.assertEqual([self.who(d, n.upper()) for n in names], first)
                self.assertEqual(len(set(first)), 3)
                d.console(f"getServer(\"{ids[1]}\"):setDown()")
                then = [self.who(d, n) for n in names]
                self.assertNotIn(1, then)
                if policy == "chashed":  # only the lost server's names move
                    self.assertEqual([t for t, f in zip(then, first) if f != 1], [f for f in first if f != 1])

    def test_least_outstanding(self):
        slow = self.use(FakeServer(lambda q: Later(1.0, address(q, ip="192.0.2.9"))))
        d = self.daemon(f'newServer({{address="{slow.address}", order=1}})\n' +
                        f'newServer({{address="{self.servers[0].address}", order=2}})')
        self.assertTrue(clients.silent(d.port, "slow.example.", timeout=0.1))  # stays in flight for a second
        self.assertEqual(self.who(d), 0)
        self.assertEqual(int(d.console("getServer(0):getOutstanding()")), 1)
        wait_for(lambda: d.console("getServer(0):getOutstanding()") == "0", 5)
        self.assertEqual(self.who(d), 8)

    def test_max_outstanding(self):
        silent = self.use(FakeServer(lambda q: None))
        d = self.daemon(f'newServer({{address="{silent.address}", order=1, maxOutstandingQueries=2}})\n' +
                        f'newServer({{address="{self.servers[0].address}", order=2}})\nsetServerPolicy(firstAvailable)')
        for i in range(2):
            self.assertTrue(clients.silent(d.port, f"n{i}.example.", timeout=0.1))
        self.assertEqual(self.who(d), 0)

    def test_no_server(self):
        d = self.daemon(self.servers_config())
        for n in range(3):
            d.console(f"getServer({n}):setDown()")
        before = d.stat("no-policy")
        self.assertTrue(clients.silent(d.port, "x.example."))
        d.console("setServFailWhenNoServer(true)")
        self.assertEqual(clients.udp(d.port, "x.example.").rcode(), dns.rcode.SERVFAIL)
        self.assertEqual(d.stat("no-policy") - before, 2)


class Pools(PolicyCase):
    def test_membership_changes_at_run_time(self):
        d = self.daemon(self.servers_config('pool="other"', "", 'pool={"", "other"}') + "\nsetServerPolicy(firstAvailable)")
        self.assertEqual(self.counts(d, 3), {1: 3})
        d.console('getServer(1):rmPool("")')
        self.assertEqual(self.counts(d, 3), {2: 3})
        d.console('getServer(0):addPool("")')  # behind those of its order that were there before
        self.assertEqual(self.counts(d, 3), {2: 3})
        d.console('getServer(2):rmPool("")')
        self.assertEqual(self.counts(d, 3), {0: 3})
        d.console('getServer(2):addPool("")')
        pools = d.console("showPools()")
        self.assertIn("other", pools)
        self.assertIn(self.servers[2].address, pools)

    def test_servers_come_and_go(self):
        d = self.daemon(f'newServer("{self.servers[0].address}")')
        self.assertEqual(self.who(d), 0)
        d.console(f'newServer({{address="{self.servers[1].address}", order=0, name="new"}})')
        d.console("setServerPolicy(firstAvailable)")
        wait_for(lambda: self.who(d) == 1, 5)
        self.assertEqual(self.who(d), 1)
        d.console("rmServer(0)")
        self.assertEqual(self.counts(d, 3), {0: 3})
        d.console("rmServer(0)")
        self.assertTrue(clients.silent(d.port, "x.example."))

    def test_policy_of_a_pool(self):
        d = self.daemon(self.servers_config("order=3", "order=2", "order=1") + '''
            setServerPolicy(roundrobin)
            setPoolServerPolicy(firstAvailable, "")''')
        self.assertEqual(self.counts(d, 6), {2: 6})
        self.assertEqual(d.console("showServerPolicy()"), "roundrobin")
        self.assertEqual(d.console('showPoolServerPolicy("")'), "firstAvailable")

    def test_show_servers(self):
        d = self.daemon(self.servers_config('name="alpha", weight=5', 'order=0', 'qps=7, pool={"p", "q"}'))
        self.counts(d, 4)
        lines = d.console("showServers()").splitlines()
        self.assertEqual(lines[0].split(), ["#", "Name", "Address", "State", "Qps", "Qlim", "Ord", "Wt", "Queries",
                                            "Drops", "Drate", "Lat", "TCP", "Outstanding", "Pools"])
        self.assertIn(self.servers[1].address, lines[1])  # sorted by order
        self.assertIn("alpha", lines[2])
        self.assertRegex(lines[3], r" p q$")
        self.assertRegex(lines[4], r"^All .*\b4\b")
        self.assertRegex(d.console("showServers({showUUIDs=true})").splitlines()[1],
                         r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


if __name__ == "__main__":
    main()
