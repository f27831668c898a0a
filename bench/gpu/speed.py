"""Is it fast: training steps beside PyTorch's, in turn, and whole epochs beside what was asked of them."""
import json
import os
import queue
import statistics
import subprocess
import threading

from checks import train
from record import NOT_OK, NOT_RUN, OK, heading, table

MODELS = ("lenet", "alexnet", "googlenet", "vgg-tiny", "nin")
BATCHES, PRECISIONS = (128, 512), ("tf32", "bf16")
# torch.compile with CUDA graphs, and with every kernel chosen by trying: which is better depends on the network.
COMPILED = ("reduce-overhead", "max-autotune-no-cudagraphs")
# How often as fast as PyTorch: lenet, which is bound by launches, as eager; the others as the better mode.
LENET_GOAL, GOAL = 3.0, 1.0
PREPARE_SECONDS, ROUND_SECONDS = 240, 2.0

# Seconds of an epoch in the course, on its own GPU, with this batch.
COURSE = {"vgg-tiny": 75, "alexnet-small": 110, "alexnet": 131, "googlenet": 614, "googlenet-v2": 669, "googlenet-bn": 962}
COURSE_BATCH, LEARNS = 16, 0.5
# An epoch's seconds that were asked for; the median of those after the first counts.
EPOCH_GOALS = {"lenet": (0.5, 6), "alexnet": (5.0, 3)}  # seconds, epochs
EPOCH_BATCH = 512
RATES = {"lenet": 2e-3, "alexnet": 1e-4, "alexnet-small": 1e-4}
OTHER_RATE = 3e-4


class PyTorch:
    """bench/pytorch/step.py, which keeps the network in several modes ready and measures the one that is asked for."""

    def __init__(self, record, kit, model, batch, precision, modes):
        self.ready, self.failed, self.lines = [], {}, queue.Queue()
        command = [kit.python, os.path.join(kit.root, "bench", "pytorch", "step.py"), "--model", model, "--batch", str(batch),
                   "--device", kit.pytorch_device, "--precision", precision, "--format", "channels_last", "--serve",
                   "--mode", ",".join(modes), *kit.pytorch_steps]
        self.errors = open(record.path("output", f"pytorch-{model}-{batch}-{precision}.txt"), "a")
        self.process = subprocess.Popen(command, env=record.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, start_new_session=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.errors.write(line)
            if line.startswith("{"):
                self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self, seconds):
        """The next line, or None where the process ended; queue.Empty where it takes too long."""
        return self.lines.get(timeout=max(1, seconds))

    def prepare(self, seconds):
        """Wait until all modes are ready or have failed; False where it takes too long or the process ended."""
        try:
            while (line := self.next(seconds)) is not None:
                if line.get("prepared"):
                    return True
                if "error" in line:
                    self.failed[line["mode"]] = line["error"]
                else:
                    self.ready.append(line["mode"])
        except queue.Empty:
            pass
        return False

    def measure(self, mode, seconds):
        self.process.stdin.write(mode + "\n")
        self.process.stdin.flush()
        line = self.next(seconds)
        if line is None:
            raise RuntimeError(f"PyTorch ended while {mode} was measured")
        return line

    def close(self):
        self.process.kill()
        self.process.wait()
        self.errors.flush()


def pytorch(record, kit, model, batch, precision, modes):
    """A PyTorch whose modes are ready. One that takes too long is started again with those that were ready by then."""
    peer = PyTorch(record, kit, model, batch, precision, modes)
    if peer.prepare(min(PREPARE_SECONDS, record.left() - 30)):
        return peer
    ready = peer.ready
    peer.close()
    if not ready or len(ready) == len(modes) or record.left() < 60:
        raise RuntimeError("PyTorch was not ready in time, or ended: see its output")
    peer = PyTorch(record, kit, model, batch, precision, ready)
    if not peer.prepare(record.left() - 30):
        peer.close()
        raise RuntimeError("PyTorch was not ready in time, or ended: see its output")
    peer.failed.update({m: "not ready in time" for m in modes if m not in ready})
    return peer


