"""Is it right: devices, the tests that need a GPU, a loss curve beside the CPU's, two ranks on one card."""
import json
import math
import os
import re
import shutil

import machine
from record import IN_PART, NOT_OK, NOT_RUN, OK, OUT_OF_TIME

# A loss may differ from the reference's by so much, relative to it.
CURVE_TOLERANCE = {"float32": 1e-3, "tf32": 2e-2}
CURVE_STEPS, RING_STEPS, BATCH = 60, 60, 256

# What the test binaries of the kit are run for, the most telling first: part of the table, folder of the package, flags.
GOLDEN, GOLDEN_TF32, SAME_ABI = "^TestGoldenSteps$", "^TestGoldenInTF32$", "^TestSameABI$"
TESTS = (
    ("driver: memory, streams, events, graphs, launches", "nn/cuda/driver", ["-test.skip", SAME_ABI]),
    ("cuBLAS, cuDNN, NVRTC against naive loops", "nn/cuda/libs", ["-test.skip", "^TestDeclarations$"]),
    ("golden steps of all models, float32", "nn/cuda", ["-test.run", GOLDEN]),
    ("golden steps of all models, tf32", "nn/cuda", ["-test.run", GOLDEN_TF32]),
    ("conformance of every operation, float32", "nn/cuda", ["-test.run", "^TestConformance$"]),
    ("device: graphs, copies, images, precisions, limits", "nn/cuda", ["-test.skip", f"^(TestConformance|{GOLDEN[1:-1]}|{GOLDEN_TF32[1:-1]})$"]),
    ("declarations against the machine's headers", "nn/cuda/libs", ["-test.run", "^TestDeclarations$"]),
    ("cuda.h against the machine's", "nn/cuda/driver", ["-test.run", SAME_ABI]),
)
TEST_SECONDS = 180

# What is tried first: enough steps that graphs are replayed, and every kind of operation.
TRIALS = (("lenet", 4), ("alexnet", 32), ("googlenet-bn", 32))
TRIAL_STEPS, TRIAL_SECONDS = 25, 60
SO_WITH_ALL = "; so with every workaround"
PYTORCH, PYTORCH_SECONDS = "PyTorch compiles lenet", 180


def devices(record, kit):
    what = "ringloom devices"
    if not (kit.resume and record.has("machine", what)):
        gpus(record, kit, what)
    for model, batch in TRIALS[:1] if kit.emulated else TRIALS:
        if not (kit.resume and record.has("machine", steps_of(model, batch)) or dead(record)):
            trial(record, kit, model, batch)
    if kit.on_gpu and not (kit.resume and record.has("machine", PYTORCH)):
        pytorch(record, kit)
    for note in kit.notes:
        record.add("machine", note, "found", "missing", NOT_RUN)


def gpus(record, kit, what):
    done = record.run("devices", [kit.binary, "devices", "--json"], 60)
    found = [] if done.why else [d for d in done.json() if d["device"].startswith("cuda")]
    usable = [d for d in found if d["usable"]]
    seen = usable[0]["about"] if usable else done.why or "; ".join(d.get("problem", "") for d in found)
    record.add("machine", what, "a usable GPU", seen, OK if usable else NOT_OK)


def steps_of(model, batch):
    return f"steps of {model}, batch {batch}"


def dead(record):
    """Whether even the first of the trials fails with every setting: then nothing that takes steps can be measured."""
    row = record.find("machine", steps_of(*TRIALS[0]))
    return row is not None and row["seen"].endswith(SO_WITH_ALL)


def pytorch(record, kit):
    """Compile a small network with PyTorch: its first start on a machine is slow, and must not count as a comparison's."""
    command = [kit.python, os.path.join(kit.root, "compare", "pytorch", "step.py"), "--model", "lenet", "--batch", "64", "--steps", "20",
               "--device", kit.pytorch_device, "--precision", "tf32", "--format", "channels_last", "--mode", "reduce-overhead"]
    done = record.run("pytorch compiles", command, PYTORCH_SECONDS)
    seen = f"{done.seconds:.0f} s: " + (done.why or done.json()[-1]["device_description"])
    record.add("machine", PYTORCH, "no error", seen, NOT_RUN if done.why else OK)


