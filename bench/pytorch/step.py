"""One training step of a network in PyTorch: the peer of `ringloom bench step`, with the same fields in its output.

    python3 bench/pytorch/step.py --model alexnet --batch 128 --threads 2 --format both

Forward, cross-entropy, backward and Adam on the first images of Fashion-MNIST, resized ahead (random pixels where the
data set is not found), in NCHW ("plain") or channels_last. Prints a JSON line a format. With both formats the second
one's peak_rss_bytes contains the first's: run them apart to compare memory.
"""
import argparse
import gzip
import json
import os
import statistics
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", required=True)
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--format", choices=("plain", "channels_last", "both"), default="both")
parser.add_argument("--steps", type=int, default=0, help="steps to measure (0: as many as --duration allows, at least 3)")
parser.add_argument("--duration", type=float, default=5, help="seconds to measure for, unless --steps is given")
parser.add_argument("--data", default=os.environ.get("RINGLOOM_DATA", "/usr/share/datasets/fashion-mnist"))
args = parser.parse_args()

# All are read when the libraries are loaded. OpenBLAS 0.3.21 does not know every processor with AVX-512; one without
# this core says so and chooses for itself.
os.environ.setdefault("OPENBLAS_CORETYPE", "Cooperlake")
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)

import torch
from torch import nn

import models

BATCHES, WARM_UP, MIN_STEPS, CLASSES = 4, 1, 3, 10


def read(name, skip, count):
    """The first count bytes behind the header of an IDX file, or None where there is no such file."""
    for path, opener in ((os.path.join(args.data, name + ".gz"), gzip.open), (os.path.join(args.data, name), open)):
        if os.path.exists(path):
            with opener(path, "rb") as f:
                return torch.frombuffer(bytearray(f.read(skip + count)[skip:]), dtype=torch.uint8)
    return None


def load(side):
    """Up to BATCHES batches of images and labels, and what they are."""
    images = read("train-images-idx3-ubyte", 16, BATCHES * args.batch * 28 * 28)
    labels = read("train-labels-idx1-ubyte", 8, BATCHES * args.batch)
    if images is None or labels is None:
        images, labels = torch.rand(args.batch, 1, side, side), torch.randint(CLASSES, (args.batch,))
        return [(images, labels)], "random pixels"
    images = images.view(-1, 1, 28, 28).float() / 255
    if side != 28:
        images = nn.functional.interpolate(images, side, mode="bilinear", align_corners=False)
    return list(zip(images.split(args.batch), labels.long().split(args.batch))), "Fashion-MNIST"


def peak_rss():
    with open("/proc/self/status") as f:
        return next(1024 * int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def measure(memory_format):
    torch.manual_seed(1)
    net = models.build(args.model)
    batches, data = load(models.side(args.model))
    if memory_format == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        batches = [(x.to(memory_format=torch.channels_last), y) for x, y in batches]
    net.train()
    # foreach=True was measured too: the same to 2%.
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    seconds, losses = [], []
    begin = time.perf_counter()
    while True:
        if len(losses) == WARM_UP:
            begin = time.perf_counter()
        measured = len(losses) - WARM_UP
        if measured >= (args.steps or MIN_STEPS) and (args.steps or time.perf_counter() - begin >= args.duration):
            break
        x, y = batches[len(losses) % len(batches)]
        step_begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if measured >= 0:
            seconds.append(time.perf_counter() - step_begin)
    best, median = min(seconds), statistics.median(seconds)
    return {
        "model": args.model, "batch": args.batch, "device": "cpu", "device_description": f"PyTorch {torch.__version__}",
        "format": memory_format, "threads": args.threads, "precision": "float32", "data": data,
        "parameters": sum(p.numel() for p in net.parameters()), "steps": len(seconds),
        "images_per_second": args.batch / best, "images_per_second_median": args.batch / median,
        "step_seconds": best, "step_seconds_median": median, "peak_rss_bytes": peak_rss(),
        "first_loss": losses[0], "last_loss": losses[-1],
    }


if args.model not in models.MODELS:
    sys.exit(f"step.py: unknown model {args.model!r}: choose one of {', '.join(sorted(models.MODELS))}")
if args.batch < 1 or args.threads < 1 or args.steps < 0 or args.duration < 0:
    sys.exit("step.py: --batch and --threads must be at least 1, --steps and --duration not negative")
torch.set_num_threads(args.threads)
for memory_format in ("plain", "channels_last") if args.format == "both" else (args.format,):
    print(json.dumps(measure(memory_format)), flush=True)
