"""How far a training step's logits and gradients are off from those of float64: the peer of what `ringloom bench step` measures.

The parameters are those that ringloom has from a seed, the images the first of Fashion-MNIST resized as ringloom does, so that both
measure against the same numbers; reference_loss shows that they do. Dropout is left out. An error is the norm of the difference over
the norm of what is right (relative L2).
"""
import contextlib
import copy
import statistics

import numpy as np
import torch
from torch import nn

import fashion
from check_golden import unit

# The norm of a bias's gradient, relative to that of its layer's weights, below which it is zero but for rounding: as before batch norm.
ZERO_GRADIENT = 1e-9
U64 = (1 << 64) - 1


def mix(x):
    """splitmix64's number at counter x."""
    x = (x + 0x9E3779B97F4A7C15) & U64
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & U64
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & U64
    return x ^ x >> 31


def init(net, seed):
    """Set the parameters to those that ringloom starts from with --seed."""
    i = 0
    for layer in net.modules():
        for kind, value in layer.named_parameters(recurse=False):
            with torch.no_grad():
                if isinstance(layer, nn.BatchNorm2d):
                    value.fill_(1 if kind == "weight" else 0)
                else:
                    u = unit(mix((mix(seed) + i) & U64), value.numel())
                    bound = 1 / np.sqrt(np.float64(layer.weight[0].numel()))
                    value.copy_(torch.from_numpy((bound * u).astype(np.float32)).view(value.shape))
            i += 1


def first_images(n, side):
    """The first n training images [n, 1, side, side] and their labels."""
    images = fashion.read("train-images-idx3-ubyte", 16)[:n * 28 * 28].reshape(-1, 28, 28)
    labels = fashion.read("train-labels-idx1-ubyte", 8)[:n]
    return fashion.pixels(images, side), torch.from_numpy(labels.astype(np.int64))


def passes(net, x, y):
    """Loss and logits of one step; the gradients stay in net."""
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0
    logits = net.train()(x)
    loss = nn.functional.cross_entropy(logits, y)
    loss.backward()
    return loss.item(), logits.detach()


def relative(off, right):
    """Of two sums of squares; that of a zero that is one is 0."""
    return (off / right) ** 0.5 if off else 0.0


def measure(net, seed, images, side, memory_format=torch.contiguous_format, device="cpu", precision=contextlib.nullcontext()):
    """What bench step's `error` has, for a network of float32 on the CPU, which is moved to the device and set to other parameters."""
    init(net, seed)
    x, y = first_images(images, side)
    exact = copy.deepcopy(net).cpu().double()
    loss, right = passes(exact, x.double(), y)
    net = net.to(memory_format=memory_format).to(device)
    with precision:
        _, got = passes(net, x.to(device).to(memory_format=memory_format), y.to(device))
    squares = lambda t: t.double().square().sum().item()
    errors, off, whole, before = [], 0.0, 0.0, None
    for (name, p), q in zip(net.named_parameters(), exact.parameters()):
        d, w = squares(p.grad.cpu().double() - q.grad), squares(q.grad)
        off, whole, scale = off + d, whole + w, w
        if name.endswith("bias") and w < ZERO_GRADIENT ** 2 * before[0]:
            scale = before[0] * p.numel() / before[1]
        errors.append((relative(d, scale), name))
        before = w, p.numel()
    largest, name = max(errors)
    return {
        "images": images, "logits": relative(squares(got.cpu().double() - right), squares(right)), "gradients": relative(off, whole),
        "largest_gradient": largest, "largest_gradient_parameter": name, "median_gradient": statistics.median(e for e, _ in errors),
        "reference_loss": loss,
    }
