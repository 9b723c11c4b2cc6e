"""Processes, the cores they are pinned to, and the load generator."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PROBE = bytes.fromhex("4242010000010000000000000770726f62652d30076578616d706c650000010001")


class Fail(Exception):
    pass


def free_port():
    """A port of 127.0.0.1 that is free for UDP and TCP at this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Process:
    """A program pinned to cores, its output in a file, and what the kernel knows about it."""

    def __init__(self, argv, cores, log, first=None):
        """first is called in the child before the program runs."""
        self.argv, self.log = argv, log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=lambda: (os.sched_setaffinity(0, cores), first and first()))

    def threads_cpu_ns(self):
        """Of each thread, by its id."""
        return {tid: cpu for tid, (cpu, _) in self.threads_schedstat().items()}

    def threads_schedstat(self):
        """Of each thread what it ran and what it waited for a core, in ns."""
        spent = {}
        task = f"/proc/{self.child.pid}/task"
        for tid in os.listdir(task):
            try:
                with open(f"{task}/{tid}/schedstat") as f:
                    ran, waited, _ = f.read().split()
                    spent[tid] = int(ran), int(waited)
            except FileNotFoundError:
                pass  # a thread that has just ended
        return spent

    def cpu_ns(self):
        return sum(self.threads_cpu_ns().values())

    def rss(self):
        with open(f"/proc/{self.child.pid}/smaps_rollup") as f:
            return int(re.search(r"^Rss:\s+(\d+)", f.read(), re.M).group(1)) * 1024

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def complain(self, what):
        with open(self.log, errors="replace") as f:
            return Fail(f"{' '.join(self.argv)}: {what}\n" + "".join(f.readlines()[-15:]))

    def wait_until_it_answers(self, port, timeout_s):
        """Asks over UDP until an answer comes; for the echo that is the query itself."""
        end = time.monotonic() + timeout_s
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", port))
            s.settimeout(0.002)
            while time.monotonic() < end:
                if self.child.poll() is not None:
                    raise self.complain(f"ended with status {self.child.returncode}")
                try:
                    s.send(PROBE)
                    s.recv(4096)
                    return
                except (ConnectionRefusedError, TimeoutError, socket.timeout):
                    time.sleep(0.0005)
        raise self.complain(f"no answer on port {port} within {timeout_s:.0f} s")


class House:
    """The cores, the folder for logs, and all that was started; stops everything at the end."""

    next_name = 0  # of those asked only once
    seed = 0

    def __init__(self, args):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise Fail("two cores are needed: one for the server, one for the load")
        self.args = args
        self.server_core = cores[-1]
        self.load_core = cores[0]
        self.backend_core = cores[1] if len(cores) > 2 else cores[0]
        self.dir = tempfile.mkdtemp(prefix="bench-")
        self.running = []

    def tool(self, name):
        return os.path.join(self.args.tools, name)

    def start(self, argv, core, name, port, patience_s=60, first=None):
        """Returns when it answers on the port."""
        p = Process(argv, {core}, f"{self.dir}/{name}.log", first)
        self.running.append(p)
        p.wait_until_it_answers(port, patience_s)
        return p

    def start_floor(self):
        """The echo, and the answerer behind the servers."""
        self.echo_port, self.backend_port = free_port(), free_port()
        self.echo = self.start([self.tool("echo"), "--listen", f"127.0.0.1:{self.echo_port}"],
                               self.server_core, "echo", self.echo_port)
        self.start([self.tool("answer"), "--listen", f"127.0.0.1:{self.backend_port}"],
                   self.backend_core, "answer", self.backend_port)

    def stop(self, p):
        p.stop()
        self.running.remove(p)

    def stop_all(self):
        for p in reversed(self.running):
            p.stop()
        shutil.rmtree(self.dir)

    def load(self, port, *options):
        """What the load generator saw; what it draws at random differs from call to call."""
        self.seed += 1
        argv = [self.tool("load"), "--to", f"127.0.0.1:{port}", "--core", str(self.load_core),
                "--seed", str(self.seed * 2654435761 % 2**32), *map(str, options)]
        out = subprocess.run(argv, capture_output=True, text=True)
        if out.returncode != 0:
            raise Fail(f"{' '.join(argv)}: {out.stderr}")
        return json.loads(out.stdout)
