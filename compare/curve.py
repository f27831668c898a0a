#!/usr/bin/env python3
"""An epoch of a network in ringloom and in PyTorch DDP from the same parameters: loss, accuracy and speed beside each
other. `make compare-curve` runs it; docs/bench.md says what is the same in both.

    compare/curve.py --svg curve.svg --json curve.json                googlenet-bn, a whole epoch: the better part of half an hour on 2 cores
    compare/curve.py --max-steps 6 --every 2 --test-images 200        a short try

Needs `make build`, and Debian's python3-torch and libopenblas0-pthread. The two programs run one after the other, so
the seconds are a rough comparison; compare/step_compare.py is the fair one.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

from step_compare import ROOT, cpu_model, needs

# Both start from the same parameters and take the same batches, so their first losses differ by rounding alone.
FIRST_LOSS_TOLERANCE = 1e-3
COLOURS = {"ringloom": "#0b62a4", "PyTorch": "#d1495b"}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="googlenet-bn")
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--max-steps", type=int, default=0, help="end after so many steps (0: no limit)")
    p.add_argument("--batch", type=int, default=128, help="images of a step over all processes (default 128)")
    p.add_argument("--lr", type=float, default=1e-3, help="Adam's learning rate (default 0.001)")
    p.add_argument("--nproc", type=int, default=2, help="processes of each program (default 2)")
    p.add_argument("--threads", type=int, default=0, help="compute threads of each process (0: the cores shared out)")
    p.add_argument("--seed", type=int, default=1, help="of the initial parameters and the order of the samples (default 1)")
    p.add_argument("--every", type=int, default=50, help="steps that a line of the table is the mean of (default 50)")
    p.add_argument("--test-images", type=int, default=10000, help="evaluate on the first so many test images alone")
    p.add_argument("--skip-pytorch", action="store_true", help="ringloom alone, from its own initial parameters")
    p.add_argument("--json", metavar="FILE", help="write all figures as one JSON object")
    p.add_argument("--svg", metavar="FILE", help="write the plot")
    p.add_argument("--dir", help="folder for checkpoints and records (default: runs/curve-<time>-<model>)")
    p.add_argument("--binary", default=os.path.join(ROOT, "bin", "ringloom"), help="ringloom to run")
    p.add_argument("--ringloom-args", default="", help="further flags of `ringloom train`")
    p.add_argument("--python", default=os.environ.get("PYTHON", "/usr/bin/python3"), help="Python that has PyTorch")
    args = p.parse_args()
    if min(args.epochs, args.nproc, args.every, args.test_images) < 1 or args.max_steps < 0 or args.threads < 0 or args.batch < args.nproc:
        p.error("--epochs, --nproc, --every and --test-images must be at least 1, --max-steps and --threads not negative, --batch at least --nproc")
    args.threads = args.threads or max(1, os.cpu_count() // args.nproc)
    args.dir = args.dir or os.path.join("runs", f"curve-{time.strftime('%Y%m%d-%H%M%S')}-{args.model}")
    return args


def run(name, command, **options):
    """A program's standard output. What it says of itself goes to standard error at once."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **options)
    if done.returncode:
        sys.exit(f"curve: {name} ended with code {done.returncode}")
    return done.stdout


def pytorch_command(args, *words):
    return [args.python, os.path.join(ROOT, "compare", "pytorch", "train_ddp.py"), "--model", args.model, "--seed", str(args.seed), *words]


def train_ringloom(args, init):
    """ringloom's record of the run, and its final checkpoint evaluated on the test set."""
    record = os.path.join(args.dir, "ringloom")
    command = [args.binary, "launch", "-n", str(args.nproc), "--threads", str(args.threads), "--",
               "--model", args.model, "--epochs", str(args.epochs), "--max-steps", str(args.max_steps), "--optimizer", "adam",
               "--global-batch", str(args.batch), "--lr", str(args.lr), "--seed", str(args.seed), "--run-dir", record, "--offline"]
    if init:
        command += ["--init", init]
    print(run("ringloom", command + args.ringloom_args.split()), file=sys.stderr)
    with open(os.path.join(record, "metrics.jsonl")) as f:
        lines = [json.loads(line) for line in f]
    epochs = []
    for m in lines:
        images = sum(r["samples"] for r in m["ranks"])
        epochs.append({"epoch": m["epoch"], "images": images, "seconds": m["seconds"], "images_per_second": images / m["seconds"],
                       "loss": m["loss"], "train_accuracy": m["train_accuracy"], "test_accuracy": m["test_accuracy"]})
    said = run("ringloom evaluate", [args.binary, "evaluate", "--init", os.path.join(record, "final.safetensors"), "--model", args.model,
                                     "--images", str(args.test_images), "--offline"])
    evaluated = re.search(r"(\d+) test images, loss (\S+), accuracy (\S+)", said)
    if not evaluated:
        sys.exit(f"curve: ringloom evaluate said {said.strip()!r}, which is not understood")
    epochs[-1].update(test_loss=float(evaluated[2]), test_accuracy=float(evaluated[3]))
    version = subprocess.run([args.binary, "version"], capture_output=True, text=True).stdout.splitlines()[0]
    return {"version": version, "test_images": int(evaluated[1]), "step_loss": [l for m in lines for l in m["step_loss"]], "epochs": epochs}


