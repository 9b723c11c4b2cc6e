"""The console's protocol spoken by PyNaCl: nonces, sealed messages, and what no honest client sends."""
import base64
import os
import socket
import struct

import nacl.bindings
import nacl.exceptions

from fakeserver import read_exactly
from harness import KEY, PATIENCE_S

NONCE_LEN = 24
MAC_LEN = 16


def connect(port, timeout=PATIENCE_S):
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_to_end(s):
    """What comes until the other side closes."""
    data = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except ConnectionResetError:
        return data


def next_nonce(nonce):
    """The first four octets count messages."""
    return struct.pack("!I", (struct.unpack("!I", nonce[:4])[0] + 1) & 0xFFFFFFFF) + nonce[4:]


class Session:
    """A session after the exchange of nonces; s is its socket."""

    def __init__(self, port, key=KEY, own=None):
        self.key = base64.b64decode(key)
        self.own = own or os.urandom(NONCE_LEN)
        self.s = connect(port)
        self.s.sendall(self.own)
        self.peer = read_exactly(self.s, NONCE_LEN)
        if self.peer is None:
            raise ConnectionResetError("closed before its nonce")
        half = NONCE_LEN // 2
        self.writing = self.peer[:half] + self.own[half:]
        self.reading = self.own[:half] + self.peer[half:]

    def seal(self, text):
        """The frame of a message."""
        sealed = nacl.bindings.crypto_secretbox(text.encode(), self.writing, self.key)
        self.writing = next_nonce(self.writing)
        return struct.pack("!I", len(sealed)) + sealed

    def send(self, text):
        self.s.sendall(self.seal(text))

    def receive(self):
        """The text of the next message; None when the other side has closed."""
        try:
            head = read_exactly(self.s, 4)
            sealed = head and read_exactly(self.s, struct.unpack("!I", head)[0])
        except ConnectionResetError:
            return None
        return None if sealed is None else self.open(sealed)

    def open(self, sealed):
        """The text of a frame without its length."""
        text = nacl.bindings.crypto_secretbox_open(sealed, self.reading, self.key)
        self.reading = next_nonce(self.reading)
        return text.decode()

    def ask(self, text):
        self.send(text)
        return self.receive()

    def close(self):
        self.s.close()

    __enter__ = lambda self: self
    __exit__ = lambda self, *_: self.close()
