#!/usr/bin/python3
"""Servers over DoT: what the handshake says, ciphers, reasons, resumption counted, outages, Debian's dnsdist as server."""
import select
import socket
import ssl
import subprocess
import threading
import time

import dns.flags

import clients
import peers
from fakeserver import CLOSE, FakeServer, Later, address, answer
from harness import DEBIAN_DNSDIST, PATIENCE_S, TestCase, free_port, main, needs, tcp_opens, wait_for
from test_upstream_dot import DotCase


def connected(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", port))
    return s


def only(version):
    def configure(context):
        context.minimum_version = context.maximum_version = version
    return configure


class Handshake(DotCase):
    NAMED = ', subjectName="dot.example"'

    def test_name_and_protocol_are_asked_for(self):
        server = self.server(self.named)
        d = self.forwarder(server, self.NAMED)
        clients.udp(d.port, "x.example.")
        for _, _, alpn, name in server.handshakes:
            self.assertEqual((alpn, name), ("dot", "dot.example"))

    def test_an_address_is_no_name_to_ask_for(self):
        for options in ("", ', subjectAddr="127.0.0.1"', ', subjectName="127.0.0.1"'):
            server = self.server(self.by_address)
            d = self.forwarder(server, options)
            self.assertEqual(self.state(d), "up", options)
            self.assertEqual(server.handshakes[0][2:], ("dot", None), options)

    def test_versions(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            server = self.server(self.named, configure_tls=only(version))
            d = self.forwarder(server, self.NAMED)
            for ask in (clients.udp, clients.tcp):
                self.assertEqual(ask(d.port, "x.example.").answer[0][0].to_text(), "192.0.2.1")
            self.assertEqual({h[0] for h in server.handshakes}, {name})

    def test_ciphers(self):
        for options, version, expected in (
                (', ciphersTLS13="TLS_AES_256_GCM_SHA384"', ssl.TLSVersion.TLSv1_3, {"TLS_AES_256_GCM_SHA384"}),
                (', ciphers13="TLS_CHACHA20_POLY1305_SHA256"', ssl.TLSVersion.TLSv1_3,
                 {"TLS_CHACHA20_POLY1305_SHA256"}),
                (', ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"', ssl.TLSVersion.TLSv1_2,
                 {"ECDHE-ECDSA-AES256-GCM-SHA384"}),
                (', ciphers="NO-SUCH-CIPHER:ECDHE-ECDSA-AES128-GCM-SHA256"', ssl.TLSVersion.TLSv1_2,
                 {"ECDHE-ECDSA-AES128-GCM-SHA256"})):
            with self.subTest(options):
                server = self.server(self.named, configure_tls=only(version))
                d = self.forwarder(server, self.NAMED + options)
                self.assertEqual(self.state(d), "up", d.output())
                self.assertEqual({h[1] for h in server.handshakes}, expected)

    def test_unknown_cipher_beside_a_known_one_is_a_warning(self):
        done = self.check('newServer{address="127.0.0.1:1", tls="openssl", '
                          'ciphers="NO-SUCH-CIPHER:ECDHE-ECDSA-AES128-GCM-SHA256"}')
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, 'NO-SUCH-CIPHER.*prio="Warning"')

    def test_no_known_cipher_is_an_error(self):
        for key in ("ciphers", "ciphersTLS13", "ciphers13"):
            done = self.check(f'\nnewServer{{address="127.0.0.1:1", tls="openssl", {key}="NO-SUCH-CIPHER"}}')
            self.assertEqual(done.returncode, 1, key)
            self.assertRegex(done.stdout, r"checked\.conf:2: newServer: .*NO-SUCH-CIPHER")

    def test_unknown_group_is_an_error(self):
        done = self.check('newServer{address="127.0.0.1:1", tls="openssl", ecdheCurves="X25529"}')
        self.assertEqual(done.returncode, 1)
        self.assertIn("X25519", done.stdout)

    def test_groups(self):
        """A server that takes P-384 alone is met when the operator lists it, and not when he does not."""
        for curves, state in (("X25519:P-384", "up"), ("X25519", "down")):
            server = self.server(self.named, configure_tls=lambda c: c.set_ecdh_curve("secp384r1"))
            d = self.forwarder(server, self.NAMED + f', ecdheCurves="{curves}"')
            self.assertEqual(self.state(d), state)

    def test_reasons_of_a_server_that_is_down(self):
        stranger = peers.Authority(self, "stranger")
        own = self.self_signed()
        for certificate, options, reason in (
                (self.named, ', subjectName="other.example"', "certificate is not valid for other.example"),
                (self.named, "", "certificate is not valid for 127.0.0.1"),
                (self.by_address, ', subjectAddr="2001:db8::1"', "certificate is not valid for 2001:db8::1"),
                (stranger.issue("DNS:dot.example"), self.NAMED, "certificate is not signed by a CA of the store"),
                (own, self.NAMED, "certificate is self-signed"),
                (self.ca.issue("DNS:dot.example", days=-1), self.NAMED, "certificate has expired")):
            with self.subTest(reason):
                server = self.server(certificate)
                d = self.forwarder(server, options)
                self.assertEqual(self.state(d), "down")
                self.assertRegex(d.output(), rf"server {server.address} is down: [^\n]*{reason}")
                self.assertEqual(d.output().count("is down"), 1)  # once, not with every check
                self.assertEqual(server.probes, [])

    def self_signed(self):
        folder = self.folder()
        own = folder + "/own.pem", folder + "/own.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-keyout", own[1], "-out", own[0], "-days", "2", "-subj", "/CN=dot.example",
                        "-addext", "subjectAltName=DNS:dot.example"], check=True, capture_output=True)
        return own

    def test_self_signed_certificate_that_is_the_store(self):
        own = self.self_signed()
        d = self.daemon(f'''newServer{{address="{self.server(own).address}", tls="openssl", caStore="{own[0]}",
                            subjectName="dot.example"}}''')
        self.assertEqual(self.state(d), "up", d.output())

    def test_servers_that_speak_no_tls(self):
        plain = self.use(FakeServer(lambda q: None, probes=None))
        closing = self.use(FakeServer(lambda q: CLOSE, probes=None))
        d = self.daemon("".join(f'newServer{{address="{s.address}", tls="openssl", validateCertificates=false, '
                                f'checkTimeout=300}}\n' for s in (plain, closing)))
        self.assertEqual([row[2] for row in d.rows("showServers()")[:2]], ["down", "down"])

    def test_handshake_that_stalls_holds_up_nobody(self):
        """One server accepts and says nothing; queries that the other one gets are not delayed."""
        stalled = self.use(FakeServer(udp=False, reply=lambda q: None))
        good = self.server(self.named)
        d = self.daemon(f'''setWorkers(1) setServerPolicy(roundrobin)
            newServer{{address="{stalled.address}", tls="openssl", validateCertificates=false, healthCheckMode="up"}}
            newServer{{address="{good.address}", tls="openssl", caStore="{self.ca.certificate}"{self.NAMED}}}''')
        begin = time.monotonic()
        sockets = [self.use(connected(d.port)) for _ in range(20)]
        for i, s in enumerate(sockets):
            s.send(clients.make(f"{i}.example.").to_wire())
        waiting = set(sockets)
        while len(waiting) > 10:
            ready = select.select(list(waiting), [], [], PATIENCE_S)[0]
            self.assertTrue(ready, f"{len(waiting)} wait")
            waiting -= set(ready)
        self.assertLess(time.monotonic() - begin, 5)  # the stalled ones are given up much later
        self.assertEqual(len(good.queries), 10)


