"""Programs that this script starts: what they say is heard line by line, and they are gone before the next one starts.

They stay in this script's process group, so that whoever ends the group ends them too: on a borrowed machine a program that
lives on would hold the GPU's memory under the next one."""
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import threading
import time

GRACE = 5  # seconds between asking a program to end and ending it


class Done:
    """A command that ended, or was ended. why is None where it did what it should."""

    def __init__(self, code, output, errors, seconds, timed_out):
        self.code, self.output, self.errors, self.seconds, self.timed_out = code, output, errors, seconds, timed_out
        self.cut = False  # by the end of the whole run
        self.why = None if code == 0 and not timed_out else f"ended after {seconds:.0f} s, the limit" if timed_out else self.cause()

    def cause(self):
        """The line that says why a command failed."""
        lines = [line.strip() for line in (self.output + "\n" + self.errors).splitlines() if line.strip()]
        # What launch says at the end names the rank; why it failed stands before. A crash says so first, and then where.
        crash = next((line for line in lines if re.match(r"(panic|fatal error|SIG[A-Z]+|unexpected fault).*:", line)), None)
        last = next((line for line in reversed(lines) if "failed with exit code" not in line), "no output")
        status = "still running" if self.code is None else f"signal {signal.Signals(-self.code).name}" if self.code < 0 else f"code {self.code}"
        return f"{status}: {crash or last}"

    def json(self):
        """The JSON objects among the lines of the output."""
        return list(filter(None, map(parsed, self.output.splitlines())))


def parsed(line):
    """The JSON object that a line is, or None."""
    if line.startswith("{"):
        with contextlib.suppress(ValueError):
            return json.loads(line)
    return None


class Command:
    """A program that runs. heard(line, errors) gets each line of its output as it comes, from two threads."""

    def __init__(self, command, environment, cwd=None, heard=None, stdin=subprocess.DEVNULL):
        self.begin, self.objects, self.process = time.monotonic(), queue.Queue(), None
        self.said, self.heard = ([], []), heard
        self.threads = []
        try:
            self.process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                            encoding="utf-8", errors="replace")
        except OSError as e:
            self.hear(f"{command[0]}: {e.strerror}\n", True)
            self.objects.put(None)
            return
        for stream, errors in ((self.process.stdout, False), (self.process.stderr, True)):
            self.threads.append(threading.Thread(target=self.listen, args=(stream, errors), daemon=True))
            self.threads[-1].start()

    def hear(self, line, errors):
        self.said[errors].append(line)
        if self.heard:
            self.heard(line, errors)

    def listen(self, stream, errors):
        for line in stream:
            self.hear(line, errors)
            if not errors and (found := parsed(line)):
                self.objects.put(found)
        if not errors:
            self.objects.put(None)

    def next(self, seconds):
        """The next JSON object that it prints, or None where it has ended; queue.Empty where it takes too long."""
        return self.objects.get(timeout=max(1, seconds))

    def wait(self, seconds):
        """Until it ends, or is ended after so many seconds."""
        timed_out = False
        if self.process:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                timed_out = True
                self.end(signal.SIGQUIT)  # Go programs say where they hang
        return self.done(timed_out)

    def done(self, timed_out=False):
        """What came of it, after it has ended or closed its output."""
        if self.process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)
        for thread in self.threads:
            thread.join(GRACE)  # no longer: somebody else may hold the pipe
        code = self.process.returncode if self.process else 127
        return Done(code, *("".join(list(lines)) for lines in self.said), time.monotonic() - self.begin, timed_out)

    def end(self, first=signal.SIGTERM):
        """Ask it to end, and then end it and all that it has started."""
        if self.process is None or self.process.poll() is not None:
            return
        family = [self.process.pid, *descendants(self.process.pid)]
        self.process.send_signal(first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that hangs in the driver does not end even so
            self.process.wait(GRACE)
        deadline = time.monotonic() + GRACE
        while any(map(alive, family)) and time.monotonic() < deadline:
            time.sleep(0.05)


def stat(pid):
    """The state and the parent of a process; None where there is none."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            state, parent = f.read().rpartition(")")[2].split()[:2]
        return state, int(parent)
    except OSError:
        return None


def alive(pid):
    found = stat(pid)
    return found is not None and found[0] not in "ZX"


def descendants(pid):
    """All processes that a process has started, and those that these have started."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := stat(name)):
            children.setdefault(found[1], []).append(int(name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family[1:]
