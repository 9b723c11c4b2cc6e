"""User-space instructions of a blocked packet, under callgrind."""
import glob
import json
import os
import re
import time

from benchlib.attack_processes import apart_from_others, finish, spawn
from benchlib.attack_rows import BLOCK_NOW
from benchlib.attacks import CACHE, configuration, drops, start_backend
from benchlib.house import free_port
from benchlib.servers import Running


def worker_total(out):
    """Instructions of all threads but the first, of callgrind's files of one run."""
    total = 0
    for path in glob.glob(f"{out}*"):
        with open(path) as f:
            text = f.read()
        thread = re.search(r"^thread: (\d+)", text, re.M)
        if thread and int(thread.group(1)) > 1:
            total += int(re.search(r"^(?:summary|totals): (\d+)", text, re.M).group(1))
        os.unlink(path)
    return total


def callgrind_blocked(house, candidate, shape, seconds, qps=2000):
    """User-space instructions of the workers from start to end, and blocked packets."""
    out = f"{house.dir}/callgrind.out"
    lua = configuration(candidate, shape, free_port()) + BLOCK_NOW
    server = Running(house, candidate, CACHE, lua,
                     ("valgrind", "--tool=callgrind", "--separate-threads=yes",
                      f"--callgrind-out-file={out}"), backend_port=start_backend(house))
    begin = drops(server.port)
    child = spawn(house, "attack", apart_from_others, "--to", f"127.0.0.1:{server.port}", "--duration",
                  seconds, "--qps", qps, *shape.main.options)
    sent = json.loads(finish(child))["sent"]
    time.sleep(1)
    taken = sent - (drops(server.port) - begin)
    server.stop()
    return worker_total(out), taken


def blocked_instructions(house, candidate, shape):
    """Of a packet: two runs that differ in the number of packets only."""
    few, n_few = callgrind_blocked(house, candidate, shape, 5)
    many, n_many = callgrind_blocked(house, candidate, shape, 20)
    return (many - few) / (n_many - n_few)
