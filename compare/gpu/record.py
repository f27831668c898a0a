"""What was asked, what was seen: the rows of the table. The folder of results has few files, each whole at any time: whatever
ends this script, what was seen until then is there."""
import json
import os
import sys
import tempfile
import textwrap
import threading
import time

from command import Command

OK, NOT_OK, NOT_RUN, IN_PART = "ok", "not ok", "not run", "in part"
# Verdicts where there was no GPU: what is right there need not be on a GPU, and no figure counts.
OK_EMULATED, EMULATED = "ok, emulated", "emulated"
OUT_OF_TIME = "out of time"
WIDTH, LONGEST_CELL = 118, 400
LOGGED_CHARS, LOG_BYTES = 300_000, 12 << 20  # of one command, of all: the log must stay small enough to be fetched


class Record:
    """A folder of results. Runs that share it make one table: a row takes the place of the one of the same name."""

    def __init__(self, folder, seconds, environment, emulated):
        self.folder, self.end, self.emulated = folder, time.monotonic() + seconds, emulated
        self.environment = {**os.environ, **environment}
        self.tables = []  # functions that return lines to stand above the rows
        self.running, self.lock = set(), threading.Lock()
        os.makedirs(folder, exist_ok=True)
        self.rows = self.load("rows.jsonl")
        if any(r["emulated"] != emulated for r in self.rows):
            sys.exit(f"run.py: {folder} has results with and without a GPU, which make no table: name another folder with --results")
        # Runs of training are read and thrown away: their checkpoints have hundreds of MB.
        self.scratch = tempfile.TemporaryDirectory(prefix="ringloom-", ignore_cleanup_errors=True)
        self.log = open(self.path("log.txt"), "a", encoding="utf-8", errors="replace")

    def path(self, name):
        return os.path.join(self.folder, name)

    def load(self, name):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def write(self, name, text):
        """Replace a file, whole or not at all."""
        with open(self.path(name + ".new"), "w", encoding="utf-8", errors="replace") as f:
            f.write(text)
        os.replace(self.path(name + ".new"), self.path(name))

    def save(self, name, rows):
        self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def say(self, text):
        """Add to the log at once."""
        with self.lock:
            if self.log.tell() < LOG_BYTES:
                self.log.write(text)
                self.log.flush()

    def left(self):
        """Seconds until this run must end."""
        return self.end - time.monotonic()

    def find(self, part, what):
        return next((r for r in self.rows if (r["part"], r["what"]) == (part, what)), None)

    def has(self, part, what):
        """Whether a row has been run, with whatever verdict."""
        row = self.find(part, what)
        return row is not None and row["verdict"] != NOT_RUN

    def add(self, part, what, asked, seen, verdict, figure=False):
        """Keep a row, and write the table. A figure of the emulator or of another device than a GPU is none, whatever it
        seems to be. A row that was not run never takes the place of one that was."""
        if self.emulated and figure and verdict != NOT_RUN:
            verdict = EMULATED
        elif self.emulated and verdict == OK:
            verdict = OK_EMULATED
        seen = textwrap.shorten(str(seen), LONGEST_CELL, placeholder=" ...")  # one line; all of it is in the log
        row = {"part": part, "what": what, "asked": asked, "seen": seen, "verdict": verdict, "emulated": self.emulated}
        print(f"{part}: {what}: {seen}: {verdict}", flush=True)
        self.say(f"== {part}: {what}: {seen}: {verdict}\n")
        if verdict == NOT_RUN and self.has(part, what):
            return
        before = self.find(part, what)
        if before:
            before.update(row)
        else:
            self.rows.append(row)
        self.save("rows.jsonl", self.rows)
        self.table()

    def table(self):
        """The lines of the table, which are written too."""
        lines = []
        for part in (*self.tables, lambda: summary(self)):
            lines += [*part(), ""]
        text = "\n".join(lines).strip() + "\n"
        self.write("table.txt", text)
        return text

    def start(self, name, command, **options):
        """Start a command, whose output goes to the log line by line."""
        environment = {**self.environment, **options.pop("environment", {})}
        logged = Logged(self, name)
        logged.add(f"$ {' '.join(command)}")
        started = Command(command, environment, heard=logged.add, **options)
        self.running.add(started)
        return started

    def run(self, name, command, limit, **options):
        """Run a command for at most limit seconds and what is left of this run."""
        left = self.left()
        started = self.start(name, command, **options)
        done = started.wait(max(1, min(limit, left)))
        done.cut = done.timed_out and left < limit
        self.running.discard(started)
        self.say(f"[{name}] ({done.code} after {done.seconds:.1f} s)\n")
        return done

    def close(self):
        for command in list(self.running):
            command.end()
        self.scratch.cleanup()


class Logged:
    """The lines of one command in the log; of one that says too much, the first."""

    def __init__(self, record, name):
        self.record, self.name, self.left = record, name, LOGGED_CHARS

    def add(self, line, errors=False):
        if self.left <= 0:
            return
        self.left -= len(line)
        end = "" if self.left > 0 else f"[{self.name}] ... and more\n"
        self.record.say(f"[{self.name}] {line[:LOGGED_CHARS].rstrip()}\n{end}")


def columns(headings, rows):
    """Lines of a table: words to the left, in columns as wide as they need."""
    widths = [max(len(r[i]) for r in (headings, *rows)) for i in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip() for r in (headings, *rows)]


def heading(emulated):
    if emulated:
        return ["EMULATED: no GPU was used, or PyTorch ran on the CPU. No figure counts.", ""]
    return []


def summary(record):
    """The lines of all rows, which fit a terminal, and how many came to what."""
    lines = heading(record.emulated)
    wide = max((len(r["verdict"]) for r in record.rows), default=0) + 2
    for r in record.rows:
        for text in (f"{r['part']}: {r['what']} [{r['asked']}]", r["seen"]):
            first = r["verdict"].ljust(wide) if text != r["seen"] else " " * (wide + 2)
            lines += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * (wide + 2), break_on_hyphens=False)
    verdicts = [r["verdict"] for r in record.rows]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in (OK, NOT_OK, IN_PART, NOT_RUN, OK_EMULATED, EMULATED) if v in verdicts)
    return [*lines, "", f"{len(record.rows)} rows: {counts or 'none'}"]
