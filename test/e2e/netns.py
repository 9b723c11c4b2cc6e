"""Two network namespaces with a cable between them: ours on one side, clients on the other."""
import ctypes
import os
import random
import shutil
import subprocess
import threading

from harness import DNSDIST, Daemon

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


class Inside:
    """The calling thread is in a namespace for as long as the block lasts; sockets stay where they were made."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        self.enter(there)
        os.close(there)

    def __exit__(self, *_):
        self.enter(self.before)
        os.close(self.before)

    @staticmethod
    def enter(fd):
        if LIBC.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Cable:
    """The namespaces: here (address .1, ::1) and there (from .2 and ::2 on). close() removes both, and the cable."""

    HERE, THERE = "10.53.0.1", [f"10.53.0.{i}" for i in range(2, 10)]
    HERE6, THERE6 = "fd53::1", [f"fd53::{i}" for i in range(2, 10)]

    def __init__(self):
        tag = f"{os.getpid():x}{random.randrange(1 << 12):x}"
        self.here, self.there = f"e2e-h-{tag}", f"e2e-t-{tag}"
        self.made = []
        try:
            for name in (self.here, self.there):
                ip("netns", "add", name)
                self.made.append(name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("-n", self.here, "link", "add", "here0", "type", "veth", "peer", "name", "there0", "netns", self.there)
            self.addresses(self.here, "here0", [self.HERE], [self.HERE6])
            self.addresses(self.there, "there0", self.THERE, self.THERE6)
        except OSError:
            self.close()
            raise

    @staticmethod
    def addresses(name, link, v4, v6):
        for a in v4:
            ip("-n", name, "addr", "add", f"{a}/24", "dev", link)
        for a in v6:
            ip("-n", name, "addr", "add", f"{a}/64", "dev", link, "nodad")
        ip("-n", name, "link", "set", link, "up")

    def close(self):
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        self.made = []

    def inside_here(self):
        return Inside(self.here)

    def inside_there(self):
        return Inside(self.there)


def wrapper(folder, cable, before=""):
    """A daemon that runs in the namespace: what to give as binary. before: a command in front of it."""
    path = os.path.join(folder, "dnsdist-here")
    nsenter = shutil.which("nsenter")
    with open(path, "w") as f:
        f.write(f'#!/bin/sh\nexec {nsenter} --net=/run/netns/{cable.here} {before} {DNSDIST} "$@"\n')
    os.chmod(path, 0o755)
    return path


class NetDaemon(Daemon):
    """A daemon on the near side; listens on its addresses there and on 127.0.0.1, where its console is."""

    LISTEN = Daemon.LISTEN + f'addLocal("{Cable.HERE}:$PORT") addLocal("[{Cable.HERE6}]:$PORT")\n'

    def __init__(self, test, cable, config, before="", **kw):
        self.cable = cable
        super().__init__(test, config, binary=wrapper(test.folder(), cable, before), **kw)

    def wait_until_up(self, listen=True):
        with self.cable.inside_here():
            super().wait_until_up(listen)


class Pins:
    """A bpf file system of a test's own."""

    def __init__(self, folder):
        self.path = folder
        subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)

    def close(self):
        subprocess.run(["umount", self.path], check=False)
