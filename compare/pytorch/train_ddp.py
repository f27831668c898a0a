"""Train a network on Fashion-MNIST with PyTorch DistributedDataParallel over gloo as `ringloom launch` trains it.

    python3 compare/pytorch/train_ddp.py --model googlenet-bn --write-init init.safetensors
    python3 compare/pytorch/train_ddp.py --model googlenet-bn --init init.safetensors --batch 128 --epochs 1
    python3 compare/pytorch/train_ddp.py --model lenet --batch 512 --epochs 2 --lr 0.002 --format plain --speed-only

compare/curve.py and compare/compare.sh run it beside ringloom. The same are the parameters at the start (--init), the pixels, the order of the
samples and each rank's part of them (ringloom's package shard, repeated here), Adam and its learning rate. Batch norm
takes each rank's own moments, as both programs do by default. Images are resized before the clock starts.
Prints one JSON line: the loss of each step (mean over the global batch, in nats), and what each epoch came to; with
--speed-only the images/s of all processes together over the last epoch.
"""
import argparse
import json
import os
import socket
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", required=True)
parser.add_argument("--write-init", metavar="FILE", help="write a state dict with PyTorch's own initial values, and end")
parser.add_argument("--init", metavar="FILE", help="start from this state dict (default: PyTorch's own initial values)")
parser.add_argument("--nproc", type=int, default=2, help="processes")
parser.add_argument("--threads", type=int, default=1, help="compute threads of each process")
parser.add_argument("--batch", type=int, default=128, help="images of a step over all processes")
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--max-steps", type=int, default=0, help="end after so many steps (0: no limit)")
parser.add_argument("--seed", type=int, default=1, help="of the initial values and of the order of the samples, as ringloom's --seed")
parser.add_argument("--test-images", type=int, default=10000, help="evaluate only the first so many")
parser.add_argument("--format", choices=("channels_last", "plain"), default="channels_last", help="memory format of the network and its input")
parser.add_argument("--speed-only", action="store_true",
                    help="time bare training, in PyTorch's favour: pixels are floats before the clock starts, no loss is read, nothing is evaluated")
args = parser.parse_args()

# All are read when the libraries are loaded. OpenBLAS 0.3.21 does not know every processor with AVX-512; one without
# this core says so and chooses for itself.
os.environ.setdefault("OPENBLAS_CORETYPE", "Cooperlake")
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import fashion
import models
from state_dict import load_safetensors, save_safetensors

MEMORY_FORMAT = torch.channels_last if args.format == "channels_last" else torch.contiguous_format
WORD = (1 << 64) - 1
EVAL_BATCH, RESIZE_BATCH, PROGRESS_EVERY = 250, 500, 50


def splitmix(state):
    """SplitMix64's stream from a state."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & WORD
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & WORD
        yield z ^ z >> 31


def permutation(n, seed, epoch):
    """ringloom's order of n samples in an epoch (shard/permutation.go). Its trainer counts epochs from 1."""
    stream = splitmix(next(splitmix((next(splitmix(seed)) + epoch) & WORD)))
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        # A uniform number below i+1: the high word of a product, drawn again in the few cases that would favour some.
        product = next(stream) * (i + 1)
        while product & WORD < (1 << 64) % (i + 1):
            product = next(stream) * (i + 1)
        j = product >> 64
        order[i], order[j] = order[j], order[i]
    return order


def part(n, world, rank):
    """A rank's span of n samples, the first ranks having the larger ones."""
    size, larger = divmod(n, world)
    first = rank * size + min(rank, larger)
    return first, first + size + (rank < larger)


def own_batches(order, rank, steps):
    """This rank's sample numbers of each step, and the number of samples of all ranks in it."""
    batches = []
    for step in range(steps):
        chunk = order[step * args.batch:(step + 1) * args.batch]
        first, end = part(len(chunk), args.nproc, rank)
        batches.append((chunk[first:end], len(chunk)))
    return batches


def resized(images, side):
    return np.concatenate([fashion.resize(images[i:i + RESIZE_BATCH], side) for i in range(0, len(images), RESIZE_BATCH)])


def as_input(pixels):
    """[n, side, side] bytes to what the network takes: [n, 1, side, side], 0 to 1."""
    return (torch.from_numpy(pixels).float() / 255).unsqueeze(1).contiguous(memory_format=MEMORY_FORMAT)


def total(*values):
    """Each value's sum over the ranks."""
    t = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(t)
    return t.tolist()


def evaluate(net, images, labels, rank):
    """Mean loss and accuracy, each rank taking its part."""
    first, end = part(len(images), args.nproc, rank)
    net.eval()
    loss = right = 0
    with torch.no_grad():
        for i in range(first, end, EVAL_BATCH):
            logits, y = net(as_input(images[i:min(i + EVAL_BATCH, end)])), labels[i:min(i + EVAL_BATCH, end)]
            loss += nn.functional.cross_entropy(logits, y, reduction="sum").item()
            right += (logits.argmax(1) == y).sum().item()
    net.train()
    loss, right = total(loss, right)
    return loss / len(images), right / len(images)


