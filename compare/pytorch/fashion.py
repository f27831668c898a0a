"""Fashion-MNIST as ringloom sees it: the test set, resized as torchvision resizes PIL images, without PIL."""
import gzip
import os

import numpy as np
import torch

FOLDERS = (os.environ.get("RINGLOOM_DATA", ""), "/usr/share/datasets/fashion-mnist")


def read(name, skip):
    """The bytes of an IDX file after its header, compressed or not."""
    for folder in FOLDERS:
        path = os.path.join(folder, name)
        for open_file, end in ((gzip.open, ".gz"), (open, "")):
            if os.path.exists(path + end):
                with open_file(path + end, "rb") as f:
                    return np.frombuffer(f.read()[skip:], dtype=np.uint8)
    raise SystemExit(f"{name} is in none of {FOLDERS}: set RINGLOOM_DATA, or install dataset-fashion-mnist")


def weights(size, to):
    """The matrix [to, size] of one pass of PIL's bilinear filter, in its fixed point (22 bits)."""
    scale = size / to
    support = max(scale, 1)
    matrix = np.zeros((to, size), dtype=np.int64)
    for i in range(to):
        centre = (i + 0.5) * scale
        first, end = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), size)
        w = np.maximum(0, 1 - np.abs((np.arange(first, end) - centre + 0.5) / support))
        matrix[i, first:end] = np.floor(0.5 + w / w.sum() * (1 << 22))
    return matrix


def resize(images, to):
    """[n, side, side] bytes to [n, to, to] bytes: rows first, rounded, then columns."""
    if images.shape[-1] == to:
        return images
    # Sums stay below 2^53, so float64 products are exact, and fast.
    matrix = weights(images.shape[-1], to).astype(np.float64)
    shift = lambda sums: np.floor((sums + (1 << 21)) / (1 << 22))
    return shift(np.einsum("tr,nrc->ntc", matrix, shift(images.astype(np.float64) @ matrix.T), optimize=True)).astype(np.uint8)


def test_set():
    """Images [10000, 28, 28] as bytes, and labels."""
    images = read("t10k-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    return images, torch.from_numpy(read("t10k-labels-idx1-ubyte", 8).astype(np.int64))


def pixels(images, side):
    """[n, 1, side, side] floats from 0 to 1."""
    return torch.from_numpy(resize(images, side).astype(np.float32)).unsqueeze(1) / 255
