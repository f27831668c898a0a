#!/usr/bin/env python3
"""All-reduce between processes of this machine in ringloom and in PyTorch over gloo, in turn, so that a machine whose
speed drifts is fair to both. `make compare-allreduce` runs it; docs/bench.md says how to read it.

    compare/allreduce_compare.py --nproc 2,4 --bytes 4,25000000,100000000 --rounds 3

A round measures each variant once, in fresh processes: in place, the slowest rank of each iteration, the median over
iterations. Shown is the median over rounds, and the best round. Needs `make build` and Debian's python3-torch.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# name, flags of `ringloom bench allreduce`; None is gloo
VARIANTS = [
    ("gloo", None),
    ("ringloom", []),
    ("ringloom, bf16", ["--wire", "bf16"]),
    ("ringloom, frames through NATS", ["--shared-memory=false"]),
    ("ringloom, bf16 through NATS", ["--wire", "bf16", "--shared-memory=false"]),
]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--nproc", default="2,4", help="numbers of processes, separated by commas")
    p.add_argument("--bytes", default="4,25000000,100000000", help="sizes, separated by commas")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--iters", type=int, default=10, help="iterations of a size in a round")
    p.add_argument("--python", default=os.environ.get("PYTHON", "/usr/bin/python3"), help="the Python that has PyTorch")
    p.add_argument("--json", metavar="FILE", help="also write one object per line: way, ranks, bytes, and each round's seconds")
    args = p.parse_args()
    args.nproc = [int(n) for n in args.nproc.split(",")]
    args.bytes = [int(b) for b in args.bytes.split(",")]
    if args.rounds < 1 or args.iters < 1 or min(args.nproc) < 2 or min(args.bytes) < 4 or any(b % 4 for b in args.bytes):
        p.error("give at least one round and iteration, two processes, and sizes that are multiples of 4")
    return args


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def measure(flags, ranks, size, args):
    """Median seconds of one all-reduce in one round."""
    if flags is None:
        script = os.path.join(ROOT, "compare", "pytorch", "allreduce.py")
        return run([args.python, script, "--nproc", str(ranks), "--bytes", str(size), "--iters", str(args.iters)])[0]["seconds"]
    rows = run([os.path.join(ROOT, "bin", "ringloom"), "bench", "allreduce", "-n", str(ranks), "--min-bytes", str(size),
                "--max-bytes", str(size), "--iters", str(args.iters), "--duration", "1m", "--json", *flags])
    return rows[0]["in_place_seconds"]


def main():
    args = arguments()
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown processor")
    print(f"{os.cpu_count()} cores, {model}; {args.rounds} rounds in turn, {args.iters} iterations each; algbw in GB/s, small sizes in microseconds")
    seconds = {}
    for _ in range(args.rounds):
        for ranks in args.nproc:
            for size in args.bytes:
                for name, flags in VARIANTS:
                    seconds.setdefault((name, ranks, size), []).append(measure(flags, ranks, size, args))
    for ranks in args.nproc:
        for size in args.bytes:
            peer = statistics.median(seconds["gloo", ranks, size])
            print(f"\n{ranks} processes, {size:,} bytes: median of the rounds, best round, times gloo's")
            for name, _ in VARIANTS:
                s = seconds[name, ranks, size]
                middle, best = statistics.median(s), min(s)
                if size >= 1 << 16:
                    print(f"  {name:32} {size / middle / 1e9:8.2f} {size / best / 1e9:8.2f} {peer / middle:8.2f}")
                else:
                    print(f"  {name:32} {middle * 1e6:8.0f} {best * 1e6:8.0f} {peer / middle:8.2f}")
    if args.json:
        with open(args.json, "w") as f:
            for (name, ranks, size), s in seconds.items():
                f.write(json.dumps({"way": name, "ranks": ranks, "bytes": size, "seconds": s}) + "\n")


if __name__ == "__main__":
    main()
