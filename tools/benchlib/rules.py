"""
The rows of rules: what rules that do not match add to a hit. The names asked are n0000000.example and on,
type A, from 127.0.0.1 or from 127.16.0.0 and on.

What a rule asks for is near what is asked: names beside them and below them, netmasks that share bits with
the clients', expressions that share letters and digits. A row whose rule did match would lose its queries.
"""
from benchlib.rows import MILLION, Row

# One for each i: a name beside those asked, one below them, one elsewhere; as a suffix and exactly.
NAME_RULE = """
local function name_rule(i)
  local kind = i % 4
  if i == 1 then return QNameRule("example.") end
  if kind == 0 then return QNameSuffixRule(string.format("b%07d.example.", i)) end
  if kind == 1 then return QNameRule(string.format("www.n%07d.example.", i)) end
  if kind == 2 then return QNameSuffixRule(string.format("cdn.n%07d.example.", i)) end
  return QNameRule(string.format("www.site%d.test.", i))
end
"""

# One of each kind that an index can hold, in turn; the last two combine them, as And also with what matches.
MIXED_RULE = NAME_RULE + """
local function netmask_rule(i)
  return NetmaskGroupRule(string.format("127.%d.%d.0/24", 128 + i % 100, math.floor(i / 100)))
end
local function and_rule(i)
  if i % 3 == 0 then return AndRule({ QTypeRule(1), name_rule(i) }) end
  if i % 3 == 1 then return AndRule({ NetmaskGroupRule("127.0.0.0/9"), name_rule(i) }) end
  return AndRule({ netmask_rule(i), QTypeRule(28) })
end
local function or_rule(i)
  if i % 2 == 0 then return OrRule({ name_rule(i), netmask_rule(i) }) end
  return OrRule({ QTypeRule(256 + i), QClassRule(3), name_rule(i) })
end
local kinds = {
  function(i) return QNameSuffixRule(string.format("b%07d.example.", i)) end,
  function(i) return QNameRule(string.format("www.n%07d.example.", i)) end,
  netmask_rule,
  function(i) return QTypeRule(256 + i) end,
  function(i) return OpcodeRule(1 + i % 15) end,
  function(i) return RCodeRule(1 + i % 15) end,
  function(i) return QClassRule(3 + i % 200) end,
  function(i) return DSTPortRule(1 + i) end,
  and_rule,
  or_rule,
}
local function mixed_rule(i)
  return kinds[i % 10 + 1](i)
end
"""

# A million names, and a million prefixes: 70 % addresses, 20 % /24, 10 % IPv6 /48, spread over all but the clients'.
NAME_ELEMENT = """
local set = newSuffixMatchNode()
local function element(i) return string.format("b%07d.example.", i) end
local function add(e) set:add(e) end
"""
PREFIX_ELEMENT = """
local set = newNMG()
local function element(i)
  local spread = i * 2654435761 % 4294967296
  local a, b = math.floor(spread / 16777216), math.floor(spread / 65536) % 256
  local c, d = math.floor(spread / 256) % 256, spread % 256
  if a == 127 and b < 128 then b = b + 128 end
  if i % 10 == 9 then return string.format("2001:%x:%x::/48", math.floor(spread / 65536), spread % 65536) end
  if i % 10 > 6 then return string.format("%d.%d.%d.0/24", a, b, c) end
  return string.format("%d.%d.%d.%d/32", a, b, c, d)
end
local function add(e) set:addMask(e) end
"""

TRACKERS = ("ads", "adserv", "analytics", "banner", "beacon", "click", "count", "event", "log", "metric",
            "pixel", "popup", "promo", "score", "sponsor", "stat", "tag", "telemetry", "track", "user")
TRACKER_SHAPES = (
    r"^%s(s|er|ing)?[0-9]*[._-]",
    r"^(.+[._-])?%ss?[0-9]*\.",
    r"[0-9]{3,}[._-]%s",
    r"^[a-z][0-9]{7}\.%ss?\.example$",
    r"%s[0-9]*\.(com|net|org|example)$",
)


def each(rule, count):
    return f"for i = 1, {count} do addAction({rule}(i), DropAction()) end\n"


def name_rules(count):
    return lambda: NAME_RULE + each("name_rule", count)


def mixed_rules(count):
    return lambda: MIXED_RULE + each("mixed_rule", count)


def set_of(elements, rule, added=MILLION):
    """One rule with a set, for which a million elements are made and so many added, one at least."""
    return (elements + f"for i = 1, {MILLION} do local e = element(i) if i <= {added} then add(e) end end\n"
            + f"addAction({rule}(set), DropAction())\nset = nil\ncollectgarbage()\n")


