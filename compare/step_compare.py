#!/usr/bin/env python3
"""A whole training step of each network in ringloom and in PyTorch, in turn, so that a machine whose speed drifts is
fair to both. `make compare-step` runs it; docs/bench.md says how to read it.

    compare/step_compare.py                                  all models, about a quarter of an hour on 2 cores
    compare/step_compare.py --models alexnet,googlenet --rounds 5

Every measurement is a fresh process (`ringloom bench step`, compare/pytorch/step.py) of a few steps. A round measures
ringloom, PyTorch in NCHW and PyTorch in channels_last; a format that is far behind after two rounds is not measured
again. What counts is the best step of all rounds. Needs `make build`, and Debian's python3-torch and libopenblas0-pthread (PyTorch on the
reference BLAS would be no fair peer).
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys

FORMATS = ("plain", "channels_last")
# A format is given up after so many rounds when its best step is slower than the other's by this factor.
BOTH_FORMATS, FAR_BEHIND = 2, 1.25
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", default="all", help="names separated by commas, or all")
    p.add_argument("--batch", type=int, default=0, help="images of a step (0: each model's usual number)")
    p.add_argument("--threads", type=int, default=os.cpu_count(), help="compute threads of both (default: all cores)")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--duration", type=float, default=3, help="seconds that each process measures, at least 3 steps")
    p.add_argument("--binary", default=os.path.join(ROOT, "bin", "ringloom"), help="ringloom to measure")
    p.add_argument("--ringloom-args", default="", help="further flags of `ringloom bench step`")
    p.add_argument("--python", default=os.environ.get("PYTHON", "/usr/bin/python3"), help="Python that has PyTorch")
    p.add_argument("--json", action="store_true", help="print one JSON object per line, one for each model")
    args = p.parse_args()
    if args.rounds < 1 or args.threads < 1 or args.batch < 0 or args.duration < 0:
        p.error("--rounds and --threads must be at least 1, --batch and --duration not negative")
    return args


def needs(args):
    """End with one line where something is missing; return PyTorch's version."""
    if not os.access(args.binary, os.X_OK):
        sys.exit(f"step_compare: {args.binary} is missing: run make build")
    try:
        version = subprocess.run([args.python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    except OSError as e:
        sys.exit(f"step_compare: --python {args.python}: {e.strerror}")
    if version.returncode:
        sys.exit(f"step_compare: {args.python} has no PyTorch: apt-get install python3-torch libopenblas0-pthread")
    blas = [os.path.realpath(f) for f in glob.glob("/usr/lib/*/libblas.so.3")]
    if blas and not any("openblas" in f for f in blas):
        sys.exit("step_compare: libblas is not OpenBLAS, and PyTorch would run on a slow reference BLAS: apt-get install libopenblas0-pthread")
    return version.stdout.strip()


def measure(command):
    """The last JSON line of a process; ends with its last word where it fails."""
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        said = (run.stderr.strip().splitlines() or ["no output"])[-1]
        raise RuntimeError(f"{os.path.basename(command[0])} ended with code {run.returncode}: {said}")
    return json.loads(run.stdout.strip().splitlines()[-1])


def best(runs):
    return max(r["images_per_second"] for r in runs)


def compare(args, model):
    """All rounds of a model: ringloom's runs, and PyTorch's by format."""
    ours, theirs = [], {f: [] for f in FORMATS}
    for i in range(args.rounds):
        ours.append(measure(
            [args.binary, "bench", "step", "--json", "--model", model, "--batch", str(args.batch), "--threads", str(args.threads),
             "--duration", f"{args.duration}s", *args.ringloom_args.split()]))
        for f in FORMATS:
            if i >= BOTH_FORMATS and best(theirs[f]) * FAR_BEHIND < max(best(runs) for runs in theirs.values()):
                continue
            theirs[f].append(measure(
                [args.python, os.path.join(ROOT, "compare", "pytorch", "step.py"), "--model", model, "--batch", str(ours[0]["batch"]),
                 "--threads", str(args.threads), "--duration", str(args.duration), "--format", f]))
        print(f"{model}, round {i + 1} of {args.rounds}: ringloom {best(ours[-1:]):.4g} images/s, PyTorch "
              + ", ".join(f"{best(runs[-1:]):.4g} {f}" for f, runs in theirs.items() if len(runs) > i), file=sys.stderr)
    return ours, theirs


def summary(args, model, ours, theirs, machine):
    """What the table and the JSON lines show of a model."""
    form = max(FORMATS, key=lambda f: best(theirs[f]))
    peer = theirs[form]
    median = lambda runs: statistics.median(r["images_per_second_median"] for r in runs)
    fractions = [r["peak_fraction"] for r in ours if r["peak_fraction"] is not None]
    return {
        "model": model, "batch": ours[0]["batch"], "threads": args.threads, "rounds": args.rounds,
        "precision": ours[0]["precision"], "data": ours[0]["data"],
        "images_per_second": best(ours), "images_per_second_median": median(ours),
        "pytorch_images_per_second": best(peer), "pytorch_images_per_second_median": median(peer), "pytorch_format": form,
        "pytorch_other_format_images_per_second": min(best(runs) for runs in theirs.values()),
        "ratio": best(ours) / best(peer), "ratio_median": median(ours) / median(peer),
        "peak_fraction": max(fractions, default=None),
        "peak_rss_bytes": max(r["peak_rss_bytes"] for r in ours), "pytorch_peak_rss_bytes": max(r["peak_rss_bytes"] for r in peer),
        **machine,
    }


HEADINGS = ("model", "batch", "PyTorch images/s", "format", "ringloom images/s", "ratio", "of medians", "of peak", "PyTorch MiB", "ringloom MiB")


def row(s):
    mib = lambda b: f"{b / 2**20:.0f}"
    speed = lambda name: f"{s[name]:.4g} ({s[name + '_median']:.4g})"
    return (s["model"], str(s["batch"]), speed("pytorch_images_per_second"), s["pytorch_format"], speed("images_per_second"),
            f"{s['ratio']:.2f}", f"{s['ratio_median']:.2f}", "unknown" if s["peak_fraction"] is None else f"{s['peak_fraction']:.0%}",
            mib(s["pytorch_peak_rss_bytes"]), mib(s["peak_rss_bytes"]))


def table(rows):
    widths = [max(len(r[i]) for r in (HEADINGS, *rows)) for i in range(len(HEADINGS))]
    for r in (HEADINGS, *rows):
        print("  ".join(c.ljust(w) if i in (0, 3) else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip())


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")


def main():
    args = arguments()
    pytorch = needs(args)
    version = subprocess.run([args.binary, "version"], capture_output=True, text=True).stdout.splitlines()[0]
    machine = {"cpu_model": cpu_model(), "ringloom_version": version, "pytorch_version": pytorch}
    if args.models == "all":
        listing = subprocess.run([args.binary, "models", "--json"], capture_output=True, text=True, check=True).stdout
        names = [json.loads(line)["model"] for line in listing.splitlines()]
    else:
        names = args.models.split(",")
    rows, failed = [], []
    for name in names:
        try:
            s = summary(args, name, *compare(args, name), machine)
        except RuntimeError as e:
            failed.append(f"{name}: {e}")
            print(f"step_compare: {failed[-1]}", file=sys.stderr)
            continue
        rows.append(row(s))
        if args.json:
            print(json.dumps(s), flush=True)
    if not args.json:
        print(f"\n{machine['cpu_model']}, {args.threads} threads; {version}; PyTorch {pytorch}")
        print(f"best step of {args.rounds} rounds (in brackets the median of the rounds' medians); memory at its peak\n")
        table(rows)
    if failed:
        sys.exit(f"step_compare: {len(failed)} of {len(names)} models were not compared")


if __name__ == "__main__":
    main()