def ringloom_step(record, kit, model, batch, precision):
    done = record.run(f"step {model} {batch} {precision}", [
        kit.binary, "bench", "step", "--json", "--model", model, "--batch", str(batch), "--device", kit.device, "--precision", precision,
        *kit.ringloom_steps], 120)
    if done.why:
        raise RuntimeError(f"ringloom: {done.why}")
    return done.json()[-1]


def compare(record, kit, model, batch, precision):
    """Rounds of ringloom and of every mode of PyTorch, in turn; medians of the rounds' medians."""
    modes = ("eager", *(COMPILED[:1] if kit.quick else COMPILED))
    on_gpu = kit.pytorch_device.startswith("cuda")
    peer = pytorch(record, kit, model, batch, precision if on_gpu or precision == "bf16" else "float32", modes)
    try:
        ours, theirs = [], {m: [] for m in peer.ready}
        for _ in range(kit.rounds):
            ours.append(ringloom_step(record, kit, model, batch, precision))
            for mode, runs in theirs.items():
                runs.append(peer.measure(mode, min(120, record.left())))
    except queue.Empty:
        raise RuntimeError("PyTorch was not done in time") from None
    finally:
        peer.close()
    if "eager" not in theirs:
        raise RuntimeError(f"PyTorch's eager mode: {peer.failed.get('eager')}")
    median = lambda runs: statistics.median(r["images_per_second_median"] for r in runs)
    speeds = {m: median(runs) for m, runs in theirs.items()}
    return {
        "model": model, "batch": batch, "precision": precision, "rounds": kit.rounds, "data": ours[0]["data"],
        "images_per_second": median(ours), "pytorch_images_per_second": speeds, "pytorch_failed": peer.failed,
        "last_loss": ours[-1]["last_loss"], "pytorch_last_loss": theirs["eager"][-1]["last_loss"],
        "device_description": ours[0]["device_description"], "pytorch_description": theirs["eager"][0]["device_description"],
    }


def better(result):
    """PyTorch's better mode: its name and images/s. The compiled mode of that name is the fastest one."""
    return max(result["pytorch_images_per_second"].items(), key=lambda item: item[1])


def compiled(result):
    """The fastest compiled mode and its images/s, or None."""
    return max(((m, s) for m, s in result["pytorch_images_per_second"].items() if m != "eager"), key=lambda item: item[1], default=None)


def judge(result):
    """What was asked of a comparison, what was seen, and the verdict."""
    ours, eager = result["images_per_second"], result["pytorch_images_per_second"]["eager"]
    mode, best = better(result)
    seen = f"{ours:.5g} images/s; eager {eager:.5g}"
    if compiled(result):
        seen += ", compiled {1:.5g} ({0})".format(*compiled(result))
    seen += f"; {ours / best:.2f}x the better, {ours / eager:.2f}x eager"
    if result["model"] == "lenet":
        return f"at least {LENET_GOAL:g}x eager", seen, OK if ours >= LENET_GOAL * eager else NOT_OK
    if not compiled(result):
        failure = next(iter(result["pytorch_failed"].values()), "no compiled mode").splitlines()[0]
        return f"at least {GOAL:g}x the better mode", f"{seen}; not compiled: {failure}", NOT_OK if ours < GOAL * eager else NOT_RUN
    return f"at least {GOAL:g}x the better mode", seen, OK if ours >= GOAL * best else NOT_OK


