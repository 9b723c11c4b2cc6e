"""Servers nobody here wrote: NSD, Unbound, Debian's dnsdist, certificates by openssl."""
import os
import subprocess

from harness import Process, free_port, tcp_opens, wait_for

ZONE = """$ORIGIN example.
$TTL 300
@ SOA ns1 admin 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
www A 192.0.2.80
www AAAA 2001:db8::80
short 2 A 192.0.2.2
alias CNAME www
big TXT {big}
*.wild A 192.0.2.99
"""


class Peer(Process):
    """A server of its own folder, up when it accepts TCP."""

    def __init__(self, test, name, argv, files, port, **kw):
        folder = test.folder()
        for path, text in files.items():
            with open(os.path.join(folder, path), "w") as f:
                f.write(text)
        super().__init__([a.replace("$DIR", folder) for a in argv], folder, name, **kw)
        self.port = port
        self.address = f"127.0.0.1:{port}"
        if not wait_for(lambda: tcp_opens(port) or not self.running()) or not self.running():
            raise AssertionError(f"{name} did not start:\n{self.output()}")

    def close(self):
        self.stop()


def nsd(test, transfers=False, hosts=0):
    """Authoritative for example., with some hosts more; transfers it only when told to."""
    port = free_port()
    big = " ".join('"%s"' % (c * 200) for c in "abcdefghijklmnop")
    conf = f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "."
  database: ""
  pidfile: ""
  xfrdfile: "xfrd.state"
  zonelistfile: "zone.list"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
  {"provide-xfr: 127.0.0.1 NOKEY" if transfers else ""}
"""
    zone = ZONE.format(big=big) + "".join(f"host{i}.example. 60 IN TXT {'x' * 200}\n" for i in range(hosts))
    return Peer(test, "nsd", ["/usr/sbin/nsd", "-d", "-c", "$DIR/nsd.conf"],
                {"nsd.conf": conf, "example.zone": zone}, port)


def unbound(test, certificate=None):
    """A resolver that knows example. by itself; with a certificate, DoT."""
    port = free_port()
    tls = ""
    if certificate:
        tls = f'  tls-port: {port}\n  tls-service-pem: "{certificate[0]}"\n  tls-service-key: "{certificate[1]}"\n'
    conf = f"""server:
  interface: 127.0.0.1@{port}
  username: ""
  chroot: ""
  directory: "."
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  access-control: 127.0.0.0/8 allow
  local-zone: "example." static
  local-data: "www.example. 300 IN A 192.0.2.80"
  local-data: "a.root-servers.net. 300 IN A 198.41.0.4"
{tls}remote-control:
  control-enable: no
"""
    return Peer(test, "unbound", ["/usr/sbin/unbound", "-d", "-p", "-c", "$DIR/unbound.conf"],
                {"unbound.conf": conf}, port)


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    """A certificate authority in a folder; certificates come as (certificate path, key path)."""

    def __init__(self, test, name="ca"):
        self.folder = test.folder()
        self.certificate = os.path.join(self.folder, name + ".pem")
        self.key = os.path.join(self.folder, name + ".key")
        self._serial = 0
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", self.key, "-out", self.certificate, "-days", "3", "-subj", f"/CN={name}",
                 "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, *names, days=2):
        """names as in subjectAltName: "DNS:dot.example", "IP:127.0.0.1"."""
        self._serial += 1
        base = os.path.join(self.folder, f"leaf{self._serial}")
        with open(base + ".ext", "w") as f:
            f.write(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:false\n")
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", base + ".key", "-out", base + ".csr", "-subj", "/CN=leaf")
        _openssl("x509", "-req", "-in", base + ".csr", "-CA", self.certificate, "-CAkey", self.key,
                 "-CAcreateserial", "-out", base + ".pem", "-days", str(days), "-extfile", base + ".ext")
        return base + ".pem", base + ".key"
