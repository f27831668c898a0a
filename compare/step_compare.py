#!/usr/bin/env python3
"""A whole training step of each network in ringloom and in PyTorch: its speed, in turn, so that a machine whose speed drifts is
fair to both, and its error against float64. `make compare-step` runs it; docs/bench.md says how to read it.

    compare/step_compare.py                                  all models, about half an hour on 2 cores
    compare/step_compare.py --models alexnet,googlenet --rounds 5

Every measurement is a fresh process (`ringloom bench step`, compare/pytorch/step.py) of a few steps. A round measures
ringloom, ringloom with --precision strict, PyTorch in NCHW and PyTorch in channels_last; a format that is far behind after two rounds
is not measured again. What counts is the best step of all rounds. Each round has parameters of another seed; both programs measure their
error with these on the same images, each against its own float64, and what counts is the median of the rounds. Needs `make build`, and Debian's python3-torch and libopenblas0-pthread (PyTorch on the
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
TUNED, STRICT = "ringloom", "ringloom strict"
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


# Two float64 programs that compute the same step differ by less, relative to the loss.
SAME_LOSS = 1e-9


def check_same_step(model, ours, theirs):
    """What is compared must be one step: the float64 losses of both programs say whether it is."""
    a, b = ours["error"]["reference_loss"], theirs["error"]["reference_loss"]
    if not abs(a - b) <= SAME_LOSS * abs(b):
        raise RuntimeError(f"{model}: the step's loss is {a!r} in ringloom's float64 and {b!r} in PyTorch's: they compute different steps")


def best(runs):
    return max(r["images_per_second"] for r in runs)


def compare(args, model):
    """All rounds of a model by program: ringloom's runs, its strict ones, and PyTorch's by format."""
    runs = {name: [] for name in (TUNED, STRICT, *FORMATS)}
    for i in range(args.rounds):
        for name, precision in ((TUNED, "float32"), (STRICT, "strict")):
            images = runs[TUNED][-1]["error"]["images"] if runs[TUNED] else 0
            runs[name].append(measure(
                [args.binary, "bench", "step", "--json", "--model", model, "--batch", str(args.batch), "--threads", str(args.threads),
                 "--duration", f"{args.duration}s", "--seed", str(i + 1), "--error-images", str(images), "--precision", precision,
                 *args.ringloom_args.split()]))
        ours = runs[TUNED][-1]
        for f in FORMATS:
            if i >= BOTH_FORMATS and best(runs[f]) * FAR_BEHIND < max(best(runs[other]) for other in FORMATS):
                continue
            runs[f].append(measure(
                [args.python, os.path.join(ROOT, "compare", "pytorch", "step.py"), "--model", model, "--batch", str(ours["batch"]),
                 "--threads", str(args.threads), "--duration", str(args.duration), "--format", f, "--seed", str(i + 1),
                 "--error-images", str(ours["error"]["images"])]))
            check_same_step(model, ours, runs[f][-1])
        print(f"{model}, round {i + 1} of {args.rounds}, images/s: "
              + ", ".join(f"{name} {best(r[-1:]):.4g}" for name, r in runs.items() if len(r) > i), file=sys.stderr)
    return runs


def errors(runs):
    """The medians over the rounds."""
    median = lambda field: statistics.median(r["error"][field] for r in runs)
    return {"images": runs[0]["error"]["images"], **{f: median(f) for f in ("logits", "gradients", "largest_gradient", "median_gradient")}}


def summary(args, model, runs, machine):
    """What the table and the JSON lines show of a model."""
    form = max(FORMATS, key=lambda f: best(runs[f]))
    ours, strict, peer = runs[TUNED], runs[STRICT], runs[form]
    median = lambda runs: statistics.median(r["images_per_second_median"] for r in runs)
    memory = lambda runs: max(r["peak_rss_bytes"] for r in runs)
    fraction = lambda runs: max((r["peak_fraction"] for r in runs if r["peak_fraction"] is not None), default=None)
    return {
        "model": model, "batch": ours[0]["batch"], "threads": args.threads, "rounds": args.rounds,
        "precision": ours[0]["precision"], "data": ours[0]["data"],
        "images_per_second": best(ours), "images_per_second_median": median(ours),
        "strict_images_per_second": best(strict), "strict_images_per_second_median": median(strict),
        "pytorch_images_per_second": best(peer), "pytorch_images_per_second_median": median(peer), "pytorch_format": form,
        "pytorch_other_format_images_per_second": min(best(runs[f]) for f in FORMATS),
        "ratio": best(ours) / best(peer), "ratio_median": median(ours) / median(peer),
        "strict_ratio": best(strict) / best(peer), "strict_ratio_median": median(strict) / median(peer),
        "error": errors(ours), "strict_error": errors(strict), "pytorch_error": errors(peer),
        "peak_fraction": fraction(ours), "strict_peak_fraction": fraction(strict),
        "peak_rss_bytes": memory(ours), "strict_peak_rss_bytes": memory(strict), "pytorch_peak_rss_bytes": memory(peer),
        **machine,
    }


HEADINGS = ("model", "batch", "program", "images/s", "ratio", "of medians", "of peak", "MiB", "error: logits", "gradients", "largest", "images")
LEFT = ("model", "program")


def rows(s):
    """A model's rows of the table: PyTorch, ringloom, ringloom strict."""
    for program, prefix in ((f"PyTorch {s['pytorch_format']}", "pytorch_"), (TUNED, ""), (STRICT, "strict_")):
        of = lambda name: s.get(prefix + name)
        number = lambda v, form: "" if v is None else format(v, form)
        e = of("error")
        yield (s["model"], str(s["batch"]), program, f"{of('images_per_second'):.4g} ({of('images_per_second_median'):.4g})",
               number(of("ratio"), ".2f"), number(of("ratio_median"), ".2f"), number(of("peak_fraction"), ".0%"),
               f"{of('peak_rss_bytes') / 2**20:.0f}", f"{e['logits']:.1e}", f"{e['gradients']:.1e}", f"{e['largest_gradient']:.1e}",
               str(e["images"]))


def table(lines):
    widths = [max(len(r[i]) for r in (HEADINGS, *lines)) for i in range(len(HEADINGS))]
    for r in (HEADINGS, *lines):
        print("  ".join(c.ljust(w) if h in LEFT else c.rjust(w) for h, c, w in zip(HEADINGS, r, widths)).rstrip())


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
    lines, failed = [], []
    for name in names:
        try:
            s = summary(args, name, compare(args, name), machine)
        except RuntimeError as e:
            failed.append(f"{name}: {e}")
            print(f"step_compare: {failed[-1]}", file=sys.stderr)
            continue
        lines += rows(s)
        if args.json:
            print(json.dumps(s), flush=True)
    if not args.json:
        print(f"\n{machine['cpu_model']}, {args.threads} threads; {version}; PyTorch {pytorch}")
        print(f"best step of {args.rounds} rounds (in brackets the median of the rounds' medians), over PyTorch's; memory at its peak; "
              "errors against float64,\nrelative L2: of the logits, of all gradients, and of the parameter whose gradient is off most, "
              "medians of the rounds, on so many images\n")
        table(lines)
    if failed:
        sys.exit(f"step_compare: {len(failed)} of {len(names)} models were not compared")


if __name__ == "__main__":
    main()
