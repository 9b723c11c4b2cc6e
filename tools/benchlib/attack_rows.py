"""
The rows of attacks: one configuration for all of them, what attacks, and what is to be reached.

Who is where: honest clients in 127.16.0.0 and on, each in a /24 of its own; attackers in 127.64.0.0 (floods),
127.80.0.1 (slow connections), 127.90.0.1 (low rate), 127.100.0.0 (noise, and subdomains from all over). Honest
clients ask names of one label below example, half of them cached.
"""
from dataclasses import dataclass, field

# What an operator would have: limits by client, by network, and a function for names.
RULES = """
local clients, networks = dynBlockRulesGroup(), dynBlockRulesGroup()
clients:setQueryRate(100, 10, "queries of a client", 60)
clients:setResponseByteRate(100000, 10, "octets to a client", 60)
clients:setSuffixMatchRule(10, "names that do not exist", 60, DNSAction.Drop, function(node, self, children)
  return node.labelsCount == 2 and children.nxdomains > 1000
end)
networks:setMasks(24, 48, 0)
networks:setQueryRate(250, 2, "queries of a network", 60)
clients:excludeRange("127.0.0.0/24")
networks:excludeRange("127.0.0.0/24")
function maintenance()
  clients:apply()
  networks:apply()
end
"""
# For what is counted after the block only.
BLOCK_NOW = """
addDynBlocks({ [newCA("127.64.0.1")] = 1 }, "at once", 3600)
addDynBlockSMT({ "victim.example." }, "at once", 3600)
"""
# Ours has the kernel drop what floods by itself, the peer where it is told to.
USER_SPACE = "setKernelFilter(false)\n"
PEER_KERNEL_FILTER = "setDefaultBPFFilter(newBPFFilter(1024, 1024, 1024))\n"  # as 1.7 takes it

ABSENT = "victim.example"  # nothing exists below it
LARGE, LARGE_OCTETS = "large.example", 1200

# A blocked packet may cost so many instructions where a receive-and-discard loop takes 2,100, kernel included. The
# same is asked of CPU time, for machines without counters.
BLOCKED, BLOCKED_NAME, DISCARD = 3_500, 5_000, 2_100


@dataclass
class Attack:
    """One process of tools/attack or tools/slow."""

    options: tuple
    tool: str = "attack"
    qps: int = None  # None: as fast as it can


@dataclass
class Targets:
    """At least: percent answered. At most: all others. None: none."""

    first: float = None  # in the first 5 seconds
    then: float = None
    p99_ms: float = None
    block_s: float = None
    not_before_s: float = 0  # a block any earlier would be one too early
    instructions: int = None  # of a packet after the block
    mb: float = None


@dataclass
class Shape:
    label: str
    attacks: list
    targets: Targets = field(default_factory=Targets)
    in_kernel: bool = False  # ours may have the kernel drop, as it does by itself; else user space is measured
    peer_lua: str = ""  # the peer's alone, before the rules
    tcp: bool = False  # honest clients over TCP are measured too, and nothing is to change for anyone
    counted: bool = False  # user-space instructions of a blocked packet, with --instructions

    def words(self, candidate):
        if candidate.ours:
            return "" if self.in_kernel else USER_SPACE
        return self.peer_lua

    def is_filtered(self, candidate):
        """Whether what is dropped need not come to the process."""
        return self.in_kernel if candidate.ours else self.peer_lua != ""

    @property
    def main(self):
        return self.attacks[0]


ONE = ("--from", "127.64.0.1", "--zone", "flood.example")
MANY = ("--from", "127.64.0.1", "--sources", 100_000, "--zone", "flood.example")
SUBDOMAINS = ("--from", "127.100.0.1", "--sources", 100_000, "--stride", 64, "--names", 10_000_000, "--zone", ABSENT)
TEXTS = ("--from", "127.64.0.1", "--zone", LARGE, "--type", 16, "--edns", 1232)
NOISE = ("--from", "127.100.0.1", "--sources", 9_900_000, "--names", 1000, "--zone", "noise.example")
TOGETHER = ("--together", 8)
FLAT_OUT = ("--together", 8)

SHAPES = [
    Shape("attack a: one source, 400 k/s", [Attack(ONE + TOGETHER, qps=400_000)],
          Targets(block_s=0.2, instructions=BLOCKED), counted=True),
    Shape("attack a: one source, flat out", [Attack(ONE + FLAT_OUT)], Targets(99, 99.9, p99_ms=1)),
    Shape("attack a: one source, flat out, kernel filter", [Attack(ONE + FLAT_OUT)],
          Targets(99, 99.9, p99_ms=1, block_s=0.2, instructions=DISCARD / 10), in_kernel=True,
          peer_lua=PEER_KERNEL_FILTER),
    Shape("attack b: 100,000 sources, 200 k/s", [Attack(MANY + TOGETHER, qps=200_000)],
          Targets(block_s=1.2, instructions=BLOCKED, mb=32)),
    Shape("attack b: 100,000 sources, flat out", [Attack(MANY + FLAT_OUT)], Targets(98, 99.9)),
    Shape("attack c: random subdomains, 60 k/s", [Attack(SUBDOMAINS + TOGETHER, qps=60_000)],
          Targets(block_s=0.3, instructions=BLOCKED_NAME, mb=32), counted=True),
    Shape("attack c: random subdomains, flat out", [Attack(SUBDOMAINS + FLAT_OUT)], Targets(95, 99.9)),
    Shape("attack d: large answers, 100 k/s", [Attack(TEXTS + TOGETHER, qps=100_000)],
          Targets(block_s=0.2, instructions=BLOCKED)),
    Shape("attack e: 5,000 slow connections, 2,500 new/s",
          [Attack(("--connections", 5000, "--life", 2), tool="slow")], tcp=True),
    Shape("attack f: 200 q/s amid 150 k/s of noise",
          [Attack(("--from", "127.90.0.1", "--zone", "abuse.example"), qps=200),
           Attack(NOISE + TOGETHER, qps=150_000)],
          Targets(99.9, 99.9, block_s=6, not_before_s=5)),
]