def trial(record, kit, model, batch):
    """Take some steps. Where they fail, plainer settings are tried, and the first that works is used for all that follows,
    so that there are figures and the fault is narrowed down."""
    what, asked, failed = steps_of(model, batch), "no error", ""
    command = [kit.binary, "bench", "step", "--device", kit.device, "--model", model, "--steps", "2" if kit.emulated else str(TRIAL_STEPS),
               "--batch", str(batch), "--json"]
    for workaround in [kit.workaround, *(w for w in kit.WORKAROUNDS if w.items() > kit.workaround.items())]:
        done = record.run(f"trial {model} {kit.spell(workaround)}", command, TRIAL_SECONDS, environment=workaround)
        if not done.why:
            ways = f" with {kit.spell(workaround)}" if workaround else ""
            seen = f"{done.seconds:.0f} s{ways}: {done.json()[-1]['device_description']}"
            if failed:
                kit.adopt(record, workaround)
            record.add("machine", what, asked, f"{failed}; {seen}" if failed else seen, NOT_OK if failed else OK)
            return
        failed = failed or done.why
    record.add("machine", what, asked, f"{failed[:200]}{SO_WITH_ALL}", NOT_OK)


def outcome(output):
    """The names of the tests that passed, failed and were skipped; of tests with parts, the parts alone."""
    found = re.findall(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \(", output, re.M)
    names = [name for _, name in found]
    leaves = [(verdict, name) for verdict, name in found if not any(n.startswith(name + "/") for n in names)]
    return {v: [name for verdict, name in leaves if verdict == v] for v in ("PASS", "FAIL", "SKIP")}


def tests(record, kit):
    for what, folder, flags in TESTS:
        if kit.resume and record.has("tests", what):
            continue
        if record.left() < 5:
            record.add("tests", what, "all pass", OUT_OF_TIME, NOT_RUN)
            continue
        version = machine.cuda_version(record.environment)
        if flags == ["-test.run", SAME_ABI] and version and version >= 12000:
            record.add("tests", what, "all pass", f"ours has the types of CUDA 11, the machine's is of {version // 1000}", NOT_RUN)
            continue
        limit = min(TEST_SECONDS, record.left())
        # A test that hangs says where a little before it would be ended.
        flags = [*flags, "-test.v", f"-test.timeout={max(1, limit - 3):.0f}s", *(["-test.short"] if kit.quick else [])]
        done = record.run("tests " + what, [os.path.join(kit.root, folder, "package.test"), *flags], limit, cwd=os.path.join(kit.root, folder))
        record.add("tests", what, "all pass", *assess(done, limit))


def assess(done, limit):
    """What was seen of tests, and the verdict."""
    came = outcome(done.output)
    seen = f"{len(came['PASS'])} passed, {len(came['FAIL'])} failed, {len(came['SKIP'])} skipped, {done.seconds:.0f} s"
    if done.why and done.seconds > limit - 4:  # those that have ended count
        running = sorted(set(re.findall(r"^=== RUN +(\S+)", done.output, re.M)) - {name for names in came.values() for name in names})
        seen = f"{'' if limit == TEST_SECONDS else OUT_OF_TIME + ': '}{seen}, then ended; not yet: {', '.join(running[-2:])}"
        return seen, NOT_OK if came["FAIL"] else IN_PART if came["PASS"] and limit == TEST_SECONDS else NOT_RUN
    if came["FAIL"]:
        return f"{seen}: {', '.join(came['FAIL'][:3])}", NOT_OK
    if done.why:
        return f"{seen}: {done.why}", NOT_OK
    if came["SKIP"]:
        return f"{seen}: {', '.join(came['SKIP'][:3])}{' ...' if len(came['SKIP']) > 3 else ''}", IN_PART if came["PASS"] else NOT_RUN
    return seen, OK if came["PASS"] else NOT_RUN


def train(record, kit, name, device, ranks, *flags, limit=150):
    """Train with `ringloom launch`; the command, and the lines of its metrics.jsonl."""
    folder = os.path.join(record.scratch.name, name.replace(" ", "-"))
    done = record.run(name, [kit.binary, "launch", "-n", str(ranks), "--device", device, "--", "--offline", "--run-dir", folder, *flags], limit,
                      environment=kit.workaround)
    epochs = []
    if not done.why:
        with open(os.path.join(folder, "metrics.jsonl")) as f:
            epochs = [json.loads(line) for line in f]
        for line in epochs:
            record.say(f"[{name}] {json.dumps(line)[:20_000]}\n")
    shutil.rmtree(folder, ignore_errors=True)  # checkpoints of hundreds of MB
    return done, epochs


def largest_difference(losses, reference):
    """The largest relative difference of two curves, and the step where it is, from 1."""
    off = lambda a, b: abs(a - b) / abs(b) if math.isfinite(a) else math.inf
    return max(((off(a, b), i) for i, (a, b) in enumerate(zip(losses, reference), 1)), default=(math.inf, 0))


def lenet(steps, batch):
    return ["--model", "lenet", "--epochs", "1", "--max-steps", str(steps), "--global-batch", str(batch), "--seed", "1", "--lr", "0.002"]


def curve(record, kit):
    steps, batch = (3, 8) if record.emulated else (CURVE_STEPS, BATCH)
    named = {p: f"lenet, {steps} steps of {batch}, {p} on one GPU" for p in CURVE_TOLERANCE}
    if kit.resume and all(record.has("curve", what) for what in named.values()):
        return
    done, reference = train(record, kit, "curve purego", "purego", 1, *lenet(steps, batch))
    for precision, tolerance in CURVE_TOLERANCE.items():
        what, asked = named[precision], f"losses within {tolerance:g} of purego's"
        if done.why:
            record.add("curve", what, asked, f"purego: {done.why}", NOT_RUN)
            continue
        gpu, epochs = train(record, kit, f"curve {precision}", kit.device, 1, *lenet(steps, batch), "--precision", precision)
        if gpu.why:
            record.add("curve", what, asked, gpu.why, NOT_RUN if gpu.cut else NOT_OK)
            continue
        want, got = reference[0]["step_loss"], epochs[0]["step_loss"]
        difference, step = largest_difference(got, want)
        seen = f"off by {difference:.1e} at step {step}; last loss {got[-1]:.4f} and {want[-1]:.4f}, test accuracy {epochs[0]['test_accuracy']:.3f} and {reference[0]['test_accuracy']:.3f}"
        record.add("curve", what, asked, seen, OK if difference <= tolerance and len(got) == len(want) else NOT_OK)


def ring(record, kit):
    steps, batch = (3, 8) if record.emulated else (RING_STEPS, BATCH)
    flags = [*lenet(steps, batch), "--check-every", "10", "--precision", "float32"]
    what, asked = f"lenet, {steps} steps, 2 processes on one GPU", "the same parameters on both; losses within 1e-3 of one process's"
    if kit.resume and record.has("ring", what):
        return
    alone, one = train(record, kit, "ring alone", kit.device, 1, *flags)
    done, both = train(record, kit, "ring of two", kit.device, 2, *flags)
    if done.why or alone.why:
        record.add("ring", what, asked, done.why or f"one process: {alone.why}", NOT_RUN if done.cut or alone.cut else NOT_OK)
        return
    hashes = re.findall(r'"parameters_sha256":\s*"([0-9a-f]+)"', done.errors)
    difference, step = largest_difference(both[0]["step_loss"], one[0]["step_loss"])
    same = len(hashes) == 2 and len(set(hashes)) == 1
    seen = f"parameters {' and '.join(hashes) or 'unknown'}; losses off by {difference:.1e} at step {step}"
    record.add("ring", what, asked, seen, OK if same and difference <= 1e-3 else NOT_OK)
