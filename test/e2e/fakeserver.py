"""A DNS server that does what a test tells it to, good or bad, and remembers what arrived.

Its reply is a function of one query that returns what to do: octets to send, a list of such, None
for silence, CLOSE to cut the connection (silence over UDP), or a Later with a delay. Called from threads.
"""
import socket
import ssl
import struct
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from harness import free_port

CLOSE = object()

# What dnspython raises over octets that are no query; they are not answered.
NO_QUERY = (dns.exception.DNSException, ValueError, IndexError)


class Later:
    """What to do after some seconds."""

    def __init__(self, seconds, what):
        self.seconds, self.what = seconds, what


class Query:
    def __init__(self, wire, proto, peer, connection=None):
        self.wire, self.proto, self.peer, self.connection = wire, proto, peer, connection
        self.when = time.monotonic()

    @property
    def message(self):
        return dns.message.from_wire(self.wire)

    @property
    def name(self):
        return self.message.question[0].name.to_text().lower()

    @property
    def is_probe(self):
        return self.name == "a.root-servers.net."


def answer(query, *records, rcode=0, authority=(), edns=True, flags=dns.flags.RA):
    """The usual answer: records are texts such as "www.example. 60 IN A 192.0.2.1"."""
    r = dns.message.make_response(query.message, recursion_available=False)
    r.flags |= flags
    r.set_rcode(rcode)
    for section, texts in ((r.answer, records), (r.authority, authority)):
        for text in texts:
            name, ttl, klass, rtype, data = text.split(None, 4)
            section.append(dns.rrset.from_text(name, int(ttl), klass, rtype, data))
    if not edns:
        r.use_edns(-1)
    return r.to_wire(max_size=65535)


def address(query, ttl=60, ip="192.0.2.1"):
    """An A record for whatever is asked."""
    return answer(query, f"{query.message.question[0].name} {ttl} IN A {ip}")


class FakeServer:
    """UDP and TCP on one port of 127.0.0.1; with a certificate, TCP is TLS."""

    def __init__(self, reply=address, udp=True, tcp=True, certificate=None, port=None, probes=True,
                 configure_tls=None):
        self.reply = reply
        self.answers_probes = probes  # health checks are answered whatever reply does
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.queries = []     # real ones, in order of arrival
        self.probes = []      # health checks
        self.connections = 0  # accepted; with TLS, after the handshake
        self.resumed = 0      # TLS sessions that were resumed
        self.handshakes = []  # of TLS: (version, cipher, ALPN, name asked for)
        self._open = set()
        self._closed = False
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
            self._tls.set_alpn_protocols(["dot"])
            self._tls.sni_callback = self._keep_name
            if configure_tls:
                configure_tls(self._tls)
        self._serving = []
        if udp:
            self._start(socket.SOCK_DGRAM, self._serve_udp)
        if tcp:
            self._start(socket.SOCK_STREAM, self._serve_tcp)

    def _start(self, kind, serve):
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", self.port))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        thread = threading.Thread(target=serve, args=(s,), daemon=True)
        self._serving.append((s, thread))
        thread.start()

    def close(self):
        """Returns when nobody reads these sockets any more: a descriptor closed under a reader may be a new
        socket when he reads, and that one's datagram is lost."""
        self._closed = True
        for s, thread in self._serving:
            if s.type == socket.SOCK_DGRAM:
                s.sendto(b"", s.getsockname())
            else:
                s.shutdown(socket.SHUT_RDWR)
            thread.join()
            s.close()
        self._serving = []
        self.cut()

    def cut(self):
        """Closes every connection."""
        for c in list(self._open):
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def names(self):
        return [q.name for q in self.queries]

    def _decide(self, query):
        try:
            probe = query.is_probe
        except NO_QUERY:
            probe = False
        (self.probes if probe else self.queries).append(query)
        if probe and self.answers_probes is not None:
            return address(query) if self.answers_probes else None
        try:
            return self.reply(query)
        except NO_QUERY:
            return None

    def _act(self, what, send, close):
        if isinstance(what, Later):
            timer = threading.Timer(what.seconds, self._act, (what.what, send, close))
            timer.daemon = True
            timer.start()
        elif what is CLOSE:
            close()
        elif isinstance(what, list):
            for one in what:
                self._act(one, send, close)
        elif what is not None:
            try:
                send(what)
            except OSError:
                pass

    def _serve_udp(self, s):
        while not self._closed:
            try:
                wire, peer = s.recvfrom(65535)
            except OSError:
                continue
            if self._closed:
                return
            self._act(self._decide(Query(wire, "udp", peer)),
                      lambda data, peer=peer: s.sendto(data, peer), lambda: None)

    def _serve_tcp(self, s):
        while not self._closed:
            try:
                c, peer = s.accept()
            except OSError:
                continue
            threading.Thread(target=self._serve_connection, args=(c, peer), daemon=True).start()

    @staticmethod
    def _keep_name(c, name, context):
        c.asked_for = name

    def _serve_connection(self, c, peer):
        try:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                c = self._tls.wrap_socket(c, server_side=True)
                self.resumed += bool(c.session_reused)
                self.handshakes.append((c.version(), c.cipher()[0], c.selected_alpn_protocol(),
                                        getattr(c, "asked_for", None)))
            self.connections += 1
            self._open.add(c)
            self._read_queries(c, peer)
        except OSError:
            pass
        finally:
            self._open.discard(c)
            c.close()

    def _read_queries(self, c, peer):
        proto = "dot" if self._tls else "tcp"

        def send(data):
            c.sendall(struct.pack("!H", len(data)) + data)

        def close():
            c.shutdown(socket.SHUT_RDWR)

        while True:
            head = read_exactly(c, 2)
            wire = head and read_exactly(c, struct.unpack("!H", head)[0])
            if not wire:
                return
            query = Query(wire, proto, peer, c)
            self._act(self._decide(query), send, close)


def read_exactly(c, n):
    data = b""
    while len(data) < n:
        more = c.recv(n - len(data))
        if not more:
            return None
        data += more
    return data
