#!/usr/bin/python3
"""Options, what they print, --check-config, exit statuses and signals, privileges, readiness, the form of the log."""
import glob
import json
import os
import pwd
import re
import select
import signal
import socket
import subprocess
import time
import unittest

import clients
from fakeserver import FakeServer
from harness import BUILD, DNSDIST, KEY, PATIENCE_S, Process, TestCase, free_port, main, needs, run_dnsdist, \
    tcp_opens, wait_for

CONSOLE = os.path.join(BUILD, "dnsdist-console")
FEATURES = ("AF_XDP cdb dns-over-quic dns-over-http3 dns-over-tls( dns-over-https( dnscrypt ebpf fstrm ipcipher "
            "ipcrypt2 libedit libsodium lmdb mmdb protobuf re2 recvmmsg/sendmmsg snmp systemd yaml").split()
LONG = ("acl", "config", "check-config", "client", "setkey", "execute", "help", "local", "supervised",
        "disable-syslog", "log-timestamps", "structured-logging", "structured-logging-backend", "uid", "gid",
        "version", "verbose")
STRUCTURED = re.compile(r'^msg="(?:[^"\\]|\\.)*" subsystem="\w+" level="0" prio="\w+" ts="\d+\.\d{3}"$')

as_root = unittest.skipUnless(os.geteuid() == 0, "not root")


class Words(TestCase):
    """What needs no configuration."""

    def test_version(self):
        for option in ("-V", "--version"):
            done = run_dnsdist(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            lines = done.stdout.splitlines()
            self.assertRegex(lines[0], r"^dnsdist \d+\.\d+\.\d+\S* \(Lua 5\.\d(\.\d+)?\)$")
            self.assertTrue(lines[1].startswith("Enabled features: "))
            at = [next(i for i, f in enumerate(FEATURES) if word.startswith(f))
                  for word in lines[1].split()[2:]]
            self.assertEqual(at, sorted(at))
            self.assertIn("dns-over-tls(", lines[1])

    def test_help(self):
        version = run_dnsdist("-V").stdout.splitlines()[0]
        for option in ("-h", "--help"):
            done = run_dnsdist(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.splitlines()[0], version)
            for name in LONG:
                self.assertRegex(done.stdout, rf"--{name}\b")

    def test_unknown_option(self):
        for option, word in (("--nonsense", "--nonsense"), ("-x", "-x"), ("--suprvised", "--supervised"),
                             ("--config", "--config"), ("-l", "-l")):
            done = run_dnsdist(option)
            self.assertEqual(done.returncode, 1, option)
            self.assertIn(word, done.stderr)
            self.assertIn("Syntax: dnsdist", done.stdout)

    def test_unknown_log_backend(self):
        done = run_dnsdist("--structured-logging-backend=jsn")
        self.assertEqual(done.returncode, 1)
        self.assertIn("json", done.stderr)

    def test_client_program(self):
        done = run_dnsdist("-V", binary=CONSOLE)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.startswith("dnsdist-console "))
        done = run_dnsdist("--help", binary=CONSOLE)
        self.assertEqual(done.returncode, 0)
        self.assertIn("--execute", done.stdout)
        self.assertNotIn("--supervised", done.stdout)
        self.assertEqual(run_dnsdist("--supervised", binary=CONSOLE).returncode, 1)


