"""What the pages on rules share: questions of any form and source, tables of rules, a console that stays open."""
import socket
import struct

import dns.edns
import dns.flags
import dns.message
import dns.query

import consolewire
from fakeserver import read_exactly

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH = 0, 1, 2, 3, 4, 5, 9


def option(code, data=b"x"):
    return dns.edns.GenericOption(code, data)


class Ask:
    """A question. to() asks it for prefix.domain, and gives what dnspython reads; edit makes other octets of it."""

    def __init__(self, prefix="www", rtype="A", tcp=False, source="127.0.0.1", where="127.0.0.1", edit=None,
                 set_flags=0, clear_flags=0, opcode=0, rcode=0, timeout=5, **kw):
        self.prefix, self.rtype, self.tcp, self.source, self.where = prefix, rtype, tcp, source, where
        self.edit, self.timeout, self.kw = edit, timeout, kw
        self.set_flags, self.clear_flags, self.opcode, self.rcode = set_flags, clear_flags, opcode, rcode

    def message(self, domain=""):
        m = dns.message.make_query(f"{self.prefix}.{domain}".strip(".") + ".", self.rtype, **self.kw)
        m.flags = (m.flags | self.set_flags) & ~self.clear_flags
        if self.rcode:
            m.set_rcode(self.rcode)
        if self.opcode:
            m.set_opcode(self.opcode)
        return m

    def to(self, port, domain=""):
        m = self.message(domain)
        if self.edit:
            got = dns.message.from_wire(self.exchange(self.edit(m.to_wire()), port))
            assert got.id == m.id
            return got
        to = dict(port=port, timeout=self.timeout, source=self.source)
        if self.tcp:
            return dns.query.tcp(m, self.where, **to)
        return dns.query.udp(m, self.where, ignore_unexpected=True, **to)

    def exchange(self, wire, port):
        """Octets for octets; None when a connection is closed."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM) as s:
            s.settimeout(self.timeout)
            s.bind((self.source, 0))
            s.connect((self.where, port))
            if not self.tcp:
                s.send(wire)
                return s.recv(65535)
            s.sendall(struct.pack("!H", len(wire)) + wire)
            head = read_exactly(s, 2)
            return head and read_exactly(s, struct.unpack("!H", head)[0])


class Console(consolewire.Session):
    """A session with a daemon."""

    def __init__(self, d):
        super().__init__(d.console_port)

    def run(self, line):
        """What it prints, without the last newline; it must not be an error."""
        text = self.ask(line)
        if text.startswith("Error"):
            raise AssertionError(f"{line}: {text}")
        return text.rstrip("\n")

    def matches(self, command="showRules()"):
        """How often each rule has matched, by its name."""
        return {line[4:34].strip(): int(line[34:44]) for line in self.run(command).splitlines()[1:]}