def steps(record, kit):
    results = record.load("steps.jsonl")
    key = lambda r: (r["model"], r["batch"], r["precision"])
    for model in kit.models or MODELS:
        for batch in kit.batches:
            for precision in kit.precisions:
                if kit.resume and (model, batch, precision) in map(key, results):
                    continue
                what, asked = f"{model}, batch {batch}, {precision}", "a comparison with PyTorch"
                if record.left() < kit.least_seconds:
                    record.add("steps", what, asked, "out of time", NOT_RUN, figure=True)
                    continue
                try:
                    result = compare(record, kit, model, batch, precision)
                except (RuntimeError, OSError, KeyError, IndexError, ValueError) as e:
                    record.add("steps", what, asked, str(e), NOT_OK if str(e).startswith("ringloom:") else NOT_RUN, figure=True)
                    continue
                results = [r for r in results if key(r) != key(result)] + [result]
                record.save("steps.jsonl", results)
                record.add("steps", what, *judge(result), figure=True)


def steps_table(record):
    """The lines of the table of all comparisons so far."""
    rows = []
    for r in record.load("steps.jsonl"):
        ours, eager, fastest = r["images_per_second"], r["pytorch_images_per_second"]["eager"], compiled(r)
        rows.append((r["model"], str(r["batch"]), r["precision"], f"{ours:.5g}", f"{eager:.5g}", f"{fastest[1]:.5g}" if fastest else "-",
                     fastest[0] if fastest else "-", f"{ours / better(r)[1]:.2f}", f"{ours / eager:.2f}"))
    if not rows:
        return []
    headings = ("model", "batch", "precision", "ringloom images/s", "eager images/s", "compiled images/s", "compiled how", "of the better", "of eager")
    last = record.load("steps.jsonl")[-1]
    return [*heading(record.emulated), "Training step with Adam, medians of rounds that took turns", f"{last['device_description']}; {last['pytorch_description']}",
            "", *table(headings, rows)]


def epoch(record, kit, model, batch, epochs, rate):
    flags = ["--model", model, "--global-batch", str(batch), "--epochs", str(epochs), "--lr", str(rate), "--seed", "1"]
    if kit.max_steps:
        flags += ["--max-steps", str(kit.max_steps)]
    done, lines = train(record, kit, f"epoch {model} {batch}", kit.device, 1, *flags, limit=500)
    if done.why:
        raise RuntimeError(done.why)
    return lines


def epochs(record, kit):
    """Epochs that have to be short, and one of each network of the course."""
    chosen = lambda model: not kit.models or model in kit.models
    plan = [("goal", m, EPOCH_BATCH, n, seconds) for m, (seconds, n) in EPOCH_GOALS.items() if chosen(m)]
    plan += [("course", m, COURSE_BATCH, 1, seconds) for m, seconds in COURSE.items() if chosen(m) and not (kit.emulated and m != "lenet")]
    if kit.emulated:
        plan = [("course", "lenet", 8, 1, 0)] + [p[:2] + (8,) + p[3:] for p in plan if p[1] == "lenet"]
    done = {r["what"] for r in record.rows if r["part"] == "epochs" and r["verdict"] != NOT_RUN}
    for kind, model, batch, count, seconds in plan:
        rate = RATES.get(model, OTHER_RATE)
        what = f"{model}, batch {batch}, tf32, learning rate {rate:g}"
        asked = f"an epoch in {seconds:g} s" if kind == "goal" else f"the course's {seconds} s; learns (test accuracy above {LEARNS})"
        if kit.resume and what in done:
            continue
        if record.left() < kit.least_seconds:
            record.add("epochs", what, asked, "out of time", NOT_RUN, figure=True)
            continue
        try:
            lines = epoch(record, kit, model, batch, count, rate)
        except RuntimeError as e:
            record.add("epochs", what, asked, str(e), NOT_OK, figure=True)
            continue
        later = [m["seconds"] for m in lines[1:]] or [lines[0]["seconds"]]
        took, accuracy = statistics.median(later), lines[-1]["test_accuracy"]
        seen = f"{took:.2f} s (the first {lines[0]['seconds']:.2f}), test accuracy {accuracy:.3f} after {len(lines)}"
        good = took <= seconds and (kind == "goal" or accuracy > LEARNS)
        record.add("epochs", what, asked, seen, OK if good else NOT_OK, figure=True)