def expressions():
    return [shape % word for word in TRACKERS for shape in TRACKER_SHAPES]


def regex_rules():
    return "".join(f"addAction(RegexRule([=[{e}]=]), DropAction())\n" for e in expressions())


def limit_rule():
    """One query a second and client, ten at once: more than what each of a million asks, and not much more."""
    return "addAction(MaxQPSIPRule(1, 32, 64, 10), DropAction())\n"


# A million blocks, of which no client is one and no name is asked.
ADDRESS_BLOCKS = f"""
local blocked = {{}}
for i = 1, {MILLION} do
  local spread = i * 2654435761 % 4294967296
  local a = math.floor(spread / 16777216)
  if a == 127 then a = 128 end
  local b, c, d = math.floor(spread / 65536) % 256, math.floor(spread / 256) % 256, spread % 256
  blocked[newCA(string.format("%d.%d.%d.%d", a, b, c, d))] = 1
end
addDynBlocks(blocked, "Exceeded query rate", 86400)
blocked = nil
collectgarbage()
"""
NAME_BLOCKS = f"""
local blocked = {{}}
for i = 1, {MILLION} do blocked[i] = string.format("b%07d.example.", i) end
addDynBlockSMT(blocked, "Random names", 86400)
blocked = nil
collectgarbage()
"""


# What most operators limit, at rates that no client of the load comes near.
BLOCK_GROUP = """
local group = dynBlockRulesGroup()
group:setQueryRate(1000000, 10, "Exceeded query rate", 60)
group:setRCodeRate(DNSRCode.NXDOMAIN, 1000000, 10, "Exceeded NXD rate", 60)
group:setRCodeRate(DNSRCode.SERVFAIL, 1000000, 10, "Exceeded ServFail rate", 60)
group:setQTypeRate(DNSQType.ANY, 1000000, 10, "Exceeded ANY rate", 60)
group:setResponseByteRate(1000000000, 10, "Exceeded resp BW rate", 60)
function maintenance() group:apply() end
"""


def no_rings():
    return "setRingBuffersOptions({recordQueries=false, recordResponses=false})\n"


MILLION_CLIENTS = ("--clients", MILLION)
ALL_CLIENTS_ONCE = (*MILLION_CLIENTS, "--in-turn", 1, "--count", MILLION, "--duration", 120)
SIX_LABELS = ("--zone", "a.host.of.the.example")

RULES = [
    Row("rules: 1,000 suffixes and names", 0.15, cache=MILLION, rules=name_rules(1_000)),
    Row("rules: 1,000 suffixes and names, 6 labels asked", 0.15, cache=MILLION,
        rules=name_rules(1_000), load=SIX_LABELS),
    Row("rules: 1,000 of all indexable kinds", 0.15, cache=MILLION, rules=mixed_rules(1_000)),
    Row("rules: 10,000 of all indexable kinds", 0.15, cache=MILLION, rules=mixed_rules(10_000),
        for_peer=False),
    Row("rules: a set of 1,000,000 names", 0.15, cache=MILLION,
        rules=lambda: set_of(NAME_ELEMENT, "QNameSuffixRule")),
    Row("rules: a group of 1,000,000 prefixes", 0.15, cache=MILLION,
        rules=lambda: set_of(PREFIX_ELEMENT, "NetmaskGroupRule"), load=MILLION_CLIENTS),
    Row("rules: MaxQPSIPRule, 1,000,000 clients", 0.25, cache=MILLION, rules=limit_rule,
        load=MILLION_CLIENTS, before=ALL_CLIENTS_ONCE),
    Row("rules: 100 regular expressions", 0.6, cache=MILLION, rules=regex_rules),
    Row("blocks: 1,000,000 of addresses, 1,000,000 clients", 0.1, cache=MILLION,
        rules=lambda: ADDRESS_BLOCKS, load=MILLION_CLIENTS),
    Row("blocks: 1,000,000 of names", 0.1, cache=MILLION, rules=lambda: NAME_BLOCKS),
    Row("counting: five rates of 200 clients", 0.08, cache=MILLION, rules=lambda: BLOCK_GROUP,
        load=("--clients", 200)),
    Row("counting: five rates of 1,000,000 clients", cache=MILLION, rules=lambda: BLOCK_GROUP,
        load=MILLION_CLIENTS, before=ALL_CLIENTS_ONCE),
    Row("recording: the rings of queries and answers", 0.08, cache=MILLION, without=no_rings,
        for_peer=False),
]
