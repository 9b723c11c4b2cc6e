#!/usr/bin/python3
"""EDNS client subnet: added, kept, replaced, and taken out of the answer again."""
import dns.edns
import dns.message
import dns.rrset

import clients
from fakeserver import FakeServer
from harness import TestCase, main


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
