"""Is it right: devices, the tests that need a GPU, a loss curve beside the CPU's, two ranks on one card."""
import json
import math
import os
import re
import shutil

from record import IN_PART, NOT_OK, NOT_RUN, OK

# A loss may differ from the reference's by so much, relative to it.
CURVE_TOLERANCE = {"float32": 1e-3, "tf32": 2e-2}
CURVE_STEPS, RING_STEPS, BATCH = 60, 60, 256

# What the test binaries of the kit are run for: part of the table, folder of the package, flags.
GOLDEN, GOLDEN_TF32 = "^TestConformance$/^golden", "^TestGoldenInTF32$"
TESTS = (
    ("declarations against the machine's headers", "nn/cuda/libs", ["-test.run", "^TestDeclarations$"]),
    ("cuda.h against the machine's", "nn/cuda/driver", ["-test.run", "^TestSameABI$"]),
    ("driver: memory, streams, events, graphs, launches", "nn/cuda/driver", ["-test.skip", "^TestSameABI$"]),
    ("cuBLAS, cuDNN, NVRTC against naive loops", "nn/cuda/libs", ["-test.skip", "^TestDeclarations$"]),
    ("golden steps of all models, float32", "nn/cuda", ["-test.run", GOLDEN]),
    ("golden steps of all models, tf32", "nn/cuda", ["-test.run", GOLDEN_TF32]),
    ("conformance of every operation, float32", "nn/cuda", ["-test.run", "^TestConformance$", "-test.skip", GOLDEN]),
    ("device: graphs, copies, images, precisions, limits", "nn/cuda", ["-test.skip", f"^(TestConformance|{GOLDEN_TF32[1:-1]})$"]),
)


def devices(record, kit):
    done = record.run("devices", [kit.binary, "devices", "--json"], 60)
    found = [] if done.why else [d for d in done.json() if d["device"].startswith("cuda")]
    usable = [d for d in found if d["usable"]]
    seen = usable[0]["about"] if usable else done.why or "; ".join(d.get("problem", "") for d in found)
    record.add("machine", "ringloom devices", "a usable GPU", seen, OK if usable else NOT_OK)
    done = record.run("loads", [kit.binary, "bench", "step", "--device", kit.device, "--model", "lenet", "--steps", "1", "--batch", "4", "--json"], 180)
    seen = done.why or done.json()[-1]["device_description"]
    record.add("machine", "libraries load, a step runs", "no error", seen, NOT_OK if done.why else OK)
    for note in kit.notes:
        record.add("machine", note, "found", "missing", NOT_RUN)


def outcome(output):
    """How many top-level and sub-tests passed, failed and were skipped; the leaves alone."""
    found = re.findall(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \(", output, re.M)
    names = [name for _, name in found]
    leaves = [(verdict, name) for verdict, name in found if not any(n.startswith(name + "/") for n in names)]
    return {v: [name for verdict, name in leaves if verdict == v] for v in ("PASS", "FAIL", "SKIP")}


def tests(record, kit):
    for what, folder, flags in TESTS:
        if record.left() < 5:
            record.add("tests", what, "all pass", "out of time", NOT_RUN)
            continue
        flags = [*flags, "-test.v", *(["-test.short"] if kit.quick else [])]
        done = record.run("tests " + what, [os.path.join(kit.root, folder, "package.test"), *flags], 300, cwd=os.path.join(kit.root, folder))
        came = outcome(done.output)
        seen = f"{len(came['PASS'])} passed, {len(came['FAIL'])} failed, {len(came['SKIP'])} skipped, {done.seconds:.0f} s"
        if came["FAIL"]:
            seen += ": " + ", ".join(came["FAIL"][:3])
        elif done.why:
            seen += ": " + done.why
        elif came["SKIP"]:
            seen += ": " + ", ".join(came["SKIP"][:3]) + (" ..." if len(came["SKIP"]) > 3 else "")
        verdict = NOT_OK if done.why else NOT_RUN if not came["PASS"] else IN_PART if came["SKIP"] else OK
        record.add("tests", what, "all pass", seen, verdict)


def train(record, kit, name, device, ranks, *flags, limit=280):
    """Train with `ringloom launch`; the command, and the lines of its metrics.jsonl."""
    folder = record.path("runs", name.replace(" ", "-"))
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run; launch never overwrites
    done = record.run(name, [kit.binary, "launch", "-n", str(ranks), "--device", device, "--", "--offline", "--run-dir", folder, *flags], limit)
    epochs = []
    if not done.why:
        with open(os.path.join(folder, "metrics.jsonl")) as f:
            epochs = [json.loads(line) for line in f]
        for checkpoint in os.listdir(folder):
            if checkpoint.endswith(".safetensors"):  # hundreds of MB that nobody reads
                os.remove(os.path.join(folder, checkpoint))
    return done, epochs


def largest_difference(losses, reference):
    """The largest relative difference of two curves, and the step where it is, from 1."""
    off = lambda a, b: abs(a - b) / abs(b) if math.isfinite(a) else math.inf
    return max((off(a, b), i) for i, (a, b) in enumerate(zip(losses, reference), 1))


def lenet(steps, batch):
    return ["--model", "lenet", "--epochs", "1", "--max-steps", str(steps), "--global-batch", str(batch), "--seed", "1", "--lr", "0.002"]


def curve(record, kit):
    steps, batch = (3, 8) if record.emulated else (CURVE_STEPS, BATCH)
    done, reference = train(record, kit, "curve purego", "purego", 1, *lenet(steps, batch))
    for precision, tolerance in CURVE_TOLERANCE.items():
        what, asked = f"lenet, {steps} steps of {batch}, {precision} on one GPU", f"losses within {tolerance:g} of purego's"
        if done.why:
            record.add("curve", what, asked, f"purego: {done.why}", NOT_RUN)
            continue
        gpu, epochs = train(record, kit, f"curve {precision}", kit.device, 1, *lenet(steps, batch), "--precision", precision)
        if gpu.why:
            record.add("curve", what, asked, gpu.why, NOT_OK)
            continue
        want, got = reference[0]["step_loss"], epochs[0]["step_loss"]
        difference, step = largest_difference(got, want)
        seen = f"off by {difference:.1e} at step {step}; last loss {got[-1]:.4f} and {want[-1]:.4f}, test accuracy {epochs[0]['test_accuracy']:.3f} and {reference[0]['test_accuracy']:.3f}"
        record.add("curve", what, asked, seen, OK if difference <= tolerance and len(got) == len(want) else NOT_OK)


def ring(record, kit):
    steps, batch = (3, 8) if record.emulated else (RING_STEPS, BATCH)
    flags = [*lenet(steps, batch), "--check-every", "10", "--precision", "float32"]
    what, asked = f"lenet, {steps} steps, 2 processes on one GPU", "the same parameters on both; losses within 1e-3 of one process's"
    alone, one = train(record, kit, "ring alone", kit.device, 1, *flags)
    done, both = train(record, kit, "ring of two", kit.device, 2, *flags)
    if done.why or alone.why:
        record.add("ring", what, asked, done.why or f"one process: {alone.why}", NOT_OK)
        return
    hashes = re.findall(r'"parameters_sha256":\s*"([0-9a-f]+)"', done.errors)
    difference, step = largest_difference(both[0]["step_loss"], one[0]["step_loss"])
    same = len(hashes) == 2 and len(set(hashes)) == 1
    seen = f"parameters {' and '.join(hashes) or 'unknown'}; losses off by {difference:.1e} at step {step}"
    record.add("ring", what, asked, seen, OK if same and difference <= 1e-3 else NOT_OK)
