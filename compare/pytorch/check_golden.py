"""Show that models.py computes what the golden files say: one training step in float64.

    python3 compare/pytorch/check_golden.py [MODEL...]

Loss, logits, and of every parameter the norms of value and gradient are held to a relative 1e-7, dropout left out
and batch norm in training mode. Exit status 1 where one differs.
"""
import argparse
import gzip
import hashlib
import json
import os
import sys

import numpy as np
import torch
from torch import nn

import models

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/modelstest/testdata/golden")
TOLERANCE = 1e-7  # relative; the files hold nine digits


def unit(first, n):
    """n pseudo-random numbers of [-1, 1): splitmix64 of first, first+1 and so on."""
    x = np.arange(n, dtype=np.uint64) + np.uint64(first) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def fill(net, seed):
    """Set the parameters to the values that the golden files start from (rounded to float32)."""
    p = 0
    for layer in net.modules():
        for kind, value in layer.named_parameters(recurse=False):
            u = unit((seed << 48) + (p << 32), value.numel())
            if kind == "bias":
                u *= 0.1
            elif isinstance(layer, nn.BatchNorm2d):
                u = 1 + 0.1 * u
            else:
                u *= (6 / value[0].numel()) ** 0.5
            with torch.no_grad():
                value.copy_(torch.from_numpy(u.astype(np.float32)).view(value.shape))
            p += 1


def step(net, golden):
    """Loss and logits of one step; the gradients stay in net."""
    n, _, side, _ = golden["input"]
    with gzip.open(os.path.join(GOLDEN, f"resized-{side}.u8.gz")) as f:
        pixels = f.read()[:n * side * side]
    if hashlib.sha256(pixels).hexdigest() != golden["pixels_sha256"]:
        sys.exit(f"resized-{side}.u8.gz does not have the pixels of the golden file")
    x = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(n, 1, side, side)
    x = (x.float() / 255).double()  # the golden step saw pixels rounded to float32
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0
    logits = net(x)
    loss = nn.functional.cross_entropy(logits, torch.tensor(golden["labels"]))
    loss.backward()
    return loss.item(), logits.detach()


def differences(net, golden):
    """What differs, as (what, got, want), and the largest relative difference of all."""
    fill(net, golden["seed"])
    loss, logits = step(net, golden)
    pairs = [("loss", loss, golden["loss"])]
    scale = max(abs(v) for row in golden["logits"] for v in row)
    worst = (logits - torch.tensor(golden["logits"], dtype=torch.float64)).abs().max().item()
    pairs.append(("largest logit, and by how much one differs from it", scale + worst, scale))
    parameters = list(net.named_parameters())
    pairs.append(("number of parameter tensors", len(parameters), len(golden["params"])))
    largest = max(p["grad_l2"] for p in golden["params"])
    for (name, value), want in zip(parameters, golden["params"]):
        if list(value.shape) != want["shape"]:
            return [(f"shape of {name}", list(value.shape), want["shape"])], float("inf")
        pairs.append((f"norm of {name}", value.detach().norm().item(), want["value_l2"]))
        if want["grad_l2"] > 1e-10 * largest:  # a bias before a batch norm has no gradient but rounding
            pairs.append((f"gradient's norm of {name}", value.grad.norm().item(), want["grad_l2"]))
    relative = lambda got, want: abs(got - want) / abs(want)
    return ([p for p in pairs if not relative(*p[1:]) <= TOLERANCE], max(relative(*p[1:]) for p in pairs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kept = sorted(f[:-5] for f in os.listdir(GOLDEN) if f.endswith(".json"))
    parser.add_argument("models", nargs="*", default=kept, help="default: all that have a golden file")
    bad = False
    for name in parser.parse_args().models:
        with open(os.path.join(GOLDEN, name + ".json")) as f:
            golden = json.load(f)
        found, worst = differences(models.build(name).double(), golden)
        print(f"{name}: {'agrees' if not found else 'DIFFERS'}, largest relative difference {worst:.1e}", flush=True)
        for what, got, want in found[:5]:
            print(f"  {what}: {got}, the golden file has {want}")
        bad = bad or bool(found)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
