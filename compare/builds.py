#!/usr/bin/env python3
"""Compare the speed of two builds of ringloom on one machine, in turn: is a change slower? `make compare-builds OLD=binary`
runs it.

    compare/builds.py OLD NEW                               a step of lenet, alexnet and googlenet, and two ranks of lenet
    compare/builds.py OLD NEW --rounds 9 --only launch      some of the measurements: step:MODEL or launch:FLAGS

Each round measures both builds one after the other, in an order that changes from round to round, because machines are
noisy and drift. Printed are the medians of images/s, and the ratios of the rounds, new over old: their median, and the
quartiles. A change is slower where even the upper quartile is below 1.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

DEFAULT = ["step:lenet", "step:alexnet", "step:googlenet", "launch:--epochs 4"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("old", help="binary of the build before")
    p.add_argument("new", help="binary of the build after")
    p.add_argument("--rounds", type=int, default=7, help="rounds, at least 3 (default 7)")
    p.add_argument("--duration", default="2s", help="time to measure a step for (default 2s)")
    p.add_argument("--nproc", type=int, default=2, help="processes of a launch (default 2)")
    p.add_argument("--only", action="append", metavar="WHAT", help="step:MODEL or launch:FLAGS, instead of the usual ones; may be repeated")
    args = p.parse_args()
    if args.rounds < 3 or args.nproc < 1:
        p.error("--rounds must be at least 3, --nproc at least 1")
    for what in args.only or []:
        if not what.startswith(("step:", "launch:")):
            p.error(f"--only {what}: give step:MODEL or launch:FLAGS")
    return args


def output(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-3:])
        sys.exit(f"{said}\nbuilds: {' '.join(command)} ended with code {done.returncode}")
    return done.stdout


def speed(args, binary, what):
    """Images/s: of the median step, or of the best epoch over all ranks."""
    kind, detail = what.split(":", 1)
    if kind == "step":
        line = output([binary, "bench", "step", "--model", detail, "--duration", args.duration, "--json"])
        return json.loads(line)["images_per_second_median"]
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "run")
        output([binary, "launch", "-n", str(args.nproc), "--", *detail.split(), "--run-dir", record, "--offline"])
        with open(os.path.join(record, "metrics.jsonl")) as f:
            return max(json.loads(line)["images_per_second"] for line in f)


def main():
    args = arguments()
    print(f"{'':24} {'old images/s':>14} {'new images/s':>14} {'ratio':>7}   quartiles")
    for what in args.only or DEFAULT:
        old, new = [], []
        for r in range(args.rounds):
            turn = [(args.old, old), (args.new, new)]
            for binary, speeds in turn if r % 2 == 0 else reversed(turn):
                speeds.append(speed(args, os.path.abspath(binary), what))
        ratios = sorted(n / o for o, n in zip(old, new))
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{what:24} {statistics.median(old):14,.0f} {statistics.median(new):14,.0f} {middle:7.3f}   {low:.3f} to {high:.3f}", flush=True)


if __name__ == "__main__":
    main()
