#!/usr/bin/python3
"""Configurations: errors that say what to do, dialects of Lua, libraries, callbacks, metrics, former forms."""
import os
import re
import signal
import time

import clients
from fakeserver import FakeServer
from harness import TestCase, main, run_dnsdist, wait_for


class Files(TestCase):
    """A configuration beside other files."""

    def write(self, **texts):
        """Files of a folder; the one named main is to be checked. Dots in names are written __."""
        folder = self.folder()
        for name, text in texts.items():
            path = os.path.join(folder, name.replace("__", "."))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(text.replace("$DIR", folder).encode() if isinstance(text, str) else text)
        return folder

    def run_main(self, *args, **texts):
        folder = self.write(**texts)
        done = run_dnsdist("--check-config", "--structured-logging=false", "-C", os.path.join(folder, "main"), *args)
        return done.returncode, (done.stdout + done.stderr).replace(folder + "/", "")

    def good(self, text, **more):
        status, out = self.run_main(main=text, **more)
        self.assertEqual(status, 0, out)
        return out

    def bad(self, text, *words, **more):
        status, out = self.run_main(main=text, **more)
        self.assertEqual(status, 1, out)
        self.assertNotIn("Configuration OK", out)
        for word in words:
            self.assertIn(word, out)
        return out


class Errors(Files):
    CASES = (
        ("syntax", "x = 1\ny = = 2", "main:2: unexpected symbol near '='"),
        ("open at the end", "newServer({address='127.0.0.1:9'\n\n", "main:"),
        ("unknown function", "\n\n  newServr('127.0.0.1')", "main:3: unknown function 'newServr'", "'newServer'"),
        ("another case", "setacl('127.0.0.1')", "main:1: ", "'setACL'"),
        ("unknown method", "s = newServer('127.0.0.1:9')\ns:setUpp()", "main:2: ", "'setUpp'", "'setUp'"),
        ("unknown type", "x = DNSQTipe.A", "main:1: ", "'DNSQType'"),
        ("in a function", "function f()\n  g()\nend\n\nf()", "main:2: unknown function 'g'"),
        ("wrong type", "setMaxTCPConnectionDuration({})", "main:1: setMaxTCPConnectionDuration: ", "table"),
        ("too large", "setECSSourcePrefixV4(33)", "main:1: setECSSourcePrefixV4(33)", "between 0 and 32"),
        ("not an address", "addLocal('no-address:x:y')", "main:1: addLocal: ", "'no-address:x:y'"),
        ("not a netmask", "addACL('10.0.0.0/33')", "main:1: addACL: ", "'10.0.0.0/33'"),
        ("one bad of many", "setACL({'10.0.0.0/8',\n'1.2.3'})", "main:", "setACL: ", "'1.2.3'"),
        ("option of a wrong type", "newServer({address='127.0.0.1:9', weight='heavy'})", "main:1: newServer: ",
         "'weight'", "'heavy'"),
        ("option out of range", "newServer({address='127.0.0.1:9', weight=0})", "main:1: newServer: ", "'weight'"),
        ("policy that is none", "setServerPolicy('wrandom')", "main:1: setServerPolicy: "),
        ("unknown policy", "setServerPolicy(leastOutstandng)", "main:1: setServerPolicy: "),
        ("error of its own", "error('stop here')", "main:1: stop here"),
        ("error that is a table", "error({code=2})", "an error that is a table"),
        ("error in a file that it runs", "dofile('$DIR/other')", "other:2: unknown function 'nothing'"),
        ("module that is missing", "require('not-there')", "main:1: ", "'not-there'"),
        ("runtime method before its time", "getServer(0):setUp()", "main:1: "),
    )

    def test_cases(self):
        for label, text, *words in self.CASES:
            with self.subTest(label):
                self.bad(text, *words, other="\nnothing()")

    def test_only_the_first_is_printed(self):
        self.assertEqual(self.bad("one()\ntwo()").count("\n"), 1)

    def test_nothing_is_half_applied(self):
        """Listeners before the error never open, servers before it are never asked."""
        server = self.use(FakeServer())
        d = self.daemon(f'newServer("{server.address}")\nnothing()\n', start=False)
        d.stopped = True
        self.assertEqual(d.wait(), 1)
        self.assertEqual((server.probes, d.output().count("\n")), ([], 1))

    def test_server_that_cannot_be_is_said_and_left_out(self):
        for address in ("no-address:x:y", "0.0.0.0:53", "dns.example"):
            out = self.good(f"assert(newServer('{address}') == nil)\nassert(#getServers() == 0)")
            self.assertIn("main:1: newServer: ", out)
            self.assertIn(f"'{address}'", out)

    def test_octets_that_are_no_text(self):
        self.bad(b"x = \xff\n", "main:1: ", "0xFF")
        self.bad(b"x = 1\0\n", "main:1: ")
        self.good(b"\xef\xbb\xbfx = 1\n")  # a byte order mark
        self.good(b"#!/usr/bin/lua\nx = 1\r\ny = 2\r\n")

    def test_directory_as_a_file(self):
        done = run_dnsdist("--check-config", "-C", self.folder())
        self.assertEqual(done.returncode, 1)

    def test_unknown_option_is_a_warning_with_the_nearest_name(self):
        text = "newServer({address='127.0.0.1:9', nme='a'})\nnewPacketCache(10, {maxTTLL=3})\n"
        out = self.good(text)
        for line, option, near in (("main:1:", "'nme'", "'name'"), ("main:2:", "'maxTTLL'", "'maxTTL'")):
            self.assertRegex(out, rf"{line} .*{option}.*{near}")

    def test_unknown_option_in_strict_mode(self):
        text = "newServer({address='127.0.0.1:9', nme='a'})"
        self.bad("setStrictOptions(true) " + text, "main:1: newServer: unknown option 'nme' (did you mean 'name'?)")
        status, out = self.run_main("--strict", main=text)
        self.assertEqual(status, 1)
        self.assertIn("'name'", out)

    def test_errors_can_be_caught(self):
        self.good("""
            for _, bad in ipairs({{newDNSName, 'a..b'}, {newCA, 'x'}, {newServer, {}}, {setACL, true},
                                  {addLocal, '127.0.0.1:99999'}, {setKey}, {getPool}}) do
                local ok, why = pcall(bad[1], bad[2])
                assert(not ok and type(why) == 'string', tostring(why))
            end
            assert(not pcall(function() none() end))
            assert(#getServers() == 0)""")


