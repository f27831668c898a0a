"""Hosts in network namespaces of this machine, with a switch between them and shaped lines. compare/shaped.py uses it."""
import os
import shutil
import subprocess
import sys

UNITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "%": 0.01}
SUBNET = "10.77.0"  # inside of the namespaces only
QUEUE = "5ms"  # how long a packet may wait for its line; one that would wait longer is dropped, as by a switch


def quantity(text, *units):
    """The number behind a text such as 10gbit or 0.1ms; the units are those of UNITS that may be used."""
    for unit in sorted(units, key=len, reverse=True):
        if text.endswith(unit):
            try:
                value = float(text[: -len(unit)]) * UNITS[unit]
            except ValueError:
                break
            if 0 <= value < float("inf"):
                return value
            break
    raise ValueError(f"{text!r}: give a number with one of the units {', '.join(units)}")


class Unshapeable(Exception):
    """The kernel cannot do what was asked for."""


def missing():
    """What this machine lacks, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root: run it with sudo"
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"{tool} is missing: apt-get install iproute2"
    return None


class Hosts:
    """n hosts, each a namespace with an interface eth0, and one namespace that is the switch. Every line carries rate bits per
    second in each direction; delay (seconds) and loss (a fraction) apply to what a host sends. Leaving the context
    removes everything, and ends what was started."""

    def __init__(self, n, rate, delay, loss, mtu):
        self.n, self.rate, self.delay, self.loss, self.mtu = n, rate, delay, loss, mtu
        self.prefix = f"ringloom{os.getpid()}"
        self.switch = f"{self.prefix}-switch"
        self.made, self.processes = [], []

    def name(self, rank):
        return f"{self.prefix}-{rank}"

    def address(self, rank):
        return f"{SUBNET}.{rank + 1}"

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
        for name in reversed(self.made):
            subprocess.run(["ip", "netns", "delete", name], check=False)

    def build(self):
        self.add(self.switch)
        run("ip", "-n", self.switch, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", self.switch, "link", "set", "bridge", "mtu", str(self.mtu), "up")
        for rank in range(self.n):
            host, port = self.name(rank), f"port{rank}"
            self.add(host)
            run("ip", "-n", self.switch, "link", "add", port, "mtu", str(self.mtu), "type", "veth", "peer", "name", "eth0",
                "mtu", str(self.mtu), "netns", host)
            run("ip", "-n", self.switch, "link", "set", port, "master", "bridge", "up")
            run("ip", "-n", host, "address", "add", f"{self.address(rank)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                run("ip", "-n", host, "link", "set", device, "up")
            self.shape(host, "eth0", self.delay, self.loss)
            self.shape(self.switch, port, 0, 0)

    def add(self, name):
        run("ip", "netns", "add", name)
        self.made.append(name)

    def shape(self, namespace, device, delay, loss):
        qdisc = ["tc", "-n", namespace, "qdisc", "add", "dev", device]
        parent = ["root", "handle", "1:"]
        if delay or loss:
            # Room for what is under way and as much again that waits.
            limit = int(1000 + 2 * self.rate / 8 * delay / self.mtu)
            done = subprocess.run([*qdisc, *parent, "netem", "delay", f"{delay * 1e6:g}us", "loss", f"{loss * 100:g}%", "limit", str(limit)],
                                  capture_output=True, text=True)
            if done.returncode:
                raise Unshapeable(f"this kernel cannot delay or lose packets ({done.stderr.strip()}; CONFIG_NET_SCH_NETEM)")
            parent = ["parent", "1:1", "handle", "2:"]
        # A bucket of a tenth of a millisecond, or of two of the 64 KiB packets that the interfaces hand over.
        burst = int(max(self.rate / 8 * 1e-4, 2 << 16))
        run(*qdisc, *parent, "tbf", "rate", f"{self.rate:.0f}bit", "burst", str(burst), "latency", QUEUE)

    def congestion_control(self):
        """TCP's, which the namespaces inherit."""
        return run("ip", "netns", "exec", self.name(0), "cat", "/proc/sys/net/ipv4/tcp_congestion_control").strip()

    def start(self, rank, command, **options):
        """Start a command on a host."""
        p = subprocess.Popen(["ip", "netns", "exec", self.name(rank), *command], stdin=subprocess.DEVNULL, **options)
        self.processes.append(p)
        return p


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
