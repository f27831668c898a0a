"""Show that ringloom and PyTorch read each other's checkpoints and compute the same from them.

    make build
    OPENBLAS_CORETYPE=Cooperlake python3 compare/pytorch/check_checkpoint.py [--models lenet googlenet-bn] [--images 10000]

For each model: (a) ringloom trains some steps; PyTorch loads its checkpoint with strict=True, and the logits on the
test set, and the accuracy, must be those of `ringloom evaluate`. (b) PyTorch trains some steps of its own and writes a
checkpoint; `ringloom evaluate` must compute PyTorch's logits and accuracy. Logits may differ by 1e-4 of the largest.
Exit status 1 where they differ by more.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

import fashion
import models
from state_dict import load_safetensors, save_safetensors

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
TOLERANCE = 1e-4


def ringloom(args, *words):
    """Run ringloom and return its standard output."""
    done = subprocess.run([args.ringloom, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout.strip()


def forward(net, x, batch=50):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(part) for part in x.split(batch)])


def compare(args, direction, name, net, checkpoint, x, labels):
    """Evaluate checkpoint with ringloom and compare with net, which has the same parameters."""
    path = os.path.join(args.folder, "logits.npy")
    print(" ", ringloom(args, "evaluate", "--model", name, "--init", checkpoint, "--images", str(len(x)), "--logits", path,
                        "--device", args.device, "--offline"))
    got, want = torch.from_numpy(np.load(path)), forward(net, x)
    difference = ((got - want).abs().max() / want.abs().max()).item()
    right = [(logits.argmax(1) == labels).sum().item() for logits in (got, want)]
    fine = difference <= TOLERANCE and abs(right[0] - right[1]) <= len(x) // 1000
    print(f"  {direction}: logits differ by {difference:.1e} of the largest; right of {len(x)}: ringloom {right[0]}, "
          f"PyTorch {right[1]}: {'agrees' if fine else 'DIFFERS'}", flush=True)
    return fine


def from_ringloom(args, name, x, labels):
    run = os.path.join(args.folder, name)
    ringloom(args, "train", "--expect", "1", "--bind", "127.0.0.1:0", "--model", name, "--max-steps", str(args.taken),
             "--global-batch", str(args.batch), "--lr", str(args.lr), "--run-dir", run, "--device", args.device, "--offline")
    checkpoint = os.path.join(run, "final.safetensors")
    state, metadata = load_safetensors(checkpoint)
    net = models.build(name)
    net.load_state_dict(state, strict=True)
    counters = {v.item() for k, v in state.items() if k.endswith("num_batches_tracked")}
    print(f"  PyTorch loads {len(state)} tensors of {metadata['model']}, step {metadata['step']}")
    if counters - {args.taken}:
        print(f"  num_batches_tracked is {counters}, not {args.taken}")
        return False
    return compare(args, "ringloom -> PyTorch", name, net, checkpoint, x, labels)


def from_pytorch(args, name, x, labels):
    """It trains on the test images, to have any parameters at all: no accuracy of it means anything."""
    torch.manual_seed(1)
    net = models.build(name)
    optimizer = torch.optim.Adam(net.parameters(), lr=args.lr)
    for first in range(0, args.taken * args.batch, args.batch):
        optimizer.zero_grad()
        at = torch.arange(first, first + args.batch) % len(x)
        torch.nn.functional.cross_entropy(net(x[at]), labels[at]).backward()
        optimizer.step()
    checkpoint = os.path.join(args.folder, name + ".safetensors")
    save_safetensors(net.state_dict(), checkpoint)
    return compare(args, "PyTorch -> ringloom", name, net, checkpoint, x, labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["lenet", "googlenet-bn"], choices=list(models.MODELS), metavar="MODEL")
    parser.add_argument("--images", type=int, default=10000, help="of the test set")
    parser.add_argument("--steps", type=int, default=0, help="of training before each comparison (0: 8, of lenet 400)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--device", default="auto", help="ringloom's")
    parser.add_argument("--only", choices=["ringloom", "pytorch"], help="who writes; default both in turn")
    parser.add_argument("--ringloom", default=os.path.join(ROOT, "bin/ringloom"), help="the program")
    args = parser.parse_args()
    images, labels = fashion.test_set()
    labels = labels[:args.images]
    fine = True
    for name in args.models:
        print(name, flush=True)
        args.taken = args.steps or (400 if name == "lenet" else 8)  # lenet knows nothing after so few
        x = fashion.pixels(images[:args.images], models.side(name))
        with tempfile.TemporaryDirectory() as args.folder:
            if args.only != "pytorch":
                fine &= from_ringloom(args, name, x, labels)
            if args.only != "ringloom":
                fine &= from_pytorch(args, name, x, labels)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
