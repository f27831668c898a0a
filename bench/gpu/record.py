"""What was asked, what was seen: the rows of the table, and the folder that keeps the output of every command."""
import json
import os
import signal
import subprocess
import sys
import time

OK, NOT_OK, NOT_RUN, IN_PART = "ok", "not ok", "not run", "in part"
# Verdicts where there was no GPU: what is right there need not be on a GPU, and no figure counts.
OK_EMULATED, EMULATED = "ok, emulated", "emulated"
HEADINGS = ("part", "what", "asked", "seen", "verdict")


class Done:
    """A command that ended, or was ended. why is None where it did what it should."""

    def __init__(self, code, output, errors, seconds, timed_out):
        self.code, self.output, self.errors, self.seconds = code, output, errors, seconds
        lines = [line for line in (output + "\n" + errors).splitlines() if line.strip()]
        # What launch says at the end names the rank; why it failed stands before.
        last = next((line for line in reversed(lines) if "failed with exit code" not in line), "no output")
        self.why = None if code == 0 else f"ended after {seconds:.0f} s, the limit" if timed_out else f"code {code}: {last.strip()}"

    def json(self):
        """The JSON objects among the lines of the output."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]


class Record:
    """A folder of results. Runs that share it make one table: a row takes the place of the one of the same name."""

    def __init__(self, folder, seconds, environment, emulated):
        self.folder, self.end, self.emulated = folder, time.monotonic() + seconds, emulated
        self.environment = {**os.environ, **environment}
        os.makedirs(os.path.join(folder, "output"), exist_ok=True)
        self.rows = self.load("rows.jsonl")
        kind = self.path("emulated" if emulated else "on-a-gpu")
        if self.rows and not os.path.exists(kind):
            sys.exit(f"run.py: {folder} has results with and without a GPU, which make no table: name another folder with --results")
        open(kind, "w").close()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def load(self, name):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name)) as f:
            return [json.loads(line) for line in f]

    def save(self, name, rows):
        with open(self.path(name + ".new"), "w") as f:
            f.writelines(json.dumps(row) + "\n" for row in rows)
        os.replace(self.path(name + ".new"), self.path(name))

    def left(self):
        """Seconds until this run must end."""
        return self.end - time.monotonic()

    def add(self, part, what, asked, seen, verdict, figure=False):
        """Keep a row. A figure of the emulator or of another device than a GPU is none, whatever it seems to be. A row that
        was not run never takes the place of one that was."""
        if self.emulated and figure and verdict != NOT_RUN:
            verdict = EMULATED
        elif self.emulated and verdict == OK:
            verdict = OK_EMULATED
        row = dict(zip(HEADINGS, (part, what, asked, seen, verdict)))
        same = [i for i, r in enumerate(self.rows) if (r["part"], r["what"]) == (part, what)]
        print(f"{part}: {what}: {seen}: {verdict}", flush=True)
        if same and verdict == NOT_RUN and self.rows[same[0]]["verdict"] != NOT_RUN:
            return
        if same:
            self.rows[same[0]] = row
        else:
            self.rows.append(row)
        self.save("rows.jsonl", self.rows)

    def run(self, name, command, limit, cwd=None, environment=None):
        """Run a command for at most limit seconds and what is left of this run. Its output is kept, whatever happens."""
        limit = max(1, min(limit, self.left()))
        begin, timed_out = time.monotonic(), False
        try:
            process = subprocess.Popen(command, cwd=cwd, env={**self.environment, **(environment or {})}, text=True, errors="replace",
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        except OSError as e:
            code, output, errors = 127, "", f"{command[0]}: {e.strerror}"
        else:
            try:
                output, errors = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                timed_out = True
                os.killpg(process.pid, signal.SIGKILL)
                output, errors = process.communicate()
            code = process.returncode
        done = Done(code, output, errors, time.monotonic() - begin, timed_out)
        with open(self.path("output", name.replace("/", "-").replace(" ", "-") + ".txt"), "w") as f:
            f.write(f"$ {' '.join(command)}\n{output}\n{errors}\n(code {code} after {done.seconds:.1f} s)\n")
        return done


def table(headings, rows):
    """Lines of a table: words to the left, in columns as wide as they need."""
    widths = [max(len(r[i]) for r in (headings, *rows)) for i in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip() for r in (headings, *rows)]


def heading(emulated):
    if emulated:
        return ["EMULATED: no GPU was used, or PyTorch ran on the CPU. No figure counts.", ""]
    return []


def summary(record):
    """The lines of the table of all rows, and how many came to what."""
    rows = [[r[h] for h in HEADINGS] for r in record.rows]
    verdicts = [r["verdict"] for r in record.rows]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in (OK, NOT_OK, IN_PART, NOT_RUN, OK_EMULATED, EMULATED) if v in verdicts)
    return [*heading(record.emulated), *table(HEADINGS, rows), "", f"{len(rows)} rows: {counts or 'none'}"]
