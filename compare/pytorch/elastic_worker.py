"""One rank of the peer of `ringloom bench elastic`: LeNet under torchrun's elastic agent, DDP over gloo, one thread a process.

compare/elastic_peer.py starts it. After each step it appends "rank pid step time" to the file named on the command line; a step is complete
on a rank when its optimizer has stepped. There is no checkpoint to reload: what torchrun does after a death begins at step 0, the best case.
"""
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.distributed as dist

import models


def main():
    path, batch = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    net = torch.nn.parallel.DistributedDataParallel(models.build("lenet"))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.002)
    images, labels = torch.rand(batch, 1, 28, 28), torch.randint(10, (batch,))
    with open(path, "a", buffering=1) as says:
        step = 0
        while True:
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
            step += 1
            says.write(f"{dist.get_rank()} {os.getpid()} {step} {time.time():.6f}\n")


main()
