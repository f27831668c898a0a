"""compare/pytorch/step.py, which keeps a network in several modes ready and measures the one that is asked for."""
import contextlib
import os
import queue
import subprocess
import time

# Several modes take their time: imports, cuDNN's trials, torch.compile's kernels. Autotuning takes longest.
PREPARE_SECONDS, AUTOTUNE_SECONDS, MEASURE_SECONDS = 150, 240, 60


class Late(Exception):
    """The whole run ends before this could."""


class Failed(Exception):
    """There is no figure, and why."""


class PyTorch:
    """A process with the modes that are ready. failed says of the others why they are not."""

    def __init__(self, record, kit, model, batch, precision, modes):
        self.record, self.ready, self.failed = record, [], {}
        command = [kit.python, os.path.join(kit.root, "compare", "pytorch", "step.py"), "--model", model, "--batch", str(batch),
                   "--device", kit.pytorch_device, "--precision", precision, "--format", "best" if kit.on_gpu else "channels_last", "--serve",
                   "--mode", ",".join(modes), *kit.pytorch_steps]
        self.command = record.start(f"pytorch {model} {batch} {precision}", command, stdin=subprocess.PIPE)

    def prepare(self, seconds):
        """Wait until all modes are ready or have failed. False where it takes too long."""
        end = time.monotonic() + seconds
        try:
            while line := self.command.next(end - time.monotonic()):
                if line.get("prepared"):
                    return True
                if "error" in line:
                    self.failed[line["mode"]] = line["error"]
                else:
                    self.ready.append(line["mode"])
        except queue.Empty:
            return False
        raise Failed(f"PyTorch ended before it was ready: {self.command.done().why}")

    def measure(self, mode):
        """A mode's figures, or None where it fails from now on."""
        limit = min(MEASURE_SECONDS, self.record.left() - 5)
        try:
            self.command.process.stdin.write(mode + "\n")
            self.command.process.stdin.flush()
            line = self.command.next(limit)
        except queue.Empty:
            if limit < MEASURE_SECONDS:
                raise Late from None
            raise Failed(f"PyTorch's {mode} was not measured within {limit:.0f} s") from None
        except OSError:
            line = None
        if line is None:
            raise Failed(f"PyTorch ended while {mode} was measured: {self.command.done().why}")
        if "error" in line:
            self.ready.remove(mode)
            self.failed[mode] = line["error"]
            return None
        return line

    def close(self):
        """End it, and with it the memory that it holds on the GPU."""
        with contextlib.suppress(OSError, AttributeError, subprocess.TimeoutExpired):
            self.command.process.stdin.close()  # it ends by itself, and so do its compilers
            self.command.process.wait(3)
        self.command.end()
        self.record.running.discard(self.command)


@contextlib.contextmanager
def prepared(record, kit, model, batch, precision, modes):
    """A PyTorch whose modes are ready. One that takes too long is started again with the modes that were ready by then."""
    autotuned = any("autotune" in m for m in modes)
    seconds = AUTOTUNE_SECONDS if autotuned else PREPARE_SECONDS
    rest = 20 if kit.emulated else 40  # of this run, for the rounds
    limit = min(seconds, record.left() - rest)
    peer = PyTorch(record, kit, model, batch, precision, modes)
    try:
        if not peer.prepare(limit):
            ready, failed = peer.ready, peer.failed
            peer.close()
            late = [m for m in modes if m not in ready and m not in failed]
            if limit < seconds:
                raise Late
            if not ready:
                raise Failed(f"PyTorch's {late[0]} was not ready within {limit:.0f} s")
            peer = PyTorch(record, kit, model, batch, precision, ready)
            if not peer.prepare(record.left() - rest):
                raise Late
            peer.failed = {**peer.failed, **failed, **{m: f"not ready within {limit:.0f} s" for m in late}}
        yield peer
    finally:
        peer.close()