class Dialects(Files):
    """What configurations written for LuaJIT and Lua 5.1 to 5.3 say."""

    def test_old_functions(self):
        self.good("""
            assert(unpack({1, 2}) == 1 and select('#', unpack({1, 2, 3})) == 3)
            assert(table.getn({1, 2, 3}) == 3 and table.maxn({[7]=1}) == 7)
            assert(loadstring('return 4')() == 4)
            assert(math.pow(2, 10) == 1024 and math.mod == nil or math.mod(7, 4) == 3)
            local t = {} for w in string.gfind('a b', '%a') do t[#t+1] = w end assert(#t == 2)
            local env = {x = 5} assert(setfenv(loadstring('return x'), env)() == 5)
            assert(getfenv ~= nil and bit.band(12, 10) == 8 and bit.bor(1, 2) == 3 and bit.lshift(1, 4) == 16)
            table.foreachi({1}, function(i, v) assert(i == 1 and v == 1) end)
            assert(math.log10(1000) > 2.99 and math.ldexp(1, 3) == 8)""")

    def test_undefined_words_are_nil(self):
        self.good("newServer({address='127.0.0.1:9', useClientSubnet=True, name=nothing})")

    def test_escapes_that_lua_5_1_took(self):
        self.bad(r"x = '^www\.example\.com$'", r"main:1: invalid escape sequence \.", r"\\.")

    def test_typographic_quotes(self):
        self.bad("x = 1\nsetACL(“127.0.0.1”)", "main:2: the character “ (U+201C)", 'write "')

    def test_numbers(self):
        self.good("""
            local port = 53
            assert('127.0.0.1:' .. port == '127.0.0.1:53')
            assert('127.0.0.1:' .. port * 100 == '127.0.0.1:5300')
            assert('127.0.0.1:' .. 10600 / 2 == '127.0.0.1:5300', 'a division printed ' .. 10600 / 2)
            assert('' .. 2^12 == '4096' and tostring(10 / 2) == '5' and 'x' .. math.floor(3.7) == 'x3')
            assert('' .. math.pow(2, 3) == '8' and '' .. 0.5 == '0.5' and '' .. tonumber('5300') == '5300')
            assert(string.format('%d', 3.0) == '3' and string.format('%s', 3.0) == '3')
            assert(string.format('%d', '17') == '17' and ('%x'):format(2^8) == '100')
            assert(table.concat({1.0, 2}, ',') == '1,2')
            newServer('127.0.0.1:' .. 10600 / 2)""")

    def test_numbers_as_strings_and_strings_as_numbers(self):
        self.good("""
            s = newServer({address='127.0.0.1:9', weight='5', order='2', checkTimeout='1500', name=42, qps='10'})
            assert(s.weight == 5 and s.order == 2 and s.name == '42')
            setMaxUDPOutstanding('100')
            c = newPacketCache('1000', {maxTTL='60'})
            newServer('127.0.0.1:10'):setUp()
            setECSSourcePrefixV4('24')""")

    def test_calls(self):
        self.good("""
            a = newServer{address='127.0.0.1:9', pool={'x', 'y'}}
            newServer({address='127.0.0.1:10', pool='z'}):setUp()
            newServer "127.0.0.1:11"
            assert(#getPoolNames() >= 3 and #getServers() == 3)
            local servers = {{'127.0.0.1', 12}, {'127.0.0.1', 13}}
            for i, s in ipairs(servers) do newServer({address=s[1] .. ':' .. s[2], name='s' .. i}) end
            for i = 1, 3 do addLocal('127.0.0.1:14', {reusePort=true}) end
            getPool('x'):setCache(newPacketCache(100))""")

    def test_functions_added_to_libraries(self):
        self.good("""
            function string.starts(s, with) return s:sub(1, #with) == with end
            assert(('www.example'):starts('www'))
            local meta = {__index = function(_, k) return k .. '!' end}
            assert(setmetatable({}, meta).hello == 'hello!')""")