class Check(TestCase):
    """--check-config."""

    CONFIG = 'setLocal("127.0.0.1:1") controlSocket("127.0.0.1:2") newServer("127.0.0.1:3")\n'

    def test_good_structured(self):
        done = self.check(self.CONFIG)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r'\Amsg="Configuration OK" subsystem="setup" level="0" prio="Info" '
                                      r'ts="\d+\.\d+".*\n\Z')

    def test_good_plain(self):
        path = os.path.join(self.folder(), "my.conf")
        with open(path, "w") as f:
            f.write(self.CONFIG)
        done = run_dnsdist("--check-config", "--structured-logging=false", "-C", path)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"Configuration '{path}' OK!\n", ""))

    def test_good_json(self):
        done = self.check(self.CONFIG, ["--structured-logging-backend=json"])
        self.assertEqual(json.loads(done.stdout)["msg"], "Configuration OK")

    def test_value_of_structured_logging(self):
        for value, structured in (("true", True), ("TRUE", True), ("false", False), ("yes", False)):
            for args in ([f"--structured-logging={value}"], ["--structured-logging", value]):
                self.assertEqual(self.check(self.CONFIG, args).stdout.startswith("msg="), structured, args)

    def test_bad(self):
        for args, form in (([], 'msg="{}:3: '), (["--structured-logging=false"], "{}:3: "),
                           (["--structured-logging-backend=json"], '{{"msg":"{}:3: ')):
            done = self.check("\n\naddLocl('127.0.0.1')\n", args)
            self.assertEqual(done.returncode, 1)
            self.assertNotIn("OK", done.stdout)
            out = done.stdout + done.stderr
            path = re.search(r"/\S*checked\.conf", out).group(0)
            self.assertTrue(out.startswith(form.format(path)), out)
            self.assertIn("addLocal", out)

    def test_exit_callbacks_run(self):
        done = self.check('addExitCallback(function() print("ran at the end") end)')
        self.assertEqual(done.returncode, 0)
        self.assertIn("ran at the end\n", done.stdout)

    def test_status_of_the_configuration_itself(self):
        self.assertEqual(self.check("os.exit(3)").returncode, 3)

    def test_role(self):
        done = self.check("print(inConfigCheck(), inClientStartup())")
        self.assertTrue(done.stdout.startswith("true\tfalse\nmsg="))

    def test_as_a_client(self):
        done = self.check('print(inClientStartup())', ["-c"])
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.startswith('true\nmsg="Configuration OK"'), done.stdout)
        self.assertEqual(self.check("none()", ["-c"]).returncode, 1)

    def test_with_listeners_and_netmasks_of_the_command_line(self):
        args = ["-l", "127.0.0.1:4", "--acl", "127.0.0.0/8", "--acl", "::1"]
        self.assertEqual(self.check(self.CONFIG, args).returncode, 0)
        for args, word in ((["-l", "nowhere"], "'nowhere'"), (["--acl", "1.2.3.4.5"], "'1.2.3.4.5'"),
                           (["-k", "short"], "--setkey")):
            done = self.check(self.CONFIG, args)
            self.assertEqual(done.returncode, 1)
            self.assertIn(word, done.stdout + done.stderr)

    def test_nothing_is_opened_and_nothing_left_behind(self):
        """Every address is taken by somebody else, and the check must not mind."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            server = self.use(FakeServer())
            folder = self.folder()
            path = os.path.join(folder, "my.conf")
            with open(path, "w") as f:
                f.write(f'setLocal("127.0.0.1:{port}") controlSocket("127.0.0.1:{port}") setKey("{KEY}")\n'
                        f'setConsoleBindFatal(true) newServer("{server.address}")')
            begin = time.monotonic()
            done = run_dnsdist("--check-config", "-C", path)
            self.assertLess(time.monotonic() - begin, 5)
            self.assertEqual(done.returncode, 0, done.stdout)
            s.settimeout(0)
            self.assertRaises(BlockingIOError, s.accept)
        self.assertEqual(server.probes, [])
        self.assertEqual(os.listdir(folder), ["my.conf"])

    def test_missing_file(self):
        for args in (["--check-config"], ["--supervised"], ["-c", "-e", "1"]):
            done = run_dnsdist(*args, "-C", "/nowhere/at-all.conf")
            self.assertEqual(done.returncode, 1)
            self.assertIn("/nowhere/at-all.conf", done.stdout + done.stderr)


class Start(TestCase):
    """Options of the daemon beside its configuration."""

    def test_local_replaces_the_listeners_of_the_file(self):
        a, b = free_port(), free_port()
        d = self.daemon('setSyslogFacility("daemon")', args=["-l", f"127.0.0.1:{a}", "--local", f"127.0.0.1:{b}"],
                        start=False)
        self.assertTrue(wait_for(lambda: tcp_opens(a) and tcp_opens(b)))
        self.assertFalse(tcp_opens(d.port))
        self.assertEqual([row[1:3] for row in d.rows("showBinds()")],
                         [[f"127.0.0.1:{p}", proto] for p in (a, b) for proto in ("UDP", "TCP")])

    def test_acl_stands_in_for_the_defaults(self):
        d = self.daemon(args=["-a", "192.0.2.0/24", "--acl", "2001:db8::/32"])
        self.assertEqual(d.console("showACL()").split(), ["192.0.2.0/24", "2001:db8::/32"])
        before = d.stat("acl-drops")
        self.assertTrue(clients.silent(d.port, "www.example."))
        self.assertEqual(d.stat("acl-drops") - before, 1)

    def test_acl_is_extended_by_the_file(self):
        d = self.daemon('addACL("127.0.0.1")', args=["-a", "192.0.2.0/24"])
        self.assertEqual(d.console("showACL()").split(), ["192.0.2.0/24", "127.0.0.1/32"])

    def test_acl_is_replaced_by_the_file(self):
        d = self.daemon('setACL("127.0.0.0/8")', args=["-a", "192.0.2.0/24"])
        self.assertEqual(d.console("showACL()").split(), ["127.0.0.0/8"])

    def test_acl_by_default(self):
        self.assertEqual(self.daemon().console("showACL()").split(),
                         ["127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.168.0.0/16",
                          "172.16.0.0/12", "::1/128", "fc00::/7", "fe80::/10"])

    def test_key_beats_the_one_of_the_file(self):
        other = "A" * 43 + "="
        d = self.daemon(f'controlSocket("127.0.0.1:$CONSOLE") setKey("{other}")', console=False, args=["-k", KEY])
        self.assertEqual(d.console("1+1"), "2")

    def test_servers_as_arguments(self):
        a, b = self.use(FakeServer()), self.use(FakeServer())
        d = self.daemon('newServer{address="127.0.0.1:9", name="of-the-file", healthCheckMode="down"}',
                        args=[a.address, b.address])
        self.assertEqual(sorted(re.findall(r"127\.0\.0\.1:\d+", d.console("showServers()"))),
                         sorted(["127.0.0.1:9", a.address, b.address]))
        for i in range(8):
            clients.udp(d.port, f"{i}.example.")
        self.assertEqual(len(a.queries) + len(b.queries), 8)

    def test_verbose(self):
        self.assertEqual(self.daemon(args=["-v"]).lua("getVerbose()"), "true")
        self.assertEqual(self.daemon().lua("getVerbose()"), "false")

    def test_strict(self):
        config = 'newServer{address="127.0.0.1:9", wieght=3}'
        self.assertEqual(self.check(config).returncode, 0)
        done = self.check(config, ["--strict"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean 'weight'?", done.stdout)

    def test_no_server_is_said_and_no_reason_to_end(self):
        d = self.daemon()
        self.assertTrue(wait_for(lambda: "no downstream servers" in d.output()))
        self.assertTrue(clients.silent(d.port, "www.example."))
        self.assertEqual(d.console("1+1"), "2")

    @as_root
    @needs("unshare", "ip")
    def test_default_listener_and_ports(self):
        """In a network of its own, so that port 53 of 127.0.0.1 is nobody's."""
        for config, args, expected in (("", [], "127.0.0.1:53"), ("", ["-l", "127.9.9.9"], "127.9.9.9:53"),
                                       ('addLocal("127.8.8.8")', [], "127.8.8.8:53"),
                                       ('addLocal("[::1]")', ["127.7.7.7"], "[::1]:53")):
            path = os.path.join(self.folder(), "d.conf")
            with open(path, "w") as f:
                f.write(config)
            p = Process(["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", DNSDIST,
                         "--supervised", "--disable-syslog", "-C", path, *args], self.folder(), "dnsdist")
            self.addCleanup(p.stop)
            self.assertTrue(wait_for(lambda: f"listening on {expected}" in p.output()), p.output())
            self.assertEqual(p.output().count("listening on"), 1)
            self.assertEqual(p.stop(), 0)


