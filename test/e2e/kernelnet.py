"""What the pages on the kernel filter share: a daemon at one end of a cable, clients at the other.

Skipped only where there is no such network, or where the kernel refuses bpf(2) to root.
"""
import os
import shutil
import socket
import subprocess
import time
import unittest

import dns.exception
import dns.query

import clients
from fakeserver import FakeServer
from harness import TestCase, needs, run_dnsdist
from netns import Cable, NetDaemon, Pins
from ruletools import NOERROR

FILTER = "ipv4MaxItems=16, ipv6MaxItems=16, cidr4MaxItems=16, cidr6MaxItems=16, qnamesMaxItems=16"
NO_KERNEL = "there is no kernel filter"
MALLORY, MALLORY6 = Cable.THERE[0], Cable.THERE6[0]
ALICE, ALICE6 = Cable.THERE[1], Cable.THERE6[1]


def why_not():
    """Why none of this can be shown here; None: it can."""
    if os.geteuid() != 0:
        return "not root"
    try:
        Cable().close()
    except OSError as e:
        return f"no network of its own: {e}"
    if not shutil.which("bpftool") or " ebpf " not in run_dnsdist("-V").stdout:
        return None  # a build has it, and a machine for tests the tool, so they fail
    test = subprocess.run(["bpftool", "prog", "show"], capture_output=True, text=True)
    return f"bpf(2) is refused to root: {test.stderr.strip()}" if "not permitted" in test.stderr else None


REASON = why_not()


@needs("ip", "nsenter", "bpftool", "setpriv", "dig")
@unittest.skipIf(REASON, REASON)
class Network(TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cable = cls.class_use(Cable())
        with cls.cable.inside_here():
            cls.server = cls.class_use(FakeServer())
        cls.servers = f'newServer("{cls.server.address}")\n'
        cls.pins = cls.class_use(Pins(cls.folder())).path
        if cls.CONFIG:
            cls.d = NetDaemon(cls, cls.cable, cls.servers + cls.CONFIG.replace("$PINS", cls.pins))
            cls.addClassCleanup(cls.d.finish)

    def near(self, config, **kw):
        d = NetDaemon(self, self.cable, self.servers + config, **kw)
        self.addCleanup(self._leave, d)
        return d

    def ask(self, source=ALICE, name="www.example.org", rtype="A", tcp=False, d=None, timeout=0.4, **kw):
        """The answer, or None for silence."""
        where = Cable.HERE6 if ":" in source else Cable.HERE
        ask = dns.query.tcp if tcp else dns.query.udp
        with self.cable.inside_there():
            try:
                return ask(clients.make(name, rtype, **kw), where, port=(d or self.d).port, source=source,
                           timeout=timeout)
            except (dns.exception.Timeout, EOFError, OSError):
                return None

    def answered(self, *args, **kw):
        return self.ask(*args, timeout=5, **kw).rcode() == NOERROR

    def dropped(self, *args, d=None, **kw):
        """Silence, and nothing of it came as far as the program."""
        before = (d or self.d).stat("queries")
        silent = self.ask(*args, d=d, **kw) is None
        return silent and (d or self.d).stat("queries") == before

    def run_line(self, line, d=None):
        text = (d or self.d).console(line)
        self.assertNotIn("rror", text, line)
        return text

    def counts(self, filter="bpf", d=None):
        """getStats() as a dictionary."""
        text = (d or self.d).console(f"t = '' for k, v in pairs({filter}:getStats()) do t = t .. k .. '=' .. v .. '\\n' "
                                     "end return t")
        return {k: int(v) for k, v in (line.rsplit("=", 1) for line in text.splitlines() if line)}


class Blocks(Network):
    """What pages on dynamic blocks share."""

    def setUp(self):
        self.run_line("clearDynBlocks() setDynBlocksAction(DNSAction.Drop)")

    def rows(self, d=None):
        """showDynBlocks as {what: (blocks, action, in the kernel)}."""
        found = {}
        for line in (d or self.d).console("showDynBlocks()").splitlines()[1:]:
            found[line[:24].strip().split("/")[0]] = (int(line[33:42]), line[53:74].strip(), line[74:84].strip() == "*")
        return found

    def block(self, source, more="", d=None):
        self.run_line(f'addDynamicBlock(newCA("{source}"), "test"{more})', d)

    def flood(self, seconds, source=MALLORY, d=None):
        """Sends as fast as it can, from some ports, so that all workers meet it; how many."""
        wire = clients.make("flood.example").to_wire()
        sockets = []
        with self.cable.inside_there():
            for _ in range(16):
                sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sockets[-1].bind((source, 0))
        n, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for s in sockets:
                s.sendto(wire, (Cable.HERE, (d or self.d).port))
            n += len(sockets)
            time.sleep(0.001)
        for s in sockets:
            s.close()
        return n

    def flood_in_kernel(self):
        """A second of it from who is blocked in the kernel: counted there, and never seen. How many were sent."""
        before, at = self.d.stats(), self.rows()[MALLORY][0]
        sent = self.flood(1)
        after, n = self.d.stats(), self.rows()[MALLORY][0] - at
        self.assertEqual(after["queries"], before["queries"])
        self.assertEqual(after["dyn-blocked"] - before["dyn-blocked"], n)
        self.assertTrue(0.9 * sent < n <= sent, (n, sent))  # a busy kernel may lose some before the socket
        self.assertTrue(self.rows()[MALLORY][2])
        return sent
