"""One training step of a network in PyTorch: the peer of `ringloom bench step`, with the same fields in its output.

    python3 compare/pytorch/step.py --model alexnet --batch 128 --threads 2 --format both

Forward, cross-entropy, backward and Adam on the first images of Fashion-MNIST, resized ahead (random pixels where the
data set is not found), in NCHW ("plain") or channels_last. Prints a JSON line a format. With both formats the second
one's peak_rss_bytes contains the first's: run them apart to compare memory.

    python3 compare/pytorch/step.py --model alexnet --batch 128 --device cuda --precision bf16 --format channels_last --mode reduce-overhead

On a GPU the images lie in its memory before the clock starts, cuDNN tries its algorithms (cudnn.benchmark), Adam is
fused, and nothing is read back within a round of ROUND_STEPS steps; a time is a round's mean. --mode is eager or one
of torch.compile's. --serve takes several modes, separated by commas: it prepares each, says so in a JSON line, and
then measures the mode that each line of its standard input names. With it --format best is the format in which the
first mode, which should be eager, is faster.

With --error-images the output has `error`, as that of `ringloom bench step` (error.py).
"""
import argparse
import gc
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
parser.add_argument("--format", choices=("plain", "channels_last", "both", "best"), default="both")
parser.add_argument("--device", default="cpu", help="PyTorch's: cpu, cuda, cuda:1")
parser.add_argument("--precision", choices=("float32", "tf32", "bf16"), default="float32", help="tf32 is a GPU's; bf16 is autocast's")
parser.add_argument("--mode", default="eager", help="eager, or a mode of torch.compile such as default or reduce-overhead")
parser.add_argument("--serve", action="store_true", help="measure one of several modes for each line of standard input")
parser.add_argument("--steps", type=int, default=0, help="steps to measure (0: as many as --duration allows, at least 3)")
parser.add_argument("--duration", type=float, default=5, help="seconds to measure for, unless --steps is given")
parser.add_argument("--error-images", type=int, default=0, help="images by which the error against float64 is measured (0: it is not)")
parser.add_argument("--seed", type=int, default=1, help="ringloom's seed of the parameters that the error is measured with")
parser.add_argument("--data", default=os.environ.get("RINGLOOM_DATA", "/usr/share/datasets/fashion-mnist"))
args = parser.parse_args()

# All are read when the libraries are loaded.
if args.device == "cpu":
    # OpenBLAS 0.3.21 does not know every processor with AVX-512; one without this core says so and chooses for itself.
    os.environ.setdefault("OPENBLAS_CORETYPE", "Cooperlake")
else:
    # Autotuning must not choose Triton's convolutions: in 2.11, among others, some that are not 1x1 compute something else
    # (PyTorch's issue 173068, settled in May 2026).
    os.environ.setdefault("TORCHINDUCTOR_MAX_AUTOTUNE_CONV_BACKENDS", "ATEN")
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)

import torch
from torch import nn

import error
import models

BATCHES, MIN_STEPS, CLASSES = 4, 3, 10
DEVICE_TYPE = torch.device(args.device).type
GPU = DEVICE_TYPE == "cuda"
# A GPU works off steps while the next are given to it, so that they are timed in rounds; torch.compile records its
# graphs in the first steps. Before it is measured again a GPU that has rested, or worked for others, takes RESUME steps.
WARM_UP, ROUND_STEPS, RESUME = (12, 20, 5) if GPU else (1, 1, 0)


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
    """In bytes, or None: not every sandbox has the line."""
    with open("/proc/self/status") as f:
        return next((1024 * int(line.split()[1]) for line in f if line.startswith("VmHWM:")), None)