class Libraries(Files):
    """Files, programs and modules that a configuration reaches for."""

    def test_files(self):
        self.good("""
            local f = assert(io.open('$DIR/list.csv'))
            local first = f:read('*l')
            assert(first == '127.0.0.1:9,a', first)
            assert(f:read('*a') == '127.0.0.1:10,b\\n')
            f:close()
            assert(io.open('$DIR/list.csv'):read('*all') == io.open('$DIR/list.csv'):read('a'))
            for line in io.lines('$DIR/list.csv') do
                local address, name = line:match('([^,]+),(.*)')
                newServer({address=address, name=name})
            end
            assert(getServer(1).name == 'b')
            assert(not pcall(io.lines, '$DIR/missing'))
            assert(io.open('$DIR/missing') == nil)
            io.open('$DIR/out', 'w'):write('x'):close()
            assert(os.remove('$DIR/out'))""", list__csv="127.0.0.1:9,a\n127.0.0.1:10,b\n")

    def test_programs_and_environment(self):
        self.good("""
            assert(io.popen('echo 127.0.0.1:9'):read('*l') == '127.0.0.1:9')
            assert(os.execute('true') == 0 or os.execute('true') == true)
            assert(os.getenv('PATH') and os.getenv('NOT_THERE_AT_ALL') == nil)
            assert(os.date('%Y') + 0 > 2000 and os.time() > 0 and os.clock() >= 0)""")

    def test_other_files(self):
        out = self.good("""
            local t = dofile('$DIR/table.lua')
            assert(t.address == '127.0.0.1:9')
            newServer(t)
            local m = require('helpers')
            assert(m == require('helpers') and m.double(4) == 8)
            package.path = '$DIR/lib/?.lua;' .. package.path
            assert(require('deep').name == 'deep')
            assert(loadfile('$DIR/missing') == nil)
            print('done')""", table__lua="return {address='127.0.0.1:9'}",
                        helpers__lua="local M = {} function M.double(n) return n * 2 end return M",
                        **{"lib/deep__lua": "return {name='deep'}"})
        self.assertTrue(out.startswith("done\n"))

    def test_include_directory(self):
        out = self.good("order = '' includeDirectory('$DIR/conf.d') print(order)",
                        **{"conf.d/20-b__conf": "order = order .. 'b'", "conf.d/10-a__conf": "order = order .. 'a'",
                           "conf.d/__hidden__conf": "error('hidden')", "conf.d/x__lua": "error('not .conf')",
                           "conf.d/y__conf__bak": "error('not .conf')", "conf.d/30-dir__conf/z__conf": "error('deep')",
                           "conf.d/a__conf": "order = order .. 'c'"})
        self.assertTrue(out.startswith("abc\n"), out)

    def test_include_directory_with_an_error(self):
        self.bad("includeDirectory('$DIR/conf.d')", "conf.d/a.conf:2: unknown function 'nothing'",
                 **{"conf.d/a__conf": "\nnothing()"})

    def test_include_directory_inside_another(self):
        out = self.good("includeDirectory('$DIR/a') print(reached)",
                        **{"a/1__conf": "includeDirectory('$DIR/b')", "b/1__conf": "reached = 'too deep'"})
        self.assertIn("nil\n", out)
        self.assertIn("includeDirectory", out)

    def test_include_directory_that_is_missing_or_empty(self):
        out = self.good("includeDirectory('$DIR/none') includeDirectory('$DIR/empty') print('went on')",
                        **{"empty/__keep": ""})
        self.assertIn("went on\n", out)
        self.assertRegex(out, r"main:1: .*none")

    def test_priority_of_errors_and_warnings(self):
        for text, prio in (("none()", "Error"), ("x = dnsdist.ANY", "Warning"),
                           ("newPacketCache(10, {maxTTLL=3})", "Warning"), ("errlog('x')", "Error")):
            self.assertIn(f'prio="{prio}"', self.check(text).stdout.splitlines()[0])


