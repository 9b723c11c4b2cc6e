#!/usr/bin/python3
"""Servers over DoT: certificates that are good and bad, resumption, Unbound as the server."""
import clients
import peers
from fakeserver import FakeServer, answer
from harness import TestCase, main, needs, wait_for


@needs("openssl")
class DotCase(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = peers.Authority(cls)
        cls.named = cls.ca.issue("DNS:dot.example", "DNS:*.wild.example")
        cls.by_address = cls.ca.issue("IP:127.0.0.1")

    def server(self, certificate, **kw):
        return self.use(FakeServer(udp=False, certificate=certificate, **kw))

    def forwarder(self, server, options, config=""):
        return self.daemon(f'''setWorkers(1)
            newServer({{address="{server.address}", tls="openssl", caStore="{self.ca.certificate}"{options}}})
            {config}''')

    def state(self, d):
        return d.console("showServers()").splitlines()[1].split()[2]


class Certificates(DotCase):
    def test_queries_travel_over_tls(self):
        server = self.server(self.named)
        d = self.forwarder(server, ', subjectName="dot.example"')
        for ask in (clients.udp, clients.tcp):
            self.assertEqual(ask(d.port, "x.example.").answer[0][0].to_text(), "192.0.2.1")
        self.assertEqual({q.proto for q in server.queries + server.probes}, {"dot"})

    def test_every_name_of_a_library_means_tls(self):
        for library in ("openssl", "gnutls", "wolfssl"):
            with self.subTest(library):
                server = self.server(self.named)
                d = self.daemon(f'''newServer({{address="{server.address}", tls="{library}",
                    caStore="{self.ca.certificate}", subjectName="dot.example"}})''')
                self.assertEqual(clients.udp(d.port, "x.example.").answer[0][0].to_text(), "192.0.2.1")

    def test_good_certificates(self):
        for label, certificate, options in (
                ("wildcard", self.named, ', subjectName="a.wild.example"'),
                ("address asked for", self.by_address, ', subjectAddr="127.0.0.1"'),
                ("nothing asked for: the server's address", self.by_address, ""),
                ("another name, not validated", self.named, ', subjectName="other.example", validateCertificates=false')):
            with self.subTest(label):
                d = self.forwarder(self.server(certificate), options)
                self.assertEqual(self.state(d), "up")
                self.assertEqual(clients.udp(d.port, "x.example.").answer[0][0].to_text(), "192.0.2.1")

    def test_bad_certificates_keep_a_server_down_with_the_reason(self):
        stranger = peers.Authority(self, "stranger").issue("DNS:dot.example")
        for label, certificate, options in (
                ("another name", self.named, ', subjectName="other.example"'),
                ("wildcard covers one label", self.named, ', subjectName="a.b.wild.example"'),
                ("another address", self.by_address, ', subjectAddr="127.0.0.2"'),
                ("nothing asked for, and not for the address", self.named, ""),
                ("unknown authority", stranger, ', subjectName="dot.example"'),
                ("expired", self.ca.issue("DNS:dot.example", days=-1), ', subjectName="dot.example"')):
            with self.subTest(label):
                server = self.server(certificate)
                d = self.forwarder(server, options)
                self.assertEqual(self.state(d), "down")
                self.assertTrue(clients.silent(d.port, "x.example.", timeout=0.2))
                self.assertEqual(server.queries, [])
                self.assertRegex(d.output(), r"(?i)certificate")

    def test_missing_ca_store_is_an_error(self):
        checked = self.check('newServer({address="127.0.0.1:853", tls="openssl", caStore="/nonexistent/ca.pem"})')
        self.assertEqual(checked.returncode, 1)
        self.assertIn("/nonexistent/ca.pem", checked.stdout + checked.stderr)

    def test_default_port_is_853(self):
        d = self.daemon('newServer({address="127.0.0.99", tls="openssl", healthCheckMode="down"})')
        self.assertIn("127.0.0.99:853", d.console("showServers()"))


class Connections(DotCase):
    def test_connection_is_reused_and_sessions_resumed(self):
        server = self.server(self.named)
        d = self.forwarder(server, ', subjectName="dot.example", checkInterval=60')
        for i in range(5):
            clients.udp(d.port, f"n{i}.example.")
        self.assertLessEqual(server.connections, 2)  # the check has its own
        for i in range(3):
            server.cut()
            clients.udp(d.port, f"m{i}.example.")
        self.assertGreaterEqual(server.resumed, 1)

    def test_server_that_only_accepts(self):
        silent = self.use(FakeServer(udp=False, reply=lambda q: None))  # TCP, but no TLS behind it
        d = self.forwarder(silent, ', subjectName="dot.example", checkTimeout=300')
        self.assertEqual(self.state(d), "down")

    def test_server_comes_back(self):
        server = FakeServer(udp=False, certificate=self.named)
        d = self.forwarder(server, ', subjectName="dot.example", checkTimeout=500')
        self.assertEqual(self.state(d), "up")
        server.close()
        wait_for(lambda: self.state(d) == "down", 10, 0.2)
        self.assertEqual(self.state(d), "down")
        self.use(FakeServer(udp=False, certificate=self.named, port=server.port))
        wait_for(lambda: self.state(d) == "up", 10, 0.2)
        self.assertEqual(clients.udp(d.port, "x.example.").answer[0][0].to_text(), "192.0.2.1")

    def test_large_answers(self):
        text = " ".join(f'"{"x" * 250}"' for _ in range(200))
        server = self.server(self.named, reply=lambda q: answer(q, f"x.example. 60 IN TXT {text}"))
        d = self.forwarder(server, ', subjectName="dot.example"')
        self.assertGreater(len(clients.tcp(d.port, "x.example.", "TXT").answer[0][0].to_text()), 50000)


@needs("openssl", "unbound")
class Unbound(DotCase):
    def test_unbound_over_tls(self):
        unbound = self.use(peers.unbound(self, self.named))
        d = self.forwarder(unbound, ', subjectName="dot.example"')
        for ask in (clients.udp, clients.tcp):
            self.assertEqual(ask(d.port, "www.example.").answer[0][0].to_text(), "192.0.2.80")


if __name__ == "__main__":
    main()
