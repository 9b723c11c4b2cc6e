"""Clients nobody here wrote (dnspython, dig, kdig, dnsperf), and raw sockets for what those refuse to send."""
import re
import socket
import struct
import subprocess

import dns.message
import dns.query

from fakeserver import read_exactly
from harness import PATIENCE_S


def make(name, rtype="A", **kw):
    return dns.message.make_query(name, rtype, **kw)


def udp(port, name, rtype="A", timeout=5, **kw):
    """dnspython over UDP; it checks id and question of the answer. What comes from another source is for
    whoever had the port before."""
    return dns.query.udp(make(name, rtype, **kw), "127.0.0.1", port=port, timeout=timeout, ignore_unexpected=True)


def tcp(port, name, rtype="A", timeout=5, **kw):
    return dns.query.tcp(make(name, rtype, **kw), "127.0.0.1", port=port, timeout=timeout)


def silent(port, name, rtype="A", timeout=0.5, **kw):
    """Whether there is no answer over UDP within the timeout."""
    try:
        udp(port, name, rtype, timeout=timeout, **kw)
        return False
    except dns.exception.Timeout:
        return True


def send_udp(port, wire, timeout=0.5):
    """Octets out, octets back; None for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.connect(("127.0.0.1", port))
        s.send(wire)
        try:
            return s.recv(65535)
        except socket.timeout:
            return None


class Stream:
    """A TCP connection, message by message."""

    def __init__(self, port, timeout=5):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, wire):
        self.s.sendall(struct.pack("!H", len(wire)) + wire)

    def receive(self):
        """The next message; None when the other side has closed."""
        try:
            head = read_exactly(self.s, 2)
            return head and read_exactly(self.s, struct.unpack("!H", head)[0])
        except ConnectionResetError:
            return None

    def close(self):
        self.s.close()

    __enter__ = lambda self: self
    __exit__ = lambda self, *_: self.close()


def dig(port, *args):
    """The text of dig, which exits 9 without an answer."""
    return subprocess.run(["dig", "@127.0.0.1", "-p", str(port), "+tries=1", "+time=5", *args],
                          capture_output=True, text=True, timeout=PATIENCE_S).stdout


def kdig(port, *args):
    return subprocess.run(["kdig", "@127.0.0.1", "-p", str(port), "+retry=0", "+time=5", *args],
                          capture_output=True, text=True, timeout=PATIENCE_S).stdout


def dnsperf(port, queries, *args):
    """Runs dnsperf over the queries (a path) and returns its figures by their names."""
    done = subprocess.run(["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", queries, *args],
                          capture_output=True, text=True, timeout=60)
    return dict(re.findall(r"^ +([A-Z][A-Za-z ()/]+): +(.*)$", done.stdout, re.M))