class Fails(TestCase):
    """Starts that end with status 1, and say why."""

    def fails(self, config="", why="", **kw):
        d = self.daemon(config, start=False, **kw)
        d.stopped = True  # its end needs no other look
        self.assertEqual(d.wait(), 1, d.output())
        self.assertIn(why, d.output())

    def taken(self):
        s = self.use(socket.socket())
        s.bind(("127.0.0.1", 0))
        s.listen()
        return s.getsockname()[1]

    def test_configuration(self):
        self.fails('addLocal("127.0.0.1:$PORT") nothing()', "dnsdist.conf:1: unknown function 'nothing'",
                   listen=False, console=False)

    def test_listener_over_tcp(self):
        port = self.taken()
        self.fails(f'setLocal("127.0.0.1:{port}")', f"can't listen on 127.0.0.1:{port} over TCP: Address already in use")

    def test_listener_over_udp(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
            self.fails(f'setLocal("127.0.0.1:{port}")', f"can't listen on 127.0.0.1:{port} over UDP: Address already in use")

    def test_address_of_another_machine(self):
        self.fails('setLocal("192.0.2.1:53")', "can't listen on 192.0.2.1:53 over UDP: Cannot assign requested address")

    def test_console(self):
        port = self.taken()
        self.fails(f'controlSocket("127.0.0.1:{port}") setConsoleBindFatal(true)', f"127.0.0.1:{port}")

    def test_console_that_is_not_needed(self):
        port = self.taken()
        d = self.daemon(f'controlSocket("127.0.0.1:{port}") setKey("{KEY}")', console=False)
        self.assertIn(f"127.0.0.1:{port}", d.output())

    def test_same_address_twice(self):
        self.fails('addLocal("127.0.0.1:$PORT")', "dnsdist.conf:4: addLocal: ")

    def test_same_address_twice_with_reuse_port(self):
        server = self.use(FakeServer())
        d = self.daemon(f'''for i = 1, 3 do addLocal("127.0.0.1:$PORT", {{reusePort=true}}) end
                            newServer("{server.address}")''', listen=False)
        for i in range(6):
            clients.udp(d.port, f"{i}.example.")
            clients.tcp(d.port, f"{i}.example.")
        self.assertEqual(len(server.queries), 12)

    def test_user_and_group(self):
        self.fails(why="there is no user 'nobody-like-that'", args=["-u", "nobody-like-that"])
        self.fails(why="there is no group 'nobody-like-that'", args=["--gid", "nobody-like-that"])

    @as_root
    def test_user_under_systemd(self):
        self.fails(why="--uid", args=["-u", "nobody"], env={"NOTIFY_SOCKET": "/run/nowhere"})


class Running(TestCase):
    """Signals, readiness, privileges."""

    def test_signals_that_end_it(self):
        for signum in (signal.SIGTERM, signal.SIGINT):
            server = self.use(FakeServer(lambda q: None))
            d = self.daemon(f'newServer("{server.address}") setUDPTimeout(60)\n'
                            'addExitCallback(function() print("left in order") end)')
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, clients.Stream(d.port) as stream:
                s.sendto(clients.make("slow.example.").to_wire(), ("127.0.0.1", d.port))
                stream.send(clients.make("slow.example.").to_wire())
                self.assertTrue(wait_for(lambda: len(server.queries) == 2))
                self.assertEqual(d.stop(signum, 5), 0)  # whatever is in flight
            self.assertIn("Exiting on user request", d.output())
            self.assertIn("left in order\n", d.output())

    def test_hangup_is_no_reload(self):
        d = self.daemon()
        self.assertEqual(d.stop(signal.SIGHUP), -signal.SIGHUP)

    def test_signals_that_are_ignored(self):
        d = self.daemon()
        for signum in (signal.SIGPIPE, signal.SIGCHLD):
            os.kill(d.pid, signum)
        self.assertEqual(d.console("1+1"), "2")

    def test_first_query_meets_a_server_that_was_checked(self):
        """Nothing is answered, over UDP or TCP, before the first round of checks has ended."""
        server = self.use(FakeServer())
        slow = self.use(FakeServer(probes=False))
        d = self.daemon(f'newServer{{address="{server.address}", name="a"}}\n'
                        f'newServer{{address="{slow.address}", name="b", checkTimeout=700}}', start=False)

        def ask():
            try:
                return clients.send_udp(d.port, clients.make("www.example.").to_wire(), 0.02)
            except ConnectionRefusedError:
                return None

        answer = wait_for(ask)
        self.assertIsNotNone(answer)
        self.assertTrue(tcp_opens(d.port))
        self.assertEqual(answer[3] & 15, 0)
        self.assertEqual([row[3] for row in d.rows("showServers()")[:2]], ["up", "down"])

    def notified(self, name):
        s = self.use(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        s.bind(name.replace("@", "\0"))
        s.settimeout(PATIENCE_S)
        server = self.use(FakeServer())
        d = self.daemon(f'newServer("{server.address}")', start=False, env={"NOTIFY_SOCKET": name})
        self.assertEqual(s.recv(100), b"READY=1")
        self.assertIsNotNone(clients.send_udp(d.port, clients.make("www.example.").to_wire(), PATIENCE_S))
        self.assertTrue(tcp_opens(d.port))
        self.assertEqual(d.stop(), 0)
        self.assertEqual(s.recv(100), b"STOPPING=1")
        self.assertEqual(select.select([s], [], [], 0)[0], [])

    def test_readiness(self):
        self.notified(os.path.join(self.folder(), "notify"))

    def test_readiness_by_an_abstract_name(self):
        self.notified(f"@dnsdist-test-{os.getpid()}")

    @as_root
    def test_privileges(self):
        nobody = pwd.getpwnam("nobody")
        for args, uid, gid in ((["-u", "nobody", "-g", "nogroup"], nobody.pw_uid, nobody.pw_gid),
                               (["--uid", "4711", "--gid", "4712"], 4711, 4712), (["-g", "4712"], 0, 4712)):
            d = self.daemon(args=args)
            self.assertEqual(d.console("1+1"), "2")
            for task in glob.glob(f"/proc/{d.pid}/task/*/status"):  # every thread
                with open(task) as f:
                    status = dict(line.split(":", 1) for line in f)
                self.assertEqual(status["Uid"].split(), [str(uid)] * 4)
                self.assertEqual(status["Gid"].split(), [str(gid)] * 4)
                self.assertEqual(status["Groups"].split(), [])
                if uid:
                    self.assertEqual(int(status["CapEff"], 16), 0)

    @as_root
    def test_capability_that_is_kept(self):
        d = self.daemon('addCapabilitiesToRetain("CAP_NET_BIND_SERVICE")', args=["-u", "nobody"])
        with open(f"/proc/{d.pid}/status") as f:
            status = dict(line.split(":", 1) for line in f)
        self.assertEqual(int(status["CapEff"], 16), 1 << 10)


class Log(TestCase):
    """The form of lines."""

    def lines(self, *args):
        d = self.daemon('newServer{address="127.0.0.1:9", name="with \\"quotes\\"", healthCheckMode="down"}',
                        args=args)
        d.console("errlog('one \\\\ \"two\"')")
        self.assertTrue(wait_for(lambda: "two" in d.output()))
        d.stop()
        return d.output().splitlines()

    def test_structured(self):
        for line in self.lines():
            self.assertRegex(line, STRUCTURED)

    def test_json(self):
        records = [json.loads(line) for line in self.lines("--structured-logging-backend", "json")]
        for r in records:
            self.assertEqual(set(r), {"msg", "subsystem", "level", "prio", "ts"})
        self.assertIn(('one \\ "two"', "Error"), [(r["msg"], r["prio"]) for r in records])

    def test_plain(self):
        lines = self.lines("--structured-logging=false")
        self.assertIn('one \\ "two"', lines)
        self.assertIn("Exiting on user request", lines)

    def test_plain_with_times(self):
        for line in self.lines("--structured-logging=false", "--log-timestamps"):
            self.assertRegex(line, r"^\w{3} \d\d \d\d:\d\d:\d\d \S")

    @as_root
    @needs("unshare", "mount")
    def test_syslog(self):
        """In a /dev of its own, with a syslog daemon that is this test."""
        dev = self.folder()
        for name, minor in (("null", 3), ("urandom", 9)):
            subprocess.run(["mknod", os.path.join(dev, name), "c", "1", str(minor)], check=True)
        s = self.use(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        s.bind(os.path.join(dev, "log"))
        s.settimeout(PATIENCE_S)
        path = os.path.join(self.folder(), "d.conf")
        with open(path, "w") as f:
            f.write(f'setLocal("127.0.0.1:{free_port()}")')
        for args, heard in (([], True), (["--disable-syslog"], False)):
            p = Process(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /dev && exec "$@"', dev, DNSDIST,
                         "--supervised", "-C", path, *args], self.folder(), "dnsdist")
            self.addCleanup(p.stop)
            self.assertTrue(wait_for(lambda: "listening on" in p.output()), p.output())
            self.assertEqual(p.stop(), 0)
            self.assertEqual(bool(select.select([s], [], [], 0)[0]), heard)
            if heard:  # facility daemon (3), severity info (6)
                self.assertRegex(s.recv(4096).decode(), r"^<30>.*dnsdist.*: ")
                while select.select([s], [], [], 0)[0]:
                    s.recv(4096)


if __name__ == "__main__":
    main()
