"""The servers that are compared, and how each is told the same."""
import os
from dataclasses import dataclass

from benchlib.house import Fail, free_port

# The language of rules has changed since 1.7; what the peer may lack is put in its own words.
PEER_WORDS = """
if not QNameSuffixRule then
  function QNameSuffixRule(names)
    if type(names) == "string" then
      local set = newSuffixMatchNode()
      set:add(newDNSName(names))
      names = set
    end
    return SuffixMatchNodeRule(names)
  end
  local NetmaskGroupRuleOfGroup = NetmaskGroupRule
  function NetmaskGroupRule(masks)
    if type(masks) == "string" then
      local group = newNMG()
      group:addMask(masks)
      masks = group
    end
    return NetmaskGroupRuleOfGroup(masks)
  end
end
"""


@dataclass
class Candidate:
    """A dnsdist: ours, or a peer that is told the same in its own words."""

    name: str
    path: str
    ours: bool

    def configuration(self, port, backend_port, cache_entries, lua):
        lines = [
            f'setLocal("127.0.0.1:{port}")',
            'setACL("127.0.0.0/8")',
            f'newServer({{address="127.0.0.1:{backend_port}"}})',
        ]
        if cache_entries:
            lines.append(f'getPool(""):setCache(newPacketCache({cache_entries}))')
        if self.ours:
            lines.append("setWorkers(1)")
        else:
            lines += [
                'setSecurityPollSuffix("")',  # no packet to the world during a measurement
                "setUDPMultipleMessagesVectorSize(64)",
                "setMaxTCPClientThreads(1)",
                PEER_WORDS,
            ]
        return "\n".join(lines) + "\n" + lua

    def argv(self, conf):
        return [self.path, "--supervised", "--disable-syslog", "-C", conf]


class Running:
    """One candidate started on a configuration, of which lua is the last part; it answers."""

    def __init__(self, house, candidate, cache_entries, lua="", wrapper=(), backend_port=None,
                 first=None):
        self.house, self.port = house, free_port()
        name = f"{candidate.name}-{self.port}"
        self.conf = f"{house.dir}/{name}.conf"
        with open(self.conf, "w") as f:
            f.write(candidate.configuration(self.port, backend_port or house.backend_port,
                                            cache_entries, lua))
        self.process = house.start([*wrapper, *candidate.argv(self.conf)], house.server_core, name,
                                   self.port, 900 if wrapper else 60, first)

    def warm(self, names, *options):
        """Every name once, and once more for those whose answer was lost."""
        for _ in range(2):
            self.house.load(self.port, "--unique", 1, "--count", names, "--duration", 120,
                            "--window", 256, *options)

    def stop(self):
        self.house.stop(self.process)


def callgrind_build(candidate):
    """Ours must be a build without jemalloc, which valgrind can't follow."""
    path = "build/callgrind/dnsdist"
    if not candidate.ours:
        return candidate
    if not os.path.exists(path):
        raise Fail(f"{path} is missing: make B=build/callgrind MALLOC= all")
    return Candidate(candidate.name, path, True)
