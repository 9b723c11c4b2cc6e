#!/usr/bin/python3
"""A caching forwarder as operators write it, with DNS over TLS to six addresses and a local recursor beside them.

The configuration and the commands are those of a published how-to, with a key and addresses of this machine.
"""
import os
import re
import unittest

import dns.query

import clients
import peers
from harness import DNSDIST, TestCase, free_port, has_ipv6, main, needs, run_dnsdist, tcp_opens, wait_for
from terminal import Terminal

CONFIG = """
-- Set up console for local access via the CLI
controlSocket("127.0.0.1:$CONSOLE")
-- Key that is used internally to guard access to the controlSocket.
-- Generate by running the following command:
-- $ dnsdist -e 'makeKey()'
$SETKEY

-- Set up listening addresses
addLocal("127.0.0.1:$PORT")
addLocal("[::1]:$PORT")
addLocal("127.254.1.1:$PORT")
-- Allow queries from any source IP
addACL("0.0.0.0/0")
addACL("::/0")

-- Set up packet cache with a max of 100k entries and override TTLs to not cache things too long
pc = newPacketCache(100000, {maxTTL=300, minTTL=0, maxNegativeTTL=60})

-- Configure upstream IPv4 recursors using DoT with ECS
newServer({address="127.8.8.8:$DOT1", tls="openssl"})
newServer({address="127.1.0.1:$DOT1", tls="openssl"})

-- Configure upstream IPv6 recursors using DoT with ECS
newServer({address="[::1]:$DOT1", tls="openssl"})
newServer({address="[::1]:$DOT2", tls="openssl"})
newServer({address="[::1]:$DOT3", tls="openssl"})
newServer({address="[::1]:$DOT4", tls="openssl"})

-- Optionally forward queries to a local recursor
newServer({address="127.0.0.1:$DO53"})

-- assign the packet cache to the default pool
getPool(""):setCache(pc)
"""

COLUMNS = "# Name Address State Qps Qlim Ord Wt Queries Drops Drate Lat TCP Outstanding Pools".split()

# What dumpStats() shows there, counters of transports that this configuration does not use included.
STATS = """
acl-drops latency1-10 cache-hits latency10-50 cache-misses latency100-1000 cpu-iowait latency50-100 cpu-steal
no-policy cpu-sys-msec noncompliant-queries cpu-user-msec noncompliant-responses doh-query-pipe-full
outgoing-doh-query-pipe-full doh-response-pipe-full proxy-protocol-invalid downstream-send-errors queries
downstream-timeouts rdqueries dyn-block-nmg-size real-memory-usage dyn-blocked responses empty-queries rule-drop
fd-usage rule-nxdomain frontend-noerror rule-refused frontend-nxdomain rule-servfail frontend-servfail
rule-truncated latency-avg100 security-status latency-avg1000 self-answered latency-avg10000 servfail-responses
latency-avg1000000 special-memory-usage latency-count tcp-cross-protocol-query-pipe-full latency-doh-avg100
tcp-cross-protocol-response-pipe-full latency-doh-avg1000 tcp-listen-overflows latency-doh-avg10000
tcp-query-pipe-full latency-doh-avg1000000 trunc-failures latency-dot-avg100 udp-in-csum-errors
latency-dot-avg1000 udp-in-errors latency-dot-avg10000 udp-noport-errors latency-dot-avg1000000
udp-recvbuf-errors latency-slow udp-sndbuf-errors latency-sum udp6-in-csum-errors latency-tcp-avg100
udp6-in-errors latency-tcp-avg1000 udp6-noport-errors latency-tcp-avg10000 udp6-recvbuf-errors
latency-tcp-avg1000000 udp6-sndbuf-errors latency0-1 uptime
""".split()

