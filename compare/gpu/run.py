#!/usr/bin/env python3
"""All that needs a GPU, in one go: the tests, a loss curve, two ranks on a card, training steps beside PyTorch's, epochs.
`make gpu-kit` puts what it needs into one folder; docs/gpu.md says how to use it and how to read the table.

    tar xf ringloom-gpu-kit.tar.gz && cd ringloom-gpu-kit
    python3 compare/gpu/run.py --results results --minutes 9 --only machine,ring,curve,tests
    python3 compare/gpu/run.py --results results --minutes 9 --only epochs,steps --continue      again, until nothing is out of time

The machine needs a driver, CUDA 12 or 13, cuDNN, and for the comparison a Python with PyTorch, whose own copies of
NVIDIA's libraries are found. It needs neither Go nor a network. Runs with the same --results make one table. A step that
fails or takes too long is a line of it, and the next one goes on. Exit status 1 where something is not ok.
"""
import argparse
import os
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import checks
import machine
import speed
from record import NOT_OK, NOT_RUN, Record

PARTS = {"machine": checks.devices, "tests": checks.tests, "curve": checks.curve, "ring": checks.ring, "steps": speed.steps, "epochs": speed.epochs}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas, in their order (default: all: %(default)s)")
    p.add_argument("--quick", action="store_true", help="short tests; of the steps tf32, batch 128, two rounds, no autotuning")
    p.add_argument("--results", default="results", metavar="FOLDER", help="where log and table go (default: results)")
    p.add_argument("--minutes", type=float, default=60, help="start nothing that cannot end within so many minutes (default 60)")
    p.add_argument("--continue", dest="resume", action="store_true", help="measure only what the results lack")
    p.add_argument("--models", default="", help="only these, of steps and epochs; separated by commas")
    p.add_argument("--batches", default="", help="of the steps (default 128,512)")
    p.add_argument("--precisions", default="", help="of the steps (default tf32,bf16)")
    p.add_argument("--modes", default="", help=f"of torch.compile, for the steps (default {speed.GRAPHS},{speed.AUTOTUNED})")
    p.add_argument("--rounds", type=int, default=0, help="of the steps (default 3)")
    p.add_argument("--device", default="cuda:0", help="ringloom's GPU (default cuda:0)")
    p.add_argument("--python", default=sys.executable, help="Python that has PyTorch (default: this one)")
    p.add_argument("--pytorch-device", default="cuda", help="cpu tries this script where there is no GPU (default cuda)")
    p.add_argument("--emulator", action="store_true", help="try this script on the emulator, with few steps of lenet; needs the sources, Go and g++")
    args = p.parse_args()
    unknown = [part for part in args.only.split(",") if part not in PARTS]
    if unknown:
        p.error(f"--only {unknown[0]}: choose from {', '.join(PARTS)}")
    if args.minutes <= 0 or args.rounds < 0:
        p.error("--minutes must be positive, --rounds not negative")
    return args


class Kit:
    """What is run, and how much of it."""

    # Plainer settings of ringloom, for where it fails with its usual ones.
    WORKAROUNDS = ({"RINGLOOM_CUDA_EAGER": "1"}, {"RINGLOOM_CUDNN_LEGACY": "1"}, {"RINGLOOM_CUDA_EAGER": "1", "RINGLOOM_CUDNN_LEGACY": "1"})
    PLAINEST = WORKAROUNDS[-1]

    def __init__(self, args):
        words = lambda text: [w for w in text.split(",") if w]
        self.root = os.path.dirname(os.path.dirname(HERE))
        self.binary = os.path.join(self.root, "bin", "ringloom")
        self.python, self.device, self.pytorch_device = args.python, args.device, args.pytorch_device
        self.on_gpu = args.pytorch_device.startswith("cuda")
        self.emulated, self.quick, self.resume = args.emulator, args.quick or args.emulator, args.resume
        self.models, self.rounds = words(args.models), args.rounds or (2 if self.quick else 3)
        self.modes = words(args.modes) or [speed.GRAPHS, *([] if self.quick else [speed.AUTOTUNED])]
        self.batches = [int(b) for b in words(args.batches)] or [128, *([] if self.quick else [512])]
        self.precisions = words(args.precisions) or ["tf32", *([] if args.quick else ["bf16"])]
        self.ringloom_steps, self.pytorch_steps = ["--duration", "2s"], ["--duration", "1"]  # ringloom's begins with its first steps
        self.max_steps, self.least_seconds = 0, 90
        if args.emulator:
            self.models, self.batches = self.models or ["lenet"], [4]
            self.ringloom_steps, self.pytorch_steps = ["--steps", "2"], ["--steps", "2"]
            self.max_steps, self.least_seconds = 2, 5
        self.notes, self.workaround = [], {}

    def environment(self):
        env, self.notes = (machine.emulator_environment(self.root), []) if self.emulated else machine.gpu_environment(self.python)
        data = machine.data_folder(self.root)
        if data:
            env["RINGLOOM_DATA"] = data
        else:
            self.notes.append("Fashion-MNIST is in no folder: steps take random pixels, training fails")
        return env

    @staticmethod
    def spell(workaround):
        return " ".join(f"{k}={v}" for k, v in workaround.items())

    def adopt(self, record, workaround):
        """Use a workaround from now on, in later runs with these results too."""
        self.workaround = workaround
        record.save("workaround.jsonl", [workaround])


def run(record, kit, parts):
    for part in parts:
        if part in ("curve", "ring", "steps", "epochs") and checks.dead(record):
            record.add(part, "all", "figures", "no step of training works: see machine", NOT_RUN)
            continue
        try:
            PARTS[part](record, kit)
        except Exception as e:  # the next part may tell more
            record.say(traceback.format_exc())
            record.add(part, "the script itself", "no error", f"{type(e).__name__}: {e}", NOT_OK)


def main():
    args = arguments()
    kit = Kit(args)
    if not os.access(kit.binary, os.X_OK):
        sys.exit(f"run.py: {kit.binary} is missing: run make gpu-kit, and this script from its folder")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    record = Record(os.path.abspath(args.results), 60 * args.minutes, kit.environment(), args.emulator or not kit.on_gpu)
    record.tables.append(lambda: speed.steps_table(record))
    kit.workaround = next(iter(record.load("workaround.jsonl")), {})
    try:
        with open(record.path("environment.txt"), "a", encoding="utf-8", errors="replace") as f:
            f.write(time.strftime("%Y-%m-%d %H:%M:%S ") + " ".join(sys.argv) + "\n")
            f.writelines(f"  {line}\n" for line in machine.describe(record.environment, kit.python))
            f.writelines(f"  {k}={v}\n" for k, v in sorted(record.environment.items()) if k.startswith(("RINGLOOM_", "CUDA_", "LD_LIBRARY_PATH")))
        record.run("nvidia-smi", ["nvidia-smi"], 20)
        run(record, kit, args.only.split(","))
        print("\n" + record.table(), flush=True)
    finally:
        record.close()
    sys.exit(any(r["verdict"] == NOT_OK for r in record.rows))


if __name__ == "__main__":
    main()