class Training:
    """A network with its optimizer and batches; what counts is that run(n) takes n steps."""

    def __init__(self, memory_format, mode):
        self.format, self.mode, self.taken, self.losses = memory_format, mode, 0, []
        torch.manual_seed(1)
        net = models.build(args.model)
        self.batches, self.data = load(models.side(args.model))
        if memory_format == "channels_last":
            net = net.to(memory_format=torch.channels_last)
            self.batches = [(x.to(memory_format=torch.channels_last), y) for x, y in self.batches]
        self.batches = [(x.to(args.device), y.to(args.device)) for x, y in self.batches]
        self.net = net.to(args.device).train()
        # foreach=True was measured too on the CPU: the same to 2%.
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3, **({"fused": True} if GPU else {}))
        self.criterion = nn.CrossEntropyLoss()
        self.loss = self.forward
        if mode != "eager":
            if not hasattr(torch, "compile"):
                raise RuntimeError(f"PyTorch {torch.__version__} has no torch.compile")
            self.loss = torch.compile(self.forward, mode=mode, dynamic=False)
        self.run(1)  # whose loss is the first
        self.run(WARM_UP)

    def forward(self, x, y):
        if args.precision != "bf16":
            return self.criterion(self.net(x), y)
        with torch.autocast(DEVICE_TYPE, dtype=torch.bfloat16):
            return self.criterion(self.net(x), y)

    def run(self, steps):
        """The seconds of a step, on average. Its last loss is read."""
        begin = time.perf_counter()
        for _ in range(steps):
            x, y = self.batches[self.taken % len(self.batches)]
            self.taken += 1
            if self.mode != "eager":
                torch.compiler.cudagraph_mark_step_begin()
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(x, y)
            loss.backward()
            self.optimizer.step()
        self.losses.append(loss.item())
        if GPU:
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / steps

    def measure(self):
        round_steps = min(ROUND_STEPS, args.steps or ROUND_STEPS)
        if RESUME:
            self.run(RESUME)
        seconds, begin = [], time.perf_counter()
        while True:
            measured = round_steps * len(seconds)
            if measured >= (args.steps or MIN_STEPS) and (args.steps or time.perf_counter() - begin >= args.duration):
                break
            seconds.append(self.run(round_steps))
        best, median = min(seconds), statistics.median(seconds)
        return {
            "model": args.model, "batch": args.batch, "device": args.device, "device_description": describe(),
            "format": self.format, "mode": self.mode, "threads": args.threads, "precision": args.precision, "data": self.data,
            "parameters": sum(p.numel() for p in self.net.parameters()), "steps": measured, "round_steps": round_steps,
            "images_per_second": args.batch / best, "images_per_second_median": args.batch / median,
            "step_seconds": best, "step_seconds_median": median, "peak_rss_bytes": peak_rss(),
            "gpu_bytes": torch.cuda.max_memory_reserved(args.device) if GPU else None,
            "first_loss": self.losses[0], "last_loss": self.losses[-1],
        }


def describe():
    if not GPU:
        return f"PyTorch {torch.__version__}"
    return (f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, "
            f"{torch.cuda.get_device_name(args.device)}")


def say(**values):
    print(json.dumps(values), flush=True)


def measure_error(memory_format):
    """Against PyTorch's own float64, from ringloom's parameters and images; None where nobody asks for it."""
    if not args.error_images:
        return None
    bf16 = {"precision": torch.autocast(DEVICE_TYPE, dtype=torch.bfloat16)} if args.precision == "bf16" else {}
    layout = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
    return error.measure(models.build(args.model), args.seed, args.error_images, models.side(args.model), layout, args.device, **bf16)


def fastest(mode):
    """The mode in the memory format in which it is faster."""
    both = [Training(f, mode) for f in ("channels_last", "plain")]
    return min(both, key=lambda t: min(t.run(ROUND_STEPS) for _ in range(2)))


def serve(memory_format):
    """Prepare every mode, and measure one for each line of standard input. A mode that fails says so."""
    trainings = {}
    for mode in args.mode.split(","):
        try:
            trainings[mode] = fastest(mode) if memory_format == "best" else Training(memory_format, mode)
            memory_format = trainings[mode].format
            say(mode=mode, format=memory_format, ready=True)
        except Exception as e:  # compilers raise what they like
            say(mode=mode, error=f"{type(e).__name__}: {e}")
        gc.collect()
        if GPU:
            torch.cuda.empty_cache()  # what cuDNN's trials took, others may need
    say(prepared=True)
    for line in sys.stdin:
        try:
            say(**trainings[line.strip()].measure())
        except Exception as e:
            say(mode=line.strip(), error=f"{type(e).__name__}: {e}")


if args.model not in models.MODELS:
    sys.exit(f"step.py: unknown model {args.model!r}: choose one of {', '.join(sorted(models.MODELS))}")
if args.batch < 1 or args.threads < 1 or args.steps < 0 or args.duration < 0 or args.error_images < 0:
    sys.exit("step.py: --batch and --threads must be at least 1, --steps, --duration and --error-images not negative")
if args.precision == "tf32" and not GPU:
    sys.exit("step.py: --precision tf32 needs --device cuda")
if args.format == "both" if args.serve else args.format == "best":
    sys.exit("step.py: --format best is for --serve, both for a single mode")
torch.set_num_threads(args.threads)
if GPU:
    torch.backends.cudnn.benchmark = True
    # PyTorch has an old and a new setting for this. From 2.9 on torch.compile reads either, and fails where they differ.
    # These two lines, in this order, set both to the same.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision != "float32"
    if hasattr(torch.backends.cudnn, "fp32_precision"):
        torch.backends.cudnn.fp32_precision = "ieee" if args.precision == "float32" else "tf32"
if args.serve:
    serve(args.format)
    sys.exit()
for memory_format in ("plain", "channels_last") if args.format == "both" else (args.format,):
    say(**Training(memory_format, args.mode).measure(), error=measure_error(memory_format))
