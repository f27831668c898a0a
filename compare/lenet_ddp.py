"""LeNet on Fashion-MNIST with PyTorch DistributedDataParallel over gloo: the peer that ringloom is compared with.

    python3 compare/lenet_ddp.py --nproc 2 --batch 256 --epochs 2

One thread a process, the whole data set in memory as one float tensor, Adam, the same global batches for everybody.
Prints one JSON line: images_per_second of all processes together over the last epoch's steps, in PyTorch's favour
without evaluation, checkpoint or log.
"""
import argparse
import gzip
import json
import os
import time

# One thread everywhere, as torchrun sets it: PyTorch's own backward thread and OpenBLAS would start more.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel


def read(folder, name, skip):
    path = os.path.join(folder, name)
    with gzip.open(path + ".gz", "rb") if os.path.exists(path + ".gz") else open(path, "rb") as f:
        return torch.frombuffer(bytearray(f.read()[skip:]), dtype=torch.uint8)


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2, 2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2, 2), nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10))


def work(rank, args, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=args.nproc)
    torch.manual_seed(1)
    images = read(args.data, "train-images-idx3-ubyte", 16).view(-1, 1, 28, 28).float() / 255
    labels = read(args.data, "train-labels-idx1-ubyte", 8).long()
    model = lenet()
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    ddp = DistributedDataParallel(model)
    optimizer = torch.optim.Adam(ddp.parameters(), lr=2e-3)
    loss = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))[rank::args.nproc]
        dist.barrier()
        start = time.perf_counter()
        for chunk in order.split(args.batch):
            optimizer.zero_grad(set_to_none=True)
            loss(ddp(images[chunk]), labels[chunk]).backward()
            optimizer.step()
        dist.barrier()
        seconds = time.perf_counter() - start
    if rank == 0:
        print(json.dumps({"images_per_second": round(len(images) / seconds)}), flush=True)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--nproc", type=int, default=2)
    p.add_argument("--batch", type=int, default=256, help="per process")
    p.add_argument("--epochs", type=int, default=2)
    p.add_argument("--data", default=os.environ.get("RINGLOOM_DATA", "/usr/share/datasets/fashion-mnist"))
    p.add_argument("--channels-last", action="store_true")
    args = p.parse_args()
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(work, args=(args, port), nprocs=args.nproc)
