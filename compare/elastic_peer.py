#!/usr/bin/env python3
"""What a kill costs under ringloom --elastic and under torchrun's elastic agent, in turn, on this machine. `make compare-elastic` runs it;
docs/bench.md says how to read it.

    compare/elastic_peer.py --nproc 4 --rounds 3 --kills 10

A round runs `ringloom bench elastic` with kills alone, and then torchrun --max-restarts with DDP over gloo, LeNet, one thread a process, and
kills one of its ranks by kill -9, whichever a seeded generator says. The time is from the kill to the next step that is complete on all ranks,
less what a step takes. torchrun looks at its processes each 0.1 s (--monitor-interval), and has no checkpoint to reload: what was trained is
lost there, and the time to reload it would come on top. Needs `make build`, Debian's python3-torch, libopenblas0-pthread.
"""
import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--nproc", type=int, default=4, help="ranks")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--kills", type=int, default=10, help="of ringloom's ranks in a round")
    p.add_argument("--peer-kills", type=int, default=3, help="of torchrun's ranks in a round")
    p.add_argument("--batch", type=int, default=256, help="images of a step over all ranks")
    p.add_argument("--python", default=os.environ.get("PYTHON", "/usr/bin/python3"), help="the Python that has PyTorch")
    p.add_argument("--json", metavar="FILE", help="also write one object per line: way, ranks, and the seconds of each kill")
    args = p.parse_args()
    if args.nproc < 2 or min(args.rounds, args.kills, args.peer_kills) < 1 or args.batch < args.nproc:
        p.error("give two processes, a round and a kill at least, and an image for each process")
    return args


def ringloom(args, seed):
    """Pauses of kills, and of the joins that follow, in seconds."""
    done = subprocess.run([os.path.join(ROOT, "bin", "ringloom"), "bench", "elastic", "--ranks", str(args.nproc), "--kills", str(args.kills),
                           "--stops", "0", "--leaves", "0", "--global-batch", str(args.batch), "--seed", str(seed), "--json"],
                          capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"ringloom bench elastic ended with {done.returncode}:\n{done.stderr.strip()}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    pauses = {what: [r["pause_seconds"] for r in rows if r["kind"] == "incident" and r["what"] == what] for what in ("kill", "join")}
    return pauses["kill"], pauses["join"]


class Steps:
    """What the ranks of torchrun have written: for each process its rank, and the times of its steps."""

    def __init__(self, path, agent):
        self.file, self.agent, self.of = open(path), agent, {}

    def read(self):
        for line in self.file:
            rank, pid, step, at = line.split()
            self.of.setdefault(int(pid), (int(rank), []))[1].append(float(at))

    def wait(self, condition, seconds=120):
        end = time.time() + seconds
        while time.time() < end:
            self.read()
            if condition():
                return
            if self.agent.poll() is not None:
                sys.exit(f"torchrun ended by itself, with {self.agent.returncode}")
            time.sleep(0.002)
        sys.exit(f"torchrun's ranks made no step in {seconds} s")


def torchrun(args, seed, work):
    """Times from kill -9 to the next step on all ranks, less a step, in seconds."""
    path = os.path.join(work, f"steps-{seed}")
    open(path, "w").close()
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")} | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    # Of Debian's PyTorch, the values 0 and 3 of the last two are None on Python 3.11, which end it.
    command = [args.python, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(args.nproc), "--max_restarts",
               str(args.peer_kills + 1), "--monitor_interval", "0.1", "--redirects", "1", "--tee", "1",
               os.path.join(ROOT, "compare", "pytorch", "elastic_worker.py"), path, str(max(1, args.batch // args.nproc))]
    log = open(os.path.join(work, f"log-{seed}"), "w")
    agent = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    steps, pick, took = Steps(path, agent), random.Random(seed), []
    try:
        gone = set()
        for _ in range(args.peer_kills):
            def there(since=0.0, least=25):
                live = {rank: at for pid, (rank, at) in steps.of.items() if pid not in gone}
                return len(live) == args.nproc and all(len(at) >= least and at[-1] > since for at in live.values())
            steps.wait(there)
            live = {pid: at for pid, (rank, at) in steps.of.items() if pid not in gone}
            usual = statistics.median(b - a for at in live.values() for a, b in zip(at[5:], at[6:]))
            time.sleep(pick.random() * usual)
            victim = pick.choice(sorted(live))
            began = time.time()
            os.kill(victim, signal.SIGKILL)
            gone |= set(live)  # torchrun starts all anew
            steps.wait(lambda: there(began, 1))
            first = max(at[0] for pid, (rank, at) in steps.of.items() if pid not in gone)
            took.append(first - began - usual)
    finally:
        agent.send_signal(signal.SIGTERM)  # it ends its ranks
        try:
            agent.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(agent.pid, signal.SIGKILL)
    return took


def line(name, seconds):
    s = sorted(seconds)
    at = lambda share: 1e3 * s[min(len(s) - 1, int(share * len(s)))]
    return f"  {name:44} {len(s):5} {at(0.5):9.0f} {at(0.9):9.0f} {1e3 * s[-1]:9.0f}"


def main():
    args = arguments()
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown processor")
    ways = {"ringloom, kill": [], "ringloom, the new rank joins": [], "torchrun, kill (all start anew, step 0)": []}
    kill, join, peer = ways.values()
    with tempfile.TemporaryDirectory() as work:
        for round in range(1, args.rounds + 1):
            kills, joins = ringloom(args, round)
            kill += kills
            join += joins
            peer += torchrun(args, round, work)
    print(f"{os.cpu_count()} cores, {model}; load {os.getloadavg()[0]:.0f}; {args.nproc} ranks of lenet, {args.rounds} rounds in turn")
    print(f"  {'pause beyond a step, ms':44} {'count':>5} {'p50':>9} {'p90':>9} {'max':>9}")
    for name, seconds in ways.items():
        print(line(name, seconds))
    if args.json:
        with open(args.json, "w") as f:
            for name, seconds in ways.items():
                f.write(json.dumps({"way": name, "ranks": args.nproc, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
