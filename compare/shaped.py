#!/usr/bin/env python3
"""The ring between hosts whose network is no faster than asked for: namespaces of this machine, each with one rank, joined by
a switch through lines with a rate, a delay and a loss. Prints what the ring reaches beside the line's rate and beside plain
TCP in the same pattern, and how much of an emulated step waits for communication. Needs root and iproute2; docs/bench.md
says how to read it.

    compare/shaped.py                                            4 hosts, 10 Gbit/s, 0.1 ms
    compare/shaped.py --ranks 2 --rate 1gbit --delay 1ms --loss 0.01%
    compare/shaped.py -- bin/ringloom train --max-steps 50       any command that takes --expect, --bind and --join
"""
import argparse
import json
import os
import signal
import sys
import tempfile
import time

from namespaces import Hosts, Unshapeable, missing, quantity

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RAW_RING = os.path.join(ROOT, "compare", "raw_ring.py")
RAW_SECONDS = 3
# Of an Ethernet frame, TCP and IP with timestamps take 52 bytes; the frame's own header is 14 more.
HEADER_BYTES, FRAME_BYTES = 52, 14


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ranks", type=int, default=4, help="hosts, with one rank each (default 4)")
    p.add_argument("--rate", default="10gbit", help="of each line and direction: kbit, mbit or gbit a second (default 10gbit)")
    p.add_argument("--delay", help="of what a host sends: us, ms or s (default 0.1ms where the kernel can)")
    p.add_argument("--loss", default="0%", help="of what a host sends, in %% (default 0%%)")
    p.add_argument("--mtu", type=int, default=1500, help="bytes of a packet (default 1500)")
    p.add_argument("--min-bytes", default="25MB", help="smallest all-reduce")
    p.add_argument("--max-bytes", default="100MB", help="largest all-reduce, four times the one before")
    p.add_argument("--emulate-step", default="100ms:googlenet", help="step whose communication is looked at, as of `ringloom bench scaling`")
    p.add_argument("--ring-args", default="", help="further flags of both benchmarks, such as '--rings 2 --chunk-bytes 512KiB'")
    p.add_argument("--timeout", type=float, default=300, help="seconds that each of the measurements may take")
    p.add_argument("--binary", default=os.path.join(ROOT, "bin", "ringloom"), help="ringloom to measure")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.add_argument("command", nargs="*", metavar="-- command", help="run this on every host instead of the benchmarks")
    args = p.parse_args()
    try:
        args.bits = quantity(args.rate, "kbit", "mbit", "gbit")
        args.seconds = quantity(args.delay, "us", "ms", "s") if args.delay else 1e-4
        args.lost = quantity(args.loss, "%")
    except ValueError as e:
        p.error(f"--rate, --delay or --loss: {e}")
    if not 2 <= args.ranks <= 64:
        p.error(f"--ranks {args.ranks}: give 2 to 64")
    if not 576 <= args.mtu <= 9000:
        p.error(f"--mtu {args.mtu}: give 576 to 9000")
    if args.bits < 1e5 or args.lost >= 1:
        p.error("give a --rate of at least 100kbit and a --loss under 100%")
    if not args.command and not os.access(args.binary, os.X_OK):
        sys.exit(f"shaped: {args.binary} is missing: run make build")
    return args


class Failed(Exception):
    pass


def everywhere(hosts, what, commands, timeout):
    """Run one command a host and return what each has printed; Failed with the end of their log if one fails."""
    with tempfile.TemporaryDirectory() as logs:
        files = [(open(f"{logs}/{r}.out", "w+"), open(f"{logs}/{r}.err", "w+")) for r in range(hosts.n)]
        processes = [hosts.start(r, c, stdout=files[r][0], stderr=files[r][1]) for r, c in enumerate(commands)]
        end, bad = time.monotonic() + timeout, None
        while bad is None and any(p.poll() is None for p in processes):
            time.sleep(0.05)
            codes = [p.poll() for p in processes]
            if any(codes):
                # The others learn of it; what they say may say more.
                end = min(end, time.monotonic() + 15)
            if time.monotonic() > end:
                bad = f"{what}: not finished within {timeout:g} s" if not any(codes) else f"{what} failed"
        if bad is None and any(p.returncode for p in processes):
            bad = f"{what} failed"
        if bad:
            for p in processes:
                if p.poll() is None:
                    p.kill()
                p.wait()
            said = [f"host {r} (exit code {p.returncode}): {last_lines(f[1])}" for r, (p, f) in enumerate(zip(processes, files))]
            raise Failed("\n  ".join([bad, *said]))
        return [text(out) for out, _ in files]


