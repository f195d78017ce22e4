"""The processes of a build; strace, wrapped around the recorder, sees each one start."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.live.oracles.figure import Figure
from tests.live.recording import SYSMON, Trace, busy

PARTS = 12

RULES = """\
all: hello late
hello: hello.o {objects}
\tgcc -o $@ $^
%.o: %.c
\tgcc -O1 -c $<
late: hello
\t( ( sleep 0.3; gcc -O1 -c -o late.o hello.c; touch late ) & )
"""
"""The last rule's processes outlive their parents, and make itself."""


def project(folder: Path) -> None:
    """A small C project."""
    for i in range(PARTS):
        (folder / f"part{i}.c").write_text(f"int part{i}(int n) {{ return n * {i}; }}\n")
    calls = " + ".join(f"part{i}(argc)" for i in range(PARTS))
    declared = "".join(f"int part{i}(int);\n" for i in range(PARTS))
    (folder / "hello.c").write_text(f"{declared}int main(int argc, char **argv) {{ return ({calls}) < 0; }}\n")
    (folder / "Makefile").write_text(RULES.format(objects=" ".join(f"part{i}.o" for i in range(PARTS))))


def build(folder: Path, strace: str) -> tuple[set[tuple[int, int]], set[tuple[int, int]], int]:
    """Records `make -j4` with unrelated processes running.

    Returns the processes below make with their parents, by strace and by sysmon, and make's pid.
    """
    project(folder)
    log = folder / "strace"
    seen = ["-f", "-qq", "--seccomp-bpf", "-s", "0", "-e", "signal=none", "-e", "trace=fork,vfork,clone,clone3"]
    record = [SYSMON, "record", "-o", str(folder / "t.parquet"), "--", "make", "-j4"]
    with busy(1):
        subprocess.run(
            [strace, *seen, "-o", str(log), *record], cwd=folder, check=True, capture_output=True, timeout=300
        )
    assert (folder / "late").exists()
    trace = Trace(folder / "t.parquet")
    trace.assert_nothing_lost()
    (make,) = (pid for pid, argv in trace.rows("SELECT pid, argv FROM execs") if argv == ["make", "-j4"])
    assert trace.one(f"SELECT max(ts) > any_value(ts) FILTER (pid = {make}) FROM exits"), "make ends first"
    children = dict[int, list[int]]()
    for line in log.read_text().splitlines():
        if made := re.match(r"(\d+) .*\) += (\d+)$", line):
            children.setdefault(int(made[1]), []).append(int(made[2]))
    below, todo = set(), [make]
    while todo:
        parent = todo.pop()
        below |= {(child, parent) for child in children.get(parent, [])}
        todo += children.get(parent, [])
    recorded = set(trace.rows(f"SELECT pid, ppid FROM processes WHERE pid <> {make}"))
    return below, recorded, make


def of_a_build(folder: Path, strace: str) -> list[Figure]:
    """Number of processes, and of sysmon's that strace does not have or that have another parent."""
    below, recorded, _make = build(folder, strace)
    return [
        Figure("make -j4: processes below make", "strace", len(below), len(recorded)),
        Figure("make -j4: of them with the same parent", "strace", len(below), len(below & recorded)),
    ]