class Former(Files):
    """Each former form works, with one warning that names the new one and the line."""

    CASES = (
        ("newServer('127.0.0.1:9', 5)", "newServer({address=", "assert(getServer(0))"),
        ("newPacketCache(100, 600, 0, 30, 30, true)", "newPacketCache(", ""),
        ("addLocal('127.0.0.1:8', true, true, 5)", "addLocal(", ""),
        ("setLocal('127.0.0.1:8', true)", "addLocal(", ""),
        ("addLocal('127.0.0.1:8', {doTCP=true})", "TCP is always on", ""),
        ("addLocal('127.0.0.1:8', {tcpFastOpenSize=5})", "tcpFastOpenQueueSize", ""),
        ("setTCPUseSinglePipe(true)", "nothing", ""),
        ("setUDPSocketBufferSize(100000, 100000)", "setUDPSocketBufferSizes", ""),
        ("x = dnsdist.ANY", "DNSQType.ANY", "assert(x == DNSQType.ANY)"),
        ("x = dnsdist.NXDOMAIN", "DNSRCode.NXDOMAIN", "assert(x == DNSRCode.NXDOMAIN)"),
        ("x = QClass.CHAOS", "DNSClass.", "assert(x == DNSClass.CHAOS)"),
        ("n = newDNSName('a.b') n:chopoff()", "chopOff()", "assert(n:toString() == 'b.')"),
    )

    def test_cases(self):
        for former, now, after in self.CASES:
            with self.subTest(former):
                out = self.good(f"\nfor i = 1, 3 do\n  if i > 1 then break end\n  {former}\nend\n{after}")
                warnings = [line for line in out.splitlines() if "former form" in line]
                self.assertEqual(len(warnings), 1, out)
                self.assertIn("main:4:", warnings[0])
                self.assertIn(now, warnings[0])

    def test_one_warning_for_each_place(self):
        out = self.good("for i = 1, 5 do x = dnsdist.ANY end\ny = dnsdist.ANY\n")
        self.assertEqual([re.search(r"main:(\d)", w).group(1) for w in out.splitlines() if "former" in w], ["1", "2"])