def text(file):
    file.seek(0)
    return file.read()


def last_lines(file):
    return " | ".join(text(file).strip().splitlines()[-3:]) or "says nothing"


def raw_tcp(hosts, args):
    """Bytes per second that plain TCP brings from each rank to the next, all at once: the slowest."""
    commands = [[sys.executable, RAW_RING, f"{hosts.address(r)}:7900", f"{hosts.address((r + 1) % hosts.n)}:7900", str(RAW_SECONDS)]
                for r in range(hosts.n)]
    return min(float(out) for out in everywhere(hosts, "plain TCP", commands, args.timeout))


def ranks(hosts, command):
    """The command of each rank of a cluster."""
    join = ["--join", f"{hosts.address(0)}:7946"]
    return [[*command, "--expect", str(hosts.n), "--bind", f"{hosts.address(r)}:7946", *(join if r else [])] for r in range(hosts.n)]


def benchmark(hosts, args, name, *flags):
    """The JSON objects that a benchmark prints."""
    command = [args.binary, "bench", name, *flags, *args.ring_args.split(), "--json"]
    out = everywhere(hosts, f"ringloom bench {name}", ranks(hosts, command), args.timeout)
    objects = [json.loads(line) for o in out for line in o.splitlines()]
    if not objects:
        raise Failed(f"ringloom bench {name} printed nothing")
    return objects


def through_the_network(path):
    """Memory can be shared by namespaces; a figure of it would say nothing about the lines."""
    if "shared memory" in path or "NATS" not in path:
        raise Failed(f"the ring does not go through the network but through {path!r}")
    return path


def all_reduces(hosts, args):
    sizes = benchmark(hosts, args, "allreduce", "--min-bytes", args.min_bytes, "--max-bytes", args.max_bytes, "--factor", "4",
                      "--warmup", "5", "--iters", "20", "--duration", "10s")
    if sum(s["wrong"] for s in sizes if "wrong" in s):
        raise Failed("an all-reduce gave wrong values")
    return [{"bytes": s["bytes"], "seconds": s["in_place_seconds"], "min_seconds": s["in_place_min_seconds"],
             "busbw_bytes_per_second": s["in_place_busbw_bytes_per_second"],
             # The median's time over the least one's: bandwidth is proportional to one over the time.
             "best_busbw_bytes_per_second": s["in_place_busbw_bytes_per_second"] * s["in_place_seconds"] / s["in_place_min_seconds"],
             "path": through_the_network(s["path"])} for s in sizes if "bytes" in s]


def emulated_step(hosts, args):
    lines = benchmark(hosts, args, "scaling", "--emulate-step", args.emulate_step, "--mode", "weak", "--rounds", "1", "--duration", "5s")
    study = next(o for o in lines if o["kind"] == "study")
    per_rank = [o for o in lines if o["kind"] == "rank"]
    through_the_network(study["transport"])
    return {"gradient_bytes": study["gradient_bytes"],
            "step_seconds": max(o["step_seconds"] for o in per_rank),
            "exposed_comm_seconds": max(o["exposed_comm_seconds"] for o in per_rank),
            "exposed_comm_share": max(o["exposed_comm_seconds"] / o["step_seconds"] for o in per_rank)}


