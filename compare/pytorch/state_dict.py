"""Safetensors files without the package `safetensors`, for the scripts here.

The format is that package's: load_safetensors reads its save_file's files, its load_file reads save_safetensors'.
"""
import json
import struct

import torch

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def save_safetensors(tensors, path, metadata=None):
    """Write a state dict. metadata maps strings to strings."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    header, offset, data = {"__metadata__": {"format": "pt", **(metadata or {})}}, 0, []
    # The widest elements first, so that each tensor is aligned.
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        tensor = tensor.detach().cpu().contiguous()
        # By way of bytes, since NumPy has no bfloat16.
        data.append(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.dim() else tensor.numpy().tobytes())
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data[-1])]}
        offset += len(data[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for part in data:
            f.write(part)


def load_safetensors(path):
    """Return the state dict and the metadata."""
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(data[first:end]), dtype=DTYPES[entry["dtype"]]) if end > first else torch.empty(0)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata
