"""Is it fast: training steps beside PyTorch's, in turn, and whole epochs beside what was asked of them."""
import statistics
import time
import traceback

from checks import train
from peer import Failed, Late, prepared
from record import NOT_OK, NOT_RUN, OK, OUT_OF_TIME, columns, heading

MODELS = ("lenet", "alexnet", "googlenet", "vgg-tiny", "nin")
# Precision and batch, the most telling first: a run may end before the last.
PAIRS = (("tf32", 128), ("bf16", 512), ("tf32", 512), ("bf16", 128))
# torch.compile with CUDA graphs, and with kernels chosen by trying: which is better depends on the network. Trying takes
# minutes, so that all networks are compared without it before any is with it.
GRAPHS, AUTOTUNED = "reduce-overhead", "max-autotune-no-cudagraphs"
# How often as fast as PyTorch: lenet, which is bound by launches, as eager; the others as the better mode.
LENET_GOAL, GOAL = 3.0, 1.0
STEP_SECONDS, PLAIN_SECONDS, ALL_ROUNDS_SECONDS = 120, 60, 100

# Seconds of an epoch in the course, on its own GPU, with this batch.
COURSE = {"alexnet": 131, "vgg-tiny": 75, "googlenet": 614, "alexnet-small": 110, "googlenet-bn": 962, "googlenet-v2": 669}
COURSE_BATCH, LEARNS = 16, 0.5
# An epoch's seconds that were asked for; the median of those after the first counts.
EPOCH_GOALS = {"lenet": (0.5, 6), "alexnet": (5.0, 3)}  # seconds, epochs
EPOCH_BATCH, EPOCH_SECONDS = 512, 150
RATES = {"lenet": 2e-3, "alexnet": 1e-4, "alexnet-small": 1e-4}
OTHER_RATE = 3e-4


def ringloom_step(record, kit, model, batch, precision):
    """The figures of a fresh process. Where it fails, the reason says what a plainer setting comes to."""
    command = [kit.binary, "bench", "step", "--json", "--ops", "--model", model, "--batch", str(batch), "--device", kit.device,
               "--precision", precision, *kit.ringloom_steps]
    name = f"step {model} {batch} {precision}"
    done = record.run(name, command, STEP_SECONDS, environment=kit.workaround)
    if not done.why and done.json():
        return {**done.json()[-1], "process_seconds": done.seconds}
    if done.cut:
        raise Late
    why = f"ringloom: {done.why or 'it printed no figures'}"
    if kit.workaround != kit.PLAINEST:
        done = record.run(name + " plain", command, PLAIN_SECONDS, environment=kit.PLAINEST)
        came = f"{done.json()[-1]['images_per_second_median']:.5g} images/s" if not done.why and done.json() else done.why
        why += f"; with {kit.spell(kit.PLAINEST)}: {came}"
    raise Failed(why)


def compare(record, kit, model, batch, precision, modes):
    """Rounds of ringloom and of every mode of PyTorch, in turn; medians of the rounds' medians. A long round is not repeated as
    often as a short one."""
    ours, theirs = [ringloom_step(record, kit, model, batch, precision)], {}  # first: where it fails PyTorch need not be ready
    described = dict(model=model, batch=batch, precision=precision, device_description=ours[0]["device_description"], data=ours[0]["data"])
    precision = precision if kit.on_gpu or precision == "bf16" else "float32"
    with prepared(record, kit, model, batch, precision, modes) as peer:
        begin = time.monotonic()
        for rounds in range(1, kit.rounds + 1):
            for mode in list(peer.ready):
                if figures := peer.measure(mode):
                    theirs.setdefault(mode, []).append(figures)
            took = (time.monotonic() - begin) / rounds + ours[0]["process_seconds"]
            if rounds == kit.rounds or (rounds + 1) * took > ALL_ROUNDS_SECONDS or record.left() < took + 10:
                break
            ours.append(ringloom_step(record, kit, described["model"], batch, described["precision"]))
    theirs = {m: runs for m, runs in theirs.items() if m in peer.ready}
    if "eager" not in theirs:
        raise Failed(f"{median(ours):.5g} images/s; PyTorch's eager mode: {peer.failed.get('eager')}")
    record.save("ops.jsonl", [r for r in record.load("ops.jsonl") if key(r) != key(described)] +
                [{**{k: described[k] for k in ("model", "batch", "precision")}, "ops": ours[0].get("ops")}])
    return {
        **described, "rounds": rounds, "images_per_second": median(ours), "process_seconds": ours[0]["process_seconds"],
        "rounds_images_per_second": {"ringloom": per_round(ours), **{m: per_round(runs) for m, runs in theirs.items()}},
        "pytorch_images_per_second": {m: median(runs) for m, runs in theirs.items()}, "pytorch_failed": peer.failed,
        "losses": {"ringloom": losses(ours), **{m: losses(runs) for m, runs in theirs.items()}},
        "pytorch_format": theirs["eager"][-1]["format"], "pytorch_gpu_bytes": theirs["eager"][-1].get("gpu_bytes"),
        "pytorch_description": theirs["eager"][-1]["device_description"],
    }


def compare_at_least(record, kit, model, batch, precision, modes):
    """compare; where a compiled mode takes PyTorch's process with it, with eager alone."""
    try:
        return compare(record, kit, model, batch, precision, modes)
    except Failed as e:
        if str(e).startswith("ringloom:") or modes == ("eager",):
            raise
        result = compare(record, kit, model, batch, precision, ("eager",))
        result["pytorch_failed"].update({m: str(e) for m in modes if m != "eager"})
        return result


def key(result):
    return result["model"], result["batch"], result["precision"]


def per_round(runs):
    return [r["images_per_second_median"] for r in runs]


def median(runs):
    return statistics.median(per_round(runs))


def losses(runs):
    """The first and the last loss. PyTorch's first is that behind its first step, ringloom's too; they begin differently."""
    return [runs[0]["first_loss"], runs[-1]["last_loss"]]


def better(result):
    """PyTorch's better mode: its name and images/s. The compiled mode of that name is the fastest one."""
    return max(result["pytorch_images_per_second"].items(), key=lambda item: item[1])


def compiled(result):
    """The fastest compiled mode and its images/s, or None."""
    return max(((m, s) for m, s in result["pytorch_images_per_second"].items() if m != "eager"), key=lambda item: item[1], default=None)


def assess(result):
    """What was asked of a comparison, what was seen, and the verdict."""
    ours, eager = result["images_per_second"], result["pytorch_images_per_second"]["eager"]
    mode, best = better(result)
    seen = f"{ours:.5g} images/s; eager {eager:.5g}"
    if compiled(result):
        seen += ", compiled {1:.5g} ({0})".format(*compiled(result))
    seen += f"; {ours / best:.2f}x the better, {ours / eager:.2f}x eager"
    for mode, why in result["pytorch_failed"].items():
        seen += f"; not {mode}: {why.splitlines()[0][:120]}"
    if result["model"] == "lenet":
        return f"at least {LENET_GOAL:g}x eager", seen, OK if ours >= LENET_GOAL * eager else NOT_OK
    asked = f"at least {GOAL:g}x the better mode"
    if not compiled(result):
        return asked, f"{seen}; nothing was compiled", NOT_OK if ours < GOAL * eager else NOT_RUN
    return asked, seen, OK if ours >= GOAL * best else NOT_OK


def plan(record, kit, results):
    """What is compared, in order, each with PyTorch's modes: every network without autotuning, then those whose better mode is
    asked for with it. What has failed before comes last."""
    pairs = [p for p in PAIRS if p[1] in kit.batches and p[0] in kit.precisions]
    pairs += [(p, b) for p in kit.precisions for b in kit.batches if (p, b) not in pairs]
    order = [(m, b, p) for p, b in pairs for m in kit.models or MODELS]
    every = [m for m in (GRAPHS, AUTOTUNED) if m in kit.modes]
    steps = [(what, ("eager", *(m for m in every if m != AUTOTUNED))) for what in order]
    if AUTOTUNED in every:
        steps += [(what, ("eager", *every)) for what in order if what[0] != "lenet"]
    if not kit.resume:
        return steps
    known = {key(r): {*r["pytorch_images_per_second"], *r["pytorch_failed"]} for r in results}
    steps = [(what, modes) for what, modes in steps if not set(modes) <= known.get(what, set())]
    failed = lambda what: what not in known and (row := record.find("steps", named(*what))) and row["seen"] != OUT_OF_TIME
    return sorted(steps, key=lambda step: bool(failed(step[0])))


def reason(record, error):
    """Why there is no figure. An error that was not foreseen is one figure's, too, and the next is measured."""
    if isinstance(error, Failed):
        return str(error)
    record.say(traceback.format_exc())
    return f"{type(error).__name__}: {error}"


def named(model, batch, precision):
    return f"{model}, batch {batch}, {precision}"


def steps(record, kit):
    results = record.load("steps.jsonl")
    for (model, batch, precision), modes in plan(record, kit, results):
        what, asked = named(model, batch, precision), "a comparison with PyTorch"
        again = next((r for r in results if key(r) == (model, batch, precision)), None)
        try:
            if record.left() < kit.least_seconds * (1 + (AUTOTUNED in modes)):
                raise Late
            result = (compare if again else compare_at_least)(record, kit, model, batch, precision, modes)
        except Late:
            if AUTOTUNED not in modes:
                record.add("steps", what, asked, OUT_OF_TIME, NOT_RUN, figure=True)
            continue
        except Exception as e:
            why = reason(record, e)
            if again and AUTOTUNED in modes:  # what was seen without it counts
                again["pytorch_failed"][AUTOTUNED] = why
                result = again
            else:
                record.add("steps", what, asked, why, NOT_OK if why.startswith("ringloom:") else NOT_RUN, figure=True)
                continue
        results = [r for r in results if key(r) != key(result)] + [result]
        record.save("steps.jsonl", results)
        record.add("steps", what, *assess(result), figure=True)


def steps_table(record):
    """The lines of the table of all comparisons so far."""
    results = record.load("steps.jsonl")
    if not results:
        return []
    rows = []
    place = lambda r: (MODELS.index(r["model"]) if r["model"] in MODELS else len(MODELS), r["batch"], r["precision"])
    for r in sorted(results, key=place):
        ours, eager, fastest = r["images_per_second"], r["pytorch_images_per_second"]["eager"], compiled(r)
        rows.append((r["model"], str(r["batch"]), r["precision"], f"{ours:.5g}", f"{eager:.5g}", f"{fastest[1]:.5g}" if fastest else "-",
                     fastest[0] if fastest else "-", r["pytorch_format"], f"{ours / better(r)[1]:.2f}", f"{ours / eager:.2f}", str(r["rounds"]), f"{r['process_seconds']:.0f} s"))
    headings = ("model", "batch", "prec.", "ringloom", "eager", "compiled", "compiled how", "format", "/better", "/eager", "rounds", "process")
    return [*heading(record.emulated), "Training step with Adam: images/s, medians of interleaved rounds",
            results[-1]["device_description"], results[-1]["pytorch_description"], "", *columns(headings, rows)]


def epoch(record, kit, model, batch, epochs, rate, seconds):
    flags = ["--model", model, "--global-batch", str(batch), "--epochs", str(epochs), "--lr", str(rate), "--seed", "1"]
    if kit.max_steps:
        flags += ["--max-steps", str(kit.max_steps)]
    limit = min(EPOCH_SECONDS, 3 * seconds * epochs + 90)
    done, lines = train(record, kit, f"epoch {model} {batch}", kit.device, 1, *flags, limit=limit)
    if done.cut:
        raise Late
    if done.why:
        raise Failed(done.why)
    return lines


def epochs(record, kit):
    """Epochs that have to be short, and one of each network of the course."""
    chosen = lambda model: not kit.models or model in kit.models
    planned = [("goal", m, EPOCH_BATCH, n, seconds) for m, (seconds, n) in EPOCH_GOALS.items() if chosen(m)]
    planned += [("course", m, COURSE_BATCH, 1, seconds) for m, seconds in COURSE.items() if chosen(m) and not (kit.emulated and m != "lenet")]
    if kit.emulated:
        planned = [("course", "lenet", 8, 1, 0)] + [p[:2] + (8,) + p[3:] for p in planned if p[1] == "lenet"]
    for kind, model, batch, count, seconds in planned:
        rate = RATES.get(model, OTHER_RATE)
        what = f"{model}, batch {batch}, tf32, learning rate {rate:g}"
        asked = f"an epoch in {seconds:g} s" if kind == "goal" else f"the course's {seconds} s; learns (test accuracy above {LEARNS})"
        if kit.resume and record.has("epochs", what):
            continue
        try:
            if record.left() < kit.least_seconds / 2:
                raise Late
            lines = epoch(record, kit, model, batch, count, rate, seconds)
        except Late:
            record.add("epochs", what, asked, OUT_OF_TIME, NOT_RUN, figure=True)
            continue
        except Exception as e:
            record.add("epochs", what, asked, reason(record, e), NOT_OK, figure=True)
            continue
        later = [m["seconds"] for m in lines[1:]] or [lines[0]["seconds"]]
        took, accuracy = statistics.median(later), lines[-1]["test_accuracy"]
        seen = f"{took:.2f} s (the first {lines[0]['seconds']:.2f}), test accuracy {accuracy:.3f} after {len(lines)}"
        good = took <= seconds and (kind == "goal" or accuracy > LEARNS)
        record.add("epochs", what, asked, seen, OK if good else NOT_OK, figure=True)