class Callbacks(TestCase):
    """Functions of the configuration that run later."""

    def test_maintenance(self):
        d = self.daemon("""
            function maintenance() count = (count or 0) + 1 end
            addMaintenanceCallback(function() after = count end, 'mine')""")
        self.assertTrue(wait_for(lambda: int(d.console("after or 0")) >= 2))

    def test_maintenance_assigned_from_a_module_and_closures(self):
        d = self.daemon("""
            local seen = 0
            local m = {maintenance = function() seen = seen + 1 end, seen = function() return seen end}
            maintenance = m.maintenance
            howMany = m.seen""")
        self.assertTrue(wait_for(lambda: int(d.console("howMany()")) >= 1))

    def test_maintenance_runs_once_a_second(self):
        d = self.daemon("times = {} function maintenance() times[#times+1] = getCurrentTime() end")
        self.assertTrue(wait_for(lambda: int(d.console("#times")) >= 3))
        between = d.console("(times[3].tv_sec - times[1].tv_sec) + (times[3].tv_nsec - times[1].tv_nsec) / 1e9")
        self.assertGreater(float(between), 1.9)
        self.assertLess(float(between), 5)

    def test_error_of_maintenance_is_logged_once_and_stops_nothing(self):
        d = self.daemon("""
            function maintenance() count = (count or 0) + 1 error('upset') end
            addMaintenanceCallback(function() other = (other or 0) + 1 end)""")
        self.assertTrue(wait_for(lambda: int(d.console("math.min(count or 0, other or 0)")) >= 2))
        self.assertEqual(d.output().count("upset"), 1)  # the next one after 61 s

    def test_maintenance_changes_the_tables(self):
        server = self.use(FakeServer())
        d = self.daemon(f"""
            function maintenance()
                if #getServers() == 0 then newServer({{address='{server.address}', name='late'}}) end
            end""")
        self.assertTrue(wait_for(lambda: re.search(r"(?m)^0 +late .* up ", d.console("showServers()"))))
        clients.udp(d.port, "www.example.")
        self.assertEqual(server.names(), ["www.example."])

    def test_slow_lua_delays_no_packet(self):
        server = self.use(FakeServer())
        d = self.daemon(f"""newServer('{server.address}')
            slow = 0
            function maintenance()
                slow = slow + 1
                if slow == 1 then os.execute('sleep 2') print('slept') end
            end""")
        slowest = 0
        while "slept" not in d.output():
            begin = time.monotonic()
            clients.udp(d.port, "www.example.")
            slowest = max(slowest, time.monotonic() - begin)
        self.assertLess(slowest, 1)

    def test_server_state_changes(self):
        server = self.use(FakeServer())
        d = self.daemon(f"""
            changes = ''
            addServerStateChangeCallback(function(name, up) changes = changes .. name .. '=' .. tostring(up) .. ' ' end)
            newServer({{address='{server.address}', name='one', checkTimeout=200}})""")
        name = f"one ({server.address})"
        self.assertTrue(wait_for(lambda: d.console("changes") == f"{name}=true "))
        server.answers_probes = False
        self.assertTrue(wait_for(lambda: d.console("changes") == f"{name}=true {name}=false "))
        server.answers_probes = True
        self.assertTrue(wait_for(lambda: d.console("changes") == f"{name}=true {name}=false {name}=true "))
        self.assertEqual(d.output().count("is down"), 1)

    def test_check_function(self):
        """It chooses name, type, class and flags of each probe, and a validator judges the answers."""
        server = self.use(FakeServer())
        server.answers_probes = None
        d = self.daemon(f"""
            newServer({{address='{server.address}', checkFunction=function(qname, qtype, qclass, dh)
                assert(qname:toString() == 'a.root-servers.net.' and qtype == DNSQType.A and qclass == DNSClass.IN)
                dh:setCD(true)
                return newDNSName('mine.example.'), DNSQType.AAAA, DNSClass.CHAOS
            end}})""")
        self.assertTrue(wait_for(lambda: server.queries))
        m = server.queries[0].message
        q = m.question[0]
        self.assertEqual((q.name.to_text(), q.rdtype, q.rdclass), ("mine.example.", 28, 3))
        self.assertTrue(m.flags & 0x0010 and m.flags & 0x0100)
        self.assertTrue(wait_for(lambda: " up " in d.console("showServers()")))

    def test_check_function_that_fails(self):
        server = self.use(FakeServer())
        d = self.daemon(f"newServer({{address='{server.address}', checkFunction=function() error('no idea') end}})")
        self.assertTrue(wait_for(lambda: "no idea" in d.output()))
        self.assertIn(" down ", d.console("showServers()"))
        self.assertEqual(server.probes, [])

    def test_exit_callbacks(self):
        d = self.daemon("""
            addExitCallback(function() print('first') error('whatever') end)
            addExitCallback(function() print('second') end)""")
        self.assertEqual(d.stop(signal.SIGTERM), 0)
        self.assertRegex(d.output(), r"(?s)first\n.*second\n")

    def test_functions_that_ask_the_resolver(self):
        d = self.daemon("""
            getAddressInfo('localhost', function(name, ips)
                found = name .. ' ' .. #ips
                for _, ip in ipairs(ips) do if ip:toString() == '127.0.0.1' then found = found .. ' yes' end end
            end)""")
        self.assertTrue(wait_for(lambda: re.match(r"localhost \d+ yes", d.console("found or ''"))))


