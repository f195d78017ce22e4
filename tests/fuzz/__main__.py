"""Damages traces at random for some seconds and reads them: `python -m tests.fuzz [SECONDS [SEED [directories]]]`.

With `directories` only interrupted recordings.

Every command may answer or refuse with one line. A traceback, a crash, a process above 600 MB or a command above 20 s
of CPU time is a fault: the damaged trace is kept, and the exit status is 1. The same seed makes the same cases.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would not survive a fork

from tests.fuzz import child, directories, mutations, seeds

REPORTS = ("syscalls", "processes", "files", "process_tree", "findings", "lives", "memory_growth", "losses",
           "latency_timeline", "sockets", "storms", "overhead", "cgroups", "execs", "file_ops")  # fmt: skip
CHARTS = ("cpu", "memory", "latency", "lifetimes", "heatmap", "io", "kernel_memory", "errors", "wall_time")

PARTIAL_SHARE = 0.4
"""The share of cases that are interrupted recordings."""


def commands(trace: str, dice: random.Random) -> list[list[str]]:
    """The commands to run on a trace: always one for its metadata, and another."""
    others = [
        ["report", trace],
        ["report", trace, *dice.sample(REPORTS, 3)],
        ["report", trace, dice.choice(REPORTS), "--format", dice.choice(("json", "csv", "markdown"))],
        ["report", trace, "--format", dice.choice(("json", "markdown"))],
        ["report", trace, dice.choice(REPORTS), "--since", "+1", "--until", "+5"],
        ["dump", trace],
        ["chart", trace, dice.choice(CHARTS), "-o", "c.svg", "--force"],
        ["report", trace, "--html", "r.html", "--force", "--limit", "10"],
        ["diff", trace, str(seeds.SAMPLE)],
        ["sql", trace, "SELECT count(*), max(ts) FROM execs"],
    ]
    return [["info", trace], *dice.sample(others, dice.choice((0, 1, 1)))]


def case(number: int, seed: int, directory: Path, whole: bytes, partial: Path, share: float) -> tuple[str, child.Case]:
    """Makes a damaged trace and reads it: how it was damaged, and the outcome."""
    dice = random.Random(f"{seed}/{number}")
    if dice.random() < share:
        name, damage = dice.choice(list(directories.ALL.items()))
        made = directory / partial.name
        shutil.copytree(partial, made)
        child.apart(lambda: damage(made, random.Random(f"{seed}/{number}/damage")))
        asked = dice.choice((made.name, "t.parquet"))
        run = [
            *commands(asked, dice),
            ["repair", asked, "-o", "copy.parquet"],
            ["repair", asked],
            ["info", "t.parquet"],
        ]
    else:
        name, change = dice.choice(list(mutations.FILE.items()))
        path = directory / "t.parquet"
        child.apart(lambda: path.write_bytes(change(whole, random.Random(f"{seed}/{number}/damage"))))
        run = [*commands("t.parquet", dice), ["repair", "t.parquet"]]
    return name, child.run(run, directory)


def fuzz(seconds: float, seed: int, share: float = PARTIAL_SHARE) -> int:
    """Runs cases until the time is over. Returns the number of faults. `share`: as PARTIAL_SHARE."""
    began, number, faults = time.monotonic(), 0, 0
    counts: Counter[str] = Counter()
    read: Counter[str] = Counter()
    most_rss = 0
    slowest = 0.0
    with child.imported(), tempfile.TemporaryDirectory(prefix="sysmon-fuzz-") as scratch:
        canary = directories.canary(Path(scratch))
        untouched = directories.state(canary)
        whole = seeds.SAMPLE.read_bytes()
        with tempfile.TemporaryDirectory(prefix="sysmon-fuzz-") as other:
            made = Path(other)
            child.apart(lambda: seeds.cut_off(made))
            (partial,) = made.iterdir()
            while (now := time.monotonic() - began) < seconds:
                directory = Path(scratch) / str(number)
                directory.mkdir()
                name, found = case(number, seed, directory, whole, partial, share)
                counts[name] += 1
                read[name] += found.statuses[:1] == (0,)
                if directories.state(canary) != untouched:
                    found = replace(found, fault="a file outside was changed")
                    untouched = directories.state(canary)
                most_rss, slowest = max(most_rss, found.rss_bytes), max(slowest, found.seconds)
                if found.fault:
                    faults += 1
                    kept = Path(tempfile.mkdtemp(prefix=f"fault-{name}-{number}-", dir=os.environ.get("FUZZ_FAULTS")))
                    shutil.copytree(directory, kept, dirs_exist_ok=True)
                    print(f"case {number} of seed {seed}, {name}, at {now:.0f} s, kept in {kept}:\n  {found.fault}\n")
                    sys.stdout.flush()
                shutil.rmtree(directory, ignore_errors=True)
                number += 1
    for name, count in sorted(counts.items()):
        print(f"{name:<24} {count:>6} cases, {read[name]:>6} still read")
    print(
        f"fuzz: {number} cases of seed {seed} in {time.monotonic() - began:.0f} s, {faults} faults; "
        f"at most {most_rss >> 20} MiB and {slowest:.1f} s of CPU a command"
    )
    return faults


if __name__ == "__main__":
    arguments = [float(a) for a in sys.argv[1:3]]
    length_s = arguments[0] if arguments else 600.0
    chosen = int(arguments[1]) if len(arguments) > 1 else random.randrange(10**6)
    sys.exit(fuzz(length_s, chosen, 1.0 if sys.argv[3:] == ["directories"] else PARTIAL_SHARE) > 0)