class Transport(DotCase):
    def test_sessions_resumed_are_counted(self):
        server = self.server(self.named)
        d = self.forwarder(server, ', subjectName="dot.example", checkInterval=3600')
        for i in range(4):
            clients.udp(d.port, f"{i}.example.")
            server.cut()
        lines = d.console("showTCPStats()").split("Backends:")[1].split("\n")
        head, row = lines[1], next(line for line in lines if server.address in line)
        at = head.index("TLS resumptions")
        resumed = int(row[at:].split()[0])
        self.assertEqual(resumed, server.resumed)
        self.assertGreaterEqual(resumed, 2)
        self.assertGreaterEqual(int(d.console("getOutgoingTLSSessionCacheSize()")), 1)

    def test_no_session_is_kept_when_none_may_be(self):
        server = self.server(self.named)
        d = self.forwarder(server, ', subjectName="dot.example", checkInterval=3600',
                           "setOutgoingTLSSessionsCacheMaxTicketsPerBackend(0)")
        for i in range(4):
            clients.udp(d.port, f"{i}.example.")
            server.cut()
        self.assertEqual((server.resumed, d.console("getOutgoingTLSSessionCacheSize()")), (0, "0"))

    def test_answer_too_large_for_udp_is_truncated(self):
        text = " ".join(f'"{"x" * 250}"' for _ in range(20))
        server = self.server(self.named, reply=lambda q: answer(q, f"x.example. 60 IN TXT {text}"))
        d = self.forwarder(server, ', subjectName="dot.example"')
        r = clients.udp(d.port, "x.example.", "TXT", use_edns=0, payload=1232)
        self.assertEqual((bool(r.flags & dns.flags.TC), len(r.answer)), (True, 0))
        self.assertEqual(len(clients.tcp(d.port, "x.example.", "TXT").answer), 1)

    def test_pipelining_and_answers_out_of_order(self):
        def reply(query):
            return Later(0.4, address(query)) if query.name == "slow.example." else address(query)

        server = self.server(self.named, reply=reply)
        d = self.forwarder(server, ', subjectName="dot.example", maxInFlight=20, checkInterval=3600')
        took = {}

        def ask(name):
            begin = time.monotonic()
            clients.udp(d.port, name)
            took[name] = time.monotonic() - begin

        threads = [threading.Thread(target=ask, args=(n,)) for n in ["slow.example."] + [f"{i}.example." for i in range(10)]]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertGreaterEqual(took.pop("slow.example."), 0.4)
        self.assertLess(max(took.values()), 0.4)
        self.assertEqual(len(server.queries), 11)
        self.assertLessEqual(server.connections, 3)  # the check's, and one that could not wait for the handshake

    def test_restart_of_the_server_is_not_seen_by_clients(self):
        port = free_port()
        server = FakeServer(udp=False, certificate=self.named, port=port)
        d = self.forwarder(server, ', subjectName="dot.example", healthCheckMode="up"')
        for i in range(5):
            clients.udp(d.port, f"a{i}.example.")
        server.close()
        server = self.use(FakeServer(udp=False, certificate=self.named, port=port))
        for i in range(5):
            clients.udp(d.port, f"b{i}.example.", timeout=5)
            clients.tcp(d.port, f"c{i}.example.", timeout=5)
        self.assertEqual(len(server.queries), 10)

    def test_certificate_renewed_in_the_store(self):
        """A server added later is judged by the store as it is then."""
        other = peers.Authority(self, "other")
        store = self.folder() + "/store.pem"
        with open(store, "w") as f, open(self.ca.certificate) as ca:
            f.write(ca.read())
        server = self.server(other.issue("IP:127.0.0.1"))
        d = self.daemon(f'newServer{{address="{server.address}", tls="openssl", caStore="{store}"}}')
        self.assertEqual(self.state(d), "down")
        with open(store, "w") as f, open(other.certificate) as ca:
            f.write(ca.read())
        d.console(f'rmServer(0) newServer{{address="{server.address}", tls="openssl", caStore="{store}"}}')
        self.assertTrue(wait_for(lambda: self.state(d) == "up"))


