#!/usr/bin/env python3
"""Kill ranks of an elastic launch at random, and say what that has cost.

A rank of `ringloom launch -n N --elastic` gets SIGKILL every so many seconds, and the launcher starts it again. Printed are
the others' pauses beyond a step at deaths and joins, whether every epoch counted every sample once, and the test accuracy
beside that of the same run undisturbed (--reference runs it afterwards).

    compare/kills.py --minutes 10 --every 15 --epochs 500 --reference
"""

import argparse
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time

SAMPLES, BATCH = 60000, 256


def children(pid):
    out = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    return [int(p) for p in out.split()]


def run(program, folder, args, train, every=0.0, seconds=0.0, seed=1):
    """Trains, killing a rank every so often for so long, and returns standard output and error and the number of kills."""
    folder.mkdir()
    command = [program, "launch", *args, "--", *train, "--log", "json"]
    kills, draw = 0, random.Random(seed)
    with open(folder / "out", "w") as out, open(folder / "err", "w") as err:
        job = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)
        try:
            end, due = time.monotonic() + seconds, time.monotonic() + 12
            while job.poll() is None:
                time.sleep(0.05)
                if every and due <= time.monotonic() < end:
                    due += every
                    ranks = children(job.pid)
                    if ranks:
                        os.kill(draw.choice(ranks), signal.SIGKILL)
                        kills += 1
        finally:
            if job.poll() is None:
                job.send_signal(signal.SIGINT)
                job.wait()
    if job.returncode != 0:
        raise SystemExit(f"the launch ended with {job.returncode}: see {folder}/err")
    return (folder / "out").read_text(), (folder / "err").read_text(errors="replace"), kills


def quantiles(pauses):
    if not pauses:
        return "none"
    v = sorted(pauses)
    at = lambda p: v[min(len(v) - 1, int(p * len(v)))]
    return f"{len(v)}; pause beyond a step: median {at(0.5)} ms, 90% {at(0.9)} ms, most {v[-1]} ms"


def audit(folder):
    """The number of epochs, and of those that did not count each sample once."""
    lines = [json.loads(l) for f in folder.glob("runs/*/metrics.jsonl") for l in f.read_text().splitlines()]
    steps = (SAMPLES - 1) // BATCH + 1
    wrong = sum(sum(r["samples"] for r in l["ranks"]) != SAMPLES or len(l["step_loss"]) != steps for l in lines)
    if [l["epoch"] for l in lines] != list(range(1, len(lines) + 1)):
        raise SystemExit(f"the epochs of {folder} are not one after the other")
    return len(lines), wrong


def accuracy(out):
    return float(re.search(r"final test acc ([0-9.]+)", out).group(1))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="bin/ringloom")
    p.add_argument("--ranks", type=int, default=4)
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--every", type=float, default=15, help="seconds between two kills")
    p.add_argument("--epochs", type=int, default=500)
    p.add_argument("--seed", type=int, default=1, help="of whom to kill")
    p.add_argument("--reference", action="store_true", help="train undisturbed as well")
    a = p.parse_args()
    program = str(pathlib.Path(a.program).resolve())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ringloom-kills-"))
    train = ["--epochs", str(a.epochs), "--global-batch", str(BATCH)]
    args = ["-n", str(a.ranks), "--threads", "1"]
    out, err, kills = run(program, folder / "kills", [*args, "--elastic", "--max-restarts", "1000"], train, a.every, 60 * a.minutes, a.seed)
    deaths, joins = [], []
    for what, pause in re.findall(r'"msg":"([^"]*), 0 samples lost, pause (\d+) ms"', err):
        (deaths if "rank" in what.split(" at step")[0] and "joined" not in what else joins).append(int(pause))
    epochs, wrong = audit(folder / "kills")
    print(f"{kills} kills of {a.ranks} ranks, one every {a.every:g} s; record in {folder}")
    print("deaths:", quantiles(deaths))
    print("joins: ", quantiles(joins))
    print(f"epochs: {epochs}, of which {wrong} did not count each of {SAMPLES} samples once")
    print(f"final test accuracy: {accuracy(out):.3f}")
    if a.reference:
        out, _, _ = run(program, folder / "reference", args, train)
        print(f"undisturbed:         {accuracy(out):.3f}")


if __name__ == "__main__":
    main()