def train_pytorch(args, init):
    words = ["--init", init, "--nproc", str(args.nproc), "--threads", str(args.threads), "--batch", str(args.batch), "--lr", str(args.lr),
             "--epochs", str(args.epochs), "--max-steps", str(args.max_steps), "--test-images", str(args.test_images)]
    result = json.loads(run("PyTorch", pytorch_command(args, *words)).splitlines()[-1])
    with open(os.path.join(args.dir, "pytorch.json"), "w") as f:
        json.dump(result, f)
    return result


def summarise(args, result):
    """Add what the table shows: means of --every steps, and the speed over all epochs."""
    losses, epochs = result["step_loss"], result["epochs"]
    result["steps"] = len(losses)
    result["mean_loss"] = [{"first_step": i + 1, "last_step": min(i + args.every, len(losses)),
                            "loss": sum(losses[i:i + args.every]) / len(losses[i:i + args.every])}
                           for i in range(0, len(losses), args.every)]
    result["seconds"] = sum(e["seconds"] for e in epochs)
    result["images_per_second"] = sum(e["images"] for e in epochs) / result["seconds"]
    return result


def table(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip())


def show(args, results):
    names = list(results)
    each = lambda word, value: [word, *(value(results[n]) for n in names)]
    table([["mean training loss of steps", *names],
           *([f"{w['first_step']} to {w['last_step']}", *(f"{results[n]['mean_loss'][i]['loss']:.4f}" for n in names)]
             for i, w in enumerate(results[names[0]]["mean_loss"])),
           each("first step's loss", lambda r: f"{r['step_loss'][0]:.6f}")])
    print()
    rows = [["", *names]]
    for i, e in enumerate(results[names[0]]["epochs"]):
        rows.append(each(f"epoch {e['epoch']}: training loss", lambda r: f"{r['epochs'][i]['loss']:.4f}"))
        rows.append(each("  training accuracy", lambda r: f"{r['epochs'][i]['train_accuracy']:.4f}"))
        rows.append(each("  test accuracy", lambda r: f"{r['epochs'][i]['test_accuracy']:.4f}"))
    rows.append(each(f"test loss at the end ({results[names[0]]['test_images']} images)", lambda r: f"{r['epochs'][-1]['test_loss']:.4f}"))
    rows.append(each("training seconds", lambda r: f"{r['seconds']:.1f}"))
    rows.append(each("images/s", lambda r: f"{r['images_per_second']:.1f}"))
    table(rows)
    if len(names) == 2:
        print(f"\nringloom's images/s are {results['ringloom']['images_per_second'] / results['PyTorch']['images_per_second']:.2f} times PyTorch's")