class Plain(TestCase):
    """Options that choose TCP without TLS."""

    def test_tcp_only_and_check_tcp(self):
        for options, probes, queries in (("tcpOnly=true", {"tcp"}, {"tcp"}),
                                         ("checkTCP=true", {"tcp"}, {"udp", "tcp"}),
                                         ("", {"udp"}, {"udp", "tcp"})):
            with self.subTest(options):
                server = self.use(FakeServer())
                d = self.daemon(f'newServer{{address="{server.address}", {options}}}')
                clients.udp(d.port, "u.example.")
                clients.tcp(d.port, "t.example.")
                self.assertEqual({q.proto for q in server.probes}, probes)
                self.assertEqual({q.proto for q in server.queries}, queries)


@needs("dnsdist", "nsd", "openssl")
class Debian(DotCase):
    def test_dnsdist_over_tls(self):
        nsd = self.use(peers.nsd(self))
        port = free_port()
        other = self.daemon(f'''addTLSLocal("127.0.0.1:{port}", "{self.named[0]}", "{self.named[1]}")
                                newServer{{address="{nsd.address}", checkName="www.example."}}''',
                            binary=DEBIAN_DNSDIST, name="debian-dnsdist")
        self.assertTrue(wait_for(lambda: tcp_opens(port)))
        d = self.daemon(f'''newServer{{address="127.0.0.1:{port}", tls="openssl", caStore="{self.ca.certificate}",
                            subjectName="a.wild.example", checkName="www.example.", maxInFlight=10}}''')
        for i in range(20):
            self.assertEqual(clients.udp(d.port, f"{i}.wild.example.").answer[0][0].to_text(), "192.0.2.99")
        self.assertGreater(len(clients.tcp(d.port, "big.example.", "TXT").answer[0][0].to_text()), 3000)
        self.assertRegex(other.console("showTCPStats()"), rf"(?m)^\d+ +127\.0\.0\.1:{port} ")


if __name__ == "__main__":
    main()