class Metrics(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d = cls.class_daemon("""
            assert(declareMetric('my-counter', 'counter', 'counts'))
            assert(declareMetric('my-gauge', 'gauge', 'shows', 'prom_name'))
            assert(declareMetric('my-labels', 'counter', 'counts', {withLabels=true, customName='prom_labels'}))
            assert(not declareMetric('Not A Name', 'counter', ''))
            assert(not declareMetric('my-kind', 'histogram', ''))""")

    def test_counter(self):
        d = self.d
        self.assertEqual(d.console("incMetric('my-counter')"), "1")
        self.assertEqual(d.console("incMetric('my-counter', 10)"), "11")
        self.assertEqual(d.console("incMetric('my-counter', {step=4})"), "15")
        self.assertEqual(d.console("decMetric('my-counter', 5)"), "10")
        self.assertEqual(d.console("getMetric('my-counter')"), "10")
        self.assertEqual(d.stat("my-counter"), 10)
        d.console("declareMetric('my-counter', 'counter', 'again')")
        self.assertEqual(d.console("getMetric('my-counter')"), "10")

    def test_gauge(self):
        self.assertEqual(self.d.console("setMetric('my-gauge', 2.5)"), "2.5")
        self.assertEqual(self.d.console("getMetric('my-gauge')"), "2.5")
        self.assertEqual(self.d.stat("my-gauge"), 2.5)

    def test_labels(self):
        d = self.d
        self.assertEqual(d.console("incMetric('my-labels', {labels={who='a'}})"), "1")
        self.assertEqual(d.console("incMetric('my-labels', {labels={who='a'}, step=2})"), "3")
        self.assertEqual(d.console("incMetric('my-labels', {labels={who='b'}})"), "1")
        self.assertEqual(d.console("getMetric('my-labels', {labels={who='a'}})"), "3")

    def test_what_does_not_go(self):
        for command in ("incMetric('nobody')", "setMetric('my-counter', 1)", "decMetric('my-gauge')",
                        "getMetric('nobody')", "incMetric('my-counter', {labels={a='b'}})"):
            self.assertRegex(self.d.console(f"local value = {command}"), r"^[A-Za-z]+[:0-9]*: \S", command)


if __name__ == "__main__":
    main()