UNBOUND = """server:
  interface: 127.8.8.8@$DOT1
  interface: 127.1.0.1@$DOT1
  interface: ::1@$DOT1
  interface: ::1@$DOT2
  interface: ::1@$DOT3
  interface: ::1@$DOT4
  interface: 127.0.0.1@$DO53
  tls-port: $DOT1
  tls-additional-port: $DOT2
  tls-additional-port: $DOT3
  tls-additional-port: $DOT4
  tls-service-pem: "$PEM"
  tls-service-key: "$DOTKEY"
  username: ""
  chroot: ""
  directory: "."
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  access-control: 127.0.0.0/8 allow
  access-control: ::1 allow
  local-zone: "example." redirect
  local-data: "example. 3600 IN A 192.0.2.80"
  local-zone: "short." redirect
  local-data: "short. 0 IN A 192.0.2.81"
  local-zone: "none." static
  local-data: "none. 600 IN SOA ns.none. admin.none. 1 2 3 4 900"
  local-data: "a.root-servers.net. 300 IN A 198.41.0.4"
remote-control:
  control-enable: no
"""


@needs("unbound", "openssl")
@unittest.skipUnless(has_ipv6(), "no IPv6 on this machine")
class Forwarder(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = peers.Authority(cls)
        pem, key = cls.ca.issue("IP:127.8.8.8", "IP:127.1.0.1", "IP:::1")
        cls.words = {"$DOTKEY": key, "$PEM": pem}
        for name in ("$DOT1", "$DOT2", "$DOT3", "$DOT4", "$DO53"):
            cls.words[name] = str(free_port())
        cls.recursor = cls.class_use(cls.start_recursor())
        cls.words["$SETKEY"] = run_dnsdist("-C", os.devnull, "-e", "makeKey()").stdout
        cls.d = cls.class_daemon(cls.fill(CONFIG), listen=False, console=False,
                                 env={"SSL_CERT_FILE": cls.ca.certificate})
        wait_for(lambda: tcp_opens(cls.d.port))  # the console was there before the first health checks had ended

    @classmethod
    def fill(cls, text):
        for word, value in cls.words.items():
            text = text.replace(word, value)
        return text

    @classmethod
    def start_recursor(cls):
        return peers.Peer(cls, "unbound", ["/usr/sbin/unbound", "-d", "-p", "-c", "$DIR/unbound.conf"],
                          {"unbound.conf": cls.fill(UNBOUND)}, int(cls.words["$DO53"]))

    def command(self, text, binary=DNSDIST):
        """As the operator types it: address and key come from the configuration."""
        done = run_dnsdist("-C", self.d.config_path, "-e", text, binary=binary)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def servers(self):
        """showServers() by address; in this configuration no server has a name or a pool to show."""
        head, *rows = self.command("showServers()").splitlines()
        self.assertEqual(head.split(), COLUMNS)
        names = [c for c in COLUMNS if c not in ("Name", "Pools")]
        table = {}
        for row in rows[:-1]:
            cells = row.split()
            self.assertEqual(len(cells), len(names), row)
            table[cells[1]] = dict(zip(names, cells))
        self.assertRegex(rows[-1], r"^All +\d+\.\d +\d+ +\d+$")
        table["All"] = rows[-1].split()
        return table

    def stats(self):
        words = self.command("dumpStats()").split()
        return dict(zip(words[::2], map(float, words[1::2])))

    def test_all_servers_are_up_at_once(self):
        table = self.servers()
        dot = ["127.8.8.8:$DOT1", "127.1.0.1:$DOT1"] + [f"[::1]:$DOT{i}" for i in (1, 2, 3, 4)]
        expected = [self.fill(a) for a in dot + ["127.0.0.1:$DO53"]]
        self.assertEqual([a for a in table if a != "All"], expected)
        for i, address in enumerate(expected):
            row = table[address]
            self.assertEqual((row["#"], row["State"], row["Qlim"], row["Ord"], row["Wt"], row["Outstanding"]),
                             (str(i), "up", "0", "1", "1", "0"))

    def test_every_listener_over_udp_and_tcp(self):
        for i, address in enumerate(("127.0.0.1", "::1", "127.254.1.1")):
            for ask in (dns.query.udp, dns.query.tcp):
                r = ask(clients.make(f"{i}-{ask.__name__}.example."), address, port=self.d.port, timeout=5)
                self.assertEqual(r.answer[0][0].to_text(), "192.0.2.80")
        binds = [line.split() for line in self.command("showBinds()").splitlines()]
        self.assertEqual(binds[0], ["#", "Address", "Protocol", "Queries"])
        self.assertEqual([(row[1], row[2]) for row in binds[1:]],
                         [(f"{a}:{self.d.port}", p) for a in ("127.0.0.1", "[::1]", "127.254.1.1")
                          for p in ("UDP", "TCP")])
        self.assertTrue(all(int(row[3]) >= 1 for row in binds[1:]))

    def test_queries_are_counted_and_measured(self):
        """Each query is counted once; Lat is of the server over UDP, TCP of those over TLS."""
        before = self.servers()
        for i in range(150):
            clients.udp(self.d.port, f"spread{i}.example.")
        table = self.servers()
        gained = {a: int(row["Queries"]) - int(before[a]["Queries"]) for a, row in table.items() if a != "All"}
        self.assertEqual(sum(gained.values()), 150)
        self.assertEqual(int(table["All"][2]) - int(before["All"][2]), 150)
        for address, row in table.items():
            if address == "All" or not int(row["Queries"]):
                continue
            if address == self.fill("127.0.0.1:$DO53"):
                self.assertNotEqual(row["Lat"], "-")
            else:
                self.assertEqual((row["Lat"], row["TCP"] == "-"), ("-", False), row)
            self.assertEqual((row["Drops"], row["Outstanding"]), ("0", "0"))

    def test_each_server_answers_alone(self):
        for only in range(7):
            self.command(f"for i = 0, 6 do if i == {only} then getServer(i):setUp() else getServer(i):setDown() end end")
            before = [int(row["Queries"]) for a, row in self.servers().items() if a != "All"]
            for i, ask in enumerate((clients.udp, clients.tcp)):
                r = ask(self.d.port, f"alone{only}-{i}.example.")
                self.assertEqual(r.answer[0][0].to_text(), "192.0.2.80")
            table = self.servers()
            self.assertEqual([row["State"] for a, row in table.items() if a != "All"],
                             ["UP" if i == only else "DOWN" for i in range(7)])
            self.assertEqual([int(row["Queries"]) - n for (_, row), n in zip(table.items(), before)],
                             [2 if i == only else 0 for i in range(7)])
        self.command("for i = 0, 6 do getServer(i):setAuto(true) end")

    def test_cache(self):
        before, asked = self.stats(), self.servers()["All"][2]
        first = clients.udp(self.d.port, "cached.example.")
        second = clients.udp(self.d.port, "cached.example.")
        self.assertEqual(first.answer[0].ttl, 3600)
        self.assertEqual(second.answer[0][0].to_text(), "192.0.2.80")
        self.assertEqual(int(self.servers()["All"][2]) - int(asked), 1)
        after = self.stats()
        self.assertEqual((after["cache-hits"] - before["cache-hits"], after["cache-misses"] - before["cache-misses"]),
                         (1, 1))
        for _ in range(2):  # a TTL of 0 is not cached
            clients.udp(self.d.port, "now.short.")
        self.assertEqual(self.stats()["cache-misses"] - after["cache-misses"], 2)
        self.assertRegex(self.command("getPool(''):getCache():printStats()"), r"(?m)^Entries: \d+/100000$")
        self.assertRegex(self.command("showPools()"), r"(?m)^ +\d+/100000 +leastOutstanding +127\.8\.8\.8:")

    def test_negative_answers(self):
        before = self.stats()
        for _ in range(2):
            r = clients.udp(self.d.port, "no.none.")
            self.assertEqual((r.rcode(), len(r.authority)), (3, 1))
        after = self.stats()
        self.assertEqual(after["frontend-nxdomain"] - before["frontend-nxdomain"], 2)
        self.assertEqual(after["cache-hits"] - before["cache-hits"], 1)

    def test_statistics(self):
        before = self.stats()
        for i in range(30):
            clients.udp(self.d.port, f"stat{i % 10}.example.")
        text = self.command("dumpStats()")
        after = self.stats()
        self.assertEqual([name for name in STATS if name not in after], [])
        for line in text.splitlines()[:-1]:
            self.assertRegex(line, r"^\S+ *\t *[0-9.]+ +\S+ *\t *[0-9.]+$")
        names = text.split()[::2]
        self.assertEqual(names[::2] + names[1::2], sorted(names))
        gained = {name: after[name] - before[name] for name in after}
        for name, n in (("queries", 30), ("responses", 30), ("rdqueries", 30), ("frontend-noerror", 30),
                        ("cache-hits", 20), ("cache-misses", 10), ("latency-count", 30)):
            self.assertEqual(gained[name], n, name)
        self.assertEqual(sum(v for n, v in gained.items() if re.fullmatch(r"latency\d+-\d+|latency-slow", n)), 30)
        for name in ("acl-drops", "servfail-responses", "downstream-timeouts", "rule-drop"):
            self.assertEqual(after[name], 0, name)
        self.assertGreater(after["real-memory-usage"], 1_000_000)
        self.assertGreater(after["fd-usage"], 5)

    def test_policy_and_access(self):
        self.assertEqual(self.command("showServerPolicy()"), "leastOutstanding\n")
        acl = self.command("showACL()").split()
        self.assertEqual(acl[-2:], ["0.0.0.0/0", "::/0"])
        self.assertIn("10.0.0.0/8", acl)

    def test_console_at_a_terminal(self):
        t = self.use(Terminal([DNSDIST, "-C", self.d.config_path, "-c"], env={"HOME": self.folder()}))
        t.wait_for("> ")
        self.assertEqual(t.line("showServers()").split("\n")[0].split(), COLUMNS)
        self.assertIn("uptime", t.line("dumpStats()"))
        t.type("quit\r")
        self.assertEqual(t.status(), 0)

    @needs("dnsdist")
    def test_console_by_the_client_that_operators_have(self):
        self.assertEqual(self.command("showServers()", binary="/usr/bin/dnsdist").split()[:15], COLUMNS)

    def test_recursor_that_ends_and_comes_back(self):
        def all_are(state):
            return all(row["State"] == state for address, row in self.servers().items() if address != "All")

        before = self.stats()["no-policy"]
        self.recursor.stop()
        self.assertTrue(wait_for(lambda: all_are("down")))
        self.assertTrue(clients.silent(self.d.port, "nobody.example."))
        self.assertEqual(self.stats()["no-policy"] - before, 1)
        self.recursor = self.class_use(self.start_recursor())
        self.assertTrue(wait_for(lambda: all_are("up")))
        self.assertEqual(clients.udp(self.d.port, "back.example.").rcode(), 0)
        for address in ("127.8.8.8:$DOT1", "[::1]:$DOT4", "127.0.0.1:$DO53"):
            for state in ("down", "up"):
                self.assertIn(self.fill(f"server {address} is {state}"), self.d.output())

    def test_many_at_once(self):
        path = os.path.join(self.folder(), "queries")
        with open(path, "w") as f:
            f.writelines(f"many{i}.example. A\n" for i in range(400))
        for args in (("-n", "1", "-q", "50"), ("-n", "2", "-q", "50", "-m", "tcp", "-c", "4")):
            figures = clients.dnsperf(self.d.port, path, *args)
            self.assertEqual(figures["Queries lost"].split()[0], "0", figures)
            self.assertRegex(figures["Response codes"], r"^NOERROR \d+ \(100\.00%\)$")


if __name__ == "__main__":
    main()
