#!/usr/bin/env python3
"""Train a network with every wire format and gradient algorithm, and print what that does to its loss and accuracy, and
how many bytes it sends. `make compare-wire` runs it.

    compare/wire.py                                               lenet, an epoch with two processes
    compare/wire.py --model alexnet-small --lr 0.001 --max-steps 40      where PowerSGD has large weights to take
    compare/wire.py --ways "float32; --wire int8"                 some of them; a way is a set of flags of `ringloom train`

Needs `make build`. All runs start from the same parameters and take the same batches. Loss is the mean over the last
epoch; bytes are those that rank 0 sent in a step of it, frame headers included.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLOAT32 = "float32"  # the way that the others are compared with; it needs no flag
WAYS = [FLOAT32, "--wire bf16", "--wire fp16", "--wire int8", "--wire int8 --error-feedback off", "--shard-optimizer",
        "--shard-optimizer --wire bf16", "--powersgd 4", "--powersgd 4 --powersgd-start 100", "--powersgd 4 --wire bf16"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="lenet")
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--max-steps", type=int, default=0, help="end after so many steps (0: no limit)")
    p.add_argument("--batch", type=int, default=64, help="images of a step over all processes (default 64)")
    p.add_argument("--lr", type=float, default=2e-3, help="learning rate (default 0.002)")
    p.add_argument("--nproc", type=int, default=2, help="processes (default 2)")
    p.add_argument("--threads", type=int, default=0, help="compute threads of each process (0: the cores shared out)")
    p.add_argument("--seed", type=int, default=1, help="of the initial parameters and the order of the samples (default 1)")
    p.add_argument("--ways", metavar="FLAGS", default="; ".join(WAYS), help="what to compare, separated by ';'; float32 stands for no flags")
    p.add_argument("--json", metavar="FILE", help="write the figures, one object per line")
    p.add_argument("--binary", default=os.path.join(ROOT, "bin", "ringloom"), help="ringloom to run")
    p.add_argument("--ringloom-args", default="", help="further flags of `ringloom train`, for every way")
    args = p.parse_args()
    if min(args.epochs, args.nproc) < 1 or args.max_steps < 0 or args.threads < 0 or args.batch < args.nproc:
        p.error("--epochs and --nproc must be at least 1, --max-steps and --threads not negative, --batch at least --nproc")
    args.ways = [" ".join(w.split()) for w in args.ways.split(";") if w.strip()]
    if not args.ways:
        p.error("--ways names none: give flags of `ringloom train`, or float32")
    args.threads = args.threads or max(1, os.cpu_count() // args.nproc)
    return args


def train(args, way, record):
    """The record's last epoch, as figures."""
    command = [args.binary, "launch", "-n", str(args.nproc), "--threads", str(args.threads), "--", "--model", args.model,
               "--epochs", str(args.epochs), "--max-steps", str(args.max_steps), "--global-batch", str(args.batch), "--lr", str(args.lr),
               "--seed", str(args.seed), "--run-dir", record, "--offline", *args.ringloom_args.split()]
    if way != FLOAT32:
        command += way.split()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-3:])
        sys.exit(f"{said}\nwire: {way!r} ended with code {done.returncode}")
    with open(os.path.join(record, "metrics.jsonl")) as f:
        last = json.loads(f.readlines()[-1])
    return {"way": way, "model": args.model, "processes": args.nproc, "steps": last["step"], "loss": last["loss"],
            "last_step_loss": last["step_loss"][-1], "train_accuracy": last["train_accuracy"], "test_accuracy": last["test_accuracy"],
            "sent_bytes_per_step": last["ranks"][0]["sent_bytes"] / len(last["step_loss"])}


def main():
    args = arguments()
    print(f"{args.model}, {args.nproc} processes, batch {args.batch}, rate {args.lr}")
    print(f"{'way':34}{'loss':>8}{'train acc':>11}{'test acc':>10}{'KB sent a step':>16}{'of float32':>12}", flush=True)
    whole = None
    out = open(args.json, "w") if args.json else None
    with tempfile.TemporaryDirectory() as folder:
        for i, way in enumerate(args.ways):
            r = train(args, way, os.path.join(folder, str(i)))
            if way == FLOAT32:
                whole = r["sent_bytes_per_step"]
            share = f"{r['sent_bytes_per_step'] / whole:.3f}" if whole else "-"
            print(f"{way:34}{r['loss']:8.4f}{r['train_accuracy']:11.4f}{r['test_accuracy']:10.4f}{r['sent_bytes_per_step'] / 1e3:16.1f}{share:>12}", flush=True)
            if out:
                print(json.dumps(r), file=out)
    if out:
        out.close()


if __name__ == "__main__":
    main()
