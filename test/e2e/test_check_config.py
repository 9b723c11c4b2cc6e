#!/usr/bin/python3
"""--check-config: what is right passes quietly, what is wrong is named with file, line, value and the nearest name."""
import os
import re

from harness import ROOT, TestCase, main, run_dnsdist


class Right(TestCase):
    def test_output(self):
        done = self.check('addLocal("127.0.0.1:5300")')
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r'^msg="Configuration OK" subsystem="setup" level="0" prio="Info" ts="\d+\.\d+"')

    def test_output_without_structure(self):
        for done in (self.check("setStructuredLogging(false)"), self.check("", ["--structured-logging", "false"])):
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, r"^Configuration '/.*/checked.conf' OK!\n$")

    def test_nothing_is_opened(self):
        done = self.check('''
            addLocal("192.0.2.1:53")
            controlSocket("192.0.2.1:5199")
            setKey("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            newServer("192.0.2.2")
        ''')
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_configuration_knows_that_it_is_checked(self):
        self.assertEqual(self.check("if inConfigCheck() and not inClientStartup() then os.exit(3) end").returncode, 3)

    def test_shipped_configuration(self):
        done = run_dnsdist("--check-config", "-C", os.path.join(ROOT, "tools", "dnsdist.conf"))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_include_directory(self):
        folder = self.folder()
        for name, text in (("b.conf", "order = (order or '') .. 'b'"), ("a.conf", "order = (order or '') .. 'a'"),
                           (".hidden.conf", "error('hidden')"), ("c.txt", "error('not conf')")):
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
        self.assertEqual(self.check(f'includeDirectory("{folder}")\nassert(order == "ab", order)').returncode, 0)
        with open(os.path.join(folder, "d.conf"), "w") as f:
            f.write("\n\nnosuchfunction()")
        done = self.check(f'includeDirectory("{folder}")')
        self.assertEqual(done.returncode, 1)
        self.assertIn("d.conf:3", done.stdout)


# label: (configuration, what must be said)
WRONG = {
    "unknown function": ("\nnewServr('127.0.0.1')", r"checked\.conf:2.*newServr.*newServer"),
    "syntax": ("x = = 1", r"checked\.conf:1"),
    "error of the user's own": ("\n\nerror('woe')", r"checked\.conf:3: woe"),
    "wrong type": ("newServer({address=true})", r"checked\.conf:1.*address"),
    "no argument": ("addACL()", r"checked\.conf:1.*addACL"),
    "netmask": ("addACL('10.0.0.0/33')", r"checked\.conf:1.*10\.0\.0\.0/33"),
    "address": ("addLocal('nonsense')", r"checked\.conf:1.*nonsense"),
    "port": ("addLocal('127.0.0.1:99999')", r"checked\.conf:1.*99999"),
    "out of range": ("setUDPTimeout(1000)", r"checked\.conf:1.*setUDPTimeout.*1000.*255"),
    "out of range in a table": ("newServer({address='127.0.0.1', maxCheckFailures=300})", r"checked\.conf:1.*maxCheckFailures.*300"),
    "not a number": ("setUDPTimeout('soon')", r"checked\.conf:1.*soon"),
    "a fraction": ("setUDPTimeout(1.5)", r"checked\.conf:1.*1\.5"),
    "load bound": ("setWeightedBalancingFactor(0.5)", r"checked\.conf:1.*0\.5"),
    "cache of nothing": ("newPacketCache(0)", r"checked\.conf:1.*newPacketCache"),
    "the same address twice": ("addLocal('127.0.0.1:5300')\naddLocal('127.0.0.1:5300')", r"127\.0\.0\.1:5300"),
    "file of netmasks": ("setACLFromFile('/nonexistent')", r"/nonexistent"),
    "certificate store": ("newServer({address='127.0.0.1', tls='openssl', caStore='/nonexistent'})", r"/nonexistent"),
    "no such server": ("rmServer(5)", r"checked\.conf:1.*5"),
    "a nil from a misspelled name": ("newServer(adress)", r"checked\.conf:1"),
}


class Wrong(TestCase):
    def test_errors_name_place_value_and_remedy(self):
        for label, (config, want) in WRONG.items():
            with self.subTest(label):
                done = self.check(config)
                text = (done.stdout + done.stderr).replace("\\", "")
                self.assertEqual(done.returncode, 1, text)
                self.assertRegex(text, want)
                self.assertNotIn("Configuration OK", text)

    def test_the_daemon_does_not_start_on_it(self):
        for label in ("unknown function", "out of range", "the same address twice"):
            path = os.path.join(self.folder(), "checked.conf")
            with open(path, "w") as f:
                f.write(WRONG[label][0])
            done = run_dnsdist("--supervised", "--disable-syslog", "-C", path)
            self.assertEqual(done.returncode, 1, label)

    def test_missing_file(self):
        done = run_dnsdist("--check-config", "-C", "/nonexistent.conf")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent.conf", done.stdout + done.stderr)


class Warnings(TestCase):
    def test_unknown_key_is_a_warning_with_the_nearest(self):
        config = "newServer({address='127.0.0.1', mustresolve=true, nosuchkeyatall=1})"
        done = self.check(config)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"mustresolve.*mustResolve")
        self.assertIn("nosuchkeyatall", done.stdout)
        self.assertEqual(self.check(config, ["--strict"]).returncode, 1)

    def test_old_forms_warn_once_and_work(self):
        done = self.check('''
            for i = 1, 3 do newServer("127.0.0." .. i, 10) end
            addLocal("127.0.0.1:5300", true, false)
            pc = newPacketCache(100, 60, 1)
            assert(pc:toString() == "PacketCache (0/100)")
        ''')
        self.assertEqual(done.returncode, 0, done.stdout)
        for old in ("newServer", "addLocal", "newPacketCache"):
            self.assertEqual(len(re.findall(rf'prio="Warning".*', "\n".join(
                line for line in done.stdout.splitlines() if old in line))), 1, old)

    def test_dialect_of_old_files(self):
        done = self.check(r'''
            assert(unpack({1, 2}) == 1 and table.getn({1, 2}) == 2 and loadstring("return 3")() == 3)
            assert(math.pow(2, 3) == 8 and bit.band(6, 3) == 2)
            assert(string.format("%d", 4.0) == "4" and "p" .. 53 == "p53")
            local ok, err = pcall(newDNSName, "a..b")
            assert(not ok and err)
            assert(dnsdist.ANY == DNSQType.ANY and dnsdist.NXDOMAIN == DNSRCode.NXDOMAIN)
        ''')
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    main()