def step_of(ddp, optimizer, x, y, size):
    """A step of this rank's part of a global batch of size images. Its logits, and its share of the loss."""
    optimizer.zero_grad(set_to_none=True)
    logits = ddp(x)
    # DDP divides by the number of ranks; so the gradient is that of the mean over the global batch, whatever the parts.
    loss = nn.functional.cross_entropy(logits, y, reduction="sum") / size
    (loss * args.nproc).backward()
    optimizer.step()
    return logits, loss


def bare_epoch(ddp, optimizer, images, labels, batches):
    """One pass that reads nothing from its steps. images and labels are this rank's, ready for the network, in the order of its
    batches. Returns the seconds."""
    lengths = [len(chosen) for chosen, _ in batches]
    parts = list(zip(images.split(lengths), labels.split(lengths), (size for _, size in batches)))
    dist.barrier()
    start = time.perf_counter()
    for x, y, size in parts:
        step_of(ddp, optimizer, x, y, size)
    dist.barrier()
    return time.perf_counter() - start


def train_epoch(ddp, optimizer, images, labels, batches, rank, epoch):
    """One pass. images are this rank's, in the order of its batches. Returns the epoch's figures and step losses."""
    losses, right, done = [], 0, 0
    dist.barrier()
    start = time.perf_counter()
    for step, (chosen, size) in enumerate(batches):
        x, y = as_input(images[done:done + len(chosen)]), labels[chosen]
        done += len(chosen)
        logits, loss = step_of(ddp, optimizer, x, y, size)
        losses.append(loss.item())
        right += (logits.argmax(1) == y).sum().item()
        if rank == 0 and (step + 1) % PROGRESS_EVERY == 0:
            print(f"PyTorch: epoch {epoch}, step {step + 1} of {len(batches)}, loss {losses[-1] * size / len(chosen):.4f} on rank 0, "
                  f"{time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    dist.barrier()
    seconds = time.perf_counter() - start
    samples = sum(size for _, size in batches)
    losses = total(*losses)
    return {
        "epoch": epoch, "images": samples, "seconds": seconds, "images_per_second": samples / seconds,
        "loss": sum(l * size for l, (_, size) in zip(losses, batches)) / samples, "train_accuracy": total(right)[0] / samples,
    }, losses


def work(rank, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(args.threads)
    dist.init_process_group("gloo", rank=rank, world_size=args.nproc)
    torch.manual_seed(args.seed)
    net = models.build(args.model)
    if args.init:
        net.load_state_dict(load_safetensors(args.init)[0], strict=True)
    net = net.to(memory_format=MEMORY_FORMAT).train()
    ddp = DistributedDataParallel(net)
    optimizer = torch.optim.Adam(ddp.parameters(), lr=args.lr)

    side = models.side(args.model)
    train = fashion.read("train-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    labels = torch.from_numpy(fashion.read("train-labels-idx1-ubyte", 8).astype(np.int64))
    test, test_labels = fashion.test_set()
    test = resized(test[:args.test_images], side)

    epochs, step_loss, taken = [], [], 0
    for epoch in range(1, args.epochs + 1):
        steps = -(-len(train) // args.batch)
        if args.max_steps:
            steps = min(steps, args.max_steps - taken)
        if steps == 0:
            break
        taken += steps
        batches = own_batches(permutation(len(train), args.seed, epoch), rank, steps)
        own = np.concatenate([chosen for chosen, _ in batches])
        images = resized(train[own], side)
        if args.speed_only:
            seconds = bare_epoch(ddp, optimizer, as_input(images), labels[own], batches)
            figures = {"images_per_second": round(sum(size for _, size in batches) / seconds)}
            continue
        figures, losses = train_epoch(ddp, optimizer, images, labels, batches, rank, epoch)
        figures["test_loss"], figures["test_accuracy"] = evaluate(net, test, test_labels, rank)
        epochs.append(figures)
        step_loss += losses
    if rank == 0 and args.speed_only:
        print(json.dumps(figures), flush=True)
    elif rank == 0:
        print(json.dumps({
            "version": f"PyTorch {torch.__version__}", "dropout": any(isinstance(m, nn.Dropout) for m in net.modules()),
            "test_images": len(test), "step_loss": step_loss, "epochs": epochs,
        }), flush=True)


def main():
    if args.model not in models.MODELS:
        sys.exit(f"train_ddp.py: unknown model {args.model!r}: choose one of {', '.join(sorted(models.MODELS))}")
    if min(args.nproc, args.threads, args.epochs, args.test_images) < 1 or args.max_steps < 0 or args.batch < args.nproc:
        sys.exit("train_ddp.py: --nproc, --threads, --epochs and --test-images must be at least 1, --max-steps not negative, --batch at least --nproc")
    if args.write_init:
        torch.manual_seed(args.seed)
        save_safetensors(models.build(args.model).state_dict(), args.write_init)
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(work, args=(port,), nprocs=args.nproc)


if __name__ == "__main__":
    main()
