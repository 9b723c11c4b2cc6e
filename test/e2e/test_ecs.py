#!/usr/bin/python3
"""EDNS client subnet: added, kept, replaced, and taken out of the answer again."""
import dns.edns
import dns.message
import dns.name
import dns.query
import dns.rrset

import clients
from fakeserver import FakeServer
from harness import TestCase, has_ipv6, main, wait_for


def ecs(message):
    found = [o for o in message.options if o.otype == dns.edns.ECS]
    return found[0].to_text() if found else None


class Ecs(TestCase):
    def forwarder(self, config="", options=", useClientSubnet=true", scope=None):
        def reply(query):
            r = dns.message.make_response(query.message, recursion_available=True)
            r.answer.append(dns.rrset.from_text(query.name, 60, "IN", "A", "192.0.2.1"))
            sent = [o for o in query.message.options if o.otype == dns.edns.ECS]
            if sent:
                o = sent[0]
                r.use_edns(0, payload=1232, options=[dns.edns.ECSOption(o.address, o.srclen, scope or 0)])
            return r.to_wire()

        self.server = self.use(FakeServer(reply))
        return self.daemon(f'newServer({{address="{self.server.address}"{options}}})\n{config}')

    def sent(self):
        return self.server.queries[-1].message

    def test_option_and_opt_are_added_and_taken_out(self):
        d = self.forwarder()
        r = clients.udp(d.port, "x.example.")
        self.assertEqual(ecs(self.sent()), "ECS 127.0.0.0/24 scope/0")
        self.assertEqual(self.sent().payload, 512)
        self.assertEqual(r.edns, -1)

    def test_option_is_added_to_the_clients_opt(self):
        d = self.forwarder()
        r = clients.udp(d.port, "x.example.", use_edns=0, payload=1400, want_dnssec=True)
        self.assertEqual(ecs(self.sent()), "ECS 127.0.0.0/24 scope/0")
        self.assertEqual(self.sent().payload, 1400)
        self.assertEqual((r.edns, ecs(r)), (0, None))

    def test_clients_option_is_kept_or_replaced(self):
        own = dict(use_edns=0, options=[dns.edns.ECSOption("198.51.100.0", 20)])
        d = self.forwarder()
        r = clients.udp(d.port, "x.example.", **own)
        self.assertEqual(ecs(self.sent()), "ECS 198.51.96.0/20 scope/0")
        self.assertIsNotNone(ecs(r))
        d.console("setECSOverride(true)")
        clients.udp(d.port, "x.example.", **own)
        self.assertEqual(ecs(self.sent()), "ECS 127.0.0.0/24 scope/0")

    def test_prefix(self):
        d = self.forwarder("setECSSourcePrefixV4(32)")
        clients.udp(d.port, "x.example.")
        self.assertEqual(ecs(self.sent()), "ECS 127.0.0.1/32 scope/0")
        d.console("setECSSourcePrefixV4(0)")
        clients.udp(d.port, "x.example.")
        self.assertEqual(ecs(self.sent()), "ECS 0.0.0.0/0 scope/0")

    def test_over_tcp(self):
        d = self.forwarder()
        r = clients.tcp(d.port, "x.example.")
        self.assertEqual(ecs(self.sent()), "ECS 127.0.0.0/24 scope/0")
        self.assertEqual(r.edns, -1)

    def test_ipv6_client(self):
        if not has_ipv6():
            self.skipTest("no IPv6 here")
        d = self.forwarder('addLocal("[::1]:$PORT")')
        for command, expected in (("x = 0", "ECS ::/56 scope/0"),
                                  ("setECSSourcePrefixV6(128)", "ECS ::1/128 scope/0"),
                                  ("setECSSourcePrefixV6(0)", "ECS ::/0 scope/0")):
            d.console(command)
            dns.query.udp(clients.make("x.example."), "::1", port=d.port, timeout=5)
            self.assertEqual(ecs(self.sent()), expected)

    def test_other_options_stay_as_they_are(self):
        cookie, unknown = dns.edns.GenericOption(10, b"12345678"), dns.edns.GenericOption(65001, b"abc")
        own = dns.edns.ECSOption("198.51.100.0", 24)
        d = self.forwarder()
        clients.udp(d.port, "x.example.", use_edns=0, payload=1400, want_dnssec=True, options=[cookie, unknown])
        self.assertEqual([o.otype for o in self.sent().options if o.otype != dns.edns.ECS], [10, 65001])
        self.assertEqual((self.sent().payload, bool(self.sent().ednsflags & 0x8000)), (1400, True))
        d.console("setECSOverride(true)")
        clients.udp(d.port, "x.example.", use_edns=0, options=[cookie, own, unknown])
        m = self.sent()
        self.assertEqual(ecs(m), "ECS 127.0.0.0/24 scope/0")
        self.assertEqual(sorted(o.otype for o in m.options), [dns.edns.ECS, 10, 65001])
        self.assertEqual([o.data for o in m.options if o.otype != dns.edns.ECS], [b"12345678", b"abc"])

    def test_signed_query_is_not_touched(self):
        d = self.forwarder()
        q = clients.make("x.example.")
        q.use_tsig({dns.name.from_text("key."): b"0123456789abcdef"}, keyname="key.")
        wire = q.to_wire()
        clients.send_udp(d.port, wire)
        self.assertEqual(self.server.queries[-1].wire[2:], wire[2:])  # all but the ID

    def test_octets_behind_the_message_are_not_forwarded(self):
        d = self.forwarder()
        clients.send_udp(d.port, clients.make("x.example.").to_wire() + b"trailing")
        self.assertTrue(wait_for(lambda: self.server.queries))
        self.assertNotIn(b"trailing", self.server.queries[-1].wire)
        self.assertEqual(ecs(self.sent()), "ECS 127.0.0.0/24 scope/0")

    def test_options_of_the_answer_but_the_subnet_stay(self):
        def reply(query):
            r = dns.message.make_response(query.message)
            r.use_edns(0, payload=1232, options=[dns.edns.GenericOption(65001, b"abc"),
                                                 dns.edns.ECSOption("127.0.0.0", 24, 24)])
            return r.to_wire()

        server = self.use(FakeServer(reply))
        d = self.daemon(f'newServer{{address="{server.address}", useClientSubnet=true}}')
        r = clients.udp(d.port, "x.example.", use_edns=0)
        self.assertEqual([o.otype for o in r.options], [65001])
        self.assertEqual(clients.udp(d.port, "x.example.").edns, -1)

    def test_zero_scope_can_be_left_out(self):
        config = 'pc = newPacketCache(100, {parseECS=true})\ngetPool(""):setCache(pc)'
        d = self.forwarder(config, options=", useClientSubnet=true, disableZeroScope=true", scope=0)
        clients.udp(d.port, "x.example.")
        d.console("setECSSourcePrefixV4(16)")
        clients.udp(d.port, "x.example.")
        self.assertEqual(len(self.server.queries), 2)

    def test_zero_scope_is_kept_for_queries_without_a_subnet_only(self):
        """What was asked for one client's own subnet is not given to all."""
        d = self.forwarder('pc = newPacketCache(100, {parseECS=true})\ngetPool(""):setCache(pc)', scope=0)
        clients.udp(d.port, "x.example.", use_edns=0, options=[dns.edns.ECSOption("198.51.100.0", 24)])
        clients.udp(d.port, "x.example.")
        self.assertEqual(len(self.server.queries), 2)

    def test_not_added_without_being_asked_for(self):
        d = self.forwarder(options="")
        clients.udp(d.port, "x.example.", use_edns=0)
        self.assertIsNone(ecs(self.sent()))

    def test_answer_of_scope_0_serves_all(self):
        """With parseECS, an answer for everybody is found by a query from anywhere; another is not."""
        config = 'pc = newPacketCache(100, {parseECS=true})\ngetPool(""):setCache(pc)'
        for scope, asked in ((0, 1), (24, 2)):
            with self.subTest(scope=scope):
                d = self.forwarder(config, scope=scope)
                clients.udp(d.port, "x.example.")
                d.console("setECSSourcePrefixV4(16)")  # as good as another client
                clients.udp(d.port, "x.example.")
                self.assertEqual(len(self.server.queries), asked)


if __name__ == "__main__":
    main()