def ticks(lowest, highest, about):
    """Round values that span a range, some `about` of them."""
    step = 1e-9
    for step in (m * 10.0 ** e for e in range(-4, 7) for m in (1, 2, 5)):
        if (highest - lowest) / step <= about:
            break
    first = int(lowest // step)
    return [i * step for i in range(first, int(-(-highest // step)) + 1)]


class Panel:
    """A rectangle of the plot with its axes. Data coordinates go to pixels by x and y."""

    def __init__(self, left, top, width, height, xs, ys, title, x_label, y_label):
        self.left, self.top, self.width, self.height = left, top, width, height
        self.xs, self.ys = xs, ys
        mark = lambda v: f"{v:.4f}".rstrip("0").rstrip(".")
        middle = left + width / 2
        self.parts = [f'<text x="{middle}" y="{top - 14}" text-anchor="middle" font-weight="bold">{title}</text>',
                      f'<text x="{middle}" y="{top + height + 42}" text-anchor="middle">{x_label}</text>',
                      f'<text x="{left - 48}" y="{top + height / 2}" text-anchor="middle" transform="rotate(-90 {left - 48} {top + height / 2})">{y_label}</text>']
        for v in ys:
            self.parts += [f'<path d="M{left} {self.y(v):.1f}h{width}" stroke="#ddd"/>',
                           f'<text x="{left - 8}" y="{self.y(v) + 4:.1f}" text-anchor="end">{mark(v)}</text>']
        for v in xs:
            self.parts += [f'<path d="M{self.x(v):.1f} {top + height}v5" stroke="#444"/>',
                           f'<text x="{self.x(v):.1f}" y="{top + height + 20}" text-anchor="middle">{mark(v)}</text>']
        self.parts.append(f'<path d="M{left} {top}v{height}h{width}" fill="none" stroke="#444"/>')

    def x(self, v):
        return self.left + (v - self.xs[0]) / (self.xs[-1] - self.xs[0]) * self.width

    def y(self, v):
        return self.top + (self.ys[-1] - v) / (self.ys[-1] - self.ys[0]) * self.height

    def line(self, points, colour, style):
        self.parts.append(f'<polyline points="{" ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)}" '
                          f'fill="none" stroke="{colour}" stroke-linejoin="round" {style}/>')

    def dots(self, points, colour):
        self.parts += [f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in points]


def plot(args, results):
    """The SVG: loss over steps (faint each step, bold the means), and where there are several epochs their accuracies."""
    several = len(next(iter(results.values()))["epochs"]) > 1
    losses = [l for r in results.values() for l in r["step_loss"]]
    steps = max(r["steps"] for r in results.values())
    width, height, top, bottom = 1240 if several else 800, 460, 86, 60
    loss = Panel(80, top, 680, height - top - bottom, ticks(0, steps, 8), ticks(min(0, min(losses)), max(losses), 8),
                 f"loss (faint: each step; bold: mean of {args.every})", "step", "training loss (cross-entropy, nats)")
    panels = [loss]
    for name, r in results.items():
        loss.line(list(enumerate(r["step_loss"], 1)), COLOURS[name], 'stroke-width="1" opacity="0.3"')
    for name, r in results.items():
        means = [((w["first_step"] + w["last_step"]) / 2, w["loss"]) for w in r["mean_loss"]]
        loss.line(means, COLOURS[name], 'stroke-width="2.5"')
        loss.dots(means, COLOURS[name])
    if several:
        found = [e[k] for r in results.values() for e in r["epochs"] for k in ("train_accuracy", "test_accuracy")]
        accuracy = Panel(850, top, 360, height - top - bottom, list(range(1, args.epochs + 1)), ticks(min(found), max(found), 8),
                         "accuracy (bold: test; dashed: training)", "epoch", "fraction right")
        for name, r in results.items():
            accuracy.line([(e["epoch"], e["train_accuracy"]) for e in r["epochs"]], COLOURS[name], 'stroke-width="1.5" stroke-dasharray="5 4"')
            points = [(e["epoch"], e["test_accuracy"]) for e in r["epochs"]]
            accuracy.line(points, COLOURS[name], 'stroke-width="2.5"')
            accuracy.dots(points, COLOURS[name])
        panels.append(accuracy)
    key = []
    for i, (name, r) in enumerate(results.items()):
        y, last = top + 30 + 22 * i, r["epochs"][-1]
        key.append(f'<path d="M400 {y - 4}h28" stroke="{COLOURS[name]}" stroke-width="3"/><text x="436" y="{y}">{name}: '
                   f'test accuracy {last["test_accuracy"]:.4f}, {r["images_per_second"]:.0f} images/s</text>')
    heading = f"{args.model} on Fashion-MNIST: {args.nproc} processes, global batch {args.batch}, Adam, learning rate {args.lr:g}"
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
                      'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">',
                      f'<rect width="{width}" height="{height}" fill="#fff"/>',
                      f'<text x="{width / 2}" y="32" text-anchor="middle" font-size="16">{heading}</text>',
                      *(part for panel in panels for part in panel.parts), *key, "</svg>", ""])


def main():
    args = arguments()
    if not args.skip_pytorch:
        needs(args)
    elif not os.access(args.binary, os.X_OK):
        sys.exit(f"curve: {args.binary} is missing: run make build")
    if os.path.exists(os.path.join(args.dir, "ringloom")):
        sys.exit(f"curve: {args.dir} holds a comparison already: name another folder with --dir")
    os.makedirs(args.dir, exist_ok=True)
    init = None
    if not args.skip_pytorch:
        init = os.path.join(args.dir, "init.safetensors")
        run("PyTorch", pytorch_command(args, "--write-init", init))
    results = {"ringloom": summarise(args, train_ringloom(args, init))}
    if not args.skip_pytorch:
        results["PyTorch"] = summarise(args, train_pytorch(args, init))
    versions = "; ".join(r["version"] for r in results.values())
    print(f"{args.model}, {args.nproc} processes with {args.threads} compute thread(s) each, global batch {args.batch}, Adam, learning rate {args.lr:g}")
    print(f"{cpu_model()}; {versions}; records in {args.dir}\n")
    show(args, results)
    if args.json:
        settings = {k: getattr(args, k) for k in ("model", "nproc", "threads", "batch", "lr", "seed", "every")}
        with open(args.json, "w") as f:
            json.dump({**settings, "cpu_model": cpu_model(), **{n.lower(): r for n, r in results.items()}}, f, indent=1)
            f.write("\n")
    if args.svg:
        with open(args.svg, "w") as f:
            f.write(plot(args, results))
    first = [r["step_loss"][0] for r in results.values()]
    if not args.skip_pytorch and not results["PyTorch"]["dropout"] and abs(first[0] - first[1]) > FIRST_LOSS_TOLERANCE * first[1]:
        sys.exit(f"curve: the first losses are {first[0]:.6f} and {first[1]:.6f}: the two did not start from the same parameters and images")


if __name__ == "__main__":
    main()
