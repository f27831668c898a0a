"""torch.distributed's all-reduce over gloo between processes of this machine: the peer of `ringloom bench allreduce`.

    python3 compare/pytorch/allreduce.py --nproc 2 --bytes 25000000 --iters 20

In place, float32, one thread per process. Iterations follow each other, as `ringloom bench allreduce` has them; the time of
each is that of the slowest rank.
Prints one JSON line per size: bytes, seconds (median), min_seconds.
"""
import argparse
import json
import os
import socket
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

WARM_UP = 5


def work(rank, args, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=args.nproc)
    for size in args.bytes:
        values = torch.zeros(size // 4)
        times = torch.zeros(args.iters, dtype=torch.float64)
        for i in range(-WARM_UP, args.iters):
            begin = time.perf_counter()
            dist.all_reduce(values)
            if i >= 0:
                times[i] = time.perf_counter() - begin
        dist.all_reduce(times, op=dist.ReduceOp.MAX)
        if rank == 0:
            seconds = times.tolist()
            print(json.dumps({"bytes": size, "seconds": statistics.median(seconds), "min_seconds": min(seconds)}), flush=True)
    dist.destroy_process_group()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--nproc", type=int, default=2)
    p.add_argument("--bytes", type=lambda text: [int(b) for b in text.split(",")], default=[25_000_000])
    p.add_argument("--iters", type=int, default=20)
    args = p.parse_args()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(work, (args, port), args.nproc)


if __name__ == "__main__":
    main()