def measure(hosts, args):
    line = args.bits / 8
    s = {"ranks": hosts.n, "line_bytes_per_second": line, "delay_seconds": hosts.delay, "loss": hosts.loss, "mtu_bytes": args.mtu,
         "cores": os.cpu_count(), "congestion_control": hosts.congestion_control(), "tcp_limit_bytes_per_second": line * (args.mtu - HEADER_BYTES) / (args.mtu + FRAME_BYTES)}
    s["raw_tcp_bytes_per_second"] = raw_tcp(hosts, args)
    s["all_reduces"] = all_reduces(hosts, args)
    for a in s["all_reduces"]:
        for which in ("", "best_"):
            a[which + "line_share"] = a[which + "busbw_bytes_per_second"] / line
            a[which + "raw_tcp_share"] = a[which + "busbw_bytes_per_second"] / s["raw_tcp_bytes_per_second"]
    s["emulated_step"] = args.emulate_step
    return {**s, **emulated_step(hosts, args)}


def show(s):
    line, raw, mib = s["line_bytes_per_second"], s["raw_tcp_bytes_per_second"], 1 << 20
    print(f"{s['ranks']} hosts on {s['cores']} cores; each line {line / 1e6:,.1f} MB/s in each direction, of which TCP can have "
          f"{s['tcp_limit_bytes_per_second'] / line:.1%} in packets of {s['mtu_bytes']} bytes ({s['congestion_control']}); "
          f"delay {s['delay_seconds'] * 1e3:g} ms, loss {s['loss']:.3g}")
    print(f"\n{'':24}{'MB/s a line':>12}{'of the line':>13}{'of plain TCP':>14}")
    print(f"{'plain TCP, slowest line':24}{raw / 1e6:12,.1f}{raw / line:13.1%}")
    for a in s["all_reduces"]:
        name = f"all-reduce {a['bytes'] / 1e6:g} MB"
        for label, which in ((name, ""), (" best", "best_")):
            print(f"{label:24}{a[which + 'busbw_bytes_per_second'] / 1e6:12,.1f}{a[which + 'line_share']:13.1%}{a[which + 'raw_tcp_share']:14.1%}")
    print(f"\nfloat32, in place: bus bandwidth of the median time, and of the best; through {s['all_reduces'][0]['path']!r}, no shared memory")
    if raw < 0.9 * s["tcp_limit_bytes_per_second"]:
        print("Plain TCP does not fill the lines either: the cores are the limit, not the lines. Lower --rate or --ranks.")
    print(f"\nstep {s['emulated_step']}, {s['gradient_bytes'] / mib:.1f} MiB of gradients: {s['step_seconds'] * 1e3:.1f} ms, "
          f"of which {s['exposed_comm_seconds'] * 1e3:.1f} ms ({s['exposed_comm_share']:.1%}) wait for communication (slowest rank)")


def command(hosts, args):
    for rank, out in enumerate(everywhere(hosts, args.command[0], ranks(hosts, args.command), args.timeout)):
        for line in out.splitlines():
            print(f"host {rank}: {line}")


def build(args):
    """The hosts; without a delay where the kernel has none and none was asked for."""
    try:
        with Hosts(2, args.bits, args.seconds, args.lost, args.mtu):
            pass
    except Unshapeable as e:
        if args.delay and args.seconds or args.lost:
            sys.exit(f"shaped: {e}; give --delay 0ms --loss 0% to shape the rate alone, or use another kernel")
        print(f"shaped: {e}: the rate alone is shaped, WITHOUT A DELAY", file=sys.stderr)
        args.seconds = 0.0
    return Hosts(args.ranks, args.bits, args.seconds, args.lost, args.mtu)


def main():
    args = arguments()
    if lack := missing():
        sys.exit(f"shaped: {lack}")
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda *_: sys.exit(130))
    try:
        with build(args) as hosts:
            if args.command:
                command(hosts, args)
                return
            s = measure(hosts, args)
    except Failed as e:
        sys.exit(f"shaped: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(s)) if args.json else show(s)


if __name__ == "__main__":
    main()
